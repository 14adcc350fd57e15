"""The hypotheses of a run as cards: what was claimed and by whom, on what it was tested, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from simulator.folder.hypotheses import read_hypotheses
from simulator.folder.record import Record
from simulator.reporting.blocks import (
    Block,
    Details,
    Figure,
    Grid,
    Heading,
    Items,
    Paragraph,
    Quoted,
    Table,
    Text,
    on_page,
)
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, Band, Level, Line
from simulator.reporting.charts.scale import Steps, numbers_around
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.terms import Term, Unit

TEST_TERMS = {
    "closes": Term(Unit.COUNT, "closes with a known change", "Closes"),
    "events": Term(Unit.COUNT, "closes at which the conditions held", "Events"),
    "runs": Term(Unit.COUNT, "separate runs of events", "Separate runs"),
    "usual": Term(Unit.FRACTION, "mean change over the horizon after all closes", "Usual change"),
    "effect": Term(Unit.POINTS, "difference from the usual change, in the claimed direction", "Difference"),
    "low": Term(Unit.POINTS, "lower end of the interval for the difference"),
    "high": Term(Unit.POINTS, "upper end of the interval for the difference"),
    "p": Term(Unit.RATIO, "p-value of no difference in the claimed direction", "p"),
}
"""Figures of a test by their key in ``hypotheses.json``, each a fact ``hypothesis-ID.KEY``."""
RULE_TERMS = {
    "total_return": Term(Unit.FRACTION, "total return as a rule", "Return as a rule"),
    "max_drawdown": Term(Unit.FRACTION, "largest drawdown as a rule", "Drawdown"),
    "trades": Term(Unit.COUNT, "trades as a rule", "Trades"),
    "exposure": Term(Unit.FRACTION, "share of bars with a position as a rule", "Bars with a position"),
}
"""Figures of a statement that was traded; in the last window ``hypothesis-ID.last_KEY``."""
_VERDICTS = {
    "confirmed": "Confirmed: in this window the close changed so after these closes more than chance explains.",
    "refuted": "Refuted: whatever the difference is, it is smaller than what was said to be worth having.",
    "open": "Open: these closes neither show the difference nor rule it out.",
    "too few events": "Too few events: the conditions held too seldom, or all at one time, to tell anything.",
}


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of every statement of the folder."""
    document = read_hypotheses(record.folder)
    if document is None:
        return
    cards = document["hypotheses"]
    confirmed = sum(card.get("test", {}).get("verdict") == "confirmed" for card in cards)
    table.add("hypotheses", "stated", len(cards), Unit.COUNT, "statements about the market")
    table.add(
        "hypotheses", "tested", sum("result" in card.get("test", {}) for card in cards), Unit.COUNT, "statements tested"
    )
    table.add("hypotheses", "confirmed", confirmed, Unit.COUNT, "statements confirmed")
    table.add("hypotheses", "others", len(document["others"]), Unit.COUNT, "other tests of these bars")
    table.add("hypotheses", "rate", document["rate"], Unit.FRACTION, "share of confirmed statements that may be false")
    if "chance" in document:
        results = [card["test"]["result"]["p"] for card in cards if _is_tested_proposal(card)]
        p_values = [p for p in results if p is not None]
        low = sum(p <= document["rate"] for p in p_values)
        table.add("hypotheses", "proposed", len(p_values), Unit.COUNT, "statements of the model with a p")
        table.add("hypotheses", "proposed_low", low, Unit.COUNT, "statements of the model with a p of at most the rate")
        table.add("hypotheses", "drawn", document["chance"]["tested"], Unit.COUNT, "random statements with a p")
        words = "random statements with a p of at most the rate"
        table.add("hypotheses", "drawn_low", document["chance"]["low"], Unit.COUNT, words)
    for card in cards:
        _card_facts(table, card)


def _card_facts(table: FactTable, card: Mapping[str, Any]) -> None:
    subject = _subject(card)
    test = card.get("test", {})
    worth = card["statement"]["effect"]
    words = f"smallest difference worth having of {subject}"
    table.add(subject, "worth", worth, Unit.POINTS, words, f"{100 * worth:.6g} pp")
    if "result" in test:
        for name, term in TEST_TERMS.items():
            value = test["result"][name]
            sign = {Unit.FRACTION: "%", Unit.POINTS: " pp"}.get(term.unit)
            fine = f"{100 * value:.2f}{sign}" if sign and value and round(100 * value, 2) else None
            table.add(subject, name, value, term.unit, f"{term.words} of {subject}", fine)
        table.add(subject, "adjusted", test["adjusted"], Unit.RATIO, f"p-value of {subject} adjusted for all tests")
        table.add(subject, "verdict", test["verdict"], Unit.TEXT, f"verdict on {subject}")
    for prefix, traded in (("", card.get("rule", {})), ("last_", card.get("last", {}).get("result", {}))):
        if "holder" in traded:
            for name, term in RULE_TERMS.items():
                table.term(subject, prefix + name, term, traded[name])
            words = f"total return of a holder beside {subject}"
            table.add(subject, f"{prefix}holder", traded["holder"]["total_return"], Unit.FRACTION, words)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A card for each statement; nothing where there is none."""
    document = read_hypotheses(record.folder)
    if document is None:
        return
    yield Heading("Hypotheses", "hypotheses")
    windows = document["windows"]
    yield Paragraph(
        [
            "Statements about the market: {hypotheses.stated}; tested: {hypotheses.tested}; confirmed: "
            "{hypotheses.confirmed}. Of all that are confirmed so, a share of {hypotheses.rate} may be false.",
            "Each was registered before it was tested, and p is adjusted for every test of these bars in the register; "
            "tests among them that other runs made: {hypotheses.others}.",
        ]
    )
    yield Paragraph(
        [
            ("A model proposes from ", _span(windows["propose"]), ";"),
            (
                "everything is tested on ",
                _span(windows["test"]),
                ", each statement from its horizon behind the first on;",
            ),
            ("a confirmed statement is traded once on ", _span(windows["last"]), ".")
            if "last" in windows
            else "there is no last window.",
            "The difference is that of the mean change after events and after all closes, in the claimed direction, "
            "in percentage points (pp).",
        ],
        "note",
    )
    if "chance" in document:
        yield Paragraph(
            "What proposing was worth: of {hypotheses.proposed} statements of the model that could be tested, "
            "{hypotheses.proposed_low} have a p, not adjusted, of at most {hypotheses.rate}; of {hypotheses.drawn} "
            "that were drawn at random from the same lists, {hypotheses.drawn_low}. Nobody claims these, so they are "
            "neither registered nor shown."
        )
    for problem in document["failures"]:
        yield Paragraph(("A proposal failed: ", Quoted(problem)), "note")
    for card in document["hypotheses"]:
        yield from _card(card)


def _card(card: Mapping[str, Any]) -> Iterator[Block]:
    test = card.get("test", {})
    yield Heading(Quoted(card["sentence"]), _subject(card), level=3)
    if "result" in test:
        yield Paragraph([_VERDICTS[test["verdict"]], *_rest(card)])
    else:
        why = card.get("problem") or test.get("refused") or card["registered"].get("refused", "")
        yield Paragraph(["Not tested.", Quoted(why)])
    tables = [_origin(card)]
    if "result" in test:
        tables += [_test(card), *_rule(card)]
    yield Grid(tables)
    if "refused" in card.get("rule", {}):
        yield Paragraph(("Not traded as a rule. ", Quoted(card["rule"]["refused"])), "note")
    if "refused" in card.get("last", {}):
        yield Paragraph(("Not traded in the last window. ", Quoted(card["last"]["refused"])), "note")
    if card.get("path"):
        yield on_page(Figure(_draw(card)))
    if entries := list(_entries(card)):
        yield on_page(Details("Entries in the register", [Items(entries)]))


def _rest(card: Mapping[str, Any]) -> Iterator[Text]:
    """What goes with a verdict."""
    subject, test = _subject(card), card["test"]
    if test["verdict"] == "confirmed":
        yield (
            f"The whole interval is at least {{{subject}.worth}}, which was said to be worth having."
            if test["worth_having"]
            else f"That it is at least {{{subject}.worth}}, which was said to be worth having, is not shown."
        )
    if test.get("earlier"):
        yield "The test is that of an earlier run on the very same bars, and was not made again."
    if card["proposer"]["unmasked"]:
        yield "The model was told what market or time it proposed from, and may remember what followed."


def _origin(card: Mapping[str, Any]) -> Table:
    proposer, entry = card["proposer"], card["registered"].get("entry")
    model = proposer["kind"] == "model"
    rows: list[list[Text]] = [
        ["Proposed by", Quoted(proposer["name"]) if model else "a person, who may know these prices"],
        ["Id", Quoted(card["id"], "code")],
    ]
    if model:
        rows.append(["Shown unmasked", Quoted(", ".join(proposer["unmasked"])) if proposer["unmasked"] else "nothing"])
    if entry is not None:
        rows.append(["Registered", Quoted(_moment(entry["at"]))])
    if "test" in card:
        rows.append(["Tested on", _span(card["test"]["window"])])
    return Table(["", ""], rows, look="counts", caption="Statement")


def _test(card: Mapping[str, Any]) -> Table:
    subject = _subject(card)
    rows: list[list[Text]] = [
        [term.heading, f"{{{subject}.{name}}}"] for name, term in TEST_TERMS.items() if term.heading and name != "p"
    ]
    if card["test"]["result"]["low"] is not None:
        rows.append(["Interval", f"{{{subject}.low}} to {{{subject}.high}}"])
    rows += [["Worth having from", f"{{{subject}.worth}}"]]
    rows += [["p, adjusted", f"{{{subject}.p}}, {{{subject}.adjusted}}"]]
    return Table(["", ""], rows, look="counts", caption="Test")


def _rule(card: Mapping[str, Any]) -> Iterator[Table]:
    subject = _subject(card)
    for prefix, traded, where in (
        ("", card.get("rule", {}), "As a rule on the tested closes"),
        ("last_", card.get("last", {}).get("result", {}), "As a rule in the last window"),
    ):
        if "holder" in traded:
            rows = [[term.heading, f"{{{subject}.{prefix}{name}}}"] for name, term in RULE_TERMS.items()]
            rows.insert(1, ["Return of a holder", f"{{{subject}.{prefix}holder}}"])
            yield Table(["", ""], rows, look="counts", caption=where)


def _entries(card: Mapping[str, Any]) -> Iterator[Text]:
    for name, step in (("Registered", "registered"), ("Tested", "test"), ("Traded", "last")):
        if (entry := card.get(step, {}).get("entry")) is not None:
            told = f"number {entry['number']}, {_moment(entry['at'])}, sha256 {entry['hash']}"
            yield (f"{name}: ", Quoted(told, "code"))


def _draw(card: Mapping[str, Any]) -> Chart:
    """What followed: the mean path after events with its band, against that after all closes."""
    points = card["path"]
    statement = card["statement"]

    bars = np.array([0, *(point["bars"] for point in points)], float)
    paths = {name: np.array(_percents(points, name), float) for name in ("usual", "mean", "low", "high")}
    layers = (
        Band("", bars, paths["low"], paths["high"]),
        Level(0.0),
        Line("after all closes", bars, paths["usual"], dash="6 2"),
        Line("after events", bars, paths["mean"], ARM[0], 1.8),
    )
    last = int(bars[-1])
    ticks = tuple(float(bar) for bar in range(0, last + 1, max(1, -(-last // 8))))
    return Chart(
        f"{_subject(card)}-path",
        "Mean change of the close after events, with its interval, and after all closes"
        if any(point["low"] is not None for point in points)
        else "Mean change of the close after events, too few for an interval, and after all closes",
        f"Claimed: {statement['direction']}. The figures of the last bar are those of the test.",
        [
            Panel(
                layers,
                Steps(0.0, float(last), ticks),
                numbers_around([0.0, *(value for path in paths.values() for value in path)], "%"),
                height=200,
                x_name="bars after the close",
            )
        ],
    )


def _percents(points: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """A line of a path from its beginning on, in percent."""
    return [0.0, *(np.nan if point[name] is None else 100 * point[name] for point in points)]


def _is_tested_proposal(card: Mapping[str, Any]) -> bool:
    return card["proposer"]["kind"] == "model" and "result" in card.get("test", {})


def _subject(card: Mapping[str, Any]) -> str:
    return f"hypothesis-{card['id']}"


def _span(window: Mapping[str, Any]) -> Quoted:
    return Quoted(f"{_moment(window['first'])} to {_moment(window['last'])}")


def _moment(time: str) -> str:
    """A time as a page shows it: the day alone where the clock says nothing."""
    day, _, clock = time.partition("T")
    return f"{day} {clock.removesuffix('+00:00')} UTC" if clock.strip("0:.") else day
