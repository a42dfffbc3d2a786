//! Files asked for through real sockets: types, conditions, parts, tricks of paths, and files that
//! change while they are sent. Knows nothing below the public face.

#![allow(unsafe_code)] // mkfifo is a foreign function.

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/page_cache.rs"]
mod page_cache;

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use corelane::limits::{KEPT_FILE_BYTES_MAX, KEPT_FILE_MILLIS};
use corelane::{Files, Router, Running, Server, Settings, StartError};
use http_client::{Answer, Client, get, pattern, serve, settings};
use page_cache::forget;
use tempfile::TempDir;

const LARGE: usize = 300_000;

/// A site in `root` with a secret beside it.
fn site() -> TempDir {
    assert!(LARGE as u64 > KEPT_FILE_BYTES_MAX);
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    fs::create_dir_all(root.join("docs/deep")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::create_dir_all(root.join(".well-known")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    for (name, content) in [
        ("index.html", &b"<h1>home</h1>"[..]),
        ("docs/index.html", b"<h1>docs</h1>"),
        ("docs/deep/a b.txt", b"0123456789"),
        ("large.bin", &pattern(LARGE)),
        ("middle.css", &pattern(40_000)),
        ("nothing.txt", b""),
        (".git/config", b"hidden"),
        (".well-known/proof", b"proof"),
        ("../secret", b"secret"),
        ("%2e%2e", b"a name with percent signs"),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    outside
}

fn serve_site(site: &TempDir, prefix: &'static str) -> Running {
    let root = site.path().join("root");
    serve(Settings::default(), move |_| Router::new().files(prefix, Files::at(&root)))
}

fn ask(client: &mut Client, method: &str, target: &str, fields: &str) -> Answer {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    if method == "HEAD" { client.answer_to_head() } else { client.answer() }
}

#[test]
fn files_have_their_types_and_their_content() {
    let site = site();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    // Twice: from the disk, then from memory.
    for (target, content_type, content) in [
        ("/", "text/html; charset=utf-8", &b"<h1>home</h1>"[..]),
        ("/index.html", "text/html; charset=utf-8", b"<h1>home</h1>"),
        ("/docs/", "text/html; charset=utf-8", b"<h1>docs</h1>"),
        ("/docs/deep/a%20b.txt", "text/plain; charset=utf-8", b"0123456789"),
        ("/large.bin?v=1", "application/octet-stream", &pattern(LARGE)),
        ("/middle.css", "text/css; charset=utf-8", &pattern(40_000)),
        ("/nothing.txt", "text/plain; charset=utf-8", b""),
        ("/.well-known/proof", "application/octet-stream", b"proof"),
        ("/%252e%252e", "application/octet-stream", b"a name with percent signs"),
    ]
    .repeat(2)
    {
        let answer = ask(&mut client, "GET", target, "");
        assert_eq!((answer.status, answer.body == content), (200, true), "{target}");
        assert_eq!(answer.field("content-type"), Some(content_type), "{target}");
        assert_eq!(answer.field("accept-ranges"), Some("bytes"));
        assert!(answer.field("etag").is_some_and(|tag| tag.starts_with('"')), "{answer:?}");
        let head = ask(&mut client, "HEAD", target, "");
        for name in ["content-length", "etag", "last-modified", "content-type"] {
            assert_eq!(head.field(name), answer.field(name), "{target}");
        }
    }
}

#[test]
fn a_directory_is_reached_by_its_slash_and_has_no_listing() {
    let site = site();
    let server = serve_site(&site, "/static");
    let mut client = Client::to(&server);
    for (target, location) in [
        ("/static", "/static/"),
        ("/static/docs", "/static/docs/"),
        ("/static/docs?a=b", "/static/docs/?a=b"),
        ("/static/docs/deep", "/static/docs/deep/"),
    ] {
        let answer = ask(&mut client, "GET", target, "");
        assert_eq!((answer.status, answer.field("location")), (301, Some(location)), "{target}");
    }
    for target in ["/static/empty/", "/static/docs/deep/", "/static/large.bin/", "/docs/", "/"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    assert_eq!(client.get("/static/").text(), "<h1>home</h1>");
    let answer = ask(&mut client, "DELETE", "/static/large.bin", "");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

/// Paths that lead out, to what is hidden, or to what is no file.
const TRICKS: [&str; 41] = [
    "/../secret",
    "/docs/../../secret",
    "/%2e%2e/secret",
    "/%2E%2e/secret",
    "/.%2e/secret",
    "/docs/%2e%2e/%2e%2e/secret",
    "/..%2fsecret",
    "/%2e%2e%2fsecret",
    "/docs%2findex.html",
    "/%252e%252e/secret",
    "/%252e%252e%252fsecret",
    "/%25252e%25252e/secret",
    "/..%5csecret",
    "/%c0%ae%c0%ae/secret",
    "/..%c0%afsecret",
    "/%e0%80%ae%e0%80%ae/secret",
    "/%uff0e/secret",
    "/%00",
    "/index.html%00",
    "/index.html%00.txt",
    "/index.html/..",
    "/./index.html",
    "//index.html",
    "/docs//index.html",
    "//secret",
    "/.git/config",
    "/%2egit/config",
    "/out",
    "/absolute",
    "/up/secret",
    "/itself",
    "/magic/secret",
    "/device",
    "/pipe",
    "/socket",
    "/index.html/",
    "/a%0d%0ab",
    "/index.html%20",
    "/.",
    "/..",
    "/...",
];

#[test]
fn every_trick_gets_the_same_404_as_a_missing_file() {
    let site = site();
    let root = site.path().join("root");
    for (link, target) in [
        ("out", "../secret"),
        ("absolute", "/etc/passwd"),
        ("up", ".."),
        ("itself", "itself"),
        ("magic", "/proc/self/cwd"),
        ("device", "/dev/zero"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let pipe = CString::new(root.join("pipe").as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path ends with a NUL.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    let missing = client.get("/missing");
    assert_eq!(missing.status, 404);
    for target in TRICKS {
        let answer = client.get(target);
        // `%u` is no escape and a backslash no part of a path: refused before any handler.
        let wanted = if target.contains("%u") { 400 } else { 404 };
        assert_eq!(answer.status, wanted, "{target}");
        if wanted == 400 {
            client = Client::to(&server);
            continue;
        }
        assert_eq!(answer.body, missing.body, "{target}");
        assert_eq!(answer.fields.len(), missing.fields.len(), "{target}");
    }
    assert_eq!(Client::to(&server).get("/..\\secret").status, 400);
    let long = format!("/{}", "a/".repeat(3_000));
    assert_eq!(client.get(&long).status, 404, "longer than any path may be");
}

#[test]
fn a_directory_swapped_for_a_link_while_it_is_served_never_leads_out() {
    let site = site();
    let (inside, aside) = (site.path().join("root/docs"), site.path().join("aside"));
    fs::create_dir(site.path().join("outer")).unwrap();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300 {
                // A name of its own each time: none is in the worker's memory.
                fs::write(site.path().join(format!("outer/{round}")), "secret").unwrap();
                fs::rename(&inside, &aside).unwrap();
                symlink("../outer", &inside).unwrap();
                fs::remove_file(&inside).unwrap();
                fs::rename(&aside, &inside).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut round = 0;
        while !is_over.load(Ordering::Relaxed) {
            round = (round + 1) % 300;
            let answer = client.get(&format!("/docs/{round}"));
            assert_eq!(answer.status, 404, "{answer:?}");
        }
    });
}

#[test]
fn a_client_that_has_the_file_gets_304_and_one_that_has_another_412() {
    let site = site();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    for target in ["/index.html", "/large.bin"] {
        let first = client.get(target);
        let (tag, date) = (first.field("etag").unwrap(), first.field("last-modified").unwrap());
        for (fields, status) in [
            (format!("If-None-Match: {tag}\r\n"), 304),
            (format!("If-None-Match: \"a\", W/{tag}\r\n"), 304),
            ("If-None-Match: *\r\n".to_owned(), 304),
            ("If-None-Match: \"a\"\r\n".to_owned(), 200),
            (format!("If-Modified-Since: {date}\r\n"), 304),
            ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 200),
            (format!("If-Match: {tag}\r\n"), 200),
            (format!("If-Match: W/{tag}\r\n"), 412),
            ("If-Match: \"a\"\r\n".to_owned(), 412),
            ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 412),
            (format!("If-Unmodified-Since: {date}\r\n"), 200),
            (format!("If-None-Match: \"a\"\r\nIf-Modified-Since: {date}\r\n"), 200),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = ask(&mut client, method, target, &fields);
                assert_eq!(answer.status, status, "{method} {target} {fields}");
                if status == 304 {
                    assert_eq!(answer.field("etag"), Some(tag));
                    assert_eq!(answer.field("last-modified"), Some(date));
                }
            }
        }
    }
}

#[test]
fn parts_of_small_and_large_files() {
    let site = site();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    let last = LARGE - 1;
    for (target, fields, status, part, content_range) in [
        ("/docs/deep/a%20b.txt", "Range: bytes=2-4\r\n", 206, 2..5, "bytes 2-4/10".to_owned()),
        ("/docs/deep/a%20b.txt", "Range: bytes=-3\r\n", 206, 7..10, "bytes 7-9/10".to_owned()),
        (
            "/large.bin",
            "Range: bytes=1000-\r\n",
            206,
            1_000..LARGE,
            format!("bytes 1000-{last}/{LARGE}"),
        ),
        ("/large.bin", "Range: bytes=0-0\r\n", 206, 0..1, format!("bytes 0-0/{LARGE}")),
        ("/large.bin", "Range: bytes=5-9,8-20\r\n", 206, 5..21, format!("bytes 5-20/{LARGE}")),
        ("/large.bin", "Range: bytes=x\r\n", 200, 0..LARGE, String::new()),
        ("/large.bin", "Range: bytes=1-2\r\nIf-Range: \"a\"\r\n", 200, 0..LARGE, String::new()),
    ] {
        let content = if target == "/large.bin" { pattern(LARGE) } else { b"0123456789".to_vec() };
        let answer = ask(&mut client, "GET", target, fields);
        assert_eq!(answer.status, status, "{target} {fields}");
        assert!(answer.body == content[part], "{target} {fields}");
        assert_eq!(answer.field("content-range").unwrap_or_default(), content_range);
    }
    for (target, range, len) in [
        ("/large.bin", "300000-", LARGE),
        ("/large.bin", "-0", LARGE),
        ("/docs/deep/a%20b.txt", "10-11", 10),
    ] {
        let answer = ask(&mut client, "GET", target, &format!("Range: bytes={range}\r\n"));
        assert_eq!(answer.status, 416, "{target} {range}");
        assert_eq!(answer.field("content-range"), Some(&*format!("bytes */{len}")));
    }
    let head = ask(&mut client, "HEAD", "/large.bin", "Range: bytes=1-2\r\n");
    assert_eq!((head.status, head.field("content-length")), (200, Some("300000")));
    assert_eq!(ask(&mut client, "GET", "/nothing.txt", "Range: bytes=0-\r\n").status, 200);
}

#[test]
fn several_parts_come_in_one_body() {
    let site = site();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    for (target, content) in [("/large.bin", pattern(LARGE)), ("/middle.css", pattern(40_000))] {
        let (first, second) = (10..20_000, content.len() - 7..content.len());
        let answer = ask(&mut client, "GET", target, "Range: bytes=10-19999, -7\r\n");
        let value = answer.field("content-type").unwrap();
        let boundary = value.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let content_type = client.get(target).field("content-type").unwrap().to_owned();
        let mut wanted = Vec::new();
        for part in [first, second] {
            let (start, end, len) = (part.start, part.end - 1, content.len());
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\
                 Content-Range: bytes {start}-{end}/{len}\r\n\r\n"
            );
            wanted.extend_from_slice(head.as_bytes());
            wanted.extend_from_slice(&content[part]);
        }
        wanted.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert_eq!(answer.status, 206);
        assert!(answer.body == wanted, "{target}");
    }
    let bomb = format!("Range: bytes={}\r\n", "0-,".repeat(1_000));
    let answer = ask(&mut client, "GET", "/large.bin", &bomb);
    assert_eq!((answer.status, answer.body.len()), (200, LARGE), "once, not a thousand times");
}

#[test]
fn a_file_that_is_replaced_is_served_anew_within_a_second() {
    let site = site();
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    let before = client.get("/index.html");
    fs::write(site.path().join("new"), "<h1>HOME</h1>").unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3_600);
    fs::File::open(site.path().join("new")).unwrap().set_modified(long_ago).unwrap();
    fs::rename(site.path().join("new"), site.path().join("root/index.html")).unwrap();
    let asked = std::time::Instant::now();
    loop {
        let answer = client.get("/index.html");
        if answer.text() == "<h1>HOME</h1>" {
            assert_ne!(answer.field("etag"), before.field("etag"));
            break;
        }
        assert_eq!(answer, Answer { fields: answer.fields.clone(), ..before.clone() });
        let is_stale = asked.elapsed() > 20 * Duration::from_millis(KEPT_FILE_MILLIS);
        assert!(!is_stale, "it is looked at again");
    }
    fs::remove_file(site.path().join("root/index.html")).unwrap();
    while client.get("/index.html").status != 404 {
        assert!(asked.elapsed() < Duration::from_secs(60), "it is found to be missing");
    }
}

#[test]
fn a_file_that_is_cut_while_it_is_sent_ends_that_connection_alone() {
    const BYTES: u64 = 64 * 1024 * 1024;
    let site = site();
    let path = site.path().join("root/huge.bin");
    fs::File::create(&path).unwrap().set_len(BYTES).unwrap();
    let server = serve_site(&site, "/");
    let mut other = Client::to(&server);
    let mut client = Client::with_small_window(server.addresses()[0]);
    let head = client.send(get("/huge.bin")).answer_to_head();
    assert_eq!(head.field("content-length"), Some(&*BYTES.to_string()));
    // The kernel holds far less than 64 MB, so most of it is still to be read.
    fs::File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    assert!((client.rest().len() as u64) < BYTES);
    assert_eq!(other.get("/index.html").status, 200);
}

#[test]
fn a_slow_reader_holds_a_large_file_back_and_gets_all_of_it() {
    let site = site();
    let content = pattern(3_000_000);
    fs::write(site.path().join("root/long.bin"), &content).unwrap();
    let root = site.path().join("root");
    let small_queue = settings(|settings| settings.notsent_bytes = 16 * 1024);
    let server = serve(small_queue, move |_| Router::new().files("/", Files::at(&root)));
    let mut client = Client::with_small_window(server.addresses()[0]);
    client.send(get("/long.bin")).answer_to_head();
    assert!(client.read_slowly(content.len()) == content);
    assert_eq!(client.get("/index.html").status, 200);
}

#[test]
fn an_answer_that_its_client_breaks_off_is_counted() {
    let site = site();
    let len = 64 << 20;
    fs::File::create(site.path().join("root/film.webm")).unwrap().set_len(len).unwrap();
    let server = serve_site(&site, "/");
    for range in ["", "Range: bytes=0-\r\n", "Range: bytes=1000000-\r\n"] {
        // Its whole answer does not fit the kernel's buffers.
        let mut client = Client::with_small_window(server.addresses()[0]);
        client.send(format!("GET /film.webm HTTP/1.1\r\nHost: a\r\n{range}\r\n"));
        assert_eq!(client.read_slowly(9), b"HTTP/1.1 ");
    }
    let mut client = Client::to(&server);
    assert_eq!(client.get("/").status, 200);
    drop(client);
    server.stop();
    let report = server.wait().unwrap().report();
    let total = report.total();
    let unfinished = total.events.iter().find(|(name, _)| *name == "answers_unfinished").unwrap();
    assert_eq!((unfinished.1, total.requests), (3, 1));
}

#[test]
fn what_is_not_in_memory_comes_whole() {
    let site = site();
    let (large, small) = (pattern(3_000_000), pattern(30_000));
    let server = serve_site(&site, "/");
    let mut client = Client::to(&server);
    for round in 0..3 {
        // Another file each time, for a small one is kept once it was sent.
        for (name, content) in [("large", &large), ("small", &small)] {
            let path = site.path().join(format!("root/{name}{round}"));
            fs::write(&path, content).unwrap();
            for fields in ["", "Range: bytes=20000-\r\n"] {
                forget(&path);
                let skipped = if fields.is_empty() { 0 } else { 20_000 };
                let target = format!("/{name}{round}");
                let answer = ask(&mut client, "GET", &target, fields);
                assert!(answer.body == content[skipped..], "{target} {fields}");
            }
        }
    }
    let path = site.path().join("root/large0");
    forget(&path);
    let answer = ask(&mut client, "GET", "/large0", "Range: bytes=2900000-2900009,5-9\r\n");
    let body = &answer.body;
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    assert!(has(&large[2_900_000..2_900_010]) && has(&large[5..10]));
}

#[test]
fn a_root_that_is_no_directory_is_an_error_at_start() {
    let site = site();
    for name in ["missing", "secret"] {
        let path = site.path().join(name);
        let named = path.display().to_string();
        let start = Server::bind("127.0.0.1:0")
            .start(move |_| Router::new().files("/", Files::at(Path::new(&path))));
        let error: StartError = start.expect_err("there are no files to serve");
        assert!(error.to_string().contains(&named), "{error}");
    }
}
