//! ntex with one worker on its own epoll runtime. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use arena::MESSAGE;
use ntex::http::header::{CONTENT_TYPE, SERVER};
use ntex::web::{self, App, HttpResponse, HttpServer};

async fn plaintext() -> HttpResponse {
    HttpResponse::Ok()
        .header(SERVER, "ntx")
        .header(CONTENT_TYPE, "text/plain")
        .body("Hello, World!")
}

async fn json() -> HttpResponse {
    HttpResponse::Ok().header(SERVER, "ntx").json(&MESSAGE)
}

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let (port, _) = arena::arguments();
    HttpServer::new(async || {
        App::new()
            .service(web::resource("/plaintext").route(web::get().to(plaintext)))
            .service(web::resource("/json").route(web::get().to(json)))
    })
    .bind(("127.0.0.1", port))?
    .workers(1)
    .run()
    .await
}
