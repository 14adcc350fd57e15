"""What the report says in words of its own: costs in force, fills nobody could have had, harm, symbols."""

import json
import re
from dataclasses import asdict

import pandas as pd
import pytest
from record_factory import write_comparison, write_run

from llm_strategy.costs.costs import Costs
from llm_strategy.errors import RunFolderError
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator import Result, rebuild_report
from simulator.cli.console import print_result
from simulator.folder.record import load_record
from simulator.reporting.explanation.parts import names_of, parts
from simulator.reporting.explanation.prose import Reader
from simulator.reporting.explanation.relations import Claim, Known, UnbackedError, check_claim
from simulator.reporting.explanation.written import question
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.page import build_facts, render
from simulator.reporting.sections.arms import add_costs, cost_sentences, fill_sentence
from simulator.reporting.sections.symbols import slugs_of
from simulator.reporting.verdict_words import untested

pytestmark = pytest.mark.slow

HARM = {"worst_return": -0.31, "worst_drawdown": 0.33, "bound": 0.41}


def told(costs, sentences):
    table = FactTable()
    add_costs(table, json.loads(json.dumps(asdict(costs))))
    said = sentences(table.facts)
    return re.sub(r"\{([^}]+)\}", lambda found: table.facts[found[1]].text, said if isinstance(said, str) else said[1])


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (
            Costs(),
            "Costs in force: commission 5 basis points of the traded value; slippage 5 basis points of the price.",
        ),
        (
            Costs(preset="us_equities", slippage_bps=0),
            "Costs in force (preset us_equities): commission 0.005 a share, at least 1 a trade, at most 100 basis "
            "points of the value.",
        ),
        (
            Costs(
                commission_tiers=({"above": 0, "bps": 12.5}, {"above": 250_000, "bps": 8}), slippage_bps=0,
                spread_bps=3, borrow_rate=0.0125, financing_rate=0.06,
            ),
            "Costs in force: commission 12.5 basis points of a trade worth more than 0, 8 basis points of a trade "
            "worth more than 250,000; slippage half of a spread of 3 basis points; borrowed shares cost 1.25% a year; "
            "borrowed cash costs 6% a year.",
        ),
        (
            Costs(commission_bps=0, slippage_bps=0, slippage_volatility=0.1, impact=0.7),
            "Costs in force: slippage 0.1 times the volatility of one bar, market impact of 0.7 times the volatility "
            "of one bar times the square root of the order's share of the bar's volume.",
        ),
        (
            Costs(commission_bps=0, slippage_bps=0),
            "No costs are charged, neither commission nor slippage: real figures would be worse.",
        ),
    ],
)  # fmt: skip
def test_only_costs_in_force_are_told(costs, words):
    assert told(costs, cost_sentences) == words


def test_what_fills_is_told():
    assert told(Costs(), fill_sentence).endswith("there is no market impact.")
    bounded = told(Costs(max_fill_share=0.1, impact=1), fill_sentence)
    assert bounded == "Orders fill up to 10% of a bar's volume on each bar."


def test_slugs_are_plain_and_no_two_alike():
    symbols = ["BRK.B", "BRK B", "BRK_B", "^GSPC", "BTC-USD", "日経", "{x}", "...", "|", "a.b"]
    slugs = slugs_of(symbols)
    assert set(slugs) == set(symbols)
    assert len(set(slugs.values())) == len(symbols)
    assert all(re.fullmatch(r"[\w-]+", slug) for slug in slugs.values())
    assert (slugs["^GSPC"], slugs["BTC-USD"], slugs["日経"]) == ("GSPC", "BTC-USD", "日経")
    assert slugs_of(reversed(symbols)) == slugs


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    arms = ("buy_and_hold", "sma_cross", "regime_rule")
    symbols = ("^A", "B|<b>", "{Z}")
    return write_comparison(folder, arms=arms, symbols=symbols, ended=20, harm=HARM, seed=3).folder


def test_each_symbol_has_its_facts(three):
    record = load_record(three)
    facts = build_facts(record)
    assert (facts["run.symbols"].value, facts["run.symbol"].text) == (3, "B|<b>, ^A, {Z}")
    assert facts["run.ended_symbols"].text == "{Z}"
    trades = record.arms[0].trades
    for symbol, slug in slugs_of(record.prices).items():
        known = {metric: facts[f"symbol.{slug}.{metric}"].value for metric in ("bars", "decisions", "trades")}
        own = [made for made in record.arms[0].decisions if made["snapshot"]["symbol"] == symbol]
        bars = len(record.prices[symbol])
        assert known == {"bars": bars, "decisions": bars - 60, "trades": int((trades["symbol"] == symbol).sum())}
        change = record.prices[symbol]["close"].iloc[-1] / own[0]["snapshot"]["close"] - 1
        assert facts[f"symbol.{slug}.price_change"].value == pytest.approx(change)
        assert facts[f"symbol.{slug}.net_profit"].value == pytest.approx(
            trades[trades["symbol"] == symbol]["net"].sum()
        )
    assert facts["symbol.Z.held"].text == "yes, cannot be sold"
    assert facts["symbol.A.held"].text == "yes"


def test_a_symbol_that_ended_is_said_to_have_ended(three):
    record = load_record(three)
    report = render(record, build_facts(record), None)
    assert "The data of {Z} end before the last bar of the run. A position in {Z} was held there" in report.markdown
    text = re.sub(r"\s+", " ", re.sub(r"<(?!b>)[^>]+>", "", report.html))
    assert "is marked at its last close until the end and cannot be sold" in text
    assert "<b>" not in report.html
    (price,) = re.findall(r'<figure id="price".*?</figure>', report.html, re.DOTALL)
    named = re.findall(r'<text class="name"[^>]*>([^<]*)</text>', price)
    assert named == ["B|&lt;b&gt;", "^A", "{Z}"], "each symbol is drawn once, the one that ended too"


def test_the_table_of_symbols_is_in_the_result(three):
    rebuild_report(three)
    table = Result.load(three).symbols
    assert list(table.index) == ["B|<b>", "^A", "{Z}"]
    assert list(table["decisions"]) == [260, 260, 240]
    assert set(table["ended"]) == {"no", "yes"}


def test_many_symbols_draw_the_most_traded_one_and_are_counted(tmp_path):
    symbols = tuple(f"S{number}" for number in range(9))
    record = load_record(write_run(tmp_path, arm="sma_cross", symbols=symbols, bars=120).folder)
    facts = build_facts(record)
    assert facts["run.symbol"].text == "S0, S1, S2, S3, S4 and 4 more"
    most = record.arms[0].trades["symbol"].value_counts()
    html = render(record, facts, None).html
    drawn = re.findall(r"<text[^>]*>(S\d)</text>", html)  # a chart is drawn once
    assert "Price of the most traded symbol" in html
    assert drawn == [most[most == most.max()].index.sort_values()[0]]
    mean = pd.Series([facts[f"symbol.{symbol}.price_change"].value for symbol in symbols]).mean()
    assert facts["run.mean_price_change"].value == pytest.approx(mean)
    said = re.sub(r"<[^>]+>", "", html)
    assert f"changed by {facts['run.mean_price_change'].text} on average" in said
    assert "that of S1 by" not in said, "a list of nine price changes is what the table of symbols is for"


def test_the_worst_advice_is_told_beside_the_market(three):
    record = load_record(three)
    facts = build_facts(record)
    text = render(record, facts, None).markdown
    assert "would have returned -31.0% and lost 33.0% from its highest value" in text
    assert f"buy_and_hold returned {facts['buy_and_hold.total_return'].text} and lost" in text
    assert "could have lost more than 41.0%" in text
    assert "did not hold" not in text


def test_a_breach_of_the_bound_is_not_hidden(tmp_path):
    write_comparison(tmp_path, arms=("sma_cross", "never"), harm=HARM | {"worst_drawdown": 0.5})
    record = load_record(tmp_path)
    assert "the limits did not hold" in render(record, build_facts(record), None).markdown


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"bound": 1}', '{"worst_return": NaN, "worst_drawdown": 1, "bound": 1}']
)
def test_a_broken_harm_file_is_said_in_one_sentence(tmp_path, content):
    write_comparison(tmp_path, arms=("sma_cross", "never"))
    (tmp_path / "harm.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"harm.json cannot be read \(.*\): run the experiment again"):
        build_facts(load_record(tmp_path))


def test_without_a_measurement_of_harm_nothing_is_said(tmp_path):
    record = load_record(write_comparison(tmp_path, arms=("sma_cross", "never")).folder)
    assert "wanted to lose" not in render(record, build_facts(record), None).html


def test_fills_that_nobody_could_have_had_stand_above_everything(tmp_path, capsys):
    write_comparison(tmp_path, arms=("sma_cross", "never"), fill="same_close")
    for folder in (tmp_path, tmp_path / "sma_cross"):
        rebuild_report(folder)
        result = Result.load(folder)
        assert (
            (folder / "report.md").read_text().startswith("> **These results could not have been had.** Every market")
        )
        page = result.report.read_text()
        assert page.index("could not have been had") < page.index("<h1>")
        assert result.warning in re.sub(r"<[^>]+>", "", result._repr_html_())
    print_result(result, as_json=False)
    assert capsys.readouterr().out.startswith("These results could not have been had.")


def test_ordinary_fills_carry_no_warning(three):
    rebuild_report(three)
    assert Result.load(three).warning == ""
    assert "could not have been had" not in (three / "report.html").read_text()


def test_the_first_lines_say_that_a_benchmark_stopped_trading(tmp_path):
    write_comparison(tmp_path, arms=("llm", "buy_and_hold", "never"), max_drawdown=0.1)
    record = load_record(tmp_path)
    facts = build_facts(record)
    assert facts["buy_and_hold.kill_switch"].text != "never"
    assert facts["buy_and_hold.exits.kill_switch"].value == 1
    first = render(record, facts, None).markdown.split("\n## ")[0]
    said = f"The kill switch took buy_and_hold out of the market for good on {facts['buy_and_hold.kill_switch'].text}"
    assert said in first
    assert first.index(said) < first.index("Against buy_and_hold")


def test_the_model_is_neither_shown_nor_heard_on_what_is_not_there(tmp_path):
    record = load_record(write_comparison(tmp_path, arms=("llm", "never")).folder)
    facts = build_facts(record)
    assert facts["never.sharpe"].text == "n/a"
    known = Known(facts, facts)
    with pytest.raises(UnbackedError, match="there is no annual Sharpe ratio of never to tell"):
        Reader(known, names_of(["never"], "never"), "never").read("The Sharpe ratio of never is {never.sharpe}", ())
    asked = [question(part, ScriptedClient([])) for part in parts(facts)]
    assert not any("n/a" in message.content for request in asked for message in request.messages)


def test_symbols_are_not_among_the_arms_of_a_superlative(three):
    facts = build_facts(load_record(three))
    fewest = min(("buy_and_hold", "sma_cross", "regime_rule"), key=lambda arm: facts[f"{arm}.trades"].value)
    check_claim(Claim("smallest", (f"{fewest}.trades",)), Known(facts, facts))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"arms": ("llm", "never")}, "there is nothing to test: never never traded."),
        (
            {"arms": ("llm", "buy_and_hold"), "bars": 75},
            "there is nothing to test: the two have too few bars in common.",
        ),
    ],
)
def test_nothing_to_test_names_the_one_cause(tmp_path, how, said):
    record = load_record(write_comparison(tmp_path, **how).folder)
    facts = build_facts(record)
    told = untested(record, *how["arms"], facts)
    assert f"there is nothing to test: {told}." == said


def test_a_failed_arm_is_the_cause_before_all_others(tmp_path):
    record = load_record(write_comparison(tmp_path, arms=("llm", "buy_and_hold"), failed="buy_and_hold").folder)
    facts = build_facts(record)
    first = render(record, facts, None).markdown.split("\n## ")[0]
    assert "Against buy_and_hold there is nothing to test: buy_and_hold failed." in first
