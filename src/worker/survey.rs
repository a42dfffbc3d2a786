//! Tells who asks what the worker has counted, and what each of its connections is at.
//! Knows nothing of who asks.

use std::sync::Arc;

use super::Worker;
use super::connection::{Connection, Stage};
use crate::api::{Ask, Handler, Told, Wanted};
use crate::limits::SURVEY_SLOTS;
use crate::proto::http1::Reading;
use crate::report::{ConnectionState, Counts, StateCounts};
use crate::sys::{self, Kernel};

/// A count of connections under way: a part of the table in each turn, so that no request waits
/// for a large one.
#[derive(Debug)]
pub(super) struct Survey {
    ask: Ask,
    /// The slot that is looked at next.
    next: u32,
    states: StateCounts,
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Answers who asks, at once or in one of the next turns.
    pub(super) fn tell(&mut self, ask: Ask) {
        match ask.wanted() {
            Wanted::Latencies => {
                let latencies = self.stats.latencies.clone();
                ask.answer(Told { latencies, ..Told::default() });
            }
            Wanted::Everything => {
                self.surveys.push_back(Survey { ask, next: 0, states: StateCounts::default() });
                // It is read with the mail, so that turns without any cost nothing.
                self.kernel.waker().wake();
            }
        }
    }

    /// Looks at the next part of the table for who asked first.
    pub(super) fn survey(&mut self) {
        let Some(mut survey) = self.surveys.pop_front() else { return };
        let slots = self.connections.slots();
        let until = slots.min(survey.next.saturating_add(SURVEY_SLOTS));
        for index in survey.next..until {
            let key = self.connections.key_at(index);
            if let Some(connection) = key.and_then(|key| self.connections.get(key)) {
                survey.states[state_of(connection) as usize] += 1;
            }
        }
        survey.next = until;
        if until == slots {
            let Survey { ask, states, .. } = survey;
            self.stats.refused_paths = self.pulse.slot().refused_paths();
            self.stats.answer_counts = Arc::clone(self.pulse.slot().answer_counts());
            let counts = self.stats.counts(self.pulse.stalls());
            let busy = sys::thread_cpu_time();
            let counts = Counts { busy, states, ..counts };
            ask.answer(Told { latencies: self.stats.latencies.clone(), counts });
        } else {
            self.surveys.push_front(survey);
        }
        if !self.surveys.is_empty() {
            self.kernel.waker().wake();
        }
    }

    /// Connections whose end was not counted yet.
    pub(super) fn unended(&self) -> u64 {
        let keys = self.connections.keys().filter_map(|key| self.connections.get(key));
        keys.filter(|connection| connection.stage != Stage::Lingering).count() as u64
    }
}

fn state_of<S>(connection: &Connection<S>) -> ConnectionState {
    match connection.stage {
        Stage::Lingering => ConnectionState::Lingering,
        Stage::Preface => ConnectionState::Preface,
        Stage::Open if connection.backlog.is_some() => ConnectionState::Sending,
        Stage::Open if connection.protocol.idle_since().is_some() => ConnectionState::Idle,
        Stage::Open => match connection.protocol.state().reading() {
            Reading::Head => ConnectionState::ReadingHead,
            Reading::Body => ConnectionState::ReadingBody,
            Reading::Done => ConnectionState::Answering,
        },
    }
}
