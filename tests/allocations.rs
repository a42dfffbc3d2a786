//! After warm-up an ordinary request allocates nothing and frees nothing. Counted on the worker's
//! own thread, through real sockets. Knows nothing below the public face.

#![cfg(feature = "json")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

#[path = "support/http_client.rs"]
mod http_client;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use corelane::{Fields, Files, Next, Request, Router, Running, Settings};
use http_client::{Client, chunked, get, post, serve};
use serde::Serialize;

thread_local! {
    /// Calls of the allocator on this thread: to get memory, and to give it back.
    static CALLS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

struct Counting;

// SAFETY: every call is the system allocator's with the same arguments. The counters are
// initialised by constants and have no destructor, so touching them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: it asks of its caller what `System` does.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set((CALLS.get().0 + 1, CALLS.get().1));
        // SAFETY: the caller's promises are the same as `System` asks for.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: it asks of its caller what `System` does.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CALLS.set((CALLS.get().0 + 1, CALLS.get().1));
        // SAFETY: the caller's promises are the same as `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: it asks of its caller what `System` does.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set((CALLS.get().0 + 1, CALLS.get().1 + 1));
        // SAFETY: the caller's promises are the same as `System` asks for.
        unsafe { System.realloc(pointer, layout, size) }
    }

    // SAFETY: it asks of its caller what `System` does.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.set((CALLS.get().0, CALLS.get().1 + 1));
        // SAFETY: the caller's promises are the same as `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Serialize)]
struct User<'a> {
    id: u64,
    name: &'a str,
    tags: [&'a str; 2],
}

fn server() -> Running {
    server_with(Settings::default())
}

fn server_with(settings: Settings) -> Running {
    serve(settings, |_| {
        let mut hits = 0_u64;
        Router::new()
            .get("/", |_, res| res.text("Hello, World!"))
            .get("/hits", move |_, res| {
                hits += 1;
                res.text(format_args!("{hits}"))
            })
            .get("/users/{id}", |req, res| {
                let id: u64 = req.param("id")?;
                res.json(&User { id, name: "a \"user\"", tags: ["x", "y"] })
            })
            .get("/all/{a}/of/{b}", |req, res| {
                let (a, b) = (req.param_text("a")?, req.param_text("b")?);
                res.header("X-Query", req.query_string()).text(format_args!("{a} of {b}"))
            })
            .post("/echo", |req, res| res.bytes(req.body()))
            .get("/q/{a}", |req, res| res.text(req.param_text("a")?.as_ref()))
            .get("/q/me/{b}", |req, res| res.text(req.param_text("b")?.as_ref()))
            .get("/p/{a}/{b}/{c}/{d}", |req, res| res.text(req.param_text("d")?.as_ref()))
            .group("/hooked", |hooked| {
                let mut asked = 0_u64;
                let count = move |_: &Request<'_>, fields: &mut Fields<'_>| {
                    asked += 1;
                    fields.set("X-Asked", if asked.is_multiple_of(2) { "even" } else { "odd" });
                    Ok(Next::Go)
                };
                hooked.before("count", count).group("/{a}", |inner| {
                    inner.before("count too", count).get("/b", |_, res| res.text("hooked"))
                })
            })
            .get("/cookie", |req, res| {
                let kind = req.accepts(&["text/html", "text/plain"])?;
                res.header("X-Kind", kind).text(req.cookie("b").unwrap_or_default())
            })
            .group("/compressed", compressed_routes)
            .get("/calls", |_, res| {
                let (allocated, freed) = CALLS.get();
                res.text(format_args!("{allocated} {freed}"))
            })
    })
}

#[cfg(feature = "gzip")]
fn compressed_routes(router: Router) -> Router {
    use corelane::Prepared;
    use corelane::app::middleware::{Compression, ResponseCache};

    let cache = ResponseCache::new().max_age(std::time::Duration::from_secs(3_600));
    let text = Prepared::bytes("text/plain", "hello ".repeat(1_000)).unwrap();
    let users: Vec<_> = (0..50).map(|id| User { id, name: "a", tags: ["x", "y"] }).collect();
    router
        .with(Compression::new())
        .get("/users", move |_, res| res.json(&users))
        .prepared("/prepared", text)
        .group("/", |cached| cached.with(cache).get("/cached", |_, res| res.text("kept")))
}

#[cfg(not(feature = "gzip"))]
fn compressed_routes(router: Router) -> Router {
    router
}

#[cfg(feature = "gzip")]
#[test]
fn compressed_prepared_and_kept_answers_allocate_nothing() {
    for path in ["users", "prepared", "cached"] {
        let head = format!("GET /compressed/{path} HTTP/1.1\r\nHost: a\r\n");
        expect_none(format!("{head}Accept-Encoding: gzip, br, zstd\r\n\r\n"), 1);
        expect_none(format!("{head}Accept-Encoding: gzip\r\n\r\n"), 1);
    }
}

/// The calls of the worker's thread so far.
fn calls(client: &mut Client) -> (u64, u64) {
    let answer = client.get("/calls");
    let (allocated, freed) = answer.text().split_once(' ').unwrap();
    (allocated.parse().unwrap(), freed.parse().unwrap())
}

/// Sends `batch`, which has `depth` answers, until 10,000 requests were answered.
fn expect_none(batch: impl AsRef<[u8]>, depth: usize) {
    expect_none_of(&server(), batch, depth);
}

fn expect_none_of(server: &Running, batch: impl AsRef<[u8]>, depth: usize) {
    let mut client = Client::to(server);
    let round = |client: &mut Client| {
        client.send(&batch);
        for _ in 0..depth {
            assert_eq!(client.answer().status, 200);
        }
    };
    let warm_up = 200;
    for _ in 0..warm_up {
        round(&mut client);
    }
    calls(&mut client);
    let before = calls(&mut client);
    for _ in 0..10_000_usize.div_ceil(depth) {
        round(&mut client);
    }
    assert_eq!(calls(&mut client), before, "(allocated, freed) by 10,000 requests");
}

#[test]
fn the_calls_of_the_workers_thread_are_counted() {
    let server = serve(Settings::default(), |_| {
        Router::new()
            .get("/box", |_, res| res.text(format!("{}", Box::new(1))))
            .get("/calls", |_, res| res.text(format!("{:?}", CALLS.get())))
    });
    let mut client = Client::to(&server);
    let before = client.get("/calls");
    client.get("/box");
    assert_ne!(client.get("/calls").body, before.body);
}

#[test]
fn a_plain_request_allocates_nothing() {
    expect_none(get("/"), 1);
}

#[test]
fn formatting_into_an_answer_allocates_nothing() {
    expect_none(get("/hits"), 1);
}

#[test]
fn a_parameter_and_json_allocate_nothing() {
    expect_none(get("/users/1234567"), 1);
}

#[test]
fn several_parameters_a_query_and_a_field_allocate_nothing() {
    expect_none(get("/all/one/of/many?with=a&query"), 1);
}

#[test]
fn a_file_that_is_kept_and_has_siblings_allocates_nothing() {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in [("a.js", "itself"), ("a.js.br", "brotli"), ("a.js.gz", "gzip")] {
        std::fs::write(root.path().join(name), content).unwrap();
    }
    let path = root.path().to_owned();
    let server = serve(Settings::default(), move |_| {
        let router = Router::new().files("/files", Files::at(&path).precompressed());
        router.get("/calls", |_, res| {
            let (allocated, freed) = CALLS.get();
            res.text(format_args!("{allocated} {freed}"))
        })
    });
    let mut client = Client::to(&server);
    let request = "GET /files/a.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\n\r\n";
    // Once a second it is looked at again; most rounds are shorter and do not meet that.
    let is_free = (0..50).any(|_| {
        calls(&mut client);
        let before = calls(&mut client);
        for _ in 0..500 {
            assert_eq!(client.send(request).answer().text(), "brotli");
        }
        calls(&mut client) == before
    });
    assert!(is_free, "each of 50 times 500 requests allocated");
}

#[test]
fn hooks_allocate_nothing() {
    expect_none(get("/hooked/1/b"), 1);
}

#[test]
fn a_dead_end_in_the_routes_and_many_parameters_allocate_nothing() {
    for path in ["/q/mx", "/q/me/1", "/p/1/2/3/4"] {
        expect_none(get(path), 1);
    }
}

#[test]
fn sixteen_pipelined_requests_allocate_nothing() {
    expect_none(get("/").repeat(16), 16);
    let mixed = [get("/"), get("/users/1"), get("/hits"), get("/all/a/of/b?c")].concat();
    expect_none(mixed.repeat(4), 16);
}

#[test]
fn a_browsers_request_allocates_nothing() {
    let request = "GET /users/42?utm_source=somewhere HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
        Connection: keep-alive\r\nCache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
        Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\
        Cookie: a=0123456789abcdef; b=0123456789abcdef\r\n\r\n";
    expect_none(request, 1);
}

#[test]
fn a_cookie_and_the_choice_of_a_type_allocate_nothing() {
    let fields = "Accept: text/plain, */*;q=0.5\r\nCookie: a=1; b=\"2\"\r\n";
    expect_none(format!("GET /cookie HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), 1);
}

#[test]
fn bodies_allocate_nothing() {
    expect_none(post("/echo", "", b"a small body"), 1);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect_none([head.as_bytes(), &chunked(b"a small body", 5)].concat(), 1);
}

#[cfg(feature = "cli")]
#[test]
fn routes_made_of_data_allocate_nothing() {
    use corelane::app::configured::{Answer, Application, Fixed, RouteSpec, factory};
    use corelane::{Method, Status};

    let fixed = |len: usize| {
        let fields = vec![("X-Made-By".to_owned(), "hand".to_owned())];
        let body = Some(vec![b'x'; len].into());
        Answer::Fixed(Fixed { status: Status::OK, fields, body, is_text: true })
    };
    let routes = [("/small", fixed(10)), ("/large", fixed(100_000)), ("/health", Answer::Health)];
    let spec = |(path, answer): (&str, Answer)| RouteSpec {
        method: Method::Get,
        path: path.to_owned(),
        answer,
        compress: None,
    };
    let application = factory(Application::Routes(routes.into_iter().map(spec).collect()), false);
    let server = serve(Settings::default(), move |worker| {
        application(worker).get("/calls", |_, res| {
            let (allocated, freed) = CALLS.get();
            res.text(format_args!("{allocated} {freed}"))
        })
    });
    for path in ["/small", "/health", "/large"] {
        expect_none_of(&server, get(path), 1);
    }
    let batch = [get("/small"), get("/health")].concat().repeat(8);
    expect_none_of(&server, batch, 16);
}

#[test]
fn a_request_in_two_pieces_allocates_nothing() {
    let server = server();
    let (mut client, mut witness) = (Client::to(&server), Client::to(&server));
    let request = get("/users/42");
    let (first, second) = request.split_at(20);
    let mut round = || {
        client.send(first);
        // A turn of the worker in between: it has seen the first piece.
        assert_eq!(witness.get("/").status, 200);
        assert_eq!(client.send(second).answer().status, 200);
    };
    (0..200).for_each(|_| round());
    let mut observer = Client::to(&server);
    calls(&mut observer);
    let before = calls(&mut observer);
    (0..2_000).for_each(|_| round());
    assert_eq!(calls(&mut observer), before, "(allocated, freed) by 4,000 requests");
}

/// The batches change hands and are filled again; there are so many at most, made when the writer
/// is behind.
#[test]
fn an_access_log_allocates_its_batches_and_nothing_for_a_request() {
    let mut settings = Settings::default();
    settings.access_log = Some("/dev/null".into());
    let server = server_with(settings);
    let mut client = Client::to(&server);
    let batch = get("/users/1234567").repeat(16);
    let round = |client: &mut Client| {
        client.send(&batch);
        (0..16).for_each(|_| assert_eq!(client.answer().status, 200));
    };
    (0..1_000).for_each(|_| round(&mut client));
    let (before, _) = calls(&mut client);
    (0..1_000).for_each(|_| round(&mut client));
    let (after, _) = calls(&mut client);
    let most = 2 * corelane::limits::ACCESS_LOG_BATCHES as u64;
    assert!(after - before <= most, "{} allocations by 16,000 requests", after - before);
}

#[test]
fn a_new_second_and_new_figures_allocate_nothing() {
    let server = server();
    let mut client = Client::to(&server);
    for _ in 0..200 {
        client.get("/");
    }
    calls(&mut client);
    let before = calls(&mut client);
    let first = client.get("/").field("date").map(str::to_owned);
    // Figures are published several times before the second is over.
    while client.get("/").field("date") == first.as_deref() {}
    assert_eq!(calls(&mut client), before, "(allocated, freed) by a second");
}

#[test]
fn connections_that_come_and_go_allocate_nothing() {
    let server = server();
    let round = || {
        let mut client = Client::to(&server);
        assert_eq!(client.get("/").status, 200);
    };
    (0..200).for_each(|_| round());
    let mut observer = Client::to(&server);
    calls(&mut observer);
    let before = calls(&mut observer);
    (0..1_000).for_each(|_| round());
    assert_eq!(calls(&mut observer), before, "(allocated, freed) by 1,000 connections");
}
