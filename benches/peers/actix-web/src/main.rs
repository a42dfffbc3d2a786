//! actix-web with one worker. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use std::sync::Arc;

use actix_web::http::header::{CONTENT_TYPE, SERVER};
use actix_web::middleware::Compress;
use actix_web::{App, HttpResponse, HttpServer, web};
use arena::{Answer, Item, MESSAGE, Multiplier, Sum};
use futures_util::StreamExt;
use serde::Serialize;

fn text(body: impl Into<String>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((SERVER, "act"))
        .insert_header((CONTENT_TYPE, "text/plain"))
        .body(body.into())
}

fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((SERVER, "act")).json(value)
}

async fn plaintext() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((SERVER, "act"))
        .insert_header((CONTENT_TYPE, "text/plain"))
        .body("Hello, World!")
}

async fn baseline(sum: web::Query<Sum>, body: web::Bytes) -> HttpResponse {
    text(sum.with(&body).to_string())
}

async fn items(
    count: web::Path<usize>,
    multiplier: web::Query<Multiplier>,
    items: web::Data<Vec<Item>>,
) -> HttpResponse {
    json(&Answer::new(&items, *count, multiplier.m.unwrap_or(1)))
}

async fn upload(mut body: web::Payload) -> HttpResponse {
    let mut length = 0;
    while let Some(Ok(chunk)) = body.next().await {
        length += chunk.len();
    }
    text(length.to_string())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let (port, data) = arena::arguments();
    let data = web::Data::from(Arc::new(data));
    HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/plaintext", web::get().to(plaintext))
            .route("/json", web::get().to(async || json(&MESSAGE)))
            .route("/baseline11", web::get().to(baseline))
            .route("/baseline11", web::post().to(baseline))
            .service(
                web::resource("/json/{count}").wrap(Compress::default()).get(items),
            )
            .route("/upload", web::post().to(upload))
    })
    .workers(1)
    .max_connections(20_000)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
