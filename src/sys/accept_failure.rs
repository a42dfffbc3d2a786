//! Whom an error of `accept(2)` is about. Decides nothing.

use std::io;

/// Whom an error of `accept(2)` is about, `WouldBlock` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// The connection that was waiting: it is gone, and the next may be accepted.
    Connection,
    /// The process or the machine: no descriptor or no memory is left. The connection waits.
    Exhausted,
    /// The listener, or nobody that `accept(2)` names.
    Listener,
}

impl AcceptFailure {
    /// What `error`, which accepting returned, is about.
    pub fn of(error: &io::Error) -> AcceptFailure {
        // A peer that is not on IP comes without a number; it was taken from the queue.
        let Some(errno) = error.raw_os_error() else { return AcceptFailure::Connection };
        match errno {
            // The peer gave up, a firewall forbids it, or an error of its network was waiting for
            // us on the new socket (`accept(2)`, "Error handling").
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::ENONET
            | libc::ENOPROTOOPT
            | libc::EOPNOTSUPP
            | libc::EPERM
            | libc::EPROTO
            | libc::ETIMEDOUT => AcceptFailure::Connection,
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::ENOSR => {
                AcceptFailure::Exhausted
            }
            _ => AcceptFailure::Listener,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_about_someone() {
        use AcceptFailure::{Connection, Exhausted, Listener};
        for (errno, about) in [
            (libc::ECONNABORTED, Connection),
            (libc::ENETDOWN, Connection),
            (libc::EPROTO, Connection),
            (libc::ENOPROTOOPT, Connection),
            (libc::EHOSTDOWN, Connection),
            (libc::ENONET, Connection),
            (libc::EHOSTUNREACH, Connection),
            (libc::EOPNOTSUPP, Connection),
            (libc::ENETUNREACH, Connection),
            (libc::EPERM, Connection),
            (libc::EMFILE, Exhausted),
            (libc::ENFILE, Exhausted),
            (libc::ENOBUFS, Exhausted),
            (libc::ENOMEM, Exhausted),
            (libc::EINVAL, Listener),
            (libc::EBADF, Listener),
            (libc::ENOTSOCK, Listener),
            (libc::EACCES, Listener),
            (libc::EIO, Listener),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(AcceptFailure::of(&error), about, "{error}");
        }
        let no_ip = io::ErrorKind::InvalidData.into();
        assert_eq!(AcceptFailure::of(&no_ip), Connection);
    }
}
