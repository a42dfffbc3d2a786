//! Until when bytes that came then may have their next: by the slowest of all windows of time,
//! where a worker keeps one moment. Knows neither bytes nor who sends them.

use std::time::Duration;

use corelane::clock::Moment;

/// When how many bytes came.
#[derive(Debug, Default)]
pub(crate) struct Pace(Vec<(Moment, usize)>);

impl Pace {
    pub(crate) fn begin(&mut self) {
        self.0.clear();
    }

    pub(crate) fn add(&mut self, now: Moment, bytes: usize) {
        if bytes > 0 {
            self.0.push((now, bytes));
        }
    }

    /// Whether anything came.
    pub(crate) fn has_begun(&self) -> bool {
        !self.0.is_empty()
    }

    /// When it is too slow, if nothing more comes: when there is a window from `since` on that
    /// has lasted `time` longer than its bytes may take. At rate 0, each takes as long as it may.
    pub(crate) fn due(&self, since: Moment, time: Duration, rate: u32) -> Moment {
        let (mut due, mut bytes) = (Moment::NEVER, 0);
        for (at, len) in self.0.iter().rev().take_while(|(at, _)| *at >= since) {
            due = due.min(*at + time + worth(bytes, rate));
            bytes += len;
        }
        due.min(since + time + worth(bytes, rate))
    }
}

/// How long so many bytes may take.
fn worth(bytes: usize, rate: u32) -> Duration {
    match rate {
        0 if bytes > 0 => Duration::MAX,
        0 => Duration::ZERO,
        rate => Duration::from_nanos(bytes as u64 * 1_000_000_000 / u64::from(rate)),
    }
}
