//! What this program was built from: version, commit, features, target.
//! Knows only what the compiler told it.

use std::env::consts::{ARCH, OS};

/// The version alone.
pub(super) const SHORT: &str = env!("CARGO_PKG_VERSION");

/// What git said when this was built (`build.rs`), or what its builder set.
const COMMIT: Option<&str> = option_env!("CORELANE_COMMIT");

/// Version, commit, build, features and allocator, one to a line.
pub(super) fn long() -> String {
    let profile = if cfg!(debug_assertions) { "with debug assertions" } else { "release" };
    let allocator = if cfg!(feature = "mimalloc") { "mimalloc" } else { "system" };
    let commit = COMMIT.filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    format!(
        "{SHORT}\n\
         commit:    {commit}\n\
         build:     {ARCH}-{OS}, {profile}\n\
         features:  {}\n\
         allocator: {allocator}",
        features()
    )
}

fn features() -> String {
    let features = [
        ("bench", cfg!(feature = "bench")),
        ("cli", cfg!(feature = "cli")),
        ("doctor", cfg!(feature = "doctor")),
        ("json", cfg!(feature = "json")),
        ("mimalloc", cfg!(feature = "mimalloc")),
    ];
    let on: Vec<&str> = features.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    on.join(" ")
}
