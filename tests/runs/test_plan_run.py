"""A run whose advisor plans: replayed, asked ahead or not, beside its nulls, told on the page and in every command."""

import json

import pytest
from all_snapshots import read_all
from markets import random_prices
from small_run import recording

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Prices
from simulator.prices.universe import load_universe
from simulator.runs.advise import advise_at
from simulator.runs.estimate import estimate
from simulator.runs.trace import trace

LIST = ["rsi", "trend_strength", "drawdown_anatomy", "weekday", "hurst"]
NOTES = '''
from llm_strategy import Analytic, ContextSource, Quantity, Shown

class Notes(ContextSource):
    """What prices do not tell, a word a close."""

    from_prices = False

    def open(self):
        with open("notes.txt") as file:
            self.words = file.read().split()

    def show(self, snapshot):
        word = self.words[int(snapshot.close * 1000) % len(self.words)]
        return Shown("Notes", "" if word == "none" else word * 40)

def ahead(past):
    with open("later.txt") as file:
        return {"days": float(len(file.read()) + len(past.closes.times))}

AHEAD = Analytic("ahead", "what nobody knows", 0, ahead, {"days": Quantity("count", "closes")})
'''


def turn_of(request):
    return sum(map(ord, request.messages[1].content))


def planner(request):
    """A model that plans and advises by what it is shown; now and then its plan is none."""
    turn = turn_of(request)
    if "measured" in request.messages[0].content:
        names = request.messages[0].content.split("\n- ")[1:]
        offered = [name.partition(":")[0] for name in names]
        if turn % 4 == 0:
            return {"analytics": ["astrology"]}
        return {"analytics": [offered[turn % len(offered)], offered[(turn + 1) % len(offered)]]}
    label, action = [("bull", "enter_long"), ("bear", "exit"), ("sideways", "hold")][turn % 3]
    return {"rationale": "So it is.", "regime": {"label": label}, "action": {"type": action, "confidence": 0.7}}


class SideBySide(ScriptedClient):
    """Answers several questions at once."""

    concurrency = 8


def experiment(folder, plan=None, arms=("llm", "buy_and_hold")):
    advisor = {"mode": "json", "max_failure_rate": 1.0, "plan": {"analytics": LIST, "choose": 2} | (plan or {})}
    return simulator.Experiment.from_mapping(
        {
            "name": "planned",
            "data": {"source": "synthetic:cycles?bars=330&seed=5"},
            "advisor": advisor,
            "arms": arms,
            "evaluation": {"bootstrap_samples": 100},
            "output": {"folder": str(folder / "reports"), "explain": False},
        },
        folder=folder,
    )


def lines_of(result, arm="llm"):
    return [json.loads(line) for line in (result.folder / arm / "decisions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A planned arm with its three nulls."""
    nulls = {"all": "all_analytics", "fixed": "fixed_analytics", "drawn": "random_analytics"}
    arms = {"llm": None, "buy_and_hold": None} | {
        name: {"advisor": "llm", "null": null} for name, null in nulls.items()
    }
    client, model = recording(planner)
    folder = tmp_path_factory.mktemp("planned")
    return simulator.compare(experiment(folder, arms=arms), client=client), model, folder


def test_every_file_of_a_planned_run_and_its_nulls_is_the_same_in_a_replay(compared):
    result, _, _ = compared
    checks = simulator.replay(result.folder)
    assert all(check.same for check in checks)
    assert {"llm/decisions.jsonl", "drawn/decisions.jsonl", "llm/request.json"} <= {check.name for check in checks}
    assert json.loads((result.folder / "manifest.json").read_text())["format"] == "2.5.0"


def test_the_journal_holds_what_was_planned_and_a_failed_plan_is_an_abstention(compared):
    result, _, _ = compared
    lines = lines_of(result)
    invalid = [line for line in lines if not line["plan"]["chosen"]]
    assert invalid
    assert all(line["abstention"]["detail"].startswith("plan: ") for line in invalid)
    assert all(len(line["plan"]["asked"]) == 2 for line in invalid)
    for line in lines:
        told = [shown["source"] for shown in line.get("context", ())]
        silent = {"weekday"} - set(told)  # nothing to tell yet
        assert told == [name for name in line["plan"]["chosen"] if name not in silent]
    assert {len(line["plan"]["asked"]) for line in lines_of(result, "all")} == {0}
    assert {tuple(line["plan"]["chosen"]) for line in lines_of(result, "all")} == {tuple(LIST)}


def test_the_page_says_what_was_chosen_in_which_regime_and_what_it_was_worth(compared):
    result, _, _ = compared
    facts, lines = result.facts, lines_of(result)
    plans = [line["plan"]["chosen"] for line in lines]
    assert facts["llm.plan_decisions"].value == len(lines)
    assert facts["llm.plan_none"].value == sum(not plan for plan in plans)
    assert facts["llm.plan_distinct"].value == len({frozenset(plan) for plan in plans if plan})
    chosen = sum("rsi" in plan for plan in plans) / len(plans)
    assert facts["llm.plan.rsi"].value == pytest.approx(chosen)
    advised = [line for line in lines if line["advice"] and line["advice"]["regime"]["label"] == "bull"]
    share = sum("rsi" in line["plan"]["chosen"] for line in advised) / len(advised)
    assert facts["llm.plan.rsi.label.bull"].value == pytest.approx(share)
    page = (result.folder / "report.md").read_text()
    assert "## What the model chose to look at" in page
    assert "| llm and all | nobody: all are run | " in page
    assert facts["all.plan_run"].value == len(LIST)


def test_trace_advise_request_and_frames_tell_of_the_plan(compared):
    result, _, folder = compared
    line = next(line for line in lines_of(result) if line["plan"]["chosen"])
    told = trace(result.folder / "llm", line["time"]).as_text()
    assert f"Plan     {', '.join(line['plan']['chosen'])}" in told
    assert "--- question 1: plan" in told
    said = advise_at(experiment(folder), line["time"], client=ScriptedClient(planner)).as_text()
    assert f"[plan]\n  {', '.join(line['plan']['chosen'])}" in said
    request = json.loads((result.folder / "llm" / "request.json").read_text())
    assert "measured" in request["messages"][0]["content"]
    assert "measured" not in request["behind_the_plan"]["messages"][0]["content"]
    row = result.decisions.query("arm == 'llm'").iloc[0]
    assert row["plan"] == ", ".join(lines_of(result)[0]["plan"]["chosen"])


def test_questions_asked_ahead_leave_the_same_journal(compared, tmp_path):
    result, _, _ = compared
    at_once = SideBySide(planner)
    client = RecordingClient(at_once, at_once.identity, MemoryStore())
    ahead = simulator.compare(experiment(tmp_path), client=client)
    assert (ahead.folder / "llm/decisions.jsonl").read_bytes() == (result.folder / "llm/decisions.jsonl").read_bytes()
    assert len(at_once.requests) == len(set(at_once.requests))  # nothing was asked twice


def test_an_estimate_counts_the_plans_and_with_them_on_record_the_advice_behind(tmp_path):
    client, _ = recording(planner)
    wanted = experiment(tmp_path)
    universe = load_universe(wanted.data, warm_up=wanted.warm_up)
    before = estimate(wanted, universe, client, Prices())
    assert "the questions of the advice behind each plan and repairs come on top" in str(before)
    simulator.compare(wanted, client=client)
    assert estimate(wanted, universe, client, Prices()).distinct > before.distinct


def test_what_prices_do_not_tell_is_read_from_the_journal_where_a_plan_chose_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(NOTES)
    (tmp_path / "notes.txt").write_text("calm storm none windandwindandwindandwind")
    plan = {"analytics": ["rsi", "own.py:Notes", "hurst"], "tokens": 150}
    result = simulator.compare(experiment(tmp_path, plan), client=recording(planner)[0])
    plans = {tuple(line["plan"]["chosen"]) for line in lines_of(result)}
    assert any("Notes" in plan for plan in plans)
    (tmp_path / "notes.txt").unlink()
    assert all(check.same for check in simulator.replay(result.folder))


def test_an_analytic_of_ones_own_that_looks_ahead_is_refused_where_a_plan_offers_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        NOTES.replace('open("later.txt")', 'open("notes.txt")').replace(
            "len(file.read())", "len(file.read()) + __import__('time').time_ns()"
        )
    )
    (tmp_path / "notes.txt").write_text("calm")
    with pytest.raises(ConfigurationError, match=r"own\.py:AHEAD' is not deterministic"):
        simulator.compare(experiment(tmp_path, {"analytics": ["own.py:AHEAD", "rsi"], "choose": 1}))


@pytest.mark.model
def test_the_embedded_model_plans(model_path):
    client = LLMClient(Gpt4AllBackend(model_path))
    snapshot = read_all(random_prices(330, seed=3), window=251)[20]
    names, exchanges = ModelAdvisor(client, plan={"analytics": LIST, "choose": 2, "tokens": 200}).plan(snapshot)
    assert names
    assert set(names) <= set(LIST)
    assert [exchange.purpose for exchange in exchanges] == ["plan"]
