"""btllm init --csv: what a file seems to be stands in an experiment that runs as it is."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import simulator
from simulator.cli.main import app
from simulator.experiment.configuration import Experiment
from simulator.experiment.first_experiment import guess_kind, guess_symbol, guess_timeframe

pytestmark = pytest.mark.slow


def write_prices(path, times, start=100.0, **columns):
    """A seeded walk over these times."""
    times = pd.DatetimeIndex(times)
    moves = np.random.default_rng(4).normal(0.0002, 0.01, len(times))
    close = start * np.exp(np.cumsum(moves))
    table = pd.DataFrame({"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1e6})
    table.insert(0, "time", times.strftime("%Y-%m-%dT%H:%M:%S"))
    table.assign(**columns).to_csv(path, index=False)
    return path


def init(*words):
    return CliRunner().invoke(app, ["init", *map(str, words)])


@pytest.mark.parametrize(
    ("name", "times", "start", "timeframe", "symbol", "costs"),
    [
        ("spy.csv", pd.bdate_range("2018-01-01", periods=400), 100, "1d", "SPY", {"commission_per_share": 0.005}),
        (
            "Binance_ETHUSDT_1h.csv", pd.date_range("2021-01-01", periods=500, freq="h"), 900, "1h", "ETHUSDT",
            {"commission_bps": 10.0},
        ),
        (
            "GBPJPY_M15.csv", pd.date_range("2021-03-01", periods=450, freq="15min"), 150, "15m", "GBPJPY",
            {"commission_bps": 0.2, "spread_bps": 1.0},
        ),
        ("my-walk.csv", pd.date_range("2019-01-01", periods=400), 5, "1d", "MY-WALK", {"commission_bps": 10.0}),
        ("brk.b_weekly.csv", pd.date_range("2010-01-01", periods=400, freq="W-FRI"), 200, "1w", "BRK.B",
         {"commission_per_share": 0.005}),
    ],
)  # fmt: skip
def test_the_experiment_of_a_file_runs_as_it_is(tmp_path, monkeypatch, name, times, start, timeframe, symbol, costs):
    monkeypatch.chdir(tmp_path)
    write_prices(tmp_path / name, times, start)
    done = init("--csv", name)
    assert done.exit_code == 0, done.output
    assert symbol in done.stdout
    assert f", {timeframe}," in done.stdout
    text = (tmp_path / "experiment.yaml").read_text()
    assert text.count("#") > 60  # every setting with its comment
    experiment = Experiment.from_file(tmp_path / "experiment.yaml")
    assert (experiment.data.source, experiment.data.timeframe) == (f"csv:{name}", timeframe)
    assert experiment.data.symbol == symbol
    assert {key: getattr(experiment.costs, key) for key in costs} == costs
    result = simulator.run(experiment, "buy_and_hold")
    assert list(result.record.prices) == [symbol]
    assert len(result.trades) >= 1


@pytest.mark.parametrize("written", ["{name}", "csv:{name}"])
@pytest.mark.parametrize(
    ("options", "symbol"),
    [
        ("separator=semicolon", "DAX"),
        ("symbol=DTE", "DTE"),
        ("order=newest_first", "DAX"),
        ("zone=Europe/Berlin", "DAX"),
    ],
)
def test_options_that_a_refusal_names_are_taken_with_the_file(tmp_path, monkeypatch, written, options, symbol):
    monkeypatch.chdir(tmp_path)
    path = write_prices(tmp_path / "dax.csv", pd.bdate_range("2018-01-01", periods=400))
    table = pd.read_csv(path)
    if options.startswith("symbol"):
        table = pd.concat([table.assign(symbol=name) for name in ("SAP", "DTE")])
    if options.startswith("order"):
        table = table[::-1]
    if options.startswith("zone"):
        table["time"] = table["time"].str.replace("00:00:00", "08:00:00Z")
    table.to_csv(path, index=False, sep=";" if options.startswith("separator") else ",")
    assert options.partition("=")[0] in init("refused", "--csv", "dax.csv").output
    done = init("--csv", written.format(name="dax.csv") + f"?{options}")
    assert done.exit_code == 0, done.output
    experiment = Experiment.from_file(tmp_path / "experiment.yaml")
    assert experiment.data.source == f"csv:dax.csv?{options}"
    assert experiment.data.symbol == symbol
    assert experiment.data.timeframe == "1d"


def test_days_in_the_zone_of_their_exchange_are_days(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_prices(tmp_path / "spy.csv", pd.bdate_range("2018-01-01", periods=400))
    table = pd.read_csv(path)
    days = pd.DatetimeIndex(table["time"]).tz_localize("America/New_York")
    table.assign(time=[day.isoformat() for day in days]).to_csv(path, index=False)
    done = init("--csv", "spy.csv")
    assert done.exit_code == 0, done.output
    assert "400 bars of SPY, 1d, from 2018-01-01" in done.stdout
    hours = pd.date_range("2018-01-01", periods=400, freq="h", tz="America/New_York")
    table.assign(time=[hour.isoformat() for hour in hours]).to_csv(path, index=False)
    assert "is in a local zone" in init("hours", "--csv", "spy.csv").output


def test_an_experiment_in_another_folder_finds_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prices(tmp_path / "my.csv", pd.bdate_range("2018-01-01", periods=400))
    assert init("there", "--csv", "my.csv").exit_code == 0
    monkeypatch.chdir(tmp_path / "there")
    assert simulator.run("experiment.yaml", "momentum").report.exists()


def test_an_experiment_that_is_there_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prices(tmp_path / "my.csv", pd.bdate_range("2018-01-01", periods=400))
    (tmp_path / "experiment.yaml").write_text("name: mine\n")
    assert "left alone" in init("--csv", "my.csv").stderr
    assert (tmp_path / "experiment.yaml").read_text() == "name: mine\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        ("", "is empty"),
        ("time,open,high,low,close\n2020-01-01,1,2,0.5,x\n", "is not a number"),
        ("time,open,high,low,close\n2020-01-01,1,2,0.5,1\n", "at least"),
        ("time;open;high;low;close\n2020-01-01;1;2;0,5;1\n", "semicolons"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_as_in_a_run(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "bad.csv").write_text(content)
    done = init("--csv", "bad.csv")
    assert done.exit_code == 3
    assert message in done.stderr
    assert not (tmp_path / "experiment.yaml").exists()


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("AAPL.csv", "AAPL"), ("BTC-USD.csv", "BTC-USD"), ("aapl_us_d.csv", "AAPL"), ("EURUSD_H4.csv", "EURUSD"),
        ("BTCUSDT-1m-2021-01.csv", "BTCUSDT"), ("Kraken_SOLUSD_daily.csv", "SOLUSD"), ("^GSPC.csv", "^GSPC"),
        ("prices.csv", "prices"), ("7203.T.csv", "7203.T"), ("HistoricalData_1699.csv", "HistoricalData"),
        ("spy (1).csv", "SPY"), ("msft.us.csv", "MSFT"),
    ],
)  # fmt: skip
def test_symbols_come_from_names_of_files(tmp_path, name, symbol):
    assert guess_symbol(tmp_path / name) == symbol


@pytest.mark.parametrize("given", ["1m", "5m", "15m", "1h", "4h", "1d", "1w", "1mo", "3mo", "30s"])
def test_time_frames_come_from_the_commonest_distance(given):
    rule = {"m": "min", "mo": "MS"}
    count, unit = int("".join(filter(str.isdigit, given))), given.lstrip("0123456789")
    times = pd.date_range(
        "2020-01-01", periods=300, freq=f"{count}{rule.get(unit, unit.upper() if unit in 'dw' else unit)}"
    )
    holes = times[np.random.default_rng(1).random(300) > 0.1]
    assert guess_timeframe(holes) == given
    assert guess_timeframe(holes[::-1]) == given


@pytest.mark.parametrize(
    ("symbol", "freq", "kind"),
    [
        ("EURUSD", "B", "fx"), ("XAU/USD", "B", "fx"), ("usd_jpy", "D", "fx"), ("BTCUSD", "B", "crypto"),
        ("DOGE-USD", "D", "crypto"), ("PEPEUSDT", "B", "crypto"), ("WHATEVER", "D", "crypto"), ("SPY", "B", "equities"),
        ("SOLAR", "B", "equities"), ("ETHAN", "B", "equities"),
    ],
)  # fmt: skip
def test_kinds_come_from_the_symbol_and_from_weekends(symbol, freq, kind):
    assert guess_kind(symbol, pd.date_range("2020-01-01", periods=200, freq=freq))[0] == kind
