//! The parser of request heads (RFC 9112 sections 2 to 5): bytes in, offsets or a refusal out.
//! Knows nothing of what a field means, nor of how the bytes came.
//!
//! Two layers. `Careful` is the grammar: it goes part by part, can stop anywhere and go on later,
//! and is the only one that refuses. `request_line` and `fields` take complete lines off its
//! hands where vectors pay: only such as it would accept, all others they leave to it.

mod careful;

use super::head::{Field, Head, Method, Span, Version};
use super::refusal::Refusal;
use super::scan::{Level, Simd, WINDOW_BYTES, Work, token_end};
use crate::limits::FIELDS_MAX;

use careful::Careful;

/// What the bytes of a head amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    /// A whole head of `len` bytes, the empty line that ends it included.
    Complete {
        /// Bytes of the head, counted from its start.
        len: usize,
    },
    /// The beginning of a head; nothing wrong so far.
    Partial,
    /// No request head, whatever may follow.
    Refused(Refusal),
}

/// The bounds of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of a head, the empty lines before and behind it included.
    pub head_bytes: usize,
    /// Field lines; never more than [`FIELDS_MAX`].
    pub fields: usize,
    /// Bytes of the target.
    pub target_bytes: usize,
}

/// How far a head was parsed, so that the next call goes on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The part that is being read.
    part: Part,
    /// Start of the name (or of the method) in the current line.
    line: u16,
    /// Offset of the target, or of the colon of the current line.
    mark: u16,
    /// First byte that was not looked at.
    at: u16,
}

const _: () = assert!(size_of::<Progress>() <= 8);

/// The parts of a head, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum Part {
    /// One empty line may stand here (RFC 9112 section 2.2).
    #[default]
    Start,
    Method,
    Target,
    Version,
    /// The start of a field line, or of the empty line that ends the head.
    Line,
    Name,
    Value,
}

/// Parses the head that begins at `block[start]`; `block` is what was received so far.
///
/// `head` and `progress` belong to this head: begin with `Progress::default()`, and after
/// [`Parse::Partial`] call again with both untouched and with more bytes. Complete lines are not
/// looked at again, nor is the known part of the current one. The outcome does not depend on how
/// the bytes were cut. After [`Parse::Complete`] `progress` is at its start again.
///
/// Spans are offsets into `block`. If the bytes move, either pass `&block[start..]` and 0, so
/// that everything counts from the head's own start, or begin again. Offsets are `u16`: bytes of
/// a block behind 65,535 are never looked at.
// One call and 29 instructions a head, where the compiler finds its caller too long for it.
#[inline(always)]
pub fn parse_head(
    block: &[u8],
    start: usize,
    head: &mut Head,
    progress: &mut Progress,
    limits: &HeadLimits,
) -> Parse {
    parse_head_at(Level::best(), block, start, head, progress, limits)
}

/// [`parse_head`] with the instructions of `level`, for tests and benchmarks.
#[doc(hidden)]
#[inline(always)]
pub fn parse_head_at(
    level: Level,
    block: &[u8],
    start: usize,
    head: &mut Head,
    progress: &mut Progress,
    limits: &HeadLimits,
) -> Parse {
    let end_max = start.saturating_add(limits.head_bytes).min(usize::from(u16::MAX));
    let bytes = block.get(..end_max).unwrap_or(block);
    if progress.part == Part::Start {
        head.fields.clear();
        match level.run::<HeadStart>(bytes, start, head, limits) {
            Lines::End(end) => return Parse::Complete { len: end - start },
            Lines::UpTo(line) if line > start => progress.enter(Part::Line, line),
            Lines::UpTo(_) => {}
        }
    }
    let parse = Careful { bytes, start, head, progress, limits }.run(level);
    if parse == Parse::Partial && bytes.len() == end_max {
        return Parse::Refused(Refusal::HeadTooLarge);
    }
    parse
}

impl Progress {
    /// Goes on with `part`, whose first byte is at `at`.
    #[inline]
    fn enter(&mut self, part: Part, at: usize) {
        self.part = part;
        self.at = offset(at);
    }
}

/// As an offset of a span. `parse_head` cuts the block so that it fits.
#[inline]
fn offset(at: usize) -> u16 {
    debug_assert!(u16::try_from(at).is_ok());
    at as u16
}

#[inline]
fn span(start: usize, end: usize) -> Span {
    Span { start: offset(start), end: offset(end) }
}

/// The span of the value in `start..end` without SP and HTAB around it.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> Span {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let value = &bytes[start..end];
    let before = value.iter().take_while(|byte| is_blank(byte)).count();
    let behind = value[before..].iter().rev().take_while(|byte| is_blank(byte)).count();
    span(start + before, end - behind)
}

fn fields_max(limits: &HeadLimits) -> usize {
    limits.fields.min(FIELDS_MAX)
}

/// Where reading whole lines stopped.
enum Lines {
    /// Behind the empty line that ends the head.
    End(usize),
    /// At the start of a line that is not complete, or that [`Careful`] shall judge.
    UpTo(usize),
}

/// Reads complete, valid lines from the start of a head on.
struct HeadStart;

impl Work for HeadStart {
    type Out = Head;
    type Bounds = HeadLimits;
    type Outcome = Lines;

    #[inline(always)]
    fn run<S: Simd>(
        simd: S,
        bytes: &[u8],
        at: usize,
        head: &mut Head,
        limits: &HeadLimits,
    ) -> Lines {
        if bytes.len() < S::BYTES_MIN {
            return Lines::UpTo(at);
        }
        let Some(line) = request_line(simd, bytes, at, head, limits) else {
            return Lines::UpTo(at);
        };
        // The first window serves for the request line and, if any are in it, for fields.
        let window = if line < at + WINDOW_BYTES { at } else { line };
        fields(simd, bytes, window, line, head, limits)
    }
}

/// Reads complete, valid lines from the start of a field line on.
struct FieldLines;

impl Work for FieldLines {
    type Out = Head;
    type Bounds = HeadLimits;
    type Outcome = Lines;

    #[inline(always)]
    fn run<S: Simd>(
        simd: S,
        bytes: &[u8],
        at: usize,
        head: &mut Head,
        limits: &HeadLimits,
    ) -> Lines {
        if bytes.len() < S::BYTES_MIN {
            return Lines::UpTo(at);
        }
        fields(simd, bytes, at, at, head, limits)
    }
}

/// Reads a complete request line with a common method and version; returns where the next line
/// starts.
#[inline(always)]
fn request_line<S: Simd>(
    simd: S,
    bytes: &[u8],
    start: usize,
    head: &mut Head,
    limits: &HeadLimits,
) -> Option<usize> {
    let word = u64::from_le_bytes(*bytes.get(start..)?.first_chunk()?);
    let (method, name_len) = common_method(word)?;
    let target = start + name_len + 1;
    let end = simd.target_end(bytes, target);
    let rest: &[u8; 11] = bytes.get(end..)?.first_chunk()?;
    let (left, right) = (rest.first_chunk()?, rest.last_chunk()?);
    let version = match u32::from_le_bytes(*right) {
        HTTP_11_END => Version::Http11,
        HTTP_10_END => Version::Http10,
        _ => return None,
    };
    if u64::from_le_bytes(*left) != u64::from_le_bytes(*b" HTTP/1.")
        || end == target
        || end - target > limits.target_bytes
    {
        return None;
    }
    head.method = method;
    head.version = version;
    head.method_name = span(start, start + name_len);
    head.target = span(target, end);
    Some(end + rest.len())
}

const HTTP_11_END: u32 = u32::from_le_bytes(*b".1\r\n");
const HTTP_10_END: u32 = u32::from_le_bytes(*b".0\r\n");

/// The method whose name and SP begin `word`, and the bytes of the name.
#[inline(always)]
fn common_method(word: u64) -> Option<(Method, usize)> {
    const GET: u64 = u64::from_le_bytes(*b"\0\0\0\0GET ");
    const PUT: u64 = u64::from_le_bytes(*b"\0\0\0\0PUT ");
    const POST: u64 = u64::from_le_bytes(*b"\0\0\0POST ");
    const HEAD: u64 = u64::from_le_bytes(*b"\0\0\0HEAD ");
    match (word << 32, word << 24) {
        (GET, _) => Some((Method::Get, 3)),
        (_, POST) => Some((Method::Post, 4)),
        (_, HEAD) => Some((Method::Head, 4)),
        (PUT, _) => Some((Method::Put, 3)),
        _ => None,
    }
}

/// Reads complete field lines from `line` on. Their ends are sought 64 bytes at a time, the first
/// 64 from `window` on, which is less than 64 bytes before `line`.
///
/// The ends do not depend on the names: the processor looks for both at once.
#[inline(always)]
fn fields<S: Simd>(
    simd: S,
    bytes: &[u8],
    window: usize,
    line: usize,
    head: &mut Head,
    limits: &HeadLimits,
) -> Lines {
    let fields_max = fields_max(limits);
    let (mut window, mut line) = (window, line);
    while window < bytes.len() {
        let mut controls = simd.controls(bytes, window);
        if line > window {
            // These belong to the line before: to the request line, or an LF split from its CR.
            controls &= u64::MAX << (line - window);
        }
        while controls != 0 {
            let cr = window + controls.trailing_zeros() as usize;
            // Drops the CR and, if it is not in the next window, the LF.
            controls &= controls - 1;
            controls &= controls.wrapping_sub(1);
            if bytes.get(cr..cr + 2) != Some(b"\r\n") {
                return Lines::UpTo(line);
            }
            if cr == line {
                return Lines::End(cr + 2);
            }
            let colon = simd.token_end(bytes, line);
            if is_plain(bytes, colon, cr) && colon > line && head.fields.len() < fields_max {
                let field = Field { name: span(line, colon), value: span(colon + 2, cr) };
                if head.fields.try_push(field).is_err() {
                    return Lines::UpTo(line);
                }
            } else if !push_rare(bytes, line, cr, head, fields_max) {
                return Lines::UpTo(line);
            }
            line = cr + 2;
        }
        window += WINDOW_BYTES;
    }
    Lines::UpTo(line)
}

/// Whether the value is what stands between a colon and one SP at `colon` and the CR at `cr`.
#[inline(always)]
fn is_plain(bytes: &[u8], colon: usize, cr: usize) -> bool {
    let Some(rest) = bytes.get(colon..cr) else { return false };
    rest.len() >= 3 && rest[..2] == *b": " && rest[2] > b' ' && rest[rest.len() - 1] > b' '
}

/// Pushes the field of the line `start..cr`, which has no control bytes: one with a long name, or
/// with more or fewer blanks than usual. `false` if it is no field, or if there is no room.
#[cold]
#[inline(never)]
fn push_rare(bytes: &[u8], start: usize, cr: usize, head: &mut Head, fields_max: usize) -> bool {
    let colon = token_end(bytes, start);
    if head.fields.len() >= fields_max || colon == start || bytes.get(colon) != Some(&b':') {
        return false;
    }
    let field = Field { name: span(start, colon), value: trimmed(bytes, colon + 1, cr) };
    head.fields.try_push(field).is_ok()
}
