"""The advised strategy in an optimisation of a person's own Cerebro, in one process and in several."""

import gc
import multiprocessing.pool
import warnings

import backtrader as bt
import pytest
from own_cerebro import (
    RULE,
    TABLE,
    own_cerebro,
    pandas_feed,
    run,
    scripted,
)

from llm_strategy import AdvisedStrategy, Journal, Limits
from llm_strategy.errors import BacktraderLLMError, ConfigurationError, MarketDataError


def run_in_processes(cerebro):
    """Run, and take back what backtrader leaves of its processes when the run ends with an error."""
    told = None
    try:
        cerebro.run()
    except BacktraderLLMError as problem:
        told = type(problem)(*problem.args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for leftover in gc.get_objects():
            if isinstance(leftover, multiprocessing.pool.Pool):
                leftover.terminate()
        gc.collect()
    if told:
        raise told


class LastValue(bt.Analyzer):
    """What is left at the end, and how many orders were sent: analyzers are all that comes back from a process."""

    def get_analysis(self):
        return self.result

    def stop(self):
        self.result = (self.strategy.broker.getvalue(), len(self.strategy.journal.orders))


@pytest.mark.parametrize("advisor", [RULE, scripted()], ids=["rule", "model"])
@pytest.mark.parametrize("cpus", [1, 2])
def test_an_optimisation_gives_what_single_runs_give(advisor, cpus):
    sizes = [Limits(max_position_size=size) for size in (0.05, 0.1, 0.2)]
    cerebro = own_cerebro(maxcpus=cpus)
    cerebro.addanalyzer(LastValue)
    cerebro.optstrategy(AdvisedStrategy, advisor=advisor, limits=sizes)
    results = [result[0].analyzers.lastvalue.get_analysis() for result in cerebro.run()]
    singles = [run(own_cerebro(), advisor=advisor, limits=limits) for limits in sizes]
    assert results == [(equity[-1].equity, len(orders)) for _, orders, _, equity in singles]
    assert len(set(results)) == 3


@pytest.mark.parametrize("cpus", [1, 2])
def test_an_optimisation_with_one_journal_is_refused(cpus):
    cerebro = own_cerebro(maxcpus=cpus)
    cerebro.optstrategy(AdvisedStrategy, advisor=RULE, journal=Journal(), decide_every=[1, 2])
    with pytest.raises(ConfigurationError, match="journal belongs to one run"):
        run_in_processes(cerebro)


@pytest.mark.parametrize("cpus", [1, 2])
def test_too_few_bars_are_told_by_an_optimisation_too(cpus):
    cerebro = own_cerebro(pandas_feed(TABLE.iloc[:200]), maxcpus=cpus)
    cerebro.optstrategy(AdvisedStrategy, advisor=RULE, decide_every=[1, 2])
    with pytest.raises(MarketDataError, match="A has 200 bars"):
        run_in_processes(cerebro)
