//! Several workers' histograms into one, without loss. The only right way to a percentile of
//! the whole; knows nothing of workers.

use hdrhistogram::{Counter, Histogram};

use crate::limits;

/// One histogram with the counts of all, in the bounds that `limits` sets for latencies; values
/// above count as its highest.
///
/// Its counts are 64 bits wide, so that sums of 32-bit counts cannot saturate.
///
/// # Panics
/// Never: the bounds are constants that the histogram accepts.
pub fn merged<'a, C: Counter + 'a>(
    histograms: impl IntoIterator<Item = &'a Histogram<C>>,
) -> Histogram<u64> {
    let mut merged = Histogram::new_with_bounds(1, limits::LATENCY_MAX_NS, limits::LATENCY_DIGITS)
        .expect("1 ns to 60 s with three digits is a valid histogram");
    for histogram in histograms {
        for bucket in histogram.iter_recorded() {
            let count = bucket.count_at_value().as_u64();
            merged.saturating_record_n(bucket.value_iterated_to(), count);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u32> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for &value in values {
            histogram.saturating_record(value);
        }
        histogram
    }

    #[test]
    fn nothing_merges_to_an_empty_histogram() {
        assert!(merged::<u32>([]).is_empty());
    }

    #[test]
    fn the_merged_histogram_holds_every_value_of_its_parts() {
        let parts = [&[1, 5, 1_000_000][..], &[], &[5, 5, 60_000_000_000]].map(histogram);
        let together = merged(&parts);
        assert_eq!(together.len(), 6);
        assert_eq!(together.count_at(5), 3);
        assert_eq!(together.max(), parts[2].max());
        assert_eq!(together.value_at_quantile(0.5), 5);
    }

    #[test]
    fn full_counts_of_32_bits_add_up() {
        let mut part = histogram(&[]);
        part.record_n(700, u32::MAX).unwrap();
        assert_eq!(merged([&part, &part]).count_at(700), 2 * u64::from(u32::MAX));
    }
}
