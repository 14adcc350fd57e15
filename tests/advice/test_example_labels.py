"""Examples labelled by the rule, without sense, or by a person's own file: known in time, and told in a sentence."""

import dataclasses
import itertools
from collections import Counter

import pytest
from past_states import SNAPSHOT, states
from small_run import recording, small

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.examples import Analogues, cyclic_partner
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.view import View, causal_label, render_snapshot
from llm_strategy.types import Status
from simulator.experiment.configuration import Experiment

STATES = list(states())
DATA = {"source": "synthetic:cycles?bars=300&seed=5"}
VALUES = {"rationale": "So it is.", "label": "bull", "action": "hold", "action_confidence": "60"}


def library(labels, taken):
    past = Analogues(View(), labels)
    for state in taken:
        past.take(state)
    return past


def shown_by(past, taken):
    """The label that each state is shown with, by its text."""
    nearest = {}
    for state in taken:
        (example,) = past.choose(state, "nearest", 1)
        nearest[example.market] = example.label
    return nearest


def test_shuffled_labels_are_those_of_other_past_states_and_as_frequent():
    ruled, shuffled = (shown_by(library(labels, STATES), STATES) for labels in ("rule", "shuffled"))
    assert ruled.keys() == shuffled.keys()
    assert Counter(ruled.values()) == Counter(shuffled.values())
    assert sum(ruled[state] != shuffled[state] for state in ruled) > len(ruled) / 3
    assert shown_by(library("shuffled", STATES), STATES) == shuffled, "the same each time"


@pytest.mark.parametrize(
    ("labels", "shuffled"),
    [
        ("followed", "shuffled_followed"),
        (ROWS := OwnLabels(tuple((each.time, ("bear", "bull")[at % 3 == 0], "") for at, each in enumerate(STATES))),
         dataclasses.replace(ROWS, shuffled=True)),
    ],
)  # fmt: skip
def test_labels_that_followed_or_are_a_persons_are_shuffled_among_themselves(labels, shuffled):
    told, dealt = (shown_by(library(source, STATES), STATES) for source in (labels, shuffled))
    assert told.keys() == dealt.keys()
    assert Counter(told.values()) == Counter(dealt.values())
    assert told != dealt


@pytest.mark.parametrize("kind", ["nearest", "balanced"])
def test_a_shuffled_label_comes_from_no_later_state(kind):
    count = 4
    for bars in (8, 15, 30):
        before = library("shuffled", STATES[:bars])
        shown = before.choose(STATES[bars], kind, count)
        turned = [dataclasses.replace(state, trend=-state.trend) for state in STATES[bars:]]
        assert library("shuffled", STATES[:bars]).choose(STATES[bars], kind, count) == shown
        texts = {render_snapshot(state, View()) for state in STATES[:bars]}
        assert {example.market for example in shown} <= texts
        for state in turned:
            before.take(state)


def test_no_state_keeps_its_label_by_the_cycle():
    partners = []
    for number in range(1, 200):
        cyclic_partner(partners)
        assert sorted(partners) == list(range(number)), "a permutation"
        assert number == 1 or all(partner != place for place, partner in enumerate(partners))
        at, length = partners[0], 1
        while at != 0:
            at, length = partners[at], length + 1
        assert length == number, "one cycle"


def test_balanced_examples_stay_balanced_when_their_labels_are_shuffled():
    shown = library("shuffled", STATES).choose(STATES[-1], "balanced", 8)
    assert set(Counter(example.label for example in shown).values()) == {2}
    ruled = library("rule", STATES).choose(STATES[-1], "balanced", 8)
    assert [example.market for example in shown] == [example.market for example in ruled]
    assert shown != ruled


def test_a_persons_labels_are_shown_for_their_states_alone_and_only_behind_them():
    own = OwnLabels(tuple((state.time, "turbulent", "") for state in STATES[3:30:3]))
    past = Analogues(View(), own)
    for number, state in enumerate(STATES):
        labelled = {render_snapshot(each, View()) for each in STATES[3:30:3] if each.time < state.time}
        shown = past.choose(state, "nearest", 2)
        assert {example.market for example in shown} <= labelled
        assert bool(shown) is (len(labelled) >= 2), number
        assert {example.label for example in shown} <= {"turbulent"}
        past.take(state)
    assert causal_label(STATES[3]) != "turbulent"


def test_a_label_for_one_symbol_is_of_no_other():
    labels = OwnLabels((("2009-01-01 00:01:00+00:00", "bull", "AAA"), ("2009-01-01T00:01", "bear", "")))
    assert labels.of("AAA") == {"2009-01-01T00:01:00": "bull"}
    assert labels.of("BBB") == {"2009-01-01T00:01:00": "bear"}


@pytest.mark.parametrize("labels", ["shuffled", OwnLabels((("2009-01-01T00:05:00", "bear", ""),))])
def test_the_rules_fixed_examples_never_stand_in_for_labels_of_another_kind(labels):
    given = iter([VALUES | {"label": "sunny"}, VALUES])
    client = ScriptedClient(lambda request: next(given))
    advisor = ModelAdvisor(client, options=PromptOptions("slots", "nearest", 1, labels, rationale="never"))
    for state in itertools.islice(STATES, 1):
        advisor.witness(state)
    assert advisor.decide(SNAPSHOT).status is Status.REPAIRED
    for request in client.requests:
        assert "Judge by yourself" in request.messages[0].content
        assert sum(message.role == "user" for message in request.messages) == 1 + (request is client.requests[1])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,label\n2009-01-01,bul\n", "row 1: there is no label 'bul', did you mean 'bull'?"),
        ("time,label\n2009-01-01,\n", "row 1: there is no label: write one"),
        ("time,label\n,bull\n", "row 1: there is no time: write it as"),
        ("time,label\n2009-01-01,bull\nlater,bull\n", "row 2: 'later' is no time"),
        (
            "time,label\n2009-01-01,bull\n2009-01-01T00:00:00,bear\n",
            "row 2: the time 2009-01-01T00:00:00 is there twice",
        ),
        ("time,label,symbol\n2009-01-01,bull,A\n2009-01-01,bear,A\n", "the time 2009-01-01 of A is there twice"),
        ("date,label\n2009-01-01,bull\n", "has a column 'date'; known are time, label, symbol."),
        ("time,labels\n2009-01-01,bull\n", "has a column 'labels', did you mean 'label'?"),
        ("time\n2009-01-01\n", "it needs time and label, each once."),
        ("time,time,label\n1,2,3\n", "it needs time and label, each once."),
        ("time,label\n2009-01-01\n", "row 1 has 1 cells, and the head 2."),
        ("time,label\n", "has 0 rows: give from 1 to 20,000."),
        ("", "is no table"),
        ("time,label\n9999-12-31T23:59:59-23:00,bull\n", "is no time"),
    ],
)
def test_a_wrong_file_of_labels_is_one_sentence(tmp_path, text, told):
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Experiment.from_mapping({"advisor": {"labels": "mine.csv", "examples": {"nearest": 2}}}, folder=tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("mien.csv", "There is no file mien.csv, did you mean 'mine.csv'?"),
        ("shuffeld", "did you mean 'shuffled'?"),
        ({"rows": [["2009-01-01", "bull"]]}, "advisor.labels: rows.0"),
        ({"row": []}, "advisor.labels: row is an unknown key, did you mean 'rows'?"),
    ],
)
def test_labels_that_are_not_there_are_one_sentence(tmp_path, monkeypatch, labels, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("time,label\n2009-01-01,bull\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Experiment.from_mapping({"advisor": {"labels": labels, "examples": {"nearest": 2}}})
    assert told in str(caught.value)


def own_run(tmp_path, rows):
    (tmp_path / "mine.csv").write_text("time,label\n" + "".join(f"{time},{label}\n" for time, label in rows))
    advisor = {"labels": str(tmp_path / "mine.csv"), "examples": {"nearest": 2}, "mode": "json"}
    return small(tmp_path, advisor=advisor, arms=["llm"], data=DATA)


def answer(request):
    return {"rationale": "So.", "regime": {"label": "bull"}, "action": {"type": "hold", "confidence": 0.6}}


def test_a_run_with_own_labels_replays_without_their_file_and_tells_their_coverage(tmp_path):
    client, model = recording(answer)
    plain = small(tmp_path, arms=["llm"], data=DATA, advisor={"mode": "json"})
    first = simulator.run(plain, client=recording(answer)[0])
    times = [entry.decision.snapshot.time for entry in first.record.arms[0].entries]
    rows = [(time, "turbulent") for time in times[:6]] + [("1950-01-02", "bear")]
    client, model = recording(answer)
    result = simulator.run(own_run(tmp_path, rows), client=client)
    (tmp_path / "mine.csv").unlink()
    assert "6 of 7 labels of advisor.labels are of bars of this run" in " ".join(result.record.about.notes)
    shown = [message.content for request in model.requests for message in request.messages]
    assert any('{"label": "turbulent"}' in text for text in shown)
    assert all(check.same for check in simulator.replay(result.folder))
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "with labels from a file of the user" in page
    other = simulator.run(own_run(tmp_path, [*rows[:5], (times[5], "bear"), rows[6]]), client=recording(answer)[0])
    assert other.folder.name != result.folder.name


def test_the_null_of_labels_shuffles_those_of_the_advisor_and_its_coverage_is_told_once(tmp_path):
    client, _ = recording(answer)
    first = simulator.run(small(tmp_path, arms=["llm"], data=DATA, advisor={"mode": "json"}), client=client)
    times = [entry.decision.snapshot.time for entry in first.record.arms[0].entries]
    arms = {"llm": {"advisor": "llm"}, "dealt": {"advisor": "llm", "null": "shuffled_labels"}}
    for name, (one, two) in {"mine": ("bear", "bull"), "yours": ("turbulent", "sideways")}.items():
        rows = "".join(f"{time},{(one, two)[number % 2]}\n" for number, time in enumerate(times))
        (tmp_path / f"{name}.csv").write_text("time,label\n" + rows)
    plan = own_run(tmp_path, [(time, ("bear", "bull")[number % 2]) for number, time in enumerate(times)])
    plan = Experiment.from_mapping(plan.as_dict() | {"arms": arms}, folder=tmp_path)
    assert plan.plan[1].config.labels == dataclasses.replace(plan.plan[0].config.labels, shuffled=True)
    assert Experiment.from_mapping(plan.as_dict(), folder=tmp_path).plan == plan.plan
    client, _ = recording(answer)
    result = simulator.compare(plan, client=client)
    assert " ".join(result.notes).count("labels of advisor.labels are of bars of this run") == 1
    assert all(check.same for check in simulator.replay(result.folder))
    arms["other"] = {"advisor": "llm", "labels": "yours.csv"}
    wider = Experiment.from_mapping(plan.as_dict() | {"arms": arms}, folder=tmp_path)
    notes = " ".join(simulator.compare(wider, client=recording(answer)[0]).notes)
    assert "labels of the file of llm, dealt are of bars" in notes
    assert "labels of the file of other are of bars" in notes
    followed = Experiment.from_mapping(
        {
            "advisor": {"examples": {"nearest": 2}, "labels": "followed"},
            "arms": {name: arms[name] for name in ("llm", "dealt")},
        }
    )
    assert followed.plan[1].config.labels == "shuffled_followed"
