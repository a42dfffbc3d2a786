//! A machine of files: all that the doctor reads, as it is on a healthy machine of four processors,
//! to be spoilt one file at a time. Knows what stands in the files and not who reads them.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use corelane::doctor::{Kind, items};
use tempfile::TempDir;

pub(crate) struct FakeRoot {
    folder: TempDir,
}

/// What stands nowhere in the table, or differs from what the table would write.
const FILES: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.12.0"),
    ("proc/cpuinfo", "model name\t: A processor"),
    ("proc/sys/net/ipv4/tcp_congestion_control", "cubic"),
    ("proc/sys/net/ipv4/tcp_mem", "1000\t2000\t4000"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304"),
    ("proc/2/comm", "kthreadd"),
    ("proc/self/limits", LIMITS),
    ("proc/self/status", STATUS),
    ("proc/self/uid_map", "         0          0 4294967295"),
    ("proc/self/cgroup", "0::/corelane.service"),
    ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),
    ("sys/fs/cgroup/corelane.service/cpu.max", "max 100000"),
    ("sys/fs/cgroup/corelane.service/cpu.stat", "usage_usec 5\nnr_periods 0\nnr_throttled 0"),
    ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority"),
    ("proc/net/netstat", NETSTAT),
    (
        "proc/net/sockstat",
        "sockets: used 9\nTCP: inuse 3 orphan 0 tw 0 alloc 5 mem 7\nUDP: inuse 0",
    ),
    ("proc/net/softnet_stat", "00001000 00000000 00000000 00000000\n00000a00 00000000 00000000 0"),
    ("proc/interrupts", INTERRUPTS),
    ("sys/devices/system/cpu/online", "0-3"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "intel_pstate"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/name", "POLL"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/latency", "0"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/disable", "0"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/name", "C1"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "2"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "0"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state2/name", "C6"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state2/latency", "133"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state2/disable", "1"),
    ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected"),
    ("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Enhanced IBRS"),
    ("sys/devices/system/node/node0/cpulist", "0-3"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ("sys/class/net/lo/operstate", "unknown"),
    ("sys/class/net/lo/queues/rx-0/rps_cpus", "0"),
    ("sys/class/net/eth0/operstate", "up"),
    ("sys/class/net/eth1/operstate", "down"),
    ("sys/class/net/eth1/device/vendor", "0x8086"),
];

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 1048576              files";

/// CAP_BPF and nothing else.
pub(crate) const STATUS: &str = "\
Name:\tcorelane
CapEff:\t0000008000000000
Seccomp:\t0
Cpus_allowed_list:\t0-3";

pub(crate) const NETSTAT: &str = "\
TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeWaitOverflow TCPMemoryPressures
TcpExt: 0 0 0 0 0
IpExt: InNoRoutes
IpExt: 0";

pub(crate) const INTERRUPTS: &str = "\
           CPU0       CPU1       CPU2       CPU3
  9:          0          0          0          0   IO-APIC   9-fasteoi   acpi
 40:          1          0          0          0   PCI-MSIX-0000:00:03.0   0-edge      eth0-config
 41:          7          0          0          0   PCI-MSIX-0000:00:03.0   1-edge      eth0-TxRx-0
 42:          0          7          0          0   PCI-MSIX-0000:00:03.0   2-edge      eth0-TxRx-1
 43:          0          0          7          0   PCI-MSIX-0000:00:03.0   3-edge      eth0-TxRx-2
 44:          0          0          0          7   PCI-MSIX-0000:00:03.0   4-edge      eth0-TxRx-3";

impl FakeRoot {
    pub(crate) fn healthy() -> FakeRoot {
        let root = FakeRoot { folder: tempfile::tempdir().expect("a folder can be made") };
        for item in items().iter().filter(|item| item.kind == Kind::Sysctl) {
            let rule = item.rule().expect("a setting has a rule");
            root.write(&item.path().expect("a setting has a file"), &rule.target(""));
        }
        for (path, text) in FILES {
            root.write(path, text);
        }
        for cpu in 0..4 {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}");
            root.write(&format!("{folder}/cpufreq/scaling_governor"), "performance");
            root.write(&format!("{folder}/topology/thread_siblings_list"), &cpu.to_string());
            let (irq, mask) = (41 + cpu, format!("{:x}", 1 << cpu));
            root.write(&format!("sys/class/net/eth0/device/msi_irqs/{irq}"), "msix");
            root.write(&format!("proc/irq/{irq}/smp_affinity_list"), &cpu.to_string());
            root.write(&format!("proc/irq/{irq}/effective_affinity_list"), &cpu.to_string());
            root.write(&format!("sys/class/net/eth0/queues/rx-{cpu}/rps_cpus"), "0");
            root.write(&format!("sys/class/net/eth0/queues/tx-{cpu}/xps_cpus"), &mask);
        }
        root.write("sys/class/net/eth0/device/msi_irqs/40", "msix");
        root.write("proc/irq/40/smp_affinity_list", "0");
        root
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("a folder");
        fs::write(path, format!("{text}\n")).expect("a file can be written");
    }

    /// Without the newline at its end.
    pub(crate) fn read(&self, path: &str) -> String {
        let text = fs::read_to_string(self.at(path));
        text.unwrap_or_else(|error| panic!("{path}: {error}")).trim_end().to_owned()
    }

    /// The same, if the file is there.
    pub(crate) fn try_read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.at(path)).ok().map(|text| text.trim_end().to_owned())
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.at(path);
        if path.is_dir() {
            fs::remove_dir_all(path).expect("a folder can be removed");
        } else {
            fs::remove_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }

    /// Every file with its text, for before and after.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder can be read").flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let text = fs::read_to_string(entry.path()).expect("a file can be read");
                    files.push((entry.path(), text));
                }
            }
        }
        files.sort();
        files
    }
}
