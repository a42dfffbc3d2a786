//! What is shipped beside the program, completions and manual pages, is what its command line makes
//! of them. `CORELANE_UPDATE=1 cargo test --test packaging` writes them anew.
#![cfg(all(feature = "bench", feature = "doctor"))]

use std::path::{Path, PathBuf};

use clap_complete::{Shell, generate};
use clap_mangen::Man;
use corelane::config::command_line;

/// Each file under `packaging`, and what belongs into it.
fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for (shell, name) in [
        (Shell::Bash, "completions/corelane.bash"),
        (Shell::Fish, "completions/corelane.fish"),
        (Shell::Zsh, "completions/_corelane"),
    ] {
        let mut text = Vec::new();
        generate(shell, &mut command_line(), "corelane", &mut text);
        files.push((name.into(), text));
    }
    let mut command = command_line();
    // Names such as `corelane-bench` are given when it is built.
    command.build();
    // `serve` is what `corelane` alone does, and its page says so.
    let names = ["bench", "config", "doctor", "health", "report", "routes", "upgrade"];
    let pages = names.map(|name| command.find_subcommand(name).unwrap());
    for page in std::iter::once(&command).chain(pages) {
        let man = Man::new(page.clone());
        let mut text = Vec::new();
        man.render(&mut text).unwrap();
        files.push((format!("man/{}", man.get_filename()).into(), text));
    }
    files
}

#[test]
fn completions_and_manual_pages_are_those_of_the_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let updates = std::env::var_os("CORELANE_UPDATE").is_some();
    for (name, text) in files() {
        let path = root.join(name);
        if updates {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let is_current = std::fs::read(&path).is_ok_and(|there| there == text);
        let path = path.display();
        assert!(is_current, "{path} is old: CORELANE_UPDATE=1 cargo test --test packaging");
    }
}
