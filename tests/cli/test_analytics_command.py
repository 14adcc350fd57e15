"""btllm analytics: the list, one of it, one's own, and what is wrong with that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from command_line import only_error

from llm_strategy.market.analytics.registry import ANALYTICS

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_analytic.py"


@pytest.mark.slow
def test_the_list_has_every_analytic_with_its_cost_and_schema(btllm):
    status, out, _ = btllm("analytics", "--json")
    listed = json.loads(out)
    assert status == 0
    assert [each["name"] for each in listed] == list(ANALYTICS)
    for each in listed:
        analytic = ANALYTICS[each["name"]]
        assert (each["lookback"], each["tokens"]) == (analytic.lookback, analytic.tokens)
        assert each["milliseconds"] > 0
        jsonschema.Draft202012Validator.check_schema(each["schema"])
        jsonschema.validate(dict.fromkeys(analytic.outputs), each["schema"])


def test_one_tells_what_each_figure_is_in_eighty_columns(btllm):
    status, out, _ = btllm("analytics", "moving_averages", "streaks")
    assert status == 0
    assert out.startswith("moving_averages: 200 bars, at most ")
    assert "  order                word      rising: 20 above 50 above 200;" in out
    assert "A model reads, on synthetic prices: streaks: length " in out
    assert max(map(len, out.splitlines())) <= 80


def test_ones_own_is_tried_and_listed(btllm, tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    status, out, err = btllm("analytics", "own_analytic.py:CALM")
    assert status == 0
    assert out.startswith("calm: 61 bars, at most ")
    assert "Note" not in err


OWN = """
from llm_strategy import Analytic, Quantity
SEEN = []
OUT = {"x": Quantity("ratio", "a figure")}
def divides(past):
    return {"x": past.bars.volume[-1] / past.bars.volume.sum()}
def remembers(past):
    SEEN.append(past.snapshot.close)
    return {"x": SEEN[-1] / max(SEEN)}
DIVIDES = Analytic("divides", "a share", 20, divides, OUT)
REMEMBERS = Analytic("remembers", "a share", 20, remembers, OUT)
"""


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_what_goes_wrong_on_a_market_of_another_kind_is_a_note(btllm, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    status, out, err = btllm("analytics", "mine.py:DIVIDES")
    assert status == 0
    assert out.startswith("divides: 20 bars")
    assert "Note: In a market without volume a run would end: The analytic 'divides' gave nan as x at the bar of" in err
    assert "that stand still" not in err


def test_one_that_keeps_what_it_saw_is_refused(btllm, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    status, _, err = btllm("analytics", "mine.py:REMEMBERS")
    assert status == 2
    assert "Error: The analytic 'mine.py:REMEMBERS' looks ahead: at 20" in err


def test_an_unknown_one_is_one_sentence(btllm):
    said = only_error(btllm("analytics", "trend_strenght"), 2)
    assert said == "Error: There is no analytic 'trend_strenght', did you mean 'trend_strength'?"


def test_help_imports_none_of_what_analytics_are_made_of():
    code = (
        "import sys; from simulator.cli import main, analytics; import llm_strategy.market.analytics.registry; "
        "print([name for name in ('talib', 'scipy', 'statsmodels', 'arch') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
