//! The examples as their readers run them: started, asked, and ended with Ctrl-C.
//! Knows nothing of their code.

#![cfg(feature = "json")]
#![allow(unsafe_code, reason = "sends signals to the processes it started")]

#[path = "support/http_client.rs"]
mod http_client;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

use http_client::{Client, PATIENCE, chunked, get};
use serde_json::json;

/// An example while it runs; ended with the test.
struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    /// Starts it on a port of `host`, which is this test's own: nobody is given the port while
    /// the example does not listen yet.
    fn start(name: &str, host: &str) -> Example {
        let address = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let mut command = Command::new(executable(name));
        let child = command.arg(address.to_string()).spawn().expect("it can be run");
        let mut example = Example { child, address };
        example.wait_until_it_listens();
        example
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(start.elapsed() < PATIENCE, "it does not listen");
            std::thread::yield_now();
        }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the id is our child's: it was not waited for, so nobody else has it.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has Cargo bring the example up to date, where and how it built this test: after a whole
/// `cargo test` there is nothing left to build, after `cargo test --test examples` there is.
fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).expect("target, profile and deps stand above it");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "test",
        Some(profile) => profile,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name, "--profile", profile, "--target-dir"]);
    let built = cargo.arg(folder.parent().unwrap()).status().expect("Cargo can be run");
    assert!(built.success(), "`cargo build --example {name}` failed");
    folder.join("examples").join(name)
}

#[test]
fn hello_greets_knows_users_echoes_and_counts() {
    let example = Example::start("hello", "127.0.78.1");
    let mut client = example.connect();
    assert_eq!(client.get("/").text(), "Hello, World!");
    assert_eq!(client.get("/users/42").json(), json!({"id": 42}));
    assert_eq!(client.get("/users/me").status, 400);
    assert_eq!(client.post("/echo", "", "again").text(), "again");
    for hits in 1..=3 {
        assert_eq!(client.get("/hits").text(), hits.to_string());
    }
    assert_eq!(client.get("/nowhere").status, 404);
    drop(client);
    example.interrupt();
}

#[test]
fn state_is_each_workers_own() {
    let example = Example::start("state", "127.0.78.2");
    let workers = example.connect().get("/worker").json()["of"].as_u64().unwrap();
    let mut counted = std::collections::BTreeMap::new();
    for _ in 0..64 {
        let mut client = example.connect();
        for (limit, primes) in [(0, 0), (1, 0), (2, 1), (100, 25), (1_000_000, 78_498)] {
            assert_eq!(client.get(&format!("/primes/{limit}")).text(), format!("{primes}\n"));
        }
        // A connection stays with its worker.
        let report = client.send([get("/worker"), get("/worker")].concat()).answer().json();
        assert_eq!(client.answer().json(), report);
        assert_eq!(report["counted"], 5, "each worker works each of them out once");
        let worker = report["worker"].as_u64().unwrap();
        let asked = counted.entry(worker).or_insert(0_u64);
        *asked += 5;
        assert_eq!(report["found"], *asked - 5);
    }
    // The kernel spreads 64 connections over all.
    assert_eq!(counted.len() as u64, workers);
    let mut client = example.connect();
    assert_eq!(client.get("/primes/10000001").status, 400);
    assert_eq!(client.get("/primes/many").status, 400);
    drop(client);
    example.interrupt();
}

#[test]
fn stream_counts_what_arrives_and_makes_what_it_sends() {
    let example = Example::start("stream", "127.0.78.3");
    let mut client = example.connect();
    let lines: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    let head = "PUT /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head).send(chunked(lines.as_bytes(), 5_000));
    assert_eq!(client.answer().text(), format!("{} bytes, 100000 lines\n", lines.len()));
    let (answer, end) = client.send(get("/numbers/100000")).chunked_answer();
    assert!(answer.text() == lines && end.is_some());
    let (none, end) = client.send(get("/numbers/0")).chunked_answer();
    assert_eq!((none.text(), end), ("", Some(())));
    drop(client);
    example.interrupt();
}
