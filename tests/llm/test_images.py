"""Images in a question: the key has their hashes, each backend is given them as it wants, and one that reads text alone
none."""

import dataclasses
import json

import pytest
from misbehaving_server import MODEL, answer, serving
from seeing_server import pngs_in

from llm_strategy.errors import BackendFailure, ConfigurationError, ImagesNotSeen
from llm_strategy.llm import Generation, LLMClient, MemoryStore, Message, ModelIdentity, RecordingClient, Request
from llm_strategy.llm.backend import OwnBackend
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedBackend, ScriptedClient
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.llm.requests import request_hash
from llm_strategy.shown import Image
from llm_strategy.types import EventKind

ONE, OTHER = Image.of(b"\x89PNG one"), Image.of(b"\x89PNG other")
WHO = ModelIdentity("b", "m", "e", "1")


def asked(*images, text="What is it?"):
    return Request((Message("system", "Look."), Message("user", text, images)), max_tokens=32, timeout_s=10)


class Blind(ScriptedBackend):
    supports_images = False


def test_the_key_has_the_hash_of_each_image_in_its_order_and_without_images_is_what_it_was():
    keys = {request_hash(asked(*images), WHO) for images in ((), (ONE,), (OTHER,), (ONE, OTHER), (OTHER, ONE))}
    assert len(keys) == 5
    known_by_hash = Image(ONE.sha256)
    assert known_by_hash == ONE
    assert request_hash(asked(known_by_hash), WHO) == request_hash(asked(ONE), WHO)
    with pytest.raises(ValueError, match="only the hash is known"):
        _ = known_by_hash.data_uri
    seeds = {dataclasses.replace(asked(image), seed=1, draw=2).sampling_seed for image in (ONE, OTHER)}
    assert len(seeds) == 2


def test_a_server_that_speaks_like_openai_is_sent_a_part_for_each_image_and_text_alone_as_before():
    for merged in (False, True):
        with serving(answer("well")) as server:
            model = OpenAIBackend(MODEL, [server.url], answer_format="plain", reported_model=MODEL, merge_system=merged)
            with LLMClient(model) as client:
                client.complete(asked(ONE, OTHER))
                client.complete(asked())
            seen, plain = server.questions
        assert pngs_in(seen) == [ONE.content, OTHER.content]
        text = "Look.\n\nWhat is it?" if merged else "What is it?"
        assert seen["messages"][-1]["content"][0] == {"type": "text", "text": text}
        assert plain["messages"][-1]["content"] == text


def test_a_backend_that_reads_text_alone_is_never_given_an_image():
    blind = Blind(["text"])
    with pytest.raises(ImagesNotSeen, match="'scripted' reads text alone, and the question has an image"):
        LLMClient(blind).complete(asked(ONE))
    assert not blind.requests
    assert LLMClient(blind).complete(asked()).text == "text"


def test_a_fallback_that_reads_text_alone_does_not_answer_what_it_cannot_see():
    blind, broken = Blind(["Never."]), ScriptedClient(lambda _: BackendFailure("It is down."))
    client = ResilientClient(broken, RetryPolicy(attempts=1), [Fallback("blind", lambda: LLMClient(blind))])
    with pytest.raises(BackendFailure, match="It is down") as raised:
        client.complete(asked(ONE))
    assert not blind.requests
    (event,) = (event for event in raised.value.events if event.kind is EventKind.FALLBACK)
    assert "blind failed in its turn: The backend 'scripted' reads text alone" in event.detail


def test_who_sees_is_told_by_every_client_in_front(tmp_path):
    for backend, sees in ((ScriptedBackend([]), True), (Blind([]), False)):
        client = RecordingClient(ResilientClient(LLMClient(backend)), WHO, MemoryStore())
        assert AuditedClient(client, AuditLog(tmp_path / "audit.jsonl")).supports_images is sees
    members = [ScriptedClient([]), LLMClient(Blind([]))]
    assert not EnsembleClient(members).supports_images
    assert EnsembleClient([members[0], ScriptedClient([])]).supports_images


def test_a_backend_of_ones_own_that_sees_is_given_the_png_as_its_parameters_want_it():
    class Eyes:
        supports_images = True

        def generate(self, prompt, images=()):
            return f"{prompt} {[len(png) for png in images]}"

    class Talk:
        supports_images = True

        def generate(self, prompt, messages):
            return json.dumps([len(message.get("images", ())) for message in messages])

    class Whole:
        supports_images = True

        def answer(self, request, on_text):
            return Generation(request.images[0].content.decode("latin-1"), 0, 0, 0.0)

    question = Request((Message("user", "What is it?", (ONE,)),))
    given = [LLMClient(OwnBackend(own(), {})).complete(question).text for own in (Eyes, Talk, Whole)]
    assert given == [f"What is it? [{len(ONE.content)}]", "[1]", ONE.content.decode("latin-1")]


def test_a_backend_of_ones_own_that_says_it_sees_and_takes_no_image_is_told_where():
    class Closed:
        supports_images = True

        def generate(self, prompt):
            return "?"

    with pytest.raises(ConfigurationError, match="Closed has supports_images, and its generate takes none: add"):
        LLMClient(OwnBackend(Closed(), {})).complete(asked(ONE))


def test_an_answer_on_record_is_that_to_this_image_alone(tmp_path):
    model, store = ScriptedClient(lambda request: request.images[0].sha256), MemoryStore()
    client = RecordingClient(model, model.identity, store)
    for image in (ONE, OTHER, ONE, Image(OTHER.sha256)):
        assert client.complete(asked(image)).text == image.sha256
    assert len(model.requests) == 2


def test_the_audit_log_keeps_hashes_of_images(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    with AuditedClient(ScriptedClient(["red"]), log) as client:
        client.complete(asked(ONE))
    (line,) = map(json.loads, log.path.read_text().splitlines())
    assert line["messages"][-1] == {"role": "user", "content": "What is it?", "images": [ONE.sha256]}
    assert "images" not in line["messages"][0]
