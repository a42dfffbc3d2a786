//! Raw arguments, variables and a file in, a validated command out. Knows nothing of workers and
//! of what runs the command, prints nothing and ends no process.

mod access_log_args;
mod args;
#[cfg(feature = "bench")]
mod bench_args;
mod choices;
mod commands;
#[cfg(feature = "doctor")]
mod doctor_args;
mod file;
mod file_options;
mod files_args;
mod health_args;
mod help;
mod merge;
mod routes;
#[cfg(feature = "bench")]
mod source_addresses;
mod told;
mod upgrade_args;
mod url;
mod usage;
mod values;
mod version;

use std::ffi::OsString;
#[cfg(feature = "bench")]
use std::net::IpAddr;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use self::args::ServeArgs;
#[cfg(feature = "bench")]
pub use self::bench_args::{BenchOrder, Condition, FieldLine, ReportOrder};
use self::choices::Switch;
pub use self::choices::{LogFormat, LogLevel, ReportFormat};
use self::commands::{Args, ConfigWhat, SubcommandArgs};
#[cfg(feature = "doctor")]
pub use self::doctor_args::DoctorOrder;
pub use self::health_args::HealthOrder;
use self::merge::{InForce, PlanFault};
pub use self::upgrade_args::UpgradeOrder;
pub use self::url::Url;
pub use self::values::ValueError;
use crate::app::configured::{self, Answer, Application, FilesSpec, RouteSpec};
use crate::limits;
use crate::settings::{Settings, SettingsError};
use crate::wire::head::Method;

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Measure a server.
    #[cfg(feature = "bench")]
    Bench(BenchOrder),
    /// Look at the machine.
    #[cfg(feature = "doctor")]
    Doctor(DoctorOrder),
    /// Ask a server whether it is well.
    Health(HealthOrder),
    /// Put recorded latencies together, or compare them.
    #[cfg(feature = "bench")]
    Report(ReportOrder),
    /// Serve until told to stop.
    Serve(ServePlan),
    /// Have a running server replaced.
    Upgrade(UpgradeOrder),
}

/// Everything `corelane serve` was told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServePlan {
    /// The file that was read, if there is one.
    pub config: Option<PathBuf>,
    /// What to serve.
    pub application: Application,
    /// Whether answers are compressed, of routes that do not say so themselves.
    pub compress: bool,
    /// What to log.
    pub log_level: LogLevel,
    /// How to log it.
    pub log_format: LogFormat,
    /// Where to log it; `None`: standard error.
    pub log_file: Option<PathBuf>,
    /// Where to listen: 1 to [`limits::LISTENERS_MAX`] addresses, none twice except with port 0.
    pub listen: Vec<SocketAddr>,
    /// Worker threads; `None`: one for each CPU that may be used.
    pub workers: Option<NonZeroUsize>,
    /// Whether each worker stays on its own CPU.
    pub pin: bool,
    /// What to print at the end.
    pub report: ReportFormat,
    /// Where to write the distribution of service times at the end.
    pub hgrm: Option<PathBuf>,
    /// Where to show health, metrics and a live page, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Limits and deadlines; valid.
    pub settings: Settings,
}

/// Where a text belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard error: something is wrong.
    Stderr,
    /// Standard output: it was asked for.
    Stdout,
}

/// The end of the program before it began: help, version, what `config` tells, or wrong usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What to print as it is; ends in a newline.
    pub text: String,
    /// Where to print it.
    pub stream: Stream,
    /// Exit code: 2 for wrong usage, else 0.
    pub code: u8,
}

/// Reads a command line, program name first as [`std::env::args_os`] gives it, and the
/// `CORELANE_` variables of the environment; of `serve` and `config`, the configuration file too.
/// Names given to `--listen` are looked up.
///
/// # Errors
/// [`Exit`] where there is nothing to run: a text was asked for, or the usage is wrong.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, Exit> {
    let words: Vec<OsString> = args.collect();
    let brief = words.iter().any(|word| word == "-h");
    let parsed = commands::command(brief).try_get_matches_from(&words);
    let (args, matches) = parsed
        .and_then(|matches| Ok((Args::from_arg_matches(&matches)?, matches)))
        .map_err(|error| usage::exit_for(&error, &words))?;
    let serve = match args.command {
        #[cfg(feature = "bench")]
        Some(SubcommandArgs::Bench(bench)) => return bench_order(bench.into()),
        #[cfg(feature = "bench")]
        Some(SubcommandArgs::Report(report)) => return report_order(report.into()),
        Some(SubcommandArgs::Health(health)) => return Ok(Command::Health(health.into())),
        Some(SubcommandArgs::Upgrade(upgrade)) => return Ok(Command::Upgrade(upgrade.into())),
        #[cfg(feature = "doctor")]
        Some(SubcommandArgs::Doctor(doctor)) => return Ok(Command::Doctor(doctor.into())),
        Some(SubcommandArgs::Config(order)) => return Err(tell(&order.what, &matches, &words)),
        Some(SubcommandArgs::Routes(serve)) => return Err(routes_of(&serve, &matches, &words)),
        Some(SubcommandArgs::Serve(serve)) => serve,
        None => args.serve,
    };
    InForce::new(&serve, &matches, &words).map(|in_force| Command::Serve(in_force.plan))
}

/// The parser of the command line, for completions and manual pages: of no commit and no build.
pub fn command_line() -> clap::Command {
    commands::command(false).long_version(version::SHORT)
}

/// What `corelane config` prints.
fn tell(what: &ConfigWhat, given: &ArgMatches, words: &[OsString]) -> Exit {
    let text = match what {
        ConfigWhat::Default => Ok(told::default_file()),
        ConfigWhat::Check(serve) | ConfigWhat::Print(commands::PrintArgs { serve, .. }) => {
            InForce::new(serve, given, words).map(|in_force| told::in_force(what, &in_force))
        }
    };
    text.map_or_else(|exit| exit, |text| Exit { text, stream: Stream::Stdout, code: 0 })
}

/// What `corelane routes` prints.
fn routes_of(serve: &ServeArgs, given: &ArgMatches, words: &[OsString]) -> Exit {
    let told = InForce::new(serve, given, words).map(|in_force| {
        let lines = configured::lines(&in_force.plan.application, in_force.plan.compress);
        lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
    });
    told.map_or_else(|exit| exit, |text| Exit { text, stream: Stream::Stdout, code: 0 })
}

#[cfg(feature = "bench")]
fn bench_order(order: BenchOrder) -> Result<Command, Exit> {
    let urls = std::iter::once(&order.url).chain(order.versus.as_ref().map(|(url, _)| url));
    for server in urls.filter_map(|url| url.host.parse::<IpAddr>().ok()) {
        // Names are looked up later, for an address of the same family.
        if let Some(source) = order.source_addresses.first()
            && source.is_ipv4() != server.is_ipv4()
        {
            let reason = format!("`--source-addresses`: {source} cannot connect to {server}");
            return Err(usage::wrong(&reason, "both are IPv4, or both are IPv6"));
        }
    }
    match &order.versus {
        Some((_, pairs)) if !(1..=limits::BENCH_PAIRS_MAX).contains(pairs) => {
            let most = limits::BENCH_PAIRS_MAX;
            Err(usage::wrong(&format!("`--pairs {pairs}`: 1 to {most}"), "left out, it is 9"))
        }
        _ => Ok(Command::Bench(order)),
    }
}

#[cfg(feature = "bench")]
fn report_order(order: ReportOrder) -> Result<Command, Exit> {
    if order.compares && order.files.len() != 2 {
        let reason = format!("`--compare` takes 2 files, not {}", order.files.len());
        return Err(usage::wrong(&reason, "the one that is compared with stands first"));
    }
    Ok(Command::Report(order))
}

/// Checks what the values mean together.
fn plan(
    mut args: ServeArgs,
    given: &ArgMatches,
    application: Application,
) -> Result<ServePlan, PlanFault> {
    check_listen(&args.listen)?;
    let admin = admin_address(&args)?;
    if let Some(workers) = args.workers
        && workers.get() > limits::WORKERS_MAX
    {
        let reason = format!(": {workers} are more than {}", limits::WORKERS_MAX);
        let hint = "left out, there is one for each CPU".to_owned();
        return Err(PlanFault { name: "workers".to_owned(), value: None, reason, hint });
    }
    if given.value_source("target_bytes_max") == Some(ValueSource::DefaultValue) {
        // A smaller head alone is a whole wish: nobody should have to name the target too.
        args.target_bytes_max.0 = args.target_bytes_max.0.min(args.head_bytes_max.0);
    }
    let application = match args.files.spec()? {
        Some(files) => with_root(files, application)?,
        None => application,
    };
    let compress = compress(&args, &application)?;
    let settings = settings(&args);
    settings.validate().map_err(|error| out_of_bounds(&error))?;
    Ok(ServePlan {
        config: args.config,
        application,
        compress,
        log_level: args.log_level,
        log_format: args.log_format,
        log_file: args.log_file,
        listen: args.listen,
        workers: args.workers,
        pin: args.pin == Switch::On,
        report: args.report,
        hgrm: args.hgrm,
        admin,
        settings,
    })
}

/// Whether answers are compressed; a program that cannot is not asked to.
fn compress(args: &ServeArgs, application: &Application) -> Result<bool, PlanFault> {
    let is_on = args.compress == Switch::On;
    let is_wanted = match application {
        Application::Demo => is_on,
        Application::Routes(routes) => {
            is_on || routes.iter().any(|route| route.compress == Some(true))
        }
    };
    if is_wanted && !configured::can_compress() {
        let reason = ": this program was built without content codings".to_owned();
        let hint = "build it with the feature `gzip`, `zstd` or `brotli`".to_owned();
        return Err(PlanFault { name: "compress".to_owned(), value: None, reason, hint });
    }
    Ok(is_on)
}

/// The routes of `application`, the demonstration's left out, and the files of a directory.
fn with_root(files: FilesSpec, application: Application) -> Result<Application, PlanFault> {
    let mut routes = match application {
        Application::Demo => Vec::new(),
        Application::Routes(routes) => routes,
    };
    let value = Some(files.directory.display().to_string());
    let answer = Answer::Files(files);
    routes.push(RouteSpec { method: Method::Get, path: "/".to_owned(), answer, compress: None });
    match configured::check(&routes) {
        Ok(()) => Ok(Application::Routes(routes)),
        Err((_, reason)) => Err(PlanFault {
            name: "root".to_owned(),
            value,
            reason: format!(": {reason}"),
            hint: "a directory that the server may read".to_owned(),
        }),
    }
}

fn out_of_bounds(error: &SettingsError) -> PlanFault {
    let name = error.name.replace('_', "-");
    let hint = match usage::default_of(&name) {
        _ if error.name == "target_bytes_max" => {
            "left out, it is never above `--head-bytes-max`".to_owned()
        }
        Some(default) => format!("left out, it is {default}"),
        None => "left out, it is chosen at start".to_owned(),
    };
    PlanFault { name, value: None, reason: format!(": {}", error.reason), hint }
}

fn check_listen(addresses: &[SocketAddr]) -> Result<(), PlanFault> {
    let fault = |value: Option<String>, reason: String, hint: &str| {
        Err(PlanFault { name: "listen".to_owned(), value, reason, hint: hint.to_owned() })
    };
    if addresses.len() > limits::LISTENERS_MAX {
        let most = limits::LISTENERS_MAX;
        let reason = format!(": {} addresses are more than {most}", addresses.len());
        return fault(None, reason, "`:8080` is every IPv4 address at once");
    }
    // Listeners share their port by SO_REUSEPORT, so the kernel would not refuse the second.
    for (index, address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..index].contains(address) {
            let reason = " stands more than once".to_owned();
            return fault(Some(address.to_string()), reason, "leave one of them out");
        }
    }
    Ok(())
}

/// Where the admin listener is to be, never on an address of the public.
fn admin_address(args: &ServeArgs) -> Result<Option<SocketAddr>, PlanFault> {
    let Some(admin) = args.admin.0 else { return Ok(None) };
    let is_same = |listen: &SocketAddr| listen.port() != 0 && *listen == admin;
    if args.listen.iter().any(is_same) {
        return Err(PlanFault {
            name: "admin".to_owned(),
            value: Some(admin.to_string()),
            reason: " is an address of `--listen` too".to_owned(),
            hint: "what it shows is not for the public: another port".to_owned(),
        });
    }
    Ok(Some(admin))
}

/// Every field by name, so that a new setting does not compile before it has its flag.
fn settings(args: &ServeArgs) -> Settings {
    Settings {
        head_bytes_max: saturated(args.head_bytes_max.0),
        fields_max: args.fields_max,
        target_bytes_max: saturated(args.target_bytes_max.0),
        body_bytes_max: args.body_bytes_max.0,
        upload_bytes_max: args.upload_bytes_max.0,
        memory_max: args.memory_max.map(|size| size.0),
        requests_max: args.requests_max,
        receive_rate_min: args.receive_rate_min,
        send_rate_min: args.send_rate_min,
        connections_max: args.connections_max,
        connections_full: args.connections_full.into(),
        connections_soft_max: args.connections_soft_max,
        connections_per_address_max: args.connections_per_address_max,
        proxy_protocol_from: args.proxy_protocol_from.clone(),
        trusted_proxies: args.trusted_proxies.clone(),
        client_address_field: args.client_address_field.into(),
        pipelined_max: args.pipelined_max,
        head_time: args.head_time.0,
        body_time: args.body_time.0,
        idle_time: args.idle_time.0,
        send_time: args.send_time.0,
        later_time: args.later_time.0,
        overload_delay: Some(args.overload_delay.0).filter(|time| !time.is_zero()),
        overload_interval: args.overload_interval.0,
        lifetime_max: args.lifetime_max.0,
        rate_time: args.rate_time.0,
        user_timeout: args.user_timeout.0,
        linger_time: args.linger_time.0,
        lame_duck: args.lame_duck.0,
        drain_time: args.drain_time.0,
        drain_idle_time: args.drain_idle_time.0,
        blocking_queue_max: args.blocking_queue_max,
        stall_time: Some(args.stall_time.0).filter(|time| !time.is_zero()),
        backlog: args.backlog,
        balance: args.balance.0,
        busy_poll: args.busy_poll.0,
        stage_sampling: args.stage_sampling,
        defer_accept: args.defer_accept == Switch::On,
        access_log: args.access_log.file.0.clone(),
        access_log_format: args.access_log.format.into(),
        access_log_sample: args.access_log.sample,
        server_timing: args.server_timing == Switch::On,
        notsent_bytes: u32::try_from(args.notsent_bytes.0).unwrap_or(u32::MAX),
        server_name: Some(args.server_name.clone()).filter(|name| !name.is_empty()),
    }
}

/// A size in memory; what does not fit is far beyond every bound that is checked next.
fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
