//! A form that was taken: its parts, in memory or on the disk.
//! Knows nothing of how they came.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::api::Error;
use crate::sys::name_file;
use crate::wire::multipart::PartHead;
use crate::wire::status::Status;

/// A form with its parts in the order sent.
#[derive(Debug, Default)]
pub struct Form(pub(super) Vec<FormPart>);

impl Form {
    /// Every part.
    pub fn parts(&self) -> &[FormPart] {
        &self.0
    }

    /// Every part, to be kept.
    pub fn into_parts(self) -> Vec<FormPart> {
        self.0
    }

    /// The text of the first field `name`.
    ///
    /// # Errors
    /// 422 if there is none, or if it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        let is_wanted = |part: &&FormPart| part.head.name == name && part.head.file_name.is_none();
        let bytes = self.0.iter().find(is_wanted).and_then(FormPart::bytes);
        let bytes = bytes.ok_or_else(|| unfit(format!("the form has no field `{name}`")))?;
        std::str::from_utf8(bytes).map_err(|_| unfit(format!("the form's `{name}` is not UTF-8")))
    }

    /// The first file `name`.
    ///
    /// # Errors
    /// 422 if there is none.
    pub fn file(&self, name: &str) -> Result<&FormPart, Error> {
        let is_wanted = |part: &&FormPart| part.head.name == name && part.head.file_name.is_some();
        let file = self.0.iter().find(is_wanted);
        file.ok_or_else(|| unfit(format!("the form has no file `{name}`")))
    }
}

fn unfit(message: String) -> Error {
    Error::new(Status::UNPROCESSABLE_CONTENT, message)
}

/// One part: a field, or a file.
#[derive(Debug)]
pub struct FormPart {
    pub(super) head: PartHead,
    pub(super) content: PartContent,
}

#[derive(Debug)]
pub(super) enum PartContent {
    Memory(Vec<u8>),
    /// So many bytes in a file without a name.
    Disk(File, u64),
}

impl FormPart {
    /// The name of its field.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// What the client calls its file. It may be anything, `../../x` and line breaks too: never
    /// make a path of it. Only `filename` counts; `filename*` has no place in forms (RFC 7578).
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// The type that it is declared to have, which may be anything too.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match &self.content {
            PartContent::Memory(bytes) => bytes.len() as u64,
            PartContent::Disk(_, len) => *len,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes, if they are in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            PartContent::Memory(bytes) => Some(bytes),
            PartContent::Disk(..) => None,
        }
    }

    /// Reads it from its begin, wherever it is. A read from the disk may block.
    pub fn reader(&self) -> impl Read + '_ {
        Reader { part: self, at: 0 }
    }

    /// Keeps it under a path that nothing has yet; what is on the disk gets the name alone, so
    /// the path lies on the file system of [`super::Multipart::files_in`]. It blocks: see
    /// [`crate::Later::run_blocking`].
    ///
    /// # Errors
    /// What the kernel names.
    pub fn save_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match &self.content {
            PartContent::Memory(bytes) => {
                OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
            }
            PartContent::Disk(file, _) => name_file(file, path.as_ref()),
        }
    }
}

struct Reader<'a> {
    part: &'a FormPart,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = match &self.part.content {
            PartContent::Memory(bytes) => {
                let at = usize::try_from(self.at).map_or(bytes.len(), |at| at.min(bytes.len()));
                (&bytes[at..]).read(into)?
            }
            PartContent::Disk(file, _) => file.read_at(into, self.at)?,
        };
        self.at += len as u64;
        Ok(len)
    }
}
