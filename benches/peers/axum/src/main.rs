//! axum on one thread of tokio. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use std::sync::Arc;

use arena::{Answer, Item, MESSAGE, Multiplier, Sum};
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, SERVER};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use http_body_util::BodyExt;

async fn plaintext() -> impl IntoResponse {
    ([(SERVER, "axu"), (CONTENT_TYPE, "text/plain")], "Hello, World!")
}

async fn message() -> impl IntoResponse {
    ([(SERVER, "axu")], Json(MESSAGE))
}

async fn baseline(Query(sum): Query<Sum>, body: Bytes) -> impl IntoResponse {
    ([(SERVER, "axu"), (CONTENT_TYPE, "text/plain")], sum.with(&body).to_string())
}

async fn items(
    State(items): State<Arc<Vec<Item>>>,
    Path(count): Path<usize>,
    Query(multiplier): Query<Multiplier>,
) -> impl IntoResponse {
    ([(SERVER, "axu")], Json(Answer::new(&items, count, multiplier.m.unwrap_or(1)))).into_response()
}

async fn upload(mut body: Body) -> impl IntoResponse {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    ([(SERVER, "axu"), (CONTENT_TYPE, "text/plain")], length.to_string())
}

async fn serve(port: u16, items: Vec<Item>) -> std::io::Result<()> {
    let application = Router::new()
        .route("/plaintext", get(plaintext))
        .route("/json", get(message))
        .route("/baseline11", get(baseline).post(baseline))
        .route("/json/{count}", get(self::items))
        .route("/upload", post(upload))
        .with_state(Arc::new(items));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, application).await
}

fn main() -> std::io::Result<()> {
    let (port, items) = arena::arguments();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(port, items))
}
