//! The only place that reads Host, Content-Length, Transfer-Encoding, Connection and Expect:
//! how the body of a request ends and whether its connection lives on.
//! Knows no body bytes and no body limit; it trusts the head parser that names are tokens and
//! that values hold no control byte but HTAB.

use std::net::Ipv6Addr;
use std::str;

use super::head::{Head, Span, Version};
use super::refusal::Refusal;
use super::scan::plain_host_end;
use crate::limits::FIELDS_MAX;

/// How the end of a request's body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body: nothing announces one, or `Content-Length: 0` does.
    None,
    /// So many bytes follow the head; never 0.
    Length(u64),
    /// The chunked coding follows the head.
    Chunked,
}

/// What the fields of a head say about its message and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// How the body ends.
    pub body: BodyFraming,
    /// Whether the client wants the connection to outlive the answer (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the client holds its body back until it sees `100 Continue`
    /// (RFC 9110 section 10.1.1). Never without a body, never in HTTP/1.0.
    pub expects_continue: bool,
}

impl Framing {
    /// Bytes of the body that are announced; 0 where none are.
    pub const fn length(&self) -> u64 {
        match self.body {
            BodyFraming::Length(length) => length,
            BodyFraming::None | BodyFraming::Chunked => 0,
        }
    }
}

const _: () = assert!(size_of::<Framing>() <= 24);
const _: () = assert!(FIELDS_MAX < u8::MAX as usize, "a count of fields fits");

/// Decides the framing of the request whose head was parsed from `block`.
///
/// The order of the fields never changes the result: rules are asked in a fixed order, those of
/// the request's identity first, then those of its body, then what it expects.
///
/// # Errors
/// The first broken rule of: Host (RFC 9112 section 3.2), Transfer-Encoding and Content-Length
/// (RFC 9112 sections 6.1 to 6.3), Expect (RFC 9110 section 10.1.1).
///
/// # Panics
/// If `block` is shorter than the one that `head` was parsed from.
#[inline]
pub fn decide(head: &Head, block: &[u8]) -> Result<Framing, Refusal> {
    let seen = Seen::in_fields(head, block);
    seen.check_host(head.version, block)?;
    let body = seen.body(head.version, block)?;
    let is_http11 = head.version == Version::Http11;
    if is_http11 && seen.expects_other {
        return Err(Refusal::Expectation);
    }
    Ok(Framing {
        body,
        keep_alive: !seen.close && (is_http11 || seen.keep_alive),
        expects_continue: is_http11 && seen.expects_continue && body != BodyFraming::None,
    })
}

/// A field that may stand once: its last value and how often it stood.
#[derive(Clone, Copy, Default)]
struct Single {
    count: u8,
    value: Span,
}

impl Single {
    fn see(&mut self, value: Span) {
        self.count += 1;
        self.value = value;
    }
}

/// What one pass over the fields finds.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, none is a state")]
struct Seen {
    host: Single,
    length: Single,
    coding: Single,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    expects_other: bool,
}

impl Seen {
    /// Lengths first: most fields are passed over without a look at their name.
    #[inline]
    fn in_fields(head: &Head, block: &[u8]) -> Seen {
        let mut seen = Seen::default();
        for field in &head.fields {
            let name = field.name;
            match name.len() {
                4 if is_word(name.of(block), b"host") => seen.host.see(field.value),
                6 if is_word(name.of(block), b"expect") => seen.see_expect(field.value.of(block)),
                10 if is_word(name.of(block), b"connection") => {
                    seen.see_connection(field.value.of(block));
                }
                14 if is_word(name.of(block), b"content-length") => seen.length.see(field.value),
                17 if is_word(name.of(block), b"transfer-encoding") => {
                    seen.coding.see(field.value);
                }
                _ => {}
            }
        }
        seen
    }

    /// Not inlined, nor is what is rarer: it would take the registers of the pass over the fields.
    #[inline(never)]
    fn see_connection(&mut self, value: &[u8]) {
        // Nearly every client sends one of these two alone.
        if is_word(value, b"keep-alive") {
            self.keep_alive = true;
        } else if is_word(value, b"close") {
            self.close = true;
        } else {
            self.see_connection_list(value);
        }
    }

    fn see_connection_list(&mut self, value: &[u8]) {
        for option in list_elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    #[inline(never)]
    fn see_expect(&mut self, value: &[u8]) {
        for expectation in list_elements(value) {
            let is_continue = expectation.eq_ignore_ascii_case(b"100-continue");
            self.expects_continue |= is_continue;
            self.expects_other |= !is_continue;
        }
    }

    #[inline]
    fn check_host(&self, version: Version, block: &[u8]) -> Result<(), Refusal> {
        match self.host.count {
            0 if version == Version::Http11 => Err(Refusal::HostMissing),
            0 => Ok(()),
            1 if is_host(block, self.host.value) => Ok(()),
            1 => Err(Refusal::HostInvalid),
            _ => Err(Refusal::HostRepeated),
        }
    }

    #[inline]
    fn body(&self, version: Version, block: &[u8]) -> Result<BodyFraming, Refusal> {
        match (self.coding.count, self.length.count) {
            (0, 0) => Ok(BodyFraming::None),
            (0, 1) => match parse_length(self.length.value.of(block)) {
                Some(0) => Ok(BodyFraming::None),
                Some(length) => Ok(BodyFraming::Length(length)),
                None => Err(Refusal::ContentLength),
            },
            (0, _) => Err(Refusal::ContentLength),
            (1, 0) if version == Version::Http11 => body_coded(self.coding.value.of(block)),
            (_, 0) => Err(Refusal::TransferEncoding),
            (_, _) => Err(Refusal::ContentLengthAndTransferEncoding),
        }
    }
}

/// Whether `word` is `lower`, which is lower case, in any case. Setting bit 5 folds letters; of
/// the other bytes of our words it lets CR pass for a hyphen, and the head parser lets no CR
/// through.
#[inline]
fn is_word<const LEN: usize>(word: &[u8], lower: &[u8; LEN]) -> bool {
    let Ok(word) = <&[u8; LEN]>::try_from(word) else { return false };
    let mut difference = 0;
    for (byte, wanted) in word.iter().zip(lower) {
        difference |= (byte | 0x20) ^ wanted;
    }
    difference == 0
}

/// The elements of a comma-separated list without their blanks; empty ones are passed over
/// (RFC 9110 section 5.6.1.2).
pub fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim_blanks).filter(|element| !element.is_empty())
}

/// Without SP and HTAB at both ends. `trim_ascii` would take FF and line ends as well.
fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A length as 1*DIGIT without leading zeros. Not `str::parse`: that takes a sign, and a sign is
/// how two parsers come to disagree about a length.
fn parse_length(value: &[u8]) -> Option<u64> {
    if matches!(value, [] | [b'0', _, ..]) {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The framing of the one value of Transfer-Encoding. Only a single unknown token is "unknown":
/// lists and parameters are how codings get smuggled past a proxy.
#[inline(never)]
fn body_coded(value: &[u8]) -> Result<BodyFraming, Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        Ok(BodyFraming::Chunked)
    } else if !value.is_empty() && value.iter().all(|&byte| is_token_byte(byte)) {
        Err(Refusal::TransferEncodingUnknown)
    } else {
        Err(Refusal::TransferEncoding)
    }
}

/// Whether `byte` may stand in a token (RFC 9110 section 5.6.2).
#[inline]
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether the bytes of `host` are `host [ ":" port ]` with a host that is not empty (RFC 3986
/// section 3.2).
///
/// Stricter than the grammar in three points: no comma in a name, since a list of hosts is an
/// attack and no name has one; no `IPvFuture`, whose addresses nobody can reach; no port of more
/// than five digits. An empty port is in the grammar and is taken.
#[inline]
pub(super) fn is_host(block: &[u8], host: Span) -> bool {
    let value = host.of(block);
    let start = usize::from(host.start);
    let name = plain_host_end(block, start, usize::from(host.end)) - start;
    match value.get(name) {
        None => name > 0,
        Some(b':') => name > 0 && is_port(&value[name + 1..]),
        Some(_) => is_host_unusual(value),
    }
}

/// Whether these are at most five digits of a number that a port can have.
#[inline]
fn is_port(digits: &[u8]) -> bool {
    let mut port = 0;
    let mut are_digits = digits.len() <= 5;
    for byte in digits.iter().take(5) {
        let digit = byte.wrapping_sub(b'0');
        are_digits &= digit <= 9;
        port = port * 10 + u32::from(digit);
    }
    are_digits && u16::try_from(port).is_ok()
}

/// A host that is an IPv6 address, or has percent escapes or other bytes that are rare in names,
/// or none at all.
#[cold]
#[inline(never)]
fn is_host_unusual(value: &[u8]) -> bool {
    match value {
        [b'[', literal @ ..] => is_host_literal(literal),
        _ => is_host_escaped(value),
    }
}

/// A registered name and its port.
fn is_host_escaped(value: &[u8]) -> bool {
    let mut rest = value;
    loop {
        rest = match rest {
            [] => return true,
            [b':', port @ ..] => return rest.len() < value.len() && is_port(port),
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            [byte, after @ ..] if NAME[usize::from(*byte)] => after,
            _ => return false,
        };
    }
}

/// What follows the `[` of an IPv6 address: the address, `]`, and its port.
fn is_host_literal(literal: &[u8]) -> bool {
    let Some(end) = literal.iter().position(|&byte| byte == b']') else { return false };
    let is_address =
        str::from_utf8(&literal[..end]).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    match &literal[end + 1..] {
        [] => is_address,
        [b':', port @ ..] => is_address && is_port(port),
        _ => false,
    }
}

/// unreserved and sub-delims of RFC 3986 section 2, without the comma.
static NAME: [bool; 256] = alphanumeric_and(b"-._~!$&'()*+;=");

/// tchar of RFC 9110 section 5.6.2.
static TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    /// Whether `value` is a host, alone and between other bytes of a block.
    fn is_host_anywhere(value: &[u8]) -> bool {
        let judge = |before: &[u8], behind: &[u8]| {
            let (start, end) = (before.len() as u16, (before.len() + value.len()) as u16);
            is_host(&[before, value, behind].concat(), Span { start, end })
        };
        let alone = judge(b"", b"");
        for (before, behind) in [("Host: ", "\r\n\r\n"), ("", "aaaaaaaaaaaaaaaaa"), ("::::", "")] {
            assert_eq!(judge(before.as_bytes(), behind.as_bytes()), alone);
        }
        alone
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for host in [
            "a",
            "example.com",
            "EXAMPLE.com:8080",
            "example.com:",
            "127.0.0.1:1",
            "localhost:65535",
            "localhost:00080",
            "xn--bcher-kva.example",
            "under_score.example",
            "a!$&'()*+;=~b",
            "b%C3%BCcher.example:80",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::ff00:42:8329]",
            "[::ffff:192.0.2.1]:80",
        ] {
            assert!(is_host_anywhere(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn anything_else_is_no_host() {
        for host in [
            "",
            ":",
            ":80",
            "user@example.com",
            "user:pw@example.com",
            "http://example.com",
            "example.com/",
            "example.com?x",
            "example.com#x",
            "example.com\\x",
            "a,b",
            "a, b",
            "a b",
            "a\tb",
            "a:65536",
            "a:-1",
            "a:+1",
            "a:x",
            "a:80:80",
            "a:99999999999999999999",
            "a:000080",
            "1:2:3",
            "a:8 0",
            ":80:",
            "a%",
            "a%2",
            "a%zz",
            "a%41:x",
            "%41 ",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "[::1]:x",
            "[::1]:65536",
            "[::1%25eth0]",
            "[::1%eth0]",
            "[1.2.3.4]",
            "[v1.x]",
            "x[::1]",
            "[g::1]",
            "<a>",
            "a\"b",
            "a|b",
            "a^b",
            "a`b",
            "{a}",
        ] {
            assert!(!is_host_anywhere(host.as_bytes()), "{host}");
        }
        for byte in (0..=b' ').chain(0x7f..=0xff) {
            assert!(!is_host_anywhere(&[b'a', byte]), "{byte:#x}");
            assert!(!is_host_anywhere(&[b'%', b'4', b'1', byte]), "{byte:#x}");
        }
    }

    /// Host and port one after the other, each by its own rule.
    fn is_host_slow(value: &str) -> bool {
        let host_end = if value.starts_with('[') {
            value.find(']').map_or(value.len(), |end| end + 1)
        } else {
            value.find(':').unwrap_or(value.len())
        };
        let (host, port) = value.split_at(host_end);
        let is_port = |port: &str| {
            port.chars().all(|digit| digit.is_ascii_digit())
                && port.len() <= 5
                && port.parse().unwrap_or(0_u32) <= 65_535
        };
        let is_name = |name: &str| {
            let is_hex = |text: &str| text.chars().all(|digit| digit.is_ascii_hexdigit());
            let mut parts = name.split('%');
            let is_plain = |text: &str| text.bytes().all(|byte| NAME[usize::from(byte)]);
            !name.is_empty()
                && parts.next().is_some_and(is_plain)
                && parts.all(|part| part.len() >= 2 && is_hex(&part[..2]) && is_plain(&part[2..]))
        };
        let is_literal = |text: &str| {
            let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        };
        (is_name(host) || is_literal(host))
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
    }

    #[test]
    fn a_name_is_found_in_any_case_and_by_no_other_byte_of_a_token() {
        for (name, byte) in (0..4).flat_map(|name| (0..=255).map(move |byte| (name, byte))) {
            let mut bytes = *b"Host";
            bytes[name] = byte;
            if is_token_byte(byte) {
                assert_eq!(is_word(&bytes, b"host"), bytes.eq_ignore_ascii_case(b"host"));
            }
        }
        assert!(is_word(b"tRANSFER-eNCODING", b"transfer-encoding"));
        assert!(!is_word(b"tRANSFER_eNCODING", b"transfer-encoding"));
        assert!(!is_word(b"Hos", b"host"));
    }

    #[test]
    fn list_elements_are_trimmed_of_blanks_only_and_never_empty() {
        let elements = |value: &'static str| list_elements(value.as_bytes()).collect::<Vec<_>>();
        assert_eq!(elements(" a\t,, b c ,\t,d"), [&b"a"[..], b"b c", b"d"]);
        assert_eq!(elements(" ,\t, "), [&b""[..]; 0]);
        assert_eq!(elements("\x0ba\x0c"), [b"\x0ba\x0c"]);
    }

    proptest! {
        #[test]
        fn a_host_is_judged_as_its_parts_are(
            host in prop::sample::select(vec!["", "a", "a.b-c", "[::1]", "%41", "a%4", "[1", "a,"]),
            port in "(:?[0-9]{0,7}|[a:%,\\[\\]61@]{0,6})",
        ) {
            let value = format!("{host}{port}");
            prop_assert_eq!(is_host_anywhere(value.as_bytes()), is_host_slow(&value), "{}", value);
        }

        #[test]
        fn a_length_is_its_canonical_decimal_text_and_nothing_else(number in any::<u64>()) {
            prop_assert_eq!(parse_length(number.to_string().as_bytes()), Some(number));
            prop_assert_eq!(parse_length(format!("0{number}").as_bytes()), None);
            prop_assert_eq!(parse_length(format!("+{number}").as_bytes()), None);
        }

        #[test]
        fn a_length_that_is_read_is_written_the_same(
            text in prop::collection::vec(prop::sample::select(&b"0123456789+-_xeE. "[..]), 0..22),
        ) {
            if let Some(number) = parse_length(&text) {
                prop_assert_eq!(number.to_string().into_bytes(), text);
            }
        }
    }
}
