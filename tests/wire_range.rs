//! Tables and properties of `Range` fields (RFC 9110 section 14). Knows only the pure functions.

use corelane::limits::RANGES_MAX;
use corelane::wire::range::{ByteRange, Multipart, Wanted, content_range, parse};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

/// The parts as pairs, nothing for a 416, `None` for the whole.
fn parts(value: &[u8], len: u64) -> Option<Vec<(u64, u64)>> {
    match parse(value, len) {
        Wanted::Whole => None,
        Wanted::Unsatisfiable => Some(Vec::new()),
        Wanted::Parts(ranges) => {
            Some(ranges.iter().map(|range| (range.first, range.last)).collect())
        }
    }
}

#[test]
fn ranges_of_ten_bytes() {
    for (value, wanted) in [
        ("bytes=0-0", &[(0, 0)][..]),
        ("bytes=0-", &[(0, 9)]),
        ("bytes=9-", &[(9, 9)]),
        ("BYTES=3-5", &[(3, 5)]),
        ("bytes=3-999999999999999999999999", &[(3, 9)]),
        ("bytes=-1", &[(9, 9)]),
        ("bytes=-10", &[(0, 9)]),
        ("bytes=-18446744073709551615", &[(0, 9)]),
        ("bytes=-99999999999999999999999", &[(0, 9)]),
        ("bytes=0-1,4-5", &[(0, 1), (4, 5)]),
        ("bytes=4-5, 0-1", &[(4, 5), (0, 1)]),
        ("bytes=,0-1 ,, 4-5,", &[(0, 1), (4, 5)]),
        ("bytes=0-1,2-3", &[(0, 3)]),
        ("bytes=0-5,3-7", &[(0, 7)]),
        ("bytes=0-0,4-4,8-8,1-3", &[(0, 4), (8, 8)]),
        ("bytes=8-8,0-0,1-7", &[(0, 8)]),
        ("bytes=0-0,10-,-0", &[(0, 0)]),
        ("bytes=10-", &[]),
        ("bytes=10-11", &[]),
        ("bytes=99999999999999999999999-", &[]),
        ("bytes=-0", &[]),
        ("bytes=-0,20-30", &[]),
    ] {
        assert_eq!(parts(value.as_bytes(), 10).as_deref(), Some(wanted), "{value}");
    }
}

#[test]
fn what_breaks_a_rule_is_ignored() {
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=1-2-3",
        "bytes 0-1",
        "bytes =0-1",
        "bytes=0 -1",
        "bytes=0-1;2-3",
        "lines=0-1",
        "byte=0-1",
        "bytes=\u{0661}-2",
        "bytes=--1",
    ] {
        assert_eq!(parts(value.as_bytes(), 10), None, "{value}");
    }
    assert_eq!(parts(b"bytes=0-", 0), None, "nothing has no part");
    assert_eq!(parts(b"bytes=-1", 0), None);
}

#[test]
fn more_ranges_than_anyone_needs_get_the_whole_once() {
    let of = |count: usize| {
        let specs: Vec<_> = (0..count).map(|at| format!("{}-{}", at * 3, at * 3)).collect();
        parts(format!("bytes={}", specs.join(",")).as_bytes(), 10_000)
    };
    assert_eq!(of(RANGES_MAX).map(|parts| parts.len()), Some(RANGES_MAX));
    assert_eq!(of(RANGES_MAX + 1), None);
    assert_eq!(parts(format!("bytes={}", "0-,".repeat(1000)).as_bytes(), 10_000), None);
    let touching = format!("bytes={}", "0-,".repeat(RANGES_MAX));
    assert_eq!(parts(touching.as_bytes(), 10_000), Some(vec![(0, 9_999)]));
}

#[test]
fn parts_are_framed_as_a_multipart_body() {
    let frame = Multipart { boundary: "B", content_type: "text/plain", len: 10 };
    assert_eq!(frame.value(), "multipart/byteranges; boundary=B");
    let ranges = [ByteRange { first: 0, last: 1 }, ByteRange { first: 9, last: 9 }];
    let mut body = Vec::new();
    for (range, bytes) in ranges.iter().zip(["ab", "j"]) {
        frame.open(&mut body, *range);
        body.extend_from_slice(bytes.as_bytes());
    }
    frame.close(&mut body);
    let wanted = "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\nab\
                  \r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 9-9/10\r\n\r\nj\
                  \r\n--B--\r\n";
    assert_eq!(String::from_utf8(body).unwrap(), wanted);
    assert_eq!(frame.body_len(&ranges), wanted.len() as u64);
    assert_eq!(content_range(ranges[1], 10), "bytes 9-9/10");
}

proptest! {
    #[test]
    fn parts_lie_within_the_whole_and_never_touch(
        value in prop::collection::vec("[0-9]{0,3}-[0-9]{0,3}|[0-9]{20,22}-|-[0-9]{1,30}", 0..20),
        len in any::<u64>(),
        small in 0..600_u64,
    ) {
        for len in [len, small] {
            let Wanted::Parts(ranges) = parse(format!("bytes={}", value.join(",")).as_bytes(), len)
            else { continue };
            prop_assert!(!ranges.is_empty());
            for (at, range) in ranges.iter().enumerate() {
                prop_assert!(range.first <= range.last && range.last < len);
                for other in &ranges[..at] {
                    let is_before = range.last < other.first && range.last + 1 < other.first;
                    let is_behind = other.last < range.first && other.last + 1 < range.first;
                    prop_assert!(is_before || is_behind, "{ranges:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_bytes_are_given_as_by_a_plain_reading(
        asked in prop::collection::vec((0..40_u64, 0..40_u64), 1..RANGES_MAX),
    ) {
        let asked: Vec<_> = asked.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
        let specs: Vec<_> = asked.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let parts = parts(format!("bytes={}", specs.join(",")).as_bytes(), 30).unwrap();
        for byte in 0..40 {
            let has = |pairs: &[(u64, u64)]| {
                pairs.iter().any(|&(first, last)| (first..=last).contains(&byte))
            };
            prop_assert_eq!(has(&parts), byte < 30 && has(&asked));
        }
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_read(value in any::<Vec<u8>>(), len in any::<u64>()) {
        let _ = parse(&value, len);
        let _ = parse(&[b"bytes=", &value[..]].concat(), len);
    }
}
