//! What one worker counts and measures: plain counters and histograms, with one writer.
//! Knows nothing of how they are shown.

use std::sync::Arc;

use super::access_log::Lane;
use crate::api::{AnswerCount, AnswerCounts, RefusedPath};
use crate::proto::{CloseReason, Tally};
use crate::report::{Counts, DrainAccount, Latencies};
use crate::wire::refusal::Refusal;

/// One worker's figures.
#[derive(Debug)]
pub struct Stats {
    /// What the protocols count.
    pub tally: Tally,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections the peer gave up before they were accepted (`ECONNABORTED`).
    pub accept_aborted: u64,
    /// Times the kernel had no descriptor or no memory for a connection.
    pub accept_exhausted: u64,
    /// Times accepting failed in a way that `accept(2)` does not name for a connection.
    pub accept_failed: u64,
    /// Times accepting paused because the table was full.
    pub table_full: u64,
    /// Answers that were begun when their connections ended: they count as no answers.
    pub answers_unfinished: u64,
    /// Connections given to other workers, of those accepted.
    pub given: u64,
    /// Connections taken on from other workers.
    pub taken: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes the kernel took.
    pub bytes_sent: u64,
    /// Ended connections, indexed by [`CloseReason`].
    pub closes: [u64; CloseReason::ALL.len()],
    /// Paths that no file was served for, as far as they were counted when it was last told.
    pub refused_paths: [u64; RefusedPath::ALL.len()],
    /// What hooks count of answers, if the worker has told where.
    pub answer_counts: Arc<AnswerCounts>,
    /// Turns of the loop.
    pub turns: u64,
    /// What requests and their stages took.
    pub latencies: Latencies,
    /// Where its answers are noted, if they are.
    pub(super) lane: Option<Arc<Lane>>,
    /// What is known of a drain, once one began.
    drained: Option<Box<Drained>>,
}

/// What was so when a drain began, and what only a drain counts.
#[derive(Debug)]
struct Drained {
    /// Connections that were open.
    open: u64,
    /// Connections ended by it that had nothing under way.
    idle: u64,
    /// The count of each close before it.
    closes: [u64; CloseReason::ALL.len()],
}

impl Stats {
    /// Figures at zero for an application of `routes` routes.
    pub fn new(routes: usize) -> Stats {
        Stats {
            tally: Tally::new(routes),
            accepted: 0,
            accept_aborted: 0,
            accept_exhausted: 0,
            accept_failed: 0,
            table_full: 0,
            answers_unfinished: 0,
            given: 0,
            taken: 0,
            bytes_received: 0,
            bytes_sent: 0,
            closes: [0; CloseReason::ALL.len()],
            refused_paths: Default::default(),
            answer_counts: Arc::default(),
            turns: 0,
            latencies: Latencies::default(),
            lane: None,
            drained: None,
        }
    }

    /// A copy by the names that statistics use; `stalls` are counted by who watches. What it takes
    /// to know is left at zero: the states of connections, and the time.
    pub fn counts(&self, stalls: u64) -> Counts {
        let tally = &self.tally;
        Counts {
            requests: tally.requests,
            statuses: [1, 2, 3, 4, 5].map(|class: usize| tally.by_class[class]),
            accepted: self.accepted,
            given: self.given,
            taken: self.taken,
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            turns: self.turns,
            closes: CloseReason::ALL.map(|why| (why.name(), self.closes[why as usize])).to_vec(),
            refusals: Refusal::ALL.map(|why| (why.name(), tally.refusals[why as usize])).to_vec(),
            refused_paths: RefusedPath::ALL
                .map(|why| (why.name(), self.refused_paths[why as usize]))
                .to_vec(),
            response_cache: self.answer_counts.named(AnswerCount::OF_CACHES),
            encoded_bytes: self.answer_counts.named(AnswerCount::OF_CODINGS),
            events: self.events(stalls),
            routes: tally.by_route.to_vec(),
            ..Counts::default()
        }
    }

    /// What is counted besides, in the order of its names.
    fn events(&self, stalls: u64) -> Vec<(&'static str, u64)> {
        let tally = &self.tally;
        let log = self.lane.as_ref().map(|lane| lane.counts()).unwrap_or_default();
        vec![
            ("accept_aborted", self.accept_aborted),
            ("accept_exhausted", self.accept_exhausted),
            ("accept_failed", self.accept_failed),
            ("access_log_dropped", log.dropped),
            ("access_log_failed", log.failed),
            ("access_log_written", log.written),
            ("answers_unfinished", self.answers_unfinished),
            ("connections_given", self.given),
            ("connections_taken", self.taken),
            ("handler_panics", tally.panics),
            ("later_dropped", tally.later_dropped),
            ("later_expired", tally.later_expired),
            ("later_unwanted", tally.later_unwanted),
            ("refused_paths", self.refused_paths.iter().sum()),
            ("shed", tally.shed),
            ("stalls", stalls),
            ("table_full", self.table_full),
        ]
    }

    /// A drain begins with so many connections that have not ended.
    pub(super) fn drain_begins(&mut self, open: u64) {
        self.drained = Some(Box::new(Drained { open, idle: 0, closes: self.closes }));
    }

    /// A drain ends a connection with nothing under way.
    pub(super) fn drain_ends_idle(&mut self) {
        if let Some(drained) = &mut self.drained {
            drained.idle += 1;
        }
    }

    /// What became of the connections that were open when a drain began; `None` before one.
    pub fn drain_account(&self) -> Option<DrainAccount> {
        let drained = self.drained.as_ref()?;
        let since = |reasons: &[CloseReason]| -> u64 {
            let count = |why: &CloseReason| {
                let at = *why as usize;
                self.closes[at] - drained.closes[at]
            };
            reasons.iter().map(count).sum()
        };
        let answered = since(&[
            CloseReason::ByHandler,
            CloseReason::ByRequest,
            CloseReason::Drained,
            CloseReason::LifetimeOver,
            CloseReason::RequestsMax,
        ]);
        let (left, cut) = (
            since(&[CloseReason::PeerClosed]),
            since(&[CloseReason::DrainTimeout, CloseReason::Stopped]),
        );
        Some(DrainAccount {
            open: drained.open,
            finished: answered.saturating_sub(drained.idle),
            idle: drained.idle,
            left,
            cut,
            failed: since(&CloseReason::ALL) - answered - left - cut,
        })
    }

    /// Counts a connection's end.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.closes[reason as usize] += 1;
    }
}
