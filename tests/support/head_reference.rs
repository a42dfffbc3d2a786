//! The grammar of a request head once more, slowly: one byte, one state, one decision.
//! Knows no scanning, no vectors, and nothing of pieces: it is fed byte by byte anyway.

use std::ops::Range;

use corelane::limits::METHOD_BYTES_MAX;
use corelane::wire::head::Version;
use corelane::wire::parse::HeadLimits;
use corelane::wire::refusal::Refusal;

/// What became of the bytes fed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Complete(usize),
    Partial,
    Refused(Refusal),
}

/// What a head says, as offsets from its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) method: Range<usize>,
    pub(crate) target: Range<usize>,
    pub(crate) version: Option<Version>,
    pub(crate) fields: Vec<(Range<usize>, Range<usize>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    StartLf,
    Method,
    Target,
    /// Behind so many bytes of the version.
    Version(usize),
    VersionLf,
    Line,
    HeadLf,
    Name,
    Value,
    ValueLf,
}

pub(crate) struct Reference {
    limits: HeadLimits,
    state: State,
    bytes: Vec<u8>,
    /// Where the current method, target, name or value started.
    start: usize,
    outcome: Outcome,
    pub(crate) contents: Contents,
}

type Decision = Result<State, Refusal>;

impl Reference {
    pub(crate) fn new(limits: HeadLimits) -> Reference {
        Reference {
            limits,
            state: State::Start,
            bytes: Vec::new(),
            start: 0,
            outcome: Outcome::Partial,
            contents: Contents::default(),
        }
    }

    /// Takes one more byte. What was decided before does not change any more.
    pub(crate) fn feed(&mut self, byte: u8) -> Outcome {
        if self.outcome == Outcome::Partial {
            self.bytes.push(byte);
            self.outcome = match self.decide(byte) {
                Err(refusal) => Outcome::Refused(refusal),
                Ok(State::Start) => Outcome::Complete(self.bytes.len()),
                Ok(_) if self.bytes.len() >= self.limits.head_bytes => {
                    Outcome::Refused(Refusal::HeadTooLarge)
                }
                Ok(state) => {
                    self.state = state;
                    Outcome::Partial
                }
            };
        }
        self.outcome
    }

    /// The next state; `Start` means that the head is complete.
    fn decide(&mut self, byte: u8) -> Decision {
        match self.state {
            State::Start if byte == b'\r' => Ok(State::StartLf),
            State::StartLf => self.lf(byte, State::Method),
            State::Start | State::Method => self.method(byte),
            State::Target => self.target(byte),
            State::Version(count) => self.version(byte, count),
            State::VersionLf | State::ValueLf => self.lf(byte, State::Line),
            State::Line => self.line(byte),
            State::HeadLf => self.lf(byte, State::Start),
            State::Name => self.name(byte),
            State::Value => self.value(byte),
        }
    }

    fn lf(&mut self, byte: u8, next: State) -> Decision {
        self.start = self.bytes.len();
        if byte == b'\n' { Ok(next) } else { Err(Refusal::LineEnd) }
    }

    /// What stands between `start` and the byte just fed.
    fn part(&self) -> Range<usize> {
        self.start..self.bytes.len() - 1
    }

    fn method(&mut self, byte: u8) -> Decision {
        match byte {
            b' ' if !self.part().is_empty() => {
                self.contents.method = self.part();
                self.start = self.bytes.len();
                Ok(State::Target)
            }
            b' ' | b'\r' => Err(Refusal::RequestLine),
            b'\n' => Err(Refusal::LineEnd),
            _ if is_token(byte) && self.part().len() < METHOD_BYTES_MAX => Ok(State::Method),
            _ => Err(Refusal::Method),
        }
    }

    fn target(&mut self, byte: u8) -> Decision {
        match byte {
            b' ' if !self.part().is_empty() => {
                self.contents.target = self.part();
                Ok(State::Version(0))
            }
            b' ' | b'\r' => Err(Refusal::RequestLine),
            b'\n' => Err(Refusal::LineEnd),
            0x21..=0x7e if self.part().len() < self.limits.target_bytes => Ok(State::Target),
            0x21..=0x7e => Err(Refusal::TargetTooLong),
            _ => Err(Refusal::Target),
        }
    }

    fn version(&mut self, byte: u8, count: usize) -> Decision {
        match (count, byte) {
            (_, b'\n') => Err(Refusal::LineEnd),
            (0, b' ' | b'\r') | (8, b' ' | b'\t') => Err(Refusal::RequestLine),
            (0..5, _) if byte == b"HTTP/"[count] => Ok(State::Version(count + 1)),
            (5, b'0'..=b'9') | (6, b'.') => Ok(State::Version(count + 1)),
            (7, b'0'..=b'9') => {
                if self.bytes[self.bytes.len() - 3] != b'1' {
                    return Err(Refusal::VersionUnsupported);
                }
                let is_old = byte == b'0';
                self.contents.version =
                    Some(if is_old { Version::Http10 } else { Version::Http11 });
                Ok(State::Version(8))
            }
            (8, b'\r') => Ok(State::VersionLf),
            _ => Err(Refusal::Version),
        }
    }

    fn line(&mut self, byte: u8) -> Decision {
        match byte {
            b'\r' => Ok(State::HeadLf),
            b'\n' => Err(Refusal::LineEnd),
            b' ' | b'\t' => Err(Refusal::FieldFold),
            _ if self.contents.fields.len() >= self.limits.fields => Err(Refusal::FieldsTooMany),
            _ => self.name(byte),
        }
    }

    fn name(&mut self, byte: u8) -> Decision {
        match byte {
            b':' if !self.part().is_empty() => {
                self.contents.fields.push((self.part(), 0..0));
                self.start = self.bytes.len();
                Ok(State::Value)
            }
            b'\r' => Err(Refusal::FieldColon),
            b'\n' => Err(Refusal::LineEnd),
            _ if is_token(byte) => Ok(State::Name),
            _ => Err(Refusal::FieldName),
        }
    }

    fn value(&mut self, byte: u8) -> Decision {
        match byte {
            b'\r' => {
                let mut value = self.part();
                while !value.is_empty() && is_blank(self.bytes[value.start]) {
                    value.start += 1;
                }
                while !value.is_empty() && is_blank(self.bytes[value.end - 1]) {
                    value.end -= 1;
                }
                if let Some(field) = self.contents.fields.last_mut() {
                    field.1 = value;
                }
                Ok(State::ValueLf)
            }
            b'\n' => Err(Refusal::LineEnd),
            b'\t' | b' '..=0x7e | 0x80.. => Ok(State::Value),
            _ => Err(Refusal::FieldValue),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
