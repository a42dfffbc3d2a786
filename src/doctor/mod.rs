//! What of a machine stands in a server's way: what `sys` has read, judged by the table of tuning.
//! Reads no file but through `sys`, prints nothing, changes nothing.

mod network;
mod process;
mod processors;
mod rule;
mod settings;
mod table;

use std::path::Path;

pub use self::rule::Rule;
pub use self::table::{Class, Item, Kind, items};
use crate::report::doctor::{Diagnosis, Finding, Severity};
use crate::sys::{Fact, Survey};

/// Looks at the machine below `root`, which is `/` but for tests.
pub fn examine(root: &Path) -> Diagnosis {
    let items = items();
    let survey = Survey::of(root, &settings::paths(&items));
    judge(&items, &survey)
}

/// A finding for each item.
fn judge(items: &[Item], survey: &Survey) -> Diagnosis {
    let shown = ["Linux", "CPU"];
    let machine = survey.machine.iter().filter(|(name, _)| shown.contains(name)).cloned();
    let findings = items.iter().map(|item| finding(item, verdict(item, survey))).collect();
    Diagnosis { machine: machine.collect(), findings }
}

/// What a check says of its item.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    severity: Severity,
    now: String,
    /// What to type, and what takes it back; empty for what the table says.
    commands: (String, String),
    /// What stands for `{}` in what the table says, to do and to undo.
    subjects: (String, String),
}

impl Verdict {
    fn new(severity: Severity, now: impl Into<String>) -> Verdict {
        Verdict {
            severity,
            now: now.into(),
            commands: (String::new(), String::new()),
            subjects: (String::new(), String::new()),
        }
    }

    fn fine(now: impl Into<String>) -> Verdict {
        Verdict::new(Severity::Fine, now)
    }

    /// As bad as the table says.
    fn bad(item: &Item, now: impl Into<String>) -> Verdict {
        Verdict::new(item.severity, now)
    }

    /// With the same subject in both commands.
    fn about(self, subject: impl Into<String>) -> Verdict {
        let subject = subject.into();
        Verdict { subjects: (subject.clone(), subject), ..self }
    }
}

/// What `check` says of a fact, or that the fact is not known.
fn known<T>(fact: &Fact<T>, check: impl FnOnce(&T) -> Verdict) -> Verdict {
    match fact {
        Ok(fact) => check(fact),
        Err(unknown) => Verdict::new(Severity::Unknown, unknown.to_string()),
    }
}

fn verdict(item: &Item, survey: &Survey) -> Verdict {
    match item.name {
        "descriptors" => process::descriptors(item, survey),
        "bpf-rights" => process::bpf_rights(item, survey),
        "cpu-quota" => process::cpu_quota(item, survey),
        "cpuset" => process::cpuset(item, survey),
        "smt" => processors::smt(item, survey),
        "numa" => processors::numa(item, survey),
        "idle-states" => processors::idle_states(item, survey),
        "mitigations" => processors::mitigations(item, survey),
        "tcp-memory" => network::tcp_memory(item, survey),
        "accept-overflows" => network::accept_overflows(item, survey),
        "conntrack" => network::conntrack(item, survey),
        "nic-queues" => network::nic_queues(item, survey),
        "irq-affinity" => network::irq_affinity(item, survey),
        "irqbalance" => network::irqbalance(item, survey),
        "rps" => network::rps(item, survey),
        "xps" => network::xps(item, survey),
        // Items of the table that no script writes have a check above; a test holds that.
        _ => settings::with_evidence(item, survey, settings::setting(item, survey)),
    }
}

fn finding(item: &Item, verdict: Verdict) -> Finding {
    let is_done = matches!(verdict.severity, Severity::Fine | Severity::Unknown);
    let command = |given: String, of_table: &str, subject: &str| match given {
        _ if is_done => String::new(),
        given if given.is_empty() => of_table.replace("{}", subject),
        given => given,
    };
    Finding {
        name: item.name.to_owned(),
        severity: verdict.severity,
        now: verdict.now,
        want: item.want.to_owned(),
        why: item.why.to_owned(),
        cost: item.cost.to_owned(),
        class: item.class.name().to_owned(),
        command: command(verdict.commands.0, item.command, &verdict.subjects.0),
        undo: command(verdict.commands.1, item.undo, &verdict.subjects.1),
        source: item.source.to_owned(),
    }
}

/// Numbers of processors as the kernel writes them: `0-3,8`.
fn list(cpus: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if cpu == *last + 1 => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let ranges = ranges.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(",")
}

/// `1 queue`, `2 queues`.
fn several(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_as_the_kernel_does() {
        assert_eq!(list(&[0, 1, 2, 8, 10, 11]), "0-2,8,10-11");
        assert_eq!(list(&[]), "");
    }

    #[test]
    fn what_no_script_writes_has_a_check_of_its_own() {
        let survey = Survey::of(Path::new("/nowhere"), &[]);
        for item in items() {
            let verdict = verdict(&item, &survey);
            // A setting that was not asked for is not known by another reason.
            let is_setting = verdict.now.contains("was not read");
            assert_eq!(
                is_setting,
                matches!(item.kind, Kind::Sysctl | Kind::Sysfs),
                "{}",
                item.name
            );
        }
    }
}
