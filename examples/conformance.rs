//! What the public conformance suites want of a server, and conditional requests done right.
//! `cargo run --release --example conformance`, then point a suite at 127.0.0.1:8080;
//! `tests/conformance.sh` does both.

use std::time::{Duration, SystemTime};

use corelane::{
    Error, HandlerResult, Method, Request, Response, Router, Server, Settings, Status, WorkerInfo,
};

/// The text at `/` and what is known of it.
const TEXT: &str = "corelane speaks HTTP/1.1\n";
const ETAG: &str = "\"corelane-1\"";
/// 1 January 2026, in seconds of Unix time.
const MODIFIED: Duration = Duration::from_secs(1_767_225_600);

/// Called once on each worker's thread. OPTIONS and HEAD are the router's.
pub(crate) fn application(_worker: &WorkerInfo) -> Router {
    let router = Router::new()
        .get("/", text)
        .post("/", body)
        .get("/cookie", |req, res| res.text(cookies(req)));
    [Method::Get, Method::Post, Method::Put, Method::Delete, Method::Patch, Method::Query]
        .into_iter()
        .fold(router, |router, method| {
            router.route(method, "/echo", |req, res| {
                res.content_type("text/plain").bytes(fields(req))
            })
        })
}

/// Http11Probe announces a body of 999,999,999 bytes and wants to be waited for, not a 413.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.body_bytes_max = 1 << 30;
    settings
}

/// The body, unless it is declared to be two things.
fn body(req: &Request<'_>, res: Response<'_>) -> HandlerResult {
    if values(req, "content-type").count() > 1 {
        return Err(Error::bad_request("more than one Content-Type"));
    }
    res.bytes(req.body())
}

/// The text, or 304 for who has it already.
fn text(req: &Request<'_>, res: Response<'_>) -> HandlerResult {
    let modified = SystemTime::UNIX_EPOCH + MODIFIED;
    let res = res.header("ETag", ETAG).header("Last-Modified", httpdate::fmt_http_date(modified));
    if is_known(req, modified) { res.status(Status::NOT_MODIFIED).empty() } else { res.text(TEXT) }
}

/// RFC 9110 section 13.2.2: where there is an `If-None-Match`, `If-Modified-Since` is not asked.
fn is_known(req: &Request<'_>, modified: SystemTime) -> bool {
    if req.header_bytes("if-none-match").is_some() {
        return values(req, "if-none-match").any(names_our_tag);
    }
    let mut dates = values(req, "if-modified-since");
    let (Some(date), None) = (dates.next(), dates.next()) else { return false };
    let date = std::str::from_utf8(date).ok().and_then(|date| httpdate::parse_http_date(date).ok());
    // A date still to come is a wrong clock's: better to send the text once too often.
    date.is_some_and(|date| (modified..=SystemTime::now()).contains(&date))
}

/// Weak comparison (section 8.8.3.2). Our tag has no comma, so a list may be split at each.
fn names_our_tag(list: &[u8]) -> bool {
    let mut tags = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    list == b"*" || tags.any(|tag| tag.strip_prefix(b"W/").unwrap_or(tag) == ETAG.as_bytes())
}

/// The values of every field of this name.
fn values<'a>(req: &Request<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let named = req.headers().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value)
}

/// The fields received, a line each. Names with `_` are left out: gateways write `-` as `_`, and
/// whoever reads them behind one could not tell the two apart.
fn fields(req: &Request<'_>) -> Vec<u8> {
    let shown = req.headers().filter(|(name, _)| !name.contains('_'));
    shown.flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\n"].concat()).collect()
}

/// The cookies received, a line each (RFC 6265 section 5.4).
fn cookies(req: &Request<'_>) -> String {
    let lines = values(req, "cookie").filter_map(|line| std::str::from_utf8(line).ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .flat_map(|(name, value)| [name, "=", value, "\n"])
        .collect()
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    Server::bind(address).settings(settings()).run(application)
}
