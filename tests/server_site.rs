//! What a site needs besides its files, through real sockets: rules of caching, listings, a
//! fallback, pages of errors, and counts of what was refused. Knows nothing below the public face.

#![allow(unsafe_code)] // mkfifo is a foreign function.
#![allow(clippy::cast_sign_loss, reason = "the reader of metrics takes no negative value")]

#[path = "support/exposition.rs"]
mod exposition;
#[path = "support/http_client.rs"]
mod http_client;

use std::ffi::{CString, OsStr};
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use corelane::limits::{GLOB_CHARS_MAX, LISTED_FILES_MAX};
use corelane::{Files, Router, Running, Server, Settings, Status};
use http_client::{Answer, Client, PATIENCE, serve};
use tempfile::TempDir;

fn site() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in ["docs", "assets/deep", ".git"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    for (name, content) in [
        ("index.html", "home"),
        ("404.html", "<h1>lost</h1>"),
        ("docs/b.txt", "12345"),
        ("docs/a.css", "css"),
        ("docs/.hidden", ""),
        ("assets/deep/app.js", "app"),
        (".git/config", "hidden"),
    ] {
        fs::write(root.path().join(name), content).unwrap();
    }
    root
}

/// Serves `site` as `tell` has it.
fn serve_site(site: &TempDir, tell: impl Fn(Files) -> Files + Send + Sync + 'static) -> Running {
    let root = site.path().to_owned();
    serve(Settings::default(), move |_| Router::new().files("/", tell(Files::at(&root))))
}

fn ask(client: &mut Client, method: &str, target: &str, fields: &str) -> Answer {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    if method == "HEAD" { client.answer_to_head() } else { client.answer() }
}

#[test]
fn the_first_rule_that_means_a_path_says_how_it_is_cached() {
    let site = site();
    let server = serve_site(&site, |files| {
        let files = files.cache_control("assets/**", "max-age=31536000, immutable");
        files.cache_control("*.css", "max-age=60").cache_control("*.html", "no-cache")
    });
    let mut client = Client::to(&server);
    for (target, value) in [
        ("/", Some("no-cache")),
        ("/index.html", Some("no-cache")),
        ("/docs/a.css", Some("max-age=60")),
        ("/docs/b.txt", None),
        ("/assets/deep/app.js", Some("max-age=31536000, immutable")),
        ("/nothing.css", None),
    ] {
        let answer = client.get(target);
        assert_eq!(answer.field("cache-control"), value, "{target}");
        let Some(tag) = answer.field("etag") else { continue };
        let known = ask(&mut client, "GET", target, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((known.status, known.field("cache-control")), (304, value), "{target}");
        let part = ask(&mut client, "GET", target, "Range: bytes=0-0\r\n");
        assert_eq!((part.status, part.field("cache-control")), (206, value), "{target}");
    }
}

#[test]
fn its_fields_are_sent_with_every_answer() {
    let site = site();
    let server = serve_site(&site, |files| {
        let files = files.listing().error_page(Status::NOT_FOUND, "404.html");
        files.header("Access-Control-Allow-Origin", "*").header("X-A", "b")
    });
    let mut client = Client::to(&server);
    let tag = client.get("/docs/b.txt").field("etag").unwrap().to_owned();
    for (target, fields, status) in [
        ("/", "", 200),
        ("/docs/b.txt", "Range: bytes=0-0\r\n", 206),
        ("/docs/b.txt", "Range: bytes=0-0,2-2\r\n", 206),
        ("/docs/b.txt", "Range: bytes=9-\r\n", 416),
        ("/docs/b.txt", &format!("If-None-Match: {tag}\r\n"), 304),
        ("/docs/b.txt", "If-Match: \"x\"\r\n", 412),
        ("/docs/", "", 200),
        ("/docs", "", 301),
        ("/nothing", "", 404),
        ("/.git/config", "", 404),
    ] {
        let answer = ask(&mut client, "GET", target, fields);
        let seen = (answer.field("access-control-allow-origin"), answer.field("x-a"));
        assert_eq!((answer.status, seen), (status, (Some("*"), Some("b"))), "{target} {fields}");
    }
    for (name, value) in [("etag", "a"), ("Cache-Control", "a"), ("Date", "a"), ("X", "\n")] {
        let fault = Files::at(site.path()).header(name, value).fault().map(str::to_owned);
        assert!(fault.is_some(), "{name}");
    }
}

#[test]
fn a_directory_is_listed_as_a_page_and_as_json_if_that_is_asked_for() {
    let site = site();
    let pipe = CString::new(site.path().join("docs/pipe").as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path ends with a NUL.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    symlink("/etc/passwd", site.path().join("docs/out")).unwrap();
    symlink("../assets", site.path().join("docs/link")).unwrap();
    let server = serve_site(&site, Files::listing);
    let mut client = Client::to(&server);
    let page = client.get("/docs/");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((page.field("vary"), page.field("etag")), (Some("Accept"), None));
    assert_eq!(page.field("cache-control"), Some("no-cache"));
    let links: Vec<&str> = page.text().split("href=\"").skip(1).collect();
    let links: Vec<&str> = links.iter().map(|link| link.split('"').next().unwrap()).collect();
    assert_eq!(links, ["../", "./a.css", "./b.txt", "./link/"]);
    let json = ask(&mut client, "GET", "/docs/", "Accept: application/json\r\n").json();
    assert_eq!((&json["path"], &json["is_cut"]), (&"/docs/".into(), &false.into()));
    let entries = json["entries"].as_array().unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.css", "b.txt", "link"]);
    assert_eq!((&entries[1]["type"], &entries[1]["size"]), (&"file".into(), &5.into()));
    assert_eq!((&entries[2]["type"], &entries[2]["size"]), (&"directory".into(), &().into()));
    assert!(entries[1]["modified"].as_str().unwrap().ends_with('Z'), "{json}");
    let head = ask(&mut client, "HEAD", "/docs/", "");
    assert_eq!(head.field("content-length"), Some(&*page.body.len().to_string()));
    assert_eq!(client.get("/").text(), "home", "an index goes first");
    assert_eq!(client.get("/docs").status, 301);
    assert_eq!(client.get("/docs/link/").status, 200);
    for target in ["/.git/", "/nowhere/", "/docs/out/", "/docs/b.txt/", "/docs/../"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    let plain = serve_site(&site, |files| files);
    assert_eq!(Client::to(&plain).get("/docs/").status, 404, "it is asked for");
}

#[test]
fn a_listing_names_the_directory_as_it_was_asked_for() {
    let site = site();
    let root = site.path().to_owned();
    let server = serve(Settings::default(), move |_| {
        Router::new().files("/shared/{whose}", Files::at(root.join("assets")).listing())
    });
    let mut client = Client::to(&server);
    for (target, shown) in [
        ("/shared/a/", "/shared/a/"),
        ("/shared/b%20c/", "/shared/b c/"),
        ("/shared/%3Ci%3E/", "/shared/&lt;i&gt;/"),
        ("/shared/a%2Fdeep/", "/shared/a/deep/"),
        ("/shared/a/%64eep/", "/shared/a/deep/"),
    ] {
        let page = client.get(target);
        let heading = format!("<h1>{shown}</h1>");
        assert!(page.text().contains(&heading), "{target}: {}", page.text());
        let json = ask(&mut client, "GET", target, "Accept: application/json\r\n").json();
        let plain = shown.replace("&lt;", "<").replace("&gt;", ">");
        assert_eq!(json["path"], *plain, "{target}");
        let is_deep = target.contains("/%64eep");
        let name = if is_deep { "app.js" } else { "deep" };
        assert_eq!(
            (&json["entries"][0]["name"], page.text().contains("../")),
            (&name.into(), is_deep)
        );
    }
}

#[test]
fn names_cannot_become_markup_and_lead_where_they_say() {
    let site = site();
    let folder = site.path().join("docs");
    let names = ["<script>alert(1)<&\"'>", "a b%20?#c", "javascript:alert(1)", "\u{e9}"];
    for name in names {
        fs::write(folder.join(name.replace('/', "")), name).unwrap();
    }
    for unsound in [&b"line\nbreak"[..], b"back\\slash", b"not \xff text", b"esc\x1b"] {
        fs::write(folder.join(OsStr::from_bytes(unsound)), "unreachable").unwrap();
    }
    let server = serve_site(&site, Files::listing);
    let mut client = Client::to(&server);
    let page = client.get("/docs/");
    assert!(!page.text().contains("<script") && !page.text().contains("href=\"javascript"));
    assert!(page.text().contains("&lt;script&gt;alert(1)&lt;&amp;&quot;&#39;&gt;"));
    let links = page.text().split("href=\"./").skip(1);
    let links: Vec<&str> = links.map(|link| link.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), names.len() + 2, "those that no request can name are left out");
    for link in &links {
        assert_eq!(client.get(&format!("/docs/{link}")).status, 200, "{link}");
    }
    let json = ask(&mut client, "GET", "/docs/", "Accept: application/json\r\n").json();
    assert!(
        names
            .iter()
            .all(|name| json["entries"].to_string().contains(&serde_json::json!(name).to_string()))
    );
}

#[test]
fn a_directory_of_100_000_files_is_cut_and_said_to_be() {
    let site = site();
    let folder = site.path().join("docs");
    for index in 0..100_000 {
        fs::File::create(folder.join(format!("{index:06}"))).unwrap();
    }
    let server = serve_site(&site, Files::listing);
    let mut client = Client::to(&server);
    let page = client.get("/docs/");
    assert_eq!(page.text().matches("<tr><td>").count(), LISTED_FILES_MAX + 1);
    assert!(page.text().contains(&format!("only {LISTED_FILES_MAX} entries are shown")));
    let json = ask(&mut client, "GET", "/docs/", "Accept: application/json\r\n").json();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &json["is_cut"]), (LISTED_FILES_MAX, &true.into()));
    assert!(entries.is_sorted_by_key(|entry| entry["name"].as_str().unwrap()));
}

#[test]
fn a_fallback_answers_where_there_is_no_file() {
    let site = site();
    let server = serve_site(&site, |files| files.fallback("index.html"));
    let mut client = Client::to(&server);
    for target in ["/app/users/7", "/docs/", "/nowhere.js", "/docs/b.txt/x", "/a%20b"] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text()), (200, "home"), "{target}");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
        let head = ask(&mut client, "HEAD", target, "");
        assert_eq!((head.status, head.field("content-length")), (200, Some("4")), "{target}");
    }
    assert_eq!(client.get("/docs/b.txt").text(), "12345");
    for target in ["/../x", "/%2e%2e/x", "/.git/config", "/a%00"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    assert_eq!(ask(&mut client, "DELETE", "/app/users/7", "").status, 405);
    fs::remove_file(site.path().join("index.html")).unwrap();
    let asked = Instant::now();
    while client.get("/app/users/7").status != 404 {
        assert!(asked.elapsed() < PATIENCE, "it is looked at again");
    }
}

#[test]
fn errors_have_pages_but_for_programs() {
    let site = site();
    fs::write(site.path().join("416.html"), "<h1>no such part</h1>").unwrap();
    let server = serve_site(&site, |files| {
        let files = files.error_page(Status::NOT_FOUND, "404.html");
        files.error_page(Status::RANGE_NOT_SATISFIABLE, "/416.html")
    });
    let mut client = Client::to(&server);
    for target in ["/nowhere", "/../x", "/docs/"] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text()), (404, "<h1>lost</h1>"), "{target}");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    }
    let answer = ask(&mut client, "GET", "/docs/b.txt", "Range: bytes=9-\r\n");
    assert_eq!((answer.status, answer.text()), (416, "<h1>no such part</h1>"));
    assert_eq!(answer.field("content-range"), Some("bytes */5"));
    let answer = ask(&mut client, "GET", "/nowhere", "Accept: application/json\r\n");
    assert_eq!((answer.status, answer.field("content-type")), (404, Some("application/json")));
    let answer = ask(&mut client, "GET", "/docs/b.txt", "If-Match: \"a\"\r\n");
    assert_eq!((answer.status, answer.text().contains("<h1>")), (412, false));
}

#[test]
fn an_option_that_cannot_be_is_an_error_at_start() {
    let site = site();
    let long = "a".repeat(GLOB_CHARS_MAX + 1);
    let fault = |tell: &dyn Fn(Files) -> Files| {
        tell(Files::at(site.path())).fault().map(str::to_owned).unwrap_or_default()
    };
    assert!(fault(&|files| files.fallback("lost.html")).contains("lost.html"));
    assert!(fault(&|files| files.fallback("../secret")).contains("no such file"));
    assert!(fault(&|files| files.fallback("docs")).contains("no such file"));
    assert!(fault(&|files| files.error_page(Status::NOT_FOUND, "x")).contains("error page x"));
    assert!(fault(&|files| files.cache_control("*", "a\r\nb")).contains("Cache-Control"));
    assert!(fault(&|files| files.cache_control("", "a")).contains("pattern"));
    assert!(fault(&|files| files.cache_control(&long, "a")).contains("pattern"));
    assert_eq!(fault(&|files| files.fallback("/index.html").listing()), "");
    let root = site.path().to_owned();
    let start = Server::bind("127.0.0.1:0")
        .start(move |_| Router::new().files("/", Files::at(&root).fallback("lost.html")));
    assert!(start.expect_err("there is no fallback").to_string().contains("lost.html"));
}

/// Each reason with what is refused for it.
fn refused(root: &Path) -> Vec<(&'static str, Vec<&'static str>)> {
    symlink("/etc/passwd", root.join("out")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    vec![
        ("escapes_root", vec!["/out", "/loop", "/loop/a"]),
        ("hidden", vec!["/.git/config", "/%2egit/config", "/docs/.hidden", "/..."]),
        ("not_a_file", vec!["/socket"]),
        (
            "traversal",
            vec!["/../x", "/%2e%2e/x", "/a%2fb", "/a%5cb", "/a%00", "/%c0%ae", "/a//b", "/a%0ab"],
        ),
    ]
}

#[test]
fn refused_paths_are_counted_by_their_reasons() {
    let site = site();
    let refused = refused(site.path());
    let root = site.path().to_owned();
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).pin(false);
    let server =
        server.admin("127.0.0.1:0").start(move |_| Router::new().files("/", Files::at(&root)));
    let server = server.expect("it starts");
    let mut client = Client::to(&server);
    for target in ["/", "/nowhere", "/docs/b.txt", "/docs/"] {
        client.get(target);
    }
    for target in refused.iter().flat_map(|(_, targets)| targets) {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    let asked = Instant::now();
    loop {
        let request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        let text = Client::connect(server.admin_addresses()[0]).send(request).answer();
        let samples = exposition::parse(text.text());
        let label = |reason: &str| format!("reason=\"{reason}\"");
        let count = |reason| samples.sum("corelane_refused_paths_total", &[&label(reason)]);
        let counted: Vec<_> = refused.iter().map(|(reason, _)| count(reason) as usize).collect();
        let wanted: Vec<_> = refused.iter().map(|(_, targets)| targets.len()).collect();
        // What is shown may be a tenth of a second old.
        if counted == wanted {
            break;
        }
        assert!(asked.elapsed() < PATIENCE, "{counted:?} {wanted:?}");
    }
}

#[test]
fn what_was_missing_is_served_once_it_is_there() {
    let site = site();
    let root = site.path().to_owned();
    let server = serve(Settings::default(), move |_| Router::new().files("/", Files::at(&root)));
    let mut client = Client::to(&server);
    assert_eq!([0; 3].map(|_| client.get("/docs/new.txt").status), [404; 3]);
    fs::write(site.path().join("docs/new.txt"), "new").unwrap();
    let asked = Instant::now();
    while client.get("/docs/new.txt").status != 200 {
        assert!(asked.elapsed() < PATIENCE, "it is looked at again within a second");
    }
}
