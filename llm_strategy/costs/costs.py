"""What trading costs: the ``costs`` section of an experiment and its formulas.

A price here is currency a share, a size is in shares and positive, a value is size times price in currency. A *basis
point* (bps) is 0.01 percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, Protocol

from pydantic import WithJsonSchema

from llm_strategy.costs.cash_rates import CashRates, check_rate
from llm_strategy.errors import ConfigurationError, did_you_mean, shown

VOLATILITY_BARS = 20
"""One-bar returns behind the volatility that slippage and impact are measured by."""

_BPS = 10_000
MOST = 1e15
"""Of any figure, in currency or basis points: beyond it sums lose their last digits."""
_CASH_RATE = {
    "description": "a fraction a year, a CSV file of dated rates, sample:rf, or a mapping of rates by day",
    "type": ["number", "string", "object"],
    "minLength": 1,
    "properties": {
        "rates": {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1},
        "source": {"type": "string"},
    },
    "required": ["rates"],
    "additionalProperties": False,
}
_NOT_GIVEN: Any = object()
"""Stands where a key was not given, until its value takes the place; ``None`` means no cap."""

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "none": {},
        "us_equities": {
            "commission_bps": 0.0,
            "commission_per_share": 0.005,
            "commission_minimum": 1.0,
            "commission_maximum_bps": 100.0,
        },
        "crypto": {"commission_bps": 10.0},
    }
)
"""Named sets of costs, each with its source and the time it was true. What a set does not name, and no key does, is
the usual value of the field; single keys override it.

- ``none``: 5 bps of commission and 5 bps of slippage, no broker's schedule.
- ``us_equities``: Interactive Brokers, US stocks, fixed pricing in dollars: 0.005 a share, at least 1.00 an order, at
  most 1 percent of its value. https://www.interactivebrokers.co.uk/en/pricing/commissions-stocks.php, as it stood
  between May 2024 and May 2025 (the time of the SEC fee that it quotes). Regulatory fees on sales are left out.
- ``crypto``: Binance, spot, regular user, without a discount: 0.1 percent of the value, maker and taker alike.
  https://www.binance.com/en/fee/schedule; the regular rate of the lowest tier, not checked against the live page.
"""


def _cost(usual: Any, lowest: float | None = None, highest: float = math.inf, unit: str = "") -> Any:
    """A key that the preset may set, with its usual value and, where ``lowest`` is given, its bounds."""
    bounds = None if lowest is None else (lowest, highest, unit)
    return field(default=_NOT_GIVEN, metadata={"usual": usual, "bounds": bounds})


class TradingCosts(Protocol):
    """What the risk gate asks about an order that it is about to allow."""

    def commission(self, size: float, price: float) -> float:
        """Commission in currency of a trade of ``size`` shares (positive) at ``price``."""

    def slippage(self, size: float, price: float) -> float:
        """Adverse move as a fraction of the price that a market or stop fill of ``size`` shares would pay."""


@dataclass(frozen=True, slots=True)
class CommissionTier:
    """A rate (basis points) for orders whose value is above ``above`` (currency)."""

    above: float
    bps: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs and the cash to begin with. A key that is not given has the value of ``preset``.

    After construction every field holds its effective value, so that ``dataclasses.asdict`` tells all and
    ``Costs(**asdict(costs)) == costs``. Raises ``ConfigurationError`` naming the key.
    """

    preset: str = field(default="none", metadata={"schema": {"enum": list(PRESETS)}})
    """A name in ``PRESETS``."""
    starting_cash: float = _cost(100_000.0)
    """Currency."""
    commission_per_share: float = _cost(0.0, 0, math.inf, "in currency for each share")
    """Currency a share; added to the other parts of the commission."""
    commission_per_trade: float = _cost(0.0, 0, math.inf, "in currency for each trade")
    """Currency a trade; added to the other parts."""
    commission_bps: float = _cost(5.0, 0, 1_000, "basis points of the traded value (1 is 0.01 percent)")
    """Basis points of the traded value; added to the other parts. 0 where ``commission_tiers`` are given."""
    commission_minimum: float = _cost(0.0, 0, math.inf, "in currency for each trade")
    """The least that a trade pays, currency."""
    commission_maximum_bps: float | None = _cost(None)
    """The most that a trade pays, basis points of its value; goes before the minimum. ``None``: no cap."""
    commission_tiers: tuple[CommissionTier, ...] = _cost(())
    """Rates by the value of the trade in place of ``commission_bps``: the **whole** value pays the rate of the last
    tier that it is above, so that the commission may fall where a tier begins. The first tier is above 0."""
    slippage_bps: float = _cost(5.0, 0, 1_000, "basis points of the price (1 is 0.01 percent)")
    """Adverse move of a market or stop fill, basis points of the price; added to the other parts of the slippage."""
    slippage_per_share: float = _cost(0.0, 0, math.inf, "in currency for each share")
    """The same in currency a share; added."""
    slippage_volatility: float = _cost(0.0, 0, 10, "multiples of the volatility of one bar")
    """The same in multiples of the volatility of one bar; added."""
    impact: float = _cost(
        0.0, 0, 10, "multiples of the volatility of one bar for an order as large as the bar's volume"
    )
    """Y of the square-root law of market impact, a fraction of the price: Y * volatility of a bar * sqrt(size / volume
    of the bar); added. Empirically about 0.5 to 1 with daily bars. Source of the law: Toth et al., "Anomalous price
    impact and the critical nature of liquidity in financial markets", Physical Review X 1, 2011; Almgren et al.,
    "Direct estimation of equity market impact", Risk, July 2005, measured a power of 0.6 instead of 0.5."""
    spread_bps: float = _cost(0.0, 0, 1_000, "basis points of the price (1 is 0.01 percent), from bid to ask")
    """Quoted spread from bid to ask, basis points of the price: a market or stop fill pays half of it; added."""
    borrow_rate: float = _cost(0.0, 0, 1, "a fraction a year (0.05 is 5 percent)")
    """Fraction a year of the marked value of short positions, for each calendar day that they are held overnight."""
    financing_rate: float = _cost(0.0, 0, 1, "a fraction a year (0.05 is 5 percent)")
    """Fraction a year of borrowed cash, for each calendar day that it is owed overnight."""
    cash_rate: Annotated[float | CashRates, WithJsonSchema(_CASH_RATE)] = _cost(0.0)  # noqa: RUF009 - a field
    """Fraction a year that cash earns, for each calendar day overnight: a number, or ``CashRates`` (a mapping of their
    fields is read, too). Borrowed cash and the proceeds of short sales earn nothing."""
    leverage: float = _cost(1.0, 1, 100, "multiples of equity (1 lends nothing)")
    """The broker lends cash up to (leverage - 1) times equity; 1 is no credit."""
    max_fill_share: float | None = _cost(None)
    """Share of a bar's volume that the orders of this account fill together at most; the rest waits for the next bar.
    ``None``: any size fills."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigurationError(f"costs.preset is {self.preset!r}{did_you_mean(self.preset, PRESETS)}")
        if self.commission_bps is _NOT_GIVEN and self.commission_tiers not in (_NOT_GIVEN, ()):
            object.__setattr__(self, "commission_bps", 0.0)
        for item in fields(self):
            if getattr(self, item.name) is _NOT_GIVEN:
                value = PRESETS[self.preset].get(item.name, item.metadata["usual"])
                object.__setattr__(self, item.name, value)
            elif item.name not in ("preset", "commission_tiers", "cash_rate") and getattr(self, item.name) is not None:
                object.__setattr__(self, item.name, _number(item.name, getattr(self, item.name)))
        if not isinstance(self.commission_tiers, Iterable):
            raise ConfigurationError(f"costs.commission_tiers is {shown(self.commission_tiers)}: give a list of tiers.")
        object.__setattr__(self, "cash_rate", _cash_rate(self.cash_rate))
        object.__setattr__(self, "commission_tiers", tuple(_tier(entry) for entry in self.commission_tiers))
        self._check_ranges()
        self._check_commissions()

    def _check_ranges(self) -> None:
        if self.starting_cash is None or not 0 < self.starting_cash < math.inf:
            raise ConfigurationError(f"costs.starting_cash is {self.starting_cash}: it must be above 0, in currency.")
        for item in fields(self):
            if not item.metadata.get("bounds"):
                continue
            (lowest, highest, unit), value = item.metadata["bounds"], getattr(self, item.name)
            if value is None or not (lowest <= value <= highest and value < math.inf):
                bounds = f"{lowest:g} or more" if highest == math.inf else f"{lowest:g} to {highest:g}"
                raise ConfigurationError(f"costs.{item.name} is {value}: it must be {bounds}, {unit}.")
        if self.max_fill_share is not None and not 0 < self.max_fill_share <= 1:
            raise ConfigurationError(
                f"costs.max_fill_share is {self.max_fill_share}: it must be above 0 and at most 1, a share of the "
                "bar's volume; leave it out for no bound."
            )

    def _check_commissions(self) -> None:
        cap, tiers = self.commission_maximum_bps, self.commission_tiers
        if cap is not None and not 0 < cap <= _BPS:
            raise ConfigurationError(
                f"costs.commission_maximum_bps is {cap}: it must be above 0 and at most {_BPS} basis points of the "
                "traded value; leave it out for no cap."
            )
        if tiers and self.commission_bps:
            raise ConfigurationError(
                f"costs.commission_bps is {self.commission_bps} beside commission_tiers, which replace it: keep one."
            )
        if tiers and tiers[0].above != 0:
            raise ConfigurationError(
                f"costs.commission_tiers is without a rate up to {tiers[0].above:g}: begin with a tier above 0."
            )
        if any(lower.above >= upper.above for lower, upper in pairwise(tiers)):
            raise ConfigurationError(
                "costs.commission_tiers is out of order: sort the tiers by above, each value once, in currency."
            )
        rates = [tier.bps for tier in tiers] or [self.commission_bps]
        if cap is not None and cap < max(rates):
            raise ConfigurationError(
                f"costs.commission_maximum_bps is {cap}, below the rate of {max(rates)} basis points, which could "
                "never hold: raise the cap or lower the rate."
            )

    def cash_rate_on(self, day: date) -> float:
        """What cash earns on a day, a fraction a year."""
        return self.cash_rate.on(day) if isinstance(self.cash_rate, CashRates) else self.cash_rate

    @property
    def needs_volume(self) -> bool:
        """Whether the bars must have a volume for these costs to bite."""
        return self.impact > 0 or self.max_fill_share is not None

    def commission(self, size: float, price: float) -> float:
        """Currency of one trade. A trade is one fill: an order that fills over several bars pays on each of them, and
        one that reverses a position is two trades."""
        value = size * price
        rate = self.commission_bps
        for tier in self.commission_tiers:
            if value > tier.above:
                rate = tier.bps
        total = size * (rate / _BPS) * price + size * self.commission_per_share + self.commission_per_trade
        total = max(total, self.commission_minimum)
        return total if self.commission_maximum_bps is None else min(total, value * self.commission_maximum_bps / _BPS)

    def slippage(self, size: float, price: float, volume: float | None = None, volatility: float = 0.0) -> float:
        """Adverse move as a fraction of the price that a market or stop fill pays.

        ``volume`` is the shares traded in the bar of the fill; without one (``None``, NaN or 0) there is no impact.
        ``volatility`` is the standard deviation of one-bar returns as a fraction.
        """
        part = (self.slippage_bps + self.spread_bps / 2) / _BPS + self.slippage_per_share / price
        if volatility:
            part += self.slippage_volatility * volatility
            if self.impact and volume and volume > 0:
                part += self.impact * volatility * math.sqrt(size / volume)
        return part

    def at_bar(self, volume: float | None, volatility: float) -> TradingCosts:
        """The same costs with the volume and volatility of one bar filled in."""
        return _CostsAtBar(self, volume, volatility)


@dataclass(frozen=True, slots=True)
class _CostsAtBar:
    costs: Costs
    volume: float | None
    volatility: float

    def commission(self, size: float, price: float) -> float:
        return self.costs.commission(size, price)

    def slippage(self, size: float, price: float) -> float:
        return self.costs.slippage(size, price, self.volume, self.volatility)


def volatility(closes: Sequence[float]) -> float:
    """Standard deviation of the one-bar returns of these closes, a fraction; 0 with fewer than two returns.

    A close that is no price has none.
    """
    returns = [after / before - 1 for before, after in pairwise(closes) if before > 0 and 0 < after < math.inf]
    if len(returns) < 2:
        return 0.0
    mean = math.fsum(returns) / len(returns)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / len(returns))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"costs.{name} is {value!r}: it must be a number.")
    if abs(value) > MOST:
        raise ConfigurationError(f"costs.{name} is {shown(value)}: it must be {MOST:g} at most.")
    return float(value)  # 5 and 5.0 are the same experiment


def _cash_rate(given: Any) -> float | CashRates:
    if isinstance(given, CashRates):
        return given
    if isinstance(given, Mapping):
        if "rates" not in given or not set(given) <= {"rates", "source"}:
            raise ConfigurationError("costs.cash_rate is a mapping without rates: write each rate by its day there.")
        return CashRates(**given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ConfigurationError(
            f"costs.cash_rate is {shown(given)}: give a fraction a year, or CashRates; an experiment's mapping names a "
            "file there, too."
        )
    check_rate(given)
    return float(given)


def _tier(entry: Any) -> CommissionTier:
    keys = {"above": entry.above, "bps": entry.bps} if isinstance(entry, CommissionTier) else entry
    if not isinstance(keys, Mapping) or set(keys) != {"above", "bps"}:
        raise ConfigurationError(
            f"costs.commission_tiers holds {keys!r}: write each tier as above (currency) and bps (basis points)."
        )
    tier = CommissionTier(*(_number("commission_tiers", keys[key]) for key in ("above", "bps")))
    if not (0 <= tier.above < math.inf and 0 <= tier.bps <= 1_000):
        raise ConfigurationError(
            f"costs.commission_tiers is {tier.bps:g} bps above {tier.above:g}: a rate must be 0 to 1000 basis points, "
            "above a value of 0 or more in currency."
        )
    return tier


NO_COSTS: TradingCosts = Costs(commission_bps=0.0, slippage_bps=0.0)
"""Trading for nothing."""
