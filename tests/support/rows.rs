//! Requests by the status that answers them, asked of the example for the conformance suites.
//! Knows nothing below the public face, and no rule: those stand in the tables.

#![allow(dead_code, reason = "every test program uses a part of it")]

use corelane::Running;

use crate::conformance;
use crate::http_client::{Answer, Client, serve};

pub(crate) const TEXT: &str = "corelane speaks HTTP/1.1\n";
/// Behind every request of a table: answered if the connection lives on, and never if not.
pub(crate) const BEHIND: &str = "GET / HTTP/1.1\r\nHost: behind\r\n\r\n";

pub(crate) fn server() -> Running {
    serve(conformance::settings(), conformance::application)
}

/// Each input is answered with its status. One of 400 and above and not in `LIVING` closes, and
/// nothing behind it is answered.
pub(crate) fn answers(table: &[(u16, &[u8])]) {
    let server = server();
    for (status, input) in table {
        let shown = input[..input.len().min(200)].escape_ascii();
        let mut client = Client::to(&server);
        client.send([input, BEHIND.as_bytes()].concat());
        let answer =
            if input.starts_with(b"HEAD ") { client.answer_to_head() } else { client.answer() };
        assert_eq!(answer.status, *status, "{shown}: {}", answer.body.escape_ascii());
        if *status < 400 || LIVING.contains(status) {
            assert_eq!(client.answer().text(), TEXT, "behind {shown}");
        } else {
            assert!(answer.says_close(), "{shown}");
            client.finish_sending().expect_end();
        }
    }
}

/// Errors of the application's making, after which the connection goes on.
pub(crate) const LIVING: [u16; 2] = [404, 405];

/// The answer to a request that stands alone.
pub(crate) fn answer_to(server: &Running, request: impl AsRef<[u8]>) -> Answer {
    Client::to(server).send(request).answer()
}

/// A POST to `/` whose body is in chunks.
pub(crate) fn coded(chunks: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}
