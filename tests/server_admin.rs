//! The admin listener through real sockets: each of its paths, while the server works, while a
//! worker is stuck, and while it drains.

#![allow(clippy::cast_sign_loss, reason = "the reader of metrics takes no negative value")]

#[path = "support/exposition.rs"]
mod exposition;
#[path = "support/http_client.rs"]
mod http_client;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use corelane::{Router, Running, Server, Settings, StartError, WorkerInfo};
use exposition::{Samples, parse};
use http_client::{Answer, Client, PATIENCE, get, post, settings};
use serde_json::Value;

fn application(_: &WorkerInfo) -> Router {
    Router::new()
        .get("/", |_, response| response.text("here"))
        .get("/users/{id}", |_, response| response.text("a user"))
        .post("/echo", |request, response| response.bytes(request.body()))
}

fn administered(
    settings: Settings,
    workers: usize,
    factory: impl Fn(&WorkerInfo) -> Router + Send + Sync + 'static,
) -> Running {
    let workers = NonZeroUsize::new(workers).unwrap();
    let server = Server::bind("127.0.0.1:0").workers(workers).pin(false).settings(settings);
    server.admin("127.0.0.1:0").start(factory).expect("it starts")
}

fn served() -> Running {
    administered(Settings::default(), 2, application)
}

fn request(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n")
}

/// What the admin listener answers.
fn admin(server: &Running, target: &str) -> Answer {
    Client::connect(server.admin_addresses()[0]).send(request(target, "")).answer()
}

fn metrics(server: &Running) -> Samples {
    let answer = admin(server, "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parse(answer.text())
}

/// Asks again until `is_so`.
fn eventually<T>(mut ask: impl FnMut() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = ask();
        if is_so(&found) {
            return found;
        }
        assert!(Instant::now() < until, "it never came");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn metrics_count_what_was_asked_and_are_of_the_format() {
    let server = served();
    let mut client = Client::to(&server);
    for _ in 0..3 {
        assert_eq!(client.get("/users/7").status, 200);
    }
    assert_eq!(client.get("/nowhere").status, 404);
    assert_eq!(Client::to(&server).send("GET / HTTP/1.1\r\n\r\n").answer().status, 400);
    let closed = |samples: &Samples| samples.sum("corelane_closes_total", &["\"refused\""]) > 0.0;
    let samples = eventually(|| metrics(&server), closed);
    let sum = |name: &str, labels: &[&str]| samples.sum(name, labels);
    let user = ["method=\"GET\"", "route=\"/users/{id}\""];
    assert_eq!(sum("corelane_requests_total", &user) as u64, 3);
    assert_eq!(sum("corelane_requests_total", &["route=\"(no route)\""]) as u64, 1);
    assert_eq!(sum("corelane_answers_total", &["class=\"2xx\""]) as u64, 3);
    assert_eq!(sum("corelane_answers_total", &["class=\"4xx\""]) as u64, 2);
    assert_eq!(sum("corelane_refusals_total", &[]) as u64, 1);
    assert_eq!(sum("corelane_accepted_total", &[]) as u64, 2);
    assert_eq!(sum("corelane_connections", &["state=\"idle\""]) as u64, 1);
    assert_eq!(sum("corelane_service_seconds_count", &[]) as u64, 5);
    assert_eq!(sum("corelane_worker_up", &[]) as u64, 2);
    assert_eq!(sum("corelane_build_info", &[env!("CARGO_PKG_VERSION")]) as u64, 1);
    assert!(sum("corelane_received_bytes_total", &[]) > 100.0);
    assert!(sum("corelane_busy_seconds_total", &[]) > 0.0);
    assert!(sum("corelane_turns_total", &[]) >= 5.0);
    let limit = samples.value("corelane_accept_queue_limit", &["worker=\"0\""]);
    assert!((1.0..=4096.0).contains(&limit), "{limit}");
    assert!(samples.value("process_open_fds", &[]) > 4.0);
    assert!(samples.value("process_resident_memory_bytes", &[]) > 1e6);
    assert!(samples.value("process_start_time_seconds", &[]) > 1e9);
    samples.value("corelane_listen_overflows_total", &[]);
    samples.value("corelane_listen_drops_total", &[]);
}

#[test]
fn a_scraper_that_asks_for_open_metrics_gets_them() {
    let server = served();
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let mut client = Client::connect(server.admin_addresses()[0]);
    let answer = client.send(request("/metrics", accept)).answer();
    assert!(answer.field("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n") && text.contains("# TYPE corelane_accepted counter\n"));
    assert!(text.contains("\ncorelane_accepted_total{"));
}

#[test]
fn whatever_clients_send_there_are_as_many_series_as_at_the_start() {
    let server = served();
    let before = metrics(&server);
    let mut client = Client::to(&server);
    for round in 0..40_u64 {
        let paths = (0..50).map(|number| {
            let path = (round * 50 + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            get(&format!("/{path:x}/{{x}}?{path}"))
                .replace("Host", &format!("X-{path:x}: 1\r\nHost"))
        });
        client.send(paths.collect::<String>());
        for _ in 0..50 {
            assert_eq!(client.answer().status, 404);
        }
    }
    let after = metrics(&server);
    assert_eq!(after.sum("corelane_requests_total", &["(no route)"]) as u64, 2_000);
    assert_eq!(before.series(), after.series());
}

#[test]
fn latencies_are_told_as_json_and_in_the_formats_of_hdr_histogram() {
    let server = served();
    let mut client = Client::to(&server);
    (0..100).for_each(|_| assert_eq!(client.get("/").status, 200));
    let json = admin(&server, "/latency").json();
    assert_eq!(
        (json["schema"].as_str(), json["workers"].as_u64()),
        (Some("corelane-latency/1"), Some(2))
    );
    let pairs = json["service_time_ns"].as_array().unwrap();
    let count = pairs.iter().map(|pair| pair[1].as_u64().unwrap()).sum::<u64>();
    assert_eq!(count, 100);
    let answer = admin(&server, "/latency.hgrm");
    assert!(answer.text().trim_start().starts_with("Value     Percentile"), "{}", answer.text());
    assert!(answer.text().contains("Total count    =          100]"), "{}", answer.text());
    #[cfg(feature = "bench")]
    {
        let answer = admin(&server, "/latency.hlog");
        let intervals = corelane::report::from_hlog(answer.text()).unwrap();
        assert_eq!((intervals.len(), intervals[0].histogram.len()), (1, 100));
    }
}

#[test]
fn connections_are_counted_by_what_they_are_at() {
    let server = administered(Settings::default(), 1, |worker| {
        let held: Arc<Mutex<Vec<corelane::Later>>> = Arc::default();
        application(worker).get("/large", |_, response| response.bytes(vec![b'a'; 8 << 20])).get(
            "/later",
            move |_, response| {
                let held = Arc::clone(&held);
                response.later(move |later| held.lock().unwrap().push(later))
            },
        )
    });
    let address = server.addresses()[0];
    let mut clients: Vec<_> = (0..6).map(|_| Client::connect(address)).collect();
    assert_eq!(clients[0].get("/").status, 200);
    clients[1].send("GET / HT");
    clients[2].send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    clients[3].send(get("/later"));
    let mut stalled = Client::with_small_window(address);
    stalled.send(get("/large"));
    // What was refused lingers until its client ends.
    assert_eq!(clients[4].send("GET  / HTTP/1.1\r\n\r\n").answer().status, 400);
    let wanted = [
        ("preface", 0),
        ("idle", 2),
        ("reading_head", 1),
        ("reading_body", 1),
        ("answering", 1),
        ("sending", 1),
        ("lingering", 1),
    ];
    let found = eventually(
        || admin(&server, "/connections").json(),
        |json| wanted.iter().all(|(state, count)| json["states"][state] == *count),
    );
    assert_eq!(
        (&found["connections"], &found["schema"]),
        (&7.into(), &"corelane-connections/1".into())
    );
    let worker = &found["workers"][0];
    assert_eq!((&worker["states"], &worker["accepted"]), (&found["states"], &7.into()));
    assert_eq!(worker["accept_queue"], 0);
    assert_eq!(found["silent_workers"], Value::Array(Vec::new()));
}

#[test]
fn a_table_of_many_parts_is_counted_whole() {
    let server = administered(Settings::default(), 1, application);
    let many = corelane::limits::SURVEY_SLOTS as usize + 100;
    if corelane::sys::descriptor_limit().unwrap().soft < 3 * many as u64 {
        return;
    }
    let mut clients = Vec::new();
    for _ in 0..many {
        clients.push(TcpStream::connect(server.addresses()[0]).unwrap());
    }
    let found =
        eventually(|| admin(&server, "/connections").json(), |json| json["connections"] == many);
    assert_eq!(found["states"]["idle"], many);
}

/// A server whose worker stands still in `/stuck` until it is told to go on.
fn stuck(workers: usize) -> (Running, Receiver<()>, impl Fn()) {
    let (begun, has_begun) = channel();
    let (go_on, wait) = channel::<()>();
    let shared = Arc::new(Mutex::new((begun, wait)));
    let server = administered(Settings::default(), workers, move |worker| {
        let shared = Arc::clone(&shared);
        application(worker).get("/stuck", move |_, response| {
            let shared = shared.lock().unwrap();
            shared.0.send(()).unwrap();
            let _ = shared.1.recv();
            response.text("at last")
        })
    });
    (server, has_begun, move || go_on.send(()).unwrap())
}

#[test]
fn a_stuck_worker_is_named_and_hangs_no_page() {
    let (server, has_begun, go_on) = stuck(2);
    assert_eq!((admin(&server, "/livez").status, admin(&server, "/livez").text()), (200, "ok\n"));
    let mut client = Client::to(&server);
    client.send(get("/stuck"));
    has_begun.recv_timeout(PATIENCE).expect("the handler is called");
    let began = Instant::now();
    let found = admin(&server, "/connections").json();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let silent = found["silent_workers"][0].as_u64().expect("one does not answer");
    assert_eq!(found["workers"][silent as usize]["states"], Value::Null);
    assert!(found["workers"][1 - silent as usize]["states"]["idle"].is_u64());
    let samples = metrics(&server);
    let label = format!("worker=\"{silent}\"");
    assert_eq!(samples.value("corelane_worker_up", &[&label]) as u64, 0);
    assert!(samples.value("corelane_turn_seconds", &[&label]) > 0.5);
    assert_eq!(samples.sum("corelane_worker_up", &[]) as u64, 1);
    let answer = admin(&server, "/latency");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains(&format!("worker {silent} does not answer")), "{answer:?}");

    let answer = eventually(|| admin(&server, "/livez"), |answer| answer.status != 200);
    let named = format!("worker {silent}: GET /stuck has not returned for ");
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with(&named), "{answer:?}");
    assert_eq!(admin(&server, "/readyz").status, 200, "being stuck is no reason to be refused");
    go_on();
    assert_eq!(client.answer().text(), "at last");
    eventually(|| admin(&server, "/livez").status, |status| *status == 200);
    eventually(|| metrics(&server), |found| found.sum("corelane_worker_up", &[]) > 1.5);
}

#[test]
fn what_waits_at_a_stuck_worker_is_seen_in_its_queue() {
    let (server, has_begun, go_on) = stuck(1);
    let mut client = Client::to(&server);
    client.send(get("/stuck"));
    has_begun.recv_timeout(PATIENCE).expect("the handler is called");
    let waiting = [0, 1, 2].map(|_| TcpStream::connect(server.addresses()[0]).unwrap());
    let samples = metrics(&server);
    assert_eq!(samples.value("corelane_accept_queue_depth", &[]) as usize, waiting.len());
    go_on();
    client.answer();
    eventually(|| metrics(&server), |found| found.sum("corelane_accept_queue_depth", &[]) < 0.5);
}

#[test]
fn a_server_is_ready_until_it_steps_back_or_drains() {
    let server = administered(
        settings(|settings| settings.drain_idle_time = Duration::from_secs(60)),
        1,
        application,
    );
    let ready = || admin(&server, "/readyz");
    assert_eq!((ready().status, ready().text().to_owned()), (200, "ok\n".to_owned()));
    let mut client = Client::to(&server);
    assert_eq!(client.get("/").status, 200);
    server.step_back();
    assert_eq!((ready().status, ready().text().to_owned()), (503, "lame duck\n".to_owned()));
    assert_eq!(Client::to(&server).get("/").text(), "here", "everybody is served");
    assert!(!client.get("/").says_close());
    server.drain();
    assert_eq!((ready().status, ready().text().to_owned()), (503, "draining\n".to_owned()));
    assert_eq!(admin(&server, "/livez").status, 200);
    eventually(|| TcpStream::connect(server.addresses()[0]).is_err(), |refused| *refused);
    assert_eq!(metrics(&server).value("corelane_phase", &["draining"]) as u64, 1);
    assert!(client.get("/").says_close());
    let address = server.admin_addresses()[0];
    server.stop();
    server.wait().unwrap();
    assert!(TcpStream::connect(address).is_err(), "it ends with the server");
}

#[test]
fn a_server_is_not_ready_before_all_its_workers_are() {
    let (begun, has_begun) = channel();
    let (go_on, wait) = channel::<()>();
    let shared = Mutex::new((begun, wait));
    let port = TcpListener::bind("127.0.78.1:0").unwrap().local_addr().unwrap();
    let starting = thread::spawn(move || {
        let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).pin(false);
        server.admin(port).start(move |worker| {
            let shared = shared.lock().unwrap();
            shared.0.send(()).unwrap();
            let _ = shared.1.recv();
            application(worker)
        })
    });
    has_begun.recv_timeout(PATIENCE).expect("its factory is called");
    let ready = || Client::connect(port).send(request("/readyz", "")).answer();
    assert_eq!((ready().status, ready().text().to_owned()), (503, "starting\n".to_owned()));
    go_on.send(()).unwrap();
    let server = starting.join().unwrap().unwrap();
    assert_eq!(ready().status, 200);
    drop(server);
}

#[test]
fn the_end_of_a_drain_accounts_for_every_connection() {
    let change = |settings: &mut Settings| {
        settings.drain_time = Duration::from_millis(700);
        settings.drain_idle_time = Duration::from_millis(100);
    };
    let server = administered(settings(change), 1, application);
    let mut clients: Vec<_> = (0..4).map(|_| Client::to(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let whole = post("/echo", "", b"abc");
    clients[1].send(&whole[..whole.len() - 1]);
    clients[2].send(&whole[..whole.len() - 1]);
    eventually(
        || admin(&server, "/connections").json(),
        |json| json["states"]["reading_body"] == 2,
    );
    clients.truncate(3);
    eventually(
        || metrics(&server),
        |found| found.sum("corelane_closes_total", &["peer_closed"]) > 0.5,
    );
    server.drain();
    let answer = clients[1].send(&whole[whole.len() - 1..]).answer();
    assert!(answer.says_close());
    clients[1].finish_sending().expect_end();
    clients[0].expect_end();
    let ended = server.wait().unwrap();
    let account = ended.drain_account().expect("it drained");
    let figures: BTreeMap<_, _> = account.figures().into_iter().collect();
    assert_eq!(figures["open"], 3, "{account}");
    assert_eq!((figures["finished"], figures["closed_idle"]), (1, 1), "{account}");
    assert_eq!((figures["cut_at_limit"], figures["failed"]), (1, 0), "{account}");
    let text = ended.report().to_text();
    assert!(text.contains("drain: 3 connections: 1 finished, 1 closed idle"), "{text}");
    assert_eq!(ended.report().to_json().to_string().matches("\"drain\":{\"open\":3,").count(), 1);
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_says_so() {
    let server = served();
    let answer = admin(&server, "/");
    let policy = answer.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let (_, rest) = policy.split_once("nonce-").unwrap();
    let nonce = &rest[..32];
    let page = answer.text();
    assert_eq!(page.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    assert!(!page.contains("{nonce}") && !page.contains("https://"), "nothing is fetched");
    assert_eq!(page.matches("http://").count(), 1, "the name of a namespace is no address");
    assert_ne!(admin(&server, "/").field("content-security-policy"), Some(policy));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(admin(&server, "/favicon.ico").status, 404);
}

/// The next event of a live page.
fn event(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Value {
    loop {
        let text = String::from_utf8_lossy(unread).into_owned();
        if let Some((_, rest)) = text.split_once("data: ")
            && let Some((data, _)) = rest.split_once("\n\n")
        {
            let json = serde_json::from_str(data).expect("an event is JSON");
            let end = text.find(data).unwrap() + data.len() + 2;
            unread.drain(..end);
            return json;
        }
        let mut piece = [0; 16 * 1024];
        let len = stream.read(&mut piece).expect("an event comes");
        assert!(len > 0, "events do not end: {text}");
        unread.extend_from_slice(&piece[..len]);
    }
}

#[test]
fn a_live_page_is_told_what_happens_each_second() {
    let server = served();
    let mut page = Client::connect(server.admin_addresses()[0]);
    page.send(request("/events", ""));
    let head = page.answer_to_head();
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    let mut unread = Vec::new();
    let first = event(&mut page.stream, &mut unread);
    assert_eq!((&first["phase"], &first["p50"]), (&"ready".into(), &Value::Null));
    let mut client = Client::to(&server);
    (0..200).for_each(|_| assert_eq!(client.get("/").status, 200));
    let mut rate = 0.0;
    while rate == 0.0 {
        let event = event(&mut page.stream, &mut unread);
        rate = event["rate"].as_f64().unwrap();
        if rate > 0.0 {
            assert!(
                event["p50"].as_u64() > Some(0) && event["max"].as_u64() >= event["p50"].as_u64()
            );
            assert_eq!(event["workers"].as_array().unwrap().len(), 2);
            assert_eq!(event["states"]["idle"], 1);
        }
    }
}

#[test]
fn live_pages_are_bounded_and_one_that_reads_nothing_is_dropped() {
    let server = served();
    let address = server.admin_addresses()[0];
    let mut pages: Vec<_> = (0..corelane::limits::EVENT_CLIENTS_MAX)
        .map(|_| Client::with_small_window(address))
        .collect();
    for page in &mut pages {
        page.send(request("/events", ""));
    }
    let refused = |target: SocketAddr| {
        Client::connect(target).send(request("/events", "")).answer_to_head().status == 503
    };
    eventually(|| refused(address), |refused| *refused);
    // Nobody reads: their windows fill, and after `send_time` their places are free again.
    eventually(|| refused(address), |refused| !*refused);
    assert_eq!(admin(&server, "/livez").status, 200);
    drop(pages);
}

#[test]
fn other_names_other_methods_and_other_paths_are_refused() {
    let server = served();
    let address = server.admin_addresses()[0];
    let answer = Client::connect(address).send(get("/metrics")).answer();
    assert_eq!(answer.status, 421, "a page elsewhere may not read it under its own name");
    let answer = Client::connect(address).send(post("/metrics", "", b"")).answer();
    assert_eq!(answer.status, 421);
    let local = "POST /metrics HTTP/1.1\r\nHost: localhost:9\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(Client::connect(address).send(local).answer().status, 405);
    let nameless = "GET /readyz HTTP/1.0\r\n\r\n";
    assert_eq!(Client::connect(address).send(nameless).answer().status, 200, "a plain probe may");
    assert_eq!(admin(&server, "/metrics/x").status, 404);
    assert_eq!(Client::to(&server).get("/metrics").status, 404, "the public sees none of it");
    assert_eq!(Client::to(&server).get("/livez").status, 404);
}

#[test]
fn without_an_admin_listener_there_is_none_and_a_taken_port_is_told() {
    let server = http_client::serve(Settings::default(), application);
    assert!(server.admin_addresses().is_empty());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    let error = Server::bind("127.0.0.1:0").admin(taken.1).start(application).unwrap_err();
    assert!(matches!(error, StartError::Bind(_)), "{error}");
    assert!(error.hint().is_some());
}
