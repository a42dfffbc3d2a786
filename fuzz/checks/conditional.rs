//! Preconditions are judged the same wherever their fields stand, and a list that names the tag
//! is found to. Knows the order of the RFC, not how fields are read.

use corelane::wire::conditional::{Preconditions, Validators, Verdict};

const NAMES: [&str; 5] =
    ["If-Match", "if-none-match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"];

const CURRENT: Validators<'_> =
    Validators { tag: b"tag", modified: 784_111_777, is_date_strong: true };

fn judge<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Verdict {
    Preconditions::read(fields, &CURRENT).judge(&CURRENT)
}

/// A line is a field: its first byte tells the name, the rest is its value.
pub fn check(data: &[u8]) {
    let line = |line: &'_ [u8]| line.split_first().map(|(name, _)| usize::from(*name) % 5);
    let lines = || data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let fields = || lines().map(|bytes| (NAMES[line(bytes).unwrap_or(0)], &bytes[1..]));
    let verdict = judge(fields());

    let padded = fields().flat_map(|field| [("Accept", &b"*/*"[..]), field, ("Idle", b"")]);
    assert_eq!(judge(padded), verdict, "other fields have no say");
    let has = |name: &str| fields().any(|field| field.0 == name);
    let no_if_match = !has("If-Match");
    if no_if_match && !has("If-Unmodified-Since") {
        assert_ne!(verdict, Verdict::Failed, "nothing that could fail");
    }
    if !has("if-none-match") && !has("If-Modified-Since") {
        assert_ne!(verdict, Verdict::NotModified, "nothing that could be known");
    }
    if !has("If-Range") && verdict != Verdict::Failed && verdict != Verdict::NotModified {
        assert_eq!(verdict, Verdict::Proceed { ranges: true });
    }
    // A line that names the tag settles the tags' own fields, whatever stands in the others.
    let known = fields().filter(|field| field.0 != "If-Unmodified-Since" && field.0 != "If-Match");
    let known = known.chain([("If-None-Match", &b"W/\"tag\""[..])]);
    assert_eq!(judge(known), Verdict::NotModified);
    let failing = fields().filter(|field| field.0 != "If-Match");
    let failing = failing.chain([("If-Match", &b"\"other\", W/\"tag\""[..])]);
    assert_eq!(judge(failing), Verdict::Failed);
}
