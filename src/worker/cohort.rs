//! Serves connections together, stage by stage: receives of all, has all answered, sends to all
//! (cohort scheduling, Larus and Parkes 2002). Between two system calls the kernel evicts our code
//! from the caches; so it is fetched once for all of them. Knows no protocol.

use std::time::Duration;

use super::Worker;
use super::drive::Worked;
use super::receive::Received;
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::{COHORT_MAX, COHORT_TIME_US, QUEUE_BYTES};
use crate::mem::{Key, SendQueue};
use crate::proto::http1::Assembly;
use crate::sys::Kernel;

const COHORT_TIME: Duration = Duration::from_micros(COHORT_TIME_US);

/// Those who are served together.
#[derive(Debug)]
pub(super) struct Cohort {
    members: Vec<Member>,
    /// How many there are at present.
    len: usize,
    /// How many there may be: one where answering takes long, for all would wait for it.
    most: usize,
}

/// One of them, and what it needs between its stages.
#[derive(Debug)]
struct Member {
    key: Key,
    received: Option<Received>,
    worked: Option<Worked>,
    assembly: Box<Assembly>,
    queue: SendQueue,
}

impl Cohort {
    pub(super) fn new() -> Cohort {
        Cohort { members: (0..COHORT_MAX).map(|_| Member::new()).collect(), len: 0, most: 1 }
    }

    /// Adds a connection with nothing under way. Whether the cohort is complete.
    #[inline]
    pub(super) fn add(&mut self, key: Key) -> bool {
        self.members[self.len].key = key;
        self.len += 1;
        self.len >= self.most
    }
}

impl Member {
    fn new() -> Member {
        Member {
            key: Key::unpack(0),
            received: None,
            worked: None,
            assembly: Box::default(),
            queue: SendQueue::with_capacity(QUEUE_BYTES),
        }
    }
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Serves the cohort, which was reported at `since`. Nothing is left of it.
    pub(super) fn serve_cohort(&mut self, since: Moment) {
        let len = std::mem::take(&mut self.cohort.len);
        if len == 0 {
            return;
        }
        let mut members = std::mem::take(&mut self.cohort.members);
        for member in &mut members[..len] {
            member.received = self.receive_into(Some(&mut member.assembly), member.key, since);
        }
        let mut unsent = 0;
        let mut is_slow = false;
        let mut began = self.kernel.lap();
        for at in 0..len {
            self.work_on_member(&mut members[at]);
            self.lap = self.kernel.lap();
            if self.lap - began > COHORT_TIME {
                is_slow = true;
                self.send_to(&mut members[unsent..=at]);
                unsent = at + 1;
                began = self.lap;
            }
        }
        self.send_to(&mut members[unsent..len]);
        self.cohort.most = if is_slow { 1 } else { (self.cohort.most * 2).min(COHORT_MAX) };
        self.cohort.members = members;
    }

    /// Has a member's requests answered, with its assembly and its queue in the place of those
    /// that serve one connection after the other.
    #[inline]
    fn work_on_member(&mut self, member: &mut Member) {
        let Some(received) = member.received.take() else { return };
        std::mem::swap(&mut self.assemblies.hot, &mut member.assembly);
        member.worked = self.work_on(member.key, received);
        std::mem::swap(&mut self.assemblies.hot, &mut member.assembly);
        std::mem::swap(&mut self.outbox.queue, &mut member.queue);
    }

    #[inline]
    fn send_to(&mut self, members: &mut [Member]) {
        for member in members {
            let Some(worked) = member.worked.take() else { continue };
            std::mem::swap(&mut self.outbox.queue, &mut member.queue);
            self.send_answers(member.key, worked);
            std::mem::swap(&mut self.outbox.queue, &mut member.queue);
        }
    }
}
