//! URLs of the scheme `http`, as the command line takes them. Knows nothing of who asks for them.

use std::fmt;
use std::str::FromStr;

use super::values::ValueError;

/// Where requests are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// 80 unless it is named.
    pub port: u16,
    /// Path and query, from the `/` on.
    pub target: String,
}

impl Url {
    /// What its `Host` field says.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

const URL_HINT: &str = "such as `http://127.0.0.1:8080/path`";

impl FromStr for Url {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Url, ValueError> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(ValueError::new("no TLS", URL_HINT)),
            Some(_) => return Err(ValueError::new("not a URL of `http`", URL_HINT)),
            None => text,
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, Some(80)),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let Some(port) = port.filter(|port| *port > 0) else {
            return Err(ValueError::new("no port from 1 to 65535", URL_HINT));
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !is_plain(host) || host.contains('@') {
            return Err(ValueError::new("no host in the URL", URL_HINT));
        }
        if !is_plain(target) || target.contains('#') {
            return Err(ValueError::new("not a path", "percent-encode what is not visible ASCII"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Url { host: host.to_owned(), port, target: format!("{slash}{target}") })
    }
}
