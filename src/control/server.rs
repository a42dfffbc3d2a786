//! A server before it runs: its addresses, its workers, its settings.
//! Knows nothing of what the application answers.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::admin;
use super::attendant::Attendant;
use super::handover::{self, Predecessor};
use super::inherited::Inherited;
use super::operator::Operator;
use super::reload::Reloader;
use super::running::{Ended, Running};
use super::spawn::{self, Plan, Role};
use super::{Result, StartError};
use crate::api::{Handler, WorkerInfo};
use crate::limits::{
    BLOCKING_THREADS_MAX, CONNECTIONS_MAX, LISTENERS_MAX, SOCKETS_PER_WORKER_MAX, WORKERS_MAX,
};
use crate::settings::{Balance, Settings};
use crate::sys::{self, Signal, Signals};

/// Descriptors a process needs besides its connections: the standard streams, files of the
/// application, and for each worker its epoll instance, twice, its mailbox and what has arrivals
/// stamped.
const DESCRIPTORS_SPARED: usize = 64;

/// Bytes of memory a worker may use where the kernel does not tell how much there is.
const MEMORY_MAX_UNKNOWN: u64 = 256 * 1024 * 1024;

/// Threads for blocking work, if nothing else is said.
const BLOCKING_THREADS: usize = 16;

/// A server in the making.
///
/// ```no_run
/// use corelane::{Router, Server};
///
/// fn main() -> corelane::Result<()> {
///     Server::bind("127.0.0.1:8080")
///         .run(|_worker| Router::new().get("/", |_req, res| res.text("Hello, World!")))
/// }
/// ```
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    admin: Vec<SocketAddr>,
    unresolved: Option<StartError>,
    inherited: Inherited,
    /// Waits for this server to take over.
    predecessor: Option<Predecessor>,
    workers: Option<NonZeroUsize>,
    pin: bool,
    blocking_threads: usize,
    settings: Settings,
}

impl Server {
    /// A server that will listen on `address`; port 0 lets the kernel choose one. What is wrong
    /// with the address is reported when the server starts.
    ///
    /// A name that stands for several addresses listens on each of them.
    pub fn bind(address: impl ToSocketAddrs + std::fmt::Debug) -> Server {
        let server = Server {
            addresses: Vec::new(),
            admin: Vec::new(),
            unresolved: None,
            inherited: Inherited::default(),
            predecessor: None,
            workers: None,
            pin: true,
            blocking_threads: BLOCKING_THREADS,
            settings: Settings::default(),
        };
        server.and_bind(address)
    }

    /// Listens on one more address.
    #[must_use]
    pub fn and_bind(mut self, address: impl ToSocketAddrs + std::fmt::Debug) -> Server {
        let resolved = self.resolve(address);
        self.addresses.extend(resolved);
        self
    }

    /// Has an admin listener on `address` too: health, metrics and a live page, see the README. It
    /// is one more worker with limits of its own, and what it shows is for operators, not for the
    /// public: an address other than a loopback one is warned of. Without this there is none.
    #[must_use]
    pub fn admin(mut self, address: impl ToSocketAddrs + std::fmt::Debug) -> Server {
        let resolved = self.resolve(address);
        self.admin.extend(resolved);
        self
    }

    /// The addresses that a name stands for. What is wrong with it is told at the start.
    fn resolve(&mut self, address: impl ToSocketAddrs + std::fmt::Debug) -> Vec<SocketAddr> {
        match address.to_socket_addrs() {
            Ok(resolved) => resolved.collect(),
            Err(error) => {
                let address = format!("{address:?}");
                self.unresolved.get_or_insert(StartError::Address(address, error));
                Vec::new()
            }
        }
    }

    /// Listens on the sockets that came with the process, if any did. They can be taken once.
    ///
    /// Those of a systemd socket unit (`sd_listen_fds(3)`) are listened on instead of the addresses
    /// that were named. Such sockets outlive the server, so that nobody is turned away while it
    /// restarts. Several of one address (`ReusePort=yes`) are spread over the workers; one that
    /// several workers must share costs them some needless wakes.
    ///
    /// Those that an earlier process of this server passed on, in an upgrade
    /// ([`super::Operator::successor`]) or by systemd's descriptor store, are listened on where
    /// their addresses are still named: what waits in their queues is served. There may be more or
    /// fewer workers than before.
    #[must_use]
    pub fn activated(mut self) -> Server {
        match handover::inherit() {
            Ok((inherited, predecessor)) => {
                (self.inherited, self.predecessor) = (inherited, predecessor);
            }
            Err(error) => _ = self.unresolved.get_or_insert(error),
        }
        self
    }

    /// Sets the number of workers. Without it: one for each CPU that the process may use, by its
    /// affinity mask and its control group's quota.
    #[must_use]
    pub fn workers(mut self, workers: NonZeroUsize) -> Server {
        self.workers = Some(workers);
        self
    }

    /// Whether each worker is pinned to a CPU of its own. It is, unless there are more workers
    /// than CPUs.
    #[must_use]
    pub fn pin(mut self, pin: bool) -> Server {
        self.pin = pin;
        self
    }

    /// Sets how many threads at most run blocking work for the workers; 0 runs none. They are
    /// started when there is work, on any CPU, and end when there is none. Default 16: such work
    /// mostly waits, so more than there are CPUs pay, while so few cannot crowd the workers out.
    #[must_use]
    pub fn blocking_threads(mut self, threads: usize) -> Server {
        self.blocking_threads = threads;
        self
    }

    /// Sets limits and deadlines.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Server {
        self.settings = settings;
        self
    }

    /// Runs until SIGINT, SIGQUIT or SIGTERM. The first drains: no new connections, `Connection:
    /// close` on every answer, requests under way are finished, idle connections closed, all within
    /// `drain_time`. A second one stops at once.
    ///
    /// `factory` makes the application, once on each worker's own thread: what it makes needs
    /// neither `Send` nor locks. The signals are blocked for the whole process and stay so.
    ///
    /// A service manager that named a socket (`sd_notify(3)`) is told when every worker serves,
    /// when the server drains, and, for its watchdog, as long as every worker makes progress.
    ///
    /// # Errors
    /// If the server cannot start, or a worker ends without having been asked to.
    pub fn run<F, H>(self, factory: F) -> Result<()>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
        H: Handler + 'static,
    {
        self.run_with(factory, |_| {}).map(|_| ())
    }

    /// As [`Server::run`]; calls `started` once every worker serves, and returns what the
    /// workers counted and measured.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn run_with<F, H>(self, factory: F, started: impl FnOnce(&Running)) -> Result<Ended>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
        H: Handler + 'static,
    {
        self.run_until(&Signal::ENDING, factory, &mut OnceStarted(Some(started)))
    }

    /// As [`Server::run_with`], with a program around the server that SIGHUP and SIGUSR1 are for.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn run_operated<F, H>(self, factory: F, operator: &mut dyn Operator<H>) -> Result<Ended>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
        H: Handler + 'static,
    {
        self.run_until(&Signal::ALL, factory, operator)
    }

    /// Runs until one of these signals that ends it, and takes the others.
    fn run_until<F, H>(
        self,
        signals: &[Signal],
        factory: F,
        operator: &mut dyn Operator<H>,
    ) -> Result<Ended>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
        H: Handler + 'static,
    {
        let signals = Signals::block(signals)
            .map_err(|error| StartError::Kernel("wait for signals", error))?;
        let (running, reloader) = self.start_reloadable(factory)?;
        Attendant::new(running, &signals, operator, reloader).wait()
    }

    /// Starts the workers and returns; the caller drains, stops and waits. No signal is touched.
    ///
    /// # Errors
    /// If the server cannot start.
    pub fn start<F, H>(self, factory: F) -> Result<Running>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
        H: Handler + 'static,
    {
        self.start_reloadable(factory).map(|(running, _)| running)
    }

    /// As [`Server::start`], with what gives the server other settings and another application of
    /// the same type while it runs.
    ///
    /// # Errors
    /// If the server cannot start.
    pub fn start_reloadable<F, H>(self, factory: F) -> Result<(Running, Reloader<H>)>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
        H: Handler + 'static,
    {
        let mut server = self;
        let predecessor = server.predecessor.take();
        let plan = server.plan()?;
        let settings = plan.settings.clone();
        let factory = Arc::new(factory) as Arc<dyn Fn(&WorkerInfo) -> H + Send + Sync>;
        let (running, slots) = spawn::start(plan, &factory)?;
        let reloader = Reloader::new(slots, Arc::clone(running.ends()), settings);
        if let Some(predecessor) = predecessor {
            predecessor.relieve();
        }
        Ok((running, reloader))
    }

    fn plan(self) -> Result<Plan> {
        if let Some(error) = self.unresolved {
            return Err(error);
        }
        if self.admin.len() > LISTENERS_MAX {
            return Err(StartError::Listeners(self.admin.len()));
        }
        let (mut inherited, mut settings) = (self.inherited, self.settings);
        let (sources, admin) = (inherited.public(&self.addresses), inherited.admin(&self.admin));
        settings.validate()?;
        let cpus = sys::worker_cpus();
        let workers = self.workers.map_or(cpus.workers(), NonZeroUsize::get);
        if workers > WORKERS_MAX {
            return Err(StartError::Workers(workers));
        }
        if self.blocking_threads > BLOCKING_THREADS_MAX {
            return Err(StartError::BlockingThreads(self.blocking_threads));
        }
        if sources.is_empty() || sources.len() > LISTENERS_MAX {
            return Err(StartError::Listeners(sources.len()));
        }
        let listeners: usize = sources.iter().map(|source| source.most(workers)).sum();
        if listeners > SOCKETS_PER_WORKER_MAX {
            return Err(StartError::Listeners(listeners));
        }
        let is_shared = sources.iter().any(|source| source.is_shared_by(workers));
        if settings.balance == Balance::Auto && is_shared {
            // A program chooses among sockets, and these are not one for each worker.
            settings.balance = Balance::HandOver;
        }
        let pin = self.pin && workers <= cpus.cpus.len();
        let cpus = (0..workers).map(|index| pin.then(|| cpus.cpus[index])).collect();
        // Each listener has a duplicate, to be passed on.
        let per_worker = 2 * listeners + 4;
        let spared = if admin.is_empty() { 0 } else { admin::DESCRIPTORS };
        let spared = DESCRIPTORS_SPARED + spared + workers * per_worker;
        let connections_max = connections_max(&settings, workers, spared)
            .map_err(|error| StartError::Kernel("read the descriptor limit", error))?;
        let memory_max = memory_max(&settings, workers);
        Ok(Plan {
            role: Role::Public,
            sources,
            admin,
            cpus,
            connections_max,
            memory_max,
            blocking_threads: self.blocking_threads,
            settings,
        })
    }
}

/// Calls what it has once, when the server has started.
struct OnceStarted<F>(Option<F>);

impl<H, F: FnOnce(&Running)> Operator<H> for OnceStarted<F> {
    fn started(&mut self, running: &Running) {
        if let Some(started) = self.0.take() {
            started(running);
        }
    }
}

/// How many connections each worker may hold: what was set, or what the descriptor limit leaves.
fn connections_max(settings: &Settings, workers: usize, spared: usize) -> io::Result<usize> {
    // Whatever the limit is, all of it is meant to be used.
    let limit = sys::raise_descriptor_limit().or_else(|_| sys::descriptor_limit())?;
    let limit = usize::try_from(limit.soft).unwrap_or(usize::MAX);
    let Some(wanted) = settings.connections_max else {
        let share = limit.saturating_sub(spared) / workers;
        return Ok(share.clamp(1, CONNECTIONS_MAX));
    };
    let needed = workers * wanted + spared;
    if needed > limit {
        log::warn!(
            event = "descriptors_short", workers, connections_max = wanted, needed, limit;
            "{workers} workers with {wanted} connections each need {needed} descriptors, and \
             `ulimit -n` allows {limit}: run `ulimit -n {needed}` first (LimitNOFILE={needed} \
             for a systemd unit) or set fewer connections"
        );
    }
    Ok(wanted)
}

/// Bytes of memory that each worker may use for incomplete requests and unsent answers: what was
/// set, or its share of half of what the process may have.
pub(super) fn memory_max(settings: &Settings, workers: usize) -> u64 {
    let derived = || sys::memory_limit().map_or(MEMORY_MAX_UNKNOWN, |all| all / 2 / workers as u64);
    settings.memory_max.unwrap_or_else(derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_limit_is_shared_by_the_workers() {
        let limit = sys::descriptor_limit().unwrap().hard;
        let share = connections_max(&Settings::default(), 2, 3).unwrap();
        assert!(share >= 1 && share as u64 <= limit / 2);
        let settings = Settings { connections_max: Some(7), ..Settings::default() };
        assert_eq!(connections_max(&settings, 2, 3).unwrap(), 7);
    }
}
