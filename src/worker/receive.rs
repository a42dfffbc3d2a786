//! Receives of a connection: for its protocol, or to drop what comes after its end. Knows no
//! formats.

use std::io;

use super::Worker;
use super::drive::{Event, Worked};
use super::stages::receive_sampled;
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::LINGER_BYTES_MAX;
use crate::mem::Key;
use crate::proto::http1::Assembly;
use crate::sys::Kernel;

/// What was received of a connection.
#[derive(Debug)]
pub(super) struct Received {
    event: Event,
    since: Moment,
    is_sampled: bool,
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Receives of a connection that was reported at `since`, and serves it.
    pub(super) fn receive(&mut self, key: Key, since: Moment) {
        let Some(received) = self.receive_into(None, key, since) else { return };
        if let Some(worked) = self.work_on(key, received) {
            self.send_answers(key, worked);
        }
    }

    /// Receives of a connection that was reported at `since`, into `shared` or what it has itself.
    #[inline]
    pub(super) fn receive_into(
        &mut self,
        shared: Option<&mut Assembly>,
        key: Key,
        since: Moment,
    ) -> Option<Received> {
        let connection = self.connections.get_mut(key)?;
        let assembly = match shared {
            Some(shared) => shared,
            None => self.assemblies.space(&mut connection.assembly),
        };
        let space = assembly.block.space_mut();
        debug_assert!(!space.is_empty(), "limits leave room for the rest of a head");
        let is_sampled = self.lot.is_drawn();
        let received = if is_sampled {
            receive_sampled(
                &mut self.kernel,
                &connection.stream,
                space,
                since,
                &mut self.stats.latencies,
            )
        } else {
            self.kernel.receive(&connection.stream, space)
        };
        let event = match received {
            Ok(0) => Event::PeerClosed,
            Ok(len) => {
                assembly.block.fill(len);
                self.stats.bytes_received += len as u64;
                Event::Received
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => Event::Failed,
        };
        if !connection.protocol.is_answering() {
            connection.seen = since;
        }
        Some(Received { event, since, is_sampled })
    }

    /// Lets the protocol work on what was received.
    #[inline]
    pub(super) fn work_on(&mut self, key: Key, received: Received) -> Option<Worked> {
        let Received { mut event, since, is_sampled } = received;
        if matches!(event, Event::Received) {
            self.begin_stages(since, is_sampled);
            if self.overload.is_due(self.lap) && self.is_overdue(key) {
                event = Event::Overdue;
            }
        }
        self.work(key, event)
    }

    /// Samples the wait of the request whose bytes were just received. Whether it is turned away.
    #[cold]
    fn is_overdue(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        let most = connection.protocol.waited_at_most(self.lap, self.accepting_since);
        let Some(most) = most else { return false };
        let Some(ago) = self.kernel.received_ago(&connection.stream) else { return false };
        self.overload.on_wait(self.lap, ago.min(most))
    }

    /// Reads and drops what a lingering connection's peer still sends.
    pub(super) fn linger(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        debug_assert!(
            self.assemblies.hot.is_idle(),
            "between two connections nothing is in the block"
        );
        match self.kernel.receive(&connection.stream, self.assemblies.hot.block.space_mut()) {
            Ok(len) if len > 0 => {
                self.stats.bytes_received += len as u64;
                connection.dropped = connection.dropped.saturating_add(len as u32);
                if connection.dropped as usize > LINGER_BYTES_MAX {
                    self.release(key);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.release(key),
        }
    }
}
