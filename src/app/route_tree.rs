//! Finds the route of a path without allocating: whole paths in a sorted list, patterns with
//! parameters in a tree of segments. Knows no methods, no handlers and no requests.

use std::fmt;

use arrayvec::ArrayVec;

use crate::limits::ROUTE_PARAMS_MAX;

/// What a path matched, in the order of the pattern's parameters.
pub(super) type Values<'p> = ArrayVec<&'p [u8], ROUTE_PARAMS_MAX>;

/// Routes by their patterns, for one method.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Patterns without parameters: each is a path, and goes before all that match it too.
    whole: Sorted<u16>,
    /// How many of these are shorter than so many bytes, up to one more than the longest has.
    shorter: Vec<usize>,
    tree: RouteTree,
}

/// Literals, sorted by their length, then by their bytes: most are told apart by their length.
type Sorted<T> = Vec<(Box<[u8]>, T)>;

/// Where `literal` stands, or would.
#[inline]
fn place_of<T>(sorted: &Sorted<T>, literal: &[u8]) -> Result<usize, usize> {
    sorted.binary_search_by(|(other, _)| {
        other.len().cmp(&literal.len()).then_with(|| (**other).cmp(literal))
    })
}

/// Patterns with parameters, by their segments.
///
/// At each segment a literal is tried before `{name}`, and that before `{*name}`; a branch that
/// leads nowhere is left for the next. One path visits a node at most once, so the work is
/// bounded by the routes, whatever the path.
#[derive(Debug, Default)]
struct RouteTree {
    literals: Sorted<RouteTree>,
    segment: Option<Box<RouteTree>>,
    tail: Option<u16>,
    route: Option<u16>,
}

/// Why a pattern cannot be a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatternFault {
    /// A brace that is not `{name}` or `{*name}` as a whole segment.
    Braces,
    /// A name that stands twice.
    NameRepeated,
    /// No `/` at its begin.
    NoSlash,
    /// `{*name}` before the end.
    TailInside,
    /// The route that has a pattern for the same paths.
    Taken(u16),
    /// More parameters than a route may have.
    TooManyParams,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PatternFault::Braces => "braces stand as a whole segment: {name} or {*name}",
            PatternFault::NameRepeated => "a parameter's name stands twice",
            PatternFault::NoSlash => "a pattern begins with `/`",
            PatternFault::TailInside => "{*name} stands only at the end",
            PatternFault::Taken(_) => "another route has the same paths",
            PatternFault::TooManyParams => "too many parameters",
        })
    }
}

/// One segment of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'p> {
    Literal(&'p str),
    Segment(&'p str),
    Tail(&'p str),
}

impl<'p> Part<'p> {
    fn parse(segment: &'p str) -> Result<Part<'p>, PatternFault> {
        let Some(inside) = segment.strip_prefix('{') else {
            let is_literal = !segment.contains(['{', '}']);
            return if is_literal { Ok(Part::Literal(segment)) } else { Err(PatternFault::Braces) };
        };
        let inside = inside.strip_suffix('}').ok_or(PatternFault::Braces)?;
        let name = inside.strip_prefix('*').unwrap_or(inside);
        if name.is_empty() || name.contains(['{', '}', '*']) {
            return Err(PatternFault::Braces);
        }
        let is_tail = name.len() < inside.len();
        Ok(if is_tail { Part::Tail(name) } else { Part::Segment(name) })
    }
}

/// The parts of a pattern and the names of its parameters, in order.
fn parts(pattern: &str) -> Result<(Vec<Part<'_>>, Vec<String>), PatternFault> {
    let inside = pattern.strip_prefix('/').ok_or(PatternFault::NoSlash)?;
    let parts = inside.split('/').map(Part::parse).collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<String> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let (Part::Segment(name) | Part::Tail(name)) = part else { continue };
        if matches!(part, Part::Tail(_)) && index + 1 < parts.len() {
            return Err(PatternFault::TailInside);
        }
        if names.iter().any(|other| other == name) {
            return Err(PatternFault::NameRepeated);
        }
        names.push((*name).to_owned());
    }
    if names.len() > ROUTE_PARAMS_MAX {
        Err(PatternFault::TooManyParams)
    } else {
        Ok((parts, names))
    }
}

impl Routes {
    /// Adds a route and returns the names of its parameters.
    pub(super) fn insert(
        &mut self,
        pattern: &str,
        route: u16,
    ) -> Result<Vec<String>, PatternFault> {
        let (parts, names) = parts(pattern)?;
        if names.is_empty() {
            self.insert_whole(pattern.as_bytes(), route)?;
        } else {
            self.tree.insert(parts, route)?;
        }
        Ok(names)
    }

    fn insert_whole(&mut self, path: &[u8], route: u16) -> Result<(), PatternFault> {
        match place_of(&self.whole, path) {
            Ok(index) => Err(PatternFault::Taken(self.whole[index].1)),
            Err(index) => {
                self.whole.insert(index, (path.into(), route));
                self.count_shorter();
                Ok(())
            }
        }
    }

    fn count_shorter(&mut self) {
        let longest = self.whole.last().map_or(0, |(path, _)| path.len());
        let shorter = |len| self.whole.partition_point(|(path, _)| path.len() < len);
        self.shorter = (0..=longest + 1).map(shorter).collect();
    }

    /// The routes that are paths of so many bytes.
    #[inline]
    fn whole_of(&self, len: usize) -> &[(Box<[u8]>, u16)] {
        let Some(&[from, to]) = self.shorter.get(len..).and_then(<[usize]>::first_chunk) else {
            return &[];
        };
        &self.whole[from..to]
    }

    /// The route of `path`; the values of its parameters, as sent, go into `values`, which is
    /// empty.
    #[inline]
    pub(super) fn find<'p>(&self, path: &'p [u8], values: &mut Values<'p>) -> Option<u16> {
        debug_assert!(values.is_empty(), "values of another path");
        // Most paths are told apart by their length, so that the search has one to compare.
        let whole = self.whole_of(path.len());
        if let Ok(index) = whole.binary_search_by(|(other, _)| (**other).cmp(path)) {
            return Some(whole[index].1);
        }
        let [b'/', inside @ ..] = path else { return None };
        self.tree.find(inside, values)
    }

    /// Whether there is no route at all.
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.tree.is_empty()
    }
}

impl RouteTree {
    fn insert(&mut self, parts: Vec<Part<'_>>, route: u16) -> Result<(), PatternFault> {
        let mut node = self;
        let mut is_tail = false;
        for part in parts {
            match part {
                Part::Literal(text) => node = node.literal_mut(text.as_bytes()),
                Part::Segment(_) => node = node.segment.get_or_insert_default(),
                Part::Tail(_) => is_tail = true,
            }
        }
        let slot = if is_tail { &mut node.tail } else { &mut node.route };
        if let Some(other) = *slot {
            return Err(PatternFault::Taken(other));
        }
        *slot = Some(route);
        Ok(())
    }

    fn literal_mut(&mut self, text: &[u8]) -> &mut RouteTree {
        let place = place_of(&self.literals, text);
        let index = place.unwrap_or_else(|index| {
            self.literals.insert(index, (text.into(), RouteTree::default()));
            index
        });
        &mut self.literals[index].1
    }

    /// Finds the route of what is left of a path behind a slash.
    fn find<'p>(&self, rest: &'p [u8], values: &mut Values<'p>) -> Option<u16> {
        let slash = rest.iter().position(|byte| *byte == b'/');
        let segment = &rest[..slash.unwrap_or(rest.len())];
        let behind = slash.map(|slash| &rest[slash + 1..]);
        let step = |node: &RouteTree, values: &mut Values<'p>| match behind {
            Some(behind) => node.find(behind, values),
            None => node.route,
        };

        if let Ok(index) = place_of(&self.literals, segment)
            && let Some(route) = step(&self.literals[index].1, values)
        {
            return Some(route);
        }
        let before = values.len();
        if let Some(node) = &self.segment
            && !segment.is_empty()
        {
            values.push(segment);
            if let Some(route) = step(node, values) {
                return Some(route);
            }
            values.truncate(before);
        }
        let route = self.tail.filter(|_| !rest.is_empty())?;
        values.push(rest);
        Some(route)
    }

    /// Whether it has no route at all.
    fn is_empty(&self) -> bool {
        self.literals.is_empty()
            && self.segment.is_none()
            && self.tail.is_none()
            && self.route.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(patterns: &[&str]) -> Routes {
        let mut routes = Routes::default();
        for (route, pattern) in (0..).zip(patterns) {
            routes.insert(pattern, route).unwrap();
        }
        routes
    }

    fn found(routes: &Routes, path: &str) -> Option<(u16, Vec<String>)> {
        let mut values = Values::new();
        let route = routes.find(path.as_bytes(), &mut values)?;
        let text = |value: &&[u8]| String::from_utf8(value.to_vec()).unwrap();
        Some((route, values.iter().map(text).collect()))
    }

    fn hit(route: u16, values: &[&str]) -> (u16, Vec<String>) {
        (route, values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn the_more_specific_pattern_wins_and_a_dead_end_is_left() {
        let routes =
            routes(&["/q/{a}", "/q/me/{b}", "/q/me", "/q/{a}/x/{*t}", "/q/me/{b}/y", "/{*t}"]);
        assert_eq!(found(&routes, "/q/me"), Some(hit(2, &[])));
        assert_eq!(found(&routes, "/q/mx"), Some(hit(0, &["mx"])));
        assert_eq!(found(&routes, "/q/me/1"), Some(hit(1, &["1"])));
        assert_eq!(found(&routes, "/q/me/1/y"), Some(hit(4, &["1"])));
        assert_eq!(found(&routes, "/q/me/x/y"), Some(hit(4, &["x"])));
        assert_eq!(found(&routes, "/q/me/x/z"), Some(hit(3, &["me", "z"])));
        assert_eq!(found(&routes, "/q/me/z/z"), Some(hit(5, &["q/me/z/z"])));
        assert_eq!(found(&routes, "/q/you/x/z/w"), Some(hit(3, &["you", "z/w"])));
    }

    #[test]
    fn slashes_and_empty_segments_count() {
        let routes = routes(&["/", "/a", "/a/", "/b/{x}", "/c/{*t}"]);
        assert_eq!(found(&routes, "/"), Some(hit(0, &[])));
        assert_eq!(found(&routes, "/a"), Some(hit(1, &[])));
        assert_eq!(found(&routes, "/a/"), Some(hit(2, &[])));
        assert_eq!(found(&routes, "/c/d/"), Some(hit(4, &["d/"])));
        for path in ["", "*", "a", "//", "/a//", "/b", "/b/", "/b/x/", "/c", "/c/"] {
            assert_eq!(found(&routes, path), None, "{path}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_a_route_is_told_why() {
        for (pattern, fault) in [
            ("", PatternFault::NoSlash),
            ("a", PatternFault::NoSlash),
            ("/{", PatternFault::Braces),
            ("/a{b}", PatternFault::Braces),
            ("/{a}{b}", PatternFault::Braces),
            ("/{}", PatternFault::Braces),
            ("/{*}", PatternFault::Braces),
            ("/a}", PatternFault::Braces),
            ("/{*a}/b", PatternFault::TailInside),
            ("/{a}/{a}", PatternFault::NameRepeated),
            ("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", PatternFault::TooManyParams),
        ] {
            assert_eq!(Routes::default().insert(pattern, 0), Err(fault), "{pattern}");
        }
    }

    #[test]
    fn two_patterns_for_the_same_paths_name_the_first() {
        for [first, second] in [["/a", "/a"], ["/{x}", "/{y}"], ["/a/{*x}", "/a/{*y}"]] {
            let mut routes = Routes::default();
            routes.insert(first, 7).unwrap();
            assert_eq!(routes.insert(second, 8), Err(PatternFault::Taken(7)));
        }
    }
}
