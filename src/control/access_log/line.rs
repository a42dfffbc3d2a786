//! A line of the access log: combined as Apache and nginx write it, or an object of JSON.
//! Knows nothing of where lines go.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::escape::{push_combined, push_json};
use crate::clock::Moment;
use crate::settings::AccessLogFormat;
use crate::wire::date::DateText;
use crate::wire::head::Version;
use crate::worker::{Record, Text};

/// What follows a text that is not there to its end.
const MORE: &[u8] = b"...";

/// Makes lines of records.
pub(super) struct Lines {
    format: AccessLogFormat,
    /// The wall clock at the moment zero, in milliseconds since 1970.
    epoch_ms: u64,
    date: DateText,
    /// The second as it stands in a line.
    second: Vec<u8>,
}

impl Lines {
    pub(super) fn new(format: AccessLogFormat) -> Lines {
        let date = DateText::new(0);
        let second = second(format, date);
        Lines { format, epoch_ms: 0, date, second }
    }

    /// It is `unix` by the wall clock at `now`.
    pub(super) fn set_clock(&mut self, unix: Duration, now: Moment) {
        let epoch = unix.saturating_sub(now - Moment::default());
        self.epoch_ms = u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX);
    }

    /// Appends the line of an answer that `worker` gave by `route`.
    #[inline]
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        record: &Record<'_>,
        worker: usize,
        route: Option<&str>,
    ) {
        let millis = self.epoch_ms.saturating_add(record.seen().as_nanos() / 1_000_000);
        let before = self.date;
        self.date.refresh(millis / 1_000);
        if self.date != before {
            self.second = second(self.format, self.date);
        }
        match self.format {
            AccessLogFormat::Combined => self.push_combined_line(out, record),
            AccessLogFormat::Json => {
                self.push_json_line(out, record, (millis % 1_000) as usize, worker, route);
            }
        }
    }

    fn push_combined_line(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        push_address(out, record.client());
        out.extend_from_slice(b" - - ");
        out.extend_from_slice(&self.second);
        out.extend_from_slice(b" \"");
        if let Some(version) = record.version() {
            push_combined(out, record.method());
            out.push(b' ');
            push_whole(out, record.target());
            out.push(b' ');
            out.extend_from_slice(version_name(version));
        } else {
            out.push(b'-');
        }
        out.extend_from_slice(b"\" ");
        push_number(out, u64::from(record.status()));
        out.push(b' ');
        push_number(out, record.body_bytes());
        for field in [record.referer(), record.agent()] {
            out.extend_from_slice(b" \"");
            match field {
                Some(field) => push_whole(out, field),
                None => out.push(b'-'),
            }
            out.push(b'"');
        }
        out.push(b'\n');
    }

    fn push_json_line(
        &self,
        out: &mut Vec<u8>,
        record: &Record<'_>,
        millis: usize,
        worker: usize,
        route: Option<&str>,
    ) {
        out.extend_from_slice(b"{\"ts\":\"");
        out.extend_from_slice(&self.second);
        out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis)]);
        out.extend_from_slice(b"Z\",\"worker\":");
        push_number(out, worker as u64);
        out.extend_from_slice(b",\"client\":\"");
        push_address(out, record.client());
        out.extend_from_slice(b"\",\"peer_port\":");
        push_number(out, u64::from(record.port()));
        out.extend_from_slice(b",\"request\":");
        push_number(out, u64::from(record.number()));
        push_json_request(out, record);
        out.extend_from_slice(b",\"status\":");
        push_number(out, u64::from(record.status()));
        out.extend_from_slice(b",\"body_bytes\":");
        push_number(out, record.body_bytes());
        out.extend_from_slice(b",\"service_us\":");
        push_number(out, record.micros());
        push_text(out, b",\"route\":", route.map(str::as_bytes));
        push_text(out, b",\"referer\":", record.referer().map(|text| text.bytes));
        push_text(out, b",\"user_agent\":", record.agent().map(|text| text.bytes));
        if record.is_shortened() {
            out.extend_from_slice(b",\"shortened\":true");
        }
        if record.is_cut() {
            out.extend_from_slice(b",\"cut\":true");
        }
        if let Some(refused) = record.refused() {
            push_text(out, b",\"refused\":", Some(refused.as_bytes()));
        }
        out.extend_from_slice(b"}\n");
    }
}

fn push_json_request(out: &mut Vec<u8>, record: &Record<'_>) {
    if let Some(version) = record.version() {
        push_text(out, b",\"method\":", Some(record.method()));
        push_text(out, b",\"target\":", Some(record.target().bytes));
        push_text(out, b",\"version\":", Some(version_name(version)));
    } else {
        out.extend_from_slice(b",\"method\":null,\"target\":null,\"version\":null");
    }
}

/// The text of a second up to its fraction.
fn second(format: AccessLogFormat, date: DateText) -> Vec<u8> {
    let text = date.bytes();
    let (day, month, year, time) = (&text[5..7], &text[8..11], &text[12..16], &text[17..25]);
    match format {
        AccessLogFormat::Combined => {
            [b"[", day, b"/", month, b"/", year, b":", time, b" +0000]"].concat()
        }
        AccessLogFormat::Json => date.rfc3339().into_bytes(),
    }
}

/// The last digit of a number.
fn digit(number: usize) -> u8 {
    b'0' + (number % 10) as u8
}

fn version_name(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

/// A text as it stands in a combined line.
fn push_whole(out: &mut Vec<u8>, text: Text<'_>) {
    push_combined(out, text.bytes);
    if text.is_shortened {
        out.extend_from_slice(MORE);
    }
}

#[inline]
fn push_text(out: &mut Vec<u8>, key: &[u8], text: Option<&[u8]>) {
    out.extend_from_slice(key);
    match text {
        Some(text) => {
            out.push(b'"');
            push_json(out, text);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                push_number(out, u64::from(octet));
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(address) => _ = write!(out, "{address}"),
    }
}
