"""The page of a watch and the view on a terminal: what they show, and to whom."""

import http.client
import io
import re
from urllib.parse import urlsplit

import pytest
from rich.console import Console
from small_run import reader
from watched_day import Steps, experiment

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.cli.watch_view import TerminalView
from simulator.watch.events import EventKind, WatchEvent, WatchState
from simulator.watch.page import StatusServer, status_page
from simulator.watch.watch import watch


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A folder and its sink, which was told of it as it was watched."""
    steps = Steps()
    place = tmp_path_factory.mktemp("page")
    result = watch(experiment(place, 25), client=ScriptedClient(reader), sinks=[steps])
    return result.folder, steps


@pytest.fixture(scope="module")
def server(day):
    running = StatusServer(day[0])
    yield running
    running.close()


def ask(server, path=None, host=None, method="GET"):
    where = urlsplit(server.address)
    line = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    line.request(method, where.path if path is None else path, headers={"Host": host or where.netloc})
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer, text


def test_the_page_tells_how_the_watch_stands_from_its_folder(day, server):
    folder, steps = day
    answer, text = ask(server)
    assert answer.status == 200
    account = steps.states[-1].accounts["llm"]
    assert "It is not running: 25 closes" in text
    assert f"{account['equity']:,.2f}" in text
    assert all(symbol in text for symbol in steps.states[-1].symbols)
    last = list(steps.events.values())[-1]
    assert last.text in text
    assert text == status_page(folder)


def test_a_browser_runs_no_script_on_it_and_asks_nobody(server):
    answer, text = ask(server)
    policy = answer.getheader("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("frame-ancestors 'none'")
    assert answer.getheader("Cache-Control") == "no-store"
    assert "<script" not in text
    assert answer.getheader("Refresh") == "5"


@pytest.mark.parametrize(
    ("path", "host", "method", "status"),
    [
        ("/", None, "GET", 404),
        ("/wrong-token/", None, "GET", 404),
        ("/../watch.json", None, "GET", 404),
        (None, "example.com", "GET", 421),
        (None, "127.0.0.1", "GET", 421),
        (None, None, "POST", 501),
    ],
    ids=["no_token", "other_token", "other_file", "other_host", "no_port", "writing"],
)
def test_who_does_not_know_the_address_gets_nothing(server, path, host, method, status):
    answer, text = ask(server, path, host, method)
    assert answer.status == status
    assert "llm" not in text
    assert urlsplit(server.address).path not in text


def test_a_port_that_is_taken_is_told(day, server):
    port = urlsplit(server.address).port
    with pytest.raises(ConfigurationError, match=f"Port {port} of 127.0.0.1 cannot be listened on"):
        StatusServer(day[0], port)


def test_a_folder_that_is_none_yet_is_told_on_the_page(tmp_path):
    server = StatusServer(tmp_path)
    answer, text = ask(server)
    server.close()
    assert answer.status == 503
    assert "is no folder of a watch" in text


def shown(view_of, *told, height=40):
    """What stands on a terminal at the end."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, height=height, color_system=None)
    view = view_of(console)
    for one in told:
        (view.take if isinstance(one, WatchEvent) else view.show)(one)
    view.close()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_a_terminal_shows_symbols_advice_gate_accounts_and_what_happened(day):
    folder, steps = day
    text = shown(lambda console: TerminalView(console, folder), *list(steps.events.values())[-3:], steps.states[-2])
    assert re.search(
        rf"{folder.name} on paper, feed live: 25 closes, \d+ decisions; last bar 2026-01-05 14:55:00", text
    )
    assert re.search(r"AAA +2026-01-05 14:55 +[\d.]+ +llm +\w+ +\w+ +[\d.]+ +\w+ +-?[\d.]+", text)
    assert re.search(r"llm +[\d,.]+ +[\d,.]+ +[\d,.]+ +[\d.]+%", text)
    assert all(event.text[:60] in text for event in list(steps.events.values())[-3:])


def test_many_symbols_leave_room_on_a_small_screen_and_nothing_is_obeyed(tmp_path):
    symbols = {f"S{number:02}": {"close": 1.5, "bar": "2026", "arms": {"llm": {"position": 0}}} for number in range(50)}
    state = WatchState("", {}, symbols, 3, 0, 1.26, {"late": 2, "doubled": 1}, "stale")
    event = WatchEvent("key", EventKind.ABSTENTION, "2026-01-05T15:00:00", "It said \x1b[2J\nfeed live.")
    text = shown(lambda console: TerminalView(console, tmp_path / "day"), event, state, height=20)
    assert "feed stale: 3 closes, 0 decisions; last bar none yet, decided on 1.3 s after its end" in text
    assert "Ticks and bars left out: 2 too late for their bar and 1 told twice." in text
    assert re.search(r"and \d+ more", text)
    assert "S49" not in text
    assert "It said \\x1b[2J feed live." in text
