//! Starts the workers, each on its own thread, one after the other.
//! Knows nothing of how they are stopped.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::running::{Member, Outcome, Running, WorkerPlace};
use super::{Result, StartError};
use crate::api::{Board, Handler, WorkerInfo};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::sys::{self, EventFd, Kernel, Linux, Listener, Tuning, Wake};
use crate::worker::{Post, Worker, WorkerParts, mailbox};

/// What to start.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) addresses: Vec<SocketAddr>,
    /// One entry a worker.
    pub(super) cpus: Vec<Option<usize>>,
    pub(super) connections_max: usize,
    pub(super) memory_max: u64,
    pub(super) settings: Settings,
}

type Factory<H> = Arc<dyn Fn(&WorkerInfo) -> H + Send + Sync>;

/// What a worker's thread says once its worker serves.
struct Started {
    post: Post,
    addresses: Vec<SocketAddr>,
    cpu: Option<usize>,
}

/// Starts one worker after the other, so that their listeners join in the order of the workers.
pub(super) fn start<H: Handler + 'static>(plan: Plan, factory: &Factory<H>) -> Result<Running> {
    let clock = Clock::new();
    let board = Arc::new(Board::new(clock, plan.cpus.len()));
    let ended = EventFd::new().map_err(|error| StartError::Kernel("make an eventfd", error))?;
    let ended = Arc::new(ended);
    let mut addresses = plan.addresses;
    let mut running = Running::new(Arc::clone(&board), Arc::clone(&ended));
    for (index, cpu) in plan.cpus.iter().copied().enumerate() {
        let seed = Seed {
            clock,
            cpu,
            addresses: addresses.clone(),
            parts: WorkerParts {
                index,
                settings: plan.settings.clone(),
                connections_max: plan.connections_max,
                board: Arc::clone(&board),
                memory_max: plan.memory_max,
                blocking: Arc::new(crate::api::NoBlocking),
            },
        };
        let slot = Arc::new(Mutex::new(None));
        let waker = Waker { control: thread::current(), ended: Arc::clone(&ended) };
        let (factory, filled) = (Arc::clone(factory), Arc::clone(&slot));
        let thread = thread::Builder::new()
            .name(format!("worker {index}"))
            .spawn(move || seed.run(&*factory, &filled, &waker))
            .map_err(|error| StartError::Kernel("start a thread", error))?;
        let started = wait_for_start(&slot, &thread)
            // Its panic was printed; the application's factory is what can panic there.
            .unwrap_or_else(|| Err(StartError::Worker(index, "it panicked at its start".into())))?;
        addresses.clone_from(&started.addresses);
        let place = WorkerPlace { index, cpu: started.cpu };
        running.add(Member { thread, post: started.post, place });
    }
    running.set_addresses(addresses);
    Ok(running)
}

/// Where a worker's thread leaves how its start went.
type StartSlot = Mutex<Option<Result<Started>>>;

/// A wake may come just before a thread counts as finished: then control looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits for a worker to have started or not; `None` if its thread ended without a word.
fn wait_for_start(slot: &StartSlot, thread: &JoinHandle<Outcome>) -> Option<Result<Started>> {
    loop {
        let has_ended = thread.is_finished();
        let started = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if started.is_some() || has_ended {
            return started;
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// Tells control that a worker has started, and that its thread ends, however it ends.
struct Waker {
    control: Thread,
    ended: Arc<EventFd>,
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.control.unpark();
        self.ended.wake();
    }
}

/// A worker before its thread made it.
struct Seed {
    clock: Clock,
    cpu: Option<usize>,
    addresses: Vec<SocketAddr>,
    parts: WorkerParts,
}

impl Seed {
    /// Makes the worker, tells whether that went well, and runs it to its end.
    fn run<H: Handler>(
        self,
        factory: &dyn Fn(&WorkerInfo) -> H,
        slot: &StartSlot,
        waker: &Waker,
    ) -> Outcome {
        let (worker, started) = match self.grow(factory) {
            Ok((worker, started)) => (Some(worker), Ok(started)),
            Err(error) => (None, Err(error)),
        };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        waker.control.unpark();
        let worker = worker.ok_or("it did not start")?;
        let (stats, handler) = worker.run().map_err(|error| error.to_string())?;
        Ok((stats, handler.routes()))
    }

    fn grow<H: Handler>(
        self,
        factory: &dyn Fn(&WorkerInfo) -> H,
    ) -> Result<(Worker<Linux, H>, Started)> {
        let index = self.parts.index;
        let cpu = self.cpu.filter(|cpu| {
            let is_pinned = sys::pin_current_thread(*cpu);
            if !is_pinned {
                log::warn!("worker {index} runs unpinned: the kernel refused CPU {cpu}");
            }
            is_pinned
        });
        if let Some(cpu) = cpu {
            self.parts.board.pinned(index, cpu);
        }
        let handler = factory(&WorkerInfo::new(index, Arc::clone(&self.parts.board)));
        handler.check().map_err(StartError::Application)?;

        let backlog = self.parts.settings.backlog;
        let listen = if index == 0 { Listener::claim } else { Listener::join };
        let listeners: Vec<Listener> = self
            .addresses
            .iter()
            .map(|address| listen(*address, backlog))
            .collect::<Result<_, _>>()?;
        let tuning = Tuning::from(&self.parts.settings);
        listeners
            .iter()
            .try_for_each(|listener| tuning.apply(listener))
            .map_err(|error| StartError::Kernel("set options of a listener", error))?;
        let addresses = listeners.iter().map(Listener::address).collect();
        let kernel = Linux::new(self.clock, listeners)
            .map_err(|error| StartError::Kernel("make an epoll instance", error))?;
        let (post, mailbox) = mailbox(kernel.waker());
        let worker = Worker::new(kernel, handler, self.parts, mailbox);
        Ok((worker, Started { post, addresses, cpu }))
    }
}
