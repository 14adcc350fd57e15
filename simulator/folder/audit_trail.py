"""The audit logs of a run folder: that of the command that wrote it, and those of the commands before it.

``audit.jsonl`` holds the questions of the command that wrote the folder, and of those that were cut off before it. An
earlier one in which the model was really asked is kept beside it as ``audit-TIME.jsonl``, TIME being that of its first
line; one whose answers all came from the record holds no calls, and goes with the folder that it told of. They hold
wall-clock times, so they are no evidence, and a replay neither reads nor compares them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

AUDIT = "audit.jsonl"


def keep_earlier_audits(old: Path, new: Path) -> None:
    """Copy the logs of a run folder into the one that takes its place."""
    for earlier in sorted(old.glob("audit-*.jsonl")):
        if _is_log(earlier):
            _keep(earlier, new / earlier.name)
    last = old / AUDIT
    if _is_log(last) and (began := _first_call(last)) is not None:
        _keep(last, new / f"audit-{began}.jsonl")


def _is_log(path: Path) -> bool:
    """Whether it is a file of the folder: a pipe would be read without end, and a link leads elsewhere."""
    return path.is_file() and not path.is_symlink()


def _keep(source: Path, target: Path) -> None:
    number = 2
    wanted = target
    while target.exists() and target.read_bytes() != source.read_bytes():
        target = wanted.with_stem(f"{wanted.stem}-{number}")
        number += 1
    shutil.copyfile(source, target)


def _first_call(log: Path) -> str | None:
    """When the log began, for a file name; None where the model was asked nothing. A damaged line counts as a call."""
    began, asked = "", False
    with log.open(encoding="utf-8", errors="replace") as lines:
        for text in lines:
            try:
                line = json.loads(text)
                began = began or str(line["time"])
                asked = asked or not line["cached"]
            except (ValueError, LookupError, TypeError, RecursionError):
                asked = True
    digits = "".join(mark for mark in began.partition("+")[0] if mark.isdigit() or mark in "T.")
    return (digits or "unknown") if asked else None
