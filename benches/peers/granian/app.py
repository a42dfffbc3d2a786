"""An application of granian's own interface (RSGI)."""

import json

HEADERS = [("server", "gra")]
TEXT = [*HEADERS, ("content-type", "text/plain")]
JSON = [*HEADERS, ("content-type", "application/json")]


async def app(scope, proto):
    if scope.path == "/plaintext":
        proto.response_str(200, TEXT, "Hello, World!")
    elif scope.path == "/json":
        message = {"message": "Hello, World!"}
        proto.response_str(200, JSON, json.dumps(message, separators=(",", ":")))
    else:
        proto.response_empty(404, HEADERS)
