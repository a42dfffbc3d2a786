//! Opening beneath a directory, on real files: links, devices, pipes, and directories that are
//! swapped meanwhile. Knows nothing of HTTP.

#![allow(unsafe_code)] // mkfifo is a foreign function.

#[path = "support/page_cache.rs"]
mod page_cache;

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use corelane::sys::{OpenFile, Opened, Root, read_ahead};

use page_cache::forget;

fn text(file: &OpenFile) -> String {
    let mut bytes = vec![0; file.facts().len as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    String::from_utf8(bytes).unwrap()
}

fn found(root: &Root, path: &str) -> Option<String> {
    match root.find(path.as_bytes()) {
        Ok(Opened::File(file)) => Some(text(&file)),
        _ => None,
    }
}

/// A directory `root` with a file and a directory, and a secret beside it.
fn tree() -> tempfile::TempDir {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    fs::create_dir_all(outside.path().join("root/dir")).unwrap();
    fs::write(outside.path().join("root/file"), "file").unwrap();
    fs::write(outside.path().join("root/dir/inner"), "inner").unwrap();
    outside
}

fn pipe(path: &Path) {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path ends with a NUL.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn what_is_beneath_is_found_and_nothing_else() {
    let tree = tree();
    let inside = tree.path().join("root");
    for (link, target) in [
        ("within", "dir/inner"),
        ("up_and_down", "dir/../file"),
        ("out", "../secret"),
        ("absolute", "/etc/passwd"),
        ("itself", "itself"),
        ("magic", "/proc/self/root"),
    ] {
        symlink(target, inside.join(link)).unwrap();
    }
    let root = Root::open(&inside).unwrap();
    assert_eq!(found(&root, "file").as_deref(), Some("file"));
    assert_eq!(found(&root, "dir/inner").as_deref(), Some("inner"));
    assert_eq!(found(&root, "within").as_deref(), Some("inner"));
    assert_eq!(found(&root, "up_and_down").as_deref(), Some("file"));
    for path in
        ["out", "absolute", "itself", "magic", "../secret", "/etc/passwd", "dir/../../secret"]
    {
        assert!(matches!(root.find(path.as_bytes()), Ok(Opened::Outside)), "{path}");
    }
    for path in ["file\0", "file/", "missing"] {
        assert!(matches!(root.find(path.as_bytes()), Ok(Opened::Nothing)), "{path}");
    }
    assert!(matches!(root.find(b"dir"), Ok(Opened::Directory)));
}

#[test]
fn neither_pipes_nor_sockets_are_files_and_none_is_waited_for() {
    let tree = tree();
    let inside = tree.path().join("root");
    pipe(&inside.join("pipe"));
    let _listener = std::os::unix::net::UnixListener::bind(inside.join("socket")).unwrap();
    let root = Root::open(&inside).unwrap();
    assert!(matches!(root.find(b"pipe"), Ok(Opened::Other)));
    assert!(matches!(root.find(b"socket"), Ok(Opened::Other)));
    let devices = Root::open(Path::new("/dev")).unwrap();
    assert!(matches!(devices.find(b"zero"), Ok(Opened::Other)));
}

#[test]
fn a_root_is_a_directory_that_is_there() {
    let tree = tree();
    assert!(Root::open(&tree.path().join("secret")).is_err());
    assert!(Root::open(&tree.path().join("missing")).is_err());
}

#[test]
fn the_facts_tell_a_changed_file() {
    let tree = tree();
    let root = Root::open(&tree.path().join("root")).unwrap();
    let facts = || match root.find(b"file") {
        Ok(Opened::File(file)) => file.facts(),
        other => panic!("{other:?}"),
    };
    let before = facts();
    assert_eq!(facts(), before);
    fs::write(tree.path().join("root/new"), "FILE").unwrap();
    fs::rename(tree.path().join("root/new"), tree.path().join("root/file")).unwrap();
    assert_ne!(facts(), before, "another file of the same length");
}

#[test]
fn a_directory_swapped_for_a_link_never_leads_out() {
    let tree = tree();
    let (inside, aside) = (tree.path().join("root/dir"), tree.path().join("aside"));
    fs::create_dir(tree.path().join("outer")).unwrap();
    fs::write(tree.path().join("outer/inner"), "secret").unwrap();
    let root = Root::open(&tree.path().join("root")).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..500 {
                fs::rename(&inside, &aside).unwrap();
                symlink("../outer", &inside).unwrap();
                fs::remove_file(&inside).unwrap();
                fs::rename(&aside, &inside).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let text = found(&root, "dir/inner");
            assert!(text.as_deref().is_none_or(|text| text == "inner"), "{text:?}");
        }
    });
}

#[test]
fn what_was_read_ahead_need_not_be_waited_for() {
    const BYTES: usize = 1_000_000;
    let tree = tree();
    let path = tree.path().join("root/large");
    fs::write(&path, vec![1; BYTES]).unwrap();
    let root = Root::open(&tree.path().join("root")).unwrap();
    let Opened::File(file) = root.find(b"large").unwrap() else { panic!("it is a file") };
    forget(&path);
    if file.is_in_memory(0, BYTES as u64) != Some(false) {
        println!("this file system keeps it in memory, or cannot tell");
    }
    read_ahead(file.file(), 0, BYTES as u64);
    assert_ne!(file.is_in_memory(0, BYTES as u64), Some(false));
    assert_ne!(file.is_in_memory(0, 0), Some(false));
    // Beyond the end there is nothing to wait for, and nothing to read.
    read_ahead(file.file(), u64::MAX - 1, u64::MAX);
    assert_ne!(file.is_in_memory(BYTES as u64, 10), Some(false));
}
