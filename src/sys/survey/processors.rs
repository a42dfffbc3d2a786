//! Cores, nodes, idle states and weaknesses of the processors, as sysfs tells them.

use super::files::{Fact, Files, Unknown};

/// A state in which a processor may idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleState {
    /// As the driver calls it.
    pub name: String,
    /// Microseconds until the processor works again.
    pub latency_us: u64,
    /// Whether it may be entered.
    pub is_on: bool,
}

const CPUS: &str = "sys/devices/system/cpu";

/// The processors of each core, of which each core stands once.
pub(super) fn cores(files: &Files) -> Fact<Vec<Vec<usize>>> {
    lists(files, &format!("{CPUS}/cpu*/topology/thread_siblings_list"))
}

/// The processors of each node of memory.
pub(super) fn nodes(files: &Files) -> Fact<Vec<Vec<usize>>> {
    lists(files, "sys/devices/system/node/node*/cpulist")
}

fn lists(files: &Files, pattern: &str) -> Fact<Vec<Vec<usize>>> {
    let mut lists = Vec::new();
    for (path, text) in files.matching(pattern)? {
        let list = super::files::cpu_list(&text?).ok_or_else(|| Unknown::form(&path))?;
        if !list.is_empty() && !lists.contains(&list) {
            lists.push(list);
        }
    }
    Ok(lists)
}

pub(super) fn idle_states(files: &Files) -> Fact<Vec<IdleState>> {
    let folder = format!("{CPUS}/cpu0/cpuidle");
    let names = files.names(&folder)?.into_iter().filter(|name| name.starts_with("state"));
    let states = names.map(|state| {
        let path = |name: &str| format!("{folder}/{state}/{name}");
        Ok(IdleState {
            name: files.read(&path("name"))?,
            latency_us: files.number(&path("latency"))?,
            is_on: files.number(&path("disable"))? == 0,
        })
    });
    states.collect()
}

pub(super) fn weaknesses(files: &Files) -> Fact<Vec<(String, String)>> {
    let found = files.matching(&format!("{CPUS}/vulnerabilities/*"))?.into_iter();
    let named = found.map(|(path, text)| {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok((name, text?))
    });
    named.collect()
}
