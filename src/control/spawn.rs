//! Starts the workers, each on its own thread, one after the other.
//! Knows nothing of how they are stopped.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::access_log::AccessLog;
use super::admin::{self, Overview};
use super::balancing::Balancing;
use super::blocking::BlockingPool;
use super::ends::{Ends, Outcome};
use super::inherited::{Seat, Source};
use super::listening::Listening;
use super::phase::Phase;
use super::running::{Member, Running, WorkerPlace};
use super::supervisor::Supervisor;
use super::{Result, StartError};
use crate::api::{Blocking, Board, Handler, WorkerInfo, panic_message};
use crate::clock::Clock;
use crate::settings::{Balance, Settings};
use crate::sys::{self, Kernel, Linux, Listener, Stream, Tuning};
use crate::worker::{ChangeSlot, Lane, Part, Post, Worker, WorkerParts, mailbox};

/// What workers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// They serve the public: with one of them the server ends.
    Public,
    /// It tells of those: without it the server goes on.
    Admin,
}

impl Role {
    fn thread_name(self, worker: usize) -> String {
        match self {
            Role::Public => format!("worker {worker}"),
            Role::Admin => "admin".to_owned(),
        }
    }
}

/// What to start.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) role: Role,
    pub(super) sources: Vec<Source>,
    /// Where its admin listener is; empty for none.
    pub(super) admin: Vec<Source>,
    /// One entry a worker.
    pub(super) cpus: Vec<Option<usize>>,
    pub(super) connections_max: usize,
    pub(super) memory_max: u64,
    pub(super) blocking_threads: usize,
    pub(super) settings: Settings,
}

/// Makes the application of a worker on its thread.
pub(super) type Factory<H> = Arc<dyn Fn(&WorkerInfo) -> H + Send + Sync>;

/// What a worker's thread says once its worker serves.
struct Started {
    post: Post,
    /// Where it listens: those that were asked for come first.
    addresses: Vec<SocketAddr>,
    cpu: Option<usize>,
    /// Its epoll instance, for the supervisor.
    instance: OwnedFd,
    /// Duplicates of its listeners.
    listeners: Vec<OwnedFd>,
}

/// A server that runs, and where each of its workers looks for changes.
type Grown<H> = (Running, Vec<Arc<ChangeSlot<H>>>);

/// Starts one worker after the other, so that their listeners join in the order of the workers.
pub(super) fn start<H: Handler + 'static>(plan: Plan, factory: &Factory<H>) -> Result<Grown<H>> {
    let clock = Clock::new();
    let board = Arc::new(Board::new(clock, plan.cpus.len()));
    let ends = Ends::new(clock, plan.settings.drain_time)
        .map(Arc::new)
        .map_err(|error| StartError::Kernel("make an eventfd", error))?;
    let queue_max = plan.settings.blocking_queue_max;
    let blocking = Arc::new(BlockingPool::new(plan.blocking_threads, queue_max));
    let mut running = Running::new(Arc::clone(&board), Arc::clone(&ends), Arc::clone(&blocking));
    let life = running.life();
    running.set_access_log(AccessLog::start(&plan.settings, clock, plan.cpus.len())?);
    let overview = Arc::new(Overview::new(Arc::clone(&board), Arc::clone(&life)));
    // First, so that who asks learns that the others are starting; but last where the server
    // before still tells of its own.
    let is_first = !plan.admin.iter().any(Source::is_inherited);
    let (first, last) = if is_first { (plan.admin, Vec::new()) } else { (Vec::new(), plan.admin) };
    start_admin(&mut running, first, &overview)?;

    let workers = plan.cpus.len();
    let mut sources = plan.sources;
    let balancing = Balancing::choose(plan.settings.balance, workers)?;
    let mut listening = Listening::new(balancing, &sources);
    let (mut instances, mut slots) = (Vec::new(), Vec::new());
    for (index, cpu) in plan.cpus.iter().copied().enumerate() {
        let seats = sources.iter().map(|source| source.seat(index, workers));
        let seed = Seed {
            role: plan.role,
            clock,
            cpu,
            seats: seats.collect::<Result<_>>()?,
            in_force: listening.balancing().in_force(),
            part: listening.balancing().part(index),
            changes: Arc::default(),
            lane: running.lane(index),
            parts: WorkerParts {
                index,
                settings: plan.settings.clone(),
                connections_max: plan.connections_max,
                board: Arc::clone(&board),
                memory_max: plan.memory_max,
                blocking: Arc::clone(&blocking) as Arc<dyn Blocking>,
            },
        };
        slots.push(Arc::clone(&seed.changes));
        let (started, thread) = spawn(seed, factory, &ends)?;
        for (source, address) in sources.iter_mut().zip(started.addresses) {
            source.address = address;
        }
        let place = WorkerPlace { index, cpu: started.cpu };
        ends.join(started.post);
        instances.push(started.instance);
        overview.listens(&started.listeners);
        listening.add(started.listeners);
        running.add(Member { thread, place });
    }
    running.listen(listening)?;
    running.set_lame_duck(plan.settings.lame_duck);
    running.set_addresses(sources.iter().map(|source| source.address).collect());
    if let Some(stall_time) = plan.settings.stall_time {
        running.set_supervisor(supervise(&board, instances, stall_time)?);
    }
    life.enter(Phase::Ready);
    start_admin(&mut running, last, &overview)?;
    Ok((running, slots))
}

fn start_admin(running: &mut Running, at: Vec<Source>, overview: &Arc<Overview>) -> Result<()> {
    if !at.is_empty() {
        running.set_admin(admin::start(at, overview)?);
    }
    Ok(())
}

/// Starts the thread of a worker and waits for the worker to serve.
fn spawn<H: Handler + 'static>(
    seed: Seed<H>,
    factory: &Factory<H>,
    ends: &Arc<Ends>,
) -> Result<(Started, JoinHandle<()>)> {
    let index = seed.parts.index;
    let slot = Arc::new(Mutex::new(None));
    let waker = Waker { control: thread::current() };
    let (factory, filled, left) = (Arc::clone(factory), Arc::clone(&slot), Arc::clone(ends));
    let thread = thread::Builder::new()
        .name(seed.role.thread_name(index))
        .spawn(move || seed.live(&*factory, &filled, &waker, &left))
        .map_err(|error| StartError::Kernel("start a thread", error))?;
    let started = wait_for_start(&slot, &thread)
        // Its panic was printed; the application's factory is what can panic there.
        .unwrap_or_else(|| Err(StartError::Worker(index, "it panicked at its start".into())))?;
    Ok((started, thread))
}

/// Has the workers with these epoll instances watched.
fn supervise(board: &Board, instances: Vec<OwnedFd>, stall_time: Duration) -> Result<Supervisor> {
    let pulses = (0..instances.len()).map(|worker| Arc::clone(board.pulse(worker))).collect();
    Supervisor::start(board.clock(), stall_time, pulses, instances)
        .map_err(|error| StartError::Kernel("start the supervisor", error))
}

/// Where a worker's thread leaves how its start went.
type StartSlot = Mutex<Option<Result<Started>>>;

/// A wake may come just before a thread counts as finished: then control looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits for a worker to have started or not; `None` if its thread ended without a word.
fn wait_for_start(slot: &StartSlot, thread: &JoinHandle<()>) -> Option<Result<Started>> {
    loop {
        let has_ended = thread.is_finished();
        let started = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if started.is_some() || has_ended {
            return started;
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// Tells the thread that starts the workers that one has started, or that its thread ends.
struct Waker {
    control: Thread,
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.control.unpark();
    }
}

/// A worker before its thread made it.
struct Seed<H> {
    role: Role,
    clock: Clock,
    cpu: Option<usize>,
    seats: Vec<Seat>,
    in_force: Balance,
    part: Part<Stream>,
    changes: Arc<ChangeSlot<H>>,
    /// Where it leaves the records of its answers, if they are wanted.
    lane: Option<Arc<Lane>>,
    parts: WorkerParts,
}

impl<H: Handler> Seed<H> {
    /// The life of a worker's thread: whatever ends it is left where control finds it.
    fn live(
        self,
        factory: &dyn Fn(&WorkerInfo) -> H,
        slot: &StartSlot,
        waker: &Waker,
        ends: &Ends,
    ) {
        let (index, board) = (self.parts.index, Arc::clone(&self.parts.board));
        let role = self.role;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run(factory, slot, waker)))
            .unwrap_or_else(|payload| {
                Some(Err(format!("it panicked: {}", panic_message(payload))))
            });
        board.pulse(index).rest();
        let Some(outcome) = outcome else { return };
        let failure = outcome.as_ref().err().cloned();
        ends.leave(index, outcome);
        // Last, for a logger is the application's too, and may be what panicked.
        match (failure, role) {
            (Some(why), Role::Public) => {
                log::error!(
                    event = "worker_ended", worker = index, reason:% = why;
                    "worker {index} ended: {why}; the server stops"
                );
            }
            (Some(why), Role::Admin) => {
                log::error!(
                    event = "admin_ended", reason:% = why;
                    "the admin listener ended: {why}; the server goes on without it"
                );
            }
            (None, _) => {}
        }
    }

    /// Makes the worker, tells whether that went well, and runs it to its end; `None` if there
    /// was nothing to run.
    fn run(
        self,
        factory: &dyn Fn(&WorkerInfo) -> H,
        slot: &StartSlot,
        waker: &Waker,
    ) -> Option<Outcome> {
        let pulse = Arc::clone(self.parts.board.pulse(self.parts.index));
        let (worker, started) = match self.grow(factory) {
            Ok((worker, started)) => (Some(worker), Ok(started)),
            Err(error) => (None, Err(error)),
        };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        waker.control.unpark();
        let ended = worker?.run();
        Some(match ended {
            Ok((stats, _)) => Ok((stats, pulse.routes().to_vec())),
            Err(error) => Err(format!("it could not wait for events: {error}")),
        })
    }

    fn grow(mut self, factory: &dyn Fn(&WorkerInfo) -> H) -> Result<(Worker<Linux, H>, Started)> {
        let index = self.parts.index;
        let cpu = self.cpu.filter(|cpu| {
            let is_pinned = sys::pin_current_thread(*cpu);
            if !is_pinned {
                log::warn!(
                    event = "worker_unpinned", worker = index, cpu = *cpu;
                    "worker {index} runs unpinned: the kernel refused CPU {cpu}"
                );
            }
            is_pinned
        });
        if let Some(cpu) = cpu {
            self.parts.board.pinned(index, cpu);
        }
        let handler = factory(&WorkerInfo::new(index, Arc::clone(&self.parts.board)));
        handler.check().map_err(StartError::Application)?;

        let listeners = self.listen(cpu)?;
        let shared: io::Result<_> = listeners.iter().map(Listener::share).collect();
        let shared = shared.map_err(|error| StartError::Kernel("duplicate a listener", error))?;
        let addresses = listeners.iter().map(Listener::address).collect();
        let Settings { busy_poll, stage_sampling, .. } = self.parts.settings;
        let kernel = Linux::new(self.clock, listeners)
            .map_err(|error| StartError::Kernel("make an epoll instance", error))?
            .busy_polling(busy_poll)
            .stamping(stage_sampling > 0);
        let instance = kernel
            .share()
            .map_err(|error| StartError::Kernel("duplicate an epoll instance", error))?;
        let (post, mailbox) = mailbox(kernel.waker());
        let mut worker = Worker::new(kernel, handler, self.parts, mailbox)
            .taking_part(self.part)
            .reloading(self.changes);
        if let Some(lane) = self.lane {
            worker = worker.logging_to(lane);
        }
        Ok((worker, Started { post, addresses, cpu, instance, listeners: shared }))
    }

    /// Its listeners, with all their options: one of each address, then those that are left over.
    fn listen(&mut self, cpu: Option<usize>) -> Result<Vec<Listener>> {
        let index = self.parts.index;
        let backlog = self.parts.settings.backlog;
        let listen = if index == 0 { Listener::claim } else { Listener::join };
        let (mut listeners, mut surplus) = (Vec::new(), Vec::new());
        for seat in std::mem::take(&mut self.seats) {
            let mut own = seat.own.into_iter();
            let first = own.next().map_or_else(|| listen(seat.address, backlog), Ok)?;
            listeners.push(first);
            surplus.extend(own);
        }
        listeners.extend(surplus);
        let tuning = Tuning::from(&self.parts.settings);
        listeners
            .iter()
            .try_for_each(|listener| tuning.apply(listener))
            .map_err(|error| StartError::Kernel("set options of a listener", error))?;
        if self.in_force == Balance::Cpu {
            let cpu = cpu.ok_or(StartError::Unpinned(index))?;
            listeners
                .iter()
                .try_for_each(|listener| listener.follow_cpu(cpu))
                .map_err(|error| StartError::Kernel("let a listener follow a CPU", error))?;
        }
        Ok(listeners)
    }
}
