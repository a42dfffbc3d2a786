//! An event as a line: JSON for programs, text for people. Whatever bytes it is made of, it stays
//! one line and commands no terminal. Knows not where lines go, nor what events mean.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use log::kv::{Error, Key, Source, Value, VisitSource, VisitValue};
use log::{Level, Record};

use crate::report::Json;
use crate::wire::date::timestamp;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// One JSON object.
    Json,
    /// Words.
    Text,
}

/// What a line of text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// The level: somebody looks on.
    Level,
    /// The level behind its number, which the journal takes off (`sd-daemon(3)`).
    Priority,
    /// The time, the level and the name of the event.
    Time,
}

/// The name of what another crate logs without naming an event.
const UNNAMED: &str = "log";

/// An event, taken out of its record: no foreign code runs any more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    level: Level,
    event: Option<String>,
    message: String,
    fields: Vec<(String, Json)>,
    /// Whether it is good news that needs no level before it.
    is_announcement: bool,
}

impl Line {
    pub(super) fn new(
        level: Level,
        event: &str,
        fields: &[(&str, Value<'_>)],
        message: fmt::Arguments<'_>,
    ) -> Line {
        let mut taken = Fields { event: Some(event.to_owned()), fields: Vec::new() };
        // Only a visitor fails, and this one does not.
        let _ = fields.visit(&mut taken);
        let Fields { event, fields } = taken;
        Line { level, event, message: message.to_string(), fields, is_announcement: false }
    }

    pub(super) fn of(record: &Record<'_>) -> Line {
        let mut fields = Fields::default();
        // As above.
        let _ = record.key_values().visit(&mut fields);
        if fields.event.is_none() {
            fields.put("target", Json::text(record.target()));
        }
        Line {
            level: record.level(),
            event: fields.event,
            message: record.args().to_string(),
            fields: fields.fields,
            is_announcement: false,
        }
    }

    pub(super) fn announcing(self) -> Line {
        Line { is_announcement: true, ..self }
    }

    fn name(&self) -> &str {
        self.event.as_deref().unwrap_or(UNNAMED)
    }

    /// With its newline, as of this time since 1970-01-01.
    pub(super) fn to_json(&self, at: Duration) -> String {
        let level = match self.level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        let first = [
            ("ts".to_owned(), Json::Text(timestamp(at))),
            ("level".to_owned(), Json::text(level)),
            ("event".to_owned(), Json::text(self.name())),
            ("message".to_owned(), Json::text(self.message.as_str())),
        ];
        format!("{}\n", Json::object(first.into_iter().chain(self.fields.iter().cloned())))
    }

    /// With its newline; a hint is a line of its own.
    pub(super) fn to_text(&self, opening: Opening, at: Duration) -> String {
        let (level, priority) = match self.level {
            Level::Error => ("error", 3),
            Level::Warn => ("warning", 4),
            Level::Info => ("info", 6),
            Level::Debug | Level::Trace => ("debug", 7),
        };
        let open = |what: &str| match opening {
            Opening::Level if what.is_empty() => String::new(),
            Opening::Level => format!("{what}: "),
            Opening::Priority if what.is_empty() => format!("<{priority}>"),
            Opening::Priority => format!("<{priority}>{what}: "),
            Opening::Time if what == HINT => format!("{} {what}: ", timestamp(at)),
            Opening::Time => format!("{} {level} {}: ", timestamp(at), self.name()),
        };
        let mut text = open(if self.is_announcement { "" } else { level });
        text += &escaped(&self.message);
        let mut hint = None;
        for (key, value) in &self.fields {
            match value {
                Json::Text(words) if key == HINT => hint = Some(words),
                // The words of a named event say what its fields do.
                _ if self.event.is_some() => {}
                Json::Text(words) => {
                    let _ = write!(text, " {}={:?}", escaped(key), words);
                }
                value => {
                    let _ = write!(text, " {}={value}", escaped(key));
                }
            }
        }
        text.push('\n');
        if let Some(hint) = hint {
            text = text + &open(HINT) + &escaped(hint) + "\n";
        }
        text
    }
}

/// The field that says what to do.
const HINT: &str = "hint";

/// The fields of a record; the event's name is none of them.
#[derive(Default)]
struct Fields {
    event: Option<String>,
    fields: Vec<(String, Json)>,
}

impl Fields {
    /// A name that stands already is made another: an object has each name once.
    fn put(&mut self, key: &str, value: Json) {
        let mut key = key.to_owned();
        while ["ts", "level", "event", "message"].contains(&key.as_str())
            || self.fields.iter().any(|(there, _)| *there == key)
        {
            key.push('_');
        }
        self.fields.push((key, value));
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut taken = Taken(Json::Null);
        value.visit(&mut taken)?;
        match taken.0 {
            Json::Text(name) if key.as_str() == "event" && self.event.is_none() => {
                self.event = Some(name);
            }
            value => self.put(key.as_str(), value),
        }
        Ok(())
    }
}

/// A value as JSON has it.
struct Taken(Json);

impl VisitValue<'_> for Taken {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = Json::Text(value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = Json::Unsigned(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = Json::Signed(value);
        Ok(())
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), Error> {
        // Milliseconds come so.
        self.0 =
            u64::try_from(value).map_or_else(|_| Json::Text(value.to_string()), Json::Unsigned);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = Json::Float(value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = Json::Bool(value);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.0 = Json::text(value);
        Ok(())
    }
}

/// Text without line ends, commands to a terminal, and what turns its direction.
fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = |char: char| {
        !char.is_control()
            && !matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut escaped = String::new();
    for char in text.chars() {
        if is_plain(char) {
            escaped.push(char);
        } else {
            escaped.extend(char.escape_default());
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const AT: Duration = Duration::from_millis(1_795_342_930_123);

    fn line(level: Level, message: &str, fields: &[(&str, Value<'_>)]) -> Line {
        let mut record = Record::builder();
        record.level(level).target("some::crate").key_values(&fields);
        Line::of(&record.args(format_args!("{message}")).build())
    }

    #[test]
    fn a_named_event_is_an_object_with_its_facts() {
        let fields = [
            ("event", "handler_stalled".into()),
            ("worker", 1_usize.into()),
            ("lasted_ms", 80_u128.into()),
            ("change", (-3).into()),
            ("share", 0.5.into()),
            ("is_late", true.into()),
            ("message", "theirs".into()),
            ("worker", "again".into()),
        ];
        assert_eq!(
            line(Level::Warn, "slow", &fields).to_json(AT),
            "{\"ts\":\"2026-11-22T10:22:10.123Z\",\"level\":\"warn\",\"event\":\"handler_stalled\",\
             \"message\":\"slow\",\"worker\":1,\"lasted_ms\":80,\"change\":-3,\"share\":0.5,\
             \"is_late\":true,\"message_\":\"theirs\",\"worker_\":\"again\"}\n"
        );
    }

    #[test]
    fn text_begins_with_what_its_reader_lacks() {
        let slow = line(Level::Warn, "slow", &[("event", "stall".into()), ("worker", 1.into())]);
        assert_eq!(slow.to_text(Opening::Level, AT), "warning: slow\n");
        assert_eq!(slow.to_text(Opening::Priority, AT), "<4>warning: slow\n");
        let stamped = "2026-11-22T10:22:10.123Z warning stall: slow\n";
        assert_eq!(slow.to_text(Opening::Time, AT), stamped);
        let news = line(Level::Info, "here", &[("event", "ready".into())]).announcing();
        assert_eq!(news.to_text(Opening::Level, AT), "here\n");
        assert_eq!(news.to_text(Opening::Priority, AT), "<6>here\n");
        let failed = [("event", "failed".into()), ("hint", "try\nit".into())];
        let failed = line(Level::Error, "no", &failed);
        assert_eq!(failed.to_text(Opening::Level, AT), "error: no\nhint: try\\nit\n");
        assert_eq!(failed.to_text(Opening::Priority, AT), "<3>error: no\n<3>hint: try\\nit\n");
    }

    #[test]
    fn what_others_log_is_named_by_its_target_and_keeps_its_facts() {
        let other = line(Level::Info, "in", &[("user", "a b".into()), ("age", 7.into())]);
        let text = "info: in user=\"a b\" age=7 target=\"some::crate\"\n";
        assert_eq!(other.to_text(Opening::Level, AT), text);
        assert!(other.to_json(AT).contains("\"event\":\"log\""), "{}", other.to_json(AT));
    }

    #[test]
    fn a_terminal_is_not_commanded() {
        let evil = line(Level::Warn, "a\x1b[2J\r\n\u{9b}1m\u{202e}b\0 µ→\t", &[]);
        let text = evil.to_text(Opening::Level, AT);
        assert!(
            text.starts_with("warning: a\\u{1b}[2J\\r\\n\\u{9b}1m\\u{202e}b\\u{0} µ→\\t"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_in_it_a_line_is_one_object_or_one_line(
            message in any::<Vec<u8>>(),
            fields in any::<Vec<(String, Vec<u8>)>>(),
            number in any::<(u64, i64, f64)>(),
        ) {
            let message = String::from_utf8_lossy(&message);
            let texts: Vec<_> = fields
                .iter()
                .map(|(key, value)| (key.as_str(), String::from_utf8_lossy(value)))
                .collect();
            let mut fields: Vec<(&str, Value<'_>)> =
                texts.iter().map(|(key, value)| (*key, value.as_ref().into())).collect();
            fields.extend([("u", number.0.into()), ("i", number.1.into()), ("f", number.2.into())]);
            let line = line(Level::Error, &message, &fields);
            let json = line.to_json(AT);
            let object = json.strip_suffix('\n').unwrap();
            prop_assert!(!object.contains(char::is_control));
            let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read["message"], message.as_ref());
            prop_assert_eq!(read.len(), 4 + line.fields.len(), "no name stands twice");
            for opening in [Opening::Level, Opening::Priority, Opening::Time] {
                let text = line.to_text(opening, AT);
                let hints = usize::from(line.fields.iter().any(|(key, _)| key == HINT));
                prop_assert_eq!(text.matches('\n').count(), 1 + hints);
                prop_assert!(!text.replace('\n', "").contains(char::is_control));
            }
        }
    }
}
