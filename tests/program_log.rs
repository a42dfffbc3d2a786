//! The program's log: its forms, its file, its reopening, and the list of its events.
//! Knows nothing of how lines are made.

#![cfg(feature = "cli")]

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/log_file.rs"]
mod log_file;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use corelane::control::{Destination, EventLog, LogForm};
use corelane::{Router, Settings};
use http_client::{Client, serve};
use log_file::{Logging, events, expect_timestamp, wait_until};
use program::{Process, Serving, program, run};
use serde_json::Value;

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn a_log_for_programs_is_json_from_the_first_line_to_the_last() {
    let args = ["--log-format", "json", "--workers", "2", "--admin", "0", "--pin", "off"];
    let mut serving = Serving::with(&[&args[..], &["--drain-idle-time", "1ms"]].concat());
    let told = events(&serving.told.join("\n"));
    let first = ["listening", "admin_listening", "worker_started", "worker_started", "ready"];
    assert!(names(&told).ends_with(&first), "{told:?}");
    let of = |name: &str| told.iter().find(|event| event["event"] == name).unwrap();
    let address = of("listening")["address"].as_str().unwrap().parse().unwrap();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/hello").status, 200);
    assert_eq!(
        (&of("worker_started")["worker"], &of("ready")["level"]),
        (&0.into(), &"info".into())
    );
    serving.process.signal(libc::SIGHUP);
    serving.wait_to_be_told("\"reloaded\"");
    let ended = serving.interrupt();
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
    assert!(ended.stdout.starts_with("corelane ran for"), "the report is no event");
    let told = events(&ended.told.join("\n"));
    assert!(names(&told).ends_with(&["reloaded", "draining", "drained"]), "{told:?}");
    let (draining, drained) = (&told[told.len() - 2], &told[told.len() - 1]);
    assert_eq!(draining["signal"], "Interrupt");
    assert_eq!((&drained["open"], &drained["closed_idle"]), (&1.into(), &1.into()));
}

#[test]
fn a_start_that_fails_is_an_event_with_its_hint_or_two_lines() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let (code, _, told) = run(&["--listen", &address, "--log-format", "json"]);
    let told = events(&told);
    assert_eq!((code, names(&told)), (Some(1), vec!["failed"]));
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.contains(&address) && message.contains("in use by"), "{message}");
    assert_eq!(told[0]["hint"], "stop it, or listen on another port");

    // With a log elsewhere, whoever started it is told all the same.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let log = ["--listen", &address, "--log-level", "off", "--log-file", file.to_str().unwrap()];
    let (code, _, told) = run(&log);
    assert!(code == Some(1) && told.starts_with("error: "), "{told}");
    let logged = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = logged.lines().map(|line| line.split_once(' ').unwrap()).collect();
    for (time, _) in &lines {
        expect_timestamp(time);
    }
    assert!(lines[0].1.starts_with("error failed: cannot listen"), "{logged}");
    assert!(lines[1].1.starts_with("hint: stop it"), "{logged}");
}

#[test]
fn a_file_is_appended_to_with_the_time_first_and_nobody_else_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    for run in 1..=2 {
        let mut logging = Logging::with(&file, &["--workers", "1", "--report", "none"]);
        let address = logging.address("listening on http://");
        assert_eq!(Client::connect(address).get("/hello").status, 200);
        let ended = logging.interrupt();
        assert_eq!((ended.code, ended.told), (Some(0), Vec::new()), "nothing on standard error");
        let text = fs::read_to_string(&file).unwrap();
        let drained = text.lines().filter(|line| line.contains(" info drained: drained ")).count();
        assert_eq!(drained, run, "{text}");
        text.lines().for_each(|line| expect_timestamp(line.split(' ').next().unwrap()));
        fs::write(&file, text.replace("Ctrl-C", "-")).unwrap();
    }
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "0640, less what the mask takes: {mode:o}");
}

#[test]
fn a_renamed_file_is_opened_anew_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let (file, old, config) = (logs.join("log"), logs.join("log.1"), folder.path().join("toml"));
    fs::write(&config, "demo = true\ndrain-idle-time = \"1ms\"\n").unwrap();
    let args = ["--workers", "1", "--config", config.to_str().unwrap()];
    let mut logging = Logging::with(&file, &args);
    let address = logging.address("listening on http://");
    fs::rename(&file, &old).unwrap();
    // Before it is told, lines still go to the file, whatever its name.
    fs::write(&config, "nonsense").unwrap();
    logging.process.signal(libc::SIGHUP);
    logging.file.clone_from(&old);
    logging.wait_for(" error reload_refused: ");
    assert!(!file.exists());
    logging.process.signal(libc::SIGUSR1);
    logging.file.clone_from(&file);
    let new = logging.wait_for("log_reopened: the log goes on in");
    assert_eq!(new.lines().count(), 1, "{new}");
    let before = fs::read_to_string(&old).unwrap();
    assert!(before.contains("listening: listening on"), "{before}");

    // A reload opens it too.
    fs::write(&config, "demo = true\n").unwrap();
    fs::rename(&file, logs.join("log.2")).unwrap();
    logging.process.signal(libc::SIGHUP);
    let new = logging.wait_for("configured by");
    assert_eq!(new.lines().count(), 2, "{new}");

    // Where there can be no new one, the old one stays.
    let gone = folder.path().join("gone");
    fs::rename(&logs, &gone).unwrap();
    logging.process.signal(libc::SIGUSR1);
    logging.file = gone.join("log");
    let text = logging.wait_for("log_reopen_failed: ");
    assert!(text.contains("No such file or directory"), "{text}");
    assert_eq!(Client::connect(address).get("/hello").status, 200);
    assert_eq!(logging.interrupt().code, Some(0));
    let text = fs::read_to_string(gone.join("log")).unwrap();
    assert!(text.contains(" info drained: "), "{text}");
}

#[test]
fn two_processes_share_a_file_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let args = ["--workers", "1", "--log-format", "json", "--report", "none"];
    let log = ["--listen", "127.0.0.1:0", "--log-file", file.to_str().unwrap()];
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut command = program(&[&log[..], &args].concat());
            Process(command.stderr(Stdio::null()).spawn().unwrap())
        })
        .collect();
    let count = |name: &str| {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.matches(&format!("\"event\":\"{name}\"")).count()
    };
    wait_until(|| (count("ready") == 2).then_some(()));
    for reloads in 1..=20 {
        // At the same time, and each once: a signal that is pending is not sent twice.
        for child in &children {
            child.signal(libc::SIGHUP);
        }
        wait_until(|| (count("reloaded") == 2 * reloads).then_some(()));
    }
    for mut child in children {
        child.signal(libc::SIGINT);
        assert_eq!(child.exit_code(), Some(0));
    }
    let whole = events(&fs::read_to_string(&file).unwrap());
    let count = |name: &str| names(&whole).iter().filter(|named| **named == name).count();
    assert_eq!((count("ready"), count("reloaded"), count("drained")), (2, 40, 2));
}

#[test]
fn a_reload_changes_form_place_and_level_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("toml"), folder.path().join("log"));
    let route = |body: &str| format!("[[route]]\npath = \"/\"\nbody = \"{body}\"\n");
    fs::write(&config, route("first")).unwrap();
    let mut serving = Serving::with(&["--workers", "1", "--config", config.to_str().unwrap()]);
    let address = serving.addresses()[0];

    let nowhere = "log-file = \"/nowhere/at/all\"\nlog-format = \"json\"\n";
    fs::write(&config, format!("{nowhere}{}", route("second"))).unwrap();
    serving.process.signal(libc::SIGHUP);
    serving.wait_to_be_told("error: nothing is reloaded: cannot open the log /nowhere/at/all: ");
    assert_eq!(Client::connect(address).get("/").text(), "first");

    let keys = format!("log-file = {log:?}\nlog-format = \"json\"\n");
    fs::write(&config, format!("{keys}{}", route("third"))).unwrap();
    serving.process.signal(libc::SIGHUP);
    let text = wait_until(|| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains("\"configured\"").then_some(text)
    });
    assert_eq!(names(&events(&text)), ["reloaded", "configured"]);
    assert_eq!(Client::connect(address).get("/").text(), "third");

    fs::write(&config, format!("log-level = \"error\"\n{}", route("fourth"))).unwrap();
    serving.process.signal(libc::SIGHUP);
    wait_until(|| (Client::connect(address).get("/").text() == "fourth").then_some(()));
    fs::write(&config, "nonsense = 1").unwrap();
    serving.process.signal(libc::SIGHUP);
    serving.wait_to_be_told("error: nothing is reloaded: ");
    let quiet =
        !serving.told.iter().any(|line| line.contains("reloaded") && line.starts_with("info"));
    assert!(quiet, "{:?}", serving.told);
    assert_eq!(serving.interrupt().code, Some(0));
    assert_eq!(fs::read_to_string(&log).unwrap(), text, "it is no longer written to");
}

#[test]
fn the_journal_is_told_how_grave_a_line_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let stderr = fs::File::create(&path).unwrap();
    let facts = stderr.metadata().unwrap();
    let stream = format!("{}:{}", facts.dev(), facts.ino());
    for (named, prefix) in [(stream.as_str(), "<6>"), ("0:0", ""), ("nonsense", "")] {
        fs::write(&path, "").unwrap();
        let mut command = program(&["--listen", "127.0.0.1:0", "--workers", "1"]);
        let stderr = fs::OpenOptions::new().append(true).open(&path).unwrap();
        command.env("JOURNAL_STREAM", named).stdout(Stdio::null()).stderr(stderr);
        let mut process = Process(command.spawn().unwrap());
        let wait_for = |words: &str| {
            wait_until(|| {
                let text = fs::read_to_string(&path).unwrap();
                text.contains(words).then_some(text)
            })
        };
        wait_for("Ctrl-C drains");
        process.signal(libc::SIGINT);
        assert_eq!(process.exit_code(), Some(0));
        let text = wait_for("drained ");
        assert!(text.starts_with(&format!("{prefix}listening on http://")), "{text}");
        assert!(text.contains(&format!("\n{prefix}info: drained ")), "{text}");
        assert!(text.lines().all(|line| line.starts_with('<') != prefix.is_empty()), "{text}");
    }
}

/// Set in the process that is to log, to the file that it logs to.
const LOGGER: &str = "TEST_LOGGER_FILE";

/// Not a test of its own: the program that the next one runs.
#[test]
fn logging_program() {
    let Some(file) = std::env::var_os(LOGGER) else { return };
    let destination = Destination::open(Some(Path::new(&file)), LogForm::Json).unwrap();
    EventLog::install().go_on_at(destination);
    let server = serve(Settings::default(), |_| {
        Router::new()
            .get("/panic", |_, _| panic!("no\n\u{1b}[2Jluck"))
            .get("/fail", |_, _| Err(std::io::Error::other("out of \"luck\"").into()))
    });
    assert_eq!(Client::to(&server).get("/panic").status, 500);
    assert_eq!(Client::to(&server).get("/fail").status, 500);
    log::warn!(user = 7, share = 0.5; "of another crate");
}

#[test]
fn a_panic_and_the_records_of_others_are_events_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "logging_program", "--nocapture"])
        .env(LOGGER, &file)
        .output()
        .expect("it can be run");
    assert!(run.status.success(), "{run:?}");
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    let logged = events(&fs::read_to_string(&file).unwrap());
    let [panicked, handler, failed, other] = &logged[..] else { panic!("{logged:?}") };
    assert_eq!((&panicked["event"], &panicked["thread"]), (&"panicked".into(), &"worker 0".into()));
    assert!(panicked["at"].as_str().unwrap().starts_with("tests/program_log.rs:"), "{panicked}");
    assert_eq!((&handler["event"], &handler["worker"]), (&"handler_panicked".into(), &0.into()));
    assert_eq!(handler["route"], "GET /panic");
    assert_eq!(handler["panic"], "no\n\u{1b}[2Jluck");
    assert_eq!((&failed["event"], &failed["path"]), (&"handler_failed".into(), &"/fail".into()));
    assert_eq!((&other["event"], &other["target"]), (&"log".into(), &"program_log".into()));
    assert_eq!((&other["level"], &other["user"]), (&"warn".into(), &7.into()));
}

/// Every source file below a folder.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
}

#[test]
fn every_event_has_a_name_that_the_list_explains() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    sources(&root.join("src"), &mut texts);
    let mut used = BTreeSet::from(["log".to_owned()]);
    let quoted =
        |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
    for text in &texts {
        for level in ["error", "warn", "info", "debug", "trace"] {
            for call in text.split(&format!("log::{level}!(")).skip(1) {
                let name = call.trim_start().strip_prefix("event =").and_then(quoted);
                used.insert(name.unwrap_or_else(|| panic!("an event without a name: {call:.60}")));
            }
        }
        used.extend(text.split(".announce(").skip(1).filter_map(quoted));
        let made = text.split("Line::new(Level::").skip(1);
        used.extend(made.filter_map(|rest| quoted(rest.split_once(',')?.1)));
    }
    let list = fs::read_to_string(root.join("EVENTS.md")).unwrap();
    let rows = list.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<_> = rows.map(str::to_owned).collect();
    assert_eq!(used, listed, "EVENTS.md lists every event, and no other");
}
