#!/usr/bin/env bash
# Public conformance suites against examples/conformance.rs: one line of scores per suite, what did
# not pass below it; exit code 1 if a suite found a failure.
#
#   tests/conformance.sh SUITE...     each the folder of a suite, or a built Http11Probe
#   SERVER=PROGRAM tests/conformance.sh SUITE...      another server's program, given HOST:PORT
#
# The suites, and the commits that the scores in ARCHITECTURE.md are from:
#   https://github.com/uNetworking/h1spec   f0a5650   a folder; needs Deno ($DENO or in the PATH)
#   https://github.com/dropseed/h1spec      d8f6918   a folder; needs Python 3.10
#   https://github.com/MDA2AV/Http11Probe   95bc6a9   its command-line program, built as its
#                                                     README says: an executable, or a .dll for
#                                                     which `dotnet` is in the PATH
# Without the last, `cargo test --test server_probes` asks the same of us.
#
# Every suite has a limit of time, traffic stays on the loopback device, and only what was started
# here is ended.
set -uo pipefail

if [[ $# -eq 0 ]]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
suites=()
for suite; do
    suites+=("$(realpath -- "$suite")") || exit 2
done
cd "$(dirname "$0")/.." || exit 1

server=${SERVER:-}
if [[ -z $server ]]; then
    cargo build --release --example conformance || exit 1
    server=${CARGO_TARGET_DIR:-target}/release/examples/conformance
fi

folder=$(mktemp -d)
pid=
failed=0

finish() {
    [[ -n $pid ]] && kill "$pid" 2>/dev/null && wait "$pid"
    rm -rf "$folder"
}
trap finish EXIT

# Prints a suite's line: `line NAME PASSED FAILED WARNED`.
line() {
    printf '%-20s %3s passed %3s failed %3s warned\n' "$@"
    [[ $3 == 0 ]] || failed=1
}

# A suite that did not come to its end.
broken() {
    printf '%-20s did not finish:\n' "$1"
    tail -5 "$folder/log"
    failed=1
}

# How many lines of the log contain a text.
count() {
    grep -c -- "$1" "$folder/log"
}

unetworking() {
    local deno=${DENO:-deno}
    DENO_DIR=$folder/deno timeout 60 "$deno" run --no-check --no-remote --allow-net=127.0.0.1 \
        "$1/http_test.ts" 127.0.0.1 "$port" >"$folder/log" 2>&1
    grep -q 'tests passed' "$folder/log" || { broken uNetworking/h1spec; return; }
    line uNetworking/h1spec "$(count '✅')" "$(count '❌')" 0
    grep '❌' "$folder/log"
}

dropseed() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$1 timeout 300 python3 -c \
        'import h1spec; h1spec.main()' --strict "127.0.0.1:$port" >"$folder/log" 2>&1
    grep -q '/.* passed' "$folder/log" || { broken dropseed/h1spec; return; }
    line dropseed/h1spec "$(count '✓')" "$(count '✗')" 0
    grep -A1 '✗' "$folder/log"
}

http11probe() {
    local program=("$1")
    [[ $1 == *.dll ]] && program=(dotnet "$1")
    timeout 1800 "${program[@]}" --host 127.0.0.1 --port "$port" --output "$folder/probe.json" \
        >"$folder/log" 2>&1
    [[ -s $folder/probe.json ]] || { broken Http11Probe; return; }
    local scores
    scores=$(python3 - "$folder/probe.json" 2>"$folder/rest" <<'PYTHON'
import json, sys
results = json.load(open(sys.argv[1]))["results"]
for name, scored in ("scored", True), ("unscored", False):
    verdicts = [result["verdict"] for result in results if result["scored"] is scored]
    counts = [verdicts.count(verdict) for verdict in ("Pass", "Fail", "Warn")]
    counts[1] += verdicts.count("Error")
    print(f"Http11Probe-{name}", *counts)
for result in results:
    if result["verdict"] not in ("Pass", "Skip"):
        print(result["verdict"], result["id"], result.get("statusCode"), file=sys.stderr)
PYTHON
    )
    while read -r -a words; do
        line "${words[@]}"
    done <<<"$scores"
    cat "$folder/rest"
}

# The kernel names a port that nobody has; who takes it before the server does stops us below.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$server" "127.0.0.1:$port" >"$folder/told" 2>&1 &
pid=$!
for ((tries = 0; ; tries++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    if ! kill -0 "$pid" 2>/dev/null || ((tries > 1000)); then
        echo "the server did not start:" >&2
        cat "$folder/told" >&2
        exit 1
    fi
    sleep 0.01
done

for suite in "${suites[@]}"; do
    if [[ -f $suite/http_test.ts ]]; then
        unetworking "$suite"
    elif [[ -f $suite/h1spec/runner.py ]]; then
        dropseed "$suite"
    elif [[ -f $suite && ($suite == *.dll || -x $suite) ]]; then
        http11probe "$suite"
    else
        echo "$suite is no suite that is known here" >&2
        failed=1
    fi
done
exit "$failed"
