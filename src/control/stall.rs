//! Whether a worker's turn lasts too long, from what its pulse showed at different moments.
//! Knows no threads and no clock, and tells nobody.

use std::time::Duration;

use crate::api::{Beat, Place};
use crate::clock::Moment;

/// What is known of one worker's present turn.
#[derive(Debug)]
pub(super) struct Watch {
    stall_time: Duration,
    turn: Option<Turn>,
    /// Handlers called when it was last looked at.
    calls: u32,
    /// Whether any was between the last two looks.
    is_busy: bool,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    began: Moment,
    /// Handlers called when the turn was first seen.
    calls: u32,
    is_stalled: bool,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The turn has lasted too long. Found once a turn.
    Stalled {
        /// What is at work.
        place: Place,
        /// Whether nothing else was since the turn was first seen.
        is_one_call: bool,
        lasted: Duration,
    },
    /// A turn that was found stalled has ended, at most the time between two looks ago.
    Over { lasted: Duration },
}

impl Watch {
    pub(super) fn new(stall_time: Duration) -> Watch {
        Watch { stall_time, turn: None, calls: 0, is_busy: false }
    }

    /// Takes note of what a worker's pulse shows. Who `was_held_up` before the look calls no turn
    /// stalled that may have stood still for the same reason; the next look does.
    pub(super) fn look(&mut self, now: Moment, beat: Beat, was_held_up: bool) -> Option<Finding> {
        let Beat { began, calls, place } = beat;
        self.is_busy = calls != self.calls;
        self.calls = calls;
        if let Some(turn) = &mut self.turn
            && Some(turn.began) == began
        {
            let lasted = now - turn.began;
            if turn.is_stalled || was_held_up || lasted < self.stall_time {
                return None;
            }
            turn.is_stalled = true;
            let is_one_call = turn.calls == calls;
            return Some(Finding::Stalled { place, is_one_call, lasted });
        }
        let next = began.map(|began| Turn { began, calls, is_stalled: false });
        let last = std::mem::replace(&mut self.turn, next)?;
        let ended = began.unwrap_or(now).min(now);
        last.is_stalled.then(|| Finding::Over { lasted: ended - last.began })
    }

    /// When to look again: after `interval`, or when the turn will have lasted too long. `None`
    /// if the worker waits, and has done nothing since the look before.
    pub(super) fn due(&self, now: Moment, interval: Duration) -> Option<Duration> {
        let Some(turn) = self.turn else { return self.is_busy.then_some(interval) };
        let left = (turn.began + self.stall_time) - now;
        Some(if turn.is_stalled || left.is_zero() { interval } else { interval.min(left) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_TIME: Duration = Duration::from_millis(75);
    const ROUTE: Place = Place::Route(4);

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn beat(began: u64, calls: u32) -> Beat {
        Beat { began: Some(at(began)), calls, place: ROUTE }
    }

    const REST: Beat = Beat { began: None, calls: 9, place: Place::Outside };

    fn stalled(is_one_call: bool, millis: u64) -> Finding {
        let lasted = Duration::from_millis(millis);
        Finding::Stalled { place: ROUTE, is_one_call, lasted }
    }

    fn over(millis: u64) -> Finding {
        Finding::Over { lasted: Duration::from_millis(millis) }
    }

    #[test]
    fn a_turn_that_lasts_is_found_once_and_its_end_too() {
        let mut watch = Watch::new(STALL_TIME);
        assert_eq!(watch.look(at(1_000), REST, false), None);
        assert_eq!(watch.look(at(1_030), beat(1_010, 1), false), None);
        assert_eq!(watch.look(at(1_084), beat(1_010, 1), false), None);
        assert_eq!(watch.look(at(1_085), beat(1_010, 1), false), Some(stalled(true, 75)));
        assert_eq!(watch.look(at(1_200), beat(1_010, 1), false), None);
        assert_eq!(watch.look(at(1_300), REST, false), Some(over(290)));
        assert_eq!(watch.look(at(1_400), REST, false), None);
    }

    #[test]
    fn turns_that_follow_each_other_are_no_stall() {
        let mut watch = Watch::new(STALL_TIME);
        for turn in 0..100 {
            let began = 1_000 + 37 * turn;
            assert_eq!(watch.look(at(began + 36), beat(began, turn as u32), false), None);
        }
    }

    #[test]
    fn one_long_call_is_told_from_many_short_ones() {
        let mut watch = Watch::new(STALL_TIME);
        watch.look(at(1_030), beat(1_000, 1), false);
        assert_eq!(watch.look(at(1_080), beat(1_000, 700), false), Some(stalled(false, 80)));
    }

    #[test]
    fn the_next_turn_says_when_the_last_had_ended() {
        let mut watch = Watch::new(STALL_TIME);
        watch.look(at(1_030), beat(1_000, 1), false);
        watch.look(at(1_080), beat(1_000, 1), false);
        assert_eq!(watch.look(at(1_500), beat(1_444, 2), false), Some(over(444)));
        assert_eq!(watch.look(at(1_525), beat(1_444, 2), false), Some(stalled(true, 81)));
    }

    #[test]
    fn while_the_whole_machine_stands_still_no_worker_is_blamed() {
        let mut watch = Watch::new(STALL_TIME);
        watch.look(at(1_030), beat(1_000, 1), false);
        assert_eq!(watch.look(at(9_000), beat(1_000, 1), true), None);
        assert_eq!(watch.look(at(9_037), beat(1_000, 1), false), Some(stalled(true, 8_037)));
    }

    #[test]
    fn a_look_is_due_in_time_for_the_stall() {
        let mut watch = Watch::new(STALL_TIME);
        let interval = STALL_TIME / 2;
        assert_eq!(watch.due(at(900), interval), None);
        watch.look(at(900), REST, false);
        assert_eq!(watch.due(at(900), interval), Some(interval), "it was busy");
        watch.look(at(1_000), REST, false);
        assert_eq!(watch.due(at(1_000), interval), None, "it rests");
        watch.look(at(1_010), beat(1_000, 1), false);
        assert_eq!(watch.due(at(1_010), interval), Some(interval));
        assert_eq!(watch.due(at(1_070), interval), Some(Duration::from_millis(5)));
        watch.look(at(1_075), beat(1_000, 1), false);
        assert_eq!(watch.due(at(1_075), interval), Some(interval));
    }
}
