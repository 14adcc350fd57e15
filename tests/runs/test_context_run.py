"""A run whose model is shown more than the line of features: asked ahead or not, replayed, traced, and advised."""

import json
import shutil
from pathlib import Path

import pytest
from own_cerebro import own_cerebro, run
from small_run import recording
from small_study import study

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import ConfigurationError, PromptTooLong, RunFolderError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from simulator.runs.advise import advise_at
from simulator.runs.trace import trace

EXAMPLES = Path(__file__).parents[2] / "examples"
TWO = {"sources": {name: f"synthetic:cycles?bars=310&seed={seed}" for name, seed in (("ONE", 3), ("TWO", 4))}}
OTHERS = '''
from llm_strategy import ContextSource, Shown

class Latest(ContextSource):
    """The closes of all other symbols before this one."""

    def __init__(self):
        self.closes = {}

    def take(self, snapshot):
        self.closes.setdefault(snapshot.symbol, []).append((snapshot.time, snapshot.momentum))

    def show(self, snapshot):
        known = [
            [momentum for time, momentum in closes if time < snapshot.time][-1:]
            for symbol, closes in sorted(self.closes.items()) if symbol != snapshot.symbol
        ]
        return Shown("Latest", f"others {known}")

class Outside(ContextSource):
    """What prices do not tell."""

    from_prices = False

    def open(self):
        with open("outside.txt") as file:
            self.words = file.read().split()

    def show(self, snapshot):
        word = self.words[int(snapshot.close * 1000) % len(self.words)]
        return Shown("Outside", "" if word == "none" else word, ("W1",))
'''


def label(request):
    turn = sum(map(ord, request.messages[-1].content)) % 3
    return {"label": ("bull", "bear", "sideways")[turn], "action": ("enter_long", "exit", "hold")[turn],
            "action_confidence": "70", "rationale": "So it is."}  # fmt: skip


class SideBySide(ScriptedClient):
    """Answers several questions at once."""

    concurrency = 8


def experiment(folder, context, data=None, **advisor):
    return simulator.Experiment.from_mapping(
        {
            "name": "shown",
            "data": data or {"source": "synthetic:cycles?bars=330&seed=5"},
            "advisor": {"context": context} | advisor,
            "arms": ["llm", "buy_and_hold"],
            "evaluation": {"bootstrap_samples": 100},
            "output": {"folder": str(folder / "reports"), "explain": False},
        },
        folder=folder,
    )


def lines_of(result):
    return [json.loads(line) for line in (result.folder / "llm" / "decisions.jsonl").read_text().splitlines()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OTHERS)
    (tmp_path / "outside.txt").write_text("calm storm none wind")
    shutil.copy(EXAMPLES / "own_context.py", tmp_path)
    return tmp_path


CONTEXT = ["features", {"history": {"bars": 5}}, {"own_context.py:Streak": {"most": 4}}, "own_context.py:busy"]


def test_what_was_shown_is_in_the_journal_and_replays(folder):
    client, model = recording(label)
    result = simulator.compare(experiment(folder, CONTEXT), client=client)
    lines = lines_of(result)
    asked = {request.messages[-1].content for request in model.requests}
    for line in lines:
        blocks = [line["prompt"], *(shown["text"] for shown in line["context"])]
        assert any(text.endswith("\n\n".join(blocks)) for text in asked)
    assert {shown["source"] for line in lines for shown in line["context"]} == {"history", "Streak", "busy"}
    assert any("in a row rose" in shown["text"] for line in lines for shown in line["context"])
    assert any(len(line["context"]) == 2 for line in lines)  # a source that shows nothing leaves nothing
    assert "busy: The last bar was the busiest of five." in "".join(result.decisions.loc["llm"]["context"])
    assert set(result.decisions.loc["buy_and_hold"]["context"]) == {""}
    assert all(check.same for check in simulator.replay(result.folder))
    told = trace(result.folder, arm="llm").as_text()
    assert f"Context  Streak: {lines[-1]['context'][1]['text']}" in told


def test_a_run_with_the_line_of_features_alone_is_the_same_whether_it_is_named_or_not(folder):
    plain = experiment(folder, ["features"])
    assert "context" not in plain.as_dict()["advisor"]
    assert plain == simulator.Experiment.from_mapping({**plain.as_dict()}, folder=folder)
    whole = experiment(folder, {"features": None, "history": {"bars": 7.0}})
    history = {"bars": 7, "decimals": 1, "columns": ["close"]}
    assert whole.as_dict()["advisor"]["context"] == ["features", {"history": history}]
    assert simulator.Experiment.from_mapping(whole.as_dict(), folder=folder) == whole


@pytest.mark.parametrize("data", [None, TWO], ids=["one symbol", "two symbols"])
@pytest.mark.parametrize("way", [{}, {"decide_every": 3}], ids=["every bar", "every third"])
def test_asked_ahead_is_what_is_asked_at_the_bar(folder, data, way):
    chosen = experiment(folder, ["own.py:Latest", "features", {"history": {"bars": 3}}], data, **way)
    journals, asked = [], []
    for kind in (ScriptedClient, SideBySide):
        model = kind(label)
        client = RecordingClient(model, model.identity, MemoryStore())
        result = simulator.compare(chosen, client=client)
        journals.append((result.folder / "llm" / "decisions.jsonl").read_bytes())
        asked.append(sorted(str(request.messages[-1].content) for request in model.requests))
        shutil.rmtree(result.folder)
    assert journals[0] == journals[1]
    assert asked[0] == asked[1]
    if data is TWO:
        assert b"others [[" in journals[0]


def test_what_prices_do_not_tell_is_read_from_the_journal_in_a_replay(folder):
    client, _ = recording(label)
    result = simulator.compare(experiment(folder, ["features", "own.py:Outside"]), client=client)
    shown = [line.get("context") for line in lines_of(result)]
    assert [{"source": "Outside", "text": "wind", "ids": ["W1"]}] in shown
    assert None in shown
    (folder / "outside.txt").unlink()
    assert all(check.same for check in simulator.replay(result.folder))


def test_another_file_of_a_source_is_another_run_and_no_replay(folder):
    context = ["features", "own_context.py:Streak"]
    client, _ = recording(label)
    result = simulator.compare(experiment(folder, context), client=client)
    (folder / "own_context.py").write_text((folder / "own_context.py").read_text() + "\n# changed\n")
    with pytest.raises(RunFolderError, match=r"The file of own_context\.py:Streak has changed since the run"):
        simulator.replay(result.folder)
    assert simulator.compare(experiment(folder, context), client=client).folder != result.folder


@pytest.mark.parametrize("at", ["last", "middle"])
def test_advice_on_its_own_asks_the_question_of_the_run(folder, at):
    chosen = experiment(folder, ["own.py:Latest", "features", {"history": {"bars": 3}}], TWO)
    client, _ = recording(label)
    lines = [line for line in lines_of(simulator.compare(chosen, client=client)) if line["snapshot"]["symbol"] == "ONE"]
    line = lines[-1 if at == "last" else len(lines) // 2]
    alone = advise_at(chosen, line["time"].removesuffix("T00:00:00"), symbol="ONE", client=client)
    assert alone.as_dict()["request"] == line["request"]
    assert alone.as_dict()["context"] == line["context"]


def test_the_warm_up_holds_what_a_source_looks_back_on(folder):
    chosen = experiment(folder, [{"history": {"bars": 2, "longer": {"bars": 60, "every": 5}}}])
    assert chosen.warm_up == (300, "history of advisor.context")
    client, _ = recording(label)
    assert lines_of(simulator.compare(chosen, client=client))[0]["bar"] == 299


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("def wrong(snapshot): return 1 / 0", r"'wrong' failed at the bar of .*ZeroDivisionError.*what it shows"),
        ("def wrong(snapshot): return 3", r"'wrong' gave 3 at the bar of .* which is no text"),
        ("def wrong(snapshot): return 'x' * 300_000", r"'wrong' gave 300,000 characters"),
        ("def wrong(): return ''", r"takes no snapshot: write it as def wrong\(snapshot\)"),
        ("wrong = 3", r"is 3: write a subclass of ContextSource"),
        ("def wrong(snapshot): return ''\nwrong.lookback = -1", r"'wrong' has the lookback -1"),
    ],
)  # fmt: skip
def test_a_source_of_ones_own_that_fails_is_one_sentence(folder, body, told):
    (folder / "bad.py").write_text(body)
    client, _ = recording(label)
    with pytest.raises(ConfigurationError, match=told) as caught:
        simulator.compare(experiment(folder, ["features", "bad.py:wrong"]), client=client)
    assert "\n" not in str(caught.value)


def test_the_estimate_has_a_line_for_each_source(folder):
    chosen, plans = experiment(folder, CONTEXT), []
    client, _ = recording(label)
    simulator.compare(chosen, client=client, on_estimate=plans.append)
    history, streak, busy = plans[0].sources
    assert (history.source, streak.source, busy.source) == ("history", "Streak", "busy")
    assert history.most >= history.mean > streak.mean > busy.mean > 0
    assert busy.most > 2 * busy.mean  # it seldom shows anything
    assert f"context history: about {history.mean:,.0f} tokens a decision, at most {history.most}" in str(plans[0])


@pytest.mark.model
def test_a_prompt_that_cannot_fit_is_told_before_anything_is_asked(folder, model_path):
    def run(tokens, context):
        with LLMClient(Gpt4AllBackend(model_path, context_tokens=tokens, threads=1)) as model:
            client = RecordingClient(model, model.identity, MemoryStore())
            try:
                return simulator.compare(experiment(folder, context, mode="json"), client=client)
            finally:
                assert client.usage.asked == 0

    long = {"history": {"bars": 250, "decimals": 2}}
    with pytest.raises(PromptTooLong) as caught:
        run(1024, ["features", long, "own_context.py:Streak"])
    told = str(caught.value)
    assert "tokens and the model's context 1,024" in told
    assert "is history of advisor.context with " in told


def test_a_study_of_ones_own_cerebro_shows_what_the_cerebro_does(folder):
    chosen = ["features", {"history": {"bars": 4}}, "own_context.py:Streak"]
    advisor = ModelAdvisor(ScriptedClient(label), context=chosen)
    (alone, *_) = run(own_cerebro(), advisor=advisor)
    result = study(folder, advisor=advisor).run()
    together = [entry.decision.context for entry in result.record.arm("llm").entries]
    assert together == [entry.decision.context for entry in alone]
    assert {shown.source for shown in together[0]} == {"history", "Streak"}
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize("of", ["others", "all"])
def test_analogues_of_other_symbols_need_others(folder, of):
    with pytest.raises(ConfigurationError, match=f"analogues looks at {of} symbols, and there is one alone: leave of"):
        experiment(folder, ["features", {"analogues": {"of": of}}])
    assert experiment(folder, ["features", {"analogues": {"of": of}}], TWO).advisor.analogues_of == of


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ([{"history": {"bars": 1}}], "advisor.context.0.history.bars is 1, it must be at least 2."),
        ([{"history": {"barz": 1}}], "advisor.context.0.history.barz is an unknown key, did you mean 'bars'?"),
        ({"history": {"columns": ["clos"]}}, "advisor.context.history.columns.0 is \"clos\", it must be one of open"),
        ([{"analogues": {"of": "own", "null": "rnd"}}], "advisor.context.0.analogues.null is \"rnd\", it must be"),
        (["features", "histroy"], "There is no context source 'histroy', did you mean 'history'?"),
        ([], "advisor.context"),
        (7, "advisor.context is 7"),
        (["features", "nowhere.py:x"], "names the file"),
    ],
)  # fmt: skip
def test_a_wrong_context_of_an_experiment_is_one_sentence(folder, context, told):
    with pytest.raises(ConfigurationError) as caught:
        experiment(folder, context)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_null_of_analogues_is_an_arm_by_one_word(folder):
    document = experiment(folder, ["features", {"analogues": {"k": 2, "horizon": 3}}]).as_dict()
    document["arms"] = {"llm": {"advisor": "llm"}, "drawn": {"advisor": "llm", "null": "random_analogues"}}
    client, _ = recording(label)
    result = simulator.compare(simulator.Experiment.from_mapping(document, folder=folder), client=client)
    kinds = {
        arm: {text.split(" past states")[0] for text in result.decisions.loc[arm]["context"] if text}
        for arm in ("llm", "drawn")
    }
    assert kinds == {"llm": {"analogues: most similar"}, "drawn": {"analogues: random"}}
    assert all(check.same for check in simulator.replay(result.folder))
