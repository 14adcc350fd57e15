"""Which arm plays which part in a report, and the facts of a run as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from simulator.evaluation.cash import CashRate, cash_rate_of, cash_returns
from simulator.evaluation.measures import measure
from simulator.evaluation.metrics import bars_per_year
from simulator.evaluation.sharpe import POWER
from simulator.experiment import HOLDER_ARM, MARKET_ARM, REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record, origin
from simulator.prices.stale_opens import stale_opens
from simulator.reporting.facts.fact import FactTable, Value
from simulator.reporting.facts.terms import Unit

NOTE = "note."
"""Begins the metric of each note."""
MOST_NAMES = 5
"""Names that a joined list spells out; the rest is counted."""


def benchmark_arms(record: Record) -> list[str]:
    """The arms that advice must beat to have added anything: the market, and the rule that needs no model; where there
    is neither, all that no model advised, or else all but the advised one."""
    names = [arm.name for arm in record.arms if arm is not advised_arm(record)]
    models = [arm.name for arm in advisor_arms(record)]
    return (
        [name for name in (*market_arms(record), REFERENCE_ARM) if name in names]
        or [name for name in names if name not in models]
        or names
    )


def advisor_arms(record: Record) -> list[ArmRecord]:
    """The arms that a model advised: the primary one, then the others in their order."""
    primary = record.manifest["experiment"]["evaluation"].get("primary")
    advised = [arm for arm in record.arms if arm.manifest["model"] is not None]
    return sorted(advised, key=lambda arm: arm.name != primary)


def advised_arm(record: Record) -> ArmRecord | None:
    """The primary arm: the one that the experiment names, or else the first one that a model advised; ``None`` where
    only rules ran."""
    return next(iter(advisor_arms(record)), None)


def arm_settings(record: Record, name: str) -> Mapping[str, Any]:
    """What the experiment says of an arm; nothing where it only names it, but of the market, which comes by itself."""
    experiment = record.manifest["experiment"]
    arms = experiment.get("arms")
    found = arms.get(name) if isinstance(arms, Mapping) else None
    if isinstance(found, Mapping):
        return found
    # earlier versions let an advisor or a rule have the name
    own = name in (experiment.get("advisors") or {}) or name in (experiment.get("baselines") or {})
    return {"ungated": HOLDER_ARM} if name == MARKET_ARM and not own else {}


def ungated_arms(record: Record) -> list[str]:
    """The arms that traded without the gate: what the market itself did."""
    return [arm.name for arm in record.arms if "ungated" in arm_settings(record, arm.name)]


def market_arms(record: Record) -> list[str]:
    """The arms that are the market itself: one where a comparison has it, none in a run of one arm and in comparisons
    of earlier versions."""
    return [name for name in ungated_arms(record) if arm_settings(record, name)["ungated"] == HOLDER_ARM]


def holder_arm(record: Record) -> ArmRecord | None:
    """The arm beside the market that shows what the gate alone does to a holder; None where there is none."""
    found = [arm for arm in record.arms if arm.name == HOLDER_ARM]
    return found[0] if found and market_arms(record) else None


def main_arms(record: Record) -> list[ArmRecord]:
    """The arms that stand beside each other in tables and figures: all but a holder behind the gate, which tells of the
    gate and stands there, where the market is among them and the page is not about it."""
    aside = holder_arm(record)
    return [arm for arm in record.arms if arm is not aside or arm is subject_arm(record)]


def excess_returns(arm: ArmRecord, record: Record) -> pd.Series:
    """Returns of an arm's account a bar (fractions) over what cash earned."""
    found = arm.equity["equity"].pct_change().iloc[1:]
    rate = cash_rate(record)
    return found - cash_returns(arm.equity.index, rate) if rate else found


def cash_rate(record: Record) -> CashRate:
    """What cash earned in a run, a fraction a year or one by day; 0 for nothing."""
    return cash_rate_of(record.manifest["experiment"]["costs"])


def strategy_arms(record: Record) -> list[str]:
    """The arms in which a person's own strategy traded."""
    return [arm.name for arm in record.arms if "strategy" in arm_settings(record, arm.name)]


def own_rule_arms(record: Record) -> list[str]:
    """The arms in which a person's own rule decided."""
    rules = record.manifest["experiment"].get("baselines", {})
    return [arm.name for arm in record.arms if "rule" in (rules.get(arm.name) or {})]


def asked_of_all(record: Record) -> list[str]:
    """The arms that every advisor is compared with: the benchmarks, and a person's own strategies and rules."""
    names = dict.fromkeys([*benchmark_arms(record), *strategy_arms(record), *own_rule_arms(record)])
    models = [arm.name for arm in advisor_arms(record)]
    return [name for name in names if name not in models]


def null_arms(record: Record) -> dict[str, str]:
    """The arms that are the null of another one of this record, by name, and that other."""
    names = [arm.name for arm in advisor_arms(record)]
    whole = {arm.name: arm.manifest.get("null_of") for arm in advisor_arms(record)}
    return {name: str(of) for name, of in whole.items() if of in names}


def compared_arms(record: Record) -> list[tuple[ArmRecord, ArmRecord]]:
    """The pairs of arms whose results are compared: the primary arm with each other one, each further advisor with the
    benchmarks and with a person's own strategies and rules, and each advisor with its null."""
    advisors = advisor_arms(record)
    pairs = [(advisors[0], other) for other in record.arms if other is not advisors[0]] if advisors else []
    pairs += [(arm, record.arm(name)) for arm in advisors[1:] for name in asked_of_all(record)]
    nulls = [(record.arm(whole), record.arm(null)) for null, whole in null_arms(record).items()]
    return pairs + [pair for pair in nulls if pair[0] is not advisors[0]]


def subject_arm(record: Record) -> ArmRecord:
    """The arm that a page is about: the advised one, or else the first."""
    return advised_arm(record) or record.arms[0]


def same_close(record: Record) -> bool:
    """Whether market orders filled at the very close that decided them, which nobody could have done."""
    return bool(record.manifest["experiment"]["orders"]["fill"] == "same_close")


def add_run(table: FactTable, record: Record) -> None:
    """Facts of the run as a whole: what was traded, when, and how it was measured."""
    subject = subject_arm(record)
    manifest, times = record.manifest, subject.equity.index
    experiment = manifest["experiment"]
    evaluation = experiment["evaluation"]
    firsts, lasts = zip(*((table.index[0], table.index[-1]) for table in record.prices.values()), strict=True)
    sources = dict.fromkeys(origin(market["source"]) for market in manifest["prices"]["symbols"].values())
    level, others = evaluation["confidence_level"], len(compared_arms(record))
    several = len(advisor_arms(record)) > 1
    failed = [arm.name for arm in record.arms if arm.has_failed]
    problems = [manifest["problem"], *(arm.manifest["problem"] for arm in record.arms)]
    texts = {
        "name": ("name of the experiment", manifest["name"]),
        "status": ("status", "failed" if failed else manifest["status"]),
        "problem": ("what went wrong", next((problem for problem in problems if problem), "")),
        "failed_arms": ("arms that failed", ", ".join(failed)),
        "symbol": ("symbol", join_names(list(record.prices))),
        "timeframe": ("length of a bar", manifest["prices"]["timeframe"]),
        "decide_on": ("length of a decision bar", manifest["prices"]["decide_on"]),
        "fill": ("when market orders fill", experiment["orders"]["fill"].replace("_", " ")),
        "source": ("source of the prices", join_names(list(sources))),
        "first_bar": ("first bar", day(min(firsts))),
        "first_decision": ("first decision", day(times[0] if len(times) else None)),
        "last_bar": ("last bar", day(max(lasts))),
        "subject": ("arm that the page is about", subject.name),
    }
    for metric, (label, text) in texts.items():
        table.add("run", metric, str(text), Unit.TEXT, label)
    year = bars_a_year(record)
    numbers: list[tuple[str, str, Value, Unit, str | None]] = [
        ("symbols", "symbols", len(record.prices), Unit.COUNT, None),
        ("bars", "bars of prices", sum(len(table) for table in record.prices.values()), Unit.BARS, None),
        ("decision_bars", "bars from the first decision on", len(times), Unit.BARS, None),
        ("years", "years from the first decision on", (len(times) - 1) / year if year else 0.0, Unit.RATIO, None),
        ("bars_per_year", "bars in a year", year, Unit.BARS, f"{round(year, 1):,.10g}"),
        ("arms", "arms", len(record.arms), Unit.COUNT, None),
        (
            "comparisons",
            "comparisons of two arms" if several else "comparisons with the advised arm",
            others,
            Unit.COUNT,
            None,
        ),
        ("confidence_level", "level of the intervals", level, Unit.FRACTION, f"{100 * level:g}%"),
        ("power", "power for the detectable difference", POWER, Unit.FRACTION, f"{100 * POWER:g}%"),
        ("false_alarms", "comparisons expected to stand out by luck", others * (1 - level), Unit.RATIO, None),
        ("bootstrap_samples", "bootstrap samples", evaluation["bootstrap_samples"], Unit.COUNT, None),
    ]
    for metric, label, value, unit, shown in numbers:
        table.add("run", metric, value, unit, label, shown)
    for number, sentence in enumerate(manifest.get("notes", ()), start=1):
        table.add("run", f"{NOTE}{number}", sentence, Unit.TEXT, "note on prices and limits")
    if not same_close(record):
        _add_stale_opens(table, record)


def _add_stale_opens(table: FactTable, record: Record) -> None:
    """How many decisions fill at an open that is only the close at which they were made."""
    decided = {symbol: made.times for symbol, made in measure(subject_arm(record)).decisions.items()}
    found = stale_opens(record.prices, decided)
    words = "share of decisions whose next open, at which they would fill, only repeats the close"
    table.add("run", "stale_opens", found.share, Unit.FRACTION, words)
    if found.until is not None:
        words = "last year in which most opens only repeat the close"
        table.add("run", "stale_opens_until", str(found.until), Unit.TEXT, words)


def bars_a_year(record: Record) -> float:
    """Bars a year as configured, else of the account from the first decision on, by the calendar."""
    configured = record.manifest["experiment"]["evaluation"]["bars_per_year"]
    return configured or bars_per_year(subject_arm(record).equity.index)


def join_names(names: list[str], most: int = MOST_NAMES) -> str:
    """Names in one line: all of them, or the first ones and how many more."""
    if len(names) <= most + 1:  # "and 1 more" would be longer than the name
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def day(time: object) -> str:
    """A time, or its text, without its hour at midnight; empty for none."""
    return (time.isoformat() if isinstance(time, pd.Timestamp) else str(time or "")).removesuffix("T00:00:00")
