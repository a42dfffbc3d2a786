//! The parts of forms: what browsers and other clients send, every cut of it, and what is refused.
//! Knows nothing of where parts go.

use corelane::limits::PART_HEAD_BYTES_MAX;
use corelane::wire::multipart::{Multipart, MultipartFault, PartEvent, PartHead};
use proptest::prelude::*;

const TYPE: &str = "multipart/form-data; boundary=AaB03x";

type Parts = Vec<(PartHead, Vec<u8>)>;

/// The parts of a body that arrives in these pieces.
fn parts<'p>(
    content_type: &str,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<Parts, MultipartFault> {
    let mut machine = Multipart::new(content_type)?;
    let (mut parts, mut is_open) = (Parts::new(), false);
    for piece in pieces {
        machine.feed(piece, &mut |event| {
            match event {
                PartEvent::Begin(head) => {
                    assert!(!std::mem::replace(&mut is_open, true));
                    parts.push((head, Vec::new()));
                }
                PartEvent::Data(bytes) => {
                    assert!(is_open && !bytes.is_empty());
                    parts.last_mut().unwrap().1.extend_from_slice(bytes);
                }
                PartEvent::End => assert!(std::mem::take(&mut is_open)),
            }
            Ok::<(), MultipartFault>(())
        })?;
    }
    machine.finish()?;
    assert!(!is_open);
    Ok(parts)
}

fn whole(body: &[u8]) -> Result<Parts, MultipartFault> {
    parts(TYPE, [body])
}

fn head(name: &str, file_name: Option<&str>, content_type: Option<&str>) -> PartHead {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    PartHead {
        name: name.to_owned(),
        file_name: owned(file_name),
        content_type: owned(content_type),
    }
}

/// One part with this head.
fn with_head(head: &str) -> Result<Parts, MultipartFault> {
    whole(format!("--AaB03x\r\n{head}\r\n\r\nx\r\n--AaB03x--").as_bytes())
}

#[test]
fn a_form_is_read_as_it_was_sent_however_it_is_cut() {
    let body: &[u8] = b"nobody reads this\r\n--AaB03\r\n--AaB03x \t\r\n\
        Content-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--AaB03\r\r\n--AaB0\r\n--AaB03x\r\n\
        content-disposition:form-data;name=file; filename=\"C:\\a \\\"b\\\".txt\"\r\n\
        Content-Type: text/plain; charset=utf-8\r\nX-Other: 1\r\n\r\n\
        \r\n--AaB03x\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n\r\n\r\n\
        --AaB03x--\r\nnor this: --AaB03x\r\n";
    let expected: Parts = vec![
        (head("a", None, None), b"\r\n--AaB03\r\r\n--AaB0".to_vec()),
        (head("file", Some("C:\\a \"b\".txt"), Some("text/plain; charset=utf-8")), Vec::new()),
        (head("", None, None), b"\r\n\r\n".to_vec()),
    ];
    assert_eq!(whole(body).unwrap(), expected);
    assert_eq!(parts(TYPE, body.chunks(1)).unwrap(), expected);
    for at in 0..body.len() {
        let (first, second) = body.split_at(at);
        assert_eq!(parts(TYPE, [first, second]).unwrap(), expected, "cut at {at}");
    }
}

/// As the HTML standard has browsers send them; what it does not name stays as it is.
#[test]
fn names_have_the_escapes_of_browsers_and_no_other() {
    for (sent, name) in [
        ("%22a%22", "\"a\""),
        ("a%0D%0Ab%0d%0a", "a\r\nb\r\n"),
        ("100%", "100%"),
        ("%2", "%2"),
        ("%%22%41%25%2", "%\"%41%25%2"),
        ("%0ä%22", "%0ä\""),
    ] {
        let found = with_head(&format!(
            "Content-Disposition: form-data; name=\"{sent}\"; filename=\"{sent}\""
        ));
        let expected = head(name, Some(name), None);
        assert_eq!(found, Ok(vec![(expected, b"x".to_vec())]), "{sent}");
    }
    let token = with_head("Content-Disposition: form-data; name=a%22");
    assert_eq!(token, Ok(vec![(head("a%22", None, None), b"x".to_vec())]), "it has no quotes");
}

#[test]
fn a_file_name_in_the_form_of_rfc_8187_is_none() {
    for more in ["", "; filename=\"b\""] {
        for first in [true, false] {
            let star = "; filename*=UTF-8''%41";
            let (one, other) = if first { (star, more) } else { (more, star) };
            let found = with_head(&format!("Content-Disposition: form-data; name=a{one}{other}"));
            let name = (!more.is_empty()).then_some("b");
            assert_eq!(found, Ok(vec![(head("a", name, None), b"x".to_vec())]));
        }
    }
}

#[test]
fn boundaries_are_those_of_the_rfc() {
    let body = |boundary: &str| format!("--{boundary}\r\n\r\n").into_bytes();
    for (parameter, boundary) in [
        ("boundary=a", "a"),
        ("charset=utf-8; Boundary=\"a b:?\"", "a b:?"),
        ("boundary=----WebKitFormBoundaryX/=", "----WebKitFormBoundaryX/="),
        (&format!("boundary={}", "a".repeat(70)), &"a".repeat(70)),
    ] {
        let found = parts(&format!("multipart/form-data; {parameter}"), [&body(boundary)[..]]);
        assert_eq!(found, Err(MultipartFault::Disposition), "{parameter}");
    }
    for parameter in [
        "",
        "; boundary",
        "; boundary=",
        "; boundary=\"\"",
        "; boundary=\"a",
        "; boundary=\"a \"",
        "; boundary=a; boundary=b",
        "; boundary=ä",
        "; boundary=a\"b",
        &format!("; boundary={}", "a".repeat(71)),
    ] {
        let found = parts(&format!("multipart/form-data{parameter}"), []);
        assert_eq!(found, Err(MultipartFault::Boundary), "{parameter}");
    }
}

#[test]
fn what_is_no_form_is_refused_by_its_name() {
    let disposition = "Content-Disposition: form-data; name=\"a\"";
    assert!(with_head(disposition).is_ok());
    assert!(with_head(&format!("{disposition}\r\nContent-Transfer-Encoding: 8bit")).is_ok());
    assert!(with_head("Content-Disposition: form-data; filename*=UTF-8''%41; name=a").is_ok());
    for (head, fault) in [
        ("X: 1", MultipartFault::Disposition),
        ("Content-Disposition: attachment; name=a", MultipartFault::Disposition),
        ("Content-Disposition: form-data", MultipartFault::Disposition),
        ("Content-Disposition: form-data; name=a; name=b", MultipartFault::Disposition),
        ("Content-Disposition: form-data; name=\"a", MultipartFault::Disposition),
        ("Content-Disposition: form-data; name=a b", MultipartFault::Disposition),
        ("Content-Disposition: form-data; =a; name=a", MultipartFault::Disposition),
        (&format!("{disposition}\r\n{disposition}"), MultipartFault::Disposition),
        (&format!("{disposition}\r\n folded"), MultipartFault::Head),
        (&format!("{disposition}\r\nX : 1"), MultipartFault::Head),
        (&format!("{disposition}\nX: 1"), MultipartFault::Head),
        (&format!("{disposition}\r\nX: a\0"), MultipartFault::Head),
        (
            &format!("{disposition}\r\nX: {}", "a".repeat(PART_HEAD_BYTES_MAX)),
            MultipartFault::HeadTooLarge,
        ),
        (
            &format!("Content-Disposition: form-data; name={}", "a".repeat(300)),
            MultipartFault::NameTooLong,
        ),
        (&format!("{disposition}\r\nContent-Transfer-Encoding: base64"), MultipartFault::Coding),
    ] {
        assert_eq!(with_head(head), Err(fault), "{head}");
    }
    for (body, fault) in [
        ("", MultipartFault::Unfinished),
        ("--AaB03x", MultipartFault::Unfinished),
        ("--AaB03x-", MultipartFault::Unfinished),
        (" --AaB03x--", MultipartFault::Unfinished),
        ("--AaB03xy\r\n", MultipartFault::Delimiter),
        ("--AaB03x\n", MultipartFault::Delimiter),
        ("--AaB03x\rx", MultipartFault::Delimiter),
        ("--AaB03x -\r\n", MultipartFault::Delimiter),
        ("--AaB03x\r\n\r\nx\r\n--AaB03x--", MultipartFault::Disposition),
    ] {
        assert_eq!(whole(body.as_bytes()), Err(fault), "{body}");
    }
    assert_eq!(whole(b"--AaB03x--"), Ok(Vec::new()), "a form without fields");
    let latin = b"--AaB03x\r\nContent-Disposition: form-data; name=\"\xe4\"\r\n\r\n";
    assert_eq!(whole(latin), Err(MultipartFault::Head));
}

proptest! {
    /// Bytes that look like boundaries, cut anywhere.
    #[test]
    fn any_bytes_and_any_cut_give_the_same_parts(
        contents in prop::collection::vec("[\r\n\\-ab]{0,40}", 0..5),
        cuts in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let mut body = String::new();
        for content in &contents {
            body += "--ab\r\nContent-Disposition: form-data; name=n\r\n\r\n";
            body += content;
            body += "\r\n";
        }
        body += "--ab--";
        let content_type = "multipart/form-data; boundary=ab";
        let whole = parts(content_type, [body.as_bytes()]);
        if !contents.iter().any(|content| format!("\r\n{content}").contains("\r\n--ab")) {
            let found: Vec<_> = whole.clone().unwrap().into_iter().map(|(_, data)| data).collect();
            let sent: Vec<_> =
                contents.iter().map(|content| content.clone().into_bytes()).collect();
            prop_assert_eq!(found, sent);
        }
        let (mut pieces, mut rest) = (Vec::new(), body.as_bytes());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(parts(content_type, pieces), whole);
    }
}
