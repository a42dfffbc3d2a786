//! Descriptors in messages between processes (`SCM_RIGHTS`, `unix(7)`). Knows neither what they are
//! nor what the messages mean.

#![allow(unsafe_code)] // sendmsg and recvmsg are foreign functions; what arrives becomes owned.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::syscall::{check, retry};

/// Descriptors that one message carries at most; the kernel takes 253 (`SCM_MAX_FD`).
pub const PASSED_MAX: usize = 64;

/// Bytes of one message at most.
const MESSAGE_BYTES_MAX: usize = 256;

const RIGHTS_BYTES: usize = PASSED_MAX * size_of::<RawFd>();

/// Room for a control message with [`PASSED_MAX`] descriptors, aligned as its head wants.
#[repr(C)]
union Control {
    _head: libc::cmsghdr,
    bytes: [u8; 64 + RIGHTS_BYTES],
}

/// One end of a pair of sockets that keeps messages apart (`SOCK_SEQPACKET`).
#[derive(Debug)]
pub struct Channel(Socket);

impl Channel {
    /// Both ends. The first never waits, the second does.
    ///
    /// # Errors
    /// What `socketpair(2)` names.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        ours.set_nonblocking(true)?;
        Ok((Channel(ours), theirs.into()))
    }

    /// The end that another process passed to this one.
    ///
    /// # Errors
    /// `InvalidInput` if it is no such socket.
    pub fn adopt(fd: OwnedFd, patience: Duration) -> io::Result<Channel> {
        let socket = Socket::from(fd);
        if socket.r#type()? != Type::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Channel(socket))
    }

    /// Sends a message with duplicates of at most [`PASSED_MAX`] descriptors.
    ///
    /// # Errors
    /// What `sendmsg(2)` names: `BrokenPipe` if the other end is closed.
    pub fn send(&self, message: &[u8], passed: &[BorrowedFd<'_>]) -> io::Result<()> {
        send_with(self.0.as_fd(), message, passed)
    }

    /// The next message and its descriptors; `None` if the other end is closed.
    ///
    /// # Errors
    /// What `recvmsg(2)` names: `WouldBlock` if there is none, or none in time; `InvalidData` for
    /// one that is too large.
    pub fn receive(&self) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let mut control = Control { bytes: [0; 64 + RIGHTS_BYTES] };
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let mut header = header_of(&mut part, &mut control, size_of::<Control>());
        let received = retry(|| {
            let flags = libc::MSG_CMSG_CLOEXEC;
            // SAFETY: the header names one part and a control buffer that outlive the call.
            check(unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, flags) })
        })?;
        let passed = passed_in(&header);
        if header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((received > 0).then(|| (bytes[..received].to_vec(), passed)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a datagram with duplicates of at most [`PASSED_MAX`] descriptors to the peer that `socket`
/// is connected to.
///
/// # Errors
/// What `sendmsg(2)` names.
pub fn send_passing(
    socket: &UnixDatagram,
    message: &[u8],
    passed: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send_with(socket.as_fd(), message, passed)
}

fn send_with(socket: BorrowedFd<'_>, message: &[u8], passed: &[BorrowedFd<'_>]) -> io::Result<()> {
    assert!(passed.len() <= PASSED_MAX, "{} descriptors in one message", passed.len());
    let numbers: Vec<RawFd> = passed.iter().map(AsRawFd::as_raw_fd).collect();
    let mut control = Control { bytes: [0; 64 + RIGHTS_BYTES] };
    let rights = size_of_val(&numbers[..]);
    // SAFETY: computes sizes; the descriptors of a message are far fewer than an u32 counts.
    let (space, len) = unsafe { (libc::CMSG_SPACE(rights as u32), libc::CMSG_LEN(rights as u32)) };
    let mut part =
        libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    let used = if numbers.is_empty() { 0 } else { space as usize };
    let header = header_of(&mut part, &mut control, used);
    if !numbers.is_empty() {
        // SAFETY: the control buffer has room for a head and `rights` bytes behind it: asserted
        // above and below.
        unsafe {
            let head = libc::CMSG_FIRSTHDR(&raw const header);
            (*head).cmsg_level = libc::SOL_SOCKET;
            (*head).cmsg_type = libc::SCM_RIGHTS;
            (*head).cmsg_len = len as usize;
            libc::CMSG_DATA(head).copy_from_nonoverlapping(numbers.as_ptr().cast(), rights);
        }
    }
    let sent = retry(|| {
        // SAFETY: the header names one part, which is only read, and the control buffer.
        check(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) })
    })?;
    debug_assert_eq!(sent, message.len(), "a message is sent whole or not at all");
    Ok(())
}

// A head, its alignment and the descriptors fit.
const _: () = assert!(size_of::<libc::cmsghdr>() + 16 <= 64);

/// A message of one part with so many bytes of control.
fn header_of(part: &mut libc::iovec, control: &mut Control, used: usize) -> libc::msghdr {
    // SAFETY: a header of zeros names no address, no part and no control.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut *control).cast();
    header.msg_controllen = used;
    header
}

/// The descriptors that came with a message, owned from now on.
fn passed_in(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut passed = Vec::new();
    // SAFETY: the kernel has filled the control buffer of `header` up to `msg_controllen`, which
    // the macros walk within; each descriptor in it is new and nobody else's.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(header);
        while !head.is_null() {
            let is_rights =
                (*head).cmsg_level == libc::SOL_SOCKET && (*head).cmsg_type == libc::SCM_RIGHTS;
            let bytes = (*head).cmsg_len - libc::CMSG_LEN(0) as usize;
            let bytes = if is_rights { bytes } else { 0 };
            let numbers = std::slice::from_raw_parts(libc::CMSG_DATA(head), bytes);
            let (numbers, _) = numbers.as_chunks();
            let numbers = numbers.iter().map(|number| RawFd::from_ne_bytes(*number));
            passed.extend(numbers.map(|number| OwnedFd::from_raw_fd(number)));
            head = libc::CMSG_NXTHDR(header, head);
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn descriptors_arrive_with_their_message_and_are_the_same_files() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::adopt(theirs, PATIENCE).unwrap();
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let full = vec![reader.as_fd(); PASSED_MAX];
        ours.send(b"all", &full).unwrap();
        ours.send(b"none", &[]).unwrap();
        let (message, passed) = theirs.receive().unwrap().unwrap();
        assert_eq!((&message[..], passed.len()), (&b"all"[..], PASSED_MAX));
        assert_eq!(theirs.receive().unwrap().unwrap().0, b"none");
        writer.write_all(b"x").unwrap();
        let mut byte = [0];
        UnixStream::from(passed.into_iter().last().unwrap()).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn an_end_that_is_closed_and_one_that_is_silent_are_told_apart() {
        let (ours, theirs) = Channel::pair().unwrap();
        let silent = ours.receive().unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        assert!(ours.receive().unwrap().is_none());
        assert_eq!(ours.send(b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_is_too_large_or_no_such_socket_is_an_error() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::adopt(theirs, PATIENCE).unwrap();
        theirs.send(&[0; MESSAGE_BYTES_MAX + 1], &[]).unwrap();
        assert_eq!(ours.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (stream, _other) = UnixStream::pair().unwrap();
        assert!(Channel::adopt(stream.into(), PATIENCE).is_err());
    }
}
