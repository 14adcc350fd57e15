"""The experiments of ``examples/``, run as a person runs them: with real models, cut off and gone on with, replayed."""

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fault_runs import environment
from misbehaving_server import answer, by_turns, serving

from llm_strategy.llm.models.store import cache_folder
from simulator import Result, replay

pytestmark = [pytest.mark.model, pytest.mark.server, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
CALM = '{"rationale": "Quiet [D1].", "regime": {"label": "calm"}, "action": {"type": "hold", "confidence": 0.6}}'
SHORT = "output: {explain: false}\nevaluation: {bootstrap_samples: 100, placebos: 19}\n"
"""What the tests leave out of an example: a page in a model's words, and the size of what is drawn at random."""


@pytest.fixture
def folder(tmp_path):
    """An empty folder with the examples in it, and a cache with models and no answers."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "cache").mkdir()
    for model in cache_folder().glob("*.gguf"):
        try:
            os.link(model, tmp_path / "cache" / model.name)
        except OSError:  # folders of tests lie on another device
            shutil.copy(model, tmp_path / "cache")
    return tmp_path


def settings_of(folder, **settings):
    threads = os.environ.get("LLM_THREADS", "1")  # other tests run beside these
    return {"BTLLM_CACHE_DIR": str(folder / "cache"), "LLM_TIMEOUT_S": "300", "LLM_THREADS": threads, **settings}


def compared(commands, folder, experiment, settings):
    """The result of a whole comparison."""
    process = commands.popen(folder, settings, ("compare", f"examples/{experiment}"))
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, out[-2000:] + err[-2000:]
    (manifest,) = (folder / "reports").glob("*/manifest.json")  # beside it may lie the lock of who was killed
    return Result.load(manifest.parent)


def asked(folder):
    """How often each question reached a model, over all commands: by advisor and request."""
    lines = [json.loads(line) for log in folder.glob("audit*.jsonl") for line in log.read_text().splitlines()]
    return Counter((line["advisor"], line["request"]) for line in lines if not line["cached"])


def test_three_advisors_a_strategy_a_rule_and_the_market_stand_in_one_table(commands, folder, gemma_path):
    """Killed in the middle of the second advisor, started again: each question is asked once, and all is replayed."""
    settings = settings_of(folder)
    path = folder / "examples" / "several_advisors.yaml"
    text = path.read_text(encoding="utf-8")
    for usual, short in (("decide_every: 5", "decide_every: 24"), ("end: 2008-12-31", "end: 2008-07-31")):
        assert usual in text
        text = text.replace(usual, short)
    path.write_text(text + SHORT, encoding="utf-8")
    process = commands.popen(folder, settings, ("compare", "examples/several_advisors.yaml"))
    deadline = time.monotonic() + 600
    while not list((folder / "reports").glob("*/opinion/decisions.jsonl")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    known = {file.stem for file in (folder / "cache" / "answers").glob("??/*.json")}
    assert known

    made = compared(commands, folder, "several_advisors.yaml", settings)
    own = ["donchian", "upper_half", "regime_rule"]
    assert list(made.table.index) == ["small", "opinion", "gemma", *own, "market"]
    counts = asked(made.folder)
    assert {advisor for advisor, _ in counts} == {"small", "opinion", "gemma"}
    assert counts.total() - len(counts) <= 1  # what was under way when it was killed is asked again
    assert made.advisors["valid_share"].min() == 1.0
    page = made.report.read_text(encoding="utf-8")
    assert all(f">{arm}<" in page for arm in made.table.index)
    assert {("small", "opinion"), ("small", "gemma")} <= set(made.pairs.index)
    assert all(check.same for check in replay(made.folder))


def test_a_model_plans_briefs_states_hypotheses_and_obeys_a_checklist(commands, folder, model_path):
    """Killed in the middle, started again: each question is asked once, each statement registered once."""
    settings = settings_of(folder, BTLLM_DATA_DIR=str(folder / "data"))
    path = folder / "examples" / "orchestrator.yaml"
    text = path.read_text(encoding="utf-8")
    for usual, short in (("2007-01-01", "2007-09-01"), ("2008-12-31", "2008-10-31"), ("every: 20", "every: 150")):
        assert usual in text
        text = text.replace(usual, short)
    for further in ("first_two", "any_two"):
        text = re.sub(rf"\n  {further}: .*", "", text)
    path.write_text(text.replace("propose: 2", "propose: 1") + SHORT, encoding="utf-8")
    process = commands.popen(folder, settings, ("compare", "examples/orchestrator.yaml"))
    deadline = time.monotonic() + 600
    while not list((folder / "reports").glob("*/everything/decisions.jsonl")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    made = compared(commands, folder, "orchestrator.yaml", settings)
    assert list(made.table.index) == ["planned", "everything", "buy_and_hold", "market", "copy_nearest"]
    counts = asked(made.folder)
    assert counts.total() - len(counts) <= 1  # what was under way when it was killed is asked again
    plans = [entry.decision.plan for entry in made.record.arm("planned").entries]
    assert all(len(plan) == 2 for plan in plans)
    brief = made.brief()
    assert brief.close.chosen == plans[-1]
    assert made.facts["model.brief.market.trend"].text in str(brief)
    page = made.report.read_text(encoding="utf-8")
    assert "The market at the last decision of planned" in page
    checked = {check.name: check.same for check in replay(made.folder)}
    assert all(checked.values()), checked
    assert {"brief.json", "checklist.json", "hypotheses.json"} <= checked.keys()


def shorten(folder, settings=""):
    """The example of one's own words over two decisions, with these settings of its advisor."""
    path = folder / "examples" / "own_words.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 25
    text = text.replace("end: 2008-12-31", "end: 2008-08-08") + SHORT
    path.write_text(text.replace("advisor:\n", f"advisor:\n  {settings}\n"), encoding="utf-8")


def check_own_words(made, shown):
    """What was asked at each decision holds just what the experiment names, and nothing from after the close."""
    assert set(made.decisions.loc["llm"]["label"].dropna()) <= {"calm", "stress", "unclear"}
    zone = ZoneInfo("America/New_York")
    known = {
        row["id"]: datetime.fromisoformat(row["available_at"])
        for row in map(json.loads, (EXAMPLES / "news.jsonl").read_text(encoding="utf-8").splitlines())
    }
    for (time_, _), row in made.documents.reset_index().set_index(["time", "symbol"]).iterrows():
        assert known[row["id"]] <= datetime.fromisoformat(str(time_)[:10] + "T16:00").replace(tzinfo=zone)
    assert len(made.documents)
    for entry in made.record.arm("llm").entries:
        asked_for = {block.source: block.text for block in entry.decision.context}
        text = shown(entry)
        assert "gap: " in entry.decision.prompt
        assert "gap: the last open against the close before it" in text
        for part in (entry.decision.prompt, asked_for["history"], asked_for["documents"]):
            assert part in text
        assert "stress: prices move much and mostly down" in text
        assert "enter_short: " in text
        assert text.count("[D1]") == 1
    assert all(check.same for check in replay(made.folder))


def requests_of(made):
    """The text of each request of a run by its hash."""
    log = [json.loads(line) for line in (made.folder / "audit.jsonl").read_text().splitlines()]
    return {line["request"]: "\n".join(message["content"] for message in line["messages"]) for line in log}


def test_a_prompt_a_feature_labels_and_news_of_ones_own_reach_llama_cpp(commands, folder, model_path):
    shorten(folder)
    made = compared(commands, folder, "own_words.yaml", settings_of(folder, LLM_BACKEND="llama_cpp"))
    asked_for = requests_of(made)
    check_own_words(made, lambda entry: asked_for[entry.decision.exchanges[0].request_hash])
    assert made.advisors["valid_share"].min() == 1.0


def test_the_same_reaches_local_llama_which_nothing_holds_to_labels_that_it_never_saw(commands, folder, model_path):
    shorten(folder, "max_failure_rate: 1")
    made = compared(commands, folder, "own_words.yaml", settings_of(folder, LLM_BACKEND="local_llama"))
    asked_for = requests_of(made)
    check_own_words(made, lambda entry: asked_for[entry.decision.exchanges[0].request_hash])


def test_the_same_reaches_a_server(commands, folder):
    shorten(folder)
    with serving(by_turns(lambda turn, body: answer(CALM))) as server:
        made = compared(commands, folder, "own_words.yaml", environment(server.url, folder / "cache"))
        bodies = ["\n".join(message["content"] for message in body["messages"]) for body in server.questions]

    def sent(entry):
        parts = [entry.decision.prompt, *(block.text for block in entry.decision.context)]
        return next(text for text in bodies if all(part in text for part in parts))

    check_own_words(made, sent)
    assert set(made.decisions.loc["llm"]["label"]) == {"calm"}
