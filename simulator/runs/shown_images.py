"""What a model saw at a close, drawn again from the prices of a run folder: a journal keeps the hashes alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.shown import Image
from llm_strategy.support.write_whole import write_whole
from simulator.folder.record import ArmRecord, Record
from simulator.runs.recorded import experiment_of, universe_of
from simulator.runs.simulation import upcoming


def seen_images(
    record: Record, arm: ArmRecord, decision: Mapping[str, Any], folder: Path | None
) -> tuple[dict[str, Any], ...]:
    """The images of a decision (the journal's line), drawn again, and written to a ``folder`` where one is named.

    Of each its ``source``, its ``sha256`` in the journal, how many ``bytes`` it has as it is drawn here, whether that
    is the ``same``, and the ``file`` that was written. Raises ``ConfigurationError`` where a folder is named and there
    is nothing to write, and ``RunFolderError`` where it cannot be written.
    """
    hashes = {shown["source"]: shown["image"] for shown in decision.get("context", ()) if "image" in shown}
    symbol, time = decision["snapshot"]["symbol"], decision["time"]
    if not hashes:
        if folder is not None:
            raise ConfigurationError(
                f"--images is {folder}, and the model was shown no image at {time}: leave it out, or name another "
                "decision."
            )
        return ()
    try:
        drawn = draw_again(record, arm, symbol, time)
    except RunFolderError:  # a person's own source may have changed since
        if folder is not None:
            raise
        drawn = {}
    lines = []
    for source, sha256 in hashes.items():
        image = drawn.get(source)
        same = image is not None and image.sha256 == sha256
        file = None if folder is None or image is None or not same else folder / f"{source}-{sha256[:12]}.png"
        if file is not None and image is not None:
            _write(file, image)
        size = 0 if image is None else len(image.content)
        lines.append({"source": source, "sha256": sha256, "bytes": size, "same": same, "file": file and str(file)})
    return tuple(lines)


def _write(file: Path, image: Image) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, image.content)
    except OSError as problem:
        raise RunFolderError(
            f"{file} cannot be written ({problem.strerror or problem}): name another folder in --images."
        ) from None


def draw_again(record: Record, arm: ArmRecord, symbol: str, time: str) -> dict[str, Image]:
    """The images that the sources of an arm show at a close, by source, as this installation draws them.

    Raises ``RunFolderError`` where prices or a person's own sources are no longer those of the run.
    """
    experiment = experiment_of(record)
    config = experiment.arm(arm.name).config
    if config is None:
        return {}
    context = config.shown_context.with_images_alone().beside(config.view.shown).open()
    for snapshot in upcoming(universe_of(record, experiment), experiment, config).snapshots:
        if (snapshot.symbol, snapshot.time) == (symbol, time):
            return {shown.source: shown.image for shown in context.show(snapshot) if shown.image is not None}
        context.take(snapshot)
    return {}
