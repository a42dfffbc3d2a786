//! The attacks: what each does, with which settings it is met, and what must become of it. Knows
//! nothing of how long anything takes on this machine.

use std::time::Duration;

use corelane::{Bytes, Request, Response, Router, Settings};
use serde_json::Value;

use super::random::Random;
use super::swarm::{Drip, Reads, Then, Wave};

/// One attack.
#[allow(dead_code, reason = "what is only measured is not looked at by the test")]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What differs from [`usual_settings`].
    pub(crate) settings: fn(&mut Settings, Size),
    pub(crate) wave: fn(Size) -> Wave,
    /// Bytes of the server's memory that a connection may hold, besides its slot.
    pub(crate) held_bytes: u64,
    /// Why connections may end, as closes or refusals.
    pub(crate) ends: &'static [&'static str],
    /// What at least so many hundredths of them must be counted as, as a close or a refusal.
    pub(crate) mainly: (&'static str, u64),
    /// Milliseconds after which the server must end each connection, to a second: how long it
    /// may be slow.
    pub(crate) life_ms: Option<u64>,
}

/// How large and how long attacks are.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Connections of the largest.
    pub(crate) connections: usize,
    /// Times are divided by this.
    pub(crate) hurry: u32,
    /// How much longer than it should take the end of an attack is waited for.
    pub(crate) patience: Duration,
}

impl Size {
    pub(crate) fn time(self, millis: u64) -> Duration {
        Duration::from_millis(millis) / self.hurry
    }

    /// A part of the connections.
    fn part(self, divisor: usize) -> usize {
        (self.connections / divisor).max(1)
    }
}

/// Bytes of the large answers, and of those that are made for each request.
pub(crate) const LARGE_BYTES: usize = 1_000_000;
pub(crate) const MADE_BYTES: usize = 100_000;

/// The application under attack.
pub(crate) fn application() -> Router {
    static LARGE: [u8; LARGE_BYTES] = [b'x'; LARGE_BYTES];
    Router::new()
        .get("/plaintext", |_: &Request<'_>, res: Response<'_>| res.text("Hello, World!"))
        .get("/page", |_: &Request<'_>, res: Response<'_>| {
            res.bytes(Bytes::Static(&LARGE[..2_000]))
        })
        .get("/large", |_: &Request<'_>, res: Response<'_>| res.bytes(Bytes::Static(&LARGE)))
        .get("/made", |_: &Request<'_>, res: Response<'_>| res.bytes(vec![b'x'; MADE_BYTES]))
        .post("/echo", |req: &Request<'_>, res: Response<'_>| res.bytes(req.body()))
}

/// The settings that all attacks are met with: the defaults, with times short enough to wait for
/// and with a bound of memory that shows.
pub(crate) fn usual_settings(size: Size) -> Settings {
    let mut settings = Settings::default();
    settings.connections_max = Some(size.connections * 3 / 2);
    settings.memory_max = Some(512 << 20);
    settings.head_time = size.time(6_000);
    settings.rate_time = size.time(6_000);
    settings.send_time = size.time(4_000);
    // Whoever else uses the CPUs must not decide what becomes of an attack.
    settings.overload_delay = None;
    settings
}

const GET: &str = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
const POST_CHUNKED: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A part of a block and its head.
const KEPT_BYTES: u64 = 40 << 10;
const MEMORY_MAX: u64 = 64 << 20;

/// A wave that sends one thing and waits for the server to end it.
fn wave(size: Size, connections: usize, openings: Vec<Vec<u8>>) -> Wave {
    Wave {
        connections,
        pace: size.connections / 4 * size.hurry as usize,
        openings,
        drip: Drip { bytes: Vec::new(), total: 0, piece: 1, every: size.time(1_000) },
        then: Then::Hold,
        reads: Reads::All,
        time: size.time(13_000) + size.patience,
    }
}

pub(crate) const ATTACKS: [Attack; 17] = [
    Attack {
        name: "slow heads, a byte a second",
        settings: |_, _| {},
        wave: |size| {
            let opening = "GET /plaintext HTTP/1.1\r\nHost: a\r\nX: ";
            dripping(wave(size, size.connections, vec![opening.into()]), b"a", 1, 60)
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "head_too_slow"],
        mainly: ("head_too_slow", 100),
        life_ms: Some(6_000),
    },
    Attack {
        name: "slow heads of 8 kB, with 64 MiB of memory",
        settings: |settings, size| {
            settings.memory_max = Some(MEMORY_MAX * size.connections as u64 / 10_000);
        },
        wave: |size| {
            let opening = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(8_000));
            dripping(wave(size, size.connections, vec![opening.into()]), b"a", 1, 60)
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "head_too_slow", "memory_exhausted"],
        mainly: ("memory_exhausted", 10),
        life_ms: None,
    },
    Attack {
        name: "slow bodies, a byte a second",
        settings: |_, _| {},
        wave: |size| {
            let opening = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
            dripping(wave(size, size.connections, vec![opening.into()]), b"a", 1, 60)
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "body_too_slow"],
        mainly: ("body_too_slow", 100),
        life_ms: Some(6_000),
    },
    Attack {
        name: "readers of 1 MB that read nothing",
        settings: |settings, size| settings.send_time = size.time(14_000),
        wave: |size| Wave {
            reads: Reads::Nothing,
            // All are there before the first is cut, and each costs the kernel a large copy.
            pace: size.connections / 10 * size.hurry as usize,
            time: size.time(30_000) + size.patience,
            ..wave(size, size.connections, vec![get("/large")])
        },
        held_bytes: KEPT_BYTES,
        ends: &["send_timeout"],
        mainly: ("send_timeout", 100),
        life_ms: None,
    },
    Attack {
        name: "readers of 1 MB that read 64 bytes a second",
        settings: |_, _| {},
        wave: |size| Wave {
            reads: Reads::Few(16),
            pace: size.part(40) * size.hurry as usize,
            ..wave(size, size.part(10), vec![get("/large")])
        },
        held_bytes: KEPT_BYTES,
        ends: &["send_timeout"],
        mainly: ("send_timeout", 100),
        life_ms: None,
    },
    Attack {
        name: "readers of 100 kB made for each, with 64 MiB of memory",
        settings: |settings, size| {
            settings.memory_max = Some(MEMORY_MAX * size.connections as u64 / 10_000);
        },
        wave: |size| Wave {
            reads: Reads::Nothing,
            pace: size.connections / 10 * size.hurry as usize,
            time: size.time(20_000) + size.patience,
            ..wave(size, size.connections, vec![get("/made")])
        },
        held_bytes: KEPT_BYTES + MADE_BYTES as u64,
        ends: &["send_timeout", "memory_exhausted"],
        mainly: ("memory_exhausted", 50),
        life_ms: None,
    },
    Attack {
        name: "a flood of idle connections, 4,000 allowed",
        settings: |settings, size| settings.connections_max = Some(size.connections * 2 / 5),
        wave: |size| Wave {
            // Whoever is ended has been idle for a second, in a small attack too.
            pace: size.connections / 6,
            time: Duration::from_secs(10),
            ..wave(size, size.connections, vec![GET.into()])
        },
        held_bytes: 0,
        ends: &["made_room", "failed"],
        mainly: ("made_room", 50),
        life_ms: None,
    },
    Attack {
        name: "heads of many fields, of a huge one, and of a long target",
        settings: |_, _| {},
        wave: |size| {
            let head = "GET / HTTP/1.1\r\nHost: a\r\n";
            let many = format!("{head}{}", "X: y\r\n".repeat(5_000));
            let huge = format!("{head}X: {}", "y".repeat(60_000));
            let long = format!("GET /{}", "y".repeat(30_000));
            wave(size, size.connections, vec![many.into(), huge.into(), long.into()])
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "fields_too_many", "head_too_large", "target_too_long"],
        mainly: ("refused", 100),
        life_ms: None,
    },
    Attack {
        name: "heads that do not end",
        settings: |_, _| {},
        wave: |size| {
            let opening = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
            let wave = wave(size, size.connections, vec![opening.into()]);
            dripping(Wave { drip: quick(wave.drip, 10), ..wave }, &[b'y'; 1_000], 1_000, 500_000)
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "head_too_large"],
        mainly: ("head_too_large", 100),
        life_ms: None,
    },
    Attack {
        name: "heads of 16 kB, byte by byte",
        settings: |settings, _| settings.head_time = Duration::from_secs(60),
        wave: |size| {
            let head = format!(
                "GET /plaintext HTTP/1.1\r\nHost: a\r\nX: {}",
                "y".repeat(16_000 / size.hurry as usize)
            );
            let bytes = [head.as_bytes(), b"\r\n\r\n"].concat();
            let wave = wave(size, size.part(300), vec![Vec::new()]);
            let total = bytes.len();
            dripping(
                Wave { drip: quick(wave.drip, 0), then: Then::HalfClose, ..wave },
                &bytes,
                1,
                total,
            )
        },
        held_bytes: KEPT_BYTES,
        ends: &["peer_closed"],
        mainly: ("peer_closed", 100),
        life_ms: None,
    },
    Attack {
        name: "10,000 pipelined requests, and nothing read",
        settings: |_, _| {},
        wave: |size| {
            let burst = get("/page").repeat(10_000);
            Wave {
                reads: Reads::Nothing,
                pace: size.part(200),
                ..wave(size, size.part(50), vec![burst])
            }
        },
        held_bytes: KEPT_BYTES + (64 << 10),
        ends: &["send_timeout"],
        mainly: ("send_timeout", 100),
        life_ms: None,
    },
    Attack {
        name: "half-closes: of nothing, within a head, within a body, after a request",
        settings: |_, _| {},
        wave: |size| {
            let openings = vec![
                Vec::new(),
                b"GET / HT".to_vec(),
                b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx".to_vec(),
                GET.into(),
            ];
            Wave { then: Then::HalfClose, ..wave(size, size.connections, openings) }
        },
        held_bytes: KEPT_BYTES,
        ends: &["peer_closed", "refused", "end_inside_request"],
        mainly: ("end_inside_request", 50),
        life_ms: None,
    },
    Attack {
        name: "noise",
        settings: |_, _| {},
        wave: |size| {
            let mut random = Random::new(1);
            let noise = |_| {
                let len = random.between(1, 2_000);
                (0..len).map(|_| random.next() as u8).collect()
            };
            wave(size, size.connections, (0..500).map(noise).collect())
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "method", "method_unknown", "line_end", "request_line", "head_too_slow"],
        mainly: ("refused", 100),
        life_ms: None,
    },
    Attack {
        name: "connections closed without a word",
        settings: |_, _| {},
        wave: |size| Wave {
            then: Then::Close,
            ..wave(size, size.connections * 2, vec![Vec::new()])
        },
        held_bytes: 0,
        ends: &["peer_closed"],
        mainly: ("peer_closed", 100),
        life_ms: None,
    },
    Attack {
        name: "chunk extensions of 1 kB on chunks of one byte",
        settings: |_, _| {},
        wave: |size| {
            let chunk = format!("1;{}\r\nx\r\n", "a".repeat(1_000));
            let wave = wave(size, size.connections, vec![POST_CHUNKED.into()]);
            let len = chunk.len();
            dripping(Wave { drip: quick(wave.drip, 10), ..wave }, chunk.as_bytes(), len, 500 * len)
        },
        held_bytes: KEPT_BYTES,
        ends: &["refused", "chunk_extension"],
        mainly: ("chunk_extension", 100),
        life_ms: None,
    },
    Attack {
        name: "chunks of one byte",
        settings: |settings, _| settings.body_bytes_max = 256 << 10,
        wave: |size| {
            let chunks = b"1\r\nx\r\n".repeat(1_000);
            let wave = wave(size, size.part(50), vec![POST_CHUNKED.into()]);
            let len = chunks.len();
            let drip = quick(wave.drip, 10);
            dripping(Wave { drip, pace: size.part(200), ..wave }, &chunks, len, 300 * len)
        },
        held_bytes: KEPT_BYTES + (512 << 10),
        ends: &["refused", "body_too_large"],
        mainly: ("body_too_large", 100),
        life_ms: None,
    },
    Attack {
        name: "requests whose connection is reset at once",
        settings: |_, _| {},
        wave: |size| Wave { then: Then::Reset, ..wave(size, size.connections, vec![GET.into()]) },
        held_bytes: 0,
        ends: &["failed", "peer_closed"],
        mainly: ("failed", 100),
        life_ms: None,
    },
];

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn dripping(wave: Wave, bytes: &[u8], piece: usize, total: usize) -> Wave {
    Wave { drip: Drip { bytes: bytes.to_vec(), total, piece, ..wave.drip }, ..wave }
}

fn quick(drip: Drip, millis: u64) -> Drip {
    Drip { every: Duration::from_millis(millis), ..drip }
}

/// What the attackers' outcome and the server's report say that they should not, where all other
/// clients ended their connections themselves.
pub(crate) fn problems(attack: &Attack, outcome: &Value, total: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let seen = |name: &str| outcome[name].as_u64().unwrap_or(0);
    let (opened, still_open) = (seen("opened"), seen("still_open"));
    // A place that nobody else needs is kept; all other connections must have ended, for the
    // kernel too: one that keeps bytes for a closed connection has not told its client.
    if still_open > 0 && attack.mainly.0 != "made_room" {
        problems.push(format!("{still_open} connections were still open at the end"));
    }
    if seen("unopened") > 0 {
        problems.push(format!("{} connections could not be opened", seen("unopened")));
    }
    let count = |kind: &str, name: &str| total[kind][name].as_u64().unwrap_or(0);
    let (name, share) = attack.mainly;
    let mainly = count("closes", name) + count("refusals", name);
    if mainly * 100 < opened * share {
        problems.push(format!("{name}: {mainly} of {opened}, {share} % at least"));
    }
    for kind in ["closes", "refusals"] {
        for (name, count) in total[kind].as_object().into_iter().flatten() {
            let is_usual = ["peer_closed", "by_request"].contains(&name.as_str());
            if count != 0 && !is_usual && !attack.ends.contains(&name.as_str()) {
                problems.push(format!("{kind}: {count} {name}"));
            }
        }
    }
    let closes = total["closes"].as_object().into_iter().flatten();
    let ended: u64 = closes.filter_map(|(_, count)| count.as_u64()).sum();
    let accepted = total["connections"].as_u64().unwrap_or(0);
    if ended != accepted {
        problems.push(format!("{accepted} connections were accepted and {ended} ended"));
    }
    if total["statuses"]["5xx"] != 0 && !attack.ends.contains(&"memory_exhausted") {
        problems.push(format!("{} answers of 5xx", total["statuses"]["5xx"]));
    }
    problems
}
