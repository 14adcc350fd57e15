"""The ``advisor`` section of an experiment: what the model sees, how it is asked, and what becomes of its failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import Field, WithJsonSchema

from llm_strategy.advice.contract import Repairs
from llm_strategy.advice.examples import ExampleKind, LabelSource
from llm_strategy.advice.layout import LAYOUT_NAMES, LayoutText
from llm_strategy.advice.modes.registry import DecisionMode
from llm_strategy.advice.options import (
    NEAREST_BY_DEFAULT,
    CalibrationKind,
    LabelPrior,
    PromptOptions,
    RationaleWanted,
)
from llm_strategy.advice.own_labels import LABELS_FILE, OwnLabels
from llm_strategy.advice.own_prompt import PROMPT_FILES, PromptText
from llm_strategy.advice.own_rule import RULE_NAME
from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.metering.calls import Budget
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.registry import DEFAULT_CONTEXT, SOURCES, read_choices, with_files
from llm_strategy.market.features import DEFAULT_LOOKBACKS, Lookbacks, WarmUp
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.market.view import SHOWN, Style, Unmasked, View, with_features
from llm_strategy.support.plugins import place_reference
from llm_strategy.support.read_regular import at_home, place_of
from simulator.experiment.documents import plain, whole, with_tuples
from simulator.experiment.schema import source_schema

_FILES: dict[str, str | tuple[str, ...]] = {
    "layout": ".yaml",
    "calibration": ".json",
    "prompt": PROMPT_FILES,
    "labels": LABELS_FILE,
}
"""Choices that may be the path of a file, by its ending."""
_KINDS: dict[str, Any] = {
    "layout": LayoutText,
    "calibration": LabelPrior,
    "prompt": PromptText,
    "labels": OwnLabels,
}
"""What the content of such a file is read as."""
ABSTAIN = "abstain"
"""In place of a rule that decides where the model failed: nobody does."""

RUNTIME = ("backend", "model", "base_url", "options")
"""Settings of who answers, in place of those of ``configs/llm.yaml``; a document leaves out those that are not set."""

_FALLBACK = {"anyOf": [{"enum": [ABSTAIN, *BASELINES]}, {"type": "string", "pattern": RULE_NAME}]}
_EXAMPLES = {
    "anyOf": [
        {"enum": ["auto", "none", "fixed"]},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "balanced": {"type": "integer", "minimum": 4, "maximum": 64},
                "nearest": {"type": "integer", "minimum": 1, "maximum": 64},
            },
        },
    ],
    "description": "auto, none, fixed, a number of balanced ones from 4, or a number of nearest ones, such as "
    "{nearest: 4}",
}


_BASE_URL = {
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}],
    "description": "an address such as http://127.0.0.1:8080/v1, or a list of them",
}
_OPTIONS = WithJsonSchema({"type": "object", "description": "settings of configs/llm.yaml by name"})


def _name_or_file(description: str, setting: str, otherwise: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The schema of a setting that is one of some names, a file, or the content of one."""
    file = {"type": "string", "pattern": "\\" + f"{_FILES[setting]}$"}
    return {
        "description": description,
        "if": {"anyOf": [{"type": "object"}, file]},
        "else": {"description": otherwise, "enum": list(names)},
    }


def _context_schema() -> dict[str, Any]:
    """The schema of what is shown: a list of names and one-key mappings, or a mapping; options of a person's own
    sources are checked where these are found."""
    sources = {name: source_schema(kind) for name, kind in SOURCES.items()}
    chosen = {"type": "object", "minProperties": 1, "properties": sources}
    entry = {"if": {"type": "object"}, "then": chosen | {"maxProperties": 1}, "else": {"type": "string"}}
    return {
        "description": "a list of sources by name, with options as in {history: {bars: 30}}",
        "if": {"type": "object"},
        "then": chosen,
        "else": {"type": "array", "minItems": 1, "items": entry},
    }


_CONTEXT = _context_schema()
_CALIBRATION = _name_or_file(
    "a kind, the calibration.json of an earlier run, or its content as in calibration.schema.json",
    "calibration",
    "the calibration.json of an earlier run",
    get_args(CalibrationKind),
)
_LAYOUT = _name_or_file(
    "a layout by its name, a file of one's own (ending in .yaml), or its content as in layout.schema.json",
    "layout",
    "a file of your own that ends in .yaml",
    ("auto", *LAYOUT_NAMES),
)

_LABELS = _name_or_file(
    "by whom past states are labelled: a name, a file of your own (ending in .csv), or its content as in "
    "labels.schema.json",
    "labels",
    "a file of your own that ends in .csv",
    get_args(LabelSource),
)
_PROMPT = {
    "description": "a file of your own (ending in .j2 or .yaml), or its content as in prompt.schema.json",
    "if": {"type": "object"},
    "else": {
        "type": "string",
        "pattern": "\\.(j2|yaml)$",
        "description": "a file of your own that ends in .j2 or .yaml",
    },
}


@dataclass(frozen=True, slots=True)
class AdvisorConfig:
    """What the model sees, when any advisor is asked, whether and how much the model may be, and how many failures of
    it (share of decisions) a run may have.

    ``abort_above_failure_rate`` ends a run as soon as it has too many; ``fallback`` is the rule that decides where the
    model failed; ``examples`` is ``auto``, ``none``, ``fixed``, or a mapping of ``balanced`` or ``nearest`` to a
    number.
    ``layout`` is a name, a ``LayoutText``, its content as a mapping, or the path of a YAML file with it, from the
    current folder (in an experiment's file from its own folder first: ``locate_files``); the file is read at once, and
    what it says is kept. The same with ``prompt``, which takes the place of the package's own in every mode, and with
    ``calibration``, which is a kind, a ``LabelPrior``, or the ``calibration.json`` of a run. Raises
    ``ConfigurationError`` for a wrong one.
    """

    style: Style = "words"
    decimals: Annotated[int, Field(ge=0, le=4)] = 0
    unmasked: Annotated[tuple[Unmasked, ...], Field(json_schema_extra={"uniqueItems": True})] = ()
    answers: Literal["live", "replay", "refresh"] = "live"
    repairs: Repairs = "strict"
    """``lenient`` reads a value that breaks the contract where it can mean one thing alone."""
    max_failure_rate: Annotated[float, Field(ge=0, le=1)] = 0.05
    decide_every: Annotated[int, Field(ge=1)] = 1
    """Decision bars from one decision to the next."""
    decide_when: Literal["always", "changed"] = "always"
    """``changed`` decides only where the text that the model would be shown has changed."""
    budget: Budget = field(default_factory=Budget)
    abort_above_failure_rate: bool = False
    fallback: Annotated[str, WithJsonSchema(_FALLBACK)] = ABSTAIN
    mode: DecisionMode = "auto"
    examples: Annotated[str | dict[str, int], WithJsonSchema(_EXAMPLES)] = "auto"
    labels: Annotated[str | dict[str, Any] | OwnLabels, WithJsonSchema(_LABELS)] = "rule"
    """What the past states of the examples are labelled by; a file of one's own has the columns time and label."""
    calibration: Annotated[str | dict[str, Any] | LabelPrior, WithJsonSchema(_CALIBRATION)] = "auto"
    rationale: RationaleWanted = "auto"
    layout: Annotated[str | dict[str, Any] | LayoutText, WithJsonSchema(_LAYOUT)] = "auto"
    prompt: Annotated[str | dict[str, Any] | PromptText | None, WithJsonSchema(_PROMPT)] = None
    """A prompt of one's own, in place of the package's: a file, its content, or a ``PromptText``."""
    lookbacks: Annotated[Lookbacks, Field(description="bars behind each feature")] = DEFAULT_LOOKBACKS
    """Bars behind each feature, for every advisor."""
    features: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(
            description="names of the features that are shown, in their order",
            json_schema_extra={"minItems": 1, "uniqueItems": True},
        ),
    ] = SHOWN
    """Names of the features that are shown, in their order; one's own as a ``View`` takes them."""
    backend: Annotated[str, Field(min_length=1)] | None = None
    """Who answers, in place of the backend of configs/llm.yaml (and then with a model of its own)."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Its model; if absent that under the name of this backend in configs/llm.yaml, or of the same backend."""
    base_url: Annotated[tuple[str, ...], WithJsonSchema(_BASE_URL)] = field(default=(), metadata={"usual": []})
    """Addresses of its server."""
    options: Annotated[Mapping[str, Any], _OPTIONS] = field(default_factory=dict, metadata={"usual": {}})
    """Other settings of configs/llm.yaml for it, such as {seed: 3}, and options of its backend."""
    context: Annotated[tuple[str | dict[str, dict[str, Any]], ...], WithJsonSchema(_CONTEXT)] = DEFAULT_CONTEXT
    """What the model is shown, in its order: sources by name, with options as in {history: {bars: 30}}."""
    regimes: Regimes = field(default=USUAL_REGIMES, init=False, compare=False, repr=False)
    """The labels of the experiment that this is a part of, which sets them (``with_regimes``)."""

    def __post_init__(self) -> None:
        if self.decimals and self.style == "words":
            raise ConfigurationError(
                f"advisor.decimals is {self.decimals}, and style words shows no figures: set advisor.style to numbers, "
                "or leave decimals out."
            )
        # The one way to give a frozen instance its normal form.
        if isinstance(self.base_url, str):
            object.__setattr__(self, "base_url", tuple(filter(None, map(str.strip, self.base_url.split(",")))))
        chosen = tuple(choice.plain for choice in read_choices(self.context, "advisor.context"))
        object.__setattr__(self, "context", chosen)
        if self.decide_when == "changed":
            self.shown_context.refuse_changed("advisor.decide_when is changed", "set it to always")
        _ = self.view  # features that are not there, or cannot be shown, are refused here
        if isinstance(self.examples, dict):  # 4.0 is a whole number in YAML, too
            whole = {kind: int(count) for kind, count in self.examples.items() if count == int(count)}
            object.__setattr__(self, "examples", self.examples | whole)
        for name, kind in _KINDS.items():
            value = _read_setting(getattr(self, name), _FILES[name], kind, f"advisor.{name}")
            object.__setattr__(self, name, value)

    @property
    def prompt_options(self) -> PromptOptions:
        """How the question is put and the answer read."""
        chosen = self.examples if isinstance(self.examples, dict) else {self.examples: NEAREST_BY_DEFAULT}
        ((kind, count),) = chosen.items()
        examples = cast(ExampleKind, kind)  # the schema knows no other
        layout = cast(str | LayoutText, self.layout)  # the schema knows no other name
        calibration = cast(CalibrationKind | LabelPrior, self.calibration)
        prompt = cast(PromptText | None, self.prompt)  # read at the beginning
        labels = cast(LabelSource | OwnLabels, self.labels)  # the schema knows no other name
        return PromptOptions(
            self.mode,
            examples,
            count,
            labels,
            calibration,
            self.rationale,
            layout,
            regimes=self.regimes,
            context=tuple(choice.label for choice in read_choices(self.context)),
            prompt=prompt,
        )

    def with_regimes(self, regimes: Regimes) -> AdvisorConfig:
        """The same settings in an experiment with these labels; raises ``ConfigurationError`` where they do not fit."""
        config = replace(self)
        object.__setattr__(config, "regimes", regimes)
        config.prompt_options.check_prompt()  # a calibration or examples of other labels are refused here, too
        return config

    @property
    def view(self) -> View:
        """How a snapshot is rendered."""
        view = View(self.style, self.decimals, self.unmasked, self.features)
        return with_features(view, self.shown_context.feature_names)

    @property
    def analogues_of(self) -> str:
        """Whose past states are shown as analogues; empty where none are."""
        return next((str(each.options["of"]) for each in read_choices(self.context) if each.name == "analogues"), "")

    @property
    def shown_context(self) -> Context:
        """The sources of what the model is shown, without a past."""
        return Context(self.context, self.unmasked)

    @property
    def warm_ups(self) -> list[WarmUp]:
        """Decision bars that what is shown needs before the first decision, by what needs them."""
        needs = [self.lookbacks.longest]
        needs += [WarmUp(bars, f"{name} of advisor.context") for name, bars in self.shown_context.lookbacks.items()]
        own = [WarmUp(feature.lookback, f"{feature.name} of advisor.features") for feature in self.view.measured]
        return needs + own

    @property
    def changed_view(self) -> View | None:
        """Where decisions are made only when the text has changed: how that text is rendered."""
        return self.view if self.decide_when == "changed" else None


def read_advisor(document: Mapping[str, Any], folder: Path | None) -> AdvisorConfig:
    """The settings of a document, whose relative paths are looked for in this folder before the working folder."""
    settings = locate_files(whole(AdvisorConfig, with_tuples(dict(document))), folder)
    for name, kind in (("budget", Budget), ("lookbacks", Lookbacks)):
        if isinstance(settings.get(name), Mapping):
            settings[name] = kind(**whole(kind, dict(settings[name])))
    return AdvisorConfig(**with_tuples(settings))


def write_advisor(config: AdvisorConfig) -> dict[str, Any]:
    """The document that ``read_advisor`` reads: every setting written out, but what is shown and those of ``RUNTIME``
    only where they are set, so that an experiment of before there was a choice keeps its identity."""
    document = write_whole_advisor(config)
    if config.context == DEFAULT_CONTEXT:
        del document["context"]
    return {name: value for name, value in document.items() if value or name not in RUNTIME}


def write_whole_advisor(config: AdvisorConfig) -> dict[str, Any]:
    """The same with all settings; what is not set of a prompt or of a person's labels is left out."""
    document: dict[str, Any] = plain(asdict(config), "advisor")
    del document["regimes"], document["prompt"]  # labels to choose from stand in their own place
    if isinstance(config.labels, OwnLabels) and not config.labels.shuffled:
        del document["labels"]["shuffled"]
    return document | ({"prompt": config.prompt.as_document()} if isinstance(config.prompt, PromptText) else {})


def locate_files(section: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """The section with the files that it names looked for in this folder before the working folder."""

    def place_part(name: str) -> str:
        return place_reference(name, folder)

    def place_file(path: str) -> str:
        return path if path.startswith("sample:") else str(place_of(path, folder))

    files = {
        name: place_file(section[name])
        for name, suffix in _FILES.items()
        if isinstance(section.get(name), str) and section[name].endswith(suffix)
    }
    if "features" in section:
        section = section | {"features": [*map(place_part, section["features"])]}
    if isinstance(section.get("backend"), str):
        section = section | {"backend": place_part(section["backend"])}
    if "context" in section:
        chosen = section["context"]
        entries = [{name: options} for name, options in chosen.items()] if isinstance(chosen, dict) else chosen
        section = section | {"context": [with_files(entry, place_part, place_file) for entry in entries]}
    return section | files


def _read_setting(value: Any, suffix: str | tuple[str, ...], kind: Any, where: str) -> Any:
    """The value of a setting, where it is a file or its content read as this kind."""
    if isinstance(value, str) and value.endswith(suffix):
        return kind.from_file(at_home(value))
    return kind.from_document(value, where) if isinstance(value, dict) else value
