//! The data that the arena's JSON profile answers with, shared by the peers that take part in it.
//! Knows no server.

#![allow(dead_code)] // Most peers take no part in the arena.

use serde::{Deserialize, Serialize};

/// What `/json` answers; made anew for each request.
#[derive(Serialize)]
pub struct Message {
    message: &'static str,
}

pub const MESSAGE: Message = Message { message: "Hello, World!" };

/// An item of the dataset.
#[derive(Deserialize)]
pub struct Item {
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

/// The query of `/baseline11`.
#[derive(Deserialize)]
pub struct Sum {
    a: i64,
    b: i64,
}

impl Sum {
    /// What it is with the number in a body; with 0 if there is none.
    pub fn with(&self, body: &[u8]) -> i64 {
        let text = str::from_utf8(body).ok();
        self.a + self.b + text.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0)
    }
}

/// The query of `/json/{count}`.
#[derive(Deserialize)]
pub struct Multiplier {
    pub m: Option<i64>,
}

/// The first items, each with its total.
#[derive(Serialize)]
pub struct Answer<'a> {
    items: Vec<Priced<'a>>,
    count: usize,
}

impl<'a> Answer<'a> {
    pub fn new(items: &'a [Item], count: usize, multiplier: i64) -> Answer<'a> {
        let count = count.min(items.len());
        let priced = items[..count].iter().map(|item| Priced {
            id: item.id,
            name: &item.name,
            category: &item.category,
            price: item.price,
            quantity: item.quantity,
            active: item.active,
            tags: &item.tags,
            rating: item.rating,
            total: item.price.wrapping_mul(item.quantity).wrapping_mul(multiplier),
        });
        Answer { items: priced.collect(), count }
    }
}

/// The dataset, if a path was given.
pub fn items(path: Option<String>) -> Vec<Item> {
    let Some(path) = path else { return Vec::new() };
    let bytes = std::fs::read(path).expect("the dataset can be read");
    serde_json::from_slice(&bytes).expect("the dataset is a list of items")
}

/// The port and the dataset of the command line.
pub fn arguments() -> (u16, Vec<Item>) {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).expect("PORT [DATASET]");
    (port, items(arguments.next()))
}
