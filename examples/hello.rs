//! The ten-line program: routes, a parameter, JSON, state of each worker's own.
//! `cargo run --release --example hello`, then `curl http://127.0.0.1:8080/users/42`.

use corelane::{Router, Server};

#[derive(serde::Serialize)]
struct User {
    id: u64,
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    Server::bind(address).run(|_worker| {
        let mut hits = 0_u64; // this worker's own: no Arc, no Mutex, no Send
        Router::new()
            .get("/", |_req, res| res.text("Hello, World!"))
            .get("/users/{id}", |req, res| {
                let id: u64 = req.param("id")?; // a wrong id answers 400 by itself
                res.json(&User { id })
            })
            .post("/echo", |req, res| res.bytes(req.body()))
            .get("/hits", move |_req, res| {
                hits += 1;
                res.text(format_args!("{hits}"))
            })
    })
}
