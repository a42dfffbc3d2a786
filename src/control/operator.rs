//! What signals lead to, besides the end of a server. Knows no signal by its number.

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
}
