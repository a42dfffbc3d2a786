//! Everything outside the worker: simulated connections, level-triggered readiness worked out from
//! them, seeded partial transfers and faults, a clock. Knows no HTTP.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corelane::clock::Moment;
use corelane::limits::{BLOCK_BYTES, EVENTS_PER_TURN, LINGER_BYTES_MAX, TICK_MS};
use corelane::sys::{Interest, Readiness, Token};
use corelane::worker::{Crew, Mail, Post};
use corelane::{Error, Reply, Settings, WhenFull};

use crate::random::Random;
use crate::sim_client::Expected;
use crate::sim_elsewhere::{Awaits, Deed, Errand, Promise, Shared, SimSource, Work, lock};
use crate::sim_faults::{Counts, Faults};
use crate::sim_kernel::{SimStream, peer_of};
use crate::sim_overload::Load;
use crate::sim_pipe::{Abrupt, Pipe, Place};

/// Turns in a row that may do nothing although there is something to do.
const IDLE_TURNS_MAX: u32 = 64;

/// Errors of `accept(2)` that are about the kernel and not about one connection.
const EXHAUSTED: [i32; 6] =
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EINVAL, libc::EACCES];

/// Errors of `accept(2)` that are about one connection.
const ABORTED: [i32; 4] = [libc::ECONNABORTED, libc::EPROTO, libc::EHOSTDOWN, libc::ENONET];

#[derive(Debug, Default)]
struct SimListener {
    queue: VecDeque<usize>,
    is_on: bool,
}

/// Other workers, which hand connections over.
#[derive(Debug)]
struct Others {
    crew: Arc<Crew<SimStream>>,
    random: Random,
    world: Weak<RefCell<World>>,
}

/// What leaves a change for the worker.
pub(crate) struct LeaveChange(pub(crate) Box<dyn Fn()>);

impl std::fmt::Debug for LeaveChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeaveChange")
    }
}

/// Everything outside the worker.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, none is a state")]
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) now: Moment,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) settings: Settings,
    /// Connections the worker may have.
    pub(crate) connections_max: usize,
    pub(crate) elsewhere: Shared,
    pub(crate) load: Load,
    pub(crate) faults: Faults,
    pub(crate) counts: Counts,
    /// Requests of each client that were handled.
    pub(crate) handled: Vec<usize>,
    /// The first thing that was wrong.
    pub(crate) fault: Option<String>,
    /// Nobody will ever do anything again unless it is told by mail.
    pub(crate) is_at_rest: bool,
    /// When the worker last came back at once to something it had left.
    pub(crate) busy_at: Moment,
    /// When a drain began.
    pub(crate) drain: Option<Moment>,
    pub(crate) is_stopped: bool,
    /// Mail and the turn before which it is sent.
    pub(crate) mail: VecDeque<(u32, Mail)>,
    post: Option<Post>,
    /// Leaves a change for the worker.
    pub(crate) leave_change: Option<LeaveChange>,
    others: Option<Others>,
    listeners: Vec<SimListener>,
    has_listeners: bool,
    /// Seconds of the wall clock, if it stands still; then nobody waits for a deadline either
    /// while a client has something to do.
    pub(crate) wall_clock: Option<u64>,
    woken: Arc<AtomicBool>,
    stale: Vec<Readiness>,
    candidates: Vec<Readiness>,
    exhausted: Option<(Moment, i32)>,
    turns: u32,
    idle_turns: u32,
    has_progressed: bool,
    /// How often the worker asked for the time within a turn.
    laps: u64,
}

impl World {
    pub(crate) fn new(
        random: Random,
        pipes: Vec<Pipe>,
        listeners: usize,
        settings: Settings,
        faults: Faults,
        elsewhere: Shared,
    ) -> World {
        let load = Load::new(Random::new(0), false, &settings);
        World {
            random,
            // Not at a tick's edge, and not at the origin.
            now: Moment::from_nanos(1_234_567_891),
            handled: vec![0; pipes.len()],
            pipes,
            settings,
            connections_max: usize::MAX,
            elsewhere,
            load,
            faults,
            counts: Counts::default(),
            fault: None,
            is_at_rest: false,
            busy_at: Moment::default(),
            drain: None,
            is_stopped: false,
            mail: VecDeque::new(),
            post: None,
            leave_change: None,
            others: None,
            listeners: (0..listeners)
                .map(|_| SimListener { queue: VecDeque::new(), is_on: true })
                .collect(),
            has_listeners: true,
            wall_clock: None,
            woken: Arc::default(),
            stale: Vec::new(),
            candidates: Vec::new(),
            exhausted: None,
            turns: 0,
            idle_turns: 0,
            has_progressed: true,
            laps: 0,
        }
    }

    pub(crate) fn set_post(&mut self, post: Post) {
        self.post = Some(post);
    }

    /// Some connections come from other workers from now on.
    pub(crate) fn set_others(world: &Rc<RefCell<World>>, random: Random) -> Arc<Crew<SimStream>> {
        let crew = Crew::new(1);
        let others = Others { crew: Arc::clone(&crew), random, world: Rc::downgrade(world) };
        world.borrow_mut().others = Some(others);
        crew
    }

    /// Another worker hands the connection of a client over, if that is how it comes. Returns
    /// whether it does.
    fn hand_over(&mut self, client: usize) -> bool {
        let Some(others) = &mut self.others else { return false };
        if !others.random.one_in(2) {
            return false;
        }
        let Some(world) = others.world.upgrade() else { return false };
        let handed = (SimStream::new(world, client), peer_of(client));
        let is_taken = others.crew.offer(0, handed).is_ok();
        if is_taken && !self.has_listeners {
            self.note("takes connections on though it drains");
        }
        let pipe = &mut self.pipes[client];
        // What is not taken, who offers it serves.
        pipe.place = if is_taken { Place::Handed } else { Place::Closed };
        true
    }

    /// The worker does something with a connection: if that was handed over, it took it on.
    fn touch(&mut self, client: usize) {
        if self.pipes[client].place == Place::Handed {
            self.has_progressed = true;
            self.counts.accepted += 1;
            self.pipes[client].accept(self.now);
        }
    }

    pub(crate) fn unix_seconds(&self) -> u64 {
        self.wall_clock.unwrap_or(1_700_000_000 + self.now.as_nanos() / 1_000_000_000)
    }

    /// Notes what is wrong; the first note stays.
    pub(crate) fn note(&mut self, fault: impl Into<String>) {
        self.fault.get_or_insert_with(|| fault.into());
    }

    /// Notes that a request of `client` was handled.
    pub(crate) fn note_handled(&mut self, client: usize) {
        self.handled[client] += 1;
        self.pipes[client].handled_at.push(self.now);
        self.counts.handled += 1;
        self.has_progressed = true;
    }

    /// Notes that a request of `client` was turned away, and whether its body was there.
    pub(crate) fn note_shed(&mut self, client: usize, is_there: bool) {
        self.counts.shed += 1;
        self.counts.shed_unread += u64::from(!is_there);
        self.has_progressed = true;
        if is_there {
            self.handled[client] += 1;
            self.pipes[client].handled_at.push(self.now);
        }
    }

    fn is_due(budget: &mut u32, random: &mut Random, one_in: usize) -> bool {
        let is_due = *budget > 0 && random.one_in(one_in);
        *budget -= u32::from(is_due);
        is_due
    }

    /// Has one client that has something to do, do it.
    fn act(&mut self) -> bool {
        let first = self.random.below(self.pipes.len());
        let count = self.pipes.len();
        let busy = (0..count).map(|step| (first + step) % count);
        let Some(index) = busy.into_iter().find(|index| self.pipes[*index].has_plans()) else {
            return false;
        };
        if self.pipes[index].place == Place::Nowhere && self.hand_over(index) {
            self.has_progressed = true;
            return true;
        }
        let pipe = &mut self.pipes[index];
        if pipe.place != Place::Nowhere {
            pipe.act(&mut self.random);
        } else if self.has_listeners {
            pipe.place = Place::Queued;
            let listener = self.random.below(self.listeners.len());
            self.listeners[listener].queue.push_back(index);
        } else {
            pipe.place = Place::Closed;
        }
        self.has_progressed = true;
        true
    }

    fn post_mail(&mut self, is_at_rest: bool) {
        while let Some((turn, mail)) = self.mail.front().copied() {
            if turn > self.turns && !is_at_rest {
                return;
            }
            self.mail.pop_front();
            match mail {
                Mail::Drain => self.drain = self.drain.or(Some(self.now)),
                Mail::Reload => {
                    if let Some(LeaveChange(leave_change)) = &self.leave_change {
                        leave_change();
                    }
                }
                Mail::Stop => self.is_stopped = true,
            }
            if self.post.as_ref().is_some_and(|post| post.send(mail).is_err()) {
                self.note("mail was not taken");
            }
        }
    }

    /// What the worker's wish to wait says about it.
    fn judge_wait(&mut self, timeout: Option<Duration>) {
        let open = self.open();
        if timeout.is_none() && open > 0 {
            self.note(format!("waits without end with {open} open connections"));
        }
        let is_waiting = |listener: &SimListener| !listener.is_on && !listener.queue.is_empty();
        if timeout.is_none() && self.has_listeners && self.listeners.iter().any(is_waiting) {
            self.note("waits without end while accepting is paused");
        }
        let is_handed = |pipe: &Pipe| pipe.place == Place::Handed;
        let is_woken = self.woken.load(Ordering::SeqCst);
        let is_room = open < self.connections_max;
        if timeout != Some(Duration::ZERO)
            && is_room
            && !is_woken
            && self.pipes.iter().any(is_handed)
        {
            self.note(format!("waits {timeout:?} while a connection is handed over"));
        }
        if let Some(client) = (0..self.pipes.len()).find(|client| self.is_left(*client))
            && timeout != Some(Duration::ZERO)
        {
            let state = lock(&self.elsewhere).clients[client].clone();
            let why = format!("while a request of client {client} is left");
            self.note(format!("waits {timeout:?} {why}, {state:?}"));
        }
        if timeout == Some(Duration::ZERO) {
            self.busy_at = self.now;
        }
        if std::mem::take(&mut self.has_progressed) {
            self.idle_turns = 0;
        }
        self.idle_turns += 1;
        if self.idle_turns > IDLE_TURNS_MAX {
            self.note("spins");
        }
    }

    /// Whether the worker has read a whole request of a client and left it for later.
    fn is_left(&self, client: usize) -> bool {
        let pipe = &self.pipes[client];
        let handled = self.handled[client];
        let item = pipe.script.items.get(handled);
        let elsewhere = &lock(&self.elsewhere).clients[client];
        let is_due = match elsewhere.awaits {
            Awaits::Nothing => item.is_some_and(|item| item.end <= pipe.read),
            Awaits::Source | Awaits::Sink => elsewhere.is_woken,
            Awaits::Turn => true,
            Awaits::Answer(_) => false,
        };
        is_due
            && pipe.place == Place::Open
            && pipe.finished_at.is_none()
            && !pipe.is_blocked
            && !pipe.is_reset
    }

    /// Collects what is ready, in an order and number that follow from the seed.
    fn collect(&mut self, ready: &mut Vec<Readiness>) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        for pipe in &self.pipes {
            let Some(token) = pipe.token else { continue };
            let ended = pipe.is_broken();
            let receive = ended || (pipe.interest == Interest::Receive && pipe.is_readable());
            let send = ended || (pipe.interest == Interest::Send && pipe.is_writable());
            if receive || send {
                candidates.push(Readiness { token, receive, send, broken: ended });
            } else if World::is_due(&mut self.faults.spurious, &mut self.random, 8) {
                let both = self.random.one_in(2);
                let receive = both || pipe.interest == Interest::Receive;
                let send = both || pipe.interest == Interest::Send;
                candidates.push(Readiness { token, receive, send, broken: false });
            }
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            let is_spurious = World::is_due(&mut self.faults.spurious, &mut self.random, 64);
            if self.has_listeners && listener.is_on && (is_spurious || !listener.queue.is_empty()) {
                let token = Token::listener(index);
                candidates.push(Readiness { token, receive: true, send: false, broken: false });
            }
        }
        if self.woken.load(Ordering::SeqCst) {
            candidates.push(Readiness {
                token: Token::MAILBOX,
                receive: true,
                send: false,
                broken: false,
            });
        }
        while !self.stale.is_empty() && self.random.one_in(2) {
            candidates.push(self.stale.swap_remove(0));
        }
        let mut most = EVENTS_PER_TURN.min(candidates.len());
        if most > 1 && self.random.one_in(4) {
            most = self.random.between(1, most);
        }
        for _ in 0..most {
            let index = self.random.below(candidates.len());
            ready.push(candidates.swap_remove(index));
        }
        self.candidates = candidates;
    }

    /// Nothing is ready: either a client does something in time, or the time passes.
    fn pass(&mut self, timeout: Option<Duration>) {
        if timeout.is_some() && World::is_due(&mut self.faults.early_ends, &mut self.random, 4) {
            let part = timeout.unwrap_or_default() / 1000 * self.random.below(1000) as u32;
            self.now = self.now + part;
            return;
        }
        if self.load.is_pressed() && self.act() {
            self.now = self.now + Duration::from_micros(self.random.below(900) as u64);
            return;
        }
        let is_patient = timeout.is_none() || self.wall_clock.is_some();
        if (is_patient || !self.random.one_in(4)) && self.act() {
            let delay = self.random.pick(&[0, 20, 1000, 90_000, 700_000]);
            let delay = Duration::from_micros(self.random.between(0, delay) as u64);
            self.now = self.now + timeout.map_or(delay, |timeout| delay.min(timeout));
            return;
        }
        let due = lock(&self.elsewhere).next_due();
        if let Some(due) = due
            && timeout.is_none_or(|timeout| due <= self.now + timeout)
        {
            self.now = self.now.max(due);
            self.run_errands(true);
            return;
        }
        let Some(timeout) = timeout else {
            self.post_mail(true);
            self.is_at_rest = !self.woken.load(Ordering::SeqCst);
            return;
        };
        self.now = self.now + timeout;
        self.has_progressed |= timeout > Duration::ZERO;
        if World::is_due(&mut self.faults.jumps, &mut self.random, 4) {
            let jump = self.random.pick(&[1, 60, 5_000, 70_000, 400_000]);
            self.now = self.now + Duration::from_millis(self.random.between(0, jump) as u64);
        } else {
            self.now = self.now + Duration::from_nanos(self.random.between(0, 1_000_000) as u64);
        }
    }

    /// The time within a turn, which may have taken long.
    pub(crate) fn lap(&mut self) -> Moment {
        self.laps += 1;
        let is_long = World::is_due(&mut self.faults.long_laps, &mut self.random, 2);
        let time = Duration::from_millis(u64::from(is_long));
        self.now + self.load.lap(time)
    }

    /// How long what was just received of `client` has waited.
    pub(crate) fn received_ago(&mut self, client: usize) -> Option<Duration> {
        let served = self.pipes[client].handled_at.last().copied();
        self.load.received_ago(client, self.now, served)
    }

    pub(crate) fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) {
        if timeout != Some(Duration::ZERO) {
            // Otherwise the last turn had no time for all of them, and the next one goes on.
            self.judge_deadlines();
        }
        self.now = self.now + self.load.end_turn();
        let before = self.now;
        self.end_turn();
        self.judge_wait(timeout);
        self.turns += 1;
        self.run_errands(false);
        self.post_mail(false);
        ready.clear();
        self.is_at_rest = false;
        while self.random.one_in(2) && self.act() {}
        self.collect(ready);
        if ready.is_empty() && timeout != Some(Duration::ZERO) {
            self.pass(timeout);
            self.collect(ready);
        }
        self.now = self.now + Duration::from_nanos(self.random.below(50_000) as u64);
        self.load.rested(self.now - before);
        lock(&self.elsewhere).now = self.now;
    }

    /// What the last turn left of what it was to do with what came from elsewhere.
    pub(crate) fn end_turn(&mut self) {
        let mut elsewhere = lock(&self.elsewhere);
        if !elsewhere.is_on {
            return;
        }
        elsewhere.end_turn(&self.pipes);
        let fault = elsewhere.fault.take();
        drop(elsewhere);
        if let Some(fault) = fault {
            self.note(fault);
        }
    }

    /// Does some of what is due elsewhere; at least one thing if it `must`.
    fn run_errands(&mut self, mut must: bool) {
        loop {
            let mut elsewhere = lock(&self.elsewhere);
            if !elsewhere.is_on || (!must && elsewhere.random.one_in(4)) {
                return;
            }
            let errand = elsewhere.take_due(self.now);
            drop(elsewhere);
            let Some(errand) = errand else { return };
            must = false;
            self.has_progressed = true;
            self.run_errand(errand);
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        let client = errand.client;
        let promise = match errand.work {
            Work::Promise(promise) => promise,
            Work::Wake(waker) => return waker.wake(),
        };
        let Promise { number, later, waker, deed, body, has_number } = promise;
        let item = &mut self.pipes[client].script.items[number];
        item.promised = item.promised.map(|(until, _)| (until, Some(self.now)));
        lock(&self.elsewhere).deeds.count(deed);
        let source = || {
            let mut source = SimSource::new(&self.elsewhere, client, waker, body);
            source.is_promised = true;
            source
        };
        let reply = match deed {
            Deed::Answer => Reply::bytes(body.to_vec()),
            Deed::Drop => {
                item.expected = Expected::Status(500);
                drop(later);
                return;
            }
            Deed::Fail => {
                item.expected = Expected::Status(404);
                let error = Error::not_found("scripted");
                later.fail(error.with_header("X-Number", number.to_string()));
                return;
            }
            Deed::Stream => Reply::stream(source()),
            Deed::StreamExact => Reply::stream_exact(body.len() as u64, source()),
        };
        item.is_streamed = matches!(deed, Deed::Stream | Deed::StreamExact);
        let number = number.to_string();
        later.answer(if has_number { reply } else { reply.header("X-Number", number) });
    }

    pub(crate) fn open(&self) -> usize {
        self.pipes.iter().filter(|pipe| pipe.place == Place::Open).count()
    }

    pub(crate) fn listeners(&self) -> usize {
        if self.has_listeners { self.listeners.len() } else { 0 }
    }

    pub(crate) fn listen(&mut self, index: usize, on: bool) -> io::Result<()> {
        if !self.has_listeners {
            return Err(io::ErrorKind::NotFound.into());
        }
        if on && World::is_due(&mut self.faults.unlistened, &mut self.random, 3) {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        self.listeners[index].is_on = on;
        Ok(())
    }

    pub(crate) fn close_listeners(&mut self) {
        self.has_listeners = false;
        for listener in &mut self.listeners {
            for client in listener.queue.drain(..) {
                self.pipes[client].place = Place::Closed;
            }
        }
    }

    pub(crate) fn finish_sending(&mut self, client: usize) {
        if self.pipes[client].finished_at.replace(self.now).is_some() {
            self.note("ends a stream twice");
        }
    }

    /// The worker will not send what waits: its client takes too little of it.
    pub(crate) fn reset_at_close(&mut self, client: usize) {
        self.counts.cut_off += 1;
        let pipe = &mut self.pipes[client];
        let is_slow = pipe.is_too_slow(&self.settings, self.now);
        self.counts.slow_reads += u64::from(is_slow && self.settings.memory_max.is_none());
        if !pipe.is_blocked {
            self.note(format!("client {client} is cut off though it takes everything"));
        } else if self.settings.memory_max.is_some() {
            // Whether it took too long or too much is not seen from here.
            pipe.abrupt.get_or_insert(Abrupt::Blocked);
        }
    }

    /// What makes the mailbox ready.
    pub(crate) fn woken(&self) -> &Arc<AtomicBool> {
        &self.woken
    }

    /// The next connection in the queue of a listener.
    pub(crate) fn accept(&mut self, index: usize) -> io::Result<usize> {
        if !self.has_listeners || self.listeners[index].queue.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some((until, errno)) = self.exhausted
            && self.now < until
        {
            self.counts.exhausted += 1;
            return Err(io::Error::from_raw_os_error(errno));
        }
        if World::is_due(&mut self.faults.exhausted, &mut self.random, 3) {
            let time = Duration::from_millis(self.random.between(1, 50) as u64);
            let errno = self.random.pick(&EXHAUSTED);
            self.exhausted = Some((self.now + time, errno));
            self.counts.exhausted += 1;
            return Err(io::Error::from_raw_os_error(errno));
        }
        let client = self.listeners[index].queue.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        self.has_progressed = true;
        if World::is_due(&mut self.faults.aborted, &mut self.random, 3) {
            self.pipes[client].place = Place::Closed;
            self.counts.aborted += 1;
            return Err(io::Error::from_raw_os_error(self.random.pick(&ABORTED)));
        }
        self.counts.accepted += 1;
        self.pipes[client].accept(self.now);
        Ok(client)
    }

    pub(crate) fn watch(
        &mut self,
        client: usize,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.touch(client);
        if World::is_due(&mut self.faults.unwatched, &mut self.random, 6) {
            self.counts.unwatched += 1;
            self.pipes[client].abrupt.get_or_insert(Abrupt::Unwatched);
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        let pipe = &mut self.pipes[client];
        pipe.interest = interest;
        pipe.token = Some(token);
        if pipe.finished_at.is_none() {
            lock(&self.elsewhere).is_watched(client, interest);
        }
        Ok(())
    }

    pub(crate) fn receive(&mut self, client: usize, space: &mut [u8]) -> io::Result<usize> {
        if space.is_empty() {
            self.note("receives into nothing");
        }
        self.load.forget();
        self.touch(client);
        let pipe = &mut self.pipes[client];
        if pipe.is_reset {
            self.has_progressed = true;
            return if pipe.tell_reset() {
                Err(io::Error::from_raw_os_error(libc::ECONNRESET))
            } else {
                Ok(0)
            };
        }
        let mut len = (pipe.arrived - pipe.read).min(space.len());
        if World::is_due(&mut self.faults.would_block, &mut self.random, 8) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if len == 0 {
            if pipe.has_ended {
                self.has_progressed |= !pipe.end_told;
                pipe.end_told = true;
                return Ok(0);
            }
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.random.one_in(2) {
            len = self.random.between(1, len);
        }
        self.has_progressed = true;
        self.counts.received += len as u64;
        pipe.receive(space, len, self.now);
        if pipe.dropped > LINGER_BYTES_MAX + BLOCK_BYTES {
            self.note("goes on reading what it drops");
        }
        Ok(len)
    }

    /// Takes some of what is offered, and of `missing` bytes that a file has no more.
    pub(crate) fn send(
        &mut self,
        client: usize,
        segments: &[IoSlice<'_>],
        missing: usize,
    ) -> io::Result<usize> {
        self.touch(client);
        let pipe = &mut self.pipes[client];
        if pipe.is_reset {
            self.has_progressed = true;
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        if pipe.finished_at.is_some() {
            self.note("sends after its end");
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        let offered: usize = segments.iter().map(|segment| segment.len()).sum();
        if offered == 0 {
            self.note("sends nothing");
        }
        let pipe = &mut self.pipes[client];
        let mut len = offered.min(pipe.room());
        if World::is_due(&mut self.faults.would_block, &mut self.random, 8) {
            len = 0;
        }
        if len > 1 && self.random.one_in(3) {
            len = self.random.between(len / 16 + 1, len);
        }
        self.has_progressed |= len > 0;
        self.counts.sent += len as u64;
        if pipe.token.is_none() && len > 0 {
            self.counts.unavailable += 1;
        }
        pipe.take(segments, len, offered + missing, (self.now, self.laps));
        self.load.forget();
        lock(&self.elsewhere).clients[client].is_blocked = pipe.is_blocked;
        if len == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(len) }
    }

    /// A file has ended before its time: what was to be sent is not waited for any more.
    pub(crate) fn tell_end_of_file(&mut self, client: usize) {
        self.touch(client);
        self.has_progressed = true;
        self.pipes[client].is_blocked = false;
        lock(&self.elsewhere).clients[client].is_blocked = false;
    }

    pub(crate) fn close(&mut self, client: usize) {
        self.touch(client);
        self.has_progressed = true;
        let open = self.open();
        let soft_max = self.connections_max - self.connections_max / 8;
        let soft_max = self.settings.connections_soft_max.unwrap_or(soft_max);
        let is_crowded = open > self.connections_max
            || self.settings.connections_per_address_max.is_some_and(|max| open > max);
        let mut may_wait = false;
        let pipe = &mut self.pipes[client];
        pipe.place = Place::Closed;
        pipe.closed_at = self.now;
        if pipe.token.is_none() && is_crowded && pipe.abrupt != Some(Abrupt::Unwatched) {
            pipe.abrupt = Some(Abrupt::TurnedAway);
            may_wait = open > self.connections_max
                && self.settings.connections_full == WhenFull::Pause
                && self.drain.is_none()
                && !self.is_stopped;
        }
        let mut elsewhere = lock(&self.elsewhere);
        let state = &mut elsewhere.clients[client];
        let makes_room =
            open >= soft_max && pipe.may_make_room(self.now) && state.awaits == Awaits::Nothing;
        if let Some(token) = pipe.token.take()
            && World::is_due(&mut self.faults.stale, &mut self.random, 2)
        {
            self.stale.push(Readiness { token, receive: true, send: true, broken: true });
        }
        let drain_time = self.settings.drain_time;
        if self.is_stopped || self.drain.is_some_and(|began| self.now >= began + drain_time) {
            pipe.abrupt.get_or_insert(Abrupt::Stopped);
        }
        let item = self.handled[client].checked_sub(1).map(|last| &pipe.script.items[last]);
        let is_last = item.is_some_and(|item| item.last.is_some())
            || state.is_cut
            || self.drain.is_some_and(|began| pipe.last_taken_at >= began);
        let served = self.handled[client].checked_sub(1);
        let served = served.map_or(pipe.script.preface, |last| pipe.script.items[last].end);
        let is_left = pipe.read > served && pipe.finished_at.is_none();
        let fault = pipe.close_fault(&self.settings, self.drain, self.now, is_last, state);
        if state.awaits == Awaits::Source && self.now >= state.since + state.time {
            state.is_cut = true;
        }
        drop(elsewhere);
        let fault = fault.or_else(|| {
            let is_sudden = pipe.abrupt.is_some() || pipe.is_blocked || pipe.end_told;
            (is_left && !is_sudden).then(|| {
                let times = pipe.state();
                format!("ended with {} of {} served, does not linger: {times}", served, pipe.read)
            })
        });
        if pipe.is_blocked {
            pipe.abrupt.get_or_insert(Abrupt::Blocked);
        }
        if may_wait {
            self.note(format!("client {client} is turned away though it may wait"));
        }
        if let Some(fault) = fault.filter(|_| !makes_room) {
            self.note(format!("client {client}: {fault}"));
        }
    }

    /// The connections that should have been looked at before the worker rests.
    fn judge_deadlines(&mut self) {
        let slack = Duration::from_millis(TICK_MS + 1);
        for client in 0..self.pipes.len() {
            let pipe = &self.pipes[client];
            if pipe.place == Place::Open && !self.is_left(client) {
                let state = lock(&self.elsewhere).clients[client].clone();
                let due = pipe.due(&self.settings, self.drain, self.busy_at, &state) + slack;
                if self.now > due {
                    let late = self.now - due;
                    let (times, awaits) = (pipe.state(), state.awaits);
                    let text =
                        String::from_utf8_lossy(&pipe.script.bytes[..pipe.read]).into_owned();
                    self.note(format!(
                        "client {client}: {late:?} after its deadline, {awaits:?} {times} {text}"
                    ));
                }
            }
        }
    }
}
