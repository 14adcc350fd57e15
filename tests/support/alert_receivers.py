"""Receivers of alerts on loopback, an SMTP server and a webhook, which can go down and come back on their port."""

import email
import email.policy
import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Receiver:
    """Keeps what arrives, in order, as ``{"title": ..., "text": ..., "html": ...}``; ``answers`` may hold status codes
    that the next messages get in place of acceptance, and ``hold`` an event that the next one waits for after it was
    kept."""

    server = _Server

    def __init__(self):
        self.arrived, self.answers = [], []
        self.accepted = threading.Event()
        self.hold = None
        self._server, self.port = None, 0
        self.up()

    def up(self):
        self._server = self.server(("127.0.0.1", self.port), self.handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self):
        self._server.shutdown()
        self._server.server_close()

    def arrive(self, title, text, html=None):
        """The status of a message, which is kept where it is accepted."""
        code = self.answers.pop(0) if self.answers else 0
        if not code:
            self.arrived.append({"title": title, "text": text, "html": html})
            self.accepted.set()
            if self.hold is not None:
                self.hold.wait(20)
        return code


class Webhook(Receiver):
    server = ThreadingHTTPServer

    @property
    def address(self):
        return f"json://127.0.0.1:{self.port}/hook"

    def handler(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(receiver.arrive(said["title"], said["message"]) or 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *said):
                pass

        return Handler


class MailServer(Receiver):
    """As much of SMTP as a client needs that logs in and sends."""

    @property
    def address(self):
        return (
            f"mailto://${{MAIL_USER}}:${{MAIL_PASSWORD}}@127.0.0.1:{self.port}?from=watch@example.com&to=me@example.com"
        )

    def handler(self):
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.say("220 ready")
                for line in self.rfile:
                    word = line[:4].upper()
                    if word == b"EHLO":
                        self.say("250-here\r\n250 AUTH PLAIN")
                    elif word == b"AUTH":
                        receiver.logged_in = line.split()[-1].decode()
                        self.say("235 in")
                    elif word == b"DATA":
                        self.say("354 go on")
                        self.say(str(receiver.take(b"".join(iter(self.rfile.readline, b".\r\n"))) or 250) + " so be it")
                    elif word == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def say(self, line):
                self.wfile.write(f"{line}\r\n".encode())

        return Handler

    def take(self, data):
        message = email.message_from_bytes(data, policy=email.policy.default)
        html = message.get_body(("html",))
        text = message.get_body(("plain",)).get_content().replace("\r\n", "\n").rstrip("\n")
        return self.arrive(message["Subject"], text, html and html.get_content())
