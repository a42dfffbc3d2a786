//! The grammar of RFC 9112 section 7.1 once more, slowly: whole lines instead of single bytes,
//! `u128` instead of checks. Knows no bounds on extensions and trailers, and nothing of pieces.

use corelane::limits::CHUNK_SIZE_DIGITS_MAX;
use corelane::wire::refusal::Refusal;

/// How decoding ends: the body so far, and what happened after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The message ends after so many bytes of the input.
    Done(usize),
    /// All of the input belongs to the message, which goes on.
    NeedMore,
    Refused(Refusal),
}

/// What stops a step: the input's end or a refusal.
type Stop = End;

/// What becomes of `input`, all at once.
pub(crate) fn decode(input: &[u8]) -> Outcome {
    let mut body = Vec::new();
    let end = match run(input, &mut body) {
        Ok(consumed) => End::Done(consumed),
        Err(stop) => stop,
    };
    Outcome { body, end }
}

fn run(input: &[u8], body: &mut Vec<u8>) -> Result<usize, Stop> {
    let mut at = 0;
    loop {
        let size = size_line(input, &mut at)?;
        if size == 0 {
            return trailers(input, at);
        }
        let left = (input.len() - at) as u128;
        let taken = size.min(left) as usize;
        body.extend(&input[at..at + taken]);
        at += taken;
        expect_crlf(input, &mut at, Refusal::ChunkDataEnd)?;
    }
}

fn byte(input: &[u8], at: usize) -> Result<u8, Stop> {
    input.get(at).copied().ok_or(End::NeedMore)
}

fn expect_crlf(input: &[u8], at: &mut usize, why: Refusal) -> Result<(), Stop> {
    for wanted in *b"\r\n" {
        if byte(input, *at)? != wanted {
            return Err(End::Refused(why));
        }
        *at += 1;
    }
    Ok(())
}

fn size_line(input: &[u8], at: &mut usize) -> Result<u128, Stop> {
    let digits = input[*at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > CHUNK_SIZE_DIGITS_MAX {
        return Err(End::Refused(Refusal::ChunkSize));
    }
    let text = std::str::from_utf8(&input[*at..*at + digits]).unwrap();
    *at += digits;
    let next = byte(input, *at)?;
    if digits == 0 || !matches!(next, b' ' | b'\t' | b';' | b'\r') {
        return Err(End::Refused(Refusal::ChunkSize));
    }
    let line_end = input[*at..].iter().position(|&byte| byte == b'\r');
    let extensions = &input[*at..line_end.map_or(input.len(), |end| *at + end)];
    if let Some(why) = extension_list(extensions, line_end.is_some()) {
        return Err(End::Refused(why));
    }
    *at += extensions.len();
    expect_crlf(input, at, Refusal::ChunkSize)?;
    Ok(u128::from_str_radix(text, 16).unwrap())
}

/// Why these extensions are refused; unless `is_whole`, more bytes may follow.
fn extension_list(mut rest: &[u8], is_whole: bool) -> Option<Refusal> {
    let mut is_first = true;
    loop {
        let had_blank = skip_blanks(&mut rest);
        match rest.split_first() {
            None if had_blank && is_whole && is_first => return Some(Refusal::ChunkSize),
            None if had_blank && is_whole => return Some(Refusal::ChunkExtension),
            None => return None,
            Some((b';', after)) => rest = after,
            Some(_) if is_first => return Some(Refusal::ChunkSize),
            Some(_) => return Some(Refusal::ChunkExtension),
        }
        is_first = false;
        if let Err(why) = extension(&mut rest, is_whole) {
            return why;
        }
    }
}

/// One extension behind its semicolon. `Err(None)`: its end is not here yet.
fn extension(rest: &mut &[u8], is_whole: bool) -> Result<(), Option<Refusal>> {
    let missing = is_whole.then_some(Refusal::ChunkExtension);
    skip_blanks(rest);
    if rest.is_empty() {
        return Err(missing);
    }
    if skip_token(rest) == 0 {
        return Err(Some(Refusal::ChunkExtension));
    }
    let before_blanks = *rest;
    skip_blanks(rest);
    if rest.first() != Some(&b'=') {
        *rest = before_blanks;
        return Ok(());
    }
    *rest = &rest[1..];
    skip_blanks(rest);
    match rest.first() {
        None => Err(missing),
        Some(b'"') => {
            *rest = &rest[1..];
            skip_quoted(rest, missing)
        }
        Some(_) if skip_token(rest) == 0 => Err(Some(Refusal::ChunkExtension)),
        Some(_) => Ok(()),
    }
}

fn skip_quoted(rest: &mut &[u8], missing: Option<Refusal>) -> Result<(), Option<Refusal>> {
    loop {
        let (&first, after) = rest.split_first().ok_or(missing)?;
        *rest = after;
        let text = match first {
            b'"' => return Ok(()),
            b'\\' => {
                let (&pair, after) = rest.split_first().ok_or(missing)?;
                *rest = after;
                pair
            }
            other => other,
        };
        if text != b'\t' && text.is_ascii_control() {
            return Err(Some(Refusal::ChunkExtension));
        }
    }
}

fn skip_blanks(rest: &mut &[u8]) -> bool {
    let count = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
    *rest = &rest[count..];
    count > 0
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

fn skip_token(rest: &mut &[u8]) -> usize {
    let count = rest.iter().take_while(|&&byte| is_token(byte)).count();
    *rest = &rest[count..];
    count
}

fn trailers(input: &[u8], start: usize) -> Result<usize, Stop> {
    let mut at = start;
    while byte(input, at)? != b'\r' {
        let name = input[at..].iter().take_while(|&&byte| is_token(byte)).count();
        at += name;
        if byte(input, at)? != b':' || name == 0 {
            return Err(End::Refused(Refusal::Trailer));
        }
        at += 1;
        while byte(input, at)? == b'\t' || !input[at].is_ascii_control() {
            at += 1;
        }
        expect_crlf(input, &mut at, Refusal::Trailer)?;
    }
    expect_crlf(input, &mut at, Refusal::Trailer)?;
    Ok(at)
}
