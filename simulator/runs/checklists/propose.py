"""A model drafts a checklist for an experiment: it chooses from lists, so that whatever it chooses is a checklist that
loosens nothing.

It is shown settings, and how figures were spread over closes before the experiment's window or, where there are none,
over the first third of it. Neither symbol nor date nor price is shown.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from llm_strategy.advice.choosing import NoChoice, Questions
from llm_strategy.advice.written_prompt import render
from llm_strategy.errors import BackendFailure, ConfigurationError, MarketDataError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message
from llm_strategy.risk import Limits
from llm_strategy.risk.checklist import EFFECTS
from llm_strategy.risk.checklist.presets import PRESETS
from llm_strategy.support.condition import show_value
from llm_strategy.support.secrets import redact
from llm_strategy.trading.checklist_file import read_checklist
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.prices.table import iso_times
from simulator.prices.universe import Universe, load_universe
from simulator.runs.advisors.session import sessions_of
from simulator.runs.checklists.draft import Draft, Line
from simulator.runs.compare import AnyExperiment, as_experiment
from simulator.runs.hypotheses.propose import RANK_WORDS
from simulator.runs.hypotheses.window_facts import FieldFacts, WindowFacts, window_facts
from simulator.runs.hypotheses.windows import Window
from simulator.runs.trials.tail import visible_universe

log = logging.getLogger(__name__)

CONDITIONS = 2
"""Items with conditions that are drafted where nobody says how many."""
MOST_FAILED = 3
"""Questions without an answer that could be taken, after which nothing is drafted."""
FEWEST_CLOSES = 60
"""Closes below which quantiles tell nothing."""
SPOKEN_OF = (
    "market",
    "trend_strength",
    "extremes",
    "rsi",
    "drawdown_anatomy",
    "volatility_cone",
    "true_range",
    "jumps",
    "gaps",
    "compression",
)
"""The analytics that conditions are drafted of: a short list, which a small model reads whole."""
_OFF, _NONE = "off", "none"
_PRESETS: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "drawdown_brake": {f"from {share}% on": {"at": share / 100} for share in (5, 10, 15)},
    "volatility_brake": {f"from rank {rank}% on": {"at": rank / 100} for rank in (75, 90, 95)},
    "label_changes": {f"more than {most} changes": {"most": most} for most in (3, 5, 8)},
    "stale_data": {"on": {}},
}
"""What a model may set a preset to, in words and as its options."""
_QUESTIONS = {
    "overextended": "Does the market look overextended?",
    "panic": "Does the market look as in a panic?",
    "no_direction": "Is the market without a direction?",
}
_TIGHTER = (0.75, 0.5, 0.25)
"""Parts of a limit that are offered beside the limit itself."""
_LIMITS = {
    "max_position_size": "the largest new position as a share of equity.",
    "max_risk_per_trade": "the largest loss at the stop as a share of equity.",
    "max_gross_exposure": "the value of all positions as a share of equity.",
    "max_drawdown": "the loss from the highest equity at which everything is closed.",
    "max_daily_loss": "the loss since the day before from which nothing is opened until the day is over.",
}
_OF_NONE = {"max_daily_loss": (0.05, 0.03, 0.02)}
"""What is offered where a limit is off."""
_SIDES = {"above": ">", "below": "<"}


def propose_checklist(
    experiment: AnyExperiment, *, conditions: int = CONDITIONS, client: LLMClient | None = None
) -> Draft:
    """Let the model of the first advised arm draft a checklist with so many conditions, presets, a question and tighter
    limits; ``Draft.write`` keeps it, and nothing is in force until a person names that file in ``risk.checklist``.

    Raises ``ConfigurationError`` where no arm is advised by a model, where the closes are too few, and where the model
    chose nothing, ``ModelError`` where it cannot be asked or too many of its answers could not be taken, and what
    ``compare`` raises for prices.
    """
    wanted = as_experiment(experiment)
    advised = [arm for arm in wanted.plan if arm.config is not None][:1]
    if not advised:
        raise ConfigurationError(
            "A checklist is drafted by a model, and no arm of the experiment is advised by one: add llm to arms."
        )
    bars = _bars(wanted)
    facts = window_facts(bars.universe, wanted, SPOKEN_OF, bars.window)
    return _asked(wanted, advised, facts, bars, conditions, client)


class _Bars(NamedTuple):
    """The closes that a draft is made from, and which part of the experiment's prices they are."""

    universe: Universe
    window: Window
    why: str


def _bars(experiment: Experiment) -> _Bars:
    """The closes before the first decision of the experiment, or else the first third of its own."""
    data, folder = experiment.data, experiment.folder
    if data.start is not None:
        before = replace(data, start=None, end=(date.fromisoformat(data.start[:10]) - timedelta(days=1)).isoformat())
        try:
            universe = load_universe(before, minimum_bars=experiment.warm_up.bars + 2, folder=folder)
            times = _times(universe, experiment)
        except MarketDataError:
            times = []
        if len(times) >= FEWEST_CLOSES:
            return _Bars(universe, Window(times[0], times[-1], len(times)), "those before data.start of the experiment")
    universe, _ = visible_universe(experiment, minimum_bars=experiment.warm_up.bars + 2)
    times = _times(universe, experiment)
    times = times[: len(times) // 3]
    if len(times) < FEWEST_CLOSES:
        raise ConfigurationError(
            f"A draft is made from the first third of an experiment's closes, and that is {len(times)}: give it more "
            f"bars, so that there are at least {FEWEST_CLOSES}."
        )
    return _Bars(universe, Window(times[0], times[-1], len(times)), "the first third of the experiment's own")


def _times(universe: Universe, experiment: Experiment) -> list[str]:
    """The closes of all symbols from the first decision on."""
    first = experiment.warm_up.bars - 1
    indexes = [universe.decisions(symbol).table.index[first:] for symbol in universe.symbols]
    times = pd.DatetimeIndex(np.unique(np.concatenate([index.to_numpy() for index in indexes])))
    return iso_times(times)


def _asked(
    experiment: Experiment,
    advised: Sequence[Arm],
    facts: WindowFacts,
    bars: _Bars,
    conditions: int,
    client: LLMClient | None,
) -> Draft:
    (session,) = sessions_of(experiment, advised, client)
    with session.model.session(budget=session.config.budget, prices=session.prices) as asked:
        drafting = _Drafting(Questions(asked), experiment, facts)
        drafting.presets()
        drafting.conditions(conditions)
        drafting.question()
        drafting.limits_of(experiment.risk)
    items, limits = drafting.items, drafting.limits
    if not items:
        raise ConfigurationError("The model left every item out, and a checklist needs one: write it by hand.")
    content = {"items": {name: line.content for name, line in items.items()}}
    content |= {"limits": {name: line.content for name, line in limits.items()}} if limits else {}
    checklist = read_checklist(content, where="The draft")
    replace(experiment.risk, checklist=checklist)  # what loosens a limit would be refused here
    return Draft(
        model=redact(f"{session.model.identity.name} ({session.model.identity.backend})"),
        closes=bars.window.closes,
        first=bars.window.first,
        last=bars.window.last,
        why=bars.why,
        items=items,
        limits=limits,
        asked=drafting.asked,
        failed=drafting.failed,
        checklist=checklist,
    )


class _Drafting:
    """Asks for one part of a checklist after the other; a part whose question fails is left out."""

    def __init__(self, questions: Questions, experiment: Experiment, facts: WindowFacts) -> None:
        self._questions = questions
        self.items: dict[str, Line] = {}
        self.limits: dict[str, Line] = {}
        self.asked = self.failed = 0
        self._facts = facts
        self._system = Message("system", render("checklist_draft.j2", part="system", settings=_settings(experiment)))

    def presets(self) -> None:
        """Each preset that needs nothing of a person."""
        for name, settings in _PRESETS.items():
            kind = PRESETS[name]
            told = " ".join((kind.__doc__ or "").replace("``", "").split())
            chosen = self._choose("setting", (_OFF, *settings), "preset", subject=name, description=told)
            if chosen is not None and chosen in settings:
                content = {"preset": name} | settings[chosen] | {"do": kind.usual}
                self.items[name] = Line(content, f"{told} Here: {kind.usual}s an entry, {chosen}.")

    def conditions(self, count: int) -> None:
        """Items with a condition over an analytic, no analytic twice."""
        left = list(self._facts.analytics)
        for _ in range(min(count, len(left))):
            told = [(each.name, each.description) for each in left]
            chosen = self._choose("analytic", [each.name for each in left], "analytic", analytics=told)
            analytic = next((each for each in left if each.name == chosen), None)
            if analytic is None:
                return
            left.remove(analytic)
            fields = {name.partition(".")[2]: facts for name, facts in self._facts.of(analytic).items()}
            spoken = [(output, facts.quantity.description) for output, facts in fields.items()]
            output = self._choose("field", list(fields), "field", subject=analytic.name, fields=spoken)
            if output is not None:
                self._condition(f"{analytic.name}.{output}", fields[output])

    def question(self) -> None:
        """A question that the advisor is asked with each advice."""
        chosen = self._choose("question", (_NONE, *_QUESTIONS.values()), "question")
        for name, text in _QUESTIONS.items():
            if text == chosen:
                means = "The advisor is asked this with every advice; its yes halves an entry."
                self.items[name] = Line({"ask": text, "do": "halve"}, means)

    def limits_of(self, risk: Limits) -> None:
        """Limits as they are or tighter."""
        for name, means in _LIMITS.items():
            now: float | None = getattr(risk, name)
            tighter = _OF_NONE.get(name, ()) if now is None else [float(f"{now * part:.2g}") for part in _TIGHTER]
            offered = {_percent(value): value for value in tighter if now is None or value < now}
            value = _OFF if now is None else _percent(now)
            chosen = self._choose("limit", (value, *offered), "limit", subject=name, description=means, value=value)
            if chosen in offered:
                self.limits[name] = Line(offered[chosen], f"Tighter than risk.{name}, which is {value}: {means}")

    def _condition(self, field: str, facts: FieldFacts) -> None:
        about = {"subject": field, "description": facts.quantity.description, "spread": _spread(facts)}
        before = {"field": field}
        if facts.words:
            state = self._choose("state", list(facts.words), "condition", before, **about)
            if state is None:
                return
            written, told = f"{field} is {state}", f"as at {100 * facts.words[state]:.0f}% of those closes"
        else:
            side = self._choose("side", list(_SIDES), "condition", before, **about)
            offered = {RANK_WORDS[rank]: (rank, value) for rank, value in facts.thresholds.items()}
            threshold = side and self._choose("threshold", list(offered), "condition", before | {"side": side}, **about)
            if not side or not threshold:
                return
            rank, value = offered[threshold]
            share = 1 - rank if side == "above" else rank
            written, told = f"{field} {_SIDES[side]} {value:.12g}", f"as at about {100 * share:.0f}% of those closes"
        do = self._choose("entry", EFFECTS, "condition", before | {"when": written}, **about)
        if do is not None:
            name = field.replace(".", "_")[:40]
            self.items[name] = Line({"when": written, "do": do}, f"{facts.quantity.description}: {told}.")

    def _choose(
        self, about: str, texts: Sequence[str], part: str, before: Mapping[str, str] | None = None, **told: Any
    ) -> str | None:
        """The text that the model chooses, None where it chooses none; after too many of these ``BackendFailure``."""
        if len(texts) == 1:
            return texts[0]
        messages = (self._system, Message("user", render("checklist_draft.j2", part=part, **told)))
        self.asked += 1
        try:
            return texts[self._questions.choose(about, messages, before or {}, texts)]
        except NoChoice as problem:
            self.failed += 1
            log.info("%s: no choice: %s", about, redact(str(problem)))
            if self.failed > MOST_FAILED:
                raise BackendFailure(
                    f"The model gave {self.failed} answers that are none of the choices, so nothing was drafted (the "
                    f"last: {redact(str(problem)).rstrip('.')}): choose another model."
                ) from None
            return None


def _settings(experiment: Experiment) -> list[tuple[str, str]]:
    risk, data = experiment.risk, experiment.data
    return [
        ("bars", data.decide_on or data.timeframe),
        ("short positions", "allowed" if risk.allow_short else "not allowed"),
        ("distance of the stop", _percent(risk.stop_loss_pct)),
        *((name, _OFF if (value := getattr(risk, name)) is None else _percent(value)) for name in _LIMITS),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _spread(facts: FieldFacts) -> str:
    if facts.words:
        return ", ".join(f"{word} at {100 * share:.0f}%" for word, share in facts.words.items())
    unit = facts.quantity.unit
    return ", ".join(f"{RANK_WORDS[rank]} is {show_value(value, unit)}" for rank, value in facts.thresholds.items())
