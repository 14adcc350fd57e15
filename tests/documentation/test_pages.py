"""Pages that are written from the code say what the code says, and no link of the documentation leads nowhere."""

import dataclasses
import re

import pytest
import yaml

import llm_strategy
from documentation import api, commands, parts, settings, terms
from documentation.tree import ROOT, dead_links, write_tree
from llm_strategy import BASELINES, Limits
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.market.context.registry import SOURCES
from simulator.experiment.nulls import NULLS
from simulator.experiment.schema import experiment_schema
from simulator.reporting.facts.terms import ARM_TERMS, PAIR_TERMS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The tree that the site is built of."""
    folder = tmp_path_factory.mktemp("site") / "pages"
    write_tree(folder)
    return folder


def rows_of(page):
    """The rows of all tables of a page by their first cell, where that is code."""
    cells = (re.split(r"(?<!\\) \| ", line[2:-2]) for line in page.splitlines() if line.startswith("| `"))
    return {first.strip("`"): rest for first, *rest in cells}


def test_no_link_leads_nowhere(site):
    assert dead_links(site) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "page.md").write_text("# A page\n\n[a](other.md) [b](#a-page) [c](#nothing) [d](page.md#else)\n")
    assert dead_links(tmp_path) == ["page.md: other.md", "page.md: page.md#else", "page.md: #nothing"]


def test_every_page_stands_in_the_navigation(site):
    loaded = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = set(re.findall(r"[\w./-]+\.md", yaml.safe_dump(loaded["nav"])))
    pages = {str(page.relative_to(site)) for page in site.rglob("*.md")}
    assert named <= pages
    assert {page for page in pages - named if not page.startswith("repository/")} == set()


def test_every_setting_is_explained():
    rows = rows_of(settings.experiment_settings())
    sections = experiment_schema()["properties"]
    keys = sections.keys() - settings.KINDS.keys()
    keys |= {key for name in settings.KINDS for key in sections[name]["properties"]}
    assert {key for key in keys if not rows[key][-1]} == set()
    assert rows["max_position_size"] == ["`0.2`", "number from 0", "largest position, as a share of equity"]
    assert {limit.name for limit in dataclasses.fields(Limits)} <= rows.keys()


def test_every_setting_of_the_runtime_is_explained():
    rows = rows_of(settings.runtime_settings())
    for key in LlmSettings.model_fields.keys() - {"sections"}:
        assert rows[key][-1], key
    assert rows["timeout_s"][:2] == ["`LLM_TIMEOUT_S`", "`30.0`"]
    assert "layers on the" in settings.runtime_settings()


def test_a_comment_of_the_starter_that_goes_on_is_told_whole():
    told = settings.comments(
        "a:\n  b: 1                # one thing\n                      # and more\n# c: 2  # another\n"
    )
    assert told == {"a": {"b": "one thing and more"}, "": {"c": "another"}}


def test_every_fact_command_part_and_public_name_has_its_entry():
    facts = rows_of(terms.facts())
    assert {f"ARM.{key}" for key in ARM_TERMS} | {f"FIRST-SECOND.{key}" for key in PAIR_TERMS} <= facts.keys()
    told = commands.command_line()
    assert all(f"## btllm {name}\n" in told for name in ("demo", "compare", "models pull", "trials check"))
    assert "`--arm`" in told
    assert {*BASELINES, *SOURCES, *NULLS} <= rows_of(parts.parts()).keys()
    names = api.python_api()
    assert all(f"### {name}\n" in names for name in llm_strategy.__all__)
    assert " at 0x" not in names
    assert "    symbol: str = '',\n" in names


@pytest.mark.parametrize("page", [ROOT / "README.md"], ids=["README.md"])
def test_the_figures_of_the_demo_are_those_of_the_example_report(page):
    """Each row of the table, and each figure of the sentence below it, stands in the committed report."""
    text = page.read_text(encoding="utf-8")
    example = (ROOT / "reports" / "example" / "report.md").read_text(encoding="utf-8")
    heads, *rows = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    shown_heads = next(cells(line) for line in example.splitlines() if line.startswith("| Arm |"))
    columns = {"total return": "Return", "Sharpe": "Sharpe", "max drawdown": "Drawdown", "volatility": "Volatility"}
    columns |= {"exposure": "Exposure", "trades": "Trades"}
    places = [shown_heads.index(columns[head]) for head in heads[1:]]
    shown = {}
    for row in map(cells, (line for line in example.splitlines() if line.startswith("| "))):
        if len(row) == len(shown_heads):
            shown.setdefault(row[0].removesuffix(" (no gate)"), [row[place] for place in places])
    assert len(rows) >= 7
    for name, *figures in rows:
        assert figures == shown[name], name
    sentence = text.partition("**Repeats its prompt**")[2].partition("\n\n")[0]
    for figure in re.findall(r"\d+\.\d+%", sentence):
        assert figure in example.partition("## ")[0], figure


def cells(line):
    return [cell.strip() for cell in line.strip("| ").split(" | ")]
