"""A brief of a market at a close: which close it is, what the model chooses to look at there, and what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.errors import ConfigurationError, ModelError
from llm_strategy.llm.client import LLMClient
from llm_strategy.trading.decision_lines import Entry
from simulator.experiment import LLM_ARM
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.load import moment
from simulator.prices.universe import Universe
from simulator.reporting.brief.brief import Brief, Close, write_brief
from simulator.runs.advise import advised_arm
from simulator.runs.answers import advisor_of, connect
from simulator.runs.briefs.view import View, moment_of, plan_of, view_at
from simulator.runs.lookahead.analytics import refuse_lookahead
from simulator.runs.trials.tail import visible_universe

_LONGEST_PAUSE = timedelta(days=14)


def brief_at(
    experiment: Experiment,
    at: str | None = None,
    *,
    symbol: str | None = None,
    client: LLMClient | None = None,
    advisor: str | None = None,
) -> Brief:
    """The brief of a symbol, which may be left out where there is one alone, at the last close up to ``at`` (ISO date
    or time; the end of the data if ``None``), by the ``advisor``, or arm that one advises, of this name; by the first
    such arm if none is named.

    An advisor without a plan makes the usual one. Nothing after that close is looked at. Where no model can be asked
    the program tells everything, and says so. Raises ``ConfigurationError`` for a close that is not there, and
    ``MarketDataError`` as ``compare``.
    """
    data = experiment.data
    if at is not None and data.end is not None and (end := moment_of(at, "end")) > moment(data.end, "end"):
        later = end + _LONGEST_PAUSE  # whether the market has closed for days or for good shows in later bars
        data = replace(data, end=later.date().isoformat())
    arm = advised_arm(experiment, advisor)
    whole, config = with_plan(experiment, arm.config or experiment.primary_config)
    universe, _ = visible_universe(whole, data, at=at)
    refuse_lookahead(whole, universe)
    return brief_of(universe, whole, config, at, symbol=symbol, client=client, advisor=arm.name)


def brief_of(
    universe: Universe,
    experiment: Experiment,
    config: AdvisorConfig,
    at: str | None,
    *,
    symbol: str | None,
    client: LLMClient | None,
    advisor: str,
    chosen: Iterable[Entry] = (),
) -> Brief:
    """The same from prices that are there, by an advisor with a plan; what was ``chosen`` at a decision before is not
    asked for again."""
    name = _symbol(universe, symbol)
    view = view_at(universe, experiment, config, name, at)
    asked, problem = client, ""
    if asked is None:
        try:
            asked = connect(experiment, config)
        except ModelError as failure:
            problem = f"No model can be asked ({str(failure).rstrip('.')})."
    made = next((each.decision.plan for each in chosen if each.decision.snapshot.time == view.snapshot.time), None)
    names = made or ()
    if made is None and asked is not None:
        names, problem = _plan(asked, config, view)
    by = "model" if names else "program"
    names = names or plan_of(config).without_model(view.offer)
    return write_brief(Close(name, view.snapshot.time, advisor, view.figures(names), names, by, problem), asked)


def _plan(client: LLMClient, config: AdvisorConfig, view: View) -> tuple[tuple[str, ...], str]:
    """What the model chooses, and a sentence where nothing came of that."""
    advisor = advisor_of(client, config)
    for earlier in view.before:
        advisor.witness(earlier)
    names, _ = advisor.plan(view.snapshot)
    return names, "" if names else "The model chose nothing that can be measured."


def with_plan(experiment: Experiment, config: AdvisorConfig) -> tuple[Experiment, AdvisorConfig]:
    """The experiment and settings of a brief: the same where the advisor plans, else those of an advisor that makes the
    usual plan."""
    if config.planning is not None:
        return experiment, config
    planned = replace(config, plan=PlanOptions())
    return replace(experiment, advisor=planned, advisors={}, arms=(LLM_ARM,)), planned


def _symbol(universe: Universe, symbol: str | None) -> str:
    if symbol is None and len(universe.symbols) > 1:
        raise ConfigurationError(
            f"The experiment has several symbols: add --symbol with one of {', '.join(universe.symbols)}."
        )
    return universe.decisions(symbol or universe.symbols[0]).symbol
