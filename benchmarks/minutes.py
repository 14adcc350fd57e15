"""Long runs of one-minute bars: memory, time, and the page. ``python -m benchmarks.minutes [BARS ...]``, with Chromium
installed.

A comparison of an advised arm with two rules and the market is run at each of these numbers of bars, in a process of
its own. Printed are its peak memory, the bytes a bar by which that grows from one number to the next, its CPU seconds,
the length of the page, and the milliseconds until charts and inspector answer in headless Chromium.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import simulator
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Request
from simulator.experiment.configuration import Experiment

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from browser import start_browser

SIZES = (50_000, 100_000, 200_000)


def print_minutes(sizes: list[int]) -> None:
    """Every number of bars, the smallest first."""
    before: tuple[int, int] | None = None
    for bars in sorted(sizes):
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "benchmarks.minutes", "--run", str(bars), place]
            environment = os.environ | {"BTLLM_DATA_DIR": f"{place}/data"}
            told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            found = json.loads(told.stdout.splitlines()[-1])
            peak, page = found["peak"], Path(found["page"])
            grown = "" if before is None else f", {(peak - before[1]) / (bars - before[0]):,.0f} bytes a bar"
            print(
                f"{bars:7,} one-minute bars, 4 arms   peak {peak / 1e6:,.0f} MB{grown}; "
                f"{found['seconds']:.0f} s (CPU); page {page.stat().st_size / 1e6:.2f} MB, "
                f"usable after {_opened(page):,.0f} ms",
                flush=True,
            )
            before = bars, peak


def _run(bars: int, place: Path) -> None:
    """Run the comparison and print what it took as a line of JSON."""
    write_minutes(place / "minutes.csv", bars)
    experiment = Experiment.from_mapping(
        {
            "name": "minutes",
            "data": {"source": f"csv:{place / 'minutes.csv'}", "timeframe": "1m"},
            "arms": ["llm", "buy_and_hold", "sma_cross"],
            "evaluation": {"placebos": 199},
            "output": {"folder": str(place / "reports")},
        }
    )
    made = simulator.compare(experiment, client=ScriptedClient(_reader), progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    page = made.folder / "report.html"
    print(json.dumps({"peak": peak, "seconds": time.process_time(), "page": str(page)}))


def write_minutes(path: Path, bars: int) -> None:
    """Prices of so many minutes in a row, the same for the same number."""
    dice = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(dice.normal(0, 0.0004, bars)))
    opens = np.append(close[:1], close[:-1])
    wicks = 1 + 0.0002 * np.abs(dice.normal(size=(2, bars)))
    high, low = np.maximum(opens, close) * wicks[0], np.minimum(opens, close) / wicks[1]
    times = pd.date_range("2020-01-01", periods=bars, freq="min", name="time")
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": np.full(bars, 1e6)}
    pd.DataFrame(columns, index=times).to_csv(path, float_format="%.6f")


def _reader(request: Request) -> dict[str, str]:
    """A model that reads: long when the line says above, out when it says below."""
    market = request.messages[-1].content
    label, action = ("bull", "enter_long") if "above" in market else ("bear", "exit")
    return {"label": label, "action": action, "action_confidence": "70", "rationale": "As the line says."}


def _opened(path: Path) -> float:
    """Milliseconds from navigation to the moment when everything answers."""
    browser = start_browser()
    try:
        with browser.open(path) as shown:
            shown.wait("performance.getEntriesByName('ready').length")
            if shown.errors:
                raise SystemExit(f"the page told of errors: {shown.errors}")
            return float(shown.evaluate("performance.getEntriesByName('ready')[0].startTime"))
    finally:
        browser.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _run(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        print_minutes([*map(int, sys.argv[1:])] or [*SIZES])
