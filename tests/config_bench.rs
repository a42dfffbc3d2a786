//! The command line of `corelane bench`: what it means, and what it refuses in which words.
#![cfg(feature = "bench")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use corelane::config::{BenchOrder, Command, Exit, ReportFormat, Stream, parse};

fn try_parse(line: &[&str]) -> Result<BenchOrder, Exit> {
    let words = ["corelane", "bench"].iter().chain(line);
    parse(words.map(OsString::from)).map(|command| match command {
        Command::Bench(order) => order,
        other => panic!("{line:?} is no load: {other:?}"),
    })
}

fn order(line: &[&str]) -> BenchOrder {
    try_parse(line).unwrap_or_else(|exit| panic!("{line:?}: {}", exit.text))
}

const URL: &str = "http://127.0.0.1:8080/path?q=1";

#[test]
fn a_url_alone_is_a_closed_loop_of_ten_seconds() {
    let order = order(&[URL]);
    assert_eq!(order.url.to_string(), URL);
    assert_eq!((order.connections, order.pipeline, order.rate), (64, 1, None));
    assert_eq!((order.duration, order.warm_up), (Duration::from_secs(10), Duration::from_secs(1)));
    assert_eq!((order.method.as_str(), order.report), ("GET", ReportFormat::Text));
    assert!(order.pin && order.fields.is_empty() && order.fail_if.is_empty());
    let view = order.server_view.expect("the server is asked for its view");
    assert_eq!(view.to_string(), "http://127.0.0.1:8080/api/latency");
}

#[test]
fn every_flag_has_its_place() {
    let line = [
        "-c",
        "8",
        "-d",
        "2s",
        "--warm-up",
        "0s",
        "-r",
        "20000",
        "-t",
        "2",
        "--pin",
        "off",
        "--requests-per-connection",
        "10",
        "--source-addresses",
        "127.0.0.2-127.0.0.4,127.1.0.1",
        "--timeout",
        "500ms",
        "-H",
        "Accept: a/b",
        "--header",
        "X: y",
        "--body",
        "{}",
        "--report",
        "json",
        "--json",
        "a.json",
        "--hgrm",
        "a.hgrm",
        "--hlog",
        "a.hlog",
        "--html",
        "a.html",
        "--fail-if",
        "p99>1ms",
        URL,
    ];
    let order = order(&line);
    assert_eq!((order.connections, order.rate, order.pin), (8, Some(20_000.0), false));
    assert_eq!((order.method.as_str(), order.body.as_deref()), ("POST", Some("{}")));
    let fields: Vec<_> = order.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields, ["Accept", "X"]);
    assert_eq!(order.requests_per_connection, Some(10));
    let sources: Vec<_> = order.source_addresses.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.1.0.1"]);
    let files = [order.json, order.hgrm, order.hlog, order.html].map(Option::unwrap);
    assert_eq!(files, ["a.json", "a.hgrm", "a.hlog", "a.html"].map(PathBuf::from));
    assert_eq!(order.fail_if[0].text, "p99>1ms");
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    for (line, words) in [
        (&[][..], "<URL>"),
        (&["https://127.0.0.1/"], "no TLS"),
        (&["http://"], "no host"),
        (&[URL, "--rate", "5", "--pipeline", "2"], "--pipeline"),
        (&[URL, "--raw", "a", "--body", "b"], "--body"),
        (&[URL, "--fail-if", "p98>1ms"], "no such figure"),
        (&[URL, "--fail-if", "p99>1"], "unit"),
        (&[URL, "-H", "nothing"], "no colon"),
        (&[URL, "-d", "10"], "unit"),
        (&[URL, "--sweep", "--rate", "5"], "exclude each other"),
        (&[URL, "--pairs", "5"], "--versus"),
        (&[URL, "--source-addresses", "127.0.0.2-9"], "no address and no range"),
        (&[URL, "--source-addresses", "::1"], "::1 cannot connect to 127.0.0.1"),
        (&[URL, "--versus", "http://[::1]/", "--source-ip", "127.0.0.2"], "cannot connect to ::1"),
        (&[URL, "--versus", URL, "--pairs", "0"], "1 to "),
        (&[URL, "--versus", URL, "--html", "a"], "exclude each other"),
        (&[URL, "--connection", "5"], "--connections"),
    ] {
        let exit = try_parse(line).expect_err(words);
        assert_eq!((exit.stream, exit.code), (Stream::Stderr, 2), "{line:?}");
        assert!(exit.text.contains(words), "{line:?}: {}", exit.text);
        let lines: Vec<&str> = exit.text.lines().collect();
        assert_eq!(lines.len(), 2, "{}", exit.text);
        assert!(lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{}", exit.text);
    }
}

#[test]
fn a_comparison_is_ordered_with_a_second_url() {
    let both = order(&[URL, "--versus", "http://[::1]:9/", "--pairs", "20", "-r", "100"]);
    let (other, pairs) = both.versus.expect("it was ordered");
    assert_eq!((other.to_string().as_str(), pairs), ("http://[::1]:9/", 20));
    assert_eq!(order(&[URL]).versus, None);
}

#[test]
fn reports_take_files() {
    let parse = |line: &[&str]| parse(line.iter().map(OsString::from));
    let order = match parse(&["corelane", "report", "a.hlog", "b.hlog", "--compare"]) {
        Ok(Command::Report(order)) => order,
        other => panic!("{other:?}"),
    };
    assert_eq!(order.files, ["a.hlog", "b.hlog"].map(PathBuf::from));
    assert!(order.compares && order.hgrm.is_none());
    for line in [&["corelane", "report"][..], &["corelane", "report", "--compare", "a"]] {
        assert_eq!(parse(line).expect_err("too few").code, 2, "{line:?}");
    }
}

#[test]
fn help_fits_a_terminal_and_names_the_exit_codes() {
    let exit = try_parse(&["--help"]).expect_err("help");
    assert_eq!((exit.stream, exit.code), (Stream::Stdout, 0));
    assert!(exit.text.contains("Exit codes") && exit.text.contains("--rate"));
    for line in exit.text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}
