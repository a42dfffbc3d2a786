//! A small service of JSON: notes that are made, read and deleted, each worker with its own.
//! `cargo run --release --example json_api`, then
//! `curl --json '{"text": "buy milk"}' http://127.0.0.1:8080/notes` and
//! `curl 'http://127.0.0.1:8080/notes?limit=10'`. What does not fit is told with its place:
//! `curl --json '{"text": 1}' http://127.0.0.1:8080/notes`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::rc::Rc;

use corelane::{Error, Router, Server, Status};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct NewNote {
    text: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Note {
    id: u64,
    text: String,
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
}

/// Every list has a bound.
const NOTES_MAX: usize = 10_000;

fn application() -> Router {
    let notes = Rc::new(RefCell::new(BTreeMap::<u64, Note>::new()));
    let (adding, reading, listing, removing) =
        (Rc::clone(&notes), Rc::clone(&notes), Rc::clone(&notes), notes);
    let mut last_id = 0;
    Router::new()
        .post("/notes", move |req, res| {
            let NewNote { text, tags } = req.json()?;
            if adding.borrow().len() >= NOTES_MAX {
                return Err(Error::new(Status::INSUFFICIENT_STORAGE, "there are too many notes"));
            }
            last_id += 1;
            let note = Note { id: last_id, text, tags };
            let responded = res
                .status(Status::CREATED)
                .header("Location", format!("/notes/{last_id}"))
                .json(&note);
            adding.borrow_mut().insert(last_id, note);
            responded
        })
        .get("/notes", move |req, res| {
            let Page { limit } = req.query_as()?;
            let notes = listing.borrow();
            res.json(&notes.values().take(limit.unwrap_or(100)).collect::<Vec<_>>())
        })
        .get("/notes/{id}", move |req, res| {
            let id: u64 = req.param("id")?;
            let notes = reading.borrow();
            res.json(notes.get(&id).ok_or_else(|| Error::not_found("there is no such note"))?)
        })
        .delete("/notes/{id}", move |req, res| {
            let id: u64 = req.param("id")?;
            let removed = removing.borrow_mut().remove(&id);
            removed.ok_or_else(|| Error::not_found("there is no such note"))?;
            res.empty()
        })
}

fn main() -> corelane::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    // Notes are a worker's own, so there is one of them.
    Server::bind(address).workers(NonZeroUsize::MIN).run(|_worker| application())
}
