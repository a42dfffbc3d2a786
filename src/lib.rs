//! A thread-per-core, shared-nothing HTTP/1.1 server.
//!
//! One pinned worker per CPU, each with its own listener, loop, connection table, buffers, timers,
//! histogram and its own instance of the application. Nothing is shared on the path of a request:
//! no lock, no atomic, no `Arc`. So handlers may own mutable state and need not be `Send`.
//!
//! ```no_run
//! use corelane::{Router, Server};
//!
//! fn main() -> corelane::Result<()> {
//!     Server::bind("127.0.0.1:8080").run(|_worker| {
//!         let mut hits = 0_u64;
//!         Router::new()
//!             .get("/", |_req, res| res.text("Hello, World!"))
//!             .get("/users/{id}", |req, res| {
//!                 let id: u64 = req.param("id")?;
//!                 res.text(format_args!("user {id}"))
//!             })
//!             .get("/hits", move |_req, res| {
//!                 hits += 1;
//!                 res.text(format_args!("{hits}"))
//!             })
//!     })
//! }
//! ```
//!
//! # What to look at
//!
//! | you want | look at |
//! |---|---|
//! | to start, stop, drain and reload a server | [`Server`], [`Running`], [`Reloader`] |
//! | to choose handlers by method and path | [`Router`] |
//! | to put something before many of them | [`Router::with`], [`Router::group`], [`Hook`] |
//! | ready-made hooks: CORS, credentials, rates, compression, a cache | [`app::middleware`] |
//! | to answer the same each time | [`Prepared`], [`Router::prepared`] |
//! | to read a request | [`Request`] |
//! | to answer one | [`Response`], [`Status`], [`Bytes`] |
//! | to answer from another thread, later | [`Response::later`], [`Later`], [`Reply`] |
//! | to stream a body, in or out | [`Router::upload`], [`Sink`], [`Response::stream`], [`Source`] |
//! | forms with files | [`Multipart`], [`Form`] |
//! | events for browsers | [`Events`], [`Event`], [`Request::last_event_id`] |
//! | cookies, and signed ones | [`Request::cookie`], [`Response::cookie`], [`Cookie`], `Keys` |
//! | what a hook has found out | [`app::Given`] |
//! | to fail | [`Error`]: `?` on any error answers |
//! | to write a handler as a type | [`Handler`] |
//! | to know the worker you run on | [`WorkerInfo`] |
//! | health checks, metrics and a live page | [`Server::admin`] |
//! | to see where the time of requests goes | [`app::latency`], [`WorkerInfo::measured`] |
//! | to test handlers without a socket | [`TestClient`] |
//! | to change a limit | [`Settings`] |
//!
//! # Limits and defaults
//!
//! | setting | default | beyond it |
//! |---|---|---|
//! | `head_bytes_max` | 16,384 bytes | 431 |
//! | `fields_max` | 100 | 431 |
//! | `target_bytes_max` | 8,192 bytes | 414 |
//! | `body_bytes_max` | 1 MiB | 413 |
//! | `upload_bytes_max` | 1 GiB | 413 |
//! | `memory_max` | half of what the process may use, shared by the workers | 503 |
//! | `requests_max` | 1,000,000 on one connection | close after the last |
//! | `receive_rate_min` | 240 bytes per second of a body, over `rate_time` | 408 |
//! | `send_rate_min` | 240 bytes per second of an answer, over `send_time` | close |
//! | `connections_max` | per worker, what descriptors leave | `connections_full` |
//! | `connections_full` | `Pause` | newcomers wait in the kernel; `Refuse`: 503 |
//! | `connections_soft_max` | 7/8 of `connections_max` | a newcomer ends the longest idle one |
//! | `connections_per_address_max` | any number | close; by `connections_full`: 503 |
//! | `proxy_protocol_from` | nobody | a PROXY header is a bad request line: 400 |
//! | `trusted_proxies` | nobody | the peer's address is the client's |
//! | `client_address_field` | `X-Forwarded-For` | the other one is not read |
//! | `pipelined_max` | 64 of one connection in one turn | the others have their turn |
//! | `head_time` | 10 s, in total | 408, or a silent close if nothing came |
//! | `body_time` | 60 s, in total | 408 |
//! | `idle_time` | 75 s | close |
//! | `send_time` | 30 s without progress | close |
//! | `later_time` | 30 s | 504, or a streamed answer is cut |
//! | `overload_delay` | 50 ms of waiting, for a whole `overload_interval` | 503 to the oldest |
//! | `overload_interval` | 100 ms | the worker is overloaded |
//! | `lifetime_max` | 1 h, less up to a tenth | close after the next answer |
//! | `rate_time` | 10 s | 408 |
//! | `user_timeout` | 30 s unacknowledged | the kernel closes |
//! | `linger_time` | 2 s | close |
//! | `lame_duck` | none: at once | the drain begins |
//! | `drain_time` | 30 s | what still runs is cut |
//! | `drain_idle_time` | 500 ms | idle connections are closed |
//! | `blocking_queue_max` | 1,024 jobs | given back at once |
//! | `stall_time` | 75 ms of one turn of a worker | logged with worker and route, counted |
//! | `balance` | `Auto`: `Ebpf` where it may be, else `HandOver` | `Off`: the kernel's hash |
//! | `backlog` | 4,096 connections | the kernel drops SYNs |
//! | `notsent_bytes` | 16 KiB in the kernel | the rest of an answer waits with us |
//! | `defer_accept` | off | a connection is there before it speaks |
//! | `busy_poll` | never | the worker sleeps, and its wake costs 10 to 40 µs |
//! | `stage_sampling` | 1 of 64 requests | the stages of the others are not timed |
//! | `server_timing` | off | answers do not tell what they took |
//! | `access_log` | none | answers are counted, and not listed |
//! | `access_log_format` | `Combined` | `Json`: an object a line |
//! | `access_log_sample` | 1: every answer | the others have no line |
//!
//! Bounds that are not settings stand in [`limits`], each with its reason.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `bench` | yes | the load generator: `corelane bench` and `corelane report` |
//! | `cli` | yes | the program `corelane`; a library user leaves it out |
//! | `doctor` | yes | a look at the machine: `corelane doctor` |
//! | `json` | yes | [`Response::json`], [`Request::json`], typed queries and forms |
//! | `jwt` | yes | tokens before handlers: `app::middleware::JwtAuth` |
//! | `mimalloc` | yes | the program's allocator; the library never chooses one |
//! | `signed` | yes | `Keys`: cookies that clients cannot change |
//!
//! # Panics, errors, safety
//!
//! Nothing that comes from the network panics. A panic of a handler answers 500, closes its
//! connection and is counted; the worker lives. What is wrong at the start is a [`StartError`] with
//! a hint. `unsafe` stands in [`sys`] and in the byte scanner of [`wire`] alone.
//!
//! # How it is built
//!
//! The rooms below are public so that tests, benchmarks and fuzzers reach them; only what is
//! re-exported here is kept stable. They are listed from the ground up: a room uses those above it
//! in this list and never one below.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Floor 0: bounds, settings and time.
pub mod clock;
pub mod limits;
pub mod settings;

// Floor 1: the kernel, memory, formats, figures.
pub mod mem;
pub mod report;
pub mod sys;
pub mod wire;

// Floor 2: what an application sees; what a machine is fit for.
pub mod api;
#[cfg(feature = "doctor")]
pub mod doctor;

// Floor 3: ready-made applications; protocols as state machines.
pub mod app;
pub mod proto;

// Floor 4: the pinned loop; the same without a socket.
pub mod testing;
pub mod worker;

// Floor 5: start, signals, drain; the load generator; the command line.
#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod config;
pub mod control;

pub use api::{
    Cookie, Error, FieldLines, Fields, Handler, HandlerResult, Hook, Later, Next, Piece, Pull,
    Reply, Request, Responded, Response, SameSite, Sink, Source, Taken, Waker, WorkerInfo,
};
#[cfg(feature = "signed")]
pub use app::Keys;
pub use app::files::Files;
pub use app::{Event, Events, Form, FormPart, Multipart, Prepared, Router};
pub use control::{Reloader, Result, Running, Server, StartError};
pub use mem::Bytes;
pub use settings::{AccessLogFormat, Balance, ClientAddressField, Network, Settings, WhenFull};
pub use testing::TestClient;
pub use wire::head::{Method, Version};
pub use wire::status::Status;
