"""What the measuring scripts beside this one share: the command line of a measurement, and
programs that are built, started and ended."""

import argparse
import contextlib
import json
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
URL = re.compile(r"https?://[\w.\[\]:-]+:\d+")


def measuring_parser(documentation, seconds, number=int):
    """The options of every measurement that has the server on one core and the load on another."""
    parser = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=number, default=seconds,
                        help=f"seconds of each run ({seconds})")
    parser.add_argument("--cores", action=Cores, default=argparse.SUPPRESS,
                        help="the server's and the load's core (0,1)")
    parser.set_defaults(server_core="0", load_core="1")
    return parser


class Cores(argparse.Action):
    """Takes `0,1` apart."""

    def __call__(self, parser, options, text, _=None):
        cores = text.split(",")
        if len(cores) != 2 or not all(core.isdigit() for core in cores):
            parser.error(f"--cores: {text!r} is not two cores, such as 0,1")
        options.server_core, options.load_core = cores


def warn(trouble):
    """Prints what went wrong in a measurement; the exit code that says so."""
    for problem in trouble:
        print(f"warning: {problem}")
    return 1 if trouble else 0


def build(*arguments, profile="release"):
    """Builds one program in a profile of Cargo.toml and returns the path that cargo names for it.

    The last argument is the program's name. Building a bench target also leaves a program with
    the tests' features at target/release/corelane: build corelane itself last.
    """
    command = ["cargo", "build", f"--profile={profile}", "--message-format=json", *arguments]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        sys.exit(f"error: {shlex.join(command)} failed")
    messages = (json.loads(line) for line in built.stdout.splitlines())
    paths = [message["executable"] for message in messages
             if message.get("executable") and message["target"]["name"] == arguments[-1]]
    return paths[-1]


@contextlib.contextmanager
def running(command):
    """The program as its process and the first URL it prints; ended afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process, announced_url(process)
    finally:
        end(process)


def waits_for(address, path, goes_on):
    """How long a client waited for each of its answers, in milliseconds, shortest first: it asks
    for a small page every 2 ms on one connection while `goes_on()`."""
    waits = []
    with socket.create_connection(address) as connection:
        while goes_on():
            asked = time.perf_counter()
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
            connection.recv(1 << 16)
            waits.append((time.perf_counter() - asked) * 1000)
            time.sleep(0.002)
    return sorted(waits)


def ranks(waits):
    """P50, P99, P99.9 and the longest of sorted waits."""
    return [waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99, 0.999, 1)]


def announced_url(process):
    # A server that says nothing must not hang the measurement.
    alarm = threading.Timer(20, process.kill)
    alarm.start()
    said = ""
    for line in process.stdout:
        said += line
        found = URL.search(line)
        if found:
            alarm.cancel()
            # What it prints later is read, so that it never waits for us, and dropped.
            threading.Thread(target=lambda: list(process.stdout), daemon=True).start()
            return found.group().replace("0.0.0.0", "127.0.0.1")
    alarm.cancel()
    sys.exit(f"error: {shlex.join(process.args)} printed no URL within 20 s, only:\n{said}")


def end(process):
    """Asks the process to end, waits, and insists after 10 s."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
