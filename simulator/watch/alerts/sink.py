"""What a watch tells of, by the rules of the experiment: events to alerts in the outbox, and from there to channels.

The watch itself only writes into the outbox. A thread for each channel empties it in order, a message at a time: what
is not accepted is tried again after a pause that doubles, and what is behind it waits. Where a model explains, an alert
waits a while for its explanation.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.client import LLMClient
from llm_strategy.support.outside_text import visible_line
from llm_strategy.support.secrets import redact
from simulator.experiment.alerts import AlertRule, AlertsConfig
from simulator.experiment.configuration import Experiment
from simulator.watch.alerts.channels import Channel
from simulator.watch.alerts.explainer import LONGEST_WAIT_S, Explainer
from simulator.watch.alerts.outbox import ALERTS, Alert, Message, Outbox, read_outbox
from simulator.watch.circumstances import Circumstances
from simulator.watch.event_log import read_events
from simulator.watch.events import EventKind, WatchEvent, WatchState, steps_from
from simulator.watch.folder import EVENTS

log = logging.getLogger(__name__)
LONGEST_TEXT = 500
"""Characters of an alert; what a model said in it has any length."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
LOOK_S = 20.0
"""Seconds after which a thread that has nothing to send looks at the clock: quiet hours and full ones end."""
CLOSE_S = 10.0
"""Seconds that a watch which ends leaves for what is due still."""


class AlertSink:
    """Tells events of a watch by channels, each once. ``earlier`` are the keys of the events that there were before the
    folder had an outbox: nobody is told of them now. ``name`` is that of the experiment. A ``client`` explains events
    by their ``circumstances``. Raises ``RunFolderError``."""

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        config: AlertsConfig,
        channels: Sequence[Channel],
        earlier: Sequence[str] = (),
        now: Callable[[], float] = time.time,
        circumstances: Circumstances | None = None,
        client: LLMClient | None = None,
    ) -> None:
        self._outbox = outbox
        self._config = config
        self._now = now
        self._circumstances = circumstances or Circumstances()
        self._names = tuple(channel.name for channel in channels)
        for key in earlier if outbox.is_new else ():
            outbox.take(key, ())
        outbox.flush()
        self._senders = [Sender(channel, outbox, name, config, now) for channel in channels]
        self._explainer: Explainer | None = None
        if client is None:
            outbox.give_up_explanations()
        else:
            self._explainer = Explainer(client, outbox, self._circumstances.calm, self._wake)
        for sender in self._senders:
            sender.start()

    def take(self, event: WatchEvent) -> None:
        """Enter the alerts that follow from an event."""
        if self._outbox.knows(event.key):
            return
        alerts = alerts_of(event, self._config, self._names)
        if alerts and self._explainer is not None:
            circumstances = self._circumstances.of(event)
            self._outbox.take(event.key, alerts, circumstances, self._now() + LONGEST_WAIT_S)
            self._explainer.wake()
        else:
            self._outbox.take(event.key, alerts)
        if alerts:
            self._wake()

    def show(self, state: WatchState) -> None:
        """A close is over: what was taken is on the disk."""
        self._outbox.flush()

    def close(self) -> None:
        """Have what is due delivered in one message, as far as it goes at once; the rest waits for the next start."""
        self._outbox.flush()
        if self._explainer is not None:
            self._explainer.close(CLOSE_S)
        until = time.monotonic() + CLOSE_S
        for sender in self._senders:
            sender.end()
        for sender in self._senders:
            sender.join(max(0.0, until - time.monotonic()))
        for state in read_outbox(self._outbox.path.parent, 0)[0]:
            if state.waiting:
                log.warning("The watch has ended, %s: the same command sends what waits.", state.told)
        self._outbox.close()

    def _wake(self) -> None:
        for sender in self._senders:
            sender.wake()


def alert_sinks(
    folder: Path,
    experiment: Experiment,
    channels: Sequence[Channel],
    symbols: Sequence[str],
    arms: Sequence[str],
    circumstances: Circumstances,
    client: LLMClient | None,
) -> list[AlertSink]:
    """Who is told of a watch in this folder by the rules of its experiment, if anybody; raises ``ConfigurationError``
    for a rule about a symbol or an arm that is not watched. A ``client`` explains."""
    if experiment.alerts is None:
        return []
    experiment.alerts.check_names(symbols, arms)
    earlier = [event.key for event in read_events(folder / EVENTS)]
    outbox = Outbox(folder / ALERTS)
    return [
        AlertSink(
            outbox,
            experiment.name,
            experiment.alerts,
            channels,
            earlier,
            circumstances=circumstances,
            client=client,
        )
    ]


def alerts_of(event: WatchEvent, config: AlertsConfig, channels: Sequence[str]) -> list[Alert]:
    """The alerts that follow from an event: one for each channel of the rules that it meets."""
    met = [rule for rule in config.all_rules if _meets(event, rule)]
    found = []
    for channel in channels:
        rules = [rule for rule in met if channel in (rule.channels or channels)]
        if rules:
            text = visible_line(redact(event.text), LONGEST_TEXT)
            urgent = any(rule.urgent for rule in rules)
            found.append(Alert(event.key, channel, str(event.kind), event.time, text, urgent))
    return found


def composed(name: str) -> Callable[[list[Alert], str], tuple[str, str]]:
    """How a message of an experiment of this ``name`` is written: of its alerts and its id the title and the text."""

    def compose(alerts: list[Alert], identity: str) -> tuple[str, str]:
        end = f"On paper: no real order exists. Message {identity}."
        if len(alerts) == 1:
            (alert,) = alerts
            told = [alert.text, *([alert.explanation] if alert.explanation else []), alert.time, end]
            return f"{name}: {alert.kind.replace('_', ' ')}", "\n".join(told)
        lines = [f"{alert.time} {' '.join(filter(None, (alert.text, alert.explanation)))}" for alert in alerts]
        return f"{name}: {len(alerts)} alerts", "\n".join([*lines, end])

    return compose


class Sender(threading.Thread):
    """Empties the outbox of one channel, until ``end``."""

    def __init__(
        self, channel: Channel, outbox: Outbox, name: str, config: AlertsConfig, now: Callable[[], float]
    ) -> None:
        super().__init__(name=f"alerts {channel.name}", daemon=True)
        self._channel = channel
        self._outbox = outbox
        self._config = config
        self._now = now
        self._compose = composed(name)
        self._bell = threading.Event()
        self._ends = False
        self._fails = False

    def wake(self) -> None:
        """Something has come."""
        self._bell.set()

    def end(self) -> None:
        """Send what is due, and end."""
        self._ends = True
        self._bell.set()

    def run(self) -> None:
        """Send and wait in turn."""
        try:
            while True:
                self._bell.clear()
                pause = self._step()
                if pause > 0:
                    if self._ends:
                        return
                    self._bell.wait(pause)
        except RunFolderError as problem:  # also where the watch has ended while a service took its time
            if not self._ends:
                log.warning("No alert is sent by %s any more: %s", self._channel.name, problem)

    def _step(self) -> float:
        """Send one message; returns the seconds until there may be another one, 0 where it may be at once."""
        now = self._now()
        quiet = self._config.is_quiet(datetime.fromtimestamp(now, UTC))
        message = self._outbox.next_message(
            self._channel.name, now, self._config.most_an_hour, self._compose, quiet=quiet, gather=self._ends
        )
        if message is None:
            return LOOK_S
        if message.due > now:
            return min(LOOK_S, message.due - now)
        self._outbox.begin(message)
        problem = self._channel.send(message.title, _told(message))
        if not problem:
            self._outbox.deliver(message, self._now())
            if self._fails:
                self._fails = False
                log.warning("Alerts by %s go on.", self._channel.name)
            return 0.0
        if self._outbox.fail(message, self._now(), problem, _pause):
            log.warning("An alert by %s is given up, after a day: %s.", self._channel.name, problem)
        elif not self._fails:
            self._fails = True
            log.warning("Alerts by %s wait, and are tried again: %s.", self._channel.name, problem)
        return 0.0


def _told(message: Message) -> str:
    if not message.is_doubtful:
        return message.text
    return f"{message.text} It may have come before: the program ended while it was sent."


def _pause(failures: int) -> float:
    """Seconds before the next attempt: doubled each time, and never the same for all channels."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 20)) * random.uniform(0.8, 1.0)  # noqa: S311


def _meets(event: WatchEvent, rule: AlertRule) -> bool:
    if str(event.kind) not in rule.when:
        return False
    if event.symbol and rule.symbols and event.symbol not in rule.symbols:
        return False
    if event.advisor and rule.advisors and event.advisor not in rule.advisors:
        return False
    if event.kind is EventKind.DRAWDOWN:
        now, before = (-float(event.facts[name]) for name in ("drawdown", "before"))
        return steps_from(rule.above, now) > steps_from(rule.above, before)
    return True
