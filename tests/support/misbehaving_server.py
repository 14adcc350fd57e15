"""A real HTTP server on loopback that answers well or badly, as each test says; by itself it speaks like OpenAI."""

import json
import socket
import socketserver
import struct
import threading
from contextlib import contextmanager
from email.utils import format_datetime

GOOD_ADVICE = '{"rationale": "Below.", "regime": {"label": "bear"}, "action": {"type": "exit", "confidence": 0.7}}'
MODEL = "tiny-model"
FINGERPRINT = "build-1"


class Server:
    """``behave(turn, body)`` gives the behaviour for each chat request; ``requests`` keeps what was asked, as (path,
    headers, body)."""

    def __init__(self, behave):
        self.behave = behave
        self.requests = []
        self.listed = None  # what answers a question without a body, in place of the list of models
        self.models = []
        self.open_now = self.most_open = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.handle(self)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                """A reader that went away is what some tests want."""

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.port = self._listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def questions(self):
        """The bodies of the chat requests."""
        asked = ("/chat/completions", "/converse", "/converse-stream")
        return [body for path, _, body in self.requests if path.endswith(asked)]

    def handle(self, connection):
        line = connection.rfile.readline().decode()
        if not line:
            return
        path = line.split()[1]
        headers = {}
        while text := connection.rfile.readline().decode().strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        raw = connection.rfile.read(int(headers.get("content-length", 0)))
        body = json.loads(raw) if raw else None
        with self._lock:
            turn = len(self.questions)
            self.requests.append((path, headers, body))
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
        try:
            listed = json.dumps({"object": "list", "data": self.models}).encode()
            behaviour = self.behave(turn, body) if body is not None else self.listed or reply(listed)
            behaviour(connection, self)
        finally:
            with self._lock:
                self.open_now -= 1

    def close(self):
        self.stopping.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


@contextmanager
def serving(behave):
    """A server for the length of a test; ``behave`` is a behaviour, or what ``by_turns`` made."""
    server = Server(behave if behave.__name__ == "by_turn" else lambda turn, body: behave)
    try:
        yield server
    finally:
        server.close()


def by_turns(function):
    """Mark a function of (turn, body) as one that chooses the behaviour."""

    def by_turn(turn, body):
        return function(turn, body)

    return by_turn


def completion(text, *, model=MODEL, fingerprint=FINGERPRINT, finish="stop"):
    """The body of a whole answer."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "system_fingerprint": fingerprint,
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def head(status=200, content_type="application/json", length=None, headers=()):
    lines = [f"HTTP/1.1 {status} Something", f"Content-Type: {content_type}", "Connection: close"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reply(body, **how):
    """Send these bytes as a whole body."""

    def behave(connection, server):
        connection.wfile.write(head(length=len(body), **how) + body)

    return behave


def answer(text=GOOD_ADVICE, **how):
    """Answer well, with this text."""
    return reply(json.dumps(completion(text, **how)).encode())


def status(code, *headers, message="No."):
    """Refuse with a status and an error object."""
    return reply(json.dumps({"error": {"message": message, "type": "t"}}).encode(), status=code, headers=headers)


def hang(connection, server):
    """Read the request and never answer."""
    server.stopping.wait(30)


def drip(connection, server):
    """One byte at a time, each in time for a reader that counts the silence only."""
    connection.wfile.write(head(length=100_000))
    while not server.stopping.wait(0.03):
        connection.wfile.write(b" ")
        connection.wfile.flush()


def cut(body, at):
    """Promise the whole body, send a part, and close."""

    def behave(connection, server):
        connection.wfile.write(head(length=len(body)) + body[:at])

    return behave


def reset(connection, server):
    """Begin an answer and reset the connection."""
    body = json.dumps(completion(GOOD_ADVICE)).encode()
    connection.wfile.write(head(length=len(body)) + body[:40])
    connection.wfile.flush()
    connection.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.connection.close()


def stream(*pieces, model=MODEL, finish="stop", end=b"data: [DONE]\n\n"):
    """Answer in server-sent events, one for each piece; ``end`` is what comes last."""

    def event(delta, finish=None):
        chunk = {"model": model, "system_fingerprint": FINGERPRINT}
        chunk["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return f"data: {json.dumps(chunk)}\n\n".encode()

    def behave(connection, server):
        connection.wfile.write(head(content_type="text/event-stream"))
        for piece in pieces:
            connection.wfile.write(event({"content": piece}))
            connection.wfile.flush()
        if finish:
            connection.wfile.write(event({}, finish))
        connection.wfile.write(end)

    return behave


def http_date(moment):
    """A moment as HTTP writes it."""
    return format_datetime(moment, usegmt=True)


@contextmanager
def nobody_listens():
    """An address on loopback that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@contextmanager
def nobody_accepts():
    """An address on loopback that neither accepts nor refuses: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            for one in waiting:
                one.close()
