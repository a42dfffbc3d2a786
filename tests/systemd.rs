//! The units as systemd reads them. Knows nothing of what they start.

use std::path::Path;
use std::process::{Command, Output};

/// The most that `systemd-analyze security` may find a unit exposed, of 10.
const EXPOSURE_MAX: f64 = 1.6;

/// What `systemd-analyze` says of the unit in this file; `None` where it is not installed.
fn analyze(args: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(args).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped, systemd-analyze cannot be run: {error}");
            None
        }
    }
}

/// The service with a program that is there, as it is where it is installed.
fn service() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corelane.service");
    let unit = include_str!("../systemd/corelane.service");
    let installed = unit.replace("/usr/local/bin/corelane", env!("CARGO_BIN_EXE_corelane"));
    std::fs::write(&path, installed).unwrap();
    (folder, path)
}

#[test]
fn the_service_has_no_fault_that_systemd_finds() {
    let (_folder, unit) = service();
    let Some(output) = analyze(&["verify"], &unit) else { return };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}");
}

#[test]
fn the_service_is_shut_off_from_the_machine() {
    let (_folder, unit) = service();
    let Some(output) = analyze(&["security", "--offline=true", "--no-pager"], &unit) else {
        return;
    };
    let told = String::from_utf8_lossy(&output.stdout);
    let overall = told.lines().find(|line| line.contains("Overall exposure level"));
    let overall = overall.expect("a level is told");
    let level = overall.split_whitespace().find_map(|word| word.parse::<f64>().ok()).unwrap();
    assert!(level <= EXPOSURE_MAX, "{overall}");
}
