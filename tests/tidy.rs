//! The style of the house as an ordinary test; each finding says where it is and what to do.
//! Knows names and shapes in the source, not what it does.

#[path = "support/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use source::{Source, is_word, load};

/// Every room, its floor, and what it may import besides floor 0. Floors exist so that protocol
/// code never sees a socket and an application never sees a worker.
const ROOMS: [(&str, u8, &str); 17] = [
    ("limits", 0, ""),
    ("settings", 0, "limits"),
    ("clock", 0, ""),
    ("sys", 1, ""),
    ("mem", 1, ""),
    ("wire", 1, ""),
    ("report", 1, ""),
    ("api", 2, "mem wire report"),
    ("doctor", 2, "sys report"),
    ("proto", 3, "mem wire report api"),
    ("app", 3, "sys mem wire report api"),
    ("worker", 4, "sys mem wire report api proto"),
    ("testing", 4, "sys mem wire report api proto app"),
    ("control", 5, "sys mem wire report api proto app worker"),
    ("config", 5, "wire report app"),
    ("bench", 5, "sys mem wire report"),
    ("main", 6, "report app control config bench doctor"),
];

/// Token sequences (`|` between them) that do not belong everywhere, the rooms they are meant
/// for (`!`: all but these), and what to do instead. Test code may do all of it.
const BANS: [(&str, &str, &str); 9] = [
    ("libc", "!sys", "only src/sys calls the kernel: add a safe function there and call that"),
    (
        "Instant :: now|SystemTime :: now",
        "!clock",
        "only src/clock.rs reads a clock: take a `Moment` as an argument",
    ),
    ("io", "proto", "`std::io` ends in the worker: give the protocol an event of its own"),
    (
        "socket2|TcpStream|TcpListener|UdpSocket|UnixStream|UnixListener|AsRawFd|RawFd",
        "limits settings clock mem wire report api proto app",
        "no sockets here: take bytes or addresses, and leave sockets to `sys` and `worker`",
    ),
    (". unwrap (", "!", "no `unwrap`: return the error, or `expect` with why it cannot fail"),
    ("panic !|todo !|unimplemented !", "!", "no panic: return an error, or assert an invariant"),
    ("dbg !", "!", "remove `dbg!`"),
    ("unreachable ! ( )", "!", "say in the macro why it cannot be reached"),
    (
        "println !|print !|eprintln !|eprint !",
        "!main control",
        "only `main` and `control` print: return the text, or use `log`",
    ),
];

/// Words with another name in this house, that name, and the rooms where the word is right.
const BANNED_WORDS: [(&str, &str, &str); 18] = [
    ("shard", "worker", ""),
    ("reactor", "worker", ""),
    ("executor", "worker", ""),
    ("event_loop", "worker", ""),
    ("tick", "turn", "mem worker limits settings report bench"),
    ("ticks", "turns", "mem limits settings report bench"),
    ("session", "connection", "app api"),
    ("sessions", "connections", "app api"),
    ("conn", "connection", ""),
    ("conns", "connections", ""),
    ("codec", "protocol", ""),
    ("header_block", "head", ""),
    ("output_buffer", "send_queue", ""),
    ("write_buffer", "send_queue", ""),
    ("reject", "refuse", ""),
    ("rejected", "refused", ""),
    ("graceful", "drain", ""),
    ("utils", "the name of what they do", ""),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;
const BARE_NUMBER_MAX: u64 = 1023;

/// Line (from 0) and message.
type Findings = Vec<(usize, String)>;

fn findings(source: &Source) -> Findings {
    let checks =
        [purpose, file_length, functions, columns, notes, globs, unsafe_code, bans, words, numbers];
    let mut findings = Vec::new();
    for check in checks {
        check(source, &mut findings);
    }
    findings
}

fn purpose(source: &Source, findings: &mut Findings) {
    if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
        let wanted = "open the file with `//! ` what it is and what it must not know";
        findings.push((0, wanted.to_owned()));
    }
}

fn file_length(source: &Source, findings: &mut Findings) {
    let count = source.is_test.iter().filter(|&&is_test| !is_test).count();
    if count > FILE_LINES_MAX {
        let message = format!("{count} lines without tests, {FILE_LINES_MAX} at most: cut it");
        findings.push((FILE_LINES_MAX, message));
    }
}

fn functions(source: &Source, findings: &mut Findings) {
    for (name, start, end) in source.functions() {
        let (first, last) = (source.tokens[start].line, source.tokens[end].line);
        let count = last - first + 1;
        if count > FUNCTION_LINES_MAX {
            let most = FUNCTION_LINES_MAX;
            findings.push((first, format!("`{name}` has {count} lines, {most} at most: cut it")));
        }
    }
}

fn columns(source: &Source, findings: &mut Findings) {
    for (at, line) in source.lines.iter().enumerate() {
        let columns = line.chars().count();
        let quoted = source.code[at].matches('~').count();
        if columns > COLUMNS_MAX && columns - quoted > COLUMNS_MAX && !line.contains("://") {
            findings.push((at, format!("{columns} columns, {COLUMNS_MAX} at most: break it")));
        }
    }
}

fn notes(source: &Source, findings: &mut Findings) {
    for (at, comment) in source.comments.iter().enumerate() {
        let mut parts = comment.split(|char: char| !char.is_alphanumeric());
        if let Some(mark) = parts.find(|part| ["TODO", "FIXME", "XXX"].contains(part)) {
            findings.push((at, format!("`{mark}`: do it now, or say in words what is left out")));
        }
    }
}

fn globs(source: &Source, findings: &mut Findings) {
    for at in 0..source.tokens.len() {
        if !source.is_at(at, &["::", "*"]) || at == 0 {
            continue;
        }
        let line = source.tokens[at].line;
        let usual_in_tests = ["super", "prelude"].contains(&source.text(at - 1));
        if !(source.is_test[line] && usual_in_tests) {
            findings.push((line, "no glob imports: name what is used".to_owned()));
        }
    }
}

fn unsafe_code(source: &Source, findings: &mut Findings) {
    let path = source.path.as_str();
    let allowed = path.starts_with("src/sys/") || path.starts_with("src/wire/scan");
    let outside_the_crate = path.starts_with("tests/") || path.starts_with("benches/");
    let places = (0..source.tokens.len()).filter(|&at| source.text(at) == "unsafe");
    for (count, at) in places.enumerate() {
        let line = source.tokens[at].line;
        if !allowed && !outside_the_crate && count == 0 {
            let message = "`unsafe` only in src/sys/ and src/wire/scan*: add a safe function there";
            findings.push((line, message.to_owned()));
        }
        let is_definition = source.text(at + 1) == "fn" && is_word(source.text(at + 2));
        let opens = ["{", "impl", "extern"].contains(&source.text(at + 1));
        if (is_definition || opens) && !source.has_comment(line, &["SAFETY:", "# Safety"]) {
            let message =
                "say above it why it is sound: `// SAFETY:`, or `# Safety` for a function";
            findings.push((line, message.to_owned()));
        }
    }
}

fn bans(source: &Source, findings: &mut Findings) {
    let Some(room) = source.room() else { return };
    for (patterns, rooms, advice) in BANS {
        let banned = match rooms.strip_prefix('!') {
            Some(allowed) => !allowed.split(' ').any(|allowed| allowed == room),
            None => rooms.split(' ').any(|banned| banned == room),
        };
        for pattern in patterns.split('|').filter(|_| banned) {
            let tokens: Vec<_> = pattern.split(' ').collect();
            for at in source.shipped().filter(|&at| source.is_at(at, &tokens)) {
                let found = pattern.replace(' ', "");
                findings.push((source.tokens[at].line, format!("`{found}`: {advice}")));
            }
        }
    }
    for at in source.shipped().filter(|&at| source.is_at(at, &[".", "expect", "("])) {
        let reason = source.text(at + 3);
        if !reason.contains('~') {
            let message = "`expect` takes a literal that says why it cannot fail".to_owned();
            findings.push((source.tokens[at].line, message));
        }
    }
}

fn words(source: &Source, findings: &mut Findings) {
    let Some(room) = source.room() else { return };
    let has_lowercase = |text: &str| text.contains(char::is_lowercase);
    let tokens = source.tokens.iter().filter(|token| is_word(&token.text));
    // Constants are named once, in `limits`, and used under that name elsewhere.
    for token in tokens.filter(|token| has_lowercase(&token.text)) {
        let name = format!("_{}_", snake_case(&token.text));
        for (word, instead, rooms) in BANNED_WORDS {
            let right_here = rooms.split(' ').any(|right| right == room);
            if !right_here && name.contains(&format!("_{word}_")) {
                let message = format!("`{}`: `{word}` is called `{instead}` here", token.text);
                findings.push((token.line, message));
            }
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}

/// A bound without a name is found by nobody. Bit patterns, conversions of units (powers of ten,
/// minutes, hours and days) and constants with a comment are fine.
fn numbers(source: &Source, findings: &mut Findings) {
    if source.room().is_none_or(|room| ["limits", "settings"].contains(&room)) {
        return;
    }
    let mut explained_until = 0;
    for at in source.shipped() {
        let line = source.tokens[at].line;
        let is_item = at == 0 || !["<", ",", "*"].contains(&source.text(at - 1));
        let is_constant = ["const", "static"].contains(&source.text(at));
        if is_item && is_constant && is_word(source.text(at + 1)) {
            let is_relation = source.text(at + 1) == "_";
            let is_function = ["fn", "unsafe", "extern"].contains(&source.text(at + 1));
            if !is_function && (is_relation || source.has_comment(line, &["// "])) {
                explained_until = source.item_end(at);
            }
        }
        let value = decimal(source.text(at)).filter(|_| at >= explained_until);
        if let Some(value) = value.filter(|&value| value > BARE_NUMBER_MAX && !is_conversion(value))
        {
            let advice = "name it in limits.rs or settings.rs, or in a constant with its reason";
            findings.push((line, format!("bare number {value}: {advice}")));
        }
    }
}

/// The whole part of a decimal literal.
fn decimal(text: &str) -> Option<u64> {
    let digits: String = text.replace('_', "");
    let is_bits = digits.starts_with("0x") || digits.starts_with("0b") || digits.starts_with("0o");
    let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().filter(|_| !is_bits)
}

/// Powers of ten, and a minute, an hour or a day in seconds or in finer units.
fn is_conversion(mut value: u64) -> bool {
    while value.is_multiple_of(1_000) {
        value /= 1_000;
    }
    [1, 10, 60, 100, 3_600, 86_400].contains(&value)
}

/// Names at the root of the crate and the rooms they are re-exported from.
fn reexports(library: &Source) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for at in (0..library.tokens.len()).filter(|&at| library.is_at(at, &["pub", "use"])) {
        let words: Vec<_> = (at + 2..library.item_end(at))
            .map(|at| library.text(at))
            .filter(|text| is_word(text) && !["crate", "self", "as"].contains(text))
            .collect();
        for name in words.iter().skip(1) {
            names.insert((*name).to_owned(), words[0].to_owned());
        }
    }
    names
}

/// First names of the paths that begin at the crate's root, with their lines.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let root = if source.room() == Some("main") { "corelane" } else { "crate" };
    let mut imports = Vec::new();
    for at in source.shipped() {
        let line = source.tokens[at].line;
        let supers = (0..=source.depth())
            .take_while(|&up| source.is_at(at + 2 * up, &["super", "::"]))
            .count();
        let follows_path = at > 0 && source.text(at - 1) == "::";
        if source.is_at(at, &[root, "::"]) && !follows_path {
            imports.extend(source.first_names(at + 2).into_iter().map(|name| (line, name)));
        } else if supers > 0 && supers == source.depth() && !follows_path {
            let names = source.first_names(at + 2 * supers).into_iter();
            // An inline module may climb to its own file.
            imports.extend(names.filter(|name| floor(name).is_some()).map(|name| (line, name)));
        }
    }
    imports
}

fn floor(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, ..)| *name == room).map(|&(_, floor, _)| floor)
}

/// Checks what `source` imports; `names` are the re-exports.
fn floors(source: &Source, names: &BTreeMap<String, String>) -> Findings {
    let Some(room) = source.room().filter(|room| *room != "lib") else { return Vec::new() };
    let Some(&(_, level, may)) = ROOMS.iter().find(|(name, ..)| *name == room) else {
        return vec![(0, format!("`{room}` is no room: move it, or give it a floor in ROOMS"))];
    };
    let mut findings = Vec::new();
    for (line, name) in imports(source) {
        let target = names.get(&name).unwrap_or(&name);
        let open_to_all = level > 0 && floor(target) == Some(0);
        if target == room || open_to_all || may.split(' ').any(|may| may == target) {
            continue;
        }
        findings.push((line, match floor(target) {
            Some(below) => format!(
                "{room} (floor {level}) must not use `{name}` of {target} (floor {below}), only \
                 floor 0 and [{may}]: move the shared part down, or pass it in"
            ),
            None => format!("`{name}` is no room and not re-exported by lib.rs: use its room"),
        }));
    }
    findings
}

/// A circle among `edges`, if there is one: its rooms, the first repeated at the end.
fn cycle(edges: &BTreeMap<&str, Vec<&str>>) -> Option<String> {
    fn walk<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>, path: &mut Vec<&'a str>) -> bool {
        let last = path[path.len() - 1];
        for next in edges.get(last).into_iter().flatten() {
            let closes = path.contains(next);
            path.push(next);
            if closes || walk(edges, path) {
                return true;
            }
            path.pop();
        }
        false
    }
    edges.keys().find_map(|room| {
        let mut path = vec![*room];
        walk(edges, &mut path).then(|| path.join(" -> "))
    })
}

#[test]
fn every_file_follows_the_rules_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources =
        load(root, &["src", "tests", "benches", "examples", "fuzz/checks", "fuzz/fuzz_targets"]);
    let library = sources.iter().find(|source| source.path == "src/lib.rs");
    let names = library.map(reexports).expect("the crate has a library");
    let mut report = String::new();
    for source in &sources {
        for (line, message) in [findings(source), floors(source, &names)].concat() {
            report.extend([source.path.as_str(), &format!(":{}: error: {message}\n", line + 1)]);
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn the_rooms_import_one_another_without_a_circle() {
    let sources = load(Path::new(env!("CARGO_MANIFEST_DIR")), &["src"]);
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path != "src/lib.rs") {
        let room = source.room().expect("it stands under src");
        let targets = imports(source).into_iter();
        let known = targets.filter_map(|(_, name)| {
            ROOMS.iter().map(|&(name, ..)| name).find(|room| *room == name)
        });
        edges.entry(room).or_default().extend(known.filter(|target| *target != room));
    }
    assert_eq!(cycle(&edges), None, "break the circle: move what both need to a lower floor");
}

/// One test per line: `sample`, standing at `path`, is found with a message that has `wanted`.
macro_rules! finds {
    ($($name:ident: $path:expr, $sample:expr => $wanted:expr;)*) => {
        $(#[test]
        fn $name() {
            let text = format!("//! Purpose.\n{}", $sample);
            let source = Source::new($path, &text);
            let library = Source::new("src/lib.rs", "pub use worker::{Worker, turn};");
            let found = [findings(&source), floors(&source, &reexports(&library))].concat();
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].1.contains($wanted), "{found:?}");
        })*
    };
}

finds! {
    finds_a_long_file: "src/mem/a.rs", "const A: u8 = 1;\n".repeat(500) => "501 lines";
    finds_a_long_function: "tests/a.rs", format!("fn a() {{{}}}", "\n".repeat(70)) => "71 lines";
    finds_a_long_line: "src/mem/a.rs", format!("// {}", "a".repeat(98)) => "101 columns";
    finds_a_note: "tests/a.rs", "// TODO: later" => "TODO";
    finds_a_glob: "src/mem/a.rs", "use std::mem::*;" => "glob";
    finds_a_glob_of_the_parent: "src/mem/a.rs", "use super::*;" => "glob";
    finds_unsafe: "src/mem/a.rs", "// SAFETY: none.\nunsafe impl Send for A {}" => "src/sys/";
    finds_a_block_without_reason: "src/sys/a.rs", "fn a() { unsafe { b() } }" => "SAFETY";
    finds_an_impl_without_reason: "src/sys/a.rs", "unsafe impl Send for A {}" => "SAFETY";
    finds_a_function_without_reason: "src/sys/a.rs", "/// A.\nunsafe fn a() {}" => "# Safety";
    finds_a_reason_of_another_block:
        "tests/a.rs", "// SAFETY: one.\nunsafe { a() };\nunsafe { b() };" => "SAFETY";
    finds_libc: "src/worker/a.rs", "fn a() { libc::close(1); }" => "src/sys";
    finds_a_clock: "src/worker/a.rs", "fn a() { std::time::Instant::now(); }" => "Moment";
    finds_io_in_proto: "src/proto/a.rs", "use std::io;" => "event";
    finds_a_socket: "src/api/a.rs", "use std::net::TcpStream;" => "no sockets";
    finds_unwrap: "src/mem/a.rs", "fn a() { b()\n.unwrap(); }" => "no `unwrap`";
    finds_panic: "src/mem/a.rs", "fn a() { panic!(); }" => "no panic";
    finds_todo: "src/mem/a.rs", "fn a() { todo!(); }" => "no panic";
    finds_dbg: "src/main.rs", "fn main() { dbg!(1); }" => "dbg!";
    finds_unreachable: "src/mem/a.rs", "fn a() { unreachable!(); }" => "reached";
    finds_an_empty_reason: "src/mem/a.rs", "fn a() { b().expect(\"\"); }" => "literal";
    finds_a_computed_reason: "src/mem/a.rs", "fn a() { b().expect(&why); }" => "literal";
    finds_printing: "src/report/a.rs", "fn a() { println!(\"a\"); }" => "return the text";
    finds_a_word: "src/worker/a.rs", "struct ShardMap;" => "`worker`";
    finds_words: "src/worker/a.rs", "fn write_buffer_size() {}" => "`send_queue`";
    finds_a_number: "src/worker/a.rs", "fn a() -> u32 { 16 * 1_024_u32 }" => "1024";
    finds_an_unexplained_constant: "src/worker/a.rs", "const A: u32 = 4096;" => "4096";
    finds_a_number_after_a_const_parameter:
        "src/worker/a.rs", "/// A.\nfn a<const N: usize>() { b(4096) }" => "4096";
    finds_an_import_upwards: "src/wire/a.rs", "use crate::proto::A;" => "wire (floor 1)";
    finds_an_import_in_a_group: "src/api/a.rs", "use crate::{mem, sys::{B, C}};" => "`sys`";
    finds_an_inline_import: "src/app/a.rs", "fn a() { crate::worker::b(); }" => "app (floor 3)";
    finds_an_import_sideways: "src/proto/a.rs", "use crate::app::A;" => "`app`";
    finds_an_import_past_the_room: "src/mem/mod.rs", "use super::worker::A;" => "`worker`";
    finds_an_import_by_reexport: "src/app/a.rs", "use crate::Worker;" => "`Worker` of worker";
    finds_an_import_of_nothing: "src/app/a.rs", "use crate::Nobody;" => "not re-exported";
    finds_an_import_into_main: "src/main.rs", "use corelane::worker::A;" => "main (floor 6)";
    finds_a_new_room: "src/misc/a.rs", "" => "no room";
}

#[test]
fn finds_a_missing_purpose() {
    let found = findings(&Source::new("src/mem/a.rs", "use std::mem;"));
    assert!(found.len() == 1 && found[0].1.contains("open the file"), "{found:?}");
}

#[test]
fn finds_a_circle() {
    let edges = BTreeMap::from([("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"])]);
    assert_eq!(cycle(&edges).as_deref(), Some("a -> b -> c -> b"));
}

#[test]
fn what_may_stand_is_not_found() {
    let sample = r##"//! Purpose.
use crate::{clock::Moment, limits};
use super::head::Head;
/// Asks `crate::worker` to unwrap() and todo!() 4096 things: https://example.org/shard
/// The reason of the bound.
#[allow(dead_code)]
pub(crate) const BOUND: [u16; 2] = [1 << 11, 2048];
const _: () = assert!(BOUND[0] <= 4096);
fn a<'a>(b: &'a str) -> &'a str {
    let c = r#"unsafe { "libc" } crate::worker::b"#; /* use a::*; /* nested */ */
    let d = ['"', ''', b'\' as char, '}'];
    b.parse::<u64>().unwrap_or(1_000_000_000).max(0xffff);
    c.chars().nth(limits::TICK_MS).expect("c has that many") 
}
#[cfg(not(test))]
fn b() {}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::C;
    fn d() { let e = Instant::now().unwrap(); panic!("4096 {}", 4096); }
}
"##;
    let source = Source::new("src/wire/a.rs", sample);
    assert_eq!(findings(&source), []);
    assert_eq!(floors(&source, &BTreeMap::new()), []);
    assert!(source.is_test[source.lines.len() - 2] && !source.is_test[15]);
}

#[test]
fn the_floors_themselves_go_down() {
    for (room, level, may) in ROOMS {
        for below in may.split(' ').filter(|below| !below.is_empty()) {
            let below = floor(below).expect("it is a room");
            assert!(below < level || level == 0, "{room} imports its own floor or above");
        }
    }
}
