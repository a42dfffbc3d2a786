//! The configuration file: where values come from, what is refused and in which words, the routes
//! it makes, and the file that is shipped.
#![cfg(feature = "cli")]
#![allow(unsafe_code, reason = "sends signals to the processes it started")]

#[path = "support/http_client.rs"]
mod http_client;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use corelane::app::configured::{Answer, Application, FilesSpec, RouteSpec};
use corelane::config::{self, ServePlan};
use corelane::{Method, Settings, Status};
use http_client::{Client, PATIENCE, post};
use serde_json::Value;
use tempfile::TempDir;

const DEFAULT_FILE: &str = include_str!("../packaging/corelane.toml");

/// A folder with a configuration file.
struct Configured {
    folder: TempDir,
    file: PathBuf,
}

impl Configured {
    fn with(text: &str) -> Configured {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corelane.toml");
        let configured = Configured { folder, file };
        configured.write(text);
        configured
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }

    fn path(&self) -> &str {
        self.file.to_str().unwrap()
    }

    fn plan(&self) -> ServePlan {
        let words = ["corelane", "--config", self.path()];
        match config::parse(words.iter().map(Into::into)) {
            Ok(config::Command::Serve(plan)) => plan,
            other => panic!("it serves: {other:?}"),
        }
    }

    /// What `check` says of it: line, reason and hint.
    fn refused(&self) -> (usize, String, String) {
        let words = ["corelane", "config", "check", "--config", self.path()];
        let exit = config::parse(words.iter().map(Into::into)).expect_err("it is refused");
        assert_eq!((exit.code, exit.stream), (2, config::Stream::Stderr), "{}", exit.text);
        let (error, hint) = exit.text.split_once("\nhint: ").expect(&exit.text);
        let place = error.strip_prefix(&format!("error: {}:", self.path())).expect(error);
        let (line, reason) = place.split_once(": ").expect(place);
        (line.parse().unwrap(), reason.to_owned(), hint.trim_end().to_owned())
    }
}

/// The program with these variables and no others of its own.
fn program(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CORELANE_") {
            command.env_remove(name);
        }
    }
    command.args(args).envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

fn run(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(args, variables).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The value and the origin of each setting, as `config print --json` tells.
fn printed(args: &[&str], variables: &[(&str, &str)]) -> impl Fn(&str) -> (Value, Value) + use<> {
    let (code, stdout, stderr) = run(&[&["config", "print", "--json"], args].concat(), variables);
    assert_eq!(code, Some(0), "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["schema"], "corelane.config/1");
    move |name| {
        let settings = told["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["name"] == name).expect(name);
        (found["value"].clone(), found["origin"].clone())
    }
}

#[test]
fn a_flag_wins_over_its_variable_that_over_the_file_and_that_over_the_default() {
    let file = Configured::with(
        "listen = [\"127.0.0.1:1\", \"[::1]:2\"]\nidle-time = \"20s\"\nbody-bytes-max = \"2m\"\n\
         fields-max = 20\npin = false\n",
    );
    let variables = [
        ("CORELANE_CONFIG", file.path()),
        ("CORELANE_IDLE_TIME", "30s"),
        ("CORELANE_BODY_BYTES_MAX", "3m"),
    ];
    let setting = printed(&["--body-bytes-max", "4m"], &variables);
    let origin = |name: &str| setting(name).1["kind"].clone();
    assert_eq!(
        (setting("body-bytes-max").0, origin("body-bytes-max")),
        ("4m".into(), "flag".into())
    );
    let (value, origin_of) = setting("idle-time");
    assert_eq!((value, &origin_of["variable"]), ("30s".into(), &"CORELANE_IDLE_TIME".into()));
    let (value, origin_of) = setting("fields-max");
    assert_eq!((value, &origin_of["line"]), ("20".into(), &4.into()));
    assert_eq!(origin_of["file"], file.path());
    assert_eq!((setting("pin").0, origin("pin")), ("off".into(), "file".into()));
    assert_eq!(setting("listen").0, "127.0.0.1:1,[::1]:2");
    assert_eq!((setting("head-time").0, origin("head-time")), ("10s".into(), "default".into()));
    assert_eq!((setting("workers").0, origin("workers")), (Value::Null, "default".into()));
}

#[test]
fn what_is_printed_names_every_origin_and_a_smaller_head_brings_its_target_along() {
    let file = Configured::with("head-bytes-max = \"4k\"\n[[route]]\npath = \"/a\"\necho = true\n");
    let args = ["config", "print", "--config", file.path(), "--idle-time", "3s"];
    let (code, stdout, _) = run(&args, &[("CORELANE_PIN", "off")]);
    assert_eq!(code, Some(0));
    let words = |name: &str| {
        let line = stdout.lines().find(|line| line.split(' ').next() == Some(name)).expect(name);
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words("idle-time"), ["3s", "--idle-time"]);
    assert_eq!(words("pin"), ["off", "CORELANE_PIN"]);
    assert_eq!(words("head-bytes-max"), ["4k", &format!("{}:1", file.path())]);
    assert_eq!(words("target-bytes-max"), ["4k", "default"]);
    assert_eq!(words("workers"), ["-", "default"]);
    assert_eq!(words("route"), ["GET", "/a", "echo", &format!("{}:3", file.path())]);
}

#[test]
fn every_key_sets_what_its_flag_sets() {
    let defaults = Configured::with("").plan();
    assert_eq!(defaults.settings, Settings::default());
    assert_eq!(defaults.application, Application::Routes(Vec::new()));
    let plan = Configured::with(
        "workers = 3\nlog-level = \"debug\"\nhead-bytes-max = 8_192\nidle-time = \"2m\"\n\
         trusted-proxies = \"10.0.0.0/8\"\nproxy-protocol-from = [\"::1\", \"10.1.0.0/16\"]\n\
         server-timing = true\ndefer-accept = \"on\"\nbusy-poll = 20\nserver-name = \"\"\n\
         demo = true\nlisten = \":0\"\n",
    );
    let plan = plan.plan();
    let mut expected = Settings::default();
    expected.head_bytes_max = 8_192;
    expected.idle_time = Duration::from_secs(120);
    expected.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    expected.proxy_protocol_from = vec!["::1".parse().unwrap(), "10.1.0.0/16".parse().unwrap()];
    expected.server_timing = true;
    expected.defer_accept = true;
    expected.busy_poll = Duration::from_micros(20);
    expected.server_name = None;
    assert_eq!(plan.settings, expected);
    assert_eq!(plan.workers.map(std::num::NonZero::get), Some(3));
    assert_eq!(plan.listen, ["0.0.0.0:0".parse::<SocketAddr>().unwrap()]);
    assert_eq!((plan.application, plan.log_level), (Application::Demo, config::LogLevel::Debug));
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_to_write() {
    for (text, line, reason, hint) in [
        ("\nidle_time = \"1s\"", 2, "unknown key `idle_time`", "did you mean `idle-time`?"),
        ("config = \"x\"", 1, "unknown key `config`", "`corelane config default`"),
        ("[limits]\n", 1, "unknown key `limits`", "`corelane config default`"),
        ("idle-time = 10", 1, "`idle-time`: expected a time with its unit", "shows every key"),
        ("idle-time = \"10\"", 1, "`idle-time = 10`: a time needs its unit", "`10s` for seconds"),
        ("#\nidle-time = \"0s\"", 2, "`idle-time`: 0 ms is not between", "left out, it is 75s"),
        ("fields-max = \"3\"", 1, "`fields-max`: expected a whole number", ""),
        ("fields-max = 1.5", 1, "`fields-max`: expected a whole number", ""),
        ("fields-max = 101", 1, "`fields-max`: 101 is not between 1 and 100", ""),
        ("backlog = -1", 1, "`backlog = -1`: not a whole number", "digits only"),
        ("pin = 1", 1, "`pin`: expected `true` or `false`", ""),
        ("report = \"jsn\"", 1, "`report = jsn`: no such value", "did you mean `json`?"),
        ("listen = []", 1, "`listen`: expected a text, or a list", ""),
        ("listen = [\":1\", 2]", 1, "`listen`: expected a text, or a list", ""),
        ("listen = [\":1\", \"1\"]", 1, "`listen = 0.0.0.0:1` stands more than once", "leave one"),
        ("workers = 9999", 1, "`workers`: 9999 are more than", "for each CPU"),
        ("hgrm = \"\"", 1, "`hgrm = \"\"`", "leave the key out"),
        ("\n\nidle-time = 10s", 3, "string values must be quoted", "TOML is"),
        ("pin = true\npin = true", 2, "duplicate key", "TOML is"),
        ("demo = 1", 1, "`demo`: expected true or false", ""),
        ("route = 1", 1, "`route`: expected `[[route]]`", ""),
        ("trusted-proxies = \"10.0.0.1/8\"", 1, "bits behind the prefix", "such as `10.0.0.0/8`"),
    ] {
        let refused = Configured::with(text).refused();
        assert_eq!(refused.0, line, "{text}: {refused:?}");
        assert!(refused.1.contains(reason) && refused.2.contains(hint), "{text}: {refused:?}");
    }
}

#[test]
fn a_route_that_cannot_be_is_told_with_its_line() {
    let route = |keys: &str| format!("[[route]]\npath = \"/a\"\n{keys}\n");
    for (text, line, reason, hint) in [
        (route(""), 2, "the route /a has no answer", "give it `body`"),
        (route("echo = false"), 2, "the route /a has no answer", ""),
        (route("echo = true\nhealth = true"), 2, "more than one answer", ""),
        (route("body = \"a\"\nredirect = \"/b\""), 2, "more than one answer", ""),
        (route("body = \"a\"\nbody-file = \"b\""), 4, "exclude each other", ""),
        (route("files = \"nowhere\""), 3, "cannot serve the files of", "the folder of"),
        (route("files = \".\"\necho = true"), 2, "more than one answer", "`files`"),
        (route("files = \".\"\nmethod = \"POST\""), 2, "no other method", "leave `method` out"),
        (route("files = \".\"") + &route("files = \".\""), 5, "match the same paths", ""),
        (route("files = \".\"\nheaders = { ETag = \"x\" }"), 2, "`ETag` follows from", ""),
        (route("listing = true\necho = true"), 3, "a key of `files`", "give the route `files`"),
        (route("files = \".\"\nlisting = 1"), 4, "`listing`: expected `true`", ""),
        (route("files = \".\"\nfallback = \"x\""), 2, "the fallback x", ""),
        (route("files = \".\"\nfallback = 1"), 4, "`fallback`: expected a text", ""),
        (route("files = \".\"\ncache-control = [[\"a\"]]"), 4, "`cache-control`: expected", ""),
        (route("files = \".\"\ncache-control = [[\"\", \"a\"]]"), 2, "the pattern", ""),
        (route("files = \".\"\nerror-pages = { 404 = \"x\" }"), 2, "the error page x", ""),
        (route("files = \".\"\nerror-pages = { 200 = \"x\" }"), 4, "`error-pages`: expected", ""),
        (route("status = 99"), 3, "`status`: expected a number from 200 to 599", ""),
        (route("status = 200\nredirect = \"/b\""), 3, "`status`: expected 301", ""),
        (route("bdy = \"a\""), 3, "unknown key `bdy`", "did you mean `body`?"),
        (route("body_file = \"a\""), 3, "unknown key `body_file`", "`body-file`"),
        (route("idle-time = \"1s\""), 3, "`idle-time` belongs to the server", "above the first"),
        (route("method = \"get\"\necho = true"), 3, "`method`: expected a method", ""),
        (route("method = \"TRACE\"\necho = true"), 2, "never reach a router", ""),
        (route("body = \"a\"\nstatus = 204"), 2, "has no body", ""),
        (route("headers = { Content-Length = \"1\" }"), 2, "`Content-Length` is set by", ""),
        (route("headers = { X-A = \"a\\r\\nb\" }"), 2, "forbidden bytes", ""),
        (route("headers = { X-A = 1 }"), 3, "`headers`: expected `{ Name", ""),
        (route("redirect = \"/\\n\""), 2, "forbidden bytes", ""),
        (route("body-file = \"nowhere\""), 3, "cannot read the body", "the folder of"),
        (route("body-file = \".\""), 3, "it is no file", ""),
        ("[[route]]\necho = true".to_owned(), 2, "a route without `path`", ""),
        ("[[route]]\npath = \"a\"\necho = true".to_owned(), 2, "the route GET a", ""),
        (route("echo = true") + &route("echo = true"), 5, "match the same paths", ""),
        (format!("demo = true\n{}", route("echo = true")), 1, "exclude each other", "leave it"),
    ] {
        let refused = Configured::with(&text).refused();
        assert_eq!(refused.0, line, "{text}: {refused:?}");
        assert!(refused.1.contains(reason) && refused.2.contains(hint), "{text}: {refused:?}");
    }
}

#[test]
fn a_file_must_be_right_by_itself_and_a_mistake_of_a_flag_is_told_as_that() {
    let file = Configured::with("idle-time = \"0s\"");
    let check = ["config", "check", "--config", file.path()];
    let (code, _, stderr) = run(&[&check[..], &["--idle-time", "3s"]].concat(), &[]);
    assert!(code == Some(2) && stderr.contains("corelane.toml:1: `idle-time`"), "{stderr}");
    file.write("head-bytes-max = \"4k\"");
    let (code, _, stderr) = run(&[&check[..], &["--target-bytes-max", "8k"]].concat(), &[]);
    assert!(code == Some(2) && stderr.starts_with("error: `--target-bytes-max`: "), "{stderr}");
    let (code, _, stderr) = run(&check, &[("CORELANE_TARGET_BYTES_MAX", "8k")]);
    let from = "error: `--target-bytes-max` (from CORELANE_TARGET_BYTES_MAX): ";
    assert!(code == Some(2) && stderr.starts_with(from), "{stderr}");
}

#[test]
fn a_file_that_cannot_be_read_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let not_text = folder.path().join("bytes");
    std::fs::write(&not_text, b"\xff").unwrap();
    for (path, why) in [
        (Path::new("/nonexistent/corelane.toml"), "No such file"),
        (folder.path(), "Is a directory"),
        (&not_text, "UTF-8"),
    ] {
        let path = path.to_str().unwrap();
        let words = ["config", "check", "--config", path];
        for (args, variable) in [(&words[..], None), (&words[2..], None), (&[], Some(path))] {
            let variable = variable.map(|path| ("CORELANE_CONFIG", path));
            let (code, stdout, stderr) = run(args, variable.as_slice());
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
            let (error, hint) = stderr.split_once('\n').unwrap();
            assert!(error.starts_with("error: cannot read the configuration"), "{error}");
            assert!(error.contains(path) && error.contains(why), "{error}");
            assert!(hint.starts_with("hint: `corelane config default`"), "{hint}");
        }
    }
}

#[test]
fn check_binds_nothing_and_says_what_it_saw() {
    let taken = TcpListener::bind("127.0.78.5:0").unwrap().local_addr().unwrap();
    let held = TcpListener::bind(taken).unwrap();
    let text = format!("listen = \"{taken}\"\n[[route]]\npath = \"/\"\nbody = \"a\"\n");
    let file = Configured::with(&text);
    let (code, stdout, stderr) = run(&["config", "check", "--config", file.path()], &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, format!("{} is right: 1 settings, 1 routes\n", file.path()));
    drop(held);
    let (code, _, stderr) = run(&["config"], &[]);
    assert!(
        code == Some(2) && stderr.contains("\nhint: one of: check, default, print"),
        "{stderr}"
    );
}

/// The shipped file with every key as if its `#` were taken away.
fn uncommented() -> String {
    let is_key = |line: &&str| {
        let rest = line.strip_prefix('#').unwrap_or_default();
        rest.starts_with(|char: char| char.is_ascii_lowercase()) && rest.contains(" = ")
    };
    let keys: Vec<&str> = DEFAULT_FILE.lines().filter(is_key).map(|line| &line[1..]).collect();
    keys.join("\n") + "\n"
}

/// Keys without a default, which the file shows an example of.
const WITHOUT_DEFAULT: [&str; 9] = [
    "workers",
    "root",
    "fallback",
    "hgrm",
    "log-file",
    "memory-max",
    "connections-max",
    "connections-soft-max",
    "connections-per-address-max",
];

#[test]
fn the_shipped_file_has_every_key_with_its_default_and_a_comment() {
    let has_default =
        |line: &&str| !WITHOUT_DEFAULT.iter().any(|name| line.split(' ').next() == Some(name));
    let defaults: Vec<String> =
        uncommented().lines().filter(has_default).map(|line| format!("{line}\n")).collect();
    let plan = Configured::with(&(defaults.concat() + "demo = true\n")).plan();
    let expected = config::parse(["corelane"].iter().map(Into::into)).unwrap();
    let config::Command::Serve(expected) = expected else { panic!("it serves") };
    assert_eq!(ServePlan { config: None, ..plan }, expected);

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "").unwrap();
    let all = uncommented().replace("/srv/www", folder.path().to_str().unwrap());
    let all = Configured::with(&all);
    all.plan();
    let setting = printed(&["--config", all.path()], &[]);
    let told = run(&["config", "print", "--config", all.path()], &[]).1;
    for name in told.lines().filter_map(|line| line.split(' ').next()) {
        // An empty list is as good as none, and has no words.
        assert_eq!(setting(name).1["kind"], "file", "{name} is not in the shipped file");
    }
    let lines: Vec<&str> = DEFAULT_FILE.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        assert!(line.chars().count() <= 100, "{line}");
        let is_key = !line.is_empty() && !line.starts_with("# ") && *line != "#";
        assert!(!is_key || lines[at - 1].starts_with("# "), "{line} has no comment");
    }
}

#[test]
fn a_root_goes_beside_the_routes_of_the_file() {
    let file = Configured::with("[[route]]\npath = \"/health\"\nhealth = true\n");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let line = ["corelane", "--config", file.path(), "--root", root];
    let plan = config::parse(line.iter().map(Into::into)).unwrap();
    let config::Command::Serve(plan) = plan else { panic!("it serves") };
    let Application::Routes(specs) = plan.application else { panic!("it has routes") };
    let files = Answer::Files(FilesSpec::at(folder.path()));
    assert_eq!((specs.len(), &specs[0].answer, &specs[1].answer), (2, &Answer::Health, &files));

    for (text, line, reason) in [
        ("root = \"/nowhere/at/all\"\n".to_owned(), 1, "cannot serve the files of"),
        (format!("root = '{root}'\n[[route]]\npath = \"/\"\necho = true\n"), 1, "match the same"),
    ] {
        let refused = Configured::with(&text).refused();
        assert!(refused.0 == line && refused.1.contains(reason), "{text}: {refused:?}");
    }
}

#[test]
fn the_shipped_file_serves_and_so_do_its_examples() {
    let shipped = Configured::with(DEFAULT_FILE);
    assert_eq!(shipped.plan().application, Application::Demo);
    assert_eq!(run(&["config", "default"], &[]).1, DEFAULT_FILE);
    let example = |line: &str| line.strip_prefix("#   ").map(|line| format!("{line}\n"));
    let routes = DEFAULT_FILE.split("# ---- Routes").nth(1).unwrap();
    let examples: String = routes.lines().filter_map(example).collect();
    let file = Configured::with(&examples);
    std::fs::write(file.folder.path().join("robots.txt"), "User-agent: *\n").unwrap();
    let public = file.folder.path().join("public");
    std::fs::create_dir(&public).unwrap();
    for name in ["index.html", "404.html"] {
        std::fs::write(public.join(name), "").unwrap();
    }
    let Application::Routes(specs) = file.plan().application else { panic!("it has routes") };
    assert_eq!(specs.len(), 7);
    let files = |spec: &RouteSpec| match &spec.answer {
        Answer::Files(files) => Some(files.clone()),
        _ => None,
    };
    let rule = |pattern: &str, value: &str| (pattern.to_owned(), value.to_owned());
    let expected = FilesSpec {
        directory: public,
        cache_control: vec![
            rule("*.css", "max-age=86400"),
            rule("assets/**", "max-age=31536000, immutable"),
        ],
        error_pages: vec![(Status::NOT_FOUND, "404.html".to_owned())],
        fields: vec![rule("X-Content-Type-Options", "nosniff")],
        fallback: Some("index.html".to_owned()),
        listing: true,
        precompressed: true,
    };
    assert_eq!(specs.iter().find_map(files), Some(expected));
    assert_eq!((specs[6].method, &specs[6].answer), (Method::Post, &Answer::Echo));
}

#[test]
fn the_example_of_the_readme_is_right() {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let example = blocks.into_iter().find(|block| block.contains("[[route]]")).unwrap();
    let file = Configured::with(example);
    std::fs::write(file.folder.path().join("robots.txt"), "").unwrap();
    std::fs::create_dir(file.folder.path().join("public")).unwrap();
    let Application::Routes(specs) = file.plan().application else { panic!("it has routes") };
    assert_eq!(specs.len(), 4);
}

const ROUTES: &str = r#"
[[route]]
path = "/"
body = "here\n"

[[route]]
path = "/page"
body-file = "page.html"
headers = { Content-Type = "text/html", X-Made-By = "hand" }

[[route]]
path = "/large"
body-file = "large"

[[route]]
path = "/gone"
status = 410

[[route]]
path = "/quiet"
status = 200

[[route]]
path = "/old/{*rest}"
redirect = "/new"
status = 308

[[route]]
path = "/elsewhere"
redirect = "https://example.org/"

[[route]]
path = "/health"
health = true

[[route]]
path = "/echo"
method = "POST"
echo = true
"#;

#[test]
fn routes_answer_as_the_file_says() {
    let file = Configured::with(ROUTES);
    let large = vec![b'x'; 100_000];
    std::fs::write(file.folder.path().join("page.html"), "<p>page").unwrap();
    std::fs::write(file.folder.path().join("large"), &large).unwrap();
    let serving = Serving::with(&file);
    let mut client = Client::connect(serving.address);
    let plain = client.get("/");
    assert_eq!((plain.status, plain.text()), (200, "here\n"));
    assert_eq!(plain.field("content-type"), Some("text/plain; charset=utf-8"));
    let page = client.get("/page");
    assert_eq!((page.text(), page.field("x-made-by")), ("<p>page", Some("hand")));
    assert_eq!(page.field("content-type"), Some("text/html"));
    for _ in 0..3 {
        let answer = client.get("/large");
        assert!(answer.body == large);
        assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
    }
    assert_eq!(client.get("/gone").status, 410);
    let quiet = client.get("/quiet");
    assert_eq!((quiet.status, quiet.text()), (200, ""));
    let old = client.get("/old/a/b");
    assert_eq!((old.status, old.field("location")), (308, Some("/new")));
    let elsewhere = client.get("/elsewhere");
    let location = Some("https://example.org/");
    assert_eq!((elsewhere.status, elsewhere.field("location")), (302, location));
    let health = client.get("/health");
    assert_eq!((health.text(), health.field("cache-control")), ("ok", Some("no-store")));
    let echo = client.send(post("/echo", "Content-Type: a/b\r\n", b"back")).answer();
    assert_eq!((echo.text(), echo.field("content-type")), ("back", Some("a/b")));
    assert_eq!(client.get("/echo").status, 405);
    assert_eq!(client.get("/nowhere").status, 404);
}

/// The program while it serves a configuration; ended with the test.
struct Serving {
    child: Child,
    address: SocketAddr,
    told: Receiver<String>,
}

impl Serving {
    fn with(file: &Configured) -> Serving {
        let args = ["--listen", "127.0.0.1:0", "--workers", "2", "--config", file.path()];
        let mut command = program(&[&args[..], &["--report", "json"]].concat(), &[]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, told) = channel();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut serving = Serving { child, address: ([0, 0, 0, 0], 0).into(), told };
        let listening = serving.wait_to_be_told("listening on http://");
        serving.address = listening.rsplit('/').next().unwrap().parse().unwrap();
        serving.wait_to_be_told("Ctrl-C drains");
        serving
    }

    /// The next line with these words.
    fn wait_to_be_told(&self, words: &str) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("it was not told {words:?} but {lines:?}");
            });
            if line.contains(words) {
                return line;
            }
            lines.push(line);
        }
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the id is our child's: it was not waited for, so nobody else has it.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Ends it and gives its report.
    fn report(mut self) -> Value {
        self.signal(libc::SIGINT);
        let stdout = self.child.stdout.take().unwrap();
        let report = serde_json::from_reader(stdout).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        report
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file whose route `/` answers `version`; every second one has a route of its own.
fn version(version: usize) -> String {
    let more = match version % 2 {
        0 => "[[route]]\npath = \"/even\"\nbody = \"even\"\n",
        _ => "",
    };
    // More requests than any client gets to.
    let settings = "drain-idle-time = \"1ms\"\nrequests-max = 4000000000\n";
    format!("{settings}{more}[[route]]\npath = \"/\"\nbody = \"{version}\"\n")
}

#[test]
fn reloads_under_load_fail_no_request_and_broken_ones_change_nothing() {
    const RELOADS: usize = 40;
    let file = Configured::with(&version(0));
    let serving = Serving::with(&file);
    let is_over = AtomicBool::new(false);
    let answered: u64 = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut count, mut last) =
                        (Client::connect(serving.address), 0, 0);
                    while !is_over.load(Ordering::Relaxed) {
                        // Pipelined, so that a reload may come between two of them.
                        client.send(http_client::get("/").repeat(8));
                        for _ in 0..8 {
                            let answer = client.answer();
                            let version: usize = answer.text().parse().expect("it is a version");
                            assert!(answer.status == 200 && version >= last, "{answer:?}");
                            (last, count) = (version, count + 1);
                        }
                    }
                    count
                })
            })
            .collect();
        for number in 1..=RELOADS {
            if number % 5 == 0 {
                file.write("idle-time = 3");
                serving.signal(libc::SIGHUP);
                let why = serving.wait_to_be_told("nothing is reloaded: ");
                assert!(why.contains("corelane.toml:1: `idle-time`: expected"), "{why}");
            } else {
                file.write(&version(number));
                serving.signal(libc::SIGHUP);
                serving.wait_to_be_told("configured by ");
            }
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let mut client = Client::connect(serving.address);
    assert_eq!(client.get("/").text(), (RELOADS - 1).to_string());
    assert_eq!(client.get("/even").status, 404, "that version has no such route");
    assert!(answered > 0);
    let total = serving.report()["total"].clone();
    assert_eq!(total["routes"]["GET /"], answered + 1);
    assert_eq!(total["routes"]["(no route)"], 1);
    assert_eq!(
        (&total["requests"], &total["statuses"]["2xx"]),
        (&(answered + 2).into(), &(answered + 1).into())
    );
}

#[test]
fn a_reload_changes_limits_and_names_what_needs_a_restart() {
    let file = Configured::with("log-level = \"warn\"\n[[route]]\npath = \"/a\"\nbody = \"a\"\n");
    let serving = Serving::with(&file);
    let mut client = Client::connect(serving.address);
    assert_eq!(client.get("/a").text(), "a");
    let mut idle = Client::connect(serving.address);
    assert_eq!(idle.get("/a").text(), "a");
    file.write(
        "log-level = \"info\"\nidle-time = \"50ms\"\ntarget-bytes-max = 100\nbacklog = 7\n\
         pin = false\nserver-name = \"other\"\n[[route]]\npath = \"/b\"\nbody = \"b\"\n",
    );
    serving.signal(libc::SIGHUP);
    serving.wait_to_be_told("configured by ");
    let restart = serving.wait_to_be_told("needs a restart: ");
    assert!(restart.ends_with("backlog, server-name, pin"), "{restart}");
    // It was idle before there was so little time for that.
    idle.expect_end();
    let mut client = Client::connect(serving.address);
    assert_eq!(client.get("/b").text(), "b");
    assert_eq!(client.get("/a").status, 404);
    assert_eq!(client.send(http_client::get(&"/".repeat(101))).answer().status, 414);
    let routes = serving.report()["total"]["routes"].clone();
    assert_eq!((&routes["GET /a"], &routes["GET /b"]), (&2.into(), &1.into()));
    assert_eq!(routes["(no route)"], 1);
}
