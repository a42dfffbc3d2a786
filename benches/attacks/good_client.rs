//! The client whose answers must not suffer: a fixed rate of requests, each timed from the moment
//! at which it was meant to be sent; only where the client itself woke late, which the server
//! cannot help, from the moment it was sent. Knows nothing of attacks.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// What requests belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    Quiet,
    Attack,
    Over,
}

/// What the requests of one phase saw.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// From the intended moment to the last byte of the answer, in nanoseconds, less what the
    /// client itself was late while nothing was asked of the server.
    pub(crate) latencies: Histogram<u64>,
    /// From the intended moment to the moment of sending.
    pub(crate) lateness: Histogram<u64>,
    /// The same as `latencies` of requests that each come with a connection of their own.
    pub(crate) newcomers: Histogram<u64>,
    pub(crate) failures: u64,
}

/// A few connections and their rates.
pub(crate) struct GoodClient {
    phase: Arc<AtomicUsize>,
    lanes: Vec<JoinHandle<Vec<Figures>>>,
}

const LANES: u32 = 4;
/// 250 requests a second on each of the connections that are kept.
const INTERVAL: Duration = Duration::from_millis(4);
const NEWCOMER_INTERVAL: Duration = Duration::from_millis(50);
/// What is not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Twice the patience.
const LATENCY_MAX_NS: u64 = 10_000_000_000;
const KEEP_ALIVE: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
const CLOSE: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const BODY: &[u8] = b"Hello, World!";

impl GoodClient {
    pub(crate) fn start(address: SocketAddr) -> GoodClient {
        let phase = Arc::new(AtomicUsize::new(Phase::WarmUp as usize));
        let lanes = (0..=LANES).map(|number| {
            let phase = Arc::clone(&phase);
            std::thread::spawn(move || {
                let offset = INTERVAL * number / LANES;
                let keeps = number < LANES;
                Lane { address, keeps, connection: None, begin: Instant::now() + offset }
                    .run(&phase)
            })
        });
        GoodClient { lanes: lanes.collect(), phase }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as usize, Ordering::Relaxed);
    }

    /// Ends it and gives the figures of the quiet and of the attack.
    pub(crate) fn finish(self) -> (Figures, Figures) {
        self.enter(Phase::Over);
        let mut sums = vec![Figures::new(); Phase::Over as usize];
        for lane in self.lanes {
            let phases = lane.join().expect("a lane does not panic");
            for (sum, figures) in sums.iter_mut().zip(&phases) {
                sum.add(figures);
            }
        }
        (sums[Phase::Quiet as usize].clone(), sums[Phase::Attack as usize].clone())
    }
}

impl Figures {
    fn new() -> Figures {
        let histogram =
            || Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are in order");
        Figures {
            latencies: histogram(),
            lateness: histogram(),
            newcomers: histogram(),
            failures: 0,
        }
    }

    fn add(&mut self, other: &Figures) {
        for (sum, part) in [
            (&mut self.latencies, &other.latencies),
            (&mut self.lateness, &other.lateness),
            (&mut self.newcomers, &other.newcomers),
        ] {
            sum.add(part).expect("their bounds are the same");
        }
        self.failures += other.failures;
    }
}

/// One connection after the other, or one for each request.
struct Lane {
    address: SocketAddr,
    keeps: bool,
    connection: Option<TcpStream>,
    begin: Instant,
}

impl Lane {
    fn run(mut self, phase: &AtomicUsize) -> Vec<Figures> {
        let mut phases = vec![Figures::new(); Phase::Over as usize];
        let interval = if self.keeps { INTERVAL } else { NEWCOMER_INTERVAL };
        let mut answered = self.begin;
        for number in 0.. {
            let due = self.begin + interval * number;
            // A request belongs to the phase in which it was meant to be sent.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let Some(figures) = phases.get_mut(phase.load(Ordering::Relaxed)) else { break };
            let lateness = due.elapsed();
            // An answer that came after the next request was due has delayed it: that counts.
            let from = if answered > due { due } else { Instant::now() };
            let outcome = self.request();
            answered = Instant::now();
            let latency = (answered - from).as_nanos() as u64;
            match outcome {
                Ok(()) if self.keeps => {
                    figures.latencies.saturating_record(latency);
                    figures.lateness.saturating_record(lateness.as_nanos() as u64);
                }
                Ok(()) => figures.newcomers.saturating_record(latency),
                Err(_) => {
                    figures.failures += 1;
                    self.connection = None;
                }
            }
        }
        phases
    }

    fn request(&mut self) -> Result<()> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        stream.write_all(if self.keeps { KEEP_ALIVE } else { CLOSE })?;
        let mut answer = [0; 512];
        let mut len = 0;
        while !answer[..len].ends_with(BODY) {
            let received = stream.read(&mut answer[len..])?;
            if received == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            len += received;
        }
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        if self.keeps {
            self.connection = Some(stream);
        }
        Ok(())
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
