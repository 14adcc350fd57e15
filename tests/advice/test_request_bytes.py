"""What a model is asked, to the byte, in every mode and with every kind of examples: answers on record are found by it.

The hashes are those of ``tests/golden/requests.json``; where one differs, every user's record of answers is void.
"""

import hashlib
import json
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path

import pytest
from past_states import states

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.market.view import View
from llm_strategy.types import ActionType, RegimeLabel

pytestmark = pytest.mark.slow

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "requests.json").read_text(encoding="utf-8"))

EXAMPLES = [("fixed", 2, "rule"), ("balanced", 4, "rule"), ("nearest", 2, "rule"), ("nearest", 3, "followed")]
WRITTEN = [("json", "always"), ("slots", "always"), ("slots", "never")]
SCORED = [
    ("never", "batch", "rows"),
    ("changes", "none", "sheet"),
    ("always", "content_free", "steps"),
    ("changes", "batch", "facts"),
    ("never", "content_free", "turns"),
    ("always", "none", "page"),
    ("never", "none", "json"),
]
OWN = "Now {{ features }}.\n{{ form }}"
EXAMPLES_TOO = "{% for example in examples %}\n{{ loop.index }}: {{ example.market }} = {{ example.label }}{% endfor %}"
CASES = {
    f"{mode} {rationale}, {kind} {count} {labels}": PromptOptions(mode, kind, count, labels, rationale=rationale)
    for (mode, rationale), (kind, count, labels) in product(WRITTEN, EXAMPLES)
} | {
    f"choices {rationale} {calibration} {layout}, {kind} {count} {labels}": PromptOptions(
        "choices", kind, count, labels, calibration, rationale, layout
    )
    for (rationale, calibration, layout), (kind, count, labels) in product(SCORED, EXAMPLES)
}
CASES |= {
    f"{mode} {rationale}, none": PromptOptions(mode, "none", rationale=rationale) for mode, rationale in WRITTEN
} | {
    f"choices {rationale} {calibration} {layout}, none": PromptOptions(
        "choices", "none", calibration=calibration, rationale=rationale, layout=layout
    )
    for rationale, calibration, layout in [
        *SCORED[:3],
        ("never", "batch", "plain"),
        ("always", "content_free", "plain"),
    ]
}
CASES |= {
    f"{mode} {rationale}, own prompt{', examples' * shown}, {kind} {labels}": PromptOptions(
        mode,
        kind,
        labels=labels,
        rationale=rationale,
        calibration="none",
        prompt=PromptText(OWN + EXAMPLES_TOO * shown),
    )
    for mode, rationale in [*WRITTEN, ("choices", "never")]
    for shown, kind, labels in [(False, "none", "rule"), (True, "nearest", "shuffled"), (True, "fixed", "rule")]
}
VIEWS = dict(zip(CASES, cycle([View(), View("numbers", 2)]), strict=False))


def digest_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def answer(request):
    """Answers that follow from the question alone: some break the contract, so that they are repaired."""
    turn = digest_of("".join(message.content for message in request.messages) + request.chosen)
    if request.choices:
        return {choice: (turn >> 8 * place) % 97 / 97 + 0.01 for place, choice in enumerate(request.choices)}
    label = list(RegimeLabel)[turn % 4] if turn % 5 else "sunny"
    action, confidence = list(ActionType)[turn % 3], 35 + turn % 50
    if request.form:
        return {"rationale": "So it is.", "label": label, "action": action, "action_confidence": confidence}
    return {
        "rationale": "So it is.",
        "regime": {"label": label},
        "action": {"type": action, "confidence": confidence / 100},
    }


def asked(options, view):
    """The hash over all requests of 40 states of two markets, asked or foreseen, in their order."""
    client = ScriptedClient(answer, supports_choices=True)
    advisor = ModelAdvisor(client, options=options, view=view)
    whole = hashlib.sha256()
    for number, snapshot in enumerate(states()):
        for symbol in ("ONE", "TWO")[: 1 + number % 2]:
            state = replace(snapshot, symbol=symbol)
            foreseen = [advisor.request(state), *advisor.known_requests(state), *advisor.possible_requests(state)]
            client.requests.clear()
            decision = advisor.decide(state)
            for request in (*foreseen, *client.requests):
                whole.update(request_hash(request, client.identity).encode())
            whole.update(f"{decision.status} {[exchange.purpose for exchange in decision.exchanges]}".encode())
    return whole.hexdigest()


@pytest.mark.parametrize("case", CASES)
def test_requests_keep_their_bytes(case):
    assert asked(CASES[case], VIEWS[case]) == GOLDEN[case]


def test_each_kept_hash_is_of_a_case():
    assert set(GOLDEN) == set(CASES)
