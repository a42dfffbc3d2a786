//! Drives one connection: receive, let the protocol work, send, settle what comes next.
//! Knows no formats; what the bytes mean is the protocol's.

use std::io;
use std::net::SocketAddr;

use super::Worker;
use super::connection::{Backlog, HELD_UNIT, Stage};
use super::stages::RequestLaps;
use crate::api::{Delivery, Handler, RequestKey};
use crate::clock::Moment;
use crate::mem::{Key, SendQueue};
use crate::proto::http1::{Context, time_for};
use crate::proto::{CloseReason, Laps, Ledger, Scribe, Want, Watch};
use crate::report;
use crate::sys::{Interest, Kernel, Readiness, Token};

/// What happened to a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes are in its block: new ones, or those left there.
    Received,
    /// As before, and what they ask for waited too long for an overloaded worker.
    Overdue,
    PeerClosed,
    Failed,
    /// A file that it is being sent does not have the bytes that were announced.
    FileEnded,
    Deadline,
    /// The answer to the request of this number came home.
    Delivered(u32, Delivery),
    /// Its source or sink may be ready again.
    Woken,
}

/// What was made of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worked {
    answers: u64,
    want: Want,
    is_sampled: bool,
    /// Bytes of the records of its answers.
    records: usize,
}

/// How much of a queue the kernel took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    All,
    Part,
    Failed,
    /// A file does not have the bytes that were announced.
    FileEnded,
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// A connection was reported ready at `since`; a stale key ends here.
    #[inline]
    pub(super) fn drive(&mut self, key: Key, readiness: Readiness, since: Moment) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.stage {
            Stage::Lingering => self.linger(key),
            _ if connection.backlog.is_some() => {
                if readiness.send {
                    self.drive_backlog(key);
                }
            }
            Stage::Preface => {
                if readiness.receive {
                    self.receive_preface(key);
                }
            }
            // What it waits for will never be of use.
            Stage::Open if connection.interest == Interest::None => {
                if readiness.broken {
                    self.step(key, Event::Failed);
                }
            }
            Stage::Open => {
                if readiness.receive {
                    self.receive(key, since);
                }
            }
        }
    }

    /// Comes back to a connection that left bytes in its block at `since`.
    pub(super) fn drive_buffered(&mut self, key: Key, since: Moment) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // What it left is looked at when its answers were sent, or never.
        if connection.backlog.is_none() && connection.stage == Stage::Open {
            let is_sampled = self.lot.is_drawn();
            self.begin_stages(since, is_sampled);
            self.step(key, Event::Received);
        }
    }

    /// The connection's deadline has come.
    pub(super) fn drive_deadline(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage == Stage::Lingering {
            self.release(key);
        } else if connection.backlog.is_some() {
            self.cut(key, CloseReason::SendTimeout);
        } else if connection.stage == Stage::Preface {
            self.expire_preface(key);
        } else {
            if !connection.protocol.is_answering() {
                connection.seen = self.now;
            }
            if connection.protocol.idle_since().is_some() {
                self.stats.drain_ends_idle();
            }
            self.step(key, Event::Deadline);
        }
    }

    /// The answer to a request came home. One that nobody waits for is counted.
    pub(super) fn deliver(&mut self, request: RequestKey, answer: Delivery) {
        let key = Key::unpack(request.connection);
        match self.connections.get_mut(key) {
            Some(connection) if connection.stage != Stage::Lingering => {
                self.step(key, Event::Delivered(request.number, answer));
            }
            _ => self.stats.tally.unwanted(&answer),
        }
    }

    /// The source or the sink of a connection may be ready again.
    pub(super) fn wake(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage != Stage::Lingering {
            self.step(key, Event::Woken);
        }
    }

    /// The server drains: the connection's next answer is its last.
    pub(super) fn drain(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage != Stage::Lingering {
            connection.protocol.on_drain();
            self.set_deadline(key);
        }
    }

    /// Lets the protocol work on `event`, sends what it answered, and settles what comes next.
    fn step(&mut self, key: Key, event: Event) {
        if let Some(worked) = self.work(key, event) {
            self.send_answers(key, worked);
        }
    }

    /// Lets the protocol work on `event`. What it answered is in the outbox.
    #[inline]
    pub(super) fn work(&mut self, key: Key, event: Event) -> Option<Worked> {
        let watched = self.take_watched();
        let connection = self.connections.get_mut(key)?;
        let answers_before = self.stats.tally.answers;
        let records_before = self.access_log.as_ref().map_or(0, |log| log.staged());
        let clock = self.parts.settings.server_timing.then(|| self.parts.board.clock());
        let (kernel, latencies) = (&mut self.kernel, &mut self.stats.latencies);
        let mut laps = watched.map(|watched| RequestLaps::new(kernel, latencies, clock, watched));
        let mut cx = Context {
            now: self.now,
            settings: &self.parts.settings,
            assembly: connection.assembly.as_mut().unwrap_or(&mut self.assemblies.hot),
            outbox: &mut self.outbox,
            handler: &mut self.handler,
            tally: &mut self.stats.tally,
            pulse: &self.pulse,
            peer: connection.peer.into(),
            key: key.pack(),
            remote: &self.remote,
            memory_left: memory_left(self.parts.memory_max, self.held, connection.held),
            is_overdue: matches!(event, Event::Overdue),
            is_blocked: connection.backlog.is_some(),
            watch: Watch::by(laps.as_mut().map(|laps| laps as &mut dyn Laps)),
            scribe: Scribe::with(self.access_log.as_mut().map(|log| &mut **log as &mut dyn Ledger)),
        };
        let protocol = &mut connection.protocol;
        let want = match event {
            Event::Received | Event::Overdue => protocol.on_received(&mut cx),
            Event::PeerClosed => protocol.on_peer_closed(&mut cx),
            Event::Failed => protocol.on_failed(&mut cx),
            Event::FileEnded => protocol.on_file_ended(&mut cx),
            Event::Deadline => protocol.on_deadline(&mut cx),
            Event::Delivered(number, answer) => protocol.on_delivered(&mut cx, number, answer),
            Event::Woken => protocol.on_woken(&mut cx),
        };
        let answers = self.stats.tally.answers - answers_before;
        let records = self.access_log.as_ref().map_or(0, |log| log.staged()) - records_before;
        self.settle_assembly(key, want);
        let is_sampled = watched.is_some_and(|watched| watched.is_sampled);
        Some(Worked { answers, want, is_sampled, records })
    }

    /// The connection keeps the assembly if something is left in it, and only then.
    #[inline]
    pub(super) fn settle_assembly(&mut self, key: Key, want: Want) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let assembly = connection.assembly.as_mut().unwrap_or(&mut self.assemblies.hot);
        if matches!(want, Want::Close(_) | Want::Drop(_)) {
            // It may have ended before, while its last answer waits to be sent.
            connection.dropped += assembly.block.unread().len() as u32;
            assembly.clear();
        }
        let is_idle = assembly.is_idle();
        match connection.assembly.take() {
            Some(own) if is_idle => self.assemblies.give_back(own),
            None if !is_idle => connection.assembly = Some(self.assemblies.keep()),
            kept => connection.assembly = kept,
        }
    }

    /// Sends what the outbox holds for a connection, and settles what comes next.
    #[inline]
    pub(super) fn send_answers(&mut self, key: Key, worked: Worked) {
        let Worked { answers, want, is_sampled, records } = worked;
        let Some(connection) = self.connections.get_mut(key) else { return };
        let queue = &mut self.outbox.queue;
        if let Some(backlog) = &mut connection.backlog {
            backlog.queue.append(queue);
            backlog.unmeasured += answers as u32;
            Self::put_off_records(&mut self.access_log, backlog, records);
        } else if !queue.is_empty() {
            let before = queue.unsent();
            let begun = if is_sampled { self.kernel.lap() } else { self.lap };
            let sent = send(&mut self.kernel, &connection.stream, queue);
            self.stats.bytes_sent += (before - queue.unsent()) as u64;
            self.lap = self.kernel.lap();
            if is_sampled {
                self.stats.latencies.record(report::Stage::Write, self.lap.nanos_since(begun));
            }
            match sent {
                Sent::All => {
                    let seen = connection.seen;
                    self.stats.latencies.serve(self.lap.nanos_since(seen), answers);
                    self.settle_records(records, seen, 0);
                }
                Sent::Part => {
                    let backlog = connection.backlog.insert(Box::new(Backlog {
                        queue: queue.take_rest(),
                        patience: self.now + self.parts.settings.send_time,
                        unmeasured: answers as u32,
                        records: Vec::new(),
                    }));
                    Self::put_off_records(&mut self.access_log, backlog, records);
                }
                Sent::Failed | Sent::FileEnded => {
                    let (seen, unsent) = (connection.seen, queue.unsent());
                    queue.clear();
                    self.settle_records(records, seen, unsent);
                    if sent == Sent::FileEnded {
                        self.step(key, Event::FileEnded);
                    } else {
                        self.free(key, CloseReason::Failed);
                    }
                    return;
                }
            }
        } else {
            // A handler that has promised its answer may have taken its time.
            self.lap = self.kernel.lap();
            let seen = connection.seen;
            self.settle_records(records, seen, 0);
        }
        self.settle(key, want);
    }

    /// The kernel has room for the rest of earlier answers.
    fn drive_backlog(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(backlog) = &mut connection.backlog else { return };
        let before = backlog.queue.unsent();
        let sent = send(&mut self.kernel, &connection.stream, &mut backlog.queue);
        let taken = before - backlog.queue.unsent();
        self.stats.bytes_sent += taken as u64;
        let settings = &self.parts.settings;
        if taken > 0 {
            // Bytes buy time, but never more than there was at the start.
            let patience = backlog.patience + time_for(taken, settings.send_rate_min);
            backlog.patience = patience.min(self.now + settings.send_time);
        }
        match sent {
            Sent::All => {
                let answers = u64::from(backlog.unmeasured);
                let records = std::mem::take(&mut backlog.records);
                connection.backlog = None;
                connection.protocol.on_sent(settings, self.now);
                let (seen, end) = (connection.seen, connection.protocol.state().end());
                let service = self.kernel.lap().nanos_since(seen);
                self.stats.latencies.serve(service, answers);
                self.settle_put_off(records, seen, 0);
                // What was left in the block while the answers waited.
                match end {
                    Some(reason) => self.settle(key, Want::Close(reason)),
                    None => self.step(key, Event::Received),
                }
            }
            Sent::Part => {
                self.account(key);
                self.set_deadline(key);
            }
            Sent::FileEnded => {
                let (unsent, records) =
                    (backlog.queue.unsent(), std::mem::take(&mut backlog.records));
                connection.backlog = None;
                let seen = connection.seen;
                self.settle_put_off(records, seen, unsent);
                self.step(key, Event::FileEnded);
            }
            Sent::Failed => self.free(key, CloseReason::Failed),
        }
    }

    /// Notes what a connection waits for next.
    #[inline]
    fn settle(&mut self, key: Key, want: Want) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let is_blocked = connection.backlog.is_some();
        match want {
            Want::Close(reason) if !is_blocked => {
                self.close(key, reason);
                return;
            }
            Want::Drop(reason) => {
                if connection.dropped == 0 {
                    self.free(key, reason);
                } else {
                    self.close(key, reason);
                }
                return;
            }
            Want::Again if !is_blocked => self.put_off_buffered(key),
            _ => {}
        }
        let interest = match want {
            _ if is_blocked => Interest::Send,
            Want::Hold => Interest::None,
            _ => Interest::Receive,
        };
        self.account(key);
        if is_blocked && self.held * HELD_UNIT as u64 > self.parts.memory_max {
            self.cut(key, CloseReason::MemoryExhausted);
            return;
        }
        if self.set_interest(key, interest) {
            self.set_deadline(key);
        }
    }

    /// Counts the memory that a connection holds.
    #[inline]
    pub(super) fn account(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let assembly = connection.assembly.as_ref().map_or(0, |assembly| assembly.held());
        let backlog = connection.backlog.as_ref();
        let backlog = backlog.map_or(0, |backlog| backlog.queue.held() + backlog.records.len());
        let held = (assembly + backlog).div_ceil(HELD_UNIT) as u32;
        if held != connection.held {
            self.held = self.held + u64::from(held) - u64::from(connection.held);
            connection.held = held;
        }
    }

    /// Returns whether the connection is still there.
    #[inline]
    fn set_interest(&mut self, key: Key, interest: Interest) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        if connection.interest == interest {
            return true;
        }
        connection.interest = interest;
        let token = Token(key.pack());
        if self.kernel.change(&connection.stream, token, interest).is_err() {
            self.free(key, CloseReason::Unwatchable);
            return false;
        }
        true
    }

    /// Ends a connection whose last answer was sent. Closing a socket with unread bytes resets
    /// it, and a reset may overtake the answer (RFC 9112 section 9.6): then it lingers.
    fn close(&mut self, key: Key, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // A peer that asked for the close sends nothing more; one that did not may have.
        if !reason.is_surprise() && connection.dropped == 0 {
            self.free(key, reason);
            return;
        }
        self.stats.close(reason);
        connection.stage = Stage::Lingering;
        connection.seen = self.now;
        self.kernel.finish_sending(&connection.stream);
        if self.set_interest(key, Interest::Receive) {
            self.set_deadline(key);
        }
    }

    /// Ends a connection at once and counts why, unless that was counted when it began to linger.
    pub(super) fn free(&mut self, key: Key, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage != Stage::Lingering {
            self.stats.close(reason);
        }
        self.release(key);
    }

    /// Ends a connection whose peer does not take what waits for it, here and in the kernel.
    #[cold]
    fn cut(&mut self, key: Key, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        self.kernel.reset_at_close(&connection.stream);
        self.free(key, reason);
    }

    pub(super) fn release(&mut self, key: Key) {
        let Some(mut connection) = self.connections.remove(key) else { return };
        self.note_end(&mut connection);
        self.wheel.disarm(key.index());
        self.held -= u64::from(connection.held);
        self.per_address.leave(SocketAddr::from(connection.peer).ip());
        let requests = connection.protocol.requests();
        self.sharing.ended(requests, self.connections.len(), self.now);
        if let Some(mut assembly) = connection.assembly {
            assembly.clear();
            self.assemblies.give_back(assembly);
        }
        self.accept_after_close();
    }
}

/// Bytes of memory that a connection may hold which holds `own` units of those `held` by all.
#[inline]
fn memory_left(memory_max: u64, held: u64, own: u32) -> usize {
    let others = (held - u64::from(own)) * HELD_UNIT as u64;
    usize::try_from(memory_max.saturating_sub(others)).unwrap_or(usize::MAX)
}

/// Sends until the queue is empty or the kernel took less than it was offered.
fn send<K: Kernel>(kernel: &mut K, stream: &K::Stream, queue: &mut SendQueue) -> Sent {
    while !queue.is_empty() {
        let (offered, result) = match queue.as_single() {
            Some(bytes) => (bytes.len(), kernel.send(stream, &[io::IoSlice::new(bytes)])),
            None => send_front(kernel, stream, queue),
        };
        match result {
            // What was offered is never nothing.
            Ok(0) => return Sent::FileEnded,
            Ok(len) => {
                queue.consume(len);
                if len < offered {
                    return Sent::Part;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Part,
            Err(_) => return Sent::Failed,
        }
    }
    Sent::All
}

/// Offers the front of a queue, and returns how much that was.
fn send_front<K: Kernel>(
    kernel: &mut K,
    stream: &K::Stream,
    queue: &SendQueue,
) -> (usize, io::Result<usize>) {
    let (segments, file) = queue.front();
    let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
    match file {
        None => (bytes, kernel.send(stream, &segments)),
        Some(range) => {
            let (file, len) = (range.file(), range.len());
            (bytes + len, kernel.send_file(stream, &segments, file, range.offset(), len))
        }
    }
}
