//! `multipart/form-data` (RFC 7578 on RFC 2046) as a machine: pieces of a body in, parts out.
//! Knows nothing of where parts go, and holds no more than the head of one.

use std::borrow::Cow;
use std::fmt;

use arrayvec::ArrayVec;
use memchr::memchr;

use super::encode::is_token;
use crate::limits::{PART_HEAD_BYTES_MAX, PART_NAME_BYTES_MAX};

/// Bytes of a boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// A line ends, and two dashes.
const BEGIN: &[u8; 4] = b"\r\n--";
const DELIMITER_BYTES_MAX: usize = BEGIN.len() + BOUNDARY_BYTES_MAX;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartFault {
    /// The type names no boundary, or one that RFC 2046 does not allow.
    Boundary,
    /// Something other than the end of the line stands behind a boundary.
    Delimiter,
    /// The head of a part is not made of fields, or not UTF-8.
    Head,
    /// A part is not `form-data` with one name.
    Disposition,
    /// A part is coded in a way that forms are not (RFC 7578 section 4.7).
    Coding,
    /// The head of a part is too large.
    HeadTooLarge,
    /// The name of a part is too long.
    NameTooLong,
    /// It ends before its last boundary.
    Unfinished,
}

impl MultipartFault {
    /// Whether it is only too much.
    pub fn is_too_large(self) -> bool {
        matches!(self, MultipartFault::HeadTooLarge | MultipartFault::NameTooLong)
    }
}

impl fmt::Display for MultipartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MultipartFault::Boundary => "the type has no valid boundary",
            MultipartFault::Delimiter => "a boundary is followed by something else than its line",
            MultipartFault::Head => "a part's head is not made of fields in UTF-8",
            MultipartFault::Disposition => "a part is no `form-data` with a name",
            MultipartFault::Coding => "a part has a `Content-Transfer-Encoding`",
            MultipartFault::HeadTooLarge => "a part's head is too large",
            MultipartFault::NameTooLong => "a part's name is too long",
            MultipartFault::Unfinished => "the form ends before its last boundary",
        })
    }
}

/// What the head of a part says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The name of its field.
    pub name: String,
    /// The name of its file where the client has it, if it is one. No path of ours, and it may have
    /// line breaks in it, which browsers send escaped.
    pub file_name: Option<String>,
    /// The type of its content, as declared.
    pub content_type: Option<String>,
}

/// What happens in a body, in this order for each part.
#[derive(Debug)]
pub enum PartEvent<'a> {
    /// A part begins.
    Begin(PartHead),
    /// It goes on.
    Data(&'a [u8]),
    /// It ends.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary.
    Delimited,
    /// Behind the blanks that may follow it.
    Padded,
    /// At the end of its line.
    LineEnds,
    /// Behind the first of the two dashes of the last one.
    Dashed,
    Head,
    Data,
    /// Behind the last boundary, where nothing counts.
    Epilogue,
}

/// A body while it arrives.
#[derive(Clone, Debug)]
pub struct Multipart {
    /// A line's end, two dashes, the boundary: nothing but its first byte is a CR, so a search
    /// that fails never has to go back.
    delimiter: ArrayVec<u8, DELIMITER_BYTES_MAX>,
    /// Bytes of it at the end of the last piece.
    matched: usize,
    place: Place,
    head: Vec<u8>,
}

impl Multipart {
    /// A body with this `Content-Type`, which is `multipart/form-data`.
    ///
    /// # Errors
    /// [`MultipartFault::Boundary`].
    pub fn new(content_type: &str) -> Result<Multipart, MultipartFault> {
        let boundary = boundary(content_type).ok_or(MultipartFault::Boundary)?;
        let delimiter = BEGIN.iter().copied().chain(boundary.bytes()).collect();
        // Before the first boundary no line need have ended.
        Ok(Multipart { delimiter, matched: 2, place: Place::Preamble, head: Vec::new() })
    }

    /// Takes the next piece, and tells `each` what happens in it.
    ///
    /// # Errors
    /// What is wrong, or what `each` fails with. Nothing is fed afterwards.
    pub fn feed<E: From<MultipartFault>>(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(PartEvent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(first) = bytes.first() {
            let used = match self.place {
                Place::Preamble | Place::Data => self.content(bytes, each)?,
                Place::Head => self.head(bytes, each)?,
                Place::Epilogue => bytes.len(),
                _ => {
                    self.place = after_boundary(self.place, *first)?;
                    1
                }
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`MultipartFault::Unfinished`].
    pub fn finish(&self) -> Result<(), MultipartFault> {
        let is_whole = self.place == Place::Epilogue;
        is_whole.then_some(()).ok_or(MultipartFault::Unfinished)
    }

    /// Looks for the end of a part, or of what stands before the first. Returns how much it took.
    fn content<E>(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(PartEvent<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        if self.matched > 0 {
            return self.go_on_matching(bytes, each);
        }
        let mut from = 0;
        while let Some(at) = memchr(b'\r', &bytes[from..]).map(|at| from + at) {
            let same = common(&self.delimiter, &bytes[at..]);
            if same == self.delimiter.len() {
                self.data(&bytes[..at], each)?;
                self.end(each)?;
                return Ok(at + same);
            }
            if same == bytes.len() - at {
                self.data(&bytes[..at], each)?;
                self.matched = same;
                return Ok(bytes.len());
            }
            from = at + 1;
        }
        self.data(bytes, each)?;
        Ok(bytes.len())
    }

    fn go_on_matching<E>(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(PartEvent<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let wanted = &self.delimiter[self.matched..];
        let same = common(wanted, bytes);
        if same == wanted.len() {
            self.end(each)?;
        } else if same == bytes.len() {
            self.matched += same;
        } else {
            // It was data, and so is what has come of it now.
            let held = self.delimiter.clone();
            self.data(&held[..self.matched], each)?;
            self.matched = 0;
            return Ok(0);
        }
        Ok(same)
    }

    fn data<E>(
        &self,
        bytes: &[u8],
        each: &mut impl FnMut(PartEvent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let counts = self.place == Place::Data && !bytes.is_empty();
        if counts { each(PartEvent::Data(bytes)) } else { Ok(()) }
    }

    fn end<E>(&mut self, each: &mut impl FnMut(PartEvent<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.place == Place::Data {
            each(PartEvent::End)?;
        }
        (self.matched, self.place) = (0, Place::Delimited);
        Ok(())
    }

    /// Collects the head of a part. Returns how much it took.
    fn head<E: From<MultipartFault>>(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(PartEvent<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.head.len() == PART_HEAD_BYTES_MAX {
                return Err(MultipartFault::HeadTooLarge.into());
            }
            self.head.push(*byte);
            if self.head.ends_with(b"\r\n\r\n") || self.head == b"\r\n" {
                let head = part_head(&self.head)?;
                self.head.clear();
                self.place = Place::Data;
                each(PartEvent::Begin(head))?;
                return Ok(at + 1);
            }
        }
        Ok(bytes.len())
    }
}

fn after_boundary(place: Place, byte: u8) -> Result<Place, MultipartFault> {
    match (place, byte) {
        (Place::Delimited, b'-') => Ok(Place::Dashed),
        (Place::Dashed, b'-') => Ok(Place::Epilogue),
        (Place::Delimited | Place::Padded, b' ' | b'\t') => Ok(Place::Padded),
        (Place::Delimited | Place::Padded, b'\r') => Ok(Place::LineEnds),
        (Place::LineEnds, b'\n') => Ok(Place::Head),
        _ => Err(MultipartFault::Delimiter),
    }
}

/// How many bytes at the begin of both are the same.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn boundary(content_type: &str) -> Option<&str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let (_, parameters) = content_type.split_once(';')?;
    // A semicolon stands in no boundary.
    let mut found = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let value = found.next().filter(|_| found.next().is_none())?;
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = unquoted.unwrap_or(value);
    let is_fit = (1..=BOUNDARY_BYTES_MAX).contains(&value.len()) && !value.ends_with(' ');
    (is_fit && value.bytes().all(is_allowed)).then_some(value)
}

/// Reads the lines of a head, each of which ends with CRLF, the last of which is empty.
fn part_head(head: &[u8]) -> Result<PartHead, MultipartFault> {
    let head = std::str::from_utf8(head).map_err(|_| MultipartFault::Head)?;
    let (mut named, mut content_type) = (None, None);
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(MultipartFault::Head)?;
        if !is_token(name.as_bytes()) || value.contains(['\r', '\n', '\0']) {
            return Err(MultipartFault::Head);
        }
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-disposition") {
            if named.is_some() {
                return Err(MultipartFault::Disposition);
            }
            named = Some(disposition(value).ok_or(MultipartFault::Disposition)?);
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-transfer-encoding")
            && !["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
        {
            return Err(MultipartFault::Coding);
        }
    }
    let (name, file_name) = named.ok_or(MultipartFault::Disposition)?;
    if name.len() > PART_NAME_BYTES_MAX {
        return Err(MultipartFault::NameTooLong);
    }
    Ok(PartHead { name, file_name, content_type })
}

/// The names of a field and of a file in a `Content-Disposition`. `filename*` says nothing: RFC
/// 7578 section 4.2 forbids it, and who reads it may see another name than who does not.
fn disposition(value: &str) -> Option<(String, Option<String>)> {
    let (kind, mut rest) = value.split_at(value.find(';')?);
    if !kind.trim_end().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file_name) = (None, None);
    while let Some(parameters) = rest.trim_start().strip_prefix(';') {
        let (parameter, behind) = parameters.trim_start().split_once('=')?;
        let (value, behind) = parameter_value(behind)?;
        let slot = match parameter {
            _ if !is_token(parameter.as_bytes()) => return None,
            _ if parameter.eq_ignore_ascii_case("name") => &mut name,
            _ if parameter.eq_ignore_ascii_case("filename") => &mut file_name,
            _ => &mut None,
        };
        if slot.replace(value.into_owned()).is_some() {
            return None;
        }
        rest = behind;
    }
    rest.trim_start().is_empty().then_some((name?, file_name))
}

/// A token, or a quoted text in which only `\"` and `\\` are pairs: some clients send the
/// backslashes of a path as they are. Browsers write `%22`, `%0D` and `%0A`, and no other escape:
/// a `%` stands for itself. With what stands behind it.
fn parameter_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (token, behind) = text.split_at(end);
        return is_token(token.as_bytes()).then_some((token.into(), behind));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value.into(), &quoted[at + 1..])),
            '\\' => {
                let pair = chars.next_if(|(_, next)| ['"', '\\'].contains(next));
                value.push(pair.map_or('\\', |(_, next)| next));
            }
            '%' => match escaped(&quoted[at..]) {
                Some(escaped) => {
                    value.push(escaped);
                    chars.nth(1);
                }
                None => value.push('%'),
            },
            char => value.push(char),
        }
    }
    None
}

/// What an escape of the HTML standard stands for (section 4.10.22.8, multipart form data).
fn escaped(text: &str) -> Option<char> {
    match text.get(..3)? {
        "%22" => Some('"'),
        "%0D" | "%0d" => Some('\r'),
        "%0A" | "%0a" => Some('\n'),
        _ => None,
    }
}
