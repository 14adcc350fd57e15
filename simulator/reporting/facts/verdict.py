"""The verdict on each advised arm: the comparisons that it rests on, the evidence, and the word.

The evidence is read from the facts of a report alone, whoever measured them, so that a page, a command and a script
come to the same verdict; what is not among the facts was not measured.
"""

from __future__ import annotations

from typing import Literal

from simulator.evaluation.advice import Life
from simulator.evaluation.metrics import NOTHING
from simulator.evaluation.placebo import FEWEST_CLOSES, FEWEST_RUNS
from simulator.evaluation.verdict import (
    NO_MODEL,
    Advantage,
    Benchmark,
    Evidence,
    Verdict,
    judge,
)
from simulator.evaluation.worth import LEVEL, measure_advantage
from simulator.experiment import COPY_ARM, REFERENCE_ARM
from simulator.folder.later_bars import Origin
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.pairs import draw_returns
from simulator.reporting.facts.run import (
    advised_arm,
    advisor_arms,
    bars_a_year,
    benchmark_arms,
    cash_rate,
    market_arms,
    same_close,
)
from simulator.reporting.facts.terms import Unit

WORTHWHILE = 0.2
"""What would be worth having where an experiment of an earlier version does not say so."""
WORDS: dict[Benchmark, str] = {"market": "the market", "rule": "the rule", "copy": "the copy of the prompt"}
NO_IDENTITY = "nothing that names the period"
_WORTH = {
    "": "annual Sharpe ratio of {0} minus that of {1}",
    "_low": "lower end of the interval for the Sharpe ratio of {0} minus that of {1}, at the level of the verdict",
    "_high": "upper end of the interval for the Sharpe ratio of {0} minus that of {1}, at the level of the verdict",
    "_error": "standard error of the Sharpe ratio of {0} minus that of {1}",
}


def add_worth(table: FactTable, record: Record) -> None:
    """Add what each advised arm differs by from market, rule and copy, and what would be worth having."""
    advisors = advisor_arms(record)
    if not advisors:
        return
    table.add("run", "worth_level", LEVEL, Unit.FRACTION, "level of the intervals of the verdict", f"{100 * LEVEL:g}%")
    worthwhile = worthwhile_of(record)
    words = "difference of annual Sharpe ratios that would be worth having, named before the run"
    table.add("run", "worthwhile", worthwhile, Unit.RATIO, words, f"{worthwhile:g}")
    table.add("run", "verdict_bars", FEWEST_CLOSES, Unit.BARS, "bars below which nothing is said of advice")
    table.add("run", "verdict_runs", FEWEST_RUNS, Unit.COUNT, "holding runs below which nothing is said of advice")
    evaluation = record.manifest["experiment"]["evaluation"]
    for arm in advisors:
        for benchmark, name in benchmarks_of(record, arm).items():
            other = record.arm(name)
            if arm is other or arm.has_failed or other.has_failed:
                continue
            drawn, alone = draw_returns([arm, other], cash_rate(record))
            found = measure_advantage(
                benchmark, drawn, alone[0], bars_a_year(record),
                samples=evaluation["bootstrap_samples"], seed=evaluation["seed"],
            )  # fmt: skip
            if found is None:
                continue
            values = {"": found.difference, "_low": found.low, "_high": found.high, "_error": found.error}
            for end, words in _WORTH.items():
                label = words.format(arm.name, name)
                table.add(arm.name, f"worth.{benchmark}{end}", values[end], Unit.RATIO, label)


def add_verdicts(table: FactTable, record: Record) -> None:
    """Add the verdict on each advised arm, and on the run."""
    advisors = advisor_arms(record)
    for arm in advisors:
        made = verdict_of(record, arm, table.facts)
        table.add(arm.name, "verdict", str(made.word), Unit.TEXT, f"verdict on the advice of {arm.name}")
        words = f"what the figures of {arm.name} alone would say"
        table.add(arm.name, "verdict_by_figures", str(made.by_figures), Unit.TEXT, words)
        if made.best is not None and made.years is not None:
            words = f"years until what is worth having would be seen of {arm.name} against {made.best.benchmark}"
            table.add(arm.name, "worth.years", made.years, Unit.RATIO, words, _years(made.years))
    primary = advised_arm(record)
    word = NO_MODEL.word if primary is None else table.facts[f"{primary.name}.verdict"].value
    table.add("run", "verdict", str(word), Unit.TEXT, "verdict on the advice")


def verdict_of(record: Record, arm: ArmRecord, facts: Facts) -> Verdict:
    """The verdict on an advised arm, by the facts of its report."""
    level = record.manifest["experiment"]["evaluation"]["confidence_level"]
    return judge(evidence_of(record, arm, facts), worthwhile=worthwhile_of(record), size=1 - level)


def worthwhile_of(record: Record) -> float:
    """The difference of annual Sharpe ratios that the experiment named as worth having."""
    return float(record.manifest["experiment"]["evaluation"].get("worthwhile", WORTHWHILE))


def benchmarks_of(record: Record, arm: ArmRecord) -> dict[Benchmark, str]:
    """The arms that stand for market, rule and copy, those that there are. The copy is of the prompt of the primary
    advisor, and says nothing of another one's."""
    names = [arm.name for arm in record.arms]
    found: dict[Benchmark, str] = {}
    if market := market_arms(record):
        found["market"] = market[0]
    if REFERENCE_ARM in names:
        found["rule"] = REFERENCE_ARM
    if COPY_ARM in names and arm is advised_arm(record):
        found["copy"] = COPY_ARM
    return found


def evidence_of(record: Record, arm: ArmRecord, facts: Facts) -> Evidence:
    """What the facts hold of an advised arm."""
    name = arm.name
    benchmarks = benchmarks_of(record, arm)
    against = {benchmark: _advantage(name, benchmark, other, facts) for benchmark, other in benchmarks.items()}
    year = bars_a_year(record)
    runs = _number(facts, f"{name}.timing.runs")
    placebos, trials = _number(facts, f"{name}.timing.placebos"), _number(facts, "run.trials_overlap")
    in_prompt = _text(facts, f"{name}.copy.rule_in_prompt") == "yes"
    return Evidence(
        compared=len(record.arms) > 1,
        failed=_failed(record, arm),
        dead=facts[f"{name}.life"].value == Life.DEAD,
        killed_for_good=facts[f"{name}.kill_switch_for_good"].value == "yes",
        same_close=same_close(record),
        stale_opens=_number(facts, "run.stale_opens"),
        bars=len(arm.equity),
        runs=_holding_runs(arm) if runs is None else int(runs),
        years=(len(arm.equity) - 1) / year if year and len(arm.equity) else 0.0,
        identified=not _is_forward(record) and _shown(name, facts) not in (None, NO_IDENTITY, "the price level"),
        knowledge=_knowledge(name, facts),
        later_bars=Origin.LATER in (_text(facts, f"{name}.{made}") for made in ("calibration_bars", "label_bars")),
        example_copies=_number(facts, f"{name}.copy.nearest_share"),
        rule_copies=_number(facts, f"{name}.copy.rule_share") if in_prompt else None,
        timing_p=_number(facts, f"{name}.timing.p"),
        placebos=None if placebos is None else int(placebos),
        timing_effect=_number(facts, f"{name}.timing.effect"),
        trials=None if trials is None else int(trials),
        market=against.get("market"),
        rule=against.get("rule"),
        copy=against.get("copy"),
    )


def _is_forward(record: Record) -> bool:
    """Whether every decision was committed before the next bar existed, so that nobody can have remembered it."""
    return bool((record.manifest["prices"].get("committed") or {}).get("live"))


def _failed(record: Record, arm: ArmRecord) -> bool:
    """Whether the arm failed, or what it must be held against; of several advisors one takes nothing from another."""
    several = len(advisor_arms(record)) > 1
    needed = [record.arm(name).manifest for name in benchmark_arms(record)] if several else [record.manifest]
    return "failed" in (manifest["status"] for manifest in (arm.manifest, *needed))


def _holding_runs(arm: ArmRecord) -> int:
    """Unbroken spells in which the account held something."""
    held = arm.equity["gross"].to_numpy(dtype=float) > NOTHING
    return int(held[:1].sum() + (held[1:] & ~held[:-1]).sum())


def _advantage(name: str, benchmark: Benchmark, other: str, facts: Facts) -> Advantage | None:
    values = [_number(facts, f"{name}.worth.{benchmark}{end}") for end in _WORTH]
    sharpe = _number(facts, f"{other}.sharpe")
    known = [value for value in values if value is not None]
    return None if sharpe is None or len(known) < len(values) else Advantage(benchmark, sharpe, *known)


def _shown(name: str, facts: Facts) -> str | None:
    return _text(facts, f"{name}.identity_shown")


def _knowledge(name: str, facts: Facts) -> Literal["before", "overlaps"] | None:
    share = _number(facts, f"{name}.knowledge_share")
    return None if share is None else "overlaps" if share > 0 else "before"


def _number(facts: Facts, identity: str) -> float | None:
    """The value of a fact; None where there is none, or it has none."""
    fact = facts.get(identity)
    return None if fact is None or isinstance(fact.value, str) else float(fact.value)


def _text(facts: Facts, identity: str) -> str | None:
    fact = facts.get(identity)
    return None if fact is None else str(fact.value)


def _years(years: float) -> str:
    return f"{years:,.0f}" if years >= 10 else f"{years:.1f}"
