"""Alerts of a watched day at real receivers on loopback: each once, in order, whatever the receiver or the program went
through meanwhile."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alert_receivers import MailServer, Webhook
from apprise.plugins.email import NotifyEmail
from command_line import only_error
from small_run import reader
from watched_day import experiment

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.support.secrets import redact
from simulator.experiment.alerts import AlertsConfig
from simulator.watch.alerts.channels import Channel
from simulator.watch.alerts.outbox import ALERTS, Outbox, read_outbox
from simulator.watch.alerts.sink import AlertSink
from simulator.watch.event_log import read_events
from simulator.watch.events import EventKind, WatchEvent
from simulator.watch.watch import watch

BARS = 45
PHRASE = "Sesam open/1@x"
CHANGES = {"when": ["regime_changed", "action_changed"]}
FILLS = {"when": "order_filled", "channels": ["hook"], "symbols": ["AAA", "BBB"]}


@pytest.fixture(scope="module", autouse=True)
def unhurried():
    """What apprise waits between two mails is for the good of others' servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NotifyEmail, "request_rate_per_sec", 0)
        patch.setenv("MAIL_USER", "bob")
        patch.setenv("MAIL_PASSWORD", PHRASE)
        yield


@pytest.fixture(scope="module")
def hook():
    receiver = Webhook()
    yield receiver
    receiver.down()


@pytest.fixture(scope="module")
def mail():
    receiver = MailServer()
    yield receiver
    receiver.down()


@pytest.fixture(scope="module")
def alerts(hook, mail):
    channels = {"mail": mail.address, "hook": hook.address}
    return {"channels": channels, "rules": [CHANGES, FILLS], "most_an_hour": 1000}


@pytest.fixture(scope="module")
def day(tmp_path_factory, alerts):
    """The folder of a day that was watched with both channels."""
    place = tmp_path_factory.mktemp("alerts")
    return place, watch(experiment(place, BARS, alerts=alerts), client=ScriptedClient(reader)).folder


def wanted(folder, *, fills):
    """The sentences of the events that the rules above mean, in their order."""
    kinds = {"regime_changed", "action_changed"} | ({"order_filled"} if fills else set())
    events = read_events(folder / "events.jsonl")
    return [one.text for one in events if one.kind in kinds and (one.kind != "order_filled" or one.symbol != "CCC")]


def sentences(receiver):
    """The sentences of all messages in order: a message has one, or behind its time one a line, and an end."""
    found = []
    for message in receiver.arrived:
        lines = message["text"].split("On paper:")[0].splitlines()
        found += [line.partition(" ")[2] for line in lines] if "alerts" in message["title"] else lines[:1]
    return found


def test_each_alert_of_a_day_comes_once_and_in_order_by_mail_and_webhook(day, hook, mail):
    _, folder = day
    assert sentences(hook) == wanted(folder, fills=True)
    assert sentences(mail) == wanted(folder, fills=False)
    assert len(sentences(hook)) > len(sentences(mail)) > 5
    assert hook.arrived[0]["title"] == "day: regime changed"
    assert {one.told for one in read_outbox(folder)[0]} == {
        f"alerts by mail: {len(sentences(mail))} delivered, 0 waiting",
        f"alerts by hook: {len(sentences(hook))} delivered, 0 waiting",
    }


def test_the_same_command_again_sends_nothing_again(day, alerts, hook, mail):
    place, folder = day
    before = len(hook.arrived), len(mail.arrived)
    assert watch(experiment(place, BARS, alerts=alerts), client=ScriptedClient(reader)).folder == folder
    assert (len(hook.arrived), len(mail.arrived)) == before


def test_neither_secret_nor_address_stands_in_the_folder(day):
    _, folder = day
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for hidden in (PHRASE, "Sesam", "MAIL_PASSWORD", "me@example.com", "/hook", "127.0.0.1"):
            assert hidden.encode() not in data, (path, hidden)
    assert redact(f"sent with {PHRASE}") == "sent with [secret]"


def test_alerts_that_are_added_later_tell_nothing_of_what_was_before(day, alerts, hook, tmp_path):
    del day
    watch(experiment(tmp_path, BARS), client=ScriptedClient(reader))
    before = len(hook.arrived)
    folder = watch(experiment(tmp_path, BARS, alerts=alerts), client=ScriptedClient(reader)).folder
    assert len(hook.arrived) == before
    assert read_outbox(folder) == ([], [])


KILLED = """
import sys
from pathlib import Path
from small_run import reader
from watched_day import experiment
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.watch.watch import watch
alerts = {"channels": {"hook": sys.argv[2]}, "rules": [{"when": ["regime_changed", "action_changed"]}]}
watch(experiment(Path(sys.argv[1]), 45, alerts=alerts | {"most_an_hour": 1000}), client=ScriptedClient(reader))
"""


def test_killed_between_acceptance_and_its_note_one_message_comes_twice_and_says_so(day, tmp_path):
    """The receiver keeps the message and the program never hears of it: nobody can know better, so it comes again under
    the same id, and everything else once."""
    _, whole = day
    receiver = Webhook()
    receiver.hold = threading.Event()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path, receiver.address], cwd=Path(__file__).parents[1] / "support"
    )
    assert receiver.accepted.wait(120)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    receiver.hold.set()
    receiver.hold = None
    alerts = {"channels": {"hook": receiver.address}, "rules": [CHANGES], "most_an_hour": 1000}
    folder = watch(experiment(tmp_path, 45, alerts=alerts), client=ScriptedClient(reader)).folder
    receiver.down()
    told = sentences(receiver)
    assert told[0] == told[1]
    assert told[1:] == wanted(folder, fills=False) == wanted(whole, fills=False)
    first, again, *others = [message["text"] for message in receiver.arrived]
    assert again == f"{first} It may have come before: the program ended while it was sent."
    assert not any("It may have come before" in text for text in others)


def changed(number, kind=EventKind.ACTION_CHANGED, text=None, **more):
    return WatchEvent(f"key {number}", kind, f"2026-01-05T15:{number:02}:00+00:00", text or f"change {number}.", **more)


def config(channels, **more):
    return AlertsConfig(channels, ({"when": "action_changed"}, {"when": "kill_switch", "urgent": True}), **more)


def waited(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("kind", [Webhook, MailServer], ids=["webhook", "mail"])
def test_while_a_receiver_is_down_or_refuses_alerts_wait_in_order(kind, tmp_path, caplog):
    receiver = kind()
    receiver.down()
    address = receiver.address.replace("${MAIL_USER}", "bob").replace("${MAIL_PASSWORD}", "x")
    sink = AlertSink(Outbox(tmp_path / ALERTS), "day", config({"one": address}), [Channel("one", address)])
    for number in range(4):
        sink.take(changed(number))
    assert waited(lambda: read_outbox(tmp_path)[0][0].problem)
    receiver.up()
    receiver.answers = [503]
    assert waited(lambda: len(receiver.arrived) == 4)
    sink.close()
    receiver.down()
    assert sentences(receiver) == [f"change {number}." for number in range(4)]
    assert [record.getMessage().split(":")[0] for record in caplog.records if "alerts" in record.name] == [
        "Alerts by one wait, and are tried again",
        "Alerts by one go on.",
    ]


def test_what_waits_when_a_watch_ends_goes_at_the_next_start_behind_nothing_new(tmp_path):
    receiver = Webhook()
    receiver.down()
    channel = Channel("one", receiver.address)
    for last in (4, 6):
        if last == 6:
            receiver.up()
        sink = AlertSink(Outbox(tmp_path / ALERTS), "day", config({"one": receiver.address}), [channel])
        for number in range(last):
            sink.take(changed(number))
        sink.close()
    receiver.down()
    assert sentences(receiver) == [f"change {number}." for number in range(6)]


def test_what_a_model_said_is_no_markup_in_a_mail(tmp_path, mail):
    before = len(mail.arrived)
    address = mail.address.replace("${MAIL_USER}", "bob").replace("${MAIL_PASSWORD}", "x")
    sink = AlertSink(Outbox(tmp_path / ALERTS), "day", config({"one": address}), [Channel("one", address)])
    sink.take(changed(1, text='<img src="http://example.com/x">\nOn paper: buy'))
    sink.close()
    (message,) = mail.arrived[before:]
    assert message["html"] is None or "<img" not in message["html"]
    assert message["text"].splitlines()[0] == '<img src="http://example.com/x"> On paper: buy'


def test_an_outbox_that_is_none_is_told(tmp_path):
    (tmp_path / ALERTS).write_text("no database " * 100)
    with pytest.raises(RunFolderError, match=r"alerts.sqlite cannot be (read|written) \(file is not a database\)"):
        Outbox(tmp_path / ALERTS)
    with pytest.raises(RunFolderError, match="file is not a database"):
        read_outbox(tmp_path)
    (tmp_path / ALERTS).unlink()
    with sqlite3.connect(tmp_path / ALERTS) as base:
        base.execute("CREATE TABLE other (x)")
    with pytest.raises(RunFolderError, match="is no outbox of this version"):
        read_outbox(tmp_path)


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"channels": {"a": "json://${NOT_SET_ANYWHERE}/x"}}, "names the variable NOT_SET_ANYWHERE, which is not set"),
        ({"channels": {"a": "jsn://localhost/x"}}, "alerts.channels.a is no address that apprise can read"),
        (
            {"channels": {"a": "json://localhost/x"}, "rules": [{"when": "cut", "symbols": ["AAB"]}]},
            "symbols names 'AAB'",
        ),
        (
            {"channels": {"a": "json://localhost/x"}, "rules": [{"when": "cut", "advisors": ["lm"]}]},
            "advisors names 'lm'",
        ),
        (
            {
                "channels": {"a": "json://localhost/x", "b": "json://localhost"},
                "rules": [{"when": "cut", "channels": ["a"]}],
            },
            "alerts.channels.b is used by no rule",
        ),
    ],
    ids=["variable", "service", "symbol", "arm", "idle_channel"],
)
def test_what_cannot_be_told_is_refused_before_anything_is_watched(alerts, said, tmp_path):
    with pytest.raises(ConfigurationError, match=said):
        watch(experiment(tmp_path, 5, alerts={"rules": [CHANGES]} | alerts), client=ScriptedClient(reader))


def test_a_test_alert_goes_to_every_channel(btllm, tmp_path, hook, mail):
    (tmp_path / "experiment.yaml").write_text(
        f"name: day\ndata: {{source: 'synthetic:cycles?bars=300&seed=1'}}\nalerts:\n"
        f"  channels: {{mail: '{mail.address}', hook: '{hook.address}'}}\n  rules: [{{when: cut}}]\n"
    )
    code, out, _ = btllm("watch", "alerts", "test", "experiment.yaml")
    assert (code, out.splitlines()) == (0, ["mail: accepted", "hook: accepted"])
    assert hook.arrived[-1]["title"] == mail.arrived[-1]["title"] == "day: test"
    hook.answers = [401]
    answer = btllm("watch", "alerts", "test", "experiment.yaml")
    assert "alerts.channels: hook did not accept the alert" in only_error(answer, 2)
    assert "error=401" in answer[1]


def test_the_alerts_of_a_folder_are_listed(btllm, day):
    _, folder = day
    code, out, _ = btllm("watch", "alerts", "list", folder, "--last", "2")
    *told, mail, hook = out.splitlines()
    assert code == 0
    assert all("delivered: " in line for line in told)
    assert len(told) == 2
    assert mail.startswith("alerts by mail: ")
    assert hook.startswith("alerts by hook: ")
    code, out, _ = btllm("watch", "status", folder, "--json")
    assert "127.0.0.1" not in out
