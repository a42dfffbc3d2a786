//! A file as it is served: its content or its descriptor, its validators, and the fields of its
//! answers, written once. Knows no requests.

use std::rc::Rc;
use std::sync::Arc;

use super::body::Content;
use super::media_type::media_type;
use crate::api::{Error, FieldLines};
use crate::limits::KEPT_FILE_BYTES_MAX;
use crate::sys::{Facts, OpenFile};
use crate::wire::accept_encoding::Coding;
use crate::wire::conditional::Validators;
use crate::wire::date::DateText;
use crate::wire::status::Status;

/// What a file does not tell of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loading<'a> {
    /// The path of the file, or of the one that this is a coding of.
    pub(super) path: &'a [u8],
    pub(super) coding: Coding,
    /// Whether there are others of another coding.
    pub(super) varies: bool,
    pub(super) cache_control: Option<&'a str>,
    /// By the wall clock.
    pub(super) unix_seconds: u64,
}

/// One state of one file.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) facts: Facts,
    pub(super) content: Content,
    pub(super) content_type: &'static str,
    /// Whether its bytes are in a coding.
    pub(super) is_coded: bool,
    /// Whether the answer depends on `Accept-Encoding`.
    pub(super) varies: bool,
    /// Fields of every answer about it.
    pub(super) known: FieldLines,
    /// These and the fields of an answer with its content.
    pub(super) whole: FieldLines,
    tag: String,
    modified: u64,
    is_date_strong: bool,
}

impl Served {
    /// Reads what has to be known of a file, and its content if that is small and in memory.
    ///
    /// # Errors
    /// 500 if it cannot be read; 503 if it is cut while it is.
    pub(super) fn load(file: OpenFile, loading: &Loading<'_>) -> Result<Served, Error> {
        let facts = file.facts();
        let is_cold = file.is_in_memory(0, facts.len) == Some(false);
        let content = if is_cold || facts.len > KEPT_FILE_BYTES_MAX {
            Content::Open(Rc::new(file))
        } else {
            Content::Kept(read_whole(&file)?)
        };
        Served::new(facts, content, loading).map_err(Error::internal)
    }

    fn new(facts: Facts, content: Content, loading: &Loading<'_>) -> Result<Served, String> {
        let Loading { path, coding, varies, cache_control, unix_seconds } = *loading;
        let content_type = media_type(path);
        // Inode and time together tell a file that was replaced from one that was written to.
        let tag = format!("{:x}-{:x}-{:x}", facts.inode, facts.len, facts.modified_ns);
        let modified = u64::try_from(facts.modified_ns / 1_000_000_000).unwrap_or(0);
        // None may lie in the future (RFC 9110 section 8.8.2.1).
        let told = modified.min(unix_seconds);
        let date = DateText::new(told);
        let mut known = FieldLines::new()
            .with("ETag", &format!("\"{tag}\""))?
            .with("Last-Modified", &String::from_utf8_lossy(date.bytes()))?;
        if varies {
            known = known.with("Vary", "Accept-Encoding")?;
        }
        if let Some(value) = cache_control {
            known = known.with("Cache-Control", value)?;
        }
        let mut whole =
            known.clone().with("Accept-Ranges", "bytes")?.with("Content-Type", content_type)?;
        let is_coded = coding != Coding::Identity;
        if is_coded {
            whole = whole.with("Content-Encoding", coding.name())?;
        }
        let is_date_strong = modified < unix_seconds;
        let modified = told;
        Ok(Served {
            facts,
            content,
            content_type,
            is_coded,
            varies,
            known,
            whole,
            tag,
            modified,
            is_date_strong,
        })
    }

    /// What the fields of a request are judged by.
    pub(super) fn validators(&self) -> Validators<'_> {
        let Served { tag, modified, is_date_strong, .. } = self;
        Validators { tag: tag.as_bytes(), modified: *modified, is_date_strong: *is_date_strong }
    }

    /// Whether it may be served for longer than a second as it is. A small file on a disk that has
    /// to be waited for is sent from there meanwhile, and is in memory when it is looked at again.
    pub(super) fn may_be_kept(&self) -> bool {
        matches!(self.content, Content::Kept(_)) || self.facts.len > KEPT_FILE_BYTES_MAX
    }

    /// Bytes of content in memory.
    pub(super) fn kept_bytes(&self) -> usize {
        match &self.content {
            Content::Kept(bytes) => bytes.len(),
            Content::Open(_) => 0,
        }
    }
}

fn read_whole(file: &OpenFile) -> Result<Arc<[u8]>, Error> {
    let mut bytes = vec![0; file.facts().len as usize];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], read as u64).map_err(Error::internal)? {
            0 => return Err(Error::new(Status::SERVICE_UNAVAILABLE, "the file is being changed")),
            len => read += len,
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
impl Served {
    /// A file with this content.
    pub(super) fn of_bytes(bytes: &[u8]) -> Served {
        let len = bytes.len() as u64;
        let facts = Facts { len, modified_ns: 0, changed_ns: 0, inode: 1, device: 1 };
        let coding = Coding::Identity;
        let (path, cache_control) = (b"a", None);
        let loading = Loading { path, coding, varies: false, cache_control, unix_seconds: 1 };
        Served::new(facts, Content::Kept(bytes.into()), &loading).unwrap()
    }
}
