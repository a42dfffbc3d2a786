#!/usr/bin/env python3
"""What MSG_ZEROCOPY would save for large bodies: CPU time per MiB sent with it, over that without.

One process on one core sends pieces of a size to another on another core, with and without
MSG_ZEROCOPY (send(2), Documentation/networking/msg_zerocopy.rst), in turns; the notifications are
read as they must be. The CPU time is the sender's. `copied` counts the notifications in which the
kernel says that it copied all the same, as it does where the receiver is on the same machine.

Needs: Linux 4.14, two cores (python3 standard library only).
"""

import os
import select
import socket
import statistics
import struct
import time

SO_ZEROCOPY, MSG_ZEROCOPY, MSG_ERRQUEUE = 60, 0x4000000, 0x2000
# struct sock_extended_err (linux/errqueue.h): errno, origin, type, code, pad, info, data.
EXTENDED_ERROR = struct.Struct("=IBBBBII")
CODE_COPIED = 1
BYTES_A_RUN = 1 << 30
PAIRS = 7


def main():
    print(f"{'bytes a call':>12} {'copying':>14} {'zerocopy':>14} {'ratio':>24}  copied")
    for size in (16 << 10, 64 << 10, 256 << 10, 1 << 20):
        plain, zero, ratios, copied = [], [], [], 0
        for pair in range(PAIRS):
            runs = [False, True] if pair % 2 == 0 else [True, False]
            costs = {}
            for is_zerocopy in runs:
                costs[is_zerocopy], seen = run(size, is_zerocopy)
                copied += seen
            plain.append(costs[False])
            zero.append(costs[True])
            ratios.append(costs[True] / costs[False])
        print(f"{size:>12} {statistics.median(plain):>8.1f} us/MiB {statistics.median(zero):>7.1f} "
              f"us/MiB {statistics.median(ratios):>8.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
              f"  {copied}", flush=True)


def run(size, is_zerocopy):
    """The sender's CPU time in microseconds a MiB, and how often the kernel copied after all."""
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        receive(listener.getsockname())
    peer, _ = listener.accept()
    os.sched_setaffinity(0, {0})
    peer.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, int(is_zerocopy))
    flags = MSG_ZEROCOPY if is_zerocopy else 0
    data = memoryview(bytes(size))
    sent = calls = notified = copied = 0
    began = time.process_time()
    while sent < BYTES_A_RUN:
        sent += peer.send(data, flags)
        calls += 1
        if is_zerocopy and calls % 16 == 0:
            notified, copied = notifications(peer, notified, copied)
    while is_zerocopy and notified < calls:
        select.select([], [], [peer], 1)
        notified, copied = notifications(peer, notified, copied)
    took = time.process_time() - began
    peer.close()
    listener.close()
    os.waitpid(child, 0)
    return took * 1e6 / (sent / (1 << 20)), copied


def notifications(peer, notified, copied):
    """Reads what the kernel says of earlier calls: each range of them, and whether it copied."""
    while True:
        try:
            _, ancillary, _, _ = peer.recvmsg(1, 256, MSG_ERRQUEUE)
        except BlockingIOError:
            return notified, copied
        for _, _, value in ancillary:
            _, _, _, code, _, first, last = EXTENDED_ERROR.unpack_from(value)
            notified += last - first + 1
            copied += code == CODE_COPIED


def receive(address):
    os.sched_setaffinity(0, {1})
    with socket.create_connection(address) as server:
        space = bytearray(1 << 20)
        while server.recv_into(space):
            pass
    os._exit(0)


if __name__ == "__main__":
    main()
