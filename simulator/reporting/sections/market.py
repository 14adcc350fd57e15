"""The arms beside the market: alpha, beta, information ratio, and what became of the market's return on the way to the
account."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.attribution import THE_MARKET_ITSELF, TOO_SHORT
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Figure, Heading, Paragraph, Table, on_page
from simulator.reporting.charts.chart import Chart
from simulator.reporting.charts.waterfall import Step, draw_waterfall
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.market import MODEL_TERMS, add_market, explained_arms, stepped_arms
from simulator.reporting.facts.run import main_arms, market_arms, subject_arm

STEP_WORDS = {
    "market": ("The market", "bought at the first decision and held, without limits and stops"),
    "gate": ("The gate", "what limits, stops and targets alone do to a holder, before costs"),
    "exposure": ("How long it held", "accounts with its holding times at other moments, minus the holder"),
    "timing": ("When it held", "the account minus those accounts: what its moments were worth"),
    "choices": ("How much and when it held", "the account minus the holder behind the same gate, before costs"),
    "costs": ("Costs", "what it paid beyond the one entry of the market"),
    "own": ("The account", "what was left"),
}
"""Of each step its name, and what it is."""
_UNEXPLAINED = {
    TOO_SHORT: "the two have fewer than {run.alpha_bars} bars in common",
    THE_MARKET_ITSELF: "its returns are the market's own times a constant, so that nothing is left to judge by",
}


def facts(table: FactTable, record: Record) -> None:
    """Add each arm's figures beside the market."""
    add_market(table, record)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row an arm, and the steps; nothing where there is no market line."""
    if not market_arms(record):
        return
    explained = explained_arms(record)
    arms = [arm.name for arm in main_arms(record) if arm in explained]
    subject = subject_arm(record).name
    yield Heading("Beside the market", "beside-market")
    if subject in arms:
        yield Paragraph(market_sentences(subject, facts))
    yield _table(arms, subject, facts)
    yield on_page(
        Paragraph(
            "*Beta* is the part of the market's moves that an account took part in; *alpha* is what it earned a year "
            "beyond that part, with the {run.confidence_level} interval. *Explained* is the share of the ups and downs "
            "of its returns that the market's explain. *Tracking error* is how far its returns stray "
            "from the market's, the *information ratio* what it earned more than the market for each unit of that. "
            "A t of less than two, up or down, is what luck alone brings"
            + (
                "; errors allow for returns that hang together over {run.alpha_lags} bars (Newey and West)."
                if "run.alpha_lags" in facts
                else "."
            ),
            "note",
        )
    )
    if unexplained := [f"{arm}: {problem_words(arm, facts)}." for arm in arms if f"{arm}.alpha_problem" in facts]:
        yield Paragraph(["Not to be told:", *unexplained], "note")
    yield from _steps(record, facts)


def market_sentences(arm: str, facts: Facts) -> list[str]:
    """What an arm earned beside the market, ids of facts in braces."""
    if facts[f"{arm}.alpha_t"].value == NOT_AVAILABLE:
        return [f"{arm} cannot be held against the market: {problem_words(arm, facts)}."]
    low, high = (facts[f"{arm}.alpha_{end}"].value for end in ("low", "high"))
    luck = (
        "more than luck alone would bring"
        if isinstance(low, float) and low > 0
        else "less than luck alone would bring"
        if isinstance(high, float) and high < 0
        else "no more and no less than luck alone brings"
    )
    return [
        f"{arm} took part in the market's moves with a beta of {{{arm}.beta}}. Beyond that it earned {{{arm}.alpha}} a "
        f"year (alpha, {{run.confidence_level}} interval {{{arm}.alpha_low}} to {{{arm}.alpha_high}}, t "
        f"{{{arm}.alpha_t}}): {luck}."
    ]


def problem_words(arm: str, facts: Facts) -> str:
    """Why an arm cannot be held against the market."""
    problem = str(facts[f"{arm}.alpha_problem"].value)
    return _UNEXPLAINED.get(problem, problem)


def _table(arms: list[str], subject: str, facts: Facts) -> Table:
    shown = {metric: term.heading for metric, term in MODEL_TERMS.items() if term.heading}
    columns = [Column("Arm"), *map(Column, shown.values())]
    rows = []
    for arm in arms:
        known = facts[f"{arm}.alpha_low"].value != NOT_AVAILABLE
        interval = f"{{{arm}.alpha_low}} to {{{arm}.alpha_high}}" if known else NOT_AVAILABLE
        rows.append((arm, *(interval if metric == "alpha_low" else f"{{{arm}.{metric}}}" for metric in shown)))
    return Table(columns, rows, marked=subject if subject in arms else None, label="Arms beside the market")


def _steps(record: Record, facts: Facts) -> Iterator[Block]:
    """How the market's return became that of each arm; a figure for the arm that the page is about."""
    arms = [arm.name for arm in stepped_arms(record)]
    told = [arm for arm in arms if f"{arm}.steps.own" in facts]
    if not arms:
        return
    yield Heading("From the market to the account", "steps", level=3)
    if not told:
        yield Paragraph("An account without returns, or a cost that is not known, leaves no steps to tell.")
        return
    yield on_page(Figure(_figure(told[0], facts)))
    metrics = [metric for metric in STEP_WORDS if any(f"{arm}.steps.{metric}" in facts for arm in told)]
    rows = [(STEP_WORDS[metric][0], *(_cell(arm, metric, facts) for arm in told), STEP_WORDS[metric][1])
            for metric in metrics]  # fmt: skip
    yield Table([Column("Step"), *map(Column, told), Column("What it is", "text")], rows, label="Steps")
    yield Paragraph(
        "Annual mean returns: the mean of the returns a bar, times the bars of a year. So the steps add up. They "
        "are higher than growth a year where an account moves much.",
        "note",
    )


def _cell(arm: str, metric: str, facts: Facts) -> str:
    return f"{{{arm}.steps.{metric}}}" if f"{arm}.steps.{metric}" in facts else ""


def _figure(arm: str, facts: Facts) -> Chart:
    found = {name: facts[f"{arm}.steps.{name}"] for name in STEP_WORDS if f"{arm}.steps.{name}" in facts}
    steps = [
        Step(STEP_WORDS[name][0], 100 * float(fact.value), fact.text, name in ("market", "own"))
        for name, fact in found.items()
    ]
    return draw_waterfall("market-steps", f"From the market's return a year to that of {arm}", steps, "%")
