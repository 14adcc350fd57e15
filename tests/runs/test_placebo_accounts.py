"""An account that deals beside others in one pass is to the last bit the account of a run of its own."""

from dataclasses import replace

import numpy as np
import pytest
from markets import clocked_prices, minutes, random_prices, several_symbols

from llm_strategy import Costs, Journal, Limits, OrderRules
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Action,
    ActionType,
    Advice,
    Constraints,
    Decision,
    PolicyOutcome,
    PolicyVerdict,
    Regime,
    Status,
)
from simulator.evaluation.placebo import Placement, place
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.placebos.accounts import trade_again
from simulator.runs.placebos.measure import history_of
from simulator.runs.simulation import Conditions, simulate

ALLOW = PolicyOutcome(PolicyVerdict.ALLOW)
NOTHING = Abstention(AbstentionReason.TIMEOUT, "Nothing was answered.")
ACTIONS = [*ActionType, ActionType.HOLD, ActionType.HOLD]


class Wild:
    """Holds for a while and lets go for a while, with wishes of its own now and then, and no answer at some closes."""

    def __init__(self, seed=1, short=False):
        self.chance = np.random.default_rng(seed)
        self.held = ActionType.EXIT
        self.sides = [ActionType.ENTER_LONG, *([ActionType.ENTER_SHORT] if short else [])]

    def attach(self, data):
        return self

    def decide(self, snapshot):
        chance = self.chance
        if chance.random() < 0.1:
            return Decision(snapshot, Status.ABSTAINED, None, NOTHING, ALLOW)
        if chance.random() < 0.15:
            self.held = ActionType.EXIT if self.held in self.sides else self.sides[chance.integers(len(self.sides))]
        action = ActionType.HOLD if chance.random() < 0.3 else self.held
        wishes = Constraints()
        if chance.random() < 0.3:
            wishes = Constraints(*(float(chance.uniform(0.01, 0.2)) for _ in range(3)))
        label = ["bull", "bear", "sideways"][chance.integers(3)]
        advice = Advice(
            snapshot.symbol,
            snapshot.timeframe,
            Regime(label),
            "As chance has it.",
            Action(action, float(chance.uniform(0.3, 1)), wishes),
        )
        return Decision(snapshot, Status.ADVISED, advice, None, ALLOW)


class Recorded:
    """Decides what a series says."""

    def __init__(self, history, made):
        self.made = {
            (symbol, time): one for symbol in made for time, one in zip(history.times, made[symbol], strict=True)
        }

    def attach(self, data):
        return self

    def decide(self, snapshot):
        made = self.made[snapshot.symbol, snapshot.time]
        if made is None:
            return Decision(snapshot, Status.ABSTAINED, None, NOTHING, ALLOW)
        return replace(made, snapshot=snapshot)


def one(bars=380, **how):
    return Universe((random_prices(bars, seed=3, gap=0.004, daily=0.02, **how),))


def half_hours():
    times = minutes("2020-01-01", "2021-07-30", "09:30-16:00", "America/New_York", every="2h")
    prices = clocked_prices(times, "2h")
    return Universe((prices,), decide_on="1d", session="09:30-16:00", timezone="America/New_York")


CHECKLIST = {
    "items": {
        "wild": {"when": "market.volatility_rank > 0.7", "do": "halve"},
        "shaky": {"when": "advice.label_changes_20 > 12", "do": "block"},
        "sure": {"when": "advice.confidence < 0.4", "do": "block"},
        "fat": {"when": "return_shape.skew < 0", "do": "halve"},
    }
}
SETTINGS = {
    "as usual": (one, {}, {}),
    "shorts, stops that trail, targets": (
        one,
        {"risk": Limits(allow_short=True, trailing_stop=True, take_profit_pct=0.03, stop_loss_pct=0.02)},
        {"short": True},
    ),
    "fees, impact and borrowed shares": (
        one,
        {
            "risk": Limits(allow_short=True, max_position_size=1.0, max_gross_exposure=1.5),
            "costs": Costs(preset="us_equities", impact=0.5, borrow_rate=0.05, financing_rate=0.06, leverage=2.0),
        },
        {"short": True},
    ),
    "interest on cash": (
        one,
        {
            "risk": Limits(allow_short=True, max_position_size=1.0),
            "costs": Costs(cash_rate=0.04, borrow_rate=0.02, financing_rate=0.06),
        },
        {"short": True},
    ),
    "fills in parts": (
        one,
        {"costs": Costs(max_fill_share=0.001), "risk": Limits(max_position_size=1.0, stop_loss_pct=0.03)},
        {},
    ),
    "entries that wait": (one, {"orders": OrderRules(entry="limit", entry_bars=3)}, {}),
    "fills at the close": (one, {"orders": OrderRules(fill="same_close")}, {}),
    "a kill switch that is armed again": (
        one,
        {"risk": Limits(max_drawdown=0.02, rearm_after_bars=5, max_position_size=1.0, max_losing_streak=2)},
        {},
    ),
    "volatility targets, ranges and days": (
        one,
        {
            "risk": Limits(
                sizing="volatility_target",
                stop_loss_atr=2.0,
                max_holding_bars=6,
                min_holding_bars=2,
                max_daily_loss=0.01,
                max_entries_per_day=1,
            )
        },
        {},
    ),
    "several symbols in one book": (
        lambda: several_symbols(3, bars=640),
        {"risk": Limits(max_position_size=0.6, max_positions=2, max_correlated_exposure=0.8, max_gross_exposure=1.0)},
        {},
    ),
    "decisions on longer bars": (half_hours, {"risk": Limits(stop_loss_pct=0.01)}, {}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_account_is_that_of_a_run_of_its_own(name):
    make, sections, how = SETTINGS[name]
    universe, experiment = make(), Experiment(arms=("llm",), **sections)
    journal = simulate(universe, Wild(**how), experiment, Journal())
    history = history_of(universe, [entry.decision for entry in journal.entries])
    placed = place(history, Placement(history.stances, 7, "llm").moments(1))
    again = trade_again(
        Conditions.of(universe, experiment), history.times, [history.decisions, placed, history.decisions]
    )
    assert len(journal.trades) > 5
    assert again.times == [row.time for row in journal.equity]
    assert list(again.equities[0]) == list(again.equities[2]) == [row.equity for row in journal.equity]
    alone = simulate(universe, Recorded(history, placed), experiment, Journal())
    assert list(again.equities[1]) == [row.equity for row in alone.equity] != list(again.equities[0])


def test_a_checklist_sees_the_labels_of_its_own_account():
    experiment = Experiment.from_mapping({"name": "listed", "arms": ["llm"], "risk": {"checklist": CHECKLIST}})
    universe = Universe((random_prices(420, seed=3),))
    journal = simulate(universe, Wild(), experiment, Journal())
    history = history_of(universe, [entry.decision for entry in journal.entries])
    placed = place(history, Placement(history.stances, 7, "llm").moments(1))
    again = trade_again(Conditions.of(universe, experiment), history.times, [history.decisions, placed])
    assert any(cut.limit.startswith("checklist") for entry in journal.entries for cut in entry.verdict.clamps)
    assert list(again.equities[0]) == [row.equity for row in journal.equity]
    alone = simulate(universe, Recorded(history, placed), experiment, Journal())
    assert list(again.equities[1]) == [row.equity for row in alone.equity]


@pytest.mark.parametrize("asked", [{"decide_every": 5}, {"decide_when": "changed"}], ids=str)
def test_closes_at_which_nobody_is_asked_stay_so(asked):
    experiment = Experiment(arms=("llm",), advisor=AdvisorConfig(**asked))
    universe = one()
    journal = simulate(universe, Wild(), experiment, Journal())
    history = history_of(universe, [entry.decision for entry in journal.entries])
    again = trade_again(Conditions.of(universe, experiment), history.times, [history.decisions])
    assert list(again.equities[0]) == [row.equity for row in journal.equity]
    assert 0 < len(journal.entries) < len(history.times)
