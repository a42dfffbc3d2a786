//! When bytes arrived, by the kernel's own time stamps (`SO_TIMESTAMPING`), for the few receives
//! that ask. Knows nothing of who asks and why.

#![allow(unsafe_code)] // recvmsg is a foreign function with untyped arguments.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::stream::Stream;
use super::syscall::{check, retry, set_option};
use crate::clock::Clock;

/// Has the kernel stamp every packet for as long as it lives. The stamps are taken for all sockets
/// or for none, and switching that patches the kernel's code, so one silent socket keeps it on.
#[derive(Debug)]
pub(super) struct Stamps(#[allow(dead_code, reason = "it lives")] Socket);

impl Stamps {
    /// Begins; packets of the next milliseconds may carry no stamp yet.
    ///
    /// # Errors
    /// What `socket(2)` and `setsockopt(2)` name.
    pub(super) fn new() -> io::Result<Stamps> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)
            .or_else(|_| Socket::new(Domain::IPV6, Type::DGRAM, None))?;
        set(&socket, libc::SOF_TIMESTAMPING_RX_SOFTWARE)?;
        Ok(Stamps(socket))
    }
}

/// As [`Stream::receive`]; tells besides how long ago the last of the bytes arrived, if it is
/// known. `None` unless there are [`Stamps`]. Costs three calls instead of one: the
/// connection shows its stamps for this receive only, for all that show them receive more slowly.
///
/// # Errors
/// As [`Stream::receive`].
pub(super) fn receive_stamped(
    clock: &Clock,
    stream: &Stream,
    space: &mut [u8],
) -> io::Result<(usize, Option<Duration>)> {
    if set(stream, libc::SOF_TIMESTAMPING_SOFTWARE).is_err() {
        return stream.receive(space).map(|len| (len, None));
    }
    let received = receive(stream, space);
    // A failure leaves the stamps on, which costs a little and changes nothing.
    let _shown = set(stream, 0);
    let (len, stamp) = received?;
    let ago = stamp.and_then(|stamp| clock.unix_time().checked_sub(stamp));
    Ok((len, ago))
}

fn set(socket: &impl AsFd, flags: u32) -> io::Result<()> {
    let name = libc::SO_TIMESTAMPING;
    set_option(socket.as_fd(), libc::SOL_SOCKET, name, flags.cast_signed())
}

/// Room for one control message of three times, aligned as its head has to be.
#[repr(C)]
union Control {
    bytes: [u8; CONTROL_BYTES],
    _aligned: libc::cmsghdr,
}

// SAFETY: the macro only computes.
const CONTROL_BYTES: usize =
    unsafe { libc::CMSG_SPACE(3 * size_of::<libc::timespec>() as u32) } as usize;

/// Receives, with the time since 1970 at which the last of the bytes arrived.
fn receive(stream: &Stream, space: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    let mut segment = libc::iovec { iov_base: space.as_mut_ptr().cast(), iov_len: space.len() };
    let mut control = Control { bytes: [0; CONTROL_BYTES] };
    // SAFETY: all zeros is a message without address, segments and control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut segment;
    message.msg_iovlen = 1;
    let fd = stream.as_fd().as_raw_fd();
    let len = retry(|| {
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = CONTROL_BYTES as _;
        // SAFETY: `message` names `space` and `control`, which are borrowed during the call and
        // as large as it says; the kernel writes within them and `message` itself.
        check(unsafe { libc::recvmsg(fd, &raw mut message, 0) })
    })?;
    // SAFETY: `message` is as the kernel left it, and its control data is alive.
    Ok((len, unsafe { stamp(&message) }))
}

/// The software stamp in the control data of a message.
///
/// # Safety
/// The message is as `recvmsg(2)` left it, with control data that is alive.
unsafe fn stamp(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: as the caller promises.
    let first = unsafe { libc::CMSG_FIRSTHDR(message) };
    if first.is_null() {
        return None;
    }
    // SAFETY: the macro found a whole head within the control data.
    let head = unsafe { first.read_unaligned() };
    // SAFETY: the macro only computes.
    let least = unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) } as usize;
    let is_stamp = head.cmsg_level == libc::SOL_SOCKET
        && head.cmsg_type == libc::SCM_TIMESTAMPING
        && head.cmsg_len as usize >= least;
    if !is_stamp {
        return None;
    }
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the message's length says that a time follows its head, and any bytes are a time.
    let time = unsafe {
        let data = libc::CMSG_DATA(first);
        data.copy_to_nonoverlapping(time.as_mut_ptr().cast(), size_of::<libc::timespec>());
        time.assume_init()
    };
    let seconds = u64::try_from(time.tv_sec).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;

    #[test]
    fn bytes_tell_how_long_they_have_waited_and_the_connection_forgets_it_was_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = Stream::accept(listener.as_fd()).unwrap();
        let _stamps = Stamps::new().unwrap();
        let clock = Clock::new();
        let mut space = [0; 64];
        // The first packets after the begin may carry no stamp.
        let waited = loop {
            let sent = Instant::now();
            peer.write_all(b"abc").unwrap();
            let least = Duration::from_millis(5);
            while sent.elapsed() < least {
                std::thread::yield_now();
            }
            let (len, ago) = receive_stamped(&clock, &stream, &mut space).unwrap();
            assert_eq!(&space[..len], b"abc");
            if let Some(ago) = ago {
                break (ago, least, sent.elapsed());
            }
        };
        let (ago, least, most) = waited;
        // The bytes arrive within the call that sends them, so a little after `sent`.
        assert!(ago > least / 2 && ago <= most, "{ago:?} of {least:?} to {most:?}");
        let error = receive_stamped(&clock, &stream, &mut space).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut flags: libc::c_int = -1;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes of `flags`, and `length` itself.
        let asked = unsafe {
            libc::getsockopt(
                stream.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPING,
                (&raw mut flags).cast(),
                &raw mut length,
            )
        };
        assert_eq!((asked, flags), (0, 0));
        drop(peer);
        assert_eq!(receive_stamped(&clock, &stream, &mut space).unwrap().0, 0);
    }
}
