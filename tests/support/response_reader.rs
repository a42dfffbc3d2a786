//! A reader of answers, independent of the code that writes them: lines are searched, split and
//! compared as text. Knows nothing of requests but whether the answer has a body.

use std::borrow::Cow;
use std::str::from_utf8;

/// The beginning of a stream of answers.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, none is a state")]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Whether it says `Connection: close`.
    pub(crate) closes: bool,
    /// Whether it says `Connection: keep-alive`.
    pub(crate) keeps_alive: bool,
    /// The value of `X-Number`.
    pub(crate) number: Option<&'a str>,
    /// The value of `Retry-After`.
    #[allow(dead_code, reason = "only some tests turn clients away")]
    pub(crate) retry_after: Option<&'a str>,
    /// What there is of its body.
    pub(crate) body: Cow<'a, [u8]>,
    /// Whether its body ends with the connection, so that nobody can tell if it is whole.
    #[allow(dead_code, reason = "only simulated connections end within an answer")]
    pub(crate) is_until_close: bool,
    /// Whether all of it is there.
    pub(crate) is_whole: bool,
    /// Bytes of what is there.
    pub(crate) len: usize,
}

impl Answer<'_> {
    pub(crate) fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// Reads the answer at the start of `bytes`; `None` if its head is not whole. `is_bodiless` tells
/// from the status whether the answer's body is left out although its length is told.
pub(crate) fn read_answer(
    bytes: &[u8],
    is_bodiless: impl Fn(u16) -> bool,
) -> Result<Option<Answer<'_>>, String> {
    let start = b"HTTP/1.1 ";
    let shared = start.len().min(bytes.len());
    if bytes[..shared] != start[..shared] {
        return Err(format!("no answer begins with {:?}", preview(bytes)));
    }
    let Some(head_len) = memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let head = from_utf8(&bytes[..head_len - 4]).map_err(|error| error.to_string())?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.get(9..12).and_then(|code| code.parse::<u16>().ok());
    let Some(status) = status.filter(|_| status_line.as_bytes().get(12) == Some(&b' ')) else {
        return Err(format!("{status_line:?} is no status line"));
    };
    let mut answer = Answer {
        status,
        closes: false,
        keeps_alive: false,
        number: None,
        retry_after: None,
        body: Cow::Borrowed(&[]),
        is_until_close: false,
        is_whole: true,
        len: head_len,
    };
    let (length, is_chunked, dates) = read_fields(&mut answer, lines)?;
    if answer.is_interim() {
        return if head.len() == status_line.len() {
            Ok(Some(answer))
        } else {
            Err("an interim answer with fields".to_owned())
        };
    }
    if dates != 1 {
        return Err(format!("{dates} dates in {head:?}"));
    }
    let length = length.or((status == 204).then_some(0));
    let rest = &bytes[head_len..];
    match length {
        Some(_) if is_chunked => return Err(format!("two framings in {head:?}")),
        Some(length) => {
            let body = if is_bodiless(status) { 0 } else { length };
            let there = &rest[..rest.len().min(body)];
            answer.is_whole = there.len() == body;
            answer.len = head_len + there.len();
            answer.body = Cow::Borrowed(there);
        }
        None if is_chunked => {
            let (body, end) = read_chunks(rest)?;
            answer.is_whole = end.is_some();
            answer.len = head_len + end.unwrap_or(rest.len());
            answer.body = Cow::Owned(body);
        }
        None if answer.closes => {
            answer.is_until_close = true;
            answer.len = bytes.len();
            answer.body = Cow::Borrowed(rest);
        }
        None => return Err(format!("no length in {head:?}")),
    }
    Ok(Some(answer))
}

/// What there is of a chunked body, and where it ends if that is there.
fn read_chunks(bytes: &[u8]) -> Result<(Vec<u8>, Option<usize>), String> {
    let (mut body, mut at) = (Vec::new(), 0);
    while let Some(line) = memchr::memmem::find(&bytes[at..], b"\r\n") {
        let size = from_utf8(&bytes[at..at + line]).map_err(|error| error.to_string())?;
        let size = usize::from_str_radix(size, 16).map_err(|error| format!("{size:?}: {error}"))?;
        at += line + 2;
        let rest = &bytes[at..];
        body.extend_from_slice(&rest[..rest.len().min(size)]);
        if rest.len() < size + 2 {
            return Ok((body, None));
        }
        if &rest[size..size + 2] != b"\r\n" {
            return Err("a chunk goes on beyond its size".to_owned());
        }
        at += size + 2;
        if size == 0 {
            return Ok((body, Some(at)));
        }
    }
    Ok((body, None))
}

/// The length named by the fields, whether they name chunks, and how many dates there are.
fn read_fields<'a>(
    answer: &mut Answer<'a>,
    lines: impl Iterator<Item = &'a str>,
) -> Result<(Option<usize>, bool, usize), String> {
    let (mut length, mut is_chunked, mut dates) = (None, false, 0);
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("no field: {line:?}"))?;
        match name {
            "Content-Length" if length.is_none() => {
                let number = value.parse::<usize>().map_err(|error| error.to_string())?;
                length = Some(number);
            }
            "Content-Length" => return Err("two lengths".to_owned()),
            "Connection" if value == "close" => answer.closes = true,
            "Connection" if value == "keep-alive" => answer.keeps_alive = true,
            "Transfer-Encoding" if value == "chunked" && !is_chunked => is_chunked = true,
            "Date" => dates += 1,
            "X-Number" => answer.number = Some(value),
            "Allow" | "Content-Type" | "Server" => {}
            "Retry-After" if answer.status == 503 => answer.retry_after = Some(value),
            _ => return Err(format!("an unexpected field: {line:?}")),
        }
    }
    Ok((length, is_chunked, dates))
}

fn preview(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned()
}
