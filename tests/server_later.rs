//! Answers that are promised and given elsewhere, over real sockets.

#[path = "support/http_client.rs"]
mod http_client;

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use corelane::{Error, Later, Piece, Pull, Reply, Router, Running, Settings, Status};

use http_client::{Client, get, serve, settings};

/// A server that hands the right to answer `/later` to the test.
fn serve_later(settings: Settings) -> (Running, mpsc::Receiver<Later>) {
    let (sender, promised) = mpsc::channel();
    let sender = Mutex::new(sender);
    let server = serve(settings, move |_| {
        let sender = sender.lock().unwrap().clone();
        Router::new()
            .get("/hello", |_, res| res.text("hello"))
            .get("/later", move |_, res| {
                res.header("X-Kept", "1").later(|later| sender.send(later).unwrap())
            })
            .get("/soon", |_, res| res.later_within(Duration::from_millis(1), std::mem::forget))
            .get("/dropped", |_, res| res.later(drop))
    });
    (server, promised)
}

/// How often each of these was counted by the end.
fn finish<const N: usize>(server: Running, names: [&str; N]) -> [u64; N] {
    server.stop();
    let report = server.wait().unwrap().report();
    let events = &report.total().events;
    names.map(|name| events.iter().find(|(event, _)| *event == name).expect("it is counted").1)
}

#[test]
fn an_answer_given_on_another_thread_arrives_with_the_fields_set_before() {
    let (server, promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    client.send(get("/later"));
    let later = promised.recv().unwrap();
    thread::spawn(move || {
        later.answer(Reply::text("from afar").status(Status::CREATED).header("X-Own", "2"));
    });
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (201, "from afar"));
    assert_eq!((answer.field("x-kept"), answer.field("x-own")), (Some("1"), Some("2")));
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn promised_answers_go_out_in_the_order_of_their_requests() {
    let (server, promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    client
        .send([get("/hello"), get("/later"), get("/hello"), get("/later"), get("/hello")].concat());
    assert_eq!(client.answer().text(), "hello");
    for text in ["first", "second"] {
        promised.recv().unwrap().answer(Reply::text(text));
        assert_eq!(client.answer().text(), text);
        assert_eq!(client.answer().text(), "hello");
    }
}

#[test]
fn other_clients_are_served_while_an_answer_is_awaited() {
    let (server, promised) = serve_later(Settings::default());
    let mut waiting = Client::to(&server);
    waiting.send(get("/later"));
    let later = promised.recv().unwrap();
    for _ in 0..100 {
        assert_eq!(Client::to(&server).get("/hello").text(), "hello");
    }
    later.answer(Reply::empty());
    assert_eq!(waiting.answer().status, 204);
}

#[test]
fn a_promise_that_is_dropped_answers_500_and_one_that_is_late_504() {
    let (server, _promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    assert_eq!(client.get("/dropped").status, 500);
    assert_eq!(client.get("/soon").status, 504);
    assert_eq!(client.get("/hello").text(), "hello", "the connection lives on");
    let counts = finish(server, ["later_dropped", "later_expired", "later_unwanted"]);
    assert_eq!(counts, [1, 1, 0]);
}

#[test]
fn a_failure_given_later_is_answered_as_one_of_a_handler() {
    let (server, promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    client.send("GET /later HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    promised.recv().unwrap().fail(Error::not_found("no such user"));
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.json()["error"]["message"].as_str()),
        (404, Some("no such user"))
    );
    client.send(get("/later"));
    promised.recv().unwrap().answer(Reply::empty().header("bad name", "x"));
    assert_eq!(client.answer().status, 500, "what cannot be sent is an error here too");
}

#[test]
fn a_client_that_vanishes_is_seen_and_its_answer_is_counted_and_dropped() {
    let (server, promised) = serve_later(Settings::default());
    let client = Client::to(&server);
    let mut sender = client;
    sender.send(get("/later"));
    let later = promised.recv().unwrap();
    assert!(!later.is_client_gone() && !later.has_client_ended());
    // Closing with a byte unread resets the connection.
    socket2::SockRef::from(&sender.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(sender);
    while !later.is_client_gone() {
        assert_eq!(Client::to(&server).get("/hello").text(), "hello");
    }
    later.answer(Reply::empty());
    assert_eq!(Client::to(&server).get("/hello").text(), "hello");
    assert_eq!(finish(server, ["later_unwanted"]), [1]);
}

#[test]
fn a_client_that_only_ends_its_side_gets_its_answer() {
    // TCP half-close
    let (server, promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    client.send(get("/later")).finish_sending();
    let later = promised.recv().unwrap();
    while !later.has_client_ended() {
        assert_eq!(Client::to(&server).get("/hello").text(), "hello");
    }
    assert!(!later.is_client_gone());
    later.answer(Reply::text("still there"));
    assert_eq!(client.answer().text(), "still there");
    client.expect_end();
}

#[test]
fn a_reply_can_stream() {
    let (server, promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    client.send([get("/later"), get("/hello")].concat());
    let mut left = 3;
    promised.recv().unwrap().answer(Reply::stream(move |piece: &mut Piece<'_>| {
        left -= 1;
        piece.push(b"abc");
        Ok(if left == 0 { Pull::Done } else { Pull::More })
    }));
    let (answer, end) = client.chunked_answer();
    assert_eq!((answer.text(), end), ("abcabcabc", Some(())));
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn answers_from_many_threads_reach_the_clients_that_asked() {
    let server = serve(Settings::default(), |_| {
        Router::new().get("/{n}", |req, res| {
            let n = req.param_text("n")?.into_owned();
            res.later(|later| {
                thread::spawn(move || later.answer(Reply::text(n)));
            })
        })
    });
    let address = server.addresses()[0];
    let clients: Vec<_> = (0..8)
        .map(|id| {
            thread::spawn(move || {
                let mut client = Client::connect(address);
                for n in 0..50 {
                    let name = format!("{id}-{n}");
                    assert_eq!(client.get(&format!("/{name}")).text(), name);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn a_drain_waits_for_promised_answers() {
    let (server, promised) = serve_later(Settings::default());
    let mut client = Client::to(&server);
    client.send(get("/later"));
    let later = promised.recv().unwrap();
    server.drain();
    later.answer(Reply::text("in time"));
    let answer = client.answer();
    assert_eq!((answer.text(), answer.says_close()), ("in time", true));
    client.expect_end();
    server.wait().unwrap();
}

#[test]
fn the_last_request_and_the_last_moment_of_a_connection_close_it_with_their_answer() {
    let few = settings(|settings| settings.requests_max = 3);
    let server = serve(few, |_| Router::new().get("/", |_, res| res.text("hello")));
    let mut client = Client::to(&server);
    client.send(get("/").repeat(5));
    let closes: Vec<bool> = (0..3).map(|_| client.answer().says_close()).collect();
    assert_eq!(closes, [false, false, true]);
    client.expect_end();

    let short = settings(|settings| settings.lifetime_max = Duration::from_millis(1));
    let server = serve(short, |_| Router::new().get("/", |_, res| res.text("hello")));
    let mut client = Client::to(&server);
    thread::sleep(Duration::from_millis(2));
    assert!(client.get("/").says_close());
}
