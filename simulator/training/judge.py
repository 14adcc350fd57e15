"""An adapter judged: base, adapter, twin and causal rule side by side, how each reads markets and what its advice was
worth.

How they read is asked at some closes of the experiment's window, of further markets, and of synthetic paths whose true
regimes are known and whose seeds were not trained on. What the advice was worth is a comparison as any other, with its
verdict.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.backends.local.advice_adapter import NO_ADAPTER
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.market.view import causal_label
from llm_strategy.support.write_whole import write_whole
from llm_strategy.types import Decision, Snapshot, Status
from simulator.evaluation.confidence import calibration_error, confidence_bins
from simulator.evaluation.regimes import kappa
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.load import Prices, load_prices, moment
from simulator.prices.sources.synthetic import SCENARIOS
from simulator.progress.stages import SILENT, Progress
from simulator.runs.answers import advisor_of, connect
from simulator.runs.compare import AnyExperiment, as_experiment, compare
from simulator.runs.result import Result
from simulator.runs.simulation import snapshots
from simulator.runs.trials.tail import visible_universe
from simulator.training.adapter import AdapterFolder

RULE = "regime_rule"
CLOSES = 300
"""Closes of a market at which each advisor is asked, evenly spread."""
SEEDS = (7, 8)
"""Of the synthetic paths that are read, one of each scenario and seed."""
PATH_BARS = 1500
RECORD, PAGE = "judge.json", "judge.md"


@dataclass(frozen=True, slots=True)
class MarketScore:
    """How one arm read one market, over ``closes``; shares are fractions. None where nothing can be said: without true
    regimes, or of a rule's confidence and time."""

    market: str
    arm: str
    closes: int
    valid: float
    coherent: float
    """Actions that agree with their label."""
    kappa_rule: float | None
    """Cohen's kappa with the causal rule."""
    kappa_true: float | None
    """With the path's true regime."""
    brier: float | None
    """Mean square of the label's confidence minus whether it was the true regime."""
    ece: float | None
    """Expected calibration error of the same."""
    seconds: float | None
    """Of a decision that had to be asked."""
    tokens: float | None
    """Of its first prompt."""


@dataclass(frozen=True)
class Judgement:
    """What a judge wrote: the scores, and the comparison with its verdict where there was one."""

    folder: Path
    scores: tuple[MarketScore, ...]
    result: Result | None

    def score(self, market: str, arm: str) -> MarketScore:
        """That of an arm on a market, by their names."""
        return next(one for one in self.scores if (one.market, one.arm) == (market, arm))


def judge_adapter(
    adapter: AdapterFolder,
    experiment: AnyExperiment,
    out: Path,
    *,
    also: Sequence[str] = (),
    closes: int = CLOSES,
    trade: bool = True,
    progress: Progress = SILENT,
) -> Judgement:
    """Judge a trained adapter on an experiment's window, on other markets (``also``, sources of prices over the same
    window) and on synthetic paths; ``trade`` runs the comparison, too.

    Raises ``ConfigurationError`` where the window is not later than what was trained on, and as ``compare`` does.
    """
    wanted = as_experiment(experiment)
    check_unseen(adapter, wanted)
    configs = {name: _config(wanted, settings) for name, settings in _advisors(adapter).items()}
    scores: list[MarketScore] = []
    for market, prices in _markets(wanted, adapter, also):
        seen = snapshots(prices, None if prices.true_regimes is not None else wanted)
        asked = _spread(seen, closes)
        true = _true_regimes(prices)
        scores.append(_of_rule(market, asked, true))
        for name, config in configs.items():
            progress.begin(f"{name} reads {market}", len(asked))
            scores.append(_of_advisor(wanted, market, name, config, seen, asked, true, progress))
    result = None
    if trade:
        traded = [name for name in ("adapter", "base", "twin") if name in configs]
        arms: dict[str, Any] = {name: {"advisor": name} for name in traded}
        bare = replace(
            wanted,
            name=f"{wanted.name}-judged",
            advisor=AdvisorConfig(),
            advisors={},
            arms=("llm",),
            output=replace(wanted.output, explain=False),  # of which the page of a judgement has no need
        )
        result = compare(
            bare,
            advisors={name: configs[name] for name in traded},
            arms=arms | {RULE: None, "buy_and_hold": None},
            progress=progress,
        )
    judged = Judgement(out, tuple(scores), result)
    _write(judged)
    return judged


def check_unseen(adapter: AdapterFolder, experiment: Experiment) -> None:
    """Raise ``ConfigurationError`` where the experiment's window begins before the end of the training window, or where
    it is a synthetic path that was trained on."""
    about, start = adapter.record["about"], experiment.data.start
    if about["runs"] and (start is None or moment(str(start), "start") < moment(str(about["before"]), "before")):
        raise ConfigurationError(
            f"The adapter was trained on bars up to {about['before']}, and the experiment begins "
            f"{'at ' + str(start) if start else 'with its first bar'}: set data.start to {about['before']} or later."
        )
    trained = {_path(source) for source in about["synthetic"]}
    for source in _sources(experiment):
        if source.startswith("synthetic:") and _path(source) in trained:
            raise ConfigurationError(f"The adapter was trained on {source}: choose another seed.")


def table(scores: Sequence[MarketScore]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the scores, as a page and a terminal show them."""
    head = ["market", "arm", "closes", "valid", "coherent", "kappa rule", "kappa true", "Brier", "ECE", "s", "tokens"]
    rows = []
    for one in scores:
        figures = [_digits(value) for value in (one.kappa_rule, one.kappa_true, one.brier, one.ece, one.seconds)]
        tokens = "-" if one.tokens is None else f"{one.tokens:.0f}"
        shares = [f"{one.valid:.1%}", f"{one.coherent:.1%}"]
        rows.append([one.market, one.arm, f"{one.closes:,}", *shares, *figures, tokens])
    return head, rows


class _Timed(Layer):
    """Counts the seconds that answers took when they were made, and the tokens of their prompts."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.answers: list[Generation] = []

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        self.answers.append(super().complete(request, on_delta))
        return self.answers[-1]

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        self.answers.append(super().ask(request, ahead=ahead))
        return self.answers[-1]


def _advisors(adapter: AdapterFolder) -> dict[str, dict[str, Any]]:
    """The settings of who is judged: the model as it is asked without an adapter, the same with the adapter's own
    prompt, the adapter, and its twin."""
    layout = adapter.record["about"]["layout"]
    prompt = {"mode": "choices", "layout": layout, "examples": "none", "calibration": "none", "rationale": "never"}
    found: dict[str, dict[str, Any]] = {
        "base": {"options": {"adapter": NO_ADAPTER}},
        "base, same prompt": prompt | {"options": {"adapter": NO_ADAPTER}},
        "adapter": {"options": {"adapter": str(adapter.adapter.absolute())}},
    }
    if adapter.twin is not None:
        found["twin"] = {"options": {"adapter": str(adapter.twin.absolute())}}
    return found


def _config(experiment: Experiment, settings: Mapping[str, Any]) -> AdvisorConfig:
    """What is judged is the model: of the experiment's advisor its model alone is taken."""
    return AdvisorConfig(backend="llama_cpp", model=experiment.primary_config.model, **settings)


def _markets(experiment: Experiment, adapter: AdapterFolder, also: Sequence[str]) -> Iterator[tuple[str, Prices]]:
    universe, _ = visible_universe(experiment)
    for symbol in universe.symbols:
        yield symbol, universe.decisions(symbol)
    data = experiment.data
    for source in also:
        prices = load_prices(
            source, timeframe=data.timeframe, start=data.start, end=data.end, warm_up=experiment.warm_up.bars,
            folder=experiment.folder, log_notes=False,
        )  # fmt: skip
        yield prices.symbol, prices
    trained = {_path(source) for source in adapter.record["about"]["synthetic"]}
    for scenario in SCENARIOS:
        for seed in SEEDS:
            if (scenario, str(seed)) not in trained:
                source = f"synthetic:{scenario}?bars={PATH_BARS}&seed={seed}"
                yield f"{scenario} {seed}", load_prices(source, log_notes=False)


def _sources(experiment: Experiment) -> list[str]:
    data = experiment.data
    several = data.sources.values() if isinstance(data.sources, Mapping) else data.sources or ()
    return [source for source in (data.source, *several) if isinstance(source, str)]


def _path(source: str) -> tuple[str, str]:
    """Scenario and seed of a synthetic path, which of another length begins alike."""
    name, _, options = source.removeprefix("synthetic:").partition("?")
    return name, dict(one.split("=") for one in options.split("&") if "=" in one).get("seed", "7")


def _true_regimes(prices: Prices) -> dict[str, str]:
    """The true regime at each close (ISO); empty where nobody knows them."""
    if prices.true_regimes is None:
        return {}
    times = pd.DatetimeIndex(prices.true_regimes.index)
    return {time.isoformat(): str(one) for time, one in zip(times, prices.true_regimes, strict=True)}


def _spread(seen: Sequence[Snapshot], closes: int) -> list[Snapshot]:
    count = min(closes, len(seen))
    return [seen[number * len(seen) // count] for number in range(count)]


def _of_rule(market: str, asked: Sequence[Snapshot], true: Mapping[str, str]) -> MarketScore:
    labels = [str(causal_label(one)) for one in asked]
    pairs = Counter((label, true[one.time]) for label, one in zip(labels, asked, strict=True) if one.time in true)
    return MarketScore(
        market, RULE, len(asked), 1.0, 1.0, kappa(Counter(zip(labels, labels, strict=True))) or 1.0,
        kappa(pairs) if pairs else None, None, None, None, None,
    )  # fmt: skip


def _of_advisor(
    experiment: Experiment,
    market: str,
    name: str,
    config: AdvisorConfig,
    seen: Sequence[Snapshot],
    asked: Sequence[Snapshot],
    true: Mapping[str, str],
    progress: Progress,
) -> MarketScore:
    wanted = {id(one) for one in asked}
    decisions: list[Decision] = []
    seconds: list[float] = []
    tokens: list[float] = []
    with connect(experiment, config) as client:
        timed = _Timed(client)
        advisor: ModelAdvisor = advisor_of(timed, config)
        for snapshot in seen:
            if id(snapshot) not in wanted:
                advisor.witness(snapshot)
                continue
            timed.answers.clear()
            decisions.append(advisor.decide(snapshot))
            if timed.answers:
                seconds.append(sum(answer.latency_ms for answer in timed.answers) / 1000)
                tokens.append(timed.answers[0].tokens_in)
            progress.at(len(decisions), len(asked))
    advised = [(one, one.advice) for one in decisions if one.advice is not None]
    sure = [(advice.regime, true[one.snapshot.time]) for one, advice in advised if one.snapshot.time in true]
    confidence = np.array([regime.confidence for regime, _ in sure])
    right = np.array([float(str(regime.label) == told) for regime, told in sure])
    return MarketScore(
        market,
        name,
        len(decisions),
        sum(one.status is Status.ADVISED for one in decisions) / len(decisions),
        sum(one.policy.coherent for one, _ in advised) / max(1, len(advised)),
        kappa(Counter((str(advice.regime.label), str(causal_label(one.snapshot))) for one, advice in advised)),
        kappa(Counter((str(regime.label), told) for regime, told in sure)) if sure else None,
        float(np.mean((confidence - right) ** 2)) if sure else None,
        calibration_error(confidence_bins(confidence, right)) if sure else None,
        float(np.mean(seconds)) if seconds else None,
        float(np.mean(tokens)) if tokens else None,
    )


def _write(judged: Judgement) -> None:
    head, rows = table(judged.scores)
    lines = ["# The adapter, judged", "", *_table(head, rows), ""]
    if judged.result is not None:
        lines += [f"Verdict on the adapter's advice: {judged.result.verdict}. {' '.join(judged.result.reasons)}", ""]
        lines += [f"Report: {judged.result.report}", ""]
    record = {"scores": [asdict(one) for one in judged.scores], "judged": datetime.now().astimezone().isoformat()}
    try:
        judged.folder.mkdir(parents=True, exist_ok=True)
        write_whole(judged.folder / PAGE, "\n".join(lines))
        write_whole(judged.folder / RECORD, json.dumps(record, indent=1) + "\n")
    except OSError as problem:
        raise ConfigurationError(
            f"{judged.folder} cannot be written ({problem.strerror}): choose another --out."
        ) from None


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    written = [head, [":--", ":--", *["--:"] * (len(head) - 2)], *rows]
    return [f"| {' | '.join(row)} |" for row in written]


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
