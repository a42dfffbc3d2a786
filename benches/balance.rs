//! What each way of spreading connections over workers does: the tail while one worker is held up,
//! the processor time of a connection, and the spread. Knows the server by its public face.
//!
//! `cargo bench --bench balance`; `-- tail`, `-- cost` or `-- spread` for one of the three;
//! `--rounds 3 --seconds 5` are the defaults. Servers are processes of their own, in turns.
//!
//! The tail: 4 workers that are idle for most of the time, so that two processors are enough and
//! what is measured is the choice alone. Their handler holds up one of them for 40 ms, another one
//! each second. All connections are new, carry one request each, come at fixed moments whatever
//! becomes of those before, and are timed from when they were due. Who asks for the holding up has
//! a connection that stays, as every worker has one: nothing tells the held-up worker from the
//! others before a connection waits for it. Where it has a connection of its own, its worker has
//! one more. What was due while a processor of the (virtual) machine stood still is set aside,
//! whatever became of it.
//!
//! The cost: 2 workers, clients that ask as fast as they are answered; of the server's process, and
//! of both, because the kernel does its part of a connection where the client connects.
#![allow(unsafe_code)] // The clocks of processes and the scheduler are asked by foreign functions.
#![allow(clippy::cast_precision_loss)] // Figures to be shown.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane::settings::Balance;
use corelane::{Router, Server, Settings, sys};
use hdrhistogram::Histogram;

const WAYS: [Balance; 5] =
    [Balance::Off, Balance::Cpu, Balance::RoundRobin, Balance::HandOver, Balance::Ebpf];

const STALL_EVERY: Duration = Duration::from_secs(1);
const STALL_TIME: Duration = Duration::from_millis(40);
/// Of which one is held up.
const WORKERS: usize = 4;

/// Clients of the open loop: so many that none is due again before a held-up worker goes on.
const CLIENTS: u32 = 128;
/// Connections a second. The first one that comes to a held-up worker has to wait whatever is done:
/// one in two thousand, so that P99.9 is of the others.
const RATE: u32 = 2_000;
/// What a watcher of a processor sleeps, how late it wakes where that stood still, and how long
/// before its sleep what the pause concerns may have been due.
const WATCH_SLEEP: Duration = Duration::from_micros(250);
const WATCH_LATE: Duration = Duration::from_micros(500);
const WATCH_BEFORE: Duration = Duration::from_micros(500);
/// Longer than this nobody waits but for a worker that is held up.
const LONG_MICROS: u64 = 20_000;

/// Clients of the closed loop.
const ASKING: usize = 4;
const COST_TIME: Duration = Duration::from_millis(700);

/// How often connections are opened for the spread.
const SPREADS: usize = 9;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = words.iter().position(|word| word == "--serve") {
        return serve(&words[at + 1], words[at + 2].parse().expect("a number"));
    }
    sys::raise_descriptor_limit().expect("the kernel tells it");
    let number = |name: &str, usual: u64| {
        let value = words.iter().skip_while(|word| *word != name).nth(1);
        value.map_or(usual, |value| value.parse().expect("a number"))
    };
    let rounds = number("--rounds", 3);
    let parts = ["tail", "cost", "spread"];
    let is_wanted = |part: &str| {
        let named = words.iter().any(|word| parts.contains(&word.as_str()));
        !named || words.iter().any(|word| word == part)
    };
    if is_wanted("tail") {
        tails(rounds, Duration::from_secs(number("--seconds", 5)));
    }
    if is_wanted("cost") {
        costs(5 * rounds);
    }
    if is_wanted("spread") {
        spreads();
    }
}

// The server, in a process of its own.

fn serve(way: &str, workers: usize) {
    let mut settings = Settings::default();
    settings.balance = WAYS.into_iter().find(|known| known.name() == way).expect("a way");
    // The pauses are ours.
    settings.stall_time = None;
    settings.overload_delay = None;
    let server = Server::bind("127.0.0.1:0")
        .workers(NonZeroUsize::new(workers).expect("some"))
        .settings(settings)
        .start(move |worker| {
            let index = worker.index();
            let router = Router::new().get("/", |_, res| res.text("here"));
            router.get("/who", move |_, res| res.text(format_args!("{index}"))).get(
                "/hold-up",
                |_, res| {
                    thread::sleep(STALL_TIME);
                    res.text("here")
                },
            )
        });
    match server {
        Err(error) => println!("{error}"),
        Ok(server) => {
            println!("{}", server.addresses()[0]);
            // Until nobody wants it any more.
            let _ = std::io::stdin().read(&mut [0]);
        }
    }
}

/// A server that runs; ended when it is dropped.
struct Served {
    process: Child,
    address: SocketAddr,
}

impl Served {
    /// Nothing if the machine does not let this way be.
    fn start(way: Balance, workers: usize) -> Option<Served> {
        let program = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(program)
            .args(["--serve", way.name(), &workers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let mut said = String::new();
        let out = process.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut said).expect("it is text");
        if let Ok(address) = said.trim().parse() {
            return Some(Served { process, address });
        }
        process.wait().expect("it ends by itself");
        None
    }

    fn cpu_time(&self) -> Duration {
        cpu_time(self.process.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Processor time that a process has used, in nanoseconds of its own clock.
fn cpu_time(process: u32) -> Duration {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: each call writes the one value that it is given.
    let failed = unsafe {
        libc::clock_getcpuclockid(process.cast_signed(), &raw mut clock)
            | libc::clock_gettime(clock, &raw mut time)
    };
    assert_eq!(failed, 0, "process {process} is there");
    Duration::from_secs(time.tv_sec.cast_unsigned())
        + Duration::from_nanos(time.tv_nsec.cast_unsigned())
}

// Clients.

/// Opens a connection, asks once and reads to its end.
fn ask(address: SocketAddr, target: &str) {
    let mut stream = connect(address);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("there");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it ends");
    assert!(answer.ends_with(b"here"));
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it connects");
    stream.set_nodelay(true).expect("it is TCP");
    stream
}

/// A request on a connection that stays.
fn ask_again(stream: &mut TcpStream, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is there");
    let mut space = [0; 512];
    // An answer as short as this comes whole.
    let len = stream.read(&mut space).expect("it is there");
    let answer = String::from_utf8_lossy(&space[..len]);
    answer.rsplit("\r\n").next().expect("a body").to_owned()
}

fn worker_of(stream: &mut TcpStream) -> usize {
    ask_again(stream, "/who").parse().expect("a number")
}

// The tail.

/// Who asks for a worker to be held up.
#[derive(Clone, Copy, PartialEq)]
enum Asker {
    Nobody,
    /// A connection that stays, as all workers have one.
    Staying,
    /// A connection for it alone.
    Own,
}

fn tails(rounds: u64, time: Duration) {
    println!(
        "one of {WORKERS} workers held up for {STALL_TIME:?} of each {STALL_EVERY:?},\n\
         {RATE} new connections a second, {rounds} rounds of {time:?}: medians, range of P99.9\n"
    );
    println!("| | P50 | P99 | P99.9 | above 20 ms | P99.9, held up by its own | set aside |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let held_up = WAYS.map(|way| [(way, Asker::Staying), (way, Asker::Own)]);
    let rows = [&[(Balance::Off, Asker::Nobody)], held_up.as_flattened()].concat();
    let mut seen: Vec<Vec<Tail>> = vec![Vec::new(); rows.len()];
    for round in 0..rounds as usize {
        for step in 0..rows.len() {
            // So that each has another place in each round.
            let row = (step + round * 3) % rows.len();
            let (way, asker) = rows[row];
            if let Some(server) = Served::start(way, WORKERS) {
                seen[row].extend(offer_while_held_up(server.address, asker, time));
            }
        }
    }
    let (nobody, held_up) = seen.split_at(1);
    show_tail("nobody held up", &nobody[0], &[]);
    for (way, both) in WAYS.iter().zip(held_up.chunks(2)) {
        show_tail(&format!("`{}`", way.name()), &both[0], &both[1]);
    }
}

fn show_tail(name: &str, times: &[Tail], own: &[Tail]) {
    if times.is_empty() {
        println!("| {name} | – | – | – | – | – | – |");
        return;
    }
    let millis = |times: &[Tail], part| {
        spread_of(times.iter().map(|tail| tail.micros.value_at_quantile(part) as f64 / 1e3))
    };
    let tail = |times: &[Tail]| {
        let (least, median, most) = millis(times, 0.999);
        format!("{median:.1} ({least:.1} to {most:.1}) ms")
    };
    let long = |tail: &Tail| {
        let above = tail.micros.count_between(LONG_MICROS, u64::MAX) as f64;
        above * 100.0 / tail.micros.len() as f64
    };
    let above = spread_of(times.iter().map(long)).1;
    let aside = spread_of(times.iter().map(|tail| tail.aside * 100.0)).1;
    let (p50, p99) = (millis(times, 0.5).1, millis(times, 0.99).1);
    let own = if own.is_empty() { "–".to_owned() } else { tail(own) };
    let tail = tail(times);
    println!(
        "| {name} | {p50:.2} ms | {p99:.2} ms | {tail} | {above:.2} % | {own} | {aside:.0} % |"
    );
}

/// Least, median and most.
fn spread_of(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    (all[0], all[all.len() / 2], all[all.len() - 1])
}

/// As [`offer`], while one worker after the other is held up. Nothing if this way gives some
/// worker no connection.
fn offer_while_held_up(address: SocketAddr, asker: Asker, time: Duration) -> Option<Tail> {
    let mut staying: [Option<TcpStream>; WORKERS] = Default::default();
    for _ in 0..1_000 {
        if asker != Asker::Staying || staying.iter().all(Option::is_some) {
            break;
        }
        let mut stream = connect(address);
        let worker = worker_of(&mut stream);
        staying[worker].get_or_insert(stream);
    }
    if asker == Asker::Staying && staying.iter().any(Option::is_none) {
        return None;
    }
    let is_over = AtomicBool::new(false);
    let hold_up = || {
        for number in 0.. {
            thread::sleep(STALL_EVERY.saturating_sub(STALL_TIME));
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            match &mut staying[number % WORKERS] {
                Some(stream) => drop(ask_again(stream, "/hold-up")),
                None if asker == Asker::Own => ask(address, "/hold-up"),
                None => {}
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(hold_up);
        let watch = |cpu| {
            scope.spawn({
                let is_over = &is_over;
                move || pauses(cpu, is_over)
            })
        };
        let watchers: Vec<_> = sys::worker_cpus().cpus.into_iter().map(watch).collect();
        let times = offer(address, time);
        is_over.store(true, Ordering::Relaxed);
        let pauses = watchers.into_iter().flat_map(|watcher| watcher.join().expect("it ends"));
        Some(Tail::of(&times, &pauses.collect::<Vec<_>>()))
    })
}

type Span = (Instant, Instant);

/// When this processor stood still, and as long again: what came meanwhile is worked off.
fn pauses(cpu: usize, is_over: &AtomicBool) -> Vec<Span> {
    sys::pin_current_thread(cpu);
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: reads the parameter that it is given. Where it is refused, the watcher waits behind
    // others, and more is set aside.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) };
    let mut pauses = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        thread::sleep(WATCH_SLEEP);
        let took = begin.elapsed();
        if took > WATCH_SLEEP + WATCH_LATE {
            pauses.push((begin.checked_sub(WATCH_BEFORE).unwrap_or(begin), begin + took * 2));
        }
    }
    pauses
}

/// The times of a run.
#[derive(Clone)]
struct Tail {
    micros: Histogram<u64>,
    /// The part that is not in it.
    aside: f64,
}

impl Tail {
    /// Of connections, each from when it was due to the end of its answer.
    fn of(times: &[Span], pauses: &[Span]) -> Tail {
        let mut micros = Histogram::new(3).expect("a valid precision");
        let is_aside = |due: &Instant| pauses.iter().any(|pause| pause.0 < *due && *due < pause.1);
        for (due, end) in times.iter().filter(|(due, _)| !is_aside(due)) {
            let took = end.duration_since(*due).as_micros();
            micros.record(u64::try_from(took).expect("not so long")).expect("it grows");
        }
        let aside = 1.0 - micros.len() as f64 / times.len() as f64;
        Tail { micros, aside }
    }
}

/// When each connection was due and when its answer had come.
fn offer(address: SocketAddr, time: Duration) -> Vec<Span> {
    let begin = Instant::now() + Duration::from_millis(20);
    let client = |index: u32| {
        let mut times = Vec::new();
        for number in 0.. {
            let due = Duration::from_secs(1) / RATE * (number * CLIENTS + index);
            if due >= time {
                return times;
            }
            thread::sleep((begin + due).saturating_duration_since(Instant::now()));
            ask(address, "/");
            times.push((begin + due, Instant::now()));
        }
        times
    };
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|index| scope.spawn(move || client(index))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect()
    })
}

// The cost.

fn costs(rounds: u64) {
    println!("\nprocessor time of a connection with one request, 2 workers, {rounds} rounds:");
    println!("medians, and over `off`\n\n| | server | over `off` | with the client | over `off` |");
    println!("|---|---:|---:|---:|---:|");
    // The first comparison, of `off` with itself, tells the noise.
    let rows = [&[Balance::Off], &WAYS[..]].concat();
    let mut seen: Vec<Vec<[f64; 2]>> = vec![Vec::new(); rows.len()];
    for round in 0..rounds as usize {
        for step in 0..rows.len() {
            let row = if round % 2 == 0 { step } else { rows.len() - 1 - step };
            seen[row].extend(cost(rows[row]));
        }
    }
    for (way, costs) in rows.iter().zip(&seen).skip(1) {
        if costs.is_empty() {
            println!("| `{}` | – | – | – | – |", way.name());
            continue;
        }
        print!("| `{}` |", way.name());
        for part in 0..2 {
            let micros = spread_of(costs.iter().map(|cost| cost[part])).1;
            let pairs = costs.iter().zip(&seen[0]);
            let ratio = spread_of(pairs.map(|(cost, off)| cost[part] / off[part]));
            print!(" {micros:.1} µs | {:.2} ({:.2} to {:.2}) |", ratio.1, ratio.0, ratio.2);
        }
        println!();
    }
}

/// Microseconds of processor time that a connection takes of the server, and of both sides.
fn cost(way: Balance) -> Option<[f64; 2]> {
    let server = Served::start(way, 2)?;
    let address = server.address;
    (0..500).for_each(|_| ask(address, "/"));
    let used = || [server.cpu_time(), cpu_time(std::process::id())];
    let (before, end) = (used(), Instant::now() + COST_TIME);
    let client = move || {
        let mut count = 0_u32;
        while Instant::now() < end {
            ask(address, "/");
            count += 1;
        }
        count
    };
    let count: u32 = thread::scope(|scope| {
        let clients: Vec<_> = (0..ASKING).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("it ends")).sum()
    });
    let after = used();
    let [server, client] = [0, 1].map(|side| {
        let used = after[side].saturating_sub(before[side]);
        used.as_secs_f64() * 1e6 / f64::from(count)
    });
    Some([server, server + client])
}

// The spread.

fn spreads() {
    println!("\nbusiest worker over the mean, {SPREADS} times: median and most\n");
    let loads = [4, 8, 16].map(|workers| [4, 16, 64].map(|each| (workers, each)));
    let loads: Vec<(usize, usize)> = loads.concat();
    print!("| workers × connections each |");
    for (workers, each) in &loads {
        print!(" {workers} × {each} |");
    }
    println!("\n|---|{}", "---:|".repeat(loads.len()));
    for way in WAYS {
        print!("| `{}` |", way.name());
        for (workers, each) in &loads {
            match spread(way, *workers, *each) {
                Some((_, median, most)) => print!(" {median:.2}, {most:.2} |"),
                None => print!(" – |"),
            }
        }
        println!();
    }
}

fn spread(way: Balance, workers: usize, each: usize) -> Option<(f64, f64, f64)> {
    let mut ratios = Vec::new();
    for _ in 0..SPREADS {
        let server = Served::start(way, workers)?;
        let mut counts = vec![0_usize; workers];
        let mut open = Vec::new();
        for _ in 0..workers * each {
            let mut stream = connect(server.address);
            counts[worker_of(&mut stream)] += 1;
            open.push(stream);
        }
        let busiest = counts.iter().max().copied().unwrap_or_default();
        ratios.push(busiest as f64 / each as f64);
    }
    Some(spread_of(ratios.into_iter()))
}
