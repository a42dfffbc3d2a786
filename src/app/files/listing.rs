//! What lies in a directory, as a page for people and as JSON for programs, kept for a second.
//! Knows no files: those are found elsewhere.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::path::is_sound_name;
use crate::api::{HandlerResult, Request, Response};
use crate::clock::Moment;
use crate::limits::{KEPT_FILE_MILLIS, KEPT_LISTINGS_MAX};
use crate::report::Json;
use crate::sys::{Listed, ListedFile, Root};
use crate::wire::date::DateText;

/// What need not be escaped in a segment of a path (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem}\
    table{border-spacing:0}td,th{padding:.1rem 1.5rem .1rem 0;text-align:left}\
    td:nth-child(2){text-align:right}";

/// A listing in both forms.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    html: Arc<[u8]>,
    json: Arc<[u8]>,
}

/// The listings that a worker made within the last second.
#[derive(Debug, Default)]
pub(super) struct Listings(VecDeque<(Box<[u8]>, Moment, Listing)>);

impl Listings {
    /// Of the directory `path` beneath `root`, if it is one.
    ///
    /// # Errors
    /// What [`Root::list`] names.
    pub(super) fn find(
        &mut self,
        root: &Root,
        path: &[u8],
        now: Moment,
    ) -> io::Result<Option<Listing>> {
        self.0.retain(|(_, made, _)| now - *made < Duration::from_millis(KEPT_FILE_MILLIS));
        if let Some((_, _, listing)) = self.0.iter().find(|(other, _, _)| **other == *path) {
            return Ok(Some(listing.clone()));
        }
        let Some(listed) = root.list(path, is_listed)? else { return Ok(None) };
        let listing = Listing::new(path, &listed);
        self.0.truncate(KEPT_LISTINGS_MAX - 1);
        self.0.push_front((path.into(), now, listing.clone()));
        Ok(Some(listing))
    }
}

/// Whether a name is listed: it is not hidden, and a request can name it.
fn is_listed(name: &[u8]) -> bool {
    is_sound_name(name) && std::str::from_utf8(name).is_ok()
}

impl Listing {
    /// Of the directory `path` beneath the root.
    fn new(path: &[u8], listed: &Listed) -> Listing {
        let path = format!("/{}", String::from_utf8_lossy(path));
        let html = html(&path, listed).into_bytes();
        let json = format!("{}\n", json(&path, listed)).into_bytes();
        Listing { html: html.into(), json: json.into() }
    }

    /// Answers in the form that the client asks for.
    pub(super) fn answer(self, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
        let (content_type, body) = if request.accepts_json() {
            ("application/json", self.json)
        } else {
            ("text/html; charset=utf-8", self.html)
        };
        let response = response.header("Vary", "Accept").header("Cache-Control", "no-cache");
        response.content_type(content_type).bytes(body)
    }
}

fn modified(file: &ListedFile) -> String {
    let seconds = u64::try_from(file.facts.modified_ns / 1_000_000_000).unwrap_or(0);
    format!("{}Z", DateText::new(seconds).rfc3339())
}

fn html(path: &str, listed: &Listed) -> String {
    let title = escaped(path);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n\
         <table>\n<tr><th>Name<th>Bytes<th>Modified\n"
    );
    if path != "/" {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    for file in &listed.files {
        let slash = if file.is_directory { "/" } else { "" };
        let name = escaped(&String::from_utf8_lossy(&file.name));
        let target = percent_encode(&file.name, ESCAPED);
        let size = if file.is_directory { String::new() } else { file.facts.len.to_string() };
        let modified = modified(file);
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{target}{slash}\">{name}{slash}</a><td>{size}<td>{modified}"
        );
    }
    page.push_str("</table>\n");
    if listed.is_cut {
        let count = listed.files.len();
        let _ = writeln!(page, "<p>There is more: only {count} entries are shown.</p>");
    }
    page
}

fn json(path: &str, listed: &Listed) -> Json {
    let entry = |file: &ListedFile| {
        let size = if file.is_directory { Json::Null } else { Json::Unsigned(file.facts.len) };
        Json::object([
            ("name", Json::text(String::from_utf8_lossy(&file.name))),
            ("type", Json::text(if file.is_directory { "directory" } else { "file" })),
            ("size", size),
            ("modified", Json::Text(modified(file))),
        ])
    };
    Json::object([
        ("path", Json::text(path)),
        ("entries", Json::List(listed.files.iter().map(entry).collect())),
        ("is_cut", Json::Bool(listed.is_cut)),
    ])
}

/// A text that no markup can come out of.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}
