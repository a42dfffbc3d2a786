//! `corelane health` as a container's health check runs it: exit codes, and what it says.
//! Knows nothing of the library.

#![cfg(feature = "cli")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::thread;

/// Listens, and answers the first connection with these bytes once it has asked.
fn answering(answer: &'static [u8]) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, asked)
}

fn health(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corelane")).arg("health").args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_server_that_answers_2xx_is_well() {
    for answer in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"HTTP/1.0 204 \r\n\r\n"] {
        let (address, asked) = answering(answer);
        let output = health(&[&format!("http://{address}/readyz")]);
        assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
        let head = asked.join().unwrap();
        let wanted = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\n");
        assert!(head.starts_with(&wanted), "{head}");
    }
}

#[test]
fn any_other_answer_is_told() {
    for (answer, why) in [
        (&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], "answered 503"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "answered 302"),
        (b"SSH-2.0-OpenSSH_9.2", "is no answer of HTTP/1"),
        (b"HTTP/1.1 ", "is no answer of HTTP/1"),
    ] {
        let (address, asked) = answering(answer);
        let output = health(&[&format!("http://{address}/")]);
        let wanted = format!("error: http://{address}/ {why}\n");
        assert_eq!((output.status.code(), said(&output)), (Some(1), wanted));
        asked.join().unwrap();
    }
}

#[test]
fn silence_has_an_end() {
    // The kernel takes the connection; nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let output = health(&["--timeout", "20ms", &url]);
    let wanted = format!("error: {url} does not answer in time\n");
    assert_eq!((output.status.code(), said(&output)), (Some(1), wanted));
}

#[test]
fn nobody_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let output = health(&[&url]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with(&format!("error: {url} cannot be asked: ")), "{said}");
}

#[test]
fn what_is_no_url_is_wrong_usage() {
    let output = health(&["ftp://127.0.0.1/"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("not a URL of `http`"));
}
