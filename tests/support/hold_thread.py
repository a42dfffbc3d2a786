#!/usr/bin/env python3
"""Stops one thread of a process in the middle of its work, until this program or the thread is
ended.

    hold_thread.py PID NAME     the thread whose name begins with NAME

Stopping a whole process is easy and shows less: a supervisor in it would stand still too. A thread
that waits for events is let go and caught again, so there has to be work for it.

Needs: Linux on x86-64 or AArch64, the right to trace the process (python3 standard library only).
"""

import ctypes
import os
import pathlib
import platform
import sys
import time

SEIZE, INTERRUPT, CONT = 0x4206, 0x4207, 7
ALL_CHILDREN = 0x40000000
# epoll_wait, epoll_pwait and epoll_pwait2.
WAITING = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}[platform.machine()]
TRIES = 100_000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def main():
    pid, name = sys.argv[1:]
    thread = next((task for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                   if (task / "comm").read_text().startswith(name)), None)
    if not thread:
        sys.exit(f"error: process {pid} has no thread {name}")
    tid = int(thread.name)
    trace(SEIZE, tid)
    for _ in range(TRIES):
        trace(INTERRUPT, tid)
        os.waitpid(tid, ALL_CHILDREN)
        if (thread / "syscall").read_text().split()[0] not in WAITING:
            print(f"holding {name}", flush=True)
            # Killed, it would stay as long as nobody takes notice of its end.
            os.waitpid(tid, ALL_CHILDREN)
            return
        trace(CONT, tid)
        time.sleep(0.0001)
    sys.exit(f"error: thread {name} only waits")


def trace(request, tid):
    if libc.ptrace(request, tid, None, None) == -1:
        error = ctypes.get_errno()
        sys.exit(f"error: ptrace({request:#x}) of {tid}: {os.strerror(error)}")


if __name__ == "__main__":
    main()
