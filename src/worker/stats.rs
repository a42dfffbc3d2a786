//! What one worker counts and measures: plain counters and a histogram, with one writer.
//! Knows nothing of how they are shown.

use hdrhistogram::Histogram;

use crate::limits::{LATENCY_DIGITS, LATENCY_MAX_NS};
use crate::proto::{CloseReason, Tally};
use crate::report::merged;

/// Samples after which the compact counts are folded into the wide ones.
const FOLD_SAMPLES: u64 = 1 << 31;

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
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes the kernel took.
    pub bytes_sent: u64,
    /// Ended connections, indexed by [`CloseReason`].
    pub closes: [u64; CloseReason::ALL.len()],
    /// Turns of the loop.
    pub turns: u64,
    recent: Histogram<u32>,
    folded: Option<Histogram<u64>>,
    recent_samples: u64,
}

impl Stats {
    /// Figures at zero for an application of `routes` routes.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants that it takes.
    pub fn new(routes: usize) -> Stats {
        Stats {
            tally: Tally::new(routes),
            accepted: 0,
            accept_aborted: 0,
            accept_exhausted: 0,
            accept_failed: 0,
            table_full: 0,
            bytes_received: 0,
            bytes_sent: 0,
            closes: [0; CloseReason::ALL.len()],
            turns: 0,
            recent: Histogram::new_with_bounds(1, LATENCY_MAX_NS, LATENCY_DIGITS)
                .expect("the bounds are constants that the histogram takes"),
            folded: None,
            recent_samples: 0,
        }
    }

    /// Counts a connection's end.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.closes[reason as usize] += 1;
    }

    /// Records the service time in nanoseconds of `answers` answers that the kernel took together.
    #[inline]
    pub(super) fn record(&mut self, service_ns: u64, answers: u64) {
        if answers == 0 {
            return;
        }
        self.recent.saturating_record_n(service_ns.max(1), answers as u32);
        self.recent_samples += answers;
        if self.recent_samples >= FOLD_SAMPLES {
            self.fold();
        }
    }

    /// Moves the compact counts into the wide ones, before any could be full.
    #[cold]
    fn fold(&mut self) {
        self.folded = Some(self.service_times());
        self.recent.reset();
        self.recent_samples = 0;
    }

    /// Service times in nanoseconds: from the moment the turn saw a request's last bytes to the
    /// moment the kernel took its answer.
    pub fn service_times(&self) -> Histogram<u64> {
        let recent = merged([&self.recent]);
        self.folded.as_ref().map_or(recent.clone(), |folded| merged([folded, &recent]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_loses_no_sample() {
        let mut stats = Stats::new(0);
        stats.record(5_000, 3);
        stats.fold();
        stats.record(600 * LATENCY_MAX_NS, 2);
        let times = stats.service_times();
        assert_eq!(times.len(), 5);
        assert_eq!(times.value_at_quantile(0.5) / 10, 500);
        assert!(times.max() >= LATENCY_MAX_NS, "beyond the bound it saturates");
    }
}
