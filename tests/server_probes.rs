//! Every probe of Http11Probe, at the commit that `tests/conformance.sh` names, asked of the
//! example made for it: none fails, and which only warn is held with its reason. Knows the probes
//! as data; the suite itself is run by `tests/conformance.sh`.

#[path = "../examples/conformance.rs"]
#[allow(dead_code, reason = "the example's main function")]
mod conformance;
#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/probe.rs"]
mod probe;
#[path = "support/probes.rs"]
mod probes;

use std::collections::BTreeSet;

use corelane::Running;
use http_client::{Answer, Client, serve};
use probe::{Probe, Wants};
use probes::{GROUPS, WAITING};

/// Probes that we pass with a warning, because the reading that they warn of is the right one.
const WARNED: [(&str, &str); 22] = [
    ("COMP-ACCEPT-NONSENSE", "an application may send what it has (RFC 9110 section 12.5.1)"),
    ("COMP-GET-WITH-CL-BODY", "a body of GET has no meaning, but a length"),
    ("COMP-HTTP10-NO-HOST", "HTTP/1.0 has no Host"),
    ("COMP-HTTP12-VERSION", "served as 1.1; only a close without a word passes"),
    ("COMP-UPGRADE-INVALID-VER", "an Upgrade that nobody takes up is ignored"),
    ("MAL-CL-TAB-BEFORE-VALUE", "a tab is OWS (RFC 9110 section 5.6.3)"),
    ("MAL-RANGE-OVERLAPPING", "ignored; only a close without a word passes"),
    ("MAL-URL-PERCENT-CRLF", "a valid URI that nothing here decodes"),
    ("MAL-URL-PERCENT-NULL", "a valid URI that nothing here decodes"),
    ("SMUG-ABSOLUTE-URI-HOST-MISMATCH", "the target's host wins (RFC 9112 section 3.2.2)"),
    ("SMUG-CL-EXTRA-LEADING-SP", "blanks are OWS (RFC 9110 section 5.6.3)"),
    ("SMUG-CL-TRAILING-SPACE", "a blank is OWS (RFC 9110 section 5.6.3)"),
    ("SMUG-CL0-BODY-POISON", "what follows a body is the next request, and refused"),
    ("SMUG-EXPECT-100-CL", "the body is there already (RFC 9110 section 10.1.1)"),
    ("SMUG-HEAD-CL-BODY", "a body of HEAD has no meaning, but a length"),
    ("SMUG-OPTIONS-CL-BODY", "OPTIONS may have a body (RFC 9110 section 9.3.7)"),
    ("SMUG-TRAILER-AUTH", "trailer fields are dropped, all of them"),
    ("SMUG-TRAILER-CL", "trailer fields are dropped, all of them"),
    ("SMUG-TRAILER-CONTENT-TYPE", "trailer fields are dropped, all of them"),
    ("SMUG-TRAILER-HOST", "trailer fields are dropped, all of them"),
    ("SMUG-TRAILER-TE", "trailer fields are dropped, all of them"),
    ("SMUG-TRANSFER_ENCODING", "another field, which frames nothing"),
];

/// Probes of two steps: name, what is sent, and the statuses of the answers. `{etag}` and
/// `{modified}` stand for what the first answer told. None is scored.
const SEQUENCES: [(&str, [&str; 2], [u16; 2]); 15] = [
    ("CAP-ETAG-304", [GET, "If-None-Match: {etag}"], [200, 304]),
    ("CAP-ETAG-IN-304", [GET, "If-None-Match: {etag}"], [200, 304]),
    ("CAP-ETAG-WEAK", [GET, "If-None-Match: W/{etag}"], [200, 304]),
    ("CAP-IMS-FUTURE", [GET, "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT"], [200, 200]),
    ("CAP-IMS-INVALID", [GET, "If-Modified-Since: x"], [200, 200]),
    (
        "CAP-INM-PRECEDENCE",
        [GET, "If-None-Match: {etag}\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
        [200, 304],
    ),
    ("CAP-INM-UNQUOTED", [GET, "If-None-Match: {opaque}"], [200, 200]),
    ("CAP-INM-WILDCARD", [GET, "If-None-Match: *"], [200, 304]),
    ("CAP-LAST-MODIFIED-304", [GET, "If-Modified-Since: {modified}"], [200, 304]),
    (
        "SMUG-CL0-BODY-POISON",
        ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nX", GET],
        [200, 501],
    ),
    (
        "SMUG-EXPECT-100-CL-DESYNC",
        [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
            GET,
        ],
        [200, 200],
    ),
    (
        "SMUG-GET-CL-BODY-DESYNC",
        ["GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", GET],
        [200, 200],
    ),
    (
        "SMUG-GET-CL-PREFIX-DESYNC",
        [
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ],
        [200, 200],
    ),
    (
        "SMUG-OPTIONS-CL-BODY-DESYNC",
        ["OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", GET],
        [204, 200],
    ),
    ("SMUG-PIPELINE-SAFE", [GET, GET], [200, 200]),
];

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn server() -> Running {
    serve(conformance::settings(), conformance::application)
}

/// Reads what follows an answer: its connection's end if it says so, else the next answer.
fn expect_next(client: &mut Client, answer: &Answer, name: &str) {
    if answer.says_close() {
        client.finish_sending().expect_end();
    } else {
        assert_eq!(client.answer().text(), "corelane speaks HTTP/1.1\n", "behind {name}");
    }
}

fn has_what_is_wanted(probe: &Probe, answer: &Answer) -> bool {
    match probe.wants {
        Wants::Body(body) => answer.body == body,
        Wants::Close => answer.says_close(),
        Wants::Field(name) => answer.field(name).is_some(),
        Wants::NoField(name) => answer.field(name).is_none(),
        Wants::Nothing => true,
        Wants::Without(bytes) => !answer.body.windows(bytes.len()).any(|part| part == bytes),
    }
}

#[test]
fn no_probe_fails_and_those_that_warn_are_known() {
    let server = server();
    let mut warned = BTreeSet::from(["SMUG-CL0-BODY-POISON"]);
    for group in &GROUPS {
        for probe in group.probes {
            let name = probe.name;
            let bytes = probe.bytes();
            let mut client = Client::to(&server);
            // Whatever the probe leaves unread would spoil the request behind it.
            client.send([&bytes, GET.as_bytes()].concat());
            let is_head = bytes.starts_with(b"HEAD ");
            let answer = if is_head { client.answer_to_head() } else { client.answer() };
            if group.warns.contains(&answer.status) {
                warned.insert(name);
            } else {
                assert!(group.passes.contains(&answer.status), "{name}: {answer:?}");
            }
            assert!(has_what_is_wanted(probe, &answer), "{name}: {answer:?}");
            expect_next(&mut client, &answer, name);
        }
    }
    assert_eq!(warned, WARNED.iter().map(|(name, _)| *name).collect());
}

#[test]
fn an_unfinished_request_is_waited_for_and_refused_when_it_cannot_be_finished() {
    let server = server();
    for probe in WAITING {
        let mut client = Client::to(&server);
        let answer = client.send(probe.bytes()).finish_sending().answer();
        assert_eq!((answer.status, answer.says_close()), (400, true), "{}", probe.name);
        client.expect_end();
    }
    // MAL-EMPTY-REQUEST.
    Client::to(&server).finish_sending().expect_end();
}

#[test]
fn no_probe_of_two_steps_fails() {
    let server = server();
    for (name, [first, second], statuses) in SEQUENCES {
        let mut client = Client::to(&server);
        let told = client.send(first).answer();
        let second = if second.contains(" / HTTP/1.1") {
            second.to_owned()
        } else {
            let etag = told.field("etag").unwrap();
            let second = second.replace("{etag}", etag);
            let second = second.replace("{opaque}", etag.trim_matches('"'));
            let second = second.replace("{modified}", told.field("last-modified").unwrap());
            format!("GET / HTTP/1.1\r\nHost: a\r\n{second}\r\n\r\n")
        };
        let answer = client.send(second + GET).answer();
        assert_eq!([told.status, answer.status], statuses, "{name}");
        let is_known = answer.status == 304;
        assert!(!is_known || answer.field("etag").is_some(), "{name}: {answer:?}");
        expect_next(&mut client, &answer, name);
    }
}

#[test]
fn every_probe_is_told_once() {
    let single = || GROUPS.iter().flat_map(|group| group.probes).chain(&WAITING);
    let scored = single().filter(|probe| probe.is_scored).count() + ["MAL-EMPTY-REQUEST"].len();
    let unscored = single().filter(|probe| !probe.is_scored).count() + SEQUENCES.len();
    assert_eq!((scored, unscored), (161, 54));
    let names: BTreeSet<_> = single().map(|probe| probe.name).collect();
    assert_eq!(names.len(), single().count());
}
