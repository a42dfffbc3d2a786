//! What stands before handlers: it lets a request on, answers or refuses it, and sets fields of
//! the answer. Knows nothing of routes.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::afterwards::Afterwards;
use super::{Encode, Error, Given, Keep, Request, field_fault};
use crate::wire::encode;
use crate::wire::status::Status;

/// Stands before the handlers of a router or of a group of its routes, and before what answers
/// where none of them matches. It belongs to one worker, so it may own state.
///
/// Answers are written straight to where they are sent from, so a hook sets its fields before
/// the answer is known. They stay whatever comes: an answer, an error, a panic, an answer that was
/// promised or streamed. What failed it sees afterwards, and may change; what succeeded it does
/// not see again. A failure of what was promised, and a panic, it does not see either.
pub trait Hook {
    /// What an operator calls it, with what it was set to.
    fn name(&self) -> String;

    /// A request came. Where a [`super::Sink`] takes the body, nothing of it was read.
    ///
    /// # Errors
    /// Answers the request in place of all that stands behind this hook.
    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error>;

    /// This hook, or what stands behind it, failed: what is answered.
    fn failed(&mut self, request: &Request<'_>, error: Error) -> Error {
        let _ = request;
        error
    }

    /// How many bytes a body may have. [`Hook::before`] is asked without the body if its length
    /// is declared to be more, and refuses it.
    fn body_bytes_max(&self) -> Option<u64> {
        None
    }

    /// How long an answer that is promised may take.
    fn later_time_max(&self) -> Option<Duration> {
        None
    }

    /// Whether [`Hook::decode`] is to be asked. A [`super::Sink`] then gets no encoded body: 415.
    fn decodes(&self) -> bool {
        false
    }

    /// The body to be handled in place of the one that came, whole.
    ///
    /// # Errors
    /// As [`Hook::before`].
    fn decode(&mut self, request: &Request<'_>) -> Result<Option<Vec<u8>>, Error> {
        let _ = request;
        Ok(None)
    }
}

/// Where a request goes from a [`Hook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// On.
    Go,
    /// No further: it is answered with this status and the fields set so far, and without a body
    /// unless [`Fields::give`] gave one.
    Answer(Status),
}

/// Fields that hooks set, as lines.
#[derive(Debug)]
pub struct Fields<'a> {
    lines: &'a mut Vec<u8>,
    fault: Option<String>,
    asked: Afterwards,
}

impl<'a> Fields<'a> {
    /// Fields that are written to the end of `lines`.
    pub fn new(lines: &'a mut Vec<u8>) -> Fields<'a> {
        Fields { lines, fault: None, asked: Afterwards::default() }
    }

    /// Adds a field to the answer, whatever it will be. One that the handler sets too stands
    /// twice. What [`super::Response::header`] would refuse, and `Content-Type`, which an error
    /// has of its own, answers 500.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        let fault = match field_fault(name, value) {
            None if name.eq_ignore_ascii_case("content-type") => {
                Some("`Content-Type` is the answer's, not a hook's".to_owned())
            }
            fault => fault,
        };
        match fault {
            None => encode::field(self.lines, name.as_bytes(), value),
            fault => self.fault = fault,
        }
    }

    /// Has the body of the answer encoded; of several who encode, the last does.
    pub fn encode_with(&mut self, encode: Rc<dyn Encode>) {
        self.asked.encode = Some(encode);
    }

    /// The client named a weak tag: if it has what would be answered, it has it encoded.
    pub(crate) fn note_weak_tag(&mut self) {
        self.asked.knows_weak_tag = true;
    }

    /// Shows the answer to `keep` once it is made, if it is made at once or promised, and is not
    /// streamed. It is seen as it is behind this hook, without the fields of those before.
    pub fn keep_with(&mut self, keep: Rc<dyn Keep>) {
        self.asked.keep_from = self.lines.len();
        self.asked.keeps_plain = self.asked.encode.is_some();
        self.asked.keep = Some(keep);
    }

    /// What is answered in place of the handler, behind [`Next::Answer`].
    pub fn give(&mut self, given: Given) {
        self.asked.given = Some(given);
    }

    /// What was asked for besides fields.
    pub(crate) fn take_asked(&mut self) -> Afterwards {
        std::mem::take(&mut self.asked)
    }

    /// Whether all that was set can be sent.
    ///
    /// # Errors
    /// 500 if not.
    pub fn check(&mut self) -> Result<(), Error> {
        self.fault.take().map_or(Ok(()), |fault| Err(Error::internal(fault)))
    }
}

/// A hook made of a closure.
pub(crate) struct Named<F> {
    pub(crate) name: String,
    pub(crate) before: F,
}

impl<F> Hook for Named<F>
where
    F: FnMut(&Request<'_>, &mut Fields<'_>) -> Result<Next, Error>,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        (self.before)(request, fields)
    }
}

impl fmt::Debug for dyn Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
