//! The states of an HTTP/1 connection: the only file that changes one.
//! Knows no bytes: only what may follow what. An event that cannot happen where it comes is a
//! defect of the machine that sends it, and panics.
#![allow(clippy::missing_panics_doc)]

use crate::proto::CloseReason;

/// What is expected from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A head, or the rest of one.
    Head,
    /// The rest of a body.
    Body,
    /// Nothing: a request is whole and not yet answered, or there will be none.
    Done,
}

/// What the answer to the whole request is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// No answer is under way.
    Idle,
    /// An answer's body is pulled from its source as the socket takes it.
    Streaming,
    /// An answer was promised and comes from elsewhere.
    Awaiting,
}

/// Whether another request may follow. One way: there is no return from `LastRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Yes.
    KeepAlive,
    /// The present or next answer is the last.
    LastRequest,
}

/// Where a connection stands.
#[derive(Debug)]
pub struct State {
    reading: Reading,
    writing: Writing,
    persistence: Persistence,
    end: Option<CloseReason>,
}

impl Default for State {
    fn default() -> State {
        State {
            reading: Reading::Head,
            writing: Writing::Idle,
            persistence: Persistence::KeepAlive,
            end: None,
        }
    }
}

impl State {
    /// What is expected from the peer.
    #[inline]
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// What an answer is waiting for.
    #[inline]
    pub fn writing(&self) -> Writing {
        self.writing
    }

    /// Whether another request may follow.
    #[inline]
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Why the connection ends, once that is certain.
    #[inline]
    pub fn end(&self) -> Option<CloseReason> {
        self.end
    }

    /// A head is whole and its body is not.
    pub fn expect_body(&mut self) {
        assert_eq!(self.reading, Reading::Head, "a body follows a head");
        assert!(self.end.is_none(), "an ended connection expects nothing");
        self.reading = Reading::Body;
        self.invariants();
    }

    /// A request is whole.
    #[inline]
    pub fn request_received(&mut self) {
        assert_ne!(self.reading, Reading::Done, "one request at a time");
        self.reading = Reading::Done;
        self.invariants();
    }

    /// The answer's head is queued, its body comes from a source. It may have been promised.
    pub fn stream_started(&mut self) {
        assert_eq!(self.reading, Reading::Done, "only a whole request is answered");
        assert_ne!(self.writing, Writing::Streaming, "one answer at a time");
        self.writing = Writing::Streaming;
        self.invariants();
    }

    /// The answer will come from elsewhere.
    pub fn answer_promised(&mut self) {
        assert_eq!(self.reading, Reading::Done, "only a whole request is answered");
        assert_eq!(self.writing, Writing::Idle, "one answer at a time");
        self.writing = Writing::Awaiting;
        self.invariants();
    }

    /// The whole answer is queued. If it was the last, the connection ends for `reason`.
    #[inline]
    pub fn answered(&mut self, reason: CloseReason) {
        assert_eq!(self.reading, Reading::Done, "only a whole request is answered");
        self.writing = Writing::Idle;
        match self.persistence {
            Persistence::KeepAlive if self.end.is_none() => self.reading = Reading::Head,
            Persistence::KeepAlive => {}
            Persistence::LastRequest => self.end_with(reason),
        }
        self.invariants();
    }

    /// No request will follow the present one, or the next if there is none.
    pub fn last_request(&mut self) {
        self.persistence = Persistence::LastRequest;
        self.invariants();
    }

    /// The connection ends, and the first reason is the one that counts.
    pub fn end_with(&mut self, reason: CloseReason) {
        self.end.get_or_insert(reason);
        self.reading = Reading::Done;
        self.writing = Writing::Idle;
        self.persistence = Persistence::LastRequest;
        self.invariants();
    }

    /// What holds after every event.
    #[inline]
    fn invariants(&self) {
        if self.end.is_some() {
            debug_assert_eq!(self.reading, Reading::Done, "nothing is read after the end");
            debug_assert_eq!(self.writing, Writing::Idle, "nothing is awaited after the end");
            debug_assert_eq!(self.persistence, Persistence::LastRequest);
        }
        if self.writing != Writing::Idle {
            debug_assert_eq!(self.reading, Reading::Done, "the next request waits for the answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event: its name, whether it may happen, and its happening.
    type Event = (&'static str, fn(&State) -> bool, fn(&mut State));

    const EVENTS: [Event; 7] = [
        (
            "expect_body",
            |state| state.reading == Reading::Head && state.end.is_none(),
            State::expect_body,
        ),
        ("request_received", |state| state.reading != Reading::Done, State::request_received),
        (
            "stream_started",
            |state| is_unanswered(state) && state.writing != Writing::Streaming,
            State::stream_started,
        ),
        (
            "answer_promised",
            |state| is_unanswered(state) && state.writing == Writing::Idle,
            State::answer_promised,
        ),
        ("answered", is_unanswered, |state| state.answered(CloseReason::ByRequest)),
        ("last_request", |_| true, State::last_request),
        ("end_with", |_| true, |state| state.end_with(CloseReason::Failed)),
    ];

    fn is_unanswered(state: &State) -> bool {
        state.reading == Reading::Done && state.end.is_none()
    }

    fn replay(events: &[usize]) -> Option<State> {
        let mut state = State::default();
        for event in events {
            let (_, is_possible, apply) = EVENTS[*event];
            if !is_possible(&state) {
                return None;
            }
            let before = (state.persistence, state.end);
            apply(&mut state);
            if before.0 == Persistence::LastRequest {
                assert_eq!(state.persistence, Persistence::LastRequest, "there is no return");
            }
            if before.1.is_some() {
                assert_eq!(state.end, before.1, "the first reason wins");
            }
        }
        Some(state)
    }

    #[test]
    fn every_sequence_of_up_to_six_events_keeps_the_invariants() {
        let mut sequences = vec![Vec::new()];
        let mut reached = 0;
        for _ in 0..6 {
            let mut longer = Vec::new();
            for sequence in &sequences {
                for event in 0..EVENTS.len() {
                    let mut next: Vec<usize> = sequence.clone();
                    next.push(event);
                    if let Some(state) = replay(&next) {
                        state.invariants();
                        reached += 1;
                        longer.push(next);
                    }
                }
            }
            sequences = longer;
        }
        assert!(reached > 1_000, "the walk reached only {reached} states");
    }

    #[test]
    fn every_impossible_event_is_refused_by_an_assertion() {
        let cases: [&[usize]; 4] = [&[], &[0], &[1], &[1, 2]];
        for prefix in cases {
            for (name, is_possible, apply) in EVENTS {
                let mut state = replay(prefix).unwrap();
                if !is_possible(&state) {
                    let outcome = std::panic::catch_unwind(move || apply(&mut state));
                    assert!(outcome.is_err(), "{name} after {prefix:?}");
                }
            }
        }
    }

    #[test]
    fn a_request_is_read_answered_and_followed_by_the_next() {
        let mut state = State::default();
        state.expect_body();
        state.request_received();
        state.answered(CloseReason::ByRequest);
        assert_eq!((state.reading(), state.end()), (Reading::Head, None));
        state.last_request();
        state.request_received();
        state.answered(CloseReason::ByRequest);
        assert_eq!((state.reading(), state.end()), (Reading::Done, Some(CloseReason::ByRequest)));
    }
}
