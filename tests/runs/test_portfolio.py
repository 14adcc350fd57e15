"""Several symbols through one gate and one book, and decisions on longer bars than those that trade."""

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from listed_advice import EXIT, FREE, HOLD, LONG, ROOMY, SHORT, Listed, only
from markets import clocked_prices, from_bars, minutes, random_prices, several_symbols

from llm_strategy import BASELINES, Journal
from llm_strategy.market.features import LONGEST_LOOKBACK
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.load import Prices
from simulator.prices.resampling import decision_bars
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate


class EachListed:
    """Says to each symbol what it was given for it, decision by decision, and then holds."""

    def __init__(self, **actions):
        self.actions = actions

    def attach(self, data):
        return Listed(self.actions.get(data._name.removesuffix(" decisions"), [])).attach(data)


def play_all(universe, rule, limits=ROOMY, **sections):
    sections.setdefault("costs", FREE)
    return simulate(universe, rule, Experiment(risk=limits, arms=("llm",), **sections), Journal())


def still(symbol, *after, bars=LONGEST_LOOKBACK, price=100.0):
    """Flat bars, then bars with these opens and closes."""
    prices = from_bars([price] * bars + [bar[0] for bar in after], [price] * bars + [bar[1] for bar in after])
    return Prices("test", symbol, "1d", prices.table)


def decided(journal):
    return Counter(entry.decision.snapshot.symbol for entry in journal.entries)


QUIET = [(100, 100)] * 4


def test_every_symbol_decides_at_each_of_its_own_bars_from_its_own_first_one_on():
    universe = several_symbols(4, bars=700)
    journal = play_all(universe, BASELINES["momentum"]())
    bars = {prices.symbol: len(prices.table) - LONGEST_LOOKBACK + 1 for prices in universe.markets}
    assert decided(journal) == {symbol: count for symbol, count in bars.items() if count > 0}
    times = [row.time for row in journal.equity]
    assert times == sorted(set(times))


def test_the_order_of_the_markets_changes_nothing():
    universe = several_symbols(4, bars=700)
    shuffled = Universe(universe.markets[2:] + universe.markets[:2])
    one, other = (play_all(each, BASELINES["regime_rule"]()) for each in (universe, shuffled))
    assert one.trades
    assert (one.orders, one.trades, one.equity, one.entries) == (
        other.orders,
        other.trades,
        other.equity,
        other.entries,
    )


def test_symbols_that_enter_on_one_bar_share_the_book_in_the_order_of_their_names():
    universe = Universe(tuple(still(name, *QUIET) for name in "CAB"))
    limits = replace(ROOMY, max_position_size=0.4, max_gross_exposure=1.0)
    journal = play_all(universe, EachListed(A=[LONG], B=[LONG], C=[LONG]), limits)
    sizes = {row.symbol: row.size for row in only(journal, "entry")}
    assert sizes == {"A": 400, "B": 400, "C": 200}
    cuts = {
        entry.decision.snapshot.symbol: [cut.limit for cut in entry.verdict.clamps] for entry in journal.entries[:3]
    }
    assert cuts == {"A": [], "B": [], "C": ["max_gross_exposure"]}


def test_cash_that_waits_for_one_fill_is_not_spent_on_another():
    universe = Universe(tuple(still(name, *QUIET) for name in "AB"))
    limits = replace(ROOMY, max_position_size=0.7, allow_short=True, max_gross_exposure=1.4, gap_buffer=0.02)
    journal = play_all(universe, EachListed(A=[LONG], B=[LONG]), limits)
    assert all(row.status == "completed" for row in only(journal, "entry"))
    assert all(row.cash >= 0 for row in journal.equity)
    assert "cash" in {cut.limit for entry in journal.entries for cut in entry.verdict.clamps}


def test_no_more_positions_than_allowed():
    universe = Universe(tuple(still(name, *QUIET) for name in "ABC"))
    limits = replace(ROOMY, max_position_size=0.1, max_positions=2)
    journal = play_all(universe, EachListed(A=[LONG], B=[LONG], C=[LONG, LONG, LONG]), limits)
    assert {row.symbol for row in only(journal, "entry")} == {"A", "B"}


def test_an_entry_that_waits_gives_the_other_side_no_room():
    universe = Universe(tuple(still(name, *QUIET) for name in "AB"))
    limits = replace(ROOMY, max_position_size=0.6, max_gross_exposure=1.0, max_net_exposure=0.3, allow_short=True)
    advisor = EachListed(A=[SHORT], B=[LONG, EXIT, HOLD, LONG])
    journal = play_all(universe, advisor, limits)
    sizes = [(row.symbol, row.size) for row in only(journal, "entry")]
    assert sizes == [("A", 300), ("B", 300), ("B", 600)]


def test_a_group_and_symbols_that_move_alike_have_a_room_of_their_own():
    moving = random_prices(320, seed=5)
    twins = tuple(Prices("test", name, "1d", moving.table) for name in "AB")
    other = Prices("test", "C", "1d", random_prices(320, seed=99).table)
    universe = Universe((*twins, other), groups={"A": "tech", "C": "tech"})
    advisor = EachListed(A=[LONG], B=[HOLD] * 3 + [LONG], C=[HOLD] * 5 + [LONG])
    limits = replace(ROOMY, max_position_size=0.3, stop_loss_pct=0.15)
    groups = DataConfig(groups={"tech": ["A", "C"]})
    by_group = play_all(universe, advisor, replace(limits, max_group_exposure=0.35), data=groups)
    sizes = {row.symbol: row.size * row.fill_price / 100_000 for row in only(by_group, "entry")}
    assert sizes["A"] == pytest.approx(0.3, abs=0.03)
    assert sizes["B"] == pytest.approx(0.3, abs=0.03)
    assert sizes["C"] < 0.1
    alike = play_all(universe, advisor, replace(limits, max_correlated_exposure=0.35))
    sizes = {row.symbol: row.size * row.fill_price / 100_000 for row in only(alike, "entry")}
    assert sizes["B"] < 0.1
    assert sizes["C"] == pytest.approx(0.3, abs=0.03)


def test_a_missing_bar_neither_decides_nor_fills():
    whole, other = still("A", *[(100, 100)] * 3, (80, 80), (80, 80)), still("B", *[(100, 100)] * 5)
    holiday = whole.table.index[-3]
    gapped = Prices("test", "A", "1d", whole.table.drop(holiday))
    journal = play_all(Universe((gapped, other)), EachListed(A=[LONG]))
    assert decided(journal)["B"] - decided(journal)["A"] == 1
    stop = only(journal, "stop")[0]
    assert pd.Timestamp(stop.done) == whole.table.index[-2], "the stop meets the first bar after the holiday"
    assert stop.fill_price == 80


def test_a_symbol_that_ends_early_is_held_marked_and_told():
    gone, other = still("A", (100, 100), (110, 120)), still("B", *[(100, 100)] * 8)
    journal = play_all(Universe((gone, other)), EachListed(A=[LONG, HOLD, EXIT]))
    trade = journal.trades[0]
    assert (trade.symbol, trade.exit_reason, trade.exit_price) == ("A", "open", 120)
    assert pd.Timestamp(trade.exited) == gone.table.index[-1]
    assert {row.status for row in journal.orders if row.kind == "exit"} == {"pending"}
    assert journal.equity[-1].time == other.table.index[-1].isoformat()
    assert journal.equity[-1].net == journal.equity[-6].net > 0


def test_decisions_of_the_day_trade_and_are_stopped_on_minutes():
    times = minutes("2020-01-01", "2021-03-31", "09:30-16:00", "America/New_York", every="30min")
    prices = clocked_prices(times, "30m")
    universe = Universe((prices,), decide_on="1d", session="09:30-16:00", timezone="America/New_York")
    days = decision_bars(prices, universe.calendar)
    journal = play_all(universe, EachListed(ABC=[LONG]), replace(ROOMY, stop_loss_pct=0.01))
    assert decided(journal)["ABC"] == len(days.table) - LONGEST_LOOKBACK + 1
    assert {entry.decision.snapshot.timeframe for entry in journal.entries} == {"1d"}
    first_close = days.table.index[LONGEST_LOOKBACK - 1]
    entry, stop = only(journal, "entry")[0], only(journal, "stop")[0]
    after = prices.table.index.get_loc(first_close) + 1
    assert pd.Timestamp(entry.created) == first_close
    assert pd.Timestamp(entry.done) == prices.table.index[after]
    assert entry.fill_price == prices.table["open"].iloc[after]
    touched = prices.table.iloc[after + 1 :].query("low <= @stop.price").index[0]
    assert pd.Timestamp(stop.done) == touched
    assert len(journal.equity) == len(prices.table) - prices.table.index.get_loc(first_close)


def test_the_kill_switch_and_the_time_stop_act_between_decisions():
    times = minutes("2020-01-01", "2021-03-31", "09:30-16:00", "America/New_York", every="30min")
    prices = clocked_prices(times, "30m")
    universe = Universe((prices,), decide_on="1d", session="09:30-16:00", timezone="America/New_York")
    held = replace(ROOMY, stop_loss_pct=0.15, max_holding_bars=2)
    timed = play_all(universe, EachListed(ABC=[LONG]), held)
    days = decision_bars(prices, universe.calendar).table.index
    sent = pd.Timestamp(only(timed, "exit")[0].created)
    assert (timed.trades[0].exit_reason, sent) == ("time", days[LONGEST_LOOKBACK + 1])
    killed = play_all(universe, EachListed(ABC=[LONG]), replace(ROOMY, stop_loss_pct=0.15, max_drawdown=0.005))
    sent = pd.Timestamp(only(killed, "exit")[0].created)
    assert killed.trades[0].exit_reason == "kill_switch"
    assert sent not in days


def test_decisions_every_few_bars_and_where_the_text_has_changed():
    universe = Universe((random_prices(400, seed=2),))
    bars = 400 - LONGEST_LOOKBACK + 1
    fifth = play_all(universe, BASELINES["momentum"](), advisor=AdvisorConfig(decide_every=5))
    assert [entry.bar for entry in fifth.entries] == list(range(LONGEST_LOOKBACK - 1, 400, 5))
    always = play_all(universe, BASELINES["regime_rule"]())
    changed = play_all(universe, BASELINES["regime_rule"](), advisor=AdvisorConfig(decide_when="changed"))
    assert len(always.entries) == bars
    assert 1 < len(changed.entries) < 0.7 * bars
