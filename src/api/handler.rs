//! The one thing an application is: something that answers requests.

use super::{Error, HandlerResult, Intake, Request, Response, Sink};

/// Answers requests, one at a time, on the worker it was made on.
///
/// Closures `FnMut(&Request<'_>, Response<'_>) -> Result<Responded, Error>` are handlers, and so
/// is a `Router`. A handler owns its state: it needs neither `Send` nor locks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer requests",
    label = "expected a `Router` or a closure `|req, res| res.text(\"…\")`",
    note = "a handler is `FnMut(&Request<'_>, Response<'_>) -> Result<Responded, Error>`; \
            a function that makes a `Response` but does not return what `res.text(…)` or another \
            finishing method gave it is the usual cause"
)]
pub trait Handler {
    /// Answers one request. A panic answers 500 and closes the connection; the worker lives.
    ///
    /// # Errors
    /// Whatever the handler could not do; the error's status is the answer.
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult;

    /// Whether [`Handler::intake`] is to be asked of every request with a body.
    fn has_sinks(&self) -> bool {
        false
    }

    /// Asked before the body of a request is read: if [`Handler::has_sinks`], and if the client
    /// waits for leave to send it (`Expect: 100-continue`).
    ///
    /// # Errors
    /// Answered with the error's status; the body is not read and the connection closes.
    fn intake(&mut self, request: &Request<'_>) -> Result<Intake, Error> {
        let _ = request;
        Ok(Intake::Whole)
    }

    /// Has the sink of [`Handler::intake`], which took the whole body, answer.
    ///
    /// # Errors
    /// As [`Handler::handle`].
    fn finish(
        &mut self,
        sink: Box<dyn Sink>,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        sink.finish(request, response)
    }

    /// Whether a request is to be answered however long it waited: health checks, metrics. Asked
    /// only of requests that an overloaded worker would turn away, before their body is read.
    fn is_vital(&self, request: &Request<'_>) -> bool {
        let _ = request;
        false
    }

    /// Called once before the first request: the last chance to refuse to run.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The templates of its routes, in the order of the numbers that [`Request::note_route`]
    /// takes.
    fn routes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<F> Handler for F
where
    F: FnMut(&Request<'_>, Response<'_>) -> HandlerResult,
{
    fn handle(&mut self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        self(request, response)
    }
}
