//! Has a running server, another process, hand over to the program as it is installed now, and
//! looks who serves then. Knows nothing of how sockets are passed on.

use std::fmt;
use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::sys::{Process, Signal, send_signal};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(50);

/// Without a child for so long, a server has not started one, or it has ended.
const CHILDLESS: Duration = Duration::from_secs(3);

const LOG: &str = "the server's log says why";

/// Who serves now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// The process that was asked, and drains.
    pub before: u32,
    /// The one that has taken over.
    pub now: u32,
    /// How long that took.
    pub took: Duration,
}

/// Why nobody has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeError {
    what: String,
    hint: &'static str,
}

impl UpgradeError {
    fn new(what: String, hint: &'static str) -> UpgradeError {
        UpgradeError { what, hint }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for UpgradeError {}

/// Sends `SIGUSR2` to the server with this process id, or to the only one of this program's name,
/// and waits for another process to serve alone what it served.
///
/// # Errors
/// If there is no such server, or nothing takes over in time. Then the server serves on, unless it
/// has ended meanwhile.
pub fn upgrade(pid: Option<u32>, time: Duration) -> Result<Upgraded, UpgradeError> {
    let server = pid.map_or_else(only_server, |pid| Ok(Process::new(pid)))?;
    let pid = server.pid();
    let sockets = server.listeners();
    if sockets.is_empty() {
        let what = format!("process {pid} listens on nothing that can be seen");
        let hint = "it has ended, or drains, or is another user's: then run this as root";
        return Err(UpgradeError::new(what, hint));
    }
    send_signal(pid, Signal::User2).map_err(|error| {
        let what = format!("cannot signal process {pid}: {error}");
        UpgradeError::new(
            what,
            match error.kind() {
                ErrorKind::PermissionDenied => "it is another user's: run this as root",
                _ => "it has just ended",
            },
        )
    })?;
    let clock = Clock::new();
    let (begin, mut had_child) = (clock.now(), clock.now());
    while clock.now() - begin < time {
        let all = Process::all();
        let holds = |other: &&Process| !other.listeners().is_disjoint(&sockets);
        let heir = all.iter().filter(|other| **other != server).find(holds);
        let serves_on = !server.listeners().is_empty();
        if let Some(heir) = heir.filter(|_| !serves_on) {
            return Ok(Upgraded { before: pid, now: heir.pid(), took: clock.now() - begin });
        }
        if !serves_on && server.name().is_none() {
            let what = format!("process {pid} has ended, and nobody serves");
            return Err(UpgradeError::new(what, LOG));
        }
        if all.iter().any(|other| other.parent() == Some(pid)) {
            had_child = clock.now();
        } else if clock.now() - had_child > CHILDLESS {
            let what = format!("process {pid} serves on: nothing took over");
            return Err(UpgradeError::new(what, LOG));
        }
        thread::sleep(INTERVAL);
    }
    let what = format!("nothing has taken over from process {pid} in {} s", time.as_secs_f64());
    Err(UpgradeError::new(what, LOG))
}

/// The only process of this program's name that listens.
fn only_server() -> Result<Process, UpgradeError> {
    let own = Process::new(std::process::id()).name();
    let mut servers = Process::all();
    servers.retain(|other| other.name() == own && !other.listeners().is_empty());
    match &servers[..] {
        [server] => Ok(server.clone()),
        [] => {
            let hint = "name its process id; another user's can be seen by root alone";
            Err(UpgradeError::new("no server runs that can be seen".to_owned(), hint))
        }
        several => {
            let pids: Vec<_> = several.iter().map(|server| server.pid().to_string()).collect();
            let what = format!("{} servers run: {}", several.len(), pids.join(", "));
            Err(UpgradeError::new(what, "name one"))
        }
    }
}
