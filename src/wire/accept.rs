//! Which media types a client takes (RFC 9110 section 12.5.1).
//! Knows nothing of what there is to give.

use super::encode::is_token;
use super::weight::{self, WHOLE};

/// A range of media types with its weight in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    weight: u16,
}

impl Range<'_> {
    /// How exactly it names this type; `None` if it does not.
    fn fit(&self, kind: &[u8], subtype: &[u8]) -> Option<u8> {
        match (self.kind, self.subtype) {
            (b"*", b"*") => Some(0),
            (own, b"*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, sub) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => {
                Some(2)
            }
            _ => None,
        }
    }
}

/// The one of `offered`, as `text/html`, that a client with these values of `Accept` likes best;
/// of equals the first. Without a readable range it likes all. Parameters but `q` are not looked
/// at.
pub fn preferred<'a, 'o>(
    values: impl Iterator<Item = &'a [u8]> + Clone,
    offered: &[&'o str],
) -> Option<&'o str> {
    let ranges = values.flat_map(ranges);
    if ranges.clone().next().is_none() {
        return offered.first().copied();
    }
    let weight_of = |offer: &str| {
        let (kind, subtype) = offer.split_once('/')?;
        let (kind, subtype) = (kind.as_bytes(), subtype.as_bytes());
        let fitting = ranges.clone().filter_map(|range| Some((range.fit(kind, subtype)?, range)));
        // Of ranges that fit as exactly, the heaviest: a list says nothing by its order.
        fitting.max_by_key(|(fit, range)| (*fit, range.weight)).map(|(_, range)| range.weight)
    };
    let weighed = offered.iter().filter_map(|offer| Some((weight_of(offer)?, *offer)));
    let liked = weighed.filter(|(weight, _)| *weight > 0);
    liked.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, offer)| offer)
}

/// Whether JSON, or a type made of it, is named; a wildcard names nothing.
pub fn names_json<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    values.flat_map(ranges).any(|Range { kind, subtype, weight }| {
        let is_json =
            kind.eq_ignore_ascii_case(b"application") && subtype.eq_ignore_ascii_case(b"json");
        let is_made_of_it = subtype
            .len()
            .checked_sub(b"+json".len())
            .is_some_and(|at| subtype[at..].eq_ignore_ascii_case(b"+json"));
        weight > 0 && (is_json || is_made_of_it)
    })
}

/// The ranges of one value; what is none is passed over.
fn ranges(value: &[u8]) -> impl Iterator<Item = Range<'_>> + Clone {
    Parts { rest: Some(value), at: b',' }.filter_map(range)
}

fn range(element: &[u8]) -> Option<Range<'_>> {
    let mut parts = Parts { rest: Some(element), at: b';' };
    let name = parts.next()?.trim_ascii();
    let slash = name.iter().position(|byte| *byte == b'/')?;
    let (kind, subtype) = (&name[..slash], &name[slash + 1..]);
    if !is_token(kind) || !is_token(subtype) || (kind == b"*" && subtype != b"*") {
        return None;
    }
    let number = parts.filter_map(weight::of_parameter).last();
    let weight = number.map_or(Some(WHOLE), weight::thousandths)?;
    Some(Range { kind, subtype, weight })
}

/// The parts between separators that stand in no quoted string.
#[derive(Clone)]
struct Parts<'a> {
    rest: Option<&'a [u8]>,
    at: u8,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = rest.iter().position(|byte| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                _ if was_escaped => {}
                b'\\' if is_quoted => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                byte => return !is_quoted && *byte == self.at,
            }
            false
        });
        self.rest = end.map(|end| &rest[end + 1..]);
        Some(&rest[..end.unwrap_or(rest.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(accept: &str) -> Option<&'static str> {
        let offered = ["application/json", "text/html", "text/plain"];
        preferred([accept.as_bytes()].into_iter(), &offered)
    }

    #[test]
    fn the_heaviest_wins_and_of_equals_the_first_that_is_offered() {
        for (accept, wanted) in [
            ("", Some("application/json")),
            ("*/*", Some("application/json")),
            ("text/html", Some("text/html")),
            ("TEXT/Html;q=0.5, application/json;q=0.4", Some("text/html")),
            ("text/*;q=0.9, text/html;q=0.1, */*;q=0.5", Some("text/plain")),
            ("text/html, application/json", Some("application/json")),
            ("text/html;level=\"a,b\";q=0.2, text/plain;q=0.3", Some("text/plain")),
            ("application/xml", None),
            ("*/*;q=0", None),
            ("*/*, application/json;q=0", Some("text/html")),
            ("text/html;q=0.001, */*;q=0.000", Some("text/html")),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some("text/html")),
            ("rubbish, text/html;q=2, ;;,", Some("application/json")),
            ("text/html;q=1.001, text/plain", Some("text/plain")),
            (", text/plain", Some("text/plain")),
        ] {
            assert_eq!(best(accept), wanted, "{accept}");
        }
        assert_eq!(preferred([].into_iter(), &["a/b"]), Some("a/b"), "without the field");
        let values: [&[u8]; 2] = [b"text/plain;q=0.1", b"text/html"];
        assert_eq!(preferred(values.into_iter(), &["text/plain", "text/html"]), Some("text/html"));
    }

    #[test]
    fn json_is_named_by_its_name_alone() {
        for (accept, wanted) in [
            ("application/json", true),
            ("text/html, Application/Problem+JSON; q=0.1", true),
            ("application/json;q=0", false),
            ("*/*", false),
            ("application/*", false),
            ("text/json", false),
            ("text/html;x=\"application/json\"", false),
        ] {
            assert_eq!(names_json([accept.as_bytes()].into_iter()), wanted, "{accept}");
        }
    }
}
