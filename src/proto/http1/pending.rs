//! An answer under way, and what has to be known of its request once the bytes of that are gone.
//! Knows nothing of how it is written.

use crate::api::{NO_ROUTE, Promised, Streamed};
use crate::clock::Moment;
use crate::proto::{Answered, Extent, Kept};
use crate::wire::head::{Head, Method, Version};
use crate::wire::status::Status;

/// What is known of a request once its bytes are gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Whether its client would keep the connection.
    pub(super) keep_alive: bool,
    pub(super) head_only: bool,
    pub(super) as_json: bool,
    pub(super) version: Version,
    pub(super) route: u32,
    /// Of the head that is sent, where the body is streamed.
    pub(super) status: Status,
}

impl Known {
    /// What a head tells, before anyone has answered.
    #[inline]
    pub(super) fn of(head: &Head, keep_alive: bool) -> Known {
        Known {
            keep_alive,
            head_only: head.method == Method::Head,
            as_json: false,
            version: head.version,
            route: NO_ROUTE,
            status: Status::OK,
        }
    }
}

/// An answer under way.
#[derive(Debug)]
pub(super) struct Pending {
    /// When it is too late for what is waited for; never while nothing is.
    pub(super) until: Moment,
    /// Whether a source has nothing now.
    pub(super) is_waiting: bool,
    /// Whether it is asked again then, instead of given up.
    pub(super) asks_again: bool,
    pub(super) known: Known,
    pub(super) rest: Rest,
    /// For whom its answer is noted.
    pub(super) kept: Option<Kept>,
}

#[derive(Debug)]
pub(super) enum Rest {
    Promise(Promised),
    Stream(Streamed),
}

impl Pending {
    /// Has a waiting source asked again. A promise is kept by its answer alone.
    pub(super) fn wake(&mut self) {
        if let Rest::Stream(_) = self.rest {
            self.is_waiting = false;
            self.until = Moment::NEVER;
        }
    }

    /// Nothing is asked of its source before `until`, unless it is woken.
    pub(super) fn wait(&mut self, until: Moment, asks_again: bool) {
        (self.is_waiting, self.until, self.asks_again) = (true, until, asks_again);
    }

    /// Its route has another number from now on.
    pub(super) fn renumber(&mut self, renumbered: &[u32]) {
        self.known.route = renumbered.get(self.known.route as usize).copied().unwrap_or(NO_ROUTE);
    }

    pub(super) fn is_streamed(&self) -> bool {
        matches!(self.rest, Rest::Stream(_))
    }

    /// What was kept of a streamed answer that will not be finished.
    pub(super) fn take_unfinished(&mut self) -> Option<(Kept, Answered)> {
        let Rest::Stream(streamed) = &self.rest else { return None };
        let Known { status, route, .. } = self.known;
        let answered = Answered::served(status, route, streamed.queued());
        Some((self.kept.take()?, Answered { extent: Extent::Unfinished, ..answered }))
    }

    pub(super) fn client_ended(&self) {
        if let Rest::Promise(promised) = &self.rest {
            promised.promise.client_ended();
        }
    }
}
