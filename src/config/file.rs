//! The configuration file: its keys as texts of the flags that they stand for, and its routes.
//! Knows no setting by name; what a text means is checked where flags are.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Exit, commands, routes, usage};
use crate::app::configured::{self, Application};

/// Where the file is if nobody says where.
const USUAL_PATH: &str = "/etc/corelane/corelane.toml";

/// The likeness of two keys from which on one is a slip of the other, as clap has it for flags.
const LIKENESS_MIN: f64 = 0.7;

/// What a file says.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) keys: Vec<Key>,
    pub(super) application: Application,
    /// Where each route stands.
    pub(super) route_lines: Vec<usize>,
}

/// A key that stands for a flag.
#[derive(Debug)]
pub(super) struct Key {
    /// The flag without its dashes.
    pub(super) name: String,
    /// The words that its flag would have.
    pub(super) values: Vec<String>,
    /// From 1.
    pub(super) line: usize,
}

impl File {
    /// Its keys as flags, those that `is_wanted`.
    pub(super) fn words(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<OsString> {
        let wanted = self.keys.iter().filter(|key| is_wanted(&key.name));
        let words = wanted.flat_map(|Key { name, values, .. }| {
            values.iter().map(move |value| format!("--{name}={value}").into())
        });
        words.collect()
    }

    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Something is wrong in one of its lines.
    pub(super) fn fault(&self, line: usize, reason: &str, hint: &str) -> Exit {
        fault(&self.path, line, reason, hint)
    }
}

fn fault(path: &Path, line: usize, reason: &str, hint: &str) -> Exit {
    usage::wrong(&format!("{}:{line}: {reason}", path.display()), hint)
}

/// Reads the file that was named, or the usual one if it exists.
pub(super) fn read(named: Option<&Path>) -> Result<Option<File>, Exit> {
    let path = named.unwrap_or(Path::new(USUAL_PATH));
    if named.is_none() && !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = "`corelane config default` prints a file with every key";
        usage::wrong(&format!("cannot read the configuration {}: {error}", path.display()), hint)
    })?;
    parse(path, &text).map(Some)
}

fn parse(path: &Path, text: &str) -> Result<File, Exit> {
    let source = Source { path, text };
    let document = DeTable::parse(text).map_err(|error| {
        let hint = "TOML is `key = value`, one a line, texts in quotes";
        source.fault(error.span().unwrap_or_default(), error.message(), hint)
    })?;
    let command = commands::command(false);
    let flags = || command.get_arguments().filter(|arg| arg.get_id() != "config");
    let mut keys = Vec::new();
    let mut routes = Vec::new();
    let mut demo = None;
    for (name, value) in in_order(document.get_ref()) {
        let (name, span) = (name.get_ref().as_ref(), name.span());
        match (name, value.get_ref()) {
            ("demo", DeValue::Boolean(is_on)) => demo = Some(span).filter(|_| *is_on),
            ("demo", _) => return Err(source.unexpected(span, name, "true or false")),
            ("route", DeValue::Array(tables)) => routes = routes::read(&source, tables)?,
            ("route", _) => return Err(source.unexpected(span, name, "`[[route]]` on a line")),
            _ => {
                let Some(arg) = flags().find(|arg| arg.get_long() == Some(name)) else {
                    let known = flags().filter_map(Arg::get_long).chain(["demo", "route"]);
                    return Err(source.unknown(span, name, known));
                };
                let Some(values) = texts(value.get_ref(), arg) else {
                    return Err(source.unexpected(span, name, expected(arg)));
                };
                keys.push(Key { name: name.to_owned(), values, line: source.line(&span) });
            }
        }
    }
    let (route_lines, specs): (Vec<usize>, Vec<_>) = routes.into_iter().unzip();
    let application = match demo {
        Some(span) if !specs.is_empty() => {
            let hint = "the demonstration has routes of its own: leave it or yours out";
            return Err(source.fault(span, "`demo` and `[[route]]` exclude each other", hint));
        }
        Some(_) => Application::Demo,
        None => {
            configured::check(&specs).map_err(|(index, reason)| {
                let hint = "such as `path = \"/users/{id}\"`, once for each method";
                fault(path, route_lines[index], &reason, hint)
            })?;
            Application::Routes(specs)
        }
    };
    Ok(File { path: path.to_owned(), keys, application, route_lines })
}

/// The file as it is read, for telling where something stands.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// The line of what begins there, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.split(|byte| *byte == b'\n').count()
    }

    pub(super) fn fault(&self, span: Range<usize>, reason: &str, hint: &str) -> Exit {
        fault(self.path, self.line(&span), reason, hint)
    }

    /// A value that is none of its key.
    pub(super) fn unexpected(&self, span: Range<usize>, key: &str, expected: &str) -> Exit {
        let hint = "`corelane config default` shows every key with a value";
        self.fault(span, &format!("`{key}`: expected {expected}"), hint)
    }

    /// A key that is none.
    pub(super) fn unknown<'k>(
        &self,
        span: Range<usize>,
        key: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> Exit {
        let rated = known.map(|known| (strsim::jaro(key, known), known));
        let nearest = rated.max_by(|one, other| one.0.total_cmp(&other.0));
        let hint = match nearest.filter(|(likeness, _)| *likeness > LIKENESS_MIN) {
            Some((_, close)) => format!("did you mean `{close}`?"),
            None => "`corelane config default` prints every key".to_owned(),
        };
        self.fault(span, &format!("unknown key `{key}`"), &hint)
    }
}

/// Whether a key stands for a flag.
pub(super) fn is_setting(key: &str) -> bool {
    commands::command(false).get_arguments().any(|arg| arg.get_long() == Some(key))
}

/// The keys of a table with their values, as they stand in the file.
pub(super) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// A value as the words of its flag, if it is of the flag's kind.
fn texts(value: &DeValue<'_>, arg: &Arg) -> Option<Vec<String>> {
    let shape = shape(arg);
    match value {
        DeValue::Array(items) if matches!(arg.get_action(), ArgAction::Append) => {
            let items = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            // None at all is no address to listen on, but no proxy either.
            items.collect::<Option<Vec<_>>>().filter(|items| !items.is_empty() || !has_default(arg))
        }
        DeValue::String(text) if shape != "N" => Some(vec![text.as_ref().to_owned()]),
        DeValue::Integer(number) if ["N", "SIZE", "off|auto|US"].contains(&shape) => {
            let value = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(vec![value.to_string()])
        }
        DeValue::Boolean(is_on) if shape == "on|off" => {
            Some(vec![if *is_on { "on" } else { "off" }.to_owned()])
        }
        _ => None,
    }
}

fn has_default(arg: &Arg) -> bool {
    !arg.get_default_values().is_empty()
}

/// What help shows for the value of a flag, which says what it is.
fn shape(arg: &Arg) -> &str {
    arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str())
}

fn expected(arg: &Arg) -> &'static str {
    match shape(arg) {
        _ if matches!(arg.get_action(), ArgAction::Append) => "a text, or a list such as `[\"…\"]`",
        "N" => "a whole number, without quotes",
        "SIZE" => "a size such as `\"64k\"`, or a number of bytes",
        "TIME" => "a time with its unit, such as `\"10s\"`",
        "on|off" => "`true` or `false`",
        "off|auto|US" => "`\"off\"`, `\"auto\"` or microseconds",
        _ => "a text in quotes",
    }
}
