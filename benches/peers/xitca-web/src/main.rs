//! xitca-web with one worker. Knows nothing of the measurement.

#[path = "../../arena.rs"]
mod arena;

use xitca_web::App;
use xitca_web::body::ResponseBody;
use xitca_web::handler::handler_service;
use xitca_web::http::WebResponse;
use xitca_web::http::header::{CONTENT_TYPE, HeaderValue, SERVER};
use xitca_web::route::get;

fn answer(kind: &'static str, body: impl Into<ResponseBody>) -> WebResponse {
    let mut response = WebResponse::new(body.into());
    response.headers_mut().insert(SERVER, HeaderValue::from_static("xit"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn plaintext() -> WebResponse {
    answer("text/plain", "Hello, World!")
}

async fn json() -> WebResponse {
    let body = serde_json::to_vec(&arena::MESSAGE).expect("plain values become JSON");
    answer("application/json", body)
}

fn main() -> std::io::Result<()> {
    let (port, _) = arena::arguments();
    App::new()
        .at("/plaintext", get(handler_service(plaintext)))
        .at("/json", get(handler_service(json)))
        .serve()
        .worker_threads(1)
        .bind(("127.0.0.1", port))?
        .run()
        .wait()
}
