//! One thread of the generator: connects, sends what is due, reads answers and measures.
//! Knows nothing of the other threads but its share of the schedule.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::answer::Answer;
use super::connection::{Connection, Sent, Stage};
use super::figures::{Failure, record};
use super::plan::{Load, Plan};
use super::schedule::Schedule;
use super::stretches::{Stretch, Stretches};
use crate::clock::{Clock, Moment};
use crate::limits::{BENCH_RECEIVE_BYTES, EVENTS_PER_TURN};
use crate::sys::{Epoll, Interest, Readiness, Stream, Token};

/// Which part of the whole a thread has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) thread: usize,
    pub(super) threads: usize,
    pub(super) begin: Moment,
}

/// A connection that could not be made, or that failed, is made again after this.
const RETRY_TIME: Duration = Duration::from_millis(10);
/// How often timeouts and connections to be made are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// A sleep ends this much before a request is due; the rest is polled for.
const SPIN_TIME: Duration = Duration::from_micros(60);

pub(super) struct Generator<'p> {
    plan: &'p Plan,
    clock: Clock,
    epoll: Epoll,
    ready: Vec<Readiness>,
    space: Box<[u8]>,
    /// Requests that are gathered to be sent at once.
    batch: Vec<u8>,
    connections: Vec<Connection>,
    /// Connections of an open loop with nothing under way, the one that rests longest first.
    free: VecDeque<Token>,
    /// Since when there has been one.
    free_since: Moment,
    schedule: Option<Schedule>,
    next_exchange: usize,
    /// Which of the plan's source addresses the next connection has.
    next_source: usize,
    /// Status and length of the first answer to each exchange.
    first_answers: Vec<Option<(u16, u64)>>,
    look_due: Moment,
    stretches: Stretches,
}

impl<'p> Generator<'p> {
    pub(super) fn new(
        plan: &'p Plan,
        share: Share,
        clock: Clock,
        results: Sender<Stretch>,
    ) -> io::Result<Generator<'p>> {
        let Share { thread, threads, begin } = share;
        let connections = (thread..plan.connections).step_by(threads).map(|_| Connection::new());
        let schedule = match plan.load {
            Load::Closed { .. } => None,
            Load::Open { rate } => Some(Schedule::new(begin, rate, thread, threads)),
        };
        Ok(Generator {
            plan,
            clock,
            epoll: Epoll::new()?,
            ready: Vec::with_capacity(EVENTS_PER_TURN),
            space: vec![0; BENCH_RECEIVE_BYTES].into_boxed_slice(),
            batch: Vec::new(),
            connections: connections.collect(),
            free: VecDeque::new(),
            free_since: begin,
            schedule,
            next_exchange: thread % plan.exchanges.len(),
            // Each thread goes through all of them, so that it makes no difference which is fast.
            next_source: thread * plan.source_addresses.len() / threads,
            first_answers: vec![None; plan.exchanges.len()],
            look_due: begin,
            stretches: Stretches::new(plan, begin, results),
        })
    }

    /// Runs to the end of the plan. What an open loop has under way then, it waits for.
    pub(super) fn run(mut self) -> io::Result<()> {
        loop {
            let now = self.clock.now();
            self.stretches.end_due(now);
            if now >= self.stretches.end
                && (self.is_quiet() || now >= self.stretches.end + self.plan.timeout)
            {
                break;
            }
            if now >= self.look_due {
                self.look(now);
            }
            self.send_due(now);
            self.wait(now)?;
            let ready = std::mem::take(&mut self.ready);
            for readiness in &ready {
                self.on_ready(*readiness);
            }
            self.ready = ready;
        }
        self.finish();
        Ok(())
    }

    /// Whether nothing is under way that counts.
    fn is_quiet(&self) -> bool {
        self.schedule.is_none()
            || self.connections.iter().all(|connection| connection.under_way.is_empty())
    }

    /// Counts what was due and did not come, with the time for which it did not.
    fn finish(mut self) {
        let now = self.clock.now();
        if self.schedule.is_some() {
            for index in 0..self.connections.len() {
                for sent in std::mem::take(&mut self.connections[index].under_way) {
                    self.count_lost(Failure::Unfinished, sent.due, now);
                }
            }
        }
        let end = self.stretches.end;
        while let Some(due) = self.next_due().filter(|due| *due < end) {
            self.count_lost(Failure::Unsent, due, end);
            self.take_due();
        }
        self.stretches.end_one(now);
    }

    /// Whether a request due at `due` that came to an end at `now` belongs to what is measured: in
    /// an open loop by when it was due, in a closed one by when it ended.
    fn is_counted(&self, due: Moment, now: Moment) -> bool {
        if self.schedule.is_some() {
            due >= self.stretches.counted_from
        } else {
            self.stretches.is_counted(now)
        }
    }

    /// Counts a request that waited until `until` in vain.
    fn count_lost(&mut self, failure: Failure, due: Moment, until: Moment) {
        if self.is_counted(due, until) {
            self.stretches.figures.fail(failure, 1);
            record(&mut self.stretches.figures.latencies, until - due);
        }
    }

    fn next_due(&self) -> Option<Moment> {
        self.schedule.as_ref().map(Schedule::due)
    }

    fn take_due(&mut self) {
        if let Some(schedule) = &mut self.schedule {
            schedule.take();
        }
    }

    /// Makes the connections that are to be made, and gives up what has waited too long.
    fn look(&mut self, now: Moment) {
        self.look_due = now + LOOK_INTERVAL;
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            if matches!(connection.stage, Stage::Closed { until } if now >= until) {
                self.connect(index, now);
            } else if connection.waits_since().is_some_and(|at| now >= at + self.plan.timeout) {
                self.time_out(index, now);
            }
        }
    }

    fn time_out(&mut self, index: usize, now: Moment) {
        let lost = std::mem::take(&mut self.connections[index].under_way);
        if lost.is_empty() && self.stretches.is_counted(now) {
            self.stretches.figures.fail(Failure::TimedOut, 1);
        }
        for sent in lost {
            self.count_lost(Failure::TimedOut, sent.due, now);
        }
        self.connections[index].close(now);
    }

    /// Sends what is due of an open loop, as far as connections are free.
    fn send_due(&mut self, now: Moment) {
        while let Some(due) = self.next_due().filter(|due| *due <= now && *due < self.stretches.end)
        {
            let Some(token) = self.free.pop_front() else { return };
            let Some(index) = self.index_of(token) else { continue };
            self.take_due();
            if due >= self.stretches.counted_from {
                let could_be_sent = due.max(self.free_since);
                record(&mut self.stretches.figures.lags, now - could_be_sent);
            }
            self.send(index, 1, due, now);
        }
    }

    /// Waits for the kernel, but not beyond the next thing that is to be done.
    fn wait(&mut self, now: Moment) -> io::Result<()> {
        let next = self.look_due.min(self.stretches.next_end(now));
        let due = self.next_due().filter(|due| *due < self.stretches.end && !self.free.is_empty());
        let (sleep, spins) = match due {
            Some(due) if due <= next && self.plan.may_spin => {
                let sleep = (due - now).saturating_sub(SPIN_TIME);
                (sleep, sleep.is_zero())
            }
            Some(due) => (due.min(next) - now, false),
            None => (next - now, false),
        };
        self.epoll.wait_exactly(&mut self.ready, sleep)?;
        if spins && self.ready.is_empty() {
            self.stretches.spin(self.clock.now() - now);
        }
        Ok(())
    }

    fn on_ready(&mut self, readiness: Readiness) {
        let Some(index) = self.index_of(readiness.token) else { return };
        let connection = &self.connections[index];
        match &connection.stage {
            Stage::Closed { .. } => {}
            Stage::Connecting { .. } => self.on_connected(index),
            Stage::Open { .. } => {
                if readiness.send && !connection.unsent.is_empty() {
                    self.send_rest(index);
                }
                if readiness.receive {
                    self.receive(index);
                }
            }
        }
    }

    /// Where the connection of a token is, if it has not ended since.
    fn index_of(&self, token: Token) -> Option<usize> {
        let (index, generation) = (token.0 as u32 as usize, (token.0 >> 32) as u32);
        (self.connections[index].generation == generation).then_some(index)
    }

    fn connect(&mut self, index: usize, now: Moment) {
        let connection = &mut self.connections[index];
        let token = token(index, connection.generation);
        connection.interest = Interest::Send;
        let sources = &self.plan.source_addresses;
        let source = sources.get(self.next_source).copied();
        self.next_source = (self.next_source + 1).checked_rem(sources.len()).unwrap_or_default();
        let stream = Stream::connect(self.plan.address, source).and_then(|stream| {
            self.epoll.add(stream.as_fd(), token, Interest::Send)?;
            Ok(stream)
        });
        match stream {
            Ok(stream) => connection.stage = Stage::Connecting { stream, since: now },
            Err(error) => self.fail(index, Failure::of_connect(&error), now),
        }
    }

    fn on_connected(&mut self, index: usize) {
        let now = self.clock.now();
        let connection = &mut self.connections[index];
        let closed = Stage::Closed { until: now };
        let Stage::Connecting { stream, since } = std::mem::replace(&mut connection.stage, closed)
        else {
            return;
        };
        if stream.take_error().is_err() {
            self.fail(index, Failure::ConnectFailed, now);
            return;
        }
        connection.stage = Stage::Open { stream };
        if self.stretches.is_counted(now) {
            self.stretches.figures.connects += 1;
            record(&mut self.stretches.figures.connect_times, now - since);
        }
        self.set_interest(index, Interest::Receive);
        self.go_on(index, now);
    }

    /// Lets a connection have what it may send.
    fn go_on(&mut self, index: usize, now: Moment) {
        let under_way = self.connections[index].under_way.len();
        match self.plan.load {
            Load::Closed { pipeline } => {
                let left = self.requests_left(index);
                self.send(index, pipeline.saturating_sub(under_way).min(left), now, now);
            }
            Load::Open { .. } if under_way == 0 => {
                if self.free.is_empty() {
                    self.free_since = now;
                }
                self.free.push_back(token(index, self.connections[index].generation));
            }
            Load::Open { .. } => {}
        }
    }

    /// Requests that may still be sent on a connection.
    fn requests_left(&self, index: usize) -> usize {
        let most = self.plan.requests_per_connection.unwrap_or(u32::MAX);
        most.saturating_sub(self.connections[index].requests) as usize
    }

    /// Sends the next `count` requests on a connection.
    fn send(&mut self, index: usize, count: usize, due: Moment, now: Moment) {
        let connection = &mut self.connections[index];
        self.batch.clear();
        for _ in 0..count {
            let exchange = self.next_exchange;
            self.next_exchange = (exchange + 1) % self.plan.exchanges.len();
            self.batch.extend_from_slice(&self.plan.exchanges[exchange].bytes);
            connection.under_way.push_back(Sent { due, at: now, exchange });
        }
        connection.requests = connection.requests.saturating_add(count as u32);
        if count == 0 {
            return;
        }
        if connection.unsent.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.send_bytes(index, &batch);
            self.batch = batch;
        } else {
            connection.unsent.extend_from_slice(&self.batch);
        }
    }

    fn send_rest(&mut self, index: usize) {
        let rest = std::mem::take(&mut self.connections[index].unsent);
        self.send_bytes(index, &rest);
    }

    /// Sends bytes on a connection on which nothing waits to be sent.
    fn send_bytes(&mut self, index: usize, bytes: &[u8]) {
        let connection = &mut self.connections[index];
        let Stage::Open { stream } = &connection.stage else { return };
        let sent = match stream.send(&[io::IoSlice::new(bytes)]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            // What is wrong is seen when it is read from, with what came before.
            Err(_) => bytes.len(),
        };
        connection.unsent.extend_from_slice(&bytes[sent..]);
        self.stretches.figures.bytes_sent += sent as u64;
        let is_done = sent == bytes.len();
        self.set_interest(index, if is_done { Interest::Receive } else { Interest::Both });
    }

    fn receive(&mut self, index: usize) {
        let mut space = std::mem::take(&mut self.space);
        let connection = &self.connections[index];
        let received = match &connection.stage {
            Stage::Open { stream } => stream.receive(&mut space),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        };
        match received {
            Ok(0) => self.on_end(index),
            Ok(len) => self.on_received(index, &space[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.fail(index, Failure::Reset, self.clock.now()),
        }
        self.space = space;
    }

    fn on_received(&mut self, index: usize, mut bytes: &[u8]) {
        let now = self.clock.now();
        self.stretches.figures.bytes_received += bytes.len() as u64;
        while !bytes.is_empty() {
            let connection = &mut self.connections[index];
            let Some(sent) = connection.under_way.front().copied() else {
                self.fail(index, Failure::Unasked, now);
                return;
            };
            let to_head = self.plan.exchanges[sent.exchange].is_head;
            match connection.reader.next(&mut bytes, to_head) {
                Ok(None) => return,
                Ok(Some(answer)) => {
                    connection.under_way.pop_front();
                    self.on_answer(sent, answer, now);
                    if !answer.keeps_alive {
                        self.leave(index, now);
                        return;
                    }
                }
                Err(_) => {
                    self.fail(index, Failure::Malformed, now);
                    return;
                }
            }
        }
        let is_used_up = self.requests_left(index) == 0;
        if is_used_up && self.connections[index].under_way.is_empty() {
            self.leave(index, now);
        } else {
            self.go_on(index, now);
        }
    }

    /// The server ended the connection.
    fn on_end(&mut self, index: usize) {
        let now = self.clock.now();
        let connection = &mut self.connections[index];
        if let Some(answer) = connection.reader.end()
            && let Some(sent) = connection.under_way.pop_front()
        {
            self.on_answer(sent, answer, now);
        }
        self.leave(index, now);
    }

    fn on_answer(&mut self, sent: Sent, answer: Answer, now: Moment) {
        let first = self.first_answers[sent.exchange].get_or_insert((answer.status, answer.len));
        let is_unlike = *first != (answer.status, answer.len);
        if !self.is_counted(sent.due, now) {
            return;
        }
        let figures = &mut self.stretches.figures;
        figures.answers += 1;
        figures.unlike += u64::from(is_unlike);
        let class = usize::from(answer.status / 100).saturating_sub(1);
        if let Some(count) = figures.statuses.get_mut(class) {
            *count += 1;
        }
        record(&mut figures.latencies, now - sent.due);
        if self.schedule.is_some() {
            record(&mut figures.since_sent, now - sent.at);
        }
    }

    /// Closes a connection that failed, and everything under way with it.
    fn fail(&mut self, index: usize, failure: Failure, now: Moment) {
        if self.connections[index].under_way.is_empty() && self.stretches.is_counted(now) {
            self.stretches.figures.fail(failure, 1);
        }
        self.count_under_way(index, failure, now);
        self.connections[index].close(now + RETRY_TIME);
    }

    /// Closes a connection that has done its work, and makes another at once. What was still
    /// under way has failed.
    fn leave(&mut self, index: usize, now: Moment) {
        self.count_under_way(index, Failure::ClosedEarly, now);
        self.connections[index].close(now);
        self.connect(index, now);
    }

    /// Counts the requests that end without an answer because their connection does.
    fn count_under_way(&mut self, index: usize, failure: Failure, now: Moment) {
        let under_way = self.connections[index].under_way.iter();
        let lost = under_way.filter(|sent| self.is_counted(sent.due, now)).count();
        self.stretches.figures.fail(failure, lost as u64);
    }

    fn set_interest(&mut self, index: usize, interest: Interest) {
        let connection = &mut self.connections[index];
        let Stage::Open { stream } = &connection.stage else { return };
        if connection.interest == interest {
            return;
        }
        connection.interest = interest;
        let token = token(index, connection.generation);
        if self.epoll.change(stream.as_fd(), token, interest).is_err() {
            self.fail(index, Failure::Reset, self.clock.now());
        }
    }
}

fn token(index: usize, generation: u32) -> Token {
    Token(u64::from(generation) << 32 | index as u64)
}
