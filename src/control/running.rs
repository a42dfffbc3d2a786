//! A server that runs: to be drained, stopped, waited for, and asked what it measured.
//! Knows nothing of how it was started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::BlockingPool;
use super::ends::Ends;
use super::supervisor::Supervisor;
use super::{Result, StartError};
use crate::api::{Board, ServerStatus};
use crate::proto::CloseReason;
use crate::report::{Latencies, ServerReport, Stage, Summary, WorkerRow};
use crate::settings::Balance;
use crate::sys::{Signal, Signals, Woken};
use crate::wire::refusal::Refusal;
use crate::worker::Stats;

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
    board: Arc<Board>,
    ends: Arc<Ends>,
    /// Its jobs may own what it is made of, so it is ended and not only dropped.
    blocking: Arc<BlockingPool>,
    /// Ends when the server has.
    supervisor: Option<Supervisor>,
}

impl Running {
    pub(super) fn new(board: Arc<Board>, ends: Arc<Ends>, blocking: Arc<BlockingPool>) -> Running {
        Running {
            addresses: Vec::new(),
            members: Vec::new(),
            balance: Balance::Off,
            board,
            ends,
            blocking,
            supervisor: None,
        }
    }

    pub(super) fn add(&mut self, member: Member) {
        self.members.push(member);
    }

    pub(super) fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }

    pub(super) fn set_balance(&mut self, balance: Balance) {
        self.balance = balance;
    }

    pub(super) fn set_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses;
    }

    pub(super) fn set_supervisor(&mut self, supervisor: Supervisor) {
        self.supervisor = Some(supervisor);
    }

    /// Where it listens, with the ports that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
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

    /// Accepts no more, finishes what runs, and ends by the setting `drain_time`.
    /// A worker that does not within five seconds more has failed: its application does not return.
    pub fn drain(&self) {
        self.ends.end(true);
    }

    /// Ends at once; what runs is cut.
    pub fn stop(&self) {
        self.ends.end(false);
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
        Ok(Ended { uptime: status.uptime, balance: self.balance, workers })
    }

    /// Drains at the first signal, stops at the second, and returns once every worker ended.
    /// `SIGHUP`, if it is among `signals`, is for `reload`.
    pub(super) fn wait_for_signals(
        self,
        signals: &Signals,
        mut reload: impl FnMut(),
    ) -> Result<Ended> {
        let mut is_draining = false;
        loop {
            if self.ends.is_over(self.members.len()) {
                return self.wait();
            }
            self.take_signal(signals, &mut is_draining, &mut reload)?;
        }
    }

    fn take_signal(
        &self,
        signals: &Signals,
        is_draining: &mut bool,
        reload: &mut impl FnMut(),
    ) -> Result<()> {
        let woken = signals
            .wait_or_wake(&self.ends.event, self.ends.left())
            .map_err(|error| StartError::Kernel("wait for signals", error))?;
        match woken {
            Woken::Signal(Signal::Hangup) if *is_draining => {
                log::warn!("nothing is reloaded while the server drains");
            }
            Woken::Signal(Signal::Hangup) => reload(),
            Woken::Signal(signal) if *is_draining => {
                log::info!("{signal:?} again: stopping at once");
                self.stop();
            }
            Woken::Signal(signal) => {
                log::info!("{signal:?}: draining; once more stops at once");
                self.drain();
                *is_draining = true;
            }
            Woken::Timeout | Woken::Wake => {}
        }
        Ok(())
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
    }
}

fn row(end: &EndedWorker) -> WorkerRow {
    let EndedWorker { place, stats, routes, stalls } = end;
    let tally = &stats.tally;
    let statuses = [1, 2, 3, 4, 5].map(|class: usize| tally.by_class[class]);
    let names = routes.iter().cloned().chain(["(no route)".to_owned()]);
    WorkerRow {
        name: format!("worker {}", place.index),
        cpu: place.cpu,
        requests: tally.requests,
        connections: stats.accepted + stats.taken - stats.given,
        statuses,
        bytes_received: stats.bytes_received,
        bytes_sent: stats.bytes_sent,
        closes: CloseReason::ALL.map(|r| (r.name(), stats.closes[r as usize])).to_vec(),
        refusals: Refusal::ALL.map(|r| (r.name(), tally.refusals[r as usize])).to_vec(),
        events: events(stats, *stalls),
        routes: names.zip(tally.by_route.iter().copied()).collect(),
        service_time: Summary::of(&stats.latencies.service_times()),
        stages: Stage::ALL
            .map(|stage| (stage.name(), Summary::of(&stats.latencies.stage(stage))))
            .into(),
    }
}

/// What is counted besides, in the order of its names.
fn events(stats: &Stats, stalls: u64) -> Vec<(&'static str, u64)> {
    let tally = &stats.tally;
    vec![
        ("accept_aborted", stats.accept_aborted),
        ("accept_exhausted", stats.accept_exhausted),
        ("accept_failed", stats.accept_failed),
        ("connections_given", stats.given),
        ("connections_taken", stats.taken),
        ("handler_panics", tally.panics),
        ("later_dropped", tally.later_dropped),
        ("later_expired", tally.later_expired),
        ("later_unwanted", tally.later_unwanted),
        ("shed", tally.shed),
        ("stalls", stalls),
        ("table_full", stats.table_full),
    ]
}
