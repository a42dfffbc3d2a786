//! Run-time settings with safe defaults, each with its reason, and their validation.
//! Knows nothing of where they were read from.

mod network;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use network::{Network, NetworkError, Origin};

use crate::limits;

/// Limits and deadlines of one worker. Every default is safe on an open network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Bytes of a request's head, its line included; beyond: 431. Default 16,384, as Node and
    /// half of nginx's; at most [`limits::HEAD_BYTES_MAX`].
    pub head_bytes_max: usize,
    /// Fields of a request's head; beyond: 431. Default and most: [`limits::FIELDS_MAX`].
    pub fields_max: usize,
    /// Bytes of a request's target; beyond: 414. Default 8,192: RFC 9112 section 3 recommends
    /// at least 8,000.
    pub target_bytes_max: usize,
    /// Bytes of a request's body; beyond: 413. Default 1 MiB, as nginx.
    pub body_bytes_max: u64,
    /// Bytes of a request's body that a sink takes in pieces; beyond: 413. Default 1 GiB: memory
    /// does not grow with it.
    pub upload_bytes_max: u64,
    /// Bytes of memory per worker for incomplete requests and unsent answers; beyond, requests
    /// that need any are answered 503. `None`, the default: half of the memory that the process
    /// may use, shared by the workers.
    pub memory_max: Option<u64>,
    /// Requests on one connection, the last of which closes it. Default 1,000,000: no client
    /// keeps a place for ever, and nobody notices.
    pub requests_max: u32,
    /// Open connections per worker; beyond: [`Settings::connections_full`]. `None`, the default:
    /// derived at start from the descriptor limit.
    pub connections_max: Option<usize>,
    /// What happens to newcomers at `connections_max`. Default [`WhenFull::Pause`]: another worker
    /// or a moment later may do, and a load balancer sees a slow answer, not a failed one.
    pub connections_full: WhenFull,
    /// Open connections per worker from which on each newcomer first ends the connection that has
    /// been idle longest, if one has been for a second. `None`, the default: seven eighths of
    /// `connections_max`; more than `connections_max`: never.
    pub connections_soft_max: Option<usize>,
    /// Open connections per worker from one address, or from one /64 of IPv6, which is what one
    /// customer has; beyond: closed, or answered 503 by [`Settings::connections_full`]. Addresses
    /// in `trusted_proxies` and `proxy_protocol_from` are not counted. `None`, the default: any
    /// number, for a large company may stand behind one address.
    pub connections_per_address_max: Option<usize>,
    /// Peers whose connections must begin with a PROXY header, version 1 or 2, within
    /// `head_time`: its source is then the peer. Everyone else speaks HTTP. Default: nobody.
    pub proxy_protocol_from: Vec<Network>,
    /// Peers that are believed when they say for whom they ask. Default: nobody, for anybody can
    /// write such a field.
    pub trusted_proxies: Vec<Network>,
    /// The field in which they say it. Default `X-Forwarded-For`, which nearly all of them write.
    pub client_address_field: ClientAddressField,
    /// Pipelined requests answered for one connection before the others have their turn.
    /// Default 64: a few hundred microseconds.
    pub pipelined_max: usize,
    /// From the first byte of a head (or the accept) to its last, in total and not per read;
    /// beyond: 408. Default 10 s; a slow-loris client holds its slot no longer.
    pub head_time: Duration,
    /// From the end of a head to the end of its body, in total; beyond: 408. Default 60 s: the
    /// largest body by default asks for 17 kB/s.
    pub body_time: Duration,
    /// Without a request on a kept-alive connection; beyond: closed. Default 75 s, above the
    /// 60 s of common load balancers, so that they and not we end an idle connection.
    pub idle_time: Duration,
    /// Without the kernel taking one byte of a waiting answer; beyond: closed. Default 30 s.
    pub send_time: Duration,
    /// From a promise to its answer, and from one piece of a streamed answer to the next that its
    /// source has; beyond: 504, or a cut. Default 30 s.
    pub later_time: Duration,
    /// How long requests may wait for a worker to come to them. When even the least wait of a
    /// whole `overload_interval` is longer, the worker is overloaded: requests that waited twice
    /// as long are answered 503 at once, but for vital ones ([`crate::Router::vital`]). Default
    /// 50 ms, which is far from what a worker with time left lets them wait; set it above the
    /// time of the slowest ordinary handler. `None`: never.
    pub overload_delay: Option<Duration>,
    /// How long waits must be too long before the worker is overloaded. Default 100 ms: a burst
    /// or a pause is over by then, or gets shorter.
    pub overload_interval: Duration,
    /// How long a connection is kept before its next answer closes it, less up to a tenth so that
    /// connections opened together do not end together. Default 1 h: load balancers find new
    /// workers, and changes of the DNS come through.
    pub lifetime_max: Duration,
    /// Bytes per second that a body must arrive with, on average over `rate_time`; beyond: 408.
    /// Default 240, as Kestrel; 0 for no such limit, and then none at all for bodies that go to a
    /// sink, which have no `body_time`.
    pub receive_rate_min: u32,
    /// Bytes per second that an answer must be taken with, on average over `send_time`; beyond:
    /// closed. Default 240; 0 for no such limit.
    pub send_rate_min: u32,
    /// How long a body may arrive slower than `receive_rate_min`, or not at all. Default 10 s.
    pub rate_time: Duration,
    /// Without the peer's kernel acknowledging what ours sent, or taking any of it; beyond: closed
    /// (`TCP_USER_TIMEOUT`). Default 30 s, as `send_time`; the kernel alone gives up after 15
    /// minutes, and holds the answer until then.
    pub user_timeout: Duration,
    /// From a closing answer to the close, while the peer's bytes are read and dropped so that
    /// the answer is not lost to a reset (RFC 9112 section 9.6). Default 2 s.
    pub linger_time: Duration,
    /// From the signal to stop to the begin of the drain: all are served as before, and `/readyz`
    /// of the admin listener answers 503, so that a load balancer sends no more before connections
    /// are refused. Default zero: at once.
    pub lame_duck: Duration,
    /// From the wish to stop to the end of the process; what still runs is then cut. Default
    /// 30 s.
    pub drain_time: Duration,
    /// How long a drain waits for another request on an idle connection before it closes it,
    /// so that a request already under way is answered instead of reset. Default 500 ms.
    pub drain_idle_time: Duration,
    /// Jobs that wait for a thread for blocking work, of all workers together; beyond, a job is
    /// given back at once. Default 1,024: of jobs of 10 ms on 16 threads, the last waits 0.6 s.
    pub blocking_queue_max: usize,
    /// A worker's turn that lasts longer is a stall: a handler blocks, and every connection of
    /// the worker waits. It is logged with worker and route, and counted. Default 75 ms, so that
    /// it is told within 100 ms; twice in that time a supervisor looks at workers that are not at
    /// rest. `None` watches nothing.
    pub stall_time: Option<Duration>,
    /// How connections are spread over the workers. Default [`Balance::Auto`]: the kernel's own
    /// hash gives the busiest of 8 workers half more than the mean of 64 connections.
    pub balance: Balance,
    /// Connections the kernel queues for each listener (`listen(2)`). Default 4,096; the kernel
    /// caps it at `net.core.somaxconn`.
    pub backlog: u32,
    /// Bytes of an answer that the kernel holds and has not yet sent (`TCP_NOTSENT_LOWAT`): the
    /// rest of a large answer waits with us. Default 16 KiB: a reader that stalls holds 56 KiB
    /// of the kernel's memory instead of 4 MiB. Where most answers have 64 KiB and more, 128 KiB
    /// saves them a second call. 0: as many as it wants.
    pub notsent_bytes: u32,
    /// Whether the kernel keeps a connection to itself until its first bytes have come, for at most
    /// about a second (`TCP_DEFER_ACCEPT`): one that carries a single request then takes one turn
    /// of its worker instead of two, and a quarter less CPU. Default off: silent connections meet
    /// their limits a second later, and those that have not spoken when a server ends are reset.
    pub defer_accept: bool,
    /// How long a worker polls for what is about to come before it sleeps: waking costs 10 to
    /// 40 µs, and most of the P50 of a lightly loaded server. It polls only while its waits have
    /// lately been shorter than this, so an idle server uses no processor time; at a tenth of the
    /// load it costs three times the CPU, at half of it 1.6 times. The worker's processor should be
    /// its own. Default zero: never.
    pub busy_poll: Duration,
    /// Of how many requests the stages of one are measured: kernel queue, parse, handler and write.
    /// Default 64: many for a percentile in seconds, for at most 2 % of the CPU. Above 0 the
    /// kernel stamps every packet of the machine with its time of arrival. 0 measures none; how
    /// long each connection waits within its turn is always measured.
    pub stage_sampling: u32,
    /// Whether answers tell what their requests took, in the field `Server-Timing`: `wait` for the
    /// worker, `parse` and `handler`, in milliseconds. Default off: anybody could learn from it
    /// which paths are slow, and it costs some 300 ns an answer.
    pub server_timing: bool,
    /// Value of the `Server` field; `None` leaves it out. Default `corelane`.
    pub server_name: Option<String>,
    /// The file in which every answer has a line, appended to; `-` is standard output. Default
    /// none: what clients asked is theirs, and the disk yours.
    pub access_log: Option<PathBuf>,
    /// How such a line is written. Default [`AccessLogFormat::Combined`], which every tool reads.
    pub access_log_format: AccessLogFormat,
    /// Of how many answers one has a line, drawn by lot. Default 1: all of them.
    pub access_log_sample: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            head_bytes_max: 16 * 1024,
            fields_max: limits::FIELDS_MAX,
            target_bytes_max: 8 * 1024,
            body_bytes_max: 1024 * 1024,
            upload_bytes_max: 1 << 30,
            memory_max: None,
            requests_max: 1_000_000,
            connections_max: None,
            connections_full: WhenFull::Pause,
            connections_soft_max: None,
            connections_per_address_max: None,
            proxy_protocol_from: Vec::new(),
            trusted_proxies: Vec::new(),
            client_address_field: ClientAddressField::XForwardedFor,
            pipelined_max: 64,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(75),
            send_time: Duration::from_secs(30),
            later_time: Duration::from_secs(30),
            overload_delay: Some(Duration::from_millis(50)),
            overload_interval: Duration::from_millis(100),
            lifetime_max: Duration::from_secs(60 * 60),
            receive_rate_min: 240,
            send_rate_min: 240,
            rate_time: Duration::from_secs(10),
            user_timeout: Duration::from_secs(30),
            linger_time: Duration::from_secs(2),
            lame_duck: Duration::ZERO,
            drain_time: Duration::from_secs(30),
            drain_idle_time: Duration::from_millis(500),
            blocking_queue_max: 1024,
            stall_time: Some(Duration::from_millis(75)),
            balance: Balance::Auto,
            backlog: 4096,
            notsent_bytes: 16 * 1024,
            defer_accept: false,
            busy_poll: Duration::ZERO,
            stage_sampling: 64,
            server_timing: false,
            server_name: Some("corelane".to_owned()),
            access_log: None,
            access_log_format: AccessLogFormat::Combined,
            access_log_sample: 1,
        }
    }
}

/// How a line of the access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// As Apache and nginx write it: the common log format with `Referer` and `User-Agent`.
    Combined,
    /// An object of JSON.
    Json,
}

/// What happens to newcomers while no more connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait in the kernel's queue until a connection ends.
    Pause,
    /// They are answered 503 with `Retry-After` and closed.
    Refuse,
}

/// How connections are spread over the workers of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// `Ebpf` where the kernel lets us, else `HandOver`.
    Auto,
    /// By the CPU that handles a connection's packets (`SO_INCOMING_CPU`), for pinned workers and a
    /// network card with a queue for each of their CPUs.
    Cpu,
    /// A program in the kernel gives each connection to the worker that has the fewest, queued ones
    /// counted. So a worker that is held up gets hardly any more. Takes `CAP_BPF`.
    Ebpf,
    /// As the kernel's hash has it; then a worker gives a new connection to one that has fewer,
    /// unless connections are short.
    HandOver,
    /// As the kernel's hash has it.
    Off,
    /// A program in the kernel gives each worker a connection in its turn. Takes `CAP_BPF`.
    RoundRobin,
}

impl Balance {
    /// All ways.
    pub const ALL: [Balance; 6] = [
        Balance::Auto,
        Balance::Cpu,
        Balance::Ebpf,
        Balance::HandOver,
        Balance::Off,
        Balance::RoundRobin,
    ];

    /// Its name in the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Balance::Auto => "auto",
            Balance::Cpu => "cpu",
            Balance::Ebpf => "ebpf",
            Balance::HandOver => "handoff",
            Balance::Off => "off",
            Balance::RoundRobin => "round-robin",
        }
    }
}

/// The field that trusted proxies add addresses to. Only one is ever read: a proxy that writes
/// the one passes the other on as its client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddressField {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

/// A setting whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The field of [`Settings`].
    pub name: &'static str,
    /// What is wrong with its value and what would do.
    pub reason: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Checks every value against its bounds.
    ///
    /// # Errors
    /// The first setting out of bounds.
    pub fn validate(&self) -> Result<(), SettingsError> {
        within("head_bytes_max", self.head_bytes_max, 256, limits::HEAD_BYTES_MAX)?;
        within("fields_max", self.fields_max, 1, limits::FIELDS_MAX)?;
        within("target_bytes_max", self.target_bytes_max, 1, self.head_bytes_max)?;
        if let Some(connections) = self.connections_max {
            within("connections_max", connections, 1, limits::CONNECTIONS_MAX)?;
        }
        within("requests_max", self.requests_max as usize, 1, u32::MAX as usize)?;
        if let Some(memory) = self.memory_max {
            let least = (2 * limits::BLOCK_BYTES) as u64;
            if memory < least {
                let reason = format!("{memory} is less than {least}");
                return Err(SettingsError { name: "memory_max", reason });
            }
        }
        if let Some(connections) = self.connections_soft_max {
            within("connections_soft_max", connections, 1, limits::CONNECTIONS_MAX)?;
        }
        if let Some(connections) = self.connections_per_address_max {
            within("connections_per_address_max", connections, 1, limits::CONNECTIONS_MAX)?;
        }
        within("proxy_protocol_from", self.proxy_protocol_from.len(), 0, limits::NETWORKS_MAX)?;
        within("trusted_proxies", self.trusted_proxies.len(), 0, limits::NETWORKS_MAX)?;
        within("notsent_bytes", self.notsent_bytes as usize, 0, 1 << 30)?;
        let most = limits::BUSY_POLL_MAX_US as usize;
        within("busy_poll", self.busy_poll.as_micros() as usize, 0, most)?;
        within("pipelined_max", self.pipelined_max, 1, 1 << 20)?;
        within("backlog", self.backlog as usize, 1, 1 << 20)?;
        within("blocking_queue_max", self.blocking_queue_max, 0, 1 << 20)?;
        within("access_log_sample", self.access_log_sample as usize, 1, 1 << 30)?;
        for (name, time) in [
            ("head_time", self.head_time),
            ("body_time", self.body_time),
            ("idle_time", self.idle_time),
            ("send_time", self.send_time),
            ("later_time", self.later_time),
            ("overload_interval", self.overload_interval),
            ("lifetime_max", self.lifetime_max),
            ("rate_time", self.rate_time),
            ("user_timeout", self.user_timeout),
            ("linger_time", self.linger_time),
            ("drain_time", self.drain_time),
            ("drain_idle_time", self.drain_idle_time),
        ] {
            time_within(name, time)?;
        }
        if !self.lame_duck.is_zero() {
            time_within("lame_duck", self.lame_duck)?;
        }
        self.stall_time.map_or(Ok(()), |time| time_within("stall_time", time))?;
        self.overload_delay.map_or(Ok(()), |time| time_within("overload_delay", time))?;
        self.server_name.as_deref().map_or(Ok(()), server_name_is_field_value)
    }
}

fn within(
    name: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<(), SettingsError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(SettingsError { name, reason: format!("{value} is not between {least} and {most}") })
}

/// The longest time a setting may name: a day.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn time_within(name: &'static str, time: Duration) -> Result<(), SettingsError> {
    if time >= Duration::from_millis(1) && time <= TIME_MAX {
        return Ok(());
    }
    let millis = time.as_secs().saturating_mul(1000) + u64::from(time.subsec_millis());
    let reason = format!("{millis} ms is not between 1 ms and 24 h");
    Err(SettingsError { name, reason })
}

fn server_name_is_field_value(value: &str) -> Result<(), SettingsError> {
    if !value.is_empty() && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(SettingsError {
        name: "server_name",
        reason: format!("{value:?} is not a field value: visible ASCII and spaces only"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Settings::default().validate(), Ok(()));
    }

    #[test]
    fn a_value_out_of_bounds_names_its_setting() {
        let settings = Settings { head_bytes_max: 1 << 20, ..Settings::default() };
        assert_eq!(settings.validate().unwrap_err().name, "head_bytes_max");
        let settings = Settings { idle_time: Duration::ZERO, ..Settings::default() };
        assert_eq!(settings.validate().unwrap_err().name, "idle_time");
        let settings = Settings { server_name: Some("a\r\nb".into()), ..Settings::default() };
        assert_eq!(settings.validate().unwrap_err().name, "server_name");
    }
}
