//! Faults of the application in a running server: handlers that block, handlers that panic, and
//! workers that die. Knows nothing below the public face, and waits for what it expects.

#[path = "support/http_client.rs"]
mod http_client;

use std::fmt;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::time::Duration;

use corelane::report::ServerReport;
use corelane::{Piece, Pull, Router, Running, Server, Settings, Source, StartError};
use http_client::{Client, PATIENCE, serve, settings};

/// What was logged so far, by every test of this program.
#[derive(Default)]
struct Captured {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

static CAPTURED: Captured = Captured { lines: Mutex::new(Vec::new()), more: Condvar::new() };

/// A logger that cannot bear these words, as one that prints to a closed pipe.
const DEADLY: &str = "words that no logger can bear";

impl log::Log for Captured {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        let is_deadly = line.contains(DEADLY) && line.contains("panicked at");
        self.lines.lock().unwrap().push(line);
        self.more.notify_all();
        assert!(!is_deadly, "the logger fails");
    }

    fn flush(&self) {}
}

/// Waits until a line was logged that contains all of `words`.
fn logged(words: &[&str]) -> String {
    let found = |line: &&String| words.iter().all(|word| line.contains(word));
    let lines = CAPTURED.lines.lock().unwrap();
    let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| found(&line));
    let (lines, _) = CAPTURED.more.wait_timeout_while(lines, PATIENCE, missing).unwrap();
    let line = lines.iter().find(found);
    line.unwrap_or_else(|| panic!("nothing says {words:?}, but {lines:#?}")).clone()
}

fn capture() {
    static CAPTURE: Once = Once::new();
    CAPTURE.call_once(|| {
        log::set_logger(&CAPTURED).expect("there is no other");
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// Two workers, each on every CPU: what one does must not hold the other up.
fn two_workers(
    settings: Settings,
    factory: impl Fn(&corelane::WorkerInfo) -> Router + Send + Sync + 'static,
) -> Running {
    capture();
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap()).pin(false);
    server.settings(settings).start(factory).expect("it starts")
}

/// Connects until a connection was accepted by worker `index`, whose `/worker` tells its number.
fn client_of_worker(server: &Running, index: usize) -> Client {
    for _ in 0..1_000 {
        let mut client = Client::to(server);
        if client.get("/worker").text() == index.to_string() {
            return client;
        }
    }
    panic!("worker {index} accepts nothing");
}

fn stalls(report: &ServerReport) -> u64 {
    let events = &report.total().events;
    events.iter().find(|(name, _)| *name == "stalls").expect("they are counted").1
}

#[test]
fn a_handler_that_blocks_is_named_with_its_worker_while_it_blocks_and_when_it_returns() {
    let (go_on, wait) = channel::<()>();
    let wait = Mutex::new(Some(wait));
    let server = two_workers(Settings::default(), move |worker| {
        let index = worker.index();
        let wait: Option<Receiver<()>> =
            if index == 1 { wait.lock().unwrap().take() } else { None };
        Router::new().get("/worker", move |_, res| res.text(format_args!("{index}"))).get(
            "/slow/{how}",
            move |_, res| {
                let _ = wait.as_ref().map(Receiver::recv);
                res.text("at last")
            },
        )
    });
    let mut witness = client_of_worker(&server, 0);
    let mut client = client_of_worker(&server, 1);
    client.send(http_client::get("/slow/er?private=1"));
    let line = logged(&["worker 1: GET /slow/{how} has not returned for "]);
    assert!(!line.contains("private"), "{line}");
    assert_eq!(server.status().workers.iter().map(|one| one.stalls).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(witness.get("/worker").text(), "0", "the other worker serves");
    drop(go_on);
    assert_eq!(client.answer().text(), "at last");
    let line = logged(&["worker 1: GET /slow/{how} returned after "]);
    let millis = line.rsplit(' ').nth(1).and_then(|millis| millis.parse::<u64>().ok());
    assert!(millis.expect("it says how long") >= 75, "{line}");
    server.drain();
    drop((witness, client));
    let report = server.wait().unwrap().report();
    assert_eq!(stalls(&report), 1);
    assert!(report.to_text().contains("  stalls  1\n"));
}

#[test]
fn a_server_without_a_stall_time_has_no_supervisor() {
    // The name of every thread of this process cannot be asked, for the other tests run too.
    let server = serve(settings(|settings| settings.stall_time = None), |_| {
        Router::new().get("/", |_, res| {
            std::thread::sleep(Duration::from_millis(200));
            res.text("")
        })
    });
    assert_eq!(Client::to(&server).get("/").status, 200);
    server.stop();
    assert_eq!(stalls(&server.wait().unwrap().report()), 0);
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(Bomb);
    }
}

/// An error that panics when it is shown.
#[derive(Debug)]
struct Unshowable;

impl fmt::Display for Unshowable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("it cannot be shown");
    }
}

impl std::error::Error for Unshowable {}

#[test]
fn a_handler_that_panics_is_logged_with_worker_route_and_message() {
    capture();
    let server = serve(Settings::default(), |_| {
        Router::new()
            .get("/", |_, res| res.text("here"))
            .get("/users/{id}", |req, _| panic!("no user {}", req.param_text("id")?))
            .get("/error", |_, _| Err(Unshowable.into()))
            .get("/bomb", |_, _| std::panic::panic_any(Bomb))
    });
    let answer = Client::to(&server).get("/users/7?key=1");
    assert_eq!((answer.status, answer.says_close()), (500, true));
    let line = logged(&["no user 7"]);
    assert_eq!(line, "worker 0: GET /users/{id} panicked at GET /users/7: no user 7");
    // Nor does what a panic carries kill the worker.
    assert_eq!(Client::to(&server).get("/bomb").status, 500);
    logged(&["worker 0: GET /bomb panicked at GET /bomb: a payload without text"]);
    // Nor does an error that cannot be shown.
    assert_eq!(Client::to(&server).get("/error").status, 500);
    logged(&["worker 0: GET /error panicked at GET /error: it cannot be shown"]);
    assert_eq!(Client::to(&server).get("/").text(), "here");
    server.stop();
    let report = server.wait().unwrap().report();
    let panicked = report.total().closes.iter().find(|(name, _)| *name == "panicked");
    assert_eq!(panicked.map(|(_, count)| *count), Some(3));
}

/// An application whose worker `index` dies of its logger, which no `catch_unwind` covers.
fn mortal(index: usize) -> Router {
    Router::new()
        .get("/worker", move |_, res| res.text(format_args!("{index}")))
        .get("/die", |_, _| panic!("{DEADLY}"))
}

#[test]
fn when_a_worker_dies_the_others_are_stopped_though_nobody_waits() {
    let server = two_workers(Settings::default(), |worker| mortal(worker.index()));
    let mut survivor = client_of_worker(&server, 0);
    let mut fatal = client_of_worker(&server, 1);
    let address = server.addresses()[0];
    fatal.send(http_client::get("/die"));
    survivor.expect_end();
    fatal.rest();
    logged(&["worker 1 ended: it panicked: the logger fails; the server stops"]);
    // Worker 0 is asked first, and ended well.
    let error = server.wait().expect_err("a worker died");
    assert!(matches!(&error, StartError::Worker(1, _)), "{error}");
    assert_eq!(error.to_string(), "worker 1 ended: it panicked: the logger fails");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("restart the server")));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_worker_that_is_held_up_does_not_keep_a_broken_server_alive() {
    let (go_on, wait) = channel::<()>();
    let (begun, has_begun): (Sender<()>, _) = channel();
    let shared = Arc::new(Mutex::new(Some((begun, wait))));
    let server = two_workers(Settings::default(), move |worker| {
        let shared = Arc::clone(&shared);
        mortal(worker.index()).get("/hold", move |_, res| {
            let held = shared.lock().unwrap().take();
            if let Some((begun, wait)) = held {
                begun.send(()).unwrap();
                let _ = wait.recv();
            }
            res.text("")
        })
    });
    let mut held = client_of_worker(&server, 0);
    let mut fatal = client_of_worker(&server, 1);
    held.send(http_client::get("/hold"));
    has_begun.recv_timeout(PATIENCE).unwrap();
    fatal.send(http_client::get("/die"));
    let error = server.wait().expect_err("a worker died");
    assert!(matches!(error, StartError::Worker(1, _)), "{error}");
    logged(&["worker 0 is left behind"]);
    drop(go_on);
}

#[test]
fn a_drain_does_not_wait_for_a_handler_that_never_returns() {
    let (go_on, wait) = channel::<()>();
    let (begun, has_begun): (Sender<()>, _) = channel();
    let shared = Mutex::new(Some((begun, wait)));
    let drain_soon = settings(|settings| settings.drain_time = Duration::from_millis(10));
    let server = serve(drain_soon, move |_| {
        let held = shared.lock().unwrap().take();
        Router::new().get("/", move |_, res| {
            if let Some((begun, wait)) = &held {
                begun.send(()).unwrap();
                let _ = wait.recv();
            }
            res.text("")
        })
    });
    let mut client = Client::to(&server);
    client.send(http_client::get("/"));
    has_begun.recv_timeout(PATIENCE).unwrap();
    server.drain();
    let error = server.wait().expect_err("its worker does not end");
    assert!(matches!(error, StartError::Stuck(0)), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("run_blocking")));
    drop(go_on);
}

/// A source that fails with an error that cannot be shown.
struct Unreadable;

impl Source for Unreadable {
    fn pull(&mut self, _: &mut Piece<'_>) -> Result<Pull, corelane::Error> {
        Err(Unshowable.into())
    }
}

#[test]
fn a_late_error_or_one_of_a_source_that_cannot_be_shown_kills_no_worker() {
    capture();
    let server = serve(Settings::default(), |_| {
        Router::new()
            .get("/late", |_, res| res.later(|later| later.fail(Unshowable)))
            .get("/source", |_, res| res.stream(Unreadable))
    });
    assert_eq!(Client::to(&server).get("/late").status, 500);
    logged(&["worker 0: GET /late panicked late: it cannot be shown"]);
    let mut client = Client::to(&server);
    client.send(http_client::get("/source"));
    assert_eq!(client.answer_to_head().status, 200);
    client.rest();
    logged(&["worker 0: GET /source panicked in the source of its answer: it cannot be shown"]);
    server.stop();
    server.wait().unwrap();
}

/// Set in the process that is to die.
const MORTAL: &str = "CORELANE_TEST_MORTAL";

/// Not a test of its own: the program that the next one runs.
#[test]
fn mortal_program() {
    if std::env::var_os(MORTAL).is_none() {
        return;
    }
    capture();
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap());
    let outcome = server.run_with(
        |worker| mortal(worker.index()),
        |running| {
            let address = running.addresses()[0];
            std::thread::spawn(move || {
                Client::connect(address).send(http_client::get("/die")).rest()
            });
        },
    );
    let error = outcome.expect_err("a worker dies");
    println!("outcome: {error:?}");
    std::process::exit(1);
}

#[test]
fn a_dead_worker_ends_a_server_that_runs_for_signals() {
    let program = std::env::current_exe().unwrap();
    let run = Command::new(program)
        .args(["--exact", "mortal_program", "--nocapture"])
        .env(MORTAL, "1")
        .output()
        .expect("it can be run");
    let told = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{told}");
    let outcome = told.lines().find_map(|line| line.split_once("outcome: ").map(|(_, rest)| rest));
    let outcome = outcome.unwrap_or_else(|| panic!("{told}"));
    assert!(outcome.starts_with("worker "), "{outcome}");
    assert!(outcome.ends_with(" ended: it panicked: the logger fails"), "{outcome}");
    assert!(told.contains("hint: restart the server"), "{told}");
}
