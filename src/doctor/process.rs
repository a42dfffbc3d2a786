//! Limits, rights and processors of this process, judged.

use super::table::Item;
use super::{Rule, Verdict, known, list, several};
use crate::report::doctor::Severity;
use crate::sys::{BpfRights, CpuPlan, Survey};

/// Descriptors below which a server of some size refuses its clients: the kernel's limit of old.
const DESCRIPTORS_SERIOUS: u64 = 4096;

/// Below which one that many look at does.
const DESCRIPTORS_WARNING: u64 = 65_536;

pub(super) fn descriptors(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.descriptors, |limit| {
        // The server raises its soft limit to the hard one.
        let now = match limit.hard {
            u64::MAX => "unlimited".to_owned(),
            hard => format!("hard limit {hard}, soft {} (raised at start)", limit.soft),
        };
        let severity = match (item.rule(), limit.hard) {
            (Some(Rule::AtLeast(least)), hard) if hard >= least => return Verdict::fine(now),
            (_, hard) if hard < DESCRIPTORS_SERIOUS => Severity::Serious,
            (_, hard) if hard < DESCRIPTORS_WARNING => Severity::Warning,
            _ => item.severity,
        };
        Verdict::new(severity, now)
    })
}

/// The first kernel that takes the program (`bpf(2)`: migration of connections).
const KERNEL_MIN: (u32, u32) = (5, 14);

/// Whether the program that places connections can be loaded, as far as it is to be seen.
pub(super) fn may_steer(rights: &BpfRights) -> bool {
    rights.has_capability && rights.is_of_machine && rights.kernel >= KERNEL_MIN
}

pub(super) fn bpf_rights(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.bpf, |rights| {
        let (major, minor) = rights.kernel;
        if rights.kernel < KERNEL_MIN {
            return Verdict::bad(item, format!("Linux {major}.{minor} is too old for it"));
        }
        if !rights.has_capability {
            return Verdict::bad(item, "this process has neither CAP_BPF nor CAP_SYS_ADMIN");
        }
        if !rights.is_of_machine {
            let now = "it has the capability, but in a user namespace of its own, where it does \
                       not count";
            return Verdict::bad(item, now);
        }
        Verdict::fine(if rights.is_filtered {
            "it may load BPF programs, unless the filter of its system calls refuses"
        } else {
            "it may load BPF programs"
        })
    })
}

/// How many workers a server that starts like this would have.
pub(super) fn workers(survey: &Survey) -> Option<usize> {
    let cpus = survey.allowed.clone().ok()?;
    let quota = survey.quota.as_ref().ok().and_then(|quota| quota.processors);
    Some(CpuPlan { cpus, quota }.workers())
}

pub(super) fn cpu_quota(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.quota, |quota| {
        let Some(processors) = quota.processors else { return Verdict::fine("no quota") };
        let periods = quota.throttled_periods;
        let now = format!("{processors} processors, used up in {periods} periods");
        match (periods, processors.fract() > 0.0) {
            (0, false) => Verdict::fine(now),
            (0, true) => Verdict::bad(item, now),
            _ => Verdict::new(Severity::Warning, now),
        }
    })
}

pub(super) fn cpuset(item: &Item, survey: &Survey) -> Verdict {
    known(&survey.allowed, |allowed| {
        known(&survey.online, |online| {
            let cpus = list(allowed);
            if allowed.len() < online.len() {
                let now = format!("{} of {} processors: {cpus}", allowed.len(), online.len());
                return Verdict::bad(item, now);
            }
            Verdict::fine(format!("all {}: {cpus}", several(online.len(), "processor")))
        })
    })
}
