"""An account beside the market: what a regression on the market's returns leaves to it (alpha), how far it strays from
the market, and step by step what became of the market's return on the way to the account.

Returns are simple returns a bar, means and deviations are annual. Standard errors allow for changing volatility and for
returns that hang together over time (Newey and West 1987, Bartlett weights, the small-sample factor n / (n - k)), over
so many lags as 4 (n / 100)^(2/9) has whole ones, the rule of Newey and West 1994.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from simulator.evaluation.metrics import NOTHING, Floats
from simulator.folder.evidence import ATTRIBUTION, round_digits
from simulator.folder.record_check import read_json_file

FEWEST_BARS = 60
"""Returns below which a regression says nothing."""
TOO_SHORT = "the two have fewer than 60 bars in common"
STILL_MARKET = "the market's account never moved"
STILL_ACCOUNT = "its account never moved"
THE_MARKET_ITSELF = "its returns are the market's own, times a constant"


@dataclass(frozen=True, slots=True)
class MarketModel:
    """An account's returns explained by the market's: ``alpha + beta * market``, and how it differs from the market
    where nothing is explained. None where it cannot be measured; ``problem`` says why."""

    alpha: float | None = None
    """What the account earned a year beyond ``beta`` times the market (fraction)."""
    alpha_low: float | None = None
    alpha_high: float | None = None
    alpha_t: float | None = None
    """Alpha over its standard error: within -2 to 2 it is what luck alone brings."""
    beta: float | None = None
    """How much of the market's moves the account took part in: 1 all of them, 0 none."""
    r_squared: float | None = None
    """Share of the variance of its returns that the market's moves explain (fraction)."""
    tracking_error: float | None = None
    """Annual standard deviation of its returns minus the market's (fraction)."""
    information_ratio: float | None = None
    """Annual mean of its returns minus the market's, over the tracking error."""
    information_t: float | None = None
    """That mean over its standard error."""
    lags: int | None = None
    """Bars over which the standard errors allow returns to hang together."""
    problem: str = ""


def newey_west_lags(bars: int) -> int:
    """Lags of the standard errors of so many returns."""
    return int(4 * (bars / 100) ** (2 / 9))


def fit_market_model(own: Floats, market: Floats, bars_per_year: float, confidence_level: float = 0.95) -> MarketModel:
    """Regress the returns of an account on those of the market over the same bars, both of shape (bars,)."""
    if len(own) < FEWEST_BARS:
        return MarketModel(problem=TOO_SHORT)
    if market.std() < NOTHING:
        return MarketModel(problem=STILL_MARKET)
    if own.std() < NOTHING:
        return MarketModel(problem=STILL_ACCOUNT)
    lags, year = newey_west_lags(len(own)), math.sqrt(bars_per_year)
    active = own - market
    spread = float(active.std(ddof=1))
    ratio = float(active.mean()) / spread if spread >= NOTHING else None
    fitted = _least_squares(own, np.column_stack([np.ones(len(own)), market]), lags)
    alpha, beta = (float(value) for value in fitted.coefficients)
    found = MarketModel(
        alpha=alpha * bars_per_year,
        beta=beta,
        r_squared=1 - float(fitted.residuals @ fitted.residuals) / (len(own) * float(own.var())),
        tracking_error=spread * year,
        information_ratio=None if ratio is None else ratio * year,
        lags=lags,
    )
    if float(np.std(fitted.residuals)) < NOTHING:  # nothing is left to measure an error by
        return replace(found, problem=THE_MARKET_ITSELF)
    error = float(fitted.errors[0])
    reach = NormalDist().inv_cdf((1 + confidence_level) / 2) * error
    mean = _least_squares(active, np.ones((len(active), 1)), lags)
    return replace(
        found,
        alpha_low=(alpha - reach) * bars_per_year,
        alpha_high=(alpha + reach) * bars_per_year,
        alpha_t=alpha / error,
        information_t=float(mean.coefficients[0] / mean.errors[0]),
    )


class _Fit(NamedTuple):
    """A regression: its coefficients, their standard errors, and what it leaves of each value."""

    coefficients: Floats
    errors: Floats
    residuals: Floats


def _least_squares(values: Floats, of: Floats, lags: int) -> _Fit:
    """Regress ``values`` (bars,) on the columns of ``of`` (bars, columns), with errors of Newey and West.

    ``statsmodels`` has the same as ``OLS(...).fit(cov_type="HAC")``, and tests hold this to it; to load it takes longer
    than to run most experiments.
    """
    coefficients = np.asarray(np.linalg.lstsq(of, values, rcond=None)[0], dtype=np.float64)
    residuals = values - of @ coefficients
    scores = of * residuals[:, None]
    spread = scores.T @ scores
    for lag in range(1, lags + 1):
        apart = scores[lag:].T @ scores[:-lag]
        spread += (1 - lag / (lags + 1)) * (apart + apart.T)
    bread = np.linalg.inv(of.T @ of)
    bars, columns = of.shape
    covariance = bread @ spread @ bread * (bars / (bars - columns))
    errors: Floats = np.sqrt(np.diag(covariance))
    return _Fit(coefficients, errors, residuals)


@dataclass(frozen=True, slots=True)
class AnnualReturn:
    """An account's annual mean return (the mean of its returns a bar times the bars of a year), and what it paid in
    costs, as a share of its mean equity a year."""

    after_costs: float
    costs: float

    @property
    def before_costs(self) -> float:
        """What it would have earned without them."""
        return self.after_costs + self.costs


@dataclass(frozen=True, slots=True)
class Steps:
    """From the market's annual mean return to that of an account, in steps that add up to it. Fractions of a year; None
    for a step that is not told apart from the next."""

    market: float
    gate: float
    """What the limits, stops and targets alone do to a holder, before costs."""
    exposure: float | None
    """How much of the time, and how much, the account held: accounts with its holding times at moments of chance, minus
    the holder."""
    timing: float | None
    """Which moments it chose: the account minus those accounts, which pay the costs that it pays."""
    choices: float | None
    """Both together, where no such accounts were made."""
    costs: float
    """What the account paid beyond the one entry of the market; below zero where it paid more."""
    own: float


STEPS = tuple(field.name for field in fields(Steps))[1:-1]
"""Those between the market and the account, in their order."""


def steps_to(own: AnnualReturn, market: AnnualReturn, holder: AnnualReturn, placebos: float | None) -> Steps:
    """The steps from the market to an account, by way of the holder behind the gate, and of accounts with the same
    holding times at moments of chance, whose mean annual mean return after costs is that of the ``placebos``."""
    at_random = None if placebos is None else placebos + own.costs
    return Steps(
        market=market.after_costs,
        gate=holder.before_costs - market.before_costs,
        exposure=None if at_random is None else at_random - holder.before_costs,
        timing=None if at_random is None else own.before_costs - at_random,
        choices=own.before_costs - holder.before_costs if at_random is None else None,
        costs=market.costs - own.costs,
        own=own.after_costs,
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """The account of a holder behind the gate, where no arm is one: fractions, and an annual Sharpe ratio; None where
    there is none."""

    annual_return: float | None = None
    """Annual mean return after costs."""
    cost_rate: float | None = None
    """Costs a year as a share of mean equity."""
    total_return: float | None = None
    max_drawdown: float | None = None
    sharpe: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As ``attribution.json`` holds it, with figures of 12 digits."""
        found = {name: round_digits(value) for name, value in asdict(self).items() if value is not None}
        return {"holder": found}


def read_holder(folder: Path) -> Holder | None:
    """The holder of ``attribution.json`` of a run folder, None where there is none; ``RunFolderError`` for a file that
    no run writes."""
    return read_json_file(folder / ATTRIBUTION, _holder)


def _holder(content: Mapping[str, Any]) -> Holder:
    for name, value in content["holder"].items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"holder.{name} is {value!r:.40}")
    return Holder(**content["holder"])
