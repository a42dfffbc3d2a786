//! `corelane bench --sweep`: how much the server can do, and what each part of that costs.
//! Knows nothing of how a load generator works.

use std::process::ExitCode;

use corelane::config::BenchOrder;
use corelane::report::sweep::{Step, to_json, to_text};
use corelane::report::{Doubt, units};

use super::bench_command::measure;
use super::compare::publish;
use super::{Failure, tell};

/// The rates that are tried, as parts of what a closed loop gets.
const PARTS: [f64; 12] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1];

/// Measures what the server can do, then each part of it at a fixed rate.
pub(super) fn run(order: &BenchOrder) -> Result<ExitCode, Failure> {
    // Nothing of the server's own view is shown, so it is not asked for.
    let order = &BenchOrder { server_view: None, ..order.clone() };
    tell("as much as a closed loop gets");
    let (capacity, _) = measure(order)?;
    let mut steps = Vec::new();
    for part in PARTS {
        let rate = (capacity.rate() * part).max(1.0).round();
        #[allow(clippy::cast_sign_loss, reason = "a rate is not negative")]
        tell(&format!("{} a second", units::count(rate as u64)));
        let (report, _) = measure(&BenchOrder { rate: Some(rate), ..order.clone() })?;
        let doubts = report.doubts();
        let at = |quantile| report.latencies.value_at_quantile(quantile);
        steps.push(Step {
            asked: rate,
            answered: report.rate(),
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            failures: report.failed() + report.unlike,
            is_doubtful: doubts.contains(&Doubt::GeneratorBusy),
        });
    }
    publish(order, &to_json(&steps), &format!("{}\n\n{}", capacity.target, to_text(&steps)))
}
