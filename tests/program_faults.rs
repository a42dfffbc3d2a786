//! What an operator meets: full disks, closed descriptors, files that cannot be read. Each is told
//! with what to do, and what can go on goes on. Knows nothing of the library.

#![cfg(feature = "cli")]
#![allow(unsafe_code, reason = "raises a limit of a process that it started")]

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/log_file.rs"]
mod log_file;
#[path = "support/program.rs"]
mod program;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use http_client::Client;
use log_file::{Logging, wait_until};
use program::{PROGRAM, Process, Serving, error_and_hint, program, run, without_variables};

/// An address of the test's own, where nobody is given the port while the program has it not yet.
fn own_address(host: &str) -> SocketAddr {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

/// Waits until somebody listens there, and expects the process to live.
fn wait_to_connect(process: &mut Process, address: SocketAddr) -> Client {
    wait_until(|| {
        assert_eq!(process.0.try_wait().unwrap(), None, "it ended before it listened");
        std::net::TcpStream::connect(address).is_ok().then_some(())
    });
    Client::connect(address)
}

/// How many events the program could not write, as its admin listener tells.
fn dropped(admin: SocketAddr) -> u64 {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = Client::connect(admin).send(request).answer();
    let name = "\ncorelane_log_events_dropped_total ";
    let (_, rest) = answer.text().split_once(name).expect("it is counted");
    rest.lines().next().unwrap().parse().unwrap()
}

/// The program with a shell between, which changes what it inherits.
fn shell(script: &str, args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, PROGRAM]);
    without_variables(shell, args)
}

#[test]
fn a_full_disk_behind_the_log_drops_events_and_counts_them() {
    let (public, admin) = (own_address("127.0.78.11"), own_address("127.0.78.11"));
    let (public, admin_text) = (public.to_string(), admin.to_string());
    let args = ["--listen", &public, "--admin", &admin_text, "--workers", "1"];
    let args = [&args[..], &["--log-file", "/dev/full", "--report", "json"]].concat();
    let mut command = program(&args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    let mut client = wait_to_connect(&mut process, public.parse().unwrap());
    assert_eq!(client.get("/hello").status, 200);
    // Where it listens (two), its worker, and that it is ready.
    wait_until(|| (dropped(admin) >= 4).then_some(()));
    assert_eq!(client.get("/hello").status, 200);
    process.signal(libc::SIGINT);
    assert!(serde_json::from_str::<serde_json::Value>(&process.stdout()).is_ok());
    assert_eq!(process.exit_code(), Some(0));
}

/// Moves the limit of the files that a process writes.
fn limit_files(process: &Process, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    let pid = libc::pid_t::try_from(process.0.id()).unwrap();
    // SAFETY: the limit is initialised and only read; the old one is not asked for. The id is our
    // child's, which was not waited for.
    let done =
        unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

#[test]
fn a_file_that_cannot_grow_ends_nobody_and_the_next_line_tells_what_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let address = own_address("127.0.78.12");
    let args = ["--workers", "1", "--listen", &address.to_string(), "--admin", "0"];
    let log = ["--log-format", "json", "--log-file", file.to_str().unwrap()];
    let mut command = program(&[&args[..], &log].concat());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut logging = Logging { process: Process(child), file: file.clone() };
    let whole = logging.wait_for("\"ready\"");
    let admin = log_file::events(&whole)
        .iter()
        .find(|event| event["event"] == "admin_listening")
        .map(|event| event["address"].as_str().unwrap().parse().unwrap())
        .unwrap();
    assert_eq!(dropped(admin), 0);

    // Room for ten bytes more: a line is cut there. Without care SIGXFSZ would end the process.
    limit_files(&logging.process, whole.len() as u64 + 10);
    for count in 1..=3 {
        logging.process.signal(libc::SIGHUP);
        wait_until(|| (dropped(admin) == count).then_some(()));
    }
    assert_eq!(Client::connect(address).get("/hello").status, 200);
    assert_eq!(fs::metadata(&file).unwrap().len(), whole.len() as u64 + 10);

    limit_files(&logging.process, libc::RLIM_INFINITY);
    logging.process.signal(libc::SIGHUP);
    let text = logging.wait_for("\"reloaded\"");
    let (torn, rest) = text[whole.len()..].split_once('\n').expect("the line that was cut ends");
    assert_eq!(torn, "{\"ts\":\"202");
    let told = log_file::events(rest);
    assert_eq!((&told[0]["event"], &told[0]["count"]), (&"events_dropped".into(), &3.into()));
    assert_eq!((told.len(), &told[1]["event"]), (2, &"reloaded".into()));
    assert_eq!(logging.process.0.try_wait().unwrap(), None);
}

#[test]
fn closed_descriptors_are_no_sockets_to_log_to() {
    for (closed, address) in
        [("2>&-", own_address("127.0.78.13")), ("0<&- 1>&- 2>&-", own_address("127.0.78.14"))]
    {
        let script = format!("exec \"$0\" \"$@\" {closed}");
        let listen = address.to_string();
        let mut command = shell(&script, &["--listen", &listen, "--workers", "1"]);
        let mut process = Process(command.stdout(Stdio::null()).spawn().unwrap());
        let mut client = wait_to_connect(&mut process, address);
        // Events while a connection is there: none of their lines may reach it.
        process.signal(libc::SIGHUP);
        for _ in 0..100 {
            assert_eq!(client.get("/hello").text(), "Hello from corelane!\n");
        }
        let behind = fs::read_link(format!("/proc/{}/fd/2", process.0.id())).unwrap();
        assert_eq!(behind, Path::new("/dev/null"), "{closed}");
        process.signal(libc::SIGINT);
        assert_eq!(process.exit_code(), Some(0), "{closed}");
    }
}

#[test]
fn a_reader_of_standard_error_that_is_gone_ends_nobody() {
    let args = ["--workers", "1", "--admin", "0", "--report", "none"];
    let Serving { process, stderr, told } = Serving::with(&args);
    drop(stderr);
    let address = |words| told.iter().find_map(|line| line.strip_prefix(words)).unwrap();
    let public: SocketAddr = address("listening on http://").parse().unwrap();
    let admin: SocketAddr = address("admin on http://").parse().unwrap();
    process.signal(libc::SIGHUP);
    wait_until(|| (dropped(admin) == 1).then_some(()));
    assert_eq!(Client::connect(public).get("/hello").status, 200);
    process.signal(libc::SIGINT);
    let mut process = process;
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn a_report_that_nobody_takes_is_an_error_of_its_own() {
    let mut serving = Serving::with(&["--workers", "1"]);
    assert_eq!(serving.connect().get("/hello").status, 200);
    drop(serving.process.0.stdout.take());
    serving.process.signal(libc::SIGINT);
    serving.wait_to_be_told("error: cannot write the report: Broken pipe");
    assert_eq!(serving.process.exit_code(), Some(1));
}

#[test]
fn a_log_that_cannot_be_opened_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for (path, why) in [
        ("/nonexistent/corelane.log", "No such file or directory"),
        (folder.path().to_str().unwrap(), "Is a directory"),
        // Nobody reads it, and nobody is waited for.
        (pipe.to_str().unwrap(), "No such device or address"),
    ] {
        let (code, stdout, stderr) = run(&["--listen", "127.0.0.1:0", "--log-file", path]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let (error, hint) = error_and_hint(&stderr);
        assert!(error.starts_with(&format!("cannot open the log {path}: {why}")), "{error}");
        assert_eq!(hint, "--log-file names a file in a folder that may be written");
    }
}

#[test]
fn a_pipe_that_nobody_empties_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut options = OpenOptions::new();
    let ours = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
    let (public, admin) = (own_address("127.0.78.15"), own_address("127.0.78.15"));
    let (listen, admin_text) = (public.to_string(), admin.to_string());
    let args = ["--listen", &listen, "--admin", &admin_text, "--workers", "1", "--report", "none"];
    let log = ["--log-file", pipe.to_str().unwrap()];
    let mut command = program(&[&args[..], &log].concat());
    let mut process = Process(command.stderr(Stdio::null()).spawn().unwrap());
    let mut client = wait_to_connect(&mut process, public);
    let mut text = Vec::new();
    let mut read = |words: &str| {
        wait_until(|| {
            let _ = (&ours).read_to_end(&mut text);
            String::from_utf8_lossy(&text).contains(words).then_some(())
        });
    };
    read("Ctrl-C drains");
    while (&ours).write(&[b'\n'; 4096]).is_ok() {}
    process.signal(libc::SIGHUP);
    wait_until(|| (dropped(admin) == 1).then_some(()));
    assert_eq!(client.get("/hello").status, 200);
    read("\n\n");
    process.signal(libc::SIGHUP);
    read(" warning events_dropped: 1 events could not be written\n");
    process.signal(libc::SIGINT);
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn a_configuration_that_is_missing_or_wrong_ends_a_start_and_changes_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corelane.toml");
    let path = file.to_str().unwrap();
    let wrong = "demo = true\nidle-time = 10\n";
    let missing = format!("cannot read the configuration {path}: No such file or directory");
    let mistake =
        format!("{path}:2: `idle-time`: expected a time with its unit, such as `\"10s\"`");
    for (text, reason) in [(None, &missing), (Some(wrong), &mistake)] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let (code, stdout, stderr) = run(&["--listen", "127.0.0.1:0", "--config", path]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        let (error, hint) = error_and_hint(&stderr);
        assert!(error.starts_with(reason.as_str()), "{error}");
        assert!(hint.contains("`corelane config default`"), "{hint}");
    }
    fs::write(&file, "demo = true\n").unwrap();
    let mut serving = Serving::with(&["--workers", "1", "--config", path]);
    for (text, reason) in [(None, &missing), (Some(wrong), &mistake)] {
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        serving.process.signal(libc::SIGHUP);
        serving.wait_to_be_told(&format!("error: nothing is reloaded: {reason}"));
        assert_eq!(serving.connect().get("/hello").status, 200);
    }
    assert_eq!(serving.interrupt().code, Some(0));
}

#[test]
fn a_configuration_that_may_not_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("corelane.toml");
    fs::write(&file, "demo = true\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything, so another runs a copy of the program, from where it can.
    let copy = folder.path().join("corelane");
    fs::copy(PROGRAM, &copy).unwrap();
    let unprivileged = |args: &[&str]| {
        let mut command = without_variables(Command::new(&copy), args);
        if fs::read(&file).is_ok() {
            command.uid(65_534).gid(65_534);
        }
        command.output()
    };
    match unprivileged(&["--version"]) {
        Ok(output) if output.status.success() => {}
        other => {
            println!("skipped: no other user can run the program here: {other:?}");
            return;
        }
    }
    let path = file.to_str().unwrap();
    let output = unprivileged(&["--listen", "127.0.0.1:0", "--config", path]).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    let (error, hint) = error_and_hint(&told);
    let denied = format!("cannot read the configuration {path}: Permission denied");
    assert!(error.starts_with(&denied), "{error}");
    assert!(hint.starts_with("`corelane config default`"), "{hint}");
}
