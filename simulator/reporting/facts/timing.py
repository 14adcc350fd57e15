"""The facts of ``placebos.json``: where the account of each advised arm stands among those with the same holding times
at other moments, and where its deviations from the causal rule stand."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.placebo import FEWEST_CLOSES, FEWEST_RUNS
from simulator.evaluation.placebo_record import (
    ArmPlacebos,
    PlaceboSet,
    Unmeasured,
    affordable,
    read_placebos,
)
from simulator.evaluation.trials import least_p, placebos_needed, sidak, trials_of
from simulator.folder.record import Record
from simulator.reporting.facts.fact import Facts, FactTable, Value
from simulator.reporting.facts.run import advisor_arms
from simulator.reporting.facts.terms import Unit

TIMING, BEYOND_RULE = "timing", "beyond_rule"
WHOSE = {
    TIMING: "accounts with the holding times of {} at other moments",
    BEYOND_RULE: "accounts with the deviations of {} from the causal rule at other moments",
}
_RANGES = {
    "return": ("total_return", "total return", Unit.FRACTION),
    "drawdown": ("max_drawdown", "largest drawdown", Unit.FRACTION),
    "annual_return": ("annual_return", "mean annual return", Unit.FRACTION),
}


def add_timing(table: FactTable, record: Record) -> None:
    """Add the figures of every advised arm; none where the folder holds no placebos."""
    found = read_placebos(record.folder)
    if not found:
        return
    table.add("run", "fewest_stretches", FEWEST_RUNS, Unit.COUNT, "stretches of holding below which timing is not told")
    table.add("run", "fewest_closes", FEWEST_CLOSES, Unit.BARS, "closes below which timing is not told")
    level = record.manifest["experiment"]["evaluation"]["confidence_level"]
    for arm, what, placebos in _sets(record, found):
        _add(table, arm, what, placebos, level)
        _add_least(table, record, arm, what, placebos)


def _add_least(table: FactTable, record: Record, arm: str, what: str, placebos: PlaceboSet) -> None:
    """Add, where not even the best moments of all could stand out among so few placebos, the p that they would have,
    and how many placebos it takes, if so many can be made."""
    evaluation, made = record.manifest["experiment"]["evaluation"], len(placebos.sharpe)
    size = 1 - evaluation["confidence_level"]
    count = trials_of(record) if what == TIMING else None
    trials = 1 if count is None else count.number
    if not made or sidak(least_p(made), trials) <= size:
        return
    table.add("run", "timing_size", size, Unit.RATIO, "p above which moments count as those of chance", f"{size:.2g}")
    words = f"smallest p that {WHOSE[what].format(arm)} could show, so few as they are"
    table.add(arm, f"{what}.least_p", sidak(least_p(made), trials), Unit.RATIO, words)
    needed = placebos_needed(trials, size)
    limited = made < evaluation.get("placebos", made)
    if not limited and affordable(needed, placebos.closes * len(record.prices)) == needed:
        words = f"placebos of which the timing of {arm} could stand out"
        table.add(arm, f"{what}.placebos_needed", needed, Unit.COUNT, words)


def _sets(record: Record, found: dict[str, ArmPlacebos]) -> Iterator[tuple[str, str, PlaceboSet]]:
    for arm in advisor_arms(record):
        if arm.name in found:
            yield arm.name, TIMING, found[arm.name].timing
            yield arm.name, BEYOND_RULE, found[arm.name].beyond_rule


def _add(table: FactTable, arm: str, what: str, placebos: PlaceboSet, level: float) -> None:
    whose = WHOSE[what].format(arm)
    moved = "stretches of holding" if what == TIMING else "stretches that deviate from the causal rule"
    table.add(arm, f"{what}.runs", placebos.runs, Unit.COUNT, f"{moved} of {arm}")
    table.add(arm, f"{what}.closes", placebos.closes, Unit.BARS, f"closes of {arm} from its first decision on")
    if placebos.unmeasured is not None:
        table.add(arm, f"{what}.unmeasured", str(placebos.unmeasured), Unit.TEXT, f"why there are no {whose}")
        return
    stands = placebos.timing(level)
    if stands is None:
        return
    own = f"annual Sharpe ratio of {arm}" if what == TIMING else f"annual Sharpe ratio of the rule as {arm} deviates"
    values: list[tuple[str, Value, Unit, str]] = [
        ("placebos", stands.placebos, Unit.COUNT, f"number of {whose}"),
        ("own", stands.own, Unit.RATIO, own),
        ("mean", stands.mean, Unit.RATIO, f"mean annual Sharpe ratio of {whose}"),
        ("low", stands.low, Unit.RATIO, f"lower end of the range of annual Sharpe ratios of {whose}"),
        ("high", stands.high, Unit.RATIO, f"upper end of the range of annual Sharpe ratios of {whose}"),
        ("percentile", stands.percentile, Unit.FRACTION, f"share that did worse of {whose}"),
        ("p", stands.p, Unit.RATIO, f"probability that chance alone lies as far from {whose}"),
        ("effect", stands.effect, Unit.RATIO, f"{own} minus the mean of {whose}"),
    ]
    for metric, (field, words, unit) in _RANGES.items():
        found = getattr(placebos, field)
        values += [
            (f"{metric}_mean", found.mean, unit, f"mean {words} of {whose}"),
            (f"{metric}_low", found.low, unit, f"lower end of the range of the {words} of {whose}"),
            (f"{metric}_high", found.high, unit, f"upper end of the range of the {words} of {whose}"),
        ]
    for metric, value, unit, label in values:
        table.add(arm, f"{what}.{metric}", value, unit, label)


def too_few_placebos(arm: str, what: str, facts: Facts) -> list[str]:
    """That nothing could have been seen among so few placebos, and what helps; empty where they are enough."""
    if f"{arm}.{what}.least_p" not in facts:
        return []
    several = what == TIMING and "run.trials_overlap" in facts and facts["run.trials_overlap"].value != 1
    best = " as the best of {run.trials_overlap} trials" if several else ""
    return [
        f"Among so few accounts nothing can be seen: even the best moments of all would have a p of "
        f"{{{arm}.{what}.least_p}}{best}, where {{run.timing_size}} is needed.",
        f"Set evaluation.placebos to at least {{{arm}.{what}.placebos_needed}}."
        if f"{arm}.{what}.placebos_needed" in facts
        else "A run of this length cannot be traded again often enough for more.",
    ]


def why_unmeasured(arm: str, what: str, reason: str) -> str:
    """One sentence, ids of facts in braces, that says why nothing is told of an arm."""
    runs, closes = f"{{{arm}.{what}.runs}}", f"{{{arm}.{what}.closes}}"
    few_runs = (
        f"{arm} wanted to hold in {runs} separate stretches: below {{run.fewest_stretches}} their moments cannot be "
        "told from luck."
        if what == TIMING
        else f"The advice of {arm} differs from the causal rule in {runs} stretches: below {{run.fewest_stretches}} "
        "there is nothing to test."
    )
    return {
        Unmeasured.OFF: f"No accounts at other moments were made of {arm}: the experiment says evaluation.placebos: 0.",
        Unmeasured.FAILED: f"Nothing is said about the moments of {arm}, because the arm failed.",
        Unmeasured.FEW_CLOSES: f"{arm} has {closes} closes from its first decision on: below {{run.fewest_closes}} "
        "moments cannot be told from luck.",
        Unmeasured.FEW_RUNS: few_runs,
        Unmeasured.TOO_LONG: f"Nothing is said about the moments of {arm}: its {closes} closes are too many to be "
        "traded again so often.",
    }[Unmeasured(reason)]
