//! The levels of x86-64: SSE2, AVX2, AVX-512.
//! Knows bytes and bits only, as `scan` does.
#![allow(unsafe_code, reason = "vector intrinsics and loads; measured 2 to 3 times as fast")]
#![allow(clippy::unused_self, reason = "a value of a level proves that its instructions exist")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_and_si128, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8,
    _mm_cmplt_epi8, _mm_loadu_si128, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm512_cmpge_epu8_mask, _mm512_loadu_si512,
    _mm512_mask_cmpge_epi8_mask, _mm512_maskz_loadu_epi8, _mm512_maskz_permutex2var_epi8,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_sub_epi8, _mm512_test_epi8_mask,
};

use super::{Masks, Simd, TOKEN, VALUE, WINDOW_BYTES, Work, classes_of};

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
pub(super) fn run_avx2<W: Work>(
    bytes: &[u8],
    at: usize,
    out: &mut W::Out,
    bounds: &W::Bounds,
) -> W::Outcome {
    W::run(Avx2(()), bytes, at, out, bounds)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2,bmi1,bmi2")]
pub(super) fn run_avx512<W: Work>(
    bytes: &[u8],
    at: usize,
    out: &mut W::Out,
    bounds: &W::Bounds,
) -> W::Outcome {
    W::run(Avx512(()), bytes, at, out, bounds)
}

const TOKEN_ROWS: u8 = 0b0111_1100;

/// The bits of the two rows of bytes with this high nibble in [`LOW_NIBBLES`]. Bits 2 to 6 are
/// token bytes, the others control bytes. Two rows of letters share a bit.
const HIGH_NIBBLES: [u8; 16] = {
    let mut table = [0; 16];
    table[0x0] = 1 << 0;
    table[0x1] = 1 << 1;
    table[0x2] = 1 << 2;
    table[0x3] = 1 << 3;
    table[0x4] = 1 << 4;
    table[0x6] = 1 << 4;
    table[0x5] = 1 << 5;
    table[0x7] = 1 << 6 | 1 << 7;
    table
};

/// Which rows have a byte with this low nibble. The row that `@` and the backtick begin has
/// neither of them, so the backtick is no token byte here; CR and LF are no control bytes.
const LOW_NIBBLES: [u8; 16] = {
    let mut table = [TOKEN_ROWS | 0b11; 16];
    let mut byte = 0;
    while byte < 128 {
        let row = HIGH_NIBBLES[(byte >> 4) as usize] & TOKEN_ROWS;
        if classes_of(byte) & TOKEN == 0 {
            table[(byte & 15) as usize] &= !row;
        }
        byte += 1;
    }
    table[0xa] &= !1;
    table[0xd] &= !1;
    table[0xf] |= 1 << 7;
    table
};

/// Bits of a byte in [`ASCII_CLASSES`].
const CLASS_TOKEN: i8 = 1;
const CLASS_CONTROL: i8 = 2;
const CLASS_CR: i8 = 4;
const CLASS_LF: i8 = 8;

/// The classes of the bytes below 128, two halves of a table for `vpermi2b`.
static ASCII_CLASSES: [[i8; 64]; 2] = {
    let mut table = [[0; 64]; 2];
    let mut byte = 0;
    while byte < 128 {
        table[(byte >> 6) as usize][(byte & 63) as usize] = match byte {
            b'\r' => CLASS_CR,
            b'\n' => CLASS_LF,
            _ if classes_of(byte) & TOKEN != 0 => CLASS_TOKEN,
            _ if classes_of(byte) & VALUE == 0 || byte == b'\t' => CLASS_CONTROL,
            _ => 0,
        };
        byte += 1;
    }
    table
};

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
            let printable = _mm_cmpeq_epi8(_mm_max_epu8(self.0, _mm_set1_epi8(0x20)), self.0);
            let printable = _mm_andnot_si128(self.equal(0x7f), printable);
            let (cr, lf) = (Self::bits(self.equal(b'\r')), Self::bits(self.equal(b'\n')));
            Masks {
                token: Self::bits(_mm_or_si128(alphanumeric, symbol)),
                allowed: Self::bits(printable) | cr | lf,
                cr,
                lf,
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
            // A byte has one bit or none. Signed, those of tokens are above 3, and bit 7 is below.
            let token = _mm256_cmpgt_epi8(rows, _mm256_set1_epi8(3));
            let other = _mm256_cmpeq_epi8(rows, _mm256_set1_epi8(0));
            Masks {
                token: Self::bits(token),
                allowed: Self::bits(_mm256_or_si256(token, other)),
                cr: Self::bits(self.equal(b'\r')),
                lf: Self::bits(self.equal(b'\n')),
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
            allowed: self.allowed.join(other.allowed, shift),
            cr: self.cr.join(other.cr, shift),
            lf: self.lf.join(other.lf, shift),
        }
    }

    #[inline(always)]
    fn skip(self, count: usize) -> Masks {
        Masks {
            token: self.token >> count,
            allowed: self.allowed >> count,
            cr: self.cr >> count,
            lf: self.lf >> count,
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
        if at >= bytes.len() {
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

impl Simd for Avx512 {
    const PAYS: bool = true;

    #[inline(always)]
    fn masks(self, bytes: &[u8], at: usize) -> Masks {
        let Some(Bytes64 { vector, valid }) = self.load(bytes, at) else {
            return Masks::default();
        };
        let [low, high] = &ASCII_CLASSES;
        // SAFETY: a `Bytes64` is made only under AVX-512; each half of the table has 64 bytes.
        unsafe {
            let ascii = _mm512_mask_cmpge_epi8_mask(valid, vector, _mm512_setzero_si512());
            let classes = _mm512_maskz_permutex2var_epi8(
                ascii,
                _mm512_loadu_si512(low.as_ptr().cast()),
                vector,
                _mm512_loadu_si512(high.as_ptr().cast()),
            );
            Masks {
                token: _mm512_test_epi8_mask(classes, _mm512_set1_epi8(CLASS_TOKEN)),
                allowed: valid & !_mm512_test_epi8_mask(classes, _mm512_set1_epi8(CLASS_CONTROL)),
                cr: _mm512_test_epi8_mask(classes, _mm512_set1_epi8(CLASS_CR)),
                lf: _mm512_test_epi8_mask(classes, _mm512_set1_epi8(CLASS_LF)),
            }
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
