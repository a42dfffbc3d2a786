//! Wrong usage in one shape: `error: ...`, then `hint: ...`.
//! Knows the parser's errors; what a right command line does is not known here.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::commands;
use super::file::File;
use super::values::ValueError;
use super::{Exit, Stream};

/// Exit code of a wrong command line.
const CODE: u8 = 2;

/// What to print and how to exit where the parser made no arguments of `words`: help and version
/// with code 0, everything else is wrong usage.
pub(super) fn exit_for(error: &clap::Error, words: &[OsString]) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Exit { text: error.render().to_string(), stream: Stream::Stdout, code: 0 };
    }
    let (reason, hint) = match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error, words),
        ErrorKind::InvalidSubcommand => unknown_command(error),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => wrong_value(error, words),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let hint = "one of: check, default, print; `corelane config --help` says more";
            ("`config` needs to know what to do".to_owned(), hint.to_owned())
        }
        ErrorKind::ArgumentConflict => conflict(error),
        ErrorKind::MissingRequiredArgument => {
            let missing = context(error, ContextKind::InvalidArg);
            (format!("{missing} is missing"), help_hint(words))
        }
        _ => (first_line(error), help_hint(words)),
    };
    wrong(&reason, &hint)
}

/// What a key of `file` says is no value of it.
pub(super) fn exit_for_key(error: &clap::Error, file: &File) -> Exit {
    let shown = context(error, ContextKind::InvalidArg);
    let name = shown.split(' ').next().unwrap_or_default().trim_start_matches('-');
    let (value, line) = (context(error, ContextKind::InvalidValue), file.key(name));
    let value = if value.is_empty() { "\"\"" } else { &value };
    let (reason, hint) = match why(error) {
        Some(ValueError { reason, hint }) => (reason.clone(), hint.clone()),
        None => match error.get(ContextKind::SuggestedValue) {
            Some(ContextValue::String(close)) => ("no such value".to_owned(), did_you_mean(close)),
            _ => match context(error, ContextKind::ValidValue) {
                known if known.is_empty() => (first_line(error), "leave the key out".to_owned()),
                known => ("no such value".to_owned(), format!("one of: {known}")),
            },
        },
    };
    let reason = format!("`{name} = {value}`: {reason}");
    file.fault(line.map_or(1, |key| key.line), &reason, &hint)
}

/// Wrong usage.
pub(super) fn wrong(reason: &str, hint: &str) -> Exit {
    Exit { text: format!("error: {reason}\nhint: {hint}\n"), stream: Stream::Stderr, code: CODE }
}

const HELP_HINT: &str = "`corelane --help` lists every flag";

/// Where the flags of the command that was meant are listed.
fn help_hint(words: &[OsString]) -> String {
    let command =
        ["bench", "doctor"].into_iter().find(|&name| words.get(1).is_some_and(|it| it == name));
    command
        .map_or(HELP_HINT.to_owned(), |name| HELP_HINT.replace("--help", &format!("{name} --help")))
}

fn unknown_argument(error: &clap::Error, words: &[OsString]) -> (String, String) {
    let word = context(error, ContextKind::InvalidArg);
    let kind = if word.starts_with('-') { "flag" } else { "argument" };
    let hint = match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(close)) => did_you_mean(close),
        _ => help_hint(words),
    };
    (format!("unknown {kind} `{word}`"), hint)
}

fn unknown_command(error: &clap::Error) -> (String, String) {
    let word = context(error, ContextKind::InvalidSubcommand);
    let hint = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(close)) if !close.is_empty() => did_you_mean(&close[0]),
        // As other servers of files take it.
        _ if std::path::Path::new(&word).is_dir() => {
            format!("`corelane --root {word}` serves the files of a directory")
        }
        _ => "`corelane --help` lists every command".to_owned(),
    };
    (format!("unknown command `{word}`"), hint)
}

fn wrong_value(error: &clap::Error, words: &[OsString]) -> (String, String) {
    let shown = context(error, ContextKind::InvalidArg);
    let flag = shown.split(' ').next().unwrap_or_default();
    let value = context(error, ContextKind::InvalidValue);
    let why = why(error);
    let origin = origin(flag, words);
    if value.is_empty() && why.is_none() && origin.is_empty() {
        return (format!("`{flag}` needs a value"), format!("write `{shown}`"));
    }
    let value = if value.is_empty() { "\"\"" } else { &value };
    if let Some(ValueError { reason, hint }) = why {
        return (format!("`{flag} {value}`{origin}: {reason}"), hint.clone());
    }
    let hint = match error.get(ContextKind::SuggestedValue) {
        Some(ContextValue::String(close)) => did_you_mean(&format!("{flag} {close}")),
        _ => format!("one of: {}", context(error, ContextKind::ValidValue)),
    };
    (format!("`{flag} {value}`{origin}: no such value"), hint)
}

/// What the parser of a value said.
fn why(error: &clap::Error) -> Option<&ValueError> {
    std::error::Error::source(error).and_then(|why| why.downcast_ref())
}

/// A flag that stands twice, or a word behind flags where the parser looks for no command.
fn conflict(error: &clap::Error) -> (String, String) {
    let word = context(error, ContextKind::InvalidSubcommand);
    if commands::command(false).find_subcommand(&word).is_some() {
        let hint = format!("write `corelane {word}` first and the flags behind it");
        return (format!("`{word}` stands behind flags"), hint);
    }
    if !word.is_empty() {
        return (format!("unknown argument `{word}`"), HELP_HINT.to_owned());
    }
    let shown = context(error, ContextKind::InvalidArg);
    let flag = shown.split(' ').next().unwrap_or_default();
    let prior = context(error, ContextKind::PriorArg);
    let prior = prior.split(' ').next().unwrap_or_default();
    let hint = "leave one of them out".to_owned();
    if prior.is_empty() || prior == flag {
        return (format!("`{flag}` stands more than once"), hint);
    }
    (format!("`{flag}` and `{prior}` exclude each other"), hint)
}

fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// What the parser knows of its error, as text; empty if nothing.
fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        Some(ContextValue::Strings(words)) => words.join(", "),
        _ => String::new(),
    }
}

/// The parser's own message, for errors that have no better one here.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// ` (from CORELANE_X)` if the flag stands nowhere among the words and its variable is set.
fn origin(flag: &str, words: &[OsString]) -> String {
    let stands = |word: &OsString| {
        let rest = word.as_encoded_bytes().strip_prefix(flag.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'=')
    };
    let command = commands::command(false);
    let variable = command
        .get_arguments()
        .find(|arg| arg.get_long() == flag.strip_prefix("--"))
        .and_then(clap::Arg::get_env)
        .filter(|variable| std::env::var_os(variable).is_some() && !words.iter().any(stands))
        .and_then(OsStr::to_str);
    variable.map_or(String::new(), |variable| format!(" (from {variable})"))
}

/// The default of a flag, which is named without its dashes, as help shows it.
pub(super) fn default_of(name: &str) -> Option<String> {
    let command = commands::command(false);
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
    arg.get_default_values().first()?.to_str().map(str::to_owned)
}
