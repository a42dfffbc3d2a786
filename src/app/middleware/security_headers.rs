//! Fields that tell browsers to be careful with what they were answered.
//! Knows nothing of the answers.

use crate::api::{Error, Fields, Hook, Next, Request};

/// Sets `X-Content-Type-Options: nosniff`, `X-Frame-Options: DENY` and
/// `Referrer-Policy: no-referrer`, and what else is asked for.
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    fields: Vec<(&'static str, String)>,
}

impl Default for SecurityHeaders {
    fn default() -> SecurityHeaders {
        SecurityHeaders {
            fields: vec![
                ("X-Content-Type-Options", "nosniff".to_owned()),
                ("X-Frame-Options", "DENY".to_owned()),
                ("Referrer-Policy", "no-referrer".to_owned()),
            ],
        }
    }
}

impl SecurityHeaders {
    /// Those that do no harm to a service of any kind.
    pub fn new() -> SecurityHeaders {
        SecurityHeaders::default()
    }

    /// Sets a field besides, or another value of one; without a value, leaves it out. So
    /// `Content-Security-Policy`, and `Strict-Transport-Security` behind a proxy that speaks TLS.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: Option<&str>) -> SecurityHeaders {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.fields.extend(value.map(|value| (name, value.to_owned())));
        self
    }
}

impl Hook for SecurityHeaders {
    fn name(&self) -> String {
        "security_headers".to_owned()
    }

    fn before(&mut self, _: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        for (name, value) in &self.fields {
            fields.set(name, value);
        }
        Ok(Next::Go)
    }
}
