//! The table of tuning, read from the file that the scripts read too. Knows the form of its items
//! and no machine.

use super::rule::Rule;
use crate::report::doctor::Severity;

const TEXT: &str = include_str!("../../tuning/table.toml");

/// Who sets it, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that no script writes.
    Hand,
    /// A limit of `getrlimit(2)`.
    Limit,
    /// A file or files below `/sys`.
    Sysfs,
    /// A file below `/proc/sys`.
    Sysctl,
}

/// Who may suffer from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nobody is known to.
    Safe,
    /// Somebody may.
    MeasureFirst,
    /// Somebody will.
    LabOnly,
}

impl Class {
    /// Its word in every output.
    pub fn name(self) -> &'static str {
        match self {
            Class::Safe => "safe",
            Class::MeasureFirst => "measure-first",
            Class::LabOnly => "lab-only",
        }
    }
}

/// One thing that can be tuned or looked at.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is called everywhere.
    pub name: &'static str,
    /// Who sets it.
    pub kind: Kind,
    /// Where it stands.
    pub key: &'static str,
    /// How it should be: a [`Rule`] unless it is [`Kind::Hand`].
    pub want: &'static str,
    /// Name of a sysctl, and how it must be for the item to count.
    pub when: Option<(&'static str, Rule)>,
    /// Whether it belongs into a file that is read at boot.
    pub at_boot: bool,
    /// How bad it is if it is not so.
    pub severity: Severity,
    /// Who may suffer.
    pub class: Class,
    /// What it gives.
    pub why: &'static str,
    /// What it costs.
    pub cost: &'static str,
    /// What to type, unless it follows from `key` and `want`.
    pub command: &'static str,
    /// How to take that back.
    pub undo: &'static str,
    /// Where it is written.
    pub source: &'static str,
}

impl Item {
    /// The rule, of everything but [`Kind::Hand`].
    pub fn rule(&self) -> Option<Rule> {
        Rule::parse(self.want).filter(|_| self.kind != Kind::Hand)
    }

    /// The file of a setting, below the root; `None` where it is not one.
    pub fn path(&self) -> Option<String> {
        match self.kind {
            Kind::Sysctl => Some(sysctl_path(self.key)),
            Kind::Sysfs => Some(self.key.to_owned()),
            Kind::Hand | Kind::Limit => None,
        }
    }
}

/// The file of a sysctl, below the root.
pub(super) fn sysctl_path(name: &str) -> String {
    format!("proc/sys/{}", name.replace('.', "/"))
}

/// Every item, in the order of the table.
#[allow(clippy::missing_panics_doc, reason = "a test reads the same table")]
pub fn items() -> Vec<Item> {
    parse(TEXT).expect("tests read the same table")
}

fn parse(text: &'static str) -> Result<Vec<Item>, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut blocks: Vec<(&str, Vec<(&str, &str)>)> = Vec::new();
    for line in lines {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            blocks.push((name, Vec::new()));
            continue;
        }
        let pair = line.split_once(" = \"").and_then(|(key, value)| {
            let value = value.strip_suffix('"')?;
            (!value.contains(['"', '\\'])).then_some((key, value))
        });
        match (pair, blocks.last_mut()) {
            (Some(pair), Some((_, fields))) => fields.push(pair),
            _ => return Err(format!("no key and text: {line}")),
        }
    }
    blocks.into_iter().map(|(name, fields)| item(name, &fields)).collect()
}

const FIELDS: [&str; 12] = [
    "kind", "key", "want", "boot", "when", "doctor", "class", "why", "cost", "do", "undo", "source",
];

fn item(name: &'static str, fields: &[(&str, &'static str)]) -> Result<Item, String> {
    if let Some((field, _)) = fields.iter().find(|(field, _)| !FIELDS.contains(field)) {
        return Err(format!("[{name}]: no such field: {field}"));
    }
    let optional =
        |wanted: &str| fields.iter().find(|(field, _)| *field == wanted).map(|&(_, value)| value);
    let text = |wanted: &str| {
        optional(wanted)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| format!("[{name}]: {wanted} is missing"))
    };
    let wrong = |field: &str| format!("[{name}]: {field} is no such thing");
    let kind = match text("kind")? {
        "hand" => Kind::Hand,
        "limit" => Kind::Limit,
        "sysctl" => Kind::Sysctl,
        "sysfs" => Kind::Sysfs,
        _ => return Err(wrong("kind")),
    };
    let classes = [Class::Safe, Class::MeasureFirst, Class::LabOnly];
    let severities = [Severity::Option, Severity::Advice, Severity::Warning, Severity::Serious];
    let (class, severity) = (text("class")?, text("doctor")?);
    let is_written = matches!(kind, Kind::Sysctl | Kind::Sysfs);
    if kind != Kind::Hand && Rule::parse(text("want")?).is_none() {
        return Err(wrong("want"));
    }
    let when = optional("when").map(|when| {
        let (key, rule) = when.split_once(' ').ok_or_else(|| wrong("when"))?;
        Ok::<_, String>((key, Rule::parse(rule).ok_or_else(|| wrong("when"))?))
    });
    Ok(Item {
        name,
        kind,
        key: text("key")?,
        want: text("want")?,
        when: when.transpose()?,
        at_boot: optional("boot") != Some("no"),
        severity: severities
            .into_iter()
            .find(|it| it.name() == severity)
            .ok_or_else(|| wrong("doctor"))?,
        class: classes.into_iter().find(|it| it.name() == class).ok_or_else(|| wrong("class"))?,
        why: text("why")?,
        cost: text("cost")?,
        // What is written follows from `key` and `want`, and so does the way back.
        command: if is_written { "" } else { text("do")? },
        undo: if is_written { "" } else { text("undo")? },
        source: text("source")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_no_name_stands_twice() {
        let items = parse(TEXT).unwrap();
        for (index, item) in items.iter().enumerate() {
            let is_first = items[..index].iter().all(|other| other.name != item.name);
            assert!(is_first, "{}", item.name);
            let is_path = !item.key.starts_with('/') && item.key.matches('*').count() <= 1;
            assert!(is_path || item.kind == Kind::Hand, "{}", item.key);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("[a]\nkind = \"sysctl\"\n", "[a]: class is missing"),
            ("[a]\nkinds = \"sysctl\"\n", "no such field: kinds"),
            ("kind = \"sysctl\"\n", "no key and text"),
            ("[a]\nkind = 'hand'\n", "no key and text"),
            ("[a]\nkind = \"foot\"\n", "[a]: kind"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
