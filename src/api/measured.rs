//! What all workers measured, asked for while they run: each answers at the border of a turn, and
//! none waits for another. Knows nothing of how workers measure.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::{Board, Error, Home, Parcel, WorkerInfo};
use crate::limits::ASK_MS;
use crate::report::{Counts, Latencies};
use crate::wire::status::Status;

/// Somebody asks a worker for what it measured. Dropping it says that it will not tell.
#[derive(Debug)]
pub struct Ask {
    worker: usize,
    wanted: Wanted,
    round: Arc<Round>,
}

/// What a worker is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Its latencies, and what it has counted and holds.
    Everything,
    /// Its latencies.
    Latencies,
}

/// What a worker tells.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What requests took since its start.
    pub latencies: Latencies,
    /// What it has counted; all zero unless everything was wanted.
    pub counts: Counts,
}

impl Ask {
    /// What is asked for.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Tells.
    pub fn answer(self, told: Told) {
        // Who asked may have given up.
        if let Some(slot) = self.round.lock().told.get_mut(self.worker) {
            *slot = Some(told);
        }
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        self.round.lock().open -= 1;
        self.round.ended.notify_one();
    }
}

/// One question to all workers. A lock and not a channel: that costs 15 KB of code.
#[derive(Debug)]
struct Round {
    answers: Mutex<Answers>,
    ended: Condvar,
}

#[derive(Debug)]
struct Answers {
    /// Of each worker what it told.
    told: Vec<Option<Told>>,
    /// How many of them were asked and have neither told nor dropped the question.
    open: usize,
}

impl Round {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        // Answers are whole between any two statements, whoever panicked.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every worker measured since its start.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Since the server started.
    pub uptime: Duration,
    /// One entry a worker, in their order.
    pub workers: Vec<Latencies>,
}

/// The ways to the workers, each once its worker is there.
#[derive(Default)]
pub(super) struct Homes(Vec<OnceLock<Arc<dyn Home>>>);

impl Homes {
    pub(super) fn of(workers: usize) -> Homes {
        Homes((0..workers).map(|_| OnceLock::new()).collect())
    }
}

impl fmt::Debug for Homes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Homes")
    }
}

impl Board {
    /// Notes the way to a worker; the first note stays.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn lives_at(&self, worker: usize, home: Arc<dyn Home>) {
        self.homes.0[worker].get_or_init(|| home);
    }

    /// Asks every worker and waits for all of them, a second at most. `None` for one that does not
    /// tell: its turn does not end, or it has ended, or it has not begun.
    pub fn ask(&self, wanted: Wanted) -> Vec<Option<Told>> {
        let homes = &self.homes.0;
        let answers = Answers { told: vec![None; homes.len()], open: homes.len() };
        let round = Arc::new(Round { answers: Mutex::new(answers), ended: Condvar::new() });
        for (worker, home) in homes.iter().enumerate() {
            let ask = Ask { worker, wanted, round: Arc::clone(&round) };
            if let Some(home) = home.get() {
                home.take(Parcel::Ask(ask));
            }
        }
        let is_open = |answers: &mut Answers| answers.open > 0;
        let ended = round.ended.wait_timeout_while(round.lock(), ASK_TIME, is_open);
        let mut answers = ended.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut answers.told)
    }
}

impl WorkerInfo {
    /// Asks every worker for what it measured, and waits for all of them: for a thread for blocking
    /// work ([`super::Later::run_blocking`]), never for a handler. Each worker makes a copy of
    /// 190 KB at the begin of a turn, and what is made of it costs no worker anything.
    ///
    /// # Errors
    /// 503 if a worker does not answer within a second: its turn does not end, or it has ended.
    pub fn measured(&self) -> Result<Measured, Error> {
        let workers = self.board().ask(Wanted::Latencies);
        let silent = workers.iter().position(Option::is_none);
        if let Some(worker) = silent {
            let message = format!("worker {worker} does not answer");
            return Err(Error::new(Status::SERVICE_UNAVAILABLE, message));
        }
        let workers = workers.into_iter().flatten().map(|told| told.latencies).collect();
        Ok(Measured { uptime: self.status().uptime, workers })
    }
}

const ASK_TIME: Duration = Duration::from_millis(ASK_MS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::report::Stage;

    /// A worker that answers at once, or drops what it is asked.
    struct Worker(bool);

    impl Home for Worker {
        fn take(&self, parcel: Parcel) {
            if let (Parcel::Ask(ask), true) = (parcel, self.0) {
                let mut latencies = Latencies::default();
                latencies.record(Stage::Parse, 10 * (ask.worker as u64 + 1));
                ask.answer(Told { latencies, ..Told::default() });
            }
        }
    }

    fn asked(homes: &[bool]) -> Result<Measured, Error> {
        let board = Arc::new(Board::new(Clock::new(), 2));
        for (worker, answers) in homes.iter().enumerate() {
            board.lives_at(worker, Arc::new(Worker(*answers)));
        }
        WorkerInfo::new(0, board).measured()
    }

    #[test]
    fn every_worker_tells_what_it_measured() {
        let measured = asked(&[true, true]).unwrap();
        let parses = measured.workers.iter().map(|one| one.stage(Stage::Parse).max());
        assert_eq!(parses.collect::<Vec<_>>(), [10, 20]);
    }

    /// A worker that answers when it is too late.
    struct Late(Mutex<Vec<Ask>>);

    impl Home for Late {
        fn take(&self, parcel: Parcel) {
            if let Parcel::Ask(ask) = parcel {
                self.0.lock().unwrap().push(ask);
            }
        }
    }

    #[test]
    fn an_answer_that_comes_too_late_is_dropped() {
        let board = Arc::new(Board::new(Clock::new(), 1));
        let late = Arc::new(Late(Mutex::new(Vec::new())));
        board.lives_at(0, late.clone());
        assert!(WorkerInfo::new(0, board).measured().is_err());
        let ask = late.0.lock().unwrap().pop().expect("it was asked");
        ask.answer(Told::default());
    }

    #[test]
    fn a_worker_that_is_not_there_or_does_not_tell_is_named() {
        for homes in [&[true][..], &[true, false]] {
            let error = asked(homes).unwrap_err();
            assert_eq!(error.status(), Status::SERVICE_UNAVAILABLE);
            assert!(error.message().contains("worker 1"), "{error}");
        }
    }
}
