"""Who registers the hypotheses of a run: the user's register, or, for a replay, what the run was told by it.

A run keeps of each entry what a replay needs to compute its hash again: number, time, the hash of the entry before, and
the run that wrote it. So a statement or a result that was changed in a run folder no longer has the hash of its entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from llm_strategy.errors import ConfigurationError, RegisterError
from simulator.hypotheses.register import Proposer, Register
from simulator.hypotheses.statement import Hypothesis
from simulator.registers.chain import Entry
from simulator.registers.data import DataWindow

Result: TypeAlias = Mapping[str, Any]
NOT_REGISTERED = "The register of hypotheses could not be written, and what is not registered is not tested."


@dataclass(frozen=True)
class Registered:
    """What the register holds of one step: its ``entry``, the ``result`` there, and whether an ``earlier`` run put it
    there; or why there is none (``refused``, one sentence)."""

    entry: Mapping[str, Any] | None = None
    result: Result | None = None
    earlier: bool = False
    refused: str = ""

    def as_document(self) -> dict[str, Any]:
        """The same as plain data, without the result."""
        if self.entry is None:
            return {"refused": self.refused}
        return {"entry": dict(self.entry)} | ({"earlier": True} if self.earlier else {})


class Registrar(Protocol):
    """Registers, in the order of the methods, each statement of a run."""

    def propose(self, hypothesis: Hypothesis, proposer: Proposer, window: DataWindow | None) -> Registered:
        """Register a statement."""
        ...

    def test(
        self, hypothesis: Hypothesis, window: DataWindow, study: Callable[[], tuple[Result, float | None]]
    ) -> Registered:
        """Test a registered statement, which gives a result and a p value, where the rules allow it."""
        ...

    def trade(self, hypothesis: Hypothesis, window: DataWindow, traded: Callable[[], Result]) -> Registered:
        """Let a tested statement trade the last window, where the rules allow it."""
        ...

    def others(self, window: DataWindow, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """All other tests of these data that stand before the last of the entries with these numbers: ``statement`` and
        ``p`` of each."""
        ...


class UserRegistrar:
    """Writes to the user's register, as the run of this identity. What that run wrote before it was killed is taken as
    done; a test of the same bars by an earlier run stands, and is not made again.

    A register that cannot be used ends no run: what is not registered is not tested. ``problem`` then says why.
    """

    def __init__(self, register: Register, run: str) -> None:
        self.problem = ""
        self._register = register
        self._run = run

    def propose(self, hypothesis: Hypothesis, proposer: Proposer, window: DataWindow | None) -> Registered:
        """Register a statement."""
        try:
            entry = self._register.propose(hypothesis, proposer, window, self._run)
        except RegisterError as problem:
            return self._failed(problem)
        return Registered(_kept(entry), earlier=entry.content.get("run") != self._run)

    @staticmethod
    def of(entry: Entry) -> Registered:
        """An entry that stands in the register."""
        return Registered(_kept(entry), entry.content.get("result"), earlier=True)

    def test(
        self, hypothesis: Hypothesis, window: DataWindow, study: Callable[[], tuple[Result, float | None]]
    ) -> Registered:
        """Test a registered statement."""
        try:
            if (found := self._earlier("tested", hypothesis, window)) is not None:
                return found
            entry = self._register.require_testable(hypothesis, window, self._run)
            if entry is None:
                result, p_value = study()
                entry = self._register.record_test(hypothesis, window, result, p_value, self._run)
        except ConfigurationError:
            return Registered(refused=self._why("test", hypothesis, window))
        except RegisterError as problem:
            return self._failed(problem)
        return Registered(_kept(entry), entry.content["result"])

    def trade(self, hypothesis: Hypothesis, window: DataWindow, traded: Callable[[], Result]) -> Registered:
        """Let a tested statement trade the last window."""
        try:
            if (found := self._earlier("traded", hypothesis, window)) is not None:
                return found
            entry = self._register.require_tradable(hypothesis, window, self._run)
            entry = entry or self._register.record_trade(hypothesis, window, traded(), self._run)
        except ConfigurationError:
            return Registered(refused=self._why("trade", hypothesis, window))
        except RegisterError as problem:
            return self._failed(problem)
        return Registered(_kept(entry), entry.content["result"])

    def others(self, window: DataWindow, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """All other tests of these data up to the last of these entries."""
        known = self._register.family(window, max(numbers, default=0) + 1)
        return [{"statement": each.statement, "p": each.p_value} for each in known if each.number not in numbers]

    def _failed(self, problem: RegisterError) -> Registered:
        self.problem = self.problem or str(problem)
        return Registered(refused=NOT_REGISTERED)

    def _earlier(self, kind: Any, hypothesis: Hypothesis, window: DataWindow) -> Registered | None:
        """What another run found on exactly these bars; None where there is nothing of it."""
        for entry in self._register.entries(kind, hypothesis.id):
            if entry.content.get("window") == window.id and entry.content.get("run") != self._run:
                return Registered(_kept(entry), entry.content["result"], earlier=True)
        return None

    def _why(self, verb: str, hypothesis: Hypothesis, window: DataWindow) -> str:
        """Why the register forbids a step, without its path, which belongs to this machine."""
        kinds = {"test": ("tested", "traded"), "trade": ("traded", "tested", "proposed")}[verb]
        for kind in kinds:
            for entry in self._register.entries(kind, hypothesis.id):  # type: ignore[arg-type]
                found = self._register.window(entry)
                if found is not None and found.overlaps(window):
                    return (
                        f"It was {kind} on {entry.at} on some of these bars: a {verb} on bars that were seen is none."
                    )
        return f"It was proposed from some of these bars, or from bars within its horizon: a {verb} there is none."


class KeptRegistrar:
    """Says what a run was told, from its ``hypotheses.json``: for a replay, which has neither the register of that user
    nor writes to its own."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._cards = {card["id"]: card for card in document["hypotheses"]}
        self._others = list(document["others"])

    def propose(self, hypothesis: Hypothesis, proposer: Proposer, window: DataWindow | None) -> Registered:
        """The entry that the run wrote, with the hash that it must have."""
        content = {
            "statement": hypothesis.as_document(),
            "sentence": hypothesis.sentence,
            "proposer": proposer.as_document(),
        }
        return self._again("registered", "proposed", hypothesis, content, window)

    def test(
        self, hypothesis: Hypothesis, window: DataWindow, study: Callable[[], tuple[Result, float | None]]
    ) -> Registered:
        """The test, made again where this run made it."""
        kept = self._kept("test", hypothesis)
        if "entry" not in kept:
            return Registered(refused=kept["refused"])
        result, p_value = (kept["result"], kept["result"]["p"]) if kept.get("earlier") else study()
        found = self._again("test", "tested", hypothesis, {"p": p_value, "result": dict(result)}, window)
        return Registered(found.entry, result, found.earlier)

    def trade(self, hypothesis: Hypothesis, window: DataWindow, traded: Callable[[], Result]) -> Registered:
        """The trade, made again where this run made it."""
        kept = self._kept("last", hypothesis)
        if "entry" not in kept:
            return Registered(refused=kept["refused"])
        result = kept["result"] if kept.get("earlier") else traded()
        found = self._again("last", "traded", hypothesis, {"result": dict(result)}, window)
        return Registered(found.entry, result, found.earlier)

    def others(self, window: DataWindow, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """As the run was told."""
        return self._others

    def _kept(self, step: str, hypothesis: Hypothesis) -> Mapping[str, Any]:
        """What the run kept of a step; of one that it did not come to, nothing was registered."""
        found: Mapping[str, Any] = self._cards.get(hypothesis.id, {}).get(step) or {
            "refused": "It is not in this folder."
        }
        return found

    def _again(
        self, step: str, kind: str, hypothesis: Hypothesis, content: dict[str, Any], window: DataWindow | None
    ) -> Registered:
        kept = self._kept(step, hypothesis)
        if "entry" not in kept:
            return Registered(refused=kept["refused"])
        entry = dict(kept["entry"])
        content |= {"run": entry["run"], "window": None if window is None else window.id}
        content |= {"origin": entry["origin"]} if "origin" in entry else {}
        made = Entry(entry["number"], kind, hypothesis.id, entry["at"], content, entry["before"])
        return Registered(entry | {"hash": made.digest}, earlier=bool(kept.get("earlier")))


def _kept(entry: Entry) -> dict[str, Any]:
    """Of an entry what a run folder keeps."""
    more = {"origin": entry.content["origin"]} if "origin" in entry.content else {}
    run = entry.content.get("run", "")
    return {"number": entry.number, "at": entry.at, "run": run, "before": entry.earlier, **more, "hash": entry.hash}
