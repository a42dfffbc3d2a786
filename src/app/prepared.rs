//! Answers that are made once and given many times: bytes, their tag, and their encoded variants.
//! Knows nothing of how answers are sent.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use super::compression::encoder::{CODINGS, Encoders, Levels};
use super::compression::{best, is_usually_compressible};
use crate::api::{Error, FieldLines, HandlerResult, Request, Response};
use crate::limits::{ENCODED_BYTES_MIN, INLINE_BODY_BYTES_MAX};
use crate::wire::accept_encoding::{Accepted, Coding};
use crate::wire::conditional::{Preconditions, Validators, Verdict};
use crate::wire::status::Status;
use crate::{Bytes, Router};

/// An answer whose body, `ETag`, fields and compressed variants are made once. Giving it copies a
/// small body once and a larger one not at all; a client that has it is told so (304).
///
/// Variants are made at the hardest levels, so make it outside the factory and clone it into the
/// workers: clones share everything.
///
/// ```
/// use corelane::{Prepared, Router, TestClient};
///
/// let page = Prepared::bytes("text/plain", "hello".repeat(1000))?;
/// let mut client = TestClient::new(Router::new().prepared("/", page));
/// assert_eq!(client.get("/").send().body().len(), 5000);
/// # Ok::<(), corelane::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The one that is not encoded stands last.
    variants: Arc<Vec<Variant>>,
    /// The codings of the others, the one first that makes the least of it.
    codings: Arc<[Coding]>,
}

#[derive(Clone, Debug)]
struct Variant {
    coding: Coding,
    /// Opaque part of its tag.
    tag: String,
    /// Fields of every answer about it.
    known: FieldLines,
    /// Fields of its content besides.
    content: FieldLines,
    body: Arc<[u8]>,
}

impl Prepared {
    /// Bytes of a media type.
    ///
    /// # Errors
    /// 500 if `content_type` is no value of a field.
    pub fn bytes(content_type: &str, bytes: impl AsRef<[u8]>) -> Result<Prepared, Error> {
        let body = bytes.as_ref();
        let hash = hash(body);
        let varies = body.len() as u64 >= ENCODED_BYTES_MIN
            && is_usually_compressible(content_type.as_bytes());
        let encoders = Encoders::new(Levels::BEST);
        let mut variants = Vec::new();
        for &coding in if varies { CODINGS } else { &[] } {
            let mut encoded = Vec::new();
            if encoders.whole(coding, body, &mut encoded) && encoded.len() < body.len() {
                variants.push(Variant::new(coding, content_type, &hash, &encoded, varies)?);
            }
        }
        variants.sort_by_key(|variant| variant.body.len());
        let codings = variants.iter().map(|variant| variant.coding).collect();
        variants.push(Variant::new(Coding::Identity, content_type, &hash, body, varies)?);
        Ok(Prepared { variants: Arc::new(variants), codings })
    }

    /// HTML.
    ///
    /// # Errors
    /// None that can come.
    pub fn html(html: impl AsRef<str>) -> Result<Prepared, Error> {
        Prepared::bytes("text/html; charset=utf-8", html.as_ref())
    }

    /// JSON.
    ///
    /// # Errors
    /// If `value` cannot be serialised.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Prepared, Error> {
        Prepared::bytes("application/json", serde_json::to_vec(value).map_err(Error::internal)?)
    }

    /// The same with one more field, as `Cache-Control`.
    ///
    /// # Errors
    /// 500 if it is not a field.
    pub fn header(mut self, name: &str, value: &str) -> Result<Prepared, Error> {
        for variant in Arc::make_mut(&mut self.variants) {
            let known = std::mem::take(&mut variant.known);
            variant.known = known.with(name, value).map_err(Error::internal)?;
        }
        Ok(self)
    }

    /// Answers a GET or HEAD with it.
    ///
    /// # Errors
    /// 412 if the client asks for another state of it.
    pub fn answer(&self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        let Some(variant) = self.variant(request) else {
            return Err(Error::internal("a prepared answer has at least one variant"));
        };
        // Without a date, those that name one say nothing.
        let is_meant = |name: &str| {
            name.eq_ignore_ascii_case("if-match") || name.eq_ignore_ascii_case("if-none-match")
        };
        let tag = variant.tag.as_bytes();
        let validators = Validators { tag, modified: 0, is_date_strong: false };
        let fields = request.headers().filter(|(name, _)| is_meant(name));
        match Preconditions::read(fields, &validators).judge(&validators) {
            Verdict::Failed => {
                Err(Error::new(Status::PRECONDITION_FAILED, "it is not what you asked for"))
            }
            Verdict::NotModified => {
                response.status(Status::NOT_MODIFIED).fields(&variant.known).bytes(b"")
            }
            Verdict::Proceed { .. } => {
                let response = response.fields(&variant.known).fields(&variant.content);
                if variant.body.len() <= INLINE_BODY_BYTES_MAX {
                    return response.bytes(&variant.body[..]);
                }
                response.bytes(Bytes::Shared(Arc::clone(&variant.body)))
            }
        }
    }

    /// What a client likes best; of equals, the smallest.
    fn variant(&self, request: &Request<'_>) -> Option<&Variant> {
        if self.codings.is_empty() {
            return self.variants.last();
        }
        let accepted = Accepted::read(request.header_values("accept-encoding"));
        let coding = best(&accepted, &self.codings);
        self.variants.iter().find(|variant| variant.coding == coding)
    }
}

impl Variant {
    fn new(
        coding: Coding,
        content_type: &str,
        hash: &str,
        body: &[u8],
        varies: bool,
    ) -> Result<Variant, Error> {
        let is_encoded = coding != Coding::Identity;
        let tag = if is_encoded { format!("{hash}-{}", coding.name()) } else { hash.to_owned() };
        let lines = || {
            let mut known = FieldLines::new().with("ETag", &format!("\"{tag}\""))?;
            if varies {
                known = known.with("Vary", "Accept-Encoding")?;
            }
            let mut content = FieldLines::new().with("Content-Type", content_type)?;
            if is_encoded {
                content = content.with("Content-Encoding", coding.name())?;
            }
            Ok((known, content))
        };
        let (known, content) = lines().map_err(|fault: String| Error::internal(fault))?;
        Ok(Variant { coding, known, content, body: body.into(), tag })
    }
}

/// 128 bits, the same in every worker and process of one program. Nobody who could choose bytes
/// for a collision would gain by it: they are the application's own.
fn hash(bytes: &[u8]) -> String {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(bytes);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}

impl Router {
    /// Answers GET and HEAD for the paths of `pattern` with what was made before.
    #[must_use]
    pub fn prepared(self, pattern: &str, prepared: Prepared) -> Router {
        let from = self.routes.len();
        let answer =
            move |request: &Request<'_>, response: Response<'_>| prepared.answer(request, response);
        self.get(pattern, answer).serving("prepared", from)
    }
}
