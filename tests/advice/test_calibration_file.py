"""Calibration over an earlier window: left by one run, taken by a later one, kept with it, refused in a sentence."""

import dataclasses
import json

import pytest

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.modes.choices import correct_scores
from llm_strategy.advice.options import LabelPrior, PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.types import Snapshot
from simulator.experiment.configuration import OutputConfig

pytestmark = pytest.mark.slow

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.2, -0.4, 0.1, 1.5)
PRIOR = {"states": 60, "labels": {"bull": 0.7, "bear": 0.1, "sideways": 0.1, "turbulent": 0.1}}


def prior(**labels):
    return PRIOR | {"labels": PRIOR["labels"] | labels}


def scores(request):
    """Always for the first choice, and more so above the average."""
    above = "above" in request.messages[-1].content
    return {
        choice: 0.7 if above and not number else 0.4 - 0.1 * number for number, choice in enumerate(request.choices)
    }


def recording():
    model = ScriptedClient(scores, supports_choices=True)
    return RecordingClient(model, model.identity, MemoryStore())


def experiment(until, **advisor):
    return simulator.Experiment.from_mapping(
        {
            "name": "calibrated",
            "data": {"source": "synthetic:cycles?bars=720&seed=5", **until},
            "advisor": {"mode": "choices", "examples": "fixed", "layout": "turns", **advisor},
            "arms": ["llm"],
            "evaluation": {"bootstrap_samples": 200},
            "output": {"explain": False},
        }
    )


def decision_symbol(result):
    return decisions(result)[0]["snapshot"]["symbol"]


def decisions(result):
    return result.record.arms[0].decisions


def test_a_later_run_is_calibrated_by_the_window_of_an_earlier_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    earlier = simulator.run(experiment({"end": "2001-09-01"}, calibration="none"), client=recording())
    left = earlier.folder / "calibration.json"
    prior = json.loads(left.read_text())
    raw = {}
    for decision in decisions(earlier):
        raw[decision["prompt"]] = list(json.loads(decision["answer"]).values())
    assert prior["states"] == len(raw)
    means = [sum(column) / len(raw) for column in zip(*raw.values(), strict=True)]
    assert list(prior["labels"].values()) == pytest.approx(means, abs=1e-6)
    assert all(check.same for check in simulator.replay(earlier.folder))

    wanted = experiment({"start": "2001-09-01"}, calibration=str(left))
    left.unlink()
    window = prior["window"]
    assert (window["symbols"], window["prices"]) == ([decision_symbol(earlier)], earlier.record.about.prices["sha256"])
    assert [window["first"], window["last"]] == [decisions(earlier)[at]["time"] for at in (0, -1)]
    later = simulator.run(wanted, client=recording())
    assert later.facts["llm.calibration_bars"].value == "from earlier bars"
    assert not any("calibration" in note for note in later.record.manifest["notes"])
    assert later.record.arms[0].manifest["experiment"]["advisor"]["calibration"] == prior
    for decision in decisions(later):
        said = dict(zip(prior["labels"], json.loads(decision["answer"]).values(), strict=True))
        meant = correct_scores(said, prior["labels"])
        regime = decision["advice"]["regime"]
        assert regime["label"] == max(meant, key=meant.__getitem__)
        assert regime["confidence"] == pytest.approx(max(meant.values()), abs=1e-4)
    checks = simulator.replay(later.folder)
    assert "calibration.json" in [check.name for check in checks]
    assert all(check.same for check in checks)


@pytest.mark.parametrize(
    ("window", "origin", "note"),
    [
        ({"first": "2000-01-03", "last": "2001-12-03"}, "from later bars", "computed from bars up to 2001-12-03"),
        ({"first": "1990-01-03", "last": "1999-12-03"}, "from earlier bars", ""),
        (None, "from bars that are not on record", "does not say which bars it was computed from"),
    ],
)
def test_a_calibration_from_later_bars_is_told_before_the_run_and_on_the_page(window, origin, note, tmp_path):
    given = PRIOR if window is None else PRIOR | {"window": window | {"symbols": ["CYCLES"], "prices": "ab" * 32}}
    wanted = dataclasses.replace(
        experiment({"end": "2001-03-01"}, calibration=given),
        output=OutputConfig(folder=str(tmp_path), explain=False),
    )
    told = []
    result = simulator.run(wanted, client=recording(), on_note=told.append)
    assert result.facts["llm.calibration_bars"].value == origin
    notes = [sentence for sentence in told if "calibration" in sentence]
    assert len(notes) == bool(note)
    assert note in "".join(notes)
    page = (result.folder / "report.md").read_text()
    assert ("is not attributable to the advice" in page) is (origin == "from later bars")
    assert result.record.manifest["experiment"]["advisor"]["calibration"] == given
    assert all(check.same for check in simulator.replay(result.folder))


def test_a_prior_corrects_from_the_first_decision_on_and_lets_questions_be_asked_ahead():
    options = PromptOptions("choices", "fixed", layout="turns", calibration=LabelPrior(**PRIOR))
    advisor = ModelAdvisor(ScriptedClient(scores, supports_choices=True), options=options)
    decision = advisor.decide(SNAPSHOT)
    assert decision.advice.regime.label == "bear", "bull has 0.4 of 0.7, bear 0.3 of 0.1"
    assert advisor.stateless


def test_a_run_without_scored_labels_leaves_no_calibration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = {"rationale": "Flat.", "label": "sideways", "action": "hold", "action_confidence": "50"}
    model = ScriptedClient(lambda request: values)
    wanted = experiment({"end": "2001-09-01"}, mode="slots", layout="auto")
    result = simulator.run(wanted, client=RecordingClient(model, model.identity, MemoryStore()))
    assert not (result.folder / "calibration.json").exists()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("gone.json", "There is no file gone.json: name the calibration.json"),
        ("broken.json", "broken.json cannot be read"),
        ({"states": 3}, "advisor.calibration: labels is missing"),
        (PRIOR | {"labels": PRIOR["labels"] | {"bull": 2}}, "labels.bull is 2, it must be at most 1"),
        (PRIOR | {"label": {}}, "unknown key"),
        (prior(bull=1e-320), "the probability of bull is 1e-320, and no number from 0 to 1"),
        (prior(bull=float("nan")), "nan is no setting: every number must be finite"),
        (prior(bull=float("inf")), "inf is no setting: every number must be finite"),
        (prior(bull=-0.1), "labels.bull is -0.1, it must be at least 0"),
        (prior(bull=True), "labels.bull is true, it must be of type number"),
        (prior(bull="0.7"), 'labels.bull is "0.7", it must be of type number'),
        (prior(bull=10**400), "is no setting: every number lies within"),
        (prior(calm=0), "labels.calm is an unknown key; known are bull"),
        (prior(bull=1, bear=1, sideways=1, turbulent=1), "the probability of all together is 4, and not 1"),
        (prior(bull=0, bear=0, sideways=0, turbulent=0), "the probability of all together is 0, and not 1"),
        ("nan.json", "nan.json: the probability of bear is nan"),
        ("twice.json", "twice.json cannot be read: one of states, labels stands twice"),
        ("deep.json", "deep.json cannot be read"),
        ("digits.json", "digits.json cannot be read"),
        ("half.json", "half.json: labels.\ud800 is an unknown key"),
        ("btach", 'is "btach", it must be one of auto, none, content_free, batch, or the calibration.json'),
    ],
)
def test_a_wrong_calibration_is_one_sentence(tmp_path, monkeypatch, given, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "nan.json").write_text(json.dumps(prior(bear=float("nan"))))
    (tmp_path / "twice.json").write_text('{"states": 1, "states": 2, "labels": {}}')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "digits.json").write_text('{"states": ' + "9" * 5_000 + "}")
    (tmp_path / "half.json").write_text('{"states": 1, "labels": {"\\ud800": 1}}')
    with pytest.raises(ConfigurationError, match=problem):
        experiment({}, calibration=given)
