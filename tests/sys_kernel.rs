//! The real kernel through the trait that a worker sees it by, with plain sockets of the
//! standard library as its peers.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use corelane::clock::Clock;
use corelane::limits::{EVENTS_PER_TURN, SOCKETS_PER_WORKER_MAX};
use corelane::sys::{Interest, Kernel, Linux, Listener, Readiness, Token};
use socket2::SockRef;

const KEY: Token = Token(42);

/// Long enough that only a lost report lets it pass.
const PATIENCE: Duration = Duration::from_secs(30);

fn listener() -> Listener {
    listener_on("127.0.0.1:0")
}

fn listener_on(address: &str) -> Listener {
    Listener::claim(address.parse().unwrap(), 128).unwrap()
}

fn kernel() -> (Linux, SocketAddr) {
    let listener = listener();
    let address = listener.address();
    (Linux::new(Clock::new(), vec![listener]).unwrap(), address)
}

/// The reports of one wait that ends with the first of them.
fn next_reports(kernel: &mut impl Kernel) -> Vec<Readiness> {
    let mut ready = Vec::with_capacity(EVENTS_PER_TURN);
    let start = kernel.now();
    while ready.is_empty() && kernel.now().since(start) < PATIENCE {
        kernel.wait(&mut ready, Some(PATIENCE)).unwrap();
    }
    ready
}

/// What is ready without waiting.
fn reports_now(kernel: &mut impl Kernel) -> Vec<Readiness> {
    let mut ready = Vec::with_capacity(EVENTS_PER_TURN);
    kernel.wait(&mut ready, Some(Duration::ZERO)).unwrap();
    ready
}

fn receivable(token: Token) -> Readiness {
    Readiness { token, receive: true, send: false, broken: false }
}

/// A connection as the kernel under test accepted it, and its peer.
fn connect<K: Kernel>(kernel: &mut K, address: SocketAddr) -> (K::Stream, TcpStream) {
    let peer = TcpStream::connect(address).unwrap();
    assert_eq!(next_reports(kernel), [receivable(Token::listener(0))]);
    let (stream, from) = kernel.accept(0).unwrap();
    assert_eq!(from, peer.local_addr().unwrap());
    (stream, peer)
}

fn is_would_block<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn a_kernel_that_polls_waits_for_the_same() {
    let (kernel, address) = kernel();
    let mut kernel = kernel.busy_polling(Duration::from_millis(5));
    let mut ready = Vec::with_capacity(EVENTS_PER_TURN);
    // Short waits, after which it polls; then one that nothing ends.
    for _ in 0..30 {
        let client = TcpStream::connect(address).unwrap();
        kernel.wait(&mut ready, None).unwrap();
        assert_eq!(ready.len(), 1);
        drop((kernel.accept(0).unwrap(), client));
    }
    let from = kernel.now();
    kernel.wait(&mut ready, Some(Duration::from_millis(20))).unwrap();
    assert!(ready.is_empty() && kernel.now() - from >= Duration::from_millis(20));
    kernel.waker().wake();
    kernel.wait(&mut ready, None).unwrap();
    assert_eq!(ready[0].token, Token::MAILBOX);
}

#[test]
fn a_connection_is_reported_accepted_and_then_the_queue_is_empty() {
    let (mut kernel, address) = kernel();
    assert_eq!(kernel.listeners(), 1);
    assert!(is_would_block(kernel.accept(0)));
    let _connection = connect(&mut kernel, address);
    assert!(is_would_block(kernel.accept(0)));
    assert_eq!(reports_now(&mut kernel), []);
}

#[test]
fn each_listener_is_reported_under_its_own_token() {
    let listeners = vec![listener(), listener()];
    let address = listeners[1].address();
    let mut kernel = Linux::new(Clock::new(), listeners).unwrap();
    let _peer = TcpStream::connect(address).unwrap();
    let reports = next_reports(&mut kernel);
    assert_eq!(reports, [receivable(Token::listener(1))]);
    assert_eq!(reports[0].token.as_listener(), Some(1));
    assert!(is_would_block(kernel.accept(0)));
    assert!(kernel.accept(1).is_ok());
}

#[test]
fn more_listeners_than_there_are_tokens_for_are_refused() {
    let listeners = (0..=SOCKETS_PER_WORKER_MAX).map(|_| listener()).collect();
    let error = Linux::new(Clock::new(), listeners).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_paused_listener_is_silent_and_keeps_its_queue_until_it_is_resumed() {
    let (mut kernel, address) = kernel();
    kernel.listen(0, false).unwrap();
    let _peer = TcpStream::connect(address).unwrap();
    assert_eq!(reports_now(&mut kernel), []);
    kernel.listen(0, true).unwrap();
    assert_eq!(next_reports(&mut kernel), [receivable(Token::listener(0))]);
    assert!(kernel.accept(0).is_ok());
}

#[test]
fn closed_listeners_refuse_newcomers_and_asking_for_them_does_no_harm() {
    // An address of this test's own: no other is given its port once it is closed.
    let listener = listener_on("127.0.1.9:0");
    let address = listener.address();
    let mut kernel = Linux::new(Clock::new(), vec![listener]).unwrap();
    let (stream, mut peer) = connect(&mut kernel, address);
    kernel.close_listeners();
    assert_eq!(kernel.listeners(), 0);
    assert!(is_would_block(kernel.accept(0)));
    assert_eq!(kernel.listen(0, true).unwrap_err().kind(), io::ErrorKind::NotFound);
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // What is open stays open.
    assert_eq!(kernel.send(&stream, &[IoSlice::new(b"still here")]).unwrap(), 10);
    let mut bytes = [0; 10];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"still here");
}

#[test]
fn a_closed_listener_is_silent_even_if_another_process_holds_it_too() {
    let listener = listener();
    let address = listener.address();
    let held_elsewhere = SockRef::from(&listener).try_clone().unwrap();
    let mut kernel = Linux::new(Clock::new(), vec![listener]).unwrap();
    kernel.close_listeners();
    let _peer = TcpStream::connect(address).unwrap();
    assert_eq!(reports_now(&mut kernel), []);
    assert!(held_elsewhere.accept().is_ok());
}

#[test]
fn bytes_are_reported_until_all_of_them_are_received() {
    let (mut kernel, address) = kernel();
    let (stream, mut peer) = connect(&mut kernel, address);
    kernel.add(&stream, KEY, Interest::Receive).unwrap();
    let mut space = [0; 4];
    assert!(is_would_block(kernel.receive(&stream, &mut space)));
    peer.write_all(b"abcdef").unwrap();
    assert_eq!(next_reports(&mut kernel), [receivable(KEY)]);
    assert_eq!(kernel.receive(&stream, &mut space).unwrap(), 4);
    assert_eq!(&space, b"abcd");
    assert_eq!(reports_now(&mut kernel), [receivable(KEY)]);
    assert_eq!(kernel.receive(&stream, &mut space).unwrap(), 2);
    assert_eq!(reports_now(&mut kernel), []);
}

#[test]
fn the_peers_end_is_reported_received_as_nothing_and_leaves_our_side_open() {
    let (mut kernel, address) = kernel();
    let (stream, mut peer) = connect(&mut kernel, address);
    kernel.add(&stream, KEY, Interest::Receive).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(next_reports(&mut kernel), [receivable(KEY)]);
    assert_eq!(kernel.receive(&stream, &mut [0; 8]).unwrap(), 0);

    assert_eq!(kernel.send(&stream, &[IoSlice::new(b"bye")]).unwrap(), 3);
    kernel.finish_sending(&stream);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"bye");
    let error = kernel.send(&stream, &[IoSlice::new(b"more")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let error = kernel.send(&stream, &[IoSlice::new(b"mo"), IoSlice::new(b"re")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_reset_is_reported_whatever_was_asked_for() {
    for interest in [Interest::None, Interest::Receive, Interest::Send] {
        let (mut kernel, address) = kernel();
        let (stream, mut peer) = connect(&mut kernel, address);
        assert_eq!(kernel.send(&stream, &[IoSlice::new(b"xy")]).unwrap(), 2);
        peer.read_exact(&mut [0]).unwrap();
        // Closing with a byte unread resets the connection.
        drop(peer);
        kernel.add(&stream, KEY, interest).unwrap();
        let both = Readiness { token: KEY, receive: true, send: true, broken: true };
        assert_eq!(next_reports(&mut kernel), [both], "{interest:?}");
        let error = kernel.receive(&stream, &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

/// Sends until the kernel refuses or all is sent, three unequal segments at a time; the bytes
/// it took.
fn send_until_refused<K: Kernel>(kernel: &mut K, stream: &K::Stream, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while sent < bytes.len() {
        let left = &bytes[sent..];
        let (first, rest) = left.split_at(left.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        match kernel.send(stream, &[first, second, third].map(IoSlice::new)) {
            Ok(count) => sent += count,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                break;
            }
        }
    }
    sent
}

#[test]
fn a_peer_that_does_not_read_is_sent_to_in_parts_and_in_order() {
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut kernel, address) = kernel();
    let (stream, mut peer) = connect(&mut kernel, address);
    // A size that is set is one the kernel does not grow: most of the bytes cannot wait in it.
    SockRef::from(&stream).set_send_buffer_size(64 * 1024).unwrap();
    kernel.add(&stream, KEY, Interest::Receive).unwrap();

    let mut sent = send_until_refused(&mut kernel, &stream, &bytes);
    assert!(sent > 0 && sent < bytes.len(), "{sent}");
    kernel.change(&stream, KEY, Interest::Send).unwrap();
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).map(|_| received)
    });
    while sent < bytes.len() {
        let room = Readiness { token: KEY, receive: false, send: true, broken: false };
        assert_eq!(next_reports(&mut kernel), [room]);
        sent += send_until_refused(&mut kernel, &stream, &bytes[sent..]);
    }
    drop(stream);
    assert!(reader.join().unwrap().unwrap() == bytes);
}

#[test]
fn a_dropped_stream_is_never_reported_again() {
    let (mut kernel, address) = kernel();
    let (stream, mut peer) = connect(&mut kernel, address);
    kernel.add(&stream, KEY, Interest::Receive).unwrap();
    peer.write_all(b"unread").unwrap();
    assert_eq!(next_reports(&mut kernel), [receivable(KEY)]);
    drop(stream);
    assert_eq!(reports_now(&mut kernel), []);
}

#[test]
fn a_wake_from_another_thread_ends_a_wait_and_stays_until_it_is_acknowledged() {
    let (mut kernel, _) = kernel();
    let waker = kernel.waker();
    let mut ready = Vec::new();
    let other = std::thread::spawn(move || waker.wake());
    while ready.is_empty() {
        kernel.wait(&mut ready, None).unwrap();
    }
    other.join().unwrap();
    assert_eq!(ready, [receivable(Token::MAILBOX)]);
    assert_eq!(reports_now(&mut kernel), [receivable(Token::MAILBOX)]);
    kernel.acknowledge_wake();
    assert_eq!(reports_now(&mut kernel), []);
    // A waker outlives its kernel without harm.
    let waker = kernel.waker();
    drop(kernel);
    waker.wake();
}

#[test]
fn a_wait_replaces_what_was_reported_before() {
    let (mut kernel, _) = kernel();
    let mut ready = vec![receivable(KEY)];
    kernel.wait(&mut ready, Some(Duration::from_micros(1))).unwrap();
    assert_eq!(ready, []);
    assert!(kernel.unix_seconds() > 0);
}

#[test]
fn workers_of_a_group_share_an_address_that_no_second_server_can_claim() {
    let group = Listener::group("[::1]:0".parse().unwrap(), 2, 128).unwrap();
    let address = group[0].address();
    let mut workers: Vec<Linux> = group
        .into_iter()
        .map(|listener| Linux::new(Clock::new(), vec![listener]).unwrap())
        .collect();
    let error = Listener::claim(address, 128).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(error.holder().map(|holder| holder.pid), Some(std::process::id()));
    // Each of 64 connections goes to either worker by a hash of its ports.
    let peers: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(address).unwrap()).collect();
    let accepted = workers.iter_mut().map(|worker| {
        std::iter::from_fn(|| worker.accept(0).ok()).inspect(|(_, from)| assert!(from.is_ipv6()))
    });
    let counts: Vec<usize> = accepted.map(Iterator::count).collect();
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), peers.len());
}
