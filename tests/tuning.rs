//! The scripts of `tuning/` on machines of files, and the files that are written from its table.
//! With CORELANE_WRITE_TUNING=1 they are written instead of compared.
#![cfg(feature = "doctor")]

#[path = "support/fake_root.rs"]
mod fake_root;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use corelane::doctor::{Class, Item, Kind, examine, items};
use corelane::report::doctor::Severity;
use fake_root::FakeRoot;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning")
}

/// Compares a file with what the table says it should be, or writes it.
fn is_written(name: &str, wanted: &str) {
    let path = folder().join(name);
    if std::env::var_os("CORELANE_WRITE_TUNING").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let hint = "run it again with CORELANE_WRITE_TUNING=1";
    assert!(
        fs::read_to_string(&path).unwrap() == wanted,
        "{name} is not what the table says: {hint}"
    );
}

/// A text as comment lines of 100 columns.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split(' ') {
        let last = lines.last_mut().unwrap();
        if last.len() + 1 + word.len() > 100 {
            lines.push(format!("# {word}"));
        } else {
            last.extend([" ", word]);
        }
    }
    lines.join("\n") + "\n"
}

fn described(item: &Item) -> String {
    let risk = format!("Risk: {}. {}", item.class.name(), item.cost);
    let head = format!("{}, {}. {}", item.name, item.want, item.why);
    [comment(&head), comment(&risk), comment(&format!("Source: {}", item.source))].concat()
}

#[test]
fn the_sysctls_of_the_safe_class_stand_in_a_file_for_boot() {
    let mut text = comment(
        "For /etc/sysctl.d, written from tuning/table.toml: what is of the class `safe`. Copied by \
         hand it would lower what is higher here already; tune.sh leaves such lines out.",
    );
    text += "# Install: tuning/tune.sh apply --persist. Undo: tuning/tune.sh undo.\n";
    let safe =
        |item: &&Item| item.kind == Kind::Sysctl && item.class == Class::Safe && item.at_boot;
    for item in items().iter().filter(safe) {
        // What counts at times only is harmless at other times.
        let value = item.rule().unwrap().target("");
        write!(text, "\n{}{} = {value}\n", described(item), item.key).unwrap();
    }
    is_written("sysctl.d/60-corelane.conf", &text);
}

#[test]
fn the_limits_stand_in_a_file_for_log_ins() {
    let mut text = comment(
        "For /etc/security/limits.d, written from tuning/table.toml. It holds for log-ins by PAM; \
         a systemd unit has its own, LimitNOFILE=.",
    );
    for item in items().iter().filter(|item| item.kind == Kind::Limit) {
        let value = item.rule().unwrap().target("");
        write!(text, "\n{}*    hard {} {value}\n", described(item), item.key).unwrap();
        writeln!(text, "root hard {} {value}", item.key).unwrap();
    }
    is_written("limits.d/60-corelane.conf", &text);
}

const LIST: &str = "<!-- from here on written from table.toml -->\n";

#[test]
fn the_readme_lists_every_item() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let (head, _) = readme.split_once(LIST).expect("the place of the list is marked");
    let mut text = format!("{head}{LIST}");
    for class in [Class::Safe, Class::MeasureFirst, Class::LabOnly] {
        write!(text, "\n## {}\n", class.name()).unwrap();
        for item in items().iter().filter(|item| item.class == class) {
            let by = match item.kind {
                Kind::Hand => format!("Do: {}. Undo: {}.", item.command, item.undo),
                Kind::Limit => format!(
                    "By `tune.sh apply --persist`, or: {}. Undo: {}.",
                    item.command, item.undo
                ),
                Kind::Sysctl | Kind::Sysfs => format!("By `tune.sh apply --only {}`.", item.name),
            };
            let when = item.when.as_ref().map_or("", |(key, _)| key);
            let when =
                if when.is_empty() { String::new() } else { format!(" (depends on `{when}`)") };
            let by = by.replace("{}", "…");
            let (name, key, want) = (item.name, item.key, item.want);
            write!(
                text,
                "\n**{name}**: `{key}`, {want}{when}. {} *Cost*: {} {by} *Source*: {}.\n",
                item.why, item.cost, item.source
            )
            .unwrap();
        }
    }
    is_written("README.md", &text);
}

fn script(name: &str, root: &FakeRoot, args: &[&str]) -> Output {
    let mut command = Command::new(folder().join(name));
    command.args(args).arg("--root").arg(root.path()).output().expect("bash is there")
}

fn tune(root: &FakeRoot, args: &[&str]) -> String {
    succeeded(script("tune.sh", root, args))
}

fn irq(root: &FakeRoot, args: &[&str]) -> String {
    succeeded(script("irq.sh", root, args))
}

fn succeeded(output: Output) -> String {
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{text}");
    text
}

/// A machine on which no setting is as the table wants it.
fn spoilt() -> FakeRoot {
    let root = FakeRoot::healthy();
    for item in items() {
        let Some(path) = item.path().filter(|_| item.kind == Kind::Sysctl) else { continue };
        let bad = match item.want.split(' ').next() {
            Some("at") if item.want.starts_with("at most") => "5000",
            Some("third") => "4096\t8192\t16384",
            Some("one") => "0",
            _ if item.want == "is 0" => "1",
            _ => "0",
        };
        root.write(&path, bad);
    }
    root.write("proc/sys/net/ipv4/tcp_congestion_control", "bbr");
    root.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
    root.write("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave");
    root.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet");
    root
}

const SOMAXCONN: &str = "proc/sys/net/core/somaxconn";
const FIN_TIMEOUT: &str = "proc/sys/net/ipv4/tcp_fin_timeout";

#[test]
fn a_plan_shows_the_difference_and_writes_nothing() {
    let root = spoilt();
    let before = root.files();
    for args in [&[][..], &["plan"], &["plan", "--class", "lab-only"]] {
        let text = tune(&root, args);
        let change = "somaxconn (safe) /proc/sys/net/core/somaxconn\n  - 0\n  + 4096\n";
        assert!(text.contains(change), "{text}");
        assert_eq!(text.contains("fin-timeout"), args.contains(&"lab-only"), "{text}");
        assert!(text.ends_with("nothing was written\n"), "{text}");
    }
    assert_eq!(root.files(), before);
}

#[test]
fn what_is_applied_is_what_the_doctor_wants_and_is_taken_back_whole() {
    let root = spoilt();
    let before = root.files();
    tune(&root, &["apply", "--class", "lab-only"]);
    for finding in examine(root.path()).findings {
        assert_eq!(finding.severity, Severity::Fine, "{}: {}", finding.name, finding.now);
    }
    // Nothing is left to do, and the note of what was there stays as it was.
    let applied = root.files();
    let text = tune(&root, &["apply", "--class", "lab-only"]);
    assert!(text.starts_with("0 changed"), "{text}");
    assert_eq!(root.files(), applied);
    tune(&root, &["undo"]);
    // A tab has become a blank, which the kernel reads alike.
    let plain = |files: Vec<(PathBuf, String)>| -> Vec<_> {
        files.into_iter().map(|(path, text)| (path, text.replace('\t', " "))).collect()
    };
    let is_chosen = |(path, _): &(PathBuf, String)| !path.ends_with("transparent_hugepage/enabled");
    let same = |files| plain(files).into_iter().filter(is_chosen).collect::<Vec<_>>();
    assert_eq!(same(root.files()), same(before));
    assert_eq!(root.read("sys/kernel/mm/transparent_hugepage/enabled"), "always");
    assert!(tune(&root, &["undo"]).starts_with("nothing to undo"));
}

#[test]
fn only_the_safe_class_is_applied_unless_more_is_asked_for() {
    let root = spoilt();
    tune(&root, &["apply"]);
    assert_eq!(root.read(SOMAXCONN), "4096");
    assert_eq!(root.read(FIN_TIMEOUT), "5000");
    tune(&root, &["apply", "--class", "measure-first"]);
    assert_eq!(root.read(FIN_TIMEOUT), "30");
    assert_eq!(root.read("proc/sys/vm/stat_interval"), "0");
    tune(&root, &["undo"]);
    assert_eq!(root.read(SOMAXCONN), "0");
    assert_eq!(root.read(FIN_TIMEOUT), "5000");
}

#[test]
fn one_item_may_be_named() {
    let root = spoilt();
    tune(&root, &["apply", "--only", "fin-timeout"]);
    assert_eq!(root.read(FIN_TIMEOUT), "30");
    assert_eq!(root.read(SOMAXCONN), "0");
}

#[test]
fn a_check_fails_while_something_is_not_as_wanted() {
    let root = FakeRoot::healthy();
    tune(&root, &["check", "--class", "lab-only"]);
    root.write(SOMAXCONN, "128");
    let output = script("tune.sh", &root, &["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("  - 128\n  + 4096\n"));
    root.remove(SOMAXCONN);
    let text = tune(&root, &["check"]);
    assert!(text.contains("unknown somaxconn: /proc/sys/net/core/somaxconn"), "{text}");
}

#[test]
fn what_somebody_has_changed_since_is_left_alone() {
    let root = spoilt();
    tune(&root, &["apply"]);
    root.write(SOMAXCONN, "9999");
    let output = script("tune.sh", &root, &["undo"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("left   /proc/sys/net/core/somaxconn: it is 9999 by now"), "{text}");
    assert_eq!(root.read(SOMAXCONN), "9999");
    assert_eq!(root.read("proc/sys/fs/nr_open"), "0");
    root.write(SOMAXCONN, "4096");
    tune(&root, &["undo"]);
    assert_eq!(root.read(SOMAXCONN), "0");
}

#[test]
fn files_for_boot_are_installed_when_asked_for_and_removed_again() {
    let root = FakeRoot::healthy();
    let files = ["etc/sysctl.d/60-corelane.conf", "etc/security/limits.d/60-corelane.conf"];
    tune(&root, &["plan", "--persist"]);
    assert!(files.iter().all(|file| !root.at(file).exists()));
    tune(&root, &["apply", "--persist"]);
    assert!(root.read(files[0]).contains("net.core.somaxconn = 4096"));
    assert!(root.read(files[0]).contains("\nnet.core.netdev_max_backlog = 5000"));
    assert!(root.read(files[1]).contains("nofile 1048576"));
    assert!(tune(&root, &["apply", "--persist"]).starts_with("0 changed"));
    tune(&root, &["undo"]);
    assert!(files.iter().all(|file| !root.at(file).exists()));
    root.write("proc/sys/net/core/netdev_max_backlog", "20000");
    tune(&root, &["apply", "--persist"]);
    let line = "\n# more here already: net.core.netdev_max_backlog = 5000";
    assert!(root.read(files[0]).contains(line), "{}", root.read(files[0]));
    tune(&root, &["undo"]);
    root.write(files[0], "net.core.somaxconn = 1");
    let output = script("tune.sh", &root, &["apply", "--persist"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(root.read(files[0]), "net.core.somaxconn = 1");
}

#[test]
fn wrong_usage_is_told_with_a_hint() {
    let root = FakeRoot::healthy();
    for (name, args) in [
        ("tune.sh", &["--class", "brave"][..]),
        ("tune.sh", &["--only", "nothing"]),
        ("tune.sh", &["break"]),
        ("tune.sh", &["--root"]),
        ("irq.sh", &["--cpus", "1-"]),
        ("irq.sh", &["--rps", "maybe"]),
        ("irq.sh", &["--queues", "2"]),
        ("irq.sh", &["--device", "eth9"]),
    ] {
        let mut command = Command::new(folder().join(name));
        let output =
            command.arg("plan").arg("--root").arg(root.path()).args(args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.starts_with("error: "), "{args:?}: {text}");
    }
}

const QUEUES: &str = "sys/class/net/eth0/queues";

#[test]
fn each_queue_comes_to_a_processor_of_its_own() {
    let root = FakeRoot::healthy();
    for index in 0..4 {
        root.write(&format!("proc/irq/{}/smp_affinity_list", 41 + index), "0-3");
        root.write(&format!("{QUEUES}/tx-{index}/xps_cpus"), "0");
        root.write(&format!("{QUEUES}/rx-{index}/rps_cpus"), "f");
    }
    let before = root.files();
    assert!(irq(&root, &[]).ends_with("12 to change, 0 as wanted; nothing was written\n"));
    assert_eq!(root.files(), before);
    irq(&root, &["apply"]);
    for index in 0..4 {
        let list = root.read(&format!("proc/irq/{}/smp_affinity_list", 41 + index));
        assert_eq!(list, index.to_string());
        let mask = format!("{:x}", 1 << index);
        assert_eq!(root.read(&format!("{QUEUES}/tx-{index}/xps_cpus")), mask);
        assert_eq!(root.read(&format!("{QUEUES}/rx-{index}/rps_cpus")), "0");
    }
    assert_eq!(root.read("proc/irq/40/smp_affinity_list"), "0", "it is no queue's");
    assert!(irq(&root, &["apply"]).starts_with("0 changed, 12 as wanted"));
    irq(&root, &["undo"]);
    assert_eq!(root.files(), before);
}

#[test]
fn fewer_queues_than_workers_are_shared_by_rps() {
    let root = FakeRoot::healthy();
    for queue in ["rx-2", "rx-3", "tx-2", "tx-3"] {
        root.remove(&format!("{QUEUES}/{queue}"));
    }
    irq(&root, &["apply", "--cpus", "0-3,33"]);
    assert_eq!(root.read(&format!("{QUEUES}/rx-0/rps_cpus")), "2,00000005");
    assert_eq!(root.read(&format!("{QUEUES}/rx-1/rps_cpus")), "a");
    assert_eq!(root.read(&format!("{QUEUES}/tx-0/xps_cpus")), "2,00000005");
    irq(&root, &["apply", "--rps", "off"]);
    assert_eq!(root.read(&format!("{QUEUES}/rx-0/rps_cpus")), "0");
}

#[test]
fn queues_are_asked_of_ethtool_and_given_back() {
    use std::os::unix::fs::PermissionsExt;
    let root = FakeRoot::healthy();
    // It keeps its number of queues in a file.
    let ethtool = root.at("ethtool");
    let state = root.at("count");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = -L ]; then echo \"$4\" >{0}; else\nprintf 'Maximums:\\nCombined: \
         8\\nCurrent hardware settings:\\nCombined: %s\\n' \"$(cat {0})\"; fi\n",
        state.display()
    );
    fs::write(&ethtool, text).unwrap();
    fs::set_permissions(&ethtool, fs::Permissions::from_mode(0o755)).unwrap();
    root.write("count", "1");
    let run = |args: &[&str]| {
        let mut command = Command::new(folder().join("irq.sh"));
        command.args(args).arg("--root").arg(root.path()).env("ETHTOOL", &ethtool);
        succeeded(command.output().unwrap())
    };
    assert!(run(&["plan", "--queues", "4"]).contains("queues eth0\n  - 1\n  + 4\n"));
    assert_eq!(root.read("count"), "1");
    run(&["apply", "--queues", "4"]);
    assert_eq!(root.read("count"), "4");
    run(&["undo"]);
    assert_eq!(root.read("count"), "1");
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let mut command = Command::new("shellcheck");
    match command.args(["-x", "tune.sh", "irq.sh", "common.sh"]).current_dir(folder()).output() {
        Err(error) => println!("skipped: shellcheck cannot be run: {error}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{text}");
        }
    }
}

/// In a network namespace of its own, where nothing of this machine is changed.
const IN_A_NAMESPACE: &str = "\
set -eu
file=/proc/sys/net/ipv4/tcp_fin_timeout
echo 60 >$file
tune=\"$1/tune.sh\"
\"$tune\" plan --only fin-timeout --undo-file \"$2\" >&2
[ \"$(cat $file)\" = 60 ]
\"$tune\" apply --only fin-timeout --undo-file \"$2\" >&2
[ \"$(cat $file)\" = 30 ]
\"$tune\" check --only fin-timeout >&2
\"$tune\" undo --undo-file \"$2\" >&2
[ \"$(cat $file)\" = 60 ]
echo whole
";

#[test]
fn a_sysctl_of_a_network_namespace_is_applied_and_undone() {
    let can = Command::new("unshare").args(["-n", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("skipped: no network namespace can be made here");
        return;
    }
    let own = || fs::read_to_string(Path::new("/").join(FIN_TIMEOUT)).unwrap();
    let before = own();
    let notes = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-n", "bash", "-c", IN_A_NAMESPACE, "bash"]).arg(folder());
    let output = command.arg(notes.path().join("undo")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("Read-only file system") || told.contains("Permission denied") {
        println!("skipped: /proc/sys may not be written here: {told}");
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "whole\n", "{told}");
    assert_eq!(own(), before);
}
