//! A form with a file: it goes to a folder while it arrives, without a name, and is given one
//! when the form is whole. `cargo run --release --example upload 127.0.0.1:8080 /var/tmp`, then
//! open http://127.0.0.1:8080/, or `curl -F title=mine -F file=@Cargo.toml http://127.0.0.1:8080/`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use corelane::app::middleware::BodyLimit;
use corelane::{Method, Multipart, Reply, Router, Server};

const PAGE: &str = "<!doctype html><title>Upload</title>
<form method=post enctype=multipart/form-data>
<input name=title placeholder=title> <input type=file name=file> <button>Send</button>
</form>";

/// Files may be large, and fields may not.
const UPLOAD_BYTES_MAX: u64 = 100 * 1024 * 1024;

fn application(folder: &PathBuf) -> Router {
    let forms = Multipart::new().files_in(folder).parts_max(4);
    let folder = folder.clone();
    let router = Router::new().with(BodyLimit::bytes(UPLOAD_BYTES_MAX));
    router.get("/", |_, res| res.html(PAGE)).form(Method::Post, "/", forms, move |form, _, res| {
        let folder = folder.clone();
        let title = form.text("title")?.to_owned();
        form.file("file")?;
        // A disk may be slow, and a worker has others to serve.
        res.later(|later| {
            later.run_blocking(move || {
                let file = form.file("file")?;
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
                // What the client calls it is shown, and never made a path of.
                file.save_to(folder.join(format!("upload-{now}")))?;
                let name = file.file_name().unwrap_or_default();
                let len = file.len();
                Ok(Reply::text(format!("{title}: {name:?}, {len} bytes\n")))
            });
        })
    })
}

fn main() -> corelane::Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let folder = PathBuf::from(words.next().unwrap_or_else(|| "/var/tmp".to_owned()));
    Server::bind(address).run(move |_worker| application(&folder))
}
