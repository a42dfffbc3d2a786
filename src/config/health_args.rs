//! The command line of `corelane health`. Knows nothing of how a server is asked.

use std::time::Duration;

use super::url::Url;
use super::values::Time;

/// Everything `corelane health` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthOrder {
    /// What to ask.
    pub url: Url,
    /// How long each step of the exchange may take.
    pub timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct HealthArgs {
    /// What to ask: http://HOST:PORT/PATH
    #[arg(default_value = "http://127.0.0.1:8080/health")]
    url: Url,

    /// After this long without an answer it is not well
    #[arg(long, value_name = "TIME", default_value = "2s")]
    timeout: Time,
}

impl From<HealthArgs> for HealthOrder {
    fn from(args: HealthArgs) -> HealthOrder {
        HealthOrder { url: args.url, timeout: args.timeout.0 }
    }
}

pub(super) const HELP: &str = "\
For containers without a shell. With --admin 9090 there are http://127.0.0.1:9090/livez and /readyz.

Exit codes: 0 answered with a status of 200 to 299, 1 anything else, 2 wrong usage.";
