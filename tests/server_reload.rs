//! Another application and other settings for a server that runs, over real sockets: what is under
//! way goes on, what is counted stays with its route, and what cannot run changes nothing.

#[path = "support/http_client.rs"]
mod http_client;

use std::num::NonZeroUsize;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use corelane::{
    Error, HandlerResult, Later, Method, Reloader, Reply, Request, Response, Router, Running,
    Server, Settings, Sink, StartError, Taken, WorkerInfo,
};
use http_client::{Client, get, settings};

/// Two workers with the first application.
fn start() -> (Running, Reloader<Router>, mpsc::Receiver<Later>) {
    let (sender, promised) = mpsc::channel();
    let sender = Mutex::new(sender);
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap()).pin(false);
    let (running, reloader) = server
        .start_reloadable(move |_| {
            let sender = sender.lock().unwrap().clone();
            Router::new()
                .get("/version", |_, res| res.text("first"))
                .get("/later", move |_, res| res.later(|later| sender.send(later).unwrap()))
                .upload(Method::Post, "/count", |_| Ok(Counted(0)))
        })
        .unwrap();
    (running, reloader, promised)
}

/// How many bytes came.
struct Counted(usize);

impl Sink for Counted {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        self.0 += bytes.len();
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text(format_args!("{} bytes", self.0))
    }
}

/// The second application: other routes before those of the first, and one of them no more.
fn second(_: &WorkerInfo) -> Router {
    Router::new().get("/new", |_, res| res.text("new")).get("/version", |_, res| res.text("second"))
}

fn reload(running: &Running, reloader: &Reloader<Router>, settings: Settings) -> Vec<&'static str> {
    let fixed = reloader.reload(settings, second).unwrap();
    // Enough connections that each worker has some.
    for _ in 0..32 {
        while Client::to(running).get("/version").text() != "second" {}
    }
    fixed
}

#[test]
fn what_is_under_way_is_answered_and_counted_by_its_route() {
    let (running, reloader, promised) = start();
    let mut waiting = Client::to(&running);
    waiting.send(get("/later"));
    let later = promised.recv().unwrap();
    let mut uploading = Client::to(&running);
    uploading.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234");
    let mut kept = Client::to(&running);
    assert_eq!(kept.get("/version").text(), "first");
    // The upload has begun: what was sent before this connection's request was seen before it.
    for _ in 0..32 {
        assert_eq!(Client::to(&running).get("/version").text(), "first");
    }
    assert!(reload(&running, &reloader, Settings::default()).is_empty());

    later.answer(Reply::text("kept"));
    assert_eq!(waiting.answer().text(), "kept");
    assert_eq!(uploading.send("56789").answer().text(), "9 bytes");
    assert_eq!(kept.get("/new").text(), "new", "connections stay");
    assert_eq!(kept.get("/later").status, 404);
    running.stop();
    let report = running.wait().unwrap().report();
    let count = |name: &str| {
        let routes = &report.total().routes;
        routes.iter().find(|(route, _)| route == name).map(|(_, count)| *count)
    };
    assert_eq!((count("GET /later"), count("POST /count")), (Some(1), Some(1)));
    assert_eq!((count("GET /new"), count("(no route)")), (Some(1), Some(1)));
    let all: u64 = report.total().routes.iter().map(|(_, count)| count).sum();
    assert_eq!(all, report.total().requests);
}

#[test]
fn an_application_that_cannot_run_leaves_everything_as_it_was() {
    let (running, reloader, _promised) = start();
    let small = settings(|settings| settings.target_bytes_max = 100);
    let conflict = |worker: &WorkerInfo| second(worker).get("/new", gone);
    assert!(reloader.reload(small.clone(), conflict).is_ok(), "each worker finds out by itself");
    assert!(reloader.reload(small, |_| panic!("a factory's panic")).is_ok());
    let wrong = settings(|settings| settings.idle_time = Duration::ZERO);
    assert!(matches!(reloader.reload(wrong, second), Err(StartError::Settings(_))));
    for _ in 0..32 {
        let mut client = Client::to(&running);
        assert_eq!(client.get("/version").text(), "first");
        assert_eq!(client.get(&format!("/{}", "a".repeat(200))).status, 404);
    }
}

fn gone(_: &Request<'_>, _: Response<'_>) -> HandlerResult {
    Err(Error::not_found("gone"))
}

#[test]
fn a_limit_of_connections_counts_those_that_are_there() {
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).pin(false);
    let (running, reloader) = server.start_reloadable(second).unwrap();
    let mut there = [(); 3].map(|()| Client::to(&running));
    assert!(there.iter_mut().all(|client| client.get("/new").status == 200));
    let limited = settings(|settings| settings.connections_per_address_max = Some(2));
    reloader.reload(limited.clone(), second).unwrap();
    // From another address: the change came before this is accepted.
    while Client::from("127.0.0.9", &running).get("/new").status != 200 {}
    Client::to(&running).expect_end();
    drop(there);
    reloader.reload(limited, second).unwrap();
    Client::from("127.0.0.9", &running).get("/new");
    assert_eq!(Client::to(&running).get("/new").status, 200);
}

#[test]
fn what_belongs_to_sockets_and_threads_stays_and_is_named() {
    let (running, reloader, _promised) = start();
    let other = settings(|settings| {
        settings.backlog = 9;
        settings.connections_max = Some(5);
        settings.idle_time = Duration::from_millis(30);
        settings.drain_time = Duration::from_millis(20);
    });
    let mut idle = Client::to(&running);
    assert_eq!(idle.get("/version").text(), "first");
    assert_eq!(reload(&running, &reloader, other.clone()), ["backlog", "connections_max"]);
    assert_eq!(reload(&running, &reloader, other), ["backlog", "connections_max"], "still so");
    idle.expect_end();
    let mut busy = Client::to(&running);
    busy.send("GET /version HTTP/1.1\r\nHo");
    running.drain();
    busy.expect_end();
    running.wait().unwrap();
    assert!(reloader.reload(Settings::default(), second).is_ok(), "nobody is there any more");
}
