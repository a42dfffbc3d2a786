#!/usr/bin/env bash
# The static program where there is nothing but it, and the image of packaging/Dockerfile: a line
# for each thing that has to hold, exit code 1 if one does not.
#
#   sudo tests/container.sh [PROGRAM]     without PROGRAM the static release build of this folder
#
# An empty root (chroot) needs root, the image an engine: ENGINE="podman --runtime runc", `docker`,
# or what there is. RUST_IMAGE names an image with Rust and a C compiler that is there already;
# without it none is pulled, and the program built here is put into the image instead. BUILD_OPTIONS
# are more options of `ENGINE build`, such as mounts of a registry. Containers use the network of
# the host: no rule of a firewall is changed. What cannot be done is skipped and named.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

target=$(rustc --print host-tuple) || exit 1
program=${1:-}
if [[ -z $program ]]; then
    # As in packaging/Dockerfile.
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --release --locked --bin corelane --target "$target" || exit 1
    program=${CARGO_TARGET_DIR:-target}/$target/release/corelane
fi

folder=$(mktemp -d)
server=
container=corelane-test-$$
engine=
failed=0

finish() {
    [[ -n $server ]] && kill -KILL "$server" 2>/dev/null
    [[ -n $engine ]] && $engine rm -f $container >/dev/null 2>&1
    rm -rf "$folder"
}
trap finish EXIT

# `check WHAT COMMAND...`
check() {
    local what=$1
    shift
    if "$@" >"$folder/said" 2>&1; then
        printf 'ok      %s\n' "$what"
    else
        printf 'FAILED  %s\n' "$what"
        tail -8 "$folder/said" | sed 's/^/        /'
        failed=1
    fi
}

skipped() {
    printf 'skipped %s: %s\n' "$1" "$2"
}

not() {
    ! "$@"
}

# --- a static program ---------------------------------------------------------------------------

needs_nothing() {
    python3 - "$program" <<'PYTHON'
import struct, sys
elf = open(sys.argv[1], "rb").read()
assert elf[:5] == b"\x7fELF\x02", "no 64-bit ELF"
start, size, count = *struct.unpack_from("<Q", elf, 32), *struct.unpack_from("<HH", elf, 54)
kinds = [struct.unpack_from("<I", elf, start + size * at)[0] for at in range(count)]
assert 3 not in kinds, "it names an interpreter: it is not static"
PYTHON
}

check "linked statically ($(($(stat -c %s "$program") / 1000)) kB)" needs_nothing

# --- an empty root ------------------------------------------------------------------------------

root=$folder/root
mkdir "$root"
cp "$program" "$root/corelane" && chmod 755 "$folder" "$root" "$root/corelane"

# The program as nobody, in a root without /proc, /sys, /etc, /dev and /tmp.
in_root() {
    chroot --userspec=65534:65534 "$root" /corelane "$@"
}

# Starts a server and reads where it listens: `start COMMAND...`, no function, for it is to be the
# process that is ended.
start() {
    local end=$((SECONDS + 20))
    : >"$folder/log"
    "$@" >"$folder/report" 2>>"$folder/log" </dev/null &
    server=$!
    until grep -q '^Ctrl-C' "$folder/log"; do
        if ((SECONDS >= end)) || ! kill -0 "$server" 2>/dev/null; then
            tail -5 "$folder/log"
            return 1
        fi
    done
    url=$(sed -n 's/^listening on //p' "$folder/log")
}

ended_well() {
    wait "$server"
    local code=$?
    server=
    [[ $code == 0 ]] || { echo "exit code $code"; tail -5 "$folder/log"; return 1; }
}

answers() {
    [[ $(curl -s --max-time 10 "$url/plaintext") == "Hello, World!" ]]
}

# How many workers it told of.
workers() {
    grep -c '^worker ' "$folder/log"
}

empty_root() {
    check "empty root: --version" in_root --version
    check "empty root: doctor says what cannot be known" \
        sh -c "chroot --userspec=65534:65534 '$root' /corelane doctor | grep -q '^unknown'"
    start chroot --userspec=65534:65534 "$root" /corelane serve --listen 127.0.0.1:0 || return
    check "empty root: a worker for each CPU, pinned" test "$(grep -c ' on CPU ' "$folder/log")" = "$(nproc)"
    check "empty root: it answers" answers
    check "empty root: corelane health" in_root health "$url/health"
    check "empty root: a name is not found, and that is said" \
        not in_root health "http://localhost:${url##*:}/health"
    mkdir "$root/etc" && echo "127.0.0.1 localhost" >"$root/etc/hosts"
    check "with /etc/hosts, as in a container: names are found" \
        in_root health "http://localhost:${url##*:}/health"
    check "corelane bench by name" in_root bench --duration 500ms --warm-up 0s "http://localhost:${url##*:}/plaintext"
    kill -TERM "$server"
    check "empty root: SIGTERM drains" ended_well
}

if [[ $(id -u) != 0 ]]; then
    skipped "empty root" "not root"
elif empty_root; then
    :
else
    echo "FAILED  empty root: it does not start"
    failed=1
fi

# --- an image -----------------------------------------------------------------------------------

# An engine that runs something, and the options it needs here for that.
find_engine() {
    local candidate limits
    mkdir -p "$folder/image"
    cp "$program" "$folder/image/corelane"
    sed '/^ARG RUST_IMAGE/,/^FROM scratch/{/^FROM scratch/!d}; s/--from=build //; s|COPY /corelane|COPY corelane|' \
        packaging/Dockerfile >"$folder/image/Dockerfile"
    # Where it may not raise limits, an engine must not be asked to.
    limits="--ulimit nofile=$(ulimit -Hn):$(ulimit -Hn) --ulimit nproc=10000:10000"
    for candidate in "${ENGINE:-}" docker podman "podman --runtime runc"; do
        [[ -n $candidate ]] && command -v "${candidate%% *}" >/dev/null || continue
        run="run --rm --network host --pull never $limits --name $container"
        $candidate build -q -t localhost/corelane-test "$folder/image" >"$folder/engine" 2>&1 &&
            $candidate $run localhost/corelane-test --version >>"$folder/engine" 2>&1 &&
            engine=$candidate && return
        echo "        $candidate: $(tail -1 "$folder/engine" | cut -c1-150)"
    done
    return 1
}

stopped() {
    $engine stop --time 20 $container && ended_well
}

# Runs the image with options and expects as many workers: `expect WORKERS OPTIONS...`.
expect() {
    local wanted=$1
    shift
    if ! start $engine $run --read-only --cap-drop ALL --security-opt no-new-privileges "$@" \
        localhost/corelane-test serve --listen 127.0.0.1:0; then
        echo "FAILED  image: it does not start with $*"
        failed=1
        return
    fi
    check "image: ${*:-without a quota}: $wanted workers" test "$(workers)" = "$wanted"
    check "image: it answers" answers
    check "image: corelane health within" $engine exec $container /corelane health "$url/health"
    check "image: stop drains it" stopped
}

if ! find_engine; then
    skipped "image" "no engine runs a container here"
else
    echo "engine: $engine"
    if [[ -z ${RUST_IMAGE:-} ]]; then
        skipped "packaging/Dockerfile, stage build" "RUST_IMAGE is not set"
    else
        check "packaging/Dockerfile builds" $engine build ${BUILD_OPTIONS:-} \
            -f packaging/Dockerfile -t localhost/corelane-test \
            --build-arg "RUST_IMAGE=$RUST_IMAGE" --build-arg CORELANE_COMMIT=0123456789ab .
        check "image: --version names the commit" sh -c \
            "$engine $run localhost/corelane-test --version | grep -q 0123456789ab"
    fi
    check "image: nobody, port and signal" test "$($engine inspect -f \
        '{{.Config.User}} {{.Config.StopSignal}}' localhost/corelane-test)" = "65534:65534 SIGTERM"
    expect "$(nproc)"
    expect 1 --cpuset-cpus 0
    expect 1 --cpus 1
fi

((failed)) || echo "all ok"
exit $failed
