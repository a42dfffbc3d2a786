//! The simulated application: does what each request tells it, by any of the ways there are, and
//! checks that it is asked what its clients sent. Knows no worker.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelane::api::{Intake, Waker};
use corelane::proto::CloseReason;
use corelane::{Bytes, Error, Handler, HandlerResult, Request, Responded, Response, Sink, Taken};

use crate::sim_client::{Expected, Mode, pattern};
use crate::sim_elsewhere::{Awaits, Deed, Promise, SimSource, Work, lock};
use crate::sim_kernel::client_of;
use crate::sim_world::World;

/// The payload of the panics the application is told to have.
pub(crate) const SCRIPTED: &str = "a scripted panic";

/// Every mode, by its letter.
const MODES: [Mode; 8] = [
    Mode::Answer,
    Mode::AnswerThenFail,
    Mode::AnswerThenPanic,
    Mode::Close,
    Mode::Fail,
    Mode::Large,
    Mode::Panic,
    Mode::WrongProof,
];

/// What a request asks for.
#[derive(Clone, Copy)]
struct Asked {
    number: usize,
    mode: Mode,
    answer_len: usize,
}

/// By which way a request is answered.
#[derive(Clone, Copy)]
enum Way {
    Plain,
    Promise,
    Stream,
    StreamExact,
}

pub(crate) struct Application {
    world: Rc<RefCell<World>>,
    proof: Option<Responded>,
}

impl Application {
    pub(crate) fn new(world: &Rc<RefCell<World>>) -> Application {
        Application { world: Rc::clone(world), proof: None }
    }

    fn answer(
        &mut self,
        request: &Request<'_>,
        response: Response<'_>,
        body: &[u8],
    ) -> HandlerResult {
        let asked = match read_request(request, body, &self.world) {
            Ok(asked) => asked,
            Err(fault) => {
                self.world.borrow_mut().note(fault);
                return Err(Error::bad_request("not a scripted request"));
            }
        };
        let text = asked.number.to_string();
        let body = pattern(client_of(request.peer()), asked.number, asked.answer_len);
        match asked.mode {
            Mode::Answer | Mode::Large => self.answer_well(request, response, asked, body),
            Mode::AnswerThenFail => {
                self.proof = response.header("X-Number", &text).bytes(body).ok();
                Err(Error::not_found("answered before"))
            }
            Mode::AnswerThenPanic => {
                self.proof = response.header("X-Number", &text).bytes(body).ok();
                std::panic::panic_any(SCRIPTED)
            }
            Mode::Close => response.header("X-Number", &text).close().bytes(body),
            Mode::Fail => Err(Error::not_found("scripted").with_header("X-Number", text)),
            Mode::Panic => {
                let _unanswered = response.header("X-Odd", "1");
                std::panic::panic_any(SCRIPTED)
            }
            Mode::WrongProof => {
                let _unanswered = response.header("X-Odd", "1");
                self.proof.take().map_or_else(|| Err(Error::internal("scripted")), Ok)
            }
        }
    }

    fn answer_well(
        &self,
        request: &Request<'_>,
        response: Response<'_>,
        asked: Asked,
        body: &'static [u8],
    ) -> HandlerResult {
        let client = client_of(request.peer());
        let text = asked.number.to_string();
        let shared = Arc::clone(&self.world.borrow().elsewhere);
        let is_pulled = !body.is_empty() && request.method().name() != "HEAD";
        let way = match lock(&shared).way() {
            Way::Stream | Way::StreamExact if !is_pulled => Way::Plain,
            way => way,
        };
        let source = || {
            lock(&shared).begin(client, Awaits::Turn, Some(Duration::from_secs(1 << 24)));
            lock(&shared).deeds.streamed += 1;
            self.world.borrow_mut().pipes[client].script.items[asked.number].is_streamed = true;
            SimSource::new(&shared, client, request.waker(), body)
        };
        match way {
            Way::Plain if asked.mode == Mode::Large => {
                response.header("X-Number", &text).bytes(Bytes::Static(body))
            }
            Way::Plain => response.header("X-Number", &text).bytes(body),
            Way::StreamExact => {
                let length = body.len() as u64;
                response.header("X-Number", &text).stream_exact(length, source())
            }
            Way::Stream => {
                self.world.borrow_mut().pipes[client].script.items[asked.number].end_by_stream();
                response.header("X-Number", &text).stream(source())
            }
            Way::Promise => self.promise(request, response, asked, body),
        }
    }

    fn promise(
        &self,
        request: &Request<'_>,
        response: Response<'_>,
        asked: Asked,
        body: &'static [u8],
    ) -> HandlerResult {
        let client = client_of(request.peer());
        let world = &mut *self.world.borrow_mut();
        let elsewhere = &mut *lock(&world.elsewhere);
        let random = &mut elsewhere.random;
        let own_time =
            random.one_in(4).then(|| Duration::from_millis(random.between(1, 900) as u64));
        let has_number = random.one_in(2);
        let item = &mut world.pipes[client].script.items[asked.number];
        let is_pulled = !body.is_empty() && !item.is_head;
        let deed = match random.below(12) {
            0 => Deed::Drop,
            1 => Deed::Fail,
            2 if is_pulled => Deed::StreamExact,
            3 if is_pulled && !item.is_http10 => Deed::Stream,
            _ => Deed::Answer,
        };
        elsewhere.begin(client, Awaits::Answer(asked.number), own_time);
        elsewhere.deeds.promised += 1;
        let until = elsewhere.now + elsewhere.clients[client].time;
        item.promised = Some((until, None));
        let (number, waker) = (asked.number, request.waker());
        let response =
            if has_number { response.header("X-Number", number.to_string()) } else { response };
        let keep = |later| {
            let promise = Promise { number, later, waker, deed, body, has_number };
            elsewhere.owe(client, Work::Promise(promise));
        };
        match own_time {
            Some(time) => response.later_within(time, keep),
            None => response.later(keep),
        }
    }
}

/// What becomes of a request that waited too long.
enum Fate {
    Spared,
    Shed,
    Panic,
}

/// Turns a request away, unless it is vital or may not be.
fn decide(world: &mut World, request: &Request<'_>) -> Result<Fate, String> {
    let target = request.target();
    let client = client_of(request.peer());
    let number = world.handled[client];
    let pipe = &mut world.pipes[client];
    let is_there = |end: usize| end <= pipe.read;
    let item = pipe.script.items.get_mut(number);
    let item = item.filter(|_| target.starts_with(&format!("/{client}/{number}")));
    let item = item.ok_or_else(|| format!("{target} is turned away out of turn"))?;
    let mut elsewhere = lock(&world.elsewhere);
    if pipe.is_blocked || !elsewhere.may_go_on(client) {
        return Err(format!("{target} is turned away before its turn"));
    }
    if let Some(why) = world.load.fault(client, world.now) {
        return Err(format!("{target} is turned away {why}"));
    }
    if !item.is_refused() && world.load.random.one_in(60) {
        item.decline(500, CloseReason::Panicked);
        elsewhere.deeds.declined += 1;
        world.counts.panics += 1;
        return Ok(Fate::Panic);
    }
    if item.is_vital {
        world.counts.spared += 1;
        return Ok(Fate::Spared);
    }
    let is_there = !item.is_chunked && is_there(item.end);
    item.turn_away(number, is_there, world.settings.requests_max);
    elsewhere.settle(client);
    drop(elsewhere);
    world.note_shed(client, is_there);
    Ok(Fate::Shed)
}

impl Handler for Application {
    fn is_vital(&self, request: &Request<'_>) -> bool {
        let world = &mut *self.world.borrow_mut();
        match decide(world, request) {
            Ok(Fate::Spared) => true,
            Ok(Fate::Shed) => false,
            Ok(Fate::Panic) => std::panic::panic_any(SCRIPTED),
            Err(fault) => {
                world.note(fault);
                true
            }
        }
    }

    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        self.answer(request, response, request.body())
    }

    fn has_sinks(&self) -> bool {
        let world = self.world.borrow();
        lock(&world.elsewhere).has_sinks
    }

    fn intake(&mut self, request: &Request<'_>) -> Result<Intake, Error> {
        let world = &mut *self.world.borrow_mut();
        let elsewhere = &mut *lock(&world.elsewhere);
        if !elsewhere.is_on {
            return Ok(Intake::Whole);
        }
        let client = client_of(request.peer());
        let number = world.handled[client];
        let item = world.pipes[client].script.items.get_mut(number);
        let target = request.target();
        let Some(item) = item.filter(|_| target.starts_with(&format!("/{client}/{number}"))) else {
            elsewhere.fault.get_or_insert(format!("{target} is asked for out of turn"));
            return Ok(Intake::Whole);
        };
        if !elsewhere.may_go_on(client) {
            elsewhere.fault.get_or_insert(format!("{target} is asked for before its turn"));
        }
        elsewhere.clients[client].body.clear();
        let is_refused = matches!(item.expected, Expected::Refused(_));
        if elsewhere.random.one_in(20) && !is_refused {
            item.decline(404, CloseReason::BodyUnread);
            elsewhere.deeds.declined += 1;
            let error = Error::not_found("scripted");
            return Err(error.with_header("X-Number", number.to_string()));
        }
        if elsewhere.random.one_in(4) {
            return Ok(Intake::Whole);
        }
        item.has_sink = true;
        let (world, waker) = (Rc::clone(&self.world), request.waker());
        Ok(Intake::Stream(Box::new(SimSink { world, waker, client, number })))
    }

    fn finish(
        &mut self,
        sink: Box<dyn Sink>,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        drop(sink);
        let world = self.world.borrow();
        let client = client_of(request.peer());
        let body = {
            let elsewhere = &mut *lock(&world.elsewhere);
            if elsewhere.clients[client].awaits == Awaits::Sink {
                elsewhere.settle(client);
            }
            std::mem::take(&mut elsewhere.clients[client].body)
        };
        drop(world);
        if !request.body().is_empty() {
            self.world.borrow_mut().note("a body that a sink took is there twice");
        }
        self.answer(request, response, &body)
    }
}

/// A sink that takes parts, waits, and may fail.
struct SimSink {
    world: Rc<RefCell<World>>,
    waker: Waker,
    client: usize,
    number: usize,
}

impl Sink for SimSink {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        let world = &mut *self.world.borrow_mut();
        let elsewhere = &mut *lock(&world.elsewhere);
        elsewhere.on_called(self.client);
        let item = &mut world.pipes[self.client].script.items[self.number];
        let is_refused = matches!(item.expected, Expected::Refused(_));
        let chance = elsewhere.random.below(100);
        if bytes.is_empty() {
            elsewhere.fault.get_or_insert_with(|| "a sink is offered nothing".to_owned());
        }
        if chance < 2 && !is_refused {
            elsewhere.deeds.declined += 1;
            if chance == 0 {
                item.decline(500, CloseReason::Panicked);
                world.counts.panics += 1;
                std::panic::panic_any(SCRIPTED)
            }
            item.decline(404, CloseReason::BodyUnread);
            let error = Error::not_found("scripted");
            return Err(error.with_header("X-Number", self.number.to_string()));
        }
        let len = if chance < 30 { elsewhere.random.between(0, bytes.len()) } else { bytes.len() };
        elsewhere.clients[self.client].body.extend_from_slice(&bytes[..len]);
        if chance >= 30 {
            return Ok(Taken::All);
        }
        elsewhere.begin(self.client, Awaits::Sink, None);
        elsewhere.owe(self.client, Work::Wake(self.waker.clone()));
        Ok(Taken::Part(len))
    }

    fn finish(self: Box<Self>, _: &Request<'_>, _: Response<'_>) -> HandlerResult {
        Err(Error::internal("the application answers for its sinks"))
    }
}

impl crate::sim_elsewhere::Elsewhere {
    fn way(&mut self) -> Way {
        if !self.is_on {
            return Way::Plain;
        }
        self.random.pick(&[
            Way::Plain,
            Way::Plain,
            Way::Promise,
            Way::Promise,
            Way::Stream,
            Way::StreamExact,
        ])
    }
}

/// What a request asks for, if it is the one that its client must be at.
fn read_request(
    request: &Request<'_>,
    body: &[u8],
    world: &Rc<RefCell<World>>,
) -> Result<Asked, String> {
    let world = &mut *world.borrow_mut();
    let client = client_of(request.peer());
    let pipe = &world.pipes[client];
    let number = world.handled[client];
    let target = request.target();
    let item = pipe.script.items.get(number).ok_or_else(|| format!("{target} is one too many"))?;
    if matches!(item.expected, Expected::Refused(_)) {
        return Err(format!("{target} must be refused"));
    }
    if pipe.is_blocked {
        return Err(format!("{target} is handled while its client takes nothing"));
    }
    let earlier = &pipe.script.items[..number];
    if earlier.iter().any(|item| item.last.is_some()) || pipe.read < item.end {
        return Err(format!("{target} is handled after the last or before its end"));
    }
    let mut elsewhere = lock(&world.elsewhere);
    if !elsewhere.may_go_on(client) {
        let state = &elsewhere.clients[client];
        return Err(format!("{target} is handled while something is awaited: {state:?}"));
    }
    elsewhere.settle(client);
    drop(elsewhere);
    let asked = target.strip_prefix(&format!("/{client}/{number}?")).map(|asked| {
        let (mode, sizes) = asked.split_at(1);
        let (answer, body) = sizes.split_once(',').unwrap_or_default();
        (mode.as_bytes()[0], answer.parse::<usize>(), body.parse::<usize>())
    });
    let Some((mode, Ok(answer_len), Ok(body_len))) = asked else {
        return Err(format!("{target} is not request {number} of client {client}"));
    };
    if body != pattern(client, number, body_len) {
        return Err(format!("the body of {target} is another"));
    }
    let is_panic = [Mode::AnswerThenPanic as u8, Mode::Panic as u8].contains(&mode);
    world.counts.panics += u64::from(is_panic);
    world.note_handled(client);
    let mode = MODES.into_iter().find(|known| *known as u8 == mode);
    mode.map(|mode| Asked { number, mode, answer_len })
        .ok_or_else(|| format!("{target} has no mode"))
}
