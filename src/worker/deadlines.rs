//! Deadlines: one a connection, moved lazily, and how long the next wait may be.
//! Knows nothing of what a deadline is for.

use std::time::Duration;

use super::accept::Accepting;
use super::connection::{Connection, Stage};
use super::{STEP_TIME, Worker};
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::{ENTRIES_PER_TURN, EXPIRED_PER_TURN, TICK_MS};
use crate::mem::Key;
use crate::proto::CloseReason;
use crate::sys::Kernel;

const TICK_NS: u64 = TICK_MS * 1_000_000;

/// The tick that has fully passed at `moment`.
fn tick_at(moment: Moment) -> u64 {
    moment.as_nanos() / TICK_NS
}

/// The first tick by which `deadline` has come.
#[inline]
fn tick_for(deadline: Moment) -> u64 {
    deadline.as_nanos().div_ceil(TICK_NS)
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// The one moment at which a connection is looked at again.
    #[inline]
    fn deadline(&self, connection: &Connection<K::Stream>) -> Moment {
        let settings = &self.parts.settings;
        if connection.stage == Stage::Lingering {
            connection.seen + settings.linger_time
        } else if let Some(backlog) = &connection.backlog {
            backlog.patience
        } else {
            let began = self.draining.map(|drain| drain.began);
            connection.protocol.deadline(settings, began)
        }
    }

    /// Makes sure that a connection is looked at when its deadline comes.
    #[inline]
    pub(super) fn set_deadline(&mut self, key: Key) {
        let Some(connection) = self.connections.get(key) else { return };
        let tick = tick_for(self.deadline(connection));
        // Later is lazy: the entry comes up, finds the new deadline, and goes there.
        if self.wheel.armed_for(key.index()).is_none_or(|armed| armed > tick) {
            self.wheel.arm(key.index(), tick);
        }
    }

    /// Looks at the connections whose entries came up, and serves those whose deadline has come:
    /// at most so many in one turn.
    pub(super) fn expire_deadlines(&mut self) {
        let tick = tick_at(self.now);
        let mut expired = 0;
        let mut until = None;
        for _ in 0..ENTRIES_PER_TURN {
            let Some(index) = self.wheel.expire(tick) else { break };
            let Some(key) = self.connections.key_at(index) else { continue };
            let Some(connection) = self.connections.get(key) else { continue };
            let deadline = self.deadline(connection);
            if deadline > self.now {
                self.wheel.arm(index, tick_for(deadline));
                continue;
            }
            let until = *until.get_or_insert_with(|| self.kernel.lap() + STEP_TIME);
            self.drive_deadline(key);
            expired += 1;
            if expired == EXPIRED_PER_TURN || self.kernel.lap() >= until {
                break;
            }
        }
        if self.draining.is_some_and(|drain| self.now >= drain.until) {
            for key in self.connections.keys().collect::<Vec<_>>() {
                self.free(key, CloseReason::DrainTimeout);
            }
        }
    }

    /// How long the kernel may wait. `None`: until something happens.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        if !self.put_off.is_empty() || self.may_adopt() {
            return Some(Duration::ZERO);
        }
        let mut next = Moment::NEVER;
        if let Some(tick) = self.wheel.next_tick() {
            next = Moment::from_nanos(tick.saturating_mul(TICK_NS));
        }
        if let Accepting::Paused(until) | Accepting::Full(until) = self.accepting {
            next = next.min(until);
        }
        if let Some(drain) = self.draining {
            next = next.min(drain.until);
        }
        let log_due = self.access_log.as_ref().and_then(|log| log.due());
        if let Some(due) = [self.publish_due, log_due].into_iter().flatten().min() {
            next = next.min(due);
        }
        (next != Moment::NEVER).then(|| next - self.now)
    }
}
