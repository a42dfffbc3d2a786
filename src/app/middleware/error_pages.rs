//! Pages in place of the short messages of errors.
//! Knows nothing of what failed but its status.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Error, Fields, Hook, Next, Request};
use crate::wire::status::Status;

/// Answers errors with pages of HTML, but for clients that ask for JSON. An error that has a page
/// of its own keeps it.
#[derive(Clone, Debug, Default)]
pub struct ErrorPages {
    pages: BTreeMap<Status, Arc<[u8]>>,
    others: Option<Arc<[u8]>>,
}

impl ErrorPages {
    /// No pages.
    pub fn new() -> ErrorPages {
        ErrorPages::default()
    }

    /// The page of the errors of `status`.
    #[must_use]
    pub fn page(mut self, status: Status, html: &str) -> ErrorPages {
        self.pages.insert(status, html.as_bytes().into());
        self
    }

    /// The page of all other errors.
    #[must_use]
    pub fn others(mut self, html: &str) -> ErrorPages {
        self.others = Some(html.as_bytes().into());
        self
    }
}

impl Hook for ErrorPages {
    fn name(&self) -> String {
        "error_pages".to_owned()
    }

    fn before(&mut self, _: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        Ok(Next::Go)
    }

    fn failed(&mut self, request: &Request<'_>, error: Error) -> Error {
        let page = self.pages.get(&error.status()).or(self.others.as_ref());
        match page {
            Some(page) if error.page().is_none() && !request.accepts_json() => {
                error.with_page(Arc::clone(page))
            }
            _ => error,
        }
    }
}
