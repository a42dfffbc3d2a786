//! How the workers' threads end: each leaves its outcome here, and one that failed stops the
//! others by itself, whether anybody waits or not. Knows nothing of signals.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Result, StartError};
use crate::limits::STOP_MS;
use crate::sys::{EventFd, Wake};
use crate::worker::{Mail, Post, Stats};

/// What a worker's thread ends with: its figures and its routes, or why it ended early.
pub(super) type Outcome = std::result::Result<(Stats, Vec<String>), String>;

/// How long the others may take to stop after one failed.
const STOP_TIME: Duration = Duration::from_millis(STOP_MS);

#[derive(Debug)]
pub(super) struct Ends {
    state: Mutex<State>,
    changed: Condvar,
    /// Woken by each end.
    pub(super) event: EventFd,
}

#[derive(Debug, Default)]
struct State {
    /// Of every worker that serves or has served.
    posts: Vec<Post>,
    outcomes: Vec<(usize, Outcome)>,
    has_failed: bool,
}

impl Ends {
    pub(super) fn new() -> io::Result<Ends> {
        Ok(Ends { state: Mutex::default(), changed: Condvar::new(), event: EventFd::new()? })
    }

    /// A worker serves from now on.
    pub(super) fn join(&self, post: Post) {
        let mut state = self.lock();
        if state.has_failed {
            send(&post, Mail::Stop);
        }
        state.posts.push(post);
    }

    /// A worker's thread ends.
    pub(super) fn leave(&self, worker: usize, outcome: Outcome) {
        let mut state = self.lock();
        state.has_failed |= outcome.is_err();
        if outcome.is_err() {
            state.posts.iter().for_each(|post| send(post, Mail::Stop));
        }
        state.outcomes.push((worker, outcome));
        drop(state);
        self.changed.notify_all();
        self.event.wake();
    }

    /// Sends `mail` to every worker.
    pub(super) fn send(&self, mail: Mail) {
        self.lock().posts.iter().for_each(|post| send(post, mail));
    }

    /// How many workers have ended, and whether one of them failed.
    pub(super) fn ended(&self) -> (usize, bool) {
        let state = self.lock();
        (state.outcomes.len(), state.has_failed)
    }

    /// Waits for all `workers` to end, and returns what each ended with, in their order.
    ///
    /// # Errors
    /// The first failure. The others are then stopped, and waited for only a moment: one that is
    /// held up by its application must not keep a broken server alive.
    pub(super) fn wait(&self, workers: usize) -> Result<Vec<(Stats, Vec<String>)>> {
        let runs = |state: &mut State| state.outcomes.len() < workers;
        let runs_well = |state: &mut State| runs(state) && !state.has_failed;
        let state = self.changed.wait_while(self.lock(), runs_well);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.has_failed {
            let stopped = self.changed.wait_timeout_while(state, STOP_TIME, runs);
            (state, _) = stopped.unwrap_or_else(PoisonError::into_inner);
            let left = workers.saturating_sub(state.outcomes.len());
            if left > 0 {
                log::error!("{left} workers do not stop and are left behind");
            }
        }
        let outcomes = std::mem::take(&mut state.outcomes);
        drop(state);
        let failed = |(worker, outcome): (usize, Outcome)| {
            outcome.map(|end| (worker, end)).map_err(|reason| StartError::Worker(worker, reason))
        };
        // In the order of their ends, so that the first failure is what is told.
        let mut ends = outcomes.into_iter().map(failed).collect::<Result<Vec<_>>>()?;
        ends.sort_by_key(|(worker, _)| *worker);
        Ok(ends.into_iter().map(|(_, end)| end).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(post: &Post, mail: Mail) {
    // A worker that ended takes no mail, and a full mailbox already holds as much.
    let _ = post.send(mail);
}
