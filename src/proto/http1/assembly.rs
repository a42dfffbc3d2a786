//! What a request is put together in: its block, its head so far, its body so far.
//! Leased by the worker; a connection keeps one only while a request is incomplete.

use super::body::BodyReader;
use crate::api::{NO_ROUTE, Sink};
use crate::limits::{SMALL_BLOCK_BYTES, SMALL_UNREAD_MAX, SPARE_BODY_BYTES_MAX};
use crate::mem::ReadBlock;
use crate::wire::head::Head;
use crate::wire::parse::Progress;
use crate::wire::target::Target;

/// One incomplete request, or none yet.
#[derive(Default)]
pub struct Assembly {
    /// Bytes received and not yet consumed; from the start of a head on.
    pub block: ReadBlock,
    pub(super) head: Head,
    /// How far the head is parsed.
    pub(super) progress: Progress,
    /// Bytes of the whole head; 0 until it is whole.
    pub(super) head_len: usize,
    pub(super) target: Target,
    pub(super) keep_alive: bool,
    pub(super) reader: BodyReader,
    /// The body so far, where it is not whole in the block and nobody takes it in pieces.
    pub(super) body: Vec<u8>,
    /// Who takes the body in pieces.
    pub(super) sink: Option<Box<dyn Sink>>,
    /// The number of the sink's route.
    pub(super) sink_route: u32,
    /// The trailer section so far.
    pub(super) trailers: Vec<u8>,
}

impl Assembly {
    /// One for a request of which little has come: its block is small.
    pub fn small() -> Assembly {
        Assembly { block: ReadBlock::new(SMALL_BLOCK_BYTES), ..Assembly::default() }
    }

    /// Whether its block is a small one.
    pub fn is_small(&self) -> bool {
        self.block.size() == SMALL_BLOCK_BYTES
    }

    /// Whether a small block has room for what is in it and for what comes next.
    pub fn fits_small(&self) -> bool {
        !self.block.was_filled() && self.block.unread().len() <= SMALL_UNREAD_MAX
    }

    /// Whether what is in it may move to the front of a block: spans of a whole head may not.
    pub fn is_movable(&self) -> bool {
        self.head_len == 0 || self.block.start() == 0
    }

    /// Takes over the request of another assembly, which is movable.
    ///
    /// # Panics
    /// If its own block is too small for what has come of it.
    pub fn take(&mut self, from: &mut Assembly) {
        debug_assert!(self.is_idle(), "it has a request of its own");
        from.make_space();
        self.block.take(&mut from.block);
        self.head.clone_from(&from.head);
        self.progress = from.progress;
        self.head_len = from.head_len;
        self.target = from.target;
        self.keep_alive = from.keep_alive;
        self.reader = std::mem::take(&mut from.reader);
        self.body = std::mem::take(&mut from.body);
        self.sink = from.sink.take();
        self.sink_route = from.sink_route;
        self.trailers = std::mem::take(&mut from.trailers);
        from.clear();
    }

    /// The route of its sink has another number from now on.
    pub fn renumber(&mut self, renumbered: &[u32]) {
        self.sink_route = renumbered.get(self.sink_route as usize).copied().unwrap_or(NO_ROUTE);
    }

    /// Whether nothing would be lost if another connection used it.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.block.is_drained()
    }

    /// Bytes of memory that may be resident for it.
    pub fn held(&self) -> usize {
        size_of::<Assembly>() + self.block.resident() + self.body.capacity()
    }

    /// Makes all the room there is. Offsets into the block are made again if it moved.
    #[inline]
    pub fn make_space(&mut self) {
        if self.block.compact() {
            debug_assert_eq!(self.head_len, 0, "a whole head is at the front already");
            self.progress = Progress::default();
        }
    }

    /// Gives up the request at the front, which took `len` bytes of the block.
    #[inline]
    pub(super) fn next_request(&mut self, len: usize) {
        self.block.consume(len);
        self.progress = Progress::default();
        self.head_len = 0;
        if self.has_body() {
            self.drop_body();
        }
    }

    #[inline]
    fn has_body(&self) -> bool {
        !self.body.is_empty() || self.sink.is_some() || !self.trailers.is_empty()
    }

    #[cold]
    fn drop_body(&mut self) {
        self.sink = None;
        self.trailers.clear();
        self.body.clear();
        if self.body.capacity() > SPARE_BODY_BYTES_MAX {
            self.body = Vec::new();
        }
    }

    /// Gives up everything.
    pub fn clear(&mut self) {
        self.block.clear();
        self.next_request(0);
    }
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly").field("block", &self.block).finish_non_exhaustive()
    }
}
