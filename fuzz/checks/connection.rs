//! A connection gives the same answers however its bytes arrive and whenever its promises are
//! kept, each of them whole, none without a request. Knows no state of the machine.

use corelane::Settings;
use corelane::proto::CloseReason;
use httparse::{EMPTY_HEADER, Response, Status};

use super::chunked::chunked_reference::{End, decode};
use super::drive::{Schedule, Transcript, run};
use super::input::{Input, Pieces};

/// Pieces (4 bytes), flags (1), then the stream of requests.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let pieces = input.pieces();
    let flags = input.byte();
    let bytes = input.rest();
    let settings = settings(flags);

    let at_once = Schedule { pieces: Pieces::WHOLE, is_late: false, wakes: false };
    let schedule = Schedule { pieces, is_late: flags & 8 != 0, wakes: flags & 16 != 0 };
    let whole = run(bytes, at_once, &settings);
    let cut = run(bytes, schedule, &settings);
    assert_eq!(whole.end, cut.end);
    assert!(schedule.is_late || whole.ended_early == cut.ended_early);
    assert_eq!(whole.handled, cut.handled);
    assert!(answers(&whole, bytes) == answers(&cut, bytes), "with {schedule:?}");
}

fn settings(flags: u8) -> Settings {
    let mut settings = Settings::default();
    if flags & 1 != 0 {
        settings.pipelined_max = 1;
    }
    if flags & 2 == 0 {
        settings.head_bytes_max = 512;
        settings.target_bytes_max = 128;
        settings.fields_max = 8;
        settings.body_bytes_max = 300;
        settings.upload_bytes_max = 400;
    }
    if flags & 4 != 0 {
        settings.requests_max = 3;
    }
    settings
}

/// The answers without the interim ones, which a client gets only if it holds its body back.
fn answers<'t>(transcript: &'t Transcript, bytes: &[u8]) -> Vec<&'t [u8]> {
    let Transcript { sent, handled, end, .. } = transcript;
    let requests = memchr::memmem::find_iter(bytes, " HTTP/1.").count();
    assert!(handled.len() <= requests, "an answer without a request");
    // The last request may have been answered without its handler.
    let unhandled = matches!(end, CloseReason::Refused | CloseReason::BodyUnread);
    let count = handled.len() + usize::from(unhandled);

    let mut answers = Vec::new();
    let (mut at, mut interim) = (0, 0);
    while at < sent.len() {
        let rest = &sent[at..];
        let answer = Answer::read(rest, handled.get(answers.len()).copied());
        at += answer.len;
        if answer.is_interim {
            interim += 1;
            continue;
        }
        let is_last = answers.len() + 1 == count;
        assert!(is_last || !(answer.closes || answer.ends_with_the_connection));
        answers.push(&rest[..answer.len]);
    }
    assert_eq!(answers.len(), count);
    assert!(interim <= requests);
    answers
}

struct Answer {
    len: usize,
    is_interim: bool,
    closes: bool,
    ends_with_the_connection: bool,
}

impl Answer {
    /// Reads the answer at the start of `bytes` to a request that was HEAD, was not, or whose
    /// method is not known.
    fn read(bytes: &[u8], was_head: Option<bool>) -> Answer {
        let mut fields = [EMPTY_HEADER; 16];
        let mut response = Response::new(&mut fields);
        let Ok(Status::Complete(head_len)) = response.parse(bytes) else {
            panic!("no head: {}", bytes.escape_ascii());
        };
        let status = response.code.unwrap_or_default();
        let behind = &bytes[head_len..];
        let is_interim = status < 200;
        assert!(!is_interim || response.headers.is_empty());
        let is_bodiless =
            is_interim || matches!(status, 204 | 304) || was_head.unwrap_or(behind.is_empty());

        let field = |name: &str| {
            let mut named = response.headers.iter().filter(|field| field.name == name);
            let value = named.next().map(|field| field.value);
            assert!(named.next().is_none(), "{name} stands twice");
            value
        };
        assert_eq!(field("Date").is_some(), !is_interim);
        let closes = field("Connection") == Some(b"close");
        let (length, coding) = (field("Content-Length"), field("Transfer-Encoding"));
        let body_len = match (length, coding) {
            _ if is_bodiless => 0,
            (Some(length), None) => number(length),
            (None, Some(b"chunked")) => match decode(behind).end {
                End::Done(len) => len,
                end => panic!("a body in chunks: {end:?}"),
            },
            (None, None) => behind.len(),
            _ => panic!("{length:?} and {coding:?}"),
        };
        assert!(body_len <= behind.len(), "half an answer");
        let ends_with_the_connection = !is_bodiless && length.is_none() && coding.is_none();
        Answer { len: head_len + body_len, is_interim, closes, ends_with_the_connection }
    }
}

fn number(text: &[u8]) -> usize {
    let text = str::from_utf8(text).expect("digits");
    text.parse().expect("a length is a number")
}
