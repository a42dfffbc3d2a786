//! The head of a response as a client must read it (RFC 9112 sections 4 and 6.3): its status, how
//! its body ends, and whether the connection lives on. Knows no sockets and keeps no fields.

use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::framing::is_token_byte;
use crate::limits::RESPONSE_HEAD_BYTES_MAX;

/// What the head of a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Bytes of the head, with the empty line behind it.
    pub len: usize,
    /// Its status, 100 to 999.
    pub status: u16,
    /// How its body ends.
    pub body: ResponseBody,
    /// Whether another request may follow on the connection.
    pub keeps_alive: bool,
}

/// How a body ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// By its last chunk.
    Chunked,
    /// After so many bytes; 0 where there is none.
    Length(u64),
    /// With the connection.
    UntilClose,
}

/// Why bytes are no head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A field without a name, or with a name that is no token.
    Field,
    /// Both a length and a coding, several lengths, or one that is no number.
    Framing,
    /// The status line.
    StatusLine,
    /// Longer than [`RESPONSE_HEAD_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Field => "a field without a valid name",
            Malformed::Framing => "no telling where its body ends",
            Malformed::StatusLine => "no status line of HTTP/1",
            Malformed::TooLarge => "a head without end",
        })
    }
}

static END_OF_HEAD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// Reads the head that `bytes` begin with; `None` if it is not complete. `to_head` says that the
/// request was a HEAD, whose answer has no body whatever its fields say.
///
/// An answer of 1xx other than 101 is not the last to its request: another head follows.
///
/// # Errors
/// The rule that was broken. Where the next answer begins is then unknown.
pub fn parse_response_head(bytes: &[u8], to_head: bool) -> Result<Option<ResponseHead>, Malformed> {
    let within = &bytes[..bytes.len().min(RESPONSE_HEAD_BYTES_MAX)];
    let Some(end) = END_OF_HEAD.find(within) else {
        if bytes.len() >= RESPONSE_HEAD_BYTES_MAX {
            return Err(Malformed::TooLarge);
        }
        return if may_begin(bytes) { Ok(None) } else { Err(Malformed::StatusLine) };
    };
    // With the line end of its last line, so that every line has one.
    let mut lines = Lines(&bytes[..end + 2]);
    let (status, is_minor_1) = status_line(lines.next().unwrap_or_default())?;
    let mut seen = Seen { length: None, is_chunked: false, closes: !is_minor_1 };
    for line in lines {
        seen.field(line)?;
    }
    let is_bodiless = to_head || status < 200 || status == 204 || status == 304;
    let body = match (seen.length, seen.is_chunked) {
        _ if is_bodiless => ResponseBody::Length(0),
        (Some(_), true) => return Err(Malformed::Framing),
        (None, true) => ResponseBody::Chunked,
        (Some(length), false) => ResponseBody::Length(length),
        (None, false) => ResponseBody::UntilClose,
    };
    let keeps_alive = !seen.closes && body != ResponseBody::UntilClose;
    Ok(Some(ResponseHead { len: end + 4, status, body, keeps_alive }))
}

/// Whether a status line may begin so.
fn may_begin(bytes: &[u8]) -> bool {
    let len = bytes.len().min(VERSION.len());
    bytes[..len] == VERSION[..len]
}

const VERSION: &[u8] = b"HTTP/1.";

/// `HTTP/1.1 200 OK`: the status, and whether the version is 1.1.
fn status_line(line: &[u8]) -> Result<(u16, bool), Malformed> {
    let (version, rest) = line.split_at_checked(8).ok_or(Malformed::StatusLine)?;
    let &[b' ', hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', ref reason @ ..] =
        rest
    else {
        return Err(Malformed::StatusLine);
    };
    let is_minor_1 = match version.strip_prefix(VERSION) {
        Some(b"0") => false,
        Some(b"1") => true,
        _ => return Err(Malformed::StatusLine),
    };
    if !matches!(reason, [] | [b' ', ..]) {
        return Err(Malformed::StatusLine);
    }
    let digit = |digit: u8| u16::from(digit - b'0');
    Ok((digit(hundreds) * 100 + digit(tens) * 10 + digit(ones), is_minor_1))
}

/// What the fields said so far.
struct Seen {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
}

impl Seen {
    fn field(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let colon = memchr::memchr(b':', line).ok_or(Malformed::Field)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Most names have another length than the three that matter.
        match name.len() {
            0 => return Err(Malformed::Field),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::Framing);
                }
                self.is_chunked = true;
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection(value),
            _ if !name.iter().all(|&byte| is_token_byte(byte)) => return Err(Malformed::Field),
            _ => {}
        }
        Ok(())
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match number {
            Some(number) if is_number && self.length.is_none_or(|other| other == number) => {
                self.length = Some(number);
                Ok(())
            }
            _ => Err(Malformed::Framing),
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                // What a server of HTTP/1.0 says that lives on.
                self.closes = false;
            }
        }
    }
}

/// Lines that end in CRLF, without it.
struct Lines<'b>(&'b [u8]);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let mut from = 0;
        loop {
            let at = from + memchr::memchr(b'\r', &self.0[from..])?;
            if self.0.get(at + 1) == Some(&b'\n') {
                let line = &self.0[..at];
                self.0 = &self.0[at + 2..];
                return Some(line);
            }
            from = at + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<ResponseHead>, Malformed> {
        parse_response_head(text.as_bytes(), false)
    }

    fn body(fields: &str) -> Result<ResponseBody, Malformed> {
        parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|head| head.unwrap().body)
    }

    #[test]
    fn a_head_says_status_body_and_persistence() {
        let text = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 13\r\n\r\nHello";
        let head = parse(text).unwrap().unwrap();
        let expected = ResponseHead {
            len: text.len() - 5,
            status: 200,
            body: ResponseBody::Length(13),
            keeps_alive: true,
        };
        assert_eq!(head, expected);
    }

    #[test]
    fn every_prefix_of_a_head_is_incomplete() {
        let text = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        for len in 0..text.len() {
            assert_eq!(parse(&text[..len]), Ok(None), "{len}");
        }
        assert!(!parse(text).unwrap().unwrap().keeps_alive);
    }

    #[test]
    fn bodies_end_as_the_framing_says() {
        for (fields, ends) in [
            ("", Ok(ResponseBody::UntilClose)),
            ("content-length:  7 \r\n", Ok(ResponseBody::Length(7))),
            ("Content-Length: 7\r\nContent-Length: 7\r\n", Ok(ResponseBody::Length(7))),
            ("Transfer-Encoding: Chunked\r\n", Ok(ResponseBody::Chunked)),
            ("Content-Length: 7\r\nContent-Length: 8\r\n", Err(Malformed::Framing)),
            ("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", Err(Malformed::Framing)),
            ("Content-Length: +7\r\n", Err(Malformed::Framing)),
            ("Content-Length: 99999999999999999999\r\n", Err(Malformed::Framing)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(Malformed::Framing)),
            ("Content Length: 7\r\n", Err(Malformed::Field)),
            (": 7\r\n", Err(Malformed::Field)),
            ("no colon\r\n", Err(Malformed::Field)),
        ] {
            assert_eq!(body(fields), ends, "{fields:?}");
        }
    }

    #[test]
    fn some_answers_have_no_body_whatever_they_say() {
        for status in ["100 Continue", "204 No Content", "304 Not Modified"] {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n");
            assert_eq!(parse(&text).unwrap().unwrap().body, ResponseBody::Length(0), "{status}");
        }
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        let head = parse_response_head(text, true).unwrap().unwrap();
        assert_eq!((head.body, head.keeps_alive), (ResponseBody::Length(0), true));
    }

    #[test]
    fn http_1_0_lives_on_only_where_it_says_so() {
        for (fields, keeps) in [("", false), ("Connection: keep-alive\r\n", true)] {
            let text = format!("HTTP/1.0 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
            assert_eq!(parse(&text).unwrap().unwrap().keeps_alive, keeps, "{fields}");
        }
    }

    #[test]
    fn what_is_no_status_line_is_known_from_its_first_bytes() {
        for text in ["SSH-2.0-x", "HTTP/2", "<html>", "HTTP/1.1 20 OK\r\n\r\n", "\r\n\r\n"] {
            assert_eq!(parse(text), Err(Malformed::StatusLine), "{text}");
        }
        assert_eq!(parse("HTTP/1.1 200\r\n\r\n").unwrap().unwrap().status, 200);
        assert_eq!(parse("HTTP/1.1 2000\r\n\r\n"), Err(Malformed::StatusLine));
    }

    #[test]
    fn a_head_without_end_is_too_large() {
        let text = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(RESPONSE_HEAD_BYTES_MAX));
        assert_eq!(parse(&text), Err(Malformed::TooLarge));
    }
}
