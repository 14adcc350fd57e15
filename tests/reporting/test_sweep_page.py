"""The page of a sweep: its figures against the files of the folder, its words, its table, and what is hostile or
damaged."""

import base64
import hashlib
import json
import math
import re
import shutil
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml
from page_parser import DATA, Page
from small_run import SMALL
from sweep_folder import LIMITS, WINDOWS, write_made_sweep, write_real_sweep

import simulator
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator.reporting.facts.fact import read_facts
from simulator.reporting.inspector.numbering import unpacked
from simulator.reporting.sweep.cells import load_sweep
from simulator.reporting.sweep.page import write_sweep_page

EVIL = "</script><script>x()</script><img src=x onerror=x()> {best.sharpe} *b* | x"
NAMED = re.compile(r"<data[^>]*>([^<]*)</data>")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A rule under three stops and two slippages in three windows that overlap."""
    folder = write_real_sweep(tmp_path_factory.mktemp("sweep") / "limits")
    write_sweep_page(folder)
    return folder


def made(folder, common=0.5, number=12, bars=500, skill=(), windows=1, **given):
    """The page of a sweep of made returns: its facts and HTML."""
    draw = np.random.default_rng(7)
    returns = math.sqrt(common) * draw.standard_normal((bars, 1)) + math.sqrt(1 - common) * draw.standard_normal(
        (bars, number)
    )
    returns[:, : len(skill)] += skill
    axes = given.pop("axes", {"risk.stop_loss_pct": [0.02, 0.1], "risk.cooldown_bars": [*range(number // 2)]})
    write_made_sweep(folder, axes, 0.01 * returns, windows=windows, **given)
    page = write_sweep_page(folder).read_text(encoding="utf-8")
    return read_facts(folder / "facts.json"), page


def joined(folder, cells):
    """Returns of these cells in the order of their windows, each close once."""
    returns = pd.read_parquet(folder / "returns.parquet")
    parts = [returns[returns["cell"] == cell].set_index("close")["return"] for cell in cells]
    whole = pd.concat(parts)
    return whole[~whole.index.duplicated()].sort_index()


def test_figures_are_those_of_the_files(real):
    facts, cells = read_facts(real / "facts.json"), pd.read_parquet(real / "cells.parquet")
    groups = cells.groupby([*LIMITS])
    accounts = {key: joined(real, group["cell"]) for key, group in groups}
    ratios = {key: moves.mean() / moves.std() for key, moves in accounts.items()}
    best = max(ratios, key=ratios.get)
    moves = accounts[best]
    assert facts["sweep.bars"].value == len(moves) < cells["bars"].groupby(cells["window"]).first().sum()
    assert facts["sweep.configurations"].value == len(accounts) == 6
    assert facts["sweep.cells"].value == 6 * len(WINDOWS)
    assert facts["best.total_return"].value == pytest.approx((1 + moves).prod() - 1)
    assert facts["best.sharpe"].value == pytest.approx(
        ratios[best] * math.sqrt(len(moves) / facts["sweep.years"].value)
    )
    growth = np.concatenate([[1.0], (1 + moves).cumprod()])
    assert facts["best.max_drawdown"].value == pytest.approx((1 - growth / np.maximum.accumulate(growth)).max())
    assert facts["best.trades"].value == groups.get_group(best)["trades"].sum()
    assert facts["best.costs"].value == pytest.approx(groups.get_group(best)["costs"].sum())
    assert facts["sweep.decisions"].value == cells["decisions"].sum()
    assert (facts["sweep.questions"].value, facts["sweep.asked"].value) == (57, 0)
    assert facts["luck.equals"].value == pytest.approx(facts["luck.mean"].value + facts["luck.expected"].value)
    named = (real / "report.md").read_text().split("\n")[2]
    assert all(f"`{key}` {value:g}" in named for key, value in zip(LIMITS, best, strict=True))


def test_the_best_of_a_window_is_followed_into_the_bars_that_come_after_it(real):
    facts, cells = read_facts(real / "facts.json"), pd.read_parquet(real / "cells.parquet")
    names = sorted(cells["window"].unique())
    for number, (before, after) in enumerate(pairwise(names), start=1):
        earlier = cells[cells["window"] == before]
        chosen = earlier.loc[earlier["sharpe"].idxmax()]
        assert facts[f"forward.step.{number}.in_sample"].value == pytest.approx(chosen["sharpe"])
        (cell,) = cells[(cells["window"] == after) & (cells[[*LIMITS]] == chosen[[*LIMITS]]).all(axis=1)]["cell"]
        moves = joined(real, [cell])
        new = moves[moves.index > pd.Timestamp(earlier["end"].max())]
        year = len(joined(real, [1, 2, 3])) / facts["sweep.years"].value
        assert facts[f"forward.step.{number}.bars"].value == len(new)
        ratio = new.mean() / new.std() * math.sqrt(year)
        assert facts[f"forward.step.{number}.out_of_sample"].value == pytest.approx(ratio)


def test_every_figure_is_a_fact_and_the_page_is_whole(real):
    html, facts = (real / "report.html").read_text(), read_facts(real / "facts.json")
    page = Page(html)
    assert not page.problems
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.hrefs)
    assert len(page.facts) > 60
    assert all(text == facts[name].text for name, text in page.facts)
    text = (real / "report.md").read_text()
    assert all(fact.text in text for name, fact in facts.items() if name.startswith(("best.", "pbo.", "dsr.", "heat.")))
    assert "recommend" not in text


def test_one_window_gives_the_ratios_of_its_cells_and_the_same_bytes(tmp_path):
    folder = write_real_sweep(tmp_path / "one", {"risk.stop_loss_pct": [0.02, 0.1]}, (WINDOWS[0],))
    first = write_sweep_page(folder).read_bytes()
    cells, record = pd.read_parquet(folder / "cells.parquet"), load_sweep(folder)
    np.testing.assert_allclose(record.configurations["sharpe"], cells["sharpe"], rtol=0.01)
    for name in ("total_return", "max_drawdown"):
        np.testing.assert_allclose(record.configurations[name], cells[name])
    assert write_sweep_page(folder).read_bytes() == first
    assert "one window" in first.decode()


def test_what_a_configuration_is_called_is_what_runs_it_alone(real):
    record = load_sweep(real)
    for number in record.order:
        settings = yaml.safe_load(yaml.safe_dump(record.settings(number)))
        experiment = simulator.Experiment.from_mapping(SMALL | settings)
        assert experiment.risk.stop_loss_pct == record.configurations.loc[number, "risk.stop_loss_pct"]
        assert experiment.costs.slippage_bps == record.configurations.loc[number, "costs.slippage_bps"]


@pytest.mark.parametrize(
    ("skill", "words"),
    [
        ([], "Cannot be told from luck"),
        ([0.2] * 12, "Choosing cannot be told from luck"),
        ([0.3], "More than luck explains on these bars"),
    ],
    ids=["nothing", "all equally good", "one good"],
)
def test_the_verdict_says_what_was_planted(tmp_path, skill, words):
    facts, page = made(tmp_path / "sweep", skill=skill)
    assert facts["sweep.verdict"].value == words
    assert f"<strong>{words}.</strong>" in page


def test_a_good_one_below_the_market_is_no_better_than_the_market(tmp_path):
    folder = tmp_path / "sweep"
    made(folder, skill=[0.3])
    cells = pd.read_parquet(folder / "cells.parquet")
    cells["market_sharpe"] = 9.0
    cells.to_parquet(folder / "cells.parquet")
    write_sweep_page(folder)
    assert read_facts(folder / "facts.json")["sweep.verdict"].value == "No better than the market"


@pytest.mark.parametrize(("number", "bars", "words"), [(2, 40, "Nothing can be said"), (1, 400, "nothing to choose")])
def test_too_little_is_told(tmp_path, number, bars, words):
    facts, page = made(tmp_path / "sweep", number=number, bars=bars, axes={"risk.stop_loss_pct": [0.02, 0.1][:number]})
    assert words in facts["sweep.verdict"].value
    assert not any(name.startswith(("luck", "pbo", "dsr")) for name in facts)
    assert "Does the choice carry over?" not in page


def test_accounts_without_returns_and_closes_that_some_lack_are_left_out_and_told(tmp_path):
    folder = tmp_path / "sweep"
    made(folder)
    returns = pd.read_parquet(folder / "returns.parquet")
    returns.loc[returns["cell"] == 2, "return"] = float("nan")
    lacking = (returns["cell"] == 5) & (returns["close"] < returns["close"].unique()[30])
    returns[~lacking].to_parquet(folder / "returns.parquet")
    page = write_sweep_page(folder).read_text()
    facts = read_facts(folder / "facts.json")
    assert (facts["sweep.unmeasured"].value, facts["sweep.dropped"].value, facts["sweep.bars"].value) == (1, 30, 470)
    assert "without returns" in page
    assert "some configurations lack" in page
    assert "The best of 11 configurations that can be compared" in (folder / "report.md").read_text()
    assert "not among them: 1, which have no returns" in (folder / "report.md").read_text()


def test_of_prices_that_share_no_dates_the_one_that_is_compared_is_no_best_of_all(tmp_path):
    folder = tmp_path / "sweep"
    made(folder, number=2, axes={"data.source": ["csv:a.csv", "csv:b.csv"]})
    returns = pd.read_parquet(folder / "returns.parquet")
    other = returns["cell"] == 2
    returns.loc[other, "close"] += pd.Timedelta(days=5_000)
    returns[~other | (returns["close"] < returns.loc[other, "close"].iloc[100])].to_parquet(folder / "returns.parquet")
    write_sweep_page(folder)
    report = (folder / "report.md").read_text()
    assert "The only configuration that can be compared" in report
    assert "best of 2" not in report


def test_long_values_that_begin_alike_are_values_of_their_own(tmp_path):
    folder, long = tmp_path / "sweep", [f"csv:{'a folder of prices, ' * 10}{name}.csv" for name in ("one", "two")]
    facts, _ = made(folder, number=4, axes={"data.source": long, "risk.stop_loss_pct": [0.02, 0.1]})
    assert [facts[f"axis.1.{at}.configurations"].value for at in (1, 2)] == [2, 2]
    report = (folder / "report.md").read_text()
    assert all(f"{name}.csv |" in report for name in ("one", "two"))
    record = load_sweep(folder)
    for number, source in enumerate(record.configurations["data.source"]):
        assert record.settings(number)["data"]["source"] == source


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("data", [{"source": "csv:a.csv"}, {"source": "csv:b.csv"}], "prices or times were varied"),
        ("advisor.options", [{"seed": 1}, {"seed": 2}], "a seed is no choice"),
        ("advisors", [{"a": {"options": {"seed": 1}}}, {"a": {"options": {"seed": 2}}}], "a seed is no choice"),
    ],
)
def test_sections_that_are_varied_whole_are_no_choices_either(tmp_path, key, values, words):
    _, page = made(tmp_path / "sweep", number=2, axes={key: values})
    assert words in page


def test_labels_of_small_pictures_tell_long_values_apart(tmp_path):
    sources, stops, bars = ["csv:prices/mine.csv", "csv:prices/other.csv"], [0.02, 0.1], [5, 10]
    axes = {"data.source": sources, "risk.stop_loss_pct": stops, "risk.cooldown_bars": bars}
    folder = tmp_path / "sweep"
    made(folder, number=8, axes=axes)
    page = write_sweep_page(folder, ("data.source", "risk.stop_loss_pct")).read_text()
    assert "…mine.csv" in page
    assert "…other.csv" in page


def test_shades_tell_high_from_low_and_values_stand_in_them(tmp_path):
    skill = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]
    facts, page = made(tmp_path / "sweep", common=0.9, skill=skill)
    rows = re.findall(r'<td data-tint="(-?\d)">(<data.*?</data>)</td>', page)
    assert len(rows) == 12
    shown = sorted((float(NAMED.search(cell)[1]), int(tint)) for tint, cell in rows)
    assert [tint for _, tint in shown] == sorted(tint for _, tint in shown)
    assert shown[0][1] < 0 < shown[-1][1]
    assert facts["axis.1.2.median"].value > facts["axis.1.1.median"].value + 1


def test_a_caller_names_the_two_settings_of_the_heat_map(tmp_path):
    axes = {"risk.stop_loss_pct": [0.02, 0.1], "risk.cooldown_bars": [1, 2, 3], "advisor.mode": ["json", "slots"]}
    made(tmp_path / "sweep", axes=axes)
    page = write_sweep_page(tmp_path / "sweep", ("advisor.mode", "risk.cooldown_bars")).read_text()
    assert "<code>risk.cooldown_bars</code> down, <code>advisor.mode</code> across" in page
    assert page.count('<figure id="third-') == 2
    with pytest.raises(ConfigurationError, match=r"'risk\.no' was not varied: choose two of advisor\.mode"):
        write_sweep_page(tmp_path / "sweep", ("risk.no", "advisor.mode"))


def test_several_arms_are_a_setting(tmp_path):
    arms = ("regime_rule", "momentum")
    folder = write_real_sweep(tmp_path / "arms", {"risk.stop_loss_pct": [0.02, 0.1]}, (WINDOWS[0],), arms=arms)
    page = write_sweep_page(folder).read_text()
    assert read_facts(folder / "facts.json")["sweep.configurations"].value == 4
    assert all(f'<th scope="row">{arm}</th>' in page for arm in arms)


def test_thousands_of_configurations_make_a_small_page_that_holds_all(tmp_path):
    axes = {"risk.stop_loss_pct": [*np.linspace(0.01, 0.2, 50)], "risk.cooldown_bars": [*range(20)]}
    folder = tmp_path / "many"
    facts, page = made(folder, axes=axes, number=1000, bars=130)
    assert len(page) < 1_000_000
    assert facts["sweep.configurations"].value == 1000
    static = re.search(r'<table class="rows quoted">(.*?)</table>', page, re.DOTALL)[1]
    ranks = [int(rank) for rank in re.findall(r'<th scope="row">(\d+)</th>', static)]
    assert ranks == [*range(1, 101), *range(981, 1001)]
    data = unpacked(re.search(r'data-name="configurations">([^<]*)<', page)[1])
    ratios = data["figures"][0]["rows"]
    assert len(ratios) == 1000
    assert ratios == sorted(ratios, reverse=True)
    assert len(data["axes"][0]["values"]) == 50
    assert "Of many values some are shown" in page


def test_hostile_names_and_values_are_text(tmp_path):
    axes = {f"advisor.{EVIL}": [EVIL, {"b": EVIL}], "risk.cooldown_bars": [*range(6)]}
    _, page = made(tmp_path / "sweep", axes=axes, name=EVIL, hostile=EVIL, windows=2)
    own = [one.read_text() for one in _scripts()]
    rest = DATA.sub("", page.replace(f"<script>\n{''.join(own)}</script>", "", 1))
    assert "<script" not in rest
    assert not re.search(r"<img|<[^>]+\son\w+=", re.sub(r'"[^"]*"', "", rest))
    assert "&lt;/script&gt;&lt;script&gt;x()" in rest
    assert not Page(rest).problems
    markdown = (tmp_path / "sweep" / "report.md").read_text().splitlines()
    plain = [line for line in markdown if not line.startswith("    ")]  # what is indented is code
    assert len(plain) > 40
    assert not any("<" in line for line in plain)


def _scripts():
    place = files("simulator.reporting")
    return [place / "scripts" / "1_documents.js", place / "sweep" / "configurations.js"]


def test_the_policy_names_the_style_and_the_script_of_the_page_alone(real):
    html = (real / "report.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?://|url\(|@import|innerHTML|\beval\b", html)
    own = _scripts()[1].read_bytes()
    assert len(own) < 8_000
    assert own.isascii()
    assert b"</" not in own


def test_what_is_no_sweep_or_is_damaged_is_one_sentence(real, tmp_path):
    copy = tmp_path / "sweep"
    for name, content, words in (
        ("sweep.json", None, "has no sweep.json, so it is no finished sweep: run btllm sweep again"),
        ("returns.parquet", None, "has no returns.parquet"),
        ("sweep.json", b"{}", "holds what no run writes"),
        ("sweep.json", b"no JSON", "holds what no run writes"),
        ("cells.parquet", b"PAR1", "Parquet"),
        ("cells.parquet", (real / "returns.parquet").read_bytes(), "has no column 'risk.stop_loss_pct'"),
        ("returns.parquet", (real / "cells.parquet").read_bytes(), "holds what no run writes"),
    ):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(real, copy)
        (copy / name).unlink()
        if content is not None:
            (copy / name).write_bytes(content)
        with pytest.raises(RunFolderError, match=re.escape(words)) as told:
            write_sweep_page(copy)
        assert len(str(told.value).splitlines()) == 1


def test_returns_of_an_unknown_cell_are_refused(tmp_path):
    folder = tmp_path / "sweep"
    made(folder)
    document = json.loads((folder / "sweep.json").read_text())
    assert document["cells"] == 12
    cells = pd.read_parquet(folder / "cells.parquet")
    cells[cells["cell"] < 12].to_parquet(folder / "cells.parquet")
    with pytest.raises(RunFolderError, match="returns of a cell that is not in"):
        write_sweep_page(folder)


@pytest.mark.parametrize(
    ("key", "values", "told"),
    [
        ("data.source", ["csv:a.csv", "csv:b.csv"], "the best is also the best market or time"),
        ("advisor.options.seed", [1, 2], "a seed is no choice"),
        ("costs.slippage_bps", [1, 2], "costs are no choice"),
        ("risk.max_position_size", [0.1, 0.2], ""),
    ],
)
def test_what_is_no_choice_is_told_on_the_first_screen(tmp_path, key, values, told):
    _, page = made(tmp_path, axes={key: values, "risk.cooldown_bars": [*range(6)]})
    words = ("best market or time", "a seed is no choice", "costs are no choice")
    assert [word for word in words if word in page] == [word for word in words if word in told]
