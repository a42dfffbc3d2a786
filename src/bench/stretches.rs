//! The stretches of time that a thread measures by: the warm-up, then a second each. Hands each
//! over with its figures when it has ended. Knows nothing of what is measured.

use std::sync::mpsc::Sender;
use std::time::Duration;

use super::figures::Figures;
use super::plan::Plan;
use crate::clock::Moment;
use crate::sys::thread_cpu_time;

/// What a thread measured in one stretch of time, the first of which is the warm-up.
pub(super) struct Stretch {
    pub(super) number: u32,
    pub(super) figures: Box<Figures>,
    /// Part of the time that was spent at work, 0 to 1: polling for the next moment is not.
    pub(super) busy: f64,
    pub(super) wall: Duration,
}

/// The stretches that are counted.
const STRETCH: Duration = Duration::from_secs(1);

pub(super) struct Stretches {
    /// Those of the stretch that goes on.
    pub(super) figures: Box<Figures>,
    /// From when on everything is counted, and until when.
    pub(super) counted_from: Moment,
    pub(super) end: Moment,
    number: u32,
    began: Moment,
    /// When the stretch that goes on ends.
    ends: Moment,
    cpu_before: Duration,
    spun: Duration,
    results: Sender<Stretch>,
}

impl Stretches {
    pub(super) fn new(plan: &Plan, begin: Moment, results: Sender<Stretch>) -> Stretches {
        let counted_from = begin + plan.warm_up;
        Stretches {
            figures: Box::default(),
            counted_from,
            end: counted_from + plan.duration,
            number: 0,
            began: begin,
            ends: counted_from,
            cpu_before: thread_cpu_time(),
            spun: Duration::ZERO,
            results,
        }
    }

    /// Whether what happens now belongs to the run and not to its warm-up.
    pub(super) fn is_counted(&self, now: Moment) -> bool {
        now >= self.counted_from && now < self.end
    }

    /// So much of the thread's processor time was spent polling.
    pub(super) fn spin(&mut self, time: Duration) {
        self.spun += time;
    }

    /// The next moment at which one ends, or never.
    pub(super) fn next_end(&self, now: Moment) -> Moment {
        if now < self.ends { self.ends } else { Moment::NEVER }
    }

    /// Hands over those that are over; the last one only at the very end, for what was due in it
    /// may be answered later.
    pub(super) fn end_due(&mut self, now: Moment) {
        while now >= self.ends && self.ends < self.end {
            self.end_one(now);
        }
    }

    /// Hands over the one that goes on.
    pub(super) fn end_one(&mut self, now: Moment) {
        let cpu = thread_cpu_time();
        let used = cpu.saturating_sub(self.cpu_before + std::mem::take(&mut self.spun));
        let passed = (now - self.began).as_secs_f64().max(f64::MIN_POSITIVE);
        let stretch = Stretch {
            number: self.number,
            figures: std::mem::take(&mut self.figures),
            busy: (used.as_secs_f64() / passed).min(1.0),
            wall: self.ends.min(now) - self.began,
        };
        // Nobody listens any more only where another thread has failed.
        let _ = self.results.send(stretch);
        self.cpu_before = cpu;
        self.number += 1;
        self.began = self.ends;
        self.ends = (self.ends + STRETCH).min(self.end);
    }
}
