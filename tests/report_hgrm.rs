//! The `.hgrm` text against files that HdrHistogram's Java original wrote; see
//! `tests/data/README.md`.

use std::num::NonZeroU32;

use corelane::report::{TICKS_PER_HALF_DISTANCE, Unit, merged, to_hgrm};
use hdrhistogram::{Counter, Histogram};

fn histogram<C: Counter>(digits: u8, values: impl IntoIterator<Item = u64>) -> Histogram<C> {
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, digits).unwrap();
    values.into_iter().for_each(|value| histogram.record(value).unwrap());
    histogram
}

fn scattered(count: u64) -> impl Iterator<Item = u64> {
    let mut x = 88_172_645_463_325_252_u64;
    (0..count).map(move |i| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        1 + (x >> 34) % (1000 << (i % 16))
    })
}

/// Compares line by line, so that a failure shows the first line that differs.
fn assert_same(ours: &str, reference: &str) {
    for (number, (ours, reference)) in ours.lines().zip(reference.lines()).enumerate() {
        assert_eq!(ours, reference, "line {}", number + 1);
    }
    assert_eq!(ours, reference);
}

const ONE_TICK: NonZeroU32 = NonZeroU32::new(1).unwrap();
const TEN_TICKS: NonZeroU32 = NonZeroU32::new(10).unwrap();

#[test]
fn an_empty_histogram_is_a_head_and_a_footer() {
    let text = to_hgrm(&histogram::<u32>(3, []), TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    assert_same(&text, include_str!("data/hgrm_empty.txt"));
}

#[test]
fn one_value_stands_at_the_start_and_at_the_end() {
    let text = to_hgrm(&histogram::<u32>(3, [54_321]), TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    assert_same(&text, include_str!("data/hgrm_one.txt"));
}

#[test]
fn decimal_halves_are_rounded_as_java_rounds_them() {
    let values = [0, 500, 1_500, 2_500, 1_000_500, 12_345_678, 60_000_000_000];
    let text = to_hgrm(&histogram::<u64>(3, values), TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    assert_same(&text, include_str!("data/hgrm_ties.txt"));
}

#[test]
fn a_million_scattered_values_have_the_reference_distribution() {
    let values = histogram::<u32>(3, scattered(1_000_000));
    let text = to_hgrm(&values, TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    assert_same(&text, include_str!("data/hgrm_scattered_ms.txt"));
    let text = to_hgrm(&values, TEN_TICKS, Unit::Microseconds);
    assert_same(&text, include_str!("data/hgrm_scattered_us.txt"));
}

#[test]
fn digits_and_units_follow_the_histogram_and_the_caller() {
    let values = histogram::<u64>(2, scattered(10_000));
    let text = to_hgrm(&values, TICKS_PER_HALF_DISTANCE, Unit::Nanoseconds);
    assert_same(&text, include_str!("data/hgrm_two_digits_ns.txt"));
    let text = to_hgrm(&values, ONE_TICK, Unit::Seconds);
    assert_same(&text, include_str!("data/hgrm_two_digits_s.txt"));
}

#[test]
fn merged_parts_write_what_the_whole_would() {
    let mut parts = [histogram::<u32>(3, []), histogram(3, []), histogram(3, [])];
    for (index, value) in scattered(1_000_000).enumerate() {
        parts[index % 3].record(value).unwrap();
    }
    let text = to_hgrm(&merged(&parts), TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    assert_same(&text, include_str!("data/hgrm_scattered_ms.txt"));
}

#[test]
fn a_full_count_still_ends_at_a_hundred_percent() {
    let mut full = histogram::<u32>(3, [5, 900]);
    full.record_n(700, u32::MAX).unwrap();
    full.record_n(700, u32::MAX).unwrap();
    let text = to_hgrm(&full, TICKS_PER_HALF_DISTANCE, Unit::Nanoseconds);
    assert!(text.contains("     900.000 1.000000000000 4294967297\n#[Mean"), "{text}");
}
