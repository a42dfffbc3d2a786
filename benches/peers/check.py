"""Asks a server over plain sockets whether it answers as the measurement supposes."""

import email.utils
import json
import socket
import time

UPLOAD_BYTES = 20 << 20
PIPELINED = 16
SECONDS = 10


class Wrong(Exception):
    """An answer that makes a measurement worthless."""


class Client:
    """One connection that sends bytes and reads whole answers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def ask(self, method, target, fields=(), body=b""):
        head = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]
        self.socket.sendall("\r\n".join(head).encode() + body)
        return self.answer()

    def answer(self):
        """Status, fields by lower-case name, and body of the next answer."""
        line = self.file.readline()
        if not line:
            raise Wrong("closed without an answer")
        status = int(line.split()[1])
        fields = {}
        while (line := self.file.readline().strip()):
            name, value = line.decode("latin-1").split(":", 1)
            fields[name.lower()] = value.strip()
        if fields.get("transfer-encoding") == "chunked":
            return status, fields, self.chunks()
        return status, fields, self.file.read(int(fields.get("content-length", 0)))

    def chunks(self):
        body = b""
        while (size := int(self.file.readline().split(b";")[0], 16)):
            body += self.file.read(size)
            self.file.readline()
        self.file.readline()
        return body


def plain(port):
    """Checks the two constant answers; returns remarks on what is left out of them."""
    remarks = []
    with Client(port) as client:
        for _ in range(2):
            answer = client.ask("GET", "/plaintext")
            want(answer, b"Hello, World!", "text/plain", remarks)
        status, fields, body = client.ask("GET", "/json")
        if status != 200 or json.loads(body) != {"message": "Hello, World!"}:
            raise Wrong(f"/json answers {status} {body[:60]!r}")
        if not fields.get("content-type", "").startswith("application/json"):
            remarks.append("another type for JSON")
    return remarks + pipelining(port) + closing(port)


def want(answer, body, kind, remarks):
    status, fields, got = answer
    if status != 200 or got != body:
        raise Wrong(f"answers {status} {got[:60]!r}")
    if not fields.get("content-type", "").startswith(kind):
        raise Wrong(f"Content-Type is {fields.get('content-type')!r}")
    if "content-length" not in fields:
        raise Wrong("no Content-Length")
    if "server" not in fields:
        remarks.append("no Server")
    if "date" not in fields:
        remarks.append("no Date")
    else:
        date = email.utils.parsedate_to_datetime(fields["date"])
        if abs(date.timestamp() - time.time()) > 5:
            remarks.append("Date is late")


def pipelining(port):
    """Whether requests sent at once get as many answers."""
    with Client(port) as client:
        client.socket.sendall(b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * PIPELINED)
        client.socket.settimeout(2)
        for count in range(PIPELINED):
            try:
                client.answer()
            except (OSError, Wrong, IndexError, ValueError):
                return [f"{count} of {PIPELINED} pipelined answers"]
    return []


def fails_pipelining(remarks):
    return any("pipelined" in remark for remark in remarks)


def closing(port):
    """Whether `Connection: close` is followed."""
    with Client(port) as client:
        client.ask("GET", "/plaintext", ["Connection: close"])
        client.socket.settimeout(2)
        try:
            left = client.file.read(1)
        except ConnectionResetError:
            return ["resets instead of closing"]
        except OSError:
            return ["ignores Connection: close"]
    return ["sends more than its answer"] if left else []


def arena(port, dataset):
    """The endpoints of the arena's profile of HTTP/1.1, by a dataset that is read here too."""
    with Client(port) as client:
        sums = [
            (client.ask("GET", "/baseline11?a=13&b=42"), b"55"),
            (client.ask("POST", "/baseline11?a=13&b=42", ["Content-Length: 2"], b"20"), b"75"),
            (client.ask("POST", "/baseline11?a=13&b=42", ["Transfer-Encoding: chunked"],
                        b"2\r\n20\r\n0\r\n\r\n"), b"75"),
        ]
        for answer, body in sums:
            want(answer, body, "text/plain", [])
        items(client, dataset)
        upload(client)
    return []


def items_and_upload(port, dataset):
    with Client(port) as client:
        items(client, dataset)
        upload(client)
    return []


def items(client, dataset):
    status, _, body = client.ask("GET", "/json/12?m=3")
    wanted = [item | {"total": item["price"] * item["quantity"] * 3}
              for item in json.loads(dataset.read_text())[:12]]
    if status != 200 or json.loads(body) != {"items": wanted, "count": 12}:
        raise Wrong(f"/json/12?m=3 answers {status} {body[:60]!r}")


def upload(client):
    body = bytes(UPLOAD_BYTES)
    answer = client.ask("POST", "/upload", [f"Content-Length: {UPLOAD_BYTES}"], body)
    want(answer, str(UPLOAD_BYTES).encode(), "text/plain", [])
