//! Where a server is in its life, for those who ask whether it is ready.
//! Knows nothing of who asks.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not every worker serves yet.
    Starting,
    /// All serve.
    Ready,
    /// All serve, and nobody should come any more.
    LameDuck,
    /// No connection is accepted any more.
    Draining,
}

impl Phase {
    pub(super) const ALL: [Phase; 4] =
        [Phase::Starting, Phase::Ready, Phase::LameDuck, Phase::Draining];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::LameDuck => "lame duck",
            Phase::Draining => "draining",
        }
    }
}

/// The present phase. There is no way back.
#[derive(Debug, Default)]
pub(super) struct Life(AtomicU8);

impl Life {
    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Enters a phase, unless a later one has begun.
    pub(super) fn enter(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_one_way() {
        let life = Life::default();
        assert_eq!(life.phase(), Phase::Starting);
        for (entered, then) in [
            (Phase::Ready, Phase::Ready),
            (Phase::Draining, Phase::Draining),
            (Phase::LameDuck, Phase::Draining),
            (Phase::Ready, Phase::Draining),
        ] {
            life.enter(entered);
            assert_eq!(life.phase(), then);
        }
    }
}
