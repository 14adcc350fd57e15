"""The noise floor on the page: how far asking the model again moves its arm, and which effects exceed that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.evaluation.metrics import performance
from simulator.evaluation.noise import Spread, count_flips, is_above, spread
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import Facts, Unit
from simulator.reporting.facts.roles import RANDOM_ARM, advised_arm, benchmark_arms
from simulator.reporting.facts.run import bars_a_year
from simulator.reporting.facts.table import FactTable
from simulator.reporting.facts.vocabulary import NOISE_TERMS

MEASURED = {"sharpe": "sharpe", "return": "total_return"}
"""The figures whose spread over the draws is measured, by their short names."""
DIFFERING = {"sharpe": "sharpe_difference", "return": "return_difference"}
"""The same of two arms."""
WORDS = {"sharpe": "annual Sharpe ratio", "return": "total return"}
ABOVE, BELOW, NONE, UNKNOWN = "above the noise floor", "below the noise floor", "no difference", "not measured"


def add_noise(table: FactTable, record: Record, arm: ArmRecord) -> None:
    """Add how often the draws of an arm disagree and how far its results move; of one draw, only that it was one."""

    def add(metric: str, value: float | int | str | None) -> None:
        table.add("noise", metric, value, NOISE_TERMS[metric].unit, NOISE_TERMS[metric].words)

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
    for name, of in MEASURED.items():
        found: Spread | None = spread([getattr(one, of) for one in drawn])
        for part in ("lowest", "highest", "deviation", "floor"):
            add(f"{name}_{part}", None if found is None else getattr(found, part))
        _add_judgement(table, arm.name, name, of, f"whether the {WORDS[name]} of {arm.name}")


def _sampled(manifest: dict[str, Any], temperature: float | None) -> bool:
    """Whether label and action come from a sampler: scored choices and greedy answers do not."""
    mode = manifest["experiment"]["advisor"]["mode"]
    scored = mode == "choices" or (mode == "auto" and manifest["model"].get("supports_choices", False))
    return not scored and temperature != 0


def add_pair_noise(table: FactTable, first: str, second: str) -> None:
    """Add whether the differences of two arms exceed what asking again changes, where that was measured."""
    if "noise.sharpe_floor" in table.facts:
        for name, of in DIFFERING.items():
            words = f"whether the {WORDS[name]} of {first} minus that of {second}"
            _add_judgement(table, f"{first}-{second}", name, of, words)


def _add_judgement(table: FactTable, subject: str, name: str, of: str, words: str) -> None:
    effect, floor = table.number(f"{subject}.{of}"), table.number(f"noise.{name}_floor")
    table.add(subject, f"{name}_noise", against_floor(effect, floor), Unit.TEXT, f"{words} exceeds the noise floor")


def against_floor(effect: float | None, floor: float | None) -> str:
    """An effect beside the floor, in words."""
    if effect is None or floor is None:
        return UNKNOWN
    if is_above(effect, floor):
        return ABOVE
    return BELOW if is_above(floor, 0.0) else NONE


def noise_view(record: Record, facts: Facts) -> dict[str, Any] | None:
    """What the page says: sentences, and where draws were made the two tables; ``None`` where only rules ran."""
    advised = advised_arm(record)
    if advised is None:
        return None
    if "noise.states" not in facts:
        return {"sentences": [_UNMEASURED], "flips": (), "spreads": (), "effects": ()}
    effects = _effects(record, advised.name, facts)
    return {
        "sentences": [_how(facts), _what(facts), _judged(advised.name, effects, facts)],
        "flips": ("label", "action"),
        "spreads": {"sharpe": "Annual Sharpe ratio", "return": "Total return"},
        "effects": effects,
    }


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
    said = (
        "Noise floor: asking again alone moved the annual Sharpe ratio by up to {noise.sharpe_floor} and the total "
        "return by up to {noise.return_floor}. No smaller effect is to be believed, and more draws can only raise the "
        "floor."
    )
    if facts["noise.sampled"].value == "no":
        said += " The setting strict of the model runtime takes this away where the backend can promise it."
    return said


def _judged(arm: str, effects: Sequence[tuple[str, str, str, str]], facts: Facts) -> str:
    found: dict[str, list[str]] = {}
    for words, _, _, judged in effects:
        found.setdefault(str(facts[f"{judged}.sharpe_noise"].value), []).append(words)
    told = [f"from {_listed(of)} is {_TOLD.get(judgement, judgement)}" for judgement, of in found.items()]
    return f"The Sharpe difference of {arm} {'; that '.join(told)}."


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


_TOLD = {BELOW: f"{BELOW} and not to be believed", NONE: "nothing at all"}


def _effects(record: Record, arm: str, facts: Facts) -> list[tuple[str, str, str, str]]:
    """Rows: against what, the ids of both figures, and whose judgements belong to them."""
    others = [one.name for one in record.arms if one.name not in (arm, RANDOM_ARM)]
    ranked = [(rank, name) for name in others if not isinstance(rank := facts[f"{name}.sharpe_rank"].value, str)]
    best = min(ranked)[1] if ranked else None
    shown = dict.fromkeys([*([best] if best else ()), *(benchmark_arms(record) if others else ())])
    rows = [("zero", f"{arm}.sharpe", f"{arm}.total_return", arm)]
    for name in shown:
        pair = f"{arm}-{name}"
        words = f"{name} (the best baseline)" if name == best else name
        rows.append((words, f"{pair}.sharpe_difference", f"{pair}.return_difference", pair))
    return rows
