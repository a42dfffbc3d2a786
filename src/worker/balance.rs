//! A worker's part in an even spread of connections: it tells how many it has, and new ones go to
//! workers with fewer, by a program of the kernel or by hand. Knows nothing of what they carry.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::accept::Accepting;
use super::{STEP_TIME, Worker};
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::{
    ACCEPTS_PER_TURN, HAND_OVER_LOOKS_MAX, HAND_OVER_REQUESTS_MIN, HAND_OVER_SHARE, HANDED_MAX,
    SETTLE_MS,
};
use crate::proto::CloseReason;
use crate::sys::{Kernel, LoadCell, Wake};

const SETTLE_TIME: Duration = Duration::from_millis(SETTLE_MS);

/// How a worker takes part.
#[derive(Debug)]
pub enum Part<S> {
    /// Not at all: the kernel places connections by itself.
    Alone,
    /// Workers hand connections over.
    Crew(Arc<Crew<S>>),
    /// A program of the kernel places connections by what the workers tell.
    Steered(LoadCell),
}

/// A connection and its peer.
type Handed<S> = (S, SocketAddr);

/// The workers of a server as they see each other: how many connections each has, and where to
/// leave more.
#[derive(Debug)]
pub struct Crew<S> {
    desks: Vec<Desk<S>>,
}

/// What a worker stands for while it takes nothing.
const AWAY: u32 = u32::MAX;

/// One worker's place, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Desk<S> {
    /// Its connections, or [`AWAY`]. Stored by the worker alone, at an accept and an end.
    open: AtomicU32,
    waker: OnceLock<Waker>,
    inbox: Inbox<S>,
}

/// What others left for a worker, on lines of its own too.
#[derive(Debug)]
#[repr(align(128))]
struct Inbox<S> {
    /// The length of the queue, stored by who holds its lock.
    waiting: AtomicU32,
    queue: Mutex<Queue<S>>,
}

#[derive(Debug)]
struct Queue<S> {
    connections: VecDeque<Handed<S>>,
    is_open: bool,
}

struct Waker(Arc<dyn Wake>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

impl<S> Crew<S> {
    /// For so many workers, all still away.
    pub fn new(workers: usize) -> Arc<Crew<S>> {
        let desk = |_| Desk {
            open: AtomicU32::new(AWAY),
            waker: OnceLock::new(),
            inbox: Inbox {
                waiting: AtomicU32::new(0),
                queue: Mutex::new(Queue { connections: VecDeque::new(), is_open: false }),
            },
        };
        Arc::new(Crew { desks: (0..workers).map(desk).collect() })
    }

    /// A worker takes connections from now on; `waker` wakes it.
    fn join(&self, worker: usize, waker: Arc<dyn Wake>) {
        let desk = &self.desks[worker];
        desk.waker.get_or_init(|| Waker(waker));
        self.lock(worker).is_open = true;
        desk.open.store(0, Ordering::Relaxed);
    }

    fn lock(&self, worker: usize) -> MutexGuard<'_, Queue<S>> {
        // A queue is whole between any two statements, whoever panicked.
        self.desks[worker].inbox.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how many connections a worker has. Figures of their own, ordered with nothing else.
    fn tell(&self, worker: usize, open: u32) {
        self.desks[worker].open.store(open, Ordering::Relaxed);
    }

    /// What a worker has and will have.
    fn load(&self, worker: usize) -> u32 {
        let desk = &self.desks[worker];
        let waiting = desk.inbox.waiting.load(Ordering::Relaxed);
        desk.open.load(Ordering::Relaxed).saturating_add(waiting)
    }

    /// The worker but `own` with the fewest connections of those that have at most `most`; the
    /// first of equals from `from` on.
    fn fewest(&self, own: usize, from: usize, most: u32) -> Option<usize> {
        let workers = self.desks.len();
        let mut found = (None, most.checked_add(1)?);
        for worker in (0..workers.min(HAND_OVER_LOOKS_MAX)).map(|step| (from + step) % workers) {
            let load = self.load(worker);
            if worker != own && load < found.1 {
                found = (Some(worker), load);
            }
        }
        found.0
    }

    /// Leaves a connection for a worker and wakes it.
    ///
    /// # Errors
    /// Gives it back if the worker takes nothing, or too much waits for it.
    pub fn offer(&self, worker: usize, handed: Handed<S>) -> Result<(), Handed<S>> {
        let desk = &self.desks[worker];
        let mut queue = self.lock(worker);
        if !queue.is_open || queue.connections.len() >= HANDED_MAX {
            return Err(handed);
        }
        queue.connections.push_back(handed);
        desk.inbox.waiting.store(queue.connections.len() as u32, Ordering::Relaxed);
        // Who left the first woke the worker for those behind it too.
        let is_first = queue.connections.len() == 1;
        drop(queue);
        if let Some(Waker(waker)) = desk.waker.get().filter(|_| is_first) {
            waker.wake();
        }
        Ok(())
    }

    fn has_waiting(&self, worker: usize) -> bool {
        self.desks[worker].inbox.waiting.load(Ordering::Relaxed) > 0
    }

    /// The connection that waits longest for a worker.
    fn take(&self, worker: usize) -> Option<Handed<S>> {
        let mut queue = self.lock(worker);
        let first = queue.connections.pop_front();
        self.desks[worker].inbox.waiting.store(queue.connections.len() as u32, Ordering::Relaxed);
        first
    }

    /// A worker takes nothing any more; what still waits for it is its own.
    fn leave(&self, worker: usize) -> VecDeque<Handed<S>> {
        self.tell(worker, AWAY);
        let mut queue = self.lock(worker);
        queue.is_open = false;
        self.desks[worker].inbox.waiting.store(0, Ordering::Relaxed);
        std::mem::take(&mut queue.connections)
    }
}

/// How many connections that a program has placed are over, worked out from what is open.
#[derive(Debug, Default)]
struct Ledger {
    over: u32,
    /// How many were placed at an earlier moment, and when that is long enough ago.
    mark: u32,
    mark_due: Moment,
}

impl Ledger {
    /// How many of `placed` are over while `open` are open. `is_behind`: some may wait in the
    /// kernel's queue, for however long.
    fn settle(&mut self, placed: u32, open: u32, now: Moment, is_behind: bool) -> u32 {
        // Not more than are not open: one that came otherwise than by the program counts too.
        let most = placed.wrapping_sub(open);
        if most.wrapping_sub(self.over).cast_signed() < 0 {
            self.over = most;
        }
        if now >= self.mark_due {
            // What was placed by then and has not come will not come: a handshake was given up, or
            // it was a stray packet.
            let least = self.mark.wrapping_sub(open);
            if !is_behind && least.wrapping_sub(self.over).cast_signed() > 0 {
                self.over = least;
            }
            self.mark = placed;
            self.mark_due = now + SETTLE_TIME;
        }
        self.over
    }
}

/// How many requests connections have lately had, to a sixteenth.
#[derive(Debug)]
struct Lives {
    average: u32,
}

const SIXTEENTHS: u32 = 16;

impl Lives {
    fn ended(&mut self, requests: u32) {
        // Some more than what makes a life long: a single long one must not hide many short ones.
        let requests = requests.min(2 * HAND_OVER_REQUESTS_MIN) * SIXTEENTHS;
        self.average = (self.average * 7 + requests) / 8;
    }

    fn are_long(&self) -> bool {
        self.average >= HAND_OVER_REQUESTS_MIN * SIXTEENTHS
    }
}

/// One worker's part, and what it needs for it.
#[derive(Debug)]
pub(super) struct Sharing<S> {
    part: Part<S>,
    worker: usize,
    /// Where the next search for who has fewer begins.
    from: usize,
    lives: Lives,
    ledger: Ledger,
    /// Whether connections may wait in the kernel's queue.
    pub(super) is_behind: bool,
}

impl<S> Sharing<S> {
    pub(super) fn new(part: Part<S>, worker: usize, waker: Arc<dyn Wake>) -> Sharing<S> {
        if let Part::Crew(crew) = &part {
            crew.join(worker, waker);
        }
        Sharing {
            part,
            worker,
            from: worker + 1,
            // Long, until it is known better.
            lives: Lives { average: 2 * HAND_OVER_REQUESTS_MIN * SIXTEENTHS },
            ledger: Ledger::default(),
            is_behind: false,
        }
    }

    /// Tells how many connections are open.
    #[inline]
    pub(super) fn tell(&mut self, open: usize, now: Moment) {
        let open = open as u32;
        match &self.part {
            Part::Alone => {}
            Part::Crew(crew) => crew.tell(self.worker, open),
            Part::Steered(cell) => {
                cell.set_over(self.ledger.settle(cell.placed(), open, now, self.is_behind));
            }
        }
    }

    /// A connection ended that had so many requests; `open` are left.
    #[inline]
    pub(super) fn ended(&mut self, requests: u32, open: usize, now: Moment) {
        self.lives.ended(requests);
        self.turned_away(open, now);
    }

    /// A connection ended that never was open.
    pub(super) fn turned_away(&mut self, open: usize, now: Moment) {
        self.ledger.over = self.ledger.over.wrapping_add(1);
        self.tell(open, now);
    }

    /// Gives a new connection to a worker that has fewer than `open`, or back.
    fn hand_over(&mut self, open: usize, handed: Handed<S>) -> Option<Handed<S>> {
        let Part::Crew(crew) = &self.part else { return Some(handed) };
        let open = open as u32;
        let Some(most) = open.checked_sub(1 + open / HAND_OVER_SHARE) else { return Some(handed) };
        if !self.lives.are_long() {
            return Some(handed);
        }
        let Some(worker) = crew.fewest(self.worker, self.from, most) else { return Some(handed) };
        self.from = worker + 1;
        crew.offer(worker, handed).err()
    }

    /// Whether other workers have left something.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        matches!(&self.part, Part::Crew(crew) if crew.has_waiting(self.worker))
    }

    fn take(&self) -> Option<Handed<S>> {
        if let Part::Crew(crew) = &self.part { crew.take(self.worker) } else { None }
    }

    /// Takes part no more, and returns what was left for this worker.
    fn leave(&mut self) -> VecDeque<Handed<S>> {
        match std::mem::replace(&mut self.part, Part::Alone) {
            Part::Alone => VecDeque::new(),
            Part::Crew(crew) => crew.leave(self.worker),
            Part::Steered(cell) => {
                cell.leave();
                VecDeque::new()
            }
        }
    }
}

impl<S> Drop for Sharing<S> {
    fn drop(&mut self) {
        // A worker that panicked closes what was left for it, and takes nothing more.
        drop(self.leave());
    }
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Gives a connection that was just accepted to a worker with fewer, or back.
    #[inline]
    pub(super) fn hand_over(
        &mut self,
        stream: K::Stream,
        peer: SocketAddr,
    ) -> Option<(K::Stream, SocketAddr)> {
        let kept = self.sharing.hand_over(self.connections.len(), (stream, peer));
        self.stats.given += u64::from(kept.is_none());
        kept
    }

    /// Takes on what other workers have left, as far as the table holds it: what it does not hold
    /// waits as it would in the kernel's queue.
    pub(super) fn adopt(&mut self) {
        if !self.may_adopt() {
            return;
        }
        let until = self.kernel.lap() + STEP_TIME;
        for _ in 0..ACCEPTS_PER_TURN {
            if self.pause_if_full() {
                return;
            }
            let Some((stream, peer)) = self.sharing.take() else { return };
            self.stats.taken += 1;
            self.admit(stream, peer);
            if self.kernel.lap() >= until {
                return;
            }
        }
    }

    /// Whether something waits that can be looked at now.
    #[inline]
    pub(super) fn may_adopt(&self) -> bool {
        self.sharing.has_waiting() && !matches!(self.accepting, Accepting::Full(_))
    }

    /// Takes on all that was left, and no more from now on: the worker drains.
    pub(super) fn adopt_rest(&mut self) {
        for (stream, peer) in self.sharing.leave() {
            self.stats.taken += 1;
            self.admit(stream, peer);
        }
    }

    /// Ends what was left: the worker stops.
    pub(super) fn drop_rest(&mut self) {
        for _handed in self.sharing.leave() {
            self.stats.taken += 1;
            self.stats.close(CloseReason::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unheard;

    impl Wake for Unheard {
        fn wake(&self) {}
    }

    fn peer() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 1))
    }

    fn crew(workers: usize) -> (Arc<Crew<u32>>, Vec<Sharing<u32>>) {
        let crew = Crew::new(workers);
        let join = |worker| Sharing::new(Part::Crew(Arc::clone(&crew)), worker, Arc::new(Unheard));
        let members = (0..workers).map(join).collect();
        (crew, members)
    }

    #[test]
    fn a_connection_goes_to_who_has_fewest_and_a_little_more_is_not_worth_it() {
        let (crew, mut members) = crew(3);
        let now = Moment::default();
        members[1].tell(3, now);
        members[2].tell(2, now);
        assert_eq!(members[0].hand_over(2, (7, peer())), Some((7, peer())), "as few as any");
        assert_eq!(members[0].hand_over(3, (7, peer())), None);
        assert_eq!(crew.load(2), 3, "what waits counts");
        assert_eq!(members[0].hand_over(3, (8, peer())), Some((8, peer())));
        assert_eq!(members[2].take(), Some((7, peer())));
        assert_eq!((members[2].take(), members[2].has_waiting()), (None, false));
        members[2].tell(100, now);
        members[1].tell(95, now);
        assert!(members[0].hand_over(100, (9, peer())).is_some(), "a sixteenth less");
        members[1].tell(93, now);
        assert!(members[0].hand_over(100, (9, peer())).is_none());
    }

    #[test]
    fn equals_are_given_to_in_turns() {
        let (_, mut members) = crew(4);
        for value in 0..6 {
            assert!(members[0].hand_over(9, (value, peer())).is_none());
        }
        let taken: Vec<_> =
            (1..4).map(|worker| std::iter::from_fn(|| members[worker].take()).count()).collect();
        assert_eq!(taken, [2, 2, 2]);
    }

    #[test]
    fn who_left_is_given_nothing_and_what_waited_comes_back() {
        let (crew, mut members) = crew(2);
        assert!(members[0].hand_over(5, (1, peer())).is_none());
        assert_eq!(members[1].leave(), [(1, peer())]);
        assert_eq!(members[0].hand_over(5, (2, peer())), Some((2, peer())));
        assert_eq!(crew.offer(1, (3, peer())), Err((3, peer())), "nor after a stale look");
        assert!(members[1].leave().is_empty());
    }

    #[test]
    fn no_more_than_so_many_wait_for_one_worker() {
        let (crew, _members) = crew(2);
        for value in 0..HANDED_MAX as u32 {
            crew.offer(1, (value, peer())).unwrap();
        }
        assert!(crew.offer(1, (0, peer())).is_err());
    }

    #[test]
    fn short_connections_stay_where_they_are_until_they_are_long_again() {
        let (_, mut members) = crew(2);
        let now = Moment::default();
        (0..20).for_each(|_| members[0].ended(1, 9, now));
        assert!(members[0].hand_over(9, (1, peer())).is_some());
        (0..20).for_each(|_| members[0].ended(1_000_000, 9, now));
        assert!(members[0].hand_over(9, (1, peer())).is_none());
        members[0].ended(0, 9, now);
        assert!(members[0].hand_over(9, (1, peer())).is_none(), "one short life is no rule");
    }

    fn at(seconds: u64) -> Moment {
        Moment::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_placed_and_not_yet_open_is_a_load_until_it_is_over() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.settle(5, 2, at(0), false), 0);
        ledger.over += 1;
        assert_eq!(ledger.settle(5, 4, at(0), false), 1);
    }

    #[test]
    fn what_did_not_come_in_a_second_is_no_load_unless_the_worker_is_behind() {
        for (is_behind, over) in [(false, 3), (true, 0)] {
            let mut ledger = Ledger::default();
            ledger.settle(5, 2, at(1), false);
            assert_eq!(ledger.settle(6, 2, at(1), false), 0);
            assert_eq!(ledger.settle(6, 2, at(2), is_behind), over);
        }
    }

    #[test]
    fn the_load_is_never_less_than_what_is_open() {
        let mut ledger = Ledger::default();
        for (placed, open) in [(0, 7), (3, 7), (9, 1), (1, 4)] {
            let over = ledger.settle(placed, open, at(0), false);
            assert!(placed.wrapping_sub(over).cast_signed() >= open.cast_signed());
        }
    }
}
