//! State of each worker's own: a cache that several handlers share without a lock.
//! `cargo run --release --example state`, then `curl http://127.0.0.1:8080/primes/1000000` a few
//! times: each worker counts once and remembers. `/worker` shows what the one that answers knows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use corelane::{Error, Router, Server, WorkerInfo};
use serde::Serialize;

/// Every table has a bound; a full one begins anew.
const CACHED_MAX: usize = 1_000;

/// One worker's memory. Nobody else can reach it, so nothing has to be locked.
#[derive(Default)]
struct Cache {
    primes: HashMap<u32, usize>,
    found: u64,
    counted: u64,
}

impl Cache {
    fn primes_up_to(&mut self, limit: u32) -> usize {
        if let Some(primes) = self.primes.get(&limit) {
            self.found += 1;
            return *primes;
        }
        self.counted += 1;
        if self.primes.len() >= CACHED_MAX {
            self.primes.clear();
        }
        *self.primes.entry(limit).or_insert_with(|| count_primes(limit))
    }
}

#[derive(Serialize)]
struct Report {
    worker: usize,
    of: usize,
    cpu: Option<usize>,
    /// Answers that the cache had.
    found: u64,
    /// Answers that had to be worked out.
    counted: u64,
}

/// Called once on the thread of each worker: what it makes never leaves that thread, so `Rc` and
/// `RefCell` do.
fn application(worker: &WorkerInfo) -> Router {
    let cache = Rc::new(RefCell::new(Cache::default()));
    let (seen, worker) = (Rc::clone(&cache), worker.clone());
    Router::new()
        .get("/primes/{limit}", move |req, res| {
            let limit: u32 = req.param("limit")?;
            if limit > 10_000_000 {
                return Err(Error::bad_request("that would keep the others waiting"));
            }
            res.text(format_args!("{}\n", cache.borrow_mut().primes_up_to(limit)))
        })
        .get("/worker", move |_req, res| {
            let Cache { found, counted, .. } = *seen.borrow();
            let (index, of, cpu) = (worker.index(), worker.workers(), worker.cpu());
            res.json(&Report { worker: index, of, cpu, found, counted })
        })
}

/// The sieve of Eratosthenes.
fn count_primes(limit: u32) -> usize {
    let limit = limit as usize;
    let mut is_prime = vec![true; limit + 1];
    is_prime[..2.min(limit + 1)].fill(false);
    let mut factor = 2;
    while factor * factor <= limit {
        if is_prime[factor] {
            is_prime[factor * factor..].iter_mut().step_by(factor).for_each(|it| *it = false);
        }
        factor += 1;
    }
    is_prime.iter().filter(|it| **it).count()
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    Server::bind(address).run(application)
}
