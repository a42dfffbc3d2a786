//! What all workers measured, asked for while they run: each answers at the border of a turn, and
//! none waits for another. Knows nothing of how workers measure.

use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Board, Error, Home, Parcel, WorkerInfo};
use crate::limits::ASK_MS;
use crate::report::Latencies;
use crate::wire::status::Status;

/// Somebody asks a worker for what it measured. Dropping it says that it will not tell.
#[derive(Debug)]
pub struct Ask {
    worker: usize,
    answers: Sender<(usize, Latencies)>,
}

impl Ask {
    /// Tells.
    pub fn answer(self, latencies: Latencies) {
        // Who asked may have given up.
        let _ = self.answers.send((self.worker, latencies));
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
}

impl WorkerInfo {
    /// Asks every worker for what it measured, and waits for all of them: for a thread for blocking
    /// work ([`super::Later::run_blocking`]), never for a handler. Each worker makes a copy of
    /// 190 KB at the begin of a turn, and what is made of it costs no worker anything.
    ///
    /// # Errors
    /// 503 if a worker does not answer within a second: its turn does not end, or it has ended.
    pub fn measured(&self) -> Result<Measured, Error> {
        let homes = &self.board().homes.0;
        let (answers, answered) = channel();
        for (worker, home) in homes.iter().enumerate() {
            if let Some(home) = home.get() {
                home.take(Parcel::Ask(Ask { worker, answers: answers.clone() }));
            }
        }
        drop(answers);
        let mut workers: Vec<Option<Latencies>> = vec![None; homes.len()];
        for _ in 0..homes.len() {
            let Ok((worker, latencies)) = answered.recv_timeout(ASK_TIME) else { break };
            workers[worker] = Some(latencies);
        }
        let silent = workers.iter().position(Option::is_none);
        if let Some(worker) = silent {
            let message = format!("worker {worker} does not answer");
            return Err(Error::new(Status::SERVICE_UNAVAILABLE, message));
        }
        let workers = workers.into_iter().flatten().collect();
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
                ask.answer(latencies);
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

    #[test]
    fn a_worker_that_is_not_there_or_does_not_tell_is_named() {
        for homes in [&[true][..], &[true, false]] {
            let error = asked(homes).unwrap_err();
            assert_eq!(error.status(), Status::SERVICE_UNAVAILABLE);
            assert!(error.message().contains("worker 1"), "{error}");
        }
    }
}
