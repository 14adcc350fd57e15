"""The tear sheet and the parts of a return, as a page tells them of a made-up comparison."""

import json
import math
import re
from dataclasses import replace

import pandas as pd
import pytest
from page_parser import Page, without_script
from record_factory import write_comparison, write_run

from simulator.folder.record import load_record
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.page import build_facts, render
from simulator.reporting.sections.tear import costs

ARMS = ("llm", "buy_and_hold", "regime_rule", "market")
SETTINGS = {**dict.fromkeys(ARMS), "market": {"ungated": "buy_and_hold"}}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    made = write_comparison(tmp_path_factory.mktemp("tear"), arms=ARMS, settings=SETTINGS, bars=420, samples=100)
    return load_record(made.folder)


@pytest.fixture(scope="module")
def facts(record):
    return build_facts(record)


@pytest.fixture(scope="module")
def page(record, facts):
    return render(record, facts, None)


def values(facts, prefix):
    return {name.removeprefix(prefix): fact.value for name, fact in facts.items() if name.startswith(prefix)}


def section(html, heading):
    start = html.index(f'id="{heading}"')
    return html[start : html.index("</section>", start)]


def test_months_and_years_compound_to_the_return_of_the_arm(facts):
    months = [value for name, value in values(facts, "llm.calendar.").items() if re.fullmatch(r"\d{4}\.\d\d", name)]
    years = [value for name, value in values(facts, "llm.calendar.").items() if name.endswith(".total")]
    for parts in (months, years):
        assert math.prod(1 + part for part in parts) - 1 == pytest.approx(facts["llm.total_return"].value)
    assert facts["llm.calendar.months"].value == len(months)


def test_each_year_stands_beside_the_market(facts):
    for year in ("2001", "2002"):
        own, market, beyond = (facts[f"llm.calendar.{year}.{name}"].value for name in ("total", "market", "beyond"))
        assert beyond == pytest.approx(own - market)
    grown = math.prod(1 + facts[f"llm.calendar.{year}.market"].value for year in ("2001", "2002"))
    assert grown - 1 == pytest.approx(facts["market.total_return"].value)


def test_a_month_has_its_shade_and_its_figure(page, facts):
    cells = re.findall(
        r'<td data-tint="(-?\d)"><data data-fact="(llm\.calendar\.[\d.]+)"', section(page.html, "tear-sheet")
    )
    assert len(cells) == facts["llm.calendar.months"].value
    for tint, name in cells:
        assert int(tint) * facts[name].value >= 0
    assert {abs(int(tint)) for tint, _ in cells} >= {0, 4}


def test_the_worst_drawdowns_are_dated_and_say_what_was_advised(record, page, facts):
    assert facts["llm.drawdown.1.depth"].value == facts["llm.max_drawdown"].value
    depths = [value for name, value in values(facts, "llm.drawdown.").items() if name.endswith(".depth")]
    assert len(depths) > 1
    assert depths == sorted(depths, reverse=True)
    peak = facts["llm.drawdown.1.peak"].value
    (said,) = (entry for entry in record.arm("llm").entries if entry.decision.snapshot.time.startswith(peak))
    row = next(row for row in section(page.html, "drawdowns").split("<tr>") if "beginning of" in row and peak in row)
    assert said.decision.advice.rationale in row
    assert said.decision.advice.action.type.value in row


def test_the_parts_of_each_row_add_up_to_the_return(facts):
    earned = values(facts, "llm.earned.")
    rows = {name.removesuffix(".total") for name in earned if name.endswith(".total")}
    assert {"all", "year.2001", "year.2002", "regime.bull"} <= rows
    steps = ("exposure", "gate", "rule", "advice")
    for row in rows:
        parts = [earned[f"{row}.{step}"] for step in (*steps, "compounding")]
        assert sum(parts) == pytest.approx(earned[f"{row}.total"], abs=1e-10)
    for kind in ("year.", "regime."):
        for step in steps:
            summed = sum(earned[f"{row}.{step}"] for row in rows if row.startswith(kind))
            assert summed == pytest.approx(earned[f"all.{step}"], abs=1e-10)
    assert earned["all.total"] == pytest.approx(facts["llm.total_return"].value)


def test_costs_lead_from_gross_to_net(facts):
    found = values(facts, "llm.waterfall.")
    paid = [found[name] for name in ("commission", "slippage", "carry", "interest")]
    assert found["gross"] + sum(paid) == pytest.approx(found["profit"])
    assert found["commission"] == -facts["llm.commission"].value
    assert found["profit"] == pytest.approx(facts["llm.closed_profit"].value + (open_profit(facts)), abs=1)


def open_profit(facts):
    held = facts["llm.open_profit"].value
    return 0.0 if isinstance(held, str) else held


@pytest.mark.parametrize(
    ("usage", "told", "words"),
    [
        ({"asked": 5, "cost": 1.25, "unpriced": 0}, -1.25, "all draws together, at the configured prices"),
        ({"asked": 5, "cost": 1.25, "unpriced": 2}, None, "is not known, because no price is configured"),
        ({"asked": 0, "cost": 0.0, "unpriced": 0}, None, "was asked nothing in this run"),
        ({"asked": 5}, None, "is not on record"),
    ],
    ids=["priced", "unpriced", "nothing asked", "earlier version"],
)
def test_the_money_of_the_model_is_told_or_said_to_be_unknown(record, facts, usage, told, words):
    arms = {arm.name: arm for arm in record.arms}
    arms["llm"] = replace(arms["llm"], manifest=arms["llm"].manifest | {"usage": usage})
    changed = replace(record, arms=tuple(arms.values()))
    table = FactTable()
    table.facts |= {name: fact for name, fact in facts.items() if ".waterfall." not in name}
    costs.facts(table, changed)
    cost = table.facts.get("llm.waterfall.model")
    assert (cost and cost.value) == told
    if told is not None:
        assert table.number("llm.waterfall.after_model") == pytest.approx(table.number("llm.waterfall.profit") + told)
    assert words in str(list(costs.blocks(changed, table.facts)))


def test_every_figure_names_what_it_shows(page):
    for name in ("rolling-figure", "underwater", "spread", "excursions-figure", "costs-waterfall-figure"):
        assert page.html.count(f'<figure id="{name}"') == 1


def test_the_short_report_has_the_years_and_the_parts_too(page):
    assert "## Tear sheet of llm" in page.markdown
    assert re.search(r"^\| 2001 .*pp \|$", page.markdown, re.MULTILINE)
    assert "| The run |" in page.markdown


def three_bars(folder):
    for name in ("equity.csv", "decisions.jsonl"):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(lines[: 4 if name == "equity.csv" else 3]) + "\n")
    for name in ("orders.csv", "trades.csv"):
        (folder / name).write_text((folder / name).read_text().splitlines()[0] + "\n")


def ruined(folder):
    equity = pd.read_csv(folder / "equity.csv")
    equity.loc[len(equity) // 2 :, "equity"] = 0.0
    equity.to_csv(folder / "equity.csv", index=False)


def other_prices(folder):
    trades = pd.read_csv(folder / "trades.csv")
    trades.assign(entered="1999-01-04").to_csv(folder / "trades.csv", index=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (three_bars, ["too short for a moving window", "have no distribution", "llm made no trades"]),
        (ruined, ["has no returns, so there is nothing to tell", "never below an earlier value"]),
        (other_prices, ["The prices of this folder lack a bar of its trades"]),
    ],
    ids=["three bars", "ruined", "other prices"],
)
def test_what_cannot_be_told_is_a_sentence_and_no_figure(tmp_path, change, words):
    folder = write_run(tmp_path, bars=120).folder
    change(folder)
    alone = load_record(folder)
    known = build_facts(alone)
    shown = render(alone, known, None)
    assert [word for word in words if word not in shown.markdown] == []
    assert not [fact.id for fact in known.values() if isinstance(fact.value, float) and not math.isfinite(fact.value)]
    assert not re.search(r"\bnan\b|\binf\b", without_script(shown.html), re.IGNORECASE)
    assert Page(shown.html).problems == []


def test_a_run_alone_stands_beside_its_price_and_one_that_never_traded_says_so(tmp_path):
    alone = load_record(write_run(tmp_path, arm="never", bars=200).folder)
    shown = render(alone, build_facts(alone), None).markdown
    assert "| Year | Return | Price | Beyond it |" in shown
    assert "did not move in any of its" in shown
    assert "never made no trades." in shown
    assert "What earned it" not in shown


def test_a_hostile_rationale_at_a_drawdown_stays_text(tmp_path):
    evil = "<script>alert(1)</script> | {llm.sharpe} `x`"
    folder = write_run(tmp_path, bars=200).folder
    lines = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    for line in lines:
        if line["advice"]:
            line["advice"]["rationale"] = evil
    (folder / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    alone = load_record(folder)
    shown = render(alone, build_facts(alone), None)
    told = section(shown.html, "drawdowns")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | {llm.sharpe}" in told
    assert "<script" not in without_script(shown.html)
