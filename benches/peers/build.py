"""Builds the peers below target/peers, or says what they lack. Knows nothing of the measurement.

Nothing is written into the tree: sources are built from a copy. Packages of the system, of npm
and of PyPI are installed only when `--install` asks for it; crates are fetched by cargo.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from programs import ROOT, build as build_ours

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "peers"
SOURCES, RUN, BIN, NPM, PIP = (TARGET / name for name in ("src", "run", "bin", "npm", "pip"))
# Where Debian's golang-*-dev packages keep the sources that they are for.
GO_SOURCES = pathlib.Path("/usr/share/gocode")

install = False


class Missing(Exception):
    """Why a peer cannot be built here."""


def prepare():
    """A fresh copy of the sources, and the files that some servers can only serve as files."""
    for folder in (RUN, BIN, NPM, PIP):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE, SOURCES, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__", "*.md", "*.svg"))
    (RUN / "plaintext.txt").write_text("Hello, World!")
    (RUN / "json.json").write_text('{"message":"Hello, World!"}')


def run(command, **options):
    """What the command prints; `Missing` with its last line if it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                          **options)
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if line.strip()] or ["nothing"]
        raise Missing(f"{pathlib.Path(command[0]).name} failed: {said[-1][:120]}")
    return done.stdout


def tool(program, package):
    """The path of a program of Debian's package."""
    # Servers are often in /usr/sbin, which is not on everybody's path.
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not path and install:
        # Starting a daemon of its own is not what the package is wanted for.
        run(["apt-get", "install", "-y", "--no-install-recommends", package],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"})
        path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        raise Missing(f"no {program} (Debian: apt install {package}, or --install)")
    return path


def version_of(command):
    return re.search(r"\d+(\.\d+)+\S*", run(command)).group().rstrip(",;")


def floor():
    return [build_ours("--bench", "floor"), "--port", "{port}"], "benches/floor.rs"


def corelane():
    program = build_ours("--bin", "corelane")
    version = version_of([program, "--version"])
    return [program, "serve", "--workers", "1", "--listen", "127.0.0.1:{port}"], version


def arena():
    program = build_ours("--example", "arena")
    return [program, "127.0.0.1:{port}", "{dataset}"]


def cargo(name, crate=None):
    """A crate of this folder; the version is that of the crate it is named after."""
    def build():
        if not shutil.which("cargo"):
            raise Missing("no cargo")
        folder, built = SOURCES / name, TARGET / "cargo"
        run(["cargo", "build", "--release"], cwd=folder,
            env=os.environ | {"CARGO_TARGET_DIR": str(built)})
        listed = run(["cargo", "metadata", "--format-version=1"], cwd=folder)
        packages = json.loads(listed[listed.index("{"):])["packages"]
        version = next(p["version"] for p in packages if p["name"] == (crate or name))
        return [built / "release" / f"peer-{name}", "{port}", "{dataset}"], version
    return build


def configured(name, package, config, *arguments):
    """A server of Debian's with a configuration file of this folder."""
    def build():
        path = tool(name, package)
        version = version_of([path, "-v"])
        return [path, *arguments, f"{{config:{name}/{config}}}"], version
    return build


def go(name, package=None):
    def build():
        compiler = tool("go", "golang-go")
        environment = os.environ | {"GOCACHE": str(TARGET / "go"), "GO111MODULE": "off"}
        version = version_of([compiler, "version"])
        if package:
            debian, path = package
            if install and not (GO_SOURCES / "src" / path).is_dir():
                run(["apt-get", "install", "-y", debian])
            if not (GO_SOURCES / "src" / path).is_dir():
                raise Missing(f"no {path} (Debian: apt install {debian}, or --install)")
            environment["GOPATH"] = str(GO_SOURCES)
            version = version_of(["dpkg-query", "-W", "-f=${source:Upstream-Version}", debian])
        run([compiler, "build", "-o", BIN / name, "main.go"], cwd=SOURCES / name, env=environment)
        return [BIN / name, "{port}"], version
    return build


def node():
    path = tool("node", "nodejs")
    return [path, SOURCES / "node" / "server.js", "{port}"], version_of([path, "--version"])


def bun():
    program = NPM / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"
    if not program.exists() and install:
        run([tool("npm", "npm"), "install", "--prefix", NPM, "--no-audit", "--no-fund",
             "@oven/bun-linux-x64@1.4.5"])
    if not program.exists():
        raise Missing("no bun (npm: @oven/bun-linux-x64, by --install)")
    return [program, SOURCES / "bun" / "server.js", "{port}"], version_of([program, "--version"])


def pip(package, folder, *arguments):
    """The folder in which a package of PyPI is, and nothing else of the system's Python."""
    if not (PIP / folder).exists() and install:
        run([sys.executable, "-m", "pip", "install", "--quiet", "--target", PIP / folder,
             *arguments, package])
    if not (PIP / folder).exists():
        raise Missing(f"no {folder} (PyPI: {package}, by --install)")
    return PIP / folder


def granian():
    folder = pip("granian==2.8.7", "granian")
    # Through the environment, because the process that serves starts anew.
    command = ["env", f"PYTHONPATH={folder}:{SOURCES / 'granian'}", sys.executable, "-m",
               "granian", "--interface", "rsgi", "--workers", "1", "--runtime-threads", "1",
               "--loop", "asyncio", "--no-ws", "--http", "1", "--log-level", "error",
               "--backlog", "4096", "--port", "{port}", "app:app"]
    return command, "2.8.7"


def uwebsockets():
    folder = pip("socketify==0.0.31", "socketify", "--no-deps")
    library = folder / "socketify" / "libsocketify_linux_amd64.so"
    if "libuv.so.1 => not found" in run(["ldd", library]):
        if not install:
            raise Missing("no libuv (Debian: apt install libuv1, or --install)")
        run(["apt-get", "install", "-y", "libuv1"])
    run([tool("gcc", "gcc"), "-O2", "-o", BIN / "uwebsockets", SOURCES / "uwebsockets" / "main.c",
         library, f"-Wl,-rpath,{library.parent}", "-Wl,--allow-shlib-undefined"])
    return [BIN / "uwebsockets", "{port}"], "20, socketify 0.0.31"


def rendered(command, port, dataset):
    """The command for a port; a configuration file is written for it."""
    values = {"{port}": str(port), "{dataset}": str(dataset), "{dir}": str(RUN),
              "{files}": str(RUN)}

    def fill(text):
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    parts = []
    for part in map(str, command):
        if part.startswith("{config:"):
            source = SOURCES / part[len("{config:"):-1]
            written = RUN / source.name
            written.write_text(fill(source.read_text()))
            part = str(written)
        parts.append(fill(part))
    return [part for part in parts if part]
