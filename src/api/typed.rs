//! Bodies, forms and queries as types, and what is wrong with those that do not fit.
//! Knows no grammar: serde's crates read.

use std::fmt::Display;

use serde::de::{Deserialize, DeserializeOwned};

use super::{Error, Request};
use crate::limits::ERROR_MESSAGE_BYTES_MAX;
use crate::wire::status::Status;

impl Request<'_> {
    /// The body parsed as JSON, up to 128 levels deep.
    ///
    /// # Errors
    /// 415 if `Content-Type` is not JSON, 400 with line and column if the body is not, 422 with
    /// the path of the member if it is not what `T` asks for.
    pub fn json<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        self.expect_plain()?;
        let declared = self.content_type().to_ascii_lowercase();
        if declared != "application/json" && !declared.ends_with("+json") {
            let message = "the body must be application/json";
            return Err(Error::new(Status::UNSUPPORTED_MEDIA_TYPE, message));
        }
        serde_json::from_slice(self.body()).map_err(|error| {
            if !error.is_data() {
                return Error::bad_request(shortened(format!("the body is not JSON: {error}")));
            }
            let mut reader = serde_json::Deserializer::from_slice(self.body());
            unfit("body", serde_path_to_error::deserialize::<_, T>(&mut reader).err())
        })
    }

    /// The query's parameters as a `T`.
    ///
    /// # Errors
    /// 422 with the parameter's name if they are not what `T` asks for.
    pub fn query_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        pairs_as("query", self.query_string().as_bytes())
    }

    /// A form's fields as a `T`.
    ///
    /// # Errors
    /// 415 if the body is declared to be something else, 422 with the field's name if the fields
    /// are not what `T` asks for.
    pub fn form_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.expect_content_type("application/x-www-form-urlencoded")?;
        pairs_as("form", self.body())
    }
}

fn pairs_as<T: DeserializeOwned>(what: &str, pairs: &[u8]) -> Result<T, Error> {
    serde_urlencoded::from_bytes(pairs).map_err(|_| {
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(pairs));
        unfit(what, serde_path_to_error::deserialize::<_, T>(reader).err())
    })
}

/// Paths are followed by a second reading, so that what fits is not asked where it stands.
#[cold]
fn unfit<E: Display>(what: &str, error: Option<serde_path_to_error::Error<E>>) -> Error {
    let message = match error {
        Some(error) if error.path().iter().len() > 0 => {
            format!("the {what} does not fit at `{}`: {}", error.path(), error.inner())
        }
        Some(error) => format!("the {what} does not fit: {}", error.inner()),
        None => format!("the {what} does not fit"),
    };
    Error::new(Status::UNPROCESSABLE_CONTENT, shortened(message))
}

/// Names and values in a message are the client's, and as long as it likes.
fn shortened(mut message: String) -> String {
    if message.len() > ERROR_MESSAGE_BYTES_MAX {
        let is_boundary = |at: &usize| message.is_char_boundary(*at);
        message.truncate((0..=ERROR_MESSAGE_BYTES_MAX).rev().find(is_boundary).unwrap_or(0));
        message.push_str("...");
    }
    message
}
