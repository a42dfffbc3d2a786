//! Why a connection ended: a name, and a counter. Knows nothing of how it is closed.

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// Its address has as many connections as one may have.
    AddressLimit,
    /// The next piece of an answer did not come from its source within `later_time`.
    AnswerTimeout,
    /// The request was answered before its body was read.
    BodyUnread,
    /// The handler asked for it.
    ByHandler,
    /// The peer asked for it: `Connection: close`, or HTTP/1.0 without keep-alive.
    ByRequest,
    /// The drain's time was over; what still ran was cut.
    DrainTimeout,
    /// The server is stopping.
    Drained,
    /// Receiving or sending failed: reset, broken pipe, timed out by the kernel.
    Failed,
    /// No request within `idle_time`.
    IdleTimeout,
    /// It was open for `lifetime_max`.
    LifetimeOver,
    /// It was idle longest when a newcomer needed room.
    MadeRoom,
    /// Its unsent answers were more than there was memory for.
    MemoryExhausted,
    /// The peer sent nothing at all within `head_time`.
    NothingReceived,
    /// The handler panicked.
    Panicked,
    /// The peer ended its side between two requests.
    PeerClosed,
    /// A proxy's connection did not begin with a PROXY header.
    ProxyHeader,
    /// The request broke a rule; which one is counted apart.
    Refused,
    /// It had `requests_max` requests.
    RequestsMax,
    /// The kernel did not take a byte of an answer within `send_time`.
    SendTimeout,
    /// The table was full, and newcomers are refused.
    ServerFull,
    /// The source of a streamed answer failed; the answer is incomplete.
    SourceFailed,
    /// The server was stopped at once.
    Stopped,
    /// The kernel would not watch the connection.
    Unwatchable,
}

impl CloseReason {
    /// Every reason, in the order of its discriminant.
    pub const ALL: [CloseReason; 23] = [
        CloseReason::AddressLimit,
        CloseReason::AnswerTimeout,
        CloseReason::BodyUnread,
        CloseReason::ByHandler,
        CloseReason::ByRequest,
        CloseReason::DrainTimeout,
        CloseReason::Drained,
        CloseReason::Failed,
        CloseReason::IdleTimeout,
        CloseReason::LifetimeOver,
        CloseReason::MadeRoom,
        CloseReason::MemoryExhausted,
        CloseReason::NothingReceived,
        CloseReason::Panicked,
        CloseReason::PeerClosed,
        CloseReason::ProxyHeader,
        CloseReason::Refused,
        CloseReason::RequestsMax,
        CloseReason::SendTimeout,
        CloseReason::ServerFull,
        CloseReason::SourceFailed,
        CloseReason::Stopped,
        CloseReason::Unwatchable,
    ];

    /// Its name in statistics: snake case, never changes.
    pub const fn name(self) -> &'static str {
        match self {
            CloseReason::AddressLimit => "address_limit",
            CloseReason::AnswerTimeout => "answer_timeout",
            CloseReason::BodyUnread => "body_unread",
            CloseReason::ByHandler => "by_handler",
            CloseReason::ByRequest => "by_request",
            CloseReason::DrainTimeout => "drain_timeout",
            CloseReason::Drained => "drained",
            CloseReason::Failed => "failed",
            CloseReason::IdleTimeout => "idle_timeout",
            CloseReason::LifetimeOver => "lifetime_over",
            CloseReason::MadeRoom => "made_room",
            CloseReason::MemoryExhausted => "memory_exhausted",
            CloseReason::NothingReceived => "nothing_received",
            CloseReason::Panicked => "panicked",
            CloseReason::PeerClosed => "peer_closed",
            CloseReason::ProxyHeader => "proxy_header",
            CloseReason::Refused => "refused",
            CloseReason::RequestsMax => "requests_max",
            CloseReason::SendTimeout => "send_timeout",
            CloseReason::ServerFull => "server_full",
            CloseReason::SourceFailed => "source_failed",
            CloseReason::Stopped => "stopped",
            CloseReason::Unwatchable => "unwatchable",
        }
    }
}

impl CloseReason {
    /// Whether the last answer was a surprise: the peer may have sent more before it read that
    /// no more will be answered.
    pub const fn is_surprise(self) -> bool {
        matches!(
            self,
            CloseReason::BodyUnread
                | CloseReason::ByHandler
                | CloseReason::Drained
                | CloseReason::LifetimeOver
                | CloseReason::Panicked
                | CloseReason::Refused
                | CloseReason::RequestsMax
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_reason_at_its_discriminant() {
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason:?}");
        }
    }
}
