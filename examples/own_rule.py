"""A rule of one's own: in the market while the close is in the upper half of its range of so many bars."""

import backtrader as bt

from llm_strategy import ActionType, Rule


class UpperHalf(Rule):
    rationale = "Holds what trades in the upper half of its range."

    def __init__(self, period: int = 20) -> None:
        self.bars_needed, self.period = period, period

    def prepare(self, data):
        self.middle = (bt.ind.Highest(data, period=self.period) + bt.ind.Lowest(data, period=self.period)) / 2

    def action(self, snapshot):
        return ActionType.ENTER_LONG if snapshot.close > self.middle[0] else ActionType.EXIT
