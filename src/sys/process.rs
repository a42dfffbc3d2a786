//! What the kernel knows of this process: time, memory, descriptors, threads.
//! Knows not what they are used for.

#![allow(unsafe_code)] // sysconf is a foreign function.

use std::fs;
use std::time::Duration;

use super::resource::{descriptor_limit, process_cpu_time};

/// The process as it is now; `None` for what the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    /// Processor time of all its threads.
    pub busy: Duration,
    /// Bytes of memory that it occupies.
    pub resident: Option<u64>,
    /// Bytes of its address space.
    pub reserved: Option<u64>,
    /// Its threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// How many there may be.
    pub descriptors_max: Option<u64>,
    /// When it started, since 1970-01-01 UTC.
    pub started: Option<Duration>,
}

impl ProcessFacts {
    /// Asks the kernel.
    pub fn read() -> ProcessFacts {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        ProcessFacts {
            busy: process_cpu_time(),
            resident: of("VmRSS:").map(|kibibytes| kibibytes * BYTES_PER_KIB),
            reserved: of("VmSize:").map(|kibibytes| kibibytes * BYTES_PER_KIB),
            threads: of("Threads:"),
            descriptors: descriptors(),
            descriptors_max: descriptor_limit().ok().map(|limit| limit.soft),
            started: started(),
        }
    }
}

/// The unit of `/proc/self/status`, which it writes as kB.
const BYTES_PER_KIB: u64 = 1024;

/// Since Linux 6.2 the size of the folder; before, its entries, less the one that lists them.
fn descriptors() -> Option<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64 - 1),
        count => Some(count),
    }
}

/// From the boot of the machine and the ticks from there to the start (`proc_pid_stat(5)`).
fn started() -> Option<Duration> {
    let all = fs::read_to_string("/proc/stat").ok()?;
    let boot = all.lines().find_map(|line| line.strip_prefix("btime "))?;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name that may have blanks; the start is the 22nd.
    let (_, fields) = own.rsplit_once(") ")?;
    let start: u64 = fields.split(' ').nth(19)?.parse().ok()?;
    // SAFETY: takes no pointer.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let millis = (start * 1_000).checked_div(per_second)?;
    Some(Duration::from_secs(boot.trim().parse().ok()?) + Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn this_process_runs_and_began_a_while_ago() {
        let facts = ProcessFacts::read();
        assert!(facts.resident.unwrap() > 0 && facts.reserved >= facts.resident);
        assert!(facts.threads.unwrap() >= 1 && facts.descriptors.unwrap() >= 3);
        assert!(facts.descriptors <= facts.descriptors_max);
        let age = Clock::new().unix_time().checked_sub(facts.started.unwrap()).unwrap();
        assert!(age < Duration::from_secs(86_400), "{age:?}");
    }
}
