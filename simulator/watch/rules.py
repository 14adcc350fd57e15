"""Which events follow from the decisions and accounts of a watch: changes, cuts, drawdowns, disagreement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from llm_strategy.risk import Limits
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import EquityRow
from simulator.watch.events import DRAWDOWN_STEP, EventKind, WatchEvent, steps_from

Emit = Callable[[WatchEvent], None]


class EventRules:
    """Finds the events of closes in their order, those of the recorded ones again by the same keys. ``emit`` is given
    each; ``limits`` are those of the gate, for the words of the kill switch. A drawdown is told at whole steps of
    ``DRAWDOWN_STEP``, and at each step from the fractions ``above`` on."""

    def __init__(self, limits: Limits, emit: Emit, above: Iterable[float] = ()) -> None:
        self._limits = limits
        self._emit = emit
        self._above = sorted({DRAWDOWN_STEP, *above})
        self._last: dict[tuple[str, str], tuple[str, str]] = {}
        self._peak: dict[str, float] = {}
        self._deepest: dict[str, float] = {}
        self._killed: set[str] = set()

    def decided(self, time: str, arm: str, entry: Entry) -> None:
        """A decision of an arm at the close of this time."""
        for kind, text, facts in self._of_decision(arm, entry):
            symbol = entry.decision.snapshot.symbol
            detail = f"|{facts['limit']}" if kind is EventKind.CUT else ""
            key = f"{time}|{kind}|{symbol}|{arm}{detail}"
            self._emit(WatchEvent(key, kind, time, text, symbol, arm, facts))

    def filled(self, time: str, arm: str, number: int, fill: tuple[str, float, float]) -> None:
        """An order of an arm was filled in the bar of this close, the ``number``-th one there."""
        symbol, size, price = fill
        side = "bought" if size > 0 else "sold"
        text = f"{arm} {side} {abs(size):g} {symbol} at {price:g} on paper."
        facts = {"side": side, "size": abs(size), "price": price}
        key = f"{time}|{EventKind.ORDER_FILLED}|{symbol}|{arm}|{number}"
        self._emit(WatchEvent(key, EventKind.ORDER_FILLED, time, text, symbol, arm, facts))

    def closed(self, time: str, arm: str, row: EquityRow, *, killed: bool) -> None:
        """The account of an arm after a close."""
        peak = self._peak[arm] = max(self._peak.get(arm, row.equity), row.equity)
        drawdown = row.equity / peak - 1 if peak > 0 else 0.0
        if killed and arm not in self._killed:
            text = (
                f"The kill switch of {arm} holds: its account is {-drawdown:.1%} below its highest close, the limit is "
                f"{self._limits.max_drawdown:.1%}."
            )
            facts = {"equity": row.equity, "drawdown": drawdown}
            key = f"{time}|{EventKind.KILL_SWITCH}||{arm}"
            self._emit(WatchEvent(key, EventKind.KILL_SWITCH, time, text, "", arm, facts))
        (self._killed.add if killed else self._killed.discard)(arm)
        before = self._deepest.get(arm, 0.0)
        if -drawdown <= before:
            return
        self._deepest[arm] = -drawdown
        reached = [above for above in self._above if steps_from(above, -drawdown) > steps_from(above, before)]
        if reached:
            text = f"The account of {arm} is {-drawdown:.1%} below its highest close."
            step = steps_from(DRAWDOWN_STEP, -drawdown)
            facts = {"drawdown": drawdown, "before": -before, "step": step, "equity": row.equity}
            key = f"{time}|{EventKind.DRAWDOWN}||{arm}"
            self._emit(WatchEvent(key, EventKind.DRAWDOWN, time, text, "", arm, facts))

    def compared(self, time: str, symbol: str, actions: Mapping[str, str]) -> None:
        """What the arms decided on a symbol at one close."""
        if len(set(actions.values())) > 1:
            told = ", ".join(f"{arm} {action}" for arm, action in actions.items())
            text = f"The advisors disagree on {symbol}: {told}."
            key = f"{time}|{EventKind.DISAGREEMENT}|{symbol}|"
            self._emit(WatchEvent(key, EventKind.DISAGREEMENT, time, text, symbol, "", dict(actions)))

    def _of_decision(self, arm: str, entry: Entry) -> Iterator[tuple[EventKind, str, dict[str, Any]]]:
        decision, verdict = entry.decision, entry.verdict
        symbol = decision.snapshot.symbol
        if decision.advice is None:
            if decision.abstention is not None:
                reason, detail = str(decision.abstention.reason), decision.abstention.detail
                text = f"{arm} gave no advice on {symbol} ({reason}): {detail}"
                yield EventKind.ABSTENTION, text, {"reason": reason, "detail": detail}
            return
        label, action = str(decision.advice.regime.label), str(decision.advice.action.type)
        before = self._last.get((arm, symbol))
        self._last[arm, symbol] = label, action
        if before is not None and before[0] != label:
            text = f"{arm} reads {symbol} as {label}, after {before[0]}."
            yield EventKind.REGIME_CHANGED, text, {"before": before[0], "after": label}
        if before is not None and before[1] != action:
            confidence = decision.advice.action.confidence
            text = f"{arm} advises {action} on {symbol}, after {before[1]}."
            yield EventKind.ACTION_CHANGED, text, {"before": before[1], "after": action, "confidence": confidence}
        for cut in verdict.clamps:
            if not cut.is_flag:
                how = "refused" if cut.after == 0 else "cut"
                text = f"The gate {how} what {arm} advised on {symbol}: {cut.limit} ({cut.before:g} to {cut.after:g})."
                yield EventKind.CUT, text, {"limit": cut.limit, "from": cut.before, "to": cut.after}
