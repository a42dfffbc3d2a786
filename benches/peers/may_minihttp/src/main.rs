//! may_minihttp with one worker of its coroutines. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use std::io;

use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};

struct Service;

impl HttpService for Service {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        match request.path() {
            "/plaintext" => response.header("Content-Type: text/plain").body("Hello, World!"),
            "/json" => {
                response.header("Content-Type: application/json");
                response.body_vec(serde_json::to_vec(&arena::MESSAGE)?);
            }
            _ => {
                response.status_code(404, "Not Found");
            }
        }
        Ok(())
    }
}

struct Factory;

impl HttpServiceFactory for Factory {
    type Service = Service;

    fn new_service(&self, _id: usize) -> Service {
        Service
    }
}

fn main() {
    let (port, _) = arena::arguments();
    may::config().set_workers(1).set_pool_capacity(1000).set_stack_size(0x2000);
    let server = Factory.start(("127.0.0.1", port)).expect("the port is free");
    server.join().expect("the acceptor does not panic");
}
