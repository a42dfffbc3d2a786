//! A worker that cannot keep up, through real sockets: what it turns away and what it serves.
//! Asserts no time: the handler is slow until it is told not to be.

#[path = "support/http_client.rs"]
mod http_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corelane::report::WorkerRow;
use corelane::{Router, Running, Settings};
use http_client::{Client, get, post, serve, settings};

/// Clients that ask at once; together they keep a worker busy for many intervals.
const CLIENTS: usize = 32;

/// Of a slow request: longer than the target, the interval and the kernel's tick.
const SLOW: Duration = Duration::from_millis(20);

/// Slow at `/` while `is_slow`.
fn slow_server(is_slow: &Arc<AtomicBool>, settings: Settings) -> Running {
    let is_slow = Arc::clone(is_slow);
    serve(settings, move |_| {
        let is_slow = Arc::clone(&is_slow);
        let work = move || {
            if is_slow.load(Ordering::SeqCst) {
                std::thread::sleep(SLOW);
            }
        };
        let work_on = work.clone();
        Router::new()
            .get("/", move |_, res| {
                work();
                res.text("served")
            })
            .post("/", move |req, res| {
                work_on();
                res.bytes(req.body())
            })
            .get("/health", |_, res| res.text("well"))
            .vital("/health")
    })
}

fn impatient(settings: &mut Settings) {
    settings.overload_delay = Some(Duration::from_millis(1));
    settings.overload_interval = Duration::from_millis(1);
}

/// Sends `requests` on each connection, then reads the answers of all. Returns how many of the
/// `asked` were served and how many turned away, and asserts that the vital were served.
fn round(clients: &mut [Client], requests: &[Vec<u8>], vital: usize) -> (usize, usize) {
    for client in &mut *clients {
        client.send(requests.concat());
    }
    let (mut served, mut away) = (0, 0);
    for client in clients {
        for index in 0..requests.len() {
            let answer = client.answer();
            match answer.status {
                503 => {
                    assert_ne!(index, vital, "a vital request is always served");
                    assert_eq!(answer.field("retry-after"), Some("1"));
                    assert_eq!(answer.body, b"");
                    assert!(!answer.says_close());
                    away += 1;
                }
                200 if index == vital => assert_eq!(answer.text(), "well"),
                200 => served += 1,
                status => panic!("{status}"),
            }
        }
    }
    (served, away)
}

fn finish(server: Running) -> WorkerRow {
    server.stop();
    server.wait().unwrap().report().total().clone()
}

fn shed(total: &WorkerRow) -> u64 {
    total.events.iter().find(|(name, _)| *name == "shed").expect("it is counted").1
}

#[test]
fn an_overloaded_worker_turns_old_requests_away_but_not_vital_ones_and_recovers() {
    let is_slow = Arc::new(AtomicBool::new(true));
    let server = slow_server(&is_slow, settings(impatient));
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::to(&server)).collect();
    let requests = [get("/").into_bytes(), post("/", "", b"abc"), get("/health").into_bytes()];
    let (mut fine, mut away) = (0, 0);
    // The first round alone is enough, unless the machine gives the clients less time than the
    // worker: then it catches up with each of them.
    for _ in 0..100 {
        let (more_fine, more_away) = round(&mut clients, &requests, 2);
        (fine, away) = (fine + more_fine, away + more_away);
        if away > 0 {
            break;
        }
    }
    assert!(fine > 0 && away > 0, "{fine} served, {away} turned away");
    is_slow.store(false, Ordering::SeqCst);
    let mut client = Client::to(&server);
    // A quiet moment, or an interval without long waits, ends it.
    while client.get("/").status != 200 {}
    let total = finish(server);
    assert_eq!(total.statuses[4], shed(&total));
    assert!(shed(&total) >= away as u64);
}

#[test]
fn without_a_target_everything_is_served() {
    let is_slow = Arc::new(AtomicBool::new(true));
    let off = |settings: &mut Settings| {
        impatient(settings);
        settings.overload_delay = None;
    };
    let server = slow_server(&is_slow, settings(off));
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::to(&server)).collect();
    let requests = [get("/").into_bytes(), get("/health").into_bytes()];
    assert_eq!(round(&mut clients, &requests, 1), (CLIENTS, 0));
    assert_eq!(shed(&finish(server)), 0);
}

#[test]
fn a_burst_on_a_server_at_rest_is_served() {
    let is_slow = Arc::new(AtomicBool::new(true));
    // Twice as long as all of it takes, were the machine ten times slower.
    let patient = |settings: &mut Settings| {
        impatient(settings);
        settings.overload_interval = SLOW * CLIENTS as u32 * 20;
    };
    let server = slow_server(&is_slow, settings(patient));
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::to(&server)).collect();
    let requests = [get("/").into_bytes(), get("/health").into_bytes()];
    assert_eq!(round(&mut clients, &requests, 1), (CLIENTS, 0));
    assert_eq!(shed(&finish(server)), 0);
}

#[test]
fn a_client_that_pipelines_waits_for_itself_and_is_served() {
    let patient = |settings: &mut Settings| {
        settings.overload_delay = Some(Duration::from_millis(20));
        settings.overload_interval = Duration::from_millis(20);
    };
    let server = slow_server(&Arc::default(), settings(patient));
    let mut client = Client::to(&server);
    let requests: String = (0..20_000).map(|_| get("/")).collect();
    std::thread::scope(|scope| {
        let mut stream = client.stream.try_clone().unwrap();
        scope.spawn(move || std::io::Write::write_all(&mut stream, requests.as_bytes()).unwrap());
        for _ in 0..20_000 {
            assert_eq!(client.answer().status, 200);
        }
    });
    assert_eq!(shed(&finish(server)), 0);
}
