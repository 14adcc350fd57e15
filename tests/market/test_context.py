"""What is shown beside the market's line is a function of closed bars, whatever comes later, in all modes of the
engine."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from all_snapshots import read_all, read_requests
from markets import random_prices, with_table
from past_states import states

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.history import History
from llm_strategy.market.context.registry import null_choices
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.market.view import View

OWN = str(Path(__file__).parents[2] / "examples" / "own_context.py")
MODES = [(True, True), (True, False), (False, True), (False, False)]
SOURCES = {
    "history": [{"history": {"bars": 40, "decimals": 4, "columns": ["open", "high", "low", "close", "volume"]}}],
    "a longer history": ["features", {"history": {"bars": 3, "longer": {"bars": 5, "every": 60}}}],
    "analogues": ["features", {"analogues": {"k": 3, "horizon": 5}}],
    "analogues by path": [{"analogues": {"k": 3, "horizon": 5, "distance": "path", "of": "all"}}, "features"],
    "random analogues": [{"analogues": {"k": 3, "horizon": 5, "null": "random"}}],
    "analytics": ["features", {"analytics": {"names": ["trend_strength", "volume_profile", "weekday"]}}],
    "legend": ["legend", "features", {"history": {"bars": 3}}],
    "one's own": ["features", {f"{OWN}:Streak": {"most": 30}}, f"{OWN}:busy"],
}
"""Contexts whose look-ahead is tried: a new source is a line here."""


def texts(prices, context, mode=(True, True), options=PromptOptions("slots")):  # noqa: B008 - frozen
    """The last message of each request, and the hash of the whole request."""
    advisor = ModelAdvisor(ScriptedClient([], supports_choices=True), options=options, context=context)
    return read_requests(advisor, prices, mode)


def shown(snapshot, **options):
    (block,) = Context([{"history": options}]).show(snapshot)
    return block.text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("context", SOURCES.values(), ids=SOURCES)
def test_rewriting_every_later_bar_changes_no_request(context, mode):
    prices = random_prices(420, seed=3)
    cut = 380
    table = prices.table.copy()
    table.iloc[cut:, :4] *= np.linspace(50, 1e-3, len(table) - cut)[:, None]
    table.iloc[cut:, 4] = 0
    before, after = (texts(each, context, mode) for each in (prices, with_table(prices, table)))
    known = cut + len(before) - len(table)
    assert known > 50
    assert before[:known] == after[:known]
    assert before[known:] != after[known:]


@pytest.mark.parametrize("context", SOURCES.values(), ids=SOURCES)
def test_the_four_engine_modes_ask_the_same(context):
    prices = random_prices(400, seed=5)
    first, *others = [texts(prices, context, mode) for mode in MODES]
    assert len(set(first)) > 50
    assert all(other == first for other in others)


@pytest.mark.parametrize("mode", MODES)
def test_a_window_holds_the_last_closed_bars(mode):
    prices = random_prices(1500, seed=4)
    seen = read_all(prices, *mode, window=300)
    assert len(seen) == 1500 - 299
    for place in (0, 1, 700, 1100, 1200):
        window, table = seen[place].window, prices.table.iloc[place : place + 300]
        assert window.known
        for name in table:
            assert list(getattr(window, name)) == list(table[name])
        assert list(window.time) == [time.isoformat() for time in table.index]
        assert window.time[-2:][-1] == seen[place].time
        with pytest.raises(ValueError, match="read-only"):
            window.close[0] = 1.0


def test_nothing_is_read_or_waited_for_without_a_source_that_looks_back():
    seen = read_all(random_prices(300, seed=4))
    assert len(seen) == 300 - LONGEST_LOOKBACK + 1
    assert all(snapshot.window is None for snapshot in seen)


def test_a_window_with_a_bar_that_cannot_be_true_is_not_known():
    prices = random_prices(420, seed=4)
    table = prices.table.copy()
    table.iloc[300, 3] = math.nan
    known = [snapshot.window.known for snapshot in read_all(with_table(prices, table), window=30)]
    first_bad = 300 - (len(table) - len(known))
    assert known == [not first_bad <= place < first_bad + 30 for place in range(len(known))]


def test_history_is_rebased_and_shows_no_price_level():
    prices = random_prices(300, seed=9)
    scaled = prices.table.copy()
    scaled.iloc[:, :4] *= 64
    last, larger = (read_all(each, window=40)[-1] for each in (prices, with_table(prices, scaled)))
    text = shown(last, bars=5, decimals=2, columns=["close", "volume"])
    closes, volumes = prices.table["close"][-5:], prices.table["volume"][-5:]
    assert text == (
        f"last 5 bars, oldest first; close (first close = 100): "
        f"{' '.join(f'{value:.2f}' for value in closes / closes.iloc[0] * 100)}; volume over its mean: "
        f"{' '.join(f'{value:.2f}' for value in volumes / volumes.mean())}"
    )
    assert shown(larger, bars=5, decimals=2, columns=["close", "volume"]) == text
    (lifted,) = Context([{"history": {"bars": 5, "decimals": 2}}], ("price",)).show(last)
    assert lifted.text.endswith(f"close: {' '.join(f'{value:.2f}' for value in closes)}")


def test_a_longer_frame_counts_whole_periods_back_from_the_close():
    prices = random_prices(300, seed=9)
    lines = shown(read_all(prices, window=40)[-1], bars=2, decimals=3, longer={"bars": 4, "every": 5}).splitlines()
    closes = prices.table["close"].iloc[-16::5]
    values = " ".join(f"{value:.3f}" for value in closes / closes.iloc[0] * 100)
    assert lines[1] == f"last 4 periods of 5 bars, oldest first; close (first close = 100): {values}"


def test_blocks_stand_before_and_behind_the_line_of_the_market_in_their_order():
    prices = random_prices(300, seed=9)
    history = {"history": {"bars": 2, "decimals": 0}}
    plain, behind, before = (
        texts(prices, context)[-1][0] for context in (["features"], ["features", history], [history, "features"])
    )
    block = behind.removeprefix(plain + "\n\n")
    assert block.startswith("last 2 bars")
    assert before == f"{block}\n\n{plain}"


@pytest.mark.parametrize("mode", ["json", "slots", "choices"])
def test_every_mode_asks_with_the_context(mode):
    prices = random_prices(300, seed=9)
    plain, more = (
        texts(prices, context, options=PromptOptions(mode))[-1][0]
        for context in (["features"], ["features", {"history": {"bars": 2}}])
    )
    assert "last 2 bars, oldest first" in more
    assert more.startswith(plain)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["histroy"], "There is no context source 'histroy', did you mean 'history'?"),
        ([{"history": {"barz": 3}}], "The context source 'history' has no option 'barz', did you mean 'bars'?"),
        ([{"history": {"bars": 1}}], "The context source 'history': bars is 1: it should be greater than or equal"),
        ([{"history": {"longer": {"bras": 2}}}], "The context source 'history': longer.bras is 2"),
        ([{"history": {"columns": ["close", "close"]}}], "has a column twice: name each once."),
        (["features", "features"], "context names 'features' twice: name each source once."),
        ("history", "context is 'history': write a list of sources, as in [features, history]."),
        ([], "context is empty: name sources"),
        ([3], "context holds 3: write the name of a source"),
        ([{"history": 3}], "context holds {'history': 3}: write the name of a source"),
        (["math:pi"], "The context source 'math:pi' is 3.14159"),
        (["json:nothing"], "has no 'nothing'"),
    ],
)
def test_a_wrong_choice_is_one_sentence(chosen, told):
    with pytest.raises(ConfigurationError) as caught:
        ModelAdvisor(ScriptedClient([]), context=chosen)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_advisor_travels_with_its_context():
    context = Context(["features", {"history": {"bars": 7}}], ("price",))
    again = pickle.loads(pickle.dumps(context))  # noqa: S301 - our own
    assert (again.plain, again.unmasked) == (context.plain, context.unmasked)
    assert again.window == 7


def test_features_of_the_line_may_be_named_in_the_context():
    advisor = ModelAdvisor(ScriptedClient([]), context=[{"features": {"names": ["trend", "volume"]}}])
    assert advisor.view == View(features=("trend", "volume"))
    with pytest.raises(ConfigurationError, match="The features are range, and context names trend: name them once"):
        ModelAdvisor(ScriptedClient([]), view=View(features=("range",)), context=[{"features": {"names": ["trend"]}}])


def own_words(snapshot, word="calm"):
    return f"It is {word}."


def test_a_class_or_function_may_stand_in_the_place_of_its_name():
    context = Context([History, {own_words: {"word": "wild"}}])
    assert context.names == ("history", "own_words")
    assert context.plain[1] == {f"{__name__}:own_words": {"word": "wild"}}
    assert Context(context.plain).names == context.names
    with pytest.raises(ConfigurationError, match="cannot be found by its name: define it at the top of a module"):
        Context([lambda snapshot: ""])


def test_a_null_changes_one_source_alone():
    chosen = ["features", {"analogues": {"k": 3}}, {"history": {"bars": 5}}]
    drawn, without = null_choices(chosen, "analogues", "random"), null_choices(chosen, "analogues", "none")
    usual = Context(chosen).plain
    assert drawn[1] == {"analogues": {**usual[1]["analogues"], "null": "random"}}
    assert (drawn[0], drawn[2]) == (usual[0], usual[2])
    assert without[1] == {"analogues": {**usual[1]["analogues"], "null": "none"}}
    assert (without[0], without[2]) == (usual[0], usual[2])
    for label, value, told in (
        ("documents", "none", "The context features, analogues, history has no documents"),
        ("history", "random", "history has no null 'random'"),
        ("analogues", "randon", "analogues has no null 'randon', did you mean 'random'?"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            null_choices(chosen, label, value)
        assert told in str(caught.value)


@pytest.mark.parametrize(
    "chosen", [{"history": {"bars": 5}}, {"analogues": {}}, {"documents": {"path": "missing.jsonl"}}, own_words]
)
def test_every_source_has_a_null_that_stays_chosen_and_shows_nothing(chosen):
    (usual,) = Context([chosen]).lookbacks.values()
    choice = chosen if isinstance(chosen, dict) else {own_words: {}}
    silent = Context([{name: {**options, "null": "none"} for name, options in choice.items()}])
    assert silent.names == Context([chosen]).names
    assert silent.lookbacks == {silent.names[0]: usual}, "decisions begin at the same bar"
    assert Context(silent.plain).plain == silent.plain
    shown = silent.anew()  # which reads no file
    for snapshot in states():
        assert shown.show(snapshot) == ()
        shown.take(snapshot)


def test_the_markets_line_has_no_null():
    with pytest.raises(ConfigurationError, match=r"features has no null: leave it out of context"):
        Context([{"features": {"null": "none"}}])


def test_a_legend_says_what_the_features_of_the_line_are():
    prices = random_prices(300, seed=6)
    (asked, _), *_ = texts(prices, ["legend", "features"], options=PromptOptions("json", "none"))
    assert asked.index("momentum: the return over the last bars") < asked.rindex("momentum: ")
    assert asked.count("momentum: ") == 2


def test_a_legend_of_features_that_say_nothing_is_refused(tmp_path):
    path = tmp_path / "mute.py"
    path.write_text("from llm_strategy import Feature\nMUTE = Feature('mute', 2, lambda bars: 1.0, unit='x')\n")
    view = View("numbers", features=(f"{path}:MUTE",))
    with pytest.raises(ConfigurationError, match=r"no feature of the market's line has a description"):
        ModelAdvisor(ScriptedClient([]), view=view, context=["legend", "features"])
