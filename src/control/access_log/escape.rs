//! What clients sent, written so that it neither ends a line nor a text and no terminal obeys it:
//! all that comes out is printable ASCII. Knows nothing of the lines it stands in.

/// Appends `bytes` as Apache and nginx do: a byte that is not printable ASCII, a quotation mark and
/// a backslash become `\xHH`.
#[inline]
pub(super) fn push_combined(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        push_hexadecimal(out, bytes);
    }
}

#[cold]
fn push_hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        if is_plain_byte(*byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(b"\\x");
            push_hex_digits(out, u32::from(*byte), 2);
        }
    }
}

/// Appends `bytes` as the inside of a JSON string: a character that is not printable ASCII, a
/// quotation mark and a backslash become `\uHHHH`, and what is no UTF-8 the character U+FFFD.
#[inline]
pub(super) fn push_json(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        push_unicode(out, bytes);
    }
}

#[cold]
fn push_unicode(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let missing = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for character in chunk.valid().chars().chain(missing) {
            match u8::try_from(character) {
                Ok(byte) if is_plain_byte(byte) => out.push(byte),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        out.extend_from_slice(b"\\u");
                        push_hex_digits(out, u32::from(*unit), 4);
                    }
                }
            }
        }
    }
}

fn push_hex_digits(out: &mut Vec<u8>, value: u32, digits: u32) {
    for digit in (0..digits).rev() {
        let digit = (value >> (4 * digit)) & 0xf;
        out.push(b"0123456789ABCDEF"[digit as usize]);
    }
}

fn is_plain_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Whether nothing in `bytes` has to be written in another way.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    // Without a branch for each byte, so that many are compared at once.
    let is_plain_piece =
        |piece: &[u8]| piece.iter().fold(true, |all, byte| all & is_plain_byte(*byte));
    bytes.chunks(32).all(is_plain_piece)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn combined(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_combined(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    fn json(bytes: &[u8]) -> String {
        let mut out = b"\"".to_vec();
        push_json(&mut out, bytes);
        out.push(b'"');
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_printable_is_written_in_another_way() {
        assert_eq!(
            combined(b"/a?b=\"c\\d\" \x7f\r\n\xff"),
            "/a?b=\\x22c\\x5Cd\\x22 \\x7F\\x0D\\x0A\\xFF"
        );
        assert_eq!(json(b"a\"b\\c\n\x1b"), r#""a\u0022b\u005Cc\u000A\u001B""#);
        assert_eq!(json("\u{e9}\u{9b}\u{1f600}".as_bytes()), r#""\u00E9\u009B\uD83D\uDE00""#);
        assert_eq!(json(b"a\xc3"), r#""a\uFFFD""#);
    }

    proptest! {
        #[test]
        fn json_is_read_back_as_what_was_sent(bytes in vec(any::<u8>(), 0..200)) {
            let text = json(&bytes);
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
            let read: String = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes).into_owned());
        }

        #[test]
        fn a_combined_text_has_neither_marks_nor_ends_and_is_read_back(
            bytes in vec(any::<u8>(), 0..200)
        ) {
            let text = combined(&bytes);
            prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'));
            let mut pieces = text.split("\\x");
            let mut read = pieces.next().unwrap().as_bytes().to_vec();
            for piece in pieces {
                read.push(u8::from_str_radix(&piece[..2], 16).unwrap());
                read.extend_from_slice(&piece.as_bytes()[2..]);
            }
            prop_assert_eq!(read, bytes);
        }
    }
}
