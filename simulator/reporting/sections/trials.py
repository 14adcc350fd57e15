"""How many configurations were tried on these bars, what the best of so many would show by luck, and whether bars were
sealed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simulator.evaluation.placebo_record import read_placebos
from simulator.evaluation.timing import Timing
from simulator.evaluation.trials import TrialCount, expected_best, sidak, trials_of
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Heading, Paragraph
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import advised_arm, advisor_arms, day
from simulator.reporting.facts.terms import Unit


def facts(table: FactTable, record: Record) -> None:
    """Add how many configurations were tried, and of each advised arm its p of timing among so many."""
    count = trials_of(record)
    if count is None:
        return
    numbers = {
        "trials": (count.same, "distinct configurations evaluated on exactly these bars, at least"),
        "trials_overlap": (count.number, "distinct configurations evaluated on any of these bars, at least"),
    }
    for metric, (value, label) in numbers.items():
        table.add("run", metric, value, Unit.COUNT, label)
    _add_best(table, record, count)
    for arm in advisor_arms(record):
        timing = table.facts.get(f"{arm.name}.timing.p")
        if timing is not None and isinstance(timing.value, int | float):
            corrected = sidak(float(timing.value), count.number)
            words = f"p-value of the timing of {arm.name} as the best of all configurations tried (Sidak)"
            table.add(arm.name, "timing.p_trials", corrected, Unit.RATIO, words)
    _add_tail(table, record, count)


def _add_tail(table: FactTable, record: Record, count: TrialCount) -> None:
    if (sealed := count.sealed) is not None:
        table.add("run", "sealed_from", day(sealed.first), Unit.TEXT, "first bar of the sealed tail")
        table.add("run", "sealed_bars", sealed.bars, Unit.BARS, "decision bars of the sealed tail")
    if (opened := count.opened) is not None:
        table.add("run", "openings", opened.number or None, Unit.COUNT, "times that these sealed bars were opened")
        if opened.number > 1:
            first = record.manifest["trials"]["opened"]["first"]
            table.add("run", "first_opened", first[:10], Unit.TEXT, "day on which these sealed bars were opened first")
        words = "distinct configurations evaluated on any of these bars before they were opened"
        table.add("run", "tried_before_opening", opened.tried, Unit.COUNT, words)


def _add_best(table: FactTable, record: Record, count: TrialCount) -> None:
    """Add the expected best annual Sharpe ratio of as many trials without skill. These spread as accounts do that held
    as long as the advised arm at moments of chance, or, where there are none, as estimates over as many years do."""
    words = "annual Sharpe ratio that the best of as many configurations without skill is expected to show"
    if (chance := _chance(record)) is not None:
        best = chance.mean + expected_best(count.number) * chance.sd
        table.add("run", "expected_best", best, Unit.RATIO, words)
        table.add("run", "chance_sharpe", chance.mean, Unit.RATIO, "mean annual Sharpe ratio at moments of chance")
    elif years := table.number("run.years"):
        table.add("run", "expected_best", expected_best(count.number) / math.sqrt(years), Unit.RATIO, words)


def _chance(record: Record) -> Timing | None:
    """The advised arm among accounts at moments of chance; None where there are no such accounts."""
    arm = advised_arm(record)
    placebos = None if arm is None else read_placebos(record.folder).get(arm.name)
    level = record.manifest["experiment"]["evaluation"]["confidence_level"]
    return None if placebos is None else placebos.timing.timing(level)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The number in a sentence, what luck alone would show, and what is known of sealed bars."""
    count = trials_of(record)
    if count is None:
        return
    yield Heading("How often it was tried", "trials")
    yield Paragraph([*_number(count, facts), *_corrected(record, count, facts)])
    yield Paragraph(_limits(count), "note")
    if count.sealed is not None or count.opened is not None:
        yield Paragraph(list(_tail(count)))


def _number(count: TrialCount, facts: Facts) -> Iterator[str]:
    if count.number == 1:
        yield "This is the first configuration that is known to have been tried on these bars."
        return
    same = " ({run.trials} of them on exactly the same ones)" if count.same < count.number else ""
    yield f"At least {{run.trials_overlap}} configurations have been tried on these bars{same}, this run included."
    if "run.expected_best" not in facts:
        return
    yield (
        "By luck alone the best of {run.trials_overlap} without any skill would show an annual Sharpe ratio of about "
        "{run.expected_best},"
    )
    yield (
        "where one that holds as long at moments of chance shows {run.chance_sharpe}."
        if "run.chance_sharpe" in facts
        else "where one without any skill shows zero, over {run.years} years."
    )


def _corrected(record: Record, count: TrialCount, facts: Facts) -> Iterator[str]:
    if count.number == 1:
        return
    for arm in advisor_arms(record):
        if f"{arm.name}.timing.p_trials" in facts:
            yield (
                f"Seen as the best of so many, the timing of {arm.name} has a p of {{{arm.name}.timing.p_trials}} in "
                f"place of {{{arm.name}.timing.p}}."
            )


def _limits(count: TrialCount) -> str:
    if count.problem:
        return f"{count.problem} The number is the smallest that is certain. See `btllm trials check`."
    return (
        "The number is that of the ledger of trials on the machine of this run; what was tried elsewhere, by hand or "
        "before is not in it. Runs that differ in seed alone count once."
    )


def _tail(count: TrialCount) -> Iterator[str]:
    if count.sealed is not None:
        yield (
            "The bars from {run.sealed_from} on ({run.sealed_bars} decisions) are sealed: nothing of them was run or "
            "is shown here. `btllm open-holdout` opens them, once."
        )
    if count.opened is not None:
        yield from _opening(count.opened.number, count.opened.tried)


def _opening(number: int, tried: int) -> Iterator[str]:
    yield "These bars were sealed, and this run opened them."
    if not number:
        yield "Whether they had been opened before cannot be known, because the ledger of trials could not be used."
    elif number == 1:
        yield "It is the first time that they were opened, as far as the ledger of trials knows."
    else:
        yield "They have been opened {run.openings} times, first on {run.first_opened}: this is no fresh test any more."
    if tried:
        yield "Configurations that had been evaluated on some of these bars before that: {run.tried_before_opening}."
