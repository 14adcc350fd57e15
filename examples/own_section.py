"""A section of one's own; in the experiment: ``output: {sections: ["examples/own_section.py:BestMonth"]}``."""

from simulator.reporting.blocks import Paragraph
from simulator.reporting.facts.terms import Unit


class BestMonth:
    def facts(self, table, record):
        for arm in record.arms:
            months = arm.equity["equity"].resample("ME").last().pct_change()
            table.add(arm.name, months.max(), Unit.FRACTION, f"best month of {arm.name}")

    def blocks(self, record, facts):
        names = [arm.name for arm in record.arms]
        yield Paragraph([f"{name} made {{section.BestMonth.{name}}} in its best month." for name in names])
