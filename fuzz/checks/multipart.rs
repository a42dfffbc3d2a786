//! A form has the same parts and the same fault however its bytes are cut, no part has what would
//! end it, and nothing is made up. Knows nothing of how boundaries are found.

use corelane::limits::PART_HEAD_BYTES_MAX;
use corelane::wire::multipart::{Multipart, MultipartFault, PartEvent, PartHead};

use super::input::Input;

type Parts = Vec<(PartHead, Vec<u8>)>;

/// How long pieces are (1 byte), then a boundary up to a newline, then the body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let len = usize::from(input.byte()) + 1;
    let rest = input.rest();
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (boundary, body) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let Ok(boundary) = std::str::from_utf8(boundary) else { return };
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let Ok(machine) = Multipart::new(&content_type) else { return };
    let whole = parts(machine.clone(), [body].into_iter());
    assert_eq!(whole, parts(machine.clone(), body.chunks(len)), "in pieces of {len}");
    assert_eq!(whole, parts(machine, body.chunks(1)), "byte by byte");
    let (parts, _) = whole;
    let boundary = boundary.strip_prefix('"').and_then(|inside| inside.strip_suffix('"'));
    let boundary = boundary.unwrap_or(&content_type["multipart/form-data; boundary=".len()..]);
    let delimiter = format!("\r\n--{}", boundary.trim_end());
    for (head, content) in &parts {
        assert!(head.name.len() < PART_HEAD_BYTES_MAX);
        let has =
            |bytes: &[u8]| bytes.windows(delimiter.len()).any(|part| part == delimiter.as_bytes());
        assert!(!has(content), "{content:?}");
    }
    let sum: usize = parts.iter().map(|(_, content)| content.len()).sum();
    assert!(sum <= body.len());
}

fn parts<'p>(
    mut machine: Multipart,
    pieces: impl Iterator<Item = &'p [u8]>,
) -> (Parts, Result<(), MultipartFault>) {
    let mut parts = Parts::new();
    for piece in pieces {
        let fed = machine.feed(piece, &mut |event| {
            match event {
                PartEvent::Begin(head) => parts.push((head, Vec::new())),
                PartEvent::Data(bytes) => {
                    parts.last_mut().expect("it has begun").1.extend_from_slice(bytes);
                }
                PartEvent::End => {}
            }
            Ok(())
        });
        if let Err(fault) = fed {
            return (parts, Err(fault));
        }
    }
    (parts, machine.finish())
}
