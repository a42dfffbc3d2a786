//! A small application with one of each kind of answer and of body. Knows no connection: what it
//! promises lies in [`Promised`] until somebody has it kept.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use corelane::api::Waker;
use corelane::{
    Error, HandlerResult, Later, Method, Piece, Pull, Reply, Request, Response, Router, Sink,
    Source, Status, Taken,
};

/// Promises that were not kept yet, the oldest first, and how each is to be kept.
#[derive(Clone, Default)]
pub(crate) struct Promised(Rc<RefCell<VecDeque<(String, Later)>>>);

impl Promised {
    /// Keeps or breaks the oldest promise, if there is one.
    pub(crate) fn keep_next(&self) {
        let Some((how, later)) = self.0.borrow_mut().pop_front() else { return };
        match how.as_str() {
            "break" => drop(later),
            "fail" => later.fail(Error::not_found("nothing came")),
            "stream" => later.answer(Reply::stream(Pieces { left: 3, waker: None })),
            "wrong" => later.answer(Reply::text("x").header("no token", "x")),
            _ => later.answer(Reply::text(how).status(Status::ACCEPTED)),
        }
    }
}

pub(crate) fn router(promised: &Promised) -> Router {
    let promised = promised.clone();
    Router::new()
        .get("/", |_, res| res.text("Hello, World!"))
        .get("/users/{id}", |req, res| {
            let id: u32 = req.param("id")?;
            res.header("X-Number", id.to_string()).text(format_args!("user {id}"))
        })
        .get("/large", |_, res| res.bytes(vec![b'x'; 20_000]))
        .get("/close", |_, res| res.close().text("bye"))
        .post("/echo", |req, res| {
            let mut body = req.body().to_vec();
            for (name, value) in req.trailers() {
                body.extend_from_slice(&[b"\n", name.as_bytes(), b"=", value].concat());
            }
            res.bytes(body)
        })
        .get("/stream/{pieces}", |req, res| {
            let left = u32::from(req.param::<u8>("pieces")? % 40);
            res.stream(Pieces { left, waker: Some(req.waker()) })
        })
        .get("/exact", |_, res| res.stream_exact(28, Pieces { left: 7, waker: None }))
        .get("/later/{how}", move |req, res| {
            let how = req.param_text("how")?.into_owned();
            res.later(|later| promised.0.borrow_mut().push_back((how, later)))
        })
        .upload(Method::Post, "/upload", |req| Ok(Summing::new(req, usize::MAX)))
        .upload(Method::Put, "/slow", |req| Ok(Summing::new(req, 3)))
        .upload(Method::Post, "/declined", |_| {
            Err::<Summing, _>(Error::new(Status::FORBIDDEN, "not you"))
        })
}

/// So many pieces of four bytes; with a waker, every other one is not there at once.
struct Pieces {
    left: u32,
    waker: Option<Waker>,
}

impl Source for Pieces {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        if self.left == 0 {
            return Ok(Pull::Done);
        }
        piece.push(format!("{:4}", self.left).as_bytes());
        self.left -= 1;
        match &self.waker {
            Some(waker) if self.left % 2 == 1 => {
                waker.wake();
                Ok(Pull::Wait)
            }
            _ => Ok(Pull::More),
        }
    }
}

/// Takes at most so many bytes at once and answers with their sum, which tells their order.
struct Summing {
    at_once: usize,
    waker: Waker,
    count: usize,
    sum: u64,
}

impl Summing {
    fn new(request: &Request<'_>, at_once: usize) -> Summing {
        Summing { at_once, waker: request.waker(), count: 0, sum: 0 }
    }
}

impl Sink for Summing {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        assert!(!bytes.is_empty(), "a sink is never offered nothing");
        let len = bytes.len().min(self.at_once);
        for byte in &bytes[..len] {
            if *byte == b'!' {
                return Err(Error::bad_request("an exclamation mark"));
            }
            self.sum = self.sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
        self.count += len;
        if len == bytes.len() {
            return Ok(Taken::All);
        }
        self.waker.wake();
        Ok(Taken::Part(len))
    }

    fn finish(self: Box<Self>, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        let trailers = request.trailers().count();
        response.text(format!("{} {} {trailers}", self.count, self.sum))
    }
}
