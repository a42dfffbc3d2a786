//! JSON Web Tokens (RFC 7519) that are signed with HS256, and with nothing else.
//! Knows nothing of who gives them out.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::Given;
use super::super::keys::Keys;
use super::credentials::secret;
use crate::api::{Error, Fields, Hook, Next, Request};
use crate::clock::Clock;
use crate::wire::status::Status;

/// Seconds by which the clocks of two machines may differ.
const LEEWAY_SECONDS: u64 = 60;
/// What stands before the claims of a token that is given out.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Asks for a token: `Authorization: Bearer …`. The algorithm is the key's and not the token's
/// choice: HS256, so `none` and all others are refused. A token has to say when it ends (`exp`);
/// `nbf` holds if it is there, `iss` and `aud` where they are asked for.
///
/// Without TLS before it anybody on the way reads the token.
#[derive(Clone, Debug)]
pub struct JwtAuth {
    keys: Keys,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: u64,
    clock: Clock,
    claims: Given<Claims>,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Whom it is about: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them as a `T`.
    ///
    /// # Errors
    /// 403 if they are not what `T` asks for.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let parsed = serde_json::from_value(Value::Object(self.0.clone()));
        parsed.map_err(|error| {
            Error::new(Status::FORBIDDEN, format!("the token's claims do not fit: {error}"))
        })
    }
}

impl JwtAuth {
    /// Accepts what was signed with one of `keys`.
    pub fn hs256(keys: &Keys) -> JwtAuth {
        JwtAuth {
            keys: keys.clone(),
            issuer: None,
            audience: None,
            leeway: LEEWAY_SECONDS,
            clock: Clock::new(),
            claims: Given::new(),
        }
    }

    /// Asks for this `iss`.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> JwtAuth {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// Asks for this `aud`, alone or among others.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> JwtAuth {
        self.audience = Some(audience.to_owned());
        self
    }

    /// How far clocks may differ; a minute if it is not said.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> JwtAuth {
        self.leeway = leeway.as_secs();
        self
    }

    /// Where handlers read the claims.
    pub fn claims(&self) -> Given<Claims> {
        self.claims.clone()
    }

    /// A token with these claims, signed with the first of `keys`. `exp` is for the caller to set.
    ///
    /// # Errors
    /// 500 if `claims` cannot be serialised.
    pub fn token<T: serde::Serialize>(keys: &Keys, claims: &T) -> Result<String, Error> {
        let claims = serde_json::to_vec(claims)?;
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(HEADER.as_bytes()), encode(&claims));
        let signature = keys.sign(signed.as_bytes());
        Ok(format!("{signed}.{signature}"))
    }

    /// What the token says, or why it is not believed. Nothing of it is read before its signature
    /// is known to be right.
    fn verified(&self, token: &str, now: u64) -> Result<Claims, &'static str> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it has not three parts");
        };
        if !self.keys.accepts(&[header.as_bytes(), b".", claims.as_bytes()], signature) {
            return Err("its signature is wrong");
        }
        let header = object(header).ok_or("its header is not JSON")?;
        if header.get("alg").and_then(Value::as_str) != Some("HS256") {
            return Err("its algorithm is not HS256");
        }
        if header.contains_key("crit") {
            return Err("it asks for what is not known here");
        }
        let claims = Claims(object(claims).ok_or("its claims are not JSON")?);
        self.check(&claims, now)?;
        Ok(claims)
    }

    fn check(&self, claims: &Claims, now: u64) -> Result<(), &'static str> {
        // Dates may have fractions (RFC 7519 section 2).
        let date =
            |name| claims.get(name).map(|date| date.as_f64().ok_or("its dates are no numbers"));
        let seconds = |count| Duration::from_secs(count).as_secs_f64();
        let (now, leeway) = (seconds(now), seconds(self.leeway));
        let end = date("exp").ok_or("it does not say when it ends")??;
        if now >= end + leeway {
            return Err("it has ended");
        }
        if let Some(begin) = date("nbf").transpose()?
            && now + leeway < begin
        {
            return Err("it has not begun");
        }
        if self.issuer.as_deref().is_some_and(|issuer| claims.text("iss") != Some(issuer)) {
            return Err("it is of another issuer");
        }
        let is_for = |wanted: &str| match claims.get("aud") {
            Some(Value::String(found)) => found == wanted,
            Some(Value::Array(found)) => found.iter().any(|found| found == wanted),
            _ => false,
        };
        if !self.audience.as_deref().is_none_or(is_for) {
            return Err("it is for somebody else");
        }
        Ok(())
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl Hook for JwtAuth {
    fn name(&self) -> String {
        "auth_jwt(HS256)".to_owned()
    }

    fn before(&mut self, request: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        let token = secret(request, "Bearer").and_then(|token| str::from_utf8(token).ok());
        let Some(token) = token else {
            let error = Error::new(Status::UNAUTHORIZED, "a token is asked for");
            return Err(error.with_header("WWW-Authenticate", "Bearer".to_owned()));
        };
        match self.verified(token, self.clock.unix_seconds()) {
            Ok(claims) => {
                self.claims.give(request, claims);
                Ok(Next::Go)
            }
            Err(why) => {
                let error = Error::new(Status::UNAUTHORIZED, format!("the token: {why}"));
                let challenge =
                    format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
                Err(error.with_header("WWW-Authenticate", challenge))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys() -> Keys {
        Keys::new("a secret that has at least 32 bytes").unwrap()
    }

    /// A token with any header.
    fn made(header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(header), encode(claims));
        format!("{signed}.{}", keys().sign(signed.as_bytes()))
    }

    #[test]
    fn the_token_of_the_rfc_is_right_as_long_as_it_holds() {
        // RFC 7515 appendix A.1.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let keys = Keys::new(BASE64_URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let auth = JwtAuth::hs256(&keys);
        let claims = auth.verified(token, 1_300_819_380).unwrap();
        assert_eq!(claims.text("iss"), Some("joe"));
        assert!(auth.verified(token, 1_300_819_439).is_ok(), "within the leeway");
        assert_eq!(auth.verified(token, 1_300_819_440), Err("it has ended"));
        let strict = JwtAuth::hs256(&keys).leeway(Duration::ZERO);
        assert_eq!(strict.verified(token, 1_300_819_380), Err("it has ended"));
    }

    #[test]
    fn no_other_algorithm_and_no_changed_token_is_believed() {
        let auth = JwtAuth::hs256(&keys());
        let claims = r#"{"exp":2000}"#;
        assert!(auth.verified(&made(HEADER, claims), 1_000).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":["HS256"]}"#,
            "{}",
            "[]",
            "",
            r#"{"alg":"HS256","crit":["x"]}"#,
        ] {
            assert!(auth.verified(&made(header, claims), 1_000).is_err(), "{header}");
        }
        let token = JwtAuth::token(&keys(), &json!({"exp": 2000, "sub": "a"})).unwrap();
        assert_eq!(auth.verified(&token, 1_000).unwrap().subject(), Some("a"));
        let unsigned = &token[..=token.rfind('.').unwrap()];
        let other = made(HEADER, r#"{"exp":2000,"sub":"b"}"#);
        let swapped =
            format!("{}{}", &other[..=other.rfind('.').unwrap()], &token[unsigned.len()..]);
        for wrong in ["", ".", "..", "...", unsigned, &swapped, &format!("{token}."), &token[1..]] {
            assert!(auth.verified(wrong, 1_000).is_err(), "{wrong}");
        }
    }

    #[test]
    fn claims_are_judged_by_what_is_asked_for() {
        let auth = JwtAuth::hs256(&keys()).issuer("i").audience("a").leeway(Duration::ZERO);
        let judged =
            |claims: Value| auth.verified(&JwtAuth::token(&keys(), &claims).unwrap(), 1_000).err();
        let wrong = "it is for somebody else";
        for (claims, why) in [
            (json!({"exp": 1000.5, "iss": "i", "aud": "a", "nbf": 1000}), None),
            (json!({"exp": 1001, "iss": "i", "aud": ["b", "a"]}), None),
            (json!({"iss": "i", "aud": "a"}), Some("it does not say when it ends")),
            (json!({"exp": "1001", "iss": "i", "aud": "a"}), Some("its dates are no numbers")),
            (json!({"exp": 1000, "iss": "i", "aud": "a"}), Some("it has ended")),
            (json!({"exp": 2000, "nbf": 1001, "iss": "i", "aud": "a"}), Some("it has not begun")),
            (json!({"exp": 2000, "iss": "j", "aud": "a"}), Some("it is of another issuer")),
            (json!({"exp": 2000, "aud": "a"}), Some("it is of another issuer")),
            (json!({"exp": 2000, "iss": "i"}), Some(wrong)),
            (json!({"exp": 2000, "iss": "i", "aud": ["b"]}), Some(wrong)),
            (json!({"exp": 2000, "iss": "i", "aud": 1}), Some(wrong)),
        ] {
            assert_eq!(judged(claims.clone()), why, "{claims}");
        }
    }
}
