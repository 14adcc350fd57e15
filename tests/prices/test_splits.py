"""Splits that prices still show: told with their date and a cure, never taken out, and never seen in a crash."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import simulator
from simulator.cli.main import app
from simulator.prices.load import load_prices
from simulator.runs.replaying import replay

pytestmark = pytest.mark.slow

DAYS = pd.bdate_range("2020-01-01", periods=320)
SPLIT = 200
"""The row of the split: the first bar at the new price."""


def prices(factor=1.0, *, opened=None, seed=3):
    """Random bars, from ``SPLIT`` on times a factor; ``opened`` is the open of that bar over the close before."""
    source = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(source.normal(0, 0.01, len(DAYS))))
    open_ = np.append(close[0], close[:-1]) * np.exp(source.normal(0, 0.002, len(DAYS)))
    close[SPLIT:] *= factor
    open_[SPLIT:] *= factor
    if opened is not None:
        open_[SPLIT] = close[SPLIT - 1] * opened
    table = pd.DataFrame({"Open": open_, "Close": close}, index=DAYS)
    return table.assign(High=table.max(axis=1) * 1.001, Low=table.min(axis=1) * 0.999, Volume=1e6)


def adjusted(table, factor, name="Adj Close", dividends=0.0):
    """The table with a close that is adjusted for a split, and for a dividend each quarter."""
    quarters = np.arange(len(table))[::-1] // 63
    scale = np.where(np.arange(len(table)) < SPLIT, factor, 1.0)
    return table.assign(**{name: table["Close"] * scale * (1 - dividends) ** quarters})


def splits(table, cell, name="Stock Splits", none="0.0"):
    return table.assign(**{name: [cell if row == SPLIT else none for row in range(len(table))]})


@pytest.fixture
def notes(tmp_path):
    def notes(table, options=""):
        table.to_csv(tmp_path / "share.csv", index_label="Date")
        return load_prices(f"csv:{tmp_path}/share.csv{options}").notes

    return notes


WHEN = str(DAYS[SPLIT].date())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (adjusted(prices(1 / 3), 1 / 3, "Adj. Close"), "Take csv:share.csv?adjusted=yes."),
        (adjusted(prices(10), 10, "Adjusted_close", dividends=0.01), "Take csv:share.csv?adjusted=yes."),
        (adjusted(prices(2 / 3), 2 / 3), "by more than dividends"),
        (splits(prices(1 / 7), "7.0"), "holds 7 for 1"),
        (splits(prices(1 / 2), "2:1", "Split Ratio", "1:1"), "holds 2 for 1"),
        (splits(prices(8), "0.125", "split_coefficient", "1.0"), "holds 0.125 for 1"),
        (prices(1 / 2), "leaps as a split would make it, 2 for 1"),
        (prices(1 / 20), "20 for 1"),
        (prices(5), "1 for 5"),
        (prices(2 / 3), "3 for 2"),
    ],
)
def test_a_split_is_told_by_its_date_and_how_to_cure_it(notes, table, words):
    (told,) = notes(table)
    assert words in told
    assert WHEN in told
    assert told.startswith("csv:share.csv: ")


@pytest.mark.parametrize(
    "table",
    [
        prices(),
        adjusted(prices(), 1, dividends=0.03),
        splits(prices(), "4.0"),  # as Yahoo writes them beside prices that are adjusted for splits
        prices(0.45),
        prices(0.35),
        prices(1.8),
        prices(0.5, opened=0.98),  # a crash within the bar
        prices(0.62),
    ],
)
def test_dividends_crashes_and_adjusted_prices_are_no_splits(notes, table):
    assert notes(table) == ()


def test_prices_that_are_taken_adjusted_need_no_word(notes):
    assert notes(adjusted(prices(1 / 3), 1 / 3), "?adjusted=yes") == ()


def test_only_the_bars_of_the_run_are_looked_at(tmp_path):
    prices(1 / 3).to_csv(tmp_path / "share.csv", index_label="Date")
    assert load_prices(f"csv:{tmp_path}/share.csv", start=WHEN).notes == ()
    assert load_prices(f"csv:{tmp_path}/share.csv", end=str(DAYS[SPLIT - 1].date())).notes == ()


def test_it_stands_on_console_page_report_manifest_and_in_the_result_and_replays(tmp_path):
    adjusted(prices(1 / 3), 1 / 3).to_csv(tmp_path / "share.csv", index_label="Date")
    experiment = {
        "name": "split",
        "data": {"source": f"csv:{tmp_path}/share.csv"},
        "arms": ["buy_and_hold", "sma_cross"],
        "evaluation": {"bootstrap_samples": 100},
        "output": {"folder": str(tmp_path / "reports"), "explain": False},
    }
    (tmp_path / "experiment.yaml").write_text(json.dumps(experiment))
    shown = CliRunner().invoke(app, ["compare", str(tmp_path / "experiment.yaml")])
    assert shown.exit_code == 0
    assert f"Note: csv:share.csv: its adjusted close differs from its close by more than dividends, at {WHEN}" in (
        " ".join(shown.output.split())
    )
    result = simulator.compare(experiment)
    (told,) = result.notes
    assert told in result.facts["run.note.1"].text
    assert json.loads((result.folder / "sma_cross" / "manifest.json").read_text())["notes"] == [told]
    assert told in (result.folder / "report.html").read_text()
    assert WHEN in (result.folder / "report.md").read_text().partition("## Arms")[0]
    assert told in result._repr_html_()
    assert str(tmp_path) not in (result.folder / "report.html").read_text()
    assert all(check.same for check in replay(result.folder))
