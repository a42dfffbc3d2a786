//! One request through protocol and application in memory: nanoseconds, or under callgrind
//! instructions. The kernel has no part in it.
//!
//! `cargo bench --bench in_memory` prints nanoseconds per request. For instructions:
//! `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*one_batch*' BINARY --count N`
//! counts N batches of each work; `benches/instructions.sh` does it and divides.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use corelane::api::{Home, NoBlocking, Outbox, Parcel, Pulse, Remote};
use corelane::app::welcome::welcome;
use corelane::clock::{Clock, Moment};
use corelane::proto::http1::{Assembly, Context, Http1};
use corelane::proto::{Scribe, Tally, Watch};
use corelane::{Router, Settings};

const PLAINTEXT: &str = "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
const TECHEMPOWER: &str = "GET /plaintext HTTP/1.1\r\nHost: tfb-server:8080\r\n\
    Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,application/xml;q=0.8,*/*;q=0.7\r\n\
    Connection: keep-alive\r\n\r\n";
const PARAMETER: &str = "GET /users/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
const ECHO: &str =
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// What is measured: a name, what arrives at once, and how many requests that is.
fn works() -> Vec<(&'static str, String, usize)> {
    vec![
        ("plaintext, wrk's head", PLAINTEXT.to_owned(), 1),
        ("plaintext, TechEmpower's head", TECHEMPOWER.to_owned(), 1),
        ("plaintext, 16 pipelined", PLAINTEXT.repeat(16), 16),
        ("a parameter and JSON", PARAMETER.to_owned(), 1),
        ("POST and its echo", ECHO.to_owned(), 1),
    ]
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.requests_max = u32::MAX;
    settings
}

struct Bench {
    http1: Http1,
    assembly: Assembly,
    outbox: Outbox,
    router: Router,
    tally: Tally,
    pulse: Pulse,
    settings: Settings,
    remote: Remote,
}

/// Nothing comes from elsewhere here.
struct Nowhere;

impl Home for Nowhere {
    fn take(&self, _: Parcel) {}
}

impl Bench {
    fn new() -> Bench {
        let remote = Remote::new(Arc::new(Nowhere), Arc::new(NoBlocking));
        let board = Arc::new(corelane::api::Board::new(Clock::new(), 1));
        Bench {
            http1: Http1::new(Moment::default(), Moment::NEVER),
            assembly: Assembly::default(),
            outbox: Outbox::new(Some("corelane"), 1_700_000_000, remote.clone()),
            router: welcome(&corelane::WorkerInfo::new(0, board)),
            tally: Tally::new(9),
            pulse: Pulse::new(0),
            // One connection has them all.
            settings: settings(),
            remote,
        }
    }

    /// Receives `bytes` as from a socket, handles them, and drops the answers as sent.
    #[inline(never)]
    fn one_batch(&mut self, bytes: &[u8]) -> usize {
        let space = self.assembly.block.space_mut();
        space[..bytes.len()].copy_from_slice(bytes);
        self.assembly.block.fill(bytes.len());
        black_box(self.http1.on_received(&mut Context {
            now: Moment::from_nanos(1),
            settings: &self.settings,
            assembly: &mut self.assembly,
            outbox: &mut self.outbox,
            handler: &mut self.router,
            tally: &mut self.tally,
            pulse: &self.pulse,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            key: 0,
            remote: &self.remote,
            memory_left: usize::MAX,
            is_overdue: false,
            is_blocked: false,
            watch: Watch::default(),
            scribe: Scribe::default(),
        }));
        let len = self.outbox.queue.unsent();
        self.outbox.queue.consume(len);
        len
    }
}

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--count").skip(1);
    if let Some(count) = args.next() {
        let work = args.next().and_then(|index| index.parse().ok()).unwrap_or(0_usize);
        return count_batches(count.parse().expect("--count BATCHES [WORK]"), work);
    }
    println!("{:<32}{:>16}{:>16}", "work", "ns per request", "best of 20");
    for (name, bytes, requests) in works() {
        let mut bench = Bench::new();
        let mut samples: Vec<f64> = (0..20).map(|_| sample(&mut bench, &bytes, requests)).collect();
        samples.sort_by(f64::total_cmp);
        println!("{name:<32}{:>16.1}{:>16.1}", samples[samples.len() / 2], samples[0]);
    }
}

fn sample(bench: &mut Bench, bytes: &str, requests: usize) -> f64 {
    let batches = 200_000 / requests;
    let began = Instant::now();
    for _ in 0..batches {
        black_box(bench.one_batch(black_box(bytes.as_bytes())));
    }
    let measured = u32::try_from(batches * requests).expect("about 200,000");
    began.elapsed().as_secs_f64() * 1e9 / f64::from(measured)
}

fn count_batches(batches: usize, work: usize) {
    let (name, bytes, requests) = works().swap_remove(work);
    let mut bench = Bench::new();
    for _ in 0..batches {
        black_box(bench.one_batch(black_box(bytes.as_bytes())));
    }
    println!("{name}: {batches} batches of {requests}");
}
