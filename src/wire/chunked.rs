//! A resumable decoder of the chunked coding (RFC 9112 section 7.1) that finds body bytes and
//! leaves copying to the caller. Knows no buffers and no limit on the body.

use super::framing::is_token_byte;
use super::refusal::Refusal;
use crate::limits::{
    CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX,
};

/// What [`ChunkedDecoder::next`] found in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// After `skip` bytes of framing come `len` body bytes, at least one. `skip + len` bytes are
    /// consumed; call again with the rest.
    Data {
        /// Bytes of framing before the body bytes.
        skip: usize,
        /// Body bytes.
        len: usize,
    },
    /// All of the input was framing and is consumed; the body goes on.
    NeedMore,
    /// The body is over. What follows belongs to the next request.
    Done {
        /// Bytes of the input that belong to this body.
        consumed: usize,
    },
}

/// The state between two calls: plain data, so any cut of the input gives the same result.
///
/// Framing cannot grow without body bytes: a chunk costs at most 20 bytes besides its data and
/// its extensions, and extensions and trailers have their bounds for the whole message. Trailer
/// fields are checked here and read by [`super::trailer`].
#[derive(Clone, Copy, Debug)]
pub struct ChunkedDecoder {
    state: State,
    size_digits: u8,
    trailer_fields: u8,
    extension_bytes: u16,
    trailer_bytes: u16,
    chunk_left: u64,
}

const _: () = assert!(size_of::<ChunkedDecoder>() <= 16);
const _: () = assert!(CHUNK_SIZE_DIGITS_MAX * 4 <= u64::BITS as usize);
const _: () = assert!(CHUNK_EXTENSION_BYTES_MAX < u16::MAX as usize);
const _: () = assert!(TRAILER_BYTES_MAX < u16::MAX as usize);
const _: () = assert!(TRAILER_FIELDS_MAX < u8::MAX as usize);

/// What the next byte is, in the order of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A digit of the size, or what ends it.
    Size,
    /// A blank behind the size, which only an extension may follow.
    SizeBlank,
    /// A blank before an extension's name, or its first byte.
    NameStart,
    /// In an extension's name.
    Name,
    /// A blank behind an extension's name.
    NameBlank,
    /// A blank before an extension's value, or its first byte.
    ValueStart,
    /// In a value that is a token.
    ValueToken,
    /// In a value that is a quoted string.
    ValueQuoted,
    /// Behind the backslash of a quoted string.
    ValueQuotedPair,
    /// Behind the closing quote.
    ValueEnd,
    /// A blank behind a value, which only another extension may follow.
    ValueBlank,
    /// The LF of a size line.
    SizeLf,
    /// Body bytes.
    Data,
    /// The CR behind a chunk's data.
    DataCr,
    /// The LF behind a chunk's data.
    DataLf,
    /// The first byte of a trailer field, or the CR of the last line.
    TrailerStart,
    /// In a trailer field's name.
    TrailerName,
    /// In a trailer field's value.
    TrailerValue,
    /// The LF of a trailer field.
    TrailerLf,
    /// The LF of the last line.
    EndLf,
    /// Nothing of this message.
    Done,
}

impl Default for ChunkedDecoder {
    fn default() -> ChunkedDecoder {
        ChunkedDecoder::new()
    }
}

impl ChunkedDecoder {
    /// A decoder before the first byte of a body.
    pub const fn new() -> ChunkedDecoder {
        ChunkedDecoder {
            state: State::Size,
            size_digits: 0,
            trailer_fields: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            chunk_left: 0,
        }
    }

    /// Goes on with `input`, which begins where the last step's consumed bytes ended, up to the
    /// next run of body bytes or the end.
    ///
    /// # Errors
    /// The broken rule of RFC 9112 section 7.1, or the exceeded bound. The decoder is of no use
    /// after one.
    pub fn next(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        for (index, &byte) in input.iter().enumerate() {
            self.state = match self.state {
                State::Data => return Ok(self.take_data(index, input.len() - index)),
                State::Done => return Ok(Step::Done { consumed: index }),
                State::Size | State::SizeBlank | State::SizeLf => self.on_size_byte(byte)?,
                State::DataCr | State::DataLf => self.on_data_end_byte(byte)?,
                State::TrailerStart
                | State::TrailerName
                | State::TrailerValue
                | State::TrailerLf
                | State::EndLf => self.on_trailer_byte(byte)?,
                _ => self.on_extension_byte(byte)?,
            };
        }
        match self.state {
            State::Done => Ok(Step::Done { consumed: input.len() }),
            _ => Ok(Step::NeedMore),
        }
    }

    /// Bytes that the chunk being read still announces: with them a body limit is known to be
    /// broken before the bytes arrive.
    pub const fn chunk_left(&self) -> u64 {
        self.chunk_left
    }

    /// Bytes of the trailer section so far, its empty line included: the last of those consumed.
    pub const fn trailer_bytes(&self) -> usize {
        self.trailer_bytes as usize
    }

    /// Whether the body is over.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn take_data(&mut self, skip: usize, available: usize) -> Step {
        debug_assert!(self.chunk_left > 0 && available > 0);
        let len = usize::try_from(self.chunk_left).map_or(available, |left| left.min(available));
        self.chunk_left -= len as u64;
        if self.chunk_left == 0 {
            self.state = State::DataCr;
        }
        Step::Data { skip, len }
    }

    fn on_size_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.on_size_digit(byte),
            (State::Size, _) if self.size_digits == 0 => Err(Refusal::ChunkSize),
            (State::Size, b'\r') => Ok(State::SizeLf),
            (State::Size | State::SizeBlank, b' ' | b'\t' | b';') => self.on_extension_byte(byte),
            (State::SizeLf, b'\n') if self.chunk_left == 0 => Ok(State::TrailerStart),
            (State::SizeLf, b'\n') => Ok(State::Data),
            _ => Err(Refusal::ChunkSize),
        }
    }

    fn on_size_digit(&mut self, byte: u8) -> Result<State, Refusal> {
        if usize::from(self.size_digits) == CHUNK_SIZE_DIGITS_MAX {
            return Err(Refusal::ChunkSize);
        }
        // '0'..='9' end in their value; letters of both cases end in their value less nine.
        let digit = (byte & 0x0f) + if byte >= b'A' { 9 } else { 0 };
        self.size_digits += 1;
        self.chunk_left = self.chunk_left << 4 | u64::from(digit);
        Ok(State::Size)
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 section 7.1.1):
    /// a blank is bad whitespace only where something follows it.
    fn on_extension_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        if byte != b'\r' {
            self.extension_bytes += 1;
        }
        if usize::from(self.extension_bytes) > CHUNK_EXTENSION_BYTES_MAX {
            return Err(Refusal::ChunkExtension);
        }
        match (self.state, byte) {
            (State::Size | State::SizeBlank, b' ' | b'\t') => Ok(State::SizeBlank),
            (State::NameStart, b' ' | b'\t') => Ok(State::NameStart),
            (State::Name | State::NameBlank, b' ' | b'\t') => Ok(State::NameBlank),
            (State::NameStart | State::Name, _) if is_token_byte(byte) => Ok(State::Name),
            (State::Name | State::NameBlank, b'=') | (State::ValueStart, b' ' | b'\t') => {
                Ok(State::ValueStart)
            }
            (State::ValueStart, b'"') => Ok(State::ValueQuoted),
            (State::ValueStart | State::ValueToken, _) if is_token_byte(byte) => {
                Ok(State::ValueToken)
            }
            (State::ValueQuoted, b'"') => Ok(State::ValueEnd),
            (State::ValueQuoted, b'\\') => Ok(State::ValueQuotedPair),
            (State::ValueQuoted | State::ValueQuotedPair, _) if is_text_byte(byte) => {
                Ok(State::ValueQuoted)
            }
            (State::ValueToken | State::ValueEnd | State::ValueBlank, b' ' | b'\t') => {
                Ok(State::ValueBlank)
            }
            (State::Name | State::ValueToken | State::ValueEnd, b'\r') => Ok(State::SizeLf),
            (
                State::Size
                | State::SizeBlank
                | State::Name
                | State::NameBlank
                | State::ValueToken
                | State::ValueEnd
                | State::ValueBlank,
                b';',
            ) => Ok(State::NameStart),
            _ => Err(Refusal::ChunkExtension),
        }
    }

    fn on_data_end_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.size_digits = 0;
                Ok(State::Size)
            }
            _ => Err(Refusal::ChunkDataEnd),
        }
    }

    /// The rules of fields: a token directly before the colon, no folding, no control bytes.
    fn on_trailer_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        self.trailer_bytes += 1;
        if usize::from(self.trailer_bytes) > TRAILER_BYTES_MAX {
            return Err(Refusal::TrailerTooLarge);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart, _) if is_token_byte(byte) => {
                self.trailer_fields += 1;
                if usize::from(self.trailer_fields) > TRAILER_FIELDS_MAX {
                    return Err(Refusal::TrailerTooLarge);
                }
                Ok(State::TrailerName)
            }
            (State::TrailerName, _) if is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_text_byte(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => Err(Refusal::Trailer),
        }
    }
}

/// Whether `byte` is no control byte but HTAB: the text of fields and of quoted strings.
const fn is_text_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
