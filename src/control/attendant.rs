//! Waits with a running server for signals and for its end: drain, stop, reload, upgrade, and what
//! a service manager wants to be told of it. Knows nothing of how workers do their part.

use std::os::fd::BorrowedFd;
use std::process::{self, Child};
use std::time::Duration;

use super::handover::{Progress, Successor};
use super::manager::Manager;
use super::operator::Operator;
use super::phase::Phase;
use super::reload::Reloader;
use super::running::{Ended, Running};
use super::{Result, StartError};
use crate::clock::Moment;
use crate::limits::SUCCESSOR_MS;
use crate::sys::{Signal, Signals, Woken, send_signal};

const SUCCESSOR_TIME: Duration = Duration::from_millis(SUCCESSOR_MS);

/// Who waits.
pub(super) struct Attendant<'a, H> {
    running: Running,
    signals: &'a Signals,
    manager: Option<Manager>,
    operator: &'a mut dyn Operator<H>,
    reloader: Reloader<H>,
    /// When a drain begins, or began.
    drains_at: Option<Moment>,
    upgrade: Option<Upgrade>,
    /// Who would have taken over, if the server had not been ended.
    dismissed: Option<Child>,
}

/// A process that is about to take over.
struct Upgrade {
    successor: Successor,
    /// By then it serves, or it has failed.
    until: Moment,
}

impl<'a, H: 'static> Attendant<'a, H> {
    pub(super) fn new(
        running: Running,
        signals: &'a Signals,
        operator: &'a mut dyn Operator<H>,
        reloader: Reloader<H>,
    ) -> Attendant<'a, H> {
        Attendant {
            running,
            signals,
            manager: Manager::from_environment(),
            operator,
            reloader,
            drains_at: None,
            upgrade: None,
            dismissed: None,
        }
    }

    /// Returns once every worker ended.
    ///
    /// # Errors
    /// If one ended without having been asked to.
    pub(super) fn wait(mut self) -> Result<Ended> {
        self.operator.started(&self.running);
        if let Some(manager) = &self.manager {
            self.running.with_estate(|estate| manager.keep(estate));
            manager.ready(&self.describe());
        }
        while !self.running.is_over() {
            let woken = self.wait_for_something()?;
            self.react(woken);
        }
        let ended = self.running.wait();
        if let Some(mut dismissed) = self.dismissed {
            let _ = dismissed.kill();
            let _ = dismissed.wait();
        }
        ended
    }

    /// Where it listens and with how many workers, in a line.
    fn describe(&self) -> String {
        let urls: Vec<_> =
            self.running.addresses().iter().map(|at| format!("http://{at}")).collect();
        format!("serving {} with {} workers", urls.join(", "), self.running.workers().count())
    }

    fn now(&self) -> Moment {
        self.running.board().clock().now()
    }

    /// Waits for what comes first: a signal, an end, a word of the successor, or the moment at
    /// which something is due.
    fn wait_for_something(&self) -> Result<Woken> {
        let now = self.now();
        let interval = self.manager.as_ref().and_then(Manager::interval);
        if let Some((manager, time)) = self.manager.as_ref().zip(interval)
            && self.running.makes_progress(time)
        {
            manager.lives();
        }
        let begins = self.drains_at.filter(|_| self.is_lame_duck()).map(|at| at - now);
        let left = begins.or_else(|| self.running.left());
        let answers = self.upgrade.as_ref().map(|upgrade| upgrade.until - now);
        let timeout = [left, interval, answers].into_iter().flatten().min();
        let successor: Option<BorrowedFd<'_>> =
            self.upgrade.as_ref().map(|upgrade| upgrade.successor.as_fd());
        self.signals
            .wait_or_wake(self.running.ended(), successor, timeout)
            .map_err(|error| StartError::Kernel("wait for signals", error))
    }

    fn is_lame_duck(&self) -> bool {
        self.running.phase() == Phase::LameDuck
    }

    fn react(&mut self, woken: Woken) {
        match woken {
            Woken::Signal(signal) if signal.ends() => self.end(signal),
            Woken::Signal(Signal::User1) => self.operator.reopen_logs(&self.running),
            Woken::Signal(signal) if self.drains_at.is_some() => {
                log::warn!(
                    event = "signal_ignored", signal:?;
                    "{signal:?}: nothing is done any more, the server drains"
                );
            }
            Woken::Signal(Signal::User2) => self.begin_upgrade(),
            Woken::Signal(_) => self.reload(),
            Woken::Besides => self.go_on_with_upgrade(),
            Woken::Wake | Woken::Timeout => {}
        }
        let now = self.now();
        if self.is_lame_duck() && self.drains_at.is_some_and(|at| now >= at) {
            log::info!(event = "draining"; "draining");
            self.drain();
        }
        if let Some(late) = self.upgrade.take_if(|upgrade| now >= upgrade.until) {
            self.give_up(late, "it was not ready in time");
        }
    }

    fn reload(&mut self) {
        if let Some(manager) = &self.manager {
            manager.reloading();
        }
        self.operator.reload(&self.reloader);
        if let Some(manager) = &self.manager {
            manager.ready(&self.describe());
        }
    }

    /// The first such signal drains, at once or after the time as a lame duck, the second stops.
    fn end(&mut self, signal: Signal) {
        if self.drains_at.is_some() {
            log::info!(event = "stopping", signal:?; "{signal:?} again: stopping at once");
            self.running.stop();
            return;
        }
        if let Some(Upgrade { successor, .. }) = self.upgrade.take() {
            // What is meant to end ends whole. It may have connections, so it drains as we do.
            let _ = send_signal(successor.process.id(), Signal::Terminate);
            self.dismissed = Some(successor.process);
        }
        let lame_duck = self.running.lame_duck();
        self.drains_at = Some(self.now() + lame_duck);
        if lame_duck.is_zero() {
            log::info!(
                event = "draining", signal:?;
                "{signal:?}: draining; once more stops at once"
            );
            self.drain();
            return;
        }
        // Before it is told: who reads that it is not ready may ask at once.
        self.running.step_back();
        let wait_ms = lame_duck.as_millis();
        log::info!(
            event = "lame_duck", signal:?, wait_ms;
            "{signal:?}: draining in {wait_ms} ms; once more stops at once"
        );
        if let Some(manager) = &self.manager {
            manager.stopping(lame_duck);
        }
    }

    fn drain(&self) {
        self.running.drain();
        if let Some((manager, left)) = self.manager.as_ref().zip(self.running.left()) {
            manager.stopping(left);
        }
    }

    fn begin_upgrade(&mut self) {
        if self.upgrade.is_some() {
            refuse_upgrade("an upgrade is under way");
            return;
        }
        if process::id() == 1 {
            refuse_upgrade("a container ends with its first process; replace it whole");
            return;
        }
        let Some(command) = self.operator.successor() else {
            refuse_upgrade("nothing is named that would take over");
            return;
        };
        let name = command.get_program().display().to_string();
        match self.running.with_estate(|estate| Successor::start(command, estate)) {
            Some(Ok(successor)) => {
                let pid = successor.process.id();
                log::info!(
                    event = "upgrading", program:% = name, pid;
                    "upgrading: {name} starts with pid {pid}"
                );
                let until = self.now() + SUCCESSOR_TIME;
                self.upgrade = Some(Upgrade { successor, until });
            }
            Some(Err(error)) => {
                log::error!(
                    event = "upgrade_failed", program:% = name, reason:% = error;
                    "no upgrade, this server goes on: cannot start {name}: {error}"
                );
            }
            None => {}
        }
    }

    fn go_on_with_upgrade(&mut self) {
        let Some(upgrade) = self.upgrade.take() else { return };
        match upgrade.successor.progress() {
            Progress::Starting => self.upgrade = Some(upgrade),
            Progress::Failed(why) => self.give_up(upgrade, why),
            Progress::Ready => {
                let pid = upgrade.successor.process.id();
                log::info!(event = "upgraded", pid; "upgraded: pid {pid} serves, this server drains");
                if let Some(manager) = self.manager.take() {
                    manager.succeeded_by(pid);
                }
                self.drains_at = Some(self.now());
                self.running.hand_over();
                upgrade.successor.go();
            }
        }
    }

    fn give_up(&self, upgrade: Upgrade, why: &str) {
        let why = format!("{why} ({})", upgrade.successor.end());
        self.running.share_again();
        log::error!(
            event = "upgrade_failed", reason = why.as_str();
            "no upgrade, this server goes on: the new program did not serve: {why}"
        );
    }
}

fn refuse_upgrade(why: &str) {
    log::warn!(event = "upgrade_refused", reason = why; "no upgrade: {why}");
}
