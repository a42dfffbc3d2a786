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

/// As light or dark as the reader has it, and as narrow as a telephone.
const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}\
    h1{font-size:1.5rem;overflow-wrap:anywhere}table{border-spacing:0;width:100%}\
    td,th{padding:.2rem 0 .2rem 1.5rem;text-align:right;white-space:nowrap;\
    font-variant-numeric:tabular-nums}\
    td:first-child,th:first-child{padding-left:0;text-align:left;white-space:normal;\
    overflow-wrap:anywhere;width:100%}\
    @media(max-width:35rem){td:nth-child(3),th:nth-child(3){display:none}}";

/// A listing in both forms.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    html: Arc<[u8]>,
    json: Arc<[u8]>,
}

/// The path beneath the root, what is shown for it, when it was made, and it.
type Kept = (Box<[u8]>, Box<str>, Moment, Listing);

/// The listings that a worker made within the last second.
#[derive(Debug, Default)]
pub(super) struct Listings(VecDeque<Kept>);

impl Listings {
    /// Of the directory `path` beneath `root`, if it is one, under the name that its reader knows.
    ///
    /// # Errors
    /// What [`Root::list`] names.
    pub(super) fn find(
        &mut self,
        root: &Root,
        path: &[u8],
        shown: &str,
        now: Moment,
    ) -> io::Result<Option<Listing>> {
        self.0.retain(|(.., made, _)| now - *made < Duration::from_millis(KEPT_FILE_MILLIS));
        // What is shown alone may be another directory: `%2F` is no slash.
        let is_it = |kept: &&Kept| (&*kept.0, &*kept.1) == (path, shown);
        if let Some((.., listing)) = self.0.iter().find(is_it) {
            return Ok(Some(listing.clone()));
        }
        let Some(listed) = root.list(path, is_listed)? else { return Ok(None) };
        let listing = Listing::new(shown, !path.is_empty(), &listed);
        self.0.truncate(KEPT_LISTINGS_MAX - 1);
        self.0.push_front((path.into(), shown.into(), now, listing.clone()));
        Ok(Some(listing))
    }
}

/// Whether a name is listed: it is not hidden, and a request can name it.
fn is_listed(name: &[u8]) -> bool {
    is_sound_name(name) && std::str::from_utf8(name).is_ok()
}

impl Listing {
    /// Of the directory that is asked for as `path`.
    fn new(path: &str, has_parent: bool, listed: &Listed) -> Listing {
        let html = html(path, has_parent, listed).into_bytes();
        let json = format!("{}\n", json(path, listed)).into_bytes();
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

fn html(path: &str, has_parent: bool, listed: &Listed) -> String {
    let title = escaped(path);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n\
         <table>\n<tr><th>Name<th>Bytes<th>Modified (UTC)\n"
    );
    if has_parent {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    for file in &listed.files {
        let slash = if file.is_directory { "/" } else { "" };
        let name = escaped(&String::from_utf8_lossy(&file.name));
        let target = percent_encode(&file.name, ESCAPED);
        let size = if file.is_directory { String::new() } else { file.facts.len.to_string() };
        let modified = modified(file);
        // To the minute for people, who read it in a column.
        let minute = modified.get(..16).unwrap_or_default().replace('T', " ");
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{target}{slash}\">{name}{slash}</a><td>{size}\
             <td><time datetime=\"{modified}\">{minute}</time>"
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
