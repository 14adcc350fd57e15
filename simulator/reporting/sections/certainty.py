"""How sure the Sharpe ratio of each arm is by itself, held against nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from simulator.evaluation.metrics import returns
from simulator.evaluation.probabilistic_sharpe import sharpe_certainty
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Details, Paragraph, Table, on_page
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import bars_a_year, cash_rate
from simulator.reporting.facts.terms import Term, Unit

CERTAINTY_TERMS = {
    "psr": Term(Unit.FRACTION, "probability that the true Sharpe ratio is above zero", "Above zero"),
    "psr_2012": Term(Unit.FRACTION, "the same with autocorrelation not counted", "Uncorrelated"),
    "track_years": Term(Unit.RATIO, "years that tell a Sharpe ratio this high from zero", "Years needed"),
    "autocorrelation": Term(Unit.RATIO, "correlation of a return with the one before", "Autocorrelation"),
}
"""Figures of one arm, by the names of ``SharpeCertainty``."""


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of each arm."""
    year, cash = bars_a_year(record), cash_rate(record)
    for arm in record.arms:
        measured = sharpe_certainty(returns(arm.equity["equity"], cash), year)
        for field in fields(measured):
            table.term(arm.name, field.name, CERTAINTY_TERMS[field.name], getattr(measured, field.name))


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A folded table with a row for each arm."""
    rows = [(arm.name, *(f"{{{arm.name}.{metric}}}" for metric in CERTAINTY_TERMS)) for arm in record.arms]
    title = "How sure is the Sharpe ratio itself?"
    yield on_page(
        Details(
            title,
            [
                Table(["Arm", *(term.heading for term in CERTAINTY_TERMS.values())], rows, label=title),
                Paragraph(
                    "*Above zero* is the probability that the true Sharpe ratio is above zero, if this were the only "
                    "account that was ever tried (probabilistic Sharpe ratio, Lopez de Prado, Lipton and Zoonekynd: "
                    "skewness, kurtosis and autocorrelation counted). *Uncorrelated* is the earlier form of Bailey and "
                    "Lopez de Prado, which counts no autocorrelation. *Years needed* is how long a record like this "
                    "must be to be told from zero, wrongly once in twenty times. The market rises too: above zero "
                    "is not above the market.",
                    "note",
                ),
            ],
        )
    )
