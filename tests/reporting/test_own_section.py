"""Sections that a person brings: found by name or reference, shown under their own facts, and never a lost report."""

import json
import logging
import re
from pathlib import Path

import pytest
from page_parser import Page, without_script
from record_factory import write_comparison, write_run
from small_run import recording, small

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.folder.record import load_record
from simulator.reporting.page import build_facts, render

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_section.py"
HEAD = "from simulator.reporting.blocks import *\nfrom simulator.reporting.facts.terms import Unit\n"


def with_sections(made, *references):
    path = made.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["experiment"]["output"]["sections"] = references
    path.write_text(json.dumps(manifest))
    return load_record(made.folder)


def shown(record):
    facts = build_facts(record)
    return render(record, facts, None), facts


@pytest.fixture(scope="module")
def small_record(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("small"), arm="sma_cross", bars=90)


@pytest.fixture
def written(tmp_path, small_record):
    """The report with a section whose class holds these lines."""

    def written(*lines):
        (tmp_path / "mine.py").write_text(HEAD + "class Mine:\n" + "".join(f"    {line}\n" for line in lines))
        return shown(with_sections(small_record, f"{tmp_path / 'mine.py'}:Mine"))

    return written


def test_the_example_stands_on_the_page(tmp_path):
    assert len(EXAMPLE.read_text().splitlines()) <= 15
    record = with_sections(write_comparison(tmp_path, arms=("llm", "buy_and_hold")), f"{EXAMPLE}:BestMonth")
    report, facts = shown(record)
    best = record.arm("llm").equity["equity"].resample("ME").last().pct_change().max()
    assert facts["section.BestMonth.llm"].value == pytest.approx(best)
    told = f"llm made {facts['section.BestMonth.llm'].text} in its best month."
    assert f"## Best month\n\n{told}" in report.markdown
    assert told in re.sub(r"<[^>]+>", "", report.html)
    assert (
        report.html.index('id="trades"') < report.html.index('id="section-BestMonth"') < report.html.index('id="model"')
    )
    page = Page(report.html)
    assert page.problems == []
    assert re.findall(r"\S*\d\S*", page.said) == []
    assert len(page.ids) == len(set(page.ids))


def test_an_installed_section_goes_by_its_name(tmp_path, monkeypatch, small_record):
    (tmp_path / "installed_section.py").write_text(EXAMPLE.read_text())
    information = tmp_path / "own_section-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own-section\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[backtrader_llm.report_sections]\nbest_month = installed_section:BestMonth\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    _, facts = shown(with_sections(small_record, "best_month"))
    assert facts["section.BestMonth.sma_cross"].label == "best month of sma_cross"
    report, _ = shown(with_sections(small_record, "best_moth"))
    assert "There is no report section 'best_moth', did you mean 'best_month'?" in report.markdown


FAILURES = {
    "facts raise": (
        ["def facts(self, table, record): return 1 / 0", "def blocks(self, record, facts): return []"],
        "ZeroDivisionError: division by zero.",
    ),
    "blocks raise": (["def blocks(self, record, facts): raise RuntimeError"], "RuntimeError."),
    "no such fact": (
        ["def blocks(self, record, facts): return [Paragraph('{sma_cross.sharp}')]"],
        "There is no fact 'sma_cross.sharp', did you mean 'sma_cross.sharpe'?",
    ),
    "a number of its own": (
        ["def blocks(self, record, facts): return [Paragraph('It made 12% a year.')]"],
        "It writes '12%' itself: add the figure as a fact and name that in braces.",
    ),
    "a quoted number": (
        ["def blocks(self, record, facts): return [Paragraph(Quoted(4711))]"],
        "It writes '4711' itself",
    ),
    "no block": (["def blocks(self, record, facts): return [Heading('Mine'), 'text']"], "'text' is no block"),
    "nothing": (["def blocks(self, record, facts): return None"], "Its blocks are of type NoneType: yield blocks"),
    "facts with another signature": (
        ["def facts(self): return None", "def blocks(self, record, facts): return []"],
        "Mine.facts() takes 1 positional argument but 3 were given.",
    ),
    "a label that is no text": (
        [
            "def facts(self, table, record): table.add('mean', 1, Unit.COUNT, None)",
            "def blocks(self, record, facts): return []",
        ],
        "TypeError: the label of mean is no text but NoneType.",
    ),
    "no blocks": (["pass"], "has no blocks(record, facts): write one."),
    "cannot be made": (
        ["def __init__(self, what): pass", "def blocks(self, record, facts): return []"],
        "cannot be made: TypeError",
    ),
    "no value": (
        [
            "def facts(self, table, record): table.add('mean', [1], Unit.COUNT, 'mean')",
            "def blocks(self, record, facts): return []",
        ],
        "TypeError: the value of mean is neither a number nor a text but list.",
    ),
    "no name": (
        [
            "def facts(self, table, record): table.add('a {b}', 1, Unit.COUNT, 'mean')",
            "def blocks(self, record, facts): return []",
        ],
        "is no name of a figure",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_section_that_fails_is_one_sentence_in_its_place(written, case, caplog):
    lines, told = FAILURES[case]
    with caplog.at_level(logging.WARNING):
        report, facts = written(*lines)
    place = report.markdown.split("## Mine\n\n")[1].split("\n\n")[0].replace("\\", "")
    assert place.startswith("The section '")
    assert "is not shown: " in place
    assert told in place
    assert [record.getMessage() for record in caplog.records if "is not shown" in record.getMessage()] != []
    assert "What these figures cannot say" in report.markdown
    assert Page(report.html).problems == []
    assert [name for name in facts if name.startswith("section.") and not name.endswith(".problem")] == []


def test_a_section_changes_nothing_for_others(written, small_record):
    report, _ = written("def blocks(self, record, facts): return []")
    changed, _ = written(
        "def facts(self, table, record):",
        "    record.arms[0].equity['equity'] *= 100",
        "    table.known.clear()",
        "def blocks(self, record, facts):",
        "    record.prices.clear()",
        "    facts.clear()",
        "    return []",
    )
    assert changed == report


def test_what_a_section_writes_is_text(written):
    evil = "<script>alert()</script> [link](http://x)"
    report, _ = written(
        "def facts(self, table, record): table.add('evil', " + repr(evil) + ", Unit.TEXT, " + repr(evil) + ")",
        "def blocks(self, record, facts):",
        "    yield Heading(" + repr(evil) + ", id='arms', level=1)",
        "    yield Table(['Who', " + repr(evil) + "], [('x', '{section.Mine.evil}')], caption=" + repr(evil) + ")",
        "    yield Details(" + repr(evil) + ", [Items([Quoted(" + repr(evil) + ")])])",
    )
    assert "<script" not in without_script(report.html)
    assert "<script" not in report.markdown
    assert "[link](" not in report.markdown
    page = Page(report.html)
    assert page.problems == []
    assert len(page.ids) == len(set(page.ids))
    assert ("section.Mine.evil", evil) in page.facts


def test_numbers_that_cannot_be_shown_are_not_available(written):
    _, facts = written(
        "def facts(self, table, record):",
        "    import numpy",
        "    table.add('none', float('nan'), Unit.RATIO, 'none')",
        "    table.add('counted', numpy.int64(1234), Unit.COUNT, 'counted')",
        "def blocks(self, record, facts): return []",
    )
    assert facts["section.Mine.none"].text == "n/a"
    assert (facts["section.Mine.counted"].value, facts["section.Mine.counted"].text) == (1234, "1,234")


def test_nothing_that_lies_in_a_run_folder_is_run(tmp_path):
    made = write_run(tmp_path / "run", arm="never", bars=90)
    evil = made.folder / "evil.py"
    evil.write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil:\n    def blocks(self, record, facts): return []\n"
    )
    report, _ = shown(with_sections(made, f"{evil}:Evil"))
    assert "lies in a run folder, which holds data alone: move the file." in report.markdown
    assert not (tmp_path / "ran").exists()


def test_a_section_that_is_not_there_ends_a_run_before_anything_is_asked(tmp_path):
    client, model = recording()
    wanted = small(tmp_path, output={"folder": str(tmp_path / "out"), "sections": ["nowhere.py:Section"]})
    with pytest.raises(ConfigurationError, match=r"The report section 'nowhere.py:Section' names the file"):
        simulator.run(wanted, client=client)
    assert model.requests == []


def test_a_run_with_a_section_of_ones_own_replays(tmp_path):
    client, _ = recording()
    wanted = small(tmp_path, output={"folder": str(tmp_path / "out"), "sections": [f"{EXAMPLE}:BestMonth"]})
    result = simulator.run(wanted, client=client)
    assert "section.BestMonth.llm" in result.facts
    assert [check.name for check in simulator.replay(result.folder) if not check.same] == []
