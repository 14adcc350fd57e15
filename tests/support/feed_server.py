"""A WebSocket server on this machine that does what a test scripts, connection by connection."""

import json
import threading
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


@contextmanager
def serving(*scripts):
    """A server whose first connection is dealt with by ``scripts[0](connection, first message)``, and so on; the last
    one deals with all that follow. Gives the address, and the first messages as they come."""
    asked = []
    counted = threading.Lock()

    def handle(connection):
        try:
            with counted:
                number = len(asked)
                asked.append(None)
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
