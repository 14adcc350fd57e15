"""All that the decision inspector of a page shows, as packed documents that its script opens when they are needed.

``core`` holds every decision in columns, ``books`` orders and trades, and each further document the words of a stretch
of time. Where all words have no room on a page, they are those of decisions at which something changed or happened, the
latest first; ``btllm trace`` tells those of any other bar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
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
        sizes = [len(one.times) for one in tables.series]
        self._series = np.repeat(np.arange(len(sizes)), sizes)
        self._numbers = np.concatenate([np.arange(size) for size in sizes])
        self._times = np.concatenate([np.array(one.times, np.int64) for one in tables.series])
        self.busy = np.concatenate([np.array(one.busy, bool) for one in tables.series])
        """Of each decision, series by series."""
        self.order = np.lexsort((self._series, -self._times, ~self.busy))
        """All decisions, those first whose words matter most."""

    def packed(self, count: int) -> tuple[list[list[int]], list[str]]:
        """The first and last time of each stretch, and its document, of so many of the first decisions."""
        chosen = self.order[:count]
        chosen = chosen[np.lexsort((self._series[chosen], self._times[chosen]))]
        years = self._times[chosen].astype("datetime64[ms]").astype("datetime64[Y]")
        of_years = np.split(chosen, np.flatnonzero(np.diff(years)) + 1) if count else []
        parted = [part for of_year in of_years for part in self._parted(of_year)]
        ends = [self._times[part[[0, -1]]].tolist() for part in parted]
        return ends, [packed(self._document(part)) for part in parted]

    def _parted(self, places: np.ndarray) -> Iterator[np.ndarray]:
        """The decisions of a year in parts that are not too long; those of one time stand in one part."""
        while len(places) > _STRETCH:
            times = self._times[places]
            cut = int(np.searchsorted(times, times[_STRETCH])) or len(places)
            yield places[:cut]
            places = places[cut:]
        if len(places):
            yield places

    def _document(self, places: np.ndarray) -> dict[str, Any]:
        words = WordTables(self._asked.get)
        told: list[dict[str, Any]] = []
        of_places = self._series[places]
        for number in np.unique(of_places).tolist():
            series = self._tables.series[number]
            at = self._numbers[places[of_places == number]].tolist()
            said = [series.statements[place] for place in at]
            outcomes = [one.outcome for one in said]
            gates = [one.gate for one in said]
            of_arm = self._outcomes[series.arm]
            outcome = {one: words.outcome(of_arm[one]) for one in dict.fromkeys(outcomes)}
            gate = {one: words.gate(self._gates[one]) for one in dict.fromkeys(gates)}
            told.append(
                {
                    "series": number,
                    "at": steps(at),
                    "outcome": [outcome[one] for one in outcomes],
                    "gate": [gate[one] for one in gates],
                }
            )
        return words.as_dict() | {"rows": told}


def _fitting(words: _Words, most: int) -> tuple[list[list[int]], list[str], int]:
    """As many words as fit into so many characters: stretches, documents, and of how many decisions they are."""
    whole = len(words.order)
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
