#!/usr/bin/env bash
# Real clients against the program, with every answer checked: one line per client, exit code 1
# if one of them saw something else than it should.
#
#   tests/clients.sh [PROGRAM]     without PROGRAM the release build of this folder
#
# Clients that are not installed are skipped and named. Traffic stays on the loopback device.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

program=${1:-}
if [[ -z $program ]]; then
    cargo build --release --bin corelane || exit 1
    program=${CARGO_TARGET_DIR:-target}/release/corelane
fi

folder=$(mktemp -d)
server=
failed=0

finish() {
    # Only what this script started.
    [[ -n $server ]] && kill -KILL "$server" 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT

# Prints a client's line: `line NAME OUTCOME WORDS...`.
line() {
    printf '%-5s %-18s %s\n' "$2" "$1" "${*:3}"
    [[ $2 != FAIL ]] || failed=1
}

# Whether a program is there; otherwise says so.
have() {
    command -v "$1" >/dev/null && return
    line "$1" skip "not installed"
    return 1
}

# --- the server ---------------------------------------------------------------------------------

mkfifo "$folder/told"
"$program" --listen 127.0.0.1:0 --admin 0 --report json >"$folder/report" 2>"$folder/told" &
server=$!
exec 3<"$folder/told"
url= admin=
while read -r told <&3; do
    [[ $told == "listening on "* ]] && url=${told#listening on }
    [[ $told == "admin on "* ]] && admin=${told#admin on }
    [[ $told == Ctrl-C* ]] && break
done
if [[ -z $url ]]; then
    echo "the program did not start" >&2
    exit 1
fi
# What else it tells must not fill the pipe.
cat <&3 >"$folder/log" &
echo "server: $("$program" --version | head -1) at $url, pid $server"

# --- curl ---------------------------------------------------------------------------------------

# One request with everything about it checked: `ask STATUS TYPE BODY ARGUMENTS...`. An empty
# TYPE means none; BODY is a pattern of the shell, or `@FILE`.
ask() {
    local status=$1 type=$2 body=$3 seen got
    shift 3
    seen=$(curl -sv --max-time 60 -o "$folder/body" -w '%{http_code} %{content_type}' "$@" \
        2>"$folder/verbose")
    if [[ $seen != "$status $type" ]]; then
        problems+=("curl ${*: -1}: $seen instead of $status $type")
    elif [[ $body == @* ]]; then
        cmp -s "$folder/body" "${body#@}" || problems+=("curl ${*: -1}: another body")
    else
        got=$(cat "$folder/body" 2>/dev/null; echo .)
        # shellcheck disable=SC2053  # the body is a pattern
        [[ ${got%.} == $body ]] || problems+=("curl ${*: -1}: body ${got:0:80}")
    fi
    [[ $(grep -ci '^< date: ' "$folder/verbose") == 1 ]] || problems+=("curl ${*: -1}: no Date")
    asked=$((asked + 1))
    : >"$folder/body"
}

run_curl() {
    local text='text/plain; charset=utf-8' html='text/html; charset=utf-8' json='application/json'
    local binary='application/octet-stream' problems=() asked=0
    head -c 1048576 /dev/urandom >"$folder/mebibyte"
    head -c 1048577 /dev/zero >"$folder/more"
    ask 200 "$html" '<!doctype html>*corelane*</html>*' "$url/"
    ask 200 "$text" $'Hello from corelane!\n' "$url/hello"
    ask 200 "$text" 'Hello, World!' "$url/plaintext"
    ask 200 "$json" '{"message":"Hello, World!"}' "$url/json"
    ask 200 "$json" '{"status":"ok"}' "$url/health"
    ask 200 "$json" '{"version":*"workers":\[*\]}' "$url/api/status"
    ask 200 "$json" '{"id":"a/b","name":"example user"}' "$url/users/a%2Fb"
    ask 200 "$text" 'Hello, World!' "$url/%70laintext"
    ask 200 "$text" 'Hello, World!' -0 "$url/plaintext"
    ask 200 "$text" 'Hello, World!' --http2 "$url/plaintext"
    ask 200 "$text" 'HTTP/1.1 200 OK*Content-Length: 13*' -I "$url/plaintext"
    ask 200 'image/png' 'not a picture' -H 'Content-Type: image/png' -d 'not a picture' "$url/echo"
    # With Expect: 100-continue, without, and in chunks.
    ask 200 "$binary" "@$folder/mebibyte" -H 'Content-Type:' -H 'Expect: 100-continue' \
        --data-binary "@$folder/mebibyte" "$url/echo"
    grep -q '^< HTTP/1.1 100 Continue' "$folder/verbose" || problems+=("no 100 Continue")
    ask 200 "$binary" "@$folder/mebibyte" -H 'Content-Type:' -H 'Expect:' \
        --data-binary "@$folder/mebibyte" "$url/echo"
    ask 200 "$binary" "@$folder/mebibyte" -H 'Content-Type:' -H 'Transfer-Encoding: chunked' \
        --data-binary "@$folder/mebibyte" "$url/echo"
    ask 413 "$text" '413 *' --data-binary "@$folder/more" "$url/echo"
    ask 413 "$text" '413 *' -H 'Expect:' --data-binary "@$folder/more" "$url/echo"
    ask 404 "$text" '404 Not Found*' "$url/nowhere"
    ask 404 "$json" '{"error":{"status":404,*' -H 'Accept: application/json' "$url/nowhere"
    ask 405 "$text" '405 *' -X DELETE "$url/hello"
    grep -qi '^< allow: GET, HEAD, OPTIONS' "$folder/verbose" || problems+=("405 without Allow")
    ask 204 '' '' -X OPTIONS "$url/hello"
    ask 204 '' '' -X OPTIONS --request-target '*' "$url"
    ask 501 "$text" '501 *' -X BREW "$url/hello"
    ask 400 "$text" '400 *' -H 'Host: a b' "$url/hello"
    # Three requests, one connection.
    curl -sv "$url/hello" "$url/json" "$url/plaintext" >/dev/null 2>"$folder/verbose"
    [[ $(grep -ciE 're-?us(ing|ed) existing' "$folder/verbose") == 2 ]] ||
        problems+=("curl opened a connection for each request")
    report curl "$asked requests, $(curl --version | awk 'NR == 1 { print $2 }')"
}

# A client's line from `problems` and what it saw.
report() {
    local problem
    if ((${#problems[@]} == 0)); then
        line "$1" ok "${*:2}"
        return
    fi
    line "$1" FAIL "${#problems[@]} problems"
    for problem in "${problems[@]}"; do
        printf '        %s\n' "$problem"
    done
}

# --- load generators ----------------------------------------------------------------------------

# The number behind `NAME:` in ab's output; 0 where it is left out.
ab_number() {
    awk -v name="$1:" 'index($0, name) == 1 { print $NF + 0; found = 1; exit }
        END { if (!found) print 0 }' "$folder/ab"
}

run_ab() {
    local problems=() requests=100000
    ab -q -n $requests -c "$1" -k "$url/plaintext" >"$folder/ab" 2>&1 || problems+=("it failed")
    [[ $(ab_number 'Complete requests') == "$requests" ]] || problems+=("not all complete")
    [[ $(ab_number 'Failed requests') == 0 ]] || problems+=("failed requests")
    [[ $(ab_number 'Non-2xx responses') == 0 ]] || problems+=("other statuses than 2xx")
    [[ $(ab_number 'Keep-Alive requests') == "$requests" ]] || problems+=("not all kept alive")
    [[ $(ab_number 'HTML transferred') -ge 0 ]] || problems+=("no bytes")
    grep -q "^HTML transferred: *$((requests * 13)) bytes" "$folder/ab" ||
        problems+=("another number of body bytes than $((requests * 13))")
    report "ab -c $1 -k" "$requests complete, 0 failed, 100 % kept alive," \
        "$(awk '/^Requests per second/ { print $4 }' "$folder/ab") requests/s"
}

write_wrk_script() {
    cat >"$folder/check.lua" <<'LUA'
-- Every answer is looked at; `depth` requests go out in one write.
local depth = tonumber(os.getenv("DEPTH"))
local threads = {}
seen, wrong = 0, 0

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    local batch = {}
    for i = 1, depth do
        batch[i] = wrk.format("GET", "/plaintext")
    end
    batched = table.concat(batch)
end

function request()
    return batched
end

function response(status, headers, body)
    seen = seen + 1
    if status ~= 200 or body ~= "Hello, World!" or headers["Content-Length"] ~= "13" then
        wrong = wrong + 1
    end
end

function done(summary, latency, requests)
    local all, bad = 0, 0
    for _, thread in ipairs(threads) do
        all = all + thread:get("seen")
        bad = bad + thread:get("wrong")
    end
    local e = summary.errors
    io.write(string.format("checked %d wrong %d errors %d\n", all, bad,
        e.connect + e.read + e.write + e.status + e.timeout))
end
LUA
}

run_wrk() {
    local problems=() depth=$1 words
    write_wrk_script
    DEPTH=$depth wrk -t 1 -c 64 -d 3s -s "$folder/check.lua" "$url/plaintext" >"$folder/wrk" 2>&1 ||
        problems+=("it failed: $(tail -1 "$folder/wrk")")
    words=$(grep '^checked ' "$folder/wrk")
    [[ $words =~ ^checked\ ([0-9]+)\ wrong\ 0\ errors\ 0$ && ${BASH_REMATCH[1]} -gt 1000 ]] ||
        problems+=("${words:-no result}")
    report "wrk, $depth deep" "$words," "$(awk '/^Requests\/sec/ { print $2 }' "$folder/wrk")" \
        "requests/s with each one checked in Lua"
}

run_h2load() {
    local problems=() requests=100000
    h2load --h1 -n $requests -c 100 -t 1 "$url/json" >"$folder/h2load" 2>&1 ||
        problems+=("it failed")
    grep -q "$requests succeeded, 0 failed, 0 errored, 0 timeout" "$folder/h2load" ||
        problems+=("$(grep '^requests:' "$folder/h2load")")
    grep -q "status codes: $requests 2xx, 0 3xx, 0 4xx, 0 5xx" "$folder/h2load" ||
        problems+=("$(grep '^status codes:' "$folder/h2load")")
    report "h2load --h1" "$requests succeeded, 0 failed," \
        "$(awk '/^finished in/ { print $4 }' "$folder/h2load") requests/s"
}

# --- languages ----------------------------------------------------------------------------------

# Runs a script that prints what it saw, or ends with another exit code than 0.
run_script() {
    local problems=() name=$1 saw
    shift
    saw=$("$@" 2>"$folder/error") || problems+=("$(tail -3 "$folder/error")")
    report "$name" "$saw"
}

python_http_client() {
    python3 - "$url" <<'PYTHON'
import http.client, json, os, sys, urllib.parse
address = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
asked = 0
def ask(method, path, body=None, **more):
    global asked
    asked += 1
    connection.request(method, path, body, **more)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
connection.connect()
port = connection.sock.getsockname()[1]
for _ in range(100):
    status, headers, body = ask("GET", "/plaintext")
    assert (status, body) == (200, b"Hello, World!"), (status, body)
    status, headers, body = ask("HEAD", "/json")
    assert (status, headers["Content-Length"], body) == (200, "27", b"")
    status, headers, body = ask("GET", "/users/%C3%BC")
    assert json.loads(body)["id"] == "\u00fc", body
mebibyte = os.urandom(1 << 20)
assert ask("POST", "/echo", mebibyte)[2] == mebibyte
pieces = (mebibyte[at:at + 5000] for at in range(0, len(mebibyte), 5000))
assert ask("POST", "/echo", pieces, encode_chunked=True,
           headers={"Transfer-Encoding": "chunked"})[2] == mebibyte
assert ask("GET", "/nowhere")[0] == 404
assert connection.sock.getsockname()[1] == port, "it connected again"
print(f"{asked} requests on one connection, bodies of 1 MiB by length and chunked,",
      sys.version.split()[0])
PYTHON
}

python_requests() {
    python3 - "$url" <<'PYTHON'
import os, sys, requests
url = sys.argv[1]
with requests.Session() as session:
    for _ in range(100):
        answer = session.get(url + "/json", timeout=60)
        assert answer.json() == {"message": "Hello, World!"} and answer.reason == "OK"
    sent = {"n": [1, 2, 3]}
    assert session.post(url + "/echo", json=sent, timeout=60).json() == sent
    pieces = [os.urandom(10000) for _ in range(50)]
    answer = session.post(url + "/echo", data=iter(pieces), timeout=60)
    assert answer.content == b"".join(pieces)
    assert session.delete(url + "/hello", timeout=60).headers["Allow"] == "GET, HEAD, OPTIONS"
    # It sends all of the body before it reads: the 413 must survive that.
    assert session.post(url + "/echo", data=bytes(1500000), timeout=60).status_code == 413
    assert session.get(url + "/hello", timeout=60).text == "Hello from corelane!\n"
print("105 requests, JSON, a body from a generator, 413 while sending,", requests.__version__)
PYTHON
}

node_fetch() {
    node --input-type=module - "$url" <<'NODE'
import assert from "node:assert/strict";
const url = process.argv[2];
for (let i = 0; i < 100; i++) {
    const answer = await fetch(url + "/json");
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { message: "Hello, World!" });
}
const many = await Promise.all(Array.from({ length: 200 }, (_, i) => fetch(`${url}/users/${i}`)));
for (const [i, answer] of many.entries()) assert.equal((await answer.json()).id, String(i));
const body = new Uint8Array(1 << 20).map((_, i) => i ^ (i >> 8));
const echoed = await fetch(url + "/echo", { method: "POST", body });
assert.deepEqual(new Uint8Array(await echoed.arrayBuffer()), body);
const stream = new ReadableStream({
    start(control) {
        for (let i = 0; i < 100; i++) control.enqueue(body.subarray(i * 1000, (i + 1) * 1000));
        control.close();
    },
});
const streamed = await fetch(url + "/echo", { method: "POST", body: stream, duplex: "half" });
assert.deepEqual(new Uint8Array(await streamed.arrayBuffer()), body.subarray(0, 100000));
const head = await fetch(url + "/plaintext", { method: "HEAD" });
assert.equal(head.headers.get("content-length"), "13");
assert.equal((await fetch(url + "/nowhere")).status, 404);
console.log(`304 requests, 200 of them at once, a body of 1 MiB and a stream, ${process.version}`);
NODE
}

write_go_program() {
    cat >"$folder/client.go" <<'GO'
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var connected int32

func ask(client *http.Client, method, url string, body io.Reader, header ...string) (int, []byte) {
	request, err := http.NewRequest(method, url, body)
	check(err)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			atomic.AddInt32(&connected, 1)
		}
	}}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	seen, err := io.ReadAll(answer.Body)
	check(err)
	return answer.StatusCode, seen
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func expect(what string, right bool) {
	if !right {
		check(fmt.Errorf("%s", what))
	}
}

func main() {
	url := os.Args[1]
	transport := &http.Transport{MaxIdleConnsPerHost: 16, ExpectContinueTimeout: 30 * time.Second}
	client := &http.Client{Transport: transport, Timeout: 60 * time.Second}
	for i := 0; i < 100; i++ {
		status, body := ask(client, "GET", url+"/plaintext", nil)
		expect("GET", status == 200 && string(body) == "Hello, World!")
	}
	expect("one connection for one after the other", connected == 1)
	var group sync.WaitGroup
	for worker := 0; worker < 16; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for i := 0; i < 50; i++ {
				path := fmt.Sprintf("/users/%d-%d", worker, i)
				status, body := ask(client, "GET", url+path, nil)
				expect(path, status == 200 && bytes.Contains(body, []byte(path[7:]+"\"")))
			}
		}(worker)
	}
	group.Wait()
	pooled := connected
	expect("a pool of 16", pooled <= 32)
	mebibyte := make([]byte, 1<<20)
	for i := range mebibyte {
		mebibyte[i] = byte(i ^ i>>8)
	}
	status, body := ask(client, "POST", url+"/echo", bytes.NewReader(mebibyte))
	expect("by length", status == 200 && bytes.Equal(body, mebibyte))
	status, body = ask(client, "POST", url+"/echo", io.MultiReader(bytes.NewReader(mebibyte)))
	expect("in chunks", status == 200 && bytes.Equal(body, mebibyte))
	status, body = ask(client, "POST", url+"/echo", bytes.NewReader(mebibyte),
		"Expect", "100-continue")
	expect("with Expect", status == 200 && bytes.Equal(body, mebibyte))
	status, _ = ask(client, "POST", url+"/echo", bytes.NewReader(make([]byte, 1500000)),
		"Expect", "100-continue")
	expect("413", status == 413)
	status, body = ask(client, "HEAD", url+"/json", nil)
	expect("HEAD", status == 200 && len(body) == 0)
	status, _ = ask(client, "GET", url+"/nowhere", nil)
	expect("404", status == 404)
	fmt.Printf("906 requests on %d connections, bodies of 1 MiB by length, in chunks and with "+
		"Expect, 413, %s\n", connected, runtime.Version())
}
GO
}

run_go() {
    write_go_program
    # Everything that it builds stays in the folder.
    run_script "go net/http" env GOCACHE="$folder/go" GO111MODULE=off GOFLAGS= \
        go run "$folder/client.go" "$url"
}

run_chromium() {
    local problems=() browser=$1
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$folder/profile" \
        --virtual-time-budget=5000 --dump-dom "$url/" >"$folder/dom" 2>"$folder/error" ||
        problems+=("$(tail -1 "$folder/error")")
    grep -q '<h1>corelane .* is running</h1>' "$folder/dom" || problems+=("another page")
    [[ $(grep -c '<code><a href="/' "$folder/dom") == 8 ]] || problems+=("not all routes")
    report "$browser" "the page with its routes"
}

# --- what reads the admin listener --------------------------------------------------------------

run_promtool() {
    local problems=()
    curl -s "$admin/metrics" >"$folder/metrics"
    promtool check metrics <"$folder/metrics" >"$folder/error" 2>&1 ||
        problems+=("$(tail -1 "$folder/error")")
    report promtool "$(grep -vc '^#' "$folder/metrics") series without a complaint"
}

prometheus_client() {
    python3 - "$admin/metrics" <<'PYTHON'
import sys, urllib.request
from prometheus_client import parser as plain
from prometheus_client.openmetrics import parser as strict
def text(accept):
    request = urllib.request.Request(sys.argv[1], headers={"Accept": accept})
    return urllib.request.urlopen(request, timeout=60).read().decode()
families = list(plain.text_string_to_metric_families(text("text/plain")))
strictly = list(strict.text_string_to_metric_families(text("application/openmetrics-text")))
assert len(families) == len(strictly) > 30, (len(families), len(strictly))
print(f"{len(families)} families in both formats")
PYTHON
}

# --- all of them --------------------------------------------------------------------------------

have curl && run_curl
have ab && run_ab 100 && run_ab 1000
have wrk && run_wrk 1 && run_wrk 16
have h2load && run_h2load
if have python3; then
    run_script "python http.client" python_http_client
    if python3 -c 'import requests' 2>/dev/null; then
        run_script "python requests" python_requests
    else
        line "python requests" skip "not installed"
    fi
fi
have node && run_script "node fetch" node_fetch
have go && run_go
have promtool && run_promtool
if python3 -c 'import prometheus_client' 2>/dev/null; then
    run_script "prometheus_client" prometheus_client
else
    line "prometheus_client" skip "not installed"
fi
browser=
for name in chromium chromium-browser google-chrome; do
    [[ -z $browser ]] && command -v "$name" >/dev/null && browser=$name
done
if [[ -n $browser ]]; then run_chromium "$browser"; else line chromium skip "not installed"; fi

# --- the end ------------------------------------------------------------------------------------

kill -INT "$server"
wait "$server"
code=$?
server=
run_script "the server" python3 - "$folder/report" "$code" <<'PYTHON'
import json, sys
code = int(sys.argv[2])
report = json.load(open(sys.argv[1]))["total"]
closes, refusals = report["closes"], report["refusals"]
assert code == 0, f"exit code {code}"
assert sum(closes.values()) == report["connections"], closes
# The clients asked for these and no others.
seen = {name: count for name, count in refusals.items() if count}
assert set(seen) <= {"body_too_large", "host_invalid", "method_unknown"}, seen
wrong = {name: closes[name] for name in ("panicked", "send_timeout", "drain_timeout", "stopped")}
assert not any(wrong.values()), wrong
print(f"{report['requests']:,} requests on {report['connections']:,} connections,",
      f"{sum(seen.values())} refused as asked, drained, exit code 0")
PYTHON
exit $failed
