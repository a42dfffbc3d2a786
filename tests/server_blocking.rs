//! Blocking work of handlers on the server's threads for it, over real sockets.
//! Knows nothing of the pool but what its answers show.

#[path = "support/http_client.rs"]
mod http_client;

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use corelane::{Reply, Router, Running, Server, Settings, Status};
use http_client::{Client, PATIENCE, get, settings};

/// A pinned worker, so many threads for blocking work, and the two ends that hold `/hold` up:
/// each job sends there that it runs, and goes on when the other is dropped.
fn server(threads: usize, settings: Settings) -> (Running, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (go_on, wait) = channel::<()>();
    let ends = Mutex::new(Some((begun, wait)));
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).blocking_threads(threads);
    let factory = move |_: &corelane::WorkerInfo| {
        let (begun, wait) = ends.lock().unwrap().take().expect("there is one worker");
        let wait = Arc::new(Mutex::new(wait));
        Router::new()
            .get("/", |_, res| res.text("here"))
            .get("/where", |_, res| res.later(|later| later.run_blocking(|| Ok(place()))))
            .get("/panic", |_, res| res.later(|later| later.run_blocking(|| panic!("on purpose"))))
            .get("/hold", move |_, res| {
                let (begun, wait) = (begun.clone(), Arc::clone(&wait));
                res.later(move |later| {
                    later.run_blocking(move || {
                        begun.send(()).unwrap();
                        let _ = wait.lock().unwrap().recv();
                        Ok(Reply::text("held"))
                    });
                })
            })
    };
    (server.settings(settings).start(factory).expect("it starts"), has_begun, go_on)
}

/// The thread's name and the CPUs it may use.
fn place() -> Reply {
    let cpus = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let cpus = cpus.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    Reply::text(format!("{} on {}", thread::current().name().unwrap(), cpus.trim()))
}

#[test]
fn work_runs_on_a_thread_of_its_own_that_is_not_pinned_like_the_worker() {
    let (server, ..) = server(1, Settings::default());
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let answer = Client::to(&server).get("/where");
    assert_eq!(answer.text(), format!("blocking 0 on {}", own.trim()));
}

#[test]
fn the_worker_serves_while_its_work_blocks() {
    let (server, begun, go_on) = server(1, Settings::default());
    let mut waiting = Client::to(&server);
    waiting.send(get("/hold"));
    begun.recv_timeout(PATIENCE).unwrap();
    assert_eq!(Client::to(&server).get("/").text(), "here");
    drop(go_on);
    assert_eq!(waiting.answer().text(), "held");
}

#[test]
fn beyond_the_queue_the_answer_is_503_and_without_threads_always() {
    let one = settings(|settings| settings.blocking_queue_max = 0);
    let (server, begun, go_on) = server(1, one);
    let mut waiting = Client::to(&server);
    waiting.send(get("/hold"));
    begun.recv_timeout(PATIENCE).unwrap();
    let answer = Client::to(&server).get("/where");
    assert_eq!(answer.status, Status::SERVICE_UNAVAILABLE.code());
    assert_eq!(answer.field("retry-after"), Some("1"));
    drop(go_on);
    assert_eq!(waiting.answer().text(), "held");

    let (server, ..) = self::server(0, Settings::default());
    assert_eq!(Client::to(&server).get("/where").status, 503);
}

#[test]
fn work_that_panics_answers_500_and_its_thread_goes_on() {
    let (server, ..) = server(1, Settings::default());
    assert_eq!(Client::to(&server).get("/panic").status, 500);
    let answer = Client::to(&server).get("/where");
    assert!(answer.text().starts_with("blocking 0 on "), "{answer:?}");
}

#[test]
fn a_server_stops_though_its_work_never_returns() {
    let (server, begun, go_on) = server(1, Settings::default());
    let mut waiting = Client::to(&server);
    let mut queued = Client::to(&server);
    waiting.send(get("/hold"));
    begun.recv_timeout(PATIENCE).unwrap();
    queued.send(get("/where"));
    assert_eq!(Client::to(&server).get("/").text(), "here");
    server.stop();
    let report = server.wait().unwrap().report();
    let stopped = report.total().closes.iter().find(|(name, _)| *name == "stopped");
    assert_eq!(stopped.map(|(_, count)| *count >= 2), Some(true));
    drop(go_on);
}
