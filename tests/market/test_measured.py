"""What is measured and rendered once for all who look, beside what is measured bar by bar and rendered each time."""

import pickle
from dataclasses import replace

import pytest
from all_snapshots import read_all
from markets import random_prices, with_table

from llm_strategy.market.features import DEFAULT_LOOKBACKS
from llm_strategy.market.view import View, render_snapshot, renderer
from simulator.runs.simulation import measured, snapshots

VIEWS = (
    View(),
    View("numbers", decimals=1),
    View(unmasked=("symbol", "date", "price")),
    View(features=("drawdown", "trend", "volume")),
)


def test_whole_columns_give_the_snapshots_of_every_mode():
    prices = random_prices(330, seed=3)
    found = snapshots(prices)
    assert len(found) == 61
    for runonce, preload in ((True, True), (False, False)):
        assert list(map(repr, read_all(prices, runonce, preload))) == list(map(repr, found))


def test_rewriting_every_later_bar_changes_no_snapshot_before():
    prices = random_prices(330, seed=4)
    table = prices.table.copy()
    table.iloc[300:] = table.iloc[300:] * 2
    before, after = snapshots(prices), snapshots(with_table(prices, table))
    assert before[:31] == after[:31]
    assert before[31] != after[31]


def test_a_market_is_measured_once_for_all_who_look_at_its_prices():
    prices = random_prices(330, seed=5)
    known = measured(prices, DEFAULT_LOOKBACKS)
    assert measured(prices, DEFAULT_LOOKBACKS) is known
    assert measured(replace(prices), DEFAULT_LOOKBACKS) is not known


@pytest.mark.parametrize("view", VIEWS, ids=range(len(VIEWS)))
def test_a_renderer_gives_what_is_rendered_each_time(view):
    found = snapshots(random_prices(330, seed=6))
    ours = renderer(view)
    for snapshot in (*found, *found):
        assert ours(snapshot) == render_snapshot(snapshot, view)
    elsewhere = pickle.loads(pickle.dumps(ours))  # noqa: S301 - written just now
    assert elsewhere(found[0]) == ours(found[0])
    assert renderer(replace(view)) is ours


def test_equal_texts_are_one_object():
    found = snapshots(random_prices(330, seed=7))
    texts = [renderer(View())(snapshot) for snapshot in found]
    assert len(set(map(id, texts))) == len(set(texts)) < len(texts)
