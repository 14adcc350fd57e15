"""How an advisor puts its question and what it makes of the answer: the settings, and a prior that a run left."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from llm_strategy.advice.checks import AskedItems
from llm_strategy.advice.examples import ExampleKind, LabelSource
from llm_strategy.advice.layout import LayoutText
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.structured.probabilities import problem_with
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes, as_label
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_json import parse_json

CalibrationKind = Literal["auto", "none", "content_free", "batch"]
RationaleWanted = Literal["auto", "always", "changes", "never"]

NEAREST_BY_DEFAULT = 2
"""Chosen by measurement on an earlier window: more examples cost time and read no better."""


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """The bars behind a calibration: the closes of the first and the last scored decision (ISO 8601, UTC), their
    symbols, and the sha256 of the prices of that run. Raises ``ConfigurationError`` for a close that is no time."""

    first: str
    last: str
    symbols: tuple[str, ...]
    prices: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))  # the one way to give it its normal form
        for name in ("first", "last"):
            try:
                datetime.datetime.fromisoformat(getattr(self, name))
            except ValueError:
                given = f"{getattr(self, name)!s:.40}"
                raise ConfigurationError(
                    f"window.{name} is {given!r}, which is no time: name the calibration.json of a run as it left it."
                ) from None


@dataclass(frozen=True, slots=True)
class LabelPrior:
    """What a model says to anything: the mean probability of each label over so many distinct ``states``, as a run
    with scored choices leaves it in ``calibration.json``, and the ``window`` of bars behind it, where that is on
    record. Raises ``ConfigurationError`` for what no run leaves."""

    states: int
    labels: Mapping[str, float]
    window: ScoredWindow | None = None

    def __post_init__(self) -> None:
        for name in self.labels:
            try:
                as_label(name)
            except ValueError:
                raise ConfigurationError(f"labels.{name!s:.40} is an unknown key, and no label.") from None
        if problem := problem_with(self.labels):
            raise ConfigurationError(f"the probability {problem}: name the calibration.json of a run as it left it.")

    def as_dict(self) -> dict[str, Any]:
        """The document that ``from_document`` reads; a window that is not on record is left out."""
        document = asdict(self)
        if self.window is None:
            del document["window"]
        return document

    def check_labels(self, regimes: Regimes) -> None:
        """Raise ``ConfigurationError`` where it is not of these labels."""
        for name in self.labels:
            if name not in regimes.kinds:
                raise ConfigurationError(
                    f"advisor.calibration: labels.{name} is an unknown key{did_you_mean(name, regimes)}"
                )
        for name in regimes:
            if name not in self.labels:
                raise ConfigurationError(
                    f"advisor.calibration: labels.{name} is missing: name the calibration.json of a run with these "
                    "labels as it left it."
                )

    @classmethod
    def from_document(cls, document: Any, where: str) -> LabelPrior:
        """A prior from plain data; ``ConfigurationError`` begins with ``where`` and names what is wrong."""
        require("calibration", document, where)
        try:
            window = document.get("window")
            return cls(**document | {"window": None if window is None else ScoredWindow(**window)})
        except ConfigurationError as problem:
            raise ConfigurationError(f"{where}: {problem}") from None

    @classmethod
    def from_file(cls, path: Path) -> LabelPrior:
        """A prior from the ``calibration.json`` of a run; raises ``ConfigurationError``."""
        try:
            document = parse_json(read_text(path), words=True, beyond=True)
        except FileNotFoundError:
            raise ConfigurationError(
                f"There is no file {path}: name the calibration.json in the folder of a run with scored choices."
            ) from None
        except (OSError, ValueError, RecursionError) as problem:
            raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
        return cls.from_document(document, str(path))


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How to ask, with which examples, and what to make of the probabilities.

    ``mode``: the model writes the whole ``json``, only the values (``slots``), or the labels are scored (``choices``);
    ``auto`` is the last of these that the backend can do. ``examples``: ``none``, so that the prompt tells what labels
    and actions mean and nothing of any rule, the ``fixed`` ones of ``prompts/``, the first ``count`` past states with
    every label alike (``balanced``), or the ``count`` past states ``nearest`` to the one in question; ``auto`` is none,
    and for a model that is embedded in the program nearest with choices and slots and fixed with json. ``labels``: past
    states carry the label of the causal rule, of what ``followed``, ``shuffled`` ones of the rule and
    ``shuffled_followed`` ones (which say nothing: the nulls of both), or a person's own (``OwnLabels``). ``rationale``:
    when the model is asked for one; else the program writes it (``auto`` is never with choices and with slots behind
    nearest examples, always otherwise). With choices alone: ``calibration`` of the label's probabilities, by a
    ``LabelPrior`` or by what the run itself scores (``auto`` is none with the nearest examples, and batch where the
    prompt stays), and the ``layout`` of the prompt, one of ``prompts/`` by its name or one's own (``auto`` is plain
    without examples, sheet with the nearest and rows with others). ``regimes`` are the labels to choose from.
    ``context`` names what is shown at a close, in its order; ``features`` is the market's line. ``prompt`` is a
    person's own, in every mode (``auto`` examples are then the nearest where it shows examples, and none where it does
    not). ``checks`` are the items of a checklist that the model is asked about in the same answer. ``adapter`` is that
    of the model which answers (``ModelIdentity.adapter``); it is chosen with the mode, where nothing but ``auto`` is
    set, or just its layout without examples.
    """

    mode: str = "auto"
    examples: ExampleKind = "auto"
    count: int = NEAREST_BY_DEFAULT
    labels: LabelSource | OwnLabels = "rule"
    calibration: CalibrationKind | LabelPrior = "auto"
    rationale: RationaleWanted = "auto"
    layout: str | LayoutText = "auto"
    regimes: Regimes = USUAL_REGIMES
    context: tuple[str, ...] = (FEATURES,)
    prompt: PromptText | None = None
    checks: AskedItems = ()
    adapter: str = ""

    @property
    def falls_back_to_fixed(self) -> bool:
        """Whether the fixed examples of ``prompts/``, which the causal rule labels, are shown while there are too few
        past states; labels of another kind are never mixed with them."""
        return self.examples == "fixed" or (self.chosen_from_past and self.labels in ("rule", "followed"))

    @property
    def chosen_from_past(self) -> bool:
        """Whether examples are past states of the market."""
        return self.examples in ("balanced", "nearest")

    def check_prompt(self) -> None:
        """Raise ``ConfigurationError`` for a person's own prompt that shows what is not chosen, or never what is."""
        if self.prompt is not None:
            for problem in self.prompt.problems(self.context, asks_items=bool(self.checks)):
                raise ConfigurationError(problem)

    def as_dict(self) -> dict[str, Any]:
        """The options as a manifest tells them: what is of a person's own is ``own``."""
        told: dict[str, Any] = {"mode": self.mode, "examples": self.examples, "rationale": self.rationale}
        if self.chosen_from_past:
            labels: str = self.labels if isinstance(self.labels, str) else "own"
            if isinstance(self.labels, OwnLabels) and self.labels.shuffled:
                labels = "shuffled_own"
            told |= {"examples": {self.examples: self.count}, "labels": labels}
        if self.mode == "choices":  # the others read neither
            told["calibration"] = self.calibration if isinstance(self.calibration, str) else "own"
            if self.prompt is None:
                told["layout"] = self.layout if isinstance(self.layout, str) else "own"
        told |= {"adapter": self.adapter} if self.adapter else {}
        return told | ({} if self.prompt is None else {"prompt": "own"})

    def __post_init__(self) -> None:
        if isinstance(self.calibration, LabelPrior):
            self.calibration.check_labels(self.regimes)
        if isinstance(self.layout, LayoutText):
            self.layout.check_labels(self.regimes)
        if self.count < 1:
            raise ConfigurationError(f"The number of examples is {self.count}: give at least 1.")
        if isinstance(self.labels, OwnLabels):
            self.labels.check(self.regimes.names)
