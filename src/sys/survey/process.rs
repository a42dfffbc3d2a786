//! Limits, rights and control groups of this process, and what else runs, as `/proc` tells them.

use std::path::Path;

use super::super::cgroup::{cpu_quota, throttled_periods};
use super::super::resource::DescriptorLimit;
use super::files::{Fact, Files, Unknown, cpu_list};

/// Processor time that control groups grant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// Processors' worth of time, if there is a limit.
    pub processors: Option<f64>,
    /// Periods in which the time was used up, since the group began.
    pub throttled_periods: u64,
}

/// What it takes to load the program that places connections (`capabilities(7)`, `bpf(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BpfRights {
    /// CAP_BPF or CAP_SYS_ADMIN is effective.
    pub has_capability: bool,
    /// In the user namespace of the machine: in another one the capability counts for nothing.
    pub is_of_machine: bool,
    /// A filter looks at its system calls and may refuse this one.
    pub is_filtered: bool,
    /// Major and minor number of the kernel.
    pub kernel: (u32, u32),
}

const STATUS: &str = "proc/self/status";
const RELEASE: &str = "proc/sys/kernel/osrelease";

/// Bits of `CapEff` (`linux/capability.h`).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// The range that the user namespace of the machine maps onto itself (`user_namespaces(7)`).
const EVERY_USER: [&str; 3] = ["0", "0", "4294967295"];

/// Reads `/proc/self/limits` instead of asking the kernel, so that a root can stand in for it.
pub(super) fn descriptors(files: &Files) -> Fact<DescriptorLimit> {
    const PATH: &str = "proc/self/limits";
    let text = files.read(PATH)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let limit = |word: Option<&str>| match word? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    let read = || {
        let mut words = line?.split_whitespace();
        Some(DescriptorLimit { soft: limit(words.next())?, hard: limit(words.next())? })
    };
    read().ok_or_else(|| Unknown::form(PATH))
}

pub(super) fn allowed(files: &Files) -> Fact<Vec<usize>> {
    let list = status(files, "Cpus_allowed_list:")?;
    cpu_list(&list).filter(|cpus| !cpus.is_empty()).ok_or_else(|| Unknown::form(STATUS))
}

fn status(files: &Files, field: &str) -> Fact<String> {
    let text = files.read(STATUS)?;
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    value.map(|value| value.trim().to_owned()).ok_or_else(|| Unknown::form(STATUS))
}

pub(super) fn quota(files: &Files, root: &Path) -> Fact<Quota> {
    files.read("proc/self/cgroup")?;
    if !files.read("proc/self/mountinfo")?.contains(" - cgroup") {
        return Err(Unknown("no control groups are mounted where this process runs".to_owned()));
    }
    let throttled_periods = throttled_periods(root).unwrap_or_default();
    Ok(Quota { processors: cpu_quota(root), throttled_periods })
}

pub(super) fn bpf_rights(files: &Files) -> Fact<BpfRights> {
    let effective = u64::from_str_radix(&status(files, "CapEff:")?, 16);
    let effective = effective.map_err(|_| Unknown::form(STATUS))?;
    let has = |capability: u32| effective >> capability & 1 == 1;
    let users = files.read("proc/self/uid_map")?;
    let release = files.read(RELEASE)?;
    let mut numbers = release.split(['.', '-']).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(Unknown::form(RELEASE));
    };
    Ok(BpfRights {
        has_capability: has(CAP_BPF) || has(CAP_SYS_ADMIN),
        is_of_machine: users.split_whitespace().eq(EVERY_USER),
        is_filtered: status(files, "Seccomp:").is_ok_and(|mode| mode != "0"),
        kernel: (major, minor),
    })
}

/// Whether a process of that name runs on the machine.
pub(super) fn runs(files: &Files, name: &str) -> Fact<bool> {
    // The kernel's own threads are seen from the machine's namespace of processes only.
    if files.read("proc/2/comm").as_deref() != Ok("kthreadd") {
        let why = "/proc does not show the processes of the whole machine (container, hidepid)";
        return Err(Unknown(why.to_owned()));
    }
    let is_process = |folder: &String| folder.bytes().all(|byte| byte.is_ascii_digit());
    let mut processes = files.names("proc")?.into_iter().filter(is_process);
    let is_named = |process| files.read(&format!("proc/{process}/comm")).is_ok_and(|it| it == name);
    Ok(processes.any(is_named))
}

/// Lines of `/proc/swaps` below its head.
pub(super) fn swaps(files: &Files) -> Fact<usize> {
    Ok(files.read("proc/swaps")?.lines().skip(1).count())
}
