//! What an answer says about its connection. Knows nothing of what becomes of it.

/// What an answer says about its connection (RFC 9112 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// Stays open, as HTTP/1.1 does unless told otherwise.
    KeepAlive,
    /// Stays open, which a client of HTTP/1.0 must be told.
    KeepAlive10,
    /// Closes after this answer.
    Close,
}

impl Persist {
    /// Appends the field that says so, if one is needed.
    #[inline]
    pub(super) fn push(self, out: &mut Vec<u8>) {
        match self {
            Persist::KeepAlive => {}
            Persist::KeepAlive10 => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            Persist::Close => out.extend_from_slice(b"Connection: close\r\n"),
        }
    }
}
