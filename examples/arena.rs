//! The endpoints of HttpArena's profiles of HTTP/1.1, answered as its rules demand: every sum and
//! every JSON text is made for its request.
//! `cargo run --release --example arena -- 127.0.0.1:8080 dataset.json static`, then
//! `curl 'http://127.0.0.1:8080/json/5?m=3'`. Without the folder there is no `/static`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use corelane::app::middleware::Compression;
use corelane::{
    Error, Files, HandlerResult, Method, Request, Response, Router, Server, Settings, Sink,
    StartError, Taken,
};
use serde::{Deserialize, Serialize, Serializer};

/// The largest upload of the profiles has 20 MiB.
const UPLOAD_BYTES_MAX: u64 = 32 << 20;

/// An item of the dataset.
#[derive(Deserialize)]
struct Item {
    id: i64,
    name: String,
    category: String,
    price: i64,
    quantity: i64,
    active: bool,
    tags: Vec<String>,
    rating: Rating,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
struct Rating {
    score: i64,
    count: i64,
}

/// An item as it is answered.
#[derive(Serialize)]
struct Priced<'a> {
    id: i64,
    name: &'a str,
    category: &'a str,
    price: i64,
    quantity: i64,
    active: bool,
    tags: &'a [String],
    rating: Rating,
    total: i64,
}

#[derive(Serialize)]
struct Answer<'a> {
    items: Items<'a>,
    count: usize,
}

/// The first items of the dataset, each with its total.
struct Items<'a> {
    items: &'a [Item],
    multiplier: i64,
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items.iter().map(|item| Priced {
            id: item.id,
            name: &item.name,
            category: &item.category,
            price: item.price,
            quantity: item.quantity,
            active: item.active,
            tags: &item.tags,
            rating: item.rating,
            total: item.price.wrapping_mul(item.quantity).wrapping_mul(self.multiplier),
        }))
    }
}

/// A whole number of the query; 0 if it is not there.
fn number(req: &Request<'_>, name: &str) -> Result<i64, Error> {
    let Some(text) = req.query(name) else { return Ok(0) };
    text.parse().map_err(|_| Error::bad_request(format!("{name} is no whole number")))
}

/// The sum of `a`, `b` and the body, if there is one.
fn sum(req: &Request<'_>, res: Response<'_>) -> HandlerResult {
    let body = match req.body_text()?.trim() {
        "" => 0,
        text => text.parse().map_err(|_| Error::bad_request("the body is no whole number"))?,
    };
    let sum = number(req, "a")?.wrapping_add(number(req, "b")?).wrapping_add(body);
    res.text(format_args!("{sum}"))
}

/// Counts the bytes of an upload as they arrive.
#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error> {
        self.0 += bytes.len() as u64;
        Ok(Taken::All)
    }

    fn finish(self: Box<Self>, _: &Request<'_>, res: Response<'_>) -> HandlerResult {
        res.text(format_args!("{}", self.0))
    }
}

fn application(items: Arc<[Item]>, folder: Option<&Path>) -> Router {
    let router = match folder {
        Some(folder) => Router::new().files("/static", Files::at(folder).precompressed()),
        None => Router::new(),
    };
    router
        .get("/baseline11", sum)
        .post("/baseline11", sum)
        .get("/pipeline", |_req: &Request<'_>, res: Response<'_>| res.text("ok"))
        .group("/json", move |json| {
            json.with(Compression::new()).get("/{count}", move |req, res| {
                let count = req.param::<usize>("count")?.min(items.len());
                let multiplier = if req.query("m").is_some() { number(req, "m")? } else { 1 };
                res.json(&Answer { items: Items { items: &items[..count], multiplier }, count })
            })
        })
        .upload(Method::Post, "/upload", |_req| Ok(Count::default()))
}

fn serve(address: String, items: Vec<Item>, folder: Option<PathBuf>) -> Result<(), StartError> {
    let items: Arc<[Item]> = items.into();
    let mut settings = Settings::default();
    settings.upload_bytes_max = UPLOAD_BYTES_MAX;
    Server::bind(address)
        .settings(settings)
        .run(move |_worker| application(Arc::clone(&items), folder.as_deref()))
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let path = args.next().unwrap_or_else(|| "/data/dataset.json".to_owned());
    let items = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| {
        serde_json::from_slice::<Vec<Item>>(&bytes).map_err(|error| error.to_string())
    });
    let items = match items {
        Ok(items) => items,
        Err(why) => {
            eprintln!("error: cannot read {path}: {why}\nhint: arena ADDRESS DATASET [FOLDER]");
            return ExitCode::FAILURE;
        }
    };
    // Where the benchmark puts it.
    let usual = Some(PathBuf::from("/data/static")).filter(|folder| folder.is_dir());
    match serve(address, items, args.next().map(PathBuf::from).or(usual)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
