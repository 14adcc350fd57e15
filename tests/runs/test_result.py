"""A result in Python: one line, and tables by arm."""

import re
from dataclasses import replace
from html import unescape

import pandas as pd
import pytest
from small_run import reader, recording, small

import simulator
from llm_strategy.errors import AnswerTimeout, ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.risk import Limits
from simulator.experiment.configuration import Experiment
from simulator.folder.description import notes_on
from simulator.prices.universe import load_universe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    calls = iter(range(10_000))

    def script(request):
        return AnswerTimeout("No answer in time.") if next(calls) % 20 == 7 else reader(request)

    experiment = small(
        tmp_path_factory.mktemp("run"), advisor={"max_failure_rate": 1.0}, arms=["llm", "buy_and_hold", "momentum"],
        evaluation={"bootstrap_samples": 100},
    )  # fmt: skip
    return simulator.compare(experiment, client=recording(script)[0])


def test_a_result_prints_as_one_line(result):
    for text in (repr(result), str(result), f"{result}"):
        assert "\n" not in text
        assert len(text) < 250
        assert result.verdict in text
        assert str(result.report) in text
    assert len(result._repr_html_()) < 25_000


def test_the_verdict_comes_with_its_reasons_and_its_limits(result):
    assert result.verdict == result.verdicts["llm"] == "cannot tell"
    assert result.reasons == ["It decided over 151 bars; below 250 nothing is said."]
    assert "fewer than 250 bars" in result.chips
    assert any(line.startswith("Against the market: ") for line in result.rests_on)
    page, text = unescape(result._repr_html_()), result.report.with_suffix(".md").read_text()
    for said in (*result.reasons, *result.chips):
        assert said in page
        assert said in text
    assert all(line in page for line in result.rests_on)


def test_a_report_of_an_earlier_version_has_a_word_and_no_reasons(result):
    facts = {name: fact for name, fact in result.facts.items() if ".worth" not in name and "run.worth" not in name}
    earlier = replace(result, facts=facts)
    assert earlier.verdict == "cannot tell"
    assert earlier.reasons == earlier.chips == earlier.rests_on == []
    assert "Verdict: cannot tell." in earlier._repr_html_()


def test_equity_and_returns_have_a_column_an_arm(result):
    arms = ["llm", "buy_and_hold", "momentum", "market"]
    assert list(result.equity.columns) == list(result.returns.columns) == arms
    assert isinstance(result.equity.index, pd.DatetimeIndex)
    assert len(result.returns) == len(result.equity) - 1
    for arm in result.equity:
        grown = (1 + result.returns[arm]).prod() - 1
        assert grown == pytest.approx(result.table.loc[arm, "total_return"], abs=1e-9)


def test_decisions_are_by_arm_and_time(result):
    decisions = result.decisions
    assert decisions.index.names == ["arm", "time"]
    of_model = decisions.loc["llm"]
    assert isinstance(of_model.index, pd.DatetimeIndex)
    assert len(of_model) == 151
    abstained = of_model[of_model["status"] == "abstained"]
    assert len(abstained) > 0
    assert abstained["action"].isna().all()
    assert abstained["reason"].str.startswith("timeout: ").all()
    advised = of_model[of_model["status"] != "abstained"]
    assert set(advised["action"]) <= {"enter_long", "exit", "hold"}
    assert advised["confidence"].between(0, 1).all()
    assert (decisions["symbol"] == "CYCLES").all()


def test_trades_are_by_arm(result):
    trades = result.trades
    assert trades.index.names == ["arm", "trade"]
    for arm in ("llm", "momentum"):
        count = int((trades.index.get_level_values("arm") == arm).sum())
        assert count == len(result.record.arm(arm).trades)
    assert trades["entered"].dtype.kind == "M"


def test_orders_and_accounts_are_by_arm_with_types(result):
    orders, accounts = result.orders, result.accounts
    assert orders.index.names == ["arm", "order"]
    assert accounts.index.names == ["arm", "time"]
    for arm in result.record.arms:
        assert (orders.index.get_level_values("arm") == arm.name).sum() == len(arm.orders)
        assert accounts.loc[arm.name, "equity"].tolist() == result.equity[arm.name].dropna().tolist()
    assert {str(orders[name].dtype) for name in ("created", "done")} == {"datetime64[us]"}
    assert {str(dtype) for dtype in accounts.dtypes} == {"float64"}
    assert {str(result.decisions[name].dtype) for name in ("confidence", "stop_pct", "close")} == {"float64"}


def test_a_notebook_shows_the_account_beside_the_market_and_obeys_nothing(result):
    told = result._repr_html_()
    ((style, name, picture),) = re.findall(
        r'<style>(.*?)</style><div class="([\w-]+)">(.*?</div>)</div>', told, re.DOTALL
    )
    assert re.findall(r'<text class="end[^>]*>([^<]*)</text>', picture) == ["market", "llm"]
    assert ">momentum<" not in picture
    assert "--ink: currentColor" in style, "text in the colour of a light or a dark notebook"
    depths = [style[:at].count("{") - style[:at].count("}") for at in range(len(f".{name} {{"), len(style))]
    assert style.startswith(f".{name} {{")
    assert min(depths) == 1, "every rule holds within this cell alone"
    assert not re.search(r"@import|url\(|expression\(", style)
    assert not re.search(r"<script|<link|<img|https?:(?!//www\.w3\.org)|\son\w+=", told)
    hostile = simulator.Result(result.folder, result.facts)
    noted = result.record.manifest | {"notes": ["<script>alert(1)</script>\x1b[2J"]}
    hostile.__dict__["record"] = replace(result.record, manifest=noted)
    assert "&lt;script" in hostile._repr_html_()
    assert "<script" not in hostile._repr_html_()
    assert "\x1b" not in hostile._repr_html_()


def test_tables_of_a_single_arm_have_the_same_shape(tmp_path):
    alone = simulator.run(small(tmp_path), "momentum")
    assert list(alone.equity.columns) == ["momentum"]
    assert alone.decisions.loc["momentum"].shape[0] == 151
    assert repr(alone).startswith("<Result of momentum: ")


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ({"temprature": 0.1}, "did you mean 'temperature'?"),
        ({"max_token": 3}, "did you mean 'max_tokens'?"),
        ({"top_p": 0.9}, "known are schema, json_mode, temperature, max_tokens"),
        ({"timeout": 3}, "did you mean 'timeout_s'?"),
    ],
)
def test_an_unknown_option_of_a_call_is_answered_by_the_nearest_one(option, meant):
    client = ScriptedClient(["fine"] * 3)
    calls = (
        lambda: client.generate("Hello", **option),
        lambda: client.chat([{"role": "user", "content": "Hello"}], **option),
        lambda: client.batch(["Hello"], **option),
    )
    for call in calls:
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert repr(next(iter(option))) in str(caught.value)
        assert meant in str(caught.value)
    assert client.requests == []


def said_of_limits(experiment):
    return [note for note in notes_on(experiment, load_universe(experiment.data)) if "olumes" not in note]


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        (
            {"max_position_size": 0.95, "stop_loss_pct": 0.10, "gap_buffer": 0.0},
            "Positions end at 20% of equity: risk.max_risk_per_trade (0.02 at a stop of 0.1) allows no more",
        ),
        (
            {"max_position_size": 0.5, "stop_loss_pct": 0.05, "max_risk_per_trade": 0.01, "gap_buffer": 0.05},
            "of equity: risk.max_risk_per_trade (0.01 at a stop of 0.05 plus gap_buffer 0.05) allows no more",
        ),
        ({"max_position_size": 0.5, "max_risk_per_trade": 0.5, "max_symbol_exposure": 0.25},
         "Positions end at 25% of equity: risk.max_symbol_exposure allows no more"),
        ({"max_position_size": 0.3, "max_risk_per_trade": 0.5, "sizing": "equal_weight"},
         "Positions end at 5% of equity: risk.sizing equal_weight (max_gross_exposure over max_positions)"),
    ],
)  # fmt: skip
def test_limits_that_cap_each_other_are_told_and_true(tmp_path, risk, said):
    experiment = small(tmp_path, risk=risk)
    (sentence,) = said_of_limits(experiment)
    assert said in sentence
    run = simulator.run(experiment, "buy_and_hold")
    entries = run.record.arms[0].orders.query("kind == 'entry' and filled > 0")
    share = (entries["filled"] * entries["fill_price"]).iloc[0] / experiment.costs.starting_cash
    told = float(sentence.split("end at ")[1].split("%")[0]) / 100
    assert share == pytest.approx(told, rel=0.08)


@pytest.mark.parametrize("risk", [{}, {"max_position_size": 0.95, "max_risk_per_trade": 0.2}, {"stop_loss_atr": 3}])
def test_limits_that_do_not_cap_each_other_say_nothing(risk):
    assert said_of_limits(Experiment(risk=Limits(**risk))) == []
    assert said_of_limits(Experiment.starter()) == []
