#!/usr/bin/env python3
"""What the limits cost: CPU time per request with them, over that without them.

The same program runs three times: with the limits that it has by default, with those set besides
that it does not have by default, and with every limit off or as high as it can be set. One server
at a time runs alone on one core with one worker; wrk runs on another. The runs alternate. Exits
with 1 if a median is above its limit, which the noise between two runs without limits, printed
first, must be below for the verdict to mean anything.

Needs: Linux, wrk, taskset, cargo (python3 standard library only).
"""

import sys

from cpu_per_request import USUAL_MODES, compare, comparing_parser
from programs import build, warn

RATIO_MAX = 1.02
SERVE = ["serve", "--workers", "1", "--listen", "127.0.0.1:0"]
# What a server behind a proxy sets; none of it is met by a client on the loopback device.
SET = [
    "--connections-per-address-max", "10000", "--requests-max", "100000000",
    "--proxy-protocol-from", "10.0.0.0/8", "--trusted-proxies", "10.0.0.0/8,192.168.0.0/16",
]
# 0 is off; where there is no off, the most that may be set.
OFF = [
    "--head-bytes-max", "16k", "--fields-max", "100", "--target-bytes-max", "16k",
    "--body-bytes-max", "1024g", "--upload-bytes-max", "1024g", "--memory-max", "1024g",
    "--requests-max", "4294967295", "--connections-max", "16000",
    "--connections-soft-max", "1048576", "--pipelined-max", "1048576",
    "--head-time", "24h", "--body-time", "24h", "--idle-time", "24h", "--send-time", "24h",
    "--later-time", "24h", "--lifetime-max", "24h", "--rate-time", "24h",
    "--user-timeout", "24h", "--linger-time", "24h", "--drain-time", "24h",
    "--receive-rate-min", "0", "--send-rate-min", "0", "--notsent-bytes", "0",
    "--overload-delay", "0s", "--stall-time", "0s",
]


def main():
    options = parse_options()
    program = options.program or build("--bin", "corelane")
    servers = {name: [program, *SERVE, *flags]
               for name, flags in (("default", []), ("set", SET), ("off", OFF))}
    trouble, dear = [], []
    for mode in options.mode or USUAL_MODES:
        print(f"\n{mode}: {options.seconds} s a run, GET {options.path}")
        noise = max(1, options.pairs // 3)
        compare("off/off", servers["off"], servers["off"], noise, mode, options, trouble)
        for name in ("default", "set"):
            ratio = compare(f"{name}/off", servers[name], servers["off"], options.pairs, mode,
                            options, trouble)
            if ratio > RATIO_MAX:
                dear.append(f"{mode}, {name}: {ratio:.3f}, at most {RATIO_MAX}")
    code = warn(trouble)
    for problem in dear:
        print(f"FAIL: {problem}")
    if not dear and not trouble:
        print(f"\nPASS: no median is above {RATIO_MAX}")
    return 1 if dear else code


def parse_options():
    parser = comparing_parser(__doc__, 4, USUAL_MODES)
    parser.add_argument("--program", help="instead of the release build of this folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
