//! What is known of a server at one moment: what its workers tell, and what the kernel does.
//! Knows nothing of who looks, and lets the workers be asked only so often.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::api::{Board, Told, Wanted};
use crate::clock::Moment;
use crate::control::events;
use crate::control::phase::{Life, Phase};
use crate::limits::{LIVE_TURN_MS, OVERVIEW_INTERVAL_MS};
use crate::report::StateCounts;
use crate::sys::{ListenFailures, ProcessFacts, accept_queues, listen_failures, socket_inode};

const INTERVAL: Duration = Duration::from_millis(OVERVIEW_INTERVAL_MS);
const LIVE_TURN: Duration = Duration::from_millis(LIVE_TURN_MS);

/// Where one looks.
#[derive(Debug)]
pub(in crate::control) struct Overview {
    board: Arc<Board>,
    life: Arc<Life>,
    /// The listening sockets of each worker, by their inodes.
    listeners: Mutex<Vec<Vec<u64>>>,
    last: Mutex<Option<Arc<Snapshot>>>,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// When the workers were asked.
    asked: Moment,
    /// When all had told.
    pub(super) at: Moment,
    pub(super) uptime: Duration,
    pub(super) phase: Phase,
    /// Templates of the application's routes.
    pub(super) routes: Vec<String>,
    pub(super) workers: Vec<WorkerSnapshot>,
    pub(super) listen: Option<ListenFailures>,
    pub(super) process: ProcessFacts,
    pub(super) events_dropped: u64,
}

/// What was seen of a worker.
#[derive(Debug)]
pub(super) struct WorkerSnapshot {
    pub(super) index: usize,
    pub(super) cpu: Option<usize>,
    /// How long its present turn lasts; zero while it waits.
    pub(super) turn: Duration,
    /// Turns that were found too long.
    pub(super) stalls: u64,
    /// Connections that wait to be accepted and how many may; `None` if the kernel does not tell.
    pub(super) queue: Option<(u64, u64)>,
    /// What it told; `None` if it did not, within a second.
    pub(super) told: Option<Told>,
}

impl Snapshot {
    /// What those told that did.
    pub(super) fn told(&self) -> impl Iterator<Item = &Told> {
        self.workers.iter().filter_map(|worker| worker.told.as_ref())
    }

    /// Connections by what they are at, of all that told.
    pub(super) fn states(&self) -> StateCounts {
        let mut all = StateCounts::default();
        for told in self.told() {
            all.iter_mut().zip(told.counts.states).for_each(|(sum, count)| *sum += count);
        }
        all
    }

    /// Workers that did not tell.
    pub(super) fn silent(&self) -> Vec<usize> {
        let silent = self.workers.iter().filter(|worker| worker.told.is_none());
        silent.map(|worker| worker.index).collect()
    }
}

impl Overview {
    pub(in crate::control) fn new(board: Arc<Board>, life: Arc<Life>) -> Overview {
        Overview { board, life, listeners: Mutex::default(), last: Mutex::new(None) }
    }

    /// The next worker listens on these sockets.
    pub(in crate::control) fn listens(&self, listeners: &[OwnedFd]) {
        // Where they are not known, their queues are not told.
        let inodes = listeners.iter().filter_map(|socket| socket_inode(socket.as_fd()).ok());
        lock(&self.listeners).push(inodes.collect());
    }

    pub(super) fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// When the server started, since 1970-01-01 UTC.
    #[cfg(feature = "bench")]
    pub(super) fn began(&self) -> Duration {
        self.board.clock().unix_time().saturating_sub(self.board.status().uptime)
    }

    /// Workers whose turn does not end: what is at work in it, and for how long. Asks nobody.
    pub(super) fn stuck(&self) -> Vec<(String, Duration)> {
        let now = self.board.clock().now();
        let pulses = (0..self.board.workers()).map(|worker| self.board.pulse(worker));
        let turns = pulses.filter_map(|pulse| {
            let beat = pulse.beat();
            let lasted = beat.lasted(now);
            (lasted >= LIVE_TURN).then(|| (pulse.name_of(beat.place), lasted))
        });
        turns.collect()
    }

    /// Looks, for at most two seconds: never from a worker. Who comes while another looks is shown
    /// what began to be looked at after they came.
    pub(super) fn look(&self) -> Arc<Snapshot> {
        let clock = self.board.clock();
        let came = clock.now();
        let mut last = lock(&self.last);
        if let Some(last) = &*last {
            if last.asked >= came {
                return Arc::clone(last);
            }
            let pause = (last.at + INTERVAL) - clock.now();
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
        let snapshot = Arc::new(self.ask());
        *last = Some(Arc::clone(&snapshot));
        snapshot
    }

    fn ask(&self) -> Snapshot {
        let clock = self.board.clock();
        let asked = clock.now();
        let told = self.board.ask(Wanted::Everything);
        let at = clock.now();
        let status = self.board.status();
        let queues = accept_queues().ok();
        let listeners = lock(&self.listeners).clone();
        let queue_of = |worker: usize| {
            let (queues, own) = (queues.as_ref()?, listeners.get(worker)?);
            let own = queues.iter().filter(|queue| own.contains(&queue.inode));
            let add = |sum: (u64, u64), queue: &crate::sys::AcceptQueue| {
                (sum.0 + queue.depth, sum.1 + queue.limit)
            };
            Some(own.fold((0, 0), add))
        };
        let workers = told.into_iter().zip(&status.workers).enumerate();
        let workers = workers.map(|(index, (told, status))| WorkerSnapshot {
            index,
            cpu: status.cpu,
            turn: self.board.pulse(index).beat().lasted(at),
            stalls: status.stalls,
            queue: queue_of(index),
            told,
        });
        Snapshot {
            asked,
            at,
            uptime: status.uptime,
            phase: self.phase(),
            routes: self.board.pulse(0).routes().to_vec(),
            workers: workers.collect(),
            listen: listen_failures(),
            process: ProcessFacts::read(),
            events_dropped: events::dropped(),
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they hold is whole between any two statements, whoever panicked.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
