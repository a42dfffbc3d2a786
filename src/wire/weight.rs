//! How gladly a client takes something: the `q` of its preferences (RFC 9110 section 12.4.2).
//! Knows nothing of what is preferred.

/// A weight of 1, in thousandths: also of what has no `q`.
pub(super) const WHOLE: u16 = 1_000;

/// The number of a parameter that is `q`.
pub(super) fn of_parameter(parameter: &[u8]) -> Option<&[u8]> {
    match parameter.trim_ascii() {
        [b'q' | b'Q', b'=', number @ ..] => Some(number),
        _ => None,
    }
}

/// A number from 0 to 1 of at most three decimals.
pub(super) fn thousandths(number: &[u8]) -> Option<u16> {
    let (whole, decimals) = match number {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0');
    for at in 0..3 {
        let digit = decimals.get(at).copied().unwrap_or(b'0');
        weight = weight * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (weight <= WHOLE).then_some(weight)
}
