"""A model proposes hypotheses: it fills their fixed form from lists, so that whatever it chooses is a statement.

What it is shown is of the first window alone (``window_facts``). No field is proposed twice, and an analytic again only
when every other one has been chosen as often.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from llm_strategy.advice.choosing import Asked, NoChoice, Questions
from llm_strategy.advice.written_prompt import render
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message
from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.support.condition import Condition, Operator, show_value
from llm_strategy.support.outside_text import as_quotation
from simulator.experiment.configuration import Experiment
from simulator.hypotheses.statement import Direction, Hypothesis
from simulator.prices.universe import Universe
from simulator.runs.hypotheses.window_facts import FieldFacts, UsualChange, WindowFacts, window_facts
from simulator.runs.hypotheses.windows import Window, Windows

SHORT_LIST = 8
"""Analytics that a model chooses from at a time: a small one reads no longer list."""
RANK_WORDS = {0.1: "very low", 0.25: "low", 0.5: "middle", 0.75: "high", 0.9: "very high"}
"""Thresholds as a model chooses them, by the share of closes below."""
EFFECTS = {"small": 0.1, "moderate": 0.2, "large": 0.4}
"""The smallest effect worth having, in standard deviations of the usual change over the horizon."""
_SIDES: dict[str, Operator] = {"above": ">", "below": "<"}
_DIRECTIONS: dict[str, Direction] = {"more": "up", "less": "down"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of asking for one statement: the ``statement``, or why there is none (``problem``), and what was
    asked."""

    statement: Hypothesis | None
    problem: str
    asked: tuple[Asked, ...]


class Chooser(Protocol):
    """Chooses one of some texts for a key of a statement: a model that is asked (``Questions``), or chance."""

    def choose(self, about: str, messages: Sequence[Message], before: Mapping[str, str], texts: Sequence[str]) -> int:
        """The place of the text that is chosen."""
        ...


class Chance:
    """Chooses each text as likely as any other; equal seeds choose alike."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)  # noqa: S311 - a null, no secret

    def choose(self, about: str, messages: Sequence[Message], before: Mapping[str, str], texts: Sequence[str]) -> int:
        """The place of the text that is drawn."""
        return self._source.randrange(len(texts))


def draw_statements(
    universe: Universe, experiment: Experiment, windows: Windows, count: int, seed: int
) -> tuple[Hypothesis, ...]:
    """So many statements whose parts are drawn at random from the lists that a model chooses from: what proposing is
    worth shows beside them."""
    config = experiment.hypotheses
    if config is None:
        raise ValueError("the experiment has no hypotheses")
    facts = window_facts(universe, experiment, config.names, windows.propose).within(windows.test.closes)
    if not facts.fields or not facts.changes:
        return ()
    chance = Chance(seed)
    return tuple(_Proposer(facts, "", ()).next(chance) for _ in range(count))


def propose(
    universe: Universe, experiment: Experiment, windows: Windows, client: LLMClient, count: int
) -> tuple[Proposal, ...]:
    """Let a model propose so many statements from the first window, the same ones for the same answers; their horizons
    are short enough for the second one.

    After one that failed no other is asked for: it would be the same question. Raises ``ConfigurationError`` where the
    analytics have fewer fields than statements are wanted, and ``ModelError`` where no question can be asked at all.
    """
    config = experiment.hypotheses
    if config is None:
        raise ValueError("the experiment has no hypotheses")
    window = windows.propose
    facts = window_facts(universe, experiment, config.names, window).within(windows.test.closes)
    stated = [field for one in config.own for field in one.fields]
    left = [name for name in facts.fields if name not in stated]
    if len(left) < count or not facts.changes:
        raise ConfigurationError(
            f"hypotheses.propose is {count}, and the window that is proposed from ({window.closes:,} closes) tells of "
            f"{len(left)} fields and {len(facts.changes)} horizons: lower it, raise hypotheses.windows.propose, or "
            "name more in hypotheses.analytics."
        )
    proposer = _Proposer(facts, _about(universe, experiment, window), stated)
    made: list[Proposal] = []
    for _ in range(count):
        questions = Questions(client)
        try:
            made.append(Proposal(proposer.next(questions), "", tuple(questions.asked)))
        except NoChoice as problem:
            made.append(Proposal(None, str(problem), tuple(questions.asked)))
            break
    return tuple(made)


def _about(universe: Universe, experiment: Experiment, window: Window) -> str:
    """What stands above the facts where the mask is lifted; nothing where it is not."""
    unmasked = experiment.primary_config.unmasked
    told = []
    if "symbol" in unmasked:
        told.append(f"Market: {', '.join(map(as_quotation, universe.symbols))}.")
    if "date" in unmasked:
        told.append(f"Window: {window.first} to {window.last}.")
    return " ".join(told)


class _Proposer:
    """Asks for statements one by one; what was proposed is left out afterwards."""

    def __init__(self, facts: WindowFacts, about: str, stated: Sequence[str]) -> None:
        self._facts = facts
        self._about = about
        self._proposed = list(stated)

    def next(self, questions: Chooser) -> Hypothesis:
        """The next statement; raises ``NoChoice``."""
        system = Message("system", render("hypothesis_system.j2"))
        chosen: dict[str, str] = {}

        def choose(about: str, texts: Sequence[str], asks: str) -> str:
            messages = (system, Message("user", asks))
            before = {key: text for key, text in chosen.items() if key != about}
            text = texts[questions.choose(about, messages, before, texts)] if len(texts) > 1 else texts[0]
            chosen[about] = text
            return text

        analytic = self._analytic(choose)
        fields = self._left(analytic)
        outputs = {name.partition(".")[2]: name for name in fields}
        told = [(output, fields[name].quantity.description) for output, name in outputs.items()]
        asks = render("hypothesis_fields.j2", about=self._about, analytic=analytic.name, fields=told)
        field = outputs[choose("field", list(outputs), asks)]
        return self._statement(field, fields[field], partial(choose, asks=self._text(field, fields[field])))

    def _analytic(self, choose: Callable[[str, Sequence[str], str], str]) -> Analytic:
        """The analytic that is chosen: one of each short list, and of these the last."""
        offered = {each.name: each for each in self._offered()}

        def among(names: Sequence[str]) -> str:
            told = [(name, offered[name].description) for name in names]
            return choose("analytic", names, render("hypothesis_analytics.j2", about=self._about, analytics=told))

        every = [each.name for each in self._facts.analytics]
        lists = [every[at : at + SHORT_LIST] for at in range(0, len(every), SHORT_LIST)]
        left = [[name for name in names if name in offered] for names in lists]
        return offered[among([among(names) for names in left if names])]

    def _statement(self, field: str, facts: FieldFacts, choose: Callable[[str, Sequence[str]], str]) -> Hypothesis:
        """The statement that is chosen about a field."""
        condition = _condition(field, facts, choose)
        direction = _DIRECTIONS[choose("change", list(_DIRECTIONS))]
        horizons = {f"{bars} bars": bars for bars in self._facts.changes}
        horizon = horizons[choose("horizon", list(horizons))]
        share = EFFECTS[choose("effect", list(EFFECTS))]
        effect = float(f"{share * self._facts.changes[horizon].deviation:.2g}")
        self._proposed.append(field)
        return Hypothesis((condition,), direction, horizon, effect)

    def _left(self, analytic: Analytic) -> dict[str, FieldFacts]:
        return {name: facts for name, facts in self._facts.of(analytic).items() if name not in self._proposed}

    def _offered(self) -> list[Analytic]:
        """The analytics with fields that are left, those alone that were chosen least often."""
        left = [each for each in self._facts.analytics if self._left(each)]
        times = Counter(name.partition(".")[0] for name in self._proposed)
        fewest = min(times[each.name] for each in left)
        return [each for each in left if times[each.name] == fewest]

    def _text(self, field: str, facts: FieldFacts) -> str:
        """What is told of a field and of the usual changes."""
        changes = [_change(horizon, change) for horizon, change in self._facts.changes.items()]
        effects = {word: f"{100 * share:g}%" for word, share in EFFECTS.items()}
        return render(
            "hypothesis_statement.j2",
            about=self._about,
            field=field,
            description=facts.quantity.description,
            spread=_spread(facts),
            changes=changes,
            **effects,
        )


def _condition(field: str, facts: FieldFacts, choose: Callable[[str, Sequence[str]], str]) -> Condition:
    """The condition that is chosen of a field: one of its words, or a side and a threshold."""
    if facts.words:
        return Condition(field, "is", choose("state", list(facts.words)))
    operator = _SIDES[choose("side", list(_SIDES))]
    thresholds = {RANK_WORDS[rank]: value for rank, value in facts.thresholds.items()}
    return Condition(field, operator, thresholds[choose("threshold", list(thresholds))])


def _spread(facts: FieldFacts) -> str:
    """How a field is spread, in words and figures."""
    if facts.words:
        return ", ".join(f"{word} at {100 * share:.0f}% of the closes" for word, share in facts.words.items())
    unit = facts.quantity.unit
    return ", ".join(
        f"{RANK_WORDS[rank]} is {show_value(value, unit)} (above {100 * rank:.0f}% of closes)"
        for rank, value in facts.thresholds.items()
    )


def _change(horizon: int, change: UsualChange) -> dict[str, object]:
    return {
        "horizon": horizon,
        "mean": show_value(change.mean, "fraction"),
        "deviation": f"{100 * change.deviation:.1f}%",
    }
