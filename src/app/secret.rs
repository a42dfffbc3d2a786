//! Secrets from where operators keep them: variables of the environment, and files.
//! Knows nothing of what they are for, and never shows one.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a secret cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// The variable of this name is not set, empty, or no UTF-8.
    NoVariable(String),
    /// The file cannot be read.
    Unreadable(PathBuf, String),
    /// The file has no line.
    EmptyFile(PathBuf),
    /// The line of this number is not of the form wanted.
    Line(PathBuf, usize),
    /// It has fewer than 32 bytes, so that it could be guessed.
    TooShort,
}

impl std::error::Error for SecretFault {}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFault::NoVariable(name) => {
                write!(f, "the variable {name} of the environment holds no secret")
            }
            SecretFault::Unreadable(path, why) => {
                write!(f, "cannot read the secrets in {}: {why}", path.display())
            }
            SecretFault::EmptyFile(path) => write!(f, "{} holds no secret", path.display()),
            SecretFault::Line(path, line) => {
                write!(f, "{}:{line}: a name, a colon and a password", path.display())
            }
            SecretFault::TooShort => {
                f.write_str("a secret has at least 32 bytes: `openssl rand -base64 32` makes one")
            }
        }
    }
}

/// The secret in the variable `name`.
pub(super) fn from_env(name: &str) -> Result<String, SecretFault> {
    let secret = std::env::var(name).ok().map(|secret| secret.trim().to_owned());
    let secret = secret.filter(|secret| !secret.is_empty());
    secret.ok_or_else(|| SecretFault::NoVariable(name.to_owned()))
}

/// The lines of a file that are not empty.
pub(super) fn from_file(path: &Path) -> Result<Vec<String>, SecretFault> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SecretFault::Unreadable(path.to_owned(), error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(SecretFault::EmptyFile(path.to_owned()));
    }
    Ok(lines)
}
