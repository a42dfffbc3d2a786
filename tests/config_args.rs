//! The command line: what it accepts, what it refuses and in which words, and its help.
#![cfg(feature = "cli")]

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use corelane::Method;
use corelane::app::configured::{Answer, Application, FilesSpec, RouteSpec};
use corelane::config::{
    Command, Exit, LogFormat, LogLevel, ReportFormat, ServePlan, Stream, parse,
};
use corelane::limits;
use corelane::settings::{
    AccessLogFormat, Balance, ClientAddressField, Network, Settings, WhenFull,
};

fn try_parse(line: &str) -> Result<ServePlan, Exit> {
    let words = std::iter::once("corelane").chain(line.split_whitespace());
    parse(words.map(OsString::from)).map(|command| match command {
        Command::Serve(plan) => plan,
        other => panic!("{line} is no server: {other:?}"),
    })
}

fn plan(line: &str) -> ServePlan {
    try_parse(line).unwrap_or_else(|exit| panic!("{line}: {}", exit.text))
}

/// The text of a refusal, which is always two lines on standard error with exit code 2.
fn refused(line: &str) -> String {
    let exit = try_parse(line).expect_err(line);
    assert_eq!((exit.stream, exit.code), (Stream::Stderr, 2), "{line}");
    let lines: Vec<&str> = exit.text.lines().collect();
    assert_eq!(lines.len(), 2, "{}", exit.text);
    assert!(lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{}", exit.text);
    exit.text
}

/// A text that was asked for: standard output and exit code 0.
fn shown(line: &str) -> String {
    let exit = try_parse(line).expect_err(line);
    assert_eq!((exit.stream, exit.code), (Stream::Stdout, 0), "{line}");
    assert!(exit.text.ends_with('\n'));
    exit.text
}

#[test]
fn nothing_said_is_serve_with_every_default() {
    let expected = ServePlan {
        config: None,
        application: Application::Demo,
        compress: false,
        log_level: LogLevel::Info,
        log_format: LogFormat::Text,
        log_file: None,
        listen: vec!["127.0.0.1:8080".parse().unwrap()],
        workers: None,
        pin: true,
        report: ReportFormat::Text,
        hgrm: None,
        admin: None,
        settings: Settings::default(),
    };
    assert_eq!(plan(""), expected);
    assert_eq!(plan("serve"), expected);
}

#[test]
fn a_root_takes_the_place_of_the_demonstration() {
    let Application::Routes(routes) = plan("--root /").application else { panic!("it has routes") };
    let files = Answer::Files(FilesSpec::at("/"));
    assert_eq!(
        routes,
        [RouteSpec { method: Method::Get, path: "/".into(), answer: files, compress: None }]
    );
    let exit = try_parse("--root /nowhere/at/all").expect_err("it is not there");
    assert!(exit.text.contains("`--root /nowhere/at/all`: cannot serve the files of"), "{exit:?}");
    assert!(exit.text.contains("hint: "), "{exit:?}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.html"), "").unwrap();
    let root = folder.path().to_str().unwrap();
    let line = format!("--root {root} --listing on --precompressed on --fallback one.html");
    let Application::Routes(routes) = plan(&line).application else { panic!("it has routes") };
    let spec = FilesSpec::at(root);
    let spec = FilesSpec { listing: true, precompressed: true, ..spec };
    let spec = FilesSpec { fallback: Some("one.html".to_owned()), ..spec };
    assert_eq!(routes[0].answer, Answer::Files(spec));
    let exit = try_parse(&format!("--root {root} --fallback two.html")).expect_err("it is missing");
    assert!(exit.text.contains("two.html: there is no such file"), "{exit:?}");
    for flag in ["--listing on", "--precompressed on", "--fallback a"] {
        let exit = try_parse(flag).expect_err("it is about nothing");
        assert!(exit.text.contains("there is no `--root`"), "{exit:?}");
    }
}

#[test]
fn flags_mean_the_same_with_and_without_the_command() {
    let flags = "--listen 127.0.0.1:9000 --listen [::1]:9000 --workers 3 --pin off --report json \
                 --hgrm /tmp/a.hgrm --idle-time 30s --log-level warn --log-format json \
                 --log-file /tmp/a.log";
    let plan = plan(flags);
    assert_eq!(plan.listen, ["127.0.0.1:9000".parse().unwrap(), "[::1]:9000".parse().unwrap()]);
    assert_eq!(plan.workers, NonZeroUsize::new(3));
    assert!(!plan.pin);
    assert_eq!(plan.report, ReportFormat::Json);
    assert_eq!(plan.hgrm, Some(PathBuf::from("/tmp/a.hgrm")));
    assert_eq!((plan.log_level, plan.log_format), (LogLevel::Warn, LogFormat::Json));
    assert_eq!(plan.log_file, Some(PathBuf::from("/tmp/a.log")));
    assert_eq!(plan.settings.idle_time, Duration::from_secs(30));
    assert_eq!(self::plan(&format!("serve {flags}")), plan);
}

#[test]
fn every_setting_has_its_flag() {
    let settings = plan(
        "--head-bytes-max 8k --fields-max 50 --target-bytes-max 2000 --body-bytes-max 16m \
         --connections-max 1000 --pipelined-max 8 --head-time 1s --body-time 2m --idle-time 1h \
         --send-time 500ms --linger-time 1500ms --drain-time 10s --drain-idle-time 1ms \
         --backlog 128 --server-name origin-7 --connections-full refuse \
         --connections-soft-max 900 --connections-per-address-max 16 \
         --proxy-protocol-from 10.0.0.1,fd00::/8 --proxy-protocol-from 192.0.2.1 \
         --trusted-proxies 10.0.0.0/8 --client-address-field forwarded --user-timeout 20s \
         --notsent-bytes 64k --blocking-queue-max 9 --stall-time 20ms --upload-bytes-max 64m \
         --memory-max 8m --requests-max 100 --receive-rate-min 1000 --send-rate-min 2000 \
         --later-time 3s --lifetime-max 30m --rate-time 4s --overload-delay 40ms \
         --overload-interval 200ms --busy-poll auto --stage-sampling 7 --server-timing on \
         --balance round-robin --defer-accept on --lame-duck 7s --access-log /var/log/a \
         --access-log-format json --access-log-sample 3",
    )
    .settings;
    let mut expected = Settings::default();
    expected.head_bytes_max = 8 * 1024;
    expected.fields_max = 50;
    expected.target_bytes_max = 2_000;
    expected.body_bytes_max = 16 * 1024 * 1024;
    expected.connections_max = Some(1_000);
    expected.pipelined_max = 8;
    expected.head_time = Duration::from_secs(1);
    expected.body_time = Duration::from_secs(120);
    expected.idle_time = Duration::from_secs(3_600);
    expected.send_time = Duration::from_millis(500);
    expected.linger_time = Duration::from_millis(1_500);
    expected.lame_duck = Duration::from_secs(7);
    expected.drain_time = Duration::from_secs(10);
    expected.drain_idle_time = Duration::from_millis(1);
    expected.upload_bytes_max = 64 * 1024 * 1024;
    expected.memory_max = Some(8 * 1024 * 1024);
    expected.requests_max = 100;
    expected.receive_rate_min = 1_000;
    expected.send_rate_min = 2_000;
    expected.later_time = Duration::from_secs(3);
    expected.lifetime_max = Duration::from_secs(30 * 60);
    expected.rate_time = Duration::from_secs(4);
    expected.overload_delay = Some(Duration::from_millis(40));
    expected.overload_interval = Duration::from_millis(200);
    expected.blocking_queue_max = 9;
    expected.stall_time = Some(Duration::from_millis(20));
    expected.backlog = 128;
    expected.server_name = Some("origin-7".to_owned());
    expected.connections_full = WhenFull::Refuse;
    expected.connections_soft_max = Some(900);
    expected.connections_per_address_max = Some(16);
    let network = |text: &str| text.parse::<Network>().unwrap();
    expected.proxy_protocol_from = ["10.0.0.1", "fd00::/8", "192.0.2.1"].map(network).to_vec();
    expected.trusted_proxies = vec![network("10.0.0.0/8")];
    expected.client_address_field = ClientAddressField::Forwarded;
    expected.user_timeout = Duration::from_secs(20);
    expected.notsent_bytes = 64 * 1024;
    expected.defer_accept = true;
    expected.busy_poll = Duration::from_micros(50);
    expected.stage_sampling = 7;
    expected.server_timing = true;
    expected.balance = Balance::RoundRobin;
    expected.access_log = Some("/var/log/a".into());
    expected.access_log_format = AccessLogFormat::Json;
    expected.access_log_sample = 3;
    assert_eq!(settings, expected);
}

#[test]
fn an_access_log_goes_to_a_file_or_to_standard_output() {
    let log = |line: &str| plan(line).settings.access_log;
    assert_eq!(log("--access-log off"), None);
    assert_eq!(log("--access-log -"), Some("-".into()));
    assert_eq!(log("--access-log ./off"), Some("./off".into()));
    assert_eq!(
        refused("--access-log="),
        "error: `--access-log \"\"`: no file\n\
         hint: `off`, `-` for standard output, or a file\n"
    );
    assert_eq!(
        refused("--access-log-sample 0"),
        "error: `--access-log-sample`: 0 is not between 1 and 1073741824\n\
         hint: left out, it is 1\n"
    );
}

#[test]
fn an_admin_listener_is_asked_for_and_a_port_alone_is_on_loopback() {
    let admin = |line: &str| plan(line).admin.map(|address| address.to_string());
    assert_eq!(admin("--admin off"), None);
    for (line, address) in [
        ("--admin 9090", "127.0.0.1:9090"),
        ("--admin :9090", "127.0.0.1:9090"),
        ("--admin [::1]:0", "[::1]:0"),
        ("--admin 0.0.0.0:9090", "0.0.0.0:9090"),
    ] {
        assert_eq!(admin(line).as_deref(), Some(address), "{line}");
    }
    assert_eq!(
        refused("--admin on"),
        "error: `--admin on`: no port from 0 to 65535\n\
         hint: `off`, `9090`, `127.0.0.1:9090` or `[::1]:9090`\n"
    );
    assert_eq!(
        refused("--listen 127.0.0.1:9090 --admin 9090"),
        "error: `--admin 127.0.0.1:9090` is an address of `--listen` too\n\
         hint: what it shows is not for the public: another port\n"
    );
}

#[test]
fn an_empty_server_name_leaves_the_field_out() {
    assert_eq!(plan("--server-name=").settings.server_name, None);
}

#[test]
fn no_stall_time_watches_nothing() {
    assert_eq!(plan("--stall-time 0s").settings.stall_time, None);
}

#[test]
fn no_overload_delay_turns_nobody_away() {
    assert_eq!(plan("--overload-delay 0s").settings.overload_delay, None);
}

#[test]
fn a_smaller_head_alone_brings_its_target_along() {
    let settings = plan("--head-bytes-max 4k").settings;
    assert_eq!((settings.head_bytes_max, settings.target_bytes_max), (4_096, 4_096));
    assert_eq!(
        refused("--head-bytes-max 4k --target-bytes-max 8k"),
        "error: `--target-bytes-max`: 8192 is not between 1 and 4096\n\
         hint: left out, it is never above `--head-bytes-max`\n"
    );
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    for (line, text) in [
        ("--lisen :80", "error: unknown flag `--lisen`\nhint: did you mean `--listen`?\n"),
        ("serve --worker 3", "error: unknown flag `--worker`\nhint: did you mean `--workers`?\n"),
        ("-x", "error: unknown flag `-x`\nhint: `corelane --help` lists every flag\n"),
        ("srve", "error: unknown command `srve`\nhint: did you mean `serve`?\n"),
        ("fly", "error: unknown command `fly`\nhint: `corelane --help` lists every command\n"),
        (
            "/proc",
            "error: unknown command `/proc`\n\
             hint: `corelane --root /proc` serves the files of a directory\n",
        ),
        ("serve a", "error: unknown argument `a`\nhint: `corelane --help` lists every flag\n"),
        ("--pin on a", "error: unknown argument `a`\nhint: `corelane --help` lists every flag\n"),
        (
            "--workers 2 serve",
            "error: `serve` stands behind flags\n\
             hint: write `corelane serve` first and the flags behind it\n",
        ),
        (
            "--workers 1 --workers 2",
            "error: `--workers` stands more than once\nhint: leave one of them out\n",
        ),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn wrong_values_are_answered_with_right_ones() {
    for (line, text) in [
        (
            "--idle-time 10",
            "error: `--idle-time 10`: a time needs its unit\n\
             hint: `10s` for seconds, `10ms` for milliseconds\n",
        ),
        (
            "--body-bytes-max lots",
            "error: `--body-bytes-max lots`: not a size\n\
             hint: bytes as a whole number, or `16k`, `1m`, `2g`\n",
        ),
        (
            "--workers 0",
            "error: `--workers 0`: not a number of workers\n\
             hint: 1 or more; left out: one for each CPU\n",
        ),
        (
            "--backlog -1",
            "error: `--backlog -1`: not a whole number\nhint: digits only, such as `64`\n",
        ),
        ("--workers", "error: `--workers` needs a value\nhint: write `--workers <N>`\n"),
        ("--pin maybe", "error: `--pin maybe`: no such value\nhint: one of: on, off\n"),
        (
            "--report jsn",
            "error: `--report jsn`: no such value\nhint: did you mean `--report json`?\n",
        ),
        (
            "--listen ::1:80",
            "error: `--listen ::1:80`: no telling the port from the address\n\
             hint: brackets around an IPv6 address, such as `[::1]:8080`\n",
        ),
        (
            "--trusted-proxies 10.0.0.1/8",
            "error: `--trusted-proxies 10.0.0.1/8`: bits behind the prefix: write `10.0.0.0/8` or \
             `10.0.0.1`\nhint: such as `10.0.0.0/8`, `192.0.2.1` or `fd00::/8`\n",
        ),
        (
            "--connections-full wait",
            "error: `--connections-full wait`: no such value\nhint: one of: pause, refuse\n",
        ),
        (
            "--listen :80 --listen 80",
            "error: `--listen 0.0.0.0:80` stands more than once\nhint: leave one of them out\n",
        ),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn a_setting_out_of_bounds_names_its_flag_and_its_default() {
    for (line, flag, hint) in [
        ("--idle-time 0s", "--idle-time", "hint: left out, it is 75s\n"),
        ("--head-bytes-max 1m", "--head-bytes-max", "hint: left out, it is 16k\n"),
        ("--drain-time 25h", "--drain-time", "hint: left out, it is 30s\n"),
        ("--connections-max 0", "--connections-max", "hint: left out, it is chosen at start\n"),
    ] {
        let text = refused(line);
        assert!(text.starts_with(&format!("error: `{flag}`: ")), "{text}");
        assert!(text.ends_with(hint), "{text}");
    }
    let text = refused("--server-name caf\u{e9}");
    assert!(text.starts_with("error: `--server-name`: "), "{text}");
}

#[test]
fn more_addresses_than_listeners_are_refused() {
    let flags = |count: usize| (0..count).fold(String::new(), |line, _| line + "--listen [::1]:0 ");
    assert_eq!(plan(&flags(limits::LISTENERS_MAX)).listen.len(), limits::LISTENERS_MAX);
    let text = refused(&flags(limits::LISTENERS_MAX + 1));
    assert!(text.starts_with("error: `--listen`: 17 addresses are more than 16\n"), "{text}");
}

#[test]
fn words_that_are_not_unicode_are_refused_and_file_names_may_be_so() {
    let word = OsString::from_vec(b"a\xff".to_vec());
    let line = ["corelane".into(), "--report".into(), word.clone()];
    let exit = parse(line.into_iter()).unwrap_err();
    assert!(exit.text.starts_with("error: ") && exit.text.contains("\nhint: "), "{}", exit.text);
    assert_eq!(exit.code, 2);
    let line = ["corelane".into(), "--hgrm".into(), word.clone()];
    let Command::Serve(plan) = parse(line.into_iter()).unwrap() else { panic!("it serves") };
    assert_eq!(plan.hgrm, Some(PathBuf::from(word)));
}

/// Each flag with the default that help must show, from the settings themselves.
fn defaults() -> Vec<(&'static str, String)> {
    let settings = Settings::default();
    let size = |bytes: u64| match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{}m", bytes >> 20),
        _ => format!("{}k", bytes >> 10),
    };
    let time = |time: Duration| match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        millis => format!("{millis}ms"),
    };
    vec![
        ("listen", "127.0.0.1:8080".to_owned()),
        ("admin", "off".to_owned()),
        ("workers", "one for each CPU that may be used".to_owned()),
        ("pin", "on".to_owned()),
        ("report", "text".to_owned()),
        ("access-log", "off".to_owned()),
        ("access-log-format", "combined".to_owned()),
        ("access-log-sample", settings.access_log_sample.to_string()),
        ("compress", "off".to_owned()),
        ("listing", "off".to_owned()),
        ("precompressed", "off".to_owned()),
        ("head-bytes-max", size(settings.head_bytes_max as u64)),
        ("fields-max", settings.fields_max.to_string()),
        ("target-bytes-max", size(settings.target_bytes_max as u64)),
        ("body-bytes-max", size(settings.body_bytes_max)),
        ("connections-max", "from the descriptor limit".to_owned()),
        ("connections-full", "pause".to_owned()),
        ("connections-soft-max", "7/8 of them".to_owned()),
        ("connections-per-address-max", "any number".to_owned()),
        ("client-address-field", "x-forwarded-for".to_owned()),
        ("user-timeout", time(settings.user_timeout)),
        ("notsent-bytes", size(settings.notsent_bytes.into())),
        ("defer-accept", "off".to_owned()),
        ("busy-poll", "off".to_owned()),
        ("balance", "auto".to_owned()),
        ("pipelined-max", settings.pipelined_max.to_string()),
        ("backlog", settings.backlog.to_string()),
        ("head-time", time(settings.head_time)),
        ("body-time", time(settings.body_time)),
        ("idle-time", time(settings.idle_time)),
        ("send-time", time(settings.send_time)),
        ("linger-time", time(settings.linger_time)),
        ("lame-duck", time(settings.lame_duck)),
        ("drain-time", time(settings.drain_time)),
        ("drain-idle-time", time(settings.drain_idle_time)),
        ("stage-sampling", settings.stage_sampling.to_string()),
        ("server-timing", "off".to_owned()),
        ("server-name", settings.server_name.unwrap()),
    ]
}

/// The part of a long help that describes one flag.
fn described<'a>(help: &'a str, flag: &str) -> &'a str {
    let start = help.find(&format!("\n      --{flag} <")).unwrap_or_else(|| panic!("no --{flag}"));
    let part = &help[start + 1..];
    part.find("\n      --").map_or(part, |end| &part[..end])
}

#[test]
fn help_shows_the_default_and_the_variable_of_every_flag() {
    for line in ["--help", "serve --help", "help serve"] {
        let help = shown(line);
        for (flag, default) in defaults() {
            let part = described(&help, flag);
            assert!(part.contains(&format!("[default: {default}]")), "{part}");
            let variable = format!("CORELANE_{}", flag.replace('-', "_").to_uppercase());
            assert!(part.contains(&format!("[env: {variable}]")), "{part}");
        }
        assert!(help.contains("\nExamples:\n"), "{help}");
    }
}

#[test]
fn short_help_has_a_line_for_every_flag() {
    for line in ["-h", "serve -h"] {
        let help = shown(line);
        for (flag, default) in defaults() {
            let flag = format!("--{flag} <");
            let line = help.lines().find(|line| line.contains(&flag)).expect(&flag);
            assert!(line.ends_with(&format!("[default: {default}]")), "{line}");
        }
    }
}

#[test]
fn help_fits_a_hundred_columns() {
    for line in ["-h", "--help", "serve -h", "serve --help"] {
        for line in shown(line).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn the_examples_of_help_are_right() {
    let help = shown("--help");
    let examples = help.split("\nExamples:\n").nth(1).unwrap();
    let lines: Vec<&str> = examples
        .lines()
        .filter(|line| line.starts_with("  corelane"))
        .map(|line| line.split(" > ").next().unwrap())
        .collect();
    assert!(lines.len() >= 3, "{examples}");
    for line in lines {
        plan(line.trim_start().strip_prefix("corelane").unwrap());
    }
}

#[test]
fn the_version_is_short_or_complete() {
    assert_eq!(shown("-V"), format!("corelane {}\n", env!("CARGO_PKG_VERSION")));
    let long = shown("--version");
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], format!("corelane {}", env!("CARGO_PKG_VERSION")));
    let heads: Vec<&str> = lines[1..].iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(heads, ["commit", "build", "features", "allocator"]);
    assert!(lines[3].contains(" cli "), "{long}");
}

/// Runs [`prints_its_plan`] in a process of its own with these variables, because those of this
/// one belong to all its tests.
fn parsed_with(variables: &[(&str, &str)], line: &str) -> String {
    let output = process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "prints_its_plan", "--nocapture", "--test-threads=1"])
        .env("TEST_LINE", line)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Not a test by itself: the other side of [`parsed_with`].
#[test]
fn prints_its_plan() {
    if let Ok(line) = std::env::var("TEST_LINE") {
        match try_parse(&line) {
            Ok(plan) => println!("{plan:?}"),
            Err(exit) => println!("{}", exit.text),
        }
    }
}

#[test]
fn a_variable_stands_for_its_flag_and_the_flag_wins() {
    let variables = [("CORELANE_WORKERS", "3"), ("CORELANE_LISTEN", "127.0.0.1:1,[::1]:2")];
    for line in ["", "serve"] {
        let text = parsed_with(&variables, line);
        assert!(text.contains("listen: [127.0.0.1:1, [::1]:2], workers: Some(3)"), "{text}");
    }
    for line in ["--workers 4", "serve --workers=4"] {
        let text = parsed_with(&variables, line);
        assert!(text.contains("listen: [127.0.0.1:1, [::1]:2], workers: Some(4)"), "{text}");
    }
}

#[test]
fn an_empty_variable_is_a_value() {
    let text = parsed_with(&[("CORELANE_SERVER_NAME", "")], "");
    assert!(text.contains("server_name: None"), "{text}");
}

#[test]
fn a_wrong_value_of_a_variable_names_the_variable() {
    for (variable, value, text) in [
        (
            "CORELANE_WORKERS",
            "many",
            "error: `--workers many` (from CORELANE_WORKERS): not a number of workers\nhint: ",
        ),
        (
            "CORELANE_PIN",
            "",
            "error: `--pin \"\"` (from CORELANE_PIN): no such value\nhint: one of: on, off\n",
        ),
        (
            "CORELANE_IDLE_TIME",
            "0s",
            "error: `--idle-time` (from CORELANE_IDLE_TIME): 0 ms is not between 1 ms and 24 h\n",
        ),
    ] {
        let output = parsed_with(&[(variable, value)], "");
        assert!(output.contains(text), "{output}");
    }
    let output = parsed_with(&[("CORELANE_WORKERS", "2")], "--workers x");
    assert!(output.contains("error: `--workers x`: not a number"), "{output}");
}
