//! What `corelane config` prints: that all is right, what is in force, or a file with every key.
//! Knows no setting by name.

use super::commands::{self, ConfigWhat};
use super::file::File;
use super::merge::{InForce, Origin};
use super::values::Size;
use crate::app::configured::{Answer, Application, RouteSpec};
use crate::report::Json;

/// A file with every key, its default, its unit and why.
const DEFAULT_FILE: &str = include_str!("../../packaging/corelane.toml");

/// The name and the version of the form in which `config print --json` tells.
const SCHEMA: &str = "corelane.config/1";

/// One setting as it is in force.
struct Row {
    name: String,
    value: Option<String>,
    origin: Origin,
}

pub(super) fn default_file() -> String {
    DEFAULT_FILE.to_owned()
}

fn checked(in_force: &InForce) -> String {
    let Some(file) = &in_force.file else {
        return "the configuration is right; there is no file\n".to_owned();
    };
    let path = file.path.display();
    let served = match &file.application {
        Application::Demo => "the demonstration".to_owned(),
        Application::Routes(routes) => format!("{} routes", routes.len()),
    };
    format!("{path} is right: {} settings, {served}\n", file.keys.len())
}

pub(super) fn in_force(what: &ConfigWhat, in_force: &InForce) -> String {
    let ConfigWhat::Print(order) = what else { return checked(in_force) };
    if order.json { format!("{}\n", to_json(in_force)) } else { to_text(in_force) }
}

fn rows(in_force: &InForce) -> Vec<Row> {
    let command = commands::command(false);
    let settings = command.get_arguments().filter(|arg| arg.get_id() != "config");
    let row = |arg: &clap::Arg| {
        let name = arg.get_long()?.to_owned();
        // This one alone follows another where nobody gives it.
        let value = match name.as_str() {
            "target-bytes-max" => {
                Some(Size(in_force.plan.settings.target_bytes_max as u64).to_string())
            }
            _ => in_force.text(arg),
        };
        Some(Row { value, origin: in_force.origin(&name), name })
    };
    settings.filter_map(row).collect()
}

fn to_text(in_force: &InForce) -> String {
    let place = |line: usize| match &in_force.file {
        Some(File { path, .. }) => format!("{}:{line}", path.display()),
        None => String::new(),
    };
    let rows = rows(in_force).into_iter().map(|Row { name, value, origin }| {
        let origin = match origin {
            Origin::Flag => format!("--{name}"),
            Origin::Variable(variable) => variable,
            Origin::File(line) => place(line),
            Origin::Default => "default".to_owned(),
        };
        (name, value.unwrap_or_else(|| "-".to_owned()), origin)
    });
    let mut rows: Vec<(String, String, String)> = rows.collect();
    if in_force.plan.application == Application::Demo {
        rows.push(("demo".into(), "true".into(), demo_origin(in_force)));
    }
    rows.extend(routes(in_force).into_iter().map(|(route, line)| {
        let what = format!("{} {} {}", route.method.name(), route.path, answered(route));
        ("route".to_owned(), what, place(line))
    }));
    let width = |of: fn(&(String, String, String)) -> &str| {
        rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0)
    };
    let (names, values) = (width(|row| &row.0), width(|row| &row.1));
    let line = |(name, value, origin): &(String, String, String)| {
        format!("{name:names$}  {value:values$}  {origin}\n")
    };
    rows.iter().map(line).collect()
}

fn demo_origin(in_force: &InForce) -> String {
    let path = in_force.file.as_ref().map(|file| file.path.display().to_string());
    path.unwrap_or_else(|| "default".to_owned())
}

fn answered(route: &RouteSpec) -> String {
    match &route.answer {
        Answer::Echo => "echo".to_owned(),
        Answer::Files(files) => format!("files of {}", files.directory.display()),
        Answer::Health => "health".to_owned(),
        Answer::Fixed(fixed) => {
            let len = fixed.body.as_ref().map_or(0, |body| body.len());
            format!("{}, {len} bytes", fixed.status.code())
        }
        Answer::Redirect(status, location) => format!("{} to {location}", status.code()),
    }
}

fn to_json(in_force: &InForce) -> Json {
    let text = |text: Option<String>| text.map_or(Json::Null, Json::Text);
    let line = |line: usize| Json::Unsigned(line as u64);
    let file = in_force.file.as_ref().map(|file| file.path.display().to_string());
    let setting = |Row { name, value, origin }: Row| {
        let (kind, more) = match origin {
            Origin::Flag => ("flag", vec![("flag", Json::text(format!("--{name}")))]),
            Origin::Variable(variable) => ("variable", vec![("variable", Json::Text(variable))]),
            Origin::File(at) => ("file", vec![("file", text(file.clone())), ("line", line(at))]),
            Origin::Default => ("default", Vec::new()),
        };
        let origin = Json::object([("kind", Json::text(kind))].into_iter().chain(more));
        Json::object([("name", Json::Text(name)), ("value", text(value)), ("origin", origin)])
    };
    let route = |(route, at): (&RouteSpec, usize)| {
        Json::object([
            ("method", Json::text(route.method.name())),
            ("path", Json::text(route.path.as_str())),
            ("answer", Json::Text(answered(route))),
            ("line", line(at)),
        ])
    };
    Json::object([
        ("schema", Json::text(SCHEMA)),
        ("file", text(file.clone())),
        ("settings", Json::List(rows(in_force).into_iter().map(setting).collect())),
        ("demo", Json::Bool(in_force.plan.application == Application::Demo)),
        ("routes", Json::List(routes(in_force).into_iter().map(route).collect())),
    ])
}

/// The routes with their lines.
fn routes(in_force: &InForce) -> Vec<(&RouteSpec, usize)> {
    let Application::Routes(routes) = &in_force.plan.application else { return Vec::new() };
    let lines = in_force.file.iter().flat_map(|file| &file.route_lines).copied();
    routes.iter().zip(lines).collect()
}
