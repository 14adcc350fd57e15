"""A service that answers whole files of questions, as ``vllm run-batch`` and the batch services of providers do."""

import email
import hashlib
import json
import random
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from misbehaving_server import GOOD_ADVICE, MODEL, answer, completion

LABELS = {"bull": "enter_long", "bear": "exit", "sideways": "hold", "turbulent": "exit"}


def advice(body):
    """What the model says to a question, live and in a file: by the question alone. To one in eight it first writes
    what no contract allows, and puts that right where it is asked again."""
    asked = json.dumps(body["messages"][-1])
    number = int(hashlib.sha256(asked.encode()).hexdigest()[:8], 16)
    label = sorted(LABELS)[number % 4]
    document = json.loads(GOOD_ADVICE)
    document["regime"]["label"], document["action"]["type"] = label, LABELS[label]
    document["action"]["confidence"] = 0.5 + (number % 40) / 100
    if number % 8 == 5 and len(body["messages"]) <= 2:
        document["action"]["type"] = "dance"
    return json.dumps(document)


def live(turn, body):
    """The same model behind an address."""
    return answer(advice(body))


def line(key, body, status=200, error=None):
    """A line of answers."""
    response = None if status is None else {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": f"batch-{key[:8]}", "custom_id": key, "response": response, "error": error})


def run_batch(questions, answers, *, seed=0, spoil=lambda lines: lines):
    """Answer a file of questions in another order; ``spoil`` gets the lines by the keys of their questions, and gives
    those that are written."""
    asked = [json.loads(text) for text in questions.read_text(encoding="utf-8").splitlines()]
    for each in asked:
        assert each.keys() == {"custom_id", "method", "url", "body"}
        assert (each["method"], each["url"], each["body"]["model"]) == ("POST", "/v1/chat/completions", MODEL)
    written = {each["custom_id"]: line(each["custom_id"], completion(advice(each["body"]))) for each in asked}
    assert len(written) == len(asked)
    keys = list(written)
    random.Random(seed).shuffle(keys)
    lines = spoil({key: written[key] for key in keys})
    lines = list(lines.values()) if isinstance(lines, dict) else lines
    answers.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return keys


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(*self.server.post(self.path, self.headers, body))

    def do_GET(self):
        self._reply(*self.server.get(self.path))

    def _reply(self, status, content):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


class BatchServer(ThreadingHTTPServer):
    """Takes files and answers them; a batch is under way when it is first asked about, and one question in ``fails``
    comes back in the file of errors."""

    def __init__(self, folder, fails=10):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.keys, self.batches, self.files = [], {}, {}
        self._folder, self._fails = folder, fails

    def post(self, path, headers, body):
        self.keys.append(headers["Authorization"])
        if path == "/v1/files":
            head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
            parts = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
                for part in email.message_from_bytes(head + body).get_payload()
            }
            assert parts["purpose"] == b"batch"
            return 200, self._object("file", parts["file"])
        if path == "/v1/batches":
            asked = json.loads(body)
            assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
            name = f"batch_{len(self.batches)}"
            self.batches[name] = {"id": name, "object": "batch", "status": "validating", "created_at": 1, **asked}
            return 200, self.batches[name]
        return 404, {"error": {"message": "Not Found"}}

    def get(self, path):
        kind, _, name = path.removeprefix("/v1/").partition("/")
        if kind == "files" and name.removesuffix("/content") in self.files:
            return 200, self.files[name.removesuffix("/content")]
        if kind != "batches" or name not in self.batches:
            return 404, {"error": {"message": f"No such {kind}."}}
        batch = self.batches[name]
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        elif batch["status"] == "in_progress":
            batch |= self._answered(self.files[batch["input_file_id"]])
        return 200, batch

    def _object(self, kind, content):
        name = f"{kind}-{len(self.files)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "created_at": 1, "filename": "f", "purpose": kind}

    def _answered(self, questions):
        asked, answers = self._folder / "asked.jsonl", self._folder / "answered.jsonl"
        asked.write_bytes(questions)
        run_batch(asked, answers)
        good = answers.read_bytes().splitlines(keepends=True)
        failed = [json.loads(text)["custom_id"] for text in good[:: self._fails]]
        bad = [f"{line(key, {'error': {'message': 'Busy.'}}, status=503)}\n".encode() for key in failed]
        good = [text for number, text in enumerate(good) if number % self._fails]
        counts = {"total": len(good) + len(bad), "completed": len(good), "failed": len(bad)}
        files = {"output": self._object("output", b"".join(good)), "error": self._object("error", b"".join(bad))}
        named = {f"{kind}_file_id": made["id"] for kind, made in files.items()}
        return {"status": "completed", "request_counts": counts, **named}


@contextmanager
def batch_server(folder):
    """A batch service for the length of a test."""
    with BatchServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
