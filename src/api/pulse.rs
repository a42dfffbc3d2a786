//! What a worker shows of its present turn while it has it: when it began and the route at work.
//! Knows nothing of who looks, nor of when a turn is too long.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{AnswerCounts, RefusedPath};
use crate::clock::Moment;

/// No handler is at work.
const OUTSIDE: u32 = u32::MAX;

/// A handler is at work and has noted no route: above the number of every route.
pub const NO_ROUTE: u32 = u32::MAX - 1;

/// Where the application notes which route matched, for statistics and logs.
///
/// Written by one worker and read by any thread: relaxed stores, which cost what plain ones do.
#[derive(Debug)]
pub struct RouteSlot {
    route: AtomicU32,
    /// Calls of the application so far, so that one long call is told from many short ones.
    calls: AtomicU32,
    /// By [`RefusedPath`].
    refused_paths: [AtomicU64; RefusedPath::ALL.len()],
    /// Behind a pointer, so that hooks keep it.
    answer_counts: Arc<AnswerCounts>,
}

impl Default for RouteSlot {
    fn default() -> RouteSlot {
        RouteSlot {
            route: AtomicU32::new(OUTSIDE),
            calls: AtomicU32::new(0),
            refused_paths: Default::default(),
            answer_counts: Arc::default(),
        }
    }
}

impl RouteSlot {
    /// The application is called for route number `route`, or for [`NO_ROUTE`] yet.
    #[inline]
    pub fn begin(&self, route: u32) {
        // One writer: load and store make the increment, without a locked instruction.
        self.calls.store(self.calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.route.store(route, Ordering::Relaxed);
    }

    /// Route number `route` answers.
    #[inline]
    pub fn note(&self, route: u16) {
        self.route.store(u32::from(route), Ordering::Relaxed);
    }

    /// Counts a path that no file is served for.
    pub fn refuse_path(&self, why: RefusedPath) {
        let count = &self.refused_paths[why as usize];
        // One writer, as above.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Paths that no file was served for, by [`RefusedPath`].
    pub fn refused_paths(&self) -> [u64; RefusedPath::ALL.len()] {
        RefusedPath::ALL.map(|why| self.refused_paths[why as usize].load(Ordering::Relaxed))
    }

    /// What hooks count of answers.
    pub fn answer_counts(&self) -> &Arc<AnswerCounts> {
        &self.answer_counts
    }

    /// What was noted last: the route's number, or [`NO_ROUTE`].
    pub fn get(&self) -> u32 {
        self.route.load(Ordering::Relaxed)
    }

    /// The application has returned: gives the route's number and forgets it. [`NO_ROUTE`] if
    /// none was noted.
    #[inline]
    pub fn take(&self) -> u32 {
        let route = self.route.load(Ordering::Relaxed);
        self.route.store(OUTSIDE, Ordering::Relaxed);
        route
    }
}

/// One worker's present turn, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct Pulse {
    /// Nanoseconds; 0 while the worker waits for something to do.
    began: AtomicU64,
    slot: RouteSlot,
    worker: usize,
    /// Changed when the application is; read where something is told.
    routes: Mutex<Arc<[String]>>,
    /// Turns that were found to be too long. Written by who looks, which is seldom.
    stalls: AtomicU64,
}

const _: () = assert!(size_of::<Pulse>() == 128);

/// What a pulse showed at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When the turn began; `None` if the worker waits.
    pub began: Option<Moment>,
    /// Calls of the application so far; wraps.
    pub calls: u32,
    /// What is at work.
    pub place: Place,
}

impl Beat {
    /// How long the turn lasts at `now`; zero while the worker waits.
    pub fn lasted(&self, now: Moment) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now - began)
    }
}

/// What is at work in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A handler that noted no route.
    Handler,
    /// No handler.
    Outside,
    /// The handler of a route, by its number.
    Route(u16),
}

impl Place {
    /// The place that a slot with `route` shows.
    pub fn of(route: u32) -> Place {
        match route {
            OUTSIDE => Place::Outside,
            route => u16::try_from(route).map_or(Place::Handler, Place::Route),
        }
    }
}

impl Pulse {
    /// The pulse of a worker that waits.
    pub fn new(worker: usize) -> Pulse {
        Pulse {
            began: AtomicU64::new(0),
            slot: RouteSlot::default(),
            worker,
            routes: Mutex::new(Arc::new([])),
            stalls: AtomicU64::new(0),
        }
    }

    /// Notes the templates of the application's routes.
    pub fn name_routes(&self, routes: Vec<String>) {
        *self.lock_routes() = routes.into();
    }

    /// The templates of the application's routes.
    pub fn routes(&self) -> Arc<[String]> {
        Arc::clone(&self.lock_routes())
    }

    fn lock_routes(&self) -> MutexGuard<'_, Arc<[String]>> {
        // One pointer: it is whole, whoever panicked.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn began.
    #[inline]
    pub fn begin(&self, now: Moment) {
        self.began.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The worker is about to wait, or has ended.
    #[inline]
    pub fn rest(&self) {
        self.began.store(0, Ordering::Relaxed);
    }

    /// Where handlers note their routes.
    #[inline]
    pub fn slot(&self) -> &RouteSlot {
        &self.slot
    }

    /// What it shows now. Its parts may be of two turns: whoever needs to be sure looks twice.
    pub fn beat(&self) -> Beat {
        let began = self.began.load(Ordering::Relaxed);
        let place = Place::of(self.slot.route.load(Ordering::Relaxed));
        Beat {
            began: (began != 0).then(|| Moment::from_nanos(began)),
            calls: self.slot.calls.load(Ordering::Relaxed),
            place,
        }
    }

    /// The worker's number.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// What `place` is there, for a log: `GET /users/{id}`.
    pub fn what(&self, place: Place) -> String {
        match place {
            Place::Handler => "a handler without a route".to_owned(),
            Place::Outside => "its own work between two handlers".to_owned(),
            Place::Route(route) => match self.routes().get(usize::from(route)) {
                Some(template) => template.clone(),
                None => format!("route number {route}"),
            },
        }
    }

    /// The same behind the worker's number: `worker 1: GET /users/{id}`.
    pub fn name_of(&self, place: Place) -> String {
        format!("worker {}: {}", self.worker, self.what(place))
    }

    /// Counts a turn that was too long.
    pub fn count_stall(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }

    /// Turns that were found to be too long.
    pub fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_forgets_its_route_when_it_is_taken() {
        let pulse = Pulse::new(0);
        assert_eq!(pulse.beat().place, Place::Outside);
        pulse.slot().begin(NO_ROUTE);
        assert_eq!(pulse.beat().place, Place::Handler);
        pulse.slot().note(u16::MAX);
        assert_eq!(pulse.beat().place, Place::Route(u16::MAX));
        assert_eq!(pulse.slot().take(), u32::from(u16::MAX));
        assert_eq!((pulse.beat().place, pulse.beat().calls), (Place::Outside, 1));
        pulse.slot().begin(NO_ROUTE);
        assert_eq!(pulse.slot().take(), NO_ROUTE);
    }

    #[test]
    fn a_pulse_beats_from_the_begin_of_a_turn_to_the_rest() {
        let pulse = Pulse::new(0);
        assert_eq!(pulse.beat().began, None);
        pulse.begin(Moment::from_nanos(7));
        assert_eq!(pulse.beat().began, Some(Moment::from_nanos(7)));
        pulse.rest();
        assert_eq!(pulse.beat().began, None);
    }

    #[test]
    fn places_are_named_with_their_worker_and_template() {
        let pulse = Pulse::new(3);
        assert_eq!(pulse.name_of(Place::Route(0)), "worker 3: route number 0");
        pulse.name_routes(vec!["GET /users/{id}".to_owned()]);
        assert_eq!(pulse.name_of(Place::Route(0)), "worker 3: GET /users/{id}");
        pulse.name_routes(vec!["GET /".to_owned()]);
        assert_eq!(pulse.name_of(Place::Route(0)), "worker 3: GET /", "another application");
        assert_eq!(pulse.name_of(Place::Handler), "worker 3: a handler without a route");
    }
}
