"""The opening of a sealed tail, entered in the user's ledger before anything runs on it."""

from __future__ import annotations

from dataclasses import dataclass

from llm_strategy.errors import RegisterError
from simulator.evaluation.trials import Opening, TrialCount
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.trials.write import Known, decision_window
from simulator.trials.ledger import Ledger

NOT_KNOWN = "The ledger of trials could not be used, so that nobody can know whether these bars had been opened before."


@dataclass(frozen=True, slots=True)
class TailOpening:
    """Opens the sealed bars of a run once, or ``again``; the symbols that have ``ended`` before are left out there."""

    again: bool = False
    ended: tuple[str, ...] = ()

    def enter(self, universe: Universe, experiment: Experiment, run: str) -> Known:
        """Enter the opening by a run (its identity), and return what is known of it. Raises ``ConfigurationError``
        where the bars were opened before."""
        notes = [f"Left out, because they end before the sealed bars: {', '.join(self.ended)}."] if self.ended else []
        window, ledger = decision_window(universe, experiment), Ledger()
        try:
            entry = ledger.open(window, experiment.name, run, again=self.again)
            earlier = ledger.openings(window, entry.number)
            _, tried = ledger.configurations(window, entry.number)
        except RegisterError as problem:
            return Known(TrialCount(problem=NOT_KNOWN, opened=Opening(0, 0)), {}, [*notes, str(problem)])
        dated = {"opened": {"first": earlier[0].at if earlier else entry.at, "at": entry.at}}
        return Known(TrialCount(opened=Opening(len(earlier) + 1, len(tried))), dated, notes)
