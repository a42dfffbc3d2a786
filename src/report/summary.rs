//! The percentiles people ask for, read from one histogram.
//! Does not know what was measured, and cannot combine two summaries: that would average.

use hdrhistogram::{Counter, Histogram};

use super::json::Json;

/// Count, mean, percentiles and maximum of a histogram of nanoseconds.
///
/// Every figure is the upper end of its histogram bucket, so it is never flattered; with three
/// digits it is at most 0.1 % too high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Recorded values; at least 1.
    pub count: u64,
    /// Arithmetic mean, rounded to a nanosecond. For capacity arithmetic; it describes nobody's
    /// experience.
    pub mean_ns: u64,
    /// Half of the values are at most this.
    pub p50_ns: u64,
    /// 90 % of the values are at most this.
    pub p90_ns: u64,
    /// 99 % of the values are at most this.
    pub p99_ns: u64,
    /// 99.9 % of the values are at most this.
    pub p99_9_ns: u64,
    /// 99.99 % of the values are at most this. With fewer than 10,000 values it is the maximum.
    pub p99_99_ns: u64,
    /// The highest value.
    pub max_ns: u64,
}

/// The percentiles of a [`Summary`] in its order, in parts of 10,000.
const PARTS: [u64; 5] = [5_000, 9_000, 9_900, 9_990, 9_999];

impl Summary {
    /// The heads of [`Summary::figures`].
    pub const FIGURES: [&'static str; 6] = ["P50", "P90", "P99", "P99.9", "P99.99", "max"];

    /// Summarises a histogram; `None` if nothing was recorded, because an empty histogram has no
    /// percentiles.
    pub fn of<C: Counter>(histogram: &Histogram<C>) -> Option<Summary> {
        if histogram.is_empty() {
            return None;
        }
        let at = percentiles(histogram);
        Some(Summary {
            count: histogram.len(),
            mean_ns: rounded(histogram.mean()),
            p50_ns: at[0],
            p90_ns: at[1],
            p99_ns: at[2],
            p99_9_ns: at[3],
            p99_99_ns: at[4],
            max_ns: histogram.max(),
        })
    }

    /// The percentiles and the maximum in nanoseconds, in the order of [`Summary::FIGURES`].
    pub const fn figures(&self) -> [u64; 6] {
        [self.p50_ns, self.p90_ns, self.p99_ns, self.p99_9_ns, self.p99_99_ns, self.max_ns]
    }

    /// An object with the names of the fields as keys.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("count", Json::Unsigned(self.count)),
            ("mean_ns", Json::Unsigned(self.mean_ns)),
            ("p50_ns", Json::Unsigned(self.p50_ns)),
            ("p90_ns", Json::Unsigned(self.p90_ns)),
            ("p99_ns", Json::Unsigned(self.p99_ns)),
            ("p99_9_ns", Json::Unsigned(self.p99_9_ns)),
            ("p99_99_ns", Json::Unsigned(self.p99_99_ns)),
            ("max_ns", Json::Unsigned(self.max_ns)),
        ])
    }
}

/// The values at [`PARTS`]. By the counts that the buckets hold, because `value_at_quantile` goes
/// by the number of records: where a bucket's count is full the two differ, and it answers 0.
fn percentiles<C: Counter>(histogram: &Histogram<C>) -> [u64; PARTS.len()] {
    let buckets = || {
        histogram.iter_recorded().map(|bucket| {
            (bucket.value_iterated_to(), u128::from(bucket.count_at_value().as_u64()))
        })
    };
    let held: u128 = buckets().map(|(_, count)| count).sum();
    let mut values = [0; PARTS.len()];
    let mut ranks = PARTS
        .map(|part| (held * u128::from(part)).div_ceil(10_000))
        .into_iter()
        .zip(&mut values)
        .peekable();
    let mut total = 0;
    for (value, count) in buckets() {
        total += count;
        while let Some((_, slot)) = ranks.next_if(|(rank, _)| *rank <= total) {
            *slot = value;
        }
    }
    values
}

/// The mean of unsigned values is neither negative nor above the largest of them.
#[allow(clippy::cast_sign_loss)]
fn rounded(mean: f64) -> u64 {
    mean.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::merge::merged;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u32> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        values.into_iter().for_each(|value| histogram.saturating_record(value));
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_summary() {
        assert_eq!(Summary::of(&histogram([])), None);
    }

    #[test]
    fn one_value_is_every_percentile() {
        let summary = Summary::of(&histogram([777])).unwrap();
        assert_eq!(summary.count, 1);
        assert_eq!(summary.mean_ns, 777);
        assert_eq!(summary.figures(), [777; 6]);
    }

    #[test]
    fn percentiles_are_ranks_of_the_recorded_values() {
        let summary = Summary::of(&histogram(1..=1000)).unwrap();
        assert_eq!(summary.figures(), [500, 900, 990, 999, 1000, 1000]);
        assert_eq!(summary.mean_ns, 501, "the mean of 1 to 1000 is 500.5");
    }

    #[test]
    fn the_width_of_the_counts_does_not_matter() {
        let narrow = histogram((0..50_000).map(|step| step * step));
        assert_eq!(Summary::of(&narrow), Summary::of(&merged([&narrow])));
    }

    #[test]
    fn a_full_count_moves_percentiles_and_does_not_zero_them() {
        let mut full = histogram([]);
        full.record_n(1_000, u32::MAX).unwrap();
        full.record_n(1_000, u32::MAX).unwrap();
        let summary = Summary::of(&full).unwrap();
        assert_eq!(summary.count, 2 * u64::from(u32::MAX));
        assert_eq!(summary.figures(), [1_000; 6]);
    }

    #[test]
    fn no_percentile_is_above_the_maximum() {
        let summary = Summary::of(&histogram((0..10_000).map(|step| step * 7_919))).unwrap();
        let figures = summary.figures();
        assert!(figures.is_sorted(), "{figures:?}");
    }
}
