//! Whether requests wait too long for this worker: a controlled delay after RFC 8289 (CoDel), for
//! requests instead of packets. Times go in as values; knows no kernel and no clock.

use std::time::Duration;

use crate::clock::Moment;
use crate::settings::Settings;

/// Waits sampled in an interval, if requests are that many.
const SAMPLES_PER_INTERVAL: u32 = 16;

/// Waits, all of them too long, that a verdict needs: fewer are one slow handler and its victims.
const SAMPLES_MIN: u32 = 4;

/// Without anything to do for so long, nothing can have been waiting.
const REST: Duration = Duration::from_millis(1);

/// A wait that gets shorter by this part of the time that passes goes away by itself: a pause
/// came before it, and less than three quarters of the worker's time are asked for.
const RECOVERY: u32 = 4;

/// What the waits of requests say of a worker.
#[derive(Debug)]
pub(super) struct Overload {
    /// Longest wait that is in order.
    target: Duration,
    interval: Duration,
    /// When the next wait is looked at.
    due: Moment,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The last wait was in order, or there was none.
    Calm,
    /// Every wait was too long since then, when it was `first`.
    Wary { since: Moment, first: Duration, samples: u32 },
    /// Since then, no wait was too long.
    Overloaded { since: Moment },
}

impl Overload {
    pub(super) fn new(settings: &Settings, now: Moment) -> Overload {
        Overload {
            target: settings.overload_delay.unwrap_or_default(),
            interval: settings.overload_interval,
            due: settings.overload_delay.map_or(Moment::NEVER, |_| now),
            state: State::Calm,
        }
    }

    /// Whether the wait of a request that is received now is to be told.
    #[inline]
    pub(super) fn is_due(&self, now: Moment) -> bool {
        now >= self.due
    }

    /// Whether the time without anything to do is to be told.
    #[inline]
    pub(super) fn is_watching(&self) -> bool {
        self.state != State::Calm
    }

    /// A request waited for so long. Returns whether it is to be turned away.
    ///
    /// That takes twice the target: what is younger is served, so under a lasting overload the
    /// waits stay between the two, and the end of it shows by waits below the target.
    pub(super) fn on_wait(&mut self, now: Moment, waited: Duration) -> bool {
        let is_long = waited > self.target;
        self.state = match self.state {
            State::Calm | State::Wary { .. } if !is_long => State::Calm,
            State::Calm => State::Wary { since: now, first: waited, samples: 1 },
            State::Wary { since, first, samples } => {
                let is_over = now - since >= self.interval && samples >= SAMPLES_MIN;
                match first.saturating_sub(waited) {
                    _ if !is_over => State::Wary { since, first, samples: samples + 1 },
                    less if less > (now - since) / RECOVERY => {
                        State::Wary { since: now, first: waited, samples: 1 }
                    }
                    _ => State::Overloaded { since: now },
                }
            }
            State::Overloaded { .. } if is_long => State::Overloaded { since: now },
            State::Overloaded { since } if now - since >= self.interval => State::Calm,
            overloaded @ State::Overloaded { .. } => overloaded,
        };
        let is_overloaded = matches!(self.state, State::Overloaded { .. });
        self.due = if is_overloaded { now } else { now + self.interval / SAMPLES_PER_INTERVAL };
        is_overloaded && waited > self.target * 2
    }

    /// The worker had nothing to do for so long.
    pub(super) fn on_rest(&mut self, time: Duration) {
        if time >= REST {
            self.state = State::Calm;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The default settings at time 0.
    fn overload() -> Overload {
        Overload::new(&Settings::default(), Moment::default())
    }

    fn at(millis: u64) -> Moment {
        Moment::default() + ms(millis)
    }

    /// Tells a wait every millisecond at which one is due. Returns when requests were turned away.
    fn run(
        overload: &mut Overload,
        times: std::ops::Range<u64>,
        wait: impl Fn(u64) -> u64,
    ) -> Vec<u64> {
        let told =
            |time: &u64| overload.is_due(at(*time)) && overload.on_wait(at(*time), ms(wait(*time)));
        times.filter(told).collect()
    }

    #[test]
    fn long_waits_are_turned_away_after_a_whole_interval_of_them() {
        let mut overload = overload();
        let away = run(&mut overload, 0..300, |_| 101);
        assert!((100..=107).contains(&away[0]), "{away:?}");
        assert_eq!(away.len() as u64, 300 - away[0], "each of them, from then on");
    }

    #[test]
    fn waits_below_twice_the_target_are_served_and_keep_the_overload_up() {
        let mut overload = overload();
        assert!(run(&mut overload, 0..10_000, |_| 99).is_empty());
        assert_eq!(run(&mut overload, 10_000..10_001, |_| 101), [10_000]);
    }

    #[test]
    fn one_wait_in_order_within_the_interval_is_enough_to_serve_all() {
        let mut overload = overload();
        assert!(
            run(&mut overload, 0..10_000, |time| if time % 90 < 8 { 50 } else { 900 }).is_empty()
        );
    }

    #[test]
    fn an_overload_ends_with_an_interval_without_long_waits() {
        let mut overload = overload();
        assert!(!run(&mut overload, 0..200, |_| 200).is_empty());
        run(&mut overload, 200..290, |_| 10);
        assert_eq!(run(&mut overload, 290..291, |_| 200), [290]);
        run(&mut overload, 291..400, |_| 10);
        assert!(run(&mut overload, 400..450, |_| 200).is_empty());
    }

    #[test]
    fn rest_ends_it_at_once() {
        let mut overload = overload();
        assert!(!run(&mut overload, 0..200, |_| 200).is_empty());
        overload.on_rest(Duration::from_micros(900));
        assert!(!run(&mut overload, 200..201, |_| 200).is_empty());
        overload.on_rest(REST);
        assert!(!overload.is_watching());
        assert!(run(&mut overload, 201..290, |_| 200).is_empty());
    }

    #[test]
    fn a_pause_of_any_length_sheds_nothing_while_the_waits_get_shorter() {
        for pause in [200, 1_000, 10_000] {
            let mut overload = overload();
            // Half of the time is asked for, so the waits shrink by half of what passes.
            assert!(
                run(&mut overload, 0..pause * 2, |time| pause - time / 2).is_empty(),
                "{pause}"
            );
        }
        // At nine tenths it would take too long.
        assert!(!run(&mut overload(), 0..2_000, |time| 1_000 - time / 10).is_empty());
    }

    #[test]
    fn a_few_slow_turns_are_no_overload() {
        let mut overload = overload();
        for turn in 0..4 {
            assert!(!overload.on_wait(at(turn * 300), ms(300)));
        }
        overload.on_rest(REST);
        assert!(!overload.is_watching());
    }

    #[test]
    fn without_a_target_nothing_is_asked() {
        let settings = Settings { overload_delay: None, ..Settings::default() };
        let overload = Overload::new(&settings, Moment::default());
        assert!(!overload.is_due(at(1 << 40)));
    }
}
