//! Protocols as state machines without I/O and without a clock.
//! Knows no sockets, no workers and no concrete application.

mod close_reason;
pub mod http1;
mod laps;
mod ledger;
mod tally;

pub use close_reason::CloseReason;
pub use laps::{Laps, Watch};
pub use ledger::{Answered, Entry, Extent, Kept, Ledger, Scribe, Why};
pub use tally::Tally;

/// What a protocol asks of its worker next. Whether bytes wait to be sent is not part of it:
/// the worker asks the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// To be called again with what is already buffered, once the others had their turn.
    Again,
    /// To be closed, after everything queued was sent.
    Close(CloseReason),
    /// To be closed: nothing is under way, so nothing is lost with it.
    Drop(CloseReason),
    /// To be left alone until something it waits for happens elsewhere: nothing is received.
    Hold,
    /// More bytes.
    Receive,
}
