//! When the requests of an open loop are due: at fixed moments, dealt out to the threads in turn.
//! Knows nothing of what becomes of them.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use std::time::Duration;

use crate::clock::Moment;

/// The part of one thread: the requests `thread`, `thread + threads`, … of the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    begin: Moment,
    rate: f64,
    threads: u64,
    /// The next request of this thread among those of all.
    next: u64,
}

impl Schedule {
    pub(super) fn new(begin: Moment, rate: f64, thread: usize, threads: usize) -> Schedule {
        Schedule { begin, rate, threads: threads as u64, next: thread as u64 }
    }

    /// When the next request is due.
    pub(super) fn due(&self) -> Moment {
        // From its number and not from the one before, so that no error adds up.
        self.begin + Duration::from_secs_f64(self.next as f64 / self.rate)
    }

    /// The next request was taken.
    pub(super) fn take(&mut self) {
        self.next += self.threads;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_moments_of_the_whole() {
        let begin = Moment::from_nanos(1_000);
        let mut threads = [0, 1, 2].map(|thread| Schedule::new(begin, 1e6, thread, 3));
        for number in 0..30 {
            let schedule = &mut threads[number % 3];
            assert_eq!(schedule.due().as_nanos(), 1_000 + number as u64 * 1_000);
            schedule.take();
        }
    }

    #[test]
    fn an_hour_at_an_odd_rate_drifts_by_nothing() {
        let mut schedule = Schedule::new(Moment::default(), 3.0, 0, 1);
        (0..3 * 3_600).for_each(|_| schedule.take());
        assert_eq!(schedule.due().as_nanos(), 3_600 * 1_000_000_000);
    }
}
