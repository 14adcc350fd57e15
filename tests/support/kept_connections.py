"""A server on loopback that keeps its connections, as real ones do, and writes whatever bytes a test says."""

import json
import socket
import threading
from contextlib import contextmanager, suppress

import bedrock_server
from misbehaving_server import completion

OK = b"HTTP/1.1 200 OK\r\n"


class KeptServer:
    """``behave(turn, connection)`` answers each request over a connection; ``connections`` counts them."""

    def __init__(self, behave):
        self._behave, self._turn, self.connections, self._open = behave, 0, 0, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError, ValueError), connection.makefile("rb") as asked:
            while asked.readline():
                length = 0
                while line := asked.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                asked.read(length)
                self._turn += 1
                self._behave(self._turn, connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Close all connections."""
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextmanager
def keeping(behave):
    """Such a server for the length of a test."""
    server = KeptServer(behave)
    try:
        yield server
    finally:
        server.close()


def openai_body(text):
    """A whole answer of a server that speaks like OpenAI."""
    return json.dumps(completion(text)).encode()


def bedrock_body(text):
    """A whole answer of Converse."""
    return json.dumps(bedrock_server.answer(text)).encode()


def plain(body):
    """A response with a length."""
    return OK + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body):
    """A response in one chunk."""
    return OK + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(body),
        body,
    )


def once(answer):
    """Write this, and close."""

    def behave(turn, connection):
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def without_end(beginning, piece, most=100_000_000):
    """Write this, and pieces of the other on and on."""

    def behave(turn, connection):
        connection.sendall(beginning)
        for _ in range(most // len(piece)):
            connection.sendall(piece)

    return behave
