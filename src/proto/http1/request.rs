//! Reads requests: heads, and bodies that are not whole in their block; refuses what breaks a rule.
//! Knows nothing of answers but that some are refusals.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::answer::{BodyPlace, log_panic};
use super::body::{BodyReader, Piece};
use super::{Assembly, Context, Http1, Reading, Step, Taker, patience};
use crate::api::{
    self, Asked, Error, Handler, Intake, NO_ROUTE, Persist, Remote, Request, RequestKey,
    RequestParts, Sink, Taken,
};
use crate::proto::{Answered, CloseReason, Entry, Why};
use crate::settings::Settings;
use crate::wire::framing::{self, BodyFraming, Framing};
use crate::wire::head::{Head, Method, Version};
use crate::wire::parse::{HeadLimits, Parse, Progress, parse_head};
use crate::wire::refusal::Refusal;
use crate::wire::status::Status;
use crate::wire::target::{self, Target};

/// What a sink made of a piece.
enum Fed {
    Taken,
    Waits,
    Failed(Error),
    Panicked(Box<dyn Any + Send>),
}

impl Http1 {
    #[inline]
    pub(super) fn read_head<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Step {
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
            Parse::Refused(refusal) => self.stop_at(cx, refusal),
        }
    }

    #[inline]
    fn on_head<H: Handler>(&mut self, cx: &mut Context<'_, H>, head_len: usize) -> Step {
        let assembly = &mut *cx.assembly;
        assembly.head_len = head_len;
        match judge(&assembly.head, assembly.block.received(), &mut assembly.target) {
            Ok(framing) => {
                assembly.keep_alive = framing.keep_alive;
                if cx.is_overdue
                    && let Some(step) = self.shed(cx, &framing)
                {
                    return step;
                }
                if framing.body == BodyFraming::None {
                    self.handle(cx, &BodyPlace::Block(0));
                    return Step::Next;
                }
                self.on_body_announced(cx, &framing)
            }
            Err(refusal) => self.stop_at(cx, refusal),
        }
    }

    /// Turns a request away that waited too long, unless it is vital, before its body is read.
    #[cold]
    fn shed<H: Handler>(&mut self, cx: &mut Context<'_, H>, framing: &Framing) -> Option<Step> {
        let key = RequestKey { connection: cx.key, number: self.requests.wrapping_add(1) };
        let parts = request_parts(cx.assembly, &[], cx.peer, key, cx.remote, cx.settings);
        let slot = cx.pulse.slot();
        let request = Request::new(&parts, slot);
        let handler = &*cx.handler;
        slot.begin(NO_ROUTE);
        let is_vital = catch_unwind(AssertUnwindSafe(|| handler.is_vital(&request)));
        let route = slot.take();
        match is_vital {
            Ok(true) => return None,
            Ok(false) => {}
            Err(payload) => return Some(self.decline_panicked(cx, route, payload)),
        }
        let behind = cx.assembly.block.unread().len() - cx.assembly.head_len;
        match framing.body {
            BodyFraming::None => self.turn_away(cx, 0),
            BodyFraming::Length(length) if length <= behind as u64 => {
                self.turn_away(cx, length as usize);
            }
            _ => {
                self.begin_declining(cx);
                cx.outbox.answer_overloaded();
                cx.tally.shed();
                self.note_declined(cx, Status::SERVICE_UNAVAILABLE, Why::Overloaded);
                self.end_unread(cx, CloseReason::BodyUnread);
                return Some(Step::Wait);
            }
        }
        Some(Step::Next)
    }

    /// Decides who takes the body, before a byte of it is looked at.
    fn on_body_announced<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        framing: &Framing,
    ) -> Step {
        let Settings { body_bytes_max, upload_bytes_max, .. } = *cx.settings;
        let has_sinks = cx.handler.has_sinks();
        let most = if has_sinks { upload_bytes_max.max(body_bytes_max) } else { body_bytes_max };
        if framing.length() > most {
            return self.stop_at(cx, Refusal::BodyTooLarge);
        }
        if has_sinks || framing.expects_continue {
            match self.ask_for_sink(cx) {
                Ok(sink) => cx.assembly.sink = sink,
                Err(step) => return step,
            }
        }
        let has_sink = cx.assembly.sink.is_some();
        let bytes_max = if has_sink { upload_bytes_max } else { body_bytes_max };
        if framing.length() > bytes_max {
            return self.stop_at(cx, Refusal::BodyTooLarge);
        }
        let behind = cx.assembly.block.unread().len() - cx.assembly.head_len;
        if let BodyFraming::Length(length) = framing.body
            && length <= behind as u64
            && !has_sink
        {
            self.handle(cx, &BodyPlace::Block(length as usize));
            return Step::Next;
        }
        cx.assembly.reader = match framing.body {
            BodyFraming::Length(remaining) => BodyReader::length(remaining),
            _ => BodyReader::chunked(bytes_max),
        };
        self.state.expect_body();
        self.taker = if has_sink { Taker::Sink } else { Taker::Assembly };
        self.since = cx.now;
        self.patience = patience(cx.settings, cx.now);
        // A client that sent a part of its body already is not waiting for leave to send it.
        if framing.expects_continue && behind == 0 {
            cx.outbox.push_continue();
        }
        Step::Next
    }

    /// Asks the handler who takes the body; its refusal is answered here.
    fn ask_for_sink<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
    ) -> Result<Option<Box<dyn Sink>>, Step> {
        let slot = cx.pulse.slot();
        let key = RequestKey { connection: cx.key, number: self.requests.wrapping_add(1) };
        let parts = request_parts(cx.assembly, &[], cx.peer, key, cx.remote, cx.settings);
        let request = Request::new(&parts, slot);
        let handler = &mut *cx.handler;
        slot.begin(NO_ROUTE);
        let intake = catch_unwind(AssertUnwindSafe(|| handler.intake(&request)));
        let route = slot.take();
        cx.assembly.sink_route = route;
        match intake {
            Ok(Ok(Intake::Whole)) => Ok(None),
            Ok(Ok(Intake::Stream(sink))) => Ok(Some(sink)),
            Ok(Err(error)) => Err(self.decline(cx, &error, route)),
            Err(payload) => Err(self.decline_panicked(cx, route, payload)),
        }
    }

    pub(super) fn read_body<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Step {
        let mut at = 0;
        loop {
            let assembly = &mut *cx.assembly;
            let head_len = assembly.head_len;
            let input = &assembly.block.unread()[head_len + at..];
            match assembly.reader.next(input) {
                Ok(Piece::Data { skip, len }) => {
                    let data = &input[skip..skip + len];
                    at += skip + len;
                    self.on_body_bytes(cx.settings, cx.now, len);
                    let Some(sink) = &mut assembly.sink else {
                        assembly.body.extend_from_slice(data);
                        continue;
                    };
                    let route = assembly.sink_route;
                    cx.pulse.slot().begin(route);
                    let fed = feed(&mut **sink, &mut assembly.reader, data, &mut at);
                    cx.pulse.slot().take();
                    match fed {
                        Fed::Taken => {}
                        Fed::Waits => {
                            assembly.block.cut(head_len, at);
                            self.taker = Taker::UnreadySink;
                            self.patience = cx.now + cx.settings.later_time;
                            self.move_up(cx);
                            return Step::Wait;
                        }
                        Fed::Failed(error) => return self.decline(cx, &error, route),
                        Fed::Panicked(payload) => {
                            return self.decline_panicked(cx, route, payload);
                        }
                    }
                }
                Ok(Piece::NeedMore { trailers }) => {
                    keep_trailers(&mut assembly.trailers, input, trailers);
                    assembly.block.truncate(head_len);
                    self.move_up(cx);
                    return Step::Wait;
                }
                Ok(Piece::Whole { consumed, trailers }) => {
                    keep_trailers(&mut assembly.trailers, &input[..consumed], trailers);
                    self.taker = Taker::Assembly;
                    self.handle(cx, &BodyPlace::Collected(at + consumed));
                    return Step::Next;
                }
                Err(refusal) => return self.stop_at(cx, refusal),
            }
        }
    }

    /// Makes room behind the head, which stays at the front for as long as the body takes.
    fn move_up<H: Handler>(&mut self, cx: &mut Context<'_, H>) {
        if !cx.assembly.block.compact() {
            return;
        }
        let Assembly { block, head, progress, head_len, target, .. } = &mut *cx.assembly;
        *progress = Progress::default();
        let parse = parse_head(block.received(), 0, head, progress, &head_limits(cx.settings));
        debug_assert_eq!(parse, Parse::Complete { len: *head_len });
        // The same bytes were accepted before, so this cannot come; it would be a refusal.
        if let Err(refusal) = judge(head, block.received(), target) {
            self.refuse(cx, refusal);
        }
    }

    fn stop_at<H: Handler>(&mut self, cx: &mut Context<'_, H>, refusal: Refusal) -> Step {
        self.refuse(cx, refusal);
        Step::Wait
    }

    /// Answers a request that broke a rule; nothing behind it is ever looked at.
    #[cold]
    pub(super) fn refuse<H: Handler>(&mut self, cx: &mut Context<'_, H>, refusal: Refusal) {
        let (head_only, as_json) = known(cx.assembly);
        cx.outbox.answer_refusal(refusal, head_only, as_json);
        cx.tally.refused(refusal);
        self.note_declined(cx, refusal.status(), Why::Refused(refusal));
        self.end_unread(cx, CloseReason::Refused);
    }

    /// Answers a request whose body its handler does not want. The body is not read.
    #[cold]
    fn decline<H: Handler>(&mut self, cx: &mut Context<'_, H>, error: &Error, route: u32) -> Step {
        let as_json = self.begin_declining(cx);
        cx.outbox.answer_error(error, as_json);
        cx.tally.answered(error.status(), route);
        self.note_unread(cx, Answered::served(error.status(), route, 0));
        self.end_unread(cx, CloseReason::BodyUnread);
        Step::Wait
    }

    #[cold]
    fn decline_panicked<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        route: u32,
        payload: Box<dyn Any + Send>,
    ) -> Step {
        log_panic(cx.pulse, route, "before its request was whole", payload);
        let as_json = self.begin_declining(cx);
        cx.outbox.answer_panic(as_json);
        let status = Status::INTERNAL_SERVER_ERROR;
        cx.tally.answered(status, route);
        self.note_unread(cx, Answered::served(status, route, 0));
        cx.tally.panics += 1;
        self.end_unread(cx, CloseReason::Panicked);
        Step::Wait
    }

    /// Notes an answer that the application was not asked for.
    pub(super) fn note_declined<H>(&self, cx: &mut Context<'_, H>, status: Status, why: Why) {
        self.note_unread(cx, Answered::declined(status, 0, why));
    }

    /// Notes the answer in the outbox, to a request that was not handled or that never was one.
    fn note_unread<H>(&self, cx: &mut Context<'_, H>, answered: Answered) {
        if !cx.scribe.writes() {
            return;
        }
        let answered = Answered { body_bytes: cx.outbox.body_bytes(), ..answered };
        // One that was turned away has its number already; of the others none was counted.
        let is_counted = self.state.reading() == Reading::Done;
        let number = if is_counted { self.requests } else { self.requests.wrapping_add(1) };
        if cx.assembly.head_len == 0 {
            cx.scribe.note(&Entry::to_nobody(cx.peer, number, answered));
            return;
        }
        let key = RequestKey { connection: cx.key, number };
        let parts = request_parts(cx.assembly, &[], cx.peer, key, cx.remote, cx.settings);
        let request = Request::new(&parts, cx.pulse.slot());
        cx.scribe.note(&Entry::of(&request, answered));
    }

    /// A sink was not ready for so long that its client should not wait any more.
    pub(super) fn give_up_sink<H: Handler>(&mut self, cx: &mut Context<'_, H>) {
        let message = "the body could not be taken in time";
        let route = cx.assembly.sink_route;
        self.decline(cx, &Error::new(Status::GATEWAY_TIMEOUT, message), route);
    }

    fn begin_declining<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> bool {
        let (head_only, as_json) = known(cx.assembly);
        let key = RequestKey { connection: cx.key, number: self.requests };
        let (persist, version) = (Persist::Close, Version::Http11);
        cx.outbox.begin(Asked { persist, head_only, version, key });
        as_json
    }

    /// Ends before what the peer still sends was read.
    fn end_unread<H: Handler>(&mut self, cx: &mut Context<'_, H>, reason: CloseReason) {
        self.end_with(reason);
        self.taker = Taker::Assembly;
        cx.assembly.sink = None;
    }
}

/// The parts of the request in the assembly, with `body`.
#[inline]
pub(super) fn request_parts<'a>(
    assembly: &'a Assembly,
    body: &'a [u8],
    peer: SocketAddr,
    key: RequestKey,
    remote: &'a Remote,
    settings: &'a Settings,
) -> RequestParts<'a> {
    RequestParts {
        head: &assembly.head,
        block: assembly.block.received(),
        target: assembly.target,
        body,
        is_decoded: false,
        peer,
        trailers: &assembly.trailers,
        key,
        remote,
        settings,
    }
}

/// Whether a request was HEAD and wants its errors as JSON. Before its head is whole, nothing in
/// it is to be believed.
fn known(assembly: &Assembly) -> (bool, bool) {
    let Assembly { block, head, head_len, .. } = assembly;
    let is_whole = *head_len > 0;
    let head_only = is_whole && head.method == Method::Head;
    (head_only, is_whole && api::accepts_json(head, block.received()))
}

/// Offers `data` to a sink. What it does not take is put back, before `at`.
fn feed(sink: &mut dyn Sink, reader: &mut BodyReader, data: &[u8], at: &mut usize) -> Fed {
    match catch_unwind(AssertUnwindSafe(|| sink.take(data))) {
        Ok(Ok(Taken::All)) => Fed::Taken,
        Ok(Ok(Taken::Part(len))) => {
            let untaken = data.len().saturating_sub(len);
            reader.untake(untaken);
            *at -= untaken;
            Fed::Waits
        }
        Ok(Err(error)) => Fed::Failed(error),
        Err(payload) => Fed::Panicked(payload),
    }
}

/// Appends what is new of the trailer section, which has `total` bytes and ends `consumed`.
fn keep_trailers(trailers: &mut Vec<u8>, consumed: &[u8], total: usize) {
    let new = total - trailers.len();
    trailers.extend_from_slice(&consumed[consumed.len() - new..]);
}

fn head_limits(settings: &Settings) -> HeadLimits {
    HeadLimits {
        head_bytes: settings.head_bytes_max,
        fields: settings.fields_max,
        target_bytes: settings.target_bytes_max,
    }
}

/// What can be said of a whole head alone; its target goes where it is kept.
#[inline]
fn judge(head: &Head, block: &[u8], target: &mut Target) -> Result<Framing, Refusal> {
    let framing = framing::decide(head, block)?;
    // TRACE would echo credentials and CONNECT asks for a proxy; neither is for an application.
    if matches!(head.method, Method::Unknown | Method::Connect | Method::Trace) {
        return Err(Refusal::MethodUnknown);
    }
    *target = target::parse(head.method, head.target, block)?;
    Ok(framing)
}
