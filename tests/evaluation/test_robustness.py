"""Windows of an account and the break-even of its costs, by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator.evaluation.robustness import (
    HIGHEST_MULTIPLE,
    break_even,
    calendar_years,
    compare_outcomes,
    equal_parts,
    read_robustness,
)
from simulator.runs.robustness import multiply_costs


def account(bars, growth=0.001, start="2001-01-01"):
    rng = np.random.default_rng(1)
    moves = growth + 0.01 * rng.standard_normal(bars)
    return pd.Series(1000 * np.cumprod(1 + moves), index=pd.bdate_range(start, periods=bars, name="time"))


def test_years_multiply_to_the_whole_and_part_years_are_marked():
    one, market = account(700), account(700, 0.0)
    years = calendar_years(one, market, 261)
    assert [(year.number, year.whole) for year in years] == [(2001, True), (2002, True), (2003, False)]
    grown = np.prod([1 + year.outcome.total_return for year in years])
    assert grown == pytest.approx(one.iloc[-1] / one.iloc[0])
    assert years[1].outcome.market_return == pytest.approx(market["2002"].iloc[-1] / market["2001"].iloc[-1] - 1)


def test_parts_are_equal_and_a_few_bars_have_no_ratio():
    one = account(402)
    parts = equal_parts(one, one, 252)
    assert [part.bars for part in parts] == [100, 100, 101, 100]
    assert all(part.outcome.sharpe is not None for part in parts)
    short = equal_parts(account(41), account(41), 252)
    assert [(part.bars, part.outcome.sharpe) for part in short] == [(10, None)] * 4
    assert short[0].outcome.total_return is not None
    assert equal_parts(account(10), account(10), 252) == []


def test_what_cannot_be_measured_is_none():
    flat = pd.Series(1000.0, index=account(100).index)
    found = compare_outcomes(flat, account(100), 252)
    assert (found.total_return, found.sharpe) == (0.0, None)
    assert found.market_sharpe is not None
    ruined = compare_outcomes(flat - np.arange(100) * 20, flat, 252)
    assert (ruined.total_return, ruined.sharpe) == (None, None)
    assert compare_outcomes(flat.iloc[:0], flat, 252).total_return is None


def test_costs_break_even_where_two_lines_cross():
    asked = []

    def falling(multiple):
        asked.append(multiple)
        return 1.0 - 0.2 * multiple

    known = {multiple: falling(multiple) for multiple in (0.0, 1.0, 2.0, 4.0)}
    assert break_even(known, 0.5, falling) == (pytest.approx(2.5), "")
    assert len(asked) < 8
    assert break_even(known, -1.0, falling) == (pytest.approx(10.0), ""), "beyond the known ones"
    assert break_even(known, 1.5, falling) == (None, "below")
    assert break_even(known, -9.0, falling) == (None, "above")
    assert falling(HIGHEST_MULTIPLE) > -9
    assert break_even(known, None, falling) == (None, "flat")
    assert break_even(known | {0.0: None}, 0.5, falling) == (None, "flat")


def test_every_cost_is_multiplied():
    costs = Costs(preset="us_equities", spread_bps=2.0, borrow_rate=0.02)
    twice = multiply_costs(costs, 2)
    assert twice.commission(100, 50.0) == pytest.approx(2 * costs.commission(100, 50.0))
    assert twice.slippage(100, 50.0) == pytest.approx(2 * costs.slippage(100, 50.0))
    assert (twice.borrow_rate, twice.starting_cash) == (0.04, costs.starting_cash)
    none = multiply_costs(costs, 0)
    assert none.commission(100, 50.0) == none.slippage(100, 50.0) == 0
    assert multiply_costs(costs, 1) == costs
    tiered = Costs(commission_tiers=[{"above": 0, "bps": 5}, {"above": 1000, "bps": 2}])
    assert multiply_costs(tiered, 4).commission(100, 50.0) == pytest.approx(4 * tiered.commission(100, 50.0))
    with pytest.raises(ConfigurationError):
        multiply_costs(Costs(slippage_bps=600), 2)


def test_a_file_that_no_run_writes_is_one_sentence(tmp_path):
    assert read_robustness(tmp_path) == {}
    good = {"llm": {"own": {"sharpe": 0.5}, "costs": [{"multiple": 0.0, "outcome": {}}]}}
    wrong = [
        [],
        {"llm": 3},
        {"llm": {"more": 1}},
        {"llm": {"left_out": "gone"}},
        {"llm": {"own": {"sharpe": "0.5"}}},
        {"llm": {"own": {"sharpe": 10**400}}},
        {"llm": {"years": [{"number": -1, "bars": 1, "whole": True, "outcome": {}}]}},
        {"llm": {"years": [{"number": 2001, "bars": 1, "whole": 1, "outcome": {}}]}},
    ]
    (tmp_path / "robustness.json").write_text(json.dumps(good))
    assert read_robustness(tmp_path)["llm"].own.sharpe == 0.5
    for text in (*map(json.dumps, wrong), "{", '{"llm": {"break_even": NaN}}'):
        (tmp_path / "robustness.json").write_text(text)
        with pytest.raises(RunFolderError, match=r"robustness.json cannot be read") as told:
            read_robustness(tmp_path)
        assert "\n" not in str(told.value)
