//! The trailer section of a chunked body as fields (RFC 9110 section 6.5).
//! Knows nothing of how it was received: the chunked decoder has checked it.

/// Fields that decide framing, routing, credentials or how content is read. Behind the content
/// they come too late, and may not be merged into the head (RFC 9110 section 6.5.1).
const FORBIDDEN: [&[u8]; 26] = [
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"max-forwards",
    b"pragma",
    b"proxy-authorization",
    b"range",
    b"set-cookie",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// The fields of `section`: name and value, without those that are forbidden there.
pub fn fields(section: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    section.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_forbidden = FORBIDDEN.iter().any(|other| name.eq_ignore_ascii_case(other));
        (!is_forbidden).then_some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_and_blanks_around_values_go() {
        let section = b"X-Sum: 1 2\t\r\nEmpty:\r\na:\tb\r\n\r\n";
        let found: Vec<_> = fields(section).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"X-Sum", b"1 2"), (b"Empty", b""), (b"a", b"b")];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_a_trailer_may_not_say_is_left_out_in_any_case() {
        let section = b"Content-LENGTH: 5\r\nhost: a\r\nX: y\r\nauthorization: z\r\n\r\n";
        assert_eq!(fields(section).count(), 1);
        assert!(FORBIDDEN.is_sorted());
    }
}
