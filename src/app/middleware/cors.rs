//! Leave for pages of other origins to read answers (CORS, the Fetch standard).
//! Knows nothing of what is answered.

use crate::api::{Error, Fields, Hook, Next, Request};
use crate::wire::head::Method;
use crate::wire::status::Status;

/// Tells browsers which origins may read, and answers their preflights, 204 in place of the
/// route: put it before what asks for credentials, which a preflight never carries. Who does not
/// ask as a browser does is not kept out.
#[derive(Clone, Debug)]
pub struct Cors {
    /// `None` is any.
    origins: Option<Vec<String>>,
    methods: String,
    request_fields: String,
    exposed: String,
    max_age: String,
    credentials: bool,
}

impl Cors {
    /// These origins may read, each as browsers send it: `https://example.org`.
    pub fn origins(origins: &[&str]) -> Cors {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        Cors::of(Some(origins))
    }

    /// Any page may read what it gets without credentials.
    pub fn any_origin() -> Cors {
        Cors::of(None)
    }

    fn of(origins: Option<Vec<String>>) -> Cors {
        Cors {
            origins,
            methods: "GET, HEAD, POST".to_owned(),
            request_fields: String::new(),
            exposed: String::new(),
            max_age: String::new(),
            credentials: false,
        }
    }

    /// The methods they may use; without it GET, HEAD and POST.
    #[must_use]
    pub fn methods(mut self, methods: &[Method]) -> Cors {
        let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
        self.methods = names.join(", ");
        self
    }

    /// The fields they may send, besides those any page may.
    #[must_use]
    pub fn request_fields(mut self, names: &[&str]) -> Cors {
        self.request_fields = names.join(", ");
        self
    }

    /// The fields of answers that they may read, besides those any page may.
    #[must_use]
    pub fn exposed(mut self, names: &[&str]) -> Cors {
        self.exposed = names.join(", ");
        self
    }

    /// For how long a browser need not ask again.
    #[must_use]
    pub fn max_age(mut self, seconds: u32) -> Cors {
        self.max_age = seconds.to_string();
        self
    }

    /// They may send cookies and passwords. Of no effect for any origin: name those meant.
    #[must_use]
    pub fn credentials(mut self) -> Cors {
        self.credentials = self.origins.is_some();
        self
    }

    /// What `Access-Control-Allow-Origin` says to `origin`.
    fn allowed<'o>(&self, origin: &'o [u8]) -> Option<&'o [u8]> {
        match &self.origins {
            None => Some(b"*"),
            Some(origins) => {
                origins.iter().any(|allowed| allowed.as_bytes() == origin).then_some(origin)
            }
        }
    }
}

impl Hook for Cors {
    fn name(&self) -> String {
        format!("cors({})", self.origins.as_ref().map_or("*".to_owned(), |all| all.join(" ")))
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        let origin = request.header_bytes("origin");
        let asked = request.header("access-control-request-method");
        let is_preflight =
            request.method() == Method::Options && origin.is_some() && asked.is_some();
        if self.origins.is_some() {
            // Also where there is none: a cache must not give the answer to another origin.
            fields.set("Vary", "Origin");
        }
        if let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) {
            fields.set("Access-Control-Allow-Origin", allowed);
            if self.credentials {
                fields.set("Access-Control-Allow-Credentials", "true");
            }
            let (preflight, plain) = (
                [
                    ("Access-Control-Allow-Methods", &self.methods),
                    ("Access-Control-Allow-Headers", &self.request_fields),
                    ("Access-Control-Max-Age", &self.max_age),
                ],
                [("Access-Control-Expose-Headers", &self.exposed)],
            );
            let told = if is_preflight { &preflight[..] } else { &plain[..] };
            for (name, value) in told.iter().filter(|(_, value)| !value.is_empty()) {
                fields.set(name, value);
            }
        }
        Ok(if is_preflight { Next::Answer(Status::NO_CONTENT) } else { Next::Go })
    }
}
