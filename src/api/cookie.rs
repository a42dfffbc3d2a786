//! A cookie as a server sets it (RFC 6265, and what browsers have come to ask for).
//! Knows nothing of what it means, and sets only what every client reads the same.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::COOKIE_BYTES_MAX;
use crate::wire::date::DateText;
use crate::wire::{cookie, encode};

/// With which requests of other sites a client sends a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Those that open a page.
    Lax,
    /// All; such a cookie is [`Cookie::secure`].
    None,
}

/// A cookie to be set by [`super::Response::cookie`]. Unless told otherwise it is for every path
/// of this host, not for scripts (`HttpOnly`), not sent with what other sites embed
/// (`SameSite=Lax`), and forgotten with the browser's session.
///
/// What a client would not take, or read otherwise, answers 500 instead: a value with other
/// bytes than RFC 6265 allows, more than 4,096 of them, a name `__Host-…` or `__Secure-…`
/// without what it promises, `SameSite=None` or `Partitioned` without `Secure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    value: String,
    path: String,
    domain: Option<String>,
    max_age: Option<Duration>,
    expires: Option<SystemTime>,
    same_site: SameSite,
    is_secure: bool,
    is_for_scripts: bool,
    is_partitioned: bool,
}

impl Cookie {
    /// A cookie with this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Cookie {
        Cookie {
            name: name.into(),
            value: value.into(),
            path: "/".to_owned(),
            domain: None,
            max_age: None,
            expires: None,
            same_site: SameSite::Lax,
            is_secure: false,
            is_for_scripts: false,
            is_partitioned: false,
        }
    }

    /// Has the client forget a cookie; path and domain are those it was set with.
    pub fn removal(name: impl Into<String>) -> Cookie {
        Cookie::new(name, "").max_age(Duration::ZERO)
    }

    /// For paths beneath this one alone.
    #[must_use]
    pub fn path(mut self, path: &str) -> Cookie {
        path.clone_into(&mut self.path);
        self
    }

    /// For this domain and those beneath it, instead of this host alone.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Cookie {
        self.domain = Some(domain.to_owned());
        self
    }

    /// Forgotten after so many seconds.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> Cookie {
        self.max_age = Some(time);
        self
    }

    /// Forgotten then; clients prefer [`Cookie::max_age`].
    #[must_use]
    pub fn expires(mut self, at: SystemTime) -> Cookie {
        self.expires = Some(at);
        self
    }

    /// Sent over TLS alone, or to the client's own machine.
    #[must_use]
    pub fn secure(mut self) -> Cookie {
        self.is_secure = true;
        self
    }

    /// Scripts of the page may read it.
    #[must_use]
    pub fn for_scripts(mut self) -> Cookie {
        self.is_for_scripts = true;
        self
    }

    /// With which requests of other sites it is sent.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Cookie {
        self.same_site = same_site;
        self
    }

    /// Kept apart for each site that embeds this one.
    #[must_use]
    pub fn partitioned(mut self) -> Cookie {
        self.is_partitioned = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The same with another value.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Cookie {
        self.value = value.into();
        self
    }

    /// The value of `Set-Cookie`.
    ///
    /// # Errors
    /// Why a client would not take it.
    pub fn line(&self) -> Result<String, String> {
        if let Some(fault) = self.fault() {
            return Err(format!("the cookie {:?}: {fault}", self.name));
        }
        let mut line = format!("{}={}; Path={}", self.name, self.value, self.path);
        if let Some(domain) = &self.domain {
            line.extend(["; Domain=", domain]);
        }
        if let Some(age) = self.max_age {
            // Writing to a text does not fail.
            let _ = write!(line, "; Max-Age={}", age.as_secs());
        }
        if let Some(at) = self.expires {
            let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
            line.push_str("; Expires=");
            line.push_str(&String::from_utf8_lossy(DateText::new(seconds).bytes()));
        }
        line.push_str(match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        line.push_str(if self.is_secure { "; Secure" } else { "" });
        line.push_str(if self.is_for_scripts { "" } else { "; HttpOnly" });
        line.push_str(if self.is_partitioned { "; Partitioned" } else { "" });
        Ok(line)
    }

    fn fault(&self) -> Option<&'static str> {
        let is_domain = |domain: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
            !domain.is_empty() && domain.bytes().all(is_plain)
        };
        let is_prefixed = |prefix: &str| {
            let begin = self.name.as_bytes().get(..prefix.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        let is_own = self.is_secure && self.domain.is_none() && self.path == "/";
        let is_path = self.path.starts_with('/') && cookie::is_attribute(self.path.as_bytes());
        let is_far = |at: SystemTime| {
            let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
            seconds > LAST_SECOND
        };
        let faults = [
            (!encode::is_token(self.name.as_bytes()), "the name is no token"),
            (!cookie::is_value(self.value.as_bytes()), "the value has forbidden bytes"),
            (self.name.len() + self.value.len() > COOKIE_BYTES_MAX, "clients take 4,096 bytes"),
            (!is_path, "the path begins with `/` and has no `;`"),
            (!self.domain.as_ref().is_none_or(is_domain), "the domain is no name"),
            (self.expires.is_some_and(is_far), "the end lies beyond the year 9999"),
            (is_prefixed("__Host-") && !is_own, "`__Host-` is secure, for `/`, of no domain"),
            (is_prefixed("__Secure-") && !self.is_secure, "`__Secure-` is secure"),
            (self.same_site == SameSite::None && !self.is_secure, "`SameSite=None` is secure"),
            (self.is_partitioned && !self.is_secure, "`Partitioned` is secure"),
        ];
        faults.into_iter().find(|(is_so, _)| *is_so).map(|(_, fault)| fault)
    }
}

/// The last second of the year 9999, beyond which a date has no form.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_as_safe_as_it_can_be_unless_told_otherwise() {
        let line = |cookie: Cookie| cookie.line().unwrap();
        assert_eq!(line(Cookie::new("a", "1")), "a=1; Path=/; SameSite=Lax; HttpOnly");
        let all = Cookie::new("__Secure-a", "").path("/x y").domain("example.org").secure();
        let all = all.max_age(Duration::from_secs(60)).expires(UNIX_EPOCH).partitioned();
        assert_eq!(
            line(all.same_site(SameSite::None).for_scripts()),
            "__Secure-a=; Path=/x y; Domain=example.org; Max-Age=60; \
             Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=None; Secure; Partitioned"
        );
        let removal = Cookie::removal("a").same_site(SameSite::Strict);
        assert_eq!(line(removal), "a=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly");
        assert!(Cookie::new("__Host-a", "1").secure().line().is_ok());
    }

    #[test]
    fn what_a_client_would_not_take_is_a_fault() {
        let cookie = || Cookie::new("a", "1");
        for wrong in [
            Cookie::new("", "1"),
            Cookie::new("a b", "1"),
            Cookie::new("a", "1;2"),
            Cookie::new("a", "\r\nX: 1"),
            Cookie::new("a", "ä"),
            Cookie::new("a", "x".repeat(4096)),
            cookie().path("x"),
            cookie().path("/;Secure"),
            cookie().domain("a;b"),
            cookie().domain(""),
            cookie().expires(UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1)),
            cookie().same_site(SameSite::None),
            cookie().partitioned(),
            Cookie::new("__secure-a", "1"),
            Cookie::new("__Host-a", "1"),
            Cookie::new("__Host-a", "1").secure().path("/a"),
            Cookie::new("__Host-a", "1").secure().domain("example.org"),
        ] {
            assert!(wrong.line().is_err(), "{wrong:?}");
        }
    }
}
