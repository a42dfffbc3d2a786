#!/usr/bin/env bash
# HAProxy and nginx in front of the program, with every answer checked: one line per proxy, exit
# code 1 if something was not as it should be.
#
#   tests/proxies.sh [PROGRAM]     without PROGRAM the release build of this folder
#
# Proxies that are not installed are skipped and named. They run unprivileged in the foreground
# with all their files in a temporary folder, and traffic stays on the loopback device.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

program=${1:-}
if [[ -z $program ]]; then
    cargo build --release --bin corelane || exit 1
    program=${CARGO_TARGET_DIR:-target}/release/corelane
fi

folder=$(mktemp -d)
server=
proxy=
failed=0
# The program believes who comes from here when they name their client: as PROXY header or field.
header_source=127.0.0.9
field_source=127.0.0.8

finish() {
    # Only what this script started.
    [[ -n $proxy ]] && kill -KILL "$proxy" 2>/dev/null
    [[ -n $server ]] && kill -KILL "$server" 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT

for tool in curl python3; do
    if ! command -v $tool >/dev/null; then
        echo "$tool is missing" >&2
        exit 1
    fi
done

# --- the program, and a proxy in front of it ----------------------------------------------------

start_server() {
    rm -f "$folder/told"
    mkfifo "$folder/told"
    "$program" --listen 127.0.0.1:0 --workers 1 --report json --trusted-proxies "$field_source" \
        --proxy-protocol-from "$header_source" --connections-per-address-max 8 \
        >"$folder/report" 2>"$folder/told" &
    server=$!
    exec 3<"$folder/told"
    local told
    upstream=
    while read -r told <&3; do
        [[ $told == "listening on "* ]] && upstream=${told#listening on http://}
        [[ $told == Ctrl-C* ]] && break
    done
    cat <&3 >"$folder/log" &
    [[ -n $upstream ]] || { echo "the program did not start" >&2; exit 1; }
}

# A port on an address of this script's own: nobody else is given it before the proxy has it.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.79.1", 0))
print(s.getsockname()[1])'
}

# Waits until the proxy takes connections or has ended.
await_proxy() {
    until curl -s -o /dev/null --max-time 5 "$url/health"; do
        kill -0 "$proxy" 2>/dev/null || return 1
    done
}

start_haproxy() {
    cat >"$folder/haproxy.cfg" <<CONFIG
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
frontend front
    bind 127.0.79.1:$port
    default_backend corelane
backend corelane
    server one $upstream source $2 $1
CONFIG
    haproxy -db -f "$folder/haproxy.cfg" >"$folder/proxy.log" 2>&1 &
    proxy=$!
}

start_nginx() {
    mkdir -p "$folder/nginx"
    cat >"$folder/nginx.conf" <<CONFIG
daemon off;
master_process off;
pid $folder/nginx/pid;
error_log stderr warn;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $folder/nginx/body;
    proxy_temp_path $folder/nginx/proxy;
    fastcgi_temp_path $folder/nginx/fastcgi;
    uwsgi_temp_path $folder/nginx/uwsgi;
    scgi_temp_path $folder/nginx/scgi;
    client_max_body_size 0;
    upstream corelane { server $upstream; keepalive 32; }
    server {
        listen 127.0.79.1:$port;
        location / {
            proxy_pass http://corelane;
            proxy_bind $1;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        }
    }
}
CONFIG
    nginx -p "$folder/nginx" -c "$folder/nginx.conf" >"$folder/proxy.log" 2>&1 &
    proxy=$!
}

# --- what is asked through it -------------------------------------------------------------------

# `expect WHAT SEEN WANTED`
expect() {
    [[ $2 == "$3" ]] || problems+=("$1: $2 instead of $3")
}

ask() {
    curl -s --max-time 60 -o "$folder/body" -w '%{http_code}' "$@"
}

echoed() {
    local what=$1
    shift
    expect "$what" "$(ask "$@" --data-binary "@$folder/mebibyte" "$url/echo")" 200
    cmp -s "$folder/body" "$folder/mebibyte" || problems+=("$what: another body")
}

ask_through() {
    local i urls=()
    head -c 1048576 /dev/urandom >"$folder/mebibyte"
    head -c 1048577 /dev/zero >"$folder/more"
    for ((i = 0; i < 200; i++)); do urls+=("$url/plaintext"); done
    expect "200 on one connection" "$(curl -s --max-time 60 "${urls[@]}" | wc -c)" $((200 * 13))
    echoed "an upload and download of 1 MiB"
    echoed "the same in chunks" -H 'Transfer-Encoding: chunked'
    echoed "the same with Expect" -H 'Expect: 100-continue'
    expect "too large a body" "$(ask --data-binary "@$folder/more" "$url/echo")" 413
    expect "HEAD" "$(ask -I "$url/json")" 200
    expect "no such page" "$(ask "$url/nowhere")" 404
    expect "OPTIONS" "$(ask -X OPTIONS "$url/hello")" 204
    expect "a client that says for whom it asks" \
        "$(ask -H 'X-Forwarded-For: 192.0.2.1' "$url/hello")" 200
    python3 - "$url" >"$folder/crowd" 2>&1 <<'PYTHON' || problems+=("$(tail -1 "$folder/crowd")")
import http.client, sys, threading, urllib.parse
address = urllib.parse.urlsplit(sys.argv[1])
wrong = []
def client(number):
    # Each has its own address: behind a PROXY header every one is counted for itself.
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60,
                                            source_address=(f"127.0.80.{number + 1}", 0))
    for turn in range(50):
        connection.request("GET", f"/users/{number}-{turn}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or f'"{number}-{turn}"'.encode() not in body:
            wrong.append((answer.status, body[:60]))
threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(f"16 clients at once: {wrong[:3]}" if wrong else 0)
PYTHON
}

# The source in a PROXY header is what counts: one address has eight places, and another its own.
ask_beyond_the_limit() {
    python3 - "$url" >"$folder/limit" 2>&1 <<'PYTHON' || problems+=("$(tail -1 "$folder/limit")")
import http.client, socket, sys, urllib.parse
address = urllib.parse.urlsplit(sys.argv[1])
def ask(source, body):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60,
                                            source_address=(source, 0))
    connection.request("POST", "/echo", body)
    return connection
def hold(source):
    """Half a request that the server has seen the begin of: it said 100."""
    held = socket.create_connection((address.hostname, address.port), 60, (source, 0))
    held.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                 b"Expect: 100-continue\r\n\r\n")
    seen = b""
    while not seen.endswith(b"\r\n\r\n"): seen += held.recv(1)
    assert seen.startswith(b"HTTP/1.1 100 "), seen
    return held
def status(connection):
    try:
        return connection.getresponse().status
    except (http.client.RemoteDisconnected, ConnectionResetError):
        # HAProxy's other way to say that the server answered nothing.
        return 502
held = [hold("127.0.80.100") for _ in range(8)]
ninth = status(ask("127.0.80.100", b"ab"))
assert ninth == 502, f"the ninth of an address was closed, but the proxy says {ninth}"
assert status(ask("127.0.80.101", b"ab")) == 200, "another address is refused"
for connection in held:
    connection.sendall(b"ab")
    seen = b""
    while not seen.endswith(b"ab"):
        piece = connection.recv(1000)
        assert piece, f"one of eight: {seen}"
        seen += piece
    assert seen.startswith(b"HTTP/1.1 200 "), seen
PYTHON
}

# --- one proxy ----------------------------------------------------------------------------------

# `leg NAME CONNECTIONS_MAX WORDS START...`: connections are what the pool may open at most.
leg() {
    local name=$1 most=$2 problems=() saw
    shift 2
    start_server
    port=$(free_port)
    url=http://127.0.79.1:$port
    "$@"
    if await_proxy; then
        ask_through
        [[ $name != *PROXY* ]] || ask_beyond_the_limit
    else
        problems+=("it did not start: $(tail -1 "$folder/proxy.log")")
    fi
    kill -TERM "$proxy" 2>/dev/null
    wait "$proxy" 2>/dev/null
    proxy=
    kill -INT "$server"
    wait "$server"
    local code=$?
    server=
    saw=$(python3 - "$folder/report" "$code" "$most" "$name" 2>"$folder/error" <<'PYTHON'
import json, sys
code, most = int(sys.argv[2]), int(sys.argv[3])
report = json.load(open(sys.argv[1]))["total"]
assert code == 0, f"exit code {code}"
assert report["connections"] <= most, f"{report['connections']} connections, {most} at most"
closes = {name: count for name, count in report["closes"].items() if count}
wrong = {"panicked", "send_timeout", "drain_timeout", "stopped", "proxy_header"}
assert not wrong & set(closes), closes
assert bool(closes.get("address_limit")) == ("PROXY" in sys.argv[4]), closes
refusals = {name: count for name, count in report["refusals"].items() if count}
assert set(refusals) <= {"body_too_large"}, refusals
print(f"{report['requests']:,} requests on {report['connections']} connections,",
      "1 MiB by length, in chunks and with Expect, 413; closes", closes)
PYTHON
    ) || problems+=("the program: $(tail -1 "$folder/error")")
    if ((${#problems[@]} == 0)); then
        printf '%-5s %-22s %s\n' ok "$name" "$saw"
        return
    fi
    failed=1
    printf '%-5s %-22s %s\n' FAIL "$name" "$saw"
    printf '        %s\n' "${problems[@]}"
}

echo "server: $("$program" --version | head -1)"
if command -v haproxy >/dev/null; then
    haproxy -v | head -1
    leg "haproxy" 40 start_haproxy "" "$field_source"
    leg "haproxy, PROXY v1" 800 start_haproxy send-proxy "$header_source"
    leg "haproxy, PROXY v2" 800 start_haproxy send-proxy-v2 "$header_source"
else
    printf '%-5s %-22s %s\n' skip haproxy "not installed"
fi
if command -v nginx >/dev/null; then
    nginx -v 2>&1
    leg "nginx" 60 start_nginx "$field_source"
else
    printf '%-5s %-22s %s\n' skip nginx "not installed"
fi
exit $failed
