"""The ``advisor`` section of an experiment: what the model sees, how it is asked, and what becomes of its failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, WithJsonSchema

from llm_strategy.advice.checks import AskedItems
from llm_strategy.advice.contract import Repairs
from llm_strategy.advice.examples import ExampleKind, LabelSource
from llm_strategy.advice.layout import LayoutText
from llm_strategy.advice.modes.registry import DecisionMode
from llm_strategy.advice.options import (
    NEAREST_BY_DEFAULT,
    CalibrationKind,
    LabelPrior,
    PromptOptions,
    RationaleWanted,
)
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.metering.calls import Budget
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.menu import Menu
from llm_strategy.market.context.registry import DEFAULT_CONTEXT, read_choices, with_files
from llm_strategy.market.features import DEFAULT_LOOKBACKS, Lookbacks, WarmUp
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.market.view import SHOWN, Style, Unmasked, View, with_features
from llm_strategy.support.plugins import place_reference
from llm_strategy.support.read_regular import at_home, place_of
from simulator.experiment.advisor_schema import (
    ABSTAIN,
    BASE_URL,
    CALIBRATION,
    CONTEXT,
    EXAMPLES,
    FALLBACK,
    FILES,
    LABELS,
    LAYOUT,
    OPTIONS,
    PLAN,
    PROMPT,
)
from simulator.experiment.documents import plain, whole, with_tuples

_KINDS: dict[str, Any] = {
    "layout": LayoutText,
    "calibration": LabelPrior,
    "prompt": PromptText,
    "labels": OwnLabels,
}
"""What the content of such a file is read as."""
RUNTIME = ("backend", "model", "base_url", "options")
"""Settings of who answers, in place of those of ``configs/llm.yaml``; a document leaves out those that are not set."""


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
    fallback: Annotated[str, WithJsonSchema(FALLBACK)] = ABSTAIN
    mode: DecisionMode = "auto"
    examples: Annotated[str | dict[str, int], WithJsonSchema(EXAMPLES)] = "auto"
    labels: Annotated[str | dict[str, Any] | OwnLabels, WithJsonSchema(LABELS)] = "rule"
    """What the past states of the examples are labelled by; a file of one's own has the columns time and label."""
    calibration: Annotated[str | dict[str, Any] | LabelPrior, WithJsonSchema(CALIBRATION)] = "auto"
    rationale: RationaleWanted = "auto"
    layout: Annotated[str | dict[str, Any] | LayoutText, WithJsonSchema(LAYOUT)] = "auto"
    prompt: Annotated[str | dict[str, Any] | PromptText | None, WithJsonSchema(PROMPT)] = None
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
    base_url: Annotated[tuple[str, ...], WithJsonSchema(BASE_URL)] = field(default=(), metadata={"usual": []})
    """Addresses of its server."""
    options: Annotated[Mapping[str, Any], OPTIONS] = field(default_factory=dict, metadata={"usual": {}})
    """Other settings of configs/llm.yaml for it, such as {seed: 3}, and options of its backend."""
    context: Annotated[tuple[str | dict[str, dict[str, Any]], ...], WithJsonSchema(CONTEXT)] = DEFAULT_CONTEXT
    """What the model is shown, in its order: sources by name, with options as in {history: {bars: 30}}."""
    knowledge_until: Annotated[
        str | None, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="an ISO date such as 2023-10-01")
    ] = None
    """The model's stated knowledge cutoff, the last day that it may have read about; it changes no request. Results on
    bars up to it and behind it are told apart. None where its maker states none: it is never guessed."""
    plan: Annotated[PlanOptions | dict[str, Any] | None, WithJsonSchema(PLAN)] = None
    """Which analytics the model chooses and is shown the results of before it advises; none where absent."""
    regimes: Regimes = field(default=USUAL_REGIMES, init=False, compare=False, repr=False)
    """The labels of the experiment that this is a part of, which sets them (``of_experiment``)."""
    checks: AskedItems = field(default=(), init=False, compare=False, repr=False)
    """The items of the experiment's checklist that the model is asked about, which sets them, too."""

    def __post_init__(self) -> None:
        if self.knowledge_until is not None:
            _check_date(self.knowledge_until)
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
        object.__setattr__(self, "plan", PlanOptions.of(self.plan))
        if self.decide_when == "changed":
            self.shown_context.refuse_changed("advisor.decide_when is changed", "set it to always")
        _ = self.view  # features that are not there, or cannot be shown, are refused here
        if isinstance(self.examples, dict):  # 4.0 is a whole number in YAML, too
            whole = {kind: int(count) for kind, count in self.examples.items() if count == int(count)}
            object.__setattr__(self, "examples", self.examples | whole)
        for name, kind in _KINDS.items():
            value = _read_setting(getattr(self, name), FILES[name], kind, f"advisor.{name}")
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
        context = tuple(choice.label for choice in read_choices(self.context))
        return PromptOptions(
            self.mode,
            examples,
            count,
            labels,
            calibration,
            self.rationale,
            layout,
            regimes=self.regimes,
            context=context if self.planning is None else self.planning.beside(context),
            prompt=prompt,
            checks=self.checks,
        )

    def of_experiment(self, regimes: Regimes, checks: AskedItems) -> AdvisorConfig:
        """The same settings in an experiment with these labels and asked items; raises ``ConfigurationError`` where
        they do not fit."""
        config = replace(self)
        object.__setattr__(config, "regimes", regimes)
        object.__setattr__(config, "checks", checks)
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
    def planning(self) -> PlanOptions | None:
        """How a plan is made; None where none is."""
        return cast(PlanOptions | None, self.plan)  # read at the beginning

    @property
    def shows_measured(self) -> bool:
        """Whether analytics or images are shown."""
        return any(each.name in ("analytics", "chart") for each in read_choices(self.context))

    @property
    def menu(self) -> Menu | None:
        """What a plan may choose from, without a past; None where none is made."""
        return None if self.planning is None else self.planning.menu()

    @property
    def shown_context(self) -> Context:
        """The sources of what the model is shown, and may be shown for a plan, without a past."""
        return Context(self.context, self.unmasked, self.menu)

    @property
    def warm_ups(self) -> list[WarmUp]:
        """Decision bars that what is shown needs before the first decision, by what needs them."""
        needs = [self.lookbacks.longest]
        needs += [WarmUp(bars, f"{name} of advisor.context") for name, bars in self.shown_context.lookbacks.items()]
        if (menu := self.menu) is not None:
            needs += [WarmUp(bars, f"{name} of advisor.plan") for name, bars in menu.lookbacks.items()]
        own = [WarmUp(feature.lookback, f"{feature.name} of advisor.features") for feature in self.view.measured]
        return needs + own

    @property
    def changed_view(self) -> View | None:
        """Where decisions are made only when the text has changed: how that text is rendered."""
        return self.view if self.decide_when == "changed" else None


def read_advisor(document: Mapping[str, Any], folder: Path | None) -> AdvisorConfig:
    """The settings of a document, whose relative paths are looked for in this folder before the working folder."""
    settings = locate_files(whole(AdvisorConfig, with_tuples(dict(document))), folder)
    for name, kind in (("budget", Budget), ("lookbacks", Lookbacks), ("plan", PlanOptions)):
        if isinstance(settings.get(name), Mapping):
            settings[name] = kind(**whole(kind, with_tuples(dict(settings[name]))))
    return AdvisorConfig(**with_tuples(settings))


def write_advisor(config: AdvisorConfig) -> dict[str, Any]:
    """The document that ``read_advisor`` reads: every setting written out, but what is shown, a plan and those of
    ``RUNTIME`` only where they are set, so that an experiment of before there was a choice keeps its identity."""
    document = write_whole_advisor(config)
    if config.context == DEFAULT_CONTEXT:
        del document["context"]
    return {name: value for name, value in document.items() if value or name not in RUNTIME}


def write_whole_advisor(config: AdvisorConfig) -> dict[str, Any]:
    """The same with all settings; what is not set of a prompt or of a person's labels is left out."""
    document: dict[str, Any] = plain(asdict(config), "advisor")
    del document["regimes"], document["prompt"], document["checks"]  # of the experiment, where they stand
    if document["knowledge_until"] is None:
        del document["knowledge_until"]
    if document["plan"] is None:
        del document["plan"]
    elif document["plan"]["analytics"] is None:
        del document["plan"]["analytics"]
    if isinstance(config.calibration, LabelPrior):
        document["calibration"] = plain(config.calibration.as_dict(), "advisor.calibration")
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
        for name, suffix in FILES.items()
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
    if isinstance(section.get("plan"), Mapping) and isinstance(section["plan"].get("analytics"), list | tuple):
        listed = [with_files(entry, place_part, place_file) for entry in section["plan"]["analytics"]]
        section = section | {"plan": {**section["plan"], "analytics": listed}}
    return section | files


def _check_date(text: Any) -> None:
    try:
        date.fromisoformat(str(text))
    except ValueError:
        raise ConfigurationError(
            f"advisor.knowledge_until is {text!r:.40}, which is no day: write an ISO date such as 2023-10-01, or leave "
            "it out where the maker of the model states none."
        ) from None


def _read_setting(value: Any, suffix: str | tuple[str, ...], kind: Any, where: str) -> Any:
    """The value of a setting, where it is a file or its content read as this kind."""
    if isinstance(value, str) and value.endswith(suffix):
        return kind.from_file(at_home(value))
    return kind.from_document(value, where) if isinstance(value, dict) else value
