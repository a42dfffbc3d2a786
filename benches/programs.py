"""Builds, starts and ends the programs that the scripts beside this one measure."""

import contextlib
import json
import pathlib
import re
import shlex
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
URL = re.compile(r"https?://[\w.\[\]:-]+:\d+")


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
