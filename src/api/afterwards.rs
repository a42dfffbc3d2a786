//! What hooks have done with an answer once it is made: encoded, kept, or taken from elsewhere.
//! Knows nothing of codings and of where answers are kept.

use std::fmt;
use std::rc::Rc;

use super::Source;
use crate::mem::Bytes;
use crate::wire::encode::ContentType;
use crate::wire::status::Status;

/// Encodes the bodies of answers in the content coding that one client likes best. One for each
/// coding is enough for a worker.
pub trait Encode {
    /// The coding's name, as in `Content-Encoding`; without one, bodies stay as they are, and
    /// caches are told only that other clients are answered otherwise.
    fn coding(&self) -> Option<&'static str>;

    /// Whether bodies of this media type, and of so many bytes if that is known, are worth it.
    fn takes(&self, media_type: &[u8], length: Option<u64>) -> bool;

    /// Appends a whole body to `out`, encoded. Returns whether that went well.
    fn whole(&self, body: &[u8], out: &mut Vec<u8>) -> bool;

    /// A body that is made while it is sent, of `length` bytes if that is known; the same source
    /// if it cannot be encoded now.
    ///
    /// # Errors
    /// The source, where there is no room for one more.
    fn stream(
        &self,
        source: Box<dyn Source>,
        length: Option<u64>,
    ) -> Result<Box<dyn Source>, Box<dyn Source>>;
}

/// An answer as it was made, with its whole body.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Its status.
    pub status: Status,
    /// The fields that were set behind who sees this, as lines.
    pub lines: &'a [u8],
    /// What is said of the body, if the lines do not.
    pub content_type: ContentType,
    /// The body, also where it is not sent because the request was HEAD.
    pub body: &'a [u8],
}

/// Sees answers that are sent whole.
pub trait Keep {
    /// This one is.
    fn keep(&self, made: &Made<'_>);
}

/// An answer that a hook gives in place of the handler.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its fields, as lines that were checked before.
    pub lines: Rc<[u8]>,
    /// What is said of the body, if the lines do not.
    pub content_type: ContentType,
    /// Its body.
    pub body: Bytes,
}

/// What hooks asked for.
#[derive(Clone, Default)]
pub(crate) struct Afterwards {
    pub(crate) encode: Option<Rc<dyn Encode>>,
    pub(crate) keep: Option<Rc<dyn Keep>>,
    /// Where the fields begin that were set behind who keeps.
    pub(crate) keep_from: usize,
    /// Whether what is kept is encoded each time, and not once.
    pub(crate) keeps_plain: bool,
    /// Whether the client named a weak tag, as encoded answers have.
    pub(crate) knows_weak_tag: bool,
    pub(crate) given: Option<Given>,
}

impl Afterwards {
    /// Whether nobody asked for anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.encode.is_none() && self.keep.is_none() && self.given.is_none()
    }

    /// Adds what hooks further inside asked for; their fields are further behind by `moved`.
    pub(super) fn add(&mut self, inner: Afterwards, moved: usize) {
        let had_encoding = self.encode.is_some();
        self.encode = inner.encode.or(self.encode.take());
        self.given = inner.given;
        self.knows_weak_tag |= inner.knows_weak_tag;
        if inner.keep.is_some() {
            self.keep = inner.keep;
            self.keep_from = inner.keep_from - moved;
            self.keeps_plain = inner.keeps_plain || had_encoding;
        }
    }
}

impl fmt::Debug for Afterwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Afterwards").finish_non_exhaustive()
    }
}
