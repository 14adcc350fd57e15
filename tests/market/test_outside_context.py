"""What is no function of prices is one of the past, too: rewriting texts, values and bars after a close changes no byte
of its request, in all modes of the engine."""

import json
from datetime import timedelta

import numpy as np
import pytest
from all_snapshots import read_requests
from dated_texts import text, texts_file
from markets import random_prices, with_table

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.context.context import Context

MODES = [(True, True), (True, False), (False, True), (False, False)]
WORDS = ("banks", "oil", "rates", "wheat", "falling", "rising", "calm", "above", "average", "high")
CONTEXTS = {
    "documents": {"documents": {"k": 4}},
    "documents by words": {"documents": {"query": "banks oil wheat", "k": 2}},
    "documents up to the close": {"documents": {"close": "16:00 America/New_York"}},
    "documents of a week": {"documents": {"max_age_days": 7, "query": {"state": True, "symbol": True}}},
    "events": {"events": {}},
    "events a day late": {"events": {"delay": "1d", "close": "16:00 America/New_York"}},
}


def requests(prices, context, mode):
    advisor = ModelAdvisor(ScriptedClient([]), context=["features", context])
    return read_requests(advisor, prices, mode)


def written(folder, name, times, cut, *, rewritten):
    """Texts and values on every day, those after the close of ``cut`` (20:00 UTC in October) all others or more."""
    dice = np.random.default_rng(3)
    rows, values = [], []
    for number, moment in enumerate(times):
        words = " ".join(dice.choice(WORDS, 12))
        at, value = moment + timedelta(hours=20), float(dice.normal())
        if rewritten and number >= cut:
            at, words, value = at + timedelta(seconds=1), "banks oil wheat falling rising " * 9, value * 1e6
            rows += [text(f"{at.isoformat()}Z", f"{words} {extra}", id=f"{number}-{extra}") for extra in range(3)]
        else:
            rows.append(text(f"{at.isoformat()}Z", words, id=str(number)))
        values.append({"available_at": f"{at.isoformat()}Z", "value": value})
    (folder / name).mkdir()
    texts_file(folder / name, *rows, name="documents.jsonl")
    (folder / name / "events.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))
    return folder / name


def with_path(context, folder):
    ((source, options),) = context.items()
    return {source: options | {"path": str(folder / f"{source}.jsonl")}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_rewriting_all_that_comes_later_changes_no_request(tmp_path, context, mode):
    prices, cut = random_prices(360, seed=3), 330
    table = prices.table.copy()
    table.iloc[cut:, :4] *= np.linspace(50, 1e-3, len(table) - cut)[:, None]
    times = list(prices.table.index)
    plain = written(tmp_path, "plain", times, cut - 1, rewritten=False)
    other = written(tmp_path, "other", times, cut - 1, rewritten=True)
    before = requests(prices, with_path(context, plain), mode)
    after = requests(with_table(prices, table), with_path(context, other), mode)
    known = cut - 1 + len(before) - len(table)  # the close of the day before the first text that was rewritten
    assert known > 30
    assert before[:known] == after[:known]
    assert before[known + 1 :] != after[known + 1 :]
    assert sum("Quoted texts" in said or "events:" in said for said, _ in before[:known]) > 20


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_the_four_engine_modes_ask_the_same(tmp_path, context):
    prices = random_prices(300, seed=5)
    folder = written(tmp_path, "plain", list(prices.table.index), 0, rewritten=False)
    first, *others = [requests(prices, with_path(context, folder), mode) for mode in MODES]
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"k": 0}, "k is 0: it should be greater than or equal to 1"),
        ({"pth": "x"}, "has no option 'pth', did you mean 'path'"),
        ({"rank": "bm26"}, "rank is 'bm26'"),
        ({"query": {"word": "x"}}, "query"),
        ({"query": {}}, "documents looks for nothing"),
        ({"names": {"A": [""]}}, "documents has an empty name in names"),
        ({"close": "noon"}, "close is 'noon': write the time of day and the zone"),
        ({"max_age_days": -1}, "max_age_days"),
        ({"null": "nothing"}, "null is 'nothing'"),
        ({"path": []}, "documents names no file"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, sentence):
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        Context([{"documents": {"path": "news.jsonl"} | options}])
    assert "\n" not in str(caught.value)


def test_documents_without_a_file_are_one_sentence():
    with pytest.raises(ConfigurationError, match="'documents' needs its option 'path': write it"):
        Context(["documents"])
