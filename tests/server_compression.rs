//! Compressed answers over real sockets: what is compressed, in which coding, and that it is what
//! the handler gave. Knows nothing of how it is done.

#![cfg(feature = "gzip")]

#[path = "support/http_client.rs"]
mod http_client;

use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;

use corelane::app::middleware::{Coding, Compression, ErrorPages};
use corelane::{
    Error, Files, HandlerResult, Method, Piece, Pull, Reply, Request, Response, Router, Running,
    Settings, Sink, Status, Taken, TestClient, Waker,
};
use http_client::{Answer, Client, get, pattern, serve};
use proptest::prelude::*;

/// Text as it is sent: it repeats itself, and not quite.
fn text(len: usize) -> String {
    let lines = (0..).map(|line| format!("{{\"line\":{line},\"what\":\"the same again\"}}\n"));
    lines.flat_map(|line| line.chars().collect::<Vec<_>>()).take(len).collect()
}

/// The codings this crate was built with.
fn codings() -> Vec<&'static str> {
    let built =
        [("gzip", true), ("br", cfg!(feature = "brotli")), ("zstd", cfg!(feature = "zstd"))];
    built.into_iter().filter(|(_, is_built)| *is_built).map(|(name, _)| name).collect()
}

/// The body before it was encoded.
fn plain(answer: &Answer) -> Vec<u8> {
    decoded(answer.field("content-encoding").unwrap_or("identity"), &answer.body)
}

fn decoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let read = match coding {
        "identity" => (&mut &*body).read_to_end(&mut plain),
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        "zstd" => zstd::stream::read::Decoder::new(body).unwrap().read_to_end(&mut plain),
        other => panic!("nobody asked for {other}"),
    };
    read.expect("the body is whole");
    plain
}

/// Answers with what the query asks for.
fn as_asked(req: &Request<'_>, res: Response<'_>) -> HandlerResult {
    let number = |name: &str| req.query(name).and_then(|value| value.parse().ok());
    let len: usize = number("len").unwrap_or(10_000);
    let status = Status::new(number("status").unwrap_or(200) as u16).unwrap();
    let mut res = res.status(status);
    for name in ["Content-Type", "Cache-Control", "Content-Encoding", "ETag", "Vary"] {
        if let Some(value) = req.query(name) {
            res = res.header(name, value.as_bytes());
        }
    }
    for name in ["Content-Digest", "Content-Range", "Accept-Ranges"] {
        if let Some(value) = req.query(name) {
            res = res.header(name, value.as_bytes());
        }
    }
    res.text(text(len))
}

fn server() -> Running {
    serve(Settings::default(), |_| Router::new().with(Compression::new()).get("/", as_asked))
}

fn asked(client: &mut Client, target: &str, accepted: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{accepted}\r\n");
    client.send(request).answer()
}

fn accepting(coding: &str) -> String {
    format!("Accept-Encoding: {coding}\r\n")
}

#[test]
fn every_coding_is_what_the_handler_gave() {
    let server = server();
    let mut client = Client::to(&server);
    for coding in codings() {
        for len in [1_024, 5_000, 100_000, 262_144] {
            let answer = asked(&mut client, &format!("/?len={len}"), &accepting(coding));
            assert_eq!(answer.field("content-encoding"), Some(coding), "{len}");
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
            assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
            assert!(answer.body.len() * 3 < len, "{} of {len} in {coding}", answer.body.len());
            assert!(plain(&answer) == text(len).into_bytes(), "{coding} {len}");
        }
    }
    let answer = asked(&mut client, "/", "");
    assert_eq!((answer.field("content-encoding"), answer.body.len()), (None, 10_000));
    assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "it varies all the same");
}

#[test]
fn what_is_not_worth_it_or_must_not_be_changed_stays_as_it_is() {
    let server = server();
    let mut client = Client::to(&server);
    for (query, varies) in [
        ("len=1023", false),
        ("Content-Type=image/png", false),
        ("Content-Type=application/octet-stream", false),
        ("Content-Type=textual/x", false),
        ("Content-Type=application/json+zip", false),
        ("Content-Type=Application/Problem%2BJSON;+charset=x", true),
        ("Content-Type=image/svg%2Bxml", true),
        ("status=206", false),
        ("Content-Range=bytes+0-9/99", false),
        ("Content-Encoding=x-own", false),
        ("Content-Digest=sha-256=::", false),
        ("Cache-Control=max-age=3,+No-Transform", false),
        ("Content-Type=text/html", true),
    ] {
        let answer = asked(&mut client, &format!("/?{query}"), &accepting("gzip"));
        let is_gzip = answer.field("content-encoding") == Some("gzip");
        assert_eq!(is_gzip, varies, "{query}");
        assert_eq!(answer.field("vary").is_some(), varies, "{query}");
    }
    for status in [204, 304] {
        let answer = asked(&mut client, &format!("/?status={status}"), &accepting("gzip"));
        assert_eq!((answer.status, answer.field("content-encoding")), (status, None));
    }
}

#[test]
fn fields_of_the_body_follow_its_coding() {
    let server = server();
    let mut client = Client::to(&server);
    let query = "/?ETag=%22a%22&Accept-Ranges=bytes&Vary=Origin,accept-encoding";
    let answer = asked(&mut client, query, &accepting("gzip"));
    assert_eq!(answer.field("etag"), Some("W/\"a\""));
    assert_eq!(answer.field("accept-ranges"), None);
    assert_eq!(answer.field("vary"), Some("Origin,accept-encoding"), "it is said already");
    let answer = asked(&mut client, query, "");
    assert_eq!(answer.field("etag"), Some("\"a\""));
    assert_eq!(answer.field("accept-ranges"), Some("bytes"));
    let answer = asked(&mut client, "/?ETag=W/%22a%22", &accepting("gzip"));
    assert_eq!(answer.field("etag"), Some("W/\"a\""));
}

#[test]
fn the_client_has_its_choice_and_nobody_is_refused() {
    let server = server();
    let mut client = Client::to(&server);
    let long = format!("{}gzip", "x;q=0.1,".repeat(900));
    let (gzip, none) = (Some("gzip"), None);
    for (accepted, expected) in [
        ("gzip", gzip),
        ("GZIP", gzip),
        ("x-gzip", gzip),
        ("gzip;q=0.001", gzip),
        ("gzip;q=0", none),
        ("gzip;q=0.5, identity", none),
        ("gzip;q=0.5, identity;q=0.4", gzip),
        ("identity;q=0", none),
        ("*;q=0", none),
        ("identity;q=0, *;q=0", none),
        ("gzip;q=0.000, *;q=0", none),
        ("deflate, compress", none),
        ("", none),
        (",,;q=1,gzip;q=2,gzip;x,;;=", none),
        ("\u{e9}, gzip", gzip),
        (&long, gzip),
    ] {
        let answer = asked(&mut client, "/", &accepting(accepted));
        assert_eq!(
            (answer.status, answer.field("content-encoding")),
            (200, expected),
            "{accepted}"
        );
        assert!(plain(&answer) == text(10_000).into_bytes(), "{accepted}");
    }
    let two = "Accept-Encoding: gzip;q=0.1\r\nAccept-Encoding: identity;q=0\r\n";
    assert_eq!(asked(&mut client, "/", two).field("content-encoding"), gzip);
}

#[test]
fn settings_say_what_is_compressed_and_how() {
    let server = serve(Settings::default(), |_| {
        let first = Compression::new().codings(&[Coding::Gzip, Coding::Identity]).bytes_min(100);
        let first = first.types(&["image/"]).level(Coding::Gzip, 9);
        let make = |hook| move |router: Router| router.with(hook).get("/", as_asked);
        let best = Compression::new().level(Coding::Gzip, 99);
        Router::new().group("/first", make(first)).group("/best", make(best))
    });
    let (mut client, usual) = (Client::to(&server), self::server());
    let all = accepting("br, zstd, gzip");
    let answer = asked(&mut client, "/first?Content-Type=image/png&len=100", &all);
    assert_eq!(answer.field("content-encoding"), Some("gzip"), "it alone may be");
    assert_eq!(asked(&mut client, "/first", &all).field("content-encoding"), None);
    let best = asked(&mut client, "/best?len=50000", &accepting("gzip"));
    let fast = asked(&mut Client::to(&usual), "/?len=50000", &accepting("gzip"));
    assert!(best.body.len() < fast.body.len());
}

#[test]
fn head_has_the_fields_of_get() {
    let server = server();
    let mut client = Client::to(&server);
    let get = asked(&mut client, "/?ETag=%22a%22", &accepting("gzip"));
    let head = "HEAD /?ETag=%22a%22 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    let mut head = client.send(head).answer_to_head();
    assert_eq!(head.field("content-length"), Some(&*get.body.len().to_string()));
    let is_date = |(name, _): &(String, String)| name.eq_ignore_ascii_case("date");
    head.fields.retain(|field| !is_date(field));
    let fields: Vec<_> = get.fields.into_iter().filter(|field| !is_date(field)).collect();
    assert_eq!(head.fields, fields);
}

/// A source of text in pieces of so many bytes.
fn pieces(len: usize, size: usize) -> impl FnMut(&mut Piece<'_>) -> Result<Pull, Error> {
    let (body, mut sent) = (text(len).into_bytes(), 0);
    move |piece| {
        let end = body.len().min(sent + size);
        piece.push(&body[sent..end]);
        sent = end;
        Ok(if sent == body.len() { Pull::Done } else { Pull::More })
    }
}

fn stream_server() -> Running {
    serve(Settings::default(), |_| {
        let held: Rc<RefCell<Option<Waker>>> = Rc::default();
        let waker = Rc::clone(&held);
        Router::new()
            .with(Compression::new())
            .get("/stream", |_, res| {
                res.content_type("text/plain").stream(pieces(1_000_000, 3_000))
            })
            .get("/exact", |_, res| {
                res.content_type("text/plain").stream_exact(200_000, pieces(200_000, 70_000))
            })
            .get("/lies/{length}", |req, res| {
                let length = req.param("length")?;
                res.content_type("text/plain").stream_exact(length, pieces(200_000, 7_000))
            })
            .get("/whole", |_, res| res.text(text(3_000_000)))
            .get("/events", move |req, res| {
                *waker.borrow_mut() = Some(req.waker());
                let mut events = ["data: 1\n\n", "data: 2\n\n"].into_iter();
                res.content_type("text/event-stream").stream(move |piece: &mut Piece<'_>| {
                    let Some(event) = events.next() else { return Ok(Pull::Done) };
                    piece.push(event.as_bytes());
                    Ok(Pull::Wait)
                })
            })
            .get("/wake", move |_, res| {
                held.borrow().as_ref().map(Waker::wake);
                res.text("")
            })
    })
}

#[test]
fn streams_and_large_bodies_are_encoded_while_they_are_sent() {
    let server = stream_server();
    let mut client = Client::to(&server);
    for coding in codings() {
        for (target, len) in [("/stream", 1_000_000), ("/exact", 200_000), ("/whole", 3_000_000)] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{}\r\n", accepting(coding));
            let (answer, end) = client.send(request).chunked_answer();
            assert_eq!((answer.field("content-encoding"), end), (Some(coding), Some(())));
            assert!(answer.body.len() * 3 < len, "{target} {coding}: {}", answer.body.len());
            assert!(plain(&answer) == text(len).into_bytes(), "{target} {coding}");
        }
    }
    let old = "GET /stream HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    let mut client = Client::to(&server);
    let head = client.send(old).answer_to_head();
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    assert!(decoded("gzip", &client.rest()) == text(1_000_000).into_bytes());
    let mut client = Client::to(&server);
    let answer = asked(&mut client, "/exact", "");
    assert_eq!((answer.body.len(), answer.field("vary")), (200_000, Some("Accept-Encoding")));
    let head = "HEAD /stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    let head = client.send(head).answer_to_head();
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    assert_eq!(asked(&mut client, "/wake", "").status, 200, "nothing came behind the head");
}

#[test]
fn a_source_that_does_not_keep_its_length_is_cut() {
    let server = stream_server();
    for length in [199_999, 200_001] {
        let request =
            format!("GET /lies/{length} HTTP/1.1\r\nHost: a\r\n{}\r\n", accepting("gzip"));
        let (_, end) = Client::to(&server).send(request).chunked_answer();
        assert_eq!(end, None, "{length}");
    }
}

#[test]
fn nothing_is_held_back_while_a_source_waits() {
    let server = stream_server();
    let mut other = Client::to(&server);
    for coding in codings() {
        let mut client = Client::to(&server);
        client.send(format!("GET /events HTTP/1.1\r\nHost: a\r\n{}\r\n", accepting(coding)));
        let head = client.answer_to_head();
        assert_eq!(head.field("content-encoding"), Some(coding));
        let mut encoded = Vec::new();
        for expected in ["data: 1\n\n", "data: 1\n\ndata: 2\n\n"] {
            while decoded_so_far(coding, &encoded) != expected.as_bytes() {
                encoded.extend(client.chunk());
            }
            // Only now there is more.
            other.get("/wake");
        }
        loop {
            let chunk = client.chunk();
            if chunk.is_empty() {
                break;
            }
            encoded.extend(chunk);
        }
        assert_eq!(decoded(coding, &encoded), b"data: 1\n\ndata: 2\n\n", "{coding}");
    }
}

/// What can be decoded of a body that is not whole.
fn decoded_so_far(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn Read> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(body)),
        "br" => Box::new(brotli::Decompressor::new(body, 4096)),
        _ => Box::new(zstd::stream::read::Decoder::new(body).unwrap()),
    };
    let (mut plain, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = decoder.read(&mut byte) {
        plain.push(byte[0]);
    }
    plain
}

/// Answers with how much came.
struct Count(usize);

impl Sink for Count {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        self.0 += bytes.len();
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text(text(self.0))
    }
}

#[test]
fn promised_answers_errors_and_those_of_sinks_are_compressed_too() {
    let server = serve(Settings::default(), |_| {
        let page = text(5_000);
        Router::new()
            .with(Compression::new())
            .with(ErrorPages::new().page(Status::NOT_FOUND, &page))
            .get("/later", |_, res| {
                res.later(|later| {
                    std::thread::spawn(move || later.answer(Reply::text(text(5_000))));
                })
            })
            .get("/later/stream", |_, res| {
                res.content_type("text/plain").later(|later| {
                    std::thread::spawn(move || later.answer(Reply::stream(pieces(5_000, 10))));
                })
            })
            .upload(Method::Post, "/upload", |_| Ok(Count(0)))
    });
    let mut client = Client::to(&server);
    for target in ["/later", "/nowhere"] {
        let answer = asked(&mut client, target, &accepting("gzip"));
        assert_eq!(answer.field("content-encoding"), Some("gzip"), "{target}");
        assert!(plain(&answer) == text(5_000).into_bytes(), "{target}");
    }
    client.send("GET /later/stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    let (answer, _) = client.chunked_answer();
    assert!(plain(&answer) == text(5_000).into_bytes());
    let answer = client.post("/upload", &accepting("gzip"), vec![b'x'; 4_000]);
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    assert!(plain(&answer) == text(4_000).into_bytes());
}

#[test]
fn parts_of_files_are_sent_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.txt"), text(200_000)).unwrap();
    let path: Arc<std::path::Path> = directory.path().into();
    let server = serve(Settings::default(), move |_| {
        Router::new().with(Compression::new()).files("/", Files::at(&path))
    });
    let mut client = Client::to(&server);
    let part = asked(&mut client, "/a.txt", &format!("{}Range: bytes=5-9\r\n", accepting("gzip")));
    assert_eq!((part.status, part.field("content-encoding")), (206, None));
    assert_eq!(part.text(), &text(10)[5..]);
    client.send(format!("GET /a.txt HTTP/1.1\r\nHost: a\r\n{}\r\n", accepting("gzip")));
    let (whole, _) = client.chunked_answer();
    assert!(whole.field("etag").unwrap().starts_with("W/\""));
    assert_eq!(whole.field("accept-ranges"), None);
    assert!(plain(&whole) == text(200_000).into_bytes());
}

#[test]
fn what_does_not_become_smaller_is_sent_as_it_is() {
    let server = serve(Settings::default(), |_| {
        let noise = |_: &Request<'_>, res: Response<'_>| {
            let mut state = 1_u64;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            };
            let noise: Vec<u8> = (0..5_000).map(|_| next()).collect();
            res.content_type("text/plain").bytes(noise)
        };
        Router::new().with(Compression::new()).get("/", noise)
    });
    let answer = asked(&mut Client::to(&server), "/", &accepting("gzip"));
    assert_eq!((answer.field("content-encoding"), answer.body.len()), (None, 5_000));
    assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
}

#[test]
fn beyond_a_number_of_streams_the_others_are_sent_as_they_are() {
    let server = stream_server();
    let most = corelane::limits::ENCODED_STREAMS_MAX;
    let request = format!("GET /events HTTP/1.1\r\nHost: a\r\n{}\r\n", accepting("gzip"));
    let mut clients: Vec<Client> = (0..most).map(|_| Client::to(&server)).collect();
    for client in &mut clients {
        let head = client.send(&request).answer_to_head();
        assert_eq!(head.field("content-encoding"), Some("gzip"));
    }
    let head = Client::to(&server).send(&request).answer_to_head();
    assert_eq!((head.status, head.field("content-encoding")), (200, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_stream_in_any_pieces_decodes_to_what_was_given(
        pieces in proptest::collection::vec((0_usize..30_000, any::<bool>()), 0..12),
        coding in proptest::sample::select(codings()),
    ) {
        let total = pieces.iter().map(|(len, _)| len).sum();
        let body = pattern(total);
        let (given, sent) = (body.clone(), Arc::new(pieces));
        let router = Router::new().with(Compression::new()).get("/", move |req, res| {
            let (body, waker) = (given.clone(), req.waker());
            let mut rest = sent.as_ref().clone().into_iter();
            let mut at = 0;
            res.content_type("text/plain").stream(move |piece: &mut Piece<'_>| {
                let Some((len, waits)) = rest.next() else { return Ok(Pull::Done) };
                piece.push(&body[at..at + len]);
                at += len;
                if waits {
                    waker.wake();
                }
                Ok(if waits { Pull::Wait } else { Pull::More })
            })
        });
        let mut client = TestClient::new(router);
        let answer = client.get("/").header("Accept-Encoding", coding).send();
        prop_assert_eq!(answer.header("content-encoding"), Some(coding));
        prop_assert!(decoded(coding, answer.body()) == body);
    }
}

#[test]
fn a_stream_that_ends_makes_room_for_another() {
    let server = stream_server();
    let most = corelane::limits::ENCODED_STREAMS_MAX;
    let request = format!("GET /stream HTTP/1.1\r\nHost: a\r\n{}\r\n", accepting("gzip"));
    let mut client = Client::to(&server);
    for _ in 0..2 * most {
        let (answer, end) = client.send(&request).chunked_answer();
        assert_eq!((answer.field("content-encoding"), end), (Some("gzip"), Some(())));
    }
    assert_eq!(client.send(get("/wake")).answer().status, 200);
}
