//! An in-process client for tests: requests go through the protocol and the application without
//! a socket. Knows no workers and no kernel.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::api::{Blocking, Handler, Home, Job, Outbox, Parcel, Pulse, Remote};
use crate::clock::Moment;
use crate::proto::http1::{Assembly, Context, Http1};
use crate::proto::{Scribe, Tally, Want, Watch};
use crate::settings::Settings;
use crate::wire::chunked::{ChunkedDecoder, Step};
use crate::wire::head::Method;
use crate::wire::status::Status;

/// Sends requests to an application in memory, each on a connection of its own.
///
/// ```
/// use corelane::{Router, Status, TestClient};
///
/// let router = Router::new().get("/users/{id}", |req, res| {
///     let id: u64 = req.param("id")?;
///     res.text(format_args!("user {id}"))
/// });
/// let mut client = TestClient::new(router);
/// assert_eq!(client.get("/users/42").send().text(), "user 42");
/// assert_eq!(client.get("/users/x").send().status(), Status::BAD_REQUEST);
/// ```
pub struct TestClient<H> {
    handler: H,
    settings: Settings,
    assembly: Assembly,
    outbox: Outbox,
    tally: Tally,
    pulse: Pulse,
    inbox: Arc<Inbox>,
    remote: Remote,
}

/// What came from other threads.
#[derive(Default)]
struct Inbox {
    parcels: Mutex<VecDeque<Parcel>>,
    came: Condvar,
}

impl Inbox {
    /// The oldest parcel; waits so long for one.
    fn next(&self, time: Duration) -> Option<Parcel> {
        let parcels = self.parcels.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = |parcels: &mut VecDeque<Parcel>| parcels.is_empty();
        let waited = self.came.wait_timeout_while(parcels, time, is_empty);
        waited.unwrap_or_else(PoisonError::into_inner).0.pop_front()
    }
}

impl Home for Inbox {
    fn take(&self, parcel: Parcel) {
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner).push_back(parcel);
        self.came.notify_one();
    }
}

/// Runs blocking work where it is asked for.
struct Inline;

impl Blocking for Inline {
    fn submit(&self, job: Job) -> Result<(), Job> {
        job();
        Ok(())
    }
}

impl<H: Handler> TestClient<H> {
    /// A client of `handler` under the default settings.
    ///
    /// # Panics
    /// If the application is not fit to run, as a router with conflicting routes.
    pub fn new(handler: H) -> TestClient<H> {
        TestClient::with_settings(handler, Settings::default())
    }

    /// A client of `handler` under `settings`.
    ///
    /// # Panics
    /// If the application is not fit to run or a setting is not valid.
    pub fn with_settings(handler: H, settings: Settings) -> TestClient<H> {
        if let Err(fault) = handler.check() {
            panic_with(&fault);
        }
        if let Err(error) = settings.validate() {
            panic_with(&error.to_string());
        }
        let inbox = Arc::new(Inbox::default());
        let home = Arc::clone(&inbox) as Arc<dyn Home>;
        let remote = Remote::new(home, Arc::new(Inline));
        let pulse = Pulse::new(0);
        pulse.name_routes(handler.routes());
        TestClient {
            outbox: Outbox::new(settings.server_name.as_deref(), 0, remote.clone()),
            inbox,
            remote,
            tally: Tally::new(pulse.routes().len()),
            pulse,
            assembly: Assembly::default(),
            handler,
            settings,
        }
    }

    /// A GET request.
    pub fn get(&mut self, target: &str) -> TestRequest<'_, H> {
        self.request(Method::Get, target)
    }

    /// A POST request.
    pub fn post(&mut self, target: &str) -> TestRequest<'_, H> {
        self.request(Method::Post, target)
    }

    /// A request with any method.
    pub fn request(&mut self, method: Method, target: &str) -> TestRequest<'_, H> {
        let head = format!("{} {target} HTTP/1.1\r\nHost: test\r\n", method.name());
        TestRequest { client: self, method, head, body: Vec::new() }
    }

    /// Sends `bytes` as they are and returns every byte that comes back. Answers that were
    /// promised are waited for.
    pub fn raw(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut http1 = Http1::new(Moment::default(), Moment::NEVER);
        let mut answers = Vec::new();
        self.assembly.clear();
        let mut want = Want::Receive;
        loop {
            let is_needed = http1.is_answering() && want != Want::Again;
            let time = if is_needed { self.settings.later_time } else { Duration::ZERO };
            let parcel = self.inbox.next(time);
            if parcel.is_none() && want == Want::Receive && !is_needed {
                if bytes.is_empty() {
                    return answers;
                }
                let len = self.receive(bytes);
                bytes = &bytes[len..];
            }
            let mut cx = Context {
                now: Moment::default(),
                settings: &self.settings,
                assembly: &mut self.assembly,
                outbox: &mut self.outbox,
                handler: &mut self.handler,
                tally: &mut self.tally,
                pulse: &self.pulse,
                peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
                key: 0,
                remote: &self.remote,
                memory_left: usize::MAX,
                is_overdue: false,
                is_blocked: false,
                watch: Watch::default(),
                scribe: Scribe::default(),
            };
            want = match parcel {
                Some(Parcel::Answer(request, answer)) => {
                    http1.on_delivered(&mut cx, request.number, answer)
                }
                Some(Parcel::Ask(_)) => want,
                Some(Parcel::Wake(wake)) => {
                    wake.take();
                    http1.on_woken(&mut cx)
                }
                None if is_needed => http1.on_deadline(&mut cx),
                None => http1.on_received(&mut cx),
            };
            self.take_answers(&mut answers);
            if matches!(want, Want::Close(_) | Want::Drop(_)) {
                return answers;
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> usize {
        self.assembly.make_space();
        let space = self.assembly.block.space_mut();
        let len = bytes.len().min(space.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.assembly.block.fill(len);
        len
    }

    fn take_answers(&mut self, answers: &mut Vec<u8>) {
        if let Err(error) = self.outbox.queue.drain_to(answers) {
            panic_with(&format!("a file could not be read: {error}"));
        }
    }
}

impl<H> std::fmt::Debug for TestClient<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestClient")
    }
}

#[track_caller]
fn panic_with(fault: &str) -> ! {
    std::panic::panic_any(fault.to_owned())
}

/// A request in the making.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct TestRequest<'c, H> {
    client: &'c mut TestClient<H>,
    method: Method,
    head: String,
    body: Vec<u8>,
}

impl<H: Handler> TestRequest<'_, H> {
    /// Adds a field; both are sent as they are.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(name);
        self.head.push_str(": ");
        self.head.push_str(value);
        self.head.push_str("\r\n");
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the request and returns its answer.
    ///
    /// # Panics
    /// If what comes back is not one whole answer, which would be a defect of this crate.
    pub fn send(mut self) -> TestResponse {
        if !self.body.is_empty() {
            let length = self.body.len().to_string();
            self = self.header("Content-Length", &length);
        }
        let mut bytes = self.head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.append(&mut self.body);
        TestResponse::parse(&self.client.raw(&bytes), self.method)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResponse {
    status: Status,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl TestResponse {
    fn parse(bytes: &[u8], method: Method) -> TestResponse {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n").expect("an answer has a whole head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let code = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = code.and_then(Status::new).expect("an answer begins with its status");
        let split = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            (name.to_owned(), value.to_owned())
        };
        let fields = lines.map(split).collect();
        let body = bytes[end + 4..].to_vec();
        let mut response = TestResponse { status, fields, body };
        if response.header("transfer-encoding").is_some() && method != Method::Head {
            response.body = unchunked(&response.body);
            return response;
        }
        let announced = response
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length is a number"));
        let expected = if method == Method::Head { 0 } else { announced };
        assert_eq!(response.body.len(), expected, "an answer is as long as it says");
        response
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The value of the first field of this name; names have no case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The body in `coded`, as far as it came.
fn unchunked(mut coded: &[u8]) -> Vec<u8> {
    let (mut decoder, mut body) = (ChunkedDecoder::new(), Vec::new());
    while let Ok(Step::Data { skip, len }) = decoder.next(coded) {
        body.extend_from_slice(&coded[skip..skip + len]);
        coded = &coded[skip + len..];
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Piece, Pull, Reply};
    use crate::app::Router;
    use crate::limits::BLOCK_BYTES;

    #[test]
    fn a_request_larger_than_a_block_goes_through() {
        let settings = Settings { body_bytes_max: 1 << 20, ..Settings::default() };
        let router = Router::new().post("/echo", |req, res| res.bytes(req.body()));
        let mut client = TestClient::with_settings(router, settings);
        let body: Vec<u8> = (0..BLOCK_BYTES * 3).map(|index| index as u8).collect();
        assert_eq!(client.post("/echo").body(&body).send().body(), body);
    }

    #[test]
    fn head_has_a_length_and_no_body() {
        let mut client = TestClient::new(Router::new().get("/", |_, res| res.text("hello")));
        let response = client.request(Method::Head, "/").send();
        assert_eq!(response.header("Content-Length"), Some("5"));
        assert_eq!(response.body(), b"");
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let router = Router::new().get("/{n}", |req, res| res.text(req.param_text("n")?.as_ref()));
        let mut client = TestClient::new(router);
        let request = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n");
        let requests = (0..200).map(request).collect::<Vec<_>>().concat();
        let answers = String::from_utf8(client.raw(requests.as_bytes())).unwrap();
        let bodies: Vec<&str> = answers
            .split("\r\n\r\n")
            .skip(1)
            .map(|part| part.split("HTTP").next().unwrap())
            .collect();
        let expected: Vec<String> = (0..200).map(|n| n.to_string()).collect();
        assert_eq!(bodies, expected);
    }

    #[test]
    fn promised_and_streamed_answers_are_waited_for() {
        let mut left = 3;
        let router = Router::new()
            .get("/thread", |_, res| {
                res.later(|later| {
                    std::thread::spawn(move || later.answer(Reply::text("from a thread")));
                })
            })
            .get("/pool", |_, res| res.later(|later| later.run_blocking(|| Ok(Reply::empty()))))
            .get("/dropped", |_, res| res.later(drop))
            .get("/late", |_, res| res.later(std::mem::forget))
            .get("/stream", move |_, res| {
                let mut left = std::mem::take(&mut left);
                res.stream(move |piece: &mut Piece<'_>| {
                    piece.push(b"abc");
                    left -= 1;
                    Ok(if left == 0 { Pull::Done } else { Pull::More })
                })
            });
        let settings = Settings { later_time: Duration::from_millis(20), ..Settings::default() };
        let mut client = TestClient::with_settings(router, settings);
        assert_eq!(client.get("/thread").send().text(), "from a thread");
        assert_eq!(client.get("/pool").send().status(), Status::NO_CONTENT);
        assert_eq!(client.get("/dropped").send().status(), Status::INTERNAL_SERVER_ERROR);
        assert_eq!(client.get("/late").send().status(), Status::GATEWAY_TIMEOUT);
        assert_eq!(client.get("/stream").send().text(), "abcabcabc");
    }

    #[test]
    #[should_panic(expected = "match the same paths")]
    fn an_application_that_is_not_fit_to_run_is_not_tested() {
        let router =
            Router::new().get("/{a}", |_, res| res.text("")).get("/{b}", |_, res| res.text(""));
        TestClient::new(router);
    }
}
