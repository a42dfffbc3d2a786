//! Options of TCP that a listener hands down to every connection it accepts (`tcp(7)`): set once,
//! and no connection pays for them. Decides nothing.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::syscall::set_option;
use crate::limits::{DEFER_ACCEPT_S, KEEPALIVE_AFTER_S, KEEPALIVE_INTERVAL_S};
use crate::settings::Settings;

/// What is set.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    notsent_bytes: u32,
    user_timeout: Duration,
    defer_accept: bool,
}

impl From<&Settings> for Tuning {
    fn from(settings: &Settings) -> Tuning {
        let Settings { notsent_bytes, user_timeout, defer_accept, .. } = *settings;
        Tuning { notsent_bytes, user_timeout, defer_accept }
    }
}

impl Tuning {
    /// Sets the options of `listener`; connections accepted before keep the kernel's.
    ///
    /// # Errors
    /// What `setsockopt(2)` names; none is expected of a TCP socket.
    pub fn apply(&self, listener: &impl AsFd) -> io::Result<()> {
        let socket = SockRef::from(listener);
        if self.notsent_bytes > 0 {
            socket.set_tcp_notsent_lowat(self.notsent_bytes)?;
        }
        socket.set_tcp_user_timeout(Some(self.user_timeout))?;
        if self.defer_accept {
            let (level, name) = (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT);
            set_option(listener.as_fd(), level, name, DEFER_ACCEPT_S)?;
        }
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(KEEPALIVE_AFTER_S))
            .with_interval(Duration::from_secs(KEEPALIVE_INTERVAL_S));
        socket.set_tcp_keepalive(&keepalive)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::sys::Stream;

    fn tuning(defer_accept: bool) -> Tuning {
        Tuning { notsent_bytes: 5_000, user_timeout: Duration::from_secs(7), defer_accept }
    }

    #[test]
    fn a_deferred_connection_is_there_once_it_has_spoken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        tuning(true).apply(&listener).unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let silent = Stream::accept(listener.as_fd()).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::WouldBlock);
        peer.write_all(b"GET").unwrap();
        while Stream::accept(listener.as_fd()).is_err() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_accepted_connection_inherits_every_option() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        tuning(false).apply(&listener).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = Stream::accept(listener.as_fd()).unwrap();
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), 5_000);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(KEEPALIVE_AFTER_S));
        let interval = Duration::from_secs(KEEPALIVE_INTERVAL_S);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
    }
}
