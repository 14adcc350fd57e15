"""The page of a memory audit, and the folder that keeps it: ``memory.json``, ``facts.json``, ``report.html`` and
``report.md``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llm_strategy.support.outside_text import spelled_out
from llm_strategy.support.write_whole import write_whole
from simulator.evaluation.memory import DIRECTIONAL, Call
from simulator.folder.evidence import write_json
from simulator.folder.workspace import as_run_folder_error
from simulator.memory.facts import SUBJECT, audit_facts, slug
from simulator.memory.result import Audit
from simulator.memory.windows import CONTROL, SHOWN
from simulator.reporting.blocks import Block, Heading, Items, Paragraph, Quoted, Table, Text
from simulator.reporting.facts.fact import Facts, write_facts
from simulator.reporting.page_frame import page, secured
from simulator.reporting.render_html import HtmlWriter
from simulator.reporting.render_markdown import MarkdownWriter, without_bare_links

MEMORY = "memory.json"
PROBES = {
    "account under the name": "The account earns more under the name than under the mask",
    "advice under the name": "Where the mask changes the advice, the advice under the name is the right one",
    "recall": "Asked for dates alone, the model knows what came after them",
    "propensity": "The advice is better on dates that the model claims to know",
    "follows the name": "The advice follows what really came after the name's date, whatever path is shown",
    "recognises the market": "Under the mask, the model says which market it is",
    "recognises the year": "Under the mask, the model says which year it is",
}
"""What each probe would show of a model that remembers."""
LEVELS = {
    CONTROL: "symbol, dates and prices (control: it is readable)",
    "alias": "dates and prices",
    "no dates": "prices",
    "rebased": "prices rebased to 100",
    "ratios": "changes alone",
    SHOWN: "the advisor's own text under the mask",
}


def write_audit(audit: Audit, folder: Path) -> Path:
    """Write the folder of an audit, in place of what an earlier one left there; raises ``RunFolderError``."""
    facts = audit_facts(audit)
    sections = [list(_head(audit)), list(_probes(audit, facts)), list(_details(audit)), list(_limits(audit))]
    html, markdown = HtmlWriter(facts), MarkdownWriter(facts)
    with as_run_folder_error(folder, "choose another --out"):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(audit.as_dict(), folder / MEMORY)
        write_facts(facts, folder / "facts.json")
        shown = page(f"Memory of {audit.model}", filter(None, map(html.section, sections)))
        write_whole(folder / "report.html", secured(spelled_out(shown)))
        text = "\n\n".join(filter(None, map(markdown.section, sections)))
        write_whole(folder / "report.md", without_bare_links(spelled_out(f"{text}\n")))
    return folder


def in_short(audit: Audit) -> Iterator[str]:
    """The verdict, a line a probe, and what could not be measured, for a terminal."""
    facts = audit_facts(audit)
    writer = MarkdownWriter(facts)
    yield writer.text(_verdict(audit))
    yield ""
    for probe in audit.probes:
        name = f"{SUBJECT}.probe.{slug(probe.name)}"
        told = probe.problem or f"p {facts[f'{name}.p_value'].text}, corrected {facts[f'{name}.adjusted'].text}"
        yield f"{probe.name + ':':<28}{told}"
    for said in _recalled(audit):
        yield f"{'dates alone:':<28}{writer.text(said)}"
    for each in audit.recognitions:
        name = f"{SUBJECT}.recognition.{each.question}.{slug(each.level)}"
        label = f"{each.question}, {each.level}:"
        yield (
            f"{label:<28}{facts[f'{name}.share'].text} recognised (by chance {facts[f'{name}.chance'].text}, "
            f"p {facts[f'{name}.p_value'].text})"
        )
    yield from (f"Note: {note}" for note in audit.notes)


def _head(audit: Audit) -> Iterator[Block]:
    yield Heading(("Memory of ", Quoted(audit.model)), level=1)
    yield Paragraph(_verdict(audit), "verdict")
    yield Paragraph(
        [
            f"Advisor {{{SUBJECT}.advisor}}; of symbol, date and price it shows: {{{SUBJECT}.shows}}. Stated knowledge "
            f"cutoff: {{{SUBJECT}.knowledge_until}}.",
            f"{{{SUBJECT}.questions}} questions about {{{SUBJECT}.dates}} dates from {{{SUBJECT}.first}} to "
            f"{{{SUBJECT}.last}} and {{{SUBJECT}.windows}} windows; what counts is the return over the "
            f"{{{SUBJECT}.horizon}} bars behind a date.",
        ],
        "note",
    )


def _verdict(audit: Audit) -> list[Text]:
    masked = not audit.shows
    what = "recognises" if masked else "remembers"
    of = "windows" if masked else "dates and uses that for its advice"
    match audit.judgement.call:
        case Call.CONTAMINATED:
            told = (
                "The model remembers what came after these dates: what the advisor earned does not show that it reads"
            )
            reads = "The mask does not hide these bars from the model" if masked else f"{told} a market"
            found = "; ".join(PROBES[name][0].lower() + PROBES[name][1:] for name in audit.judgement.found)
            return ["Contaminated.", f"{reads}. Found: {found}."]
        case Call.CLEAN:
            return [
                "Clean, as far as could be seen.",
                f"No probe found memory; a model that {what} {{{SUBJECT}.dose}} of the {of} would have been found in "
                "four of five such audits.",
            ]
        case _:
            if audit.dead and not masked:
                return ["Inconclusive.", "The advisor says the same at every date, so that nothing can be told."]
            found = "would have been found in four of five such audits."
            why = f"Not even a model that {what} all of the {of} {found}"
            if audit.dose == 1:
                why = f"Only a model that {what} all of the {of} {found}"
            elif audit.dose is not None:
                why = f"Only a model that {what} {{{SUBJECT}.dose}} of the {of}, or more, {found}"
            return ["Inconclusive.", f"No probe found memory, and the audit could have missed much. {why}"]


def _probes(audit: Audit, facts: Facts) -> Iterator[Block]:
    yield Heading("What was tested", "probes")
    rows: list[list[Text]] = []
    for probe in audit.probes:
        name = f"{SUBJECT}.probe.{slug(probe.name)}"
        figures: list[Text] = [f"{{{name}.{metric}}}" for metric in ("dates", "value", "p_value", "adjusted")]
        rows.append([PROBES[probe.name], *figures])
    yield Table(["A model that remembers", "Dates or bars", "Measure", "p", "p, corrected"], rows, label="Probes")
    problems = [probe.problem for probe in audit.probes if probe.problem]
    yield Paragraph(
        [
            f"Together the probes are set to call at most {{{SUBJECT}.size}} of the models without memory contaminated "
            "(Holm's correction). p is the share of the same answers at other times that go with what came as well.",
            "Measure: for the account the difference of the annual Sharpe ratios,",
            "for the claims to know the coefficient of the product, for windows the share that is recognised,",
            "and else how far answers go with what came (0 as by chance, 1 is always right).",
            *problems,
        ],
        "note",
    )


def _details(audit: Audit) -> Iterator[Block]:
    yield Heading("What came of the questions", "details")
    twin, mirage = (f"{SUBJECT}.{name}" for name in ("twin", "mirage"))
    items: list[Text] = []
    if (twins := audit.twins) is not None:
        items.append(
            f"The mask changes {{{twin}.changed}} of the decisions; asking the same question again changes "
            f"{{{twin}.noise}}."
        )
        if twins.difference is not None:
            items.append(
                f"Sharpe ratio as it is {{{twin}.named_sharpe}}, under the mask {{{twin}.masked_sharpe}}; difference "
                f"{{{twin}.sharpe_difference}} ({{{twin}.sharpe_low}} to {{{twin}.sharpe_high}})."
            )
    items += _recalled(audit)
    if audit.mirage is not None:
        items.append(
            f"Under the same name and another path {{{mirage}.consistency}} of the decisions stay as they were (Profit "
            f"Mirage's PC; CI {{{mirage}.confidence}}, IDS {{{mirage}.divergence}}). The false name was "
            f"{audit.false_identity}."
        )
    items.append(
        f"{{{SUBJECT}.singled_out}} of the closes have a text, under the mask, that stands at no other close: a model "
        "that had seen it with its date could know it again."
    )
    yield Items(items)
    if audit.recognitions:
        yield Table(
            ["A window shows", "Asked for", "Right", "95%", "By chance", "p"],
            [_recognised(each.question, each.level) for each in audit.recognitions],
            label="Windows that the model recognised",
        )


def _recalled(audit: Audit) -> Iterator[str]:
    """What the model says of dates alone, in two sentences."""
    recall = f"{SUBJECT}.recall"
    right = (
        f"; right are {{{recall}.accuracy}} ({{{recall}.low}} to {{{recall}.high}}), and {{{recall}.chance}} would be "
        "at other dates"
    )
    told = f"For dates alone it says up or down on {{{recall}.answered}} of {{{SUBJECT}.dates}}"
    yield f"{told}{right if audit.recall.answered else ''}."
    if audit.recall.beyond > DIRECTIONAL:
        yield (
            f"It gives a direction with {{{recall}.beyond}} for days that nobody can know: its readiness to answer "
            "tells no cutoff."
        )
    elif audit.recall.cutoff is None:
        yield "It claims to know no date, so that no cutoff shows."
    else:
        yield f"The last date that it claims to know is {{{recall}.cutoff}}: its knowledge seems to end there."


def _recognised(question: str, level: str) -> list[Text]:
    name = f"{SUBJECT}.recognition.{question}.{slug(level)}"
    interval = f"{{{name}.low}} to {{{name}.high}}"
    return [LEVELS[level], question, f"{{{name}.share}}", interval, f"{{{name}.chance}}", f"{{{name}.p_value}}"]


def _limits(audit: Audit) -> Iterator[Block]:
    yield Heading("What this cannot say", "limits")
    yield Items(
        [
            *map(Quoted, audit.notes),
            "A model may remember what it does not tell, and tell what it does not use. The dose is that of a planted "
            "memory that the advice uses; weaker memory, and memory of other horizons, may go unseen.",
            "The only evidence that no such doubt touches is a decision that was committed before its outcome.",
        ]
    )
