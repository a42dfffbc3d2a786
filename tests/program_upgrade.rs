//! Upgrades of the running program, under load and without: what its clients see, and what becomes
//! of both processes. Knows nothing of how sockets are passed on.

#![cfg(all(feature = "cli", feature = "bench"))]
#![allow(unsafe_code, reason = "sends signals to the processes it started")]

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/program.rs"]
mod program;

use std::io::{BufRead, BufReader, IoSliceMut};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use http_client::{Client, PATIENCE, get};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use program::{PROGRAM, passing, without_variables};
use serde_json::Value;
use tempfile::TempDir;

/// A program that is started by a link, which may come to mean another program, with a file, which
/// may change; all its processes end with the test.
struct Site {
    folder: TempDir,
    first: Child,
    /// All its processes tell what happens here.
    told: Receiver<String>,
    pids: Vec<u32>,
    address: SocketAddr,
}

/// A file for so many workers, and what else there is to say.
fn file(workers: usize, more: &str) -> String {
    let route = "[[route]]\npath = \"/\"\nbody = \"here\"\n";
    format!("workers = {workers}\nreport = \"none\"\ndrain-idle-time = \"25s\"\n{more}\n{route}")
}

impl Site {
    fn start(listen: &str, workers: usize, more: &str) -> Site {
        Site::start_with(listen, workers, more, |_| {})
    }

    fn start_with(
        listen: &str,
        workers: usize,
        more: &str,
        change: impl FnOnce(&mut Command),
    ) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("server");
        let config = folder.path().join("corelane.toml");
        symlink(PROGRAM, &program).unwrap();
        std::fs::write(&config, file(workers, more)).unwrap();
        let args = ["--listen", listen, "--config", config.to_str().unwrap()];
        let mut command = without_variables(Command::new(&program), &args);
        change(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut first = command.spawn().unwrap();
        let stderr = BufReader::new(first.stderr.take().unwrap());
        let (sender, told) = channel();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let pids = vec![first.id()];
        let mut site = Site { folder, first, told, pids, address: ([0, 0, 0, 0], 0).into() };
        let listening = site.wait_to_be_told("listening on http://");
        site.address = listening.rsplit('/').next().unwrap().parse().unwrap();
        site.wait_to_be_told("Ctrl-C drains");
        site
    }

    /// The next line with these words.
    fn wait_to_be_told(&mut self, words: &str) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("it was not told {words:?} but {lines:#?}");
            });
            self.note(&line);
            if line.contains(words) {
                return line;
            }
            lines.push(line);
        }
    }

    /// Notes a process that is told of.
    fn note(&mut self, line: &str) {
        if line.starts_with("info: upgrading: ") {
            self.pids.push(line.rsplit(' ').next().unwrap().parse().unwrap());
        }
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("corelane.toml"), text).unwrap();
    }

    /// Lets the program's path mean this script.
    fn replace_program(&self, script: &str) {
        let (program, other) = (self.program(), self.folder.path().join("other"));
        std::fs::write(&other, script).unwrap();
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::remove_file(&program).unwrap();
        symlink(other, program).unwrap();
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// Sends a signal to the process that serves.
    fn signal(&self, signal: libc::c_int) {
        assert!(send(*self.pids.last().unwrap(), signal), "nobody serves any more");
    }

    /// Sends a signal to the process that was started first.
    fn signal_first(&self, signal: libc::c_int) {
        assert!(send(self.first.id(), signal));
    }

    fn upgrade(&mut self) {
        self.signal(libc::SIGUSR2);
        self.wait_to_be_told("this server drains");
        self.wait_to_be_told("Ctrl-C drains");
    }

    fn get(&self) -> String {
        Client::connect(self.address).get("/").text().to_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        while let Ok(line) = self.told.try_recv() {
            self.note(&line);
        }
        for pid in &self.pids {
            // Those of an earlier upgrade have ended by now or are this one's.
            if is_ours(*pid, &self.folder) {
                send(*pid, libc::SIGKILL);
            }
        }
        let _ = self.first.wait();
    }
}

/// Sends a signal; whether there was anybody to send it to.
fn send(pid: u32, signal: libc::c_int) -> bool {
    // SAFETY: takes no pointer; the number is that of a process of this test.
    unsafe { libc::kill(libc::pid_t::try_from(pid).unwrap(), signal) == 0 }
}

/// Whether a process with this number runs with a file of this folder.
fn is_ours(pid: u32, folder: &TempDir) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).contains(folder.path().to_str().unwrap())
}

/// Waits for a process that is not a child of this one to end.
fn wait_for_end(pid: u32) {
    let begin = std::time::Instant::now();
    while std::path::Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok() {
        assert!(begin.elapsed() < PATIENCE, "process {pid} does not end");
        thread::yield_now();
    }
}

/// What the load generator saw, and the P99 of each of its runs in milliseconds.
struct Seen {
    answers: u64,
    failures: u64,
    p99s: Vec<f64>,
}

/// What load and operator know of each other.
#[derive(Default)]
struct Progress {
    runs: AtomicUsize,
    is_over: AtomicBool,
}

/// The load ends with this, however the operator ends.
struct EndLoad<'a>(&'a Progress);

impl Drop for EndLoad<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Runs of the load generator, one after the other, until it is over.
fn load(address: SocketAddr, args: &[&str], progress: &Progress) -> Seen {
    let mut seen = Seen { answers: 0, failures: 0, p99s: Vec::new() };
    while !progress.is_over.load(Ordering::Relaxed) {
        let mut command = Command::new(PROGRAM);
        command.args(["bench", "-d", "2s", "--warm-up", "0s", "-t", "1", "--pin", "off"]);
        command.args(["-c", "16", "--server-view", "off", "--report", "json"]).args(args);
        let output = command.arg(format!("http://{address}/")).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            panic!("no report: {}", String::from_utf8_lossy(&output.stderr));
        });
        // What was neither sent nor answered when the run ended has not failed.
        let failed = ["closed_early", "connect_failed", "malformed", "reset", "timed_out"];
        let failed = failed.map(|name| report["failures"][name].as_u64().unwrap());
        let answers = report["answers"].as_u64().unwrap();
        let others = answers - report["statuses"]["2xx"].as_u64().unwrap();
        seen.failures += failed.iter().sum::<u64>() + others;
        seen.answers += answers;
        seen.p99s.push(report["latency"]["p99_ns"].as_f64().unwrap_or(0.0) / 1e6);
        progress.runs.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

/// Calls `operate` again and again under both kinds of load, keep-alive connections and one
/// connection a request, both in an open loop; at least so many times, and until each kind has had
/// a whole run.
fn under_load(address: SocketAddr, times: usize, mut operate: impl FnMut()) -> [Seen; 2] {
    let progress = [Progress::default(), Progress::default()];
    let keep_alive = ["--rate", "1000"];
    let short = ["--rate", "300", "--requests-per-connection", "1"];
    thread::scope(|scope| {
        let args = [&keep_alive[..], &short[..]];
        let spawn = |at: usize| {
            let (args, progress) = (args[at], &progress[at]);
            scope.spawn(move || load(address, args, progress))
        };
        let both = [spawn(0), spawn(1)];
        let ends = progress.each_ref().map(EndLoad);
        let mut done = 0;
        let has_run = |progress: &Progress| progress.runs.load(Ordering::Relaxed) > 0;
        while done < times || !progress.iter().all(has_run) {
            operate();
            done += 1;
        }
        drop(ends);
        both.map(|seen| seen.join().unwrap())
    })
}

fn tell(what: &str, seen: &[Seen; 2]) {
    for (name, seen) in ["keep-alive", "one a connection"].iter().zip(seen) {
        let Seen { answers, failures, p99s } = seen;
        println!("{what}, {name}: {answers} answers, {failures} failures, P99 {p99s:.1?} ms");
    }
}

#[test]
fn upgrades_and_reloads_under_load_fail_no_request() {
    const TIMES: usize = 20;
    let mut site = Site::start("127.0.0.1:0", 2, "");
    tell("quiet", &under_load(site.address, 0, thread::yield_now));
    let mut workers = [1, 3, 2].into_iter().cycle();
    let seen = under_load(site.address, TIMES, || {
        let workers = workers.next().unwrap();
        site.configure(&file(workers, ""));
        site.upgrade();
        site.configure(&file(workers, "idle-time = \"9s\""));
        site.signal(libc::SIGHUP);
        site.wait_to_be_told("reloaded");
    });
    let times = site.pids.len() - 1;
    tell(&format!("{times} upgrades and {times} reloads"), &seen);
    for seen in seen {
        assert!(seen.answers > 0);
        assert_eq!(seen.failures, 0);
    }
    assert!(times >= TIMES);
    assert_eq!(site.get(), "here");
}

#[test]
fn closing_and_binding_anew_does_fail_requests() {
    let mut site = Site::start("127.0.0.1:0", 2, "");
    let listen = site.address.to_string();
    let seen = under_load(site.address, 3, || {
        site.signal(libc::SIGINT);
        site.first.wait().unwrap();
        site = Site::start(&listen, 2, "");
    });
    tell("closed and bound anew", &seen);
    assert!(seen.iter().any(|seen| seen.failures > 0), "this load sees no failure at all");
}

#[test]
fn with_fewer_workers_no_queue_is_left_to_nobody() {
    let off = "balance = \"off\"";
    let mut site = Site::start("127.0.0.1:0", 3, off);
    site.configure(&file(1, off));
    site.upgrade();
    site.first.wait().unwrap();
    // By the kernel's hash these come to all three sockets.
    let mut clients: Vec<_> = (0..64).map(|_| Client::connect(site.address)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").text(), "here");
    }
    site.configure(&file(4, off));
    site.upgrade();
    for mut client in clients {
        while !client.get("/").says_close() {}
        assert_eq!(site.get(), "here");
    }
    wait_for_end(site.pids[1]);
    site.signal(libc::SIGTERM);
    wait_for_end(site.pids[2]);
    assert!(TcpStream::connect(site.address).is_err(), "somebody holds a socket");
}

#[test]
fn what_is_under_way_is_finished_by_the_server_that_began_it() {
    let mut site = Site::start("127.0.0.1:0", 1, "");
    let mut client = Client::connect(site.address);
    client.send(&get("/")[..10]);
    assert_eq!(Client::connect(site.address).get("/").status, 200);
    site.upgrade();
    assert_eq!(client.send(&get("/")[10..]).answer().text(), "here");
    assert_eq!(site.first.wait().unwrap().code(), Some(0));
    assert_eq!(site.get(), "here");
}

#[test]
fn a_new_program_that_does_not_serve_leaves_the_old_one_serving() {
    let mut site = Site::start("127.0.0.1:0", 2, "");
    let mut client = Client::connect(site.address);
    assert_eq!(client.get("/").status, 200);

    site.configure("workers = \"many\"");
    site.signal(libc::SIGUSR2);
    site.wait_to_be_told("error: ");
    let line = site.wait_to_be_told("no upgrade, this server goes on");
    assert!(line.contains("it gave up (exit status: 2)"), "{line}");

    site.configure(&file(2, ""));
    site.replace_program("#!/bin/sh\nexit 7\n");
    site.signal_first(libc::SIGUSR2);
    let line = site.wait_to_be_told("no upgrade, this server goes on");
    assert!(line.contains("it gave up (exit status: 7)"), "{line}");

    // All the while nobody noticed, and an upgrade is still possible.
    assert_eq!(client.get("/").text(), "here");
    std::fs::remove_file(site.program()).unwrap();
    symlink(PROGRAM, site.program()).unwrap();
    site.signal_first(libc::SIGUSR2);
    site.wait_to_be_told("this server drains");
    // It is told before every worker knows.
    while !client.get("/").says_close() {}
    assert_eq!(site.get(), "here");
    assert_eq!(site.first.wait().unwrap().code(), Some(0));
}

/// `corelane upgrade` with these words: its exit code and what it tells.
fn upgrade_command(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM).arg("upgrade").args(words).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_command_has_a_server_upgraded_and_tells_what_came_of_it() {
    let mut site = Site::start("127.0.0.1:0", 2, "");
    let first = site.first.id().to_string();
    let (code, told) = upgrade_command(&[&first]);
    site.wait_to_be_told("upgrading");
    assert_eq!(code, Some(0), "{told}");
    let (before, now) = (&first, site.pids[1]);
    assert!(told.contains(&format!("process {now} serves, {before} drains")), "{told}");
    site.first.wait().unwrap();
    let now = now.to_string();

    site.configure("workers = 0");
    let (code, told) = upgrade_command(&[&now]);
    let expected = format!("error: process {now} serves on: nothing took over\nhint: ");
    assert!(code == Some(1) && told.starts_with(&expected), "{told}");
    assert_eq!(site.get(), "here");

    let (code, told) = upgrade_command(&[&first]);
    let expected = format!("error: process {first} listens on nothing that can be seen\nhint: ");
    assert!(code == Some(1) && told.starts_with(&expected), "{told}");
}

#[test]
fn who_ends_the_server_in_an_upgrade_ends_the_new_one_too() {
    let mut site = Site::start("127.0.0.1:0", 1, "");
    site.replace_program("#!/bin/sh\nexec sleep 1000\n");
    site.signal_first(libc::SIGUSR2);
    site.wait_to_be_told("upgrading");
    site.signal_first(libc::SIGUSR2);
    site.wait_to_be_told("an upgrade is under way");
    assert_eq!(site.get(), "here");
    site.signal_first(libc::SIGTERM);
    assert_eq!(site.first.wait().unwrap().code(), Some(0));
    wait_for_end(site.pids[1]);
}

#[test]
fn there_is_nothing_to_upgrade_to_where_the_program_is_gone() {
    let mut site = Site::start("127.0.0.1:0", 1, "");
    std::fs::remove_file(site.program()).unwrap();
    site.signal(libc::SIGUSR2);
    let line = site.wait_to_be_told("no upgrade, this server goes on");
    assert!(line.contains("cannot start") && line.contains("server"), "{line}");
    assert_eq!(site.get(), "here");
    site.signal(libc::SIGTERM);
    assert_eq!(site.first.wait().unwrap().code(), Some(0));
}

/// The next message to a service manager, and the sockets that came with it.
fn told_to(manager: &UnixDatagram) -> (String, Vec<TcpListener>) {
    let mut bytes = [0; 512];
    let mut room = nix::cmsg_space!([i32; 64]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received =
        recvmsg::<()>(manager.as_raw_fd(), &mut parts, Some(&mut room), flags).expect("in time");
    let rights = received.cmsgs().unwrap().filter_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => Some(numbers),
        _ => None,
    });
    // SAFETY: the kernel has just made these descriptors for us.
    let sockets = rights.flatten().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }.into()).collect();
    let len = received.bytes;
    (String::from_utf8(bytes[..len].to_vec()).unwrap(), sockets)
}

#[test]
fn a_service_manager_is_told_who_serves_and_keeps_the_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let kept = |public: usize| {
        let (mut sockets, mut told) = (Vec::new(), Vec::new());
        while !told.last().is_some_and(|last: &String| last.starts_with("READY=1")) {
            let (message, came) = told_to(&manager);
            sockets.extend(came);
            told.push(message);
        }
        let expected = [
            "FDSTOREREMOVE=1\nFDNAME=corelane-public",
            "FDSTORE=1\nFDNAME=corelane-public",
            "FDSTOREREMOVE=1\nFDNAME=corelane-admin",
            "FDSTORE=1\nFDNAME=corelane-admin",
        ];
        assert_eq!(told[..4], expected);
        assert_eq!(sockets.len(), public + 1);
        sockets
    };
    let admin = "admin = \"127.0.0.1:0\"";
    let mut site = Site::start_with("127.0.0.1:0", 2, admin, |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    kept(2);
    site.signal(libc::SIGHUP);
    let (reloading, _) = told_to(&manager);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(told_to(&manager).0.starts_with("READY=1"));

    site.configure(&file(3, admin));
    site.upgrade();
    assert_eq!(told_to(&manager).0, format!("MAINPID={}", site.pids[1]));
    let sockets = kept(3);
    // It dies, and somebody connects before the next one is started with what was kept.
    assert!(send(site.pids[1], libc::SIGKILL));
    let mut early = Client::connect(site.address);
    early.send(get("/"));
    let name = |(index, _): (usize, &TcpListener)| {
        if index < 3 { "corelane-public" } else { "corelane-admin" }
    };
    let names: Vec<_> = sockets.iter().enumerate().map(name).collect();
    let next = Site::start_with("127.0.0.1:0", 2, admin, |command| {
        *command = passing(command, &sockets.iter().collect::<Vec<_>>());
        command.env("LISTEN_FDNAMES", names.join(":"));
    });
    assert_eq!(next.address, site.address);
    assert_eq!(early.answer().text(), "here");
}
