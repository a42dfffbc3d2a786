//! What a large body costs in calls of the kernel: the whole worker on a kernel that counts them.
//! Knows nothing of blocks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelane::api::{Board, NoBlocking};
use corelane::clock::{Clock, Moment};
use corelane::limits::BLOCK_BYTES;
use corelane::sys::{Interest, Kernel, Readiness, Token, Wake};
use corelane::worker::{Worker, WorkerParts, mailbox};
use corelane::{Router, Settings};

/// What a client sends, and what it costs to receive it.
#[derive(Debug, Default)]
struct Scene {
    now: Cell<u64>,
    is_accepted: Cell<bool>,
    token: Cell<Option<Token>>,
    sent: RefCell<VecDeque<u8>>,
    /// What arrives with the fifth wait.
    late: RefCell<VecDeque<u8>>,
    /// The most that the kernel has at a time.
    most: Cell<usize>,
    receives: Cell<usize>,
    /// How often it was asked what is ready.
    waits: Cell<usize>,
    questions: Cell<usize>,
    answers: RefCell<Vec<u8>>,
}

struct Counting(Rc<Scene>);

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

impl Kernel for Counting {
    type Stream = ();

    fn now(&mut self) -> Moment {
        self.0.now.set(self.0.now.get() + 1_000_000);
        Moment::from_nanos(self.0.now.get())
    }

    fn lap(&mut self) -> Moment {
        Moment::from_nanos(self.0.now.get())
    }

    fn unix_seconds(&mut self) -> u64 {
        0
    }

    fn wait(&mut self, ready: &mut Vec<Readiness>, _: Option<Duration>) -> io::Result<()> {
        ready.clear();
        self.0.waits.set(self.0.waits.get() + 1);
        if self.0.waits.get() == 5 {
            self.0.sent.borrow_mut().append(&mut self.0.late.borrow_mut());
        }
        let token = self.0.token.get().unwrap_or(Token::listener(0));
        ready.push(Readiness { token, receive: true, send: false, broken: false });
        Ok(())
    }

    fn listeners(&self) -> usize {
        1
    }

    fn listen(&mut self, _: usize, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn close_listeners(&mut self) {}

    fn accept(&mut self, _: usize) -> io::Result<((), SocketAddr)> {
        if self.0.is_accepted.replace(true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(((), SocketAddr::from((Ipv4Addr::LOCALHOST, 1))))
    }

    fn add(&mut self, (): &(), token: Token, _: Interest) -> io::Result<()> {
        self.0.token.set(Some(token));
        Ok(())
    }

    fn change(&mut self, (): &(), _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, (): &(), space: &mut [u8]) -> io::Result<usize> {
        let mut sent = self.0.sent.borrow_mut();
        let len = space.len().min(sent.len()).min(self.0.most.get());
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.receives.set(self.0.receives.get() + 1);
        space.iter_mut().zip(sent.drain(..len)).for_each(|(byte, sent)| *byte = sent);
        Ok(len)
    }

    fn received_ago(&self, (): &()) -> Option<Duration> {
        self.0.questions.set(self.0.questions.get() + 1);
        Some(Duration::ZERO)
    }

    fn send(&mut self, (): &(), segments: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = segments.iter().flat_map(|segment| segment.iter().copied()).collect();
        self.0.answers.borrow_mut().extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn send_file(
        &mut self,
        (): &(),
        _: &[IoSlice<'_>],
        _: BorrowedFd<'_>,
        _: u64,
        _: usize,
    ) -> io::Result<usize> {
        unreachable!("there are no files here")
    }

    fn finish_sending(&mut self, (): &()) {}

    fn reset_at_close(&mut self, (): &()) {}

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Nobody)
    }

    fn acknowledge_wake(&mut self) {}
}

/// Sends a head of `head` bytes or so and `body` bytes behind it, of which the kernel has at most
/// `most` at a time; the scene after the answer.
fn upload(head: usize, body: usize, most: usize) -> Rc<Scene> {
    upload_late(head, body, most, usize::MAX)
}

/// The same, where all but `early` bytes come later.
fn upload_late(head: usize, body: usize, most: usize, early: usize) -> Rc<Scene> {
    let scene = Rc::new(Scene::default());
    let filler = "f".repeat(head);
    let text = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nFiller: {filler}\r\nContent-Length: {body}\r\n\r\n{}",
        "b".repeat(body)
    );
    let (early, late) = text.as_bytes().split_at(early.min(text.len()));
    scene.sent.borrow_mut().extend(early);
    scene.late.borrow_mut().extend(late);
    scene.most.set(most);
    let kernel = Counting(Rc::clone(&scene));
    let (_, mailbox) = mailbox(kernel.waker());
    let mut settings = Settings::default();
    settings.body_bytes_max = 4 << 20;
    settings.stage_sampling = 0;
    let parts = WorkerParts {
        index: 0,
        settings,
        connections_max: 8,
        board: Arc::new(Board::new(Clock::new(), 1)),
        memory_max: 64 << 20,
        blocking: Arc::new(NoBlocking),
    };
    let application =
        Router::new().post("/", |req, res| res.text(format_args!("{}", req.body().len())));
    let mut worker = Worker::new(kernel, application, parts, mailbox);
    while scene.answers.borrow().is_empty() {
        worker.turn().unwrap();
    }
    let answer = String::from_utf8(scene.answers.borrow().clone()).unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    scene
}

#[test]
fn a_body_is_received_in_large_pieces_however_it_begins() {
    const BODY: usize = 2 << 20;
    for head in [0, 600, 2_000] {
        for most in [usize::MAX, 60_000] {
            let receives = upload(head, BODY, most).receives.get();
            let least = BODY / BLOCK_BYTES;
            // A head stays in front of its body, and the first piece may be small.
            assert!(receives <= least * 9 / 8 + 2, "{receives} for {least} blocks, {head} {most}");
        }
    }
}

#[test]
fn how_long_a_piece_of_a_body_has_waited_is_not_asked() {
    let scene = upload(0, 1 << 20, 10_000);
    assert!(scene.receives.get() > 100);
    assert!(scene.questions.get() <= 1, "{} questions", scene.questions.get());
}

#[test]
fn what_is_ready_is_not_asked_while_a_body_fills_its_block() {
    let scene = upload(0, 2 << 20, usize::MAX);
    assert!(scene.waits.get() < 8, "{} waits", scene.waits.get());
}

#[test]
fn a_block_that_the_last_bytes_have_filled_is_not_received_into_without_end() {
    let scene = upload_late(0, 2 << 20, usize::MAX, BLOCK_BYTES);
    assert!(scene.waits.get() >= 5, "{} waits", scene.waits.get());
}
