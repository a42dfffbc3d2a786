//! Collects a body that is not whole in its block. Knows no head and no socket.

use crate::wire::chunked::{ChunkedDecoder, Step};
use crate::wire::refusal::Refusal;

/// How the rest of a body is read.
#[derive(Debug)]
pub(super) enum BodyReader {
    Length { remaining: u64 },
    Chunked { decoder: ChunkedDecoder, body_bytes_max: u64 },
}

impl Default for BodyReader {
    fn default() -> BodyReader {
        BodyReader::Length { remaining: 0 }
    }
}

/// What one piece of input did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// All of it was part of the body, which goes on.
    NeedMore,
    /// The body ended after so many bytes of it.
    Whole { consumed: usize },
}

impl BodyReader {
    /// Appends the body bytes of `input` to `body`.
    ///
    /// Memory follows what arrived, never what was announced.
    pub(super) fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<Fed, Refusal> {
        match self {
            BodyReader::Length { remaining } => {
                // As much of the rest as there is; an input is far below usize::MAX.
                let taken = usize::try_from(*remaining).map_or(input.len(), |r| r.min(input.len()));
                body.extend_from_slice(&input[..taken]);
                *remaining -= taken as u64;
                if *remaining == 0 { Ok(Fed::Whole { consumed: taken }) } else { Ok(Fed::NeedMore) }
            }
            BodyReader::Chunked { decoder, body_bytes_max } => {
                feed_chunked(decoder, *body_bytes_max, input, body)
            }
        }
    }
}

fn feed_chunked(
    decoder: &mut ChunkedDecoder,
    body_bytes_max: u64,
    input: &[u8],
    body: &mut Vec<u8>,
) -> Result<Fed, Refusal> {
    let mut at = 0;
    while at < input.len() {
        match decoder.next(&input[at..])? {
            Step::Data { skip, len } => {
                // The announced rest of the chunk counts: refuse before it is sent.
                if body.len() as u64 + len as u64 + decoder.chunk_left() > body_bytes_max {
                    return Err(Refusal::BodyTooLarge);
                }
                body.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Step::NeedMore => return Ok(Fed::NeedMore),
            Step::Done { consumed } => return Ok(Fed::Whole { consumed: at + consumed }),
        }
    }
    Ok(Fed::NeedMore)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_takes_its_bytes_and_no_more() {
        let mut reader = BodyReader::Length { remaining: 5 };
        let mut body = Vec::new();
        assert_eq!(reader.feed(b"abc", &mut body), Ok(Fed::NeedMore));
        assert_eq!(reader.feed(b"deGET", &mut body), Ok(Fed::Whole { consumed: 2 }));
        assert_eq!(body, b"abcde");
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let decoder = ChunkedDecoder::new();
        let mut reader = BodyReader::Chunked { decoder, body_bytes_max: 10 };
        let mut body = Vec::new();
        assert_eq!(reader.feed(b"3\r\nabc\r\n2", &mut body), Ok(Fed::NeedMore));
        let fed = reader.feed(b"\r\nde\r\n0\r\n\r\nGET", &mut body);
        assert_eq!(fed, Ok(Fed::Whole { consumed: 11 }));
        assert_eq!(body, b"abcde");
    }

    #[test]
    fn a_chunk_that_announces_too_much_is_refused_at_its_first_byte() {
        let decoder = ChunkedDecoder::new();
        let mut reader = BodyReader::Chunked { decoder, body_bytes_max: 10 };
        let fed = reader.feed(b"b\r\na", &mut Vec::new());
        assert_eq!(fed, Err(Refusal::BodyTooLarge));
    }
}
