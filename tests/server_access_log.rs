//! The access log over real sockets: which answers have a line, what it says, and what becomes of
//! requests and lines when the file takes none. Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use corelane::report::WorkerRow;
use corelane::{
    AccessLogFormat, Error, Method, Piece, Pull, Reply, Request, Response, Router, Running,
    Settings, Status, WhenFull,
};
use http_client::{Client, chunked, get, pattern, post, serve, settings};
use serde_json::{Value, json};

const LARGE: usize = 10 << 20;

/// A server with an access log in a folder of its own.
struct Logged {
    server: Running,
    folder: tempfile::TempDir,
}

impl Logged {
    fn start(change: impl FnOnce(&mut Settings)) -> Logged {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(|settings| {
            settings.access_log = Some(folder.path().join("log"));
            settings.access_log_format = AccessLogFormat::Json;
            change(settings);
        });
        Logged { server: serve(settings, |_| application()), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn client(&self) -> Client {
        Client::to(&self.server)
    }

    /// Waits until no connection is open.
    fn await_nobody(&self) {
        while self.server.status().connections() > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops the server. Returns what it counted and the text of its log.
    fn end(self) -> (WorkerRow, String) {
        let path = self.path();
        let total = finish(self.server);
        (total, fs::read_to_string(path).unwrap())
    }

    /// As [`Logged::end`]; every answer must have a line.
    fn lines(self) -> Vec<Value> {
        let (total, text) = self.end();
        let lines: Vec<Value> = parse(&text);
        let answers: u64 = total.statuses.iter().sum();
        let unfinished = lines.iter().filter(|line| line["cut"] == true).count() as u64;
        assert!(lines.len() as u64 >= answers && lines.len() as u64 <= answers + unfinished);
        assert_eq!(counts(&total), [lines.len() as u64, 0, 0]);
        lines
    }
}

fn finish(server: Running) -> WorkerRow {
    server.stop();
    server.wait().unwrap().report().total().clone()
}

fn parse(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Lines that were written, dropped and could not be written.
fn counts(total: &WorkerRow) -> [u64; 3] {
    ["access_log_written", "access_log_dropped", "access_log_failed"]
        .map(|name| total.events.iter().find(|(event, _)| *event == name).expect("counted").1)
}

/// A body of so many pieces; then the end, or a failure.
struct Pieces {
    left: usize,
    fails: bool,
}

impl corelane::Source for Pieces {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        if self.left == 0 {
            return if self.fails { Err(Error::internal("no more")) } else { Ok(Pull::Done) };
        }
        self.left -= 1;
        piece.push(&[b'x'; 1_000]);
        Ok(Pull::More)
    }
}

fn application() -> Router {
    let stream =
        |left, fails| move |_: &Request<'_>, res: Response<'_>| res.stream(Pieces { left, fails });
    Router::new()
        .get("/hello", |_, res| res.text("hello"))
        .get("/users/{id}", |req, res| res.text(&*req.param_text("id")?))
        .post("/echo", |req, res| res.bytes(req.body()))
        .get("/large", |_, res| res.bytes(pattern(LARGE)))
        .get("/panic", |_, _| panic!("asked to"))
        .get("/later", |_, res| {
            res.later(|later| {
                thread::spawn(move || later.answer(Reply::text("late").status(Status::CREATED)));
            })
        })
        .get("/dropped", |_, res| res.later(drop))
        .get("/stream", stream(5, false))
        .get("/broken", stream(2, true))
        .get("/endless", stream(usize::MAX, false))
        .upload(Method::Post, "/refused", |_| {
            Err::<unwanted::Nothing, _>(Error::new(Status::FORBIDDEN, "not you"))
        })
}

/// A sink that nobody gets.
mod unwanted {
    use corelane::{Error, HandlerResult, Request, Response, Sink, Taken};

    pub(crate) struct Nothing;

    impl Sink for Nothing {
        fn take(&mut self, _: &[u8]) -> Result<Taken, Error> {
            Ok(Taken::All)
        }

        fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
            response.empty()
        }
    }
}

/// Of each line: method, target, status, bytes of the body and route.
fn outlines(lines: &[Value]) -> Vec<Value> {
    let keys = ["method", "target", "status", "body_bytes", "route"];
    lines.iter().map(|line| keys.map(|key| line[key].clone()).to_vec().into()).collect()
}

#[test]
fn every_answer_of_a_connection_has_a_line_in_its_order() {
    let logged = Logged::start(|_| {});
    let mut client = logged.client();
    let batch = ["/hello", "/users/7", "/nothing"].map(get).concat();
    client.send(batch);
    for status in [200, 200, 404] {
        assert_eq!(client.answer().status, status);
    }
    client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n").answer_to_head();
    client.post("/echo", "", "four");
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(chunked(&[b'y'; 300], 7)).answer();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert_eq!(client.answer_to_head().status, 100);
    client.send("ok").answer();
    assert_eq!(client.get("/later").status, 201);
    assert_eq!(client.get("/dropped").status, 500);
    assert!(client.send(get("/stream")).chunked_answer().1.is_some());
    assert_eq!(client.get("/panic").status, 500);
    drop(client);
    let lines = logged.lines();
    let outlines = outlines(&lines);
    assert_eq!(
        outlines,
        [
            json!(["GET", "/hello", 200, 5, "GET /hello"]),
            json!(["GET", "/users/7", 200, 1, "GET /users/{id}"]),
            json!(["GET", "/nothing", 404, outlines[2][3], null]),
            json!(["HEAD", "/hello", 200, 0, "GET /hello"]),
            json!(["POST", "/echo", 200, 4, "POST /echo"]),
            json!(["POST", "/echo", 200, 300, "POST /echo"]),
            json!(["POST", "/echo", 200, 2, "POST /echo"]),
            json!(["GET", "/later", 201, 4, "GET /later"]),
            json!(["GET", "/dropped", 500, outlines[8][3], "GET /dropped"]),
            json!(["GET", "/stream", 200, 5_000, "GET /stream"]),
            json!(["GET", "/panic", 500, outlines[10][3], "GET /panic"]),
        ]
    );
    assert!(outlines[2][3].as_u64() > Some(0), "the text of the error");
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["request"], json!(index + 1));
        assert_eq!((&line["client"], &line["worker"]), (&json!("127.0.0.1"), &json!(0)));
        assert!(line["service_us"].is_u64() && line["peer_port"].is_u64(), "{line}");
        assert!(line.get("cut").is_none() && line.get("refused").is_none(), "{line}");
    }
}

#[test]
fn what_never_became_a_request_has_a_line_with_what_is_known() {
    let logged = Logged::start(|settings| settings.head_time = Duration::from_millis(20));
    for (bytes, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET /slow HTTP/1.1\r\n", 408),
        ("GET /hello HTTP/1.1\r\n\r\n", 400),
        ("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("POST /refused HTTP/1.0\r\nContent-Length: 9\r\n\r\n", 403),
    ] {
        let mut client = logged.client();
        assert_eq!(client.send(bytes).answer().status, status, "{bytes}");
        client.rest();
    }
    let lines = logged.lines();
    let known: Vec<_> = lines
        .iter()
        .map(|line| ["method", "version", "status", "refused"].map(|key| line[key].clone()))
        .collect();
    assert_eq!(
        known,
        [
            [json!(null), json!(null), json!(400), json!("request_line")],
            [json!(null), json!(null), json!(408), json!("head_too_slow")],
            [json!("GET"), json!("HTTP/1.1"), json!(400), json!("host_missing")],
            [json!("BREW"), json!("HTTP/1.1"), json!(501), json!("method_unknown")],
            [json!("POST"), json!("HTTP/1.0"), json!(403), json!(null)],
        ]
    );
}

#[test]
fn an_answer_without_its_end_says_so() {
    let logged = Logged::start(|_| {});
    assert!(logged.client().send(get("/broken")).chunked_answer().1.is_none());
    let mut client = logged.client();
    assert!(client.send(get("/endless")).answer_to_head().status == 200);
    drop(client);
    logged.await_nobody();
    let mut client = Client::with_small_window(logged.server.addresses()[0]);
    client.send(get("/large")).answer_to_head();
    drop(client);
    logged.await_nobody();
    assert_eq!(logged.client().get("/large").body.len(), LARGE);
    let lines = logged.lines();
    let cut: Vec<_> = lines.iter().map(|line| line["cut"] == true).collect();
    assert_eq!(cut, [true, true, true, false], "{lines:?}");
    assert_eq!(lines[0]["body_bytes"], 2_000);
    assert!(lines[1]["body_bytes"].as_u64() > Some(0));
    assert!(lines[2]["body_bytes"].as_u64() < Some(LARGE as u64));
    assert_eq!(lines[3]["body_bytes"], LARGE);
}

#[test]
fn who_finds_no_room_has_a_line_too() {
    let logged = Logged::start(|settings| {
        settings.connections_max = Some(1);
        settings.connections_soft_max = Some(2);
        settings.connections_full = WhenFull::Refuse;
    });
    let mut inside = logged.client();
    assert_eq!(inside.get("/hello").status, 200);
    assert_eq!(logged.client().answer().status, 503);
    let lines = logged.lines();
    assert_eq!((&lines[1]["status"], &lines[1]["refused"]), (&json!(503), &json!("no_room")));
    assert_eq!((&lines[1]["client"], &lines[1]["request"]), (&json!("127.0.0.1"), &json!(0)));
}

#[test]
fn the_client_is_who_the_server_believes_it_is() {
    let local = || vec!["127.0.0.1".parse().unwrap()];
    let logged = Logged::start(|settings| settings.proxy_protocol_from = local());
    let header = "PROXY TCP4 192.0.2.7 10.0.0.1 513 80\r\n";
    assert_eq!(logged.client().send([header, &get("/hello")].concat()).answer().status, 200);
    let line = &logged.lines()[0];
    assert_eq!((&line["client"], &line["peer_port"]), (&json!("192.0.2.7"), &json!(513)));

    let forwarded = "GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 2001:db8::7\r\n\r\n";
    for (proxies, client) in [(local(), "2001:db8::7"), (Vec::new(), "127.0.0.1")] {
        let logged = Logged::start(|settings| settings.trusted_proxies = proxies);
        logged.client().send(forwarded).answer();
        assert_eq!(logged.lines()[0]["client"], client);
    }
}

/// A request whose fields try to end the line and to begin another.
fn forging() -> Vec<u8> {
    let mut request =
        b"GET /hello?a=\"%0A\" HTTP/1.1\r\nHost: a\r\nReferer: \"} {\\\"\r\n".to_vec();
    request.extend_from_slice(b"User-Agent: \" 200 1\xff\xc2\x9b[2J\tlast\r\n\r\n");
    request
}

#[test]
fn nothing_that_a_client_sends_ends_a_text_or_a_line() {
    let logged = Logged::start(|_| {});
    logged.client().send(forging()).answer();
    let (_, text) = logged.end();
    assert!(text.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
    let line = &parse(&text)[0];
    assert_eq!(line["target"], "/hello?a=\"%0A\"");
    assert_eq!(line["referer"], "\"} {\\\"");
    assert_eq!(line["user_agent"], "\" 200 1\u{fffd}\u{9b}[2J\tlast");
}

#[test]
fn a_combined_line_is_what_tools_expect() {
    let combined = |settings: &mut Settings| {
        settings.access_log_format = AccessLogFormat::Combined;
    };
    let logged = Logged::start(combined);
    let mut client = logged.client();
    let told = "GET /hello HTTP/1.1\r\nHost: a\r\nReferer: http://a/\r\nUser-Agent: curl/8\r\n\r\n";
    client.send(told).answer();
    client.send(forging()).answer();
    client.send("no request\r\n\r\n").answer();
    let (total, text) = logged.end();
    let lines: Vec<&str> = text.lines().collect();
    let without_time = |line: &str| {
        let (start, rest) = line.split_once('[').unwrap();
        let (time, rest) = rest.split_once(']').unwrap();
        // As in 22/Nov/2026:10:22:10 +0000.
        assert!(time.len() == 26 && time.ends_with(" +0000"), "{time}");
        assert_eq!(time.as_bytes()[11], b':', "{time}");
        format!("{start}[]{rest}")
    };
    assert_eq!(
        without_time(lines[0]),
        "127.0.0.1 - - [] \"GET /hello HTTP/1.1\" 200 5 \"http://a/\" \"curl/8\""
    );
    assert_eq!(
        without_time(lines[1]),
        "127.0.0.1 - - [] \"GET /hello?a=\\x22%0A\\x22 HTTP/1.1\" 200 5 \"\\x22} {\\x5C\\x22\" \
         \"\\x22 200 1\\xFF\\xC2\\x9B[2J\\x09last\""
    );
    let refused = without_time(lines[2]);
    assert!(refused.starts_with("127.0.0.1 - - [] \"-\" 400 "), "{refused}");
    assert!(refused.ends_with(" \"-\" \"-\""), "{refused}");
    assert_eq!((lines.len(), counts(&total)), (3, [3, 0, 0]));
}

#[test]
fn what_is_long_is_shortened_and_marked() {
    let logged = Logged::start(|_| {});
    let (target, agent) = (format!("/{}", "t".repeat(5_000)), "u".repeat(600));
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n");
    logged.client().send(request).answer();
    let line = &logged.lines()[0];
    assert_eq!(line["target"], target[..2_048]);
    assert_eq!(line["user_agent"], agent[..512]);
    assert_eq!(line["shortened"], true);
}

#[test]
fn a_full_disk_is_counted_and_everybody_is_served() {
    let logged = Logged::start(|settings| settings.access_log = Some("/dev/full".into()));
    let mut client = logged.client();
    for _ in 0..100 {
        assert_eq!(client.get("/hello").status, 200);
    }
    assert_eq!(counts(&finish(logged.server)), [0, 0, 100]);
}

#[test]
fn a_rename_and_a_reopening_lose_no_line() {
    let logged = Logged::start(|_| {});
    let (path, mut client, mut sent) = (logged.path(), logged.client(), 0);
    let mut texts = String::new();
    for round in 0..5 {
        let old = logged.folder.path().join(format!("log.{round}"));
        fs::rename(&path, &old).unwrap();
        logged.server.reopen_access_log();
        while !path.exists() {
            sent += 1;
            client.get(&format!("/users/{sent}"));
        }
        texts.push_str(&fs::read_to_string(old).unwrap());
    }
    let (total, text) = logged.end();
    texts.push_str(&text);
    let targets: Vec<_> = parse(&texts).iter().map(|line| line["target"].clone()).collect();
    let wanted: Vec<_> = (1..=sent).map(|number| json!(format!("/users/{number}"))).collect();
    assert_eq!(targets, wanted);
    assert_eq!(counts(&total), [sent, 0, 0]);
}

#[test]
fn a_pipe_that_nobody_empties_holds_up_no_worker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // A reader that does not read; open for writing too, so that opening does not wait.
    let mut pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let logged = Logged::start(|settings| settings.access_log = Some(path.clone()));
    let mut client = logged.client();
    let batch = get(&format!("/users/{}", "7".repeat(2_000))).repeat(100);
    for _ in 0..100 {
        client.send(&batch);
        (0..100).for_each(|_| assert_eq!(client.answer().status, 200));
    }
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        let mut piece = vec![0; 1 << 16];
        while !text.ends_with(b"the end\n") {
            let len = pipe.read(&mut piece).unwrap();
            text.extend_from_slice(&piece[..len]);
        }
        text
    });
    let [written, dropped, failed] = counts(&finish(logged.server));
    File::options().write(true).open(path).unwrap().write_all(b"the end\n").unwrap();
    let text = String::from_utf8(reader.join().unwrap()).unwrap();
    let lines = parse(text.strip_suffix("the end\n").unwrap());
    assert!(dropped > 0 && written > 0, "{written} {dropped}");
    assert_eq!((lines.len() as u64, written + dropped, failed), (written, 10_000, 0));
}

#[test]
fn a_sample_has_its_share_of_the_lines() {
    let logged = Logged::start(|settings| settings.access_log_sample = 10);
    let mut client = logged.client();
    for _ in 0..100 {
        client.send(get("/hello").repeat(100));
        (0..100).for_each(|_| assert_eq!(client.answer().status, 200));
    }
    let (total, text) = logged.end();
    let lines = parse(&text).len() as u64;
    assert!((800..=1_200).contains(&lines), "{lines}");
    assert_eq!(counts(&total), [lines, 0, 0]);
}

#[test]
fn a_line_is_there_soon_though_nothing_follows() {
    let logged = Logged::start(|_| {});
    let mut client = logged.client();
    for lines in 1..=3 {
        client.get("/hello");
        while fs::read_to_string(logged.path()).unwrap().lines().count() < lines {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_log_that_cannot_be_opened_is_told_at_the_start() {
    let settings = settings(|settings| settings.access_log = Some("/nowhere/log".into()));
    let server = corelane::Server::bind("127.0.0.1:0").settings(settings);
    let error = server.start(|_| application()).unwrap_err();
    assert!(error.to_string().starts_with("cannot open the access log /nowhere/log: "), "{error}");
    assert!(error.hint().unwrap().contains("a folder that may be written"));
}

#[test]
fn bodies_that_are_posted_and_refused_have_lines_as_well() {
    let logged = Logged::start(|settings| settings.body_bytes_max = 10);
    let mut client = logged.client();
    assert_eq!(client.send(post("/echo", "", &[b'x'; 11])).answer().status, 413);
    client.rest();
    let line = &logged.lines()[0];
    assert_eq!((&line["target"], &line["refused"]), (&json!("/echo"), &json!("body_too_large")));
}
