//! Drives the machine of a connection over a stream of bytes that arrive in pieces. Knows the
//! machine's entry points, so that the check of a connection need not.

#[path = "../../tests/support/machine.rs"]
#[allow(dead_code, reason = "here no deadline passes")]
mod machine;

use std::cell::RefCell;
use std::rc::Rc;

use corelane::proto::{CloseReason, Want};
use corelane::{Handler, HandlerResult, Method, Request, Response, Router, Settings};

use self::machine::Machine;

/// All that came of a stream.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) sent: Vec<u8>,
    /// Of each request that the application answered, whether it was HEAD.
    pub(crate) handled: Vec<bool>,
    /// Why the connection ended.
    pub(crate) end: CloseReason,
    /// Whether it ended before its peer did.
    pub(crate) ended_early: bool,
}

/// Sends `bytes` in pieces that end at `ends`, and then the end of the stream.
pub(crate) fn run(
    bytes: &[u8],
    ends: impl IntoIterator<Item = usize>,
    settings: &Settings,
) -> Transcript {
    let handled = Rc::new(RefCell::new(Vec::new()));
    let application = Recorder { router: echo(), handled: Rc::clone(&handled) };
    let mut machine = Machine::new(settings.clone(), application);
    let mut from = 0;
    let mut early = None;
    for to in ends {
        let want = machine.feed(&bytes[from..to]);
        if let Want::Close(reason) = want {
            early = Some(reason);
            break;
        }
        assert_eq!(want, Want::Receive, "all was fed");
        from = to;
    }
    let end = early.unwrap_or_else(|| match machine.peer_closed() {
        Want::Close(reason) => reason,
        want => panic!("{want:?} behind the end of the stream"),
    });
    assert_eq!(machine.tally.panics, 0);
    let handled = handled.take();
    assert_eq!(machine.tally.requests, handled.len() as u64);
    Transcript { sent: machine.sent, handled, end, ended_early: early.is_some() }
}

/// The application: small, with one of each kind of answer.
fn echo() -> Router {
    Router::new()
        .get("/", |_, res| res.text("Hello, World!"))
        .get("/users/{id}", |req, res| {
            let id: u32 = req.param("id")?;
            res.header("X-Number", id.to_string()).text(format_args!("user {id}"))
        })
        .get("/large", |_, res| res.bytes(vec![b'x'; 20_000]))
        .get("/close", |_, res| res.close().text("bye"))
        .post("/echo", |req, res| res.bytes(req.body()))
}

struct Recorder {
    router: Router,
    handled: Rc<RefCell<Vec<bool>>>,
}

impl Handler for Recorder {
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        self.handled.borrow_mut().push(request.method() == Method::Head);
        self.router.handle(request, response)
    }

    fn check(&self) -> Result<(), String> {
        self.router.check()
    }

    fn routes(&self) -> Vec<String> {
        self.router.routes()
    }
}
