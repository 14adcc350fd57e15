"""One decision of a finished run from its folder, without a model: what was shown, asked and answered, what policy and
gate made of it, the orders and fills that came of it, and what followed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.support.outside_text import hanging
from llm_strategy.trading.decision_lines import Entry, entry_of
from llm_strategy.types import ClampEvent
from simulator.evaluation.followed import changes_after
from simulator.evaluation.regimes import by_symbol
from simulator.folder.record import ArmRecord, Decisions, Record, load_record
from simulator.folder.record_check import as_damage
from simulator.reporting.facts.run import strategy_arms, ungated_arms
from simulator.runs.advise import cut_in_words
from simulator.runs.shown_images import seen_images

Line = dict[str, Any]


@dataclass(frozen=True)
class Trace:
    """A decision and what belongs to it, as plain data.

    ``decision`` is the journal's line; ``questions`` hold what was said in each (``messages`` is empty where the audit
    log is not in the folder), the answer, tokens, seconds and whether the answer came from the record; ``orders`` are
    those sent at its close, ``trades`` those that they opened or closed, ``position`` the trade that was open at the
    close; ``followed`` the change of the close (fraction) after each of so many bars.
    """

    arm: str
    decision: Line
    questions: list[Line]
    orders: list[Line]
    trades: list[Line]
    position: Line | None
    account: Line | None
    followed: dict[int, float]
    images: tuple[Line, ...] = ()
    """What the model was shown as images: ``source``, ``sha256`` as the journal has it, ``bytes`` and ``same``, whether
    the prices of the folder give that very image again, and ``file``, where it was written to."""
    labels: bool = True
    """Whether the arm says what the market is like: a person's strategy and what trades without a gate do not."""

    def as_dict(self) -> Line:
        """Plain data, times as ISO texts."""
        return {
            "arm": self.arm,
            "symbol": self.decision["snapshot"]["symbol"],
            "time": self.decision["time"],
            "decision": self.decision,
            "questions": self.questions,
            "orders": self.orders,
            "trades": self.trades,
            "position": self.position,
            "account": self.account,
            "followed": {str(bars): change for bars, change in self.followed.items()},
        } | ({"images": list(self.images)} if self.images else {})

    def as_text(self) -> str:
        """The same for reading."""
        said = list(self._conversation())
        return "\n".join(map(hanging, [*([*said, ""] if said else []), *self._decided(), *self._trading()]))

    def _conversation(self) -> Iterator[str]:
        for number, question in enumerate(self.questions, 1):
            if len(self.questions) > 1:
                yield f"--- question {number}: {question['purpose']}"
            for message in question["messages"]:
                yield f"[{message['role']}]\n{message['content']}"
                yield from (f"[image sha256 {sha256}]" for sha256 in message.get("images", ()))
            if not question["messages"]:
                yield f"[market]\n{self.decision['prompt']}"
            yield f"[{question['model']}]\n{'(no answer)' if question['answer'] is None else question['answer']}"
            yield _took(question)
            yield from (f"  {event['kind']}: {event['detail']}" for event in question["events"])

    def _decided(self) -> Iterator[str]:
        decision, snapshot = self.decision, self.decision["snapshot"]
        yield f"Bar      {decision['time']}, {snapshot['symbol']}, bar {decision['bar']}, close {snapshot['close']:g}"
        yield f"Arm      {self.arm}"
        apart = ("symbol", "time", "close", "timeframe", "extra")
        features = {name: value for name, value in snapshot.items() if name not in apart} | snapshot.get("extra", {})
        shown = {name: "n/a" if value is None else f"{value:.4g}" for name, value in features.items()}
        yield "Features " + ", ".join(f"{name} {value}" for name, value in shown.items())
        if decision["prompt"]:
            yield f"Shown    {decision['prompt']}"
        if "plan" in decision:
            yield f"Plan     {', '.join(decision['plan']['chosen']) or 'none'}"
        for shown in decision.get("context", ()):
            yield f"Context  {shown['source']}: {shown['text']}"
        for image in self.images:
            told = f"{image['bytes']:,} bytes" if image["same"] else "the prices of the folder give another one here"
            written = f", written to {image['file']}" if image["file"] else ""
            yield f"Image    {image['source']}: sha256 {image['sha256']}, {told}{written}"
        repairs = f" ({', '.join(decision['repairs'])})" if decision["repairs"] else ""
        yield f"Status   {decision['status']}{repairs}"
        failure = decision["abstention"] or decision.get("instead_of")
        if failure:
            yield f"Reason   {failure['reason']}: {failure['detail']}"
        if advice := decision["advice"]:
            label = f"{advice['regime']['label']}, " if self.labels else ""
            yield f"Advice   {label}{advice['action']['type']}: {advice['rationale']}"
        policy = decision["policy"]
        if self.labels:
            yield f"Policy   {policy['verdict']}" + "".join(f"; {why}" for why in policy["reasons"])
        verdict = decision["verdict"]
        wish = f"{verdict['intent']} {verdict['size']:g} shares" if verdict["size"] else verdict["intent"]
        stop = f", stop {verdict['stop_pct']:.1%} from the fill" if verdict["stop_pct"] else ""
        yield f"Gate     {wish}{stop} {verdict['reason']}".rstrip()
        for cut in decision["clamps"]:
            yield f"         {cut_in_words(ClampEvent(cut['limit'], cut['before'], cut['after']))}"

    def _trading(self) -> Iterator[str]:
        for order in self.orders:
            fill = (
                f", filled {order['filled']:g} at {order['fill_price']:g} on {order['done']}" if order["filled"] else ""
            )
            yield (
                f"Order    {order['order']}: {order['kind']}, {order['side']} {order['size']:g} {order['type']}, "
                f"{order['status']}{fill}"
            )
        if not self.orders:
            yield "Order    none"
        for trade in self.trades:
            yield f"Trade    {_trade(trade)}"
        if self.position and self.position not in self.trades:
            yield f"Held     {_trade(self.position)}"
        if self.account:
            yield f"Account  equity {self.account['equity']:,.2f}, cash {self.account['cash']:,.2f}"
        told = ", ".join(f"{change:+.2%} after {_bars(bars)}" for bars, change in self.followed.items())
        yield f"Then     {'the close moved ' + told if told else 'the prices end here'}"


def trace(
    folder: str | Path,
    at: str | None = None,
    *,
    arm: str | None = None,
    symbol: str | None = None,
    draw: int = 1,
    images: str | Path | None = None,
) -> Trace:
    """The decision of a finished run at a bar (ISO date or time; the last one if ``None``).

    ``arm`` and ``symbol`` may be left out where there is one alone, and the arm where there is the llm's; ``draw`` is
    which draw of it. What the model saw is drawn again and, where a folder for ``images`` is named, written there.
    Raises ``RunFolderError`` for a folder that cannot be read, and ``ConfigurationError`` where there is no such
    decision, with the nearest ones.
    """
    record = load_record(Path(folder))
    with as_damage(record.folder):
        return _trace(record, at, arm, symbol, draw, None if images is None else Path(images))


def _trace(
    record: Record, at: str | None, arm: str | None, symbol: str | None, draw: int, images: Path | None
) -> Trace:
    chosen = _arm(record, arm)
    decisions = _drawn(chosen, draw)
    made = by_symbol(decisions.entries())
    symbols = list(made)
    if not made:
        raise ConfigurationError(f"Arm {chosen.name} of {record.folder} has no decisions: name another arm.")
    if symbol is None and len(symbols) > 1:
        raise ConfigurationError(f"The run has several symbols: add --symbol with one of {', '.join(symbols)}.")
    if symbol is not None and symbol not in symbols:
        raise ConfigurationError(f"The run decided on no {symbol!r}{did_you_mean(symbol, symbols)}")
    name = symbol or symbols[0]
    number = _at(made[name].times, at, name)
    decision = next(islice((line for line in decisions if line["snapshot"]["symbol"] == name), number, None))
    time = pd.Timestamp(decision["time"])
    return Trace(
        f"{chosen.name} draw {draw}" if draw > 1 else chosen.name,
        decision,
        _questions(record, chosen, entry_of(decision), draw),
        *_books(chosen, name, time, first_draw=draw == 1),
        _account(chosen.equity if draw == 1 else chosen.draws[draw - 2].equity, time),
        _followed(record.prices[name]["close"], time, decision["snapshot"]["close"]),
        images=seen_images(record, chosen, decision, images),
        labels=chosen.name not in (*strategy_arms(record), *ungated_arms(record)),
    )


def _arm(record: Record, arm: str | None) -> ArmRecord:
    names = [one.name for one in record.arms]
    if arm is not None and arm not in names:
        raise ConfigurationError(f"{record.folder} has no arm {arm!r}{did_you_mean(arm, names)}")
    advised = [one.name for one in record.arms if one.about.model is not None]
    if arm is None and not advised and len(names) > 1:
        raise ConfigurationError(f"{record.folder} has several arms: add --arm with one of {', '.join(names)}.")
    return record.arm(arm or next(iter(advised), names[0]))


def _drawn(arm: ArmRecord, draw: int) -> Decisions:
    if not 1 <= draw <= 1 + len(arm.draws):
        raise ConfigurationError(f"Arm {arm.name} has draws 1 to {1 + len(arm.draws)}, and --draw is {draw}.")
    return arm.decisions if draw == 1 else arm.draws[draw - 2].decisions


def _at(told: list[str], at: str | None, symbol: str) -> int:
    """The number of the decision at this time, or of the only one of this day, among those at the times that are
    ``told``."""
    if at is None:
        return len(told) - 1
    try:
        wanted = datetime.datetime.fromisoformat(at)
    except ValueError:
        raise ConfigurationError(f"--at is {at!r}: write an ISO date or time, such as 2008-10-10.") from None
    if wanted.tzinfo is not None:
        wanted = wanted.astimezone(datetime.UTC).replace(tzinfo=None)
    times = [datetime.datetime.fromisoformat(time) for time in told]
    if wanted in times:
        return times.index(wanted)
    whole_day = wanted.time() == datetime.time() and "T" not in at and ":" not in at
    on_day = [number for number, time in enumerate(times) if time.date() == wanted.date()] if whole_day else []
    if len(on_day) == 1:
        return on_day[0]
    if on_day:
        first, last = told[on_day[0]], told[on_day[-1]]
        raise ConfigurationError(
            f"{symbol} has {len(on_day)} decisions on {at}, from {first} to {last}: name the time of one."
        )
    before = [text for text, time in zip(told, times, strict=True) if time < wanted][-1:]
    after = [text for text, time in zip(told, times, strict=True) if time > wanted][:1]
    near = [time.removesuffix("T00:00:00") for time in (*before, *after)]
    raise ConfigurationError(
        f"{symbol} has no decision at {at}: the nearest {'is' if len(near) == 1 else 'are'} {' and '.join(near)}."
    )


def _questions(record: Record, arm: ArmRecord, entry: Entry, draw: int) -> list[Line]:
    asked = entry.decision.exchanges
    calls = _audited(record, {exchange.request_hash for exchange in asked}, 0 if draw == 1 else draw)
    model = (arm.about.model or {}).get("name", "model")
    return [
        {
            "purpose": exchange.purpose,
            "request": exchange.request_hash,
            "model": " and ".join(call.get("answered_by") or ()) or model,
            "messages": call.get("messages", []),
            "answer": exchange.answer,
            "events": [event.as_dict() for event in exchange.events],
            "tokens_in": call.get("tokens_in"),
            "tokens_out": call.get("tokens_out"),
            "latency_ms": call.get("latency_ms"),
            "cached": call.get("cached"),
            "asked": call.get("time"),
        }
        for exchange in asked
        for call in (calls.get(exchange.request_hash, {}),)
    ]


def _audited(record: Record, wanted: set[str], draw: int) -> dict[str, Line]:
    """The lines of the audit logs in and above the folder for these requests: the call itself, before what was read
    from the record later."""
    found: dict[str, Line] = {}
    for folder in (record.folder, record.folder.parent):
        for log in sorted(folder.glob("audit*.jsonl")):
            with log.open(encoding="utf-8", errors="replace") as lines:
                for text in lines:
                    try:
                        line = json.loads(text)
                        request, cached = line["request"], line["cached"]
                        hash(request)
                    except (ValueError, KeyError, TypeError, RecursionError):
                        continue  # a line that was cut off says nothing
                    if request not in wanted or line.get("draw", 0) != draw:
                        continue
                    if request not in found or (found[request]["cached"] and not cached):
                        found[request] = line
        if found:
            break
    return found


def _books(
    arm: ArmRecord, symbol: str, time: pd.Timestamp, *, first_draw: bool
) -> tuple[list[Line], list[Line], Line | None]:
    """Orders sent at the close, the trades that they opened or closed, and the trade that was open then."""
    if not first_draw:  # further draws keep decisions and equity alone
        return [], [], None
    orders = arm.orders[(arm.orders["symbol"] == symbol) & (arm.orders["created"] == time)]
    orders = orders[orders["kind"].isin(["entry", "exit"])]
    trades = arm.trades[arm.trades["symbol"] == symbol]
    done = set(orders["done"].dropna())
    moved = trades[trades["entered"].isin(done) | (trades["exited"].isin(done))]
    held = trades[(trades["entered"] <= time) & ((trades["exited"] > time) | (trades["exit_reason"] == "open"))]
    return _rows(orders), _rows(moved), next(iter(_rows(held)), None)


def _rows(table: pd.DataFrame) -> list[Line]:
    plain = table.astype(object).where(table.notna(), None)
    return [
        {str(name): value.isoformat() if isinstance(value, pd.Timestamp) else value for name, value in row.items()}
        for row in plain.to_dict("records")
    ]


def _account(equity: pd.DataFrame, time: pd.Timestamp) -> Line | None:
    if time not in equity.index:
        return None
    return {str(name): float(value) for name, value in equity.loc[[time]].iloc[0].items()}


def _followed(closes: pd.Series, time: pd.Timestamp, close: float) -> dict[int, float]:
    told = {bars: found for bars, (found,) in changes_after(closes, [time], [close]).items()}
    return {bars: change for bars, change in told.items() if change is not None}


def _took(question: Line) -> str:
    if question["latency_ms"] is None:
        return "  (tokens and time are not on record here)"
    how = "from the record" if question["cached"] else f"asked {question['asked']}"
    tokens = f"{question['tokens_in']} tokens in, {question['tokens_out']} out"
    return f"  {tokens}, {question['latency_ms'] / 1000:.2f} s, {how}"


def _trade(trade: Line) -> str:
    exit_told = "open" if trade["exit_reason"] == "open" else f"{trade['exited']} by {trade['exit_reason']}"
    return (
        f"{trade['trade']}: {trade['side']} {trade['size']:g} at {trade['entry_price']:g} from {trade['entered']} to "
        f"{exit_told} at {trade['exit_price']:g}, net {trade['net']:,.2f}"
    )


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"
