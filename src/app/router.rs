//! Routes requests by method and path to handlers that own their state.
//! Knows nothing of how requests arrive or answers leave.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use super::files::{Files, redirect};
use super::group::Fences;
use super::hooks::Hooks;
use super::route_tree::{PatternFault, Routes, Values};
use crate::api::{Error, Handler, HandlerResult, Intake, Params, Request, Response, Sink};
use crate::wire::head::Method;
use crate::wire::status::Status;
use crate::wire::target::normalise_unreserved;

type BoxedHandler = Box<dyn FnMut(&Request<'_>, Response<'_>) -> HandlerResult>;
/// A fallback, which the groups inside its own have in common.
pub(super) type SharedHandler = Rc<RefCell<BoxedHandler>>;
pub(super) type BoxedUpload = Box<dyn FnMut(&Request<'_>) -> Result<Box<dyn Sink>, Error>>;

/// Who answers the requests of a route.
pub(super) enum Action {
    Handle(BoxedHandler),
    /// A sink of its own for each request takes the body and answers.
    Upload(BoxedUpload),
}

pub(super) struct Route {
    pub(super) method: Method,
    pub(super) template: String,
    params: Vec<String>,
    /// What answers, as an operator reads it.
    pub(super) serves: &'static str,
    /// Behind its hooks.
    pub(super) action: Action,
    /// All of them.
    pub(super) hooks: Hooks,
    /// How many bytes its body may have by its hooks.
    body_bytes_max: Option<u64>,
}

/// Chooses a handler by method and path.
///
/// A pattern is a path whose segments are literal, `{name}` (one segment) or, at the end,
/// `{*name}` (one or more segments). The more specific pattern wins, whatever the order. The
/// path is matched as sent, but for percent escapes of unreserved characters, which mean the
/// same as the characters (RFC 3986 section 6.2.2.2); parameters are decoded when asked for.
///
/// `HEAD` is answered from `GET`, `OPTIONS` with `Allow`, another method than those of a path
/// with 405 and `Allow`, an unknown path with 404. Two patterns that match the same paths are an
/// error at start.
///
/// [`Router::with`] puts a [`crate::api::Hook`] before all routes, [`Router::group`] makes a group
/// of some with a prefix, hooks and a fallback of its own. Hooks become a part of the handlers
/// when routes are given: a route without hooks costs what it did.
#[derive(Default)]
pub struct Router {
    /// One set a method, of indices into `routes`.
    by_method: [Routes; Method::KNOWN.len()],
    pub(super) routes: Vec<Route>,
    pub(super) fallback: Option<SharedHandler>,
    pub(super) fault: Option<String>,
    pub(super) has_uploads: bool,
    /// Patterns of the routes that are vital.
    pub(super) vital: Vec<String>,
    /// Those of this router alone.
    pub(super) hooks: Hooks,
    pub(super) fences: Fences,
}

macro_rules! method_routes {
    ($($name:ident $method:ident;)*) => {
        $(
            #[doc = concat!("[`Router::route`] for [`Method::", stringify!($method), "`].")]
            #[must_use]
            pub fn $name<F>(self, pattern: &str, handler: F) -> Router
            where
                F: FnMut(&Request<'_>, Response<'_>) -> HandlerResult + 'static,
            {
                self.route(Method::$method, pattern, handler)
            }
        )*
    };
}

impl Router {
    /// A router without routes: it answers 404.
    pub fn new() -> Router {
        Router::default()
    }

    method_routes! {
        get Get;
        head Head;
        post Post;
        put Put;
        delete Delete;
        patch Patch;
        options Options;
        query Query;
    }

    /// Answers requests of `method` whose path matches `pattern`. What is wrong with the
    /// pattern is reported when the server starts.
    #[must_use]
    pub fn route<F>(mut self, method: Method, pattern: &str, handler: F) -> Router
    where
        F: FnMut(&Request<'_>, Response<'_>) -> HandlerResult + 'static,
    {
        let action = Action::Handle(Box::new(handler));
        if let Err(fault) = self.insert(method, pattern, action, &Hooks::default()) {
            self.note_fault(fault);
        }
        self
    }

    /// Takes the bodies of requests of `method` whose path matches `pattern` in pieces, as they
    /// arrive: `begin` sees the head and makes the sink, which takes the body and answers. An
    /// error of `begin` is answered without the body being read.
    ///
    /// The setting `upload_bytes_max` bounds such a body, not `body_bytes_max`.
    #[must_use]
    pub fn upload<F, S>(mut self, method: Method, pattern: &str, mut begin: F) -> Router
    where
        F: FnMut(&Request<'_>) -> Result<S, Error> + 'static,
        S: Sink + 'static,
    {
        let boxed: BoxedUpload =
            Box::new(move |request| begin(request).map(|sink| Box::new(sink) as Box<dyn Sink>));
        if let Err(fault) = self.insert(method, pattern, Action::Upload(boxed), &Hooks::default()) {
            self.note_fault(fault);
        }
        self.has_uploads = true;
        self
    }

    /// Answers GET and HEAD for every path beneath `prefix` with a file of `files`. A directory
    /// that cannot be served is an error at start.
    #[must_use]
    pub fn files(mut self, prefix: &str, files: Files) -> Router {
        if let Some(fault) = files.fault() {
            self.fault.get_or_insert_with(|| fault.to_owned());
        }
        let (prefix, from) = (prefix.trim_end_matches('/'), self.routes.len());
        let files = Rc::new(RefCell::new(files));
        let router = if prefix.is_empty() { self } else { self.get(prefix, redirect) };
        let paths = [format!("{prefix}/"), format!("{prefix}/{{*path}}")];
        let router = paths.iter().fold(router, |router, path| {
            let files = Rc::clone(&files);
            router.get(path, move |request, response| {
                let path = request.param_raw("path").unwrap_or_default();
                files.borrow_mut().answer(path, request, response)
            })
        });
        router.serving("files", from)
    }

    /// Has the routes of `pattern`, as they were or will be given, answer even while the worker is
    /// overloaded and turns others away: health checks, so that a busy server is not taken for a
    /// dead one, and metrics. A pattern that no route has is an error at start.
    #[must_use]
    pub fn vital(mut self, pattern: &str) -> Router {
        self.vital.push(pattern.to_owned());
        self
    }

    /// Answers what no route matches, in place of 404 and 405.
    #[must_use]
    pub fn fallback<F>(mut self, handler: F) -> Router
    where
        F: FnMut(&Request<'_>, Response<'_>) -> HandlerResult + 'static,
    {
        self.fallback = Some(Rc::new(RefCell::new(Box::new(handler))));
        self
    }

    /// Says of the routes from number `from` on what answers them.
    pub(super) fn serving(mut self, serves: &'static str, from: usize) -> Router {
        self.routes.iter_mut().skip(from).for_each(|route| route.serves = serves);
        self
    }

    /// Keeps the first fault for the start.
    pub(super) fn note_fault(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// Adds a route whose action stands behind the hooks `inner`, behind those of this router.
    pub(super) fn insert(
        &mut self,
        method: Method,
        pattern: &str,
        action: Action,
        inner: &Hooks,
    ) -> Result<(), String> {
        let name = method.name();
        if matches!(method, Method::Unknown | Method::Connect | Method::Trace) {
            return Err(format!("{pattern}: {method:?} requests never reach a router"));
        }
        let index = u16::try_from(self.routes.len())
            .map_err(|_| format!("{name} {pattern}: more than {} routes", u16::MAX))?;
        let inserted = self.by_method[method as usize].insert(pattern, index);
        let serves = match action {
            Action::Handle(_) => "handler",
            Action::Upload(_) => "upload",
        };
        let params = inserted.map_err(|fault| match fault {
            PatternFault::Taken(other) => {
                let other = &self.routes[usize::from(other)].template;
                format!("the routes {name} {other} and {name} {pattern} match the same paths")
            }
            fault => format!("the route {name} {pattern}: {fault}"),
        })?;
        let (action, hooks) = (self.hooks.wrap(action), self.hooks.around(inner));
        let (template, body_bytes_max) = (pattern.to_owned(), hooks.body_bytes_max());
        let route = Route { method, template, params, serves, action, hooks, body_bytes_max };
        self.routes.push(route);
        Ok(())
    }

    /// Methods that `path` has routes for, or any path for `*`, as the value of `Allow`; empty if
    /// there are none.
    fn allowed(&self, path: &[u8]) -> String {
        let has = |method: Method| {
            let routes = &self.by_method[method as usize];
            let is_found = || routes.find(path, &mut Values::new()).is_some();
            if path == b"*" { !routes.is_empty() } else { is_found() }
        };
        let mut names: Vec<&str> = Vec::new();
        for method in Method::KNOWN {
            let is_derived = match method {
                Method::Head => has(Method::Get),
                Method::Options => !names.is_empty(),
                _ => false,
            };
            if is_derived || has(method) {
                names.push(method.name());
            }
        }
        // A path with only the methods after OPTIONS has OPTIONS all the same.
        if !names.is_empty() && !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        names.join(", ")
    }

    /// What stands around `path` where no route matches it.
    fn around(&self, path: &[u8]) -> (&Hooks, Option<&SharedHandler>) {
        let (hooks, fallback) = self.fences.around(path).unwrap_or((&self.hooks, None));
        (hooks, fallback.or(self.fallback.as_ref()))
    }

    /// Answers what no route matches.
    #[cold]
    fn unmatched(
        &mut self,
        request: &Request<'_>,
        path: &[u8],
        response: Response<'_>,
    ) -> HandlerResult {
        let (hooks, fallback) = self.around(path);
        hooks.answer(request, response, |request, response| {
            if let Some(fallback) = fallback {
                return (fallback.borrow_mut())(request, response);
            }
            if request.method() == Method::Options {
                let allowed = self.allowed(path);
                if !allowed.is_empty() {
                    return response.header("Allow", allowed).empty();
                }
            }
            Err(self.fault_of(path))
        })
    }

    /// Declines a request before its body is read if it is clear that nobody would take it.
    #[cold]
    fn decline_unmatched(&self, request: &Request<'_>, path: &[u8]) -> Result<Intake, Error> {
        let (hooks, fallback) = self.around(path);
        if fallback.is_some() || !request.expects_continue() || request.method() == Method::Options
        {
            return Ok(Intake::Whole);
        }
        let admitted = hooks.admit(request)?;
        Err(hooks.failed(request, self.fault_of(path)).with_lines(&admitted.lines))
    }

    /// What is wrong with a request that no route matches.
    fn fault_of(&self, path: &[u8]) -> Error {
        let allowed = self.allowed(path);
        if allowed.is_empty() {
            return Error::not_found("no route matches the path");
        }
        let message = format!("the path allows {allowed}");
        Error::new(Status::METHOD_NOT_ALLOWED, message).with_header("Allow", allowed)
    }
}

#[inline]
fn act(action: &mut Action, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
    match action {
        Action::Handle(handler) => handler(request, response),
        // Without a body there was nothing to take.
        Action::Upload(begin) => begin(request)?.finish(request, response),
    }
}

/// The route that answers requests like this one; the values of its parameters go into `values`.
#[inline]
fn find<'p>(
    by_method: &[Routes; Method::KNOWN.len()],
    method: Method,
    path: &'p [u8],
    values: &mut Values<'p>,
) -> Option<u16> {
    let found = by_method[method as usize].find(path, values);
    if found.is_none() && method == Method::Head {
        return by_method[Method::Get as usize].find(path, values);
    }
    found
}

/// The parameters of a route with their values.
#[inline]
fn named<'a>(names: &'a [String], values: Values<'a>) -> Params<'a> {
    names.iter().map(String::as_str).zip(values).collect()
}

/// How long a body is declared to be; 0 if it is not said.
fn declared_len(request: &Request<'_>) -> u64 {
    let declared = request.header("content-length");
    declared.and_then(|len| len.parse().ok()).unwrap_or(0)
}

/// The path as routes are matched.
#[inline]
fn path_of<'a>(request: &Request<'a>) -> Cow<'a, [u8]> {
    match request.path_bytes() {
        path if request.path_has_escapes() => normalise_unreserved(path),
        path => Cow::Borrowed(path),
    }
}

impl Handler for Router {
    #[inline]
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        let path = path_of(request);
        let mut values = Values::new();
        let found = find(&self.by_method, request.method(), &path, &mut values);
        let Some(index) = found else {
            return self.unmatched(request, &path, response);
        };
        request.note_route(index);
        let Route { params, action, .. } = &mut self.routes[usize::from(index)];
        if values.is_empty() {
            return act(action, request, response);
        }
        let params = named(params, values);
        act(action, &request.with_params(&params), response)
    }

    fn has_sinks(&self) -> bool {
        self.has_uploads || self.routes.iter().any(|route| route.body_bytes_max.is_some())
    }

    fn intake(&mut self, request: &Request<'_>) -> Result<Intake, Error> {
        let path = path_of(request);
        let mut values = Values::new();
        let found = find(&self.by_method, request.method(), &path, &mut values);
        let Some(index) = found else {
            return self.decline_unmatched(request, &path);
        };
        let route = &mut self.routes[usize::from(index)];
        let Route { params, action, hooks, .. } = route;
        let params = named(params, values);
        let request = request.with_params(&params);
        let Action::Upload(begin) = action else {
            if route.body_bytes_max.is_some_and(|max| declared_len(&request) > max) {
                request.note_route(index);
                hooks.admit(&request)?;
            }
            return Ok(Intake::Whole);
        };
        request.note_route(index);
        begin(&request).map(Intake::Stream)
    }

    fn finish(
        &mut self,
        sink: Box<dyn Sink>,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let path = path_of(request);
        let mut values = Values::new();
        let found = find(&self.by_method, request.method(), &path, &mut values);
        let Some(index) = found else {
            return sink.finish(request, response);
        };
        request.note_route(index);
        let params = named(&self.routes[usize::from(index)].params, values);
        sink.finish(&request.with_params(&params), response)
    }

    fn is_vital(&self, request: &Request<'_>) -> bool {
        let path = path_of(request);
        let found = find(&self.by_method, request.method(), &path, &mut Values::new());
        found.is_some_and(|index| self.vital.contains(&self.routes[usize::from(index)].template))
    }

    fn check(&self) -> Result<(), String> {
        let has_route =
            |pattern: &String| self.routes.iter().any(|route| route.template == *pattern);
        let unknown = self.vital.iter().find(|pattern| !has_route(pattern));
        let unknown = unknown.map(|pattern| format!("vital {pattern}: no route has this pattern"));
        self.fault.clone().or(unknown).map_or(Ok(()), Err)
    }

    fn routes(&self) -> Vec<String> {
        let name = |route: &Route| format!("{} {}", route.method.name(), route.template);
        self.routes.iter().map(name).collect()
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(_: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text("")
    }

    #[test]
    fn two_patterns_for_the_same_paths_are_a_fault_that_names_both() {
        let router = Router::new().get("/a/{x}", answering).get("/a/{y}", answering);
        let fault = router.check().unwrap_err();
        assert!(fault.contains("/a/{x}") && fault.contains("/a/{y}"), "{fault}");
        let router = Router::new().get("/a", answering).get("/a", answering);
        assert!(router.check().is_err());
        let router = Router::new().get("/a/{x}", answering).post("/a/{y}", answering);
        assert_eq!(router.check(), Ok(()), "another method has another tree");
    }

    #[test]
    fn a_pattern_that_cannot_match_is_a_fault() {
        let fault = Router::new().get("/{*a}/b", answering).check().unwrap_err();
        assert_eq!(fault, "the route GET /{*a}/b: {*name} stands only at the end");
        assert!(Router::new().route(Method::Connect, "/", answering).check().is_err());
    }

    #[test]
    fn a_vital_pattern_without_a_route_is_a_fault() {
        let router = Router::new().vital("/health").get("/health", answering);
        assert_eq!(router.check(), Ok(()), "whatever the order");
        let fault = router.vital("/healtz").check().unwrap_err();
        assert_eq!(fault, "vital /healtz: no route has this pattern");
    }

    #[test]
    fn the_routes_are_named_in_the_order_of_their_numbers() {
        let router = Router::new().get("/", answering).post("/{a}", answering);
        assert_eq!(router.routes(), ["GET /", "POST /{a}"]);
    }

    #[test]
    fn allow_names_what_a_path_answers() {
        let router = Router::new().get("/a", answering).put("/{x}", answering);
        assert_eq!(router.allowed(b"/a"), "GET, HEAD, PUT, OPTIONS");
        assert_eq!(router.allowed(b"/b"), "PUT, OPTIONS");
        assert_eq!(router.allowed(b"*"), "GET, HEAD, PUT, OPTIONS");
        let router = Router::new().patch("/a", answering);
        assert_eq!(router.allowed(b"/a"), "PATCH, OPTIONS");
        assert_eq!(router.allowed(b"/b"), "");
    }
}
