"""The memory audit from the command line and from Python, on models whose memory is known: the short form of
``benchmarks.memory_doses``."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import only_error, write_experiment

from llm_strategy.errors import ConfigurationError
from simulator.experiment.configuration import Experiment
from simulator.memory.audit import audit_memory
from simulator.memory.page import write_audit
from simulator.memory.probes import AuditOptions

QUICK = AuditOptions(dates=24, windows=10, trade=False)
BARS = 400
"""130 closes with decisions: the dates are five bars apart."""

BACKEND = '''
import json

from llm_strategy.llm import Backend, Generation, ModelIdentity


class Ignorant(Backend):
    """Reads the trend, and knows no date, market or year."""

    identity = ModelIdentity(backend="ignorant", name="ignorant", engine="ignorant", engine_version="1")

    def answer(self, request, on_text=None):
        asked = request.messages[-1].content
        if '"direction"' in asked:
            said = {"direction": "unknown"}
        elif '"market"' in asked or '"year"' in asked:
            key = "market" if '"market"' in asked else "year"
            said = {key: json.loads(request.json_schema)["properties"][key]["enum"][0]}
        else:
            up = "trend: above" in asked
            said = {
                "version": "1.0.0", "intent": "propose_trade",
                "rationale": "The trend.", "regime": {"label": "bull" if up else "bear"},
                "action": {"type": "enter_long" if up else "exit", "confidence": 0.7},
            }
        return Generation(json.dumps(said), tokens_in=0, tokens_out=1, latency_ms=0.0)
'''


@pytest.fixture
def doses(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import memory_doses

    return memory_doses


def test_a_model_that_knows_half_of_the_dates_is_called_contaminated(doses):
    found = doses.audited("memory", 0.5, 3, replace(doses.SMALL, dates=40), 480)
    assert found.judgement.call == "contaminated"
    assert {"advice under the name", "recall"} <= set(found.judgement.found)
    assert found.twins.named_sharpe > found.twins.masked_sharpe
    assert found.recall.accuracy == 1.0


@pytest.mark.parametrize("kind", ["honest", "noisy", "dated", "dead"])
def test_a_model_without_memory_is_not_called_contaminated(doses, kind):
    found = doses.audited(kind, 0.0, 4, QUICK, BARS)
    assert found.judgement.call != "contaminated"
    assert found.dead == (kind == "dead")
    if kind == "dead":
        assert found.judgement.call == "inconclusive"
        assert any("the same at every date" in note for note in found.notes)


def test_drawn_answers_without_memory_are_called_contaminated_in_at_most_a_few_of_a_hundred(doses):
    assert sum(doses.called_contaminated("noisy", seed, dates=30, bars=150) for seed in range(30)) <= 5


def test_under_the_mask_only_recognition_is_tested_and_said_so(doses, tmp_path):
    experiment = doses.planted_experiment(5, 560, unmasked=[])
    ignorant = doses.PlantedModel({}, "honest")

    def recognises(request):
        """Names the year and the market of every text in which they stand, and of the advisor's own text."""
        asked = request.messages[-1].content
        slot = next((part for part in request.form if getattr(part, "name", "") in ("year", "market")), None)
        if slot is None:
            return ignorant(request)
        said = [choice for choice in slot.choices if re.search(rf'(?<=[" ]){choice}', asked.split("Which")[0])]
        return {slot.name: said[-1] if said else ignorant(request)[slot.name]}

    found = audit_memory(experiment, options=replace(QUICK, windows=30), client=_client(recognises))
    assert {probe.name for probe in found.probes} == {"recognises the market", "recognises the year"}
    assert found.judgement.call in ("clean", "inconclusive")
    assert found.twins is None
    assert found.mirage is None
    text = (write_audit(found, tmp_path / "audit") / "report.md").read_text()
    assert "no name to exchange" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_a_model_that_cannot_read_what_stands_there_is_not_tested_on_what_does_not(doses):
    experiment = doses.planted_experiment(5, BARS, unmasked=[])
    found = audit_memory(experiment, options=QUICK, client=doses.PlantedModel({}, "honest").client())
    assert found.judgement.call == "inconclusive"
    assert all("of a window that says it" in probe.problem for probe in found.probes)


def test_a_model_that_never_advises_is_inconclusive_and_told(doses):
    model = doses.PlantedModel({}, "honest")

    def mute(request):
        return "no" if "trend: " in request.messages[-1].content.split("Which")[0] else model(request)

    found = audit_memory(doses.planted_experiment(6, BARS), options=QUICK, client=_client(mute))
    assert found.judgement.call == "inconclusive"
    assert any("decisions have no advice of the model" in note for note in found.notes)


def test_a_window_that_is_too_short_is_told_with_a_cure(doses):
    with pytest.raises(ConfigurationError, match=r"dates that are 60 bars apart.*--horizon"):
        audit_memory(
            doses.planted_experiment(7, BARS),
            options=replace(QUICK, horizon=60),
            client=doses.PlantedModel({}).client(),
        )


def test_rules_alone_have_no_memory_to_audit():
    with pytest.raises(ConfigurationError, match="no memory to audit"):
        audit_memory(Experiment.from_mapping({"arms": ["buy_and_hold"]}))


def test_the_command_writes_the_same_bytes_again_without_asking(btllm, tmp_path):
    (tmp_path / "ignorant.py").write_text(BACKEND)
    advisor = {"backend": "ignorant.py:Ignorant", "unmasked": ["date"]}
    experiment = write_experiment(tmp_path, advisor=advisor, arms=["llm", "buy_and_hold"])
    words = ("audit-memory", experiment, "--dates", 20, "--windows", 10, "--no-trade")
    budget = write_experiment(tmp_path, advisor=advisor | {"budget": {"max_calls": 30}}, arms=["llm", "buy_and_hold"])
    error = only_error(_without_progress(btllm("audit-memory", budget, *words[2:])), 8)
    assert "max_calls" in error
    write_experiment(tmp_path, advisor=advisor, arms=["llm", "buy_and_hold"])
    status, out, _ = btllm(*words)
    assert status == 0, out
    assert "advice under the name" in out
    assert "report.html" in out
    folder = tmp_path / "out" / "memory-small-llm"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {"memory.json", "facts.json", "report.html", "report.md"}
    (tmp_path / "ignorant.py").write_text(
        BACKEND.replace("asked = request", "raise OSError('asked again')\n        asked = request")
    )
    status, out, _ = btllm(*words, "--json")
    assert status == 0
    assert json.loads(out)["judgement"]["call"] in ("clean", "inconclusive")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_ctrl_c_keeps_the_answers_and_the_same_command_goes_on(btllm, tmp_path):
    asked = tmp_path / "asked.txt"
    interrupts = """
        known = Path("asked.txt")
        with known.open("a") as file:
            file.write(hashlib.sha256(repr(request).encode()).hexdigest() + "\\n")
        if len(known.read_text().split()) == 30:
            os.kill(os.getpid(), signal.SIGINT)
"""
    told = BACKEND.replace("        if '\"direction\"'", interrupts + "        if '\"direction\"'", 1)
    (tmp_path / "ignorant.py").write_text("import hashlib\nimport os\nimport signal\nfrom pathlib import Path\n" + told)
    advisor = {"backend": "ignorant.py:Ignorant", "unmasked": ["date"]}
    experiment = write_experiment(tmp_path, advisor=advisor, arms=["llm", "buy_and_hold"])
    words = ("audit-memory", experiment, "--dates", 20, "--windows", 10, "--no-trade")
    error = only_error(_without_progress(btllm(*words)), 130)
    assert (
        error
        == "Error: interrupted; every answer of the model so far is kept, and the same command goes on from there."
    )
    first = asked.read_text().split()
    assert 30 <= len(first) < 40
    assert not (tmp_path / "out").exists()
    status, out, _ = btllm(*words)
    assert status == 0, out
    both = asked.read_text().split()
    assert len(both) - len(first) > 30
    assert not set(first[:29]) & set(both[len(first) :])


def _client(script):
    from llm_strategy.llm import MemoryStore, RecordingClient
    from llm_strategy.llm.backends.scripted import ScriptedClient

    model = ScriptedClient(script)
    return RecordingClient(model, model.identity, MemoryStore())


def _without_progress(answer):
    status, out, err = answer
    return status, out, "\n".join(line for line in err.splitlines() if line.startswith("Error"))
