//! The pairs of a `Cookie` field, and what cookies may consist of (RFC 6265).
//! Knows nothing of who sets them.

use memchr::memchr;

/// The cookies in one value of `Cookie`, in the order sent: name and value, without the quotation
/// marks around it. As lenient as servers are: blanks around names and values go, a part without
/// `=` or without a name is passed over, and any other byte may stand in a value.
pub fn pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|byte| *byte == b';').filter_map(|part| {
        let (name, value) = part.split_at_checked(memchr(b'=', part)?)?;
        let (name, value) = (name.trim_ascii(), value[1..].trim_ascii());
        (!name.is_empty()).then(|| (name, unquoted(value)))
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inside @ .., b'"'] => inside,
        value => value,
    }
}

/// Whether a server may set this value: what browsers and other servers all read the same.
pub fn is_value(value: &[u8]) -> bool {
    let is_forbidden = |byte: &u8| b"\",;\\".contains(byte);
    value.iter().all(|byte| byte.is_ascii_graphic() && !is_forbidden(byte))
}

/// Whether this may be the value of an attribute, such as a path.
pub fn is_attribute(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        pairs(value.as_bytes()).map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn cookies_are_read_as_servers_read_them() {
        assert_eq!(read("a=1; b=2"), [("a", "1"), ("b", "2")]);
        assert_eq!(read("a=1;b=2;; ;a=3;"), [("a", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(read(" a \t=\t1 "), [("a", "1")]);
        assert_eq!(read("a=b=c; d="), [("a", "b=c"), ("d", "")]);
        assert_eq!(read("a=\"x y\"; b=\"; c=\"\""), [("a", "x y"), ("b", "\""), ("c", "")]);
        assert_eq!(read("nothing; =1; ="), []);
        assert_eq!(read(""), []);
    }

    #[test]
    fn what_others_would_read_otherwise_is_not_set() {
        assert!(is_value(b"") && is_value(b"aZ9!#$%&'()*+-./:<=>?@[]^_`{|}~"));
        for byte in [b' ', b'"', b',', b';', b'\\', b'\r', b'\n', 0, 0x7f, 0xc3] {
            assert!(!is_value(&[b'a', byte]), "{byte}");
        }
        assert!(is_attribute(b"/a b,c") && !is_attribute(b"/;") && !is_attribute(b"/\r"));
    }
}
