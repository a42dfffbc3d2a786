//! Routes requests by method and path to handlers that own their state.
//! Knows nothing of how requests arrive or answers leave.

use std::borrow::Cow;

use super::route_tree::{PatternFault, RouteTree};
use crate::api::{Error, Handler, HandlerResult, Params, Request, Response};
use crate::wire::head::Method;
use crate::wire::status::Status;
use crate::wire::target::normalise_unreserved;

type BoxedHandler = Box<dyn FnMut(&Request<'_>, Response<'_>) -> HandlerResult>;

struct Route {
    method: Method,
    template: String,
    params: Vec<String>,
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
    /// One tree a method, of indices into `routes`.
    trees: [RouteTree; Method::KNOWN.len()],
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
        let index = u16::try_from(self.routes.len())
            .map_err(|_| format!("{name} {pattern}: more than {} routes", u16::MAX))?;
        let inserted = self.trees[method as usize].insert(pattern, index);
        let params = inserted.map_err(|fault| match fault {
            PatternFault::Taken(other) => {
                let other = &self.routes[usize::from(other)].template;
                format!("the routes {name} {other} and {name} {pattern} match the same paths")
            }
            fault => format!("the route {name} {pattern}: {fault}"),
        })?;
        self.routes.push(Route { method, template: pattern.to_owned(), params, handler });
        Ok(())
    }

    /// Methods that `path` has routes for, or any path for `*`, as the value of `Allow`; empty if
    /// there are none.
    fn allowed(&self, path: &[u8]) -> String {
        let has = |method: Method| {
            let tree = &self.trees[method as usize];
            if path == b"*" { !tree.is_empty() } else { tree.find(path).is_some() }
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

    /// Answers what no route matches.
    #[cold]
    fn unmatched(
        &mut self,
        request: &Request<'_>,
        path: &[u8],
        response: Response<'_>,
    ) -> HandlerResult {
        if let Some(fallback) = &mut self.fallback {
            return fallback(request, response);
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
        let path = match request.path_bytes() {
            path if request.path_has_escapes() => normalise_unreserved(path),
            path => Cow::Borrowed(path),
        };
        let method = request.method();
        let mut found = self.trees[method as usize].find(&path);
        if found.is_none() && method == Method::Head {
            found = self.trees[Method::Get as usize].find(&path);
        }
        let Some((index, values)) = found else { return self.unmatched(request, &path, response) };
        request.note_route(index);
        let Route { params, handler, .. } = &mut self.routes[usize::from(index)];
        if values.is_empty() {
            return handler(request, response);
        }
        let names = params.iter().map(String::as_str);
        let params: Params<'_> = names.zip(values).collect();
        handler(&request.with_params(&params), response)
    }

    fn check(&self) -> Result<(), String> {
        self.fault.clone().map_or(Ok(()), Err)
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
