//! `corelane serve`: a server as it was asked for, and what its operator's signals lead to.
//! Knows no flag and no key of a file.

use std::io::{self, Write};
use std::path::Path;
use std::process;

use corelane::Server;
use corelane::app::configured::factory;
use corelane::app::{Router, configured::Application};
use corelane::config::{self, Command, LogFormat, ReportFormat, ServePlan};
use corelane::control::{Destination, EventLog, LogForm, Operator, Reloader, Running, WorkerPlace};
use corelane::report::{ServerReport, TICKS_PER_HALF_DISTANCE, Unit, to_hgrm};

use log::kv::Value;

use super::Failure;

pub(super) fn run(plan: ServePlan, log: &'static EventLog) -> Result<(), Failure> {
    let destination = open_log(&plan).map_err(|message| Failure {
        message,
        hint: Some("--log-file names a file in a folder that may be written".to_owned()),
    })?;
    log.go_on_at(destination);
    log::set_max_level(plan.log_level.into());
    note_file(&plan);
    let mut server =
        Server::bind(&plan.listen[..]).activated().pin(plan.pin).settings(plan.settings.clone());
    if let Some(admin) = plan.admin {
        server = server.admin(admin);
    }
    if let Some(workers) = plan.workers {
        server = server.workers(workers);
    }
    let application = factory(plan.application.clone(), plan.compress);
    let mut program = Program { plan, log };
    let report = server.run_operated(application, &mut program)?.report();
    let ServePlan { hgrm, report: format, .. } = program.plan;
    let written = hgrm.map_or(Ok(()), |path| write_distribution(&report, &path));
    // A run cannot be had again: what can be kept of it is kept.
    print_report(&report, format)?;
    written
}

/// The program around the server.
struct Program {
    /// What is in force.
    plan: ServePlan,
    log: &'static EventLog,
}

impl Operator<Router> for Program {
    fn started(&mut self, running: &Running) {
        announce(running, self.log);
    }

    /// The same words again: a new binary of the same path, or of the path's link.
    fn successor(&mut self) -> Option<process::Command> {
        let mut words = std::env::args_os();
        let mut command = process::Command::new(words.next()?);
        command.args(words);
        Some(command)
    }

    fn reload(&mut self, reloader: &Reloader<Router>) {
        reload(&mut self.plan, reloader, self.log);
    }

    fn reopen_logs(&mut self, running: &Running) {
        self.log.reopen();
        running.reopen_access_log();
    }
}

/// Reads the configuration again and has the server go on with it; nothing changes if it is wrong.
fn reload(plan: &mut ServePlan, reloader: &Reloader<Router>, log: &EventLog) {
    let new = match config::parse(std::env::args_os()) {
        Ok(Command::Serve(new)) => new,
        // The words are the same, so it is a server again.
        Ok(_) => return,
        Err(exit) => {
            let why = exit.text.trim_end().replace("error: ", "").replace("\nhint: ", "; ");
            return refuse_reload(&why);
        }
    };
    // First, for it is what may fail, and a reload is all or nothing.
    let destination = match open_log(&new) {
        Ok(destination) => destination,
        Err(why) => return refuse_reload(&why),
    };
    match reloader.reload(new.settings.clone(), factory(new.application.clone(), new.compress)) {
        Ok(fixed) => {
            log.go_on_at(destination);
            log::set_max_level(new.log_level.into());
            let mut fixed: Vec<String> = fixed.iter().map(|name| name.replace('_', "-")).collect();
            let outside = [
                ("admin", new.admin != plan.admin),
                ("listen", new.listen != plan.listen),
                ("pin", new.pin != plan.pin),
                ("workers", new.workers != plan.workers),
            ];
            let changed = outside.iter().filter(|(_, is_changed)| *is_changed);
            fixed.extend(changed.map(|(name, _)| (*name).to_owned()));
            let ServePlan { admin, listen, pin, workers, .. } = plan.clone();
            *plan = ServePlan { admin, listen, pin, workers, ..new };
            log::info!(event = "reloaded"; "reloaded");
            note_file(plan);
            if !fixed.is_empty() {
                let keys = fixed.join(", ");
                log::warn!(event = "restart_needed", keys:%; "needs a restart: {keys}");
            }
        }
        Err(error) => refuse_reload(&error.to_string()),
    }
}

fn refuse_reload(why: &str) {
    log::error!(event = "reload_refused", reason:% = why; "nothing is reloaded: {why}");
}

/// Opens what is to be logged to.
fn open_log(plan: &ServePlan) -> Result<Destination, String> {
    let form = match plan.log_format {
        LogFormat::Json => LogForm::Json,
        LogFormat::Text => LogForm::Text,
    };
    let path = plan.log_file.as_deref();
    Destination::open(path, form).map_err(|error| {
        format!("cannot open the log {}: {error}", path.unwrap_or(Path::new("")).display())
    })
}

/// Tells which file is in force.
fn note_file(plan: &ServePlan) {
    let Some(path) = &plan.config else { return };
    let path = path.display();
    log::info!(event = "configured", path:%; "configured by {path}");
    if matches!(&plan.application, Application::Routes(routes) if routes.is_empty()) {
        log::warn!(
            event = "routes_missing";
            "no `[[route]]` and no `demo = true`: everything is answered 404"
        );
    }
}

fn write_distribution(report: &ServerReport, path: &Path) -> Result<(), Failure> {
    let text = to_hgrm(report.service_times(), TICKS_PER_HALF_DISTANCE, Unit::Milliseconds);
    std::fs::write(path, text).map_err(|error| Failure {
        message: format!("cannot write {}: {error}", path.display()),
        hint: Some("--hgrm names a file in a folder that may be written".to_owned()),
    })
}

/// Tells where the server listens and where its workers run.
fn announce(running: &Running, log: &EventLog) {
    for address in running.addresses() {
        let fields = [("address", Value::from_display(address))];
        log.announce("listening", &fields, format_args!("listening on http://{address}"));
    }
    for address in running.admin_addresses() {
        let fields = [("address", Value::from_display(address))];
        log.announce("admin_listening", &fields, format_args!("admin on http://{address}"));
    }
    for WorkerPlace { index, cpu } in running.workers() {
        let worker = ("worker", Value::from(index));
        match cpu {
            Some(cpu) => {
                let fields = [worker, ("cpu", cpu.into())];
                let what = format_args!("worker {index} on CPU {cpu}");
                log.announce("worker_started", &fields, what);
            }
            None => {
                log.announce(
                    "worker_started",
                    &[worker],
                    format_args!("worker {index} not pinned"),
                );
            }
        }
    }
    let what = "Ctrl-C drains and prints the report; a second one stops at once";
    log.announce("ready", &[], format_args!("{what}"));
}

fn print_report(report: &ServerReport, format: ReportFormat) -> Result<(), Failure> {
    let text = match format {
        ReportFormat::Text => report.to_text(),
        ReportFormat::Json => format!("{}\n", report.to_json()),
        ReportFormat::None => return Ok(()),
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure {
        message: format!("cannot write the report: {error}"),
        hint: None,
    })
}
