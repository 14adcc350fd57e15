"""An adapter from rows of data: trained beside its twin, written as GGUF, and described by a page in its folder.

The folder holds ``adapter.gguf``, ``twin.gguf`` (the same training on permuted answers: what a model looks like that
was trained as long and learned nothing of the prompt), ``training.json``, ``README.md`` and ``loss.svg``, and by choice
``merged.gguf``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from llm_strategy.advice.layout import LAYOUT_NAMES
from llm_strategy.errors import BackendMissing, ConfigurationError
from llm_strategy.llm.backends.local.advice_adapter import BASE_KEY, LAYOUT_KEY
from llm_strategy.llm.models.fingerprint import file_sha256
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.strict_json import parse_json
from llm_strategy.support.write_whole import write_whole
from simulator.progress.stages import SILENT, Progress
from simulator.reporting.charts.paths import polyline
from simulator.training.gguf_files import write_adapter, write_merged
from simulator.training.lora import INSTALL, Base, Trained, train
from simulator.training.options import TrainingOptions
from simulator.training.rows import by_prompt, checked_about, read_about, read_rows
from simulator.training.tokens import make_examples

ADAPTER, TWIN, MERGED, RECORD, PAGE, FIGURE = (
    "adapter.gguf", "twin.gguf", "merged.gguf", "training.json", "README.md", "loss.svg",
)  # fmt: skip
DATA_KEY = "backtrader_llm.data_sha256"
_PACKAGES = ("torch", "transformers", "peft", "gguf", "backtrader-llm")
_SMOOTHED = 5


@dataclass(frozen=True)
class AdapterFolder:
    """What a training left: its folder and its record (``training.json``)."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def adapter(self) -> Path:
        """The adapter's file."""
        return self.folder / ADAPTER

    @property
    def twin(self) -> Path | None:
        """That of its twin, where there is one."""
        path = self.folder / TWIN
        return path if path.is_file() else None

    @classmethod
    def read(cls, folder: Path) -> AdapterFolder:
        """The folder of a finished training; raises ``ConfigurationError`` where it is none."""
        try:
            record = parse_json(read_text(folder / RECORD))
            if not isinstance(record, dict):
                raise ValueError("it is no record of a training")
            checked_about(record.get("about"))
        except (OSError, ValueError, RecursionError) as problem:
            raise ConfigurationError(
                f"{folder} is no folder of a finished training ({problem}): name what 'btllm train run --out' wrote."
            ) from None
        if not (folder / ADAPTER).is_file():
            raise ConfigurationError(f"{folder} has no {ADAPTER}: run 'btllm train run' again.")
        return cls(folder, record)


def train_adapter(
    data: Path,
    model: Path,
    out: Path,
    options: TrainingOptions,
    *,
    twin: bool = True,
    merge: bool = False,
    progress: Progress = SILENT,
) -> AdapterFolder:
    """Train an adapter of the rows in ``data`` for a model file, and write its folder; what was cut off goes on.

    Raises ``BackendMissing`` without the extra ``train``, and ``ConfigurationError`` for data or a model that cannot be
    trained.
    """
    _require_packages()
    about, answers = read_about(data), by_prompt(read_rows(data))
    layout = str(about.get("layout", ""))
    if layout not in LAYOUT_NAMES:
        raise ConfigurationError(
            f"Nothing beside {data} says in which layout its rows are: use data that 'btllm train export' wrote."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigurationError(f"{out} cannot be made ({problem.strerror}): choose another --out.") from None
    progress.begin(f"reading {model.name}")
    base = Base(model)
    notes = {LAYOUT_KEY: layout, BASE_KEY: base.sha256, DATA_KEY: file_sha256(data)}
    begun, worked = time.monotonic(), time.process_time()
    losses: dict[str, list[float]] = {}
    for name in (ADAPTER, *([TWIN] if twin else [])):
        kind = name.removesuffix(".gguf")
        trained = _trained(
            base, make_examples(answers, base.writer, options.seed, twin=name == TWIN), options, out, kind, progress
        )
        losses[kind] = trained.losses
        write_adapter(out / name, trained, options.alpha, base.heads[0], notes)
        if name == ADAPTER and merge:
            progress.begin(f"writing {MERGED}")
            write_merged(out / MERGED, model, trained, options.alpha, base.heads[0])
    record = {
        "format": 1,
        "about": about,
        "base": {"file": model.name, "sha256": base.sha256},
        "options": options.as_dict(),
        "files": {path.name: file_sha256(path) for path in sorted(out.glob("*.gguf"))},
        "prompts": len(answers),
        "losses": {kind: [round(loss, 5) for loss in each] for kind, each in losses.items()},
        "versions": {name: _version(name) for name in _PACKAGES},
        "seconds": {"wall": round(time.monotonic() - begun, 1), "processor": round(time.process_time() - worked, 1)},
    }
    write_whole(out / FIGURE, draw_losses(losses))
    write_whole(out / PAGE, describe(record))
    write_whole(out / RECORD, json.dumps(record, indent=1) + "\n")
    for checkpoint in out.glob("*.checkpoint"):
        checkpoint.unlink()
    return AdapterFolder(out, record)


def describe(record: Mapping[str, Any]) -> str:
    """The page of an adapter, as Markdown."""
    about, options, losses = record["about"], record["options"], record["losses"]
    sources = [*(f"the run {run['name']} ({str(run['identity'])[:12]})" for run in about["runs"])]
    if paths := about["synthetic"]:
        sources.append(f"{len(paths):,} synthetic paths, from {paths[0]} to {paths[-1]}")
    dropped = "; ".join(f"{count:,} because {reason}" for reason, count in about["dropped"].items()) or "none"
    labels = ", ".join(f"{name} {count:,}" for name, count in about["labels"].items())
    seen = (
        "No real price was seen in training." if not about["runs"] else f"Nothing from {about['before']} on was seen."
    )
    ends = "; ".join(
        f"{name}: {each[0]:.3f} at first, {np.mean(each[-_SMOOTHED:]):.3f} at last" for name, each in losses.items()
    )
    rows = [
        ("Model", f"{record['base']['file']}, sha256 `{record['base']['sha256']}`"),
        ("Data", f"{', '.join(sources)}; sha256 `{about['sha256']}`"),
        ("Rows", f"{about['decisions']:,} decisions, {about['prompts']:,} distinct prompts; dropped: {dropped}"),
        ("Labels", f"by {about['label']}: {labels}"),
        ("Layout", f"`{about['layout']}`"),
        ("Options", ", ".join(f"{name} {value}" for name, value in options.items() if value is not None)),
        ("Loss (nats a token)", ends),
        ("Time", f"{record['seconds']['processor']:.0f} s of processors"),
        ("Files", ", ".join(f"`{name}` {digest[:12]}" for name, digest in record["files"].items())),
        ("Versions", ", ".join(f"{name} {each}" for name, each in record["versions"].items())),
    ]
    table = "\n".join(f"| {name} | {told} |" for name, told in rows)
    return (
        f"# An adapter for {record['base']['file']}\n\n{seen}\n\n| | |\n|:--|:--|\n{table}\n\n"
        f"![The loss of each step]({FIGURE})\n\n"
        f"`{TWIN}` is the null: the same prompts, each to be answered as another one was. What the adapter does better "
        "than its twin it has learned from the prompts.\n\n"
        f"Use it: `LLM_BACKEND=llama_cpp LLM_ADAPTER={ADAPTER}`; judge it: `btllm train judge`.\n"
    )


def draw_losses(losses: Mapping[str, Sequence[float]]) -> str:
    """The losses of each step, smoothed, as SVG."""
    wide, high = 10_000, 4_000
    smooth = {
        name: np.convolve(each, np.ones(min(_SMOOTHED, len(each))) / min(_SMOOTHED, len(each)), "valid")
        for name, each in losses.items()
    }
    top = max(float(each.max()) for each in smooth.values())
    drawn = []
    for (name, each), colour in zip(smooth.items(), ("#1f6feb", "#8b949e"), strict=False):
        path = polyline(np.linspace(0, 1, max(2, len(each))), np.resize(each, max(2, len(each))) / top, high)
        drawn.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="40"/>')
        drawn.append(f'<text x="{wide}" y="{high * (1 - each[-1] / top) - 80:.0f}" fill="{colour}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-700 -400 {wide + 1400} {high + 900}" font-size="260" '
        'font-family="sans-serif" text-anchor="end">'
        f'<path d="M0 0V{high}H{wide}" fill="none" stroke="#8b949e" stroke-width="15"/>'
        f'<text x="-80" y="200">{top:.2f}</text><text x="-80" y="{high}">0</text>'
        f'<text x="{wide}" y="{high + 350}">steps: {max(map(len, losses.values()))}</text>{"".join(drawn)}</svg>\n'
    )


def _trained(base: Base, data: Any, options: TrainingOptions, out: Path, kind: str, progress: Progress) -> Trained:
    def read(done: int, total: int) -> None:
        if done <= 32 or done == total:
            progress.begin(f"reading the prompts of the {kind}", total)
        progress.at(done, total)

    stage = f"training the {kind}"
    begun = False

    def stepped(step: int, loss: float) -> None:
        nonlocal begun
        if not begun:
            progress.begin(stage, options.steps)
            begun = True
        progress.at(step, options.steps)
        progress.beside(f"loss {loss:.3f}")

    return train(base, data, options, out / f"{kind}.checkpoint", stepped, read)


def _require_packages() -> None:
    if any(_version(name) == "missing" for name in _PACKAGES[:4]):
        raise BackendMissing(INSTALL)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
