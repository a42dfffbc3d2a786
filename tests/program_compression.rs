//! `corelane serve --compress on`: what is compressed of files and fixed answers, and what is left
//! alone. Knows nothing of the library.

#![cfg(all(feature = "cli", feature = "gzip"))]

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::Read;
use std::path::Path;

use http_client::{Answer, Client, pattern};
use program::{Serving, program};
use tempfile::TempDir;

fn ask(client: &mut Client, target: &str, fields: &str) -> Answer {
    let lines = format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n{fields}");
    client.send(lines + "\r\n").answer()
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.field("content-encoding"), Some("gzip"), "{:?}", answer.fields);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap();
    plain
}

fn text(len: usize) -> Vec<u8> {
    b"the same again, ".iter().copied().cycle().take(len).collect()
}

/// A folder with files of each kind: kept in memory, sent with their heads, streamed.
fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("small.css", text(10_000)),
        ("middle.js", text(100_000)),
        ("large.txt", text(1_000_000)),
        ("film.mp4", pattern(1_000_000)),
        ("short.mp4", pattern(100_000)),
        ("beside.css", text(5_000)),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let mut packed = Vec::new();
    let best = flate2::Compression::best();
    flate2::read::GzEncoder::new(&text(5_000)[..], best).read_to_end(&mut packed).unwrap();
    fs::write(folder.path().join("beside.css.gz"), packed).unwrap();
    folder
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn files_of_text_are_compressed_and_those_beside_which_something_lies_are_not() {
    let site = site();
    let root = path(site.path());
    let server = Serving::with(&["--root", root, "--compress", "on", "--precompressed", "on"]);
    let mut client = server.connect();
    for (target, len) in
        [("/small.css", 10_000), ("/middle.js", 100_000), ("/large.txt", 1_000_000)]
    {
        let answer = if target == "/small.css" {
            ask(&mut client, target, "")
        } else {
            let head = "HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip";
            client.send(format!("GET {target} {head}\r\n\r\n")).chunked_answer().0
        };
        assert!(answer.body.len() < len / 10, "{target}: {}", answer.body.len());
        assert_eq!(unpacked(&answer), text(len), "{target}");
        assert_eq!(answer.field("accept-ranges"), None, "{target}");
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{target}");
        let tag = answer.field("etag").unwrap().to_owned();
        assert!(tag.starts_with("W/"), "{target}: {tag}");
        let known = ask(&mut client, target, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((known.status, known.field("etag")), (304, Some(tag.as_str())), "{target}");
        assert_eq!(known.field("vary"), Some("Accept-Encoding"), "{target}");
        let part = ask(&mut client, target, "Range: bytes=1-3\r\n");
        assert_eq!((part.status, &part.body[..]), (206, &text(4)[1..]), "{target}");
    }
    let answer = ask(&mut client, "/beside.css", "");
    let packed = fs::read(site.path().join("beside.css.gz")).unwrap();
    assert!(answer.body == packed && unpacked(&answer) == text(5_000));
    assert!(answer.field("etag").unwrap().starts_with('"'), "it is the sibling as it lies there");
}

#[test]
fn a_film_is_sent_as_it_is_with_parts_and_length() {
    let site = site();
    let server = Serving::with(&["--root", path(site.path()), "--compress", "on"]);
    let mut client = server.connect();
    for (target, len) in [("/film.mp4", 1_000_000), ("/short.mp4", 100_000)] {
        let film = pattern(len);
        let answer = ask(&mut client, target, "");
        assert!(answer.body == film && answer.field("content-encoding").is_none());
        assert_eq!(answer.field("content-length"), Some(len.to_string().as_str()));
        assert_eq!(answer.field("accept-ranges"), Some("bytes"));
        assert_eq!(answer.field("vary"), None, "all get the same");
        let tag = answer.field("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        let rest = ask(&mut client, target, &format!("Range: bytes=99000-\r\nIf-Range: {tag}\r\n"));
        assert!(rest.status == 206 && rest.body == film[99_000..]);
        let known = ask(&mut client, target, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((known.status, known.field("etag")), (304, Some(tag.as_str())));
    }
}

#[test]
fn a_route_has_its_own_say_and_the_print_of_routes_shows_it() {
    let site = site();
    let page = text(2_000);
    fs::write(site.path().join("page"), &page).unwrap();
    let file = site.path().join("corelane.toml");
    let route = |path: &str, more: &str| {
        let type_line = "headers = { Content-Type = \"text/plain\" }";
        format!("[[route]]\npath = \"{path}\"\nbody-file = \"page\"\n{type_line}\n{more}\n")
    };
    let routes = route("/as-all", "")
        + &route("/on", "compress = true")
        + &route("/off", "compress = false")
        + "[[route]]\npath = \"/files\"\nfiles = \".\"\ncompress = true\n";
    for (all, as_all) in [("off", false), ("on", true)] {
        fs::write(&file, &routes).unwrap();
        let args = ["--config", path(&file), "--compress", all];
        let server = Serving::with(&args);
        let mut client = server.connect();
        let mut is_packed = |target| {
            let answer = ask(&mut client, target, "");
            let is_packed = answer.field("content-encoding").is_some();
            assert!(if is_packed { unpacked(&answer) == page } else { answer.body == page });
            is_packed
        };
        assert_eq!(
            ["/as-all", "/on", "/off", "/files/page"].map(&mut is_packed)[..3],
            [as_all, true, false]
        );
        let shown = program(&[&["routes"], &args[..]].concat()).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let hooks = |path: &str| {
            let line = shown.lines().find(|line| line.split('\t').nth(1) == Some(path)).unwrap();
            line.split('\t').nth(3).unwrap().starts_with("compression(")
        };
        assert_eq!(
            ["/as-all", "/on", "/off", "/files/{*path}"].map(hooks),
            [as_all, true, false, true]
        );
    }
}

#[test]
fn a_reload_turns_it_on() {
    let site = site();
    let file = site.path().join("corelane.toml");
    let lines = format!("root = \"{}\"\n", path(site.path()));
    fs::write(&file, &lines).unwrap();
    let mut server = Serving::with(&["--config", path(&file)]);
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "/small.css", "").body, text(10_000));
    fs::write(&file, format!("compress = true\n{lines}")).unwrap();
    server.process.signal(libc::SIGHUP);
    server.wait_to_be_told("reloaded");
    // Told before each worker has begun the turn in which it goes on with it.
    let packed = std::iter::repeat_with(|| ask(&mut server.connect(), "/small.css", ""))
        .take(1000)
        .find(|answer| answer.field("content-encoding").is_some());
    assert_eq!(unpacked(&packed.expect("it is in force")), text(10_000));
}
