//! Which processors this process may use, how many workers that is worth, and how a thread is
//! pinned to one. Knows not what a worker does.

#![allow(unsafe_code)] // sysconf is a foreign function.

use std::path::Path;

use core_affinity::CoreId;

use super::cgroup::cpu_quota;

/// What the process may use of the machine's processors.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuPlan {
    /// The processors of its affinity mask, in ascending order; never empty.
    pub cpus: Vec<usize>,
    /// Processors' worth of time that its control groups grant it, if they set a limit.
    pub quota: Option<f64>,
}

impl CpuPlan {
    /// How many workers to run: one for each processor that is both allowed and paid for, the
    /// quota rounded up, so at least one. More workers than the quota would spend it all at
    /// once and then stand still together until the next period.
    pub fn workers(&self) -> usize {
        // A quota too large for `usize` saturates, which is what is meant.
        #[allow(clippy::cast_sign_loss)]
        let paid = self.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
        self.cpus.len().min(paid).max(1)
    }
}

/// What this process may use now. To be asked before any thread is pinned: a pinned one sees
/// its own processor only.
pub fn worker_cpus() -> CpuPlan {
    CpuPlan { cpus: allowed_cpus(), quota: cpu_quota(Path::new("/")) }
}

/// Pins the calling thread to `cpu`; true if the kernel then says that this is all it may use.
pub fn pin_current_thread(cpu: usize) -> bool {
    cpu < CPUS_MAX && core_affinity::set_for_current(CoreId { id: cpu }) && allowed_cpus() == [cpu]
}

/// Processors an affinity mask of the C library's fixed size can name.
const CPUS_MAX: usize = libc::CPU_SETSIZE as usize;

/// The affinity mask of the calling thread. Where it cannot be read, because the machine has
/// more processors than the mask, every processor that is online.
fn allowed_cpus() -> Vec<usize> {
    match core_affinity::get_core_ids() {
        Some(cores) if !cores.is_empty() => cores.into_iter().map(|core| core.id).collect(),
        _ => (0..processors_online()).collect(),
    }
}

fn processors_online() -> usize {
    // SAFETY: `sysconf(3)` reads no memory of ours; -1, for an unknown name, becomes 1.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(cpus: usize, quota: Option<f64>) -> usize {
        CpuPlan { cpus: (0..cpus).collect(), quota }.workers()
    }

    #[test]
    fn there_is_a_worker_for_each_processor_that_is_allowed_and_paid_for() {
        assert_eq!(workers(8, None), 8);
        assert_eq!(workers(8, Some(2.0)), 2);
        assert_eq!(workers(8, Some(2.1)), 3);
        assert_eq!(workers(2, Some(64.0)), 2);
        assert_eq!(workers(8, Some(0.05)), 1);
        assert_eq!(workers(8, Some(1e300)), 8);
    }

    #[test]
    fn the_plan_of_this_machine_is_the_affinity_mask_the_kernel_shows() {
        let plan = worker_cpus();
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        let shown: Vec<usize> = list
            .trim()
            .split(',')
            .flat_map(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                from.parse::<usize>().unwrap()..=to.parse().unwrap()
            })
            .collect();
        assert_eq!(plan.cpus, shown);
        assert!((1..=shown.len()).contains(&plan.workers()));
    }

    #[test]
    fn a_thread_is_pinned_to_each_allowed_processor_and_to_no_other() {
        let cpus = worker_cpus().cpus;
        // On a thread of its own, for the harness may run the next test on this one.
        std::thread::spawn(move || {
            for cpu in cpus {
                assert!(pin_current_thread(cpu));
                assert_eq!(allowed_cpus(), [cpu]);
            }
            assert!(!pin_current_thread(CPUS_MAX - 1));
            assert!(!pin_current_thread(usize::MAX));
        })
        .join()
        .unwrap();
    }
}
