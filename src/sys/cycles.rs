//! The time within one turn by the processor's cycle counter, which costs a third of a clock
//! call. Interpolates from the last reading of the clock; never far from it.

#![allow(unsafe_code)] // The counter and the question whether it can be trusted are intrinsics.

use crate::clock::Moment;

/// Before so many nanoseconds have passed, the rate is not known well enough.
const BASELINE_MIN_NS: u64 = 10_000_000;

/// The rate is worked out anew after so many nanoseconds: 100 ms.
const RATE_AGE_MAX_NS: u64 = 100_000_000;

/// A turn longer than this, 1 s, asks the clock.
const LAP_MAX_NS: u64 = 1_000_000_000;

/// A reading of the clock and of the counter, taken together.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    moment: Moment,
    cycles: u64,
}

/// Cycles as nanoseconds, by the clock's own readings.
#[derive(Debug)]
pub(super) struct CycleClock {
    is_invariant: bool,
    first: Mark,
    last: Mark,
    rated: Moment,
    /// Nanoseconds a cycle, in units of 2^-32; 0 while unknown.
    rate: u64,
}

impl CycleClock {
    pub(super) fn new(now: Moment) -> CycleClock {
        let mark = Mark { moment: now, cycles: cycles() };
        CycleClock { is_invariant: is_invariant(), first: mark, last: mark, rated: now, rate: 0 }
    }

    /// Notes a reading of the clock: the base of the laps that follow.
    #[inline]
    pub(super) fn mark(&mut self, now: Moment) {
        if !self.is_invariant {
            return;
        }
        self.last = Mark { moment: now, cycles: cycles() };
        if self.rate == 0 || now.nanos_since(self.rated) > RATE_AGE_MAX_NS {
            self.work_out_rate();
        }
    }

    fn work_out_rate(&mut self) {
        let nanos = self.last.moment.nanos_since(self.first.moment);
        let cycles = self.last.cycles.saturating_sub(self.first.cycles);
        if nanos >= BASELINE_MIN_NS && cycles > 0 {
            // 2^32 ns a cycle fit: the quotient is below 2^33 for any counter above 0.5 Hz.
            self.rate = ((u128::from(nanos) << 32) / u128::from(cycles)) as u64;
            self.rated = self.last.moment;
        }
    }

    /// The time, if it can be told from the last mark.
    #[inline]
    pub(super) fn lap(&self) -> Option<Moment> {
        if self.rate == 0 {
            return None;
        }
        let cycles = cycles().saturating_sub(self.last.cycles);
        let nanos = ((u128::from(cycles) * u128::from(self.rate)) >> 32) as u64;
        let moment = Moment::from_nanos(self.last.moment.as_nanos().wrapping_add(nanos));
        (nanos < LAP_MAX_NS).then_some(moment)
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn cycles() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it reads no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Whether the counter runs at one rate whatever the processor's frequency and sleep: leaf
/// 8000_0007h, EDX bit 8 (AMD manual volume 3, Intel manual volume 3 section 19.17.1).
#[cfg(target_arch = "x86_64")]
fn is_invariant() -> bool {
    use std::arch::x86_64::__cpuid;
    const ADVANCED_POWER: u32 = 0x8000_0007;
    #[allow(unused_unsafe)] // Safe from some version of the compiler on.
    // SAFETY: every x86-64 processor has the instruction.
    let leaf = |number| unsafe { __cpuid(number) };
    leaf(0x8000_0000).eax >= ADVANCED_POWER && leaf(ADVANCED_POWER).edx & (1 << 8) != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn cycles() -> u64 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn is_invariant() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn laps_lie_between_the_readings_of_the_clock_around_them() {
        let clock = Clock::new();
        let mut cycle_clock = CycleClock::new(clock.now());
        assert_eq!(cycle_clock.lap(), None, "the rate is not known yet");
        while clock.now().as_nanos() < 2 * BASELINE_MIN_NS {}
        for _ in 0..1000 {
            let before = clock.now();
            cycle_clock.mark(before);
            let lap = cycle_clock.lap();
            let after = clock.now();
            // A migrated or suspended machine may show a gap, which then says "ask the clock".
            if let Some(lap) = lap {
                assert!(lap >= before);
                // The rate of so short a baseline may be wrong by parts in a thousand.
                let slack = after.nanos_since(before) / 100 + 1_000;
                assert!(lap.nanos_since(after) <= slack, "{lap:?} after {after:?}");
            }
        }
    }

    #[test]
    fn a_counter_that_cannot_be_trusted_is_never_asked() {
        let mut clock = CycleClock::new(Moment::default());
        clock.is_invariant = false;
        clock.mark(Moment::from_nanos(10 * BASELINE_MIN_NS));
        assert_eq!(clock.lap(), None);
    }
}
