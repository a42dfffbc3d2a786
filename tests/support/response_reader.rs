//! A reader of answers, independent of the code that writes them: lines are searched, split and
//! compared as text. Knows nothing of requests but whether the answer has a body.

use std::str::from_utf8;

/// The beginning of a stream of answers.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Whether it says `Connection: close`.
    pub(crate) closes: bool,
    /// Whether it says `Connection: keep-alive`.
    pub(crate) keeps_alive: bool,
    /// The value of `X-Number`.
    pub(crate) number: Option<&'a str>,
    /// What there is of its body.
    pub(crate) body: &'a [u8],
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
        body: &[],
        is_whole: true,
        len: head_len,
    };
    let (length, dates) = read_fields(&mut answer, lines)?;
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
    let length = length.ok_or_else(|| format!("no length in {head:?}"))?;
    let body = if is_bodiless(status) { 0 } else { length };
    answer.body = &bytes[head_len..bytes.len().min(head_len + body)];
    answer.is_whole = answer.body.len() == body;
    answer.len = head_len + answer.body.len();
    Ok(Some(answer))
}

/// The length named by the fields, and how many dates there are.
fn read_fields<'a>(
    answer: &mut Answer<'a>,
    lines: impl Iterator<Item = &'a str>,
) -> Result<(Option<usize>, usize), String> {
    let (mut length, mut dates) = (None, 0);
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
            "Date" => dates += 1,
            "X-Number" => answer.number = Some(value),
            "Allow" | "Content-Type" | "Server" => {}
            "Retry-After" if answer.status == 503 => {}
            _ => return Err(format!("an unexpected field: {line:?}")),
        }
    }
    Ok((length, dates))
}

fn preview(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned()
}
