//! The program as its user runs it: started, listened to, signalled, ended.
//! Knows nothing of the library.

#![allow(dead_code, reason = "every test program uses a part of it")]
#![allow(unsafe_code, reason = "sends signals and sockets to the processes it started")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use crate::http_client::Client;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_corelane");

/// The program with arguments, and with none of the variables that stand for them.
pub(crate) fn program(args: &[&str]) -> Command {
    without_variables(Command::new(PROGRAM), args)
}

pub(crate) fn without_variables(mut command: Command, args: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CORELANE_") {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

/// The program while it serves; ended with the test.
pub(crate) struct Serving {
    pub(crate) process: Process,
    pub(crate) stderr: BufReader<ChildStderr>,
    /// Everything it has told so far.
    pub(crate) told: Vec<String>,
}

/// How it ended and what it printed.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) told: Vec<String>,
}

impl Serving {
    /// Starts it and waits until it says that it serves.
    pub(crate) fn start(mut command: Command) -> Serving {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it can be run");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut serving = Serving { process: Process(child), stderr, told: Vec::new() };
        serving.wait_to_be_told("Ctrl-C drains");
        serving
    }

    pub(crate) fn with(args: &[&str]) -> Serving {
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        Serving::start(program(&args))
    }

    /// Reads what it tells up to the line that contains `words`.
    pub(crate) fn wait_to_be_told(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let len = self.stderr.read_line(&mut line).expect("it tells text");
            assert!(len > 0, "it ended without saying {words:?}: {:?}", self.told);
            self.told.push(line.trim_end().to_owned());
            if line.contains(words) {
                return;
            }
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let addresses =
            self.told.iter().filter_map(|line| line.strip_prefix("listening on http://"));
        addresses.map(|address| address.parse().unwrap()).collect()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addresses()[0])
    }

    /// Reads everything to the end.
    pub(crate) fn end(mut self) -> Ended {
        let stdout = self.process.stdout();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let mut told = std::mem::take(&mut self.told);
        told.extend(rest.lines().map(str::to_owned));
        Ended { code: self.process.exit_code(), stdout, told }
    }

    pub(crate) fn interrupt(self) -> Ended {
        self.process.signal(libc::SIGINT);
        self.end()
    }
}

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.0.id()).unwrap();
        // SAFETY: the id is our child's: it was not waited for, so nobody else has it.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    pub(crate) fn stdout(&mut self) -> String {
        let mut stdout = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        stdout
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(args).output().expect("it can be run");
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

pub(crate) fn error_and_hint(stderr: &str) -> (&str, &str) {
    let mut lines = stderr.lines();
    let error = lines.next().and_then(|line| line.strip_prefix("error: ")).expect(stderr);
    let hint = lines.next().and_then(|line| line.strip_prefix("hint: ")).expect(stderr);
    assert_eq!(lines.next(), None, "{stderr}");
    (error, hint)
}

/// The command as a service manager starts it that passes it these sockets.
pub(crate) fn passing(command: &Command, sockets: &[&TcpListener]) -> Command {
    // Only the process itself knows its number before it becomes the program.
    let script = "export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let mut shell = without_variables(Command::new("sh"), &["-c", script]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.env("LISTEN_FDS", sockets.len().to_string());
    // High numbers first, so that none of 3 and above is overwritten before it is copied.
    let high: Vec<_> = sockets.iter().map(|socket| duplicate_above(socket, 100)).collect();
    // SAFETY: dup2 is async-signal-safe and the closure owns what it copies.
    unsafe {
        shell.pre_exec(move || {
            for (number, socket) in (3..).zip(&high) {
                if libc::dup2(socket.as_raw_fd(), number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    shell
}

fn duplicate_above(socket: &TcpListener, least: i32) -> OwnedFd {
    // SAFETY: the descriptor is open while it is borrowed, and what comes back is a new one.
    unsafe {
        let fd = libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}
