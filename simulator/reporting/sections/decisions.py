"""The decisions of the arm that the page is about: counted by kind, and quoted where the advice changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from llm_strategy.types import ClampEvent
from simulator.evaluation.advice import ChangeFinder
from simulator.evaluation.copying import copy_of
from simulator.evaluation.measures import measure
from simulator.folder.prompt_options import resolved_options
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import (
    Block,
    Cell,
    Column,
    Details,
    Grid,
    Heading,
    Paragraph,
    Quoted,
    Table,
    Text,
    in_markdown,
    money,
    on_page,
    shares,
)
from simulator.reporting.facts.fact import Facts, kinds_of
from simulator.reporting.facts.run import advised_arm, advisor_arms, day, strategy_arms, subject_arm
from simulator.reporting.facts.terms import COUNTED_TERMS
from simulator.reporting.sections.copying import confidence_sentence

LISTED = 200
"""Rows of decisions, of trades and of orders on a page; the rest stays in the run folder."""
LISTED_IN_MARKDOWN = 20


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """How decisions came about, and the last changes of advice."""
    subject, several = subject_arm(record), len(record.prices) > 1
    arm, advised = subject.name, advised_arm(record) is not None
    changes = _last_changed(subject, LISTED)
    counts = _counts(arm, facts)
    yield Heading(f"Decisions of {arm}", "decisions")
    coherent = _coherence(subject)
    prompts = f"{{{arm}.decisions}} decisions on {{{arm}.distinct_prompts}} distinct prompts"
    constant = (
        f"The most frequent answer, {{{arm}.constant_label}} and {{{arm}.constant_action}}, came on "
        f"{{{arm}.constant_share}} of them."
    )
    maker = "a strategy of your own" if arm in strategy_arms(record) else "a rule"
    by_rule = f"{{{arm}.decisions}} decisions, made by {maker}."
    differed = f"{{{arm}.decision_changes}} times status, label or action differed from the decision before"
    last = "The last of them are listed; all decisions are in `decisions.jsonl`."
    yield on_page(
        Paragraph([f"{prompts}.", coherent, constant] if advised else by_rule),
        _grid(counts),
        Heading("Where the advice changed", "changes", level=3),
        Paragraph(
            [
                f"{differed}{' on the same symbol' if several else ''}.",
                *([last] if measure(subject).changes > LISTED else ()),
            ]
        ),
        _changes(changes, several),
        *_copied_confidence(subject),
    )
    rows = [("" if at else title, *kind) for title, kinds in counts.items() for at, kind in enumerate(kinds)]
    yield in_markdown(
        Paragraph([f"{prompts}.", coherent] if advised else by_rule),
        Table(["Counted", Column("Kind", "text"), "Count"], rows),
        Paragraph(f"{differed}; the last of them:"),
        _last_changes(changes[-LISTED_IN_MARKDOWN:], several),
        *_copied_confidence(subject),
    )
    yield from _further(record, facts)


def _last_changed(arm: ArmRecord, most: int) -> list[dict[str, Any]]:
    """The last decisions that differed from the one before on their symbol, as lines of the journal."""
    finder = ChangeFinder()
    changed = deque((line for line in arm.decisions.lines() if finder.take(line.entry())), maxlen=most)
    return [line.row() for line in changed]


def _coherence(arm: ArmRecord) -> str:
    """Whether what the model wrote agrees; where the program wrote the rationale, that says nothing of the model."""
    written_by = (resolved_options(arm.manifest) or {}).get("rationale", "always")
    if written_by == "never":
        return "Its rationales are the program's: that they agree with label and action says nothing of the model."
    of = "the advice" if written_by == "always" else "the advice whose rationale the model wrote"
    return f"Label, action and rationale agree in {{{arm.name}.coherent_share}} of {of}."


def _copied_confidence(arm: ArmRecord) -> list[Block]:
    """Whose the confidences are, where examples in the prompt show some."""
    found = copy_of(arm)
    if found is None or found.confidence_share is None:
        return []
    return [Paragraph(confidence_sentence(arm.name, found), "note")]


def _counts(arm: str, facts: Facts) -> dict[str, list[tuple[str, str]]]:
    """What is counted by kind of the decisions of an arm, by its heading."""
    counts = {
        term.heading: [(kind, f"{{{name}}}") for kind, name in kinds_of(arm, metric, facts)]
        for metric, term in COUNTED_TERMS.items()
        if term.heading
    }
    return {title: kinds for title, kinds in counts.items() if kinds}


def _grid(counts: dict[str, list[tuple[str, str]]]) -> Grid:
    return Grid([Table(["", ""], kinds, look="counts", caption=title) for title, kinds in counts.items()])


def _further(record: Record, facts: Facts) -> Iterator[Block]:
    """Each of several advisors in a row, and the counts and last changes of the further ones folded away."""
    advisors = advisor_arms(record)
    if len(advisors) < 2:
        return
    metrics = {
        "decisions": "Decisions", "valid_share": "Valid", "statuses.repaired": "Repaired",
        "statuses.abstained": "Abstained", "coherent_share": "Coherent", "distinct_prompts": "Distinct prompts",
        "decision_changes": "Changes", "constant_label": "Most frequent label", "constant_action": "and action",
        "constant_share": "Its share",
    }  # fmt: skip
    columns = [Column("Advisor"), *(Column(title, "text" if "_label" in key or "_action" in key else "")
                                    for key, title in metrics.items())]  # fmt: skip
    rows = [(arm.name, *(f"{{{arm.name}.{metric}}}" for metric in metrics)) for arm in advisors]
    yield Heading("Decisions of each advisor", level=3)
    yield Table(columns, rows, label="Decisions of each advisor", marked=advisors[0].name)
    for arm in advisors[1:]:
        several = len(record.prices) > 1
        changes = _last_changed(arm, LISTED_IN_MARKDOWN)
        shown: list[Block] = [
            _grid(_counts(arm.name, facts)),
            _changes(changes, several, f"Last changes of {arm.name}"),
        ]
        yield on_page(Details(f"Decisions of {arm.name}, and where its advice changed last", shown))


def _changes(rows: list[dict[str, Any]], several: bool, label: str = "") -> Table:
    """What was read, said, allowed and done."""
    symbol = ["Symbol"] if several else []
    texts: list[Column | str] = [Column("Read and said", "long"), "Policy", "Gate"]
    columns: list[Column | str] = ["Close of", *symbol, "Label", "Action", Column("Confidence", "number"), *texts]
    return Table(columns, [_change(row, several) for row in rows], look="quoted", label=label, tall=True)


def _change(row: dict[str, Any], several: bool) -> list[Text | Cell]:
    read = [Quoted(row["prompt"], "read")] if row["prompt"] else []
    cells: list[Text | Cell] = [Quoted(day(row["time"])), *([Quoted(row["snapshot"]["symbol"])] if several else ())]
    if advice := row["advice"]:
        repairs = "; ".join(row["repairs"])
        repaired = (" ", Quoted(f"repaired: {repairs}", "emphasis")) if repairs else ()
        cells += [*_advice(advice), (*read, Quoted(advice["rationale"]), *repaired)]
    else:
        abstained = row["abstention"]
        cells += [Cell(Quoted(f"{row['status']}: {abstained['reason']}"), 3), (*read, Quoted(abstained["detail"]))]
    policy, verdict = row["policy"], row["verdict"]
    remarks = [Quoted("; ".join(policy["reasons"]), "small")] if policy["reasons"] else []
    cuts = [_cut(ClampEvent(cut["limit"], cut["before"], cut["after"])) for cut in row["clamps"]]
    reasons = [Quoted(why, "small") for why in (verdict["reason"], *cuts) if why]
    size = f" {shares(verdict['size'])}" if verdict["size"] else ""
    return [*cells, (Quoted(policy["verdict"]), *remarks), (Quoted(f"{verdict['intent']}{size}"), *reasons)]


def _cut(cut: ClampEvent) -> str:
    return f"{cut.limit}: flag" if cut.is_flag else f"{cut.limit}: {money(cut.before)} to {money(cut.after)}"


def _advice(advice: dict[str, Any]) -> list[Text]:
    action = advice["action"]
    return [Quoted(advice["regime"]["label"]), Quoted(action["type"]), Quoted(action["confidence"])]


def _last_changes(rows: list[dict[str, Any]], several: bool) -> Table:
    columns: list[Column | str] = ["Close of", *(["Symbol"] if several else ()), "Label", "Action"]
    columns += [Column("Confidence", "number"), "Rationale", "Policy", "Gate"]
    cells: list[list[Text]] = []
    for row in rows:
        advice, abstained, verdict = row["advice"], row["abstention"], row["verdict"]
        if advice:
            texts = [*_advice(advice), Quoted(advice["rationale"])]
        else:
            texts = [Quoted(row["status"]), Quoted(abstained["reason"]), "", Quoted(abstained["detail"])]
        gate = (Quoted(verdict["intent"]), " ", Quoted(verdict["reason"]))
        when = [Quoted(day(row["time"])), *([Quoted(row["snapshot"]["symbol"])] if several else ())]
        cells.append([*when, *texts, Quoted(row["policy"]["verdict"]), gate])
    return Table(columns, cells, look="quoted")
