"""One decision on its own: what was shown, asked, answered, checked, and what the gate would do with an empty book."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, replace
from typing import Any

from llm_strategy.advisor import ModelAdvisor
from llm_strategy.errors import ConfigurationError
from llm_strategy.features import LONGEST_LOOKBACK
from llm_strategy.journal import decision_line
from llm_strategy.llm.client import LLMClient
from llm_strategy.risk import Account, Market, Verdict, judge
from llm_strategy.types import Decision
from simulator.answers import connect
from simulator.experiment import Experiment
from simulator.universe import load_universe
from simulator.upcoming import snapshots


@dataclass(frozen=True)
class Consultation:
    """A decision with the whole conversation behind it; ``verdict`` is the gate's for an account without positions."""

    bar: int
    decision: Decision
    verdict: Verdict
    messages: tuple[tuple[str, str], ...]
    model: str

    def as_dict(self) -> dict[str, Any]:
        """The journal's line of this decision, with the messages and the model's name."""
        line: dict[str, Any] = json.loads(decision_line(self.bar, self.decision, self.verdict))
        return line | {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in self.messages],
        }

    def as_text(self) -> str:
        """The same for reading."""
        decision, verdict = self.decision, self.verdict
        said = decision.exchanges[-1].answer if decision.exchanges else None
        lines = [f"[{role}]\n{text}" for role, text in self.messages]
        lines.append(f"[{self.model}]\n{said if said is not None else '(no answer)'}")
        lines.append("")
        lines.append(f"Bar      {decision.snapshot.time}, close {decision.snapshot.close:g} (not shown to the model)")
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
        lines.extend(f"         cut {cut.limit}: {cut.before:g} to {cut.after:g}" for cut in verdict.clamps)
        return "\n".join(lines)


def advise_at(
    experiment: Experiment, at: str | None = None, *, symbol: str | None = None, client: LLMClient | None = None
) -> Consultation:
    """Ask for the advice of the last decision bar up to ``at`` (ISO date or time; the end of the data if ``None``) of a
    symbol, which may be left out where there is one alone.

    Raises as ``compare`` does.
    """
    if at is not None:
        try:
            datetime.datetime.fromisoformat(at)
        except ValueError:
            raise ConfigurationError(f"--at is {at!r}: write an ISO date or time, such as 2008-10-10.") from None
    universe = load_universe(replace(experiment.data, end=at or experiment.data.end))
    if symbol is None and len(universe.symbols) > 1:
        names = ", ".join(universe.symbols)
        raise ConfigurationError(f"The experiment has several symbols: add --symbol with one of {names}.")
    prices = universe.decisions(symbol or universe.symbols[0])
    if len(prices.table) < LONGEST_LOOKBACK:
        raise ConfigurationError(
            f"{prices.symbol} has {len(prices.table)} decision bars up to there and a decision needs "
            f"{LONGEST_LOOKBACK}: ask for a later bar."
        )
    choice = experiment.advisor
    advisor = ModelAdvisor(
        client or connect(experiment), view=choice.view, reading=choice.reading, repairs=choice.repairs
    )
    *past, snapshot = snapshots(prices)
    # What was asked before matters where the answers so far correct the next one or decide whether a reason is asked.
    before = advisor.witness if advisor.reading.forgets else advisor.decide
    for earlier in past:
        before(earlier)
    messages = advisor.request(snapshot).messages
    decision = advisor.decide(snapshot)
    costs = experiment.costs
    market = Market(decision.snapshot.close, costs.at_bar(None, decision.snapshot.volatility))
    account = Account(equity=costs.starting_cash, cash=costs.starting_cash)
    return Consultation(
        len(prices.table) - 1,
        decision,
        judge(decision.advice, market, account, experiment.risk),
        tuple((message.role, message.content) for message in messages),
        advisor.client.identity.name,
    )
