//! Preconditions of a request (RFC 9110 section 13): entity tags, dates, and the order in which
//! they are judged. Knows no files and no clock.

use std::time::UNIX_EPOCH;

/// What the fields of a request are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validators<'a> {
    /// The opaque part of the strong entity tag, without its quotes.
    pub tag: &'a [u8],
    /// Seconds since 1970 of the last change.
    pub modified: u64,
    /// Whether nothing else can have been changed in that second, so that the date tells as much
    /// as a strong tag (section 8.8.2.2).
    pub is_date_strong: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A precondition does not hold: 412.
    Failed,
    /// The client has it: 304.
    NotModified,
    /// It is answered; its `Range` counts only if `ranges` says so.
    Proceed {
        /// Whether `If-Range` does not speak against a part.
        ranges: bool,
    },
}

/// A field that may hold only one value: none came, or one, or more than may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Single<'a> {
    #[default]
    Absent,
    Value(&'a [u8]),
    Repeated,
}

impl<'a> Single<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = if *self == Single::Absent { Single::Value(value) } else { Single::Repeated };
    }

    /// Its date. What is none, or more than one, is ignored (sections 13.1.3 and 13.1.4).
    fn date(self) -> Option<u64> {
        if let Single::Value(value) = self { date(value) } else { None }
    }
}

/// The fields of a request that are preconditions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preconditions<'a> {
    /// Whether one of the lines of `If-Match` names the tag, if there are any.
    wanted: Option<bool>,
    /// The same of `If-None-Match`.
    known: Option<bool>,
    modified_since: Single<'a>,
    unmodified_since: Single<'a>,
    range_of: Single<'a>,
}

impl<'a> Preconditions<'a> {
    /// Reads them from all fields of a request.
    pub fn read(
        fields: impl Iterator<Item = (&'a str, &'a [u8])>,
        validators: &Validators<'_>,
    ) -> Preconditions<'a> {
        let mut read = Preconditions::default();
        for (name, value) in fields {
            // Most fields are told by their first byte.
            if !matches!(name.as_bytes().first(), Some(b'i' | b'I')) {
                continue;
            }
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            if is("if-match") {
                *read.wanted.get_or_insert(false) |= names(value, validators.tag, false);
            } else if is("if-none-match") {
                *read.known.get_or_insert(false) |= names(value, validators.tag, true);
            } else if is("if-modified-since") {
                read.modified_since.add(value);
            } else if is("if-unmodified-since") {
                read.unmodified_since.add(value);
            } else if is("if-range") {
                read.range_of.add(value);
            }
        }
        read
    }

    /// Judges a GET or HEAD in the order of section 13.2.2.
    pub fn judge(&self, validators: &Validators<'_>) -> Verdict {
        let holds = match (self.wanted, self.unmodified_since.date()) {
            (Some(is_named), _) => is_named,
            (None, Some(date)) => validators.modified <= date,
            (None, None) => true,
        };
        if !holds {
            return Verdict::Failed;
        }
        let is_known = match (self.known, self.modified_since.date()) {
            (Some(is_named), _) => is_named,
            (None, Some(date)) => validators.modified <= date,
            (None, None) => false,
        };
        if is_known {
            return Verdict::NotModified;
        }
        Verdict::Proceed { ranges: self.wants_ranges(validators) }
    }

    /// Whether `If-Range` names what there is, by a strong validator (section 13.1.5).
    fn wants_ranges(&self, validators: &Validators<'_>) -> bool {
        match self.range_of {
            Single::Absent => true,
            Single::Repeated => false,
            Single::Value(value) => match tag(value) {
                Some((is_weak, opaque, rest)) => {
                    !is_weak && rest.is_empty() && opaque == validators.tag
                }
                None => validators.is_date_strong && date(value) == Some(validators.modified),
            },
        }
    }
}

/// Seconds since 1970 of an HTTP date in any of its three forms; `None` for what is none.
fn date(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Whether a list of entity tags, or `*`, names the one with these bytes. A weak tag counts only
/// in a weak comparison (section 8.8.3.2). What follows a fault of the list names nothing.
fn names(list: &[u8], wanted: &[u8], compares_weakly: bool) -> bool {
    if list == b"*" {
        return true;
    }
    let mut rest = list;
    loop {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let Some((is_weak, opaque, after)) = tag(rest) else { return false };
        rest = after.trim_ascii_start();
        if !rest.is_empty() && rest[0] != b',' {
            return false;
        }
        if opaque == wanted && (compares_weakly || !is_weak) {
            return true;
        }
    }
}

/// The entity tag at the begin: whether it is weak, what is between its quotes, and what follows.
fn tag(bytes: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (is_weak, quoted) =
        bytes.strip_prefix(b"W/").map_or((false, bytes), |quoted| (true, quoted));
    let inside = quoted.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', inside)?;
    let is_opaque = inside[..end].iter().all(|&byte| byte >= b'!' && byte != 0x7f);
    is_opaque.then(|| (is_weak, &inside[..end], &inside[end + 1..]))
}
