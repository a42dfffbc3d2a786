//! The levels of x86-64: SSE2, AVX2, AVX-512.
//! Knows bytes and bits only, as `scan` does.
#![allow(unsafe_code, reason = "vector intrinsics and loads; measured 2 to 3 times as fast")]
#![allow(clippy::unused_self, reason = "a value of a level proves that its instructions exist")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cmplt_epi8,
    _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8,
    _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_cmpeq_epi8_mask, _mm512_cmpge_epu8_mask, _mm512_cmplt_epu8_mask,
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

/// A vector of bytes and the masks it makes, one bit for each of its bytes.
///
/// Code generic over it must be `#[inline(always)]` and free of closures around its methods:
/// what is not inlined into `run_avx2` calls each intrinsic as a function.
trait Vector: Copy {
    const BYTES: usize;

    /// # Safety
    /// `at + Self::BYTES <= bytes.len()`, and the processor has the vector's instructions.
    unsafe fn load(bytes: &[u8], at: usize) -> Self;

    fn masks(self) -> Masks;

    fn non_target(self) -> u64;
}

/// SSE2: every x86-64 has it.
#[derive(Clone, Copy)]
struct Bytes16(__m128i);

/// Made only under AVX2.
#[derive(Clone, Copy)]
struct Bytes32(__m256i);

impl Bytes16 {
    #[inline(always)]
    fn equal(self, byte: u8) -> __m128i {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn between(self, low: u8, high: u8) -> __m128i {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            _mm_and_si128(
                _mm_cmpgt_epi8(self.0, _mm_set1_epi8(low.cast_signed() - 1)),
                _mm_cmplt_epi8(self.0, _mm_set1_epi8(high.cast_signed() + 1)),
            )
        }
    }

    #[inline(always)]
    fn bits(vector: __m128i) -> u64 {
        // SAFETY: every x86-64 has SSE2.
        u64::from(unsafe { _mm_movemask_epi8(vector) }.cast_unsigned())
    }
}

impl Vector for Bytes16 {
    const BYTES: usize = 16;

    #[inline(always)]
    unsafe fn load(bytes: &[u8], at: usize) -> Bytes16 {
        debug_assert!(at + Self::BYTES <= bytes.len());
        // SAFETY: the caller leaves so many bytes, and the load asks for no alignment.
        Bytes16(unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) })
    }

    /// Only letters, digits, `-` and `_` count as token bytes: the rest is rare in names.
    #[inline(always)]
    fn masks(self) -> Masks {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let lower = Bytes16(_mm_or_si128(self.0, _mm_set1_epi8(0x20)));
            let alphanumeric = _mm_or_si128(lower.between(b'a', b'z'), self.between(b'0', b'9'));
            let symbol = _mm_or_si128(self.equal(b'-'), self.equal(b'_'));
            let low = _mm_cmpeq_epi8(_mm_min_epu8(self.0, _mm_set1_epi8(0x1f)), self.0);
            Masks {
                token: Self::bits(_mm_or_si128(alphanumeric, symbol)),
                colon: Self::bits(self.equal(b':')),
                space: Self::bits(self.equal(b' ')),
                cr: Self::bits(self.equal(b'\r')),
                lf: Self::bits(self.equal(b'\n')),
                control: Self::bits(_mm_or_si128(low, self.equal(0x7f))),
            }
        }
    }

    #[inline(always)]
    fn non_target(self) -> u64 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            // Signed: bytes from 0x80 on are below SP too.
            let low = _mm_cmplt_epi8(self.0, _mm_set1_epi8(0x21));
            Self::bits(_mm_or_si128(low, self.equal(0x7f)))
        }
    }
}

impl Bytes32 {
    #[inline(always)]
    fn equal(self, byte: u8) -> __m256i {
        // SAFETY: a `Bytes32` is made only under AVX2.
        unsafe { _mm256_cmpeq_epi8(self.0, _mm256_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn bits(vector: __m256i) -> u64 {
        // SAFETY: a `Bytes32` is made only under AVX2.
        u64::from(unsafe { _mm256_movemask_epi8(vector) }.cast_unsigned())
    }
}

impl Vector for Bytes32 {
    const BYTES: usize = 32;

    #[inline(always)]
    unsafe fn load(bytes: &[u8], at: usize) -> Bytes32 {
        debug_assert!(at + Self::BYTES <= bytes.len());
        // SAFETY: the caller leaves so many bytes, and the load asks for no alignment.
        Bytes32(unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) })
    }

    #[inline(always)]
    fn masks(self) -> Masks {
        // SAFETY: a `Bytes32` is made only under AVX2; the tables have 16 bytes.
        unsafe {
            let low_nibbles = _mm256_broadcastsi128_si256(Bytes16::load(&LOW_NIBBLES, 0).0);
            let high_nibbles = _mm256_broadcastsi128_si256(Bytes16::load(&HIGH_NIBBLES, 0).0);
            let high = _mm256_and_si256(_mm256_srli_epi16(self.0, 4), _mm256_set1_epi8(15));
            let rows = _mm256_and_si256(
                // A byte from 0x80 on makes 0 here.
                _mm256_shuffle_epi8(low_nibbles, self.0),
                _mm256_shuffle_epi8(high_nibbles, high),
            );
            let other = _mm256_cmpeq_epi8(rows, _mm256_set1_epi8(0));
            let low = _mm256_cmpeq_epi8(_mm256_min_epu8(self.0, _mm256_set1_epi8(0x1f)), self.0);
            Masks {
                token: Self::bits(other) ^ u64::from(u32::MAX),
                colon: Self::bits(self.equal(b':')),
                space: Self::bits(self.equal(b' ')),
                cr: Self::bits(self.equal(b'\r')),
                lf: Self::bits(self.equal(b'\n')),
                control: Self::bits(_mm256_or_si256(low, self.equal(0x7f))),
            }
        }
    }

    #[inline(always)]
    fn non_target(self) -> u64 {
        // SAFETY: a `Bytes32` is made only under AVX2.
        unsafe {
            // Signed: bytes from 0x80 on are below SP too.
            let low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), self.0);
            Self::bits(_mm256_or_si256(low, self.equal(0x7f)))
        }
    }
}

/// Bits made of a window, one for each of its bytes.
trait Bits: Copy + Default {
    fn of<V: Vector>(vector: V) -> Self;

    /// Adds `other`, whose first bit is our bit `shift`. Where they overlap they are equal.
    fn join(self, other: Self, shift: usize) -> Self;

    /// Drops the first `count` bits.
    fn skip(self, count: usize) -> Self;
}

impl Bits for u64 {
    #[inline(always)]
    fn of<V: Vector>(vector: V) -> u64 {
        vector.non_target()
    }

    #[inline(always)]
    fn join(self, other: u64, shift: usize) -> u64 {
        self | other << shift
    }

    #[inline(always)]
    fn skip(self, count: usize) -> u64 {
        self >> count
    }
}

impl Bits for Masks {
    #[inline(always)]
    fn of<V: Vector>(vector: V) -> Masks {
        vector.masks()
    }

    #[inline(always)]
    fn join(self, other: Masks, shift: usize) -> Masks {
        Masks {
            token: self.token.join(other.token, shift),
            colon: self.colon.join(other.colon, shift),
            space: self.space.join(other.space, shift),
            cr: self.cr.join(other.cr, shift),
            lf: self.lf.join(other.lf, shift),
            control: self.control.join(other.control, shift),
        }
    }

    #[inline(always)]
    fn skip(self, count: usize) -> Masks {
        Masks {
            token: self.token >> count,
            colon: self.colon >> count,
            space: self.space >> count,
            cr: self.cr >> count,
            lf: self.lf >> count,
            control: self.control >> count,
        }
    }
}

/// The bits of the window at `at`; none if it is empty or the bytes do not fill a vector. Nothing
/// behind the bytes is read: near their end the vectors end where they end, and overlap.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn window<V: Vector, B: Bits>(bytes: &[u8], at: usize) -> B {
    let len = bytes.len();
    if len < V::BYTES || at >= len {
        return B::default();
    }
    // Where the window would begin if it ended where the bytes end.
    let first = at.min(len.saturating_sub(WINDOW_BYTES));
    let mut bits = B::default();
    let mut offset = 0;
    while offset < WINDOW_BYTES {
        let vector_at = (first + offset).min(len - V::BYTES);
        // SAFETY: there is room for one vector, and each begins early enough to end inside.
        let vector = unsafe { V::load(bytes, vector_at) };
        bits = bits.join(B::of(vector), vector_at - first);
        offset += V::BYTES;
    }
    bits.skip(at - first)
}

impl Simd for Sse2 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        // SAFETY: every x86-64 has SSE2.
        unsafe { window::<Bytes16, Masks>(bytes, at) }
    }

    #[inline(always)]
    fn non_target(self, bytes: &[u8], at: usize) -> u64 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { window::<Bytes16, u64>(bytes, at) }
    }
}

impl Simd for Avx2 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        if bytes.len() < Bytes32::BYTES {
            return Sse2.masks(bytes, at);
        }
        // SAFETY: an `Avx2` is made only where AVX2 was found.
        unsafe { window::<Bytes32, Masks>(bytes, at) }
    }

    #[inline(always)]
    fn non_target(self, bytes: &[u8], at: usize) -> u64 {
        if bytes.len() < Bytes32::BYTES {
            return Sse2.non_target(bytes, at);
        }
        // SAFETY: an `Avx2` is made only where AVX2 was found.
        unsafe { window::<Bytes32, u64>(bytes, at) }
    }
}

/// 64 bytes at once, so that a window is one vector.
#[derive(Clone, Copy)]
struct Bytes64 {
    vector: __m512i,
    /// A bit for each byte that is there; the others are zero.
    valid: u64,
}

impl Avx512 {
    #[inline(always)]
    fn load(self, bytes: &[u8], at: usize) -> Option<Bytes64> {
        if bytes.len() < SIMD_BYTES_MIN || at >= bytes.len() {
            return None;
        }
        let count = (bytes.len() - at).min(WINDOW_BYTES);
        let valid = u64::MAX >> (WINDOW_BYTES - count);
        // SAFETY: `at` is inside of `bytes`, and only bytes whose bit is set are read;
        // an `Avx512` is made only where the instructions were found.
        let vector = unsafe { _mm512_maskz_loadu_epi8(valid, bytes.as_ptr().add(at).cast()) };
        Some(Bytes64 { vector, valid })
    }
}

impl Bytes64 {
    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        // SAFETY: a `Bytes64` is made only under AVX-512.
        unsafe { _mm512_cmpeq_epi8_mask(self.vector, _mm512_set1_epi8(byte.cast_signed())) }
    }
}

impl Simd for Avx512 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        let Some(bytes) = self.load(bytes, at) else { return Masks::default() };
        // SAFETY: a `Bytes64` is made only under AVX-512; the tables have 16 bytes.
        let (token, low) = unsafe {
            let low_nibbles = _mm512_broadcast_i32x4(Bytes16::load(&LOW_NIBBLES, 0).0);
            let high_nibbles = _mm512_broadcast_i32x4(Bytes16::load(&HIGH_NIBBLES, 0).0);
            let high = _mm512_and_si512(_mm512_srli_epi16(bytes.vector, 4), _mm512_set1_epi8(15));
            let token = _mm512_test_epi8_mask(
                // A byte from 0x80 on makes 0 here.
                _mm512_shuffle_epi8(low_nibbles, bytes.vector),
                _mm512_shuffle_epi8(high_nibbles, high),
            );
            (token, _mm512_cmplt_epu8_mask(bytes.vector, _mm512_set1_epi8(0x20)))
        };
        Masks {
            token,
            colon: bytes.equal(b':'),
            space: bytes.equal(b' '),
            cr: bytes.equal(b'\r'),
            lf: bytes.equal(b'\n'),
            control: (low | bytes.equal(0x7f)) & bytes.valid,
        }
    }

    #[inline(always)]
    fn non_target(self, bytes: &[u8], at: usize) -> u64 {
        let Some(bytes) = self.load(bytes, at) else { return 0 };
        // SAFETY: a `Bytes64` is made only under AVX-512.
        unsafe {
            let from_graphic = _mm512_sub_epi8(bytes.vector, _mm512_set1_epi8(0x21));
            _mm512_cmpge_epu8_mask(from_graphic, _mm512_set1_epi8(0x7f - 0x21)) & bytes.valid
        }
    }
}
