//! What a hook finds out and handlers want to know. Knows nothing of either.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::api::{Error, Request, RequestKey};

/// A place of one worker that a hook puts something into for the request it lets on, and that the
/// handlers behind it read: who asks, or the request's id. Whoever takes no place pays nothing.
///
/// It holds what was given for one request, and gives it to no other: a handler that is asked for
/// a request which the hook has not seen last has an error, never what belongs to somebody else.
/// So an upload reads it when it begins.
///
/// ```
/// use corelane::app::Given;
/// use corelane::{Next, Router};
///
/// let user = Given::new();
/// let reading = user.clone();
/// let router = Router::new()
///     .before("user", move |req, _fields| {
///         user.give(req, req.header("x-user").unwrap_or("nobody").to_owned());
///         Ok(Next::Go)
///     })
///     .get("/", move |req, res| res.text(format!("hello {}", *reading.of(req)?)));
/// ```
pub struct Given<T>(Rc<RefCell<Option<(RequestKey, T)>>>);

impl<T> Given<T> {
    /// An empty place.
    pub fn new() -> Given<T> {
        Given(Rc::new(RefCell::new(None)))
    }

    /// Puts `value` there for `request`, in place of what was there.
    pub fn give(&self, request: &Request<'_>, value: T) {
        // Whoever still reads is no later request: hooks are asked before handlers.
        if let Ok(mut place) = self.0.try_borrow_mut() {
            *place = Some((request.key(), value));
        }
    }

    /// What was given for `request`.
    ///
    /// # Errors
    /// 500 if no hook before this handler gave anything.
    pub fn of(&self, request: &Request<'_>) -> Result<Ref<'_, T>, Error> {
        let given = Ref::filter_map(self.0.borrow(), |place| {
            place.as_ref().filter(|(key, _)| *key == request.key()).map(|(_, value)| value)
        });
        given.map_err(|_| Error::internal("no hook has given anything for this request"))
    }
}

impl<T> Clone for Given<T> {
    fn clone(&self) -> Given<T> {
        Given(Rc::clone(&self.0))
    }
}

impl<T> Default for Given<T> {
    fn default() -> Given<T> {
        Given::new()
    }
}

impl<T> fmt::Debug for Given<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}
