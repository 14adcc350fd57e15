"""The topics of an explanation: what each paragraph may tell, and the plain sentences that stand ready for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from simulator.reporting.explanation import plain
from simulator.reporting.explanation.plain import PlainSentence
from simulator.reporting.facts.fact import Facts

MOST_FACTS = 12
"""Facts of a topic that the model reads; the request stays within 600 tokens."""

FAILURES = ("statuses.abstained", "statuses.repaired", "verdicts.deny", "verdicts.review")
COUNTED = ("abstentions.", "repairs.", "clamps.", "refusals.")


@dataclass(frozen=True, slots=True)
class Topic:
    """A name, the facts that sentences on it may tell, and its plain sentences, the adverse ones first."""

    name: str
    facts: Facts
    sentences: tuple[PlainSentence, ...]


def topics(facts: Facts) -> list[Topic]:
    """The topics that these facts allow, in the order of the explanation."""
    arms = [fact.subject for fact in facts.values() if fact.metric == "sharpe"]
    if not arms:
        return []
    known = facts.get("run.subject")
    arm = str(known.value) if known is not None and known.value in arms else "llm" if "llm" in arms else arms[0]
    others = [other for other in arms if other != arm]
    made = [_against(facts, arm, other) for other in others]
    made += [_risk(facts, arm, others), _costs(facts, arm, others), _failures(facts, arm), _doubts(facts, arm, others)]
    return [topic for topic in made if topic.sentences]


def _against(facts: Facts, arm: str, other: str) -> Topic:
    sentences = chain(
        plain.compared(facts, "sharpe", arm, [other]),
        plain.compared(facts, "total_return", arm, [other]),
        plain.interval(facts, arm, other),
    )
    return _topic(f"{arm} against {other}", facts, sentences, [f"{arm}-{other}.p_value"])


def _risk(facts: Facts, arm: str, others: list[str]) -> Topic:
    sentences = chain(
        plain.ahead(facts, "max_drawdown", arm, others),
        plain.compared(facts, "max_drawdown", arm, others[:1]),
        plain.compared(facts, "volatility", arm, others[:1]),
        plain.figures(facts, [f"{arm}.worst_trade", f"{arm}.drawdown_bars"], adverse=True),
    )
    return _topic("Risk and drawdown", facts, sentences)


def _costs(facts: Facts, arm: str, others: list[str]) -> Topic:
    sentences = chain.from_iterable(
        plain.compared(facts, metric, arm, others[:1]) for metric in ("costs", "trades", "exposure")
    )
    return _topic("Costs and exposure", facts, sentences)


def _failures(facts: Facts, arm: str) -> Topic:
    failed = [name for name in facts if name.startswith(tuple(f"{arm}.{kind}" for kind in COUNTED))]
    ids = [*(f"{arm}.{metric}" for metric in FAILURES), *failed]
    sentences = chain(
        plain.figures(facts, ids, adverse=True), plain.figures(facts, [f"{arm}.decisions", "model.distinct"])
    )
    return _topic("Failures and cuts of the risk gate", facts, sentences)


def _doubts(facts: Facts, arm: str, others: list[str]) -> Topic:
    noise = plain.below_noise(facts, arm, others)
    sentences = chain(plain.dead(facts, arm), plain.undecided(facts, arm, others), noise, [plain.ONE_PATH])
    return _topic("What cannot be concluded", facts, sentences, [f"{arm}-{other}.p_value" for other in others])


def _topic(name: str, facts: Facts, sentences: Iterable[PlainSentence], more: Iterable[str] = ()) -> Topic:
    ready = sorted(sentences, key=lambda sentence: not sentence.adverse)
    ids = dict.fromkeys([*(fact for sentence in ready for fact in sentence.facts), *more])
    told = {name: facts[name] for name in ids if name in facts}
    return Topic(name, told, tuple(ready))
