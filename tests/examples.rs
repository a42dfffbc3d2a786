//! The examples as their readers run them: started, asked, and ended with Ctrl-C.
//! Knows nothing of their code.

#![cfg(feature = "json")]
#![allow(unsafe_code, reason = "sends signals to the processes it started")]

#[path = "support/http_client.rs"]
mod http_client;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

use http_client::{Client, PATIENCE, chunked, get};
use serde_json::json;

/// An example while it runs; ended with the test.
struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    /// Starts it on a port of `host`, which is this test's own: nobody is given the port while
    /// the example does not listen yet.
    fn start(name: &str, host: &str) -> Example {
        Example::start_with(name, host, &[])
    }

    /// As [`Example::start`], with words behind the address.
    fn start_with(name: &str, host: &str, words: &[&str]) -> Example {
        let address = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let mut command = Command::new(executable(name));
        command.env("AUTH_SECRET", "a secret that has at least 32 bytes");
        let child = command.arg(address.to_string()).args(words).spawn().expect("it can be run");
        let mut example = Example { child, address };
        example.wait_until_it_listens();
        example
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(start.elapsed() < PATIENCE, "it does not listen");
            std::thread::yield_now();
        }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the id is our child's: it was not waited for, so nobody else has it.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has Cargo bring the example up to date, where and how it built this test: after a whole
/// `cargo test` there is nothing left to build, after `cargo test --test examples` there is.
fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).expect("target, profile and deps stand above it");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "test",
        Some(profile) => profile,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name, "--profile", profile, "--target-dir"]);
    // Cargo sets for a test what the build script told it; to see it changed builds all anew.
    cargo.env_remove("CORELANE_COMMIT");
    let built = cargo.arg(folder.parent().unwrap()).status().expect("Cargo can be run");
    assert!(built.success(), "`cargo build --example {name}` failed");
    folder.join("examples").join(name)
}

#[test]
fn hello_greets_knows_users_echoes_and_counts() {
    let example = Example::start("hello", "127.0.78.1");
    let mut client = example.connect();
    assert_eq!(client.get("/").text(), "Hello, World!");
    assert_eq!(client.get("/users/42").json(), json!({"id": 42}));
    assert_eq!(client.get("/users/me").status, 400);
    assert_eq!(client.post("/echo", "", "again").text(), "again");
    for hits in 1..=3 {
        assert_eq!(client.get("/hits").text(), hits.to_string());
    }
    assert_eq!(client.get("/nowhere").status, 404);
    drop(client);
    example.interrupt();
}

#[test]
fn arena_answers_as_its_rules_demand() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("dataset.json");
    let item = |id: u32| {
        json!({
            "id": id, "name": "a \"b\"", "category": "c", "price": 10 + id, "quantity": 3,
            "active": id == 1, "tags": ["x", "y"], "rating": {"score": 4, "count": 5},
        })
    };
    std::fs::write(&dataset, json!([item(1), item(2)]).to_string()).unwrap();
    let files = folder.path().join("static");
    std::fs::create_dir(&files).unwrap();
    for (name, content) in [("app.js", "the script"), ("app.js.br", "brotli"), ("a.webp", "image")]
    {
        std::fs::write(files.join(name), content).unwrap();
    }
    let words = [dataset.to_str().unwrap(), files.to_str().unwrap()];
    let example = Example::start_with("arena", "127.0.78.6", &words);
    let mut client = example.connect();
    for (name, kind, coding, body) in [
        ("app.js", "text/javascript; charset=utf-8", Some("br"), "brotli"),
        ("a.webp", "image/webp", None, "image"),
    ] {
        client.send(format!(
            "GET /static/{name} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br;q=1, gzip;q=0.8\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, body));
        assert_eq!(
            (answer.field("content-type"), answer.field("content-encoding")),
            (Some(kind), coding)
        );
    }
    assert_eq!(client.get("/static/nothing.js").status, 404);
    assert_eq!(client.get("/baseline11?a=13&b=42").text(), "55");
    assert_eq!(client.post("/baseline11?a=13&b=-42", "", "20").text(), "-9");
    let chunked = "POST /baseline11?a=13&b=42 HTTP/1.1\r\nHost: a\r\n\
                   Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n1\r\n0\r\n0\r\n\r\n";
    assert_eq!(client.send(chunked).answer().text(), "75");
    assert_eq!(client.get("/baseline11?a=x").status, 400);
    let answer = client.get("/pipeline");
    let kind = answer.field("content-type").unwrap_or_default();
    assert!(answer.text() == "ok" && kind.starts_with("text/plain"), "{kind}");
    let mut first = item(1);
    first["total"] = (11 * 3 * 7).into();
    assert_eq!(client.get("/json/1?m=7").json(), json!({"items": [first], "count": 1}));
    let all = client.get("/json/50").json();
    assert_eq!((&all["count"], &all["items"][1]["total"]), (&json!(2), &json!(36)));
    assert_eq!(client.post("/upload", "", "x".repeat(3_000_000)).text(), "3000000");
    drop(client);
    example.interrupt();
}

#[test]
fn static_site_serves_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("assets")).unwrap();
    for (name, content) in [
        ("index.html", "home"),
        ("404.html", "lost"),
        ("app.js", "plain"),
        ("app.js.br", "brotli"),
        ("assets/film.webm", "0123456789"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let words = [folder.path().to_str().unwrap()];
    let example = Example::start_with("static_site", "127.0.78.7", &words);
    let mut client = example.connect();
    let (daily, ever) = (Some("no-cache"), Some("max-age=31536000, immutable"));
    for (target, fields, status, body, cached) in [
        ("/", "", 200, "home", daily),
        ("/app.js", "", 200, "plain", daily),
        ("/app.js", "Accept-Encoding: br\r\n", 200, "brotli", daily),
        ("/assets/film.webm", "Range: bytes=4-\r\n", 206, "456789", ever),
        ("/app/some/view", "", 200, "home", daily),
        ("/app/app.js", "", 200, "plain", daily),
        ("/nothing", "", 404, "lost", None),
        ("/../etc/passwd", "", 404, "lost", None),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (status, body), "{target}");
        assert_eq!(answer.field("cache-control"), cached, "{target}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{target}");
    }
    assert!(client.get("/assets/").text().contains("film.webm"));
    assert!(client.get("/api/time").json().is_u64());
    drop(client);
    example.interrupt();
}

#[test]
fn state_is_each_workers_own() {
    let example = Example::start("state", "127.0.78.2");
    let workers = example.connect().get("/worker").json()["of"].as_u64().unwrap();
    let mut counted = std::collections::BTreeMap::new();
    // Workers start one after the other, and the kernel spreads connections over those there are.
    for connections in 0.. {
        if connections >= 64 && counted.len() as u64 == workers {
            break;
        }
        assert!(connections < 10_000, "{counted:?} of {workers} workers");
        let mut client = example.connect();
        for (limit, primes) in [(0, 0), (1, 0), (2, 1), (100, 25), (1_000_000, 78_498)] {
            assert_eq!(client.get(&format!("/primes/{limit}")).text(), format!("{primes}\n"));
        }
        // A connection stays with its worker.
        let report = client.send([get("/worker"), get("/worker")].concat()).answer().json();
        assert_eq!(client.answer().json(), report);
        assert_eq!(report["counted"], 5, "each worker works each of them out once");
        let worker = report["worker"].as_u64().unwrap();
        let asked = counted.entry(worker).or_insert(0_u64);
        *asked += 5;
        assert_eq!(report["found"], *asked - 5);
    }
    let mut client = example.connect();
    assert_eq!(client.get("/primes/10000001").status, 400);
    assert_eq!(client.get("/primes/many").status, 400);
    drop(client);
    example.interrupt();
}

#[test]
fn stream_counts_what_arrives_and_makes_what_it_sends() {
    let example = Example::start("stream", "127.0.78.3");
    let mut client = example.connect();
    let lines = (1..=100_000).map(|n| n.to_string() + "\n").collect::<Vec<_>>().concat();
    let head = "PUT /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head).send(chunked(lines.as_bytes(), 5_000));
    assert_eq!(client.answer().text(), format!("{} bytes, 100000 lines\n", lines.len()));
    let (answer, end) = client.send(get("/numbers/100000")).chunked_answer();
    assert!(answer.text() == lines && end.is_some());
    let (none, end) = client.send(get("/numbers/0")).chunked_answer();
    assert_eq!((none.text(), end), ("", Some(())));
    drop(client);
    example.interrupt();
}

#[test]
fn conformance_answers_conditions_fields_and_cookies() {
    let example = Example::start("conformance", "127.0.78.4");
    let mut client = example.connect();
    let whole = client.get("/");
    let (etag, modified) = (whole.field("etag").unwrap(), whole.field("last-modified").unwrap());
    assert_eq!((whole.status, whole.text()), (200, "corelane speaks HTTP/1.1\n"));
    let mut asked = |conditions: String| {
        let answer =
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{conditions}\r\n\r\n")).answer();
        assert_eq!(answer.field("etag"), Some(etag), "{conditions}");
        answer.status
    };
    for (conditions, status) in [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        (format!("If-None-Match: \"other\", {etag}"), 304),
        (format!("If-None-Match: \"other\"\r\nIf-None-Match: {etag}"), 304),
        ("If-None-Match: *".to_owned(), 304),
        ("If-None-Match: \"other\"".to_owned(), 200),
        (format!("If-None-Match: {}", etag.trim_matches('"')), 200),
        (format!("If-Modified-Since: {modified}"), 304),
        ("If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT".to_owned(), 200),
        ("If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT".to_owned(), 200),
        ("If-Modified-Since: yesterday".to_owned(), 200),
        (format!("If-Modified-Since: {modified}\r\nIf-Modified-Since: {modified}"), 200),
        // Of both, If-None-Match decides.
        (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {modified}"), 200),
    ] {
        assert_eq!(asked(conditions.clone()), status, "{conditions}");
    }
    client.send(format!("HEAD / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {etag}\r\n\r\n"));
    assert_eq!(client.answer_to_head().status, 304);
    let fields = "DELETE /echo HTTP/1.1\r\nHost: a\r\nx-A: \u{b5}\r\nX_A: y\r\nx-A:\r\n\r\n";
    let echoed = client.send(fields).answer();
    assert_eq!(echoed.text(), "Host: a\nx-A: \u{b5}\nx-A: \n");
    let cookies =
        "GET /cookie HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=x=y;c; d=\r\nCookie: e=2\r\n\r\n";
    assert_eq!(client.send(cookies).answer().text(), "a=1\nb=x=y\nd=\ne=2\n");
    assert_eq!(client.post("/", "", "again").text(), "again");
    drop(client);
    example.interrupt();
}

#[test]
fn later_sleeps_beside_its_workers_and_tells_those_who_wait() {
    let example = Example::start("later", "127.0.78.4");
    let mut sleepers: Vec<Client> = (0..4).map(|_| example.connect()).collect();
    for sleeper in &mut sleepers {
        sleeper.send(get("/sleep/20"));
    }
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.answer().text(), "slept 20 ms\n");
    }
    let mut waiting = example.connect();
    waiting.send(get("/next"));
    let mut teller = example.connect();
    while teller.post("/next", "", "hello").text() != "told 1\n" {}
    assert_eq!(waiting.answer().text(), "hello");
    drop((sleepers, waiting, teller));
    example.interrupt();
}

#[test]
fn json_api_keeps_notes_and_says_what_does_not_fit() {
    let example = Example::start("json_api", "127.0.78.8");
    let mut client = example.connect();
    let json = "Content-Type: application/json\r\n";
    let made = client.post("/notes", json, r#"{"text": "buy milk", "tags": ["home"]}"#);
    let note = json!({"id": 1, "text": "buy milk", "tags": ["home"]});
    assert_eq!((made.status, made.field("location")), (201, Some("/notes/1")));
    assert_eq!(made.json(), note);
    assert_eq!(client.get("/notes/1").json(), note);
    assert_eq!(client.get("/notes?limit=1").json(), json!([note]));
    let wrong = client.post("/notes", json, r#"{"text": "x", "tags": [1]}"#);
    assert!(wrong.status == 422 && wrong.text().contains("`tags[0]`"), "{}", wrong.text());
    assert_eq!(client.get("/notes?limit=x").status, 422);
    assert_eq!(client.send("DELETE /notes/1 HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 204);
    assert_eq!(client.get("/notes/1").status, 404);
    drop(client);
    example.interrupt();
}

#[test]
fn upload_keeps_files_of_forms() {
    let folder = tempfile::tempdir().unwrap();
    let words = [folder.path().to_str().unwrap()];
    let example = Example::start_with("upload", "127.0.78.9", &words);
    let mut client = example.connect();
    assert!(client.get("/").text().contains("multipart/form-data"));
    for file in ["small".to_owned(), "x".repeat(200_000)] {
        let head = "--b\r\nContent-Disposition: form-data; name=";
        let body = format!(
            "{head}title\r\n\r\nmine\r\n{head}file; filename=\"../a\"\r\n\r\n{file}\r\n--b--"
        );
        let kind = "Content-Type: multipart/form-data; boundary=b\r\n";
        let answer = client.post("/", kind, body);
        assert_eq!(answer.text(), format!("mine: \"../a\", {} bytes\n", file.len()));
        let mut files = std::fs::read_dir(folder.path()).unwrap();
        let path = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none() && std::fs::read_to_string(&path).unwrap() == file);
        std::fs::remove_file(path).unwrap();
    }
    drop(client);
    example.interrupt();
}

#[test]
fn sse_clock_tells_seconds_and_those_that_were_missed() {
    let example = Example::start("sse_clock", "127.0.78.10");
    assert!(example.connect().get("/").text().contains("EventSource"));
    let ask = |id: &str, events: usize| {
        let mut client = example.connect();
        // HTTP/1.0 has it without chunks.
        client.send(format!("GET /clock HTTP/1.0\r\nLast-Event-ID: {id}\r\n\r\n"));
        let mut bytes = Vec::new();
        while bytes.windows(7).filter(|part| part == b"\ndata: ").count() < events {
            bytes.extend(client.read_slowly(1));
        }
        let text = String::from_utf8(bytes).unwrap();
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok());
        ids.collect::<Vec<u64>>()
    };
    let seconds = ask("", 2);
    assert_eq!(seconds[1], seconds[0] + 1);
    let first = seconds[0];
    let missed = ask(&(first - 10).to_string(), 10);
    assert_eq!(missed, (first - 9..=first).collect::<Vec<_>>());
    example.interrupt();
}

#[test]
fn auth_knows_who_asks_by_a_cookie_and_by_a_token() {
    let example = Example::start("auth", "127.0.78.11");
    let mut client = example.connect();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(client.post("/login", form, "name=alice&password=x").status, 401);
    assert_eq!(client.get("/").status, 401);
    assert_eq!(client.get("/api/me").status, 401);
    let welcome = client.post("/login", form, "name=alice&password=wonderland");
    let line = welcome.field("set-cookie").unwrap();
    let cookie = line.split(';').next().unwrap().to_owned();
    let mut ask = |path: &str, fields: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).answer()
    };
    assert_eq!(ask("/", &format!("Cookie: {cookie}\r\n")).text(), "hello alice\n");
    assert_eq!(ask("/", &format!("Cookie: {}\r\n", cookie.replace("alice", "bob"))).status, 401);
    let token = ask("/token", &format!("Cookie: {cookie}\r\n"));
    let bearer = format!("Authorization: Bearer {}\r\n", token.text());
    assert_eq!(ask("/api/me", &bearer).json()["sub"], "alice");
    assert!(ask("/logout", "").field("set-cookie").unwrap().contains("Max-Age=0"));
    drop(client);
    example.interrupt();
}
