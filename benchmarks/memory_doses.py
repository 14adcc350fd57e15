"""How much memory an audit finds, and how often it calls a model contaminated that has none: ``python -m
benchmarks.memory_doses`` (some five minutes of processor time; seeded).

The models are scripts. One with memory knows, of a share of the dates, whether the market rose afterwards: it advises
by that, and says so when it is asked for the date alone; elsewhere it reads the trend. The others know nothing: an
honest one reads, a noisy one reads and advises by chance on some bars, a dated one advises by what it makes of the
date, and a dead one always says the same.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import MemoryStore
from llm_strategy.llm.requests import Request, Slot
from simulator.evaluation.memory import Call, Probe, judge, moved_places, propensity, timing_p
from simulator.experiment.configuration import Experiment
from simulator.memory.audit import LARGEST_DOSE, audit_memory
from simulator.memory.probes import AuditOptions
from simulator.memory.result import Audit
from simulator.prices.universe import load_universe

DOSES = (0.05, 0.1, 0.25, 0.5, 1.0)
SMALL = AuditOptions(dates=60, windows=10, horizon=5)
"""What each audit asks."""
BARS = 700
_NOISE = 0.3
"""Share of bars on which a noisy model advises by chance."""
_MOVES = 299
"""Moves of the answers in the table of the tests alone."""
_ADVICE = {1: ("bull", "enter_long"), 0: ("sideways", "hold"), -1: ("bear", "exit")}


def planted_experiment(seed: int, bars: int = BARS, **advisor: Any) -> Experiment:
    """A small experiment that shows symbol and date, on a path of its own."""
    return Experiment.from_mapping(
        {
            "name": f"planted-{seed}",
            "data": {"source": f"synthetic:cycles?bars={bars}&seed={seed}"},
            "advisor": {"unmasked": ["symbol", "date"], **advisor},
            "arms": ["llm", "buy_and_hold"],
            "evaluation": {"bootstrap_samples": 400},
        }
    )


def futures(experiment: Experiment, horizon: int) -> dict[tuple[str, str], int]:
    """By symbol and day whether the close rose over the bars behind it: what a memory may hold."""
    universe = load_universe(experiment.data)
    found = {}
    for symbol in universe.symbols:
        closes = universe.decisions(symbol).table["close"]
        moves = closes.shift(-horizon) / closes - 1
        found |= {(symbol, day.isoformat()[:10]): int(np.sign(move)) for day, move in moves.dropna().items()}
    return found


@dataclass(frozen=True)
class PlantedModel:
    """Answers as a model of this ``kind`` (memory, honest, noisy, dated or dead) that knows a ``dose`` of the
    ``future``."""

    future: Mapping[tuple[str, str], int]
    kind: str = "memory"
    dose: float = 0.0
    seed: int = 0

    def __call__(self, request: Request) -> dict[str, str]:
        """What it says to a request of an advisor or of an audit."""
        asked = request.messages[-1].content
        slots = [part for part in request.form if isinstance(part, Slot)]
        if slots[0].name in ("market", "year"):
            return {slots[0].name: slots[0].choices[int(self._chance(asked) * len(slots[0].choices))]}
        if slots[0].name == "direction":
            found = re.search(r'Market: "(.*)"\nDate: (\S{10})', asked)
            known = self._remembers(*found.groups()) if found else 0
            return {"direction": {1: "up", -1: "down", 0: "unknown"}[known]}
        label, action = _ADVICE[self._stance(asked)]
        return {"label": label, "action": action, "action_confidence": "70", "rationale": "As it is."}

    def client(self) -> RecordingClient:
        """A client of the model with a record of its own."""
        model = ScriptedClient(self)
        return RecordingClient(model, model.identity, MemoryStore())

    def _stance(self, asked: str) -> int:
        line = asked[asked.rindex("trend: ") :].split(";")[0]
        read = 1 if "above" in line else -1 if "below" in line else 0
        named = re.findall(r'symbol: "(.*?)"; date: (\S{10})', asked)
        symbol, day = named[-1] if named else ("", "")
        if self.kind == "dead":
            return 0
        if self.kind == "noisy" and self._chance("noise", asked) < _NOISE:
            return int(3 * self._chance("which", asked)) - 1
        if self.kind == "dated" and day:
            return int(3 * self._chance("day", day)) - 1
        return self._remembers(symbol, day) or read

    def _remembers(self, symbol: str, day: str) -> int:
        known = self.kind == "memory" and self._chance("knows", symbol, day) < self.dose
        return self.future.get((symbol, day), 0) if known else 0

    def _chance(self, *about: str) -> float:
        """A number from 0 to 1 that is the same for the same question."""
        text = "\n".join((str(self.seed), *about))
        return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12


def audited(kind: str, dose: float, seed: int, options: AuditOptions = SMALL, bars: int = BARS) -> Audit:
    """The audit of one scripted model on a path of its own."""
    experiment = planted_experiment(seed, bars)
    model = PlantedModel(futures(experiment, options.horizon), kind, dose, seed)
    return audit_memory(experiment, options=options, client=model.client())


def called_contaminated(kind: str, seed: int, dates: int = 60, bars: int = 400) -> bool:
    """Whether a model without memory is called contaminated by the tests alone: its answers are drawn, and no question
    is asked."""
    random = np.random.default_rng([seed, len(kind)])
    returns = random.standard_t(4, bars + 5)
    outcomes = np.array([returns[at + 1 : at + 6].sum() for at in range(bars)])
    walk = np.cumsum(returns)[:bars]
    read = np.sign(walk - np.convolve(walk, np.ones(40) / 40)[:bars])
    held = np.repeat(random.integers(-1, 2, bars // 15 + 1), 15)[:bars]
    other = np.where(random.random(bars) < _NOISE, random.integers(-1, 2, bars), read) if kind == "noisy" else held
    at = np.arange(dates) * 5
    column, places = outcomes[at][:, None], moved_places(dates, _MOVES, seed)
    said = np.repeat(random.integers(-1, 2, dates // 6 + 1), 6)[:dates]
    half = dates // 2
    exchanged = random.integers(-2, 3, half)[:, None]
    against = outcomes[at][:half, None] - outcomes[at][half : 2 * half, None]
    tests = [
        (timing_p((other - read)[:, None], outcomes[:, None], moved_places(bars, _MOVES, seed))),
        timing_p(said[:, None], np.sign(column), places),
        timing_p(exchanged, against, moved_places(half, _MOVES, seed)),
    ]
    probes = [Probe(str(number), dates, value, p_value) for number, (value, p_value) in enumerate(tests)]
    probes.append(propensity(other[at][:, None], np.abs(said)[:, None].astype(float), column, places))
    return judge(probes, None, largest_dose=LARGEST_DOSE, dead=False).call is Call.CONTAMINATED


def print_doses(runs: int = 12, without: int = 30, drawn: int = 1000) -> None:
    """Print how many audits of each model end in each verdict, with intervals for those called contaminated."""
    print(f"memory audit: {SMALL.dates} dates, {BARS} bars, outcomes over {SMALL.horizon} bars")
    print(f"{'model':<26}{'audits':>7}{'contaminated':>14}{'95%':>16}{'clean':>7}{'inconclusive':>14}")
    kinds = [("memory", dose, runs) for dose in DOSES]
    for kind, dose, count in (
        *kinds,
        ("honest", 0.0, runs),
        ("noisy", 0.0, without),
        ("dated", 0.0, without),
        ("dead", 0.0, 4),
    ):
        began = time.process_time()
        calls = [audited(kind, dose, 1000 + seed).judgement.call for seed in range(count)]
        name = f"{kind}, {100 * dose:g}% of the dates" if dose else kind
        _print_row(name, count, calls.count(Call.CONTAMINATED), calls.count(Call.CLEAN))
        print(f"    {(time.process_time() - began) / count:.2f} processor seconds each", file=sys.stderr)
    print("the tests alone, on drawn answers")
    for kind in ("noisy", "restless"):
        _print_row(kind, drawn, sum(called_contaminated(kind, seed) for seed in range(drawn)), None)


def _print_row(name: str, count: int, found: int, clean: int | None) -> None:
    ends = binomtest(found, count).proportion_ci()
    interval = f"{100 * ends.low:.1f} to {100 * ends.high:.1f}%"
    rest = "" if clean is None else f"{clean:>7}{count - found - clean:>14}"
    print(f"{name:<26}{count:>7}{found / count:>14.1%}{interval:>16}{rest}", flush=True)


if __name__ == "__main__":
    print_doses()
