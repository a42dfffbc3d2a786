//! How loaded a simulated worker is: how long its turns take, how long what it receives is said to
//! have waited, and so what it may turn away. Knows no HTTP and no connection but its number.

use std::time::Duration;

use corelane::Settings;
use corelane::clock::Moment;

use crate::random::Random;

/// Waits that were too long, of which a worker needs one before it looks, and then four.
const SAMPLES_MIN: u32 = 5;

/// A rest that a worker sees.
const REST: Duration = Duration::from_millis(1);

/// What was said last of how long a request has waited: at most so long.
#[derive(Clone, Copy, Debug)]
struct Told {
    client: usize,
    most: Duration,
}

/// What keeps a worker busy.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) random: Random,
    pub(crate) is_on: bool,
    target: Duration,
    interval: Duration,
    /// Clients do not let it rest, and their requests wait so long.
    level: Option<Duration>,
    /// What this turn has taken so far.
    busy: Duration,
    told: Option<Told>,
    /// Waits above the target since it rested last, and when the first was told.
    long: u32,
    long_since: Moment,
}

impl Load {
    pub(crate) fn new(random: Random, is_on: bool, settings: &Settings) -> Load {
        Load {
            random,
            is_on,
            target: settings.overload_delay.unwrap_or_default(),
            interval: settings.overload_interval,
            level: None,
            busy: Duration::ZERO,
            told: None,
            long: 0,
            long_since: Moment::default(),
        }
    }

    /// Whether clients do something before the worker can rest.
    pub(crate) fn is_pressed(&self) -> bool {
        self.level.is_some()
    }

    /// For how long mail may lie while others have their turn.
    pub(crate) fn mail_delay(&self) -> Duration {
        Duration::from_millis(if self.is_on { 300 } else { 20 })
    }

    /// The worker looks at the time, after it did something for so long. Returns what its turn has
    /// taken.
    pub(crate) fn lap(&mut self, time: Duration) -> Duration {
        if !self.is_on {
            return time;
        }
        let target = self.target.as_micros() as usize;
        let most = self.random.pick(&[1, 30, 300, target, 2 * target]);
        self.busy += time + Duration::from_micros(self.random.below(most) as u64);
        self.busy
    }

    /// The turn is over. Returns what it has taken.
    pub(crate) fn end_turn(&mut self) -> Duration {
        self.told = None;
        if !self.is_on {
            return Duration::ZERO;
        }
        self.level = match self.level {
            Some(_) if self.random.one_in(200) => None,
            None if self.random.one_in(8) => {
                let percent = self.random.between(110, 600) as u32;
                Some(self.target * percent / 100)
            }
            level => level,
        };
        let busy = std::mem::take(&mut self.busy);
        busy + Duration::from_micros(self.random.below(300) as u64)
    }

    /// The worker had nothing to do for so long.
    pub(crate) fn rested(&mut self, time: Duration) {
        if time >= REST {
            self.long = 0;
        }
    }

    /// How long what was just received of `client` has waited, at `now`. Its last request was
    /// `served` then, before which the next did not wait for the worker.
    pub(crate) fn received_ago(
        &mut self,
        client: usize,
        now: Moment,
        served: Option<Moment>,
    ) -> Option<Duration> {
        if !self.is_on {
            return Some(Duration::ZERO);
        }
        self.told = None;
        if self.random.one_in(16) {
            return None;
        }
        let (least, most) = match self.level {
            Some(level) if !self.random.one_in(60) => (level, level * 11 / 10),
            _ => (Duration::ZERO, self.target * 2),
        };
        let nanos = self.random.between(least.as_nanos() as usize, most.as_nanos() as usize);
        let ago = Duration::from_nanos(nanos as u64);
        let lap = now + self.busy;
        let most = served.map_or(ago, |served| ago.min(lap - served));
        self.told = Some(Told { client, most });
        if ago > self.target {
            if self.long == 0 {
                self.long_since = now;
            }
            self.long += 1;
        }
        Some(ago)
    }

    /// The event is over of which a wait was told.
    pub(crate) fn forget(&mut self) {
        self.told = None;
    }

    /// What is wrong with turning a request of `client` away at `now`.
    pub(crate) fn fault(&self, client: usize, now: Moment) -> Option<String> {
        let Some(told) = self.told.filter(|told| told.client == client) else {
            return Some("whose wait was not asked for".to_owned());
        };
        if told.most <= self.target * 2 {
            return Some(format!("that waited {:?} of {:?}", told.most, self.target));
        }
        let since = now + self.busy - self.long_since;
        let is_overloaded = self.long >= SAMPLES_MIN && since >= self.interval;
        (!is_overloaded).then(|| format!("after {} long waits in {since:?}", self.long))
    }
}
