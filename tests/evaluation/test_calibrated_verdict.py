"""The verdict on advisors of known skill, through gate, broker and placebos: the short form of ``make calibrate``."""

from pathlib import Path

import numpy as np
import pytest

from llm_strategy import BASELINES, Journal
from llm_strategy.advice.rules import RegimeRule
from simulator.evaluation.timing import annual_sharpe, p_value
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import load_universe
from simulator.runs.placebos.accounts import trade_accounts, trade_again
from simulator.runs.placebos.measure import work_of
from simulator.runs.simulation import simulate

pytestmark = pytest.mark.slow

PLACEBOS = 39
"""With so many, p is at most 0.05 where the account lies beyond all of them."""


@pytest.fixture(scope="module")
def calibrate():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])
        from benchmarks import calibrate
        from benchmarks.calibrate import bars, plan, record, standing, study, tables  # noqa: F401

        yield calibrate


@pytest.fixture(scope="module")
def studied(calibrate, tmp_path_factory):
    """Four advisors without skill, one with skill and one with folly on the same bars, on record."""
    study = calibrate.study
    nulls = [study.NULL._replace(number=number) for number in range(4)]
    signs = [study.Advisor("signs", dose, 5) for dose in (0.85, 0.15)]
    task = calibrate.plan.Task(calibrate.bars.Cell("synthetic", 3, 1), (*nulls, *signs), PLACEBOS, 0)
    path = tmp_path_factory.mktemp("calibration") / "record.jsonl"
    calibrate.record.work_on(path, [task], "a commit")
    return task, path


def told(calibrate, path):
    return {key.advisor: known.outcome.word for key, known in calibrate.record.read(path).items()}


def word(calibrate, advisor, seed, bars, years, symbols=1):
    (outcome,) = calibrate.study.study(calibrate.bars.Cell(bars, years, symbols), [advisor], PLACEBOS, seed)
    return outcome.word


def test_advisors_without_skill_are_hardly_ever_told_that_they_add_or_subtract(calibrate, studied):
    words = [said for advisor, said in told(calibrate, studied[1]).items() if advisor.kind == "none"]
    assert len(words) == 4
    assert sum(one in ("adds", "subtracts") for one in words) <= 1  # one in twenty is


def test_planted_skill_and_folly_are_found(calibrate, studied):
    by_dose = {advisor.dose: said for advisor, said in told(calibrate, studied[1]).items() if advisor.kind == "signs"}
    assert by_dose == {0.85: "adds", 0.15: "subtracts"}


def test_the_rule_itself_adds_nothing_worth_having(calibrate):
    assert word(calibrate, calibrate.study.RULE, 1, "real", 5) == "adds nothing worth having"


def test_several_symbols_and_real_bars_are_judged_too(calibrate):
    assert word(calibrate, calibrate.study.NULL, 3, "real", 3, symbols=2) in (
        "cannot tell",
        "adds nothing worth having",
    )


def test_a_study_that_was_killed_in_the_middle_of_a_line_goes_on_to_the_same_record(calibrate, studied, tmp_path):
    task, path = studied
    whole = path.read_bytes()
    cut = tmp_path / "record.jsonl"
    cut.write_bytes(whole[: whole.rindex(b"outcome")])
    assert len(calibrate.record.read(cut)) == len(task.advisors) - 1
    calibrate.record.work_on(cut, [task], "a commit")
    assert calibrate.record.read(cut) == calibrate.record.read(path)
    done = cut.read_bytes()
    calibrate.record.work_on(cut, [task], "a commit")
    assert cut.read_bytes() == done


def test_a_table_counts_what_is_on_record(calibrate, studied):
    task, path = studied
    line = calibrate.plan.Line(task.cell, task.advisors[4], 1, PLACEBOS)
    table = calibrate.plan.Table("Skill", (line, line._replace(number=9, placebos=79)), summed=True)
    text = "\n".join(calibrate.tables.text_of(table, calibrate.record.read(path)))
    assert "| right sign of 5 bars in 85%, synthetic, 3 years, 1 symbol (39 placebos) | 1/1 = 100.0% (2.5% to" in text
    assert "79 placebos" not in text
    assert "**all 1**" in text


class _Coin(BASELINES["buy_and_hold"]):
    """Holds and lets go by chance, with weeks in which it says nothing new."""

    def __init__(self):
        self.source, self.long = np.random.default_rng(4), False

    def action(self, snapshot):
        turn = self.source.random()
        self.long ^= turn < 0.08
        if turn > 0.9:
            return "hold"
        return "enter_long" if self.long else "exit"


@pytest.fixture(scope="module")
def works(calibrate):
    """A coin and the rule on the same bars."""
    bars = calibrate.bars.make_bars(calibrate.bars.Cell("real", 3, 1), np.random.default_rng(11))
    bars["S1"] *= (1 + 0.5 * np.sin(np.arange(len(bars["S1"])) / 12)).reshape(-1, 1)  # deep falls: stops are hit
    experiment = Experiment.from_mapping({"data": {"source": bars["S1"]}, "arms": ["regime_rule"]})
    universe = load_universe(experiment.data, warm_up=experiment.warm_up)
    journals = [simulate(universe, rule, experiment, Journal()) for rule in (_Coin(), RegimeRule())]
    assert sum(trade.exit_reason == "stop" for trade in journals[0].trades) > 1
    made = [[entry.decision for entry in journal.entries] for journal in journals]
    return [work_of(universe, experiment, decisions, 7, "llm") for decisions in made]


def test_accounts_that_are_traded_one_trade_after_another_are_those_of_the_broker_to_the_last_bit(works):
    coin, rule = works
    series = [*map(coin.placebos.series, range(8)), rule.placebos.series(0)]
    times = coin.placebos.history.times
    expected = trade_again(coin.conditions, times, series).equities
    assert trade_accounts(coin.conditions, times, series).equities == expected


def test_a_test_that_is_decided_ends_early(calibrate, works):
    coin = works[0]
    (early,) = calibrate.standing.stand([coin], 119, 252)
    series = map(coin.placebos.series, range(120))
    every = trade_accounts(coin.conditions, coin.placebos.history.times, series).equities
    own, *others = [annual_sharpe(equity, 252) for equity in every]
    assert early.timing.own == own
    assert early.timing.p > 0.05
    assert p_value(own, np.array(others)) > 0.05
    assert early.timing.placebos < 119
