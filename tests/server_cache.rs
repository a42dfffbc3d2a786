//! Answers that are made once: prepared ones and those a worker keeps, over real sockets.
//! Knows nothing of how they are kept.

#[path = "support/exposition.rs"]
mod exposition;
#[path = "support/http_client.rs"]
mod http_client;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use corelane::app::middleware::{Cors, ResponseCache};
use corelane::{HandlerResult, Prepared, Reply, Request, Response, Router, Running, Settings};
use corelane::{Method, Server, Status, TestClient};
use http_client::{Answer, Client, PATIENCE, serve};

fn asked(client: &mut Client, line: &str, fields: &str) -> Answer {
    client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).answer()
}

/// Answers with how often it was asked, and with the fields and the status of the query.
fn counting() -> impl FnMut(&Request<'_>, Response<'_>) -> HandlerResult {
    let mut asked = 0;
    move |req, mut res| {
        asked += 1;
        for (name, value) in req.query_pairs() {
            match &*name {
                "status" => res = res.status(Status::new(value.parse().unwrap()).unwrap()),
                "x" => {}
                _ => res = res.header(&name, value.as_bytes()),
            }
        }
        res.text(format_args!("{asked}"))
    }
}

fn cached(cache: fn() -> ResponseCache) -> Running {
    serve(Settings::default(), move |_| {
        let cache = cache();
        let counts = cache.counts();
        Router::new()
            .get("/counts", move |_, res| {
                res.text(format_args!(
                    "{} {} {} {}",
                    counts.hits(),
                    counts.misses(),
                    counts.stored(),
                    counts.bytes()
                ))
            })
            .group("/", |router| {
                router
                    .with(cache)
                    .get("/", counting())
                    .post("/", |_, res| res.text("changed"))
                    .get("/stream", {
                        let mut asked = 0;
                        move |_, res| {
                            asked += 1;
                            let text = asked.to_string();
                            res.stream(move |piece: &mut corelane::Piece<'_>| {
                                piece.push(text.as_bytes());
                                Ok(corelane::Pull::Done)
                            })
                        }
                    })
                    .get("/later", {
                        let mut asked = 0;
                        move |_, res| {
                            asked += 1;
                            let text = asked.to_string();
                            res.later(|later| {
                                std::thread::spawn(move || later.answer(Reply::text(text)));
                            })
                        }
                    })
            })
    })
}

fn for_an_hour() -> ResponseCache {
    ResponseCache::new().max_age(Duration::from_secs(3_600))
}

#[test]
fn an_answer_is_made_once_and_given_with_its_age() {
    let server = cached(for_an_hour);
    let mut client = Client::to(&server);
    let first = asked(&mut client, "GET /?X-A=b", "");
    assert_eq!((first.text(), first.field("age")), ("1", None));
    for _ in 0..3 {
        let again = asked(&mut client, "GET /?X-A=b", "");
        assert_eq!((again.text(), again.field("x-a")), ("1", Some("b")));
        assert_eq!(again.field("content-type"), first.field("content-type"));
        assert!(again.field("age").unwrap().parse::<u64>().unwrap() < 3_600);
    }
    client.send("HEAD /?X-A=b HTTP/1.1\r\nHost: A\r\n\r\n");
    let head = client.answer_to_head();
    assert_eq!((head.field("content-length"), head.field("x-a")), (Some("1"), Some("b")));
    assert!(head.field("age").is_some());
    assert_eq!(asked(&mut client, "GET /?X-A=c", "").text(), "2", "another target");
    let other = client.send("GET /?X-A=b HTTP/1.1\r\nHost: b\r\n\r\n").answer();
    assert_eq!(other.text(), "3", "another host");
    let counts = asked(&mut client, "GET /counts", "");
    assert!(counts.text().starts_with("4 3 3 "), "{}", counts.text());
}

#[test]
fn answers_say_whether_they_are_kept() {
    let server = cached(for_an_hour);
    let mut client = Client::to(&server);
    for (query, fields, is_kept) in [
        ("x=1", "", true),
        ("Cache-Control=no-store", "", false),
        ("Cache-Control=private", "", false),
        ("Cache-Control=no-cache", "", false),
        ("Cache-Control=max-age=0", "", false),
        ("Cache-Control=max-age=60", "", true),
        ("Set-Cookie=a=b", "", false),
        ("Vary=*", "", false),
        ("status=404", "", false),
        ("status=404&Cache-Control=max-age=60", "", true),
        ("status=500&Cache-Control=max-age=60", "", false),
        ("x=2", "Authorization: Basic eA==\r\n", false),
        ("Cache-Control=public", "Authorization: Basic eA==\r\n", true),
        ("x=3", "Range: bytes=0-\r\n", false),
        ("x=4", "Cache-Control: no-store\r\n", false),
        ("x=5", "Cache-Control: no-cache\r\n", false),
        ("x=6", "Pragma: no-cache\r\n", false),
        ("x=7", "Cache-Control: min-fresh=4000\r\n", false),
        ("x=8", "Cache-Control: max-age=4000\r\n", true),
    ] {
        let line = format!("GET /?{query}");
        let first = asked(&mut client, &line, fields);
        let second = asked(&mut client, &line, fields);
        assert_eq!(first.body == second.body, is_kept, "{query} {fields}");
        assert_eq!(second.field("age").is_some(), is_kept, "{query} {fields}");
    }
    client.send("GET /?x=body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    let first = client.answer();
    assert_ne!(asked(&mut client, "GET /?x=body", "").body, first.body, "it came with a body");
    let strict = "Cache-Control: only-if-cached\r\n";
    assert_eq!(asked(&mut client, "GET /?x=9", strict).status, 504);
    asked(&mut client, "GET /?x=9", "");
    assert_eq!(asked(&mut client, "GET /?x=9", strict).status, 200);
    let named = asked(&mut client, "GET /?x=9", "Authorization: Basic eA==\r\n");
    assert_eq!(named.field("age"), None, "what is not said to be for all is not for somebody");
}

#[test]
fn answers_vary_by_the_fields_they_name() {
    let server = cached(for_an_hour);
    let mut client = Client::to(&server);
    let mut ask = |fields: &str| asked(&mut client, "GET /?Vary=Accept-Language", fields).body;
    let english = ask("Accept-Language: en\r\n");
    let german = ask("Accept-Language: de\r\n");
    let none = ask("");
    assert!(english != german && german != none && english != none);
    assert_eq!(ask("Accept-Language: en\r\nX: y\r\n"), english);
    assert_eq!(ask("accept-language: de\r\n"), german);
    assert_eq!(ask(""), none);
}

#[test]
fn a_client_that_has_the_answer_is_told_so() {
    let server = cached(for_an_hour);
    let mut client = Client::to(&server);
    let line = "GET /?ETag=%22a%22&Cache-Control=max-age=60";
    asked(&mut client, line, "");
    let known = asked(&mut client, line, "If-None-Match: \"b\", W/\"a\"\r\n");
    assert_eq!((known.status, known.field("etag")), (304, Some("\"a\"")));
    assert_eq!(known.field("cache-control"), Some("max-age=60"));
    assert_eq!(known.field("content-type"), None);
    assert_eq!(asked(&mut client, line, "If-None-Match: \"b\"\r\n").text(), "1");
}

#[test]
fn a_change_has_the_answers_of_its_target_forgotten() {
    let server = cached(for_an_hour);
    let mut client = Client::to(&server);
    let line = "GET /?Vary=Accept-Language";
    let language = "Accept-Language: en\r\n";
    let first = asked(&mut client, line, language);
    assert_eq!(asked(&mut client, line, language).body, first.body);
    assert_eq!(asked(&mut client, "POST /?Vary=Accept-Language", "").text(), "changed");
    assert_ne!(asked(&mut client, line, language).body, first.body);
}

#[test]
fn promised_answers_are_kept_and_streamed_ones_are_not() {
    let server = cached(for_an_hour);
    let mut client = Client::to(&server);
    assert_eq!(asked(&mut client, "GET /later", "").text(), "1");
    assert_eq!(asked(&mut client, "GET /later", "").text(), "1");
    for expected in ["1", "2"] {
        client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.chunked_answer().0.text(), expected);
    }
}

#[test]
fn no_more_is_kept_than_may_be() {
    let server = cached(|| for_an_hour().bytes_max(20_000).answers_max(10));
    let mut client = Client::to(&server);
    for index in 0..100 {
        asked(&mut client, &format!("GET /?x={index}"), "");
        let counts = asked(&mut client, "GET /counts", "");
        let bytes: usize = counts.text().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(bytes <= 20_000, "{bytes}");
    }
    let long = format!("GET /?X-Long={}", "a".repeat(3_000));
    let first = asked(&mut client, &long, "");
    assert_ne!(asked(&mut client, &long, "").body, first.body, "it is more than an eighth");
}

#[test]
fn fields_of_hooks_before_the_cache_are_of_each_request() {
    let router = Router::new()
        .with(Cors::origins(&["https://a.example", "https://b.example"]))
        .with(for_an_hour())
        .get("/", counting());
    let mut client = TestClient::new(router);
    for origin in ["https://a.example", "https://b.example", "https://a.example"] {
        let answer = client.get("/").header("Origin", origin).send();
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.text(), "1");
    }
}

#[cfg(feature = "gzip")]
#[test]
fn a_cache_before_compression_keeps_what_is_compressed_and_one_behind_it_does_not() {
    use corelane::app::middleware::Compression;

    let text = "the same again ".repeat(200);
    for is_before in [true, false] {
        let cache = for_an_hour();
        let (counts, body) = (cache.counts(), text.clone());
        let router = if is_before {
            Router::new().with(cache).with(Compression::new().codings(&GZIP))
        } else {
            Router::new().with(Compression::new().codings(&GZIP)).with(cache)
        };
        let mut client = TestClient::new(router.get("/", move |_, res| res.text(&body)));
        let mut ask = |accepted: &str| {
            let answer = client.get("/").header("Accept-Encoding", accepted).send();
            let coding = answer.header("content-encoding").map(str::to_owned);
            assert_eq!(coding.is_some(), accepted.to_lowercase().contains("gzip"), "{accepted}");
            let mut plain = String::new();
            let mut gzip = flate2::read::GzDecoder::new(answer.body());
            match coding {
                Some(_) => std::io::Read::read_to_string(&mut gzip, &mut plain).unwrap(),
                None => std::io::Read::read_to_string(&mut answer.body(), &mut plain).unwrap(),
            };
            assert_eq!(plain, text);
        };
        ["gzip", "GZIP;q=1", "deflate", "gzip", ""].into_iter().for_each(&mut ask);
        let variants = if is_before { 2 } else { 1 };
        assert_eq!((counts.stored(), counts.hits()), (variants, 5 - variants), "{is_before}");
    }
}

#[cfg(feature = "gzip")]
const GZIP: [corelane::app::middleware::Coding; 1] = [corelane::app::middleware::Coding::Gzip];

#[test]
fn metrics_have_what_caches_did_and_what_was_compressed() {
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).pin(false);
    let server = server.admin("127.0.0.1:0").start(|_| {
        let kept = |target: &str| for_an_hour().answers_max(if target == "/few" { 3 } else { 99 });
        ["/few", "/many"].into_iter().fold(Router::new(), |router, target| {
            router.group(target, |group| {
                let group = group.with(kept(target));
                #[cfg(feature = "gzip")]
                let group = group.with(corelane::app::middleware::Compression::new());
                group.get("/{id}", |_, res| res.text("the same again ".repeat(200)))
            })
        })
    });
    let server = server.expect("it starts");
    let mut client = Client::to(&server);
    // Three entries are a target and its answer, and no second one of either.
    for target in ["/few/1", "/few/1", "/few/2", "/few/3", "/many/1", "/many/1", "/many/1"] {
        asked(&mut client, &format!("GET {target}"), "Accept-Encoding: gzip\r\n");
    }
    let asked = Instant::now();
    loop {
        let request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        let text = Client::connect(server.admin_addresses()[0]).send(request).answer();
        let samples = exposition::parse(text.text());
        let count = |result: &str| {
            let label = format!("result=\"{result}\"");
            samples.sum("corelane_response_cache_total", &[&label])
        };
        let bytes = |direction: &str| {
            let label = format!("direction=\"{direction}\"");
            samples.sum("corelane_compression_bytes_total", &[&label])
        };
        let results = ["hit", "miss", "stored", "evicted"].map(count);
        let is_all = results[..3] == [3.0, 4.0, 4.0] && results[3] >= 1.0;
        let went = if cfg!(feature = "gzip") { 4.0 * 3000.0 } else { 0.0 };
        // What is shown may be a tenth of a second old.
        if is_all && (bytes("in") - went).abs() < 0.5 && bytes("out") <= went / 10.0 {
            break;
        }
        assert!(asked.elapsed() < PATIENCE, "{results:?} {} {}", bytes("in"), bytes("out"));
    }
}

fn prepared() -> Running {
    let text = Prepared::bytes("text/plain", "hello ".repeat(1_000)).unwrap();
    let text = text.header("Cache-Control", "max-age=60").unwrap();
    let picture = Prepared::bytes("image/png", vec![7; 100_000]).unwrap();
    serve(Settings::default(), move |_| {
        Router::new().prepared("/text", text.clone()).prepared("/picture", picture.clone())
    })
}

#[test]
fn a_prepared_answer_has_a_tag_and_is_not_sent_to_who_has_it() {
    let server = prepared();
    let mut client = Client::to(&server);
    let first = asked(&mut client, "GET /text", "");
    assert_eq!((first.status, first.body.len()), (200, 6_000));
    assert_eq!(first.field("content-type"), Some("text/plain"));
    assert_eq!(first.field("cache-control"), Some("max-age=60"));
    let tag = first.field("etag").unwrap();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let known = asked(&mut client, "GET /text", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((known.status, known.field("etag")), (304, Some(tag)));
    assert_eq!(known.field("cache-control"), Some("max-age=60"));
    assert_eq!(asked(&mut client, "GET /text", "If-None-Match: \"other\"\r\n").status, 200);
    assert_eq!(asked(&mut client, "GET /text", "If-Match: \"other\"\r\n").status, 412);
    let dates = "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n\
                 If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert_eq!(asked(&mut client, "GET /text", dates).status, 200, "it has no date");
    client.send("HEAD /text HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer_to_head().field("content-length"), Some("6000"));
    let picture = asked(&mut client, "GET /picture", "Accept-Encoding: gzip\r\n");
    assert_eq!((picture.body.len(), picture.field("vary")), (100_000, None));
    assert_eq!(asked(&mut client, "POST /text", "").status, 405);
}

#[cfg(feature = "gzip")]
#[test]
fn the_variants_of_a_prepared_answer_have_tags_of_their_own() {
    let server = prepared();
    let mut client = Client::to(&server);
    let plain = asked(&mut client, "GET /text", "");
    let gzip = asked(&mut client, "GET /text", "Accept-Encoding: gzip\r\n");
    assert_eq!(
        (gzip.field("content-encoding"), gzip.field("vary")),
        (Some("gzip"), plain.field("vary"))
    );
    let mut decoded = Vec::new();
    let mut body = flate2::read::GzDecoder::new(&gzip.body[..]);
    std::io::Read::read_to_end(&mut body, &mut decoded).unwrap();
    assert!(decoded == plain.body && gzip.body.len() * 10 < plain.body.len());
    assert_ne!(gzip.field("etag"), plain.field("etag"));
    let tag =
        format!("Accept-Encoding: gzip\r\nIf-None-Match: {}\r\n", gzip.field("etag").unwrap());
    assert_eq!(asked(&mut client, "GET /text", &tag).status, 304);
    let tag = format!("If-None-Match: {}\r\n", gzip.field("etag").unwrap());
    assert_eq!(asked(&mut client, "GET /text", &tag).status, 200, "it has the other variant");
}

#[test]
fn what_cannot_be_sent_cannot_be_prepared() {
    assert!(Prepared::bytes("text/plain\r\nX: y", "a").is_err());
    assert!(Prepared::bytes("text/plain", "a").unwrap().header("Date", "now").is_err());
    let mut client = TestClient::new(Router::new().get("/", |_, res| res.text("a")));
    assert_eq!(client.request(Method::Head, "/").send().status(), Status::OK);
}
