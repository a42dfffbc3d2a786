//! What a load generator saw: rates, latencies, failures, and whether they can be trusted.
//! Knows nothing of how it was measured.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::json::Json;
use super::server::STATUS_CLASSES;
use super::table::Table;
use super::units;
use super::views::ServerSide;

/// Name and version of the JSON form. A key may be added under the same version; none changes
/// its meaning or goes.
pub const BENCH_SCHEMA: &str = "corelane-bench/1";

/// The percentiles of the table, in parts of 10,000.
const PERCENTILES: [(&str, u64); 7] = [
    ("P50", 5_000),
    ("P75", 7_500),
    ("P90", 9_000),
    ("P95", 9_500),
    ("P99", 9_900),
    ("P99.9", 9_990),
    ("P99.99", 9_999),
];

/// Everything a run measured.
#[derive(Clone, Debug)]
pub struct BenchReport {
    /// What was asked, such as its URL.
    pub target: String,
    /// How, in words.
    pub load: String,
    /// Requests a second that were asked for; `None` in a closed loop.
    pub rate_asked: Option<f64>,
    /// How long everything was counted.
    pub wall: Duration,
    /// Complete answers.
    pub answers: u64,
    /// Answers by the first digit of their status, 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Answers whose status or length is not that of the first one.
    pub unlike: u64,
    /// What failed, by name.
    pub failures: Vec<(&'static str, u64)>,
    /// Bytes sent and received.
    pub bytes: (u64, u64),
    /// Connections made while everything was counted, and how long they took, in nanoseconds.
    pub connects: (u64, Histogram<u64>),
    /// In nanoseconds, from the moment a request was due.
    pub latencies: Histogram<u64>,
    /// In nanoseconds, from the moment a request was sent; empty in a closed loop.
    pub since_sent: Histogram<u64>,
    /// In nanoseconds, how late the generator itself was; empty in a closed loop.
    pub lags: Histogram<u64>,
    /// The largest part of its time that a thread of the generator was at work, 0 to 1.
    pub busy: f64,
    /// Whether the generator shares a processor with the server.
    pub shares_cpu: bool,
    /// The seconds of the run in their order.
    pub seconds: Vec<BenchSecond>,
    /// What the server measured meanwhile.
    pub server: ServerSide,
    /// The machine and what ran on it, by name.
    pub machine: Vec<(&'static str, String)>,
}

/// The name among [`BenchReport::failures`] of connections for which no port was left.
pub const NO_FREE_PORT: &str = "no_free_port";

/// One second of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchSecond {
    /// Requests answered, a second.
    pub rate: f64,
    /// Nanoseconds; 0 if nothing was answered.
    pub p50_ns: u64,
    /// Nanoseconds; 0 if nothing was answered.
    pub p99_ns: u64,
    /// Nanoseconds; 0 if nothing was answered.
    pub max_ns: u64,
    /// Requests that failed.
    pub failures: u64,
}

/// A reason to trust a run less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The generator was at work all the time.
    GeneratorBusy,
    /// The generator was late by itself.
    GeneratorLate,
    /// Too little was measured for the highest percentiles.
    FewAnswers,
    /// Requests failed.
    Failures,
    /// Connections found no free port: the generator's machine, not the server, was the limit.
    Ports,
    /// The rate that was asked for was not reached.
    RateMissed,
    /// Generator and server had to share a processor.
    SharedCpu,
}

/// A thread that is at work for this part of its time has none left for more.
const BUSY_MAX: f64 = 0.95;
/// A rate is reached from this part of it on.
pub(super) const RATE_REACHED: f64 = 0.99;
/// The generator's own delay may be this part of the median latency.
const LAG_MAX: f64 = 0.25;
/// Below so many answers P99.9 rests on fewer than ten of them.
const ANSWERS_MIN: u64 = 10_000;

impl BenchReport {
    /// Requests answered, a second.
    pub fn rate(&self) -> f64 {
        units::per_second(self.answers, self.wall)
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    /// Connections that were not made because no port was free.
    pub fn without_port(&self) -> u64 {
        let counts = self.failures.iter().filter(|(name, _)| *name == NO_FREE_PORT);
        counts.map(|(_, count)| count).sum()
    }

    /// One figure by its name: percentiles and `max` in nanoseconds, `rate` a second, `failures`.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let part = PERCENTILES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match (name, part) {
            (_, Some((_, part))) => Some(value_at(&self.latencies, *part) as f64),
            ("max", _) => Some(self.latencies.max() as f64),
            ("rate", _) => Some(self.rate()),
            ("failures", _) => Some((self.failed() + self.unlike) as f64),
            _ => None,
        }
    }

    /// Why the figures may say less than they seem to; empty if there is no reason to doubt them.
    pub fn doubts(&self) -> Vec<Doubt> {
        let lag = self.lags.value_at_quantile(0.99) as f64;
        let median = self.latencies.value_at_quantile(0.5) as f64;
        let missed = self.rate_asked.is_some_and(|asked| self.rate() < asked * RATE_REACHED);
        let rules = [
            (self.busy >= BUSY_MAX, Doubt::GeneratorBusy),
            (lag > median * LAG_MAX, Doubt::GeneratorLate),
            (missed, Doubt::RateMissed),
            (self.shares_cpu, Doubt::SharedCpu),
            (self.without_port() > 0, Doubt::Ports),
            (self.failed() + self.unlike > 0, Doubt::Failures),
            (self.answers < ANSWERS_MIN, Doubt::FewAnswers),
        ];
        rules.into_iter().filter(|(applies, _)| *applies).map(|(_, doubt)| doubt).collect()
    }

    /// What a doubt means, in a sentence.
    fn explain(&self, doubt: Doubt) -> String {
        match doubt {
            Doubt::GeneratorBusy => format!(
                "The generator, not the server, was the limit: a thread of it was at work for \
                 {:.0} % of its time. The rate says nothing of the server.",
                self.busy * 100.0
            ),
            Doubt::GeneratorLate => format!(
                "The generator was late by itself, by {} at P99: latencies hold that too.",
                units::nanos(self.lags.value_at_quantile(0.99))
            ),
            Doubt::RateMissed if self.busy >= BUSY_MAX => {
                "The rate was not reached, because of the generator.".to_owned()
            }
            Doubt::RateMissed => "The rate was not reached: it is more than the server, or its \
                 connections, could do. Latencies grow as long as that lasts."
                .to_owned(),
            Doubt::SharedCpu => "Generator and server share processors: each slows the other. Use \
                 fewer workers, or --threads and a machine with more processors."
                .to_owned(),
            Doubt::Failures => format!(
                "{} requests failed and {} answers were unlike the first.",
                units::count(self.failed()),
                units::count(self.unlike)
            ),
            Doubt::Ports => format!(
                "{} times no port was free for another connection. --source-addresses brings \
                 others: each address has its own.",
                units::count(self.without_port())
            ),
            Doubt::FewAnswers => format!(
                "{} answers are few: percentiles above P99 rest on fewer than a hundred of them.",
                units::count(self.answers)
            ),
        }
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n\n", self.target, self.load);
        text.push_str(&self.rates().to_string());
        text.push('\n');
        text.push_str(&self.percentiles().to_string());
        let _ = writeln!(text, "\n{}", self.meaning());
        let _ = write!(text, "\n{}", self.server.to_text(self.sent_latencies(), self.wall));
        let failures = self.failures.iter().filter(|(_, count)| *count > 0);
        let mut table = Table::default();
        for (name, count) in failures.copied().chain([("unlike the first", self.unlike)]) {
            if count > 0 {
                table.row([name.to_owned(), units::count(count)]);
            }
        }
        if !table.is_empty() {
            let _ = write!(text, "\nfailures\n{table}");
        }
        let _ = writeln!(text, "\n{}", self.verdict());
        let machine = self.machine.iter().map(|(name, value)| format!("{name} {value}"));
        let _ = writeln!(text, "\n{}", machine.collect::<Vec<_>>().join(", "));
        text
    }

    /// Latencies from the moment a request was sent, which the server cannot be blamed before.
    fn sent_latencies(&self) -> &Histogram<u64> {
        if self.since_sent.is_empty() { &self.latencies } else { &self.since_sent }
    }

    fn meaning(&self) -> &'static str {
        if self.rate_asked.is_some() {
            "Latencies run from the moment a request was due. Since it was sent, which hides that \
             it was sent late:\nthe column beside it."
        } else {
            "A closed loop asks what is slow less often: these latencies look better than what \
             users see. Use --rate."
        }
    }

    fn verdict(&self) -> String {
        let doubts = self.doubts();
        if doubts.is_empty() {
            return "Verdict: no reason to doubt these figures.".to_owned();
        }
        let lines = doubts.into_iter().map(|doubt| format!("Doubt: {}", self.explain(doubt)));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn rates(&self) -> Table {
        let mut table = Table::default();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("requests", units::count(self.answers));
        row("in", units::span(self.wall));
        let rate = |rate: f64| units::count(rate.round() as u64);
        if let Some(asked) = self.rate_asked {
            row("asked a second", rate(asked));
        }
        row("answered a second", rate(self.rate()));
        let per_second =
            |bytes: u64| format!("{}/s", units::bytes(units::per_second(bytes, self.wall) as u64));
        row("received", per_second(self.bytes.1));
        row("sent", per_second(self.bytes.0));
        for (class, count) in STATUS_CLASSES.into_iter().zip(self.statuses) {
            if count > 0 {
                row(class, units::count(count));
            }
        }
        let (connects, times) = &self.connects;
        if *connects > 0 {
            let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
            let times = format!("{} / {}", units::nanos(p50), units::nanos(p99));
            row("connections made", units::count(*connects));
            row("connect P50 / P99", times);
        }
        row("generator at work", format!("{:.0} %", self.busy * 100.0));
        table
    }

    fn percentiles(&self) -> Table {
        let is_open = self.rate_asked.is_some();
        let mut head = vec!["", "latency", "slower"];
        if is_open {
            head.push("since sent");
        }
        let mut table = Table::new(head);
        let figure = |histogram: &Histogram<u64>, value: u64| {
            if histogram.is_empty() { "-".to_owned() } else { units::nanos(value) }
        };
        let total = self.latencies.len();
        for (name, part) in PERCENTILES {
            let at = |histogram: &Histogram<u64>| figure(histogram, value_at(histogram, part));
            let slower = total - (total * part).div_ceil(10_000);
            let mut row = vec![name.to_owned(), at(&self.latencies), units::count(slower)];
            if is_open {
                row.push(at(&self.since_sent));
            }
            table.row(row);
        }
        let most = |histogram: &Histogram<u64>| figure(histogram, histogram.max());
        let mut row = vec!["max".to_owned(), most(&self.latencies), "0".to_owned()];
        if is_open {
            row.push(most(&self.since_sent));
        }
        table.row(row);
        table
    }

    /// The report for programs; see [`BENCH_SCHEMA`].
    pub fn to_json(&self) -> Json {
        let counts = |counts: &[(&'static str, u64)]| {
            Json::object(counts.iter().map(|&(name, count)| (name, Json::Unsigned(count))))
        };
        let classes = STATUS_CLASSES.into_iter().zip(self.statuses);
        let doubts = self.doubts().into_iter().map(|doubt| Json::text(self.explain(doubt)));
        Json::object([
            ("schema", Json::text(BENCH_SCHEMA)),
            ("target", Json::text(&self.target)),
            ("load", Json::text(&self.load)),
            ("rate_asked", self.rate_asked.map_or(Json::Null, Json::Float)),
            ("rate", Json::Float(self.rate())),
            ("seconds", Json::Float(self.wall.as_secs_f64())),
            ("answers", Json::Unsigned(self.answers)),
            ("statuses", Json::object(classes.map(|(name, count)| (name, Json::Unsigned(count))))),
            ("unlike", Json::Unsigned(self.unlike)),
            ("failures", counts(&self.failures)),
            ("bytes_sent", Json::Unsigned(self.bytes.0)),
            ("bytes_received", Json::Unsigned(self.bytes.1)),
            ("connections_made", Json::Unsigned(self.connects.0)),
            ("connect_time", percentiles_json(&self.connects.1)),
            ("latency", percentiles_json(&self.latencies)),
            ("since_sent", percentiles_json(&self.since_sent)),
            ("generator_lag", percentiles_json(&self.lags)),
            ("generator_busy", Json::Float(self.busy)),
            ("server_view", self.server.to_json(self.sent_latencies(), self.wall)),
            ("doubts", Json::List(doubts.collect())),
            (
                "each_second",
                Json::List(self.seconds.iter().map(|second| second.to_json()).collect()),
            ),
            (
                "machine",
                Json::object(self.machine.iter().map(|(name, text)| (*name, Json::text(text)))),
            ),
        ])
    }
}

impl BenchSecond {
    fn to_json(self) -> Json {
        Json::object([
            ("rate", Json::Float(self.rate)),
            ("p50_ns", Json::Unsigned(self.p50_ns)),
            ("p99_ns", Json::Unsigned(self.p99_ns)),
            ("max_ns", Json::Unsigned(self.max_ns)),
            ("failures", Json::Unsigned(self.failures)),
        ])
    }
}

/// The value that this part of 10,000 does not exceed.
fn value_at(histogram: &Histogram<u64>, part: u64) -> u64 {
    histogram.value_at_quantile(part as f64 / 10_000.0)
}

/// Count, percentiles and maximum in nanoseconds; `null` for an empty histogram.
fn percentiles_json(histogram: &Histogram<u64>) -> Json {
    if histogram.is_empty() {
        return Json::Null;
    }
    let named = PERCENTILES.iter().map(|(name, part)| {
        let key = format!("{}_ns", name.to_lowercase().replace('.', "_"));
        (key, Json::Unsigned(value_at(histogram, *part)))
    });
    let count = [("count".to_owned(), Json::Unsigned(histogram.len()))];
    let most = [("max_ns".to_owned(), Json::Unsigned(histogram.max()))];
    Json::object(count.into_iter().chain(named).chain(most))
}
