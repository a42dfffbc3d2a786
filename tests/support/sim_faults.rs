//! How often a simulated kernel fails, and what it counts. Knows nothing of when and why.

/// How often what goes wrong in one simulation; when follows from the seed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) spurious: u32,
    pub(crate) would_block: u32,
    pub(crate) exhausted: u32,
    pub(crate) aborted: u32,
    pub(crate) unwatched: u32,
    pub(crate) unlistened: u32,
    pub(crate) stale: u32,
    pub(crate) early_ends: u32,
    pub(crate) jumps: u32,
    /// Laps of a turn that took long.
    pub(crate) long_laps: u32,
}

/// What the kernel counted, to be compared with what the worker counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) aborted: u64,
    pub(crate) exhausted: u64,
    pub(crate) unwatched: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) handled: u64,
    pub(crate) panics: u64,
    pub(crate) unavailable: u64,
    /// Requests turned away, of these before their body, and vital ones that were not.
    pub(crate) shed: u64,
    pub(crate) shed_unread: u64,
    pub(crate) spared: u64,
    /// Connections whose rest is thrown away, of these for taking some, but too little.
    pub(crate) cut_off: u64,
    pub(crate) slow_reads: u64,
}
