//! Fields that many answers carry, checked and written once. Knows nothing of what they mean.

use super::field_fault;
use crate::wire::encode;

/// Fields of an answer as they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLines {
    lines: Vec<u8>,
    has_content_type: bool,
}

impl FieldLines {
    /// No fields.
    pub fn new() -> FieldLines {
        FieldLines::default()
    }

    /// The same and one more, as [`super::Response::header`].
    ///
    /// # Errors
    /// What is wrong with the field.
    pub fn with(mut self, name: &str, value: &str) -> Result<FieldLines, String> {
        if let Some(fault) = field_fault(name, value.as_bytes()) {
            return Err(fault);
        }
        self.has_content_type |= name.eq_ignore_ascii_case("content-type");
        encode::field(&mut self.lines, name.as_bytes(), value.as_bytes());
        Ok(self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.lines
    }

    pub(super) fn has_content_type(&self) -> bool {
        self.has_content_type
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_become_lines() {
        let lines = FieldLines::new().with("ETag", "\"a\"").unwrap();
        assert_eq!((lines.as_bytes(), lines.has_content_type()), (&b"ETag: \"a\"\r\n"[..], false));
        assert!(lines.clone().with("X", "a\r\nb").is_err());
        assert!(lines.clone().with("Content-Length", "1").is_err());
        assert!(lines.with("content-type", "text/plain").unwrap().has_content_type());
    }
}
