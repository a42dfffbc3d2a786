//! What the kernel tells of a machine and of this process in files, read once below a root that is
//! a parameter. What cannot be read is said with the reason, never guessed. Judges nothing.

mod files;
mod network;
mod process;
mod processors;

use std::collections::BTreeMap;
use std::path::Path;

use self::files::Files;
pub use self::files::{Fact, Unknown};
pub use self::network::{Device, Interrupt, Queue, Softnet, TcpFigures, Tracked};
pub use self::process::{BpfRights, Quota};
pub use self::processors::IdleState;
use super::machine::facts_in;
use super::resource::DescriptorLimit;

/// One file that holds a setting, by its path below the root, and what stands in it.
pub type Setting = (String, Fact<String>);

/// A machine as this process sees it.
#[derive(Debug)]
pub struct Survey {
    /// Kernel, processor and the like, for the head of a report; best effort.
    pub machine: Vec<(&'static str, String)>,
    /// Asked for by pattern: the files that fit, one or more, or why there are none.
    pub settings: BTreeMap<String, Fact<Vec<Setting>>>,
    /// The limit on descriptors of this process.
    pub descriptors: Fact<DescriptorLimit>,
    /// Processors that are online.
    pub online: Fact<Vec<usize>>,
    /// Processors that this process may use.
    pub allowed: Fact<Vec<usize>>,
    /// What its control groups grant it.
    pub quota: Fact<Quota>,
    /// Whether it may load the program that places connections.
    pub bpf: Fact<BpfRights>,
    /// The processors of each core.
    pub cores: Fact<Vec<Vec<usize>>>,
    /// The processors of each node of memory.
    pub nodes: Fact<Vec<Vec<usize>>>,
    /// What drives the frequency of processor 0.
    pub frequency_driver: Fact<String>,
    /// The states in which processor 0 may idle.
    pub idle_states: Fact<Vec<IdleState>>,
    /// Weaknesses of the processor and what the kernel does about each.
    pub weaknesses: Fact<Vec<(String, String)>>,
    /// Network devices with hardware behind them.
    pub devices: Fact<Vec<Device>>,
    /// Whether `irqbalance` runs.
    pub has_irqbalance: Fact<bool>,
    /// What the network's part of each processor has counted.
    pub softnet: Fact<Vec<Softnet>>,
    /// What TCP has counted, and its memory.
    pub tcp: Fact<TcpFigures>,
    /// Connections that netfilter tracks; `None` where it tracks none.
    pub tracked: Fact<Option<Tracked>>,
    /// Places to swap to.
    pub swaps: Fact<usize>,
}

impl Survey {
    /// Reads the machine below `root`, which is `/` but for tests. `settings` are paths below it
    /// in which one part may hold a `*`.
    pub fn of(root: &Path, settings: &[String]) -> Survey {
        let files = Files::below(root);
        let read = settings.iter().map(|pattern| (pattern.clone(), files.matching(pattern)));
        Survey {
            machine: facts_in(root),
            settings: read.collect(),
            descriptors: process::descriptors(&files),
            online: files.cpu_list("sys/devices/system/cpu/online"),
            allowed: process::allowed(&files),
            quota: process::quota(&files, root),
            bpf: process::bpf_rights(&files),
            cores: processors::cores(&files),
            nodes: processors::nodes(&files),
            frequency_driver: files.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"),
            idle_states: processors::idle_states(&files),
            weaknesses: processors::weaknesses(&files),
            devices: network::devices(&files),
            has_irqbalance: process::runs(&files, "irqbalance"),
            softnet: network::softnet(&files),
            tcp: network::tcp_figures(&files),
            tracked: network::tracked(&files),
            swaps: process::swaps(&files),
        }
    }
}
