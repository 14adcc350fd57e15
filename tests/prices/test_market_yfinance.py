"""``yfinance:SYMBOL`` through the real ``yfinance.download``: a loopback server, and a refused connection."""

import json
import logging
import socket
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import yfinance
import yfinance.base
import yfinance.scrapers.history

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.features import WarmUp
from simulator.prices.config import DataConfig
from simulator.prices.load import load_prices
from simulator.prices.sessions import parse_timeframe
from simulator.prices.sources.yahoo import Request, table_from_frame, without_unfinished_bar
from simulator.prices.universe import load_universe

pytestmark = pytest.mark.server

CLOSES = 100 + np.arange(400.0)


class Yahoo(BaseHTTPRequestHandler):
    """Answers chart requests as Yahoo does: weekdays from 2019-01-01, a dividend that halves all adjusted closes."""

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        self.server.queries.append(query)
        if self.server.fault is not None:
            return self._send(*self.server.fault)
        first, last = (
            int(query.get(name, [default])[0]) for name, default in (("period1", "0"), ("period2", "9" * 11))
        )
        opens = pd.bdate_range("2019-01-01", periods=len(CLOSES), tz="America/New_York") + pd.Timedelta(hours=9.5)
        seconds = [int(time.timestamp()) for time in opens]
        kept = [row for row, second in enumerate(seconds) if first <= second < last]
        quote = {
            "open": [CLOSES[row] - 0.25 for row in kept],
            "high": [CLOSES[row] for row in kept],
            "low": [CLOSES[row] - 1.1 for row in kept],
            "close": [CLOSES[row] for row in kept],
            "volume": [1000 + row for row in kept],
        }
        if self.server.unfinished and kept:
            for name in ("open", "high", "low", "close"):
                quote[name][-1] = None
        result = {
            "meta": {
                "currency": "USD",
                "symbol": "SPY",
                "exchangeTimezoneName": "America/New_York",
                "instrumentType": "EQUITY",
                "validRanges": ["1d", "1mo", "max"],
                "dataGranularity": "1d",
                "regularMarketTime": seconds[-1],
                "firstTradeDate": seconds[0],
                "gmtoffset": -18000,
                "timezone": "EST",
            },
            "timestamp": [seconds[row] for row in kept],
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": [CLOSES[row] / 3 for row in kept]}]},
        }
        return self._send(200, {"chart": {"result": [result], "error": None}})

    def _send(self, status, answer):
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def own_yfinance_cache(tmp_path_factory):
    """Keep yfinance's database of zones and cookies out of the home folder."""
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


@pytest.fixture
def offline(monkeypatch):
    """Every address but loopback is refused: the proxy is a port on which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, refusing)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def yahoo(offline, monkeypatch):
    """A loopback Yahoo; ``queries`` are the requests it saw, ``fault`` a status and answer for all further ones."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Yahoo)
    server.queries, server.fault, server.unfinished = [], None, False
    for module in (yfinance.base, yfinance.scrapers.history):
        monkeypatch.setattr(module, "_BASE_URL_", f"http://127.0.0.1:{server.server_port}")
    yfinance.data.YfData().cache_get.cache_clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def load(folder, start="2019-03-01", end="2019-12-31", **more):
    return load_prices("yfinance:spy", start=start, end=end, cache_folder=folder, **more)


def test_downloads_scales_whole_bars_and_records_the_call(yahoo, tmp_path):
    prices = load(tmp_path)
    row = prices.table.loc["2019-03-01"]
    close = CLOSES[len(pd.bdate_range("2019-01-01", "2019-03-01")) - 1]
    assert prices.symbol == "SPY"
    assert (prices.table.index[0], prices.table.index[-1]) == (pd.Timestamp("2019-03-01"), pd.Timestamp("2019-12-31"))
    assert row["close"] == pytest.approx(close / 3, rel=1e-12)
    assert row["open"] == pytest.approx((close - 0.25) / 3, rel=1e-12)
    assert (prices.table["close"] <= prices.table["high"]).all()
    record = json.loads((tmp_path / "SPY_1d.json").read_text())
    assert record["arguments"]["auto_adjust"] is False
    assert (record["start"], record["end"], record["bars"]) == ("2019-03-01", "2020-01-01", len(prices.table))
    assert not list(tmp_path.glob("*.part"))


def test_a_range_inside_the_cache_makes_no_call(yahoo, tmp_path):
    whole = load(tmp_path)
    asked = len(yahoo.queries)
    inner = load(tmp_path, start="2019-06-03", end="2019-08-30")
    assert len(yahoo.queries) == asked > 0
    pd.testing.assert_frame_equal(inner.table, whole.window("2019-06-03", "2019-08-30").table)


def test_each_symbol_of_a_universe_is_its_own_request_and_is_kept(yahoo, tmp_path):
    choice = DataConfig(sources=["yfinance:spy", "yfinance:qqq"], start="2019-03-01", end="2019-12-31")
    universe = load_universe(choice, cache_folder=tmp_path)
    assert universe.symbols == ("QQQ", "SPY")
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["QQQ_1d.csv", "SPY_1d.csv"]
    asked = len(yahoo.queries)
    assert load_universe(choice, cache_folder=tmp_path).sha256 == universe.sha256
    assert len(yahoo.queries) == asked


def test_enough_bars_before_the_start_are_asked_for_and_kept(yahoo, tmp_path):
    choice = DataConfig(source="yfinance:SPY", start="2020-03-02", end="2020-06-30")
    universe = load_universe(choice, cache_folder=tmp_path, warm_up=WarmUp(270, ""))
    assert universe.markets[0].table.index.searchsorted(pd.Timestamp("2020-03-02")) == 269
    asked = len(yahoo.queries)
    assert load_universe(choice, cache_folder=tmp_path, warm_up=WarmUp(270, "")).sha256 == universe.sha256
    assert len(yahoo.queries) == asked


def test_bars_before_the_start_that_cannot_be_had_are_gone_without(yahoo, tmp_path):
    load(tmp_path, start="2020-03-02", end="2020-06-30")
    yahoo.fault = (404, {"chart": {"result": None, "error": {"code": "Not Found", "description": "no data"}}})
    choice = DataConfig(source="yfinance:SPY", start="2020-03-09", end="2020-06-30")
    universe = load_universe(choice, cache_folder=tmp_path, warm_up=WarmUp(270, ""))
    assert universe.markets[0].table.index.searchsorted(pd.Timestamp("2020-03-09")) == 5


def test_a_wider_range_downloads_the_whole_again(yahoo, tmp_path):
    load(tmp_path, start="2019-06-03", end="2019-08-30")
    load(tmp_path, start="2019-03-01", end="2019-07-01")
    record = json.loads((tmp_path / "SPY_1d.json").read_text())
    assert (record["start"], record["end"]) == ("2019-03-01", "2019-08-31")


def test_no_end_means_up_to_yesterday_and_is_fresh_for_a_day(yahoo, tmp_path):
    load_prices("yfinance:SPY", cache_folder=tmp_path)
    asked = len(yahoo.queries)
    assert len(load_prices("yfinance:SPY", cache_folder=tmp_path).table) == len(CLOSES)
    assert len(yahoo.queries) == asked
    record = json.loads((tmp_path / "SPY_1d.json").read_text())
    today = datetime.now(UTC).date()
    assert record["start"] is None
    assert date.fromisoformat(record["end"]) in (today, today - timedelta(days=1))


def test_refused_connection_is_one_sentence_and_silent(offline, tmp_path, capfd, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(MarketDataError) as caught:
        load_prices("yfinance:QQQ", start="2019-03-01", end="2019-12-31", cache_folder=tmp_path)
    sentence = str(caught.value)
    assert sentence.startswith("yfinance:QQQ could not be downloaded (Failed to connect to")
    assert f"nothing of it is cached in {tmp_path}" in sentence
    assert "\n" not in sentence
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name == "yfinance"]


def test_connection_lost_after_a_first_success_names_the_cached_range(yahoo, tmp_path):
    load(tmp_path)
    yahoo.shutdown()
    yahoo.server_close()
    with pytest.raises(MarketDataError, match=r"\(Failed to connect to 127.0.0.1.*holds 2019-03-01 to 2019-12-31"):
        load(tmp_path, end="2020-02-28")


def test_rate_limit_names_the_cached_range(yahoo, tmp_path):
    load(tmp_path)
    yahoo.fault = (429, {"finance": {"error": {"code": "Too Many Requests"}}})
    with pytest.raises(MarketDataError, match=r"Too Many Requests.*holds 2019-03-01 to 2019-12-31; set start and end"):
        load(tmp_path, end="2020-02-28")
    assert len(load(tmp_path).table) == len(pd.bdate_range("2019-03-01", "2019-12-31"))


def test_unknown_symbol_gives_yahoos_reason(yahoo, tmp_path):
    fault = {"result": None, "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"}}
    load(tmp_path)  # lets yfinance learn the zone, after which the chart's own reason is heard
    yahoo.fault = (404, {"chart": fault})
    with pytest.raises(MarketDataError, match=r"could not be downloaded \(.*delisted"):
        load(tmp_path, start="2019-01-15")


def test_impossible_answer_is_refused_and_never_cached(yahoo, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "CLOSES", np.where(np.arange(400) == 60, 0.5, CLOSES))
    with pytest.raises(MarketDataError, match=r"^yfinance:SPY, 2019-03-26: low is -0\.\d+, a price must be above zero"):
        load(tmp_path)
    assert not (tmp_path / "SPY_1d.csv").exists()


def test_a_last_bar_without_prices_is_left_out_told_and_asked_for_again(yahoo, tmp_path):
    yahoo.unfinished = True
    prices = load(tmp_path, end="2019-12-30")
    assert prices.table.index[-1] == pd.Timestamp("2019-12-27")
    (note,) = prices.notes
    assert note == (
        "yfinance:SPY: the last bar that Yahoo sent (2019-12-30) has no prices, as of a day that is not over there: it "
        "was left out."
    )
    yahoo.unfinished = False
    yfinance.data.YfData().cache_get.cache_clear()  # a later day, a later program
    again = load(tmp_path, end="2019-12-30")
    assert again.table.index[-1] == pd.Timestamp("2019-12-30")
    assert again.notes == ()
    asked = len(yahoo.queries)
    load(tmp_path, end="2019-12-30")
    assert len(yahoo.queries) == asked


def test_a_hole_inside_names_a_cure_that_can_be_taken(yahoo, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "CLOSES", np.where(np.arange(400) == 60, 0.5, CLOSES))
    with pytest.raises(MarketDataError, match=r"2019-03-26: low is .*set end before this day or start after it"):
        load(tmp_path)
    assert load(tmp_path, end="2019-03-25").table.index[-1] == pd.Timestamp("2019-03-25")
    assert load(tmp_path / "after", start="2019-03-27").table.index[0] == pd.Timestamp("2019-03-27")


def test_changed_or_halved_cache_is_refused(yahoo, tmp_path):
    load(tmp_path)
    path = tmp_path / "SPY_1d.csv"
    path.write_bytes(path.read_bytes().replace(b"2019-05", b"2019-06", 1))
    with pytest.raises(MarketDataError, match=r"the hash differs\): delete SPY_1d.csv and SPY_1d.json"):
        load(tmp_path)
    (tmp_path / "SPY_1d.json").unlink()
    with pytest.raises(MarketDataError, match="incomplete"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("source", "settings", "sentence"),
    [
        ("yfinance:SPY,QQQ", {}, "one symbol"),
        ("yfinance:SPY", {"timeframe": "1w"}, "no bars of 1w: set one of 1m"),
        ("yfinance:SPY", {"start": "2200-01-01"}, "set an earlier start"),
        ("yfinance:SPY?adjusted=no", {}, "takes no options"),
    ],
)
def test_wrong_requests_are_refused_before_any_call(source, settings, sentence, tmp_path):
    with pytest.raises(ConfigurationError, match=sentence):
        load_prices(source, cache_folder=tmp_path, **settings)


def test_unusable_cache_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketDataError, match=r"cache folder .*file.* cannot be used"):
        load(tmp_path / "file")


def yahoo_frame(times, ticker="7203.T"):
    """A frame as ``yfinance.download`` returns it for one symbol by default: sorted columns, Price over Ticker."""
    names = ["Adj Close", "Close", "High", "Low", "Open", "Volume"]
    columns = pd.MultiIndex.from_product([names, [ticker]], names=["Price", "Ticker"])
    values = [[50.0, 100.0, 110.0, 90.0, 95.0, 1000]] * len(times)
    return pd.DataFrame(values, index=times, columns=columns)


def test_daily_bars_of_tokyo_keep_their_date():
    times = pd.date_range("2024-05-01", periods=3, tz="Asia/Tokyo", name="Date")
    table = table_from_frame(yahoo_frame(times), Request("7203.T", parse_timeframe("1d"), None, date(2024, 6, 1)))
    assert list(table.index) == list(pd.date_range("2024-05-01", periods=3))
    assert table.iloc[0].tolist() == [47.5, 55.0, 45.0, 50.0, 1000.0]


def test_intraday_bars_stand_at_utc():
    times = pd.date_range("2024-05-01 09:30", periods=3, freq="5min", tz="America/New_York", name="Datetime")
    table = table_from_frame(yahoo_frame(times, "SPY"), Request("SPY", parse_timeframe("5m"), None, date(2024, 6, 1)))
    assert list(table.index) == list(pd.date_range("2024-05-01 13:30", periods=3, freq="5min"))


def test_an_answer_without_a_column_is_refused():
    frame = yahoo_frame(pd.date_range("2024-05-01", periods=3, tz="Asia/Tokyo")).drop(
        columns="Adj Close", level="Price"
    )
    with pytest.raises(MarketDataError, match="update yfinance"):
        table_from_frame(frame, Request("7203.T", parse_timeframe("1d"), None, date(2024, 6, 1)))


@pytest.mark.parametrize(
    ("last", "kept", "words"),
    [
        ([50.0, 100.0, 110.0, 90.0, 95.0, 1000], 3, "twice with equal prices: it is used once"),
        ([51.0, 102.0, 110.0, 90.0, 95.0, 1100], 2, "twice with different prices, as of a day that is not over there"),
        ([np.nan] * 5 + [0], 3, "has no prices, as of a day that is not over there: it was left out"),
    ],
)
def test_a_last_day_that_stands_twice_is_settled_only_where_both_are_equal(last, kept, words):
    frame = yahoo_frame(pd.date_range("2024-05-01", periods=3, tz="America/New_York"), "SPY")
    frame.loc[pd.Timestamp("2024-05-03 16:00:02", tz="America/New_York")] = last
    request = Request("SPY", parse_timeframe("1d"), None, date(2024, 6, 1))
    whole, unfinished, note = without_unfinished_bar(frame, request)
    assert list(table_from_frame(whole, request).index) == list(pd.date_range("2024-05-01", periods=kept))
    assert (unfinished is None) == ("equal" in words)
    assert words in note


def test_a_hole_in_the_adjusted_close_of_yahoo_is_named():
    frame = yahoo_frame(pd.date_range("2024-05-01", periods=3, tz="America/New_York"), "SPY")
    frame.iloc[1, 0] = np.nan
    with pytest.raises(
        MarketDataError, match="2024-05-02: adjusted close is missing in what Yahoo sent: set end before"
    ):
        table_from_frame(frame, Request("SPY", parse_timeframe("1d"), None, date(2024, 6, 1)))
