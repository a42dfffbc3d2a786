//! The load generator against real servers: what it counts is what was served, and what it
//! measures is what was waited for. Asserts no upper bound on a time.
#![cfg(feature = "bench")]

#[path = "support/http_client.rs"]
mod http_client;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use corelane::bench::{Exchange, Failure, Load, Outcome, Plan, run};
use corelane::{Router, Running, Settings};
use http_client::{PATIENCE, serve, serve_at};

fn exchange(text: &str) -> Exchange {
    Exchange { bytes: text.as_bytes().to_vec(), is_head: text.starts_with("HEAD") }
}

fn plan(address: SocketAddr, load: Load) -> Plan {
    Plan {
        address,
        exchanges: vec![exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
        connections: 4,
        cpus: vec![None],
        may_spin: false,
        load,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(300),
        requests_per_connection: None,
        source_addresses: Vec::new(),
        timeout: PATIENCE,
    }
}

fn go(plan: &Plan) -> Outcome {
    let mut numbers = Vec::new();
    let outcome = run(plan, &mut |second| numbers.push(second.number)).expect("it can be run");
    assert!(numbers.is_sorted(), "{numbers:?}");
    outcome
}

fn failures(outcome: &Outcome) -> u64 {
    outcome.figures.failures.iter().sum()
}

fn server() -> Running {
    serve(Settings::default(), |_| {
        Router::new()
            .get("/", |_, res| res.text("Hello, World!"))
            .get("/slow", |_, res| {
                thread::sleep(Duration::from_millis(20));
                res.text("at last")
            })
            .post("/echo", |req, res| res.bytes(req.body()))
    })
}

fn requests(server: Running) -> u64 {
    server.drain();
    server.wait().expect("no worker failed").report().total().requests
}

const CLOSED: Load = Load::Closed { pipeline: 1 };

#[test]
fn a_closed_loop_counts_what_was_served() {
    let server = server();
    let outcome = go(&plan(server.addresses()[0], CLOSED));
    let figures = &outcome.figures;
    assert!(figures.answers > 0);
    assert_eq!((figures.statuses[1], figures.unlike, failures(&outcome)), (figures.answers, 0, 0));
    assert_eq!((figures.latencies.len(), figures.connects), (figures.answers, 4));
    assert!(requests(server) >= figures.answers);
}

#[test]
fn an_open_loop_sends_what_it_was_asked_to_and_no_more() {
    let server = server();
    let outcome = go(&Plan {
        cpus: vec![None, None],
        duration: Duration::from_secs(1),
        ..plan(server.addresses()[0], Load::Open { rate: 500.0 })
    });
    let figures = &outcome.figures;
    // On a busy machine the last ones may come too late to be sent, and count all the same.
    assert_eq!(figures.answers + failures(&outcome), 500, "each is due within the run");
    assert!(figures.answers > 250, "{} of 500 answered", figures.answers);
    assert_eq!((figures.latencies.len(), figures.since_sent.len()), (500, figures.answers));
    assert!((figures.answers..=500).contains(&requests(server)));
}

#[test]
fn a_latency_begins_when_its_request_was_due() {
    let server = server();
    let outcome = go(&Plan {
        exchanges: vec![exchange("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")],
        connections: 1,
        // Four times as many as one connection and a handler of 20 ms can serve.
        ..plan(server.addresses()[0], Load::Open { rate: 200.0 })
    });
    let figures = &outcome.figures;
    assert_eq!(figures.answers + failures(&outcome), 60, "nothing that was due is forgotten");
    assert_eq!(figures.latencies.len(), 60);
    assert!(figures.failed(Failure::Unsent) > 0);
    // Sent one by one, none waits for another: the closed view hides what the open one shows.
    let worst = |latencies: &hdrhistogram::Histogram<u32>| latencies.value_at_quantile(0.9);
    assert!(worst(&figures.latencies) > 2 * figures.since_sent.value_at_quantile(0.5));
    drop(server);
}

/// The part of the latencies that is above 30 ms.
fn slow(outcome: &Outcome) -> f64 {
    let latencies = &outcome.figures.latencies;
    let slow = latencies.count_between(30_000_000, u64::MAX);
    f64::from(slow as u32) / f64::from(latencies.len() as u32)
}

#[test]
fn a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one() {
    let stalling = || {
        serve(Settings::default(), |_| {
            let mut last = std::time::Instant::now();
            Router::new().get("/", move |_, res| {
                if last.elapsed() > Duration::from_millis(400) {
                    thread::sleep(Duration::from_millis(100));
                    last = std::time::Instant::now();
                }
                res.text("")
            })
        })
    };
    let duration = Duration::from_secs(1);
    let server = stalling();
    let load = Load::Open { rate: 200.0 };
    let open = go(&Plan { duration, ..plan(server.addresses()[0], load) });
    let server = stalling();
    let closed = go(&Plan { duration, ..plan(server.addresses()[0], CLOSED) });
    // Two stalls of 100 ms: of the 200 requests of a second, 28 are due more than 30 ms too early.
    assert!(slow(&open) > 0.05, "{} of {}", slow(&open), open.figures.answers);
    assert!(slow(&closed) < slow(&open) / 2.0, "{} of {}", slow(&closed), closed.figures.answers);
}

#[test]
fn pipelined_requests_are_answered_each() {
    let server = server();
    let outcome = go(&Plan {
        exchanges: vec![
            exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            exchange("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
            exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
        ],
        ..plan(server.addresses()[0], Load::Closed { pipeline: 16 })
    });
    let figures = &outcome.figures;
    assert!(figures.answers > 16);
    assert_eq!((figures.unlike, failures(&outcome)), (0, 0), "answers are matched to requests");
}

#[test]
fn connections_are_closed_after_their_requests() {
    let server = server();
    let outcome = go(&Plan {
        requests_per_connection: Some(3),
        ..plan(server.addresses()[0], Load::Closed { pipeline: 2 })
    });
    let figures = &outcome.figures;
    assert_eq!(failures(&outcome), 0);
    let connections = figures.connects;
    let most = (connections + 4) * 3;
    assert!(figures.answers <= most, "{} answers on {connections}", figures.answers);
    assert_eq!(figures.connect_times.len(), connections);
}

fn sources(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

/// A server that answers `GET` with one request a connection, and the addresses its clients had.
fn peers(host: &str, plan_of: impl FnOnce(SocketAddr) -> Plan) -> (Outcome, Vec<IpAddr>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (told, factory) = (Arc::clone(&seen), Arc::new(seen));
    let server = serve_at(host, Settings::default(), move |_| {
        let seen = Arc::clone(&factory);
        Router::new().get("/", move |req, res| {
            seen.lock().expect("nobody panicked").push(req.peer().ip());
            res.text("")
        })
    });
    let outcome = go(&plan_of(server.addresses()[0]));
    requests(server);
    let seen = told.lock().expect("nobody panicked").clone();
    (outcome, seen)
}

#[test]
fn connections_come_from_the_addresses_that_were_asked_for_in_turn() {
    let wanted = sources(&["127.0.9.2", "127.0.9.3", "127.0.9.7"]);
    let (outcome, seen) = peers("127.0.0.1", |address| Plan {
        source_addresses: wanted.clone(),
        connections: 5,
        cpus: vec![None; 2],
        requests_per_connection: Some(1),
        ..plan(address, CLOSED)
    });
    assert_eq!(failures(&outcome), 0, "{:?}", outcome.figures.failures);
    let counts: Vec<_> =
        wanted.iter().map(|address| seen.iter().filter(|peer| *peer == address).count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), seen.len(), "none came from elsewhere");
    // A thread goes round by itself, and a few of its connections came to nothing at the end.
    let [least, most] = [counts.iter().min(), counts.iter().max()].map(Option::unwrap);
    assert!(*least > 0 && most - least <= 7, "{counts:?}");

    let (outcome, seen) = peers("::1", |address| Plan {
        source_addresses: sources(&["::1"]),
        ..plan(address, CLOSED)
    });
    assert_eq!(failures(&outcome), 0, "{:?}", outcome.figures.failures);
    assert!(seen.iter().all(|peer| *peer == IpAddr::from(Ipv6Addr::LOCALHOST)));
}

#[test]
fn an_answer_unlike_the_first_is_counted() {
    let server = serve(Settings::default(), |_| {
        let mut count = 0;
        Router::new().get("/", move |_, res| {
            count += 1;
            res.text(if count % 10 == 0 { "longer" } else { "short" })
        })
    });
    let outcome = go(&plan(server.addresses()[0], CLOSED));
    let figures = &outcome.figures;
    assert!(figures.unlike >= figures.answers / 20, "{} of {}", figures.unlike, figures.answers);
}

/// A server that answers each connection with these bytes and ends it, or holds it.
fn scripted(bytes: &'static [u8], holds: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut request = [0; 1_024];
            if stream.read(&mut request).is_ok_and(|len| len > 0) {
                let _ = stream.write_all(bytes);
            }
            if holds {
                held.push(stream);
            }
        }
    });
    address
}

#[test]
fn failures_are_told_apart() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound")
    };
    for (address, failure) in [
        (refused, Failure::ConnectFailed),
        (
            scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", false),
            Failure::ClosedEarly,
        ),
        (scripted(b"SSH-2.0-OpenSSH\r\n", true), Failure::Malformed),
        (scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot all", true), Failure::TimedOut),
    ] {
        let waits = failure == Failure::TimedOut;
        let timeout = if waits { Duration::from_millis(50) } else { PATIENCE };
        let outcome = go(&Plan { connections: 1, timeout, ..plan(address, CLOSED) });
        let others = failures(&outcome) - outcome.figures.failed(failure);
        assert!(outcome.figures.failed(failure) > 0, "{failure:?}: {:?}", outcome.figures.failures);
        assert_eq!((outcome.figures.answers, others), (0, 0), "{failure:?}");
    }
}

#[test]
fn what_fails_after_the_end_of_an_open_loop_was_due_before_and_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        // Takes the one request and ends its connection when the run is long over.
        let mut stream = listener.accept().expect("somebody connects").0;
        let _ = stream.read(&mut [0; 1_024]);
        thread::sleep(Duration::from_millis(500));
    });
    let duration = Duration::from_millis(100);
    let load = Load::Open { rate: 10.0 };
    let outcome = go(&Plan { connections: 1, duration, ..plan(address, load) });
    let figures = &outcome.figures;
    assert_eq!((figures.answers, failures(&outcome)), (0, 1), "{:?}", figures.failures);
    assert_eq!(figures.failed(Failure::ClosedEarly), 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_one() {
    let address = scripted(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", false);
    let outcome = go(&Plan { connections: 1, ..plan(address, CLOSED) });
    assert!(outcome.figures.answers > 0);
    assert_eq!((failures(&outcome), outcome.figures.unlike), (0, 0));
}

#[test]
fn a_plan_that_cannot_be_run_says_why() {
    let good = plan("127.0.0.1:1".parse().expect("an address"), CLOSED);
    for (bad, why) in [
        (Plan { connections: 0, ..good.clone() }, "connections"),
        (Plan { exchanges: Vec::new(), ..good.clone() }, "request"),
        (Plan { cpus: vec![None; 9], ..good.clone() }, "thread"),
        (Plan { load: Load::Open { rate: f64::NAN }, ..good.clone() }, "rate"),
        (Plan { load: Load::Closed { pipeline: 0 }, ..good.clone() }, "under way"),
        (Plan { duration: Duration::ZERO, ..good.clone() }, "duration"),
        (Plan { source_addresses: sources(&["127.0.0.2", "::1"]), ..good.clone() }, "::1 is not"),
        (Plan { source_addresses: vec![[127; 4].into(); 1 << 17], ..good.clone() }, "at most"),
        (Plan { source_addresses: sources(&["192.0.2.1"]), ..good.clone() }, "from 192.0.2.1"),
        (Plan { connections: 900_000, ..good }, "descriptors"),
    ] {
        let error = run(&bad, &mut |_| {}).expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    }
}
