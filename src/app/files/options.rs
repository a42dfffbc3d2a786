//! How files are answered besides: rules of caching, a fallback, pages of errors, listings.
//! Knows no requests; what is wrong with an option is kept for the start.

use std::rc::Rc;

use super::Files;
use super::glob::Glob;
use super::path::file_path;
use crate::api::{FieldLines, field_fault};
use crate::limits::GLOB_CHARS_MAX;
use crate::sys::Opened;
use crate::wire::status::Status;

/// Fields that follow from the file and the rules of caching.
const OURS: [&str; 7] = [
    "Accept-Ranges",
    "Cache-Control",
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Last-Modified",
];

/// What [`Files`] was told.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) is_precompressed: bool,
    pub(super) is_listed: bool,
    /// Fields of every answer.
    pub(super) fields: FieldLines,
    /// The path of what answers where no file is.
    pub(super) fallback: Option<Rc<[u8]>>,
    /// The first that means a path says how it is cached.
    cache_control: Vec<(Glob, String)>,
    error_pages: Vec<(Status, Rc<[u8]>)>,
}

impl Options {
    /// The value of `Cache-Control` for what lies at `path`.
    pub(super) fn cache_control(&self, path: &[u8]) -> Option<&str> {
        let path = std::str::from_utf8(path).ok()?;
        let mut rules = self.cache_control.iter();
        rules.find(|(glob, _)| glob.matches(path)).map(|(_, value)| value.as_str())
    }

    /// The path of the page for errors of `status`.
    pub(super) fn error_page(&self, status: Status) -> Option<Rc<[u8]>> {
        let mut pages = self.error_pages.iter();
        pages.find(|(of, _)| *of == status).map(|(_, path)| Rc::clone(path))
    }
}

impl Files {
    /// Answers with what is kept compressed beside a file, `app.js.br`, `app.js.zst` or
    /// `app.js.gz`, where the client takes it by its `Accept-Encoding`. One that is older than
    /// its file is passed over, as it was made of another.
    #[must_use]
    pub fn precompressed(mut self) -> Files {
        self.options.is_precompressed = true;
        self
    }

    /// Answers for a directory without an `index.html` with a list of what lies in it, up to
    /// 2,000 names: as JSON where `Accept` names that, else as a page. Hidden names, names that
    /// no request can ask for, and what is no file and no directory are left out.
    #[must_use]
    pub fn listing(mut self) -> Files {
        self.options.is_listed = true;
        self
    }

    /// Sends `value` as `Cache-Control` with what lies at the paths that `pattern` means. The
    /// first rule that means a path counts; a file that none means has no such field.
    ///
    /// In a pattern `?` is a character, `*` any number of them, both without slashes, and `**` any
    /// number with slashes. One without a slash is of names: `*.css` is every style sheet in any
    /// directory; `/*.css` only those at the top, `assets/**` all beneath that directory.
    #[must_use]
    pub fn cache_control(mut self, pattern: &str, value: &str) -> Files {
        if pattern.is_empty() || pattern.chars().count() > GLOB_CHARS_MAX {
            self.note_fault(format!(
                "the pattern {pattern:?} has not 1 to {GLOB_CHARS_MAX} characters"
            ));
        } else if let Some(fault) = field_fault("Cache-Control", value.as_bytes()) {
            self.note_fault(fault);
        }
        self.options.cache_control.push((Glob::new(pattern), value.to_owned()));
        self
    }

    /// Sends a field with every answer, those of errors and 304 too: `Access-Control-Allow-Origin`
    /// for fonts that other sites use, `X-Content-Type-Options`, `Content-Security-Policy`. What
    /// follows from the file cannot be set: [`Files::cache_control`] says how it is cached.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Files {
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            self.note_fault(format!("`{name}` follows from the file"));
        }
        match std::mem::take(&mut self.options.fields).with(name, value) {
            Ok(fields) => self.options.fields = fields,
            Err(fault) => self.note_fault(fault),
        }
        self
    }

    /// Answers with the file at `path` where there is no file, with its status 200: for programs
    /// of one page that make of paths what they like. Refused paths answer 404 all the same.
    #[must_use]
    pub fn fallback(mut self, path: &str) -> Files {
        self.options.fallback = self.option_path("fallback", path);
        self
    }

    /// Answers errors of `status` with the page at `path`, but for clients that ask for JSON. A
    /// page of more than 64 KiB is not used, nor one that a disk has to be waited for: while it is
    /// read, for up to a second, errors have their plain message.
    #[must_use]
    pub fn error_page(mut self, status: Status, path: &str) -> Files {
        if let Some(path) = self.option_path("error page", path) {
            self.options.error_pages.push((status, path));
        }
        self
    }

    /// The path of a file that has to be there at start.
    fn option_path(&mut self, what: &str, path: &str) -> Option<Rc<[u8]>> {
        let root = self.root.as_ref().ok()?;
        let path = path.trim_start_matches('/');
        let is_file = file_path(path.as_bytes()).is_ok()
            && matches!(root.find(path.as_bytes()), Ok(Opened::File(_)));
        if !is_file {
            self.note_fault(format!("the {what} {path}: there is no such file"));
        }
        is_file.then(|| path.as_bytes().into())
    }

    /// Keeps the first fault for the start.
    fn note_fault(&mut self, fault: String) {
        if self.root.is_ok() {
            self.root = Err(fault);
        }
    }
}
