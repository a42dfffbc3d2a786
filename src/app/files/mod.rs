//! The files beneath a directory, found by the paths of requests and kept by each worker.
//! Knows no protocol; what leads out of the directory is refused by the kernel.

mod answer;
mod body;
mod cache;
mod glob;
mod listing;
mod media_type;
mod options;
mod path;
mod served;
mod variants;

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use percent_encoding::percent_decode;

use cache::{Cache, Miss};
use listing::{Listing, Listings};
use options::Options;
use path::file_path;
use served::Loading;
use variants::{Open, Variants};

use super::unique::Unique;
use crate::api::{Error, HandlerResult, RefusedPath, Request, Response};
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
/// a redirection to the path that has one. Refused paths are counted by their reasons.
///
/// What a path leads to, a missing file too, is looked at again once a second: what is put there is
/// served a second later at the latest. Files of up to 16 KiB are kept in memory by each worker;
/// larger ones are sent from where they are (`sendfile(2)`), and read ahead on the threads for
/// blocking work where a disk has to be waited for. One that becomes shorter meanwhile ends that
/// connection.
#[derive(Debug)]
pub struct Files {
    root: Result<Root, String>,
    cache: Cache,
    listings: Listings,
    clock: Clock,
    /// What separates the parts of answers: not to be guessed by who writes the files.
    boundaries: Unique,
    options: Options,
}

/// What a path leads to.
enum Found {
    /// To be asked for with a slash at its end.
    Directory,
    File(Rc<Variants>),
    /// Nothing that is served; counted, if more is wrong than that it is missing.
    Nothing(Option<RefusedPath>),
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
            listings: Listings::default(),
            clock: Clock::new(),
            boundaries: Unique::new(),
            options: Options::default(),
        }
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
        let response = response.fields(&self.options.fields);
        let answered = self.answer_path(raw, request, response);
        answered.map_err(|error| {
            self.with_page(request, error).with_lines(self.options.fields.as_bytes())
        })
    }

    fn answer_path(
        &mut self,
        raw: &[u8],
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let path = match file_path(raw) {
            Ok(path) => path,
            Err(why) => {
                request.refuse_path(why);
                return Err(missing());
            }
        };
        let file = match self.find(&path)? {
            Found::Directory => return redirect(request, response),
            Found::File(file) => file,
            Found::Nothing(why) => {
                if let Some(why) = why {
                    request.refuse_path(why);
                }
                if let Some(listing) = self.listing_of(&path, request)? {
                    return listing.answer(request, response);
                }
                self.find_fallback()?
            }
        };
        answer::answer(file.choose(request), &mut self.boundaries, request, response)
    }

    /// What `path` leads to, looked at within the last second.
    fn find(&mut self, path: &[u8]) -> Result<Found, Error> {
        let now = self.clock.now();
        let kept = match self.cache.get(path, now) {
            Some((file, true)) => return Ok(Found::File(file)),
            kept => kept.map(|(file, _)| file),
        };
        if kept.is_none()
            && let Some(Miss(why)) = self.cache.missed(path, now)
        {
            return Ok(Found::Nothing(why));
        }
        let is_directory = path.is_empty() || path.ends_with(b"/");
        let file_path =
            if is_directory { Cow::Owned([path, INDEX].concat()) } else { Cow::Borrowed(path) };
        let root = self.root.as_ref().map_err(|fault| Error::internal(fault.clone()))?;
        let opened = match root.find(&file_path).map_err(Error::internal)? {
            Opened::File(opened) => opened,
            other => {
                self.cache.forget(path);
                let why = match other {
                    Opened::Directory if !is_directory => return Ok(Found::Directory),
                    Opened::Other => Some(RefusedPath::NotAFile),
                    Opened::Outside => Some(RefusedPath::EscapesRoot),
                    _ => None,
                };
                self.cache.miss(path, Miss(why), now);
                return Ok(Found::Nothing(why));
            }
        };
        let mut open = Open::alone(opened);
        if self.options.is_precompressed {
            open = open.with_siblings(root, &file_path).map_err(Error::internal)?;
        }
        if let Some(file) = kept.filter(|file| file.may_be_kept() && file.are_those_of(&open)) {
            file.look_again();
            self.cache.confirm(path, now);
            return Ok(Found::File(file));
        }
        let loading = Loading {
            path: &file_path,
            coding: Coding::Identity,
            varies: false,
            cache_control: self.options.cache_control(&file_path),
            unix_seconds: self.clock.unix_seconds(),
        };
        let file = Rc::new(Variants::load(open, &loading)?);
        self.cache.keep(path, &file, now);
        Ok(Found::File(file))
    }

    /// What is in the directory `path`, made within the last second, if it is one and listed.
    fn listing_of(&mut self, path: &[u8], request: &Request<'_>) -> Result<Option<Listing>, Error> {
        let is_directory = path.is_empty() || path.ends_with(b"/");
        if !self.options.is_listed || !is_directory {
            return Ok(None);
        }
        let root = self.root.as_ref().map_err(|fault| Error::internal(fault.clone()))?;
        let shown = percent_decode(request.path().as_bytes()).decode_utf8_lossy();
        self.listings.find(root, path, &shown, self.clock.now()).map_err(Error::internal)
    }

    /// What answers where there is no file.
    fn find_fallback(&mut self) -> Result<Rc<Variants>, Error> {
        let path = self.options.fallback.clone().ok_or_else(missing)?;
        match self.find(&path)? {
            Found::File(file) => Ok(file),
            _ => Err(missing()),
        }
    }

    /// An error with the page for it, if there is one.
    #[cold]
    fn with_page(&mut self, request: &Request<'_>, error: Error) -> Error {
        let Some(path) = self.options.error_page(error.status()) else { return error };
        if request.accepts_json() {
            return error;
        }
        match self.find(&path) {
            Ok(Found::File(page)) => match page.plain().as_page() {
                Some(bytes) => error.with_page(bytes),
                None => error,
            },
            _ => error,
        }
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
