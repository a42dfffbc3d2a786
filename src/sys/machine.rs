//! What a machine is and how it is tuned, as far as figures depend on it, and which processors a
//! process has pinned its threads to. Best effort: what may not be read is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Kernel, processor and settings by name, for the foot of a report.
pub fn machine_facts() -> Vec<(&'static str, String)> {
    facts_in(Path::new("/"))
}

/// The same below a root, which is `/` but for tests.
pub(super) fn facts_in(root: &Path) -> Vec<(&'static str, String)> {
    let read = |path: &str| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let model = read("proc/cpuinfo").and_then(|cpus| {
        let line = cpus.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let governor = read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    [
        ("Linux", read("proc/sys/kernel/osrelease")),
        ("CPU", model),
        ("governor", Some(governor.unwrap_or_else(|| "unknown".to_owned()))),
        ("congestion control", read("proc/sys/net/ipv4/tcp_congestion_control")),
        ("somaxconn", read("proc/sys/net/core/somaxconn")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The processors to which the threads of a process are pinned, each to one of them. Empty if it
/// has none that is, or may not be looked at.
pub fn pinned_cpus(pid: u32) -> BTreeSet<usize> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        line.trim().parse().ok()
    });
    lists.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_files_is_told_as_far_as_it_goes() {
        assert_eq!(facts_in(Path::new("/nowhere")), [("governor", "unknown".to_owned())]);
        assert!(machine_facts().iter().any(|(name, _)| *name == "Linux"));
    }

    #[test]
    fn a_process_that_is_gone_has_pinned_nothing() {
        assert!(pinned_cpus(0).is_empty());
    }
}
