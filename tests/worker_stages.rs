//! A delay in one stage of a request shows in that stage and in no other: the whole worker on a
//! kernel whose clock moves only where the test says so. Knows nothing of how times are taken.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelane::api::{Board, Intake, NoBlocking};
use corelane::clock::{Clock, Moment};
use corelane::report::{Stage, Summary};
use corelane::sys::{Interest, Kernel, Readiness, Token, Wake};
use corelane::worker::{Worker, WorkerParts, mailbox};
use corelane::{Error, Handler, HandlerResult, Request, Response, Settings};

/// What is put in somewhere, and what nothing else comes near.
const DELAY_NS: u64 = 5_000_000;
const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// Where time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    BeforeTheTurn,
    Intake,
    Handler,
    Send,
}

/// What kernel and application share.
#[derive(Debug, Default)]
struct Scene {
    now: Cell<u64>,
    delay: Cell<Place>,
    /// Connections that wait to be accepted, by their number.
    queue: RefCell<VecDeque<usize>>,
    tokens: RefCell<Vec<Token>>,
    /// What each turn sees.
    turns: RefCell<VecDeque<Vec<Token>>>,
    sent: Cell<usize>,
    /// What the worker did, in its order: 'r'eceived, had 'h'andled, 's'ent.
    done: RefCell<String>,
}

impl Scene {
    fn passes(&self, place: Place) {
        let nanos = if self.delay.get() == place { DELAY_NS } else { 10 };
        self.now.set(self.now.get() + nanos);
    }
}

struct Scripted(Rc<Scene>);

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

impl Kernel for Scripted {
    type Stream = usize;

    fn now(&mut self) -> Moment {
        Moment::from_nanos(self.0.now.get())
    }

    fn unix_seconds(&mut self) -> u64 {
        0
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, _: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let tokens = self.0.turns.borrow_mut().pop_front().unwrap_or_default();
        ready.extend(tokens.into_iter().map(|token| Readiness {
            token,
            receive: true,
            send: false,
            broken: false,
        }));
        Ok(())
    }

    fn listeners(&self) -> usize {
        1
    }

    fn listen(&mut self, _: usize, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn close_listeners(&mut self) {}

    fn accept(&mut self, _: usize) -> io::Result<(usize, SocketAddr)> {
        let next = self.0.queue.borrow_mut().pop_front();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        next.map(|number| (number, peer)).ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn add(&mut self, _: &usize, token: Token, _: Interest) -> io::Result<()> {
        self.0.tokens.borrow_mut().push(token);
        Ok(())
    }

    fn change(&mut self, _: &usize, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, _: &usize, space: &mut [u8]) -> io::Result<usize> {
        self.0.done.borrow_mut().push('r');
        space[..REQUEST.len()].copy_from_slice(REQUEST);
        Ok(REQUEST.len())
    }

    fn receive_stamped(
        &mut self,
        stream: &usize,
        space: &mut [u8],
    ) -> io::Result<(usize, Option<Duration>)> {
        let is_late = self.0.delay.get() == Place::BeforeTheTurn;
        let before = if is_late { DELAY_NS } else { 0 };
        // All the time that passes within a turn passes after the bytes came, too.
        let ago = Duration::from_nanos(before + self.0.now.get());
        self.receive(stream, space).map(|len| (len, Some(ago)))
    }

    fn received_ago(&self, _: &usize) -> Option<Duration> {
        None
    }

    fn send(&mut self, _: &usize, segments: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.passes(Place::Send);
        self.0.done.borrow_mut().push('s');
        self.0.sent.set(self.0.sent.get() + 1);
        Ok(segments.iter().map(|segment| segment.len()).sum())
    }

    fn send_file(
        &mut self,
        _: &usize,
        _: &[IoSlice<'_>],
        _: BorrowedFd<'_>,
        _: u64,
        _: usize,
    ) -> io::Result<usize> {
        unreachable!("there are no files here")
    }

    fn finish_sending(&mut self, _: &usize) {}

    fn reset_at_close(&mut self, _: &usize) {}

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Nobody)
    }

    fn acknowledge_wake(&mut self) {}
}

struct Application(Rc<Scene>);

impl Handler for Application {
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        self.0.passes(Place::Handler);
        self.0.done.borrow_mut().push('h');
        response.bytes(request.body())
    }

    fn has_sinks(&self) -> bool {
        true
    }

    fn intake(&mut self, _: &Request<'_>) -> Result<Intake, Error> {
        self.0.passes(Place::Intake);
        Ok(Intake::Whole)
    }
}

fn worker(scene: &Rc<Scene>, sampling: u32) -> Worker<Scripted, Application> {
    let kernel = Scripted(Rc::clone(scene));
    let (_, mailbox) = mailbox(kernel.waker());
    let mut settings = Settings::default();
    settings.stage_sampling = sampling;
    settings.overload_delay = None;
    let parts = WorkerParts {
        index: 0,
        settings,
        connections_max: 8,
        board: Arc::new(Board::new(Clock::new(), 1)),
        memory_max: 1 << 20,
        blocking: Arc::new(NoBlocking),
    };
    Worker::new(kernel, Application(Rc::clone(scene)), parts, mailbox)
}

/// The stages in which a delay shows of `connections` that are ready in the same turn, and how
/// many times of each were recorded.
fn delayed(place: Place, connections: usize, sampling: u32) -> (Vec<Stage>, [u64; 5]) {
    let scene = Rc::new(Scene::default());
    let mut worker = worker(&scene, sampling);
    scene.queue.borrow_mut().extend(0..connections);
    scene.turns.borrow_mut().push_back(vec![Token::listener(0)]);
    worker.turn().unwrap();
    // The clock of a turn's laps begins with the turn.
    scene.now.set(0);
    scene.delay.set(place);
    scene.turns.borrow_mut().push_back(scene.tokens.borrow().clone());
    worker.turn().unwrap();
    assert_eq!(scene.sent.get(), connections, "each is answered");
    let latencies = &worker.stats().latencies;
    let summary = |stage: &Stage| Summary::of(&latencies.stage(*stage));
    let is_long = |stage: &Stage| summary(stage).is_some_and(|times| times.max_ns >= DELAY_NS);
    let counts = Stage::ALL.map(|stage| latencies.stage(stage).len());
    (Stage::ALL.into_iter().filter(is_long).collect(), counts)
}

#[test]
fn without_a_delay_no_stage_is_long_and_each_was_recorded() {
    assert_eq!(delayed(Place::Nowhere, 1, 1), (vec![], [1; 5]));
    assert_eq!(delayed(Place::Nowhere, 3, 1), (vec![], [3; 5]));
}

#[test]
fn time_before_the_turn_is_the_kernels_queue() {
    assert_eq!(delayed(Place::BeforeTheTurn, 1, 1).0, [Stage::KernelQueue]);
}

#[test]
fn time_before_the_handler_is_parsing() {
    assert_eq!(delayed(Place::Intake, 1, 1).0, [Stage::Parse]);
}

#[test]
fn time_in_the_handler_is_the_handlers() {
    assert_eq!(delayed(Place::Handler, 1, 1).0, [Stage::Handler]);
}

#[test]
fn time_in_the_send_call_is_writing() {
    assert_eq!(delayed(Place::Send, 1, 1).0, [Stage::Write]);
}

#[test]
fn time_of_another_connection_of_the_turn_is_loop_wait() {
    let (stages, _) = delayed(Place::Handler, 2, 1);
    assert_eq!(stages, [Stage::LoopWait, Stage::Handler]);
    let (stages, _) = delayed(Place::Send, 2, 1);
    assert_eq!(stages, [Stage::LoopWait, Stage::Write]);
}

#[test]
fn loop_wait_is_always_recorded_and_the_others_only_of_a_sample() {
    assert_eq!(delayed(Place::Handler, 2, 0), (vec![Stage::LoopWait], [0, 2, 0, 0, 0]));
}

/// What the worker does in each of so many turns in which two connections are ready, while each
/// request takes its time at `place`.
fn order(place: Place, turns: usize) -> Vec<String> {
    let scene = Rc::new(Scene::default());
    let mut worker = worker(&scene, 0);
    scene.queue.borrow_mut().extend(0..2);
    scene.turns.borrow_mut().push_back(vec![Token::listener(0)]);
    worker.turn().unwrap();
    scene.delay.set(place);
    let turn = |_| {
        scene.turns.borrow_mut().push_back(scene.tokens.borrow().clone());
        worker.turn().unwrap();
        scene.done.take()
    };
    (0..turns).map(turn).collect()
}

#[test]
fn connections_are_served_stage_by_stage_once_answering_has_shown_to_be_short() {
    assert_eq!(order(Place::Nowhere, 3), ["rhsrhs", "rrhhss", "rrhhss"]);
}

#[test]
fn no_answer_waits_for_a_long_handler_of_another_connection() {
    assert_eq!(order(Place::Handler, 2), ["rhsrhs", "rhsrhs"]);
}
