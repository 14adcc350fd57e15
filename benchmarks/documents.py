"""How long the source of dated texts takes at a decision: 10,000 texts of 120 words over 20 years."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llm_strategy.market.context.documents import Documents
from llm_strategy.types import Snapshot

TEXTS, WORDS, DECISIONS = 10_000, 120, 500
_BEGIN = datetime(1999, 1, 1, tzinfo=UTC)
_SAID = ("market", "trend", "average", "above", "below", "falling", "rising", "high", "low", "calm")


def print_documents() -> None:
    """Print milliseconds a decision, and how long reading and the first ranking take."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "news.jsonl"
        _write(path)
        source = Documents(str(path))
        began = time.perf_counter()
        source.open()
        source.show(_snapshot(0))
        opened = time.perf_counter() - began
        taken = []
        for number in range(DECISIONS):
            snapshot = _snapshot(number)
            began = time.perf_counter()
            source.show(snapshot)
            taken.append(1000 * (time.perf_counter() - began))
    worst = statistics.quantiles(taken, n=100)[-1]
    middle = statistics.median(taken)
    print(f"texts of {TEXTS:,} at a decision, ms               {middle:.1f}   (99 of 100 in {worst:.1f})")
    print(f"    read and made ready, s                  {opened:.1f}")


def _write(path: Path) -> None:
    dice = random.Random("documents")  # noqa: S311 - no secret
    words = [f"word{number}" for number in range(20_000)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(TEXTS):
            said = [words[min(len(words) - 1, int(dice.paretovariate(0.6)))] for _ in range(WORDS - 3)]
            moment = _BEGIN + timedelta(hours=17.5 * number)
            row = {
                "available_at": moment.isoformat(),
                "text": " ".join(said + dice.sample(_SAID, 3)),
                "id": f"t{number}",
            }
            file.write(json.dumps(row) + "\n")


def _snapshot(number: int) -> Snapshot:
    """A close of the second half of the time, no two alike."""
    day = (_BEGIN + timedelta(days=3650 + 7 * number)).date()
    values = [dice / 100 for dice in random.Random(number).sample(range(-20, 20), 4)]  # noqa: S311 - no secret
    return Snapshot("A", "1d", f"{day}T00:00:00", 100.0, values[0], values[1], 0.01, 0.5, -abs(values[2]), 0.5, 1.0)


if __name__ == "__main__":
    print_documents()
