"""A person's own Cerebro as a study: its feeds and broker, folder and page as of a comparison."""

import json

import backtrader as bt
import pandas as pd
import pytest
from markets import random_prices
from own_cerebro import OTHER, TABLE, answer, own_cerebro, pandas_feed
from small_run import files, reader
from small_study import study

from llm_strategy import AdvisedStrategy, Costs, Limits, Lookbacks, ModelAdvisor, OrderRules, SimulatedBroker, View
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.rules import BuyAndHold, RegimeRule, SmaCross
from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.types import Status
from simulator import compare, replay
from simulator.prices.feed import make_feed

pytestmark = pytest.mark.slow


def percent_broker(commission=0.002, cash=50_000, **slippage):
    broker = bt.brokers.BackBroker(cash=cash)
    broker.setcommission(commission=commission)
    if slippage:
        broker.set_slippage_perc(**slippage)
    return broker


@pytest.mark.parametrize("script", [answer, reader])
def test_a_study_gives_what_the_cerebro_itself_gives_and_a_folder_that_replays(tmp_path, script):
    limits = Limits(max_position_size=0.5, max_risk_per_trade=0.5)
    result = study(tmp_path, advisor=ModelAdvisor(ScriptedClient(script)), limits=limits).run()
    assert [arm.name for arm in result.record.arms] == ["llm", "buy_and_hold", "regime_rule", "market"]
    assert result.report.is_file()
    for arm, advisor in (("llm", ModelAdvisor(ScriptedClient(script))), ("regime_rule", RegimeRule())):
        own = own_cerebro()
        own.addstrategy(AdvisedStrategy, advisor=advisor, limits=limits)
        journal = own.run()[0].journal
        assert result.record.arm(arm).equity["equity"].tolist() == [row.equity for row in journal.equity]
        assert len(result.record.arm(arm).trades) == len(journal.trades)
    assert all(check.same for check in replay(result.folder))


def test_it_is_the_same_as_comparing_a_file_of_the_same_bars(tmp_path):
    path = tmp_path / "a.csv"
    TABLE.to_csv(path, float_format="%.17g")
    from_feeds = study(tmp_path, baselines=["buy_and_hold", "sma_cross"]).run()
    from_file = compare(
        {
            "name": "file",
            "data": {"sources": {"A": f"csv:{path}"}},
            "arms": ["buy_and_hold", "sma_cross"],
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(tmp_path), "explain": False},
        }
    )
    pd.testing.assert_frame_equal(from_feeds.table, from_file.table)
    for name in ("prices.csv", "buy_and_hold/orders.csv", "sma_cross/decisions.jsonl"):
        assert files(from_feeds.folder)[name] == files(from_file.folder)[name]


def test_cash_commission_and_slippage_of_backtraders_own_broker_are_charged(tmp_path):
    broker = percent_broker(0.002, 50_000, perc=0.001)
    broker.setcash(70_000)
    made = study(tmp_path, own_cerebro(broker=broker), baselines=["buy_and_hold"])
    costs = made.experiment.costs
    assert (costs.starting_cash, costs.commission_bps, costs.slippage_bps) == pytest.approx((70_000, 20, 10))
    record = made.run().record
    own = own_cerebro(broker=percent_broker(0.002, 70_000, perc=0.001))
    own.addstrategy(AdvisedStrategy, advisor=BuyAndHold())
    equity = [row.equity for row in own.run()[0].journal.equity]
    assert record.arms[0].equity["equity"].tolist() == pytest.approx(equity)


def test_per_share_commissions_and_named_costs_are_taken_whole(tmp_path):
    per_share = bt.brokers.BackBroker()
    per_share.setcommission(commission=0.01, commtype=bt.CommInfoBase.COMM_FIXED, stocklike=True)
    assert study(tmp_path, own_cerebro(broker=per_share), baselines=["buy_and_hold"]).experiment.costs == Costs(
        starting_cash=10_000, commission_bps=0, commission_per_share=0.01, slippage_bps=0
    )
    named = SimulatedBroker(Costs(preset="us_equities", borrow_rate=0.01))
    named.setcash(1_000_000)
    costs = study(tmp_path, own_cerebro(broker=named), baselines=["buy_and_hold"]).experiment.costs
    assert costs == Costs(preset="us_equities", borrow_rate=0.01, starting_cash=1_000_000)


def test_what_an_added_strategy_says_is_taken_over_and_the_cerebro_can_still_be_run(tmp_path):
    cerebro = own_cerebro(pandas_feed(), pandas_feed(OTHER, "B"))
    advisor = ModelAdvisor(ScriptedClient(answer), view=View("numbers", 1), fallback=BuyAndHold())
    cerebro.addstrategy(
        AdvisedStrategy,
        advisor=advisor,
        trade="all",
        symbols={"A": "ALPHA"},
        groups={"ALPHA": "g", "B": "g"},
        limits=Limits(max_position_size=0.3, max_group_exposure=0.5),
        orders=OrderRules(entry_bars=2),
        decide_every=3,
    )
    made = study(tmp_path, cerebro, baselines=["regime_rule"])
    told = made.experiment
    assert (told.advisor.style, told.advisor.decimals, told.advisor.fallback) == ("numbers", 1, "buy_and_hold")
    assert (told.advisor.decide_every, told.orders.entry_bars, told.risk.max_group_exposure) == (3, 2, 0.5)
    result = made.run()
    (strategy,) = cerebro.run()
    assert set(result.record.prices) == {"ALPHA", "B"}
    assert result.record.arm("llm").equity["equity"].tolist() == [row.equity for row in strategy.journal.equity]


def test_lookbacks_of_the_strategy_decide_when_all_arms_begin(tmp_path):
    cerebro = own_cerebro()
    lookbacks = Lookbacks(trend=40, volatility_rank=30, drawdown=40)
    cerebro.addstrategy(AdvisedStrategy, advisor=ModelAdvisor(ScriptedClient(answer)), lookbacks=lookbacks)
    made = study(tmp_path, cerebro, baselines=["buy_and_hold"])
    assert made.experiment.warm_up.bars == 50
    result = made.run()
    (strategy,) = cerebro.run()
    for arm in ("llm", "buy_and_hold"):
        assert result.record.arm(arm).equity.index[0] == TABLE.index[49]
    assert result.record.arm("llm").equity["equity"].tolist() == [row.equity for row in strategy.journal.equity]


def test_too_few_bars_name_what_needs_them(tmp_path):
    few = own_cerebro(pandas_feed(TABLE.iloc[:120]))
    with pytest.raises(
        MarketDataError, match=r"A \(feed:A\) has 120 bars of 1d, at least 272 .*volatility_rank of 250"
    ):
        study(tmp_path, few, baselines=["buy_and_hold"])
    few = own_cerebro(pandas_feed(TABLE.iloc[:120]))
    few.addstrategy(AdvisedStrategy, lookbacks=Lookbacks(trend=40, volatility_rank=30, drawdown=40))
    with pytest.raises(MarketDataError, match=r"at least 202 .*baselines\.sma_cross"):
        study(tmp_path, few, baselines=["sma_cross"])


def test_lenient_repairs_hold_in_a_study_and_behind_the_users_record(tmp_path, monkeypatch):
    said = {
        "regime": {"label": "bull", "confidence": "0.7"},
        "action": {"type": "enter_long", "confidence": 70},
        "rationale": "Up.",
    }
    advisor = ModelAdvisor(ScriptedClient(lambda _: json.dumps(said), supports_forms=False), repairs="lenient")
    decisions = study(tmp_path, advisor=advisor, baselines=["buy_and_hold"]).run().decisions
    assert set(decisions.loc["llm", "status"]) == {"repaired"}

    script = tmp_path / "answers.jsonl"
    script.write_text("\n".join([json.dumps(json.dumps(said))] * 500))
    monkeypatch.setenv("LLM_SCRIPT", str(script))
    client = get_llm_client(backend="scripted")
    own = own_cerebro()
    own.addstrategy(AdvisedStrategy, advisor=ModelAdvisor(client, options=PromptOptions("json"), repairs="lenient"))
    assert {entry.decision.status for entry in own.run()[0].journal.entries} == {Status.REPAIRED}


@pytest.mark.parametrize(
    ("feed", "timeframe", "first"),
    [
        (pandas_feed(tz="Asia/Tokyo"), "1d", "2001-01-01"),
        (
            bt.feeds.PandasData(
                dataname=TABLE.set_index(pd.date_range("2024-01-02 09:30", periods=420, freq="5min")),
                name="A",
                timeframe=bt.TimeFrame.Minutes,
                compression=5,
            ),
            "5m",
            "2024-01-02 09:30",
        ),
        (make_feed(random_prices(420, seed=4, gap=0.004)), "1d", "2001-01-01"),
        (pandas_feed(TABLE.drop(columns="volume")), "1d", "2001-01-01"),
    ],
)
def test_feeds_of_every_kind_are_read_as_backtrader_reads_them(tmp_path, feed, timeframe, first):
    (prices,) = study(tmp_path, own_cerebro(feed), baselines=["buy_and_hold"]).universe.markets
    assert (prices.timeframe, len(prices.table)) == (timeframe, 420)
    assert prices.table.index[0] == pd.Timestamp(first)
    assert prices.table["close"].tolist() == TABLE["close"].tolist()


def with_sizer():
    cerebro = own_cerebro()
    cerebro.addsizer(bt.sizers.PercentSizer)
    return cerebro


class Mine(bt.Strategy):
    pass


def with_strategy(kind=Mine, **parameters):
    cerebro = own_cerebro()
    cerebro.addstrategy(kind, **parameters)
    return cerebro


def optimised():
    cerebro = own_cerebro()
    cerebro.optstrategy(AdvisedStrategy, advisor=BuyAndHold(), decide_every=[1, 2])
    return cerebro


def resampled():
    cerebro = bt.Cerebro()
    cerebro.resampledata(pandas_feed(), timeframe=bt.TimeFrame.Weeks)
    return cerebro


class Tiered(bt.CommInfoBase):
    params = (("stocklike", True),)

    def _getcommission(self, size, price, pseudoexec):
        return 1.0


def tiered():
    broker = bt.brokers.BackBroker()
    broker.addcommissioninfo(Tiered())
    return own_cerebro(broker=broker)


def futures():
    broker = bt.brokers.BackBroker()
    broker.setcommission(commission=2.0, margin=1000, mult=50)
    return own_cerebro(broker=broker)


def filled_in_parts():
    broker = percent_broker()
    broker.set_filler(bt.fillers.FixedBarPerc())
    return own_cerebro(broker=broker)


def sparing_the_open():
    return own_cerebro(broker=percent_broker(perc=0.001, slip_open=False))


def at_the_close():
    broker = percent_broker()
    broker.set_coc(True)
    return own_cerebro(broker=broker)


REFUSED = {
    "sizer": (with_sizer, {}, "a sizer: sizes come from the limits"),
    "strategy": (with_strategy, {}, "strategy Mine"),
    "optimisation": (optimised, {}, "an optimisation"),
    "resampled": (resampled, {}, "is resampled"),
    "no feed": (bt.Cerebro, {}, "no feed"),
    "commission of one's own": (tiered, {}, "commission scheme is not one of percent or per share"),
    "futures": (futures, {}, "commission scheme"),
    "filler": (filled_in_parts, {}, "filler"),
    "slippage": (sparing_the_open, {}, "slippage spares the open"),
    "same close": (at_the_close, {}, "cheat-on-close"),
    "a rule as advisor": (own_cerebro, {"advisor": SmaCross(5, 20)}, "measures a ModelAdvisor"),
    "a fallback of one's own": (
        own_cerebro,
        {"advisor": ModelAdvisor(ScriptedClient(answer), fallback=SmaCross(5, 20))},
        "fallback is a SmaCross of its own",
    ),
    "twice": (
        lambda: with_strategy(AdvisedStrategy, advisor=ModelAdvisor(ScriptedClient(answer)), limits=Limits()),
        {"limits": Limits()},
        "limits stands in the study and in its AdvisedStrategy",
    ),
    "longer bars": (
        lambda: with_strategy(AdvisedStrategy, advisor=ModelAdvisor(ScriptedClient(answer)), decide_on={"A": "B"}),
        {},
        "AdvisedStrategy has decide_on",
    ),
    "an unknown baseline": (own_cerebro, {"baselines": ["buy_and_hodl"]}, "did you mean 'buy_and_hold'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_study_cannot_honour_is_one_sentence_before_anything_runs(tmp_path, name):
    make, how, words = REFUSED[name]
    with pytest.raises(ConfigurationError, match=words):
        study(tmp_path, make(), **{"baselines": ["buy_and_hold"]} | how)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("column", "value"), [("close", float("nan")), ("low", -1.0)])
def test_bars_that_cannot_be_true_are_refused_by_feed_and_date(tmp_path, column, value):
    table = TABLE.copy()
    table.iloc[300, table.columns.get_loc(column)] = value
    with pytest.raises(MarketDataError, match=f"feed:A, {TABLE.index[300].date()}: {column}"):
        study(tmp_path, own_cerebro(pandas_feed(table)))


def test_analyzers_are_told_to_be_left_out(tmp_path, caplog):
    cerebro = own_cerebro()
    cerebro.addanalyzer(bt.analyzers.DrawDown)
    study(tmp_path, cerebro, baselines=["buy_and_hold"])
    assert "Analyzers of the Cerebro are left out of the study" in caplog.text


@pytest.mark.parametrize(
    ("how", "arms"),
    [({}, ["buy_and_hold", "regime_rule", "market"]), ({"baselines": "momentum"}, ["momentum"])],
)
def test_a_study_without_an_advisor_has_baselines_that_need_none(tmp_path, how, arms):
    assert [arm.name for arm in study(tmp_path, **how).run().record.arms] == arms


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"limits": {"max_position_size": 0.5}}, r"give Limits\(\.\.\.\)"),
        ({"orders": "limit"}, r"give OrderRules\(\.\.\.\)"),
        ({"groups": ["shares"]}, "give a dictionary of groups"),
    ],
)
def test_a_wrong_kind_is_one_sentence_in_a_study_too(tmp_path, how, told):
    with pytest.raises(ConfigurationError, match=told):
        study(tmp_path, **how)


def test_a_study_does_not_round_the_bars_between_decisions(tmp_path):
    cerebro = own_cerebro()
    cerebro.addstrategy(AdvisedStrategy, advisor=ModelAdvisor(ScriptedClient(answer)), decide_every=2.5)
    with pytest.raises(ConfigurationError, match=r"decide_every is 2\.5"):
        study(tmp_path, cerebro)
