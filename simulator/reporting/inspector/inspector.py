"""All that the decision inspector of a page shows, as packed documents that its script opens when they are needed.

``core`` holds every decision in columns, ``books`` orders and trades, and each further document the words of a stretch
of time. Where all words have no room on a page, they are those of decisions at which something changed or happened, the
latest first; ``btllm trace`` tells those of any other bar.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd

from llm_strategy.support.outside_text import spelled_out
from simulator.evaluation.followed import changes_after
from simulator.folder.question_texts import SentMessage, read_questions
from simulator.folder.record import ArmRecord, Record
from simulator.folder.sent_request import read_images
from simulator.reporting.charts.labels import label_colours
from simulator.reporting.facts.run import advisor_arms, strategy_arms, subject_arm, ungated_arms
from simulator.reporting.inspector.books import books_of
from simulator.reporting.inspector.numbering import packed, steps
from simulator.reporting.inspector.series import SeriesTables
from simulator.reporting.inspector.words import WordTables

ROOM = 1_100_000
"""Characters of all documents on a page, of which ``FEWEST_WORDS`` are kept for words."""
FEWEST_WORDS = 200_000
_STRETCH = 4000
"""Decisions of a year of which the words stand in one document; more of them are parted."""
_TRIED = 40_000
"""Decisions whose words are tried to fit at first."""
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class _Place:
    """A decision by its series and its number there."""

    series: int
    number: int
    time: int
    busy: bool


def inspector_data(record: Record, room: int = ROOM) -> dict[str, str]:
    """The packed documents of a record by name; nothing where no arm decided."""
    arms = _in_order(record)
    if (known := _TAKEN.get(arms[0])) is not None and known[0] == (record.folder, room):
        return dict(known[1])
    unlabelled = (*strategy_arms(record), *ungated_arms(record))
    tables = SeriesTables()
    for arm in arms:
        tables.take(arm, labelled=arm.name not in unlabelled)
    if not tables.series:
        return {}
    models = [arm.name for arm in advisor_arms(record)]
    tables.mark_partings(number for number, arm in enumerate(arms) if arm.name in models)
    times = [
        sorted({time for series in tables.of_symbol(number) for time in series.times})
        for number in range(len(tables.symbols.values))
    ]
    core = _core(record, arms, tables, times)
    books = packed(books_of(arms, tables.symbols.values))
    most = max(FEWEST_WORDS, room - len(packed(core)) - len(books))
    stretches, words, told = _fitting(_Words(arms, tables), most)
    core |= {"stretches": stretches, "worded": told, "decisions": sum(len(one.times) for one in tables.series)}
    return {"core": packed(core), "books": books} | {f"words-{number}": text for number, text in enumerate(words)}


def take_inspector_data(record: Record, documents: dict[str, str]) -> None:
    """Take what another process made of the same record."""
    _TAKEN[_in_order(record)[0]] = (record.folder, ROOM), documents


_TAKEN: WeakKeyDictionary[ArmRecord, tuple[tuple[Path, int], dict[str, str]]] = WeakKeyDictionary()


def _in_order(record: Record) -> list[ArmRecord]:
    """Those that a model advised first, the one that the page is about before them all."""
    first = subject_arm(record)
    advised = [arm.name for arm in advisor_arms(record)]
    return sorted(record.arms, key=lambda arm: (arm is not first, arm.name not in advised))


def _core(
    record: Record, arms: Sequence[ArmRecord], tables: SeriesTables, times: Sequence[list[int]]
) -> dict[str, Any]:
    bars = [{time: number for number, time in enumerate(of_symbol)} for of_symbol in times]
    models = {arm.name: (arm.about.model or {}).get("name", "") for arm in arms}
    advised = [arm.name for arm in advisor_arms(record)]
    colours: dict[str, str] = {}
    for arm in arms:
        colours |= {name: colour for name, colour in label_colours(arm.regimes).items() if name not in colours}
    return {
        "arms": [
            {"name": spelled_out(arm.name), "model": spelled_out(models[arm.name]), "advised": arm.name in advised}
            for arm in arms
        ],
        "symbols": [
            {
                "name": spelled_out(name),
                "times": steps(times[number]),
                "after": _after(record.prices.get(name), times[number], tables, number),
            }
            for number, name in enumerate(tables.symbols.values)
        ],
        "labels": [[name, colours.get(name, "")] for name in tables.labels.values],
        "actions": tables.actions.values,
        "statuses": tables.statuses.values,
        "intents": tables.intents.values,
        "cuts": tables.cuts.values,
        "images": _images(arms),
        "series": [one.as_dict(bars[one.symbol]) for one in tables.series],
    }


def _after(prices: pd.DataFrame | None, times: list[int], tables: SeriesTables, symbol: int) -> dict[str, list[Any]]:
    """The changes of the close after each bar of a symbol, in hundredths of a percent."""
    if prices is None:
        return {}
    closes = {
        time: close for one in tables.of_symbol(symbol) for time, close in zip(one.times, one.closes, strict=True)
    }
    stamps = [pd.Timestamp(time, unit="ms") for time in times]
    found = changes_after(prices["close"], stamps, [closes[time] for time in times])
    return {
        str(bars): [None if change is None else round(10_000 * change) for change in changes]
        for bars, changes in found.items()
    }


def _images(arms: Sequence[ArmRecord]) -> dict[str, str]:
    """What models saw with their last questions, which alone stands in their folders: PNGs by sha256, in base64."""
    found = (image for arm in arms for image in read_images(arm.folder).values())
    return {image.sha256: image.data_uri.rpartition(",")[2] for image in found}


class _Words:
    """The words of decisions, packed by stretches of time."""

    def __init__(self, arms: Sequence[ArmRecord], tables: SeriesTables) -> None:
        self._tables = tables
        self._asked: dict[str, Sequence[SentMessage]] = {}
        for arm in arms:
            if arm.manifest["model"] is not None:
                self._asked |= read_questions(arm.folder)
        self._outcomes = [outcomes.values for outcomes in tables.outcomes]
        self._gates = tables.gates.values
        self.places = sorted(
            (
                _Place(number, at, time, busy)
                for number, one in enumerate(tables.series)
                for at, (time, busy) in enumerate(zip(one.times, one.busy, strict=True))
            ),
            key=lambda place: (not place.busy, -place.time, place.series),
        )
        """All decisions, those first whose words matter most."""

    def packed(self, count: int) -> tuple[list[list[int]], list[str]]:
        """The first and last time of each stretch, and its document, of so many of the first places."""
        chosen = sorted(self.places[:count], key=lambda place: (place.time, place.series))
        stretches = [list(of_year) for _, of_year in groupby(chosen, lambda place: _year(place.time))]
        parted = [part for stretch in stretches for part in _parted(stretch)]
        return [[part[0].time, part[-1].time] for part in parted], [packed(self._document(part)) for part in parted]

    def _document(self, places: Sequence[_Place]) -> dict[str, Any]:
        rows: dict[int, list[_Place]] = defaultdict(list)
        for place in places:
            rows[place.series].append(place)
        words = WordTables(self._asked.get)
        told: list[dict[str, Any]] = []
        for number, of_series in sorted(rows.items()):
            series = self._tables.series[number]
            outcomes = self._outcomes[series.arm]
            told.append(
                {
                    "series": number,
                    "at": steps([place.number for place in of_series]),
                    "outcome": [words.outcome(outcomes[series.outcomes[place.number]]) for place in of_series],
                    "gate": [words.gate(self._gates[series.gates[place.number]]) for place in of_series],
                }
            )
        return words.as_dict() | {"rows": told}


def _year(time: int) -> int:
    return datetime.fromtimestamp(time / 1000, UTC).year


def _parted(places: list[_Place]) -> list[list[_Place]]:
    """The places of a year in parts that are not too long; those of one time stand in one part."""
    parts: list[list[_Place]] = []
    while len(places) > _STRETCH:
        cut = bisect_left([place.time for place in places], places[_STRETCH].time) or len(places)
        parts.append(places[:cut])
        places = places[cut:]
    return [*parts, places] if places else parts


def _fitting(words: _Words, most: int) -> tuple[list[list[int]], list[str], int]:
    """As many words as fit into so many characters: stretches, documents, and of how many decisions they are."""
    whole = len(words.places)
    count = min(whole, _TRIED)
    best: tuple[list[list[int]], list[str], int] = [], [], 0
    for _ in range(_ROUNDS):
        stretches, documents = words.packed(count)
        size = sum(map(len, documents))
        if size <= most and count > best[2]:
            best = stretches, documents, count
        if (size <= most and count == whole) or not count:
            break
        following = min(whole, int(count * most / max(size, 1) * 0.97))
        if size <= most and following < count * 1.05:
            break
        count = following
    return best
