//! A client that sends bytes as they are and reads answers as RFC 9112 frames them, and servers
//! for it to talk to. Knows nothing of the server but its public face, and is strict: what an
//! answer may not be ends the test.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::time::Duration;

use corelane::{Handler, Running, Server, Settings, WorkerInfo};
use socket2::{Domain, SockRef, Socket, Type};

/// Long enough that only a lost wake or a lost byte lets it pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One worker on a port of the kernel's choice, with these settings.
pub(crate) fn serve<H: Handler + 'static>(
    settings: Settings,
    factory: impl Fn(&WorkerInfo) -> H + Send + Sync + 'static,
) -> Running {
    serve_at("127.0.0.1", settings, factory)
}

/// As [`serve`] on another loopback address: one of the test's own, where nobody is given the
/// port that the test has given back.
pub(crate) fn serve_at<H: Handler + 'static>(
    host: &str,
    settings: Settings,
    factory: impl Fn(&WorkerInfo) -> H + Send + Sync + 'static,
) -> Running {
    let server = Server::bind((host, 0)).workers(NonZeroUsize::MIN).pin(false);
    server.settings(settings).start(factory).expect("it starts")
}

/// The default settings after `change`.
pub(crate) fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line without its CRLF.
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of the only field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` stands twice in {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.field("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Whether it says that the connection closes.
    pub(crate) fn says_close(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Received behind the last answer.
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::on(TcpStream::connect(address).expect("the server accepts"))
    }

    /// A connection to the first address of `server`.
    pub(crate) fn to(server: &Running) -> Client {
        Client::connect(server.addresses()[0])
    }

    /// A connection to the first address of `server` from another address of this machine.
    pub(crate) fn from(host: &str, server: &Running) -> Client {
        let address = server.addresses()[0];
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        let own = SocketAddr::new(host.parse().unwrap(), 0);
        socket.bind(&own.into()).unwrap();
        socket.connect(&address.into()).expect("the server accepts");
        Client::on(socket.into())
    }

    /// A connection whose kernel takes only a few bytes before they are read.
    pub(crate) fn with_small_window(address: SocketAddr) -> Client {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        // Before the handshake, which announces the window that follows from it.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).expect("the server accepts");
        Client::on(socket.into())
    }

    fn on(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(bytes.as_ref()).expect("the server receives");
        self
    }

    /// Sends each byte for itself. The server may refuse before the last one.
    pub(crate) fn send_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
    }

    /// Ends our side; the other stays.
    pub(crate) fn finish_sending(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// `GET` of a target without further fields, answered.
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send(get(target)).answer()
    }

    /// `POST` of a body to a target, answered.
    pub(crate) fn post(&mut self, target: &str, fields: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(post(target, fields, body.as_ref())).answer()
    }

    /// The next answer; to a HEAD request it is [`Client::answer_to_head`].
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.answer_to_head();
        let length = answer.field("content-length").map(|length| length.parse().unwrap());
        assert!(answer.field("transfer-encoding").is_none(), "we send lengths: {answer:?}");
        let bodiless = answer.status < 200 || answer.status == 204 || answer.status == 304;
        assert_eq!(length.is_none(), bodiless, "the framing follows from the status: {answer:?}");
        let length = length.unwrap_or(0);
        while self.unread.len() < length {
            assert!(self.receive() > 0, "the body ended early: {} of {length}", self.unread.len());
        }
        answer.body = self.unread.drain(..length).collect();
        answer
    }

    /// The next answer, which has no body whatever its fields say.
    pub(crate) fn answer_to_head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.receive() > 0, "no answer, but {:?}", self.unread.escape_ascii());
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        parse_head(&head)
    }

    /// The next answer, whose body is chunked. `None` in place of the body's end if the
    /// connection ended first.
    pub(crate) fn chunked_answer(&mut self) -> (Answer, Option<()>) {
        let mut answer = self.answer_to_head();
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"), "{answer:?}");
        assert!(answer.field("content-length").is_none(), "one framing: {answer:?}");
        while let Some(line) = self.line() {
            let size = usize::from_str_radix(&line, 16).expect("a chunk begins with its size");
            while self.unread.len() < size + 2 {
                if self.receive() == 0 {
                    return (answer, None);
                }
            }
            let chunk: Vec<u8> = self.unread.drain(..size + 2).collect();
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends in CRLF");
            answer.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return (answer, Some(()));
            }
        }
        (answer, None)
    }

    /// The next chunk of a body; the last one is empty.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let line = self.line().expect("a chunk follows");
        let size = usize::from_str_radix(&line, 16).expect("a chunk begins with its size");
        while self.unread.len() < size + 2 {
            assert!(self.receive() > 0, "the chunk ended early");
        }
        let mut chunk: Vec<u8> = self.unread.drain(..size + 2).collect();
        assert!(chunk.ends_with(b"\r\n"), "a chunk ends in CRLF");
        chunk.truncate(size);
        chunk
    }

    /// The next line without its CRLF, unless the connection ends first.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return Some(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.receive() == 0 {
                return None;
            }
        }
    }

    /// Everything until the server ends the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.receive() > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// What is left of an answer whose head was read in part, and everything behind it.
    pub(crate) fn rest_after_head(&mut self, read: &[u8]) -> Vec<u8> {
        let all = [read, &self.rest()].concat();
        let end = find(&all, b"\r\n\r\n").expect("a whole head") + 4;
        all[end..].to_vec()
    }

    /// The server ends the connection without another byte.
    pub(crate) fn expect_end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "bytes before the end: {:?}", rest.escape_ascii());
    }

    /// Receives once; 0 at the end. A reset is an end here: what it would cut off is asserted
    /// by those who read it.
    fn receive(&mut self) -> usize {
        let mut piece = [0; 16 * 1024];
        let len = match self.stream.read(&mut piece) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("no byte within {PATIENCE:?}: {error}"),
        };
        self.unread.extend_from_slice(&piece[..len]);
        len
    }

    /// Reads the next `len` bytes as they are, so slowly that the server must wait for us.
    pub(crate) fn read_slowly(&mut self, len: usize) -> Vec<u8> {
        SockRef::from(&self.stream).set_recv_buffer_size(4096).unwrap();
        let mut bytes = std::mem::take(&mut self.unread);
        let mut piece = [0; 3_000];
        while bytes.len() < len {
            let most = piece.len().min(len - bytes.len());
            let received = self.stream.read(&mut piece[..most]).expect("the server sends");
            assert!(received > 0, "the body ended early: {} of {len}", bytes.len());
            bytes.extend_from_slice(&piece[..received]);
        }
        self.unread = bytes.split_off(len);
        bytes
    }
}

/// A request without a body.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A request with a body of known length; `fields` are whole lines.
pub(crate) fn post(target: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// `body` in the chunked coding, in chunks of `size`.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in body.chunks(size) {
        coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

/// Bytes in which a lost, doubled or moved piece shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Reads a head and asks of it what every answer of ours has to be.
fn parse_head(head: &[u8]) -> Answer {
    let text = std::str::from_utf8(head).expect("our heads are ASCII");
    let mut lines = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
    let line = lines.next().unwrap();
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = code.and_then(|code| code.parse().ok()).expect("a status line begins an answer");
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a field line");
        (name.to_owned(), value.to_owned())
    };
    let fields: Vec<_> = lines.map(field).collect();
    let answer = Answer { status, line: line.to_owned(), fields, body: Vec::new() };
    if status >= 200 {
        let date = answer.field("date").expect("RFC 9110 section 6.6.1 wants a Date");
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    }
    answer
}
