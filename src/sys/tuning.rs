//! Options of TCP that a listener hands down to every connection it accepts (`tcp(7)`): set once,
//! and no connection pays for them. Decides nothing.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::limits::{KEEPALIVE_AFTER_S, KEEPALIVE_INTERVAL_S};
use crate::settings::Settings;

/// What is set.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    notsent_bytes: u32,
    user_timeout: Duration,
}

impl From<&Settings> for Tuning {
    fn from(settings: &Settings) -> Tuning {
        let Settings { notsent_bytes, user_timeout, .. } = *settings;
        Tuning { notsent_bytes, user_timeout }
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
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(KEEPALIVE_AFTER_S))
            .with_interval(Duration::from_secs(KEEPALIVE_INTERVAL_S));
        socket.set_tcp_keepalive(&keepalive)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::sys::Stream;

    #[test]
    fn an_accepted_connection_inherits_every_option() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Tuning { notsent_bytes: 5_000, user_timeout: Duration::from_secs(7) }
            .apply(&listener)
            .unwrap();
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
