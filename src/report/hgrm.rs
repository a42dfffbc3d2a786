//! The percentile distribution text of HdrHistogram (`.hgrm`), byte for byte as its Java
//! original writes it. Knows no files.

use std::fmt::Write;
use std::num::NonZeroU32;

use hdrhistogram::{Counter, Histogram};

/// Ticks in each half of the way to 100 % that HdrHistogram's own tools use.
pub const TICKS_PER_HALF_DISTANCE: NonZeroU32 = NonZeroU32::new(5).expect("5 is not 0");

/// The unit of the written values; the recorded ones are nanoseconds.
///
/// Plotters do not read the unit from the text. HdrHistogram's plotFiles page and wrk2's output
/// suppose milliseconds, so that is what a file should hold unless its reader is told otherwise.
// In order of size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As recorded.
    Nanoseconds,
    /// 10^3 ns.
    Microseconds,
    /// 10^6 ns.
    Milliseconds,
    /// 10^9 ns.
    Seconds,
}

impl Unit {
    const fn nanos(self) -> f64 {
        match self {
            Unit::Nanoseconds => 1.0,
            Unit::Microseconds => 1e3,
            Unit::Milliseconds => 1e6,
            Unit::Seconds => 1e9,
        }
    }
}

/// The percentile distribution of a histogram of nanoseconds, with `ticks` rows in each half of
/// the way to 100 %. An empty histogram has a head, no rows and a footer.
pub fn to_hgrm<C: Counter>(histogram: &Histogram<C>, ticks: NonZeroU32, unit: Unit) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let digits = usize::from(histogram.sigfig());
    for row in rows(histogram, ticks) {
        let value = half_up(float(row.value) / unit.nanos(), digits);
        let quantile = half_up(row.level / 100.0, 12);
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "{value:>12} {quantile} {:>10}", row.total);
        if row.level < 100.0 {
            let inverse = half_up(1.0 / (1.0 - row.level / 100.0), 2);
            let _ = write!(text, " {inverse:>14}");
        }
        text.push('\n');
    }
    write_footer(&mut text, histogram, digits, unit);
    text
}

/// One line of the distribution.
struct Row {
    /// Upper end of the bucket, in nanoseconds.
    value: u64,
    /// Percentile of the line, 0 to 100.
    level: f64,
    /// Values recorded up to and with the bucket.
    total: u64,
}

/// Walks the recorded buckets and the percentile levels together. The levels are summed as the
/// original sums them, in percents, because the last digits of its tail show how.
fn rows<C: Counter>(histogram: &Histogram<C>, ticks: NonZeroU32) -> Vec<Row> {
    let mut rows = Vec::new();
    let held = held(histogram);
    let (mut level, mut total) = (0.0, 0);
    for bucket in histogram.iter_recorded() {
        let value = bucket.value_iterated_to();
        total += bucket.count_at_value().as_u64();
        let reached = 100.0 * float(total) / float(held);
        while level <= reached && level < 100.0 {
            rows.push(Row { value, level, total });
            level = next_level(level, ticks);
            if total == held {
                // The levels left all lie in the last bucket; one line at 100 % stands for them.
                level = 100.0;
            }
        }
    }
    if held > 0 {
        rows.push(Row { value: histogram.max(), level: 100.0, total });
    }
    rows
}

/// The level one tick above `level`, below 100: each half of the way left has as many ticks.
fn next_level(level: f64, ticks: NonZeroU32) -> f64 {
    // By logarithms of e, as the original: log2 rounds differently. 0 to 53, since doubles below
    // 100 are no closer to it.
    let halvings = ((100.0 / (100.0 - level)).ln() / 2_f64.ln()).floor();
    let next = level + 100.0 / (f64::from(ticks.get()) * 2_f64.powf(halvings + 1.0));
    // Where a tick is too small for a double, the tail has no more levels.
    if next > level { next } else { 100.0 }
}

fn write_footer<C: Counter>(
    text: &mut String,
    histogram: &Histogram<C>,
    digits: usize,
    unit: Unit,
) {
    let in_unit = |nanos: f64| half_up(nanos / unit.nanos(), digits);
    let (mean, deviation) = mean_and_deviation(histogram);
    let sub_buckets = (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    let _ = writeln!(
        text,
        "#[Mean    = {:>12}, StdDeviation   = {:>12}]",
        in_unit(mean),
        in_unit(deviation)
    );
    let _ = writeln!(
        text,
        "#[Max     = {:>12}, Total count    = {:>12}]",
        in_unit(float(histogram.max())),
        held(histogram)
    );
    let _ = writeln!(
        text,
        "#[Buckets = {:>12}, SubBuckets     = {sub_buckets:>12}]",
        histogram.buckets()
    );
}

/// The counts of all buckets. Fewer than the records if a count was full; then the rest is lost,
/// and lines that go by the records would not reach 100 %.
fn held<C: Counter>(histogram: &Histogram<C>) -> u64 {
    histogram.iter_recorded().map(|bucket| bucket.count_at_value().as_u64()).sum()
}

/// Mean and standard deviation in nanoseconds, 0 without values. Not the crate's own `mean`: it
/// divides at each step and rounds differently.
fn mean_and_deviation<C: Counter>(histogram: &Histogram<C>) -> (f64, f64) {
    if histogram.is_empty() {
        return (0.0, 0.0);
    }
    let weighted = |weigh: &dyn Fn(f64) -> f64| {
        let sum = histogram.iter_recorded().fold(0.0, |sum, bucket| {
            let middle = float(histogram.median_equivalent(bucket.value_iterated_to()));
            sum + weigh(middle) * bucket.count_at_value().as_f64()
        });
        sum / float(held(histogram))
    };
    let mean = weighted(&|middle| middle);
    let variance = weighted(&|middle| (middle - mean) * (middle - mean));
    (mean, variance.sqrt())
}

/// Exact up to 2^53: 104 days in nanoseconds, as in the original, which computes in doubles.
#[allow(clippy::cast_precision_loss)]
fn float(number: u64) -> f64 {
    number as f64
}

/// A finite number, not negative, with so many decimals: its shortest decimal form, rounded half
/// up as Java's formatter does. Rust's would round the binary value: 0.0005 differs, and values
/// in thousandths of their unit end so.
fn half_up(number: f64, decimals: usize) -> String {
    debug_assert!(number.is_finite() && number >= 0.0, "{number}");
    let shortest = number.to_string();
    let (whole, fraction) = shortest.split_once('.').unwrap_or((&shortest, ""));
    let kept = format!("{whole}{fraction:0<decimals$.decimals$}");
    let digits = match fraction.as_bytes().get(decimals) {
        Some(b'5'..=b'9') => plus_one(&kept),
        _ => kept,
    };
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// The decimal number one higher.
fn plus_one(digits: &str) -> String {
    let head = digits.trim_end_matches('9');
    let nines = digits.len() - head.len();
    let (rest, last) = head.split_at(head.len().saturating_sub(1));
    let raised = last.bytes().next().map_or('1', |digit| char::from(digit + 1));
    format!("{rest}{raised}{}", "0".repeat(nines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_the_decimal_form_round_up() {
        for (number, decimals, text) in [
            (0.0, 3, "0.000"),
            (0.0005, 3, "0.001"),
            (1.0005, 3, "1.001"),
            (1.000_499_9, 3, "1.000"),
            (2.5, 0, "3"),
            (9.995, 2, "10.00"),
            (99.999_9, 3, "100.000"),
            (0.999_999, 2, "1.00"),
            (1e15, 2, "1000000000000000.00"),
            (1e-9, 3, "0.000"),
        ] {
            assert_eq!(half_up(number, decimals), text, "{number}");
        }
    }

    #[test]
    fn levels_rise_to_a_hundred_and_end() {
        for ticks in [1, 5, 100] {
            let ticks = NonZeroU32::new(ticks).unwrap();
            let (mut level, mut steps) = (0.0, 0);
            while level < 100.0 {
                let next = next_level(level, ticks);
                assert!(next > level);
                (level, steps) = (next, steps + 1);
            }
            assert!(steps <= 54 * ticks.get(), "{steps} steps");
        }
    }

    #[test]
    fn an_empty_histogram_has_no_rows() {
        let histogram = Histogram::<u32>::new(3).unwrap();
        assert!(rows(&histogram, TICKS_PER_HALF_DISTANCE).is_empty());
    }
}
