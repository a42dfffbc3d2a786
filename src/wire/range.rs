//! Parts of a whole (RFC 9110 section 14): which bytes `Range` asks for, and how several parts are
//! framed in one body. Knows no files, and not whether a part may be given.

use std::io::Write;

use arrayvec::ArrayVec;

use crate::limits::RANGES_MAX;

/// The bytes from `first` to `last`, both of them included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Of the first byte, from 0.
    pub first: u64,
    /// Of the last byte; never before the first, and always within the whole.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes it has, at least one.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether nothing lies between the two, or they overlap.
    fn touches(&self, other: &ByteRange) -> bool {
        self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1)
    }

    fn united(self, other: ByteRange) -> ByteRange {
        ByteRange { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Parts that neither overlap nor touch, in the order asked for.
pub type ByteRanges = ArrayVec<ByteRange, RANGES_MAX>;

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "looked at where it is returned, and not kept")]
pub enum Wanted {
    /// These parts, at least one: 206.
    Parts(ByteRanges),
    /// Nothing that there is: 416.
    Unsatisfiable,
    /// Everything: the field is none of ours, or breaks a rule, or asks for too many parts.
    Whole,
}

/// Reads the value of a `Range` field for a whole of `len` bytes.
///
/// Parts that overlap or touch are put together, so all of them together are never longer than
/// the whole. An empty whole has no parts and is given as it is.
pub fn parse(value: &[u8], len: u64) -> Wanted {
    let Some(specs) = specs_of(value).filter(|_| len > 0) else { return Wanted::Whole };
    let mut ranges = ByteRanges::new();
    let mut count = 0;
    for spec in specs.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        if spec.is_empty() {
            continue;
        }
        count += 1;
        match parse_spec(spec, len) {
            _ if count > RANGES_MAX => return Wanted::Whole,
            Spec::Broken => return Wanted::Whole,
            Spec::Beyond => {}
            Spec::Within(range) => unite(&mut ranges, range),
        }
    }
    match (count, ranges.is_empty()) {
        (0, _) => Wanted::Whole,
        (_, true) => Wanted::Unsatisfiable,
        (_, false) => Wanted::Parts(ranges),
    }
}

/// What follows `bytes=`; the unit has no case.
fn specs_of(value: &[u8]) -> Option<&[u8]> {
    let (unit, specs) = value.split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(specs)
}

enum Spec {
    /// Satisfiable by no byte of the whole.
    Beyond,
    Broken,
    Within(ByteRange),
}

fn parse_spec(spec: &[u8], len: u64) -> Spec {
    let Some(dash) = memchr::memchr(b'-', spec) else { return Spec::Broken };
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    let end = len - 1;
    match (first.is_empty(), last.is_empty(), number(first), number(last)) {
        (true, false, _, Some(0)) => Spec::Beyond,
        (true, false, _, Some(suffix)) => {
            Spec::Within(ByteRange { first: len.saturating_sub(suffix), last: end })
        }
        (false, true, Some(first), _) if first > end => Spec::Beyond,
        (false, true, Some(first), _) => Spec::Within(ByteRange { first, last: end }),
        (false, false, Some(first), Some(last)) if first > last => Spec::Broken,
        (false, false, Some(first), Some(_)) if first > end => Spec::Beyond,
        (false, false, Some(first), Some(last)) => {
            Spec::Within(ByteRange { first, last: last.min(end) })
        }
        _ => Spec::Broken,
    }
}

/// A decimal number; one that does not fit is as good as the largest that does.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    is_number.then(|| digits.iter().fold(0, add))
}

/// Puts a range where the first one stands that it touches, together with all that it touches.
fn unite(ranges: &mut ByteRanges, mut range: ByteRange) {
    let mut place = ranges.len();
    // What was put together may touch one that was looked at before.
    while let Some(at) = ranges.iter().position(|other| other.touches(&range)) {
        range = range.united(ranges.remove(at));
        place = place.min(at);
    }
    // There were at most as many ranges before as the array holds, less this one.
    ranges.insert(place.min(ranges.len()), range);
}

/// The value of `Content-Range` for a part of `len` bytes.
pub fn content_range(range: ByteRange, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.first, range.last)
}

/// The value of `Content-Range` where no part was satisfiable (section 15.5.17).
pub fn content_range_of_none(len: u64) -> String {
    format!("bytes */{len}")
}

/// The frame of a body of several parts, `multipart/byteranges` (section 14.6).
#[derive(Clone, Copy, Debug)]
pub struct Multipart<'a> {
    /// What separates the parts; must not stand in the whole.
    pub boundary: &'a str,
    /// The type of the whole.
    pub content_type: &'a str,
    /// Bytes of the whole.
    pub len: u64,
}

impl Multipart<'_> {
    /// The value of `Content-Type`.
    pub fn value(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Appends what stands before a part.
    pub fn open(&self, out: &mut Vec<u8>, range: ByteRange) {
        // Writing to a vector cannot fail.
        let _ = write!(
            out,
            "\r\n--{}\r\nContent-Type: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            self.boundary, self.content_type, range.first, range.last, self.len,
        );
    }

    /// Appends what stands behind the last part.
    pub fn close(&self, out: &mut Vec<u8>) {
        let _ = write!(out, "\r\n--{}--\r\n", self.boundary);
    }

    /// Bytes of the body: all parts with their frame.
    pub fn body_len(&self, ranges: &[ByteRange]) -> u64 {
        let mut frame = Vec::new();
        for &range in ranges {
            self.open(&mut frame, range);
        }
        self.close(&mut frame);
        frame.len() as u64 + ranges.iter().map(ByteRange::len).sum::<u64>()
    }
}
