"""A line of decisions.jsonl and the decision behind it: what one function writes the other reads."""

import math
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from llm_strategy.risk import Intent, Verdict
from llm_strategy.trading.decision_lines import Entry, read_decision, write_decision
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Action,
    ActionType,
    Advice,
    ClampEvent,
    Constraints,
    Decision,
    Event,
    EventKind,
    Exchange,
    PolicyOutcome,
    PolicyVerdict,
    Regime,
    RegimeLabel,
    Snapshot,
    Status,
)

pytestmark = pytest.mark.slow

texts = some.text(some.characters(codec="utf-8"), max_size=20)
numbers = some.floats(allow_nan=False, allow_infinity=False) | some.integers(-(10**15), 10**15)
maybe = some.none() | numbers
abstentions = some.builds(Abstention, some.sampled_from(AbstentionReason), texts)
events = some.lists(some.builds(Event, some.sampled_from(EventKind), texts, maybe), max_size=3).map(tuple)
hashes = some.text("0123456789abcdef", min_size=1, max_size=8)
policies = some.builds(
    PolicyOutcome, some.sampled_from(PolicyVerdict), some.lists(texts, max_size=2).map(tuple), some.booleans()
)
snapshots = some.builds(
    Snapshot,
    symbol=texts,
    timeframe=texts,
    time=some.datetimes().map(lambda moment: moment.isoformat()),
    **{name: numbers for name in Snapshot.__slots__ if name not in ("symbol", "timeframe", "time", "extra")},
    extra=some.dictionaries(some.sampled_from(["gap", "skew", "tail"]), numbers).map(
        lambda own: tuple(sorted(own.items()))
    ),
)
advices = some.builds(
    Advice,
    texts,
    texts,
    some.builds(Regime, some.sampled_from(RegimeLabel), maybe),
    texts,
    some.builds(Action, some.sampled_from(ActionType), numbers, some.builds(Constraints, maybe, maybe, maybe)),
    texts,
    texts,
)
clamps = some.lists(some.builds(ClampEvent, texts, numbers, numbers), max_size=2).map(tuple)
verdicts = some.builds(Verdict, some.sampled_from(Intent), numbers, maybe, maybe, maybe, texts, clamps)
PURPOSES = (
    (),
    ("advice",),
    ("advice", "repair"),
    ("label", "action"),
    ("label", "prior", "action"),
    ("label", "action", "rationale"),
)
"""What the questions of a decision are for, in their order."""


@some.composite
def decisions(draw):
    exchanges = tuple(
        Exchange(draw(hashes), draw(some.none() | texts), draw(events), purpose)
        for purpose in draw(some.sampled_from(PURPOSES))
    )
    return Decision(
        draw(snapshots),
        draw(some.sampled_from(Status)),
        draw(some.none() | advices),
        draw(some.none() | abstentions),
        draw(policies),
        draw(texts),
        exchanges,
        draw(some.lists(texts, max_size=2).map(tuple)),
        draw(some.none() | abstentions),
    )


@given(some.builds(Entry, some.integers(0, 10**6), decisions(), verdicts))
def test_a_decision_is_read_as_it_was_written(entry):
    line = write_decision(entry)
    assert read_decision(line) == entry
    assert write_decision(read_decision(line)) == line


@given(some.builds(Entry, some.integers(0, 10**6), decisions(), verdicts), some.sampled_from(Snapshot.__slots__[4:-2]))
def test_a_feature_that_is_not_known_stays_unknown(entry, name):
    unknown = replace(entry.decision.snapshot, **{name: math.nan})
    line = write_decision(replace(entry, decision=replace(entry.decision, snapshot=unknown)))
    assert f'"{name}":null' in line
    assert math.isnan(getattr(read_decision(line).decision.snapshot, name))
    assert write_decision(read_decision(line)) == line


def test_the_journals_of_an_earlier_version_are_read_to_the_byte(tmp_path):
    with tarfile.open(Path(__file__).parents[1] / "golden" / "unsealed_run.tar.xz") as kept:
        kept.extractall(tmp_path, filter="data")
    lines = [
        line for path in tmp_path.rglob("decisions.jsonl") for line in path.read_text(encoding="utf-8").splitlines(True)
    ]
    assert lines
    assert all(write_decision(read_decision(line)) == line for line in lines)


@pytest.mark.parametrize("line", ["[]", "{}", '{"advice": 1}', "null", '"bar"'])
def test_what_is_no_decision_is_refused(line):
    with pytest.raises((LookupError, TypeError, AttributeError)):
        read_decision(line)
