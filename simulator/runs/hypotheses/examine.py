"""The hypotheses of a run from beginning to end: proposed, registered, tested, and traded as rules.

Everything that came of it is one document (``folder/hypotheses.py``), which a replay writes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.analytics.registry import find_analytic
from simulator.evaluation.event_study import EventStudy, PathPoint, adjust, fewest_closes, judge, study
from simulator.experiment.configuration import Experiment
from simulator.experiment.hypotheses import HypothesesConfig
from simulator.folder.evidence import write_json
from simulator.folder.hypotheses import HYPOTHESES
from simulator.folder.provenance import model_of
from simulator.hypotheses.register import Proposer
from simulator.hypotheses.statement import Hypothesis
from simulator.prices.universe import Universe
from simulator.runs.hypotheses.field_series import FieldSeries, field_series
from simulator.runs.hypotheses.propose import Proposal, draw_statements, propose
from simulator.runs.hypotheses.registrar import Registered, Registrar
from simulator.runs.hypotheses.rule import Earned, hold_window, trade_hypothesis
from simulator.runs.hypotheses.window_facts import HORIZONS
from simulator.runs.hypotheses.windows import Windows, windows_of

_DIGITS = 12
CHANCE_SAMPLES = 199
"""Arrangements behind the p of a statement that was drawn at random."""


def require_hypotheses(universe: Universe, experiment: Experiment, *, has_model: bool) -> None:
    """Raise ``ConfigurationError`` for hypotheses that cannot be proposed or tested in a run, before anything is
    asked."""
    config = experiment.hypotheses
    if config is None:
        return
    if config.propose and not has_model:
        raise ConfigurationError(
            f"hypotheses.propose is {config.propose}, and no model is asked in this run: name an arm that one advises, "
            "or leave propose out and write hypotheses.statements."
        )
    if config.chance and not config.propose:
        raise ConfigurationError(
            f"hypotheses.chance is {config.chance}, and statements drawn at random stand beside those that a model "
            "proposes: set hypotheses.propose to a number above 0, or leave chance out."
        )
    _check_needs(config, universe)
    windows = windows_of(universe, experiment, config)
    wanted = [one.horizon for one in config.own] + ([min(HORIZONS)] if config.propose else [])
    for horizon in wanted:
        needed = fewest_closes(horizon) + horizon
        if windows.test.closes < needed:
            raise ConfigurationError(
                f"hypotheses.windows.test are {windows.test.closes:,} closes, and a horizon of {horizon} bars needs "
                f"{needed:,}: raise it, state a shorter horizon, or give the run more bars."
            )


def _check_needs(config: HypothesesConfig, universe: Universe) -> None:
    """Raise ``ConfigurationError`` for an analytic that is named and would never tell anything in this run."""
    spoken = {name.partition(".")[0] for one in config.own for name in one.fields}
    has_volume = any((prices.table["volume"] > 0).any() for prices in universe.markets)
    for name in sorted({*config.analytics, *spoken}):
        needs = find_analytic(name).needs
        if "symbols" in needs and len(universe.symbols) < 2:
            raise ConfigurationError(
                f"hypotheses speaks of {name}, which needs other symbols, and there is {universe.symbols[0]} alone: "
                "leave it out, or name more symbols in data.sources."
            )
        if "volume" in needs and not has_volume:
            raise ConfigurationError(
                f"hypotheses speaks of {name}, which needs volumes, and the bars of {universe.symbols[0]} have none: "
                "leave it out."
            )


def write_hypotheses(
    universe: Universe, experiment: Experiment, folder: Path, client: LLMClient | None, registrar: Registrar
) -> dict[str, Any]:
    """Propose, register, test and trade, and write ``hypotheses.json``; returns what stands there."""
    document = examine(universe, experiment, client, registrar)
    write_json(document, folder / HYPOTHESES)
    return document


def examine(
    universe: Universe, experiment: Experiment, client: LLMClient | None, registrar: Registrar
) -> dict[str, Any]:
    """The document of a run: all hypotheses of an experiment that has some, with what came of each."""
    config = experiment.hypotheses
    if config is None:
        raise ValueError("the experiment has no hypotheses")
    windows = windows_of(universe, experiment, config)
    proposals: tuple[Proposal, ...] = ()
    if config.propose:
        if client is None:
            raise ValueError("hypotheses are proposed by a model, and there is none")
        proposals = propose(universe, experiment, windows, client, config.propose)
    proposed = [one.statement for one in proposals if one.statement is not None]
    drawn = draw_statements(universe, experiment, windows, config.chance, experiment.evaluation.seed)
    stated = (*config.own, *proposed, *drawn)
    series = field_series(universe, experiment, [name for one in stated for name in one.fields])
    cards = [Card(one, Proposer("person", "")) for one in config.own]
    if client is not None:
        by = Proposer("model", client.identity.name, tuple(experiment.primary_config.unmasked))
        cards += [Card(one, by) for one in proposed]
    examination = Examination(universe, experiment, config, windows, series, registrar)
    for card in cards:
        examination.register(card)
    for card in cards:
        examination.test(card)
    others = examination.judge(cards)
    if config.trade:
        for card in cards:
            examination.trade(card)
    asked = (
        {} if client is None or not config.propose else {"proposer": model_of(client) | {"unmasked": list(by.unmasked)}}
    )
    return {
        "windows": windows.as_document(),
        "rate": config.rate,
        **asked,
        "questions": [
            {"proposal": number} | one.as_document() for number, each in enumerate(proposals, 1) for one in each.asked
        ],
        **({"chance": examination.chance(drawn)} if config.chance else {}),
        "failures": [each.problem for each in proposals if each.statement is None],
        "hypotheses": [card.as_document() for card in cards],
        "others": others,
    }


@dataclass
class Card:
    """What came of one statement so far."""

    hypothesis: Hypothesis
    proposer: Proposer
    registered: Registered = field(default_factory=Registered)
    window: tuple[str, str] = ("", "")
    """The first and the last close that it is tested on."""
    test: Registered | None = None
    path: tuple[PathPoint, ...] = ()
    verdict: Mapping[str, Any] = field(default_factory=dict)
    rule: Mapping[str, Any] | None = None
    last: Registered | None = None
    problem: str = ""

    def as_document(self) -> dict[str, Any]:
        """The same as plain data."""
        document: dict[str, Any] = {
            "id": self.hypothesis.id,
            "statement": self.hypothesis.as_document(),
            "sentence": self.hypothesis.sentence,
            "proposer": self.proposer.as_document(),
            "registered": self.registered.as_document(),
        }
        if self.problem:
            return document | {"problem": self.problem}
        if self.test is not None:
            window = {"first": self.window[0], "last": self.window[1]}
            document["test"] = {"window": window, **self.test.as_document()}
            if self.test.result is not None:
                document["test"] |= {"result": _in_order(self.test.result), **self.verdict}
                document["path"] = [_rounded(point._asdict()) for point in self.path]
        if self.rule is not None:
            document["rule"] = _in_order(self.rule)
        if self.last is not None:
            result = {} if self.last.result is None else {"result": _in_order(self.last.result)}
            document["last"] = self.last.as_document() | result
        return document


class Examination:
    """The steps that each statement of a run goes through."""

    def __init__(
        self,
        universe: Universe,
        experiment: Experiment,
        config: HypothesesConfig,
        windows: Windows,
        series: FieldSeries,
        registrar: Registrar,
    ) -> None:
        self._universe = universe
        self._experiment = experiment
        self._config = config
        self._windows = windows
        self._series = series
        self._registrar = registrar
        self._held: dict[tuple[str, str], Earned] = {}

    def register(self, card: Card) -> None:
        """Write the statement to the register, with the window that a model proposed it from."""
        window = self._windows.propose if card.proposer.kind == "model" else None
        from_bars = None if window is None else self._series.window(window.first, window.last)
        card.registered = self._registrar.propose(card.hypothesis, card.proposer, from_bars)

    def test(self, card: Card) -> None:
        """Measure what followed, on the closes of the test window that lie further than the horizon behind those that
        it was proposed from."""
        if card.registered.entry is None:
            return
        hypothesis, test = card.hypothesis, self._windows.test
        card.window = self._series.embargoed(test.first, hypothesis.horizon), test.last
        try:
            bars = self._series.window(*card.window)
            found = self._study(hypothesis, *card.window, self._experiment.evaluation.bootstrap_samples)
        except (ConfigurationError, MarketDataError) as problem:
            card.problem = str(problem)
            return
        result = _rounded({name: value for name, value in asdict(found).items() if name != "path"})
        result["p"] = result.pop("p_value")
        card.path = found.path
        card.test = self._registrar.test(hypothesis, bars, lambda: (result, result["p"]))

    def judge(self, cards: list[Card]) -> list[dict[str, Any]]:
        """Adjust the p values of this run for all tests of these data, say the verdicts, and return the other tests."""
        tested = [(card, card.test) for card in cards if card.test is not None and card.test.result is not None]
        numbers = [test.entry["number"] for _, test in tested if test.entry is not None]
        window = self._series.window(self._windows.test.first, self._windows.test.last)
        others = self._registrar.others(window, numbers) if tested else []
        p_values = [1.0 if (p := (test.result or {})["p"]) is None else float(p) for _, test in tested]
        adjusted = adjust([*p_values, *(float(each["p"]) for each in others)])
        for (card, test), share in zip(tested, adjusted, strict=False):
            found = read_study(test.result or {})
            effect = card.hypothesis.effect
            verdict = judge(found, share, rate=self._config.rate, effect=effect)
            card.verdict = {
                "adjusted": None if found.p_value is None else _round(share),
                "verdict": verdict,
                "worth_having": found.low is not None and found.low >= effect,
            }
        return others

    def chance(self, drawn: Sequence[Hypothesis]) -> dict[str, int]:
        """Of statements that were drawn at random, how many could be tested on the second window, and how many of these
        have a p of at most the rate. Nobody claims one, so that none is known but by this count."""
        found = []
        for one in drawn:
            first = self._series.embargoed(self._windows.test.first, one.horizon)
            try:
                found.append(self._study(one, first, self._windows.test.last, CHANCE_SAMPLES).p_value)
            except MarketDataError:
                continue
        p_values = [p for p in found if p is not None]
        low = sum(p <= self._config.rate for p in p_values)
        return {"drawn": len(drawn), "tested": len(p_values), "low": low}

    def trade(self, card: Card) -> None:
        """Trade a tested statement in its test window and, where it is confirmed, once in the last one."""
        if card.test is None or card.test.result is None:
            return
        if card.hypothesis.direction == "down" and not self._experiment.risk.allow_short:
            card.rule = {"refused": "It claims a fall, and risk.allow_short is false."}
            return
        card.rule = self._trade(card, *card.window)
        last = self._windows.last
        if last is not None and card.verdict["verdict"] == "confirmed":
            bars = self._series.window(last.first, last.last)
            card.last = self._registrar.trade(card.hypothesis, bars, lambda: self._trade(card, last.first, last.last))

    def _trade(self, card: Card, first: str, last: str) -> dict[str, Any]:
        earned = trade_hypothesis(
            self._universe, self._experiment, self._series, card.hypothesis, first, last
        ).as_document()
        if (first, last) not in self._held:
            self._held[first, last] = hold_window(self._universe, self._experiment, self._series, first, last)
        held = self._held[first, last].as_document()
        return {"first": first, "last": last, **earned, "holder": held}

    def _study(self, hypothesis: Hypothesis, first: str, last: str, samples: int) -> EventStudy:
        evaluation = self._experiment.evaluation
        lookbacks = [find_analytic(name.partition(".")[0]).lookback for name in hypothesis.fields]
        memory = max(
            bars or self._experiment.warm_up.bars for bars in lookbacks
        )  # 0: the features of the market, or more
        return study(
            self._series.events(hypothesis, first, last),
            hypothesis.horizon,
            hypothesis.direction,
            memory=memory,
            samples=samples,
            seed=evaluation.seed,
            confidence_level=evaluation.confidence_level,
        )


def read_study(result: Mapping[str, Any]) -> EventStudy:
    """The study behind the result of a test, as the register keeps it."""
    return EventStudy(**{("p_value" if name == "p" else name): value for name, value in result.items()})


def _in_order(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as the register gives it back: its keys in alphabetical order."""
    return {name: _in_order(value) if isinstance(value, Mapping) else value for name, value in sorted(result.items())}


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _round(value) if isinstance(value, float) else value for name, value in values.items()}


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
