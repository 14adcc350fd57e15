"""A good file of prices, and how another one is refused."""

import pytest

from llm_strategy.errors import MarketDataError
from simulator.prices.load import load_prices

GOOD = """Date,Open,High,Low,Close,Volume
2020-01-01,10,12,9,11,100
2020-01-02,11,13,10,12,200
2020-01-03,12,14,11,13,300
"""


def refusal(source, error=MarketDataError, **settings):
    """The one sentence with which a source is refused."""
    with pytest.raises(error) as caught:
        load_prices(source, **settings)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence[-1] in ".?" or "; known are " in sentence
    return sentence
