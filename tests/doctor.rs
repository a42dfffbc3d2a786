//! `corelane doctor` on machines of files: each check says that a healthy machine is fine, finds
//! what is spoilt, and says what it could not read.
#![cfg(feature = "doctor")]

#[path = "support/fake_root.rs"]
mod fake_root;

use std::path::Path;
use std::process::{Command, Output};

use corelane::doctor::{Kind, examine, items};
use corelane::report::doctor::{Finding, Severity};
use fake_root::{FakeRoot, INTERRUPTS, NETSTAT, STATUS};
use serde_json::Value;

fn find(root: &Path, name: &str) -> Finding {
    let finding = examine(root).findings.into_iter().find(|finding| finding.name == name);
    finding.unwrap_or_else(|| panic!("no item {name}"))
}

#[test]
fn a_healthy_machine_is_fine_in_everything() {
    let root = FakeRoot::healthy();
    for finding in examine(root.path()).findings {
        assert_eq!(finding.severity, Severity::Fine, "{}: {}", finding.name, finding.now);
        assert_eq!(finding.command, "", "{}", finding.name);
    }
}

/// An item, what is written into which file, how bad that is, and words that are said.
type Spoilt = (&'static str, &'static [(&'static str, &'static str)], Severity, &'static str);

use Severity::{Advice, Fine, Option, Serious, Unknown, Warning};

const CPU: &str = "sys/devices/system/cpu/cpu0";
const GOVERNOR: &str = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

const SETTINGS: &[Spoilt] = &[
    ("nr-open", &[("proc/sys/fs/nr_open", "65536")], Advice, "65536"),
    ("file-max", &[("proc/sys/fs/file-max", "65536")], Advice, "65536"),
    ("somaxconn", &[("proc/sys/net/core/somaxconn", "128")], Warning, "128"),
    (
        "syn-backlog",
        &[
            ("proc/sys/net/ipv4/tcp_max_syn_backlog", "128"),
            ("proc/sys/net/ipv4/tcp_syncookies", "0"),
        ],
        Warning,
        "128",
    ),
    ("syn-backlog", &[("proc/sys/net/ipv4/tcp_max_syn_backlog", "128")], Fine, "does not count"),
    ("syncookies", &[("proc/sys/net/ipv4/tcp_syncookies", "0")], Warning, "0"),
    ("abort-on-overflow", &[("proc/sys/net/ipv4/tcp_abort_on_overflow", "1")], Warning, "1"),
    ("migrate-requests", &[("proc/sys/net/ipv4/tcp_migrate_req", "0")], Fine, "migrates"),
    (
        "migrate-requests",
        &[
            ("proc/sys/net/ipv4/tcp_migrate_req", "0"),
            ("proc/self/status", "CapEff:\t0000000000000000\nCpus_allowed_list:\t0-3"),
        ],
        Advice,
        "0",
    ),
    ("netdev-backlog", &[("proc/sys/net/core/netdev_max_backlog", "1000")], Fine, "no packet"),
    (
        "netdev-backlog",
        &[
            ("proc/sys/net/core/netdev_max_backlog", "1000"),
            ("proc/net/softnet_stat", "00001000 0000000a 00000000"),
        ],
        Warning,
        "10 packets dropped",
    ),
    ("netdev-budget", &[("proc/sys/net/core/netdev_budget", "300")], Fine, "0 times"),
    (
        "netdev-budget",
        &[
            ("proc/sys/net/core/netdev_budget", "300"),
            ("proc/net/softnet_stat", "00001000 00000000 0000000a"),
        ],
        Advice,
        "10 times",
    ),
    ("tcp-rmem", &[("proc/sys/net/ipv4/tcp_rmem", "4096\t16384\t65536")], Advice, "16384 65536"),
    ("tcp-wmem", &[("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t65536")], Advice, "16384 65536"),
    ("slow-start-after-idle", &[("proc/sys/net/ipv4/tcp_slow_start_after_idle", "1")], Option, "1"),
    ("timestamps", &[("proc/sys/net/ipv4/tcp_timestamps", "0")], Warning, "0"),
    ("sack", &[("proc/sys/net/ipv4/tcp_sack", "0")], Warning, "0"),
    ("window-scaling", &[("proc/sys/net/ipv4/tcp_window_scaling", "0")], Warning, "0"),
    ("port-range", &[("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999")], Option, "60999"),
    ("tw-reuse", &[("proc/sys/net/ipv4/tcp_tw_reuse", "0")], Advice, "0"),
    ("tw-buckets", &[("proc/sys/net/ipv4/tcp_max_tw_buckets", "8192")], Fine, "was enough"),
    ("fin-timeout", &[("proc/sys/net/ipv4/tcp_fin_timeout", "60")], Option, "60"),
    ("qdisc", &[("proc/sys/net/core/default_qdisc", "pfifo_fast")], Fine, "does not count"),
    (
        "qdisc",
        &[
            ("proc/sys/net/core/default_qdisc", "pfifo_fast"),
            ("proc/sys/net/ipv4/tcp_congestion_control", "bbr"),
        ],
        Advice,
        "pfifo_fast",
    ),
    ("bpf-jit", &[("proc/sys/net/core/bpf_jit_enable", "0")], Advice, "0"),
    ("numa-balancing", &[("proc/sys/kernel/numa_balancing", "1")], Fine, "one node"),
    (
        "numa-balancing",
        &[
            ("proc/sys/kernel/numa_balancing", "1"),
            ("sys/devices/system/node/node1/cpulist", "4-7"),
        ],
        Advice,
        "1",
    ),
    ("governor", &[(GOVERNOR, "powersave")], Advice, "powersave"),
    (
        "governor",
        &[
            (GOVERNOR, "powersave"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "acpi-cpufreq"),
        ],
        Warning,
        "1 of 4",
    ),
    (
        "huge-pages",
        &[("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never")],
        Advice,
        "always",
    ),
    ("swappiness", &[("proc/sys/vm/swappiness", "60")], Fine, "no swap"),
    (
        "swappiness",
        &[("proc/sys/vm/swappiness", "60"), ("proc/swaps", "Filename\n/swap file 1 0 -2")],
        Advice,
        "60",
    ),
    (
        "clock-source",
        &[("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")],
        Warning,
        "hpet",
    ),
    ("busy-poll", &[("proc/sys/net/core/busy_poll", "0")], Option, "0"),
    ("nmi-watchdog", &[("proc/sys/kernel/nmi_watchdog", "1")], Option, "1"),
    ("stat-interval", &[("proc/sys/vm/stat_interval", "1")], Option, "1"),
];

const LIMIT: &str = "proc/self/limits";
const STAT: &str = "sys/fs/cgroup/corelane.service/cpu.stat";
const MAX: &str = "sys/fs/cgroup/corelane.service/cpu.max";

const PROCESS: &[Spoilt] = &[
    ("descriptors", &[(LIMIT, "Max open files 1024 1024 files")], Serious, "1024"),
    ("descriptors", &[(LIMIT, "Max open files 1024 20000 files")], Warning, "20000"),
    ("descriptors", &[(LIMIT, "Max open files 1024 524288 files")], Advice, "524288"),
    ("descriptors", &[(LIMIT, "Max open files 1024 unlimited files")], Fine, "unlimited"),
    ("cpu-quota", &[(MAX, "150000 100000")], Advice, "1.5 processors"),
    ("cpu-quota", &[(MAX, "200000 100000")], Fine, "2 processors"),
    ("cpu-quota", &[(MAX, "200000 100000"), (STAT, "nr_throttled 9")], Warning, "9 periods"),
    ("bpf-rights", &[("proc/sys/kernel/osrelease", "5.10.0-1")], Advice, "5.10 is too old"),
    ("bpf-rights", &[("proc/self/uid_map", "0 100000 65536")], Advice, "user namespace"),
    (
        "mitigations",
        &[("sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable: no microcode")],
        Advice,
        "vulnerable: mds",
    ),
    (
        "smt",
        &[
            ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2"),
        ],
        Advice,
        "1 core",
    ),
    (
        "numa",
        &[
            ("sys/devices/system/node/node0/cpulist", "0-1"),
            ("sys/devices/system/node/node1/cpulist", "2-3"),
        ],
        Advice,
        "2 nodes",
    ),
    (
        "idle-states",
        &[("sys/devices/system/cpu/cpu0/cpuidle/state2/disable", "0")],
        Advice,
        "C6 133 µs",
    ),
    ("irqbalance", &[("proc/77/comm", "irqbalance")], Option, "runs"),
];

const QUEUES: &str = "sys/class/net/eth0/queues";

const NETWORK: &[Spoilt] = &[
    (
        "conntrack",
        &[
            ("proc/sys/net/netfilter/nf_conntrack_count", "0"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "1000"),
        ],
        Fine,
        "no connection",
    ),
    (
        "conntrack",
        &[
            ("proc/sys/net/netfilter/nf_conntrack_count", "10"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "1000"),
        ],
        Advice,
        "10 connections",
    ),
    (
        "conntrack",
        &[
            ("proc/sys/net/netfilter/nf_conntrack_count", "800"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "1000"),
        ],
        Serious,
        "800 connections",
    ),
    ("tcp-memory", &[("proc/net/sockstat", "TCP: inuse 3 mem 2000")], Warning, "2000 pages"),
    ("tcp-memory", &[("proc/net/sockstat", "TCP: inuse 3 mem 4000")], Serious, "4000 pages"),
    (
        "irq-affinity",
        &[
            ("proc/irq/42/effective_affinity_list", "0"),
            ("proc/irq/43/effective_affinity_list", "0"),
        ],
        Advice,
        "4 interrupts on 0,3",
    ),
    ("rps", &[("sys/class/net/eth0/queues/rx-0/rps_cpus", "f")], Advice, "RPS to 0-3"),
    ("xps", &[("sys/class/net/eth0/queues/tx-3/xps_cpus", "0")], Advice, "CPU 3"),
];

#[test]
fn what_is_spoilt_is_found() {
    let root = FakeRoot::healthy();
    for (name, files, severity, words) in [SETTINGS, PROCESS, NETWORK].concat() {
        let before: Vec<_> = files.iter().map(|(path, _)| root.try_read(path)).collect();
        for (path, text) in files {
            root.write(path, text);
        }
        let finding = find(root.path(), name);
        assert_eq!(finding.severity, severity, "{name}: {}", finding.now);
        assert!(finding.now.contains(words), "{name}: {}", finding.now);
        let has_command = !finding.command.is_empty() && !finding.undo.is_empty();
        assert_eq!(has_command, severity != Fine, "{finding:?}");
        assert!(!finding.command.contains("{}") && !finding.undo.contains("{}"), "{finding:?}");
        for ((path, _), before) in files.iter().zip(before) {
            before.map_or_else(|| root.remove(path), |text| root.write(path, &text));
        }
    }
}

#[test]
fn counters_that_stand_are_told() {
    for (counters, name, severity, words) in [
        ("0 3 4 0 0", "accept-overflows", Warning, "3 ListenOverflows, 4 ListenDrops"),
        ("0 0 0 5 0", "tw-buckets", Advice, "not enough 5 times"),
        ("0 0 0 0 6", "tcp-memory", Warning, "under pressure 6 times"),
    ] {
        let root = FakeRoot::healthy();
        root.write("proc/sys/net/ipv4/tcp_max_tw_buckets", "8192");
        root.write("proc/net/netstat", &NETSTAT.replace("0 0 0 0 0", counters));
        let finding = find(root.path(), name);
        assert_eq!(finding.severity, severity, "{name}: {}", finding.now);
        assert!(finding.now.contains(words), "{name}: {}", finding.now);
    }
}

#[test]
fn what_this_process_may_use_is_told() {
    let root = FakeRoot::healthy();
    root.write("proc/self/status", &STATUS.replace("0-3", "1,3"));
    let finding = find(root.path(), "cpuset");
    assert_eq!((finding.severity, finding.now.as_str()), (Advice, "2 of 4 processors: 1,3"));
    root.write("proc/self/status", &STATUS.replace("0000008", "0000000"));
    let finding = find(root.path(), "bpf-rights");
    assert_eq!(finding.severity, Advice, "{}", finding.now);
}

#[test]
fn a_device_with_one_queue_is_shared_by_rps() {
    let root = FakeRoot::healthy();
    for queue in ["rx-1", "rx-2", "rx-3", "tx-1", "tx-2", "tx-3"] {
        root.remove(&format!("{QUEUES}/{queue}"));
    }
    root.remove(&format!("{QUEUES}/tx-0/xps_cpus"));
    root.write("proc/interrupts", &INTERRUPTS.replace("eth0-TxRx-1", "eth0-config"));
    let queues = find(root.path(), "nic-queues");
    assert_eq!(queues.severity, Advice);
    assert_eq!(queues.now, "eth0: 1 receive queue for 4 workers");
    assert!(queues.command.contains("ethtool -l eth0"), "{}", queues.command);
    let rps = find(root.path(), "rps");
    assert_eq!(rps.now, "eth0: 1 receive queue for 4 workers, none for CPU 1");
    assert_eq!(find(root.path(), "xps").severity, Fine);
    root.write(&format!("{QUEUES}/rx-0/rps_cpus"), "f");
    assert_eq!(find(root.path(), "rps").severity, Fine);
}

#[test]
fn every_item_is_spoilt_by_some_test() {
    let elsewhere = ["accept-overflows", "cpuset", "nic-queues", "tw-buckets"];
    for item in items() {
        let spoilt = [SETTINGS, PROCESS, NETWORK].concat();
        let is_spoilt = spoilt.iter().any(|row| row.0 == item.name && row.2 != Fine);
        assert!(is_spoilt || elsewhere.contains(&item.name), "{}", item.name);
    }
}

#[test]
fn a_machine_without_files_is_unknown_and_not_guessed() {
    let root = tempfile::tempdir().unwrap();
    for finding in examine(root.path()).findings {
        assert_eq!(finding.severity, Unknown, "{}: {}", finding.name, finding.now);
        assert_eq!(finding.command, "", "{}", finding.name);
    }
}

#[test]
fn files_that_are_not_understood_are_unknown() {
    for (name, path) in [
        ("somaxconn", "proc/sys/net/core/somaxconn"),
        ("tcp-rmem", "proc/sys/net/ipv4/tcp_rmem"),
        ("descriptors", "proc/self/limits"),
        ("cpuset", "proc/self/status"),
        ("bpf-rights", "proc/sys/kernel/osrelease"),
        ("accept-overflows", "proc/net/netstat"),
        ("tcp-memory", "proc/net/sockstat"),
        ("irqbalance", "proc/2/comm"),
        ("rps", "sys/class/net/eth0/queues/rx-0/rps_cpus"),
        ("smt", "sys/devices/system/cpu/cpu0/topology/thread_siblings_list"),
        ("cpu-quota", "proc/self/mountinfo"),
    ] {
        let root = FakeRoot::healthy();
        root.write(path, "what is this");
        let finding = find(root.path(), name);
        assert_eq!(finding.severity, Unknown, "{name}: {}", finding.now);
    }
}

#[test]
fn a_container_without_devices_says_so() {
    let root = FakeRoot::healthy();
    root.remove("sys/class/net/eth0/device");
    let finding = find(root.path(), "nic-queues");
    assert_eq!(finding.severity, Unknown);
    assert!(finding.now.contains("container"), "{}", finding.now);
}

#[test]
fn a_virtio_device_has_its_interrupts_one_folder_up() {
    let root = FakeRoot::healthy();
    root.remove("sys/class/net/eth0/device/msi_irqs");
    root.write("sys/class/net/eth0/device/vendor", "0x1af4");
    for irq in 40..=44 {
        root.write(&format!("sys/class/net/eth0/msi_irqs/{irq}"), "msix");
    }
    assert_eq!(find(root.path(), "irq-affinity").severity, Fine);
    root.write("proc/irq/44/effective_affinity_list", "0");
    assert_eq!(find(root.path(), "irq-affinity").severity, Advice);
}

#[test]
fn commands_are_those_that_undo_each_other() {
    let root = FakeRoot::healthy();
    root.write("proc/sys/net/ipv4/tcp_rmem", "4096\t16384\t65536");
    let finding = find(root.path(), "tcp-rmem");
    assert_eq!(finding.command, "sysctl -w net.ipv4.tcp_rmem=\"4096 16384 4194304\"");
    assert_eq!(finding.undo, "sysctl -w net.ipv4.tcp_rmem=\"4096 16384 65536\"");
    root.write(&format!("{CPU}/cpufreq/scaling_governor"), "powersave");
    let finding = find(root.path(), "governor");
    let files = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";
    assert_eq!(finding.command, format!("echo performance | tee {files}"));
    assert_eq!(finding.undo, format!("echo powersave > /{CPU}/cpufreq/scaling_governor"));
    root.write("proc/net/sockstat", "TCP: inuse 3 mem 3000");
    let finding = find(root.path(), "tcp-memory");
    assert!(finding.command.ends_with("net.ipv4.tcp_mem=\"2000 4000 8000\""), "{finding:?}");
    assert_eq!(finding.undo, "sysctl -w net.ipv4.tcp_mem=\"1000 2000 4000\"");
}

fn doctor(root: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.arg("doctor").arg("--root").arg(root).args(args).output().expect("it can be run")
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let root = FakeRoot::healthy();
    assert_eq!(doctor(root.path(), &[]).status.code(), Some(0));
    root.write("proc/sys/fs/nr_open", "65536");
    assert_eq!(doctor(root.path(), &[]).status.code(), Some(0));
    root.write("proc/sys/net/core/somaxconn", "128");
    assert_eq!(doctor(root.path(), &[]).status.code(), Some(3));
    root.write("proc/self/limits", "Max open files 1024 1024 files");
    assert_eq!(doctor(root.path(), &[]).status.code(), Some(4));
    let nowhere = doctor(Path::new("/nowhere"), &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    let told = String::from_utf8(nowhere.stderr).unwrap();
    assert!(told.starts_with("error: ") && told.contains("\nhint: "), "{told}");
}

#[test]
fn healthy_findings_are_counted_or_listed() {
    let root = FakeRoot::healthy();
    let count = items().len();
    let text = String::from_utf8(doctor(root.path(), &[]).stdout).unwrap();
    let wanted = format!("Linux 6.12.0, CPU A processor\n\nfine {count} (--all)\n");
    assert_eq!(text, wanted);
    let text = String::from_utf8(doctor(root.path(), &["--all"]).stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("fine  ")).count(), count, "{text}");
}

#[test]
fn json_has_every_finding_whatever_is_printed() {
    let root = FakeRoot::healthy();
    root.write("proc/sys/net/core/somaxconn", "128");
    let json: Value = serde_json::from_slice(&doctor(root.path(), &["--json"]).stdout).unwrap();
    assert_eq!(json["schema"], "corelane-doctor/1");
    assert_eq!((&json["worst"], &json["counts"]["warning"]), (&"warning".into(), &1.into()));
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(findings.len(), items().len());
    let finding = findings.iter().find(|finding| finding["name"] == "somaxconn").unwrap();
    for (member, is) in [
        ("severity", "warning"),
        ("now", "128"),
        ("want", "at least 4096"),
        ("class", "safe"),
        ("command", "sysctl -w net.core.somaxconn=4096"),
        ("undo", "sysctl -w net.core.somaxconn=128"),
    ] {
        assert_eq!(finding[member], is, "{member}");
    }
}

#[test]
fn this_machine_is_read_without_a_word_to_say_about_its_form() {
    for finding in examine(Path::new("/")).findings {
        assert!(!finding.now.contains("not understood"), "{}: {}", finding.name, finding.now);
        assert!(!finding.now.contains("was not read"), "{}: {}", finding.name, finding.now);
    }
    assert!(items().iter().any(|item| item.kind == Kind::Limit));
}

#[test]
fn wrong_usage_is_told_and_help_names_the_exit_codes() {
    let root = FakeRoot::healthy();
    for (args, words) in [
        (&["--al"][..], "did you mean `--all`?"),
        (&["now"], "`corelane doctor --help` lists every flag"),
    ] {
        let output = doctor(root.path(), args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.starts_with("error: ") && told.contains(words), "{told}");
    }
    let help = String::from_utf8(doctor(root.path(), &["--help"]).stdout).unwrap();
    assert!(help.contains("3 a warning, 4 something serious"), "{help}");
}
