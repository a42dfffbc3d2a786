//! Answers that are given later: work that blocks runs on threads for it while the worker serves
//! others, and a request may wait for what another one brings.
//! `cargo run --release --example later`, then `curl http://127.0.0.1:8080/sleep/500`;
//! or `curl http://127.0.0.1:8080/next` and, from elsewhere, `curl -d hello http://127.0.0.1:8080/next`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use corelane::{Later, Reply, Router, Server};

/// Those who wait for the next message, whichever worker they are on.
type Waiting = Arc<Mutex<Vec<Later>>>;

/// Every list has a bound.
const WAITING_MAX: usize = 10_000;
const SLEEP_MS_MAX: u64 = 10_000;

fn application(waiting: &Waiting) -> Router {
    let (asking, telling) = (Arc::clone(waiting), Arc::clone(waiting));
    Router::new()
        .get("/sleep/{ms}", |req, res| {
            let ms = req.param::<u64>("ms")?.min(SLEEP_MS_MAX);
            res.later(|later| {
                later.run_blocking(move || {
                    thread::sleep(Duration::from_millis(ms));
                    Ok(Reply::text(format!("slept {ms} ms\n")))
                });
            })
        })
        .get("/next", move |_req, res| {
            res.later(|later| {
                let mut waiting = asking.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.retain(|later| !later.is_client_gone());
                // One that finds no place is dropped, and answers 500.
                if waiting.len() < WAITING_MAX {
                    waiting.push(later);
                }
            })
        })
        .post("/next", move |req, res| {
            let message = req.body_text()?.to_owned();
            let mut waiting = telling.lock().unwrap_or_else(PoisonError::into_inner);
            let told = waiting.len();
            for later in waiting.drain(..) {
                later.answer(Reply::text(message.clone()));
            }
            res.text(format_args!("told {told}\n"))
        })
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let waiting = Waiting::default();
    Server::bind(address).run(move |_worker| application(&waiting))
}
