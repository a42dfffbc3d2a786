//! A connection gives the same answers however its bytes arrive, each of them whole, none without
//! a request. Knows no state of the machine.

#[path = "../../tests/support/response_reader.rs"]
#[allow(dead_code, reason = "here answers have no numbers")]
mod response_reader;

use corelane::Settings;
use corelane::proto::CloseReason;

use self::response_reader::read_answer;
use super::drive::{Transcript, run};
use super::input::Input;

/// Pieces (4 bytes), flags (1), then the stream of requests.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let pieces = input.pieces();
    let flags = input.byte();
    let bytes = input.rest();
    let settings = settings(flags);

    let whole = run(bytes, [bytes.len()], &settings);
    let cut = run(bytes, pieces.ends(bytes.len()), &settings);
    assert_eq!((whole.end, whole.ended_early), (cut.end, cut.ended_early));
    assert_eq!(whole.handled, cut.handled);
    assert!(answers(&whole, bytes) == answers(&cut, bytes), "cut by {pieces:?}");
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
    }
    settings
}

/// The answers without the interim ones, which a client gets only if it holds its body back.
fn answers(transcript: &Transcript, bytes: &[u8]) -> Vec<Vec<u8>> {
    let refused = usize::from(transcript.end == CloseReason::Refused);
    let requests = memchr::memmem::find_iter(bytes, " HTTP/1.").count();
    assert!(transcript.handled.len() <= requests, "an answer without a request");

    let mut answers = Vec::new();
    let (mut at, mut interim) = (0, 0);
    while at < transcript.sent.len() {
        let rest = &transcript.sent[at..];
        let is_head = transcript.handled.get(answers.len()).copied();
        let is_bodiless = |status: u16| {
            status < 200 || status == 204 || is_head.unwrap_or(rest.ends_with(b"\r\n\r\n"))
        };
        let answer = read_answer(rest, is_bodiless).expect("an answer").expect("a whole head");
        assert!(answer.is_whole, "half an answer");
        at += answer.len;
        if answer.is_interim() {
            interim += 1;
            continue;
        }
        let is_last = answers.len() + 1 == transcript.handled.len() + refused;
        assert!(!answer.closes || is_last, "an answer behind the last");
        answers.push(rest[..answer.len].to_vec());
    }
    assert_eq!(answers.len(), transcript.handled.len() + refused);
    assert!(interim <= answers.len() + 1);
    answers
}
