"""The catalogue of terms: what a measured figure is called, counts and is listed under, and whether more of it is good.

A figure that evaluation measures comes onto the page by its entry here: the key is the name of its field.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from llm_strategy.types import ActionType, PolicyVerdict, Status


class Unit(StrEnum):
    """What a fact's value counts."""

    FRACTION = "fraction"
    """1.0 for 100 percent; shown as percent."""
    POINTS = "points"
    """A difference of two fractions: 0.123 is shown as 12.3 percentage points, "12.3 pp"."""
    RATIO = "ratio"
    """A pure number, such as a Sharpe ratio; shown with two decimals."""
    COUNT = "count"
    BARS = "bars"
    CURRENCY = "currency"
    SECONDS = "seconds"
    TEXT = "text"


class Term(NamedTuple):
    """A figure in words.

    ``words`` name it in a sentence, ``heading`` heads its column, and ``listed`` are the tables of arms that hold it:
    ``arms``, ``more`` (below it, folded away) and ``gate``. ``better`` is 1 where more is better, -1 where less is, and
    0 where neither; the arms are ranked by what is ``ranked``. ``phrase`` tells the figure of an arm in a sentence, and
    by these ``names`` a model may call it beside its words.
    """

    unit: Unit
    words: str
    heading: str = ""
    listed: tuple[str, ...] = ()
    better: int = 0
    ranked: bool = False
    phrase: str = ""
    names: tuple[str, ...] = ()


class CountTerm(NamedTuple):
    """Figures counted by kind, in words; ``always`` are the kinds that are shown also where they never came, and with a
    ``heading`` they have a table among the decisions."""

    words: str
    heading: str = ""
    always: Iterable[str] = ()


ARM_TERMS = {
    "total_return": Term(
        Unit.FRACTION, "total return", "Return", ("arms",), 1, True, "had a total return of {}",
        ("total return", "return", "returned"),
    ),
    "cagr": Term(
        Unit.FRACTION, "compound annual growth", "Growth a year", ("arms",), 1,
        names=("compound annual growth", "annual growth", "annual return"),
    ),
    "volatility": Term(
        Unit.FRACTION, "annual volatility", "Volatility", ("arms",), -1, False, "had an annual volatility of {}",
        ("annual volatility", "volatility"),
    ),
    "sharpe": Term(
        Unit.RATIO, "annual Sharpe ratio", "Sharpe", ("arms",), 1, True, "had an annual Sharpe ratio of {}",
        ("annual sharpe ratio", "annualised sharpe ratio", "annualized sharpe ratio", "sharpe ratio", "sharpe"),
    ),
    "sortino": Term(Unit.RATIO, "annual Sortino ratio", listed=("more",), better=1),
    "max_drawdown": Term(
        Unit.FRACTION, "largest drawdown", "Drawdown", ("arms",), -1, True, "had a largest drawdown of {}",
        ("largest drawdown", "maximum drawdown", "deepest drawdown", "worst drawdown", "drawdown"),
    ),
    "calmar": Term(Unit.RATIO, "Calmar ratio", listed=("more",), better=1),
    "drawdown_bars": Term(Unit.BARS, "bars under water in the largest drawdown", listed=("more",), better=-1),
    "exposure": Term(
        Unit.FRACTION, "mean exposure", "Exposure", ("arms",), phrase="was invested to {} on average",
        names=("mean exposure", "average exposure", "exposure"),
    ),
    "turnover": Term(Unit.RATIO, "turnover a year", "Turnover", ("arms",)),
    "time_in_market": Term(
        Unit.FRACTION, "share of bars with a position", listed=("more",),
        names=("share of bars with a position", "time in the market"),
    ),
    "trades": Term(
        Unit.COUNT, "trades", "Trades", ("arms",), phrase="made {} trades",
        names=("number of trades", "trade", "round trip"),
    ),
    "hit_rate": Term(
        Unit.FRACTION, "share of closed trades that won", "Hits", ("arms",), 1,
        names=("share of winning trades", "share of closed trades that won", "hit rate"),
    ),
    "closed_profit": Term(Unit.CURRENCY, "profit of all closed trades", listed=("more",)),
    "open_profit": Term(Unit.CURRENCY, "profit of trades still open, at the last close", listed=("more",)),
    "average_win": Term(Unit.CURRENCY, "average closed trade that won", listed=("more",)),
    "average_loss": Term(Unit.CURRENCY, "average closed trade that lost", listed=("more",)),
    "profit_factor": Term(Unit.RATIO, "profit factor of closed trades", listed=("more",), better=1),
    "worst_trade": Term(Unit.CURRENCY, "worst trade", listed=("more",)),
    "bars_held": Term(Unit.RATIO, "mean bars held", listed=("more",)),
    "stop_exits": Term(Unit.COUNT, "trades ended by a stop"),
    "stop_planned_loss": Term(Unit.CURRENCY, "loss planned at the stops", listed=("more",)),
    "stop_realised_loss": Term(Unit.CURRENCY, "loss realised at the stops", listed=("more",)),
    "stop_worst_overrun": Term(
        Unit.RATIO, "largest ratio of realised to planned loss at a stop", listed=("more",)
    ),
    "costs": Term(
        Unit.CURRENCY, "costs paid", "Costs", ("arms",), -1, False, "paid costs of {}",
        ("total cost", "trading cost", "costs paid", "cost"),
    ),
    "cost_rate": Term(Unit.FRACTION, "costs a year as a share of equity", "Costs a year", ("arms",), -1),
    "commission": Term(Unit.CURRENCY, "commission paid", listed=("more",), better=-1),
    "slippage": Term(Unit.CURRENCY, "slippage paid", listed=("more",), better=-1),
    "slippage_bps": Term(
        Unit.RATIO, "slippage charged on market and stop fills, in basis points", listed=("more",), better=-1
    ),
    "without_slippage": Term(
        Unit.FRACTION, "share of market and stop fills that paid no slippage", listed=("more",)
    ),
    "interest": Term(
        Unit.CURRENCY, "interest earned on cash", listed=("more",), names=("interest earned", "interest")
    ),
    "cut": Term(Unit.COUNT, "decisions cut by the gate", "Cut", ("gate",)),
    "refused": Term(Unit.COUNT, "decisions refused by the gate", "Refused", ("gate",)),
    "exits.stop": Term(Unit.COUNT, "trades ended by stop", "Stopped", ("gate",)),
    "exits.time": Term(Unit.COUNT, "trades ended by time", "Timed out", ("gate",)),
    "kill_switch": Term(Unit.TEXT, "first firing of the kill switch", "Kill switch", ("gate",)),
    "kill_switch_bars_out": Term(
        Unit.BARS, "bars without a position since the kill switch fired", "Out since", ("gate",)
    ),
    "kill_switch_for_good": Term(Unit.TEXT, "whether the kill switch ended the trading"),
    "open_at_end": Term(Unit.COUNT, "trades still open at the end", "Held at end", ("gate",)),
    "pending": Term(Unit.COUNT, "orders pending at the end", "Orders pending", ("gate",)),
    "entry_bar_breaches": Term(Unit.COUNT, "entry bars that went through their own stop", "Breaches", ("gate",)),
    "carry": Term(Unit.CURRENCY, "borrow and financing paid", "Carry", ("more", "gate")),
    "decisions": Term(Unit.COUNT, "decisions"),
    "coherent_share": Term(Unit.FRACTION, "share of coherent advice"),
    "distinct_prompts": Term(Unit.COUNT, "distinct prompts"),
    "constant_share": Term(Unit.FRACTION, "share of the most frequent pair of label and action"),
    "constant_label": Term(Unit.TEXT, "label of the most frequent pair"),
    "constant_action": Term(Unit.TEXT, "action of the most frequent pair"),
    "life": Term(Unit.TEXT, "state of the advisor"),
    "unlabelled": Term(Unit.COUNT, "decisions without a label"),
    "flips_per_year": Term(Unit.RATIO, "changes of label a year"),
}  # fmt: skip
"""Figures of one arm, in the order of their columns and rows; a label reads "WORDS of ARM"."""

COUNTED_TERMS = {
    "statuses": CountTerm(
        "decisions with status", "How decisions came about",
        [status for status in Status if status is not Status.FALLBACK],  # there only where one is configured
    ),
    "abstentions": CountTerm("abstentions for reason", "Abstentions by reason"),
    "repairs": CountTerm("answers repaired for", "Answers repaired, by kind"),
    "actions": CountTerm("proposed actions", "Proposed actions", ActionType),
    "verdicts": CountTerm("policy verdicts", "Policy verdicts", PolicyVerdict),
    "policy_reasons": CountTerm("policy remarks on", "Policy remarks"),
    "events": CountTerm("events of kind", "What happened on the way to answers"),
    "votes": CountTerm("votes of the ensemble", "Votes of the ensemble"),
    "orders": CountTerm("orders", "Orders by kind and final status"),
    "clamps": CountTerm("cuts by limit"),
    "refusals": CountTerm("refusals by limit"),
    "exits": CountTerm("trades ended by", always=("stop", "target", "advice", "time", "kill_switch")),
}  # fmt: skip
"""Figures of one arm that are counted by kind, in the order of their tables; a label reads "WORDS KIND of ARM"."""

REGIME_TERMS = {
    "share": Term(Unit.FRACTION, "share of decisions labelled", "Share"),
    "bars": Term(Unit.BARS, "decisions labelled", "Decisions"),
    "mean_return": Term(
        Unit.FRACTION, "annualised mean return after decisions labelled", "Return until the next, a year"
    ),
    "volatility": Term(
        Unit.FRACTION, "annual volatility after decisions labelled", "Volatility until the next, a year"
    ),
}
"""Figures of one label; a label reads "WORDS LABEL by ARM"."""

PAIR_TERMS = {
    "sharpe_difference": Term(
        Unit.RATIO, "annual Sharpe ratio of {} minus that of {}", "Sharpe difference",
        names=(
            "sharpe difference", "difference in sharpe ratio", "difference in annual sharpe ratio",
            "difference of the sharpe ratios", "difference of the annual sharpe ratios", "difference of sharpe ratios",
        ),
    ),
    "low": Term(
        Unit.RATIO, "lower end of the interval for the Sharpe ratio of {} minus that of {}", "Interval",
        names=("lower end of the interval", "lower end"),
    ),
    "high": Term(
        Unit.RATIO, "upper end of the interval for the Sharpe ratio of {} minus that of {}",
        names=("upper end of the interval", "upper end"),
    ),
    "p_value": Term(
        Unit.RATIO, "p-value of no difference between the Sharpe ratios of {} and {}", "p", names=("p-value", "p value")
    ),
    "p_together": Term(
        Unit.RATIO, "p-value of no difference between the Sharpe ratios of {} and {}, all arms together",
        "p, all arms together",
    ),
    "detectable": Term(
        Unit.RATIO, "true difference of the Sharpe ratios of {} and {} that would be found in four runs of five",
        "Detectable",
        names=("smallest detectable difference", "detectable difference"),
    ),
    "correlation": Term(Unit.RATIO, "correlation of the returns of {} and {}", "Correlation"),
    "block": Term(Unit.BARS, "block length in the bootstrap of {} and {}"),
    "return_difference": Term(Unit.POINTS, "total return of {} minus that of {}", "Return"),
    "drawdown_difference": Term(Unit.POINTS, "largest drawdown of {} minus that of {}", "Drawdown"),
    "volatility_difference": Term(Unit.POINTS, "annual volatility of {} minus that of {}"),
    "exposure_difference": Term(Unit.POINTS, "mean exposure of {} minus that of {}", "Exposure"),
    "label_bars": Term(Unit.BARS, "bars labelled by both {} and {}"),
    "label_agreement": Term(Unit.FRACTION, "share of bars with the same label by {} and {}"),
    "label_kappa": Term(Unit.RATIO, "Cohen's kappa of the labels of {} and {}"),
}  # fmt: skip
"""Figures of two arms, in the order of their columns."""

DECISION_TERMS = {
    "bars": Term(Unit.COUNT, "decisions that {} and {} were both asked for"),
    "both": Term(Unit.COUNT, "decisions that {} and {} both made", "Both decided"),
    "first_alone": Term(Unit.COUNT, "decisions that {} made and {} did not"),
    "second_alone": Term(Unit.COUNT, "decisions that {} did not make and {} did"),
    "same": Term(Unit.COUNT, "decisions with the same label and action of {} and {}"),
    "differing": Term(Unit.FRACTION, "share of decisions with another label or action of {} and {}", "Differ"),
    "label_agreement": Term(Unit.FRACTION, "share of decisions with the same label of {} and {}", "Same label"),
    "label_kappa": Term(Unit.RATIO, "Cohen's kappa of the labels of {} and {}", "Kappa of labels"),
    "action_agreement": Term(Unit.FRACTION, "share of decisions with the same action of {} and {}", "Same action"),
    "action_kappa": Term(Unit.RATIO, "Cohen's kappa of the actions of {} and {}", "Kappa of actions"),
    "first_long_bars": Term(Unit.COUNT, "decisions at which {} stood long and {} did not"),
    "first_long_spells": Term(Unit.COUNT, "spells in which {} stood long and {} did not"),
    "first_long_next": Term(Unit.FRACTION, "mean return until the next decision where {} stood long and {} did not"),
    "first_long_later": Term(Unit.FRACTION, "mean return over the horizon where {} stood long and {} did not"),
    "second_long_bars": Term(Unit.COUNT, "decisions at which {} did not stand long and {} did"),
    "second_long_spells": Term(Unit.COUNT, "spells in which {} did not stand long and {} did"),
    "second_long_next": Term(
        Unit.FRACTION, "mean return until the next decision where {} did not stand long and {} did"
    ),
    "second_long_later": Term(Unit.FRACTION, "mean return over the horizon where {} did not stand long and {} did"),
    "next_difference": Term(
        Unit.POINTS, "mean return until the next decision where only {} stood long minus that where only {} did"
    ),
    "later_difference": Term(
        Unit.POINTS, "mean return over the horizon where only {} stood long minus that where only {} did"
    ),
    "first_parting": Term(Unit.TEXT, "first close at which {} and {} part", "First parted"),
    "verdict": Term(Unit.TEXT, "whether the decisions of {} and {} can be told apart", "Told apart"),
}
"""Figures of the decisions of two advisors, ``pair.FIRST.SECOND.KEY``; one with an interval has its ends under
``KEY_low`` and ``KEY_high``."""

ADVISOR_TERMS = {
    "model": Term(Unit.TEXT, "model", "Model"),
    "valid_share": Term(Unit.FRACTION, "share of decisions with a valid advice of the model", "Valid"),
    "usage.decisions": Term(Unit.COUNT, "decisions in all draws", "Decisions"),
    "usage.questions": Term(Unit.COUNT, "questions in the decisions", "Questions"),
    "usage.distinct": Term(Unit.COUNT, "distinct questions", "Distinct"),
    "usage.asked": Term(Unit.COUNT, "questions that the model was asked in this run", "Asked now"),
    "usage.from_record": Term(Unit.COUNT, "questions answered from the record", "From record"),
    "usage.seconds": Term(Unit.SECONDS, "time spent in the model", "Time"),
    "usage.tokens_in": Term(Unit.COUNT, "tokens read by the model", "Tokens read"),
    "usage.tokens_out": Term(Unit.COUNT, "tokens written by the model", "Written"),
}
"""Figures of each of several advisors, beside those of its arm; a label reads "WORDS of ARM"."""

DIFFERENCES = {
    "return_difference": "total_return",
    "drawdown_difference": "max_drawdown",
    "volatility_difference": "volatility",
    "exposure_difference": "exposure",
}
"""Figures of two arms that are plain differences of figures of one."""


def listed(table: str) -> dict[str, Term]:
    """The figures that a table of arms shows, in their order."""
    return {metric: term for metric, term in ARM_TERMS.items() if table in term.listed}
