//! Starts the threads of a run, puts their stretches together as they come, and returns the whole.
//! Knows nothing of what a thread does.

use std::fmt;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::figures::Figures;
use super::generator::{Generator, Share};
use super::plan::{Plan, PlanError};
use super::stretches::Stretch;
use crate::clock::Clock;
use crate::limits::BENCH_START_MS;
use crate::sys::{pin_current_thread, raise_descriptor_limit};

/// A stretch of the run, with what all threads measured in it.
#[derive(Clone, Debug)]
pub struct Second {
    /// Its number; 0 is the warm-up, the others are a second each, but for the last.
    pub number: u32,
    /// How long it was.
    pub wall: Duration,
    /// What was measured.
    pub figures: Figures,
    /// The largest part of its time that a thread was at work, 0 to 1.
    pub busy: f64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Everything but the warm-up.
    pub figures: Figures,
    /// How long everything was counted.
    pub wall: Duration,
    /// When that began, by the wall clock.
    pub began: SystemTime,
    /// The seconds of the run in their order, without the warm-up.
    pub seconds: Vec<Second>,
}

/// Why there is no outcome.
#[derive(Debug)]
pub enum BenchError {
    /// More connections than the process may have descriptors.
    Descriptors(usize, usize),
    /// The kernel refused something a thread needs.
    Kernel(io::Error),
    /// It cannot be run.
    Plan(PlanError),
    /// No connection can come from that address, mostly because it is not this machine's.
    Source(IpAddr, io::Error),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BenchError::Descriptors(wanted, most) => {
                write!(f, "{wanted} connections are more than {most} descriptors allow")
            }
            BenchError::Kernel(error) => write!(f, "the generator cannot run: {error}"),
            BenchError::Plan(error) => write!(f, "a run needs {error}"),
            BenchError::Source(address, error) => {
                write!(f, "no connection can come from {address}: {error}")
            }
        }
    }
}

impl std::error::Error for BenchError {}

/// Descriptors besides those of the connections.
const DESCRIPTORS_SPARE: usize = 64;

/// Runs `plan`, and tells each stretch to `watch` when all threads have had it.
///
/// # Errors
/// If it cannot begin. What goes wrong with requests is counted and no error.
///
/// # Panics
/// Never: no thread of it does.
pub fn run(plan: &Plan, watch: &mut dyn FnMut(&Second)) -> Result<Outcome, BenchError> {
    plan.validate().map_err(BenchError::Plan)?;
    let limit = raise_descriptor_limit().map_err(BenchError::Kernel)?;
    let most = usize::try_from(limit.soft).unwrap_or(usize::MAX);
    if plan.connections + DESCRIPTORS_SPARE > most {
        return Err(BenchError::Descriptors(plan.connections, most));
    }
    for &source in &plan.source_addresses {
        UdpSocket::bind((source, 0)).map_err(|error| BenchError::Source(source, error))?;
    }
    let clock = Clock::new();
    let begin = clock.now() + Duration::from_millis(BENCH_START_MS);
    let at = UNIX_EPOCH + Duration::from_secs(clock.unix_seconds()) + plan.warm_up;
    let threads = plan.cpus.len();
    thread::scope(|scope| {
        let (results, stretches) = channel();
        let running: Vec<_> = plan
            .cpus
            .iter()
            .enumerate()
            .map(|(thread, cpu)| {
                let results = results.clone();
                scope.spawn(move || {
                    // Where it may not be pinned it runs all the same.
                    let _ = cpu.is_some_and(pin_current_thread);
                    let share = Share { thread, threads, begin };
                    Generator::new(plan, share, clock, results)?.run()
                })
            })
            .collect();
        drop(results);
        let outcome = gather(&stretches, threads, at, watch);
        for thread in running {
            let ended = thread.join().expect("a generator does not panic");
            ended.map_err(BenchError::Kernel)?;
        }
        Ok(outcome)
    })
}

/// Puts the stretches of the threads together until the last of them has ended.
fn gather(
    stretches: &Receiver<Stretch>,
    threads: usize,
    began: SystemTime,
    watch: &mut dyn FnMut(&Second),
) -> Outcome {
    let mut waiting: Vec<(usize, Second)> = Vec::new();
    let mut outcome =
        Outcome { figures: Figures::default(), wall: Duration::ZERO, began, seconds: Vec::new() };
    while let Ok(stretch) = stretches.recv() {
        let at = waiting.iter().position(|(_, second)| second.number == stretch.number);
        let at = at.unwrap_or_else(|| {
            let (number, wall) = (stretch.number, stretch.wall);
            waiting.push((0, Second { number, wall, figures: Figures::default(), busy: 0.0 }));
            waiting.len() - 1
        });
        let (had, second) = &mut waiting[at];
        second.figures.add(&stretch.figures);
        second.wall = second.wall.max(stretch.wall);
        second.busy = second.busy.max(stretch.busy);
        *had += 1;
        if *had == threads {
            let (_, second) = waiting.swap_remove(at);
            watch(&second);
            if second.number > 0 {
                outcome.figures.add(&second.figures);
                outcome.wall += second.wall;
                outcome.seconds.push(second);
            }
        }
    }
    outcome.seconds.sort_by_key(|second| second.number);
    outcome
}
