//! The pages of the admin listener: what is asked for under which path, and who may ask.
//! Knows nothing of how figures are gathered.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use super::connections;
use super::feed::Feed;
use super::metrics;
use super::overview::{Overview, Snapshot};
use crate::api::{Error, Handler, HandlerResult, Measured, Reply, Request, Response};
use crate::app::{Router, latency_json};
use crate::control::phase::Phase;
use crate::report::{Form, Json, Latencies, TICKS_PER_HALF_DISTANCE, Unit, to_hgrm};
use crate::wire::status::Status;

/// The application of the admin listener.
pub(super) struct Application {
    router: Router,
    /// Whether it listens on loopback alone.
    is_local: bool,
}

impl Application {
    pub(super) fn new(overview: &Arc<Overview>, feed: &Arc<Feed>, is_local: bool) -> Application {
        let (live, ready, feed) = (Arc::clone(overview), Arc::clone(overview), Arc::clone(feed));
        let looked = |show: fn(&Overview, &Snapshot) -> Result<Reply, Error>| {
            let overview = Arc::clone(overview);
            move |_: &Request<'_>, response: Response<'_>| {
                let overview = Arc::clone(&overview);
                response.later(|later| {
                    later.run_blocking(move || show(&overview, &overview.look()));
                })
            }
        };
        let scraped = Arc::clone(overview);
        let router = Router::new()
            .get("/", |_, response| page(response))
            .get("/livez", move |_, response| livez(&live, response))
            .get("/readyz", move |_, response| readyz(ready.phase(), response))
            .get("/metrics", move |request, response| {
                let overview = Arc::clone(&scraped);
                let form = form_for(request.header("accept").unwrap_or_default());
                response.later(|later| {
                    later.run_blocking(move || {
                        let text = metrics::to_text(&overview.look(), form);
                        Ok(fresh(Reply::text(text), form.content_type()))
                    });
                })
            })
            .get("/connections", looked(|_, seen| Ok(json(&connections::to_json(seen)))))
            .get("/latency", looked(|_, seen| Ok(json(&latency_json(&measured(seen)?)))))
            .get("/latency.hgrm", looked(latency_hgrm))
            .get("/events", move |request, response| feed.show(request, response));
        #[cfg(feature = "bench")]
        let router = router.get("/latency.hlog", looked(latency_hlog));
        Application { router, is_local }
    }
}

impl Handler for Application {
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        // A page elsewhere may have its own name stand for a loopback address and read what is
        // there, but it cannot choose the name that the browser then says, or that it says none.
        if self.is_local && !request.host().is_none_or(is_local_name) {
            let message = "on loopback the host is an IP address or `localhost`";
            return Err(Error::new(Status::MISDIRECTED_REQUEST, message));
        }
        self.router.handle(request, response.header("X-Content-Type-Options", "nosniff"))
    }

    fn check(&self) -> Result<(), String> {
        self.router.check()
    }

    fn routes(&self) -> Vec<String> {
        self.router.routes()
    }
}

/// Whether a `Host`, with a port or without, is an address or the name of this machine.
fn is_local_name(host: &str) -> bool {
    let has_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if has_port(port) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// The dashboard. Its style and its script alone may run, and only this listener is asked.
fn page(response: Response<'_>) -> HandlerResult {
    // Random enough that nothing which came into the page could know it, and nothing does.
    let random = RandomState::new();
    let nonce = format!("{:016x}{:016x}", random.hash_one(0_u8), random.hash_one(1_u8));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    response
        .header("Content-Security-Policy", policy)
        .header("Referrer-Policy", "no-referrer")
        .header("Cache-Control", "no-store")
        .html(include_str!("dashboard.html").replace("{nonce}", &nonce))
}

/// Whether every worker's turn ends.
fn livez(overview: &Overview, response: Response<'_>) -> HandlerResult {
    let stuck = overview.stuck();
    let response = response.header("Cache-Control", "no-store");
    if stuck.is_empty() {
        return response.text("ok\n");
    }
    let mut text = String::new();
    for (place, lasted) in stuck {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{place} has not returned for {} ms", lasted.as_millis());
    }
    response.status(Status::SERVICE_UNAVAILABLE).text(text)
}

/// Whether connections should come.
fn readyz(phase: Phase, response: Response<'_>) -> HandlerResult {
    let response = response.header("Cache-Control", "no-store");
    match phase {
        Phase::Ready => response.text("ok\n"),
        phase => {
            let response = response.status(Status::SERVICE_UNAVAILABLE);
            response.text(format_args!("{}\n", phase.name()))
        }
    }
}

/// What a scraper that accepts this is given.
fn form_for(accept: &str) -> Form {
    let is_open = accept.to_ascii_lowercase().contains("application/openmetrics-text");
    if is_open { Form::OpenMetrics } else { Form::Prometheus }
}

/// An answer that is out of date at once.
fn fresh(reply: Reply, content_type: &str) -> Reply {
    reply.header("Content-Type", content_type).header("Cache-Control", "no-store")
}

fn json(json: &Json) -> Reply {
    fresh(Reply::text(format!("{json}\n")), "application/json")
}

/// The latencies of all workers.
///
/// # Errors
/// 503 if one did not tell: the others' are not those of the server.
fn measured(seen: &Snapshot) -> Result<Measured, Error> {
    if let Some(worker) = seen.silent().first() {
        let message = format!("worker {worker} does not answer");
        return Err(Error::new(Status::SERVICE_UNAVAILABLE, message));
    }
    let workers = seen.told().map(|told| told.latencies.clone()).collect();
    Ok(Measured { uptime: seen.uptime, workers })
}

fn latency_hgrm(_: &Overview, seen: &Snapshot) -> Result<Reply, Error> {
    let measured = measured(seen)?;
    let (service_times, _) = Latencies::together(&measured.workers.iter().collect::<Vec<_>>());
    let text = to_hgrm(&service_times, TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    Ok(fresh(Reply::text(text), "text/plain; charset=utf-8"))
}

/// One interval: everything since the start.
#[cfg(feature = "bench")]
fn latency_hlog(overview: &Overview, seen: &Snapshot) -> Result<Reply, Error> {
    use std::time::{Duration, SystemTime};

    use crate::report::{Interval, to_hlog};

    let measured = measured(seen)?;
    let (histogram, _) = Latencies::together(&measured.workers.iter().collect::<Vec<_>>());
    let began = SystemTime::UNIX_EPOCH + overview.began();
    let text = to_hlog(began, &[Interval { start: Duration::ZERO, len: seen.uptime, histogram }]);
    Ok(fresh(Reply::text(text), "text/plain; charset=utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_name_is_an_address_or_localhost() {
        for host in
            ["127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "[::1]", "localhost:1", "LOCALHOST"]
        {
            assert!(is_local_name(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:9090", "localhost.evil.example", "a:b"] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn a_scraper_is_given_what_it_asks_for() {
        let accept =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        assert_eq!(form_for(accept), Form::OpenMetrics);
        assert_eq!(form_for("text/plain;version=0.0.4"), Form::Prometheus);
        assert_eq!(form_for(""), Form::Prometheus);
    }
}
