//! Has requests answered: at once, later from elsewhere, or piece by piece.
//! Knows nothing of how requests are read.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::request::request_parts;
use super::{Assembly, Context, Http1, Persistence, Step};
use crate::api::{
    Asked, Delivery, Error, Handler, NO_ROUTE, Outbox, Outcome, Persist, Place, Promised, Pull,
    Pulse, Request, RequestKey, Response, Sink, Streamed, panic_message,
};
use crate::clock::Moment;
use crate::proto::{Answered, CloseReason, Entry, Extent, Kept, Scribe, Why};
use crate::wire::head::{Head, Method, Version};
use crate::wire::status::Status;

/// Where the whole body lies.
pub(super) enum BodyPlace {
    /// In the block, behind the head, so many bytes.
    Block(usize),
    /// Collected, while so many bytes of the block were consumed behind the head.
    Collected(usize),
}

/// What is known of a request once its bytes are gone.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Whether its client would keep the connection.
    keep_alive: bool,
    head_only: bool,
    as_json: bool,
    version: Version,
    route: u32,
    /// Of the head that is sent, where the body is streamed.
    status: Status,
}

impl Known {
    /// What a head tells, before anyone has answered.
    #[inline]
    fn of(head: &Head, keep_alive: bool) -> Known {
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
    known: Known,
    rest: Rest,
    /// For whom its answer is noted.
    kept: Option<Kept>,
}

#[derive(Debug)]
enum Rest {
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

    /// Its route has another number from now on.
    pub(super) fn renumber(&mut self, renumbered: &[u32]) {
        self.known.route = renumbered.get(self.known.route as usize).copied().unwrap_or(NO_ROUTE);
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

impl Http1 {
    #[inline]
    pub(super) fn handle<H: Handler>(&mut self, cx: &mut Context<'_, H>, place: &BodyPlace) {
        self.state.request_received();
        self.count_request(cx);
        let sink = cx.assembly.sink.take();
        // The application may be another than the one that made the sink.
        let route = if sink.is_some() { cx.assembly.sink_route } else { NO_ROUTE };
        let Assembly { block, head, head_len, keep_alive, body, .. } = &*cx.assembly;
        let (body, behind) = match *place {
            BodyPlace::Block(len) => (&block.unread()[*head_len..*head_len + len], len),
            BodyPlace::Collected(consumed) => (&body[..], consumed),
        };
        let mut known = Known::of(head, *keep_alive);
        let asked = self.asked(&known, cx.key);
        let parts = request_parts(cx.assembly, body, cx.peer, asked.key, cx.remote, cx.settings);
        let slot = cx.pulse.slot();
        let request = Request::new(&parts, slot);
        cx.outbox.begin(asked);
        if let Some(timing) = cx.watch.parsed() {
            cx.outbox.tell(timing);
        }
        slot.begin(route);
        let panicked = answer(cx.handler, sink, &request, cx.outbox, cx.pulse);
        known.route = slot.take();
        cx.watch.handled();
        if cx.outbox.outcome() != Outcome::Answered {
            known.as_json = request.accepts_json();
        }
        let kept = note(&mut cx.scribe, &request, cx.outbox, known.route);
        let len = *head_len + behind;
        cx.assembly.next_request(len);
        self.since = cx.now;
        self.has_begun = false;
        self.settle(cx, known, kept, panicked);
    }

    /// Answers 503 in place of the application; the request has a body of `behind` bytes in the
    /// block.
    pub(super) fn turn_away<H: Handler>(&mut self, cx: &mut Context<'_, H>, behind: usize) {
        self.state.request_received();
        self.count_request(cx);
        let Assembly { head, head_len, keep_alive, .. } = &*cx.assembly;
        let known = Known::of(head, *keep_alive);
        let len = *head_len + behind;
        cx.outbox.begin(self.asked(&known, cx.key));
        cx.outbox.answer_overloaded();
        cx.tally.shed();
        self.note_declined(cx, Status::SERVICE_UNAVAILABLE, Why::Overloaded);
        cx.assembly.next_request(len);
        self.since = cx.now;
        self.has_begun = false;
        self.note_closing(cx.outbox, &known);
        let reason = if known.keep_alive { self.last_because } else { CloseReason::ByRequest };
        self.state.answered(reason);
    }

    /// What an answer must know of a request.
    #[inline]
    fn asked(&self, known: &Known, connection: u64) -> Asked {
        let last = !known.keep_alive || self.state.persistence() == Persistence::LastRequest;
        let persist = match known.version {
            _ if last => Persist::Close,
            Version::Http10 => Persist::KeepAlive10,
            Version::Http11 => Persist::KeepAlive,
        };
        let key = RequestKey { connection, number: self.requests };
        Asked { persist, head_only: known.head_only, version: known.version, key }
    }

    #[inline]
    fn count_request<H>(&mut self, cx: &Context<'_, H>) {
        self.requests = self.requests.wrapping_add(1);
        if self.requests >= cx.settings.requests_max {
            self.make_last(CloseReason::RequestsMax);
        }
        if cx.now >= self.expires.moment() {
            self.make_last(CloseReason::LifetimeOver);
        }
    }

    /// Notes how far the answer is that was begun.
    #[inline]
    fn settle<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        known: Known,
        kept: Option<Kept>,
        panicked: bool,
    ) {
        match cx.outbox.outcome() {
            Outcome::Promised => self.settle_promised(cx, known, kept),
            Outcome::Streamed => self.settle_streamed(cx, known, kept, panicked),
            Outcome::Answered | Outcome::Open => {
                if kept.is_some() {
                    cx.scribe.finish(kept, given(cx.outbox, known.route));
                }
                self.answered(cx, &known, panicked);
            }
        }
    }

    fn settle_promised<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        known: Known,
        kept: Option<Kept>,
    ) {
        let Some(promised) = cx.outbox.take_promised() else { return };
        self.state.answer_promised();
        let until = cx.now + promised.time.unwrap_or(cx.settings.later_time);
        if self.peer_ended {
            promised.promise.client_ended();
        }
        let rest = Rest::Promise(promised);
        self.pending = Some(Box::new(Pending { until, is_waiting: true, known, rest, kept }));
    }

    fn settle_streamed<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        mut known: Known,
        kept: Option<Kept>,
        panicked: bool,
    ) {
        let Some(streamed) = cx.outbox.take_streamed() else { return };
        known.status = cx.outbox.status();
        if panicked {
            // Its head is sent already, so only the end can tell.
            let extent = Extent::Cut;
            let nothing = Answered::served(known.status, known.route, 0);
            cx.scribe.finish(kept, Answered { extent, ..nothing });
            self.end_incomplete(cx, &known, CloseReason::Panicked);
            return;
        }
        self.state.stream_started();
        self.note_closing(cx.outbox, &known);
        let rest = Rest::Stream(streamed);
        let until = Moment::NEVER;
        self.pending = Some(Box::new(Pending { until, is_waiting: false, known, rest, kept }));
    }

    /// An answer whose head says `close` is the last, whatever comes between.
    #[inline]
    fn note_closing(&mut self, outbox: &Outbox, known: &Known) {
        if outbox.persist() == Persist::Close {
            let by_whom =
                if known.keep_alive { CloseReason::ByHandler } else { CloseReason::ByRequest };
            self.make_last(by_whom);
        }
    }

    /// The whole answer is queued.
    #[inline]
    fn answered<H: Handler>(&mut self, cx: &mut Context<'_, H>, known: &Known, panicked: bool) {
        cx.tally.answered(cx.outbox.status(), known.route);
        self.note_closing(cx.outbox, known);
        let reason = match (panicked, known.keep_alive) {
            (true, _) => CloseReason::Panicked,
            (false, false) => CloseReason::ByRequest,
            (false, true) => self.last_because,
        };
        cx.tally.panics += u64::from(panicked);
        self.state.answered(reason);
    }

    /// The answer came home.
    pub(super) fn deliver<H: Handler>(&mut self, cx: &mut Context<'_, H>, delivery: Delivery) {
        let Some((known, promised, kept)) = self.take_promise() else { return };
        cx.outbox.resume(self.asked(&known, cx.key), promised);
        let failure = match delivery {
            Delivery::Reply(reply) => reply.send(Response::new(cx.outbox)).err(),
            Delivery::Failed(error) => Some(error),
            Delivery::Dropped => {
                cx.tally.later_dropped += 1;
                Some(Error::internal("the right to answer was dropped"))
            }
        };
        let panicked = failure.is_some_and(|error| fail(cx, &known, error));
        self.since = cx.now;
        self.settle(cx, known, kept, panicked);
    }

    /// What was waited for did not come in time.
    pub(super) fn expire<H: Handler>(&mut self, cx: &mut Context<'_, H>) {
        if let Some((known, promised, kept)) = self.take_promise() {
            cx.tally.later_expired += 1;
            cx.outbox.resume(self.asked(&known, cx.key), promised);
            let error = Error::new(Status::GATEWAY_TIMEOUT, "the answer did not come in time");
            let panicked = fail(cx, &known, error);
            self.since = cx.now;
            self.settle(cx, known, kept, panicked);
        } else if let Some(pending) = &self.pending {
            let known = pending.known;
            self.end_incomplete(cx, &known, CloseReason::AnswerTimeout);
        }
    }

    fn take_promise(&mut self) -> Option<(Known, Promised, Option<Kept>)> {
        let pending = self.pending.take()?;
        match *pending {
            Pending { known, rest: Rest::Promise(promised), kept, .. } => {
                Some((known, promised, kept))
            }
            stream => {
                self.pending = Some(Box::new(stream));
                None
            }
        }
    }

    /// Whether a source can be asked for more.
    #[inline]
    pub(super) fn is_pulling(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| !pending.is_waiting)
    }

    /// Queues the next piece of a streamed answer.
    pub(super) fn write_on<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Step {
        let Some(pending) = &mut self.pending else { return Step::Wait };
        let Rest::Stream(streamed) = &mut pending.rest else { return Step::Wait };
        if pending.is_waiting {
            return Step::Wait;
        }
        let (known, outbox) = (pending.known, &mut *cx.outbox);
        cx.pulse.slot().begin(known.route);
        let pulled = catch_unwind(AssertUnwindSafe(|| {
            outbox.pull(streamed).map_err(|error| log_failure(cx.pulse, known.route, &error))
        }));
        cx.pulse.slot().take();
        match pulled {
            Ok(Ok(Pull::More)) => Step::Next,
            Ok(Ok(Pull::Wait)) => {
                pending.is_waiting = true;
                pending.until = cx.now + cx.settings.later_time;
                Step::Wait
            }
            Ok(Ok(Pull::Done)) => {
                let answered = Answered::served(known.status, known.route, streamed.queued());
                cx.scribe.finish(pending.kept.take(), answered);
                self.pending = None;
                self.since = cx.now;
                cx.tally.answered(known.status, known.route);
                self.state.answered(self.last_because);
                Step::Next
            }
            Ok(Err(())) => {
                self.end_incomplete(cx, &known, CloseReason::SourceFailed);
                Step::Wait
            }
            Err(payload) => {
                log_panic(cx.pulse, known.route, "in the source of its answer", payload);
                self.end_incomplete(cx, &known, CloseReason::Panicked);
                Step::Wait
            }
        }
    }

    /// Ends because the rest of what was queued cannot be sent.
    pub(super) fn cut_answer<H: Handler>(&mut self, cx: &mut Context<'_, H>) {
        let known = self.pending.as_ref().map(|pending| pending.known);
        let error = Error::internal("a file became shorter while it was sent");
        log_failure(cx.pulse, known.map_or(NO_ROUTE, |known| known.route), &error);
        match known {
            Some(known) => self.end_incomplete(cx, &known, CloseReason::SourceFailed),
            None => self.end_with(CloseReason::SourceFailed),
        }
    }

    /// Ends in the middle of a streamed answer: its client sees that something is missing.
    fn end_incomplete<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        known: &Known,
        reason: CloseReason,
    ) {
        cx.tally.answered(known.status, known.route);
        if let Some((kept, answered)) = self.take_unfinished() {
            cx.scribe.finish(Some(kept), Answered { extent: Extent::Cut, ..answered });
        }
        if reason == CloseReason::Panicked {
            cx.tally.panics += 1;
        }
        self.end_with(reason);
    }
}

/// Notes an answer, or keeps what there is to be noted of it when it is whole.
#[inline]
fn note(
    scribe: &mut Scribe<'_>,
    request: &Request<'_>,
    outbox: &Outbox,
    route: u32,
) -> Option<Kept> {
    if !scribe.writes() {
        return None;
    }
    let entry = Entry::of(request, given(outbox, route));
    if matches!(outbox.outcome(), Outcome::Promised | Outcome::Streamed) {
        return scribe.keep(&entry);
    }
    scribe.note(&entry);
    None
}

/// The answer that was begun last, once it is whole.
fn given(outbox: &Outbox, route: u32) -> Answered {
    Answered::served(outbox.status(), route, outbox.body_bytes())
}

/// Has the handler answer. Unless it promised or streams, the outbox holds one whole answer
/// afterwards. Returns whether it panicked.
#[inline]
fn answer<H: Handler>(
    handler: &mut H,
    sink: Option<Box<dyn Sink>>,
    request: &Request<'_>,
    outbox: &mut Outbox,
    pulse: &Pulse,
) -> bool {
    // After a panic only the handler's own state may be odd, and that is the handler's to mind.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let response = Response::new(outbox);
        match sink {
            None => handler.handle(request, response).err(),
            Some(sink) => handler.finish(sink, request, response).err(),
        }
    }));
    let outcome = match outcome {
        Ok(None) if outbox.outcome() != Outcome::Open => return false,
        // An error is the application's too, and so is what its text and its drop do.
        Ok(error) => catch_unwind(AssertUnwindSafe(|| answer_failure(request, outbox, error))),
        Err(payload) => Err(payload),
    };
    let Err(payload) = outcome else { return false };
    let at = format!("at {} {}", request.method().name(), request.path());
    log_panic(pulse, pulse.slot().get(), &at, payload);
    outbox.answer_panic(request.accepts_json());
    true
}

#[cold]
fn answer_failure(request: &Request<'_>, outbox: &mut Outbox, error: Option<Error>) {
    let error = error
        .unwrap_or_else(|| Error::internal("the handler returned the proof of another answer"));
    if error.status().class() == 5 {
        // Each client that meets the fault brings a line: the application is to be mended.
        let (method, path) = (request.method().name(), request.path());
        log::error!(
            event = "handler_failed", method, path, error:%;
            "{method} {path}: {error}"
        );
    }
    // A handler that answered and then failed has answered all the same.
    if outbox.outcome() == Outcome::Open {
        outbox.answer_error(&error, request.accepts_json());
    }
}

/// Logs the failure of an answer under way, in words of the application.
#[cold]
fn log_failure(pulse: &Pulse, route: u32, error: &Error) {
    if error.status().class() == 5 {
        let (worker, route) = (pulse.worker(), pulse.what(Place::of(route)));
        // As many as clients bring about, as above.
        log::error!(
            event = "answer_failed", worker, route:%, error:%;
            "worker {worker}: {route}: {error}"
        );
    }
}

/// Answers a promise that was not kept with its error. Returns whether that panicked: the text of
/// an error, and its drop, are the application's.
#[cold]
fn fail<H: Handler>(cx: &mut Context<'_, H>, known: &Known, error: Error) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        log_failure(cx.pulse, known.route, &error);
        cx.outbox.answer_error(&error, known.as_json);
        drop(error);
    }));
    let Err(payload) = outcome else { return false };
    log_panic(cx.pulse, known.route, "late", payload);
    cx.outbox.answer_panic(known.as_json);
    true
}

/// Logs a panic of the application, and `at` what.
#[cold]
pub(super) fn log_panic(pulse: &Pulse, route: u32, at: &str, payload: Box<dyn Any + Send>) {
    let (worker, route) = (pulse.worker(), pulse.what(Place::of(route)));
    let why = panic_message(payload);
    // As many as clients bring about, as above.
    log::error!(
        event = "handler_panicked", worker, route:%, at, panic:% = why;
        "worker {worker}: {route} panicked {at}: {why}"
    );
}
