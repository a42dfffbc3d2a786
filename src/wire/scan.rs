//! Classes of bytes in a head, and 64 of them classified at once into bit masks.
//! Knows no grammar: what may follow what is the parser's business.
#![allow(unsafe_code, reason = "entering a level whose instructions were detected")]

#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::atomic::{AtomicU8, Ordering};

const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const VALUE: u8 = 4;
const PATH: u8 = 8;
const HOST: u8 = 16;

/// The classes of each byte, as a set of the bits above.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = classes_of(byte as u8);
        byte += 1;
    }
    classes
};

const fn classes_of(byte: u8) -> u8 {
    let mut classes = 0;
    if byte.is_ascii_graphic() {
        classes |= TARGET;
    }
    if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
        classes |= VALUE;
    }
    if byte.is_ascii_alphanumeric() || is_token_symbol(byte) {
        classes |= TOKEN;
    }
    if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'%' | b'?' | b'\\') {
        classes |= PATH;
    }
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
        classes |= HOST;
    }
    classes
}

const fn is_token_symbol(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    )
}

/// Whether `byte` may stand in a token (RFC 9110 section 5.6.2).
#[inline]
pub fn is_token(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

/// Whether `byte` may stand in a request target: visible ASCII (RFC 9112 section 3.2).
#[inline]
pub fn is_target(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TARGET != 0
}

/// Whether `byte` may stand in a field value: SP, HTAB, visible ASCII and obs-text
/// (RFC 9110 section 5.5).
#[inline]
pub fn is_value(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & VALUE != 0
}

/// Offset of the first byte from `at` on that is not of a token; `bytes.len()` if there is none.
pub(super) fn token_end(bytes: &[u8], at: usize) -> usize {
    end_of(bytes, at, is_token)
}

/// Offset of the first byte from `at` on that is not of a target; `bytes.len()` if there is none.
pub(super) fn target_end(bytes: &[u8], at: usize) -> usize {
    let at = skip_words(bytes, at, |word| {
        // The high bit of a byte below 0x21 comes from the subtraction, of one from 0x80 on it
        // is there already. A borrow only taints bytes behind the one that caused it.
        (word.wrapping_sub(ONES * 0x21) | word | zero_bytes(word ^ DELETES)) & HIGH == 0
    });
    end_of(bytes, at, is_target)
}

/// Offset of the first byte from `at` on that is not of a value; `bytes.len()` if there is none.
pub(super) fn value_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at;
    loop {
        at = skip_words(bytes, at, |word| {
            (word.wrapping_sub(ONES * 0x20) & !word | zero_bytes(word ^ DELETES)) & HIGH == 0
        });
        // A word is left for its HTAB as well, which belongs to the value.
        let stop = end_of(bytes, at, |byte| is_value(byte) && byte != b'\t');
        if bytes.get(stop) != Some(&b'\t') {
            return stop;
        }
        at = stop + 1;
    }
}

/// Offset of the first byte of `bytes[at..end]` that is not visible ASCII or has a meaning of its
/// own in a target: `#`, `%`, `?` and the backslash; `end` if there is none.
#[inline]
pub(super) fn plain_path_end(bytes: &[u8], at: usize, end: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(end) = x86::plain_path_end(bytes, at, end) {
        return end;
    }
    end_of(&bytes[..end], at, |byte| CLASSES[usize::from(byte)] & PATH != 0)
}

/// Offset of the first byte of `bytes[at..end]` that is no letter, digit, `-`, `.` or `_`, of
/// which nearly every host is made; `end` if there is none.
#[inline]
pub(super) fn plain_host_end(bytes: &[u8], at: usize, end: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(end) = x86::plain_host_end(bytes, at, end) {
        return end;
    }
    end_of(&bytes[..end], at, |byte| CLASSES[usize::from(byte)] & HOST != 0)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES * 0x80;
const DELETES: u64 = ONES * 0x7f;

/// The high bit of each byte that is zero. Bytes above the lowest such one may be marked wrongly.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Moves `at` over whole words as long as `is_plain` holds for them.
#[inline]
fn skip_words(bytes: &[u8], at: usize, is_plain: impl Fn(u64) -> bool) -> usize {
    let words = bytes.get(at..).unwrap_or_default().as_chunks::<8>().0;
    at + 8 * words.iter().take_while(|word| is_plain(u64::from_le_bytes(**word))).count()
}

#[inline]
fn end_of(bytes: &[u8], at: usize, is_inside: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !is_inside(*byte)).unwrap_or(rest.len())
}

/// Bytes that one window covers.
pub(super) const WINDOW_BYTES: usize = 64;

/// A way to classify many bytes at once. A value of such a type proves that this processor can.
/// `at` has to be inside of `bytes`, or the result means nothing.
pub(super) trait Simd: Copy {
    /// The fewest bytes that can be looked at; `usize::MAX` if it does not pay at all.
    const BYTES_MIN: usize;

    /// The bytes of the window `bytes[at..]` below SP, and DEL; the first byte is the lowest bit.
    /// HTAB is among them, as it is rare where it is allowed. Bits behind the bytes are 0.
    fn controls(self, bytes: &[u8], at: usize) -> u64;

    /// Offset of the first byte from `at` on that is not of a target; the end of `bytes` or more
    /// if there is none.
    fn target_end(self, bytes: &[u8], at: usize) -> usize;

    /// Offset of the first byte from `at` on that is not of a token; the end of `bytes` or more if
    /// there is none. A level may stop early: after 16 bytes, or at one that is rare in names.
    fn token_end(self, bytes: &[u8], at: usize) -> usize;
}

/// Work that is compiled once for each level. What it needs comes as parameters, not as a struct:
/// they stay in registers.
pub(super) trait Work {
    /// What it writes.
    type Out;
    /// What it must keep to.
    type Bounds;
    /// What it returns.
    type Outcome;

    /// Must be `#[inline(always)]`, or it is compiled without the level's instructions.
    fn run<S: Simd>(
        simd: S,
        bytes: &[u8],
        at: usize,
        out: &mut Self::Out,
        bounds: &Self::Bounds,
    ) -> Self::Outcome;
}

/// A set of vector instructions that this processor has.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "levels of x86-64"))]
enum Kind {
    Portable = 1,
    Sse2 = 2,
    Avx2 = 3,
}

impl Level {
    /// The fastest one. Detected at the first call.
    #[inline]
    pub fn best() -> Level {
        // 0 means: not detected yet. Racing threads detect the same.
        static BEST: AtomicU8 = AtomicU8::new(0);
        match BEST.load(Ordering::Relaxed) {
            3 => Level(Kind::Avx2),
            2 => Level(Kind::Sse2),
            1 => Level(Kind::Portable),
            _ => {
                let best = detect();
                BEST.store(best as u8, Ordering::Relaxed);
                Level(best)
            }
        }
    }

    /// All that this processor has, for tests and benchmarks.
    pub fn available() -> impl Iterator<Item = Level> {
        [Kind::Portable, Kind::Sse2, Kind::Avx2]
            .into_iter()
            .filter(|kind| *kind <= detect())
            .map(Level)
    }

    /// Runs `W` with this level's instructions.
    #[inline]
    #[cfg_attr(not(target_arch = "x86_64"), allow(clippy::unused_self, reason = "one level"))]
    pub(super) fn run<W: Work>(
        self,
        bytes: &[u8],
        at: usize,
        out: &mut W::Out,
        bounds: &W::Bounds,
    ) -> W::Outcome {
        #[cfg(target_arch = "x86_64")]
        match self.0 {
            // SAFETY: a `Level` of this kind is made only after `detect` found these features.
            Kind::Avx2 => return unsafe { x86::run_avx2::<W>(bytes, at, out, bounds) },
            Kind::Sse2 => return x86::run_sse2::<W>(bytes, at, out, bounds),
            Kind::Portable => {}
        }
        W::run(Portable, bytes, at, out, bounds)
    }
}

#[cold]
fn detect() -> Kind {
    #[cfg(target_arch = "x86_64")]
    {
        let has_avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        if has_avx2 { Kind::Avx2 } else { Kind::Sse2 }
    }
    #[cfg(not(target_arch = "x86_64"))]
    Kind::Portable
}

/// No vectors: the parser goes byte by byte and word by word.
#[derive(Clone, Copy)]
struct Portable;

impl Simd for Portable {
    const BYTES_MIN: usize = usize::MAX;

    fn controls(self, _bytes: &[u8], _at: usize) -> u64 {
        0
    }

    fn target_end(self, _bytes: &[u8], at: usize) -> usize {
        at
    }

    fn token_end(self, _bytes: &[u8], at: usize) -> usize {
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a level says about one place, checked against the classes of the bytes.
    struct Check;

    impl Work for Check {
        type Out = ();
        type Bounds = ();
        type Outcome = ();

        #[inline(always)]
        fn run<S: Simd>(simd: S, bytes: &[u8], at: usize, (): &mut (), (): &()) {
            if bytes.len() < S::BYTES_MIN {
                return;
            }
            let window = &bytes[at..bytes.len().min(at + WINDOW_BYTES)];
            let controls = simd.controls(bytes, at);
            for (index, byte) in window.iter().enumerate() {
                let is_control = !is_value(*byte) || *byte == b'\t';
                assert_eq!(controls >> index & 1 == 1, is_control, "{byte:#x} at {index}");
            }
            let len = bytes.len();
            assert_eq!(simd.target_end(bytes, at).min(len), target_end(bytes, at));
            assert!(simd.token_end(bytes, at).min(len) <= token_end(bytes, at));
        }
    }

    fn check_plain(bytes: &[u8], at: usize) {
        let ends = |class: u8, end: usize| {
            end_of(&bytes[..end], at, |byte| CLASSES[usize::from(byte)] & class != 0)
        };
        for end in at..bytes.len().min(at + 40) {
            assert_eq!(plain_path_end(bytes, at, end), ends(PATH, end), "{at}..{end}");
            assert_eq!(plain_host_end(bytes, at, end), ends(HOST, end), "{at}..{end}");
        }
    }

    fn check_at_every_place(bytes: &[u8]) {
        for at in 0..bytes.len() {
            check_plain(bytes, at);
        }
        for level in Level::available() {
            for at in 0..bytes.len() {
                level.run::<Check>(bytes, at, &mut (), &());
            }
        }
    }

    #[test]
    fn every_level_classifies_every_byte_as_the_table_does() {
        let step = if cfg!(miri) { 37 } else { 1 };
        for byte in (0..=255).step_by(step) {
            for len in [15, 16, 31, 32, 63, 64, 65, 130] {
                let mut bytes = vec![b'a'; len];
                let at = usize::from(byte) % len;
                bytes[at] = byte;
                check_at_every_place(&bytes);
            }
        }
        let all: Vec<u8> = (0..=255).collect();
        check_at_every_place(&all[..if cfg!(miri) { 80 } else { 256 }]);
    }

    #[test]
    fn every_level_finds_ordinary_names_whole() {
        struct Name;

        impl Work for Name {
            type Out = ();
            type Bounds = ();
            type Outcome = Option<usize>;

            #[inline(always)]
            fn run<S: Simd>(
                simd: S,
                bytes: &[u8],
                at: usize,
                (): &mut (),
                (): &(),
            ) -> Option<usize> {
                (bytes.len() >= S::BYTES_MIN).then(|| simd.token_end(bytes, at) - at)
            }
        }

        for len in 0..16 {
            let name = &b"Aa-Zz_09-Accept-"[..len];
            for (before, behind) in [("", ": 0123456789012345678901234567890"), ("\r\n", ":")] {
                let padding = [b'.'; 40];
                let bytes = [&padding, before.as_bytes(), name, behind.as_bytes()].concat();
                for level in Level::available() {
                    let found = level.run::<Name>(&bytes, 40 + before.len(), &mut (), &());
                    assert!(
                        found.is_none_or(|found| found == len),
                        "{level:?}: {found:?} of {len}"
                    );
                }
            }
        }
    }

    #[test]
    fn words_are_skipped_up_to_the_byte_that_stops() {
        for stop in 0..=255_u8 {
            for before in 0..20 {
                let bytes = [&vec![b'a'; before][..], &[stop], b"aaaaaaaaaaaa"].concat();
                let expected = |is_inside: fn(u8) -> bool| {
                    if is_inside(stop) { bytes.len() } else { before }
                };
                assert_eq!(token_end(&bytes, 0), expected(is_token));
                assert_eq!(target_end(&bytes, 0), expected(is_target));
                assert_eq!(value_end(&bytes, 0), expected(is_value));
            }
        }
        assert_eq!(value_end(b"a", 7), 7);
    }
}
