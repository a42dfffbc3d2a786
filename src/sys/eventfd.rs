//! An eventfd: a descriptor that one thread makes ready to wake another that waits.
//! Carries no data; what there is to do stands in a mailbox it does not know.

#![allow(unsafe_code)] // eventfd, read and write are foreign functions.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::kernel::Wake;
use super::syscall::{check, check_descriptor, retry};

/// A non-blocking eventfd, closed on exec.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new one, not ready.
    ///
    /// # Errors
    /// What `eventfd(2)` names.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: takes no pointer and returns a new descriptor.
        unsafe { check_descriptor(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)) }
            .map(EventFd)
    }

    /// Takes back every wake so far; true if there was one.
    pub fn acknowledge(&self) -> bool {
        let mut count = 0_u64;
        let read = retry(|| {
            // SAFETY: the kernel writes the eight bytes of `count` and no more.
            check(unsafe {
                libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>())
            })
        });
        // An error can only be `EAGAIN`: there was nothing to take back.
        read.is_ok()
    }
}

impl Wake for EventFd {
    fn wake(&self) {
        let one = 1_u64;
        let written = retry(|| {
            // SAFETY: the kernel reads the eight bytes of `one` and no more.
            check(unsafe {
                libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>())
            })
        });
        // The only error there is to a non-blocking eventfd is a full counter: ready already.
        debug_assert!(written.is_ok() || is_would_block(&written));
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn is_would_block<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wakes_are_taken_back_at_once() {
        let event = EventFd::new().unwrap();
        assert!(!event.acknowledge());
        event.wake();
        event.wake();
        assert!(event.acknowledge());
        assert!(!event.acknowledge());
    }

    #[test]
    fn a_full_counter_stays_ready_and_loses_nothing() {
        let event = EventFd::new().unwrap();
        let most = u64::MAX - 1;
        // SAFETY: the kernel reads the eight bytes of `most`.
        let written =
            unsafe { libc::write(event.0.as_raw_fd(), (&raw const most).cast(), size_of::<u64>()) };
        assert_eq!(written, 8);
        event.wake();
        assert!(event.acknowledge());
    }
}
