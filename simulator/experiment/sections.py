"""The sections ``evaluation`` and ``output`` of an experiment, and what its sections say against each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, WithJsonSchema

from llm_strategy.errors import ConfigurationError, did_you_mean, shown
from llm_strategy.support.read_regular import at_home
from simulator.experiment.checklist import idle_items

if TYPE_CHECKING:
    from simulator.experiment.configuration import Experiment

MOST_DRAWS = 100
MOST_PLACEBOS = 100_000
_HOLDOUT = {
    "description": "a fraction of the decisions, such as 0.2, or the date of the first sealed bar, such as 2016-01-04",
    "type": ["number", "string", "null"],
}


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How results are measured. ``bars_per_year`` of ``None`` is counted by the calendar.

    ``draws`` is how often in all the llm arm's decisions are drawn: those beyond the first measure the noise floor.
    """

    bars_per_year: Annotated[int, Field(ge=1)] | None = None
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    """Of all intervals and tests."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Resamples behind each interval."""
    draws: Annotated[
        int, Field(ge=1, le=MOST_DRAWS, description="how often in all the decisions of the llm arm are drawn")
    ] = 1
    seed: Annotated[int, Field(ge=0)] = 7
    worthwhile: Annotated[float, Field(ge=0, le=10)] = 0.2
    """The smallest difference of annual Sharpe ratios that would be worth having, named before the run."""
    placebos: Annotated[int, Field(ge=0, le=MOST_PLACEBOS)] = 999
    """Accounts with the holding times of an advised arm at other moments, beside which it stands; 0 makes none."""
    holdout: Annotated[float | str | None, WithJsonSchema(_HOLDOUT)] = None
    """The last bars that are sealed, neither run nor shown until ``btllm open-holdout``: a fraction of the decisions,
    or the date of the first one."""
    primary: Annotated[str, Field(min_length=1)] | None = None
    """The arm whose verdict is that of the experiment, named before the run: the first that a model advises if none
    is."""

    def __post_init__(self) -> None:
        if not 1 <= self.draws <= MOST_DRAWS or self.draws != int(self.draws):
            raise ConfigurationError(
                f"evaluation.draws is {shown(self.draws)}: give a whole number from 1 to {MOST_DRAWS}."
            )
        _check_holdout(self.holdout)
        if self.primary is not None and not isinstance(self.primary, str):
            raise ConfigurationError(f"evaluation.primary is {shown(self.primary)}: give the name of an arm.")
        object.__setattr__(self, "draws", int(self.draws))  # 2.0 is a whole number in YAML, too


def _check_holdout(holdout: object) -> None:
    """Raise ``ConfigurationError`` for what is neither a fraction nor a date."""
    if isinstance(holdout, str):
        try:
            if datetime.fromisoformat(holdout).tzinfo is None and "W" not in holdout:
                return
        except ValueError:
            pass
    elif holdout is None or (isinstance(holdout, int | float) and not isinstance(holdout, bool) and 0 < holdout < 1):
        return
    raise ConfigurationError(
        f"evaluation.holdout is {shown(holdout)}: give a fraction of the decisions between 0 and 1, such as 0.2, or "
        "the date of the first sealed bar, such as 2016-01-04."
    )


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


def contradictions(experiment: Experiment) -> list[str]:
    """One sentence for each pair of settings that cannot both hold."""
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
    problems += _primary_problems(experiment)
    problems += idle_items(risk.checklist, experiment.plan, data)
    if orders.fill == "same_close" and costs.max_fill_share is not None:
        problems.append(
            "orders.fill is same_close, which knows no volume to fill from: leave costs.max_fill_share out."
        )
    if len(data.sources or ()) < 2 and (of := experiment.advisor.analogues_of) not in ("", "own"):
        problems.append(
            f"advisor.context: analogues looks at {of} symbols, and there is one alone: leave of out, or name more "
            "symbols in data.sources."
        )
    return problems


def _primary_problems(experiment: Experiment) -> list[str]:
    """What speaks against the arm that is named as the primary one."""
    name = experiment.evaluation.primary
    if name is None:
        return []
    advised = {arm.name: arm for arm in experiment.plan if arm.kind == "advisor"}
    whole = [arm.name for arm in advised.values() if not arm.null]
    if name not in advised:
        hint = did_you_mean(name, whole) if whole else ": no arm of this experiment is advised, so leave it out."
        return [f"evaluation.primary is {shown(name)}, which is no arm that a model advises{hint}"]
    if advised[name].null and whole:
        return [
            f"evaluation.primary is {shown(name)}, a null that {advised[name].null_of} is compared with: name one of "
            f"{', '.join(whole)}."
        ]
    return []
