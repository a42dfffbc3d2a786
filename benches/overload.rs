//! Goodput under more load than a worker can serve, with and without overload control: a generator
//! on one processor that keeps its rate whatever comes back, a server of one worker on another.
//! Knows the server by its public face; uses the crate's own epoll and sockets to be fast enough.
//!
//! `cargo bench --bench overload`; `-- --work-us 200 --seconds 4 --connections 3000` are the
//! defaults. The times of answers run from the moment their requests were due to be sent. On a
//! machine with other work, compare goodput per second of the server's own processor time.
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss)] // Figures to be shown.

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::IoSlice;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use corelane::sys::{Epoll, Interest, Stream, Token, pin_current_thread, worker_cpus};
use corelane::{Router, Running, Server, Settings};
use hdrhistogram::Histogram;
use std::os::fd::AsFd;

/// After so long a client has given up, and its answer is of no use.
const DEADLINE: Duration = Duration::from_millis(250);

/// The rates asked for, in parts of the capacity.
const LOADS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 3.0];

const WORK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PAUSE: &[u8] = b"GET /pause HTTP/1.1\r\nHost: a\r\n\r\n";

/// How long the worker stands still for a pause.
const PAUSE_TIME: Duration = Duration::from_millis(300);
/// How long answers that are too late are waited for.
const SETTLE_TIME: Duration = Duration::from_secs(30);

const PAUSE_EVERY: Duration = Duration::from_secs(2);

fn main() {
    let work = Duration::from_micros(argument("--work-us", 200));
    let time = Duration::from_secs(argument("--seconds", 4));
    let connections = usize::try_from(argument("--connections", 3_000)).expect("it fits");
    let cpus = worker_cpus().cpus;
    assert!(cpus.len() > 1, "the generator needs a processor of its own");
    let burns = burns_of(work);
    // Both before this thread is pinned: threads inherit where they may run.
    let servers = [true, false].map(|control| (control, server(control, burns)));
    // Workers take the first processor; the one that is not asked rests.
    assert!(pin_current_thread(cpus[1]), "the generator is pinned");
    let mut peak: f64 = 0.0;
    for (control, server) in servers {
        let address = server.addresses()[0];
        let capacity = Generator::new(address, 64).saturate(time);
        let state = if control { "with" } else { "without" };
        println!(
            "\n{state} overload control, capacity {capacity:.0}/s, {work:?} of work a request"
        );
        println!("{}", Outcome::HEADER);
        let mut at_double = 0.0;
        for load in LOADS {
            let outcome = Generator::new(address, connections).offer(load * capacity, time, false);
            println!("{load:>5.1} {outcome}");
            // Below the capacity the server's time is not used up.
            if load >= 1.0 {
                peak = peak.max(outcome.goodput_of_cpu());
            }
            if load.to_bits() == 2.0_f64.to_bits() {
                at_double = outcome.goodput_of_cpu();
            }
        }
        let outcome = Generator::new(address, connections).offer(0.5 * capacity, time, true);
        println!("{:>5.1} {outcome}, with pauses of {PAUSE_TIME:?} each {PAUSE_EVERY:?}", 0.5);
        let share = at_double / peak * 100.0;
        println!("goodput per processor second at twice the capacity: {share:.0} % of the peak");
        server.stop();
        server.wait().expect("it stops");
    }
}

/// The number after `name`; Cargo adds arguments of its own.
fn argument(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().map_or(default, |number| number.parse().expect("a number follows"))
}

fn server(control: bool, burns: u64) -> Running {
    let mut settings = Settings::default();
    if !control {
        settings.overload_delay = None;
    }
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).settings(settings);
    server.start(move |_| application(burns)).expect("it starts")
}

fn application(burns: u64) -> Router {
    Router::new()
        .get("/", move |_, res| {
            burn(burns);
            res.text("Hello, World!")
        })
        .get("/pause", |_, res| {
            std::thread::sleep(PAUSE_TIME);
            res.text("")
        })
}

/// Work that takes the processor and nothing else.
fn burn(times: u64) {
    let mut state = 1_u64;
    for _ in 0..times {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// How many burns take so long, on a processor that does nothing else.
fn burns_of(time: Duration) -> u64 {
    const TRIAL: u64 = 100_000;
    let best = (0..50).map(|_| {
        let began = Instant::now();
        burn(TRIAL);
        began.elapsed()
    });
    let best = best.min().unwrap_or_default().as_secs_f64();
    (time.as_secs_f64() / best * TRIAL as f64) as u64
}

/// Processor time of every thread but this one, the generator's.
fn server_cpu() -> Duration {
    let ours = std::fs::read_link("/proc/thread-self").expect("there is /proc");
    let tasks = std::fs::read_dir("/proc/self/task").expect("there is /proc");
    let others = tasks.flatten().filter(|task| Some(&*task.file_name()) != ours.file_name());
    let nanos = others.filter_map(|task| {
        let figures = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        figures.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// What came of the requests of one rate.
struct Outcome {
    offered: f64,
    time: Duration,
    good: u64,
    turned_away: u64,
    unanswered: u64,
    times: Histogram<u64>,
    /// Processor time of the server.
    cpu: Duration,
}

impl Outcome {
    const HEADER: &str =
        " load  offered/s  200 in time/s  per cpu s    503/s  too late/s   P50 of 200   P99 of 200";

    fn goodput(&self) -> f64 {
        self.good as f64 / self.time.as_secs_f64()
    }

    fn goodput_of_cpu(&self) -> f64 {
        self.good as f64 / self.cpu.as_secs_f64()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.time.as_secs_f64();
        let late = self.times.len() - self.good + self.unanswered;
        let at = |quantile| self.times.value_at_quantile(quantile) as f64 / 1e6;
        write!(
            f,
            "{:>10.0} {:>14.0} {:>10.0} {:>8.0} {:>11.0} {:>9.1} ms {:>9.1} ms",
            self.offered,
            self.goodput(),
            self.goodput_of_cpu(),
            self.turned_away as f64 / seconds,
            late as f64 / seconds,
            at(0.5),
            at(0.99),
        )
    }
}

/// Clients on as many connections, each with one request at a time.
struct Generator {
    epoll: Epoll,
    clients: Vec<(Stream, Instant)>,
    idle: VecDeque<usize>,
    random: u64,
}

impl Generator {
    fn new(address: SocketAddr, connections: usize) -> Generator {
        let epoll = Epoll::new().expect("there are descriptors");
        let connect = |index: usize| {
            let stream = TcpStream::connect(address).expect("the server accepts");
            stream.set_nodelay(true).expect("it is TCP");
            let stream = Stream::adopt(stream.into()).expect("it is a socket");
            let token = Token(index as u64);
            epoll.add(stream.as_fd(), token, Interest::Receive).expect("it is watched");
            (stream, Instant::now())
        };
        let clients: Vec<_> = (0..connections).map(connect).collect();
        Generator {
            epoll,
            clients,
            idle: (0..connections).collect(),
            random: 88_172_645_463_325_252,
        }
    }

    /// Answers per second while every client asks again at once.
    fn saturate(&mut self, time: Duration) -> f64 {
        let began = Instant::now();
        let mut answers = 0_u64;
        while began.elapsed() < time {
            while let Some(client) = self.idle.pop_front() {
                self.send(client, WORK, Instant::now());
            }
            self.receive(|_, _| answers += 1);
        }
        answers as f64 / began.elapsed().as_secs_f64()
    }

    /// Asks at random moments, `rate` times a second on average, whatever is answered.
    fn offer(&mut self, rate: f64, time: Duration, pauses: bool) -> Outcome {
        let mut times =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("they are constants");
        let (mut good, mut turned_away, mut asked) = (0, 0, 0);
        let mut due: VecDeque<Instant> = VecDeque::new();
        let (began, cpu_before) = (Instant::now(), server_cpu());
        let (mut next, mut next_pause) = (began, began + Duration::from_millis(500));
        // What is not answered by then is no use to anybody.
        while began.elapsed() < time + DEADLINE {
            let now = Instant::now();
            while next <= now && next < began + time {
                due.push_back(next);
                asked += 1;
                next += self.gap(rate);
            }
            if pauses && now >= next_pause && now < began + time {
                next_pause += PAUSE_EVERY;
                let client = self.idle.pop_front().expect("half of the capacity is not all");
                self.send(client, PAUSE, now);
                asked += 1;
            }
            while !due.is_empty()
                && let Some(client) = self.idle.pop_front()
            {
                let at = due.pop_front().expect("it is not empty");
                self.send(client, WORK, at);
            }
            self.receive(|is_ok, took| {
                turned_away += u64::from(!is_ok);
                if is_ok {
                    times.saturating_record(took.as_nanos() as u64);
                    good += u64::from(took <= DEADLINE);
                }
            });
        }
        let cpu = server_cpu().saturating_sub(cpu_before);
        // Otherwise the server would spend the next rate's time on what is left of this one.
        while self.idle.len() < self.clients.len() && began.elapsed() < time + SETTLE_TIME {
            self.receive(|_, _| {});
        }
        let unanswered = asked - times.len() - turned_away;
        Outcome { offered: rate, time, good, turned_away, unanswered, times, cpu }
    }

    /// The time to the next request: exponentially distributed, as of many independent clients.
    fn gap(&mut self, rate: f64) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let uniform = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - uniform).ln() / rate)
    }

    fn send(&mut self, client: usize, request: &[u8], due: Instant) {
        let (stream, asked) = &mut self.clients[client];
        *asked = due;
        assert_eq!(stream.send(&[IoSlice::new(request)]).expect("there is room"), request.len());
    }

    /// Tells of each answer whether it is a 200 and how long it took.
    fn receive(&mut self, mut answered: impl FnMut(bool, Duration)) {
        let mut ready = Vec::new();
        self.epoll.wait(&mut ready, Some(Duration::ZERO)).expect("it waits");
        let mut space = [0; 1_000];
        for readiness in ready {
            let client = readiness.token.0 as usize;
            let (stream, due) = &self.clients[client];
            let len = stream.receive(&mut space).expect("the server answers");
            // Answers are small and come whole.
            let is_ok = space.starts_with(b"HTTP/1.1 200 ");
            assert!(is_ok || space[..len].starts_with(b"HTTP/1.1 503 "), "another answer");
            answered(is_ok, due.elapsed());
            self.idle.push_back(client);
        }
    }
}
