//! The text that Prometheus and OpenMetrics scrapers read: families of samples with labels.
//! Knows the format, and nothing of what is measured.

use std::fmt::{Display, Write};

use hdrhistogram::Histogram;

/// Which of the two formats. They differ in the names of counters and in how the text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Prometheus,
}

impl Form {
    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; the names of its samples end in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts of values up to each of some bounds, and their sum.
    Histogram,
}

/// A label's name and value.
pub type Label<'a> = (&'a str, &'a str);

/// Upper bounds of the counted durations in nanoseconds, from a parsed head to a stuck worker.
/// From 5 ms on they are those of OpenTelemetry, so that queries written for it hold.
const BOUNDS_NS: [u64; 28] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

const NANOS_PER_SECOND: f64 = 1e9;

/// The text in the making.
#[derive(Debug)]
pub struct Exposition {
    form: Form,
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Nothing yet.
    pub fn new(form: Form) -> Exposition {
        Exposition { form, text: String::new(), family: "" }
    }

    /// Begins a family; `name` is without the `_total` of counters, `help` one line.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &str) {
        debug_assert!(!name.ends_with("_total"), "samples of counters get it by themselves");
        let (kind, suffix) = match (kind, self.form) {
            (Kind::Counter, Form::Prometheus) => ("counter", "_total"),
            (Kind::Counter, Form::OpenMetrics) => ("counter", ""),
            (Kind::Gauge, _) => ("gauge", ""),
            (Kind::Histogram, _) => ("histogram", ""),
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name}{suffix} {}", escaped(help, false));
        let _ = writeln!(self.text, "# TYPE {name}{suffix} {kind}");
        self.family = name;
    }

    /// A sample of a counter.
    pub fn count(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("_total", labels, value);
    }

    /// A sample of a gauge.
    pub fn gauge(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("", labels, value);
    }

    /// The samples of a histogram of nanoseconds, in seconds.
    #[allow(clippy::cast_precision_loss)] // Sums and bounds are told to 15 digits.
    pub fn histogram(&mut self, labels: &[Label<'_>], times: &Histogram<u64>) {
        let mut counts = [0_u64; BOUNDS_NS.len()];
        let mut sum = 0.0;
        for bucket in times.iter_recorded() {
            let (value, count) = (bucket.value_iterated_to(), bucket.count_at_value());
            // A bucket stands for its middle, both in the sum and where a bound cuts it.
            let value = times.median_equivalent(value);
            sum += value as f64 * count as f64;
            let at = BOUNDS_NS.partition_point(|bound| *bound < value);
            if let Some(slot) = counts.get_mut(at) {
                *slot += count;
            }
        }
        let mut below = 0;
        for (bound, count) in BOUNDS_NS.into_iter().zip(counts) {
            below += count;
            let bound = (bound as f64 / NANOS_PER_SECOND).to_string();
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), below);
        }
        self.sample("_bucket", &[labels, &[("le", "+Inf")]].concat(), times.len());
        self.sample("_sum", labels, sum / NANOS_PER_SECOND);
        self.sample("_count", labels, times.len());
    }

    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.family);
        for (index, (name, value)) in labels.iter().enumerate() {
            let begin = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{begin}{name}=\"{}\"", escaped(value, true));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// `text` as it stands in a help line, or between the quotes of a label.
fn escaped(text: &str, is_quoted: bool) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    if is_quoted { escaped.replace('"', "\\\"") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(form: Form) -> String {
        let mut text = Exposition::new(form);
        text.family(Kind::Counter, "a_seconds", "How\nlong.");
        text.count(&[("route", "/\"a\\b\"\n"), ("worker", "0")], 7);
        text.family(Kind::Gauge, "b", "Now.");
        text.gauge(&[], 0.5);
        text.finish()
    }

    #[test]
    fn both_forms_name_counters_as_they_must() {
        let sample = "a_seconds_total{route=\"/\\\"a\\\\b\\\"\\n\",worker=\"0\"} 7\n";
        let gauge = "# HELP b Now.\n# TYPE b gauge\nb 0.5\n";
        let head = "# HELP a_seconds_total How\\nlong.\n# TYPE a_seconds_total counter\n";
        assert_eq!(counted(Form::Prometheus), format!("{head}{sample}{gauge}"));
        let head = "# HELP a_seconds How\\nlong.\n# TYPE a_seconds counter\n";
        assert_eq!(counted(Form::OpenMetrics), format!("{head}{sample}{gauge}# EOF\n"));
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound_and_ends_with_all() {
        let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for nanos in [90, 99_000, 20_000_000_000] {
            times.record(nanos).unwrap();
        }
        let mut text = Exposition::new(Form::Prometheus);
        text.family(Kind::Histogram, "a_seconds", "How long.");
        text.histogram(&[("worker", "0")], &times);
        let text = text.finish();
        for line in [
            "a_seconds_bucket{worker=\"0\",le=\"0.0000001\"} 1",
            "a_seconds_bucket{worker=\"0\",le=\"0.00005\"} 1",
            "a_seconds_bucket{worker=\"0\",le=\"0.0001\"} 2",
            "a_seconds_bucket{worker=\"0\",le=\"10\"} 2",
            "a_seconds_bucket{worker=\"0\",le=\"+Inf\"} 3",
            "a_seconds_count{worker=\"0\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let sum = text.lines().find_map(|line| line.strip_prefix("a_seconds_sum{worker=\"0\"} "));
        let sum: f64 = sum.expect("it has a sum").parse().unwrap();
        assert!((sum - 20.000_099).abs() < 0.02, "{sum}");
    }
}
