//! What the application's factory learns of its worker, and the figures workers show each other.
//! Knows nothing of how a worker works.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Pulse;
use super::measured::Homes;
use crate::clock::{Clock, Moment};

/// One worker's figures on cache lines of their own, written by it alone and read by anyone.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Published {
    requests: AtomicU64,
    connections: AtomicU64,
    cpu: OnceLock<usize>,
}

/// Figures that every worker publishes a few times a second.
///
/// This is not on the path of a request: a worker stores its own two counters when it is due,
/// and only who asks for the status reads them.
#[derive(Debug)]
pub struct Board {
    clock: Clock,
    started: Moment,
    published: Vec<Published>,
    pulses: Vec<Arc<Pulse>>,
    pub(super) homes: Homes,
}

impl Board {
    /// A board for so many workers, none of them pinned yet.
    pub fn new(clock: Clock, workers: usize) -> Board {
        let published = (0..workers).map(|_| Published::default()).collect();
        let pulses = (0..workers).map(|worker| Arc::new(Pulse::new(worker))).collect();
        let homes = Homes::of(workers);
        Board { clock, started: clock.now(), published, pulses, homes }
    }

    /// The clock of all workers.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.published.len()
    }

    /// What a worker shows of its present turn.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn pulse(&self, worker: usize) -> &Arc<Pulse> {
        &self.pulses[worker]
    }

    /// Notes that a worker is pinned; the first note stays.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn pinned(&self, worker: usize, cpu: usize) {
        self.published[worker].cpu.get_or_init(|| cpu);
    }

    /// What every worker last published.
    pub fn status(&self) -> ServerStatus {
        let workers = self
            .published
            .iter()
            .zip(&self.pulses)
            .map(|(published, pulse)| WorkerStatus {
                cpu: published.cpu.get().copied(),
                requests: published.requests.load(Ordering::Relaxed),
                connections: published.connections.load(Ordering::Relaxed),
                stalls: pulse.stalls(),
            })
            .collect();
        ServerStatus { uptime: self.clock.now() - self.started, workers }
    }

    /// Sets a worker's figures.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn publish(&self, worker: usize, requests: u64, connections: u64) {
        // Figures of their own, ordered with nothing else.
        self.published[worker].requests.store(requests, Ordering::Relaxed);
        self.published[worker].connections.store(connections, Ordering::Relaxed);
    }
}

/// A worker as its application's factory sees it.
#[derive(Clone, Debug)]
pub struct WorkerInfo {
    index: usize,
    board: Arc<Board>,
}

impl WorkerInfo {
    /// Worker `index` of those on `board`.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn new(index: usize, board: Arc<Board>) -> WorkerInfo {
        assert!(index < board.published.len(), "worker {index} is not on the board");
        WorkerInfo { index, board }
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.board.published.len()
    }

    /// The CPU it is pinned to; `None` if it is not.
    pub fn cpu(&self) -> Option<usize> {
        self.board.published[self.index].cpu.get().copied()
    }

    /// What every worker last published, at most about 100 ms ago.
    pub fn status(&self) -> ServerStatus {
        self.board.status()
    }
}

/// A server's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Since the server started.
    pub uptime: Duration,
    /// One entry a worker.
    pub workers: Vec<WorkerStatus>,
}

impl ServerStatus {
    /// Requests answered by all workers.
    pub fn requests(&self) -> u64 {
        self.workers.iter().map(|worker| worker.requests).sum()
    }

    /// Connections open at all workers.
    pub fn connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.connections).sum()
    }
}

/// A worker's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// Requests answered.
    pub requests: u64,
    /// Connections open.
    pub connections: u64,
    /// Turns that took longer than the setting `stall_time`.
    pub stalls: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_worker_publishes_every_worker_sees() {
        let board = Arc::new(Board::new(Clock::new(), 2));
        board.pinned(0, 3);
        board.publish(1, 7, 2);
        let info = WorkerInfo::new(0, Arc::clone(&board));
        assert_eq!((info.index(), info.workers(), info.cpu()), (0, 2, Some(3)));
        assert_eq!((info.status().requests(), info.status().connections()), (7, 2));
        assert_eq!(
            info.status().workers[1],
            WorkerStatus { cpu: None, requests: 7, connections: 2, stalls: 0 }
        );
    }
}
