//! What help says behind the flags of each command. Texts without logic.

#[cfg(feature = "bench")]
pub(super) const REPORT_HELP: &str = "\
Examples:
  corelane report monday.hlog tuesday.hlog --hgrm both.hgrm
      The latencies of both, without loss.
  corelane report --compare before.hlog after.hlog
      Whether the second differs from the first, by the figures of each second.";

#[cfg(feature = "bench")]
pub(super) const BENCH_HELP: &str = "Times: 500ms, 10s, 2m.";

#[cfg(feature = "bench")]
pub(super) const BENCH_LONG_HELP: &str = "\
Times: 500ms, 10s, 2m.

Examples:
  corelane bench http://127.0.0.1:8080/
      As much as 64 connections get, each asking again when it is answered.
  corelane bench --rate 50000 http://127.0.0.1:8080/
      50,000 requests a second, whatever the server does: latencies as users have them.
  corelane bench --rate 20000 --fail-if 'p99>500us' --hgrm a.hgrm http://127.0.0.1:8080/json
      For a pipeline: exit code 3 if P99 is above 500 µs; keep the distribution.
  corelane bench --pipeline 16 --raw get.raw --raw post.raw http://127.0.0.1:8080
      Requests from files, in turns, 16 under way on each connection.

Exit codes: 0 measured, 1 failed, 2 wrong usage, 3 a condition of --fail-if holds.";

pub(super) const AFTER_HELP: &str = "\
Sizes: 16k, 1m or bytes. Times: 500ms, 10s, 2m.
Each flag has a variable, such as CORELANE_IDLE_TIME for --idle-time, and a key of the
configuration file, idle-time; the flag wins, then the variable.";

pub(super) const AFTER_LONG_HELP: &str = "\
Sizes: 16k, 1m or bytes. Times: 500ms, 10s, 2m.
A flag wins over its variable, its variable over the key of the same name in the
configuration file (`corelane config default` prints one), that over the default.

Examples:
  corelane
      Serve on http://127.0.0.1:8080/ with one worker per CPU.
  corelane --listen 127.0.0.1:9000 --listen [::1]:9000 --workers 2
      Two addresses, two workers.
  corelane --listen :8080 --body-bytes-max 16m --idle-time 30s
      Every IPv4 address; larger bodies, shorter patience.
  corelane --report json --hgrm latency.hgrm > report.json
      Keep the figures: the report of the whole run and its latency distribution.
  CORELANE_LISTEN=127.0.0.1:8080,[::1]:8080 corelane
      The same by variables, several addresses with commas.

SIGHUP reads the configuration again: limits, times, routes and the log change at once,
connections stay, and a file with a mistake changes nothing. SIGUSR1 opens the log anew.

Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage.";

pub(super) const CONFIG_HELP: &str = "\
The file is TOML, its keys are the flags of `corelane serve` without their dashes. It is
/etc/corelane/corelane.toml if that exists, or the one that --config or CORELANE_CONFIG names.

Examples:
  corelane config default > corelane.toml
      A file with every key, its default and why.
  corelane config check --config corelane.toml
      Read it as `serve` would, without serving; exit code 2 if anything is wrong.
  corelane config print --idle-time 30s
      What would be in force with these flags, and where each value comes from.";

pub(super) const ROUTES_HELP: &str = "\
Examples:
  corelane routes --config corelane.toml
      A line a route, tabs between its columns; `-` where nothing stands before it.
  corelane routes --root public | cut -f2
      The paths alone.";
