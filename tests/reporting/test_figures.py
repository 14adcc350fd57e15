"""What a reader reads off a figure: numbers and dates as they are, names as they were given."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import style
from record_factory import write_comparison, write_run

from simulator.folder.record import load_record
from simulator.reporting.drawing import ARM, INK, PlainNumbers, drawing, name_dates
from simulator.reporting.sections.charts import draw

pytestmark = pytest.mark.slow


def words(svg):
    """The texts of a figure, title and description left out."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    return ["".join(node.itertext()) for node in root.iter() if node.tag == "text"]


def figure(values, times=None, unit=""):
    """A line drawn over these times, with our labels."""
    values = np.asarray(values, float)
    times = np.arange(len(values)) if times is None else pd.DatetimeIndex(times).to_numpy()

    def plot(axes, wide):
        axes.plot(times, values, color=INK)
        axes.yaxis.set_major_formatter(PlainNumbers(unit))
        if times.dtype.kind == "M":
            name_dates(axes.xaxis)

    return words(drawing("test", "Title", "Text", plot).wide)


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (1.0812, 1.0934, ""), (0.99975, 1.00012, "x"), (0.0000112, 0.0000131, ""), (65_012.25, 65_013.5, ""),
        (1_900_000, 3_100_000, ""), (-0.00031, 0.0004, ""), (149.981, 149.987, ""),
    ],
)  # fmt: skip
def test_ticks_of_any_price_are_told_apart_and_true(low, high, unit):
    read = [text for text in figure([low, high], ["2020-01-01", "2024-01-01"], unit) if not text.startswith("20")]
    numbers = [float(text.removesuffix(unit).replace(",", "").replace("\u2212", "-")) for text in read]
    assert len(set(read)) == len(read) >= 3
    assert "e" not in "".join(read)
    steps = np.diff(sorted(numbers))
    assert np.allclose(steps, steps[0], rtol=1e-3), read  # a cut label would make uneven steps
    assert min(numbers) <= high
    assert max(numbers) >= low


@pytest.mark.parametrize(
    ("first", "last", "first_label"),
    [
        ("2003-05-01", "2019-02-01", "2004"),
        ("2010-03-05", "2010-09-20", "Apr|2010"),
        ("2009-11-15", "2010-06-20", "Dec|2009"),
        ("2012-01-20", "2012-02-11", "21|Jan 2012"),
        ("2024-12-28", "2025-01-03", "28|Dec 2024"),
        ("2021-06-07 09:30", "2021-06-07 16:00", "10:00|7 Jun 2021"),
        ("2021-12-31 20:00", "2022-01-01 04:00", "20:00|31 Dec 2021"),
        ("2021-06-07 09:30:00", "2021-06-07 09:30:40", "09:30:00|7 Jun 2021"),
    ],
)
def test_a_date_axis_names_year_and_month(first, last, first_label):
    from matplotlib.figure import Figure

    axes = Figure(figsize=(13, 5)).subplots()
    axes.plot(pd.date_range(first, last, periods=50).to_numpy(), np.arange(50))
    axes.margins(x=0)
    name_dates(axes.xaxis)
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.xaxis.get_majorticklocs() if low <= tick <= high]
    labels = axes.xaxis.get_major_formatter().format_ticks(ticks)
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


def test_names_numbers_and_marks_in_texts_stay_as_they_are():
    odd = ["1.23456789", "#010abc", 'id="y"', "url(#a)", "#010101", 'a <g id="b"> & c', "$x$_1", "font-family: x; y"]

    def plot(axes, wide):
        axes.plot([0.123456789, 1], [0, 1], color=ARM[0])
        for at, name in enumerate(odd):
            axes.text(0.5, at / len(odd), name, parse_math=False)

    drawn = drawing("odd", "1.23456789", "#010101", plot)
    for svg in (drawn.wide, drawn.narrow):
        assert [text for text in words(svg) if text in odd] == odd
        assert ">1.23456789</title>" in svg
        paths = re.findall(r'\bd="([^"]*)"', svg)
        assert paths
        assert not re.search(r"\.\d{3}", "".join(paths))
        assert "var(--arm-0)" in svg


@pytest.mark.parametrize("symbols", [("#010abc", "1.23456789"), ('id="y"', "$HY$"), ("#020202", "A_{1}")])
def test_a_page_of_oddly_named_symbols_is_drawn_with_their_names(tmp_path, symbols):
    made = write_run(tmp_path, symbols=symbols, bars=120)
    price = draw(load_record(made.folder))[-1]
    assert set(symbols) <= set(words(price.wide))


def test_two_threads_draw_the_same_bytes_as_one(tmp_path):
    record = load_record(write_comparison(tmp_path, bars=120).folder)
    alone = draw(record)
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(draw(record))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [alone] * 3


STYLE_OF_A_PERSON = """
lines.linewidth: 9
axes.facecolor: red
font.size: 20
savefig.bbox: tight
figure.dpi: 150
axes.unicode_minus: False
axes.formatter.use_locale: True
timezone: Asia/Tokyo
date.epoch: 2000-01-01
path.sketch: 1, 100, 2
svg.id: mine
xtick.major.pad: 20
"""
DRAWN = """
import hashlib, sys
from pathlib import Path
from simulator.folder.record import load_record
from simulator.reporting.sections.charts import draw
print(hashlib.sha256(repr(draw(load_record(Path(sys.argv[1])))).encode()).hexdigest())
"""


def test_a_persons_own_settings_of_matplotlib_clock_and_language_change_no_byte(tmp_path):
    folder = write_comparison(tmp_path / "run", bars=120, symbols=("A", "\u682a")).folder
    alone = hashlib.sha256(repr(draw(load_record(folder))).encode()).hexdigest()
    (tmp_path / "matplotlibrc").write_text(STYLE_OF_A_PERSON)
    own = {
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "TZ": "Asia/Tokyo", "LC_ALL": "C",
        "PYTHONHASHSEED": "3",
    }  # fmt: skip
    drawn = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAWN, str(folder)],
        env=os.environ | own, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert drawn.stdout.strip() == alone


def test_a_style_that_a_program_has_set_stays_its_own(tmp_path):
    record = load_record(write_comparison(tmp_path, bars=120).folder)
    alone = draw(record)
    with style.context("dark_background"), mpl.rc_context({"lines.linewidth": 7, "font.family": ["serif"]}):
        assert draw(record) == alone
        assert mpl.rcParams["lines.linewidth"] == 7
        assert mpl.rcParams["axes.facecolor"] == "black"
