"""One decision on its own: what was shown, asked, answered, checked, and what the gate would do with an empty book."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.client import LLMClient
from llm_strategy.risk import Account, Market, Verdict, judge
from llm_strategy.risk.checklist import Firing
from llm_strategy.shown import Image
from llm_strategy.support.outside_text import hanging
from llm_strategy.trading.checklist_inputs import ChecklistInputs
from llm_strategy.trading.decision_lines import Entry, write_decision
from llm_strategy.types import ClampEvent, Decision
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.prices.load import moment
from simulator.prices.universe import Universe
from simulator.runs.answers import advisor_of, connect
from simulator.runs.simulation import upcoming
from simulator.runs.trials.tail import visible_universe


@dataclass(frozen=True)
class Consultation:
    """A decision with the whole conversation behind it; ``verdict`` is the gate's for an account without positions."""

    bar: int
    decision: Decision
    verdict: Verdict
    messages: tuple[tuple[str, str], ...]
    model: str
    passed_over: int = 0
    """Bars behind this one, up to the one asked for, at which the schedule wants no decision."""
    images: tuple[Image, ...] = ()
    """What the model saw with its messages."""

    def as_dict(self) -> dict[str, Any]:
        """The journal's line of this decision, with the messages and the model's name."""
        line: dict[str, Any] = json.loads(write_decision(Entry(self.bar, self.decision, self.verdict)))
        return line | {
            "model": self.model,
            "passed_over": self.passed_over,
            "messages": [{"role": role, "content": text} for role, text in self.messages],
            **({"images": [image.sha256 for image in self.images]} if self.images else {}),
        }

    def as_text(self) -> str:
        """The same for reading."""
        decision, verdict = self.decision, self.verdict
        said = decision.exchanges[-1].answer if decision.exchanges else None
        lines = [f"[{role}]\n{text}" for role, text in self.messages]
        lines += [f"[image sha256 {image.sha256}, {len(image.content):,} bytes]" for image in self.images]
        lines.append(f"[{self.model}]\n{said if said is not None else '(no answer)'}")
        lines.append("")
        lines.append(f"Bar      {decision.snapshot.time}, close {decision.snapshot.close:g} (not shown to the model)")
        if self.passed_over:
            bars = "bar" if self.passed_over == 1 else f"{self.passed_over} bars"
            lines.append(f"         the last decision up to there: the schedule passes over the {bars} behind it")
        lines.append(f"Status   {decision.status}" + (f" ({', '.join(decision.repairs)})" if decision.repairs else ""))
        happened = [event for exchange in decision.exchanges for event in exchange.events]
        lines.extend(f"         {event.kind}: {event.detail}" for event in happened)
        if decision.abstention:
            lines.append(f"Reason   {decision.abstention.reason}: {decision.abstention.detail}")
        if decision.advice:
            advice = decision.advice
            lines.append(f"Advice   {advice.regime.label}, {advice.action.type}: {advice.rationale}")
        lines.append(f"Policy   {decision.policy.verdict}" + "".join(f"; {why}" for why in decision.policy.reasons))
        wish = (
            f"{verdict.intent} {verdict.size:g} shares, stop {verdict.stop_pct:.1%}"
            if verdict.size
            else str(verdict.intent)
        )
        lines.append(f"Gate     {wish} {verdict.reason}".rstrip())
        lines.extend(f"         {cut_in_words(cut)}" for cut in verdict.clamps)
        return "\n".join(map(hanging, lines))


def advise_at(
    experiment: Experiment,
    at: str | None = None,
    *,
    symbol: str | None = None,
    client: LLMClient | None = None,
    advisor: str | None = None,
) -> Consultation:
    """Ask for the advice of the last decision up to ``at`` (ISO date or time; the end of the data if ``None``) on a
    symbol, which may be left out where there is one alone: the very question that a run asks there. The advice is that
    of the ``advisor``, or arm that one advises, of this name; of the first such arm if none is named.

    A bar at which the schedule wants no decision has none here either: the one before it is shown. Raises as
    ``compare`` does.
    """
    data = experiment.data
    last = None if at is None else _end_of(at)
    if last is not None and data.end is not None and last > moment(data.end, "end"):
        data = replace(data, end=at)
    warm_up = experiment.warm_up
    universe, _ = visible_universe(experiment, data, at=at)
    if symbol is None and len(universe.symbols) > 1:
        names = ", ".join(universe.symbols)
        raise ConfigurationError(f"The experiment has several symbols: add --symbol with one of {names}.")
    prices = universe.decisions(symbol or universe.symbols[0])
    # Cut here and not when the prices are loaded: whether a week is over may show in a later bar only.
    times = prices.table.index if last is None else prices.table.index[prices.table.index <= last]
    if len(times) < warm_up.bars:
        raise ConfigurationError(
            f"{prices.symbol} has {len(times)} decision bars up to there and a decision needs "
            f"{warm_up.bars}: ask for a later bar."
        )
    choice = advised_arm(experiment, advisor).config or experiment.primary_config
    asked = advisor_of(client or connect(experiment, choice), choice)
    others = asked.context.shows_more  # what is shown may look at the other symbols
    checklist = None if experiment.risk.checklist is None else ChecklistInputs(experiment.risk.checklist)
    seen = upcoming(universe if others else Universe((prices,)), experiment, choice)
    own = [snapshot for snapshot in seen.snapshots if snapshot.symbol == prices.symbol]
    past = own[: len(times) - warm_up.bars + 1]
    place = max(place for place, snapshot in enumerate(past) if seen.wants(snapshot))
    snapshot = past[place]
    for earlier in takewhile(lambda earlier: earlier is not snapshot, seen.snapshots):
        # What was asked before matters where answers so far correct the next one or decide whether a reason is asked.
        if seen.wants(earlier) and (not asked.stateless or (checklist is not None and checklist.counts_labels)):
            decided = asked.decide(earlier)
            if checklist is not None:
                checklist.decided(decided)
        else:
            asked.witness(earlier)
    decision = asked.decide(snapshot)
    first, *behind = requests = asked.last_requests
    said: list[tuple[str, str]] = [(message.role, message.content) for message in first.messages]
    for request in behind:  # a plan
        said.append(("plan", ", ".join(decision.plan or ())))
        said += [(message.role, message.content) for message in request.messages]
    costs = experiment.costs
    market = Market(decision.snapshot.close, costs.at_bar(None, decision.snapshot.volatility))
    account = Account(equity=costs.starting_cash, cash=costs.starting_cash)
    firings: tuple[Firing, ...] = ()
    if checklist is not None:
        for each in upcoming(universe, experiment, choice).snapshots:
            if each.time <= snapshot.time:
                checklist.take(each)
        checklist.decided(decision)
        firings = checklist.firings(snapshot, account, market.price, decision)
    return Consultation(
        warm_up.bars - 1 + place,
        decision,
        judge(decision.advice, market, account, experiment.risk, firings),
        tuple(said),
        asked.client.identity.name,
        len(past) - 1 - place,
        requests[-1].images,
    )


def cut_in_words(cut: ClampEvent) -> str:
    """What a limit did to an entry, in a line of its own."""
    return f"flag {cut.limit}" if cut.is_flag else f"cut {cut.limit}: {cut.before:g} to {cut.after:g}"


def advised_arm(experiment: Experiment, advisor: str | None) -> Arm:
    """The arm of an advisor, or the arm that one advises, of this name; the primary one if none is named. Raises
    ``ConfigurationError`` where there is none."""
    advised = [arm for arm in experiment.plan if arm.kind == "advisor"]
    names = list(dict.fromkeys([*experiment.advisors_by_name, *(arm.name for arm in advised)]))
    if advisor is None:
        return experiment.primary or experiment.arm(names[0])
    if advisor not in names:
        raise ConfigurationError(f"The experiment has no advisor {advisor!r}{did_you_mean(advisor, names)}")
    if advisor in experiment.advisors_by_name:
        return Arm(advisor, "advisor", advisor, experiment.advisors_by_name[advisor])
    return experiment.arm(advisor)


def _end_of(at: str) -> datetime:
    """The last moment that ``at`` holds: a date holds its whole day."""
    try:
        return moment(at, "end")
    except ConfigurationError:
        raise ConfigurationError(f"--at is {at!r}: write an ISO date or time, such as 2008-10-10.") from None
