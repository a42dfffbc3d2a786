//! Answers in the content coding their clients like best (RFC 9110 sections 8.4 and 12.5.3).
//! Knows nothing of routes and of how answers are sent.

pub(super) mod decoder;
pub(super) mod encoder;
mod stream;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

pub use crate::wire::accept_encoding::Coding;

use self::encoder::{CODINGS, Encoders, Levels, StreamEncoder};
use self::stream::{EncodedSource, Place};
use crate::api::{AnswerCount, AnswerCounts, Encode, Error, Fields, Hook, Next, Request, Source};
use crate::limits::{ENCODED_BYTES_MIN, ENCODED_STREAMS_MAX};
use crate::wire::accept_encoding::Accepted;

/// Media types that are worth it; `text/` is all of that kind, `+json` all with that suffix. What
/// is a picture, a film or an archive is compressed already.
const TYPES: [&str; 15] = [
    "text/",
    "+json",
    "+xml",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/vnd.ms-fontobject",
    "font/ttf",
    "font/otf",
    "font/collection",
    "image/bmp",
    "image/x-icon",
];

/// Sends the bodies of answers compressed to clients that take it: whole ones, streamed ones and
/// promised ones. A streamed body is flushed whenever its source waits, so nothing is held back.
///
/// Left as they are: bodies of less than 1 KiB, of types that are not text or the like, 206 and
/// what has no body, and answers that have `Content-Encoding`, `Content-Digest` or
/// `Cache-Control: no-transform`. What might have been compressed has `Vary: Accept-Encoding`;
/// what is has a weak `ETag` and no `Accept-Ranges`. Nobody is refused for the codings they take.
///
/// Do not put it before answers that hold secrets beside what strangers can choose (BREACH).
#[derive(Clone)]
pub struct Compression {
    codings: Vec<Coding>,
    levels: Levels,
    bytes_min: u64,
    types: Vec<String>,
    /// One a coding and one for none, made with the first request.
    chosen: Vec<(Coding, Rc<Chosen>)>,
}

impl Default for Compression {
    fn default() -> Compression {
        Compression {
            codings: CODINGS.to_vec(),
            levels: Levels::FAST,
            bytes_min: ENCODED_BYTES_MIN,
            types: TYPES.map(str::to_owned).to_vec(),
            chosen: Vec::new(),
        }
    }
}

impl Compression {
    /// Every coding that this crate was built with, at a level for answers made once each.
    pub fn new() -> Compression {
        Compression::default()
    }

    /// These codings alone, the first before the others where a client likes them equally. Those
    /// that this crate was built without stay out.
    #[must_use]
    pub fn codings(mut self, codings: &[Coding]) -> Compression {
        let is_there = |coding: &Coding| CODINGS.contains(coding);
        self.codings = codings.iter().copied().filter(is_there).collect();
        self.forget()
    }

    /// How hard `coding` tries: gzip 1 to 9, brotli 0 to 11, zstd 1 to 22; what lies beyond is the
    /// nearest of these. Without it 1, 2 and 1.
    #[must_use]
    pub fn level(mut self, coding: Coding, level: u8) -> Compression {
        self.levels.set(coding, level);
        self.forget()
    }

    /// The least that is compressed, where the length is known.
    #[must_use]
    pub fn bytes_min(mut self, bytes: u64) -> Compression {
        self.bytes_min = bytes;
        self.forget()
    }

    /// The media types that are compressed, in place of those that usually are. One that ends in
    /// `/` is all of its kind, one that begins with `+` all with that suffix.
    #[must_use]
    pub fn types(mut self, types: &[&str]) -> Compression {
        self.types = types.iter().map(|&name| name.to_owned()).collect();
        self.forget()
    }

    /// So that what was made with other settings is not used.
    fn forget(mut self) -> Compression {
        self.chosen.clear();
        self
    }

    /// The coding of the answer to `request`.
    fn choose(&self, request: &Request<'_>) -> Coding {
        best(&Accepted::read(request.header_values("accept-encoding")), &self.codings)
    }

    fn prepare(&mut self, counts: &Arc<AnswerCounts>) {
        let shared = Rc::new(Shared {
            encoders: Encoders::new(self.levels),
            levels: self.levels,
            bytes_min: self.bytes_min,
            types: self.types.clone(),
            streams: Rc::default(),
            counts: Arc::clone(counts),
        });
        let codings = self.codings.iter().copied().chain([Coding::Identity]);
        let chosen = |coding| (coding, Rc::new(Chosen { coding, shared: Rc::clone(&shared) }));
        self.chosen = codings.map(chosen).collect();
    }
}

/// The coding that a client likes best, the first of `codings` between equals. None at all if it
/// likes that better, or likes nothing (RFC 9110 section 12.5.3 lets that be sent).
pub(crate) fn best(accepted: &Accepted, codings: &[Coding]) -> Coding {
    let mut best = (Coding::Identity, accepted.weight(Coding::Identity).max(1) - 1);
    for &coding in codings {
        let weight = accepted.weight(coding);
        if weight > best.1 {
            best = (coding, weight);
        }
    }
    best.0
}

impl Hook for Compression {
    fn name(&self) -> String {
        let names: Vec<&str> = self.codings.iter().map(|coding| coding.name()).collect();
        format!("compression({})", names.join(" "))
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        if self.chosen.is_empty() {
            self.prepare(request.answer_counts());
        }
        let coding = self.choose(request);
        if let Some((_, chosen)) = self.chosen.iter().find(|(other, _)| *other == coding) {
            fields.encode_with(Rc::clone(chosen) as Rc<dyn Encode>);
            if coding != Coding::Identity && names_weak_tag(request) {
                fields.note_weak_tag();
            }
        }
        Ok(Next::Go)
    }
}

fn names_weak_tag(request: &Request<'_>) -> bool {
    request.header_bytes("if-none-match").is_some_and(|tags| tags.starts_with(b"W/"))
}

/// What the codings of one worker have in common.
struct Shared {
    encoders: Encoders,
    levels: Levels,
    bytes_min: u64,
    types: Vec<String>,
    /// Bodies being encoded while they are sent.
    streams: Rc<Cell<usize>>,
    counts: Arc<AnswerCounts>,
}

struct Chosen {
    coding: Coding,
    shared: Rc<Shared>,
}

impl Encode for Chosen {
    fn coding(&self) -> Option<&'static str> {
        (self.coding != Coding::Identity).then(|| self.coding.name())
    }

    fn takes(&self, media_type: &[u8], length: Option<u64>) -> bool {
        let is_long = length.is_none_or(|length| length >= self.shared.bytes_min);
        is_long && is_compressible(media_type, &self.shared.types)
    }

    fn whole(&self, body: &[u8], out: &mut Vec<u8>) -> bool {
        // One that grew is sent as it was.
        let is_encoded = self.shared.encoders.whole(self.coding, body, out);
        if is_encoded && out.len() < body.len() {
            self.shared.counts.add(AnswerCount::EncodedIn, body.len() as u64);
            self.shared.counts.add(AnswerCount::EncodedOut, out.len() as u64);
        }
        is_encoded
    }

    fn stream(
        &self,
        source: Box<dyn Source>,
        length: Option<u64>,
    ) -> Result<Box<dyn Source>, Box<dyn Source>> {
        let place = Place::take(&self.shared.streams, ENCODED_STREAMS_MAX);
        let counts = Arc::clone(&self.shared.counts);
        let encoder = StreamEncoder::new(self.coding, self.shared.levels);
        let (Some(place), Some(encoder)) = (place, encoder) else { return Err(source) };
        Ok(Box::new(EncodedSource::new(source, encoder, length, place, counts)))
    }
}

/// Whether a media type is one of `types`, by its kind or by its suffix.
fn is_compressible(media_type: &[u8], types: &[impl AsRef<str>]) -> bool {
    let essence = media_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    types.iter().map(AsRef::as_ref).any(|name| {
        let part = match name.len() {
            len if name.ends_with('/') => essence.get(..len),
            len if name.starts_with('+') => essence.get(essence.len().saturating_sub(len)..),
            _ => Some(essence),
        };
        part.is_some_and(|part| part.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// [`is_compressible`] by the types that usually are.
pub(crate) fn is_usually_compressible(media_type: &[u8]) -> bool {
    is_compressible(media_type, &TYPES)
}

impl std::fmt::Debug for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}
