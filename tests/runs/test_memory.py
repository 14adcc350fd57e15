"""How much memory a decision takes where a run is measured, and where it is run again: none is kept, but the text of a
question until it is written. What is shared by lines is kept in a number that has a bound, which is low here."""

import tracemalloc

import pytest
from record_factory import write_comparison
from small_run import recording, small

from llm_strategy import ModelAdvisor
from simulator.evaluation import measures
from simulator.folder import journal_lines
from simulator.folder.provenance import sampler_of
from simulator.folder.record import Decisions, load_record
from simulator.folder.tally import Tally
from simulator.prices.universe import load_universe
from simulator.reporting.page import build_facts
from simulator.runs.answers import replay_advisor
from simulator.runs.simulation import trade

pytestmark = pytest.mark.slow

ARMS = ("llm", "buy_and_hold", "sma_cross", "regime_rule", "random")


@pytest.fixture(scope="module", autouse=True)
def few_are_kept():
    with pytest.MonkeyPatch.context() as patch:
        for module, bound in (
            (journal_lines, "_MOST_COMMON"),
            (journal_lines, "_MOST_MARKETS"),
            (measures, "_MOST_ALIKE"),
        ):
            patch.setattr(module, bound, 60)
        yield


def peak(use):
    """The most memory that was taken at once, in bytes."""
    tracemalloc.start()
    try:
        use()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def growth(tmp_path_factory):
    """Bytes a bar that measuring comparisons takes, by the number of arms."""

    def taken(arms, bars):
        folder = tmp_path_factory.mktemp("made")
        write_comparison(folder, arms=ARMS[:arms], bars=bars, samples=100)
        return peak(lambda: build_facts(load_record(folder)))

    taken(2, 300)  # what is imported and kept for good
    return {arms: (taken(arms, 900) - taken(arms, 300)) / 600 for arms in (1, 5)}


def test_measuring_keeps_no_decision(growth):
    assert growth[1] < 1_500, "columns of what followed each label, and no decision"


def test_measuring_five_arms_takes_less_than_the_lines_of_one(growth):
    assert growth[5] < 2_000


def test_trading_again_from_a_journal_keeps_no_decision(tmp_path):
    def script(request):
        return {"label": "bull", "action": "hold", "action_confidence": "70", "rationale": "It rises. " * 50}

    def taken(bars):
        data = {"source": f"synthetic:cycles?bars={bars}&seed=5"}
        experiment = small(tmp_path, data=data, advisor={"style": "numbers", "decimals": 2})
        universe, (client, _) = load_universe(experiment.data), recording(script)
        view = experiment.advisor.view  # a question of its own for each decision
        first, again = tmp_path / f"{bars}", tmp_path / f"{bars} again"
        for folder in (first, again):
            folder.mkdir()
        trade(universe, ModelAdvisor(client, view=view), experiment, lambda entry: None, first)

        def replay():
            entries = Decisions(first / "decisions.jsonl").entries()
            advisor = replay_advisor(client.identity, sampler_of(client), entries, experiment)
            made = Tally(advisor)
            trade(universe, advisor, experiment, made.take, again)
            assert made.decisions == len(made.requests) == bars - 269
            tallies.append(made)

        tallies = []
        most = peak(replay)
        tallies[0].texts.write(again)
        assert (again / "decisions.jsonl").read_bytes() == (first / "decisions.jsonl").read_bytes()
        return most - (again / "questions.json").stat().st_size

    taken(300)
    assert (taken(900) - taken(400)) / 500 < 1_500, "its line alone has 2,200 characters"
