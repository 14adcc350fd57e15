"""A watch by the wall clock, which the test sets: bars that were missed, a feed that stands still, and the page."""

import json
import threading
from datetime import timedelta

import pytest
from small_run import reader
from watched_day import HISTORY, OPENING, Steps, differing, experiment, lines_of, rows

from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.runs.replaying import replay
from simulator.runs.result import Result
from simulator.watch.offline import forward_report
from simulator.watch.page import status_page
from simulator.watch.proof import prove
from simulator.watch.status import status_of
from simulator.watch.watch import watch


class Clock:
    """A wall clock that the test sets."""

    def __init__(self, moment):
        self.moment, self.step = moment, timedelta(0)

    def __call__(self):
        self.moment += self.step
        return self.moment


def live(tmp_path, minutes_said, clock, then, **settings):
    """Watch AAA alone from a file that grows, by a wall clock."""
    file = tmp_path / "feed.jsonl"
    values = list(rows("AAA", 60))[HISTORY:]

    def tell(*numbers):
        with file.open("a") as growing:
            for number in numbers:
                start, *prices, volume = values[number]
                bar = dict(zip(("open", "high", "low", "close"), prices, strict=True))
                growing.write(json.dumps({"symbol": "AAA", "start": start.isoformat(), **bar, "volume": volume}) + "\n")

    tell(*minutes_said)
    stop = threading.Event()
    steps = Steps(lambda state: then(state, tell, stop))
    made = experiment(tmp_path, history_only=True, watch={"feed": f"follow:{file}", "stale_after": "2m", **settings})
    made["data"]["sources"] = {"AAA": made["data"]["sources"]["AAA"]}
    return watch(made, client=ScriptedClient(reader), sinks=[steps], stop=stop, now=clock), steps


@pytest.mark.parametrize("missed", ["skip", "decide_late"])
def test_bars_that_were_missed_are_told_and_decided_as_one_chose(tmp_path, missed):
    def then(state, tell, stop):
        if state.bars == 8:
            stop.set()

    clock = Clock(OPENING + timedelta(minutes=8))
    result, steps = live(tmp_path, range(8), clock, then, missed=missed)
    lines = [json.loads(line["line"]) for line in lines_of(result.folder) if "line" in line]
    late = [line.get("late", False) for line in lines_of(result.folder) if "line" in line]
    (told,) = steps.of("missed_bars")
    assert told.facts["count"] == 5
    if missed == "skip":
        assert [line["status"] for line in lines[:5]] == ["abstained"] * 5
        assert {line["abstention"]["reason"] for line in lines[:5]} == {"missed_bar"}
        assert not any(late)
        assert told.text.endswith("they are not decided on.")
    else:
        assert late == [True] * 5 + [False] * 3
        assert all(line["abstention"] is None for line in lines)
    assert all(line["abstention"] is None for line in lines[5:])
    assert differing(result.folder) == []
    proof = prove(result.folder)
    assert proof.live
    assert (proof.missed, proof.late) == ((5, 0) if missed == "skip" else (0, 5))
    page = forward_report(result.folder).parent
    assert all(check.same for check in replay(page))
    assert [json.loads(line["line"]) for line in lines_of(result.folder) if "line" in line] == lines_of(
        page / "llm", "decisions.jsonl"
    )


def test_a_tick_from_the_future_is_left_out(tmp_path):
    """A clock that is wrong by a year stops nothing; what was left out is counted over all starts, and told."""
    clock = Clock(OPENING + timedelta(minutes=3))
    tick = {"symbol": "AAA", "time": (OPENING + timedelta(days=365)).isoformat(), "price": 100}
    (tmp_path / "feed.jsonl").write_text(f"{json.dumps(tick)}\n" + json.dumps(tick | {"symbol": "XXX"}) + "\nnothing\n")
    result, steps = live(tmp_path, range(3), clock, lambda state, tell, stop: state.bars == 3 and stop.set())
    assert result.closes == result.decisions == 3
    assert result.left_out == steps.states[-1].left_out == {"unknown": 1, "ahead": 1, "malformed": 1}
    told = "Ticks and bars left out: 1 of a symbol that is not watched, 1 ahead of the clock and 1 that cannot be read."
    assert told in status_of(result.folder).lines()
    assert told in status_page(result.folder)
    again, _ = live(tmp_path, (), clock, lambda state, tell, stop: state.bars == 3 and stop.set())
    assert again.left_out == result.left_out


def test_a_feed_that_stands_still_is_told_and_nothing_is_decided(tmp_path):
    clock = Clock(OPENING + timedelta(minutes=1, seconds=1))

    def then(state, tell, stop):
        if state.bars == 1 and state.feed == "live":
            clock.step = timedelta(seconds=20)
        elif state.feed == "stale":
            clock.step, clock.moment = timedelta(0), OPENING + timedelta(minutes=10, seconds=1)
            tell(9)
        elif state.bars == 2:
            stop.set()

    result, steps = live(tmp_path, [0], clock, then)
    assert result.closes == result.decisions == 2
    (stale,), (back,) = steps.of("stale_feed"), steps.of("feed_back")
    assert stale.facts["seconds"] > 120
    assert stale.facts["last"] == (OPENING + timedelta(minutes=1)).isoformat()
    assert "nothing is decided until it goes on" in stale.text
    assert back.facts["seconds"] > 120


def test_the_page_of_a_watch_is_a_window_of_its_own(tmp_path):
    def then(state, tell, stop):
        if state.bars == 45:
            stop.set()

    clock = Clock(OPENING + timedelta(minutes=45))
    result, _ = live(tmp_path, range(45), clock, then, stale_after="1h")
    page = forward_report(result.folder)
    shown = Result.load(page.parent)
    assert "decided before the outcome" in shown.chips
    assert any("no objection about memory touches them" in note for note in shown.notes)
    decided = lines_of(page.parent / "llm", "decisions.jsonl")
    assert decided == [json.loads(line["line"]) for line in lines_of(result.folder) if "line" in line]
    assert min(line["time"] for line in decided) == OPENING.replace(tzinfo=None).isoformat()
