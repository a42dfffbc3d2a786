//! Which answers a shared cache may keep, for how long, and by what they vary (RFC 9111).
//! Knows nothing of where they are kept.

use std::time::{Duration, UNIX_EPOCH};

use crate::api::Made;
use crate::wire::accept_encoding::{Accepted, Coding};
use crate::wire::cache_control::CacheControl;
use crate::wire::encode;
use crate::wire::field_lines::{fields, values};
use crate::wire::status::Status;

/// For how long an answer may be kept, and for whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// How old it is already.
    pub(super) age: Duration,
    /// Up to which age it is fresh.
    pub(super) fresh_for: Duration,
    /// Whether credentials do not matter (section 3.5).
    pub(super) is_public: bool,
    /// Names of the fields of requests by which it varies.
    pub(super) varies: Vec<String>,
}

/// The life of an answer to a GET with the fields `asked`; `None` if it may not be kept.
pub(super) fn life(
    made: &Made<'_>,
    asked: &[u8],
    max_age: Duration,
    unix_seconds: u64,
) -> Option<Life> {
    let control = CacheControl::read(values(made.lines, "cache-control"));
    let has = |name| values(made.lines, name).next().is_some();
    let is_public = control.public || control.s_maxage.is_some() || control.must_revalidate;
    let is_for_one = values(asked, "authorization").next().is_some() && !is_public;
    if control.no_store || control.private || control.no_cache || is_for_one || has("set-cookie") {
        return None;
    }
    let expires = || Some(seconds_until(values(made.lines, "expires").next()?, unix_seconds));
    let seconds = control.s_maxage.or(control.max_age).or_else(expires);
    let fresh_for = match (made.status.code(), seconds) {
        (200 | 203 | 204 | 300 | 301 | 404 | 410, Some(seconds)) => Duration::from_secs(seconds),
        (200, None) => max_age,
        _ => return None,
    };
    let age = values(made.lines, "age").next().and_then(number).unwrap_or(0);
    let age = Duration::from_secs(age);
    if fresh_for <= age || made.status == Status::PARTIAL_CONTENT {
        return None;
    }
    Some(Life { age, fresh_for, is_public, varies: varies(made.lines)? })
}

/// By what an answer varies: names in small letters, in order, each once. `None` is by all.
fn varies(lines: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for name in values(lines, "vary").flat_map(|value| value.split(|&byte| byte == b',')) {
        match name.trim_ascii() {
            b"*" => return None,
            b"" => {}
            name => names.push(String::from_utf8_lossy(name).to_ascii_lowercase()),
        }
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// A date that is none has passed (section 5.3).
fn seconds_until(expires: &[u8], unix_seconds: u64) -> u64 {
    let text = std::str::from_utf8(expires).unwrap_or_default();
    let time = httpdate::parse_http_date(text).ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs().saturating_sub(unix_seconds))
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The fields that belong in a 304 too (RFC 9110 section 15.4.5): those that are not of the body.
pub(super) fn known_lines(lines: &[u8]) -> Vec<u8> {
    let mut known = Vec::new();
    for (name, value) in fields(lines) {
        let is_of_body = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
        if !is_of_body || name.eq_ignore_ascii_case(b"content-location") {
            encode::field(&mut known, name, value);
        }
    }
    known
}

/// Appends what a request says by a field that answers vary by, so that two that say the same
/// are the same bytes, and no two others are.
pub(super) fn push_values<'v>(
    key: &mut Vec<u8>,
    name: &str,
    values: impl Iterator<Item = &'v [u8]>,
) {
    if name == "accept-encoding" {
        // Hardly two clients write it alike, and it means one of few things.
        let accepted = Accepted::read(values);
        let weight = |coding| accepted.weight(coding).to_le_bytes();
        key.extend(Coding::ALL.into_iter().flat_map(weight));
        return;
    }
    for value in values {
        key.extend_from_slice(&(value.len() as u32).to_le_bytes());
        key.extend_from_slice(value);
    }
    // Longer than any value.
    key.extend_from_slice(&u32::MAX.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode::ContentType;

    fn life_of(code: u16, lines: &str, asked: &str) -> Option<(u64, bool)> {
        let status = Status::new(code).unwrap();
        let (lines, content_type) = (lines.as_bytes(), ContentType::Text);
        let made = Made { status, lines, content_type, body: b"" };
        let life = life(&made, asked.as_bytes(), Duration::from_secs(7), 784_111_777)?;
        Some((life.fresh_for.saturating_sub(life.age).as_secs(), life.is_public))
    }

    #[test]
    fn an_answer_lives_as_long_as_it_says() {
        for (code, lines, expected) in [
            (200, "", Some(7)),
            (200, "Cache-Control: max-age=60\r\n", Some(60)),
            (200, "Cache-Control: max-age=60, s-maxage=9\r\n", Some(9)),
            (200, "Cache-Control: max-age=60\r\nAge: 10\r\n", Some(50)),
            (200, "Cache-Control: max-age=5\r\nAge: 10\r\n", None),
            (200, "Cache-Control: max-age=0\r\n", None),
            (200, "Expires: Sun, 06 Nov 1994 08:49:40 GMT\r\n", Some(3)),
            (200, "Expires: 0\r\n", None),
            (404, "", None),
            (404, "Cache-Control: max-age=1\r\n", Some(1)),
            (500, "Cache-Control: max-age=1\r\n", None),
            (206, "Cache-Control: max-age=1\r\n", None),
            (200, "Cache-Control: no-store\r\n", None),
            (200, "Cache-Control: private, max-age=5\r\n", None),
            (200, "Cache-Control: no-cache\r\n", None),
            (200, "Set-Cookie: a=b\r\n", None),
            (200, "Vary: *\r\n", None),
        ] {
            let life = life_of(code, lines, "").map(|(seconds, _)| seconds);
            assert_eq!(life, expected, "{code} {lines}");
        }
    }

    #[test]
    fn what_was_asked_for_with_credentials_is_kept_only_if_it_is_for_all() {
        let asked = "Authorization: Basic eA==\r\n";
        assert_eq!(life_of(200, "", asked), None);
        assert_eq!(life_of(200, "Cache-Control: max-age=5\r\n", asked), None);
        assert_eq!(life_of(200, "Cache-Control: public\r\n", asked), Some((7, true)));
        assert_eq!(life_of(200, "Cache-Control: s-maxage=5\r\n", asked), Some((5, true)));
    }

    #[test]
    fn a_key_tells_values_apart_and_not_ways_to_write_them() {
        let key = |name: &str, values: &[&str]| {
            let mut key = Vec::new();
            push_values(&mut key, name, values.iter().map(|value| value.as_bytes()));
            key
        };
        assert_ne!(key("a", &["b", "c"]), key("a", &["bc"]));
        assert_ne!(key("a", &[]), key("a", &[""]));
        let coding = |value| key("accept-encoding", &[value]);
        assert_eq!(coding("gzip, br"), coding("br;q=1,GZIP"));
        assert_ne!(coding("gzip"), coding("br"));
    }
}
