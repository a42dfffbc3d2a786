//! Secrets that texts are signed with, so that whoever carries them cannot change them.
//! Knows nothing of what they are signed for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::{SecretFault, from_env, from_file};
use crate::api::{Cookie, Request};
use crate::limits::KEY_BYTES_MIN;

/// Bytes of a signature as it is written.
const SIGNATURE_BYTES: usize = 43;

/// Secrets for HMAC-SHA256: the first signs, and what any of them signed is accepted. To change
/// the secret, put the new one before the old one until nobody has anything signed with that.
///
/// ```
/// use corelane::{Cookie, Keys, Router};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = Keys::new("a secret of at least 32 bytes, drawn by lot")?;
/// let reading = keys.clone();
/// let router = Router::new()
///     .post("/login", move |_req, res| {
///         res.cookie(&keys.sign_cookie(Cookie::new("user", "42"))).empty()
///     })
///     .get("/", move |req, res| res.text(reading.cookie(req, "user").unwrap_or("nobody")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Keys(Vec<Arc<Hmac<Sha256>>>);

impl Keys {
    /// A secret.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes (RFC 7518 section 3.2).
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Keys, SecretFault> {
        Keys(Vec::new()).or(secret)
    }

    /// The secret in a variable of the environment.
    ///
    /// # Errors
    /// If there is none, or it is too short.
    pub fn from_env(name: &str) -> Result<Keys, SecretFault> {
        Keys::new(from_env(name)?)
    }

    /// The secrets in a file, one on each line; the first signs.
    ///
    /// # Errors
    /// If it cannot be read, has none, or one that is too short.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Keys, SecretFault> {
        let lines = from_file(path.as_ref())?;
        lines.iter().try_fold(Keys(Vec::new()), Keys::or)
    }

    /// Accepts what was signed with this secret too.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes.
    pub fn or(mut self, secret: impl AsRef<[u8]>) -> Result<Keys, SecretFault> {
        let secret = secret.as_ref();
        let is_long = secret.len() >= KEY_BYTES_MIN;
        let key = Hmac::new_from_slice(secret).ok().filter(|_| is_long);
        self.0.push(Arc::new(key.ok_or(SecretFault::TooShort)?));
        Ok(self)
    }

    /// The cookie with its value signed, for its name alone: `value.signature`.
    #[must_use]
    pub fn sign_cookie(&self, cookie: Cookie) -> Cookie {
        let value = cookie.value();
        // A name has no `=`, so no other name and value are the same text.
        let signature = self.sign(format!("{}={value}", cookie.name()).as_bytes());
        let signed = format!("{value}.{signature}");
        cookie.with_value(signed)
    }

    /// The value of the first cookie `name` that was signed for this name.
    pub fn cookie<'a>(&self, request: &Request<'a>, name: &str) -> Option<&'a str> {
        let named = request.cookies().filter(|(found, _)| *found == name);
        named.map(|(_, signed)| signed).find_map(|signed| {
            let (value, signature) = signed.rsplit_once('.')?;
            let is_ours = self.accepts(&[name.as_bytes(), b"=", value.as_bytes()], signature);
            is_ours.then_some(value)
        })
    }

    /// What `text` is signed with, in the URL's form of Base64.
    pub(super) fn sign(&self, text: &[u8]) -> String {
        // There is one: nothing makes keys without.
        let mac = self.0.first().map(|key| Hmac::clone(key).chain_update(text).finalize());
        mac.map(|mac| BASE64_URL_SAFE_NO_PAD.encode(mac.into_bytes())).unwrap_or_default()
    }

    /// Whether one of the secrets signed these texts, one behind the other; in a time that tells
    /// nothing of how far a wrong signature is right.
    pub(super) fn accepts(&self, texts: &[&[u8]], signature: &str) -> bool {
        let mut decoded = [0; size_of::<[u8; 32]>()];
        if signature.len() != SIGNATURE_BYTES
            || BASE64_URL_SAFE_NO_PAD.decode_slice(signature, &mut decoded).is_err()
        {
            return false;
        }
        self.0.iter().any(|key| {
            let mac = texts.iter().fold(Hmac::clone(key), Mac::chain_update);
            mac.verify_slice(&decoded).is_ok()
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an old secret that is 32 bytes..";
    const NEW: &str = "a new secret that has 32 bytes..";

    #[test]
    fn what_any_of_the_secrets_signed_is_accepted_and_the_first_signs() {
        let (old, new) = (Keys::new(OLD).unwrap(), Keys::new(NEW).unwrap());
        let both = Keys::new(NEW).unwrap().or(OLD).unwrap();
        let signature = old.sign(b"text");
        assert!(old.accepts(&[b"te", b"xt"], &signature) && both.accepts(&[b"text"], &signature));
        assert!(!new.accepts(&[b"text"], &signature) && !old.accepts(&[b"Text"], &signature));
        assert_eq!(both.sign(b"text"), new.sign(b"text"));
        for wrong in ["", &signature[1..], &format!("{signature}A"), &"A".repeat(43), "é"] {
            assert!(!old.accepts(&[b"text"], wrong), "{wrong}");
        }
    }

    #[test]
    fn signatures_are_hmac_sha256() {
        // RFC 4231 section 4.8, test case 7 with its key of 131 bytes.
        let text =
            b"This is a test using a larger than block-size key and a larger than block-size \
            data. The key needs to be hashed before being used by the HMAC algorithm.";
        let keys = Keys::new([0xaa; 131]).unwrap();
        let mac = BASE64_URL_SAFE_NO_PAD.decode(keys.sign(text)).unwrap();
        assert_eq!(mac[..4], [0x9b, 0x09, 0xff, 0xa7]);
        assert_eq!(mac[28..], [0x5c, 0x3a, 0x35, 0xe2]);
    }

    #[test]
    fn a_short_secret_is_none() {
        assert_eq!(Keys::new([0; 31]).unwrap_err(), SecretFault::TooShort);
        assert!(Keys::new(OLD).unwrap().or("short").is_err());
        assert!(Keys::from_env("CORELANE_NO_SUCH_VARIABLE").is_err());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        assert!(Keys::from_file(&file).is_err());
        std::fs::write(&file, format!("\n{NEW}\n{OLD}\n")).unwrap();
        let keys = Keys::from_file(&file).unwrap();
        assert_eq!((keys.0.len(), keys.sign(b"a")), (2, Keys::new(NEW).unwrap().sign(b"a")));
        std::fs::write(&file, "\n").unwrap();
        assert!(Keys::from_file(&file).is_err());
    }
}
