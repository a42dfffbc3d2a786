//! The real kernel of one worker: its epoll instance, its listeners, its waker and its clock
//! behind the trait `Kernel`. Decides nothing.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::busy_poll::BusyPoll;
use super::cycles::CycleClock;
use super::epoll::Epoll;
use super::eventfd::EventFd;
use super::kernel::{Interest, Kernel, Readiness, Token, Wake};
use super::listener::Listener;
use super::signal::block_broken_pipe;
use super::stamp::{Stamps, receive_stamped};
use super::stream::Stream;
use crate::clock::{Clock, Moment};
use crate::limits::SOCKETS_PER_WORKER_MAX;

/// Linux as one worker sees it. Streams leave the epoll instance by being dropped.
#[derive(Debug)]
pub struct Linux {
    epoll: Epoll,
    listeners: Vec<Listener>,
    waker: Arc<EventFd>,
    clock: Clock,
    cycles: CycleClock,
    busy_poll: BusyPoll,
    /// There if arrivals are to be told.
    stamps: Option<Stamps>,
}

impl Linux {
    /// A kernel with these listeners, all of them reported from the start.
    ///
    /// # Errors
    /// `InvalidInput` for more than [`SOCKETS_PER_WORKER_MAX`] listeners; what `epoll_create1(2)`,
    /// `eventfd(2)` and `epoll_ctl(2)` name, mostly that descriptors have run out.
    pub fn new(clock: Clock, listeners: Vec<Listener>) -> io::Result<Linux> {
        if listeners.len() > SOCKETS_PER_WORKER_MAX {
            let why =
                format!("{} listeners are more than {SOCKETS_PER_WORKER_MAX}", listeners.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        block_broken_pipe()?;
        let epoll = Epoll::new()?;
        let waker = Arc::new(EventFd::new()?);
        epoll.add(waker.as_fd(), Token::MAILBOX, Interest::Receive)?;
        for (index, listener) in listeners.iter().enumerate() {
            epoll.add(listener.as_fd(), Token::listener(index), Interest::Receive)?;
        }
        let cycles = CycleClock::new(clock.now());
        let busy_poll = BusyPoll::new(Duration::ZERO);
        Ok(Linux { epoll, listeners, waker, clock, cycles, busy_poll, stamps: None })
    }

    /// The same, but that a wait for what is about to come polls before it blocks, for at most
    /// this long; and that a blocked wait polls the network card's queue for as long, where the
    /// kernel and the driver can.
    #[must_use]
    pub fn busy_polling(mut self, most: Duration) -> Linux {
        self.busy_poll = BusyPoll::new(most);
        if !most.is_zero() {
            // Before Linux 6.9, and for queues that are not polled, there is nothing to do.
            let _unsupported = self.epoll.poll_queue(most);
        }
        self
    }

    /// The same, but that [`Kernel::receive_stamped`] tells when bytes arrived, where the kernel
    /// can: it then reads the clock for every packet of the machine.
    #[must_use]
    pub fn stamping(mut self, on: bool) -> Linux {
        self.stamps = on.then(Stamps::new).and_then(Result::ok);
        self
    }

    /// Waits as [`Kernel::wait`] does, first awake and then asleep.
    fn wait_awake(
        &mut self,
        ready: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let from = self.lap();
        let budget = self.busy_poll.budget();
        let budget = timeout.map_or(budget, |timeout| budget.min(timeout));
        let mut waited = Duration::ZERO;
        while waited < budget {
            self.epoll.wait(ready, Some(Duration::ZERO))?;
            waited = self.lap() - from;
            if !ready.is_empty() {
                self.busy_poll.waited(waited);
                return Ok(());
            }
        }
        self.epoll.wait(ready, timeout.map(|timeout| timeout.saturating_sub(waited)))?;
        let waited = self.lap() - from;
        self.busy_poll.waited(waited);
        Ok(())
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
        if self.busy_poll.is_off() || timeout == Some(Duration::ZERO) {
            return self.epoll.wait(ready, timeout);
        }
        self.wait_awake(ready, timeout)
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

    fn receive_stamped(
        &mut self,
        stream: &Stream,
        space: &mut [u8],
    ) -> io::Result<(usize, Option<Duration>)> {
        match &self.stamps {
            Some(_) => receive_stamped(&self.clock, stream, space),
            None => stream.receive(space).map(|len| (len, None)),
        }
    }

    fn received_ago(&self, stream: &Stream) -> Option<Duration> {
        stream.received_ago()
    }

    #[inline]
    fn send(&mut self, stream: &Stream, segments: &[IoSlice<'_>]) -> io::Result<usize> {
        stream.send(segments)
    }

    fn send_file(
        &mut self,
        stream: &Stream,
        segments: &[IoSlice<'_>],
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
    ) -> io::Result<usize> {
        stream.send_file(segments, file, offset, len)
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
