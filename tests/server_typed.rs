//! Bodies, forms, queries and cookies as types, and what is said of those that do not fit.
//! Knows nothing below the public face.

#![cfg(feature = "json")]

#[path = "support/http_client.rs"]
mod http_client;

use std::time::Duration;

use corelane::{Cookie, Router, Running, SameSite, Settings};
use http_client::{Answer, Client, serve};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    name: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    count: u32,
}

#[derive(Deserialize)]
struct Page {
    page: u32,
    size: Option<u8>,
}

fn server() -> Running {
    serve(Settings::default(), |_| {
        Router::new()
            .post("/json", |req, res| {
                let order: Order = req.json()?;
                let count: u32 = order.items.iter().map(|item| item.count).sum();
                res.text(format_args!("{} {count}", order.name))
            })
            .post("/any", |req, res| {
                req.json::<serde_json::Value>()?;
                res.text("")
            })
            .post("/form", |req, res| {
                let Page { page, size } = req.form_as()?;
                res.text(format_args!("{page} {size:?}"))
            })
            .get("/query", |req, res| {
                let Page { page, size } = req.query_as()?;
                res.text(format_args!("{page} {size:?}"))
            })
            .get("/accept", |req, res| res.text(req.accepts(&["application/json", "text/html"])?))
            .get("/cookie", |req, res| {
                let all: Vec<_> =
                    req.cookies().map(|(name, value)| [name, value].join("=")).collect();
                res.text(format!("{:?} {}", req.cookie("a"), all.join("|")))
            })
            .get("/set", |_, res| {
                let first = Cookie::new("__Host-a", "1").secure().same_site(SameSite::Strict);
                let second = Cookie::new("b", "2").max_age(Duration::from_secs(60));
                res.cookie(&first).cookie(&second).cookie(&Cookie::removal("c")).empty()
            })
            .get("/broken", |_, res| res.cookie(&Cookie::new("a", "1; Domain=x")).text(""))
    })
}

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.text())
}

#[test]
fn json_that_is_none_and_json_that_does_not_fit_are_told_apart_and_named() {
    let server = server();
    let mut client = Client::to(&server);
    let fits = r#"{"name": "x", "items": [{"count": 1}, {"count": 2}]}"#;
    assert_eq!(told(&client.post("/json", JSON, fits)), (200, "x 3"));
    let typed = "Content-Type: Application/Problem+JSON; charset=utf-8\r\n";
    assert_eq!(told(&client.post("/json", typed, fits)), (200, "x 3"));
    for (body, status, parts) in [
        ("{\"name\": \"x\",\n \"items\" 1}", 400, ["line 2 column 10", "expected `:`"]),
        ("", 400, ["line 1 column 0", "EOF"]),
        (r#"{"name": "x", "items": []} x"#, 400, ["line 1 column 28", "trailing"]),
        (
            r#"{"name": "x", "items": [{"count": 1}, {"count": -2}]}"#,
            422,
            ["`items[1].count`", "-2"],
        ),
        (r#"{"name": 1, "items": []}"#, 422, ["`name`", "a string"]),
        (r#"{"items": []}"#, 422, ["does not fit", "missing field `name`"]),
        (r#"{"name": "x", "items": [{}]}"#, 422, ["`items[0]`", "missing field `count`"]),
    ] {
        let answer = client.post("/json", JSON, body);
        let (found, text) = told(&answer);
        assert!(found == status && parts.iter().all(|part| text.contains(part)), "{found} {text}");
    }
    for fields in ["", "Content-Type: text/plain\r\n", "Content-Type: application/jsonx\r\n"] {
        assert_eq!(client.post("/json", fields, fits).status, 415, "{fields}");
    }
    let answer = client.post("/json", &format!("{JSON}Accept: application/json\r\n"), "{");
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (400, &400.into()));
}

#[test]
fn json_of_10_000_levels_is_refused_and_a_message_has_a_bound() {
    let server = server();
    let mut client = Client::to(&server);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = [open.repeat(10_000), "1".to_owned(), close.repeat(10_000)].concat();
        for path in ["/any", "/json"] {
            let answer = client.post(path, JSON, &deep);
            assert!([400, 422].contains(&answer.status), "{path}: {}", answer.text());
        }
        let answer = client.post("/any", JSON, &deep);
        assert!(answer.status == 400 && answer.text().contains("recursion limit"));
    }
    let long = format!("{{\"name\": \"x\", \"items\": \"{}\"}}", "ä".repeat(100_000));
    let answer = client.post("/json", JSON, long);
    assert!(answer.status == 422 && answer.text().len() < 600, "{}", answer.text().len());
}

#[test]
fn forms_and_queries_that_do_not_fit_name_the_field() {
    let server = server();
    let mut client = Client::to(&server);
    assert_eq!(told(&client.post("/form", FORM, "page=1&size=2&x=%20")), (200, "1 Some(2)"));
    assert_eq!(client.post("/form", JSON, "page=1").status, 415);
    assert_eq!(told(&client.get("/query?page=7")), (200, "7 None"));
    for (pairs, parts) in [
        ("page=1&size=256", ["`size`", "too large"]),
        ("page=x", ["`page`", "invalid digit"]),
        ("", ["missing field `page`", "does not fit"]),
    ] {
        for answer in [client.post("/form", FORM, pairs), client.get(&format!("/query?{pairs}"))] {
            let (status, text) = told(&answer);
            assert!(status == 422 && parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}

#[test]
fn the_client_has_the_type_it_likes_best() {
    let server = server();
    let mut client = Client::to(&server);
    for (fields, status, chosen) in [
        ("", 200, "application/json"),
        ("Accept: text/html\r\n", 200, "text/html"),
        ("Accept: text/html;q=0.5\r\nAccept: application/*;q=0.6\r\n", 200, "application/json"),
        (
            "Accept: image/png\r\n",
            406,
            "406 Not Acceptable\nthere is application/json, text/html\n",
        ),
    ] {
        let answer =
            client.send(format!("GET /accept HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).answer();
        assert_eq!(told(&answer), (status, chosen), "{fields}");
    }
}

#[test]
fn cookies_are_read_from_every_field_and_the_first_of_a_name_wins() {
    let server = server();
    let mut client = Client::to(&server);
    for (fields, read) in [
        ("", "None "),
        ("Cookie: b=1; a=2; a=3\r\n", "Some(\"2\") b=1|a=2|a=3"),
        ("Cookie: A=1\r\nX: 1\r\ncookie: a=\"x y\"; \r\n", "Some(\"x y\") A=1|a=x y"),
        ("Cookie: a=\u{e4}; b=\r\n", "Some(\"\u{e4}\") a=\u{e4}|b="),
        ("Cookie: nothing;=;;\r\n", "None "),
    ] {
        let answer =
            client.send(format!("GET /cookie HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).answer();
        assert_eq!(told(&answer), (200, read), "{fields}");
    }
    let request = [b"GET /cookie HTTP/1.1\r\nHost: a\r\nCookie: a=\xff; b=1\r\n\r\n".as_slice()];
    assert_eq!(told(&client.send(request.concat()).answer()), (200, "None b=1"));
}

#[test]
fn cookies_are_set_each_in_a_field_of_its_own() {
    let server = server();
    let mut client = Client::to(&server);
    let answer = client.get("/set");
    let set: Vec<_> = answer.fields.iter().filter(|(name, _)| name == "Set-Cookie").collect();
    let lines: Vec<_> = set.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        lines,
        [
            "__Host-a=1; Path=/; SameSite=Strict; Secure; HttpOnly",
            "b=2; Path=/; Max-Age=60; SameSite=Lax; HttpOnly",
            "c=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly",
        ]
    );
    let answer = client.get("/broken");
    assert_eq!((answer.status, answer.field("set-cookie")), (500, None));
}
