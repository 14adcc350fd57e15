"""An experiment: everything that decides a run, read from ``experiment.yaml``, a mapping, or written in Python."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import pandas as pd
from pydantic import Field, WithJsonSchema

from llm_strategy.advice.own_rule import in_folder, make_rule
from llm_strategy.advice.rules import BASELINES, Rule
from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError, shown
from llm_strategy.llm.metering.calls import Budget
from llm_strategy.market.context.registry import DEFAULT_CONTEXT
from llm_strategy.market.features import RANGE_BARS, Lookbacks, WarmUp
from llm_strategy.market.regimes import REGIMES_SCHEMA, USUAL_REGIMES, Regimes
from llm_strategy.risk import Limits
from llm_strategy.support.plugins import place_reference
from llm_strategy.support.read_regular import at_home, read_text
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_yaml import parse_yaml
from llm_strategy.trading.orders import OrderRules
from simulator.experiment import LLM_ARM, RANDOM_ARM
from simulator.experiment.advisor import ABSTAIN, AdvisorConfig, locate_files
from simulator.experiment.arms import (
    ALL_ARMS,
    ARMS_SCHEMA,
    RULES_SCHEMA,
    check_arms,
    names_schema,
    own_rules,
    own_rules_in,
    whole_baselines,
)
from simulator.experiment.schema import whole_numbers
from simulator.experiment.starters import starter_text
from simulator.prices.config import DataConfig, check_sources
from simulator.prices.sources.frames import FrameSource

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
MOST_DRAWS = 100
LARGEST_NUMBER = 10**15
"""Of any setting, in either direction: beyond it sums of money and counts of bars lose their last digits."""


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How results are measured. ``bars_per_year`` of ``None`` is counted by the calendar.

    ``draws`` is how often in all the llm arm's decisions are drawn: those beyond the first measure the noise floor.
    """

    bars_per_year: Annotated[int, Field(ge=1)] | None = None
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    draws: Annotated[
        int, Field(ge=1, le=MOST_DRAWS, description="how often in all the decisions of the llm arm are drawn")
    ] = 1
    seed: Annotated[int, Field(ge=0)] = 7

    def __post_init__(self) -> None:
        if not 1 <= self.draws <= MOST_DRAWS or self.draws != int(self.draws):
            raise ConfigurationError(
                f"evaluation.draws is {shown(self.draws)}: give a whole number from 1 to {MOST_DRAWS}."
            )
        object.__setattr__(self, "draws", int(self.draws))  # 2.0 is a whole number in YAML, too


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where runs go, whether the model is asked to explain them, and which sections of one's own their report has.

    Each of the ``sections`` is ``FILE.py:NAME``, ``package.module:NAME`` or the name of an entry point of the group
    ``backtrader_llm.report_sections``.
    """

    folder: Annotated[str, Field(min_length=1)] = "reports"
    explain: bool = True
    sections: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], Field(json_schema_extra={"uniqueItems": True})
    ] = ()

    @property
    def path(self) -> Path:
        """The folder, with ``~`` put in place."""
        return at_home(self.folder)


SECTIONS: dict[str, Any] = {
    "data": DataConfig,
    "advisor": AdvisorConfig,
    "risk": Limits,
    "orders": OrderRules,
    "costs": Costs,
    "evaluation": EvaluationConfig,
    "output": OutputConfig,
}
"""The sections of an experiment that are mappings, by key; ``baselines`` has none of its own."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """The whole configuration of a run. Raises ``ConfigurationError`` naming the key that is wrong."""

    name: Annotated[
        str,
        Field(
            pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$",
            description="letters, digits, dots, hyphens and underscores, at most 60 of them",
        ),
    ] = "experiment"
    data: DataConfig = field(default_factory=DataConfig)
    advisor: AdvisorConfig = field(default_factory=AdvisorConfig)
    risk: Limits = field(default_factory=Limits)
    orders: OrderRules = field(default_factory=OrderRules)
    costs: Costs = field(default_factory=Costs)
    arms: Annotated[tuple[str, ...], WithJsonSchema(ARMS_SCHEMA)] = ALL_ARMS
    baselines: Annotated[Mapping[str, Mapping[str, Any]], WithJsonSchema(RULES_SCHEMA)] = field(default_factory=dict)
    """Settings of the rules by name, such as ``{"momentum": {"bars": 60}}``; the usual ones where absent. A rule of
    one's own has its reference there: ``{"mine": {"rule": "my_rules.py:Mine", "bars": 60}}``."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    regimes: Annotated[Regimes, WithJsonSchema(REGIMES_SCHEMA)] = USUAL_REGIMES
    """The labels that every advisor chooses from. Plain data is read, too: by name a meaning, or a mapping of
    ``meaning``, ``actions`` (those that agree with it) and ``colour``."""
    folder: Path | None = field(default=None, compare=False, repr=False)
    """The folder of the experiment's file, where relative paths of what is read (prices, layout, calibration,
    ``configs/llm.yaml``) are looked for before the working folder. It is no part of what decides a run."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"name is {self.name!r}: write letters, digits, dots, hyphens and underscores, at most 60 of them, and "
                "begin with a letter or a digit."
            )
        own = own_rules(self.arms, self.advisor.fallback, self.baselines)
        check_arms(self.arms, own)
        regimes = self.regimes if isinstance(self.regimes, Regimes) else Regimes.from_document(self.regimes)
        # the one way to give a frozen instance its normal form
        object.__setattr__(self, "regimes", regimes)
        object.__setattr__(self, "advisor", self.advisor.with_regimes(regimes))
        object.__setattr__(self, "baselines", whole_baselines(self.baselines, own))
        for name in self.baselines:
            self.rule(name)  # settings that contradict are refused here
        for problem in _contradictions(self):
            raise ConfigurationError(problem)
        document = _without_nulls(self.as_dict())  # what is written in Python has the same bounds
        require(names_schema(own), document, "experiment")
        require("experiment", document, "experiment")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = "experiment", *, folder: Path | None = None) -> Self:
        """An experiment from plain data, checked against ``contracts/experiment.schema.json``; relative paths belong to
        the ``folder``, or else to the working folder."""
        document = {key: value for key, value in _plain(mapping, where).items() if value is not None}
        if isinstance(document.get("data"), Mapping):
            check_sources(document["data"].get("source"), document["data"].get("sources"))
        if "regimes" in document:
            document["regimes"] = Regimes.from_document(document["regimes"], where).as_dict()  # in words of its own
        require(names_schema(own_rules_in(document)), document, where)
        require("experiment", document, where)
        if "baselines" in document:
            document["baselines"] = {
                name: in_folder(settings, folder) for name, settings in document["baselines"].items()
            }
        if "budget" in document.get("advisor", {}):
            document["advisor"]["budget"] = Budget(**_whole(Budget, document["advisor"]["budget"]))
        if "lookbacks" in document.get("advisor", {}):
            document["advisor"]["lookbacks"] = Lookbacks(**document["advisor"]["lookbacks"])
        if "data" in document:
            document["data"] = {key: value for key, value in document["data"].items() if value is not None}
        if "advisor" in document:
            document["advisor"] = locate_files(document["advisor"], folder)
        if "sections" in document.get("output", {}):
            sections = [place_reference(section, folder) for section in document["output"]["sections"]]
            document["output"] = document["output"] | {"sections": sections}
        return cls(
            **{
                key: SECTIONS[key](**_whole(SECTIONS[key], _with_tuples(value))) if key in SECTIONS else value
                for key, value in _with_tuples(document).items()
            },
            folder=folder,
        )

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """An experiment from a YAML file; every key may be left out."""
        try:
            text = read_text(path)
        except FileNotFoundError:
            raise ConfigurationError(f"There is no file {path}; write a starter with: btllm init") from None
        except OSError as problem:
            raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
        return cls.from_text(text, str(path), folder=path.parent)

    @classmethod
    def from_text(cls, text: str, where: str = "experiment.yaml", *, folder: Path | None = None) -> Self:
        """An experiment from the text of a YAML file, which lies in this ``folder``."""
        document = parse_yaml(text, where)
        if document is None:
            raise ConfigurationError(f"{where} is empty; write a starter with: btllm init")
        if not isinstance(document, dict):
            raise ConfigurationError(f"{where} holds no keys; write a starter with: btllm init")
        return cls.from_mapping(document, where, folder=folder)

    @classmethod
    def starter(cls) -> Self:
        """The experiment of the demo."""
        return cls.from_text(starter_text(), "the starter experiment")

    @property
    def known_arms(self) -> tuple[str, ...]:
        """The names that an arm can have: the model's, those of the rules, and ``random``."""
        return (*ALL_ARMS, *(name for name in self.baselines if name not in BASELINES))

    @property
    def further_draws(self) -> range:
        """The numbers of the llm arm's draws after the first."""
        return range(2, self.evaluation.draws + 1)

    @property
    def warm_up(self) -> WarmUp:
        """Decision bars up to the first decision, the same for every arm: the most that features, arms, fallback and
        limits need."""
        needs = [self.advisor.lookbacks.longest]
        needs += [
            WarmUp(bars, f"{name} of advisor.context") for name, bars in self.advisor.shown_context.lookbacks.items()
        ]
        needs += [
            WarmUp(feature.lookback, f"{feature.name} of advisor.features") for feature in self.advisor.view.measured
        ]
        for name in dict.fromkeys((*self.arms, self.advisor.fallback)):
            if name not in (LLM_ARM, RANDOM_ARM, ABSTAIN):
                needs.append(WarmUp(self.rule(name).bars_needed, f"baselines.{name}"))
        if self.risk.uses_average_range:
            needs.append(WarmUp(RANGE_BARS + 1, "the average true range of risk"))
        return max(needs, key=lambda need: need.bars)

    @property
    def fallback_rule(self) -> Rule | None:
        """The rule that decides where the model failed, made anew; none where the decision is an abstention."""
        return None if self.advisor.fallback == ABSTAIN else self.rule(self.advisor.fallback)

    def rule(self, name: str) -> Rule:
        """A baseline by its name, made anew with its settings."""
        settings = self.baselines.get(name, {})
        return BASELINES[name](**settings) if name in BASELINES else make_rule(name, settings)

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration as plain data, every default written out."""
        plain: dict[str, Any] = _plain(
            {key: value for key, value in asdict(self).items() if key != "folder"}, "experiment"
        )
        plain["data"]["source"] = self.data.source or None
        if self.advisor.context == DEFAULT_CONTEXT:
            del plain["advisor"]["context"]  # an experiment of before there was a choice keeps its identity
        del plain["advisor"]["regimes"]  # which stand in their own place
        del plain["regimes"]
        return plain if self.regimes.are_default else plain | {"regimes": self.regimes.as_dict()}


def _contradictions(experiment: Experiment) -> list[str]:
    """What sections say against each other."""
    data, risk, orders, costs = experiment.data, experiment.risk, experiment.orders, experiment.costs
    problems = []
    if risk.max_group_exposure is not None and not data.groups:
        problems.append(
            "risk.max_group_exposure is set and there are no groups: name them in data.groups, or leave it out."
        )
    if not risk.allow_short and risk.max_gross_exposure > costs.leverage:
        problems.append(
            f"risk.max_gross_exposure is {risk.max_gross_exposure} and costs.leverage is {costs.leverage}: the broker "
            "lends less than that, raise the one or lower the other."
        )
    if problem := orders.problem_with(risk):
        problems.append(problem)
    if orders.fill == "same_close" and costs.max_fill_share is not None:
        problems.append(
            "orders.fill is same_close, which knows no volume to fill from: leave costs.max_fill_share out."
        )
    return problems


def _plain(value: Any, place: str) -> Any:
    """Mappings, lists and dates of YAML as JSON types, DataFrames as sources; an error begins with the ``place``."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ConfigurationError(
                    f"The key {key!r} is no text (YAML reads ON, NO and 0700 as something else): put it in quotes."
                )
        return {key: _plain(entry, f"{place}: {key:.60}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, place) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{place}: {value} is no setting: every number must be finite.")
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        number = f"{value:.6g}" if isinstance(value, float) else f"A whole number of {value.bit_length()} bits"
        raise ConfigurationError(
            f"{place}: {number} is no setting: every number lies within {LARGEST_NUMBER:.0e} of zero."
        )
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise ConfigurationError(
            f"{place}: {value!r:.60} is no setting: no text holds a NUL character, or half of a sign (as a name of a "
            "file does that is not UTF-8): correct it, or rename the file."
        )
    if isinstance(value, datetime.date):
        return value.isoformat()
    return FrameSource(value) if isinstance(value, pd.DataFrame) else value


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    """A whole configuration without what is not set, as a person would write it."""
    return {
        key: {name: entry for name, entry in value.items() if entry is not None} if isinstance(value, dict) else value
        for key, value in document.items()
    }


def _whole(kind: type, section: dict[str, Any]) -> dict[str, Any]:
    """The section with whole numbers where only those are meant: 2.0 is one in YAML, too."""
    counts = whole_numbers(kind)
    return {key: int(value) if key in counts and isinstance(value, float) else value for key, value in section.items()}


def _with_tuples(section: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
