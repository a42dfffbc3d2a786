#!/usr/bin/env python3
"""What busy polling brings and costs: latency and the server's CPU at parts of its capacity.

Each setting of --busy-poll is measured alone, one worker on one core and `corelane bench` on the
other: its capacity in a closed loop, one connection in a closed loop, then open loops at 10, 50 and
90 % of the capacity that blocking has, and nothing at all. The settings take turns in each round;
medians of the rounds are printed.

Needs: Linux, taskset, cargo (python3 standard library only). Nothing else may run on the two cores.
"""

import json
import os
import pathlib
import statistics
import subprocess
import time

from programs import build, measuring_parser, running

SETTINGS = ["off", "auto", "20", "50", "200"]
LOADS = [10, 50, 90]
TICKS = os.sysconf("SC_CLK_TCK")


def main():
    options = parse_options()
    program = build("--bin", "corelane")
    seen = {}
    capacity = None
    for number in range(options.rounds):
        for setting in options.setting or SETTINGS:
            print(f"round {number + 1} of {options.rounds}: {setting}", flush=True)
            serve = ["taskset", "-c", options.server_core, program, "serve", "--workers", "1",
                     "--listen", "127.0.0.1:0", "--busy-poll", setting]
            with running(serve) as (process, url):
                most = measure(program, options, process, url, ["-c", "64"])
                capacity = capacity or most["rate"]
                note(seen, setting, "all there is", most)
                note(seen, setting, "1 conn.", measure(program, options, process, url, ["-c", "1"]))
                for load in LOADS:
                    rate = ["-c", "64", "--rate", str(int(capacity * load / 100))]
                    note(seen, setting, f"{load} %",
                         measure(program, options, process, url, rate))
                note(seen, setting, "idle", idle(options, process))
    works = ["idle", "1 conn.", *(f"{load} %" for load in LOADS), "all there is"]
    print(f"\ncapacity of the first: {capacity:,.0f} a second; medians of {options.rounds} rounds\n")
    print(f"| --busy-poll | load | P50 µs | P99 µs | CPU % |\n|---|---|---|---|---|")
    for setting in options.setting or SETTINGS:
        for work in works:
            p50, p99, cpu = (statistics.median(figures) for figures in zip(*seen[setting, work]))
            times = "| | |" if work == "idle" else f"| {p50:.1f} | {p99:.1f} |"
            print(f"| {setting} | {work} {times} {cpu:.0f} |")


def note(seen, setting, work, figures):
    seen.setdefault((setting, work), []).append((figures["p50"], figures["p99"], figures["cpu"]))


def measure(program, options, process, url, flags):
    command = ["taskset", "-c", options.load_core, program, "bench", f"{url}{options.path}",
               "--report", "json", "--warm-up", "500ms", "-d", f"{options.seconds}s", *flags]
    before, began = cpu_seconds(process), time.monotonic()
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    # The warm-up has the same load.
    cpu = (cpu_seconds(process) - before) / (time.monotonic() - began)
    of = report["latency"]
    return {"rate": report["rate"], "p50": of["p50_ns"] / 1e3, "p99": of["p99_ns"] / 1e3,
            "cpu": 100 * cpu}


def idle(options, process):
    before = cpu_seconds(process)
    time.sleep(options.seconds)
    return {"p50": 0, "p99": 0, "cpu": 100 * (cpu_seconds(process) - before) / options.seconds}


def cpu_seconds(process):
    stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def parse_options():
    parser = measuring_parser(__doc__, 3)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--setting", action="append", help=f"repeatable; default: {', '.join(SETTINGS)}")
    parser.add_argument("--path", default="/plaintext", help="what to GET (/plaintext)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
