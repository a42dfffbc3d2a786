//! What a live page is fed with: an event a second to each, made once for all, and only while
//! there is one. Knows nothing of what an event says.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::overview::Overview;
use super::second;
use crate::api::{Error, HandlerResult, Pull, Request, Response, Waker};
use crate::app::{Event, EventWriter, Events};
use crate::limits::{EVENT_CLIENTS_MAX, EVENT_INTERVAL_MS, EVENT_STACK_BYTES};
use crate::wire::status::Status;

/// After which a page asks again that lost its events.
const PAGE_RETRY: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(EVENT_INTERVAL_MS);

#[derive(Debug)]
pub(super) struct Feed {
    overview: Arc<Overview>,
    state: Mutex<State>,
    /// The last page has gone.
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Of each page, by its number.
    wakers: Vec<(u64, Waker)>,
    /// Pages ever shown.
    shown: u64,
    /// The last event and its number: a page that is slow misses those before it.
    event: Arc<str>,
    number: u64,
    is_fed: bool,
}

impl Feed {
    pub(super) fn new(overview: Arc<Overview>) -> Arc<Feed> {
        Arc::new(Feed { overview, state: Mutex::default(), left: Condvar::new() })
    }

    /// Answers with events without end.
    pub(super) fn show(
        self: &Arc<Self>,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let mut state = self.lock();
        if state.wakers.len() >= EVENT_CLIENTS_MAX {
            let error = Error::new(Status::SERVICE_UNAVAILABLE, "too many live pages are open");
            return Err(error.with_header("Retry-After", "10".to_owned()));
        }
        state.shown += 1;
        if !state.is_fed {
            let feed = Arc::clone(self);
            let thread = thread::Builder::new()
                .name("admin events".to_owned())
                .stack_size(EVENT_STACK_BYTES);
            thread.spawn(move || feed.feed()).map_err(Error::internal)?;
            state.is_fed = true;
        }
        let page = state.shown;
        state.wakers.push((page, request.waker()));
        let seen = state.number;
        drop(state);
        let mut viewer = Viewer { feed: Arc::clone(self), page, seen };
        Events::new(move |events| viewer.show(events)).retry(PAGE_RETRY).answer(response)
    }

    /// The life of the thread that makes the events.
    fn feed(&self) {
        let mut before = self.overview.look();
        loop {
            let is_shown = |state: &mut State| !state.wakers.is_empty();
            let waited = self.left.wait_timeout_while(self.lock(), INTERVAL, is_shown);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.wakers.is_empty() {
                state.is_fed = false;
                return;
            }
            drop(state);
            let now = self.overview.look();
            let event = second::to_json(&before, &now).to_string();
            before = now;
            let mut state = self.lock();
            state.event = event.into();
            state.number += 1;
            state.wakers.iter().for_each(|(_, waker)| waker.wake());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One page.
struct Viewer {
    feed: Arc<Feed>,
    page: u64,
    /// The number of the event that it was sent last.
    seen: u64,
}

impl Viewer {
    fn show(&mut self, events: &mut EventWriter<'_, '_>) -> Result<Pull, Error> {
        let state = self.feed.lock();
        if self.seen != state.number {
            self.seen = state.number;
            events.send(&Event::new(&state.event))?;
        }
        Ok(Pull::Wait)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut state = self.feed.lock();
        state.wakers.retain(|(page, _)| *page != self.page);
        if state.wakers.is_empty() {
            self.feed.left.notify_all();
        }
    }
}
