"""Dated texts as files, and snapshots of a moment."""

import json
from pathlib import Path

from llm_strategy.types import Snapshot


def opened(source, unmasked=()):
    """A source of context, ready for its first close."""
    source.unmasked = unmasked
    source.open()
    return source


def texts_file(folder: Path, *rows: dict, name: str = "news.jsonl") -> str:
    """A JSONL file of these texts."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def text(at: str, words: str, **more) -> dict:
    """One dated text."""
    return {"available_at": at, "text": words, **more}


def snapshot(time: str = "2008-10-10T00:00:00", timeframe: str = "1d", symbol: str = "AAPL", **more) -> Snapshot:
    """A close of a falling, restless market."""
    values = {"trend": -0.12, "momentum": -0.2, "volatility": 0.03, "volatility_rank": 0.98, "drawdown": -0.4}
    return Snapshot(symbol, timeframe, time, 96.8, **(values | {"range_position": 0.1, "volume_ratio": 1.4} | more))
