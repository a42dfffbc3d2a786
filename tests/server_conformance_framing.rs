//! How a body's end is known, row by row: lengths, transfer codings, chunks and trailers, asked of
//! the example for the conformance suites. Knows nothing below the public face.

#[path = "../examples/conformance.rs"]
#[allow(dead_code, reason = "the example's main function")]
mod conformance;
#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/rows.rs"]
mod rows;

use http_client::Client;
use rows::{BEHIND, TEXT, answer_to, answers, coded, server};

/// RFC 9112 sections 6.2 and 6.3, RFC 9110 section 8.6.
#[test]
fn content_length_is_digits_and_stands_once() {
    let mut table = Vec::new();
    for length in [
        "", " ", "a", "5a", "+5", "-5", "0x5", "05", "5.0", "5,", ",5", "5,5", "5 5", "\"5\"", "5;",
    ] {
        table.push((400, format!("Content-Length: {length}\r\n\r\nabcde")));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 6\r\n\r\nabcdef",
        "Content-Length: 5\r\nContent-Length:\r\n\r\nabcde",
        "Content-Length: 18446744073709551616\r\n\r\n",
        "Content-Length: 99999999999999999999999999999999999999\r\n\r\n",
    ] {
        table.push((400, fields.to_owned()));
    }
    table.push((413, "Content-Length: 1073741825\r\n\r\n".to_owned()));
    table.push((413, "Expect: 100-continue\r\nContent-Length: 1073741825\r\n\r\n".to_owned()));
    table.push((200, "Content-Length:\t5 \r\n\r\nabcde".to_owned()));
    for method in ["GET", "POST", "DELETE"] {
        for (status, fields) in &table {
            let status = if (method, *status) == ("DELETE", 200) { 405 } else { *status };
            let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}");
            answers(&[(status, request.as_bytes())]);
        }
    }
}

/// RFC 9112 sections 6.1, 6.3 and 7.
#[test]
fn transfer_encoding_is_chunked_alone_and_in_1_1() {
    let mut table = Vec::new();
    for (status, fields) in [
        (200, "Transfer-Encoding: chunked"),
        (200, "transfer-encoding:\tCHUNKED \t"),
        (501, "Transfer-Encoding: gzip"),
        (501, "Transfer-Encoding: identity"),
        (501, "Transfer-Encoding: xchunked"),
        (400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        (400, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        (400, "Content-Length: 5\r\nTransfer-Encoding: identity"),
        (400, "Content-Length: 5\r\nTransfer-Encoding:"),
        (400, "Transfer-Encoding:"),
        (400, "Transfer-Encoding: ,"),
        (400, "Transfer-Encoding: ,chunked"),
        (400, "Transfer-Encoding: chunked,"),
        (400, "Transfer-Encoding: chunked chunked"),
        (400, "Transfer-Encoding: chunked, chunked"),
        (400, "Transfer-Encoding: gzip, chunked"),
        (400, "Transfer-Encoding: chunked, gzip"),
        (400, "Transfer-Encoding: chunked;q=1"),
        (400, "Transfer-Encoding: \"chunked\""),
        (400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding:\r\n chunked"),
        (400, "Transfer-Encoding : chunked"),
    ] {
        table.push((status, format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n")));
    }
    for keep in ["", "Connection: keep-alive\r\n"] {
        let head = format!("POST / HTTP/1.0\r\n{keep}Transfer-Encoding: chunked\r\n\r\n");
        table.push((400, head + "0\r\n\r\n"));
    }
    let table: Vec<_> = table.iter().map(|(status, input)| (*status, input.as_bytes())).collect();
    answers(&table);
}

/// RFC 9112 section 7.1.
#[test]
fn chunked_bodies_are_decoded_to_their_last_byte_or_refused() {
    for (body, chunks) in [
        ("", "0\r\n\r\n"),
        ("", "0000000000000000\r\n\r\n"),
        ("abcde", "5\r\nabcde\r\n0\r\n\r\n"),
        ("abcde", "0000000000000005\r\nabcde\r\n0\r\n\r\n"),
        ("abcdefghij", "a\r\nabcdefghij\r\n0\r\n\r\n"),
        ("abcdefghij", "0A\r\nabcdefghij\r\n0\r\n\r\n"),
        ("\r\n0\r\n\r\n", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        ("ab", "1;x\r\na\r\n1 ; x = y ;z=\"\\\"; \"\r\nb\r\n0;end\r\n\r\n"),
        ("a", "1\r\na\r\n0\r\nX: y\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ] {
        let server = server();
        let mut client = Client::to(&server);
        let answer = client.send(coded(chunks) + BEHIND).answer();
        assert_eq!((answer.status, answer.text()), (200, body), "{}", chunks.escape_debug());
        assert_eq!(client.answer().text(), TEXT, "behind {}", chunks.escape_debug());
    }
    let long = |chunks: &str, filling: &str| chunks.replace('@', &filling.repeat(70_000));
    for (status, chunks) in [
        (400, "00000000000000005\r\nabcde\r\n".to_owned()),
        (400, "5\t;x\t\r\nabcde\r\n".to_owned()),
        (400, "5;x y\r\nabcde\r\n".to_owned()),
        (400, "5;x=\"y\r\nabcde\r\n".to_owned()),
        (400, "5;x=\"\x7f\"\r\nabcde\r\n".to_owned()),
        (400, "5\r\nabcde\n0\r\n\r\n".to_owned()),
        (400, "5\r\nabcdef\r\n0\r\n\r\n".to_owned()),
        (400, "5\r\nabcde\r\n\r\n".to_owned()),
        (400, long("5;x=@\r\nabcde\r\n0\r\n\r\n", "y")),
        (400, long("5@\r\nabcde\r\n0\r\n\r\n", ";x")),
        (431, long("0\r\nX: @\r\n\r\n", "y")),
        (431, long("0\r\n@\r\n", "X: y\r\n")),
        (400, "0\r\nX\r\n\r\n".to_owned()),
        (400, "0\r\nX: y\r\n z\r\n\r\n".to_owned()),
    ] {
        answers(&[(status, coded(&chunks).as_bytes())]);
    }
}

/// RFC 9110 section 6.5.1: what comes behind a body changes nothing of its head.
#[test]
fn trailer_fields_are_never_taken_for_fields() {
    let server = server();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = "0\r\nHost: b\r\nCookie: c\r\nAuthorization: d\r\nX: y\r\n\r\n";
    let echoed = answer_to(&server, head.to_owned() + trailers);
    assert_eq!(echoed.text(), "Host: a\nTransfer-Encoding: chunked\n");
}
