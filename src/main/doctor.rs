//! `corelane doctor`: looks at the machine, prints what was found, chooses the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use corelane::config::DoctorOrder;
use corelane::doctor::examine;
use corelane::report::doctor::Severity;

use super::Failure;

/// Runs the command.
pub(super) fn run(order: &DoctorOrder) -> Result<ExitCode, Failure> {
    if !order.root.is_dir() {
        return Err(Failure {
            message: format!("cannot look below {}: it is no folder", order.root.display()),
            hint: Some("leave --root out to look at this machine".to_owned()),
        });
    }
    let diagnosis = examine(&order.root);
    let text = if order.json {
        format!("{}\n", diagnosis.to_json())
    } else {
        diagnosis.to_text(order.all)
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure {
        message: format!("cannot write what was found: {error}"),
        hint: None,
    })?;
    Ok(ExitCode::from(match diagnosis.worst() {
        Severity::Serious => 4,
        Severity::Warning => 3,
        _ => 0,
    }))
}
