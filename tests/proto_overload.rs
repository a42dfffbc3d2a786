//! What the HTTP/1 machine does with requests that waited too long: turned away in order, cheaply,
//! and without losing the connection where that can be helped.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/response_reader.rs"]
mod response_reader;

use corelane::clock::Moment;
use corelane::proto::{CloseReason, Want};
use corelane::{Handler, HandlerResult, Request, Response, Router, Settings, Status};

use machine::Machine;
use response_reader::read_answer;

fn router() -> Router {
    Router::new()
        .get("/health", |_, res| res.text("well"))
        .get("/", |_, res| res.text("served"))
        .post("/", |req, res| res.bytes(req.body()))
        .vital("/health")
}

fn overdue<H: Handler>(handler: H) -> Machine<H> {
    let mut machine = Machine::new(Settings::default(), handler);
    machine.is_overdue = true;
    machine
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Status, body and whether it says `close`, of each answer sent.
fn answers<H: Handler>(machine: &Machine<H>) -> Vec<(u16, String, bool)> {
    let (mut rest, mut answers) = (&machine.sent[..], Vec::new());
    while !rest.is_empty() {
        let answer = read_answer(rest, |_| false).unwrap().expect("whole answers are sent");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        answers.push((answer.status, body, answer.closes));
        rest = &rest[answer.len..];
    }
    answers
}

fn away(closes: bool) -> (u16, String, bool) {
    (503, String::new(), closes)
}

fn served(body: &str) -> (u16, String, bool) {
    (200, body.to_owned(), false)
}

#[test]
fn a_request_is_turned_away_with_the_time_to_come_back_and_its_connection_stays() {
    let mut machine = overdue(router());
    assert_eq!(machine.feed(get("/").as_bytes()), Want::Receive);
    let answer = String::from_utf8(machine.sent.clone()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\nServer: corelane\r\nDate: "));
    assert!(answer.ends_with(" GMT\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"), "{answer}");
    machine.is_overdue = false;
    assert_eq!(machine.feed(get("/").as_bytes()), Want::Receive);
    assert_eq!(answers(&machine), [away(false), served("served")]);
    let tally = &machine.tally;
    assert_eq!((tally.shed, tally.requests, tally.answers), (1, 1, 2));
    assert_eq!((tally.by_class[2], tally.by_class[5]), (1, 1));
}

#[test]
fn pipelined_requests_are_turned_away_in_order_and_the_vital_are_served() {
    let mut machine = overdue(router());
    let requests =
        [get("/"), post("abc"), get("/health"), post(""), get("/none"), get("/health")].concat();
    assert_eq!(machine.feed(requests.as_bytes()), Want::Receive);
    let (no, well) = (away(false), served("well"));
    assert_eq!(answers(&machine), [no.clone(), no.clone(), well.clone(), no.clone(), no, well]);
}

#[test]
fn head_of_a_vital_route_is_vital_and_another_method_is_not() {
    let mut machine = overdue(router());
    machine.feed(get("/health").replace("GET", "HEAD").as_bytes());
    assert!(machine.sent.starts_with(b"HTTP/1.1 200 OK\r\n"));
    machine.sent.clear();
    machine.feed(get("/health").replace("GET", "DELETE").as_bytes());
    assert_eq!(answers(&machine), [away(false)]);
}

#[test]
fn a_body_that_has_not_arrived_is_not_waited_for() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for request in [post("abcdef").trim_end_matches("def"), chunked] {
        let mut machine = overdue(router());
        assert_eq!(machine.feed(request.as_bytes()), Want::Close(CloseReason::BodyUnread));
        assert_eq!(answers(&machine), [away(true)]);
        assert_eq!(machine.tally.shed, 1);
    }
}

#[test]
fn nobody_is_told_to_continue() {
    let mut machine = overdue(router());
    let expecting =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(machine.feed(expecting.as_bytes()), Want::Close(CloseReason::BodyUnread));
    assert_eq!(answers(&machine), [away(true)]);
}

#[test]
fn the_connection_ends_when_its_client_or_a_limit_says_so() {
    let mut machine = overdue(router());
    let closing = get("/").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    assert_eq!(machine.feed(closing.as_bytes()), Want::Close(CloseReason::ByRequest));
    assert_eq!(answers(&machine), [away(true)]);

    let mut machine = overdue(router());
    machine.feed(get("/").replace("1.1", "1.0").as_bytes());
    assert_eq!(answers(&machine), [away(true)]);

    let mut machine = overdue(router());
    machine.settings.requests_max = 2;
    machine.feed([get("/"), get("/"), get("/")].concat().as_bytes());
    assert_eq!(answers(&machine), [away(false), away(true)]);
    assert_eq!(machine.protocol.state().end(), Some(CloseReason::RequestsMax));
}

#[test]
fn what_breaks_a_rule_is_refused_all_the_same() {
    let mut machine = overdue(router());
    assert_eq!(machine.feed(b"GET / HTTP/1.1\r\n\r\n"), Want::Close(CloseReason::Refused));
    assert_eq!(answers(&machine)[0].0, 400);
    assert_eq!(machine.tally.shed, 0);
}

struct Undecided;

impl Handler for Undecided {
    fn handle(&mut self, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.status(Status::OK).empty()
    }

    fn is_vital(&self, _: &Request<'_>) -> bool {
        panic!("it cannot say")
    }
}

#[test]
fn a_handler_that_panics_when_it_is_asked_answers_500() {
    let mut machine = overdue(Undecided);
    assert_eq!(machine.feed(get("/").as_bytes()), Want::Close(CloseReason::Panicked));
    assert_eq!(answers(&machine)[0].0, 500);
    assert_eq!((machine.tally.panics, machine.tally.shed), (1, 0));
}

#[test]
fn what_a_request_waited_for_others_of_its_client_or_for_a_place_is_not_counted() {
    let ms = std::time::Duration::from_millis;
    let mut machine = Machine::new(Settings::default(), router());
    let born = machine.now + ms(10_000);
    machine.now = born + ms(500);
    let waited = |machine: &Machine<_>, open: u64| {
        let accepting = Moment::from_nanos(machine.now.as_nanos() - open * 1_000_000);
        machine.protocol.waited_at_most(machine.now, accepting)
    };
    assert_eq!(waited(&machine, 5_000), Some(ms(5_000)), "before it was accepted");
    assert_eq!(waited(&machine, 30), Some(ms(30)), "for a place");
    machine.feed(get("/").as_bytes());
    machine.now = born + ms(510);
    assert_eq!(waited(&machine, 5_000), Some(ms(10)));
    machine.feed(post("abcdef").trim_end_matches("def").as_bytes());
    assert_eq!(waited(&machine, 5_000), None, "within a body");
}
