"""The limits of the risk gate, each with a default that a prudent person would choose."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from llm_strategy.errors import ConfigurationError, did_you_mean, shown
from llm_strategy.risk.checklist.item import Checklist
from llm_strategy.risk.checklist.tighter import tighten

Sizing = Literal["fixed_fraction", "equal_weight", "volatility_target"]
SIZING_RULES: tuple[Sizing, ...] = ("fixed_fraction", "equal_weight", "volatility_target")
_CHECKLIST = {
    "description": "a file of your own that ends in .yaml, a list of presets and items, or its content as in "
    "checklist.schema.json",
    "if": {"type": ["object", "array", "null"]},
    "else": {"type": "string", "pattern": "\\.ya?ml$", "description": "a file of your own that ends in .yaml"},
}


def _limit(default: Any, kind: str) -> Any:
    return field(default=default, metadata={"kind": kind, "schema": {"minimum": 1 if kind == "count" else 0}})


def _share(default: float | None) -> Any:
    """A share of equity, price, or volume: above 0, at most 1."""
    return _limit(default, "share")


def _fraction(default: float) -> Any:
    """A share that may be 0."""
    return _limit(default, "fraction")


def _multiple(default: float | None) -> Any:
    """A number above 0."""
    return _limit(default, "multiple")


def _amount(default: float) -> Any:
    """A number from 0 upwards."""
    return _limit(default, "amount")


def _bars(default: int | None) -> Any:
    """A whole number from 0 upwards."""
    return _limit(default, "bars")


def _count(default: int | None) -> Any:
    """A whole number from 1 upwards."""
    return _limit(default, "count")


@dataclass(frozen=True, slots=True)
class Limits:
    """What no advice can exceed. All are fractions unless the name or the text says otherwise; ``None`` switches a
    limit off. Bars are decision bars.

    Raises ``ConfigurationError`` for limits that are impossible or contradict each other.
    """

    # Each trade
    max_position_size: float = _share(0.20)
    """Value of a new position as a share of equity, at the worst price that ``gap_buffer`` foresees."""
    sizing: Sizing = "fixed_fraction"
    """``fixed_fraction`` takes ``max_position_size``, ``equal_weight`` gives each of ``max_positions`` the same part of
    ``max_gross_exposure``, ``volatility_target`` gives calm symbols more; none exceeds ``max_position_size``."""
    target_volatility: float = _multiple(0.15)
    """Of ``volatility_target``: volatility a year that a position should have."""
    max_risk_per_trade: float = _share(0.02)
    """Loss at the stop as a share of equity, ``gap_buffer`` and costs included."""
    stop_loss_pct: float = _share(0.08)
    """Distance of the stop from the fill where the advice asks for none."""
    stop_loss_atr: float | None = _multiple(None)
    """The same in multiples of the average true range (14 bars), in place of ``stop_loss_pct``."""
    min_stop_pct: float = _share(0.01)
    max_stop_pct: float = _share(0.20)
    """Largest distance of the stop, as a share of the fill."""
    min_stop_atr: float | None = _multiple(None)
    max_stop_atr: float | None = _multiple(None)
    """Bounds in multiples of the average true range, beside those in percent; the tighter one holds."""
    trailing_stop: bool = False
    """Whether the stop follows each close at the distance that it had from the fill."""
    take_profit_pct: float | None = _multiple(None)
    """Distance of the target from the fill where the advice asks for none; ``None`` places no target."""
    min_target_pct: float = _amount(0.01)
    """Least distance of a target from the fill."""
    max_target_pct: float = _multiple(1.0)
    """Largest distance of a target from the fill."""
    min_reward_to_risk: float = _amount(0.0)
    """Least distance of the target in multiples of the distance of the stop; entries without a target pass."""
    min_confidence: float = _fraction(0.0)
    """Entries below this confidence are refused. 0 is off: until it is calibrated, a confidence means nothing."""
    lot_step: float = _multiple(1.0)
    """Sizes are multiples of this many shares."""
    min_notional: float = _amount(0.0)
    """Least value of an entry, in currency."""
    max_participation: float | None = _share(0.10)
    """Size as a share of the volume of the closed bar; does not apply to a feed without volume, or of tick volume."""
    gap_buffer: float = _fraction(0.02)
    """Adverse move from this close to the next open that sizing pays for."""

    # The book
    max_gross_exposure: float = _multiple(1.0)
    """Value of all positions, long and short added, as a share of equity; above 1 is leverage."""
    max_net_exposure: float | None = _multiple(None)
    """Value of all positions, short ones subtracted, as a share of equity, on either side."""
    max_positions: int = _count(20)
    """Positions held at the same time."""
    max_symbol_exposure: float | None = _multiple(None)
    """Value held in one symbol, by every strategy of the run, as a share of equity."""
    max_group_exposure: float | None = _multiple(None)
    """Value of all positions of one group (``data.groups``) as a share of equity."""
    max_correlated_exposure: float | None = _multiple(None)
    """Value, as a share of equity, of all positions whose returns go the same way as those of the new one."""
    correlation_threshold: float = _fraction(0.7)
    """Correlation of 60 bars' returns from which two positions count as going the same way."""
    allow_short: bool = False
    """Whether an entry may sell what is not held."""

    # Over time
    max_drawdown: float = _share(0.25)
    """Kill switch: at this loss from the highest equity everything is closed and no entry is allowed."""
    rearm_after_bars: int | None = _count(None)
    """Bars after which the kill switch lets entries through again, drawdown counted anew; ``None`` means never."""
    max_daily_loss: float | None = _share(0.05)
    """Loss since the last close of the day before, from which nothing is opened until the day is over."""
    max_losing_streak: int | None = _count(6)
    """Losing trades in a row after which nothing is opened for ``losing_streak_bars``."""
    losing_streak_bars: int = _bars(20)
    cooldown_bars: int = _bars(5)
    """Bars without entries in a symbol after a stop was hit there."""
    max_entries_per_day: int | None = _count(20)
    """Entry orders of the whole book on one day; exits are never held back."""
    min_holding_bars: int = _bars(0)
    """Bars before which an advised exit is refused; stop, target and kill switch are never held back."""
    max_holding_bars: int | None = _count(None)
    """Bars after which a position is closed."""

    checklist: Annotated[Checklist | None, WithJsonSchema(_CHECKLIST)] = None
    """Items that block, halve or flag entries; the limits that it makes tighter are set here at once. In an
    experiment a file, a list of presets and items, or a mapping (``read_checklist``)."""

    def __post_init__(self) -> None:
        self._check_each()
        if self.checklist is not None:
            if not isinstance(self.checklist, Checklist):
                raise ConfigurationError(
                    f"risk.checklist is {shown(self.checklist)!r}: give read_checklist(...) of a file or a mapping."
                )
            current = {item.name: getattr(self, item.name) for item in fields(self)}
            kinds = {item.name: item.metadata.get("kind") for item in fields(self)}
            for name, value in tighten(current, self.checklist.limits).items():
                whole = kinds[name] in ("bars", "count") and value == int(value)  # 2.0 is a whole number in YAML, too
                object.__setattr__(self, name, int(value) if whole else value)
            self._check_each()
        if self.sizing not in SIZING_RULES:
            raise ConfigurationError(f"risk.sizing is {self.sizing!r}{did_you_mean(self.sizing, SIZING_RULES)}")
        for problem in _contradictions(self):
            raise ConfigurationError(f"risk.{problem}")

    def _check_each(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            kind = item.metadata.get("kind")
            if isinstance(value, int) and abs(value) <= MOST and kind in ("share", "fraction", "multiple", "amount"):
                object.__setattr__(self, item.name, float(value))  # 1 and 1.0 are written alike
            if kind is not None and (problem := _problem(value, kind, str(item.type))):
                raise ConfigurationError(f"risk.{item.name} is {shown(value)}: {problem}")

    def as_dict(self) -> dict[str, Any]:
        """The limits as plain data; ``checklist`` is left out where there is none."""
        document = asdict(replace(self, checklist=None))
        del document["checklist"]
        return document if self.checklist is None else document | {"checklist": self.checklist.as_dict()}

    @property
    def uses_average_range(self) -> bool:
        """Whether a stop is measured in average true ranges, which need some bars before they have a value."""
        return any(value is not None for value in (self.stop_loss_atr, self.min_stop_atr, self.max_stop_atr))


LEAST, MOST = 1e-12, 1e15
"""Nearer to 0 and beyond, counts of lots and sums of money cannot be computed with."""


def _problem(value: Any, kind: str, annotation: str) -> str | None:
    """What is wrong with one limit on its own, as the end of a sentence."""
    if value is None:
        return None if "None" in annotation else "it cannot be left empty."
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return "it must be a number from 0 upwards."
    if value and not LEAST <= value <= MOST:
        return f"it must be 0, or between {LEAST:g} and {MOST:g}."
    if kind in ("bars", "count") and value != int(value):
        return "it must be a whole number."
    if kind in ("share", "fraction") and value > 1:
        return "it is a share, 1 means 100 percent."
    if kind in ("share", "multiple", "count") and value == 0:
        return "0 allows no trade at all or switches nothing off: set it above 0" + (
            ", or null to switch it off." if "None" in annotation else "."
        )
    return None


def _contradictions(limits: Limits) -> list[str]:
    """What limits say against each other."""
    stop, nearest, farthest = limits.stop_loss_pct, limits.min_stop_pct, limits.max_stop_pct
    found = []
    if nearest > farthest:
        found.append(f"min_stop_pct ({nearest}) is above max_stop_pct ({farthest}): swap them.")
    if not nearest <= stop <= farthest:
        found.append(
            f"stop_loss_pct is {stop}: it must lie between min_stop_pct ({nearest}) and max_stop_pct ({farthest})."
        )
    if farthest == 1:
        found.append("max_stop_pct is 1: a stop at a price of zero protects nothing, set it below 1.")
    low, high = limits.min_stop_atr or 0.0, limits.max_stop_atr or math.inf
    if low > high:
        found.append(f"min_stop_atr ({low}) is above max_stop_atr ({high}): swap them.")
    if limits.stop_loss_atr is not None and not low <= limits.stop_loss_atr <= high:
        found.append(
            f"stop_loss_atr is {limits.stop_loss_atr}: it must lie between min_stop_atr ({low}) and "
            f"max_stop_atr ({high})."
        )
    if limits.min_target_pct > limits.max_target_pct:
        found.append(
            f"min_target_pct ({limits.min_target_pct}) is above max_target_pct ({limits.max_target_pct}): swap them."
        )
    target = limits.take_profit_pct
    if target is not None and not limits.min_target_pct <= target <= limits.max_target_pct:
        found.append(
            f"take_profit_pct is {target}: it must lie between min_target_pct ({limits.min_target_pct}) and "
            f"max_target_pct ({limits.max_target_pct})."
        )
    if target is not None and limits.stop_loss_atr is None and target < limits.min_reward_to_risk * stop:
        found.append(
            f"min_reward_to_risk is {limits.min_reward_to_risk}: take_profit_pct ({target}) over stop_loss_pct "
            f"({stop}) is less, so that every entry would be refused; lower the one or raise the other."
        )
    if limits.max_net_exposure is not None and limits.max_net_exposure > limits.max_gross_exposure:
        found.append(
            f"max_net_exposure ({limits.max_net_exposure}) is above max_gross_exposure ({limits.max_gross_exposure}) "
            "and would never be reached: lower it or leave it out."
        )
    if limits.max_holding_bars is not None and limits.min_holding_bars > limits.max_holding_bars:
        found.append(
            f"min_holding_bars ({limits.min_holding_bars}) is above max_holding_bars ({limits.max_holding_bars}): "
            "swap them."
        )
    return found
