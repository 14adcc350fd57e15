"""Settings made to write elsewhere, to compute in a spreadsheet, or to be out of all bounds: each is one sentence."""

import pytest

from llm_strategy.errors import BacktraderLLMError, ConfigurationError
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.universe import load_universe
from simulator.runs.compare import compare


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "", "x\n", "a\0b", "/etc/x", "a\\b", "x" * 61, ".hidden"])
def test_a_name_is_no_path(name):
    for make in (lambda: Experiment(name=name), lambda: Experiment.from_mapping({"name": name})):
        with pytest.raises(ConfigurationError, match=r"name|NUL"):
            make()


@pytest.mark.parametrize("symbol", ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\uff1d1+1", "\uff20x"])
def test_a_symbol_is_no_formula(price_file, symbol):
    lines = "\n".join(f"2020-01-{day:02},1,1,1,1" for day in range(1, 32))
    source = price_file(f"time,open,high,low,close\n{lines}\n")
    for data in ({"source": source, "symbol": symbol}, {"sources": {symbol: source}}):
        with pytest.raises(ConfigurationError, match="a spreadsheet takes what begins with"):
            load_universe(DataConfig(**data))


@pytest.mark.parametrize(
    "section",
    [
        {"costs": {"starting_cash": 10**400}},
        {"costs": {"commission_bps": 1e300}},
        {"risk": {"cooldown_bars": 10**30}},
        {"evaluation": {"seed": 10**5000}},
        {"evaluation": {"bars_per_year": 10**18}},
        {"data": {"source": "csv:a\0b.csv"}},
        {"output": {"folder": "a\0b"}},
        {"output": {"folder": "\0"}},
    ],
    ids=lambda section: "-".join(key for inner in section.values() for key in inner),
)
def test_what_is_out_of_all_bounds_is_one_sentence(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BacktraderLLMError) as caught:
        compare({"arms": ["buy_and_hold", "momentum"], **section})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "reports").exists()


def test_a_tilde_in_the_folder_is_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    result = compare(
        {
            "data": {"source": "synthetic:cycles?seed=3&bars=400"},
            "arms": ["buy_and_hold", "momentum"],
            "output": {"folder": "~/runs"},
        }
    )
    assert result.folder.parent == tmp_path / "home" / "runs"
    assert not (tmp_path / "~").exists()
