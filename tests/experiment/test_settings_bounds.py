"""Every setting of an experiment with values that nobody means: each is refused in one sentence, or is a setting that
an experiment can be made of, in YAML, as a mapping and in Python."""

import dataclasses
import json
import math
import time
from importlib.resources import files

import pytest

from llm_strategy.costs.costs import Costs
from llm_strategy.errors import BacktraderLLMError, ConfigurationError, MarketDataError
from llm_strategy.market.features import Lookbacks
from llm_strategy.risk import Limits
from simulator.experiment.configuration import EvaluationConfig, Experiment, OutputConfig
from simulator.prices.config import DataConfig
from simulator.prices.load import load_prices
from simulator.runs.compare import compare

pytestmark = pytest.mark.slow

SCHEMA = json.loads((files("llm_strategy.contracts") / "experiment.schema.json").read_text(encoding="utf-8"))
EXTREME = {
    "zero": 0,
    "minus one": -1,
    "the least number": 5e-324,
    "a denormal number": 1e-320,
    "a great number": 1e308,
    "a great negative number": -1e308,
    "four hundred digits": 10**400,
    "five thousand digits": 10**5000,
    "a whole fraction": 2.0,
    "beyond 64 bits": 2**64,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "no number": math.nan,
    "truth": True,
    "text": "x",
    "long text": "x" * 10_000,
    "half a sign": "\ud800",
    "a NUL": "a\0b",
    "a line feed": "a\n",
    "the year 10000": "10000-01-01",
    "the year 9999": "9999-12-31",
    "a week": "2000-W01",
    "a span of 27 years": "9999d",
    "no span": "0d",
    "many minutes": "1e9m",
    "somebody's home": "~nobody-of-this-name/x",
    "an empty list": [],
    "an empty mapping": {},
    "a list of everything": [None, 1, "x", math.nan],
    "ten thousand entries": {f"S{number}": "csv:x" for number in range(10_000)},
}


def leaves(schema, path=()):
    for key, inner in schema.get("properties", {}).items():
        if "properties" in inner:
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key)


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


@pytest.mark.parametrize("path", list(leaves(SCHEMA)), ids=".".join)
def test_a_value_that_nobody_means_is_one_sentence_or_a_setting(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taken, told = 0, []
    for name, value in EXTREME.items():
        began = time.process_time()
        try:
            experiment = Experiment.from_mapping(nested(path, value))
            json.dumps(experiment.as_dict(), allow_nan=False).encode()
            again = Experiment.from_mapping(experiment.as_dict())
        except ConfigurationError as problem:
            told.append(str(problem))
        else:
            taken += 1
            assert again == experiment, name
        assert time.process_time() - began < 20, name
    assert taken < len(EXTREME) / 2
    assert not [sentence for sentence in told if "\n" in sentence or len(sentence) > 1_000]


SECTIONS = {"risk": Limits, "costs": Costs, "evaluation": EvaluationConfig, "lookbacks": Lookbacks}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", [name for name, value in EXTREME.items() if isinstance(value, int | float)])
def test_numbers_that_nobody_means_are_refused_in_python_too(section, name):
    kind = SECTIONS[section]
    value, told = EXTREME[name], []
    for field in dataclasses.fields(kind):
        if field.name in ("preset", "sizing"):  # a word
            continue
        try:
            made = kind(**{field.name: value})
            if section != "lookbacks":
                Experiment(**{section: made})
        except ConfigurationError as problem:
            told.append(str(problem))
        else:
            assert abs(value) <= 10**15, field.name
    assert not [sentence for sentence in told if "\n" in sentence]


@pytest.mark.parametrize(
    "choice",
    [
        {"data": DataConfig(symbol="\ud800")},
        {"data": DataConfig(source="csv:\udcff.csv")},
        {"data": DataConfig(timeframe="1d", start="a\0b")},
        {"output": OutputConfig(folder="a\0b")},
        {"output": OutputConfig(folder="")},
        {"evaluation": EvaluationConfig(bootstrap_samples=10**9)},
        {"evaluation": EvaluationConfig(confidence_level=math.nan)},
        {"evaluation": EvaluationConfig(seed=-1)},
    ],
    ids=["symbol", "name of a file", "start", "folder", "no folder", "samples", "level", "seed"],
)
def test_what_the_schema_refuses_is_refused_in_python_too(choice):
    with pytest.raises(ConfigurationError) as caught:
        Experiment(**choice)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"timeframe": "9999d"}, "are more than 900 years"),
        ({"start": "2000-W01"}, "write an ISO date or time without a zone"),
        ({"start": "9999-12-31"}, "has no bars from 9999-12-31"),
        ({"source": "synthetic:cycles?bars=" + "9" * 5_000}, "it must be a whole number from 2 to 20000"),
        ({"source": "synthetic:cycles?seed=" + "9" * 400}, "it must be a whole number from 0 to 4294967295"),
    ],
    ids=["timeframe", "week", "year 9999", "bars", "seed"],
)
def test_what_is_found_when_prices_are_loaded_is_one_sentence(data, told, tmp_path):
    with pytest.raises(BacktraderLLMError) as caught:
        compare({"data": {"source": "synthetic:cycles"} | data, "output": {"folder": str(tmp_path)}})
    assert told in str(caught.value)
    assert len(str(caught.value)) < 400


def test_whole_fractions_and_the_last_day_work_in_a_run(tmp_path):
    result = compare(
        {
            "data": {"source": "synthetic:cycles?bars=320", "end": "9999-12-31"},
            "advisor": {"style": "numbers", "decimals": 2.0, "decide_every": 2.0, "examples": {"nearest": 2.0}},
            "evaluation": {"bootstrap_samples": 100.0, "bars_per_year": 252.0},
            "risk": {"max_drawdown": 1},
            "arms": ["buy_and_hold", "momentum"],
            "output": {"folder": str(tmp_path), "explain": False},
        }
    )
    assert result.folder.is_dir()


BARS = "\n".join(f"2020-01-{day:02},2,2,2,2,5" for day in range(1, 29))
HEADER = "time,open,high,low,close,volume"


@pytest.mark.parametrize(
    ("cell", "wrong", "told"),
    [
        ("2,2,2,2,5", "2,2,2,2,1e308", "volume is 1e+308, it must be at most 1e+24"),
        ("2,2,2,2,5", "2,1e308,2,2,5", "high is 1e+308, a price lies between 1e-18 and 1e+15"),
        ("2,2,2,2,5", "2,2,1e-320,2,5", "low is 1e-320, a price lies between"),
        ("2,2,2,2,5", "2,2,2,2,\0", "line 2 holds NUL characters, as a file does that was cut off"),
        ("2020-01-01", "9" * 5_000, "is no date or time that can be read"),
        ("2020-01-01", "x" * 100_000, "is no date or time that can be read"),
        ("2,2,2,2,5", "2," * 10_000, "it has 10,002 cells, and at most 10,000 are read"),
        ("2,2,2,2,5", "2" * 1_000_001, "line 2 has more than 1,000,000 characters"),
        ("2,2,2,2,5", "2,2,2,2,5\n" + "2" * 999_990, "line 3: field larger than field limit"),
    ],
    ids=["volume", "price", "denormal price", "nul", "long number", "long text", "cells", "line", "almost a line"],
)
def test_rows_beyond_all_bounds_are_one_sentence(price_file, cell, wrong, told):
    with pytest.raises(MarketDataError) as caught:
        load_prices(price_file(f"{HEADER}\n{BARS.replace(cell, wrong, 1)}\n"))
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_that_ends_in_nothing_is_told(price_file):
    """What a power failure leaves: the length is there, and the last bytes are not."""
    with pytest.raises(MarketDataError, match="line 30 holds NUL characters"):
        load_prices(price_file(f"{HEADER}\n{BARS}\n" + "\0" * 4_096))
    with pytest.raises(MarketDataError, match=r"NUL characters|more than 1,000,000 characters"):
        load_prices(price_file(b"\0" * 2_000_000))


def test_a_parquet_file_that_unpacks_to_more_than_prices_do_is_refused(tmp_path):
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    columns = {name: np.ones(2_000_000, dtype="float32") for name in ("open", "high", "low", "close")}
    times = np.zeros(2_000_000, dtype="datetime64[us]")
    parquet.write_table(pa.table({"time": times, **columns}), tmp_path / "a.parquet")
    with pytest.raises(MarketDataError, match=r"it holds 10,000,000 cells in [\d,]+ bytes, which prices never do"):
        load_prices(f"parquet:{tmp_path / 'a.parquet'}")
