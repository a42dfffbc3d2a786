//! The HTTP/1 machine in memory where answers are promised or streamed and bodies taken in
//! pieces: what it wants, when it is due, and what it does with what comes too late.

#[path = "support/machine.rs"]
mod machine;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use corelane::api::{Delivery, Intake};
use corelane::clock::Moment;
use corelane::limits::{BLOCK_BYTES, GATHER_BYTES};
use corelane::proto::{CloseReason, Want};
use corelane::wire::refusal::Refusal;
use corelane::{
    Error, Handler, HandlerResult, Later, Piece, Pull, Reply, Request, Response, Settings, Sink,
    Taken,
};

use machine::Machine;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.rate_time = Duration::from_secs(4);
    settings.receive_rate_min = 100;
    settings.later_time = Duration::from_secs(30);
    settings
}

/// Promises every answer and leaves the rights to give them where the test finds them.
fn promising() -> (Machine<impl Handler>, Rc<RefCell<Vec<Later>>>) {
    let promised = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&promised);
    let handler = move |_: &Request<'_>, response: Response<'_>| {
        response.later(|later| kept.borrow_mut().push(later))
    };
    (Machine::new(settings(), handler), promised)
}

fn due_in<H: Handler>(machine: &Machine<H>) -> Duration {
    machine.protocol.deadline(&machine.settings, None) - machine.now
}

#[test]
fn while_an_answer_is_awaited_the_next_requests_are_received_up_to_a_block_and_not_handled() {
    let (mut machine, promised) = promising();
    assert_eq!(machine.feed(GET), Want::Receive);
    assert_eq!(due_in(&machine), machine.settings.later_time);
    let many = GET.repeat(BLOCK_BYTES / GET.len() + 1);
    let (len, want) = machine.receive(&many);
    assert_eq!((len, want), (BLOCK_BYTES, Want::Hold));
    assert_eq!((promised.borrow().len(), machine.sent.len()), (1, 0));
    promised.borrow_mut().pop().unwrap().answer(Reply::text("first"));
    assert_eq!(machine.come_home(), Some(Want::Receive), "the second made room");
    assert_eq!(promised.borrow().len(), 1);
    assert!(machine.sent.ends_with(b"first"));
}

#[test]
fn only_the_awaited_answer_is_taken_and_every_other_is_counted() {
    let (mut machine, promised) = promising();
    machine.feed(GET);
    machine.delivered(7, Delivery::Reply(Reply::text("to another request")));
    assert_eq!((machine.sent.len(), machine.tally.later_unwanted), (0, 1));
    promised.borrow_mut().pop().unwrap().answer(Reply::text("right"));
    machine.come_home();
    machine.delivered(1, Delivery::Reply(Reply::text("once more")));
    assert!(machine.sent.ends_with(b"right"));
    assert_eq!((machine.tally.later_unwanted, machine.tally.requests), (2, 1));
}

#[test]
fn an_answer_too_late_is_504_and_dropped_when_it_comes() {
    let (mut machine, promised) = promising();
    machine.feed(GET);
    machine.now = machine.now + machine.settings.later_time;
    assert_eq!(machine.deadline_reached(), Want::Receive, "the connection lives on");
    assert!(machine.sent.starts_with(b"HTTP/1.1 504 "));
    let later = promised.borrow_mut().pop().unwrap();
    assert!(later.is_client_gone());
    later.answer(Reply::text("late"));
    machine.come_home();
    assert_eq!((machine.tally.later_expired, machine.tally.later_unwanted), (1, 1));
    assert_eq!(due_in(&machine), machine.settings.idle_time);
}

#[test]
fn a_peer_that_ended_is_not_listened_to_until_its_answer_is_given() {
    let (mut machine, promised) = promising();
    machine.feed(&[GET, GET].concat());
    assert_eq!(machine.peer_closed(), Want::Hold);
    assert!(promised.borrow()[0].has_client_ended());
    for _ in 0..2 {
        promised.borrow_mut().remove(0).answer(Reply::empty());
        machine.come_home();
    }
    assert_eq!(machine.peer_closed(), Want::Close(CloseReason::PeerClosed));
    assert_eq!(machine.tally.requests, 2);
}

#[test]
fn a_connection_that_breaks_tells_the_holder_of_its_promise() {
    let (mut machine, promised) = promising();
    machine.feed(GET);
    assert_eq!(machine.failed(), Want::Close(CloseReason::Failed));
    assert!(promised.borrow()[0].is_client_gone());
}

#[test]
fn a_drain_makes_the_awaited_answer_the_last() {
    let (mut machine, promised) = promising();
    machine.feed(GET);
    machine.protocol.on_drain();
    promised.borrow_mut().pop().unwrap().answer(Reply::text("bye"));
    assert_eq!(machine.come_home(), Some(Want::Close(CloseReason::Drained)));
    let sent = String::from_utf8_lossy(&machine.sent);
    assert!(sent.contains("Connection: close\r\n"), "{sent}");
}

#[test]
fn a_handler_that_promises_and_panics_answers_500_and_the_promise_is_void() {
    let kept = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&kept);
    let mut machine = Machine::new(settings(), move |_: &Request<'_>, response: Response<'_>| {
        let _ = response.later(|later| *slot.borrow_mut() = Some(later));
        panic!("scripted")
    });
    assert_eq!(machine.feed(GET), Want::Close(CloseReason::Panicked));
    assert!(machine.sent.starts_with(b"HTTP/1.1 500 "));
    let later = kept.borrow_mut().take().unwrap();
    assert!(later.is_client_gone());
}

#[test]
fn a_source_is_asked_for_no_more_than_is_gathered_in_one_turn() {
    let mut machine = Machine::new(settings(), |_: &Request<'_>, response: Response<'_>| {
        let mut pieces = 0;
        response.stream(move |piece: &mut Piece<'_>| {
            piece.push(&vec![b'x'; piece.room()]);
            pieces += 1;
            Ok(if pieces == 10 { Pull::Done } else { Pull::More })
        })
    });
    let (_, mut want) = machine.receive(GET);
    let mut turns = 1;
    while want == Want::Again {
        let before = machine.sent.len();
        want = machine.again();
        turns += 1;
        assert!(machine.sent.len() - before <= GATHER_BYTES + GATHER_BYTES / 2);
    }
    assert_eq!((want, turns), (Want::Receive, 5));
    assert!(machine.sent.ends_with(b"\r\n0\r\n\r\n"));
    assert_eq!(machine.tally.requests, 1);
}

#[test]
fn a_source_that_waits_too_long_is_cut_and_its_answer_stays_incomplete() {
    let mut machine = Machine::new(settings(), |_: &Request<'_>, response: Response<'_>| {
        response.stream(|_: &mut Piece<'_>| Ok(Pull::Wait))
    });
    assert_eq!(machine.feed(GET), Want::Receive);
    assert_eq!(due_in(&machine), machine.settings.later_time);
    machine.now = machine.now + machine.settings.later_time;
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::AnswerTimeout));
    assert!(!machine.sent.ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_source_that_was_woken_has_no_deadline_while_it_has_something() {
    let mut machine = Machine::new(settings(), |request: &Request<'_>, response: Response<'_>| {
        let (mut asked, waker) = (0, request.waker());
        response.stream(move |piece: &mut Piece<'_>| {
            asked += 1;
            if asked == 1 {
                waker.wake();
                return Ok(Pull::Wait);
            }
            piece.push(&vec![b'x'; piece.room()]);
            Ok(if asked == 9 { Pull::Done } else { Pull::More })
        })
    });
    machine.feed(GET);
    assert_eq!(due_in(&machine), machine.settings.later_time);
    assert_eq!(machine.come_home(), Some(Want::Again));
    assert_eq!(machine.protocol.deadline(&machine.settings, None), Moment::NEVER);
    while machine.again() == Want::Again {}
    assert!(machine.sent.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_wake_is_nothing_to_a_promise() {
    let (mut machine, promised) = promising();
    machine.feed(GET);
    let due = due_in(&machine);
    assert_eq!((machine.woken(), due_in(&machine)), (Want::Receive, due));
    promised.borrow_mut().pop().unwrap().answer(Reply::empty());
    assert_eq!(machine.come_home(), Some(Want::Receive));
    assert_eq!(machine.tally.requests, 1);
}

/// Takes so many bytes and then is not ready for more.
struct Limited {
    room: usize,
    taken: usize,
}

impl Sink for Limited {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        let len = bytes.len().min(self.room);
        self.taken += len;
        self.room -= len;
        Ok(if len == bytes.len() { Taken::All } else { Taken::Part(len) })
    }

    fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text(self.taken.to_string())
    }
}

struct Taking {
    room: usize,
}

impl Handler for Taking {
    fn handle(&mut self, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text("without a body")
    }

    fn has_sinks(&self) -> bool {
        true
    }

    fn intake(&mut self, request: &Request<'_>) -> Result<Intake, Error> {
        assert!(request.path() != "/panic", "scripted");
        Ok(Intake::Stream(Box::new(Limited { room: self.room, taken: 0 })))
    }
}

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";

#[test]
fn a_sink_that_is_not_ready_is_waited_for_and_then_answered_504() {
    let mut machine = Machine::new(settings(), Taking { room: 10 });
    assert_eq!(machine.feed(POST), Want::Receive);
    assert_eq!(machine.feed(&[b'x'; 50]), Want::Hold);
    assert_eq!(due_in(&machine), machine.settings.later_time);
    machine.now = machine.now + machine.settings.later_time;
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::BodyUnread));
    assert!(machine.sent.starts_with(b"HTTP/1.1 504 "));
}

#[test]
fn bytes_of_a_body_buy_time_and_never_more_than_there_was_at_first() {
    let mut machine = Machine::new(settings(), Taking { room: 2_000 });
    machine.feed(POST);
    assert_eq!(due_in(&machine), Duration::from_secs(4));
    machine.feed(&[b'x'; 500]);
    assert_eq!(due_in(&machine), Duration::from_secs(4), "a burst buys no more");
    for _ in 0..3 {
        machine.now = machine.now + Duration::from_secs(1);
        machine.feed(&[b'x'; 50]);
    }
    assert_eq!(due_in(&machine), Duration::from_millis(2_500), "half the rate buys half the time");
    machine.now = machine.now + due_in(&machine);
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::Refused));
    assert_eq!(machine.tally.refusals[Refusal::BodyTooSlow as usize], 1);
}

#[test]
fn an_intake_that_panics_answers_500_and_closes() {
    let mut machine = Machine::new(settings(), Taking { room: 0 });
    let request = b"POST /panic HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(machine.feed(request), Want::Close(CloseReason::Panicked));
    assert!(machine.sent.starts_with(b"HTTP/1.1 500 "));
    assert_eq!(machine.tally.panics, 1);
}

#[test]
fn what_needs_more_memory_than_is_left_is_503_and_what_needs_none_is_served() {
    let echo = |request: &Request<'_>, response: Response<'_>| response.bytes(request.body());
    for part in [&GET[..10], POST, &[POST, &[b'x'; 500]].concat()] {
        let mut machine = Machine::new(settings(), echo);
        machine.memory_left = 0;
        assert_eq!(machine.feed(&[GET, part].concat()), Want::Close(CloseReason::Refused));
        assert_eq!(machine.tally.requests, 1, "the one that needs none");
        assert_eq!(machine.tally.refusals[Refusal::MemoryExhausted as usize], 1);
        let sent = String::from_utf8_lossy(&machine.sent);
        assert!(sent.contains("HTTP/1.1 503 ") && sent.contains("Retry-After: 1\r\n"), "{sent}");
    }
}

#[test]
fn the_last_of_the_requests_allowed_closes_and_so_does_the_first_after_the_lifetime() {
    let hello = |_: &Request<'_>, response: Response<'_>| response.text("hello");
    let mut few = settings();
    few.requests_max = 2;
    let mut machine = Machine::new(few, hello);
    assert_eq!(machine.feed(&GET.repeat(3)), Want::Close(CloseReason::RequestsMax));
    assert_eq!(machine.tally.requests, 2);

    let mut machine = Machine::new(settings(), hello);
    machine.feed(GET);
    machine.now = machine.now + machine.settings.lifetime_max;
    assert_eq!(machine.feed(GET), Want::Close(CloseReason::LifetimeOver));

    let mut machine = Machine::new(settings(), hello);
    machine.settings.idle_time = machine.settings.lifetime_max * 2;
    machine.feed(GET);
    let due = machine.protocol.deadline(&machine.settings, None);
    let life = machine.settings.lifetime_max + machine.settings.drain_idle_time;
    // A life ends at a step of 67 ms.
    let early = life.saturating_sub(due - Moment::from_nanos(1_000_000_000));
    assert!(early < Duration::from_millis(68), "{early:?}");
    machine.now = due;
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::LifetimeOver));
}
