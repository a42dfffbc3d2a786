//! khttp on its epoll loop with one thread of its pool. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use khttp::{Headers, Method, Server};

fn headers(kind: &'static str) -> Headers<'static> {
    let mut headers = Headers::new();
    headers.add("server", b"khp");
    headers.add(Headers::CONTENT_TYPE, kind.as_bytes());
    headers
}

fn main() -> std::io::Result<()> {
    let (port, _) = arena::arguments();
    let mut server = Server::builder(("127.0.0.1", port))?;
    let (text, json) = (headers("text/plain"), headers("application/json"));
    server.route(Method::Get, "/plaintext", move |_, response| response.ok(&text, "Hello, World!"));
    server.route(Method::Get, "/json", move |_, response| {
        response.ok(&json, serde_json::to_vec(&arena::MESSAGE)?)
    });
    server.thread_count(1);
    server.build().serve_epoll()
}
