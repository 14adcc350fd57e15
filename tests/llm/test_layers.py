"""Every member of a client reaches the client behind a layer, so that none can be forgotten."""

import inspect

import pytest

from llm_strategy.llm import (
    Generation,
    Health,
    Layer,
    LLMClient,
    MemoryStore,
    Message,
    ModelIdentity,
    RecordingClient,
    Request,
    ResilientClient,
)
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.metering.calls import Prices
from llm_strategy.llm.reliability.policy import Breaker

IDENTITY = ModelIdentity("inner", "inner", "inner", "1", supports_forms=True, supports_choices=True)
QUESTION = Request((Message("user", "?"),))
BUILT_ON_COMPLETE = {"generate", "chat", "batch", "score", "log_calls"}
"""What a client does with its own ``complete``."""
OWN = {"backend", "make", "counts_calls"}
"""What a layer has for itself: it has no backend, and is made with the layers that it has."""
SETTINGS = {
    "defaults": Request((), max_tokens=7), "run_id": "run", "strict": True, "remote": True, "concurrency": 5,
    "fallbacks": ("other",), "replays": True, "supports_images": True,
    "prices": Prices(1.0, 2.0), "caveats": ("Nobody knows.",),
}  # fmt: skip
"""By name, each another one than a client begins with."""
LAYERS = {
    "layer": lambda inner, folder: Layer(inner),
    "retry": lambda inner, folder: ResilientClient(inner),
    "record": lambda inner, folder: RecordingClient(inner, IDENTITY, MemoryStore()),
    "audit": lambda inner, folder: AuditedClient(inner, AuditLog(folder / "audit.jsonl")),
}
CHANGED = {
    ("retry", "fallbacks"), ("retry", "breaker"), ("retry", "ask_fallbacks"), ("record", "disregard"),
    ("record", "ask_fallbacks"), ("record", "is_of_earlier_command"), ("audit", "decision"),
}  # fmt: skip
"""What a layer is there for: it has fallbacks, guards, remembers which answers are this command's, logs decisions."""


class Inner(LLMClient):
    """Notes which members were used."""

    identity = IDENTITY

    def __init__(self):
        self.used = []
        self.held = Generation("held", 1, 1, 0.0)

    def complete(self, request, on_delta=None):
        self.used.append("complete")
        return Generation("text", 1, 1, 0.0)

    def ask(self, request, *, ahead=False):
        self.used.append("ask")
        return Generation("text", 1, 1, 0.0)

    def start_from(self, defaults):
        self.used.append("start_from")

    def recorded(self, request):
        self.used.append("recorded")
        return self.held

    def is_of_earlier_command(self, request):
        self.used.append("is_of_earlier_command")
        return True

    def disregard(self, request):
        self.used.append("disregard")
        return True

    def prompt_tokens(self, request):
        self.used.append("prompt_tokens")
        return 11

    def batch_form(self):
        self.used.append("batch_form")

    def ask_fallbacks(self, request, problem):
        self.used.append("ask_fallbacks")
        return Generation("text", 1, 1, 0.0)

    def breaker(self):
        self.used.append("breaker")
        return Breaker(3, 4)

    def decision(self):
        self.used.append("decision")
        return super().decision()

    def healthcheck(self):
        self.used.append("healthcheck")
        return Health(True, "Well.", 0.0)

    def close(self):
        self.used.append("close")


CALLS = {
    "complete": lambda client: client.complete(QUESTION),
    "ask": lambda client: client.ask(QUESTION),
    "start_from": lambda client: client.start_from(QUESTION),
    "recorded": lambda client: client.recorded(QUESTION),
    "is_of_earlier_command": lambda client: client.is_of_earlier_command(QUESTION),
    "disregard": lambda client: client.disregard(QUESTION),
    "prompt_tokens": lambda client: client.prompt_tokens(QUESTION),
    "batch_form": lambda client: client.batch_form(),
    "ask_fallbacks": lambda client: client.ask_fallbacks(QUESTION, RuntimeError()),
    "breaker": lambda client: client.breaker(),
    "decision": lambda client: client.decision().__enter__(),
    "healthcheck": lambda client: client.healthcheck(),
    "close": lambda client: client.close(),
}


def unchanged(names):
    return [(layer, name) for layer in sorted(LAYERS) for name in sorted(names) if (layer, name) not in CHANGED]


PROPERTIES = {"identity", "supports_forms", "supports_choices"}


def test_the_list_of_members_is_whole():
    members = {name for name in dir(LLMClient) if not name.startswith("_")}
    assert members == BUILT_ON_COMPLETE | OWN | set(SETTINGS) | set(CALLS) | PROPERTIES


def test_a_layer_writes_no_member_anew_that_it_need_not():
    assert not {name for name in vars(Layer) if not name.startswith("_")} & BUILT_ON_COMPLETE
    for name in CALLS:
        assert inspect.signature(getattr(Layer, name)) == inspect.signature(getattr(LLMClient, name))


@pytest.mark.parametrize(("layer", "name"), unchanged(CALLS))
def test_a_call_reaches_the_client_behind(layer, name, tmp_path):
    inner = Inner()
    if layer == "record" and name in ("complete", "ask"):
        inner.held = None  # or it would be the answer
    CALLS[name](LAYERS[layer](inner, tmp_path))
    assert name in inner.used


@pytest.mark.parametrize(("layer", "name"), unchanged(SETTINGS))
def test_a_setting_is_that_of_the_client_behind(layer, name, tmp_path):
    inner = Inner()
    client = LAYERS[layer](inner, tmp_path)
    setattr(inner, name, SETTINGS[name])
    assert getattr(client, name) == SETTINGS[name]
    setattr(client, name, getattr(LLMClient, name))
    assert getattr(inner, name) == getattr(LLMClient, name)


@pytest.mark.parametrize("name", sorted(PROPERTIES))
@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_who_answers_is_the_client_behind(layer, name, tmp_path):
    assert getattr(LAYERS[layer](Inner(), tmp_path), name) == getattr(Inner(), name)


def test_layers_stand_in_front_of_each_other(tmp_path):
    inner = Inner()
    whole = AuditedClient(
        RecordingClient(ResilientClient(inner), IDENTITY, MemoryStore()), AuditLog(tmp_path / "audit.jsonl")
    )
    assert whole.recorded(QUESTION).text == "held"
    assert whole.prompt_tokens(QUESTION) == 11
    whole.run_id = "session"
    assert inner.run_id == "session"
