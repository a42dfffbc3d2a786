//! What one worker counts and measures: plain counters and histograms, with one writer.
//! Knows nothing of how they are shown.

use crate::proto::{CloseReason, Tally};
use crate::report::Latencies;

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
    /// Turns of the loop.
    pub turns: u64,
    /// What requests and their stages took.
    pub latencies: Latencies,
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
            given: 0,
            taken: 0,
            bytes_received: 0,
            bytes_sent: 0,
            closes: [0; CloseReason::ALL.len()],
            turns: 0,
            latencies: Latencies::default(),
        }
    }

    /// Counts a connection's end.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.closes[reason as usize] += 1;
    }
}
