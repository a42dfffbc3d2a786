//! Network devices with their queues and interrupts, and the counters of the network, as `/proc`
//! and `/sys` tell them. Knows not what is good.

use super::super::tcp_ext::TcpExt;
use super::files::{Fact, Files, Unknown};

/// A network device with hardware, or a hypervisor's, behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// As `ip link` shows it.
    pub name: String,
    /// Queues by which packets come, with the processors that RPS gives them to.
    pub receive: Vec<Queue>,
    /// Queues by which packets go, with the processors that XPS takes them from.
    pub send: Vec<Queue>,
    /// Interrupts of its queues; empty where they are not to be told from others.
    pub interrupts: Vec<Interrupt>,
}

/// A queue of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `rx-0` and the like.
    pub name: String,
    /// The processors of its mask.
    pub cpus: Fact<Vec<usize>>,
}

/// An interrupt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// Its number.
    pub number: u32,
    /// Who asked for it, as `/proc/interrupts` shows it.
    pub name: String,
    /// Where it comes to.
    pub cpus: Fact<Vec<usize>>,
}

/// A line of `/proc/net/softnet_stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softnet {
    /// Packets taken.
    pub processed: u64,
    /// Packets dropped because the queue was full.
    pub dropped: u64,
    /// Times when the budget was used up and packets were left.
    pub squeezed: u64,
}

/// Counters and memory of TCP in this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFigures {
    /// Connections that found a listener's queue full.
    pub listen_overflows: u64,
    /// Those and others that a listener dropped.
    pub listen_drops: u64,
    /// Connections that were to be kept in TIME_WAIT and were not.
    pub time_wait_overflows: u64,
    /// Times when TCP's memory came to the mark of pressure.
    pub memory_pressures: u64,
    /// Pages that TCP holds.
    pub pages: u64,
}

/// Connections that netfilter tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// How many.
    pub count: u64,
    /// How many there may be.
    pub max: u64,
}

const CLASS: &str = "sys/class/net";

pub(super) fn devices(files: &Files) -> Fact<Vec<Device>> {
    // Virtual devices have no `device`: they have no interrupts and no queues to place.
    let is_real = |name: &String| files.has(&format!("{CLASS}/{name}/device"));
    let is_up = |name: &String| {
        files.read(&format!("{CLASS}/{name}/operstate")).is_ok_and(|state| state != "down")
    };
    let interrupts = files.read("proc/interrupts");
    let names = files.names(CLASS)?.into_iter().filter(is_real).filter(is_up);
    names.map(|name| device(files, name, interrupts.as_deref().unwrap_or_default())).collect()
}

fn device(files: &Files, name: String, interrupts: &str) -> Fact<Device> {
    let folder = format!("{CLASS}/{name}/queues");
    let queues = files.names(&folder)?;
    let of = |prefix: &str, mask: &str| -> Vec<Queue> {
        let names = queues.iter().filter(|queue| queue.starts_with(prefix));
        let cpus = |queue: &String| files.cpu_mask(&format!("{folder}/{queue}/{mask}"));
        names.map(|queue| Queue { name: queue.clone(), cpus: cpus(queue) }).collect()
    };
    let (receive, send) = (of("rx-", "rps_cpus"), of("tx-", "xps_cpus"));
    // A virtio device hangs below the PCI device that has the interrupts.
    let own = ["device/msi_irqs", "device/../msi_irqs"];
    let numbers = own.iter().find_map(|path| files.names(&format!("{CLASS}/{name}/{path}")).ok());
    let numbers = numbers.unwrap_or_default().into_iter().filter_map(|it| it.parse().ok());
    let interrupts = numbers.filter_map(|number| interrupt(files, number, interrupts));
    Ok(Device { receive, send, interrupts: interrupts.collect(), name })
}

/// Words in the names of interrupts that are not those of receive queues: of the device as a
/// whole, or of queues that send only.
const OTHERS: [&str; 11] = [
    "config", "mgmnt", "async", "misc", "control", "ctrl", "fdir", "health", "output", "-tx-",
    "admin",
];

/// The interrupt, if it is that of a queue by which packets come.
fn interrupt(files: &Files, number: u32, interrupts: &str) -> Option<Interrupt> {
    let prefix = format!("{number}:");
    let line = interrupts.lines().find(|line| line.trim_start().starts_with(&prefix))?;
    let name = line.split_whitespace().last()?.to_owned();
    let lower = name.to_lowercase();
    let is_other = OTHERS.iter().any(|word| lower.contains(word)) && !lower.contains("-rx-");
    if is_other {
        return None;
    }
    let folder = format!("proc/irq/{number}");
    let effective = files.cpu_list(&format!("{folder}/effective_affinity_list"));
    let cpus = effective.or_else(|_| files.cpu_list(&format!("{folder}/smp_affinity_list")));
    Some(Interrupt { number, name, cpus })
}

impl Files {
    /// A file with a mask of processors: hexadecimal words of 32 bits between commas.
    fn cpu_mask(&self, path: &str) -> Fact<Vec<usize>> {
        let text = self.read(path)?;
        let mut cpus = Vec::new();
        for (index, word) in text.rsplit(',').enumerate() {
            let bits = u32::from_str_radix(word, 16).map_err(|_| Unknown::form(path))?;
            let set = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1);
            cpus.extend(set.map(|bit| index * u32::BITS as usize + bit as usize));
        }
        Ok(cpus)
    }
}

pub(super) fn softnet(files: &Files) -> Fact<Vec<Softnet>> {
    const PATH: &str = "proc/net/softnet_stat";
    let text = files.read(PATH)?;
    let lines = text.lines().map(|line| {
        let mut words = line.split(' ').map(|word| u64::from_str_radix(word, 16).ok());
        let mut next = || words.next().flatten();
        Some(Softnet { processed: next()?, dropped: next()?, squeezed: next()? })
    });
    lines.collect::<Option<Vec<_>>>().ok_or_else(|| Unknown::form(PATH))
}

pub(super) fn tcp_figures(files: &Files) -> Fact<TcpFigures> {
    const NETSTAT: &str = "proc/net/netstat";
    const SOCKSTAT: &str = "proc/net/sockstat";
    let text = files.read(NETSTAT)?;
    let counters = TcpExt::of(&text).ok_or_else(|| Unknown::form(NETSTAT))?;
    let counter = |name: &str| counters.count(name).ok_or_else(|| Unknown::form(NETSTAT));
    let sockets = files.read(SOCKSTAT)?;
    let line = sockets.lines().find_map(|line| line.strip_prefix("TCP: "));
    let mut words = line.unwrap_or_default().split(' ').skip_while(|word| *word != "mem");
    let pages = words.nth(1).and_then(|pages| pages.parse().ok());
    Ok(TcpFigures {
        listen_overflows: counter("ListenOverflows")?,
        listen_drops: counter("ListenDrops")?,
        time_wait_overflows: counter("TCPTimeWaitOverflow")?,
        memory_pressures: counter("TCPMemoryPressures")?,
        pages: pages.ok_or_else(|| Unknown::form(SOCKSTAT))?,
    })
}

pub(super) fn tracked(files: &Files) -> Fact<Option<Tracked>> {
    const FOLDER: &str = "proc/sys/net/netfilter";
    // The folder of all sysctls of the network is there wherever they can be read at all.
    files.names("proc/sys/net")?;
    let count = format!("{FOLDER}/nf_conntrack_count");
    if !files.has(&count) {
        return Ok(None);
    }
    let max = files.number(&format!("{FOLDER}/nf_conntrack_max"))?;
    Ok(Some(Tracked { count: files.number(&count)?, max }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_count_from_the_right() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::below(root.path());
        for (mask, cpus) in [("3", vec![0, 1]), ("00000001,80000000", vec![31, 32]), ("0", vec![])]
        {
            std::fs::write(root.path().join("mask"), mask).unwrap();
            assert_eq!(files.cpu_mask("mask"), Ok(cpus));
        }
    }
}
