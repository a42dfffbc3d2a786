//! The kernel's queues of connections that nobody has accepted yet, and what it dropped for want
//! of room in them. Asks the kernel and not the workers, so that a stuck worker's is seen too.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::tcp_ext::TcpExt;

/// The queue of one listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptQueue {
    /// The socket's inode, see [`socket_inode`].
    pub inode: u64,
    /// Connections that wait.
    pub depth: u64,
    /// How many may.
    pub limit: u64,
}

/// What the kernel dropped at listening sockets of this network namespace since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenFailures {
    /// Times that a queue was full.
    pub overflows: u64,
    /// Connections that were dropped for that or another reason.
    pub drops: u64,
}

/// What names a socket to the kernel's diagnosis.
///
/// # Errors
/// What `fstat(2)` names, or that descriptors have run out.
pub fn socket_inode(socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(File::from(socket.try_clone_to_owned()?).metadata()?.ino())
}

/// The queues of all listening TCP sockets of this network namespace (`sock_diag(7)`).
///
/// # Errors
/// If the kernel, or what stands before it, lets nobody ask.
pub fn accept_queues() -> io::Result<Vec<AcceptQueue>> {
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::DGRAM.cloexec(),
        Some(Protocol::from(libc::NETLINK_SOCK_DIAG)),
    )?;
    // The kernel answers at once; one that does not is not waited for.
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut queues = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        socket.send(&question(family))?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let len = (&socket).read(&mut piece)?;
            if read_messages(&piece[..len], &mut queues)? {
                break;
            }
        }
    }
    Ok(queues)
}

/// What the kernel sends at once at most (`netlink(7)`).
const PIECE_BYTES: usize = 32 * 1024;

const HEAD_BYTES: usize = 16;
/// Of `inet_diag_req_v2`.
const QUESTION_BYTES: usize = 56;
/// Of `inet_diag_msg`.
const ANSWER_BYTES: usize = 72;
/// `TCP_LISTEN` of the kernel's list of states.
const LISTENS: u32 = 1 << 10;

/// Asks for the listening sockets of a family.
fn question(family: libc::c_int) -> [u8; HEAD_BYTES + QUESTION_BYTES] {
    let mut bytes = [0; HEAD_BYTES + QUESTION_BYTES];
    let len = bytes.len() as u32;
    // SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST and NLM_F_DUMP.
    let (kind, flags) = (20_u16, 0x301_u16);
    bytes[..4].copy_from_slice(&len.to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    for (at, number) in [family, libc::IPPROTO_TCP].into_iter().enumerate() {
        bytes[HEAD_BYTES + at] = u8::try_from(number).unwrap_or_default();
    }
    bytes[HEAD_BYTES + 4..HEAD_BYTES + 8].copy_from_slice(&LISTENS.to_ne_bytes());
    bytes
}

/// Takes the queues out of what the kernel sent. Returns whether that was all.
fn read_messages(mut bytes: &[u8], queues: &mut Vec<AcceptQueue>) -> io::Result<bool> {
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    while bytes.len() >= HEAD_BYTES {
        let len = number(bytes, 0) as usize;
        let message = bytes.get(..len).filter(|message| message.len() >= HEAD_BYTES);
        let message = message.ok_or(io::ErrorKind::InvalidData)?;
        match u16::from_ne_bytes([message[4], message[5]]) {
            DONE => return Ok(true),
            ERROR => return Err(io::ErrorKind::PermissionDenied.into()),
            _ => {}
        }
        let body = &message[HEAD_BYTES..];
        if body.len() >= ANSWER_BYTES {
            // Of a listening socket: how many wait, and how many may.
            let (depth, limit, inode) = (number(body, 56), number(body, 60), number(body, 68));
            let [depth, limit, inode] = [depth, limit, inode].map(u64::from);
            queues.push(AcceptQueue { inode, depth, limit });
        }
        bytes = &bytes[len.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(false)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What the kernel dropped at listening sockets; `None` where it does not tell.
pub fn listen_failures() -> Option<ListenFailures> {
    from_netstat(&fs::read_to_string("/proc/self/net/netstat").ok()?)
}

fn from_netstat(text: &str) -> Option<ListenFailures> {
    let counters = TcpExt::of(text)?;
    let (overflows, drops) = (counters.count("ListenOverflows")?, counters.count("ListenDrops")?);
    Some(ListenFailures { overflows, drops })
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use std::os::fd::AsFd;

    use super::super::listener::Listener;
    use super::*;

    #[test]
    fn a_queue_is_as_deep_as_connections_wait_in_it() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = Listener::claim(address.parse().unwrap(), 7).unwrap();
            let inode = socket_inode(listener.as_fd()).unwrap();
            let _waiting = [0, 1, 2].map(|_| TcpStream::connect(listener.address()).unwrap());
            let Ok(queues) = accept_queues() else { return };
            let own = queues.into_iter().find(|queue| queue.inode == inode);
            assert_eq!(own, Some(AcceptQueue { inode, depth: 3, limit: 7 }));
        }
    }

    #[test]
    fn what_was_dropped_is_found_by_its_name() {
        let text = "TcpExt: A ListenDrops B ListenOverflows\nTcpExt: 1 5 2 3\nIpExt: A\nIpExt: 9\n";
        let found = ListenFailures { overflows: 3, drops: 5 };
        assert_eq!(from_netstat(text), Some(found));
        assert_eq!(from_netstat("TcpExt: A\nTcpExt: 1\n"), None);
        assert_eq!(from_netstat(""), None);
        assert!(listen_failures().is_some());
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_no_panic() {
        let mut bytes = question(2).to_vec();
        bytes.truncate(40);
        assert!(read_messages(&bytes, &mut Vec::new()).is_err());
        assert!(!read_messages(&bytes[..8], &mut Vec::new()).unwrap());
        bytes[..4].copy_from_slice(&4_u32.to_ne_bytes());
        assert!(read_messages(&bytes, &mut Vec::new()).is_err());
    }
}
