"""What is asked, in every schedule: a run, what is asked ahead of it, and one decision alone ask the very same, and
bars without a decision are past states too."""

import pytest
from small_run import recording, small

import simulator
from llm_strategy import Journal, ModelAdvisor
from llm_strategy.advice.examples import label_of_what_followed
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.market.view import render_snapshot
from simulator.prices.universe import load_universe
from simulator.runs.advise import advise_at
from simulator.runs.simulation import simulate, upcoming

pytestmark = pytest.mark.slow

ONE = {"source": "synthetic:cycles?bars=330&seed=5"}
SEVERAL = {"sources": {"B": "synthetic:crash?bars=320&seed=3", "A": "synthetic:cycles?bars=310&seed=8"}}
HOURS = {"source": "synthetic:cycles?bars=2000&seed=4", "timeframe": "4h", "decide_on": "1d"}
WEEKS = {"source": "synthetic:cycles?bars=1600&seed=4", "decide_on": "1w"}
STARTED = {"source": "synthetic:crash?bars=420&seed=2", "start": "2001-03-01", "end": "2001-06-29"}
NEAREST = {"mode": "slots", "examples": {"nearest": 2}}

SCHEDULES = {
    "always": (ONE, NEAREST),
    "every fifth": (ONE, NEAREST | {"decide_every": 5}),
    "every third, what followed": (ONE, NEAREST | {"decide_every": 3, "labels": "followed"}),
    "changed": (ONE, NEAREST | {"decide_when": "changed"}),
    "changed, what followed": (ONE, NEAREST | {"decide_when": "changed", "labels": "followed"}),
    "every second, if changed": (ONE, NEAREST | {"decide_every": 2, "decide_when": "changed"}),
    "several symbols": (SEVERAL, NEAREST | {"decide_every": 4}),
    "days out of hours": (HOURS, NEAREST | {"decide_every": 3}),
    "weeks out of days": (WEEKS, NEAREST | {"decide_every": 2, "labels": "followed"}),
    "a start": (STARTED, NEAREST | {"decide_every": 3, "labels": "followed"}),
    "shorter lookbacks": (
        ONE | {"source": "synthetic:cycles?bars=280&seed=5"},
        NEAREST | {"decide_every": 7, "lookbacks": {"volatility_rank": 60, "trend": 50, "drawdown": 60}},
    ),
    "corrected by what was answered": (
        ONE,
        {"mode": "choices", "examples": "fixed", "calibration": "batch", "decide_every": 5},
    ),
}


def scores(request):
    up = "above" in request.messages[-1].content
    labels = {"bull": 0.7 if up else 0.2, "bear": 0.2 if up else 0.6, "sideways": 0.06, "turbulent": 0.04}
    if all(choice.split()[-1] in labels for choice in request.choices):
        return {choice: labels[choice.split()[-1]] for choice in request.choices}
    return {" enter_long": 0.7, " exit": 0.2, " hold": 0.05, " enter_short": 0.05}


@pytest.fixture(scope="module", params=SCHEDULES.values(), ids=SCHEDULES)
def run(request, tmp_path_factory):
    """A small run: its experiment, its client, its lines."""
    data, advisor = request.param
    tmp_path = tmp_path_factory.mktemp("run")
    experiment = small(
        tmp_path, data=data, advisor=advisor, arms=["llm"], output={"folder": str(tmp_path), "explain": False}
    )
    client, model = recording()
    if advisor["mode"] == "choices":
        model = ScriptedClient(scores, supports_choices=True)
        client = RecordingClient(model, model.identity, MemoryStore())
    result = simulator.run(experiment, client=client)
    return experiment, client, model, result


def test_one_decision_alone_is_the_decision_of_the_run(run):
    experiment, client, model, result = run
    asked = len(model.requests)
    made = result.record.arms[0].decisions
    assert len(made) > 5
    for line in made[:: max(1, len(made) // 12)] + made[-1:]:
        alone = advise_at(experiment, line["time"], symbol=line["snapshot"]["symbol"], client=client).as_dict()
        for part in ("request", "prompt", "bar", "time", "snapshot", "advice"):
            assert alone[part] == line[part], (line["time"], part)
    assert len(model.requests) == asked


def test_what_is_asked_ahead_is_what_the_run_asks(run):
    experiment, client, _, result = run
    choice = experiment.primary_config
    advisor = ModelAdvisor(client, view=choice.view, options=choice.prompt_options)
    seen = upcoming(load_universe(experiment.data, warm_up=experiment.warm_up), experiment)
    ahead = []
    for snapshot in seen.snapshots:
        if seen.wants(snapshot):
            request = advisor.request(snapshot)
            ahead.append((snapshot.symbol, snapshot.time, request_hash(request, client.identity)))
            if not advisor.stateless:
                advisor.decide(snapshot)
                continue
        advisor.witness(snapshot)
    made = [(line["snapshot"]["symbol"], line["time"], line["request"]) for line in result.record.arms[0].decisions]
    assert sorted(made) == sorted(ahead)
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize("advisor", [{"decide_every": 5}, {"decide_when": "changed"}, {"decide_every": 3}])
def test_a_past_state_has_the_label_of_what_came_just_behind_it(tmp_path, advisor):
    experiment = small(tmp_path, advisor=advisor, arms=["llm"])
    universe = load_universe(experiment.data)
    every = upcoming(universe, small(tmp_path)).snapshots
    client, _ = recording()
    model = ModelAdvisor(client, options=PromptOptions("slots", "nearest", labels="followed"))
    simulate(universe, model, experiment, journal := Journal())
    assert 3 < len(journal.entries) < len(every)
    (past,) = _libraries(model, universe, experiment)
    past._catch_up()
    bars = every[0].momentum_bars
    expected = {
        render_snapshot(state): label_of_what_followed(later) for state, later in zip(every, every[bars:], strict=False)
    }
    assert {market: example.label for market, example in past._states._states.items()} == expected


def _libraries(advisor, universe, experiment):
    """The past of each symbol at the end of a run."""
    kept = []

    class Watched:
        def attach(self, data):
            kept.append(advisor.attach(data))
            return kept[-1]

    simulate(universe, Watched(), experiment, Journal())
    return [market.past for bound in kept for market in bound._memory.markets.values()]


def test_a_rule_has_no_past_to_witness(tmp_path):
    experiment = small(tmp_path, advisor={"decide_every": 9})
    journal = simulate(load_universe(experiment.data), experiment.rule("momentum"), experiment, Journal())
    assert len(journal.entries) == -(-(420 - 269) // 9)


def test_a_day_without_a_decision_shows_the_one_before(tmp_path):
    experiment = small(tmp_path, data=ONE, advisor=NEAREST | {"decide_every": 5}, arms=["llm"])
    client, _ = recording()
    alone = [advise_at(experiment, f"2001-02-{day:02d}", client=client) for day in range(1, 15)]
    made = [each.decision.snapshot.time for each in alone]
    assert made == sorted(made)
    assert 3 <= len(set(made)) <= 4
    assert {each.passed_over for each in alone} == set(range(5))
    assert "passes over the 4 bars behind it" in next(each for each in alone if each.passed_over == 4).as_text()


@pytest.mark.parametrize("at", ["2001-06-01", "2002-01-01"])
def test_a_day_behind_the_end_of_the_experiment_can_be_asked_for(tmp_path, at):
    data = {"source": "synthetic:cycles?bars=420&seed=5", "end": "2001-05-01"}
    experiment = small(tmp_path, data=data, advisor=NEAREST | {"decide_every": 5}, arms=["llm"])
    client, _ = recording()
    assert advise_at(experiment, client=client).decision.snapshot.time <= "2001-05-01T00:00:00"
    assert "2001-05-25" <= advise_at(experiment, at, client=client).decision.snapshot.time[:10] <= at


@pytest.mark.parametrize(("at", "words"), [("2000-05-01", "86 decision bars up to there"), ("soon", "--at is 'soon'")])
def test_a_day_without_a_decision_so_far_is_one_sentence(tmp_path, at, words):
    with pytest.raises(ConfigurationError, match=words):
        advise_at(small(tmp_path), at, client=recording()[0])
