//! Durations as they are recorded: compact counts that never overflow, for whole requests and for
//! each of their stages. Knows nothing of clocks, nor of who records.

use arrayvec::ArrayVec;
use hdrhistogram::Histogram;

use super::merge::merged;
use crate::limits::{LATENCY_DIGITS, LATENCY_MAX_NS, STAGE_DIGITS};

/// Samples after which the compact counts are folded into the wide ones.
const FOLD_SAMPLES: u64 = 1 << 31;

/// Samples that wait to be counted. A place in a histogram is rarely in the cache: the misses of
/// as many samples as these overlap, and one between two requests is waited for.
const PENDING_MAX: usize = 32;

/// Durations in nanoseconds, recorded by one writer.
#[derive(Clone, Debug)]
pub struct Timings {
    recent: Histogram<u32>,
    folded: Option<Histogram<u64>>,
    recent_samples: u64,
    /// Durations that are not in `recent` yet, and how many times each.
    pending: ArrayVec<(u64, u64), PENDING_MAX>,
}

impl Timings {
    /// None yet; values will be told apart to so many significant digits.
    ///
    /// # Panics
    /// If the histogram does not take so many digits: 0 to 5.
    pub fn new(digits: u8) -> Timings {
        Timings {
            recent: Histogram::new_with_bounds(1, LATENCY_MAX_NS, digits)
                .expect("the bounds are constants that the histogram takes"),
            folded: None,
            recent_samples: 0,
            pending: ArrayVec::new_const(),
        }
    }

    /// Records `nanos` so many times.
    #[inline]
    pub fn record(&mut self, nanos: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.pending.push((nanos, times));
        if self.pending.is_full() {
            self.count_pending();
        }
    }

    #[inline(never)]
    fn count_pending(&mut self) {
        for (nanos, times) in std::mem::take(&mut self.pending) {
            self.recent.saturating_record_n(nanos.max(1), times as u32);
            self.recent_samples += times;
            if self.recent_samples >= FOLD_SAMPLES {
                self.fold();
            }
        }
    }

    /// Moves the compact counts into the wide ones, before any could be full.
    #[cold]
    fn fold(&mut self) {
        self.folded = Some(self.counted());
        self.recent.reset();
        self.recent_samples = 0;
    }

    fn counted(&self) -> Histogram<u64> {
        let recent = merged([&self.recent]);
        self.folded.as_ref().map_or(recent.clone(), |folded| merged([folded, &recent]))
    }

    /// Everything that was recorded.
    pub fn whole(&self) -> Histogram<u64> {
        if self.pending.is_empty() {
            return self.counted();
        }
        // Counted as all others are, so that it does not matter when somebody asks.
        let mut all = self.clone();
        all.count_pending();
        all.counted()
    }
}

/// What a request goes through in the server, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the kernel's receipt of the bytes to the begin of the turn that saw them.
    KernelQueue,
    /// From there to the moment the worker began with their connection: other connections of the
    /// same turn are served before it.
    LoopWait,
    /// From the end of the call that received them, or of the handler before, to the begin of the
    /// handler.
    Parse,
    /// The handler's call.
    Handler,
    /// The call that hands the answers to the kernel.
    Write,
}

impl Stage {
    /// All of them in their order.
    pub const ALL: [Stage; 5] =
        [Stage::KernelQueue, Stage::LoopWait, Stage::Parse, Stage::Handler, Stage::Write];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::KernelQueue => "kernel_queue",
            Stage::LoopWait => "loop_wait",
            Stage::Parse => "parse",
            Stage::Handler => "handler",
            Stage::Write => "write",
        }
    }
}

/// What one worker recorded of its requests.
#[derive(Clone, Debug)]
pub struct Latencies {
    service_time: Timings,
    stages: [Timings; Stage::ALL.len()],
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            service_time: Timings::new(LATENCY_DIGITS),
            stages: Stage::ALL.map(|_| Timings::new(STAGE_DIGITS)),
        }
    }
}

impl Latencies {
    /// Records the service time of `answers` answers that the kernel took together.
    #[inline]
    pub fn serve(&mut self, nanos: u64, answers: u64) {
        self.service_time.record(nanos, answers);
    }

    /// Records that a stage took so long.
    #[inline]
    pub fn record(&mut self, stage: Stage, nanos: u64) {
        self.stages[stage as usize].record(nanos, 1);
    }

    /// Service times in nanoseconds: from the moment the turn saw a request's last bytes to the
    /// moment the kernel took its answer.
    pub fn service_times(&self) -> Histogram<u64> {
        self.service_time.whole()
    }

    /// The service times of several workers in nanoseconds, and the times of each stage by its
    /// name.
    pub fn together(all: &[&Latencies]) -> (Histogram<u64>, Vec<(&'static str, Histogram<u64>)>) {
        let of = |part: &dyn Fn(&Latencies) -> Histogram<u64>| {
            let parts: Vec<_> = all.iter().map(|one| part(one)).collect();
            merged(&parts)
        };
        let stages = Stage::ALL.map(|stage| (stage.name(), of(&|one| one.stage(stage))));
        (of(&Latencies::service_times), stages.into())
    }

    /// The times of one stage in nanoseconds.
    pub fn stage(&self, stage: Stage) -> Histogram<u64> {
        self.stages[stage as usize].whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_loses_no_sample() {
        let mut timings = Timings::new(LATENCY_DIGITS);
        timings.record(5_000, 3);
        timings.count_pending();
        timings.fold();
        timings.record(600 * LATENCY_MAX_NS, 2);
        let times = timings.whole();
        assert_eq!(times.len(), 5);
        assert_eq!(times.value_at_quantile(0.5) / 10, 500);
        assert!(times.max() >= LATENCY_MAX_NS, "beyond the bound it saturates");
    }

    #[test]
    fn what_was_recorded_is_there_at_once_and_once() {
        let mut timings = Timings::new(LATENCY_DIGITS);
        for count in 1..=3 * PENDING_MAX as u64 {
            timings.record(count, 2);
            timings.record(7_000, 0);
            let times = timings.whole();
            assert_eq!((times.len(), times.max(), times.min()), (2 * count, count, 1));
            assert_eq!(times.count_at(count), 2);
        }
    }

    #[test]
    fn samples_that_fill_the_compact_counts_are_folded_and_none_is_lost() {
        let mut timings = Timings::new(LATENCY_DIGITS);
        let many = FOLD_SAMPLES - 1;
        for _ in 0..2 * PENDING_MAX {
            timings.record(5, many);
        }
        assert_eq!(timings.whole().count_at(5), 2 * PENDING_MAX as u64 * many);
    }

    #[test]
    fn each_stage_has_its_own_times() {
        let mut latencies = Latencies::default();
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, index);
            latencies.record(stage, 10 * (index as u64 + 1));
        }
        latencies.serve(150, 2);
        assert_eq!(Stage::ALL.map(|stage| latencies.stage(stage).max()), [10, 20, 30, 40, 50]);
        assert_eq!(latencies.service_times().len(), 2);
    }
}
