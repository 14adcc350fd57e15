"""JSON that was cut off: closed without a guess, at any place."""

import json
import random
import time

import pytest

from llm_strategy.errors import ContractError
from llm_strategy.llm import Generation, LLMClient
from llm_strategy.llm.structured.json_repair import can_become_json, close_json
from llm_strategy.types import EventKind

pytestmark = pytest.mark.slow

LEAVES = (1, 2.5, -3e10, True, None, 'x"y\\', "\u00e9\n", "")


def document(rng, depth=0):
    kind = rng.random()
    if depth > 3 or kind < 0.3:
        return rng.choice(LEAVES)
    if kind < 0.6:
        return [document(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {f'k{number}"': document(rng, depth + 1) for number in range(rng.randrange(4))}


@pytest.mark.parametrize("seed", range(20))
def test_every_beginning_of_an_object_can_be_closed(seed):
    rng = random.Random(seed)
    text = json.dumps({"a": document(rng), "b": document(rng)}, ensure_ascii=seed % 2 == 0)
    for length in range(1, len(text)):
        assert can_become_json(text[:length]), text[:length]
        assert isinstance(json.loads(close_json(text[:length])), dict)


@pytest.mark.parametrize(
    ("cut", "closed"),
    [
        ('{"a": "half a te', '{"a": "half a te"}'),
        ('{"a": "x\\', '{"a": "x"}'),
        ('{"a": "x\\u00', '{"a": "x"}'),
        ('{"a": "x\\\\', '{"a": "x\\\\"}'),
        ('{"a": 12', "{}"),
        ('{"a": 12, "b": 3', '{"a": 12}'),
        ('{"a": [1, 2, {"b": "c', '{"a": [1, 2, {"b": "c"}]}'),
        ('{"a": 1, "key without', '{"a": 1}'),
        ('{"a": 1,}', '{"a": 1}'),
        ("no json", None),
        ("{]", None),
    ],
)
def test_what_was_cut_is_closed_and_nothing_is_invented(cut, closed):
    assert close_json(cut) == closed


@pytest.mark.parametrize("piece", ["{", "[", '{"a":', "[1,", '"', "\\", "[]", "{} ", '"a" ', "1 ", ",", '{"a": [1, "'])
@pytest.mark.parametrize("first", ["", "{", '{"a": "', "["])
def test_no_cut_takes_long_to_close(first, piece):
    text = (first + piece * 200_000)[:200_000]
    begin = time.process_time()
    close_json(text)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("left", ["{a", '{"a"}', '{"a" "b"', '{"a": x', '{"a": 1 2', '{"a": "b\n', "[1}"])
def test_what_no_longer_is_json_is_known(left):
    assert not can_become_json(left)


class Cut(LLMClient):
    """Writes so much, and says whether it was cut off."""

    def __init__(self, text, finish):
        self.answer = Generation(text, 1, 7, 1.0, finish=finish)

    def complete(self, request, on_delta=None):
        return self.answer


def test_a_cut_answer_is_closed_and_told():
    answer = Cut('{"a": [1, ', "length").generate("x", json_mode=True, max_tokens=7)
    assert answer.text == '{"a": [1]}'
    (event,) = answer.events
    assert (event.kind, event.detail) == (
        EventKind.REPAIRED,
        "After 7 tokens the answer was closed, as it was cut off: raise LLM_MAX_TOKENS.",
    )


@pytest.mark.parametrize(("text", "finish"), [('{"a": [1, ', "stop"), ("prose", "length"), ("prose", "stop")])
def test_what_was_not_cut_or_is_no_json_is_refused(text, finish):
    with pytest.raises(ContractError, match="invalid JSON"):
        Cut(text, finish).generate("x", json_mode=True)


def test_a_whole_answer_stays_as_it_is():
    answer = Cut('{"a": 1}', "length").generate("x", json_mode=True)
    assert (answer.text, answer.events) == ('{"a": 1}', ())
