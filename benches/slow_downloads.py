#!/usr/bin/env python3
"""What thousands of slow downloads cost: memory, and the latency of a small file for the others.

So many clients each download the same file, 16 KiB at a time at an even pace, while
`corelane bench` asks for a small file at a fixed rate from another process; before, the same without
downloads. Memory is the server's resident set and what the kernel holds for TCP (`/proc/net/sockstat`). Every byte that
is downloaded is compared with the file. The server has one worker on one core; the load runs on the
other, the downloads at the lowest priority, so that what is measured is the server.

Exits with 1 if a download ended or was wrong, or the P99 of the small file is more than --worse
times that of the quiet run.

Needs: Linux, two cores, descriptors for the connections twice over (python3 standard library only).
"""

import argparse
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from programs import build, running

STEP_BYTES = 16 << 10
# No more at once, or an overloaded worker would turn some away.
BEGUN_A_SECOND = 2000


def main():
    options = parse_options()
    program = options.program or build("--bin", "corelane")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / "small.txt").write_text("x" * 1000)
        block = os.urandom(STEP_BYTES)
        (directory / "large").write_bytes(block * (options.mib * (1 << 20) // STEP_BYTES))
        command = ["taskset", "-c", "0", program, "serve", "--workers", "1", "--listen",
                   "127.0.0.1:0", "--root", name, "--connections-max",
                   str(options.connections + 100)]
        with running(command) as (process, url):
            sys.exit(measure(program, process, url, block, options))


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", help="the corelane to run (the one of this tree)")
    parser.add_argument("--connections", type=int, default=10_000, help="downloads (10000)")
    parser.add_argument("--mib", type=int, default=10, help="size of the file in MiB (10)")
    parser.add_argument("--pace", type=float, default=4, help="KiB a second of each download (4)")
    parser.add_argument("--rate", type=int, default=1000, help="small files a second (1000)")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of each run (10)")
    parser.add_argument("--worse", type=float, default=2, help="the most that P99 may grow (2)")
    return parser.parse_args()


def measure(program, process, url, block, options):
    quiet = small_files(program, url, options)
    report("quiet", quiet, process)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        download(url, block, options, writer)
    os.close(writer)
    # All of them have their first bytes.
    os.read(reader, 1)
    crowded = small_files(program, url, options)
    report("crowded", crowded, process, options.connections)
    os.kill(child, signal.SIGTERM)
    told = b"".join(iter(lambda: os.read(reader, 1 << 16), b"")).decode()
    os.waitpid(child, 0)
    print(told, end="")
    ratio = crowded["p99_ns"] / quiet["p99_ns"]
    print(f"P99 of the small file: {ratio:.2f} times the quiet run's, at most {options.worse}")
    return 1 if "fault" in told or ratio > options.worse else 0


def small_files(program, url, options):
    done = subprocess.run(
        ["taskset", "-c", "1", program, "bench", "--report", "json", "-t", "1", "-c", "16",
         "--warm-up", "1s", "-d", f"{options.seconds}s", "--rate", str(options.rate),
         f"{url}/small.txt"], capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"error: corelane bench\n{done.stderr}")
    figures = json.loads(done.stdout)
    return figures["since_sent"] | {"late_ns": figures["generator_lag"]["p99_ns"]}


def report(what, latency, process, connections=0):
    resident = field(f"/proc/{process.pid}/status", "VmRSS:") / 1024
    kernel = field("/proc/net/sockstat", "mem", "TCP:") * 4 / 1024
    p50, p99, p999 = (latency[key] / 1000 for key in ("p50_ns", "p99_ns", "p99_9_ns"))
    print(f"{what}: P50 {p50:.0f}, P99 {p99:.0f}, P99.9 {p999:.0f} us of {latency['count']} small "
          f"files, asked for {latency['late_ns'] / 1000:.0f} us late at P99; {resident:.1f} MiB "
          f"resident, {kernel:.1f} MiB of TCP in the kernel", flush=True)
    if connections:
        print(f"  a download: {resident * 1024 / connections:.2f} KiB resident, "
              f"{kernel * 1024 / connections:.2f} KiB in the kernel (both ends)")


def field(path, name, line=""):
    """The number behind a name in a file of /proc."""
    for text in pathlib.Path(path).read_text(encoding="ascii").splitlines():
        words = text.split()
        if text.startswith(line) and name in words:
            return int(words[words.index(name) + 1])
    sys.exit(f"error: {path} has no {name}")


def download(url, block, options, told):
    """Downloads in a process of its own until it is ended; tells what came."""
    os.nice(19)
    os.sched_setaffinity(0, {1})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    downloads = []
    for _ in range(options.connections):
        downloads.append(Download(url))
        time.sleep(1 / BEGUN_A_SECOND)
    received, fault = 0, None
    try:
        # Evenly: each takes a step once in so many seconds, some of them every 2 ms.
        seconds = STEP_BYTES / (options.pace * 1024)
        each = max(1, round(len(downloads) * 0.002 / seconds))
        next_at = time.monotonic()
        for begin in itertools.count(step=each):
            for index in range(begin, begin + each):
                received += downloads[index % len(downloads)].step(block)
            if begin <= len(downloads) < begin + each:
                os.write(told, b".")
            next_at += 0.002
            time.sleep(max(0.0, next_at - time.monotonic()))
    except (OSError, ValueError) as error:
        fault = error
    finally:
        text = f"fault: {fault}" if fault else "all of it as it is in the file"
        text = f"{received >> 20} MiB came to {len(downloads)} downloads, {text}\n"
        os.write(told, text.encode())
        os._exit(0)


class Download:
    """One slow client, and how much of the file it has."""

    def __init__(self, url):
        self.connection, self.offset = socket.socket(), None
        # Little waits in the client's kernel, so most of the file is still with the server.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STEP_BYTES)
        self.connection.connect(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        self.connection.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        self.connection.setblocking(False)

    def step(self, block):
        """Takes what is there, at most so much; how much that was."""
        try:
            data = self.connection.recv(STEP_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            raise ValueError("a download ended")
        taken = len(data)
        if self.offset is None:
            if not data.startswith(b"HTTP/1.1 200 "):
                raise ValueError(f"an answer begins with {data[:12]}")
            data, self.offset = data.split(b"\r\n\r\n", 1)[1], 0
        start = self.offset % STEP_BYTES
        if data != (block + block)[start:start + len(data)]:
            raise ValueError(f"other bytes than the file has at {self.offset}")
        self.offset += len(data)
        return taken


if __name__ == "__main__":
    main()
