//! Flags whose value is one of a few words, and what each word means.
//! Knows nothing of the flags that take them.

use clap::ValueEnum;
use log::LevelFilter;

use crate::settings::{ClientAddressField, WhenFull};

/// The form of the report that is printed at the end.
// In the order in which help should offer them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Tables for people
    Text,
    /// One line of JSON for programs
    Json,
    /// Nothing
    None,
}

/// The form of what is logged.
// In the order in which help should offer them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Words for people
    Text,
    /// An object a line for programs
    Json,
}

/// What is logged: this and what is worse.
// In the order in which help should offer them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed
    Error,
    /// What should be looked at
    Warn,
    /// What happens seldom
    Info,
    /// What is of use to developers
    Debug,
    /// Nothing
    Off,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Error => LevelFilter::Error,
            LogLevel::Warn => LevelFilter::Warn,
            LogLevel::Info => LevelFilter::Info,
            LogLevel::Debug => LevelFilter::Debug,
            LogLevel::Off => LevelFilter::Off,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Full {
    Pause,
    Refuse,
}

impl From<Full> for WhenFull {
    fn from(full: Full) -> WhenFull {
        match full {
            Full::Pause => WhenFull::Pause,
            Full::Refuse => WhenFull::Refuse,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AddressField {
    Forwarded,
    XForwardedFor,
}

impl From<AddressField> for ClientAddressField {
    fn from(field: AddressField) -> ClientAddressField {
        match field {
            AddressField::Forwarded => ClientAddressField::Forwarded,
            AddressField::XForwardedFor => ClientAddressField::XForwardedFor,
        }
    }
}
