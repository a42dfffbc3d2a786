//! The counters of TCP as `/proc/net/netstat` has them. Knows not what they mean.

/// Names in one line and values in the next, both behind `TcpExt:`.
pub(super) struct TcpExt<'a> {
    names: &'a str,
    values: &'a str,
}

impl<'a> TcpExt<'a> {
    /// `None` if the text has no such lines.
    pub(super) fn of(netstat: &'a str) -> Option<TcpExt<'a>> {
        let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
        Some(TcpExt { names: lines.next()?, values: lines.next()? })
    }

    /// A counter; `None` if the kernel has none of this name.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let mut pairs = self.names.split(' ').zip(self.values.split(' '));
        pairs.find(|(known, _)| *known == name)?.1.parse().ok()
    }
}
