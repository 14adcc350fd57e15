"""Which alerts follow from an event, when they may go, and what of the section ``alerts`` is refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from llm_strategy.errors import ConfigurationError
from simulator.experiment.alerts import OCCASIONS, AlertsConfig
from simulator.experiment.configuration import Experiment
from simulator.watch.alerts.channels import whole_address
from simulator.watch.alerts.outbox import ALERTS, HOUR_S, KEPT_S, LEAST_FAILURES, Outbox, read_outbox
from simulator.watch.alerts.sink import alerts_of, composed
from simulator.watch.events import EventKind, WatchEvent

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC).timestamp()
CHANNELS = {"mail": "mailto://${NAME}@localhost", "hook": "json://localhost"}


def event(number=0, kind=EventKind.ACTION_CHANGED, symbol="", advisor="", **facts):
    time = datetime.fromtimestamp(NOW, UTC) + timedelta(minutes=number)
    return WatchEvent(f"{kind} {number}", kind, time.isoformat(), f"event {number}.", symbol, advisor, facts)


def fallen(before, now):
    return event(kind=EventKind.DRAWDOWN, advisor="llm", before=-before, drawdown=-now)


def config(*rules, **more):
    return AlertsConfig(CHANNELS, rules, **more)


def told(happened, *rules):
    return [alert.channel for alert in alerts_of(happened, config(*rules), tuple(CHANNELS))]


def test_a_rule_can_name_everything_that_happens_in_a_watch():
    assert set(OCCASIONS) == set(EventKind)


@pytest.mark.parametrize(
    ("happened", "rule", "meets"),
    [
        (event(symbol="SPY", advisor="llm"), {"when": "action_changed"}, True),
        (event(symbol="SPY", advisor="llm"), {"when": "cut"}, False),
        (event(symbol="SPY", advisor="llm"), {"when": ["cut", "action_changed"], "symbols": ["SPY"]}, True),
        (event(symbol="SPY", advisor="llm"), {"when": "action_changed", "symbols": ["QQQ"]}, False),
        (event(symbol="SPY", advisor="llm"), {"when": "action_changed", "advisors": ["other"]}, False),
        (event(kind=EventKind.STALE_FEED), {"when": "stale_feed", "symbols": ["QQQ"], "advisors": ["llm"]}, True),
        (fallen(0, 0.06), {"when": "drawdown"}, True),
        (fallen(0.06, 0.11), {"when": "drawdown", "above": 0.15}, False),
        (fallen(0.11, 0.15), {"when": "drawdown", "above": 0.15}, True),
        (fallen(0.16, 0.26), {"when": "drawdown", "above": 0.15}, True),
        (fallen(0.11, 0.1201), {"when": "drawdown", "above": 0.12}, True),
        (fallen(0.1201, 0.16), {"when": "drawdown", "above": 0.12}, False),
        (fallen(0.16, 0.171), {"when": "drawdown", "above": 0.12}, True),
    ],
    ids=[
        "kind", "other_kind", "symbol", "other_symbol", "other_advisor", "concerns_all", "any_drawdown",
        "smaller_drawdown", "drawdown", "larger_drawdown", "any_fraction", "less_than_a_step", "a_step_from_it",
    ],
)  # fmt: skip
def test_a_rule_means_events_of_its_kind_symbols_and_advisors(happened, rule, meets):
    assert told(happened, rule) == (["mail", "hook"] if meets else [])


def test_an_event_of_several_rules_is_told_once_by_each_channel():
    rules = (
        {"when": "cut", "channels": ["hook"]},
        {"when": "cut"},
        {"when": "cut", "channels": ["mail"], "urgent": True},
    )
    alerts = alerts_of(event(kind=EventKind.CUT), config(*rules), tuple(CHANNELS))
    assert [(one.channel, one.urgent) for one in alerts] == [("mail", True), ("hook", False)]


class Waiting:
    """An outbox with these many alerts of one channel; the numbers that are in ``urgent`` are."""

    def __init__(self, folder, count, urgent=()):
        self.box = Outbox(folder / ALERTS)
        for number in range(count):
            rules = {"when": "action_changed", "urgent": number in urgent}
            self.box.take(f"k{number}", alerts_of(event(number), config(rules), ("mail",)))

    def next(self, now=NOW, most=1000, *, quiet=False, gather=False):
        """The next message, delivered: the numbers of its alerts."""
        message = self.box.next_message("mail", now, most, composed("day"), quiet=quiet, gather=gather)
        if message is None:
            return None
        self.box.begin(message)
        self.box.deliver(message, now)
        lines = message.text.splitlines()
        return [int(line.rpartition("event ")[2][:-1]) for line in lines if "event " in line]


def test_the_last_message_of_an_hour_takes_all_that_waits_and_the_next_hour_goes_on(tmp_path):
    waiting = Waiting(tmp_path, 60)
    assert [waiting.next(most=3) for _ in range(4)] == [[0], [1], list(range(2, 52)), None]
    assert waiting.next(NOW + HOUR_S - 1, most=3) is None
    assert waiting.next(NOW + HOUR_S + 1, most=3) == [52]


def test_in_quiet_hours_and_full_ones_only_what_is_urgent_goes_and_then_the_rest_in_order(tmp_path):
    waiting = Waiting(tmp_path, 5, urgent=(2, 4))
    assert [waiting.next(quiet=True) for _ in range(3)] == [[2], [4], None]
    assert [waiting.next(most=1) for _ in range(2)] == [None, None]
    assert [waiting.next() for _ in range(4)] == [[0], [1], [3], None]


def test_what_waits_at_the_end_of_a_watch_goes_together(tmp_path):
    waiting = Waiting(tmp_path, 7)
    assert waiting.next() == [0]
    assert [waiting.next(gather=True) for _ in range(2)] == [[1, 2, 3, 4, 5, 6], None]


def test_after_a_day_of_failures_a_message_is_given_up_and_those_behind_it_go(tmp_path):
    waiting = Waiting(tmp_path, 2)
    first = waiting.box.next_message("mail", NOW, 9, composed("day"), quiet=False, gather=False)
    for attempt in range(1, LEAST_FAILURES + 1):
        waiting.box.begin(first)
        late = NOW + KEPT_S * attempt
        assert waiting.box.fail(first, late, "down", lambda failures: 10.0) is (attempt == LEAST_FAILURES)
        again = waiting.box.next_message("mail", late, 9, composed("day"), quiet=False, gather=False)
        assert (again.id == first.id) is (attempt < LEAST_FAILURES)
    (state,), alerts = read_outbox(tmp_path)
    assert state.told == "alerts by mail: 0 delivered, 1 waiting, 1 given up"
    assert [alert["state"] for alert in alerts] == ["given up", "waiting"]


def test_an_event_is_taken_once_also_when_no_alert_followed_from_it(tmp_path):
    box = Outbox(tmp_path / ALERTS)
    box.take("old", ())
    box.close()
    again = Outbox(tmp_path / ALERTS)
    assert not again.knows("old")  # no flush came before the end: as after a kill, it is told again
    again.take("old", ())
    again.flush()
    again.close()
    last = Outbox(tmp_path / ALERTS)
    assert last.knows("old")
    last.take("old", alerts_of(event(), config({"when": "action_changed"}), ("mail",)))
    assert read_outbox(tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("clock", "quiet"),
    [("21:59", False), ("22:00", True), ("03:00", True), ("06:59", True), ("07:00", False), ("12:00", False)],
)
def test_quiet_hours_are_those_of_their_zone(clock, quiet):
    zone = ZoneInfo("Europe/Zurich")
    over_night = config({"when": "cut"}, quiet="22:00-07:00", timezone="Europe/Zurich")
    moment = datetime.fromisoformat(f"2026-07-01T{clock}").replace(tzinfo=zone)
    assert over_night.is_quiet(moment.astimezone(UTC)) is quiet
    at_noon = config({"when": "cut"}, quiet="07:00-22:00", timezone="Europe/Zurich")
    assert at_noon.is_quiet(moment) is not quiet
    assert not config({"when": "cut"}).is_quiet(moment)


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("mailto://${A}:${B}@example.com?to=${A}", "mailto://bob%40x:p%2Fw%20%3F@example.com?to=bob%40x"),
        ("slack://${C}/channel", "slack://T0/B0/xyz/channel"),
        ("${D}", "json://u:p@localhost"),
    ],
    ids=["before_host", "behind_host", "whole"],
)
def test_variables_of_an_address_are_escaped_where_they_stand(address, whole):
    values = {"A": "bob@x", "B": "p/w ?", "C": "T0/B0/xyz", "D": "json://u:p@localhost"}
    assert whole_address(address, values) == whole


TEXT = """
data: {source: "synthetic:cycles?bars=300&seed=1"}
alerts:
  channels: {mail: "mailto://${U}:${P}@localhost?to=a@b.c", hook: "json://localhost:8080/x"}
  rules:
    - {when: [kill_switch, stale_feed], urgent: true}
    - {when: drawdown, above: 0.1}
    - {when: action_changed, channels: [hook]}
  quiet: 22:00-07:00
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("${P}", "hunter2secret", r"alerts.channels.mail holds a password: write \$\{NAME\} in its place"),
        ('"json://localhost:8080/x"', "hunter2secret", "alerts.channels.hook is no address"),
        ("kill_switch", "kill_swich", "'kill_swich', did you mean 'kill_switch'"),
        ("above: 0.1", "above: 1.2", "above is 1.2: write a fraction below the highest close"),
        ("drawdown, above", "cut, above", "above is for drawdown alone"),
        ("[hook]", "[hok]", "channels names 'hok', did you mean 'hook'"),
        ("22:00-07:00", "22:0007:00", 'alerts.quiet is "22:0007:00", it must be two times such as 22:00-07:00'),
        ("quiet: 22:00-07:00", "timezone: Europe/Zurich", "alerts.timezone is for quiet hours alone"),
        ("urgent: true", "urgnt: true", "urgnt is an unknown key, did you mean 'urgent'"),
        ("quiet", "quite", "alerts.quite is an unknown key, did you mean 'quiet'"),
        ("quiet: 22:00-07:00", "most_an_hour: 0", "alerts.most_an_hour is 0, it must be at least 1"),
    ],
    ids=[
        "password", "address", "occasion", "step", "idle_above", "channel", "hours", "idle_zone", "rule_key", "key",
        "limit",
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_section_is_told_without_an_address(right, wrong, said):
    with pytest.raises(ConfigurationError, match=said) as told_of:
        Experiment.from_text(TEXT.replace(right, wrong, 1))
    assert "hunter2" not in str(told_of.value)


def test_alerts_are_no_part_of_what_decides_a_run():
    experiment = Experiment.from_text(TEXT)
    assert experiment.alerts.all_rules[0].when == ("kill_switch", "stale_feed")
    assert "alerts" not in experiment.resolved()
    without = Experiment.from_text(TEXT.partition("alerts:")[0])
    assert without.resolved() == experiment.resolved()
