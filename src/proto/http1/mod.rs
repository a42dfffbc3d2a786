//! HTTP/1.1 and 1.0 on one connection, as a machine without I/O and without a clock.
//!
//! Events go in through `on_*`; each returns what the machine wants next. Answers are queued in
//! the outbox in the order of the requests.

mod answer;
mod assembly;
mod body;
mod pending;
mod request;
mod state;

use std::net::SocketAddr;
use std::time::Duration;

pub use assembly::Assembly;
use pending::Pending;
pub use state::{Persistence, Reading, State, Writing};

use super::{Answered, CloseReason, Kept, Scribe, Tally, Want, Watch};
use crate::api::{Delivery, Handler, Outbox, Pulse, Remote};
use crate::clock::{CoarseMoment, Moment};
use crate::limits::{BLOCK_BYTES, GATHER_BYTES};
use crate::settings::Settings;
use crate::wire::refusal::Refusal;

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
    /// Where the worker shows what is at work.
    pub pulse: &'a Pulse,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The connection's packed key, for what comes back to it from elsewhere.
    pub key: u64,
    /// The way by which it comes.
    pub remote: &'a Remote,
    /// Bytes of memory that the assembly may hold.
    pub memory_left: usize,
    /// Whether the requests of this event waited too long for an overloaded worker: only vital
    /// ones are served.
    pub is_overdue: bool,
    /// Whether earlier answers wait for their client: then nothing more is begun.
    pub is_blocked: bool,
    /// Who watches what the requests of this event take.
    pub watch: Watch<'a>,
    /// Who notes its answers.
    pub scribe: Scribe<'a>,
}

/// The machine of one connection.
#[derive(Debug)]
pub struct Http1 {
    state: State,
    /// Whether a part of the present head has arrived.
    has_begun: bool,
    /// Who takes the present body.
    taker: Taker,
    /// Whether the peer ended its side while an answer was awaited.
    peer_ended: bool,
    /// Why the present or next answer is the last, where the state says so.
    last_because: CloseReason,
    /// Requests handled so far, which also is the number of the last one.
    requests: u32,
    /// When what is waited for now began: the connection, the quiet after an answer, a head, or
    /// a body.
    since: Moment,
    /// When a body arrives too slowly, if nothing more of it comes.
    patience: Moment,
    /// From when on the next answer is the last.
    expires: CoarseMoment,
    /// The answer under way.
    pending: Option<Box<Pending>>,
}

/// Who takes a body that is not whole in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taker {
    /// Its assembly collects it.
    Assembly,
    /// A sink takes it in pieces.
    Sink,
    /// A sink that is not ready for more.
    UnreadySink,
}

/// What one step left to do.
enum Step {
    /// Go on with what is buffered.
    Next,
    /// Nothing can be done before something happens.
    Wait,
}

impl Http1 {
    /// The machine of a connection accepted at `now`; from `expires` on, or a step of
    /// [`CoarseMoment`] earlier, its next answer is the last.
    pub fn new(now: Moment, expires: Moment) -> Http1 {
        Http1 {
            state: State::default(),
            has_begun: false,
            taker: Taker::Assembly,
            peer_ended: false,
            last_because: CloseReason::Drained,
            requests: 0,
            since: now,
            patience: now,
            expires: CoarseMoment::before(expires),
            pending: None,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Requests handled so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether an answer is under way: promised, or streamed.
    #[inline]
    pub fn is_answering(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether an answer was begun that is not finished.
    pub fn is_streaming(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.is_streamed())
    }

    /// How long a request may at most have waited for its worker at `now`. What it waited for
    /// those before it is their client's, and what its connection waited for room, before
    /// `accepting`, is not for want of the worker's time. `None` within a body and during an
    /// answer.
    pub fn waited_at_most(&self, now: Moment, accepting: Moment) -> Option<Duration> {
        let is_first = self.requests == 0 && !self.has_begun;
        let since = if is_first { accepting } else { self.since };
        (self.state.reading() == Reading::Head).then(|| now - since)
    }

    /// The moment at which [`Http1::on_deadline`] is due. `draining` is when a drain began.
    #[inline]
    pub fn deadline(&self, settings: &Settings, draining: Option<Moment>) -> Moment {
        match self.state.reading() {
            Reading::Head if self.has_begun => self.since + settings.head_time,
            Reading::Head if self.requests == 0 => {
                hasten(self.since + settings.head_time, self.since, settings, draining)
            }
            Reading::Head => {
                // A life that ends is a drain of one: what is under way already is answered.
                let quiet = self.since + settings.idle_time;
                let quiet = hasten(quiet, self.since, settings, Some(self.expires.moment()));
                hasten(quiet, self.since, settings, draining)
            }
            Reading::Body if self.taker == Taker::Assembly => {
                self.patience.min(self.since + settings.body_time)
            }
            Reading::Body => self.patience,
            Reading::Done => self.pending.as_ref().map_or(Moment::NEVER, |pending| pending.until),
        }
    }

    /// Since when it has waited for the first byte of a request, with nothing under way.
    pub fn idle_since(&self) -> Option<Moment> {
        let is_idle = self.state.reading() == Reading::Head && !self.has_begun;
        is_idle.then_some(self.since)
    }

    /// Bytes were received into the assembly's block, or the worker comes back to those that
    /// were left there, or to an answer whose rest there is room for now.
    pub fn on_received<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        for _ in 0..cx.settings.pipelined_max {
            if cx.outbox.queue.unsent() >= GATHER_BYTES {
                break;
            }
            let step = match self.state.reading() {
                Reading::Head => self.read_head(cx),
                Reading::Body if self.taker == Taker::UnreadySink => Step::Wait,
                Reading::Body => self.read_body(cx),
                Reading::Done => self.write_on(cx),
            };
            if matches!(step, Step::Wait) {
                return self.rest(cx);
            }
        }
        if self.state.end().is_none() && (self.is_pulling() || !cx.assembly.block.is_drained()) {
            return Want::Again;
        }
        self.rest(cx)
    }

    /// The peer ended its side; everything it sent before was seen.
    pub fn on_peer_closed<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        match self.state.reading() {
            Reading::Head if !self.has_begun => self.state.end_with(CloseReason::PeerClosed),
            Reading::Head | Reading::Body => self.refuse(cx, Refusal::EndInsideRequest),
            Reading::Done => {
                self.peer_ended = true;
                if let Some(pending) = &self.pending {
                    pending.client_ended();
                }
            }
        }
        self.rest(cx)
    }

    /// The kernel took the last byte of answers it had refused before. Nothing was received while
    /// they waited, so the time of what is waited for begins now.
    pub fn on_sent(&mut self, settings: &Settings, now: Moment) {
        self.since = now;
        // A sink that is waited for has its own time, whatever the client takes.
        if self.taker != Taker::UnreadySink {
            self.patience = patience(settings, now);
        }
    }

    /// The connection broke: nothing can be received or sent any more.
    pub fn on_failed<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        if let Some((kept, answered)) = self.take_unfinished() {
            cx.scribe.finish(Some(kept), answered);
        }
        self.end_with(CloseReason::Failed);
        self.want(false)
    }

    /// A file that was to be sent became shorter. Its answer cannot be completed, and nothing of
    /// the queue was kept.
    pub fn on_file_ended<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        self.cut_answer(cx);
        self.want(false)
    }

    /// The answer to request `number` came home. One that nobody waits for is counted.
    pub fn on_delivered<H: Handler>(
        &mut self,
        cx: &mut Context<'_, H>,
        number: u32,
        delivery: Delivery,
    ) -> Want {
        if self.state.writing() == Writing::Awaiting && self.requests == number {
            self.deliver(cx, delivery);
            return self.go_on(cx);
        }
        cx.tally.unwanted(&delivery);
        // Requests may wait for their turn in the block: nothing has changed for them.
        let is_over = cx.assembly.held() > cx.memory_left;
        self.want(is_over || cx.assembly.block.unread().len() == BLOCK_BYTES)
    }

    /// The source or the sink of the connection may be ready again.
    pub fn on_woken<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        if self.taker == Taker::UnreadySink {
            self.taker = Taker::Sink;
            self.patience = patience(cx.settings, cx.now);
        }
        if let Some(pending) = &mut self.pending {
            pending.wake();
        }
        self.go_on(cx)
    }

    /// Goes on after something came from elsewhere. While its client takes nothing, whatever
    /// could be made for it would pile up.
    fn go_on<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        if cx.is_blocked { self.want(false) } else { self.on_received(cx) }
    }

    /// The moment named by [`Http1::deadline`] has come.
    pub fn on_deadline<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        match self.state.reading() {
            Reading::Head if self.has_begun => self.refuse(cx, Refusal::HeadTooSlow),
            Reading::Head if self.state.persistence() == Persistence::LastRequest => {
                self.end_with(self.last_because);
                return Want::Drop(self.last_because);
            }
            Reading::Head if self.requests == 0 => self.end_with(CloseReason::NothingReceived),
            Reading::Head if cx.now >= self.expires.moment() => {
                self.end_with(CloseReason::LifetimeOver);
            }
            Reading::Head => self.end_with(CloseReason::IdleTimeout),
            Reading::Body if self.taker == Taker::UnreadySink => self.give_up_sink(cx),
            Reading::Body => self.refuse(cx, Refusal::BodyTooSlow),
            Reading::Done => {
                self.expire(cx);
                return self.on_received(cx);
            }
        }
        self.rest(cx)
    }

    /// What was kept of a streamed answer that ends here, with its connection. One that was only
    /// promised is none.
    pub fn take_unfinished(&mut self) -> Option<(Kept, Answered)> {
        self.pending.as_mut()?.take_unfinished()
    }

    /// The server wants to stop: the next answer is the last.
    pub fn on_drain(&mut self) {
        self.make_last(CloseReason::Drained);
    }

    /// The routes have other numbers from now on: number `n` has become `renumbered[n]`.
    pub fn on_renumbered(&mut self, renumbered: &[u32]) {
        if let Some(pending) = &mut self.pending {
            pending.renumber(renumbered);
        }
    }

    fn make_last(&mut self, why: CloseReason) {
        if self.state.persistence() == Persistence::KeepAlive {
            self.state.last_request();
            self.last_because = why;
        }
    }

    fn end_with(&mut self, reason: CloseReason) {
        self.state.end_with(reason);
        self.pending = None;
    }

    /// What is wanted once nothing more can be done.
    #[inline]
    fn rest<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        if self.state.end().is_none() && !cx.assembly.is_idle() {
            return self.rest_with(cx);
        }
        self.want(false)
    }

    /// As [`Http1::rest`], while something is left in the assembly: if there is memory for it.
    fn rest_with<H: Handler>(&mut self, cx: &mut Context<'_, H>) -> Want {
        let is_over = cx.assembly.held() > cx.memory_left;
        if is_over && self.state.reading() != Reading::Done {
            self.refuse(cx, Refusal::MemoryExhausted);
        }
        self.want(is_over || cx.assembly.block.unread().len() == BLOCK_BYTES)
    }

    fn want(&self, is_full: bool) -> Want {
        let is_answering = self.state.reading() == Reading::Done;
        match self.state.end() {
            Some(reason) => Want::Close(reason),
            None if self.taker == Taker::UnreadySink => Want::Hold,
            None if is_answering && (is_full || self.peer_ended) => Want::Hold,
            None => Want::Receive,
        }
    }

    /// So many bytes of a body arrived: they buy time, but never more than `rate_time`.
    fn on_body_bytes(&mut self, settings: &Settings, now: Moment, len: usize) {
        let bought = self.patience + time_for(len, settings.receive_rate_min);
        self.patience = bought.min(patience(settings, now));
    }
}

/// When a body of which nothing came for as long as may be would be too slow.
fn patience(settings: &Settings, now: Moment) -> Moment {
    if settings.receive_rate_min == 0 { Moment::NEVER } else { now + settings.rate_time }
}

/// How long so many bytes may take at so many bytes per second; 0 is no limit.
pub fn time_for(bytes: usize, rate: u32) -> Duration {
    match (bytes as u64).saturating_mul(1_000_000_000).checked_div(u64::from(rate)) {
        Some(nanos) => Duration::from_nanos(nanos),
        None => Duration::MAX,
    }
}

/// `quiet`, or sooner in a drain that began then.
#[inline]
fn hasten(quiet: Moment, since: Moment, settings: &Settings, draining: Option<Moment>) -> Moment {
    draining.map_or(quiet, |began| quiet.min(began.max(since) + settings.drain_idle_time))
}
