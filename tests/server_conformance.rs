//! The rules of HTTP/1.1 row by row, in the order in which a server meets them, asked of the
//! example for the conformance suites; those of a body's end stand in
//! `server_conformance_framing.rs`, those of time in `server_bad_input.rs`. Knows nothing below the
//! public face.

#[path = "../examples/conformance.rs"]
#[allow(dead_code, reason = "the example's main function")]
mod conformance;
#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/rows.rs"]
mod rows;

use std::io::Read;

use corelane::{Router, Settings};
use http_client::{Client, get, serve};
use rows::{BEHIND, LIVING, TEXT, answer_to, answers, coded, server};

/// RFC 9112 sections 2.2, 2.3 and 3.
#[test]
fn request_line_anything_but_method_target_version_is_400() {
    answers(&[
        (400, b"GET /\r\n"),
        (400, b"GET / \r\n\r\n"),
        (400, b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\t\r\nHost: a\r\n\r\n"),
        (400, b"GET /\x0bHTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET /\x0c HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\x00\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        (400, b"GET\r / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET, / HTTP/1.1\r\nHost: a\r\n\r\n"),
        // The longest method that is still one (32 bytes), and one byte more.
        (501, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_!#$% / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_!#$%& / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

/// RFC 9112 section 5, RFC 9110 sections 5.1 and 5.5.
#[test]
fn fields_have_a_token_a_colon_and_a_value_without_controls() {
    answers(&[
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: y\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\"Y\": z\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX/Y: z\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\n\t\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x0by\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x0c\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[0m\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\rZ: 1\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\x0c\r\n\r\nx"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n"),
        (200, b"GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\t\r\n\r\n"),
        (200, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\nY: a\tb \"c\"\r\n\r\n"),
        (200, b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX:\r\nx: 1\r\n\r\n"),
    ]);
    // OWS is no part of a value, blanks within are; obs-text comes back as it came.
    let server = server();
    let fields = b"GET /echo HTTP/1.1\r\nHost: a\r\nX: \t b \t c\t \r\nY:\xe9\r\n\r\n";
    assert_eq!(answer_to(&server, fields).body, b"Host: a\nX: b \t c\nY: \xe9\n");
}

/// RFC 9112 section 3.2, RFC 9110 section 7.2, RFC 3986 section 3.2.
#[test]
fn host_is_there_once_and_is_host_and_port() {
    let mut table = Vec::new();
    for (status, hosts) in [
        (200, &["a", "a.", "a:80", "a:", "1.2.3.4:5", "[::1]", "[::1]:80", "%41", "a_b", "a-b"]),
        (400, &["", "u@a", "u:p@a", "a/", "a?", "a#", "a\\b", "a b", "a,b", "a, b"]),
        (400, &["[::1", "::1", "[::1]x", "a:b", "a:-1", "a:80:80", "%4", "%zz", "\u{e9}", "\""]),
    ] {
        for host in hosts {
            table.push((status, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")));
        }
    }
    for (status, request) in [
        (400, "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
        (400, "GET / HTTP/1.2\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHOST: a\r\n\r\n"),
        (400, "GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\nHost: b\r\n\r\n"),
        (400, "GET http://a/ HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        (200, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    ] {
        table.push((status, request.to_owned()));
    }
    let table: Vec<_> = table.iter().map(|(status, input)| (*status, input.as_bytes())).collect();
    answers(&table);
}

/// RFC 9112 sections 9.3 and 9.6.
#[test]
fn persistence_ends_with_close_whatever_the_answer_and_its_body() {
    let server = server();
    for (version, connection) in [
        ("1.1", "Connection: close\r\n"),
        ("1.1", "Connection: keep-alive\r\nConnection: x, close\r\n"),
        ("1.0", ""),
        ("1.0", "Connection: keep-alive, close\r\n"),
    ] {
        for (status, request) in [
            (200, "GET /"),
            (304, "GET /"),
            (204, "OPTIONS *"),
            (404, "GET /nowhere"),
            (405, "DELETE /"),
            (200, "POST /"),
        ] {
            let mut head = format!("{request} HTTP/{version}\r\nHost: a\r\n{connection}");
            head += if status == 304 { "If-None-Match: *\r\n" } else { "" };
            let body = if request == "POST /" { "Content-Length: 1\r\n\r\nx" } else { "\r\n" };
            let mut client = Client::to(&server);
            let answer = client.send(format!("{head}{body}{BEHIND}{BEHIND}")).answer();
            assert_eq!((answer.status, answer.says_close()), (status, true), "{head}");
            client.finish_sending().expect_end();
        }
    }
    let mut client = Client::to(&server);
    for _ in 0..3 {
        let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
        assert_eq!(client.send(kept).answer().field("connection"), Some("keep-alive"));
    }
}

/// RFC 9112 section 9.3.2.
#[test]
fn pipelining_answers_what_came_before_an_error_and_nothing_behind_it() {
    let server = server();
    let good = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\ncorelane speaks HTTP/1.1\n",
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for position in 0..6 {
        let before: String = good.iter().cycle().take(position).copied().collect();
        let mut client = Client::to(&server);
        client.send(format!("{before}GET  / HTTP/1.1\r\nHost: a\r\n\r\n{BEHIND}{BEHIND}"));
        for _ in 0..position {
            let answer = client.answer();
            assert!(answer.text() == TEXT || answer.status == 404, "{answer:?}");
        }
        assert_eq!(client.answer().status, 400);
        client.finish_sending().expect_end();
    }
}

/// RFC 9110 section 9.3.2: with a body behind one of these heads, the stream would be garbled.
#[test]
fn pipelined_answers_without_a_body_keep_the_others_in_order() {
    let server = server();
    let mut client = Client::to(&server);
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let known = "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n";
    client.send(format!("{head}{known}{head}{BEHIND}HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"));
    let told = client.answer_to_head();
    assert_eq!(told.field("content-length"), Some("25"), "what GET would tell");
    assert_eq!(client.answer().status, 304);
    assert_eq!(client.answer_to_head().fields, told.fields);
    assert_eq!(client.answer().text(), TEXT);
    assert_eq!(client.answer_to_head().status, 404);
    client.finish_sending().expect_end();
}

/// RFC 9110 section 10.1.1.
#[test]
fn expect_is_answered_with_100_only_by_1_1_and_while_a_body_is_awaited() {
    let server = server();
    for (fields, body) in [
        ("Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", "abcde"),
        ("Expect:\t100-Continue \r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n0\r\n\r\n"),
    ] {
        let mut client = Client::to(&server);
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}");
        assert_eq!(client.send(&head).answer().status, 100, "{head}");
        assert_eq!(client.send(body).answer().text(), "abcde");
        // The body is there: nobody waits for leave.
        assert_eq!(client.send(head + body).answer().text(), "abcde");
    }
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
    ] {
        assert_eq!(answer_to(&server, head).status, 200, "{head}");
    }
    answers(&[
        (417, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
        (417, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx"),
    ]);
}

/// RFC 9110 sections 9.1, 9.3.6 to 9.3.8 and 15.5.6.
#[test]
fn methods_are_served_named_or_refused() {
    answers(&[
        (501, b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        (501, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
        (204, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        (204, b"OPTIONS /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
        (405, b"PATCH /cookie HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
    ]);
    let server = server();
    for (request, allowed) in [
        ("OPTIONS /", "GET, HEAD, POST, OPTIONS"),
        ("DELETE /", "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS /cookie", "GET, HEAD, OPTIONS"),
        ("POST /cookie", "GET, HEAD, OPTIONS"),
        ("OPTIONS /echo", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, QUERY"),
        ("OPTIONS *", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, QUERY"),
    ] {
        let answer = answer_to(&server, format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.field("allow"), Some(allowed), "{request}");
    }
}

/// RFC 9112 section 3.2, RFC 3986.
#[test]
fn targets_have_the_form_of_their_method() {
    let mut table = Vec::new();
    for (status, target) in [
        (200, "http://a"),
        (200, "http://a/"),
        (200, "HTTPS://a:443/?x"),
        (200, "/?x=http://b/?y"),
        (404, "//"),
        (404, "/%2e%2e/"),
        (400, "*"),
        (400, "a"),
        (400, "a:80"),
        (400, "?x"),
        (400, "/#x"),
        (400, "/\u{e9}"),
        (400, "/%"),
        (400, "/%1"),
        (400, "/%g1"),
        (400, "/?%g1"),
        (400, "http://"),
        (400, "http:///"),
        (400, "http://u@a/"),
        (400, "http://a:x/"),
        (400, "ftp://a/"),
    ] {
        table.push((status, format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n")));
    }
    table.push((400, "POST * HTTP/1.1\r\nHost: b\r\n\r\n".to_owned()));
    let table: Vec<_> = table.iter().map(|(status, input)| (*status, input.as_bytes())).collect();
    answers(&table);
    // Section 3.2.2: the target's host wins.
    let host = serve(Settings::default(), |_| {
        Router::new().get("/", |req, res| res.text(req.host().unwrap_or("none")))
    });
    let absolute = "GET http://target:8080/ HTTP/1.1\r\nHost: field\r\n\r\n";
    assert_eq!(answer_to(&host, absolute).text(), "target:8080");
    assert_eq!(answer_to(&host, "GET / HTTP/1.0\r\n\r\n").text(), "none");
}

/// RFC 9110 sections 6.2 and 15.6.6, RFC 9112 section 2.3.
#[test]
fn versions_1_x_are_served_others_told_and_malformed_ones_refused() {
    for (status, version) in [
        (200, "HTTP/1.1"),
        (200, "HTTP/1.2"),
        (200, "HTTP/1.9"),
        (505, "HTTP/0.9"),
        (505, "HTTP/2.0"),
        (505, "HTTP/2.1"),
        (505, "HTTP/9.9"),
        (400, "HTTP/2"),
        (400, "HTTP/1.11"),
        (400, "HTTP/11.1"),
        (400, "HTTP/1.x"),
        (400, "HTTP/1. 1"),
        (400, "HTTP /1.1"),
        (400, "Http/1.1"),
        (400, "HTTP1.1"),
        (400, "XTTP/1.1"),
    ] {
        answers(&[(status, format!("GET / {version}\r\nHost: a\r\n\r\n").as_bytes())]);
    }
}

/// RFC 9112 section 2.2.
#[test]
fn empty_lines_one_is_skipped_before_each_request() {
    answers(&[
        (200, b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"),
        (200, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n"),
        (400, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b" \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

/// RFC 9110 sections 6.6.1 and 8.3, RFC 9112 sections 6 and 9.6; that every answer has one date
/// and one framing, the client asserts of each.
#[test]
fn answers_with_a_body_have_a_type_and_come_in_one_piece() {
    let server = server();
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9_000));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(17_000));
    for (status, request) in [
        (200, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (404, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"),
        (405, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741825\r\n\r\n"),
        (414, &long),
        (417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"),
        (431, &large),
        (501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ] {
        let answer = answer_to(&server, request);
        assert_eq!(answer.status, status);
        assert!(answer.field("content-type").is_some(), "{answer:?}");
        assert_eq!(answer.says_close(), status >= 400 && !LIVING.contains(&status), "{answer:?}");

        // Some clients read once.
        let mut client = Client::to(&server);
        client.send(request);
        let mut piece = [0; 4_096];
        let len = client.stream.read(&mut piece).unwrap();
        assert!(piece[..len].ends_with(&answer.body), "{}", piece[..len].escape_ascii());
    }
}

/// RFC 9112 section 9.6: a reset would take the answer from a client that is still sending.
#[test]
fn closing_leaves_the_answer_to_who_is_still_sending() {
    let server = server();
    let more = vec![b'x'; 1 << 20];
    for head in [
        "POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde?",
        "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = Client::to(&server);
        client.send(head);
        for _ in 0..8 {
            client.send(&more);
        }
        assert!(client.finish_sending().answer().says_close(), "{head}");
        client.expect_end();
    }
}

/// RFC 9112 sections 8 and 9.6: the end of one side is not the end of the other.
#[test]
fn half_closed_connections_get_their_answers_but_no_part_of_a_request_does() {
    let server = server();
    for request in [
        get("/"),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\n".to_owned() + TEXT,
        coded("19\r\ncorelane speaks HTTP/1.1\n\r\n0\r\n\r\n"),
    ] {
        for part in 1..=request.len() {
            let mut client = Client::to(&server);
            let answer = client.send(&request[..part]).finish_sending().answer();
            if part == request.len() {
                assert_eq!(answer.text(), TEXT);
            } else {
                let shown = request[..part].escape_debug();
                assert_eq!((answer.status, answer.says_close()), (400, true), "{shown}");
            }
            client.expect_end();
        }
    }
}
