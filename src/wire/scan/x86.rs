//! The levels of x86-64: SSE2, AVX2, AVX-512.
//! Knows bytes and bits only, as `scan` does.
#![allow(unsafe_code, reason = "vector intrinsics and loads; measured 2 to 3 times as fast")]
#![allow(clippy::unused_self, reason = "a value of a level proves that its instructions exist")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cmplt_epi8,
    _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8,
    _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_cmpeq_epi8_mask, _mm512_cmpge_epu8_mask, _mm512_cmplt_epu8_mask,
    _mm512_maskz_loadu_epi8, _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_srli_epi16,
    _mm512_sub_epi8, _mm512_test_epi8_mask,
};

use super::{Masks, SIMD_BYTES_MIN, Simd, TOKEN, WINDOW_BYTES, Work, classes_of};

/// SSE2: every x86-64 has it.
#[derive(Clone, Copy)]
pub(super) struct Sse2;

/// Made only by [`run_avx2`].
#[derive(Clone, Copy)]
struct Avx2(());

/// Made only by [`run_avx512`].
#[derive(Clone, Copy)]
struct Avx512(());

#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn run_avx2<W: Work>(work: W) -> W::Output {
    work.run(Avx2(()))
}

#[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2")]
pub(super) fn run_avx512<W: Work>(work: W) -> W::Output {
    work.run(Avx512(()))
}

/// Which high nibbles make a token with each low nibble, one bit for each high nibble.
const LOW_NIBBLES: [u8; 16] = {
    let mut table = [0; 16];
    let mut byte = 0;
    while byte < 128 {
        if classes_of(byte) & TOKEN != 0 {
            table[(byte & 15) as usize] |= 1 << (byte >> 4);
        }
        byte += 1;
    }
    table
};

/// The bit of each high nibble in `LOW_NIBBLES`; none for those of bytes that are not ASCII.
const HIGH_NIBBLES: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

/// Bit masks that grow by joining those of neighbouring vectors.
trait Bits: Copy + Default {
    /// Adds `other`, whose first bit is our bit `shift`. Where they overlap they are equal.
    fn join(self, other: Self, shift: usize) -> Self;

    /// Drops the first `count` bits.
    fn skip(self, count: usize) -> Self;

    /// Only the bits that `kept` has.
    fn keep(self, kept: u64) -> Self;
}

impl Bits for u64 {
    #[inline(always)]
    fn join(self, other: u64, shift: usize) -> u64 {
        self | other << shift
    }

    #[inline(always)]
    fn skip(self, count: usize) -> u64 {
        self >> count
    }

    #[inline(always)]
    fn keep(self, kept: u64) -> u64 {
        self & kept
    }
}

impl Masks {
    #[inline(always)]
    fn zip(self, other: Masks, f: impl Fn(u64, u64) -> u64) -> Masks {
        Masks {
            token: f(self.token, other.token),
            colon: f(self.colon, other.colon),
            space: f(self.space, other.space),
            cr: f(self.cr, other.cr),
            lf: f(self.lf, other.lf),
            control: f(self.control, other.control),
        }
    }
}

impl Bits for Masks {
    #[inline(always)]
    fn join(self, other: Masks, shift: usize) -> Masks {
        self.zip(other, |ours, theirs| ours.join(theirs, shift))
    }

    #[inline(always)]
    fn skip(self, count: usize) -> Masks {
        self.zip(self, |ours, _| ours.skip(count))
    }

    #[inline(always)]
    fn keep(self, kept: u64) -> Masks {
        self.zip(self, |ours, _| ours.keep(kept))
    }
}

impl Simd for Sse2 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        self.window(bytes, at, |vector| self.classify(vector))
    }

    #[inline(always)]
    fn non_target(self, bytes: &[u8], at: usize) -> u64 {
        self.window(bytes, at, |vector| {
            // SAFETY: every x86-64 has SSE2.
            unsafe {
                // Signed: bytes from 0x80 on are below SP too.
                let low = _mm_cmplt_epi8(vector, _mm_set1_epi8(0x21));
                let delete = _mm_cmpeq_epi8(vector, _mm_set1_epi8(0x7f));
                bits_16(_mm_or_si128(low, delete))
            }
        })
    }
}

#[inline(always)]
fn bits_16(vector: __m128i) -> u64 {
    // SAFETY: every x86-64 has SSE2.
    u64::from(unsafe { _mm_movemask_epi8(vector) }.cast_unsigned())
}

/// 16 bytes of `bytes` from `at` on.
///
/// # Safety
/// `at + 16 <= bytes.len()`
#[inline(always)]
unsafe fn load_16(bytes: &[u8], at: usize) -> __m128i {
    debug_assert!(at + 16 <= bytes.len());
    // SAFETY: the caller leaves 16 bytes behind `at`, and the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) }
}

impl Sse2 {
    /// The bits of the 64 bytes from `at` on. The last window is made of vectors that end
    /// where the bytes end, so that nothing behind them is read.
    #[inline(always)]
    fn window<B: Bits>(self, bytes: &[u8], at: usize, f: impl Fn(__m128i) -> B) -> B {
        let len = bytes.len();
        if len < SIMD_BYTES_MIN || at >= len {
            return B::default();
        }
        // Where the window would begin if it ended at the end, and the vectors that fit in.
        let first = at.min(len.saturating_sub(WINDOW_BYTES));
        let mut bits = B::default();
        for offset in [0, 16, 32, 48] {
            let vector_at = (first + offset).min(len - 16);
            // SAFETY: `bytes` has 16 bytes or more, and `vector_at` leaves 16 of them.
            let vector = unsafe { load_16(bytes, vector_at) };
            bits = bits.join(f(vector), vector_at - first);
        }
        bits.skip(at - first)
    }

    /// Only letters, digits, `-` and `_` count as token bytes: the rest is rare in names.
    #[inline(always)]
    fn classify(self, vector: __m128i) -> Masks {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let equal = |byte: u8| _mm_cmpeq_epi8(vector, _mm_set1_epi8(byte.cast_signed()));
            let between = |vector, low: u8, high: u8| {
                _mm_and_si128(
                    _mm_cmpgt_epi8(vector, _mm_set1_epi8(low.cast_signed() - 1)),
                    _mm_cmplt_epi8(vector, _mm_set1_epi8(high.cast_signed() + 1)),
                )
            };
            let lower = _mm_or_si128(vector, _mm_set1_epi8(0x20));
            let alphanumeric =
                _mm_or_si128(between(lower, b'a', b'z'), between(vector, b'0', b'9'));
            let token = _mm_or_si128(alphanumeric, _mm_or_si128(equal(b'-'), equal(b'_')));
            let low = _mm_cmpeq_epi8(_mm_min_epu8(vector, _mm_set1_epi8(0x1f)), vector);
            Masks {
                token: bits_16(token),
                colon: bits_16(equal(b':')),
                space: bits_16(equal(b' ')),
                cr: bits_16(equal(b'\r')),
                lf: bits_16(equal(b'\n')),
                control: bits_16(_mm_or_si128(low, equal(0x7f))),
            }
        }
    }
}

impl Simd for Avx2 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        self.window(bytes, at, |vector| self.classify(vector))
    }

    #[inline(always)]
    fn non_target(self, bytes: &[u8], at: usize) -> u64 {
        self.window(bytes, at, |vector| {
            // SAFETY: an `Avx2` is made only where AVX2 is enabled.
            let stops = unsafe {
                // Signed: bytes from 0x80 on are below SP too.
                let low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), vector);
                _mm256_or_si256(low, _mm256_cmpeq_epi8(vector, _mm256_set1_epi8(0x7f)))
            };
            self.bits(stops)
        })
    }
}

impl Avx2 {
    #[inline(always)]
    fn bits(self, vector: __m256i) -> u64 {
        // SAFETY: an `Avx2` is made only where AVX2 is enabled.
        u64::from(unsafe { _mm256_movemask_epi8(vector) }.cast_unsigned())
    }

    /// As [`Sse2::window`].
    #[inline(always)]
    fn window<B: Bits>(self, bytes: &[u8], at: usize, f: impl Fn(__m256i) -> B) -> B {
        let len = bytes.len();
        if len < SIMD_BYTES_MIN || at >= len {
            return B::default();
        }
        if len < 32 {
            // SAFETY: `bytes` has 16 bytes or more; AVX2 as in `bits`.
            let bits = f(unsafe { _mm256_set_m128i(load_16(bytes, len - 16), load_16(bytes, 0)) });
            return bits.keep(0xffff).join(bits.skip(16), len - 16).skip(at);
        }
        let first = at.min(len.saturating_sub(WINDOW_BYTES));
        let second = (first + 32).min(len - 32);
        // SAFETY: `bytes` has 32 bytes or more, and `first` and `second` leave 32 of them;
        // the loads ask for no alignment; AVX2 as in `bits`.
        let (low, high) = unsafe {
            let start = bytes.as_ptr();
            debug_assert!(first + 32 <= len && second + 32 <= len);
            (
                _mm256_loadu_si256(start.add(first).cast()),
                _mm256_loadu_si256(start.add(second).cast()),
            )
        };
        f(low).join(f(high), second - first).skip(at - first)
    }

    #[inline(always)]
    fn classify(self, vector: __m256i) -> Masks {
        // SAFETY: an `Avx2` is made only where AVX2 is enabled; the tables have 16 bytes.
        unsafe {
            let equal = |byte: u8| _mm256_cmpeq_epi8(vector, _mm256_set1_epi8(byte.cast_signed()));
            let table = |table: &[u8; 16]| _mm256_broadcastsi128_si256(load_16(table, 0));
            let high_nibble = _mm256_and_si256(_mm256_srli_epi16(vector, 4), _mm256_set1_epi8(15));
            let rows = _mm256_and_si256(
                // A byte from 0x80 on makes 0 here.
                _mm256_shuffle_epi8(table(&LOW_NIBBLES), vector),
                _mm256_shuffle_epi8(table(&HIGH_NIBBLES), high_nibble),
            );
            let other = _mm256_cmpeq_epi8(rows, _mm256_set1_epi8(0));
            let low = _mm256_cmpeq_epi8(_mm256_min_epu8(vector, _mm256_set1_epi8(31)), vector);
            Masks {
                token: self.bits(other) ^ u64::from(u32::MAX),
                colon: self.bits(equal(b':')),
                space: self.bits(equal(b' ')),
                cr: self.bits(equal(b'\r')),
                lf: self.bits(equal(b'\n')),
                control: self.bits(_mm256_or_si256(low, equal(0x7f))),
            }
        }
    }
}

impl Simd for Avx512 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        let Some((vector, valid)) = self.load(bytes, at) else { return Masks::default() };
        // SAFETY: an `Avx512` is made only where these features are enabled; the tables have
        // 16 bytes.
        unsafe {
            let equal =
                |byte: u8| _mm512_cmpeq_epi8_mask(vector, _mm512_set1_epi8(byte.cast_signed()));
            let table = |table: &[u8; 16]| _mm512_broadcast_i32x4(load_16(table, 0));
            let high_nibble = _mm512_and_si512(_mm512_srli_epi16(vector, 4), _mm512_set1_epi8(15));
            let token = _mm512_test_epi8_mask(
                _mm512_shuffle_epi8(table(&LOW_NIBBLES), vector),
                _mm512_shuffle_epi8(table(&HIGH_NIBBLES), high_nibble),
            );
            let low = _mm512_cmplt_epu8_mask(vector, _mm512_set1_epi8(0x20));
            Masks {
                token,
                colon: equal(b':'),
                space: equal(b' '),
                cr: equal(b'\r'),
                lf: equal(b'\n'),
                control: (low | equal(0x7f)) & valid,
            }
        }
    }

    #[inline(always)]
    fn non_target(self, bytes: &[u8], at: usize) -> u64 {
        let Some((vector, valid)) = self.load(bytes, at) else { return 0 };
        // SAFETY: an `Avx512` is made only where these features are enabled.
        unsafe {
            let from_graphic = _mm512_sub_epi8(vector, _mm512_set1_epi8(0x21));
            _mm512_cmpge_epu8_mask(from_graphic, _mm512_set1_epi8(0x7f - 0x21)) & valid
        }
    }
}

impl Avx512 {
    /// Up to 64 bytes from `at` on, zeros behind them, and a bit for each that is there.
    #[inline(always)]
    fn load(self, bytes: &[u8], at: usize) -> Option<(__m512i, u64)> {
        if bytes.len() < SIMD_BYTES_MIN || at >= bytes.len() {
            return None;
        }
        let count = (bytes.len() - at).min(WINDOW_BYTES);
        let valid = u64::MAX >> (WINDOW_BYTES - count);
        // SAFETY: `at` is inside of `bytes`, and only bytes whose bit is set are read;
        // an `Avx512` is made only where these features are enabled.
        let vector = unsafe { _mm512_maskz_loadu_epi8(valid, bytes.as_ptr().add(at).cast()) };
        Some((vector, valid))
    }
}
