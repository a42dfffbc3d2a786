//! What `corelane doctor` found, as text for people and as JSON for programs.
//! Knows not how it was found and what a machine is.

use std::fmt::Write;

use super::json::Json;

/// Name and version of the JSON form. A new member is no new version, a changed one is.
pub const DOCTOR_SCHEMA: &str = "corelane-doctor/1";

/// How bad a finding is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// No fault: something that may be tried.
    Option,
    /// It could not be read.
    Unknown,
    /// It could be better.
    Advice,
    /// It costs connections or latency under load, or has already.
    Warning,
    /// It stops a server from doing its work.
    Serious,
}

impl Severity {
    /// All, the worst first, as they are printed.
    pub const ALL: [Severity; 6] = [
        Severity::Serious,
        Severity::Warning,
        Severity::Advice,
        Severity::Unknown,
        Severity::Option,
        Severity::Fine,
    ];

    /// Its word in every output.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Fine => "fine",
            Severity::Option => "option",
            Severity::Unknown => "unknown",
            Severity::Advice => "advice",
            Severity::Warning => "warning",
            Severity::Serious => "serious",
        }
    }

    /// Whether it is printed without being asked for.
    fn is_shown(self) -> bool {
        !matches!(self, Severity::Fine | Severity::Option)
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The item of `tuning/table.toml`.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// How it is; with [`Severity::Unknown`], why that is not known.
    pub now: String,
    /// How it should be.
    pub want: String,
    /// Why.
    pub why: String,
    /// What the change costs or may break.
    pub cost: String,
    /// Its class of risk.
    pub class: String,
    /// What to type; empty where there is nothing to do.
    pub command: String,
    /// How to take that back.
    pub undo: String,
    /// Where it is written.
    pub source: String,
}

/// All that was looked at on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Facts about the machine by name.
    pub machine: Vec<(&'static str, String)>,
    /// One for each item, in the order of the table.
    pub findings: Vec<Finding>,
}

/// Columns of the text, so that it fits a terminal.
const COLUMNS: usize = 96;

/// Where the texts of a finding begin.
const INDENT: usize = 9;

impl Diagnosis {
    /// The worst that was found.
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine)
    }

    fn with(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// For people: the worst first, a line for what is fine, and how many there are of each. Unless
    /// `all` are asked for, what is fine and what may be tried is only counted.
    pub fn to_text(&self, all: bool) -> String {
        let facts: Vec<_> = self.machine.iter().map(|(name, is)| format!("{name} {is}")).collect();
        let mut text = format!("{}\n\n", facts.join(", "));
        for severity in Severity::ALL.into_iter().filter(|severity| all || severity.is_shown()) {
            for finding in self.with(severity) {
                finding.write(&mut text);
            }
        }
        if !text.ends_with("\n\n") {
            text.push('\n');
        }
        let counts = Severity::ALL.map(|severity| (severity, self.with(severity).count()));
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| {
                let hidden = if all || severity.is_shown() { "" } else { " (--all)" };
                format!("{} {count}{hidden}", severity.name())
            })
            .collect();
        let _ = writeln!(text, "{}", counts.join(", "));
        text
    }

    /// For programs: every finding, whatever its severity. One line.
    pub fn to_json(&self) -> Json {
        let machine = self.machine.iter().map(|(name, is)| (*name, Json::text(is)));
        let counts = Severity::ALL
            .map(|severity| (severity.name(), Json::Unsigned(self.with(severity).count() as u64)));
        Json::object([
            ("schema", Json::text(DOCTOR_SCHEMA)),
            ("machine", Json::object(machine)),
            ("worst", Json::text(self.worst().name())),
            ("counts", Json::object(counts)),
            ("findings", Json::List(self.findings.iter().map(Finding::to_json).collect())),
        ])
    }
}

impl Finding {
    fn write(&self, text: &mut String) {
        let word = self.severity.name();
        match self.severity {
            Severity::Fine | Severity::Unknown => {
                paragraph(text, word, &format!("{}: {}", self.name, self.now));
                return;
            }
            _ => {
                let gap = if text.ends_with("\n\n") { "" } else { "\n" };
                let _ = writeln!(text, "{gap}{word:INDENT$}{}", self.name);
            }
        }
        for (name, part) in [
            ("  now", &self.now),
            ("  want", &self.want),
            ("  why", &self.why),
            ("  cost", &self.cost),
            ("  do", &self.command),
            ("  undo", &self.undo),
        ] {
            paragraph(text, name, part);
        }
        paragraph(text, "  risk", &format!("{} ({})", self.class, self.source));
        text.push('\n');
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("name", Json::text(&self.name)),
            ("severity", Json::text(self.severity.name())),
            ("now", Json::text(&self.now)),
            ("want", Json::text(&self.want)),
            ("why", Json::text(&self.why)),
            ("cost", Json::text(&self.cost)),
            ("class", Json::text(&self.class)),
            ("command", Json::text(&self.command)),
            ("undo", Json::text(&self.undo)),
            ("source", Json::text(&self.source)),
        ])
    }
}

/// A word, and beside it a text broken at blanks; nothing if there is no text.
fn paragraph(text: &mut String, word: &str, part: &str) {
    let mut line = format!("{word:INDENT$}");
    let mut is_empty = true;
    for piece in part.split(' ').filter(|piece| !piece.is_empty()) {
        if !is_empty && line.chars().count() + 1 + piece.chars().count() > COLUMNS {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(INDENT);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(piece);
        is_empty = false;
    }
    if !is_empty {
        let _ = writeln!(text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, severity: Severity) -> Finding {
        let text = |word: &str| format!("{word} of {name}");
        Finding {
            name: name.to_owned(),
            severity,
            now: text("now"),
            want: text("want"),
            why: "because ".repeat(20),
            cost: text("cost"),
            class: "safe".to_owned(),
            command: text("command"),
            undo: text("undo"),
            source: "listen(2)".to_owned(),
        }
    }

    fn diagnosis() -> Diagnosis {
        let severities = [Severity::Fine, Severity::Advice, Severity::Warning, Severity::Unknown];
        let findings = severities.map(|severity| finding(severity.name(), severity)).to_vec();
        Diagnosis { machine: vec![("Linux", "6.1".to_owned())], findings }
    }

    #[test]
    fn the_worst_stands_first_and_what_is_fine_is_counted() {
        let text = diagnosis().to_text(false);
        assert!(
            text.starts_with("Linux 6.1\n\nwarning  warning\n  now    now of warning\n"),
            "{text}"
        );
        assert!(text.contains("\n  why    because because"), "{text}");
        assert!(text.contains("\n         because"), "{text}");
        assert!(text.contains("\nunknown  unknown: now of unknown\n"), "{text}");
        assert!(!text.contains("now of fine"), "{text}");
        assert!(text.ends_with("\nwarning 1, advice 1, unknown 1, fine 1 (--all)\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let text = diagnosis().to_text(true);
        assert!(text.contains("\nfine     fine: now of fine\n"), "{text}");
    }

    #[test]
    fn the_json_form_has_everything() {
        let text = diagnosis().to_json().to_string();
        let start = r#"{"schema":"corelane-doctor/1","machine":{"Linux":"6.1"},"worst":"warning","#;
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains(r#""name":"fine","severity":"fine","now":"now of fine""#), "{text}");
        assert_eq!(diagnosis().worst(), Severity::Warning);
    }
}
