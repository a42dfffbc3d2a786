//! An application made of data: routes with fixed answers, redirections, echoes, health checks.
//! Knows nothing of where the data was read.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::compression::Compression;
use super::compression::encoder::CODINGS;
use super::files::Files;
use super::welcome::{echo, welcome};
use super::{RouteLine, Router};
use crate::api::{Board, Handler, HandlerResult, Response, WorkerInfo, field_fault};
use crate::clock::Clock;
use crate::limits::INLINE_BODY_BYTES_MAX;
use crate::wire::head::Method;
use crate::wire::status::Status;

/// What the program serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Application {
    /// The built-in demonstration, [`welcome`].
    Demo,
    /// These routes; everything else is answered 404 or 405.
    Routes(Vec<RouteSpec>),
}

/// Which requests, and what they are answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// The method.
    pub method: Method,
    /// The pattern of the path, as [`Router`] takes it.
    pub path: String,
    /// The answer.
    pub answer: Answer,
    /// Whether its answers are compressed; `None`: as those of the whole application.
    pub compress: Option<bool>,
}

/// What a route answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request's body, with the type it came with.
    Echo,
    /// The files beneath a directory, at every path beneath the route's.
    Files(FilesSpec),
    /// Always the same.
    Fixed(Fixed),
    /// `200 OK`, even while the worker is overloaded.
    Health,
    /// Another place, with this status.
    Redirect(Status, String),
}

/// The files of a directory, and how they are answered, as [`Files`] has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesSpec {
    /// Where they are.
    pub directory: PathBuf,
    /// Patterns of paths, and how what they mean is cached.
    pub cache_control: Vec<(String, String)>,
    /// Pages for errors by their status.
    pub error_pages: Vec<(Status, String)>,
    /// Fields of every answer.
    pub fields: Vec<(String, String)>,
    /// What answers where there is no file.
    pub fallback: Option<String>,
    /// Whether directories without an index are listed.
    pub listing: bool,
    /// Whether compressed siblings answer for files.
    pub precompressed: bool,
}

impl FilesSpec {
    /// The files of a directory, and nothing more.
    pub fn at(directory: impl Into<PathBuf>) -> FilesSpec {
        FilesSpec { directory: directory.into(), ..FilesSpec::default() }
    }

    fn files(&self) -> Files {
        let mut files = Files::at(&self.directory);
        if self.precompressed {
            files = files.precompressed();
        }
        if self.listing {
            files = files.listing();
        }
        if let Some(path) = &self.fallback {
            files = files.fallback(path);
        }
        for (pattern, value) in &self.cache_control {
            files = files.cache_control(pattern, value);
        }
        for (name, value) in &self.fields {
            files = files.header(name, value);
        }
        for (status, path) in &self.error_pages {
            files = files.error_page(*status, path);
        }
        files
    }
}

/// An answer that is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Its status.
    pub status: Status,
    /// Its fields; without a `Content-Type`, a body is plain text or bytes.
    pub fields: Vec<(String, String)>,
    /// Its body, if it has one.
    pub body: Option<Arc<[u8]>>,
    /// Whether the body is text.
    pub is_text: bool,
}

impl Answer {
    /// Why it could not be sent, if it could not.
    fn fault(&self) -> Option<String> {
        let fixed = match self {
            Answer::Echo | Answer::Files(_) | Answer::Health => return None,
            Answer::Redirect(_, location) => return field_fault("Location", location.as_bytes()),
            Answer::Fixed(fixed) => fixed,
        };
        let faults = |(name, value): &(String, String)| field_fault(name, value.as_bytes());
        if fixed.status.is_bodiless() && fixed.body.is_some() {
            return Some(format!("an answer {} has no body", fixed.status));
        }
        fixed.fields.iter().find_map(faults)
    }
}

/// Whether this program can compress at all.
pub fn can_compress() -> bool {
    !CODINGS.is_empty()
}

/// Checks routes that are to be served.
///
/// # Errors
/// The index of the first that cannot be, and why.
pub fn check(routes: &[RouteSpec]) -> Result<(), (usize, String)> {
    let mut built = Router::new();
    for (index, route) in routes.iter().enumerate() {
        built = match &route.answer {
            Answer::Files(files) => built.files(&route.path, files.files()),
            _ => built.route(route.method, &route.path, |_, response| response.empty()),
        };
        built.check().map_err(|fault| (index, fault))?;
        if let Some(fault) = route.answer.fault() {
            return Err((
                index,
                format!("the route {} {}: {fault}", route.method.name(), route.path),
            ));
        }
    }
    Ok(())
}

/// What makes the application on each worker; `compress`: answers of its routes are compressed
/// unless the route says otherwise.
pub fn factory(
    application: Application,
    compress: bool,
) -> impl Fn(&WorkerInfo) -> Router + Send + Sync {
    move |worker| match &application {
        Application::Demo => demonstration(worker, compress),
        Application::Routes(routes) => {
            let compression = Shared::default();
            let add = |router, spec| with_route(router, spec, compress, &compression);
            routes.iter().fold(Router::new(), add)
        }
    }
}

fn demonstration(worker: &WorkerInfo, compress: bool) -> Router {
    if !compress {
        return welcome(worker);
    }
    Router::new().with(Compression::new()).nest("/", welcome(worker))
}

/// The routes of `application`, and what answers each.
pub fn lines(application: &Application, compress: bool) -> Vec<RouteLine> {
    let Application::Routes(specs) = application else {
        let board = Arc::new(Board::new(Clock::new(), 1));
        return demonstration(&WorkerInfo::new(0, board), compress).lines();
    };
    let (mut router, mut lines) = (Router::new(), Vec::new());
    let compression = Shared::default();
    for spec in specs {
        router = with_route(router, spec, compress, &compression);
        let serves = spec.answer.to_string();
        let new = router.lines().into_iter().skip(lines.len());
        lines.extend(new.map(|line| RouteLine { serves: serves.clone(), ..line }));
    }
    lines
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Echo => f.write_str("echo"),
            Answer::Files(files) => write!(f, "files {}", files.directory.display()),
            Answer::Fixed(Fixed { status, body, .. }) => {
                write!(f, "{} {} bytes", status.code(), body.as_ref().map_or(0, |body| body.len()))
            }
            Answer::Health => f.write_str("health"),
            Answer::Redirect(status, location) => write!(f, "{} {location}", status.code()),
        }
    }
}

/// One for all routes: what encoders keep is as large as what they have read.
type Shared = Rc<RefCell<Compression>>;

/// Adds a route, behind `compression` if its answers are compressed.
fn with_route(router: Router, spec: &RouteSpec, compress: bool, compression: &Shared) -> Router {
    if !spec.compress.unwrap_or(compress) {
        return with_plain_route(router, spec);
    }
    let group = Router::new().with_shared(Rc::clone(compression) as _);
    router.nest("/", with_plain_route(group, spec))
}

fn with_plain_route(router: Router, spec: &RouteSpec) -> Router {
    let RouteSpec { method, path, answer, .. } = spec;
    match answer {
        Answer::Echo => router.route(*method, path, echo),
        Answer::Files(files) => router.files(path, files.files()),
        Answer::Fixed(fixed) => {
            let fixed = fixed.of_a_worker();
            router.route(*method, path, move |_, response| fixed.send(response))
        }
        Answer::Health => {
            let router = router.route(*method, path, |_, response| {
                response.header("Cache-Control", "no-store").text("ok")
            });
            router.vital(path)
        }
        Answer::Redirect(status, location) => {
            let (status, location) = (*status, location.clone());
            router.route(*method, path, move |_, response| {
                response.status(status).redirect(&location)
            })
        }
    }
}

impl Fixed {
    /// With a body of the worker's own: the count of one that all share would be shared too.
    fn of_a_worker(&self) -> Fixed {
        Fixed { body: self.body.as_deref().map(Arc::from), ..self.clone() }
    }

    fn send(&self, response: Response<'_>) -> HandlerResult {
        let mut response = response.status(self.status);
        for (name, value) in &self.fields {
            response = response.header(name, value);
        }
        match &self.body {
            // `empty` would make another status of it.
            None if self.status == Status::OK => response.text(""),
            None => response.empty(),
            // What is copied anyway is not counted.
            Some(body) if body.len() <= INLINE_BODY_BYTES_MAX => {
                if self.is_text {
                    response.text(&body[..])
                } else {
                    response.bytes(&body[..])
                }
            }
            Some(body) if self.is_text => response.text(Arc::clone(body)),
            Some(body) => response.bytes(Arc::clone(body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(path: &str, fields: &[(&str, &str)]) -> RouteSpec {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let fixed = Fixed {
            status: Status::OK,
            fields: fields.collect(),
            body: Some(b"text".as_slice().into()),
            is_text: true,
        };
        RouteSpec {
            method: Method::Get,
            path: path.into(),
            answer: Answer::Fixed(fixed),
            compress: None,
        }
    }

    #[test]
    fn the_first_route_that_cannot_be_is_found() {
        let fault = |routes: &[RouteSpec]| check(routes).unwrap_err();
        assert_eq!(check(&[fixed("/", &[("X-A", "1")]), fixed("/a", &[])]), Ok(()));
        let twice = [fixed("/{a}", &[]), fixed("/b", &[]), fixed("/{c}", &[])];
        let (index, reason) = fault(&twice);
        assert!(index == 2 && reason.contains("/{a}") && reason.contains("/{c}"), "{reason}");
        for (name, value) in [("Content-Length", "1"), ("X-A", "a\r\nb"), ("a b", "1")] {
            assert_eq!(fault(&[fixed("/", &[]), fixed("/x", &[(name, value)])]).0, 1);
        }
        let mut bodied = fixed("/", &[]);
        let Answer::Fixed(answer) = &mut bodied.answer else { panic!("it is fixed") };
        answer.status = Status::NOT_MODIFIED;
        assert!(fault(&[bodied]).1.contains("304"));
    }
}
