"""Makes a site that uses what browsers use: images, a font, a video, a download, listings, rules of
caching. Knows nothing of the server but the keys of its configuration."""

import base64
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import zlib

PAGE = pathlib.Path(__file__).parent / "page"
FONT = pathlib.Path("/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf")
DOWNLOAD_BYTES = 60_000_000
BLOCKS, BLOCK_SECONDS, FRAMES_A_SECOND = 12, 10, 2

CONFIG = """
listen = ["127.0.0.1:0", "127.0.0.2:0"]
access-log = "access.log"
access-log-format = "json"

[[route]]
path = "/api/services"
body = '{"services": ["files", "ranges", "routes"]}'
headers = { Content-Type = "application/json", Cache-Control = "no-store" }

[[route]]
path = "/docs"
files = "docs"
listing = true
error-pages = { 404 = "404.html" }

[[route]]
path = "/"
files = "public"
precompressed = true
fallback = "index.html"
headers = { X-Content-Type-Options = "nosniff", Access-Control-Allow-Origin = "*" }
cache-control = [["assets/**", "max-age=31536000, immutable"], ["*.html", "no-cache"],
  ["*.js", "no-cache"], ["*.css", "no-cache"]]
"""

# Each end of a name, and the type that a browser needs for it.
TYPES = {
    "woff2": "font/woff2", "mjs": "text/javascript; charset=utf-8", "webm": "video/webm",
    "mp4": "video/mp4", "wav": "audio/wav", "wasm": "application/wasm", "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json", "map": "application/json", "avif": "image/avif",
    "unknown": "application/octet-stream",
}


def make(folder):
    """The site but for its video, with its configuration, in `folder`."""
    public, docs = folder / "public", folder / "docs"
    for directory in (public / "assets", public / "types", docs / "deep"):
        directory.mkdir(parents=True)
    for page in PAGE.iterdir():
        where = docs if page.name == "404.html" else public
        shutil.copyfile(page, where / page.name)
    for name in ("styles.css", "app.js"):
        _compress(public / name)
    (public / "assets/picture.png").write_bytes(png(480, 160))
    if FONT.exists():
        (public / "assets/text.woff").write_bytes(woff(FONT.read_bytes()))
    (public / "assets/empty.wasm").write_bytes(b"\0asm\1\0\0\0")
    for end in TYPES:
        (public / f"types/a.{end}").write_bytes(b"x")
    (public / "download.bin").write_bytes(random.Random(1).randbytes(DOWNLOAD_BYTES))
    for name in ("a & b.txt", "größe.txt", "100%.txt", "<i>.txt", "deep/x.txt"):
        (docs / name).write_text("text\n" * 300)
    for number in range(12):
        (docs / f"report-{number + 1:02}.pdf").write_bytes(bytes(10 ** (number % 7)))
    (folder / "corelane.toml").write_text(CONFIG)


def _compress(path):
    text = path.read_bytes()
    pathlib.Path(f"{path}.gz").write_bytes(gzip.compress(text))
    # Python's own library has no brotli, Node's has.
    if node := shutil.which("node"):
        script = ("const z = require('zlib'), f = require('fs');"
                  "f.writeFileSync(process.argv[1] + '.br',"
                  " z.brotliCompressSync(f.readFileSync(process.argv[1])))")
        subprocess.run([node, "-e", script, str(path)], check=True)


def png(width, height):
    """A picture of colours that run into each other."""
    def chunk(kind, data):
        sum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", sum)

    rows = b"".join(
        b"\0" + bytes(c for x in range(width)
                      for c in (255 * x // width, 255 * y // height, 160))
        for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def woff(font):
    """A TrueType font in WOFF 1.0: its tables, each deflated."""
    count = struct.unpack(">H", font[4:6])[0]
    entries, data, whole = b"", b"", 12 + 16 * count
    at = 44 + 20 * count
    for index in range(count):
        tag, sum, start, size = struct.unpack(">4sIII", font[12 + 16 * index:28 + 16 * index])
        table = font[start:start + size]
        packed = min(zlib.compress(table, 9), table, key=len)
        entries += struct.pack(">4sIIII", tag, at + len(data), len(packed), size, sum)
        data += packed + bytes(-len(packed) % 4)
        whole += size + -size % 4
    head = struct.pack(">4s4sIHHIHHIIIII", b"wOFF", font[:4], at + len(data), count, 0, whole,
                       1, 0, 0, 0, 0, 0, 0)
    return head + entries + data


# What makes the pictures of the video: noise that does not compress, and a field whose grey tells
# the block. A lossy WebP is one key frame of VP8.
PICTURES = """(() => {
    const canvas = new OffscreenCanvas(640, 360), paint = canvas.getContext("2d", {alpha: false});
    const picture = async block => {
        const noise = paint.createImageData(640, 360), words = new Uint32Array(noise.data.buffer);
        let state = block + 1;
        for (let i = 0; i < words.length; i++) {
            state = (state * 1664525 + 1013904223) >>> 0;
            words[i] = 0xff000000 | (state >>> 8);
        }
        paint.putImageData(noise, 0, 0);
        paint.fillStyle = `rgb(${20 * block}, ${20 * block}, ${20 * block})`;
        paint.fillRect(0, 0, 320, 360);
        const blob = await canvas.convertToBlob({type: "image/webp", quality: 0.9});
        const bytes = new Uint8Array(await blob.arrayBuffer());
        return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
    };
    return Promise.all(Array.from({length: BLOCKS}, async (_, block) => [block]))
        .then(async blocks => { const all = [];
            for (const [block] of blocks) all.push(await picture(block)); return all; });
})()""".replace("BLOCKS", str(BLOCKS))


def write_video(path, pictures):
    """Two minutes of WebM (VP8) whose every frame can be seeked to, its index at the end."""
    path.write_bytes(webm([_vp8(base64.b64decode(picture)) for picture in pictures]))


def _vp8(webp):
    at = 12
    while at < len(webp):
        kind, size = struct.unpack("<4sI", webp[at:at + 8])
        if kind == b"VP8 ":
            return webp[at + 8:at + 8 + size]
        at += 8 + size + size % 2
    raise ValueError("the picture is not lossy")


def element(id, *parts):
    """An element of EBML: its identifier, its length in eight bytes, its content."""
    content = b"".join(
        part if isinstance(part, bytes) else struct.pack(">Q", part) for part in parts)
    size = struct.pack(">Q", 1 << 56 | len(content))
    return bytes.fromhex(id) + size + content


def webm(frames):
    ebml = element("1a45dfa3", element("4282", b"webm"), element("4287", 2), element("4285", 2))
    info = element("1549a966", element("2ad7b1", 1_000_000), element("4d80", b"corelane"),
                   element("5741", b"corelane"),
                   element("4489", struct.pack(">d", 1000.0 * BLOCK_SECONDS * len(frames))))
    video = element("e0", element("b0", 640), element("ba", 360))
    tracks = element("1654ae6b", element("ae", element("d7", 1), element("73c5", 1),
                                         element("83", 1), element("86", b"V_VP8"), video))

    def seek_head(cues_at):
        return element("114d9b74", element("4dbb", element("53ab", bytes.fromhex("1c53bb6b")),
                                           element("53ac", cues_at)))

    at = len(seek_head(0)) + len(info) + len(tracks)
    clusters, cues = [], []
    for second in range(BLOCK_SECONDS * len(frames)):
        frame = frames[second // BLOCK_SECONDS]
        blocks = [element("a3", b"\x81" + struct.pack(">hB", 1000 * n // FRAMES_A_SECOND, 0x80),
                          frame) for n in range(FRAMES_A_SECOND)]
        clusters.append(element("1f43b675", element("e7", 1000 * second), *blocks))
        cues.append(element("bb", element("b3", 1000 * second),
                            element("b7", element("f7", 1), element("f1", at))))
        at += len(clusters[-1])
    return ebml + element("18538067", seek_head(at), info, tracks, *clusters,
                          element("1c53bb6b", *cues))
