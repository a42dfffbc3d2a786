//! Content codings as encoders: of whole bodies, their state kept for the next, and of streams.
//! Knows no answers. Each coding is a feature of the crate; without it, it is not there.

#![cfg_attr(
    not(all(feature = "brotli", feature = "gzip", feature = "zstd")),
    allow(dead_code, unused_imports, unused_variables, reason = "each coding needs a part of it")
)]

use std::cell::RefCell;

#[cfg(feature = "zstd")]
use zstd::stream::raw::Operation;

use crate::wire::accept_encoding::Coding;

/// What can be encoded here, the best first of those that a client likes equally: by time and
/// size on JSON of some kilobytes, zstd before gzip before brotli.
pub(crate) const CODINGS: &[Coding] = &[
    #[cfg(feature = "zstd")]
    Coding::Zstd,
    #[cfg(feature = "gzip")]
    Coding::Gzip,
    #[cfg(feature = "brotli")]
    Coding::Brotli,
];

/// How hard encoders of the codings try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    /// From 0 to 11.
    pub(crate) brotli: u8,
    /// From 1 to 9.
    pub(crate) gzip: u8,
    /// From 1 to 22.
    pub(crate) zstd: u8,
}

impl Levels {
    /// For what is made for one request.
    pub(crate) const FAST: Levels = Levels { brotli: 2, gzip: 1, zstd: 1 };
    /// For what is encoded once.
    pub(crate) const BEST: Levels = Levels { brotli: 11, gzip: 9, zstd: 19 };

    /// The level of a coding that is put into its bounds.
    pub(crate) fn set(&mut self, coding: Coding, level: u8) {
        match coding {
            Coding::Brotli => self.brotli = level.min(11),
            Coding::Gzip => self.gzip = level.clamp(1, 9),
            Coding::Identity => {}
            Coding::Zstd => self.zstd = level.clamp(1, 22),
        }
    }
}

/// Encodes whole bodies. Between two of them it keeps its state: making it anew costs half as
/// much again.
pub(crate) struct Encoders {
    levels: Levels,
    #[cfg(feature = "gzip")]
    gzip: RefCell<Option<libdeflater::Compressor>>,
    #[cfg(feature = "zstd")]
    zstd: RefCell<Option<zstd::bulk::Compressor<'static>>>,
}

impl Encoders {
    /// None of them is made before it is needed.
    pub(crate) fn new(levels: Levels) -> Encoders {
        Encoders {
            levels,
            #[cfg(feature = "gzip")]
            gzip: RefCell::default(),
            #[cfg(feature = "zstd")]
            zstd: RefCell::default(),
        }
    }

    /// Writes `body` to `out` in place of what is there. Returns whether that went well.
    pub(crate) fn whole(&self, coding: Coding, body: &[u8], out: &mut Vec<u8>) -> bool {
        match coding {
            #[cfg(feature = "gzip")]
            Coding::Gzip => self.gzip(body, out),
            #[cfg(feature = "zstd")]
            Coding::Zstd => self.zstd(body, out),
            #[cfg(feature = "brotli")]
            Coding::Brotli => {
                out.clear();
                let parameters = brotli_parameters(self.levels.brotli);
                brotli::BrotliCompress(&mut &*body, out, &parameters).is_ok()
            }
            _ => false,
        }
    }

    #[cfg(feature = "gzip")]
    fn gzip(&self, body: &[u8], out: &mut Vec<u8>) -> bool {
        let mut gzip = self.gzip.borrow_mut();
        let gzip = gzip.get_or_insert_with(|| {
            let level = libdeflater::CompressionLvl::new(i32::from(self.levels.gzip));
            libdeflater::Compressor::new(level.unwrap_or_default())
        });
        out.resize(gzip.gzip_compress_bound(body.len()), 0);
        let len = gzip.gzip_compress(body, out);
        out.truncate(*len.as_ref().unwrap_or(&0));
        len.is_ok()
    }

    #[cfg(feature = "zstd")]
    fn zstd(&self, body: &[u8], out: &mut Vec<u8>) -> bool {
        let mut zstd = self.zstd.borrow_mut();
        if zstd.is_none() {
            *zstd = zstd::bulk::Compressor::new(i32::from(self.levels.zstd)).ok();
        }
        let Some(zstd) = zstd.as_mut() else { return false };
        out.clear();
        out.reserve(zstd::zstd_safe::compress_bound(body.len()));
        zstd.compress_to_buffer(body, out).is_ok()
    }
}

/// How far what was written is to come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Whenever it is worth it.
    Full,
    /// All of it, now: nothing may follow for a while.
    Flushed,
    /// All of it, and the end.
    Finished,
}

/// Encodes one body in pieces.
pub(crate) enum StreamEncoder {
    #[cfg(feature = "brotli")]
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    #[cfg(feature = "gzip")]
    Gzip(Box<zlib_rs::Deflate>),
    #[cfg(feature = "zstd")]
    Zstd(Box<zstd::stream::raw::Encoder<'static>>),
}

/// What cannot be encoded any further.
#[derive(Debug)]
pub(crate) struct Failed;

impl StreamEncoder {
    /// `None` if there is no such coding here, or no memory for it.
    pub(crate) fn new(coding: Coding, levels: Levels) -> Option<StreamEncoder> {
        match coding {
            #[cfg(feature = "brotli")]
            Coding::Brotli => {
                let parameters = brotli_parameters(levels.brotli);
                let writer = brotli::CompressorWriter::with_params(Vec::new(), PART, &parameters);
                Some(StreamEncoder::Brotli(Box::new(writer)))
            }
            #[cfg(feature = "gzip")]
            Coding::Gzip => {
                let (level, window_bits) = (i32::from(levels.gzip), GZIP_WINDOW_BITS);
                let config = zlib_rs::DeflateConfig { level, window_bits, ..Default::default() };
                Some(StreamEncoder::Gzip(Box::new(zlib_rs::Deflate::new_with_config(config))))
            }
            #[cfg(feature = "zstd")]
            Coding::Zstd => {
                let mut zstd = zstd::stream::raw::Encoder::new(i32::from(levels.zstd)).ok()?;
                let window = zstd::zstd_safe::CParameter::WindowLog(WINDOW_BITS);
                zstd.set_parameter(window).ok()?;
                Some(StreamEncoder::Zstd(Box::new(zstd)))
            }
            _ => None,
        }
    }

    /// Appends what comes out of `input`, all of which is taken.
    pub(crate) fn write(
        &mut self,
        input: &[u8],
        until: Until,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        match *self {
            #[cfg(feature = "brotli")]
            StreamEncoder::Brotli(ref mut brotli) => write_brotli(brotli, input, until, out),
            #[cfg(feature = "gzip")]
            StreamEncoder::Gzip(ref mut gzip) => write_gzip(gzip, input, until, out),
            #[cfg(feature = "zstd")]
            StreamEncoder::Zstd(ref mut zstd) => write_zstd(zstd, input, until, out),
        }
    }
}

/// How far back streams look, as a power of two: so much memory has each of them.
#[cfg(any(feature = "zstd", feature = "brotli"))]
const WINDOW_BITS: u32 = 17;

/// 15 bits, and 16 more for the format of gzip in place of zlib's.
#[cfg(feature = "gzip")]
const GZIP_WINDOW_BITS: i32 = 15 + 16;

/// Room that is made at a time for what comes out.
const PART: usize = crate::limits::ENCODED_PIECE_BYTES;

#[cfg(feature = "brotli")]
fn brotli_parameters(level: u8) -> brotli::enc::BrotliEncoderParams {
    let (quality, lgwin) = (i32::from(level), WINDOW_BITS.cast_signed());
    brotli::enc::BrotliEncoderParams { quality, lgwin, ..Default::default() }
}

#[cfg(feature = "brotli")]
fn write_brotli(
    brotli: &mut brotli::CompressorWriter<Vec<u8>>,
    input: &[u8],
    until: Until,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    use std::io::Write;

    brotli.write_all(input).map_err(|_| Failed)?;
    match until {
        Until::Full => {}
        Until::Flushed => brotli.flush().map_err(|_| Failed)?,
        Until::Finished => {
            let ended = brotli::CompressorWriter::new(Vec::new(), PART, 0, WINDOW_BITS);
            out.append(&mut std::mem::replace(brotli, ended).into_inner());
        }
    }
    out.append(brotli.get_mut());
    Ok(())
}

#[cfg(feature = "gzip")]
fn write_gzip(
    gzip: &mut zlib_rs::Deflate,
    mut input: &[u8],
    until: Until,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    use zlib_rs::{DeflateFlush, Status};

    let flush = match until {
        Until::Full => DeflateFlush::NoFlush,
        Until::Flushed => DeflateFlush::SyncFlush,
        Until::Finished => DeflateFlush::Finish,
    };
    loop {
        let start = out.len();
        out.resize(start + PART, 0);
        let (taken, made) = (gzip.total_in(), gzip.total_out());
        let status = gzip.compress(input, &mut out[start..], flush);
        let (taken, made) = (gzip.total_in() - taken, (gzip.total_out() - made) as usize);
        input = &input[taken as usize..];
        out.truncate(start + made);
        // Asked to flush again, it has nothing more to give.
        if until == Until::Flushed && taken == 0 && made == 0 {
            return Ok(());
        }
        match status.map_err(|_| Failed)? {
            Status::StreamEnd => return Ok(()),
            // With room left over, nothing more is to come.
            _ if made < PART && until != Until::Finished => return Ok(()),
            _ if made == 0 && taken == 0 => return Err(Failed),
            _ => {}
        }
    }
}

#[cfg(feature = "zstd")]
fn write_zstd(
    zstd: &mut zstd::stream::raw::Encoder<'static>,
    input: &[u8],
    until: Until,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    use zstd::stream::raw::{InBuffer, OutBuffer};

    let mut input = InBuffer::around(input);
    loop {
        out.reserve(PART);
        let start = out.len();
        let mut space = OutBuffer::around_pos(out, start);
        let has_input = input.pos() < input.src.len();
        let left = match until {
            _ if has_input => zstd.run(&mut input, &mut space),
            Until::Full => Ok(0),
            Until::Flushed => zstd.flush(&mut space),
            Until::Finished => zstd.finish(&mut space, true),
        };
        let left = left.map_err(|_| Failed)?;
        if !has_input && left == 0 {
            return Ok(());
        }
    }
}
