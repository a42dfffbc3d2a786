//! Fields of an answer as lines, looked at and changed after they were written.
//! Knows nothing of which of them are sent.

use std::ops::Range;

/// The values of the fields of this name, in their order. The lines are ours: each is a name, a
/// colon, a blank, a value and CRLF.
pub fn values<'a>(lines: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    each(lines)
        .filter(move |(found, ..)| found.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value, _)| value)
}

/// All of them: name and value.
pub fn fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    each(lines).map(|(name, value, _)| (name, value))
}

/// Whether a list has this element, whatever its parameters and their case.
pub fn has_element(list: &[u8], element: &str) -> bool {
    list.split(|&byte| byte == b',').any(|part| {
        let name = part.split(|&byte| byte == b'=' || byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(element.as_bytes())
    })
}

/// Makes the entity tags weak that are strong (RFC 9110 section 8.8.1).
pub fn weaken_tag(lines: &mut Vec<u8>) {
    let strong = each(lines)
        .find(|(name, value, _)| name.eq_ignore_ascii_case(b"etag") && value.starts_with(b"\""));
    let Some((name, _, line)) = strong else { return };
    let at = line.start + name.len() + b": ".len();
    lines.splice(at..at, *b"W/");
}

/// Removes the fields of this name that begin at `from` or later.
pub fn remove(lines: &mut Vec<u8>, from: usize, name: &str) {
    let is_meant = |(found, _, line): &(&[u8], &[u8], Range<usize>)| {
        line.start >= from && found.eq_ignore_ascii_case(name.as_bytes())
    };
    loop {
        let found = each(lines).find(is_meant).map(|(.., line)| line);
        let Some(line) = found else { return };
        lines.drain(line);
    }
}

/// Name, value and place of each.
fn each(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], Range<usize>)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = lines.get(start..)?;
        let len = memchr::memmem::find(rest, b"\r\n")?;
        let line = &rest[..len];
        let range = start..start + len + b"\r\n".len();
        start = range.end;
        let colon = memchr::memchr(b':', line).unwrap_or(len);
        Some((&line[..colon], line.get(colon + 1..).unwrap_or_default().trim_ascii(), range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"ETag: \"a\"\r\nVary: Origin, Accept-Encoding\r\nX: \r\nvary: b\r\n";

    #[test]
    fn lines_are_found_by_their_names() {
        let found: Vec<&[u8]> = values(LINES, "Vary").collect();
        assert_eq!(found, [&b"Origin, Accept-Encoding"[..], b"b"]);
        assert_eq!(values(LINES, "x").next(), Some(&b""[..]));
        assert_eq!(values(b"", "x").next(), None);
        assert_eq!(fields(LINES).count(), 4);
    }

    #[test]
    fn elements_are_found_whatever_stands_beside_them() {
        assert!(has_element(b"a, No-Transform;x=1", "no-transform"));
        assert!(has_element(b"max-age=3", "max-age"));
        assert!(!has_element(b"x-no-transform, b", "no-transform"));
    }

    #[test]
    fn a_strong_tag_becomes_weak_and_a_weak_one_stays() {
        let mut lines = LINES.to_vec();
        weaken_tag(&mut lines);
        assert!(lines.starts_with(b"ETag: W/\"a\"\r\nVary"));
        let weak = lines.clone();
        weaken_tag(&mut lines);
        assert_eq!(lines, weak);
    }

    #[test]
    fn only_the_fields_of_a_name_are_removed_and_only_behind_a_place() {
        let mut lines = LINES.to_vec();
        remove(&mut lines, 11, "vary");
        assert_eq!(lines, b"ETag: \"a\"\r\nX: \r\n");
        remove(&mut lines, 11, "etag");
        assert_eq!(lines, b"ETag: \"a\"\r\nX: \r\n");
    }
}
