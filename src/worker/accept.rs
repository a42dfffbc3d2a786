//! Accepting: bounded per turn, paused while the table is full or the kernel exhausted.
//! Knows nothing of what connections carry.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::connection::{Connection, Stage};
use super::{STEP_TIME, Stats, Worker};
use crate::api::{Asked, Error, Handler, Outbox, Persist, RequestKey};
use crate::clock::Moment;
use crate::limits::{ACCEPT_LOG_INTERVAL_MS, ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN};
use crate::proto::{Answered, CloseReason, Entry, Why};
use crate::settings::WhenFull;
use crate::sys::{AcceptFailure, Interest, Kernel, Readiness, Token};
use crate::wire::head::Version;
use crate::wire::status::Status;

/// Whether the listeners are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// Yes.
    Open,
    /// No, until a connection ends or one may be ended: the table is full.
    Full(Moment),
    /// No, until then: the kernel had no descriptor or no memory, or accepting failed.
    Paused(Moment),
    /// Never again.
    Closed,
}

/// What came of one attempt.
enum Attempt {
    Accepted,
    Aborted,
    Empty,
    Stopped,
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Accepts from every ready listener, after the open connections were served.
    pub(super) fn accept_ready(&mut self, ready: &[Readiness]) {
        if let Accepting::Paused(until) | Accepting::Full(until) = self.accepting
            && self.now >= until
        {
            self.report_listeners(true);
        }
        for index in ready.iter().filter_map(|readiness| readiness.token.as_listener()) {
            let mut aborted = 0;
            let until = self.kernel.lap() + STEP_TIME;
            for _ in 0..ACCEPTS_PER_TURN {
                if self.accepting != Accepting::Open {
                    return;
                }
                match self.accept_one(index) {
                    Attempt::Accepted => {}
                    Attempt::Aborted => aborted += 1,
                    Attempt::Empty => break,
                    Attempt::Stopped => return,
                }
                if self.kernel.lap() >= until {
                    break;
                }
            }
            if aborted == ACCEPTS_PER_TURN {
                // What is said of each connection may be true of the listener.
                self.pause_accepting();
            }
        }
    }

    /// Accepts everything that is queued, as far as the table holds it.
    pub(super) fn accept_rest(&mut self) {
        for index in 0..self.kernel.listeners() {
            // More than its queue holds came only now.
            for _ in 0..=self.parts.settings.backlog {
                if !matches!(self.accepting, Accepting::Open | Accepting::Paused(_)) {
                    return;
                }
                match self.accept_one(index) {
                    Attempt::Accepted | Attempt::Aborted => {}
                    Attempt::Empty => break,
                    Attempt::Stopped => return,
                }
            }
        }
    }

    /// A connection ended: there may be room again.
    pub(super) fn accept_after_close(&mut self) {
        if matches!(self.accepting, Accepting::Full(_)) {
            self.report_listeners(true);
        }
    }

    fn accept_one(&mut self, index: usize) -> Attempt {
        if self.pause_if_full() {
            return Attempt::Stopped;
        }
        match self.kernel.accept(index) {
            Ok((stream, peer)) => {
                self.stats.accepted += 1;
                self.sharing.is_behind = true;
                if let Some((stream, peer)) = self.hand_over(stream, peer) {
                    self.admit(stream, peer);
                }
                Attempt::Accepted
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.sharing.is_behind = false;
                Attempt::Empty
            }
            Err(error) => self.accept_failed(&error),
        }
    }

    /// Takes no newcomers if there is no place for one and none can be made, where they are to
    /// wait. Returns whether it is so.
    pub(super) fn pause_if_full(&mut self) -> bool {
        let pauses = self.parts.settings.connections_full == WhenFull::Pause;
        let is_full = pauses && self.connections.is_full() && !self.make_room();
        if is_full {
            self.stats.table_full += 1;
            self.report_listeners(false);
            self.accepting = Accepting::Full(self.room_due());
        }
        is_full
    }

    /// How long the connection accepted last may live: `lifetime_max` less up to a tenth, spread
    /// evenly whatever the number of connections (by the golden ratio).
    fn lifetime(&self) -> Duration {
        let spread = ((self.stats.accepted + self.stats.taken) as u32).wrapping_mul(0x9e37_79b9);
        let share = 1.0 - 0.1 * f64::from(spread) / f64::from(u32::MAX);
        self.parts.settings.lifetime_max.mul_f64(share)
    }

    #[cold]
    fn accept_failed(&mut self, error: &io::Error) -> Attempt {
        match AcceptFailure::of(error) {
            AcceptFailure::Connection => {
                self.stats.accept_aborted += 1;
                return Attempt::Aborted;
            }
            AcceptFailure::Exhausted => self.stats.accept_exhausted += 1,
            AcceptFailure::Listener => self.stats.accept_failed += 1,
        }
        self.log_pause(error);
        self.pause_accepting();
        Attempt::Stopped
    }

    /// The waiting connection stays ready: trying again at once would spin.
    fn pause_accepting(&mut self) {
        self.report_listeners(false);
        self.accepting = Accepting::Paused(self.now + Duration::from_millis(ACCEPT_PAUSE_MS));
    }

    /// Finds a place for a connection that was accepted, or turns it away.
    pub(super) fn admit(&mut self, stream: K::Stream, peer: SocketAddr) {
        if !self.per_address.enter(peer.ip()) {
            self.turn_away(&stream, peer, CloseReason::AddressLimit);
            return;
        }
        if self.connections.len() >= self.room.soft_max() {
            self.make_room();
        }
        if self.connections.is_full() {
            self.per_address.leave(peer.ip());
            self.turn_away(&stream, peer, CloseReason::ServerFull);
            return;
        }
        let mut connection = Connection::new(stream, peer, self.now, self.now + self.lifetime());
        if self.expects_preface(peer) {
            connection.stage = Stage::Preface;
        }
        self.open(connection);
    }

    /// The connection is dropped: it never had a slot to linger in.
    fn turn_away(&mut self, stream: &K::Stream, peer: SocketAddr, reason: CloseReason) {
        self.stats.close(reason);
        self.sharing.turned_away(self.connections.len(), self.now);
        if self.parts.settings.connections_full == WhenFull::Refuse {
            let space = self.assemblies.hot.block.space_mut();
            let (kernel, outbox) = (&mut self.kernel, &mut self.outbox);
            if answer_unavailable(kernel, stream, space, outbox, &mut self.stats) {
                self.note_turned_away(peer);
            }
        }
    }

    /// Notes the answer that there was no room.
    pub(super) fn note_turned_away(&mut self, peer: SocketAddr) {
        let (status, body_bytes) = (self.outbox.status(), self.outbox.body_bytes());
        let answered = Answered::declined(status, body_bytes, Why::NoRoom);
        self.note_at_once(&Entry::to_nobody(peer, 0, answered));
    }

    fn log_pause(&mut self, error: &io::Error) {
        if self.now >= self.accept_log_due {
            self.accept_log_due = self.now + Duration::from_millis(ACCEPT_LOG_INTERVAL_MS);
            log::warn!(
                event = "accept_failed", worker = self.parts.index, pause_ms = ACCEPT_PAUSE_MS, error:%;
                "no connections are accepted for {ACCEPT_PAUSE_MS} ms at a time: {error}"
            );
        }
    }

    fn open(&mut self, connection: Connection<K::Stream>) {
        let Ok(key) = self.connections.insert(connection) else {
            unreachable!("room was asked for before accepting");
        };
        let Some(connection) = self.connections.get_mut(key) else { return };
        let watched = self.kernel.add(&connection.stream, Token(key.pack()), Interest::Receive);
        if watched.is_err() {
            self.free(key, CloseReason::Unwatchable);
            return;
        }
        self.sharing.tell(self.connections.len(), self.now);
        self.set_deadline(key);
    }

    fn report_listeners(&mut self, on: bool) {
        let mut all = true;
        for index in 0..self.kernel.listeners() {
            all &= self.kernel.listen(index, on).is_ok();
        }
        if on && !all {
            // All are tried again after a pause: one that were reported in it would spin.
            self.pause_accepting();
        } else if on {
            self.accepting = Accepting::Open;
            self.accepting_since = self.now;
        }
    }
}

/// Answers a connection that will be dropped. What it has sent is read into `space` and forgotten:
/// closing with unread bytes would reset it (RFC 9112 section 9.6). Whether it was answered.
pub(super) fn answer_unavailable<K: Kernel>(
    kernel: &mut K,
    stream: &K::Stream,
    space: &mut [u8],
    outbox: &mut Outbox,
    stats: &mut Stats,
) -> bool {
    if let Ok(len) = kernel.receive(stream, space) {
        stats.bytes_received += len as u64;
    }
    let message = "no room for another connection now";
    let error =
        Error::new(Status::SERVICE_UNAVAILABLE, message).with_header("Retry-After", "1".into());
    let (persist, version, key) = (Persist::Close, Version::Http11, RequestKey::default());
    outbox.begin(Asked { persist, head_only: false, version, key });
    outbox.answer_error(&error, false);
    let sent = kernel.send(stream, &outbox.queue.front().0);
    if let Ok(len) = sent {
        stats.bytes_sent += len as u64;
        stats.tally.turned_away();
        kernel.finish_sending(stream);
    }
    outbox.queue.clear();
    sent.is_ok()
}
