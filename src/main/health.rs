//! `corelane health`: asks a server once, for who has neither shell nor curl.
//! Knows nothing of what makes a server well: its status says so.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;

use corelane::config::HealthOrder;

use super::Failure;

/// A status line up to the status: `HTTP/1.1 200`.
const STATUS_LINE_BYTES: usize = 12;

pub(super) fn run(order: &HealthOrder) -> Result<ExitCode, Failure> {
    let failure = |why: String| Failure { message: format!("{} {why}", order.url), hint: None };
    match ask(order).map_err(|error| failure(explain(&error)))? {
        200..=299 => Ok(ExitCode::SUCCESS),
        status => Err(failure(format!("answered {status}"))),
    }
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        // A socket says of a wait that it would block.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "does not answer in time".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => "is no answer of HTTP/1".to_owned(),
        _ => format!("cannot be asked: {error}"),
    }
}

/// The status of the answer.
fn ask(order: &HealthOrder) -> io::Result<u16> {
    let mut stream = connect(order)?;
    stream.set_read_timeout(Some(order.timeout))?;
    stream.set_write_timeout(Some(order.timeout))?;
    let (target, authority) = (&order.url.target, order.url.authority());
    let head = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut line = [0; STATUS_LINE_BYTES];
    stream.read_exact(&mut line)?;
    status(&line).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// Connects to the first address of the host that takes it.
fn connect(order: &HealthOrder) -> io::Result<TcpStream> {
    let mut last = ErrorKind::AddrNotAvailable.into();
    for address in (order.url.host.as_str(), order.url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, order.timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn status(line: &[u8]) -> Option<u16> {
    let digits = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    str::from_utf8(digits).ok()?.parse().ok()
}
