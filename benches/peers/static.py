#!/usr/bin/env python3
"""The same files from corelane and from nginx: CPU time per request, and requests a second.

Each has one worker on one core, wrk the other; they take turns, and who goes first changes. nginx
has sendfile, gzip_static and open_file_cache (nginx/static.conf), corelane --precompressed. Files
are of the public benchmark's names and sizes and made up, or those of --arena FOLDER without its
.br, which nginx would not send: so both send the same bytes, which is checked. Works:

    arena   20 files, 3 to 300 KB, compressed but for images and fonts, one after the other
    small   one file of 1,024 bytes
    large   one file of 1,048,576 bytes

Needs: Linux, two cores, nginx, wrk, taskset, cargo (python3 standard library only).
"""

import gzip
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys

import build
from check import Client
from run import Running

sys.path.insert(0, str(build.HERE.parent))

from programs import measuring_parser, warn

ACCEPTED = "br;q=1, gzip;q=0.8"
ARENA = {
    "reset.css": 8192, "layout.css": 25600, "theme.css": 18432, "components.css": 204800,
    "utilities.css": 61440, "analytics.js": 12288, "helpers.js": 22528, "app.js": 204800,
    "vendor.js": 307200, "router.js": 35840, "header.html": 122880, "footer.html": 56320,
    "regular.woff2": 18432, "bold.woff2": 22528, "logo.svg": 15344, "icon-sprite.svg": 71680,
    "hero.webp": 46080, "thumb1.webp": 8192, "thumb2.webp": 6144, "manifest.json": 2883,
}
WORKS = {
    # name: (paths, connections)
    "arena": ([f"/static/{name}" for name in ARENA], 64),
    "small": (["/1k.bin"], 64),
    "large": (["/1m.bin"], 16),
}
def main():
    options = parse_options()
    build.prepare()
    files = make_files(options.arena)
    nginx, nginx_version = build.configured("nginx", "nginx-light", "static.conf", "-c")()
    program, version = build.corelane() if not options.program else ([options.program, "serve",
        "--workers", "1", "--listen", "127.0.0.1:{port}"], options.program)
    commands = {
        "corelane": [*program, "--root", "{files}", "--precompressed", "on"],
        "nginx": nginx,
    }
    # A server finds its files where `rendered` puts `{files}`.
    build.RUN = files
    print(f"corelane {version}, nginx {nginx_version}; {options.pairs} rounds of "
          f"{options.seconds:g} s")
    trouble = [problem for name in commands for problem in check(commands, name, options)]
    for work in options.work or WORKS:
        measure(work, commands, options, trouble)
    return warn(trouble)


def parse_options():
    parser = measuring_parser(__doc__, 1)
    parser.add_argument("--pairs", type=int, default=5, help="rounds, each with both (5)")
    parser.add_argument("--work", action="append", choices=WORKS, help="repeatable; default: all")
    parser.add_argument("--arena", type=pathlib.Path, help="the public benchmark's files")
    parser.add_argument("--program", type=os.path.abspath,
                        help="a corelane that is built already")
    parser.set_defaults(dataset="")
    return parser.parse_args()


def make_files(arena):
    files = build.RUN / "static-files"
    shutil.rmtree(files, ignore_errors=True)
    (files / "static").mkdir(parents=True)
    chance = random.Random(20)
    (files / "1k.bin").write_bytes(chance.randbytes(1024))
    (files / "1m.bin").write_bytes(chance.randbytes(1024 * 1024))
    for name, size in ARENA.items():
        path = files / "static" / name
        if arena:
            for kind in ("", ".gz"):
                if (arena / (name + kind)).exists():
                    shutil.copyfile(arena / (name + kind), str(path) + kind)
            continue
        if name.endswith((".webp", ".woff2")):
            path.write_bytes(chance.randbytes(size))
            continue
        words = [f"{chance.getrandbits(24):x}" for _ in range(size // 16)]
        text = " ".join(chance.choice(words) for _ in range(size // 4)).encode()[:size]
        path.write_bytes(text)
        (files / "static" / (name + ".gz")).write_bytes(gzip.compress(text))
    for path in files.rglob("*"):
        os.utime(path)
    return files


def check(commands, name, options):
    """Whether the server sends what lies there, compressed where it is."""
    with Running(commands[name], options) as server, Client(server.port) as client:
        for path in [path for paths, _ in WORKS.values() for path in paths]:
            status, fields, body = client.ask("GET", path, [f"Accept-Encoding: {ACCEPTED}"])
            coded = pathlib.Path(f"{build.RUN}{path}.gz")
            wanted = coded if coded.exists() else pathlib.Path(f"{build.RUN}{path}")
            coding = "gzip" if coded.exists() else None
            if (status, body, fields.get("content-encoding")) != (200, wanted.read_bytes(), coding):
                yield f"{name}: {path} answers {status} {fields}"


def measure(work, commands, options, trouble):
    paths, connections = WORKS[work]
    runs = {name: [] for name in commands}
    for turn in range(options.pairs):
        names = list(commands) if turn % 2 == 0 else list(reversed(commands))
        for name in names:
            runs[name].append(one_run(commands[name], paths, connections, options, trouble))
    for name, measured in runs.items():
        cpu, rate, busy = (statistics.median(values) for values in zip(*measured))
        print(f"{work:6} {name:9} {cpu:9.2f} us/request {rate:10,.0f} /s  {busy:4.0%} at work",
              flush=True)
    pairs = list(zip(runs["nginx"], runs["corelane"]))
    show(work, "nginx over corelane, CPU", [nginx[0] / ours[0] for nginx, ours in pairs])
    show(work, "corelane over nginx, requests/s", [ours[1] / nginx[1] for nginx, ours in pairs])


def show(work, what, ratios):
    print(f"{work:6} {what} {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def one_run(command, paths, connections, options, trouble):
    """CPU time of a request in microseconds, requests a second, and the server's share of its
    core, as if each path were asked for equally often."""
    wrk = ["taskset", "-c", options.load_core, "wrk", "-t1", f"-c{connections}",
           "-H", f"Accept-Encoding: {ACCEPTED}"]
    spent = seconds = 0
    with Running(command, options) as server:
        root = f"http://127.0.0.1:{server.port}"
        subprocess.run([*wrk, "-d1s", root + paths[0]], stdout=subprocess.DEVNULL, check=True)
        for path in paths:
            before = server.cpu_ns()
            said = subprocess.run([*wrk, f"-d{options.seconds:g}s", root + path],
                                  stdout=subprocess.PIPE, text=True, check=True).stdout
            if "Socket errors" in said or "Non-2xx" in said:
                trouble.append(f"{command[0]}: {said}")
            requests, lasted = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()
            requests = max(int(requests), 1)
            spent += (server.cpu_ns() - before) / requests
            seconds += float(lasted) / requests
    return spent / 1000 / len(paths), len(paths) / seconds, spent / 1e9 / seconds


if __name__ == "__main__":
    sys.exit(main())
