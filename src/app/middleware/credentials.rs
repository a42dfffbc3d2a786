//! Who may ask: names with passwords, or tokens (RFC 7617 and RFC 6750).
//! Knows nothing of who they are otherwise. Secrets are compared in a time that tells nothing.

use std::hint::black_box;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::secret::{SecretFault, from_env, from_file};
use crate::api::{Error, Fields, Hook, Next, Request};
use crate::wire::status::Status;

/// Asks for a name and a password. Without TLS before it anybody on the way reads both.
#[derive(Clone)]
pub struct BasicAuth(Credentials);

impl BasicAuth {
    /// Nobody may ask yet. The client is told `realm`.
    pub fn new(realm: &str) -> BasicAuth {
        BasicAuth(Credentials { scheme: "Basic", realm: quoted(realm), accepted: Vec::new() })
    }

    /// Lets those on whose names and passwords stand in a file, `name:password` on each line.
    ///
    /// # Errors
    /// If it cannot be read, or a line is something else.
    pub fn users_in(mut self, path: impl AsRef<Path>) -> Result<BasicAuth, SecretFault> {
        let path = path.as_ref();
        for (at, line) in from_file(path)?.iter().enumerate() {
            let fault = || SecretFault::Line(path.to_owned(), at + 1);
            let (name, password) = line.split_once(':').ok_or_else(fault)?;
            self = self.user(name, password);
        }
        Ok(self)
    }

    /// Lets `name` with this password on. A name has no colon, so one with a colon lets nobody on.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> BasicAuth {
        if !name.contains(':') {
            // Compared as it is sent: nothing is decoded for a request.
            let sent = BASE64_STANDARD.encode(format!("{name}:{password}"));
            self.0.accepted.push(sent.into_bytes());
        }
        self
    }
}

/// Asks for a token.
#[derive(Clone)]
pub struct BearerAuth(Credentials);

impl BearerAuth {
    /// Nobody may ask yet. The client is told `realm`.
    pub fn new(realm: &str) -> BearerAuth {
        BearerAuth(Credentials { scheme: "Bearer", realm: quoted(realm), accepted: Vec::new() })
    }

    /// Lets whoever has the token in this variable of the environment on.
    ///
    /// # Errors
    /// If there is none.
    pub fn token_in_env(self, name: &str) -> Result<BearerAuth, SecretFault> {
        Ok(self.token(&from_env(name)?))
    }

    /// Lets whoever has one of the tokens in a file on, one on each line.
    ///
    /// # Errors
    /// If it cannot be read, or has none.
    pub fn tokens_in(self, path: impl AsRef<Path>) -> Result<BearerAuth, SecretFault> {
        Ok(from_file(path.as_ref())?.iter().fold(self, |auth, token| auth.token(token)))
    }

    /// Lets whoever has `token` on. An empty one lets nobody on.
    #[must_use]
    pub fn token(mut self, token: &str) -> BearerAuth {
        if !token.is_empty() {
            self.0.accepted.push(token.as_bytes().to_vec());
        }
        self
    }
}

impl Hook for BasicAuth {
    fn name(&self) -> String {
        "auth_basic".to_owned()
    }

    fn before(&mut self, request: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        self.0.check(request)
    }
}

impl Hook for BearerAuth {
    fn name(&self) -> String {
        "auth_bearer".to_owned()
    }

    fn before(&mut self, request: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        self.0.check(request)
    }
}

#[derive(Clone)]
struct Credentials {
    scheme: &'static str,
    /// Fit to stand in quotes.
    realm: String,
    /// As they are sent behind the scheme.
    accepted: Vec<Vec<u8>>,
}

impl Credentials {
    fn check(&self, request: &Request<'_>) -> Result<Next, Error> {
        match secret(request, self.scheme) {
            Some(secret) if self.accepts(secret) => Ok(Next::Go),
            given => Err(self.refusal(given.is_some())),
        }
    }

    /// All of them are looked at, whichever it is.
    fn accepts(&self, secret: &[u8]) -> bool {
        self.accepted.iter().fold(false, |found, one| found | is_same(one, secret))
    }

    #[cold]
    fn refusal(&self, was_given: bool) -> Error {
        let Credentials { scheme, realm, .. } = self;
        let why = match *scheme {
            "Bearer" if was_given => ", error=\"invalid_token\"",
            "Basic" => ", charset=\"UTF-8\"",
            _ => "",
        };
        let error = Error::new(Status::UNAUTHORIZED, "the credentials are missing or wrong");
        error.with_header("WWW-Authenticate", format!("{scheme} realm=\"{realm}\"{why}"))
    }
}

/// What stands behind `scheme` in the only `Authorization`: of two, another on the way may believe
/// the other.
pub(super) fn secret<'a>(request: &Request<'a>, scheme: &str) -> Option<&'a [u8]> {
    let mut values = request.header_values("authorization");
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (found, rest) = value.split_at_checked(scheme.len())?;
    let is_ours = found.eq_ignore_ascii_case(scheme.as_bytes());
    (is_ours && rest.starts_with(b" ")).then(|| rest.trim_ascii())
}

/// Whether they are the same, in a time that depends on their lengths alone.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
    one.len() == other.len() && differ == 0
}

/// Fit to stand in quotes.
fn quoted(text: &str) -> String {
    let is_plain = |char: &char| matches!(char, ' '..='~') && !['"', '\\'].contains(char);
    text.chars().filter(is_plain).collect()
}

impl std::fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BasicAuth")
    }
}

impl std::fmt::Debug for BearerAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerAuth")
    }
}
