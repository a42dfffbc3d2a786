//! Response heads as bytes (RFC 9112 section 4 and 5). Knows nothing of when to send which field.

use std::io::Write;

use super::status::Status;

/// `HTTP/1.1 200 OK` and its CRLF: what almost every answer begins with.
pub const OK_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// The interim answer that asks for the body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The field that announces the chunked coding.
pub const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";

/// What ends a chunked body without trailers (RFC 9112 section 7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends `data` as one chunk; nothing for no data, which would end the body.
pub fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    // Writing to a vector cannot fail.
    let _ = write!(out, "{:x}\r\n", data.len());
    out.extend_from_slice(data);
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

/// Appends `Content-Length`.
#[inline]
pub fn content_length(out: &mut Vec<u8>, length: u64) {
    const NAME: &[u8; 16] = b"Content-Length: ";
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(length).as_bytes();
    // One copy instead of three, each with a look at the room.
    let mut line = [0; NAME.len() + 20 + 2];
    let end = NAME.len() + digits.len();
    line[..NAME.len()].copy_from_slice(NAME);
    line[NAME.len()..end].copy_from_slice(digits);
    line[end..end + 2].copy_from_slice(b"\r\n");
    out.extend_from_slice(&line[..end + 2]);
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
        content_length(&mut out, 0);
        let text = "HTTP/1.1 404 Not Found\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n";
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn a_chunk_is_its_size_in_hexadecimal_and_its_data() {
        let mut out = Vec::new();
        chunk(&mut out, b"");
        chunk(&mut out, &[b'x'; 17]);
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
