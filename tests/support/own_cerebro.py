"""A person's own Cerebro with the advised strategy in it."""

import backtrader as bt
from markets import random_prices

from llm_strategy import AdvisedStrategy, Costs, ModelAdvisor, SimulatedBroker
from llm_strategy.advice.rules import RsiReversion
from llm_strategy.llm.backends.scripted import ScriptedClient

TABLE = random_prices(420, seed=4, gap=0.004).table


OTHER = random_prices(420, seed=9, gap=0.004).table


MODES = [{"runonce": once, "preload": preload} for once in (True, False) for preload in (True, False)]


SAVING = [{"exactbars": saving} for saving in (1, -1, -2)]


RULE = RsiReversion(3, 40, 60)


def pandas_feed(table=TABLE, name="A", **how):
    return bt.feeds.PandasData(dataname=table, **({"name": name} if name else {}), **how)


def own_cerebro(*feeds, broker=None, **engine):
    cerebro = bt.Cerebro(**({"stdstats": False} | engine))
    for feed in feeds or (pandas_feed(),):
        cerebro.adddata(feed)
    cerebro.broker = broker or SimulatedBroker(Costs())
    return cerebro


def run(cerebro, **parameters):
    cerebro.addstrategy(AdvisedStrategy, **({"advisor": RULE} | parameters))
    return books(cerebro.run()[-1])


def books(strategy):
    journal = strategy.journal
    return journal.entries, journal.orders, journal.trades, journal.equity


def answer(request):
    """Says long or out, by what it was asked."""
    text = request.messages[-1].content
    action = "enter_long" if sum(map(ord, text)) % 3 else "exit"
    label = "bull" if action == "enter_long" else "bear"
    return {"label": label, "action": action, "action_confidence": "70", "rationale": "Calm."}


def scripted():
    return ModelAdvisor(ScriptedClient(answer))


EXPECTED = run(own_cerebro())


EXPECTED_OF_A_MODEL = run(own_cerebro(), advisor=scripted())
