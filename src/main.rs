//! The program `corelane`: runs one command and chooses the exit code.

#[cfg(feature = "bench")]
#[path = "main/bench.rs"]
mod bench_command;
#[cfg(feature = "bench")]
#[path = "main/compare.rs"]
mod compare;
#[cfg(feature = "doctor")]
#[path = "main/doctor.rs"]
mod doctor_command;
#[path = "main/health.rs"]
mod health;
#[path = "main/serve.rs"]
mod serve;
#[cfg(feature = "bench")]
#[path = "main/sweep.rs"]
mod sweep;

use std::io::{self, Write};
use std::process::ExitCode;

use corelane::StartError;
use corelane::config::{self, Command, Exit, Stream, UpgradeOrder};
use corelane::control::{EventLog, Upgraded, upgrade};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let log = EventLog::install();
    let outcome = match config::parse(std::env::args_os()) {
        #[cfg(feature = "bench")]
        Ok(Command::Bench(order)) => bench_command::run(&order),
        #[cfg(feature = "bench")]
        Ok(Command::Report(order)) => compare::report(&order),
        #[cfg(feature = "doctor")]
        Ok(Command::Doctor(order)) => doctor_command::run(&order),
        Ok(Command::Health(order)) => health::run(&order),
        Ok(Command::Serve(plan)) => serve::run(plan, log).map(|()| ExitCode::SUCCESS),
        Ok(Command::Upgrade(order)) => upgraded(&order),
        Err(exit) => return leave(&exit),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            log.fail(&failure.message, failure.hint.as_deref());
            ExitCode::FAILURE
        }
    }
}

/// What ends the program with exit code 1.
struct Failure {
    message: String,
    hint: Option<String>,
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        Failure { message: error.to_string(), hint: error.hint() }
    }
}

/// Has a running server replaced.
fn upgraded(order: &UpgradeOrder) -> Result<ExitCode, Failure> {
    let Upgraded { before, now, took } = upgrade(order.pid, order.time)
        .map_err(|error| Failure { message: error.to_string(), hint: Some(error.hint().into()) })?;
    let millis = took.as_millis();
    tell(&format!("upgraded in {millis} ms: process {now} serves, {before} drains"));
    Ok(ExitCode::SUCCESS)
}

/// Writes a line to standard error. A closed pipe or a full disk behind it must not end a server,
/// as `eprintln!` would.
fn tell(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Prints what ended the program before it began.
fn leave(exit: &Exit) -> ExitCode {
    // A closed pipe behind `--help` is no failure.
    let _ = match exit.stream {
        Stream::Stdout => io::stdout().write_all(exit.text.as_bytes()),
        Stream::Stderr => io::stderr().write_all(exit.text.as_bytes()),
    };
    ExitCode::from(exit.code)
}
