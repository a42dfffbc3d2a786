//! The files beneath a directory: conditional requests, parts, and a cache of each worker's own.
//! Knows no protocol; what leads out of the directory is refused by the kernel.

mod answer;
mod body;
mod cache;
mod media_type;
mod path;
mod served;
mod variants;

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use cache::Cache;
use path::file_path;
use served::Loading;
use variants::{Open, Variants};

use super::unique::Unique;
use crate::api::{Error, HandlerResult, Request, Response};
use crate::clock::Clock;
use crate::sys::{Opened, Root};
use crate::wire::accept_encoding::Coding;
use crate::wire::status::Status;

/// What a directory is answered with.
const INDEX: &[u8] = b"index.html";

/// The files beneath a directory, for [`crate::Router::files`].
///
/// A path is decoded once. `..`, hidden names (but `.well-known`), escaped slashes, backslashes
/// and NULs, links that lead out, devices and pipes answer the same 404 as a file that is missing.
/// A directory is answered with its `index.html`, and without a slash at the end of its path with
/// a redirection to the path that has one.
///
/// Files of up to 64 KiB are kept in memory by each worker and looked at again once a second;
/// larger ones are read while they are sent. One that becomes shorter meanwhile ends that
/// connection.
#[derive(Debug)]
pub struct Files {
    root: Result<Root, String>,
    cache: Cache,
    clock: Clock,
    /// What separates the parts of answers: not to be guessed by who writes the files.
    boundaries: Unique,
    is_precompressed: bool,
}

/// What a path leads to.
enum Found {
    Directory,
    File(Rc<Variants>),
}

impl Files {
    /// The files beneath `directory`. What is wrong with it is reported when the server starts.
    pub fn at(directory: impl AsRef<Path>) -> Files {
        let directory = directory.as_ref();
        let root = Root::open(directory)
            .map_err(|error| format!("cannot serve the files of {}: {error}", directory.display()));
        Files {
            root,
            cache: Cache::default(),
            clock: Clock::new(),
            boundaries: Unique::new(),
            is_precompressed: false,
        }
    }

    /// Answers with what is kept compressed beside a file, `app.js.br`, `app.js.zst` or
    /// `app.js.gz`, where the client takes it by its `Accept-Encoding`. One that is older than
    /// its file is passed over, as it was made of another.
    #[must_use]
    pub fn precompressed(mut self) -> Files {
        self.is_precompressed = true;
        self
    }

    /// Why they cannot be served, if they cannot.
    pub fn fault(&self) -> Option<&str> {
        self.root.as_ref().err().map(String::as_str)
    }

    /// Answers a GET or HEAD for the file that is `raw`, as sent, beneath the directory.
    pub(super) fn answer(
        &mut self,
        raw: &[u8],
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let path = file_path(raw).ok_or_else(missing)?;
        match self.find(&path)? {
            Found::Directory => redirect(request, response),
            Found::File(file) => {
                answer::answer(file.choose(request), &mut self.boundaries, request, response)
            }
        }
    }

    /// What `path` leads to, looked at within the last second.
    fn find(&mut self, path: &[u8]) -> Result<Found, Error> {
        let now = self.clock.now();
        let kept = match self.cache.get(path, now) {
            Some((file, true)) => return Ok(Found::File(file)),
            kept => kept.map(|(file, _)| file),
        };
        let is_directory = path.is_empty() || path.ends_with(b"/");
        let file_path =
            if is_directory { Cow::Owned([path, INDEX].concat()) } else { Cow::Borrowed(path) };
        let root = self.root.as_ref().map_err(|fault| Error::internal(fault.clone()))?;
        let opened = root.find(&file_path).map_err(Error::internal)?;
        let Opened::File(opened) = opened else {
            self.cache.forget(path);
            let is_found = matches!(opened, Opened::Directory) && !is_directory;
            return if is_found { Ok(Found::Directory) } else { Err(missing()) };
        };
        let mut open = Open::alone(opened);
        if self.is_precompressed {
            open = open.with_siblings(root, &file_path).map_err(Error::internal)?;
        }
        if let Some(file) = kept.filter(|file| file.are_those_of(&open)) {
            self.cache.confirm(path, now);
            return Ok(Found::File(file));
        }
        let unix_seconds = self.clock.unix_seconds();
        let coding = Coding::Identity;
        let loading = Loading { path: &file_path, coding, varies: false, unix_seconds };
        let file = Rc::new(Variants::load(open, &loading)?);
        self.cache.keep(path, &file, now);
        Ok(Found::File(file))
    }
}

/// The same for all that is not served, so that nothing is learned of what lies outside.
fn missing() -> Error {
    Error::not_found("no file has this path")
}

/// To the path of a directory that ends with a slash, so that relative links work.
pub(super) fn redirect(request: &Request<'_>, response: Response<'_>) -> HandlerResult {
    let (path, query) = (request.path(), request.query_string());
    let mark = if query.is_empty() { "" } else { "?" };
    response.status(Status::MOVED_PERMANENTLY).redirect(&format!("{path}/{mark}{query}"))
}
