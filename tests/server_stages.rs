//! The stages of requests over real sockets: what a blocked worker does to those behind, and what
//! answers tell their clients. Knows only lower bounds, for machines are noisy.

#[path = "support/http_client.rs"]
mod http_client;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use corelane::app::{LATENCY_SCHEMA, latency};
use corelane::{Router, Running, Server, Settings, WorkerInfo};
use http_client::{Client, get, serve, settings};

const DELAY: Duration = Duration::from_millis(5);

/// A server with every request sampled. `/held` tells that it runs, goes on when it is told to,
/// and then takes the delay.
fn server(change: impl FnOnce(&mut Settings)) -> (Running, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (go_on, wait) = channel::<()>();
    let ends = Mutex::new(Some((begun, wait)));
    let settings = settings(|settings| {
        settings.stage_sampling = 1;
        change(settings);
    });
    let server = serve(settings, move |_| {
        let (begun, wait) = ends.lock().unwrap().take().expect("there is one worker");
        Router::new()
            .get("/", |_, res| res.text("here"))
            .get("/slow", |_, res| {
                thread::sleep(DELAY);
                res.text("slow")
            })
            .get("/held", move |_, res| {
                begun.send(()).unwrap();
                let _ = wait.recv();
                thread::sleep(DELAY);
                res.text("held")
            })
            .get("/later", |_, res| {
                res.later(|later| {
                    later.run_blocking(|| {
                        thread::sleep(DELAY);
                        Ok(corelane::Reply::text("later"))
                    });
                })
            })
    });
    (server, has_begun, go_on)
}

/// The stages of all requests, from the report.
fn stages(server: Running) -> serde_json::Value {
    server.drain();
    let report = server.wait().unwrap().report();
    let json: serde_json::Value = serde_json::from_str(&report.to_json().to_string()).unwrap();
    json["total"]["stages"].clone()
}

fn max_ns(stages: &serde_json::Value, name: &str) -> u64 {
    stages[name]["max_ns"].as_u64().unwrap_or_else(|| panic!("no {name} in {stages}"))
}

#[test]
fn a_slow_handler_is_slow_in_its_own_stage() {
    let (server, ..) = server(|_| {});
    let mut client = Client::to(&server);
    client.get("/slow");
    let stages = stages(server);
    assert!(max_ns(&stages, "handler") >= DELAY.as_nanos() as u64, "{stages}");
    assert_eq!(stages["parse"]["count"], 1);
    assert_eq!(stages["write"]["count"], 1);
}

#[test]
fn bytes_that_come_while_the_worker_is_held_up_wait_in_the_kernels_queue() {
    let (server, has_begun, go_on) = server(|_| {});
    let (mut held, mut behind) = (Client::to(&server), Client::to(&server));
    // Stamps may be missing in the first moments.
    for _ in 0..5 {
        held.send(get("/held"));
        has_begun.recv().unwrap();
        behind.send(get("/"));
        go_on.send(()).unwrap();
        held.answer();
        behind.answer();
    }
    let stages = stages(server);
    assert!(max_ns(&stages, "kernel_queue") >= DELAY.as_nanos() as u64, "{stages}");
}

/// The milliseconds that an answer names for `stage`.
fn told(answer: &http_client::Answer, stage: &str) -> f64 {
    let field = answer.field("server-timing").expect("the answer tells");
    let metric = field.split(", ").find_map(|metric| metric.strip_prefix(stage));
    metric.and_then(|metric| metric.strip_prefix(";dur=")).unwrap().parse().unwrap()
}

#[test]
fn answers_tell_their_clients_what_they_took_only_where_it_is_set() {
    let (server, ..) = server(|settings| settings.server_timing = true);
    let mut client = Client::to(&server);
    let delay = DELAY.as_secs_f64() * 1e3;
    for target in ["/slow", "/later"] {
        let answer = client.get(target);
        assert!(told(&answer, "handler") >= delay, "{target}: {answer:?}");
        assert!(told(&answer, "wait") >= 0.0 && told(&answer, "parse") >= 0.0);
    }
    client.send(get("/slow") + &get("/"));
    client.answer();
    let second = client.answer();
    assert!(told(&second, "wait") >= delay, "behind the first of its batch: {second:?}");
    let missing = client.get("/nowhere");
    assert_eq!(missing.status, 404);
    assert!(missing.field("server-timing").is_some());

    let (silent, ..) = self::server(|_| {});
    assert_eq!(Client::to(&silent).get("/").field("server-timing"), None);
}

/// How many values the pairs of a histogram hold.
fn count(pairs: &serde_json::Value) -> u64 {
    pairs.as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap()).sum()
}

#[test]
fn the_latencies_of_all_workers_are_told_while_they_run() {
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap()).pin(false);
    let application = |worker: &WorkerInfo| {
        Router::new().get("/", |_, res| res.text("here")).get("/latency", latency(worker))
    };
    let server = server.start(application).expect("it starts");
    let mut client = Client::to(&server);
    let first = client.get("/latency");
    assert_eq!(first.field("content-type"), Some("application/json"));
    assert_eq!(first.field("cache-control"), Some("no-store"));
    let first = first.json();
    assert_eq!((&first["schema"], &first["workers"]), (&LATENCY_SCHEMA.into(), &2.into()));
    for _ in 0..100 {
        Client::to(&server).get("/");
    }
    let second = client.get("/latency").json();
    let more = |pick: fn(&serde_json::Value) -> &serde_json::Value| {
        count(pick(&second)) - count(pick(&first))
    };
    // The first answer itself was on its way when it was told.
    assert_eq!(more(|json| &json["service_time_ns"]), 101);
    assert_eq!(more(|json| &json["stages_ns"]["loop_wait"]), 101);
    assert!(second["uptime_seconds"].as_f64() > first["uptime_seconds"].as_f64());
}

#[test]
fn a_worker_that_does_not_answer_makes_it_unavailable() {
    let (begun, has_begun) = channel();
    let (go_on, wait) = channel::<()>();
    let ends = Mutex::new(Some((begun, wait)));
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).pin(false);
    let application = move |worker: &WorkerInfo| {
        let (begun, wait) = ends.lock().unwrap().take().expect("there is one worker");
        let worker = worker.clone();
        Router::new().get("/", move |_, res| {
            let (worker, begun) = (worker.clone(), begun.clone());
            // Asked from another thread while the handler blocks its worker.
            thread::spawn(move || begun.send(worker.measured().err()));
            let _ = wait.recv();
            res.text("held")
        })
    };
    let server = server.start(application).expect("it starts");
    let mut client = Client::to(&server);
    client.send(get("/"));
    let error = has_begun.recv().unwrap().expect("there is no answer");
    assert_eq!(error.message(), "worker 0 does not answer");
    go_on.send(()).unwrap();
    assert_eq!(client.answer().text(), "held");
}

#[test]
fn without_sampling_only_the_wait_for_the_worker_is_measured() {
    let (server, ..) = server(|settings| settings.stage_sampling = 0);
    let mut client = Client::to(&server);
    client.get("/");
    let stages = stages(server);
    for name in ["kernel_queue", "parse", "handler", "write"] {
        assert_eq!(stages[name], serde_json::Value::Null, "{name}");
    }
    assert_eq!(stages["loop_wait"]["count"], 1);
}
