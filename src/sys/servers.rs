//! Processes that listen, found in `/proc`. Best effort: what may not be read is as good as not
//! there. Knows nothing of what they serve.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::holder::listeners_in;

/// Another process, whether it still runs or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    folder: PathBuf,
}

impl Process {
    /// The one with this id.
    pub fn new(pid: u32) -> Process {
        Process { folder: Path::new("/proc").join(pid.to_string()) }
    }

    /// All there are, but for this one.
    pub fn all() -> Vec<Process> {
        let own = std::process::id().to_string();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_other = |name: &str| name != own && name.bytes().all(|byte| byte.is_ascii_digit());
        let others = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_other));
        others.map(|entry| Process { folder: entry.path() }).collect()
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    }

    /// Its command's name as the kernel keeps it (`proc_pid_comm(5)`).
    pub fn name(&self) -> Option<String> {
        let name = fs::read_to_string(self.folder.join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    }

    /// The id of the process that started it, while that runs.
    pub fn parent(&self) -> Option<u32> {
        let status = fs::read_to_string(self.folder.join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    }

    /// The listening TCP sockets that it holds, by inode.
    pub fn listeners(&self) -> BTreeSet<u64> {
        let tables = ["net/tcp", "net/tcp6"].map(|table| self.folder.join(table));
        let listening: BTreeSet<u64> = tables
            .iter()
            .filter_map(|table| File::open(table).ok())
            .flat_map(|table| listeners_in(BufReader::new(table)))
            .map(|(_, inode)| inode)
            .collect();
        self.sockets().filter(|inode| listening.contains(inode)).collect()
    }

    fn sockets(&self) -> impl Iterator<Item = u64> + use<> {
        let entries = fs::read_dir(self.folder.join("fd")).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_process_is_known_by_what_it_listens_on() {
        let own = Process::new(std::process::id());
        let before = own.listeners();
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let _two = TcpListener::bind("[::1]:0").unwrap();
        let _client = TcpStream::connect(one.local_addr().unwrap()).unwrap();
        // Other tests of this process listen and stop listening meanwhile.
        assert!(own.listeners().difference(&before).count() >= 2);
        assert!(own.name().is_some());
        assert_eq!(own.parent(), Some(std::os::unix::process::parent_id()));
        assert!(!Process::all().contains(&own));
        let nobody = Process::new(u32::MAX);
        assert!(nobody.listeners().is_empty() && nobody.name().is_none());
        assert_eq!((nobody.parent(), nobody.pid()), (None, u32::MAX));
    }
}
