//! The pinned loop: accept, drive, mail, deadlines, statistics. One worker, one thread.
//! Knows no concrete application, no signals and no configuration files.

mod accept;
mod access_log;
mod assemblies;
mod balance;
mod cohort;
mod connection;
mod deadlines;
mod drive;
mod mailbox;
mod overload;
mod per_address;
mod preface;
mod put_off;
mod receive;
mod reload;
mod room;
mod stages;
mod stats;
mod survey;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use accept::Accepting;
use access_log::AccessLog;
pub use access_log::{Batch, Lane, LogCounts, Record, Text, records};
use assemblies::Assemblies;
use balance::Sharing;
pub use balance::{Crew, Part};
use cohort::Cohort;
use connection::Connection;
pub use mailbox::{Mail, Mailbox, Post, Undeliverable, mailbox};
use overload::Overload;
use per_address::PerAddress;
use put_off::PutOff;
pub use reload::{Change, ChangeSlot};
use room::Room;
use stages::{Lot, Watched};
pub use stats::Stats;
use survey::Survey;

use crate::api::{Blocking, Board, Handler, Outbox, Parcel, Pulse, Remote};
use crate::clock::Moment;
use crate::limits::{
    EVENTS_PER_TURN, LINGER_BYTES_MAX, MAIL_PER_TURN, PUBLISH_INTERVAL_MS, STEP_TIME_US,
};
use crate::mem::{Key, Slab, TimerWheel};
use crate::proto::CloseReason;
use crate::settings::Settings;
use crate::sys::{Kernel, Readiness, Token};

const _: () = assert!(LINGER_BYTES_MAX < u32::MAX as usize);

const PUBLISH_INTERVAL: Duration = Duration::from_millis(PUBLISH_INTERVAL_MS);
const STEP_TIME: Duration = Duration::from_micros(STEP_TIME_US);

/// What a worker is made of besides its kernel and its application.
#[derive(Clone)]
pub struct WorkerParts {
    /// Its number.
    pub index: usize,
    /// Limits and deadlines.
    pub settings: Settings,
    /// Connections it may hold.
    pub connections_max: usize,
    /// Where it publishes its figures.
    pub board: Arc<Board>,
    /// Bytes of memory for incomplete requests and unsent answers.
    pub memory_max: u64,
    /// Where its application's blocking work goes.
    pub blocking: Arc<dyn Blocking>,
}

impl std::fmt::Debug for WorkerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerParts").field("index", &self.index).finish_non_exhaustive()
    }
}

/// A drain under way.
#[derive(Clone, Copy, Debug)]
struct Drain {
    began: Moment,
    until: Moment,
}

/// One worker: its kernel, its table, its buffers, its application.
#[derive(Debug)]
pub struct Worker<K: Kernel, H> {
    kernel: K,
    handler: H,
    parts: WorkerParts,
    /// Its own on the board.
    pulse: Arc<Pulse>,
    mailbox: Mailbox,
    now: Moment,
    /// The time as it was read last in this turn.
    lap: Moment,
    overload: Overload,
    /// Chooses the requests whose stages are measured.
    lot: Lot,
    /// What is to be known of the requests that were just received.
    watched: Option<Watched>,
    ready: Vec<Readiness>,
    connections: Slab<Connection<K::Stream>>,
    wheel: TimerWheel,
    assemblies: Assemblies,
    outbox: Outbox,
    remote: Remote,
    /// Memory that connections hold, in [`connection::HELD_UNIT`]s.
    held: u64,
    date_due: Moment,
    /// Connections with nothing under way that are served together.
    cohort: Cohort,
    /// Connections that are served after those with nothing under way.
    put_off: VecDeque<PutOff>,
    accepting: Accepting,
    sharing: Sharing<K::Stream>,
    /// Where its next application and settings come from.
    changes: Option<Arc<ChangeSlot<H>>>,
    /// Since when nothing but its own work has kept the worker from accepting.
    accepting_since: Moment,
    room: Room,
    per_address: PerAddress,
    accept_log_due: Moment,
    draining: Option<Drain>,
    /// Who is being told everything.
    surveys: VecDeque<Survey>,
    stopping: bool,
    stats: Stats,
    /// There if its answers are noted.
    access_log: Option<Box<AccessLog>>,
    publish_due: Option<Moment>,
    published: (u64, u64),
    publish_after: Moment,
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// A worker that has not yet had a turn, on a kernel that reports its listeners.
    pub fn new(mut kernel: K, handler: H, parts: WorkerParts, mailbox: Mailbox) -> Worker<K, H> {
        let now = kernel.now();
        let pulse = Arc::clone(parts.board.pulse(parts.index));
        pulse.name_routes(handler.routes());
        let home = Arc::new(mailbox.post(kernel.waker()));
        parts.board.lives_at(parts.index, home.clone());
        let remote = Remote::new(home, Arc::clone(&parts.blocking));
        let server_name = parts.settings.server_name.as_deref();
        Worker {
            now,
            lap: now,
            overload: Overload::new(&parts.settings, now),
            lot: Lot::new(parts.settings.stage_sampling, parts.index),
            watched: None,
            ready: Vec::with_capacity(EVENTS_PER_TURN),
            connections: Slab::new(parts.connections_max),
            wheel: TimerWheel::new(parts.connections_max),
            assemblies: Assemblies::new(),
            outbox: Outbox::new(server_name, kernel.unix_seconds(), remote.clone()),
            remote,
            held: 0,
            date_due: now + Duration::from_secs(1),
            cohort: Cohort::new(),
            put_off: VecDeque::with_capacity(EVENTS_PER_TURN),
            accepting: Accepting::Open,
            sharing: Sharing::new(Part::Alone, parts.index, kernel.waker()),
            changes: None,
            accepting_since: now,
            room: Room::new(&parts.settings, parts.connections_max),
            per_address: PerAddress::new(&parts.settings),
            accept_log_due: now,
            draining: None,
            surveys: VecDeque::new(),
            stopping: false,
            stats: Stats::new(pulse.routes().len()),
            access_log: None,
            publish_due: None,
            published: (0, 0),
            publish_after: now,
            kernel,
            handler,
            parts,
            pulse,
            mailbox,
        }
    }

    /// The same, taking this part in an even spread of connections.
    #[must_use]
    pub fn taking_part(mut self, part: Part<K::Stream>) -> Worker<K, H> {
        self.sharing = Sharing::new(part, self.parts.index, self.kernel.waker());
        self
    }

    /// The same, going on with what lies in `changes` when [`Mail::Reload`] comes.
    #[must_use]
    pub fn reloading(mut self, changes: Arc<ChangeSlot<H>>) -> Worker<K, H> {
        self.changes = Some(changes);
        self
    }

    /// Takes turns until the worker has drained or was stopped, and gives its figures and its
    /// application back.
    ///
    /// # Errors
    /// If the kernel refuses to wait, which a running worker cannot survive.
    pub fn run(mut self) -> io::Result<(Stats, H)> {
        while !self.is_finished() {
            self.turn()?;
        }
        Ok(self.finish())
    }

    /// Whether there is nothing left to do.
    pub fn is_finished(&self) -> bool {
        self.stopping || (self.draining.is_some() && self.connections.is_empty())
    }

    /// Ends what is left and gives the figures and the application back.
    pub fn finish(mut self) -> (Stats, H) {
        self.drop_rest();
        for key in self.connections.keys().collect::<Vec<_>>() {
            self.free(key, CloseReason::Stopped);
        }
        self.publish();
        self.stats.refused_paths = self.pulse.slot().refused_paths();
        self.stats.answer_counts = Arc::clone(self.pulse.slot().answer_counts());
        (self.stats, self.handler)
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Connections in the table.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Blocks leased by connections whose request is incomplete.
    pub fn assemblies_leased(&self) -> usize {
        self.assemblies.leased()
    }

    /// Entries of the timer wheel: one a connection.
    pub fn timers_armed(&self) -> usize {
        self.wheel.armed()
    }

    /// Bytes of memory that connections hold, in whole units.
    pub fn memory_held(&self) -> u64 {
        self.held * connection::HELD_UNIT as u64
    }

    /// The kernel, for those who script it.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// One pass of the loop, from wake to sleep.
    ///
    /// # Errors
    /// If the kernel refuses to wait.
    pub fn turn(&mut self) -> io::Result<()> {
        let timeout = self.next_timeout();
        if timeout != Some(Duration::ZERO) {
            self.pulse.rest();
        }
        let mut ready = std::mem::take(&mut self.ready);
        let rest_from = self.overload.is_watching().then(|| self.kernel.lap());
        self.kernel.wait(&mut ready, timeout)?;
        self.read_clock();
        if let Some(from) = rest_from {
            self.overload.on_rest(self.now - from);
        }

        if ready.iter().any(|readiness| readiness.token == Token::MAILBOX) {
            self.read_mail();
        }
        self.drive_ready(&ready);
        self.accept_ready(&ready);
        self.drive_put_off();
        self.ready = ready;
        self.expire_deadlines();
        self.adopt();
        self.publish_if_due();
        if let Some(log) = &mut self.access_log {
            log.pass_on_if_due(self.now);
        }
        Ok(())
    }

    fn read_clock(&mut self) {
        self.now = self.kernel.now();
        self.lap = self.now;
        self.pulse.begin(self.now);
        self.stats.turns += 1;
        if self.now >= self.date_due {
            self.outbox.refresh_date(self.kernel.unix_seconds());
            self.date_due = self.now + Duration::from_secs(1);
        }
    }

    fn read_mail(&mut self) {
        self.kernel.acknowledge_wake();
        self.survey();
        for _ in 0..MAIL_PER_TURN {
            match self.mailbox.next() {
                Some(Mail::Drain) => self.begin_drain(),
                Some(Mail::Reload) => self.reload(),
                Some(Mail::Stop) => self.stopping = true,
                None if self.read_parcel() => {}
                None => return,
            }
        }
        // More may wait, and the wake was taken back.
        self.kernel.waker().wake();
    }

    /// Takes what came home to a connection. Returns whether there was anything.
    fn read_parcel(&mut self) -> bool {
        match self.mailbox.next_parcel() {
            Some(Parcel::Answer(request, answer)) => self.deliver(request, answer),
            Some(Parcel::Ask(ask)) => self.tell(ask),
            Some(Parcel::Wake(wake)) => self.wake(Key::unpack(wake.take())),
            None => return false,
        }
        true
    }

    fn begin_drain(&mut self) {
        if self.draining.is_some() {
            return;
        }
        self.adopt_rest();
        // What the kernel has queued for us would be reset with the listener.
        self.accept_rest();
        self.kernel.close_listeners();
        self.accepting = Accepting::Closed;
        let until = self.now + self.parts.settings.drain_time;
        self.draining = Some(Drain { began: self.now, until });
        self.stats.drain_begins(self.unended());
        for key in self.connections.keys().collect::<Vec<_>>() {
            self.drain(key);
        }
    }

    /// Publishes figures that changed, at once after a quiet time and then once an interval.
    fn publish_if_due(&mut self) {
        match self.publish_due {
            // An idle worker has nothing new to say and is not woken to say it.
            None if self.figures() != self.published => {
                self.publish_due = Some(self.now.max(self.publish_after));
            }
            None => return,
            Some(_) => {}
        }
        if self.publish_due.is_some_and(|due| self.now >= due) {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let (requests, connections) = self.figures();
        self.sharing.tell(self.connections.len(), self.now);
        self.parts.board.publish(self.parts.index, requests, connections);
        self.published = (requests, connections);
        self.publish_after = self.now + PUBLISH_INTERVAL;
        self.publish_due = None;
    }

    fn figures(&self) -> (u64, u64) {
        (self.stats.tally.requests, self.connections.len() as u64)
    }
}
