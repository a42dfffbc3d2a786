//! The real kernel of one worker: its epoll instance, its listeners, its waker and its clock
//! behind the trait `Kernel`. Decides nothing.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::cycles::CycleClock;
use super::epoll::Epoll;
use super::eventfd::EventFd;
use super::kernel::{Interest, Kernel, Readiness, Token, Wake};
use super::listener::Listener;
use super::stream::Stream;
use crate::clock::{Clock, Moment};
use crate::limits::LISTENERS_MAX;

/// Linux as one worker sees it. Streams leave the epoll instance by being dropped.
#[derive(Debug)]
pub struct Linux {
    epoll: Epoll,
    listeners: Vec<Listener>,
    waker: Arc<EventFd>,
    clock: Clock,
    cycles: CycleClock,
}

impl Linux {
    /// A kernel with these listeners, all of them reported from the start.
    ///
    /// # Errors
    /// `InvalidInput` for more than [`LISTENERS_MAX`] listeners; what `epoll_create1(2)`,
    /// `eventfd(2)` and `epoll_ctl(2)` name, mostly that descriptors have run out.
    pub fn new(clock: Clock, listeners: Vec<Listener>) -> io::Result<Linux> {
        if listeners.len() > LISTENERS_MAX {
            let why = format!("{} listeners are more than {LISTENERS_MAX}", listeners.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let epoll = Epoll::new()?;
        let waker = Arc::new(EventFd::new()?);
        epoll.add(waker.as_fd(), Token::MAILBOX, Interest::Receive)?;
        for (index, listener) in listeners.iter().enumerate() {
            epoll.add(listener.as_fd(), Token::listener(index), Interest::Receive)?;
        }
        Ok(Linux { epoll, listeners, waker, clock, cycles: CycleClock::new(clock.now()) })
    }

    /// A duplicate of its epoll instance's descriptor, for who waits for what it waits for.
    ///
    /// # Errors
    /// As [`Epoll::share`].
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.epoll.share()
    }
}

impl Kernel for Linux {
    type Stream = Stream;

    #[inline]
    fn now(&mut self) -> Moment {
        let now = self.clock.now();
        self.cycles.mark(now);
        now
    }

    #[inline]
    fn lap(&mut self) -> Moment {
        self.cycles.lap().unwrap_or_else(|| self.clock.now())
    }

    fn unix_seconds(&mut self) -> u64 {
        self.clock.unix_seconds()
    }

    #[inline]
    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.epoll.wait(ready, timeout)
    }

    fn listeners(&self) -> usize {
        self.listeners.len()
    }

    fn listen(&mut self, index: usize, on: bool) -> io::Result<()> {
        let listener = self.listeners.get(index).ok_or(io::ErrorKind::NotFound)?;
        let interest = if on { Interest::Receive } else { Interest::None };
        self.epoll.change(listener.as_fd(), Token::listener(index), interest)
    }

    fn close_listeners(&mut self) {
        for listener in self.listeners.drain(..) {
            // One that was inherited lives on in the process it came from, and closing it here
            // would not silence it. A failure means that it is silent already.
            let _silent = self.epoll.remove(listener.as_fd());
        }
    }

    #[inline]
    fn accept(&mut self, index: usize) -> io::Result<(Stream, SocketAddr)> {
        // A listener that was closed after it had been reported has nobody in its queue.
        let listener = self.listeners.get(index).ok_or(io::ErrorKind::WouldBlock)?;
        Stream::accept(listener.as_fd())
    }

    #[inline]
    fn add(&mut self, stream: &Stream, token: Token, interest: Interest) -> io::Result<()> {
        self.epoll.add(stream.as_fd(), token, interest)
    }

    #[inline]
    fn change(&mut self, stream: &Stream, token: Token, interest: Interest) -> io::Result<()> {
        self.epoll.change(stream.as_fd(), token, interest)
    }

    #[inline]
    fn receive(&mut self, stream: &Stream, space: &mut [u8]) -> io::Result<usize> {
        stream.receive(space)
    }

    fn received_ago(&self, stream: &Stream) -> Option<Duration> {
        stream.received_ago()
    }

    #[inline]
    fn send(&mut self, stream: &Stream, segments: &[IoSlice<'_>]) -> io::Result<usize> {
        stream.send(segments)
    }

    fn finish_sending(&mut self, stream: &Stream) {
        stream.finish_sending();
    }

    fn reset_at_close(&mut self, stream: &Stream) {
        stream.reset_at_close();
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.waker.clone()
    }

    fn acknowledge_wake(&mut self) {
        self.waker.acknowledge();
    }
}
