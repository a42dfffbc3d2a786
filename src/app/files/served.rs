//! A file as it is served: its content or its descriptor, its validators, and the fields of its
//! answers, written once. Knows no requests.

use std::rc::Rc;
use std::sync::Arc;

use super::body::Content;
use super::media_type::media_type;
use crate::api::{Error, FieldLines};
use crate::limits::KEPT_FILE_BYTES_MAX;
use crate::sys::{Facts, OpenFile};
use crate::wire::conditional::Validators;
use crate::wire::date::DateText;
use crate::wire::status::Status;

/// One state of one file.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) facts: Facts,
    pub(super) content: Content,
    pub(super) content_type: &'static str,
    /// Fields of every answer about it.
    pub(super) known: FieldLines,
    /// These and the fields of an answer with its content.
    pub(super) whole: FieldLines,
    tag: String,
    modified: u64,
    is_date_strong: bool,
}

impl Served {
    /// Reads what has to be known of a file, and its content if that is small and in memory, at
    /// `unix_seconds` by the wall clock.
    ///
    /// # Errors
    /// 500 if it cannot be read; 503 if it is cut while it is.
    pub(super) fn load(path: &[u8], file: OpenFile, unix_seconds: u64) -> Result<Served, Error> {
        let facts = file.facts();
        let is_cold = file.is_in_memory(0, facts.len) == Some(false);
        let content = if is_cold || facts.len > KEPT_FILE_BYTES_MAX {
            Content::Open(Rc::new(file))
        } else {
            Content::Kept(read_whole(&file)?)
        };
        Served::new(path, facts, content, unix_seconds).map_err(Error::internal)
    }

    fn new(
        path: &[u8],
        facts: Facts,
        content: Content,
        unix_seconds: u64,
    ) -> Result<Served, String> {
        let content_type = media_type(path);
        // Inode and time together tell a file that was replaced from one that was written to.
        let tag = format!("{:x}-{:x}-{:x}", facts.inode, facts.len, facts.modified_ns);
        let modified = u64::try_from(facts.modified_ns / 1_000_000_000).unwrap_or(0);
        // None may lie in the future (RFC 9110 section 8.8.2.1).
        let told = modified.min(unix_seconds);
        let date = DateText::new(told);
        let known = FieldLines::new()
            .with("ETag", &format!("\"{tag}\""))?
            .with("Last-Modified", &String::from_utf8_lossy(date.bytes()))?;
        let whole =
            known.clone().with("Accept-Ranges", "bytes")?.with("Content-Type", content_type)?;
        let is_date_strong = modified < unix_seconds;
        let modified = told;
        Ok(Served { facts, content, content_type, known, whole, tag, modified, is_date_strong })
    }

    /// What the fields of a request are judged by.
    pub(super) fn validators(&self) -> Validators<'_> {
        let Served { tag, modified, is_date_strong, .. } = self;
        Validators { tag: tag.as_bytes(), modified: *modified, is_date_strong: *is_date_strong }
    }

    /// Whether it may be served again as it is. A small file on a disk that has to be waited for is
    /// sent from there once, and is in memory for who asks next.
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
        Served::new(b"a", facts, Content::Kept(bytes.into()), 1).unwrap()
    }
}
