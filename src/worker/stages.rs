//! Takes the times of a request's stages: of every request what costs nothing, of a few that are
//! drawn by lot all of it. Knows nothing of how the times are shown.

use std::io;

use super::Worker;
use crate::api::{Handler, Timing};
use crate::clock::{Clock, Moment};
use crate::proto::Laps;
use crate::report::{Latencies, Stage};
use crate::sys::Kernel;

/// Chooses what is sampled: one in so many on average, at gaps that are drawn by lot, so that no
/// rhythm of the load is in step with them.
#[derive(Debug)]
pub(super) struct Lot {
    /// 0: never.
    one_in: u32,
    left: u32,
    seed: u64,
}

impl Lot {
    pub(super) fn new(one_in: u32, worker: usize) -> Lot {
        // Any seed but 0 will do.
        let mut lot = Lot { one_in, left: 0, seed: 0x9E37_79B9_7F4A_7C15 ^ worker as u64 };
        lot.draw();
        lot
    }

    /// Whether it is this one's turn.
    #[inline]
    pub(super) fn is_drawn(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        self.draw();
        self.one_in > 0
    }

    /// A gap of 0 to twice the mean.
    #[cold]
    fn draw(&mut self) {
        // Marsaglia's xorshift with 64 bits.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let gaps = 2 * u64::from(self.one_in.saturating_sub(1)) + 1;
        self.left = if self.one_in == 0 { u32::MAX } else { (self.seed % gaps) as u32 };
    }
}

/// What is to be known of the requests of one event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    /// When their connection was reported.
    since: Moment,
    /// When the worker had received of it.
    began: Moment,
    /// Whether their stages are recorded, and not only told their clients.
    pub(super) is_sampled: bool,
}

/// Takes the laps of the requests of one event.
pub(super) struct RequestLaps<'a, K> {
    kernel: &'a mut K,
    latencies: &'a mut Latencies,
    /// There if clients are told.
    clock: Option<Clock>,
    watched: Watched,
    last: Moment,
}

impl<'a, K: Kernel> RequestLaps<'a, K> {
    pub(super) fn new(
        kernel: &'a mut K,
        latencies: &'a mut Latencies,
        clock: Option<Clock>,
        watched: Watched,
    ) -> RequestLaps<'a, K> {
        RequestLaps { kernel, latencies, clock, watched, last: watched.began }
    }

    /// Ends a stage now. Returns how long it took.
    fn end(&mut self, stage: Stage) -> u64 {
        let now = self.kernel.lap();
        let nanos = now.nanos_since(self.last);
        self.last = now;
        if self.watched.is_sampled {
            self.latencies.record(stage, nanos);
        }
        nanos
    }
}

impl<K: Kernel> Laps for RequestLaps<'_, K> {
    fn parsed(&mut self) -> Option<Timing> {
        let wait = self.last.nanos_since(self.watched.since);
        let parse = self.end(Stage::Parse);
        self.clock.map(|clock| Timing::new(clock, wait, parse))
    }

    fn handled(&mut self) {
        self.end(Stage::Handler);
    }
}

/// Receives of a connection that was reported at `since`, with the time that the bytes had waited
/// in the kernel by then.
#[cold]
pub(super) fn receive_sampled<K: Kernel>(
    kernel: &mut K,
    stream: &K::Stream,
    space: &mut [u8],
    since: Moment,
    latencies: &mut Latencies,
) -> io::Result<usize> {
    let (len, ago) = kernel.receive_stamped(stream, space)?;
    if let Some(ago) = ago {
        let waited = ago.saturating_sub(kernel.lap() - since);
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        latencies.record(Stage::KernelQueue, nanos);
    }
    Ok(len)
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// The worker begins with what it received of a connection that was reported at `since`.
    #[inline]
    pub(super) fn begin_stages(&mut self, since: Moment, is_sampled: bool) {
        self.stats.latencies.record(Stage::LoopWait, self.lap.nanos_since(since));
        if is_sampled || self.parts.settings.server_timing {
            self.watched = Some(Watched { since, began: self.kernel.lap(), is_sampled });
        }
    }

    /// What is to be known of the requests of an event that is about to be handled.
    #[inline]
    pub(super) fn take_watched(&mut self) -> Option<Watched> {
        if self.watched.is_none() && self.parts.settings.server_timing {
            let began = self.kernel.lap();
            return Some(Watched { since: began, began, is_sampled: false });
        }
        self.watched.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_draws_one_in_so_many_at_uneven_gaps() {
        for one_in in [1, 2, 64] {
            let mut lot = Lot::new(one_in, 3);
            let drawn: Vec<u32> = (0..64_000).filter(|_| lot.is_drawn()).collect();
            let expected = 64_000 / one_in as usize;
            assert!(drawn.len().abs_diff(expected) <= expected / 10, "{one_in}: {}", drawn.len());
            let mut gaps: Vec<u32> = drawn.windows(2).map(|pair| pair[1] - pair[0]).collect();
            gaps.sort_unstable();
            gaps.dedup();
            assert_eq!(gaps.len(), 2 * one_in as usize - 1, "every gap comes up");
        }
    }

    #[test]
    fn a_lot_of_none_draws_nothing() {
        let mut lot = Lot::new(0, 0);
        lot.left = 1;
        assert!((0..10).all(|_| !lot.is_drawn()));
    }
}
