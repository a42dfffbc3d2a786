//! Signals as something to wait for: blocked before the first thread starts, then read from a
//! signalfd by the thread that controls the others. Knows not what a signal is to cause.

#![allow(unsafe_code)] // pthread_sigmask, signalfd, poll and read are foreign functions.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, sigset_t};

use super::epoll::timeout_ms;
use super::eventfd::EventFd;
use super::syscall::{check, check_descriptor, retry};

/// A signal that a server is told something with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGHUP`
    Hangup,
    /// `SIGINT`
    Interrupt,
    /// `SIGQUIT`
    Quit,
    /// `SIGTERM`
    Terminate,
    /// `SIGUSR1`
    User1,
    /// `SIGUSR2`
    User2,
}

impl Signal {
    /// All there are.
    pub const ALL: [Signal; 6] = [
        Signal::Hangup,
        Signal::Interrupt,
        Signal::Quit,
        Signal::Terminate,
        Signal::User1,
        Signal::User2,
    ];

    /// Those that end a server.
    pub const ENDING: [Signal; 3] = [Signal::Interrupt, Signal::Quit, Signal::Terminate];

    /// Whether it ends a server.
    pub fn ends(self) -> bool {
        Signal::ENDING.contains(&self)
    }

    const fn number(self) -> c_int {
        match self {
            Signal::Hangup => libc::SIGHUP,
            Signal::Interrupt => libc::SIGINT,
            Signal::Quit => libc::SIGQUIT,
            Signal::Terminate => libc::SIGTERM,
            Signal::User1 => libc::SIGUSR1,
            Signal::User2 => libc::SIGUSR2,
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A signal arrived; it is taken.
    Signal(Signal),
    /// Another thread woke us; its wakes are taken back.
    Wake,
    /// What was watched besides has something to receive, or has ended.
    Besides,
    /// Neither: the time is over, or the wait was interrupted before its end.
    Timeout,
}

/// Signals that no longer act on the process but wait until they are asked for. They stay
/// blocked to the end of the process, and in programs that it starts (`sigprocmask(2)`).
///
/// `SIGPIPE` needs no part in this: each thread that sends has it blocked.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks `signals` for this thread and those it will start. To be called before the first
    /// thread starts: one that runs already would still be ended by them.
    ///
    /// # Errors
    /// What `pthread_sigmask(3)` and `signalfd(2)` name.
    pub fn block(signals: &[Signal]) -> io::Result<Signals> {
        let set = set_of(signals.iter().map(|signal| signal.number()))?;
        block(&set)?;
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        // SAFETY: `set` is initialised and only read; -1 asks for a new descriptor.
        let fd = unsafe { check_descriptor(libc::signalfd(-1, &raw const set, flags)) }?;
        Ok(Signals { fd })
    }

    /// Waits for a signal, a wake, something to receive `besides` or the end of `timeout` (`None`:
    /// none), whichever comes first. Of several that are there, they come in this order and the
    /// others are kept for the next call.
    ///
    /// # Errors
    /// What `poll(2)` and `read(2)` name, but for `EINTR`; none is expected.
    pub fn wait_or_wake(
        &self,
        wake: &EventFd,
        besides: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> io::Result<Woken> {
        let watched = [Some(self.fd.as_fd()), Some(wake.as_fd()), besides];
        let [signal, woken, besides] = poll_all(watched, timeout)?;
        if signal && let Some(signal) = self.take()? {
            return Ok(Woken::Signal(signal));
        }
        if woken && wake.acknowledge() {
            return Ok(Woken::Wake);
        }
        Ok(if besides { Woken::Besides } else { Woken::Timeout })
    }

    /// The next signal that has arrived, if one has.
    fn take(&self) -> io::Result<Option<Signal>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let bytes = size_of::<libc::signalfd_siginfo>();
        let read = retry(|| {
            // SAFETY: the kernel writes at most the `bytes` bytes that `info` has.
            check(unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), bytes) })
        });
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        // SAFETY: plain integers, all of them zero until the kernel wrote them.
        let number = unsafe { info.assume_init() }.ssi_signo;
        Ok(Signal::ALL.into_iter().find(|signal| u32::try_from(signal.number()) == Ok(number)))
    }
}

/// Which of these have something to receive, or have ended, now or once one has within `timeout`
/// (`None`: without end): three descriptors are not worth an epoll instance.
fn poll_all(
    watched: [Option<BorrowedFd<'_>>; 3],
    timeout: Option<Duration>,
) -> io::Result<[bool; 3]> {
    // The kernel passes over an entry with a negative number.
    let number = |fd: Option<BorrowedFd<'_>>| fd.map_or(-1, |fd| fd.as_raw_fd());
    let mut polled =
        watched.map(|fd| libc::pollfd { fd: number(fd), events: libc::POLLIN, revents: 0 });
    // SAFETY: the array holds the three entries announced and is borrowed mutably.
    match check(unsafe { libc::poll(polled.as_mut_ptr(), 3, timeout_ms(timeout)) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; 3]),
        Err(error) => Err(error),
        Ok(_) => Ok(polled.map(|polled| polled.revents != 0)),
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// What `kill(2)` names: `PermissionDenied` for another user's, `NotFound` for none.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let Some(pid) = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: takes no pointer. A positive number names one process, never a group.
    check(unsafe { libc::kill(pid, signal.number()) }).map(|_| ()).map_err(|error| {
        match error.raw_os_error() {
            Some(libc::ESRCH) => {
                io::Error::new(io::ErrorKind::NotFound, "there is no such process")
            }
            _ => error,
        }
    })
}

/// Has sending from a file to a connection that its peer has closed fail with an error on this
/// thread, and not end the process: `sendfile(2)` has no `MSG_NOSIGNAL`.
///
/// # Errors
/// What `pthread_sigmask(3)` names.
pub(super) fn block_broken_pipe() -> io::Result<()> {
    block(&set_of([libc::SIGPIPE].into_iter())?)
}

fn block(set: &sigset_t) -> io::Result<()> {
    // SAFETY: `set` is initialised and only read; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        // Unlike its kin, it returns the error instead of setting errno.
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn set_of(signals: impl Iterator<Item = c_int>) -> io::Result<sigset_t> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set it is given.
    let mut set = unsafe {
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        set.assume_init()
    };
    for signal in signals {
        // SAFETY: `set` is initialised, and the number is one of `signal(7)`.
        check(unsafe { libc::sigaddset(&raw mut set, signal) })?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Wake;
    use super::*;

    fn raise(signal: Signal) {
        // SAFETY: sends to this thread, which has blocked the signal.
        assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
    }

    #[test]
    fn a_blocked_signal_waits_until_it_is_asked_for() {
        let signals = Signals::block(&[Signal::User1, Signal::Terminate]).unwrap();
        let wake = EventFd::new().unwrap();
        let (other, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let besides = || Some(other.as_fd());
        let woken = || signals.wait_or_wake(&wake, besides(), Some(Duration::ZERO)).unwrap();
        assert_eq!(woken(), Woken::Timeout);
        std::io::Write::write_all(&mut writer, b"x").unwrap();
        raise(Signal::Terminate);
        assert_eq!(woken(), Woken::Signal(Signal::Terminate));
        raise(Signal::User1);
        wake.wake();
        assert_eq!(woken(), Woken::Signal(Signal::User1));
        assert_eq!(woken(), Woken::Wake);
        assert_eq!(woken(), Woken::Besides);
    }

    #[test]
    fn another_thread_ends_a_wait_without_end() {
        let signals = Signals::block(&[Signal::User2]).unwrap();
        let wake = EventFd::new().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| wake.wake());
            assert_eq!(signals.wait_or_wake(&wake, None, None).unwrap(), Woken::Wake);
        });
    }

    #[test]
    fn threads_started_later_inherit_the_block() {
        let signals = Signals::block(&[Signal::Hangup]).unwrap();
        let wake = EventFd::new().unwrap();
        let (signals, wake) = (&signals, &wake);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                raise(Signal::Hangup);
                let woken = signals.wait_or_wake(wake, None, None).unwrap();
                assert_eq!(woken, Woken::Signal(Signal::Hangup));
            });
        });
    }
}
