//! Which content codings a client takes, and how gladly (RFC 9110 section 12.5.3).
//! Knows nothing of what can be given.

use super::weight::{self, WHOLE};

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
                Some(at) => {
                    let number = weight::of_parameter(&element[at + 1..]);
                    (&element[..at], number.and_then(weight::thousandths))
                }
                None => (element, Some(WHOLE)),
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
