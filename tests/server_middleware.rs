//! The ready-made hooks, each asked through real sockets as its clients ask.
//! Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use std::collections::HashSet;
use std::time::Duration;

use corelane::app::middleware::{
    BasicAuth, BearerAuth, BodyLimit, Cors, ErrorPages, RateLimit, RequestId, SecurityHeaders,
};
use corelane::{Hook, Method, Router, Running, Settings, Status};
use http_client::{Answer, Client, serve};

/// One route behind a hook.
fn behind<H: Hook + 'static>(make: fn() -> H) -> Running {
    serve(Settings::default(), move |_| {
        let router = Router::new().with(make()).get("/", |_, res| res.text("in"));
        router.put("/", |req, res| res.bytes(req.body()))
    })
}

/// GET with these fields.
fn asked(client: &mut Client, fields: &str) -> Answer {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).answer()
}

#[test]
fn a_request_keeps_its_id_or_is_given_one() {
    let server = behind(RequestId::new);
    let mut client = Client::to(&server);
    let answer = asked(&mut client, "X-Request-Id: a-B_9.z\r\n");
    assert_eq!(answer.field("x-request-id"), Some("a-B_9.z"));
    let long = "a".repeat(65);
    let mut given = HashSet::new();
    for sent in
        ["", "X-Request-Id: \r\n", "X-Request-Id: a b\r\n", &format!("X-Request-Id: {long}\r\n")]
    {
        let answer = asked(&mut client, sent);
        let id = answer.field("x-request-id").unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(given.insert(id.to_owned()), "{id} was given before");
    }
}

#[test]
fn security_headers_stand_on_answers_and_errors() {
    let server = behind(|| {
        let headers = SecurityHeaders::new().set("x-frame-options", None);
        headers.set("Content-Security-Policy", Some("default-src 'self'"))
    });
    let mut client = Client::to(&server);
    for path in ["/", "/nowhere"] {
        let answer = client.get(path);
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.field("content-security-policy"), Some("default-src 'self'"));
        assert_eq!(answer.field("x-frame-options"), None, "{path}");
    }
}

#[test]
fn basic_lets_on_who_has_name_and_password() {
    let server = behind(|| BasicAuth::new("the \"realm\"").user("Aladdin", "open sesame"));
    let mut client = Client::to(&server);
    for (sent, status) in [
        ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", 200),
        ("Authorization: bAsIc  QWxhZGRpbjpvcGVuIHNlc2FtZQ== \r\n", 200),
        ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==\r\n", 401),
        ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ\r\n", 401),
        ("Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", 401),
        ("Authorization: Basic\r\n", 401),
        ("Authorization: Basic \r\n", 401),
        ("Authorization: B\r\n", 401),
        ("", 401),
        // Which of them others on the way believe is not known.
        ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nAuthorization: Basic eA==\r\n", 401),
    ] {
        let answer = asked(&mut client, sent);
        assert_eq!(answer.status, status, "{sent}");
        let wanted = (status == 401).then_some("Basic realm=\"the realm\", charset=\"UTF-8\"");
        assert_eq!(answer.field("www-authenticate"), wanted, "{sent}");
    }
    assert_eq!(client.get("/nowhere").status, 401, "nor is it told what there is");
}

#[test]
fn bearer_lets_on_who_has_a_token() {
    let server = behind(|| BearerAuth::new("api").token("secret").token("").token("second"));
    let mut client = Client::to(&server);
    for (sent, status, challenge) in [
        ("Authorization: Bearer secret\r\n", 200, None),
        ("Authorization: Bearer second\r\n", 200, None),
        ("Authorization: Bearer secrets\r\n", 401, Some(", error=\"invalid_token\"")),
        ("Authorization: Bearer secre\r\n", 401, Some(", error=\"invalid_token\"")),
        ("Authorization: Bearer \r\n", 401, Some("")),
        ("", 401, Some("")),
    ] {
        let answer = asked(&mut client, sent);
        let challenge = challenge.map(|why| format!("Bearer realm=\"api\"{why}"));
        assert_eq!(answer.status, status, "{sent}");
        assert_eq!(answer.field("www-authenticate"), challenge.as_deref(), "{sent}");
    }
    let server = behind(|| BearerAuth::new("nobody").token(""));
    assert_eq!(asked(&mut Client::to(&server), "Authorization: Bearer \r\n").status, 401);
}

#[test]
fn cors_answers_preflights_before_the_routes_and_what_asks_for_credentials() {
    let server = serve(Settings::default(), |_| {
        let cors = Cors::origins(&["https://a.example", "https://b.example"]);
        let cors =
            cors.methods(&[Method::Get, Method::Put]).request_fields(&["X-A", "Authorization"]);
        let cors = cors.exposed(&["X-Left"]).max_age(600).credentials();
        let router = Router::new().with(cors).with(BearerAuth::new("api").token("secret"));
        router.get("/", |_, res| res.text("in"))
    });
    let mut client = Client::to(&server);
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\
                     Access-Control-Request-Method: PUT\r\n\r\n";
    let answer = client.send(preflight).answer();
    let told = |name: &str| answer.field(&format!("access-control-{name}"));
    assert_eq!((answer.status, answer.field("vary")), (204, Some("Origin")));
    assert_eq!(told("allow-origin"), Some("https://b.example"));
    assert_eq!(told("allow-methods"), Some("GET, PUT"));
    assert_eq!(told("allow-headers"), Some("X-A, Authorization"));
    assert_eq!((told("max-age"), told("allow-credentials")), (Some("600"), Some("true")));
    assert_eq!(told("expose-headers"), None);
    for origin in ["https://c.example", "https://a.example.c.example", "null", "HTTPS://A.EXAMPLE"]
    {
        let answer = client.send(preflight.replace("https://b.example", origin)).answer();
        assert_eq!(answer.status, 204, "{origin}");
        assert!(answer.fields.iter().all(|(name, _)| !name.starts_with("Access")), "{answer:?}");
    }
    let answer = asked(&mut client, "Origin: https://a.example\r\n");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://a.example"));
    let answer =
        asked(&mut client, "Origin: https://a.example\r\nAuthorization: Bearer secret\r\n");
    assert_eq!(answer.field("access-control-expose-headers"), Some("X-Left"));
    let answer = asked(&mut client, "Authorization: Bearer secret\r\n");
    assert_eq!((answer.status, answer.field("vary")), (200, Some("Origin")));
    let options = "OPTIONS / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n";
    let answer = client.send(options).answer();
    assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"), "it is no preflight");
}

#[test]
fn any_origin_may_read_what_has_no_credentials() {
    let server = behind(|| Cors::any_origin().credentials());
    let answer = asked(&mut Client::to(&server), "Origin: null\r\n");
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert_eq!(
        (answer.field("vary"), answer.field("access-control-allow-credentials")),
        (None, None)
    );
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let server = serve(Settings::default(), |worker| {
        let limit = RateLimit::new(worker, 3, Duration::from_secs(3 * 3_600));
        Router::new().with(limit).get("/", |_, res| res.text("in"))
    });
    let mut client = Client::from("127.0.0.2", &server);
    for left in ["r=2;", "r=1;", "r=0;"] {
        let answer = client.get("/");
        let told = answer.field("ratelimit").unwrap();
        assert!(answer.status == 200 && told.contains(left), "{told}");
        assert_eq!(answer.field("ratelimit-policy"), Some("\"default\";q=3;w=10800"));
    }
    for path in ["/", "/nowhere"] {
        let answer = client.get(path);
        assert_eq!(answer.status, 429);
        let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&seconds), "{seconds}");
    }
    assert_eq!(Client::from("127.0.0.2", &server).get("/").status, 429, "whatever connection");
    assert_eq!(Client::from("127.0.0.3", &server).get("/").status, 200);
}

#[test]
fn a_larger_body_is_413() {
    let server = behind(|| BodyLimit::bytes(4));
    let mut client = Client::to(&server);
    let put =
        |length: usize| format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(client.send(put(4) + "1234").answer().text(), "1234");
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(client.send([chunked, "5\r\n12345\r\n0\r\n\r\n"].concat()).answer().status, 413);
    let answer = client.send(put(5)).answer();
    assert_eq!((answer.status, answer.says_close()), (413, true), "its body never came");
}

#[test]
fn errors_have_pages_but_not_for_programs() {
    let server = serve(Settings::default(), |_| {
        let pages =
            ErrorPages::new().page(Status::NOT_FOUND, "<h1>lost</h1>").others("<h1>odd</h1>");
        Router::new().with(pages).get("/{id}/x", |req, res| {
            let id: u32 = req.param("id")?;
            res.text(format_args!("{id}"))
        })
    });
    let mut client = Client::to(&server);
    for (path, status, page) in
        [("/nowhere", 404, "<h1>lost</h1>"), ("/x/x", 400, "<h1>odd</h1>"), ("/7/x", 200, "7")]
    {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (status, page));
        let kind = if status == 200 { "text/plain" } else { "text/html" };
        assert!(answer.field("content-type").unwrap().starts_with(kind), "{path}");
    }
    let head = "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.send(head).answer_to_head().field("content-length"), Some("13"));
    let request = "GET /nowhere HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n";
    assert_eq!(client.send(request).answer().json()["error"]["status"], 404);
}
