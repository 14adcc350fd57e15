"""An experiment: everything that decides a run, read from ``experiment.yaml``, a mapping, or written in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema

from llm_strategy.advice.checks import asked_items
from llm_strategy.advice.own_rule import in_folder, make_rule
from llm_strategy.advice.rules import BASELINES, Rule
from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.features import RANGE_BARS, WarmUp
from llm_strategy.market.regimes import REGIMES_SCHEMA, USUAL_REGIMES, Regimes
from llm_strategy.risk import Limits
from llm_strategy.support.plugins import place_reference
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.schemas import require
from llm_strategy.trading.checklist_inputs import warm_up
from llm_strategy.trading.orders import OrderRules
from simulator.experiment import LLM_ARM
from simulator.experiment.advisor import AdvisorConfig, read_advisor, write_advisor
from simulator.experiment.advisor_schema import ABSTAIN
from simulator.experiment.advisors import ADVISORS_SCHEMA, check_names, read_advisors, told_at
from simulator.experiment.alerts import AlertsConfig, check_channels
from simulator.experiment.arms import (
    ALL_ARMS,
    ARMS_SCHEMA,
    IMPLIED_ARMS,
    RULES_SCHEMA,
    TAKEN_BY_ADVISORS,
    USUAL_ARMS,
    Arm,
    names_schema,
    own_rules,
    own_rules_in,
    whole_baselines,
)
from simulator.experiment.cash_rates import with_cash_rates
from simulator.experiment.checklist import with_checklist
from simulator.experiment.documents import plain, read_document, whole, with_tuples, without_nulls
from simulator.experiment.hypotheses import HypothesesConfig
from simulator.experiment.implied import with_implied
from simulator.experiment.objects import entry_of
from simulator.experiment.plan import check_fallbacks, check_used, of_experiment, plan_arms, split_rules, write_arms
from simulator.experiment.sections import EvaluationConfig as EvaluationConfig
from simulator.experiment.sections import OutputConfig as OutputConfig
from simulator.experiment.sections import contradictions
from simulator.experiment.starters import starter_text
from simulator.experiment.watch import WatchConfig
from simulator.prices.config import DataConfig, check_sources

BOTH = "advisor and advisors are given: put all advisors under advisors, each by its name."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
SECTIONS: dict[str, Any] = {
    "data": DataConfig,
    "advisor": AdvisorConfig,
    "risk": Limits,
    "orders": OrderRules,
    "costs": Costs,
    "evaluation": EvaluationConfig,
    "output": OutputConfig,
    "watch": WatchConfig,
}
"""The sections of an experiment that are mappings, by key; ``baselines`` has none of its own."""
OPTIONAL_SECTIONS: dict[str, Any] = {"hypotheses": HypothesesConfig, "alerts": AlertsConfig}


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
    arms: Annotated[tuple[str, ...] | Mapping[str, Any], WithJsonSchema(ARMS_SCHEMA)] = USUAL_ARMS
    """Names of arms, or a mapping of each name to who decides there: ``{advisor: NAME}`` with any other settings of an
    advisor, ``{rule: NAME}``, ``{strategy: REFERENCE, params: {}}``, ``{ungated: RULE}``, or nothing for a name that is
    known."""
    baselines: Annotated[Mapping[str, Mapping[str, Any]], WithJsonSchema(RULES_SCHEMA)] = field(default_factory=dict)
    """Settings of the rules by name, such as ``{"momentum": {"bars": 60}}``; the usual ones where absent. A rule of
    one's own has its reference there: ``{"mine": {"rule": "my_rules.py:Mine", "bars": 60}}``."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    advisors: Annotated[Mapping[str, AdvisorConfig | Mapping[str, Any]], WithJsonSchema(ADVISORS_SCHEMA)] = field(
        default_factory=dict
    )
    """Several advisors by name, each a mapping of the settings of ``advisor``, in place of that one."""
    regimes: Annotated[Regimes, WithJsonSchema(REGIMES_SCHEMA)] = USUAL_REGIMES
    """The labels that every advisor chooses from. Plain data is read, too: by name a meaning, or a mapping of
    ``meaning``, ``actions`` (those that agree with it) and ``colour``."""
    hypotheses: HypothesesConfig | None = None
    """What is stated about the market and tested, where anything is."""
    watch: WatchConfig = field(default_factory=WatchConfig)
    alerts: AlertsConfig | None = None
    """Who is told of what in a watched market, if anybody; no part of what decides a run, and written nowhere."""
    folder: Path | None = field(default=None, compare=False, repr=False)
    """The folder of the experiment's file, where relative paths of what is read (prices, layout, calibration,
    ``configs/llm.yaml``) are looked for before the working folder; no part of what decides a run."""
    plan: tuple[Arm, ...] = field(default=(), init=False, compare=False, repr=False)
    """The arms of a comparison in their order, with who decides in each: those named under ``arms``, and behind them
    those that come by themselves."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"name is {self.name!r}: write letters, digits, dots, hyphens and underscores, at most 60 of them, and "
                "begin with a letter or a digit."
            )
        regimes = self.regimes if isinstance(self.regimes, Regimes) else Regimes.from_document(self.regimes)
        object.__setattr__(self, "regimes", regimes)
        self._plan_arms()
        for name in self.baselines:
            self.rule(name)  # settings that contradict are refused here
        for problem in contradictions(self):
            raise ConfigurationError(problem)
        document = without_nulls(self.as_dict())  # what is written in Python has the same bounds
        document |= {} if self.alerts is None else {"alerts": self.alerts.as_document()}
        require(names_schema(self._own_rules(), self.advisors), document, "experiment")
        require("experiment", document, "experiment")

    def _plan_arms(self) -> None:
        """Give what is said of advisors and arms its normal form."""
        named = read_advisors(self.advisors, self.folder, TAKEN_BY_ADVISORS) if self.advisors else {}
        advisors: dict[str, AdvisorConfig] = {}
        asked = asked_items(self.risk.checklist)
        for name, one in (named or {LLM_ARM: self.advisor}).items():
            with told_at(f"advisors.{name}") if named else nullcontext():
                advisors[name] = one.of_experiment(self.regimes, asked)
        arms, baselines, by_name = self.arms, self.baselines, isinstance(self.arms, Mapping)
        if isinstance(arms, Mapping):
            entries, baselines = split_rules(arms, baselines, advisors, self.folder)
        else:
            entries = dict.fromkeys(arms)
        if not entries or len(entries) < len(arms):
            raise ConfigurationError(f"arms is {list(arms)}: name at least one arm, and each once.")
        fallbacks = [config.fallback for config in advisors.values()]
        fallbacks += [str(entry.get("fallback")) for entry in entries.values() if isinstance(entry, Mapping)]
        own = own_rules(entries, fallbacks, baselines)
        plan = of_experiment(plan_arms(entries, advisors, own, self.folder), self.regimes, asked)
        check_fallbacks(plan, own)
        if named:
            check_used(plan, named)
            if self.advisor not in (AdvisorConfig(), *(arm.config for arm in plan)):
                raise ConfigurationError(BOTH)
        if by_name:
            object.__setattr__(self, "arms", write_arms(plan, entries))
        configs = {arm.name: arm.config for arm in plan if arm.config is not None}
        first = min(configs, key=lambda name: name != self.evaluation.primary, default=None) if named else None
        object.__setattr__(self, "advisor", advisors[LLM_ARM] if first is None else configs[first])
        object.__setattr__(self, "advisors", advisors if named else {})
        object.__setattr__(self, "plan", with_implied(plan))
        object.__setattr__(self, "baselines", whole_baselines(baselines, own))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = "experiment", *, folder: Path | None = None) -> Self:
        """An experiment from plain data, checked against ``contracts/experiment.schema.json``; relative paths belong to
        the ``folder``, or else to the working folder."""
        document = {key: value for key, value in plain(mapping, where).items() if value is not None}
        if isinstance(document.get("arms"), dict):
            document["arms"] = {name: entry_of(name, entry) for name, entry in document["arms"].items()}
        if isinstance(document.get("data"), Mapping):
            check_sources(document["data"].get("source"), document["data"].get("sources"))
        if document.get("advisor") and document.get("advisors"):
            raise ConfigurationError(f"{where}: {BOTH}")
        if "regimes" in document:
            document["regimes"] = Regimes.from_document(document["regimes"], where).as_dict()  # in words of its own
        advisors = document.get("advisors")
        check_channels(document.get("alerts"))
        check_names({} if advisors is None else advisors, TAKEN_BY_ADVISORS)
        require(names_schema(own_rules_in(document), advisors if isinstance(advisors, dict) else ()), document, where)
        require("experiment", document, where)
        if "baselines" in document:
            document["baselines"] = {
                name: in_folder(settings, folder) for name, settings in document["baselines"].items()
            }
        if "data" in document:
            document["data"] = {key: value for key, value in document["data"].items() if value is not None}
        if "sections" in document.get("output", {}):
            sections = [place_reference(section, folder) for section in document["output"]["sections"]]
            document["output"] = document["output"] | {"sections": sections}
        if "costs" in document:
            document["costs"] = with_cash_rates(document["costs"], folder)
        if "risk" in document:
            document["risk"] = with_checklist(document["risk"], folder)
        document, kinds = with_tuples(document), SECTIONS | OPTIONAL_SECTIONS
        if "advisor" in document:
            document["advisor"] = read_advisor(document["advisor"], folder)
        return cls(
            **{
                key: kinds[key](**whole(kinds[key], with_tuples(value)))
                if key in kinds and isinstance(value, dict)
                else value
                for key, value in document.items()
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
        return cls.from_mapping(read_document(text, where, SECTIONS), where, folder=folder)

    @classmethod
    def starter(cls) -> Self:
        """The experiment of the demo."""
        return cls.from_text(starter_text(), "the starter experiment")

    @property
    def compared(self) -> tuple[str, ...]:
        """The names of all arms of a comparison, those included that come by themselves, without ``random``: that is
        the accounts at other moments, which have no folder of their own."""
        return tuple(arm.name for arm in self.plan if arm.kind != "random")

    @property
    def known_arms(self) -> tuple[str, ...]:
        """The names that an arm can have: those of its arms, of its advisors, of the rules, and of the program."""
        advised = self.advisors or (LLM_ARM,)
        names = (*self.compared, *advised, *ALL_ARMS[1:], *IMPLIED_ARMS, *self.baselines)
        return tuple(dict.fromkeys(names))

    def arm(self, name: str) -> Arm:
        """The arm of this name, which need not be one of those that are compared; ``ConfigurationError`` where it is
        unknown."""
        for arm in self.plan:
            if arm.name == name:
                return arm
        (arm,) = plan_arms({name: None}, self.advisors_by_name, self._own_rules(), self.folder)
        return arm

    @property
    def advisors_by_name(self) -> Mapping[str, AdvisorConfig]:
        """The settings of each advisor; of the only one, where it has no name, by ``llm``."""
        return {name: config for name, config in self.advisors.items() if isinstance(config, AdvisorConfig)} or {
            LLM_ARM: self.advisor
        }

    @property
    def primary(self) -> Arm | None:
        """The arm that a report is about, whose schedule the rules follow: the advised one that ``evaluation`` names,
        or else the first."""
        advised = [arm for arm in self.plan if arm.kind == "advisor"]
        return min(advised, key=lambda arm: arm.name != self.evaluation.primary, default=None)

    @property
    def primary_config(self) -> AdvisorConfig:
        """The settings of the primary arm, or of ``advisor`` where no model advises."""
        return self.primary.config if self.primary and self.primary.config else self.advisor

    def place_of(self, advisor: str) -> str:
        """Where the settings of an advisor stand, as an error names it."""
        return f"advisors.{advisor}" if self.advisors else "advisor"

    @property
    def names_advisors(self) -> bool:
        """Whether advisors or arms are written by name, which earlier versions do not know."""
        return bool(self.advisors) or isinstance(self.arms, Mapping)

    @property
    def further_draws(self) -> range:
        """The numbers of the draws of an advised arm after the first."""
        return range(2, self.evaluation.draws + 1)

    @property
    def warm_up(self) -> WarmUp:
        """Decision bars up to the first decision, the same for every arm: the most that features, arms, fallback and
        limits need."""
        configs = [arm.config for arm in self.plan if arm.config is not None] or [self.advisor]
        rules = [arm.rule for arm in self.plan if arm.kind in ("rule", "ungated")]
        rules += [config.fallback for config in configs if config.fallback != ABSTAIN]
        needs = [need for config in configs for need in config.warm_ups]
        needs += [WarmUp(self.rule(name).bars_needed, f"baselines.{name}") for name in dict.fromkeys(rules)]
        if self.hypotheses is not None:
            needs.append(self.hypotheses.warm_up)
        if self.risk.uses_average_range:
            needs.append(WarmUp(RANGE_BARS + 1, "the average true range of risk"))
        if self.risk.checklist is not None:
            needs.append(warm_up(self.risk.checklist))
        return max(needs, key=lambda need: need.bars)

    def fallback_of(self, config: AdvisorConfig) -> Rule | None:
        """The rule that decides where this advisor's model failed, made anew; none where the decision is an
        abstention."""
        return None if config.fallback == ABSTAIN else self.rule(config.fallback)

    def rule(self, name: str) -> Rule:
        """A baseline by its name, made anew with its settings."""
        settings = self.baselines.get(name, {})
        return BASELINES[name](**settings) if name in BASELINES else make_rule(name, settings)

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration as plain data, every default written out, but for ``alerts``; of ``advisor`` and
        ``advisors`` the one that is used."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.compare}
        document: dict[str, Any] = plain(
            {
                name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
                for name, value in (values | {"risk": self.risk.as_dict()}).items()
                if name not in ("advisor", "advisors", "regimes", "hypotheses", "watch", "alerts")
            },
            "experiment",
        )
        document["data"]["source"] = self.data.source or None
        named = {name: write_advisor(config) for name, config in self.advisors_by_name.items()}
        more = {"advisors": named} if self.advisors else {"advisor": write_advisor(self.advisor)}
        if not self.regimes.are_default:
            more["regimes"] = self.regimes.as_dict()
        if self.hypotheses is not None:
            more["hypotheses"] = self.hypotheses.as_document()
        if self.watch != WatchConfig():
            more["watch"] = asdict(self.watch)
        order = [name for name in values if name in document | more]
        return {name: (document | more)[name] for name in order}

    def resolved(self) -> dict[str, Any]:
        """The same for a manifest, with the name of the primary arm where the experiment leaves it to the order."""
        document = self.as_dict()
        named = None if self.primary is None else self.primary.name
        return document | {"evaluation": document["evaluation"] | {"primary": named}}

    def _own_rules(self) -> list[str]:
        return [name for name in self.baselines if name not in BASELINES]
