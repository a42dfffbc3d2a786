//! A site of files, `public` unless another folder is named: compressed siblings, rules of caching,
//! fields, a page for errors, views of one page. Knows nothing of what they are.

use corelane::{Files, Router, Server, Status};

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let folder = std::env::args().nth(2).unwrap_or_else(|| "public".to_owned());
    Server::bind(address).run(move |_| {
        let files = || {
            Files::at(&folder)
                .precompressed() // app.js.br answers for app.js
                .header("X-Content-Type-Options", "nosniff")
                .cache_control("assets/**", "max-age=31536000, immutable")
                .cache_control("*", "no-cache") // asked for each time, and 304 if it is the same
        };
        Router::new()
            .get("/api/time", |_req, res| res.header("Cache-Control", "no-store").json(&now()))
            // A program of one page: what is no file is one of its views.
            .files("/app", files().fallback("index.html"))
            .files("/", files().listing().error_page(Status::NOT_FOUND, "404.html"))
    })
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
