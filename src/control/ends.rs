//! How the workers' threads end: each leaves its outcome here, and one that failed stops the
//! others by itself, whether anybody waits or not. Knows nothing of signals.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Result, StartError};
use crate::clock::{Clock, Moment};
use crate::limits::{END_MS, STOP_MS};
use crate::sys::{EventFd, Wake};
use crate::worker::{Mail, Post, Stats};

/// What a worker's thread ends with: its figures and its routes, or why it ended early.
pub(super) type Outcome = std::result::Result<(Stats, Vec<String>), String>;

/// How long the others may take to stop after one failed.
const STOP_TIME: Duration = Duration::from_millis(STOP_MS);

/// How much longer than it should a worker may take to end that was asked to.
const END_TIME: Duration = Duration::from_millis(END_MS);

#[derive(Debug)]
pub(super) struct Ends {
    state: Mutex<State>,
    changed: Condvar,
    /// Woken by each end.
    pub(super) event: EventFd,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    /// How long a drain lasts.
    drain_time: Duration,
    /// Of every worker that serves or has served.
    posts: Vec<Post>,
    outcomes: Vec<(usize, Outcome)>,
    has_failed: bool,
    /// When all must have ended, once they were asked to.
    until: Option<Moment>,
}

impl Ends {
    pub(super) fn new(clock: Clock, drain_time: Duration) -> io::Result<Ends> {
        let event = EventFd::new()?;
        let state = Mutex::new(State { drain_time, ..State::default() });
        Ok(Ends { state, changed: Condvar::new(), event, clock })
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

    /// Tells every worker that it has a change to go on with, and a drain may last so long.
    pub(super) fn reload(&self, drain_time: Duration) {
        let mut state = self.lock();
        state.drain_time = drain_time;
        state.posts.iter().for_each(|post| send(post, Mail::Reload));
    }

    /// Has every worker drain, if it may, or stop. From then on they have time to end.
    pub(super) fn end(&self, drains: bool) {
        let mut state = self.lock();
        let (mail, time) =
            if drains { (Mail::Drain, state.drain_time) } else { (Mail::Stop, Duration::ZERO) };
        state.posts.iter().for_each(|post| send(post, mail));
        let until = self.clock.now() + time + END_TIME;
        state.until = Some(state.until.map_or(until, |earlier| earlier.min(until)));
        drop(state);
        self.changed.notify_all();
    }

    /// Whether [`Ends::wait`] would not wait any more for so many workers.
    pub(super) fn is_over(&self, workers: usize) -> bool {
        let state = self.lock();
        let is_late = state.left(self.clock) == Some(Duration::ZERO);
        state.has_failed || state.outcomes.len() == workers || is_late
    }

    /// How long workers that were asked to end still have. `None`: nobody asked.
    pub(super) fn left(&self) -> Option<Duration> {
        self.lock().left(self.clock)
    }

    /// Waits for all `workers` to end, and returns what each ended with, in their order.
    ///
    /// # Errors
    /// The first failure. The others are then stopped, and waited for only a moment: one that is
    /// held up by its application must not keep a broken server alive. A worker that was asked to
    /// end and does not has failed too.
    pub(super) fn wait(&self, workers: usize) -> Result<Vec<(Stats, Vec<String>)>> {
        let mut state =
            self.wait_while(|state| state.outcomes.len() < workers && !state.has_failed);
        if state.has_failed {
            let runs = |state: &mut State| state.outcomes.len() < workers;
            let stopped = self.changed.wait_timeout_while(state, STOP_TIME, runs);
            (state, _) = stopped.unwrap_or_else(PoisonError::into_inner);
        }
        let left = state.left_behind(0..workers);
        let outcomes = std::mem::take(&mut state.outcomes);
        drop(state);
        for worker in &left {
            log::error!(
                event = "worker_left_behind", worker = *worker; "worker {worker} is left behind"
            );
        }
        let failed = |(worker, outcome): (usize, Outcome)| {
            outcome.map(|end| (worker, end)).map_err(|reason| StartError::Worker(worker, reason))
        };
        // In the order of their ends, so that the first failure is what is told.
        let mut ends = outcomes.into_iter().map(failed).collect::<Result<Vec<_>>>()?;
        if let Some(worker) = left.first() {
            return Err(StartError::Stuck(*worker));
        }
        ends.sort_by_key(|(worker, _)| *worker);
        Ok(ends.into_iter().map(|(_, end)| end).collect())
    }

    /// Waits until these workers, which were asked to end, have ended or their time is over.
    /// Returns those that have not.
    pub(super) fn settle(&self, workers: &[usize]) -> Vec<usize> {
        let left = |state: &State| state.left_behind(workers.iter().copied());
        left(&self.wait_while(|state| !left(state).is_empty()))
    }

    /// Waits while something is so and the workers have time to end.
    fn wait_while(&self, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while is_so(&state) {
            state = match state.left(self.clock) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let changed = self.changed.wait_timeout(state, left);
                    changed.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Those of the workers that have not ended.
    fn left_behind(&self, workers: impl Iterator<Item = usize>) -> Vec<usize> {
        let has_ended = |worker| self.outcomes.iter().any(|(ended, _)| *ended == worker);
        workers.filter(|worker| !has_ended(*worker)).collect()
    }

    fn left(&self, clock: Clock) -> Option<Duration> {
        self.until.map(|until| until - clock.now())
    }
}

fn send(post: &Post, mail: Mail) {
    // A worker that ended takes no mail, and a full mailbox already holds as much.
    let _ = post.send(mail);
}
