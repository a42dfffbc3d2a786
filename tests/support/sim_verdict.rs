//! What a connection must have come to, judged from what its client sent and received.
//! Knows nothing of how it came to it.

use corelane::Settings;
use corelane::proto::CloseReason;

use crate::response_reader::{Answer, read_answer};
use crate::sim_client::{Expected, Item, pattern};
use crate::sim_pipe::{Abrupt, Pipe, Place};
use crate::sim_world::World;

/// What a connection came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// Whether its last answer was a refusal.
    pub(crate) is_refused: bool,
    /// The reason that must have been counted, where what was sent tells it.
    pub(crate) reason: Option<CloseReason>,
}

/// How one answer fits its request.
enum Fit {
    /// It is what the application must answer, or must be refused.
    Scripted,
    /// The request did not come whole: too slow, or ended within.
    Unfinished,
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
        let is_bodiless = |status| item.is_head && status == item.status();
        let read = read_answer(&pipe.taken[at..], is_bodiless)?;
        let Some(answer) = read.filter(|answer| answer.is_whole) else {
            return judge_cut(pipe, client, answered, item, at).map(|()| verdict);
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
        match judge_answer(pipe, client, answered, item, &answer, &world.settings)? {
            Fit::Scripted => {
                ended = answer.closes;
                verdict.is_refused = matches!(item.expected, Expected::Refused(_));
                judge_persistence(item, &answer, pipe, world)?;
                answered += 1;
                if item.last.is_some() && !ended {
                    // Answered, then panicked: the connection ends without a word.
                    break;
                }
            }
            Fit::Unfinished => (ended, verdict.is_refused) = (true, true),
        }
    }
    if at < pipe.taken.len() {
        return Err("bytes after the last answer".to_owned());
    }
    judge_end(pipe, client, world, answered, ended)?;
    let last = items[..answered].last().and_then(|item| item.last);
    verdict.reason = reason(pipe, world, ended, verdict.is_refused, last);
    Ok(verdict)
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
    settings: &Settings,
) -> Result<Fit, String> {
    let is_whole = pipe.read_to_serve() >= item.end;
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
        if is_late && let Some(fault) = pipe.timeout_fault(settings) {
            return Err(fault);
        }
        return Ok(Fit::Unfinished);
    }
    match item.expected {
        Expected::Refused(_) => return Ok(Fit::Scripted),
        Expected::Echo { len } => {
            let body = if item.is_head { &[] } else { pattern(client, number, len) };
            if answer.body != body || answer.number != Some(number.to_string().as_str()) {
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
    if !is_whole {
        return Err(format!("request {number} is answered before its end"));
    }
    Ok(Fit::Scripted)
}

fn judge_persistence(
    item: &Item,
    answer: &Answer<'_>,
    pipe: &Pipe,
    world: &World,
) -> Result<(), String> {
    let is_drained = world.drain.is_some_and(|began| pipe.last_taken_at >= began);
    if answer.closes != item.says_close && !(answer.closes && is_drained) {
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
) -> Result<(), String> {
    if pipe.abrupt.is_none() {
        return Err(format!("the answer to request {number} is cut without a cause"));
    }
    let rest = &pipe.taken[at..];
    let answer = read_answer(rest, |status| item.is_head && status == item.status())?;
    let (Some(answer), Expected::Echo { len }) = (answer, item.expected) else { return Ok(()) };
    if answer.status == 200 && !pattern(client, number, len).starts_with(answer.body) {
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
        items.iter().filter(|item| !matches!(item.expected, Expected::Refused(_))).count();
    if by_application != world.handled[client] {
        let handled = world.handled[client];
        return Err(format!("{handled} requests were handled and {by_application} answered"));
    }
    if ended || items.last().is_some_and(|item| item.last.is_some()) {
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
