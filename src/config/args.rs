//! The flags of `serve` as they are written, with their variables, defaults and help.
//! Checks each value alone; what values mean together is not known here.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;

use super::access_log_args::AccessLogArgs;
use super::choices::{AddressField, Full, LogFormat, LogLevel, ReportFormat, Switch};
use super::files_args::FilesArgs;
use super::values::{
    AdminAddress, BalanceName, Polling, Size, Time, listen_address, network, number, workers,
};
use crate::settings::{Network, Settings};

/// One flag for each field of [`Settings`], and what concerns the program alone.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Where the settings without flag or variable come from
    ///
    /// A TOML file whose keys are these flags without their dashes, and the routes. Without this,
    /// /etc/corelane/corelane.toml if there is one. `corelane config default` prints one.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Listen here; may be repeated
    ///
    /// 127.0.0.1:8080, [::1]:8080 or localhost:8080 (a name's first IPv4 address or else its
    /// first). :8080 or 8080 alone is every IPv4 address, [::]:8080 every IPv6 address. Port 0
    /// lets the kernel choose.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_LISTEN", value_name = "ADDR", value_parser = listen_address)]
    #[arg(value_delimiter = ',', default_value = "127.0.0.1:8080")]
    pub(super) listen: Vec<SocketAddr>,

    /// Where to show health, metrics and a live page
    ///
    /// Such as 9090 or 127.0.0.1:9090; a port alone is on 127.0.0.1. It is for operators: anybody
    /// who reaches it may read it, so name another address only behind a firewall.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_ADMIN", value_name = "ADDR|off", default_value = "off")]
    pub(super) admin: AdminAddress,

    /// Worker threads [default: one for each CPU that may be used]
    #[arg(long, env = "CORELANE_WORKERS", value_name = "N", value_parser = workers)]
    pub(super) workers: Option<NonZeroUsize>,

    /// Whether each worker stays on its own CPU
    #[arg(long, env = "CORELANE_PIN", value_name = "on|off", default_value = "on")]
    pub(super) pin: Switch,

    /// What to print at the end, on standard output
    #[arg(long, env = "CORELANE_REPORT", value_name = "text|json|none", default_value = "text")]
    pub(super) report: ReportFormat,

    /// Where to write the distribution of service times at the end
    ///
    /// HdrHistogram's percentile format, in milliseconds, of all workers together.
    #[arg(long, env = "CORELANE_HGRM", value_name = "FILE")]
    pub(super) hgrm: Option<PathBuf>,

    /// What is logged
    #[arg(long, env = "CORELANE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: LogLevel,

    /// How it is logged
    #[arg(long, env = "CORELANE_LOG_FORMAT", value_name = "text|json", default_value = "text")]
    pub(super) log_format: LogFormat,

    /// Where it is logged [default: standard error]
    ///
    /// Lines are appended. SIGUSR1 opens it anew, for who renamed it.
    #[arg(long, env = "CORELANE_LOG_FILE", value_name = "FILE")]
    pub(super) log_file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) access_log: AccessLogArgs,

    #[command(flatten)]
    pub(super) files: FilesArgs,

    /// Bytes of a request's head; beyond: 431
    #[arg(long, env = "CORELANE_HEAD_BYTES_MAX", value_name = "SIZE", help_heading = LIMITS)]
    #[arg(default_value_t = size(DEFAULTS.head_bytes_max))]
    pub(super) head_bytes_max: Size,

    /// Fields of a request's head; beyond: 431
    #[arg(long, env = "CORELANE_FIELDS_MAX", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<usize>, default_value_t = DEFAULTS.fields_max)]
    pub(super) fields_max: usize,

    /// Bytes of a request's target; beyond: 414
    ///
    /// Where a smaller --head-bytes-max is given and this is not, this is as small.
    #[arg(long, env = "CORELANE_TARGET_BYTES_MAX", value_name = "SIZE", help_heading = LIMITS)]
    #[arg(default_value_t = size(DEFAULTS.target_bytes_max))]
    pub(super) target_bytes_max: Size,

    /// Bytes of a request's body; beyond: 413
    #[arg(long, env = "CORELANE_BODY_BYTES_MAX", value_name = "SIZE", help_heading = LIMITS)]
    #[arg(default_value_t = Size(DEFAULTS.body_bytes_max))]
    pub(super) body_bytes_max: Size,

    /// Bytes of a body taken in pieces; beyond: 413
    #[arg(long, env = "CORELANE_UPLOAD_BYTES_MAX", value_name = "SIZE")]
    #[arg(help_heading = LIMITS, default_value_t = Size(DEFAULTS.upload_bytes_max))]
    pub(super) upload_bytes_max: Size,

    /// Memory per worker; beyond: 503 [default: a share]
    ///
    /// For incomplete requests and unsent answers. By default the workers share half of what the
    /// process may use, by its control group or else the machine.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_MEMORY_MAX", value_name = "SIZE", help_heading = LIMITS)]
    pub(super) memory_max: Option<Size>,

    /// Requests on one connection
    ///
    /// The last of them closes it.
    #[arg(long, env = "CORELANE_REQUESTS_MAX", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<u32>, default_value_t = DEFAULTS.requests_max)]
    pub(super) requests_max: u32,

    /// Bytes per second a body must come with; else 408
    ///
    /// On average over --rate-time; 0 for no limit.
    #[arg(long, env = "CORELANE_RECEIVE_RATE_MIN", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<u32>, default_value_t = DEFAULTS.receive_rate_min)]
    pub(super) receive_rate_min: u32,

    /// Bytes per second an answer must be taken with
    ///
    /// On average over --send-time; a slower client is closed; 0 for no limit.
    #[arg(long, env = "CORELANE_SEND_RATE_MIN", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<u32>, default_value_t = DEFAULTS.send_rate_min)]
    pub(super) send_rate_min: u32,

    /// Most per worker [default: from the descriptor limit]
    ///
    /// Beyond, --connections-full says what happens.
    #[arg(long, env = "CORELANE_CONNECTIONS_MAX", value_name = "N", help_heading = CONNECTIONS)]
    #[arg(value_parser = number::<usize>)]
    pub(super) connections_max: Option<usize>,

    /// What newcomers meet at that limit
    ///
    /// pause: they wait in the kernel's queue until a connection ends. refuse: they are answered
    /// 503 with Retry-After and closed.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_CONNECTIONS_FULL", value_name = "HOW")]
    #[arg(help_heading = CONNECTIONS, default_value = "pause")]
    pub(super) connections_full: Full,

    /// Then newcomers end idle ones [default: 7/8 of them]
    ///
    /// Each ends the one that has been idle longest, if for a second or more.
    #[arg(long, env = "CORELANE_CONNECTIONS_SOFT_MAX", value_name = "N", help_heading = CONNECTIONS)]
    #[arg(value_parser = number::<usize>)]
    pub(super) connections_soft_max: Option<usize>,

    /// Most per worker and address [default: any number]
    ///
    /// An address is one of IPv4 or a /64 of IPv6; the proxies below are not counted. Beyond,
    /// newcomers are closed, or answered 503 by --connections-full refuse.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_CONNECTIONS_PER_ADDRESS_MAX", value_name = "N")]
    #[arg(help_heading = CONNECTIONS, value_parser = number::<usize>)]
    pub(super) connections_per_address_max: Option<usize>,

    /// Pipelined requests of one connection in a row
    ///
    /// Then the others have their turn.
    #[arg(long, env = "CORELANE_PIPELINED_MAX", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<usize>, default_value_t = DEFAULTS.pipelined_max)]
    pub(super) pipelined_max: usize,

    /// How connections are spread over the workers
    ///
    /// ebpf: to the worker with the fewest, by a program in the kernel (needs CAP_BPF).
    /// handoff: workers give new ones to those with fewer. round-robin: in turns (CAP_BPF).
    /// cpu: by the CPU that handles their packets. off: by the kernel's hash. auto: ebpf where
    /// it may be, else handoff.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_BALANCE", value_name = "WAY", help_heading = CONNECTIONS)]
    #[arg(default_value_t = BalanceName(DEFAULTS.balance))]
    pub(super) balance: BalanceName,

    /// Connections the kernel queues for each listener
    ///
    /// The kernel caps it at net.core.somaxconn.
    #[arg(long, env = "CORELANE_BACKLOG", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<u32>, default_value_t = DEFAULTS.backlog)]
    pub(super) backlog: u32,

    /// Bytes of an answer in the kernel and not yet sent
    ///
    /// The rest of a large answer waits with us, so that a client that reads slowly holds little
    /// of the kernel's memory. 0: as many as it wants.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_NOTSENT_BYTES", value_name = "SIZE", help_heading = LIMITS)]
    #[arg(default_value_t = Size(u64::from(DEFAULTS.notsent_bytes)))]
    pub(super) notsent_bytes: Size,

    /// Whether silent connections wait in the kernel
    ///
    /// For a second. Saves a quarter of the CPU where each connection carries one request;
    /// silent ones then meet their limits a second later.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_DEFER_ACCEPT", value_name = "on|off", help_heading = LIMITS)]
    #[arg(default_value = "off")]
    pub(super) defer_accept: Switch,

    /// How long a worker polls before it sleeps, in µs
    ///
    /// Only while its waits are that short: an idle server sleeps. Answers come sooner, at
    /// three times the CPU at a tenth of the load. Each worker should have its CPU for itself.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_BUSY_POLL", value_name = "off|auto|US", help_heading = LIMITS)]
    #[arg(default_value_t = Polling(DEFAULTS.busy_poll))]
    pub(super) busy_poll: Polling,

    /// Jobs that wait for a thread for blocking work
    ///
    /// Beyond, a job is given back to the handler that has it.
    #[arg(long, env = "CORELANE_BLOCKING_QUEUE_MAX", value_name = "N", help_heading = LIMITS)]
    #[arg(value_parser = number::<usize>, default_value_t = DEFAULTS.blocking_queue_max)]
    pub(super) blocking_queue_max: usize,

    /// Longest wait for a whole head; beyond: 408
    #[arg(long, env = "CORELANE_HEAD_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.head_time))]
    pub(super) head_time: Time,

    /// Longest wait for a whole body; beyond: 408
    #[arg(long, env = "CORELANE_BODY_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.body_time))]
    pub(super) body_time: Time,

    /// Longest wait for the next request of a connection
    ///
    /// Keep it above the idle time of a load balancer in front, so that the balancer is the one
    /// that ends an idle connection.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_IDLE_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.idle_time))]
    pub(super) idle_time: Time,

    /// Longest wait for a client to take a byte
    #[arg(long, env = "CORELANE_SEND_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.send_time))]
    pub(super) send_time: Time,

    /// Longest wait for a promised answer; beyond: 504
    ///
    /// And for the next piece of a streamed one; beyond, it is cut.
    #[arg(long, env = "CORELANE_LATER_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.later_time))]
    pub(super) later_time: Time,

    /// Longest wait for a busy worker; beyond: 503
    ///
    /// When requests wait longer than this for a whole --overload-interval, those that waited
    /// twice as long are answered 503 until it is over; 0s for never.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_OVERLOAD_DELAY", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.overload_delay.unwrap_or_default()))]
    pub(super) overload_delay: Time,

    /// How long waits are too long before a 503
    ///
    /// A burst or a pause is over by then.
    #[arg(long, env = "CORELANE_OVERLOAD_INTERVAL", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.overload_interval))]
    pub(super) overload_interval: Time,

    /// Longest life of a connection, less up to a tenth
    #[arg(long, env = "CORELANE_LIFETIME_MAX", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.lifetime_max))]
    pub(super) lifetime_max: Time,

    /// How long a body may come too slowly; beyond: 408
    #[arg(long, env = "CORELANE_RATE_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.rate_time))]
    pub(super) rate_time: Time,

    /// Longest wait for a client's kernel to answer
    ///
    /// A client that vanished is given up then (TCP_USER_TIMEOUT).
    #[arg(long, env = "CORELANE_USER_TIMEOUT", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.user_timeout))]
    pub(super) user_timeout: Time,

    /// How long to drop late bytes after a closing answer
    ///
    /// Without this a reset could overtake the answer (RFC 9112 section 9.6).
    #[arg(long, env = "CORELANE_LINGER_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.linger_time))]
    pub(super) linger_time: Time,

    /// How long to serve on, not ready, before a drain
    ///
    /// From the signal on /readyz of --admin answers 503, so that a load balancer sends no more.
    #[arg(long, env = "CORELANE_LAME_DUCK", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.lame_duck))]
    pub(super) lame_duck: Time,

    /// Longest time from the wish to stop to the end
    ///
    /// What still runs then is cut.
    #[arg(long, env = "CORELANE_DRAIN_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.drain_time))]
    pub(super) drain_time: Time,

    /// How long a drain still waits on idle connections
    ///
    /// So that a request already under way is answered and not reset.
    #[arg(long, env = "CORELANE_DRAIN_IDLE_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.drain_idle_time))]
    pub(super) drain_idle_time: Time,

    /// Longest turn of a worker; a longer one is logged
    ///
    /// The log names the worker and the route, and the report counts. 0s watches nothing.
    #[arg(long, env = "CORELANE_STALL_TIME", value_name = "TIME", help_heading = TIMES)]
    #[arg(default_value_t = Time(DEFAULTS.stall_time.unwrap_or_default()))]
    pub(super) stall_time: Time,

    /// Peers that begin with a PROXY header
    ///
    /// Addresses or networks such as 10.0.0.0/8; may be repeated. The source in the header,
    /// version 1 or 2, is then the peer; a connection without one is closed.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_PROXY_PROTOCOL_FROM", value_name = "NETWORK")]
    #[arg(help_heading = PROXIES, value_parser = network, value_delimiter = ',')]
    pub(super) proxy_protocol_from: Vec<Network>,

    /// Peers believed when they say for whom they ask
    ///
    /// Addresses or networks such as 10.0.0.0/8; may be repeated.
    #[arg(long, env = "CORELANE_TRUSTED_PROXIES", value_name = "NETWORK")]
    #[arg(help_heading = PROXIES, value_parser = network, value_delimiter = ',')]
    pub(super) trusted_proxies: Vec<Network>,

    /// The field they say it in
    #[arg(long, env = "CORELANE_CLIENT_ADDRESS_FIELD", value_name = "FIELD")]
    #[arg(help_heading = PROXIES, default_value = "x-forwarded-for")]
    pub(super) client_address_field: AddressField,

    /// Whether answers are compressed if a client takes it
    ///
    /// In gzip (zstd and brotli where they were built in): text and the like from 1 KiB on. Off,
    /// for it takes CPU time, and tells strangers the length of what is secret in a page beside
    /// what they chose (BREACH). A [[route]] may have its own `compress`.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_COMPRESS", value_name = "on|off", help_heading = ANSWERS)]
    #[arg(default_value = "off")]
    pub(super) compress: Switch,

    /// Of how many requests the stages of one are timed
    ///
    /// Kernel queue, parse, handler and write, in the report at the end; 0 times none.
    #[arg(long, env = "CORELANE_STAGE_SAMPLING", value_name = "N", help_heading = ANSWERS)]
    #[arg(value_parser = number::<u32>, default_value_t = DEFAULTS.stage_sampling)]
    pub(super) stage_sampling: u32,

    /// Whether answers tell what they took (Server-Timing)
    ///
    /// All answers of handlers then carry `Server-Timing: wait;dur=…, parse;dur=…, handler;dur=…`
    /// in milliseconds, which browsers show.
    #[arg(verbatim_doc_comment)]
    #[arg(long, env = "CORELANE_SERVER_TIMING", value_name = "on|off", help_heading = ANSWERS)]
    #[arg(default_value = "off")]
    pub(super) server_timing: Switch,

    /// Value of the Server field; empty leaves it out
    #[arg(long, env = "CORELANE_SERVER_NAME", value_name = "NAME", help_heading = ANSWERS)]
    #[arg(default_value_t = DEFAULTS.server_name.clone().unwrap_or_default())]
    pub(super) server_name: String,
}

const LIMITS: &str = "Limits";
const CONNECTIONS: &str = "Connections";
const TIMES: &str = "Times";
const PROXIES: &str = "Proxies";
const ANSWERS: &str = "Answers";

pub(super) static DEFAULTS: LazyLock<Settings> = LazyLock::new(Settings::default);

fn size(bytes: usize) -> Size {
    Size(bytes as u64)
}

/// The variable that stands for a flag, which is named without its dashes.
pub(super) fn variable(name: &str) -> String {
    format!("CORELANE_{}", name.replace('-', "_").to_uppercase())
}
