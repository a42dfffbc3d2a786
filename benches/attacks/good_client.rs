//! The client whose answers must not suffer: a fixed rate of requests, each timed from the moment
//! at which it was meant to be sent until the kernel had its answer (`SO_TIMESTAMPNS`), less what
//! the client itself was late to send it: attackers have its processor too. What was under way
//! while the whole machine stood still is set aside. Knows nothing of attacks.

use std::io::{IoSliceMut, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use nix::sys::socket::{self, ControlMessageOwned, MsgFlags, sockopt};
use nix::sys::time::TimeSpec;

use super::stalls::Stalls;

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
    /// From the intended moment to the arrival of the answer, in nanoseconds, as a client would
    /// have it that sends on time or as soon as the answer before is there.
    pub(crate) latencies: Histogram<u64>,
    /// From the intended moment until the client has read the answer: with all that it was late,
    /// and with the stalls of the machine.
    pub(crate) whole: Histogram<u64>,
    /// The same as `latencies` of requests that each come with a connection of their own.
    pub(crate) newcomers: Histogram<u64>,
    /// Requests under way while the machine stood still: in none but `whole`.
    pub(crate) stalled: usize,
    pub(crate) failures: usize,
}

/// One request.
struct Sample {
    phase: usize,
    due: SystemTime,
    sent: SystemTime,
    /// When the kernel had the last bytes of the answer, and when the client had read them.
    arrived: Option<(SystemTime, SystemTime)>,
}

/// A few connections and their rates.
pub(crate) struct GoodClient {
    phase: Arc<AtomicUsize>,
    /// Each with whether it keeps its connection.
    lanes: Vec<(bool, JoinHandle<Vec<Sample>>)>,
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
            let keeps = number < LANES;
            let lane = std::thread::spawn(move || {
                let begin = SystemTime::now() + INTERVAL * number / LANES;
                Lane { address, keeps, connection: None }.run(begin, &phase)
            });
            (keeps, lane)
        });
        GoodClient { lanes: lanes.collect(), phase }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as usize, Ordering::Relaxed);
    }

    /// Ends it and gives the figures of the quiet and of the attack.
    pub(crate) fn finish(self, stalls: &Stalls) -> (Figures, Figures) {
        self.enter(Phase::Over);
        let mut phases = vec![Figures::new(); Phase::Over as usize];
        for (keeps, lane) in self.lanes {
            let samples = lane.join().expect("a lane does not panic");
            record(&mut phases, keeps, &samples, stalls);
        }
        (phases[Phase::Quiet as usize].clone(), phases[Phase::Attack as usize].clone())
    }
}

impl Figures {
    fn new() -> Figures {
        let histogram =
            || Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are in order");
        Figures {
            latencies: histogram(),
            whole: histogram(),
            newcomers: histogram(),
            stalled: 0,
            failures: 0,
        }
    }
}

/// Adds the requests of one lane to the figures of their phases.
fn record(phases: &mut [Figures], keeps: bool, samples: &[Sample], stalls: &Stalls) {
    // When a client that is never late would have its last answer.
    let mut answered = UNIX_EPOCH;
    for sample in samples {
        let figures = &mut phases[sample.phase];
        let Some((arrived, read)) = sample.arrived else {
            figures.failures += 1;
            continue;
        };
        if stalls.overlap(sample.sent, arrived) {
            figures.stalled += 1;
            continue;
        }
        // What kept the request before has kept this one too.
        answered = answered.max(sample.due) + from_to(sample.sent, arrived);
        let latency = from_to(sample.due, answered).as_nanos() as u64;
        if keeps {
            figures.latencies.saturating_record(latency);
            figures.whole.saturating_record(from_to(sample.due, read).as_nanos() as u64);
        } else {
            figures.newcomers.saturating_record(latency);
        }
    }
}

/// One connection after the other, or one for each request.
struct Lane {
    address: SocketAddr,
    keeps: bool,
    connection: Option<TcpStream>,
}

impl Lane {
    fn run(mut self, begin: SystemTime, phase: &AtomicUsize) -> Vec<Sample> {
        let mut samples = Vec::new();
        let interval = if self.keeps { INTERVAL } else { NEWCOMER_INTERVAL };
        for number in 0.. {
            let due = begin + interval * number;
            // A request belongs to the phase in which it was meant to be sent.
            std::thread::sleep(from_to(SystemTime::now(), due));
            let phase = phase.load(Ordering::Relaxed);
            if phase == Phase::Over as usize {
                break;
            }
            let sent = SystemTime::now();
            let arrived = self.request().ok().map(|arrived| (arrived, SystemTime::now()));
            if arrived.is_none() {
                self.connection = None;
            }
            samples.push(Sample { phase, due, sent, arrived });
        }
        samples
    }

    /// Returns when the last bytes of the answer arrived.
    fn request(&mut self) -> Result<SystemTime> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        stream.write_all(if self.keeps { KEEP_ALIVE } else { CLOSE })?;
        let mut answer = [0; 512];
        let mut len = 0;
        let mut arrived = UNIX_EPOCH;
        while !answer[..len].ends_with(BODY) {
            let (received, at) = receive(&stream, &mut answer[len..])?;
            if received == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            len += received;
            arrived = at;
        }
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        if self.keeps {
            self.connection = Some(stream);
        }
        Ok(arrived)
    }
}

fn from_to(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    socket::setsockopt(&stream, sockopt::ReceiveTimestampns, &true)?;
    Ok(stream)
}

/// Returns how many bytes were read, and when the last of them had arrived.
fn receive(stream: &TcpStream, space: &mut [u8]) -> Result<(usize, SystemTime)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut space = [IoSliceMut::new(space)];
    let message = socket::recvmsg::<()>(
        stream.as_raw_fd(),
        &mut space,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(UNIX_EPOCH + Duration::from(stamp)),
        _ => None,
    });
    // The end of a connection has none.
    Ok((message.bytes, stamp.unwrap_or(UNIX_EPOCH)))
}
