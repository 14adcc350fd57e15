"""Exports of a finished run by the name of their format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llm_strategy.errors import ConfigurationError
from simulator.exports.kinds import Format
from simulator.folder.manifest import put_back
from simulator.folder.outside import beside
from simulator.folder.record import load_record
from simulator.folder.record_check import as_damage


@dataclass(frozen=True, slots=True)
class Exported:
    """Where an export went, and a word on it."""

    kind: Format
    place: str
    note: str = ""


def export_run(
    folder: str | Path, kind: Format | str, to: str = "", *, arm: str = "", content: bool = False
) -> Exported:
    """Write a finished run for another tool; raises ``RunFolderError``, ``ConfigurationError`` or ``BackendMissing``.

    ``to`` is a file, a folder or an address, as the format has it; without it what is written stands beside the run
    under its name. ``arm`` limits returns to one arm; with ``content`` spans carry messages and answers.
    """
    folder = Path(folder)
    put_back(folder)
    record, kind = load_record(folder), _format(kind)
    own = beside(folder) / folder.absolute().name
    with as_damage(folder):
        match kind:
            case Format.RETURNS:
                from simulator.exports.returns import write_returns

                return Exported(kind, str(write_returns(record, Path(to or f"{own}.returns.csv"), arm)))
            case Format.PARQUET:
                from simulator.exports.parquet import write_parquet

                written = write_parquet(record, Path(to or f"{own}.parquet"))
                return Exported(kind, str(written[0].parent), f"files: {', '.join(each.name for each in written)}")
            case Format.OTEL:
                from simulator.exports.otlp import send_otlp, write_otlp
                from simulator.exports.spans import run_spans

                spans = run_spans(record, content=content)
                to = to or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
                place = send_otlp(spans, to) if "://" in to else str(write_otlp(spans, Path(to or f"{own}.otlp.json")))
                return Exported(kind, place, f"{len(spans):,} spans")
            case Format.MLFLOW:
                from simulator.exports.mlflow_store import log_to_mlflow

                logged = log_to_mlflow(record, to)
                there = "" if logged.new else ", which was there"
                return Exported(kind, logged.uri, f"run {logged.run}{there}")


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        raise ConfigurationError(f"There is no export {name!r}: it is {', '.join(Format)}.") from None
