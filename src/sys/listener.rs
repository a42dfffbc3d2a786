//! Listening sockets: how the first one of an address is made sure to be the first, how the
//! others join it, and what a person is told when that fails. Knows no worker.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::holder::{Holder, holder_of};

/// A listening, non-blocking socket, closed on exec, of a group that shares its address by
/// `SO_REUSEPORT`. Connections accepted from it have `TCP_NODELAY` set.
///
/// An IPv6 address means IPv6 alone (`IPV6_V6ONLY`), whatever `net.ipv6.bindv6only` says, so
/// that `0.0.0.0:80` and `[::]:80` can be given together and neither takes the other's peers.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: SocketAddr,
}

impl Listener {
    /// The first listener of `address`; port 0 lets the kernel choose one, see
    /// [`Listener::address`]. Fails while anybody else listens there, with `SO_REUSEPORT` or
    /// without: a second server never takes a share of the first one's connections unnoticed.
    ///
    /// `SO_REUSEPORT` is switched on only after `listen(2)`, which lets others join from then
    /// on. Until then the kernel's own check for a conflict applies, in one step: there is no
    /// moment, as there would be after a trial bind, at which another program can slip in.
    /// Connections that linger in `TIME_WAIT` are no obstacle (`SO_REUSEADDR`).
    ///
    /// # Errors
    /// The address, why it cannot be listened on, and what to do about it.
    pub fn claim(address: SocketAddr, backlog: u32) -> Result<Listener, BindError> {
        listen(address, backlog, Sharing::AfterListen)
            .map_err(|error| BindError::new(address, error))
    }

    /// One more listener of an address that this program, or the one it takes over from,
    /// listens on already: the kernel spreads connections over all of them. Whoever has the
    /// same user may join (`socket(7)`).
    ///
    /// # Errors
    /// As [`Listener::claim`].
    pub fn join(address: SocketAddr, backlog: u32) -> Result<Listener, BindError> {
        listen(address, backlog, Sharing::FromTheStart)
            .map_err(|error| BindError::new(address, error))
    }

    /// A claimed listener and those that join it: `count` of one address, one for each worker,
    /// in the order in which the kernel numbers them for a steering program.
    ///
    /// # Errors
    /// As [`Listener::claim`].
    ///
    /// # Panics
    /// If `count` is zero.
    pub fn group(
        address: SocketAddr,
        count: usize,
        backlog: u32,
    ) -> Result<Vec<Listener>, BindError> {
        assert!(count > 0, "a group has at least the listener that claims its address");
        let first = Listener::claim(address, backlog)?;
        let address = first.address;
        let rest = (1..count).map(|_| Listener::join(address, backlog));
        std::iter::once(Ok(first)).chain(rest).collect()
    }

    /// Takes over a socket that listens already: inherited from a service manager or handed
    /// over by another process. Makes it non-blocking and closed on exec.
    ///
    /// # Errors
    /// `InvalidInput` if it does not listen, or not on an IP address; what `setsockopt(2)`
    /// names.
    pub fn adopt(fd: OwnedFd) -> io::Result<Listener> {
        let socket = Socket::from(fd);
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        if !socket.is_listener()? {
            return Err(invalid("the descriptor is not a listening socket"));
        }
        let address = socket.local_addr()?.as_socket();
        let address =
            address.ok_or_else(|| invalid("the socket does not listen on an IP address"))?;
        socket.set_nonblocking(true)?;
        socket.set_cloexec(true)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Listener { socket, address })
    }

    /// Takes the connections whose packets the kernel handles on this CPU (`SO_INCOMING_CPU`).
    ///
    /// # Errors
    /// What `setsockopt(2)` names.
    pub fn follow_cpu(&self, cpu: usize) -> io::Result<()> {
        self.socket.set_cpu_affinity(cpu)
    }

    /// A duplicate of its descriptor. While there is one, the socket listens.
    ///
    /// # Errors
    /// What `fcntl(2)` names, mostly that descriptors have run out.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Where it listens, with the port that the kernel chose if it was asked to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// When others may bind the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    AfterListen,
    FromTheStart,
}

fn listen(address: SocketAddr, backlog: u32, sharing: Sharing) -> io::Result<Listener> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::FromTheStart)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_reuse_port(true)?;
    // The socket was made for an IP address, so it has one.
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Listener { socket, address })
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    error: io::Error,
    holder: Option<Holder>,
}

impl BindError {
    fn new(address: SocketAddr, error: io::Error) -> BindError {
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        let holder = if in_use { holder_of(address) } else { None };
        BindError { address, error, holder }
    }

    /// The address that was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the kernel answered: `AddrInUse`, `PermissionDenied`, `AddrNotAvailable` or another.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }

    /// Who listens there, if the address is in use and we may look.
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }
}

impl BindError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match (self.error.kind(), &self.holder) {
            (io::ErrorKind::AddrInUse, Some(_)) => "stop it, or listen on another port",
            (io::ErrorKind::AddrInUse, None) => {
                "`ss -ltnp` as root names the program that listens there; stop it, or listen on \
                 another port"
            }
            (io::ErrorKind::PermissionDenied, _) => {
                "ports below net.ipv4.ip_unprivileged_port_start (1024 unless changed) need \
                 CAP_NET_BIND_SERVICE; or listen on a higher port"
            }
            (io::ErrorKind::AddrNotAvailable, _) => "`ip address` lists what this machine has",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.address)?;
        match (self.error.kind(), &self.holder) {
            (io::ErrorKind::AddrInUse, Some(holder)) => write!(f, "in use by {holder}"),
            (io::ErrorKind::AddrInUse, None) => write!(f, "in use by another program"),
            (io::ErrorKind::PermissionDenied, _) => write!(f, "permission denied"),
            (io::ErrorKind::AddrNotAvailable, _) => {
                write!(f, "no network interface of this machine has the address")
            }
            _ => write!(f, "{}", self.error),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use socket2::SockRef;

    use super::super::stream::Stream;
    use super::*;

    const BACKLOG: u32 = 128;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    /// A port of an address of this test's own: nobody else is given the port while the test
    /// has closed its listener and wants it again.
    fn own_port(host: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 1, host], 0))
    }

    /// Another program's listener that would share its port.
    fn stranger(address: SocketAddr) -> Socket {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(8).unwrap();
        socket
    }

    #[test]
    fn port_0_is_resolved_and_the_whole_group_listens_there() {
        let group = Listener::group(any_port(), 3, BACKLOG).unwrap();
        assert_eq!(group.len(), 3);
        assert_ne!(group[0].address().port(), 0);
        assert!(group.iter().all(|listener| listener.address() == group[0].address()));
    }

    #[test]
    fn the_kernel_spreads_connections_over_the_one_that_claimed_and_those_that_joined() {
        let group = Listener::group(any_port(), 2, BACKLOG).unwrap();
        // Each of 64 connections goes to either by a hash of its ports.
        let peers: Vec<_> =
            (0..64).map(|_| TcpStream::connect(group[0].address()).unwrap()).collect();
        let accepted = |listener: &Listener| {
            std::iter::from_fn(|| Stream::accept(listener.as_fd()).ok()).count()
        };
        let counts = (accepted(&group[0]), accepted(&group[1]));
        assert!(counts.0 > 0 && counts.1 > 0, "{counts:?}");
        assert_eq!(counts.0 + counts.1, peers.len());
    }

    #[test]
    fn an_address_that_is_shared_by_others_is_not_claimed() {
        let theirs = stranger(any_port());
        let address = theirs.local_addr().unwrap().as_socket().unwrap();
        let error = Listener::claim(address, BACKLOG).unwrap_err();
        assert_eq!((error.kind(), error.address()), (io::ErrorKind::AddrInUse, address));
        let wildcard = SocketAddr::from(([0, 0, 0, 0], address.port()));
        assert_eq!(
            Listener::claim(wildcard, BACKLOG).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }

    #[test]
    fn of_two_programs_that_bind_at_once_the_second_fails_when_it_listens() {
        let first = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        first.set_reuse_address(true).unwrap();
        first.bind(&any_port().into()).unwrap();
        let address = first.local_addr().unwrap().as_socket().unwrap();
        let _claimed = Listener::claim(address, BACKLOG).unwrap();
        assert_eq!(first.listen(8).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_claimed_address_is_not_claimed_again_but_can_be_joined() {
        let claimed = Listener::claim(own_port(1), BACKLOG).unwrap();
        assert!(Listener::claim(claimed.address(), BACKLOG).is_err());
        assert!(Listener::join(claimed.address(), BACKLOG).is_ok());
        // A listener that has joined keeps the address from others, even alone.
        let joined = Listener::join(claimed.address(), BACKLOG).unwrap();
        drop(claimed);
        assert!(Listener::claim(joined.address(), BACKLOG).is_err());
        let address = joined.address();
        drop(joined);
        assert!(Listener::claim(address, BACKLOG).is_ok());
    }

    #[test]
    fn connections_in_time_wait_do_not_keep_an_address() {
        let listener = Listener::claim(own_port(2), BACKLOG).unwrap();
        let address = listener.address();
        let peer = TcpStream::connect(address).unwrap();
        // Our side ends first, so it is ours that waits.
        drop(Stream::accept(listener.as_fd()).unwrap());
        drop(peer);
        drop(listener);
        assert!(Listener::claim(address, BACKLOG).is_ok());
    }

    #[test]
    fn both_families_of_one_port_can_be_listened_on() {
        let four = Listener::claim("0.0.0.0:0".parse().unwrap(), BACKLOG).unwrap();
        let six = SocketAddr::from(([0_u16; 8], four.address().port()));
        let six = Listener::claim(six, BACKLOG).unwrap();
        assert!(six.socket.only_v6().unwrap());
    }

    #[test]
    fn accepted_connections_inherit_that_nothing_is_delayed() {
        let listener = Listener::claim(any_port(), BACKLOG).unwrap();
        let _peer = TcpStream::connect(listener.address()).unwrap();
        let (stream, _) = Stream::accept(listener.as_fd()).unwrap();
        assert!(SockRef::from(&stream).tcp_nodelay().unwrap());
    }

    #[test]
    fn an_adopted_listener_is_made_non_blocking_and_anything_else_is_refused() {
        let theirs = stranger(any_port());
        let address = theirs.local_addr().unwrap().as_socket().unwrap();
        let listener = Listener::adopt(theirs.into()).unwrap();
        assert_eq!(listener.address(), address);
        assert!(listener.socket.nonblocking().unwrap());

        let idle = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let error = Listener::adopt(idle.into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let file = tempfile::tempfile().unwrap();
        assert!(Listener::adopt(file.into()).is_err());
    }

    #[test]
    fn an_error_says_what_was_tried_and_what_to_do() {
        // TEST-NET-1 (RFC 5737) is nobody's address.
        let error = Listener::claim("192.0.2.1:80".parse().unwrap(), BACKLOG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(
            error.to_string(),
            "cannot listen on 192.0.2.1:80: no network interface of this machine has the address"
        );
        let denied = BindError::new(any_port(), io::ErrorKind::PermissionDenied.into());
        assert!(denied.hint().unwrap().contains("CAP_NET_BIND_SERVICE"));
        let holder = Some(Holder { pid: 7, name: "nginx".to_owned() });
        let error = io::ErrorKind::AddrInUse.into();
        let held = BindError { address: "127.0.0.1:80".parse().unwrap(), error, holder };
        assert_eq!(held.to_string(), "cannot listen on 127.0.0.1:80: in use by nginx (pid 7)");
        assert!(held.hint().unwrap().contains("another port"));
    }
}
