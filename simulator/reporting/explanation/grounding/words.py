"""The closed vocabulary: a word that stands in none of these tables claims something that no fact can back.

Phrases are in lower case. Directions carry the sign of what they claim: ``higher`` is +1, ``lower`` is -1.
"""

from __future__ import annotations

from enum import StrEnum


class Scale(StrEnum):
    """On what two values are compared."""

    LEVEL = "level"
    """The value itself: -1% is higher than -5%."""
    SIZE = "size"
    """How large it is; has a meaning only where no value is negative."""
    MERIT = "merit"
    """Whether it is good to have, by ``evaluation.metrics.MERIT``."""


METRICS = {
    "sharpe": ("annual sharpe ratio", "annualised sharpe ratio", "annualized sharpe ratio", "sharpe ratio", "sharpe"),
    "total_return": ("total return", "return", "returned"),
    "cagr": ("compound annual growth", "annual growth", "annual return"),
    "volatility": ("annual volatility", "volatility"),
    "max_drawdown": ("largest drawdown", "maximum drawdown", "deepest drawdown", "worst drawdown", "drawdown"),
    "exposure": ("mean exposure", "average exposure", "exposure"),
    "time_in_market": ("share of bars with a position", "time in the market"),
    "trades": ("number of trades", "trade", "round trip"),
    "costs": ("total cost", "trading cost", "costs paid", "cost"),
    "hit_rate": ("share of winning trades", "hit rate"),
    "sharpe_difference": (
        "sharpe difference", "difference in sharpe ratio", "difference in annual sharpe ratio",
        "difference of the sharpe ratios", "difference of the annual sharpe ratios", "difference of sharpe ratios",
    ),
    "low": ("lower end of the interval", "lower end"),
    "high": ("upper end of the interval", "upper end"),
    "p_value": ("p-value", "p value"),
    "detectable": ("smallest detectable difference", "detectable difference"),
}  # fmt: skip
"""Usual names of the metrics, beside those in the labels of the facts."""

INTERVAL = ("confidence interval", "interval")
BOUNDS = ("low", "high")
"""Metrics of a pair that are the ends of its interval."""
DIFFERENCE = "sharpe_difference"
OF_INTERVALS = (DIFFERENCE, *BOUNDS)
"""Metrics of which a sentence may say whether their interval contains zero."""

COMPARATIVES = {
    "higher": (Scale.LEVEL, 1), "above": (Scale.LEVEL, 1), "more": (Scale.LEVEL, 1),
    "exceeds": (Scale.LEVEL, 1), "exceeded": (Scale.LEVEL, 1),
    "lower": (Scale.LEVEL, -1), "below": (Scale.LEVEL, -1), "less": (Scale.LEVEL, -1), "fewer": (Scale.LEVEL, -1),
    "larger": (Scale.SIZE, 1), "greater": (Scale.SIZE, 1), "bigger": (Scale.SIZE, 1), "deeper": (Scale.SIZE, 1),
    "longer": (Scale.SIZE, 1), "smaller": (Scale.SIZE, -1), "shallower": (Scale.SIZE, -1), "shorter": (Scale.SIZE, -1),
    "better": (Scale.MERIT, 1), "beat": (Scale.MERIT, 1), "beats": (Scale.MERIT, 1), "ahead of": (Scale.MERIT, 1),
    "outperformed": (Scale.MERIT, 1), "outperforms": (Scale.MERIT, 1),
    "worse": (Scale.MERIT, -1), "behind": (Scale.MERIT, -1), "trailed": (Scale.MERIT, -1), "trails": (Scale.MERIT, -1),
    "lagged": (Scale.MERIT, -1), "underperformed": (Scale.MERIT, -1), "underperforms": (Scale.MERIT, -1),
}  # fmt: skip

SUPERLATIVES = {
    "highest": (Scale.LEVEL, 1), "lowest": (Scale.LEVEL, -1), "fewest": (Scale.LEVEL, -1),
    "largest": (Scale.SIZE, 1), "greatest": (Scale.SIZE, 1), "biggest": (Scale.SIZE, 1), "deepest": (Scale.SIZE, 1),
    "longest": (Scale.SIZE, 1), "smallest": (Scale.SIZE, -1), "shallowest": (Scale.SIZE, -1),
    "shortest": (Scale.SIZE, -1),
    "best": (Scale.MERIT, 1), "worst": (Scale.MERIT, -1),
}  # fmt: skip

SIGNS = {"positive": 1, "above zero": 1, "negative": -1, "below zero": -1}

ZERO = {
    "contains zero": True, "contain zero": True, "containing zero": True, "includes zero": True, "include zero": True,
    "including zero": True, "spans zero": True, "crosses zero": True, "covers zero": True,
    "excludes zero": False, "does not contain zero": False, "does not include zero": False, "lies off zero": False,
}  # fmt: skip
"""Whether zero lies within an interval."""

EQUALS = ("equal to", "equals", "equal", "the same", "same", "identical to", "identical")
LINKS = (
    "than", "against", "versus", "vs", "minus", "over", "compared to", "compared with", "in comparison to",
    "in comparison with", "relative to", "as",
)  # fmt: skip
"""Words between the two sides of a comparison."""
AMONG = ("of all arms", "of all the arms", "of the arms", "among all arms", "among the arms", "in the run")
"""What a superlative ranges over."""
BREAKS = ("and", "but", "while", "whereas", "although", "though")
"""Words that begin another clause; so do a comma, a semicolon and a dash."""
REFERRING = ("which", "with", "where", "it", "its", "their")
"""Words that begin a clause about the arm just named; which one that is must be plain."""
PLAIN = (
    "of the time", "that of", "those of", "a", "an", "the", "is", "are", "was", "were", "has", "have", "had",
    "of", "for", "in", "on", "at", "to", "from", "between", "this", "that", "these", "arm", "arms", "run", "backtest",
    "made", "makes", "paid", "pays", "reached", "reaches", "showed", "shows", "recorded", "records", "achieved",
    "achieves", "incurred", "ended", "came", "did", "respectively", "also", "value", "terms", "ranges",
)  # fmt: skip
"""Words that add no claim of their own."""

REFUSED = {
    "gives a cause, and there is no ablation to back one": (
        "because", "due", "thanks", "caused", "causes", "cause", "therefore", "thus", "hence", "since", "reason", "led",
        "leads", "result", "resulted", "results", "resulting", "owing", "why", "explains", "driven", "attributed",
    ),
    "forecasts": (
        "will", "expected", "expect", "expects", "likely", "unlikely", "future", "forecast", "predict", "predicts",
        "would", "could", "may", "might", "going", "soon", "next", "tomorrow", "should", "can", "continue", "potential",
    ),
    "advises": (
        "buy", "sell", "invest", "investors", "recommend", "recommended", "consider", "must", "need", "needs", "advise",
        "hold", "avoid", "prefer", "choose", "suggest", "suggests",
    ),
    "judges without a fact": (
        "impressive", "well", "strong", "strongly", "good", "great", "excellent", "poor", "poorly", "weak", "robust",
        "significant", "significantly", "solid", "successful", "successfully", "effective", "remarkable", "notable",
        "profitable", "risky", "safe", "stable", "consistent", "much", "slightly", "far", "very", "only", "reliable",
    ),
    "denies something, and a denial is not checked": (
        "not", "no", "never", "without", "neither", "nor", "none", "cannot", "hardly", "didn't", "doesn't", "wasn't",
        "isn't", "fails", "failed",
    ),
    "spells a number that no fact shows so": (
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "dozen", "hundred", "thousand", "million", "half", "third", "thirds", "quarter", "quarters", "twice", "thrice",
        "double", "doubled", "triple", "tripled", "times", "first", "second", "fourth", "fifth", "percent", "once",
        "halved", "fold", "twofold", "majority", "all", "both", "each", "every", "several", "many", "few", "about",
        "almost", "nearly", "roughly", "around", "approximately", "least", "most",
    ),
    "tells a direction that cannot be checked": (
        "gained", "lost", "gain", "loss", "losses", "profit", "rose", "fell", "grew", "increased", "increase",
        "decreased", "decrease", "declined", "dropped", "improved", "improves", "reduced", "up", "down", "won",
        "ranked", "increasing", "decreasing", "rising", "falling",
    ),
}  # fmt: skip
"""Words refused by name, by what is wrong with them; any other unknown word is refused too."""
