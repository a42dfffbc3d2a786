//! Drives the machine of a connection over a stream of bytes that arrive in pieces. Knows the
//! machine's entry points, so that the check of a connection need not.

#[path = "../../tests/support/machine.rs"]
mod machine;

use std::cell::RefCell;
use std::rc::Rc;

use corelane::api::{Intake, Waker};
use corelane::proto::{CloseReason, Want};
use corelane::{Error, Handler, HandlerResult, Method, Request, Response, Settings, Sink};

use self::machine::Machine;
use super::application::{self, Promised};
use super::input::Pieces;

/// Wakes and answers that come home to a connection until it must be closed; far more than any
/// stream of bytes here can ask for.
const EVENTS_MAX: usize = 100_000;

/// How a stream arrives, and what happens elsewhere meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) pieces: Pieces,
    /// Promises are kept only when nothing else can happen, instead of at once.
    pub(crate) is_late: bool,
    /// The connection is woken behind each piece, for no reason.
    pub(crate) wakes: bool,
}

/// All that came of a stream.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) sent: Vec<u8>,
    /// Of each request that the application answered, whether it was HEAD.
    pub(crate) handled: Vec<bool>,
    /// Why the connection ended.
    pub(crate) end: CloseReason,
    /// Whether it ended before its peer did.
    pub(crate) ended_early: bool,
}

/// Sends `bytes` in pieces, and then the end of the stream.
pub(crate) fn run(bytes: &[u8], schedule: Schedule, settings: &Settings) -> Transcript {
    let mut driven = Driven::new(settings, schedule);
    let mut from = 0;
    let mut early = None;
    for to in schedule.pieces.ends(bytes.len()) {
        early = driven.feed(&bytes[from..to]);
        if early.is_some() {
            break;
        }
        from = to;
    }
    let end = early.unwrap_or_else(|| driven.finish());
    let Driven { machine, log, .. } = driven;
    assert_eq!((machine.tally.panics, machine.tally.later_unwanted), (0, 0));
    let handled = log.take().handled;
    let unread = u64::from(end == CloseReason::BodyUnread);
    assert_eq!(machine.tally.requests, handled.len() as u64 + unread);
    Transcript { sent: machine.sent, handled, end, ended_early: early.is_some() }
}

struct Driven {
    machine: Machine<Recorder>,
    promised: Promised,
    log: Rc<RefCell<Log>>,
    schedule: Schedule,
}

impl Driven {
    fn new(settings: &Settings, schedule: Schedule) -> Driven {
        let (promised, log) = (Promised::default(), Rc::default());
        let application = application::router(&promised);
        let recorder = Recorder { application, log: Rc::clone(&log) };
        Driven { machine: Machine::new(settings.clone(), recorder), promised, log, schedule }
    }

    /// Receives all of `bytes`, unless the end comes before.
    fn feed(&mut self, mut bytes: &[u8]) -> Option<CloseReason> {
        loop {
            let (len, want) = self.machine.receive(bytes);
            bytes = &bytes[len..];
            match self.settle(want) {
                Want::Close(reason) | Want::Drop(reason) => return Some(reason),
                want => assert_eq!(want, Want::Receive),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let waker = self.log.borrow().waker.clone().filter(|_| self.schedule.wakes)?;
        waker.wake();
        let want = self.machine.come_home()?;
        match self.settle(want) {
            Want::Close(reason) | Want::Drop(reason) => Some(reason),
            _ => None,
        }
    }

    /// Lets happen what happens elsewhere, and where that may be late, only what must happen
    /// before more is received.
    fn settle(&mut self, mut want: Want) -> Want {
        for _ in 0..EVENTS_MAX {
            want = match want {
                Want::Close(_) | Want::Drop(_) => return want,
                Want::Again => self.machine.again(),
                Want::Receive if self.schedule.is_late => return want,
                Want::Receive | Want::Hold => match self.come_home() {
                    Some(want) => want,
                    None => return want,
                },
            };
        }
        panic!("{want:?} after {EVENTS_MAX} events");
    }

    /// The next parcel; if there is none, of a promise that is kept now.
    fn come_home(&mut self) -> Option<Want> {
        self.machine.come_home().or_else(|| {
            self.promised.keep_next();
            self.machine.come_home()
        })
    }

    /// The peer ends its side, and is listened to again when its answers are given.
    fn finish(&mut self) -> CloseReason {
        self.schedule.is_late = false;
        for _ in 0..EVENTS_MAX {
            let want = self.machine.peer_closed();
            if let Want::Close(reason) | Want::Drop(reason) = self.settle(want) {
                return reason;
            }
        }
        panic!("no end behind the end of the stream");
    }
}

/// What the application was asked.
#[derive(Default)]
struct Log {
    handled: Vec<bool>,
    waker: Option<Waker>,
}

/// The application, and a log of its requests.
struct Recorder {
    application: corelane::Router,
    log: Rc<RefCell<Log>>,
}

impl Recorder {
    fn note(&self, request: &Request<'_>) {
        let mut log = self.log.borrow_mut();
        log.handled.push(request.method() == Method::Head);
        log.waker.get_or_insert_with(|| request.waker());
    }
}

impl Handler for Recorder {
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        self.note(request);
        self.application.handle(request, response)
    }

    fn has_sinks(&self) -> bool {
        self.application.has_sinks()
    }

    fn intake(&mut self, request: &Request<'_>) -> Result<Intake, Error> {
        self.application.intake(request)
    }

    fn finish(
        &mut self,
        sink: Box<dyn Sink>,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        self.note(request);
        self.application.finish(sink, request, response)
    }

    fn check(&self) -> Result<(), String> {
        self.application.check()
    }

    fn routes(&self) -> Vec<String> {
        self.application.routes()
    }
}
