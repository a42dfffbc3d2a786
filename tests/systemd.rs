//! The units as systemd reads them. Knows nothing of what they start.

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The units, and the most that `systemd-analyze security` may find each service exposed, of 10.
const UNITS: [(&str, &str, Option<f64>); 3] = [
    ("corelane.service", include_str!("../systemd/corelane.service"), Some(1.6)),
    (
        "corelane-activated.service",
        include_str!("../systemd/corelane-activated.service"),
        Some(0.3),
    ),
    ("corelane.socket", include_str!("../systemd/corelane.socket"), None),
];

/// What `systemd-analyze` says of these files; `None` where it is not installed.
fn analyze(args: &[&str], units: &[PathBuf]) -> Option<Output> {
    match Command::new("systemd-analyze").args(args).args(units).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped, systemd-analyze cannot be run: {error}");
            None
        }
    }
}

/// The units with a program that is there, as it is where it is installed.
fn installed() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let install = |(name, unit, _): (&str, &str, _)| {
        let path = folder.path().join(name);
        let unit = unit.replace("/usr/local/bin/corelane", env!("CARGO_BIN_EXE_corelane"));
        std::fs::write(&path, unit).unwrap();
        path
    };
    let paths = UNITS.map(install).to_vec();
    (folder, paths)
}

#[test]
fn the_units_have_no_fault_that_systemd_finds() {
    let (_folder, units) = installed();
    let Some(output) = analyze(&["verify"], &units) else { return };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}");
}

#[test]
fn the_services_are_shut_off_from_the_machine() {
    let (_folder, units) = installed();
    for (unit, (name, _, most)) in units.into_iter().zip(UNITS) {
        let Some(most) = most else { continue };
        let args = ["security", "--offline=true", "--no-pager"];
        let Some(output) = analyze(&args, &[unit]) else { return };
        let told = String::from_utf8_lossy(&output.stdout);
        let overall = told.lines().find(|line| line.contains("Overall exposure level"));
        let overall = overall.unwrap_or_else(|| panic!("{name}: no level is told"));
        let level = overall.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        assert!(level.is_some_and(|level| level <= most), "{name}: {overall}");
    }
}
