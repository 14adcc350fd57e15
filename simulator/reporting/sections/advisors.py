"""Several advisors beside each other: who they are, what they add to what asks no model, where their decisions part and
what followed. Nothing where one advisor ran alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.measures import measure
from simulator.evaluation.pairs import find_partings
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import (
    Block,
    Column,
    Details,
    Heading,
    Paragraph,
    Quoted,
    Table,
    Text,
    in_markdown,
    on_page,
)
from simulator.reporting.facts.advisors import (
    BEYOND_NOISE,
    DIFFERENT,
    NOTHING_SHARED,
    SAME,
    WITHIN_NOISE,
    add_advisors,
    decision_pairs,
    pair_subject,
)
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable, listed_names
from simulator.reporting.facts.pairs import BETTER, WORSE
from simulator.reporting.facts.run import advisor_arms, asked_of_all, benchmark_arms, day
from simulator.reporting.facts.terms import DECISION_TERMS

FEW_PAIRS = 2
"""Pairs with the primary arm whose figures stand unfolded."""


def facts(table: FactTable, record: Record) -> None:
    """Add what each advisor used, and how the decisions of any two compare."""
    add_advisors(table, record)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row an advisor, a matrix of agreement, the pairs of the primary arm, and the other pairs."""
    advisors = advisor_arms(record)
    if len(advisors) < 2:
        return
    primary, *others = advisors
    yield Heading("Advisors beside each other", "advisors")
    yield _overview(advisors)
    yield from _against_modelless(record, advisors, facts)
    if len(others) > 1:
        yield _matrix(advisors)
        yield Paragraph(
            "Above the diagonal stands the share of decisions with the same label, below it that with the same action, "
            "of those that both made.",
            "note",
        )
    for other in others:
        yield Heading(f"{primary.name} and {other.name}", level=3)
        yield Paragraph(pair_sentences(primary.name, other.name, facts))
        if facts[f"{pair_subject(primary.name, other.name)}.verdict"].value in (SAME, NOTHING_SHARED):
            continue
        shown = _figures(record, primary, other, facts)
        if len(others) <= FEW_PAIRS:
            yield on_page(*shown)
        else:
            yield on_page(Details(f"Figures of {primary.name} and {other.name}", shown))
    further = [(one, other) for one, other in decision_pairs(record) if one is not primary]
    if further:
        yield Details(f"Pairs without {primary.name}", [_pairs(further, facts)])
    yield on_page(Paragraph(_HOW, "note"))
    yield in_markdown(Paragraph(_HOW[:2]))


_HOW = [
    "A decision that one of two advisors did not make, because it abstained or a rule stood in for it, counts as "
    "neither agreement nor disagreement.",
    "Cohen's kappa is agreement beyond what the two would reach by chance, zero where there is none. Intervals are "
    "percentiles of a circular block bootstrap of whole closes, {run.bootstrap_samples} samples at "
    "{run.confidence_level}; none is drawn from too few closes or spells.",
    "An advisor stands long from its enter_long until its exit or enter_short, as it proposed, whatever the gate made "
    "of that. Returns are those of the symbol, before costs, and overlap over the horizon, which the blocks allow for.",
    "The more pairs are looked at, the more of them stand out by luck.",
]


def _overview(advisors: list[ArmRecord]) -> Table:
    columns: list[Column | str] = [
        "Arm", Column("Model", "text"), "Valid", "Coherent", "Abstained", Column("State", "text"), "Sharpe",
        Column("Verdict", "text"),
    ]  # fmt: skip
    metrics = (
        "model", "valid_share", "coherent_share", "statuses.abstained", "life", "sharpe", "verdict"
    )  # fmt: skip
    rows = [(arm.name, *(f"{{{arm.name}.{metric}}}" for metric in metrics)) for arm in advisors]
    return Table(columns, rows, marked=advisors[0].name)


def _against_modelless(record: Record, advisors: list[ArmRecord], facts: Facts) -> Iterator[Block]:
    """What each advisor adds to the benchmarks, and to the strategies and rules of the person."""
    names = [name for name in asked_of_all(record) if f"{advisors[0].name}-{name}.verdict" in facts]
    if not names:
        return
    rows = [(arm.name, *(sharpe_interval(f"{arm.name}-{name}", facts) for name in names)) for arm in advisors]
    yield Table(
        ["Sharpe ratio", *(Column(f"minus {name}", "interval") for name in names)],
        rows,
        label="Advisors against what asks no model",
        marked=advisors[0].name,
    )
    yield Paragraph(
        "The annual Sharpe ratio of each advisor minus that of what asks no model, with its {run.confidence_level} "
        f"interval. The verdict above rests on {listed_names(benchmark_arms(record))}.",
        "note",
    )


def _matrix(advisors: list[ArmRecord]) -> Table:
    names = [arm.name for arm in advisors]

    def cell(row: int, column: int) -> str:
        if row == column:
            return ""
        one, other = names[min(row, column)], names[max(row, column)]
        metric = "label_agreement" if row < column else "action_agreement"
        return f"{{{pair_subject(one, other)}.{metric}}}"

    rows = [(name, *(cell(row, column) for column in range(len(names)))) for row, name in enumerate(names)]
    return Table(["", *names], rows, look="matrix", label="Shares of equal decisions")


def pair_sentences(first: str, second: str, facts: Facts) -> list[str]:
    """How two advisors decide, what followed, and how their results compare, ids of facts in braces."""
    pair = pair_subject(first, second)
    verdict = facts[f"{pair}.verdict"].value
    if verdict == NOTHING_SHARED:
        return [f"{first} and {second} made no decision at the same close: nothing can be said of the two."]
    sentences = []
    if verdict == SAME:
        sentences.append(f"Of the {{{pair}.both}} decisions that both made not one differs.")
    else:
        sentences.append(
            f"Of the {{{pair}.both}} decisions that both made, {_within(pair, 'label_agreement', facts)} have the same "
            f"label and {_within(pair, 'action_agreement', facts)} the same action; beyond chance that is a Cohen's "
            f"kappa of {{{pair}.label_kappa}} for labels and {{{pair}.action_kappa}} for actions. They part first at "
            f"the close of {{{pair}.first_parting}}."
        )
    if facts[f"{pair}.first_alone"].value or facts[f"{pair}.second_alone"].value:
        sentences.append(
            f"{{{pair}.first_alone}} further decisions were made by {first} alone and {{{pair}.second_alone}} by "
            f"{second} alone: the other abstained."
        )
    sentences.append(_VERDICTS[str(verdict)])
    sentences += _beyond_chance(pair, facts)
    return [*sentences, *_followed(first, second, facts), *_results(first, second, facts)]


_VERDICTS = {
    SAME: "By their decisions the two cannot be told apart.",
    WITHIN_NOISE: "That is no more than asking one of them again changes: by their decisions the two cannot be "
    "told apart.",
    BEYOND_NOISE: "That is more than asking one of them again changes: by their decisions the two can be told apart.",
    DIFFERENT: "So their decisions differ; whether by more than asking one of them again would change was not "
    "measured (evaluation.draws).",
}


def _beyond_chance(pair: str, facts: Facts) -> list[str]:
    """That labels or actions agree no more than by chance, where an interval says so."""
    ends = {name: facts[f"{pair}.{name}_kappa_low"] for name in ("label", "action")}
    none = [f"{name}s" for name, low in ends.items() if not isinstance(low.value, str) and low.value <= 0]
    return [f"Their {' and '.join(none)} agree no more than they would by chance alone."] if none else []


def _followed(first: str, second: str, facts: Facts) -> list[str]:
    """What the market did where one of them alone stood long."""
    pair = pair_subject(first, second)
    if not (facts[f"{pair}.first_long_bars"].value or facts[f"{pair}.second_long_bars"].value):
        return ["Neither of them ever stood long where the other did not."]
    if facts[f"{pair}.next_difference_low"].value == NOT_AVAILABLE:
        return [
            f"Spells in which {first} alone stood long: {{{pair}.first_long_spells}}, {second} alone: "
            f"{{{pair}.second_long_spells}}; too few, or too few closes, to test what followed."
        ]
    horizons = {"next": "until the next decision", "later": "over the next {pair.horizon} bars"}
    sides = {}
    for name in horizons:
        low, high = (facts[f"{pair}.{name}_difference_{end}"].value for end in ("low", "high"))
        if isinstance(low, float) and isinstance(high, float):
            sides[name] = first if low > 0 else second if high < 0 else ""
    parts = [f"{_within(pair, f'{name}_difference', facts)} {horizons[name]}" for name in sides]
    better = {side for side in sides.values() if side}
    said = (
        "what followed does not tell the two apart"
        if not better
        else f"what followed speaks for {better.pop()}"
        if len(better) == 1
        else "what followed speaks for either, by how far one looks ahead"
    )
    return [
        f"The mean return where only {first} stood long, minus that where only {second} did, is "
        f"{' and '.join(parts)}: {said}."
    ]


def _results(first: str, second: str, facts: Facts) -> list[str]:
    pair = f"{first}-{second}"
    if f"{pair}.verdict" not in facts or facts[f"{pair}.sharpe_difference"].value == NOT_AVAILABLE:
        return []
    if facts[f"{pair}.low"].value == facts[f"{pair}.high"].value == 0:
        return ["Both accounts earned the same on every bar."]
    apart = facts[f"{pair}.verdict"].value in (BETTER, WORSE)
    alone = ", taken alone," if apart and facts["run.comparisons"].value != 1 else ""
    return [
        f"The annual Sharpe ratio of {first} minus that of {second} is {sharpe_interval(pair, facts)}: by their "
        f"results{alone} the two {'can' if apart else 'cannot'} be told apart ({{{pair}.verdict}})."
    ]


def _within(pair: str, metric: str, facts: Facts) -> str:
    """A figure with its interval, or alone where there is none."""
    if facts[f"{pair}.{metric}_low"].value == NOT_AVAILABLE:
        return f"{{{pair}.{metric}}}"
    return f"{{{pair}.{metric}}} ({{{pair}.{metric}_low}} to {{{pair}.{metric}_high}})"


def sharpe_interval(pair: str, facts: Facts) -> str:
    """The difference of two Sharpe ratios with its interval, or alone where there is none."""
    if facts[f"{pair}.low"].value == NOT_AVAILABLE:
        return f"{{{pair}.sharpe_difference}}"
    return f"{{{pair}.sharpe_difference}} ({{{pair}.low}} to {{{pair}.high}})"


def _figures(record: Record, first: ArmRecord, second: ArmRecord, facts: Facts) -> list[Block]:
    """The tables of one pair: agreement, what followed, and the first decisions that differ."""
    pair = pair_subject(first.name, second.name)
    agreed = Table(
        ["", "Same", "Cohen's kappa"],
        [
            (f"{name.capitalize()}s", _within(pair, f"{name}_agreement", facts), _within(pair, f"{name}_kappa", facts))
            for name in ("label", "action")
        ],
        label=f"Agreement of {first.name} and {second.name}",
    )
    heads = ["Stood long alone", "Decisions", "Spells", "Until the next decision", "Over {pair.horizon} bars"]
    columns = [Column(head) for head in heads]
    rows: list[tuple[Text, ...]] = [
        (
            arm.name,
            f"{{{pair}.{side}_bars}}",
            f"{{{pair}.{side}_spells}}",
            _within(pair, f"{side}_next", facts),
            _within(pair, f"{side}_later", facts),
        )
        for arm, side in ((first, "first_long"), (second, "second_long"))
    ]
    ends = (_within(pair, f"{name}_difference", facts) for name in ("next", "later"))
    rows.append(("Difference", "", "", *ends))
    followed = Table(columns, rows, label=f"What followed where {first.name} or {second.name} stood long alone")
    return [agreed, followed, *_partings(record, first, second)]


def _partings(record: Record, first: ArmRecord, second: ArmRecord) -> list[Block]:
    found = find_partings(measure(first).decisions, measure(second).decisions, record.prices)
    if not found:
        return []
    several = ["Symbol"] if len(record.prices) > 1 else []
    heads = ["Close of", *several, f"Label of {first.name}", f"of {second.name}", f"Action of {first.name}"]
    rows = [
        (
            Quoted(day(parting.time)),
            *([Quoted(parting.symbol)] if several else ()),
            *(Quoted(answer) for answer in (*parting.labels, *parting.actions)),
        )
        for parting in found
    ]
    label = f"First decisions in which {first.name} and {second.name} differ"
    return [Table([*heads, f"of {second.name}"], rows, look="quoted", label=label)]


def _pairs(pairs: list[tuple[ArmRecord, ArmRecord]], facts: Facts) -> Table:
    """A row a pair."""
    shown = ("both", "label_agreement", "label_kappa", "action_agreement", "action_kappa", "first_parting", "verdict")
    texts = ("first_parting", "verdict")
    columns = [
        Column("Pair"),
        *(Column(DECISION_TERMS[metric].heading, "text" if metric in texts else "") for metric in shown),
    ]
    rows = [
        (f"{one.name} and {other.name}", *(f"{{{pair_subject(one.name, other.name)}.{metric}}}" for metric in shown))
        for one, other in pairs
    ]
    return Table(columns, rows, label="Pairs of further advisors")
