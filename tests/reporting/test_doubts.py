"""Under the table of arms stands where nothing could be told apart and where the gate let nothing through."""

import numpy as np
import pandas as pd
import pytest
from markets import random_prices
from small_run import recording, small

import simulator
from simulator.cli.console import print_result

pytestmark = pytest.mark.slow


def said(result, capsys):
    """The sentences, the same on console and page."""
    print_result(result, as_json=False)
    shown = capsys.readouterr().out
    page = (result.folder / "report.md").read_text().replace("\\", "")
    for sentence in result.doubts:
        assert sentence in shown
        assert sentence in page
    return " ".join(result.doubts)


def price_file(folder, volume=1e6, daily=0.01, bars=420, price=100.0):
    table = random_prices(bars, seed=5, daily=daily, start=price).table
    table["volume"] = volume
    table.to_csv(folder / "p.csv")
    return {"source": f"csv:{folder / 'p.csv'}"}


@pytest.mark.parametrize("arms", [["buy_and_hold"], ["buy_and_hold", "momentum", "sma_cross"]])
@pytest.mark.parametrize("volume", [3.0, 15.0])
def test_ticks_taken_for_shares(tmp_path, capsys, arms, volume):
    experiment = small(tmp_path, data=price_file(tmp_path, volume), arms=arms)
    text = said(simulator.compare(experiment), capsys)
    assert "The gate cut 100.0% of the entries" in text
    assert "mostly by " in text
    assert "data.volume" in text or "risk.lot_step" in text


def test_a_lot_that_nobody_can_pay(tmp_path, capsys):
    experiment = small(tmp_path, data=price_file(tmp_path, price=400_000.0), arms=["buy_and_hold", "momentum"])
    text = said(simulator.compare(experiment), capsys)
    assert "mostly by lot_step: one lot is more than an entry may be" in text


def test_prices_that_hardly_move_in_percent_without_places(tmp_path, capsys):
    experiment = small(tmp_path, data=price_file(tmp_path, daily=0.0002), arms=["llm"], advisor={"style": "numbers"})
    text = said(simulator.run(experiment, client=recording()[0]), capsys)
    assert "The model could hardly tell states apart: " in text
    assert "showed it the same trend. It needs more advisor.decimals." in text


def test_a_price_that_stands_still(tmp_path, capsys):
    still = pd.DataFrame(
        dict.fromkeys(("open", "high", "low", "close"), 50.0) | {"volume": np.full(420, 1e6)},
        index=pd.date_range("2001-01-01", periods=420, name="time"),
    )
    still.to_csv(tmp_path / "p.csv")
    experiment = small(tmp_path, data={"source": f"csv:{tmp_path / 'p.csv'}"}, arms=["llm", "buy_and_hold"])
    text = said(simulator.compare(experiment, client=recording()[0]), capsys)
    assert "100.0% of the decisions showed it the same text" in text
    assert "the causal rule says sideways at 100.0%" in text


def test_an_ordinary_run_is_left_without_doubts(tmp_path):
    result = simulator.compare(small(tmp_path), client=recording()[0])
    assert result.doubts == []
    assert not [name for name in result.facts if "same_" in name or "cut_away" in name]


def test_a_full_book_is_no_doubt(tmp_path):
    sources = {name: f"synthetic:cycles?bars=420&seed={seed}" for seed, name in enumerate("ABCDE")}
    risk = {"max_position_size": 0.9, "max_risk_per_trade": 0.2}
    result = simulator.run(small(tmp_path, data={"sources": sources}, arms=["buy_and_hold"], risk=risk), "buy_and_hold")
    assert result.doubts == []
