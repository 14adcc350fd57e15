"""Every cost by hand, every wrong setting in one sentence."""

import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_strategy.costs.costs import NO_COSTS, CommissionTier, Costs, volatility
from llm_strategy.errors import ConfigurationError
from simulator import Experiment
from simulator.experiment.starters import starter_text

TIERS = ({"above": 0, "bps": 20}, {"above": 10_000, "bps": 10})


def free(**keys):
    return Costs(**({"commission_bps": 0, "slippage_bps": 0} | keys))


@pytest.mark.parametrize(
    ("costs", "size", "price", "paid"),
    [
        (Costs(), 100, 50.0, 2.5),  # 5 bps of 5000
        (free(), 100, 50.0, 0.0),
        (free(commission_per_share=0.01), 100, 50.0, 1.0),
        (free(commission_per_trade=7), 100, 50.0, 7.0),
        (Costs(commission_per_share=0.01, commission_per_trade=7), 100, 50.0, 2.5 + 1 + 7),
        (Costs(commission_minimum=4), 100, 50.0, 4.0),
        (Costs(commission_minimum=2), 100, 50.0, 2.5),
        (free(commission_minimum=4), 100, 50.0, 4.0),
        (free(commission_per_trade=7, commission_maximum_bps=10), 100, 50.0, 5.0),
        (free(commission_minimum=7, commission_maximum_bps=10), 100, 50.0, 5.0),  # the cap goes before the minimum
        (Costs(commission_tiers=TIERS), 100, 100.0, 20.0),  # 10000 is not above 10000
        (Costs(commission_tiers=TIERS), 101, 100.0, 10.1),  # the whole value at 10 bps, not only what is above
        (Costs(commission_tiers=TIERS, commission_per_trade=1), 1, 100.0, 1.2),
    ],
)
def test_the_commission_of_a_trade(costs, size, price, paid):
    assert costs.commission(size, price) == pytest.approx(paid, rel=1e-12)


@pytest.mark.parametrize(
    ("costs", "fraction"),
    [
        (Costs(), 0.0005),
        (free(spread_bps=4), 0.0002),
        (free(slippage_per_share=0.02), 0.0004),  # of a price of 50
        (free(slippage_volatility=0.1), 0.002),
        (free(impact=0.5), 0.5 * 0.02 * 0.1),  # the root of 100 / 10000
        (Costs(spread_bps=4, slippage_per_share=0.02, slippage_volatility=0.1, impact=0.5), 0.0011 + 0.002 + 0.001),
    ],
)
def test_the_slippage_of_a_fill(costs, fraction):
    assert costs.slippage(100, 50.0, volume=10_000, volatility=0.02) == pytest.approx(fraction, rel=1e-12)
    assert costs.at_bar(10_000, 0.02).slippage(100, 50.0) == pytest.approx(fraction, rel=1e-12)


@pytest.mark.parametrize("volume", [None, 0, math.nan])
def test_there_is_no_impact_without_a_volume(volume):
    assert free(impact=1).slippage(100, 50.0, volume, 0.02) == 0


def test_trading_for_nothing():
    assert NO_COSTS.commission(100, 50.0) == NO_COSTS.slippage(100, 50.0) == 0


def test_the_volatility_is_the_standard_deviation_of_returns():
    assert volatility([100, 110, 99, 108.9]) == pytest.approx(math.sqrt((2 * 0.1**2 + 0.1**2) / 3 - (0.1 / 3) ** 2))
    assert volatility([100, 110]) == volatility([]) == 0


@pytest.mark.parametrize(("size", "price", "paid"), [(100, 25, 1.00), (1000, 25, 5.00), (1000, 0.25, 2.50)])
def test_the_preset_of_us_equities_pays_what_the_broker_publishes_as_examples(size, price, paid):
    assert Costs(preset="us_equities").commission(size, price) == paid


def test_the_preset_of_crypto_pays_a_tenth_of_a_percent():
    assert Costs(preset="crypto").commission(0.5, 40_000) == pytest.approx(20)


def test_single_keys_override_a_preset():
    costs = Costs(preset="us_equities", commission_minimum=0, commission_maximum_bps=None)
    assert costs.commission(10, 25) == pytest.approx(0.05)
    assert costs.commission(1000, 0.25) == pytest.approx(5)


@pytest.mark.parametrize(
    "costs",
    [
        Costs(),
        Costs(preset="us_equities", borrow_rate=0.03),
        Costs(preset="crypto", max_fill_share=0.1, leverage=2),
        Costs(preset="crypto", commission_tiers=TIERS),
        Costs(preset="us_equities", commission_maximum_bps=None),
    ],
)
def test_what_a_manifest_holds_is_effective_and_reads_back_equal(costs):
    experiment = Experiment(costs=costs)
    written = experiment.as_dict()
    assert Experiment.from_mapping(written) == experiment
    assert Experiment.from_mapping(written | {"costs": written["costs"] | {"preset": "none"}}).costs == replace(
        costs, preset="none"
    ), "every value of the preset is written out"


def test_whole_numbers_are_the_same_experiment():
    assert Costs(commission_bps=5, leverage=1) == Costs()
    assert Costs(commission_tiers=[CommissionTier(0, 1)]) == Costs(commission_tiers=({"above": 0.0, "bps": 1.0},))


def test_every_key_stands_in_the_starter():
    assert all(f"{key}:" in starter_text() for key in asdict(Costs()))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"preset": "us_equity"}, "costs.preset is 'us_equity', did you mean 'us_equities'?"),
        ({"preset": "x"}, "known are none, us_equities, crypto"),
        ({"starting_cash": 0}, "costs.starting_cash is 0.0: it must be above 0, in currency"),
        ({"starting_cash": math.inf}, "costs.starting_cash is inf"),
        (
            {"commission_bps": -1},
            "costs.commission_bps is -1.0: it must be 0 to 1000, basis points of the traded value",
        ),
        ({"commission_bps": math.nan}, "costs.commission_bps is nan"),
        ({"commission_bps": "5"}, "costs.commission_bps is '5': it must be a number"),
        ({"commission_bps": True}, "costs.commission_bps is True: it must be a number"),
        ({"commission_bps": None}, "costs.commission_bps is None"),
        ({"commission_per_share": -0.1}, "costs.commission_per_share is -0.1: it must be 0 or more, in currency"),
        ({"commission_per_trade": math.inf}, "costs.commission_per_trade is inf"),
        ({"commission_minimum": -1}, "costs.commission_minimum is -1.0"),
        ({"commission_maximum_bps": 0}, "costs.commission_maximum_bps is 0.0: it must be above 0"),
        ({"commission_maximum_bps": 3}, "costs.commission_maximum_bps is 3.0, below the rate of 5.0 basis points"),
        ({"commission_tiers": TIERS, "commission_bps": 5}, "costs.commission_bps is 5.0 beside commission_tiers"),
        ({"commission_tiers": TIERS[1:]}, "costs.commission_tiers is without a rate up to 10000"),
        ({"commission_tiers": (TIERS[0], TIERS[1], TIERS[1])}, "costs.commission_tiers is out of order"),
        ({"commission_tiers": ({"above": 0},)}, "costs.commission_tiers holds {'above': 0}"),
        ({"commission_tiers": (3,)}, "costs.commission_tiers holds 3"),
        ({"commission_tiers": ({"above": 0, "bps": -2},)}, "a rate must be 0 to 1000 basis points"),
        ({"commission_tiers": TIERS, "commission_maximum_bps": 15}, "below the rate of 20.0 basis points"),
        ({"slippage_bps": 1001}, "costs.slippage_bps is 1001.0"),
        ({"slippage_per_share": -1}, "costs.slippage_per_share is -1.0"),
        ({"slippage_volatility": 11}, "costs.slippage_volatility is 11.0: it must be 0 to 10, multiples"),
        ({"impact": -1}, "costs.impact is -1.0"),
        ({"spread_bps": -1}, "costs.spread_bps is -1.0"),
        ({"borrow_rate": 5}, "costs.borrow_rate is 5.0: it must be 0 to 1, a fraction a year (0.05 is 5 percent)"),
        ({"financing_rate": 7}, "costs.financing_rate is 7.0"),
        ({"leverage": 0.5}, "costs.leverage is 0.5: it must be 1 to 100, multiples of equity"),
        ({"max_fill_share": 0}, "costs.max_fill_share is 0.0: it must be above 0 and at most 1"),
        ({"max_fill_share": 10}, "costs.max_fill_share is 10.0"),
    ],
)
def test_a_wrong_setting_is_one_sentence(keys, words):
    with pytest.raises(ConfigurationError) as caught:
        Costs(**keys)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("costs: {commision_bps: 5}", "costs.commision_bps is an unknown key, did you mean 'commission_bps'"),
        ("costs: {preset: binance}", 'costs.preset is "binance", it must be one of none, us_equities, crypto'),
        ("costs: {leverage: high}", 'costs.leverage is "high", it must be of type number'),
        ("costs: {leverage: 0}", "costs.leverage is 0.0: it must be 1 to 100"),
        ("costs: {commission_tiers: [{above: 0}]}", "costs.commission_tiers.0.bps is missing"),
        ("costs: {commission_tiers: [{above: 0, bps: 1, per: 2}]}", "commission_tiers.0.per is an unknown key"),
    ],
)
def test_a_wrong_line_of_the_file_is_one_sentence(text, words):
    with pytest.raises(ConfigurationError) as caught:
        Experiment.from_text(text)
    assert words in str(caught.value)


def test_a_file_may_name_tiers_and_caps():
    costs = Experiment.from_text(
        "costs: {commission_tiers: [{above: 0, bps: 20}, {above: 10000, bps: 10}], commission_maximum_bps: null}"
    ).costs
    assert costs == Costs(commission_tiers=TIERS)
    assert (costs.commission_bps, costs.commission_maximum_bps) == (0, None)


amounts = st.floats(0.01, 1e6)
rates = st.floats(0, 100)


@given(rates, rates, rates, rates, st.none() | st.floats(100, 1000), amounts, amounts, amounts)
def test_a_commission_grows_with_the_size_and_keeps_to_its_bounds(
    per_share, per_trade, bps, least, cap, one, two, price
):
    costs = Costs(
        commission_per_share=per_share,
        commission_per_trade=per_trade,
        commission_bps=bps,
        commission_minimum=least,
        commission_maximum_bps=cap,
    )
    small, large = sorted((one, two))
    assert costs.commission(small, price) <= costs.commission(large, price) * (1 + 1e-12)
    for size in (small, large):
        most = math.inf if cap is None else size * price * cap / 10_000
        assert min(least, most) <= costs.commission(size, price) <= most


@given(rates, rates, st.floats(0, 10), st.floats(0, 10), amounts, amounts, amounts, amounts, st.floats(0, 0.5))
def test_slippage_is_never_in_favour_and_grows_with_the_size(
    bps, spread, multiple, impact, one, two, price, volume, vola
):
    costs = Costs(slippage_bps=bps, spread_bps=spread, slippage_volatility=multiple, impact=impact)
    small, large = sorted((one, two))
    assert 0 <= costs.slippage(small, price, volume, vola) <= costs.slippage(large, price, volume, vola)
    assert costs.slippage(large, price) <= costs.slippage(large, price, volume, vola)
