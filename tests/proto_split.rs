//! Streams of requests cut everywhere: the answers are the same bytes, however the requests arrive
//! and however the kernel takes the answers.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/random.rs"]
mod random;
#[path = "support/response_reader.rs"]
mod response_reader;
#[path = "support/sim_client.rs"]
#[expect(dead_code, reason = "of the simulated clients only the plain stream is used here")]
mod sim_client;
#[path = "support/sim_elsewhere.rs"]
#[expect(dead_code, reason = "nothing comes from elsewhere here")]
mod sim_elsewhere;
#[path = "support/sim_faults.rs"]
#[expect(dead_code, reason = "counts are judged by the simulations only")]
mod sim_faults;
#[path = "support/sim_kernel.rs"]
#[expect(dead_code, reason = "clients are told apart by the simulations only")]
mod sim_kernel;
#[path = "support/sim_overload.rs"]
#[expect(dead_code, reason = "nothing is turned away here")]
mod sim_overload;
#[path = "support/sim_pace.rs"]
mod sim_pace;
#[path = "support/sim_pipe.rs"]
#[expect(dead_code, reason = "deadlines are judged by the simulations only")]
mod sim_pipe;
#[path = "support/sim_world.rs"]
#[expect(dead_code, reason = "deadlines are judged by the simulations only")]
mod sim_world;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelane::api::{Board, NoBlocking};
use corelane::clock::Clock;
use corelane::proto::{CloseReason, Want};
use corelane::sys::Kernel;
use corelane::worker::{Worker, WorkerParts, mailbox};
use corelane::{Router, Settings, Status};

use machine::{Machine, UNIX_SECONDS};
use random::Random;
use response_reader::read_answer;
use sim_client::Script;
use sim_elsewhere::Elsewhere;
use sim_faults::Faults;
use sim_kernel::SimKernel;
use sim_pipe::{Pipe, Plan};
use sim_world::World;

const STREAMS: u64 = 60;
const REQUESTS_A_STREAM: usize = 8;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn application() -> Router {
    Router::new()
        .get("/", |_, res| res.text("Hello, World!"))
        .get("/users/{id}", |req, res| {
            let id: u32 = req.param("id")?;
            res.header("X-Number", id.to_string()).text(format_args!("user {id}"))
        })
        .get("/large", |_, res| res.bytes(vec![b'x'; 20_000]))
        .get("/close", |_, res| res.close().text("bye"))
        .get("/teapot", |_, res| res.status(Status::NOT_FOUND).text("no tea"))
        .post("/echo", |req, res| res.bytes(req.body()))
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.body_bytes_max = 3_000;
    settings.head_bytes_max = 2_048;
    settings.target_bytes_max = 1_024;
    // Clients may take all the time they want.
    settings.head_time = Duration::from_secs(3600);
    settings.body_time = Duration::from_secs(3600);
    settings
}

/// Requests after which the connection goes on.
const GOOD: [&str; 16] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET /users/42?q=1 HTTP/1.1\r\nHost: a:80\r\nAccept: application/json\r\n\r\n",
    "GET /users/x HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: (x; y)\r\n\r\n",
    "HEAD /large HTTP/1.1\r\nHost:a\r\n\r\n",
    "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    "DELETE /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET http://a/users/1 HTTP/1.1\r\nHost: b\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nGET / HTTP/1",
    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "POST /echo HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n\
     3;a=b;c=\"d;\"\r\nabc\r\n0005 ; x\r\n0\r\n\r\n\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
     0\r\n\r\n",
];

/// Requests that end the connection.
const LAST: [&str; 20] = [
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, close\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    "GET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
    "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3001\r\nExpect: 100-continue\r\n\r\nx",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nbb9\r\nabcd\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
    "GET / HTTP/1.1\r\nHost: a",
];

/// A stream of requests, most of them good, the last one the end.
fn stream(seed: u64) -> (Vec<u8>, Vec<bool>) {
    let mut random = Random::new(seed);
    let (mut bytes, mut are_head) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS_A_STREAM {
        let request = random.pick(&GOOD);
        are_head.push(request.starts_with("HEAD"));
        bytes.extend_from_slice(request.as_bytes());
    }
    let last = LAST[seed as usize % LAST.len()];
    bytes.extend_from_slice(last.as_bytes());
    are_head.push(false);
    if !(last.ends_with("half") || last.ends_with('a')) {
        // Behind the end nothing is a request any more.
        bytes.extend_from_slice(GOOD[0].as_bytes());
    }
    (bytes, are_head)
}

fn without_interim(sent: &[u8]) -> Vec<u8> {
    let mut rest = sent;
    let mut kept = Vec::new();
    while let Some(at) = memchr::memmem::find(rest, CONTINUE) {
        kept.extend_from_slice(&rest[..at]);
        rest = &rest[at + CONTINUE.len()..];
    }
    kept.extend_from_slice(rest);
    kept
}

/// What is answered to `bytes` that arrive in pieces which end at `cuts` and at the end.
fn answers(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut machine = Machine::new(settings(), application());
    let mut from = 0;
    for to in cuts.into_iter().chain([bytes.len()]) {
        if let Want::Close(reason) = machine.feed(&bytes[from..to]) {
            assert_ne!(reason, CloseReason::PeerClosed);
            return without_interim(&machine.sent);
        }
        from = to;
    }
    assert!(matches!(machine.peer_closed(), Want::Close(_)));
    without_interim(&machine.sent)
}

#[test]
fn every_request_of_a_whole_stream_is_answered_and_the_last_answer_says_so() {
    for seed in 0..STREAMS {
        let (bytes, are_head) = stream(seed);
        let sent = answers(&bytes, []);
        let (mut at, mut closes) = (0, false);
        for is_head in are_head {
            assert!(!closes, "stream {seed} ends too early");
            let answer = read_answer(&sent[at..], |_| is_head).unwrap().expect("an answer");
            assert!(answer.is_whole);
            at += answer.len;
            closes = answer.closes;
        }
        assert!(closes, "stream {seed}");
        assert_eq!(at, sent.len(), "stream {seed}");
    }
}

#[test]
fn a_stream_cut_at_any_byte_gets_the_same_answers() {
    for seed in 0..STREAMS {
        let (bytes, _) = stream(seed);
        let whole = answers(&bytes, []);
        for cut in 1..bytes.len() {
            assert!(answers(&bytes, [cut]) == whole, "stream {seed} cut at {cut}");
        }
    }
}

#[test]
fn a_stream_that_arrives_byte_by_byte_gets_the_same_answers() {
    for seed in 0..STREAMS {
        let (bytes, _) = stream(seed);
        assert!(answers(&bytes, 1..bytes.len()) == answers(&bytes, []), "stream {seed}");
    }
}

#[test]
fn a_stream_cut_at_random_gets_the_same_answers() {
    for seed in 0..STREAMS * 20 {
        let (bytes, _) = stream(seed % STREAMS);
        let mut random = Random::new(seed);
        let many = random.between(2, 60);
        let cuts = (1..bytes.len()).filter(|_| random.one_in(many));
        assert!(answers(&bytes, cuts) == answers(&bytes, []), "seed {seed}");
    }
}

/// What a worker sends on a scripted kernel that takes `window` bytes at once at most.
fn answers_of_a_worker(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut settings = settings();
    settings.pipelined_max = random.pick(&[1, 2, 64]);
    let plan = Plan {
        sends: bytes.len(),
        send_step: random.pick(&[0, 1, 13]),
        read_step: random.pick(&[100, usize::MAX]),
        ends: true,
        resets: false,
        window: random.pick(&[2_000, 9_000, 1 << 20]),
    };
    let pipe = Pipe::new(Script { bytes: bytes.to_vec(), ..Script::default() }, plan);
    let faults = Faults { spurious: 20, would_block: 20, ..Faults::default() };
    let elsewhere = Elsewhere::new(Random::new(0), false, 1, &settings);
    let mut world = World::new(random, vec![pipe], 1, settings.clone(), faults, elsewhere);
    world.wall_clock = Some(UNIX_SECONDS);
    let world = Rc::new(RefCell::new(world));
    let kernel = SimKernel(Rc::clone(&world));
    let (_post, mailbox) = mailbox(kernel.waker());
    let board = Arc::new(Board::new(Clock::new(), 1));
    let blocking = Arc::new(NoBlocking);
    let memory_max = u64::MAX;
    let parts = WorkerParts { index: 0, settings, connections_max: 1, board, memory_max, blocking };
    let mut worker = Worker::new(kernel, application(), parts, mailbox);
    while !world.borrow().is_at_rest {
        worker.turn().unwrap();
    }
    let taken = std::mem::take(&mut world.borrow_mut().pipes[0].taken);
    without_interim(&taken)
}

#[test]
fn a_worker_sends_the_same_answers_whatever_its_kernel_gives_and_takes_at_once() {
    for seed in 0..STREAMS * 20 {
        let (bytes, _) = stream(seed % STREAMS);
        let (sent, wanted) = (answers_of_a_worker(&bytes, seed), answers(&bytes, []));
        assert!(sent == wanted, "seed {seed}");
    }
}
