//! Preconditions of requests in the order of RFC 9110 section 13.2.2. Knows only the pure function.

use corelane::wire::conditional::{Preconditions, Validators, Verdict};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

const CURRENT: Validators<'_> =
    Validators { tag: b"tag", modified: 784_111_777, is_date_strong: true };
const WHOLE: Verdict = Verdict::Proceed { ranges: false };
const PROCEED: Verdict = Verdict::Proceed { ranges: true };

fn judge(fields: &[(&str, &str)], current: &Validators<'_>) -> Verdict {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    Preconditions::read(fields, current).judge(current)
}

#[test]
fn every_field_alone() {
    for (name, value, verdict) in [
        ("If-Match", "*", PROCEED),
        ("If-Match", "\"tag\"", PROCEED),
        ("If-Match", "\"a\", \t\"tag\"", PROCEED),
        ("If-Match", ",, \"a,\" ,\"tag\"", PROCEED),
        ("If-Match", "W/\"tag\"", Verdict::Failed),
        ("If-Match", "\"tagg\"", Verdict::Failed),
        ("If-Match", "tag", Verdict::Failed),
        ("If-Match", "", Verdict::Failed),
        ("If-Match", "\"a\" \"tag\"", Verdict::Failed),
        ("If-Match", "\"tag", Verdict::Failed),
        ("If-Match", "\"a\", *", Verdict::Failed),
        ("if-none-match", "*", Verdict::NotModified),
        ("if-none-match", "\"tag\"", Verdict::NotModified),
        ("IF-NONE-MATCH", "W/\"tag\"", Verdict::NotModified),
        ("If-None-Match", "\"b\", W/\"tag\"", Verdict::NotModified),
        ("If-None-Match", "w/\"tag\"", PROCEED),
        ("If-None-Match", "\"b\"", PROCEED),
        ("If-None-Match", "\"t ag\", \"tag\"", PROCEED),
        ("If-Modified-Since", MODIFIED, Verdict::NotModified),
        ("If-Modified-Since", AFTER, Verdict::NotModified),
        ("If-Modified-Since", BEFORE, PROCEED),
        ("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT", Verdict::NotModified),
        ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", Verdict::NotModified),
        ("If-Modified-Since", "yesterday", PROCEED),
        ("If-Unmodified-Since", MODIFIED, PROCEED),
        ("If-Unmodified-Since", AFTER, PROCEED),
        ("If-Unmodified-Since", BEFORE, Verdict::Failed),
        ("If-Unmodified-Since", "never", PROCEED),
        ("If-Range", "\"tag\"", PROCEED),
        ("If-Range", MODIFIED, PROCEED),
        ("If-Range", AFTER, WHOLE),
        ("If-Range", BEFORE, WHOLE),
        ("If-Range", "W/\"tag\"", WHOLE),
        ("If-Range", "\"other\"", WHOLE),
        ("If-Range", "\"tag\", \"tag\"", WHOLE),
        ("If-Range", "*", WHOLE),
        ("If-Range", "", WHOLE),
        ("Ignored", "\"tag\"", PROCEED),
    ] {
        assert_eq!(judge(&[(name, value)], &CURRENT), verdict, "{name}: {value}");
    }
}

#[test]
fn tags_go_before_dates_and_failures_before_what_is_known() {
    let (same, other) = ("\"tag\"", "\"other\"");
    for (first, second, verdict) in [
        (("If-Match", same), ("If-Unmodified-Since", BEFORE), PROCEED),
        (("If-Match", other), ("If-Unmodified-Since", AFTER), Verdict::Failed),
        (("If-Match", other), ("If-None-Match", same), Verdict::Failed),
        (("If-Match", same), ("If-None-Match", same), Verdict::NotModified),
        (("If-Unmodified-Since", BEFORE), ("If-None-Match", same), Verdict::Failed),
        (("If-None-Match", other), ("If-Modified-Since", AFTER), PROCEED),
        (("If-None-Match", same), ("If-Modified-Since", BEFORE), Verdict::NotModified),
        (("If-None-Match", same), ("If-Range", other), Verdict::NotModified),
        (("If-None-Match", other), ("If-None-Match", same), Verdict::NotModified),
        (("If-Match", other), ("If-Match", same), PROCEED),
        (("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER), PROCEED),
        (("If-Range", same), ("If-Range", same), WHOLE),
    ] {
        assert_eq!(judge(&[first, second], &CURRENT), verdict, "{first:?} {second:?}");
        assert_eq!(judge(&[second, first], &CURRENT), verdict, "{second:?} {first:?}");
    }
}

#[test]
fn a_date_of_this_very_second_is_too_weak_for_a_part() {
    let fresh = Validators { is_date_strong: false, ..CURRENT };
    assert_eq!(judge(&[("If-Range", MODIFIED)], &fresh), WHOLE);
    assert_eq!(judge(&[("If-Range", "\"tag\"")], &fresh), PROCEED);
}

proptest! {
    #[test]
    fn whatever_is_sent_is_judged(
        values in prop::collection::vec((0..5_usize, any::<Vec<u8>>()), 0..6),
    ) {
        let names =
            ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"];
        let fields = values.iter().map(|(name, value)| (names[*name], &value[..]));
        let verdict = Preconditions::read(fields.clone(), &CURRENT).judge(&CURRENT);
        // Every precondition counts once, wherever it stands among fields of other names.
        let padded = fields.flat_map(|field| [("Accept", &b"*"[..]), field]);
        prop_assert_eq!(Preconditions::read(padded, &CURRENT).judge(&CURRENT), verdict);
    }

    #[test]
    fn the_tag_is_found_anywhere_in_a_list(
        before in prop::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..20),
        after in prop::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..20),
        comma in "[ \t]{0,3},[ \t,]{0,3}",
    ) {
        let list = [before, vec!["\"tag\"".to_owned()], after].concat().join(&comma);
        prop_assert_eq!(judge(&[("If-Match", &list)], &CURRENT), PROCEED);
        prop_assert_eq!(judge(&[("If-None-Match", &list)], &CURRENT), Verdict::NotModified);
    }
}
