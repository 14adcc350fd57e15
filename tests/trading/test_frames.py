"""The journal of a person's own Cerebro as DataFrames."""

import pandas as pd
import pytest
from own_cerebro import EXPECTED, OTHER, RULE, TABLE, own_cerebro, pandas_feed, scripted

from llm_strategy import AdvisedStrategy, Journal
from llm_strategy.advice.rules import BuyAndHold


def journal_of(cerebro, **parameters):
    cerebro.addstrategy(AdvisedStrategy, **{"advisor": RULE} | parameters)
    return cerebro.run()[0].journal


@pytest.mark.parametrize("advisor", [RULE, BuyAndHold(), scripted()])
def test_the_frames_hold_every_row_of_the_journal_with_times_and_numbers(advisor):
    journal = journal_of(own_cerebro(), advisor=advisor)
    decisions, orders, trades, equity = frames = journal.frames()
    assert [len(table) for table in frames] == [
        len(rows) for rows in (journal.entries, journal.orders, journal.trades, journal.equity)
    ]
    for index in (decisions.index, equity.index, pd.Index(orders["created"]), pd.Index(trades["exited"])):
        assert index.dtype == "datetime64[us]"
        assert index.isin(TABLE.index).all()
    assert decisions["size"].tolist() == [entry.verdict.size for entry in journal.entries]
    assert set(decisions["action"]) <= {"enter_long", "exit", "hold"}
    assert decisions["close"].tolist() == TABLE["close"].loc[decisions.index].tolist()
    assert trades["net"].sum() == pytest.approx(equity["equity"].iloc[-1] - 100_000)
    assert orders["price"].isna().equals(orders["type"] == "market")
    assert (decisions["prompt"] != "").all() == (not hasattr(advisor, "rationale"))


def test_several_symbols_stand_in_one_table_and_can_be_parted():
    frames = journal_of(own_cerebro(pandas_feed(), pandas_feed(OTHER, "B")), trade="all").frames()
    assert frames.decisions.groupby("symbol").size().to_dict() == {"A": 151, "B": 151}
    alone = frames.decisions[frames.decisions["symbol"] == "A"]
    assert alone["action"].tolist() == [entry.decision.advice.action.type for entry in EXPECTED[0]]


def test_abstentions_have_a_reason_and_an_empty_journal_has_its_columns_and_types():
    bad = TABLE.copy()
    bad.iloc[300] = float("nan")
    decisions = journal_of(own_cerebro(pandas_feed(bad)), bad_bars="abstain").frames().decisions
    assert decisions.loc[decisions["status"] == "abstained", "reason"].unique().tolist() == ["bad_bar"]
    assert decisions["trend"].isna().sum() == 120
    full, empty = journal_of(own_cerebro()).frames(), Journal().frames()
    for one, other in zip(full, empty, strict=True):
        assert len(other) == 0
        assert one.dtypes.equals(other.dtypes)
        assert one.index.dtype == other.index.dtype
