#!/usr/bin/env python3
"""A site used in a real browser: what it shows, what went over the wire, and what the log says.

    tests/browser/check.py [--keep DIR] [PROGRAM]    without PROGRAM this folder's release build

The site has styles and a script with compressed siblings, a font, pictures, a video of two minutes,
a download of 60 MB, JSON, views of one page, listings and pages of errors. Chromium loads it, loads
it again, seeks in the video, breaks the download off and resumes it. Every request has to have its
end; its status and its bytes have to be those of the access log. --keep leaves screenshots,
network.json and the log in DIR. Without Chromium it says so and ends with 77. Traffic stays on the
loopback device (python3 standard library only).
"""

import argparse
import collections
import hashlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import made_site
from chromium import Chromium, find

HERE = pathlib.Path(__file__).resolve().parent
SEEKS = [115, 3, 62, 118.5, 47, 99, 0, 31]


class Check:
    """What is looked at, and what of it was not as it should be."""

    def __init__(self):
        self.failed = 0

    def that(self, name, is_so, seen=""):
        self.failed += not is_so
        print(f"{'ok  ' if is_so else 'FAIL'}  {name}{f': {seen}' if seen != '' else ''}")

    def same(self, name, seen, wanted):
        self.that(name, seen == wanted, seen if seen == wanted else f"{seen}, not {wanted}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("program", nargs="?")
    options = parser.parse_args()
    browser = find()
    if browser is None:
        print("skip: Chromium is not installed")
        sys.exit(77)
    program = options.program or build()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kept = options.keep or folder / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        sys.exit(run(program, browser, folder, kept))


def build():
    root = HERE.parent.parent
    command = ["cargo", "build", "--release", "--bin", "corelane", "--message-format=json"]
    built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, built.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable"))


def run(program, browser, folder, kept):
    check = Check()
    made_site.make(folder)
    page = Chromium(browser, folder / "profile", kept / "net-log.json")
    made_site.write_video(folder / "public/assets/video.webm", page.run(made_site.PICTURES))
    server = subprocess.Popen([program, "--config", "corelane.toml", "--report", "json"],
                              cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        urls, said = [], ""
        while len(urls) < 2:
            line = server.stderr.readline()
            said += line
            if not line:
                sys.exit(f"error: the server did not start: {said}")
            urls += re.findall(r"http://[\d.]+:\d+", line)
        for use in (first_visit, second_visit, seeking, download, types, elsewhere, other_pages):
            print(f"--- {use.__doc__}")
            use(check, page, urls, kept, folder)
            page.settle()
    finally:
        page.close()
        server.send_signal(signal.SIGINT)
        report = server.communicate(timeout=60)[0]
    (kept / "access.log").write_text((folder / "access.log").read_text())
    log = [json.loads(line) for line in (folder / "access.log").read_text().splitlines()]
    print("--- the network of the browser beside the access log")
    wire(check, page, log, kept)
    totals = json.loads(report)["total"]
    counted = totals["requests"] + totals["events"]["answers_unfinished"]
    check.same("answers in the report, whole and unfinished", counted, len(log))
    ends = {name: count for name, count in totals["closes"].items() if count}
    print(f"      connections {totals['connections']}, ended: {ends}")
    refused = {name: count for name, count in totals["refusals"].items() if count}
    check.same("refusals", refused, {})
    print(f"{check.failed} of the checks failed" if check.failed else "every check holds")
    return 1 if check.failed else 0


def asked(page, target, since=0):
    return [r for r in page.all[since:] if r.target == target]


def ready(page):
    page.run("""new Promise(done => { const look = () => document.documentElement.dataset.ready
        ? done() : setTimeout(look, 10); look(); })""")


def shots(page, kept, name):
    page.screenshot(kept / f"{name}-light.png")
    page.screenshot(kept / f"{name}-dark.png", scheme="dark")
    page.screenshot(kept / f"{name}-390.png", width=390)
    page.screenshot(kept / f"{name}-390-dark.png", width=390, scheme="dark")


def first_visit(check, page, urls, kept, _):
    """the first visit"""
    page.open(urls[0] + "/")
    ready(page)
    check.same("picture", page.run("document.getElementById('picture').naturalWidth"), 480)
    check.same("styles", page.run("getComputedStyle(document.body).maxWidth"), "640px")
    if made_site.FONT.exists():
        faces = page.run("[...document.fonts].map(face => face.status).join()")
        check.same("font", faces, "loaded")
    check.same("service", page.run("document.querySelectorAll('#services li').length"), 3)
    check.same("video's length", page.run("document.getElementById('video').duration"), 120)
    shots(page, kept, "page")
    page.settle()
    for target in ("/styles.css", "/app.js"):
        request = asked(page, target)[0]
        offered = request.asked.get("accept-encoding", "")
        coding = request.fields.get("content-encoding")
        has_brotli = "br" in offered and request.fields.get("vary") == "Accept-Encoding"
        check.that(f"{target} compressed", coding in ("br", "gzip") and has_brotli,
                   f"{coding} of {offered}")
    check.same("mistakes of the page", page.problems, [])


def second_visit(check, page, urls, *_):
    """the same again: what is known is not sent again"""
    since = len(page.all)
    page.reload()
    ready(page)
    page.settle()
    statuses = {target: [(r.status, r.from_cache) for r in asked(page, target, since)]
                for target in ("/", "/styles.css", "/app.js", "/assets/picture.png")}
    for target in ("/", "/styles.css", "/app.js"):
        check.that(f"{target} not modified", statuses[target][0][0] == 304, statuses[target])
    cached = statuses["/assets/picture.png"]
    check.that("the immutable is not asked for", all(c for _, c in cached), cached)


def seeking(check, page, *_):
    """seeking in the video"""
    since = len(page.all)
    for seconds in SEEKS:
        grey = page.run(f"site.seek({seconds})")
        block = int(seconds // made_site.BLOCK_SECONDS)
        check.that(f"the frame at {seconds} s", abs(grey - 20 * block) < 8, grey)
    # Each seek that overtakes another breaks its request off.
    page.run("""(async () => { const video = document.getElementById('video');
        for (let n = 0; n < 30; n++) { video.currentTime = (n * 37) % 120;
            await new Promise(done => setTimeout(done, 15)); }
        await new Promise(done => { if (!video.seeking) done();
            video.addEventListener('seeked', done, { once: true }); }); })()""")
    page.run("""(() => { const video = document.getElementById('video');
        video.removeAttribute('src'); video.load(); })()""")
    page.settle()
    videos = asked(page, "/assets/video.webm")
    for request in videos:
        print(f"      {request.asked.get('range', '-'):22} -> {request.status}"
              f" {request.fields.get('content-range', '-'):34} {request.end}"
              f"{' (cache)' if request.from_cache else ''}")
    check.that("parts were asked for", len(asked(page, "/assets/video.webm", since)) > 0)
    sent = [r for r in videos if not r.from_cache and r.status]
    check.same("statuses", sorted({r.status for r in sent}), [206])
    first = [r.asked.get("range") for r in videos][0]
    check.same("the first range", first, "bytes=0-")
    wrong = [r.asked["range"] for r in sent if not is_answered(r)]
    check.same("ranges answered by others", wrong, [])


def is_answered(request):
    """Whether the part that came begins where it was asked for."""
    begin = re.fullmatch(r"bytes=(\d+)-(\d*)", request.asked["range"])
    got = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.fields.get("content-range", ""))
    last = int(begin[2]) if begin and begin[2] else int(got[3]) - 1 if got else None
    return bool(begin and got and begin[1] == got[1] and int(got[2]) == last)


def download(check, page, _urls, _kept, folder):
    """a download that is broken off and resumed"""
    path = folder / "public/download.bin"
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    for after in (1, 1_000_000, 25_000_000):
        got = page.run(f"site.resume('/download.bin', {after})")
        ranges = f"bytes {got['length']}-{made_site.DOWNLOAD_BYTES - 1}/{made_site.DOWNLOAD_BYTES}"
        check.same(f"resumed behind {got['length']} bytes", (got["status"], got["range"]),
                   (206, ranges))
        check.same("the same bytes", got["sum"], wanted)
    # The file is another one meanwhile: all of it is sent.
    got = page.run("site.resume('/download.bin', 1000000, '\"another\"')")
    check.same("with another's tag", (got["status"], got["sum"]), (200, wanted))


def types(check, page, *_):
    """types of content, and no guessing"""
    for end, kind in made_site.TYPES.items():
        check.same(end, page.run(f"site.type('/types/a.{end}')"), [200, kind, "nosniff"])
    check.same("WebAssembly while it loads", page.run("site.wasm('/assets/empty.wasm')"), True)


def elsewhere(check, page, urls, *_):
    """a font of another origin"""
    if not made_site.FONT.exists():
        print("skip  no font is installed")
        return
    page.open(urls[1] + "/")
    ready(page)
    address = json.dumps(urls[0] + "/assets/text.woff")
    check.same("font", page.run(f"site.font({address}).catch(error => error.name)"), "loaded")


def other_pages(check, page, urls, kept, _):
    """a view, a listing, a page of errors"""
    page.open(urls[0] + "/app/some/where")
    ready(page)
    view = page.run("document.getElementById('view').textContent")
    check.same("view", view, "You are at /app/some/where.")
    page.open(urls[0] + "/docs")
    check.same("listing", page.run("location.pathname"), "/docs/")
    shots(page, kept, "listing")
    names = page.run("[...document.links].map(link => link.textContent)")
    check.that("names", {"a & b.txt", "größe.txt", "100%.txt", "<i>.txt", "deep/"} < set(names),
               len(names))
    links = page.run("Promise.all([...document.links].map(link =>"
                     " fetch(link.href).then(async got => (await got.arrayBuffer(), got.status))))")
    check.same("where they lead", set(links), {200})
    page.open(urls[0] + "/docs/none.html")
    check.same("page of errors", page.run("document.querySelector('h1').textContent"),
               "There is no such document")
    shots(page, kept, "missing")
    check.same("mistakes of the pages", page.problems, [])


def wire(check, page, log, kept):
    """Each request that went over the wire is a line of the log, and each line is one."""
    network = [vars(r) | {"target": r.target} for r in page.all]
    (kept / "network.json").write_text(json.dumps(network, indent=1))
    ends = collections.Counter(r.end for r in page.all)
    check.that("every request has an end", set(ends) <= {"finished", "cancelled"}, dict(ends))
    broken_off = {r.target for r in page.all if r.end == "cancelled"}
    sent = transactions(kept / "net-log.json")
    count = collections.Counter
    # One that was broken off before its answer came has no status here.
    seen = count(request[:3] for request in sent if request[2])
    logged = count((r["method"], r["target"], r["status"]) for r in log)
    check.same("answers only in the browser", dict(seen - logged), {})
    early = count(request[:2] for request in sent if not request[2])
    rest = count(key[:2] for key in (logged - seen).elements())
    check.same("answers only in the log, but for requests broken off", dict(rest - early), {})
    whole = count((r["method"], r["target"], r["status"], r["body_bytes"])
                  for r in log if not r.get("cut"))
    others = count(key[:2] for key in (whole - count(sent)).elements())
    check.same("whole answers of other lengths, but for those", dict(others - early), {})
    cut = count(r["target"] for r in log if r.get("cut"))
    check.that("cut ones are of requests that were broken off", set(cut) <= broken_off, dict(cut))
    ports = count(r["peer_port"] for r in log)
    check.that("connections are used again", len(ports) < len(log) - len(cut),
               f"{len(log)} requests on {len(ports)} connections, {cut.total()} cut")
    print(f"      statuses in the log: {dict(sorted(count(r['status'] for r in log).items()))}")


def transactions(path):
    """Method, target, status and bytes of body of each request on the wire, from the net log."""
    log = json.loads(path.read_text())
    names = {number: name for name, number in log["constants"]["logEventTypes"].items()}
    sent = []
    open_ones = {}
    for event in log["events"]:
        name, source = names[event["type"]], event["source"]["id"]
        if name == "HTTP_TRANSACTION_SEND_REQUEST_HEADERS":
            method, target, _ = event["params"]["line"].split()
            open_ones[source] = len(sent)
            sent.append((method, target, None, 0))
        elif name == "HTTP_TRANSACTION_READ_RESPONSE_HEADERS":
            lines = event["params"]["headers"]
            status = int(lines[0].split()[1])
            method, target, *_ = sent[open_ones[source]]
            fields = dict(line.lower().split(": ", 1) for line in lines[1:])
            has_body = method != "HEAD" and status != 304
            length = int(fields.get("content-length", 0)) if has_body else 0
            sent[open_ones[source]] = (method, target, status, length)
    return sent


if __name__ == "__main__":
    main()
