//! What hooks hand to handlers, tokens, signed cookies, secrets from files, and times of promised
//! answers; through real sockets. Knows nothing below the public face.

#![cfg(feature = "jwt")]

#[path = "support/http_client.rs"]
mod http_client;

use std::time::Duration;

use corelane::app::Given;
use corelane::app::middleware::{BasicAuth, BearerAuth, JwtAuth, RequestId, Timeout};
use corelane::{
    Cookie, HandlerResult, Keys, Method, Next, Reply, Request, Response, Router, Settings, Sink,
    Status, Taken,
};
use http_client::{Answer, Client, get, serve};
use serde_json::json;

const SECRET: &str = "a secret that has at least 32 bytes";
const FAR: u64 = 99_999_999_999;

fn asked(client: &mut Client, fields: &str) -> Answer {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).answer()
}

#[test]
fn a_token_lets_on_and_tells_who_asks() {
    let keys = Keys::new(SECRET).unwrap();
    let of_server = keys.clone();
    let server = serve(Settings::default(), move |_| {
        let auth = JwtAuth::hs256(&of_server).audience("api");
        let claims = auth.claims();
        Router::new()
            .with(auth)
            .get("/", move |req, res| res.text(claims.of(req)?.subject().unwrap_or("nobody")))
    });
    let mut client = Client::to(&server);
    let bearer =
        |claims| format!("Authorization: Bearer {}\r\n", JwtAuth::token(&keys, &claims).unwrap());
    let good = bearer(json!({"sub": "alice", "aud": "api", "exp": FAR}));
    assert_eq!(asked(&mut client, &good).text(), "alice");
    let bob = bearer(json!({"sub": "bob", "aud": ["x", "api"], "exp": FAR}));
    assert_eq!(asked(&mut client, &bob.replace("Bearer", "bEARER")).text(), "bob");
    for (fields, challenge) in [
        (String::new(), "Bearer"),
        (good.repeat(2), "Bearer"),
        (bearer(json!({"sub": "x", "aud": "api", "exp": 1000})), "it has ended"),
        (bearer(json!({"sub": "x", "aud": "y", "exp": FAR})), "it is for somebody else"),
        (good.replace("Bearer ", "Bearer x"), "its signature is wrong"),
    ] {
        let answer = asked(&mut client, &fields);
        let found = answer.field("www-authenticate").unwrap_or_default();
        assert!(answer.status == 401 && found.contains(challenge), "{found}");
    }
}

struct Told(Given<String>);

impl Sink for Told {
    fn take(&mut self, _: &[u8]) -> Result<Taken, corelane::Error> {
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text(self.0.of(request)?.as_str())
    }
}

#[test]
fn what_is_given_for_one_request_is_no_others() {
    let server = serve(Settings::default(), |_| {
        let user = Given::<String>::new();
        let (giving, first, open) = (user.clone(), user.clone(), user.clone());
        Router::new().get("/open", move |req, res| res.text(open.of(req)?.as_str())).group(
            "/in",
            |group| {
                let give = move |req: &Request<'_>, _: &mut corelane::Fields<'_>| {
                    giving.give(req, req.header("x-user").unwrap_or("nobody").to_owned());
                    Ok(Next::Go)
                };
                let group = group.before("user", give);
                group.get("/a", move |req, res| res.text(first.of(req)?.as_str())).upload(
                    Method::Post,
                    "/late",
                    move |_| Ok(Told(user.clone())),
                )
            },
        )
    });
    let mut client = Client::to(&server);
    let request = |user: &str| format!("GET /in/a HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n");
    assert_eq!(client.send(request("alice")).answer().text(), "alice");
    assert_eq!(client.send(request("bob")).answer().text(), "bob");
    assert_eq!(client.get("/open").status, 500, "no hook stands before it");
    // While a body arrives, others are asked: its own is gone then, and never another's.
    let mut slow = Client::to(&server);
    slow.send("POST /in/late HTTP/1.1\r\nHost: a\r\nX-User: carol\r\nContent-Length: 2\r\n\r\nx");
    assert_eq!(client.send(request("dave")).answer().text(), "dave");
    let answer = slow.send("x").answer();
    assert!(answer.status == 500 || answer.text() == "carol", "{}", answer.text());
}

#[test]
fn a_request_id_is_told_to_handlers() {
    let server = serve(Settings::default(), |_| {
        let id = Given::new();
        let hook = RequestId::new().tell(&id);
        Router::new().with(hook).get("/", move |req, res| res.text(id.of(req)?.as_str()))
    });
    let mut client = Client::to(&server);
    assert_eq!(asked(&mut client, "X-Request-Id: a-1\r\n").text(), "a-1");
    let answer = client.get("/");
    assert_eq!(answer.field("x-request-id"), Some(answer.text()));
}

#[test]
fn a_signed_cookie_is_read_as_it_was_set_and_under_its_name_alone() {
    let server = serve(Settings::default(), |_| {
        let old = Keys::new("an old secret that is 32 bytes..").unwrap();
        let keys = Keys::new(SECRET).unwrap().or("an old secret that is 32 bytes..").unwrap();
        let signing = keys.clone();
        Router::new()
            .get("/", move |req, res| res.text(keys.cookie(req, "user").unwrap_or("nobody")))
            .get("/set", move |_, res| {
                let cookie = |value| Cookie::new("user", value);
                let new = signing.sign_cookie(cookie("4.2"));
                res.cookie(&new).header("X-Old", old.sign_cookie(cookie("7")).value()).empty()
            })
    });
    let mut client = Client::to(&server);
    let answer = client.get("/set");
    let line = answer.field("set-cookie").unwrap().to_owned();
    let signed = line.split(';').next().unwrap().strip_prefix("user=").unwrap();
    let old = answer.field("x-old").unwrap();
    for (cookies, read) in [
        (format!("user={signed}"), "4.2"),
        (format!("user=forged; user={signed}"), "4.2"),
        (format!("user={old}"), "7"),
        (format!("other={signed}"), "nobody"),
        (format!("user={}", signed.replacen('4', "5", 1)), "nobody"),
        ("user=4.2".to_owned(), "nobody"),
        ("user=".to_owned(), "nobody"),
    ] {
        let answer = asked(&mut client, &format!("Cookie: {cookies}\r\n"));
        assert_eq!(answer.text(), read, "{cookies}");
    }
}

#[test]
fn names_and_tokens_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, "\nAladdin:open sesame\n\nb:c:d\n").unwrap();
    let path = file.clone();
    let server = serve(Settings::default(), move |_| {
        let auth = BasicAuth::new("r").users_in(&path).unwrap();
        Router::new().with(auth).get("/", |_, res| res.text("in"))
    });
    let mut client = Client::to(&server);
    for (sent, status) in
        [("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", 200), ("YjpjOmQ=", 200), ("YjpjOmU=", 401)]
    {
        assert_eq!(asked(&mut client, &format!("Authorization: Basic {sent}\r\n")).status, status);
    }
    std::fs::write(&file, "a:b\nnobody\n").unwrap();
    let fault = BasicAuth::new("r").users_in(&file).unwrap_err().to_string();
    assert!(fault.contains("secrets:2: a name"), "{fault}");
    assert!(BearerAuth::new("r").tokens_in(folder.path()).is_err());
    assert!(BearerAuth::new("r").token_in_env("CORELANE_NO_SUCH_VARIABLE").is_err());
    let server = serve(Settings::default(), move |_| {
        let auth = BearerAuth::new("r").tokens_in(&file).unwrap();
        Router::new().with(auth).get("/", |_, res| res.text("in"))
    });
    assert_eq!(asked(&mut Client::to(&server), "Authorization: Bearer nobody\r\n").status, 200);
}

/// The setting is 30 s: a test that waits for it fails by its patience alone.
#[test]
fn promises_that_are_not_kept_in_time_answer_504_by_the_shortest_time() {
    let server = serve(Settings::default(), |_| {
        let keep = |later| std::mem::forget::<corelane::Later>(later);
        Router::new()
            .with(Timeout::after(Duration::from_secs(3600)))
            .get("/open", |_, res| res.later(|later| later.answer(Reply::text("kept"))))
            .group("/short", |group| {
                let group = group.with(Timeout::after(Duration::from_millis(20)));
                group
                    .get("/", move |_, res| res.later(keep))
                    .get("/own", move |_, res| res.later_within(Duration::from_secs(600), keep))
                    .get("/at-once", |_, res| res.status(Status::CREATED).text("now"))
            })
    });
    let mut client = Client::to(&server);
    assert_eq!(client.get("/open").text(), "kept");
    assert_eq!(client.get("/short").status, 504);
    assert_eq!(client.get("/short/own").status, 504);
    assert_eq!(client.get("/short/at-once").status, 201);
    client.send([get("/short"), get("/open")].concat());
    assert_eq!(client.answer().status, 504);
    assert_eq!(client.answer().text(), "kept");
}
