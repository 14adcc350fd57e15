"""Volumes under the names that files give them: used where the name says what they count, named where it does not."""

import numpy as np
import pandas as pd
import pytest
from price_files import refusal

import simulator
from llm_strategy.errors import ConfigurationError
from llm_strategy.risk import Limits
from simulator.prices.load import load_prices
from simulator.runs.replaying import replay

pytestmark = pytest.mark.slow

TIMES = pd.date_range("2020-01-01", periods=420, freq="D")
CLOSE = 1.1 * np.exp(np.cumsum(np.random.default_rng(4).normal(0.0005, 0.005, len(TIMES))))


@pytest.fixture
def source(tmp_path):
    """A file with these columns (a number stands for the whole column) beside its prices."""

    def source(columns, name="pair.csv"):
        table = pd.DataFrame({"open": CLOSE, "high": CLOSE * 1.01, "low": CLOSE * 0.99, "close": CLOSE}, index=TIMES)
        for heading, value in columns.items():
            table[heading] = value
        table.to_csv(tmp_path / name, index_label="time")
        return f"csv:{tmp_path}/{name}"

    return source


@pytest.mark.parametrize(
    ("columns", "volume", "kind", "told"),
    [
        ({"Volume": 7}, 7, "shares", None),
        ({"Vol.": 7}, 7, "shares", None),
        ({"Volume USDT": 900, "Volume ETH": 7}, 7, "shares", "from the column 'Volume ETH', not from 'Volume USDT'"),
        ({"Volume ETH": 7, "Volume BTC": 900}, 7, "shares", "from the column 'Volume ETH', not from 'Volume BTC'"),
        ({"Volume_(BTC)": 7, "Volume_(Currency)": 900}, 7, "shares", "'Volume_(BTC)', not from 'Volume_(Currency)'"),
        ({"volumefrom": 7, "volumeto": 900}, 7, "shares", "from the column 'volumefrom'"),
        ({"vol_traded": 7}, 7, "shares", "from the column 'vol_traded'"),
        ({"Total Traded Quantity": 7}, 7, "shares", "from the column 'Total Traded Quantity'"),
        ({"tick_volume": 7, "spread": 2}, 7, "ticks", "'tick_volume'; it counts ticks"),
        ({"<TICKVOL>": 7, "<VOL>": 0, "<SPREAD>": 2}, 7, "ticks", "'<TICKVOL>', and '<VOL>' holds zeros alone"),
        ({"tickvol": 900, "real volume": 7}, 900, "ticks", "counts ticks"),
        ({"tickvol": 900, "volume": 7}, 7, "shares", None),
        ({"Volume USD": 900}, 0, "shares", "'Volume USD' is not taken for the volume"),
        ({"Volume EUR": 900, "Volume USD": 7}, 0, "shares", "'Volume EUR' and 'Volume USD' are not taken"),
        ({"Volume SOL": 7}, 7, "shares", "from the column 'Volume SOL'"),
        ({"volume_btc": 7, "vol_20d": 3}, 7, "shares", "from the column 'volume_btc'"),
        ({"volume_spike": 7}, 0, "shares", "'volume_spike' is not taken"),
        ({"Vol (mln)": 7}, 0, "shares", "'Vol (mln)' is not taken"),
        ({"volatility": 7, "turnover": 3}, 0, "shares", None),
    ],
)
def test_a_volume_is_found_by_its_name_or_named(source, columns, volume, kind, told):
    prices = load_prices(source(columns))
    assert prices.table["volume"].unique().tolist() == [volume]
    assert prices.volume == kind
    assert len(prices.notes) == (told is not None)
    assert told is None or told in prices.notes[0]


@pytest.mark.parametrize(
    ("wanted", "columns", "volume", "kind"),
    [
        ("shares", {"tickvol": 7}, 7, "shares"),
        ("ticks", {"volume": 7}, 7, "ticks"),
        ("ticks", {"volume": 7, "tickvol": 900}, 900, "ticks"),
        ("none", {"volume": 7}, 0, "none"),
        ("none", {"volume": "1.5M"}, 0, "none"),
        ("none", {"volume": None}, 0, "none"),
    ],
)
def test_what_a_person_says_of_the_volume_holds(source, wanted, columns, volume, kind):
    prices = load_prices(source(columns), volume=wanted)
    assert prices.table["volume"].unique().tolist() == [volume]
    assert prices.volume == kind


def test_a_volume_that_is_no_number_can_be_left_out(source):
    assert "or leave volumes out with data.volume: none" in refusal(source({"volume": "many"}))


@pytest.mark.parametrize("cell", [np.nan, "-", "null"])
def test_a_volume_that_is_missing_can_be_left_out(source, cell):
    given = source({"volume": [cell, *[7] * (len(TIMES) - 1)]})
    assert "volume is missing" in (sentence := refusal(given))
    assert sentence.endswith("or leave volumes out with data.volume: none.")
    assert load_prices(given, volume="none").table["volume"].unique().tolist() == [0]


def experiment(folder, source, **sections):
    data = {"source": source} | sections.pop("data", {})
    return {
        "name": "volumes",
        "data": data,
        "arms": ["buy_and_hold"],
        "evaluation": {"bootstrap_samples": 100},
        "output": {"folder": str(folder / "reports"), "explain": False},
        **sections,
    }


def size(result):
    orders = result.record.arms[0].orders
    return orders[orders["kind"] == "entry"]["size"].max()


@pytest.mark.parametrize(
    ("columns", "sections", "told"),
    [
        ({"volume": 900}, {"data": {"volume": "ticks"}}, "Volumes of pair count ticks, participation not limited: "),
        ({"tickvol": 900}, {}, "Volumes of pair count ticks, participation not limited: "),
        (
            {"volume": 900},
            {"data": {"volume": "none"}},
            "No volumes known (data.volume is none), participation not limited: ",
        ),
        ({"Volume USD": 900}, {}, "No volumes known, participation not limited: an entry in pair may be"),
        (
            {"volume": 900},
            {"risk": {"max_participation": None}},
            "risk.max_participation is null, participation not limited: ",
        ),
    ],
)
def test_ticks_and_no_volumes_cut_no_entry_and_that_is_told_and_replays(tmp_path, source, columns, sections, told):
    result = simulator.compare(experiment(tmp_path, source(columns), **sections))
    assert size(result) > 10_000
    assert any(told in note for note in result.notes)
    assert told in (result.folder / "report.html").read_text()
    assert "max participation" not in (result.folder / "report.md").read_text()
    assert all(check.same for check in replay(result.folder))


def test_shares_cut_entries_as_ever(tmp_path, source):
    result = simulator.compare(experiment(tmp_path, source({"volume": 900})))
    assert size(result) == 90
    assert result.notes == ()


@pytest.mark.parametrize(("volume", "words"), [("ticks", "those of pair count ticks"), ("none", "have none")])
@pytest.mark.parametrize("costs", [{"impact": 0.5}, {"max_fill_share": 0.1}])
def test_costs_that_need_volumes_refuse_ticks_and_none(tmp_path, source, volume, words, costs):
    asked = experiment(tmp_path, source({"volume": 900}), data={"volume": volume}, costs=costs)
    with pytest.raises(ConfigurationError, match=words):
        simulator.compare(asked)


def test_a_kind_of_volume_that_there_is_not(tmp_path, source):
    with pytest.raises(ConfigurationError, match=r"data\.volume is"):
        simulator.compare(experiment(tmp_path, source({"volume": 900}), data={"volume": "tick"}))
    assert "volume is 'tick', did you mean 'ticks'?" in refusal(source({}), ConfigurationError, volume="tick")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_position_size": 0.95}, "end at 20% of equity: risk.max_risk_per_trade"),
        (
            {"max_position_size": 0.5, "max_gross_exposure": 0.3, "max_risk_per_trade": 1},
            "30% of equity: risk.max_gross",
        ),
        ({"max_position_size": 0.2, "sizing": "equal_weight"}, "end at 5% of equity: risk.sizing equal_weight"),
        ({}, None),
        ({"max_position_size": 0.95, "max_risk_per_trade": 0.13, "stop_loss_pct": 0.1}, None),
    ],
)
def test_limits_that_end_positions_before_their_own_size_are_told(tmp_path, source, limits, words):
    Limits(**limits)
    notes = []
    simulator.compare(experiment(tmp_path, source({"volume": 1e9}), risk=limits), on_note=notes.append)
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]
