"""A person's own Cerebro as an experiment: its feeds and broker, an advisor, and baselines through the same gate."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import backtrader as bt
import numpy as np
import pandas as pd

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.rules import BASELINES
from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.market.features import DEFAULT_LOOKBACKS
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.market.snapshot import timeframe_of
from llm_strategy.risk import Limits
from llm_strategy.trading.broker import SimulatedBroker, require_simulated
from llm_strategy.trading.orders import OrderRules
from llm_strategy.trading.parameters import check_kinds
from llm_strategy.trading.strategy import AdvisedStrategy
from llm_strategy.trading.traded_feed import feed_names, symbols_of, traded_of
from simulator.experiment import HOLDER_ARM, LLM_ARM, REFERENCE_ARM
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import EvaluationConfig, Experiment, OutputConfig
from simulator.prices.config import DataConfig
from simulator.prices.load import Prices
from simulator.prices.sessions import parse_timeframe
from simulator.prices.table import COLUMNS, RawTable
from simulator.prices.universe import Universe, check_bars
from simulator.prices.validation import validate_prices
from simulator.progress.stages import Progress
from simulator.progress.surfaces import progress_for
from simulator.runs.advisors.given import config_of
from simulator.runs.answers import recorded
from simulator.runs.compare import Callbacks, execute
from simulator.runs.result import Result
from simulator.runs.trials.opening import TailOpening
from simulator.runs.trials.tail import tail_part

log = logging.getLogger(__name__)

_HONOURED = (
    *("advisor", "limits", "orders", "trade", "symbols", "groups"),
    *("decide_every", "decide_when_changed", "lookbacks"),
)
"""Parameters of an ``AdvisedStrategy`` in the Cerebro that a study takes over."""
_BASELINES = (HOLDER_ARM, REFERENCE_ARM)
_OF_NO_WEIGHT = ("tell", "progress")


class Study:
    """Runs an advisor and baselines on what a Cerebro holds, and writes folder and page as ``compare`` does.

    Taken from the Cerebro: the bars of its feeds (all of one time frame; looked at as those of a file), cash,
    commission and slippage of its broker, and of an ``AdvisedStrategy`` that was added to it: advisor, limits, orders,
    trade, symbols, groups, decide_every, decide_when_changed and lookbacks. All arms begin together, so that a rule
    that looks back further than the features delays the others. The Cerebro itself is left as it was and can be run.

    - ``advisor``: a ``ModelAdvisor``; that of the added strategy if absent, and none for baselines alone. Answers of a
      client of ``get_llm_client`` are kept and asked once, as everywhere.
    - ``baselines``: names of ``BASELINES``; if absent ``buy_and_hold`` and ``regime_rule``
    - ``limits``, ``orders``, ``trade`` (names of feeds, or ``"all"``), ``groups`` (group by symbol): as of
      ``AdvisedStrategy``, where none is in the Cerebro
    - ``name``, ``folder``, ``explain`` and ``evaluation``: as in an experiment

    Raises ``ConfigurationError`` for what a study cannot do as the Cerebro says: other strategies, optimisations,
    signals, sizers, timers, order histories, cheat-on-open, feeds that are resampled, replayed or live, other
    parameters of the strategy, advisors that are no ``ModelAdvisor``, and brokers whose costs are not percent or per
    share. Analyzers and writers are told to be left out; observers have no effect on a result and are.
    """

    def __init__(
        self,
        cerebro: bt.Cerebro,
        *,
        advisor: ModelAdvisor | None = None,
        baselines: Sequence[str] | None = None,
        limits: Limits | None = None,
        orders: OrderRules | None = None,
        trade: Sequence[str] | str | None = None,
        groups: Mapping[str, str] | None = None,
        name: str = "study",
        folder: str | Path = "reports",
        explain: bool = True,
        evaluation: EvaluationConfig | None = None,
    ) -> None:
        _check_engine(cerebro)
        keywords = {"advisor": advisor, "limits": limits, "orders": orders, "trade": trade, "groups": groups}
        chosen = _merged(_added(cerebro), {key: value for key, value in keywords.items() if value is not None})
        check_kinds(chosen)
        self.universe = _universe(cerebro, chosen)
        self._client, choice = _advice(chosen)
        advised = self._client is not None
        if baselines is None:
            baselines = _BASELINES
        others = (baselines,) if isinstance(baselines, str) else tuple(baselines)
        arms = (LLM_ARM, *others) if advised else others
        rules = chosen.get("orders") or OrderRules()
        self.experiment = Experiment(
            name=name,
            data=_data(self.universe),
            advisor=choice,
            risk=chosen.get("limits") or Limits(),
            orders=rules,
            costs=_costs(cerebro.broker, [data for data, _ in _traded(cerebro, chosen)], rules),
            arms=arms,
            evaluation=evaluation or EvaluationConfig(),
            output=OutputConfig(str(folder), explain),
            regimes=_regimes(chosen),
        )
        warm_up = self.experiment.warm_up
        check_bars(self.universe, warm_up.bars + 2, warm_up)
        for what, held in (("Analyzers", cerebro.analyzers), ("Writers", cerebro.writers)):
            if held:
                log.warning("%s of the Cerebro are left out of the study, which measures by itself.", what)

    def run(self, *, progress: Progress | bool | None = None, **callbacks: Unpack[Callbacks]) -> Result:
        """Run all arms and write the folder; arguments, result and errors as of ``compare``."""
        arms, client = self.experiment.compared, self._client
        with progress_for(progress) as shown:
            return execute(self.experiment, arms, client, shown, universe=self.universe, **callbacks)

    def open_holdout(
        self, *, again: bool = False, progress: Progress | bool | None = None, **callbacks: Unpack[Callbacks]
    ) -> Result:
        """Run all arms on the bars that ``evaluation.holdout`` seals alone, once; as ``simulator.open_holdout``."""
        universe, tail, ended = tail_part(self.universe, self.experiment)
        opening = TailOpening(again, ended)
        with progress_for(progress) as shown:
            return execute(tail, tail.compared, self._client, shown, universe=universe, opening=opening, **callbacks)


def _check_engine(cerebro: bt.Cerebro) -> None:
    """Refuse what changes results and what a study cannot do."""
    refused = {
        "an optimisation (optstrategy): study one setting after the other": cerebro._dooptimize,
        "a sizer: sizes come from the limits, so set those": any(cls for cls, *_ in cerebro.sizers.values()),
        "signals: a study compares advisors": cerebro.signals,
        "timers: a study decides at closes alone": cerebro._pretimers,
        "an order history: a study sends its own orders": cerebro._ohistory or cerebro._fhistory is not None,
        "cheat-on-open: orders fill at the open after the close that decided": cerebro.p.cheat_on_open,
    }
    for what, present in refused.items():
        if present:
            raise ConfigurationError(f"The Cerebro of the study has {what}, and leave it out here.")
    if not cerebro.datas:
        raise ConfigurationError("The Cerebro of the study has no feed: add one with cerebro.adddata(feed).")


def _added(cerebro: bt.Cerebro) -> dict[str, Any]:
    """What a study takes over of the strategy in the Cerebro."""
    added = [strategy for (strategy,) in cerebro.strats]
    for kind, arguments, _ in added:
        if kind is not AdvisedStrategy or arguments:
            raise ConfigurationError(
                f"The Cerebro of the study has the strategy {kind.__name__}, and a study runs advisors through "
                "AdvisedStrategy alone: give it a Cerebro without that strategy."
            )
    if len(added) > 1:
        raise ConfigurationError("The Cerebro of the study has several strategies: keep one AdvisedStrategy.")
    parameters = added[0][2] if added else {}
    for key, value in parameters.items():
        if key not in (*_HONOURED, *_OF_NO_WEIGHT) and value not in (None, "refuse"):
            raise ConfigurationError(
                f"AdvisedStrategy has {key}, which a study cannot honour: leave it out; it takes "
                f"{', '.join(_HONOURED)}."
            )
    return {key: value for key, value in parameters.items() if key in _HONOURED and value is not None}


def _merged(added: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    for key in keywords.keys() & added.keys() - {"advisor"}:
        raise ConfigurationError(f"{key} stands in the study and in its AdvisedStrategy: keep one of them.")
    return {**added, **keywords}


def _traded(cerebro: bt.Cerebro, chosen: Mapping[str, Any]) -> list[tuple[bt.AbstractDataBase, str]]:
    """The traded feeds and their symbols."""
    names, called = feed_names(cerebro.datas), chosen.get("symbols") or {}
    datas = traded_of(chosen.get("trade"), names)
    return list(symbols_of({data: called.get(names[data], names[data]) for data in datas}).items())


def _universe(cerebro: bt.Cerebro, chosen: Mapping[str, Any]) -> Universe:
    names = feed_names(cerebro.datas)
    markets = tuple(_prices(data, symbol, names[data]) for data, symbol in _traded(cerebro, chosen))
    return Universe(markets, chosen.get("groups") or {})


def _prices(data: bt.AbstractDataBase, symbol: str, name: str) -> Prices:
    """The bars of a feed, read as backtrader reads them, and looked at as those of a file."""
    if data.resampling or data.replaying or data.islive():
        kind = "live" if data.islive() else "resampled" if data.resampling else "replayed"
        raise ConfigurationError(
            f"The feed {name} is {kind}, and a study needs bars that are there as they are: give it a feed of them."
        )
    timeframe = timeframe_of(data)
    data.reset()
    data._start()
    data.preload()
    bars = data.buflen()
    columns = {column: np.array(getattr(data.lines, column).array[:bars]) for column in COLUMNS}
    days = np.array(data.lines.datetime.array[:bars])
    data.stop()
    data.reset()
    if np.isnan(columns["volume"]).all():
        columns["volume"] = np.zeros(bars)  # no volumes are known, as in a file without that column
    daily = not parse_timeframe(timeframe).intraday
    times = [data.num2date(day).replace(tzinfo=None) if daily else bt.num2date(day) for day in days]
    index = pd.DatetimeIndex(times, name="time").round("ms").as_unit("us")
    table = pd.DataFrame(columns, index=index.normalize() if daily else index)
    source = f"feed:{name}"
    validate_prices(RawTable(symbol, table), source, parse_timeframe(timeframe))
    return Prices(source, symbol, timeframe, table)


def _data(universe: Universe) -> DataConfig:
    groups: dict[str, list[str]] = {}
    for symbol, group in universe.groups.items():
        groups.setdefault(group, []).append(symbol)
    sources = {prices.symbol: prices.source for prices in universe.markets}
    return DataConfig(sources=sources, timeframe=universe.timeframe, groups=groups)


def _advice(chosen: Mapping[str, Any]) -> tuple[RecordingClient | None, AdvisorConfig]:
    """Who answers, and how the advisor asks."""
    advisor, every = chosen.get("advisor"), int(chosen.get("decide_every", 1))
    changed, lookbacks = chosen.get("decide_when_changed"), chosen.get("lookbacks", DEFAULT_LOOKBACKS)
    if advisor is None:
        if changed is not None:
            raise ConfigurationError("decide_when_changed is the view of an advisor: leave it out without one.")
        return None, AdvisorConfig(decide_every=every, lookbacks=lookbacks)
    if not isinstance(advisor, ModelAdvisor):
        raise ConfigurationError(
            f"The advisor is a {type(advisor).__name__}, and a study measures a ModelAdvisor: name rules in baselines "
            f"({', '.join(BASELINES)}), and run an advisor of your own with AdvisedStrategy."
        )
    if advisor.draw or changed not in (None, advisor.view):
        raise ConfigurationError(
            "A study draws by evaluation.draws, and decides on changes of what the model is shown alone: leave draw "
            "out, and give decide_when_changed the view of the advisor."
        )
    return recorded(advisor.client, kept=advisor.record), config_of(
        advisor,
        decide_every=every,
        decide_when="always" if changed is None else "changed",
        lookbacks=lookbacks,
    )


def _regimes(chosen: Mapping[str, Any]) -> Regimes:
    """The labels that the advisor chooses from."""
    advisor = chosen.get("advisor")
    return advisor.wanted_options.regimes if isinstance(advisor, ModelAdvisor) else USUAL_REGIMES


def _costs(broker: Any, traded: Iterable[bt.AbstractDataBase], rules: OrderRules) -> Costs:
    """The broker's cash, commission and slippage as costs of an experiment."""
    require_simulated(broker)
    if broker.p.coo or broker.p.coc != (rules.fill == "same_close"):
        raise ConfigurationError(
            "The broker fills at the bar of the decision (cheat-on-close or cheat-on-open): switch it off, or allow "
            'it knowingly with OrderRules(fill="same_close").'
        )
    if isinstance(broker, SimulatedBroker):
        return replace(broker.costs, starting_cash=float(broker.startingcash))
    schemes = {id(broker.getcommissioninfo(data)): broker.getcommissioninfo(data) for data in traded}
    scheme, *others = schemes.values()
    percent = scheme._commtype == bt.CommInfoBase.COMM_PERC
    plain = type(scheme) in (bt.CommInfoBase, bt.CommissionInfo) and scheme.stocklike and not scheme.p.interest
    if others or not plain or scheme.p.mult != 1 or scheme.p.leverage != 1:
        raise _not_expressible("commission scheme is not one of percent or per share, the same for all feeds")
    if broker.p.filler is not None or not broker.p.shortcash:
        raise _not_expressible("filler or shortcash=False")
    slips = broker.p.slip_perc or broker.p.slip_fixed
    if slips and not (broker.p.slip_open and broker.p.slip_match and not broker.p.slip_out):
        raise _not_expressible("slippage spares the open, or leaves the range of the bar")
    return Costs(
        starting_cash=float(broker.startingcash),
        commission_bps=scheme.p.commission * 10_000 if percent else 0.0,
        commission_per_share=0.0 if percent else scheme.p.commission,
        slippage_bps=broker.p.slip_perc * 10_000,
        slippage_per_share=0.0 if broker.p.slip_perc else broker.p.slip_fixed,
    )


def _not_expressible(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The broker's {what}, which a study cannot write into its experiment: say what trading costs with "
        "cerebro.broker = SimulatedBroker(Costs(...))."
    )
