//! `corelane bench`: makes a plan of what was ordered, shows how it goes, tells what it came to.
//! Knows nothing of how a load generator works.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use corelane::bench::{
    self, BenchError, Exchange, Failure as Lost, Load, Outcome, Placement, Plan, Second, ViewSource,
};
use corelane::config::{BenchOrder, ReportFormat, Url};
use corelane::report::{
    BenchReport, BenchSecond, Interval, ServerSide, TICKS_PER_HALF_DISTANCE, Unit, merged, to_hgrm,
    to_hlog, to_html, units,
};

use super::{Failure, tell};

/// Some condition of `--fail-if` holds.
const CODE_CONDITION: u8 = 3;

/// Runs what was ordered.
pub(super) fn run(order: &BenchOrder) -> Result<ExitCode, Failure> {
    if let Some((versus, pairs)) = &order.versus {
        return super::compare::versus(order, versus, *pairs);
    }
    if order.sweeps {
        return super::sweep::run(order);
    }
    let (report, outcome) = measure(order)?;
    let written = order.hlog.as_ref().map_or(Ok(()), |path| write(path, &hlog(&outcome)));
    let code = publish(order, &report)?;
    written.map(|()| code)
}

/// One run, with what it came to.
pub(super) fn measure(order: &BenchOrder) -> Result<(BenchReport, Outcome), Failure> {
    let source = order.source_addresses.first();
    let address = resolve(&order.url, source)?;
    let threads = order.threads.map(usize::from);
    let placement = Placement::away_from(address, threads, order.connections, order.pin);
    let load = match order.rate {
        Some(rate) => Load::Open { rate },
        None => Load::Closed { pipeline: order.pipeline },
    };
    let plan = Plan {
        address,
        exchanges: exchanges(order)?,
        connections: order.connections,
        may_spin: placement.is_alone(),
        cpus: placement.cpus.clone(),
        load,
        warm_up: order.warm_up,
        duration: order.duration,
        requests_per_connection: order.requests_per_connection,
        source_addresses: order.source_addresses.clone(),
        timeout: order.timeout,
    };
    let view = order.server_view.as_ref().map(|url| view_source(url, source)).transpose()?;
    let mut progress = Progress::new();
    let run = || bench::run(&plan, &mut |second| progress.show(second));
    let (outcome, server) = bench::around(view.as_ref(), plan.warm_up, run);
    let outcome = outcome.map_err(|error| {
        let hint = match error {
            BenchError::Source(..) => {
                "`ip address` lists those that this machine has; 127.0.0.0/8 are all its own"
            }
            _ => "`corelane bench --help` says what each flag takes",
        };
        Failure { message: error.to_string(), hint: Some(hint.to_owned()) }
    })?;
    progress.end();
    let report = BenchReport { server, ..report(order, &plan, &placement, &outcome) };
    if report.answers == 0 && report.failed() > 0 {
        return Err(nothing_came(&report, order));
    }
    Ok((report, outcome))
}

/// The seconds of the run, each with its histogram.
fn hlog(outcome: &Outcome) -> String {
    let mut start = Duration::ZERO;
    let intervals = outcome.seconds.iter().map(|second| {
        let (from, len) = (start, second.wall);
        start += len;
        Interval { start: from, len, histogram: merged([&second.figures.latencies]) }
    });
    to_hlog(outcome.began, &intervals.collect::<Vec<_>>())
}

fn view_source(url: &Url, source: Option<&IpAddr>) -> Result<ViewSource, Failure> {
    let (authority, target) = (url.authority(), url.target.clone());
    Ok(ViewSource { address: resolve(url, source)?, authority, target })
}

/// The address of a server; of those of a name, one of the family of `source`.
fn resolve(url: &Url, source: Option<&IpAddr>) -> Result<SocketAddr, Failure> {
    let failure = |why: String| Failure {
        message: format!("cannot find {}: {why}", url.host),
        hint: Some("an IP address needs no look-up".to_owned()),
    };
    let found = (url.host.as_str(), url.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| failure(error.to_string()))?.collect();
    // As the server does with a name, so that `localhost` means the same to both.
    let is_ipv4 = source.is_none_or(IpAddr::is_ipv4);
    let chosen =
        found.iter().find(|address| address.is_ipv4() == is_ipv4).or_else(|| found.first());
    chosen.copied().ok_or_else(|| failure("it has no address".to_owned()))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure {
        message: format!("cannot read {}: {error}", path.display()),
        hint: None,
    })
}

fn exchanges(order: &BenchOrder) -> Result<Vec<Exchange>, Failure> {
    if !order.raw.is_empty() {
        let raw = order.raw.iter().map(|path| {
            let bytes = read(path)?;
            Ok(Exchange { is_head: bytes.starts_with(b"HEAD "), bytes })
        });
        return raw.collect();
    }
    let body = match (&order.body, &order.body_file) {
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(path)) => Some(read(path)?),
        (None, None) => None,
    };
    let mut head = format!("{} {} HTTP/1.1\r\n", order.method, order.url.target);
    let says = |name: &str| order.fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    if !says("host") {
        head = head + "Host: " + &order.url.authority() + "\r\n";
    }
    for field in &order.fields {
        head = head + &field.name + ": " + &field.value + "\r\n";
    }
    if let Some(body) = &body
        && !says("content-length")
    {
        head = head + "Content-Length: " + &body.len().to_string() + "\r\n";
    }
    head += "\r\n";
    let bytes = [head.into_bytes(), body.unwrap_or_default()].concat();
    Ok(vec![Exchange { bytes, is_head: order.method == "HEAD" }])
}

fn report(
    order: &BenchOrder,
    plan: &Plan,
    placement: &Placement,
    outcome: &Outcome,
) -> BenchReport {
    let figures = &outcome.figures;
    let connections = match plan.connections {
        1 => "1 connection".to_owned(),
        count => format!("{} connections", units::count(count as u64)),
    };
    let how = match plan.load {
        Load::Open { rate } => {
            format!("open loop, {} requests a second", units::count(rate as u64))
        }
        Load::Closed { pipeline: 1 } => "closed loop".to_owned(),
        Load::Closed { pipeline } => format!("closed loop, {pipeline} requests under way on each"),
    };
    let threads = match plan.cpus.len() {
        1 => "1 thread".to_owned(),
        count => format!("{count} threads"),
    };
    let sources = match plan.source_addresses.len() {
        0 => String::new(),
        1 => " from 1 address".to_owned(),
        count => format!(" from {count} addresses"),
    };
    let cpus: Vec<String> = plan.cpus.iter().flatten().map(usize::to_string).collect();
    let place =
        if cpus.is_empty() { String::new() } else { format!(" on CPU {}", cpus.join(", ")) };
    let busy = outcome.seconds.iter().map(|second| second.busy).fold(0.0, f64::max);
    let mut machine = vec![("corelane", env!("CARGO_PKG_VERSION").to_owned())];
    machine.extend(bench::machine_facts());
    BenchReport {
        target: format!("{} {}", order.method, order.url),
        load: format!("{how}, {connections}{sources}, {threads}{place}"),
        rate_asked: order.rate,
        wall: outcome.wall,
        answers: figures.answers,
        statuses: figures.statuses,
        unlike: figures.unlike,
        failures: Lost::ALL.map(|lost| (lost.name(), figures.failed(lost))).into(),
        bytes: (figures.bytes_sent, figures.bytes_received),
        connects: (figures.connects, merged([&figures.connect_times])),
        latencies: merged([&figures.latencies]),
        since_sent: merged([&figures.since_sent]),
        lags: merged([&figures.lags]),
        busy,
        shares_cpu: placement.shares_cpu,
        seconds: outcome.seconds.iter().map(second).collect(),
        server: ServerSide::Unseen("it was not asked for".to_owned()),
        machine,
    }
}

fn second(second: &Second) -> BenchSecond {
    let figures = &second.figures;
    BenchSecond {
        rate: units::per_second(figures.answers, second.wall),
        p50_ns: figures.latencies.value_at_quantile(0.5),
        p99_ns: figures.latencies.value_at_quantile(0.99),
        max_ns: figures.latencies.max(),
        failures: figures.failures.iter().sum(),
    }
}

fn nothing_came(report: &BenchReport, order: &BenchOrder) -> Failure {
    let hint = match report.without_port() {
        0 => format!("try `curl -v {}`", order.url),
        _ => "no port is free: `--source-addresses` brings others, each address its own".to_owned(),
    };
    let failures = report.failures.iter().filter(|(_, count)| *count > 0);
    let failures: Vec<_> = failures.map(|(name, count)| format!("{name} {count}")).collect();
    Failure {
        message: format!("{} answered nothing: {}", order.url, failures.join(", ")),
        hint: Some(hint),
    }
}

/// Prints and writes what was asked for, and chooses the exit code.
fn publish(order: &BenchOrder, report: &BenchReport) -> Result<ExitCode, Failure> {
    let json = report.to_json();
    let mut written = Ok(());
    if let Some(path) = &order.json {
        written = written.and(write(path, &format!("{json}\n")));
    }
    if let Some(path) = &order.hgrm {
        let text = to_hgrm(&report.latencies, TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
        written = written.and(write(path, &text));
    }
    if let Some(path) = &order.html {
        written = written.and(write(path, &to_html(report)));
    }
    let text = match order.report {
        ReportFormat::Text => report.to_text(),
        ReportFormat::Json => format!("{json}\n"),
        ReportFormat::None => String::new(),
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure {
        message: format!("cannot write the report: {error}"),
        hint: None,
    })?;
    written?;
    let mut code = ExitCode::SUCCESS;
    for condition in &order.fail_if {
        let value = report.figure(&condition.figure);
        if value.is_some_and(|value| condition.fails(value)) {
            tell(&format!("failed: {}", condition.text));
            code = ExitCode::from(CODE_CONDITION);
        }
    }
    Ok(code)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure {
        message: format!("cannot write {}: {error}", path.display()),
        hint: None,
    })
}

/// A line a second while somebody looks.
struct Progress {
    is_shown: bool,
    seen: u32,
}

impl Progress {
    fn new() -> Progress {
        Progress { is_shown: io::stderr().is_terminal(), seen: 0 }
    }

    fn show(&mut self, second: &Second) {
        if !self.is_shown {
            return;
        }
        self.seen += 1;
        let figures = &second.figures;
        let rate = units::per_second(figures.answers, second.wall);
        let at = |quantile| units::nanos(figures.latencies.value_at_quantile(quantile));
        let line = match second.number {
            0 => "warm-up".to_owned(),
            number => format!(
                "{number:>4} s  {:>12} a second  P50 {}  P99 {}",
                units::count(rate as u64),
                at(0.5),
                at(0.99)
            ),
        };
        let _ = io::stderr().write_all(format!("\r\x1b[K{line}").as_bytes());
    }

    fn end(&self) {
        if self.seen > 0 {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
