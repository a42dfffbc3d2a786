//! Whether `corelane bench` tells the truth: servers whose latency is known by design, another
//! generator beside it, servers that are the same and servers that are not. Knows the program by
//! its command line and the server by its public face.
//!
//! `cargo bench --bench truth` takes a quarter of an hour; `-- --comparisons 20` makes fewer of
//! the long ones, `-- --wrk2 PATH` sets wrk2 (github.com/giltene/wrk2) beside it. The server has
//! the first CPU, the generators the second.
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss)] // Figures to be shown.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use corelane::sys::{pin_current_thread, worker_cpus};
use corelane::{Later, Reply, Router, Server};
use serde_json::Value;

/// How long the stalling route stands still, once a second.
const STALL: Duration = Duration::from_millis(100);
/// How long the steady route takes for each answer.
const STEADY: Duration = Duration::from_millis(20);
/// What a request of the compared routes works, besides what the server does for it.
const WORK: Duration = Duration::from_micros(40);
/// What the slow route works more: a twentieth of what a request takes in all.
const MORE_WORK: Duration = Duration::from_nanos(2_400);

const QUANTILES: [(&str, &str, f64); 4] = [
    ("P50", "p50_ns", 0.5),
    ("P90", "p90_ns", 0.9),
    ("P99", "p99_ns", 0.99),
    ("P99.9", "p99_9_ns", 0.999),
];

fn main() {
    let cpus = worker_cpus().cpus;
    assert!(cpus.len() > 1, "the generators need a processor of their own");
    let comparisons = argument("--comparisons").map_or(100, |n| n.parse().expect("a number"));
    let wrk2 = argument("--wrk2");
    let unit = burns_in(Duration::from_micros(1));
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN);
    let server = server.start(move |_| application(unit)).expect("it starts");
    let address = server.addresses()[0];

    println!("a server that stands still {STALL:?} once a second, 1,000 requests a second");
    // A tenth of the requests are due in a stall, evenly over it.
    let by_design = |quantile: f64| (STALL.as_secs_f64() - (1.0 - quantile)).max(0.0);
    println!("{:>28} {}", "by design", row(QUANTILES.map(|(_, _, q)| by_design(q) * 1e3)));
    open_loop(address, "/stall", wrk2.as_deref());
    let closed = bench(&[&url(address, "/stall"), "-c", "1", "-d", "10s"]);
    println!("{:>28} {}", "closed loop, hides it", quantiles(&closed, "latency"));

    println!("\na server that answers after {STEADY:?}, 1,000 requests a second");
    let expected = STEADY.as_secs_f64() * 1e3;
    println!("{:>28} {}", "by design", row([expected; 4]));
    open_loop(address, "/steady", wrk2.as_deref());

    println!("\na generator that is the limit, against a server that hardly looks");
    let sink = careless_server(cpus[0]);
    let report = bench(&[&url(sink, "/"), "-c", "4", "--pipeline", "256", "-d", "3s"]);
    println!("{:>28} {}", "doubts", report["doubts"]);

    println!("\nthe same against the same, 6 pairs of 0.2 s, {comparisons} times");
    let same = compare(address, "/work", "/work", 6, comparisons);
    println!("\na server that is 5 % slower, 10 pairs of 0.3 s, {} times", comparisons / 5);
    let other = compare(address, "/work", "/slow", 10, comparisons / 5);
    println!(
        "\n\"no difference\" where there was none: {:.0} of 100; the slow-down found: {:.0} of 100",
        100.0 * (1.0 - same),
        100.0 * other
    );
    server.stop();
    server.wait().expect("it stops");
}

/// An open loop at 1,000 a second, by this program and by wrk2.
fn open_loop(address: SocketAddr, path: &str, wrk2: Option<&str>) {
    let url = url(address, path);
    let report = bench(&[&url, "-c", "200", "--rate", "1000", "-d", "20s"]);
    println!("{:>28} {}", "corelane bench", quantiles(&report, "latency"));
    println!("{:>28} {}", "uncorrected", quantiles(&report, "since_sent"));
    if let Some(wrk2) = wrk2 {
        // It measures from its tenth second on.
        let arguments = ["-t1", "-c200", "-R1000", "-d30s", "--latency", &url];
        let text = ran(Command::new(wrk2).args(arguments).output());
        let of = |name: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(name));
            let figure = line.and_then(|line| line.split_whitespace().nth(1)).expect("a figure");
            let number = figure.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let scale = match &figure[number.len()..] {
                "us" => 1e-3,
                "ms" => 1.0,
                _ => 1e3,
            };
            number.parse::<f64>().expect("a number") * scale
        };
        let names = ["50.000%", "90.000%", "99.000%", "99.900%"];
        println!("{:>28} {}", "wrk2", row(names.map(of)));
    }
}

/// Compares two routes `times` times; the part of these in which the rate is said to differ.
fn compare(address: SocketAddr, path: &str, versus: &str, pairs: u32, times: u32) -> f64 {
    let duration = if path == versus { "200ms" } else { "300ms" };
    let (mut differ, mut ratios) = ([0, 0, 0], Vec::new());
    let names = ["rate", "p50", "p99"];
    for _ in 0..times {
        let (one, other, pairs) = (url(address, path), url(address, versus), pairs.to_string());
        let report = bench(&[
            &one,
            "--versus",
            &other,
            "--pairs",
            &pairs,
            "-c",
            "16",
            "-d",
            duration,
            "--warm-up",
            "50ms",
        ]);
        let of = &report["second_over_first"];
        for (count, name) in differ.iter_mut().zip(names) {
            *count += u32::from(of[name]["differs"] == true);
        }
        ratios.push(of["rate"]["ratio"].as_f64().expect("a ratio"));
    }
    ratios.sort_by(f64::total_cmp);
    for (count, name) in differ.into_iter().zip(names) {
        println!("{name:>28} said to differ {count} of {times} times");
    }
    let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
    println!(
        "{:>28} {:.3} ({low:.3} to {high:.3})",
        "ratio of the rates",
        ratios[ratios.len() / 2]
    );
    f64::from(differ[0]) / f64::from(times)
}

fn application(unit: f64) -> Router {
    let mut stalled = Instant::now();
    let alarm = alarm_clock();
    Router::new()
        .get("/stall", move |_, res| {
            if stalled.elapsed() >= Duration::from_secs(1) {
                stalled = Instant::now();
                thread::sleep(STALL);
            }
            res.text("Hello, World!")
        })
        .get("/steady", move |_, res| {
            let due = Instant::now() + STEADY;
            res.later(|later| alarm(due, later))
        })
        .get("/work", move |_, res| {
            burn(WORK, unit);
            res.text("Hello, World!")
        })
        .get("/slow", move |_, res| {
            burn(WORK + MORE_WORK, unit);
            res.text("Hello, World!")
        })
}

/// A thread that answers each promise when it is due; all wait equally long, so in their order.
fn alarm_clock() -> impl Fn(Instant, Later) {
    let (promises, waiting): (_, Receiver<(Instant, Later)>) = channel();
    thread::spawn(move || {
        for (due, later) in waiting {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            later.answer(Reply::text("Hello, World!"));
        }
    });
    move |due, later| {
        // Its receiver lives as long as this sender.
        let _ = promises.send((due, later));
    }
}

/// Answers by the number of bytes that came, which costs less than to read the answers.
fn careless_server(cpu: usize) -> SocketAddr {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                assert!(pin_current_thread(cpu), "it is pinned");
                let mut bytes = vec![0; 1 << 16];
                let answers = ANSWER.repeat(4_096);
                let (mut request, mut received) = (0, 0);
                while let Ok(len @ 1..) = stream.read(&mut bytes) {
                    if request == 0 {
                        let end = bytes[..len].windows(4).position(|four| four == b"\r\n\r\n");
                        request = end.expect("the first request comes whole") + 4;
                    }
                    received += len;
                    let whole = received / request;
                    received %= request;
                    if stream.write_all(&answers[..whole * ANSWER.len()]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn burn(time: Duration, unit: f64) {
    let mut state = 1_u64;
    for _ in 0..(time.as_secs_f64() * 1e6 * unit) as u64 {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// How many steps of [`burn`] take so long.
fn burns_in(time: Duration) -> f64 {
    let trial = Duration::from_millis(1);
    let best = (0..50).map(|_| {
        let began = Instant::now();
        burn(trial, 100.0);
        began.elapsed()
    });
    let best = best.min().unwrap_or_default().as_secs_f64();
    time.as_secs_f64() / best * trial.as_secs_f64() * 1e6 * 100.0
}

/// The report of one `corelane bench`.
fn bench(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    let text = ran(command.arg("bench").args(arguments).args(["--report", "json"]).output());
    serde_json::from_str(&text).expect("the report is JSON")
}

fn ran(output: std::io::Result<Output>) -> String {
    let output = output.expect("the program is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

fn quantiles(report: &Value, of: &str) -> String {
    row(QUANTILES.map(|(_, key, _)| report[of][key].as_f64().unwrap_or_default() / 1e6))
}

fn row(milliseconds: [f64; 4]) -> String {
    let figures = QUANTILES.iter().zip(milliseconds);
    figures.map(|((name, ..), ms)| format!("{name} {ms:>8.2} ms")).collect::<Vec<_>>().join("  ")
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// The argument after `name`; Cargo adds some of its own.
fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}
