//! The routes of a configuration file. Checks each key alone, and that a route has one answer;
//! whether it can be served is the application's to say.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeArray, DeTable, DeValue};

use super::Exit;
use super::file::{Source, in_order, is_setting};
use super::file_options;
use crate::app::configured::{Answer, FilesSpec, Fixed, RouteSpec};
use crate::app::files::Files;
use crate::limits::ROUTE_BODY_BYTES_MAX;
use crate::wire::head::Method;
use crate::wire::status::Status;

const KEYS: [&str; 16] = [
    "body",
    "body-file",
    "cache-control",
    "compress",
    "echo",
    "error-pages",
    "fallback",
    "files",
    "headers",
    "health",
    "listing",
    "method",
    "path",
    "precompressed",
    "redirect",
    "status",
];

/// Those of [`KEYS`] that make an answer.
const ANSWERS: &str = "`body`, `body-file`, `status`, `redirect`, `files`, `echo` or `health`";

const REDIRECTIONS: [Status; 5] = [
    Status::MOVED_PERMANENTLY,
    Status::FOUND,
    Status::SEE_OTHER,
    Status::TEMPORARY_REDIRECT,
    Status::PERMANENT_REDIRECT,
];

/// The keys of a route as they are written.
#[derive(Default)]
struct Written {
    path: Option<(String, Range<usize>)>,
    method: Option<Method>,
    status: Option<(Status, Range<usize>)>,
    fields: Option<Vec<(String, String)>>,
    body: Option<(Arc<[u8]>, bool)>,
    redirect: Option<String>,
    files: Option<PathBuf>,
    /// How they are answered, and the last key that says so.
    options: FilesSpec,
    options_key: Option<Range<usize>>,
    echoes: bool,
    is_health: bool,
    compress: Option<bool>,
}

/// Each route with the line of its path.
pub(super) fn read(
    source: &Source<'_>,
    tables: &DeArray<'_>,
) -> Result<Vec<(usize, RouteSpec)>, Exit> {
    let mut routes = Vec::new();
    for item in tables {
        let DeValue::Table(table) = item.get_ref() else {
            return Err(source.unexpected(item.span(), "route", "`[[route]]` on a line"));
        };
        let written = written(source, table)?;
        // The first key says better than the head of the table where it is.
        let span = in_order(table).first().map_or(item.span(), |(name, _)| name.span());
        routes.push(route(source, written, span)?);
    }
    Ok(routes)
}

fn written(source: &Source<'_>, table: &DeTable<'_>) -> Result<Written, Exit> {
    let mut written = Written::default();
    for (name, value) in in_order(table) {
        let (name, span) = (name.get_ref().as_ref(), name.span());
        let wrong = |expected: &str| source.unexpected(span.clone(), name, expected);
        let text = || value.get_ref().as_str().ok_or_else(|| wrong("a text in quotes"));
        let switch = || value.get_ref().as_bool().ok_or_else(|| wrong("`true` or `false`"));
        match name {
            "path" => written.path = Some((text()?.to_owned(), span)),
            "method" => {
                let method = Method::from_name(text()?.as_bytes());
                let known = Some(method).filter(|method| *method != Method::Unknown);
                written.method = Some(known.ok_or_else(|| wrong("a method such as `\"POST\"`"))?);
            }
            "status" => {
                let status = status(value.get_ref());
                let status = status.ok_or_else(|| wrong("a number from 200 to 599"))?;
                written.status = Some((status, span));
            }
            "headers" => {
                let fields = fields(value.get_ref());
                let fields = fields.ok_or_else(|| wrong("`{ Name = \"value\" }`"))?;
                written.fields = Some(fields);
            }
            "body" | "body-file" if written.body.is_some() => {
                let hint = "leave one of them out";
                return Err(source.fault(span, "`body` and `body-file` exclude each other", hint));
            }
            "body" => written.body = Some((text()?.as_bytes().into(), true)),
            "body-file" => written.body = Some((contents(source, span.clone(), text()?)?, false)),
            "redirect" => written.redirect = Some(text()?.to_owned()),
            "compress" => written.compress = Some(switch()?),
            "echo" => written.echoes = switch()?,
            "health" => written.is_health = switch()?,
            "files" => written.files = Some(directory(source, span.clone(), text()?)?),
            _ if file_options::KEYS.contains(&name) => {
                file_options::read(
                    source,
                    name,
                    span.clone(),
                    value.get_ref(),
                    &mut written.options,
                )?;
                written.options_key = Some(span);
            }
            _ if !KEYS.contains(&name) && is_setting(name) => {
                let hint = "move it above the first `[[route]]`";
                let reason = format!("`{name}` belongs to the server and stands in a route");
                return Err(source.fault(span, &reason, hint));
            }
            _ => return Err(source.unknown(span, name, KEYS.into_iter())),
        }
    }
    Ok(written)
}

fn status(value: &DeValue<'_>) -> Option<Status> {
    let number = value.as_integer()?;
    let code = u16::from_str_radix(number.as_str(), number.radix()).ok()?;
    Status::new(code).filter(|status| (2..=5).contains(&status.class()))
}

fn fields(value: &DeValue<'_>) -> Option<Vec<(String, String)>> {
    let fields = in_order(value.as_table()?).into_iter().map(|(name, value)| {
        Some((name.get_ref().to_string(), value.get_ref().as_str()?.to_owned()))
    });
    fields.collect()
}

/// What a file holds whose name is taken from the folder of the configuration.
fn contents(source: &Source<'_>, span: Range<usize>, name: &str) -> Result<Arc<[u8]>, Exit> {
    let path = source.path.parent().unwrap_or(Path::new("")).join(name);
    let read = || {
        // A pipe would hold up the start, or never end.
        if !std::fs::metadata(&path)?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(&path)?.take(ROUTE_BODY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > ROUTE_BODY_BYTES_MAX {
            let reason = format!("it has more than {ROUTE_BODY_BYTES_MAX} bytes");
            return Err(std::io::Error::other(reason));
        }
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        let reason = format!("cannot read the body {}: {error}", path.display());
        source.fault(span, &reason, "a path is taken from the folder of the configuration file")
    })?;
    Ok(bytes.into())
}

/// A folder of files that can be served, whose name is taken from that of the configuration.
fn directory(source: &Source<'_>, span: Range<usize>, name: &str) -> Result<PathBuf, Exit> {
    let path = source.path.parent().unwrap_or(Path::new("")).join(name);
    match Files::at(&path).fault() {
        None => Ok(path),
        Some(fault) => {
            let hint = "a path is taken from the folder of the configuration file";
            Err(source.fault(span, fault, hint))
        }
    }
}

fn route(
    source: &Source<'_>,
    written: Written,
    span: Range<usize>,
) -> Result<(usize, RouteSpec), Exit> {
    let Written { path, method, status, fields, body, redirect, files, .. } = written;
    let Written { options, options_key, echoes, is_health, compress, .. } = written;
    let Some((path, at)) = path else {
        return Err(source.fault(span, "a route without `path`", "such as `path = \"/hello\"`"));
    };
    let fault = |reason: &str, hint: &str| Err(source.fault(at.clone(), reason, hint));
    let is_fixed = body.is_some()
        || (fields.is_some() && files.is_none())
        || (status.is_some() && redirect.is_none());
    let answers = [is_fixed, redirect.is_some(), files.is_some(), echoes, is_health];
    match answers.iter().filter(|answers| **answers).count() {
        0 => {
            return fault(
                &format!("the route {path} has no answer"),
                &format!("give it {ANSWERS}"),
            );
        }
        1 => {}
        _ => {
            let reason = format!("the route {path} has more than one answer");
            return fault(
                &reason,
                "one of a fixed answer, `redirect`, `files`, `echo` and `health`",
            );
        }
    }
    if files.is_some() && method.is_some_and(|method| method != Method::Get) {
        let hint = "leave `method` out: GET and HEAD are answered";
        return fault("`files` answers no other method", hint);
    }
    if let (None, Some(span)) = (&files, options_key) {
        let hint = "give the route `files`, or leave it out";
        return Err(source.fault(span, "a key of `files` in a route without it", hint));
    }
    let answer = if let Some(directory) = files {
        Answer::Files(FilesSpec { directory, fields: fields.unwrap_or_default(), ..options })
    } else if let Some(location) = redirect {
        let (status, at) = status.unwrap_or((Status::FOUND, at.clone()));
        if !REDIRECTIONS.contains(&status) {
            return Err(source.unexpected(at, "status", "301, 302, 303, 307 or 308"));
        }
        Answer::Redirect(status, location)
    } else if echoes {
        Answer::Echo
    } else if is_health {
        Answer::Health
    } else {
        let (body, is_text) = body.map_or((None, true), |(body, is_text)| (Some(body), is_text));
        let status = status.map_or(Status::OK, |(status, _)| status);
        Answer::Fixed(Fixed { status, fields: fields.unwrap_or_default(), body, is_text })
    };
    let method = method.unwrap_or(Method::Get);
    Ok((source.line(&at), RouteSpec { method, path, answer, compress }))
}
