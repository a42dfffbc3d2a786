//! What was seen of a server as metrics. Labels are workers, CPUs, reasons, states and templates of
//! routes, never what a client sent: so there are as many series as at the start.

use super::overview::{Snapshot, WorkerSnapshot};
use crate::control::phase::Phase;
use crate::control::running::NO_ROUTE_NAME;
use crate::report::exposition::Label;
use crate::report::{ConnectionState, Counts, Exposition, Form, Kind, Latencies};

/// Counters of [`Counts`] that each have a family: name and help.
type Counter = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [Counter; 4] = [
    ("corelane_accepted", "Connections that the worker accepted.", |counts| counts.accepted),
    ("corelane_received_bytes", "Bytes received from clients.", |counts| counts.bytes_received),
    ("corelane_sent_bytes", "Bytes that the kernel took for clients.", |counts| counts.bytes_sent),
    ("corelane_turns", "Turns of the worker's loop.", |counts| counts.turns),
];

/// What is counted besides: name, which is that of the count behind a prefix, and help.
const EVENTS: [(&str, &str); 16] = [
    (
        "corelane_accept_aborted",
        "Connections that their clients gave up before they were accepted.",
    ),
    (
        "corelane_accept_exhausted",
        "Times that the kernel had no descriptor or no memory for a connection.",
    ),
    ("corelane_accept_failed", "Times that accepting failed in a way accept(2) does not name."),
    (
        "corelane_access_log_dropped",
        "Lines of the access log that were not made, for its writer was behind.",
    ),
    ("corelane_access_log_failed", "Lines of the access log that could not be written."),
    ("corelane_access_log_written", "Lines of the access log that were written."),
    (
        "corelane_answers_unfinished",
        "Answers that were begun when their connections ended, as of clients that broke them off.",
    ),
    ("corelane_connections_given", "Accepted connections that were given to another worker."),
    ("corelane_connections_taken", "Connections that were taken on from another worker."),
    ("corelane_handler_panics", "Requests whose handler panicked."),
    ("corelane_later_dropped", "Promised answers that were never given."),
    ("corelane_later_expired", "Promised answers that were not given in time."),
    ("corelane_later_unwanted", "Promised answers that nobody waited for any more."),
    ("corelane_shed", "Requests that waited too long and were turned away."),
    ("corelane_stalls", "Turns that lasted longer than stall_time."),
    ("corelane_table_full", "Times that accepting paused with a full table."),
];

/// A worker with its labels.
struct Row<'a> {
    worker: &'a WorkerSnapshot,
    index: String,
    cpu: String,
}

impl<'a> Row<'a> {
    fn of(worker: &'a WorkerSnapshot) -> Row<'a> {
        let cpu = worker.cpu.map_or(String::new(), |cpu| cpu.to_string());
        Row { worker, index: worker.index.to_string(), cpu }
    }

    fn labels(&self) -> Vec<Label<'_>> {
        vec![("worker", &self.index), ("cpu", &self.cpu)]
    }

    fn with<'b>(&'b self, more: &[Label<'b>]) -> Vec<Label<'b>> {
        [&self.labels(), more].concat()
    }

    fn counts(&self) -> Option<&'a Counts> {
        self.worker.told.as_ref().map(|told| &told.counts)
    }
}

pub(super) fn to_text(seen: &Snapshot, form: Form) -> String {
    let mut text = Exposition::new(form);
    let rows: Vec<_> = seen.workers.iter().map(Row::of).collect();
    about_requests(&mut text, seen, &rows);
    about_times(&mut text, seen, &rows);
    about_connections(&mut text, &rows);
    about_workers(&mut text, &rows);
    about_server(&mut text, seen);
    about_process(&mut text, seen);
    text.finish()
}

fn about_requests(text: &mut Exposition, seen: &Snapshot, rows: &[Row<'_>]) {
    text.family(Kind::Counter, "corelane_requests", "Requests answered, by the route's template.");
    for (row, counts) in told(rows) {
        let names = seen.routes.iter().map(String::as_str).chain([NO_ROUTE_NAME]);
        for (route, count) in names.zip(&counts.routes) {
            let parts = route.split_once(' ').filter(|_| route != NO_ROUTE_NAME);
            let (method, template) = parts.unwrap_or(("", route));
            text.count(&row.with(&[("method", method), ("route", template)]), count);
        }
    }
    text.family(Kind::Counter, "corelane_answers", "Answers by the class of their status.");
    for (row, counts) in told(rows) {
        for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(counts.statuses) {
            text.count(&row.with(&[("class", class)]), count);
        }
    }
    text.family(Kind::Counter, "corelane_refusals", "Requests that broke a rule, by the rule.");
    for (row, counts) in told(rows) {
        for (reason, count) in &counts.refusals {
            text.count(&row.with(&[("reason", reason)]), count);
        }
    }
    let help = "Requests for paths that no file is served for, by the reason.";
    text.family(Kind::Counter, "corelane_refused_paths", help);
    for (row, counts) in told(rows) {
        for (reason, count) in &counts.refused_paths {
            text.count(&row.with(&[("reason", reason)]), count);
        }
    }
    let help = "What caches of answers did: gave, did not have, kept and gave up for others.";
    text.family(Kind::Counter, "corelane_response_cache", help);
    for (row, counts) in told(rows) {
        for (result, count) in &counts.response_cache {
            text.count(&row.with(&[("result", result)]), count);
        }
    }
    let help = "Bytes of compressed bodies, as they went into the encoder and came out.";
    text.family(Kind::Counter, "corelane_compression_bytes", help);
    for (row, counts) in told(rows) {
        for (direction, count) in &counts.encoded_bytes {
            text.count(&row.with(&[("direction", direction)]), count);
        }
    }
}

fn about_times(text: &mut Exposition, seen: &Snapshot, rows: &[Row<'_>]) {
    let help = "From the moment a worker saw a request's last bytes to the moment the kernel took \
                its answer.";
    text.family(Kind::Histogram, "corelane_service_seconds", help);
    for row in rows {
        if let Some(told) = &row.worker.told {
            text.histogram(&row.labels(), &told.latencies.service_times());
        }
    }
    let help = "What requests go through, all workers together: waits of all, the others of a \
                sample.";
    text.family(Kind::Histogram, "corelane_stage_seconds", help);
    let latencies: Vec<_> = seen.told().map(|told| &told.latencies).collect();
    for (stage, times) in Latencies::together(&latencies).1 {
        text.histogram(&[("stage", stage)], &times);
    }
}

fn about_connections(text: &mut Exposition, rows: &[Row<'_>]) {
    text.family(Kind::Gauge, "corelane_connections", "Open connections by what they are at.");
    for (row, counts) in told(rows) {
        for (state, count) in ConnectionState::ALL.into_iter().zip(counts.states) {
            text.gauge(&row.with(&[("state", state.name())]), count);
        }
    }
    text.family(Kind::Counter, "corelane_closes", "Ended connections by the reason.");
    for (row, counts) in told(rows) {
        for (reason, count) in &counts.closes {
            text.count(&row.with(&[("reason", reason)]), count);
        }
    }
    for (name, help, of) in COUNTERS {
        text.family(Kind::Counter, name, help);
        for (row, counts) in told(rows) {
            text.count(&row.labels(), of(counts));
        }
    }
    for (name, help) in EVENTS {
        text.family(Kind::Counter, name, help);
        let is_it = |known: &str| name.strip_prefix("corelane_") == Some(known);
        for (row, counts) in told(rows) {
            if let Some((_, count)) = counts.events.iter().find(|(known, _)| is_it(known)) {
                text.count(&row.labels(), count);
            }
        }
    }
}

fn about_workers(text: &mut Exposition, rows: &[Row<'_>]) {
    let help = "Whether the worker told its figures within a second; else they are missing here.";
    text.family(Kind::Gauge, "corelane_worker_up", help);
    for row in rows {
        text.gauge(&row.labels(), u8::from(row.worker.told.is_some()));
    }
    let help = "How long the worker's present turn lasts; 0 while it waits.";
    text.family(Kind::Gauge, "corelane_turn_seconds", help);
    for row in rows {
        text.gauge(&row.labels(), row.worker.turn.as_secs_f64());
    }
    text.family(Kind::Counter, "corelane_busy_seconds", "Processor time of the worker's thread.");
    for (row, counts) in told(rows) {
        text.count(&row.labels(), counts.busy.as_secs_f64());
    }
    let help = "Connections that wait in the kernel for the worker to accept them.";
    text.family(Kind::Gauge, "corelane_accept_queue_depth", help);
    for (row, (depth, _)) in rows.iter().filter_map(|row| Some((row, row.worker.queue?))) {
        text.gauge(&row.labels(), depth);
    }
    let help = "How many connections may wait so.";
    text.family(Kind::Gauge, "corelane_accept_queue_limit", help);
    for (row, (_, limit)) in rows.iter().filter_map(|row| Some((row, row.worker.queue?))) {
        text.gauge(&row.labels(), limit);
    }
}

fn about_server(text: &mut Exposition, seen: &Snapshot) {
    if let Some(listen) = seen.listen {
        let help = "Times that the queue of any listener of this network namespace was full.";
        text.family(Kind::Counter, "corelane_listen_overflows", help);
        text.count(&[], listen.overflows);
        let help = "Connections that the kernel dropped at any listener of this network namespace.";
        text.family(Kind::Counter, "corelane_listen_drops", help);
        text.count(&[], listen.drops);
    }
    text.family(Kind::Gauge, "corelane_build_info", "What runs; always 1.");
    text.gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family(Kind::Gauge, "corelane_phase", "1 for where the server is in its life, else 0.");
    for phase in Phase::ALL {
        text.gauge(&[("phase", phase.name())], u8::from(phase == seen.phase));
    }
    let help = "Lines that the log of events could not write.";
    text.family(Kind::Counter, "corelane_log_events_dropped", help);
    text.count(&[], seen.events_dropped);
    text.family(Kind::Gauge, "corelane_uptime_seconds", "Since the server started.");
    text.gauge(&[], seen.uptime.as_secs_f64());
}

/// By the names that all exporters use.
fn about_process(text: &mut Exposition, seen: &Snapshot) {
    let process = &seen.process;
    let help = "Processor time of all threads, of the user and the system.";
    text.family(Kind::Counter, "process_cpu_seconds", help);
    text.count(&[], process.busy.as_secs_f64());
    let gauges = [
        ("process_open_fds", "Open descriptors.", process.descriptors),
        ("process_max_fds", "How many there may be.", process.descriptors_max),
        ("process_resident_memory_bytes", "Memory that the process occupies.", process.resident),
        ("process_virtual_memory_bytes", "Its address space.", process.reserved),
        ("process_threads", "Its threads.", process.threads),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            text.family(Kind::Gauge, name, help);
            text.gauge(&[], value);
        }
    }
    if let Some(started) = process.started {
        let help = "When the process started, since 1970-01-01 UTC.";
        text.family(Kind::Gauge, "process_start_time_seconds", help);
        text.gauge(&[], started.as_secs_f64());
    }
}

/// The workers that told, with their counts.
fn told<'a, 'b>(rows: &'a [Row<'b>]) -> impl Iterator<Item = (&'a Row<'b>, &'b Counts)> {
    rows.iter().filter_map(|row| Some((row, row.counts()?)))
}
