//! The path of a request as the path of a file: decoded once, then judged segment by segment.
//! Knows no directory; that nothing leads out of it is the kernel's to hold as well.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::api::RefusedPath;

/// The path beneath the root, without a slash at its begin, unless no file has it.
///
/// Refused are escapes that hide a slash, a backslash or a NUL, `.` and `..`, names with a dot at
/// their begin, empty segments before the last, and what is no UTF-8, overlong forms among it.
/// `.well-known` is the one hidden name that is meant to be found (RFC 8615).
pub(super) fn file_path(raw: &[u8]) -> Result<Cow<'_, [u8]>, RefusedPath> {
    let has_escapes = memchr::memchr(b'%', raw).is_some();
    let slashes = memchr::memchr_iter(b'/', raw).count();
    let path: Cow<'_, [u8]> =
        if has_escapes { percent_decode(raw).into() } else { Cow::Borrowed(raw) };
    let has_decoded_slashes = has_escapes && memchr::memchr_iter(b'/', &path).count() > slashes;
    if has_decoded_slashes || std::str::from_utf8(&path).is_err() {
        return Err(RefusedPath::Traversal);
    }
    let mut segments = path.split(|&byte| byte == b'/').enumerate().peekable();
    while let Some((index, segment)) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            [] if is_last => {}
            b".well-known" if index == 0 => {}
            [] | b"." | b".." => return Err(RefusedPath::Traversal),
            [b'.', ..] => return Err(RefusedPath::Hidden),
            _ if is_sound_name(segment) => {}
            _ => return Err(RefusedPath::Traversal),
        }
    }
    Ok(path)
}

/// Whether a file of this name can be served, if the name is text.
pub(super) fn is_sound_name(name: &[u8]) -> bool {
    let is_sound = |&byte: &u8| byte >= b' ' && byte != b'\\' && byte != 0x7f;
    !name.starts_with(b".") && name.iter().all(is_sound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    #[test]
    fn an_ordinary_path_is_decoded_once() {
        for (raw, path) in [
            ("", ""),
            ("a", "a"),
            ("a/b.c/", "a/b.c/"),
            ("a%20b", "a b"),
            ("a%2520b", "a%20b"),
            ("%252e%252e/a", "%2e%2e/a"),
            ("caf%C3%A9", "caf\u{e9}"),
            ("a..b/c...", "a..b/c..."),
            (".well-known/acme", ".well-known/acme"),
        ] {
            assert_eq!(file_path(raw.as_bytes()).as_deref(), Ok(path.as_bytes()), "{raw}");
        }
    }

    #[test]
    fn no_trick_becomes_a_path() {
        for raw in [
            ".",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "%2e%2e/a",
            ".%2e/a",
            "a/%2E%2E/b",
            "a%2fb",
            "..%2fa",
            "a%5c..%5cb",
            "a\\b",
            "a%00",
            "%00",
            "a%00.html",
            "//a",
            "/a",
            "a//b",
            ".git/config",
            "a/.b",
            "%c0%ae%c0%ae/a",
            "%c0%af",
            "%e0%80%ae",
            "%ff",
            "a%0ab",
            "a%7f",
            "a/.well-known",
            "...",
        ] {
            let is_hidden =
                raw.contains("git") || raw.contains("/.") && !raw.contains("..") || raw == "...";
            let why = if is_hidden { RefusedPath::Hidden } else { RefusedPath::Traversal };
            assert_eq!(file_path(raw.as_bytes()), Err(why), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_path_names_a_parent_or_holds_a_nul(raw in "([./a%]|%2[ef]|%5c|%00|\\.\\.){0,12}", bytes in any::<Vec<u8>>()) {
            for raw in [raw.as_bytes(), &bytes] {
                let Ok(path) = file_path(raw) else { continue };
                prop_assert!(!path.contains(&0) && !path.starts_with(b"/"));
                prop_assert!(path.split(|&byte| byte == b'/').all(|segment| segment != b".."));
            }
        }
    }
}
