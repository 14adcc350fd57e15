"""Asking again on the page: how far it moves the arm of a model, and how well the mean over its draws is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import mode_for
from simulator.evaluation.metrics import performance
from simulator.evaluation.noise import Spread, count_flips, spread
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Heading, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import advised_arm, advisor_arms, bars_a_year, cash_rate
from simulator.reporting.facts.terms import Term, Unit

NOISE_TERMS = {
    "draws": Term(Unit.COUNT, "draws of the model's decisions"),
    "temperature": Term(Unit.TEXT, "temperature of the model"),
    "sampled": Term(Unit.TEXT, "whether the answers are sampled"),
    "states": Term(Unit.COUNT, "distinct requests compared over the draws"),
    "decisions": Term(Unit.COUNT, "decisions compared over the draws"),
    "label_flips": Term(Unit.FRACTION, "share of pairs of draws with different labels, over distinct requests"),
    "label_flips_by_bars": Term(Unit.FRACTION, "share of pairs of draws with different labels, over decisions"),
    "action_flips": Term(Unit.FRACTION, "share of pairs of draws with different actions, over distinct requests"),
    "action_flips_by_bars": Term(Unit.FRACTION, "share of pairs of draws with different actions, over decisions"),
    "sharpe_lowest": Term(Unit.RATIO, "lowest annual Sharpe ratio of the draws"),
    "sharpe_highest": Term(Unit.RATIO, "highest annual Sharpe ratio of the draws"),
    "sharpe_mean": Term(Unit.RATIO, "mean annual Sharpe ratio of the draws"),
    "sharpe_deviation": Term(Unit.RATIO, "standard deviation of the annual Sharpe ratios of the draws"),
    "sharpe_error": Term(Unit.RATIO, "standard error of the mean annual Sharpe ratio of the draws"),
    "return_lowest": Term(Unit.FRACTION, "lowest total return of the draws"),
    "return_highest": Term(Unit.FRACTION, "highest total return of the draws"),
    "return_mean": Term(Unit.FRACTION, "mean total return of the draws"),
    "return_deviation": Term(Unit.POINTS, "standard deviation of the total returns of the draws"),
    "return_error": Term(Unit.POINTS, "standard error of the mean total return of the draws"),
}
"""Figures of the draws of the advised arm."""

MEASURED = {"sharpe": "sharpe", "return": "total_return"}
"""The figures whose spread over the draws is measured, by their short names."""
WORDS = {"sharpe": "annual Sharpe ratio", "return": "total return"}
_PARTS = ("lowest", "highest", "mean", "deviation", "error")


def facts(table: FactTable, record: Record) -> None:
    """Add how often the draws of the advised arm disagree and how far its results move; of one draw, only that it was
    one. Of several advisors ``noise.KEY`` are those of the primary one, and each has ``ARM.noise.KEY``."""
    advisors = advisor_arms(record)
    for arm in advisors[:1]:
        _add_noise(table, record, arm)
    for arm in advisors if len(advisors) > 1 else ():
        _add_noise(table, record, arm, arm.name)


def _add_noise(table: FactTable, record: Record, arm: ArmRecord, subject: str = "") -> None:
    """Add the figures of one arm, as those of the page where it has no ``subject``."""

    def add(metric: str, value: float | int | str | None) -> None:
        term = NOISE_TERMS[metric]
        if subject:
            table.add(subject, f"noise.{metric}", value, term.unit, f"{term.words}, of {subject}")
        else:
            table.add("noise", metric, value, term.unit, term.words)

    add("draws", 1 + len(arm.draws))
    if not arm.draws:
        return
    temperature = (arm.manifest.get("sampler") or {}).get("temperature")
    add("temperature", None if temperature is None else f"{temperature:g}")
    add("sampled", "yes" if _sampled(arm.manifest, temperature) else "no")
    flips = count_flips([arm.entries, *(draw.entries for draw in arm.draws)])
    add("states", flips.states)
    add("decisions", flips.decisions)
    for name, rate in (("label", flips.label), ("action", flips.action)):
        add(f"{name}_flips", rate.states)
        add(f"{name}_flips_by_bars", rate.bars)
    year = bars_a_year(record)
    drawn = [
        performance(equity, year, cash_rate(record)) for equity in (arm.equity, *(draw.equity for draw in arm.draws))
    ]
    for figure, of in MEASURED.items():
        distances: Spread | None = spread([getattr(one, of) for one in drawn])
        for part in _PARTS:
            add(f"{figure}_{part}", None if distances is None else getattr(distances, part))


def _sampled(manifest: dict[str, Any], temperature: float | None) -> bool:
    """Whether label and action come from a sampler: scored choices and greedy answers do not."""
    model = manifest["model"]
    able = Abilities(model.get("supports_forms", False), model.get("supports_choices", False))
    return not mode_for(advisor_settings(manifest)["mode"], able).scores and temperature != 0


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Sentences, and where draws were made their tables; nothing where only rules ran."""
    advised = advised_arm(record)
    if advised is None:
        return
    yield Heading("Asked again", "noise")
    if "noise.states" not in facts:
        yield Paragraph(_UNMEASURED)
        return
    yield from _of_each(record)
    yield Paragraph([_how(facts), _what(advised.name, facts)])
    spreads = Table(
        ["Over the draws", "Lowest", "Highest", "Mean", "Deviation", "Error of the mean"],
        [
            (words[0].upper() + words[1:], *(f"{{noise.{name}_{part}}}" for part in _PARTS))
            for name, words in WORDS.items()
        ],
        label="Results over the draws",
    )
    flips = Table(
        ["Asked again", "Over distinct requests", "Over decisions"],
        [
            (f"Another {name}", f"{{noise.{name}_flips}}", f"{{noise.{name}_flips_by_bars}}")
            for name in ("label", "action")
        ],
    )
    yield in_markdown(flips, spreads)
    yield on_page(
        spreads,
        Paragraph(
            "Asked again, the model gave another label in {noise.label_flips} and another action in "
            "{noise.action_flips} of the pairs of draws, over {noise.states} distinct requests; over {noise.decisions} "
            "decisions it was {noise.label_flips_by_bars} and {noise.action_flips_by_bars}."
        ),
        Paragraph(
            "All draws traded the same market, so more of them make the mean of what the model would do better known, "
            "and say no more about another market. A decision without an answer of the model counts as an outcome of "
            "its own, not as a hold.",
            "note",
        ),
    )


def _of_each(record: Record) -> Iterator[Block]:
    """Each of several advisors in a row; what stands below is about the primary one."""
    names = [arm.name for arm in advisor_arms(record)]
    if len(names) < 2:
        return
    heads = {
        "draws": "Draws", "label_flips_by_bars": "Another label", "action_flips_by_bars": "Another action",
        "sharpe_mean": "Mean Sharpe", "sharpe_error": "Its error", "return_mean": "Mean return",
        "return_error": "Its error",
    }  # fmt: skip
    rows = [(name, *(f"{{{name}.noise.{metric}}}" for metric in heads)) for name in names]
    yield Table(["Asked again", *heads.values()], rows, label="Each advisor asked again", marked=names[0])
    yield Paragraph(f"What follows is about {names[0]}.", "note")


def noise_headline(record: Record, facts: Facts) -> list[str]:
    """What asking again changed in one sentence, for the first lines; nothing where it was not measured."""
    advised = advised_arm(record)
    if advised is None or "noise.sharpe_mean" not in facts:
        return []
    if facts["noise.sharpe_mean"].unit is Unit.TEXT:
        return ["What asking again changes could not be measured: in a draw its account never moved, or too few bars."]
    if not facts["noise.sharpe_deviation"].value:
        return ["Asked everything again ({noise.draws} draws), the advisor came to the same Sharpe ratio."]
    return [
        f"Asked everything again ({{noise.draws}} draws), the annual Sharpe ratio of {advised.name} came to "
        "{noise.sharpe_lowest} to {noise.sharpe_highest}; the differences take the mean, {noise.sharpe_mean}, and add "
        "its error to their intervals."
    ]


_UNMEASURED = (
    "How far the advice changes when the model is asked again was not measured, so every figure of it is that of one "
    "draw: set evaluation.draws in the experiment above {noise.draws}."
)


def _how(facts: Facts) -> str:
    asked = (
        "Every question was put to the model {noise.draws} times in all, at temperature {noise.temperature}, and each "
        "draw traded through the same gate and costs."
    )
    if facts["noise.sampled"].value == "yes":
        return f"{asked} The model samples its answers, so that draws differ by chance."
    why = (
        "There nothing is sampled"
        if facts["noise.temperature"].value == "0"
        else "Labels and actions are scored, not sampled"
    )
    return f"{asked} {why}, so that this is a repeat check: what differs is the engine's doing."


def _what(arm: str, facts: Facts) -> str:
    flipped = any(facts[f"noise.{name}_flips_by_bars"].value for name in ("label", "action"))
    if any(facts[f"noise.{name}_mean"].unit is Unit.TEXT for name in MEASURED):
        return "In a draw the account never moved, or there are too few bars: not every mean could be taken."
    if not flipped and not any(facts[f"noise.{name}_deviation"].value for name in MEASURED):
        return "No label, no action and no account differed."
    text = (
        f"The annual Sharpe ratio of {arm} is {{noise.sharpe_mean}} in the mean of the draws, with a standard error of "
        "{noise.sharpe_error}; the total return is {noise.return_mean}, with {noise.return_error}. The differences "
        "from other arms take the mean, and their intervals hold its error beside that of the market's path."
    )
    if facts["noise.sampled"].value == "no":
        text += " The setting strict of the model runtime takes this away where the backend can promise it."
    return text
