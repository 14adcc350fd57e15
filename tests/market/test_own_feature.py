"""A feature of one's own: found by its reference, measured of closed bars alone, shown, journaled and replayed."""

import json
import math
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from all_snapshots import read_all
from markets import random_prices, with_table
from own_cerebro import MODES, SAVING, own_cerebro, pandas_feed
from small_run import explainer, recording, small

import simulator
from llm_strategy import AdvisedStrategy, Lookbacks, ModelAdvisor, View, render_snapshot
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError, MarketDataError, RunFolderError
from llm_strategy.llm import MemoryStore
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.market.feature import Feature
from llm_strategy.market.features import FEATURES, LONGEST_LOOKBACK
from llm_strategy.market.view import SHOWN, market_view
from simulator.runs.trace import trace

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_feature.py"
GAP = f"{EXAMPLE}:GAP"
SHORT = {"trend": 40, "volatility_rank": 30, "drawdown": 40}
ANSWER = {"label": "bull", "action": "enter_long", "action_confidence": "70", "rationale": "Above the long average."}


def write(folder, text, name="mine"):
    (folder / f"{name}.py").write_text(f"import math\n\nfrom llm_strategy import Feature\n\n{text}\n")
    return f"{folder / name}.py:MINE"


def in_folder(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "own_feature.py")
    monkeypatch.chdir(tmp_path)
    return "own_feature.py:GAP"


def run(tmp_path, features, client=None, **advisor):
    section = {"features": features, "lookbacks": SHORT, "mode": "slots", **advisor}
    data = {"source": "synthetic:cycles?bars=120&seed=5"}
    experiment = small(tmp_path, data=data, advisor=section, arms=["llm", "buy_and_hold"])
    return simulator.compare(experiment, client=client or recording()[0])


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 15


def test_the_example_is_measured_alike_in_every_mode_of_the_engine():
    prices, view = random_prices(300, seed=2, gap=0.01), View(features=("drawdown", GAP))
    first, *others = [read_all(prices, *mode.values(), view.measured) for mode in MODES]
    assert all(other == first for other in others)
    table = prices.table
    gaps = (table["open"] / table["close"].shift() - 1).iloc[LONGEST_LOOKBACK - 1 :]
    assert [snapshot.extra for snapshot in first] == [(("gap", value),) for value in gaps]
    words = {render_snapshot(snapshot, view).partition("; ")[2] for snapshot in first}
    assert words == {"gap: down", "gap: none", "gap: up"}
    numbers = render_snapshot(first[-1], View("numbers", features=(GAP, "trend")))
    assert numbers.startswith(f"gap: {100 * gaps.iloc[-1]:.1f}%; trend: ")


def test_no_later_bar_and_no_bar_of_a_narrow_memory_changes_it(tmp_path):
    reference = write(tmp_path, 'MINE = Feature("strain", 30, lambda b: b.close.std() / b.close.mean(), unit="%")')
    view = View("numbers", 3, features=(*SHOWN, reference))
    prices = random_prices(320, seed=3)
    table = prices.table.copy()
    table.iloc[300:, :4] *= np.linspace(2, 3, 20)[:, None]
    before, after = (read_all(each, measured=view.measured) for each in (prices, with_table(prices, table)))
    known = 300 - LONGEST_LOOKBACK + 1
    assert [render_snapshot(each, view) for each in before[:known]] == [
        render_snapshot(each, view) for each in after[:known]
    ]
    seen = []
    for engine in ({}, *SAVING):
        cerebro = own_cerebro(pandas_feed(prices.table), **engine)
        advisor = ModelAdvisor(ScriptedClient(lambda _: ANSWER), view=view)
        cerebro.addstrategy(AdvisedStrategy, advisor=advisor, lookbacks=Lookbacks(20, 3, 5, 12, 12, 6, 4))
        seen.append([entry.decision for entry in cerebro.run()[0].journal.entries])
    assert len(seen[0]) == 320 - 29
    assert all(decisions == seen[0] for decisions in seen)


def test_a_run_keeps_it_in_its_journal_and_is_replayed(tmp_path, monkeypatch):
    result = run(tmp_path, ["trend", in_folder(tmp_path, monkeypatch)])
    lines = [json.loads(line) for line in (result.folder / "llm" / "decisions.jsonl").read_text().splitlines()]
    assert all(line["snapshot"]["extra"].keys() == {"gap"} for line in lines)
    assert all(line["prompt"].startswith("trend: ") and "; gap: " in line["prompt"] for line in lines)
    assert '"extra"' not in (result.folder / "buy_and_hold" / "decisions.jsonl").read_text()
    assert result.record.manifest["own_parts"].keys() == {"own_feature.py:GAP"}
    assert ", gap " in trace(result.folder).as_text()
    assert all(check.same for check in simulator.replay(result.folder))


def test_a_trace_tells_its_value(tmp_path, monkeypatch):
    result = run(tmp_path, ["trend", in_folder(tmp_path, monkeypatch)])
    last = trace(result.folder)
    value = last.decision["snapshot"]["extra"]["gap"]
    assert f", gap {value:.4g}\n" in last.as_text()
    last.decision["snapshot"]["extra"]["gap"] = None  # as behind a bad bar
    assert ", gap n/a\n" in last.as_text()


def test_a_changed_file_makes_another_run_of_the_same_answers(tmp_path, monkeypatch):
    store, reference = MemoryStore(), in_folder(tmp_path, monkeypatch)
    first = run(tmp_path, ["trend", reference], recording(explainer, store)[0])
    with (tmp_path / "own_feature.py").open("a") as file:
        file.write("# a remark\n")
    client, model = recording(explainer, store)
    second = run(tmp_path, ["trend", reference], client)
    assert first.folder != second.folder
    assert not model.requests
    with pytest.raises(RunFolderError, match=r"The file of own_feature.py:GAP has changed since the run"):
        simulator.replay(first.folder)
    (tmp_path / "own_feature.py").unlink()
    with pytest.raises(RunFolderError, match=r"names the file own_feature.py, which is not there"):
        simulator.replay(second.folder)


def test_nothing_is_run_before_it_is_known_to_be_what_it_was(tmp_path, monkeypatch):
    made = run(tmp_path, ["trend", in_folder(tmp_path, monkeypatch)])
    source, mark = tmp_path / "own_feature.py", tmp_path / "ran"
    source.write_text(f"open({str(mark)!r}, 'w')\n" + source.read_text())
    with pytest.raises(RunFolderError, match="has changed since the run"):
        simulator.replay(made.folder)
    package = made.folder / "own_package"
    package.mkdir()
    shutil.copy(source, package / "__init__.py")
    monkeypatch.syspath_prepend(made.folder)
    with pytest.raises(ConfigurationError, match="lies in a run folder, which holds data alone"):
        View(features=("own_package.module:GAP",))
    source.rename(made.folder / "own_feature.py")
    with pytest.raises(ConfigurationError, match="lies in a run folder, which holds data alone"):
        View(features=(f"{made.folder}/own_feature.py:GAP",))
    assert not mark.exists()


def test_files_of_one_name_are_told_apart(tmp_path):
    for folder, lookback in (("one", 2), ("other", 3)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, f'MINE = Feature("{folder}", {lookback}, lambda bars: 0.5, unit="%")')
    names = [f"{tmp_path / folder}/mine.py:MINE" for folder in ("one", "other")]
    made = run(tmp_path, ["trend", *names], style="numbers")
    own = made.record.manifest["own_parts"]
    assert own.keys() == {"mine.py:MINE", "mine.py:MINE_"}
    assert len(set(own.values())) == 2
    assert str(tmp_path) not in made.report.read_text()  # a page says nothing of the machine


def test_it_counts_in_the_warm_up(tmp_path):
    reference = write(tmp_path, 'MINE = Feature("age", 90, lambda bars: len(bars.close), unit=" bars")')
    result = run(tmp_path, ["trend", reference], style="numbers")
    assert {len(arm.decisions) for arm in result.record.arms} == {120 - 90 + 1}
    short = {"source": "synthetic:cycles?bars=60&seed=5"}
    experiment = small(
        tmp_path, data=short, advisor={"features": [reference], "style": "numbers", "lookbacks": SHORT}, arms=["llm"]
    )
    with pytest.raises(MarketDataError, match=r"longest indicator \(age of advisor.features\)"):
        simulator.compare(experiment, client=recording()[0])


def test_the_file_lies_beside_the_experiment(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(EXAMPLE, folder / "own_feature.py")
    (folder / "experiment.yaml").write_text('advisor: {features: [trend, "own_feature.py:GAP"]}\n')
    experiment = simulator.Experiment.from_file(folder / "experiment.yaml")
    assert [feature.label for feature in experiment.advisor.view.shown] == ["trend", "gap"]


def test_an_installed_one_is_found_by_its_name(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "gap_of_mine.py")
    info = tmp_path / "gap_of_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gap-of-mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[backtrader_llm.features]\nopening = gap_of_mine:GAP\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert View(features=("opening",)).measured[0].name == "gap"
    assert run(tmp_path, ["opening"]).record.manifest["own_parts"].keys() == {"opening"}
    with pytest.raises(ConfigurationError, match=r"There is no feature 'openings', did you mean 'opening'\?"):
        View(features=("openings",))
    del sys.modules["gap_of_mine"]


WRONG = {
    "no feature": ("MINE = 3", "is of type int: write it as Feature(name, lookback, function)"),
    "a class": ("class MINE: ...", "is of type type: write it as Feature"),
    "not importable": ("import not_there", "cannot be imported (ModuleNotFoundError: No module named 'not_there')"),
    "not in it": ("OTHER = 3", "has no 'MINE'"),
    "a taken name": ('MINE = Feature("trend", 2, len, unit="%")', "is called 'trend', which is taken"),
    "a taken name under another label": (
        'MINE = Feature("drawdown", 2, len, unit="%", label="fall")',
        "is called 'drawdown', which is taken",
    ),
    "no lookback": ('MINE = Feature("a", 0, len)', "has the lookback 0: give a whole number of bars from 1"),
    "no function": ('MINE = Feature("a", 1, 5)', "def measure(bars)"),
    "two arguments": ('MINE = Feature("a", 1, lambda bars, more: 1.0)', "with the bars alone"),
    "buckets that fall": ('MINE = Feature("a", 1, len, ((1.0, "x"), (0.0, "y")))', "bounds rising to infinity"),
    "buckets that end": ('MINE = Feature("a", 1, len, ((1.0, "x"),))', "bounds rising to infinity"),
    "a word that is two": ('MINE = Feature("a", 1, len, ((math.inf, "x; y: z"),))', "has the word or unit 'x; y: z'"),
    "a hidden word": ('MINE = Feature("a", 1, len, ((math.inf, "x\\u200b"),))', "has the word or unit"),
    "a bad name": ('MINE = Feature("a: b", 1, len)', "needs another name"),
    "a bad label": ('MINE = Feature("a", 1, len, unit="%", label="b: c")', "has the label 'b: c': write at most 40"),
    "a bad noun": ('MINE = Feature("a", 1, len, ((math.inf, "x"),), noun="; y")', "has the word or unit '; y'"),
    "a scaled that is none": ('MINE = Feature("a", 1, len, unit="%", scaled=3)', "has a scaled that is no function"),
    "what is for those of every market": (
        'MINE = Feature("a", 1, len, ((math.inf, "x"),), of="trend")',
        "sets of or all_bars, which are for those of every market: leave them out.",
    ),
    "no words": ('MINE = Feature("a", 1, len, unit="%")', "has no buckets, and style words shows no numbers"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_one_sentence(tmp_path, text, words):
    with pytest.raises(ConfigurationError) as caught:
        small(tmp_path, advisor={"features": ["trend", write(tmp_path, text)]})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_of_one_name_are_refused(tmp_path):
    one, other = (write(tmp_path, 'MINE = Feature("a", 1, len, unit="%")', name) for name in ("one", "other"))
    with pytest.raises(ConfigurationError, match=r"Two features are called 'a'"):
        View("numbers", features=(one, other))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("1 / 0", "failed at the bar of 20..-..-..T00:00:00 .ZeroDivisionError: "),
        ("math.nan", "gave nan at the bar of 20..-..-..T00:00:00, which is no finite number"),
        ("math.inf", "gave inf at"),
        ("None", "gave None at"),
        ("bars.close", "which is no finite number"),
        ("bars.close.sort()", "array is read-only"),
    ],
    ids=["raises", "nan", "infinite", "nothing", "an array", "writes"],
)
def test_a_function_that_fails_names_feature_and_bar(tmp_path, body, words):
    reference = write(tmp_path, f'MINE = Feature("mine", 3, lambda bars: {body}, unit="%")')
    with pytest.raises(ConfigurationError, match=f"^The feature 'mine' .*{words}.*correct its function.$"):
        run(tmp_path, ["trend", reference], style="numbers")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("1 / 0", "failed at the bar of 20..-..-..T00:00:00 .ZeroDivisionError: "),
        ("None", "gave None at the bar of 20..-..-..T00:00:00, which is no finite number"),
        ("math.nan", "gave nan at"),
    ],
    ids=["raises", "nothing", "nan"],
)
def test_a_scaled_that_fails_names_feature_and_bar(tmp_path, body, words):
    feature = f'Feature("mine", 3, lambda bars: 1.0, ((0.0, "a"), (math.inf, "b")), scaled=lambda _: {body})'
    reference = write(tmp_path, f"MINE = {feature}")
    with pytest.raises(ConfigurationError, match=f"^The feature 'mine' .*{words}.*correct its scaled.$"):
        run(tmp_path, ["trend", reference])


def test_a_view_travels_to_another_process_by_its_names():
    view = View("numbers", 2, ("price",), ("trend", GAP))
    assert pickle.loads(pickle.dumps(view)) == view  # noqa: S301 - our own bytes


def test_prompts_name_what_is_shown_and_fixed_examples_show_no_more():
    view = View(features=("range", "volatility", GAP))
    snapshot = read_all(random_prices(275, seed=2), measured=view.measured)[-1]
    options = [
        PromptOptions("slots", "fixed", rationale="never"),
        PromptOptions("choices", "fixed", layout="rows"),
        PromptOptions("json", "fixed"),
    ]
    slots, choices, written = (
        ModelAdvisor(ScriptedClient([], supports_choices=True), view=view, options=each).request(snapshot).messages
        for each in options
    )
    assert "(range volatility gap)" in slots[0].content
    assert "(range volatility gap)" in choices[0].content
    markets = [message.content for message in written if message.role == "user"]
    assert all(": range: " in market and "; volatility: " in market and "trend" not in market for market in markets)
    assert [market for market in markets if "gap" in market] == markets[-1:]
    assert "trend" not in written[2].content


def test_without_a_name_the_request_is_what_it_was():
    snapshot = read_all(random_prices(275, seed=2))[-1]
    hashes = {
        request_hash(advisor.request(snapshot), advisor.client.identity)
        for view in (View(), View(features=tuple(SHOWN)))
        for advisor in [ModelAdvisor(ScriptedClient([]), view=view)]
    }
    assert len(hashes) == 1
    assert tuple(FEATURES)[: len(SHOWN)] == SHOWN


def test_a_line_without_what_the_rule_goes_by_gives_all_its_facts():
    view = market_view('symbol: "A"; momentum: rising; gap: up')
    assert (view.names, view.rule_values) == (("momentum", "gap"), "rising up")
    assert view.rule_facts == "momentum rising, gap up"
    assert view.row() == 'symbol "A" rising up'


def test_behind_a_bad_bar_it_has_no_value():
    table = random_prices(140, seed=4).table
    table.iloc[100, 3] = math.nan
    cerebro = own_cerebro(pandas_feed(table))
    advisor = ModelAdvisor(ScriptedClient(lambda _: ANSWER), view=View(features=("trend", GAP)))
    how = {"lookbacks": Lookbacks(20, 3, 5, 12, 12, 6, 4), "bad_bars": "abstain"}
    cerebro.addstrategy(AdvisedStrategy, advisor=advisor, **how)
    entries = cerebro.run()[0].journal.entries
    unknown = [entry.bar for entry in entries if not entry.decision.snapshot.known]
    assert unknown == list(range(100, 120))
    assert cerebro.runstrats[0][0].journal.frames().decisions["gap"].isna().sum() == 2


def test_a_feature_may_look_back_on_one_bar():
    assert Feature("close", 1, lambda bars: bars.close[-1]).lookback == 1
