//! `corelane bench` as its user runs it, against servers of this process: what it prints, what it
//! writes, how it ends.
#![cfg(feature = "bench")]

#[path = "support/http_client.rs"]
mod http_client;

use std::net::TcpListener;
use std::process::{Command, Output};

use corelane::{Router, Running, Settings};
use http_client::serve;
use serde_json::Value;

fn server() -> Running {
    serve(Settings::default(), |_| {
        Router::new()
            .get("/", |_, res| res.text("Hello, World!"))
            .post("/echo", |req, res| res.bytes(req.body()))
    })
}

fn bench(args: &[&str]) -> Output {
    bench_of(&[&["-d", "300ms"], args].concat())
}

fn bench_of(args: &[&str]) -> Output {
    let quick = ["bench", "--warm-up", "0s", "-c", "2", "-t", "1", "--pin", "off"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(quick).args(args).output().expect("it can be run")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it prints text")
}

fn url(server: &Running, path: &str) -> String {
    format!("http://{}{path}", server.addresses()[0])
}

#[test]
fn a_run_is_reported_as_text() {
    let server = server();
    let output = bench(&[&url(&server, "/")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = text(&output.stdout);
    for words in ["closed loop, 2 connections", "answered a second", "P99.9", "max", "Linux"] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert_eq!(text(&output.stderr), "", "nobody looks at progress that is not on a terminal");
}

#[test]
fn a_server_that_tells_has_its_view_beside_the_clients() {
    let server = serve(Settings::default(), |worker| {
        Router::new()
            .get("/", |_, res| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                res.text("slow")
            })
            .get("/told", corelane::app::latency(worker))
    });
    let args = ["--server-view", "/told", "--report", "json", &url(&server, "/")];
    let output = bench(&args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_str(text(&output.stdout)).expect("it is JSON");
    let view = &report["server_view"];
    // Those under way at both ends of the run, and the first asking, are the server's alone.
    let (asked, counted) = (&report["answers"], &view["service_time"]["count"]);
    let (asked, counted) = (asked.as_u64().unwrap(), counted.as_u64().unwrap());
    assert!((asked..=asked + 10).contains(&counted), "{asked} asked, {counted} counted");
    assert!(view["service_time"]["p50_ns"].as_u64().unwrap() >= 1_000_000, "{view}");
    assert!(view["stages"]["loop_wait"]["count"].as_u64().unwrap() >= asked, "{view}");
    assert_eq!(view["served_others"], false);
    let warm = ["bench", "--warm-up", "300ms", "-d", "300ms", "-c", "2", "--pin", "off"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    let url = url(&server, "/");
    let output = command.args(warm).args(["--server-view", "/told", &url]).output();
    let output = output.expect("it can be run");
    let report = text(&output.stdout);
    for words in ["service time", "loop wait", "The mean request took"] {
        assert!(report.contains(words), "{words}: {report}");
    }
}

#[test]
fn a_server_that_tells_nothing_is_measured_all_the_same() {
    let server = server();
    let (plain, off) = (url(&server, "/"), [url(&server, "/"), "--server-view=off".to_owned()]);
    let report = |args: &[&str]| text(&bench(args).stdout).to_owned();
    assert!(report(&[&plain]).contains("Server's view: none, http://127.0.0.1:"));
    assert!(report(&[&plain]).contains("/api/latency answered 404."));
    let off = report(&[&off[0], &off[1]]);
    assert!(off.contains("Server's view: none, it was not asked for."), "{off}");
}

#[test]
fn a_run_is_written_as_files_that_agree() {
    let server = server();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a name").to_owned();
    let (json, hgrm) = (path("a.json"), path("a.hgrm"));
    let (hlog, html) = (path("a.hlog"), path("a.html"));
    let output = bench(&[
        "--rate",
        "500",
        "--json",
        &json,
        "--hgrm",
        &hgrm,
        "--hlog",
        &hlog,
        "--html",
        &html,
        "--report",
        "json",
        &url(&server, "/"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let read = |path: &str| std::fs::read_to_string(path).expect("it was written");
    let report: Value = serde_json::from_str(&read(&json)).expect("it is JSON");
    assert_eq!(read(&json), text(&output.stdout));
    assert_eq!(report["schema"], "corelane-bench/1");
    assert_eq!((&report["answers"], &report["statuses"]["2xx"]), (&150.into(), &150.into()));
    assert!(read(&hgrm).contains("Total count    =          150"), "{}", read(&hgrm));
    let intervals = corelane::report::from_hlog(&read(&hlog)).expect("it is a log");
    let count: u64 = intervals.iter().map(|interval| interval.histogram.len()).sum();
    assert_eq!(count, 150);
    let page = read(&html);
    assert!(page.starts_with("<!DOCTYPE html>") && page.matches("<svg").count() == 3);
    assert!(!page.contains("http://www") && !page.contains("<script"), "it needs nothing else");
}

#[test]
fn requests_are_made_of_flags_or_files() {
    let server = server();
    let echo = url(&server, "/echo");
    let output = bench(&["--body", "abc", "-H", "X-Own: 1", "--report", "json", &echo]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!((&report["statuses"]["2xx"], &report["unlike"]), (&report["answers"], &0.into()));

    let folder = tempfile::tempdir().expect("a folder");
    let raw = folder.path().join("get.raw");
    std::fs::write(&raw, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").expect("it can be written");
    let raw = raw.to_str().expect("a name");
    let output = bench(&["--raw", raw, "--report", "json", &url(&server, "/")]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(report["statuses"]["4xx"], report["answers"], "{report}");
}

#[test]
fn a_condition_that_holds_is_exit_code_3() {
    let server = server();
    let at = url(&server, "/");
    let output = bench(&["--fail-if", "p50>1ns", "--fail-if", "rate<0.1", &at]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stderr), "failed: p50>1ns\n");
    assert!(text(&output.stdout).contains("P99"), "the report is printed all the same");
    assert_eq!(bench(&["--fail-if", "p50>1h", &at]).status.code(), Some(2));
    assert_eq!(bench(&["--fail-if", "failures>0", &at]).status.code(), Some(0));
}

#[test]
fn nothing_answered_is_a_failure_with_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let output = bench(&[&format!("http://{address}/")]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("answered nothing: connect_failed") && told.contains("hint: "), "{told}");
    let output = bench(&["http://no-such-host.invalid/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot find no-such-host.invalid"));
}

#[test]
fn an_address_that_is_not_this_machines_is_told_before_the_run() {
    let at = url(&server(), "/");
    let output = bench(&["--source-addresses", "127.0.0.2,192.0.2.1", &at]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.starts_with("error: no connection can come from 192.0.2.1: "), "{told}");
    assert!(told.contains("hint: `ip address`"), "{told}");
}

/// What a script prints in a network of its own, with ten ports for connections.
fn with_ten_ports(script: &str) -> Option<Output> {
    let set_up = "ip link set lo up && echo 40000 40009 >/proc/sys/net/ipv4/ip_local_port_range";
    let unshared = |script: &str| {
        let corelane = env!("CARGO_BIN_EXE_corelane");
        Command::new("unshare").args(["-rn", "sh", "-c", script, corelane]).output().ok()
    };
    if unshared(set_up).is_some_and(|output| output.status.success()) {
        return unshared(&format!("{set_up}; {script}"));
    }
    println!("skipped: no network namespace here, or no `ip`");
    None
}

#[test]
fn connections_without_a_port_are_told_and_more_addresses_are_the_way_out() {
    let script = |address: &str| {
        format!(
            "$0 serve --listen 127.0.0.1:8080 --workers 1 --report none 2>/dev/null & \
             n=0; until $0 bench -d 1ms --warm-up 0s -c 1 --report none http://127.0.0.1:8080/ \
             2>/dev/null || [ $((n+=1)) -gt 400 ]; do sleep 0.05; done; \
             $0 bench -d 300ms --warm-up 0s -c 20 {address} http://127.0.0.1:8080/; kill $!"
        )
    };
    let Some(output) = with_ten_ports(&script("")) else { return };
    let report = text(&output.stdout);
    assert!(report.contains("no_free_port") && report.contains("--source-addresses"), "{report}");
    let output = with_ten_ports(&script("--source-addresses 127.0.0.2-127.0.0.4"));
    let output = output.expect("it could be done a moment ago");
    let report = text(&output.stdout);
    assert!(report.contains("20 connections from 3 addresses"), "{report}");
    assert!(!report.contains("no_free_port"), "{report}");
}

#[test]
fn a_server_does_not_differ_from_itself_and_a_slow_one_does() {
    let server = serve(Settings::default(), |_| {
        Router::new().get("/", |_, res| res.text("")).get("/slow", |_, res| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            res.text("")
        })
    });
    let (fast, slow) = (url(&server, "/"), url(&server, "/slow"));
    let rest = ["--pairs", "6", "-d", "50ms", "--report", "json"];
    let output = bench_of(&[&[fast.as_str(), "--versus", &slow], &rest[..]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(report["schema"], "corelane-versus/1");
    let ratio = &report["second_over_first"]["p50"];
    assert_eq!(ratio["differs"], true, "{report}");
    assert!(ratio["low"].as_f64() > Some(1.0), "{ratio}");
    assert_eq!(report["pairs"].as_array().map(Vec::len), Some(6));

    let output = bench_of(&[fast.as_str(), "--versus", &fast, "--pairs", "2", "-d", "50ms"]);
    let report = text(&output.stdout);
    assert!(report.contains("too few to tell"), "{report}");
    assert_eq!(text(&output.stderr).lines().count(), 2, "a line for each pair");
}

#[test]
fn logs_are_put_together_and_compared() {
    let server = server();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a name").to_owned();
    let (one, two, both) = (path("1.hlog"), path("2.hlog"), path("both.hgrm"));
    for log in [&one, &two] {
        let output = bench(&["--rate", "200", "--hlog", log, &url(&server, "/")]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
        command.arg("report").args(args).output().expect("it can be run")
    };
    let output = run(&[&one, &two, "--hgrm", &both]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let together = text(&output.stdout).lines().last().expect("a table");
    assert!(together.starts_with("together") && together.contains(" 120 "), "{together}");
    assert!(std::fs::read_to_string(&both).expect("written").contains("=          120"));
    let compared = run(&["--compare", &one, &two]);
    assert!(text(&compared.stdout).contains("too few to tell"), "{}", text(&compared.stdout));
    let none = run(&[&both]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("hint: `corelane bench --hlog"), "{}", text(&none.stderr));
}

#[test]
fn a_sweep_finds_a_rate_that_the_server_can_do() {
    let server = server();
    let output = bench_of(&["--sweep", "-d", "50ms", "--report", "json", &url(&server, "/")]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let steps = report["steps"].as_array().expect("steps");
    let asked: Vec<_> = steps.iter().map(|step| step["asked"].as_f64().unwrap()).collect();
    assert!(asked.len() == 12 && asked.is_sorted(), "{asked:?}");
    assert_eq!(text(&output.stderr).lines().count(), 13, "a line for each");
}
