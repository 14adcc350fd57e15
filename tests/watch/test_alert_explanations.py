"""What a model explains of alerts: choices that figures back, once, never in the way of a decision or of an alert."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alert_receivers import Webhook
from small_run import reader
from watched_day import committed, experiment, lines_of

from llm_strategy.errors import ServerNotReached
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.watch.alerts.explainer import AUDIT, explanation_of
from simulator.watch.alerts.outbox import ALERTS, Alert, Outbox, read_outbox
from simulator.watch.circumstances import Circumstances
from simulator.watch.event_log import read_events
from simulator.watch.events import EventKind, WatchEvent
from simulator.watch.watch import watch

BARS = 30
FIGURE = "model.brief.market.momentum"


def answer(request):
    """Advice, and of an explanation one sentence that the figures back and one that they do not."""
    if "sentences" not in (request.json_schema or ""):
        return reader(request)
    texts = (f"The momentum of the market is {{{FIGURE}}}.", "The market will rise tomorrow.")
    return {"sentences": [{"text": text, "claims": []} for text in texts]}


@pytest.fixture
def hook():
    receiver = Webhook()
    yield receiver
    receiver.down()


def alerts(hook, **more):
    rules = [{"when": ["action_changed", "late_ticks"]}, {"when": "drawdown", "above": 0.001}]
    return {"channels": {"hook": hook.address}, "rules": rules, "most_an_hour": 1000, **more}


def watched(place, hook, client, **more):
    return watch(experiment(place, BARS, alerts=alerts(hook, **more)), client=client).folder


def test_an_alert_carries_what_the_model_says_and_the_figures_back(tmp_path, hook):
    folder = watched(tmp_path, hook, ScriptedClient(answer), explain=True)
    told = read_outbox(folder, 1000)[1]
    changes = [one for one in told if one["kind"] == "action_changed"]
    assert len(changes) > 3
    for one in changes:
        assert "The momentum of the market is " in one["explanation"]
        assert one["explanation"].startswith("Measured of ")
        assert "tomorrow" not in one["explanation"]
    sent = "\n".join(message["text"] for message in hook.arrived)
    assert all(one["explanation"] in sent for one in changes)
    assert all(line["advisor"] == "alerts" for line in lines_of(folder, AUDIT))


def test_decisions_events_and_what_is_alerted_are_the_same_without(tmp_path, hook):
    explained = watched(tmp_path / "one", hook, ScriptedClient(answer), explain=True)
    plain = watched(tmp_path / "two", hook, ScriptedClient(answer))
    assert committed(explained) == committed(plain)
    assert [event.as_dict() for event in read_events(explained / "events.jsonl")] == [
        event.as_dict() for event in read_events(plain / "events.jsonl")
    ]
    ours, theirs = (read_outbox(folder, 1000)[1] for folder in (explained, plain))
    assert [one["text"] for one in ours] == [one["text"] for one in theirs]
    assert {one["explanation"] for one in theirs} == {""}
    assert not (plain / AUDIT).exists()


def test_where_the_model_fails_the_alert_goes_without_and_the_log_says_so(tmp_path, hook, caplog):
    def fails(request):
        if "sentences" in (request.json_schema or ""):
            raise ServerNotReached("Nobody answers.")
        return reader(request)

    folder = watched(tmp_path, hook, ScriptedClient(fails), explain=True)
    states, told = read_outbox(folder, 1000)
    assert states[0].delivered == len(told) > 3
    assert {one["explanation"] for one in told} == {""}
    said = [record.getMessage() for record in caplog.records if "goes without an explanation" in record.getMessage()]
    assert len(said) == len({one["text"] for one in told})
    assert "the model failed (ServerNotReached)" in said[0]


def test_a_model_that_is_slow_holds_up_no_decision(tmp_path, hook, monkeypatch):
    """The model does not answer about the first alert until the day is over and the watch leaves it behind."""
    monkeypatch.setattr("simulator.watch.alerts.sink.CLOSE_S", 2.0)
    over = threading.Event()

    def slow(request):
        if "sentences" in (request.json_schema or ""):
            over.wait(60)
        return answer(request)

    client = ScriptedClient(slow)
    client.concurrency = 2
    folder = watched(tmp_path, hook, client, explain=True)
    over.set()
    assert len(lines_of(folder, "bars.jsonl")) == BARS
    told = read_outbox(folder, 1000)[1]
    assert {one["state"] for one in told} == {"delivered"}
    assert {one["explanation"] for one in told} == {""}


KILLED = """
import sys
from pathlib import Path
from test_alert_explanations import BARS, answer
from watched_day import experiment
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.watch.watch import watch
alerts = {"channels": {"hook": sys.argv[2]}, "rules": [{"when": "action_changed"}], "most_an_hour": 1000}
watch(experiment(Path(sys.argv[1]), BARS, alerts=alerts | {"explain": True}), client=ScriptedClient(answer))
"""


def test_after_a_kill_the_same_text_is_sent_again(tmp_path, hook):
    hook.hold = threading.Event()
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(here), str(here.parent / 'support')]}\n{KILLED}",
         tmp_path, hook.address]
    )  # fmt: skip
    assert hook.accepted.wait(120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    hook.hold.set()
    hook.hold = None
    folder = watched(tmp_path, hook, ScriptedClient(answer), explain=True)
    first, again = (message["text"] for message in hook.arrived[:2])
    assert "The momentum of the market is " in first
    assert again == f"{first} It may have come before: the program ended while it was sent."
    assert len({one["message"] for one in read_outbox(folder, 1000)[1] if one["state"] == "delivered"}) > 1


def event(kind, **more):
    return WatchEvent(f"key {kind}", kind, "2026-01-05T15:00:00+00:00", "something.", **more)


def test_what_waits_for_an_explanation_holds_back_what_is_behind_it_until_its_time(tmp_path):
    box = Outbox(tmp_path / ALERTS)
    for key in ("one", "two"):
        alert = Alert(key, "hook", "cut", "", f"{key}.", urgent=False)
        box.take(key, [alert], *(("{}", 100.0) if key == "one" else ()))

    def message(now):
        found = box.next_message(
            "hook", now, 9, lambda told, name: ("", "|".join(one.text + one.explanation for one in told)),
            quiet=False, gather=True,
        )  # fmt: skip
        return found and found.text

    assert box.unexplained() == ("one", "{}", 100.0)
    assert message(99.0) is None
    assert box.explain("one", " Why.")
    assert not box.explain("one", " Other.")
    assert message(99.0) == "one. Why.|two."
    box.take("three", [Alert("three", "mail", "cut", "", "three.", urgent=False)], "{}", 100.0)
    box.next_message("mail", 100.0, 9, lambda told, name: ("", ""), quiet=False, gather=False)
    assert not box.explain("three", "Too late.")
    box.close()


@pytest.mark.slow
def test_the_embedded_model_chooses_among_the_figures_and_is_asked_once(tmp_path, model_path, hook, monkeypatch):
    """Of a feed there is nothing to choose from; the same figures are told in the same words from the record."""
    pytest.importorskip("xllamacpp")
    for name, value in (("BACKEND", "llama_cpp"), ("THREADS", "1"), ("TIMEOUT_S", "600")):
        monkeypatch.setenv(f"LLM_{name}", value)
    monkeypatch.setattr("simulator.watch.alerts.sink.CLOSE_S", 300.0)
    monkeypatch.setattr("simulator.watch.alerts.sink.LONGEST_WAIT_S", 300.0)
    assert Circumstances().of(event(EventKind.STALE_FEED)) == ""
    said = []
    for place in (tmp_path / "one", tmp_path / "two"):
        made = experiment(place, 4, alerts=alerts(hook, explain=True))
        made["data"]["sources"] = {"AAA": made["data"]["sources"]["AAA"]}
        made["arms"], made["alerts"]["rules"] = ["buy_and_hold"], [{"when": "order_filled"}]
        folder = watch(made).folder
        (told,) = read_outbox(folder, 100)[1]
        said.append(told["explanation"])
        questions = lines_of(folder, AUDIT)
    assert ", chosen by the model: The market's " in said[0]
    assert said[0] == said[1]
    assert len(questions) >= 2
    assert all(line["cached"] for line in questions)
    assert not any("AAA" in json.dumps(line) for line in questions)


def test_accounts_are_explained_by_their_own_figures(tmp_path):
    said = []

    def about(request):
        said.append(request.messages[-1].content)
        return {"sentences": [{"text": "The total return of llm is {llm.total_return}.", "claims": []}]}

    circumstances = json.dumps(
        {"about": "llm", "time": "2026-01-05T15:00:00",
         "accounts": {"llm": {"total_return": -0.02, "max_drawdown": 0.05, "exposure": 0.4}}}
    )  # fmt: skip
    text, problem = explanation_of(circumstances, ScriptedClient(about))
    assert (text, problem) == (
        "Measured at the close of 2026-01-05 15:00:00, written by the model and checked: The total return of llm is "
        "-2.0%.", "",
    )  # fmt: skip
    assert "largest drawdown of llm" in said[0]
