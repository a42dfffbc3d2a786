//! Hooks in their order, put around handlers and uploads when routes are made.
//! Knows nothing of paths.

use std::cell::RefCell;
use std::rc::Rc;

use super::router::{Action, BoxedUpload};
use crate::api::{
    Encode, Error, Fields, HandlerResult, Hook, Next, Request, RequestParts, Response, Sink, Taken,
};
use crate::wire::status::Status;

/// Hooks. The routes of a group have them in common.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    /// The outermost first.
    all: Vec<Rc<RefCell<dyn Hook>>>,
    /// The innermost of those that decode bodies.
    decoder: Option<Rc<RefCell<dyn Hook>>>,
}

impl Hooks {
    pub(super) fn push(&mut self, hook: Rc<RefCell<dyn Hook>>) {
        if hook.borrow().decodes() {
            self.decoder = Some(Rc::clone(&hook));
        }
        self.all.push(hook);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().map(|hook| hook.borrow().name()).collect()
    }

    /// These, and behind them `inner`.
    pub(super) fn around(&self, inner: &Hooks) -> Hooks {
        let decoder = inner.decoder.as_ref().or(self.decoder.as_ref());
        Hooks { all: [&self.all[..], &inner.all[..]].concat(), decoder: decoder.cloned() }
    }

    /// How many bytes a body may have by the strictest of them.
    pub(super) fn body_bytes_max(&self) -> Option<u64> {
        self.all.iter().filter_map(|hook| hook.borrow().body_bytes_max()).min()
    }

    /// An action behind these hooks: without any, the action itself.
    pub(super) fn wrap(&self, action: Action) -> Action {
        if self.is_empty() {
            return action;
        }
        let hooks = self.clone();
        match action {
            Action::Handle(mut handler) => Action::Handle(Box::new(move |request, response| {
                hooks.answer(request, response, &mut handler)
            })),
            Action::Upload(begin) => Action::Upload(hooks.wrap_upload(begin)),
        }
    }

    fn wrap_upload(self, mut begin: BoxedUpload) -> BoxedUpload {
        Box::new(move |request| {
            let admitted = self.admit(request)?;
            if self.decoder.is_some() && request.is_encoded() {
                let error = self.failed(request, Request::encoded_refusal());
                return Err(error.with_lines(&admitted.lines));
            }
            match begin(request) {
                Ok(sink) => {
                    let left = self.body_bytes_max().unwrap_or(u64::MAX);
                    Ok(Box::new(HookedSink { hooks: self.clone(), admitted, left, sink }))
                }
                Err(error) => Err(self.failed(request, error).with_lines(&admitted.lines)),
            }
        })
    }

    /// Answers by `answer`, unless a hook does.
    pub(super) fn answer(
        &self,
        request: &Request<'_>,
        mut response: Response<'_>,
        answer: impl FnOnce(&Request<'_>, Response<'_>) -> HandlerResult,
    ) -> HandlerResult {
        if let Next::Answer(status) = response.keep(|fields| self.before(request, fields))? {
            return response.given(status);
        }
        let decoded = self.decoder.as_ref().map(|decoder| decoder.borrow_mut().decode(request));
        match decoded.transpose().map_err(|error| self.failed(request, error))?.flatten() {
            None => self.behind(request, response, answer),
            Some(body) => {
                let parts = RequestParts { body: &body, is_decoded: true, ..*request.parts() };
                self.behind(&request.with_parts(&parts), response, answer)
            }
        }
    }

    /// Answers a request that was let on.
    fn behind(
        &self,
        request: &Request<'_>,
        mut response: Response<'_>,
        answer: impl FnOnce(&Request<'_>, Response<'_>) -> HandlerResult,
    ) -> HandlerResult {
        let answered = answer(request, response.lend());
        let responded = answered.map_err(|error| self.failed(request, error))?;
        if response.is_promised() {
            let times = self.all.iter().filter_map(|hook| hook.borrow().later_time_max());
            if let Some(max) = times.min() {
                response.limit_promise(max.min(request.parts().settings.later_time));
            }
        }
        Ok(responded)
    }

    /// Lets a request on whose body is not read.
    pub(super) fn admit(&self, request: &Request<'_>) -> Result<Admitted, Error> {
        let mut lines = Vec::new();
        let mut fields = Fields::new(&mut lines);
        let error = match self.before(request, &mut fields) {
            Ok(Next::Go) => {
                let encode = fields.take_asked().encode;
                return Ok(Admitted { lines, encode });
            }
            Ok(Next::Answer(status)) => Error::new(status, status.reason()),
            Err(error) => error,
        };
        Err(error.with_lines(&lines))
    }

    fn before(&self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        for (index, hook) in self.all.iter().enumerate() {
            let next = hook.borrow_mut().before(request, fields);
            match next.and_then(|next| fields.check().map(|()| next)) {
                Ok(Next::Go) => {}
                Ok(answer) => return Ok(answer),
                Err(error) => return Err(failed(&self.all[..=index], request, error)),
            }
        }
        Ok(Next::Go)
    }

    /// What is answered when what stands behind the hooks failed.
    pub(super) fn failed(&self, request: &Request<'_>, error: Error) -> Error {
        failed(&self.all, request, error)
    }
}

/// The innermost sees an error first.
#[cold]
fn failed(hooks: &[Rc<RefCell<dyn Hook>>], request: &Request<'_>, error: Error) -> Error {
    hooks.iter().rev().fold(error, |error, hook| hook.borrow_mut().failed(request, error))
}

/// What hooks asked for of an answer that is not begun.
pub(super) struct Admitted {
    /// The fields that they set.
    pub(super) lines: Vec<u8>,
    encode: Option<Rc<dyn Encode>>,
}

/// Takes a body that hooks let on.
struct HookedSink {
    hooks: Hooks,
    admitted: Admitted,
    /// Bytes that the body may still have.
    left: u64,
    sink: Box<dyn Sink>,
}

impl Sink for HookedSink {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        if bytes.len() as u64 > self.left {
            let error = Error::new(Status::CONTENT_TOO_LARGE, "the body is larger than allowed");
            return Err(error.with_lines(&self.admitted.lines));
        }
        let taken =
            self.sink.take(bytes).map_err(|error| error.with_lines(&self.admitted.lines))?;
        self.left -= match taken {
            Taken::All => bytes.len() as u64,
            Taken::Part(len) => len as u64,
        };
        Ok(taken)
    }

    fn finish(self: Box<Self>, request: &Request<'_>, mut response: Response<'_>) -> HandlerResult {
        response.keep_lines(&self.admitted.lines, self.admitted.encode.as_ref());
        let sink = self.sink;
        self.hooks.behind(request, response, |request, response| sink.finish(request, response))
    }
}
