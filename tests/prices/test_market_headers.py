"""Headers, encodings, titles and several symbols in files: read where they are certain, else refused with a cure."""

import pytest
from price_files import GOOD, refusal

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.prices.load import load_prices

HEAD, ROWS = GOOD.split("\n", 1)
DAYS = ("2020-01-01", "2020-01-02")


def taken(sentence):
    """The source that a sentence ends with as its cure."""
    return sentence.rpartition(" as in ")[2].rstrip(".").strip()


@pytest.mark.parametrize(
    "header",
    [
        "Date,Open (USD),High (USD),Low (USD),Close (USD),Volume",
        "Date [UTC],Open [USD],High [USD],Low [USD],Close [USD],Volume",
        "date,open_usd,high_usd,low_usd,close_usd,volume_usd",
        "tradeDate,openPrice,highPrice,lowPrice,closePrice,volume",
        "'Date','Open','High','Low','Close','Volume'",
        '" Date "," Open ","High ",Low,Close,Volume',
        "\ufeffDate\u00a0,Open\u00a0,High,Low,Close,Volume",
        "日期,开盘价(元),最高价(元),最低价(元),收盘价(元),成交量",
        "日付,始値,高値,安値,終値,出来高",
        "Datum,Eröffnung,Hoch,Tief,Schluss,Volumen",
        "Дата,Открытие,Максимум,Минимум,Закрытие,Объём",
        "Index,SPY.Open,SPY.High,SPY.Low,SPY.Close,SPY.Volume",
        "Date,\"('Open', 'A')\",\"('High', 'A')\",\"('Low', 'A')\",\"('Close', 'A')\",\"('Volume', 'A')\"",
    ],
)
def test_names_with_units_quotes_and_of_other_languages_are_understood(price_file, header):
    expected = load_prices(price_file(GOOD)).sha256
    assert load_prices(price_file(f"{header}\n{ROWS}", "other.csv")).sha256 == expected


def test_the_close_is_taken_beside_the_last_trade(price_file):
    content = "date,open,high,low,last,close\n2020-01-01,10,12,9,9.5,11\n"
    assert load_prices(price_file(content)).table["close"].tolist() == [11.0]


def test_columns_of_unknown_names_are_said_one_by_one(price_file):
    header = "Ημερομηνία,Άνοιγμα,Υψηλό,Χαμηλό,Κλείσιμο,Όγκος"
    source = price_file(f"{header}\n{ROWS}")
    assert taken(refusal(source)) == f"{source}?time=Ημερομηνία"
    names = zip(("time", "open", "high", "low", "close", "volume"), header.split(","), strict=True)
    said = f"{source}?{'&'.join(f'{ours}={theirs}' for ours, theirs in names)}"
    assert load_prices(said).sha256 == load_prices(price_file(GOOD, "good.csv")).sha256


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "gb18030", "cp1251", "shift_jis"])
def test_encodings_are_named_and_the_cure_reads_them(price_file, encoding):
    header = {
        "cp1252": "Datum,Eröffnung,Hoch,Tief,Schluss,Volume",
        "gb18030": "日期,开盘,最高,最低,收盘,成交量",
        "cp1251": "Дата,Открытие,Максимум,Минимум,Закрытие,Объём",
        "shift_jis": "日付,始値,高値,安値,終値,出来高",
    }.get(encoding, HEAD)
    source = price_file(f"{header}\n{ROWS}".encode(encoding))
    sentence = refusal(source)
    assert "is not UTF-8 text" in sentence
    cure = sentence.rpartition(" read it as ")[2].rstrip(".")
    assert cure == f"{source}?encoding={encoding}"
    assert load_prices(cure).sha256 == load_prices(price_file(GOOD, "good.csv")).sha256


@pytest.mark.parametrize(
    ("above", "bars"),
    [("https://example.org\n", 3), ("# one, two, three\n# four\n", 3), ("sep=,\n", 3), ("Daily prices,of A\n\n", 3)],
)
def test_lines_above_a_header_are_passed_over_and_told(price_file, above, bars, caplog):
    prices = load_prices(price_file(above + GOOD))
    assert list(prices.notes) == [record.getMessage() for record in caplog.records]
    assert len(prices.table) == bars
    first = above.partition("\n")[0]
    assert prices.notes[0] == f"csv:prices.csv, line 1 ({first!r}) stands above the header and was not read."
    assert "/" not in "".join(prices.notes).replace(first, "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"Prices of A\nDay,a,b,c,d,e\n{ROWS}", "the header has 1 ('Prices of A'): if that is a title, remove it"),
        (
            f"{GOOD}Source: me\n",
            "line 5 has 1 cells where the header has 6: write one cell a column, or remove the line",
        ),
        (GOOD + GOOD, "line 5 is the header once more: remove that line"),
        ("Date,AAPL,MSFT\n2020-01-01,1,2\n", "if these are prices of symbols, a bar needs open, high, low and close"),
        ("Date,Open,High,Low,Close (USD),Close (EUR)\n2020-01-01,1,1,1,1,1\n", "for close: keep one such column"),
    ],
)
def test_files_without_a_certain_header_say_what_to_do(price_file, content, words):
    assert words in refusal(price_file(content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1\x15\x04", "is a parquet file: write parquet: in place of csv:"),
        (b"PK\x03\x04\x14\x00", "is a spreadsheet or a compressed file"),
        (b"\x1f\x8b\x08\x00", "is a spreadsheet or a compressed file"),
        (b"\n<!DOCTYPE html><html>", "is a web page and no CSV"),
        (b'{"chart": {}}', "is JSON and no CSV"),
    ],
)
def test_what_is_no_text_of_cells_is_named(price_file, content, words):
    assert words in refusal(price_file(content))


def test_cells_that_every_row_has_too_many_of_are_dropped_where_empty(price_file):
    content = f"{HEAD}\n" + ROWS.replace("\n", ",\n")
    assert load_prices(price_file(content)).sha256 == load_prices(price_file(GOOD, "good.csv")).sha256


# Several symbols


LONG = """date,symbol,open,high,low,close
2020-01-01,AAA,10,12,9,11
2020-01-01,BTC/USD,20,22,19,21
2020-01-02,AAA,11,13,10,12
2020-01-02,BTC/USD,21,23,20,22
"""
WIDE = """Date,Close_AAA,High_AAA,Low_AAA,Open_AAA,Volume_AAA,Close_BRK.B,High_BRK.B,Low_BRK.B,Open_BRK.B,Volume_BRK.B
2020-01-01,11,12,9,10,5,21,22,19,20,6
2020-01-02,12,13,10,11,7,22,23,20,21,8
"""
LEVELS = """,Adj Close,Adj Close,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume
,AAA,BRK-B,AAA,BRK-B,AAA,BRK-B,AAA,BRK-B,AAA,BRK-B,AAA,BRK-B
Date,,,,,,,,,,,,
2020-01-01,5.5,10.5,11,21,12,22,9,19,10,20,5,6
2020-01-02,6,11,12,22,13,23,10,20,11,21,7,8
"""
OLD_LEVELS = """Ticker,AAA,AAA,AAA,AAA,AAA,BBB,BBB,BBB,BBB,BBB
Price,Open,High,Low,Close,Volume,Open,High,Low,Close,Volume
2020-01-01,10,12,9,11,5,20,22,19,21,6
2020-01-02,11,13,10,12,7,21,23,20,22,8
"""


@pytest.mark.parametrize(
    ("content", "words", "other"),
    [
        (LONG, "holds several symbols in its column 'symbol' (AAA, BTC/USD)", "BTC/USD"),
        (LONG.replace("symbol", "Name"), "holds several symbols in its column 'Name' (AAA, BTC/USD)", "BTC/USD"),
        (LONG.replace("date,symbol", "date,<TICKER>"), "in its column '<TICKER>'", "BTC/USD"),
        (WIDE, "has columns of several symbols (AAA, BRK.B)", "BRK.B"),
        (LEVELS, "that yfinance writes, for AAA, BRK-B", "BRK-B"),
        (OLD_LEVELS, "that yfinance writes, for AAA, BBB", "BBB"),
    ],
)
def test_several_symbols_are_told_apart_by_name(price_file, content, words, other):
    source = price_file(content)
    sentence = refusal(source)
    assert words in sentence
    assert f"{source}?symbol=AAA" in sentence
    first, second = load_prices(f"{source}?symbol=AAA"), load_prices(f"{source}?symbol={other}")
    assert (first.symbol, second.symbol) == ("AAA", other)
    assert first.table["close"].tolist() == [11.0, 12.0]
    assert second.table["close"].tolist() == [21.0, 22.0]
    assert "known are" in refusal(f"{source}?symbol=QQQ", ConfigurationError)


def test_adjusted_closes_are_those_of_the_symbol(price_file):
    table = load_prices(f"{price_file(LEVELS)}?symbol=BRK-B&adjusted=yes").table
    assert table["close"].tolist() == [10.5, 11.0]
    assert table["volume"].tolist() == [6.0, 8.0]


def test_one_symbol_in_rows_needs_no_name(price_file):
    one = "".join(line for line in LONG.splitlines(keepends=True) if "BTC" not in line)
    assert len(load_prices(price_file(one)).table) == 2
    assert "no column of symbols: leave it out" in refusal(f"{price_file(GOOD)}?symbol=SPY", ConfigurationError)


def test_a_market_that_changes_its_name_is_one_market(price_file):
    rolled = "date,contract,open,high,low,close\n2020-01-01,ESH0,1,1,1,1\n2020-01-02,ESM0,1,1,1,1\n"
    assert len(load_prices(price_file(rolled)).table) == 2
    renamed = rolled.replace("contract", "ticker")
    assert "or remove the column if they are one market under several names" in refusal(price_file(renamed))


# Options


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (ROWS, "columns=time,open,high,low,close,volume"),
        (ROWS.replace("\n", ",x,y\n"), "columns=time,open,high,low,close,volume"),
        (GOOD.replace(",", ";"), "separator=semicolon"),
        (GOOD.replace(",", "\t"), "separator=tab"),
        (GOOD.replace(",", "|"), "separator=bar"),
        (GOOD.replace(",", ";").replace(";100", ";100,0"), "separator=semicolon&decimal=comma"),
        (HEAD + "\n" + "".join(reversed(ROWS.splitlines(keepends=True))), "order=newest_first"),
    ],
)
def test_what_a_file_does_not_say_can_be_said(price_file, content, options):
    source = price_file(content)
    assert f"{source}?{options}" in refusal(source)
    assert load_prices(f"{source}?{options}").sha256 == load_prices(price_file(GOOD, "good.csv")).sha256


@pytest.mark.parametrize(
    ("cells", "option", "value"),
    [
        ('"1,234.5"', "", 1234.5),
        ('"$1,234.50"', "", 1234.5),
        ('"1,234,567"', "", 1234567.0),
        ("€ 12.5", "", 12.5),
        ('"1,234"', "?decimal=point", 1234.0),
        ('"1,234"', "?decimal=comma", 1.234),
        ('"1.234,5"', "?decimal=comma", 1234.5),
        ("1.234", "?decimal=comma", 1234.0),
    ],
)
def test_numbers_with_thousands_and_currencies(price_file, cells, option, value):
    source = price_file(f"date,open,high,low,close\n2020-01-01,{cells},{cells},{cells},{cells}\n")
    assert load_prices(source + option).table["close"].tolist() == [value]
    if option == "?decimal=point":
        assert "say what the comma is (decimal=comma, decimal=point)" in refusal(source)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("symbol=A&symbol=B", "has the option 'symbol' twice: name it once"),
        ("symbol=", "symbol is empty"),
        ("close=Clos", "close is 'Clos', a column that is not there, did you mean 'Close'?"),
        ("encoding=rot13", "the encoding 'rot13' is unknown"),
        ("order=newest_first", "the last row is the newest: leave order=newest_first out"),
        ("dates=dmy", "dates is 'dmy', it must be day_first or month_first"),
        ("zone=New York", "zone 'New York' is unknown"),
        ("zone=Asia/Tokyo", "the time has no zone of its own: leave zone out"),
    ],
)
def test_options_that_do_not_fit_are_refused(price_file, query, words):
    assert words in refusal(f"{price_file(GOOD)}?{query}", ConfigurationError)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("columns=time,open,high,low,close,volume", "has a header line: leave columns out"),
        ("separator=semicolon", "has commas between its cells: leave separator out"),
        ("encoding=utf-16", "is not utf-16 text"),
    ],
)
def test_options_that_the_file_denies_are_refused(price_file, query, words):
    assert words in refusal(f"{price_file(GOOD)}?{query}")


# Holes and ends of downloads


@pytest.mark.parametrize(
    ("content", "query", "words"),
    [
        ("Date,NAV\n2020-01-01,10\n", "", "a bar needs open, high, low and close, each in a column of its own."),
        ("Date,NAV\n2020-01-01,10\n", "?open=NAV&high=NAV&low=NAV&close=NAV", "open and high are both 'NAV'"),
        ("Date,Price\n2020-01-01,10\n", "?open=Price&close=Price", "open and close are both 'Price'"),
        ("Date,Open,High,Low,Close\n2020-01-01,1,2,1,2\n", "?time=Date&close=Date", "time and close are both 'Date'"),
    ],
)
def test_one_column_makes_no_bar(price_file, content, query, words):
    error = ConfigurationError if query else MarketDataError
    sentence = refusal(price_file(content) + query, error)
    assert words in sentence
    assert query or "?open=" not in sentence


def test_a_close_that_a_person_names_is_taken_under_any_name(price_file):
    source = price_file("Date,Open,High,Low,Adj Close\n2020-01-01,10,12,9,11\n")
    assert load_prices(f"{source}?close=Adj Close").table["close"].tolist() == [11.0]


def test_thousands_of_a_volume_are_said_by_the_cure(price_file):
    source = price_file('Date,Open,High,Low,Close,Volume\n2020-01-01,10,12,9,11,"1,552"\n')
    sentence = refusal(source)
    assert f"{source}?decimal=point" in sentence
    assert load_prices(f"{source}?decimal=point").table["volume"].tolist() == [1552.0]


@pytest.mark.parametrize("hole", ["", "null", "NaN"])
def test_a_hole_in_the_adjusted_close_names_that_column(price_file, hole):
    rows = f"2020-01-01,10,12,9,11,5.5\n2020-01-02,10,12,9,11,{hole}\n2020-01-03,10,12,9,11,5.5\n"
    source = price_file(f"Date,Open,High,Low,Close,Adj Close\n{rows}")
    assert "line 3 (2020-01-02): adjusted close is missing" in refusal(f"{source}?adjusted=yes")
    assert len(load_prices(source).table) == 3
    zero = price_file(f"Date,Open,High,Low,Close,Adj Close\n{rows}".replace(f"11,{hole}\n", "11,0\n"))
    assert "adjusted close is not above zero" in refusal(f"{zero}?adjusted=yes")


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("2020-01-03,,,,,\n", "open, high, low and close are missing in the last row"),
        ("2020-01-03,null,null,null,null,null\n", "open, high, low and close are missing in the last row"),
        (
            "2020-01-02,11,13,10,12.5,250\n",
            "this time stands twice, remove one of the two rows (a download made before",
        ),
    ],
)
def test_the_last_row_of_a_download_is_known_for_what_it_is(price_file, last, words):
    rows = ROWS.splitlines(keepends=True)
    source = price_file(f"{HEAD}\n{rows[0]}{rows[1]}{last}")
    sentence = refusal(source)
    assert words in sentence
    end = sentence.rpartition("end: ")[2].rstrip(".")
    assert len(load_prices(source, end=end).table) == (2 if "missing" in words else 1)


def test_a_row_without_prices_inside_is_named(price_file):
    content = GOOD.replace("11,13,10,12,200", "null,null,null,null,null")
    assert "line 3 (2020-01-02): open, high, low and close are missing, correct the row or remove it" in refusal(
        price_file(content)
    )
