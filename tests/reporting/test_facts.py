"""Facts of whole folders: every figure named once, spelled once, and the same on every reading."""

import json
import math
import os
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from record_factory import ARMS, write_comparison, write_run

from llm_strategy.errors import RunFolderError
from llm_strategy.support.outside_text import spelled_out_json
from simulator.evaluation.regimes import LABELS
from simulator.folder.record import load_record
from simulator.reporting.explanation.section import explanation_facts
from simulator.reporting.facts.fact import Fact, read_facts, show, write_facts
from simulator.reporting.facts.terms import Unit
from simulator.reporting.page import build_facts, render

GOLDEN = Path(__file__).parents[1] / "golden"


def facts_of(made):
    return build_facts(load_record(made.folder))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return write_comparison(tmp_path_factory.mktemp("comparison"), bars=420)


@pytest.fixture(scope="module")
def facts(comparison):
    return facts_of(comparison)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, Unit.FRACTION, "12.3%"),
        (-0.0004, Unit.FRACTION, "-0.04%"),
        (0.0, Unit.FRACTION, "0.0%"),
        (-1e-17, Unit.FRACTION, "0.0%"),
        (12.5, Unit.FRACTION, "1,250.0%"),
        (108_894_701_095_000_000.0, Unit.FRACTION, "1.1e+19%"),
        (-9_999_999.0, Unit.FRACTION, "-999,999,900.0%"),
        (0.123, Unit.POINTS, "12.3 pp"),
        (-0.0004, Unit.POINTS, "-0.04 pp"),
        (-0.456, Unit.RATIO, "-0.46"),
        (0.0005, Unit.RATIO, "0.0005"),
        (-0.0, Unit.RATIO, "0.00"),
        (1234567.891, Unit.CURRENCY, "1,234,567.89"),
        (5031, Unit.BARS, "5,031"),
        (12.34, Unit.SECONDS, "12.3 s"),
        ("bull", Unit.TEXT, "bull"),
        ("", Unit.TEXT, "n/a"),
        (None, Unit.RATIO, "n/a"),
    ],
)
def test_one_spelling_for_a_value(value, unit, text):
    assert show(value, unit) == text


def test_every_fact_is_whole(facts):
    for name, fact in facts.items():
        assert fact.id == name == f"{fact.subject}.{fact.metric}"
        assert fact.label
        assert fact.text
        assert isinstance(fact.value, str) == (fact.unit is Unit.TEXT)
        assert not isinstance(fact.value, float) or math.isfinite(fact.value)


def test_figures_stand_under_their_names(facts, comparison):
    expected = [
        "run.bars", "run.verdict", "model.asked", "llm.sharpe", "llm.clamps.max_position_size", "llm.statuses.repaired",
        "llm.abstentions.timeout", "llm.repairs.code_fence", "llm.policy_reasons.label_and_action", "llm.verdicts.deny",
        "llm.regime.bull.share", "llm.orders.entry.completed", "never.trades", "llm-regime_rule.label_kappa",
        "llm-regime_rule.labels.bull.bear", "llm-random.sharpe_difference", "llm-random.low", "llm-random.detectable",
    ]  # fmt: skip
    assert [name for name in expected if name not in facts] == []
    assert facts["run.bars"].value == 420
    assert facts["run.decision_bars"].value == len(pd.read_csv(comparison.folder / "llm" / "equity.csv"))
    assert facts["llm.sharpe"].label == "annual Sharpe ratio of llm"


def test_counts_add_up(facts):
    decisions = facts["llm.decisions"].value
    assert sum(facts[f"llm.statuses.{kind}"].value for kind in ("advised", "repaired", "abstained")) == decisions
    assert sum(facts[f"llm.verdicts.{kind}"].value for kind in ("allow", "review", "deny")) == decisions
    labelled = sum(facts[f"llm.regime.{label}.bars"].value for label in LABELS)
    assert labelled + facts["llm.unlabelled"].value == decisions
    assert sum(facts[f"llm.regime.{label}.share"].value for label in LABELS) == pytest.approx(1)
    both = sum(facts[f"llm-regime_rule.labels.{one}.{other}"].value for one in LABELS for other in LABELS)
    assert both == facts["llm-regime_rule.label_bars"].value


def test_differences_and_ranks_follow_from_the_arms(facts):
    for other in ARMS[1:]:
        gap = facts["llm.total_return"].value - facts[f"{other}.total_return"].value
        assert facts[f"llm-{other}.return_difference"].value == pytest.approx(gap)
    returns = sorted((facts[f"{arm}.total_return"].value for arm in ARMS), reverse=True)
    for arm in ARMS:
        assert returns.index(facts[f"{arm}.total_return"].value) + 1 == facts[f"{arm}.total_return_rank"].value
    drawdowns = sorted(facts[f"{arm}.max_drawdown"].value for arm in ARMS)
    assert facts["llm.max_drawdown_rank"].value == drawdowns.index(facts["llm.max_drawdown"].value) + 1


def test_an_arm_that_never_traded_has_no_ratios(facts):
    for metric in ("sharpe", "hit_rate", "profit_factor", "worst_trade", "sharpe_rank"):
        assert facts[f"never.{metric}"].text == "n/a"
    assert facts["llm-never.sharpe_difference"].text == "n/a"
    assert facts["llm-never.verdict"].text == "inconclusive"


def test_facts_are_the_same_on_every_reading(comparison, facts, tmp_path):
    write_facts(facts, tmp_path / "once.json")
    write_facts(facts_of(comparison), tmp_path / "twice.json")
    once = (tmp_path / "once.json").read_bytes()
    assert once == (tmp_path / "twice.json").read_bytes()
    assert read_facts(tmp_path / "once.json") == facts
    assert [row["id"] for row in json.loads(once)] == sorted(facts)


def test_a_fact_is_written_as_json_writes_it(tmp_path):
    values = [1, -3, 10**20, 1.5, -0.0, 1e300, 1e-7, math.nan, -math.inf, 'a"\\b\n\u202e', "%s"]
    facts = {f"x.{at}": Fact(f"x.{at}", "x", "<%d>", value, Unit.RATIO, "é", "t") for at, value in enumerate(values)}
    write_facts(facts, tmp_path / "facts.json")
    rows = [json.dumps(asdict(facts[name]), sort_keys=True, ensure_ascii=False) for name in sorted(facts)]
    assert (tmp_path / "facts.json").read_text(encoding="utf-8") == spelled_out_json("[\n" + ",\n".join(rows) + "\n]\n")


def test_an_arm_of_a_comparison_is_measured_alone_with_the_same_figures(comparison, facts):
    alone = build_facts(load_record(comparison.folder / "llm"))
    assert alone["llm.sharpe"] == facts["llm.sharpe"]
    assert alone["llm.slippage"] == facts["llm.slippage"]
    assert alone["run.verdict"].text == "not compared"


def test_a_dead_advisor_is_the_verdict(tmp_path):
    facts = facts_of(write_comparison(tmp_path, dead=True))
    assert facts["llm.life"].text == facts["run.verdict"].text.removesuffix(" advisor") == "dead"
    assert (facts["llm.constant_label"].text, facts["llm.constant_share"].text) == ("bull", "100.0%")


def test_a_failed_arm_has_figures_and_no_comparison(tmp_path):
    facts = facts_of(write_comparison(tmp_path, failed="sma_cross"))
    assert facts["run.status"].text == "failed"
    assert facts["run.failed_arms"].text == "sma_cross"
    assert facts["sma_cross.decisions"].value < facts["llm.decisions"].value
    assert facts["llm-sma_cross.sharpe_difference"].text == "n/a"
    assert facts["llm-random.sharpe_difference"].text != "n/a"
    assert facts["run.verdict"].text != "failed"


def test_a_run_that_failed_at_once_has_facts(tmp_path):
    folder = write_run(tmp_path, failed=True).folder
    (folder / "decisions.jsonl").write_text("")
    for name in ("orders.csv", "trades.csv", "equity.csv"):
        (folder / name).write_text((folder / name).read_text().splitlines()[0] + "\n")
    facts = build_facts(load_record(folder))
    assert (
        facts["llm.total_return"].text == facts["llm.coherent_share"].text == facts["run.first_decision"].text == "n/a"
    )
    assert facts["run.verdict"].text == "failed"


def test_rules_alone_have_no_verdict(tmp_path):
    facts = facts_of(write_comparison(tmp_path, arms=("buy_and_hold", "sma_cross")))
    assert facts["run.verdict"].text == "no model"
    assert not any(fact.subject.startswith("llm") for fact in facts.values())


@pytest.mark.parametrize("content", ["", "[{}]", '[{"id": "x"}]', "{"])
def test_a_broken_facts_file_is_said_in_one_sentence(tmp_path, content):
    path = tmp_path / "facts.json"
    path.write_text(content)
    with pytest.raises(RunFolderError, match=r"cannot be read .*: build the report again"):
        read_facts(path)


def test_facts_that_cannot_be_written_are_said_in_one_sentence(tmp_path, facts):
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_facts(facts, tmp_path / "nowhere" / "facts.json")


def test_counts_of_an_explanation_are_facts():
    statement = {"conditions": ["market.drawdown < -0.1"], "direction": "up", "horizon": 20, "effect": 0.01}
    counts = {"written_by_model": 5, "shown": 3, "refused": 2, "asked_again": 1}
    facts = explanation_facts({"counts": counts, "paragraphs": [{"statements": [statement]}]})
    told = {name: fact.value for name, fact in facts.items()}
    assert told.pop("explanation.test.1").startswith("After closes with market drawdown below -10%")
    assert told == {f"explanation.{name}": count for name, count in counts.items()}


def test_facts_and_report_against_the_golden_files(tmp_path):
    """``UPDATE_GOLDEN=1`` writes them anew; look at what changed before you keep it."""
    arms = ("llm", "buy_and_hold", "regime_rule", "never", "market")
    settings = {**dict.fromkeys(arms), "market": {"ungated": "buy_and_hold"}}
    made = write_comparison(tmp_path, arms=arms, settings=settings, bars=500, seed=11, explained=True)
    record = load_record(made.folder)
    facts = build_facts(record)
    write_facts(facts, tmp_path / "facts.json")
    explanation = json.loads((tmp_path / "explanation.json").read_text())
    made = {
        "facts.json": (tmp_path / "facts.json").read_text(encoding="utf-8"),
        "report.md": render(record, facts, explanation).markdown,
    }
    for name, text in made.items():
        if os.environ.get("UPDATE_GOLDEN"):
            GOLDEN.mkdir(exist_ok=True)
            (GOLDEN / name).write_text(text, encoding="utf-8")
        assert text == (GOLDEN / name).read_text(encoding="utf-8")
