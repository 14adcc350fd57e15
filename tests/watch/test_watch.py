"""A market watched forward on paper: a day of minutes, what it leaves, what proves it, and what comes after a kill."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
import watched_day
from small_run import SMALL, reader
from watched_day import OPENING, SYMBOLS, Steps, accounts, committed, differing, experiment, lines_of, rows

from llm_strategy.errors import AnswerNotRecorded, BudgetReached, ConfigurationError, RunFolderError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Message, Request
from simulator.watch.event_log import read_events
from simulator.watch.offline import shadow
from simulator.watch.proof import prove
from simulator.watch.resume import ResumedClient
from simulator.watch.watch import watch

BARS = 390


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("day")


@pytest.fixture(scope="module")
def day(place):
    """The day, watched in one go, with what a sink was told."""
    steps = Steps()
    result = watch(experiment(place, BARS), client=ScriptedClient(reader), sinks=[steps])
    return result, steps


def test_a_day_is_recorded_decided_and_ends(day):
    result, steps = day
    assert result.ended
    assert result.closes == BARS
    symbols = [line["bars"].keys() for line in lines_of(result.folder, "bars.jsonl")]
    assert (
        result.decisions
        == sum(map(len, symbols))
        == sum(1 for name in SYMBOLS for _ in rows(name, BARS)) - sum(1 for name in SYMBOLS for _ in rows(name, 0))
    )
    assert steps.closed
    assert steps.states[-1].feed == "ended"
    assert steps.states[-2].bars == BARS
    assert set(steps.states[-1].symbols) == set(SYMBOLS)
    assert steps.states[-1].accounts["llm"]["equity"] > 0


def test_offline_the_same_bars_come_to_the_same_decisions_accounts_orders_and_trades(day):
    result, _ = day
    checks = shadow(result.folder)
    assert [check.name for check in checks] == [
        f"llm: {what}" for what in ("decisions", "accounts", "orders.csv", "trades.csv", "equity.csv")
    ]
    assert [check.difference for check in checks] == [""] * 5
    assert all(check.count > 10 for check in checks)


def test_each_decision_was_there_before_the_next_bar(day):
    result, _ = day
    proof = prove(result.folder)
    assert proof.is_whole
    assert (proof.closes, proof.decisions, proof.waiting) == (BARS, result.decisions, len(SYMBOLS))
    assert min(proof.leads) > 0
    assert not proof.live
    assert not proof.opens  # a replay has no wall clock to hold the exchange's time against


def test_events_are_found_by_rule_and_told_once(day):
    result, steps = day
    events = read_events(result.folder / "events.jsonl")
    assert [event.key for event in events] == list(steps.events)
    kinds = {str(event.kind) for event in events}
    assert {"regime_changed", "action_changed", "cut", "order_filled"} <= kinds
    (first, *_) = (event for event in events if event.kind == "action_changed")
    assert first.text == (f"llm advises {first.facts['after']} on {first.symbol}, after {first.facts['before']}.")


def test_the_same_call_after_the_end_changes_nothing(day, place):
    result, steps = day
    before = {path.name: path.read_bytes() for path in result.folder.glob("*.jsonl") if path.name != "audit.jsonl"}
    asked = ScriptedClient(reader)
    again = Steps()
    assert watch(experiment(place, BARS), client=asked, sinks=[again]) == result
    assert asked.requests == []
    assert {name: (result.folder / name).read_bytes() for name in before} == before
    assert list(again.events) == list(steps.events)
    assert again.states[-1].accounts == steps.states[-1].accounts


@pytest.mark.slow
def test_killed_at_random_and_started_again_it_comes_to_the_same(day, place, tmp_path):
    """Each start goes through what is recorded without asking anything, and goes on: no decision is lost or doubled."""
    result, _ = day
    whole = (result.folder / "decisions.chain.jsonl").stat().st_size
    marks = sorted(random.Random(5).sample(range(whole // 20, whole), 5))
    kills = 0
    chain = None
    while True:
        process = subprocess.Popen([sys.executable, watched_day.__file__, str(tmp_path)])
        while marks and process.poll() is None:
            chain = chain or next(tmp_path.glob("reports/*/decisions.chain.jsonl"), None)
            if chain is not None and chain.stat().st_size >= marks[0]:
                process.send_signal(signal.SIGKILL)
                marks.pop(0)
                kills += 1
                break
            time.sleep(0.002)
        if process.wait() != -signal.SIGKILL:
            break
    assert process.returncode == 0
    assert kills == 5
    folder = chain.parent
    assert committed(folder) == committed(result.folder)
    assert accounts(folder) == accounts(result.folder)
    assert prove(folder).is_whole
    assert differing(folder) == []


def minutes(symbol_rows, as_ticks):
    """What a feed says of each minute, a list of JSON lines for each, by its start."""
    said = {}
    for symbol in SYMBOLS:
        for start, opens, high, low, close, volume in symbol_rows(symbol):
            if start < OPENING:
                continue
            lines = said.setdefault(start, [])
            if symbol not in as_ticks:
                values = {"open": opens, "high": high, "low": low, "close": close, "volume": volume}
                lines.append({"symbol": symbol, "start": start.isoformat(), **values})
                continue
            prices = [(0, opens), (20, high), (40, low), (59, close)]
            sizes = [volume - 3 * (volume // 4), *[volume // 4] * 3]
            for (second, price), size in zip(prices, sizes, strict=True):
                when = (start + timedelta(seconds=second)).isoformat()
                lines.append({"symbol": symbol, "time": when, "price": price, "size": size, "id": f"{when}{symbol}"})
    return dict(sorted(said.items()))


def test_a_feed_that_is_cut_doubled_and_out_of_order_comes_to_the_decisions_of_the_whole_bars(day, tmp_path):
    """The file grows behind each close; at the 60th it is replaced by another one that tells everything again."""
    result, _ = day
    file = tmp_path / "feed.jsonl"
    said = minutes(lambda symbol: rows(symbol, BARS), as_ticks=("BBB",))
    starts = list(said)
    rng = random.Random(3)
    told = []

    def tell(minute):
        lines = [json.dumps(line) for line in said[starts[minute]]]
        rng.shuffle(lines)
        lines += [lines[0]] if '"id"' in lines[0] else []  # the same trade again
        lines.append(json.dumps({"time": (starts[minute] + timedelta(minutes=1)).isoformat()}))
        told.extend(lines)
        with file.open("a") as growing:
            growing.write("".join(f"{line}\n" for line in lines))

    stop = threading.Event()
    last = 120

    def behind(state):
        if state.bars == last:
            stop.set()
        elif state.bars == 60 and len(told) and not cut:
            cut.append(state.bars)
            other = tmp_path / "other.jsonl"
            other.write_text("".join(f"{line}\n" for line in told) + "no message\n")
            other.replace(file)
            tell(60)
        elif state.bars and state.feed != "ended":
            tell(state.bars)

    cut = []
    tell(0)
    steps = Steps(behind)
    made = experiment(tmp_path, history_only=True, watch={"feed": f"follow:{file}?clock=file"})
    followed = watch(made, client=ScriptedClient(reader), sinks=[steps], stop=stop)
    assert not followed.ended
    assert followed.closes == last
    lines = committed(followed.folder)["llm"]
    assert lines == committed(result.folder)["llm"][: len(lines)]
    troubles = {event.facts["kind"] for event in steps.of("feed_trouble")}
    assert troubles == {"lost", "back", "malformed"}
    assert differing(followed.folder) == []


def test_what_a_watch_cannot_follow_is_refused(place, tmp_path):
    made = experiment(tmp_path, 5)
    for change, told in (
        ({"data": made["data"] | {"decide_on": "5m"}}, "leave decide_on out"),
        ({"orders": {"fill": "same_close"}}, "a fill that nobody can have"),
        ({"watch": {"feed": "replai:"}}, "did you mean 'replay'"),
        ({"watch": {"feed": "follow:feed.txt"}}, "ends in .csv or .jsonl"),
        ({"watch": {"calendar": "XNYSE"}}, "watch.calendar"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            watch(made | change, client=ScriptedClient(reader))


def test_a_rule_alone_is_watched_without_a_model(tmp_path):
    made = experiment(tmp_path, 5) | {"arms": ["regime_rule"]}
    result = watch(made)
    assert set(committed(result.folder)) == {"regime_rule"}
    assert differing(result.folder) == []


def test_what_is_gone_through_again_asks_the_model_nothing():
    asked = ScriptedClient(reader)
    answers = [True]
    client = ResumedClient(asked, (), lambda: answers[0])
    request = Request(messages=(Message("user", "trend: above"),))
    with pytest.raises(AnswerNotRecorded, match="bring back the version"):
        client.ask(request)
    assert asked.requests == []
    answers[0] = False
    assert "bull" in client.ask(request).text


def test_a_budget_ends_a_watch_with_a_word_and_a_larger_one_goes_on(tmp_path):
    made = experiment(tmp_path, 30) | {"arms": ["llm"]}
    made["advisor"] = made["advisor"] | {"budget": {"max_calls": 4}}
    steps = Steps()
    with pytest.raises(BudgetReached):
        watch(made, client=ScriptedClient(reader), sinks=[steps])
    assert len(steps.of("budget")) == 1
    made["advisor"] = made["advisor"] | {"budget": {"max_calls": 400}}
    asked = ScriptedClient(reader)
    result = watch(made, client=asked)
    assert result.closes == 30
    assert len(asked.requests) > 0
    assert differing(result.folder) == []
    assert [path.name for path in (tmp_path / "reports").glob("day-watch-*")] == [result.folder.name]


def test_a_falling_account_is_told_step_by_step_and_so_is_the_kill_switch(tmp_path):
    steps = Steps()
    made = {
        "name": "crash",
        "data": {"source": "synthetic:crash?bars=500&seed=2"},
        "arms": ["buy_and_hold"],
        "risk": {"max_drawdown": 0.12, "stop_loss_pct": 0.2, "max_risk_per_trade": 0.5, "max_position_size": 1.0},
        "output": {"folder": str(tmp_path)},
    }
    watch(made, sinks=[steps])
    falls = [event.facts["step"] for event in steps.of("drawdown")]
    assert falls == sorted(set(falls))
    (killed,) = steps.of("kill_switch")
    assert killed.facts["drawdown"] <= -0.12
    assert "the limit is 12.0%" in killed.text


def test_several_advisors_share_bars_and_their_disagreement_is_told(tmp_path):
    made = experiment(tmp_path, 20)
    del made["advisor"]
    made["advisors"] = {name: {"lookbacks": watched_day.LOOKBACKS} for name in ("one", "two")}
    made["arms"] = ["one", "two"]
    contrary = ScriptedClient(lambda request: reader(request) | {"action": "hold", "label": "sideways"})
    steps = Steps()
    result = watch(made, client={"one": ScriptedClient(reader), "two": contrary}, sinks=[steps])
    assert set(committed(result.folder)) == {"one", "two"}
    assert steps.of("disagreement")[0].facts.keys() == {"one", "two"}
    assert differing(result.folder) == []


def test_a_decision_that_comes_out_otherwise_from_the_record_is_told(tmp_path):
    made = SMALL | {"output": {"folder": str(tmp_path)}, "data": {"source": "synthetic:cycles?bars=282&seed=5"}}
    made["arms"] = ["llm"]
    result = watch(made, client=ScriptedClient(reader))
    path = result.folder / "history.csv"
    path.write_text(path.read_text().replace(",", ", ", 1))
    with pytest.raises(RunFolderError, match=r"history|canonical"):
        watch(made, client=ScriptedClient(reader))


@pytest.mark.parametrize("bars", [3])
def test_the_embedded_model_is_watched_too(tmp_path, model_path, bars):
    made = experiment(tmp_path, bars)
    made["data"]["sources"] = {"AAA": made["data"]["sources"]["AAA"]}
    made["arms"] = ["llm"]
    result = watch(made)
    assert result.decisions == bars
    assert differing(result.folder) == []
    assert prove(result.folder).is_whole
