//! The kernel a simulated worker runs on: every call goes to the world around it.
//! Knows no HTTP and decides nothing.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corelane::clock::Moment;
use corelane::sys::{Interest, Kernel, Readiness, Token, Wake};

use crate::sim_elsewhere::lock;
use crate::sim_world::World;

/// The worker's side of the world.
#[derive(Debug)]
pub(crate) struct SimKernel(pub(crate) Rc<RefCell<World>>);

/// A connection the worker owns. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct SimStream {
    world: Rc<RefCell<World>>,
    client: usize,
}

impl Drop for SimStream {
    fn drop(&mut self) {
        // A borrow fails only while a panic unwinds through the world.
        if let Ok(mut world) = self.world.try_borrow_mut() {
            world.close(self.client);
        }
    }
}

#[derive(Debug)]
struct SimWaker(Arc<AtomicBool>);

impl Wake for SimWaker {
    fn wake(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl SimStream {
    pub(crate) fn new(world: Rc<RefCell<World>>, client: usize) -> SimStream {
        SimStream { world, client }
    }
}

/// As much of a part of a file as there is.
fn read_file(file: BorrowedFd<'_>, offset: u64, len: usize) -> Vec<u8> {
    let file = File::from(file.try_clone_to_owned().unwrap());
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, offset).unwrap();
    bytes.truncate(read);
    bytes
}

/// The peer address that stands for a client.
pub(crate) fn peer_of(client: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), client as u16 + 1)
}

/// The client a peer address stands for.
pub(crate) fn client_of(peer: SocketAddr) -> usize {
    usize::from(peer.port()) - 1
}

impl Kernel for SimKernel {
    type Stream = SimStream;

    fn now(&mut self) -> Moment {
        self.0.borrow().now
    }

    fn lap(&mut self) -> Moment {
        self.0.borrow_mut().lap()
    }

    fn unix_seconds(&mut self) -> u64 {
        self.0.borrow().unix_seconds()
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.borrow_mut().wait(ready, timeout);
        Ok(())
    }

    fn listeners(&self) -> usize {
        self.0.borrow().listeners()
    }

    fn listen(&mut self, index: usize, on: bool) -> io::Result<()> {
        self.0.borrow_mut().listen(index, on)
    }

    fn close_listeners(&mut self) {
        self.0.borrow_mut().close_listeners();
    }

    fn accept(&mut self, index: usize) -> io::Result<(SimStream, SocketAddr)> {
        let client = self.0.borrow_mut().accept(index)?;
        Ok((SimStream::new(Rc::clone(&self.0), client), peer_of(client)))
    }

    fn add(&mut self, stream: &SimStream, token: Token, interest: Interest) -> io::Result<()> {
        self.0.borrow_mut().watch(stream.client, token, interest)
    }

    fn change(&mut self, stream: &SimStream, token: Token, interest: Interest) -> io::Result<()> {
        self.0.borrow_mut().watch(stream.client, token, interest)
    }

    fn receive(&mut self, stream: &SimStream, space: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().receive(stream.client, space)
    }

    fn received_ago(&self, stream: &SimStream) -> Option<Duration> {
        self.0.borrow_mut().received_ago(stream.client)
    }

    fn send(&mut self, stream: &SimStream, segments: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.borrow_mut().send(stream.client, segments, 0)
    }

    fn send_file(
        &mut self,
        stream: &SimStream,
        segments: &[IoSlice<'_>],
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
    ) -> io::Result<usize> {
        let rest = read_file(file, offset, len);
        if segments.is_empty() && rest.is_empty() {
            self.0.borrow_mut().tell_end_of_file(stream.client);
            return Ok(0);
        }
        let offered = segments.iter().map(|segment| IoSlice::new(segment));
        let offered: Vec<_> = offered.chain([IoSlice::new(&rest)]).collect();
        let missing = len - rest.len();
        self.0.borrow_mut().send(stream.client, &offered, missing)
    }

    fn finish_sending(&mut self, stream: &SimStream) {
        self.0.borrow_mut().finish_sending(stream.client);
    }

    fn reset_at_close(&mut self, stream: &SimStream) {
        self.0.borrow_mut().reset_at_close(stream.client);
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(SimWaker(Arc::clone(self.0.borrow().woken())))
    }

    fn acknowledge_wake(&mut self) {
        let world = self.0.borrow();
        world.woken().store(false, Ordering::SeqCst);
        lock(&world.elsewhere).mail_is_read();
    }
}
