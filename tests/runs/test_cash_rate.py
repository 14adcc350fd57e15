"""Cash earns what an experiment says, every arm the same, and ratios are over it; without a rate nothing changes."""

import dataclasses
import datetime
import json

import numpy as np
import pandas as pd
import pytest
from small_run import SMALL, small

import simulator
from llm_strategy.costs.cash_rates import CashRates
from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError
from simulator.evaluation.cash import cash_returns, interest_earned
from simulator.experiment.cash_rates import read_cash_rates
from simulator.experiment.configuration import Experiment
from simulator.runs.replaying import replay

ARMS = ["momentum", "buy_and_hold", "market"]
LONGER = {"data": {"source": "synthetic:cycles?bars=600&seed=5"}}
FREE = {"commission_bps": 0, "slippage_bps": 0}


def run(tmp_path, **sections):
    return simulator.compare(small(tmp_path, arms=ARMS, **(LONGER | sections)))


@pytest.fixture(scope="module")
def with_interest(tmp_path_factory):
    return run(tmp_path_factory.mktemp("rate"), costs={"cash_rate": 0.05})


def test_an_account_that_stays_in_cash_earns_the_rate_from_its_first_decision_on(tmp_path):
    still = {"data": {"source": "synthetic:crash?bars=420&seed=5"}, "arms": ["sma_cross"]}
    rules = {"sma_cross": {"fast": 2, "slow": 300}}
    result = simulator.compare(small(tmp_path, baselines=rules, costs={"cash_rate": 0.05} | FREE, **still))
    equity = result.record.arm("sma_cross").equity if len(result.record.arms) > 1 else result.record.arms[0].equity
    assert equity["equity"].iloc[0] == 100_000  # nothing before the first decision
    flat = equity[equity["gross"].cummax() == 0]
    nights = np.diff(flat.index).astype("timedelta64[D]").astype(int)
    assert flat["equity"].iloc[-1] == pytest.approx(100_000 * np.prod(1 + 0.05 * nights / 365))


def test_interest_is_a_figure_of_every_arm_and_the_account_holds_it(with_interest):
    for arm in with_interest.record.arms:
        told = with_interest.facts[f"{arm.name}.interest"].value
        assert told == pytest.approx(interest_earned(arm.equity, 0.05), rel=1e-9)
        spent = arm.orders["filled"] * arm.orders["fill_price"] * arm.orders["side"].map({"buy": -1, "sell": 1})
        assert arm.equity["cash"].iloc[-1] == pytest.approx(
            100_000 + spent.sum() - arm.orders["commission"].sum() + told, rel=1e-9
        )
        assert told >= 0
    assert with_interest.facts["momentum.interest"].value > with_interest.facts["market.interest"].value


def test_sharpe_ratios_are_over_the_rate(with_interest):
    for arm in with_interest.record.arms:
        moves = arm.equity["equity"].pct_change().iloc[1:]
        nights = np.diff(arm.equity.index).astype("timedelta64[D]").astype(int)
        excess = moves - 0.05 * nights / 365
        year = with_interest.facts["run.bars_per_year"].value
        expected = excess.mean() / excess.std() * np.sqrt(year)
        assert with_interest.facts[f"{arm.name}.sharpe"].value == pytest.approx(expected, rel=1e-9)


def test_the_page_says_what_cash_earned_and_the_replay_is_the_same(with_interest):
    page = (with_interest.folder / "report.md").read_text()
    assert "Cash earned 5% a year for each night" in page
    assert "Cash earns no interest" not in page
    assert all(check.same for check in replay(with_interest.folder))


def test_dated_rates_come_from_a_file_which_the_folder_needs_no_more(tmp_path):
    (tmp_path / "rates.csv").write_text("date,rate\n2000-06-01,0.01\n2001-06-01,0.04\n2002-03-01,0.02\n")
    document = SMALL | LONGER | {"costs": {"cash_rate": "rates.csv"}}
    document |= {"arms": ARMS, "output": {"folder": str(tmp_path / "reports")}}
    result = simulator.compare(Experiment.from_mapping(document, folder=tmp_path))
    (tmp_path / "rates.csv").unlink()
    assert "the rates of rates.csv" in (result.folder / "report.md").read_text()
    assert all(check.same for check in replay(result.folder))
    kept = json.loads((result.folder / "manifest.json").read_text())["experiment"]["costs"]["cash_rate"]
    assert kept == {"rates": {"2000-06-01": 0.01, "2001-06-01": 0.04, "2002-03-01": 0.02}, "source": "rates.csv"}


def test_a_night_has_the_rate_that_was_known_before_it():
    rates = CashRates({"2020-01-01": 0.01, "2020-01-03": 0.30})
    times = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06"])
    assert cash_returns(times, rates) == pytest.approx([0.01 / 365, 3 * 0.30 / 365])
    assert rates.on(datetime.date(2020, 1, 2)) == 0.01


def test_the_bill_rate_of_the_sample_is_read_by_the_month():
    rates = read_cash_rates("sample:rf")
    assert rates.on(datetime.date(1926, 7, 1)) == pytest.approx(12 * 0.0022)
    assert rates.on(datetime.date(2018, 10, 31)) == pytest.approx(12 * 0.0019)
    assert len(rates.rates) == 1109
    costs = Costs(cash_rate=rates)
    assert Costs(**dataclasses.asdict(costs)) == costs


def test_a_series_of_the_federal_reserve_is_read_with_its_unit(tmp_path):
    (tmp_path / "DFF.csv").write_text("observation_date,DFF\n2020-01-01,1.55\n2020-01-02,.\n2020-03-16,0.25\n")
    rates = read_cash_rates("csv:DFF.csv?unit=percent", tmp_path)
    assert rates.rates == {"2020-01-01": pytest.approx(0.0155), "2020-03-16": pytest.approx(0.0025)}
    with pytest.raises(ConfigurationError, match="does not say what its column DFF counts: write csv:DFF"):
        read_cash_rates("DFF.csv", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("date,rate\n2020-01-01,5.25\n", "5.25: it must be -0.05 to 0.5, a fraction a year"),
        ("date,rate\n2020-01-01,0.01\n2022-01-01,0.02\n", "no rate from 2020-01-01 to 2022-01-01"),
        ("date,rate\n2020-02-01,0.01\n2020-01-01,0.02\n", "2020-01-01 comes after 2020-02-01"),
        ("date,rate\n2020-01-01,0.01\n2020-01-01,0.02\n", "line 3: 2020-01-01 stands twice"),
        ("date,rate\n01/02/2020,0.01\n", "01/02/2020 is no day"),
        ("date,rate\n2020-01-01,nan percent\n", "line 2: nan percent is no rate"),
        ("date,rate\n2020-01-01,inf\n", "line 2: inf is no rate"),
        ("date,rate,more\n2020-01-01,0.01,1\n", "it needs two, date and rate"),
        ("date,rate\n2020-01-01\n", "line 2 has 1 cells"),
        ("", "is no table"),
        ("date,rate\n", "give from 1 to"),
    ],
)
def test_rates_that_cannot_be_are_refused_in_a_sentence(content, said, tmp_path):
    (tmp_path / "rates.csv").write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        read_cash_rates("rates.csv", tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (5, "costs.cash_rate is 5: it must be -0.05 to 0.5, a fraction a year (0.05 is 5 percent)."),
        (True, "cash_rate"),
        ("libor", "costs.cash_rate is libor: give a fraction a year such as 0.03, a CSV file"),
        ("nowhere.csv", "there is no file"),
        ({"rates": {}}, "cash_rate"),
        ({"rates": {"2020-01-01": "x"}}, "cash_rate"),
    ],
)
def test_a_rate_that_is_none_is_refused_in_a_sentence(rate, said):
    with pytest.raises(ConfigurationError) as refused:
        Experiment.from_mapping({"costs": {"cash_rate": rate}})
    assert said in str(refused.value)


def test_rates_that_do_not_cover_the_run_are_refused_before_anything_is_asked(tmp_path):
    for rates, said in (
        ({"2020-01-01": 0.01}, "its first rate is of 2020-01-01, and the first decision of"),
        ({"1990-01-01": 0.01}, "its last rate is of 1990-01-01, and the last bar of"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            run(tmp_path, costs={"cash_rate": {"rates": rates}})
