#!/usr/bin/env bash
# Fuzzes each target for some seconds: fuzz/run.sh [seconds-per-target] [targets...]
# Prints a line a target. What is found stays in fuzz/artifacts, what is new in fuzz/target/corpora.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(cargo +nightly fuzz list)
fi
build=${CARGO_TARGET_DIR:-target}
corpora=${CORELANE_FUZZ_CORPORA:-target/corpora}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

cargo +nightly fuzz build >&2

max_len() {
    case $1 in
    target | config | forwarded | proxy_header | range | conditional | cookies) echo 512 ;;
    chunked | connection) echo 9000 ;;
    *) echo 4096 ;;
    esac
}

status=0
printf '%-18s %12s %8s %6s %8s %8s\n' target runs cpu_s cov corpus crashes
for target in "${targets[@]}"; do
    log=$(mktemp)
    mkdir -p "$corpora/$target" "artifacts/$target" "corpus/$target"
    arguments=(-max_total_time="$seconds" -max_len="$(max_len "$target")" -rss_limit_mb=2048)
    arguments+=(-print_final_stats=1 -report_slow_units=600 -artifact_prefix="artifacts/$target/")
    [ ! -f "dictionaries/$target.dict" ] || arguments+=(-dict="dictionaries/$target.dict")
    before=$(find "artifacts/$target" -type f | wc -l)
    TIMEFORMAT='cpu: %U %S'
    { time "$build/$host/release/$target" "${arguments[@]}" \
        "$corpora/$target" "corpus/$target" >"$log" 2>&1 || true; } 2>>"$log.time"
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cpu=$(awk '/^cpu:/ { printf "%.0f", $2 + $3 }' "$log.time")
    cov=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d ' ' -f 2)
    corpus=$(find "$corpora/$target" -type f | wc -l)
    crashes=$(($(find "artifacts/$target" -type f | wc -l) - before))
    printf '%-18s %12s %8s %6s %8s %8s\n' \
        "$target" "${runs:-?}" "$cpu" "${cov:-?}" "$corpus" "$crashes"
    if [ "$crashes" -ne 0 ] || [ -z "$runs" ]; then
        status=1
        tail -n 40 "$log" >&2
    fi
    rm -f "$log" "$log.time"
done
exit "$status"
