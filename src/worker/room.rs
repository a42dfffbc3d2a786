//! Room for newcomers in a table that is nearly full: the connection that has been idle longest
//! ends. Knows nothing of why others came.
//!
//! No list is kept that every request would have to touch: when room is needed, the table is
//! searched once for many candidates, and each is looked at again before it is taken.

use std::collections::BinaryHeap;
use std::time::Duration;

use super::Worker;
use super::connection::Noted;
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::{ROOM_CANDIDATES, ROOM_IDLE_MS, ROOM_SCAN_PAUSE_MS, ROOM_SCAN_SLOTS};
use crate::mem::Key;
use crate::proto::CloseReason;
use crate::settings::Settings;
use crate::sys::{Kernel, Readiness, Token};

const ROOM_IDLE: Duration = Duration::from_millis(ROOM_IDLE_MS);

/// Who may have to go.
#[derive(Debug)]
pub(super) struct Room {
    /// Connections from which on room is made.
    soft_max: usize,
    /// Whether `soft_max` can be reached.
    is_made: bool,
    /// Found idle since then; the longest is the last.
    candidates: Vec<(Moment, Key)>,
    /// The slot at which the next search begins.
    hand: u32,
    /// No search before: the last one found nothing.
    search_due: Moment,
}

impl Room {
    pub(super) fn new(settings: &Settings, connections_max: usize) -> Room {
        // Seven eighths; at least one, so that the only place of a table goes round too.
        let default = connections_max.saturating_sub(connections_max / 8).max(1);
        let soft_max = settings.connections_soft_max.unwrap_or(default);
        Room {
            soft_max,
            is_made: soft_max <= connections_max,
            candidates: Vec::new(),
            hand: 0,
            search_due: Moment::default(),
        }
    }

    #[inline]
    pub(super) fn soft_max(&self) -> usize {
        self.soft_max
    }
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Ends the connection that has been idle longest, if one has been long enough. Returns
    /// whether there is one connection less.
    #[cold]
    pub(super) fn make_room(&mut self) -> bool {
        if !self.room.is_made {
            return false;
        }
        if self.room.candidates.is_empty() {
            self.search();
        }
        let before = self.connections.len();
        while let Some((since, key)) = self.room.candidates.pop() {
            if self.idle_since(key) != Some(since) {
                continue;
            }
            // A request may have arrived in this turn; ending it now would reset it.
            let token = Token(key.pack());
            let readiness = Readiness { token, receive: true, send: true, broken: false };
            self.drive(key, readiness, self.now);
            if self.idle_since(key) == Some(since) {
                self.free(key, CloseReason::MadeRoom);
            }
            if self.connections.len() < before {
                return true;
            }
        }
        false
    }

    /// When a full table may have room although nobody leaves it.
    pub(super) fn room_due(&self) -> Moment {
        if self.room.is_made { self.now + ROOM_IDLE } else { Moment::NEVER }
    }

    /// Looks for candidates in the next part of the table: all of a table of the usual size.
    fn search(&mut self) {
        if self.now < self.room.search_due {
            return;
        }
        let slots = self.connections.slots();
        let mut longest = BinaryHeap::with_capacity(ROOM_CANDIDATES + 1);
        for _ in 0..ROOM_SCAN_SLOTS.min(slots as usize) {
            let index = if self.room.hand < slots { self.room.hand } else { 0 };
            self.room.hand = index + 1;
            let Some(key) = self.connections.key_at(index) else { continue };
            let Some(since) = self.idle_since(key) else { continue };
            if since + ROOM_IDLE > self.now {
                continue;
            }
            longest.push((since, key));
            if longest.len() > ROOM_CANDIDATES {
                longest.pop();
            }
        }
        if longest.is_empty() {
            self.room.search_due = self.now + Duration::from_millis(ROOM_SCAN_PAUSE_MS);
        }
        self.room.candidates = longest.into_sorted_vec();
        self.room.candidates.reverse();
    }

    /// Since when a connection has had nothing under way, if it has.
    fn idle_since(&mut self, key: Key) -> Option<Moment> {
        let connection = self.connections.get_mut(key)?;
        let is_quiet = !connection.has_begun() && connection.noted == Noted::No;
        if is_quiet { connection.protocol.idle_since() } else { None }
    }
}
