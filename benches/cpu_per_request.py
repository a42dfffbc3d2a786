#!/usr/bin/env python3
"""CPU time per request of a server, over that of the bare program in floor.rs.

Requests a second on a machine that also runs the load say little. What the server's process
costs per request is steadier, and its ratio to a program that does only what the kernel needs
says how much of that is the server's own. One server at a time runs alone on one core with one
worker; wrk runs on another core. The runs alternate, and so does who goes first in a pair.

The CPU time is the process's own clock (clock_getcpuclockid(3)): nanoseconds on a core of all
its threads, ended ones too, in user and kernel together. --perf adds the split of
/proc/PID/stat, whose unit is a clock tick (10 ms).

Needs: Linux, wrk, taskset, cargo (python3 standard library only).
"""

import os
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

from programs import ROOT, build, measuring_parser, running, warn

SERVE = "{corelane} serve --workers 1 --listen 127.0.0.1:0"
# The head that the TechEmpower benchmark sends, so that figures compare with published ones.
FIELDS = [
    "Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,application/xml;q=0.8,*/*;q=0.7",
]
MODES = {
    # name: (connections, fields, wrk script and its arguments, arguments of the bare program)
    "keep-alive": (64, FIELDS + ["Connection: keep-alive"], [], []),
    "pipelined": (64, FIELDS + ["Connection: keep-alive"], ["pipeline.lua", "16"], []),
    "close": (64, FIELDS + ["Connection: close"], [], ["--close"]),
}
USUAL_MODES = ["keep-alive", "pipelined"]
EXPECTED_BODY = b"Hello, World!"


def main():
    options = parse_options()
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"error: {tool} is missing (Debian: apt install {tool_package(tool)})")
    floor = build("--bench", "floor")
    command = options.server or SERVE.format(corelane=build("--bin", "corelane"))
    server = shlex.split(command)
    print(f"A: {shlex.join(server)}")
    print(f"B: {floor}, the bare program")
    trouble = []
    for mode in options.mode or USUAL_MODES:
        bare = [floor, "--port", "0", *MODES[mode][3]]
        print(f"\n{mode}: {options.seconds} s a run, GET {options.path}")
        noise = max(1, options.pairs // 3)
        compare("B/B", bare, bare, noise, mode, options, trouble)
        compare("A/B", server, bare, options.pairs, mode, options, trouble)
    return warn(trouble)


def parse_options():
    parser = comparing_parser(__doc__, 4, USUAL_MODES)
    parser.add_argument("--server", metavar="CMD",
                        help="another server, which prints the URL it listens on; "
                             f"default: {SERVE}")
    parser.add_argument("--perf", action="store_true", help="add user and system time")
    return parser.parse_args()


def comparing_parser(documentation, seconds, usual):
    """The options of compare(); `usual` are the modes that are run if none is named."""
    parser = measuring_parser(documentation, seconds)
    parser.add_argument("--pairs", type=int, default=9, help="pairs of runs of a comparison (9)")
    parser.add_argument("--mode", action="append", choices=MODES,
                        help=f"repeatable; default: {', '.join(usual)}")
    parser.add_argument("--path", default="/plaintext", help="what to GET (/plaintext)")
    parser.set_defaults(perf=False)
    return parser


def tool_package(tool):
    return {"taskset": "util-linux"}.get(tool, tool)


def compare(label, first, second, pairs, mode, options, trouble):
    """Prints the ratios of alternating runs and returns their median."""
    ratios = []
    for pair in range(pairs):
        runs = [(0, first), (1, second)]
        if pair % 2 == 1:
            runs.reverse()
        results = dict((which, run(command, mode, options, trouble)) for which, command in runs)
        ratio = results[0]["ns"] / results[1]["ns"]
        ratios.append(ratio)
        left, right = label.split("/")
        print(f"  {label} {pair + 1}: {left} {describe(results[0], options)}"
              f"  {right} {describe(results[1], options)}  ratio {ratio:.3f}", flush=True)
    print(f"  {label} median {statistics.median(ratios):.3f}"
          f" (min {min(ratios):.3f}, max {max(ratios):.3f}, {pairs} pairs)", flush=True)
    return statistics.median(ratios)


def describe(result, options):
    text = f"{result['ns'] / 1000:6.3f} us/request {result['rate'] / 1000:7.1f} k/s"
    if options.perf:
        text += f" (user {result['user_us']:.2f}, system {result['system_us']:.2f})"
    return text


def run(command, mode, options, trouble):
    """One run of one server under load; its CPU time per request."""
    with running(["taskset", "-c", options.server_core, *command]) as (process, base):
        # taskset becomes the server and keeps its process id.
        pid, url = process.pid, base + options.path
        check_answer(url, trouble, command)
        before, ticks_before = cpu_ns(pid), cpu_ticks(pid)
        load = load_with_wrk(url, mode, options)
        after, ticks_after = cpu_ns(pid), cpu_ticks(pid)
        check_answer(url, trouble, command)
    if load["errors"]:
        trouble.append(f"{pathlib.Path(command[0]).name}, {mode}: wrk reports {load['errors']}")
    requests = max(load["requests"], 1)
    tick_us = 1e6 / os.sysconf("SC_CLK_TCK")
    user, system = ((b - a) * tick_us / requests for a, b in zip(ticks_before, ticks_after))
    return {"ns": (after - before) / requests, "rate": requests / load["seconds"],
            "user_us": user, "system_us": system}


def check_answer(url, trouble, command):
    """Whether one ordinary request is answered as it should be."""
    name = pathlib.Path(command[0]).name
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = answer.read()
            if answer.status != 200 or body != EXPECTED_BODY:
                trouble.append(f"{name}: {url} answers {answer.status} {body[:60]!r}")
    except OSError as error:
        trouble.append(f"{name}: {url}: {error}")


def cpu_ns(pid):
    # What clock_getcpuclockid(3) computes: Linux encodes the process in the clock's number.
    return time.clock_gettime_ns((~pid << 3) | 2)


def cpu_ticks(pid):
    # The name in parentheses may hold spaces; utime and stime are fields 14 and 15 (proc(5)).
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def load_with_wrk(url, mode, options):
    connections, fields, script, _ = MODES[mode]
    command = ["taskset", "-c", options.load_core, "wrk", "-t1", f"-c{connections}",
               f"-d{options.seconds}s"]
    for field in fields:
        command += ["-H", field]
    if script:
        command += ["-s", str(ROOT / "benches" / script[0])]
    command += [url]
    if script:
        command += ["--", *script[1:]]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    # Runs of a minute and more are reported in minutes.
    requests, time_taken, unit = re.search(r"(\d+) requests in ([\d.]+)(s|m)", output).groups()
    errors = [line.strip() for line in output.splitlines()
              if "Socket errors" in line or "Non-2xx" in line]
    seconds = float(time_taken) * {"s": 1, "m": 60}[unit]
    return {"requests": int(requests), "seconds": seconds, "errors": "; ".join(errors)}


if __name__ == "__main__":
    sys.exit(main())
