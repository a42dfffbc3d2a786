//! Who asks, in two ways: a signed cookie for browsers and a token for programs. The secret, of
//! at least 32 bytes, stands in the environment:
//! `AUTH_SECRET=$(openssl rand -base64 32) cargo run --release --example auth`, then
//! `curl -c jar -d name=alice -d password=wonderland http://127.0.0.1:8080/login`,
//! `curl -b jar http://127.0.0.1:8080/` and
//! `curl -H "Authorization: Bearer $(curl -s -b jar http://127.0.0.1:8080/token)" http://127.0.0.1:8080/api/me`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corelane::app::middleware::JwtAuth;
use corelane::{Cookie, Error, Keys, Router, SameSite, Server, Status};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

#[derive(Serialize, Deserialize)]
struct Token {
    sub: String,
    exp: u64,
}

const TOKEN_TIME: Duration = Duration::from_secs(15 * 60);

fn application(keys: &Keys) -> Router {
    let (signing, reading, giving) = (keys.clone(), keys.clone(), keys.clone());
    let auth = JwtAuth::hs256(keys);
    let claims = auth.claims();
    let nobody = || Error::new(Status::UNAUTHORIZED, "log in first");
    Router::new()
        .post("/login", move |req, res| {
            let Login { name, password } = req.form_as()?;
            // A real one compares hashes, elsewhere than on the worker.
            if (name.as_str(), password.as_str()) != ("alice", "wonderland") {
                return Err(Error::new(Status::UNAUTHORIZED, "name or password is wrong"));
            }
            // Behind TLS it is `.secure()` too, and called `__Host-user`.
            let cookie = Cookie::new("user", name).same_site(SameSite::Strict);
            res.cookie(&signing.sign_cookie(cookie)).text("welcome\n")
        })
        .get("/logout", |_req, res| res.cookie(&Cookie::removal("user")).redirect("/"))
        .get("/", move |req, res| {
            let user = reading.cookie(req, "user").ok_or_else(nobody)?;
            res.text(format_args!("hello {user}\n"))
        })
        .get("/token", move |req, res| {
            let user = giving.cookie(req, "user").ok_or_else(nobody)?;
            let end = SystemTime::now().duration_since(UNIX_EPOCH)? + TOKEN_TIME;
            let token = Token { sub: user.to_owned(), exp: end.as_secs() };
            res.header("Cache-Control", "no-store").text(JwtAuth::token(&giving, &token)?)
        })
        .group("/api", |api| {
            api.with(auth).get("/me", move |req, res| {
                let token: Token = claims.of(req)?.parse()?;
                res.json(&token)
            })
        })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let keys = Keys::from_env("AUTH_SECRET")?;
    Ok(Server::bind(address).run(move |_worker| application(&keys))?)
}
