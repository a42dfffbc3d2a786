//! The head parser holds its promises for any bytes, limits and cuts, on every level of
//! instructions. Knows no second parser: whether a verdict is right is `head_differential`'s.

use corelane::limits::{FIELDS_MAX, HEAD_BYTES_MAX, METHOD_BYTES_MAX};
use corelane::wire::head::{Head, Method, Span};
use corelane::wire::parse::{HeadLimits, Parse, Progress, parse_head_at};
use corelane::wire::scan::{Level, is_target, is_token, is_value};

use super::input::Input;

/// Up to here every prefix is a copy of its own, so that a read behind its end is seen.
const COPIED_BYTES_MAX: usize = 2_000;

/// The heads that follow one another in a block, as far as they are accepted.
type Heads = Vec<(Parse, Vec<Span>)>;

/// Pieces (4 bytes), flags (1), limits (2 head, 1 fields, 2 target), padding (2), then heads.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let pieces = input.pieces();
    let flags = input.byte();
    let mut limits =
        HeadLimits { head_bytes: input.number(), fields: input.byte().into(), target_bytes: 0 };
    limits.target_bytes = input.number();
    if flags & 1 == 0 {
        let target_bytes = HEAD_BYTES_MAX / 2;
        limits = HeadLimits { head_bytes: HEAD_BYTES_MAX, fields: FIELDS_MAX, target_bytes };
    } else if flags & 8 != 0 {
        let most = usize::MAX;
        limits = HeadLimits { head_bytes: most, fields: most, target_bytes: most };
    }
    let padding = match (input.number(), flags & 6) {
        (_, 0) => 0,
        (number, 2) => number % 256,
        // Where offsets come to their end.
        (number, _) => usize::from(u16::MAX).saturating_sub(number),
    };
    let block = [&vec![b':'; padding], input.rest()].concat();

    let mut wanted = None;
    for level in Level::available() {
        let whole = heads(level, &block, padding, [block.len()], &limits);
        let ends = pieces.ends(block.len() - padding).map(|end| padding + end);
        assert_eq!(whole, heads(level, &block, padding, ends, &limits), "{level:?}, in pieces");
        let wanted = wanted.get_or_insert_with(|| whole.clone());
        assert_eq!(whole, *wanted, "{level:?} and another level");
    }
}

/// Parses heads from `start` on, while the block grows to each of `ends`.
fn heads(
    level: Level,
    block: &[u8],
    start: usize,
    ends: impl IntoIterator<Item = usize>,
    limits: &HeadLimits,
) -> Heads {
    let mut start = start;
    let mut heads = Heads::new();
    let (mut head, mut progress) = (Head::default(), Progress::default());
    for end in ends {
        let copy = if end <= COPIED_BYTES_MAX { Some(block[..end].to_vec()) } else { None };
        let received = copy.as_deref().unwrap_or(&block[..end]);
        loop {
            let parse = parse_head_at(level, received, start, &mut head, &mut progress, limits);
            match parse {
                Parse::Partial => break,
                Parse::Refused(_) => {
                    let again =
                        parse_head_at(level, received, start, &mut head, &mut progress, limits);
                    assert_eq!(again, parse, "a refusal is repeated");
                    heads.push((parse, Vec::new()));
                    return heads;
                }
                Parse::Complete { len } => {
                    assert_eq!(progress, Progress::default());
                    heads.push((parse, spans(&head, received, start, len, limits)));
                    start += len;
                }
            }
        }
    }
    heads
}

/// The spans of a complete head, which must lie in their order in `start..start + len` and name
/// bytes of their class.
fn spans(head: &Head, block: &[u8], start: usize, len: usize, limits: &HeadLimits) -> Vec<Span> {
    assert!(len <= limits.head_bytes && start + len <= block.len());
    assert!(head.fields.len() <= limits.fields.min(FIELDS_MAX));
    assert!((1..=limits.target_bytes).contains(&head.target.len()));
    assert!((1..=METHOD_BYTES_MAX).contains(&head.method_name.len()));
    assert_eq!(head.method, Method::from_name(head.method_name.of(block)));

    let mut spans = vec![head.method_name, head.target];
    spans.extend(head.fields.iter().flat_map(|field| [field.name, field.value]));
    let mut at = start;
    for (index, span) in spans.iter().enumerate() {
        assert!(at <= usize::from(span.start) && span.start <= span.end, "{span:?} behind {at}");
        at = span.end.into();
        let class = match index {
            1 => is_target,
            _ if index % 2 == 0 => is_token,
            _ => is_value,
        };
        assert!(span.of(block).iter().all(|byte| class(*byte)), "{span:?}");
        let is_value = index > 1 && index % 2 == 1;
        assert!(is_value || !span.is_empty());
        if let ([b' ' | b'\t', ..] | [.., b' ' | b'\t'], true) = (span.of(block), is_value) {
            panic!("{span:?} is not trimmed");
        }
    }
    assert!(at + 4 <= start + len, "two line ends are behind the last part");
    spans
}
