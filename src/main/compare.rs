//! `corelane bench --versus` and `corelane report`: whether two things differ, and what several
//! logs say together. Knows nothing of how a load generator works.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use corelane::config::{BenchOrder, ReportFormat, ReportOrder, Url};
use corelane::report::compare::{Comparison, middle, paired, table, unpaired};
use corelane::report::{
    BenchReport, Interval, Json, Summary, TICKS_PER_HALF_DISTANCE, Table, Unit, from_hlog, merged,
    to_hgrm, units,
};

use super::bench_command::{measure, read, write};
use super::{Failure, tell};

/// What two loads are compared by.
const FIGURES: [&str; 5] = ["rate", "p50", "p90", "p99", "p99.9"];

/// Name and version of the JSON form of a comparison.
const VERSUS_SCHEMA: &str = "corelane-versus/1";

/// Runs two loads by turns, so that what changes meanwhile changes both, and compares them.
pub(super) fn versus(order: &BenchOrder, other: &Url, pairs: usize) -> Result<ExitCode, Failure> {
    let other = BenchOrder { url: other.clone(), ..order.clone() };
    let mut reports: Vec<(BenchReport, BenchReport)> = Vec::new();
    for pair in 0..pairs {
        tell(&format!("pair {} of {pairs}", pair + 1));
        // Each is the first of a pair as often as the other.
        let (first, second) = if pair % 2 == 0 { (order, &other) } else { (&other, order) };
        let (one, two) = (measure(first)?.0, measure(second)?.0);
        reports.push(if pair % 2 == 0 { (one, two) } else { (two, one) });
    }
    let comparisons = FIGURES.map(|figure| {
        let of = |report: &BenchReport| report.figure(figure).unwrap_or_default();
        let pairs: Vec<_> = reports.iter().map(|(one, two)| (of(one), of(two))).collect();
        let (ones, twos): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let sides = (show(figure, middle(&ones)), show(figure, middle(&twos)));
        Comparison { name: figure, sides, ratio: paired(&pairs) }
    });
    let has_doubts = |(one, two): &&(BenchReport, BenchReport)| {
        !(one.doubts().is_empty() && two.doubts().is_empty())
    };
    let text = format!(
        "first   {}\nsecond  {}\n{pairs} pairs of {} each, {} of them with doubts\n\n{}",
        order.url,
        other.url,
        units::span(order.duration),
        reports.iter().filter(has_doubts).count(),
        table(("first", "second"), &comparisons)
    );
    publish(order, &to_json(order, &other, &reports, &comparisons), &text)
}

/// Prints the form that was asked for, and writes the file.
pub(super) fn publish(order: &BenchOrder, json: &Json, text: &str) -> Result<ExitCode, Failure> {
    let line = format!("{json}\n");
    let written = order.json.as_ref().map_or(Ok(()), |path| write(path, &line));
    match order.report {
        ReportFormat::Text => print(text)?,
        ReportFormat::Json => print(&line)?,
        ReportFormat::None => {}
    }
    written.map(|()| ExitCode::SUCCESS)
}

/// A figure as people read it.
fn show(figure: &str, value: f64) -> String {
    if figure == "rate" { units::count(value as u64) } else { units::nanos(value as u64) }
}

fn to_json(
    order: &BenchOrder,
    other: &BenchOrder,
    reports: &[(BenchReport, BenchReport)],
    comparisons: &[Comparison],
) -> Json {
    let ratios = comparisons.iter().map(|comparison| {
        let ratio = comparison.ratio.map_or(Json::Null, |ratio| {
            Json::object([
                ("ratio", Json::Float(ratio.ratio)),
                ("low", Json::Float(ratio.interval.0)),
                ("high", Json::Float(ratio.interval.1)),
                ("differs", Json::Bool(ratio.differs())),
            ])
        });
        (comparison.name, ratio)
    });
    let runs = reports.iter().map(|(one, two)| Json::List(vec![one.to_json(), two.to_json()]));
    Json::object([
        ("schema", Json::text(VERSUS_SCHEMA)),
        ("first", Json::text(order.url.to_string())),
        ("second", Json::text(other.url.to_string())),
        ("second_over_first", Json::object(ratios)),
        ("pairs", Json::List(runs.collect())),
    ])
}

/// Reads logs and tells what they say together, or how the second differs from the first.
pub(super) fn report(order: &ReportOrder) -> Result<ExitCode, Failure> {
    let mut logs = Vec::new();
    for path in &order.files {
        logs.push(read_log(path)?);
    }
    if let (true, [first, second]) = (order.compares, logs.as_slice()) {
        let names = [0, 1].map(|file| order.files[file].display().to_string());
        let text = table((&names[0], &names[1]), &compare(first, second)).to_string();
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut summary = Table::new(["", "count"].into_iter().chain(Summary::FIGURES));
    let mut row = |name: String, intervals: &[&Interval]| {
        let whole = merged(intervals.iter().map(|interval| &interval.histogram));
        if let Some(figures) = Summary::of(&whole) {
            let cells = figures.figures().map(units::nanos);
            summary.row([name, units::count(figures.count)].into_iter().chain(cells));
        }
        whole
    };
    for (path, log) in order.files.iter().zip(&logs) {
        row(path.display().to_string(), &log.iter().collect::<Vec<_>>());
    }
    let all: Vec<&Interval> = logs.iter().flatten().collect();
    let whole = row("together".to_owned(), &all);
    print(&summary.to_string())?;
    if let Some(path) = &order.hgrm {
        write(path, &to_hgrm(&whole, TICKS_PER_HALF_DISTANCE, Unit::Milliseconds))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_log(path: &Path) -> Result<Vec<Interval>, Failure> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    from_hlog(&text).map_err(|error| Failure {
        message: format!("cannot read {}: {error}", path.display()),
        hint: Some("`corelane bench --hlog FILE` writes such a log".to_owned()),
    })
}

/// The figures of each second of two logs against each other.
fn compare(first: &[Interval], second: &[Interval]) -> Vec<Comparison> {
    let figures: [(&str, Option<f64>); 4] =
        [("rate", None), ("p50", Some(0.5)), ("p90", Some(0.9)), ("p99", Some(0.99))];
    let compare = |(name, quantile): (&'static str, Option<f64>)| {
        let of = |interval: &Interval| match quantile {
            Some(quantile) => interval.histogram.value_at_quantile(quantile) as f64,
            None => units::per_second(interval.histogram.len(), interval.len),
        };
        let ones: Vec<f64> = first.iter().map(of).collect();
        let twos: Vec<f64> = second.iter().map(of).collect();
        let sides = (show(name, middle(&ones)), show(name, middle(&twos)));
        Comparison { name, sides, ratio: unpaired(&ones, &twos) }
    };
    figures.into_iter().map(compare).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure {
        message: format!("cannot write the report: {error}"),
        hint: None,
    })
}
