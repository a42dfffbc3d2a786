//! What applications answer, asked through real sockets: the program's own routes, and routers
//! of every kind. Knows nothing below the public face.

#![cfg(feature = "cli")]

#[path = "support/http_client.rs"]
mod http_client;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use corelane::app::welcome::welcome;
use corelane::{Bytes, Error, Router, Running, Server, Settings, StartError, Status};
use http_client::{Client, PATIENCE, chunked, get, pattern, post, serve, settings};
use serde::{Deserialize, Serialize};

fn welcome_server() -> Running {
    serve(Settings::default(), welcome)
}

fn router(make: fn() -> Router) -> Running {
    serve(Settings::default(), move |_| make())
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Every route of the program whose answer is always the same.
const STEADY: [(&str, &str, &str); 5] = [
    ("/hello", TEXT, "Hello from corelane!\n"),
    ("/plaintext", TEXT, "Hello, World!"),
    ("/json", JSON, r#"{"message":"Hello, World!"}"#),
    ("/health", JSON, r#"{"status":"ok"}"#),
    ("/users/42", JSON, r#"{"id":"42","name":"example user"}"#),
];

#[test]
fn every_route_of_the_program_answers_on_one_connection() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    for (path, content_type, body) in STEADY {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
        assert_eq!(answer.field("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.field("server"), Some("corelane"));
        assert_eq!(answer.field("connection"), None, "HTTP/1.1 stays open without a word");
    }
    let answer = client.post("/echo", "Content-Type: image/x-odd\r\n", b"\0\xff\r\n");
    assert_eq!(answer.body, b"\0\xff\r\n");
    assert_eq!(answer.field("content-type"), Some("image/x-odd"));
    let answer = client.post("/echo", "", "");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
}

#[test]
fn the_page_of_the_program_shows_every_route() {
    let server = welcome_server();
    let page = Client::to(&server).get("/");
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let title = format!("<h1>corelane {} is running</h1>", env!("CARGO_PKG_VERSION"));
    assert!(page.text().contains(&title));
    for (path, ..) in STEADY {
        assert!(page.text().contains(&format!("href=\"{path}\"")), "{path}");
    }
    assert!(page.text().contains("answered this page"));
    assert!(page.text().trim_end().ends_with("</html>"));
}

#[test]
fn the_status_of_the_program_counts_what_was_asked() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    let status = client.get("/api/status").json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["workers"].as_array().map(Vec::len), Some(1));
    // Figures are published a few times a second: ask until they are.
    let mut asked = 1;
    loop {
        let status = client.get("/api/status").json();
        asked += 1;
        let requests = status["requests"].as_u64().unwrap();
        assert!(requests < asked, "{requests} of {asked} were answered before");
        if requests > 1 {
            assert_eq!(
                (&status["connections"], &status["workers"][0]["cpu"]),
                (&1.into(), &serde_json::Value::Null)
            );
            break;
        }
    }
    server.stop();
    assert_eq!(server.wait().unwrap().report().total().requests, asked);
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    for (path, ..) in STEADY {
        let got = client.get(path);
        // Pipelined: a leaked body would be taken for the next answer.
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n{}", get(path));
        let head = client.send(request).answer_to_head();
        assert_eq!(head.status, 200);
        for name in ["content-type", "content-length", "server"] {
            assert_eq!(head.field(name), got.field(name), "{path}: {name}");
        }
        assert_eq!(client.answer().body, got.body);
    }
    let head = client.send("HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").answer_to_head();
    assert_eq!(head.status, 404);
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn options_tells_what_a_path_allows() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    for (target, allow) in [
        ("/hello", "GET, HEAD, OPTIONS"),
        ("/users/1", "GET, HEAD, OPTIONS"),
        ("/echo", "POST, OPTIONS"),
        ("*", "GET, HEAD, POST, OPTIONS"),
    ] {
        let request = format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.send(request).answer();
        assert_eq!((answer.status, answer.field("allow")), (204, Some(allow)), "{target}");
    }
    let request = "OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.send(request).answer().status, 404);
}

#[test]
fn an_unknown_path_is_404_and_another_method_405_with_what_is_allowed() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    for path in ["/nowhere", "/hello/", "/Hello", "//hello", "/users/", "/users/1/2", "/hello%2F"] {
        let answer = client.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text(), "404 Not Found\nno route matches the path\n");
    }
    let answer = client.get("/echo");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST, OPTIONS")));
    for method in ["POST", "PUT", "DELETE", "PATCH", "QUERY"] {
        let request = format!("{method} /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        let answer = client.send(request).answer();
        let allow = Some("GET, HEAD, OPTIONS");
        assert_eq!((answer.status, answer.field("allow")), (405, allow), "{method}");
        assert!(!answer.says_close(), "an allowed connection goes on");
    }
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn parameters_are_decoded_and_unreserved_escapes_mean_their_characters() {
    let server = router(|| {
        Router::new()
            .get("/hello", |_, res| res.text("literal"))
            .get("/users/{id}", |req, res| res.text(&*req.param_text("id")?))
            .get("/users/me", |_, res| res.text("the more specific"))
            .get("/{a}/of/{b}", |req, res| {
                let (a, b) = (req.param_text("a")?, req.param_text("b")?);
                res.text(format_args!("{a}|{b}"))
            })
            .get("/files/{*rest}", |req, res| res.text(&*req.param_text("rest")?))
    });
    let mut client = Client::to(&server);
    for (path, body) in [
        ("/h%65llo", "literal"),
        ("/%68%65%6C%6c%6f", "literal"),
        ("/users/42", "42"),
        ("/users/a%2Fb", "a/b"),
        ("/users/a%2fb", "a/b"),
        ("/users/%E2%82%AC%20+", "€ +"),
        ("/users/%2541", "%41"),
        ("/users/m%65", "the more specific"),
        ("/users/me?x=/users/you", "the more specific"),
        ("/1%2F2/of/%7e", "1/2|~"),
        ("/files/a/b%20c/d.txt", "a/b c/d.txt"),
        ("http://other.example/users/7?q", "7"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
    }
    assert_eq!(client.get("/users/%ff").status, 400, "not UTF-8");
}

#[test]
fn a_parameter_of_the_wrong_type_is_400_by_itself() {
    let server = router(|| {
        Router::new().get("/double/{n}", |req, res| {
            let n: u32 = req.param("n")?;
            res.text(format_args!("{}", u64::from(n) * 2))
        })
    });
    let mut client = Client::to(&server);
    assert_eq!(client.get("/double/21").text(), "42");
    for wrong in ["x", "-1", "4294967296", "1.0", "%00"] {
        let answer = client.get(&format!("/double/{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}");
        assert_eq!(answer.text(), "400 Bad Request\nthe path's `n` is not valid\n");
        assert!(!answer.says_close(), "the request was well-formed");
    }
}

#[derive(Deserialize, Serialize)]
struct Point {
    x: i32,
    y: i32,
}

fn typed() -> Router {
    Router::new()
        .get("/query", |req, res| {
            let pairs: Vec<_> = req.query_pairs().map(|(k, v)| format!("{k}={v}")).collect();
            res.text(pairs.join(";"))
        })
        .get("/first", |req, res| res.text(&*req.query("a").unwrap_or("none".into())))
        .get("/typed", |req, res| res.json(&req.query_as::<Point>()?))
        .post("/form", |req, res| match req.form("name")? {
            Some(name) => res.text(&*name),
            None => res.text("no name"),
        })
        .post("/typed-form", |req, res| res.json(&req.form_as::<Point>()?))
        .post("/json", |req, res| res.json(&req.json::<Point>()?))
        .post("/text", |req, res| res.text(req.body_text()?))
}

#[test]
fn queries_are_decoded_in_order() {
    let server = router(typed);
    let mut client = Client::to(&server);
    assert_eq!(client.get("/query?a=1&b=%26+&a=2&c&=d").text(), "a=1;b=& ;a=2;c=;=d");
    assert_eq!(client.get("/query").text(), "");
    assert_eq!(client.get("/first?b=1&a=x%2By&a=z").text(), "x+y");
    assert_eq!(client.get("/first?").text(), "none");
    assert_eq!(client.get("/typed?y=-2&x=1").json(), serde_json::json!({"x": 1, "y": -2}));
    assert_eq!(client.get("/typed?x=1").status, 422);
    assert_eq!(client.get("/typed?x=one&y=2").status, 422);
}

#[test]
fn forms_are_decoded_and_must_be_declared() {
    let server = router(typed);
    let mut client = Client::to(&server);
    let form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    assert_eq!(client.post("/form", form, "x=1&name=J%C3%BCrgen+M").text(), "Jürgen M");
    assert_eq!(client.post("/form", form, "").text(), "no name");
    assert_eq!(client.post("/form", "", "name=x").status, 415);
    assert_eq!(client.post("/form", "Content-Type: text/plain\r\n", "name=x").status, 415);
    let answer = client.post("/typed-form", form, "x=1&y=2");
    assert_eq!(answer.json(), serde_json::json!({"x": 1, "y": 2}));
    assert_eq!(client.post("/typed-form", form, "x=1").status, 422);
}

#[test]
fn a_json_body_is_parsed_or_answered_with_the_status_that_says_what_is_wrong() {
    let server = router(typed);
    let mut client = Client::to(&server);
    let json = "Content-Type: application/json\r\n";
    let suffixed = "Content-Type: Application/vnd.point+JSON; v=1\r\n";
    let right = r#"{"x":1,"y":2}"#;
    assert_eq!(client.post("/json", json, right).text(), right);
    assert_eq!(client.post("/json", suffixed, right).text(), right);
    for (fields, body, status) in [
        (json, r#"{"x":1,"y":"#, 400),
        (json, "", 400),
        (json, r#"{"x":1,"y":2} trailing"#, 400),
        (json, "\u{0}", 400),
        (json, r#"{"x":1}"#, 422),
        (json, r#"{"x":1,"y":"two"}"#, 422),
        (json, r#"{"x":1,"y":99999999999}"#, 422),
        ("Content-Type: text/plain\r\n", right, 415),
        ("", right, 415),
    ] {
        let answer = client.post("/json", fields, body);
        assert_eq!(answer.status, status, "{fields} {body}: {}", answer.text());
        assert!(!answer.says_close(), "the framing was right");
    }
    assert_eq!(client.post("/text", "", "µ").text(), "µ");
    assert_eq!(client.post("/text", "", b"\xb5").status, 400);
}

#[test]
fn errors_are_json_for_those_who_accept_it_and_text_for_the_others() {
    let server = router(|| {
        Router::new()
            .get("/broken", |_, _| Err(Error::internal("the secret reason")))
            .get("/quoted", |_, _| Err(Error::bad_request("a \"quote\"\n")))
            .get("/locked", |_, _| {
                let locked = Error::new(Status::UNAUTHORIZED, "who are you?");
                Err(locked.with_header("WWW-Authenticate", "Basic".to_owned()))
            })
            .get("/parse", |_, res| res.text(format_args!("{}", "x".parse::<u8>()?)))
    });
    let mut client = Client::to(&server);
    let mut ask = |path: &str, accept: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
        client.send(request).answer()
    };
    let not_found = r#"{"error":{"status":404,"message":"no route matches the path"}}"#;
    for accept in [JSON, "text/html, APPLICATION/JSON;q=0.5", "application/problem+json"] {
        let answer = ask("/nowhere", accept);
        assert_eq!((answer.status, answer.text()), (404, not_found), "{accept}");
        assert_eq!(answer.field("content-type"), Some(JSON));
    }
    for accept in ["*/*", "text/html", "application/xml"] {
        let answer = ask("/nowhere", accept);
        assert_eq!(answer.field("content-type"), Some(TEXT), "{accept}");
    }
    let answer = ask("/broken", JSON);
    assert_eq!(answer.json()["error"]["message"], "internal server error");
    assert_eq!(ask("/broken", "*/*").text(), "500 Internal Server Error\ninternal server error\n");
    assert_eq!(ask("/quoted", JSON).json()["error"]["message"], "a \"quote\"\n");
    let answer = ask("/locked", "*/*");
    assert_eq!((answer.status, answer.field("www-authenticate")), (401, Some("Basic")));
    assert_eq!(ask("/parse", "*/*").status, 500);
}

#[test]
fn redirects_empty_answers_and_fields_of_the_handlers_own() {
    let server = router(|| {
        Router::new()
            .get("/old", |_, res| res.redirect("/new?a=b"))
            .get("/moved", |_, res| res.status(Status::PERMANENT_REDIRECT).redirect("/new"))
            .get("/empty", |_, res| res.empty())
            .get("/created", |_, res| res.status(Status::CREATED).empty())
            .get("/fields", |_, res| {
                res.header("X-One", "1")
                    .header("Set-Cookie", "a=b")
                    .header("set-cookie", "c=d")
                    .content_type("image/png")
                    .bytes(&[1, 2, 3])
            })
            .get("/last", |_, res| res.close().text("bye"))
    });
    let mut client = Client::to(&server);
    let answer = client.get("/old");
    assert_eq!(
        (answer.line.as_str(), answer.field("location")),
        ("HTTP/1.1 302 Found", Some("/new?a=b"))
    );
    assert_eq!(client.get("/moved").status, 308);
    let answer = client.get("/empty");
    assert_eq!((answer.status, answer.field("content-length")), (204, None));
    let answer = client.get("/created");
    assert_eq!((answer.status, answer.field("content-length")), (201, Some("0")));
    let answer = client.get("/fields");
    assert_eq!(
        (answer.field("x-one"), answer.field("content-type")),
        (Some("1"), Some("image/png"))
    );
    let cookies = answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    assert_eq!(cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=b", "c=d"]);
    assert!(client.get("/last").says_close());
    client.expect_end();
}

#[test]
fn nothing_a_handler_sets_can_split_an_answer() {
    let server = router(|| {
        Router::new()
            .get("/value", |req, res| {
                let value = req.query("v").unwrap_or_default();
                res.header("X-Echo", value.as_bytes()).text("sent")
            })
            .get("/name", |req, res| res.header(&req.query("v").unwrap_or_default(), "1").empty())
            .get("/goto", |req, res| res.redirect(&req.query("v").unwrap_or_default()))
            .get("/type", |req, res| res.content_type(&req.query("v").unwrap_or_default()).empty())
            .get("/error", |req, _| {
                let value = req.query("v").unwrap_or_default().into_owned();
                Err(Error::not_found("gone").with_header("X-Echo", value))
            })
    });
    let mut client = Client::to(&server);
    assert_eq!(client.get("/value?v=fine").field("x-echo"), Some("fine"));
    let splits = ["a%0d%0aX-Evil:%201", "a%0aX-Evil:1", "a%0dX-Evil:1", "%00", "a%0d%0a%0d%0a<p>"];
    for split in splits {
        for path in ["/value", "/name", "/goto", "/type"] {
            let answer = client.get(&format!("{path}?v={split}"));
            assert_eq!(answer.status, 500, "{path} {split}");
            assert!(answer.field("x-evil").is_none() && answer.field("x-echo").is_none());
        }
        let answer = client.get(&format!("/error?v={split}"));
        assert_eq!((answer.status, answer.field("x-echo")), (404, None));
    }
    for ours in ["Content-Length", "transfer-encoding", "CONNECTION", "Date", "Keep-Alive"] {
        assert_eq!(client.get(&format!("/name?v={ours}")).status, 500, "{ours}");
    }
}

const LARGE: usize = 10 << 20;

#[test]
fn answers_larger_than_any_buffer_reach_slow_readers_byte_for_byte() {
    let large: Arc<[u8]> = pattern(LARGE).into();
    let leaked: &'static [u8] = pattern(LARGE).leak();
    let server = serve(Settings::default(), move |_| {
        let (shared, borrowed) = (Arc::clone(&large), Arc::clone(&large));
        Router::new()
            .get("/owned", |_, res| res.bytes(pattern(LARGE)))
            .get("/shared", move |_, res| res.bytes(Arc::clone(&shared)))
            .get("/borrowed", move |_, res| res.bytes(&borrowed[..]))
            .get("/static", move |_, res| res.bytes(Bytes::Static(leaked)))
            .get("/small", |_, res| res.text("small"))
    });
    let expected = pattern(LARGE);
    let address = server.addresses()[0];
    let slow = ["/owned", "/shared", "/borrowed", "/static"].map(|path| {
        std::thread::spawn(move || {
            let mut client = Client::with_small_window(address);
            // The answer behind the large one waits for it, and the client may go on after both.
            client.send([get(path), get("/small")].concat());
            let head = client.answer_to_head();
            assert_eq!(head.field("content-length"), Some("10485760"), "{path}");
            let body = client.read_slowly(LARGE);
            assert_eq!(client.answer().text(), "small");
            assert_eq!(client.get("/small").text(), "small");
            body
        })
    });
    // The others are served meanwhile.
    assert_eq!(Client::to(&server).get("/small").text(), "small");
    for reader in slow {
        assert!(reader.join().unwrap() == expected, "every byte at its place");
    }
}

#[test]
fn a_large_answer_that_closes_arrives_whole_before_the_end() {
    let server = router(|| Router::new().get("/", |_, res| res.close().bytes(pattern(LARGE))));
    let mut client = Client::with_small_window(server.addresses()[0]);
    client.send(get("/"));
    assert!(client.answer_to_head().says_close());
    assert!(client.read_slowly(LARGE) == pattern(LARGE), "every byte at its place");
    client.expect_end();
}

#[test]
fn a_mebibyte_is_echoed_by_length_and_in_chunks_of_every_size() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    let body = pattern(1 << 20);
    let mut check = |what: &str, request: Vec<u8>| {
        let answer = client.send(request).answer();
        assert!((answer.status, answer.body) == (200, body.clone()), "{what}");
    };
    check("by length", post("/echo", "", &body));
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
    for size in [13, 1_000, 32 * 1024, 65_537, 1 << 20] {
        check(&format!("chunks of {size}"), [head, &chunked(&body, size)].concat());
    }
    let small = chunked(&body[..500], 1);
    assert_eq!(client.send([head, &small].concat()).answer().body, &body[..500]);
    assert_eq!(client.get("/hello").status, 200, "nothing of a body was left over");
}

#[test]
fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let server = welcome_server();
    let mut client = Client::to(&server);
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let interim = client.send(head).answer();
    assert_eq!((interim.status, interim.fields.len()), (100, 0));
    assert_eq!(client.send("hello").answer().text(), "hello");
    let all = client.send(format!("{head}again")).answer();
    assert_eq!((all.status, all.text()), (200, "again"), "nobody waits: the body is there");
    let old = head.replace("HTTP/1.1", "HTTP/1.0");
    let mut client = Client::to(&server);
    assert_eq!(client.send(old).send("hello").answer().text(), "hello", "HTTP/1.0 has no 1xx");
}

#[test]
fn a_body_over_the_limit_is_413_and_the_answer_can_be_read_while_it_is_still_sent() {
    let server = serve(settings(|settings| settings.body_bytes_max = 100_000), welcome);
    let by_length = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n".to_owned();
    let coded = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    // The first chunk announces too much; or it is the second that does.
    let announced = format!("{coded}186a1\r\nx");
    let summed = format!("{coded}186a0\r\n{}\r\n1\r\nx", "x".repeat(100_000));
    let asked = by_length.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    for request in [by_length, announced, summed, asked] {
        let mut client = Client::to(&server);
        let answer = client.send(&request).answer();
        assert_eq!(answer.status, 413, "{request:.90}");
        assert!(answer.says_close());
        // Closing at once would reset the connection, and we could not go on sending.
        for _ in 0..8 {
            client.send(vec![b'x'; 50_000]);
        }
        client.send("\r\n0\r\n\r\n").send(get("/hello")).finish_sending().expect_end();
    }
    // Not reading until everything was sent is what most clients do.
    let mut client = Client::to(&server);
    client.send(post("/echo", "", &vec![b'x'; 500_000]));
    assert_eq!(client.answer().status, 413);
    client.finish_sending().expect_end();
    let full = post("/echo", "", &pattern(100_000));
    assert_eq!(Client::to(&server).send(full).answer().status, 200, "the limit itself fits");
}

#[test]
fn it_listens_on_several_addresses_of_both_families() {
    let server = Server::bind("127.0.0.1:0").and_bind("[::1]:0").and_bind("127.0.0.2:0");
    let server = server
        .workers(NonZeroUsize::new(2).unwrap())
        .start(|_| Router::new().get("/", |req, res| res.text(format_args!("{}", req.peer()))));
    let server = server.unwrap();
    let addresses = server.addresses().to_vec();
    assert_eq!(addresses.len(), 3);
    assert!(addresses[1].is_ipv6() && addresses.iter().all(|address| address.port() != 0));
    // Both workers listen on each: of 32 connections to one address each worker gets some.
    for address in addresses {
        for _ in 0..32 {
            let mut client = Client::connect(address);
            let own: SocketAddr = client.stream.local_addr().unwrap();
            assert_eq!(client.get("/").text(), own.to_string());
        }
    }
    server.drain();
    let report = server.wait().unwrap().report();
    assert_eq!((report.total().requests, report.total().connections), (96, 96));
}

#[test]
fn each_worker_has_state_of_its_own() {
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::new(2).unwrap());
    let server = server.start(|worker| {
        let (index, mut hits) = (worker.index(), 0);
        Router::new().get("/", move |_, res| {
            hits += 1;
            res.text(format_args!("{index} {hits}"))
        })
    });
    let server = server.unwrap();
    let mut hits = [0; 2];
    for _ in 0..64 {
        let mut client = Client::to(&server);
        for _ in 0..3 {
            let answer = client.get("/");
            let (index, count) = answer.text().split_once(' ').unwrap();
            let index: usize = index.parse().unwrap();
            hits[index] += 1;
            assert_eq!(count.parse(), Ok(hits[index]), "a connection stays with its worker");
        }
    }
    assert!(hits.iter().all(|hits| *hits > 0), "the kernel spreads: {hits:?}");
}

#[test]
fn a_handler_that_panics_answers_500_closes_and_its_worker_lives_on() {
    let server = router(|| {
        let mut calls = 0;
        Router::new()
            .get("/panic", |req, _| panic!("on purpose: {}", req.path()))
            .get("/late", |_, res| {
                let _answered = res.text("answered before")?;
                panic!("on purpose, after the answer")
            })
            .get("/count", move |_, res| {
                calls += 1;
                res.text(format_args!("{calls}"))
            })
    });
    let mut bystander = Client::to(&server);
    assert_eq!(bystander.get("/count").text(), "1");
    for count in 2..5 {
        let mut client = Client::to(&server);
        // What is pipelined behind it is not answered: the handler's state may be odd.
        let answer = client.send([get("/panic"), get("/count")].concat()).answer();
        assert_eq!((answer.status, answer.says_close()), (500, true));
        client.expect_end();
        assert_eq!(bystander.get("/count").text(), count.to_string());
    }
    let mut client = Client::to(&server);
    assert_eq!(client.get("/late").text(), "answered before");
    client.expect_end();
    drop(bystander);
    server.drain();
    let report = server.wait().unwrap().report();
    let count = |name| report.total().closes.iter().find(|(reason, _)| *reason == name).unwrap().1;
    assert_eq!(count("panicked"), 4);
}

#[test]
fn what_is_wrong_with_a_router_is_told_at_the_start() {
    let start = |make: fn() -> Router| {
        let started = Server::bind("127.0.0.1:0").start(move |_| make());
        match started.expect_err("it cannot run") {
            StartError::Application(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let reason = start(|| {
        let router = Router::new().get("/users/{id}", |_, res| res.empty());
        router.get("/users/{name}", |_, res| res.empty())
    });
    assert!(reason.contains("GET /users/{id}") && reason.contains("GET /users/{name}"), "{reason}");
    let reason = start(|| {
        let router = Router::new().get("/twice", |_, res| res.empty());
        router.get("/twice", |_, res| res.empty())
    });
    assert_eq!(reason, "the routes GET /twice and GET /twice match the same paths");
    let reason = start(|| Router::new().get("relative", |_, res| res.empty()));
    assert!(reason.contains("GET relative") && reason.contains("begins with `/`"), "{reason}");
    let reason = start(|| Router::new().get("/{open", |_, res| res.empty()));
    assert!(reason.contains("GET /{open"), "{reason}");
    // The same path under two methods is no conflict.
    let _server = router(|| {
        let router = Router::new().get("/a", |_, res| res.empty());
        router.post("/a", |_, res| res.empty())
    });
}

#[test]
fn a_closure_alone_is_an_application() {
    let server = serve(Settings::default(), |_| {
        |req: &corelane::Request<'_>, res: corelane::Response<'_>| res.text(req.target())
    });
    let mut client = Client::to(&server);
    assert_eq!(client.get("/any?thing").text(), "/any?thing");
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.send("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n").answer().text(), "/x");
}
