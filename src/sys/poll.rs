//! Waiting for the first of a few descriptors. Knows not what they are.

#![allow(unsafe_code)] // poll is a foreign function.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use libc::pollfd;

use super::epoll::timeout_ms;
use super::eventfd::EventFd;
use super::syscall::check;

/// An eventfd and descriptors that are waited for with it or left out.
#[derive(Debug)]
pub struct PollSet {
    wake: Arc<EventFd>,
    _others: Vec<OwnedFd>,
    polled: Vec<pollfd>,
}

/// What a wait of [`PollSet`] waits for besides its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// Anything.
    Any,
    /// The eventfd alone.
    Wake,
}

/// What ended a wait of [`PollSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// Another descriptor has something to receive.
    Other,
    /// The time is over, or a signal ended the wait early.
    Timeout,
    /// The eventfd was woken; its wakes are taken back.
    Wake,
}

impl PollSet {
    /// The eventfd and the others, which it keeps open.
    pub fn new(wake: Arc<EventFd>, others: Vec<OwnedFd>) -> PollSet {
        let fds =
            [wake.as_fd().as_raw_fd()].into_iter().chain(others.iter().map(AsRawFd::as_raw_fd));
        let polled = fds.map(|fd| pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
        PollSet { wake, _others: others, polled }
    }

    /// Waits until something can be received or `timeout` is over (`None`: without end).
    ///
    /// # Errors
    /// What `poll(2)` names; none is expected.
    pub fn wait(&mut self, what: WaitFor, timeout: Option<Duration>) -> io::Result<Woke> {
        let count = match what {
            WaitFor::Any => self.polled.len(),
            WaitFor::Wake => 1,
        };
        // SAFETY: the entries announced are there, borrowed mutably, and their descriptors open
        // for as long as the set is.
        match check(unsafe {
            libc::poll(self.polled.as_mut_ptr(), count as libc::nfds_t, timeout_ms(timeout))
        }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Woke::Timeout),
            Err(error) => Err(error),
            Ok(0) => Ok(Woke::Timeout),
            Ok(_) if self.polled[0].revents != 0 && self.wake.acknowledge() => Ok(Woke::Wake),
            Ok(_) => Ok(Woke::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::super::epoll::Epoll;
    use super::super::kernel::{Interest, Token, Wake};
    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_millis(1));

    #[test]
    fn an_epoll_instance_ends_a_wait_when_something_it_watches_is_ready() {
        let epoll = Epoll::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        epoll.add(ours.as_fd(), Token(0), Interest::Receive).unwrap();
        let wake = Arc::new(EventFd::new().unwrap());
        let mut set = PollSet::new(Arc::clone(&wake), vec![epoll.share().unwrap()]);
        assert_eq!(set.wait(WaitFor::Any, SHORT).unwrap(), Woke::Timeout);
        theirs.write_all(b"x").unwrap();
        assert_eq!(set.wait(WaitFor::Any, None).unwrap(), Woke::Other);
        assert_eq!(set.wait(WaitFor::Wake, SHORT).unwrap(), Woke::Timeout, "it was left out");
        wake.wake();
        assert_eq!(set.wait(WaitFor::Any, None).unwrap(), Woke::Wake);
        assert_eq!(set.wait(WaitFor::Wake, SHORT).unwrap(), Woke::Timeout, "taken back");
    }
}
