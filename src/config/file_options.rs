//! The keys of a route that say how its files are answered. Checks their shapes alone; what they
//! mean together is the application's to say.

use std::ops::Range;

use toml::de::DeValue;

use super::Exit;
use super::file::{Source, in_order};
use crate::app::configured::FilesSpec;
use crate::wire::status::Status;

/// Those of the keys of a route that `files` has.
pub(super) const KEYS: [&str; 5] =
    ["cache-control", "error-pages", "fallback", "listing", "precompressed"];

/// Reads the key `name`, one of [`KEYS`], into `spec`.
pub(super) fn read(
    source: &Source<'_>,
    name: &str,
    span: Range<usize>,
    value: &DeValue<'_>,
    spec: &mut FilesSpec,
) -> Result<(), Exit> {
    let wrong = |expected: &str| source.unexpected(span.clone(), name, expected);
    let switch = || value.as_bool().ok_or_else(|| wrong("`true` or `false`"));
    match name {
        "cache-control" => {
            let rules = rules(value);
            spec.cache_control = rules.ok_or_else(|| wrong("`[[\"*.css\", \"max-age=60\"]]`"))?;
        }
        "error-pages" => {
            let pages = pages(value);
            spec.error_pages = pages.ok_or_else(|| wrong("`{ 404 = \"404.html\" }`"))?;
        }
        "listing" => spec.listing = switch()?,
        "precompressed" => spec.precompressed = switch()?,
        _ => {
            let path = value.as_str().ok_or_else(|| wrong("a text in quotes"))?;
            spec.fallback = Some(path.to_owned());
        }
    }
    Ok(())
}

/// Pairs of a pattern and a value.
fn rules(value: &DeValue<'_>) -> Option<Vec<(String, String)>> {
    let rules = value.as_array()?.iter().map(|rule| {
        let texts = rule.get_ref().as_array()?.iter().map(|text| text.get_ref().as_str());
        match texts.collect::<Option<Vec<_>>>()?[..] {
            [pattern, value] => Some((pattern.to_owned(), value.to_owned())),
            _ => None,
        }
    });
    rules.collect()
}

/// Pages by the statuses of errors.
fn pages(value: &DeValue<'_>) -> Option<Vec<(Status, String)>> {
    let pages = in_order(value.as_table()?).into_iter().map(|(name, path)| {
        let status = name.get_ref().parse().ok().and_then(Status::new);
        let status = status.filter(|status| matches!(status.class(), 4 | 5))?;
        Some((status, path.get_ref().as_str()?.to_owned()))
    });
    pages.collect()
}
