//! Tells `--version` which commit it was built from; without git it says so.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=CORELANE_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    // A commit moves the log of HEAD; a checkout rewrites HEAD itself.
    for path in [".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if std::env::var_os("CORELANE_COMMIT").is_some() {
        return;
    }
    let git = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    if let Ok(output) = git
        && output.status.success()
        && let Ok(commit) = String::from_utf8(output.stdout)
    {
        println!("cargo::rustc-env=CORELANE_COMMIT={}", commit.trim());
    }
}
