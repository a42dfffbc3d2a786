//! The floor under every server: one thread that waits, receives, counts empty lines and sends
//! as many constant answers. What it costs is the kernel's share, which nobody can undercut.
//! Knows no HTTP, no limits and no deadlines: never serve anybody with it.
//!
//! `cargo bench --bench floor -- --port 8081` runs it, with `--close` it ends each connection
//! after an answer; `cpu_per_request.py` measures against it.
#![allow(unsafe_code)] // Epoll straight from libc: nothing of the crate may be measured with it.
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)] // The C calls take `int`s.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

/// As long as corelane's answer to `GET /plaintext`, so that the kernel copies as much for both.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: corelane\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 13\r\n\r\nHello, World!";

/// The same with the announcement that makes a load generator open the next connection.
const ANSWER_AND_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: corelane\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 13\r\nConnection: close\r\n\r\nHello, World!";

/// Bytes of one receive, as many as in corelane's block.
const RECEIVE_BYTES: usize = 32 * 1024;

/// Empty lines that fit in one receive; each is four bytes long.
const ANSWERS_MAX: usize = RECEIVE_BYTES / 4;

const EVENTS_MAX: usize = 256;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port()))?;
    listener.set_nonblocking(true)?;
    println!("listening on http://{}", listener.local_addr()?);
    let close = std::env::args().any(|argument| argument == "--close");
    serve(listener.as_raw_fd(), close)
}

/// The number after `--port`; without it 0, any free one. Cargo adds arguments of its own.
fn port() -> u16 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port").skip(1);
    arguments.next().map_or(0, |port| port.parse().expect("--port takes a number up to 65535"))
}

fn serve(listener: RawFd, close: bool) -> io::Result<()> {
    // SAFETY: takes no pointer.
    let epoll = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    watch(epoll, listener)?;
    let answer = if close { ANSWER_AND_CLOSE } else { ANSWER };
    let answers = answer.repeat(ANSWERS_MAX);
    let mut block = vec![0; RECEIVE_BYTES];
    let mut ready = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
    loop {
        // SAFETY: `ready` has room for as many events as the call is told of.
        let count = unsafe { libc::epoll_wait(epoll, ready.as_mut_ptr(), EVENTS_MAX as i32, -1) };
        for event in &ready[..checked(count)? as usize] {
            let fd = event.u64 as RawFd;
            if fd == listener {
                accept(epoll, listener)?;
            } else if !exchange(fd, &mut block, &answers, answer.len()) || close {
                // SAFETY: `fd` came from `accept4`, is closed here only, and has no other event
                // in this batch, because epoll reports each descriptor once.
                unsafe { libc::close(fd) };
            }
        }
    }
}

/// Accepts everything that waits.
fn accept(epoll: RawFd, listener: RawFd) -> io::Result<()> {
    loop {
        // SAFETY: null pointers say that the peer's address is not wanted (accept(2)).
        let fd = unsafe {
            libc::accept4(listener, ptr::null_mut(), ptr::null_mut(), libc::SOCK_NONBLOCK)
        };
        match checked(fd) {
            Ok(fd) => watch(epoll, fd)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Level-triggered, readable only; the event carries the descriptor.
fn watch(epoll: RawFd, fd: RawFd) -> io::Result<()> {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
    // SAFETY: `event` lives through the call.
    checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
}

/// One receive, one send. `false` when the connection is over, which a short send ends too.
fn exchange(fd: RawFd, block: &mut [u8], answers: &[u8], length: usize) -> bool {
    // SAFETY: `block` is writable for its length.
    let received = unsafe { libc::recv(fd, block.as_mut_ptr().cast(), block.len(), 0) };
    let Some(received) = usize::try_from(received).ok().filter(|&received| received > 0) else {
        return false;
    };
    let answers = &answers[..empty_lines(&block[..received]) * length];
    // SAFETY: `answers` is readable for its length.
    let sent =
        unsafe { libc::send(fd, answers.as_ptr().cast(), answers.len(), libc::MSG_NOSIGNAL) };
    sent == answers.len() as isize
}

/// How often CR LF CR LF stands in `bytes`. Four slices compared side by side, with a sum that
/// stays within a byte, are what the compiler turns into vector instructions.
#[allow(clippy::needless_bitwise_bool)] // A branch per byte would prevent that.
fn empty_lines(bytes: &[u8]) -> usize {
    let Some(count) = bytes.len().checked_sub(3) else { return 0 };
    let ends = bytes[..count]
        .chunks(255)
        .zip(bytes[1..].chunks(255))
        .zip(bytes[2..].chunks(255))
        .zip(bytes[3..].chunks(255));
    ends.map(|(((first, second), third), fourth)| {
        let pairs = first.iter().zip(second).zip(third.iter().zip(fourth));
        let is_end = pairs.map(|((a, b), (c, d))| {
            u8::from((*a == b'\r') & (*b == b'\n') & (*c == b'\r') & (*d == b'\n'))
        });
        usize::from(is_end.sum::<u8>())
    })
    .sum()
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
