//! HTTP/1.1 and 1.0 on one connection, as a machine without I/O and without a clock.
//!
//! Events go in through `on_*`; each returns what the machine wants next. Answers are queued in
//! the outbox in the order of the requests.

mod assembly;
mod body;
mod state;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use assembly::Assembly;
use body::{BodyReader, Fed};
pub use state::{Persistence, Reading, State, Writing};

use super::{CloseReason, Tally, Want};
use crate::api::{
    self, Error, Handler, Outbox, Persist, Request, RequestParts, Response, RouteSlot,
};
use crate::clock::Moment;
use crate::limits::GATHER_BYTES;
use crate::settings::Settings;
use crate::wire::chunked::ChunkedDecoder;
use crate::wire::framing::{self, BodyFraming, Framing};
use crate::wire::head::{Head, Method, Version};
use crate::wire::parse::{HeadLimits, Parse, Progress, parse_head};
use crate::wire::refusal::Refusal;
use crate::wire::target::{self, Target};

/// What the worker lends to the machine for the time of one event.
#[derive(Debug)]
pub struct Context<'a, H> {
    /// The time of this turn.
    pub now: Moment,
    /// Limits and deadlines.
    pub settings: &'a Settings,
    /// What the present request is put together in.
    pub assembly: &'a mut Assembly,
    /// Where answers are queued.
    pub outbox: &'a mut Outbox,
    /// Who answers.
    pub handler: &'a mut H,
    /// Who counts.
    pub tally: &'a mut Tally,
    /// The peer's address.
    pub peer: SocketAddr,
}

/// The machine of one connection.
#[derive(Debug)]
pub struct Http1 {
    state: State,
    /// When what is waited for now began: the connection, the quiet after an answer, a head, or
    /// a body.
    since: Moment,
    /// Whether a part of the present head has arrived.
    has_begun: bool,
    /// Whether a request was ever answered.
    has_answered: bool,
}

/// What one step left to do.
enum Step {
    /// Go on with what is buffered.
    Next,
    /// Nothing can be done without more bytes.
    Wait,
}

/// Where the whole body lies.
enum BodyPlace {
    /// In the block, behind the head, so many bytes.
    Block(usize),
    /// Collected, while so many bytes of the block were consumed behind the head.
    Collected(usize),
}

impl Http1 {
    /// The machine of a connection accepted at `now`.
    pub fn new(now: Moment) -> Http1 {
        Http1 { state: State::default(), since: now, has_begun: false, has_answered: false }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The moment at which [`Http1::on_deadline`] is due. `draining` is when a drain began.
    #[inline]
    pub fn deadline(&self, settings: &Settings, draining: Option<Moment>) -> Moment {
        match self.state.reading() {
            Reading::Head if self.has_begun => self.since + settings.head_time,
            Reading::Head => {
                let time = if self.has_answered { settings.idle_time } else { settings.head_time };
                let quiet = self.since + time;
                draining.map_or(quiet, |began| {
                    quiet.min(began.max(self.since) + settings.drain_idle_time)
                })
            }
            Reading::Body => self.since + settings.body_time,
            Reading::Done => Moment::NEVER,
        }
    }

    /// Bytes were received into the assembly's block, or the worker comes back to those that
    /// were left there.
    pub fn on_received<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        for _ in 0..cx.settings.pipelined_max {
            if cx.outbox.queue.unsent() >= GATHER_BYTES {
                break;
            }
            let step = match self.state.reading() {
                Reading::Head => self.read_head(cx),
                Reading::Body => self.read_body(cx),
                Reading::Done => Step::Wait,
            };
            if matches!(step, Step::Wait) {
                return self.want();
            }
        }
        if self.state.end().is_none() && !cx.assembly.block.is_drained() {
            return Want::Again;
        }
        self.want()
    }

    /// The peer ended its side; everything it sent before was seen.
    pub fn on_peer_closed<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        match self.state.reading() {
            Reading::Head if !self.has_begun => self.state.end_with(CloseReason::PeerClosed),
            Reading::Head | Reading::Body => self.refuse(cx, Refusal::EndInsideRequest),
            Reading::Done => {}
        }
        self.want()
    }

    /// The kernel took the last byte of answers it had refused before. Nothing was received while
    /// they waited, so the time of what is waited for begins now.
    pub fn on_sent(&mut self, now: Moment) {
        self.since = now;
    }

    /// The connection broke: nothing can be received or sent any more.
    pub fn on_failed(&mut self) -> Want {
        self.state.end_with(CloseReason::Failed);
        self.want()
    }

    /// The moment named by [`Http1::deadline`] has come.
    pub fn on_deadline<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        match self.state.reading() {
            Reading::Head if self.has_begun => self.refuse(cx, Refusal::HeadTooSlow),
            Reading::Head if self.state.persistence() == Persistence::LastRequest => {
                self.state.end_with(CloseReason::Drained);
            }
            Reading::Head if self.has_answered => self.state.end_with(CloseReason::IdleTimeout),
            Reading::Head => self.state.end_with(CloseReason::NothingReceived),
            Reading::Body => self.refuse(cx, Refusal::BodyTooSlow),
            Reading::Done => {}
        }
        self.want()
    }

    /// The server wants to stop: the next answer is the last.
    pub fn on_drain(&mut self) {
        self.state.last_request();
    }

    fn want(&self) -> Want {
        self.state.end().map_or(Want::Receive, Want::Close)
    }

    #[inline]
    fn read_head<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Step {
        let Assembly { block, head, progress, .. } = &mut *cx.assembly;
        if block.is_drained() {
            return Step::Wait;
        }
        let limits = head_limits(cx.settings);
        match parse_head(block.received(), block.start(), head, progress, &limits) {
            Parse::Complete { len } => self.on_head(cx, len),
            Parse::Partial => {
                // One CRLF between requests is not the begin of one (RFC 9112 section 2.2).
                if !self.has_begun && !b"\r\n".starts_with(block.unread()) {
                    self.has_begun = true;
                    self.since = cx.now;
                }
                Step::Wait
            }
            Parse::Refused(refusal) => {
                self.refuse(cx, refusal);
                Step::Wait
            }
        }
    }

    #[inline]
    fn on_head<H: Handler>(&mut self, cx: &mut Context<'_, H>, head_len: usize) -> Step {
        let assembly = &mut *cx.assembly;
        assembly.head_len = head_len;
        let framing = match judge(&assembly.head, assembly.block.received(), cx.settings) {
            Ok((framing, target)) => {
                assembly.target = target;
                assembly.keep_alive = framing.keep_alive;
                framing
            }
            Err(refusal) => {
                self.refuse(cx, refusal);
                return Step::Wait;
            }
        };
        let behind = assembly.block.unread().len() - head_len;
        match framing.body {
            BodyFraming::None => self.handle(cx, &BodyPlace::Block(0)),
            BodyFraming::Length(length) if length <= behind as u64 => {
                self.handle(cx, &BodyPlace::Block(length as usize));
            }
            BodyFraming::Length(remaining) => {
                return self.begin_body(cx, &framing, BodyReader::Length { remaining });
            }
            BodyFraming::Chunked => {
                let body_bytes_max = cx.settings.body_bytes_max;
                let decoder = ChunkedDecoder::new();
                let reader = BodyReader::Chunked { decoder, body_bytes_max };
                return self.begin_body(cx, &framing, reader);
            }
        }
        Step::Next
    }

    fn begin_body<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        framing: &Framing,
        reader: BodyReader,
    ) -> Step {
        self.state.expect_body();
        self.since = cx.now;
        let assembly = &mut *cx.assembly;
        assembly.reader = reader;
        // A client that sent a part of its body already is not waiting for leave to send it.
        if framing.expects_continue && assembly.block.unread().len() == assembly.head_len {
            cx.outbox.push_continue();
        }
        Step::Next
    }

    fn read_body<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Step {
        let Assembly { block, body, reader, head_len, .. } = &mut *cx.assembly;
        match reader.feed(&block.unread()[*head_len..], body) {
            Ok(Fed::Whole { consumed }) => {
                self.handle(cx, &BodyPlace::Collected(consumed));
                Step::Next
            }
            Ok(Fed::NeedMore) => {
                block.truncate(*head_len);
                // The head stays at the front for as long as the body takes.
                if block.compact() {
                    self.parse_again(cx);
                }
                Step::Wait
            }
            Err(refusal) => {
                self.refuse(cx, refusal);
                Step::Wait
            }
        }
    }

    /// Makes the offsets of a whole head again after it moved in its block.
    fn parse_again<H: Handler>(&mut self, cx: &mut Context<'_, H>) {
        let Assembly { block, head, progress, head_len, target, .. } = &mut *cx.assembly;
        *progress = Progress::default();
        let parse = parse_head(block.received(), 0, head, progress, &head_limits(cx.settings));
        debug_assert_eq!(parse, Parse::Complete { len: *head_len });
        match judge(head, block.received(), cx.settings) {
            Ok((_, again)) => *target = again,
            // The same bytes were accepted before, so this cannot come; it would be a refusal.
            Err(refusal) => self.refuse(cx, refusal),
        }
    }

    #[inline]
    fn handle<H: Handler>(&mut self, cx: &mut Context<'_, H>, place: &BodyPlace) {
        self.state.request_received();
        let Assembly { block, head, head_len, target, keep_alive, body, .. } = &mut *cx.assembly;
        let (body, behind) = match *place {
            BodyPlace::Block(len) => (&block.unread()[*head_len..*head_len + len], len),
            BodyPlace::Collected(consumed) => (&body[..], consumed),
        };
        let last = !*keep_alive || self.state.persistence() == Persistence::LastRequest;
        let persist = match head.version {
            _ if last => Persist::Close,
            Version::Http10 => Persist::KeepAlive10,
            Version::Http11 => Persist::KeepAlive,
        };
        let drained = *keep_alive && last;
        cx.outbox.begin(persist, head.method == Method::Head);
        let route = RouteSlot::default();
        let block = block.received();
        let parts = RequestParts { head, block, target: *target, body, peer: cx.peer };
        let panicked = answer(cx.handler, &Request::new(parts, &route), cx.outbox);

        cx.tally.answered(cx.outbox.status(), route.get());
        cx.tally.panics += u64::from(panicked);
        let len = *head_len + behind;
        cx.assembly.next_request(len);
        self.since = cx.now;
        self.has_begun = false;
        self.has_answered = true;
        if cx.outbox.persist() == Persist::Close {
            self.state.last_request();
        }
        self.state.answered(match (panicked, last, drained) {
            (true, ..) => CloseReason::Panicked,
            (false, true, true) => CloseReason::Drained,
            (false, true, false) => CloseReason::ByRequest,
            (false, false, _) => CloseReason::ByHandler,
        });
    }

    /// Answers a request that broke a rule; nothing behind it is ever looked at.
    #[cold]
    fn refuse<H: Handler>(&mut self, cx: &mut Context<'_, H>, refusal: Refusal) {
        let Assembly { block, head, head_len, .. } = &*cx.assembly;
        // Before a head is whole, nothing in it is to be believed.
        let (head_only, as_json) = if *head_len > 0 {
            (head.method == Method::Head, api::accepts_json(head, block.received()))
        } else {
            (false, false)
        };
        cx.outbox.answer_refusal(refusal, head_only, as_json);
        cx.tally.refused(refusal);
        self.state.end_with(CloseReason::Refused);
    }
}

fn head_limits(settings: &Settings) -> HeadLimits {
    HeadLimits {
        head_bytes: settings.head_bytes_max,
        fields: settings.fields_max,
        target_bytes: settings.target_bytes_max,
    }
}

/// Everything that is asked of a whole head before a byte of its body is looked at.
#[inline]
fn judge(head: &Head, block: &[u8], settings: &Settings) -> Result<(Framing, Target), Refusal> {
    let framing = framing::decide(head, block)?;
    // TRACE would echo credentials and CONNECT asks for a proxy; neither is for an application.
    if matches!(head.method, Method::Unknown | Method::Connect | Method::Trace) {
        return Err(Refusal::MethodUnknown);
    }
    let target = target::parse(head.method, head.target, block)?;
    match framing.body {
        BodyFraming::Length(length) if length > settings.body_bytes_max => {
            Err(Refusal::BodyTooLarge)
        }
        _ => Ok((framing, target)),
    }
}

/// Has the handler answer. Whatever it does, the outbox holds one whole answer afterwards.
/// Returns whether it panicked.
#[inline]
fn answer<H: Handler>(handler: &mut H, request: &Request<'_>, outbox: &mut Outbox) -> bool {
    // After a panic only the handler's own state may be odd, and that is the handler's to mind.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| handler.handle(request, Response::new(outbox)).err()));
    match outcome {
        Ok(None) if outbox.answered().is_some() => false,
        Ok(error) => {
            answer_failure(request, outbox, error);
            false
        }
        Err(_) => {
            log::error!("{} {}: the handler panicked", request.method().name(), request.path());
            outbox.answer_panic(request.accepts_json());
            true
        }
    }
}

#[cold]
fn answer_failure(request: &Request<'_>, outbox: &mut Outbox, error: Option<Error>) {
    let error = error
        .unwrap_or_else(|| Error::internal("the handler returned the proof of another answer"));
    if error.status().class() == 5 {
        log::error!("{} {}: {error}", request.method().name(), request.path());
    }
    // A handler that answered and then failed has answered all the same.
    if outbox.answered().is_none() {
        outbox.answer_error(&error, request.accepts_json());
    }
}
