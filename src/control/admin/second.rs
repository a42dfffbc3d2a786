//! What happened between two looks at a server, as an event of its live page.
//! Knows nothing of how a page shows it.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::connections::{number, silent, states};
use super::overview::{Snapshot, WorkerSnapshot};
use crate::report::{Counts, Json, merged};

/// The event. Rates are a second's, times nanoseconds, counts those since the start.
pub(super) fn to_json(before: &Snapshot, now: &Snapshot) -> Json {
    let span = now.at - before.at;
    let pairs: Vec<_> = before.workers.iter().zip(&now.workers).collect();
    let times: Vec<_> = pairs.iter().filter_map(|(then, now)| times_between(then, now)).collect();
    let told: Vec<_> = now.told().collect();
    let requests: u64 = pairs.iter().map(|(then, now)| requests_between(then, now)).sum();
    let sums = |of: fn(&Counts) -> &Vec<(&'static str, u64)>| {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for (index, (name, count)) in
            told.iter().flat_map(|told| of(&told.counts).iter().enumerate())
        {
            match sums.get_mut(index) {
                Some((_, sum)) => *sum += count,
                None => sums.push((name, *count)),
            }
        }
        let counted = sums.into_iter().filter(|(_, count)| *count > 0);
        Json::object(counted.map(|(name, count)| (name, Json::Unsigned(count))))
    };
    let statuses = (0..5).map(|class| told.iter().map(|told| told.counts.statuses[class]).sum());
    let mut event = vec![
        ("uptime", Json::Float(now.uptime.as_secs_f64())),
        ("phase", Json::text(now.phase.name())),
        ("silent", silent(now)),
        ("rate", rate(requests, span)),
        ("states", states(now.states())),
        ("statuses", Json::List(statuses.map(Json::Unsigned).collect())),
        ("closes", sums(|counts| &counts.closes)),
        ("refusals", sums(|counts| &counts.refusals)),
        ("events", sums(|counts| &counts.events)),
        ("listen_overflows", number(now.listen.map(|listen| listen.overflows))),
        ("listen_drops", number(now.listen.map(|listen| listen.drops))),
        ("resident", number(now.process.resident)),
        ("descriptors", number(now.process.descriptors)),
        ("workers", Json::List(pairs.iter().map(|(then, now)| worker(then, now, span)).collect())),
    ];
    event.extend(percentiles(&merged(&times)));
    Json::object(event)
}

fn worker(before: &WorkerSnapshot, now: &WorkerSnapshot, span: Duration) -> Json {
    let counts = now.told.as_ref().map(|told| &told.counts);
    let busy = before.told.as_ref().zip(counts).map(|(then, counts)| {
        let busy = counts.busy.saturating_sub(then.counts.busy);
        busy.as_secs_f64() / span.as_secs_f64()
    });
    let times = times_between(before, now);
    let mut worker = vec![
        ("cpu", number(now.cpu.map(|cpu| cpu as u64))),
        ("rate", times.as_ref().map_or(Json::Null, |_| rate(requests_between(before, now), span))),
        ("connections", number(counts.map(Counts::connections))),
        ("busy", busy.map_or(Json::Null, Json::Float)),
        ("queue", number(now.queue.map(|(depth, _)| depth))),
        ("queue_limit", number(now.queue.map(|(_, limit)| limit))),
        ("stalls", Json::Unsigned(now.stalls)),
        ("turn", Json::Float(now.turn.as_secs_f64())),
    ];
    worker.extend(times.iter().flat_map(percentiles));
    Json::object(worker)
}

/// Requests answered meanwhile; none of a worker that did not tell both times.
fn requests_between(before: &WorkerSnapshot, now: &WorkerSnapshot) -> u64 {
    let both = before.told.as_ref().zip(now.told.as_ref());
    both.map_or(0, |(then, now)| now.counts.requests.saturating_sub(then.counts.requests))
}

/// Service times of what was answered meanwhile.
fn times_between(before: &WorkerSnapshot, now: &WorkerSnapshot) -> Option<Histogram<u64>> {
    let (before, now) = (before.told.as_ref()?, now.told.as_ref()?);
    let mut times = now.latencies.service_times();
    // Counts only grow, so nothing of it is missing.
    times.subtract(before.latencies.service_times()).ok()?;
    Some(times)
}

#[allow(clippy::cast_precision_loss)] // A second has fewer than 2^53 requests.
fn rate(requests: u64, span: Duration) -> Json {
    Json::Float(requests as f64 / span.as_secs_f64())
}

/// Percentiles by name; `null` if nothing was answered.
fn percentiles(times: &Histogram<u64>) -> [(&'static str, Json); 4] {
    let at = |quantile: f64| match times.len() {
        0 => Json::Null,
        _ => Json::Unsigned(times.value_at_quantile(quantile)),
    };
    [("p50", at(0.5)), ("p99", at(0.99)), ("p999", at(0.999)), ("max", at(1.0))]
}
