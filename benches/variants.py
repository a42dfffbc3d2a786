#!/usr/bin/env python3
"""What was tried to make corelane faster: CPU time per request of each variant over that of the
program as it is.

A variant is the same program with a constant or a few lines changed, built by other means, or
started with other flags. Each is built from a copy of the tree below target/variants and measured
in the modes that it is about, in turns with the program as it is, one server at a time with one
worker on one core and wrk on the other. The program as it is beside itself comes first: what a
variant differs by less is noise.

Needs: Linux, wrk, taskset, cargo (python3 standard library only); the variant `pgo` also
`rustup component add llvm-tools`, `static-musl` `rustup target add x86_64-unknown-linux-musl` and
musl-gcc.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

from cpu_per_request import FIELDS, MODES, compare, comparing_parser, load_with_wrk
from programs import ROOT, running, warn

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "variants"
SERVE = ["serve", "--workers", "1", "--listen", "127.0.0.1:0"]
KEEP = FIELDS + ["Connection: keep-alive"]
MODES["many"] = (1_000, KEEP, [], [])
TRAINING = ["keep-alive", "pipelined", "close"]

# In memory, for it is the server that is measured; and never longer than by one run.
LOG = ["--access-log", f"/dev/shm/corelane-access-{os.getpid()}.log", "--access-log-format"]
FRESH_LOG = ["sh", "-c", 'rm -f "$0"; exec "$@"', LOG[1]]

QUICK_ACK = """        let on: libc::c_int = 1;
        // SAFETY: the option's value is an integer that lives through the call.
        unsafe {
            libc::setsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_QUICKACK,
                (&raw const on).cast(), 4);
        }
        Ok((Stream(fd), decode(&address)?))"""
PREFETCH = """    /// Has the slot of `key` read into the cache.
    #[allow(unsafe_code, clippy::missing_panics_doc)]
    pub fn prefetch(&self, key: Key) {
        if let Some(slot) = self.slots.get(key.index as usize) {
            let line = (slot as *const Slot<T>).cast::<i8>();
            // SAFETY: a hint, which reads nothing.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<3>(line);
                std::arch::x86_64::_mm_prefetch::<3>(line.wrapping_add(64));
            }
        }
    }

    /// Takes the value named by `key` out"""
HUGE_TABLE = """        let slots: Vec<Slot<T>> = Vec::with_capacity(capacity);
        #[allow(unsafe_code)]
        // SAFETY: whole pages within the vector's allocation, and advice changes no bytes.
        unsafe {
            let begin = (slots.as_ptr() as usize).next_multiple_of(4096);
            let end = (slots.as_ptr() as usize + capacity * size_of::<Slot<T>>()) & !4095;
            libc::madvise(begin as *mut _, end.saturating_sub(begin), libc::MADV_HUGEPAGE);
        }
        Slab { slots, free: Vec::new(), capacity }"""

VARIANTS = {
    # name: (what it is, changes of the source, flags of rustc or cargo's --target, flags of serve,
    # modes)
    "events-16": ("16 readiness reports a turn instead of 256", [
        ("src/limits.rs", "EVENTS_PER_TURN: usize = 256", "EVENTS_PER_TURN: usize = 16")],
        "", [], ["keep-alive", "many"]),
    "events-1024": ("1,024 of them", [
        ("src/limits.rs", "EVENTS_PER_TURN: usize = 256", "EVENTS_PER_TURN: usize = 1024")],
        "", [], ["many"]),
    "quickack": ("TCP_QUICKACK at accept", [
        ("src/sys/stream.rs", "        Ok((Stream(fd), decode(&address)?))", QUICK_ACK)],
        "", [], ["keep-alive", "close"]),
    "prefetch": ("the slot of the connection after the next is prefetched", [
        ("src/mem/slab.rs", "    /// Takes the value named by `key` out", PREFETCH),
        ("src/worker/put_off.rs", "        for readiness in ready {\n            if readiness.token == "
         "Token::MAILBOX || readiness.token.as_listener()",
         "        for (at, readiness) in ready.iter().enumerate() {\n            if let Some(next) = "
         "ready.get(at + 2) {\n                self.connections.prefetch(Key::unpack(next.token.0"
         "));\n            }\n            if readiness.token == Token::MAILBOX || readiness.token."
         "as_listener()")],
        "", [], ["keep-alive", "many"]),
    "writev": ("every body in an I/O vector of its own instead of copied behind its head", [
        ("src/api/outbox.rs", "            if body.len() <= INLINE_BODY_BYTES_MAX {\n"
         "                self.queue.tail()", "            if body.is_empty() {\n"
         "                self.queue.tail()")],
        "", [], ["keep-alive", "pipelined"]),
    "huge-pages": ("huge pages allowed, and advised for the table of connections", [
        ("src/mem/slab.rs", "        Slab { slots: Vec::with_capacity(capacity), free: Vec::new(), "
         "capacity }", HUGE_TABLE),
        ("Cargo.toml", 'features = ["no_thp"], optional', "optional")],
        "", [], ["keep-alive", "many"]),
    "oldest-slot": ("slots are reused first in, first out instead of last in, first out", [
        ("src/mem/slab.rs", "free: Vec<u32>", "free: std::collections::VecDeque<u32>"),
        ("src/mem/slab.rs", "free: Vec::new()", "free: std::collections::VecDeque::new()"),
        ("src/mem/slab.rs", "self.free.pop()", "self.free.pop_front()"),
        ("src/mem/slab.rs", "self.free.push(", "self.free.push_back(")],
        "", [], ["close"]),
    "block-64k": ("blocks of 60 KiB instead of 32", [
        ("src/limits.rs", "BLOCK_BYTES: usize = 32 * 1024", "BLOCK_BYTES: usize = 60 * 1024")],
        "", [], ["pipelined"]),
    "native": ("built for the CPU at hand", [], "-Ctarget-cpu=native", [],
               ["keep-alive", "pipelined"]),
    "pgo": ("built by the profile of a run (keep-alive, pipelined, close)", [], "pgo", [],
            ["keep-alive", "pipelined", "close"]),
    "static-glibc": ("linked statically with glibc", [],
                     "--target=x86_64-unknown-linux-gnu -Ctarget-feature=+crt-static", [], TRAINING),
    "static-musl": ("linked statically with musl", [], "--target=x86_64-unknown-linux-musl", [],
                    TRAINING),
    "no-sampling": ("stages are not sampled", [], "", ["--stage-sampling", "0"],
                    ["keep-alive", "pipelined"]),
    "access-log": ("the access log on, combined", [], "", [*LOG, "combined"],
                   ["keep-alive", "pipelined"]),
    "access-log-json": ("the access log on, JSON", [], "", [*LOG, "json"],
                        ["keep-alive", "pipelined"]),
    "defer-accept": ("TCP_DEFER_ACCEPT", [], "", ["--defer-accept", "on"], ["close"]),
}


def main():
    options = parse_options()
    get = kept if options.kept else build
    program = get(None)
    plain = [program, *SERVE]
    servers = {}
    for name in options.variant or VARIANTS:
        _, changes, rustc, flags, _ = VARIANTS[name]
        servers[name] = [get(name) if changes or rustc else program, *SERVE, *flags]
        if LOG[1] in flags:
            servers[name] = [*FRESH_LOG, *servers[name]]
    if options.build:
        return 0
    trouble = []
    for mode in options.mode or MODES:
        names = [name for name in servers if mode in VARIANTS[name][4]]
        if not names:
            continue
        print(f"\n{mode}: {options.seconds} s a run, GET {options.path}")
        compare("as it is/as it is", plain, plain, options.pairs, mode, options, trouble)
        for name in names:
            print(f" {name}: {VARIANTS[name][0]}")
            label = f"{name}/as it is"
            compare(label, servers[name], plain, options.pairs, mode, options, trouble)
    pathlib.Path(LOG[1]).unlink(missing_ok=True)
    return warn(trouble)


def parse_options():
    parser = comparing_parser(__doc__, 2, MODES)
    parser.add_argument("--variant", action="append", choices=VARIANTS, metavar="NAME",
                        help=f"repeatable; default: all of {', '.join(VARIANTS)}")
    parser.add_argument("--build", action="store_true", help="build, measure nothing")
    parser.add_argument("--kept", action="store_true", help="measure what was built before")
    return parser.parse_args()


def kept(name):
    return str(TARGET / "programs" / (name or "as-it-is"))


def build(name):
    """The program of a variant, or the program as it is, built from a copy of the tree."""
    _, changes, rustc, _, _ = VARIANTS.get(name, ("", [], "", [], []))
    tree = TARGET / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("target", ".git", "corpus", "peers"))
    for path, before, after in changes:
        text = (tree / path).read_text()
        if before not in text:
            sys.exit(f"error: {path} is not as the variant {name} supposes: no {before!r}")
        (tree / path).write_text(text.replace(before, after))
    print(f"building {name or 'the program as it is'}", flush=True)
    program = profiled(tree) if rustc == "pgo" else compiled(tree, rustc)
    (TARGET / "programs").mkdir(exist_ok=True)
    shutil.copy(program, kept(name))
    return kept(name)


def compiled(tree, flags):
    # The target directory is this script's own, so that nobody's build is thrown away.
    target = TARGET / (f"target{flags.split('=')[0]}" if flags else "target")
    machine = [flag for flag in flags.split() if flag.startswith("--target=")]
    rustc = " ".join(flag for flag in flags.split() if flag not in machine)
    environment = os.environ | {"RUSTFLAGS": rustc, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--release", "--quiet", "--bin", "corelane", *machine]
    if subprocess.run(command, cwd=tree, env=environment, check=False).returncode != 0:
        sys.exit("error: the variant does not build")
    return target.joinpath(*(flag.split("=")[1] for flag in machine), "release", "corelane")


def profiled(tree):
    """A build by the profile that an instrumented one writes under each training load."""
    profiles = TARGET / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    instrumented = compiled(tree, f"-Cprofile-generate={profiles}")
    for mode in TRAINING:
        with running(["taskset", "-c", "0", str(instrumented), *SERVE]) as (_, base):
            load_with_wrk(f"{base}/plaintext", mode, argparse.Namespace(load_core="1", seconds=3))
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True,
                             check=True).stdout.strip()
    tools = [*pathlib.Path(sysroot).glob("lib/rustlib/*/bin/llvm-profdata")]
    if not tools:
        sys.exit("error: no llvm-profdata\nhint: rustup component add llvm-tools")
    merged = TARGET / "merged.profdata"
    subprocess.run([tools[0], "merge", "-o", merged, profiles], check=True)
    return compiled(tree, f"-Cprofile-use={merged}")


if __name__ == "__main__":
    sys.exit(main())
