//! Every file of the fuzzers' corpora and regressions, through the checks that the fuzzers call.
//! Knows nothing of what is checked.
#![cfg(feature = "cli")]

#[path = "../fuzz/checks/mod.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz targets")]
mod checks;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Calls `check` with every file of `target`.
fn replay(target: &str, check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut count = 0;
    for folder in ["corpus", "regressions"] {
        let folder = root.join(folder).join(target);
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            assert!(catch_unwind(|| check(&data)).is_ok(), "{} does not hold", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "{target} has no corpus");
}

macro_rules! replays {
    ($($name:ident: $target:ident;)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($target), checks::$target::check);
        })*

        #[test]
        fn every_corpus_is_replayed() {
            let replayed = [$(stringify!($target)),*];
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
            for entry in fs::read_dir(root).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(replayed.iter().any(|target| name == *target), "{}", name.display());
            }
        }
    };
}

replays! {
    heads_hold_their_promises: head;
    heads_are_judged_as_others_judge_them: head_differential;
    chunked_bodies_are_decoded_as_the_reference_does: chunked;
    targets_are_judged_as_the_grammar_says: target;
    connections_answer_the_same_however_they_are_cut: connection;
    command_lines_give_a_plan_or_a_reason: config;
    proxy_headers_are_read_as_their_document_says: proxy_header;
    clients_hide_nothing_that_proxies_add: forwarded;
    parts_lie_within_the_whole: range;
    cookies_are_read_as_they_are_set: cookies;
    forms_have_the_same_parts_however_they_are_cut: multipart;
    preconditions_are_judged_in_their_order: conditional;
}
