//! The kernel: the only libc and, but for the byte scanner in `wire`, the only `unsafe`.
//! Knows no HTTP and not what the bytes mean.

mod accept_failure;
mod accept_queue;
mod affinity;
mod append;
mod bpf;
mod busy_poll;
mod cgroup;
mod cpu;
mod cycles;
mod directory;
mod epoll;
mod eventfd;
mod fd_pass;
mod files;
mod holder;
mod inherited;
mod kernel;
mod linux;
mod listener;
mod machine;
mod poll;
mod process;
mod resource;
mod servers;
mod signal;
mod stamp;
mod steering;
mod stream;
#[cfg(feature = "doctor")]
mod survey;
mod syscall;
mod tcp_ext;
mod tuning;

pub use accept_failure::AcceptFailure;
pub use accept_queue::{AcceptQueue, ListenFailures, accept_queues, listen_failures, socket_inode};
pub use affinity::Affinity;
pub use append::{append_patiently_to, append_to, write_most};
pub use cpu::{CpuPlan, pin_current_thread, worker_cpus};
pub use directory::{Listed, ListedFile};
pub use epoll::Epoll;
pub use eventfd::EventFd;
pub use fd_pass::{Channel, PASSED_MAX, send_passing};
pub use files::{Facts, OpenFile, Opened, Root, read_ahead};
pub use holder::{Holder, holder_of};
pub use inherited::inherited_descriptors;
pub use kernel::{Interest, Kernel, Readiness, Token, Wake};
pub use linux::Linux;
pub use listener::{BindError, Listener};
pub use machine::{machine_facts, pinned_cpus};
pub use poll::{PollSet, WaitFor, Woke};
pub use process::ProcessFacts;
pub use resource::{
    DescriptorLimit, descriptor_limit, memory_limit, monotonic_time, raise_descriptor_limit,
    thread_cpu_time,
};
pub use servers::Process;
pub use signal::{Signal, Signals, Woken, send_signal};
pub use steering::{Choice, LoadCell, Steering};
pub use stream::Stream;
#[cfg(feature = "doctor")]
pub use survey::{
    BpfRights, Device, Fact, IdleState, Interrupt, Queue, Quota, Setting, Softnet, Survey,
    TcpFigures, Tracked, Unknown,
};
pub use tuning::Tuning;
