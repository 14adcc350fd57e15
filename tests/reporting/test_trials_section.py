"""What a page makes of the number of trials."""

import json
import re

import pytest
from record_factory import write_comparison

from simulator.evaluation.trials import Opening, TrialCount, placebos_needed, sidak
from simulator.folder.record import load_record
from simulator.reporting.blocks import Paragraph
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.terms import Unit
from simulator.reporting.page import build_facts, render
from simulator.reporting.sections import trials


@pytest.fixture
def folder(tmp_path):
    return write_comparison(tmp_path / "moods", arms=("llm", "buy_and_hold"), samples=100).folder


def told(folder, count):
    """The facts of the section, and its words with the texts of the facts."""
    (folder / "trials.json").write_text(json.dumps(count.as_document()))
    record, table = load_record(folder), FactTable()
    record.manifest["trials"] = {"opened": {"first": "2026-01-02T10:00:00+00:00", "at": "2026-03-04T10:00:00+00:00"}}
    table.add("run", "years", 4.0, Unit.RATIO, "years")
    table.add("llm", "timing.p", 0.02, Unit.RATIO, "p")
    trials.facts(table, record)
    paragraphs = [block.text for block in trials.blocks(record, table.facts) if isinstance(block, Paragraph)]
    words = " ".join(text if isinstance(text, str) else " ".join(text) for text in paragraphs)
    return table.facts, re.sub(r"\{([^{}]+)\}", lambda fact: table.facts[fact[1]].text, words)


def test_the_p_of_the_timing_is_corrected_for_all_that_were_tried(folder):
    facts, section = told(folder, TrialCount(2, 7))
    assert facts["llm.timing.p_trials"].value == pytest.approx(sidak(0.02, 7))
    assert facts["run.expected_best"].value == pytest.approx(1.3522 / 2, abs=1e-4)
    assert "the timing of llm has a p of 0.13 in place of 0.02" in section


def test_the_placebos_that_so_many_trials_need_are_named():
    for number, size in ((1, 0.05), (2, 0.05), (26, 0.05), (100, 0.1)):
        needed = placebos_needed(number, size)
        assert sidak(2 / (needed + 1), number) <= size < sidak(2 / needed, number)
    assert placebos_needed(1, 0.05) == 39


def test_a_first_configuration_is_called_the_first_that_is_known(folder):
    facts, section = told(folder, TrialCount())
    assert facts["run.expected_best"].value == 0
    assert "the first configuration that is known to have been tried on these bars" in section
    assert "By luck alone" not in section


def test_the_best_of_many_stands_beside_what_luck_shows(folder):
    facts, section = told(folder, TrialCount(3, 12))
    assert "At least 12 configurations have been tried on these bars (3 of them on exactly the same ones)" in section
    assert f"would show an annual Sharpe ratio of about {facts['run.expected_best'].text}" in section


def test_a_ledger_that_was_not_whole_is_said_with_the_number(folder):
    _, section = told(folder, TrialCount(problem="The ledger of trials could not be used."))
    assert "could not be used. The number is the smallest that is certain." in section


@pytest.mark.parametrize(
    ("opening", "said"),
    [
        (Opening(1, 0), "the first time that they were opened"),
        (Opening(3, 5), "opened 3 times, first on 2026-01-02: this is no fresh test any more"),
        (Opening(0, 0), "cannot be known"),
    ],
)
def test_an_opening_is_told(folder, opening, said):
    assert said in told(folder, TrialCount(opened=opening))[1]


def test_the_first_screen_says_how_often_sealed_bars_were_opened(folder):
    (folder / "trials.json").write_text(json.dumps(TrialCount(opened=Opening(1, 0)).as_document()))
    record = load_record(folder)
    assert "opened for the first time" in render(record, build_facts(record), None).markdown.partition("\n## ")[0]


def test_folders_without_a_count_have_no_such_section(folder):
    table = FactTable()
    trials.facts(table, load_record(folder))
    assert not table.facts
    assert list(trials.blocks(load_record(folder), {})) == []
