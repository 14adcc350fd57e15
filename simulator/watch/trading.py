"""The arms of a watch on one stream of closes: recorded, decided by each, committed, told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from llm_strategy.advice.protocol import Advisor
from llm_strategy.trading.decision_lines import Entry
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import write_tables
from simulator.prices.sessions import parse_timeframe
from simulator.runs.advisors.session import AdvisorSession
from simulator.runs.answers import advisor_of
from simulator.runs.strategies.trade import rule_of
from simulator.watch.bar_clock import Close
from simulator.watch.circumstances import Circumstances
from simulator.watch.commit import CloseStamp, Committer
from simulator.watch.engine import ArmEngine
from simulator.watch.event_log import EventLog
from simulator.watch.events import Sink, WatchEvent, WatchState
from simulator.watch.folder import ACCOUNTS, EVENTS, RecordedClose, RecordedLine, WatchFolder, close_line
from simulator.watch.left_out import LeftOut
from simulator.watch.resume import ResumedClient
from simulator.watch.rules import EventRules


class WatchedMarket:
    """Every arm's account over the closes of a folder. ``resume`` goes through what is recorded, ``take`` records one
    more close and has every arm decide on it, ``finish`` ends the accounts.

    A close and its decisions are on the disk before ``take`` returns. Raises ``RunFolderError`` where the record is not
    whole, or where the arms come to other decisions from it.
    """

    def __init__(
        self,
        folder: WatchFolder,
        experiment: Experiment,
        arms: Sequence[Arm],
        sessions: Sequence[AdvisorSession],
        sinks: Sequence[Sink],
        now: Callable[[], datetime],
        circumstances: Circumstances | None = None,
    ) -> None:
        self._circumstances = circumstances or Circumstances()
        self._folder = folder
        self._experiment = experiment
        self._arms = list(arms)
        self._nulls = {arm.name for arm in arms if arm.null}
        self._now = now
        self._log = EventLog(folder.path / EVENTS, sinks)
        self._bars, self._chain = folder.bars, folder.decisions
        self._recorded = [folder.close_of(line) for line in self._bars.open()]
        lines = [folder.line_of(line) for line in self._chain.open()]
        self._missed: dict[str, dict[str, str]] = {symbol: {} for symbol in folder.history.symbols}
        self._stamp = CloseStamp()
        self._committers: dict[str, Committer] = {}
        self._clients: list[ResumedClient] = []
        self._advisors: dict[str, Advisor] = {}
        version = str(folder.about.get("versions", {}).get("backtrader-llm", ""))
        asked = {arm.name: session for session in sessions for arm in session.arms}
        for arm in self._arms:
            own = [line for line in lines if line.arm == arm.name]
            self._committers[arm.name] = Committer(arm.name, self._chain, own, self._stamp, now, version)
            self._advisors[arm.name] = self._advisor(arm, asked.get(arm.name), own)
        self._engines: dict[str, ArmEngine] = {}
        told = experiment.alerts.all_rules if experiment.alerts else ()
        self._rules = EventRules(experiment.risk, self._log.take, [rule.above for rule in told])
        self._state: dict[str, Any] = {"accounts": {}, "symbols": {}}
        self._peaks: dict[str, float] = {}
        self._lag: float | None = None
        self.closes = 0
        self.decisions = 0
        self.left_out = LeftOut(folder.path)
        """What was heard and is part of no bar."""
        self.feed = "live"
        first = parse_timeframe(folder.history.timeframe).duration
        self.since = {
            prices.symbol: prices.table.index[-1].to_pydatetime().replace(tzinfo=UTC) + first
            for prices in folder.history.markets
        }
        """By symbol the end of the last bar that is known."""
        self.last_end = datetime.min.replace(tzinfo=UTC)
        """Of the last close."""

    def resume(self) -> None:
        """Go through the recorded closes with the recorded decisions; a last close that a kill interrupted is decided
        to its end."""
        for recorded in self._recorded:
            self._go_through(recorded)
        self._recorded.clear()
        for client in self._clients:
            client.go_on()
        if self.closes:
            self._settle()
        self.show()

    def take(self, close: Close, *, missed: str = "", late: bool = False, lag: float | None = None) -> None:
        """Record a close, decide on it, and commit: ``missed`` says why it is not decided on, ``late`` that it is
        decided late, ``lag`` is seconds from its end until now, by the wall clock."""
        self._bars.append(close_line(close, self._now(), missed, self._chain.head.hash, live=lag is not None))
        self._bars.sync()
        with self._circumstances.deciding():
            self._decide(self.closes + 1, close, missed, late=late)
        self._lag = lag
        self._settle()
        self.show()

    def emit(self, event: WatchEvent) -> None:
        """Tell of something that is no decision."""
        self._log.take(event)

    def show(self) -> None:
        """Show how things stand."""
        time = self.last_end.isoformat() if self.closes else ""
        self._log.show(
            WatchState(
                time,
                dict(self._state["accounts"]),
                {symbol: dict(one) for symbol, one in self._state["symbols"].items()},
                self.closes,
                self.decisions,
                self._lag,
                dict(self.left_out.counts),
                self.feed,
            )
        )

    def finish(self) -> None:
        """End the accounts at the last close, and write their orders and trades."""
        self.feed = "ended"
        self.left_out.write()
        for name, engine in self._engines.items():
            if engine.finish():
                place = self._folder.path / ACCOUNTS / name
                place.mkdir(parents=True, exist_ok=True)
                write_tables(engine.journal, place)
        self.show()

    def close(self) -> None:
        """Let go of threads and files."""
        for engine in self._engines.values():
            engine.leave()
        self._bars.close()
        self._chain.close()
        self._log.close()

    def _advisor(self, arm: Arm, session: AdvisorSession | None, lines: Sequence[RecordedLine]) -> Advisor:
        if session is None or arm.config is None:
            rule = rule_of(arm, self._experiment)
            if rule is None:
                raise ValueError(f"nobody decides in the arm {arm.name}")
            return rule
        committer = self._committers[arm.name]
        entries = (line.entry for line in lines if line.line)
        client = ResumedClient(session.asked, entries, lambda: committer.resumes)
        self._clients.append(client)
        return advisor_of(client, arm.config, fallback=self._experiment.fallback_of(arm.config))

    def _go_through(self, recorded: RecordedClose) -> None:
        """Decide on a recorded close again; what of it was not decided yet is marked late, unless it is played."""
        self._decide(recorded.number, recorded.close, recorded.missed, late=recorded.live)

    def _decide(self, number: int, close: Close, missed: str, *, late: bool) -> None:
        if not self._engines:
            self._begin(close)
        self._stamp.begin(number, late=late)
        time = close.period.time
        if missed:
            for symbol in close.bars:
                self._missed[symbol][time.isoformat()] = missed
        end = close.period.end.isoformat()
        actions: dict[str, dict[str, str]] = {}
        for name, engine in self._engines.items():
            committer = self._committers[name]
            engine.step(time, close.bars)
            for entry in committer.entries:
                self._circumstances.note_decision(entry.decision.snapshot)
            for place, fill in enumerate(engine.fills):
                self._rules.filled(end, name, place, fill)
            for entry in committer.entries:
                self.decisions += 1
                self._rules.decided(end, name, entry)
                if name not in self._nulls:
                    actions.setdefault(entry.decision.snapshot.symbol, {})[name] = _action(entry)
                self._note(name, entry)
            committer.entries.clear()
            if (row := committer.account()) is not None:
                self._circumstances.note_account(name, row)
                self._rules.closed(end, name, row, killed=engine.is_killed)
                peak = self._peaks[name] = max(self._peaks.get(name, row.equity), row.equity)
                figures = {"equity": row.equity, "cash": row.cash, "net": row.net, "gross": row.gross}
                self._state["accounts"][name] = figures | {"drawdown": row.equity / peak - 1 if peak > 0 else 0.0}
            for symbol, shares in engine.positions.items():
                self._of_symbol(symbol)["arms"].setdefault(name, {})["position"] = shares
        for symbol, decided in actions.items():
            self._rules.compared(end, symbol, decided)
        for symbol, bar in close.bars.items():
            self._of_symbol(symbol).update(close=bar.close, bar=end)
            self.since[symbol] = close.period.end
        self.closes = number
        self.last_end = max(self.last_end, close.period.end)

    def _begin(self, first: Close) -> None:
        """Make the accounts, which begin with the first close, and go through the bars before it."""
        history = self._folder.history
        for arm in self._arms:
            self._engines[arm.name] = ArmEngine(
                arm.name,
                self._advisors[arm.name],
                history,
                self._experiment,
                arm.config or self._experiment.primary_config,
                self._committers[arm.name].journal,
                first_day=first.period.time.date(),
                missed=self._missed,
            )
            self._engines[arm.name].begin(history)

    def _settle(self) -> None:
        """Have everything on the disk, and note how long the chains are."""
        self._chain.sync()
        self._folder.write_head(self._bars.head, self._chain.head)
        self.left_out.write()

    def _of_symbol(self, symbol: str) -> dict[str, Any]:
        symbols: dict[str, dict[str, Any]] = self._state["symbols"]
        return symbols.setdefault(symbol, {"close": None, "bar": "", "arms": {}})

    def _note(self, arm: str, entry: Entry) -> None:
        decision, advice = entry.decision, entry.decision.advice
        self._of_symbol(decision.snapshot.symbol)["arms"].setdefault(arm, {}).update(
            label="" if advice is None else str(advice.regime.label),
            action="" if advice is None else str(advice.action.type),
            confidence=None if advice is None else advice.action.confidence,
            status=str(decision.status),
            intent=str(entry.verdict.intent),
        )


def _action(entry: Entry) -> str:
    advice = entry.decision.advice
    return "no advice" if advice is None else str(advice.action.type)
