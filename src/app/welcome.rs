//! The application that the program serves: something real to talk to for every client.
//! Knows its worker only by the figures that workers show each other.

use serde::Serialize;

use super::{Router, latency};
use crate::api::{HandlerResult, Request, Response, ServerStatus, WorkerInfo, WorkerStatus};

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
    name: &'static str,
}

#[derive(Serialize)]
struct Status {
    version: &'static str,
    uptime_seconds: u64,
    requests: u64,
    connections: u64,
    workers: Vec<Worker>,
}

#[derive(Serialize)]
struct Worker {
    cpu: Option<usize>,
    requests: u64,
    connections: u64,
    stalls: u64,
}

/// The welcome application of one worker.
pub fn welcome(worker: &WorkerInfo) -> Router {
    let (home, status) = (worker.clone(), worker.clone());
    Router::new()
        .get("/", move |_, res| res.html(page(&home)))
        .get("/hello", |_, res| res.text("Hello from corelane!\n"))
        .get("/plaintext", |_, res| res.text("Hello, World!"))
        .get("/json", |_, res| res.json(&Message { message: "Hello, World!" }))
        .get("/health", |_, res| res.json(&Health { status: "ok" }))
        .get("/api/status", move |_, res| res.json(&figures(&status)))
        .get("/api/latency", latency(worker))
        .get("/users/{id}", |req, res| {
            res.json(&User { id: &req.param_text("id")?, name: "example user" })
        })
        .post("/echo", echo)
        .vital("/health")
        .vital("/api/status")
}

/// Gives the body back with the type it came with.
pub(super) fn echo(request: &Request<'_>, response: Response<'_>) -> HandlerResult {
    let response = match request.header("content-type") {
        Some(content_type) => response.content_type(content_type),
        None => response,
    };
    response.bytes(request.body())
}

fn figures(worker: &WorkerInfo) -> Status {
    let status = worker.status();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: status.uptime.as_secs(),
        requests: status.requests(),
        connections: status.connections(),
        workers: status
            .workers
            .iter()
            .map(|worker| Worker {
                cpu: worker.cpu,
                requests: worker.requests,
                connections: worker.connections,
                stalls: worker.stalls,
            })
            .collect(),
    }
}

const ROUTES: [(&str, &str, &str); 9] = [
    ("GET", "/", "this page"),
    ("GET", "/hello", "a line of text"),
    ("GET", "/plaintext", "TechEmpower's plaintext answer"),
    ("GET", "/json", "TechEmpower's JSON answer"),
    ("GET", "/health", "for health checks"),
    ("GET", "/api/status", "version, uptime, workers and requests as JSON"),
    ("GET", "/api/latency", "latencies of all workers since their start as JSON"),
    ("GET", "/users/42", "a route with a parameter: <code>/users/{id}</code>"),
    ("POST", "/echo", "gives the body back with its content type"),
];

fn page(worker: &WorkerInfo) -> String {
    let status = worker.status();
    format!(
        include_str!("welcome.html"),
        version = env!("CARGO_PKG_VERSION"),
        uptime = status.uptime.as_secs(),
        requests = status.requests(),
        routes = ROUTES.map(route_row).concat(),
        workers = worker_rows(&status, worker.index()),
    )
}

fn route_row((method, path, what): (&str, &str, &str)) -> String {
    let target = match method {
        "GET" => format!("<a href=\"{path}\">{path}</a>"),
        _ => path.to_owned(),
    };
    format!("<tr><td>{method}<td><code>{target}</code><td>{what}</tr>\n")
}

fn worker_rows(status: &ServerStatus, here: usize) -> String {
    let row = |(index, figures): (usize, &WorkerStatus)| {
        let cpu = figures.cpu.map_or("not pinned".to_owned(), |cpu| format!("CPU {cpu}"));
        let note = if index == here { "answered this page" } else { "" };
        let (requests, connections) = (figures.requests, figures.connections);
        format!(
            "<tr><td>{index}<td>{cpu}<td class=\"n\">{requests}<td class=\"n\">{connections}\
             <td>{note}</tr>\n"
        )
    };
    status.workers.iter().enumerate().map(row).collect::<Vec<_>>().concat()
}
