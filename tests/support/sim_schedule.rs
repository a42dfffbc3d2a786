//! One simulation: clients, faults, settings and an application that follow from one seed, turns
//! until nothing is left, and everything that must hold then. Knows no kernel but the scripted.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use corelane::api::{Board, NoBlocking};
use corelane::clock::Clock;
use corelane::proto::CloseReason;
use corelane::sys::Kernel;
use corelane::wire::refusal::Refusal;
use corelane::worker::{Change, ChangeSlot, Mail, Part, Post, Stats, Worker, WorkerParts, mailbox};
use corelane::{Network, Settings, WhenFull, WorkerInfo};

use crate::random::Random;
use crate::sim_application::Application;
use crate::sim_client::{Expected, FIELDS_MAX, HEAD_BYTES_MAX, Script, TARGET_BYTES_MAX, Taste};
use crate::sim_elsewhere::{Elsewhere, lock};
use crate::sim_faults::Faults;
use crate::sim_kernel::{SimKernel, SimStream};
use crate::sim_log::{judge_log, lane};
use crate::sim_overload::Load;
use crate::sim_pipe::{Abrupt, Pipe, Plan};
use crate::sim_verdict::{Verdict, judge_pipe};
use crate::sim_world::{LeaveChange, World};

/// Turns after which a simulation should long have ended.
const TURNS_MAX: usize = 20_000;

/// Turns in which an empty worker must have seen its mail, whatever else is reported.
const DRAIN_TURNS_MAX: usize = 12;

/// Seeds below it are without what elsewhere does: those that were kept stand for what they stood.
const OLD_SEEDS: u64 = 64;

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
    pub(crate) later_dropped: u64,
    pub(crate) later_expired: u64,
    pub(crate) later_unwanted: u64,
    pub(crate) shed: u64,
    pub(crate) shed_unread: u64,
    pub(crate) spared: u64,
    pub(crate) slow_bodies: u64,
    pub(crate) slow_reads: u64,
    pub(crate) handed: u64,
    pub(crate) from_files: u64,
    pub(crate) from_short_files: u64,
}

impl Reached {
    fn of(stats: &Stats, world: &World, sum: &Verdict) -> Reached {
        let (counts, deeds) = (&world.counts, lock(&world.elsewhere).deeds);
        Reached {
            closes: stats.closes,
            refusals: stats.tally.refusals,
            answers: stats.tally.answers,
            aborted: stats.accept_aborted,
            exhausted: stats.accept_exhausted,
            failed: stats.accept_failed,
            table_full: stats.table_full,
            later_dropped: stats.tally.later_dropped,
            later_expired: stats.tally.later_expired,
            later_unwanted: stats.tally.later_unwanted,
            shed: stats.tally.shed,
            shed_unread: counts.shed_unread,
            spared: counts.spared,
            slow_bodies: sum.by_rate,
            slow_reads: counts.slow_reads,
            handed: stats.taken,
            from_files: deeds.from_files,
            from_short_files: deeds.from_short_files,
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
        self.later_dropped += other.later_dropped;
        self.later_expired += other.later_expired;
        self.later_unwanted += other.later_unwanted;
        self.shed += other.shed;
        self.shed_unread += other.shed_unread;
        self.spared += other.spared;
        self.slow_bodies += other.slow_bodies;
        self.slow_reads += other.slow_reads;
        self.handed += other.handed;
        self.from_files += other.from_files;
        self.from_short_files += other.from_short_files;
    }
}

thread_local! {
    /// For the applications that a worker makes itself: nothing of theirs may be sent.
    static WORLD: RefCell<Weak<RefCell<World>>> = const { RefCell::new(Weak::new()) };
}

/// Where the worker finds another application, and the same settings, at each reload.
fn reloads(
    world: &Rc<RefCell<World>>,
    settings: &Settings,
    memory_max: u64,
) -> Arc<ChangeSlot<Application>> {
    WORLD.set(Rc::downgrade(world));
    let changes = Arc::new(ChangeSlot::default());
    let (slot, settings) = (Arc::clone(&changes), settings.clone());
    world.borrow_mut().leave_change = Some(LeaveChange(Box::new(move || {
        let factory = Box::new(|_: &WorkerInfo| {
            let world = WORLD.with_borrow(Weak::upgrade).expect("it is simulated");
            Application::new(&world)
        });
        slot.put(Change { settings: settings.clone(), memory_max, factory });
    })));
    changes
}

/// Runs the simulation of `seed`.
pub(crate) fn run(seed: u64) -> Result<Reached, String> {
    let mut random = Random::new(seed);
    let mut settings = settings(&mut random);
    // Drawn apart, so that what seeds stood for before stays as it was.
    let mut crowd = Random::new(!seed);
    limit(&mut crowd, &mut settings);
    let mut apart = Random::new(seed ^ u64::MAX.rotate_left(32) ^ u64::from(u32::MAX / 3));
    let is_on = seed >= OLD_SEEDS && apart.one_in(2);
    if is_on {
        set_elsewhere(&mut apart, &mut settings);
    }
    let load = strain(seed, &mut settings);
    let memory_max = settings.memory_max.unwrap_or(u64::MAX);
    let world =
        Rc::new(RefCell::new(world(&mut random, &mut crowd, (apart, is_on), load, &settings)));
    let kernel = SimKernel(Rc::clone(&world));
    let (post, mailbox) = mailbox(kernel.waker());
    world.borrow_mut().set_post(post.clone());
    let connections_max = random.pick(&[1, 2, 4, 64, 64, 64]);
    world.borrow_mut().connections_max = connections_max;
    let changes = reloads(&world, &settings, memory_max);
    let board = Arc::new(Board::new(Clock::new(), 1));
    let parts = WorkerParts {
        index: 0,
        settings,
        connections_max,
        board: Arc::clone(&board),
        memory_max,
        blocking: Arc::new(NoBlocking),
    };
    let application = Application::new(&world);
    let worker = Worker::new(kernel, application, parts, mailbox);
    let mut worker = worker.taking_part(part(seed, &world)).reloading(changes);
    let lane = lane(seed);
    if let Some(lane) = &lane {
        worker = worker.logging_to(Arc::clone(lane));
    }

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
        end_at_rest(&mut worker, &post)?;
    }
    let was_stopped = world.borrow().is_stopped;
    let left = (worker.assemblies_leased(), worker.timers_armed(), worker.memory_held());
    if !was_stopped && left != (0, 0, 0) {
        return Err(format!("leased, armed or held at the end: {left:?}"));
    }
    let (stats, _) = worker.finish();
    judge_log(lane.as_deref(), &stats)?;
    // What was never done is given up now, when nobody waits for it.
    world.borrow_mut().end_turn();
    let forgotten = lock(&world.borrow().elsewhere).take_all();
    drop(forgotten);
    let sum = judge_end(&stats, &mut world.borrow_mut())?;
    Ok(Reached::of(&stats, &world.borrow(), &sum))
}

/// Has a worker without connections end.
fn end_at_rest(worker: &mut Worker<SimKernel, Application>, post: &Post) -> Result<(), String> {
    post.send(Mail::Drain).map_err(|error| format!("{error:?}"))?;
    for _ in 0..DRAIN_TURNS_MAX {
        worker.turn().map_err(|error| error.to_string())?;
    }
    let has_ended = worker.is_finished();
    has_ended.then_some(()).ok_or("an empty worker does not end when it drains".to_owned())
}

/// Whether other workers hand connections over: in six of seven simulations they do not, and so not
/// in those that were kept.
fn part(seed: u64, world: &Rc<RefCell<World>>) -> Part<SimStream> {
    if seed < OLD_SEEDS || !seed.is_multiple_of(7) {
        return Part::Alone;
    }
    Part::Crew(World::set_others(world, Random::new(!seed.rotate_left(16))))
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

/// What is set where answers and bodies come in pieces and from elsewhere.
fn set_elsewhere(random: &mut Random, settings: &mut Settings) {
    settings.later_time = Duration::from_millis(random.between(100, 20_000) as u64);
    settings.requests_max = random.pick(&[1, 2, 5, u32::MAX, u32::MAX, u32::MAX]);
    let lifetime = random.between(500, 100_000) as u64;
    settings.lifetime_max = match random.below(4) {
        0 => Duration::from_millis(lifetime),
        _ => settings.lifetime_max,
    };
    settings.memory_max = match random.below(4) {
        0 => Some(random.pick(&[0, 8 << 10, 50_000, 150_000])),
        _ => None,
    };
    settings.upload_bytes_max = settings.body_bytes_max;
    // Bytes that buy no time worth mentioning: every body has its time from when it is wanted.
    settings.receive_rate_min = 1_000_000_000;
    settings.rate_time = settings.body_time;
}

/// How busy the worker is, and how slow its clients may be. Both are as they were in two of three
/// simulations, and so in those that were kept.
fn strain(seed: u64, settings: &mut Settings) -> Load {
    let mut random = Random::new(!seed.rotate_left(32));
    let is_strained = seed >= OLD_SEEDS && seed.is_multiple_of(3);
    let is_on = is_strained && random.one_in(2);
    if is_on {
        let mut ms = |choices: &[u64]| Duration::from_millis(random.pick(choices));
        settings.overload_delay = Some(ms(&[1, 1, 1, 2]));
        settings.overload_interval = ms(&[1, 2, 5, 10]);
    }
    if is_strained && random.one_in(2) {
        let mut time = |most: usize| Duration::from_millis(random.between(100, most) as u64);
        settings.rate_time = time(5_000);
        settings.send_time = time(5_000);
        settings.receive_rate_min = random.pick(&[50, 500, 5_000, 50_000]);
        settings.send_rate_min = random.pick(&[0, 50, 1_000, 20_000, 20_000]);
    }
    Load::new(random, is_on, settings)
}

fn world(
    random: &mut Random,
    crowd: &mut Random,
    (apart, is_on): (Random, bool),
    mut load: Load,
    settings: &Settings,
) -> World {
    // A few clients with one request do not keep a worker busy.
    let (least_clients, least_requests) = if load.is_on { (3, 10) } else { (1, 1) };
    let taste = Taste {
        requests_max: random.pick(&[1, 3, 6, 20]).max(least_requests),
        request_body_max: random
            .pick(&[10, 500, settings.body_bytes_max as usize])
            .min(settings.body_bytes_max as usize),
        answer_body_max: random.pick(&[20, 300, 300, 20_000, 60_000]),
        bad_one_in: random.pick(&[5, 20, 1000]),
        odd_one_in: random.pick(&[3, 20, 1000]),
        body_bytes_max: settings.body_bytes_max as usize,
    };
    let clients = random.pick(&[1, 1, 2, 3, 4, 8]).max(least_clients);
    let pipes: Vec<_> = (0..clients)
        .map(|client| {
            let mut script = Script::default();
            let is_broken = !settings.proxy_protocol_from.is_empty() && crowd.one_in(6);
            if !settings.proxy_protocol_from.is_empty() {
                script.write_preface(crowd, client, is_broken);
            }
            script.write(random, client, &taste);
            if let Some(last) = script.items.get_mut(settings.requests_max as usize - 1) {
                last.is_last_of_many();
            }
            script.choose_vital(&mut load.random);
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
        faults.long_laps = budget(40);
    }
    let listeners = random.between(1, 2);
    let elsewhere = Elsewhere::new(apart, is_on, clients, settings);
    let random_of_world = Random::new(random.next());
    let settings = settings.clone();
    let mut world = World::new(random_of_world, pipes, listeners, settings, faults, elsewhere);
    world.load = load;
    let at = random.between(1, 40) as u32;
    match random.below(8) {
        0 => world.mail.push_back((at, Mail::Drain)),
        1 => world.mail.push_back((at, Mail::Stop)),
        2 => world.mail.extend([(at, Mail::Drain), (at, Mail::Drain), (at + 30, Mail::Stop)]),
        3 => world.mail.extend([(at, Mail::Reload), (at + 5, Mail::Reload)]),
        4 => world.mail.extend([(at, Mail::Reload), (at + 9, Mail::Drain), (at + 9, Mail::Reload)]),
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
    let begun = stats.accepted + stats.taken;
    if closed > begun || begun - closed > open as u64 {
        world.note(format!("{begun} accepted, {closed} closed, {open} open"));
    }
}

/// What must hold once nobody will do anything any more.
fn judge_rest<H: corelane::Handler>(
    worker: &Worker<SimKernel, H>,
    board: &Board,
) -> Result<(), String> {
    let left = (worker.connections(), worker.timers_armed(), worker.assemblies_leased());
    if left != (0, 0, 0) || worker.memory_held() != 0 {
        let held = worker.memory_held();
        return Err(format!("connections, deadlines and blocks left: {left:?}, memory: {held}"));
    }
    let (published, stats) = (board.status(), worker.stats());
    if (published.requests(), published.connections()) != (stats.tally.requests, 0) {
        return Err(format!("published {published:?}, counted {:?}", stats.tally.requests));
    }
    Ok(())
}

/// What must hold after the end.
fn judge_end(stats: &Stats, world: &mut World) -> Result<Verdict, String> {
    if let Some(fault) = world.fault.take() {
        return Err(format!("at the end: {fault}"));
    }
    judge_stats(stats, world)?;
    let (mut refusals, mut hidden, mut hidden_shed) = (0, 0, 0);
    let mut sum = Verdict::default();
    for (client, pipe) in world.pipes.iter().enumerate() {
        let verdict = judge_pipe(pipe, client, world).map_err(|why| {
            let (read, sent) = (text(&pipe.script.bytes[..pipe.read]), text(&pipe.taken));
            let (awaited, drain) = (&lock(&world.elsewhere).clients[client], world.drain);
            let times = format!("{}, drain {drain:?}\n{awaited:?}", pipe.state());
            format!("client {client}: {why}\n{times}\n--- read\n{read}\n--- sent\n{sent}")
        })?;
        refusals += u64::from(verdict.is_refused);
        sum.add(&verdict);
        if pipe.abrupt.is_some() || lock(&world.elsewhere).clients[client].is_cut {
            let items = &pipe.script.items;
            hidden += items.iter().filter(|item| item.promised.is_some()).count() as u64;
            hidden_shed += items.iter().filter(|item| item.is_shed).count() as u64;
        }
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
    let tally = &stats.tally;
    let deeds = lock(&world.elsewhere).deeds;
    let lost = lock(&world.elsewhere).in_flight();
    for (what, counted, seen, unseen) in [
        ("refusals", refused, refusals, cut),
        ("dropped", tally.later_dropped, sum.dropped, hidden),
        ("late", tally.later_expired, sum.late, hidden),
        ("given", deeds.given - tally.later_unwanted, sum.given, hidden + lost),
        ("shed", tally.shed, sum.shed, hidden_shed),
        ("slow bodies", tally.refusals[Refusal::BodyTooSlow as usize], sum.slow_bodies, cut),
        ("slow heads", tally.refusals[Refusal::HeadTooSlow as usize], sum.slow_heads, cut),
    ] {
        if !(seen..=seen + unseen).contains(&counted) {
            let clients = &lock(&world.elsewhere).clients;
            let ends: Vec<_> = world.pipes.iter().map(|pipe| (pipe.place, pipe.abrupt)).collect();
            let why = format!("{deeds:?}\n{ends:?}\n{tally:?}\n{clients:?}");
            return Err(format!("{what}: {counted} counted, {seen} seen\n{why}"));
        }
    }
    Ok(sum)
}

/// The beginning of some bytes, for a fault.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned()
}

fn judge_stats(stats: &Stats, world: &World) -> Result<(), String> {
    let (tally, counts) = (&stats.tally, &world.counts);
    let refusals: u64 = tally.refusals.iter().sum();
    let cut_off = stats.closes[CloseReason::SendTimeout as usize]
        + stats.closes[CloseReason::MemoryExhausted as usize];
    for (what, worker, kernel) in [
        ("accepted", stats.accepted + stats.taken, counts.accepted),
        ("closed", stats.closes.iter().sum(), counts.accepted),
        ("aborted", stats.accept_aborted, counts.aborted),
        ("exhausted", stats.accept_exhausted + stats.accept_failed, counts.exhausted),
        ("received", stats.bytes_received, counts.received),
        ("sent", stats.bytes_sent, counts.sent),
        ("by route", tally.by_route.iter().sum(), tally.requests),
        ("panics", tally.panics, counts.panics),
        ("answers", tally.answers, tally.requests + refusals + tally.shed + counts.unavailable),
        ("shed", tally.shed, counts.shed),
        ("cut off", cut_off, counts.cut_off),
        ("by class", tally.by_class.iter().sum(), tally.answers),
    ] {
        if worker != kernel {
            return Err(format!("{what}: the worker counted {worker}, the kernel {kernel}"));
        }
    }
    let elsewhere = lock(&world.elsewhere);
    let (deeds, at_once) = (&elsewhere.deeds, counts.handled);
    let given = deeds.given - tally.later_unwanted + tally.later_dropped + tally.later_expired;
    let answered = at_once - deeds.promised - deeds.streamed + given + deeds.ended + deeds.declined;
    // Whether a source that was given up had its request counted depends on why it was; so does
    // the request of a sink, and mail that was on its way at the end is lost.
    let unsure = deeds.unfinished + elsewhere.in_flight();
    let given_up = stats.closes[CloseReason::BodyUnread as usize] + elsewhere.unready();
    let most = answered + unsure + given_up;
    if !((answered - unsure.min(answered))..=most).contains(&tally.requests) {
        let counted = tally.requests;
        return Err(format!("{counted} requests counted, {answered} known, {unsure} not sure"));
    }
    if stats.closes[CloseReason::Unwatchable as usize] > counts.unwatched {
        return Err("more connections unwatchable than there were faults".to_owned());
    }
    if stats.closes[CloseReason::Panicked as usize] > tally.panics {
        return Err("more connections ended by panics than there were".to_owned());
    }
    Ok(())
}
