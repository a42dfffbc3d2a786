//! What a request is put together in: its block, its head so far, its body so far.
//! Leased by the worker; a connection keeps one only while a request is incomplete.

use super::body::BodyReader;
use crate::api::Sink;
use crate::limits::SPARE_BODY_BYTES_MAX;
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
    /// Whether nothing would be lost if another connection used it.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.block.is_drained()
    }

    /// Bytes of memory that may be resident for it.
    pub fn held(&self) -> usize {
        self.block.resident() + self.body.capacity()
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
