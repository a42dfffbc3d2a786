//! The processes of an attack, each the same program in another role, and what Linux tells of
//! them. Knows nothing of latency; ends only what it started.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use corelane::Server;
use serde_json::Value;

use super::attacks::{Attack, Size, application, usual_settings};
use super::swarm;

/// A process of ours that takes orders on its standard input and reports line by line.
struct Role {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// How long a role may take for what takes a moment.
const PATIENCE: Duration = Duration::from_secs(20);

impl Role {
    fn start(mut command: Command) -> Result<Role, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("it was asked for above");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Role { orders: child.stdin.take(), child, lines })
    }

    fn line(&self) -> Result<String, String> {
        self.lines.recv_timeout(PATIENCE).map_err(|_| "a process of ours died".to_owned())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // It has ended already unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a role is scheduled, as an option of `chrt` and its number.
type Policy = [&'static str; 2];

/// The watchers see only what stops a processor.
const WATCHER: Policy = ["--fifo", "50"];
/// As on a machine that has nothing else to do.
const SERVER: Policy = ["--rr", "10"];
const CLIENT: Policy = ["--rr", "10"];
/// Their work is no delay of the server's.
const ATTACKER: Policy = ["--idle", "0"];

/// This program, in a role.
fn this_program(policy: Policy) -> Command {
    let program = std::env::current_exe().expect("the program that runs has a path");
    let mut command = Command::new("chrt");
    command.args(policy).arg(program);
    command
}

/// Lets this process, which is the client, go before others.
///
/// # Errors
/// If it has no right to.
pub(crate) fn go_first() -> Result<(), String> {
    let mut command = Command::new("chrt");
    command.args([CLIENT[0], "--pid", CLIENT[1], &std::process::id().to_string()]);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("chrt ended with {status}: this needs CAP_SYS_NICE")),
        Err(error) => Err(format!("chrt: {error}")),
    }
}

/// Keeps this thread, and those it starts, on a CPU.
pub(crate) fn pin(cpu: usize) {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
        eprintln!("warning: CPU {cpu} is not to be had");
    }
}

/// The server under attack.
pub(crate) struct ServerProcess {
    role: Role,
    pub(crate) address: SocketAddr,
}

impl ServerProcess {
    pub(crate) fn start(number: usize) -> Result<ServerProcess, String> {
        let mut command = this_program(SERVER);
        command.args(["serve", &number.to_string()]);
        let role = Role::start(command)?;
        let address = role.line()?.parse().map_err(|_| "the server did not start".to_owned())?;
        Ok(ServerProcess { role, address })
    }

    /// Resident bytes.
    pub(crate) fn rss(&self) -> u64 {
        self.status("VmRSS")
    }

    /// The most resident bytes so far.
    pub(crate) fn rss_peak(&self) -> u64 {
        self.status("VmHWM")
    }

    fn status(&self, name: &str) -> u64 {
        let status = read(&format!("/proc/{}/status", self.role.child.id()));
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kibibytes.unwrap_or(0_u64) * 1024
    }

    /// CPU time of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.role.child.id());
        let tasks = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        let nanos = tasks.filter_map(|task| {
            let figures = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            figures.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Drains it; returns what it counted in total.
    pub(crate) fn finish(mut self) -> Result<Value, String> {
        drop(self.role.orders.take());
        let report = self.role.line()?;
        let status = self.role.child.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("the server ended with {status}"));
        }
        let mut report: Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
        Ok(report["total"].take())
    }
}

/// The server's role: serves until its standard input ends, and reports.
pub(crate) fn serve(attack: &Attack, size: Size, cpu: usize) {
    // Before the start: the worker's CPU is one of those that this thread may use.
    pin(cpu);
    let mut settings = usual_settings(size);
    (attack.settings)(&mut settings, size);
    let server = Server::bind("127.0.0.1:0").workers(NonZeroUsize::MIN).settings(settings);
    let running = server.start(|_| application()).expect("a port is free");
    println!("{}", running.addresses()[0]);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    running.drain();
    let ended = running.wait().expect("no worker failed");
    println!("{}", ended.report().to_json());
}

/// One that sees when its processor stands still.
pub(crate) struct WatcherProcess {
    role: Role,
}

impl WatcherProcess {
    pub(crate) fn start(cpu: usize) -> Result<WatcherProcess, String> {
        let mut command = this_program(WATCHER);
        command.args(["watch", &cpu.to_string()]);
        Ok(WatcherProcess { role: Role::start(command)? })
    }

    pub(crate) fn finish(mut self) -> Result<String, String> {
        drop(self.role.orders.take());
        self.role.line()
    }
}

/// The bad clients.
pub(crate) struct AttackerProcess {
    role: Role,
}

impl AttackerProcess {
    /// Starts it; it does nothing yet.
    pub(crate) fn start(number: usize, address: SocketAddr) -> Result<AttackerProcess, String> {
        let mut command = this_program(ATTACKER);
        command.args(["attack", &number.to_string(), &address.to_string()]);
        Ok(AttackerProcess { role: Role::start(command)? })
    }

    pub(crate) fn go(&mut self) {
        drop(self.role.orders.take());
    }

    /// Whether all connections ended or wait to be reset, after at most this time.
    pub(crate) fn is_over(&self, time: Duration) -> Result<bool, String> {
        match self.role.lines.recv_timeout(time) {
            Ok(line) => Ok(line == "over"),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err("the attackers died".to_owned()),
        }
    }

    pub(crate) fn outcome(self) -> Result<Value, String> {
        serde_json::from_str(&self.role.line()?).map_err(|error| error.to_string())
    }
}

/// The attackers' role: waits for the end of its standard input, attacks, and reports.
pub(crate) fn attack(attack: &Attack, size: Size, address: SocketAddr, cpu: usize) {
    pin(cpu);
    let wave = (attack.wave)(size);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let swarm = swarm::run(&wave, address);
    println!("over");
    // The server's side is looked at before what is left is reset.
    std::io::stdout().flush().expect("the harness listens");
    std::thread::sleep(Duration::from_millis(100));
    println!("{}", swarm.end().to_json());
}

/// What TCP holds on this machine.
pub(crate) struct KernelMemory {
    pub(crate) bytes: u64,
    /// Connections that no process has any more.
    pub(crate) orphans: u64,
}

/// Touches so much memory and gives it back: what a virtual machine has not used for a while its
/// host may have taken, and gives again page by page, each time stopping the processor.
pub(crate) fn warm_memory(bytes: usize) {
    let mut memory = vec![0_u8; bytes];
    memory.chunks_mut(PAGE_BYTES as usize).for_each(|page| page[0] = 1);
    std::hint::black_box(&memory);
}

/// Bytes of a page on every machine that this runs on.
const PAGE_BYTES: u64 = 4_096;

pub(crate) fn kernel_memory() -> KernelMemory {
    let sockstat = read("/proc/net/sockstat");
    let words: Vec<_> = sockstat
        .lines()
        .find(|line| line.starts_with("TCP:"))
        .map_or_else(Vec::new, |line| line.split(' ').collect());
    let number = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let pages = number("mem").unwrap_or(0);
    KernelMemory { bytes: pages * PAGE_BYTES, orphans: number("orphan").unwrap_or(0) }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
