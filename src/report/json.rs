//! A JSON value and its text (RFC 8259), so that a report needs no serialiser.
//! Writes only; knows nothing of what the values mean.

use std::fmt::{self, Write};

/// A JSON value. Its `Display` is one line without blanks.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `true` or `false`.
    Bool(bool),
    /// A number with a fraction; what is not finite is written as `null`, as JSON has no word
    /// for it.
    Float(f64),
    /// An array.
    List(Vec<Json>),
    /// `null`: not measured.
    Null,
    /// An object, in this order. Keys are the caller's to keep unique.
    Object(Vec<(String, Json)>),
    /// A whole number that may be below zero.
    Signed(i64),
    /// A string.
    Text(String),
    /// A whole number. Readers that keep numbers as doubles are exact up to 2^53.
    Unsigned(u64),
}

impl Json {
    /// An object of these members.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Json)>) -> Json {
        Json::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// A string.
    pub fn text(text: impl Into<String>) -> Json {
        Json::Text(text.into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Bool(value) => write!(f, "{value}"),
            Json::Float(number) if number.is_finite() => write!(f, "{number}"),
            Json::Float(_) | Json::Null => f.write_str("null"),
            Json::Signed(number) => write!(f, "{number}"),
            Json::Unsigned(number) => write!(f, "{number}"),
            Json::Text(text) => write_text(f, text),
            Json::List(values) => {
                f.write_char('[')?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Json::Object(members) => {
                f.write_char('{')?;
                for (index, (key, value)) in members.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    write_text(f, key)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A string between quotes; escapes what RFC 8259 section 7 demands, and the other control
/// characters, which a terminal would obey.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            _ => f.write_char(character)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_without_blanks() {
        let value = Json::object([
            ("none", Json::Null),
            ("most", Json::Unsigned(u64::MAX)),
            ("is", Json::Bool(true)),
            ("part", Json::Float(0.25)),
            ("least", Json::Signed(i64::MIN)),
            ("list", Json::List(vec![Json::Unsigned(1), Json::text("a")])),
            ("empty", Json::List(Vec::new())),
        ]);
        assert_eq!(
            value.to_string(),
            r#"{"none":null,"most":18446744073709551615,"is":true,"part":0.25,"least":-9223372036854775808,"list":[1,"a"],"empty":[]}"#
        );
    }

    #[test]
    fn what_json_cannot_say_is_null() {
        assert_eq!(Json::Float(f64::NAN).to_string(), "null");
        assert_eq!(Json::Float(f64::INFINITY).to_string(), "null");
    }
}
