//! Cookies are read as a plain reading has them, and what is set is read again as it was set.
//! Knows the grammar, not how it is read.

use std::time::Duration;

use corelane::Cookie;
use corelane::wire::cookie::pairs;

/// The value of a `Cookie` field; up to its first three newlines, a name, a value, a path and a
/// domain to be set.
pub fn check(data: &[u8]) {
    let found: Vec<_> = pairs(data).collect();
    assert_eq!(found, plain(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(4, '\n').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (name, value, path, domain) = (next(), next(), next(), next());
    let mut cookie = Cookie::new(&name, &value).max_age(Duration::from_secs(1)).secure();
    if !path.is_empty() {
        cookie = cookie.path(&path);
    }
    if !domain.is_empty() {
        cookie = cookie.domain(&domain);
    }
    let Ok(line) = cookie.line() else { return };
    assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
    let attributes: Vec<_> = line.split("; ").collect();
    let sent = attributes[0].as_bytes();
    assert_eq!(pairs(sent).collect::<Vec<_>>(), [(name.as_bytes(), value.as_bytes())]);
    assert_eq!(attributes.len(), 6 + usize::from(!domain.is_empty()), "{line}");
    assert_eq!(line.matches(';').count() + 1, attributes.len(), "{line}");
}

fn plain(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    for part in data.split(|byte| *byte == b';') {
        let Some(at) = part.iter().position(|byte| *byte == b'=') else { continue };
        let (name, mut value) = (part[..at].trim_ascii(), part[at + 1..].trim_ascii());
        if value.len() > 1 && value.starts_with(b"\"") && value.ends_with(b"\"") {
            value = &value[1..value.len() - 1];
        }
        if !name.is_empty() {
            found.push((name, value));
        }
    }
    found
}
