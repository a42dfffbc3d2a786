//! Flags, variables, file and defaults become one command line, and each value keeps where it
//! comes from. Knows no setting by name.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, FromArgMatches};

use super::args::{self, ServeArgs};
use super::commands::{self, Args};
use super::file::{self, File};
use super::{Exit, ServePlan, plan, usage};
use crate::app::configured::Application;

/// Where a value comes from, the strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable(String),
    /// The line of the file.
    File(usize),
    Default,
}

/// A setting that cannot be used.
#[derive(Debug)]
pub(super) struct PlanFault {
    /// The flag without its dashes.
    pub(super) name: String,
    /// Its value, if that says more.
    pub(super) value: Option<String>,
    /// What is wrong, as it continues behind the flag.
    pub(super) reason: String,
    pub(super) hint: String,
}

/// What `serve` is told by all sources together.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) plan: ServePlan,
    pub(super) file: Option<File>,
    /// The command line alone, and with what the file adds.
    given: ArgMatches,
    merged: ArgMatches,
}

impl InForce {
    /// Puts everything together. A file must be right by itself: its mistakes would otherwise
    /// show when the flag that hides them is left out.
    pub(super) fn new(
        serve: &ServeArgs,
        given: &ArgMatches,
        words: &[OsString],
    ) -> Result<InForce, Exit> {
        let file = file::read(serve.config.as_deref())?;
        let given = innermost(given).clone();
        let mut words = words.to_vec();
        if let Some(file) = &file {
            check_alone(file)?;
            // A key stands where neither its flag nor its variable does.
            words.extend(file.words(|name| !is_given(&given, name)));
        }
        let merged = commands::command(false).try_get_matches_from(&words);
        let merged = merged.map_err(|error| usage::exit_for(&error, &words))?;
        let merged = innermost(&merged).clone();
        let serve = ServeArgs::from_arg_matches(&merged)
            .map_err(|error| usage::exit_for(&error, &words))?;
        let application = file.as_ref().map_or(Application::Demo, |file| file.application.clone());
        let plan = plan(serve, &merged, application);
        let origin = |name: &str| origin(&given, file.as_ref(), name);
        let plan = plan.map_err(|fault| told(&fault, &origin(&fault.name), file.as_ref()))?;
        let plan = ServePlan { config: file.as_ref().map(|file| file.path.clone()), ..plan };
        Ok(InForce { plan, file, given, merged })
    }

    /// Where the value of a flag comes from.
    pub(super) fn origin(&self, name: &str) -> Origin {
        origin(&self.given, self.file.as_ref(), name)
    }

    /// The words of a flag's value; `None` if nothing was said and it has no default.
    pub(super) fn text(&self, arg: &Arg) -> Option<String> {
        let words = self.merged.get_raw(arg.get_id().as_str())?;
        Some(words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(","))
    }
}

/// The matches of the command that was named last.
fn innermost(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

fn is_given(given: &ArgMatches, name: &str) -> bool {
    let source = given.value_source(&name.replace('-', "_"));
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

fn origin(given: &ArgMatches, file: Option<&File>, name: &str) -> Origin {
    match given.value_source(&name.replace('-', "_")) {
        Some(ValueSource::CommandLine) => Origin::Flag,
        Some(ValueSource::EnvVariable) => Origin::Variable(args::variable(name)),
        _ => file
            .and_then(|file| file.key(name))
            .map_or(Origin::Default, |key| Origin::File(key.line)),
    }
}

/// Reads a file as if there were nothing else.
fn check_alone(file: &File) -> Result<(), Exit> {
    let command = commands::command(false).mut_args(|arg| arg.env(None::<&'static str>));
    let words = [vec![OsString::from("corelane")], file.words(|_| true)].concat();
    let parsed = command
        .try_get_matches_from(&words)
        .and_then(|matches| Ok((Args::from_arg_matches(&matches)?, matches)));
    let (args, matches) = parsed.map_err(|error| usage::exit_for_key(&error, file))?;
    let plan = plan(args.serve, &matches, file.application.clone());
    plan.map_err(|fault| {
        let line = file.key(&fault.name).map_or(1, |key| key.line);
        told(&fault, &Origin::File(line), Some(file))
    })?;
    Ok(())
}

fn told(fault: &PlanFault, origin: &Origin, file: Option<&File>) -> Exit {
    let PlanFault { name, value, reason, hint } = fault;
    let words = |name: &str, between: &str| match value {
        Some(value) => format!("`{name}{between}{value}`"),
        None => format!("`{name}`"),
    };
    match (origin, file) {
        (Origin::File(line), Some(file)) => {
            file.fault(*line, &format!("{}{reason}", words(name, " = ")), hint)
        }
        (Origin::Variable(variable), _) => {
            let flag = words(&format!("--{name}"), " ");
            usage::wrong(&format!("{flag} (from {variable}){reason}"), hint)
        }
        _ => usage::wrong(&format!("{}{reason}", words(&format!("--{name}"), " ")), hint),
    }
}
