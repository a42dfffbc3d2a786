//! What comes before the protocol: the PROXY header of a peer that must send one. Afterwards the
//! connection is like any other, from another peer. Knows nothing of what follows.

use std::io;
use std::net::SocketAddr;

use super::Worker;
use super::accept::answer_unavailable;
use super::connection::Stage;
use crate::api::Handler;
use crate::mem::Key;
use crate::proto::{CloseReason, Want};
use crate::settings::WhenFull;
use crate::sys::Kernel;
use crate::wire::proxy_header::{Parse, parse};

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Whether a connection of `peer` begins with a PROXY header. Who else sends one is refused as
    /// for any bad request line: a header that is looked for everywhere can be forged anywhere.
    pub(super) fn expects_preface(&self, peer: SocketAddr) -> bool {
        let from = &self.parts.settings.proxy_protocol_from;
        from.iter().any(|network| network.contains(peer.ip()))
    }

    /// Receives the header, or more of it.
    pub(super) fn receive_preface(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let assembly = self.assemblies.space(&mut connection.assembly);
        match self.kernel.receive(&connection.stream, assembly.block.space_mut()) {
            Ok(0) => {
                let is_silent = assembly.is_idle();
                let reason =
                    if is_silent { CloseReason::PeerClosed } else { CloseReason::ProxyHeader };
                self.free(key, reason);
                return;
            }
            Ok(len) => {
                assembly.block.fill(len);
                self.stats.bytes_received += len as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => {
                self.free(key, CloseReason::Failed);
                return;
            }
        }
        connection.seen = self.now;
        match parse(assembly.block.unread()) {
            Parse::Complete { len, source } => {
                assembly.block.consume(len);
                self.preface_received(key, source);
            }
            Parse::Partial => {
                self.settle_assembly(key, Want::Receive);
                self.account(key);
            }
            Parse::Refused => self.give_up(key, CloseReason::ProxyHeader),
        }
    }

    /// The connection's time for a header is over, or that of the server.
    pub(super) fn expire_preface(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let reason = match connection.assembly {
            _ if self.draining.is_some() => CloseReason::Drained,
            None => CloseReason::NothingReceived,
            Some(_) => CloseReason::ProxyHeader,
        };
        self.free(key, reason);
    }

    /// The client's bytes begin, with those that came along with the header.
    fn preface_received(&mut self, key: Key, source: Option<SocketAddr>) {
        if source.is_some_and(|source| !self.per_address.enter(source.ip())) {
            // It is still its proxy's connection, whose are not counted.
            self.give_up(key, CloseReason::AddressLimit);
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Some(source) = source {
            // Its proxy's, which counts if it was taken off the list meanwhile.
            self.per_address.leave(SocketAddr::from(connection.peer).ip());
            connection.peer = source.into();
        }
        connection.stage = Stage::Open;
        self.drive_buffered(key, self.now);
    }

    /// Ends a connection that nobody served.
    fn give_up(&mut self, key: Key, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.assembly.as_mut().unwrap_or(&mut self.assemblies.hot).clear();
        let refuses = self.parts.settings.connections_full == WhenFull::Refuse;
        if reason == CloseReason::AddressLimit && refuses {
            let peer = SocketAddr::from(connection.peer);
            let (stream, space) = (&connection.stream, self.assemblies.hot.block.space_mut());
            let (kernel, outbox) = (&mut self.kernel, &mut self.outbox);
            if answer_unavailable(kernel, stream, space, outbox, &mut self.stats) {
                self.note_turned_away(peer);
            }
        }
        self.free(key, reason);
    }
}
