"""The command leaves ``bt.talib`` unmade until somebody looks into it, and then it is backtrader's own."""

import json
import subprocess
import sys

import pytest

LATE = """
from simulator.cli.late_talib import import_talib_late
import_talib_late()
import backtrader as bt
assert "talib" not in sys.modules, "it was not put off"
"""
USE = """
import inspect, pickle
import numpy as np, pandas as pd
import backtrader as bt

class Reader(bt.Strategy):
    def __init__(self):
        self.lines_read = [bt.talib.RSI(self.data, timeperiod=5), bt.talib.MACD(self.data), bt.talib.CDLDOJI(
            self.data.open, self.data.high, self.data.low, self.data.close)]
    def stop(self):
        self.told = [[list(map(repr, line.array)) for line in each.lines] for each in self.lines_read]

close = 100 + np.random.default_rng(3).normal(0, 1, 90).cumsum()
columns = {"open": close - 0.1, "high": close + 1, "low": close - 1, "close": close, "volume": close}
table = pd.DataFrame(columns, index=pd.date_range("2020", periods=90))
cerebro = bt.Cerebro(stdstats=False)
cerebro.adddata(bt.feeds.PandasData(dataname=table))
cerebro.addstrategy(Reader)
(reader,) = cerebro.run()
from backtrader.talib import *
assert pickle.loads(pickle.dumps(bt.talib.SMA)) is SMA is sys.modules["backtrader.talib"].SMA
assert not hasattr(bt.talib, "NO_SUCH_INDICATOR")
print(json.dumps([sorted(bt.talib.__all__), bt.talib.SMA.__doc__, inspect.getsource(bt.talib)[:500], reader.told]))
"""
ABSENT = """
sys.modules["talib"] = None
import backtrader as bt
print(json.dumps([bt.talib.__all__, hasattr(bt.talib, "SMA"), "SMA" in dir(bt.talib)]))
"""
THREADS = """
from concurrent.futures import ThreadPoolExecutor
import threading
together = threading.Barrier(8)
def look(_):
    together.wait()
    return bt.talib.SMA
with ThreadPoolExecutor(8) as pool:
    found = set(pool.map(look, range(8)))
print(json.dumps(len(found)))
"""


def told(*programs):
    """What a program prints as JSON at its end, in a process of its own."""
    program = "\n".join(("import json, sys", *programs))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("program", [USE, ABSENT], ids=["used", "absent"])
def test_late_it_is_the_same(program):
    assert told(LATE, program) == told(program)


def test_threads_that_look_at_once_see_one_module():
    assert told(LATE, THREADS) == 1


def test_where_backtrader_is_there_already_nothing_is_put_off():
    program = "import backtrader; from simulator.cli.late_talib import import_talib_late; before = list(sys.meta_path)"
    assert told(program, "import_talib_late()", "print(json.dumps(sys.meta_path == before))")


def test_the_command_puts_it_off():
    program = """
import simulator.cli.main as command
sys.argv = ["btllm", "--version"]
try:
    command.main()
except SystemExit:
    pass
import backtrader
print(json.dumps("talib" in sys.modules))
"""
    assert told(program) is False
