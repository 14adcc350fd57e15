"""A stated knowledge cutoff: results up to it and behind it, and what is said where none is stated."""

import json
import shutil

import pytest
from small_run import SMALL, recording, seal, small

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.evaluation.knowledge import knowledge_of, shown_identity
from simulator.folder.record import load_record
from simulator.prices.universe import load_universe
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.render_markdown import MarkdownWriter
from simulator.reporting.sections import memory
from simulator.runs.answers import advisor_of
from simulator.runs.simulation import upcoming

ARMS = {"arms": ["llm", "buy_and_hold"]}
STATED = {"knowledge_until": "2001-04-30"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A comparison whose model states what it knows, and is shown the date."""
    client, _ = recording()
    advisor = {"knowledge_until": "2001-04-30", "unmasked": ["date"]}
    return simulator.compare(small(tmp_path_factory.mktemp("runs"), advisor=advisor, **ARMS), client=client).folder


def section(folder, until):
    """The section on a page as it would be with this cutoff, and its facts."""
    record, table = load_record(folder), FactTable()
    for arm in record.arms:
        arm.manifest["experiment"]["advisor"]["knowledge_until"] = until
    memory.facts(table, record)
    return MarkdownWriter(table.facts).section(memory.blocks(record, table.facts)), table.facts


def test_results_up_to_the_stated_cutoff_and_behind_it_are_told_apart(folder):
    facts = {row["id"]: row for row in json.loads((folder / "facts.json").read_text())}
    record = load_record(folder)
    equity = record.arm("llm").equity["equity"]
    before, after = equity[:"2001-04-30"], equity["2001-05-01":]
    assert facts["llm.known.bars"]["value"] == len(before) == len(equity) - facts["llm.unknown.bars"]["value"]
    assert facts["llm.known.total_return"]["value"] == pytest.approx(before.iloc[-1] / before.iloc[0] - 1)
    assert facts["llm.unknown.total_return"]["value"] == pytest.approx(after.iloc[-1] / before.iloc[-1] - 1)
    assert facts["llm.knowledge_share"]["value"] == pytest.approx(len(before) / len(equity))
    known = knowledge_of(record, record.arm("llm"))
    assert (known.until, known.identifies) == ("2001-04-30", ("the date",))
    assert knowledge_of(record, record.arm("buy_and_hold")) is None
    assert "may have read about the bars" in (folder / "report.html").read_text()
    assert "may have remembered the period" in (folder / "report.md").read_text()


def test_what_a_text_beside_the_market_tells_of_the_period_is_shown_too(folder, tmp_path):
    changed = shutil.copytree(folder, tmp_path / "copy")
    journal = changed / "llm" / "decisions.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        told = {"source": "news", "text": f"[1] {line['time'][:10]}: nothing new."}
        line |= {"prompt": line["prompt"].replace(line["time"][:10], "a day"), "context": [told]}
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seal(changed)
    assert shown_identity(load_record(changed).arm("llm")) == ("the date",)


def test_a_model_without_a_stated_cutoff_is_said_to_have_none(folder):
    text, facts = section(folder, None)
    assert "no stated knowledge cutoff" in text
    assert facts["llm.knowledge_until"].text == "not stated"
    assert "llm.known.sharpe" not in facts


@pytest.mark.parametrize(
    ("until", "word"), [("2019-01-01", "100.0% of the bars"), ("1990-01-01", "All bars are behind its stated")]
)
def test_a_cutoff_outside_the_window_has_no_figure_that_is_none(folder, until, word):
    text, _ = section(folder, until)
    assert word in text
    assert "nan" not in text.lower()
    assert "n/a" in text


def test_a_cutoff_changes_no_request_and_is_a_part_of_the_experiment():
    experiments = [simulator.Experiment.from_mapping(SMALL | {"advisor": advisor}) for advisor in ({}, STATED)]
    requests = []
    for experiment in experiments:
        advisor = advisor_of(recording()[0], experiment.advisor)
        requests.append(advisor.request(upcoming(load_universe(experiment.data), experiment).snapshots[-1]))
    assert requests[0] == requests[1]
    assert "knowledge_until" not in experiments[0].as_dict()["advisor"], "it is what it was before there were cutoffs"
    assert simulator.Experiment.from_mapping(experiments[1].as_dict()) == experiments[1] != experiments[0]


@pytest.mark.parametrize("until", ["2023-13-01", "2023", 2023, "soon"])
def test_a_cutoff_that_is_no_day_is_refused_in_a_sentence(until):
    with pytest.raises(ConfigurationError, match="knowledge_until"):
        simulator.Experiment.from_mapping({"advisor": {"knowledge_until": until}})
