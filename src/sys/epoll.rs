//! A thin wrapper over epoll, level-triggered, with a fixed array for its reports.
//! Knows neither what its tokens name nor what the descriptors are.

#![allow(unsafe_code)] // epoll_create1, epoll_ctl, epoll_wait and ioctl are foreign functions.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, epoll_event};

use super::kernel::{Interest, Readiness, Token};
use super::syscall::{check, check_descriptor};
use crate::limits::EVENTS_PER_TURN;

/// One epoll instance and the array its reports arrive in.
///
/// A descriptor that is closed leaves the instance by itself, as long as nobody holds a
/// duplicate of it (`epoll(7)`, question 6).
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Box<[epoll_event; EVENTS_PER_TURN]>,
}

#[allow(clippy::cast_possible_wrap)] // Asserted below.
const EVENTS_MAX: c_int = EVENTS_PER_TURN as c_int;
const _: () = assert!(EVENTS_MAX > 0 && EVENTS_PER_TURN <= i32::MAX as usize);

impl Epoll {
    /// A new instance that watches nothing.
    ///
    /// # Errors
    /// What `epoll_create1(2)` names.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: takes no pointer and returns a new descriptor.
        let fd = unsafe { check_descriptor(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }?;
        Ok(Epoll { fd, events: Box::new([epoll_event { events: 0, u64: 0 }; EVENTS_PER_TURN]) })
    }

    /// A duplicate of the instance's descriptor: it can be received from while something the
    /// instance watches is ready, so another thread can wait for that without taking it.
    ///
    /// # Errors
    /// What `fcntl(2)` names, mostly that descriptors have run out.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// Starts reporting `fd` under `token`.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` names, as `EEXIST` for a descriptor that is watched already.
    #[inline]
    pub fn add(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, event(token, interest))
    }

    /// Changes what is reported of `fd`, and under which token.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` names, as `ENOENT` for a descriptor that is not watched.
    #[inline]
    pub fn change(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, event(token, interest))
    }

    /// Stops reporting `fd`. Only needed for one that another process may hold too.
    ///
    /// # Errors
    /// As [`Epoll::change`].
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, epoll_event { events: 0, u64: 0 })
    }

    fn control(&self, what: c_int, fd: BorrowedFd<'_>, mut event: epoll_event) -> io::Result<()> {
        // SAFETY: both descriptors are open while they are borrowed, and the kernel only reads
        // `event`, during the call.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), what, fd.as_raw_fd(), &raw mut event) })
            .map(drop)
    }

    /// Replaces `ready`'s content by the next reports, at most [`EVENTS_PER_TURN`]; waits for
    /// the first one no longer than `timeout`, which is rounded up to milliseconds (`None`:
    /// without end). Allocates nothing once `ready` has that capacity.
    ///
    /// An interrupting signal, a debugger or a suspended process ends the wait early, without
    /// reports: only the caller knows what is left of its timeout.
    ///
    /// # Errors
    /// What `epoll_wait(2)` names, but for `EINTR`.
    #[inline]
    pub fn wait(
        &mut self,
        ready: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let (epoll, events) = (self.fd.as_raw_fd(), self.events.as_mut_ptr());
        let timeout = timeout_ms(timeout);
        let no_mask = std::ptr::null::<libc::sigset_t>();
        // Through `syscall(2)`, as sockets are read: `epoll_wait` is a cancellation point too.
        // SAFETY: the array has room for EVENTS_MAX events and is borrowed mutably; without a
        // mask its size, the last argument, does not count.
        let reported = check(unsafe {
            libc::syscall(libc::SYS_epoll_pwait, epoll, events, EVENTS_MAX, timeout, no_mask, 0)
        });
        self.take(reported, ready)
    }

    /// As [`Epoll::wait`] with a timeout to the nanosecond, where the kernel has
    /// `epoll_pwait2(2)`; before Linux 5.11 as `wait` does.
    ///
    /// # Errors
    /// As [`Epoll::wait`].
    pub fn wait_exactly(
        &mut self,
        ready: &mut Vec<Readiness>,
        timeout: Duration,
    ) -> io::Result<()> {
        // SAFETY: all zeros is a time; a literal is impossible, for some C libraries pad it.
        let mut time: libc::timespec = unsafe { std::mem::zeroed() };
        time.tv_sec = libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX);
        time.tv_nsec = timeout.subsec_nanos().into();
        let (epoll, events) = (self.fd.as_raw_fd(), self.events.as_mut_ptr());
        let (time, no_mask) = (&raw const time, std::ptr::null::<libc::sigset_t>());
        // SAFETY: as in `wait`, and the kernel reads the time during the call.
        let reported = check(unsafe {
            libc::syscall(libc::SYS_epoll_pwait2, epoll, events, EVENTS_MAX, time, no_mask, 0)
        });
        match reported {
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                self.wait(ready, Some(timeout))
            }
            reported => self.take(reported, ready),
        }
    }

    /// Lets blocked waits poll the network card's queue that all watched connections come from, for
    /// at most `time` (`ioctl_eventpoll(2)`, `EPIOCSPARAMS`).
    ///
    /// # Errors
    /// What `ioctl(2)` names: before Linux 6.9, `ENOTTY` or `EINVAL`.
    pub fn poll_queue(&self, time: Duration) -> io::Result<()> {
        let params = Params {
            busy_poll_usecs: u32::try_from(time.as_micros()).unwrap_or(u32::MAX),
            busy_poll_budget: QUEUE_BUDGET,
            prefer_busy_poll: 1,
            pad: 0,
        };
        // SAFETY: the kernel reads the structure of this size that the request's number names.
        check(unsafe { libc::ioctl(self.fd.as_raw_fd(), SET_PARAMS, &raw const params) }).map(drop)
    }

    #[inline]
    fn take(&self, reported: io::Result<usize>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        ready.clear();
        let count = match reported {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        ready.extend(self.events.iter().take(count).map(readiness));
        Ok(())
    }
}

/// `struct epoll_params` of `linux/eventpoll.h`.
#[repr(C)]
struct Params {
    busy_poll_usecs: u32,
    busy_poll_budget: u16,
    prefer_busy_poll: u8,
    pad: u8,
}

/// `EPIOCSPARAMS`: `_IOW(0x8a, 1, struct epoll_params)`.
const SET_PARAMS: libc::Ioctl = 0x4008_8a01;
const _: () = assert!(size_of::<Params>() == 8);

/// Packets taken from a queue in one poll, the kernel's own default.
const QUEUE_BUDGET: u16 = 8;

const RECEIVE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
const SEND: u32 = libc::EPOLLOUT as u32;
/// Reported whether asked for or not, and news to a receiver and a sender alike.
const ENDED: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;

const fn event(token: Token, interest: Interest) -> epoll_event {
    let events = match interest {
        Interest::None => 0,
        Interest::Receive => RECEIVE,
        Interest::Send => SEND,
        Interest::Both => RECEIVE | SEND,
    };
    epoll_event { events, u64: token.0 }
}

#[inline]
const fn readiness(event: &epoll_event) -> Readiness {
    let events = event.events;
    Readiness {
        token: Token(event.u64),
        receive: events & (RECEIVE | ENDED) != 0,
        send: events & (SEND | ENDED) != 0,
        broken: events & ENDED != 0,
    }
}

/// Milliseconds as `epoll_wait(2)` and `poll(2)` take them, rounded up: a wait that ended too
/// early would find its deadline not yet reached and spin through the rest of the millisecond.
#[inline]
pub(super) fn timeout_ms(timeout: Option<Duration>) -> c_int {
    const NANOS_PER_MS: u32 = 1_000_000;
    let Some(timeout) = timeout else { return -1 };
    let below_a_second = timeout.subsec_nanos().div_ceil(NANOS_PER_MS);
    let ms = timeout.as_secs().saturating_mul(1_000).saturating_add(u64::from(below_a_second));
    c_int::try_from(ms).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::Shutdown;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    const TOKEN: Token = Token(u64::MAX - 99);

    /// What is reported now of one end of a socket pair after `act` was done to the other,
    /// which stays open if `act` returns it.
    fn reports(
        interest: Interest,
        act: impl FnOnce(UnixStream) -> Option<UnixStream>,
    ) -> Vec<Readiness> {
        let mut epoll = Epoll::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        epoll.add(ours.as_fd(), TOKEN, interest).unwrap();
        let _open = act(theirs);
        let mut ready =
            vec![Readiness { token: Token(0), receive: true, send: true, broken: true }];
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        ready
    }

    #[test]
    fn timeouts_are_rounded_up_to_milliseconds() {
        assert_eq!(timeout_ms(None), -1);
        assert_eq!(timeout_ms(Some(Duration::ZERO)), 0);
        assert_eq!(timeout_ms(Some(Duration::from_nanos(1))), 1);
        assert_eq!(timeout_ms(Some(Duration::from_millis(1))), 1);
        assert_eq!(timeout_ms(Some(Duration::from_micros(1001))), 2);
        assert_eq!(timeout_ms(Some(Duration::from_nanos(1_999_999_999))), 2000);
        assert_eq!(timeout_ms(Some(Duration::MAX)), c_int::MAX);
    }

    #[test]
    fn each_interest_reports_what_it_asks_for_and_no_more() {
        assert_eq!(reports(Interest::None, Some), []);
        assert_eq!(reports(Interest::Receive, Some), []);
        let room = Readiness { token: TOKEN, receive: false, send: true, broken: false };
        assert_eq!(reports(Interest::Send, Some), [room]);
        let bytes = Readiness { token: TOKEN, receive: true, send: false, broken: false };
        let write = |mut theirs: UnixStream| {
            theirs.write_all(b"x").unwrap();
            Some(theirs)
        };
        assert_eq!(reports(Interest::Receive, write), [bytes]);
    }

    #[test]
    fn the_peers_end_is_something_to_receive() {
        let end = Readiness { token: TOKEN, receive: true, send: false, broken: false };
        let half_close = |theirs: UnixStream| {
            theirs.shutdown(Shutdown::Write).unwrap();
            Some(theirs)
        };
        assert_eq!(reports(Interest::Receive, half_close), [end]);
        assert_eq!(reports(Interest::None, half_close), []);
    }

    #[test]
    fn a_hang_up_is_reported_to_every_interest_and_in_both_directions() {
        let both = Readiness { token: TOKEN, receive: true, send: true, broken: true };
        for interest in [Interest::None, Interest::Receive, Interest::Send] {
            assert_eq!(reports(interest, |_theirs| None), [both], "{interest:?}");
        }
    }

    #[test]
    fn a_change_replaces_token_and_interest_and_a_removed_descriptor_is_silent() {
        let mut epoll = Epoll::new().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut ready = Vec::new();
        epoll.add(ours.as_fd(), TOKEN, Interest::Receive).unwrap();
        epoll.change(ours.as_fd(), Token(5), Interest::Send).unwrap();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(
            ready,
            [Readiness { token: Token(5), receive: false, send: true, broken: false }]
        );
        epoll.remove(ours.as_fd()).unwrap();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, []);
    }

    #[test]
    fn a_wait_takes_no_more_reports_than_its_array_holds_and_the_rest_come_next() {
        let mut epoll = Epoll::new().unwrap();
        let pairs: Vec<_> = (0..EVENTS_PER_TURN + 3).map(|_| UnixStream::pair().unwrap()).collect();
        for (index, (ours, _)) in pairs.iter().enumerate() {
            epoll.add(ours.as_fd(), Token(index as u64), Interest::Send).unwrap();
        }
        let mut ready = Vec::with_capacity(EVENTS_PER_TURN);
        let before = ready.capacity();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!((ready.len(), ready.capacity()), (EVENTS_PER_TURN, before));
        // Level-triggered and fair: the kernel moves what it reported to the end of its list.
        let first: Vec<_> = ready.iter().map(|readiness| readiness.token).collect();
        epoll.wait(&mut ready, None).unwrap();
        let fresh = ready.iter().filter(|readiness| !first.contains(&readiness.token)).count();
        assert_eq!(fresh, 3);
    }
}
