//! Reads Prometheus's text format 0.0.4 and is strict: what a scraper might not take ends the test.
//! Knows nothing of what is measured.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a text: name and labels as they stand, and the value.
#[derive(Debug, Default)]
pub(crate) struct Samples(pub(crate) BTreeMap<String, f64>);

impl Samples {
    /// The value of the only sample that begins so and has all these labels.
    pub(crate) fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let found: Vec<_> = self.of(name, labels).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0].1
    }

    /// The sum of all samples of a name with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.of(name, labels).map(|(_, value)| value).sum()
    }

    fn of<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        let all = self.0.iter().map(|(series, value)| (series.as_str(), *value));
        all.filter(move |(series, _)| {
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        })
    }

    /// The series without their values.
    pub(crate) fn series(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct Family {
    name: String,
    kind: String,
}

/// Reads a text.
pub(crate) fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'), "the last line ends too");
    let mut samples = Samples::default();
    let mut known = BTreeSet::new();
    let mut helped = String::new();
    let mut family: Option<Family> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text follows the name");
            assert!(!help.is_empty() && is_name(name), "{line}");
            assert!(known.insert(name.to_owned()), "{name} stands twice");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type follows the name");
            assert_eq!(name, helped, "the help of a family stands before its type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = Some(Family { name: name.to_owned(), kind: kind.to_owned() });
        } else {
            let family = family.as_ref().expect("a family begins before its samples");
            let (series, value) = line.rsplit_once(' ').expect("a value follows");
            let name = series.split('{').next().unwrap();
            let own = name.strip_prefix(&family.name).expect(line);
            let fits = match family.kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&own),
                _ => own.is_empty(),
            };
            assert!(fits, "{line} is none of {}", family.name);
            check_labels(&series[name.len()..]);
            let value: f64 = value.parse().expect(line);
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            assert!(samples.0.insert(series.to_owned(), value).is_none(), "{line} stands twice");
        }
    }
    check_histograms(text);
    samples
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(is_first) && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
}

/// `{a="b",c="d"}` or nothing.
fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let mut rest = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect(labels);
    let mut names = BTreeSet::new();
    loop {
        let (name, value) = rest.split_once("=\"").expect(labels);
        assert!(is_name(name) && names.insert(name.to_owned()), "{labels}");
        let mut end = 0;
        let bytes = value.as_bytes();
        while bytes[end] != b'"' {
            let escaped = bytes[end] == b'\\';
            assert!(!escaped || b"\\n\"".contains(&bytes[end + 1]), "{labels}");
            end += if escaped { 2 } else { 1 };
        }
        match &value[end + 1..] {
            "" => return,
            more => rest = more.strip_prefix(',').expect(labels),
        }
    }
}

/// Buckets rise in bound and count, and end with all there are.
fn check_histograms(text: &str) {
    let mut last: Option<(String, f64, f64)> = None;
    for line in text.lines().filter(|line| line.contains("_bucket{")) {
        let (series, count) = line.rsplit_once(' ').unwrap();
        let (labels, bound) = series.rsplit_once("le=\"").expect("a bucket has a bound, last");
        let bound = bound.strip_suffix("\"}").unwrap();
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
        let count: f64 = count.parse().unwrap();
        if let Some((before, lower, fewer)) = &last
            && before == labels
        {
            assert!(bound > *lower && count >= *fewer, "{line}");
        }
        if bound.is_infinite() {
            let whole = labels.replace("_bucket{", "_count{");
            let whole = whole.strip_suffix(',').map_or(whole.clone(), |whole| format!("{whole}}}"));
            let all = format!("{whole} {count}");
            assert!(text.lines().any(|line| line == all), "no line `{all}`");
        }
        last = Some((labels.to_owned(), bound, count));
    }
}
