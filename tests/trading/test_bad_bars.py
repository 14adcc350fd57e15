"""Bars that cannot be true, in a person's own Cerebro: refused by feed and date, or passed by with a reason."""

import io
import json
import math
from dataclasses import replace

import backtrader as bt
import pandas as pd
import pytest
from markets import random_prices
from own_cerebro import MODES, OTHER, RULE, SAVING, TABLE, own_cerebro, pandas_feed, run, scripted

from llm_strategy import Gated, Journal, Limits, View, render_snapshot
from llm_strategy.advice.rules import BuyAndHold, Momentum, RegimeRule, RsiReversion
from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.market.snapshot import SnapshotReader
from llm_strategy.types import Snapshot

pytestmark = pytest.mark.slow

DAYS = random_prices(2200, seed=4, gap=0.004).table
DAYS = DAYS[DAYS.index.day_of_week < 5]
ROW = 300
DAY = str(TABLE.index[ROW].date())
NAN = float("nan")


def bad(column, value, table=TABLE, row=ROW):
    table = table.copy()
    for name in [column] if isinstance(column, str) else column:
        table.iloc[row, table.columns.get_loc(name)] = value
    return table


PRICES = ["open", "high", "low", "close"]
KINDS = {
    "an outer join of two markets": (bad(PRICES, NAN), "open is missing"),
    "one close that is missing": (bad("close", NAN), "close is missing"),
    "a division by zero before": (bad("high", math.inf), "high is infinite"),
    "a halt written as zeros": (bad([*PRICES, "volume"], 0.0), "open is 0.0, a price must be above zero"),
    "a negative close": (bad("close", -3.5), "close is -3.5, a price must be above zero"),
    "high and low exchanged": (bad("low", TABLE["high"].iloc[ROW] * 1.5), "is below low"),
    "an open outside": (bad("open", TABLE["high"].iloc[ROW] * 1.5), "lies outside low"),
    "a volume that is missing": (bad("volume", NAN), "volume is missing"),
    "a negative volume": (bad("volume", -1.0), "volume is -1.0, it must not be negative"),
}


def two_rows_exchanged(table=TABLE):
    order = list(range(len(table)))
    order[ROW], order[ROW + 1] = order[ROW + 1], order[ROW]
    return table.iloc[order]


def stands_twice(table=TABLE):
    return pd.concat([table.iloc[: ROW + 1], table.iloc[ROW:]])


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bar_that_cannot_be_true_is_refused_by_feed_and_date_before_anything_fills_there(kind, mode):
    table, words = KINDS[kind]
    with pytest.raises(MarketDataError, match=f"Feed A, {DAY}: ") as refusal:
        run(own_cerebro(pandas_feed(table), **mode), advisor=BuyAndHold())
    assert words in str(refusal.value)
    assert 'bad_bars="abstain"' in str(refusal.value)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("bad_bars", ["refuse", "abstain"])
@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.iloc[::-1], "sort the bars by time with the oldest first"),
        (two_rows_exchanged(), f"Feed A, {DAY}: this bar comes after that of {TABLE.index[ROW + 1].date()}"),
        (stands_twice(), f"Feed A, {DAY}: this time stands twice"),
    ],
)
def test_times_that_do_not_increase_are_always_refused(table, words, bad_bars, mode):
    with pytest.raises(MarketDataError, match=words):
        run(own_cerebro(pandas_feed(table), **mode), bad_bars=bad_bars)


def spaced(freq, table=TABLE):
    table = table.copy()
    table.index = pd.date_range("2024-01-02 09:30", periods=len(table), freq=freq)
    return table


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(
    ("freq", "how", "words"),
    [
        ("1min", {}, "bars of 1 day and they are 1 minute apart.*TimeFrame.Minutes, compression=1"),
        ("4h", {}, "bars of 1 day and they are 4 hours apart.*TimeFrame.Minutes, compression=240"),
        ("7D", {}, "bars of 1 day and they are 7 days apart.*TimeFrame.Weeks"),
        (
            "5min",
            {"timeframe": bt.TimeFrame.Minutes, "compression": 15},
            "bars of 15 minutes and they are 5 minutes apart",
        ),
        ("1D", {"timeframe": bt.TimeFrame.Minutes}, "bars of 1 minute and they are 1 day apart.*TimeFrame.Days"),
    ],
)
def test_bars_of_another_length_than_the_feed_says_are_one_sentence(freq, how, words, mode):
    with pytest.raises(MarketDataError, match=words):
        run(own_cerebro(pandas_feed(spaced(freq), **how), **mode))


@pytest.mark.parametrize(
    ("freq", "how"),
    [
        ("1min", {"timeframe": bt.TimeFrame.Minutes}),
        ("B", {}),
        ("W-FRI", {"timeframe": bt.TimeFrame.Weeks}),
        ("ME", {"timeframe": bt.TimeFrame.Months}),
        ("90min", {"timeframe": bt.TimeFrame.Minutes, "compression": 90}),
    ],
)
def test_bars_of_the_length_that_the_feed_says_are_taken(freq, how):
    assert run(own_cerebro(pandas_feed(spaced(freq), **how)))[0]


@pytest.mark.parametrize("volume", ["absent", "none at first"])
def test_a_feed_without_volumes_or_whose_volumes_begin_late_is_taken(volume):
    table = TABLE.drop(columns="volume") if volume == "absent" else bad("volume", NAN, row=slice(0, 30))
    for mode in MODES:
        entries, *_ = run(own_cerebro(pandas_feed(table), **mode))
        assert {entry.decision.status for entry in entries} == {"advised"}


def weekly(table, **mode):
    cerebro = own_cerebro(pandas_feed(table), **mode)
    cerebro.resampledata(cerebro.datas[0], timeframe=bt.TimeFrame.Weeks, name="A weekly")
    return cerebro


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_feeds_to_trade_and_resampled_ones_to_decide_on_are_both_looked_at(mode):
    wednesday = bad("close", NAN, DAYS, row=1402)
    with pytest.raises(MarketDataError, match=r"Feed A, .*: close is missing"):
        run(weekly(wednesday, **mode), decide_on={"A": "A weekly"})
    doubled = own_cerebro(pandas_feed(), pandas_feed(KINDS["a negative close"][0], "signals"), **mode)
    with pytest.raises(MarketDataError, match=f"Feed signals, {DAY}: close is -3.5"):
        run(doubled, decide_on={"A": "signals"})


@pytest.mark.parametrize("saving", SAVING, ids=str)
def test_memory_saving_changes_nothing_of_it(saving):
    with pytest.raises(MarketDataError, match=f"Feed A, {DAY}: close is -3.5"):
        run(own_cerebro(pandas_feed(KINDS["a negative close"][0]), **saving))
    with pytest.raises(MarketDataError, match="oldest first"):
        run(own_cerebro(pandas_feed(TABLE.iloc[::-1]), **saving))
    assert len(run(own_cerebro(**saving))[0]) == len(TABLE) - LONGEST_LOOKBACK + 1


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_feed_that_is_neither_traded_nor_decided_on_may_hold_anything(mode):
    rates = bad("close", -0.5, OTHER)
    assert run(own_cerebro(pandas_feed(), pandas_feed(rates, "rates"), **mode))[0]


def abstaining(table, advisor=RULE, **how):
    return [run(own_cerebro(pandas_feed(table), **mode), advisor=advisor, bad_bars="abstain", **how) for mode in MODES]


LONG_TABLE = DAYS.iloc[:700]
IN_THE_MIDDLE = [
    ("NaN", bad(PRICES, NAN, LONG_TABLE, row=320)),
    ("zeros", bad(PRICES, 0.0, LONG_TABLE, row=320)),
    ("negative low", bad("low", -1.0, LONG_TABLE, row=320)),
    ("infinite close", bad("close", math.inf, LONG_TABLE, row=320)),
]


@pytest.mark.parametrize("table", [table for _, table in IN_THE_MIDDLE], ids=[name for name, _ in IN_THE_MIDDLE])
@pytest.mark.parametrize("advisor", [BuyAndHold(), RegimeRule(), Momentum(20)], ids=lambda rule: type(rule).__name__)
def test_abstaining_goes_on_with_a_reason_until_the_bar_has_left_every_window(table, advisor):
    results = abstaining(table, advisor)
    assert all(repr(result) == repr(results[0]) for result in results)
    entries, orders, _, equity = results[0]
    abstained = [entry for entry in entries if entry.decision.status == "abstained"]
    assert [entry.bar for entry in abstained] == list(range(320, 320 + LONGEST_LOOKBACK))
    assert {entry.decision.abstention.reason for entry in abstained} == {"bad_bar"}
    assert f"bar of {LONG_TABLE.index[320].date()}" in abstained[0].decision.abstention.detail
    assert all(entry.decision.snapshot.known for entry in entries if entry.decision.advice)
    clean = [entry for entry in run(own_cerebro(pandas_feed(LONG_TABLE)), advisor=advisor)[0] if entry.bar > 589]
    assert [entry.decision for entry in entries if entry.bar > 589] == [entry.decision for entry in clean]
    bad_day = LONG_TABLE.index[320].isoformat()
    assert all(order.done != bad_day for order in orders if order.filled)
    assert all(math.isfinite(value) for row in equity for value in row[1:])


def test_a_position_is_worth_its_last_close_on_a_bad_bar_and_its_orders_wait():
    table = bad(PRICES, NAN, LONG_TABLE, row=LONGEST_LOOKBACK)
    results = abstaining(table, BuyAndHold())
    assert all(repr(result) == repr(results[0]) for result in results)
    _, orders, _, equity = results[0]
    assert orders[0].done == LONG_TABLE.index[LONGEST_LOOKBACK + 1].isoformat()
    held = abstaining(bad(PRICES, 0.0, LONG_TABLE, row=LONGEST_LOOKBACK + 5), BuyAndHold())[0][3]
    assert held[6].equity == held[5].equity != held[7].equity
    assert held[6].net == held[5].net > 0
    assert equity[1].net == 0


def test_an_indicator_that_never_recovers_is_told_as_long_as_it_lasts():
    entries, *_ = abstaining(IN_THE_MIDDLE[0][1], RsiReversion())[0]
    assert {entry.decision.status for entry in entries if entry.bar >= 320} == {"abstained"}
    assert entries[-1].decision.abstention.detail.endswith("RSI has had no value since then.")


def test_a_bad_bar_to_trade_on_is_an_abstention_where_the_bars_to_decide_on_are_good():
    friday = int((DAYS.index.day_of_week == 4).nonzero()[0][300])
    results = []
    for mode in MODES:
        cerebro = own_cerebro(pandas_feed(bad(PRICES, NAN, DAYS, row=friday)), pandas_feed(DAYS, "signals"), **mode)
        results.append(run(cerebro, decide_on={"A": "signals"}, bad_bars="abstain", advisor=BuyAndHold()))
    assert all(repr(result) == repr(results[0]) for result in results)
    (abstained,) = [entry for entry in results[0][0] if entry.decision.abstention]
    assert abstained.bar == friday
    assert abstained.decision.abstention.detail.endswith("it is the bar to trade on.")


def test_a_model_is_asked_nothing_about_bars_that_are_not_known_and_the_journal_holds_no_nan():
    sink = io.StringIO()
    advisor = scripted()
    entries, *_ = run(
        own_cerebro(pandas_feed(IN_THE_MIDDLE[0][1])), advisor=advisor, bad_bars="abstain", journal=Journal(sink)
    )
    asked = [entry for entry in entries if entry.decision.exchanges]
    assert [entry.bar for entry in asked] == [*range(LONGEST_LOOKBACK - 1, 320), *range(590, 700)]
    lines = [json.loads(line, parse_constant=pytest.fail) for line in sink.getvalue().splitlines()]
    assert lines[320 - LONGEST_LOOKBACK + 1]["snapshot"]["trend"] is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("column", [["high", "low"], "volume", "close"])
def test_infinite_values_give_no_warning_of_numpy(column):
    results = abstaining(bad(column, math.inf, LONG_TABLE, row=320), BuyAndHold())
    assert all(repr(result) == repr(results[0]) for result in results)


@pytest.mark.parametrize("how", [{"decide_every": 5}, {"decide_every": 7}])
def test_the_schedule_counts_on_through_bad_bars(how):
    with_hole, whole = abstaining(IN_THE_MIDDLE[1][1], **how)[0][0], run(own_cerebro(pandas_feed(LONG_TABLE)), **how)[0]
    assert [entry.bar for entry in with_hole] == [entry.bar for entry in whole]


def test_abstaining_needs_a_broker_that_does_not_fill_on_such_bars_and_a_word_that_is_known():
    with pytest.raises(ConfigurationError, match="SimulatedBroker"):
        run(own_cerebro(broker=bt.brokers.BackBroker(cash=100_000)), bad_bars="abstain")
    with pytest.raises(ConfigurationError, match="exactbars=-1"):
        run(own_cerebro(exactbars=1), bad_bars="abstain")
    with pytest.raises(ConfigurationError, match="bad_bars is 'skip'"):
        run(own_cerebro(), bad_bars="skip")


KNOWN = Snapshot("A", "1d", "2020-01-01", 100.0, 0.05, 0.01, 0.01, 0.5, -0.02, 0.5, 1.0)


@pytest.mark.parametrize("feature", ["trend", "volatility_rank", "drawdown", "volume_ratio"])
@pytest.mark.parametrize("style", ["words", "numbers"])
def test_nan_never_has_a_name(feature, style):
    assert render_snapshot(KNOWN, View(style))
    with pytest.raises(MarketDataError, match="not a number"):
        render_snapshot(replace(KNOWN, **{feature: NAN}), View(style))


class Reads(bt.Strategy):
    def __init__(self):
        self.reader = SnapshotReader(self.data)
        self.seen = []

    def next(self):
        self.seen.append(self.reader.read())


@pytest.mark.parametrize("table", [table for _, table in IN_THE_MIDDLE], ids=[name for name, _ in IN_THE_MIDDLE])
def test_features_read_by_a_strategy_of_ones_own_are_nan_until_the_bar_has_left_in_all_modes(table):
    read = []
    for mode in MODES:
        cerebro = own_cerebro(pandas_feed(table), **mode)
        cerebro.addstrategy(Reads)
        read.append(cerebro.run()[0].seen)
    assert all(repr(seen) == repr(read[0]) for seen in read)
    unknown = [bar for bar, snapshot in enumerate(read[0], LONGEST_LOOKBACK - 1) if not snapshot.known]
    assert unknown == list(range(320, 320 + LONGEST_LOOKBACK))


class Buys(bt.Strategy):
    def next(self):
        if len(self) == 299:
            self.buy(size=1)


class GatedBuys(Gated, Buys):
    limits = Limits()


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("kind", ["a negative close", "an outer join of two markets"])
def test_a_gated_strategy_is_not_fooled_while_it_is_engaged(kind, mode):
    cerebro = own_cerebro(pandas_feed(KINDS[kind][0]), **mode)
    cerebro.addstrategy(GatedBuys)
    with pytest.raises(MarketDataError, match=f"Feed A, {DAY}"):
        cerebro.run()


def test_a_gated_strategy_may_look_at_anything_that_it_does_not_trade():
    cerebro = own_cerebro(pandas_feed(), pandas_feed(bad("close", -0.5, OTHER), "rates"))
    cerebro.addstrategy(GatedBuys)
    (strategy,) = cerebro.run()
    assert strategy.position.size == 1


def test_an_order_on_bars_that_run_backwards_is_refused():
    cerebro = own_cerebro(pandas_feed(TABLE.iloc[::-1]))
    cerebro.addstrategy(GatedBuys)
    with pytest.raises(MarketDataError, match="oldest first"):
        cerebro.run()


def test_a_gated_strategy_is_told_no_cure_that_it_does_not_have():
    cerebro = own_cerebro(pandas_feed(KINDS["a negative close"][0]))
    cerebro.addstrategy(GatedBuys)
    with pytest.raises(MarketDataError, match="before the feed is made") as refusal:
        cerebro.run()
    assert "bad_bars" not in str(refusal.value)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"limits": {"max_drawdown": 0.1}}, r"give Limits\(\.\.\.\)"),
        ({"groups": ["shares"]}, "give a dictionary of groups"),
    ],
)
def test_limits_and_groups_of_a_gated_strategy_are_looked_at(wrong, told):
    cerebro = own_cerebro()
    cerebro.addstrategy(type("Wrong", (GatedBuys,), wrong))
    with pytest.raises(ConfigurationError, match=told):
        cerebro.run()
