//! Bodies in pieces over real sockets: uploads into sinks, answers from sources, trailers, and
//! what is refused before its body is read.

#[path = "support/http_client.rs"]
mod http_client;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use corelane::{
    Error, HandlerResult, Method, Piece, Pull, Request, Response, Router, Running, Settings, Sink,
    Status, Taken, Waker,
};

use http_client::{Client, chunked, get, post, serve, settings};

const UPLOAD_BYTES: usize = 20 * 1024 * 1024;

/// Checks that what arrives is the pattern, and answers how much that was.
struct Checked {
    received: usize,
    largest_piece: usize,
}

impl Sink for Checked {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        let expected = (self.received..).map(byte_at).take(bytes.len());
        if !expected.eq(bytes.iter().copied()) {
            return Err(Error::bad_request(format!("wrong bytes after {}", self.received)));
        }
        self.received += bytes.len();
        self.largest_piece = self.largest_piece.max(bytes.len());
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        let sum = request.trailers().find(|(name, _)| *name == "X-Sum").map(|(_, value)| value);
        let sum = sum.map(|value| String::from_utf8_lossy(value).into_owned());
        let name = request.param_text("name")?;
        response.text(format!("{name} {} {} {sum:?}", self.received, self.largest_piece))
    }
}

fn byte_at(index: usize) -> u8 {
    (index / 251 + index) as u8
}

fn uploaded(len: usize) -> Vec<u8> {
    (0..len).map(byte_at).collect()
}

fn upload_server(settings: Settings) -> Running {
    serve(settings, |_| {
        Router::new()
            .upload(Method::Post, "/checked/{name}", |_| {
                Ok(Checked { received: 0, largest_piece: 0 })
            })
            .upload(Method::Post, "/refused", |_| {
                Err::<Checked, _>(Error::new(Status::FORBIDDEN, "not you"))
            })
            .post("/whole", |req, res| res.bytes(req.body()))
            .post("/trailers", |req, res| {
                let fields: Vec<String> = req
                    .trailers()
                    .map(|(name, value)| format!("{name}={}", value.escape_ascii()))
                    .collect();
                res.text(format!("{} {fields:?}", req.body().len()))
            })
    })
}

#[test]
fn an_upload_of_20_mb_goes_through_in_pieces_no_larger_than_a_block() {
    let server = upload_server(Settings::default());
    let body = uploaded(UPLOAD_BYTES);
    let mut client = Client::to(&server);
    for _ in 0..2 {
        let answer = client.post("/checked/a", "", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut words = answer.text().split(' ');
        assert_eq!(words.nth(1), Some(UPLOAD_BYTES.to_string().as_str()));
        let largest: usize = words.next().unwrap().parse().unwrap();
        assert!(largest <= corelane::limits::BLOCK_BYTES, "{largest}");
    }
    assert_eq!(client.post("/whole", "", "kept open").text(), "kept open");
}

#[test]
fn chunks_of_every_size_reach_a_sink_as_the_body_alone() {
    let server = upload_server(Settings::default());
    let body = uploaded(100_000);
    let mut client = Client::to(&server);
    for size in [1, 7, 4_096, 40_000, 100_000] {
        client.send("POST /checked/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let answer = client.send(chunked(&body, size)).answer();
        assert!(answer.text().starts_with("b 100000 "), "{size}: {}", answer.text());
    }
}

#[test]
fn a_body_that_came_with_its_head_goes_to_the_sink_too() {
    let server = upload_server(Settings::default());
    let mut client = Client::to(&server);
    let small = post("/checked/c", "", &uploaded(5));
    let none = "POST /checked/d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    client.send([&small[..], none.as_bytes(), &small].concat());
    assert_eq!(client.answer().text(), "c 5 5 None");
    assert_eq!(client.answer().text(), "d 0 0 None");
    assert_eq!(client.answer().text(), "c 5 5 None");
}

#[test]
fn trailers_can_be_read_and_those_that_would_change_the_message_cannot() {
    // RFC 9110 section 6.5.1
    let server = upload_server(Settings::default());
    let mut client = Client::to(&server);
    let head =
        |target| format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = "3\r\nabc\r\n0\r\nX-Sum:  7 \r\nContent-Length: 9\r\nHost: b\r\nEmpty:\r\n\r\n";
    client.send(head("/trailers") + body);
    assert_eq!(client.answer().text(), r#"3 ["X-Sum=7", "Empty="]"#);
    let bytes = head("/trailers") + body;
    client.send_bytewise(bytes.as_bytes());
    assert_eq!(client.answer().text(), r#"3 ["X-Sum=7", "Empty="]"#);
    client.send(head("/checked/e") + "0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(client.answer().text(), r#"e 0 0 Some("1")"#);
    client.send(head("/trailers") + "0\r\n\r\n");
    assert_eq!(client.answer().text(), "0 []");
}

#[test]
fn a_client_that_asks_for_leave_hears_the_handler_or_the_limit_before_it_sends_its_body() {
    // RFC 9110 section 10.1.1
    let server = upload_server(settings(|settings| {
        settings.body_bytes_max = 1_000;
        settings.upload_bytes_max = 5_000;
    }));
    let ask = |target: &str, length: usize| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let cases = [
        ("/whole", 1_000, 100),
        ("/whole", 1_001, 413),
        ("/checked/x", 5_000, 100),
        ("/checked/x", 5_001, 413),
        ("/refused", 10, 403),
        ("/nowhere", 10, 404),
        ("/nowhere", 5_001, 413),
    ];
    for (target, length, status) in cases {
        let mut client = Client::to(&server);
        let answer = client.send(ask(target, length)).answer();
        assert_eq!(answer.status, status, "{target} {length}");
        if status == 100 {
            assert_eq!(client.send(uploaded(length)).answer().status, 200, "{target}");
        } else {
            assert!(answer.says_close(), "{target} {length}: {answer:?}");
            client.expect_end();
        }
    }
}

#[test]
fn a_refused_body_is_not_read_and_the_answer_arrives_while_it_is_still_sent() {
    // RFC 9112 section 9.6
    let server = upload_server(settings(|settings| settings.upload_bytes_max = 4_000_000));
    let cases =
        [("/refused", 403, 3_000_000), ("/checked/a", 413, 5_000_000), ("/whole", 413, 3_000_000)];
    for (target, status, len) in cases {
        let mut client = Client::to(&server);
        client.send(post(target, "", &vec![b'x'; len]));
        let answer = client.answer();
        assert_eq!((answer.status, answer.says_close()), (status, true), "{target}");
    }
    let mut client = Client::to(&server);
    client.send(post("/checked/a", "", b"wrong bytes"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.says_close()), (400, true));
    client.expect_end();
}

/// A sink that takes three bytes and then waits until it is told to go on.
struct Reluctant {
    waker: Waker,
    wakers: mpsc::Sender<Waker>,
    room: usize,
    body: Vec<u8>,
}

impl Sink for Reluctant {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        let len = bytes.len().min(self.room);
        self.body.extend_from_slice(&bytes[..len]);
        self.room = if len < bytes.len() { 3 } else { self.room - len };
        if len == bytes.len() {
            return Ok(Taken::All);
        }
        self.wakers.send(self.waker.clone()).expect("the test listens");
        Ok(Taken::Part(len))
    }

    fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.bytes(self.body)
    }
}

#[test]
fn a_sink_that_is_not_ready_holds_its_client_back_until_it_is_woken() {
    let (wakers, told) = mpsc::channel();
    let wakers = Mutex::new(wakers);
    let server = serve(Settings::default(), move |_| {
        let wakers = wakers.lock().unwrap().clone();
        Router::new().get("/", |_, res| res.text("others are served")).upload(
            Method::Post,
            "/",
            move |req| {
                let (waker, wakers) = (req.waker(), wakers.clone());
                Ok(Reluctant { waker, wakers, room: 0, body: Vec::new() })
            },
        )
    });
    let mut client = Client::to(&server);
    client.send(post("/", "", b"0123456789"));
    client.send(get("/"));
    for _ in 0..4 {
        let waker = told.recv().unwrap();
        assert_eq!(Client::to(&server).get("/").text(), "others are served");
        waker.wake();
    }
    assert_eq!(client.answer().text(), "0123456789");
    assert_eq!(client.answer().text(), "others are served");
}

#[test]
fn a_sink_whose_client_vanishes_is_dropped_unfinished() {
    struct Noted(mpsc::Sender<&'static str>);
    impl Sink for Noted {
        fn take(&mut self, _: &[u8]) -> Result<Taken, Error> {
            let _ = self.0.send("taken");
            Ok(Taken::All)
        }
        fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
            let _ = self.0.send("finished");
            response.empty()
        }
    }
    impl Drop for Noted {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (sender, noted) = mpsc::channel();
    let sender = Mutex::new(sender);
    let server = serve(Settings::default(), move |_| {
        let sender = sender.lock().unwrap().clone();
        Router::new().upload(Method::Put, "/", move |_| Ok(Noted(sender.clone())))
    });
    let mut client = Client::to(&server);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    assert_eq!(noted.recv(), Ok("taken"));
    drop(client);
    assert_eq!(noted.recv(), Ok("dropped"));
}

/// Gives `pieces` of `size` bytes of the pattern.
fn pieces(pieces: usize, size: usize) -> impl FnMut(&mut Piece<'_>) -> Result<Pull, Error> {
    let mut at = 0;
    move |piece| {
        let bytes: Vec<u8> = (at * size..(at + 1) * size).map(byte_at).collect();
        piece.push(&bytes);
        at += 1;
        Ok(if at == pieces { Pull::Done } else { Pull::More })
    }
}

fn stream_server(settings: Settings) -> Running {
    serve(settings, |_| {
        Router::new()
            .get("/chunks", |_, res| res.header("X-A", "b").stream(pieces(50, 4_000)))
            .get("/exact", |_, res| res.stream_exact(200_000, pieces(50, 4_000)))
            .get("/large", |_, res| res.stream(pieces(400, 50_000)))
            .get("/none", |_, res| res.stream(|_: &mut Piece<'_>| Ok(Pull::Done)))
            .get("/bodiless", |_, res| {
                res.status(Status::NOT_MODIFIED).stream(|_: &mut Piece<'_>| {
                    panic!("nothing is pulled for an answer without a body")
                })
            })
            .get("/fails", |_, res| {
                let mut pieces = pieces(50, 4_000);
                let mut left = 3;
                res.stream(move |piece: &mut Piece<'_>| {
                    left -= 1;
                    if left == 0 { Err(Error::internal("it broke")) } else { pieces(piece) }
                })
            })
            .get("/panics", |_, res| {
                res.stream(|_: &mut Piece<'_>| -> Result<Pull, Error> { panic!("scripted") })
            })
            .get("/short", |_, res| res.stream_exact(10, pieces(1, 9)))
            .get("/long", |_, res| res.stream_exact(10, pieces(2, 9)))
            .get("/hello", |_, res| res.text("hello"))
    })
}

#[test]
fn a_streamed_answer_is_chunked_and_pipelined_requests_follow_it() {
    let server = stream_server(Settings::default());
    let mut client = Client::to(&server);
    client.send([get("/chunks"), get("/hello"), get("/none"), get("/hello")].concat());
    let (answer, end) = client.chunked_answer();
    assert_eq!((answer.status, answer.field("x-a"), end), (200, Some("b"), Some(())));
    assert!(answer.body == uploaded(200_000));
    assert_eq!(client.answer().text(), "hello");
    let (none, end) = client.chunked_answer();
    assert_eq!((none.body.len(), end), (0, Some(())));
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn a_streamed_answer_of_known_length_says_it() {
    let server = stream_server(Settings::default());
    let mut client = Client::to(&server);
    let answer = client.get("/exact");
    assert_eq!(answer.field("content-length"), Some("200000"));
    assert!(answer.body == uploaded(200_000));
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn a_client_of_http_1_0_gets_a_streamed_answer_up_to_the_end_of_the_connection() {
    // RFC 9112 section 6.1: never the chunked coding to a client of HTTP/1.0.
    let server = stream_server(Settings::default());
    let mut client = Client::to(&server);
    client.send("GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer_to_head();
    assert!(answer.says_close() && answer.field("transfer-encoding").is_none(), "{answer:?}");
    assert!(client.rest() == uploaded(200_000));
    let mut client = Client::to(&server);
    client.send("GET /exact HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(client.answer().body == uploaded(200_000));
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn a_streamed_answer_without_a_body_never_asks_its_source() {
    let server = stream_server(Settings::default());
    let mut client = Client::to(&server);
    client.send("HEAD /chunks HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer_to_head().field("transfer-encoding"), Some("chunked"));
    assert_eq!(client.get("/bodiless").status, 304);
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn a_slow_reader_holds_its_source_back() {
    let pulls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pulls);
    let server = serve(Settings::default(), move |_| {
        let pulls = Arc::clone(&counted);
        Router::new().get("/hello", |_, res| res.text("hello")).get("/", move |_, res| {
            let (pulls, mut pieces) = (Arc::clone(&pulls), pieces(400, 50_000));
            res.stream_exact(20_000_000, move |piece: &mut Piece<'_>| {
                pulls.fetch_add(1, Ordering::SeqCst);
                pieces(piece)
            })
        })
    });
    let mut client = Client::with_small_window(server.addresses()[0]);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let begin = client.read_slowly(1_000);
    // Nothing more is asked for once the kernel is full: the count stands still over other work.
    let mut last = usize::MAX;
    while pulls.load(Ordering::SeqCst) != last {
        last = pulls.load(Ordering::SeqCst);
        assert_eq!(Client::to(&server).get("/hello").text(), "hello");
    }
    assert!(last < 400, "the whole answer was made for a client that does not read");
    assert!(client.rest_after_head(&begin) == uploaded(20_000_000));
    assert_eq!(pulls.load(Ordering::SeqCst), 400);
}

#[test]
fn a_source_that_fails_leaves_an_answer_that_is_seen_to_be_incomplete() {
    let server = stream_server(Settings::default());
    for target in ["/fails", "/panics"] {
        let mut client = Client::to(&server);
        client.send([get(target), get("/hello")].concat());
        let (answer, end) = client.chunked_answer();
        assert_eq!((answer.status, end), (200, None), "{target}");
        client.expect_end();
    }
    for target in ["/short", "/long"] {
        let mut client = Client::to(&server);
        let answer = client.send([get(target), get("/hello")].concat()).answer_to_head();
        assert_eq!(answer.field("content-length"), Some("10"));
        let rest = client.rest();
        assert!(rest.len() < 10, "{target}: {:?}", rest.escape_ascii());
    }
    server.stop();
    let closes = server.wait().unwrap().report().total().closes.clone();
    let count = |name: &str| closes.iter().find(|(reason, _)| *reason == name).unwrap().1;
    assert_eq!((count("source_failed"), count("panicked")), (3, 1));
}

#[test]
fn a_source_without_anything_is_asked_again_when_it_is_woken() {
    let (sender, fed) = mpsc::channel::<Option<&'static str>>();
    let (wakers, woken) = mpsc::channel();
    let shared = Mutex::new(Some((fed, wakers)));
    let server = serve(Settings::default(), move |_| {
        let mut shared = shared.lock().unwrap().take();
        Router::new().get("/", move |req, res| {
            let (pieces, wakers) = shared.take().expect("asked once");
            wakers.send(req.waker()).unwrap();
            res.stream(move |piece: &mut Piece<'_>| match pieces.try_recv() {
                Ok(Some(text)) => {
                    piece.push(text.as_bytes());
                    Ok(Pull::More)
                }
                Ok(None) => Ok(Pull::Done),
                Err(_) => Ok(Pull::Wait),
            })
        })
    });
    let mut client = Client::to(&server);
    client.send(get("/"));
    let waker: Waker = woken.recv().unwrap();
    let feeder = std::thread::spawn(move || {
        for text in [Some("one "), Some("two "), Some("three"), None] {
            sender.send(text).unwrap();
            waker.wake();
        }
    });
    let (answer, end) = client.chunked_answer();
    assert_eq!((answer.text(), end), ("one two three", Some(())));
    feeder.join().unwrap();
}

#[test]
fn a_source_that_never_has_anything_is_cut_after_its_time() {
    let server =
        serve(settings(|settings| settings.later_time = Duration::from_millis(50)), |_| {
            Router::new().get("/", |_, res| res.stream(|_: &mut Piece<'_>| Ok(Pull::Wait)))
        });
    let mut client = Client::to(&server);
    let (answer, end) = client.send(get("/")).chunked_answer();
    assert_eq!((answer.status, end), (200, None));
}

#[test]
fn a_body_slower_than_the_least_rate_is_408_and_a_faster_one_is_not() {
    let server = upload_server(settings(|settings| {
        settings.rate_time = Duration::from_millis(200);
        settings.receive_rate_min = 1_000_000_000;
    }));
    let mut client = Client::to(&server);
    client.send("POST /checked/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    client.send(uploaded(999));
    let answer = client.answer();
    assert_eq!((answer.status, answer.says_close()), (408, true));
    let mut client = Client::to(&server);
    assert_eq!(client.post("/checked/a", "", b"").status, 200);
}
