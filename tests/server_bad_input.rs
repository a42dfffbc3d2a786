//! What a server must refuse, asked through real sockets: each malformed request with the status
//! that answers it, the close behind it, and the proof that nothing behind it is ever taken for
//! a request. Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corelane::{Router, Running, Settings};
use http_client::{Client, get, serve, settings};

/// What an attacker hides behind a malformed request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// Counts the calls of its handlers.
fn counting(settings: Settings) -> (Running, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = serve(settings, move |_| {
        let calls = Arc::clone(&counted);
        let answer = move |req: &corelane::Request<'_>, res: corelane::Response<'_>| {
            calls.fetch_add(1, Ordering::SeqCst);
            res.bytes(req.body())
        };
        Router::new()
            .get("/", answer.clone())
            .get("/hidden", answer.clone())
            .post("/", answer.clone())
            .fallback(answer)
    });
    (server, calls)
}

/// Each input is refused with its status whole, byte by byte, and behind a good request; what
/// stands behind it reaches no handler.
fn refuses(settings: Settings, table: &[(&str, &str)]) {
    refuses_bytes(settings, table.iter().map(|(status, input)| (*status, input.as_bytes())));
}

fn refuses_bytes<'a>(settings: Settings, table: impl Iterator<Item = (&'a str, &'a [u8])>) {
    let (server, calls) = counting(settings);
    for (status, input) in table {
        let shown = input[..input.len().min(120)].escape_ascii();
        let behind = [input, HIDDEN.as_bytes()].concat();
        let expect_refusal = |client: &mut Client, how: &str| {
            let answer = client.answer();
            assert_eq!(answer.status.to_string(), status, "{how}: {shown}: {}", answer.text());
            assert!(answer.says_close(), "{how}: {shown}");
            assert!(answer.text().starts_with(status), "{how}: {shown}: it says why");
            client.finish_sending().expect_end();
        };
        let before = calls.load(Ordering::SeqCst);
        let mut client = Client::to(&server);
        expect_refusal(client.send(&behind), "whole");
        if behind.len() < 1_000 {
            let mut client = Client::to(&server);
            client.send_bytewise(&behind);
            expect_refusal(&mut client, "byte by byte");
        }
        assert_eq!(calls.load(Ordering::SeqCst), before, "a handler was called: {shown}");

        let mut client = Client::to(&server);
        client.send([get("/").as_bytes(), &behind].concat());
        assert_eq!(client.answer().status, 200, "the good request before it: {shown}");
        expect_refusal(&mut client, "pipelined");
        assert_eq!(calls.load(Ordering::SeqCst), before + 1, "a handler was called: {shown}");
    }
    drop(server);
}

/// Each input is answered with 200, and so is the request behind it.
fn accepts(table: &[&str]) {
    let (server, _) = counting(Settings::default());
    for input in table {
        for bytewise in [false, true] {
            let behind = [input.as_bytes(), HIDDEN.as_bytes()].concat();
            let mut client = Client::to(&server);
            if bytewise {
                client.send_bytewise(&behind);
            } else {
                client.send(&behind);
            }
            let answer = client.answer();
            assert_eq!(answer.status, 200, "{}: {}", input.escape_debug(), answer.text());
            assert_eq!(client.answer().status, 200, "behind {}", input.escape_debug());
        }
    }
}

#[test]
fn malformed_request_lines_are_400() {
    refuses(
        Settings::default(),
        &[
            ("400", "GET /\r\nHost: a\r\n\r\n"),
            ("400", "GET\r\n\r\n"),
            ("400", "GET / \r\n\r\n"),
            ("400", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
            ("400", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / b HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.1\nHost: a\n\n"),
            ("400", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
            ("400", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / http/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/11\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
            ("400", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n"),
        ],
    );
}

#[test]
fn malformed_targets_are_400() {
    refuses(
        Settings::default(),
        &[
            ("400", "GET hidden HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /µ HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /a\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /a\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /% HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET /?%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("400", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
    );
}

#[test]
fn malformed_fields_are_400() {
    refuses(
        Settings::default(),
        &[
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX\t: y\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nXµ: y\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{7f}\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: a\nb: c\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: a\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n"),
        ],
    );
}

#[test]
fn a_missing_repeated_or_faulty_host_is_400() {
    refuses(
        Settings::default(),
        &[
            ("400", "GET / HTTP/1.1\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nX: Host: a\r\n\r\n"),
            ("400", "GET http://a/ HTTP/1.1\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: %zz\r\n\r\n"),
            ("400", "GET / HTTP/1.1\r\nHost: µ\r\n\r\n"),
        ],
    );
}

#[test]
fn a_framing_that_can_be_read_in_two_ways_is_400() {
    refuses(
        Settings::default(),
        &[
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            ),
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
            ),
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
            ),
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
            ),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4,5\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -4\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 04\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4 4\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4.0\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \u{b}4\r\n\r\nabcd"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                "400",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n",
            ),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"),
            ("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"),
            ("400", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("501", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
            ("501", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
            ("501", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"),
            (
                "417",
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 4\r\n\r\nabcd",
            ),
        ],
    );
}

#[test]
fn malformed_chunks_are_400() {
    let bodies = [
        "g\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1\t\r\na\r\n",
        "5 5\r\n",
        "\r\n",
        ";a\r\n",
        "1;\r\na\r\n",
        "1;=b\r\na\r\n",
        "1;a(=b\r\n",
        "1;a=\u{1}\r\n",
        "1;a=b\rc\r\n",
        "1;a\nb\r\n",
        "1\na\n0\n\n",
        "1\ra\r\n",
        "1\r\na\n0\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\r0\r\n",
        "11111111111111111\r\n",
        "00000000000000001\r\na\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nX: \0\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
    ];
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let inputs = bodies.map(|body| format!("{head}{body}"));
    refuses(Settings::default(), &inputs.each_ref().map(|input| ("400", input.as_str())));
    // The first chunk was right.
    let inputs = bodies.map(|body| format!("{head}3\r\nabc\r\n{body}"));
    refuses(Settings::default(), &inputs.each_ref().map(|input| ("400", input.as_str())));
}

#[test]
fn what_is_too_large_is_refused_by_the_status_that_says_what() {
    let settings = settings(|settings| {
        settings.head_bytes_max = 4_096;
        settings.target_bytes_max = 1_000;
        settings.fields_max = 10;
        settings.body_bytes_max = 1_000;
    });
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let long = "x".repeat(70_000);
    let coded = post("Transfer-Encoding: chunked");
    let table = [
        ("431", head(&format!("X: {}\r\n", "x".repeat(4_096)))),
        ("431", head(&format!("X: {long}\r\n"))),
        ("431", head(&format!("{long}: x\r\n"))),
        ("431", head(&"X: y\r\n".repeat(10))),
        ("431", head(&"X: y\r\n".repeat(5_000))),
        ("431", format!("{coded}0\r\nX: {}\r\n\r\n", "x".repeat(9_000))),
        ("431", format!("{coded}0\r\n{}\r\n", "X: y\r\n".repeat(1_000))),
        ("414", get(&format!("/{}", "x".repeat(1_000)))),
        ("414", get(&format!("/{long}"))),
        ("414", format!("GET /{long}")),
        ("400", format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "X".repeat(33))),
        ("400", format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("413", post("Content-Length: 1001")),
        ("413", post("Content-Length: 1001\r\nExpect: 100-continue")),
        ("413", post("Content-Length: 18446744073709551615")),
        ("413", format!("{coded}3e9\r\nx")),
        ("413", format!("{coded}ffffffffffffffff\r\nx")),
        ("413", format!("{coded}3e8\r\n{}\r\n1\r\nx", "x".repeat(1_000))),
        ("400", format!("{coded}1;{long}\r\nx\r\n0\r\n\r\n")),
        ("400", format!("{coded}{}", "1;aaaaaaaaaaaaaaaa\r\nx\r\n".repeat(900))),
    ];
    let table: Vec<_> = table.iter().map(|(status, input)| (*status, input.as_str())).collect();
    refuses(settings, &table);
}

#[test]
fn unknown_methods_are_501_and_known_ones_405() {
    refuses(
        Settings::default(),
        &[
            ("501", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("501", "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("501", "GETT / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("501", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("501", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("501", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("501", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
    );
    let server = serve(Settings::default(), |_| Router::new().get("/", |_, res| res.text("x")));
    for method in ["POST", "PUT", "DELETE", "PATCH", "QUERY"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = Client::to(&server).send(request).answer();
        assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
}

#[test]
fn other_major_versions_are_505_and_other_minor_ones_are_served() {
    refuses(
        Settings::default(),
        &[
            ("505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            ("505", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
            ("505", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
            ("505", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
            ("505", "GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
        ],
    );
    accepts(&["GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / HTTP/1.9\r\nHost: a\r\n\r\n"]);
}

#[test]
fn what_looks_odd_and_is_allowed_is_answered() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8_000));
    accepts(&[
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhOsT:a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \t a\t \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY:\t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: µ\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~9: x\r\n\r\n",
        "GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET https://other:8443/?a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: unheard-of\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t4\t\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tCHUNKED \r\n\r\n1\r\na\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0001\r\na\r\n000\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         1;a;b=c ; d = \"e;\\\"\"\r\nx\r\n0;end\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nX: y\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
        &long,
    ]);
}

#[test]
fn a_body_never_becomes_a_request() {
    let (server, calls) = counting(Settings::default());
    let mut client = Client::to(&server);
    let length = HIDDEN.len();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(client.send(head + HIDDEN).answer().text(), HIDDEN);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let coded = http_client::chunked(HIDDEN.as_bytes(), 7);
    assert_eq!(client.send([head.as_bytes(), &coded].concat()).answer().text(), HIDDEN);
    client.finish_sending().expect_end();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let (server, _) = counting(Settings::default());
    let mut client = Client::to(&server);
    client.send("HEAD / HTTP/1.1\r\n\r\n");
    let answer = client.answer_to_head();
    assert_eq!((answer.status, answer.says_close()), (400, true));
    client.finish_sending().expect_end();
}

#[test]
fn a_head_that_does_not_arrive_in_time_is_408() {
    let settings = settings(|settings| settings.head_time = Duration::from_millis(100));
    let (server, calls) = counting(settings);
    for part in ["G", "GET / HT", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
        let mut client = Client::to(&server);
        let answer = client.send(part).answer();
        assert_eq!((answer.status, answer.says_close()), (408, true), "{part:?}");
        // It comes too late.
        client.send("\n").send(HIDDEN).finish_sending().expect_end();
    }
    // A second head gets no longer than the first.
    let mut client = Client::to(&server);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.send("GET").answer().status, 408);
    client.finish_sending().expect_end();
    // Who never sends a byte is not owed a word.
    Client::to(&server).expect_end();
    Client::to(&server).send("\r\n").expect_end();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_head_that_drips_in_gets_no_more_time_than_one_that_stalls() {
    let settings = settings(|settings| settings.head_time = Duration::from_millis(200));
    let (server, calls) = counting(settings);
    let mut client = Client::to(&server);
    client.send("GET / HTTP/1.1\r\n");
    // A field every few milliseconds, for as long as the server lets us: its time is for the
    // whole head. Far more fields than it would need are a failure.
    let patience = Some(Duration::from_millis(5));
    client.stream.set_read_timeout(patience).unwrap();
    let mut byte = [0];
    for dripped in 0.. {
        assert!(dripped < 20_000, "every byte bought it more time");
        if client.stream.peek(&mut byte).is_ok() {
            break;
        }
        client.send("a");
    }
    client.stream.set_read_timeout(Some(http_client::PATIENCE)).unwrap();
    assert_eq!(client.answer().status, 408);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_408() {
    let settings = settings(|settings| settings.body_time = Duration::from_millis(100));
    let (server, calls) = counting(settings);
    for part in [
        "Content-Length: 5\r\n\r\n",
        "Content-Length: 5\r\n\r\nabcd",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n",
    ] {
        let mut client = Client::to(&server);
        let answer = client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{part}")).answer();
        assert_eq!((answer.status, answer.says_close()), (408, true), "{part:?}");
        client.send("\r\n").send(HIDDEN).finish_sending().expect_end();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_that_ends_in_its_middle_is_400_and_no_handler_sees_it() {
    let (server, calls) = counting(Settings::default());
    for part in [
        "G",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
    ] {
        let mut client = Client::to(&server);
        let answer = client.send(part).finish_sending().answer();
        assert_eq!((answer.status, answer.says_close()), (400, true), "{part:?}");
        client.expect_end();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[test]
fn every_refusal_is_counted_by_its_name() {
    let (server, _) = counting(Settings::default());
    for (input, count) in [
        ("GET /\r\n\r\n", 3),
        ("GET / HTTP/1.1\r\n\r\n", 2),
        ("A / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ] {
        for _ in 0..count {
            Client::to(&server).send(input).answer();
        }
    }
    server.stop();
    let report = server.wait().unwrap().report();
    let mut counted = report.total().refusals.clone();
    counted.retain(|(_, count)| *count > 0);
    assert_eq!(counted, [("host_missing", 2), ("method_unknown", 1), ("request_line", 3)]);
    assert_eq!((report.total().requests, report.total().statuses), (0, [0, 0, 0, 5, 1]));
}
