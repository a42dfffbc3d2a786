//! The decoder of the chunked coding gives what its slow reference gives, however its input is
//! cut. Knows that the reference has no bounds on extensions and trailers.

#[path = "../../tests/support/chunked_reference.rs"]
pub(crate) mod chunked_reference;

use corelane::limits::{CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};
use corelane::wire::chunked::{ChunkedDecoder, Step};
use corelane::wire::refusal::Refusal;

use self::chunked_reference::{End, Outcome};
use super::input::Input;

/// Pieces (4 bytes), then a body and what follows it.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let pieces = input.pieces();
    let bytes = input.rest();
    let (whole, _) = decode(bytes, [bytes.len()]);
    assert_eq!(decode(bytes, pieces.ends(bytes.len())).0, whole, "in pieces");

    let wanted = chunked_reference::decode(bytes);
    if whole != wanted {
        assert!(is_beyond_a_bound(bytes, &whole), "{whole:?}, but the reference: {wanted:?}");
    }
    assert!(whole.body.len() <= bytes.len());
}

/// Feeds `bytes` in pieces that end at `ends`. Returns where the piece began that was refused.
fn decode(bytes: &[u8], ends: impl IntoIterator<Item = usize>) -> (Outcome, usize) {
    let mut decoder = ChunkedDecoder::new();
    let mut body = Vec::new();
    let mut from = 0;
    for to in ends {
        // A copy, so that a read behind its end is seen.
        let piece = bytes[from..to].to_vec();
        let mut at = 0;
        loop {
            match decoder.next(&piece[at..]) {
                Ok(Step::Data { skip, len }) => {
                    assert!(len > 0, "a step without body bytes");
                    body.extend(&piece[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Ok(Step::NeedMore) => break,
                Ok(Step::Done { consumed }) => {
                    assert!(decoder.is_done());
                    return (Outcome { body, end: End::Done(from + at + consumed) }, from);
                }
                Err(why) => return (Outcome { body, end: End::Refused(why) }, from),
            }
        }
        assert!(!decoder.is_done());
        from = to;
    }
    (Outcome { body, end: End::NeedMore }, from)
}

/// Whether the outcome is a bound's, and the bound is really passed where the decoder refused.
fn is_beyond_a_bound(bytes: &[u8], outcome: &Outcome) -> bool {
    let (again, at) = decode(bytes, 1..=bytes.len());
    let reference = chunked_reference::decode(&bytes[..at]);
    let before = &bytes[..at];
    again == *outcome
        && reference == Outcome { body: outcome.body.clone(), end: End::NeedMore }
        && match outcome.end {
            End::Refused(Refusal::ChunkExtension) => at > CHUNK_EXTENSION_BYTES_MAX,
            End::Refused(Refusal::TrailerTooLarge) => {
                let lines = before.windows(2).filter(|window| window == b"\r\n").count();
                at > TRAILER_BYTES_MAX || lines > TRAILER_FIELDS_MAX
            }
            _ => false,
        }
}
