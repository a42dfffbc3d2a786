//! The files of a directory, `public` unless another is named behind the address.
//! Knows nothing of what they are.

use corelane::{Files, Router, Server};

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let folder = std::env::args().nth(2).unwrap_or_else(|| "public".to_owned());
    Server::bind(address).run(move |_| Router::new().files("/", Files::at(&folder)))
}
