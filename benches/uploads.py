#!/usr/bin/env python3
"""What uploads of large files cost the other clients of a worker: the latency of a small page while
forms with files are written to the disk, beside each other for the programs that are given.

The program is examples/upload; its files go to --directory (which must lie on a disk, not in
memory) and are removed after each run. Four clients send a form with a file each, again and
again, while one asks for the page every 2 ms. The worker runs on one core. The programs take turns.

Needs: Linux, 1.2 GB of disk (more with --forms), two cores (python3 standard library only).
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from programs import build, end, ranks, waits_for

CLIENTS, MIB = 4, 95
HEAD = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'


def main():
    options = parse_options()
    programs = options.program or [build("--example", "upload")]
    waits = {program: [] for program in programs}
    for _ in range(options.rounds):
        for program in programs:
            waits[program].append(run(program, options))
    for program, found in waits.items():
        print(f"{program}: medians of {len(found)}: P99 "
              f"{statistics.median(p99 for p99, _ in found):.1f} ms, longest wait "
              f"{statistics.median(longest for _, longest in found):.1f} ms")


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", action="append",
                        help="an examples/upload to run; may be given again (the one of this tree)")
    parser.add_argument("--directory", default="/var/tmp", help="where files go (/var/tmp)")
    parser.add_argument("--forms", type=int, default=3,
                        help="forms that each client sends (3)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program (5)")
    return parser.parse_args()


def run(program, options):
    """P99 and the longest wait for the page, in milliseconds."""
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = free.getsockname()
        command = ["taskset", "-c", "0", program, "%s:%d" % address, folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for(address)
            end_alone = time.monotonic() + 1
            alone = ranks(waits_for(address, "/", lambda: time.monotonic() < end_alone))
            uploads = [threading.Thread(target=upload, args=(address, options.forms), daemon=True)
                       for _ in range(CLIENTS)]
            began = time.monotonic()
            for thread in uploads:
                thread.start()
            is_under_way = lambda: any(thread.is_alive() for thread in uploads)
            waits = waits_for(address, "/", is_under_way)
            seconds = time.monotonic() - began
        finally:
            end(process)
        taken = sum(file.stat().st_size for file in pathlib.Path(folder).iterdir())
        assert taken == CLIENTS * options.forms * MIB << 20, f"{taken} bytes arrived"
    rank = ranks(waits)
    print(f"{program}: {len(waits)} pages, P50 {rank[0]:.2f}, P99 {rank[1]:.2f}, P99.9 "
          f"{rank[2]:.2f}, longest {rank[3]:.2f} ms (alone: P99 "
          f"{alone[1]:.2f}, longest {alone[3]:.2f}); "
          f"{CLIENTS * options.forms * MIB / seconds:.0f} MiB/s", flush=True)
    return rank[1], rank[3]


def wait_for(address):
    while True:
        try:
            return socket.create_connection(address).close()
        except ConnectionRefusedError:
            time.sleep(0.01)


def upload(address, forms):
    block = os.urandom(1 << 20)
    head = HEAD % (b"title", b"") + b"t\r\n" + HEAD % (b"file", b'; filename="f"')
    tail = b"\r\n--x--\r\n"
    length = len(head) + (MIB << 20) + len(tail)
    with socket.create_connection(address) as connection:
        for _ in range(forms):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nContent-Type: "
                               b"multipart/form-data; boundary=x\r\n\r\n%s" % (length, head))
            for _ in range(MIB):
                connection.sendall(block)
            connection.sendall(tail)
            answer = connection.recv(1 << 16)
            assert b" 200 " in answer, answer


if __name__ == "__main__":
    main()
