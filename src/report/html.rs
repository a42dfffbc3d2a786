//! The report of a load generator as one page that needs nothing else: no script, no network.
//! Knows nothing of how it was measured.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are shown with a few digits, and none is negative"
)]

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::bench::BenchReport;
use super::svg::{Axis, Line, escape, plot};
use super::units;
use super::views::ServerSide;

const STYLE: &str = "\
:root{--bg:#fff;--fg:#1a1c1f;--dim:#667;--grid:#e3e5ea;--s0:#2a6fdb;--s1:#d4582a;--s2:#2f9e5b;\
--s3:#8a4fc7}\
@media(prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e6e8ec;--dim:#98a;--grid:#2c3037;\
--s0:#6aa5ff;--s1:#ff8f5e;--s2:#5fd08b;--s3:#bd8cf5}}\
body{background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif;max-width:800px;\
margin:2rem auto;padding:0 1rem}\
h1{font-size:1.25rem;margin:0;overflow-wrap:anywhere}\
.dim,figcaption,.legend{color:var(--dim)}\
figure{margin:2rem 0}svg{width:100%;height:auto}\
.grid{stroke:var(--grid);stroke-width:1}\
.mark,.axis{fill:var(--dim);font-size:12px}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}\
.s0{stroke:var(--s0);background:var(--s0)}.s1{stroke:var(--s1);background:var(--s1)}\
.s2{stroke:var(--s2);background:var(--s2)}.s3{stroke:var(--s3);background:var(--s3)}\
.legend span{margin-right:1.2em}.legend i{display:inline-block;width:1.2em;height:3px;\
margin-right:.4em;vertical-align:middle}\
pre{overflow-x:auto;font:13px/1.4 ui-monospace,monospace}";

/// The page: three plots, and the report as text.
pub fn to_html(report: &BenchReport) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style></head><body>\n\
         <h1>{0}</h1>\n<p class=\"dim\">{1}</p>\n",
        escape(&report.target),
        escape(&report.load)
    );
    page.push_str(&percentiles(report));
    page.push_str(&over_time(report));
    page.push_str(&rates(report));
    // Writing to a string cannot fail.
    let _ = write!(page, "<pre>{}</pre>\n</body></html>\n", escape(&report.to_text()));
    page
}

/// Latency against percentile, the way to 100 % on a logarithmic scale.
fn percentiles(report: &BenchReport) -> String {
    let curve = |name: &str, histogram: &Histogram<u64>| Line {
        name: name.to_owned(),
        points: points(histogram),
    };
    let mut lines = vec![curve("latency", &report.latencies)];
    if !report.since_sent.is_empty() {
        lines.push(curve("since it was sent", &report.since_sent));
    }
    if let ServerSide::Seen(view) = &report.server {
        lines.push(curve("service time in the server", &view.service_times));
    }
    let rarest = report.latencies.len().max(10) as f64;
    let x = Axis::log("of all requests are at most as slow", 1.0, rarest, share);
    let (least, most) = extremes(&lines);
    let y = Axis::log("latency", least, most, name_of_nanos);
    plot("Latency by percentile", &x, &y, &lines)
}

/// `1 / (1 - quantile)` and the latency there.
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let total = histogram.len() as f64;
    let mut below = 0.0;
    let mut points = Vec::new();
    for bucket in histogram.iter_recorded() {
        // A bucket begins where those below it end, and the last ends at all.
        points.push((total / (total - below).max(1.0), bucket.value_iterated_to() as f64));
        below += bucket.count_at_value() as f64;
    }
    points.extend(points.last().map(|(_, value)| (total, *value)));
    points
}

/// 10 is 90 %, 100 is 99 %.
fn share(inverse: f64) -> String {
    let nines = inverse.log10().round() as usize;
    match nines {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more - 2)),
    }
}

fn over_time(report: &BenchReport) -> String {
    let line = |name: &str, of: &dyn Fn(usize) -> u64| Line {
        name: name.to_owned(),
        points: (0..report.seconds.len())
            .map(|second| (second as f64 + 1.0, of(second) as f64))
            .collect(),
    };
    let seconds = &report.seconds;
    let lines = [
        line("P50", &|second| seconds[second].p50_ns),
        line("P99", &|second| seconds[second].p99_ns),
        line("max", &|second| seconds[second].max_ns),
    ];
    let (least, most) = extremes(&lines);
    let y = Axis::log("latency", least, most, name_of_nanos);
    plot("Latency of each second", &time(report), &y, &lines)
}

fn rates(report: &BenchReport) -> String {
    let points = report.seconds.iter().enumerate();
    let points = points.map(|(second, figures)| (second as f64 + 1.0, figures.rate)).collect();
    let mut lines = vec![Line { name: "answered".to_owned(), points }];
    if let Some(asked) = report.rate_asked {
        let ends = [1.0, report.seconds.len().max(2) as f64];
        let points = ends.map(|second| (second, asked)).into();
        lines.push(Line { name: "asked".to_owned(), points });
    }
    let (_, most) = extremes(&lines);
    let count = |value: f64| units::count(value as u64);
    let y = Axis::linear("requests a second", most, count);
    plot("Rate", &time(report), &y, &lines)
}

fn time(report: &BenchReport) -> Axis {
    let most = report.seconds.len().max(2) as f64;
    Axis::linear("seconds", most, |second| second.to_string())
}

/// The least and the greatest value of some lines, above 0.
fn extremes(lines: &[Line]) -> (f64, f64) {
    let values = || lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let least = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let most = values().fold(0.0, f64::max);
    if least.is_finite() { (least, most) } else { (1.0, 10.0) }
}

fn name_of_nanos(nanos: f64) -> String {
    let (value, unit) = match nanos {
        nanos if nanos >= 1e9 => (nanos / 1e9, "s"),
        nanos if nanos >= 1e6 => (nanos / 1e6, "ms"),
        nanos if nanos >= 1e3 => (nanos / 1e3, "µs"),
        nanos => (nanos, "ns"),
    };
    format!("{value:.0} {unit}")
}
