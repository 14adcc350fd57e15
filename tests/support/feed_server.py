"""Servers on this machine that stand for a market: a WebSocket that does what a test scripts, connection by
connection, and one of HTTP that answers in JSON; and the request of a feed."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from small_run import SMALL
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from simulator.experiment.configuration import Experiment
from simulator.prices.sessions import parse_timeframe
from simulator.watch.feed import FeedRequest, find_feed


def request_of(text, *symbols, since=None, timeframe="1m"):
    """What a watch of these symbols asks of the feed of that reference."""
    sources = dict.fromkeys(symbols, "synthetic:cycles?bars=30&seed=1")
    made = Experiment.from_mapping(SMALL | {"data": {"sources": sources}, "watch": {"feed": text}})
    _, name = find_feed(text)
    step = parse_timeframe(timeframe)
    return FeedRequest(text, name, made, tuple(sorted(symbols)), step, 0.0, since or {}, universe=None)


def opened(text, *symbols, **more):
    """The feed of that reference."""
    return find_feed(text)[0].open(request_of(text, *symbols, **more))


@contextmanager
def serving(*scripts, greeting=None):
    """A server whose first connection is dealt with by ``scripts[0](connection, first message)``, and so on; the last
    one deals with all that follow. Gives the address, and the first messages as they come."""
    asked = []
    counted = threading.Lock()

    def handle(connection):
        try:
            with counted:
                number = len(asked)
                asked.append(None)
            if greeting is not None:
                connection.send(greeting)
            asked[number] = json.loads(connection.recv(timeout=10))
            scripts[min(number, len(scripts) - 1)](connection, asked[number])
        except (ConnectionClosed, OSError):
            pass  # the other side has gone, or was made to

    with serve(handle, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def until_closed(connection):
    """Say nothing more, until the other side goes."""
    for _ in connection:
        pass


def cut_in_a_message(connection):
    """Begin a frame, and cut the line in the midst of it."""
    connection.socket.sendall(b"\x81\x7e\x00\xc8" + b'{"symbol": "AA')
    connection.socket.shutdown(2)


def heard(feed, is_last, limit=10_000):
    """What a feed gives, until ``is_last(message)``; a feed that is silent for 20 s is none."""
    found = []
    while len(found) < limit:
        message = feed.take(20.0)
        assert message is not None, found[-5:]
        found.append(message)
        if is_last(message):
            return found
    raise AssertionError(found[-5:])


@contextmanager
def answering(answer):
    """A server that answers a GET by ``answer(path, query)``, a status and a document. Gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            place = urlsplit(self.path)
            status, document = answer(place.path, {name: last for name, [*_, last] in parse_qs(place.query).items()})
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
