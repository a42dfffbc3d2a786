//! The flags of the access log. Checks each value alone.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use super::args::DEFAULTS;
use super::values::{ValueError, number};
use crate::settings::AccessLogFormat;

/// What is written of each answer, and where.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access log")]
pub(super) struct AccessLogArgs {
    /// Where each answer has a line
    ///
    /// A file that is appended to, or - for standard output. SIGUSR1 opens it again after a
    /// rename. No request waits for it: what the disk does not take is counted and lost.
    #[arg(verbatim_doc_comment)]
    #[arg(long = "access-log", env = "CORELANE_ACCESS_LOG", value_name = "FILE|-|off")]
    #[arg(id = "access_log", default_value = "off")]
    pub(super) file: AccessLogFile,

    /// How such a line is written
    ///
    /// combined: as Apache and nginx do, for the tools that read it. json: an object with the
    /// time it took, the worker and the route too.
    #[arg(verbatim_doc_comment)]
    #[arg(long = "access-log-format", env = "CORELANE_ACCESS_LOG_FORMAT")]
    #[arg(id = "access_log_format", value_name = "combined|json", default_value = "combined")]
    pub(super) format: LineFormat,

    /// Of how many answers one has a line
    ///
    /// Drawn by lot; 1 is each of them.
    #[arg(long = "access-log-sample", env = "CORELANE_ACCESS_LOG_SAMPLE", value_name = "N")]
    #[arg(id = "access_log_sample", value_parser = number::<u32>, default_value_t = DEFAULTS.access_log_sample)]
    pub(super) sample: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LineFormat {
    Combined,
    Json,
}

impl From<LineFormat> for AccessLogFormat {
    fn from(format: LineFormat) -> AccessLogFormat {
        match format {
            LineFormat::Combined => AccessLogFormat::Combined,
            LineFormat::Json => AccessLogFormat::Json,
        }
    }
}

/// The file of the access log, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccessLogFile(pub(super) Option<PathBuf>);

impl FromStr for AccessLogFile {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<AccessLogFile, ValueError> {
        match text {
            "" => Err(ValueError::new("no file", "`off`, `-` for standard output, or a file")),
            "off" => Ok(AccessLogFile(None)),
            file => Ok(AccessLogFile(Some(file.into()))),
        }
    }
}
