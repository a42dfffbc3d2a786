//! Nanoseconds, bytes and counts as people read them. Rounds half up and knows no locale.

use std::fmt::Write;
use std::time::Duration;

/// A unit and how many of the base unit it holds.
type Scale = [(&'static str, u64)];

const TIME: &Scale = &[("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
const BYTES: &Scale = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Nanoseconds with three significant digits: `812 ns`, `54.3 µs`, `1.24 ms`, `2.03 s`.
pub fn nanos(nanos: u64) -> String {
    if nanos < 1_000 { format!("{nanos} ns") } else { three_digits(nanos, TIME) }
}

/// Bytes with three significant digits and binary units: `812 B`, `54.3 KiB`, `1.24 GiB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1_000 { format!("{bytes} B") } else { three_digits(bytes, BYTES) }
}

/// A count with thousands separated: `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many there were a second; nothing took no time at all.
#[allow(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
pub fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// A stretch of time that people wait through: `12.3 s` below a minute, then `2 min 3 s`,
/// `1 h 2 min 3 s`, `4 d 1 h 2 min 3 s`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        return nanos(u64::from(time.subsec_nanos()) + seconds * 1_000_000_000);
    }
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let mut text = String::new();
    for (amount, unit) in parts.into_iter().skip_while(|part| part.0 == 0) {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{gap}{amount} {unit}");
    }
    text
}

/// `value` in the first unit, with the most decimals, in which it has at most three digits after
/// rounding: so 999,999 is `1.00 ms` and not `1000 µs`. Beyond the last unit: a whole count of it.
fn three_digits(value: u64, scale: &Scale) -> String {
    let rounded = |unit: u64, tens: u128| {
        (u128::from(value) * tens + u128::from(unit / 2)) / u128::from(unit)
    };
    for &(name, unit) in scale {
        for (decimals, tens) in [(2, 100), (1, 10), (0, 1)] {
            let digits = rounded(unit, tens);
            if digits < 1_000 {
                let (whole, part) = (digits / tens, digits % tens);
                return match decimals {
                    0 => format!("{whole} {name}"),
                    _ => format!("{whole}.{part:0decimals$} {name}"),
                };
            }
        }
    }
    scale.last().map_or_else(String::new, |&(name, unit)| {
        let whole = u64::try_from(rounded(unit, 1)).unwrap_or(u64::MAX);
        format!("{} {name}", count(whole))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_have_three_significant_digits() {
        for (value, text) in [
            (0, "0 ns"),
            (1, "1 ns"),
            (812, "812 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (54_321, "54.3 µs"),
            (543_210, "543 µs"),
            (1_236_000, "1.24 ms"),
            (2_030_000_000, "2.03 s"),
            (60_000_000_000, "60.0 s"),
            (999_400_000_000, "999 s"),
            (1_234_000_000_000, "1,234 s"),
            (u64::MAX, "18,446,744,074 s"),
        ] {
            assert_eq!(nanos(value), text, "{value}");
        }
    }

    #[test]
    fn rounding_up_moves_to_fewer_decimals_and_to_the_next_unit() {
        for (value, text) in [
            (1_004, "1.00 µs"),
            (1_005, "1.01 µs"),
            (9_994, "9.99 µs"),
            (9_995, "10.0 µs"),
            (99_949, "99.9 µs"),
            (99_950, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (999_999_999, "1.00 s"),
        ] {
            assert_eq!(nanos(value), text, "{value}");
        }
    }

    #[test]
    fn bytes_have_three_significant_digits() {
        for (value, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "0.98 KiB"),
            (1_023, "1.00 KiB"),
            (55_603, "54.3 KiB"),
            (1_048_000, "1.00 MiB"),
            (1 << 30, "1.00 GiB"),
            (u64::MAX, "16,777,216 TiB"),
        ] {
            assert_eq!(bytes(value), text, "{value}");
        }
    }

    #[test]
    fn counts_have_their_thousands_separated() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn long_spans_are_told_in_clock_units() {
        for (millis, text) in [
            (0, "0 ns"),
            (12_345, "12.3 s"),
            (60_000, "1 min 0 s"),
            (3_723_900, "1 h 2 min 3 s"),
            (349_323_000, "4 d 1 h 2 min 3 s"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
