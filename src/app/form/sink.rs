//! Takes a form while it arrives: counts, and puts each part where it belongs.
//! Knows nothing of who answers.

use std::io::Write;
use std::path::Path;

use super::Multipart;
use super::part::{Form, FormPart, PartContent};
use crate::api::{Error, HandlerResult, Request, Response, Sink, Taken};
use crate::sys::unnamed_file;
use crate::wire::multipart::{self, MultipartFault, PartEvent, PartHead};
use crate::wire::status::Status;

/// Takes one form, and has it answered when it is whole.
#[derive(Debug)]
pub struct FormSink<F> {
    machine: multipart::Multipart,
    taken: Parts,
    done: F,
}

/// What was taken so far.
#[derive(Debug)]
struct Parts {
    limits: Multipart,
    whole: Vec<FormPart>,
    /// Bytes of them in memory.
    in_memory: usize,
}

/// Why a form is not taken any further.
struct Failure(Error);

impl From<MultipartFault> for Failure {
    fn from(fault: MultipartFault) -> Failure {
        let status =
            if fault.is_too_large() { Status::CONTENT_TOO_LARGE } else { Status::BAD_REQUEST };
        Failure(Error::new(status, fault.to_string()))
    }
}

impl<F> FormSink<F> {
    pub(super) fn new(
        limits: Multipart,
        request: &Request<'_>,
        done: F,
    ) -> Result<FormSink<F>, Error> {
        request.expect_content_type("multipart/form-data")?;
        let content_type = request.header("content-type").unwrap_or_default();
        let machine =
            multipart::Multipart::new(content_type).map_err(|fault| Failure::from(fault).0)?;
        let taken = Parts { limits, whole: Vec::new(), in_memory: 0 };
        Ok(FormSink { machine, taken, done })
    }
}

impl<F> Sink for FormSink<F>
where
    F: FnOnce(Form, &Request<'_>, Response<'_>) -> HandlerResult + 'static,
{
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        let taken = &mut self.taken;
        let fed = self.machine.feed(bytes, &mut |event| taken.on(event).map_err(Failure));
        fed.map(|()| Taken::All).map_err(|failure| failure.0)
    }

    fn finish(self: Box<Self>, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        self.machine.finish().map_err(|fault| Failure::from(fault).0)?;
        (self.done)(Form(self.taken.whole), request, response)
    }
}

impl Parts {
    fn on(&mut self, event: PartEvent<'_>) -> Result<(), Error> {
        match event {
            PartEvent::Begin(head) => self.begin(head),
            PartEvent::Data(bytes) => self.add(bytes),
            PartEvent::End => Ok(()),
        }
    }

    fn begin(&mut self, head: PartHead) -> Result<(), Error> {
        let max = self.limits.parts_max;
        if self.whole.len() >= max {
            return Err(too_large(format!("the form has more than {max} parts")));
        }
        self.whole.push(FormPart { head, content: PartContent::Memory(Vec::new()) });
        Ok(())
    }

    /// Data stands behind the begin of a part alone.
    fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(part) = self.whole.last_mut() else { return Ok(()) };
        let (len, max) = (part.len() + bytes.len() as u64, self.limits.part_bytes_max);
        if len > max {
            let name = part.name();
            return Err(too_large(format!("the form's `{name}` has more than {max} bytes")));
        }
        let is_file = part.file_name().is_some();
        let may_stay = !is_file || len <= self.limits.file_bytes_min as u64;
        if let (PartContent::Memory(held), Some(folder), false) =
            (&part.content, &self.limits.folder, may_stay)
        {
            let moved = held.len();
            part.content = to_disk(held, folder)?;
            self.in_memory -= moved;
        }
        match &mut part.content {
            PartContent::Disk(file, len) => {
                file.write_all(bytes)?;
                *len += bytes.len() as u64;
            }
            PartContent::Memory(held) => {
                let max = self.limits.memory_bytes_max;
                if self.in_memory + bytes.len() > max {
                    return Err(too_large(format!("the form has more than {max} bytes")));
                }
                self.in_memory += bytes.len();
                held.extend_from_slice(bytes);
            }
        }
        Ok(())
    }
}

fn to_disk(held: &[u8], folder: &Path) -> Result<PartContent, Error> {
    let mut file = unnamed_file(folder).map_err(|error| {
        let folder = folder.display();
        Error::internal(format!("no file can be made in {folder} for an upload: {error}"))
    })?;
    file.write_all(held)?;
    Ok(PartContent::Disk(file, held.len() as u64))
}

fn too_large(message: String) -> Error {
    Error::new(Status::CONTENT_TOO_LARGE, message)
}
