//! Any words of a command line give a plan that can be run or a text that says why not. Knows
//! the flags from the program's own help, and that no name may be looked up here.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::sync::LazyLock;

use corelane::config::{Command, Condition, Exit, Stream, parse};
use corelane::limits::LISTENERS_MAX;

/// Every flag, as help lists them.
static FLAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let help = run(vec!["--help".into()]).expect_err("help is no plan").text;
    let words = help.split(|char: char| char != '-' && !char.is_ascii_lowercase());
    let mut flags: Vec<String> =
        words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect();
    flags.sort_unstable();
    flags.dedup();
    assert!(flags.len() > 10, "help lists the flags");
    flags
});

/// Words, each ended by a NUL. A first byte above ASCII is a flag.
pub fn check(data: &[u8]) {
    let words: Vec<OsString> = data.split(|byte| *byte == 0).map(word).collect();
    match run(words) {
        Ok(Command::Serve(plan)) => {
            assert_eq!(plan.settings.validate(), Ok(()));
            assert!((1..=LISTENERS_MAX).contains(&plan.listen.len()));
            let ports = plan.listen.iter().enumerate().filter(|(_, address)| address.port() != 0);
            for (index, address) in ports {
                assert!(!plan.listen[..index].contains(address), "{address} twice");
            }
        }
        Ok(Command::Bench(order)) => {
            assert!(order.url.port > 0 && !order.url.host.is_empty());
            assert_eq!(order.url.to_string().parse().as_ref(), Ok(&order.url));
            let figures = Condition::FIGURES;
            assert!(order.fail_if.iter().all(|rule| figures.contains(&rule.figure.as_str())));
        }
        Ok(Command::Health(order)) => assert!(order.url.port > 0 && !order.url.host.is_empty()),
        Ok(Command::Upgrade(order)) => assert_ne!(order.pid, Some(0)),
        Ok(Command::Report(order)) => {
            assert!(!order.files.is_empty() && (!order.compares || order.files.len() == 2));
        }
        Ok(Command::Doctor(order)) => assert!(!order.root.as_os_str().is_empty()),
        Err(exit) => {
            assert!(exit.text.ends_with('\n') && !exit.text.trim().is_empty());
            match (exit.code, exit.stream) {
                (0, Stream::Stdout) => {}
                (2, Stream::Stderr) => {
                    assert!(exit.text.starts_with("error: "), "{}", exit.text);
                    assert!(exit.text.contains("\nhint: "), "{}", exit.text);
                }
                other => panic!("{other:?}: {}", exit.text),
            }
        }
    }
}

fn run(words: Vec<OsString>) -> Result<Command, Exit> {
    parse([OsString::from("corelane")].into_iter().chain(words))
}

fn word(bytes: &[u8]) -> OsString {
    let bytes = match bytes.split_first() {
        Some((&first, rest)) if first >= 0x80 => {
            let flag = &FLAGS[usize::from(first - 0x80) % FLAGS.len()];
            [flag.as_bytes(), rest].concat()
        }
        _ => bytes.to_vec(),
    };
    let text = String::from_utf8_lossy(&bytes);
    if !text.split([',', '=']).any(is_name_and_port) {
        return OsString::from_vec(bytes);
    }
    let flag = text.split_once('=').map(|(flag, _)| format!("{flag}="));
    OsString::from(flag.unwrap_or_default() + "127.0.0.1:0")
}

/// Whether this is an address whose name would be looked up, perhaps in the network.
fn is_name_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_address = host.parse::<IpAddr>().is_ok();
    port.parse::<u16>().is_ok() && !host.is_empty() && host != "localhost" && !is_address
}
