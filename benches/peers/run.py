#!/usr/bin/env python3
"""corelane beside the servers that the package registries hold, on one core, by the same load.

Builds each peer from packages (crates.io, Debian, npm, PyPI), checks its answers, and runs it in
turns with corelane: one server at a time with one worker on one core, `corelane bench` on another.
Each run of corelane is the partner of the run before it and of the run after it; a ratio is the
peer's CPU time per request over its partner's. corelane beside itself shows the noise, and the
bare epoll program of floor.rs, which parses nothing, what nobody can undercut.

CPU time is that of the server's processes, in user and kernel mode together, over the requests
that were answered. corelane runs with all its limits on. What a peer lacks is skipped with a line
that says so; nothing is installed unless --install is given.

Results are kept in target/peers/results.json, work by work: --show prints those of earlier runs,
and every run writes the plot of all to target/peers/peers.svg.

Needs: Linux, two cores, taskset, cargo (python3 standard library only).
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

import build
import check
import plot
from build import Missing, cargo, configured, go

sys.path.insert(0, str(build.HERE.parent))

from cpu_per_request import FIELDS, cpu_ns
from programs import end, measuring_parser

PLAIN = "keep-alive pipelined browser ten close json open"
ARENA = "arena-json upload"
GZIP = "arena-json-gzip"
PEERS = {
    # name: (how to build, works it takes part in, what it leaves out or does otherwise)
    "corelane": (build.corelane, f"{PLAIN} {ARENA} {GZIP}", ""),
    "floor": (build.floor, "keep-alive pipelined browser ten close open",
              "HTTP: answers every empty line"),
    "actix-web": (cargo("actix-web"), f"{PLAIN} {ARENA} {GZIP}",
                  "a least rate or total time of bodies"),
    "axum": (cargo("axum"), f"{PLAIN} {ARENA}", "deadlines (axum::serve sets none)"),
    "go-fasthttp": (go("go-fasthttp", ("golang-github-valyala-fasthttp-dev",
                                       "github.com/valyala/fasthttp")), PLAIN,
                    "deadlines unless set"),
    "go-http": (go("go-http"), PLAIN, "deadlines unless set"),
    "bun": (build.bun, PLAIN, "not looked into"),
    "granian": (build.granian, PLAIN, "not looked into; runs Python"),
    "h2o": (configured("h2o", "h2o", "h2o.conf", "-c"), PLAIN,
            "strict framing; answers are files here"),
    "hyper": (cargo("hyper"), f"{PLAIN} {ARENA}", "deadlines (its timer is off here); routing"),
    "khttp": (cargo("khttp"), PLAIN, "deadlines"),
    "lighttpd": (configured("lighttpd", "lighttpd", "lighttpd.conf", "-D", "-f"), PLAIN,
                 "not looked into; answers are files here"),
    "may_minihttp": (cargo("may_minihttp"), PLAIN, "deadlines, limits, more than 16 fields"),
    "nginx": (configured("nginx", "nginx-light", "nginx.conf", "-c"), f"{PLAIN} {GZIP}",
              "one write for all pipelined answers; JSON that is compressed is a file here"),
    "node": (build.node, PLAIN, "a least rate of bodies"),
    "ntex": (cargo("ntex"), PLAIN, "trailers"),
    "uwebsockets": (build.uwebsockets, PLAIN, "strict framing; its own loop (on libuv here)"),
    "xitca-web": (cargo("xitca-web"), PLAIN, "deadlines of bodies"),
}

BROWSER = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control: max-age=0",
    "Connection: keep-alive",
    'Sec-CH-UA: "Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126"',
    "Sec-CH-UA-Mobile: ?0",
    'Sec-CH-UA-Platform: "Linux"',
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-User: ?1",
    "Upgrade-Insecure-Requests: 1",
]
KEEP = [*FIELDS, "Connection: keep-alive"]
GZIP_PATH = "/json/50?m=3"
WORKS = {
    # name: (what it is, path, fields, arguments of corelane bench)
    "keep-alive": ("64 connections, one request after the other", "/plaintext", KEEP, []),
    "pipelined": ("64 connections, 16 requests under way on each", "/plaintext", KEEP,
                  ["--pipeline", str(check.PIPELINED)]),
    "browser": ("64 connections, the head of a browser", "/plaintext", BROWSER, []),
    "ten": ("64 connections, each closed after 10 requests", "/plaintext", KEEP,
            ["--requests-per-connection", "10"]),
    "close": ("64 connections, each for one request", "/plaintext",
              [*FIELDS, "Connection: close"], ["--requests-per-connection", "1"]),
    "json": ("64 connections, 27 bytes of JSON made for each request", "/json", KEEP, []),
    "open": ("64 connections, a fixed rate whatever is answered", "/plaintext", KEEP, []),
    "arena-json": ("64 connections, 12 items of a dataset with a sum each", "/json/12?m=3", KEEP,
                   []),
    "arena-json-gzip": ("64 connections, 50 items with a sum each, compressed for each request",
                        GZIP_PATH, [*KEEP, "Accept-Encoding: gzip"], []),
    "upload": ("4 connections, 20 MiB in each request", "/upload", [], []),
    "crowd": ("10,000 connections over 64 of the same server", "/plaintext", KEEP, []),
}
CROWD = {"corelane": 10_000, "floor": 10_000}
CONNECTIONS = {"upload": 4}
WARM_UP_SECONDS = 0.3
# In which the connections of the work `crowd` are made.
CROWD_SECONDS = 2
START_SECONDS = 20
LATENCIES = ("p50_ns", "p99_ns", "p99_9_ns")


def main():
    options = parse_options()
    if options.show:
        return show(load_results(), options)
    if not shutil.which("taskset"):
        sys.exit("error: taskset is missing (Debian: apt install util-linux)")
    build.install = options.install
    build.prepare()
    (build.RUN / "upload.bin").write_bytes(bytes(check.UPLOAD_BYTES))
    options.dataset = options.dataset or dataset()
    write_items(options.dataset)
    commands = build_all(options)
    if options.build:
        return 0
    results = load_results()
    results["machine"] = machine()
    for work in options.work:
        results["works"][work] = measure(work, commands, results, options)
        build.TARGET.joinpath("results.json").write_text(json.dumps(results, indent=1))
    return show(results, options)


def parse_options():
    parser = measuring_parser(__doc__, 3, float)
    parser.add_argument("--pairs", type=int, default=5, help="rounds, each with all peers (5)")
    parser.add_argument("--work", action="append", choices=WORKS, help="repeatable; default: all")
    parser.add_argument("--peer", action="append", choices=[*PEERS], metavar="NAME",
                        help=f"repeatable; default: all of {', '.join(PEERS)}")
    parser.add_argument("--server", action="append", type=named_command, default=[],
                        metavar="NAME=COMMAND",
                        help="any other server, which answers /plaintext and /json on port "
                             "{port}; repeatable")
    parser.add_argument("--rate", type=int,
                        help="requests a second of the work `open`; default: half of what "
                             "corelane does")
    parser.add_argument("--dataset", type=pathlib.Path,
                        help="of the work `arena-json`; default: 50 items made up")
    parser.add_argument("--install", action="store_true",
                        help="install what is missing: apt-get for the system, npm and pip "
                             "below target/peers")
    parser.add_argument("--build", action="store_true", help="build and check, measure nothing")
    parser.add_argument("--show", action="store_true", help="print earlier results and end")
    options = parser.parse_args()
    options.work = options.work or [*WORKS]
    options.peer = options.peer or ([] if options.server else [*PEERS])
    for name, command in options.server:
        PEERS[name] = (lambda command=command: (command, ""), PLAIN, "not looked into")
        options.peer.append(name)
    return options


def named_command(text):
    name, equals, command = text.partition("=")
    if not equals or not name or "{port}" not in command:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COMMAND with {{port}} in it")
    return name, shlex.split(command)


def dataset():
    """Items of the arena's shape; the same ones every time."""
    chance = random.Random(11)
    words = ["fast", "heavy-duty", "new", "popular", "sale", "wireless"]
    items = [
        {"id": number, "name": f"Article {number}", "category": chance.choice(["tools", "books"]),
         "price": chance.randint(1, 500), "quantity": chance.randint(1, 100),
         "active": chance.random() < 0.5, "tags": chance.sample(words, chance.randint(1, 4)),
         "rating": {"score": chance.randint(1, 50), "count": chance.randint(1, 500)}}
        for number in range(1, 51)
    ]
    path = build.RUN / "dataset.json"
    path.write_text(json.dumps(items))
    return path


def write_items(path):
    """What servers of files answer in the work `arena-json-gzip`."""
    items = [item | {"total": item["price"] * item["quantity"] * 3}
             for item in json.loads(pathlib.Path(path).read_text())[:50]]
    answer = json.dumps({"items": items, "count": len(items)}, separators=(",", ":"))
    (build.RUN / "json").mkdir(exist_ok=True)
    (build.RUN / "json" / "50").write_text(answer)


def build_all(options):
    """Commands, versions and remarks of the peers that can be built and answer as they should."""
    commands = {}
    for name in dict.fromkeys(["corelane", *options.peer]):
        how, works, _ = PEERS[name]
        try:
            command, version = how()
            remarks = [] if name == "floor" else checked(command, check.plain, options)
            if name != "corelane" and "upload" in works.split():
                which = check.items_and_upload if name == "hyper" else check.arena
                remarks += checked(command, which, options, options.dataset)
        except (Missing, check.Wrong, OSError, ValueError) as why:
            print(f"{name}: skipped, {why}", flush=True)
            continue
        commands[name] = {"command": command, "version": version, "remarks": remarks}
        print(f"{name} {version}: {'; '.join(remarks) or 'answers as it should'}", flush=True)
    if "corelane" not in commands:
        sys.exit("error: without corelane there is nothing to compare with")
    commands["arena"] = {"command": build.arena()}
    checked(commands["arena"]["command"], check.arena, options, options.dataset)
    return commands


def checked(command, questions, options, *arguments):
    with Running(command, options) as server:
        return questions(server.port, *arguments)


class Running:
    """A server on its core, from when it accepts until it has ended."""

    def __init__(self, command, options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = build.rendered(command, self.port, options.dataset)
        self.log = open(build.RUN / "server.log", "w+")
        self.process = subprocess.Popen(["taskset", "-c", options.server_core, *command],
                                        stdout=self.log, stderr=subprocess.STDOUT,
                                        cwd=build.RUN)

    def __enter__(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.__exit__()
        said = pathlib.Path(self.log.name).read_text(errors="replace").strip().splitlines()
        raise Missing(f"does not start: {said[-1][:120] if said else 'it says nothing'}")

    def __exit__(self, *_):
        end(self.process)
        self.log.close()

    def processes(self):
        """The server's process ids: its own and those of its children."""
        ids, at = [self.process.pid], 0
        while at < len(ids):
            for children in pathlib.Path(f"/proc/{ids[at]}/task").glob("*/children"):
                ids += [int(child) for child in children.read_text().split()]
            at += 1
        return ids

    def cpu_ns(self):
        return sum(cpu_ns(pid) for pid in self.processes())

    def memory_kib(self):
        lines = [line for pid in self.processes()
                 for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def measure(work, commands, results, options):
    """All rounds of one work; rows by peer."""
    if work == "crowd":
        return measure_crowd(commands, options)
    names = [name for name in commands if name in PEERS and work in PEERS[name][1].split()
             and not (work == "pipelined" and check.fails_pipelining(commands[name]["remarks"]))]
    load = {"work": work, "seconds": options.seconds}
    if work == "open":
        load["rate"] = options.rate or half_of_capacity(commands, results, options)
    print(f"\n{work}: {WORKS[work][0]}, {options.pairs} rounds of {options.seconds:g} s"
          + (f", {load['rate']} requests a second" if work == "open" else ""), flush=True)
    rows = {name: {"runs": [], "ratios": []} for name in names}
    for turn in range(options.pairs):
        one_round(turn, names, rows, commands, load, options)
    for name in names:
        rows[name] |= {key: commands[name][key] for key in ("version", "remarks")}
        print(f"  {name:13} " + short(summary(rows[name], work)), flush=True)
    return load | {"pairs": options.pairs, "rows": rows,
                   "day": datetime.date.today().isoformat()}


def half_of_capacity(commands, results, options):
    """Half of what corelane did in the work `keep-alive`, in whole thousands."""
    known = results["works"].get("keep-alive", {"rows": {}})["rows"].get("corelane")
    load = {"work": "keep-alive", "seconds": options.seconds}
    runs = known["runs"] if known else [one_run("corelane", commands, load, options)]
    return int(statistics.median(run["rate"] for run in runs)) // 2000 * 1000


def one_round(turn, names, rows, commands, load, options):
    """Every peer once, between runs of corelane; who goes before corelane changes by turns."""
    shift = turn % len(names)
    order = names[shift:] + names[:shift]
    partner = one_run("corelane", commands, load, options)
    for place, name in enumerate(order):
        peer = one_run(name, commands, load, options)
        if place % 2 == 1:
            partner = one_run("corelane", commands, load, options)
        if peer and partner:
            rows[name]["runs"].append(peer)
            rows[name]["ratios"].append(peer["cpu_us"] / partner["cpu_us"])


def one_run(name, commands, load, options):
    """One server from start to end under one load; nothing if it answers nothing."""
    own = "arena" if name == "corelane" and load["work"] in [*ARENA.split(), GZIP] else name
    command = commands[own]["command"]
    if own == "floor" and load["work"] == "close":
        command = [*command, "--close"]
    with Running(command, options) as server:
        bench(server, load | {"seconds": WARM_UP_SECONDS}, commands, options)
        before = server.cpu_ns()
        report = bench(server, load, commands, options)
        spent = server.cpu_ns() - before
        memory = server.memory_kib()
    if not report["answers"]:
        return None
    busy = spent / 1e9 / max(report["seconds"], 0.001)
    return row_of(report, spent / 1000 / report["answers"], busy, memory)


def bench(server, load, commands, options, warm_up="0s"):
    """The report of `corelane bench`, as JSON."""
    work = load["work"]
    _, path, fields, arguments = WORKS[work]
    connections = load.get("connections") or CONNECTIONS.get(work, 64)
    command = ["taskset", "-c", options.load_core, commands["corelane"]["command"][0], "bench",
               "--report", "json", "-t", "1", "-c", str(connections), "--warm-up", warm_up,
               "-d", f"{round(load['seconds'] * 1000)}ms", *arguments]
    for field in fields:
        command += ["-H", field]
    if work == "open":
        command += ["--rate", str(load["rate"])]
    if work == "upload":
        command += ["-X", "POST", "--body-file", str(build.RUN / "upload.bin")]
    command += [f"http://127.0.0.1:{server.port}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"error: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def measure_crowd(commands, options):
    """CPU time per request with many connections over that with 64, of the same server."""
    print(f"\ncrowd: {WORKS['crowd'][0]}, {options.pairs} rounds", flush=True)
    rows = {}
    for name, connections in CROWD.items():
        if name not in commands:
            continue
        runs = [[crowd_run(name, count, commands, options) for count in (64, connections)]
                for _ in range(options.pairs)]
        rows[name] = {"runs": [many for _, many in runs],
                      "ratios": [many["cpu_us"] / few["cpu_us"] for few, many in runs],
                      "version": commands[name]["version"], "remarks": []}
        print(f"  {name:13} " + short(summary(rows[name], "crowd")), flush=True)
    return {"work": "crowd", "seconds": options.seconds, "pairs": options.pairs, "rows": rows,
            "day": datetime.date.today().isoformat()}


def crowd_run(name, connections, commands, options):
    """CPU time between two moments of a steady load, so that making connections is not in it."""
    load = {"work": "crowd", "seconds": options.seconds, "connections": connections}
    with Running(commands[name]["command"], options) as server:
        samples = []
        moments = [CROWD_SECONDS + options.seconds * part for part in (0.1, 0.9)]
        timers = [threading.Timer(moment, lambda: samples.append(
            (time.monotonic_ns(), server.cpu_ns(), server.memory_kib()))) for moment in moments]
        for timer in timers:
            timer.start()
        report = bench(server, load, commands, options, warm_up=f"{CROWD_SECONDS}s")
        for timer in timers:
            timer.join()
    (began, before, _), (ended, after, memory) = samples
    busy = (after - before) / (ended - began)
    return row_of(report, busy * 1e6 / report["rate"], busy, memory)


def row_of(report, cpu_us, busy, memory_kib):
    refused = sum(report["statuses"][kind] for kind in ("4xx", "5xx"))
    # A refusal is unlike the first answer too.
    failed = sum(report["failures"].values()) + max(report["unlike"] - refused, 0)
    row = {"rate": report["rate"], "answers": report["answers"], "failed": failed,
           "refused": refused, "cpu_us": cpu_us, "busy": busy, "memory_kib": memory_kib,
           "generator_busy": report["generator_busy"]}
    return row | {key: report["latency"][key] for key in LATENCIES}


def summary(row, work):
    """Medians of a row, and the range of its ratios."""
    if not row["runs"]:
        return None
    middle = {key: statistics.median(run[key] for run in row["runs"])
              for key in ("rate", "cpu_us", "busy", "memory_kib", *LATENCIES)}
    asked = sum(run["answers"] + run["failed"] for run in row["runs"])
    for key in ("failed", "refused"):
        middle[key] = sum(run.get(key, 0) for run in row["runs"]) / asked
    middle |= {"ratio": statistics.median(row["ratios"]), "least": min(row["ratios"]),
               "most": max(row["ratios"]), "work": work}
    return middle


def short(middle):
    if not middle:
        return "no answers"
    text = (f"{middle['rate']:>11,.0f} /s {middle['cpu_us']:9.2f} µs  "
            f"{middle['ratio']:6.2f} ({middle['least']:.2f} to {middle['most']:.2f})")
    if middle["work"] == "open":
        text += "  P50 {} P99 {} P99.9 {}".format(
            *(f"{middle[key] / 1000:.0f} µs" for key in LATENCIES))
    for key in ("failed", "refused"):
        text += f"  {middle[key]:.1%} {key}" if middle[key] > 0.001 else ""
    return text


def load_results():
    try:
        return json.loads(build.TARGET.joinpath("results.json").read_text())
    except FileNotFoundError:
        return {"works": {}}


def machine():
    cpus = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in cpus if line.startswith("model name"))
    return f"{os.cpu_count()} cores, {model}, Linux {os.uname().release.split('-')[0]}"


def show(results, options):
    if not results["works"]:
        sys.exit("error: nothing was measured yet")
    works = {work: results["works"][work] for work in WORKS if work in results["works"]}
    summaries = {work: {name: middle for name, row in measured["rows"].items()
                        if (middle := summary(row, work))}
                 for work, measured in works.items()}
    leaves_out = {name: peer[2] for name, peer in PEERS.items()}
    print()
    print(plot.tables(works, summaries, WORKS, leaves_out))
    path = build.TARGET / "peers.svg"
    path.write_text(plot.picture(summaries, WORKS, results.get("machine", "")))
    print(f"\nMachine: {results.get('machine')}. Plot: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
