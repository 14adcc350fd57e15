"""What the labels were worth: what followed them, by how much more than chance they differ, what they add to the causal
rule's, and how they fit what is known only afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.hindsight import label_directions
from simulator.evaluation.labelled import HORIZONS
from simulator.evaluation.regime_scores import INFORMATION_HORIZON
from simulator.experiment import REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Column, Details, Heading, Paragraph, Quoted, Table, Text, on_page
from simulator.reporting.charts.labels import label_colours
from simulator.reporting.facts.fact import NOT_AVAILABLE, Fact, Facts, FactTable, listed_names
from simulator.reporting.facts.labels import METHODS, add_labels
from simulator.reporting.facts.run import advisor_arms
from simulator.reporting.sections.regimes import interval, labelled_arms


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of every arm whose labels are shown."""
    for name in dict.fromkeys(arm.name for arm in (*labelled_arms(record), *advisor_arms(record))):
        add_labels(table, record, record.arm(name))


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The labels of the arm that the page is about, those of the rule beside them, and further ones folded away."""
    shown = [arm for arm in labelled_arms(record) if _is_scored(arm, facts)]
    if not shown:
        return
    first = shown[0]
    yield Heading("What the labels were worth", "regime-scores")
    yield from _scores(first, facts)
    further = [arm for arm in advisor_arms(record) if arm is not first and arm not in shown and _is_scored(arm, facts)]
    yield from _hindsight([*shown, *further], facts)
    for arm in (*shown[1:], *further):
        yield on_page(Details(f"What the labels of {arm.name} were worth", [*_scores(arm, facts)]))


def _is_scored(arm: ArmRecord, facts: Facts) -> bool:
    return f"{arm.name}.labels_alike.return_{HORIZONS[0]}" in facts


def _scores(arm: ArmRecord, facts: Facts) -> Iterator[Block]:
    first = f"{arm.name}.labels_alike.return_{HORIZONS[0]}"
    if facts[first].text == NOT_AVAILABLE:
        yield Paragraph(f"Fewer than two labels of {arm.name} came often enough to be told apart.")
    else:
        yield Paragraph(_verdict(arm.name, facts), "strong")
        yield Paragraph([*_chance(arm.name)])
    if arm.name != REFERENCE_ARM:
        yield Paragraph([*_beyond_rule(arm.name, facts)])
    if _is_measured(arm, facts):
        yield _followed(arm, facts)
        yield Paragraph(
            "Returns are means over so many bars of prices, before costs; volatilities are those of one bar within "
            f"them, a year. {_interval_note(facts)}",
            "note",
        )
    yield on_page(Details(f"How long the labels of {arm.name} last", [_spells(arm)]))


def _is_measured(arm: ArmRecord, facts: Facts) -> bool:
    """Whether any label came often enough for a figure of what followed it."""
    each = ((label, horizon) for label in label_colours(arm.regimes) for horizon in HORIZONS)
    return any(facts[f"{arm.name}.regime.{label}.after_{bars}.return"].value != NOT_AVAILABLE for label, bars in each)


def _interval_note(facts: Facts) -> str:
    return (
        "Intervals ({run.confidence_level}) come from resampled blocks of closes; none is told of a label that came in "
        "a few spells, and no figure of a handful of closes."
        if "run.confidence_level" in facts
        else ""
    )


def _verdict(arm: str, facts: Facts) -> str:
    """What may be said of the labels in a sentence, over the bars that information is counted over."""
    size = 1 - float(facts["run.confidence_level"].value)
    of_return, of_volatility = (
        _is_below(facts.get(f"{arm}.labels_alike.{what}_{INFORMATION_HORIZON}"), size)
        for what in ("return", "volatility")
    )
    if of_return and of_volatility:
        return f"The labels of {arm} tell what the market returned after them and how restless it was."
    if of_return:
        return f"The labels of {arm} tell what the market returned after them; nothing shows that they tell its unrest."
    if of_volatility:
        return f"The labels of {arm} tell calm times from restless ones; nothing shows that they tell returns."
    return f"Nothing shows that the labels of {arm} tell what came after them."


def _is_below(p_value: Fact | None, size: float) -> bool:
    return p_value is not None and isinstance(p_value.value, float) and p_value.value <= size


def _chance(arm: str) -> Iterator[Text]:
    """What labels at other times do as well."""
    for what, words in (("return", "returns"), ("volatility", "volatilities")):
        each = [
            f"{{{arm}.labels_alike.{what}_{horizon}}} over {{{arm}.labels_alike.bars_{horizon}}}"
            for horizon in HORIZONS
        ]
        yield (
            f"Had they nothing to do with the {words} after them, these would be as far apart with a probability of "
            f"{listed_names(each)} bars."
        )
    yield "That chance is told by the same labels at other times, each lasting as long as it did."


def _beyond_rule(arm: str, facts: Facts) -> Iterator[Text]:
    """What the labels tell that the causal rule's do not."""
    if (bits := facts.get(f"{arm}.information.bits")) is None:
        yield "What the labels add to the causal rule's cannot be told of so few closes."
    elif bits.value == 0:
        yield (
            f"Beyond the label of the causal rule, that of {arm} tells exactly nothing of the sign of the return over "
            f"{{{arm}.information.bars}} bars: where the rule says the same, so does it."
        )
    else:
        yield (
            f"Beyond the label of the causal rule, that of {arm} tells {{{arm}.information.bits}} bits of the sign of "
            f"the return over {{{arm}.information.bars}} bars (a coin's throw is one bit); the same labels at other "
            f"times tell {{{arm}.information.by_chance}}, and as much with a probability of {{{arm}.information.p}}."
        )
        size = 1 - float(facts["run.confidence_level"].value)
        if not _is_below(facts[f"{arm}.information.p"], size):
            yield "So nothing shows that they add to what the rule says without a model."
    if f"{arm}.rule_kappa_low" in facts:
        yield (
            f"Its kappa with the causal rule is {{{arm}.rule_kappa}} ({{{arm}.rule_kappa_low}} to "
            f"{{{arm}.rule_kappa_high}})."
        )


def _followed(arm: ArmRecord, facts: Facts) -> Table:
    columns: list[Column | str] = [
        Column("Label", "text"),
        "Bars ahead",
        "Return",
        Column("Interval"),
        "Volatility, a year",
        Column("Interval"),
    ]
    rows: list[list[Text]] = []
    for label, colour in label_colours(arm.regimes).items():
        for number, horizon in enumerate(HORIZONS):
            name = f"{arm.name}.regime.{label}.after_{horizon}"
            cells = [
                text
                for what in ("return", "volatility")
                for text in (f"{{{name}.{what}}}", interval(f"{name}.{what}", facts))
            ]
            ahead = f"{{{arm.name}.labels_alike.bars_{horizon}}}"
            rows.append(["" if number else Quoted(label, "swatch", colour), ahead, *cells])
    return Table(columns, rows, look="matrix", label=f"What followed the labels of {arm.name}")


def _spells(arm: ArmRecord) -> Table:
    metrics = {"spells": "Spells", "spell_mean": "Mean decisions", "spell_longest": "Longest"}
    rows: list[list[Text]] = [
        [Quoted(label, "swatch", colour), *(f"{{{arm.name}.regime.{label}.{metric}}}" for metric in metrics)]
        for label, colour in label_colours(arm.regimes).items()
    ]
    return Table([Column("Label", "text"), *metrics.values()], rows, look="matrix")


def _hindsight(arms: list[ArmRecord], facts: Facts) -> Iterator[Block]:
    """How the labels fit the phases that were dated afterwards."""
    known = [arm for arm in arms if f"{arm.name}.hindsight.turns" in facts]
    if not known:
        yield Paragraph(
            "How the labels fit rising and falling phases is not shown: by the actions that agree with them none "
            "points up, or none down.",
            "note",
        )
        return
    yield Heading("What is known only afterwards", level=3)
    columns: list[Column | str] = [
        "Labels of",
        *(text for whose in METHODS.values() for text in (f"Kappa, {whose}", "Interval")),
        "Lag behind turns",
        "Turns",
        "Missed",
    ]
    rows = [
        [
            arm.name,
            *(
                text
                for method in METHODS
                for text in (
                    f"{{{arm.name}.hindsight.{method}.kappa}}",
                    interval(f"{arm.name}.hindsight.{method}.kappa", facts),
                )
            ),
            *(f"{{{arm.name}.hindsight.{metric}}}" for metric in ("lag", "turns", "missed")),
        ]
        for arm in known
    ]
    yield Table(columns, rows, label="Labels against phases that are known only afterwards")
    yield Paragraph([*_pointing(known), *_phases(known[0].name)], "note")


def _pointing(arms: list[ArmRecord]) -> Iterator[str]:
    """Which labels point where."""
    told = dict.fromkeys((tuple(label_directions(arm.regimes).items()), len(arm.regimes)) for arm in arms)
    for pointing, labels in told:
        up, down = ([name for name, way in pointing if way == wanted] for wanted in (1, -1))
        rest = "; the other labels point nowhere" if labels > len(pointing) else ""
        yield f"Up is {listed_names(up)}, down is {listed_names(down)}{rest}."
    each = [f"{{{arm.name}.hindsight.share}} of {arm.name}" for arm in arms]
    yield f"So many labels point up or down: {listed_names(each)}."


def _phases(arm: str) -> Iterator[str]:
    yield (
        "Rising and falling phases are dated from prices that came later: never shown to a model, and no baseline. "
        f"Lunde and Timmermann begin one at a rise of {{{arm}.hindsight.rise}} from the last low and a fall of "
        f"{{{arm}.hindsight.fall}} from the last high; Pagan and Sossounov at extremes of eight months on either side."
    )
    yield (
        "The lag is the median of the decisions from a turn by the former to the first label in its direction; a turn "
        "is missed where none came before the next one. Over few turns a kappa rests on little, and with "
        "less than a handful of them it has no interval."
    )
