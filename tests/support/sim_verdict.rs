//! What a connection must have come to, judged from what its client sent and received.
//! Knows nothing of how it came to it.

use std::time::Duration;

use corelane::proto::CloseReason;

use crate::response_reader::{Answer, read_answer};
use crate::sim_client::{Expected, Item, pattern};
use crate::sim_elsewhere::{Awaits, Client, lock};
use crate::sim_pipe::{Abrupt, Pipe, Place};
use crate::sim_world::World;

/// What a connection came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// Whether its last answer was a refusal.
    pub(crate) is_refused: bool,
    /// Its answers from elsewhere: those dropped, late, and given in time.
    pub(crate) dropped: u64,
    pub(crate) late: u64,
    pub(crate) given: u64,
    /// Its requests that were turned away.
    pub(crate) shed: u64,
    /// Whether its body, or a head, came too slowly, and whether by its rate.
    pub(crate) slow_bodies: u64,
    pub(crate) slow_heads: u64,
    pub(crate) by_rate: u64,
    /// Whether the connection ended because its sink did not go on.
    pub(crate) is_given_up: bool,
    /// The reason that must have been counted, where what was sent tells it.
    pub(crate) reason: Option<CloseReason>,
}

/// How one answer fits its request.
enum Fit {
    /// It is what the application must answer, or must be refused.
    Scripted,
    /// The request did not come whole: too slow, or ended within, or too much.
    Unfinished,
    /// A sink did not take its body in time.
    GivenUp,
}

/// Reads everything the worker sent on `pipe` and compares it with what it had to.
pub(crate) fn judge_pipe(pipe: &Pipe, client: usize, world: &World) -> Result<Verdict, String> {
    match pipe.place {
        Place::Closed => {}
        // Told to stop, the worker leaves alone who was not yet accepted.
        Place::Nowhere | Place::Queued if world.is_stopped || world.drain.is_some() => {
            return Ok(Verdict::default());
        }
        place => return Err(format!("it is {place:?} at the end")),
    }
    match pipe.abrupt {
        Some(Abrupt::TurnedAway) => return judge_turned_away(pipe).map(|()| Verdict::default()),
        Some(Abrupt::Preface) if !pipe.taken.is_empty() || world.handled[client] > 0 => {
            return Err("it was served without a header".to_owned());
        }
        _ => {}
    }
    let items = &pipe.script.items;
    let (mut at, mut answered, mut verdict) = (0, 0, Verdict::default());
    let (mut continued, mut ended) = (false, false);
    while at < pipe.taken.len() {
        let Some(item) = items.get(answered) else {
            return Err("more answers than requests".to_owned());
        };
        let read = read_answer(&pipe.taken[at..], |status| is_bodiless(item, status))?;
        let is_cut = pipe.abrupt.is_some() || lock(&world.elsewhere).clients[client].is_cut;
        let is_whole = |answer: &Answer<'_>| answer.is_whole && !(answer.is_until_close && is_cut);
        let Some(answer) = read.filter(is_whole) else {
            return judge_cut(pipe, client, answered, item, at, is_cut).map(|()| verdict);
        };
        if ended {
            return Err("an answer after the last".to_owned());
        }
        at += answer.len;
        if answer.is_interim() {
            if answer.status != 100 || !item.expects_continue || continued {
                return Err(format!("an interim answer to request {answered}"));
            }
            continued = true;
            continue;
        }
        continued = false;
        match judge_answer(pipe, client, answered, item, &answer, world)? {
            Fit::Scripted => {
                ended = answer.closes;
                verdict.is_refused = matches!(item.expected, Expected::Refused(_));
                verdict.count(item, answer.status);
                judge_persistence(item, answered, &answer, pipe, world)?;
                answered += 1;
                if item.last.is_some() && !ended {
                    // Answered, then panicked: the connection ends without a word.
                    break;
                }
            }
            Fit::Unfinished => {
                (ended, verdict.is_refused) = (true, true);
                verdict.count_slow(pipe, client, answer.status, world);
            }
            Fit::GivenUp => (ended, verdict.is_given_up) = (true, true),
        }
    }
    if at < pipe.taken.len() {
        return Err("bytes after the last answer".to_owned());
    }
    judge_end(pipe, client, world, answered, ended)?;
    let last = items[..answered].last().and_then(|item| item.last);
    if !(verdict.is_given_up || is_unsure(client, world, answered, last)) {
        verdict.reason = reason(pipe, world, ended, verdict.is_refused, last);
    }
    Ok(verdict)
}

/// Whether a connection may have ended for one reason or another.
fn is_unsure(client: usize, world: &World, answered: usize, last: Option<CloseReason>) -> bool {
    let is_last_of_many = answered >= world.settings.requests_max as usize;
    let is_cut = lock(&world.elsewhere).clients[client].is_cut;
    is_cut || (is_last_of_many && last == Some(CloseReason::ByRequest))
}

/// What waited too long is told to come back, by nobody in particular.
fn judge_shed(number: usize, answer: &Answer<'_>) -> Result<Fit, String> {
    let is_bare = answer.body.is_empty() && answer.number.is_none();
    if answer.status != 503 || answer.retry_after != Some("1") || !is_bare {
        return Err(format!("request {number} was turned away and answered {}", answer.status));
    }
    Ok(Fit::Scripted)
}

/// There was no room for it: it may have been told so, and nothing else.
fn judge_turned_away(pipe: &Pipe) -> Result<(), String> {
    let said = read_answer(&pipe.taken, |_| false)?;
    if said.is_some_and(|answer| answer.status != 503 || !answer.closes) {
        return Err("it was turned away with another answer".to_owned());
    }
    Ok(())
}

/// Why a connection ended whose answers all came whole.
fn reason(
    pipe: &Pipe,
    world: &World,
    ended: bool,
    is_refused: bool,
    last: Option<CloseReason>,
) -> Option<CloseReason> {
    // A drain may have been the first to say that the answer is the last.
    let is_within_preface = pipe.read < pipe.script.preface;
    if pipe.abrupt.is_some() || is_within_preface || (world.drain.is_some() && !is_refused) {
        return None;
    }
    let quiet = match (pipe.end_told, pipe.taken.is_empty()) {
        (true, _) => CloseReason::PeerClosed,
        (false, true) => CloseReason::NothingReceived,
        (false, false) => CloseReason::IdleTimeout,
    };
    match (is_refused, last) {
        (true, _) => Some(CloseReason::Refused),
        // Its age may have come before any other reason.
        _ if pipe.closed_at >= pipe.may_expire_at(&world.settings) => None,
        (false, Some(last)) => Some(last),
        // Whether its time or its peer ended it before it lingered is not told.
        (false, None) if ended || pipe.finished_at.is_some() => None,
        (false, None) => Some(quiet),
    }
}

fn judge_answer(
    pipe: &Pipe,
    client: usize,
    number: usize,
    item: &Item,
    answer: &Answer<'_>,
    world: &World,
) -> Result<Fit, String> {
    if item.is_shed {
        return judge_shed(number, answer);
    }
    let settings = &world.settings;
    let elsewhere = lock(&world.elsewhere);
    let state = &elsewhere.clients[client];
    let is_whole = pipe.read_to_serve() >= item.end;
    if answer.status == 504 {
        return judge_late(pipe, number, item, answer, (state, world.load.mail_delay()));
    }
    if item.promised.is_some_and(|(_, given)| given.is_none()) {
        return Err(format!("request {number} is answered before its promise was kept"));
    }
    if answer.status == 503 && answer.closes && settings.memory_max.is_some() {
        if is_whole && !item.has_sink {
            return Err(format!("request {number} is whole and there was no memory for it"));
        }
        return Ok(Fit::Unfinished);
    }
    if answer.status != item.status() {
        let is_late = answer.status == 408;
        let is_ended = answer.status == 400 && pipe.end_told;
        if !(is_late || is_ended) || !answer.closes {
            return Err(format!("request {number} is answered {}", answer.status));
        }
        // Refused requests may go wrong before their end, others are refused only if incomplete.
        if is_whole && !matches!(item.expected, Expected::Refused(_)) {
            return Err(format!("request {number} is whole and answered {}", answer.status));
        }
        if is_late && let Some(fault) = pipe.timeout_fault(settings, state) {
            return Err(fault);
        }
        return Ok(Fit::Unfinished);
    }
    match item.expected {
        Expected::Refused(_) => return Ok(Fit::Scripted),
        Expected::Echo { len } => {
            let body = if item.is_head { &[] } else { pattern(client, number, len) };
            if *answer.body != *body || answer.number != Some(number.to_string().as_str()) {
                return Err(format!("the answer to request {number} is another"));
            }
        }
        Expected::Status(status) => {
            let own = (status == 404).then(|| number.to_string());
            if answer.number != own.as_deref() {
                return Err(format!("{:?} answers request {number}", answer.number));
            }
        }
    }
    if !is_whole && !item.is_declined {
        return Err(format!("request {number} is answered before its end"));
    }
    Ok(Fit::Scripted)
}

/// What was promised or begun was given up.
fn judge_late(
    pipe: &Pipe,
    number: usize,
    item: &Item,
    answer: &Answer<'_>,
    (state, delay): (&Client, Duration),
) -> Result<Fit, String> {
    if let Some((until, given)) = item.promised {
        // Mail is read before deadlines are, but not always in the turn after it was sent.
        if given.is_some_and(|given| given + delay < until) {
            return Err(format!("the answer to request {number} is given up though it was given"));
        }
        return Ok(Fit::Scripted);
    }
    let ended = pipe.finished_at.unwrap_or(pipe.closed_at);
    if state.awaits != Awaits::Sink || ended < state.since + state.time || !answer.closes {
        return Err(format!("request {number} is given up"));
    }
    Ok(Fit::GivenUp)
}

impl Verdict {
    pub(crate) fn add(&mut self, other: &Verdict) {
        self.dropped += other.dropped;
        self.late += other.late;
        self.given += other.given;
        self.shed += other.shed;
        self.slow_bodies += other.slow_bodies;
        self.slow_heads += other.slow_heads;
        self.by_rate += other.by_rate;
    }

    fn count_slow(&mut self, pipe: &Pipe, client: usize, status: u16, world: &World) {
        if status != 408 {
            return;
        }
        let state = &lock(&world.elsewhere).clients[client];
        self.slow_bodies += u64::from(pipe.is_within_body());
        self.slow_heads += u64::from(!pipe.is_within_body());
        self.by_rate += u64::from(pipe.is_slow_body(&world.settings, state));
    }

    fn count(&mut self, item: &Item, status: u16) {
        self.shed += u64::from(item.is_shed);
        if item.promised.is_none() {
            return;
        }
        match status {
            500 => self.dropped += 1,
            504 => self.late += 1,
            _ => self.given += 1,
        }
    }
}

/// Whether an answer with this status to this request has no body, whatever its length.
fn is_bodiless(item: &Item, status: u16) -> bool {
    item.is_head && (status == item.status() || (status == 504 && item.promised.is_some()))
}

fn judge_persistence(
    item: &Item,
    number: usize,
    answer: &Answer<'_>,
    pipe: &Pipe,
    world: &World,
) -> Result<(), String> {
    let is_drained = world.drain.is_some_and(|began| pipe.last_taken_at >= began);
    let handled_at = pipe.handled_at.get(number).copied().unwrap_or_default();
    let may_be_old = handled_at >= pipe.may_expire_at(&world.settings);
    let is_old = handled_at >= pipe.accepted_at + world.settings.lifetime_max;
    if is_old && !answer.closes {
        return Err(format!("the answer to request {number} is too late not to close"));
    }
    if answer.closes != item.says_close && !(answer.closes && (is_drained || may_be_old)) {
        return Err(format!("closes: {}, asked for {:?}", answer.closes, item.last));
    }
    if answer.keeps_alive != (item.is_http10 && !answer.closes) {
        return Err("keep-alive is for clients of HTTP/1.0".to_owned());
    }
    Ok(())
}

/// The stream ends within an answer: what there is of it must be right, and its end have a cause.
fn judge_cut(
    pipe: &Pipe,
    client: usize,
    number: usize,
    item: &Item,
    at: usize,
    is_cut: bool,
) -> Result<(), String> {
    if !is_cut {
        return Err(format!("the answer to request {number} is cut without a cause"));
    }
    let rest = &pipe.taken[at..];
    let answer = read_answer(rest, |status| is_bodiless(item, status))?;
    let (Some(answer), Expected::Echo { len }) = (answer, item.expected) else { return Ok(()) };
    if answer.status == 200 && !pattern(client, number, len).starts_with(&answer.body) {
        return Err(format!("the answer to request {number} begins as another"));
    }
    Ok(())
}

/// What must hold of a connection whose answers all came whole.
fn judge_end(
    pipe: &Pipe,
    client: usize,
    world: &World,
    answered: usize,
    ended: bool,
) -> Result<(), String> {
    if pipe.abrupt.is_some() {
        return Ok(());
    }
    let items = &pipe.script.items[..answered];
    let by_application =
        items.iter().filter(|item| !item.is_declined && !item.is_refused()).count();
    if by_application != world.handled[client] {
        let handled = world.handled[client];
        return Err(format!("{handled} requests were handled and {by_application} answered"));
    }
    if ended || items.last().is_some_and(|item| item.last.is_some()) {
        return Ok(());
    }
    // A source may fail behind its last byte.
    if lock(&world.elsewhere).clients[client].is_cut {
        return Ok(());
    }
    // A stream whose head was sent cannot say that a drain has made it the last.
    if world.drain.is_some() && items.last().is_some_and(|item| item.is_streamed) {
        return Ok(());
    }
    let unanswered = pipe.script.items.get(answered);
    match unanswered.filter(|item| item.end <= pipe.read_to_serve()) {
        Some(_) => Err(format!("request {answered} was read and not answered")),
        None if unanswered.is_some_and(|item| item.start + 2 < pipe.read_to_serve()) => {
            Err(format!("request {answered} was begun and neither answered nor refused"))
        }
        None => Ok(()),
    }
}
