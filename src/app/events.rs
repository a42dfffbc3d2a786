//! Server-sent events (HTML standard, section 9.2): written, and kept alive while there are none.
//! Knows nothing of what they tell.

use std::io::Write;
use std::time::Duration;

use crate::api::{Error, HandlerResult, Piece, Pull, Response, Source};
use crate::clock::{Clock, Moment};
use crate::limits::EVENT_KEEP_ALIVE_MS;

/// An answer of events, without an end unless its source has one.
///
/// The source is asked as a [`Source`] is, with somewhere to write events to. While it says
/// nothing, a comment goes out every 15 seconds, so that no proxy takes the connection for dead
/// and a client that has gone is noticed. A client that lost the connection asks again, and tells
/// by [`crate::Request::last_event_id`] what it has seen.
///
/// ```
/// use std::time::Duration;
///
/// use corelane::{Event, Events, Pull, Router};
///
/// let router = Router::new().get("/count", |req, res| {
///     let mut next = req.last_event_id().and_then(|id| id.parse().ok()).unwrap_or(0_u64) + 1;
///     let count = Events::new(move |events| {
///         events.send(&Event::new("counted").id(&next.to_string()))?;
///         next += 1;
///         Ok(Pull::WaitFor(Duration::from_secs(1)))
///     });
///     count.answer(res)
/// });
/// ```
#[derive(Debug)]
pub struct Events<S> {
    source: S,
    retry: Option<Duration>,
    keep_alive: Duration,
    clock: Clock,
    /// When something was written last.
    wrote: Option<Moment>,
}

impl<S> Events<S>
where
    S: FnMut(&mut EventWriter<'_, '_>) -> Result<Pull, Error> + 'static,
{
    /// Events of `source`, which may be asked earlier than it said in [`Pull::WaitFor`].
    pub fn new(source: S) -> Events<S> {
        let (retry, clock, wrote) = (None, Clock::new(), None);
        let keep_alive = Duration::from_millis(EVENT_KEEP_ALIVE_MS);
        Events { source, retry, keep_alive, clock, wrote }
    }

    /// Tells clients how long to wait before they ask again.
    #[must_use]
    pub fn retry(mut self, time: Duration) -> Events<S> {
        self.retry = Some(time);
        self
    }

    /// How long nothing is said before a comment goes out.
    #[must_use]
    pub fn keep_alive(mut self, time: Duration) -> Events<S> {
        self.keep_alive = time;
        self
    }

    /// Answers with them. No cache keeps them, and nginx is told not to collect them.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn answer(self, response: Response<'_>) -> HandlerResult {
        response
            .header("Cache-Control", "no-store")
            .header("Content-Type", "text/event-stream")
            .header("X-Accel-Buffering", "no")
            .stream(self)
    }
}

impl<S> Source for Events<S>
where
    S: FnMut(&mut EventWriter<'_, '_>) -> Result<Pull, Error> + 'static,
{
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        let room = piece.room();
        if self.wrote.is_none() {
            // The comment has the client know at once that it is connected.
            piece.push(b":\n");
            if let Some(retry) = self.retry {
                writeln!(piece, "retry: {}", retry.as_millis())?;
            }
            piece.push(b"\n");
        }
        let pull = (self.source)(&mut EventWriter(piece))?;
        let now = self.clock.now();
        let mut wrote = self.wrote.unwrap_or(now);
        if now >= wrote + self.keep_alive && piece.room() == room {
            piece.push(b":\n\n");
        }
        if piece.room() != room {
            wrote = now;
        }
        self.wrote = Some(wrote);
        let left = wrote + self.keep_alive - now;
        Ok(match pull {
            Pull::Wait => Pull::WaitFor(left),
            Pull::WaitFor(time) => Pull::WaitFor(time.min(left)),
            pull => pull,
        })
    }
}

/// Where events are written to.
#[derive(Debug)]
pub struct EventWriter<'w, 'p>(&'w mut Piece<'p>);

impl EventWriter<'_, '_> {
    /// Writes an event.
    ///
    /// # Errors
    /// If its id or its name has a line's end or a zero.
    pub fn send(&mut self, event: &Event<'_>) -> Result<(), Error> {
        for (field, value) in [("event", event.name), ("id", event.id)] {
            let Some(value) = value else { continue };
            if value.contains(['\r', '\n', '\0']) {
                return Err(Error::internal(format!("an event's {field} has one line")));
            }
            writeln!(self.0, "{field}: {value}")?;
        }
        // A CR ends a line too.
        for line in event.data.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r'))
        {
            writeln!(self.0, "data: {line}")?;
        }
        self.0.push(b"\n");
        Ok(())
    }

    /// How many bytes are welcome.
    pub fn room(&self) -> usize {
        self.0.room()
    }
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Event<'e> {
    data: &'e str,
    id: Option<&'e str>,
    name: Option<&'e str>,
}

impl<'e> Event<'e> {
    /// What it says, in any number of lines.
    pub fn new(data: &'e str) -> Event<'e> {
        Event { data, id: None, name: None }
    }

    /// What the client names when it asks again.
    #[must_use]
    pub fn id(mut self, id: &'e str) -> Event<'e> {
        self.id = Some(id);
        self
    }

    /// What it is listened for as; `message` if it is not said.
    #[must_use]
    pub fn name(mut self, name: &'e str) -> Event<'e> {
        self.name = Some(name);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &Event<'_>) -> Result<String, Error> {
        let mut bytes = Vec::new();
        EventWriter(&mut Piece::new(&mut bytes, 0)).send(event)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_event_keeps_its_lines_and_nobody_can_add_a_field() {
        let event = Event::new("one\ntwo\r\nthree\rid: 7").id("1").name("n");
        let lines = "event: n\nid: 1\ndata: one\ndata: two\ndata: three\ndata: id: 7\n\n";
        assert_eq!(written(&event).unwrap(), lines);
        assert_eq!(written(&Event::new("")).unwrap(), "data: \n\n");
        for wrong in ["a\nb", "a\rb", "\0"] {
            assert!(written(&Event::new("").id(wrong)).is_err());
            assert!(written(&Event::new("").name(wrong)).is_err());
        }
    }

    #[test]
    fn what_a_source_waits_for_is_never_longer_than_the_next_comment() {
        let quiet = |wait| Events::new(move |_: &mut EventWriter<'_, '_>| Ok(wait));
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let pulled = |wait, keep_alive| {
            let mut bytes = Vec::new();
            let mut events = quiet(wait).keep_alive(keep_alive);
            let first = events.pull(&mut Piece::new(&mut bytes, 100)).unwrap();
            let second = events.pull(&mut Piece::new(&mut bytes, 100)).unwrap();
            (first, second, String::from_utf8(bytes).unwrap())
        };
        let (first, _, text) = pulled(Pull::Wait, minute);
        assert!(first == Pull::WaitFor(minute) && text == ":\n\n", "{first:?} {text}");
        let (first, second, _) = pulled(Pull::WaitFor(second), minute);
        assert_eq!((first, second), (Pull::WaitFor(Duration::from_secs(1)), first));
        assert_eq!(pulled(Pull::Done, minute).0, Pull::Done);
        assert_eq!(pulled(Pull::Wait, Duration::ZERO).2, ":\n\n:\n\n", "the time is over");
    }
}
