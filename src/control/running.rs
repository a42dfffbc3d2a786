//! A server that runs: to be drained, stopped, waited for, and asked what it measured.
//! Knows nothing of how it was started.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::BlockingPool;
use super::Result;
use super::access_log::AccessLog;
use super::ends::Ends;
use super::handover::Estate;
use super::listening::Listening;
use super::phase::{Life, Phase};
use super::supervisor::Supervisor;
use crate::api::{Board, ServerStatus};
use crate::report::{DrainAccount, Latencies, ServerReport, Stage, Summary, WorkerRow};
use crate::settings::Balance;
use crate::sys::EventFd;
use crate::worker::{Lane, Stats};

/// Under which name requests are counted that no route matched.
pub(super) const NO_ROUTE_NAME: &str = "(no route)";

/// A worker and where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerPlace {
    /// Its number, from 0.
    pub index: usize,
    /// The CPU it is pinned to; `None` if it is not.
    pub cpu: Option<usize>,
}

pub(super) struct Member {
    pub(super) thread: JoinHandle<()>,
    pub(super) place: WorkerPlace,
}

/// A server that runs. Dropping it stops it at once.
pub struct Running {
    addresses: Vec<SocketAddr>,
    members: Vec<Member>,
    balance: Balance,
    /// Until a drain begins: what its workers let go must close then.
    listening: Mutex<Option<Listening>>,
    board: Arc<Board>,
    ends: Arc<Ends>,
    /// Its jobs may own what it is made of, so it is ended and not only dropped.
    blocking: Arc<BlockingPool>,
    /// Ends when the server has.
    supervisor: Option<Supervisor>,
    life: Arc<Life>,
    lame_duck: Duration,
    /// Ends when every worker has, so that it has all of their lines.
    access_log: Option<AccessLog>,
    /// The admin listener, which tells of the end and ends after it.
    admin: Option<Box<Running>>,
}

impl Running {
    pub(super) fn new(board: Arc<Board>, ends: Arc<Ends>, blocking: Arc<BlockingPool>) -> Running {
        Running {
            addresses: Vec::new(),
            members: Vec::new(),
            balance: Balance::Off,
            listening: Mutex::new(None),
            board,
            ends,
            blocking,
            supervisor: None,
            life: Arc::default(),
            lame_duck: Duration::ZERO,
            access_log: None,
            admin: None,
        }
    }

    pub(super) fn add(&mut self, member: Member) {
        self.members.push(member);
    }

    pub(super) fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }

    /// Its workers share new connections of these sockets from now on.
    ///
    /// # Errors
    /// If the kernel refuses the way that was wished.
    pub(super) fn listen(&mut self, mut listening: Listening) -> Result<()> {
        self.balance = listening.share()?;
        self.listening = Mutex::new(Some(listening));
        Ok(())
    }

    /// Does something with its listening sockets, and those of its admin listener; `None` once it
    /// drains.
    pub(super) fn with_estate<T>(&self, take: impl FnOnce(&Estate<'_>) -> T) -> Option<T> {
        let public = self.lock_listening();
        let admin = self.admin.as_ref().map(|admin| admin.lock_listening());
        let admin = admin.as_deref().and_then(Option::as_ref).map(Listening::sockets);
        public.as_ref().map(|public| {
            take(&Estate {
                public: public.sockets(),
                admin: admin.unwrap_or_default(),
                is_fixed: public.is_fixed,
            })
        })
    }

    /// Shares new connections as before: another process may have decided otherwise.
    pub(super) fn share_again(&self) {
        if let Some(Err(error)) = self.lock_listening().as_mut().map(Listening::share) {
            log::warn!(
                event = "balance_off", error:%;
                "new connections are shared as the kernel has it: {error}"
            );
        }
    }

    fn lock_listening(&self) -> MutexGuard<'_, Option<Listening>> {
        // It is whole between any two statements, whoever panicked.
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses;
    }

    pub(super) fn set_admin(&mut self, admin: Running) {
        self.admin = Some(Box::new(admin));
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// Woken by the end of each worker.
    pub(super) fn ended(&self) -> &EventFd {
        &self.ends.event
    }

    /// Whether [`Running::wait`] would not wait any more.
    pub(super) fn is_over(&self) -> bool {
        self.ends.is_over(self.members.len())
    }

    /// How long workers that were asked to end still have. `None`: nobody asked.
    pub(super) fn left(&self) -> Option<Duration> {
        self.ends.left()
    }

    /// Whether no worker has been in one turn for so long.
    pub(super) fn makes_progress(&self, time: Duration) -> bool {
        let now = self.board.clock().now();
        let beat = |member: &Member| self.board.pulse(member.place.index).beat();
        self.members.iter().map(beat).all(|beat| beat.lasted(now) < time)
    }

    pub(super) fn set_lame_duck(&mut self, lame_duck: Duration) {
        self.lame_duck = lame_duck;
    }

    /// Where worker number `index` leaves the records of its answers, if they are wanted.
    pub(super) fn lane(&self, index: usize) -> Option<Arc<Lane>> {
        self.access_log.as_ref().map(|log| log.lane(index))
    }

    pub(super) fn set_access_log(&mut self, log: Option<AccessLog>) {
        self.access_log = log;
    }

    pub(super) fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    pub(super) fn life(&self) -> Arc<Life> {
        Arc::clone(&self.life)
    }

    pub(super) fn set_supervisor(&mut self, supervisor: Supervisor) {
        self.supervisor = Some(supervisor);
    }

    /// Where it listens, with the ports that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where its admin listener is, with the ports that the kernel chose; empty if it has none.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        self.admin.as_ref().map_or(&[], |admin| &admin.addresses)
    }

    /// Its workers in their order.
    pub fn workers(&self) -> impl Iterator<Item = WorkerPlace> + '_ {
        self.members.iter().map(|member| member.place)
    }

    /// How its workers share connections: what the setting `balance` has come to. With one worker
    /// nothing is shared.
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// What the workers last published, at most about 100 ms ago.
    pub fn status(&self) -> ServerStatus {
        self.board.status()
    }

    /// From now on `/readyz` of the admin listener answers 503, and everything else goes on: a load
    /// balancer has time to learn of a drain before connections are refused. On a signal,
    /// [`super::Server::run`] does so for the setting `lame_duck`.
    pub fn step_back(&self) {
        self.life.enter(Phase::LameDuck);
    }

    /// Accepts no more, finishes what runs, and ends by the setting `drain_time`.
    /// A worker that does not within five seconds more has failed: its application does not return.
    pub fn drain(&self) {
        self.end(true);
    }

    /// Drains, its admin listener too: another process tells of the server from now on.
    pub(super) fn hand_over(&self) {
        if let Some(admin) = &self.admin {
            admin.drain();
        }
        self.drain();
    }

    /// Ends at once; what runs is cut.
    pub fn stop(&self) {
        self.end(false);
    }

    fn end(&self, drains: bool) {
        self.life.enter(Phase::Draining);
        *self.lock_listening() = None;
        self.ends.end(drains);
    }

    /// Opens the access log again, for its file was renamed: what is on its way there is still
    /// written to the old one. Without an access log, nothing happens.
    pub fn reopen_access_log(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
    }

    /// Waits for every worker to end, and returns what they counted and measured.
    ///
    /// # Errors
    /// If a worker ended other than by draining or stopping, or does not end although it was asked
    /// to. The others were stopped when it did, and one that does not stop within a second is left
    /// behind.
    pub fn wait(mut self) -> Result<Ended> {
        let members = std::mem::take(&mut self.members);
        let ends = self.ends.wait(members.len())?;
        let status = self.board.status();
        let workers = members
            .into_iter()
            .zip(ends)
            .zip(&status.workers)
            .map(|((Member { thread, place }, (stats, routes)), status)| {
                // It has left its outcome, so this is the end of a thread and no wait.
                let _ = thread.join();
                EndedWorker { place, stats, routes, stalls: status.stalls }
            })
            .collect();
        // Its counts are in the report.
        drop(self.access_log.take());
        let ended = Ended { uptime: status.uptime, balance: self.balance, workers };
        if let Some(account) = ended.drain_account() {
            let DrainAccount { open, finished, idle, left, cut, failed } = account;
            log::info!(
                event = "drained", open, finished, closed_idle = idle, left_by_client = left,
                cut_at_limit = cut, failed;
                "drained {account}"
            );
        }
        Ok(ended)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        // A worker that is held up by its application would hold up whoever drops this.
        let workers: Vec<_> = self.members.iter().map(|member| member.place.index).collect();
        let left = self.ends.settle(&workers);
        for member in self.members.drain(..) {
            if !left.contains(&member.place.index) {
                let _ = member.thread.join();
            }
        }
        self.blocking.end();
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// What a server that ended had counted and measured.
#[derive(Debug)]
pub struct Ended {
    uptime: Duration,
    balance: Balance,
    workers: Vec<EndedWorker>,
}

#[derive(Debug)]
struct EndedWorker {
    place: WorkerPlace,
    stats: Stats,
    routes: Vec<String>,
    stalls: u64,
}

impl Ended {
    /// The figures of every worker, and of all of them together.
    pub fn report(&self) -> ServerReport {
        let rows = self.workers.iter().map(row).collect();
        let latencies: Vec<_> = self.workers.iter().map(|end| &end.stats.latencies).collect();
        let (service_times, stages) = Latencies::together(&latencies);
        ServerReport::new(self.uptime, rows, service_times, &stages)
            .balanced_by(self.balance.name())
            .drained(self.drain_account())
    }

    /// What became of the connections that were open when a drain began; `None` without a drain.
    pub fn drain_account(&self) -> Option<DrainAccount> {
        let accounts = self.workers.iter().filter_map(|worker| worker.stats.drain_account());
        accounts.reduce(DrainAccount::plus)
    }
}

fn row(end: &EndedWorker) -> WorkerRow {
    let EndedWorker { place, stats, routes, stalls } = end;
    let counts = stats.counts(*stalls);
    let names = routes.iter().cloned().chain([NO_ROUTE_NAME.to_owned()]);
    WorkerRow {
        name: format!("worker {}", place.index),
        cpu: place.cpu,
        requests: counts.requests,
        connections: counts.accepted + counts.taken - counts.given,
        statuses: counts.statuses,
        bytes_received: counts.bytes_received,
        bytes_sent: counts.bytes_sent,
        closes: counts.closes,
        refusals: counts.refusals,
        events: counts.events,
        routes: names.zip(counts.routes).collect(),
        service_time: Summary::of(&stats.latencies.service_times()),
        stages: Stage::ALL
            .map(|stage| (stage.name(), Summary::of(&stats.latencies.stage(stage))))
            .into(),
    }
}
