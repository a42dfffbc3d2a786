//! How a server passes its listening sockets on to the process that takes its place, and what the
//! two say to each other. Knows nothing of how that process is started, or of what ends.
//!
//! The successor's standard input is one end of a pair of sockets. The server sends what it has,
//! [`PASSED_MAX`] sockets a message, and [`END`]; the successor answers [`READY`] once every worker
//! of its own serves; [`GO`] tells it that the server leaves and that a service manager knows.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::inherited::Inherited;
use super::manager::{STORED_ADMIN, STORED_PUBLIC};
use super::{Result, StartError};
use crate::limits::HANDOVER_MS;
use crate::sys::{Channel, PASSED_MAX, inherited_descriptors};

/// Names the process whose successor this one is, so that no other child takes itself for one.
const PREDECESSOR: &str = "CORELANE_PREDECESSOR";

/// What is said first: the form of all that follows.
const FORM: &[u8] = b"corelane.handover/1";
const PUBLIC: &[u8] = b"public";
/// Public sockets that others may not join.
const FIXED: &[u8] = b"fixed";
const ADMIN: &[u8] = b"admin";
const END: &[u8] = b"end";
const READY: &[u8] = b"ready";
const GO: &[u8] = b"go";

/// How long each waits for a word of the other that is due at once.
const PATIENCE: Duration = Duration::from_millis(HANDOVER_MS);

/// Everything that is passed on.
#[derive(Debug, Default)]
pub(super) struct Estate<'a> {
    pub(super) public: Vec<BorrowedFd<'a>>,
    pub(super) admin: Vec<BorrowedFd<'a>>,
    /// See [`Inherited::is_fixed`].
    pub(super) is_fixed: bool,
}

/// The process that is to take over, and the way to it.
#[derive(Debug)]
pub(super) struct Successor {
    pub(super) process: Child,
    channel: Channel,
}

/// What became of a successor so far.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing yet.
    Starting,
    /// Each of its workers serves.
    Ready,
    /// It will not take over, for this reason.
    Failed(&'static str),
}

impl Successor {
    /// Starts it and passes everything on.
    ///
    /// # Errors
    /// If it cannot be started; whether it goes on is told by [`Successor::progress`].
    pub(super) fn start(mut command: Command, estate: &Estate<'_>) -> io::Result<Successor> {
        let (channel, theirs) = Channel::pair()?;
        let manager = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];
        for name in manager {
            // They name this process; what is meant for the server is passed on otherwise.
            command.env_remove(name);
        }
        command.env(PREDECESSOR, std::process::id().to_string());
        let process = command.stdin(Stdio::from(theirs)).spawn()?;
        // The command would keep the other end open.
        drop(command);
        // One that has ended already shows it by what it says next.
        let _ = pass_on(&channel, estate);
        Ok(Successor { process, channel })
    }

    /// Readable when there is progress.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    pub(super) fn progress(&self) -> Progress {
        match self.channel.receive() {
            Ok(Some((message, _))) if message == READY => Progress::Ready,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Starting,
            Ok(Some(_)) => Progress::Failed("it speaks another form of handing over"),
            // One that ends before it has heard everything resets the connection.
            Ok(None) | Err(_) => Progress::Failed("it gave up"),
        }
    }

    /// Ends it; how it ended, in words.
    pub(super) fn end(mut self) -> String {
        // One that has ended keeps its own exit status.
        let _ = self.process.kill();
        let status = self.process.wait();
        status.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Tells it that everything is its own now. It goes on without us, whatever becomes of it.
    pub(super) fn go(self) {
        let _ = self.channel.send(GO, &[]);
    }
}

fn pass_on(channel: &Channel, estate: &Estate<'_>) -> io::Result<()> {
    channel.send(FORM, &[])?;
    let public = if estate.is_fixed { FIXED } else { PUBLIC };
    for (what, sockets) in [(public, &estate.public), (ADMIN, &estate.admin)] {
        for part in sockets.chunks(PASSED_MAX) {
            channel.send(what, part)?;
        }
    }
    channel.send(END, &[])
}

/// The process that this one takes over from, while it waits for that.
#[derive(Debug)]
pub(super) struct Predecessor(Channel);

impl Predecessor {
    /// The one that started this process as its successor, and what it passes on.
    ///
    /// # Errors
    /// If what it passes on cannot be used or does not come.
    pub(super) fn of_this_process() -> Result<Option<(Predecessor, Inherited)>> {
        let pid = std::env::var(PREDECESSOR).ok().and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_none_or(|pid| pid != std::os::unix::process::parent_id()) {
            return Ok(None);
        }
        let broken = |error| StartError::Kernel("take over from the server before", error);
        let input = io::stdin().as_fd().try_clone_to_owned().map_err(broken)?;
        let predecessor = Predecessor(Channel::adopt(input, PATIENCE).map_err(broken)?);
        let inherited = predecessor.inherit()?;
        Ok(Some((predecessor, inherited)))
    }

    fn inherit(&self) -> Result<Inherited> {
        let other_form = || io::Error::new(io::ErrorKind::InvalidData, "it speaks another form");
        let broken = |error| StartError::Kernel("take over from the server before", error);
        let mut inherited = Inherited::default();
        let (form, _) = self.hear().map_err(broken)?;
        if form != FORM {
            return Err(broken(other_form()));
        }
        loop {
            let (what, sockets) = self.hear().map_err(broken)?;
            inherited.is_fixed |= what == FIXED;
            for socket in sockets {
                match &what[..] {
                    PUBLIC | FIXED => inherited.add_public(socket)?,
                    ADMIN => inherited.add_admin(socket)?,
                    _ => return Err(broken(other_form())),
                }
            }
            if what == END {
                return Ok(inherited);
            }
        }
    }

    fn hear(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        let heard = self.0.receive()?;
        heard.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it has gone"))
    }

    /// Tells it that every worker serves, and waits for it to step back. One that has gone or says
    /// nothing is not waited for: this process serves, so it is the server.
    pub(super) fn relieve(self) {
        let said = self.0.send(READY, &[]).and_then(|()| self.hear());
        match said {
            Ok((word, _)) if word == GO => {}
            Ok(_) => log::warn!(
                event = "predecessor_unheard"; "the server before says what is not understood"
            ),
            Err(error) => log::warn!(
                event = "predecessor_unheard", error:%;
                "the server before does not step back: {error}"
            ),
        }
    }
}

/// The sockets that came with this process, and the server before that waits for this one.
///
/// # Errors
/// If one of them is no socket that listens on an IP address, or they do not come.
pub(super) fn inherit() -> Result<(Inherited, Option<Predecessor>)> {
    if let Some((predecessor, inherited)) = Predecessor::of_this_process()? {
        return Ok((inherited, Some(predecessor)));
    }
    let mut inherited = Inherited::default();
    for (name, socket) in inherited_descriptors() {
        match name.as_str() {
            STORED_ADMIN => inherited.add_admin(socket)?,
            STORED_PUBLIC => inherited.add_public(socket)?,
            _ => {
                inherited.is_fixed = true;
                inherited.add_public(socket)?;
            }
        }
    }
    Ok((inherited, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Listener;

    fn predecessor(theirs: OwnedFd) -> Predecessor {
        Predecessor(Channel::adopt(theirs, Duration::from_millis(20)).unwrap())
    }

    #[test]
    fn what_was_passed_on_is_inherited_whatever_there_is_of_it() {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listener::group(any, PASSED_MAX + 3, 16).unwrap();
        let shared: Vec<_> = listeners.iter().map(|l| l.share().unwrap()).collect();
        let at = listeners[0].address();
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(FORM, &[]).unwrap();
        for part in shared.chunks(PASSED_MAX) {
            let part: Vec<_> = part.iter().map(AsFd::as_fd).collect();
            ours.send(PUBLIC, &part).unwrap();
        }
        ours.send(ADMIN, &[shared[0].as_fd()]).unwrap();
        ours.send(END, &[]).unwrap();
        let mut inherited = predecessor(theirs).inherit().unwrap();
        assert!(!inherited.is_fixed);
        let public = inherited.public(&[at]);
        assert_eq!(public[0].most(1), PASSED_MAX + 3);
        assert!(inherited.admin(&[at])[0].is_inherited());
    }

    #[test]
    fn another_form_and_silence_are_errors() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(b"corelane.handover/2", &[]).unwrap();
        let theirs = predecessor(theirs);
        let error = theirs.inherit().unwrap_err().to_string();
        assert!(error.contains("another form"), "{error}");
        assert!(theirs.inherit().is_err(), "nothing came in time");
        drop(ours);
        let error = theirs.inherit().unwrap_err().to_string();
        assert!(error.contains("it has gone"), "{error}");
    }

    #[test]
    fn a_program_that_cannot_be_started_or_ends_does_not_take_over() {
        let estate = Estate::default();
        assert!(Successor::start(Command::new("/nowhere/at/all"), &estate).is_err());
        let successor = Successor::start(Command::new("cat"), &estate).unwrap();
        let status = successor.end();
        assert!(status.starts_with("signal: 9") || status.starts_with("exit status"), "{status}");
    }
}
