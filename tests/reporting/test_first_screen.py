"""What somebody with money at stake sees first: the verdict, three plain sentences, and two pictures."""

import re
from dataclasses import replace

import pytest
from page_parser import chart_tree
from record_factory import write_comparison

from simulator.evaluation.verdict import Word
from simulator.folder.record import load_record
from simulator.reporting import first_screen
from simulator.reporting.facts.run import advised_arm
from simulator.reporting.page import build_facts, render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    settings = {"llm": None, "momentum": None, "regime_rule": None, "market": {"ungated": "buy_and_hold"}}
    how = {"arms": tuple(settings), "settings": settings, "bars": 420, "samples": 200}
    record = load_record(write_comparison(tmp_path_factory.mktemp("first"), **how).folder)
    facts = build_facts(record)
    return record, facts, render(record, facts, None)


def header(html):
    return html[html.index("<header>") : html.index("</header>")]


def test_three_sentences_say_what_was_earned_what_it_means_and_what_trading_took(made):
    record, facts, report = made
    arm = advised_arm(record)
    earned, means, traded = first_screen.plain_sentences(record, arm, facts)
    assert earned == (
        "Following llm made {llm.cagr} a year and lost {llm.max_drawdown} at worst; holding the market made "
        "{market.cagr} and lost {market.max_drawdown}."
    )
    short = {**facts, "run.years": replace(facts["run.years"], value=0.5)}
    assert first_screen.plain_sentences(record, arm, short)[0] == (
        "Following llm made {llm.total_return} in {run.years} years and lost {llm.max_drawdown} at worst; holding the "
        "market made {market.total_return} and lost {market.max_drawdown}."
    )
    assert means == first_screen._MEANS[Word(facts["run.verdict"].value)]
    assert "{llm.trades}" in traded
    assert f"- {means}" in report.markdown
    assert set(first_screen._MEANS) == set(Word) - {Word.NO_MODEL}


def test_the_differences_are_a_picture_with_zero_and_what_is_worth_having(made):
    record, facts, _ = made
    chart = first_screen.draw_differences(record, advised_arm(record), facts)
    root = chart_tree(chart)
    texts = [node.text for node in root.iter("text")]
    for benchmark in ("market", "rule"):
        assert f"minus the {benchmark}: {facts[f'llm.worth.{benchmark}'].text}" in texts
    uprights = [node for node in root.iter("line") if node.get("class") == "upright"]
    assert len(uprights) == 2
    intervals = [node.get("d") for node in root.iter("path") if node.get("data-line") == "interval"]
    reach = [re.fullmatch(r"M(\d+) \d+l(\d+) 0", path).groups() for path in intervals]
    low, high = (float(facts[f"llm.worth.market_{end}"].value) for end in ("low", "high"))
    first, second = (float(facts[f"llm.worth.rule_{end}"].value) for end in ("low", "high"))
    assert int(reach[0][1]) / int(reach[1][1]) == pytest.approx((high - low) / (second - first), rel=0.01)


def test_both_pictures_stand_before_the_table_of_arms(made):
    first = header(made[2].html)
    assert re.findall(r'<figure id="([\w-]+)"', first) == ["first-differences", "first-accounts"]
    legend = re.search(r'<figure id="first-accounts".*?<ul class="legend">(.*?)</ul>', first, re.DOTALL)[1]
    assert re.findall(r'data-line="(\w+)"', legend) == ["llm", "regime_rule", "market"]


def test_where_nothing_was_measured_there_is_no_picture_of_it(tmp_path):
    record = load_record(write_comparison(tmp_path, bars=120, samples=100, arms=("llm", "momentum")).folder)
    report = render(record, build_facts(record), None)
    assert 'id="first-differences"' not in report.html
    assert 'id="first-accounts"' not in report.html
    assert not re.search(r"\bnan\b", report.markdown, re.IGNORECASE)
