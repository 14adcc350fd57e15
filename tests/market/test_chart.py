"""The chart that a model is shown: what it looks like, that the same bars are the same bytes wherever they are drawn,
and what cannot be drawn."""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from all_snapshots import read_requests
from markets import random_prices, with_table
from PIL import Image
from seeing_server import average_rose, last_candle_rose

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.registry import null_choices
from llm_strategy.types import Snapshot, Window

MODES = [(True, True), (True, False), (False, True), (False, False)]
SMALL = {"bars": 20, "averages": [5], "width": 320, "height": 240}
DRAW = """
import json, sys
from llm_strategy.market.chart_drawing import Labels, draw_chart
from llm_strategy.types import Snapshot, Window
bars = json.load(sys.stdin)
png = draw_chart(Window(*bars["columns"], bars["times"]), {5: bars["columns"][3]}, width=640, height=400, volume=True,
                 labels=Labels(prices=True, dates=True, title="GROSS-ÄÖ"))
sys.stdout.buffer.write(png)
"""


def shown(prices, unmasked=(), closes=None, **options):
    """What is shown at each close, or at the last ``closes``, with its snapshot."""
    context = Context([{"chart": options}], unmasked).open()
    bars, table = context.window, prices.table
    first = bars if closes is None else max(bars, len(table) - closes + 1)
    for end in range(first, len(table) + 1):
        rows = table.iloc[end - bars : end]
        times = [time.isoformat() for time in rows.index]
        window = Window(*rows.to_numpy().T, times)
        close = float(rows["close"].iloc[-1])
        snapshot = Snapshot(prices.symbol, "1d", times[-1], close, 0.1, 0.1, 0.01, 0.5, -0.1, 0.5, 1.0, window=window)
        (block,) = context.show(snapshot)
        yield snapshot, block
        context.take(snapshot)


def opened(image):
    picture = Image.open(io.BytesIO(image.png))
    picture.load()
    return picture


def scaled(prices, factor):
    table = prices.table.copy()
    table.iloc[:, :4] *= factor
    return with_table(prices, table)


def test_what_is_drawn_is_what_the_last_bars_did():
    seen = list(shown(random_prices(120, seed=3), bars=30, averages=[5], width=320, height=240))[:40]
    for snapshot, block in seen:
        window, picture = snapshot.window, opened(block.image).convert("RGB")
        assert last_candle_rose(picture) == (window.close[-1] >= window.open[-1])
        first, last = sum(window.close[-34:-29]), sum(window.close[-5:])
        if abs(last / first - 1) > 0.01:  # less may be no row of pixels
            assert average_rose(picture) == (last > first)
    assert {last_candle_rose(opened(block.image).convert("RGB")) for _, block in seen} == {True, False}


def test_the_image_is_a_small_png_whose_hash_is_that_of_its_bytes():
    largest = 0
    for options in ({}, {"bars": 250, "averages": [2, 20, 50, 250], "width": 1024, "height": 768}):
        *_, (_, block) = shown(random_prices(520, seed=7), closes=5, **options)
        picture = opened(block.image)
        assert picture.format == "PNG"
        assert picture.size == (options.get("width", 640), options.get("height", 400))
        assert block.image.sha256 == hashlib.sha256(block.image.png).hexdigest()
        largest = max(largest, len(block.image.png))
    assert largest <= 30_000


def test_neither_level_nor_date_nor_symbol_is_seen_through_the_mask():
    prices = random_prices(300, seed=9)
    moved = with_table(prices, prices.table.set_axis(prices.table.index.shift(3650, freq="D")))
    other = dataclasses.replace(prices, symbol="OTHER")
    last = [[*shown(each, closes=1)][-1][1] for each in (prices, scaled(prices, 64), moved, other)]
    assert len({(block.image.sha256, block.text) for block in last}) == 1
    lifted = [[*shown(prices, [word], closes=1)][-1][1].image.sha256 for word in ("symbol", "date", "price")]
    assert len({last[0].image.sha256, *lifted}) == 4


@pytest.mark.parametrize("factor", [1e-6, 1e7], ids=["prices of 1e-6", "prices of 1e7"])
def test_any_level_of_prices_is_drawn(factor):
    *_, (_, block) = shown(scaled(random_prices(300, seed=9), factor), ["price"], closes=1)
    assert opened(block.image).size == (640, 400)


@pytest.mark.parametrize("kind", ["constant", "no volume", "a huge gap", "ten bars"])
def test_markets_out_of_the_ordinary_are_drawn(kind):
    prices = random_prices(300, seed=9)
    table = prices.table.copy()
    if kind == "constant":
        table.iloc[:, :4] = 100.0
    elif kind == "no volume":
        table.iloc[:, 4] = 0.0
    elif kind == "a huge gap":
        table.iloc[290:, :4] *= 1e6
    options = {"bars": 10, "averages": []} if kind == "ten bars" else {}
    *_, (_, block) = shown(with_table(prices, table), closes=1, **options)
    picture = opened(block.image).convert("RGB")
    assert last_candle_rose(picture) == (table.iloc[-1]["close"] >= table.iloc[-1]["open"])


def requests(prices, mode, null=None):
    """The hash of the request at each close, which is over that of the chart."""
    context = ["features", {"chart": SMALL | {"null": null}}]
    advisor = ModelAdvisor(ScriptedClient([]), options=PromptOptions("slots"), context=context)
    return [key for _, key in read_requests(advisor, prices, mode)]


@pytest.mark.parametrize("null", [None, "other"])
def test_rewriting_every_later_bar_changes_no_chart_in_any_mode_of_the_engine(null):
    prices, cut = random_prices(290, seed=3), 282
    table = prices.table.copy()
    table.iloc[cut:, :4] *= np.linspace(50, 1e-3, len(table) - cut)[:, None]
    before = requests(prices, MODES[0], null)
    known = cut + len(before) - len(table)
    assert 10 < known < len(before) == 21
    assert len(set(before)) > 10
    for mode in MODES:
        after = requests(with_table(prices, table), mode, null)
        assert after[:known] == before[:known]
        assert all(one != other for one, other in zip(after[known:], before[known:], strict=True)) or null == "other"
        assert requests(prices, mode, null) == before


def test_fonts_locale_and_settings_of_a_person_change_no_byte(tmp_path):
    table = random_prices(300, seed=2).table.tail(40)
    bars = {"columns": table.to_numpy().T.tolist(), "times": [time.isoformat() for time in table.index]}
    (tmp_path / "matplotlibrc").write_text("font.family: cursive\nfont.size: 40\nfigure.dpi: 300\n")
    (tmp_path / "fonts.conf").write_text("<fontconfig><dir>/nowhere</dir></fontconfig>")
    own = {
        "HOME": str(tmp_path), "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLCONFIGDIR": str(tmp_path),
        "FONTCONFIG_FILE": str(tmp_path / "fonts.conf"), "LC_ALL": "de_DE.UTF-8", "LANG": "C", "TZ": "Asia/Tokyo",
        "PYTHONHASHSEED": "7",
    }  # fmt: skip
    drawn = [
        subprocess.run(
            [sys.executable, "-c", DRAW],
            input=json.dumps(bars).encode(),
            env=os.environ | changed,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for changed in ({}, own)
    ]
    assert drawn[0] == drawn[1]
    assert opened(type("Drawn", (), {"png": drawn[0]})).size == (640, 400)


def test_mirrored_what_rose_falls_and_another_stretch_is_over_long_before():
    prices, options = random_prices(110, seed=3), SMALL
    plain, mirrored, other = (list(shown(prices, null=null, **options)) for null in (None, "mirrored", "other"))
    assert {block.text for _, block in plain} == {block.text for _, block in (*mirrored, *other)}
    known = {block.image.sha256: place for place, (_, block) in enumerate(plain)}
    late = len(plain) - len(other)
    for place, (snapshot, block) in enumerate(mirrored):
        rose = snapshot.window.close[-1] >= snapshot.window.open[-1]
        assert last_candle_rose(opened(block.image).convert("RGB")) != rose
        assert block.image.sha256 != plain[place][1].image.sha256
    assert late == 20
    ago = [late + place - known[block.image.sha256] for place, (_, block) in enumerate(other)]
    assert min(ago) == 20, "no bar is in both"
    assert len(set(ago)) > 10
    assert [block for _, block in shown(prices, null="other", **options)] == [block for _, block in other]


def test_the_null_text_tells_the_same_bars_in_numbers_and_asks_no_model_that_sees():
    prices = random_prices(300, seed=3)
    snapshot, block = next(shown(prices, bars=10, averages=[], null="text"))
    columns = ["open", "high", "low", "close", "volume"]
    (history,) = Context([{"history": {"bars": 10, "columns": columns}}]).show(snapshot)
    assert (block.text, block.image) == (history.text, None)
    assert Context(["chart"]).images == ("chart",)
    for null in ("text", "none"):
        assert Context(null_choices(["chart"], "chart", null)).images == ()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bars": 9}, r"'chart': bars is 9: it should be greater than or equal to 10\."),
        ({"bars": 251}, r"'chart': bars is 251: it should be less than or equal to 250\."),
        ({"bars": 30}, r"shows 30 bars and an average over 50, which is longer: set bars to 50 or more, or leave that"),
        ({"averages": [20, 20]}, r"'chart' has the average 20 twice: name it once\."),
        ({"averages": [2, 3, 4, 5, 6]}, "averages"),
        ({"averages": [1]}, "averages.0 is 1"),
        ({"bars": 200, "width": 320}, r"200 bars in a width of 320 pixels.*: set width to 464 or more, or show fewer"),
        ({"width": 64}, "width is 64"),
        ({"candles": True}, r"'chart' has no option 'candles'"),
        ({"null": "others"}, "null is 'others'"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        Context([{"chart": options}])


def test_a_window_of_numpy_columns_and_one_of_lists_are_drawn_alike():
    from llm_strategy.market.chart_drawing import draw_chart

    columns = random_prices(300, seed=2).table.tail(12).to_numpy().T
    times = [""] * 12
    as_lists, as_arrays = (
        draw_chart(Window(*each, times), {}, width=320, height=240, volume=False)
        for each in (columns.tolist(), np.asfortranarray(columns))
    )
    assert as_lists == as_arrays
