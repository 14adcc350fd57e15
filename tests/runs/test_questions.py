"""How many questions a run has, asks and finds on record: told before, counted after, the same on both sides."""

import dataclasses

import pytest
from fault_wires import aws
from misbehaving_server import answer, serving

import simulator
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = {" enter_long": 0.9, " enter_short": 0.0, " exit": 0.06, " hold": 0.04}
DECISIONS = 340 - 269


def reads(request):
    """Labels by the line alone, the action by the label; of an explanation the first of each list."""
    if not {" bull", " hold"} & set(request.choices):
        return {choice: 0.9 if choice == request.choices[0] else 0.01 for choice in request.choices}
    if " bull" not in request.choices:
        return LONG if "bull" in request.opening else {**LONG, " exit": 0.95}
    up = "above" in request.messages[-1].content + request.opening
    return {" bull": 0.7 if up else 0.2, " bear": 0.2 if up else 0.7, " sideways": 0.06, " turbulent": 0.04}


def scored(folder, **advisor):
    choice = {"mode": "choices", "layout": "turns", "examples": "fixed"}
    return simulator.Experiment.from_mapping(
        {
            "name": "scored",
            "data": {"source": "synthetic:cycles?bars=340&seed=5"},
            "advisor": choice | advisor,
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(folder), "explain": False},
        }
    )


def test_the_questions_of_scored_decisions_are_told_and_counted(tmp_path):
    store, told, asked, used = MemoryStore(), [], [], []
    for run in range(3):
        model = ScriptedClient(reads, supports_choices=True)
        client = RecordingClient(model, model.identity, store)
        experiment = scored(tmp_path, calibration="content_free")
        plans = []
        result = simulator.run(experiment, client=client, on_estimate=plans.append)
        told.append(plans[0])
        asked.append(len(model.requests))
        used.append(result.record.manifest["usage"])
        for key in list(store)[::2] if run == 0 else ():
            del store[key]
    for usage, now in zip(used, asked, strict=True):
        assert (usage["decisions"], usage["questions"]) == (DECISIONS, 3 * DECISIONS)
        assert (usage["asked"], usage["from_record"]) == (now, usage["questions"] - now)
    assert used[0]["distinct"] == asked[0] == told[0].distinct == told[0].to_ask
    assert told[0].decisions == DECISIONS
    assert asked[1] <= told[1].to_ask <= 2 * asked[1]  # an action counts as unknown where its label is
    assert asked[2] == told[2].to_ask == 0
    assert told[2].distinct == told[0].distinct


def test_a_second_run_tells_the_same_facts_but_for_what_was_asked(tmp_path):
    model = ScriptedClient(reads, supports_choices=True)
    client = RecordingClient(model, model.identity, MemoryStore())
    experiment = dataclasses.replace(scored(tmp_path), output=simulator.Experiment().output)
    experiment = dataclasses.replace(
        experiment, output=dataclasses.replace(experiment.output, folder=str(tmp_path), explain=True)
    )
    words = [(simulator.run(experiment, client=client).folder / "explanation.json").read_bytes()]
    asked = len(model.requests)
    words.append((simulator.run(experiment, client=client).folder / "explanation.json").read_bytes())
    assert words[0] == words[1]
    assert len(model.requests) == asked


@pytest.mark.parametrize("backend", ["openai", "bedrock"])
def test_a_backend_without_probabilities_says_so_before_anything_is_asked(tmp_path, monkeypatch, backend):
    aws(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LLM_BACKEND", backend)
    with serving(answer("{}")) as server:
        monkeypatch.setenv("LLM_BASE_URL", server.url)
        with pytest.raises(ConfigurationError, match=f"which backend '{backend}' cannot do: choose json") as told:
            simulator.run(scored(tmp_path / "reports"))
    assert "\n" not in str(told.value)
    assert len(server.questions) <= 2  # which are to find out who answers
