"""The checklist of honest reporting: what the record backs, and "not done" for all else."""

import json
from dataclasses import replace
from functools import cache

import pytest
from drawn_record import add_draws, growing
from page_parser import Page
from record_factory import write_comparison, write_run

from simulator.folder.record import load_record
from simulator.reporting.facts.fact import FactTable, listed_names
from simulator.reporting.facts.reporting_checklist import State, checklist
from simulator.reporting.page import build_facts, render
from simulator.reporting.sections import reporting_checklist, trials
from simulator.runs.result import Result

KEYS = (
    "temporal", "frictions", "counterfactuals", "calibration", "execution", "universe", "held_out", "draws",
    "artefacts",
)  # fmt: skip
TRIALS = {"format": 1, "same": 2, "overlapping": 3}
MARKET = {"llm": None, "regime_rule": None, "market": {"ungated": "buy_and_hold"}}


MORE = {
    "opened": {"opened": {"number": 1, "tried": 0}},
    "opened again": {"opened": {"number": 2, "tried": 4}},
    "sealed": {"sealed": {"first": "2001-09-03T00:00:00", "bars": 40}},
}


def made(case, folder):
    short = {"bars": 160, "samples": 100}
    if case == "rules only":
        return write_comparison(folder, arms=("sma_cross", "regime_rule"), **short)
    if case == "fills at the close":
        return write_run(folder, fill="same_close", **short)
    if case == "drawn":
        return add_draws(write_run(folder, **short), [growing(0.001)])
    if case == "one run":
        return write_run(folder, **short)
    written = write_comparison(folder, arms=tuple(MARKET), settings=MARKET, **short)
    (folder / "trials.json").write_text(json.dumps(TRIALS))
    return written


def changed(record, facts, case, folder):
    """The compared record with other trials, or without hashes, and its facts: what neither changes is not measured
    again."""
    (folder / "trials.json").write_text(json.dumps(TRIALS | MORE.get(case, {})))
    arms = record.arms
    if case == "nothing kept":
        arms = tuple(replace(arm, manifest=arm.manifest | {"files": {}}) for arm in arms)
    manifest = record.manifest | {"trials": {"opened": {"first": "2026-01-01"}}}
    other, table = replace(record, folder=folder, manifest=manifest, arms=arms), FactTable()
    table.facts |= {name: fact for name, fact in facts.items() if not name.startswith("reporting.")}
    trials.facts(table, other)
    reporting_checklist.facts(table, other)
    return other, table.facts


@pytest.fixture(scope="module")
def states_of(tmp_path_factory):
    """The items of a case by key, measured once."""

    @cache
    def states_of(case):
        folder = tmp_path_factory.mktemp("checklist")
        if case in (*MORE, "nothing kept"):
            record, facts = changed(*states_of("compared")[:2], case, folder)
        else:
            record = load_record(made(case, folder).folder)
            facts = build_facts(record)
        return record, facts, {item.key: item for item in checklist(record, facts)}

    return states_of


@pytest.mark.parametrize(
    ("case", "key", "state", "words"),
    [
        ("one run", "draws", State.NOT_DONE, "one draw"),
        ("one run", "held_out", State.NOT_DONE, "No bars were sealed"),
        ("one run", "counterfactuals", State.NOT_DONE, "Held against nothing but itself."),
        ("one run", "frictions", State.DONE, "of commission"),
        ("one run", "universe", State.IN_PART, "is not on record"),
        ("one run", "artefacts", State.DONE, "with their hashes"),
        ("one run", "temporal", State.IN_PART, "whether it knows it all the same is open"),
        ("compared", "counterfactuals", State.IN_PART, "Held against the market and the causal rule."),
        ("compared", "execution", State.IN_PART, "What a delay would change was not measured."),
        ("compared", "held_out", State.NOT_DONE, "configurations were tried"),
        ("rules only", "draws", State.NOT_NEEDED, "No model was asked."),
        ("rules only", "calibration", State.NOT_NEEDED, "No model was asked."),
        ("rules only", "temporal", State.DONE, "came no later than the close"),
        ("fills at the close", "temporal", State.NOT_DONE, "orders.fill: same_close"),
        ("fills at the close", "execution", State.NOT_DONE, "simulated broker"),
        ("drawn", "draws", State.DONE, "Asked everything {noise.draws} times"),
        ("opened", "held_out", State.DONE, "opened for the first time"),
        ("opened again", "held_out", State.IN_PART, "opened {run.openings} times"),
        ("sealed", "held_out", State.IN_PART, "nothing is told of them yet"),
        ("nothing kept", "artefacts", State.IN_PART, "The hash of the prices is kept."),
    ],
)
def test_an_item_says_what_the_record_backs(states_of, case, key, state, words):
    _, facts, items = states_of(case)
    assert list(items) == [*KEYS]
    assert items[key].state == state
    assert facts[f"reporting.{key}"].value == state
    assert words in " ".join(items[key].evidence)


@pytest.mark.parametrize("case", ["one run", "compared", "rules only"])
def test_it_stands_on_the_page_with_links_that_lead_somewhere(states_of, case):
    record, facts, items = states_of(case)
    shown = render(record, facts, None)
    page = Page(shown.html)
    assert all(target[1:] in page.ids for target in page.hrefs)
    assert page.hrefs.count("#honest-reporting") == 1, "the list of contents leads to it, and no item to itself"
    assert "honest-reporting" in page.ids
    for item in items.values():
        assert f"| {item.name} | {item.state} |" in shown.markdown
    missing = [item.name.lower() for item in items.values() if item.state == State.NOT_DONE]
    assert f"Not done: {listed_names(missing)}." in shown.markdown


def test_a_program_reads_it_from_the_result(states_of):
    record, facts, items = states_of("compared")
    told = Result(record.folder, facts).reporting_checklist
    assert [one["item"] for one in told] == [item.name for item in items.values()]
    assert {one["state"] for one in told} <= {*map(str, State)}
    assert "{" not in json.dumps([one["evidence"] for one in told])


def test_a_report_of_an_earlier_version_has_none(states_of):
    record, facts, _ = states_of("compared")
    earlier = {name: fact for name, fact in facts.items() if not name.startswith("reporting.")}
    assert Result(record.folder, earlier).reporting_checklist == []
