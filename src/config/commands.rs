//! The commands as they are written, and their parser. Knows no flag of a command.

use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};

use super::args::ServeArgs;
#[cfg(feature = "bench")]
use super::bench_args::{BenchArgs, ReportArgs};
#[cfg(feature = "doctor")]
use super::doctor_args::{self, DoctorArgs};
use super::health_args::{self, HealthArgs};
use super::help::{AFTER_HELP, AFTER_LONG_HELP, CONFIG_HELP, ROUTES_HELP};
#[cfg(feature = "bench")]
use super::help::{BENCH_HELP, BENCH_LONG_HELP, REPORT_HELP};
use super::upgrade_args::{self, UpgradeArgs};
use super::version;

/// Serves HTTP/1.1, one pinned worker per CPU, nothing shared between them.
#[derive(Debug, Parser)]
#[command(
    name = "corelane",
    bin_name = "corelane",
    version = version::SHORT,
    long_version = LONG_VERSION.as_str(),
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP,
    args_conflicts_with_subcommands = true,
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) serve: ServeArgs,
    #[command(subcommand)]
    pub(super) command: Option<SubcommandArgs>,
}

#[derive(Debug, Subcommand)]
pub(super) enum SubcommandArgs {
    #[cfg(feature = "bench")]
    /// Measure a server: rates and latencies that can be trusted
    #[command(after_help = BENCH_HELP, after_long_help = BENCH_LONG_HELP)]
    Bench(BenchArgs),
    /// Check or print the configuration
    #[command(after_help = CONFIG_HELP)]
    Config(ConfigArgs),
    #[cfg(feature = "doctor")]
    /// Look at the machine: what of it costs connections or latency, and what to do
    #[command(after_help = doctor_args::HELP)]
    Doctor(DoctorArgs),
    /// Ask a server whether it is well
    #[command(after_help = health_args::HELP)]
    Health(HealthArgs),
    #[cfg(feature = "bench")]
    /// Put recorded latencies together, or compare them
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Print the routes that would be served: method, path, what answers, hooks in order
    #[command(after_help = ROUTES_HELP)]
    Routes(ServeArgs),
    /// Serve until told to stop (what `corelane` alone does too)
    #[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
    Serve(ServeArgs),
    /// Have a running server replaced by the program as it is installed now
    #[command(after_help = upgrade_args::HELP)]
    Upgrade(UpgradeArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub(super) what: ConfigWhat,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigWhat {
    /// Say whether `serve` with these flags could start; binds nothing
    Check(ServeArgs),
    /// Print a file with every key, its default and why
    Default,
    /// Print what is in force with these flags, and where each value comes from
    Print(PrintArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct PrintArgs {
    /// One line of JSON for programs
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

static LONG_VERSION: LazyLock<String> = LazyLock::new(version::long);

/// The parser of the whole command line; `brief` keeps each flag's help to a line.
pub(super) fn command(brief: bool) -> clap::Command {
    let set = |command: clap::Command| {
        command.mut_args(|arg| {
            // Help shows the names of variables but not the user's values, and a negative number
            // is a wrong value rather than an unknown flag.
            let takes_values = arg.get_action().takes_values();
            arg.hide_env(brief)
                .hide_possible_values(brief && takes_values)
                .hide_env_values(true)
                .allow_negative_numbers(takes_values)
        })
    };
    set(Args::command()).mut_subcommands(|command| set(command).mut_subcommands(set))
}

#[cfg(test)]
mod tests {
    use super::super::args::variable;
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command(false).debug_assert();
        command(true).debug_assert();
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        let command = command(false);
        let serve = command.find_subcommand("serve").unwrap();
        for arg in command.get_arguments().chain(serve.get_arguments()) {
            let long = arg.get_long().expect("no positional arguments");
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(variable(long).as_str()));
        }
    }
}
