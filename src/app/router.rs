//! Routes requests by method and path to handlers that own their state.
//! Knows nothing of how requests arrive or answers leave.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::api::{Error, Handler, HandlerResult, Params, Request, Response};
use crate::limits::ROUTE_PARAMS_MAX;
use crate::wire::head::Method;
use crate::wire::status::Status;
use crate::wire::target::normalise_unreserved;

type BoxedHandler = Box<dyn FnMut(&Request<'_>, Response<'_>) -> HandlerResult>;

/// Routes without parameters by their path, before any tree is asked.
type ExactRoutes = HashMap<Box<[u8]>, u16, BuildHasherDefault<PathHasher>>;

/// Multiplies and folds words of eight bytes. The keys are the operator's, so nobody can choose
/// them to collide.
#[derive(Default)]
struct PathHasher(u64);

impl Hasher for PathHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let rest = words.remainder().iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
        self.write_u64(rest);
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    #[inline]
    fn write_usize(&mut self, length: usize) {
        self.0 = length as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Route {
    method: Method,
    template: String,
    handler: BoxedHandler,
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
#[derive(Default)]
pub struct Router {
    exact: [ExactRoutes; Method::KNOWN.len()],
    /// One tree a method, of indices into `routes`.
    trees: [matchit::Router<u16>; Method::KNOWN.len()],
    routes: Vec<Route>,
    fallback: Option<BoxedHandler>,
    fault: Option<String>,
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
        if let Err(fault) = self.insert(method, pattern, Box::new(handler)) {
            self.fault.get_or_insert(fault);
        }
        self
    }

    /// Answers what no route matches, in place of 404 and 405.
    #[must_use]
    pub fn fallback<F>(mut self, handler: F) -> Router
    where
        F: FnMut(&Request<'_>, Response<'_>) -> HandlerResult + 'static,
    {
        self.fallback = Some(Box::new(handler));
        self
    }

    fn insert(
        &mut self,
        method: Method,
        pattern: &str,
        handler: BoxedHandler,
    ) -> Result<(), String> {
        let name = method.name();
        if matches!(method, Method::Unknown | Method::Connect | Method::Trace) {
            return Err(format!("{pattern}: {method:?} requests never reach a router"));
        }
        if !pattern.starts_with('/') {
            return Err(format!("{name} {pattern}: a pattern begins with `/`"));
        }
        if pattern.matches('{').count() > ROUTE_PARAMS_MAX {
            return Err(format!("{name} {pattern}: more than {ROUTE_PARAMS_MAX} parameters"));
        }
        let index = u16::try_from(self.routes.len())
            .map_err(|_| format!("{name} {pattern}: more than {} routes", u16::MAX))?;
        self.trees[method as usize].insert(pattern, index).map_err(|error| match error {
            matchit::InsertError::Conflict { with } => {
                format!("the routes {name} {pattern} and {name} {with} match the same paths")
            }
            other => format!("{name} {pattern}: {other}"),
        })?;
        if !pattern.contains(['{', '}']) {
            self.exact[method as usize].insert(pattern.as_bytes().into(), index);
        }
        self.routes.push(Route { method, template: pattern.to_owned(), handler });
        Ok(())
    }

    /// Methods that `path` has routes for, as the value of `Allow`; empty if it has none.
    fn allowed(&self, path: &str) -> String {
        let has = |method: Method| self.trees[method as usize].at(path).is_ok();
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

    fn handle_by_tree(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        let path = match request.path() {
            path if request.path_has_escapes() => normalised(path),
            path => Cow::Borrowed(path),
        };
        let method = request.method();
        let mut found = self.trees[method as usize].at(&path);
        if found.is_err() && method == Method::Head {
            found = self.trees[Method::Get as usize].at(&path);
        }
        let Ok(found) = found else { return self.unmatched(request, &path, response) };
        let index = *found.value;
        request.note_route(index);
        let handler = &mut self.routes[usize::from(index)].handler;
        let params: Params<'_> = found.params.iter().collect();
        handler(&request.with_params(&params), response)
    }

    /// Answers what no route matches.
    #[cold]
    fn unmatched(
        &mut self,
        request: &Request<'_>,
        path: &str,
        response: Response<'_>,
    ) -> HandlerResult {
        if let Some(fallback) = &mut self.fallback {
            return fallback(request, response);
        }
        if path == "*" {
            let all = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, QUERY";
            return response.header("Allow", all).empty();
        }
        let allowed = self.allowed(path);
        if allowed.is_empty() {
            return Err(Error::not_found("no route matches the path"));
        }
        if request.method() == Method::Options {
            return response.header("Allow", allowed).empty();
        }
        let message = format!("the path allows {allowed}");
        Err(Error::new(Status::METHOD_NOT_ALLOWED, message).with_header("Allow", allowed))
    }
}

impl Handler for Router {
    #[inline]
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        // A path without parameters is the more specific one, so the trees would agree.
        match self.exact[request.method() as usize].get(request.path_bytes()) {
            Some(index) => {
                request.note_route(*index);
                (self.routes[usize::from(*index)].handler)(request, response)
            }
            None => self.handle_by_tree(request, response),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn routes(&self) -> Vec<String> {
        let name = |route: &Route| format!("{} {}", route.method.name(), route.template);
        self.routes.iter().map(name).collect()
    }
}

/// The path with the escapes of unreserved characters decoded; ASCII stays ASCII.
fn normalised(path: &str) -> Cow<'_, str> {
    match normalise_unreserved(path.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(path),
        Cow::Owned(bytes) => String::from_utf8(bytes).map_or(Cow::Borrowed(path), Cow::Owned),
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
        let nine = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}";
        for pattern in ["", "a", "/{", "/{a}{b}", "/{*a}/b", nine] {
            assert!(Router::new().get(pattern, answering).check().is_err(), "{pattern}");
        }
        assert!(Router::new().route(Method::Connect, "/", answering).check().is_err());
    }

    #[test]
    fn the_routes_are_named_in_the_order_of_their_numbers() {
        let router = Router::new().get("/", answering).post("/{a}", answering);
        assert_eq!(router.routes(), ["GET /", "POST /{a}"]);
    }

    #[test]
    fn allow_names_what_a_path_answers() {
        let router = Router::new().get("/a", answering).put("/{x}", answering);
        assert_eq!(router.allowed("/a"), "GET, HEAD, PUT, OPTIONS");
        assert_eq!(router.allowed("/b"), "PUT, OPTIONS");
        let router = Router::new().patch("/a", answering);
        assert_eq!(router.allowed("/a"), "PATCH, OPTIONS");
        assert_eq!(router.allowed("/b"), "");
    }
}
