"""The noise floor on the page: how far asking the model again moves its arm, and which effects exceed that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import mode_for
from simulator.evaluation.metrics import performance
from simulator.evaluation.noise import Spread, count_flips, is_above, spread
from simulator.experiment import RANDOM_ARM
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.fact import Facts, FactTable, listed_names
from simulator.reporting.facts.run import advised_arm, advisor_arms, bars_a_year, benchmark_arms
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
    "sharpe_deviation": Term(Unit.RATIO, "standard deviation of the annual Sharpe ratios of the draws"),
    "sharpe_floor": Term(Unit.RATIO, "largest distance between the annual Sharpe ratios of two draws"),
    "return_lowest": Term(Unit.FRACTION, "lowest total return of the draws"),
    "return_highest": Term(Unit.FRACTION, "highest total return of the draws"),
    "return_deviation": Term(Unit.FRACTION, "standard deviation of the total returns of the draws"),
    "return_floor": Term(Unit.FRACTION, "largest distance between the total returns of two draws"),
}
"""Figures of the further draws of the advised arm; the floors are what asking again alone has changed."""

MEASURED = {"sharpe": "sharpe", "return": "total_return"}
"""The figures whose spread over the draws is measured, by their short names."""
DIFFERING = {"sharpe": "sharpe_difference", "return": "return_difference"}
"""The same of two arms."""
WORDS = {"sharpe": "annual Sharpe ratio", "return": "total return"}
_PARTS = ("lowest", "highest", "deviation", "floor")
ABOVE, BELOW, NONE, UNKNOWN = "above the noise floor", "below the noise floor", "no difference", "not measured"


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
    drawn = [performance(equity, year) for equity in (arm.equity, *(draw.equity for draw in arm.draws))]
    for figure, of in MEASURED.items():
        distances: Spread | None = spread([getattr(one, of) for one in drawn])
        for part in _PARTS:
            add(f"{figure}_{part}", None if distances is None else getattr(distances, part))
        _add_judgement(table, arm.name, figure, of, f"whether the {WORDS[figure]} of {arm.name}", arm.name)


def _sampled(manifest: dict[str, Any], temperature: float | None) -> bool:
    """Whether label and action come from a sampler: scored choices and greedy answers do not."""
    model = manifest["model"]
    able = Abilities(model.get("supports_forms", False), model.get("supports_choices", False))
    return not mode_for(advisor_settings(manifest)["mode"], able).scores and temperature != 0


def add_pair_noise(table: FactTable, first: str, second: str) -> None:
    """Add whether the differences of two arms exceed what asking again changes, where that was measured."""
    if has_floor(table, first, second):
        for name, of in DIFFERING.items():
            words = f"whether the {WORDS[name]} of {first} minus that of {second}"
            _add_judgement(table, f"{first}-{second}", name, of, words, first, second)


def has_floor(table: FactTable, *arms: str) -> bool:
    """Whether one of these arms was drawn several times."""
    return bool(_floors(table, "sharpe", arms))


def noise_floor(table: FactTable, name: str, *arms: str) -> float | None:
    """How far asking their models again moves the difference of these arms, or one of them alone: the floors add up.
    ``None`` where one that was drawn several times has no such figure."""
    floors = [table.number(identity) for identity in _floors(table, name, arms)]
    return None if None in floors or not floors else sum(floor or 0.0 for floor in floors)


def _floors(table: FactTable, name: str, arms: Sequence[str]) -> list[str]:
    """The ids of the floors of these arms; that of the page is the primary arm's."""
    ids = []
    for arm in arms:
        own = f"{arm}.noise.{name}_floor"
        found = f"noise.{name}_floor" if arm == table.facts["run.subject"].value else own
        ids += [identity for identity in (found,) if identity in table.facts]
    return ids


def _add_judgement(table: FactTable, subject: str, name: str, of: str, words: str, *arms: str) -> None:
    effect, floor = table.number(f"{subject}.{of}"), noise_floor(table, name, *arms)
    table.add(subject, f"{name}_noise", against_floor(effect, floor), Unit.TEXT, f"{words} exceeds the noise floor")


def against_floor(effect: float | None, floor: float | None) -> str:
    """An effect beside the floor, in words."""
    if effect is None or floor is None:
        return UNKNOWN
    if is_above(effect, floor):
        return ABOVE
    return BELOW if is_above(floor, 0.0) else NONE


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Sentences, and where draws were made their tables; nothing where only rules ran."""
    advised = advised_arm(record)
    if advised is None:
        return
    yield Heading("Noise floor", "noise")
    if "noise.states" not in facts:
        yield Paragraph(_UNMEASURED)
        return
    yield from _of_each(record)
    rows = _effects(record, advised.name, facts)
    yield Paragraph([_how(facts), _what(facts), _judged(advised.name, rows, facts)])
    effects = Table(
        [
            Column(f"{advised.name} against"),
            *(Column("Sharpe difference"), Column("Judgement", "text")),
            *(Column("Return difference"), Column("Judgement", "text")),
        ],
        [
            (words, f"{{{sharpe}}}", f"{{{judged}.sharpe_noise}}", f"{{{returned}}}", f"{{{judged}.return_noise}}")
            for words, sharpe, returned, judged in rows
        ],
        label="Effects against the noise floor",
    )
    spreads = Table(
        ["Over the draws", "Lowest", "Highest", "Deviation", "Noise floor"],
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
    yield in_markdown(flips, spreads, effects)
    yield on_page(
        effects,
        spreads,
        Paragraph(
            "Asked again, the model gave another label in {noise.label_flips} and another action in "
            "{noise.action_flips} of the pairs of draws, over {noise.states} distinct requests; over {noise.decisions} "
            "decisions it was {noise.label_flips_by_bars} and {noise.action_flips_by_bars}."
        ),
        Paragraph(
            "The floor is the largest distance between two draws. An effect above it has the same sign in every draw; "
            "whether it is more than luck is what the interval says. A decision without an answer of the model counts "
            "as an outcome of its own, not as a hold.",
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
        "sharpe_floor": "Floor of Sharpe", "return_floor": "Floor of return",
    }  # fmt: skip
    rows = [(name, *(f"{{{name}.noise.{metric}}}" for metric in heads)) for name in names]
    yield Table(["Asked again", *heads.values()], rows, label="Noise floor of each advisor", marked=names[0])
    yield Paragraph(
        f"A difference of two advisors moves with both: their floors add up. What follows is about {names[0]}.", "note"
    )


def noise_headline(record: Record, facts: Facts) -> list[str]:
    """The floor in one sentence, for the first paragraph; nothing where it was not measured."""
    advised = advised_arm(record)
    if advised is None or "noise.sharpe_floor" not in facts:
        return []
    if facts["noise.sharpe_floor"].unit is Unit.TEXT:
        return ["Its noise floor could not be measured: in a draw its account never moved, or too few bars."]
    if not facts["noise.sharpe_floor"].value:
        return ["Asked everything again ({noise.draws} draws), the advisor came to the same Sharpe ratio."]
    return [
        "Asking the model everything again ({noise.draws} draws) moved the annual Sharpe ratio of "
        f"{advised.name} by up to {{noise.sharpe_floor}}: no smaller effect is to be believed."
    ]


_UNMEASURED = (
    "How far the advice changes when the model is asked again was not measured, so that no effect here is held against "
    "a noise floor: set evaluation.draws in the experiment above {noise.draws}."
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


def _what(facts: Facts) -> str:
    flipped = any(facts[f"noise.{name}_flips_by_bars"].value for name in ("label", "action"))
    if any(facts[f"noise.{name}_floor"].unit is Unit.TEXT for name in MEASURED):
        return "In a draw the account never moved, or there are too few bars: some noise floors could not be measured."
    if not flipped and not any(facts[f"noise.{name}_floor"].value for name in MEASURED):
        return "No label, no action and no account differed: the noise floor is zero."
    text = (
        "Noise floor: asking again alone moved the annual Sharpe ratio by up to {noise.sharpe_floor} and the total "
        "return by up to {noise.return_floor}. No smaller effect is to be believed, and more draws can only raise the "
        "floor."
    )
    if facts["noise.sampled"].value == "no":
        text += " The setting strict of the model runtime takes this away where the backend can promise it."
    return text


def _judged(arm: str, effects: Sequence[tuple[str, str, str, str]], facts: Facts) -> str:
    by_judgement: dict[str, list[str]] = {}
    for words, _, _, judged in effects:
        by_judgement.setdefault(str(facts[f"{judged}.sharpe_noise"].value), []).append(words)
    parts = [
        f"from {listed_names(of)} is {_IN_WORDS.get(judgement, judgement)}" for judgement, of in by_judgement.items()
    ]
    return f"The Sharpe difference of {arm} {'; that '.join(parts)}."


_IN_WORDS = {BELOW: f"{BELOW} and not to be believed", NONE: "nothing at all"}


def _effects(record: Record, arm: str, facts: Facts) -> list[tuple[str, str, str, str]]:
    """Rows: against what, the ids of both figures, and whose judgements belong to them."""
    models = [one.name for one in advisor_arms(record)]
    others = [one.name for one in record.arms if one.name not in (arm, RANDOM_ARM, *models)]
    ranked = [(rank, name) for name in others if not isinstance(rank := facts[f"{name}.sharpe_rank"].value, str)]
    best = min(ranked)[1] if ranked else None
    shown = dict.fromkeys([*([best] if best else ()), *(benchmark_arms(record) if others else ())])
    rows = [("zero", f"{arm}.sharpe", f"{arm}.total_return", arm)]
    for name in shown:
        pair = f"{arm}-{name}"
        words = f"{name} (the best baseline)" if name == best else name
        rows.append((words, f"{pair}.sharpe_difference", f"{pair}.return_difference", pair))
    return rows
