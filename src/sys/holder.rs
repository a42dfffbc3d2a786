//! Who listens on an address, found in `/proc` for the sake of a better error message. Best
//! effort: what may not be read is as good as not there, and nobody depends on the answer.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A process that listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command's name as the kernel keeps it: at most 15 bytes (`proc_pid_comm(5)`).
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The process whose listener keeps `address` from us; `None` if there is none, or if it is
/// another user's and we may not look.
pub fn holder_of(address: SocketAddr) -> Option<Holder> {
    holder_in(Path::new("/proc"), address)
}

fn holder_in(proc: &Path, address: SocketAddr) -> Option<Holder> {
    let sockets: Vec<String> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| File::open(proc.join(table)).ok())
        .map(|table| inodes_in_the_way(BufReader::new(table), address))
        // A listener of both families stands in the second table and matters if there is none
        // in the first.
        .find(|inodes| !inodes.is_empty())?
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    // In ascending order of ids: of a program's processes the oldest comes first, as a rule.
    fs::read_dir(proc).ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let process = entry.path();
        if !holds_any(&process, &sockets) {
            return None;
        }
        let name = fs::read_to_string(process.join("comm")).ok()?;
        Some(Holder { pid, name: name.trim_end().to_owned() })
    })
}

/// Whether one of the descriptors of `process` is one of `sockets`.
fn holds_any(process: &Path, sockets: &[String]) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| {
        target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target))
    })
}

/// The inodes of the listeners in a `/proc/net/tcp` or `tcp6` table that keep `address` from
/// being bound.
fn inodes_in_the_way(table: impl BufRead, address: SocketAddr) -> Vec<u64> {
    let is_in_the_way =
        |held: &SocketAddr| held.port() == address.port() && ips_conflict(held.ip(), address.ip());
    let listeners = listeners_in(table).into_iter();
    listeners.filter(|(held, _)| is_in_the_way(held)).map(|(_, inode)| inode).collect()
}

/// The listeners of such a table: where, and the inode.
pub(super) fn listeners_in(mut table: impl BufRead) -> Vec<(SocketAddr, u64)> {
    let mut listeners = Vec::new();
    let mut line = String::new();
    let mut is_head = true;
    while matches!(table.read_line(&mut line), Ok(len) if len > 0) {
        match listener(&line) {
            Some(listener) => listeners.push(listener),
            // The listeners come first; of the other sockets there may be a million.
            None if !is_head => break,
            None => is_head = false,
        }
        line.clear();
    }
    listeners
}

/// Where the socket of a line listens, and its inode, if it does (`proc_pid_net(5)`).
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    /// `TCP_LISTEN` of the kernel.
    const LISTENING: &str = "0A";
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (ip, port) = columns.next()?.split_once(':')?;
    let local = SocketAddr::new(ip_address(ip)?, u16::from_str_radix(port, 16).ok()?);
    // The peer stands before the state, and five more columns before the inode.
    let is_listening = columns.nth(1)? == LISTENING;
    let inode = columns.nth(5)?.parse().ok()?;
    is_listening.then_some((local, inode))
}

/// Whether a listener on `held` keeps `wanted` from being bound. `[::]` may stand for both
/// families when another program holds it, but never when we want it.
fn ips_conflict(held: IpAddr, wanted: IpAddr) -> bool {
    let held = held.to_canonical();
    if held.is_ipv4() != wanted.is_ipv4() {
        return wanted.is_ipv4() && held.is_unspecified();
    }
    held == wanted || held.is_unspecified() || wanted.is_unspecified()
}

/// An address as the table writes it: 32-bit words in hexadecimal, each in the byte order of
/// the machine.
fn ip_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (at, octets) in octets.chunks_exact_mut(4).enumerate() {
                octets.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::symlink;

    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 0100007F:1F91 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0
   broken";

    fn inodes(address: &str) -> Vec<u64> {
        inodes_in_the_way(TCP.as_bytes(), address.parse().unwrap())
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn listeners_of_the_address_or_a_wildcard_are_found() {
        assert_eq!(inodes("127.0.0.1:8080"), [111]);
        assert_eq!(inodes("0.0.0.0:8080"), [111]);
        assert_eq!(inodes("10.0.0.1:80"), [222]);
    }

    #[test]
    fn another_port_address_or_state_is_not_found() {
        assert!(inodes("127.0.0.1:8082").is_empty());
        assert!(inodes("10.0.0.1:8080").is_empty());
        assert!(inodes("127.0.0.1:8081").is_empty());
    }

    #[test]
    fn a_wildcard_of_both_families_is_in_the_way_of_version_4_alone() {
        let conflict =
            |held: &str, wanted: &str| ips_conflict(held.parse().unwrap(), wanted.parse().unwrap());
        assert!(conflict("::", "127.0.0.1"));
        assert!(conflict("::ffff:127.0.0.1", "0.0.0.0"));
        assert!(conflict("::1", "::"));
        assert!(!conflict("0.0.0.0", "::"));
        assert!(!conflict("::1", "0.0.0.0"));
        assert!(!conflict("::1", "::2"));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_read_word_by_word() {
        assert_eq!(ip_address("0100007F"), Some("127.0.0.1".parse().unwrap()));
        let loopback = "00000000000000000000000001000000";
        assert_eq!(ip_address(loopback), Some("::1".parse().unwrap()));
        for wrong in ["", "0100007", "0100007G", "\u{e9}\u{e9}\u{e9}\u{e9}"] {
            assert_eq!(ip_address(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_process_with_the_socket_is_named() {
        let proc = tempfile::tempdir().unwrap();
        let at = |path: &str| proc.path().join(path);
        for directory in ["net", "self", "41/fd", "42/fd"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("net/tcp"), TCP).unwrap();
        fs::write(at("42/comm"), "nginx\n").unwrap();
        symlink("socket:[11]", at("41/fd/3")).unwrap();
        symlink("socket:[222]", at("42/fd/3")).unwrap();
        let found = holder_in(proc.path(), "0.0.0.0:80".parse().unwrap()).unwrap();
        assert_eq!(found.to_string(), "nginx (pid 42)");
        assert_eq!(holder_in(proc.path(), "127.0.0.1:81".parse().unwrap()), None);
        assert_eq!(holder_in(&at("nowhere"), "127.0.0.1:80".parse().unwrap()), None);
    }

    #[test]
    fn our_own_listener_is_found_in_the_real_proc() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let holder = holder_of(listener.local_addr().unwrap()).unwrap();
            assert_eq!(holder.pid, std::process::id());
        }
    }
}
