//! Whether two sets of figures differ, and by how much: ratios with an interval that holds the
//! true one in at least 95 of 100 cases, whatever the noise. Knows not what was measured.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts are small, and no rank is negative"
)]

use std::fmt;

use super::table::Table;

/// How much a figure of one side is of that of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The middle one.
    pub ratio: f64,
    /// The interval that holds the true one in at least 95 of 100 cases; from 0 to infinity where
    /// there are too few figures to say.
    pub interval: (f64, f64),
}

impl Ratio {
    /// Whether the two differ: no ratio of the interval is 1.
    pub fn differs(&self) -> bool {
        let (low, high) = self.interval;
        low > 1.0 || high < 1.0
    }
}

impl fmt::Display for Ratio {
    /// `1.043 (1.020 to 1.066)`, or that there is no difference that can be told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval;
        if !high.is_finite() {
            return write!(f, "{:.3}, too few to tell", self.ratio);
        }
        write!(f, "{:.3} ({low:.3} to {high:.3})", self.ratio)?;
        if self.differs() { Ok(()) } else { f.write_str(", no difference") }
    }
}

/// One figure of two sides, and what they are of each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What it is, such as `P99`.
    pub name: &'static str,
    /// The middle value of each side, as people read it.
    pub sides: (String, String),
    /// `None` if it was not measured on both sides.
    pub ratio: Option<Ratio>,
}

/// A table of comparisons.
pub fn table(names: (&str, &str), comparisons: &[Comparison]) -> Table {
    let mut table = Table::new(["", names.0, names.1, "second over first"]);
    for Comparison { name, sides, ratio } in comparisons {
        let ratio = ratio.map_or("-".to_owned(), |ratio| ratio.to_string());
        table.row([(*name).to_owned(), sides.0.clone(), sides.1.clone(), ratio]);
    }
    table
}

/// The middle value of figures in any order; 0 if there are none.
pub fn middle(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    median(&sorted).unwrap_or_default()
}

/// In how many of 100 cases an interval may miss.
const MISSES: f64 = 0.05;

/// The ratio of pairs that were measured side by side, the second over the first: their median,
/// between two of their order statistics (the sign test). Figures must be above 0; pairs with
/// another are left out.
///
/// At least 6 pairs are needed for an interval. `None` without any.
pub fn paired(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let sound = pairs.iter().filter(|(first, second)| *first > 0.0 && *second > 0.0);
    let mut ratios: Vec<f64> = sound.map(|(first, second)| second / first).collect();
    ratios.sort_by(f64::total_cmp);
    let interval = match sign_test_rank(ratios.len()) {
        Some(rank) => (ratios[rank], ratios[ratios.len() - 1 - rank]),
        None => (0.0, f64::INFINITY),
    };
    Some(Ratio { ratio: median(&ratios)?, interval })
}

/// The largest rank, from 0, such that the median lies between it and its mirror image in all but
/// [`MISSES`] of cases: the number of figures below the median is binomial.
fn sign_test_rank(count: usize) -> Option<usize> {
    let mut probability = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut below = 0.0;
    let mut rank = None;
    for fewer in 0..count / 2 {
        below += probability;
        if 2.0 * below > MISSES {
            break;
        }
        rank = Some(fewer);
        probability *= (count - fewer) as f64 / (fewer + 1) as f64;
    }
    rank
}

/// The ratio of figures that were measured apart, the second over the first: the median of the
/// ratios of all pairs, between two of them (the rank sum test after Mann and Whitney, by its
/// normal approximation). Figures that are not above 0 are left out.
///
/// At least 4 figures of each are needed for an interval. `None` without any.
pub fn unpaired(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let sound = |figures: &[f64]| -> Vec<f64> {
        figures.iter().copied().filter(|figure| *figure > 0.0).collect()
    };
    let (first, second) = (sound(first), sound(second));
    let mut ratios: Vec<f64> =
        first.iter().flat_map(|one| second.iter().map(move |other| other / one)).collect();
    ratios.sort_by(f64::total_cmp);
    let (n, m) = (first.len() as f64, second.len() as f64);
    // 1.96 standard deviations of the rank sum.
    let rank = n * m / 2.0 - 1.96 * (n * m * (n + m + 1.0) / 12.0).sqrt();
    let interval = if first.len().min(second.len()) >= 4 && rank >= 1.0 {
        let rank = rank as usize - 1;
        (ratios[rank], ratios[ratios.len() - 1 - rank])
    } else {
        (0.0, f64::INFINITY)
    };
    Some(Ratio { ratio: median(&ratios)?, interval })
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { *upper } else { f64::midpoint(sorted[middle - 1], *upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise with a long tail, as latencies have: never below 1, seldom ten times as much.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let even = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
            1.0 + 0.02 / (even + 0.002)
        }
    }

    fn pairs(noise: &mut Noise, count: usize, slower: f64) -> Vec<(f64, f64)> {
        (0..count).map(|_| (noise.next(), noise.next() * slower)).collect()
    }

    #[test]
    fn what_is_the_same_differs_in_at_most_five_of_a_hundred_cases() {
        let mut noise = Noise(1);
        for count in [6, 9, 15, 30] {
            let told = (0..2_000)
                .filter(|_| paired(&pairs(&mut noise, count, 1.0)).unwrap().differs())
                .count();
            assert!(told <= 100, "{told} of 2,000 with {count} pairs");
            let told = (0..2_000)
                .filter(|_| {
                    let figures = pairs(&mut noise, count, 1.0);
                    let (first, second): (Vec<f64>, Vec<f64>) = figures.into_iter().unzip();
                    unpaired(&first, &second).unwrap().differs()
                })
                .count();
            assert!(told <= 120, "{told} of 2,000 with {count} of each");
        }
    }

    #[test]
    fn five_percent_are_found_in_the_noise() {
        let mut noise = Noise(2);
        let found = (0..200)
            .filter(|_| {
                let ratio = paired(&pairs(&mut noise, 30, 1.05)).unwrap();
                ratio.differs() && ratio.ratio > 1.0
            })
            .count();
        assert!(found >= 120, "{found} of 200");
    }

    #[test]
    fn ranks_are_those_of_the_sign_test() {
        for (count, rank) in [
            (0, None),
            (1, None),
            (5, None),
            (6, Some(0)),
            (8, Some(0)),
            (9, Some(1)),
            (15, Some(3)),
        ] {
            assert_eq!(sign_test_rank(count), rank, "{count}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        assert_eq!(paired(&[]), None);
        assert_eq!(paired(&[(0.0, 1.0)]), None);
        let few = paired(&[(1.0, 2.0); 3]).unwrap();
        assert!(!few.differs() && few.to_string().contains("too few"), "{few}");
        let clear = paired(&[(1.0, 2.0); 9]).unwrap();
        assert!(clear.differs() && clear.to_string() == "2.000 (2.000 to 2.000)", "{clear}");
        assert!(paired(&[(1.0, 1.0); 9]).unwrap().to_string().ends_with("no difference"));
        assert_eq!(unpaired(&[1.0], &[]), None);
    }
}
