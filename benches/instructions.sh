#!/usr/bin/env bash
# Instructions per request through protocol and application, counted by callgrind.
# Needs valgrind. Usage: benches/instructions.sh
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(cargo bench --bench in_memory --no-run --message-format=json 2>/dev/null |
    grep -o '"executable":"[^"]*in_memory[^"]*"' | tail -1 | cut -d'"' -f4)
batches=2000
for work in 0 1 2 3 4; do
    out=$(mktemp)
    log=$(valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*one_batch*' \
        --callgrind-out-file="$out" "$binary" --count $batches $work 2>&1)
    total=$(sed -n 's/.*Collected : //p' <<<"$log")
    requests=$(grep -o 'batches of [0-9]*' <<<"$log" | grep -o '[0-9]*')
    name=$(sed -n 's/^\([^=].*\): [0-9]* batches of.*/\1/p' <<<"$log")
    printf '%-32s %6d instructions per request\n' "$name" $((total / batches / requests))
    rm -f "$out"
done
