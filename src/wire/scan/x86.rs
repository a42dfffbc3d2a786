//! The levels of x86-64: SSE2 and AVX2. AVX-512 was tried: a fifth faster on the shortest head,
//! no faster on others. Knows bytes and bits only, as `scan` does.
#![allow(unsafe_code, reason = "vector intrinsics and loads; measured 2 to 3 times as fast")]
#![allow(clippy::unused_self, reason = "a value of a level proves that its instructions exist")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_and_si128, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8,
    _mm_cmplt_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8,
    _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
};

use super::{Simd, TOKEN, WINDOW_BYTES, Work, classes_of};

/// SSE2: every x86-64 has it.
#[derive(Clone, Copy)]
struct Sse2;

/// Made only by [`run_avx2`].
#[derive(Clone, Copy)]
struct Avx2(());

/// Not inlined, as it also stands in for the larger vectors where the bytes do not fill one.
#[inline(never)]
pub(super) fn run_sse2<W: Work>(
    bytes: &[u8],
    at: usize,
    out: &mut W::Out,
    bounds: &W::Bounds,
) -> W::Outcome {
    W::run(Sse2, bytes, at, out, bounds)
}

#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn run_avx2<W: Work>(
    bytes: &[u8],
    at: usize,
    out: &mut W::Out,
    bounds: &W::Bounds,
) -> W::Outcome {
    if bytes.len() < Avx2::BYTES_MIN {
        return run_sse2::<W>(bytes, at, out, bounds);
    }
    W::run(Avx2(()), bytes, at, out, bounds)
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

/// The bit of each high nibble in [`LOW_NIBBLES`]; none for those of bytes that are not ASCII.
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

    fn controls(self) -> u64;

    fn non_target(self) -> u32;

    /// A level may leave out bytes that are rare in names.
    fn non_token(self) -> u32;
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

    /// # Safety
    /// As the trait says.
    #[inline(always)]
    unsafe fn load(bytes: &[u8], at: usize) -> Bytes16 {
        debug_assert!(at + Self::BYTES <= bytes.len());
        // SAFETY: the caller leaves so many bytes, and the load asks for no alignment.
        Bytes16(unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) })
    }

    #[inline(always)]
    fn controls(self) -> u64 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let low = _mm_cmpeq_epi8(_mm_min_epu8(self.0, _mm_set1_epi8(0x1f)), self.0);
            Self::bits(_mm_or_si128(low, self.equal(0x7f)))
        }
    }

    #[inline(always)]
    fn non_target(self) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            // Signed: bytes from 0x80 on are below SP too.
            let low = _mm_cmplt_epi8(self.0, _mm_set1_epi8(0x21));
            _mm_movemask_epi8(_mm_or_si128(low, self.equal(0x7f))).cast_unsigned()
        }
    }

    /// Only letters, digits, `-` and `_` count as token bytes.
    #[inline(always)]
    fn non_token(self) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let lower = Bytes16(_mm_or_si128(self.0, _mm_set1_epi8(0x20)));
            let alphanumeric = _mm_or_si128(lower.between(b'a', b'z'), self.between(b'0', b'9'));
            let symbol = _mm_or_si128(self.equal(b'-'), self.equal(b'_'));
            !_mm_movemask_epi8(_mm_or_si128(alphanumeric, symbol)).cast_unsigned()
        }
    }
}

impl Bytes16 {
    #[inline(always)]
    fn non_plain_path(self) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let first = _mm_or_si128(self.equal(b'#'), self.equal(b'%'));
            let second = _mm_or_si128(self.equal(b'?'), self.equal(b'\\'));
            let special = _mm_movemask_epi8(_mm_or_si128(first, second)).cast_unsigned();
            special | self.non_target()
        }
    }

    #[inline(always)]
    fn non_plain_host(self) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let lower = Bytes16(_mm_or_si128(self.0, _mm_set1_epi8(0x20)));
            let letter = _mm_or_si128(lower.between(b'a', b'z'), self.equal(b'_'));
            // `-`, `.`, `/` and the digits lie side by side.
            let other = _mm_andnot_si128(self.equal(b'/'), self.between(b'-', b'9'));
            !_mm_movemask_epi8(_mm_or_si128(letter, other)).cast_unsigned() & 0xffff
        }
    }
}

/// As [`super::plain_path_end`]; `None` where the bytes do not fill a vector. These are short:
/// SSE2 needs no call into code of another level.
#[inline]
pub(super) fn plain_path_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    end_by(bytes, at, end, Bytes16::non_plain_path)
}

/// As [`super::plain_host_end`]; `None` where the bytes do not fill a vector.
#[inline]
pub(super) fn plain_host_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    end_by(bytes, at, end, Bytes16::non_plain_host)
}

/// Offset of the first byte of `bytes[at..end]` for which `stops` has a bit, or `end`.
#[inline(always)]
fn end_by(bytes: &[u8], at: usize, end: usize, stops: impl Fn(Bytes16) -> u32) -> Option<usize> {
    if bytes.len() < Bytes16::BYTES {
        return None;
    }
    let mut at = at;
    while at < end {
        // SAFETY: there are enough bytes, and every x86-64 has SSE2.
        let (vector, vector_at) = unsafe { load_before_end::<Bytes16>(bytes, at) };
        let stops = stops(vector).wrapping_shr((at - vector_at) as u32);
        if stops != 0 {
            return Some(end.min(at + stops.trailing_zeros() as usize));
        }
        at += Bytes16::BYTES;
    }
    Some(end)
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

    /// # Safety
    /// As the trait says.
    #[inline(always)]
    unsafe fn load(bytes: &[u8], at: usize) -> Bytes32 {
        debug_assert!(at + Self::BYTES <= bytes.len());
        // SAFETY: the caller leaves so many bytes, and the load asks for no alignment.
        Bytes32(unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) })
    }

    #[inline(always)]
    fn controls(self) -> u64 {
        // SAFETY: a `Bytes32` is made only under AVX2.
        unsafe {
            let low = _mm256_cmpeq_epi8(_mm256_min_epu8(self.0, _mm256_set1_epi8(0x1f)), self.0);
            Self::bits(_mm256_or_si256(low, self.equal(0x7f)))
        }
    }

    #[inline(always)]
    fn non_target(self) -> u32 {
        // SAFETY: a `Bytes32` is made only under AVX2.
        unsafe {
            // Signed: bytes from 0x80 on are below SP too.
            let low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), self.0);
            _mm256_movemask_epi8(_mm256_or_si256(low, self.equal(0x7f))).cast_unsigned()
        }
    }

    #[inline(always)]
    fn non_token(self) -> u32 {
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
            let other = _mm256_cmpeq_epi8(rows, _mm256_setzero_si256());
            _mm256_movemask_epi8(other).cast_unsigned()
        }
    }
}

/// Where a vector may be loaded that covers `at`, or as many bytes as there are: at `at`, or
/// earlier so that it ends where the bytes end.
///
/// # Safety
/// `V::BYTES <= bytes.len()`, and the processor has the instructions of `V`.
#[inline(always)]
unsafe fn load_before_end<V: Vector>(bytes: &[u8], at: usize) -> (V, usize) {
    debug_assert!(V::BYTES <= bytes.len());
    let vector_at = at.min(bytes.len() - V::BYTES);
    // SAFETY: `vector_at` leaves room for the vector; the rest is the caller's promise.
    (unsafe { V::load(bytes, vector_at) }, vector_at)
}

/// The control bytes of the window at `at`.
///
/// # Safety
/// As [`load_before_end`].
#[inline(always)]
unsafe fn controls<V: Vector>(bytes: &[u8], at: usize) -> u64 {
    let mut mask = 0;
    let mut offset = 0;
    if let Some(rest) = bytes.get(at..)
        && rest.len() >= WINDOW_BYTES
    {
        while offset < WINDOW_BYTES {
            // SAFETY: the whole window is there; the instructions are the caller's promise.
            mask |= unsafe { V::load(rest, offset) }.controls() << offset;
            offset += V::BYTES;
        }
        return mask;
    }
    while at + offset < bytes.len() {
        // SAFETY: this is the caller's promise.
        let (vector, vector_at) = unsafe { load_before_end::<V>(bytes, at + offset) };
        mask |= vector.controls() >> (at + offset - vector_at) << offset;
        offset += V::BYTES;
    }
    mask
}

/// As [`Simd::target_end`].
///
/// # Safety
/// As [`load_before_end`].
#[inline(always)]
unsafe fn target_end<V: Vector>(bytes: &[u8], at: usize) -> usize {
    let mut at = at;
    loop {
        // SAFETY: this is the caller's promise.
        let (vector, vector_at) = unsafe { load_before_end::<V>(bytes, at) };
        let stops = vector.non_target().wrapping_shr((at - vector_at) as u32);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize;
        }
        at += V::BYTES;
        if at >= bytes.len() {
            return at;
        }
    }
}

/// As [`Simd::token_end`]: up to the end of one vector.
///
/// # Safety
/// As [`load_before_end`].
#[inline(always)]
unsafe fn token_end<V: Vector>(bytes: &[u8], at: usize) -> usize {
    // SAFETY: this is the caller's promise.
    let (vector, vector_at) = unsafe { load_before_end::<V>(bytes, at) };
    at + vector.non_token().wrapping_shr((at - vector_at) as u32).trailing_zeros() as usize
}

impl Simd for Sse2 {
    const BYTES_MIN: usize = Bytes16::BYTES;

    #[inline(always)]
    fn controls(self, bytes: &[u8], at: usize) -> u64 {
        assert!(bytes.len() >= Self::BYTES_MIN);
        // SAFETY: there are enough bytes, and every x86-64 has SSE2.
        unsafe { controls::<Bytes16>(bytes, at) }
    }

    #[inline(always)]
    fn target_end(self, bytes: &[u8], at: usize) -> usize {
        assert!(bytes.len() >= Self::BYTES_MIN);
        // SAFETY: there are enough bytes, and every x86-64 has SSE2.
        unsafe { target_end::<Bytes16>(bytes, at) }
    }

    #[inline(always)]
    fn token_end(self, bytes: &[u8], at: usize) -> usize {
        assert!(bytes.len() >= Self::BYTES_MIN);
        // SAFETY: there are enough bytes, and every x86-64 has SSE2.
        unsafe { token_end::<Bytes16>(bytes, at) }
    }
}

impl Simd for Avx2 {
    const BYTES_MIN: usize = Bytes32::BYTES;

    #[inline(always)]
    fn controls(self, bytes: &[u8], at: usize) -> u64 {
        assert!(bytes.len() >= Self::BYTES_MIN);
        // SAFETY: there are enough bytes, and an `Avx2` is made only where AVX2 was found.
        unsafe { controls::<Bytes32>(bytes, at) }
    }

    #[inline(always)]
    fn target_end(self, bytes: &[u8], at: usize) -> usize {
        assert!(bytes.len() >= Self::BYTES_MIN);
        // SAFETY: there are enough bytes, and an `Avx2` is made only where AVX2 was found.
        unsafe { target_end::<Bytes32>(bytes, at) }
    }

    #[inline(always)]
    fn token_end(self, bytes: &[u8], at: usize) -> usize {
        assert!(bytes.len() >= Self::BYTES_MIN);
        // SAFETY: there are enough bytes, and an `Avx2` is made only where AVX2 was found.
        unsafe { token_end::<Bytes32>(bytes, at) }
    }
}
