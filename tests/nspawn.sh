#!/usr/bin/env bash
# The program and its units under a systemd that really booted, in systemd-nspawn: a line for each
# thing that has to hold, exit code 1 if one does not.
#
#   sudo tests/nspawn.sh [PROGRAM]     without PROGRAM the release build of this folder
#
# CORELANE_NSPAWN_ROOT is the folder of a Debian with systemd. One is made there the first time, by
# debootstrap from the network (250 MB, a minute), and kept; default /var/tmp/corelane-nspawn. What
# runs in it shares the loopback device, and load comes from outside. Where this cannot be done the
# reason is printed, with exit code 0. Takes about a minute; only what was started here is ended.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

root=${CORELANE_NSPAWN_ROOT:-/var/tmp/corelane-nspawn}
mirror=${CORELANE_NSPAWN_MIRROR:-http://deb.debian.org/debian}
watchdog_s=2
connections=64

skip() {
    echo "skipped: $1"
    exit 0
}

[[ $(id -u) == 0 ]] || skip "not root"
for tool in systemd-nspawn nsenter curl python3; do
    command -v $tool >/dev/null || skip "$tool is missing (Debian: systemd-container, curl)"
done

program=${1:-}
if [[ -z $program ]]; then
    cargo build --release --bin corelane || exit 1
    program=${CARGO_TARGET_DIR:-target}/release/corelane
fi

if [[ ! -x $root/usr/lib/systemd/systemd ]]; then
    command -v debootstrap >/dev/null || skip "no $root, and debootstrap is missing"
    echo "making $root"
    rm -rf "$root.part"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm \
        "$root.part" "$mirror" >/dev/null || skip "debootstrap failed"
    mv "$root.part" "$root"
fi
exec 9>"$root.lock"
flock -n 9 || skip "$root is in use"

folder=$(mktemp -d)
nspawn=
leader=
failed=0

finish() {
    [[ -n $leader ]] && kill -KILL "$leader" 2>/dev/null
    [[ -n $nspawn ]] && wait "$nspawn" 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT

# --- what is checked ----------------------------------------------------------------------------

ok() {
    printf 'ok      %s\n' "$1"
}

# Prints what did not hold and what the services said last.
bad() {
    printf 'FAILED  %s\n' "$1"
    inside journalctl --no-pager -q -n 15 -o cat -u 'corelane*' | sed 's/^/        /'
    failed=1
}

# `check WHAT COMMAND...`
check() {
    local what=$1
    shift
    if "$@" >"$folder/said" 2>&1; then ok "$what"; else bad "$what: $(tail -3 "$folder/said")"; fi
}

# Tries a command until it succeeds: `within SECONDS COMMAND...`.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
    done
}

inside() {
    nsenter -t "$leader" --all -- "$@"
}

property() {
    inside systemctl show -P "$2" "$1"
}

is() {
    [[ $(property "$1" "$2") == "$3" ]] && return
    echo "$2 of $1 is $(property "$1" "$2")"
    return 1
}

not() {
    ! "$@"
}

# What a service has said since it was started last.
said() {
    inside journalctl --no-pager -q -o cat "_SYSTEMD_INVOCATION_ID=$(property "$1" InvocationID)"
}

says() {
    said "$1" | grep -F -- "$2"
}

answers() {
    [[ $(curl -s --max-time 10 "$url/plaintext") == "Hello, World!" ]]
}

# How many sockets of the server's port are in a state of /proc/net/tcp.
sockets() {
    awk -v port="$(printf ':%04X' "$port")" -v state="$1" \
        '$2 ~ port "$" && $4 == state { count++ } END { print count + 0 }' /proc/net/tcp
}

listeners() {
    sockets 0A
}

# Whether the load has its connections.
loaded() {
    (($(sockets 01) >= connections))
}

# `less FIGURE LIMIT`; no figure is not less.
less() {
    [[ $1 != none ]] && (($1 < $2))
}

# The process of a service as the host numbers it.
host_pid() {
    local within
    within=$(property "$1" MainPID)
    awk -v pid="$within" '/^NSpid:/ && NF == 3 && $3 == pid { sub("/status", "", FILENAME)
        sub("/proc/", "", FILENAME); print FILENAME }' /proc/[0-9]*/status 2>/dev/null
}

# Begins to load the server: `load NAME SECONDS OPTIONS...`; `figures` reads what came of it.
load() {
    local name=$1 seconds=$2
    shift 2
    "$program" bench --duration "${seconds}s" --warm-up 0s --server-view off --report json \
        --connections $connections "$@" "$url/plaintext" >"$folder/$name.json" 2>"$folder/$name.err" &
    loading=$!
    within 10 loaded
}

# `figures NAME` waits for the load; sets `answered`, `failures`, `refused`, `worst_ms`.
figures() {
    wait "$loading"
    read -r answered failures refused worst_ms detail < <(python3 - "$folder/$1.json" <<'PYTHON'
import json, sys
try:
    report = json.load(open(sys.argv[1]))
except ValueError:
    sys.exit("no report")
failures = report["failures"]
print(report["answers"], sum(failures.values()), failures["connect_failed"],
      report["latency"]["max_ns"] // 1_000_000,
      ",".join(f"{name}={count}" for name, count in failures.items() if count) or "none")
PYTHON
    )
}

# --- a systemd ----------------------------------------------------------------------------------

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
url=http://127.0.0.1:$port

install_units() {
    local units=$root/etc/systemd/system
    rm -rf "$units"/corelane* "$root/run"/* "$root/var/log/journal"
    install -m 755 "$program" "$root/usr/local/bin/corelane" || return
    install -m 644 systemd/corelane* "$units" || return
    mkdir -p "$units"/corelane{,-activated}.service.d "$units/corelane.socket.d"
    # The units as they are, but for the port and a watchdog that does not take ten seconds.
    printf '[Service]\nWatchdogSec=%ss\nExecStart=\nExecStart=%s\n' $watchdog_s \
        "/usr/local/bin/corelane serve --listen 127.0.0.1:$port --drain-time 5s" \
        >"$units/corelane.service.d/test.conf"
    printf '[Service]\nWatchdogSec=%ss\n' $watchdog_s >"$units/corelane-activated.service.d/test.conf"
    printf '[Socket]\nListenStream=\nListenStream=127.0.0.1:%s\nListenStream=127.0.0.1:%s\n' \
        "$port" "$port" >"$units/corelane.socket.d/test.conf"
}

boot() {
    systemd-nspawn --quiet --boot --register=no --keep-unit --directory="$root" \
        --machine=corelane-test --link-journal=no --capability=CAP_BPF --system-call-filter=bpf \
        </dev/null >"$folder/console" 2>&1 9>&- &
    nspawn=$!
    within 30 pgrep -P $nspawn || return 1
    leader=$(pgrep -P $nspawn)
    within 60 booted
}

# Degraded: something of the Debian around it failed, which is not of this test.
booted() {
    [[ $(inside systemctl is-system-running) =~ ^(running|degraded)$ ]]
}

install_units || exit 1
if ! boot; then
    tail -5 "$folder/console"
    skip "systemd does not boot in systemd-nspawn here"
fi
echo "$(inside systemctl --version | head -1), $("$program" --version | head -1)"
workers=$(nproc)

# --- a service that binds its port itself ------------------------------------------------------

own=corelane.service
activated=corelane-activated.service

starts() {
    # In this order and at once: what is true only a moment later is not ready.
    inside systemctl start $own || return
    is $own ActiveState active && answers
}

pinned() {
    local pid cpus
    pid=$(host_pid $own)
    cpus=$(grep -l '^worker ' /proc/"$pid"/task/*/comm | while read -r comm; do
        awk '/^Cpus_allowed_list/ { print $2 }' "${comm%comm}status"
    done | sort -u | wc -l)
    [[ $cpus == "$workers" ]] || { echo "$cpus masks for $workers workers"; return 1; }
}

exposure() {
    inside systemd-analyze security --no-pager "$1" | awk -v most="$2" \
        '/Overall exposure level/ { print; found = 1; for (i = 1; i < NF; i++) if ($i ~ /^[0-9.]+$/)
            exit $i > most } END { if (!found) exit 1 }'
}

check "units: systemd-analyze verify finds nothing" \
    inside sh -c 'out=$(systemd-analyze verify corelane.service corelane-activated.service \
        corelane.socket 2>&1); echo "$out"; test -z "$out"'
check "READY: active once every worker listens, and it answers" starts
check "a listener for each of $workers workers" test "$(listeners)" = "$workers"
check "STATUS is told" is $own StatusText "serving $url with $workers workers"
check "pinning works in the sandbox" pinned
check "placing by BPF works in the sandbox" not says $own "workers hand connections over"
check "corelane.service is exposed at most 1.6" exposure $own 1.6

pid=$(property $own MainPID)
load reload 3
for _ in 1 2 3; do inside systemctl reload $own; done
figures reload
check "SIGHUP: three reloads under load, $answered answered, $failures failed" test "$failures" = 0
check "the same process serves" is $own MainPID "$pid"
check "it says so" says $own reloaded
check "STATUS after a reload" is $own StatusText "serving $url with $workers workers"

replaced() {
    [[ $(property "$1" NRestarts) == "$2" && $(property "$1" ActiveState) == active ]]
}

# Milliseconds until a service was replaced and answers: `replacement SERVICE RESTARTS`.
replacement() {
    local begin=${EPOCHREALTIME/./}
    within 20 replaced "$1" "$2" && within 5 answers || return 1
    took_ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
}

took_ms=none
inside systemctl kill --signal=STOP $own
replacement $own 1
check "watchdog: a stopped process is replaced, $took_ms ms at WatchdogSec=$watchdog_s" \
    less "$took_ms" $((watchdog_s * 2000))

took_ms=none
load stuck 8 --timeout 2s
python3 tests/support/hold_thread.py "$(host_pid $own)" "worker 0" >"$folder/held" 2>&1 9>&- &
holder=$!
within 5 grep -q holding "$folder/held" && replacement $own 2
kill $holder 2>/dev/null
wait $holder 2>/dev/null
check "watchdog: a stuck worker of $workers, $took_ms ms" less "$took_ms" $((watchdog_s * 2000))
figures stuck

dropin=$root/etc/systemd/system/corelane.service.d/no-bpf.conf
printf '[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n' >"$dropin"
inside systemctl daemon-reload
inside systemctl restart $own
check "without CAP_BPF it says that connections are handed over" \
    says $own "workers hand connections over"
check "and answers" answers
rm "$dropin"
inside systemctl daemon-reload

check "a second one is refused its port, and READY does not come" \
    not inside timeout 5 systemd-run --quiet --wait -p Type=notify \
    /usr/local/bin/corelane serve --listen "127.0.0.1:$port"

# --- the descriptor store -----------------------------------------------------------------------

inside systemctl restart $own
check "the manager keeps a socket for each worker" is $own NFileDescriptorStore "$workers"

# Kills a service under load and sees what its clients see: `kill_under_load SERVICE NAME`.
kill_under_load() {
    local service=$1 name=$2 restarts
    restarts=$(property "$service" NRestarts)
    took_ms=none
    load "$name" 4
    local begin=${EPOCHREALTIME/./}
    inside systemctl kill --signal=KILL "$service"
    # It waits in the queue of the socket that is kept, until somebody takes it.
    answers && took_ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
    figures "$name"
    check "$name: it was replaced" replaced "$service" $((restarts + 1))
    check "$name: $answered answered, failures at most those in flight: $detail" \
        test "$failures" -le $connections
    check "$name: none refused" test "$refused" = 0
    check "$name: answers again after $took_ms ms (100 ms of them RestartSec=)" \
        less "$took_ms" 2000
}

# Restarts a service under load: `restart_under_load SERVICE NAME`.
restart_under_load() {
    local service=$1 name=$2 count=0
    load "$name" 8 --requests-per-connection 50
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        inside systemctl restart "$service" && count=$((count + 1))
    done
    figures "$name"
    check "$name: ten restarts" test $count = 10
    check "$name: $answered answered, $failures failed ($detail), slowest $worst_ms ms" \
        test "$failures" = 0
}

kill_under_load $own "kill -9, sockets in the store"
restart_under_load $own "restart, sockets in the store"

upgrade() {
    inside systemctl kill --signal=USR2 --kill-whom=main $own
    within 10 not is $own MainPID "$1" && within 10 is $own NFileDescriptorStore "$workers"
}

pid=$(property $own MainPID)
load upgrade 4
check "SIGUSR2: the unit follows the new process" upgrade "$pid"
figures upgrade
check "SIGUSR2: $answered answered, $failures failed ($detail)" test "$failures" = 0
check "it is active, and was not restarted" is $own ActiveState active

# systemd did not start that process itself, and must wait for the end of its drain all the same.
load inherited 3
inside systemctl restart $own
figures inherited
check "restart after SIGUSR2: $answered answered, $failures failed ($detail)" test "$failures" = 0
inside systemctl stop $own
check "stop ends it, and it is not called a failure" is $own Result success
check "nobody listens any more" test "$(listeners)" = 0

# --- sockets of systemd -------------------------------------------------------------------------

inside systemctl start corelane.socket
check "socket unit: nothing runs before the first connection" is $activated ActiveState inactive
check "socket unit: the first connection is answered" answers
check "socket unit: two sockets, $workers workers" \
    is $activated StatusText "serving $url with $workers workers"
check "socket unit: as many listeners as before" test "$(listeners)" = 2
check "corelane-activated.service is exposed at most 0.3" exposure $activated 0.3
kill_under_load $activated "kill -9, socket unit"
restart_under_load $activated "restart, socket unit"
inside systemctl stop corelane.socket $activated
check "socket unit: stop ends both" is $activated Result success

if ((failed)); then echo "failed, $SECONDS s"; else echo "all ok, $SECONDS s"; fi
exit $failed
