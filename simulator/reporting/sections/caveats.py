"""What the figures cannot say: what a model may remember, what luck makes, what the simulated broker leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.mask import mask_of
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Heading, Items
from simulator.reporting.facts.charges import cash_sentence
from simulator.reporting.facts.fact import Facts, listed_names
from simulator.reporting.facts.run import advised_arm, advisor_arms, subject_arm
from simulator.reporting.sections.arms import fill_sentence


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """What the figures cannot say, for what this record holds."""
    yield Heading("What these figures cannot say", "caveats")
    yield Items(_caveats(record, facts))


def _caveats(record: Record, facts: Facts) -> list[str]:
    subject, advised = subject_arm(record).name, advised_arm(record)
    sentences = []
    if advised is not None:
        sentences += [
            "A model may know the period: it may have been trained on text that was written after these bars. The "
            "figures cannot tell memory from skill.",
            *_masks(record, facts),
            "A recorded answer is not a new one: the {model.questions} questions of {model.decisions} decisions were "
            "{model.distinct} distinct ones, and equal questions get equal answers.",
        ]
    markets = "{run.symbols} symbols" if len(record.prices) > 1 else "one market"
    sentences.append(f"This is one path: {{run.years}} years of {markets}. Another stretch gives other figures.")
    if facts["run.comparisons"].value:
        sentences.append(
            "Where no arm is better than another, luck alone makes {run.false_alarms} of the comparisons stand out on "
            "average ({run.comparisons} of them, at {run.confidence_level})."
        )
    sentences += [
        f"Trades of {subject} still open at the end: {{{subject}.open_at_end}}. An open trade is valued at the last "
        "close and left out of the profits and rates of trades.",
        f"A stop wakes on the bar after its entry. Entry bars of {subject} that went through their own stop, which the "
        f"simulated broker could not fill: {{{subject}.entry_bar_breaches}}. Where stop and target were touched in one "
        "bar, the stop is taken; a gap through a stop fills at the open.",
        fill_sentence(facts),
        f"{cash_sentence(facts)} Dividends count only where the prices hold them. There are no taxes.",
    ]
    return sentences


def _masks(record: Record, facts: Facts) -> list[str]:
    """What each model was shown, those that were shown the same in one sentence."""
    alike: dict[str, tuple[str, list[str]]] = {}
    for arm in advisor_arms(record):
        said, share = _mask(arm), f"{arm.name}.mask.recognisable"
        read = said.replace(f"{{{share}}}", facts[share].text) if share in facts else said
        alike.setdefault(read, (said, []))[1].append(arm.name)
    if len(alike) < 2:
        return [_of_each(said, names) for said, names in alike.values()]
    return [f"{listed_names(names)}: {said[0].lower()}{said[1:]}" for said, names in alike.values()]


def _of_each(sentence: str, names: list[str]) -> str:
    """The sentence on one model as one on each of several."""
    return sentence if len(names) < 2 else sentence.replace("The model", "Each model", 1)


def _mask(arm: ArmRecord) -> str:
    """What the prompts gave away, and how many bars the text alone names."""
    mask, share = mask_of(arm), f"{{{arm.name}.mask.recognisable}}"
    if mask.shown:
        return f"The model was shown {', '.join(mask.shown)}: it may have recognised the period."
    if not mask.prompts:
        return "The model was shown nothing of its market."
    hidden = "The model was shown no symbol, date or price level"
    if 2 * mask.singled_out > mask.prompts:
        return (
            f"{hidden}, but its text names the bar: {share} of the texts stand at one close of the run alone, so that "
            "a model which remembers these prices can tell which close it sees. Words in place of numbers hide more."
        )
    return (
        f"{hidden}, and {share} of the texts stand at one close of the run alone; it may still recognise a famous "
        "episode by its shape."
    )
