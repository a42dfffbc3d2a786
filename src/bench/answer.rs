//! Reads the answers of one connection as their bytes come, whatever pieces they come in, and
//! drops their bodies. Knows no sockets and no requests.

use crate::wire::chunked::{ChunkedDecoder, Step};
use crate::wire::response_parse::{Malformed, ResponseBody, ResponseHead, parse_response_head};

/// One answer that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Bytes of its body, without those of a coding.
    pub(super) len: u64,
    pub(super) keeps_alive: bool,
}

/// Where an answer stands.
#[derive(Debug, Default)]
pub(super) struct AnswerReader {
    /// The begin of a head that is not complete.
    partial: Vec<u8>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    head: ResponseHead,
    /// Bytes of it that were read.
    len: u64,
    chunks: ChunkedDecoder,
}

impl AnswerReader {
    /// Goes on with `input`, up to the end of the next answer: what is left then belongs to those
    /// behind it. `None`: all of the input was taken, and the answer goes on. `to_head` says that
    /// the answer is one to HEAD.
    pub(super) fn next(
        &mut self,
        input: &mut &[u8],
        to_head: bool,
    ) -> Result<Option<Answer>, Malformed> {
        loop {
            if let Some(body) = &mut self.body {
                let is_over = body.take(input)?;
                return Ok(if is_over { self.finish() } else { None });
            }
            let Some(head) = self.head(input, to_head)? else { return Ok(None) };
            // An interim answer is followed by another.
            if head.status >= 200 || head.status == 101 {
                self.body = Some(Body { head, len: 0, chunks: ChunkedDecoder::new() });
            }
        }
    }

    /// The connection has ended. What ends with it is complete.
    pub(super) fn end(&mut self) -> Option<Answer> {
        let body = self.body.as_ref()?;
        if body.head.body == ResponseBody::UntilClose { self.finish() } else { None }
    }

    /// Forgets what was read of an answer.
    pub(super) fn clear(&mut self) {
        self.partial.clear();
        self.body = None;
    }

    fn head(
        &mut self,
        input: &mut &[u8],
        to_head: bool,
    ) -> Result<Option<ResponseHead>, Malformed> {
        if self.partial.is_empty() {
            let head = parse_response_head(input, to_head)?;
            match head {
                Some(head) => *input = &input[head.len..],
                None => self.partial.extend_from_slice(std::mem::take(input)),
            }
            return Ok(head);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let head = parse_response_head(&self.partial, to_head)?;
        let taken = head.map_or(input.len(), |head| head.len - before);
        *input = &input[taken..];
        if head.is_some() {
            self.partial.clear();
        }
        Ok(head)
    }

    fn finish(&mut self) -> Option<Answer> {
        let Body { head, len, .. } = self.body.take()?;
        Some(Answer { status: head.status, len, keeps_alive: head.keeps_alive })
    }
}

impl Body {
    /// Takes what of `input` belongs to the body. Returns whether it is over.
    fn take(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        match self.head.body {
            ResponseBody::Length(length) => {
                let left = length - self.len;
                let taken = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                self.len += taken as u64;
                *input = &input[taken..];
                Ok(self.len == length)
            }
            ResponseBody::UntilClose => {
                self.len += std::mem::take(input).len() as u64;
                Ok(false)
            }
            ResponseBody::Chunked => self.take_chunks(input),
        }
    }

    fn take_chunks(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        loop {
            match self.chunks.next(input).map_err(|_| Malformed::Framing)? {
                Step::Data { skip, len } => {
                    self.len += len as u64;
                    *input = &input[skip + len..];
                }
                Step::NeedMore => {
                    *input = &[];
                    return Ok(false);
                }
                Step::Done { consumed } => {
                    *input = &input[consumed..];
                    return Ok(true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello\
        HTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n\
        HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nuntil the end";

    fn read(pieces: &[&[u8]]) -> Vec<Answer> {
        let mut reader = AnswerReader::default();
        let mut answers = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while !input.is_empty() {
                answers.extend(reader.next(&mut input, false).unwrap());
            }
        }
        answers.extend(reader.end());
        answers
    }

    fn expected() -> Vec<Answer> {
        [(200, 5, true), (204, 0, true), (200, 5, true), (503, 13, false)]
            .map(|(status, len, keeps_alive)| Answer { status, len, keeps_alive })
            .into()
    }

    #[test]
    fn answers_are_told_apart_however_they_are_cut() {
        assert_eq!(read(&[MANY]), expected());
        for cut in 1..MANY.len() {
            assert_eq!(read(&[&MANY[..cut], &MANY[cut..]]), expected(), "{cut}");
        }
        let bytes: Vec<&[u8]> = MANY.chunks(1).collect();
        assert_eq!(read(&bytes), expected());
    }

    #[test]
    fn a_body_that_was_cut_is_no_answer() {
        let mut reader = AnswerReader::default();
        let mut input = &MANY[..MANY.len() - 100];
        while let Some(_answer) = reader.next(&mut input, false).unwrap() {}
        assert_eq!(reader.end(), None);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let mut input: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let answer = AnswerReader::default().next(&mut input, true).unwrap().unwrap();
        assert_eq!((answer.len, input.len()), (0, 0));
    }
}
