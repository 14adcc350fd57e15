"""A server on loopback that speaks Converse and ConverseStream, and checks the signature of every request."""

import binascii
import contextlib
import json
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, REGION = "AKIDEXAMPLEKEY", "wJalrXUtnFEMI-planted-secret", "eu-central-1"


def frame(event, payload, kind="event"):
    """One message of an event stream: lengths, checksum, headers, JSON, checksum."""
    names = {":message-type": kind, ":exception-type" if kind == "exception" else ":event-type": event}
    headers = b""
    for name, value in (names | {":content-type": "application/json"}).items():
        headers += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack("!I", binascii.crc32(message))


def answer(text, stop="end_turn", **usage):
    """A whole answer of Converse."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": {"inputTokens": 11, "outputTokens": 5, "totalTokens": 16, **usage},
        "metrics": {"latencyMs": 7},
    }


def stream(*pieces, stop="end_turn", tool=False):
    """The frames of a streamed answer."""
    delta = (lambda piece: {"toolUse": {"input": piece}}) if tool else (lambda piece: {"text": piece})
    usage = {"inputTokens": 11, "outputTokens": len(pieces), "totalTokens": 11 + len(pieces)}
    return [
        frame("messageStart", {"role": "assistant"}),
        *(frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta(piece)}) for piece in pieces),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": stop}),
        frame("metadata", {"usage": usage, "metrics": {"latencyMs": 7}}),
    ]


class BedrockServer:
    """Gives ``reply`` to every request: an object, bytes, a list of frames, or a function of the request's body.

    ``status``, ``headers`` and ``pause`` (seconds before the body and between frames) can be set; ``requests`` keeps
    what was asked, ``bad_signatures`` the requests whose signature is not what botocore computes from the secret.
    """

    def __init__(self):
        self.reply, self.status, self.headers, self.pause = answer("well"), 200, {}, 0.0
        self.cut = False
        self.requests, self.paths, self.bad_signatures = [], [], []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.requests.append(json.loads(body))
                owner.paths.append(self.path)
                if not owner.is_signed(self, body):
                    owner.bad_signatures.append(dict(self.headers))
                with contextlib.suppress(OSError):  # whoever asked has left
                    self.give(owner.reply(owner.requests[-1]) if callable(owner.reply) else owner.reply)
                self.close_connection = self.close_connection or owner.cut

            def give(self, reply):
                frames = reply if isinstance(reply, list) else None
                body = reply if isinstance(reply, bytes) else json.dumps(reply).encode() if frames is None else b""
                self.send_response(owner.status)
                kind = "application/json" if frames is None else "application/vnd.amazon.eventstream"
                for name, value in ({"Content-Type": kind} | owner.headers).items():
                    self.send_header(name, value)
                if frames is None:
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    time.sleep(owner.pause)
                    self.wfile.write(body[:-9] if owner.cut else body)
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in frames:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    time.sleep(owner.pause)
                if not owner.cut:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def is_signed(self, request, body):
        """Whether botocore gives the request the same signature, from the key and secret that this server knows."""
        claimed = request.headers.get("Authorization", "")
        signed = claimed.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        again = AWSRequest(
            "POST",
            self.url + request.path,
            headers={name: request.headers[name] for name in signed if request.headers[name] is not None},
            data=body,
        )
        signer = SigV4Auth(Credentials(KEY, SECRET), "bedrock", REGION)
        again.context["timestamp"] = request.headers.get("X-Amz-Date", "")
        to_sign = signer.string_to_sign(again, signer.canonical_request(again))
        return claimed.endswith(f"Signature={signer.signature(to_sign, again)}") and f"={KEY}/" in claimed

    def close(self):
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
