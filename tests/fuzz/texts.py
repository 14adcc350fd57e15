"""Readers of dated texts and values: the strict files, and the feeds, filings and tables that loaders make them of."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from saved_feeds import ATOM, RSS, SUBMISSION

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.context.documents import Documents, framed_texts
from llm_strategy.market.context.events import Events
from llm_strategy.market.context.texts.corpus import read_corpus
from simulator.documents.feeds import read_feed
from simulator.documents.sec import read_submission
from simulator.documents.tables import Columns, read_table
from simulator.documents.write import write_texts

from .answers import SNAPSHOT
from .target import Target

ROWS = [
    {"available_at": "2008-10-09T12:00:00Z", "text": "Banks lend no more", "id": "a", "symbols": ["A"], "value": 1.5},
    {"available_at": "2008-10-09T16:00:00-04:00", "text": "Apple Inc. fell to $96 in 2008", "title": "T", "value": -2},
]
REFUSALS = (MarketDataError, ConfigurationError)


def _jsonl():
    return ["".join(json.dumps(row) + "\n" for row in ROWS).encode()]


def _csv():
    return [
        b"id,available_at,text,symbols,value\na,2008-10-09T12:00:00Z,Banks,A;B,1\nb,2008-10-10T00:00:00+02:00,x,,2e3\n",
        b'when,headline\n2008-10-09,"One, two"\n2008-10-10 09:30,Three\n',
    ]


def _parquet():
    file = io.BytesIO()
    pq.write_table(
        pa.table({name: [row.get(name) for row in ROWS] for name in ("available_at", "text", "value")}), file
    )
    return [file.getvalue()]


def _read(suffix):
    def read(data, folder):
        path = folder / f"texts{suffix}"
        path.write_bytes(data)
        problems = []
        for source in (Documents(str(path), query="banks apple"), Events(str(path))):
            try:
                source.open()
            except REFUSALS as problem:
                problems.append(problem)
                continue
            shown = source.show(SNAPSHOT)
            assert all(line.isprintable() for line in shown.text.splitlines())
            if source.name == "documents":
                assert len(framed_texts(shown.text)) == len(shown.ids) <= 3
                assert shown.text.count("[") == len(shown.ids)
        if len(problems) == 2:
            raise problems[0]

    return read


def _loaded(read):
    def load(data, folder):
        to = Path(folder) / "news.jsonl"
        to.unlink(missing_ok=True)
        corpus = write_texts(read(data, folder), to)
        assert tuple(read_corpus([to])) == tuple(corpus)

    return load


def _feed(data, folder):
    return list(read_feed(folder / "feed.xml", data, 500))


def _submission(data, folder):
    return [read_submission(folder / "a.txt", data, 500, ("A",))]


def _table(data, folder):
    path = folder / "table.csv"
    path.write_bytes(data)
    return list(read_table(path, Columns("when", "headline", zone="UTC"), 500))


def _feeds():
    return [RSS.encode(), ATOM.encode()]


def _submissions():
    return [SUBMISSION.format(accepted="20080721163042", filed="20080722").encode()]


TARGETS = (
    Target("texts", _jsonl, _read(".jsonl"), REFUSALS, tries=60),
    Target("table of texts", _csv, _read(".csv"), REFUSALS, tries=60),
    Target("parquet of texts", _parquet, _read(".parquet"), REFUSALS, tries=60),
    Target("feed", _feeds, _loaded(_feed), REFUSALS, tries=60),
    Target("submission", _submissions, _loaded(_submission), REFUSALS, tries=60),
    Target("table of a loader", _csv, _loaded(_table), REFUSALS, tries=60),
)
