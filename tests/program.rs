//! The program as its user runs it: what it prints, what it answers, how it ends.
//! Knows nothing of the library.

#![cfg(feature = "cli")]
#![allow(unsafe_code, reason = "sends signals to the processes it started")]

#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/program.rs"]
mod program;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use http_client::{Client, get, pattern, post};
use program::{
    PROGRAM, Process, Serving, error_and_hint, passing, program, run, without_variables,
};
use serde_json::Value;

#[test]
fn it_tells_where_it_listens_and_where_its_workers_run() {
    let serving = Serving::with(&["--listen", "[::1]:0", "--workers", "2"]);
    let addresses = serving.addresses();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert_ne!(address.port(), 0);
        assert_eq!(Client::connect(address).get("/hello").text(), "Hello from corelane!\n");
    }
    // What it says of its threads is what the kernel says.
    let tasks = std::fs::read_dir(format!("/proc/{}/task", serving.process.0.id())).unwrap();
    let mut workers: Vec<(String, String)> = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok())
        .map(|status| (entry(&status, "Name"), entry(&status, "Cpus_allowed_list")))
        .filter(|(name, _)| name.starts_with("worker "))
        .collect();
    workers.sort();
    assert_eq!(workers.len(), 2);
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let has_cpu_each = entry(&own, "Cpus_allowed_list").contains([',', '-']);
    for (index, (name, allowed)) in workers.iter().enumerate() {
        assert_eq!(*name, format!("worker {index}"));
        let line = if has_cpu_each {
            format!("{name} on CPU {allowed}")
        } else {
            format!("{name} not pinned")
        };
        assert!(serving.told.contains(&line), "{line:?} is not in {:?}", serving.told);
    }
    assert_eq!(serving.interrupt().code, Some(0));
}

/// The value of an entry of `proc_pid_status(5)`.
fn entry(status: &str, name: &str) -> String {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.expect("the entry exists").trim().to_owned()
}

#[test]
fn a_lame_duck_serves_on_not_ready_and_then_drains_with_an_account() {
    let args = ["--workers", "1", "--admin", "0", "--lame-duck", "1s", "--drain-idle-time", "50ms"];
    let mut serving = Serving::with(&args);
    let admin = serving.told.iter().find_map(|line| line.strip_prefix("admin on http://"));
    let admin: SocketAddr = admin.expect("it says where").parse().unwrap();
    assert!(admin.ip().is_loopback());
    let ready = || {
        let mut client = Client::connect(admin);
        client.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status
    };
    let mut client = serving.connect();
    assert_eq!((client.get("/hello").status, ready()), (200, 200));
    serving.process.signal(libc::SIGTERM);
    serving.wait_to_be_told("draining in 1000 ms");
    assert_eq!(ready(), 503);
    assert!(!serving.connect().get("/hello").says_close(), "it serves on");
    let ended = serving.end();
    assert_eq!(ended.code, Some(0));
    let drained = "drained 1 connections: 0 finished, 1 closed idle, 0 left";
    let is_told = ended.told.iter().any(|line| line.contains(drained));
    assert!(is_told, "{:?}", ended.told);
    assert!(ended.stdout.contains("drain: 1 connections: 0 finished, 1 closed idle"));
}

#[test]
fn a_second_signal_ends_a_lame_duck_at_once() {
    let mut serving = Serving::with(&["--workers", "1", "--lame-duck", "1h"]);
    serving.process.signal(libc::SIGTERM);
    serving.wait_to_be_told("draining in 3600000 ms");
    assert_eq!(serving.interrupt().code, Some(0));
}

#[test]
fn an_admin_address_that_is_taken_is_told_as_a_public_one_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) = run(&["--listen", "127.0.0.1:0", "--admin", &address]);
    let (error, hint) = error_and_hint(&stderr);
    assert_eq!(code, Some(1));
    assert!(error.contains(&address) && error.contains("in use by"), "{error}");
    assert!(hint.contains("another port"), "{hint}");
}

#[test]
fn without_pins_it_says_so_and_starts_a_worker_per_cpu() {
    let serving = Serving::with(&["--pin", "off", "--report", "none"]);
    let lines = serving.told.iter().filter(|line| line.ends_with(" not pinned")).count();
    // Fewer where a control group's quota leaves a part of a CPU.
    assert!((1..=std::thread::available_parallelism().unwrap().get()).contains(&lines));
    let ended = serving.interrupt();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_signal_drains_it_and_it_prints_the_table() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let serving = Serving::with(&["--workers", "1", "--drain-idle-time", "1h"]);
        let mut client = serving.connect();
        assert_eq!(client.get("/json").status, 200);
        assert_eq!(client.get("/nowhere").status, 404);
        serving.process.signal(signal);
        let mut serving = serving;
        serving.wait_to_be_told("draining; once more stops at once");
        // The log comes before the drain; a request may come before or behind it.
        while !client.get("/health").says_close() {}
        client.expect_end();
        let ended = serving.end();
        assert_eq!(ended.code, Some(0), "{:?}", ended.told);
        let table = ended.stdout;
        for wanted in ["corelane ran for", "worker 0", "total", "P99", "drained", "GET /json"] {
            assert!(table.contains(wanted), "{wanted}: {table}");
        }
        assert!(table.contains("Service time:") && table.ends_with('\n'), "{table}");
    }
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let args = ["--workers", "1", "--drain-idle-time", "1h", "--drain-time", "1h"];
    let mut serving = Serving::with(&[&args[..], &["--report", "json"]].concat());
    let mut client = serving.connect();
    assert_eq!(client.get("/hello").status, 200);
    client.send("GET / HT");
    serving.process.signal(libc::SIGINT);
    serving.wait_to_be_told("once more stops at once");
    serving.process.signal(libc::SIGTERM);
    let ended = serving.end();
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["total"]["closes"]["stopped"], 1);
    assert!(ended.told.iter().any(|line| line.contains("stopping at once")), "{:?}", ended.told);
    client.expect_end();
}

#[test]
fn the_figures_of_its_report_are_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let hgrm = folder.path().join("latency.hgrm");
    let args = ["--workers", "2", "--report", "json", "--hgrm", hgrm.to_str().unwrap()];
    let serving = Serving::with(&args);
    let close = |request: String| request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let echo = post("/echo", "Connection: close\r\n", &pattern(100_000));
    let requests: [Vec<u8>; 5] = [
        close(get("/hello")).into(),
        [get("/json"), close(get("/users/1"))].concat().into(),
        close(get("/nowhere")).into(),
        echo,
        "GET /\r\n\r\n".into(),
    ];
    let (mut sent, mut received) = (0, 0);
    for request in requests.iter().cycle().take(50) {
        let mut client = serving.connect();
        sent += client.send(request).finish_sending().rest().len();
        received += request.len();
    }
    let ended = serving.interrupt();
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
    assert_eq!(ended.stdout.lines().count(), 1, "one line for programs");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let total = &report["total"];
    assert_eq!(report["schema"], "corelane-report/1");
    assert_eq!((&total["requests"], &total["connections"]), (&50.into(), &50.into()));
    assert_eq!(total["received_bytes"], received);
    assert_eq!(total["sent_bytes"], sent);
    assert_eq!((&total["statuses"]["2xx"], &total["statuses"]["4xx"]), (&40.into(), &20.into()));
    assert_eq!(
        (&total["closes"]["by_request"], &total["closes"]["refused"]),
        (&40.into(), &10.into())
    );
    assert_eq!(total["refusals"]["request_line"], 10);
    assert_eq!(total["routes"]["GET /users/{id}"], 10);
    assert_eq!(total["routes"]["(no route)"], 10);
    assert_eq!(total["service_time"]["count"], 60, "every answer is timed");
    let workers = report["workers"].as_array().unwrap();
    let summed: u64 = workers.iter().map(|worker| worker["requests"].as_u64().unwrap()).sum();
    assert_eq!((workers.len(), summed), (2, 50));
    expect_distribution(&hgrm, 60, total["service_time"]["max_ns"].as_u64().unwrap());
}

/// The file is HdrHistogram's percentile format over so many samples.
fn expect_distribution(path: &Path, samples: u64, max_ns: u64) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    let mut last = (0.0, 0.0, 0);
    for line in lines.by_ref().skip_while(|line| line.is_empty()) {
        if line.starts_with('#') {
            assert!(line.starts_with("#[Mean"), "{line}");
            break;
        }
        let columns: Vec<_> = line.split_whitespace().collect();
        let row: (f64, f64, u64) =
            (columns[0].parse().unwrap(), columns[1].parse().unwrap(), columns[2].parse().unwrap());
        assert!(row.0 >= last.0 && row.1 >= last.1 && row.2 >= last.2, "{text}");
        last = row;
    }
    assert_eq!((last.1.to_bits(), last.2), (1.0_f64.to_bits(), samples));
    let longest = Duration::from_nanos(max_ns).as_secs_f64() * 1e3;
    assert!((last.0 - longest).abs() <= longest * 0.01 + 0.001, "{} is not {longest}", last.0);
    let max = lines.next().unwrap();
    assert!(max.starts_with("#[Max") && max.contains(&samples.to_string()), "{max}");
    assert!(lines.next().unwrap().starts_with("#[Buckets"));
    assert_eq!(lines.next(), None);
}

#[test]
fn what_it_cannot_write_at_the_end_is_told_and_the_rest_is_kept() {
    let serving = Serving::with(&["--hgrm", "/nonexistent/latency.hgrm", "--report", "json"]);
    let ended = serving.interrupt();
    assert_eq!(ended.code, Some(1));
    let last = ended.told[ended.told.len() - 2..].join("\n");
    assert!(error_and_hint(&last).0.contains("/nonexistent/latency.hgrm"), "{last}");
    assert!(serde_json::from_str::<Value>(&ended.stdout).is_ok(), "{:?}", ended.stdout);
}

#[test]
fn a_full_disk_behind_its_messages_does_not_end_it() {
    // An address of this test's own: nobody is given the port while the program has it not yet.
    let address = TcpListener::bind("127.0.78.3:0").unwrap().local_addr().unwrap();
    let mut command = program(&["--listen", &address.to_string(), "--report", "json"]);
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = command.stderr(full()).stdout(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    while TcpStream::connect(address).is_err() {
        assert_eq!(process.0.try_wait().unwrap(), None, "it ended before it listened");
        std::thread::yield_now();
    }
    let mut client = Client::connect(address);
    assert_eq!(client.get("/hello").status, 200);
    drop(client);
    process.signal(libc::SIGINT);
    assert!(serde_json::from_str::<Value>(&process.stdout()).is_ok());
    assert_eq!(process.exit_code(), Some(0));

    // Behind its report it does: that is what it was asked for.
    let mut command = program(&["--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut process = Process(child);
    let mut told = String::new();
    while !told.contains("Ctrl-C drains") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "{told}");
    }
    process.signal(libc::SIGINT);
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(process.exit_code(), Some(1));
    assert!(told.contains("error: cannot write the report: "), "{told}");
}

#[test]
fn wrong_usage_is_exit_code_2_with_a_hint_and_nothing_is_started() {
    for (args, wanted) in [
        (&["--bogus"][..], "unknown flag `--bogus`"),
        (&["--worker", "2"], "unknown flag `--worker`"),
        (&["--listen", "nonsense:port"], "--listen nonsense:port"),
        (&["--idle-time", "5"], "--idle-time 5"),
        (&["--fields-max", "0"], "--fields-max"),
        (&["--report", "yaml"], "--report yaml"),
        (&["benhc"], "unknown"),
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}: {stderr}");
        let (error, hint) = error_and_hint(&stderr);
        assert!(error.contains(wanted) && !hint.is_empty(), "{args:?}: {stderr}");
    }
}

#[test]
fn a_port_in_use_is_exit_code_1_and_its_holder_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = run(&["--listen", &address]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let (error, hint) = error_and_hint(&stderr);
    assert!(error.contains(&address) && error.contains("in use by"), "{error}");
    assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
    assert_eq!(hint, "stop it, or listen on another port");

    // A second one of its own kind does not join it unasked.
    let first = Serving::with(&[]);
    let address = first.addresses()[0].to_string();
    let (code, _, stderr) = run(&["--listen", &address]);
    assert_eq!(code, Some(1));
    let pid = format!("in use by corelane (pid {})", first.process.0.id());
    assert!(error_and_hint(&stderr).0.contains(&pid), "{stderr}");
    assert_eq!(first.connect().get("/hello").status, 200);
}

#[test]
fn help_and_version_are_printed_and_end_it() {
    let (code, help, stderr) = run(&["--help"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for wanted in ["Usage: corelane", "--listen", "--drain-time", "CORELANE_LISTEN", "Exit codes"] {
        assert!(help.contains(wanted), "{wanted}: {help}");
    }
    let (code, brief, _) = run(&["-h"]);
    assert!(code == Some(0) && brief.len() < help.len() && brief.contains("--listen"));
    let (code, version, stderr) = run(&["--version"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut lines = version.lines();
    assert_eq!(lines.next(), Some(concat!("corelane ", env!("CARGO_PKG_VERSION"))));
    for (name, line) in ["commit:", "build:", "features:", "allocator:"].iter().zip(lines.by_ref())
    {
        assert!(line.starts_with(name) && line.len() > name.len() + 1, "{version}");
    }
    assert_eq!(lines.next(), None);
    assert!(["cli", "json"].iter().all(|name| version.contains(name)), "{version}");
}

#[test]
fn too_few_descriptors_are_told_with_the_number_that_is_needed() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", PROGRAM]);
    let args = ["--listen", "127.0.0.1:0", "--workers", "1", "--connections-max", "1000"];
    let serving = Serving::start(without_variables(shell, &args));
    let warning = serving.told[0].strip_prefix("warning: ").expect("it comes first");
    assert!(warning.contains("allows 256"), "{warning}");
    let wanted = warning.split_once("`ulimit -n ").and_then(|(_, rest)| rest.split_once("` first"));
    let wanted: usize = wanted.and_then(|(number, _)| number.parse().ok()).expect(warning);
    assert!((1_001..1_200).contains(&wanted), "{warning}");
    assert_eq!(serving.connect().get("/hello").status, 200, "it serves all the same");
    assert_eq!(serving.interrupt().code, Some(0));
    // With the number that it asks for it has nothing to warn of.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {wanted}; exec \"$0\" \"$@\""), PROGRAM]);
    let serving = Serving::start(without_variables(shell, &args));
    assert!(serving.told[0].starts_with("listening on "), "{:?}", serving.told);
}

#[test]
fn with_fewer_descriptors_than_clients_it_serves_them_one_after_the_other() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 32; exec \"$0\" \"$@\"", PROGRAM]);
    let args = ["--listen", "127.0.0.1:0", "--workers", "1", "--connections-max", "100"];
    let serving = Serving::start(without_variables(shell, &args));
    let mut clients: Vec<_> = (0..64).map(|_| serving.connect()).collect();
    for client in &mut clients {
        client.send(get("/hello"));
    }
    // The first in the queue are served first; each makes room for another when it leaves.
    for mut client in clients {
        assert_eq!(client.answer().text(), "Hello from corelane!\n");
    }
    let ended = serving.interrupt();
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
}

/// The next message to a service manager that is about the server's life and not about its sockets.
fn told_to(manager: &UnixDatagram) -> String {
    let mut message = [0; 512];
    loop {
        let len = manager.recv(&mut message).expect("a message comes in time");
        let message = std::str::from_utf8(&message[..len]).unwrap();
        if !message.starts_with("FDSTORE") {
            return message.to_owned();
        }
    }
}

#[test]
fn a_service_manager_is_told_of_start_life_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = program(&["--listen", "127.0.0.1:0", "--workers", "2"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000").env_remove("WATCHDOG_PID");
    let serving = Serving::start(command);
    let port = serving.addresses()[0].port();
    let status = format!("READY=1\nSTATUS=serving http://127.0.0.1:{port} with 2 workers");
    assert_eq!(told_to(&manager), status);
    assert_eq!((told_to(&manager), told_to(&manager)), ("WATCHDOG=1".into(), "WATCHDOG=1".into()));
    let mut client = serving.connect();
    assert_eq!(client.get("/plaintext").status, 200);
    serving.process.signal(libc::SIGTERM);
    let ended = serving.end();
    assert_eq!(ended.code, Some(0), "{:?}", ended.told);
    let messages = std::iter::repeat_with(|| told_to(&manager));
    let last = messages.into_iter().find(|message| message != "WATCHDOG=1").unwrap();
    assert!(last.starts_with("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC="), "{last}");
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = program(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");
    let ended = Serving::start(command).interrupt();
    assert_eq!(ended.code, Some(0));
    assert!(told_to(&manager).starts_with("READY=1"));
    assert!(told_to(&manager).starts_with("STOPPING=1"));
}

/// The program as a service manager starts it that passes it these sockets.
fn activated(args: &[&str], sockets: &[&TcpListener]) -> Command {
    passing(&program(args), sockets)
}

#[test]
fn it_serves_on_the_sockets_that_a_service_manager_passed() {
    let sockets = [0, 1, 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    for workers in ["1", "2"] {
        // Somebody connects before it runs, and is served once it does.
        let mut early = Client::connect(addresses[1]);
        early.send(get("/plaintext"));
        let args = ["--workers", workers, "--listen", "127.0.0.1:1"];
        let serving = Serving::start(activated(&args, &sockets.each_ref()));
        assert_eq!(serving.addresses(), addresses, "instead of what --listen says");
        assert_eq!(early.answer().status, 200);
        for address in addresses {
            assert_eq!(Client::connect(address).get("/plaintext").status, 200);
        }
        assert_eq!(serving.interrupt().code, Some(0));
    }
}

#[test]
fn what_a_service_manager_passed_must_listen() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let connected = TcpListener::from(OwnedFd::from(connected));
    let output = activated(&[], &[&connected]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("error: cannot listen on an inherited descriptor: "), "{told}");
}
