"""Evidence files of one arm and their columns: written the same way by a run and by a replay, so that the bytes can be
compared."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import whole_file, write_whole

DECISIONS = "decisions.jsonl"
HARM = "harm.json"
"""``worst_return``, ``worst_drawdown`` and ``bound``, fractions: total return and largest drawdown of an adviser who
knew the next bar and proposed the worst action at each close, and the largest drawdown that the limits allow."""
CHECKLIST = "checklist.json"
"""What each item of a checklist was worth (``simulator.evaluation.checklists``)."""
ATTRIBUTION = "attribution.json"
"""What a holder earned behind the gate, where no arm of the comparison is one."""
PLACEBOS = "placebos.json"
"""By advised arm: the Sharpe ratios of accounts with its holding times at other moments."""
ROBUSTNESS = "robustness.json"
"""By advised arm: its recorded actions again under other costs, later, and from other starts."""
TRIALS = "trials.json"
"""How many distinct configurations had been evaluated on these bars, as far as the ledger of this machine knows."""
OF_COMPARISONS = (HARM, CHECKLIST, PLACEBOS, ATTRIBUTION, ROBUSTNESS, TRIALS)
"""What is measured at the end of a comparison, each where there is something to measure."""
EVIDENCE = (DECISIONS, "orders.csv", "trades.csv", "equity.csv")


ORDER_COLUMNS = [
    "order", "symbol", "created", "kind", "side", "type", "size", "price", "status", "done", "fill_price", "filled",
    "commission", "reason",
]  # fmt: skip
"""One row an order: number in the run, symbol, bar times (ISO), kind (entry, stop, target, exit), side (buy, sell),
type (market, close, stop, limit), size in shares, trigger price, final status, fill price and size, commission in
currency, and why it was sent."""

TRADE_COLUMNS = [
    "trade", "symbol", "side", "size", "entered", "entry_price", "exited", "exit_price", "exit_reason", "bars_held",
    "gross", "commission", "net", "planned_loss", "entry_bar_breach",
]  # fmt: skip
"""One row a round trip: symbol, side (long, short), size in shares, times, prices, exit_reason (stop, target, advice,
time, kill_switch, open for a position still open at the end, marked at the last close), bars held, gross and net profit
and commission in currency, the loss planned at the stop, and whether the entry bar itself went through the stop (which
a simulated broker cannot fill)."""

EQUITY_COLUMNS = ["time", "equity", "cash", "net", "gross", "carry"]
"""One row a bar of any symbol from the first decision on, all in currency and at the close: account value, cash, value
of all positions netted and added up, and what borrowing has cost so far. Equity is cash plus net."""


PRICE_COLUMNS = ["symbol", "time", "open", "high", "low", "close", "volume"]
"""One row a bar of a symbol."""


def draw_name(number: int) -> str:
    """The folder of a further draw in that of its arm."""
    return f"draw-{number}"


def evidence_files(further_draws: Iterable[int] = ()) -> tuple[str, ...]:
    """The evidence of one arm, by path in its folder: its own, and that of each further draw."""
    return (*EVIDENCE, *(f"{draw_name(number)}/{name}" for number in further_draws for name in EVIDENCE))


class Books(Protocol):
    """What a journal holds at the end of a run: dataclasses of orders and trades, and rows of equity."""

    @property
    def orders(self) -> Sequence[Any]: ...

    @property
    def trades(self) -> Sequence[Any]: ...

    @property
    def equity(self) -> Sequence[Sequence[object]]: ...


def write_tables(journal: Books, folder: Path) -> None:
    """Write orders, trades and equity of a finished arm; its decisions were written as they were made."""
    _write_csv(folder / "orders.csv", ORDER_COLUMNS, (asdict(row).values() for row in journal.orders))
    _write_csv(folder / "trades.csv", TRADE_COLUMNS, (asdict(row).values() for row in journal.trades))
    _write_csv(folder / "equity.csv", EQUITY_COLUMNS, journal.equity)


def round_digits(value: float) -> float:
    """A figure to twelve digits: the last ones differ between processors."""
    return float(f"{value:.12g}")


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write a JSON document, keys in their order, one line feed at the end."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, spelled_out_json(text) + "\n")


def file_hashes(folder: Path, names: Iterable[str], if_there: Iterable[str] = ()) -> dict[str, str]:
    """sha256 of each of these files, and of those others that exist."""
    found = [*names, *(name for name in if_there if (folder / name).exists())]
    return {name: sha256_of(folder / name) for name in found}


def sha256_of(path: Path) -> str:
    """Of a file's content, which may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
