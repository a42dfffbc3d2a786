//! What the protocols of one worker count. Plain counters with one writer.

use crate::api::Delivery;
use crate::wire::refusal::Refusal;
use crate::wire::status::Status;

/// Counters of one worker's protocols.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests the application answered.
    pub requests: u64,
    /// Answers of any kind.
    pub answers: u64,
    /// Answers by the first digit of their status; index 0 is unused.
    pub by_class: [u64; 10],
    /// Refusals, indexed by [`Refusal`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// Requests whose handler panicked; they were answered with 500.
    pub panics: u64,
    /// Promised answers that were never given: their right to answer was dropped (500).
    pub later_dropped: u64,
    /// Promised answers that were not given in time (504).
    pub later_expired: u64,
    /// Promised answers given when nobody waited for them any more.
    pub later_unwanted: u64,
    /// Requests that waited too long and were turned away (503).
    pub shed: u64,
    /// Requests by the number of the route that matched; the last is those none matched.
    pub by_route: Box<[u64]>,
}

impl Tally {
    /// Counters at zero for an application of `routes` routes.
    pub fn new(routes: usize) -> Tally {
        Tally {
            requests: 0,
            answers: 0,
            by_class: [0; 10],
            refusals: [0; Refusal::ALL.len()],
            panics: 0,
            later_dropped: 0,
            later_expired: 0,
            later_unwanted: 0,
            shed: 0,
            by_route: vec![0; routes + 1].into_boxed_slice(),
        }
    }

    /// Counts an answer of the application to a request that route number `route` matched, or
    /// none if there is no such route.
    #[inline]
    pub(super) fn answered(&mut self, status: Status, route: u32) {
        self.requests += 1;
        self.answers += 1;
        self.by_class[usize::from(status.class())] += 1;
        let unmatched = self.by_route.len() - 1;
        self.by_route[(route as usize).min(unmatched)] += 1;
    }

    /// Goes on with an application of `routes` routes, where what was counted for route number `n`
    /// counts for number `renumbered[n]`.
    pub fn renumber(&mut self, routes: usize, renumbered: &[u32]) {
        let mut by_route = vec![0; routes + 1].into_boxed_slice();
        let (unmatched, old) =
            self.by_route.split_last().map_or((0, &[][..]), |(n, old)| (*n, old));
        by_route[routes] = unmatched;
        for (count, number) in old.iter().zip(renumbered) {
            by_route[(*number as usize).min(routes)] += count;
        }
        self.by_route = by_route;
    }

    /// Counts an answer that nobody waits for.
    pub fn unwanted(&mut self, delivery: &Delivery) {
        self.later_unwanted += u64::from(!matches!(delivery, Delivery::Dropped));
    }

    /// Counts the answer to a connection that there was no room for.
    pub fn turned_away(&mut self) {
        self.answers += 1;
        self.by_class[usize::from(Status::SERVICE_UNAVAILABLE.class())] += 1;
    }

    /// Counts a request that waited too long, and its answer.
    pub(super) fn shed(&mut self) {
        self.shed += 1;
        self.turned_away();
    }

    /// Counts a refusal and its answer.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        self.answers += 1;
        self.refusals[refusal as usize] += 1;
        self.by_class[usize::from(refusal.status().class())] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_their_routes_to_other_numbers() {
        let mut tally = Tally::new(3);
        for (route, times) in [(0, 1), (1, 2), (2, 4), (u32::MAX, 8)] {
            (0..times).for_each(|_| tally.answered(Status::OK, route));
        }
        tally.renumber(4, &[2, 0, 3]);
        assert_eq!(*tally.by_route, [2, 0, 1, 4, 8]);
        tally.renumber(0, &[]);
        assert_eq!(*tally.by_route, [8]);
    }
}
