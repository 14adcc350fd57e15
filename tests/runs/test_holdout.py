"""The sealed tail: nothing of it is run or shown, and it is opened once."""

import json

import pandas as pd
import pytest
from small_study import study
from tuned_run import tuned

import simulator
from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.experiment.configuration import EvaluationConfig
from simulator.prices.universe import load_universe
from simulator.runs.trials.tail import tail_experiment, tail_part, visible_part, visible_universe
from simulator.trials.ledger import Ledger

pytestmark = pytest.mark.slow
SEALED = {"holdout": 0.3}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A sealed experiment, compared and then opened, and where its ledger is."""
    folder = tmp_path_factory.mktemp("sealed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTLLM_DATA_DIR", str(folder / "data"))
        notes, wanted = [], tuned(folder, evaluation=SEALED, beside=["buy_and_hold"])
        seen = simulator.compare(wanted, progress=False, on_note=notes.append)
        tail = simulator.open_holdout(wanted, progress=False)
    return folder, seen, tail, notes


@pytest.fixture
def own_ledger(opened, monkeypatch):
    monkeypatch.setenv("BTLLM_DATA_DIR", str(opened[0] / "data"))
    return Ledger()


def times(folder):
    return pd.read_csv(folder / "prices.csv")["time"]


def test_the_folder_of_a_sealed_run_holds_nothing_of_the_tail(opened):
    _, seen, _, notes = opened
    whole = load_universe(tuned(seen.folder).data).markets[0].table
    first = seen.facts["run.sealed_from"].text
    assert times(seen.folder).max()[:10] < first
    hidden = {f"{close:.10g}" for close in whole.loc[first:, "close"]} - {
        f"{close:.10g}" for close in whole.loc[:first, "close"]
    }
    for path in seen.folder.rglob("*"):
        if path.is_file() and path.suffix in (".csv", ".jsonl", ".json"):
            text = path.read_text()
            assert not [close for close in hidden if f",{close}," in text], path
    days = {str(day.date()) for day in whole.loc[first:].index[1:]}
    for name in ("report.md", "report.html", "facts.json"):
        text = (seen.folder / name).read_text()
        assert not [day for day in days if day in text], name
    assert any("are sealed by evaluation.holdout" in note for note in notes)
    assert f"The bars from {first} on (45 decisions) are sealed" in (seen.folder / "report.md").read_text()


def test_the_tail_begins_where_the_seal_does_and_is_warmed_up_by_the_bars_before(opened):
    _, seen, tail, _ = opened
    assert tail.facts["run.first_decision"].text == seen.facts["run.sealed_from"].text
    assert tail.facts["run.decision_bars"].value == seen.facts["run.sealed_bars"].value == 45
    assert times(tail.folder).min() < times(seen.folder).max()
    assert tail.record.manifest["name"] == "tuned-holdout"
    assert tail.record.manifest["arms"] == seen.record.manifest["arms"]
    page = (tail.folder / "report.md").read_text()
    assert "It is the first time that they were opened" in page
    assert all(check.same for check in simulator.replay(tail.folder))


def test_sealed_bars_are_opened_once_by_any_configuration(opened, own_ledger):
    folder = opened[0]
    other = tuned(folder, fast=20, evaluation=SEALED)
    before = len(own_ledger.entries())
    with pytest.raises(ConfigurationError, match=r"opened once before, first on \d{4}-\d\d-\d\d by tuned-holdout"):
        simulator.open_holdout(other, progress=False)
    assert len(own_ledger.entries()) == before
    again = simulator.open_holdout(other, again=True, progress=False)
    assert again.facts["run.openings"].value == 2
    page = (again.folder / "report.md").read_text()
    assert "They have been opened 2 times, first on" in page
    assert "Configurations that had been evaluated on some of these bars before that: 1." in page


def test_without_a_ledger_nobody_can_know_and_the_page_says_so(tmp_path, monkeypatch):
    (tmp_path / "data").write_text("no folder")
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    result = simulator.open_holdout(tuned(tmp_path, evaluation=SEALED), progress=False)
    assert "cannot be known" in (result.folder / "report.md").read_text()


def test_advice_in_the_tail_is_refused(tmp_path):
    wanted = tuned(tmp_path, evaluation=SEALED)
    with pytest.raises(ConfigurationError, match=r"that evaluation\.holdout seals"):
        visible_universe(wanted, at="2001-08-01")
    universe, tail = visible_universe(wanted, at="2001-01-20")
    assert universe.markets[0].table.index[-1] < pd.Timestamp(tail.first)


@pytest.mark.parametrize(
    ("holdout", "said"),
    [
        (0, "is 0: give a fraction"),
        (1, "is 1: give a fraction"),
        (1.5, "is 1.5: give a fraction"),
        (True, "is true, it must be of type number or string or null"),
        ("a fifth", "is a fifth: give a fraction"),
        ("2001-08-01T00:00+01:00", "give a fraction"),
    ],
)
def test_a_holdout_that_is_none_is_refused_in_a_sentence(tmp_path, holdout, said):
    with pytest.raises(ConfigurationError, match=f"evaluation.holdout {said}" if said.startswith("is") else said):
        tuned(tmp_path, evaluation={"holdout": holdout})


@pytest.mark.parametrize("holdout", ["2030-01-01", "1999-01-01", 0.001, 0.999])
def test_a_seal_that_leaves_nothing_before_or_behind_is_refused(tmp_path, holdout):
    with pytest.raises(ConfigurationError, match=r"^evaluation.holdout is .* of the 151 decisions from 2001-01-12 to"):
        visible_universe(tuned(tmp_path, evaluation={"holdout": holdout}))


def test_a_date_seals_from_that_day_on(tmp_path):
    _, tail = visible_universe(tuned(tmp_path, evaluation={"holdout": "2001-07-02"}))
    assert tail.first == "2001-07-02T00:00:00"


def test_a_decision_bar_of_a_week_is_sealed_whole(tmp_path):
    data = {"source": "synthetic:cycles?bars=2600&seed=5", "decide_on": "1w"}
    wanted = tuned(tmp_path, evaluation={"holdout": 0.25}, data=data)
    universe, tail = visible_universe(wanted)
    weeks = load_universe(wanted.data).decisions("CYCLES").table.index
    last = universe.decisions("CYCLES").table.index[-1]
    ends_at_the_seal, *sealed = weeks[weeks > last]  # whether that week is over shows in a sealed bar only
    assert ends_at_the_seal < pd.Timestamp(tail.first) <= sealed[0]
    assert len(sealed) == tail.bars


def test_too_few_bars_before_the_seal_are_told_as_such(tmp_path):
    with pytest.raises(
        MarketDataError, match=r"^Before 2001-01-.*, from where on evaluation.holdout seals, CYCLES .* has"
    ):
        visible_universe(tuned(tmp_path, evaluation={"holdout": 0.97}), minimum_bars=290)


def test_a_study_of_ones_own_cerebro_is_sealed_and_opened(tmp_path):
    sealed = EvaluationConfig(bootstrap_samples=100, placebos=0, holdout=0.4)
    wanted = study(tmp_path, baselines=["buy_and_hold"], evaluation=sealed)
    whole = wanted.universe.markets[0].table.index
    tail, on_tail, _ = tail_part(wanted.universe, wanted.experiment)
    result = wanted.open_holdout(progress=False)
    first = result.facts["run.first_decision"].text
    assert on_tail.data.start[:10] == first
    assert whole[-1] == tail.markets[0].table.index[-1]
    assert visible_part(wanted.universe, wanted.experiment)[0].markets[0].table.index[-1] < pd.Timestamp(first)


@pytest.mark.parametrize("form", [dict, list])
def test_a_symbol_that_ended_before_the_seal_is_left_out_of_the_tail(tmp_path, form):
    sources = {"CALM": "synthetic:calm?bars=300&seed=5", "CYCLES": "synthetic:cycles?bars=420&seed=5"}
    data = {"sources": sources if form is dict else list(sources.values()), "groups": {"all": ["CALM", "CYCLES"]}}
    tail, ended = tail_experiment(tuned(tmp_path, evaluation=SEALED, data=data))
    assert ended == ("CALM",)
    assert visible_universe(tail)[0].symbols == ("CYCLES",)
    assert tail.data.group_of_symbol() == {"CYCLES": "all"}


def test_nothing_can_be_opened_where_nothing_is_sealed(tmp_path):
    with pytest.raises(ConfigurationError, match=r"^evaluation\.holdout is not set"):
        simulator.open_holdout(tuned(tmp_path), progress=False)


def test_the_seal_is_part_of_what_decides_a_run(opened):
    _, seen, _, _ = opened
    manifest = json.loads((seen.folder / "manifest.json").read_text())
    assert manifest["experiment"]["evaluation"]["holdout"] == 0.3
