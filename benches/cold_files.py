#!/usr/bin/env python3
"""What files that are not in memory cost the other clients of a worker: the latency of a small
file while large ones are read from the disk, beside each other for the programs that are given.

The large files are written to --directory (which must lie on a disk, not in memory) and forgotten
by the kernel before each run; six clients download one each while one asks for a small file every
2 ms. The worker runs on one core. The programs take turns.

Needs: Linux, 1.2 GB of disk, two cores (python3 standard library only).
"""

import argparse
import pathlib
import os
import socket
import statistics
import tempfile
import threading
import time

from programs import build, ranks, running, waits_for

FILES, MIB = 6, 200


def main():
    options = parse_options()
    programs = options.program or [build("--bin", "corelane")]
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = pathlib.Path(name)
        write(directory)
        longest = {program: [] for program in programs}
        for _ in range(options.rounds):
            for program in programs:
                longest[program].append(run(program, directory))
        for program, times in longest.items():
            print(f"{program}: longest wait, median of {len(times)}: "
                  f"{statistics.median(times):.1f} ms")


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", action="append",
                        help="a corelane to run; may be given again (the one of this tree)")
    parser.add_argument("--directory", default="/var/tmp", help="where the files are (/var/tmp)")
    parser.add_argument("--rounds", type=int, default=6, help="runs of each program (6)")
    return parser.parse_args()


def write(directory):
    (directory / "small.txt").write_text("x" * 1000)
    for index in range(FILES):
        with open(directory / f"large{index}", "wb") as file:
            for _ in range(MIB):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())


def forget(directory):
    for index in range(FILES):
        with open(directory / f"large{index}", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(program, directory):
    """The longest wait for the small file, in milliseconds."""
    command = ["taskset", "-c", "0", program, "serve", "--workers", "1",
               "--listen", "127.0.0.1:0", "--root", str(directory)]
    with running(command) as (_, url):
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        forget(directory)
        downloads = [threading.Thread(target=download, args=(address, index), daemon=True)
                     for index in range(FILES)]
        began = time.monotonic()
        for thread in downloads:
            thread.start()
        is_under_way = lambda: any(thread.is_alive() for thread in downloads)
        waits = waits_for(address, "/small.txt", is_under_way)
        seconds = time.monotonic() - began
    rank = ranks(waits)
    print(f"{program}: {len(waits)} small files, P50 {rank[0]:.2f}, P99 {rank[1]:.2f}, "
          f"P99.9 {rank[2]:.2f}, longest {rank[3]:.2f} ms; {FILES * MIB / seconds:.0f} MiB/s",
          flush=True)
    return rank[3]


def download(address, index):
    space = bytearray(1 << 18)
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /large%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % index)
        while connection.recv_into(space):
            pass


if __name__ == "__main__":
    main()
