//! Whether the next wait is spent polling: waking from a blocked wait is dearer than most work, so
//! what is about to come is better awaited awake. Knows no descriptors and no clock.

use std::time::Duration;

/// Decides by how long the last waits were.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// How long to poll at most, in nanoseconds; 0: never.
    most: u64,
    /// How long waits have lately been, in nanoseconds.
    gap: u64,
}

/// One wait counts as at most so many times the longest poll, so that a pause is forgotten after
/// some short waits.
const GAP_MAX: u64 = 4;

/// The part that the last wait has in the average.
const LAST: u64 = 8;

impl BusyPoll {
    /// Polls for at most this long; for zero, never.
    pub(super) fn new(most: Duration) -> BusyPoll {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX / GAP_MAX);
        BusyPoll { most, gap: most * GAP_MAX }
    }

    #[inline]
    pub(super) fn is_off(&self) -> bool {
        self.most == 0
    }

    /// How long to poll before the next wait blocks; zero where nothing is likely to come by then,
    /// so that an idle server uses no processor time.
    pub(super) fn budget(&self) -> Duration {
        if self.gap <= self.most { Duration::from_nanos(self.most) } else { Duration::ZERO }
    }

    /// A wait took so long.
    pub(super) fn waited(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let last = nanos.min(self.most * GAP_MAX);
        self.gap = (self.gap * (LAST - 1) + last) / LAST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_micros(50);

    fn after(waits: &[(usize, u64)]) -> Duration {
        let mut poll = BusyPoll::new(MOST);
        for (count, micros) in waits {
            (0..*count).for_each(|_| poll.waited(Duration::from_micros(*micros)));
        }
        poll.budget()
    }

    #[test]
    fn what_comes_soon_is_awaited_awake() {
        assert_eq!(after(&[]), Duration::ZERO, "nothing is known yet");
        assert_eq!(after(&[(20, 20)]), MOST);
        assert_eq!(after(&[(100, 60)]), Duration::ZERO, "it would not come by then");
    }

    #[test]
    fn an_idle_server_sleeps() {
        assert_eq!(after(&[(100, 10), (1, 1_000_000)]), MOST, "one pause is no rest");
        assert_eq!(after(&[(100, 10), (3, 1_000_000)]), Duration::ZERO);
    }

    #[test]
    fn a_long_rest_is_forgotten_as_soon_as_a_short_one() {
        for rest in [1_000, u64::from(u32::MAX)] {
            assert_eq!(after(&[(1_000, rest), (10, 10)]), Duration::ZERO);
            assert_eq!(after(&[(1_000, rest), (14, 10)]), MOST);
        }
    }

    #[test]
    fn who_is_told_not_to_poll_never_does() {
        let mut poll = BusyPoll::new(Duration::ZERO);
        assert!(poll.is_off());
        (0..100).for_each(|_| poll.waited(Duration::ZERO));
        assert_eq!(poll.budget(), Duration::ZERO);
    }
}
