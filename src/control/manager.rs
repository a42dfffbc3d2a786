//! Tells a service manager what becomes of the server (`sd_notify(3)`): a datagram a message, to
//! the socket that it named. Knows nothing of units, and nothing happens where nobody asked.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::handover::Estate;
use crate::sys::{PASSED_MAX, monotonic_time, send_passing};

/// Names of the sockets that a manager keeps, by who listens on them.
pub(super) const STORED_PUBLIC: &str = "corelane-public";
pub(super) const STORED_ADMIN: &str = "corelane-admin";

/// Who started the process and wants to be told.
#[derive(Debug)]
pub(super) struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How long it waits for a sign of life before it takes the server for dead.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub(super) fn from_environment() -> Option<Manager> {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0);
        match Manager::at(&name, watchdog.map(Duration::from_micros)) {
            Ok(manager) => Some(manager),
            Err(error) => {
                let socket = name.display();
                log::warn!(
                    event = "manager_unreachable", socket:%, error:%;
                    "the service manager at {socket} cannot be told: {error}"
                );
                None
            }
        }
    }

    fn at(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Manager> {
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold the server up.
        socket.set_nonblocking(true)?;
        Ok(Manager { socket, address, watchdog })
    }

    /// How often [`Manager::lives`] is due, where a watchdog waits for it: twice in its time.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    /// Every worker serves.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The server changes its settings, from now on until [`Manager::ready`].
    pub(super) fn reloading(&self) {
        let micros = monotonic_time().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The process with this number, a child of this one, is the server from now on.
    pub(super) fn succeeded_by(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}"));
    }

    /// Has the manager keep duplicates of the listening sockets and pass them to the process that
    /// it starts next, instead of those it kept before. Nothing happens where it keeps none.
    pub(super) fn keep(&self, estate: &Estate<'_>) {
        if estate.is_fixed {
            // They are its own.
            return;
        }
        let named = [(STORED_PUBLIC, &estate.public), (STORED_ADMIN, &estate.admin)];
        let kept = named.iter().try_for_each(|(name, sockets)| {
            // One that is no longer listened on would be a queue that nobody takes from.
            self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
            let message = format!("FDSTORE=1\nFDNAME={name}");
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&self.address)?;
            sockets
                .chunks(PASSED_MAX)
                .try_for_each(|part| send_passing(&socket, message.as_bytes(), part))
        });
        if let Err(error) = kept {
            log::warn!(
                event = "manager_keeps_nothing", error:%;
                "the service manager keeps no sockets: {error}"
            );
        }
    }

    /// The server ends, within this time.
    pub(super) fn stopping(&self, within: Duration) {
        let micros = within.as_micros();
        self.tell(&format!("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC={micros}"));
    }

    /// Every worker makes progress.
    pub(super) fn lives(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        if let Err(error) = self.socket.send_to_addr(message.as_bytes(), &self.address) {
            log::warn!(
                event = "manager_untold", untold = message, error:%;
                "the service manager was not told {message:?}: {error}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut message = [0; 256];
        let len = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..len].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("@corelane-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name[1..]).unwrap();
        for (name, socket) in [
            (path.as_os_str(), UnixDatagram::bind(&path).unwrap()),
            (OsStr::new(&abstract_name), UnixDatagram::bind_addr(&by_name).unwrap()),
        ] {
            let manager = Manager::at(name, Some(Duration::from_secs(2))).unwrap();
            assert_eq!(manager.interval(), Some(Duration::from_secs(1)));
            manager.ready("2 workers");
            assert_eq!(received(&socket), "READY=1\nSTATUS=2 workers");
            manager.lives();
            assert_eq!(received(&socket), "WATCHDOG=1");
            manager.stopping(Duration::from_millis(5));
            assert!(received(&socket).ends_with("\nEXTEND_TIMEOUT_USEC=5000"));
        }
    }

    #[test]
    fn a_manager_that_is_gone_does_no_harm() {
        let manager = Manager::at(OsStr::new("/nowhere/at/all"), None).unwrap();
        assert_eq!(manager.interval(), None);
        manager.lives();
    }
}
