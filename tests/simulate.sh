#!/bin/sh
# Simulates the worker for a night: ./tests/simulate.sh [schedules]
# Seeds from 0 up, in a release build, on two threads; ends at the first fault and prints its seed.
set -eu
cd "$(dirname "$0")/.."
schedules=${1:-1000000}

cargo test --release --no-run --test sim_worker
began=$(date +%s)
CORELANE_SIM_SCHEDULES=$schedules cargo test --release --quiet --test sim_worker \
    whatever_clients -- --nocapture
seconds=$(($(date +%s) - began))
echo "$schedules schedules in $seconds s, $((schedules / (seconds > 0 ? seconds : 1))) seeds/s"
