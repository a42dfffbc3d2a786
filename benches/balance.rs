//! What each way of spreading connections over workers does: the tail when one worker is held up,
//! and the processor time of a connection. Knows the server by its public face.
//!
//! `cargo bench --bench balance`; `-- --seconds 5 --pairs 9` are the defaults.
//!
//! The tail: 4 workers, each with a connection that stays; by one of these a worker is held up for
//! 40 ms of every 200 ms. All others are new connections for one request each, so many a second
//! whatever comes back, timed from when each was due. The cost:
//! 2 workers, 4 clients that ask as fast as they are answered; the time is that of the whole
//! process, because the kernel does its part of a connection where the client connects. Runs
//! alternate with those of `off`, and the median of the ratios is shown.
#![allow(clippy::cast_precision_loss)] // Figures to be shown.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane::settings::Balance;
use corelane::{Router, Running, Server, Settings, StartError};
use hdrhistogram::Histogram;

const WAYS: [Balance; 4] = [Balance::Off, Balance::RoundRobin, Balance::Ebpf, Balance::HandOver];

const STALL_EVERY: Duration = Duration::from_millis(200);
const STALL_TIME: Duration = Duration::from_millis(40);

/// Clients of the open loop, enough for those that wait for the held-up worker.
const CLIENTS: u32 = 256;
/// Connections a second. The first one that comes to a worker after it was held up has to wait
/// whatever is done: so many that these are less than one in a thousand.
const RATE: u32 = 8_000;

/// Longer than this nobody waits but for a worker that is held up.
const LONG_MICROS: u64 = 20_000;

/// Clients of the closed loop.
const ASKING: usize = 4;

/// Ticks a second of the times in `/proc`, on every Linux that is met.
const TICKS: f64 = 100.0;

fn main() {
    let time = Duration::from_secs(argument("--seconds", 5));
    println!("one of 4 workers held up for {STALL_TIME:?} of every {STALL_EVERY:?},");
    println!("{RATE} new connections a second, {time:?} a run");
    print!("{:<13}", "");
    for head in ["P50", "P90", "P99", "P99.9", "max", "above 20 ms"] {
        print!("  {head:>9}");
    }
    println!();
    for round in 1..=3 {
        for way in WAYS {
            let Some(server) = server(way, 4) else { continue };
            let times = offer_while_held_up(server.addresses()[0], time);
            let figures = [0.5, 0.9, 0.99, 0.999, 1.0].map(|q| times.value_at_quantile(q));
            print!("{:<13}", format!("{round} {}", way.name()));
            for micros in figures {
                print!("  {:>6.2} ms", micros as f64 / 1e3);
            }
            let long = times.count_between(LONG_MICROS, times.max());
            println!("  {:>9.2} %", long as f64 * 100.0 / times.len() as f64);
        }
    }
    let pairs = argument("--pairs", 9);
    for requests in [1, 16] {
        println!("\nprocessor time of a connection with {requests} requests, 2 workers");
        for way in WAYS {
            compare(way, requests, pairs);
        }
    }
}

/// The number after `name` on the command line.
fn argument(name: &str, default: u64) -> u64 {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1).map_or(default, |value| value.parse().expect("a number"))
}

/// A server, unless the kernel lets only others place connections.
fn server(way: Balance, workers: usize) -> Option<Running> {
    let mut settings = Settings::default();
    settings.balance = way;
    // The pauses are ours.
    settings.stall_time = None;
    settings.overload_delay = None;
    let server = Server::bind("127.0.0.1:0")
        .workers(NonZeroUsize::new(workers).expect("some"))
        .pin(false)
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
        Err(StartError::Steering(error)) => {
            println!("{:<12} not here: {error}", way.name());
            None
        }
        server => Some(server.expect("it starts")),
    }
}

/// Opens a connection, asks so many times and reads to its end.
fn ask(address: SocketAddr, requests: usize) {
    let mut stream = TcpStream::connect(address).expect("it connects");
    stream.set_nodelay(true).expect("it is TCP");
    for _ in 1..requests {
        assert_eq!(ask_again(&mut stream, "/"), "here");
    }
    let last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(last).expect("it is there");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it ends");
    assert!(answer.ends_with(b"here"));
}

/// One more request on a connection that stays.
fn ask_again(stream: &mut TcpStream, target: &str) -> String {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is there");
    let mut space = [0; 512];
    // An answer as short as this comes whole.
    let len = stream.read(&mut space).expect("it is there");
    let answer = String::from_utf8_lossy(&space[..len]);
    answer.rsplit("\r\n").next().expect("a body").to_owned()
}

/// As [`offer`], while one worker is held up again and again. Each worker has one connection that
/// stays, so that none is chosen for having fewer.
fn offer_while_held_up(address: SocketAddr, time: Duration) -> Histogram<u64> {
    let mut staying: [Option<TcpStream>; 4] = Default::default();
    while staying.iter().any(Option::is_none) {
        let mut stream = TcpStream::connect(address).expect("it connects");
        let worker: usize = ask_again(&mut stream, "/who").parse().expect("a number");
        staying[worker].get_or_insert(stream);
    }
    let [Some(first), ..] = &mut staying else { unreachable!("all are there") };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(STALL_EVERY.saturating_sub(STALL_TIME));
                ask_again(first, "/hold-up");
            }
        });
        let times = offer(address, time);
        is_over.store(true, Ordering::Relaxed);
        times
    })
}

/// Times in microseconds from when each connection was due to the end of its answer.
fn offer(address: SocketAddr, time: Duration) -> Histogram<u64> {
    let begin = Instant::now() + Duration::from_millis(20);
    let client = |index: u32| {
        let mut times = Histogram::<u64>::new(3).expect("a valid precision");
        for number in 0.. {
            let due = Duration::from_secs(1) / RATE * (number * CLIENTS + index);
            if due >= time {
                return times;
            }
            thread::sleep((begin + due).saturating_duration_since(Instant::now()));
            ask(address, 1);
            let micros = (begin + due).elapsed().as_micros();
            times.record(u64::try_from(micros).expect("not so long")).expect("it grows");
        }
        times
    };
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|index| scope.spawn(move || client(index))).collect();
        let mut all = Histogram::<u64>::new(3).expect("a valid precision");
        for client in clients {
            all.add(client.join().expect("it ends")).expect("it grows");
        }
        all
    })
}

/// Compares the processor time of a connection with that of `off`.
fn compare(way: Balance, requests: usize, pairs: u64) {
    let mut ratios = Vec::new();
    let mut micros = Vec::new();
    for pair in 0..pairs {
        let order = if pair % 2 == 0 { [Balance::Off, way] } else { [way, Balance::Off] };
        let mut both = [0.0; 2];
        for (place, which) in order.into_iter().enumerate() {
            let Some(cost) = cost(which, requests) else { return };
            // A comparison of `off` with itself tells the noise.
            both[if pair % 2 == 0 { place } else { 1 - place }] = cost;
        }
        ratios.push(both[1] / both[0]);
        micros.push(both[1]);
    }
    let [ratio, micros] = [ratios, micros].map(|mut all| {
        all.sort_by(f64::total_cmp);
        (all[0], all[all.len() / 2], all[all.len() - 1])
    });
    println!(
        "{:<12} {:>7.2} µs, {:.3} of off ({:.3} to {:.3}, {pairs} pairs)",
        way.name(),
        micros.1,
        ratio.1,
        ratio.0,
        ratio.2
    );
}

/// Microseconds of processor time that a connection with so many requests takes.
fn cost(way: Balance, requests: usize) -> Option<f64> {
    let server = server(way, 2)?;
    let address = server.addresses()[0];
    (0..200).for_each(|_| ask(address, requests));
    let (before, end) = (processor_time(), Instant::now() + Duration::from_secs(1));
    let client = move || {
        let mut count = 0_u32;
        while Instant::now() < end {
            ask(address, requests);
            count += 1;
        }
        count
    };
    let count: u32 = thread::scope(|scope| {
        let clients: Vec<_> = (0..ASKING).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("it ends")).sum()
    });
    Some((processor_time() - before) * 1e6 / f64::from(count))
}

/// Seconds of processor time that this process has used.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("it is Linux");
    let fields = stat.rsplit(')').next().expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / TICKS
}
