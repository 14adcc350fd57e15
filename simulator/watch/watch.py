"""A market watched as it happens, on paper: a close is recorded, decided and committed before the next is taken."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.provenance import identity_from, model_of, provenance
from simulator.folder.workspace import Workspace, as_run_folder_error
from simulator.prices.sessions import parse_timeframe
from simulator.prices.universe import Universe, load_universe
from simulator.runs.advisors.session import AdvisorSession, Clients, check_clients, sessions_of
from simulator.runs.compare import AnyExperiment, as_experiment
from simulator.watch.alerts.channels import open_channels
from simulator.watch.alerts.explainer import explaining_client
from simulator.watch.alerts.sink import alert_sinks
from simulator.watch.circumstances import Circumstances
from simulator.watch.events import Sink
from simulator.watch.feed import FeedRequest, find_feed
from simulator.watch.folder import ABOUT, WatchFolder, begin_folder
from simulator.watch.loop import FeedLoop
from simulator.watch.trading import WatchedMarket


def wall_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class WatchResult:
    """What a watch came to: its folder, how many closes and decisions stand in it in all, and whether its feed has
    ``ended``, so that nothing more will come. ``left_out`` counts ticks and bars that are part of no bar, by reason."""

    folder: Path
    closes: int
    decisions: int
    ended: bool
    left_out: Mapping[str, int] = field(default_factory=dict)


def watch(
    experiment: AnyExperiment,
    *,
    feed: str | None = None,
    speed: float | None = None,
    client: Clients = None,
    sinks: Sequence[Sink] = (),
    sinks_of: Callable[[Path], Sequence[Sink]] | None = None,
    stop: threading.Event | None = None,
    now: Callable[[], datetime] = wall_clock,
) -> WatchResult:
    """Watch until the feed ends or ``stop`` is set, and go on where an earlier call of the same experiment ended or was
    killed.

    ``feed`` and ``speed`` take the place of the settings under ``watch``. ``client`` answers in place of the configured
    model. ``sinks`` are told of events and states, and so are those that ``sinks_of`` makes for the folder, and the
    channels of ``alerts``. Nothing here can send a real order: the broker is simulated. Raises ``ConfigurationError``,
    ``MarketDataError``, ``ModelError``, ``BudgetReached`` and ``RunFolderError``; whatever ended it, the same call
    goes on.
    """
    wanted = _with_watch(as_experiment(experiment), feed, speed)
    _check(wanted)
    check_clients(wanted, client)
    kind, name = find_feed(wanted.watch.feed)
    arms = watched_arms(wanted)
    channels = open_channels(wanted)
    sessions = sessions_of(wanted, arms, client)
    path = wanted.output.path / f"{wanted.name}-watch-{_identity(wanted, arms, sessions)[:8]}"
    with _Place(path) as place, as_run_folder_error(path), ExitStack() as at_the_end:
        folder = WatchFolder(path)
        is_new = not (path / ABOUT).exists()
        if is_new or kind.kind == "replay":
            universe = load_universe(wanted.data, warm_up=wanted.warm_up, folder=wanted.folder)
        else:
            universe = folder.history
        if is_new:
            history = _history(universe, wanted, plays=name == "" and kind.kind == "replay")
            begin_folder(path, _about(wanted, arms, sessions, universe), history)
        for session in sessions:
            at_the_end.enter_context(session.open(place))
        told = [*sinks, *(sinks_of(path) if sinks_of else ())]
        circumstances = Circumstances()
        explains = wanted.alerts is not None and wanted.alerts.explain
        explainer = at_the_end.enter_context(explaining_client(path, wanted, sessions)) if explains else None
        names = [arm.name for arm in arms]
        told += alert_sinks(path, wanted, channels, universe.symbols, names, circumstances, explainer)
        market = WatchedMarket(folder, wanted, arms, sessions, told, now, circumstances)
        at_the_end.callback(market.close)
        market.resume()
        timeframe = parse_timeframe(universe.timeframe)
        request = FeedRequest(
            wanted.watch.feed, name, wanted, universe.symbols, timeframe, wanted.watch.speed, market.since, universe
        )
        opened = at_the_end.enter_context(kind.open(request))
        ended = FeedLoop(wanted.watch, timeframe, opened, market, stop or threading.Event(), now).run(request)
        market.finish()
        return WatchResult(path, market.closes, market.decisions, ended, dict(market.left_out.counts))


def watched_arms(experiment: Experiment) -> list[Arm]:
    """The arms that a model advises, that of the primary one first; where there are none, those of rules."""
    advised = [arm for arm in experiment.plan if arm.config is not None]
    rules = [arm for arm in experiment.plan if arm.kind == "rule"]
    arms = sorted(advised, key=lambda arm: arm != experiment.primary) or rules
    if not arms:
        raise ConfigurationError("arms names neither an advisor nor a rule that could be watched: name one.")
    return arms


class _Place(Workspace):
    """The folder of a watch while it is written: under its own name from the beginning, by one process at a time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder


def _with_watch(experiment: Experiment, feed: str | None, speed: float | None) -> Experiment:
    changed: dict[str, Any] = {"feed": feed} if feed is not None else {}
    changed |= {"speed": speed} if speed is not None else {}
    return replace(experiment, watch=replace(experiment.watch, **changed)) if changed else experiment


def _check(experiment: Experiment) -> None:
    """Raise ``ConfigurationError`` for settings that a watch cannot follow."""
    if experiment.data.decide_on is not None:
        raise ConfigurationError(
            f"data.decide_on is {experiment.data.decide_on}, and a watch decides on every bar that it closes: set "
            "data.timeframe to the length of the bars to decide on, and leave decide_on out."
        )
    if experiment.orders.fill == "same_close":
        raise ConfigurationError(
            "orders.fill is same_close, a fill that nobody can have as the market goes on: leave it out."
        )


def _history(universe: Universe, experiment: Experiment, *, plays: bool) -> Universe:
    """The bars before the first close: as many as the warm-up needs for a decision at the first one. A replay of these
    prices begins behind the warm-up, any other feed behind the last bar there is."""
    before = experiment.warm_up.bars - 1
    markets = []
    first = max(prices.table.index[min(before, len(prices.table) - 1)] for prices in universe.markets)
    for prices in universe.markets:
        table = prices.table[prices.table.index < first] if plays else prices.table
        table = table.iloc[max(0, len(table) - before) :]
        if table.empty:
            raise MarketDataError(
                f"{prices.symbol} has no bar before {first.isoformat()}, at which the watch begins: leave it out, or "
                "give it earlier prices."
            )
        markets.append(replace(prices, table=table, true_regimes=None))
    return replace(universe, markets=tuple(markets))


def _about(
    experiment: Experiment, arms: Sequence[Arm], sessions: Sequence[AdvisorSession], universe: Universe
) -> dict[str, Any]:
    who = {arm.name: model_of(session.model) for session in sessions for arm in session.arms}
    return {
        "name": experiment.name,
        "experiment": experiment.resolved(),
        "timeframe": universe.timeframe,
        "symbols": {prices.symbol: {"source": prices.source, "volume": prices.volume} for prices in universe.markets},
        "arms": {arm.name: {"advisor": arm.advisor, **who.get(arm.name, model_of(None))} for arm in arms},
        "started": wall_clock().isoformat(timespec="seconds"),
        **provenance(),
    }


def _identity(experiment: Experiment, arms: Sequence[Arm], sessions: Sequence[AdvisorSession]) -> str:
    """What tells two watches apart: what tells two runs apart, and in the place of prices where bars come from. What is
    set of speed, grace and lateness may change while a watch goes on, and so may a budget."""
    fed = {"feed": experiment.watch.feed, "calendar": experiment.watch.calendar}
    return identity_from(
        {
            "experiment": experiment.resolved(),
            "prices": {"sha256": json.dumps(fed)},
            "prompts": "",
            "schemas": "",
            "versions": {"backtrader-llm": ""},
            **model_of(None),
            "advisors": {session.name: model_of(session.model) for session in sessions},
        },
        [arm.name for arm in arms],
    )
