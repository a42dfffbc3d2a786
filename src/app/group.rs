//! Groups of routes: a prefix, hooks and a fallback of their own.
//! Knows nothing of what the hooks do.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::hooks::Hooks;
use super::route_tree::{Routes, Values};
use super::router::{Route, Router, SharedHandler};
use crate::api::{Error, Fields, Hook, Named, Next, Request};
use crate::wire::head::Method;

/// The groups that have something to say where no route matches, by their prefixes.
#[derive(Default)]
pub(super) struct Fences {
    /// Of indices into `fences`.
    by_path: Routes,
    fences: Vec<Fence>,
}

struct Fence {
    prefix: String,
    /// All of them, those of the groups around this one too.
    hooks: Hooks,
    fallback: Option<SharedHandler>,
}

impl Fences {
    /// The hooks and the fallback of the innermost group that `path` lies in.
    pub(super) fn around(&self, path: &[u8]) -> Option<(&Hooks, Option<&SharedHandler>)> {
        let index = self.by_path.find(path, &mut Values::new())?;
        let fence = &self.fences[usize::from(index)];
        Some((&fence.hooks, fence.fallback.as_ref()))
    }

    fn insert(&mut self, fence: Fence) -> Result<(), String> {
        let prefix = &fence.prefix;
        let index = u16::try_from(self.fences.len())
            .map_err(|_| format!("the group {prefix}: more than {} groups", u16::MAX))?;
        for path in [prefix.clone(), format!("{prefix}/"), format!("{prefix}/{{*-}}")] {
            let inserted = self.by_path.insert(&path, index);
            inserted.map_err(|fault| format!("the group {prefix}: {fault}"))?;
        }
        self.fences.push(fence);
        Ok(())
    }
}

/// A route as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLine {
    /// Its method.
    pub method: Method,
    /// Its pattern.
    pub pattern: String,
    /// What answers: a handler, an upload, files, something prepared, or what a configuration says.
    pub serves: String,
    /// The names of its hooks, in the order in which they are asked.
    pub hooks: Vec<String>,
}

impl fmt::Display for RouteLine {
    /// Method, pattern, what answers and the hooks, with tabs between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hooks = if self.hooks.is_empty() { "-".to_owned() } else { self.hooks.join(", ") };
        let RouteLine { method, pattern, serves, .. } = self;
        write!(f, "{}\t{pattern}\t{serves}\t{hooks}", method.name())
    }
}

impl Router {
    /// Puts `hook` before the routes that follow, behind the hooks that were put before, and
    /// before what answers where no route matches. Hooks come first: one behind a route of the
    /// same router is an error at start, so that none is left open by its place.
    #[must_use]
    pub fn with(self, hook: impl Hook + 'static) -> Router {
        self.with_shared(Rc::new(RefCell::new(hook)))
    }

    /// [`Router::with`] for a hook that other routers have too.
    #[must_use]
    pub(super) fn with_shared(mut self, hook: Rc<RefCell<dyn Hook>>) -> Router {
        if !self.routes.is_empty() || self.fallback.is_some() {
            let name = hook.borrow().name();
            self.note_fault(format!("the hook {name} stands behind a route: hooks come first"));
        }
        self.hooks.push(hook);
        self
    }

    /// [`Router::with`] for a closure, which operators know as `name`.
    #[must_use]
    pub fn before<F>(self, name: &str, before: F) -> Router
    where
        F: FnMut(&Request<'_>, &mut Fields<'_>) -> Result<Next, Error> + 'static,
    {
        self.with(Named { name: name.to_owned(), before })
    }

    /// Adds the routes that `build` adds to an empty router; see [`Router::nest`].
    #[must_use]
    pub fn group(self, prefix: &str, build: impl FnOnce(Router) -> Router) -> Router {
        self.nest(prefix, build(Router::new()))
    }

    /// Adds the routes of `inner`, each behind `prefix`; its `/` is the prefix itself. Its hooks
    /// stand behind those of this router. Where no route matches below the prefix, its hooks
    /// are asked, and its fallback answers, or that of the group around it. The prefix `/` is
    /// none: hooks for some routes alone.
    #[must_use]
    pub fn nest(mut self, prefix: &str, inner: Router) -> Router {
        if let Err(fault) = self.adopt(prefix, inner) {
            self.note_fault(fault);
        }
        self
    }

    fn adopt(&mut self, prefix: &str, inner: Router) -> Result<(), String> {
        let group = prefix;
        let prefix = if prefix == "/" { "" } else { prefix };
        if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.ends_with('/')) {
            return Err(format!("the group {group}: it begins with `/` and does not end with it"));
        }
        if prefix.is_empty() && inner.fallback.is_some() {
            return Err(format!("the group {group}: without a prefix it has no fallback"));
        }
        inner.fault.map_or(Ok(()), Err)?;
        self.has_uploads |= inner.has_uploads;
        for Route { method, template, serves, action, hooks, .. } in inner.routes {
            self.insert(method, &joined(prefix, &template), action, &hooks)?;
            self.routes.last_mut().into_iter().for_each(|route| route.serves = serves);
        }
        self.vital.extend(inner.vital.iter().map(|pattern| joined(prefix, pattern)));
        for fence in inner.fences.fences {
            self.fences.insert(Fence {
                prefix: joined(prefix, &fence.prefix),
                hooks: self.hooks.around(&fence.hooks),
                fallback: fence.fallback.or_else(|| inner.fallback.clone()),
            })?;
        }
        if prefix.is_empty() || (inner.hooks.is_empty() && inner.fallback.is_none()) {
            return Ok(());
        }
        self.fences.insert(Fence {
            prefix: prefix.to_owned(),
            hooks: self.hooks.around(&inner.hooks),
            fallback: inner.fallback,
        })
    }

    /// Its routes with their hooks, in the order in which they were given.
    pub fn lines(&self) -> Vec<RouteLine> {
        let line = |route: &Route| RouteLine {
            method: route.method,
            pattern: route.template.clone(),
            serves: route.serves.to_owned(),
            hooks: route.hooks.names(),
        };
        self.routes.iter().map(line).collect()
    }
}

/// A pattern of a group as a whole.
fn joined(prefix: &str, pattern: &str) -> String {
    if pattern == "/" && !prefix.is_empty() {
        return prefix.to_owned();
    }
    format!("{prefix}{pattern}")
}
