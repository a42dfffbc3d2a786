//! Many bad clients at once on one thread: opens connections at a pace, sends what its wave says,
//! and tells what became of them. Knows nothing of the server but its address.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};

/// What every connection of an attack does.
pub(crate) struct Wave {
    pub(crate) connections: usize,
    /// Connections opened in a second.
    pub(crate) pace: usize,
    /// What a connection sends at once, as far as the server takes it: number n the nth of them,
    /// and the first again after the last.
    pub(crate) openings: Vec<Vec<u8>>,
    /// What it sends after that.
    pub(crate) drip: Drip,
    /// What it does after its last byte.
    pub(crate) then: Then,
    pub(crate) reads: Reads,
    /// When those that are left are reset.
    pub(crate) time: Duration,
}

/// Bytes sent in pieces, one at a time.
pub(crate) struct Drip {
    /// Repeated until `total` bytes are sent.
    pub(crate) bytes: Vec<u8>,
    pub(crate) total: usize,
    pub(crate) piece: usize,
    pub(crate) every: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Everything, four times a second.
    All,
    /// So many bytes, four times a second.
    Few(usize),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    HalfClose,
    Hold,
    Reset,
}

/// What became of a wave.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) opened: usize,
    /// Connections that the kernel would not open.
    pub(crate) unopened: usize,
    /// First answers by their status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Ended by the server: with a FIN, or with a reset.
    pub(crate) finished: usize,
    pub(crate) reset: usize,
    /// Ended by the connection itself when it had sent everything.
    pub(crate) left: usize,
    /// Still open when the time was over.
    pub(crate) still_open: usize,
    pub(crate) sent_bytes: u64,
    /// From the connect to the end by the server.
    lives: Vec<Duration>,
}

impl Outcome {
    /// The shortest and the longest time until the server ended a connection.
    pub(crate) fn lives(&self) -> Option<(Duration, Duration)> {
        Some((*self.lives.iter().min()?, *self.lives.iter().max()?))
    }

    pub(crate) fn to_json(&self) -> Value {
        let lives = self.lives().map(|(least, most)| [least.as_millis(), most.as_millis()]);
        let statuses: BTreeMap<_, _> =
            self.statuses.iter().map(|(status, count)| (status.to_string(), count)).collect();
        json!({
            "opened": self.opened, "unopened": self.unopened, "statuses": statuses,
            "finished": self.finished, "reset": self.reset, "left": self.left,
            "still_open": self.still_open, "sent_bytes": self.sent_bytes,
            "lives_ms": lives.map(|lives| lives.map(|life| life as u64)),
        })
    }
}

/// One bad client.
struct Attacker {
    stream: TcpStream,
    opening: usize,
    sent: usize,
    opened: Instant,
    drip_due: Instant,
    look_due: Instant,
    /// The begin of what it received.
    answer: Vec<u8>,
    /// Whether it has done what is done after the last byte.
    is_done: bool,
}

/// How a look at a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Finished,
    Left,
    Open,
    Reset,
}

/// How often a connection looks whether it was answered or ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Pause between two rounds over all connections: others need the CPU too, but so many clients do
/// not act in step.
const ROUND_TIME: Duration = Duration::from_micros(300);
/// When a connection that may send nothing tries again.
const RETRY_TIME: Duration = Duration::from_millis(10);
/// Connections opened in one round, if a round was late.
const OPENED_PER_ROUND: usize = 10;
/// What those offer that do not read all: their answers wait at the server.
const SMALL_WINDOW_BYTES: usize = 4 * 1024;
/// Bytes offered to the kernel at once.
const OFFER_BYTES: usize = 64 * 1024;
/// `HTTP/1.1 200` is as much of an answer as is looked at.
const STATUS_BYTES: usize = 12;
/// Each address of our own has 28,000 ports; `127.<n>.0.1` are so many addresses.
const SOURCES: usize = 16;

/// Runs a wave against the server at `address` until all its connections ended or its time is
/// over.
pub(crate) fn run(wave: &Wave, address: SocketAddr) -> Swarm {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut attackers: Vec<Attacker> = Vec::with_capacity(wave.connections);
    let mut space = vec![0; OFFER_BYTES];
    loop {
        let elapsed = began.elapsed();
        let wanted = elapsed.as_millis() as usize * wave.pace / 1_000 + 1;
        let tried = outcome.opened + outcome.unopened;
        let opening = wanted.min(wave.connections).saturating_sub(tried).min(OPENED_PER_ROUND);
        for number in tried..tried + opening {
            match open(number, wave.reads, address) {
                Ok(stream) => {
                    attackers.push(Attacker::new(wave, stream, number));
                    outcome.opened += 1;
                }
                Err(_) => outcome.unopened += 1,
            }
        }
        let now = Instant::now();
        attackers.retain_mut(|attacker| attacker.go_on(wave, now, &mut outcome, &mut space));
        let is_all_open = outcome.opened + outcome.unopened == wave.connections;
        if (is_all_open && attackers.is_empty()) || elapsed > wave.time {
            break;
        }
        std::thread::sleep(ROUND_TIME);
    }
    outcome.still_open = attackers.len();
    Swarm { attackers, outcome }
}

/// What is left of a wave.
pub(crate) struct Swarm {
    attackers: Vec<Attacker>,
    outcome: Outcome,
}

impl Swarm {
    /// Resets the connections that are left.
    pub(crate) fn end(self) -> Outcome {
        for attacker in &self.attackers {
            attacker.abort_at_close();
        }
        self.outcome
    }
}

/// A connection that may still be under way: it behaves as one whose peer is slow.
fn open(number: usize, reads: Reads, address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if reads != Reads::All {
        socket.set_recv_buffer_size(SMALL_WINDOW_BYTES)?;
    }
    let source = Ipv4Addr::new(127, 1 + (number % SOURCES) as u8, 0, 1);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => {
            socket.set_tcp_nodelay(true)?;
            Ok(socket.into())
        }
    }
}

impl Attacker {
    fn new(wave: &Wave, stream: TcpStream, number: usize) -> Attacker {
        let now = Instant::now();
        Attacker {
            stream,
            opening: number % wave.openings.len(),
            sent: 0,
            opened: now,
            drip_due: now,
            look_due: now + LOOK_INTERVAL,
            answer: Vec::new(),
            is_done: false,
        }
    }

    /// Sends and reads what is due. Returns whether the connection is still open.
    fn go_on(
        &mut self,
        wave: &Wave,
        now: Instant,
        outcome: &mut Outcome,
        space: &mut [u8],
    ) -> bool {
        let mut life = Life::Open;
        if now >= self.drip_due && !self.is_done {
            let before = self.sent;
            life = self.send(wave, now);
            outcome.sent_bytes += (self.sent - before) as u64;
        }
        // An attacker that cannot send any more may still have been told why.
        if life == Life::Reset || (life == Life::Open && now >= self.look_due) {
            self.look_due = now + LOOK_INTERVAL;
            let seen = match wave.reads {
                Reads::All => self.receive(space, usize::MAX),
                // A reset is seen before the bytes that came before it are all read.
                Reads::Few(len) => match self.look() {
                    Life::Open => self.receive(&mut space[..len], len),
                    over => over,
                },
                Reads::Nothing => self.look(),
            };
            life = if seen == Life::Open { life } else { seen };
        }
        match life {
            Life::Open => return true,
            Life::Left => outcome.left += 1,
            Life::Finished => outcome.finished += 1,
            Life::Reset => outcome.reset += 1,
        }
        if life != Life::Left {
            outcome.lives.push(now - self.opened);
        }
        let status = std::str::from_utf8(&self.answer).ok().and_then(|answer| answer.get(9..12));
        if let Some(status) = status.and_then(|status| status.parse().ok()) {
            *outcome.statuses.entry(status).or_default() += 1;
        }
        false
    }

    fn send(&mut self, wave: &Wave, now: Instant) -> Life {
        let opening = &wave.openings[self.opening];
        let total = opening.len() + wave.drip.total;
        while self.sent < total {
            let result = if self.sent < opening.len() {
                let rest = &opening[self.sent..];
                self.stream.write(&rest[..rest.len().min(OFFER_BYTES)])
            } else {
                let at = (self.sent - opening.len()) % wave.drip.bytes.len();
                let rest = &wave.drip.bytes[at..];
                self.stream.write(&rest[..rest.len().min(wave.drip.piece).min(total - self.sent)])
            };
            match result {
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.drip_due = now + RETRY_TIME;
                    return Life::Open;
                }
                Err(_) => return Life::Reset,
            }
            if self.sent >= opening.len() && self.sent < total {
                self.drip_due = now + wave.drip.every;
                return Life::Open;
            }
        }
        self.is_done = true;
        match wave.then {
            Then::Hold => Life::Open,
            Then::HalfClose => match self.stream.shutdown(Shutdown::Write) {
                Ok(()) => Life::Open,
                Err(_) => Life::Reset,
            },
            Then::Close => Life::Left,
            Then::Reset => {
                self.abort_at_close();
                Life::Left
            }
        }
    }

    /// Reads what there is, and at most about `most` bytes.
    fn receive(&mut self, space: &mut [u8], most: usize) -> Life {
        let mut received = 0;
        while received < most {
            match self.stream.read(space) {
                Ok(0) => return Life::Finished,
                Ok(len) => {
                    received += len;
                    let missing = STATUS_BYTES.saturating_sub(self.answer.len());
                    self.answer.extend_from_slice(&space[..len.min(missing)]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Life::Open,
                Err(_) => return Life::Reset,
            }
        }
        Life::Open
    }

    /// Looks whether the connection was reset without reading.
    fn look(&mut self) -> Life {
        match self.stream.take_error() {
            Ok(None) => Life::Open,
            _ => Life::Reset,
        }
    }

    fn abort_at_close(&self) {
        // Failing here only costs a port for a minute.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
