"""The page as a reader meets it: figures that are facts, outside text that stays text, and sense in every case."""

import json
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from html import unescape

import pytest
from drawn_record import add_draws, growing, unchanged
from page_parser import Page, without_script
from record_factory import ARMS, EXPLANATION, write_comparison, write_run

from llm_strategy.support.strict_yaml import parse_yaml
from simulator.folder.record import load_record
from simulator.hypotheses.statement import Hypothesis
from simulator.reporting.explanation.section import explanation_facts
from simulator.reporting.page import build_facts, render
from simulator.reporting.sections.decisions import LISTED

pytestmark = pytest.mark.slow

HARM = {"worst_return": -0.3, "worst_drawdown": 0.31, "bound": 0.4}


def rendered(made, explanation=None):
    record = load_record(made.folder)
    facts = build_facts(record)
    return render(record, facts, explanation), facts


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return write_comparison(tmp_path_factory.mktemp("comparison"), bars=420)


@pytest.fixture(scope="module")
def report(comparison):
    return rendered(comparison, EXPLANATION)


def noted(made, *notes):
    path = made.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"notes": notes}))
    return made


CASES = {
    "comparison": lambda folder: write_comparison(folder),
    "explained": lambda folder: write_comparison(folder, explained=True),
    "dead": lambda folder: write_comparison(folder, dead=True),
    "failed arm": lambda folder: write_comparison(folder, failed="sma_cross"),
    "failed model": lambda folder: write_comparison(folder, failed="llm"),
    "rules only": lambda folder: write_comparison(folder, arms=("sma_cross", "regime_rule")),
    "no benchmark": lambda folder: write_comparison(folder, arms=("llm", "random")),
    "one run": lambda folder: write_run(folder),
    "one failed run": lambda folder: write_run(folder, failed=True),
    "one rule": lambda folder: write_run(folder, arm="sma_cross"),
    "never traded": lambda folder: write_run(folder, arm="never"),
    "several symbols": lambda folder: write_comparison(folder, symbols=("A1", "B2", "C3"), ended=20, harm=HARM),
    "many symbols": lambda folder: write_run(folder, symbols=tuple(f"S{n}" for n in range(8)), bars=120),
    "killed": lambda folder: write_comparison(folder, max_drawdown=0.1),
    "fills at the close": lambda folder: write_comparison(folder, fill="same_close"),
    "drawn": lambda folder: add_draws(write_comparison(folder), [growing(0.001), unchanged]),
    "noted": lambda folder: noted(write_comparison(folder), "a.csv: 3 for 1 at 2020-01-02.", "Ends at 20% | <b>."),
    "drawn alike": lambda folder: add_draws(write_run(folder), [unchanged], temperature=0.0),
}


@pytest.fixture(scope="module")
def report_of(tmp_path_factory):
    """Report and facts of a case, made once."""

    @cache
    def report_of(case):
        made = CASES[case](tmp_path_factory.mktemp("case"))
        path = made.folder / "explanation.json"
        explanation = json.loads(path.read_text()) if path.exists() else None
        report, facts = rendered(made, explanation)
        return report, facts | (explanation_facts(explanation) if explanation else {})

    return report_of


@pytest.mark.parametrize("case", CASES)
def test_every_number_of_a_page_is_the_text_of_a_fact(report_of, case):
    report, facts = report_of(case)
    page = Page(report.html)
    assert page.problems == []
    assert re.findall(r"\S*\d\S*", page.said) == []
    assert [name for name, text in page.facts if facts[name].text != text] == []
    assert len(page.facts) > 60
    assert numbers_that_are_no_facts(report.markdown, facts) == []


def numbers_that_are_no_facts(markdown, facts):
    """Words with digits outside quoted decisions and provenance that no fact's text holds."""
    told = re.sub(r"\| Close of .*?\n\n", "", markdown[: markdown.index("## Provenance")], flags=re.DOTALL)
    known = {word.strip(".,;:()|") for fact in facts.values() for word in fact.text.split()}
    words = (word.strip(".,;:()|*") for word in told.split())
    return [word for word in words if re.search(r"\d", word) and word not in known]


def test_a_number_that_is_no_fact_would_be_found(report):
    made, facts = report
    assert re.findall(r"\d+", Page(made.html.replace("Simulation only", "Simulation only 4711")).said) == ["4711"]
    wrong = made.markdown.replace("Simulation only", "Simulation only 4711")
    assert numbers_that_are_no_facts(wrong, facts | explanation_facts(EXPLANATION)) == ["4711"]


def test_the_same_folder_gives_the_same_bytes(comparison, report):
    assert rendered(comparison, EXPLANATION)[0] == report[0]


def test_a_page_needs_nothing_but_itself(report):
    html = report[0].html
    page = Page(html)
    assert not re.search(r"https?://|@import|url\((?!#)|<link|<img", html)
    assert "<script" not in without_script(html)
    assert all(target.startswith("#") and target[1:] in page.ids for target in page.hrefs)
    assert len(page.ids) == len(set(page.ids))
    referred = re.findall(r'(?:url\(|href="|aria-labelledby=")#?([\w-]+)', html)
    assert len(referred) > 10
    assert set(referred) <= set(page.ids)


def test_figures_are_drawn_once_in_theme_colours(report):
    figures = re.findall(r"<figure.*?</figure>", report[0].html, flags=re.DOTALL)
    assert len(figures) == 10
    for figure in figures[2:]:
        root = ElementTree.fromstring(figure)  # noqa: S314 - our own
        assert root.find("figcaption").text
        (drawn,) = (node for node in root.iter("div") if node.get("role") == "img")
        assert len(drawn.get("aria-label")) > len(root.find("figcaption").text) + 20, "what is to be seen is described"
        assert not re.search(r"#[0-9a-f]{6}\b", figure), "every colour comes from the style sheet"
        used = set(re.findall(r"var\((--[\w-]+)\)", figure))
        assert used <= set(re.findall(r"(--[\w-]+):", report[0].html))
    assert all("Lines: llm" in figure for figure in figures[2:4])
    assert "Shades: bull" in figures[4]
    assert all(name in figures[2] for name in ARMS)


def test_outside_text_stays_text(tmp_path):
    evil = "<script>alert(1)</script> | [link](http://x) `code` *a*\nnew line"
    folder = write_run(tmp_path, bars=120).folder
    lines = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    for line in lines:
        line["prompt"] = evil
        if line["advice"]:
            line["advice"]["rationale"] = evil
    (folder / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = json.loads((folder / "manifest.json").read_text()) | {"name": evil, "status": "failed", "problem": evil}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    record = load_record(folder)
    sentence = {"text": evil, "template": evil, "source": "model", "facts": []}
    paragraph = EXPLANATION["paragraphs"][0] | {"topic": evil, "sentences": [sentence]}
    explanation = EXPLANATION | {"paragraphs": [paragraph | {"refused": [{"text": evil, "why": evil}]}]}
    report = render(record, build_facts(record), explanation)
    assert "<script" not in without_script(report.html)
    assert Page(report.html).problems == []
    assert "<script" not in report.markdown
    assert "[link](" not in report.markdown
    assert "\nnew line" not in report.markdown
    rows = re.findall(r"^\|.*\|$", report.markdown, flags=re.MULTILINE)
    heading = next(row for row in rows if row.startswith("| Close of"))
    quoted = [row for row in rows if "alert" in row]
    assert quoted
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in quoted} == {heading.count("|")}


def first_words(report):
    return re.sub(r"\s+", " ", report.markdown.split("\n## ")[0])


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("dead", "The advisor is dead: whatever it was shown, it answered bull and enter_long"),
        ("failed arm", "Failed arms: sma_cross. The backend did not answer"),
        ("one failed run", "This run failed. The backend did not answer"),
        ("one run", "One arm ran alone"),
        ("one rule", "No model was asked: this is the rule sma_cross alone."),
        ("rules only", "No model was asked: the 2 arms are rules."),
        ("comparison", "It did worse than the rule: its Sharpe ratio is lower by more than luck makes it."),
        ("no benchmark", "Against random the annual Sharpe ratio differs by"),
        ("drawn", "Asked everything again (3 draws), the annual Sharpe ratio of llm came to"),
        ("drawn alike", "Asked everything again (2 draws), the advisor came to the same Sharpe ratio."),
    ],
)
def test_the_first_lines_say_what_matters(report_of, case, words):
    report, _ = report_of(case)
    assert words in first_words(report)
    assert words.split(":")[0].split(" by")[0] in re.sub(r"<[^>]+>", "", report.html.split("</header>")[0])


def test_a_dead_advisor_is_said_before_the_verdict(report_of):
    said = first_words(report_of("dead")[0])
    assert said.index("dead") < said.index("added nothing") < said.index("Against")


def test_each_sentence_of_the_explanation_shows_whose_it_is(report):
    html, markdown = report[0].html, report[0].markdown
    assert 'class="said model">The advice was compared with &lt;every&gt; other arm.' in html
    assert 'class="said program">No arm is said to be better than the others.' in html
    assert "<q>It made 990% because it is clever.</q> 990% is no fact" in html
    assert "compared with &lt;every&gt; other arm. (m) No arm is said to be better than the others. (p)" in markdown
    assert "990" not in markdown


def test_what_one_would_test_next_is_told_and_stands_as_an_experiment_takes_it(report):
    html, markdown = report[0].html, report[0].markdown
    assert "After closes with market drawdown below -10%, the mean change" in html
    assert "below -10%" in markdown
    lines = unescape(re.search(r"hypotheses:\n.*?(?=</)", html, flags=re.DOTALL)[0])
    (statement,) = parse_yaml(lines, "the page")["hypotheses"]["statements"]
    assert Hypothesis.from_document(statement, "a statement").horizon == 20


def test_without_an_explanation_there_is_no_heading_for_one(comparison):
    report, _ = rendered(comparison)
    assert "Explanation" not in report.html
    assert "Explanation" not in report.markdown


def test_decisions_trades_and_orders_are_bounded_and_the_rest_is_named(tmp_path):
    report, facts = rendered(write_run(tmp_path, bars=1500))
    assert facts["llm.decision_changes"].value > LISTED
    table = report.html[report.html.index('id="changes"') : report.html.index('id="trades"')]
    assert table.count("<tr>") == LISTED + 1
    assert facts["llm.decision_changes"].text in re.sub(r"<[^>]+>", "", table)
    assert "decisions.jsonl" in table
    assert "2006-09-29" in table, "the last of them are shown"


def test_a_run_shows_its_failures_by_kind(report):
    text = re.sub(r"<[^>]+>", " ", report[0].html)
    for words in ("timeout", "invalid", "code fence", "label and action", "max position size", "allow short", "review"):
        assert words in text
    assert "No answer within 30 s." in text


def test_what_the_prompts_showed_is_said(tmp_path):
    masked, _ = rendered(write_run(tmp_path / "masked"))
    assert "no symbol, date or price level" in masked.markdown
    folder = write_run(tmp_path / "lifted").folder
    lines = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    for line in lines:
        line["prompt"] = f"symbol: SYN; date: {line['time']}; {line['prompt']}"
    (folder / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = load_record(folder)
    assert (
        "was shown the symbol, the date: it may have recognised" in render(record, build_facts(record), None).markdown
    )
