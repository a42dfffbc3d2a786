//! Response heads as bytes (RFC 9112 section 4 and 5). Knows nothing of when to send which field.

use std::io::Write;

use super::status::Status;

/// `HTTP/1.1 200 OK` and its CRLF: what almost every answer begins with.
const OK_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// The interim answer that asks for the body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Name of the field that is a number.
const CONTENT_LENGTH: &[u8] = b"Content-Length: ";

/// What a body is, unless its application says so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// Bytes.
    Bytes,
    /// HTML in UTF-8.
    Html,
    /// JSON.
    Json,
    /// Nothing is said.
    None,
    /// Text in UTF-8.
    Text,
}

impl ContentType {
    /// All of them, in the order of their discriminants.
    pub const ALL: [ContentType; 5] = [
        ContentType::Bytes,
        ContentType::Html,
        ContentType::Json,
        ContentType::None,
        ContentType::Text,
    ];

    /// As a field line.
    pub const fn line(self) -> &'static [u8] {
        match self {
            ContentType::Bytes => b"Content-Type: application/octet-stream\r\n",
            ContentType::Html => b"Content-Type: text/html; charset=utf-8\r\n",
            ContentType::Json => b"Content-Type: application/json\r\n",
            ContentType::None => b"",
            ContentType::Text => b"Content-Type: text/plain; charset=utf-8\r\n",
        }
    }
}

impl ContentType {
    /// As a value.
    pub fn value(self) -> &'static [u8] {
        let line = self.line();
        line.get(b"Content-Type: ".len()..).unwrap_or_default().trim_ascii_end()
    }
}

/// The field that announces the chunked coding.
pub const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";

/// What ends a chunked body without trailers (RFC 9112 section 7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the begin of a chunk of `len` bytes; none would end the body.
pub fn open_chunk(out: &mut Vec<u8>, len: u64) {
    debug_assert_ne!(len, 0, "the last chunk is `LAST_CHUNK`");
    // Writing to a vector cannot fail.
    let _ = write!(out, "{len:x}\r\n");
}

/// Appends the end of a chunk.
pub fn close_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends a status line. The version is ours, whatever the request's (RFC 9110 section 6.2).
pub fn status_line(out: &mut Vec<u8>, status: Status) {
    out.extend_from_slice(b"HTTP/1.1 ");
    integer(out, u64::from(status.code()));
    out.push(b' ');
    out.extend_from_slice(status.reason().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line. The caller has checked both with [`is_token`] and [`is_field_value`].
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(is_token(name) && is_field_value(value));
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// How answers with bodies of one type begin, prepared up to the number of `Content-Length`.
#[derive(Debug, Default)]
pub struct Opening {
    /// As it is with `200 OK`.
    bytes: Vec<u8>,
}

impl Opening {
    /// Makes it anew.
    pub fn renew(&mut self, server: Option<&str>, date: &[u8], content_type: ContentType) {
        self.bytes.clear();
        self.bytes.extend_from_slice(OK_LINE);
        if let Some(name) = server {
            field(&mut self.bytes, b"Server", name.as_bytes());
        }
        field(&mut self.bytes, b"Date", date);
        self.bytes.extend_from_slice(content_type.line());
        self.bytes.extend_from_slice(CONTENT_LENGTH);
    }

    /// Appends it, and the length.
    #[inline]
    pub fn push_with_length(&self, out: &mut Vec<u8>, status: Status, length: u64) {
        self.push(out, status, self.bytes.len());
        number_line(out, length);
    }

    /// Appends it but for the length.
    pub fn push_without_length(&self, out: &mut Vec<u8>, status: Status) {
        self.push(out, status, self.bytes.len() - CONTENT_LENGTH.len());
    }

    #[inline]
    fn push(&self, out: &mut Vec<u8>, status: Status, end: usize) {
        if status == Status::OK {
            out.extend_from_slice(&self.bytes[..end]);
        } else {
            self.push_other(out, status, end);
        }
    }

    #[cold]
    fn push_other(&self, out: &mut Vec<u8>, status: Status, end: usize) {
        status_line(out, status);
        out.extend_from_slice(&self.bytes[OK_LINE.len()..end]);
    }
}

/// Appends a number and the end of its line.
#[inline]
fn number_line(out: &mut Vec<u8>, number: u64) {
    const LINE_MAX: usize = 20 + 2;
    let mut line = [0; 2 * LINE_MAX];
    line[LINE_MAX - 2..LINE_MAX].copy_from_slice(b"\r\n");
    let mut start = LINE_MAX - 2;
    let mut rest = number;
    // Twenty digits are the most.
    while start > 0 {
        start -= 1;
        line[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let end = out.len() + LINE_MAX - start;
    // A copy of a fixed size needs no call; what is too much of it goes again.
    out.extend_from_slice(&line[start..start + LINE_MAX]);
    out.truncate(end);
}

#[inline]
fn integer(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `text` as the inside of a JSON string (RFC 8259 section 7).
pub fn json_inside(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            control if control < ' ' => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Whether `bytes` is a token (RFC 9110 section 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether `bytes` may stand as a field value (RFC 9110 section 5.5): no control byte but HTAB,
/// so no CR, LF or NUL that could end the line early, and no blank at either end.
pub fn is_field_value(bytes: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !is_blank(bytes.first())
        && !is_blank(bytes.last())
        && bytes.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_the_rfc_writes_them() {
        let mut out = Vec::new();
        status_line(&mut out, Status::NOT_FOUND);
        field(&mut out, b"Allow", b"GET, HEAD");
        let text = "HTTP/1.1 404 Not Found\r\nAllow: GET, HEAD\r\n";
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn an_opening_says_what_it_was_prepared_for() {
        let mut opening = Opening::default();
        for (content_type, line) in ContentType::ALL.map(|kind| (kind, kind.line())) {
            opening.renew(Some("s"), b"today", content_type);
            let line = std::str::from_utf8(line).unwrap();
            let mut out = Vec::new();
            opening.push_with_length(&mut out, Status::OK, 70);
            let text = format!("Server: s\r\nDate: today\r\n{line}");
            let expected = format!("HTTP/1.1 200 OK\r\n{text}Content-Length: 70\r\n");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            let mut out = Vec::new();
            opening.push_without_length(&mut out, Status::NOT_FOUND);
            let expected = format!("HTTP/1.1 404 Not Found\r\n{text}");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        assert_eq!(ContentType::ALL.map(|kind| kind as usize), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_number_line_is_the_number_and_nothing_else() {
        for number in (0..20).flat_map(|power| [10_u64.pow(power), 10_u64.pow(power) - 1]) {
            for number in [number, u64::MAX - number] {
                let mut out = b"x".to_vec();
                number_line(&mut out, number);
                assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}\r\n"));
            }
        }
    }

    #[test]
    fn a_chunk_is_its_size_in_hexadecimal_and_its_data() {
        let mut out = Vec::new();
        open_chunk(&mut out, 17);
        out.extend_from_slice(&[b'x'; 17]);
        close_chunk(&mut out);
        assert_eq!(out, b"11\r\nxxxxxxxxxxxxxxxxx\r\n");
    }

    #[test]
    fn an_unregistered_status_keeps_the_blank_before_its_empty_phrase() {
        let mut out = Vec::new();
        status_line(&mut out, Status::new(299).unwrap());
        assert_eq!(out, b"HTTP/1.1 299 \r\n");
    }

    #[test]
    fn nothing_that_could_split_an_answer_is_a_field() {
        for byte in 0..=255_u8 {
            let is_control = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
            assert_eq!(is_field_value(&[b'a', byte, b'b']), !is_control, "{byte:#x}");
        }
        assert!(is_field_value(b"") && !is_field_value(b" a") && !is_field_value(b"a\t"));
        assert!(is_token(b"X-Name_1") && !is_token(b"") && !is_token(b"a b") && !is_token(b"a:"));
    }
}
