//! The chunked decoder against tables, against every cut of its input and against a slow
//! reference decoder written from the grammar of RFC 9112 section 7.1.

#[path = "support/chunked_reference.rs"]
mod chunked_reference;

use std::ops::ControlFlow;

use corelane::limits::{CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};
use corelane::wire::chunked::{ChunkedDecoder, Step};
use corelane::wire::refusal::Refusal;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use chunked_reference::{End, Outcome};

/// Feeds `input` in pieces that end at `cuts` and at the input's end.
fn decode_cut(input: &[u8], cuts: &[usize]) -> Outcome {
    let mut decoder = ChunkedDecoder::new();
    let mut body = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&input.len()]) {
        let piece = &input[from..to];
        match feed(&mut decoder, piece, &mut body) {
            ControlFlow::Continue(()) => from = to,
            ControlFlow::Break(Ok(consumed)) => {
                return Outcome { body, end: End::Done(from + consumed) };
            }
            ControlFlow::Break(Err(why)) => return Outcome { body, end: End::Refused(why) },
        }
    }
    Outcome { body, end: End::NeedMore }
}

/// Feeds one piece until it is consumed or the message ended.
fn feed(
    decoder: &mut ChunkedDecoder,
    piece: &[u8],
    body: &mut Vec<u8>,
) -> ControlFlow<Result<usize, Refusal>> {
    let mut at = 0;
    loop {
        match decoder.next(&piece[at..]) {
            Ok(Step::Data { skip, len }) => {
                assert!(len > 0, "a step without body bytes");
                body.extend(&piece[at + skip..at + skip + len]);
                at += skip + len;
            }
            Ok(Step::NeedMore) => return ControlFlow::Continue(()),
            Ok(Step::Done { consumed }) => {
                assert!(decoder.is_done());
                return ControlFlow::Break(Ok(at + consumed));
            }
            Err(why) => return ControlFlow::Break(Err(why)),
        }
    }
}

fn decode(input: &[u8]) -> Outcome {
    decode_cut(input, &[])
}

fn refusal(input: &[u8]) -> Refusal {
    match decode(input).end {
        End::Refused(why) => why,
        end => panic!("{:?}: {end:?}", String::from_utf8_lossy(input)),
    }
}

/// A message with everything the grammar has.
const FULL: &[u8] = b"4;a\r\nWiki\r\n\
    5 ; b = c\t;d=\"x\\\"\t;\xff\"\r\npedia\r\n\
    00e\r\n in\r\n\r\nchunks.\r\n\
    0;last\r\n\
    Expires: never\r\nX:\r\n\r\n";

#[test]
fn a_message_gives_its_body_and_ends_exactly() {
    let next_request = [FULL, b"GET / HTTP/1.1\r\n"].concat();
    let wanted =
        Outcome { body: b"Wikipedia in\r\n\r\nchunks.".to_vec(), end: End::Done(FULL.len()) };
    assert_eq!(decode(&next_request), wanted);
    let empty = Outcome { body: Vec::new(), end: End::Done(5) };
    assert_eq!(decode(b"0\r\n\r\n\r\n"), empty);
}

#[test]
fn body_bytes_come_in_few_steps_with_their_framing_skipped() {
    let mut decoder = ChunkedDecoder::new();
    assert_eq!(decoder.next(b""), Ok(Step::NeedMore));
    assert_eq!(decoder.next(b"5\r\nhel"), Ok(Step::Data { skip: 3, len: 3 }));
    assert_eq!(decoder.chunk_left(), 2);
    assert_eq!(decoder.next(b"lo\r\n3\r\nabc\r\n"), Ok(Step::Data { skip: 0, len: 2 }));
    assert_eq!(decoder.next(b"\r\n3\r\nabc\r\n"), Ok(Step::Data { skip: 5, len: 3 }));
    assert_eq!(decoder.next(b"\r\n0\r\n"), Ok(Step::NeedMore));
    assert!(!decoder.is_done());
    assert_eq!(decoder.next(b"\r\nGET"), Ok(Step::Done { consumed: 2 }));
    assert_eq!(decoder.next(b"GET"), Ok(Step::Done { consumed: 0 }));
    assert_eq!(decoder.next(b""), Ok(Step::Done { consumed: 0 }));
}

#[test]
fn an_announced_chunk_is_known_before_its_bytes() {
    let mut decoder = ChunkedDecoder::new();
    assert_eq!(decoder.next(b"fFfFfFfFfFfFfFfF\r\n"), Ok(Step::NeedMore));
    assert_eq!(decoder.chunk_left(), u64::MAX);
    assert_eq!(decoder.next(b"x"), Ok(Step::Data { skip: 0, len: 1 }));
    assert_eq!(decoder.chunk_left(), u64::MAX - 1);
}

#[test]
fn faulty_sizes_are_refused() {
    for input in [
        "\r\n",
        "\n",
        ";a\r\n",
        " 5\r\n",
        "\t5\r\n",
        "+5\r\n",
        "-5\r\n",
        "0x5\r\n",
        "5x\r\n",
        "5_0\r\n",
        "5 5\r\n",
        "5 \r\n",
        "5\t\r\n",
        "5\n",
        "5\rx",
        "5\r\r\n",
        "g\r\n",
        "5,\r\n",
        "5.\r\n",
        "5\u{e9}\r\n",
        "00000000000000005\r\n",
        "10000000000000000\r\n",
        "3\r\nabc\r\n\r\n",
        "3\r\nabc\r\n 0\r\n",
        "5;a\rx",
    ] {
        assert_eq!(refusal(input.as_bytes()), Refusal::ChunkSize, "{input:?}");
    }
}

#[test]
fn data_ends_in_crlf() {
    for input in ["3\r\nabcd\r\n", "3\r\nabc\n", "3\r\nabc\r\r", "3\r\nabc0\r\n", "3\r\nabc\rx"] {
        assert_eq!(refusal(input.as_bytes()), Refusal::ChunkDataEnd, "{input:?}");
    }
}

#[test]
fn well_formed_extensions_are_ignored() {
    for extensions in [
        ";a",
        ";a=b",
        " ; a = b",
        "\t;\ta\t=\tb",
        ";a;b;c",
        ";a=b;c=\"d\"",
        ";a ;b",
        ";a= \"\"",
        ";a=\"x y;z=1, \\\" \\\\ \t\"",
        ";!#$%&'*+-.^_`|~",
        ";a=\"\u{e9}\\\u{e9}\"",
    ] {
        let input = format!("1{extensions}\r\nx\r\n0{extensions}\r\n\r\n");
        let wanted = Outcome { body: b"x".to_vec(), end: End::Done(input.len()) };
        assert_eq!(decode(input.as_bytes()), wanted, "{extensions}");
        assert_eq!(chunked_reference::decode(input.as_bytes()), wanted, "{extensions}");
    }
}

#[test]
fn malformed_extensions_are_refused() {
    for extensions in [
        ";",
        "; ",
        ";;",
        ";;a",
        ";a;",
        ";=b",
        ";a=",
        ";a= ",
        ";a=;b",
        ";a ",
        ";a=b ",
        ";a=\"b\" ",
        ";a b",
        ";a=b c",
        ";a=\"b\"c",
        ";a=\"b",
        ";a=\"b\\",
        ";a=b\"",
        ";a==b",
        ";a@",
        ";(a)",
        ";a\0",
        ";a=\x7f",
        ";a=\"\x0b\"",
        ";a=\"\\\x01\"",
        ";a\n",
        ";a=b\n",
        ";a=\"b\"\n",
        ";a=\"\n\"",
        ";\u{e9}",
        ";a=\u{e9}",
    ] {
        let input = format!("1{extensions}\r\nx\r\n0\r\n\r\n");
        assert_eq!(refusal(input.as_bytes()), Refusal::ChunkExtension, "{extensions:?}");
    }
}

#[test]
fn extensions_are_bounded_over_the_whole_message() {
    let chunk = |bytes: usize| format!("1;{}\r\nx\r\n", "a".repeat(bytes - 1));
    let half = CHUNK_EXTENSION_BYTES_MAX / 2;
    let full = chunk(half) + &chunk(half);
    assert_eq!(decode((full.clone() + "0\r\n\r\n").as_bytes()).body, b"xx");
    assert_eq!(refusal((full + "0;a\r\n\r\n").as_bytes()), Refusal::ChunkExtension);
    let one = chunk(CHUNK_EXTENSION_BYTES_MAX + 1);
    assert_eq!(refusal(one.as_bytes()), Refusal::ChunkExtension);
    for filler in [" ", "\t", ";a=\"", "; ", ";a=", ";a=b;"] {
        let endless = format!("1{filler}{}", " ".repeat(CHUNK_EXTENSION_BYTES_MAX));
        assert_eq!(refusal(endless.as_bytes()), Refusal::ChunkExtension, "{filler:?}");
    }
}

#[test]
fn trailers_are_fields_and_dropped() {
    for trailers in ["a:\r\n", "a:b\r\nc: d\r\n", "Content-Length: 5\r\n", "a:\t\u{e9}:\t\r\n"] {
        let input = format!("0\r\n{trailers}\r\n");
        let wanted = Outcome { body: Vec::new(), end: End::Done(input.len()) };
        assert_eq!(decode(input.as_bytes()), wanted, "{trailers:?}");
    }
    for trailers in [
        "a\r\n",
        ":b\r\n",
        " a:b\r\n",
        "\ta:b\r\n",
        "a :b\r\n",
        "a\t:b\r\n",
        "a:b\r\n c\r\n",
        "a:b\n",
        "\n",
        "a:b\rc\r\n",
        "a:\0\r\n",
        "a:\x0b\r\n",
        "a:\x7f\r\n",
        "a(:b\r\n",
        "\u{e9}:b\r\n",
        "\rx",
        "a:b\r\n\r\r",
    ] {
        let input = format!("0\r\n{trailers}\r\n");
        assert_eq!(refusal(input.as_bytes()), Refusal::Trailer, "{trailers:?}");
    }
}

#[test]
fn trailers_are_bounded_in_bytes_and_in_fields() {
    let line = |bytes: usize| format!("a:{}\r\n", "b".repeat(bytes - 4));
    let fits = format!("0\r\n{}\r\n", line(TRAILER_BYTES_MAX - 2));
    assert_eq!(decode(fits.as_bytes()).end, End::Done(fits.len()));
    let over = format!("0\r\n{}\r\n", line(TRAILER_BYTES_MAX - 1));
    assert_eq!(refusal(over.as_bytes()), Refusal::TrailerTooLarge);
    let fits = format!("0\r\n{}\r\n", line(4).repeat(TRAILER_FIELDS_MAX));
    assert_eq!(decode(fits.as_bytes()).end, End::Done(fits.len()));
    let over = format!("0\r\n{}\r\n", line(4).repeat(TRAILER_FIELDS_MAX + 1));
    assert_eq!(refusal(over.as_bytes()), Refusal::TrailerTooLarge);
}

#[test]
fn every_prefix_of_a_message_asks_for_more() {
    for len in 0..FULL.len() {
        let outcome = decode(&FULL[..len]);
        assert_eq!(outcome.end, End::NeedMore, "{len}");
        assert_eq!(outcome, chunked_reference::decode(&FULL[..len]), "{len}");
    }
}

#[test]
fn no_cut_changes_a_result() {
    let whole = decode(FULL);
    let each_byte: Vec<usize> = (0..FULL.len()).collect();
    assert_eq!(decode_cut(FULL, &each_byte), whole);
    for first in 0..FULL.len() {
        for second in first..FULL.len() {
            assert_eq!(decode_cut(FULL, &[first, second]), whole, "{first} {second}");
        }
    }
}

#[test]
fn any_byte_anywhere_is_judged_as_the_grammar_says() {
    for at in 0..FULL.len() {
        for byte in 0..=255 {
            let mut input = FULL.to_vec();
            input[at] = byte;
            let wanted = chunked_reference::decode(&input);
            assert_eq!(decode(&input), wanted, "byte {byte:#x} at {at}");
            input[at] = FULL[at];
            input.insert(at, byte);
            let wanted = chunked_reference::decode(&input);
            assert_eq!(decode(&input), wanted, "byte {byte:#x} before {at}");
        }
    }
}

/// Pieces of the grammar in any order: often nearly a message.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(b"\r\n".to_vec()),
        4 => prop::sample::select(vec![&b"0"[..], b"1", b"2", b"A", b"0000000000000003"])
            .prop_map(<[u8]>::to_vec),
        4 => prop::sample::select(&b";= \t\"\\:ax,\r\n"[..]).prop_map(|byte| vec![byte]),
        4 => prop::sample::select(vec![
            &b";a=b"[..], b";a", b"=\"b\"", b"1\r\nx\r\n", b"2;a\r\n\r\n\r\n", b"0\r\n\r\n",
            b"a:b\r\n",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_in_any_cut_give_what_the_reference_gives(
        input in nearly_a_message(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let wanted = chunked_reference::decode(&input);
        prop_assert_eq!(decode_cut(&input, &cuts), wanted);
    }

    #[test]
    fn a_body_in_any_chunks_comes_out_whole(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut input = Vec::new();
        for chunk in &chunks {
            input.extend(format!("{:X}\r\n", chunk.len()).bytes());
            input.extend(chunk);
            input.extend(b"\r\n");
        }
        input.extend(b"0\r\n\r\n");
        let end = End::Done(input.len());
        input.extend(tail);
        prop_assert_eq!(decode(&input), Outcome { body: chunks.concat(), end });
    }
}
