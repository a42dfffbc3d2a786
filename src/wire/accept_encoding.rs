//! Which content codings a client takes, and how gladly (RFC 9110 section 12.5.3).
//! Knows nothing of what can be given.

/// A content coding that bodies are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
    /// None.
    Identity,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// All of them, the one first that is given where a client does not care.
    pub const ALL: [Coding; 4] = [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Identity];

    /// Its name in a field.
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
            Coding::Identity => "identity",
            Coding::Zstd => "zstd",
        }
    }

    fn from_name(name: &[u8]) -> Option<Coding> {
        // `x-gzip` means the same (RFC 9110 section 8.4.1.3).
        let is_gzip = name.eq_ignore_ascii_case(b"x-gzip");
        let is_named = |coding: &Coding| name.eq_ignore_ascii_case(coding.name().as_bytes());
        if is_gzip { Some(Coding::Gzip) } else { Coding::ALL.into_iter().find(is_named) }
    }
}

/// What the `Accept-Encoding` of a request says, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// By [`Coding`], where it is named.
    named: [Option<u16>; Coding::ALL.len()],
    /// Of every other coding, if it is said.
    others: Option<u16>,
}

impl Accepted {
    /// Reads the field's values, one a line. What is none of its elements is passed over; of two
    /// elements of the same name the last counts.
    pub fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Accepted {
        let mut accepted = Accepted::default();
        for element in values.flat_map(|value| value.split(|&byte| byte == b',')) {
            let (name, weight) = match memchr::memchr(b';', element) {
                Some(at) => (&element[..at], weight(&element[at + 1..])),
                None => (element, Some(WEIGHT_MAX)),
            };
            let (name, Some(weight)) = (name.trim_ascii(), weight) else { continue };
            if name == b"*" {
                accepted.others = Some(weight);
            } else if let Some(coding) = Coding::from_name(name) {
                accepted.named[coding as usize] = Some(weight);
            }
        }
        accepted
    }

    /// How gladly the client takes `coding`, 0 if it does not. Where nothing is said of it, no
    /// coding at all is the last choice.
    pub fn weight(&self, coding: Coding) -> u16 {
        let unsaid = u16::from(coding == Coding::Identity);
        self.named[coding as usize].or(self.others).unwrap_or(unsaid)
    }

    /// The coding among those there are that the client likes best; between equals, the first of
    /// [`Coding::ALL`]. `None` if it takes none of them.
    pub fn choose(&self, is_there: impl Fn(Coding) -> bool) -> Option<Coding> {
        let mut chosen = None;
        let mut best = 0;
        for coding in Coding::ALL {
            let weight = self.weight(coding);
            if weight > best && is_there(coding) {
                (chosen, best) = (Some(coding), weight);
            }
        }
        chosen
    }
}

/// A weight of 1.
const WEIGHT_MAX: u16 = 1_000;

/// `q=` with a number from 0 to 1 of at most three decimals (section 12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let parameter = parameter.trim_ascii();
    let number = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = match number {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = [0, 1, 2].map(|at| decimals.get(at).copied().unwrap_or(b'0'));
    if !(b'0'..=b'1').contains(whole) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let weight = u16::from(whole - b'0') * WEIGHT_MAX + thousandths;
    (weight <= WEIGHT_MAX).then_some(weight)
}
