//! What a worker asks of its kernel: readiness, sockets and time, as one trait.
//! `Linux` is the real one; the tests script another. Knows no HTTP.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;

/// What epoll carries for us: a packed slab key or one of the constants below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// The worker's mailbox.
    pub const MAILBOX: Token = Token(u64::MAX);

    /// Listener number `index` of this worker. Keys never reach these values: a slab index
    /// stays below [`crate::limits::CONNECTIONS_MAX`].
    pub const fn listener(index: usize) -> Token {
        Token(u64::MAX - 1 - index as u64)
    }

    /// The listener this token names, if it names one.
    pub const fn as_listener(self) -> Option<usize> {
        match (u64::MAX - 1).checked_sub(self.0) {
            Some(index) if index < crate::limits::SOCKETS_PER_WORKER_MAX as u64 => {
                Some(index as usize)
            }
            _ => None,
        }
    }
}

/// What we ask to be told about a connection. Errors and hang-ups are always told (`epoll_ctl(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to receive, and room to send.
    Both,
    /// Nothing but errors.
    None,
    /// Bytes, or the peer's end, to receive.
    Receive,
    /// Room to send.
    Send,
}

/// What the kernel reported about one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whom it concerns.
    pub token: Token,
    /// Bytes, the peer's end or an error can be received.
    pub receive: bool,
    /// There is room to send, or sending would fail at once.
    pub send: bool,
    /// The connection is over in both directions (`EPOLLHUP`, `EPOLLERR`), whatever was asked.
    pub broken: bool,
}

/// Wakes a waiting kernel from another thread: the sending end of a mailbox.
pub trait Wake: Send + Sync {
    /// Makes [`Token::MAILBOX`] ready.
    fn wake(&self);
}

/// The kernel as one worker sees it. Every method is non-blocking but [`Kernel::wait`], and
/// `Interrupted` is retried inside: no caller ever sees it.
pub trait Kernel {
    /// A connected, non-blocking stream socket. Dropping it closes it.
    type Stream;

    /// The monotonic time.
    fn now(&mut self) -> Moment;

    /// The monotonic time once more within a turn; may be told from the last [`Kernel::now`] by
    /// cheaper means.
    fn lap(&mut self) -> Moment {
        self.now()
    }

    /// Seconds since 1970 by the wall clock.
    fn unix_seconds(&mut self) -> u64;

    /// Waits until something is ready or `timeout` has passed (`None`: without end; rounded up
    /// to the kernel's resolution) and replaces `ready`'s content by at most
    /// [`crate::limits::EVENTS_PER_TURN`] reports. An interrupted wait ends early, with none.
    ///
    /// # Errors
    /// What `epoll_wait(2)` names; none is expected in a running worker.
    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()>;

    /// How many listeners this worker has. All are reported from the start.
    fn listeners(&self) -> usize;

    /// Starts or pauses reporting listener `index`.
    ///
    /// # Errors
    /// `NotFound` if it is closed; what `epoll_ctl(2)` names.
    fn listen(&mut self, index: usize, on: bool) -> io::Result<()>;

    /// Closes every listener.
    fn close_listeners(&mut self);

    /// Takes the next connection of listener `index`, non-blocking and without Nagle's delay.
    ///
    /// # Errors
    /// `WouldBlock` when the queue is empty or the listener closed, else what `accept(2)` names.
    fn accept(&mut self, index: usize) -> io::Result<(Self::Stream, SocketAddr)>;

    /// Starts reporting `stream` under `token`, level-triggered.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` names: the stream is then not watched and must be closed.
    fn add(&mut self, stream: &Self::Stream, token: Token, interest: Interest) -> io::Result<()>;

    /// Changes what is reported of `stream`.
    ///
    /// # Errors
    /// As [`Kernel::add`].
    fn change(&mut self, stream: &Self::Stream, token: Token, interest: Interest)
    -> io::Result<()>;

    /// Receives into `space`; `Ok(0)` is the peer's end.
    ///
    /// # Errors
    /// `WouldBlock`, or what `recv(2)` names.
    fn receive(&mut self, stream: &Self::Stream, space: &mut [u8]) -> io::Result<usize>;

    /// As [`Kernel::receive`], and how long ago the last of the bytes arrived in the kernel, if it
    /// can tell. Dearer: for those who sample.
    ///
    /// # Errors
    /// As [`Kernel::receive`].
    fn receive_stamped(
        &mut self,
        stream: &Self::Stream,
        space: &mut [u8],
    ) -> io::Result<(usize, Option<Duration>)> {
        self.receive(stream, space).map(|len| (len, None))
    }

    /// How long ago the last bytes arrived in the kernel, to a few milliseconds, if it can tell.
    fn received_ago(&self, stream: &Self::Stream) -> Option<Duration>;

    /// Sends as much of `segments` as the kernel takes, in order. Never raises `SIGPIPE`.
    ///
    /// # Errors
    /// `WouldBlock`, or what `sendmsg(2)` names.
    fn send(&mut self, stream: &Self::Stream, segments: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sends as much of `segments` as the kernel takes, in order, and then of the `len` bytes of
    /// `file` from `offset` on, which are not copied (`sendfile(2)`). Returns how much of both;
    /// nothing where there are no segments and the file has ended.
    ///
    /// # Errors
    /// `WouldBlock`, or what `sendmsg(2)` and `sendfile(2)` name.
    fn send_file(
        &mut self,
        stream: &Self::Stream,
        segments: &[IoSlice<'_>],
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
    ) -> io::Result<usize>;

    /// Ends our side of the stream (`shutdown(2)`, `SHUT_WR`); a failure means the peer is gone.
    fn finish_sending(&mut self, stream: &Self::Stream);

    /// Makes the close of the stream a reset (`SO_LINGER` of 0): what the peer did not take is
    /// dropped at once, where the kernel would otherwise keep and offer it for minutes.
    fn reset_at_close(&mut self, stream: &Self::Stream);

    /// A handle that wakes this kernel from any thread.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Takes back the readiness of [`Token::MAILBOX`].
    fn acknowledge_wake(&mut self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_tokens_are_told_from_keys_and_the_mailbox() {
        assert_eq!(Token::MAILBOX.as_listener(), None);
        assert_eq!(Token::listener(0).as_listener(), Some(0));
        assert_eq!(Token::listener(1023).as_listener(), Some(1023));
        assert_eq!(Token::listener(1024).as_listener(), None);
        assert_eq!(Token(0).as_listener(), None);
    }
}
