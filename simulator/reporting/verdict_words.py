"""The verdict in words: why it is what it is, what was measured, and the short labels beside it.

Texts hold ``{id}`` for facts, as blocks do; a sentence stands only where its facts are.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.evaluation.verdict import Benchmark, Cap, Reason, Verdict, Word
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.timing import TIMING, too_few_placebos, why_unmeasured
from simulator.reporting.facts.verdict import NO_IDENTITY, benchmarks_of, evidence_of, verdict_of
from simulator.reporting.facts.verdict import WORDS as BENCHMARK_WORDS

_OF_CAPS = {
    Cap.FAILED: "Whether the advice added anything is open.",
    Cap.DEAD: "So the advice added nothing: what follows is the account of a constant answer.",
    Cap.NOT_COMPARED: "One arm ran alone: what its advice added shows only beside the baselines of a comparison.",
    Cap.COPIES_EXAMPLES: "On {{{0}.copy.nearest_share}} of its decisions the model gave the label of the nearest "
    "example in its prompt.",
    Cap.COPIES_RULE: "On {{{0}.copy.rule_share}} of its decisions the model gave the label of the causal rule, whose "
    "answers stood in its prompt.",
    Cap.SAME_CLOSE: "Every market order filled at the very close that decided it, which nobody could have had.",
    Cap.STALE_OPENS: "Behind {{run.stale_opens}} of the decisions the next open only repeats the close: a fill there "
    "is at the price that decided it, which nobody could have had.",
    Cap.IDENTIFIED: "The model was shown {{{0}.identity_shown}}, and no knowledge cutoff is stated for it: it may "
    "remember these bars rather than read them.",
    Cap.KNOWN_PERIOD: "The model was shown {{{0}.identity_shown}}, and {{{0}.knowledge_share}} of the bars are from "
    "before its stated knowledge cutoff, {{{0}.knowledge_until}}: it may remember them rather than read them.",
    Cap.LATER_BARS: "What it was calibrated on or shown as examples came from later bars than those that it decided "
    "on.",
    Cap.KILLED: "The kill switch ended its trading for good, so the result is the limit's as much as the advice's.",
    Cap.FEW_BARS: "It decided over {{run.decision_bars}} bars; below {{run.verdict_bars}} nothing is said.",
    Cap.FEW_RUNS: "It held something in fewer than {{run.verdict_runs}} stretches: the moments of so few tell nothing.",
}
"""Why a cap decides, by cap; ``{0}`` is the arm."""

_CHIPS = {
    Cap.FAILED: "failed",
    Cap.DEAD: "dead advisor",
    Cap.NOT_COMPARED: "one arm alone",
    Cap.COPIES_EXAMPLES: "copies its examples",
    Cap.COPIES_RULE: "copies the rule",
    Cap.SAME_CLOSE: "fills at the deciding close",
    Cap.STALE_OPENS: "opens repeat closes ({{run.stale_opens}} of decisions)",
    Cap.IDENTIFIED: "shown {{{0}.identity_shown}}",
    Cap.KNOWN_PERIOD: "may remember {{{0}.knowledge_share}} of the bars",
    Cap.LATER_BARS: "examples from later bars",
    Cap.KILLED: "killed for good",
    Cap.FEW_BARS: "fewer than {{run.verdict_bars}} bars",
    Cap.FEW_RUNS: "fewer than {{run.verdict_runs}} holding runs",
}

_OF_WORDS = {
    Word.ADDS: "It chose better moments than chance does, and it did no worse than {against}.",
    Word.SUBTRACTS: "It chose worse moments than chance does: accounts with the same holding times at other moments "
    "did better.",
    Word.NOT_WORTH_HAVING: "An advantage worth having, a Sharpe ratio {{run.worthwhile}} above that of {best}, is "
    "ruled out by the {{run.worth_level}} interval.",
}
"""What the figures say, by the word that they alone allow."""

_OF_REASONS = {
    Reason.CHANCE: "Its moments cannot be told from chance, and an advantage worth having is not ruled out either.",
    Reason.FEW_PLACEBOS: "Whether it chose better moments than chance does cannot be told by {{{0}.timing.placebos}} "
    "accounts at other moments: among so many trials not even one that beats them all stands out. Raise "
    "evaluation.placebos.",
    Reason.TIMING_UNTESTED: "Whether it chose better moments than chance does was not tested, and an advantage worth "
    "having is not ruled out either.",
    Reason.BELOW_MARKET: "It chose better moments than chance does, but its Sharpe ratio is below that of the market.",
    Reason.BELOW_RULE: "It chose better moments than chance does, but its Sharpe ratio is below that of a rule without "
    "a model.",
    Reason.NO_MARKET: "It chose better moments than chance does, but the market was no arm to hold it against.",
    Reason.NO_RULE: "It chose better moments than chance does, but no rule was an arm to hold it against: add "
    "regime_rule to arms.",
}
"""Why the figures cannot tell; ``{0}`` is the arm."""
_MISSING: dict[Reason, Benchmark] = {Reason.NO_MARKET: "market", Reason.NO_RULE: "rule"}
_UNMEASURED = "It chose better moments than chance does, but it could not be held against {}; why is said below."
"""Where the arm of a benchmark is there, and nothing can be compared with it."""


def verdict_sentences(record: Record, arm: ArmRecord, facts: Facts) -> list[str]:
    """Why the verdict on an arm is what it is: what decides, and what the figures alone would say where they may not
    decide."""
    made = verdict_of(record, arm, facts)
    if not made.caps:
        return [_of_figures(record, arm, made)]
    said = [_OF_CAPS[made.caps[0]].format(arm.name)]
    if made.caps[0] is Cap.COPIES_EXAMPLES and facts[f"{arm.name}.copy.rule_in_prompt"].value == "yes":
        said.append("That label was the causal rule's.")
    if made.caps[0] in (Cap.COPIES_EXAMPLES, Cap.COPIES_RULE):
        said += _copy_without_model(record, arm, facts)
    if made.word is Word.NOT_ATTRIBUTABLE and made.by_figures is not Word.CANNOT_TELL:
        said.append(f"The figures alone would say: {{{arm.name}.verdict_by_figures}}.")
    return said


def _of_figures(record: Record, arm: ArmRecord, made: Verdict) -> str:
    """What decides where nothing caps the figures."""
    benchmarks = benchmarks_of(record, arm)
    if (words := _OF_WORDS.get(made.word)) is not None:
        against = " and ".join(BENCHMARK_WORDS[one] for one in benchmarks if one != "copy")
        lost = made.ruled_out
        best = BENCHMARK_WORDS[lost.benchmark] if lost else ""
        if made.word is Word.NOT_WORTH_HAVING and lost and lost.high < 0:
            return f"It did worse than {best}: its Sharpe ratio is lower by more than luck makes it."
        return words.format(against=against, best=best)
    reason = made.reasons[-1]
    missing = _MISSING.get(reason)
    if missing is not None and missing in benchmarks:
        return _UNMEASURED.format(BENCHMARK_WORDS[missing])
    return _OF_REASONS[reason].format(arm.name)


def _copy_without_model(record: Record, arm: ArmRecord, facts: Facts) -> Iterator[str]:
    """What copying without a model earned."""
    copy = benchmarks_of(record, arm).get("copy")
    if copy is None or f"{arm.name}.worth.copy" not in facts:
        return
    difference = facts[f"{arm.name}.worth.copy"].value
    done = "the same" if difference == 0 else "more" if str(difference).startswith("-") else "less"
    yield (
        f"Copying it without a model earned {done} (Sharpe {{{copy}.sharpe}} against {{{arm.name}.sharpe}}; difference "
        f"{_interval(arm.name, 'copy')})."
    )


def measured_lines(record: Record, arm: ArmRecord, facts: Facts) -> list[str]:
    """What the verdict rests on, a line each: timing, market, rule, and how long it would take to see more."""
    lines = [*_timing(arm.name, facts), *_market(record, arm, facts)]
    lines += [
        _against(record, arm.name, one, other, facts)
        for one, other in benchmarks_of(record, arm).items()
        if one != "market"
    ]
    best = evidence_of(record, arm, facts).best
    if f"{arm.name}.worth.years" in facts and best is not None:
        lines.append(
            f"*How long it takes:* to see a difference of {{run.worthwhile}} from {BENCHMARK_WORDS[best.benchmark]} in "
            f"four runs of five takes {{{arm.name}.worth.years}} years; this run has {{run.years}}."
        )
    return lines


def _timing(name: str, facts: Facts) -> Iterator[str]:
    if f"{name}.timing.unmeasured" in facts:
        yield f"*Timing:* {why_unmeasured(name, TIMING, str(facts[f'{name}.timing.unmeasured'].value))}"
    if f"{name}.timing.p" not in facts:
        return
    p = f"p {{{name}.timing.p}}"
    if f"{name}.timing.p_trials" in facts and facts["run.trials_overlap"].value != 1:
        p += f", {{{name}.timing.p_trials}} as the best of {{run.trials_overlap}} trials"
    said = (
        f"*Timing:* better than {{{name}.timing.percentile}} of accounts with the same holding times at other moments "
        f"({p})."
    )
    yield " ".join([said, *too_few_placebos(name, TIMING, facts)])


def _market(record: Record, arm: ArmRecord, facts: Facts) -> Iterator[str]:
    """The difference from the market, and how far the account took part in it."""
    name, market = arm.name, benchmarks_of(record, arm).get("market")
    if market is None:
        return
    said = _against(record, name, "market", market, facts).removesuffix(".")
    if f"{name}.alpha_t" in facts and facts[f"{name}.alpha_t"].value != NOT_AVAILABLE:
        said += f"; alpha {{{name}.alpha}} a year (t {{{name}.alpha_t}}), beta {{{name}.beta}}"
    yield f"{said}."


def _against(record: Record, name: str, benchmark: Benchmark, other: str, facts: Facts) -> str:
    """The difference from a benchmark, or why there is none."""
    lead, worth = f"*Against {BENCHMARK_WORDS[benchmark]}:*", f"{name}.worth.{benchmark}"
    if worth not in facts:
        return f"{lead} not to be tested: {untested(record, name, other, facts)}."
    if facts[f"{worth}_low"].value == facts[f"{worth}_high"].value == 0:
        return f"{lead} nothing differs, both accounts earned the same on every bar."
    return (
        f"{lead} Sharpe {{{name}.sharpe}} against {{{other}.sharpe}}, difference {{{worth}}}; outside {{{worth}_low}} "
        f"to {{{worth}_high}} is ruled out at {{run.worth_level}}."
    )


def untested(record: Record, name: str, other: str, facts: Facts) -> str:
    """The one cause for which two arms could not be compared, as a clause."""
    arms = record.arm(name), record.arm(other)
    failed = [arm.name for arm in arms if arm.has_failed]
    if failed:
        return f"{' and '.join(failed)} failed"
    if len(arms[0].equity.index.intersection(arms[1].equity.index)) <= FEWEST_BARS:
        return "the two have too few bars in common"
    still = [arm for arm in arms if facts[f"{arm.name}.sharpe"].value == NOT_AVAILABLE]
    if still:
        never = "never traded" if all(arm.trades.empty for arm in still) else "never moved its account"
        return f"{' and '.join(arm.name for arm in still)} {never}"
    return "the accounts moved on so few bars that no interval can be drawn"


def _interval(name: str, benchmark: str) -> str:
    worth = f"{name}.worth.{benchmark}"
    return f"{{{worth}}}, {{run.worth_level}} {{{worth}_low}} to {{{worth}_high}}"


def chips(record: Record, arm: ArmRecord, facts: Facts) -> list[str]:
    """The limits of a verdict, a few words each: its caps, and what else one must know of the run."""
    made = verdict_of(record, arm, facts)
    labels = [_CHIPS[cap].format(arm.name) for cap in made.caps]
    if Cap.STALE_OPENS in made.caps and "run.stale_opens_until" in facts:
        labels[made.caps.index(Cap.STALE_OPENS)] = "opens are closes until {run.stale_opens_until}"
    if committed := record.manifest["prices"].get("committed"):
        labels.append("decided before the outcome" if committed.get("live") else "played from a file, not forward")
    if f"{arm.name}.identity_shown" in facts and facts[f"{arm.name}.identity_shown"].value == NO_IDENTITY:
        told = f"{arm.name}.mask.recognisable"
        known = told in facts and facts[told].value != NOT_AVAILABLE
        labels.append(f"masked ({{{told}}} of bars recognisable)" if known else "masked")
    if "noise.draws" in facts:
        labels.append("one run" if facts["noise.draws"].value == 1 else "{noise.draws} draws")
    if "run.trials_overlap" in facts:
        one = facts["run.trials_overlap"].value == 1
        labels.append(f"{{run.trials_overlap}} {'trial' if one else 'trials'} on these bars")
    if "run.sealed_from" in facts:
        labels.append("sealed from {run.sealed_from} on")
    if "run.openings" in facts:
        times = facts["run.openings"].value
        labels.append(
            "may have been opened before"
            if times == NOT_AVAILABLE
            else f"sealed bars, opened {'for the first time' if times == 1 else '{run.openings} times'}"
        )
    return labels
