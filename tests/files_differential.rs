//! Files as nginx serves them, by `tests/files_differential.py`: the same thousands of requests to
//! both. Skipped, and said so, where there is no nginx or no Python. Knows no request itself.
#![cfg(feature = "cli")]

use std::io::Write;
use std::process::Command;

/// What the script ends with where there is nothing to compare with.
const SKIPPED: i32 = 77;

#[test]
fn files_are_answered_as_nginx_does_or_by_a_rule() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files_differential.py");
    let run = Command::new("python3").arg(script).arg(env!("CARGO_BIN_EXE_corelane")).output();
    let Ok(output) = run else {
        writeln!(std::io::stderr(), "skipped: python3 is not installed").unwrap();
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(SKIPPED) {
        writeln!(std::io::stderr(), "skipped: {text}").unwrap();
        return;
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
}
