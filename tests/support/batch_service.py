"""A service that answers whole files of questions, as ``vllm run-batch`` and the batch services of providers do."""

import hashlib
import json
import random

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
