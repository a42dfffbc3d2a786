//! One connection of the generator: its socket, what was sent on it and waits for its answer.
//! Data with little logic of its own; knows no schedule and no figures.

use std::collections::VecDeque;

use super::answer::AnswerReader;
use crate::clock::Moment;
use crate::sys::{Interest, Stream};

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it should have been sent.
    pub(super) due: Moment,
    pub(super) at: Moment,
    /// Which exchange of the plan it is.
    pub(super) exchange: usize,
}

/// What is to be done with a connection.
#[derive(Debug)]
pub(super) enum Stage {
    /// There is none before that moment.
    Closed {
        until: Moment,
    },
    /// It is being made.
    Connecting {
        stream: Stream,
        since: Moment,
    },
    Open {
        stream: Stream,
    },
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    /// How many there were in this place: tells what is reported of an earlier one.
    pub(super) generation: u32,
    pub(super) interest: Interest,
    /// In the order in which they were sent.
    pub(super) under_way: VecDeque<Sent>,
    /// What the kernel did not take.
    pub(super) unsent: Vec<u8>,
    pub(super) reader: AnswerReader,
    /// Requests sent on it.
    pub(super) requests: u32,
}

impl Connection {
    pub(super) fn new() -> Connection {
        Connection {
            stage: Stage::Closed { until: Moment::default() },
            generation: 0,
            interest: Interest::Receive,
            under_way: VecDeque::new(),
            unsent: Vec::new(),
            reader: AnswerReader::default(),
            requests: 0,
        }
    }

    /// Closes it; what was under way is forgotten. Another may be made from `until` on.
    pub(super) fn close(&mut self, until: Moment) {
        self.stage = Stage::Closed { until };
        self.generation = self.generation.wrapping_add(1);
        self.under_way.clear();
        self.unsent.clear();
        self.reader.clear();
        self.requests = 0;
    }

    /// Since when it waits for what is first to come: a connection or an answer.
    pub(super) fn waits_since(&self) -> Option<Moment> {
        match &self.stage {
            Stage::Closed { .. } => None,
            Stage::Connecting { since, .. } => Some(*since),
            Stage::Open { .. } => self.under_way.front().map(|sent| sent.at),
        }
    }
}
