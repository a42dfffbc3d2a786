//! A file and what is kept compressed beside it: which of them there are, and which one a client
//! is given. Knows no paths of requests.

use std::array;

use super::served::{Loading, Served};
use crate::api::{Error, Request};
use crate::sys::{Facts, OpenFile, Opened, Root};
use crate::wire::accept_encoding::{Accepted, Coding};

/// Codings of siblings with the ends of their names.
const SIBLINGS: [(Coding, &[u8]); 3] =
    [(Coding::Brotli, b".br"), (Coding::Zstd, b".zst"), (Coding::Gzip, b".gz")];

/// A file with its siblings, open.
pub(super) struct Open {
    plain: OpenFile,
    siblings: [Option<OpenFile>; SIBLINGS.len()],
}

impl Open {
    /// A file that nothing lies beside.
    pub(super) fn alone(plain: OpenFile) -> Open {
        Open { plain, siblings: array::from_fn(|_| None) }
    }

    /// With those siblings beneath `root` that are not older than the file at `path` itself.
    ///
    /// # Errors
    /// What [`Root::find`] names.
    pub(super) fn with_siblings(mut self, root: &Root, path: &[u8]) -> std::io::Result<Open> {
        for (place, (_, end)) in self.siblings.iter_mut().zip(SIBLINGS) {
            if let Opened::File(sibling) = root.find(&[path, end].concat())? {
                *place = Some(sibling).filter(|it| !is_stale(it.facts(), self.plain.facts()));
            }
        }
        Ok(self)
    }
}

/// Whether a sibling was made of an earlier state of its original. Some tools keep whole seconds.
fn is_stale(sibling: Facts, original: Facts) -> bool {
    const SECOND: i128 = 1_000_000_000;
    let unit = if sibling.modified_ns % SECOND == 0 { SECOND } else { 1 };
    sibling.modified_ns.div_euclid(unit) < original.modified_ns.div_euclid(unit)
}

/// One state of a file and of its siblings.
#[derive(Debug)]
pub(super) struct Variants {
    plain: Served,
    siblings: [Option<Served>; SIBLINGS.len()],
}

impl Variants {
    /// Reads what has to be known of them.
    ///
    /// # Errors
    /// As [`Served::load`].
    pub(super) fn load(open: Open, loading: &Loading<'_>) -> Result<Variants, Error> {
        let mut siblings = array::from_fn(|_| None);
        let varies = open.siblings.iter().any(Option::is_some);
        for ((place, file), (coding, _)) in siblings.iter_mut().zip(open.siblings).zip(SIBLINGS) {
            if let Some(file) = file {
                *place = Some(Served::load(file, &Loading { coding, varies, ..*loading })?);
            }
        }
        let plain = Served::load(open.plain, &Loading { varies, ..*loading })?;
        Ok(Variants { plain, siblings })
    }

    /// Whether these are the states of what is open now.
    pub(super) fn are_those_of(&self, open: &Open) -> bool {
        let facts = |served: &Option<Served>| served.as_ref().map(|served| served.facts);
        let open_facts = |file: &Option<OpenFile>| file.as_ref().map(OpenFile::facts);
        self.plain.facts == open.plain.facts()
            && self.siblings.iter().map(facts).eq(open.siblings.iter().map(open_facts))
    }

    /// They are looked at again, and are the same.
    pub(super) fn look_again(&self) {
        self.siblings.iter().flatten().chain([&self.plain]).for_each(Served::look_again);
    }

    /// The one that the client likes best; the file itself where it takes no other.
    pub(super) fn choose(&self, request: &Request<'_>) -> &Served {
        if !self.plain.varies {
            return &self.plain;
        }
        let is_there = |coding| coding == Coding::Identity || self.sibling(coding).is_some();
        let chosen = Accepted::read(request.header_values("accept-encoding")).choose(is_there);
        chosen.and_then(|coding| self.sibling(coding)).unwrap_or(&self.plain)
    }

    /// Whether all of them may be served for longer than a second as they are.
    pub(super) fn may_be_kept(&self) -> bool {
        self.siblings.iter().flatten().chain([&self.plain]).all(Served::may_be_kept)
    }

    /// The file itself.
    pub(super) fn plain(&self) -> &Served {
        &self.plain
    }

    fn sibling(&self, wanted: Coding) -> Option<&Served> {
        let place = SIBLINGS.iter().position(|(coding, _)| *coding == wanted)?;
        self.siblings[place].as_ref()
    }

    /// Bytes of content in memory.
    pub(super) fn kept_bytes(&self) -> usize {
        self.siblings.iter().flatten().chain([&self.plain]).map(Served::kept_bytes).sum()
    }
}

#[cfg(test)]
impl Variants {
    /// A file with this content, alone.
    pub(super) fn of_bytes(bytes: &[u8]) -> Variants {
        Variants { plain: Served::of_bytes(bytes), siblings: array::from_fn(|_| None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_is_stale_if_it_is_older_as_far_as_it_tells() {
        let at = |modified_ns| Facts { len: 1, modified_ns, changed_ns: 0, inode: 1, device: 1 };
        for (sibling, original, stale) in [
            (5_000_000_001, 5_000_000_002, true),
            (5_000_000_002, 5_000_000_002, false),
            (5_000_000_000, 5_900_000_000, false),
            (5_000_000_000, 6_000_000_000, true),
            (-1_000_000_000, -900_000_000, false),
        ] {
            assert_eq!(is_stale(at(sibling), at(original)), stale, "{sibling} {original}");
        }
    }
}
