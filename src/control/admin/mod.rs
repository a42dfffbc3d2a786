//! The admin listener: one more, unpinned worker with an application of its own, which tells how
//! the others are. It shares no connection, no thread and no setting with them.

mod application;
mod connections;
mod feed;
mod metrics;
mod overview;
mod second;

use std::sync::Arc;
use std::time::Duration;

use self::application::Application;
use self::feed::Feed;
pub(super) use self::overview::Overview;
use super::Result;
use super::inherited::Source;
use super::running::Running;
use super::spawn::{self, Plan, Role};
use crate::limits::{
    ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_BYTES_MAX, ADMIN_MEMORY_MAX, ADMIN_NOTSENT_BYTES,
    ADMIN_QUEUE_MAX, ADMIN_SEND_MS, ADMIN_THREADS,
};
use crate::settings::{Balance, Settings};

/// Descriptors that it takes at most: its connections, and what a worker has besides.
pub(super) const DESCRIPTORS: usize = ADMIN_CONNECTIONS_MAX + 8;

/// Starts it on these addresses; it ends when what is returned is dropped.
pub(super) fn start(sources: Vec<Source>, overview: &Arc<Overview>) -> Result<Running> {
    let addresses = || sources.iter().map(|source| source.address);
    let is_local = addresses().all(|address| address.ip().is_loopback());
    for address in addresses().filter(|address| !address.ip().is_loopback()) {
        log::warn!(
            event = "admin_exposed", address:%;
            "the admin listener is on {address}, not on loopback: whoever reaches it may read \
             what it shows, and it has neither a password nor encryption"
        );
    }
    let plan = Plan {
        role: Role::Admin,
        sources,
        admin: Vec::new(),
        cpus: vec![None],
        connections_max: ADMIN_CONNECTIONS_MAX,
        memory_max: ADMIN_MEMORY_MAX,
        blocking_threads: ADMIN_THREADS,
        settings: settings(),
    };
    let feed = Feed::new(Arc::clone(overview));
    let overview = Arc::clone(overview);
    let factory = move |_: &_| Application::new(&overview, &feed, is_local);
    let (running, _) = spawn::start(plan, &(Arc::new(factory) as spawn::Factory<Application>))?;
    Ok(running)
}

fn settings() -> Settings {
    Settings {
        head_bytes_max: ADMIN_HEAD_BYTES_MAX,
        target_bytes_max: ADMIN_HEAD_BYTES_MAX,
        body_bytes_max: ADMIN_HEAD_BYTES_MAX as u64,
        blocking_queue_max: ADMIN_QUEUE_MAX,
        send_time: Duration::from_millis(ADMIN_SEND_MS),
        notsent_bytes: ADMIN_NOTSENT_BYTES,
        balance: Balance::Off,
        // It is looked at by people: nobody has to measure it, and whoever comes late is served.
        overload_delay: None,
        stage_sampling: 0,
        stall_time: None,
        ..Settings::default()
    }
}
