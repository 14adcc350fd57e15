"""The append-only record of a run: decisions as they are made, orders and trades at the end; no stage of the run reads
it back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeAlias

from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Intent, Verdict
from llm_strategy.risk.checklist import Firing
from llm_strategy.trading.decision_lines import Entry, write_decision
from llm_strategy.trading.ledger import OrderRow, TradeRow
from llm_strategy.trading.remarks import Activity
from llm_strategy.types import Decision, Exchange, Snapshot

if TYPE_CHECKING:
    from llm_strategy.trading.frames import Frames


OnFirings: TypeAlias = Callable[[Snapshot, tuple[Firing, ...], bool], None]
"""Called with a close, the items of a checklist that hold there, and whether an entry is proposed while nothing is
held."""


_MOST_WRITTEN = 4096
"""Questions and answers that are known by the object that they are: to compare them takes longer than to write them."""


class EquityRow(NamedTuple):
    """The account at a close, in currency: positions netted and added up, and what borrowing has cost so far."""

    time: str
    equity: float
    cash: float
    net: float
    gross: float
    carry: float


class Journal:
    """Keeps what happened in memory and, with ``sink``, writes each decision as a line of JSON before anything trades.

    ``on_decision`` is called with the number of decisions so far after each one. With ``keep`` a decision is given to
    it in place of being kept in ``entries``, so that a long run needs no memory for them.
    """

    def __init__(
        self,
        sink: TextIO | None = None,
        on_decision: Callable[[int], None] | None = None,
        *,
        keep: Callable[[Entry], None] | None = None,
    ) -> None:
        self._sink = sink
        self._on_decision = on_decision
        self._flushed: set[int] = set()
        self._written: dict[int, tuple[Exchange, ...]] = {}
        self._begun = False
        self._seen = Activity()
        self.entries: list[Entry] = []
        self._keep = keep
        self.on_firings: OnFirings | None = None
        """Called at every decision, if there is a checklist."""
        self.equity: list[EquityRow] = []
        self.orders: list[OrderRow] = []
        self.trades: list[TradeRow] = []

    def frames(self) -> Frames:
        """Decisions, orders, trades and equity as DataFrames; the columns stand with ``trading.frames.Frames``."""
        from llm_strategy.trading.frames import frames_of  # pandas is not needed by a run

        return frames_of(self.entries, self.orders, self.trades, self.equity)

    @property
    def decisions(self) -> int:
        """How many there were so far."""
        return self._seen.decisions

    @property
    def activity(self) -> Activity:
        """What happened so far, counted."""
        seen = deepcopy(self._seen)
        for order in self.orders:
            seen.sent(order.kind, order.status, order.filled)
        seen.valued((row.gross, row.equity) for row in self.equity)
        return seen

    def begin(self) -> None:
        """Called once; raises ``ConfigurationError`` where another strategy or run has written here."""
        if self._begun:
            raise ConfigurationError(
                "The journal belongs to another strategy or an earlier run: give each a Journal() of its own, or none "
                "and read strategy.journal."
            )
        self._begun = True

    def decided(self, bar: int, decision: Decision, verdict: Verdict) -> None:
        """Append a decision."""
        advice, abstention = decision.advice, decision.abstention
        action = None if advice is None else str(advice.action.type)
        self._seen.decided(action, None if abstention is None else (str(abstention.reason), abstention.detail))
        if verdict.clamps or verdict.intent is not Intent.NONE:
            self._seen.judged(verdict.intent, [cut.limit for cut in verdict.clamps if not cut.is_flag])
        entry = Entry(bar, decision, verdict)
        if self._sink is not None:
            self._sink.write(write_decision(entry))
            if decision.exchanges:
                self._flush(decision.exchanges)
        (self._keep or self.entries.append)(entry)
        if self._on_decision is not None:
            self._on_decision(self.decisions)

    def _flush(self, exchanges: tuple[Exchange, ...]) -> None:
        """An answer of the model outlives the process, once it is written."""
        if id(exchanges) in self._written:
            return
        if len(self._written) >= _MOST_WRITTEN:
            self._written.clear()
        self._written[id(exchanges)] = exchanges
        if self._sink is not None and (asked := hash(exchanges)) not in self._flushed:
            self._flushed.add(asked)
            self._sink.flush()

    def closed(self, row: EquityRow) -> None:
        """Append the account at a close."""
        self.equity.append(row)

    def finished(self, orders: list[OrderRow], trades: list[TradeRow]) -> None:
        """Take the books at the end of the data."""
        self.orders, self.trades = orders, trades
