//! What one worker has counted by some moment, by the names that statistics use.
//! Knows nothing of who counts, nor of how it is shown.

use std::time::Duration;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Its PROXY header is awaited.
    Preface,
    /// Nothing of a request has come.
    Idle,
    /// A head is incomplete.
    ReadingHead,
    /// A body is incomplete.
    ReadingBody,
    /// An answer was promised or is being made.
    Answering,
    /// The kernel does not take the rest of an answer yet.
    Sending,
    /// The last answer was sent, and late bytes are read and dropped.
    Lingering,
}

impl ConnectionState {
    /// All of them in the order of a connection's life.
    pub const ALL: [ConnectionState; 7] = [
        ConnectionState::Preface,
        ConnectionState::Idle,
        ConnectionState::ReadingHead,
        ConnectionState::ReadingBody,
        ConnectionState::Answering,
        ConnectionState::Sending,
        ConnectionState::Lingering,
    ];

    /// Its name in statistics: snake case, never changes.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectionState::Preface => "preface",
            ConnectionState::Idle => "idle",
            ConnectionState::ReadingHead => "reading_head",
            ConnectionState::ReadingBody => "reading_body",
            ConnectionState::Answering => "answering",
            ConnectionState::Sending => "sending",
            ConnectionState::Lingering => "lingering",
        }
    }
}

/// How many connections are at what, indexed by [`ConnectionState`].
pub type StateCounts = [u64; ConnectionState::ALL.len()];

/// What one worker has counted since its start, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests answered by the application.
    pub requests: u64,
    /// Answers by the first digit of their status, 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Connections accepted.
    pub accepted: u64,
    /// Connections given to other workers, of those accepted.
    pub given: u64,
    /// Connections taken on from other workers.
    pub taken: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes that the kernel took.
    pub bytes_sent: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Processor time of the worker's thread.
    pub busy: Duration,
    /// Ended connections by reason.
    pub closes: Vec<(&'static str, u64)>,
    /// Refused requests by reason.
    pub refusals: Vec<(&'static str, u64)>,
    /// Paths that no file was served for, by reason.
    pub refused_paths: Vec<(&'static str, u64)>,
    /// What caches of answers did, by result.
    pub response_cache: Vec<(&'static str, u64)>,
    /// Bytes of encoded bodies, before and afterwards.
    pub encoded_bytes: Vec<(&'static str, u64)>,
    /// What else is counted, by name.
    pub events: Vec<(&'static str, u64)>,
    /// Requests by the number of their route; the last is those that none matched.
    pub routes: Vec<u64>,
    /// Open connections.
    pub states: StateCounts,
}

impl Counts {
    /// Open connections.
    pub fn connections(&self) -> u64 {
        self.states.iter().sum()
    }
}

/// What became of the connections that were open when a drain began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainAccount {
    /// How many there were.
    pub open: u64,
    /// They had their last answer.
    pub finished: u64,
    /// They had nothing under way, and nothing more came.
    pub idle: u64,
    /// Their clients ended them between two requests.
    pub left: u64,
    /// The drain's time was over, or the server was stopped at once.
    pub cut: u64,
    /// They failed, or broke a rule or a limit.
    pub failed: u64,
}

impl DrainAccount {
    /// Its figures by name.
    pub fn figures(&self) -> [(&'static str, u64); 6] {
        [
            ("open", self.open),
            ("finished", self.finished),
            ("closed_idle", self.idle),
            ("left_by_client", self.left),
            ("cut_at_limit", self.cut),
            ("failed", self.failed),
        ]
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: DrainAccount) -> DrainAccount {
        DrainAccount {
            open: self.open + other.open,
            finished: self.finished + other.finished,
            idle: self.idle + other.idle,
            left: self.left + other.left,
            cut: self.cut + other.cut,
            failed: self.failed + other.failed,
        }
    }
}

impl std::fmt::Display for DrainAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} connections: {} finished, {} closed idle, {} left by their clients, {} cut at the \
             limit, {} failed",
            self.open, self.finished, self.idle, self.left, self.cut, self.failed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_stands_at_its_number() {
        for (index, state) in ConnectionState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index, "{state:?}");
        }
    }
}
