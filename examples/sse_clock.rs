//! A clock that tells each second, to as many as listen. A client that lost its connection goes
//! on behind the last second it has seen. `cargo run --release --example sse_clock`, then
//! open http://127.0.0.1:8080/, or `curl -N http://127.0.0.1:8080/clock`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corelane::{Event, Events, Pull, Router, Server};

const PAGE: &str = "<!doctype html><title>Clock</title><h1 id=now>…</h1><script>
new EventSource('/clock').addEventListener('second', event => now.textContent = event.data);
</script>";

/// Seconds that are told again to a client that missed them.
const MISSED_MAX: u64 = 60;

fn application() -> Router {
    Router::new().get("/", |_req, res| res.html(PAGE)).get("/clock", |req, res| {
        let seen = req.last_event_id().and_then(|id| id.parse::<u64>().ok());
        let mut next = None;
        let clock = Events::new(move |events| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let this = now.as_secs();
            let first = seen.map_or(this, |seen| seen.saturating_add(1));
            let from = next.unwrap_or(first).clamp(this - MISSED_MAX, this + 1);
            for second in from..=this {
                let text = second.to_string();
                events.send(&Event::new(&text).id(&text).name("second"))?;
            }
            next = Some(this + 1);
            // At the begin of the next one.
            Ok(Pull::WaitFor(Duration::from_secs(this + 1).saturating_sub(now)))
        });
        clock.retry(Duration::from_secs(1)).answer(res)
    })
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    Server::bind(address).run(|_worker| application())
}
