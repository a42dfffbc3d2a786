//! Answers given again without the handler, as a shared cache may (RFC 9111).
//! Knows nothing of routes: whatever stands behind it is asked once in a while.

mod rules;
mod store;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use self::rules::{Life, known_lines, life, push_values};
use self::store::{Store, Stored};
use crate::api::{
    AnswerCount, AnswerCounts, Error, Fields, Given, Hook, Keep, Made, Next, Request,
};
use crate::clock::Clock;
use crate::limits::{KEPT_ANSWERS_BYTES_MAX, KEPT_ANSWERS_MAX};
use crate::mem::Bytes;
use crate::wire::cache_control::CacheControl;
use crate::wire::conditional::{Preconditions, Validators, Verdict};
use crate::wire::encode;
use crate::wire::field_lines::{self, values};
use crate::wire::head::Method;
use crate::wire::status::Status;

/// Keeps the answers to GET and gives them to later GET and HEAD requests, with `Age`, without
/// asking what stands behind it. Each worker has its own.
///
/// What is kept: 200 for as long as `Cache-Control` or `Expires` say, else for
/// [`ResponseCache::max_age`]; 203, 204, 300, 301, 404 and 410 only if they say how long. Never
/// what is `private`, `no-store` or `no-cache`, has `Set-Cookie`, varies by everything, was asked
/// for with credentials and is not `public`, or is streamed. Requests have their say: `no-store`,
/// `no-cache`, `max-age`, `min-fresh`, `only-if-cached`. An unsafe request of a target has its
/// answers forgotten, by this worker alone.
///
/// Put it behind hooks that must see every request, before `Compression` to keep what is
/// compressed, and never where an answer depends on what neither the target nor `Vary` names.
#[derive(Clone)]
pub struct ResponseCache {
    clock: Clock,
    max_age: Duration,
    bytes_max: usize,
    entries_max: usize,
    /// Made with the first request, so that copies share nothing before.
    store: Option<Rc<RefCell<Store>>>,
    counts: CacheCounts,
    /// Where keys are written.
    key: Vec<u8>,
}

/// What a [`ResponseCache`] did, for the worker it runs on. `/metrics` has the sums of a worker's
/// caches as `corelane_response_cache_total`.
#[derive(Clone, Debug, Default)]
pub struct CacheCounts(Rc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hits: Cell<u64>,
    misses: Cell<u64>,
    stored: Cell<u64>,
    evicted: Cell<u64>,
    bytes: Cell<usize>,
    /// Those of the worker, once there was a request.
    of_worker: OnceCell<Arc<AnswerCounts>>,
}

impl CacheCounts {
    /// Requests that were answered without the handler.
    pub fn hits(&self) -> u64 {
        self.0.hits.get()
    }

    /// GET and HEAD requests that were not.
    pub fn misses(&self) -> u64 {
        self.0.misses.get()
    }

    /// Answers that were kept.
    pub fn stored(&self) -> u64 {
        self.0.stored.get()
    }

    /// Answers that were given up for others.
    pub fn evicted(&self) -> u64 {
        self.0.evicted.get()
    }

    fn add(&self, what: AnswerCount, count: u64) {
        let own = match what {
            AnswerCount::CacheHit => &self.0.hits,
            AnswerCount::CacheMiss => &self.0.misses,
            AnswerCount::CacheStored => &self.0.stored,
            _ => &self.0.evicted,
        };
        own.set(own.get() + count);
        if let Some(counts) = self.0.of_worker.get() {
            counts.add(what, count);
        }
    }

    /// Bytes that are kept now.
    pub fn bytes(&self) -> usize {
        self.0.bytes.get()
    }
}

impl Default for ResponseCache {
    fn default() -> ResponseCache {
        ResponseCache {
            clock: Clock::new(),
            max_age: Duration::ZERO,
            bytes_max: KEPT_ANSWERS_BYTES_MAX,
            entries_max: KEPT_ANSWERS_MAX,
            store: None,
            counts: CacheCounts::default(),
            key: Vec::new(),
        }
    }
}

impl ResponseCache {
    /// Keeps only answers that say for how long, up to 8 MiB and 4,096 of them.
    pub fn new() -> ResponseCache {
        ResponseCache::default()
    }

    /// For how long an answer of 200 is kept that does not say so itself.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> ResponseCache {
        self.max_age = time;
        self
    }

    /// How many bytes a worker keeps, keys and fields included. None larger than an eighth of
    /// it is kept.
    #[must_use]
    pub fn bytes_max(mut self, bytes: usize) -> ResponseCache {
        self.bytes_max = bytes;
        self
    }

    /// How many answers a worker keeps; each target takes one place more.
    #[must_use]
    pub fn answers_max(mut self, answers: usize) -> ResponseCache {
        self.entries_max = answers;
        self
    }

    /// What it counts.
    pub fn counts(&self) -> CacheCounts {
        self.counts.clone()
    }

    fn store(&mut self) -> Rc<RefCell<Store>> {
        let (bytes_max, entries_max) = (self.bytes_max, self.entries_max);
        let make = || Rc::new(RefCell::new(Store::new(bytes_max, entries_max)));
        Rc::clone(self.store.get_or_insert_with(make))
    }

    /// What is kept for this request and may be given to it, with its age.
    fn find(
        &mut self,
        store: &RefCell<Store>,
        request: &Request<'_>,
        asked: &CacheControl,
    ) -> Option<(Rc<Stored>, Duration)> {
        let mut store = store.borrow_mut();
        let varies = store.target(&self.key)?;
        let target_len = self.key.len();
        push_variant(&mut self.key, varies.generation, &varies.names, |name| {
            request.header_values(name)
        });
        let stored = store.answer(&self.key);
        self.key.truncate(target_len);
        let stored = stored?;
        let age = stored.age.saturating_add(self.clock.now() - stored.since);
        let is_fresh = age < stored.fresh_for;
        let is_young = asked.max_age.is_none_or(|most| age.as_secs() <= most);
        let left = stored.fresh_for.saturating_sub(age).as_secs();
        let is_lasting = asked.min_fresh.is_none_or(|least| left >= least);
        let is_for_them = stored.is_public || request.header_bytes("authorization").is_none();
        (is_fresh && is_young && is_lasting && is_for_them).then_some((stored, age))
    }

    fn keeper(&self, store: Rc<RefCell<Store>>, request: &Request<'_>) -> Rc<dyn Keep> {
        let mut lines = Vec::new();
        for (name, value) in request.headers() {
            encode::field(&mut lines, name.as_bytes(), value);
        }
        let (clock, max_age) = (self.clock, self.max_age);
        let (target, counts) = (self.key.clone(), self.counts.clone());
        Rc::new(Keeper { store, target, lines, clock, max_age, counts })
    }
}

impl Hook for ResponseCache {
    fn name(&self) -> String {
        format!("response_cache({:?})", self.max_age)
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        let store = self.store();
        self.counts.0.of_worker.get_or_init(|| Arc::clone(request.answer_counts()));
        write_target(&mut self.key, request);
        match request.method() {
            Method::Get | Method::Head => {}
            Method::Options | Method::Trace | Method::Query => return Ok(Next::Go),
            // RFC 9111 section 4.4.
            _ => {
                store.borrow_mut().forget(&self.key);
                return Ok(Next::Go);
            }
        }
        let has = |name: &str| request.header_bytes(name).is_some();
        // Of a part, or of a certain state, the handler knows more. What a body asked for is not to
        // be given to who sends none.
        let is_special = ["range", "if-match", "if-unmodified-since", "if-range"];
        if is_special.into_iter().any(has) || !request.body().is_empty() {
            return Ok(Next::Go);
        }
        let asked = asked(request);
        let found = if asked.no_cache || asked.no_store {
            None
        } else {
            self.find(&store, request, &asked)
        };
        if let Some((stored, age)) = found {
            self.counts.add(AnswerCount::CacheHit, 1);
            return Ok(give(&stored, age, request, fields));
        }
        self.counts.add(AnswerCount::CacheMiss, 1);
        if asked.only_if_cached {
            return Err(Error::new(Status::GATEWAY_TIMEOUT, "nothing is kept that may be given"));
        }
        if request.method() == Method::Get && !asked.no_store {
            fields.keep_with(self.keeper(store, request));
        }
        Ok(Next::Go)
    }
}

/// Gives a stored answer, or says that the client has it.
fn give(stored: &Stored, age: Duration, request: &Request<'_>, fields: &mut Fields<'_>) -> Next {
    fields.set("Age", itoa::Buffer::new().format(age.as_secs()));
    let (content_type, body) = (stored.content_type, stored.body.clone());
    if stored.status == Status::OK && is_known(stored, request) {
        let lines = Rc::clone(&stored.known);
        fields.give(Given { lines, content_type, body: Bytes::Static(b"") });
        return Next::Answer(Status::NOT_MODIFIED);
    }
    fields.give(Given { lines: Rc::clone(&stored.lines), content_type, body });
    Next::Answer(stored.status)
}

/// Whether the client names the tag of what is stored (RFC 9111 section 4.3.2).
fn is_known(stored: &Stored, request: &Request<'_>) -> bool {
    let Some(tag) = values(&stored.lines, "etag").next() else { return false };
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let tag = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
    let Some(tag) = tag else { return false };
    let validators = Validators { tag, modified: u64::MAX, is_date_strong: false };
    let fields = request.header_values("if-none-match").map(|value| ("if-none-match", value));
    Preconditions::read(fields, &validators).judge(&validators) == Verdict::NotModified
}

/// What the request asks of caches (RFC 9111 sections 5.2.1 and 5.4).
fn asked(request: &Request<'_>) -> CacheControl {
    let mut fields = request.header_values("cache-control").peekable();
    if fields.peek().is_none() {
        let pragma = request.header_bytes("pragma").unwrap_or_default();
        let no_cache = field_lines::has_element(pragma, "no-cache");
        return CacheControl { no_cache, ..CacheControl::default() };
    }
    CacheControl::read(fields)
}

/// Host, path and query; the method is GET or HEAD, which have their answers in common.
fn write_target(key: &mut Vec<u8>, request: &Request<'_>) {
    key.clear();
    key.extend(request.host().unwrap_or_default().bytes().map(|byte| byte.to_ascii_lowercase()));
    // None of the parts has a blank in it.
    key.push(b' ');
    key.extend_from_slice(request.path_bytes());
    key.push(b' ');
    key.extend_from_slice(request.query_string().as_bytes());
    key.push(b' ');
}

/// Makes the key of a target the key of one of its answers.
fn push_variant<'v, 'n, I: Iterator<Item = &'v [u8]>>(
    key: &mut Vec<u8>,
    generation: u64,
    names: &'n [String],
    of: impl Fn(&'n str) -> I,
) {
    key.extend_from_slice(&generation.to_le_bytes());
    for name in names {
        push_values(key, name, of(name));
    }
}

/// Keeps the answer to one request, if it may be kept.
struct Keeper {
    store: Rc<RefCell<Store>>,
    target: Vec<u8>,
    /// The fields of the request.
    lines: Vec<u8>,
    clock: Clock,
    max_age: Duration,
    counts: CacheCounts,
}

impl Keep for Keeper {
    fn keep(&self, made: &Made<'_>) {
        let unix_seconds = self.clock.unix_seconds();
        let Some(life) = life(made, &self.lines, self.max_age, unix_seconds) else { return };
        let Life { age, fresh_for, is_public, varies } = life;
        let mut lines = made.lines.to_vec();
        field_lines::remove(&mut lines, 0, "age");
        let known = known_lines(&lines);
        let mut store = self.store.borrow_mut();
        if !store.takes(lines.len() + known.len() + made.body.len()) {
            return;
        }
        let mut key = self.target.clone();
        let generation = store.generation(&key, &varies);
        push_variant(&mut key, generation, &varies, |name| values(&self.lines, name));
        store.keep(
            &key,
            Stored {
                status: made.status,
                lines: lines.into(),
                known: known.into(),
                content_type: made.content_type,
                body: Bytes::Shared(made.body.into()),
                since: self.clock.now(),
                age,
                fresh_for,
                is_public,
            },
        );
        self.counts.add(AnswerCount::CacheStored, 1);
        self.counts.add(AnswerCount::CacheEvicted, store.take_evicted());
        self.counts.0.bytes.set(store.bytes());
    }
}

impl std::fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}
