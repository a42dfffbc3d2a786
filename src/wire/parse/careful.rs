//! The grammar of a request head, part by part: what stops and goes on anywhere, and refuses.
//! Knows no vectors but the call that tries them on whole field lines.

use super::{
    FieldLines, HeadLimits, Lines, Parse, Part, Progress, fields_max, offset, span, trimmed,
};
use crate::limits::METHOD_BYTES_MAX;
use crate::wire::head::{Field, Head, Method, Span, Version};
use crate::wire::refusal::Refusal;
use crate::wire::scan::{Level, target_end, token_end, value_end};

/// The grammar. Each step reads one part, as far as it goes.
pub(super) struct Careful<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) head: &'a mut Head,
    pub(super) progress: &'a mut Progress,
    pub(super) limits: &'a HeadLimits,
}

impl Careful<'_> {
    /// Reads until the head or the bytes end, or a rule is broken.
    #[cold]
    pub(super) fn run(&mut self, level: Level) -> Parse {
        loop {
            if let Err(parse) = self.step() {
                return parse;
            }
            if self.progress.part != Part::Line {
                continue;
            }
            let at = usize::from(self.progress.at);
            match level.run::<FieldLines>(self.bytes, at, self.head, self.limits) {
                Lines::End(end) => {
                    *self.progress = Progress::default();
                    return Parse::Complete { len: end - self.start };
                }
                Lines::UpTo(line) => self.progress.enter(Part::Line, line),
            }
        }
    }

    /// Reads the current part; the error is the outcome of the call.
    fn step(&mut self) -> Result<(), Parse> {
        match self.progress.part {
            Part::Start => self.empty_line(),
            Part::Method => self.method(),
            Part::Target => self.target(),
            Part::Version => self.version(),
            Part::Line => self.line(),
            Part::Name => self.name(),
            Part::Value => self.value(),
        }
    }

    fn byte(&self, at: usize) -> Result<u8, Parse> {
        self.bytes.get(at).copied().ok_or(Parse::Partial)
    }

    /// The byte at `end`, where a scan stopped; without one, the next call goes on from there.
    fn stop(&mut self, end: usize) -> Result<u8, Parse> {
        self.progress.at = offset(end.min(self.bytes.len()));
        self.byte(end)
    }

    /// Offset behind the CRLF at `at`, where a CR stands.
    fn line_end(&self, at: usize) -> Result<usize, Parse> {
        if self.byte(at + 1)? == b'\n' { Ok(at + 2) } else { refuse(Refusal::LineEnd) }
    }

    fn empty_line(&mut self) -> Result<(), Parse> {
        let mut at = self.start;
        if self.byte(at)? == b'\r' {
            at = self.line_end(at)?;
        }
        self.progress.line = offset(at);
        self.progress.enter(Part::Method, at);
        Ok(())
    }

    fn method(&mut self) -> Result<(), Parse> {
        let start = usize::from(self.progress.line);
        let end = token_end(self.bytes, self.progress.at.into());
        if end - start > METHOD_BYTES_MAX {
            return refuse(Refusal::Method);
        }
        match self.stop(end)? {
            b' ' if end > start => {}
            b' ' | b'\r' => return refuse(Refusal::RequestLine),
            b'\n' => return refuse(Refusal::LineEnd),
            _ => return refuse(Refusal::Method),
        }
        self.head.method = Method::from_name(&self.bytes[start..end]);
        self.head.method_name = span(start, end);
        self.progress.mark = offset(end + 1);
        self.progress.enter(Part::Target, end + 1);
        Ok(())
    }

    fn target(&mut self) -> Result<(), Parse> {
        let start = usize::from(self.progress.mark);
        let end = target_end(self.bytes, self.progress.at.into());
        if end - start > self.limits.target_bytes {
            return refuse(Refusal::TargetTooLong);
        }
        match self.stop(end)? {
            b' ' if end > start => {}
            b' ' | b'\r' => return refuse(Refusal::RequestLine),
            b'\n' => return refuse(Refusal::LineEnd),
            _ => return refuse(Refusal::Target),
        }
        self.head.target = span(start, end);
        self.progress.enter(Part::Version, end + 1);
        Ok(())
    }

    /// Ten bytes at most, so they are looked at again if they come in pieces.
    fn version(&mut self) -> Result<(), Parse> {
        let start = usize::from(self.progress.at);
        for (index, pattern) in b"HTTP/0.0".iter().enumerate() {
            let byte = self.byte(start + index)?;
            let matches = if *pattern == b'0' { byte.is_ascii_digit() } else { byte == *pattern };
            if !matches {
                return refuse(match byte {
                    b'\n' => Refusal::LineEnd,
                    b' ' | b'\r' if index == 0 => Refusal::RequestLine,
                    _ => Refusal::Version,
                });
            }
        }
        self.head.version = match (self.byte(start + 5)?, self.byte(start + 7)?) {
            (b'1', b'0') => Version::Http10,
            (b'1', _) => Version::Http11,
            _ => return refuse(Refusal::VersionUnsupported),
        };
        match self.byte(start + 8)? {
            b'\r' => {}
            b'\n' => return refuse(Refusal::LineEnd),
            b' ' | b'\t' => return refuse(Refusal::RequestLine),
            _ => return refuse(Refusal::Version),
        }
        let line = self.line_end(start + 8)?;
        self.progress.enter(Part::Line, line);
        Ok(())
    }

    fn line(&mut self) -> Result<(), Parse> {
        let at = usize::from(self.progress.at);
        match self.byte(at)? {
            b'\r' => {
                let len = self.line_end(at)? - self.start;
                *self.progress = Progress::default();
                return Err(Parse::Complete { len });
            }
            b'\n' => return refuse(Refusal::LineEnd),
            b' ' | b'\t' => return refuse(Refusal::FieldFold),
            _ => {}
        }
        if self.head.fields.len() >= fields_max(self.limits) {
            return refuse(Refusal::FieldsTooMany);
        }
        self.progress.line = offset(at);
        self.progress.enter(Part::Name, at);
        Ok(())
    }

    fn name(&mut self) -> Result<(), Parse> {
        let start = usize::from(self.progress.line);
        let end = token_end(self.bytes, self.progress.at.into());
        match self.stop(end)? {
            b':' if end > start => {}
            b'\r' => return refuse(Refusal::FieldColon),
            b'\n' => return refuse(Refusal::LineEnd),
            _ => return refuse(Refusal::FieldName),
        }
        self.progress.mark = offset(end);
        self.progress.enter(Part::Value, end + 1);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Parse> {
        let end = value_end(self.bytes, self.progress.at.into());
        match self.stop(end)? {
            b'\r' => {}
            b'\n' => return refuse(Refusal::LineEnd),
            _ => return refuse(Refusal::FieldValue),
        }
        let line = self.line_end(end)?;
        let colon = usize::from(self.progress.mark);
        let field = Field {
            name: Span { start: self.progress.line, end: self.progress.mark },
            value: trimmed(self.bytes, colon + 1, end),
        };
        // `line` refused a field that would not fit.
        let _ = self.head.fields.try_push(field);
        self.progress.enter(Part::Line, line);
        Ok(())
    }
}

fn refuse<T>(refusal: Refusal) -> Result<T, Parse> {
    Err(Parse::Refused(refusal))
}
