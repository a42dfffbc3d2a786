//! A connected stream socket: accept, receive, send and the end of our side, one system call
//! each (two where a file follows). Knows nothing of readiness and keeps no bytes.

#![allow(unsafe_code)] // accept4, recv, send, sendmsg, sendfile and shutdown are foreign functions.

use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, offset_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, sockaddr_in, sockaddr_in6, socklen_t};
use socket2::{Domain, SockRef, Socket, Type};

use super::syscall::{check, check_descriptor, retry, set_option};
use crate::limits::SEND_SEGMENTS_MAX;

/// A connected, non-blocking stream socket. Dropping it closes it, which also takes it out of
/// the epoll instance that watches it: the descriptor is never duplicated.
#[derive(Debug)]
pub struct Stream(OwnedFd);

// Every connection holds one, mostly as an option.
const _: () = assert!(size_of::<Stream>() == 4 && size_of::<Option<Stream>>() == 4);

impl Stream {
    /// Takes the next connection of the queue of `listener`, non-blocking and closed on exec,
    /// with the address of the peer. What the listener has set on itself, such as
    /// `TCP_NODELAY`, the connection has too (`tcp(7)`).
    ///
    /// # Errors
    /// `WouldBlock` when the queue is empty, `InvalidData` if the peer is not an IP address,
    /// else what `accept(2)` names.
    #[inline]
    pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(Stream, SocketAddr)> {
        let mut address = NO_ADDRESS;
        let fd = retry(|| {
            let mut length = ADDRESS_BYTES;
            // SAFETY: the kernel writes at most `length` bytes of `address`, and `length`
            // itself; what it returns is a new descriptor.
            unsafe {
                check_descriptor(libc::accept4(
                    listener.as_raw_fd(),
                    (&raw mut address).cast(),
                    &raw mut length,
                    libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                ))
            }
        })?;
        Ok((Stream(fd), decode(&address)?))
    }

    /// Begins to connect to `address`, without Nagle's delay. The connection is there when the
    /// socket can be sent to and [`Stream::take_error`] has none (`connect(2)`, `EINPROGRESS`).
    /// It comes from `source`, or from the address that the kernel chooses.
    ///
    /// # Errors
    /// What `socket(2)`, `bind(2)` and `connect(2)` name: `AddrNotAvailable` if no port is free.
    pub fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<Stream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            // A port bound here would be this socket's alone; chosen at the connect, it may be in
            // use to other addresses and ports (`ip(7)`). The option is IPv6's too.
            let (level, name) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
            set_option(socket.as_fd(), level, name, 1)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Stream(socket.into())),
        }
    }

    /// Why the connection failed, if it did (`SO_ERROR`).
    ///
    /// # Errors
    /// That.
    pub fn take_error(&self) -> io::Result<()> {
        SockRef::from(&self.0).take_error()?.map_or(Ok(()), Err)
    }

    /// Takes over a connected stream socket that another part of the program, or another
    /// process, made; makes it non-blocking.
    ///
    /// # Errors
    /// What `ioctl(2)` names: the descriptor is then closed.
    pub fn adopt(fd: OwnedFd) -> io::Result<Stream> {
        let stream = TcpStream::from(fd);
        stream.set_nonblocking(true)?;
        Ok(Stream(stream.into()))
    }

    /// Receives into `space`; `Ok(0)` is the peer's end, or an empty `space`.
    ///
    /// # Errors
    /// `WouldBlock`, or what `recv(2)` names.
    #[inline]
    pub fn receive(&self, space: &mut [u8]) -> io::Result<usize> {
        let fd = self.0.as_raw_fd();
        retry(|| {
            let (space, len) = (space.as_mut_ptr(), space.len());
            let nobody = std::ptr::null_mut::<libc::c_void>();
            // Through `syscall(2)`: in a program with threads, `recv` of the C library is a
            // cancellation point, and its bookkeeping costs 20 ns a call.
            // SAFETY: the kernel writes at most `len` bytes of `space`.
            check(unsafe { libc::syscall(libc::SYS_recvfrom, fd, space, len, 0, nobody, nobody) })
        })
    }

    /// How long ago the last bytes arrived, whether or not they were received: to one of the
    /// kernel's ticks, 1 to 10 ms. `None` if this is not TCP.
    pub fn received_ago(&self) -> Option<Duration> {
        let mut info = MaybeUninit::<libc::tcp_info>::uninit();
        let mut length = TCP_INFO_BYTES;
        // SAFETY: the kernel writes at most `length` bytes of `info`, and `length` itself.
        let asked = check(unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        });
        if asked.is_err() || length < TCP_INFO_BYTES {
            return None;
        }
        // SAFETY: the field ends within the `TCP_INFO_BYTES` that the kernel has written, and
        // any bytes are a `u32`.
        let millis = unsafe { (&raw const (*info.as_ptr()).tcpi_last_data_recv).read() };
        Some(Duration::from_millis(u64::from(millis)))
    }

    /// Sends as much of `segments`, in order, as the kernel takes in one call, and of no more
    /// than [`SEND_SEGMENTS_MAX`] of them.
    ///
    /// # Errors
    /// `WouldBlock`, or what `sendmsg(2)` names. `SIGPIPE` is never raised.
    #[inline]
    pub fn send(&self, segments: &[IoSlice<'_>]) -> io::Result<usize> {
        match segments {
            [segment] => self.send_one(segment),
            segments => self.send_several(segments, 0),
        }
    }

    /// Sends as much of `segments` as the kernel takes, and then of the `len` bytes of `file` from
    /// `offset` on, in the same packets and without copying them. Returns how much of both;
    /// nothing where there are no segments and the file has ended.
    ///
    /// # Errors
    /// `WouldBlock`, or what `sendmsg(2)` and `sendfile(2)` name.
    pub fn send_file(
        &self,
        segments: &[IoSlice<'_>],
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
    ) -> io::Result<usize> {
        let before = match segments {
            [] => 0,
            segments => self.send_several(segments, libc::MSG_MORE)?,
        };
        if before < segments.iter().map(|segment| segment.len()).sum() {
            return Ok(before);
        }
        match self.send_from(file, offset, len) {
            Ok(sent) => Ok(before + sent),
            // Another call meets what is wrong, and has nothing else to tell.
            Err(_) if before > 0 => Ok(before),
            Err(error) => Err(error),
        }
    }

    /// Ends our side (`SHUT_WR`). A failure means that the peer is gone already.
    pub fn finish_sending(&self) {
        // SAFETY: takes no pointer, and the descriptor is open.
        let _gone = check(unsafe { libc::shutdown(self.0.as_raw_fd(), libc::SHUT_WR) });
    }

    /// Makes the close a reset. A failure leaves an ordinary close.
    pub fn reset_at_close(&self) {
        let _stays = SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
    }

    /// `send` where one segment is all: the kernel has no vector to copy in and check.
    #[inline]
    fn send_one(&self, bytes: &[u8]) -> io::Result<usize> {
        let fd = self.0.as_raw_fd();
        retry(|| {
            let (start, len) = (bytes.as_ptr(), bytes.len());
            let (flags, nobody) = (libc::MSG_NOSIGNAL, std::ptr::null::<libc::c_void>());
            // Through `syscall(2)`, as receiving.
            // SAFETY: the kernel reads at most `len` bytes from `start`.
            check(unsafe { libc::syscall(libc::SYS_sendto, fd, start, len, flags, nobody, 0) })
        })
    }

    fn send_from(&self, file: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<usize> {
        let mut offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (to, from) = (self.0.as_raw_fd(), file.as_raw_fd());
        // SAFETY: the kernel writes to `offset` alone, and both descriptors are open.
        retry(|| check(unsafe { libc::sendfile(to, from, &raw mut offset, len) }))
    }

    fn send_several(&self, segments: &[IoSlice<'_>], more: libc::c_int) -> io::Result<usize> {
        let segments = &segments[..segments.len().min(SEND_SEGMENTS_MAX)];
        // SAFETY: all zeros is a message without address, segments and control data. A literal
        // is impossible, for the C libraries pad the structure in different ways.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // `IoSlice` promises the layout of `iovec`; the kernel reads through this pointer only.
        message.msg_iov = segments.as_ptr().cast_mut().cast();
        message.msg_iovlen = segments.len() as _;
        let fd = self.0.as_raw_fd();
        retry(|| {
            // SAFETY: `message` names `segments.len()` segments that are borrowed during the
            // call, and the kernel only reads both.
            check(unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL | more) })
        })
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What is asked of the kernel's `tcp_info`: the field we read and what stands before it.
const TCP_INFO_BYTES: socklen_t =
    (offset_of!(libc::tcp_info, tcpi_last_data_recv) + size_of::<u32>()) as socklen_t;

const ADDRESS_BYTES: socklen_t = size_of::<sockaddr_in6>() as socklen_t;

/// Room for either kind of address, of neither kind yet.
const NO_ADDRESS: sockaddr_in6 = sockaddr_in6 {
    sin6_family: 0,
    sin6_port: 0,
    sin6_flowinfo: 0,
    sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
    sin6_scope_id: 0,
};

// An IPv4 address lies where the flow information of an IPv6 one does, so that the larger
// structure can be read as either without a cast.
const _: () = assert!(
    offset_of!(sockaddr_in, sin_family) == offset_of!(sockaddr_in6, sin6_family)
        && offset_of!(sockaddr_in, sin_port) == offset_of!(sockaddr_in6, sin6_port)
        && offset_of!(sockaddr_in, sin_addr) == offset_of!(sockaddr_in6, sin6_flowinfo)
        && size_of::<sockaddr_in>() <= size_of::<sockaddr_in6>()
);

/// The address as the kernel wrote it: port and IP in network order, the scope in ours.
#[inline]
fn decode(address: &sockaddr_in6) -> io::Result<SocketAddr> {
    let port = u16::from_be(address.sin6_port);
    match c_int::from(address.sin6_family) {
        libc::AF_INET => {
            let ip = Ipv4Addr::from(address.sin6_flowinfo.to_ne_bytes());
            Ok(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let flow = address.sin6_flowinfo;
            Ok(SocketAddrV6::new(ip, port, flow, address.sin6_scope_id).into())
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A stream and its peer, a plain socket of the standard library.
    fn pair(address: &str) -> (Stream, SocketAddr, TcpStream) {
        let listener = TcpListener::bind(address).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, from) = Stream::accept(listener.as_fd()).unwrap();
        (stream, from, peer)
    }

    #[test]
    fn the_peers_address_is_decoded_for_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (_stream, from, peer) = pair(address);
            assert_eq!(from, peer.local_addr().unwrap());
        }
    }

    #[test]
    fn connections_from_one_address_may_share_a_port_if_they_go_to_others() {
        let source = IpAddr::from([127, 0, 0, 77]);
        let listeners: Vec<_> = (2..40)
            .map(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap())
            .collect();
        for listener in listeners {
            let address = listener.local_addr().unwrap();
            let _stream = Stream::connect(address, Some(source)).unwrap();
            assert_eq!(listener.accept().unwrap().1.ip(), source);
        }
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let own = Ipv6Addr::LOCALHOST.into();
        let _stream = Stream::connect(listener.local_addr().unwrap(), Some(own)).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), own);
        let strange = IpAddr::from([192, 0, 2, 1]);
        let error = Stream::connect("127.0.0.1:9".parse().unwrap(), Some(strange)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn scope_and_port_keep_their_byte_order() {
        let mut address = NO_ADDRESS;
        assert_eq!(decode(&address).unwrap_err().kind(), io::ErrorKind::InvalidData);
        address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
        address.sin6_port = 0x1F90_u16.to_be();
        address.sin6_addr.s6_addr = "fe80::2".parse::<Ipv6Addr>().unwrap().octets();
        address.sin6_scope_id = 7;
        assert_eq!(decode(&address).unwrap(), "[fe80::2%7]:8080".parse().unwrap());
    }

    #[test]
    fn an_accepted_stream_is_non_blocking_and_closed_on_exec() {
        let (stream, _, _peer) = pair("127.0.0.1:0");
        assert!(socket2::SockRef::from(&stream).nonblocking().unwrap());
        // SAFETY: takes no pointer, and the descriptor is open.
        let flags = unsafe { libc::fcntl(stream.0.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC);
        let error = stream.receive(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_age_of_the_last_bytes_grows_until_others_come() {
        let (stream, _, mut peer) = pair("127.0.0.1:0");
        std::io::Write::write_all(&mut peer, b"a").unwrap();
        let least = Duration::from_millis(20);
        while stream.received_ago().expect("it is TCP") < least {
            std::thread::yield_now();
        }
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(Stream(one.into()).received_ago(), None);
    }

    #[test]
    fn an_adopted_stream_is_made_non_blocking() {
        let (_, _, peer) = pair("127.0.0.1:0");
        let stream = Stream::adopt(peer.into()).unwrap();
        assert!(socket2::SockRef::from(&stream).nonblocking().unwrap());
    }

    #[test]
    fn segments_beyond_the_bound_are_left_for_the_next_call() {
        let (stream, _, _peer) = pair("127.0.0.1:0");
        let segments = [IoSlice::new(b"ab"); SEND_SEGMENTS_MAX + 2];
        assert_eq!(stream.send(&segments).unwrap(), 2 * SEND_SEGMENTS_MAX);
        assert_eq!(stream.send(&[]).unwrap(), 0);
    }

    /// Whether a `SIGPIPE` waits for this thread, which has it blocked.
    fn is_sigpipe_pending() -> bool {
        let mut pending = std::mem::MaybeUninit::uninit();
        // SAFETY: `sigpending` initialises the set that `sigismember` then reads.
        unsafe {
            assert_eq!(libc::sigpending(pending.as_mut_ptr()), 0);
            libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
        }
    }

    #[test]
    fn sending_after_the_end_is_an_error_and_no_signal() {
        // The standard library ignores SIGPIPE, but what is blocked is kept all the same.
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set, the others change and read it.
        unsafe {
            assert_eq!(libc::sigemptyset(set.as_mut_ptr()), 0);
            assert_eq!(libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE), 0);
            let block = libc::SIG_BLOCK;
            assert_eq!(libc::pthread_sigmask(block, set.as_ptr(), std::ptr::null_mut()), 0);
        }
        let (stream, _, _peer) = pair("127.0.0.1:0");
        stream.finish_sending();
        for segments in [&[IoSlice::new(b"one")][..], &[IoSlice::new(b"two"); 2]] {
            let error = stream.send(segments).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
        assert!(!is_sigpipe_pending());
    }
}
