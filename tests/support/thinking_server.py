"""A behaviour for ``misbehaving_server``: a model that thinks before it writes, and refuses in the words of OpenAI's
API."""

import json

from misbehaving_server import FINGERPRINT, GOOD_ADVICE, MODEL, by_turns, reply, stream

THOUGHTS = 300
"""Tokens that the model thinks before it writes; ``minimal`` effort needs a tenth."""
EFFORTS = ("minimal", "low", "medium", "high")
TRIAL_ANSWER = '{"colour": "teal", "share": 0.5}'


def refused(message, param, code):
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return reply(json.dumps({"error": error}).encode(), status=400)


def completion(text, finish, thought, written):
    usage = {"prompt_tokens": 10, "completion_tokens": thought + written}
    usage["completion_tokens_details"] = {"reasoning_tokens": thought}
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": f"{MODEL}-2026-01-01",
        "system_fingerprint": FINGERPRINT,
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": usage,
    }


def thinking(turn, body):
    """Answer as a reasoning model of OpenAI's API does."""
    if "max_tokens" in body:
        told = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        return refused(told, "max_tokens", "unsupported_parameter")
    if body.get("temperature", 1) != 1:
        told = (
            f"Unsupported value: 'temperature' does not support {body['temperature']} with this model. "
            "Only the default (1) value is supported."
        )
        return refused(told, "temperature", "unsupported_value")
    effort = body.get("reasoning_effort", "medium")
    if effort not in EFFORTS:
        known = ", ".join(repr(one) for one in EFFORTS)
        told = f"Unsupported value: 'reasoning_effort' does not support {effort!r} with this model."
        told += f" Supported values are: {known}."
        return refused(told, "reasoning_effort", "unsupported_value")
    needed = THOUGHTS // 10 if effort == "minimal" else THOUGHTS
    text = TRIAL_ANSWER if "colour" in body["messages"][-1]["content"] else GOOD_ADVICE
    room = body["max_completion_tokens"] - needed
    thought = min(needed, body["max_completion_tokens"])
    if body.get("stream"):
        return stream(
            *([text] if room > 0 else []), model=f"{MODEL}-2026-01-01", finish="stop" if room > 0 else "length"
        )
    if room <= 0:
        return reply(json.dumps(completion("", "length", thought, 0)).encode())
    if room < 20:
        return reply(json.dumps(completion(text[:10], "length", thought, room)).encode())
    return reply(json.dumps(completion(text, "stop", thought, 20)).encode())


THINKS = by_turns(thinking)
