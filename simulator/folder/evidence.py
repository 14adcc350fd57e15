"""Evidence files of one arm: written the same way by a run and by a replay, so that the bytes can be compared."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import whole_file, write_whole
from llm_strategy.trading.journal import Journal
from simulator.folder.record import EQUITY_COLUMNS, ORDER_COLUMNS, TRADE_COLUMNS, draw_name

DECISIONS = "decisions.jsonl"
EVIDENCE = (DECISIONS, "orders.csv", "trades.csv", "equity.csv")


def evidence_files(further_draws: Iterable[int] = ()) -> tuple[str, ...]:
    """The evidence of one arm, by path in its folder: its own, and that of each further draw."""
    return (*EVIDENCE, *(f"{draw_name(number)}/{name}" for number in further_draws for name in EVIDENCE))


def write_tables(journal: Journal, folder: Path) -> None:
    """Write orders, trades and equity of a finished arm; its decisions were written as they were made."""
    _write_csv(folder / "orders.csv", ORDER_COLUMNS, (asdict(row).values() for row in journal.orders))
    _write_csv(folder / "trades.csv", TRADE_COLUMNS, (asdict(row).values() for row in journal.trades))
    _write_csv(folder / "equity.csv", EQUITY_COLUMNS, journal.equity)


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
