//! Accepting: bounded per turn, paused while the table is full or the kernel exhausted.
//! Knows nothing of what connections carry.

use std::io;
use std::time::Duration;

use super::Worker;
use super::connection::Connection;
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::{ACCEPT_LOG_INTERVAL_MS, ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN};
use crate::proto::CloseReason;
use crate::sys::{Interest, Kernel, Readiness, Token};

/// Whether the listeners are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// Yes.
    Open,
    /// No, until a connection ends: the table is full.
    Full,
    /// No, until then: the kernel had no descriptor or no memory.
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
        if let Accepting::Paused(until) = self.accepting
            && self.now >= until
        {
            self.report_listeners(true);
        }
        for index in ready.iter().filter_map(|readiness| readiness.token.as_listener()) {
            for _ in 0..ACCEPTS_PER_TURN {
                if self.accepting != Accepting::Open {
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

    /// Accepts everything that is queued, as far as the table holds it.
    pub(super) fn accept_rest(&mut self) {
        for index in 0..self.kernel.listeners() {
            while matches!(self.accepting, Accepting::Open | Accepting::Paused(_)) {
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
        if self.accepting == Accepting::Full {
            self.report_listeners(true);
        }
    }

    fn accept_one(&mut self, index: usize) -> Attempt {
        if self.connections.is_full() {
            self.stats.table_full += 1;
            self.report_listeners(false);
            self.accepting = Accepting::Full;
            return Attempt::Stopped;
        }
        match self.kernel.accept(index) {
            Ok((stream, peer)) => {
                self.stats.accepted += 1;
                let expires = self.now + self.lifetime();
                self.open(Connection::new(stream, peer, self.now, expires));
                Attempt::Accepted
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Attempt::Empty,
            Err(error) if is_about_one_connection(&error) => {
                self.stats.accept_aborted += 1;
                Attempt::Aborted
            }
            Err(error) => {
                // The waiting connection stays ready: trying again at once would spin.
                self.log_exhausted(&error);
                self.stats.accept_exhausted += 1;
                self.report_listeners(false);
                let until = self.now + Duration::from_millis(ACCEPT_PAUSE_MS);
                self.accepting = Accepting::Paused(until);
                Attempt::Stopped
            }
        }
    }

    /// How long the connection accepted last may live: `lifetime_max` less up to a tenth, spread
    /// evenly whatever the number of connections (by the golden ratio).
    fn lifetime(&self) -> Duration {
        let spread = (self.stats.accepted as u32).wrapping_mul(0x9e37_79b9);
        let share = 1.0 - 0.1 * f64::from(spread) / f64::from(u32::MAX);
        self.parts.settings.lifetime_max.mul_f64(share)
    }

    fn log_exhausted(&mut self, error: &io::Error) {
        if self.now >= self.accept_log_due {
            self.accept_log_due = self.now + Duration::from_millis(ACCEPT_LOG_INTERVAL_MS);
            log::warn!("no connections are accepted for {ACCEPT_PAUSE_MS} ms at a time: {error}");
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
        self.set_deadline(key);
    }

    fn report_listeners(&mut self, on: bool) {
        let mut all = true;
        for index in 0..self.kernel.listeners() {
            all &= self.kernel.listen(index, on).is_ok();
        }
        if on && !all {
            // All are tried again after a pause: one that were reported in it would spin.
            self.report_listeners(false);
            let until = self.now + Duration::from_millis(ACCEPT_PAUSE_MS);
            self.accepting = Accepting::Paused(until);
        } else if on {
            self.accepting = Accepting::Open;
        }
    }
}

/// Whether an error concerns the connection that was waiting, and not the listener: the peer was
/// gone before we took it (`accept(2)` names the network errors that mean the same).
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut
    )
}
