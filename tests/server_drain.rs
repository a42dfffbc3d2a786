//! How a server begins and ends, asked through real sockets: drains, stops, and starts that fail.
//! Knows nothing below the public face, and measures no time: what must end is waited for.

#[path = "support/http_client.rs"]
mod http_client;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::time::Duration;

use corelane::report::ServerReport;
use corelane::{Handler, HandlerResult, Request, Response, Router, Running};
use corelane::{Server, Settings, StartError};
use http_client::{Client, PATIENCE, get, pattern, serve_at, settings};

const LARGE: usize = 10 << 20;

fn application() -> Router {
    Router::new()
        .get("/", |_, res| res.text("here"))
        .get("/large", |_, res| res.bytes(pattern(LARGE)))
        .post("/echo", |req, res| res.bytes(req.body()))
}

/// A server whose drain waits for a client's next request longer than any test takes, but for
/// `change`.
fn patient(change: impl FnOnce(&mut Settings)) -> Running {
    patient_at("127.0.0.1", change)
}

fn patient_at(host: &str, change: impl FnOnce(&mut Settings)) -> Running {
    let settings = settings(|settings| {
        settings.drain_time = PATIENCE * 2;
        settings.drain_idle_time = PATIENCE * 2;
        change(settings);
    });
    serve_at(host, settings, |_| application())
}

/// A connection that was served once.
fn served(server: &Running) -> Client {
    let mut client = Client::to(server);
    assert_eq!(client.get("/").text(), "here");
    client
}

fn closes(report: &ServerReport, reason: &str) -> u64 {
    let closes = &report.total().closes;
    closes.iter().find(|(name, _)| *name == reason).expect("the reason exists").1
}

/// Nobody listens there any more: it can be claimed by somebody who does not share it.
fn expect_free(address: SocketAddr) {
    assert!(TcpStream::connect(address).is_err(), "somebody accepts");
    Server::bind(address).start(|_| application()).expect("the address is free");
}

#[test]
fn in_a_drain_an_idle_connection_has_one_more_request_and_new_ones_are_refused() {
    let server = patient_at("127.0.77.1", |_| {});
    let mut clients = [served(&server), served(&server)];
    server.drain();
    for client in &mut clients {
        // The second of two pipelined requests comes after the last answer.
        let answer = client.send(get("/").repeat(2)).answer();
        assert_eq!((answer.status, answer.says_close()), (200, true));
        client.finish_sending().expect_end();
    }
    // The drain has begun, or those answers would not have said so.
    assert!(TcpStream::connect(server.addresses()[0]).is_err());
    server.drain();
    let report = server.wait().unwrap().report();
    assert_eq!((closes(&report, "drained"), report.total().requests), (2, 4));
}

#[test]
fn the_last_answer_of_a_drain_arrives_though_more_was_sent_before_it_was_read() {
    let server = patient(|_| {});
    let mut client = Client::with_small_window(server.addresses()[0]);
    client.get("/");
    server.drain();
    // Its end and what follows are received when the answer is on its way and nothing of it read.
    client.send(get("/large"));
    let answer = client.answer_to_head();
    assert!(answer.says_close());
    client.send(get("/").repeat(1_000));
    assert!(client.read_slowly(LARGE) == pattern(LARGE), "every byte at its place");
    client.finish_sending().expect_end();
    let report = server.wait().unwrap().report();
    assert_eq!(closes(&report, "drained"), 1);
}

#[test]
fn a_drain_closes_idle_connections_after_their_grace() {
    let server = patient(|settings| settings.drain_idle_time = Duration::from_millis(50));
    let (mut idle, mut fresh) = (served(&server), Client::to(&server));
    server.drain();
    idle.expect_end();
    fresh.expect_end();
    let report = server.wait().unwrap().report();
    assert_eq!(closes(&report, "drained"), 2);
}

#[test]
fn a_drain_finishes_the_requests_and_answers_under_way() {
    let server = patient(|_| {});
    let mut witness = served(&server);
    let (mut head, mut body) = (served(&server), served(&server));
    let mut reader = Client::with_small_window(server.addresses()[0]);
    head.send("GET / HT");
    body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    let answer = reader.send(get("/large")).answer_to_head();
    assert!(!answer.says_close(), "the drain begins behind it");
    server.drain();
    assert!(witness.get("/").says_close(), "it has begun");

    let answer = head.send("TP/1.1\r\nHost: a\r\n\r\n").answer();
    assert_eq!((answer.text(), answer.says_close()), ("here", true));
    let answer = body.send("56789").answer();
    assert_eq!((answer.text(), answer.says_close()), ("0123456789", true));
    assert!(reader.read_slowly(LARGE) == pattern(LARGE), "every byte at its place");
    assert!(reader.get("/").says_close());
    for client in [&mut witness, &mut head, &mut body, &mut reader] {
        client.expect_end();
    }
    let report = server.wait().unwrap().report();
    assert_eq!((closes(&report, "drained"), closes(&report, "drain_timeout")), (4, 0));
}

#[test]
fn who_connected_before_the_drain_is_answered() {
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap());
    let server = server.settings(settings(|settings| settings.drain_idle_time = PATIENCE));
    let server = server.start(|_| application()).unwrap();
    // In the kernel's queues, where closing the listener would reset them.
    let mut clients: Vec<_> = (0..64).map(|_| Client::to(&server)).collect();
    server.drain();
    for client in &mut clients {
        assert_eq!(client.get("/").text(), "here");
    }
    drop(clients);
    assert_eq!(server.wait().unwrap().report().total().requests, 64);
}

#[test]
fn what_never_ends_is_cut_when_the_time_of_the_drain_is_over() {
    let server = patient(|settings| settings.drain_time = Duration::from_millis(200));
    let mut head = served(&server);
    head.send("GET / HT");
    let mut body = served(&server);
    body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    let mut stalled = Client::with_small_window(server.addresses()[0]);
    stalled.send(get("/large")).answer_to_head();
    let mut idle = served(&server);
    server.drain();
    let report = server.wait().unwrap().report();
    assert_eq!(closes(&report, "drain_timeout"), 4, "{:?}", report.total().closes);
    assert!(stalled.rest().len() < LARGE);
    for client in [&mut head, &mut body, &mut idle] {
        client.expect_end();
    }
}

#[test]
fn a_drain_without_connections_ends_at_once() {
    let server = patient_at("127.0.77.2", |_| {});
    let address = server.addresses()[0];
    server.drain();
    assert_eq!(server.wait().unwrap().report().total().connections, 0);
    expect_free(address);
}

#[test]
fn a_stop_cuts_everything() {
    let server = patient_at("127.0.77.3", |_| {});
    let mut clients = [served(&server), served(&server), served(&server)];
    clients[1].send("GET / HT");
    let mut reader = Client::with_small_window(server.addresses()[0]);
    reader.send(get("/large")).answer_to_head();
    server.stop();
    let address = server.addresses()[0];
    let report = server.wait().unwrap().report();
    assert_eq!(closes(&report, "stopped"), 4, "{:?}", report.total().closes);
    for client in &mut clients {
        client.expect_end();
    }
    assert!(reader.rest().len() < LARGE);
    expect_free(address);
}

#[test]
fn a_stop_ends_a_drain() {
    let server = patient(|_| {});
    let mut client = served(&server);
    let mut witness = served(&server);
    server.drain();
    assert!(witness.get("/").says_close());
    server.stop();
    assert_eq!(closes(&server.wait().unwrap().report(), "stopped"), 1);
    client.expect_end();
}

#[test]
fn dropping_a_running_server_stops_it() {
    let server = patient_at("127.0.77.4", |_| {});
    let address = server.addresses()[0];
    let mut client = served(&server);
    drop(server);
    client.expect_end();
    expect_free(address);
}

#[test]
fn a_factory_that_panics_is_a_clean_error_whichever_worker_it_is() {
    for fatal in [0, 1] {
        let listener = TcpListener::bind("127.0.77.9:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let server = Server::bind(address).workers(NonZeroUsize::new(2).unwrap());
        let error = server
            .start(move |worker| {
                assert_ne!(worker.index(), fatal, "on purpose");
                application()
            })
            .expect_err("a worker is missing");
        assert!(matches!(error, StartError::Worker(index, _) if index == fatal), "{error:?}");
        assert_eq!(error.to_string(), format!("worker {fatal} ended: it panicked at its start"));
        assert!(error.hint().is_some());
        expect_free(address);
    }
}

/// Refuses to run.
struct Unfit;

impl Handler for Unfit {
    fn handle(&mut self, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.empty()
    }

    fn check(&self) -> Result<(), String> {
        Err("no licence to serve".to_owned())
    }
}

#[test]
fn an_application_that_fails_its_own_check_never_listens() {
    let error = Server::bind("127.0.0.1:0").start(|_| Unfit).expect_err("it is unfit");
    assert!(matches!(&error, StartError::Application(reason) if reason == "no licence to serve"));
    assert_eq!(error.to_string(), "the application cannot run: no licence to serve");
}

#[test]
fn an_address_in_use_is_refused_and_its_holder_is_left_alone() {
    let holder = patient_at("127.0.77.5", |_| {});
    let address = holder.addresses()[0];
    let start = || Server::bind(address).start(|_| application());
    let error = start().expect_err("it is in use");
    let (pid, text) = (std::process::id().to_string(), error.to_string());
    assert!(text.starts_with(&format!("cannot listen on {address}: in use by ")), "{text}");
    assert!(text.contains(&pid), "{text}");
    assert_eq!(error.hint().as_deref(), Some("stop it, or listen on another port"));
    for _ in 0..16 {
        assert_eq!(served(&holder).get("/").text(), "here");
    }
    drop(holder);
    start().expect("now it is free");
}

#[test]
fn what_cannot_be_started_says_why() {
    let start = |server: Server| server.start(|_| application()).expect_err("it cannot start");
    let none: &[SocketAddr] = &[];
    let error = start(Server::bind(none));
    assert!(matches!(error, StartError::Listeners(0)) && error.hint().is_some());
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let error = start(Server::bind(&[any; 17][..]));
    assert!(matches!(error, StartError::Listeners(17)));
    let error = start(Server::bind("not an address"));
    assert!(matches!(&error, StartError::Address(address, _) if address.contains("not an")));
    assert!(error.hint().is_some());
    let error = start(Server::bind(any).settings(settings(|settings| settings.fields_max = 0)));
    assert!(matches!(&error, StartError::Settings(error) if error.name == "fields_max"));
    assert!(error.to_string().contains("fields_max"), "{error}");
    let error = start(Server::bind(any).blocking_threads(1_025));
    assert!(matches!(error, StartError::BlockingThreads(1_025)) && error.hint().is_some());
    // Not an address of this machine.
    let error = start(Server::bind("192.0.2.1:0"));
    assert!(error.to_string().contains("no network interface"), "{error}");
}

#[test]
fn a_report_adds_its_workers_up() {
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap());
    let server = server.start(|_| application()).unwrap();
    assert_eq!(server.workers().map(|worker| worker.index).collect::<Vec<_>>(), [0, 1]);
    for _ in 0..32 {
        let mut client = served(&server);
        assert_eq!(client.get("/nowhere").status, 404);
        assert_eq!(client.send("A\r\n\r\n").answer().status, 400);
    }
    server.drain();
    let report = server.wait().unwrap().report();
    let total = report.total();
    assert_eq!((total.requests, total.connections), (64, 32));
    assert_eq!(total.statuses, [0, 32, 0, 64, 0]);
    assert_eq!(report.service_times().len(), 96, "every answer is timed, refusals too");
    let routes: Vec<_> = total.routes.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    let expected = [("GET /", 32), ("GET /large", 0), ("POST /echo", 0), ("(no route)", 32)];
    assert_eq!(routes, expected);
}
