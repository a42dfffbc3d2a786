//! The time, read once a turn and passed down as a value. The only place that reads a clock.

use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock, in nanoseconds since its [`Clock`] was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Later than every moment that is ever reached.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment `nanos` nanoseconds after the clock was made.
    pub const fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    /// Nanoseconds since the clock was made.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// Nanoseconds from `earlier` to this moment; zero if `earlier` is later.
    #[inline]
    pub const fn nanos_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment in steps of 67 ms, in half the space; nine years are as good as never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoarseMoment(u32);

impl CoarseMoment {
    const STEP_BITS: u32 = 26;

    /// The last step at or before `moment`.
    pub fn before(moment: Moment) -> CoarseMoment {
        CoarseMoment(u32::try_from(moment.0 >> Self::STEP_BITS).unwrap_or(u32::MAX))
    }

    /// Where it lies.
    #[inline]
    pub const fn moment(self) -> Moment {
        if self.0 == u32::MAX { Moment::NEVER } else { Moment((self.0 as u64) << Self::STEP_BITS) }
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// Saturates at [`Moment::NEVER`].
    #[inline]
    fn add(self, duration: Duration) -> Moment {
        // In 64 bits: this is on the path of every request.
        let whole = duration.as_secs().saturating_mul(1_000_000_000);
        let nanos = whole.saturating_add(u64::from(duration.subsec_nanos()));
        Moment(self.0.saturating_add(nanos))
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Moment) -> Duration {
        self.since(earlier)
    }
}

/// The process's clocks: monotonic for durations, wall clock for `Date`.
///
/// Copies share their origin, so moments of different workers compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// The monotonic time.
    pub fn now(&self) -> Moment {
        let elapsed = self.origin.elapsed();
        // 584 years fit.
        Moment(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()))
    }

    /// Time since 1970-01-01 UTC by the wall clock; zero if it stands before that.
    pub fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Whole seconds of that.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_time().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_never_goes_below_its_origin_nor_above_never() {
        let early = Moment::from_nanos(5);
        let late = Moment::from_nanos(9);
        assert_eq!(late - early, Duration::from_nanos(4));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(Moment::NEVER + Duration::from_secs(1), Moment::NEVER);
        assert_eq!(early + Duration::MAX, Moment::NEVER);
    }

    #[test]
    fn a_coarse_moment_is_at_most_a_step_before_its_moment_and_never_stays_never() {
        for nanos in [0, 66_999_999, 67_108_864, 123_456_789_012_345] {
            let moment = Moment::from_nanos(nanos);
            let coarse = CoarseMoment::before(moment).moment();
            assert!(coarse <= moment && moment - coarse < Duration::from_millis(68), "{nanos}");
        }
        assert_eq!(CoarseMoment::before(Moment::NEVER).moment(), Moment::NEVER);
    }

    #[test]
    fn copies_of_a_clock_share_their_origin() {
        let clock = Clock::new();
        let copy = clock;
        let first = clock.now();
        assert!(copy.now() >= first);
    }
}
