"""How small models plan: ``python -m benchmarks.plans``.

Asked for a plan are states of real prices with distinct lines. Told are the share of valid plans, how many were
different, what they cost, and how many of the chosen analytics stay where the list is shuffled once: a choice of places
and not of analytics stays by chance alone. With ``--results`` a planned advisor and its nulls trade a short window, and
the table tells whether labels and results differ. Answers are recorded, so that what was interrupted goes on.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import simulator
from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.errors import ModelError
from llm_strategy.llm import FolderStore, LLMClient, RecordingClient, get_llm_client
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.settings import load_settings
from llm_strategy.market.view import View, render_snapshot
from simulator.prices.load import load_prices
from simulator.runs.simulation import snapshots

WAYS = (("llama_cpp", "choices"), ("llama_cpp", "slots"), ("llama_cpp", "json"), ("local_llama", "slots"))
MODELS = ("smollm2-135m", "gemma3-270m")
STATES, CHOSEN, TOKENS = 300, 3, 400
NULLS = {"everything": "all_analytics", "first_ones": "fixed_analytics", "random_ones": "random_analytics"}


class Plans(NamedTuple):
    """What the plans of some states came to; ``seconds`` and tokens are those of a question in the mean, ``kept`` the
    share of what was chosen that a shuffled list leaves, and ``by_chance`` what it would leave of random choices."""

    states: int
    valid: float
    distinct: int
    seconds: float
    tokens_in: float
    tokens_out: float
    kept: float
    by_chance: float


def states_to_ask(count: int, names: Sequence[str] | None) -> list[Snapshot]:
    """Closes of real prices with different lines, evenly spread, with the windows that these analytics need."""
    bars = max(PlanOptions(analytics=_tuple(names)).menu().lookbacks.values())
    found: dict[str, Snapshot] = {}
    for source in ("sample:sp500", "sample:nasdaq"):
        for snapshot in snapshots(load_prices(source), bars=bars):
            found.setdefault(render_snapshot(snapshot, View()), snapshot)
    distinct = list(found.values())
    return distinct[:: max(1, len(distinct) // count)][:count]


def measure_plans(client: LLMClient, mode: str, asked: Sequence[Snapshot], names: Sequence[str]) -> Plans:
    """Ask for a plan at each of these closes, and once more with the list shuffled."""
    shuffled = list(names)
    random.Random("plans").shuffle(shuffled)  # noqa: S311 - no secret
    made = [_plans(client, mode, asked, order) for order in (names, shuffled)]
    (plans, seconds, tokens_in, tokens_out), (others, *_) = made
    both = [(set(one), set(other)) for one, other in zip(plans, others, strict=True) if one and other]
    return Plans(
        len(asked),
        fmean(bool(plan) for plan in (*plans, *others)),
        len({frozenset(plan) for plan in plans if plan}),
        seconds,
        tokens_in,
        tokens_out,
        fmean(len(one & other) / len(one) for one, other in both) if both else 0.0,
        fmean(len(other) / len(names) for _, other in both) if both else 0.0,
    )


def _plans(
    client: LLMClient, mode: str, asked: Sequence[Snapshot], names: Sequence[str]
) -> tuple[list[tuple[str, ...]], float, float, float]:
    plan = {"choose": CHOSEN, "tokens": TOKENS, "analytics": tuple(names)}
    found, seconds, tokens_in, tokens_out = [], [], [], []
    for snapshot in asked:  # each as the first of its market: nothing of a past plays a part in a plan
        advisor = ModelAdvisor(client, options=PromptOptions(mode), plan=plan, remember=False)
        request = advisor.request(snapshot)
        began = time.perf_counter()
        names_chosen, _ = advisor.plan(snapshot)
        answer = client.recorded(request)
        seconds.append(time.perf_counter() - began if answer is None else answer.latency_ms / 1000)
        if answer is not None:
            tokens_in.append(answer.tokens_in)
            tokens_out.append(answer.tokens_out)
        found.append(names_chosen)
    return found, fmean(seconds), fmean(tokens_in or [0]), fmean(tokens_out or [0])


def compare_with_nulls(model: str, start: str, end: str, every: int) -> None:
    """Trade a window with a planned advisor and its nulls, and print labels and results beside each other."""
    settings: Mapping[str, Any] = {
        "name": f"plans-{model}",
        "data": {"source": "sample:sp500", "start": start, "end": end},
        "advisors": {"planned": {"model": model, "backend": "llama_cpp", "decide_every": every, "max_failure_rate": 1.0,
                                 "plan": {"choose": CHOSEN, "tokens": TOKENS}}},
        "arms": {"planned": None} | {name: {"advisor": "planned", "null": null} for name, null in NULLS.items()}
        | {"buy_and_hold": None},
        "output": {"explain": False, "folder": str(cache_folder() / "benchmarks")},
    }  # fmt: skip
    facts = simulator.compare(simulator.Experiment.from_mapping(settings)).facts
    print(f"{model}: {facts['planned.plan_decisions'].text} decisions, {facts['planned.plan_distinct'].text} plans")
    print("arm         | tokens | return | Sharpe | kappa | difference of Sharpe")
    for name in ("planned", *NULLS):
        figures = [facts[f"{name}.{key}"].text for key in ("plan_tokens", "total_return", "sharpe")]
        kappa = facts[f"pair.planned.{name}.label_kappa"].text if name in NULLS else ""
        told = ""
        if name in NULLS:
            keys = ("sharpe_difference", "low", "high")
            pair = [facts[f"planned-{name}.{key}"].text for key in keys]
            told = f"{pair[0]} ({pair[1]} to {pair[2]})"
        print(f"{name:11} | {' | '.join(figures)} | {kappa} | {told}")


def _tuple(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=STATES)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--ways", nargs="+", default=[f"{backend}/{mode}" for backend, mode in WAYS])
    parser.add_argument("--analytics", nargs="+", help="the list to choose from; all of the package if absent")
    parser.add_argument("--results", nargs=2, metavar=("START", "END"))
    parser.add_argument("--every", type=int, default=5)
    given = parser.parse_args()
    names = given.analytics or list(PlanOptions().menu().everywhere)
    print(f"{CHOSEN} of {len(names)} analytics, at most {TOKENS} tokens")
    print("model | backend | asked | n | valid | plans | s | in | out | kept | by chance", flush=True)
    asked = states_to_ask(given.states, names)
    for model in given.models:
        for way in given.ways:
            backend, _, mode = way.partition("/")
            try:
                client = get_llm_client(settings=load_settings(backend=backend, model=model))
            except ModelError as problem:
                print(f"{model} on {backend}: {problem}")
                continue
            recording = RecordingClient(client, client.identity, FolderStore(cache_folder() / "answers"))
            row = measure_plans(recording, mode, asked, names)
            figures = (f"{row.seconds:.2f}", f"{row.tokens_in:.0f}", f"{row.tokens_out:.1f}", f"{row.kept:.2f}")
            cells = [f"{row.valid:.1%}", row.distinct, *figures, f"{row.by_chance:.2f}"]
            print(" | ".join(map(str, (model, backend, mode, row.states, *cells))), flush=True)
        if given.results:
            compare_with_nulls(model, given.results[0], given.results[1], given.every)


if __name__ == "__main__":
    main()
