//! The command line of `corelane doctor`. Knows nothing of what is looked at.

use std::path::PathBuf;

/// Everything `corelane doctor` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorOrder {
    /// Whether to print what is fine, and what may be tried, too.
    pub all: bool,
    /// Whether to print JSON instead of text.
    pub json: bool,
    /// Below which folder `/proc` and `/sys` are read.
    pub root: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// Print what is fine and what may be tried, too
    #[arg(long)]
    all: bool,

    /// Print JSON: everything, in one line
    #[arg(long)]
    json: bool,

    /// Read /proc and /sys below this folder
    ///
    /// For tests, and for the files of another machine; a folder that lacks a file is not an
    /// error, what it would tell is unknown.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

impl From<DoctorArgs> for DoctorOrder {
    fn from(args: DoctorArgs) -> DoctorOrder {
        DoctorOrder { all: args.all, json: args.json, root: args.root }
    }
}

pub(super) const HELP: &str = "\
It reads and changes nothing. What it names, tuning/tune.sh and tuning/irq.sh can set and undo.
What it says of limits and rights holds for a server started from this shell; a systemd unit has
its own (systemd-run -t --property=LimitNOFILE=1048576 corelane doctor).

Exit codes: 0 nothing worse than advice, 1 failed, 2 wrong usage, 3 a warning, 4 something serious.";
