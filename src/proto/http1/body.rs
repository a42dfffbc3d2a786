//! Finds the bytes of a body that is not whole in its block. Knows no head and no socket, and
//! not who takes the bytes.

use crate::wire::chunked::{ChunkedDecoder, Step};
use crate::wire::refusal::Refusal;

/// How the rest of a body is read.
#[derive(Debug)]
pub(super) struct BodyReader {
    framing: Framing,
    bytes_max: u64,
    /// Body bytes found so far.
    found: u64,
    /// Of these, the last so many were not taken and come again.
    untaken: usize,
}

#[derive(Debug)]
enum Framing {
    Length { remaining: u64 },
    Chunked(ChunkedDecoder),
}

impl Default for BodyReader {
    fn default() -> BodyReader {
        BodyReader::length(0)
    }
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// After `skip` bytes of framing, `len` bytes of the body, at least one.
    Data { skip: usize, len: usize },
    /// All of them were framing, and the body goes on. So many bytes of its trailer section came
    /// so far: the last of those consumed.
    NeedMore { trailers: usize },
    /// The body ended after `consumed` bytes of framing. Trailers as above.
    Whole { consumed: usize, trailers: usize },
}

impl BodyReader {
    /// Reads a body of `remaining` bytes.
    pub(super) fn length(remaining: u64) -> BodyReader {
        let framing = Framing::Length { remaining };
        BodyReader { framing, bytes_max: remaining, found: 0, untaken: 0 }
    }

    /// Reads a chunked body of at most `bytes_max` bytes.
    pub(super) fn chunked(bytes_max: u64) -> BodyReader {
        let framing = Framing::Chunked(ChunkedDecoder::new());
        BodyReader { framing, bytes_max, found: 0, untaken: 0 }
    }

    /// Goes on with `input`, which begins where the last piece ended.
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        if self.untaken > 0 {
            let len = std::mem::take(&mut self.untaken).min(input.len());
            return Ok(Piece::Data { skip: 0, len });
        }
        let piece = match &mut self.framing {
            Framing::Length { remaining: 0 } => Piece::Whole { consumed: 0, trailers: 0 },
            Framing::Length { .. } if input.is_empty() => Piece::NeedMore { trailers: 0 },
            Framing::Length { remaining } => {
                // As much of the rest as there is; an input is far below usize::MAX.
                let len = usize::try_from(*remaining).map_or(input.len(), |r| r.min(input.len()));
                *remaining -= len as u64;
                Piece::Data { skip: 0, len }
            }
            Framing::Chunked(decoder) => next_chunked(decoder, input)?,
        };
        if let Piece::Data { len, .. } = piece {
            self.found += len as u64;
            // The announced rest of a chunk counts: refuse before it is sent.
            let announced = match &self.framing {
                Framing::Chunked(decoder) => decoder.chunk_left(),
                Framing::Length { .. } => 0,
            };
            if self.found.saturating_add(announced) > self.bytes_max {
                return Err(Refusal::BodyTooLarge);
            }
        }
        Ok(piece)
    }

    /// The last `len` bytes of the data found last were not taken.
    pub(super) fn untake(&mut self, len: usize) {
        self.untaken = len;
    }
}

fn next_chunked(decoder: &mut ChunkedDecoder, input: &[u8]) -> Result<Piece, Refusal> {
    Ok(match decoder.next(input)? {
        Step::Data { skip, len } => Piece::Data { skip, len },
        Step::NeedMore => Piece::NeedMore { trailers: decoder.trailer_bytes() },
        Step::Done { consumed } => Piece::Whole { consumed, trailers: decoder.trailer_bytes() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body in `input`, cut as given, and how much of the last part is left behind it.
    fn read(reader: &mut BodyReader, parts: &[&[u8]]) -> (Vec<u8>, Option<usize>) {
        let mut body = Vec::new();
        for part in parts {
            let mut at = 0;
            loop {
                match reader.next(&part[at..]).unwrap() {
                    Piece::Data { skip, len } => {
                        body.extend_from_slice(&part[at + skip..at + skip + len]);
                        at += skip + len;
                    }
                    Piece::NeedMore { .. } => break,
                    Piece::Whole { consumed, .. } => {
                        return (body, Some(part.len() - at - consumed));
                    }
                }
            }
        }
        (body, None)
    }

    #[test]
    fn a_length_takes_its_bytes_and_no_more() {
        let mut reader = BodyReader::length(5);
        assert_eq!(read(&mut reader, &[b"abc"]), (b"abc".to_vec(), None));
        assert_eq!(read(&mut reader, &[b"deGET"]), (b"de".to_vec(), Some(3)));
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let mut reader = BodyReader::chunked(10);
        let parts: [&[u8]; 2] = [b"3\r\nabc\r\n2", b"\r\nde\r\n0\r\n\r\nGET"];
        assert_eq!(read(&mut reader, &parts), (b"abcde".to_vec(), Some(3)));
    }

    #[test]
    fn a_chunk_that_announces_too_much_is_refused_at_its_first_byte() {
        assert_eq!(BodyReader::chunked(10).next(b"b\r\na"), Err(Refusal::BodyTooLarge));
        let huge = b"ffffffffffffffff\r\na";
        assert_eq!(BodyReader::chunked(u64::MAX - 1).next(huge), Err(Refusal::BodyTooLarge));
    }

    #[test]
    fn what_was_not_taken_comes_again_before_anything_else() {
        let mut reader = BodyReader::chunked(10);
        assert_eq!(reader.next(b"5\r\nabcde\r\n"), Ok(Piece::Data { skip: 3, len: 5 }));
        reader.untake(2);
        assert_eq!(reader.next(b"de\r\n"), Ok(Piece::Data { skip: 0, len: 2 }));
        assert_eq!(reader.next(b"\r\n"), Ok(Piece::NeedMore { trailers: 0 }));
    }

    #[test]
    fn the_trailer_section_is_the_end_of_what_was_consumed() {
        let mut reader = BodyReader::chunked(10);
        let whole = reader.next(b"0\r\nA: b\r\n\r\nGET");
        assert_eq!(whole, Ok(Piece::Whole { consumed: 11, trailers: 8 }));
    }
}
