//! What the access log of a simulated worker must say, judged from what the worker counted.
//! Knows nothing of lines.

use std::sync::Arc;

use corelane::wire::refusal::Refusal;
use corelane::worker::{Lane, Stats, records};

/// Where the simulation of `seed` leaves its records: in a third of them.
pub(crate) fn lane(seed: u64) -> Option<Arc<Lane>> {
    seed.is_multiple_of(3).then(Arc::default)
}

/// Every answer has a record, and every record an answer, of its status and for its reason.
pub(crate) fn judge_log(lane: Option<&Lane>, stats: &Stats) -> Result<(), String> {
    let Some(lane) = lane else { return Ok(()) };
    let (mut by_class, mut refusals) = ([0; 10], [0; Refusal::ALL.len()]);
    let mut batches = Vec::new();
    lane.take(&mut batches);
    let routes = stats.tally.by_route.len();
    for record in batches.iter().flat_map(|batch| records(&batch.bytes)) {
        if record.is_unfinished() {
            continue;
        }
        by_class[usize::from(record.status() / 100)] += 1;
        let refusal = Refusal::ALL.iter().find(|why| Some(why.name()) == record.refused());
        if let Some(refusal) = refusal {
            refusals[*refusal as usize] += 1;
        }
        let route = record.route() as usize;
        if route >= routes && record.route() != corelane::api::NO_ROUTE {
            return Err(format!("a record of route number {route} of {routes}"));
        }
    }
    if lane.counts().dropped > 0 || by_class != stats.tally.by_class {
        let answered = stats.tally.by_class;
        return Err(format!("records by status {by_class:?}, answers {answered:?}"));
    }
    if refusals != stats.tally.refusals {
        let counted = stats.tally.refusals;
        return Err(format!("records by refusal {refusals:?}, refusals {counted:?}"));
    }
    Ok(())
}
