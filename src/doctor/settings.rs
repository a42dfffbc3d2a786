//! Settings in files, judged by their rules; and those of which other facts say whether they matter
//! here.

use super::table::{Item, Kind, sysctl_path};
use super::{Verdict, known};
use crate::report::doctor::Severity;
use crate::sys::{Setting, Survey, Unknown};

/// The files to read for `items`.
pub(super) fn paths(items: &[Item]) -> Vec<String> {
    let settings = items.iter().filter_map(Item::path);
    let conditions = items.iter().filter_map(|item| item.when.as_ref());
    let others = [network_memory(), sysctl_path("kernel.osrelease")];
    settings.chain(conditions.map(|(key, _)| sysctl_path(key))).chain(others).collect()
}

/// The file of the bounds of TCP's memory.
pub(super) fn network_memory() -> String {
    sysctl_path("net.ipv4.tcp_mem")
}

/// The text of a setting of one file.
pub(super) fn value(survey: &Survey, path: &str) -> Result<String, Unknown> {
    let not_read = || Unknown(format!("/{path} was not read"));
    let files = survey.settings.get(path).ok_or_else(not_read)?.as_ref();
    let (_, text) = files.map_err(Clone::clone)?.first().ok_or_else(not_read)?;
    text.as_ref().map(|text| chosen(text).to_owned()).map_err(Clone::clone)
}

/// Some files list what may be chosen, with the choice in brackets.
fn chosen(text: &str) -> &str {
    let inner = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inner.map_or(text, |(inner, _)| inner)
}

/// What the rule of an item says.
pub(super) fn setting(item: &Item, survey: &Survey) -> Verdict {
    let path = item.path().unwrap_or_default();
    let files = survey.settings.get(&path);
    let not_read = Err(Unknown(format!("/{path} was not read")));
    known(files.unwrap_or(&not_read), |files| {
        if let Some((key, rule)) = &item.when {
            match value(survey, &sysctl_path(key)) {
                Ok(other) if rule.holds(&other) != Some(true) => {
                    return Verdict::fine(format!("does not count while {key} is {other}"));
                }
                Ok(_) => {}
                Err(unknown) => return Verdict::new(Severity::Unknown, unknown.to_string()),
            }
        }
        ruled(item, files)
    })
}

fn ruled(item: &Item, files: &[Setting]) -> Verdict {
    let Some(rule) = item.rule() else { return Verdict::fine("no rule") };
    let mut values: Vec<String> = Vec::new();
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for (path, text) in files {
        let text = match text {
            Ok(text) => chosen(text).split_whitespace().collect::<Vec<_>>().join(" "),
            Err(unknown) => return Verdict::new(Severity::Unknown, unknown.to_string()),
        };
        match rule.holds(&text) {
            Some(true) => {}
            Some(false) => wrong.push((path, text.clone())),
            None => {
                let why = format!("/{path} is not understood: {text}");
                return Verdict::new(Severity::Unknown, why);
            }
        }
        if !values.contains(&text) {
            values.push(text);
        }
    }
    let now = match files.len() {
        1 => values.join(""),
        count => format!("{} ({} of {} not as wanted)", values.join(", "), wrong.len(), count),
    };
    match wrong.first() {
        None => Verdict::fine(values.join(", ")),
        Some((_, first)) => {
            let commands = commands(item, &rule.target(first), &wrong, files.len());
            Verdict { commands, ..Verdict::bad(item, now) }
        }
    }
}

/// What writes `target`, and what writes back what was there in the `count` files of the item.
fn commands(item: &Item, target: &str, wrong: &[(&str, String)], count: usize) -> (String, String) {
    let first = wrong.first().map_or("", |(_, text)| text);
    if item.kind == Kind::Sysctl {
        let set = |value: &str| format!("sysctl -w {}={}", item.key, quoted(value));
        return (set(target), set(first));
    }
    let arrow = if item.key.contains('*') { "| tee" } else { ">" };
    let write = |value: &str| format!("echo {value} {arrow} /{}", item.key);
    if wrong.len() == count && wrong.iter().all(|(_, text)| text == first) {
        return (write(target), write(first));
    }
    let back = wrong.iter().map(|(path, text)| format!("echo {text} > /{path}"));
    (write(target), back.collect::<Vec<_>>().join("; "))
}

/// A word of the shell.
pub(super) fn quoted(value: &str) -> String {
    if value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() }
}

/// One in this many goes with packets left over is nothing.
const SQUEEZED_PER: u64 = 10_000;

/// Some values that are not as wanted do no harm on this machine, and some have done it.
pub(super) fn with_evidence(item: &Item, survey: &Survey, verdict: Verdict) -> Verdict {
    if matches!(verdict.severity, Severity::Fine | Severity::Unknown) {
        return verdict;
    }
    let now = verdict.now.clone();
    let harmless = |why: &str| Verdict::fine(format!("{now}; {why}"));
    match item.name {
        "netdev-backlog" => known(&survey.softnet, |lines| {
            let dropped: u64 = lines.iter().map(|line| line.dropped).sum();
            if dropped == 0 {
                return harmless("no packet was dropped since boot");
            }
            let now = format!("{}; {dropped} packets dropped since boot", verdict.now);
            Verdict { now, severity: Severity::Warning, ..verdict }
        }),
        "netdev-budget" => known(&survey.softnet, |lines| {
            let squeezed: u64 = lines.iter().map(|line| line.squeezed).sum();
            let processed: u64 = lines.iter().map(|line| line.processed).sum();
            let now = format!("{}; not enough {squeezed} times since boot", verdict.now);
            if squeezed.saturating_mul(SQUEEZED_PER) <= processed {
                return Verdict::fine(format!("{now}, for {processed} packets"));
            }
            Verdict { now, ..verdict }
        }),
        "swappiness" => known(&survey.swaps, |swaps| match swaps {
            0 => harmless("there is no swap"),
            _ => verdict,
        }),
        "numa-balancing" => known(&survey.nodes, |nodes| match nodes.len() {
            0 | 1 => harmless("there is one node"),
            _ => verdict,
        }),
        "migrate-requests" => match &survey.bpf {
            Ok(rights) if super::process::may_steer(rights) => {
                harmless("the program that places connections migrates them")
            }
            _ => verdict,
        },
        "tw-buckets" => known(&survey.tcp, |tcp| match tcp.time_wait_overflows {
            0 => harmless("it was enough since boot"),
            1 => Verdict { now: format!("{}; not enough once", verdict.now), ..verdict },
            count => {
                Verdict { now: format!("{}; not enough {count} times", verdict.now), ..verdict }
            }
        }),
        "governor" => {
            // Of these drivers `powersave` is a governor that follows the load.
            let follows = ["intel_pstate", "amd-pstate-epp"];
            let driver = survey.frequency_driver.as_deref().unwrap_or("unknown");
            let is_slow = verdict.now.contains("powersave") && !follows.contains(&driver);
            let severity = if is_slow { Severity::Warning } else { verdict.severity };
            Verdict { now: format!("{}, by {driver}", verdict.now), severity, ..verdict }
        }
        _ => verdict,
    }
}
