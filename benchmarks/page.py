"""How soon a page can be used: headless Chromium opens a page with 5,000 and with 50,000 decisions of each of three
advisors, and the milliseconds from its navigation until charts, list and inspector answer are printed.

Charts and inspector are those of a made-up record, whose every answer is another one; all other sections are those of a
small run. ``python -m benchmarks.page``, with Chromium installed.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import simulator
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import ORDER_COLUMNS, TRADE_COLUMNS
from simulator.folder.record import ArmRecord, Decisions, Record, load_record
from simulator.reporting.facts.fact import read_facts
from simulator.reporting.page import page_sections
from simulator.reporting.page_frame import page, secured
from simulator.reporting.render_html import HtmlWriter

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from browser import start_browser

ADVISORS = ("llm", "second", "third")
SIZES = (5_000, 50_000)
STATES = 400
ROUNDS = 5
_LABELS = ("bull", "bear", "sideways", "turbulent")
_ACTIONS = ("enter_long", "enter_short", "exit", "hold")


def main() -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory() as place:
        small = load_record(_small_run(Path(place)))
        browser = start_browser()
        try:
            for bars in SIZES:
                began = time.process_time()
                path = Path(place) / f"{bars}.html"
                path.write_text(_page(small, _large(small, Path(place) / str(bars), bars)), encoding="utf-8")
                made = time.process_time() - began
                taken = [_opened(browser, path) for _ in range(ROUNDS)]
                print(
                    f"page of 3 x {bars:6,} decisions   {path.stat().st_size / 1e6:.2f} MB, made in {made:.1f} s of "
                    f"processor time; usable after {statistics.median(taken):,.0f} ms (of {ROUNDS}: "
                    f"{min(taken):,.0f} to {max(taken):,.0f})"
                )
        finally:
            browser.close()


def _opened(browser: Any, path: Path) -> float:
    """Milliseconds from navigation to the moment when everything answers."""
    with browser.open(path) as shown:
        shown.wait("performance.getEntriesByName('ready').length")
        if shown.errors:
            raise SystemExit(f"the page told of errors: {shown.errors}")
        return float(shown.evaluate("performance.getEntriesByName('ready')[0].startTime"))


def _small_run(place: Path) -> Path:
    """The folder of a run of a few bars that a script advises."""
    wanted = Experiment.from_mapping(
        {
            "name": "small",
            "data": {"source": "synthetic:cycles?bars=420&seed=5"},
            "evaluation": {"bootstrap_samples": 100, "placebos": 19},
            "arms": ["llm", "buy_and_hold"],
            "output": {"folder": str(place / "reports")},
        }
    )

    def advise(request: Any) -> dict[str, str]:
        return {"label": "bull", "action": "enter_long", "action_confidence": "70", "rationale": "Prices rise."}

    return simulator.compare(wanted, client=ScriptedClient(advise), progress=False).folder


def _page(small: Record, large: Record) -> str:
    facts = read_facts(small.folder / "facts.json")
    html = HtmlWriter(facts)
    sections = [
        list(section.blocks(large if _name(section) in ("charts", "inspector") else small, facts))
        for section in page_sections(small)
    ]
    made = list(filter(None, map(html.section, sections)))
    return secured(page("benchmark", made, html.contents, script=True))


def _name(section: Any) -> str:
    return str(getattr(section, "__name__", "")).rpartition(".")[2]


def _large(small: Record, folder: Path, bars: int) -> Record:
    """A record of hourly or daily bars, of three advisors that mostly agree."""
    dice = np.random.default_rng(7)
    times = pd.date_range("2001-01-01", periods=bars + 20, freq="B" if bars <= 10_000 else "h", name="time")
    closes = pd.Series(100 * np.exp(np.cumsum(dice.normal(0, 0.004, bars + 20))), times).round(4)
    prices = {"SYN": pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), closes) | {"volume": 1.0})}
    arms = []
    for name in ADVISORS:
        (folder / name).mkdir(parents=True)
        _write_decisions(folder / name, name, closes.iloc[:bars], dice)
        equity = pd.DataFrame({"equity": closes.iloc[:bars] * dice.normal(1, 0.01, bars)})
        arm = replace(
            small.arm("llm"),
            name=name,
            decisions=Decisions(folder / name / "decisions.jsonl"),
            orders=pd.DataFrame(columns=ORDER_COLUMNS),
            trades=pd.DataFrame(columns=TRADE_COLUMNS),
            equity=equity,
        )
        arms.append(arm)
    return replace(small, folder=folder, prices=prices, arms=tuple[ArmRecord, ...](arms))


def _write_decisions(folder: Path, arm: str, closes: pd.Series, dice: np.random.Generator) -> None:
    texts = [
        f"trend: state {state}; momentum: rising; volatility: {state % 7}; drawdown: small" for state in range(STATES)
    ]
    system = "Each line is a market, answered with its regime and an action as JSON. " * 12
    hashes = [hashlib.sha256(f"{arm}{text}".encode()).hexdigest() for text in texts]
    questions = {
        key: [["system", 0], *([role, 1 + (at + 7 * step) % STATES] for step in range(8) for role in ("user",))]
        for at, key in enumerate(hashes)
    }
    document = {"texts": [system, *texts], "questions": questions}
    (folder / "questions.json").write_text(json.dumps(document), encoding="utf-8")
    states = dice.integers(0, STATES, len(closes))
    moods = np.repeat(dice.integers(0, 4, len(closes) // 9 + 1), 9)[: len(closes)]
    scores = dice.dirichlet((2, 1, 1, 1), len(closes)).round(6)
    with (folder / "decisions.jsonl").open("w", encoding="utf-8") as lines:
        for bar, (stamp, close) in enumerate(closes.items()):
            label, action = _LABELS[moods[bar]], _ACTIONS[moods[bar]]
            answer = json.dumps(dict(zip(_LABELS, scores[bar].tolist(), strict=True)))
            told = pd.Timestamp(str(stamp)).isoformat()
            line = {
                "abstention": None, "answer": answer, "bar": bar, "prompt": texts[states[bar]], "repair": None,
                "advice": {
                    "version": "1.0.0", "intent": "propose_trade", "symbol": "SYN", "timeframe": "1d",
                    "regime": {"label": label, "confidence": round(float(scores[bar].max()), 4)},
                    "action": {"type": action, "confidence": 0.66},
                    "rationale": f"The likeliest of the labels is {label}, of the actions {action}.",
                },
                "clamps": [{"limit": "max_position_size", "before": 1.0, "after": 0.9}] * (action == "enter_long"),
                "policy": {"verdict": "allow", "reasons": [], "coherent": True}, "repairs": [],
                "request": hashes[states[bar]], "status": "advised", "time": told,
                "snapshot": {
                    "symbol": "SYN", "timeframe": "1d", "time": told, "close": close, "trend": 0.0, "momentum": 0.0,
                    "volatility": 0.01, "volatility_rank": 0.5, "drawdown": 0.0, "range_position": 0.5,
                    "volume_ratio": 1.0,
                },
                "verdict": {
                    "intent": "enter_long" if action == "enter_long" else "none", "reason": "", "size": 100.0,
                    "stop_pct": 0.08, "stop_price": None, "target_pct": None,
                },
            }  # fmt: skip
            lines.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
