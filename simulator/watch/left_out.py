"""What was heard in a watch and is part of no bar: counted by reason, kept in its folder, and told in plain words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from llm_strategy.errors import RunFolderError
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.strict_json import parse_json
from llm_strategy.support.write_whole import whole_file
from simulator.reporting.facts.fact import listed_names

LEFT_OUT = "left_out.json"
"""The counts of all starts, in the folder of a watch; after a kill, as they were at the last close before."""
_WORDS = {
    "late": "too late for their bar",
    "doubled": "told twice",
    "unknown": "of a symbol that is not watched",
    "closed": "outside the market's hours",
    "impossible": "with a price that none can have",
    "ahead": "ahead of the clock",
    "malformed": "that cannot be read",
}
"""The reasons of ``BarClock.counts``, and of messages that never reached it."""


class LeftOut:
    """Counts of messages by reason, those of earlier starts among them. Raises ``RunFolderError``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEFT_OUT
        self._earlier = Counter(read_left_out(folder))
        self._written = Counter(self._earlier)
        self.counts: Mapping[str, int] = dict(self._earlier)
        """Of all starts."""

    def note(self, counts: Mapping[str, int]) -> None:
        """What was left out since this start."""
        self.counts = dict(self._earlier + Counter(counts))

    def write(self) -> None:
        """Keep the counts, where they have changed."""
        if self.counts != self._written:
            with whole_file(self._path, name_may_wait=True) as file:
                file.write(json.dumps(self.counts, sort_keys=True) + "\n")
            self._written = Counter(self.counts)


def read_left_out(folder: Path) -> dict[str, int]:
    """The counts in the folder of a watch, by reason; none where none were kept. Raises ``RunFolderError``."""
    try:
        found = parse_json(read_text(folder / LEFT_OUT, 10_000))
        if isinstance(found, dict) and all(isinstance(count, int) and count >= 0 for count in found.values()):
            return {reason: found[reason] for reason in _WORDS if found.get(reason)}
        problem = "it holds no counts"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as broken:
        problem = str(broken).rstrip(".")
    raise RunFolderError(f"{folder / LEFT_OUT} cannot be read ({problem}): move it away, and counting begins anew.")


def told_left_out(counts: Mapping[str, int]) -> str:
    """The counts in a sentence; empty where nothing was left out."""
    named = [f"{counts[reason]:,} {words}" for reason, words in _WORDS.items() if counts.get(reason)]
    return f"Ticks and bars left out: {listed_names(named)}." if named else ""
