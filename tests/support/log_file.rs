//! The program whose log is a file, and what stands in it. Knows nothing of the library.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http_client::PATIENCE;
use crate::program::{Ended, Process, program};

/// The program that logs to a file; ended with the test.
pub(crate) struct Logging {
    pub(crate) process: Process,
    pub(crate) file: PathBuf,
}

impl Logging {
    /// Starts it with its log at `file`, and waits until it says there that it serves.
    pub(crate) fn with(file: &Path, args: &[&str]) -> Logging {
        let log = ["--listen", "127.0.0.1:0", "--log-file", file.to_str().unwrap()];
        Logging::start(program(&[&log, args].concat()), file)
    }

    pub(crate) fn start(mut command: Command, file: &Path) -> Logging {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("it can be run");
        let mut logging = Logging { process: Process(child), file: file.to_owned() };
        logging.wait_for("Ctrl-C drains");
        logging
    }

    /// What stands in the file once `words` do.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let process = &mut self.process;
        wait_until(|| {
            let text = std::fs::read_to_string(&self.file).unwrap_or_default();
            if text.contains(words) {
                return Some(text);
            }
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} without saying {words:?}: {text}");
            None
        })
    }

    /// The address behind the last of these words, up to a blank or the end of the line.
    pub(crate) fn address(&mut self, words: &str) -> std::net::SocketAddr {
        let text = self.wait_for(words);
        let (_, rest) = text.rsplit_once(words).expect("it stands there");
        rest.lines().next().unwrap().parse().expect("it is an address")
    }

    /// Interrupts it and reads the rest of what it prints.
    pub(crate) fn interrupt(self) -> Ended {
        self.process.signal(libc::SIGINT);
        let mut child = self.process;
        let stdout = child.stdout();
        let mut told = String::new();
        std::io::Read::read_to_string(&mut child.0.stderr.take().unwrap(), &mut told).unwrap();
        let told = told.lines().map(str::to_owned).collect();
        Ended { code: child.exit_code(), stdout, told }
    }
}

/// Asks until there is an answer.
pub(crate) fn wait_until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lines of JSON as objects, each with what every event has.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        expect_timestamp(event["ts"].as_str().expect(line));
        let level = event["level"].as_str().expect(line);
        assert!(["error", "warn", "info"].contains(&level), "{line}");
        assert!(event["event"].is_string() && event["message"].is_string(), "{line}");
        event
    };
    text.lines().map(event).collect()
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn expect_timestamp(text: &str) {
    let shape: String =
        text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}
