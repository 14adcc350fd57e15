"""Where the figures come from: configuration, prices, model, versions, and the hashes of the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator

from simulator.folder.record import Record, origin, without_folders
from simulator.reporting.blocks import (
    Block,
    Code,
    Details,
    Heading,
    Paragraph,
    Quoted,
    Table,
    in_markdown,
    on_page,
)
from simulator.reporting.facts.fact import Facts


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """What decides the result, and neither clock times, paths nor the machine."""
    manifest = record.manifest
    identity = (
        "Experiment ",
        Quoted(manifest["identity"], "code"),
        ", run format ",
        Quoted(manifest["format"], "code"),
    )
    files = [
        (arm.name, Quoted(name), Quoted(digest, "code"))
        for arm in record.arms
        for name, digest in sorted(arm.manifest.get("files", {}).items())
    ]
    yield Heading("Provenance", "provenance", look="provenance")
    yield on_page(
        Paragraph((*identity, ". Clock times and the machine are in `manifest.json`."), "note"),
        *(Details(title, [Code(text)]) for title, text in _parts(record).items()),
    )
    if files:
        table = Table(["", "", ""], files, look="rows", label="Evidence files")
        yield on_page(Details("Evidence files, sha256", [table]))
    hashes = ". Configuration, versions and the hashes of the evidence are in `manifest.json` and `report.html`."
    yield in_markdown(Paragraph((*identity, ", prices ", Quoted(manifest["prices"]["sha256"], "code"), hashes)))


def _parts(record: Record) -> dict[str, str]:
    """Parts of the manifest as text."""
    manifest = record.manifest
    experiment = {key: part for key, part in without_folders(manifest["experiment"]).items() if key != "output"}
    markets = manifest["prices"]["symbols"].items()
    symbols = {symbol: market | {"source": origin(market["source"])} for symbol, market in markets}
    parts = {
        "Configuration": experiment,
        "Prices": manifest["prices"] | {"symbols": symbols},
        "Model": manifest["model"],
        "Versions": manifest["versions"],
        "Source tree": manifest["git"],
    }
    return {
        title: json.dumps(part, indent=2, sort_keys=True, ensure_ascii=False) for title, part in parts.items() if part
    }
