//! One simulation: clients, faults, settings and an application that follow from one seed, turns
//! until nothing is left, and everything that must hold then. Knows no kernel but the scripted.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelane::api::{Board, HandlerResult, NoBlocking, Request, Responded, Response};
use corelane::clock::Clock;
use corelane::limits::TICK_MS;
use corelane::proto::CloseReason;
use corelane::sys::Kernel;
use corelane::wire::refusal::Refusal;
use corelane::worker::{Mail, Stats, Worker, WorkerParts, mailbox};
use corelane::{Bytes, Error, Network, Settings, WhenFull};

use crate::random::Random;
use crate::sim_client::{
    Expected, FIELDS_MAX, HEAD_BYTES_MAX, Mode, Script, TARGET_BYTES_MAX, Taste, pattern,
};
use crate::sim_faults::Faults;
use crate::sim_kernel::{SimKernel, client_of};
use crate::sim_pipe::{Abrupt, Pipe, Plan};
use crate::sim_verdict::judge_pipe;
use crate::sim_world::World;

/// Turns after which a simulation should long have ended.
const TURNS_MAX: usize = 20_000;

/// Turns in which an empty worker must have seen its mail, whatever else is reported.
const DRAIN_TURNS_MAX: usize = 12;

/// The payload of the panics the application is told to have.
pub(crate) const SCRIPTED: &str = "a scripted panic";

/// What simulations came to, to see that they come to everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) closes: [u64; CloseReason::ALL.len()],
    pub(crate) refusals: [u64; Refusal::ALL.len()],
    pub(crate) answers: u64,
    pub(crate) aborted: u64,
    pub(crate) exhausted: u64,
    pub(crate) failed: u64,
    pub(crate) table_full: u64,
}

impl Reached {
    fn of(stats: &Stats) -> Reached {
        Reached {
            closes: stats.closes,
            refusals: stats.tally.refusals,
            answers: stats.tally.answers,
            aborted: stats.accept_aborted,
            exhausted: stats.accept_exhausted,
            failed: stats.accept_failed,
            table_full: stats.table_full,
        }
    }

    pub(crate) fn add(&mut self, other: &Reached) {
        let add = |sums: &mut [u64], counts: &[u64]| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        };
        add(&mut self.closes, &other.closes);
        add(&mut self.refusals, &other.refusals);
        self.answers += other.answers;
        self.aborted += other.aborted;
        self.exhausted += other.exhausted;
        self.failed += other.failed;
        self.table_full += other.table_full;
    }
}

/// Runs the simulation of `seed`.
pub(crate) fn run(seed: u64) -> Result<Reached, String> {
    let mut random = Random::new(seed);
    let mut settings = settings(&mut random);
    // Drawn apart, so that what seeds stood for before stays as it was.
    let mut crowd = Random::new(!seed);
    limit(&mut crowd, &mut settings);
    let world = Rc::new(RefCell::new(world(&mut random, &mut crowd, &settings)));
    let kernel = SimKernel(Rc::clone(&world));
    let (post, mailbox) = mailbox(kernel.waker());
    world.borrow_mut().set_post(post.clone());
    let connections_max = random.pick(&[1, 2, 4, 64, 64, 64]);
    world.borrow_mut().connections_max = connections_max;
    let board = Arc::new(Board::new(Clock::new(), 1));
    let parts = WorkerParts {
        index: 0,
        settings,
        connections_max,
        board: Arc::clone(&board),
        memory_max: u64::MAX,
        blocking: Arc::new(NoBlocking),
    };
    let mut worker = Worker::new(kernel, application(&world), parts, mailbox);

    let mut turns = 0;
    while !(worker.is_finished() || world.borrow().is_at_rest) {
        worker.turn().map_err(|error| error.to_string())?;
        judge_turn(&worker, &mut world.borrow_mut(), connections_max);
        turns += 1;
        if let Some(fault) = world.borrow_mut().fault.take() {
            return Err(format!("turn {turns}: {fault}"));
        }
        if turns > TURNS_MAX {
            return Err(format!("goes on after {turns} turns"));
        }
    }
    if world.borrow().is_at_rest {
        judge_rest(&worker, &board)?;
        post.send(Mail::Drain).map_err(|error| format!("{error:?}"))?;
        for _ in 0..DRAIN_TURNS_MAX {
            worker.turn().map_err(|error| error.to_string())?;
        }
        if !worker.is_finished() {
            return Err("an empty worker does not end when it drains".to_owned());
        }
    }
    let was_stopped = world.borrow().is_stopped;
    if !was_stopped && (worker.assemblies_leased(), worker.timers_armed()) != (0, 0) {
        return Err("something is leased or armed at the end".to_owned());
    }
    let (stats, _) = worker.finish();
    judge_end(&stats, &mut world.borrow_mut())?;
    Ok(Reached::of(&stats))
}

fn settings(random: &mut Random) -> Settings {
    let mut seconds = |most: usize| Duration::from_millis(random.between(100, most * 1000) as u64);
    let mut settings = Settings::default();
    settings.head_bytes_max = HEAD_BYTES_MAX;
    settings.fields_max = FIELDS_MAX;
    settings.target_bytes_max = TARGET_BYTES_MAX;
    settings.head_time = seconds(10);
    settings.body_time = seconds(60);
    settings.idle_time = seconds(200);
    settings.send_time = seconds(30);
    settings.linger_time = seconds(4);
    settings.drain_time = seconds(40);
    settings.drain_idle_time = seconds(1);
    settings.send_rate_min = 0;
    settings.receive_rate_min = 0;
    settings.pipelined_max = random.pick(&[1, 2, 5, 64]);
    settings.body_bytes_max = random.pick(&[600, 5_000, 60_000]);
    settings
}

/// How many connections there may be, and whether they begin with a PROXY header.
fn limit(random: &mut Random, settings: &mut Settings) {
    settings.connections_soft_max = random.pick(&[None, Some(1), Some(3), Some(100)]);
    settings.connections_full = random.pick(&[WhenFull::Pause, WhenFull::Refuse]);
    match random.below(4) {
        0 => settings.connections_per_address_max = Some(random.between(1, 3)),
        1 => settings.proxy_protocol_from = vec![Network::from(IpAddr::V4(Ipv4Addr::LOCALHOST))],
        _ => {}
    }
}

fn world(random: &mut Random, crowd: &mut Random, settings: &Settings) -> World {
    let taste = Taste {
        requests_max: random.pick(&[1, 3, 6, 20]),
        request_body_max: random
            .pick(&[10, 500, settings.body_bytes_max as usize])
            .min(settings.body_bytes_max as usize),
        answer_body_max: random.pick(&[20, 300, 300, 20_000, 60_000]),
        bad_one_in: random.pick(&[5, 20, 1000]),
        odd_one_in: random.pick(&[3, 20, 1000]),
        body_bytes_max: settings.body_bytes_max as usize,
    };
    let clients = random.pick(&[1, 1, 2, 3, 4, 8]);
    let pipes: Vec<_> = (0..clients)
        .map(|client| {
            let mut script = Script::default();
            let is_broken = !settings.proxy_protocol_from.is_empty() && crowd.one_in(6);
            if !settings.proxy_protocol_from.is_empty() {
                script.write_preface(crowd, client, is_broken);
            }
            script.write(random, client, &taste);
            let plan = plan(random, &script);
            let mut pipe = Pipe::new(script, plan);
            if is_broken {
                pipe.abrupt = Some(Abrupt::Preface);
            }
            pipe
        })
        .collect();
    let mut faults = Faults { early_ends: 4, jumps: 3, stale: 4, ..Faults::default() };
    if random.one_in(2) {
        let mut budget = |most: usize| random.between(0, most) as u32;
        faults.spurious = budget(8);
        faults.would_block = budget(8);
        faults.exhausted = budget(2);
        faults.aborted = budget(1);
        faults.unwatched = budget(1);
        faults.unlistened = budget(2);
        faults.jumps = budget(10);
    }
    let listeners = random.between(1, 2);
    let mut world =
        World::new(Random::new(random.next()), pipes, listeners, settings.clone(), faults);
    let at = random.between(1, 40) as u32;
    match random.below(8) {
        0 => world.mail.push_back((at, Mail::Drain)),
        1 => world.mail.push_back((at, Mail::Stop)),
        2 => world.mail.extend([(at, Mail::Drain), (at, Mail::Drain), (at + 30, Mail::Stop)]),
        _ => {}
    }
    world
}

fn plan(random: &mut Random, script: &Script) -> Plan {
    let whole = script.bytes.len();
    let sends = if random.one_in(5) { random.below(whole + 1) } else { whole };
    let answers: usize = script
        .items
        .iter()
        .map(|item| if let Expected::Echo { len } = item.expected { len } else { 300 })
        .sum();
    Plan {
        sends,
        send_step: random.pick(&[0, 0, 1, 7, 400]),
        read_step: match random.below(12) {
            0 => 0,
            1 => 1 + answers / 40,
            _ => usize::MAX,
        },
        ends: random.one_in(2),
        resets: random.one_in(8),
        window: random.pick(&[100, 2_000, 60_000, 1 << 20]).max(answers / 20),
    }
}

/// An application that does what each request tells it, and notes which it was.
fn application(
    world: &Rc<RefCell<World>>,
) -> impl FnMut(&Request<'_>, Response<'_>) -> HandlerResult + use<> {
    let world = Rc::clone(world);
    let mut proof: Option<Responded> = None;
    move |request, response| {
        let (number, mode, answer_len) = match read_request(request, &world) {
            Ok(asked) => asked,
            Err(fault) => {
                world.borrow_mut().note(fault);
                return Err(Error::bad_request("not a scripted request"));
            }
        };
        let text = number.to_string();
        let body = pattern(client_of(request.peer()), number, answer_len);
        match mode {
            Mode::Answer => response.header("X-Number", &text).bytes(body),
            Mode::AnswerThenFail => {
                proof = response.header("X-Number", &text).bytes(body).ok();
                Err(Error::not_found("answered before"))
            }
            Mode::AnswerThenPanic => {
                proof = response.header("X-Number", &text).bytes(body).ok();
                std::panic::panic_any(SCRIPTED)
            }
            Mode::Close => response.header("X-Number", &text).close().bytes(body),
            Mode::Fail => Err(Error::not_found("scripted").with_header("X-Number", text)),
            Mode::Large => response.header("X-Number", &text).bytes(Bytes::Static(body)),
            Mode::Panic => {
                let _unanswered = response.header("X-Odd", "1");
                std::panic::panic_any(SCRIPTED)
            }
            Mode::WrongProof => {
                let _unanswered = response.header("X-Odd", "1");
                proof.take().map_or_else(|| Err(Error::internal("scripted")), Ok)
            }
        }
    }
}

/// What a request asks for, if it is the one that its client must be at.
fn read_request(
    request: &Request<'_>,
    world: &Rc<RefCell<World>>,
) -> Result<(usize, Mode, usize), String> {
    let world = &mut *world.borrow_mut();
    let client = client_of(request.peer());
    let pipe = &world.pipes[client];
    let number = world.handled[client];
    let target = request.target();
    let item = pipe.script.items.get(number).ok_or_else(|| format!("{target} is one too many"))?;
    if matches!(item.expected, Expected::Refused(_)) {
        return Err(format!("{target} must be refused"));
    }
    let earlier = &pipe.script.items[..number];
    if earlier.iter().any(|item| item.last.is_some()) || pipe.read < item.end {
        return Err(format!("{target} is handled after the last or before its end"));
    }
    let asked = target.strip_prefix(&format!("/{client}/{number}?")).map(|asked| {
        let (mode, sizes) = asked.split_at(1);
        let (answer, body) = sizes.split_once(',').unwrap_or_default();
        (mode.as_bytes()[0], answer.parse::<usize>(), body.parse::<usize>())
    });
    let Some((mode, Ok(answer_len), Ok(body_len))) = asked else {
        return Err(format!("{target} is not request {number} of client {client}"));
    };
    if request.body() != pattern(client, number, body_len) {
        return Err(format!("the body of {target} is another"));
    }
    world.counts.panics +=
        u64::from([Mode::AnswerThenPanic as u8, Mode::Panic as u8].contains(&mode));
    world.note_handled(client);
    let mode = MODES.into_iter().find(|known| *known as u8 == mode);
    mode.map(|mode| (number, mode, answer_len)).ok_or_else(|| format!("{target} has no mode"))
}

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

/// What must hold after every turn.
fn judge_turn<H: corelane::Handler>(
    worker: &Worker<SimKernel, H>,
    world: &mut World,
    connections_max: usize,
) {
    let (open, armed) = (worker.connections(), worker.timers_armed());
    if open != armed {
        world.note(format!("{open} connections and {armed} deadlines"));
    }
    if open != world.open() || open > connections_max {
        world.note(format!("{open} connections in the table, {} in the kernel", world.open()));
    }
    if worker.assemblies_leased() > open {
        world.note("more blocks are leased than there are connections");
    }
    let stats = worker.stats();
    let closed: u64 = stats.closes.iter().sum();
    // A lingering connection is counted before it is gone.
    if closed > stats.accepted || stats.accepted - closed > open as u64 {
        world.note(format!("{} accepted, {closed} closed, {open} open", stats.accepted));
    }
    world.judge_deadlines(Duration::from_millis(TICK_MS));
}

/// What must hold once nobody will do anything any more.
fn judge_rest<H: corelane::Handler>(
    worker: &Worker<SimKernel, H>,
    board: &Board,
) -> Result<(), String> {
    let left = (worker.connections(), worker.timers_armed(), worker.assemblies_leased());
    if left != (0, 0, 0) {
        return Err(format!("connections, deadlines and blocks left: {left:?}"));
    }
    let (published, stats) = (board.status(), worker.stats());
    if (published.requests(), published.connections()) != (stats.tally.requests, 0) {
        return Err(format!("published {published:?}, counted {:?}", stats.tally.requests));
    }
    Ok(())
}

/// What must hold after the end.
fn judge_end(stats: &Stats, world: &mut World) -> Result<(), String> {
    if let Some(fault) = world.fault.take() {
        return Err(format!("at the end: {fault}"));
    }
    judge_stats(stats, world)?;
    let mut refusals = 0;
    for (client, pipe) in world.pipes.iter().enumerate() {
        let verdict = judge_pipe(pipe, client, world).map_err(|why| {
            let (read, sent) = (text(&pipe.script.bytes[..pipe.read]), text(&pipe.taken));
            format!("client {client}: {why}\n--- read\n{read}\n--- sent\n{sent}")
        })?;
        refusals += u64::from(verdict.is_refused);
        // Of one connection alone it is known which count is its own.
        if let Some(reason) = verdict.reason
            && stats.accepted == 1
            && world.counts.aborted == 0
            && world.pipes.len() == 1
            && stats.closes[CloseReason::MadeRoom as usize] == 0
            && stats.closes[reason as usize] != 1
        {
            return Err(format!("ended by {reason:?}, counted {:?}", stats.closes));
        }
    }
    let refused: u64 = stats.tally.refusals.iter().sum();
    let cut = world.pipes.iter().filter(|pipe| pipe.abrupt.is_some()).count() as u64;
    if !(refusals..=refusals + cut).contains(&refused) {
        return Err(format!("{refused} refusals counted, {refusals} seen"));
    }
    Ok(())
}

/// The beginning of some bytes, for a fault.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned()
}

fn judge_stats(stats: &Stats, world: &World) -> Result<(), String> {
    let (tally, counts) = (&stats.tally, &world.counts);
    let refusals: u64 = tally.refusals.iter().sum();
    for (what, worker, kernel) in [
        ("accepted", stats.accepted, counts.accepted),
        ("closed", stats.closes.iter().sum(), counts.accepted),
        ("aborted", stats.accept_aborted, counts.aborted),
        ("exhausted", stats.accept_exhausted + stats.accept_failed, counts.exhausted),
        ("received", stats.bytes_received, counts.received),
        ("sent", stats.bytes_sent, counts.sent),
        ("requests", tally.requests, counts.handled),
        ("by route", tally.by_route.iter().sum(), counts.handled),
        ("panics", tally.panics, counts.panics),
        ("answers", tally.answers, counts.handled + refusals + counts.unavailable),
        ("by class", tally.by_class.iter().sum(), tally.answers),
    ] {
        if worker != kernel {
            return Err(format!("{what}: the worker counted {worker}, the kernel {kernel}"));
        }
    }
    if stats.closes[CloseReason::Unwatchable as usize] > counts.unwatched {
        return Err("more connections unwatchable than there were faults".to_owned());
    }
    if stats.closes[CloseReason::Panicked as usize] > tally.panics {
        return Err("more connections ended by panics than there were".to_owned());
    }
    Ok(())
}
