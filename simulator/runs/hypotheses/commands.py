"""Hypotheses apart from a run: a model proposes some for an experiment, and what is registered is tested on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from llm_strategy.errors import ConfigurationError, RegisterError
from llm_strategy.llm.client import LLMClient
from simulator.evaluation.event_study import adjust, judge
from simulator.experiment.configuration import Experiment
from simulator.experiment.hypotheses import HypothesesConfig
from simulator.hypotheses.register import Proposer, Register
from simulator.hypotheses.statement import Hypothesis
from simulator.prices.universe import Universe
from simulator.registers.chain import Entry
from simulator.runs.advisors.session import sessions_of
from simulator.runs.compare import AnyExperiment, as_experiment
from simulator.runs.hypotheses.examine import Card, Examination, read_study, require_hypotheses
from simulator.runs.hypotheses.field_series import field_series
from simulator.runs.hypotheses.propose import propose
from simulator.runs.hypotheses.registrar import UserRegistrar
from simulator.runs.hypotheses.windows import windows_of
from simulator.runs.trials.tail import visible_universe

PROPOSED = 3
"""Statements that are proposed where nothing says how many."""
RATE = 0.1
"""The rate by which verdicts are told where no experiment says one."""
TESTED_COLUMNS = (
    "sentence", "first", "last", "events", "runs", "effect", "low", "high", "p", "adjusted", "verdict", "note",
)  # fmt: skip


def propose_hypotheses(
    experiment: AnyExperiment, count: int | None = None, *, client: LLMClient | None = None
) -> tuple[Hypothesis, ...]:
    """Let the model of the first advised arm propose statements from the first window of an experiment, and register
    them; those of ``hypotheses.propose`` where no ``count`` is given, or three.

    Raises ``ConfigurationError`` where no arm is advised by a model, ``ModelError`` where it cannot be asked or gives
    no statement, ``RegisterError`` for a register that cannot be written, and what ``compare`` raises for prices.
    """
    wanted = as_experiment(experiment)
    config = wanted.hypotheses
    proposed = count if count is not None else (config.propose if config else 0) or PROPOSED
    config = HypothesesConfig(propose=proposed) if config is None else replace(config, propose=proposed)
    wanted = replace(wanted, hypotheses=config)
    advised = [arm for arm in wanted.plan if arm.config is not None][:1]
    universe = _universe(wanted)
    require_hypotheses(universe, wanted, has_model=bool(advised))
    windows = windows_of(universe, wanted, config)
    (session,) = sessions_of(wanted, advised, client)
    with session.model.session(budget=session.config.budget, prices=session.prices) as asked:
        proposals = propose(universe, wanted, windows, asked, proposed)
    series = field_series(universe, wanted, ["market.trend"])
    bars = series.window(windows.propose.first, windows.propose.last)
    by = Proposer("model", session.model.identity.name, tuple(wanted.primary_config.unmasked))
    register = Register()
    found = [one.statement for one in proposals if one.statement is not None]
    for one in found:
        register.propose(one, by, bars)
    for each in proposals:
        if each.statement is None and not found:
            raise ConfigurationError(f"The model proposed nothing: {each.problem}")
    return tuple(found)


def test_hypotheses(experiment: AnyExperiment, ids: Sequence[str] = ()) -> pd.DataFrame:  # noqa: PT028 - no test of pytest
    """Test statements on the second window of an experiment: those that it states itself, which are registered now, and
    the registered ones with these ``ids`` (or beginnings of them), or where none is named all that are.

    A row a statement (index ``id``), with what followed its events (changes are fractions), p alone and adjusted for
    every test of these bars, the verdict, and under ``note`` why there is none. Raises ``ConfigurationError`` for an id
    that is not registered, and where a statement that is named may not be tested on this window, and ``RegisterError``.
    """
    wanted = as_experiment(experiment)
    register = Register()
    named = [register.find(text) for text in ids]
    if wanted.hypotheses is None:
        wanted = replace(wanted, hypotheses=HypothesesConfig(propose=PROPOSED))
    config = wanted.hypotheses
    if config is None:  # it was just set
        raise ValueError("the experiment has no hypotheses")
    universe = _universe(wanted)
    require_hypotheses(universe, wanted, has_model=True)
    own = [] if named else list(config.own)
    known = dict.fromkeys(named or [entry.statement for entry in register.entries("proposed")])
    cards = [Card(one, Proposer("person", "")) for one in own]
    cards += [_registered(register, each) for each in known if each not in {one.id for one in own}]
    if not cards:
        raise ConfigurationError(
            "There is nothing to test: register statements with btllm hypotheses propose, or write "
            "hypotheses.statements in the experiment."
        )
    series = field_series(universe, wanted, [name for card in cards for name in card.hypothesis.fields])
    registrar = UserRegistrar(register, "")
    examination = Examination(universe, wanted, config, windows_of(universe, wanted, config), series, registrar)
    for card in cards:
        if card.registered.entry is None:
            examination.register(card)
        examination.test(card)
        if registrar.problem:
            raise RegisterError(registrar.problem)
        if named and (why := _why_not(card)):
            raise ConfigurationError(f"The hypothesis {card.hypothesis.id} is not tested. {why}")
    examination.judge(cards)
    rows = {card.hypothesis.id: _row(card) for card in cards}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(TESTED_COLUMNS))
    return table.rename_axis("id")


vars(test_hypotheses)["__test__"] = False  # whoever imports it into a file of tests does not mean one


def verdict_now(register: Register, entry: Entry, rate: float = RATE) -> str:
    """The verdict on a test that stands in the register, adjusted for all that were made on its bars up to now."""
    window = register.window(entry)
    if window is None:
        return ""
    family = register.family(window)
    shares = dict(zip((each.number for each in family), adjust([each.p_value for each in family]), strict=True))
    statement = statement_of(register, entry.statement)
    return judge(read_study(entry.content["result"]), shares[entry.number], rate=rate, effect=statement.effect)


def statement_of(register: Register, identity: str) -> Hypothesis:
    """A registered statement by its id."""
    (first, *_) = register.entries("proposed", identity)
    return Hypothesis.from_document(first.content["statement"], f"The registered hypothesis {identity}")


def _registered(register: Register, identity: str) -> Card:
    """A registered statement as one that is to be tested."""
    (first, *_) = register.entries("proposed", identity)
    by = first.content["proposer"]
    card = Card(statement_of(register, identity), Proposer(by["kind"], by["name"], tuple(by["unmasked"])))
    card.registered = UserRegistrar.of(first)
    return card


def _universe(experiment: Experiment) -> Universe:
    return visible_universe(experiment, minimum_bars=experiment.warm_up.bars + 2)[0]


def _why_not(card: Card) -> str:
    """Why a statement has no test of its own in this command; empty where it has."""
    if card.problem:
        return card.problem
    if card.test is None:
        return card.registered.refused
    if card.test.earlier and card.test.entry is not None:
        return f"It was tested on {card.test.entry['at']} on these very bars: a test on bars that were seen is none."
    return card.test.refused


def _row(card: Card) -> list[Any]:
    why = _why_not(card)
    result = {} if card.test is None or card.test.result is None else card.test.result
    figures = [result.get(name) for name in ("events", "runs", "effect", "low", "high", "p")]
    verdict = [card.verdict.get(name) for name in ("adjusted", "verdict")]
    return [card.hypothesis.sentence, *card.window, *figures, *verdict, why]
