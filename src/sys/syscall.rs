//! What a system call's return value means, turned into `io::Result` once for all of `sys`.
//! Knows no particular call.

#![allow(unsafe_code)] // Owns what a call returned; setsockopt is a foreign function.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::c_int;

/// A count or a plain success; a negative value is the error that `errno` names.
#[inline]
pub(super) fn check(result: impl TryInto<usize>) -> io::Result<usize> {
    result.try_into().map_err(|_| io::Error::last_os_error())
}

/// A descriptor that the call has just made, or the error that `errno` names.
///
/// # Safety
/// `result` comes straight from a call that returns a new descriptor or -1.
#[inline]
pub(super) unsafe fn check_descriptor(result: c_int) -> io::Result<OwnedFd> {
    debug_assert!(result >= -1, "no system call returned this");
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open and new, by the caller's promise, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

/// Sets an option of a socket that is an `int` (`setsockopt(2)`).
///
/// # Errors
/// What the kernel names.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    let len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads the `len` bytes of `value`.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len)
    })
    .map(|_| ())
}

/// Repeats `call` while a signal interrupts it. Only for calls that do not wait: of an
/// interrupted wait, the caller has to work out what is left.
#[inline]
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_result_becomes_the_error_that_errno_names() {
        // SAFETY: closes a descriptor number that no process can have.
        let error = check(unsafe { libc::close(c_int::MAX) }).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        assert_eq!(check(7_isize).unwrap(), 7);
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut calls = 0;
        let result = retry(|| {
            calls += 1;
            if calls < 3 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(result.unwrap(), 3);
    }
}
