//! The command line of `corelane upgrade`. Knows nothing of processes.

use std::time::Duration;

use super::values::{Time, process_id};

/// Everything `corelane upgrade` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeOrder {
    /// The server's process id; `None`: the only one there is.
    pub pid: Option<u32>,
    /// How long the new program may take to serve.
    pub time: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct UpgradeArgs {
    /// The server's process id; left out, the only one that runs
    #[arg(value_parser = process_id)]
    pid: Option<u32>,

    /// How long to wait for the new program to serve
    #[arg(long, value_name = "TIME", default_value = "70s")]
    time: Time,
}

impl From<UpgradeArgs> for UpgradeOrder {
    fn from(args: UpgradeArgs) -> UpgradeOrder {
        UpgradeOrder { pid: args.pid, time: args.time.0 }
    }
}

pub(super) const HELP: &str = "\
Put the new program where the old one is, then run this. It sends SIGUSR2: the server starts the
program that it was started as, with the same words and the configuration as it is now, and hands
its listening sockets over. Once that serves, the old one finishes what runs and ends; no
connection is refused or cut. If it does not serve, the old one goes on, and its log says why.

Exit codes: 0 the new program serves, 1 it does not, 2 wrong usage.";
