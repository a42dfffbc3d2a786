//! hyper on one thread of tokio, with its answers to pipelined requests gathered and without its
//! timer, as its fastest entries in public benchmarks run it. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use std::convert::Infallible;

use arena::{Answer, Item, MESSAGE};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

type Answered = Result<Response<Full<Bytes>>, Infallible>;

fn answer(kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(SERVER, HeaderValue::from_static("hyp"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    answer("application/json", serde_json::to_vec(value).expect("plain values become JSON"))
}

async fn handle(request: Request<Incoming>, items: &[Item]) -> Answered {
    let path = request.uri().path();
    let response = match path {
        "/plaintext" => answer("text/plain", Bytes::from_static(b"Hello, World!")),
        "/json" => json(&MESSAGE),
        "/upload" => upload(request.into_body()).await,
        _ => match path.strip_prefix("/json/").and_then(|count| count.parse().ok()) {
            Some(count) => {
                let query = request.uri().query().and_then(|query| query.strip_prefix("m="));
                let multiplier = query.and_then(|number| number.parse().ok()).unwrap_or(1);
                json(&Answer::new(items, count, multiplier))
            }
            None => {
                let mut response = answer("text/plain", Bytes::new());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        },
    };
    Ok(response)
}

async fn upload(mut body: Incoming) -> Response<Full<Bytes>> {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    answer("text/plain", length.to_string())
}

async fn serve(port: u16, items: &'static [Item]) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| handle(request, items));
            let connection = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        });
    }
}

fn main() -> std::io::Result<()> {
    let (port, items) = arena::arguments();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(port, items.leak()))
}
