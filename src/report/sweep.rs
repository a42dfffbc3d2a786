//! Throughput against latency over rates: where more load begins to cost more than it brings.
//! Knows nothing of how each rate was measured.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use super::bench::RATE_REACHED;
use super::json::Json;
use super::table::Table;
use super::units;

/// What was measured at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Requests a second that were asked for.
    pub asked: f64,
    /// Requests a second that were answered.
    pub answered: f64,
    /// Nanoseconds.
    pub p50_ns: u64,
    /// Nanoseconds.
    pub p99_ns: u64,
    /// Nanoseconds.
    pub p99_9_ns: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Whether the generator, and not the server, was the limit.
    pub is_doubtful: bool,
}

impl Step {
    fn is_reached(&self) -> bool {
        self.answered >= self.asked * RATE_REACHED && self.failures == 0
    }

    /// Throughput over delay: it grows as long as more load brings more than it costs
    /// (Kleinrock 1979, "Power and deterministic rules of thumb").
    fn power(&self) -> f64 {
        self.answered / self.p99_ns.max(1) as f64
    }
}

/// The step with the greatest power among those whose rate was reached.
pub fn knee(steps: &[Step]) -> Option<&Step> {
    let reached = steps.iter().filter(|step| step.is_reached());
    reached.max_by(|one, other| one.power().total_cmp(&other.power()))
}

/// A line for each step, and where the knee is.
pub fn to_text(steps: &[Step]) -> String {
    let mut table = Table::new(["asked", "answered", "P50", "P99", "P99.9", "failures", ""]);
    let knee = knee(steps);
    for step in steps {
        let mark = match knee {
            Some(best) if best == step => "knee",
            _ if step.is_doubtful => "generator",
            _ if !step.is_reached() => "not reached",
            _ => "",
        };
        table.row([
            units::count(step.asked as u64),
            units::count(step.answered as u64),
            units::nanos(step.p50_ns),
            units::nanos(step.p99_ns),
            units::nanos(step.p99_9_ns),
            units::count(step.failures),
            mark.to_owned(),
        ]);
    }
    let verdict = knee.map_or("No rate was reached.".to_owned(), |step| {
        format!(
            "The knee is at {} a second: there, throughput over P99 is greatest.",
            units::count(step.asked as u64)
        )
    });
    format!("{table}\n{verdict}\n")
}

/// The steps in their order.
pub fn to_json(steps: &[Step]) -> Json {
    let knee = knee(steps).map_or(Json::Null, |step| Json::Float(step.asked));
    let steps = steps.iter().map(|step| {
        Json::object([
            ("asked", Json::Float(step.asked)),
            ("answered", Json::Float(step.answered)),
            ("p50_ns", Json::Unsigned(step.p50_ns)),
            ("p99_ns", Json::Unsigned(step.p99_ns)),
            ("p99_9_ns", Json::Unsigned(step.p99_9_ns)),
            ("failures", Json::Unsigned(step.failures)),
            ("generator_was_the_limit", Json::Bool(step.is_doubtful)),
        ])
    });
    Json::object([
        ("schema", Json::text("corelane-sweep/1")),
        ("knee", knee),
        ("steps", Json::List(steps.collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(asked: f64, answered: f64, p99_ns: u64) -> Step {
        Step {
            asked,
            answered,
            p50_ns: p99_ns / 2,
            p99_ns,
            p99_9_ns: p99_ns * 2,
            failures: 0,
            is_doubtful: false,
        }
    }

    #[test]
    fn the_knee_is_where_more_load_costs_more_than_it_brings() {
        let steps = [
            step(1_000.0, 1_000.0, 100_000),
            step(5_000.0, 5_000.0, 120_000),
            step(9_000.0, 9_000.0, 900_000),
            step(12_000.0, 10_000.0, 50_000),
        ];
        assert_eq!(knee(&steps), Some(&steps[1]));
        let text = to_text(&steps);
        assert!(text.contains("The knee is at 5,000 a second"), "{text}");
        assert!(text.lines().nth(4).is_some_and(|line| line.ends_with("not reached")), "{text}");
        assert!(to_json(&steps).to_string().contains("\"knee\":5000,"));
    }

    #[test]
    fn where_no_rate_is_reached_there_is_no_knee() {
        let steps = [Step { failures: 1, ..step(1_000.0, 1_000.0, 1) }];
        assert_eq!(knee(&steps), None);
        assert!(to_text(&steps).contains("No rate was reached"));
    }
}
