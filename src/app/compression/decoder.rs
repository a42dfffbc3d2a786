//! Content codings undone, within bounds that hold whatever the bytes say.
//! Knows no requests.

#![cfg_attr(
    not(all(feature = "brotli", feature = "gzip", feature = "zstd")),
    allow(dead_code, unused_imports, unused_variables, reason = "each coding needs a part of it")
)]

use super::encoder::CODINGS;
use crate::wire::accept_encoding::Coding;

/// Why a body is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what its coding makes.
    Damaged,
    /// It is larger than it may be.
    TooLarge,
    /// Nobody here knows the coding.
    Unknown,
}

/// Bytes that are decoded at a time.
const PART: usize = 16 * 1024;

/// What `body` was before it was encoded, if that is at most `max` bytes.
pub(crate) fn decode(coding: Coding, body: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    if coding == Coding::Identity {
        return Ok(body.to_vec());
    }
    if !CODINGS.contains(&coding) {
        return Err(Fault::Unknown);
    }
    match coding {
        #[cfg(feature = "gzip")]
        Coding::Gzip => gunzip(body, max),
        #[cfg(feature = "brotli")]
        Coding::Brotli => read_all(brotli::Decompressor::new(body, PART), max),
        #[cfg(feature = "zstd")]
        Coding::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(body).map_err(|_| Fault::Damaged)?;
            // As much as RFC 9659 lets a sender ask for.
            decoder.window_log_max(ZSTD_WINDOW_BITS_MAX).map_err(|_| Fault::Damaged)?;
            read_all(decoder, max)
        }
        _ => Err(Fault::Unknown),
    }
}

#[cfg(feature = "zstd")]
const ZSTD_WINDOW_BITS_MAX: u32 = 23;

#[cfg(any(feature = "brotli", feature = "zstd"))]
fn read_all(mut decoder: impl std::io::Read, max: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    loop {
        let start = plain.len();
        plain.resize(start + PART.min(max + 1 - start), 0);
        let len = decoder.read(&mut plain[start..]).map_err(|_| Fault::Damaged)?;
        plain.truncate(start + len);
        if len == 0 {
            return Ok(plain);
        }
        if plain.len() > max {
            return Err(Fault::TooLarge);
        }
    }
}

/// Members that a body of gzip may have: each takes a decoder of its own.
#[cfg(feature = "gzip")]
const GZIP_MEMBERS_MAX: usize = 8;

#[cfg(feature = "gzip")]
fn gunzip(mut body: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    for _ in 0..GZIP_MEMBERS_MAX {
        // 15 bits, and 16 more for the format of gzip in place of zlib's.
        let mut decoder = zlib_rs::Inflate::new(true, 15 + 16);
        body = gunzip_member(&mut decoder, body, &mut plain, max)?;
        if body.is_empty() {
            return Ok(plain);
        }
    }
    Err(Fault::Damaged)
}

/// Decodes one member: what follows it.
#[cfg(feature = "gzip")]
fn gunzip_member<'b>(
    decoder: &mut zlib_rs::Inflate,
    mut body: &'b [u8],
    plain: &mut Vec<u8>,
    max: usize,
) -> Result<&'b [u8], Fault> {
    loop {
        let start = plain.len();
        plain.resize(start + PART.min(max + 1 - start), 0);
        let (taken, made) = (decoder.total_in(), decoder.total_out());
        let space = &mut plain[start..];
        let status = decoder.decompress(body, space, zlib_rs::InflateFlush::NoFlush);
        let taken = (decoder.total_in() - taken) as usize;
        let made = (decoder.total_out() - made) as usize;
        plain.truncate(start + made);
        body = &body[taken..];
        if plain.len() > max {
            return Err(Fault::TooLarge);
        }
        match status.map_err(|_| Fault::Damaged)? {
            zlib_rs::Status::StreamEnd => return Ok(body),
            // The body ended before its end.
            _ if taken == 0 && made == 0 => return Err(Fault::Damaged),
            _ => {}
        }
    }
}
