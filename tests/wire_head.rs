//! The head parser against tables, against every cut of its input, at the edge of readable
//! memory, and against a slow reference parser; all of it with every level of instructions.
#![allow(unsafe_code, reason = "a page that cannot be read stands behind the input")]

#[path = "support/head_reference.rs"]
mod head_reference;

use std::ptr;

use corelane::limits::{FIELDS_MAX, HEAD_BYTES_MAX, METHOD_BYTES_MAX};
use corelane::wire::head::{Head, Method, Span, Version};
use corelane::wire::parse::{HeadLimits, Parse, Progress, parse_head, parse_head_at};
use corelane::wire::refusal::Refusal;
use corelane::wire::scan::Level;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use head_reference::{Contents, Outcome, Reference};

const LIMITS: HeadLimits =
    HeadLimits { head_bytes: HEAD_BYTES_MAX, fields: FIELDS_MAX, target_bytes: 8000 };

/// The line that most heads here begin with.
const GET: &[u8] = b"GET / HTTP/1.1\r\n";

const BROWSER: &[u8] = b"GET /articles/2026/on-latency?page=2 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
    Access-Control-Request-Private-Network: true\r\n\
    X-Empty:\r\n\
    X.Odd~Name`s:  \t spaced \t out\t\r\n\
    X-Obs-Text: \x80\xff\r\n\r\n";

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn outcome(parse: Parse) -> Outcome {
    match parse {
        Parse::Complete { len } => Outcome::Complete(len),
        Parse::Partial => Outcome::Partial,
        Parse::Refused(refusal) => Outcome::Refused(refusal),
    }
}

fn contents(head: &Head, start: usize) -> Contents {
    let range = |span: Span| usize::from(span.start) - start..usize::from(span.end) - start;
    Contents {
        method: range(head.method_name),
        target: range(head.target),
        version: Some(head.version),
        fields: head.fields.iter().map(|field| (range(field.name), range(field.value))).collect(),
    }
}

/// Parses `bytes` as they grow to each length of `cuts`, and then to all of them.
fn parse_cut(
    level: Level,
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    limits: &HeadLimits,
) -> (Outcome, Head) {
    let mut head = Head::default();
    let mut progress = Progress::default();
    for cut in cuts.into_iter().chain([bytes.len()]) {
        let parse = parse_head_at(level, &bytes[..cut], 0, &mut head, &mut progress, limits);
        if parse != Parse::Partial {
            return (outcome(parse), head);
        }
    }
    (Outcome::Partial, head)
}

/// Parses `bytes` behind so many others that the windows fall differently.
fn parse_behind(level: Level, bytes: &[u8], limits: &HeadLimits) -> (Outcome, Contents) {
    let others = [b':'; 45];
    let block = join(&[&others, bytes]);
    let (mut head, mut progress) = (Head::default(), Progress::default());
    let parse = parse_head_at(level, &block, others.len(), &mut head, &mut progress, limits);
    let has_head = matches!(parse, Parse::Complete { .. });
    let found = if has_head { contents(&head, others.len()) } else { Contents::default() };
    (outcome(parse), found)
}

/// The reference's outcome for each length of a prefix, and the contents it ended with.
fn refer(bytes: &[u8], limits: &HeadLimits) -> (Vec<Outcome>, Contents) {
    let mut reference = Reference::new(*limits);
    let mut outcomes = vec![Outcome::Partial];
    outcomes.extend(bytes.iter().map(|byte| reference.feed(*byte)));
    (outcomes, reference.contents)
}

/// Checks every prefix, every cut into two and the cut into single bytes on every level.
fn check_thoroughly(bytes: &[u8], limits: &HeadLimits) -> Outcome {
    let (outcomes, expected) = refer(bytes, limits);
    let last = outcomes[bytes.len()];
    for level in Level::available() {
        let check = |what: &str, to: usize, (outcome, head): (Outcome, Head)| {
            let shown = bytes.escape_ascii();
            assert_eq!(outcome, outcomes[to], "{level:?}, {what}, {to} bytes of {shown}");
            if let Outcome::Complete(_) = outcome {
                assert_eq!(contents(&head, 0), expected, "{level:?}, {what}: {shown}");
                assert_eq!(Method::from_name(head.method_name.of(bytes)), head.method);
            }
        };
        for to in 0..=bytes.len() {
            check("prefix", to, parse_cut(level, &bytes[..to], [], limits));
            check("two pieces", bytes.len(), parse_cut(level, bytes, [to], limits));
        }
        check("single bytes", bytes.len(), parse_cut(level, bytes, 0..bytes.len(), limits));
        let (behind, found) = parse_behind(level, bytes, limits);
        assert_eq!(behind, last, "{level:?}, behind others: {}", bytes.escape_ascii());
        if let Outcome::Complete(_) = behind {
            assert_eq!(found, expected, "{level:?}, behind others: {}", bytes.escape_ascii());
        }
    }
    last
}

fn check(bytes: &[u8]) -> Outcome {
    check_thoroughly(bytes, &LIMITS)
}

fn parse_whole(bytes: &[u8]) -> (Parse, Head) {
    let mut head = Head::default();
    let parse = parse_head(bytes, 0, &mut head, &mut Progress::default(), &LIMITS);
    (parse, head)
}

#[test]
fn accepted_heads_say_what_was_sent() {
    let (parse, head) = parse_whole(BROWSER);
    assert_eq!(parse, Parse::Complete { len: BROWSER.len() });
    assert_eq!((head.method, head.version), (Method::Get, Version::Http11));
    assert_eq!(head.target.of(BROWSER), b"/articles/2026/on-latency?page=2");
    let value = |name| head.field(BROWSER, name);
    assert_eq!(value("host"), Some(&b"www.example.com"[..]));
    assert_eq!(value("UPGRADE-INSECURE-REQUESTS"), Some(&b"1"[..]));
    assert_eq!(value("access-control-request-private-network"), Some(&b"true"[..]));
    assert_eq!(value("X-Empty"), Some(&b""[..]));
    assert_eq!(value("x.odd~name`s"), Some(&b"spaced \t out"[..]));
    assert_eq!(value("X-Obs-Text"), Some(&b"\x80\xff"[..]));
    assert_eq!(head.fields.len(), 10);
    check(BROWSER);
}

#[test]
fn every_accepted_form_is_accepted_however_it_is_cut() {
    let accepted: [(&str, &[u8]); 21] = [
        ("no field at all", b"GET / HTTP/1.1\r\n\r\n"),
        ("an older version", b"GET / HTTP/1.0\r\n\r\n"),
        ("a higher minor version", b"GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
        ("one empty line before", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an unknown method", b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method in lower case", b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method of symbols", b"!#$%&'*+-.^_`|~ / HTTP/1.1\r\n\r\n"),
        ("POST", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("PUT", b"PUT /a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("HEAD", b"HEAD / HTTP/1.0\r\nHost: a\r\n\r\n"),
        ("a target of one symbol", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an absolute target", b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an empty value", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("an empty value of blanks", b"GET / HTTP/1.1\r\nHost: \t \r\n\r\n"),
        ("a value without a blank", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"),
        ("a value of one byte", b"GET / HTTP/1.1\r\nA: b\r\nC:d\r\n\r\n"),
        ("blanks around a value", b"GET / HTTP/1.1\r\nHost:\t a \t\r\nB: c \r\n\r\n"),
        ("colons in a value", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\nA::\r\nB: :\r\n\r\n"),
        ("obs-text at the ends", b"GET / HTTP/1.1\r\nA: \x80b\xff\r\nB:\xff\r\n\r\n"),
        ("a tab inside", b"GET / HTTP/1.1\r\nA: b\tc\r\nD: e\r\n\r\n"),
        ("a body behind", b"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\n\r\n\x00\xff: "),
    ];
    for (why, bytes) in accepted {
        assert!(matches!(check(bytes), Outcome::Complete(_)), "{why}");
    }
}

#[test]
fn every_broken_rule_is_refused_by_its_name() {
    use Refusal::{
        FieldColon, FieldFold, FieldName, FieldValue, LineEnd, Method, RequestLine, Target,
        Version, VersionUnsupported,
    };
    let refused: [(&str, Refusal, &[u8]); 53] = [
        ("two empty lines before", RequestLine, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        ("a bare LF before", LineEnd, b"\nGET / HTTP/1.1\r\n\r\n"),
        ("a bare CR before", LineEnd, b"\rGET / HTTP/1.1\r\n\r\n"),
        ("a blank before", RequestLine, b" GET / HTTP/1.1\r\n\r\n"),
        ("a tab before", Method, b"\tGET / HTTP/1.1\r\n\r\n"),
        ("a TLS ClientHello", Method, b"\x16\x03\x01\x02\x00\x01"),
        ("a SOCKS greeting", Method, b"\x05\x01\x00"),
        ("a byte above ASCII in the method", Method, b"G\xc3T / HTTP/1.1\r\n\r\n"),
        ("a colon in the method", Method, b"GET: / HTTP/1.1\r\n\r\n"),
        ("a tab behind the method", Method, b"GET\t/ HTTP/1.1\r\n\r\n"),
        ("a method alone", RequestLine, b"GET\r\n\r\n"),
        ("a method alone with a bare LF", LineEnd, b"GET\n\n"),
        ("no target", RequestLine, b"GET  HTTP/1.1\r\n\r\n"),
        ("no version", RequestLine, b"GET /\r\n\r\n"),
        ("no version behind the blank", RequestLine, b"GET / \r\n\r\n"),
        ("no version and a bare LF", LineEnd, b"GET /\n"),
        ("a blank in the target", Version, b"GET /a b HTTP/1.1\r\n\r\n"),
        ("two blanks behind the target", RequestLine, b"GET /  HTTP/1.1\r\n\r\n"),
        ("a tab behind the target", Target, b"GET /\tHTTP/1.1\r\n\r\n"),
        ("NUL in the target", Target, b"GET /\0 HTTP/1.1\r\n\r\n"),
        ("DEL in the target", Target, b"GET /\x7f HTTP/1.1\r\n\r\n"),
        ("raw UTF-8 in the target", Target, b"GET /\xc3\xa4 HTTP/1.1\r\n\r\n"),
        ("a version in lower case", Version, b"GET / http/1.1\r\n\r\n"),
        ("another protocol", Version, b"GET / HTCPCP/1.0\r\n\r\n"),
        ("a version without a minor", Version, b"GET / HTTP/1\r\n\r\n"),
        ("a major of two digits", Version, b"GET / HTTP/11.1\r\n\r\n"),
        ("a minor of two digits", Version, b"GET / HTTP/1.10\r\n\r\n"),
        ("a minor that is no digit", Version, b"GET / HTTP/1.x\r\n\r\n"),
        ("a comma in the version", Version, b"GET / HTTP/1,1\r\n\r\n"),
        ("a blank behind the version", RequestLine, b"GET / HTTP/1.1 \r\n\r\n"),
        ("a bare LF behind the version", LineEnd, b"GET / HTTP/1.1\nHost: a\n\n"),
        ("a bare CR behind the version", LineEnd, b"GET / HTTP/1.1\rHost: a\r\r"),
        ("HTTP/2 with prior knowledge", VersionUnsupported, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("HTTP/0.9 by its name", VersionUnsupported, b"GET / HTTP/0.9\r\n\r\n"),
        ("a major of nine", VersionUnsupported, b"GET / HTTP/9.9\r\n\r\n"),
        ("a blank before the first field", FieldFold, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        ("a folded value", FieldFold, b"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n"),
        ("a blank before the colon", FieldName, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("a tab before the colon", FieldName, b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
        ("no name", FieldName, b"GET / HTTP/1.1\r\n: a\r\n\r\n"),
        ("no name behind a field", FieldName, b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"),
        ("a name in quotes", FieldName, b"GET / HTTP/1.1\r\n\"Host\": a\r\n\r\n"),
        ("obs-text in a name", FieldName, b"GET / HTTP/1.1\r\nH\xf6st: a\r\n\r\n"),
        ("NUL in a name", FieldName, b"GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n"),
        ("no colon", FieldColon, b"GET / HTTP/1.1\r\nHost\r\n\r\n"),
        ("no colon before a bare LF", LineEnd, b"GET / HTTP/1.1\r\nHost\n\r\n"),
        ("NUL in a value", FieldValue, b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
        ("VT before a value", FieldValue, b"GET / HTTP/1.1\r\nHost: \x0ba\r\n\r\n"),
        ("DEL in a value", FieldValue, b"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n"),
        ("a bare LF in a value", LineEnd, b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"),
        ("a bare CR in a value", LineEnd, b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
        ("two CRs", LineEnd, b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        ("a bare LF at the end", LineEnd, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ];
    for (why, refusal, bytes) in refused {
        assert_eq!(check(bytes), Outcome::Refused(refusal), "{why}");
    }
}

#[test]
fn every_byte_is_judged_by_its_place() {
    // Long enough for the byte to be in the second window, and short.
    let (short, long) = (&b"a"[..], &[b'a'; 90][..]);
    for byte in 0..=255_u8 {
        let it = &[byte][..];
        let mut heads = vec![
            join(&[it, b"ET / HTTP/1.1\r\n\r\n"]),
            join(&[b"G", it, b"T / HTTP/1.1\r\nHost: a\r\n\r\n"]),
            join(&[b"GET", it, b" / HTTP/1.1\r\n\r\n"]),
            join(&[b"GET / HTTP/1.1", it, b"\r\n\r\n"]),
            join(&[GET, b"\r", it, b"\n"]),
        ];
        for filler in [short, long] {
            heads.extend([
                join(&[b"GET ", it, filler, b" HTTP/1.1\r\n\r\n"]),
                join(&[b"GET ", filler, it, filler, b" HTTP/1.1\r\n\r\n"]),
                join(&[b"GET ", filler, it, b" HTTP/1.1\r\nHost: a\r\n\r\n"]),
                join(&[GET, it, filler, b": b\r\n\r\n"]),
                join(&[GET, filler, it, filler, b": b\r\nHost: c\r\n\r\n"]),
                join(&[GET, filler, it, b": b\r\n\r\n"]),
                join(&[GET, b"A: ", it, filler, b"\r\n\r\n"]),
                join(&[GET, b"A: ", filler, it, filler, b"\r\nHost: c\r\n\r\n"]),
                join(&[GET, b"A: ", filler, it, b"\r\nHost: c\r\n\r\n"]),
            ]);
        }
        for head in heads {
            check_lightly(&head);
        }
    }
}

/// Checks the whole and the cut into single bytes on every level.
fn check_lightly(bytes: &[u8]) {
    let (outcomes, expected) = refer(bytes, &LIMITS);
    for level in Level::available() {
        for cuts in [0..0, 0..bytes.len()] {
            let (outcome, head) = parse_cut(level, bytes, cuts, &LIMITS);
            assert_eq!(outcome, outcomes[bytes.len()], "{level:?}: {}", bytes.escape_ascii());
            if let Outcome::Complete(_) = outcome {
                assert_eq!(contents(&head, 0), expected, "{level:?}: {}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn lines_of_every_length_are_found_across_the_windows() {
    for len in 1..140 {
        let name = "n".repeat(len);
        let value = "v".repeat(len);
        check_lightly(format!("GET /{value} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        check_lightly(format!("GET / HTTP/1.1\r\n{name}: a\r\nB: c\r\n\r\n").as_bytes());
        check_lightly(format!("GET / HTTP/1.1\r\nA: {value}\r\nB: c\r\n\r\n").as_bytes());
        check_lightly(format!("GET / HTTP/1.1\r\nA: {value}\r\n\r\n").as_bytes());
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let head_of = |len: usize| {
        let value = "v".repeat(len - "GET / HTTP/1.1\r\nA: \r\n\r\n".len());
        format!("GET / HTTP/1.1\r\nA: {value}\r\n\r\n").into_bytes()
    };
    let limits = HeadLimits { head_bytes: 200, fields: 3, target_bytes: 80 };
    let check = |bytes: &[u8]| check_thoroughly(bytes, &limits);
    assert_eq!(check(&head_of(200)), Outcome::Complete(200));
    assert_eq!(check(&head_of(201)), Outcome::Refused(Refusal::HeadTooLarge));

    let target_of =
        |len: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "t".repeat(len - 1)).into_bytes();
    assert!(matches!(check(&target_of(80)), Outcome::Complete(_)));
    assert_eq!(check(&target_of(81)), Outcome::Refused(Refusal::TargetTooLong));

    let fields_of = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(matches!(check(fields_of(3).as_bytes()), Outcome::Complete(_)));
    assert_eq!(check(fields_of(4).as_bytes()), Outcome::Refused(Refusal::FieldsTooMany));

    let method_of = |len| format!("{} / HTTP/1.1\r\n\r\n", "M".repeat(len)).into_bytes();
    assert!(matches!(check(&method_of(METHOD_BYTES_MAX)), Outcome::Complete(_)));
    assert_eq!(check(&method_of(METHOD_BYTES_MAX + 1)), Outcome::Refused(Refusal::Method));
}

#[test]
fn no_head_has_more_fields_than_the_array() {
    let limits = HeadLimits { fields: usize::MAX, ..LIMITS };
    let bytes = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1));
    for level in Level::available() {
        let (outcome, head) = parse_cut(level, bytes.as_bytes(), [], &limits);
        assert_eq!(outcome, Outcome::Refused(Refusal::FieldsTooMany));
        assert_eq!(head.fields.len(), FIELDS_MAX);
    }
}

#[test]
fn offsets_never_leave_their_range() {
    let limits = HeadLimits { head_bytes: usize::MAX, fields: 1, target_bytes: usize::MAX };
    let value = "v".repeat(70_000);
    for text in [format!("GET / HTTP/1.1\r\nA: {value}\r\n\r\n"), format!("GET /{value}")] {
        for level in Level::available() {
            let (outcome, _) = parse_cut(level, text.as_bytes(), [20_000, 40_000], &limits);
            assert_eq!(outcome, Outcome::Refused(Refusal::HeadTooLarge));
        }
    }
}

#[test]
fn heads_one_behind_the_other_are_parsed_in_place() {
    let heads: [&[u8]; 4] = [GET_A, BROWSER, b"\r\nHEAD /x HTTP/1.0\r\n\r\n", GET_A];
    let block = join(&heads);
    for level in Level::available() {
        let (mut head, mut progress) = (Head::default(), Progress::default());
        let mut start = 0;
        for one in heads {
            let parse = parse_head_at(level, &block, start, &mut head, &mut progress, &LIMITS);
            assert_eq!(parse, Parse::Complete { len: one.len() });
            assert_eq!(progress, Progress::default());
            assert_eq!(contents(&head, start), refer(one, &LIMITS).1);
            start += one.len();
        }
        let parse = parse_head_at(level, &block, start, &mut head, &mut progress, &LIMITS);
        assert_eq!(parse, Parse::Partial);
    }
}

const GET_A: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_start_behind_the_bytes_is_an_empty_head() {
    for level in Level::available() {
        let (mut head, mut progress) = (Head::default(), Progress::default());
        let parse = parse_head_at(level, GET_A, 40, &mut head, &mut progress, &LIMITS);
        assert_eq!(parse, Parse::Partial);
    }
}

#[test]
fn a_refusal_is_repeated_when_asked_again() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nB c\r\n\r\n";
    let (mut head, mut progress) = (Head::default(), Progress::default());
    for _ in 0..3 {
        let parse = parse_head(bytes, 0, &mut head, &mut progress, &LIMITS);
        assert_eq!(parse, Parse::Refused(Refusal::FieldName));
    }
}

#[test]
fn known_bytes_of_an_incomplete_line_are_not_looked_at_again() {
    // What was seen is overwritten with what would be refused.
    let cases: [(&[u8], &[u8]); 3] = [
        (b"GET /abc", b"d HTTP/1.1\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nNam", b"e: value\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nName: val", b"ue\r\n\r\n"),
    ];
    for (known, rest) in cases {
        for level in Level::available() {
            let mut block = known.to_vec();
            let (mut head, mut progress) = (Head::default(), Progress::default());
            let parse = parse_head_at(level, &block, 0, &mut head, &mut progress, &LIMITS);
            assert_eq!(parse, Parse::Partial);
            block.fill(0);
            block.extend(rest);
            let parse = parse_head_at(level, &block, 0, &mut head, &mut progress, &LIMITS);
            assert_eq!(parse, Parse::Complete { len: block.len() }, "{}", known.escape_ascii());
        }
    }
}

/// Two pages of which only the first can be read.
struct GuardedPage {
    page: *mut u8,
    len: usize,
}

impl GuardedPage {
    fn new() -> GuardedPage {
        // SAFETY: asks for a new mapping and for a constant of the system; no memory is touched.
        let (len, page) = unsafe {
            let len = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).expect("a page size");
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            (len, libc::mmap(ptr::null_mut(), 2 * len, access, flags, -1, 0))
        };
        assert_ne!(page, libc::MAP_FAILED);
        // SAFETY: the second page is ours, and nothing refers to it.
        assert_eq!(unsafe { libc::mprotect(page.byte_add(len), len, libc::PROT_NONE) }, 0);
        GuardedPage { page: page.cast(), len }
    }

    /// `bytes`, copied so that they end where the readable page ends.
    fn place(&mut self, bytes: &[u8]) -> &[u8] {
        assert!(bytes.len() <= self.len);
        // SAFETY: the readable page has room for `bytes` at its end, and it is borrowed.
        unsafe {
            let start = self.page.add(self.len - bytes.len());
            ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
            std::slice::from_raw_parts(start, bytes.len())
        }
    }
}

impl Drop for GuardedPage {
    fn drop(&mut self) {
        // SAFETY: both pages were mapped by `new`, and no borrow of them is left.
        unsafe { libc::munmap(self.page.cast(), 2 * self.len) };
    }
}

#[test]
fn nothing_behind_the_bytes_is_read() {
    let mut guarded = GuardedPage::new();
    let mut texts = vec![BROWSER.to_vec(), vec![b'a'; 200], join(&[GET, &[b'n'; 200]])];
    texts.push(join(&[b"GET /", &[b't'; 200]]));
    for len in 0..100 {
        texts.push(join(&[GET, b"A: ", &vec![b'v'; len], b"\r\n\r\n"]));
    }
    for text in &texts {
        for len in 0..=text.len() {
            let bytes = guarded.place(&text[..len]);
            for level in Level::available() {
                // A head that ends at the page's end, and the same behind another in the block.
                for start in [0, len / 2] {
                    let (mut head, mut progress) = (Head::default(), Progress::default());
                    parse_head_at(level, bytes, start, &mut head, &mut progress, &LIMITS);
                }
            }
        }
    }
}

/// Pieces that heads are made of, good and bad ones.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let literals: [&[u8]; 14] = [
        b"GET ",
        b"POST ",
        b"/",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"\r\n",
        b": ",
        b":",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b"Host: a\r\n",
        b"\x80",
    ];
    prop_oneof![
        8 => prop::sample::select(literals.to_vec()).prop_map(<[u8]>::to_vec),
        3 => "[a-zA-Z-]{1,40}".prop_map(String::into_bytes),
        2 => "[!-~]{0,70}".prop_map(String::into_bytes),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ]
}

/// A valid head with some fields.
fn valid_head() -> impl Strategy<Value = Vec<u8>> {
    let blanks = "[ \t]{0,3}";
    let field = (
        r"[a-zA-Z0-9_.~`|^!#$%&'*+-]{1,40}",
        prop_oneof![4 => " ", 1 => blanks],
        prop_oneof![4 => "[!-~]{0,12}", 1 => "[!-~][ -~]{0,90}[!-~]"],
        prop_oneof![4 => "", 1 => blanks],
    )
        .prop_map(|(name, before, value, behind)| format!("{name}:{before}{value}{behind}\r\n"));
    let method = prop_oneof!["GET", "POST", "PUT", "HEAD", "DELETE", "[A-Za-z]{1,20}"];
    (method, "[!-~]{1,80}", "[0-9]", prop::collection::vec(field, 0..8)).prop_map(
        |(method, target, minor, fields)| {
            format!("{method} {target} HTTP/1.{minor}\r\n{}\r\n", fields.concat()).into_bytes()
        },
    )
}

/// A valid head in which some bytes were replaced, inserted or removed.
fn nearly_valid_head() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![prop::sample::select(b"\r\n \t:\0\x7f\x80/\"".to_vec()), any::<u8>()];
    let change = (any::<prop::sample::Index>(), 0..3_u8, byte);
    (valid_head(), prop::collection::vec(change, 1..4)).prop_map(|(mut head, changes)| {
        for (index, kind, byte) in changes {
            let at = index.index(head.len());
            match kind {
                0 => head[at] = byte,
                1 => head.insert(at, byte),
                _ => drop(head.remove(at)),
            }
        }
        head
    })
}

fn limits() -> impl Strategy<Value = HeadLimits> {
    let few =
        (1..300_usize, 0..6_usize, 1..90_usize).prop_map(|(head_bytes, fields, target_bytes)| {
            HeadLimits { head_bytes, fields, target_bytes }
        });
    prop_oneof![3 => Just(LIMITS), 1 => few]
}

proptest! {
    #[test]
    fn pieces_of_heads_are_judged_as_the_reference_does(
        pieces in prop::collection::vec(piece(), 0..14),
        limits in limits(),
    ) {
        check_thoroughly(&pieces.concat(), &limits);
    }

    #[test]
    fn valid_heads_are_judged_as_the_reference_does(head in valid_head(), limits in limits()) {
        check_thoroughly(&head, &limits);
    }

    #[test]
    fn nearly_valid_heads_are_judged_as_the_reference_does(
        head in nearly_valid_head(),
        limits in limits(),
    ) {
        check_thoroughly(&head, &limits);
    }
}
