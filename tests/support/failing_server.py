"""Ways in which a server fails."""

import json

import misbehaving_server as server_that
from misbehaving_server import GOOD_ADVICE, reply, status

WAYS_TO_FAIL = (
    status(503),
    status(429, ("Retry-After", "0")),
    server_that.reset,
    reply(b""),
    reply(b"<html>Bad gateway</html>", content_type="text/html"),
    server_that.cut(json.dumps(server_that.completion(GOOD_ADVICE)).encode(), 80),
)
