"""The backtrader strategy: thin glue between advisor, risk gate and order desk."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import backtrader as bt

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.checks import asked_items
from llm_strategy.advice.protocol import begin_run
from llm_strategy.costs.costs import VOLATILITY_BARS
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.features import DEFAULT_LOOKBACKS
from llm_strategy.market.schedule import Schedule
from llm_strategy.market.snapshot import Measured, iso_time
from llm_strategy.market.view import View, measured_for
from llm_strategy.risk import Limits
from llm_strategy.support.logs import ProgressLine
from llm_strategy.support.outside_text import spelled_out
from llm_strategy.trading.advised_feed import AdvisedFeed
from llm_strategy.trading.bar_check import FEWEST_FOR_SPACING, SPACING_BARS, BarCheck
from llm_strategy.trading.broker import SimulatedBroker, check_scheme, require_simulated
from llm_strategy.trading.checklist_inputs import ChecklistInputs
from llm_strategy.trading.dealer import Dealer
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.ledger import Ledger
from llm_strategy.trading.orders import OrderDesk, OrderRules, Stage
from llm_strategy.trading.parameters import check_names, check_parameters
from llm_strategy.trading.remarks import remarks
from llm_strategy.trading.traded_feed import CORRELATION_BARS, feed_names, find_feed, symbols_of, traded_of

log = logging.getLogger(__name__)

_BARS_KEPT = 1 + max(CORRELATION_BARS, VOLATILITY_BARS + 1)
"""Closes behind the returns of a correlation, and behind those of a volatility up to the bar before a fill."""


class AdvisedStrategy(bt.Strategy):
    """Asks an advisor at every close, puts its advice through the risk gate, and trades what is left at the next open.

    Parameters:

    - ``advisor``: ``ModelAdvisor``, a rule of ``llm_strategy.BASELINES``, or your own
    - ``limits`` (``Limits``, with the ``checklist`` where there is one) and ``orders`` (``OrderRules``)
    - ``trade``: names of the feeds to trade, or ``"all"``; the first feed alone if absent. Symbols are always judged in
      the order of their names, whatever the order of the feeds.
    - ``decide_on``: feed name of longer bars to decide on, by the name of the traded feed. Bars of
      ``cerebro.resampledata`` are seen with the first bar after them; with ``cerebro.addcalendar`` at their own close.
    - ``symbols``: name in advice and journal, by feed name; the feed's own if absent
    - ``groups``: name of the group, by symbol
    - ``decide_every`` (bars), and ``decide_when_changed``: a ``View``; decide only where what it renders has changed
    - ``bars_per_year``: decision bars a year, for volatility targeting; counted from the bars so far if absent
    - ``tick_volume``: symbols whose volume counts ticks, not shares: ``max_participation`` does not apply to them
    - ``start`` (``datetime.date`` or ``datetime``): no decision is made before; the bars before are there for the
      indicators, which would begin at ``fromdate`` of a feed. ``warm_up``: no decision before this many bars
    - ``lookbacks`` (``Lookbacks``) of the features, which set how many bars come before the first decision
    - ``measured``: what was measured of every symbol beforehand (``measure_market``), by symbol, in place of
      indicators; every bar must be possible
    - ``journal`` (``Journal``; one in memory if absent, as ``strategy.journal``)
    - ``bad_bars``: what becomes of a bar that cannot be true on a feed that is traded or decided on (NaN, zero or
      negative prices, a high below the low, an open or close outside). ``refuse``, the default, ends the run with its
      date; ``abstain`` needs a ``SimulatedBroker`` and goes on: nothing fills on such a bar, and decisions are
      abstentions (``bad_bar``) until it has left the windows of all indicators. A model's past states begin anew then.
    - ``missed``: by symbol and time (ISO 8601) of a bar, why it came too late to be decided on: there the decision is
      an abstention (``missed_bar``); it may grow while the run goes on
    - ``tell``: whether ``remarks`` go to the log (as warnings, which Python shows on stderr) too
    - ``progress``: whether a line on stderr counts decisions; if absent, on a terminal and in a notebook, once it takes
      longer than a moment

    ``remarks``, after the run, says in a sentence each why nothing or next to nothing was traded, how often the advisor
    gave no advice, and that a sizer was added in vain.

    Raises ``SimulationOnlyError`` for any broker but backtrader's simulated one, ``MarketDataError`` for bars that
    cannot be true, times that do not increase, bars much shorter or longer than the feed's time frame, and a feed with
    fewer bars than its indicators need, ``ConfigurationError`` for replayed feeds, whose last bar is not closed when it
    is seen, and for feeds of the same name; one without a name is called ``data0``, ``data1`` by its place. It switches
    the broker's check at submission off: with it on, exits near full cash are lost (the check at the fill stays on).
    In ``optstrategy`` a list of names or a dictionary is wrapped in a list, or backtrader tries its members one by one.
    """

    params = (
        ("advisor", None),
        ("limits", None),
        ("orders", None),
        ("trade", None),
        ("decide_on", None),
        ("symbols", None),
        ("groups", None),
        ("decide_every", 1),
        ("decide_when_changed", None),
        ("start", None),
        ("warm_up", 0),
        ("lookbacks", None),
        ("measured", None),
        ("bars_per_year", None),
        ("tick_volume", ()),
        ("journal", None),
        ("bad_bars", "refuse"),
        ("missed", None),
        ("tell", True),
        ("progress", None),
    )

    def __init__(self) -> None:
        check_parameters(self.p)
        self.limits: Limits = self.p.limits or Limits()
        self.order_rules: OrderRules = self.p.orders or OrderRules()
        if problem := self.order_rules.problem_with(self.limits):
            raise ConfigurationError(problem)
        checklist = self.limits.checklist
        self._checklist = None if checklist is None else ChecklistInputs(checklist)
        self.journal: Journal = self.p.journal if self.p.journal is not None else Journal()
        advisor = self.p.advisor
        if isinstance(advisor, ModelAdvisor):
            asked = asked_items(checklist)
            if asked and asked != advisor.options.checks:
                advisor = advisor.asking(asked)
            advisor = advisor.on_record()
        self._advisor = begin_run(advisor)
        self._names = feed_names(self.datas)
        called: Mapping[str, str] = self.p.symbols or {}
        traded = traded_of(self.p.trade, self._names)
        symbols = symbols_of({data: called.get(self._names[data], self._names[data]) for data in traded})
        check_names(self.p, self._names.values(), (self._names[data] for data in traded), symbols.values())
        self._ledger = Ledger(symbols)
        self._feeds = sorted((self._advised(*traded) for traded in symbols.items()), key=lambda feed: feed.symbol)
        self._counting = [feed for feed in self._feeds if feed.counts_bars]

    def start(self) -> None:
        """Refuse a broker that could trade for real, or that fills in the past without having been asked to."""
        require_simulated(self.broker)
        if self.broker.p.coo or self.broker.p.coc != (self.order_rules.fill == "same_close"):
            raise ConfigurationError(
                "The broker fills at the bar of the decision (cheat-on-close or cheat-on-open): switch it off, orders "
                'fill at the next open; OrderRules(fill="same_close") with cheat-on-close on allows it knowingly.'
            )
        if self.p.bad_bars == "abstain" and not isinstance(self.broker, SimulatedBroker):
            raise ConfigurationError(
                'bad_bars="abstain" trades past bars that cannot be true, and backtrader\'s own broker fills orders on '
                "them: set cerebro.broker = SimulatedBroker(Costs(...))."
            )
        if self.p.bad_bars == "abstain" and self.cerebro._exactbars > 0:
            raise ConfigurationError(
                'bad_bars="abstain" values positions at the last close that is a price, and exactbars=1 forgets it: '
                "use exactbars=-1."
            )
        self.broker.set_checksubmit(False)
        needed = dict(zip(self.datas, self._minperiods, strict=True))
        for feed in self._feeds:
            check_scheme(self.broker, feed.data)
            feed.bars_needed = max(needed[feed.decisions], feed.least_bars, self.p.warm_up)
            if self.cerebro._dopreload:  # before the indicators run over all bars at once, and find too few
                feed.require(feed.decisions.buflen(), warm_up=self.p.warm_up)
        self._checks = self._bar_checks()
        if self.cerebro._exactbars > 0 and self.cerebro.runningstrats[-1] is not self:
            raise ConfigurationError(
                "exactbars=1 cuts the history of every feed to what the last strategy needs: add AdvisedStrategy after "
                "the others, or use exactbars=-1."
            )
        if self.p.journal is not None and self.cerebro._dooptimize:
            raise ConfigurationError(
                "A journal belongs to one run, and an optimisation makes many: leave journal out, and read "
                "strategy.journal of cerebro.run() with Cerebro(optreturn=False, maxcpus=1)."
            )
        self.remarks = self._vain_sizer()
        self.journal.begin()
        self._progress = None
        if self.p.tell and (self.p.progress or (self.p.progress is None and not self.cerebro._dooptimize)):
            self._progress = ProgressLine.if_shown("deciding", self._decisions_to_come(), wanted=self.p.progress)
        self._dealer = Dealer(self, self._feeds, self.limits, self._checklist, self.journal)

    def qbuffer(self, savemem: int = 0, replaying: bool = False) -> None:
        """With ``exactbars=1`` feeds keep what costs and correlations look back on too, also where the indicators need
        less; backtrader calls it before the first bar."""
        super().qbuffer(savemem, replaying)
        if savemem > 0:
            for data in self.datas:
                data.minbuffer(_BARS_KEPT)

    def prenext(self) -> None:
        """Symbols begin one by one, each as soon as its own indicators have values."""
        self.next()

    def next(self) -> None:
        """One close: for each symbol with a new bar its decision, verdict and orders; then the account."""
        for check in self._checks:
            check.new_bar()
        for feed in self._counting:
            feed.count_bar()
        new = [feed for feed in self._feeds if feed.has_new_bar()]
        if len(new) < len(self._feeds) and not isinstance(self.broker, SimulatedBroker):
            self._refuse_stale_fills(new)
        closed = [feed for feed in new if feed.ready]
        if not closed:
            return
        self._dealer.deal(self.lines.datetime[0], closed, [feed.decide() for feed in closed])
        if self._progress is not None:
            self._progress.show(self.journal.decisions)

    def notify_order(self, order: bt.Order) -> None:
        """Hand the broker's word on."""
        self._dealer.on_order(order)

    def stop(self) -> None:
        """Mark what is still open and close the books."""
        for feed in self._feeds:
            feed.require(len(feed.decisions), warm_up=self.p.warm_up, ended=True)
        self._ledger.finish(self.broker.get_orders_open())
        self.journal.finished(self._ledger.orders, self._ledger.trades)
        if self._progress is not None:
            self._progress.close()
        self.remarks += remarks(self.journal.activity, failures=True)
        if self.p.tell:
            for remark in self.remarks:
                log.warning("AdvisedStrategy: %s", spelled_out(remark))

    def _vain_sizer(self) -> list[str]:
        sizer = self.getsizer()
        if type(sizer) is bt.sizers.FixedSize and sizer.p.stake == 1:  # what backtrader gives every strategy
            return []
        return [
            f"The sizer {type(sizer).__name__} is not used: sizes come from the limits (sizing, max_position_size, "
            "lot_step), so set those and leave the sizer out."
        ]

    def _decisions_to_come(self) -> int | None:
        """Decisions in all, where the bars are known already."""
        if not self.cerebro._dopreload or self.p.decide_when_changed is not None:
            return None
        bars = (int(feed.decisions.buflen()) - feed.bars_needed + 1 for feed in self._feeds)
        return sum(-(-count // int(self.p.decide_every)) for count in bars)

    def _bar_checks(self) -> list[BarCheck]:
        """One for each feed that is traded or decided on whose bars were not all looked at here, because they are not
        there yet, or because some are bad and the run goes on."""
        found: dict[bt.AbstractDataBase, BarCheck] = {}
        for feed in self._feeds:
            for data in dict.fromkeys((feed.data, feed.decisions)):
                if data not in found:
                    found[data] = BarCheck(data, self._names[data], self.p.bad_bars)
                    found[data].spacing_at = min(SPACING_BARS, max(FEWEST_FOR_SPACING, feed.bars_needed))
        checks = {data: check for data, check in found.items() if not (self.cerebro._dopreload and check.check_all())}
        for feed in self._feeds:
            feed.checks = {data: checks[data] for data in (feed.data, feed.decisions) if data in checks}
        return list(checks.values())

    def _refuse_stale_fills(self, new: list[AdvisedFeed]) -> None:
        for feed in self._feeds:
            if feed not in new and feed.desk.stage is not Stage.FLAT:
                raise ConfigurationError(
                    f"{feed.symbol} has no bar at {iso_time(self.datetime[0])} while another feed has, and "
                    "backtrader's own broker would fill its orders on the bar before: set "
                    "cerebro.broker = SimulatedBroker(Costs(...))."
                )

    def _advised(self, data: bt.AbstractDataBase, symbol: str) -> AdvisedFeed:
        longer = (self.p.decide_on or {}).get(self._names[data])
        decisions = data if longer is None else find_feed(longer, self._names)
        for feed in (data, decisions):
            if feed.replaying:
                raise ConfigurationError(
                    f"The feed {self._names[feed]} is replayed, so that its last bar is not closed when it is seen: "
                    "use cerebro.resampledata, and name it in decide_on."
                )
        view: View | None = self.p.decide_when_changed
        before = len(self._lineiterators[self.IndType])
        feed = AdvisedFeed(
            data,
            decisions,
            symbol=symbol,
            group=(self.p.groups or {}).get(symbol, ""),
            advisor=self._advisor,
            desk=OrderDesk(self, data, self._ledger, self.order_rules),
            limits=self.limits,
            schedule=Schedule(self.p.decide_every, view),
            bars_per_year=self.p.bars_per_year,
            tick_volume=symbol in (self.p.tick_volume or ()),
            lookbacks=self.p.lookbacks or DEFAULT_LOOKBACKS,
            further=measured_for(getattr(self._advisor, "view", None), view),
            window=getattr(self._advisor, "window", 0),
            measured=self._measured(symbol),
            checklist=self._checklist,
            start=-math.inf if self.p.start is None else bt.date2num(self.p.start),
            missed=(self.p.missed or {}).get(symbol, {}),
        )
        feed.indicators = self._lineiterators[self.IndType][before:]
        return feed

    def _measured(self, symbol: str) -> Measured | None:
        given: Mapping[str, Measured] | None = self.p.measured
        if given is not None and symbol not in given:
            raise ConfigurationError(f"measured lacks the symbol {symbol!r}: measure all that are traded, or none.")
        return None if given is None else given[symbol]
