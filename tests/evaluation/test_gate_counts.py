"""What the risk gate did to an arm, counted from its verdicts and its account."""

import pandas as pd
import pytest
from journal_entries import counted, entry

from llm_strategy.risk.loss_limits import KillSwitch
from simulator.evaluation.measures import GateCounter, kill_switch


def judged(intent, *limits):
    return entry(verdict={"intent": intent}, clamps=[{"limit": limit, "before": 1.0, "after": 0.5} for limit in limits])


def test_cuts_and_refusals_are_told_apart():
    counts = counted(
        GateCounter(),
        [
            judged("enter_long", "max_position_size", "lot_step"),
            judged("enter_long"),
            judged("tighten", "min_stop_pct"),
            judged("none", "max_position_size", "lot_step"),
            judged("none", "allow_short"),
            judged("none", "lot_step"),
            judged("none"),
            judged("exit", "max_drawdown"),
        ],
    )
    assert (counts.cut, counts.refused) == (2, 3)
    assert counts.clamps == {"lot_step": 1, "max_position_size": 1, "min_stop_pct": 1}
    assert counts.refusals == {"lot_step": 2, "allow_short": 1}, "by the limit that refused in the end"


def account(equity, gross):
    time = pd.bdate_range("2020-01-01", periods=len(equity), name="time")
    return pd.DataFrame({"equity": equity, "gross": gross}, index=time, dtype=float)


@pytest.mark.parametrize(
    ("equity", "gross", "rearm", "expected"),
    [
        ([100, 120, 91, 95], [1, 1, 1, 1], None, (None, 0, False)),
        ([100, 120, 90, 95, 95], [1, 1, 1, 0, 0], None, (2, 2, True)),
        ([100, 120, 90, 95, 95, 99], [1, 1, 1, 0, 0, 1], 2, (2, 2, False)),
        ([], [], None, (None, 0, False)),
    ],
)
def test_the_first_firing_is_read_from_the_account(equity, gross, rearm, expected):
    table = account(equity, gross)
    used = kill_switch(table, 0.25, rearm)
    fired, bars_out, for_good = expected
    assert used.fired == (None if fired is None else table.index[fired])
    assert (used.bars_out, used.for_good) == (bars_out, for_good)


def test_the_date_is_that_of_the_switch_itself():
    equity = [100 + 30 * ((7 * n) % 11) / 10 for n in range(60)]
    switch = KillSwitch(0.2, None)
    fired = []
    for value in equity:
        switch.update(value)
        fired.append(switch.killed)
    table = account(equity, [1] * 60)
    assert kill_switch(table, 0.2, None).fired == table.index[fired.index(True)]
