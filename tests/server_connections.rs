//! Connections and whom they are from, asked through real sockets: how many there may be, who ends
//! when there are too many, and which words of a proxy are believed. The addresses of 127.0.0.0/8
//! stand for different machines. Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use corelane::report::WorkerRow;
use corelane::{ClientAddressField, Network, Router, Running, Settings, WhenFull};
use http_client::{Client, get, serve, settings};

/// Answers with the addresses of peer and client.
fn server(settings: Settings) -> Running {
    serve(settings, |_| {
        Router::new()
            .get("/", |req, res| {
                res.text(format_args!("{} {}", req.peer().ip(), req.client_address()))
            })
            .get("/peer", |req, res| res.text(format_args!("{}", req.peer())))
            .post("/body", |req, res| res.bytes(req.body()))
    })
}

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
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

/// Whether the server ended the connection, without waiting for it.
fn has_ended(client: &mut Client) -> bool {
    client.stream.set_nonblocking(true).unwrap();
    let received = client.stream.read(&mut [0; 16]);
    client.stream.set_nonblocking(false).unwrap();
    match received {
        Ok(len) => len == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

fn unavailable(client: &mut Client) {
    let answer = client.answer();
    assert_eq!((answer.status, answer.says_close()), (503, true));
    assert_eq!(answer.field("retry-after"), Some("1"));
    client.expect_end();
}

#[test]
fn a_request_in_pieces_outgrows_the_block_it_began_in() {
    let server = server(settings(|_| {}));
    for len in [0, 300, 700, 1_100, 5_000, 100_000] {
        let body = "b".repeat(len);
        let filler = "f".repeat(len.min(5_000));
        let request = format!(
            "POST /body HTTP/1.1\r\nHost: x\r\nFiller: {filler}\r\nContent-Length: {len}\r\n\r\n{body}"
        );
        for piece in [100, 769, 1_025] {
            let mut client = Client::to(&server);
            for part in request.as_bytes().chunks(piece) {
                client.send(part);
            }
            assert_eq!(client.answer().text(), body, "{len} in pieces of {piece}");
        }
    }
    finish(server);
}

#[test]
fn an_address_may_have_so_many_connections_and_others_have_theirs() {
    let server = server(settings(|settings| settings.connections_per_address_max = Some(2)));
    let mut first = Client::from("127.0.0.2", &server);
    let mut second = Client::from("127.0.0.2", &server);
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    for _ in 0..3 {
        Client::from("127.0.0.2", &server).expect_end();
    }
    let mut other = Client::from("127.0.0.3", &server);
    assert_eq!(other.get("/").text(), "127.0.0.3 127.0.0.3");
    assert_eq!(first.get("/").status, 200);
    first.finish_sending().expect_end();
    let mut next = Client::from("127.0.0.2", &server);
    assert_eq!(next.get("/").status, 200, "a place is free again");
    let total = finish(server);
    assert_eq!((closes(&total, "address_limit"), total.connections), (3, 7));
}

#[test]
fn beyond_its_limit_an_address_is_answered_503_if_newcomers_are_refused() {
    let server = server(settings(|settings| {
        settings.connections_per_address_max = Some(1);
        settings.connections_full = WhenFull::Refuse;
        settings.trusted_proxies = networks(&["127.0.0.9"]);
    }));
    let mut first = Client::from("127.0.0.2", &server);
    assert_eq!(first.get("/").status, 200);
    unavailable(&mut Client::from("127.0.0.2", &server));
    // Behind a trusted proxy are many clients.
    let mut proxies: Vec<_> = (0..5).map(|_| Client::from("127.0.0.9", &server)).collect();
    for proxy in &mut proxies {
        assert_eq!(proxy.get("/").status, 200);
    }
    let total = finish(server);
    assert_eq!((closes(&total, "address_limit"), total.statuses[4]), (1, 1));
}

#[test]
fn a_full_server_that_refuses_says_so_and_has_room_again_when_one_leaves() {
    let server = server(settings(|settings| {
        settings.connections_max = Some(2);
        settings.connections_soft_max = Some(3);
        settings.connections_full = WhenFull::Refuse;
    }));
    let (mut first, mut second) = (Client::to(&server), Client::to(&server));
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    for _ in 0..10 {
        let mut refused = Client::to(&server);
        unavailable(&mut refused);
    }
    first.finish_sending().expect_end();
    assert_eq!(Client::to(&server).get("/").status, 200);
    let total = finish(server);
    assert_eq!((closes(&total, "server_full"), total.statuses[4]), (10, 10));
}

#[test]
fn a_newcomer_ends_the_connection_that_has_been_idle_longest() {
    let server = server(settings(|settings| {
        settings.connections_max = Some(16);
        settings.connections_soft_max = Some(3);
    }));
    let mut oldest = Client::to(&server);
    assert_eq!(oldest.get("/").status, 200);
    let mut silent = Client::to(&server);
    let mut begun = Client::to(&server);
    begun.send("GET / HTTP/1.1\r\nHo");
    // Those that come meanwhile find nobody idle for long enough, and go.
    while !has_ended(&mut oldest) {
        assert!(!has_ended(&mut silent), "it came later");
        assert_eq!(Client::to(&server).get("/").status, 200);
    }
    while !has_ended(&mut silent) {
        // Below the limit nobody has to go.
        let mut others = [Client::to(&server), Client::to(&server)];
        for other in &mut others {
            assert_eq!(other.get("/").status, 200);
        }
    }
    assert_eq!(begun.send("st: a\r\n\r\n").answer().status, 200, "it was not idle");
    let total = finish(server);
    assert!(closes(&total, "made_room") >= 2, "{:?}", total.closes);
}

#[test]
fn a_full_table_has_room_again_once_somebody_was_idle_for_long_enough() {
    let server = server(settings(|settings| settings.connections_max = Some(1)));
    let mut first = Client::to(&server);
    assert_eq!(first.get("/").status, 200);
    let mut second = Client::to(&server);
    assert_eq!(second.get("/").status, 200);
    first.expect_end();
    let total = finish(server);
    assert_eq!(closes(&total, "made_room"), 1, "{:?}", total.closes);
    let full = total.events.iter().find(|(name, _)| *name == "table_full");
    assert!(full.is_some_and(|(_, count)| *count > 0), "{:?}", total.events);
}

/// A header of version 2 for an IPv4 source at 192.0.2.7, port 513.
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\x02\x01\x00\x50";

fn behind_proxies(change: impl FnOnce(&mut Settings)) -> Running {
    server(settings(|settings| {
        settings.proxy_protocol_from = networks(&["127.0.0.8/30"]);
        change(settings);
    }))
}

#[test]
fn the_source_in_a_proxys_header_is_the_peer() {
    let server = behind_proxies(|_| {});
    for (header, peer) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 513 80\r\n"[..], "192.0.2.7:513"),
        (b"PROXY TCP6 2001:db8::7 ::1 513 80\r\n", "[2001:db8::7]:513"),
        (V2, "192.0.2.7:513"),
    ] {
        let mut client = Client::from("127.0.0.9", &server);
        client.send([header, get("/peer").as_bytes(), get("/peer").as_bytes()].concat());
        assert_eq!((client.answer().text(), client.answer().text()), (peer, peer));
        assert_eq!(client.get("/peer").text(), peer);

        let mut bytewise = Client::from("127.0.0.11", &server);
        bytewise.send_bytewise(&[header, get("/peer").as_bytes()].concat());
        assert_eq!(bytewise.answer().text(), peer);
        bytewise.finish_sending().expect_end();
    }
    // Nothing is known of the source, or the proxy speaks for itself.
    let local = [&V2[..12], b"\x20\x00\x00\x03abc"].concat();
    for header in [&b"PROXY UNKNOWN\r\n"[..], &local] {
        let mut client = Client::from("127.0.0.8", &server);
        client.send([header, get("/").as_bytes()].concat());
        assert_eq!(client.answer().text(), "127.0.0.8 127.0.0.8");
    }
    assert_eq!(closes(&finish(server), "proxy_header"), 0);
}

#[test]
fn a_body_behind_a_header_is_whole() {
    let server = behind_proxies(|_| {});
    let body = http_client::pattern(300_000);
    let mut client = Client::from("127.0.0.9", &server);
    client.send([V2, &http_client::post("/body", "", &body)].concat());
    assert!(client.answer().body == body);
    finish(server);
}

#[test]
fn a_proxy_without_a_header_is_closed_without_a_word() {
    let server = behind_proxies(|_| {});
    for bytes in [get("/").as_bytes(), b"PROXY TCP4 192.0.2.7 10.0.0.1 0513 80\r\n", &[0; 600]] {
        let mut client = Client::from("127.0.0.9", &server);
        client.send(bytes).expect_end();
    }
    // Within a header, and before one, as a load balancer does to see whether we are there.
    Client::from("127.0.0.9", &server).send(&V2[..20]).finish_sending().expect_end();
    Client::from("127.0.0.9", &server).finish_sending().expect_end();
    let total = finish(server);
    assert_eq!((closes(&total, "proxy_header"), closes(&total, "peer_closed")), (4, 1));
    assert_eq!(total.statuses, [0; 5]);
}

#[test]
fn a_header_must_come_within_the_time_of_a_head() {
    let server = behind_proxies(|settings| settings.head_time = Duration::from_millis(100));
    Client::from("127.0.0.9", &server).send(&V2[..20]).expect_end();
    Client::from("127.0.0.9", &server).expect_end();
    let total = finish(server);
    assert_eq!((closes(&total, "proxy_header"), closes(&total, "nothing_received")), (1, 1));
}

#[test]
fn a_header_of_anybody_else_is_a_bad_request() {
    let server = behind_proxies(|_| {});
    for header in [&b"PROXY TCP4 192.0.2.7 10.0.0.1 513 80\r\n"[..], V2] {
        let mut client = Client::from("127.0.0.2", &server);
        let answer = client.send([header, get("/").as_bytes()].concat()).answer();
        assert_eq!((answer.status, answer.says_close()), (400, true));
        client.finish_sending().expect_end();
    }
    assert_eq!(closes(&finish(server), "refused"), 2);
}

#[test]
fn behind_a_proxy_the_source_is_what_counts_as_an_address() {
    for (full, status) in [(WhenFull::Pause, None), (WhenFull::Refuse, Some(503))] {
        let server = behind_proxies(|settings| {
            settings.connections_per_address_max = Some(1);
            settings.connections_full = full;
        });
        let from = |source: &str| {
            let mut client = Client::from("127.0.0.9", &server);
            let header = format!("PROXY TCP4 {source} 10.0.0.1 513 80\r\n");
            client.send(header + &get("/peer"));
            client
        };
        let mut first = from("192.0.2.1");
        assert_eq!(first.answer().status, 200);
        assert_eq!(from("192.0.2.2").answer().status, 200);
        let mut second = from("192.0.2.1");
        match status {
            Some(_) => unavailable(&mut second),
            None => second.expect_end(),
        }
        first.finish_sending().expect_end();
        assert_eq!(from("192.0.2.1").answer().status, 200);
        assert_eq!(closes(&finish(server), "address_limit"), 1);
    }
}

#[test]
fn only_trusted_proxies_say_for_whom_they_ask() {
    let ask = |server: &Running, from: &str, fields: &str| {
        let mut client = Client::from(from, server);
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        client.answer().text().to_owned()
    };
    let both = "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nForwarded: for=6.6.6.6, for=192.0.2.2\r\n\
                Accept: */*\r\nx-forwarded-for: 127.0.0.10\r\nFORWARDED: for=127.0.0.10\r\n";
    for (field, client) in [
        (ClientAddressField::XForwardedFor, "192.0.2.1"),
        (ClientAddressField::Forwarded, "192.0.2.2"),
    ] {
        let server = server(settings(|settings| {
            settings.trusted_proxies = networks(&["127.0.0.8/30"]);
            settings.client_address_field = field;
        }));
        assert_eq!(ask(&server, "127.0.0.9", both), format!("127.0.0.9 {client}"));
        assert_eq!(ask(&server, "127.0.0.2", both), "127.0.0.2 127.0.0.2");
        assert_eq!(ask(&server, "127.0.0.9", ""), "127.0.0.9 127.0.0.9");
        finish(server);
    }
    let server = server(Settings::default());
    assert_eq!(ask(&server, "127.0.0.9", both), "127.0.0.9 127.0.0.9", "by default nobody is");
    finish(server);
}

#[test]
fn a_proxy_may_speak_both_below_and_above() {
    let server = behind_proxies(|settings| settings.trusted_proxies = networks(&["192.0.2.0/24"]));
    let mut client = Client::from("127.0.0.9", &server);
    client.send(V2);
    client.stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ::7\r\n\r\n").unwrap();
    assert_eq!(client.answer().text(), "192.0.2.7 ::7");
    finish(server);
}
