//! What a server tells of itself when it stops: counters and service times, per worker and in
//! total. Knows nothing of how they were counted.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::counts::DrainAccount;
use super::json::Json;
use super::summary::Summary;
use super::table::Table;
use super::units;

/// Name and version of the JSON form. A key may be added under the same version; none changes
/// its meaning or goes.
pub const SCHEMA: &str = "corelane-report/1";

/// What the latencies of a [`ServerReport`] measure.
pub const SERVICE_TIME: &str = "Service time: from the moment the turn saw the bytes to the moment \
    the kernel took the answer; time in the kernel's queues and on the network is not in it.";

/// What the stages of a [`ServerReport`] measure.
pub const STAGES: &str = "Stages: the kernel's queue up to the turn, the wait within the turn, then \
    parsing, the handler\nand the send call. Waits are those of all requests, the others of a \
    sample; a percentile of one\nstage is not of the same request as that of another.";

/// The first digits of a status, as they are reported.
pub(super) const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The figures of one worker, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerRow {
    /// What the row is about, such as `worker 0`.
    pub name: String,
    /// The CPU it was pinned to.
    pub cpu: Option<usize>,
    /// Requests answered.
    pub requests: u64,
    /// Connections accepted, and taken on from other workers instead of given to them.
    pub connections: u64,
    /// Answers by the first digit of their status, 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Bytes received from sockets.
    pub bytes_received: u64,
    /// Bytes that the kernel took.
    pub bytes_sent: u64,
    /// Ended connections by reason.
    pub closes: Vec<(&'static str, u64)>,
    /// Refused requests by reason.
    pub refusals: Vec<(&'static str, u64)>,
    /// What else was counted, by name: accepts that failed, panics, promised answers that were
    /// not given.
    pub events: Vec<(&'static str, u64)>,
    /// Requests by route template; never by path.
    pub routes: Vec<(String, u64)>,
    /// Service times; `None` if no request was timed.
    pub service_time: Option<Summary>,
    /// Times of the stages of requests, in their order; `None` if none was timed.
    pub stages: Vec<(&'static str, Option<Summary>)>,
}

/// Everything a server counted from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReport {
    uptime: Duration,
    workers: Vec<WorkerRow>,
    total: WorkerRow,
    service_times: Histogram<u64>,
    /// How the workers share connections.
    balance: Option<&'static str>,
    drain: Option<DrainAccount>,
}

impl ServerReport {
    /// A report on these workers. `merged` holds the service times of all of them in nanoseconds,
    /// and `stages` those of their stages (see [`merged`](super::merge::merged)): percentiles of
    /// the whole cannot be had from theirs.
    pub fn new(
        uptime: Duration,
        workers: Vec<WorkerRow>,
        merged: Histogram<u64>,
        stages: &[(&'static str, Histogram<u64>)],
    ) -> ServerReport {
        let mut total = WorkerRow {
            name: "total".to_owned(),
            service_time: Summary::of(&merged),
            stages: stages.iter().map(|(name, times)| (*name, Summary::of(times))).collect(),
            ..WorkerRow::default()
        };
        for worker in &workers {
            total.count_in(worker);
        }
        ServerReport { uptime, workers, total, service_times: merged, balance: None, drain: None }
    }

    /// The same with how the workers share connections.
    #[must_use]
    pub fn balanced_by(self, balance: &'static str) -> ServerReport {
        ServerReport { balance: Some(balance), ..self }
    }

    /// The same with what became of the connections that were open when a drain began.
    #[must_use]
    pub fn drained(self, drain: Option<DrainAccount>) -> ServerReport {
        ServerReport { drain, ..self }
    }

    /// Connections of the busiest worker over their mean: 1 is an even spread. `None` without
    /// connections.
    #[allow(clippy::cast_precision_loss)] // Connections are counted up to 2^53.
    pub fn spread(&self) -> Option<f64> {
        let most = self.workers.iter().map(|worker| worker.connections).max()?;
        let mean = self.total.connections as f64 / self.workers.len() as f64;
        (most > 0).then(|| most as f64 / mean)
    }

    /// The service times of all workers in nanoseconds.
    pub fn service_times(&self) -> &Histogram<u64> {
        &self.service_times
    }

    /// The sums over all workers.
    pub fn total(&self) -> &WorkerRow {
        &self.total
    }

    /// Plain text for a terminal, ending in a newline.
    pub fn to_text(&self) -> String {
        let total = &self.total;
        let mut text = format!(
            "corelane ran for {}: {} requests on {} connections, {} received, {} sent\n\n",
            units::span(self.uptime),
            units::count(total.requests),
            units::count(total.connections),
            units::bytes(total.bytes_received),
            units::bytes(total.bytes_sent)
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n{SERVICE_TIME}", self.workers_table());
        if let Some(table) = self.stages_table() {
            let _ = writeln!(text, "\n{table}\n{STAGES}");
        }
        if let (Some(balance), Some(spread)) = (self.balance, self.spread()) {
            let what = "connections of the busiest worker over their mean";
            let _ = writeln!(text, "\nbalance {balance}: {what} {spread:.2}");
        }
        let statuses = STATUS_CLASSES.into_iter().zip(total.statuses);
        write_counts(&mut text, "answers by status", statuses);
        let _ = match self.closes_table() {
            Some(table) => write!(text, "\ncloses by reason:\n{table}"),
            None => writeln!(text, "\ncloses by reason: none"),
        };
        if let Some(drain) = self.drain {
            let _ = writeln!(text, "\ndrain: {drain}");
        }
        write_counts(&mut text, "refusals by reason", total.refusals.iter().copied());
        write_counts(&mut text, "other events", total.events.iter().copied());
        let routes = total.routes.iter().map(|(route, count)| (route.as_str(), *count));
        write_counts(&mut text, "requests by route", routes);
        text
    }

    /// One line of JSON without a newline. Its keys carry their units; an absent measurement is
    /// `null`, never 0.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("schema", Json::text(SCHEMA)),
            ("uptime_seconds", Json::Float(self.uptime.as_secs_f64())),
            ("balance", self.balance.map_or(Json::Null, Json::text)),
            ("busiest_over_mean", self.spread().map_or(Json::Null, Json::Float)),
            (
                "drain",
                self.drain.map_or(Json::Null, |drain| counts_to_json(drain.figures().into_iter())),
            ),
            ("workers", Json::List(self.workers.iter().map(WorkerRow::to_json).collect())),
            ("total", self.total.to_json()),
        ])
    }

    /// A column for each reason that any connection ended for; `None` if none ended.
    fn closes_table(&self) -> Option<Table> {
        let counted = self.total.closes.iter().filter(|(_, count)| *count > 0);
        let reasons: Vec<&str> = counted.map(|(reason, _)| *reason).collect();
        if reasons.is_empty() {
            return None;
        }
        let mut table = Table::new([""].into_iter().chain(reasons.iter().copied()));
        for row in self.workers.iter().chain([&self.total]) {
            let closes = |reason: &&str| {
                let close = row.closes.iter().find(|(name, _)| name == reason);
                units::count(close.map_or(0, |(_, count)| *count))
            };
            table.row([row.label()].into_iter().chain(reasons.iter().map(closes)));
        }
        Some(table)
    }

    /// A row for each stage of all workers together; `None` if none was timed.
    fn stages_table(&self) -> Option<Table> {
        let stages = &self.total.stages;
        stages.iter().find(|(_, summary)| summary.is_some())?;
        let mut table = Table::new(["stage", "count"].into_iter().chain(Summary::FIGURES));
        for (name, summary) in stages {
            let count = units::count(summary.map_or(0, |summary| summary.count));
            table.row([(*name).to_owned(), count].into_iter().chain(figures(*summary)));
        }
        Some(table)
    }

    fn workers_table(&self) -> Table {
        let mut table =
            Table::new(["", "requests", "connections"].into_iter().chain(Summary::FIGURES));
        for row in self.workers.iter().chain([&self.total]) {
            table.row(row.cells());
        }
        table
    }
}

impl WorkerRow {
    /// Adds the counters of `other`; its service times are not added, they have to be merged.
    fn count_in(&mut self, other: &WorkerRow) {
        self.requests += other.requests;
        self.connections += other.connections;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        for (sum, count) in self.statuses.iter_mut().zip(other.statuses) {
            *sum += count;
        }
        add_counts(&mut self.closes, &other.closes);
        add_counts(&mut self.refusals, &other.refusals);
        add_counts(&mut self.events, &other.events);
        add_counts(&mut self.routes, &other.routes);
    }

    fn label(&self) -> String {
        match self.cpu {
            Some(cpu) => format!("{}, cpu {cpu}", self.name),
            None => self.name.clone(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells =
            vec![self.label(), units::count(self.requests), units::count(self.connections)];
        cells.extend(figures(self.service_time));
        cells
    }

    fn to_json(&self) -> Json {
        let statuses = STATUS_CLASSES.into_iter().zip(self.statuses);
        let summary = |times: Option<Summary>| times.map_or(Json::Null, |times| times.to_json());
        let stages = self.stages.iter().map(|(name, times)| (*name, summary(*times)));
        Json::object([
            ("name", Json::text(&self.name)),
            ("cpu", self.cpu.map_or(Json::Null, |cpu| Json::Unsigned(cpu as u64))),
            ("requests", Json::Unsigned(self.requests)),
            ("connections", Json::Unsigned(self.connections)),
            ("received_bytes", Json::Unsigned(self.bytes_received)),
            ("sent_bytes", Json::Unsigned(self.bytes_sent)),
            ("service_time", summary(self.service_time)),
            ("stages", Json::object(stages)),
            ("statuses", counts_to_json(statuses)),
            ("closes", counts_to_json(self.closes.iter().copied())),
            ("refusals", counts_to_json(self.refusals.iter().copied())),
            ("events", counts_to_json(self.events.iter().copied())),
            ("routes", counts_to_json(self.routes.iter().cloned())),
        ])
    }
}

/// The cells of a summary, or of none.
fn figures(summary: Option<Summary>) -> [String; Summary::FIGURES.len()] {
    let figures = summary.map(|summary| summary.figures().map(units::nanos));
    figures.unwrap_or_else(|| Summary::FIGURES.map(|_| "-".to_owned()))
}

/// Adds counts by name; a new name goes to the end.
fn add_counts<N: Clone + PartialEq>(sums: &mut Vec<(N, u64)>, counts: &[(N, u64)]) {
    for (name, count) in counts {
        match sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += count,
            None => sums.push((name.clone(), *count)),
        }
    }
}

fn counts_to_json<N: Into<String>>(counts: impl Iterator<Item = (N, u64)>) -> Json {
    Json::object(counts.map(|(name, count)| (name, Json::Unsigned(count))))
}

/// A heading and one line per count above zero, or the word that there was none.
fn write_counts<'a>(
    text: &mut String,
    heading: &str,
    counts: impl Iterator<Item = (&'a str, u64)>,
) {
    let mut table = Table::default();
    for (name, count) in counts.filter(|(_, count)| *count > 0) {
        table.row([format!("  {name}"), units::count(count)]);
    }
    // Writing to a string cannot fail.
    let _ = if table.is_empty() {
        writeln!(text, "\n{heading}: none")
    } else {
        write!(text, "\n{heading}:\n{table}")
    };
}
