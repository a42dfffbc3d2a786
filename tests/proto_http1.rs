//! The HTTP/1 machine in memory: refusals, pipelining, drain, deadlines, ends and handlers that
//! do not do as they should.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/response_reader.rs"]
mod response_reader;

use std::cell::Cell;
use std::time::Duration;

use corelane::clock::Moment;
use corelane::limits::{
    CHUNK_EXTENSION_BYTES_MAX, GATHER_BYTES, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX,
};
use corelane::proto::{CloseReason, Want};
use corelane::wire::refusal::Refusal;
use corelane::{Error, Handler, HandlerResult, Request, Responded, Response, Settings, Status};

use machine::Machine;
use response_reader::read_answer;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const EXPECT: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn echo(request: &Request<'_>, response: Response<'_>) -> HandlerResult {
    response.bytes(request.body())
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.head_bytes_max = 1_024;
    settings.fields_max = 8;
    settings.target_bytes_max = 100;
    settings.body_bytes_max = 100_000;
    settings.receive_rate_min = 0;
    settings
}

fn machine() -> Machine<impl Handler> {
    Machine::new(settings(), echo)
}

/// Status, body and whether it says `close`, of each answer sent.
fn answers<H: Handler>(machine: &Machine<H>) -> Vec<(u16, String, bool)> {
    let (mut rest, mut answers) = (&machine.sent[..], Vec::new());
    while !rest.is_empty() {
        let answer = read_answer(rest, |_| false).unwrap().expect("whole answers are sent");
        assert!(answer.is_whole);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        answers.push((answer.status, body, answer.closes));
        rest = &rest[answer.len..];
    }
    answers
}

fn statuses<H: Handler>(machine: &Machine<H>) -> Vec<u16> {
    answers(machine).into_iter().map(|(status, ..)| status).collect()
}

/// A whole request that breaks one rule, for every rule that bytes can break.
fn bad_requests() -> Vec<(Refusal, String)> {
    let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let chunked = |body: &str| with("Transfer-Encoding: chunked") + body;
    let extension = "x".repeat(CHUNK_EXTENSION_BYTES_MAX);
    let trailer = "x".repeat(TRAILER_BYTES_MAX);
    let get = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    vec![
        (Refusal::BodyTooLarge, with("Content-Length: 100001")),
        (Refusal::BodyTooLarge, chunked("186a1\r\nx")),
        (Refusal::ChunkDataEnd, chunked("1\r\nxy\r\n")),
        (Refusal::ChunkExtension, chunked("1;\r\nx\r\n")),
        (Refusal::ChunkExtension, chunked(&format!("1;{extension}\r\nx\r\n"))),
        (Refusal::ChunkSize, chunked("0x1\r\nx\r\n")),
        (Refusal::ContentLength, with("Content-Length: +1")),
        (
            Refusal::ContentLengthAndTransferEncoding,
            with("Content-Length: 1\r\nTransfer-Encoding: chunked"),
        ),
        (Refusal::Expectation, with("Expect: tea")),
        (Refusal::FieldColon, with("nofield")),
        (Refusal::FieldFold, with("A: b\r\n c: d")),
        (Refusal::FieldName, with("A : b")),
        (Refusal::FieldValue, with("A: \0")),
        (Refusal::FieldsTooMany, with(&["A: b"; 8].join("\r\n"))),
        (Refusal::HeadTooLarge, with(&format!("A: {}", "b".repeat(1_024)))),
        (Refusal::HostInvalid, get("GET / HTTP/1.1").replace("Host: a", "Host: a/b")),
        (Refusal::HostMissing, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (Refusal::HostRepeated, with("Host: a")),
        (Refusal::LineEnd, "GET / HTTP/1.1\nHost: a\n\n".to_owned()),
        (Refusal::Method, get("G(T / HTTP/1.1")),
        (Refusal::MethodUnknown, get("BREW / HTTP/1.1")),
        (Refusal::MethodUnknown, get("TRACE / HTTP/1.1")),
        (Refusal::MethodUnknown, get("CONNECT a:1 HTTP/1.1")),
        (Refusal::RequestLine, get("GET /")),
        (Refusal::Target, get("GET /%zz HTTP/1.1")),
        (Refusal::TargetTooLong, get(&format!("GET /{} HTTP/1.1", "x".repeat(100)))),
        (Refusal::Trailer, chunked("0\r\nA b: c\r\n\r\n")),
        (Refusal::TrailerTooLarge, chunked(&format!("0\r\nA: {trailer}\r\n\r\n"))),
        (
            Refusal::TrailerTooLarge,
            chunked(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(TRAILER_FIELDS_MAX + 1))),
        ),
        (Refusal::TransferEncoding, with("Transfer-Encoding: gzip, chunked")),
        (Refusal::TransferEncodingUnknown, with("Transfer-Encoding: gzip")),
        (Refusal::Version, get("GET / HTTP/1.x")),
        (Refusal::VersionUnsupported, get("GET / HTTP/2.0")),
    ]
}

/// Nothing that comes after the end is looked at.
fn expect_deaf<H: Handler>(machine: &mut Machine<H>, reason: CloseReason) {
    let (sent, requests) = (machine.sent.len(), machine.tally.requests);
    assert_eq!(machine.receive(GET).1, Want::Close(reason));
    assert_eq!(machine.peer_closed(), Want::Close(reason));
    assert_eq!(machine.failed(), Want::Close(reason));
    assert_eq!((machine.sent.len(), machine.tally.requests), (sent, requests));
}

#[test]
fn every_broken_rule_is_answered_with_its_status_and_close_and_nothing_behind_it_is() {
    for (refusal, request) in bad_requests() {
        let mut machine = machine();
        let input = [GET, request.as_bytes(), GET].concat();
        assert_eq!(machine.feed(&input), Want::Close(CloseReason::Refused), "{request:?}");
        let answers = answers(&machine);
        assert_eq!(answers.len(), 2, "{request:?}");
        let (status, body, closes) = &answers[1];
        assert_eq!((*status, *closes), (refusal.status().code(), true), "{request:?}");
        assert!(body.ends_with(&format!("\n{}\n", refusal.message())), "{body:?}");
        assert_eq!(machine.tally.refusals[refusal as usize], 1, "{request:?}");
        assert_eq!(machine.tally.refusals.iter().sum::<u64>(), 1);
        expect_deaf(&mut machine, CloseReason::Refused);
    }
}

#[test]
fn every_refusal_has_a_request_here_but_those_for_time_end_and_memory() {
    let shown: Vec<_> = bad_requests().into_iter().map(|(refusal, _)| refusal).collect();
    let elsewhere = [
        Refusal::BodyTooSlow,
        Refusal::EndInsideRequest,
        Refusal::HeadTooSlow,
        Refusal::MemoryExhausted,
    ];
    for refusal in Refusal::ALL {
        assert!(shown.contains(&refusal) != elsewhere.contains(&refusal), "{refusal:?}");
    }
}

#[test]
fn a_refusal_is_json_for_who_accepts_it_and_without_body_for_head() {
    let mut machine = machine();
    let request = "HEAD / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nExpect: tea\r\n\r\n";
    machine.feed(request.as_bytes());
    let answer = read_answer(&machine.sent, |_| true).unwrap().unwrap();
    assert_eq!((answer.status, answer.len), (417, machine.sent.len()));
    assert!(memchr::memmem::find(&machine.sent, b"application/json").is_some());
}

#[test]
fn pipelined_requests_beyond_the_limit_of_a_turn_wait_for_the_next() {
    let mut machine = machine();
    machine.settings.pipelined_max = 3;
    assert_eq!(machine.receive(&GET.repeat(7)).1, Want::Again);
    assert_eq!(machine.tally.requests, 3);
    assert_eq!(machine.again(), Want::Again);
    assert_eq!(machine.again(), Want::Receive);
    assert_eq!(statuses(&machine), [200; 7]);
}

#[test]
fn no_more_is_answered_at_once_than_is_gathered_for_one_send() {
    const BODY: usize = 10_000;
    let body = vec![b'x'; BODY];
    let mut machine = Machine::new(settings(), move |_: &Request<'_>, response: Response<'_>| {
        response.bytes(body.as_slice())
    });
    assert_eq!(machine.receive(&GET.repeat(10)).1, Want::Again);
    assert_eq!(machine.tally.requests, (GATHER_BYTES / BODY + 1) as u64);
    assert!(machine.sent.len() < GATHER_BYTES + BODY + 500);
    assert_eq!(machine.again(), Want::Receive);
    assert_eq!(statuses(&machine), [200; 10]);
}

#[test]
fn after_a_drain_began_the_next_answer_is_the_last() {
    let mut machine = machine();
    machine.settings.pipelined_max = 1;
    assert_eq!(machine.receive(&GET.repeat(3)).1, Want::Again);
    machine.protocol.on_drain();
    assert_eq!(machine.again(), Want::Close(CloseReason::Drained));
    let closes: Vec<_> = answers(&machine).into_iter().map(|(.., closes)| closes).collect();
    assert_eq!(closes, [false, true]);
    expect_deaf(&mut machine, CloseReason::Drained);
}

#[test]
fn a_drain_waits_for_the_body_of_a_request_and_for_no_idle_connection() {
    let mut machine = machine();
    machine.feed(POST);
    machine.protocol.on_drain();
    assert_eq!(machine.feed(b"hello"), Want::Close(CloseReason::Drained));
    assert_eq!(answers(&machine), [(200, "hello".to_owned(), true)]);

    let mut machine = self::machine();
    machine.feed(GET);
    let sent = machine.sent.len();
    machine.protocol.on_drain();
    let began = machine.now + Duration::from_secs(1);
    let due = machine.protocol.deadline(&machine.settings, Some(began));
    assert_eq!(due, began + machine.settings.drain_idle_time);
    machine.now = due;
    assert_eq!(machine.deadline_reached(), Want::Drop(CloseReason::Drained));
    assert_eq!(machine.sent.len(), sent);
}

#[test]
fn who_asks_for_close_is_told_so_and_who_speaks_1_0_is_told_otherwise() {
    let mut machine = machine();
    machine.feed(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(read_answer(&machine.sent, |_| false).unwrap().unwrap().keeps_alive);
    let want = machine.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(want, Want::Close(CloseReason::ByRequest));
    assert!(answers(&machine)[1].2);
    expect_deaf(&mut machine, CloseReason::ByRequest);

    let mut machine = self::machine();
    assert_eq!(machine.feed(b"GET / HTTP/1.0\r\n\r\n"), Want::Close(CloseReason::ByRequest));
}

/// The present deadline, counted from `since`.
fn due_in<H: Handler>(machine: &Machine<H>, since: Moment) -> Duration {
    machine.protocol.deadline(&machine.settings, None) - since
}

#[test]
fn a_connection_that_sends_nothing_ends_without_an_answer() {
    let mut machine = machine();
    assert_eq!(due_in(&machine, machine.now), machine.settings.head_time);
    machine.now = machine.now + machine.settings.head_time;
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::NothingReceived));
    assert!(machine.sent.is_empty());
}

#[test]
fn a_kept_connection_ends_without_an_answer_after_its_idle_time() {
    let mut machine = machine();
    machine.now = machine.now + Duration::from_secs(3);
    machine.feed(GET);
    assert_eq!(due_in(&machine, machine.now), machine.settings.idle_time);
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::IdleTimeout));
    assert_eq!(statuses(&machine), [200]);
}

#[test]
fn a_head_has_its_time_in_total_from_its_first_byte() {
    let mut machine = machine();
    machine.now = machine.now + Duration::from_secs(3);
    let began = machine.now;
    for byte in &GET[..GET.len() - 1] {
        assert_eq!(machine.feed(&[*byte]), Want::Receive);
        assert_eq!(due_in(&machine, began), machine.settings.head_time);
        machine.now = machine.now + Duration::from_millis(200);
    }
    assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::Refused));
    assert_eq!(machine.tally.refusals[Refusal::HeadTooSlow as usize], 1);
    assert_eq!(statuses(&machine), [408]);
    expect_deaf(&mut machine, CloseReason::Refused);
}

#[test]
fn a_body_has_its_time_in_total_from_the_end_of_its_head() {
    for body in ["hell", ""] {
        let mut machine = machine();
        machine.feed(&POST[..10]);
        machine.now = machine.now + Duration::from_secs(3);
        machine.feed(&POST[10..]);
        let began = machine.now;
        machine.now = machine.now + Duration::from_secs(3);
        assert_eq!(machine.feed(body.as_bytes()), Want::Receive);
        assert_eq!(due_in(&machine, began), machine.settings.body_time);
        assert_eq!(machine.deadline_reached(), Want::Close(CloseReason::Refused));
        assert_eq!(machine.tally.refusals[Refusal::BodyTooSlow as usize], 1);
        assert_eq!(statuses(&machine), [408]);
    }
}

#[test]
fn a_line_end_between_requests_does_not_begin_a_head() {
    let mut machine = machine();
    machine.feed(GET);
    let answered = machine.now;
    for byte in b"\r\n" {
        machine.now = machine.now + Duration::from_secs(1);
        machine.feed(&[*byte]);
        assert_eq!(due_in(&machine, answered), machine.settings.idle_time);
    }
    machine.feed(b"G");
    assert_eq!(due_in(&machine, machine.now), machine.settings.head_time);
    machine.feed(&GET[1..]);
    assert_eq!(statuses(&machine), [200; 2]);
}

#[test]
fn time_in_which_answers_kept_the_worker_from_receiving_is_not_counted() {
    for (begun, time) in [
        (&b""[..], settings().idle_time),
        (&GET[..5], settings().head_time),
        (POST, settings().body_time),
    ] {
        let mut machine = machine();
        machine.feed(&[GET, begun].concat());
        machine.now = machine.now + Duration::from_secs(100);
        machine.protocol.on_sent(&machine.settings, machine.now);
        assert_eq!(due_in(&machine, machine.now), time);
    }
}

#[test]
fn a_peer_that_ends_between_requests_is_closed_without_an_answer() {
    for before in [&b""[..], b"\r", b"\r\n", GET, &[GET, b"\r\n"].concat()] {
        let mut machine = machine();
        machine.feed(before);
        let sent = machine.sent.len();
        assert_eq!(machine.peer_closed(), Want::Close(CloseReason::PeerClosed));
        assert_eq!(machine.sent.len(), sent);
        expect_deaf(&mut machine, CloseReason::PeerClosed);
    }
}

#[test]
fn a_peer_that_ends_inside_a_request_is_refused() {
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab";
    for part in [&GET[..1], &GET[..GET.len() - 1], POST, &[POST, b"hell"].concat(), chunked] {
        let mut machine = machine();
        assert_eq!(machine.feed(part), Want::Receive);
        assert_eq!(machine.peer_closed(), Want::Close(CloseReason::Refused));
        assert_eq!(machine.tally.refusals[Refusal::EndInsideRequest as usize], 1);
        assert_eq!(statuses(&machine), [400]);
        assert_eq!(machine.tally.requests, 0);
    }
}

#[test]
fn a_broken_connection_is_not_answered() {
    let mut machine = machine();
    machine.feed(POST);
    assert_eq!(machine.failed(), Want::Close(CloseReason::Failed));
    assert!(machine.sent.is_empty());
    expect_deaf(&mut machine, CloseReason::Failed);
}

#[test]
fn a_body_is_asked_for_only_while_none_of_it_has_arrived() {
    let mut machine = machine();
    assert_eq!(machine.feed(&EXPECT[..30]), Want::Receive);
    assert_eq!(machine.feed(&EXPECT[30..]), Want::Receive);
    assert_eq!(machine.sent, CONTINUE);
    machine.feed(b"hello");
    assert_eq!(statuses(&machine), [100, 200]);

    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
    for (head, body, statuses) in [
        (EXPECT, &b"h"[..], &[200][..]),
        (EXPECT, b"hello", &[200]),
        (chunked, b"", &[100, 200]),
        (chunked, b"5", &[200]),
    ] {
        let mut machine = self::machine();
        machine.feed(&[head, body].concat());
        machine.feed(if head == EXPECT {
            &b"hello"[body.len()..]
        } else {
            &b"5\r\nhello\r\n0\r\n\r\n"[body.len()..]
        });
        assert_eq!(self::statuses(&machine), statuses);
        assert_eq!(machine.tally.answers, 1, "an interim answer is no answer");
    }
}

#[test]
fn no_body_is_asked_for_that_is_not_wanted_or_not_expected() {
    let text = String::from_utf8_lossy(EXPECT).into_owned();
    for (request, statuses) in [
        (text.replace("1.1", "1.0"), &[][..]),
        (text.replace(": 5", ": 0"), &[200]),
        (text.replace(": 5", ": 100001"), &[413]),
        (text.replace("Content-Length: 5\r\n", ""), &[200]),
    ] {
        let mut machine = machine();
        machine.feed(request.as_bytes());
        assert_eq!(self::statuses(&machine), statuses, "{request}");
    }
}

#[test]
fn an_error_answers_with_its_status_and_the_connection_goes_on() {
    let mut machine = Machine::new(settings(), |request: &Request<'_>, _: Response<'_>| {
        if request.path() == "/" {
            return Err(Error::not_found("nothing here"));
        }
        let number: u32 = "secret".parse()?;
        unreachable!("{number}")
    });
    assert_eq!(machine.feed(GET), Want::Receive);
    assert_eq!(machine.feed(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), Want::Receive);
    let answers = answers(&machine);
    assert_eq!((answers[0].0, answers[0].2), (404, false));
    assert!(answers[0].1.contains("nothing here"));
    assert_eq!((answers[1].0, answers[1].2), (500, false));
    assert!(!answers[1].1.contains("digit"), "the client does not see the reason");
    assert_eq!((machine.tally.requests, machine.tally.by_class[4]), (2, 1));
}

#[test]
fn a_panic_answers_500_closes_and_leaves_nothing_of_the_answer_in_the_making() {
    let mut machine = Machine::new(settings(), |_: &Request<'_>, response: Response<'_>| {
        let _begun = response.header("Set-Cookie", "a=b").status(Status::CREATED);
        std::panic::resume_unwind(Box::new("a scripted panic"))
    });
    assert_eq!(machine.feed(&GET.repeat(2)), Want::Close(CloseReason::Panicked));
    let answers = answers(&machine);
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0, answers[0].2), (500, true));
    assert_eq!((machine.tally.panics, machine.tally.by_class[5]), (1, 1));
    expect_deaf(&mut machine, CloseReason::Panicked);
}

#[test]
fn a_handler_that_answers_and_fails_has_answered() {
    let mut machine = Machine::new(settings(), |_: &Request<'_>, response: Response<'_>| {
        let _proof = response.text("done");
        Err(Error::internal("too late"))
    });
    assert_eq!(machine.feed(&GET.repeat(2)), Want::Receive);
    assert_eq!(
        answers(&machine),
        [(200, "done".to_owned(), false), (200, "done".to_owned(), false)]
    );
}

#[test]
fn a_handler_that_answers_and_panics_has_answered_and_the_connection_ends() {
    let mut machine = Machine::new(settings(), |_: &Request<'_>, response: Response<'_>| {
        let _proof = response.text("done");
        std::panic::resume_unwind(Box::new("a scripted panic"))
    });
    assert_eq!(machine.feed(&GET.repeat(2)), Want::Close(CloseReason::Panicked));
    assert_eq!(answers(&machine), [(200, "done".to_owned(), false)]);
    assert_eq!(machine.tally.by_class[2], 1);
}

#[test]
fn the_proof_of_another_answer_is_no_answer() {
    let kept: Cell<Option<Responded>> = Cell::new(None);
    let mut machine = Machine::new(settings(), |_: &Request<'_>, response: Response<'_>| {
        if let Some(proof) = kept.take() {
            return Ok(proof);
        }
        kept.set(response.text("answered, but the proof is kept").ok());
        Err(Error::internal("the proof is kept"))
    });
    assert_eq!(machine.feed(&GET.repeat(3)), Want::Receive);
    assert_eq!(statuses(&machine), [200, 500, 200]);
}
