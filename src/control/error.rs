//! Why a server did not start or did not end well: what was tried, and what to do about it.
//! Knows nothing of exit codes.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::settings::SettingsError;
use crate::sys::BindError;

/// The result of starting or running a server.
pub type Result<T, E = StartError> = std::result::Result<T, E>;

/// Why a server did not start, or stopped other than asked to.
///
/// Its `Debug` is for the operator too, since that is what a `main` that returns it prints.
#[non_exhaustive]
pub enum StartError {
    /// The access log cannot be opened.
    AccessLog(PathBuf, io::Error),
    /// An address could not be resolved.
    Address(String, io::Error),
    /// The application is not fit to run; the reason is the application's.
    Application(String),
    /// An address could not be listened on.
    Bind(BindError),
    /// More threads for blocking work than [`crate::limits::BLOCKING_THREADS_MAX`].
    BlockingThreads(usize),
    /// The kernel refused something a server needs.
    Kernel(&'static str, io::Error),
    /// No address was given, or more than [`crate::limits::LISTENERS_MAX`].
    Listeners(usize),
    /// A setting cannot be used.
    Settings(SettingsError),
    /// The kernel takes no program that places connections.
    Steering(io::Error),
    /// A worker was asked to end and does not.
    Stuck(usize),
    /// Connections are to follow CPUs, and this worker is not pinned to one.
    Unpinned(usize),
    /// A worker ended without having been asked to.
    Worker(usize, String),
    /// More workers than [`crate::limits::WORKERS_MAX`].
    Workers(usize),
}

impl StartError {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            StartError::AccessLog(..) => {
                let what = "name a file in a folder that may be written, or `-` for standard output; a \
                            pipe needs its reader first";
                Some(what.to_owned())
            }
            StartError::Address(..) => {
                Some("an address is HOST:PORT, as 127.0.0.1:8080 or [::]:8080".to_owned())
            }
            StartError::Bind(error) => error.hint(),
            StartError::BlockingThreads(_) => {
                Some("some tens are enough for work that waits".to_owned())
            }
            StartError::Kernel(..) => {
                Some("`ulimit -n` and the memory limit bound what a process may have".to_owned())
            }
            StartError::Listeners(0) => Some("name at least one address to listen on".to_owned()),
            StartError::Steering(_) => {
                let what = "it takes CAP_BPF (for a systemd unit AmbientCapabilities=CAP_BPF) and \
                            Linux 5.14; with the setting `balance` at `auto` or `handoff`, workers \
                            hand connections over instead";
                Some(what.to_owned())
            }
            StartError::Stuck(_) => {
                let what = "its application does not return; the lines above name the route, and \
                            `Later::run_blocking` is for work that blocks";
                Some(what.to_owned())
            }
            StartError::Unpinned(_) => {
                let what = "have at most one worker for each CPU and let them be pinned; or choose \
                            another `balance`";
                Some(what.to_owned())
            }
            StartError::Worker(..) => {
                let what = "restart the server; the lines above say where the application or \
                            corelane failed";
                Some(what.to_owned())
            }
            StartError::Workers(_) => {
                Some("one worker for each CPU is what pays; leave the number out".to_owned())
            }
            _ => None,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::AccessLog(path, error) => {
                write!(f, "cannot open the access log {}: {error}", path.display())
            }
            StartError::Address(address, error) => write!(f, "cannot resolve {address}: {error}"),
            StartError::Application(reason) => write!(f, "the application cannot run: {reason}"),
            StartError::Bind(error) => error.fmt(f),
            StartError::BlockingThreads(count) => {
                write!(f, "cannot run {count} threads for blocking work")
            }
            StartError::Kernel(what, error) => write!(f, "cannot {what}: {error}"),
            StartError::Listeners(count) => write!(f, "cannot listen on {count} addresses"),
            StartError::Settings(error) => write!(f, "setting {error}"),
            StartError::Steering(error) => {
                write!(f, "the kernel does not let a program place connections: {error}")
            }
            StartError::Stuck(index) => write!(f, "worker {index} does not end"),
            StartError::Unpinned(index) => {
                write!(f, "connections cannot follow CPUs: worker {index} is not pinned")
            }
            StartError::Worker(index, reason) => write!(f, "worker {index} ended: {reason}"),
            StartError::Workers(count) => write!(f, "cannot run {count} workers"),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        self.hint().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::AccessLog(_, error)
            | StartError::Address(_, error)
            | StartError::Kernel(_, error)
            | StartError::Steering(error) => Some(error),
            StartError::Bind(error) => Some(error),
            StartError::Settings(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SettingsError> for StartError {
    fn from(error: SettingsError) -> StartError {
        StartError::Settings(error)
    }
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> StartError {
        StartError::Bind(error)
    }
}
