"""How well each model decides, by backend, decision mode and choice of examples: ``python -m benchmarks.decisions``.

Asked are distinct snapshots of real prices from 2006 on; what came before them is the past from which examples are
retrieved. ``--earlier`` asks states of 2001 to 2005 instead, on which layout and number of examples were chosen, and
``--layouts`` compares the layouts of ``prompts/``, with those of the files that ``--layout-file`` names (it may be
repeated, and without ``--layouts`` these alone are compared). Answers are recorded with the time they took, so a table
that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.model import seconds_per_decision, snapshots_of
from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.advice.examples import Analogues, ExampleKind
from llm_strategy.advice.layout import LAYOUT_NAMES, LayoutText
from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import MODES
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError, ModelError
from llm_strategy.llm import FolderStore, Generation, LLMClient, RecordingClient, Request, get_llm_client
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.settings import load_settings
from llm_strategy.market.view import View, causal_label, render_snapshot
from llm_strategy.types import Decision, Status
from simulator.evaluation.regimes import kappa

SOURCES = ("sample:sp500", "sample:nasdaq")
EARLIER, LATER = ("2001", "2006"), ("2006", "9999")
STATES = 300
COLUMNS = "model | backend | asked | n | valid | repaired | abstained | coherent | kappa | s | engine s | in | out"

CASES = {
    "json, fixed": PromptOptions("json", "fixed"),
    "json, nearest 2": PromptOptions("json", "nearest"),
    "slots, fixed": PromptOptions("slots", "fixed"),
    "slots, nearest 2": PromptOptions("slots", "nearest"),
    "slots, nearest 2, rationale": PromptOptions("slots", "nearest", rationale="always"),
    "choices, fixed": PromptOptions("choices", "fixed"),
    "choices, nearest 2": PromptOptions("choices", "nearest"),
    "choices, nearest 2, followed": PromptOptions("choices", "nearest", labels="followed"),
}


def layout_cases(layouts: Mapping[str, str | LayoutText]) -> dict[str, PromptOptions]:
    """The cases in which these layouts, each under its name, are compared."""
    return {
        f"{layout}, {name}": PromptOptions("choices", examples, count, layout=layouts[layout])
        for layout in layouts
        for name, examples, count in _EXAMPLES
    }


_EXAMPLES: tuple[tuple[str, ExampleKind, int], ...] = (
    ("fixed", "fixed", 1),
    ("nearest 2", "nearest", 2),
    ("nearest 4", "nearest", 4),
)
LAYOUTS = layout_cases({layout: layout for layout in LAYOUT_NAMES})


@dataclass(frozen=True)
class Row:
    """One line of the table: shares of the decisions, Cohen's kappa of the label against the causal rule, and for each
    decision seconds, the seconds that the engine itself counts, and tokens read (reused ones included) and written."""

    decisions: int
    valid: float
    repaired: float
    abstained: float
    coherent: float
    kappa: float
    seconds: float
    engine_seconds: float
    tokens_in: float
    tokens_out: float
    labels: Counter[str]


class Watched(LLMClient):
    """A client that keeps the answers of the last decision."""

    def __init__(self, inner: LLMClient) -> None:
        self.identity, self.defaults = inner.identity, inner.defaults
        self.answers: list[Generation] = []
        self._inner = inner

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Answer, and keep the answer."""
        self.answers.append(self._inner.complete(request, on_delta))
        return self.answers[-1]


def asked_snapshots(states: int, window: tuple[str, str] = LATER) -> dict[str, list[tuple[Snapshot, bool]]]:
    """The snapshots of each source in their order, and whether they are asked: evenly spread over the first occurrences
    of the distinct states in a window of times."""
    begin, end = window
    past = {source: [one for one in snapshots_of(source) if one.time < end] for source in SOURCES}
    first: dict[str, Snapshot] = {}
    for snapshot in chain.from_iterable(past.values()):
        if snapshot.time >= begin:
            first.setdefault(render_snapshot(snapshot), snapshot)
    distinct = list(first.values())
    chosen = {distinct[number * len(distinct) // states] for number in range(min(states, len(distinct)))}
    return {source: [(snapshot, snapshot in chosen) for snapshot in seen] for source, seen in past.items()}


def measure(client: LLMClient, options: PromptOptions, asked: dict[str, list[tuple[Snapshot, bool]]]) -> Row:
    """Ask and count."""
    watched = Watched(client)
    decisions: list[Decision] = []
    answers: list[Generation] = []
    for snapshots in asked.values():
        advisor = ModelAdvisor(watched, options=options)
        for snapshot, wanted in snapshots:
            if not wanted:
                advisor.witness(snapshot)
                continue
            decisions.append(advisor.decide(snapshot))
        answers += watched.answers
        watched.answers.clear()
    advised = [decision for decision in decisions if decision.advice]
    count = len(decisions)
    return Row(
        count,
        sum(decision.status is Status.ADVISED for decision in decisions) / count,
        sum(decision.status is Status.REPAIRED for decision in decisions) / count,
        sum(decision.status is Status.ABSTAINED for decision in decisions) / count,
        sum(decision.policy.coherent for decision in advised) / max(1, len(advised)),
        kappa(Counter((str(d.advice.regime.label), str(causal_label(d.snapshot))) for d in advised if d.advice)) or 0.0,
        sum(answer.latency_ms for answer in answers) / 1000 / count,
        sum(answer.engine_ms for answer in answers) / 1000 / count,
        sum(answer.tokens_in for answer in answers) / count,
        sum(answer.tokens_out for answer in answers) / count,
        Counter(str(d.advice.regime.label) for d in advised if d.advice),
    )


def kappa_without_a_model(asked: dict[str, list[tuple[Snapshot, bool]]]) -> float:
    """Cohen's kappa of the label that the nearest past state carries: what a model that only copies comes to."""
    pairs = []
    for snapshots in asked.values():
        past = Analogues(View())
        for snapshot, wanted in snapshots:
            if wanted:
                pairs += [(str(one.label), str(causal_label(snapshot))) for one in past.choose(snapshot, "nearest", 1)]
            past.take(snapshot)
    return kappa(Counter(pairs)) or 0.0


def _clients(models: list[str], backends: list[str]) -> Iterator[tuple[str, str, LLMClient]]:
    for model in models:
        for backend in backends:
            try:
                yield model, backend, get_llm_client("bench", settings=load_settings(model=model, backend=backend))
            except ModelError as problem:
                print(f"{model} on {backend}: {problem}")


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="smollm2-135m,gemma3-270m", help="names or files, with commas between")
    parser.add_argument("--backends", default="llama_cpp,local_llama")
    parser.add_argument("--cases", help=f"cases, with semicolons between: {'; '.join(CASES)}")
    parser.add_argument("--layouts", action="store_true", help="compare the layouts of scored choices")
    parser.add_argument("--layout-file", action="append", default=[], help="compare the layout in this file")
    parser.add_argument("--earlier", action="store_true", help="ask the states of 2001 to 2005")
    parser.add_argument("--states", type=int, default=STATES)
    parser.add_argument("--prefix", action="store_true", help="also what a kept prefix saves")
    given = parser.parse_args()
    try:
        own = layout_cases({file: LayoutText.from_file(Path(file).expanduser()) for file in given.layout_file})
    except ConfigurationError as problem:
        parser.error(str(problem))
    asked = asked_snapshots(given.states, EARLIER if given.earlier else LATER)
    cases = (LAYOUTS if given.layouts else {} if own else CASES) | own
    print(f"The label of the nearest past state, without a model: kappa {kappa_without_a_model(asked):.2f}\n")
    store = FolderStore(cache_folder() / "benchmarks")
    print(f"| {COLUMNS} |")
    print("|---" * (COLUMNS.count("|") + 1) + "|")
    for model, backend, inner in _clients(given.models.split(","), given.backends.split(",")):
        with inner:
            client = RecordingClient(inner, inner.identity, store)
            for name in given.cases.split(";") if given.cases else cases:
                options = cases[name.strip()]
                if not MODES[options.mode].possible(Abilities.of(client, View())):
                    continue
                row = measure(client, options, asked)
                print(
                    f"| {model} | {backend} | {name.strip()} | {row.decisions} | {row.valid:.1%} | {row.repaired:.1%} "
                    f"| {row.abstained:.1%} | {row.coherent:.1%} | {row.kappa:.2f} | {row.seconds:.2f} "
                    f"| {row.engine_seconds:.2f} | {row.tokens_in:.0f} | {row.tokens_out:.1f} |",
                    flush=True,
                )
            if given.prefix:
                few = [snapshot for snapshot, wanted in asked[SOURCES[0]] if wanted][:6]
                options = CASES["choices, fixed" if client.supports_choices else "slots, fixed"]
                kept, anew = seconds_per_decision(inner, few, options)
                print(
                    f"\n{model} on {backend}, {options.mode}: {kept:.2f} s with the prefix kept, {anew:.2f} s read anew"
                )


if __name__ == "__main__":
    main()
