//! What one client may take and how long it may take it, asked through real sockets: connections,
//! pipelined requests, heads, times, and when a connection lives on. Knows nothing below the
//! public face, and measures no time: what must end is waited for.

#[path = "support/http_client.rs"]
mod http_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corelane::report::WorkerRow;
use corelane::{Request, Response, Router, Running, Settings};
use http_client::{Client, get, pattern, post, serve, settings};
use socket2::SockRef;

const LARGE: usize = 10 << 20;

/// Echoes paths and bodies, and counts its calls where asked to.
fn application(calls: &Arc<AtomicUsize>) -> Router {
    let (counted, shown) = (Arc::clone(calls), Arc::clone(calls));
    Router::new()
        .get("/path/{n}", |req, res| res.text(&*req.param_text("n")?))
        .post("/echo", |req, res| res.bytes(req.body()))
        .get("/large", |_, res| res.bytes(pattern(LARGE)))
        .get("/counted/{len}", move |req, res| {
            counted.fetch_add(1, Ordering::SeqCst);
            res.bytes(vec![b'x'; req.param("len")?])
        })
        .get("/count", move |_, res| res.text(format_args!("{}", shown.load(Ordering::SeqCst))))
}

fn server(settings: Settings) -> Running {
    serve(settings, |_| application(&Arc::default()))
}

/// Stops the server; every connection it accepted was closed for one reason.
fn finish(server: Running) -> WorkerRow {
    server.stop();
    let total = server.wait().unwrap().report().total().clone();
    let closes: u64 = total.closes.iter().map(|(_, count)| count).sum();
    assert_eq!(closes, total.connections, "{:?}", total.closes);
    total
}

fn closes(total: &WorkerRow, reason: &str) -> u64 {
    total.closes.iter().find(|(name, _)| *name == reason).expect("the reason exists").1
}

#[test]
fn beyond_the_limit_of_connections_the_next_client_waits_until_one_leaves() {
    let server = server(settings(|settings| {
        settings.connections_max = Some(2);
        // Nobody is ended for being idle.
        settings.connections_soft_max = Some(3);
    }));
    let (mut first, mut second) = (Client::to(&server), Client::to(&server));
    assert_eq!(first.get("/path/1").text(), "1");
    assert_eq!(second.get("/path/2").text(), "2");
    let mut waiting: Vec<_> = (0..3).map(|_| Client::to(&server)).collect();
    for client in &mut waiting {
        client.send(get("/counted/1"));
    }
    // Turns in which the server would have served them, had it accepted them.
    for _ in 0..100 {
        assert_eq!(first.get("/count").text(), "0");
    }
    assert_eq!(second.get("/path/3").text(), "3", "those inside are served all the same");
    drop(first);
    for mut client in waiting {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(second.get("/count").text(), "3");
    drop(second);
    assert_eq!(finish(server).connections, 5);
}

#[test]
fn a_thousand_pipelined_requests_in_one_write_are_answered_in_order() {
    for pipelined_max in [1, 64, 5_000] {
        let server = server(settings(|settings| settings.pipelined_max = pipelined_max));
        let mut client = Client::to(&server);
        let burst: String = (0..1_000).map(|n| get(&format!("/path/{n}"))).collect();
        client.send(&burst);
        // A client with one request is not kept waiting for all of them.
        assert_eq!(Client::to(&server).get("/path/other").text(), "other");
        for n in 0..1_000 {
            assert_eq!(client.answer().text(), n.to_string());
        }
        let bodies: Vec<u8> = (0..1_000).flat_map(|n| post("/echo", "", &pattern(n))).collect();
        std::thread::scope(|scope| {
            let mut stream = client.stream.try_clone().unwrap();
            scope.spawn(move || std::io::Write::write_all(&mut stream, &bodies).unwrap());
            for n in 0..1_000 {
                assert!(client.answer().body == pattern(n), "body {n}");
            }
        });
        assert_eq!(finish(server).requests, 2_001);
    }
}

#[test]
fn answers_that_nobody_reads_hold_back_the_requests_behind_them() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = serve(Settings::default(), move |_| application(&counted));
    let mut greedy = Client::with_small_window(server.addresses()[0]);
    let burst: String = (0..1_000).map(|_| get("/counted/100000")).collect();
    greedy.send(&burst);
    let mut other = Client::to(&server);
    for _ in 0..100 {
        // The kernel's buffers hold a few megabytes, ours 64 KiB: far from 100 MB.
        let answered: usize = other.get("/count").text().parse().unwrap();
        assert!(answered < 500, "{answered} answers wait for one client");
    }
    for _ in 0..1_000 {
        let head = greedy.answer_to_head();
        assert_eq!(head.field("content-length"), Some("100000"));
        assert!(greedy.read_slowly(100_000).iter().all(|byte| *byte == b'x'));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1_000);
    drop((greedy, other));
    finish(server);
}

#[test]
fn a_quiet_connection_is_closed_without_a_word() {
    let server = server(settings(|settings| settings.idle_time = Duration::from_millis(100)));
    let mut client = Client::to(&server);
    for _ in 0..3 {
        assert_eq!(client.get("/path/x").status, 200);
    }
    client.expect_end();
    assert_eq!(closes(&finish(server), "idle_timeout"), 1);
}

#[test]
fn a_client_that_never_reads_its_answer_loses_its_place() {
    let server = server(settings(|settings| {
        settings.send_time = Duration::from_millis(100);
        settings.connections_max = Some(1);
    }));
    let mut stalled = Client::with_small_window(server.addresses()[0]);
    stalled.send(get("/large"));
    // There is one place only: this is answered once the other was given up.
    let mut next = Client::to(&server);
    assert_eq!(next.get("/path/next").text(), "next");
    let received = stalled.rest().len();
    assert!(received < LARGE, "{received} of {LARGE} bytes");
    drop(next);
    let total = finish(server);
    assert_eq!(closes(&total, "send_timeout"), 1, "{:?}", total.closes);
}

#[test]
fn heads_targets_and_fields_are_taken_up_to_their_limits() {
    let settings = settings(|settings| {
        settings.head_bytes_max = 8_192;
        settings.target_bytes_max = 2_000;
        settings.fields_max = 20;
    });
    let server = server(settings);
    let head = |len: usize| {
        let line = "GET /path/x HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
        line.replace("X: ", &format!("X: {}", "x".repeat(len - line.len())))
    };
    let target = |len: usize| get(&format!("/path/{}", "x".repeat(len - "/path/".len())));
    let fields = |count: usize| {
        get("/path/x").replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(count - 1)))
    };
    assert_eq!(head(8_192).len(), 8_192);
    for (fits, does_not, status) in [
        (head(8_192), head(8_193), 431),
        (target(2_000), target(2_001), 414),
        (fields(20), fields(21), 431),
    ] {
        let mut client = Client::to(&server);
        assert_eq!(client.send(&fits).answer().status, 200);
        // The largest head still fits behind others, wherever in the block it begins.
        let burst = get("/path/y").repeat(700) + &fits + &get("/path/z");
        client.send(burst);
        for _ in 0..700 {
            assert_eq!(client.answer().text(), "y");
        }
        assert_eq!(client.answer().status, 200);
        assert_eq!(client.answer().text(), "z");
        let answer = client.send(&does_not).answer();
        assert_eq!((answer.status, answer.says_close()), (status, true));
        client.finish_sending().expect_end();
    }
    finish(server);
}

#[test]
fn a_connection_lives_on_by_the_rules_of_its_version() {
    let server = server(Settings::default());
    let (stays, closes) = (true, false);
    for (version, fields, outcome) in [
        ("1.1", "", stays),
        ("1.1", "Connection: keep-alive\r\n", stays),
        ("1.1", "Connection: closed, x-close\r\n", stays),
        ("1.1", "Connection: close\r\n", closes),
        ("1.1", "Connection: CLOSE\r\n", closes),
        ("1.1", "Connection: keep-alive, Close\r\n", closes),
        ("1.1", "Connection: ,upgrade ,\tclose\r\n", closes),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", closes),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", closes),
        ("1.0", "", closes),
        ("1.0", "Connection: close\r\n", closes),
        ("1.0", "Connection: keep-alive, close\r\n", closes),
        ("1.0", "Connection: Keep-Alive\r\n", stays),
        ("1.0", "Connection: x, keep-alive\r\n", stays),
    ] {
        let request = format!("GET /path/x HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let mut client = Client::to(&server);
        // What stands behind a request that closes is not answered.
        let answer = client.send(request.clone() + &get("/path/behind")).answer();
        assert_eq!((answer.status, answer.text()), (200, "x"), "{request}");
        let said = match (outcome, version) {
            (true, "1.0") => Some("keep-alive"),
            (true, _) => None,
            (false, _) => Some("close"),
        };
        assert_eq!(answer.field("connection"), said, "{request}");
        if outcome == stays {
            assert_eq!(client.answer().text(), "behind", "{request}");
        }
        client.finish_sending().expect_end();
    }
    let total = finish(server);
    assert_eq!((closes_by_request(&total), total.connections), (9, 14));
}

fn closes_by_request(total: &WorkerRow) -> u64 {
    closes(total, "by_request")
}

#[test]
fn requests_are_answered_after_their_client_ended_its_side() {
    let server = server(Settings::default());
    let mut client = Client::to(&server);
    client.send([get("/path/1"), get("/path/2")].concat()).finish_sending();
    assert_eq!((client.answer().text(), client.answer().text()), ("1", "2"));
    client.expect_end();

    let mut client = Client::to(&server);
    let body = pattern(500_000);
    client.send(post("/echo", "", &body)).finish_sending();
    assert!(client.answer().body == body);
    client.expect_end();

    let mut client = Client::with_small_window(server.addresses()[0]);
    client.send(get("/large")).finish_sending().answer_to_head();
    assert!(client.read_slowly(LARGE) == pattern(LARGE), "every byte at its place");
    client.expect_end();
    assert_eq!(closes(&finish(server), "peer_closed"), 3);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = server(settings(|settings| settings.connections_max = Some(4)));
    for round in 0..200 {
        let mut client = Client::with_small_window(server.addresses()[0]);
        match round % 5 {
            0 => {}
            1 => drop(client.send("GET /pa")),
            2 => drop(client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")),
            3 => drop(client.send(get("/large"))),
            _ => drop(client.send(get("/path/x").repeat(500))),
        }
        if round % 2 == 0 {
            // The close is a reset.
            SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    // There are four places: they are free again.
    let mut clients: Vec<_> = (0..4).map(|_| Client::to(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/path/x").text(), "x");
    }
    drop(clients);
    finish(server);
}

#[test]
fn hundreds_of_connections_are_open_at_once() {
    let server = server(Settings::default());
    let mut clients: Vec<_> = (0..300).map(|_| Client::to(&server)).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send(get("/path/x"));
        }
        for client in &mut clients {
            assert_eq!(client.answer().text(), "x");
        }
    }
    drop(clients);
    let total = finish(server);
    assert_eq!((total.connections, total.requests), (300, 900));
}

#[test]
fn the_name_of_the_server_can_be_changed_and_left_out() {
    for name in [Some("a b/1.0"), None] {
        let server =
            serve(settings(|settings| settings.server_name = name.map(str::to_owned)), |_| {
                |_: &Request<'_>, res: Response<'_>| res.empty()
            });
        let mut client = Client::to(&server);
        assert_eq!(client.get("/").field("server"), name);
        assert_eq!(client.send("A\r\n\r\n").answer().field("server"), name);
    }
}
