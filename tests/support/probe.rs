//! How a probe of Http11Probe is told: its name, its bytes, and what it wants of the answer.
//! Knows nothing of sockets.

/// The bytes of one probe.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) is_scored: bool,
    pub(crate) wants: Wants,
    shape: Shape,
    text: &'static [u8],
    body: &'static [u8],
    /// What stands, so many times, in place of the first `@`.
    filling: (&'static [u8], usize),
}

/// What a probe wants besides a status.
#[derive(Clone, Copy)]
pub(crate) enum Wants {
    Body(&'static [u8]),
    Close,
    Field(&'static str),
    NoField(&'static str),
    Nothing,
    /// A body in which this does not occur.
    Without(&'static [u8]),
}

/// What is added to a probe's text to make a request of it.
#[derive(Clone, Copy)]
enum Shape {
    /// The head of a chunked POST.
    Coded,
    Cookie,
    Echo,
    EchoPost,
    Get,
    /// A `Host` and the end of the head.
    Line,
    Post,
    Raw,
}

/// Probes by the statuses that answer them.
pub(crate) struct Group {
    pub(crate) passes: &'static [u16],
    pub(crate) warns: &'static [u16],
    pub(crate) probes: &'static [Probe],
}

impl Probe {
    /// What is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        const HOST: &[u8] = b" HTTP/1.1\r\nHost: a\r\n";
        const END: &[u8] = b"\r\n\r\n";
        const CODED: &[u8] = b"Transfer-Encoding: chunked\r\n\r\n";
        // A head without fields ends with the line before it.
        let fields = if self.text.is_empty() { &END[..2] } else { END };
        let head: &[&[u8]] = match self.shape {
            Shape::Coded => &[b"POST /", HOST, CODED, self.text],
            Shape::Cookie => &[b"GET /cookie", HOST, self.text, END],
            Shape::Echo => &[b"GET /echo", HOST, self.text, END],
            Shape::EchoPost => &[b"POST /echo", HOST, b"Content-Length: 3\r\n", self.text, END],
            Shape::Get => &[b"GET /", HOST, self.text, fields],
            Shape::Line => &[self.text, b"\r\nHost: a", END],
            Shape::Post => &[b"POST /", HOST, self.text, END],
            Shape::Raw => &[self.text],
        };
        let mut bytes = [&head.concat(), self.body].concat();
        let (piece, times) = self.filling;
        if let Some(at) = bytes.iter().position(|byte| *byte == b'@').filter(|_| times > 0) {
            bytes.splice(at..=at, piece.repeat(times));
        }
        bytes
    }

    const fn new(name: &'static str, shape: Shape, text: &'static [u8]) -> Probe {
        let wants = Wants::Nothing;
        Probe { name, is_scored: true, wants, shape, text, body: b"", filling: (b"", 0) }
    }

    pub(crate) const fn filled(mut self, piece: &'static [u8], times: usize) -> Probe {
        self.filling = (piece, times);
        self
    }

    pub(crate) const fn unscored(mut self) -> Probe {
        self.is_scored = false;
        self
    }

    pub(crate) const fn wants(mut self, wants: Wants) -> Probe {
        self.wants = wants;
        self
    }
}

pub(crate) const fn coded(name: &'static str, body: &'static [u8]) -> Probe {
    Probe::new(name, Shape::Coded, body)
}

pub(crate) const fn cookie(name: &'static str, fields: &'static [u8]) -> Probe {
    Probe::new(name, Shape::Cookie, fields)
}

pub(crate) const fn echo(name: &'static str, fields: &'static [u8]) -> Probe {
    Probe::new(name, Shape::Echo, fields)
}

pub(crate) const fn echo_post(name: &'static str, fields: &'static [u8]) -> Probe {
    let mut probe = Probe::new(name, Shape::EchoPost, fields);
    probe.body = b"abc";
    probe
}

pub(crate) const fn get(name: &'static str, fields: &'static [u8]) -> Probe {
    Probe::new(name, Shape::Get, fields)
}

pub(crate) const fn line(name: &'static str, line: &'static [u8]) -> Probe {
    Probe::new(name, Shape::Line, line)
}

pub(crate) const fn post(name: &'static str, fields: &'static [u8], body: &'static [u8]) -> Probe {
    let mut probe = Probe::new(name, Shape::Post, fields);
    probe.body = body;
    probe
}

pub(crate) const fn raw(name: &'static str, bytes: &'static [u8]) -> Probe {
    Probe::new(name, Shape::Raw, bytes)
}
