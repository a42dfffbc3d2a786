//! Who is served at once and who after the others: what is short does not wait for what is long,
//! nor a client that sends its requests whole for those that do not. Knows no protocol.

use std::time::Duration;

use super::Worker;
use super::connection::Noted;
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::PUT_OFF_TIME_US;
use crate::mem::Key;
use crate::sys::{Interest, Kernel, Readiness, Token};

const PUT_OFF_TIME: Duration = Duration::from_micros(PUT_OFF_TIME_US);

/// A connection that waits until others were served.
#[derive(Clone, Copy, Debug)]
pub(super) struct PutOff {
    readiness: Readiness,
    since: Moment,
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Serves the reported connections that have nothing under way, and notes the others.
    pub(super) fn drive_ready(&mut self, ready: &[Readiness]) {
        for readiness in ready {
            if readiness.token == Token::MAILBOX || readiness.token.as_listener().is_some() {
                continue;
            }
            let key = Key::unpack(readiness.token.0);
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if connection.noted != Noted::No {
                // Its turn comes; the kernel will report it again.
            } else if connection.has_begun() {
                connection.noted = Noted::Reported;
                self.put_off.push_back(PutOff { readiness: *readiness, since: self.now });
            } else if !(readiness.receive && connection.is_served_whole()) {
                self.drive(key, *readiness, self.now);
            } else if self.cohort.add(key) {
                self.serve_cohort(self.now);
            }
        }
        self.serve_cohort(self.now);
    }

    /// Serves the connections that waited longest for those with nothing under way.
    pub(super) fn drive_put_off(&mut self) {
        if self.put_off.is_empty() {
            return;
        }
        self.lap = self.kernel.lap();
        let until = self.lap + PUT_OFF_TIME;
        let mut due = self.put_off.len();
        while due > 0
            && let Some(PutOff { readiness, since }) = self.put_off.pop_front()
        {
            due -= 1;
            let key = Key::unpack(readiness.token.0);
            let Some(connection) = self.connections.get_mut(key) else { continue };
            let answered = connection.protocol.requests();
            match std::mem::replace(&mut connection.noted, Noted::No) {
                Noted::Buffered => self.drive_buffered(key, since),
                Noted::Reported => {
                    self.drive(key, readiness, since);
                    due += usize::from(self.put_off_filled(readiness, answered));
                }
                Noted::No => {}
            }
            self.lap = self.kernel.lap();
            if self.lap >= until {
                break;
            }
        }
    }

    /// Notes a connection that left bytes in its block.
    pub(super) fn put_off_buffered(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.noted == Noted::No {
            let token = Token(key.pack());
            let readiness = Readiness { token, receive: false, send: false, broken: false };
            self.put_off.push_back(PutOff { readiness, since: self.now });
        }
        connection.noted = Noted::Buffered;
    }

    /// Notes a connection whose block was just filled and that had no more than `answered` requests
    /// answered, as in the middle of a body: more waits in the kernel, which need not be asked.
    /// Returns whether it did.
    fn put_off_filled(&mut self, readiness: Readiness, answered: u32) -> bool {
        let key = Key::unpack(readiness.token.0);
        let Some(connection) = self.connections.get_mut(key) else { return false };
        let was_filled =
            connection.assembly.as_ref().is_some_and(|assembly| assembly.block.was_filled());
        // A report of room to send would be followed by nothing.
        let receives = readiness.receive && connection.interest == Interest::Receive;
        let has_share = connection.protocol.requests() == answered && connection.noted == Noted::No;
        let is_followed = was_filled && receives && has_share;
        if is_followed {
            connection.noted = Noted::Reported;
            self.put_off.push_back(PutOff { readiness, since: self.lap });
        }
        is_followed
    }
}
