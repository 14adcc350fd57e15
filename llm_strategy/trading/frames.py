"""A journal as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from llm_strategy.shown import shown_text
from llm_strategy.trading.ledger import OrderRow, TradeRow
from llm_strategy.types import Snapshot

if TYPE_CHECKING:
    from llm_strategy.trading.decision_lines import Entry
    from llm_strategy.trading.journal import EquityRow


class Frames(NamedTuple):
    """What a run did, as tables. Times are ``datetime64[us]`` in UTC without a zone, sizes in shares, money in the
    currency of the prices, fractions 1.0 for 100 percent; what is not there is NaN, NaT or an empty text.

    - ``decisions``, one row a decision by ``time``: ``symbol``, ``bar`` (row of the feed from 0, int64), ``status``,
      ``label``, ``action``, ``confidence`` (0 to 1), ``rationale``, ``reason`` and ``detail`` of an abstention,
      ``policy``, ``intent``, ``size``, ``stop_pct``, ``target_pct`` and ``stop_price`` of the gate's verdict,
      ``verdict`` (its reason), ``clamps`` (names of the limits that cut, and of the items of a checklist that fired,
      joined by a comma), ``prompt``,
      ``context`` (what was shown beside it, a paragraph for each source), ``close`` and the features of ``Snapshot``,
      those measured beside the seven last
    - ``orders``, one row an order: the columns of ``ledger.OrderRow``, of which ``created`` and ``done`` are times
    - ``trades``, one row a round trip: those of ``ledger.TradeRow``, of which ``entered`` and ``exited`` are times
    - ``equity``, one row a close by ``time``: ``equity``, ``cash``, ``net``, ``gross``, ``carry``
    """

    decisions: pd.DataFrame
    orders: pd.DataFrame
    trades: pd.DataFrame
    equity: pd.DataFrame


_FEATURES = tuple(
    name for name in Snapshot.__slots__ if name not in ("symbol", "timeframe", "time", "close", "extra", "window")
)
_DECISIONS = {
    "time": "time", "symbol": "str", "bar": "int64", "status": "str", "label": "str", "action": "str",
    "confidence": "float64", "rationale": "str", "reason": "str", "detail": "str", "policy": "str", "intent": "str",
    "size": "float64", "stop_pct": "float64", "target_pct": "float64", "stop_price": "float64", "verdict": "str",
    "clamps": "str", "prompt": "str", "context": "str", "plan": "str", "close": "float64",
    **dict.fromkeys(_FEATURES, "float64"),
}  # fmt: skip
_TYPES = {"int": "int64", "float": "float64", "float | None": "float64", "str": "str"}
_TIMES = ("created", "done", "entered", "exited")


def frames_of(
    entries: Sequence[Entry],
    orders: Sequence[OrderRow],
    trades: Sequence[TradeRow],
    equity: Sequence[EquityRow],
) -> Frames:
    """The tables of a journal."""
    columns = ("time", "equity", "cash", "net", "gross", "carry")
    money = dict.fromkeys(columns, "float64") | {"time": "time"}
    measured = {name: "float64" for entry in entries for name, _ in entry.decision.snapshot.extra}
    return Frames(
        _table(map(_decision, entries), _DECISIONS | measured).set_index("time"),
        _table(map(_row, orders), _columns(OrderRow)),
        _table(map(_row, trades), _columns(TradeRow)),
        _table((dict(zip(columns, row, strict=True)) for row in equity), money).set_index("time"),
    )


def _decision(entry: Entry) -> dict[str, Any]:
    decision, verdict = entry.decision, entry.verdict
    snapshot, advice, abstention = decision.snapshot, decision.advice, decision.abstention
    return {
        "time": snapshot.time,
        "symbol": snapshot.symbol,
        "bar": entry.bar,
        "status": str(decision.status),
        "label": "" if advice is None else str(advice.regime.label),
        "action": "" if advice is None else str(advice.action.type),
        "confidence": None if advice is None else advice.action.confidence,
        "rationale": "" if advice is None else advice.rationale,
        "reason": "" if abstention is None else str(abstention.reason),
        "detail": "" if abstention is None else abstention.detail,
        "policy": str(decision.policy.verdict),
        "intent": str(verdict.intent),
        "size": verdict.size,
        "stop_pct": verdict.stop_pct,
        "target_pct": verdict.target_pct,
        "stop_price": verdict.stop_price,
        "verdict": verdict.reason,
        "clamps": ",".join(cut.limit for cut in verdict.clamps),
        "prompt": decision.prompt,
        "context": shown_text(decision.context),
        "plan": ",".join(decision.plan or ()),
        "close": snapshot.close,
        **{name: getattr(snapshot, name) for name in _FEATURES},
        **dict(snapshot.extra),
    }


def _row(row: OrderRow | TradeRow) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _columns(kind: type[OrderRow] | type[TradeRow]) -> dict[str, str]:
    return {field.name: "time" if field.name in _TIMES else _TYPES[str(field.type)] for field in fields(kind)}


def _table(rows: Iterable[dict[str, Any]], types: dict[str, str]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows), columns=list(types), dtype=object)
    for name in [name for name, kind in types.items() if kind == "time"]:
        table[name] = pd.to_datetime(table[name], format="ISO8601").astype("datetime64[us]")
    return table.astype({name: kind for name, kind in types.items() if kind != "time"})
