"""Tables that ship inside ``arch``, read without that package: the very same."""

import importlib

import pandas as pd
import pytest

from llm_strategy.support.arch_data import load_arch_data


@pytest.mark.parametrize("name", ["core_cpi", "frenchdata", "nasdaq", "sp500", "vix", "wti"])
def test_a_table_is_that_of_arch(name):
    pd.testing.assert_frame_equal(load_arch_data(name), importlib.import_module(f"arch.data.{name}").load())
