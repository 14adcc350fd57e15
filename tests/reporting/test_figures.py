"""What a reader reads off a chart: numbers and dates as they are, names as they were given, at any width."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from page_parser import chart_tree
from record_factory import write_comparison, write_run

from simulator.folder.record import load_record
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, Band, Bars, Level, Line, Marks, Shades, Upright, Words
from simulator.reporting.charts.paths import WIDTH
from simulator.reporting.charts.scale import Rows, Steps, Times, milliseconds, numbers_around
from simulator.reporting.sections.charts import draw


def words(chart):
    """The texts of a chart."""
    return ["".join(node.itertext()) for node in chart_tree(chart).iter() if node.tag == "text"]


def chart_of(layers, x, y, **how):
    return Chart("test", "Title", "Text", [Panel(layers, x, y, **how)])


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (1.0812, 1.0934, ""), (0.99975, 1.00012, "x"), (0.0000112, 0.0000131, ""), (65_012.25, 65_013.5, ""),
        (1_900_000, 3_100_000, ""), (-0.00031, 0.0004, ""), (149.981, 149.987, ""),
    ],
)  # fmt: skip
def test_ticks_of_any_price_are_told_apart_and_true(low, high, unit):
    scale = numbers_around([low, high], unit)
    read = [label for _, label in scale.ticks()]
    numbers = [float(text.removesuffix(unit).replace(",", "")) for text in read]
    assert 7 >= len(set(read)) == len(read) >= 3
    assert "e" not in "".join(read).removesuffix(unit)
    steps = np.diff(numbers)
    assert np.allclose(steps, steps[0], rtol=1e-3), read  # a cut label would make uneven steps
    assert scale.low <= min(numbers) <= high
    assert low <= max(numbers) <= scale.high
    places = [place for place, _ in scale.ticks()]
    assert np.allclose(np.diff(places), steps / (scale.high - scale.low), rtol=1e-3)


@pytest.mark.parametrize(("low", "high"), [(0.5, 40.0), (1.0, 3.5), (90, 100_000), (1e-6, 1e6)])
def test_ratios_over_a_wide_span_are_logarithmic_with_round_ticks(low, high):
    scale = numbers_around([low, high], "x", ratios=True)
    assert scale.log
    ticks = scale.ticks()
    assert 3 <= len(ticks) <= 7
    for place, label in ticks:
        value = float(label.removesuffix("x").replace(",", ""))
        assert np.isclose(place, np.log(value / scale.low) / np.log(scale.high / scale.low))
    assert not numbers_around([low, high], "%").log


@pytest.mark.parametrize(
    ("first", "last", "first_label"),
    [
        ("2003-05-01", "2019-02-01", "2005"),
        ("2010-03-05", "2010-09-20", "Apr|2010"),
        ("2009-11-15", "2010-06-20", "Dec|2009"),
        ("2012-01-20", "2012-02-11", "22|Jan 2012"),
        ("2024-12-28", "2025-01-03", "28|Dec 2024"),
        ("2021-06-07 09:30", "2021-06-07 16:00", "10:00|7 Jun 2021"),
        ("2021-12-31 20:00", "2022-01-01 04:00", "20:00|31 Dec 2021"),
        ("2021-06-07 09:30:00", "2021-06-07 09:30:40", "09:30:00|7 Jun 2021"),
        ("1850-01-01", "2020-01-01", "1850"),
        ("2020-01-01", "2020-01-01", "00:00|1 Jan 2020"),
    ],
)
def test_a_date_axis_names_year_and_month(first, last, first_label):
    ends = milliseconds([first, last])
    ticks = Times(*ends).ticks()
    assert all(0 <= place <= 1 for place, _ in ticks)
    assert 1 <= len(ticks) <= 7
    labels = [label for _, label in ticks]
    if first != last:
        assert labels[0].replace("\n", "|") == first_label
    year = context = ""
    read = []
    for label in labels:  # as a reader does: what is not said again is as before
        own, _, below = label.partition("\n")
        if match := re.search(r"\d{4}$", below):
            year = match[0]
        context = below.removesuffix(year).strip() if below else context
        read.append((own, context, year))
    assert len(set(read)) == len(read), labels


ODD = ["1.23456789", "#010abc", 'id="y"', "url(#a)", 'a <g id="b"> & c', "$x$_1", "font-family: x; y", "{x}"]


def test_names_numbers_and_marks_in_texts_stay_as_they_are():
    at = np.array([0.0, 1.0])
    layers = [
        *(Line(name, at, at, ARM[0]) for name in ODD),
        *(Words(0.5, 0.5, name) for name in ODD),
        Marks("<b>", at, at, "up", ARM[1], titles=["<script>", '"q"']),
        Level(0.5, "a & b"),
        Upright(0.5, "<i>", word="<u>"),
    ]
    chart = chart_of(layers, numbers_around(at), numbers_around(at), title="<p>", names_at_end=True)
    texts = words(chart)
    assert [text for text in texts if text in ODD][: len(ODD)] == ODD
    assert {"<p>", "<u>"} < set(texts)
    legend = ["".join(item.itertext()).strip() for item in chart_tree(chart).iter("li")]
    assert legend == [*ODD, "<b>", "a & b", "<i>"][::-1], "what lies in front comes first"
    assert [title.text for title in chart_tree(chart).iter("title")] == ["<script>", '"q"']
    assert "<script" not in chart.__html__()


def test_a_line_goes_through_its_points_and_breaks_where_one_is_missing():
    x, y = np.array([0.0, 1, 2, 3, 4]), np.array([0.0, 4, np.nan, 2, 2])
    panel = chart_of([Line("a", x, y)], Steps(0, 4, (0.0, 2.0, 4.0)), Steps(0, 4, (0.0, 4.0)), height=100)
    path = next(node for node in chart_tree(panel).iter("path") if node.get("class") == "line").get("d")
    assert path == f"M0 200l{WIDTH // 4}-200M7500 100l2500 0"


def test_a_long_line_keeps_its_extremes():
    rng = np.random.default_rng(3)
    y = np.cumsum(rng.normal(size=50_000))
    x = np.arange(50_000.0)
    chart = chart_of([Line("a", x, y)], Steps(0, 49_999, (0.0,)), numbers_around(y), height=300)
    path = next(node for node in chart_tree(chart).iter("path") if node.get("class") == "line").get("d")
    steps = np.array([int(number) for number in re.findall(r"-?\d+", path)]).reshape(-1, 2).cumsum(axis=0)
    scale = numbers_around(y)
    expected = (1 - scale.places(np.array([y.max(), y.min(), y[0], y[-1]]))) * 600
    assert np.allclose([steps[:, 1].min(), steps[:, 1].max(), steps[0, 1], steps[-1, 1]], expected, atol=0.51)
    assert len(steps) < 4_000
    assert (steps[0, 0], steps[-1, 0]) == (0, WIDTH)
    assert (np.diff(steps[:, 0]) >= 0).all()


def test_what_may_be_stretched_has_units_and_what_may_not_has_percents():
    x, y = np.array([1.0, 3.0]), np.array([0.0, 2.0])
    layers = [
        Shades("s", [(1, 2)], "var(--bull)"),
        Band("b", x, y, y + 1),
        Bars("c", np.array([1.0]), np.array([1.5]), np.array([0.0]), np.array([1.0]), ["#aabbcc"]),
        Line("l", x, y, dots=True),
        Marks("m", x, y, "cross", ARM[0]),
    ]
    chart = chart_of(layers, Steps(1, 3, (1.0, 3.0)), Steps(0, 4, (0.0, 4.0)), height=100)
    inner = next(node for node in chart_tree(chart).iter("svg") if node.get("class") == "lines")
    assert inner.get("viewBox") == f"0 0 {WIDTH} 200"
    drawn = {node.get("data-line"): node.get("d") for node in inner}
    assert drawn["s"] == "M0 0H5000V200H0Z"
    assert drawn["c"] == "M0 150H2500V200H0Z"
    assert drawn["b"] == "M0 150l10000-100L10000 100l-10000 100Z"
    marks = [node.get("x") for node in chart_tree(chart).iter("use")]
    assert marks == ["0.00%", "100.00%"] * 2


def test_rows_go_from_top_to_bottom():
    assert Rows(4).places(np.arange(4)).tolist() == [0.875, 0.625, 0.375, 0.125]


def test_no_value_at_all_draws_an_empty_panel():
    nothing = np.array([])
    missing = np.array([np.nan, np.nan])
    layers = [
        Line("a", nothing, nothing),
        Band("b", missing, missing, missing),
        Marks("m", missing, missing, "dot", ""),
    ]
    chart = chart_of(layers, numbers_around(nothing), numbers_around(missing), names_at_end=True)
    assert "nan" not in chart.__html__()


@pytest.mark.slow
@pytest.mark.parametrize("symbols", [("#010abc", "1.23456789"), ('id="y"', "$HY$"), ("#020202", "A_{1}")])
def test_a_page_of_oddly_named_symbols_is_drawn_with_their_names(tmp_path, symbols):
    made = write_run(tmp_path, symbols=symbols, bars=120)
    price = draw(load_record(made.folder))[-1]
    assert set(symbols) <= set(words(price))


@pytest.mark.slow
def test_below_a_price_stands_what_was_held_and_exits_by_a_stop_are_told_apart(tmp_path):
    record = load_record(write_run(tmp_path, bars=420).folder)
    arm = record.arms[0]
    price = draw(record)[-1]
    above, below = price.panels
    assert [layer.name for layer in below.layers] == ["held long"]
    assert len(below.layers[0].spans) == len(arm.trades)
    assert below.x.ticks() == above.x.ticks()
    assert len([text for text in words(price) if re.fullmatch(r"\d{4}", text)]) <= len(above.x.ticks())
    told = {layer.name: len(layer.x) for layer in above.layers if isinstance(layer, Marks)}
    reasons = arm.trades["exit_reason"].value_counts()
    assert told["long entry"] == len(arm.trades)
    assert told.get("exit by a stop", 0) == reasons.get("stop", 0)
    assert told.get("exit", 0) == reasons.drop(["stop", "open"], errors="ignore").sum()


@pytest.mark.slow
def test_names_at_the_ends_of_many_lines_stay_apart(tmp_path):
    record = load_record(write_comparison(tmp_path, bars=120).folder)
    for chart in draw(record)[:2]:
        heights = [
            float(node.get("y")) for node in chart_tree(chart).iter("text") if "end" in node.get("class", "").split()
        ]
        assert len(heights) > 3
        assert np.diff(sorted(heights)).min() >= 14.9


DRAWN = """
import sys
from pathlib import Path
from simulator.folder.record import load_record
from simulator.reporting.sections.charts import draw
print("".join(chart.__html__() for chart in draw(load_record(Path(sys.argv[1])))))
"""


@pytest.mark.slow
def test_clock_and_language_of_a_machine_change_no_byte(tmp_path):
    folder = write_comparison(tmp_path / "run", bars=120, symbols=("A", "\u682a")).folder
    alone = "".join(chart.__html__() for chart in draw(load_record(folder)))
    own = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "3", "PYTHONIOENCODING": "utf-8"}
    drawn = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAWN, str(folder)],
        env=os.environ | own, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    assert drawn.stdout.rstrip("\n") == alone


def test_a_day_with_a_zone_stands_where_that_moment_is():
    times = pd.DatetimeIndex(["2020-01-01 12:00"]).tz_localize("America/New_York")
    assert milliseconds(times).tolist() == milliseconds(["2020-01-01 17:00"]).tolist()
