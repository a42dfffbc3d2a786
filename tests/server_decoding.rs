//! Encoded bodies of requests over real sockets: decoded where a route asks, within its bounds,
//! and refused elsewhere. Knows nothing of how they are decoded.

#![cfg(feature = "gzip")]

#[path = "support/http_client.rs"]
mod http_client;

use std::io::Write;

use corelane::app::middleware::DecodeBody;
use corelane::{
    Error, HandlerResult, Method, Request, Response, Router, Running, Settings, Sink, Taken,
};
use http_client::{Answer, Client, pattern, post, serve};

struct Nothing;

impl Sink for Nothing {
    fn take(&mut self, _: &[u8]) -> Result<Taken, Error> {
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text("taken")
    }
}

fn server() -> Running {
    serve(Settings::default(), |_| {
        Router::new()
            .post("/raw", |req, res| res.bytes(req.body()))
            .post("/text", |req, res| res.text(req.body_text()?))
            .post("/form", |req, res| res.text(format!("{:?}", req.form("a")?)))
            .group("/decoded", |router| {
                router
                    .with(DecodeBody::limit(1_000_000))
                    .post("/{as}", |req, res| match &*req.param_text("as")? {
                        "form" => res.text(format!("{:?}", req.form("a")?)),
                        _ => res.bytes(req.body()),
                    })
                    .upload(Method::Put, "/up", |_| Ok(Nothing))
            })
    })
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    brotli::BrotliCompress(&mut &*body, &mut encoded, &parameters).unwrap();
    encoded
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(body, 3).unwrap()
}

fn sent(target: &str, codings: &str, body: &[u8]) -> Answer {
    let fields = format!("Content-Encoding: {codings}\r\n");
    let server = server();
    Client::to(&server).post(target, &fields, body)
}

type Encode = fn(&[u8]) -> Vec<u8>;

fn encoders() -> Vec<(&'static str, Encode)> {
    let all: [(&str, Encode, bool); 3] = [
        ("gzip", gzip, true),
        ("br", brotli, cfg!(feature = "brotli")),
        ("zstd", zstd, cfg!(feature = "zstd")),
    ];
    all.into_iter().filter(|(.., is_built)| *is_built).map(|(name, by, _)| (name, by)).collect()
}

#[test]
fn a_route_that_asks_gets_what_was_encoded() {
    let body = pattern(300_000);
    let server = server();
    let mut client = Client::to(&server);
    for (name, encode) in encoders() {
        let fields = format!("Content-Encoding: {}\r\n", name.to_uppercase());
        let answer = client.post("/decoded/bytes", &fields, encode(&body));
        assert_eq!(answer.status, 200, "{name}: {:?}", answer.text());
        assert!(answer.body == body, "{name}");
    }
    // What is encoded twice would be beyond the ratio.
    let both = gzip(&gzip(&body[..60_000]));
    let answer = client.post("/decoded/bytes", "Content-Encoding: gzip, x-gzip\r\n", &both);
    assert!(answer.body == body[..60_000], "chained");
    let members = [gzip(&body[..1_000]), gzip(&body[1_000..])].concat();
    let answer = client.post("/decoded/bytes", "Content-Encoding: gzip\r\n", &members);
    assert!(answer.body == body, "two members");
    let form = "Content-Encoding: gzip\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(client.post("/decoded/form", form, gzip(b"a=b")).text(), "Some(\"b\")");
    for plain in ["", "Content-Encoding: identity\r\n"] {
        assert_eq!(client.post("/decoded/bytes", plain, "as it is").text(), "as it is");
    }
    assert_eq!(client.post("/decoded/bytes", "Content-Encoding: gzip\r\n", "").status, 200);
}

#[test]
fn bombs_are_refused_and_cost_no_more_than_their_bound() {
    let zeros = vec![0; 10 << 20];
    for (name, encode) in encoders() {
        let bomb = encode(&zeros);
        assert!(bomb.len() < 20_000);
        assert_eq!(sent("/decoded/bytes", name, &bomb).status, 413, "{name}");
        // Within the bound of bytes, above that of the ratio.
        let bomb = encode(&zeros[..900_000]);
        assert_eq!(sent("/decoded/bytes", name, &bomb).status, 413, "{name} by its ratio");
        let small = encode(&zeros[..60_000]);
        assert_eq!(sent("/decoded/bytes", name, &small).status, 200, "{name} is small");
    }
    let nested = gzip(&gzip(&zeros));
    assert_eq!(sent("/decoded/bytes", "gzip, gzip", &nested).status, 413);
}

#[test]
fn damage_is_a_bad_request() {
    for (name, encode) in encoders() {
        let whole = encode(&pattern(5_000));
        for cut in [1, 5, whole.len() / 2, whole.len() - 1] {
            assert_eq!(sent("/decoded/bytes", name, &whole[..cut]).status, 400, "{name} {cut}");
        }
        assert_eq!(sent("/decoded/bytes", name, b"not encoded at all").status, 400, "{name}");
    }
    let mut flipped = gzip(&pattern(5_000));
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    assert_eq!(sent("/decoded/bytes", "gzip", &flipped).status, 400);
    let members = gzip(b"").repeat(100);
    assert_eq!(sent("/decoded/bytes", "gzip", &members).status, 400, "too many members");
    let trailing = [gzip(b"a"), b"and more".to_vec()].concat();
    assert_eq!(sent("/decoded/bytes", "gzip", &trailing).status, 400);
}

#[test]
fn other_codings_are_refused_with_those_that_may_be_sent() {
    for codings in ["compress", "gzip, deflate", "gzip, gzip, gzip", "x"] {
        let answer = sent("/decoded/bytes", codings, b"x");
        assert_eq!(answer.status, 415, "{codings}");
        assert!(answer.field("accept-encoding").unwrap().contains("gzip"));
    }
    let server = server();
    let mut client = Client::to(&server);
    let put = post("/decoded/up", "Content-Encoding: gzip\r\n", &gzip(b"a"));
    let put = [b"PUT", &put[4..]].concat();
    assert_eq!(client.send(put).answer().status, 415, "nobody decodes for a sink");
}

#[test]
fn where_nobody_asks_encoded_bodies_are_not_read_as_if_they_were_plain() {
    let encoded = gzip(b"a=b");
    let form = "gzip\r\nContent-Type: application/x-www-form-urlencoded";
    for (target, codings) in [("/text", "gzip"), ("/form", form)] {
        let answer = sent(target, codings, &encoded);
        assert_eq!((answer.status, answer.field("accept-encoding")), (415, Some("identity")));
    }
    assert_eq!(sent("/raw", "gzip", &encoded).body, encoded, "bytes are bytes");
    assert_eq!(sent("/text", "identity", b"plain").text(), "plain");
}
