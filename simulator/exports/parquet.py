"""The tables of a run as Parquet files that pandas, polars, DuckDB and Spark read, with units in their schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pyarrow
from pyarrow import parquet

from llm_strategy.support.write_whole import write_whole
from simulator.folder.outside import guard_writing
from simulator.folder.record import Record
from simulator.runs.result_tables import UNITS, account_table, decision_table, order_table, trade_table

TABLES: Mapping[str, Callable[[Record], pd.DataFrame]] = MappingProxyType(
    {
        "decisions.parquet": decision_table,
        "equity.parquet": account_table,
        "trades.parquet": trade_table,
        "orders.parquet": order_table,
    }
)
"""The files, each with all arms and a column ``arm``."""


def write_parquet(record: Record, to: Path) -> list[Path]:
    """Write a folder of the files of ``TABLES``; raises ``RunFolderError``.

    Times are timestamps without zone, texts strings, figures doubles. The field metadata of a column holds its ``unit``
    where it has one, the schema's the ``run`` and its ``identity``. The same run gives the same bytes.
    """
    about = {"run": str(record.manifest["name"]), "identity": str(record.manifest.get("identity"))}
    written = []
    with guard_writing(to):
        to.mkdir(exist_ok=True)
        for name, table_of in TABLES.items():
            write_whole(to / name, _as_parquet(table_of(record), about))
            written.append(to / name)
    return written


def _as_parquet(table: pd.DataFrame, about: Mapping[str, str]) -> bytes:
    arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    fields = [
        field.with_metadata({"unit": UNITS[field.name]}) if field.name in UNITS else field for field in arrow.schema
    ]
    kept = {**(arrow.schema.metadata or {}), **about}
    file = BytesIO()
    parquet.write_table(arrow.cast(pyarrow.schema(fields, metadata=kept)), file)
    return file.getvalue()
