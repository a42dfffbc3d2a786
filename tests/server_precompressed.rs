//! Files that are kept compressed beside their originals, asked for through real sockets.
//! Knows nothing of compressing: what lies there is any bytes.

#[path = "support/http_client.rs"]
mod http_client;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use corelane::limits::KEPT_FILE_BYTES_MAX;
use corelane::{Files, Router, Running, Settings};
use http_client::{Answer, Client, PATIENCE, pattern, serve};
use tempfile::TempDir;

/// Larger than what is kept in memory.
const LARGE: usize = 100_000;

fn site() -> TempDir {
    assert!(LARGE as u64 > KEPT_FILE_BYTES_MAX);
    let root = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("app.js", &b"the script itself"[..]),
        ("app.js.br", b"brotli"),
        ("app.js.gz", b"gzipped"),
        ("app.js.zst", b"zstandard"),
        ("big.css", &pattern(2 * LARGE)),
        ("big.css.gz", &pattern(LARGE)),
        ("index.html", b"home"),
        ("index.html.gz", b"home, gzipped"),
        ("plain.txt", b"alone"),
        ("old.js", b"rewritten since"),
        ("old.js.gz", b"of what it was"),
        ("odd.js", b"beside a directory"),
    ] {
        fs::write(root.path().join(name), content).unwrap();
    }
    age(&root.path().join("old.js.gz"));
    fs::create_dir(root.path().join("odd.js.gz")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("odd.js.br")).unwrap();
    root
}

/// Makes a file an hour old.
fn age(path: &Path) {
    let hour = Duration::from_secs(3_600);
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::now() - hour)
        .unwrap();
}

fn serve_site(site: &TempDir) -> Running {
    let root = site.path().to_owned();
    let files = move || Files::at(&root).precompressed();
    serve(Settings::default(), move |_| Router::new().files("/", files()))
}

fn ask(client: &mut Client, method: &str, target: &str, fields: &str) -> Answer {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    if method == "HEAD" { client.answer_to_head() } else { client.answer() }
}

fn accepting(client: &mut Client, target: &str, codings: &str) -> Answer {
    ask(client, "GET", target, &format!("Accept-Encoding: {codings}\r\n"))
}

#[test]
fn the_sibling_that_the_client_likes_best_is_served_as_its_original() {
    let site = site();
    let server = serve_site(&site);
    let mut client = Client::to(&server);
    let mut tags = Vec::new();
    for (codings, coding, body) in [
        ("gzip, deflate, br, zstd", Some("br"), "brotli"),
        ("gzip", Some("gzip"), "gzipped"),
        ("x-gzip", Some("gzip"), "gzipped"),
        ("gzip;q=0.5, zstd", Some("zstd"), "zstandard"),
        ("br;q=0.2, gzip;q=0.9, zstd;q=0.3", Some("gzip"), "gzipped"),
        ("*", Some("br"), "brotli"),
        ("*, br;q=0", Some("zstd"), "zstandard"),
        ("deflate", None, "the script itself"),
        ("gzip;q=0.5, identity", None, "the script itself"),
        ("br;q=0, gzip;q=0, zstd;q=0", None, "the script itself"),
        ("identity;q=0, deflate", None, "the script itself"),
        ("", None, "the script itself"),
    ] {
        let answer = accepting(&mut client, "/app.js", codings);
        assert_eq!((answer.status, answer.text()), (200, body), "{codings}");
        assert_eq!(answer.field("content-encoding"), coding, "{codings}");
        assert_eq!(answer.field("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{codings}");
        let head = ask(&mut client, "HEAD", "/app.js", &format!("Accept-Encoding: {codings}\r\n"));
        for name in ["content-length", "content-encoding", "content-type", "etag", "vary"] {
            assert_eq!(head.field(name), answer.field(name), "{codings}");
        }
        tags.push(answer.field("etag").unwrap().to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "each representation has a tag of its own");
    assert_eq!(client.get("/app.js").text(), "the script itself", "nobody said a thing");
    let lines = "Accept-Encoding: deflate\r\nAccept-Encoding: zstd\r\n";
    assert_eq!(ask(&mut client, "GET", "/app.js", lines).text(), "zstandard");
    assert_eq!(accepting(&mut client, "/", "gzip").text(), "home, gzipped");
}

#[test]
fn what_is_no_fresh_sibling_changes_nothing() {
    let site = site();
    let server = serve_site(&site);
    let mut client = Client::to(&server);
    for target in ["/plain.txt", "/old.js", "/odd.js"] {
        let answer = accepting(&mut client, target, "br, gzip, zstd");
        assert_eq!((answer.status, answer.field("content-encoding")), (200, None), "{target}");
        assert_eq!(answer.field("vary"), None, "{target}");
    }
    assert_eq!(accepting(&mut client, "/old.js", "gzip").text(), "rewritten since");
    let answer = accepting(&mut client, "/app.js.br", "br");
    assert_eq!((answer.text(), answer.field("content-encoding")), ("brotli", None));
    assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
    assert_eq!(accepting(&mut client, "/lost.js", "br").status, 404);
    let root = site.path().to_owned();
    let plain = serve(Settings::default(), move |_| Router::new().files("/", Files::at(&root)));
    let answer = accepting(&mut Client::to(&plain), "/app.js", "br");
    assert_eq!((answer.text(), answer.field("vary")), ("the script itself", None));
}

#[test]
fn conditions_and_parts_are_of_the_chosen_representation() {
    let site = site();
    let server = serve_site(&site);
    let mut client = Client::to(&server);
    let tag = |client: &mut Client, target, codings| {
        accepting(client, target, codings).field("etag").unwrap().to_owned()
    };
    for target in ["/app.js", "/big.css"] {
        let (gzip, plain) = (tag(&mut client, target, "gzip"), tag(&mut client, target, ""));
        assert_ne!(gzip, plain);
        for (fields, status) in [
            (format!("Accept-Encoding: gzip\r\nIf-None-Match: {gzip}\r\n"), 304),
            (format!("Accept-Encoding: gzip\r\nIf-None-Match: {plain}\r\n"), 200),
            (format!("If-None-Match: {plain}\r\n"), 304),
            (format!("If-None-Match: {gzip}\r\n"), 200),
            (format!("Accept-Encoding: gzip\r\nIf-Match: {plain}\r\n"), 412),
            (format!("Accept-Encoding: gzip\r\nIf-Match: {gzip}\r\n"), 200),
            ("Accept-Encoding: gzip\r\nRange: bytes=9999999-\r\n".to_owned(), 416),
        ] {
            let methods: &[&str] = if status == 416 { &["GET"] } else { &["GET", "HEAD"] };
            for method in methods {
                let answer = ask(&mut client, method, target, &fields);
                assert_eq!(answer.status, status, "{method} {target} {fields}");
                assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{status}");
            }
        }
        let fields = format!("Accept-Encoding: gzip\r\nIf-Range: {gzip}\r\nRange: bytes=1-3\r\n");
        let part = ask(&mut client, "GET", target, &fields);
        let whole = accepting(&mut client, target, "gzip").body;
        assert_eq!((part.status, &part.body[..]), (206, &whole[1..4]));
        assert_eq!(part.field("content-range"), Some(&*format!("bytes 1-3/{}", whole.len())));
        assert_eq!(part.field("content-encoding"), Some("gzip"));
        let fields = format!("If-Range: {gzip}\r\nRange: bytes=1-3\r\n");
        assert_eq!(ask(&mut client, "GET", target, &fields).status, 200, "parts of another");
        let several = "Range: bytes=0-1,4-5\r\n";
        assert_eq!(ask(&mut client, "GET", target, several).status, 206);
        let several = format!("Accept-Encoding: gzip\r\n{several}");
        let answer = ask(&mut client, "GET", target, &several);
        assert_eq!((answer.status, answer.body == whole), (200, true), "parts have no coding");
    }
}

#[test]
fn hostile_codings_choose_nothing_that_is_not_there() {
    let site = site();
    let server = serve_site(&site);
    let mut client = Client::to(&server);
    for (codings, body) in [
        ("br;q=1.0001".to_owned(), "the script itself"),
        ("br;q=-1, gzip;q=2".to_owned(), "the script itself"),
        ("br;q=0.0000".to_owned(), "the script itself"),
        ("br;q=1;q=0".to_owned(), "the script itself"),
        (";;;,,,=,q=1".to_owned(), "the script itself"),
        ("\"br\"".to_owned(), "the script itself"),
        (format!("{}gzip", "a,".repeat(3_000)), "gzipped"),
        (format!("gzip{}", ",".repeat(6_000)), "gzipped"),
        ("\u{ff}\u{fe}, gzip".to_owned(), "gzipped"),
    ] {
        assert_eq!(accepting(&mut client, "/app.js", &codings).text(), body);
    }
    // More than a head may have.
    let many = "br,".repeat(10_000);
    assert_eq!(accepting(&mut client, "/app.js", &many).status, 431);
    assert_eq!(Client::to(&server).get("/app.js").status, 200);
}

#[test]
fn siblings_that_come_go_and_change_while_they_are_served_are_never_mixed() {
    let site = site();
    let server = serve_site(&site);
    let mut client = Client::to(&server);
    let (gzip, aside) = (site.path().join("app.js.gz"), site.path().join("aside"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..2_000 {
                fs::write(&aside, if round % 2 == 0 { "gzipped" } else { "GZIPPED" }).unwrap();
                fs::rename(&aside, &gzip).unwrap();
                fs::remove_file(&gzip).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let answer = accepting(&mut client, "/app.js", "gzip");
            let coding = answer.field("content-encoding");
            let is_whole = match answer.text() {
                "gzipped" | "GZIPPED" => coding == Some("gzip"),
                "the script itself" => coding.is_none(),
                _ => false,
            };
            assert!(is_whole && answer.status == 200, "{answer:?}");
        }
    });
    let mut expect = |wanted: &str| {
        let asked = Instant::now();
        while accepting(&mut client, "/app.js", "gzip").text() != wanted {
            assert!(asked.elapsed() < PATIENCE, "it is looked at again");
        }
    };
    expect("the script itself");
    fs::write(&gzip, "gzipped anew").unwrap();
    expect("gzipped anew");
}
