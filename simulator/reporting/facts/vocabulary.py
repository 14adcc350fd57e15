"""The words and units of every measured figure, by the name of its field."""

from __future__ import annotations

from typing import NamedTuple

from simulator.evaluation.metrics import MERIT
from simulator.reporting.facts.fact import Unit


class Term(NamedTuple):
    """Unit of a figure and its name as it reads in a sentence."""

    unit: Unit
    words: str


ARM_TERMS = {
    "total_return": Term(Unit.FRACTION, "total return"),
    "cagr": Term(Unit.FRACTION, "compound annual growth"),
    "volatility": Term(Unit.FRACTION, "annual volatility"),
    "sharpe": Term(Unit.RATIO, "annual Sharpe ratio"),
    "sortino": Term(Unit.RATIO, "annual Sortino ratio"),
    "max_drawdown": Term(Unit.FRACTION, "largest drawdown"),
    "drawdown_bars": Term(Unit.BARS, "bars under water in the largest drawdown"),
    "calmar": Term(Unit.RATIO, "Calmar ratio"),
    "exposure": Term(Unit.FRACTION, "mean exposure"),
    "time_in_market": Term(Unit.FRACTION, "share of bars with a position"),
    "trades": Term(Unit.COUNT, "trades"),
    "open_at_end": Term(Unit.COUNT, "trades still open at the end"),
    "hit_rate": Term(Unit.FRACTION, "share of winning trades"),
    "average_win": Term(Unit.CURRENCY, "average winning trade"),
    "average_loss": Term(Unit.CURRENCY, "average losing trade"),
    "profit_factor": Term(Unit.RATIO, "profit factor"),
    "worst_trade": Term(Unit.CURRENCY, "worst trade"),
    "bars_held": Term(Unit.RATIO, "mean bars held"),
    "stop_exits": Term(Unit.COUNT, "trades ended by a stop"),
    "stop_planned_loss": Term(Unit.CURRENCY, "loss planned at the stops"),
    "stop_realised_loss": Term(Unit.CURRENCY, "loss realised at the stops"),
    "stop_worst_overrun": Term(Unit.RATIO, "largest ratio of realised to planned loss at a stop"),
    "entry_bar_breaches": Term(Unit.COUNT, "entry bars that went through their own stop"),
    "turnover": Term(Unit.RATIO, "turnover a year"),
    "commission": Term(Unit.CURRENCY, "commission paid"),
    "slippage": Term(Unit.CURRENCY, "slippage paid"),
    "carry": Term(Unit.CURRENCY, "borrow and financing paid"),
    "costs": Term(Unit.CURRENCY, "costs paid"),
    "cost_rate": Term(Unit.FRACTION, "costs a year as a share of equity"),
    "pending": Term(Unit.COUNT, "orders pending at the end"),
    "cut": Term(Unit.COUNT, "decisions cut by the gate"),
    "refused": Term(Unit.COUNT, "decisions refused by the gate"),
    "kill_switch": Term(Unit.TEXT, "first firing of the kill switch"),
    "kill_switch_bars_out": Term(Unit.BARS, "bars without a position since the kill switch fired"),
    "kill_switch_for_good": Term(Unit.TEXT, "whether the kill switch ended the trading"),
    "decisions": Term(Unit.COUNT, "decisions"),
    "coherent_share": Term(Unit.FRACTION, "share of coherent advice"),
    "distinct_prompts": Term(Unit.COUNT, "distinct prompts"),
    "constant_share": Term(Unit.FRACTION, "share of the most frequent pair of label and action"),
    "constant_label": Term(Unit.TEXT, "label of the most frequent pair"),
    "constant_action": Term(Unit.TEXT, "action of the most frequent pair"),
    "life": Term(Unit.TEXT, "state of the advisor"),
    "unlabelled": Term(Unit.COUNT, "decisions without a label"),
    "flips_per_year": Term(Unit.RATIO, "changes of label a year"),
}
"""Figures of one arm; a label reads "WORDS of ARM"."""

COUNTED_TERMS = {
    "orders": "orders",
    "statuses": "decisions with status",
    "abstentions": "abstentions for reason",
    "repairs": "answers repaired for",
    "verdicts": "policy verdicts",
    "policy_reasons": "policy remarks on",
    "clamps": "cuts by limit",
    "refusals": "refusals by limit",
    "exits": "trades ended by",
    "actions": "proposed actions",
    "events": "events of kind",
    "votes": "votes of the ensemble",
}
"""Figures of one arm that are counted by kind; a label reads "WORDS KIND of ARM"."""

REGIME_TERMS = {
    "bars": Term(Unit.BARS, "decisions labelled"),
    "share": Term(Unit.FRACTION, "share of decisions labelled"),
    "mean_return": Term(Unit.FRACTION, "annualised mean return after decisions labelled"),
    "volatility": Term(Unit.FRACTION, "annual volatility after decisions labelled"),
}
"""Figures of one label; a label reads "WORDS LABEL by ARM"."""

PAIR_TERMS = {
    "sharpe_difference": Term(Unit.RATIO, "annual Sharpe ratio of {} minus that of {}"),
    "low": Term(Unit.RATIO, "lower end of the interval for the Sharpe ratio of {} minus that of {}"),
    "high": Term(Unit.RATIO, "upper end of the interval for the Sharpe ratio of {} minus that of {}"),
    "p_value": Term(Unit.RATIO, "p-value of no difference between the Sharpe ratios of {} and {}"),
    "correlation": Term(Unit.RATIO, "correlation of the returns of {} and {}"),
    "detectable": Term(Unit.RATIO, "smallest difference of Sharpe ratios of {} and {} that the run could have seen"),
    "block": Term(Unit.BARS, "block length in the bootstrap of {} and {}"),
    "return_difference": Term(Unit.FRACTION, "total return of {} minus that of {}"),
    "drawdown_difference": Term(Unit.FRACTION, "largest drawdown of {} minus that of {}"),
    "volatility_difference": Term(Unit.FRACTION, "annual volatility of {} minus that of {}"),
    "exposure_difference": Term(Unit.FRACTION, "mean exposure of {} minus that of {}"),
    "label_bars": Term(Unit.BARS, "bars labelled by both {} and {}"),
    "label_agreement": Term(Unit.FRACTION, "share of bars with the same label by {} and {}"),
    "label_kappa": Term(Unit.RATIO, "Cohen's kappa of the labels of {} and {}"),
}
"""Figures of two arms."""

MODEL_TERMS = {
    "decisions": Term(Unit.COUNT, "decisions of the model"),
    "questions": Term(Unit.COUNT, "questions in the decisions of the model"),
    "distinct": Term(Unit.COUNT, "distinct questions"),
    "asked": Term(Unit.COUNT, "questions that the model was asked in this run"),
    "from_record": Term(Unit.COUNT, "questions answered from the record"),
    "seconds": Term(Unit.SECONDS, "time spent in the model"),
    "mean_seconds": Term(Unit.SECONDS, "mean time of a question that the model was asked"),
    "p95_seconds": Term(Unit.SECONDS, "time in which nineteen of twenty questions were answered"),
    "tokens_in": Term(Unit.COUNT, "tokens read by the model"),
    "tokens_out": Term(Unit.COUNT, "tokens written by the model"),
}
"""Figures of the model runtime, from ``usage`` in the manifest."""

SYMBOL_TERMS = {
    "name": Term(Unit.TEXT, "symbol"),
    "group": Term(Unit.TEXT, "group of {}"),
    "bars": Term(Unit.BARS, "bars of {}"),
    "first_decision": Term(Unit.TEXT, "first decision on {}"),
    "last_bar": Term(Unit.TEXT, "last bar of {}"),
    "ended": Term(Unit.TEXT, "whether the data of {} end before the last bar"),
    "price_change": Term(Unit.FRACTION, "price change of {} over the decisions"),
    "decisions": Term(Unit.COUNT, "decisions on {0} of {1}"),
    "trades": Term(Unit.COUNT, "trades in {0} of {1}"),
    "net_profit": Term(Unit.CURRENCY, "net profit in {0} of {1}"),
    "profit_share": Term(Unit.FRACTION, "share of {0} in the net profit of {1}"),
    "held": Term(Unit.TEXT, "whether {0} is held at the end by {1}"),
}
"""Figures of one symbol, and of what the arm that the page is about made of it."""

HARM_TERMS = {
    "worst_return": Term(Unit.FRACTION, "total return of the worst advice"),
    "worst_drawdown": Term(Unit.FRACTION, "largest drawdown of the worst advice"),
    "bound": Term(Unit.FRACTION, "largest drawdown that the limits allow"),
}
"""Figures of ``harm.json``."""

NOISE_TERMS = {
    "draws": Term(Unit.COUNT, "draws of the model's decisions"),
    "temperature": Term(Unit.TEXT, "temperature of the model"),
    "sampled": Term(Unit.TEXT, "whether the answers are sampled"),
    "states": Term(Unit.COUNT, "distinct requests compared over the draws"),
    "decisions": Term(Unit.COUNT, "decisions compared over the draws"),
    "label_flips": Term(Unit.FRACTION, "share of pairs of draws with different labels, over distinct requests"),
    "label_flips_by_bars": Term(Unit.FRACTION, "share of pairs of draws with different labels, over decisions"),
    "action_flips": Term(Unit.FRACTION, "share of pairs of draws with different actions, over distinct requests"),
    "action_flips_by_bars": Term(Unit.FRACTION, "share of pairs of draws with different actions, over decisions"),
    "sharpe_lowest": Term(Unit.RATIO, "lowest annual Sharpe ratio of the draws"),
    "sharpe_highest": Term(Unit.RATIO, "highest annual Sharpe ratio of the draws"),
    "sharpe_deviation": Term(Unit.RATIO, "standard deviation of the annual Sharpe ratios of the draws"),
    "sharpe_floor": Term(Unit.RATIO, "largest distance between the annual Sharpe ratios of two draws"),
    "return_lowest": Term(Unit.FRACTION, "lowest total return of the draws"),
    "return_highest": Term(Unit.FRACTION, "highest total return of the draws"),
    "return_deviation": Term(Unit.FRACTION, "standard deviation of the total returns of the draws"),
    "return_floor": Term(Unit.FRACTION, "largest distance between the total returns of two draws"),
}
"""Figures of the further draws of the advised arm; the floors are what asking again alone has changed."""

RANKED = {metric: -MERIT[metric] for metric in ("total_return", "sharpe", "max_drawdown")}
"""Figures that rank the arms, with the sign that sorts the best first."""

DIFFERENCES = {
    "return_difference": "total_return",
    "drawdown_difference": "max_drawdown",
    "volatility_difference": "volatility",
    "exposure_difference": "exposure",
}
"""Figures of two arms that are plain differences of figures of one."""
