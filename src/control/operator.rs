//! What signals lead to, besides the end of a server. Knows no signal by its number.

use std::process::Command;

use super::reload::Reloader;
use super::running::Running;

/// The program around a server, told of what happens and asked what an operator asks for by a
/// signal. What it does not answer does nothing.
pub trait Operator<H> {
    /// Every worker serves.
    fn started(&mut self, _running: &Running) {}

    /// `SIGHUP`: read the configuration again. Not called once a drain has begun.
    fn reload(&mut self, _reloader: &Reloader<H>) {}

    /// `SIGUSR1`: the files of logs were renamed, open them again.
    fn reopen_logs(&mut self, _running: &Running) {}

    /// `SIGUSR2`: the program that takes the place of this one. It is started with the listening
    /// sockets and must call [`super::Server::activated`]; once it serves, this server drains. Not
    /// called once a drain has begun.
    fn successor(&mut self) -> Option<Command> {
        None
    }
}
