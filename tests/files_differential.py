#!/usr/bin/env python3
"""The same thousands of requests for files to nginx and to the program: the same answers.

    tests/files_differential.py [PROGRAM]    without PROGRAM the release build of this folder

Files of 0, 1, 100, 65,537 and 1,048,576 bytes; GET and HEAD; every Range with every If-Range, every
four preconditions together, and all of them mixed by a fixed seed. Compared are the status, the
length, Content-Range and the bytes, of several parts each part. Where the two differ, a rule of
RULES has to say why, with the section of RFC 9110 that decides; a difference without a rule fails,
and so does a rule that nothing needed. Tags are written differently, so each server is sent its
own. Without nginx it says so and ends with 77. Traffic stays on the loopback device.
"""

import collections
import itertools
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SIZES = [0, 1, 100, 64 * 1024 + 1, 1024 * 1024]
MODIFIED = 1_704_164_645
DATE, EARLIER, LATER = ("Tue, 02 Jan 2024 03:04:05 GMT", "Tue, 02 Jan 2024 03:04:04 GMT",
                        "Tue, 02 Jan 2024 03:04:06 GMT")
NO_DATE = "the day before"
SEED, MIXED = 9110, 2000
SKIPPED = 77

VALUES = {
    "Range": [None, "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=7-", "bytes=5-2",
              "bytes=99-", "bytes=100-", "bytes=0-99999999", "bytes=-99999999", "bytes=1-3,5-7",
              "bytes=0-1,0-1", "bytes=50-60,-5", "bytes=5-7,1-3", "bytes=200-,0-0", "bytes=x",
              "bits=0-1", "bytes=", "bytes= 0-1", "bytes=0-1,", "BYTES=0-1", "bytes=0-1, 4-5",
              "bytes=99999999999999999999-", "bytes=0-99999999999999999999", "bytes=1",
              "bytes=0-0,x", "bytes 0-1", "bytes=65536-65536", "bytes=1000-70000"],
    "If-Range": [None, "{tag}", '"other"', "W/{tag}", DATE, EARLIER, LATER, NO_DATE],
    "If-Match": [None, "{tag}", "W/{tag}", '"other"', "*", '"other", {tag}'],
    "If-None-Match": [None, "{tag}", "W/{tag}", '"other"', "*", '"other", {tag}'],
    "If-Modified-Since": [None, DATE, EARLIER, LATER, NO_DATE],
    "If-Unmodified-Since": [None, DATE, EARLIER, LATER, NO_DATE],
}

Case = collections.namedtuple("Case", "method size fields")
Answer = collections.namedtuple("Answer", "status fields body")

# name: (section, why the program answers as it does, whether a case is one of these)
RULES = {
    "head": ("14.2", "Range is defined for GET alone, and ignored for any other method",
             lambda case, nginx, ours: case.method == "HEAD" and "Range" in case.fields
             and nginx.status in (206, 416) and ours.status == 200),
    "unmodified": ("13.1.4", "If-Unmodified-Since is ignored where there is If-Match",
                   lambda case, nginx, ours: {"If-Match", "If-Unmodified-Since"} <= {*case.fields}
                   and nginx.status == 412 and ours.status != 412),
    "modified": ("13.1.3", "If-Modified-Since is ignored where there is If-None-Match",
                 lambda case, nginx, ours: {"If-None-Match", "If-Modified-Since"} <= {*case.fields}
                 and nginx.status != 304 and ours.status == 304),
    "no date": ("13.1.4", "If-Unmodified-Since that is no date is ignored",
                lambda case, nginx, ours: case.fields.get("If-Unmodified-Since") == NO_DATE
                and nginx.status == 412 and ours.status != 412),
    "no ranges": ("14.2", "a Range that breaks the grammar may be ignored or refused",
                  lambda case, nginx, ours: not is_grammatical(case.fields.get("Range"))
                  and {nginx.status, ours.status} <= {200, 206, 416}),
    "empty": ("14.2", "Range may be ignored: an empty file is sent whole",
              lambda case, nginx, ours: case.size == 0 and nginx.status == 416
              and ours.status == 200),
    "empty elements": ("5.6.1.2", "empty elements of a list are passed over",
                       lambda case, nginx, ours: case.fields.get("Range") == "bytes=0-1,"
                       and nginx.status == 416 and ours.status == 206),
    "beyond": ("14.1.2", "a last position behind the end, however far, is the end",
               lambda case, nginx, ours: case.fields.get("Range") == f"bytes=0-{'9' * 20}"
               and nginx.status == 416 and ours.status == 206),
    "coalesced": ("15.3.7.2", "ranges that overlap may be put together",
                  lambda case, nginx, ours: "," in case.fields.get("Range", "")
                  and nginx.status in (200, 206) and ours.status == 206),
}


def is_grammatical(value):
    if value is None:
        return True
    unit, equals, ranges = value.partition("=")
    if unit.lower() != "bytes" or not equals:
        return False
    specs = [spec.strip() for spec in ranges.split(",")]
    pairs = [spec.partition("-") for spec in specs if spec]
    digits = all(dash and (first + last).isdigit() for first, dash, last in pairs)
    return bool(pairs) and digits and all(
        not first or not last or int(first) <= int(last) for first, _, last in pairs)


def cases():
    ranges = itertools.product(["GET", "HEAD"], SIZES, VALUES["Range"], VALUES["If-Range"])
    for method, size, wanted, of in ranges:
        yield Case(method, size, given({"Range": wanted, "If-Range": of}))
    names = ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"]
    for method in ["GET", "HEAD"]:
        for values in itertools.product(*(VALUES[name] for name in names)):
            yield Case(method, 100, given(dict(zip(names, values))))
    chance = random.Random(SEED)
    for _ in range(MIXED):
        fields = {name: chance.choice(values) for name, values in VALUES.items()}
        yield Case(chance.choice(["GET", "HEAD"]), chance.choice(SIZES), given(fields))


def given(fields):
    return {name: value for name, value in fields.items() if value is not None}


class Client:
    """One connection to a server, which is sent its own tags. nginx ends it behind a 412 without a
    word; the program may not."""

    def __init__(self, port, closes=False):
        self.port, self.closes = port, closes
        self.connect()
        self.tags = {}
        for size in SIZES:
            answer = self.ask(Case("GET", size, {}))
            assert answer.status == 200 and len(answer.body) == size, answer
            assert answer.fields["last-modified"] == DATE, answer.fields
            self.tags[size] = answer.fields["etag"]

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def begin(self, request):
        """The first line of an answer."""
        try:
            self.socket.sendall(request)
            line = self.file.readline()
        except ConnectionError:
            line = b""
        if line or not self.closes:
            return line
        self.connect()
        self.socket.sendall(request)
        return self.file.readline()

    def ask(self, case):
        tag = self.tags.get(case.size, "")
        lines = [f"{name}: {value.replace('{tag}', tag)}" for name, value in case.fields.items()]
        request = [f"{case.method} /{case.size}.bin HTTP/1.1", "Host: a", *lines, "", ""]
        line = self.begin("\r\n".join(request).encode())
        status = int(line.split()[1])
        fields = {}
        while (line := self.file.readline().decode().strip()):
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        has_body = case.method != "HEAD" and status not in (204, 304)
        body = self.file.read(int(fields["content-length"])) if has_body else b""
        if fields.get("connection") == "close":
            self.connect()
        return Answer(status, fields, body)


def told(answer, case):
    """What has to be the same."""
    fields = {name: answer.fields.get(name) for name in ("content-range", "content-length")}
    kind = answer.fields.get("content-type", "")
    if answer.status == 206 and kind.startswith("multipart/byteranges"):
        return answer.status, parts(answer, kind) if case.method == "GET" else None
    if answer.status in (200, 206):
        return answer.status, fields["content-range"], fields["content-length"], answer.body
    return answer.status, fields["content-range"]


def parts(answer, kind):
    """Each part of a body with its fields."""
    boundary = b"\r\n--" + kind.partition("boundary=")[2].encode()
    start, *found, end = answer.body.split(boundary)
    assert start == b"" and end.strip() == b"--", answer.fields
    heads = [part.partition(b"\r\n\r\n") for part in found]
    return [(sorted(head.strip().lower().splitlines()), body) for head, _, body in heads]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def start_nginx(nginx, folder, files):
    port = free_port()
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # Off by default: dates are compared as RFC 9110 section 13.1.3 has it.
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary} if_modified_since before;\n"
        f"keepalive_requests 1000000; default_type application/octet-stream;\n"
        f"server {{ listen 127.0.0.1:{port}; root {files}; }} }}\n")
    command = [nginx, "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process, port
        except OSError:
            time.sleep(0.02)
    process.kill()
    sys.exit("error: nginx does not start: " + (folder / "errors").read_text())


def start_program(program, files):
    command = [program, "--root", files, "--listen", "127.0.0.1:0", "--workers", "1",
               "--report", "none"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("listening on "):
            return process, int(line.rsplit(":", 1)[1])
    sys.exit("error: the program does not start")


def compare(nginx, ours):
    """How often each rule was needed, and the differences without one."""
    needed, unlisted, asked = collections.Counter(), [], 0
    for case in cases():
        asked += 1
        theirs, own = nginx.ask(case), ours.ask(case)
        if told(theirs, case) == told(own, case):
            continue
        rule = next((name for name, (_, _, is_it) in RULES.items() if is_it(case, theirs, own)),
                    None)
        if rule:
            needed[rule] += 1
        else:
            unlisted.append((case, theirs, own))
    return asked, needed, unlisted


def main():
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not nginx:
        print("skip: nginx is not installed")
        return SKIPPED
    home = pathlib.Path(__file__).resolve().parent.parent
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", home / "target"))
    program = sys.argv[1] if len(sys.argv) > 1 else str(target / "release/corelane")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        files = folder / "files"
        files.mkdir()
        for size in SIZES:
            path = files / f"{size}.bin"
            path.write_bytes(random.Random(size).randbytes(size))
            os.utime(path, (MODIFIED, MODIFIED))
        processes = []
        try:
            process, port = start_nginx(nginx, folder, files)
            processes.append(process)
            process, own_port = start_program(program, files)
            processes.append(process)
            asked, needed, unlisted = compare(Client(port, closes=True), Client(own_port))
        finally:
            for process in processes:
                process.kill()
                process.wait()
    print(f"{asked} requests, {sum(needed.values())} answers that differ by a rule")
    for name, (section, why, _) in RULES.items():
        print(f"  {needed[name]:5}  {name}: {why} (RFC 9110 section {section})")
    for case, theirs, own in unlisted[:20]:
        print(f"FAIL {case}\n  nginx: {theirs.status} {theirs.fields}\n  ours:  {own.status} "
              f"{own.fields}")
    unneeded = [name for name in RULES if not needed[name]]
    if unneeded:
        print(f"FAIL nothing needs the rules {', '.join(unneeded)}")
    return 1 if unlisted or unneeded else 0


if __name__ == "__main__":
    sys.exit(main())
