//! Bodies in pieces: an upload that is counted as it arrives and never held, and an answer that
//! is made while it is sent.
//! `cargo run --release --example stream`, then
//! `seq 10000000 | curl -T - http://127.0.0.1:8080/count` and
//! `curl http://127.0.0.1:8080/numbers/1000000 | tail -1`.

use std::io::Write;

use corelane::{
    Error, HandlerResult, Method, Piece, Pull, Request, Response, Router, Server, Sink, Taken,
};

/// Counts what it is given.
#[derive(Default)]
struct Count {
    bytes: u64,
    lines: u64,
}

impl Sink for Count {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        self.bytes += bytes.len() as u64;
        self.lines += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, _: &Request<'_>, response: Response<'_>) -> HandlerResult {
        response.text(format_args!("{} bytes, {} lines\n", self.bytes, self.lines))
    }
}

/// The numbers from 1 to `last`, a line each, as many at a time as there is room for.
fn numbers(last: u64) -> impl FnMut(&mut Piece<'_>) -> Result<Pull, Error> {
    let mut next = 1;
    move |piece| {
        while piece.room() > 0 && next <= last {
            writeln!(piece, "{next}")?;
            next += 1;
        }
        Ok(if next > last { Pull::Done } else { Pull::More })
    }
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    Server::bind(address).run(|_worker| {
        Router::new().upload(Method::Put, "/count", |_req| Ok(Count::default())).get(
            "/numbers/{last}",
            |req, res| {
                let last = req.param("last")?;
                res.content_type("text/plain").stream(numbers(last))
            },
        )
    })
}
