//! The parts that `Range` asks for lie within the whole, never touch, and are the bytes that a
//! plain reading gives. Knows the grammar, not how it is read.

use corelane::wire::range::{Wanted, parse};

use super::input::Input;

/// A whole that is small enough to ask for every byte.
const SMALL: u64 = 24;

/// The length of the whole (8 bytes), then the value behind `bytes=`.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let len = u64::from_le_bytes([(); 8].map(|()| input.byte()));
    let specs = input.rest();
    let value = [b"bytes=", specs].concat();
    for len in [len, len % SMALL] {
        let Wanted::Parts(parts) = parse(&value, len) else { continue };
        assert!(!parts.is_empty(), "no part is a 416");
        for (at, part) in parts.iter().enumerate() {
            assert!(part.first <= part.last && part.last < len, "outside of {len}: {part:?}");
            for other in &parts[..at] {
                let is_apart = part.last.checked_add(1).is_some_and(|next| next < other.first)
                    || other.last.checked_add(1).is_some_and(|next| next < part.first);
                assert!(is_apart, "{part:?} touches {other:?}");
            }
        }
    }
    let len = len % SMALL;
    if let (Wanted::Parts(parts), Some(asked)) = (parse(&value, len), plain(specs, len)) {
        for byte in 0..len {
            let is_given = parts.iter().any(|part| part.first <= byte && byte <= part.last);
            assert_eq!(is_given, asked.contains(&byte), "byte {byte} of {len}");
        }
    }
    let _ = parse(specs, len);
}

/// Every byte that is asked for, if all numbers are short.
fn plain(specs: &[u8], len: u64) -> Option<Vec<u64>> {
    let mut asked = Vec::new();
    for spec in std::str::from_utf8(specs).ok()?.split(',') {
        let spec = spec.trim_matches([' ', '\t', '\n', '\r', '\x0c']);
        if spec.is_empty() {
            continue;
        }
        let (first, last) = spec.split_once('-')?;
        match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) => {
                asked.extend((0..len).filter(|at| first <= *at && *at <= last));
            }
            (Ok(first), Err(_)) if last.is_empty() => asked.extend(first.min(len)..len),
            (Err(_), Ok(count)) if first.is_empty() => asked.extend(len.saturating_sub(count)..len),
            _ => return None,
        }
    }
    Some(asked)
}
