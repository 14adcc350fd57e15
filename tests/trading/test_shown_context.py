"""What is shown beside the line of features in a person's own Cerebro: the same in every mode of the engine, and anew
in every run."""

import math
from pathlib import Path

import backtrader as bt
import pytest
from own_cerebro import MODES, OTHER, SAVING, TABLE, answer, own_cerebro, pandas_feed, run

from llm_strategy import AdvisedStrategy, ModelAdvisor
from llm_strategy.llm.backends.scripted import ScriptedClient

OWN = str(Path(__file__).parents[2] / "examples" / "own_context.py")
CONTEXT = [
    {"analogues": {"k": 2, "horizon": 5, "of": "all"}},
    "features",
    {"history": {"bars": 20, "columns": ["close", "volume"], "longer": {"bars": 10, "every": 7}}},
    f"{OWN}:Streak",
]


def advisor(context=CONTEXT):
    return ModelAdvisor(ScriptedClient(answer), context=context)


def feeds():
    return [pandas_feed(), pandas_feed(OTHER, name="B")]


EXPECTED = run(own_cerebro(*feeds()), advisor=advisor(), trade="all")


def test_other_symbols_are_among_the_analogues():
    alone = run(own_cerebro(pandas_feed()), advisor=advisor())[0]
    together = [entry for entry in EXPECTED[0] if entry.decision.snapshot.symbol == "A"]
    assert len(alone) == len(together)
    shown = [[entry.decision.context[0].text for entry in entries[-50:]] for entries in (alone, together)]
    assert shown[0] != shown[1]
    assert [entry.decision.context[1:] for entry in alone] == [entry.decision.context[1:] for entry in together]


@pytest.mark.parametrize("mode", MODES + SAVING, ids=str)
def test_every_mode_of_the_engine_shows_the_same(mode):
    assert run(own_cerebro(*feeds(), **mode), advisor=advisor(), trade="all") == EXPECTED
    assert {shown.source for entry in EXPECTED[0] for shown in entry.decision.context} == {
        "analogues", "history", "Streak"
    }  # fmt: skip


def test_a_second_run_of_the_same_advisor_begins_without_a_past():
    same = advisor()
    for _ in range(2):
        assert run(own_cerebro(*feeds()), advisor=same, trade="all") == EXPECTED


def test_an_optimisation_gives_each_run_its_own_past():
    cerebro = bt.Cerebro(stdstats=False, optreturn=False, maxcpus=1)
    for feed in feeds():
        cerebro.adddata(feed)
    cerebro.optstrategy(AdvisedStrategy, advisor=[advisor()], trade="all", decide_every=[1, 1])
    contexts = [
        [(entry.decision.snapshot.symbol, entry.decision.context) for entry in made.journal.entries]
        for (made,) in cerebro.run()
    ]
    assert contexts[0] == contexts[1]
    assert contexts[0] == [(entry.decision.snapshot.symbol, entry.decision.context) for entry in EXPECTED[0]]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_behind_a_bar_that_cannot_be_true_its_windows_are_waited_for_and_the_past_begins_anew(mode):
    table = TABLE.copy()
    table.iloc[290, 3] = math.nan
    chosen = [{"analogues": {"k": 1, "horizon": 2}}, {"history": {"bars": 2, "longer": {"bars": 3, "every": 95}}}]
    entries, *_ = run(own_cerebro(pandas_feed(table), **mode), advisor=advisor(chosen), bad_bars="abstain")
    abstained = [entry.bar for entry in entries if entry.decision.status == "abstained"]
    assert abstained == list(range(290, 420))
    table = TABLE.copy()
    table.iloc[130, 3] = math.nan
    entries, *_ = run(own_cerebro(pandas_feed(table), **mode), advisor=advisor(chosen), bad_bars="abstain")
    told = [entry.decision for entry in entries if entry.decision.status != "abstained"]
    assert entries[len(entries) - len(told)].bar == 130 + 285
    assert [[shown.source for shown in decision.context] for decision in told] == [
        ["history"], ["history"], *[["analogues", "history"]] * 3
    ]  # fmt: skip
