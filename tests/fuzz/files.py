"""Readers of files: settings, wordings and prices that a person writes, answers and notes that a command left."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict
from importlib.resources import files

import numpy as np

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.layout import LayoutText
from llm_strategy.advice.modes.choices import correct_scores
from llm_strategy.advice.options import LabelPrior, PromptOptions
from llm_strategy.doctor.speed import read_speed, record_speed
from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, MarketDataError
from llm_strategy.llm import MemoryStore, RecordingClient, get_llm_client
from llm_strategy.llm.backends.bedrock.capabilities import BedrockCapabilities, CapabilityNote
from llm_strategy.llm.backends.openai.capabilities import Capabilities, ServerNotes
from llm_strategy.llm.backends.scripted import ScriptedClient, connect
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models.fingerprint import weights_sha256
from llm_strategy.llm.record.store import FolderStore
from llm_strategy.llm.requests import Generation, digest
from llm_strategy.llm.settings import LlmSettings, load_settings
from llm_strategy.types import Event, EventKind
from simulator.experiment.configuration import Experiment
from simulator.experiment.starters import starter_text
from simulator.prices.config import DataConfig
from simulator.prices.load import load_prices
from simulator.prices.universe import read_universe_csv
from simulator.sweeps.document import Sweep

from .answers import GOOD, SCORES, SNAPSHOT, as_text, sound
from .target import Target

SHORT_EXPERIMENT = """\
name: mine
data: {sources: {A: "csv:a.csv", B: "synthetic:calm?bars=300"}, groups: {one: [A]}, timeframe: 1d, start: 2004-01-01}
advisor: {mode: choices, examples: {nearest: 2}, budget: {max_calls: 5}, lookbacks: {trend: 20}, layout: own.yaml}
risk: {max_position_size: 0.5, stop_loss_pct: 0.1, max_drawdown: 0.3, allow_short: true}
orders: {entry: limit, limit_offset_pct: 0.003, entry_bars: 3}
costs: {preset: us_equities, slippage_bps: 2, leverage: 2, commission_tiers: [{above: 0, bps: 10}]}
arms: [llm, momentum, random]
baselines: {momentum: {bars: 60}}
evaluation: {draws: 2, bootstrap_samples: 200}
output: {folder: reports, explain: false}
"""
SHORT_SWEEP = """\
name: limits
experiment: {name: mine, data: {source: "synthetic:calm?bars=300"}}
arm: [llm, momentum]
grid: {risk.max_position_size: [0.1, 0.5], advisor.style: [words, numbers]}
list: [{costs.slippage_bps: 5, risk.allow_short: true}]
walk_forward: {bars: 20, step: 10, first: 2001-02-01}
"""
SHORT_SETTINGS = """\
backend: openai
fallback: [scripted]
base_url: "http://127.0.0.1:9/v1"
api_key: "sk-planted-not-a-key"
price_in: 0.1
openai: {concurrency: 4, reasoning_effort: low}
ensemble: {members: [{backend: scripted}, {backend: scripted, temperature: 0.5}]}
"""
DOTENV = b"""\
LLM_BACKEND=scripted
LLM_API_KEY=sk-planted-not-a-key
export LLM_TIMEOUT_S='3'
LLM_MAX_TOKENS="64"
LOG_LEVEL=INFO # said
OTHER="a\\nb"
"""
ROWS = [[f"2008-10-0{day}", 90 + day, 99.5 + day, 80.25 + day, 95 + day, 1000 * day] for day in (1, 2, 3, 6, 7, 8, 9)]
PRIOR = {"states": 30, "labels": {"bull": 0.5, "bear": 0.3, "sideways": 0.1, "turbulent": 0.1}}
NOTES = [
    b'{"dialect": {"answer_format": "plain", "reported_model": "m"}, "checksum": ""}',
    b'{"omit_temperature": true, "fold_system": false, "way": 2.5}',
]
SOURCES = [b"synthetic:cycles?bars=300&seed=3", b"sample:sp500", b"csv:mine.csv?adjusted=yes", b"parquet:x.parquet"]
SAID = ("options", "timeframe", "clock", "volume", "start", "end")
"""What the first line of an input may say of its prices."""
KEY = "ab" * 32


def _experiment(data, folder):
    experiment = Experiment.from_text(as_text(data), folder=folder)
    plain = experiment.as_dict()
    json.dumps(plain, allow_nan=False).encode()
    assert Experiment.from_mapping(plain).as_dict() == plain


def _sweep(data, folder):
    sweep = Sweep.from_text(as_text(data), folder=folder)
    json.dumps(sweep.as_dict(), allow_nan=False).encode()
    assert sweep.keys or sweep.walk_forward or sweep.windows


def _settings(name):
    """Reads ``configs/llm.yaml`` or ``.env`` of a folder, and makes a client with what stands there."""

    def read(data, folder):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        assert load_settings(folder).timeout_s > 0
        script = folder / "script.jsonl"
        script.write_text('"hold"\n')
        settings: LlmSettings = load_settings(folder, backend="scripted", script=script, fallback=())
        get_llm_client(settings=settings.model_copy(update={"audit_file": None}))

    return read


def _script(data, folder):
    path = folder / "script.jsonl"
    path.write_bytes(data)
    client = LLMClient(connect(LlmSettings(backend="scripted", script=path)))
    ModelAdvisor(client).decide(SNAPSHOT)


def _layout(data, folder):
    path = folder / "own.yaml"
    path.write_bytes(data)
    layout = LayoutText.from_file(path)
    client = ScriptedClient(lambda asked: {asked.choices[0]: 1.0}, supports_choices=True)
    decision = ModelAdvisor(client, options=PromptOptions("choices", "fixed", layout=layout)).decide(SNAPSHOT)
    sound(decision.advice)
    assert all(message.content.encode() for asked in client.requests for message in asked.messages)


def _calibration(data, folder):
    path = folder / "calibration.json"
    path.write_bytes(data)
    prior = LabelPrior.from_file(path)
    assert prior.states >= 1
    assert PromptOptions("choices", calibration=prior).calibration is prior
    right = correct_scores(PRIOR["labels"], prior.labels)
    assert all(0 <= share <= 1 for share in right.values()), right


def _csv(rows=ROWS, head="Date,Open,High,Low,Close,Volume", by=","):
    return "\n".join([head.replace(",", by), *(by.join(map(str, row)) for row in rows)]) + "\n"


def _price_files():
    intraday = [[f"2008-10-01 {9 + at // 2:02d}:{at % 2 * 30:02d}", *row[1:]] for at, row in enumerate(ROWS)]
    german = [
        [".".join(reversed(row[0].split("-"))), *(str(cell).replace(".", ",") for cell in row[1:])] for row in ROWS
    ]
    epochs = [[1222819200000 + 86_400_000 * at, *row[1:]] for at, row in enumerate(ROWS)]
    adjusted = [[*row[:5], row[4] / 2, row[5], 0] for row in ROWS]
    several = [[name, *row] for name in ("AAA", "BBB") for row in ROWS]
    given = [
        ({}, _csv()),
        ({"timeframe": "30m", "clock": "America/New_York"}, _csv(intraday)),
        ({"options": "separator=semicolon&decimal=comma&dates=day_first"}, _csv(german, by=";")),
        ({"options": "time=when&close=last", "timeframe": "1d"}, _csv(epochs, "when,open,high,low,last,vol")),
        ({"options": "adjusted=yes"}, _csv(adjusted, "Date,Open,High,Low,Close,Adj Close,Volume,Stock Splits")),
        ({"options": "symbol=AAA"}, _csv(several, "symbol,date,open,high,low,close,volume")),
        ({"options": "columns=time,open,high,low,close,volume&order=newest_first"}, _csv(ROWS[::-1], "")[1:]),
        ({"options": "encoding=cp1252&separator=tab", "start": "2008-10-02", "volume": "ticks"}, _csv(by="\t")),
        ({}, _csv(head="<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>")),
    ]  # fmt: skip
    return [json.dumps(how).encode() + b"\n" + text.encode() for how, text in given]


def _prices(data, folder):
    how, _, content = data.partition(b"\n")
    try:
        named = {name: value for name, value in json.loads(how).items() if name in SAID and isinstance(value, str)}
    except (ValueError, AttributeError, RecursionError):
        named = {}
    options = named.pop("options", "")
    path = folder / "prices.csv"
    path.write_bytes(content)
    prices = load_prices(f"csv:{path}{'?' * bool(options)}{options}", log_notes=False, **named)
    possible(prices.table)
    assert len(prices.table) <= content.count(b"\n") + content.count(b"\r") + content.count(b"\0") + 1
    assert all(note.isprintable() for note in prices.notes)


def possible(table):
    """What validated prices promise."""
    values = table[["open", "high", "low", "close", "volume"]].to_numpy()
    assert len(table)
    assert np.isfinite(values).all()
    assert (values[:, :4] > 0).all()
    assert (values[:, 4] >= 0).all()
    slack = 1 + 1e-8
    assert (table[["open", "close", "low"]].max(axis=1) <= table["high"] * slack).all()
    assert (table[["open", "close", "high"]].min(axis=1) * slack >= table["low"]).all()
    assert table.index.is_monotonic_increasing
    assert table.index.is_unique


UNIVERSE = """\
symbol,time,open,high,low,close,volume
A,2008-10-01T00:00:00,10.0,11.0,9.5,10.5,100.0
A,2008-10-02T00:00:00,10.5,11.5,10.0,11.0,0.0
B,2008-10-01T00:00:00,1.0,1.1,0.95,1.05,7.0
"""


def _universe(data, folder):
    path = folder / "prices.csv"
    path.write_bytes(data)
    universe = read_universe_csv(path, DataConfig())
    again = folder / "again.csv"
    universe.write_csv(again)
    assert again.read_bytes() == data


def _source(data, folder):
    """A source as it is written into an experiment; files are looked for in an empty folder."""
    text = as_text(data)
    if text.startswith(("yfinance:", "csv:/", "parquet:/", "csv:~")) or ".." in text:
        return
    possible(load_prices(text, folder=folder / "empty", log_notes=False).table)


def _entries():
    answers = [
        Generation(json.dumps(GOOD), 10, 20, 3.5, values={"label": "bull"}),
        Generation(json.dumps(SCORES), 1, 1, 0.0, finish="length", engine_ms=2.0),
        Generation("", 0, 0, 0.0, events=(Event(EventKind.RETRY, "b", "again"),)),
    ]
    found = []
    for one in answers:
        answer = {name: value for name, value in asdict(one).items() if name not in ("cached", "parsed")}
        found.append(json.dumps({"answer": answer, "checksum": digest(answer), "key": KEY}, indent=1).encode())
    return found


def _recorded(data, folder):
    """An entry as it is, and with the checksum that belongs to it; then as the answer to a decision."""
    sealed = data
    try:
        entry = json.loads(data)
        sealed = json.dumps(entry | {"checksum": digest(entry["answer"]), "key": KEY}).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    for content in (data, sealed):
        store = FolderStore(folder)
        path = folder / KEY[:2] / f"{KEY}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        found = store.get(KEY)
        if found is None:
            continue
        for mode in ("json", "choices"):
            asked = ScriptedClient([], supports_choices=True)
            client = RecordingClient(asked, asked.identity, _Always(found), "replay")
            decision = ModelAdvisor(client, options=PromptOptions(mode)).decide(SNAPSHOT)
            if decision.advice:
                sound(decision.advice)
            json.dumps([asdict(exchange) for exchange in decision.exchanges], default=str).encode()


class _Always(MemoryStore):
    """The same answer to every question."""

    def __init__(self, answer):
        super().__init__()
        self._answer = answer

    def get(self, key, default=None):
        return self._answer


def _notes(data, folder):
    """What was noted of servers, speeds and files is an aid: damaged, it counts as missing."""
    for note in (ServerNotes(folder, ["http://127.0.0.1:9"], "m"), CapabilityNote(folder, "m", None)):
        note._file.write_bytes(data)
        assert note.read() is None or isinstance(note.read(), Capabilities | BedrockCapabilities)
    asked = ScriptedClient([]).identity
    usual, os.environ["BTLLM_CACHE_DIR"] = os.environ.get("BTLLM_CACHE_DIR", ""), str(folder / "cache")
    try:
        record_speed(asked, "way", 2.0)
        weights = folder / "weights.gguf"
        weights.write_bytes(b"GGUF")
        weights_sha256(weights)
        for note in (folder / "cache").rglob("*.json"):
            note.write_bytes(data)
        assert 0 < (read_speed(asked, "way") or 1) < math.inf
        assert weights_sha256(weights) == hashlib.sha256(b"GGUF").hexdigest() or b"sha256" in data
    finally:
        os.environ.pop("BTLLM_CACHE_DIR") if not usual else os.environ.update(BTLLM_CACHE_DIR=usual)


def _prompt_files():
    own = [entry.read_bytes() for entry in files("llm_strategy.prompts").iterdir() if entry.name.startswith("choose_")]
    return sorted(own)


PRICES = (MarketDataError, ConfigurationError)
SETTING = (ConfigurationError,)
TARGETS = (
    Target(
        "experiment.yaml", lambda: [SHORT_EXPERIMENT.encode(), starter_text().encode()], _experiment, SETTING, tries=40
    ),
    Target(
        "llm.yaml",
        lambda: [SHORT_SETTINGS.encode(), starter_text("llm.yaml").encode()],
        _settings("configs/llm.yaml"),
        SETTING,
        tries=40,
    ),
    Target("sweep.yaml", lambda: [SHORT_SWEEP.encode()], _sweep, SETTING, tries=60),
    Target("env file", lambda: [DOTENV], _settings(".env"), SETTING, tries=40),
    Target("script", lambda: [b'"hold"\n{"label": "bull", "action": "exit"}\n'], _script, SETTING, tries=80),
    Target("layout", _prompt_files, _layout, SETTING, tries=60),
    Target("calibration", lambda: [json.dumps(PRIOR).encode()], _calibration, SETTING, tries=200),
    Target("prices", _price_files, _prices, PRICES, tries=200, share=3, seconds=1.0),
    Target("prices of a run", lambda: [UNIVERSE.encode()], _universe, (MarketDataError,)),
    Target("source", lambda: SOURCES, _source, PRICES, tries=100),
    Target("record", _entries, _recorded, (AnswerNotRecorded,), tries=100),
    Target("notes", lambda: NOTES, _notes, (), tries=80),
)
