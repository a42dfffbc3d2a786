//! The command line of `corelane bench`, each value checked alone.
//! Knows nothing of what a load generator does with them.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::ReportFormat;
use super::choices::Switch;
use super::source_addresses::SourceAddresses;
use super::url::Url;
use super::values::{Time, ValueError, number, workers};

/// Where a server tells what it measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ViewPlace {
    Elsewhere(Url),
    Nowhere,
    /// On the server that is measured.
    Path(Url),
}

impl ViewPlace {
    fn on(self, server: &Url) -> Option<Url> {
        match self {
            ViewPlace::Elsewhere(url) => Some(url),
            ViewPlace::Nowhere => None,
            ViewPlace::Path(Url { target, .. }) => {
                Some(Url { host: server.host.clone(), port: server.port, target })
            }
        }
    }
}

impl FromStr for ViewPlace {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<ViewPlace, ValueError> {
        match text {
            "off" => Ok(ViewPlace::Nowhere),
            // Any host will do: it is not asked.
            path if path.starts_with('/') => Ok(ViewPlace::Path(format!("host{path}").parse()?)),
            url => Ok(ViewPlace::Elsewhere(url.parse()?)),
        }
    }
}

/// A field of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine {
    /// A token.
    pub name: String,
    /// Without blanks around it.
    pub value: String,
}

impl FromStr for FieldLine {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<FieldLine, ValueError> {
        let hint = "a name, a colon and a value: `Accept: text/html`";
        let (name, value) =
            text.split_once(':').ok_or_else(|| ValueError::new("no colon in the field", hint))?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(ValueError::new("no field name before the colon", hint));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(ValueError::new("a control character in the value", hint));
        }
        Ok(FieldLine { name: name.to_owned(), value: value.trim().to_owned() })
    }
}

/// What makes a run fail: a figure beyond a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// One of [`Condition::FIGURES`].
    pub figure: String,
    /// Whether the run fails above the limit, or else below it.
    pub is_above: bool,
    /// Whether it fails at the limit too.
    pub or_at: bool,
    /// Nanoseconds for latencies, a second for rates, else a count.
    pub limit: f64,
}

impl Condition {
    /// What can be compared.
    pub const FIGURES: [&'static str; 10] =
        ["p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "rate", "failures"];

    /// Whether a figure of this value makes the run fail.
    pub fn fails(&self, value: f64) -> bool {
        let is_beyond = if self.is_above { value > self.limit } else { value < self.limit };
        is_beyond || (self.or_at && (value - self.limit).abs() < f64::EPSILON)
    }
}

impl FromStr for Condition {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Condition, ValueError> {
        let hint = "such as `p99>500us`, `p99.9>=2ms`, `rate<50000` or `failures>0`";
        let wrong = |why: &str| ValueError::new(why, hint);
        let at = text.find(['<', '>']).ok_or_else(|| wrong("no `>` or `<` in the condition"))?;
        let (figure, rest) = (text[..at].trim().to_lowercase(), &text[at..]);
        if !Condition::FIGURES.contains(&figure.as_str()) {
            return Err(wrong("no such figure"));
        }
        let is_above = rest.starts_with('>');
        let or_at = rest[1..].starts_with('=');
        let limit = rest[1 + usize::from(or_at)..].trim();
        let is_time = !matches!(figure.as_str(), "rate" | "failures");
        let units: &[(&str, f64)] = if is_time { &TIMES } else { &[("", 1.0)] };
        let digits = limit.find(|next: char| !next.is_ascii_digit() && next != '.');
        let (amount, unit) = limit.split_at(digits.unwrap_or(limit.len()));
        let unit = units.iter().find(|(name, _)| *name == unit.trim());
        let limit = unit.zip(amount.parse::<f64>().ok()).map(|((_, unit), amount)| unit * amount);
        let limit = limit
            .ok_or_else(|| wrong(if is_time { "no time with its unit" } else { "no number" }))?;
        Ok(Condition { text: text.to_owned(), figure, is_above, or_at, limit })
    }
}

const TIMES: [(&str, f64); 5] = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];

/// Everything `corelane bench` was told, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchOrder {
    /// What is asked.
    pub url: Url,
    /// Whether many rates are tried, up to more than the server can do.
    pub sweeps: bool,
    /// What is compared with it, in so many pairs of runs.
    pub versus: Option<(Url, usize)>,
    /// Connections that are kept open.
    pub connections: usize,
    /// Threads; `None`: one for each processor that the server does not use.
    pub threads: Option<NonZeroUsize>,
    /// Whether each thread stays on its own processor.
    pub pin: bool,
    /// How long everything is counted.
    pub duration: Duration,
    /// How long before that nothing is.
    pub warm_up: Duration,
    /// Requests a second; `None`: a closed loop.
    pub rate: Option<f64>,
    /// Requests under way on a connection of a closed loop.
    pub pipeline: usize,
    /// The method of the requests.
    pub method: String,
    /// Fields of the requests besides those that they need.
    pub fields: Vec<FieldLine>,
    /// Their body.
    pub body: Option<String>,
    /// A file that holds their body.
    pub body_file: Option<PathBuf>,
    /// Files that hold requests as they are sent, instead of those.
    pub raw: Vec<PathBuf>,
    /// Requests after which a connection is closed.
    pub requests_per_connection: Option<u32>,
    /// Addresses that connections come from, in turn; none: the kernel chooses.
    pub source_addresses: Vec<IpAddr>,
    /// After so long without an answer a request has failed.
    pub timeout: Duration,
    /// Where the server tells what it measured; `None`: it is not asked.
    pub server_view: Option<Url>,
    /// What to print at the end.
    pub report: ReportFormat,
    /// Where to write the report as JSON.
    pub json: Option<PathBuf>,
    /// Where to write the distribution of latencies.
    pub hgrm: Option<PathBuf>,
    /// Where to write the histograms of each second.
    pub hlog: Option<PathBuf>,
    /// Where to write the report as a page.
    pub html: Option<PathBuf>,
    /// What makes the run fail.
    pub fail_if: Vec<Condition>,
}

const LOAD: &str = "Load";
const REQUESTS: &str = "Requests";
const OUTPUT: &str = "Output";

#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// What to ask: http://HOST:PORT/PATH
    #[arg(value_name = "URL")]
    pub(super) url: Url,

    /// Try rates up to more than the server can do, each for --duration, and find the knee
    #[arg(long)]
    #[arg(conflicts_with_all = ["rate", "pipeline", "versus", "hgrm", "hlog", "html", "fail_if"])]
    pub(super) sweep: bool,

    /// Another URL to compare with, in runs that take turns
    #[arg(long, value_name = "URL", conflicts_with_all = ["hgrm", "hlog", "html", "fail_if"])]
    pub(super) versus: Option<Url>,

    /// Pairs of runs of --versus; 6 are the fewest that can tell a difference
    #[arg(long, value_name = "N", value_parser = number::<usize>, default_value_t = 9)]
    #[arg(requires = "versus")]
    pub(super) pairs: usize,

    /// Requests a second, at fixed moments; latencies count from when each was due
    ///
    /// Without it, each connection sends its next request when it has an answer: a closed
    /// loop, which asks a slow server less often and shows latencies that no user has.
    #[arg(verbatim_doc_comment)]
    #[arg(long, short = 'r', value_name = "N", help_heading = LOAD, value_parser = number::<f64>)]
    pub(super) rate: Option<f64>,

    /// Connections that are kept open
    #[arg(long, short = 'c', value_name = "N", help_heading = LOAD)]
    #[arg(value_parser = number::<usize>, default_value_t = 64)]
    pub(super) connections: usize,

    /// How long to measure
    #[arg(long, short = 'd', value_name = "TIME", help_heading = LOAD, default_value = "10s")]
    pub(super) duration: Time,

    /// How long to ask before measuring
    #[arg(long, value_name = "TIME", help_heading = LOAD, default_value = "1s")]
    pub(super) warm_up: Time,

    /// Requests under way on each connection of a closed loop
    #[arg(long, value_name = "N", help_heading = LOAD, conflicts_with = "rate")]
    #[arg(value_parser = number::<usize>, default_value_t = 1)]
    pub(super) pipeline: usize,

    /// Requests after which a connection is closed and another made
    ///
    /// Ports of closed connections rest for a minute: --source-addresses has more of them. With
    /// `-H "Connection: close"` the server closes first, and they rest with it.
    #[arg(verbatim_doc_comment)]
    #[arg(long, value_name = "N", help_heading = LOAD, value_parser = number::<u32>)]
    pub(super) requests_per_connection: Option<u32>,

    /// Addresses of this machine that connections come from, in turn
    ///
    /// As `127.0.0.2-127.0.0.9,127.0.1.1`. Each has some 28,000 ports to a server's one.
    #[arg(verbatim_doc_comment)]
    #[arg(long, alias = "source-ip", value_name = "LIST", help_heading = LOAD)]
    pub(super) source_addresses: Option<SourceAddresses>,

    /// After this long without an answer a request has failed
    #[arg(long, value_name = "TIME", help_heading = LOAD, default_value = "10s")]
    pub(super) timeout: Time,

    /// Threads [default: one for each CPU that the server does not use]
    #[arg(long, short = 't', value_name = "N", help_heading = LOAD, value_parser = workers)]
    pub(super) threads: Option<NonZeroUsize>,

    /// Whether each thread stays on its own CPU
    #[arg(long, value_name = "on|off", help_heading = LOAD, default_value = "on")]
    pub(super) pin: Switch,

    /// Method
    #[arg(long, short = 'X', value_name = "METHOD", help_heading = REQUESTS)]
    #[arg(value_parser = method)]
    pub(super) method: Option<String>,

    /// Field, as `Name: value`; may be repeated
    #[arg(long = "header", short = 'H', value_name = "FIELD", help_heading = REQUESTS)]
    pub(super) fields: Vec<FieldLine>,

    /// Body; the method is then POST unless it is named
    #[arg(long, value_name = "TEXT", help_heading = REQUESTS, conflicts_with = "body_file")]
    pub(super) body: Option<String>,

    /// File that holds the body
    #[arg(long, value_name = "FILE", help_heading = REQUESTS)]
    pub(super) body_file: Option<PathBuf>,

    /// File that holds a whole request; may be repeated, they take turns
    #[arg(long, value_name = "FILE", help_heading = REQUESTS)]
    #[arg(conflicts_with_all = ["method", "fields", "body", "body_file"])]
    pub(super) raw: Vec<PathBuf>,

    /// Where the server tells what it measured: a path on it, a URL, or off
    ///
    /// Asked before the run, at the end of the warm-up and after it; the report then shows both
    /// views side by side. A server that does not tell is measured all the same.
    #[arg(verbatim_doc_comment)]
    #[arg(long, value_name = "PATH|URL|off", help_heading = OUTPUT)]
    #[arg(default_value = "/api/latency")]
    pub(super) server_view: ViewPlace,

    /// What to print at the end, on standard output
    #[arg(long, value_name = "text|json|none", help_heading = OUTPUT, default_value = "text")]
    pub(super) report: ReportFormat,

    /// Where to write the report as JSON
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(super) json: Option<PathBuf>,

    /// Where to write the distribution of latencies, in HdrHistogram's percentile format
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(super) hgrm: Option<PathBuf>,

    /// Where to write a histogram of each second, in HdrHistogram's interval log format
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(super) hlog: Option<PathBuf>,

    /// Where to write the report as a page with plots, complete in itself
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(super) html: Option<PathBuf>,

    /// Exit with code 3 if a figure is beyond a limit, as `p99>500us`; may be repeated
    #[arg(long, value_name = "CONDITION", help_heading = OUTPUT)]
    pub(super) fail_if: Vec<Condition>,
}

/// A method: letters, digits and hyphens, as in every registered one.
fn method(text: &str) -> Result<String, ValueError> {
    let is_token =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_token {
        return Ok(text.to_owned());
    }
    Err(ValueError::new("not a method", "such as `GET` or `POST`"))
}

impl From<BenchArgs> for BenchOrder {
    fn from(args: BenchArgs) -> BenchOrder {
        let has_body = args.body.is_some() || args.body_file.is_some();
        let usual = if has_body { "POST" } else { "GET" };
        BenchOrder {
            sweeps: args.sweep,
            versus: args.versus.map(|url| (url, args.pairs)),
            server_view: args.server_view.on(&args.url),
            url: args.url,
            connections: args.connections,
            threads: args.threads,
            pin: args.pin == Switch::On,
            duration: args.duration.0,
            warm_up: args.warm_up.0,
            rate: args.rate,
            pipeline: args.pipeline,
            method: args.method.unwrap_or_else(|| usual.to_owned()),
            fields: args.fields,
            body: args.body,
            body_file: args.body_file,
            raw: args.raw,
            requests_per_connection: args.requests_per_connection,
            source_addresses: args.source_addresses.map_or_else(Vec::new, |list| list.0),
            timeout: args.timeout.0,
            report: args.report,
            json: args.json,
            hgrm: args.hgrm,
            hlog: args.hlog,
            html: args.html,
            fail_if: args.fail_if,
        }
    }
}

/// Everything `corelane report` was told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOrder {
    /// Interval logs, at least one; two are compared if that was asked for.
    pub files: Vec<PathBuf>,
    /// Whether the second is compared with the first, instead of all being put together.
    pub compares: bool,
    /// Where to write the distribution of all together.
    pub hgrm: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Interval logs of HdrHistogram (.hlog), in nanoseconds
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,

    /// Compare the second file with the first
    #[arg(long, conflicts_with = "hgrm")]
    pub(super) compare: bool,

    /// Where to write the distribution of all together, in HdrHistogram's percentile format
    #[arg(long, value_name = "FILE")]
    pub(super) hgrm: Option<PathBuf>,
}

impl From<ReportArgs> for ReportOrder {
    fn from(args: ReportArgs) -> ReportOrder {
        ReportOrder { files: args.files, compares: args.compare, hgrm: args.hgrm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, host, port, target) in [
            ("http://127.0.0.1:8080/path?q=1", "127.0.0.1", 8080, "/path?q=1"),
            ("localhost", "localhost", 80, "/"),
            ("http://[::1]:9/", "::1", 9, "/"),
            ("http://[::1]", "::1", 80, "/"),
            ("example?x", "example", 80, "/?x"),
        ] {
            let expected = Url { host: host.to_owned(), port, target: target.to_owned() };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!("http://[::1]:9/a".parse::<Url>().unwrap().to_string(), "http://[::1]:9/a");
        for text in
            ["https://a/", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a b/", "a/#f"]
        {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_view_is_on_the_server_elsewhere_or_nowhere() {
        let server: Url = "http://[::1]:9/x".parse().unwrap();
        let on = |text: &str| text.parse::<ViewPlace>().unwrap().on(&server);
        assert_eq!(on("/api/latency"), "http://[::1]:9/api/latency".parse().ok());
        assert_eq!(on("http://127.0.0.1:7/a"), "http://127.0.0.1:7/a".parse().ok());
        assert_eq!(on("off"), None);
        assert!("/a b".parse::<ViewPlace>().is_err());
    }

    #[test]
    fn conditions_have_figure_limit_and_unit() {
        let condition: Condition = "P99.9 >= 2ms".parse().unwrap();
        assert_eq!((condition.figure.as_str(), condition.limit), ("p99.9", 2e6));
        assert!(condition.fails(2e6) && condition.fails(3e6) && !condition.fails(1e6));
        let condition: Condition = "rate<50000".parse().unwrap();
        assert!(condition.fails(49_999.0) && !condition.fails(50_000.0));
        for text in ["p99", "p98>1ms", "p99>1", "p99>ms", "rate>1ms", "failures>", "p99>1 h"] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }

    #[test]
    fn fields_are_names_and_values() {
        let field: FieldLine = "Accept:  text/html ".parse().unwrap();
        assert_eq!((field.name.as_str(), field.value.as_str()), ("Accept", "text/html"));
        for text in ["Accept", ": x", "A b: c", "A: \r\n"] {
            assert!(text.parse::<FieldLine>().is_err(), "{text}");
        }
    }
}
