//! What simulated clients send: streams of numbered requests, and what each must be answered.
//! Knows nothing of when the bytes arrive.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use corelane::clock::Moment;
use corelane::limits::LINGER_BYTES_MAX;
use corelane::proto::CloseReason;
use corelane::wire::refusal::Refusal;

use crate::random::Random;

/// Bytes of a head that is sure to be too large in a simulation.
pub(crate) const HEAD_BYTES_MAX: usize = 2048;
/// Fields that are sure to be too many in a simulation, less one.
pub(crate) const FIELDS_MAX: usize = 12;
/// Bytes of a target that is sure to be too long in a simulation, less one.
pub(crate) const TARGET_BYTES_MAX: usize = 256;

/// One client in so many sends more behind its last request than a lingering worker reads.
const FLOOD_ONE_IN: usize = 3000;
const FLOOD_BYTES: usize = LINGER_BYTES_MAX + LINGER_BYTES_MAX / 4;

pub(crate) const PATTERN_BYTES: usize = 1 << 18;

/// The bytes that request `number` of `client` and its answer carry.
pub(crate) fn pattern(client: usize, number: usize, len: usize) -> &'static [u8] {
    let start = (client * 131 + number * 17) % (PATTERN_BYTES / 4);
    &whole_pattern()[start..start + len]
}

fn whole_pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut random = Random::new(7);
        (0..PATTERN_BYTES).map(|_| random.next() as u8).collect()
    })
}

/// A file of all that bodies are parts of.
pub(crate) fn pattern_file() -> &'static Arc<File> {
    static FILE: OnceLock<Arc<File>> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(whole_pattern()).unwrap();
        Arc::new(file)
    })
}

/// Where in that file a body, or the rest of one, begins.
pub(crate) fn offset_in_pattern(body: &'static [u8]) -> u64 {
    (body.as_ptr().addr() - whole_pattern().as_ptr().addr()) as u64
}

/// What the application is told to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    Answer = b'a',
    AnswerThenFail = b'b',
    AnswerThenPanic = b'c',
    Close = b'd',
    Fail = b'e',
    Large = b'f',
    Panic = b'g',
    WrongProof = b'h',
}

/// What a request must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// By the application, with its number and so many bytes of its pattern.
    Echo { len: usize },
    /// By the application, in some text.
    Status(u16),
    /// By the machine, and nothing after it is looked at.
    Refused(u16),
}

/// One request of a stream, from `start` to `end`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, none is a state")]
pub(crate) struct Item {
    pub(crate) start: usize,
    pub(crate) head_end: usize,
    pub(crate) end: usize,
    pub(crate) is_head: bool,
    pub(crate) is_http10: bool,
    pub(crate) expects_continue: bool,
    pub(crate) expected: Expected,
    /// Why the connection ends with it, if it does.
    pub(crate) last: Option<CloseReason>,
    /// Whether its answer says that.
    pub(crate) says_close: bool,
    /// Until when its answer was promised, and when it was given.
    pub(crate) promised: Option<(Moment, Option<Moment>)>,
    pub(crate) is_streamed: bool,
    /// Whether a sink takes its body, and whether the body was refused on its way.
    pub(crate) has_sink: bool,
    pub(crate) is_declined: bool,
    /// Whether its client would keep the connection.
    pub(crate) is_persistent: bool,
    /// Whether its body tells its end only there.
    pub(crate) is_chunked: bool,
    /// Whether it is answered however long it waited, and whether it was not.
    pub(crate) is_vital: bool,
    pub(crate) is_shed: bool,
    /// Where the bytes are that its body is made of.
    pub(crate) payload: Vec<Range<usize>>,
}

impl Item {
    pub(crate) fn status(&self) -> u16 {
        match self.expected {
            Expected::Echo { .. } => 200,
            Expected::Status(status) | Expected::Refused(status) => status,
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.expected, Expected::Refused(_))
    }

    /// The application does not want its body.
    pub(crate) fn decline(&mut self, status: u16, reason: CloseReason) {
        self.expected = Expected::Status(status);
        self.last = Some(reason);
        self.says_close = true;
        self.is_declined = true;
    }

    /// It waited too long. Its body must be there for its connection to go on.
    pub(crate) fn turn_away(&mut self, number: usize, is_there: bool, requests_max: u32) {
        self.is_shed = true;
        self.expects_continue = false;
        if !is_there {
            self.decline(503, CloseReason::BodyUnread);
            return;
        }
        self.expected = Expected::Status(503);
        self.last = (!self.is_persistent).then_some(CloseReason::ByRequest);
        self.says_close = !self.is_persistent;
        if number + 1 >= requests_max as usize {
            self.is_last_of_many();
        }
    }

    /// Bytes of its body from `start` to `end` of the stream.
    pub(crate) fn payload_within(&self, start: usize, end: usize) -> usize {
        let within = |part: &Range<usize>| part.end.min(end).saturating_sub(part.start.max(start));
        self.payload.iter().map(within).sum()
    }

    /// It is answered by a stream of unknown length, which a client of HTTP/1.0 sees end with its
    /// connection.
    pub(crate) fn end_by_stream(&mut self) {
        if self.is_http10 {
            self.says_close = true;
            self.last.get_or_insert(CloseReason::ByHandler);
        }
    }

    /// It is the last that one connection may ask.
    pub(crate) fn is_last_of_many(&mut self) {
        if !matches!(self.expected, Expected::Refused(_)) {
            self.says_close = true;
            if matches!(self.last, None | Some(CloseReason::ByHandler)) {
                self.last = Some(CloseReason::RequestsMax);
            }
        }
    }
}

/// Everything a client may send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Item>,
    /// Bytes of the PROXY header it begins with.
    pub(crate) preface: usize,
}

/// What requests are like in one simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taste {
    pub(crate) requests_max: usize,
    pub(crate) request_body_max: usize,
    pub(crate) answer_body_max: usize,
    /// One request in so many is refused.
    pub(crate) bad_one_in: usize,
    /// One request in so many does something odd.
    pub(crate) odd_one_in: usize,
    pub(crate) body_bytes_max: usize,
}

impl Script {
    /// Appends a PROXY header that names `client` to an empty script, or a broken one.
    pub(crate) fn write_preface(&mut self, random: &mut Random, client: usize, is_broken: bool) {
        let port = client as u16 + 1;
        if random.one_in(2) {
            let blank = if is_broken { "  " } else { " " };
            self.text(format_args!("PROXY TCP4 127.0.0.1{blank}127.0.0.1 {port} 80\r\n"));
        } else {
            let version = if is_broken { 0x31 } else { 0x21 };
            self.bytes.extend_from_slice(b"\r\n\r\n\0\r\nQUIT\n");
            self.bytes.extend_from_slice(&[version, 0x11, 0, 15, 127, 0, 0, 1, 127, 0, 0, 1]);
            self.bytes.extend_from_slice(&port.to_be_bytes());
            self.bytes.extend_from_slice(&[0, 80, 4, 0, 0]);
        }
        self.preface = self.bytes.len();
    }

    /// Appends what `client` sends.
    pub(crate) fn write(&mut self, random: &mut Random, client: usize, taste: &Taste) {
        let requests = random.between(1, taste.requests_max);
        for number in 0..requests {
            if random.one_in(taste.bad_one_in) {
                self.push_bad(random, client, number, taste.body_bytes_max);
            } else {
                self.push_good(random, client, number, taste);
            }
        }
        if random.one_in(FLOOD_ONE_IN) {
            self.push_refused(&"x".repeat(FLOOD_BYTES), Refusal::Method);
        }
    }

    /// Chooses what is answered however long it waited.
    pub(crate) fn choose_vital(&mut self, random: &mut Random) {
        for item in &mut self.items {
            // A body that is too large would reach into the next request.
            let is_too_large = item.is_refused() && !item.is_chunked;
            item.is_vital = is_too_large || random.one_in(4);
        }
    }

    fn push_good(&mut self, random: &mut Random, client: usize, number: usize, taste: &Taste) {
        let start = self.bytes.len();
        let method = random.pick(&["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "OPTIONS"]);
        let has_body = matches!(method, "POST" | "PUT");
        let is_http10 = random.one_in(8);
        let mode = mode(random, taste.odd_one_in);
        let body_len = if has_body { size(random, taste.request_body_max) } else { 0 };
        let answer_len = size(random, taste.answer_body_max);
        let is_persistent = !random.one_in(taste.odd_one_in);

        if random.one_in(10) {
            self.bytes.extend_from_slice(b"\r\n");
        }
        let version = if is_http10 { "1.0" } else { "1.1" };
        self.text(format_args!(
            "{method} /{client}/{number}?{}{answer_len},{body_len} HTTP/{version}\r\nHost: a\r\n",
            mode as u8 as char
        ));
        if is_http10 && is_persistent {
            self.bytes.extend_from_slice(b"Connection: Keep-Alive\r\n");
        } else if !is_http10 && !is_persistent {
            self.bytes.extend_from_slice(b"connection: foo, close\r\n");
        }
        if random.one_in(4) {
            self.bytes.extend_from_slice(b"User-Agent: simulated/1 (any; thing)\r\n");
        }
        if random.one_in(8) {
            // Around what fits into a small block.
            let cookie = "c".repeat(random.between(500, 1_200));
            self.text(format_args!("Cookie: {cookie}\r\n"));
        }
        let expects = has_body && random.one_in(6);
        if expects {
            self.bytes.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        let body = pattern(client, number, body_len);
        let mut payload = Vec::new();
        let head_end = self.push_body(random, has_body, is_http10, body, &mut payload);
        let is_chunked = has_body && payload.first().is_none_or(|first| first.start > head_end);
        let (expected, last, says_close) = outcome(mode, answer_len, is_persistent);
        let end = self.bytes.len();
        self.items.push(Item {
            start,
            head_end,
            end,
            is_head: method == "HEAD",
            is_http10,
            expects_continue: expects && !is_http10 && end > head_end,
            expected,
            last,
            says_close,
            promised: None,
            is_streamed: false,
            has_sink: false,
            is_declined: false,
            is_persistent,
            is_chunked,
            is_vital: false,
            is_shed: false,
            payload,
        });
    }

    /// Ends the head and appends the body. Returns where the head ends.
    fn push_body(
        &mut self,
        random: &mut Random,
        has_body: bool,
        is_http10: bool,
        body: &[u8],
        payload: &mut Vec<Range<usize>>,
    ) -> usize {
        if !has_body {
            self.bytes.extend_from_slice(b"\r\n");
            return self.bytes.len();
        }
        if is_http10 || random.one_in(2) {
            self.text(format_args!("Content-Length: {}\r\n\r\n", body.len()));
            let head_end = self.bytes.len();
            self.bytes.extend_from_slice(body);
            payload.push(head_end..self.bytes.len());
            return head_end;
        }
        self.bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let head_end = self.bytes.len();
        let mut rest = body;
        while !rest.is_empty() {
            let least = 1 + body.len() / 8;
            let (chunk, behind) = rest.split_at(random.between(1, least.max(1)).min(rest.len()));
            let extension = random.pick(&["", "", ";a", "; b = c", ";d=\"e;\""]);
            self.text(format_args!("{:x}{extension}\r\n", chunk.len()));
            payload.push(self.bytes.len()..self.bytes.len() + chunk.len());
            self.bytes.extend_from_slice(chunk);
            self.bytes.extend_from_slice(b"\r\n");
            rest = behind;
        }
        let trailer = random.pick(&["", "", "X-Sum: 1\r\n", "A: b\r\nC:\r\n"]);
        self.text(format_args!("0\r\n{trailer}\r\n"));
        head_end
    }

    fn push_bad(&mut self, random: &mut Random, client: usize, number: usize, body_max: usize) {
        let (text, refusal) = &bad_requests()[random.below(bad_requests().len())];
        let target = format!("/{client}/{number}?a0,0");
        let too_much = (body_max + 1).to_string();
        let too_much_hex = format!("{:x}", body_max + 1);
        let text = text.replace("TARGET", &target).replace("MORE", &too_much);
        self.push_refused(&text.replace("HEX", &too_much_hex), *refusal);
    }

    /// Appends what must be refused, wherever in it that is found out.
    fn push_refused(&mut self, text: &str, refusal: Refusal) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        let end = self.bytes.len();
        let blank_line = memchr::memmem::find(&self.bytes[start..], b"\r\n\r\n");
        let head_end = blank_line.map_or(end, |at| start + at + 4);
        self.items.push(Item {
            start,
            head_end,
            end,
            is_head: false,
            is_http10: false,
            expects_continue: false,
            expected: Expected::Refused(refusal.status().code()),
            last: Some(CloseReason::Refused),
            says_close: true,
            promised: None,
            is_streamed: false,
            has_sink: false,
            is_declined: false,
            is_persistent: true,
            is_chunked: text.contains("Transfer-Encoding: chunked"),
            is_vital: false,
            is_shed: false,
            payload: std::iter::once(head_end..end).collect(),
        });
    }

    fn text(&mut self, text: std::fmt::Arguments<'_>) {
        self.bytes.write_fmt(text).expect("writing to a vector cannot fail");
    }
}

fn mode(random: &mut Random, odd_one_in: usize) -> Mode {
    if !random.one_in(odd_one_in) {
        return random.pick(&[Mode::Answer, Mode::Answer, Mode::Large]);
    }
    random.pick(&[
        Mode::AnswerThenFail,
        Mode::AnswerThenPanic,
        Mode::Close,
        Mode::Fail,
        Mode::Fail,
        Mode::Panic,
        Mode::WrongProof,
    ])
}

/// A size up to `max`, small ones preferred.
fn size(random: &mut Random, max: usize) -> usize {
    let max = random.pick(&[max.min(16), max.min(300), max.min(300), max]);
    random.between(0, max)
}

fn outcome(
    mode: Mode,
    answer_len: usize,
    is_persistent: bool,
) -> (Expected, Option<CloseReason>, bool) {
    let echo = Expected::Echo { len: answer_len };
    let by_request = (!is_persistent).then_some(CloseReason::ByRequest);
    match mode {
        Mode::Answer | Mode::AnswerThenFail | Mode::Large => (echo, by_request, !is_persistent),
        Mode::Close => (echo, Some(by_request.unwrap_or(CloseReason::ByHandler)), true),
        Mode::AnswerThenPanic => (echo, Some(CloseReason::Panicked), !is_persistent),
        Mode::Panic => (Expected::Status(500), Some(CloseReason::Panicked), true),
        Mode::Fail => (Expected::Status(404), by_request, !is_persistent),
        Mode::WrongProof => (Expected::Status(500), by_request, !is_persistent),
    }
}

/// Requests that break one rule each. `MORE` and `HEX` stand for more than a body may have.
fn bad_requests() -> &'static [(String, Refusal)] {
    static BAD: OnceLock<Vec<(String, Refusal)>> = OnceLock::new();
    BAD.get_or_init(|| {
        let with = |fields: &str| format!("POST TARGET HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let chunked = |body: &str| with("Transfer-Encoding: chunked") + body;
        vec![
            ("GET TARGET HTTP/1.1\r\n\r\n".to_owned(), Refusal::HostMissing),
            ("GET  TARGET HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Refusal::RequestLine),
            ("GET TARGET HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), Refusal::VersionUnsupported),
            ("BREW TARGET HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Refusal::MethodUnknown),
            ("GET TARGET%zz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Refusal::Target),
            ("GET TARGET HTTP/1.1\nHost: a\r\n\r\n".to_owned(), Refusal::LineEnd),
            (
                format!("GET TARGET{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(TARGET_BYTES_MAX)),
                Refusal::TargetTooLong,
            ),
            (with("Host: b"), Refusal::HostRepeated),
            (with("Content-Length: 1x"), Refusal::ContentLength),
            (with("Content-Length: MORE"), Refusal::BodyTooLarge),
            (
                with("Content-Length: 3\r\nTransfer-Encoding: chunked"),
                Refusal::ContentLengthAndTransferEncoding,
            ),
            (with("Transfer-Encoding: gzip"), Refusal::TransferEncodingUnknown),
            (with("Expect: tea"), Refusal::Expectation),
            (with("A: b\r\n c"), Refusal::FieldFold),
            (with("A b: c"), Refusal::FieldName),
            (with("A: \u{1}"), Refusal::FieldValue),
            (with(&format!("A: {}", "x".repeat(HEAD_BYTES_MAX))), Refusal::HeadTooLarge),
            (with(&["A: b"; FIELDS_MAX].join("\r\n")), Refusal::FieldsTooMany),
            (chunked("x\r\n"), Refusal::ChunkSize),
            (chunked("3\r\nabcd\r\n"), Refusal::ChunkDataEnd),
            (chunked("1;\r\na\r\n"), Refusal::ChunkExtension),
            (chunked("HEX\r\na"), Refusal::BodyTooLarge),
            (chunked("1\r\na\r\n0\r\nA b: c\r\n\r\n"), Refusal::Trailer),
        ]
    })
}
