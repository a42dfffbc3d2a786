//! Forms with files, `multipart/form-data`: how much of them is taken, and where it goes.
//! Knows nothing of boundaries: `wire` finds the parts.

mod part;
mod sink;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

pub use part::{Form, FormPart};
pub use sink::FormSink;

use crate::Router;
use crate::api::{Error, HandlerResult, Request, Response};
use crate::limits::{FORM_FILE_BYTES_MIN, FORM_MEMORY_BYTES_MAX, FORM_PARTS_MAX};
use crate::sys::unnamed_file;
use crate::wire::head::Method;

/// How forms with files are taken: how much of them, and where it goes.
///
/// ```
/// use corelane::{Method, Multipart, Router};
///
/// let forms = Multipart::new().files_in("/var/tmp").part_bytes_max(10_000_000);
/// let router = Router::new().form(Method::Post, "/", forms, |form, _req, res| {
///     let (title, file) = (form.text("title")?, form.file("file")?);
///     res.text(format_args!("{title}: {} bytes", file.len()))
/// });
/// ```
///
/// Fields are held in memory. So are files, unless [`Multipart::files_in`] names a folder: there
/// a file of more than 64 KiB is written while it arrives, without a name, so that nothing stays
/// behind if the client goes away. That is done by the worker: as long as the kernel has memory
/// for what was written it takes microseconds, after that a slow disk holds the worker up.
///
/// Who sends too much is answered 413, what is no form 415 or 400, each by its reason. The setting
/// `upload_bytes_max` bounds the whole besides.
#[derive(Clone, Debug)]
pub struct Multipart {
    pub(super) folder: Option<PathBuf>,
    pub(super) parts_max: usize,
    pub(super) part_bytes_max: u64,
    pub(super) memory_bytes_max: usize,
    pub(super) file_bytes_min: usize,
}

impl Default for Multipart {
    fn default() -> Multipart {
        Multipart {
            folder: None,
            parts_max: FORM_PARTS_MAX,
            part_bytes_max: u64::MAX,
            memory_bytes_max: FORM_MEMORY_BYTES_MAX,
            file_bytes_min: FORM_FILE_BYTES_MIN,
        }
    }
}

impl Multipart {
    /// At most 256 parts and 1 MiB, in memory.
    pub fn new() -> Multipart {
        Multipart::default()
    }

    /// Writes files to this folder, on a file system with unnamed files (`O_TMPFILE`): ext4, xfs,
    /// btrfs, tmpfs, overlayfs.
    #[must_use]
    pub fn files_in(mut self, folder: impl Into<PathBuf>) -> Multipart {
        self.folder = Some(folder.into());
        self
    }

    /// How many parts a form may have.
    #[must_use]
    pub fn parts_max(mut self, max: usize) -> Multipart {
        self.parts_max = max;
        self
    }

    /// How many bytes each of them may have.
    #[must_use]
    pub fn part_bytes_max(mut self, max: u64) -> Multipart {
        self.part_bytes_max = max;
        self
    }

    /// How many bytes of one form may be held in memory, names not counted.
    #[must_use]
    pub fn memory_bytes_max(mut self, max: usize) -> Multipart {
        self.memory_bytes_max = max;
        self
    }

    /// Why no file can be taken, if none can: there is nowhere to write one.
    pub fn fault(&self) -> Option<String> {
        let folder = self.folder.as_deref()?;
        let error = unnamed_file(folder).err()?;
        Some(format!("no file can be made in {} for an upload: {error}", folder.display()))
    }

    /// Begins to take the form of `request`; `done` answers when it is whole. For an upload that
    /// looks at the request first; [`Router::form`] does the rest.
    ///
    /// # Errors
    /// 415 if it is declared to be something else, 400 if it has no boundary.
    pub fn begin<F>(&self, request: &Request<'_>, done: F) -> Result<FormSink<F>, Error>
    where
        F: FnOnce(Form, &Request<'_>, Response<'_>) -> HandlerResult + 'static,
    {
        FormSink::new(self.clone(), request, done)
    }
}

impl Router {
    /// Takes the forms that requests of `method` bring to the paths of `pattern`, as `forms` says;
    /// `done` answers each. A folder in which no file can be made is an error at start.
    #[must_use]
    pub fn form<F>(mut self, method: Method, pattern: &str, forms: Multipart, done: F) -> Router
    where
        F: FnMut(Form, &Request<'_>, Response<'_>) -> HandlerResult + 'static,
    {
        if let Some(fault) = forms.fault() {
            self.note_fault(fault);
        }
        let (from, done) = (self.routes.len(), Rc::new(RefCell::new(done)));
        let begin = move |request: &Request<'_>| {
            let done = Rc::clone(&done);
            let answer = move |form: Form, request: &Request<'_>, response: Response<'_>| {
                (done.borrow_mut())(form, request, response)
            };
            forms.begin(request, answer)
        };
        self.upload(method, pattern, begin).serving("form", from)
    }
}
