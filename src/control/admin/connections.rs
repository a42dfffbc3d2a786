//! What the connections of each worker are at, as JSON.
//! Knows nothing of how they are counted.

use super::overview::{Snapshot, WorkerSnapshot};
use crate::report::{ConnectionState, Counts, Json, StateCounts};

/// Name and version of the form. A key may be added under the same version; none changes its
/// meaning or goes.
const SCHEMA: &str = "corelane-connections/1";

pub(super) fn to_json(seen: &Snapshot) -> Json {
    let all = seen.states();
    Json::object([
        ("schema", Json::text(SCHEMA)),
        ("uptime_seconds", Json::Float(seen.uptime.as_secs_f64())),
        ("connections", Json::Unsigned(all.iter().sum())),
        ("states", states(all)),
        ("workers", Json::List(seen.workers.iter().map(worker).collect())),
        ("silent_workers", silent(seen)),
    ])
}

fn worker(worker: &WorkerSnapshot) -> Json {
    let counts = worker.told.as_ref().map(|told| &told.counts);
    Json::object([
        ("worker", Json::Unsigned(worker.index as u64)),
        ("cpu", number(worker.cpu.map(|cpu| cpu as u64))),
        ("connections", number(counts.map(Counts::connections))),
        ("states", counts.map_or(Json::Null, |counts| states(counts.states))),
        ("accepted", number(counts.map(|counts| counts.accepted))),
        ("given", number(counts.map(|counts| counts.given))),
        ("taken", number(counts.map(|counts| counts.taken))),
        ("accept_queue", number(worker.queue.map(|(depth, _)| depth))),
        ("accept_queue_limit", number(worker.queue.map(|(_, limit)| limit))),
    ])
}

/// The numbers of those that did not tell.
pub(super) fn silent(seen: &Snapshot) -> Json {
    Json::List(seen.silent().into_iter().map(|worker| Json::Unsigned(worker as u64)).collect())
}

/// A number, or `null` where there is none.
pub(super) fn number(number: Option<u64>) -> Json {
    number.map_or(Json::Null, Json::Unsigned)
}

pub(super) fn states(counts: StateCounts) -> Json {
    let named = ConnectionState::ALL.into_iter().zip(counts);
    Json::object(named.map(|(state, count)| (state.name(), Json::Unsigned(count))))
}
