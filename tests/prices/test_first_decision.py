"""``data.start`` is the first decision: what its features need comes from the bars before it."""

import datetime

import pandas as pd
import pytest
from markets import clocked_prices, minutes, random_prices
from own_cerebro import OTHER, RULE, TABLE, own_cerebro, pandas_feed
from small_run import files, recording, small

import simulator
from llm_strategy import AdvisedStrategy
from llm_strategy.errors import MarketDataError
from llm_strategy.market.features import WarmUp
from simulator.prices.config import DataConfig
from simulator.prices.universe import load_universe

pytestmark = pytest.mark.slow

DAY = "2002-03-01"


def prices_file(folder, kind="csv", bars=500, seed=3, name="mine", first="2001-01-01"):
    table = random_prices(bars, seed, daily=0.012).table
    table.index = pd.date_range(first, periods=bars, name="time")
    path = folder / f"{name}.{kind}"
    table.to_csv(path) if kind == "csv" else table.reset_index().to_parquet(path)
    return f"{kind}:{path}"


def run(tmp_path, data, arms=("buy_and_hold",), **sections):
    """A run of rules alone; the record of what it wrote."""
    experiment = small(tmp_path, data=data, arms=list(arms), **sections)
    return simulator.compare(experiment) if len(arms) > 1 else simulator.run(experiment, arms[0])


def first_times(result):
    return {arm.name: (arm.decisions[0]["time"], arm.equity.index[0]) for arm in result.record.arms}


SOURCES = {
    "csv": lambda folder: {"source": prices_file(folder), "start": DAY},
    "parquet": lambda folder: {"source": prices_file(folder, "parquet"), "start": DAY, "end": "2002-04-30"},
    "synthetic": lambda _: {"source": "synthetic:crash?bars=900&seed=4", "start": DAY},
    "sample": lambda _: {"source": "sample:nasdaq", "start": DAY, "end": "2002-05-01"},
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_first_decision_is_at_the_start_for_every_arm(tmp_path, source):
    result = run(tmp_path, source(tmp_path), arms=("buy_and_hold", "momentum", "regime_rule"))
    first = pd.Timestamp(DAY)
    assert set(first_times(result).values()) == {(first.isoformat(), first)}
    assert all(pd.Timestamp(row) >= first for arm in result.record.arms for row in arm.orders["created"])
    (market,) = result.record.manifest["prices"]["symbols"].values()
    assert (market["first_decision"], market["before_start"]) == (first.isoformat(), 269)
    assert result.facts["run.first_decision"].text == DAY
    assert result.doubts == []
    kept = next(iter(result.record.prices.values()))
    assert int(kept.index.searchsorted(first)) == 269
    assert all(check.same for check in simulator.replay(result.folder))


def test_a_start_changes_no_decision_that_is_made_without_one(tmp_path):
    source = prices_file(tmp_path)
    experiments = [
        small(tmp_path, data=data, arms=["llm"]) for data in ({"source": source}, {"source": source, "start": DAY})
    ]
    whole, late = (simulator.run(wanted, client=recording()[0]).record.arms[0].decisions for wanted in experiments)
    assert [line["snapshot"] for line in late] == [line["snapshot"] for line in whole if line["time"] >= DAY]
    assert 0 < len(late) < len(whole)


@pytest.mark.parametrize(
    ("start", "stands", "first"),
    [("2001-01-01", 0, "2001-09-27"), ("2000-01-01", 0, "2001-09-27"), ("2001-04-11", 100, "2001-09-27")],
)
def test_too_few_bars_before_the_start_are_said_on_console_and_page(tmp_path, capsys, start, stands, first):
    from simulator.cli.console import print_result

    result = run(tmp_path, {"source": prices_file(tmp_path), "start": start})
    print_result(result, as_json=False)
    shown = capsys.readouterr().out
    sentence = f"Decisions on mine begin at {first} and not at data.start ({start})"
    assert sentence in shown
    assert f"needs 269 bars before it, and {stands} stand there" in shown
    assert sentence in (result.folder / "report.md").read_text().replace("\\", "")
    assert first_times(result)["buy_and_hold"][0] == f"{first}T00:00:00"


def test_of_several_symbols_each_begins_at_the_start_or_as_soon_as_it_can(tmp_path):
    sources = {
        "OLD": prices_file(tmp_path, name="old"),
        "YOUNG": prices_file(tmp_path, name="young", bars=350, seed=8, first="2001-10-01"),
    }
    result = run(tmp_path, {"sources": sources, "start": DAY})
    first = {}
    for line in result.record.arms[0].decisions:
        first.setdefault(line["snapshot"]["symbol"], line["time"][:10])
    assert first == {"OLD": DAY, "YOUNG": "2002-06-27"}
    (doubt,) = result.doubts
    assert "Decisions on YOUNG begin at 2002-06-27" in doubt
    assert "OLD" not in doubt


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"decide_on": "1d", "start": "2022-04-01"}, "2022-04-01"),
        ({"decide_on": "1d", "start": "2022-04-01", "session": "10:00-14:00"}, "2022-04-01"),
        ({"decide_on": "1w", "start": "2022-07-06"}, "2022-07-08"),
        ({"start": "2022-02-01T12:00"}, "2022-02-01"),
    ],
    ids=["days", "days of a session", "weeks, begun on a Wednesday", "hours"],
)
def test_the_start_of_resampled_decisions(tmp_path, data, expected):
    prices = clocked_prices(minutes("2022-01-03", "2022-12-30", "09:00-16:00", "UTC", "1h"), "1h")
    prices.write_csv(tmp_path / "hours.csv")
    lookbacks = {
        "trend": 20,
        "momentum": 5,
        "volatility": 5,
        "volatility_rank": 15,
        "drawdown": 20,
        "range_position": 5,
    }
    sections = {"advisor": {"lookbacks": lookbacks | {"volume_ratio": 5}}}
    source = f"csv:{tmp_path / 'hours.csv'}"
    result = run(tmp_path, {"source": source, "timeframe": "1h"} | data, **sections)
    first = result.record.arms[0].decisions[0]["time"]
    assert first.startswith(expected)
    assert first >= data["start"]
    assert result.doubts == []
    assert result.record.manifest["prices"]["symbols"]["hours"]["before_start"] == 19
    assert all(check.same for check in simulator.replay(result.folder))


def test_the_bars_before_the_start_are_judged_and_those_further_back_are_not(tmp_path):
    source = prices_file(tmp_path)
    lines = (tmp_path / "mine.csv").read_text().splitlines()
    for row, refused in ((3, False), (300, True)):
        broken = [*lines]
        broken[row] = broken[row].split(",")[0] + ",5,4,6,5,1"  # high below low
        (tmp_path / "mine.csv").write_text("\n".join(broken))
        choice = DataConfig(source=source, start=DAY)
        if refused:
            with pytest.raises(MarketDataError, match="high"):
                load_universe(choice, warm_up=WarmUp(270, ""))
        else:
            assert len(load_universe(choice, warm_up=WarmUp(270, "")).markets[0].table) == 500 - 424 + 269


def test_without_a_start_nothing_changes(tmp_path):
    one = run(tmp_path / "a", {"source": "synthetic:cycles?bars=420&seed=5"})
    assert "before_start" not in next(iter(one.record.manifest["prices"]["symbols"].values()))
    assert len(one.record.arms[0].decisions) == 420 - 269
    assert files(one.folder)


START = TABLE.index[330]


@pytest.mark.parametrize("start", [START.to_pydatetime(), START.date(), START.date() - datetime.timedelta(hours=5)])
@pytest.mark.parametrize("once", [True, False])
def test_a_start_in_ones_own_cerebro(start, once):
    cerebro = own_cerebro(runonce=once, preload=once)
    cerebro.addstrategy(AdvisedStrategy, advisor=RULE, start=start)
    journal = cerebro.run()[0].journal
    assert journal.entries[0].decision.snapshot.time >= START.isoformat()
    assert journal.equity[0].time == journal.entries[0].decision.snapshot.time
    assert len(journal.entries) == 420 - 330


def test_a_start_behind_the_last_bar_is_one_sentence():
    cerebro = own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"))
    cerebro.addstrategy(AdvisedStrategy, advisor=RULE, trade="all", start=datetime.date(2031, 1, 1))
    with pytest.raises(MarketDataError, match=r"A has no bar from start on.*set an earlier start"):
        cerebro.run()
