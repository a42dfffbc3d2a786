//! Events through real sockets: their form, comments while there are none, wakes, and who has
//! seen which. Knows nothing below the public face.

#[path = "support/http_client.rs"]
mod http_client;

use std::sync::mpsc;
use std::time::Duration;

use corelane::{Event, Events, Pull, Router, Settings};
use http_client::{Client, get, serve, settings};

#[test]
fn events_go_on_from_the_last_one_seen_and_end_with_their_source() {
    let server = serve(Settings::default(), |_| {
        Router::new().get("/", |req, res| {
            let mut last: u32 = req.last_event_id().map_or(Ok(0), str::parse)?;
            let events = Events::new(move |events| {
                last += 1;
                events.send(&Event::new("a\nb").id(&last.to_string()).name("n"))?;
                Ok(if last == 9 { Pull::Done } else { Pull::WaitFor(Duration::from_millis(1)) })
            });
            events.retry(Duration::from_secs(3)).answer(res)
        })
    });
    let mut client = Client::to(&server);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 7\r\n\r\n");
    let (answer, end) = client.chunked_answer();
    assert!(end.is_some(), "it has its end");
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(answer.field(name), Some(value));
    }
    let event = |id| format!("event: n\nid: {id}\ndata: a\ndata: b\n\n");
    assert_eq!(answer.text(), format!(":\nretry: 3000\n\n{}{}", event(8), event(9)));
    assert_eq!(client.get("/nowhere").status, 404, "the connection goes on");
}

/// It outlasts `later_time` by its comments; without them its client would be given up.
#[test]
fn a_comment_goes_out_while_nothing_is_said_and_a_wake_brings_an_event_at_once() {
    let limits = settings(|settings| settings.later_time = Duration::from_millis(50));
    let (send, receive) = mpsc::channel::<String>();
    let (tell, told) = mpsc::channel();
    let channel = std::sync::Mutex::new(Some((receive, tell)));
    let server = serve(limits, move |_| {
        let mut channel = channel.lock().unwrap().take();
        Router::new().get("/", move |req, res| {
            let (receive, tell) = channel.take().ok_or_else(|| std::io::Error::other("once"))?;
            tell.send(req.waker())?;
            let events = Events::new(move |events| match receive.try_recv() {
                Ok(text) => events.send(&Event::new(&text)).map(|()| Pull::More),
                Err(mpsc::TryRecvError::Empty) => Ok(Pull::Wait),
                Err(mpsc::TryRecvError::Disconnected) => Ok(Pull::Done),
            });
            events.keep_alive(Duration::from_millis(100)).answer(res)
        })
    });
    let mut client = Client::to(&server);
    client.send(get("/"));
    let waker = told.recv().unwrap();
    // Three times the time after which an answer that waits is cut otherwise.
    std::thread::sleep(Duration::from_millis(400));
    send.send("late".to_owned()).unwrap();
    waker.wake();
    drop(send);
    waker.wake();
    let (answer, end) = client.chunked_answer();
    let (before, event) = answer.text().split_once("data").unwrap();
    assert!(end.is_some() && event == ": late\n\n", "{event}");
    assert!(before.len() > 3 && before.replace(":\n\n", "").is_empty(), "{before}");
}

#[test]
fn hundreds_of_clients_of_one_worker_have_their_events() {
    let server = serve(Settings::default(), |_| {
        Router::new().get("/", |_, res| {
            let mut left = 5;
            let events = Events::new(move |events| {
                left -= 1;
                events.send(&Event::new("x"))?;
                Ok(if left == 0 { Pull::Done } else { Pull::WaitFor(Duration::from_millis(5)) })
            });
            events.answer(res)
        })
    });
    let mut clients: Vec<_> = (0..300).map(|_| Client::to(&server)).collect();
    for client in &mut clients {
        client.send(get("/"));
    }
    for client in &mut clients {
        let (answer, end) = client.chunked_answer();
        assert!(end.is_some());
        assert_eq!(answer.text(), format!(":\n\n{}", "data: x\n\n".repeat(5)));
    }
}
