"""The embedded model: validity and coherence over distinct snapshots, and what keeping the prompt's prefix saves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import backtrader as bt

from llm_strategy import ModelAdvisor, Snapshot
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm import LLMClient, Message, get_llm_client
from llm_strategy.market.snapshot import SnapshotReader
from llm_strategy.market.view import causal_label, render_snapshot
from llm_strategy.types import Status
from simulator.experiment.configuration import Experiment
from simulator.prices.feed import make_feed
from simulator.prices.load import load_prices
from simulator.runs.answers import connect


@dataclass(frozen=True)
class Validity:
    """Counts over distinct rendered snapshots."""

    asked: int
    valid_at_once: int
    repaired: int
    abstained: int
    coherent: int
    agree_with_rule: int
    labels: Counter[str]
    actions: Counter[str]


def distinct_snapshots(*sources: str) -> list[Snapshot]:
    """One snapshot for each distinct rendered text of these price sources."""
    found = {render_snapshot(snapshot): snapshot for source in sources for snapshot in snapshots_of(source)}
    return list(found.values())


def measure_validity(client: LLMClient, snapshots: list[Snapshot]) -> Validity:
    """Ask for each snapshot once."""
    advisor = ModelAdvisor(client)
    decisions = [advisor.decide(snapshot) for snapshot in snapshots]
    advised = [decision for decision in decisions if decision.advice is not None]
    return Validity(
        asked=len(decisions),
        valid_at_once=sum(decision.status is Status.ADVISED for decision in decisions),
        repaired=sum(decision.status is Status.REPAIRED for decision in decisions),
        abstained=len(decisions) - len(advised),
        coherent=sum(decision.policy.coherent for decision in advised),
        agree_with_rule=sum(d.advice.regime.label is causal_label(d.snapshot) for d in advised if d.advice),
        labels=Counter(str(d.advice.regime.label) for d in advised if d.advice),
        actions=Counter(str(d.advice.action.type) for d in advised if d.advice),
    )


SOURCES = ("sample:sp500", "sample:nasdaq", "synthetic:crash", "synthetic:cycles", "synthetic:calm")


def print_validity() -> None:
    """What the embedded model answers to the distinct snapshots of some prices."""
    snapshots = distinct_snapshots(*SOURCES)
    with get_llm_client() as model:
        kept, anew = seconds_per_decision(model, snapshots[:8])
    print(f"decision with the prefix kept over read anew {kept / anew:.3f}x  ({kept:.2f} s and {anew:.2f} s)")
    validity = measure_validity(connect(Experiment.starter()), snapshots)
    print(f"distinct snapshots asked                    {validity.asked}")
    print(f"contract-valid without repair               {validity.valid_at_once / validity.asked:.1%}")
    print(f"repaired, abstained                         {validity.repaired}, {validity.abstained}")
    print(f"coherent (label, action, rationale agree)   {validity.coherent / validity.asked:.1%}")
    print(f"label is that of the causal rule            {validity.agree_with_rule / validity.asked:.1%}")
    print(f"labels                                      {dict(validity.labels)}")
    print(f"actions                                     {dict(validity.actions)}")


def seconds_per_decision(
    client: LLMClient,
    snapshots: list[Snapshot],
    options: PromptOptions = PromptOptions(),  # noqa: B008 - frozen
) -> tuple[float, float]:
    """Seconds for a decision with the prefix kept and with it read anew each time."""
    advisor = ModelAdvisor(client, options=options)
    requests = [advisor.request(snapshot) for snapshot in snapshots]
    client.complete(requests[0])
    begin = time.perf_counter()
    for request in requests:
        client.complete(request)
    kept = time.perf_counter() - begin
    begin = time.perf_counter()
    for number, request in enumerate(requests):
        system = replace(request.messages[0], content=f"{number}. {request.messages[0].content}")
        client.complete(replace(request, messages=(system, *request.messages[1:])))
    anew = time.perf_counter() - begin
    client.complete(
        replace(requests[0], messages=(Message("user", "Ready?"),), form=(), choices=(), opening="", max_tokens=1)
    )
    return kept / len(requests), anew / len(requests)


class _Watcher(bt.Strategy):
    def __init__(self) -> None:
        self._reader = SnapshotReader(self.data)
        self.seen: list[Snapshot] = []

    def next(self) -> None:
        self.seen.append(self._reader.read())


def snapshots_of(source: str) -> Iterator[Snapshot]:
    """Every snapshot of these prices, in their order."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(load_prices(source)))
    cerebro.addstrategy(_Watcher)
    yield from cerebro.run()[0].seen
