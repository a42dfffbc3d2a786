#!/usr/bin/env python3
"""What corelane weighs: size, start, and memory when idle, each against its limit.

Prints one line per figure with a verdict and exits with 1 if one is missed. The time to the first
answer is taken from before the spawn to the last byte of the answer, by a client that
tries to connect without a pause. The memory of an idle connection is what the server's
anonymous resident memory (RssAnon, proc(5)) grows by while another process keeps thousands of
connections open, each after one request and its answer, divided by their number; before that,
as many requests as fill the server's pools have been answered. The kernel's socket memory is
not in it.

Needs: Linux, cargo (python3 standard library only).
"""

import argparse
import os
import pathlib
import re
import resource
import shlex
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse

from programs import build, end, running

PROGRAM_BYTES_MAX = 1_500_000
HELLO_BYTES_MAX = 500_000
IDLE_BYTES_MAX = 5_000_000
START_MS_MAX = 5.0
CONNECTION_BYTES_MAX = 256

SERVE = "{corelane} serve --listen 127.0.0.1:{port}"
STARTS = 20
START_SECONDS_MAX = 20
# Connections opened and closed before the first reading.
WARM_UP = 200
# Rounds of starts.
ROUNDS = 5
# Between two attempts to connect to a program that is starting.
POLL_SECONDS = 0.0001
# Descriptors that a process needs besides its connections.
SPARE_DESCRIPTORS = 200


def main():
    options = parse_options()
    if options.hold:
        return hold(*options.hold)
    raise_descriptor_limit()
    verdicts = []
    if options.server:
        serve = options.server
    else:
        # The program last: see build().
        plain = ("--no-default-features", "--features=json", "--example", "hello")
        hello, small = build(*plain), build(*plain, profile="small")
        server = ("--no-default-features", "--features=cli,mimalloc", "--bin", "corelane")
        server_only = size(build(*server))
        corelane = build("--bin", "corelane")
        print(f"     size of the program with load generator and doctor: {size(corelane):,} bytes")
        print(f"     size of examples/hello, release: {size(hello):,} bytes")
        serve = SERVE.replace("{corelane}", shlex.quote(corelane))
        verdicts += [
            verdict("size of the program, server alone", server_only, PROGRAM_BYTES_MAX, "bytes"),
            verdict("size of examples/hello, profile small", size(small), HELLO_BYTES_MAX, "bytes"),
        ]
    verdicts.append(start_up(serve, options.path))
    verdicts += memory(serve, options.path, options.connections)
    return 0 if all(verdicts) else 1


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", metavar="CMD",
                        help="another server, with {port} for its port, 0 for any; it prints "
                             f"the URL it listens on; default: {SERVE}")
    parser.add_argument("--path", default="/plaintext", help="what to GET (/plaintext)")
    parser.add_argument("--connections", type=int, default=10_000,
                        help="idle connections (10000)")
    parser.add_argument("--hold", nargs=2, metavar=("URL", "COUNT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def verdict(name, value, limit, unit, remark=""):
    good = value <= limit
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    print(f"{'ok  ' if good else 'MISS'} {name}: {number} {unit} (limit {limit:,}){remark}",
          flush=True)
    return good


def size(path):
    return pathlib.Path(path).stat().st_size


def start_up(serve, path):
    # Whatever else the machine does only adds: the quietest round counts, all are shown.
    rounds = [sorted(first_answer_ms(serve, path) for _ in range(STARTS)) for _ in range(ROUNDS)]
    medians = sorted(statistics.median(times) for times in rounds)
    shown = " ".join(f"{median:.2f}" for median in medians)
    remark = f", best {min(times[0] for times in rounds):.2f}, medians of {ROUNDS} rounds of " \
             f"{STARTS} starts: {shown}"
    return verdict("exec to first answer, median", medians[0], START_MS_MAX, "ms", remark)


def first_answer_ms(serve, path):
    port = free_port()
    command = shlex.split(serve.replace("{port}", str(port)))
    # Inherited descriptors stay open, because closing them would be part of the time.
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               close_fds=False)
    # The first worker is pinned to the first CPU: who asks must not hold it meanwhile.
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    try:
        while True:
            with socket.socket() as stream:
                if stream.connect_ex(("127.0.0.1", port)) == 0:
                    ask(stream, path)
                    return (time.perf_counter() - began) * 1000
            time.sleep(POLL_SECONDS)
            if process.poll() is not None:
                sys.exit(f"error: {shlex.join(command)} ended with {process.returncode}")
            if time.perf_counter() - began > START_SECONDS_MAX:
                sys.exit(f"error: {shlex.join(command)} does not listen on port {port}")
    finally:
        os.sched_setaffinity(0, cpus)
        end(process)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def memory(serve, path, connections):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
    if connections > most:
        print(f"note: ulimit -n allows {most} of {connections} connections")
        connections = most
    with running(shlex.split(serve.replace("{port}", "0"))) as (process, base):
        url = base + path
        with socket_to(url) as stream:
            ask(stream, path)
        resident = settled(process.pid, "VmRSS")
        with holding(url, WARM_UP):
            pass
        before = settled(process.pid, "RssAnon")
        with holding(url, connections) as client:
            after = settled(process.pid, "RssAnon")
            alive = tell(client, "again")
        if alive != connections:
            sys.exit(f"error: only {alive} of {connections} connections were kept open")
    remark = f", {connections} connections: {before:,} to {after:,}"
    each = max(after - before, 0) / connections
    return [
        verdict("resident when idle", resident, IDLE_BYTES_MAX, "bytes"),
        verdict("resident per idle connection", each, CONNECTION_BYTES_MAX, "bytes", remark),
    ]


def settled(pid, name):
    """A figure of /proc/PID/status in bytes, once it stays the same for 200 ms; within 10 s."""
    last = None
    for _ in range(50):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        value = int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024
        if value == last:
            break
        last = value
        time.sleep(0.2)
    return value


class holding:
    """A client process that keeps `count` connections open for the time of the block."""

    def __init__(self, url, count):
        command = [sys.executable, __file__, "--hold", url, str(count)]
        self.client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
        self.count = count

    def __enter__(self):
        opened = self.client.stdout.readline()
        if opened.strip() != str(self.count):
            sys.exit(f"error: the client could not open {self.count} connections: {opened}")
        return self.client

    def __exit__(self, *_):
        self.client.stdin.close()
        self.client.wait()


def tell(client, word):
    client.stdin.write(f"{word}\n")
    client.stdin.flush()
    return int(client.stdout.readline())


def hold(url, count):
    """The client: opens, asks once on each, says so; asks again on each when told to."""
    raise_descriptor_limit()
    path = urllib.parse.urlsplit(url).path
    streams = []
    for _ in range(int(count)):
        stream = socket_to(url)
        ask(stream, path)
        streams.append(stream)
    print(len(streams), flush=True)
    for _ in sys.stdin:
        print(sum(is_kept(stream, path) for stream in streams), flush=True)
    return 0


def is_kept(stream, path):
    try:
        ask(stream, path)
        return True
    except OSError:
        return False


def socket_to(url):
    parts = urllib.parse.urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def ask(stream, path):
    """One GET and its whole answer, which must be 200 and have a Content-Length."""
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(stream)
    head, body = received.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(f"error: GET {path} answers {head[:60]!r}")
    length = int(re.search(rb"(?i)\ncontent-length:\s*(\d+)", head).group(1))
    while len(body) < length:
        body += receive(stream)


def receive(stream):
    piece = stream.recv(65536)
    if not piece:
        raise ConnectionResetError("the server closed the connection")
    return piece


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
