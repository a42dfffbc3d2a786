//! `host [ ":" port ]` of RFC 3986 section 3.2 once more, slowly and by its grammar, with the
//! three rules that this house adds. Knows nothing of where a host stands.

/// Whether `value` is a host that is not empty and, behind a colon, a port or nothing.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let Some(text) = str::from_utf8(value).ok().filter(|text| text.is_ascii()) else {
        return false;
    };
    if let Some(literal) = text.strip_prefix('[') {
        let Some((address, rest)) = literal.split_once(']') else { return false };
        return is_ipv6(address)
            && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        Some((name, port)) => is_name(name) && is_port(port),
        None => is_name(text),
    }
}

/// `*DIGIT`, here at most five of them and at most 65,535.
fn is_port(port: &str) -> bool {
    let digits = port.chars().map(|char| char.to_digit(10));
    let value = digits.take(6).try_fold(0, |value, digit| Some(value * 10 + digit?));
    port.len() <= 5 && value.is_some_and(|value| value <= 65_535)
}

/// `reg-name`, here not empty and without a comma. An IPv4 address is one as well.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(char) = chars.next() {
        let is_good = match char {
            '%' => (0..2).all(|_| chars.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            // unreserved, and sub-delims without the comma.
            other => other.is_ascii_alphanumeric() || "-._~!$&'()*+;=".contains(other),
        };
        if !is_good {
            return false;
        }
    }
    !name.is_empty()
}

/// `IPv6address`: eight groups, of which one `::` stands for one or more.
pub(crate) fn is_ipv6(address: &str) -> bool {
    match address.split_once("::") {
        Some((left, right)) => {
            let left = if left.is_empty() { Some(0) } else { groups(left, false) };
            let right = if right.is_empty() { Some(0) } else { groups(right, true) };
            left.zip(right).is_some_and(|(left, right)| left + right <= 7)
        }
        None => groups(address, true) == Some(8),
    }
}

/// How many 16-bit groups there are. The last two may be written as an IPv4 address.
fn groups(text: &str, may_end_in_ipv4: bool) -> Option<usize> {
    let parts: Vec<&str> = text.split(':').collect();
    let mut count = 0;
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        if is_last && may_end_in_ipv4 && is_ipv4(part) {
            count += 2;
        } else if (1..=4).contains(&part.len()) && part.chars().all(|c| c.is_ascii_hexdigit()) {
            count += 1;
        } else {
            return None;
        }
    }
    Some(count)
}

pub(crate) fn is_ipv4(text: &str) -> bool {
    let is_octet = |octet: &str| {
        let has_leading_zero = octet.len() > 1 && octet.starts_with('0');
        let digits = octet.chars().map(|char| char.to_digit(10));
        let value = digits.take(4).try_fold(0, |value, digit| Some(value * 10 + digit?));
        !octet.is_empty() && !has_leading_zero && value.is_some_and(|value| value <= 255)
    };
    text.split('.').count() == 4 && text.split('.').all(is_octet)
}
